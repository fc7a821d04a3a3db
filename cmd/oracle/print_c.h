/* SPDX-License-Identifier: MIT */
/* print_c.h - a sequence as a C program, which does the same on Linux, alone. */
#ifndef ORACLE_PRINT_C_H
#define ORACLE_PRINT_C_H

#include "op.h"

void print_c(FILE *stream, const struct ops *ops);

#endif
