/* SPDX-License-Identifier: MIT */
/* calls_map.c - what it costs to map, unmap, protect, and move. */
#include "calls.h"

#include "figure.h"

#define LOOPS  1000u
#define PIECES 512u

/* Of `length` bytes that nobody touches; of one page, which is written to. */
static double map_unmap(const struct side *side, uint64_t length, bool touched)
{
    uint64_t start = calls_start(side);
    double began = figure_now();
    unsigned i;

    for (i = 0; i < LOOPS; i++)
        if (!calls_map_fresh(side, length) || (touched && !side->store(start)) ||
            side->unmap(start, length) != 0)
            return -1;
    return (figure_now() - began) / LOOPS;
}

static double map_unmap_untouched(const struct side *side, uint64_t length)
{
    return map_unmap(side, length, false);
}

static double map_unmap_touched(const struct side *side, uint64_t length)
{
    return map_unmap(side, length, true);
}

static double unmap_pages(const struct side *side, uint64_t length)
{
    double start;

    if (!calls_map_written(side, length))
        return -1;
    start = figure_now();
    if (side->unmap(calls_start(side), length) != 0)
        return -1;
    return (figure_now() - start) / (double)(length / SIDE_PAGE);
}

/* One beside the other: they become one mapping. */
static double map_merging(const struct side *side, uint64_t length)
{
    uint64_t addr = calls_start(side);
    double start = figure_now();
    unsigned i;

    for (i = 0; i < PIECES; i++, addr += length)
        if (side->map(addr, length, CALLS_READ_WRITE, CALLS_ANONYMOUS) < 0)
            return -1;
    return (figure_now() - start) / PIECES;
}

/* Every other page of an untouched mapping, which so becomes many; then they become one again. */
static double protect_pieces(const struct side *side, unsigned prot)
{
    uint64_t addr = calls_start(side);
    double start = figure_now();
    unsigned i;

    for (i = 0; i < PIECES; i++, addr += 2 * SIDE_PAGE)
        if (side->protect(addr, SIDE_PAGE, prot) != 0)
            return -1;
    return (figure_now() - start) / PIECES;
}

static double protect_splits(const struct side *side, uint64_t merge)
{
    double split = -1;

    if (calls_map_fresh(side, (uint64_t)2 * PIECES * SIDE_PAGE))
        split = protect_pieces(side, MMK_PROT_READ);
    return split < 0 || !merge ? split : protect_pieces(side, CALLS_READ_WRITE);
}

static double unmap_splits(const struct side *side, uint64_t parameter)
{
    uint64_t addr = calls_start(side);
    double start;
    unsigned i;

    (void)parameter;
    if (!calls_map_fresh(side, (uint64_t)2 * PIECES * SIDE_PAGE))
        return -1;
    start = figure_now();
    for (i = 0; i < PIECES; i++, addr += 2 * SIDE_PAGE)
        if (side->unmap(addr, SIDE_PAGE) != 0)
            return -1;
    return (figure_now() - start) / PIECES;
}

static double protect_pages(const struct side *side, uint64_t length)
{
    uint64_t at = calls_start(side);
    double start;

    if (!calls_map_written(side, length))
        return -1;
    start = figure_now();
    if (side->protect(at, length, MMK_PROT_READ) != 0)
        return -1;
    return (figure_now() - start) / (double)(length / SIDE_PAGE);
}

/* To a place that is off by so much. */
static double move_pages(const struct side *side, uint64_t off)
{
    uint64_t from = calls_start(side), to = from + 4 * SIDE_UPPER + off;
    double start;

    if (!calls_map_written(side, CALLS_LENGTH))
        return -1;
    start = figure_now();
    if (side->remap(from, CALLS_LENGTH, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, to) < 0)
        return -1;
    return (figure_now() - start) / CALLS_PAGES;
}

static const struct call_case cases[] = {
    {"map-64k", "mmap, munmap; 64 KiB untouched", "ns/pair", map_unmap_untouched,
     (uint64_t)64 << 10},
    {"map-1g", "  1 GiB untouched", "ns/pair", map_unmap_untouched, (uint64_t)1 << 30},
    {"map-page", "  64 KiB, a page written", "ns/pair", map_unmap_touched, (uint64_t)64 << 10},
    {"map-merge", "mmap beside the last: merged", "ns/call", map_merging, (uint64_t)64 << 10},
    {"unmap-split", "munmap of every other page", "ns/call", unmap_splits, 0},
    {"unmap-16m", "munmap, 16 MiB written", "ns/page", unmap_pages, CALLS_LENGTH},
    {"protect-split", "mprotect of every other page", "ns/call", protect_splits, 0},
    {"protect-merge", "  and back: merged", "ns/call", protect_splits, 1},
    {"protect-16m", "mprotect, 16 MiB written", "ns/page", protect_pages, CALLS_LENGTH},
    {"move-tables", "mremap, 16 MiB written", "ns/page", move_pages, 0},
    {"move-entries", "  to a place one page off", "ns/page", move_pages, SIDE_PAGE},
};

const struct call_group calls_map = {
    .name = "map",
    .summary = "what it costs to map, unmap, protect and move",
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
    .memory = (uint64_t)96 << 20,
    .notes = "mremap to a place that is off by a multiple of 2 MiB moves tables as a whole.\n",
};
