/* SPDX-License-Identifier: MIT */
/* shrink.h - a sequence that diverges, in as few operations as that takes. */
#ifndef ORACLE_SHRINK_H
#define ORACLE_SHRINK_H

#include "run.h"

/*
 * Leaves operations out of failure->ops, and makes ranges and flags simpler, as long as it fails in
 * the same way. => how many sequences were tried; 0: it does not fail again
 */
unsigned shrink(struct failure *failure);

#endif
