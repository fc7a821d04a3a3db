/* SPDX-License-Identifier: MIT */
/*
 * swap.h - what devices for swap areas have in common: swap.c checks and counts, one of the others
 * keeps the pages.
 */
#ifndef MACHINE_SWAP_INTERNAL_H
#define MACHINE_SWAP_INTERNAL_H

#include "machine_swap.h"
#include <mmkit/port/atomic.h>

/* Where pages are kept. => read, write: 0, or a negative error */
struct swap_store {
    int (*read)(struct machine_swap *swap, uint64_t slot, void *page);
    int (*write)(struct machine_swap *swap, uint64_t slot, const void *page);
    void (*discard)(struct machine_swap *swap, uint64_t slot);
    void (*close)(struct machine_swap *swap);
};

struct machine_swap {
    const struct swap_store *store;
    uint64_t slots;
    struct mmk_a32 *state; /* a: of each slot: swap.c */
    struct machine_swap_errors errors;
    struct mmk_a64 reads, writes, discarded, read_bad, write_bad; /* a */
    void **page; /* swap_memory.c: NULL: nothing there */
    int fd;      /* swap_file.c */
};

/* => NULL: no memory */
struct machine_swap *swap_new(const struct swap_store *store, uint64_t slots);

#endif
