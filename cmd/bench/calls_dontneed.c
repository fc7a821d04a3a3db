/* SPDX-License-Identifier: MIT */
/* calls_dontneed.c - what it costs to give memory back, and to touch it again. */
#include "calls.h"

#include "figure.h"

#define LOOPS 2000u

/* In calls of `step` bytes each. => ns a page */
static double give_back(const struct side *side, uint64_t step, int advice)
{
    uint64_t addr = calls_start(side), end = addr + CALLS_LENGTH;
    double start = figure_now();

    for (; addr < end; addr += step)
        if (side->advise(addr, step, advice) != 0)
            return -1;
    return (figure_now() - start) / CALLS_PAGES;
}

static double by_steps(const struct side *side, uint64_t step)
{
    return calls_map_written(side, CALLS_LENGTH) ? give_back(side, step, MMK_MADV_DONTNEED) : -1;
}

static double free_lazily(const struct side *side, uint64_t step)
{
    return calls_map_written(side, CALLS_LENGTH) ? give_back(side, step, MMK_MADV_FREE) : -1;
}

static double at_random(const struct side *side, uint64_t parameter)
{
    uint64_t start = calls_start(side), i;
    double began;

    (void)parameter;
    if (!calls_map_written(side, CALLS_LENGTH))
        return -1;
    began = figure_now();
    for (i = 0; i < CALLS_PAGES; i++)
        if (side->advise(start + calls_shuffled(i, CALLS_PAGES) * SIDE_PAGE, SIDE_PAGE,
                         MMK_MADV_DONTNEED) != 0)
            return -1;
    return (figure_now() - began) / CALLS_PAGES;
}

static double of_zeros(const struct side *side, uint64_t step)
{
    uint64_t addr = calls_start(side);

    if (!calls_map_fresh(side, CALLS_LENGTH))
        return -1;
    for (; addr < calls_start(side) + CALLS_LENGTH; addr += SIDE_PAGE)
        if (!side->load(addr))
            return -1;
    return give_back(side, step, MMK_MADV_DONTNEED);
}

static double of_nothing(const struct side *side, uint64_t parameter)
{
    uint64_t start = calls_start(side);
    double began;
    unsigned i;

    (void)parameter;
    if (!calls_map_fresh(side, CALLS_LENGTH))
        return -1;
    began = figure_now();
    for (i = 0; i < LOOPS; i++)
        if (side->advise(start, CALLS_LENGTH, MMK_MADV_DONTNEED) != 0)
            return -1;
    return (figure_now() - began) / LOOPS;
}

/* A page is touched and given back, over and over, by calls of `length` bytes. */
static double loop(const struct side *side, uint64_t length)
{
    uint64_t start = calls_start(side);
    double began = figure_now();
    unsigned i;

    for (i = 0; i < LOOPS; i++)
        if (!side->store(start) || side->advise(start, length, MMK_MADV_DONTNEED) != 0)
            return -1;
    return (figure_now() - began) / LOOPS;
}

/* Its neighbour keeps the table. */
static double loop_beside(const struct side *side, uint64_t length)
{
    return calls_map_fresh(side, CALLS_LENGTH) && side->store(calls_start(side) + SIDE_PAGE)
               ? loop(side, length)
               : -1;
}

/* The tables above it stay for that of its neighbour. */
static double loop_leaf(const struct side *side, uint64_t length)
{
    return calls_map_fresh(side, CALLS_LENGTH) && side->store(calls_start(side) + SIDE_TABLE)
               ? loop(side, length)
               : -1;
}

static double loop_alone(const struct side *side, uint64_t length)
{
    return calls_map_fresh(side, CALLS_LENGTH) ? loop(side, length) : -1;
}

static const struct call_case cases[] = {
    {"one-call", "16 MiB, one call", "ns/page", by_steps, CALLS_LENGTH},
    {"tables", "  2 MiB a call", "ns/page", by_steps, SIDE_TABLE},
    {"pieces", "  64 KiB a call", "ns/page", by_steps, (uint64_t)64 << 10},
    {"pages", "  page by page", "ns/page", by_steps, SIDE_PAGE},
    {"pages-random", "  page by page, at random", "ns/page", at_random, 0},
    {"zero-pages", "  read only: one call", "ns/page", of_zeros, CALLS_LENGTH},
    {"free", "  MADV_FREE, one call", "ns/page", free_lazily, CALLS_LENGTH},
    {"nothing", "16 MiB, nothing there", "ns/call", of_nothing, 0},
    {"loop-beside", "touch, give back; table stays", "ns/loop", loop_beside, SIDE_PAGE},
    {"loop-leaf", "  nothing else in the table", "ns/loop", loop_leaf, SIDE_PAGE},
    {"loop-alone", "  nor in those above", "ns/loop", loop_alone, SIDE_PAGE},
    {"loop-table", "  so, 2 MiB a call", "ns/loop", loop_alone, SIDE_TABLE},
};

const struct call_group calls_dontneed = {
    .name = "dontneed",
    .summary = "what it costs to give memory back, and to touch it again",
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
    .memory = (uint64_t)96 << 20,
    .notes = "Nothing else in the table: mmkit frees it each time, and the next touch has it "
             "again (with\nthose above, if nothing is there); Linux keeps it, unless a call covers "
             "all of it (2 MiB).\n",
};
