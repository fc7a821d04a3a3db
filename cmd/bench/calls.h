/* SPDX-License-Identifier: MIT */
/*
 * calls.h - what calls and faults cost: `mmkit bench fork', dontneed, map, touch. Each case is
 * written once, and run on both sides.
 */
#ifndef CALLS_H
#define CALLS_H

#include "side.h"

#include <mmkit/mm.h>

#include <stdbool.h>
#include <stdint.h>

#define CALLS_READ_WRITE (MMK_PROT_READ | MMK_PROT_WRITE)
#define CALLS_ANONYMOUS  (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_NORESERVE | MMK_MAP_FIXED)

/* Of most cases, and of most cases' memory. */
#define CALLS_PAGES  4096u
#define CALLS_LENGTH (CALLS_PAGES * SIDE_PAGE)

struct call_case {
    const char *name, *what, *unit;
    /* => ns a unit, of CPU time, or faults a unit; below 0: something has failed */
    double (*run)(const struct side *side, uint64_t parameter);
    uint64_t parameter;
};

struct call_group {
    const char *name, *summary;
    const struct call_case *cases;
    unsigned count;
    uint64_t object;   /* size of the object; 0: none */
    uint64_t memory;   /* of mmkit's machine */
    bool huge;         /* larger pages are possible, where a case asks for them */
    const char *notes; /* what is to be known of the figures */
};

extern const struct call_group calls_fork, calls_dontneed, calls_map, calls_touch, calls_huge;

/* --- for the cases: where they act, and what they do often -------------------------------------
 */

/* A whole upper table's worth of addresses lies below. */
uint64_t calls_start(const struct side *side);

/* Maps private memory at the start; writes to each page of it. => false: something has failed */
bool calls_map_fresh(const struct side *side, uint64_t length);
bool calls_write(const struct side *side, uint64_t addr, uint64_t length);
bool calls_map_written(const struct side *side, uint64_t length);

/* The numbers below `count` in an order that looks random. => count is a power of two */
uint64_t calls_shuffled(uint64_t number, uint64_t count);

#endif
