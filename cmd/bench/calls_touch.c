/* SPDX-License-Identifier: MIT */
/* calls_touch.c - what the first touch of a page costs. */
#include "calls.h"

#include "figure.h"

#define TABLES 512u

enum order { IN_ORDER, AT_RANDOM };

/* => ns a page */
static double touch(const struct side *side, bool (*access)(uint64_t addr), enum order order)
{
    uint64_t start = calls_start(side), i, page;
    double began = figure_now();

    for (i = 0; i < CALLS_PAGES; i++) {
        page = order == IN_ORDER ? i : calls_shuffled(i, CALLS_PAGES);
        if (!access(start + page * SIDE_PAGE))
            return -1;
    }
    return (figure_now() - began) / CALLS_PAGES;
}

static double writes(const struct side *side, uint64_t order)
{
    return calls_map_fresh(side, CALLS_LENGTH) ? touch(side, side->store, (enum order)order) : -1;
}

static double reads(const struct side *side, uint64_t order)
{
    return calls_map_fresh(side, CALLS_LENGTH) ? touch(side, side->load, (enum order)order) : -1;
}

static double writes_zeros(const struct side *side, uint64_t order)
{
    return reads(side, IN_ORDER) < 0 ? -1 : touch(side, side->store, (enum order)order);
}

/* Each page in a table of its own. */
static double writes_apart(const struct side *side, uint64_t parameter)
{
    uint64_t addr = calls_start(side), i;
    double start;

    (void)parameter;
    if (!calls_map_fresh(side, TABLES * SIDE_TABLE))
        return -1;
    start = figure_now();
    for (i = 0; i < TABLES; i++, addr += SIDE_TABLE)
        if (!side->store(addr))
            return -1;
    return (figure_now() - start) / TABLES;
}

static double populate(const struct side *side, uint64_t advice)
{
    double start;

    if (!calls_map_fresh(side, CALLS_LENGTH))
        return -1;
    start = figure_now();
    if (side->advise(calls_start(side), CALLS_LENGTH, (int)advice) != 0)
        return -1;
    return (figure_now() - start) / CALLS_PAGES;
}

/* flags: MMK_MAP_SHARED or MMK_MAP_PRIVATE */
static bool map_object(const struct side *side, unsigned flags)
{
    return side->map(calls_start(side), CALLS_LENGTH, CALLS_READ_WRITE, flags | MMK_MAP_FIXED) >= 0;
}

/* The object's pages are in memory, and mapped nowhere. */
static bool map_filled_object(const struct side *side, unsigned flags)
{
    return map_object(side, MMK_MAP_SHARED) && calls_write(side, calls_start(side), CALLS_LENGTH) &&
           side->unmap(calls_start(side), CALLS_LENGTH) == 0 && map_object(side, flags);
}

static double shared_new(const struct side *side, uint64_t order)
{
    return map_object(side, MMK_MAP_SHARED) ? touch(side, side->store, (enum order)order) : -1;
}

static double shared_writes(const struct side *side, uint64_t order)
{
    if (!map_filled_object(side, MMK_MAP_SHARED))
        return -1;
    return touch(side, side->store, (enum order)order);
}

static double object_reads(const struct side *side, uint64_t flags)
{
    if (!map_filled_object(side, (unsigned)flags))
        return -1;
    return touch(side, side->load, IN_ORDER);
}

/* => faults a MiB, of the same */
static double object_faults(const struct side *side, uint64_t flags)
{
    uint64_t before;

    if (!map_filled_object(side, (unsigned)flags))
        return -1;
    before = side->faults();
    if (touch(side, side->load, IN_ORDER) < 0)
        return -1;
    return (double)(side->faults() - before) * ((uint64_t)1 << 20) / CALLS_LENGTH;
}

static const struct call_case cases[] = {
    {"write", "private: first write, in order", "ns/page", writes, IN_ORDER},
    {"write-random", "  at random", "ns/page", writes, AT_RANDOM},
    {"write-apart", "  a page in each table", "ns/page", writes_apart, 0},
    {"populate-write", "  MADV_POPULATE_WRITE", "ns/page", populate, MMK_MADV_POPULATE_WRITE},
    {"read", "private: read first, in order", "ns/page", reads, IN_ORDER},
    {"read-random", "  at random", "ns/page", reads, AT_RANDOM},
    {"populate-read", "  MADV_POPULATE_READ", "ns/page", populate, MMK_MADV_POPULATE_READ},
    {"write-zero", "  written then, in order", "ns/page", writes_zeros, IN_ORDER},
    {"shared-new", "shared: first write, no page yet", "ns/page", shared_new, IN_ORDER},
    {"shared-write", "  pages in memory: write", "ns/page", shared_writes, IN_ORDER},
    {"shared-read", "  read", "ns/page", object_reads, MMK_MAP_SHARED},
    {"shared-faults", "    its faults", "faults/MiB", object_faults, MMK_MAP_SHARED},
    {"private-read", "  read by a private mapping", "ns/page", object_reads, MMK_MAP_PRIVATE},
    {"private-faults", "    its faults", "faults/MiB", object_faults, MMK_MAP_PRIVATE},
};

const struct call_group calls_touch = {
    .name = "touch",
    .summary = "what the first touch of a page costs",
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
    .object = CALLS_LENGTH,
    .memory = (uint64_t)96 << 20,
    .notes = "Shared pages in memory that are read: both map up to 16 a fault, within 64 KiB. They "
             "are a "
             "file's\nin memory (a memfd); counted are all faults while they are read, in order.\n",
};
