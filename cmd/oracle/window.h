/* SPDX-License-Identifier: MIT */
/*
 * window.h - the addresses that are compared: the same on Linux and in mmkit.
 *
 *   0        WINDOW_START                                       WINDOW_END         end of addresses
 *   |sealed..|   [A]              [B]   [C, heap]            [D]|sealed.......................|
 *
 * Nothing of the executor's own lies in the window, and everything beyond it is taken, and sealed:
 * so a mapping without MAP_FIXED lands in the window on Linux, too, from its top down, and what
 * reaches beyond it is refused on both sides alike. Sequences work on islands, small enough that
 * ranges meet, each around a boundary of page tables but the last, which is where Linux puts what
 * it may put anywhere.
 */
#ifndef ORACLE_WINDOW_H
#define ORACLE_WINDOW_H

#include <stdint.h>

#define PAGE ((uint64_t)4096)
#define MIB  ((uint64_t)1 << 20)
#define GIB  ((uint64_t)1 << 30)

#define WINDOW_MIDDLE ((uint64_t)0x200000000000) /* tables of all levels end here */
#define WINDOW_START  (WINDOW_MIDDLE - 64 * MIB)
#define WINDOW_END    (WINDOW_MIDDLE + GIB + 64 * MIB)
#define ADDRESS_END   ((uint64_t)0x7ffffffff000)

enum { ISLANDS = 4, ISLAND_PAGES = 32, ISLANDS_PAGES = ISLANDS * ISLAND_PAGES };

static const uint64_t islands[ISLANDS] = {
    WINDOW_MIDDLE - 16 * PAGE,
    WINDOW_MIDDLE + GIB - 16 * PAGE,
    WINDOW_MIDDLE + GIB + 2 * MIB - 16 * PAGE,
    WINDOW_END - 32 * PAGE,
};

/* A process may have a few of these in memory, and locked. */
#define LOCKED_MOST (8 * MIB)

/* What stacks keep free below them: Linux's stack_guard_gap, as it is set at boot. */
#define STACK_GAP MIB

#define HEAP_START (islands[2] + 6 * PAGE)

/* The islands' pages in one row. */
static inline uint64_t island_page(unsigned number)
{
    return islands[number / ISLAND_PAGES] + number % ISLAND_PAGES * PAGE;
}

#endif
