/* SPDX-License-Identifier: MIT */
/*
 * possible.h - which operations an executor may be asked for at all.
 *
 * The Linux side is a real process, and lives beside the window: what would reach its own memory,
 * or take hours, is no operation, whoever wrote it. What the seals around the window refuse by
 * themselves is one.
 */
#ifndef ORACLE_POSSIBLE_H
#define ORACLE_POSSIBLE_H

#include "op.h"
#include "window.h"

#define FILE_MAX (16 * MIB) /* of a file's size */

bool op_is_possible(const struct op *op);

#endif
