/* SPDX-License-Identifier: MIT */
/*
 * calls_huge.c - what larger pages cost: memory that asks for them by MADV_HUGEPAGE, 2 MiB at a
 * time, on a Linux that gives them to who asks.
 */
#include "calls.h"

#include "figure.h"

#define HUGE_PAGES 8u /* in each case */
#define LENGTH     (HUGE_PAGES * SIDE_TABLE)

static bool map_huge(const struct side *side)
{
    return calls_map_fresh(side, LENGTH) &&
           side->advise(calls_start(side), LENGTH, MMK_MADV_HUGEPAGE) == 0;
}

/* One word of each: the fault clears all of it. */
static bool touch_each(const struct side *side)
{
    uint64_t addr = calls_start(side), i;

    for (i = 0; i < HUGE_PAGES; i++, addr += SIDE_TABLE)
        if (!side->store(addr))
            return false;
    return true;
}

static bool map_touched(const struct side *side)
{
    return map_huge(side) && touch_each(side);
}

static double touch(const struct side *side, uint64_t parameter)
{
    double start;

    (void)parameter;
    if (!map_huge(side))
        return -1;
    start = figure_now();
    return touch_each(side) ? (figure_now() - start) / HUGE_PAGES : -1;
}

/* One word of each, which nobody has written: no memory is cleared. */
static double read_zeros(const struct side *side, uint64_t parameter)
{
    uint64_t addr, i;
    double start;

    (void)parameter;
    if (!map_huge(side))
        return -1;
    addr = calls_start(side);
    start = figure_now();
    for (i = 0; i < HUGE_PAGES; i++, addr += SIDE_TABLE)
        if (!side->load(addr))
            return -1;
    return (figure_now() - start) / HUGE_PAGES;
}

/* The same memory by small pages. */
static double touch_small(const struct side *side, uint64_t parameter)
{
    double start;

    (void)parameter;
    if (!calls_map_fresh(side, LENGTH))
        return -1;
    start = figure_now();
    return calls_write(side, calls_start(side), LENGTH) ? (figure_now() - start) / HUGE_PAGES : -1;
}

static double give_back(const struct side *side, uint64_t parameter)
{
    double start;

    (void)parameter;
    if (!map_touched(side))
        return -1;
    start = figure_now();
    if (side->advise(calls_start(side), LENGTH, MMK_MADV_DONTNEED) != 0)
        return -1;
    return (figure_now() - start) / HUGE_PAGES;
}

/* A page in each is given back: it is split. */
static double split(const struct side *side, uint64_t parameter)
{
    uint64_t addr = calls_start(side) + SIDE_PAGE, i;
    double start;

    (void)parameter;
    if (!map_touched(side))
        return -1;
    start = figure_now();
    for (i = 0; i < HUGE_PAGES; i++, addr += SIDE_TABLE)
        if (side->advise(addr, SIDE_PAGE, MMK_MADV_DONTNEED) != 0)
            return -1;
    return (figure_now() - start) / HUGE_PAGES;
}

static double protect(const struct side *side, uint64_t parameter)
{
    double start;

    (void)parameter;
    if (!map_touched(side))
        return -1;
    start = figure_now();
    if (side->protect(calls_start(side), LENGTH, MMK_PROT_READ) != 0)
        return -1;
    return (figure_now() - start) / HUGE_PAGES;
}

static double fork_all(const struct side *side, uint64_t parameter)
{
    double ns;

    (void)parameter;
    if (!map_touched(side))
        return -1;
    ns = side->fork();
    return ns < 0 || side->end_child() < 0 ? -1 : ns / HUGE_PAGES;
}

static const struct call_case cases[] = {
    {"touch", "first write, of 2 MiB", "ns/2 MiB", touch, 0},
    {"touch-small", "  by small pages", "ns/2 MiB", touch_small, 0},
    {"read", "first read", "ns/2 MiB", read_zeros, 0},
    {"give-back", "MADV_DONTNEED of it", "ns/2 MiB", give_back, 0},
    {"split", "  of a page in it", "ns/2 MiB", split, 0},
    {"protect", "mprotect of it", "ns/2 MiB", protect, 0},
    {"fork", "fork", "ns/2 MiB", fork_all, 0},
};

const struct call_group calls_huge = {
    .name = "touch-huge",
    .summary = "what the first touch of a page costs",
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
    .memory = (uint64_t)96 << 20,
    .huge = true,
    .notes = "Both clear 2 MiB in `touch'. fork: with all else of a process on Linux.\n",
};
