/* SPDX-License-Identifier: MIT */
/* sharing_name.h - what memory is, in words: an object of the library's, and its field. */
#ifndef SIMULATE_SHARING_NAME_H
#define SIMULATE_SHARING_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHARING_NAME = 64 };

struct sharing_name {
    char object[SHARING_NAME]; /* "mm", "vma", "page", "leaf table", "frame.c:caches" */
    char field[SHARING_NAME];  /* "mmap_lock", "entry 3", "+16": where there is no name for it */
    bool leaf;                 /* it is a leaf table's: an entry, or in the descriptor */
};

/* Of an address in RAM, or of a variable, as things are now. */
void sharing_name(uintptr_t address, struct sharing_name *name);

/* The function that code is in. => good for ever */
const char *sharing_function(const void *where);

#endif
