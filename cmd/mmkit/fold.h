/* SPDX-License-Identifier: MIT */
/* fold.h - a recording's addresses, where page tables translate fewer of them. */
#ifndef FOLD_H
#define FOLD_H

#include "program.h"

/*
 * Makes the program's addresses fit into `bits`, all that user code has in the format that is
 * called `format`. Programs whose addresses fit anyway, or have 47 bits and may, are left as they
 * are.
 * => false after a message
 */
bool fold_program(struct program *program, unsigned bits, const char *format);

#endif
