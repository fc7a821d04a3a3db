/* SPDX-License-Identifier: MIT */
/* options.h - option values, as every subcommand reads them. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* A decimal number. => false: anything else, or above 64 bits */
bool option_number(const char *text, uint64_t *number);

/* A size in bytes: a number, then nothing or one of K, M, G, T (times 1024). => as above */
bool option_size(const char *text, uint64_t *bytes);

/* One of `words`, up to NULL. => its number; false: none of them */
bool option_word(const char *text, const char *const *words, unsigned *number);

#endif
