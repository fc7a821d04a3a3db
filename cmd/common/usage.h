/* SPDX-License-Identifier: MIT */
/* usage.h - what is wrong with the work that is asked for. */
#ifndef USAGE_H
#define USAGE_H

#include <stdint.h>

enum { STATUS_FAULT = 1, STATUS_BAD_USAGE = 2 };

/* One line, then exits with STATUS_BAD_USAGE. */
__attribute__((noreturn, format(printf, 1, 2))) void bad_usage(const char *format, ...);

/* The number that an option has, from low to high. Exits when it is none. */
uint64_t usage_number(const char *option, const char *text, uint64_t low, uint64_t high);

#endif
