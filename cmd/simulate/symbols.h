/* SPDX-License-Identifier: MIT */
/* symbols.h - names of this program's functions and variables, by address. */
#ifndef SIMULATE_SYMBOLS_H
#define SIMULATE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbol {
    uintptr_t address; /* where it begins */
    size_t size;
    const char *name, *file; /* file: "" where it is not known: of what is not static */
};

/* => NULL: none there, or the program has been stripped */
const struct symbol *symbol_at(uintptr_t address);

#endif
