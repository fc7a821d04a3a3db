/* SPDX-License-Identifier: MIT */
/*
 * calls_fork.c - what fork costs, and the end of a child, and the first write after it. What Linux
 * does for a process beside its memory is taken off, where the unit is a page: the same fork, of
 * the same process, with the memory left out by MADV_DONTFORK.
 */
#include "calls.h"

#include "figure.h"

#define TABLES     512u
#define ROUNDS_MAX 64u

struct times {
    double fork, end;
};

static bool fork_once(const struct side *side, struct times *times)
{
    times->fork = side->fork();
    if (times->fork < 0)
        return false;
    times->end = side->end_child();
    return times->end >= 0;
}

/* Forks with and without the memory, written since the last time: entries are writable again. */
static bool fork_both(const struct side *side, uint64_t length, struct times *with,
                      struct times *without)
{
    uint64_t start = calls_start(side);

    return side->advise(start, length, MMK_MADV_DONTFORK) == 0 && fork_once(side, without) &&
           side->advise(start, length, MMK_MADV_DOFORK) == 0 && calls_write(side, start, length) &&
           fork_once(side, with);
}

/* Of small memory many times, as it is little beside the process: the medians. */
static bool measure(const struct side *side, uint64_t length, struct times *each)
{
    double pages = (double)(length / SIDE_PAGE), forks[ROUNDS_MAX], ends[ROUNDS_MAX];
    unsigned rounds = length < ((uint64_t)8 << 20) ? ROUNDS_MAX : 1, i;
    struct times with, without;

    if (!calls_map_written(side, length))
        return false;
    for (i = 0; i < rounds; i++) {
        if (!fork_both(side, length, &with, &without))
            return false;
        forks[i] = (with.fork - without.fork) / pages;
        ends[i] = (with.end - without.end) / pages;
    }
    each->fork = figure_median(forks, rounds);
    each->end = figure_median(ends, rounds);
    return true;
}

static double fork_pages(const struct side *side, uint64_t length)
{
    struct times each;

    return measure(side, length, &each) ? each.fork : -1;
}

static double exit_pages(const struct side *side, uint64_t length)
{
    struct times each;

    return measure(side, length, &each) ? each.end : -1;
}

static double fork_nothing(const struct side *side, uint64_t parameter)
{
    struct times times;

    (void)parameter;
    return fork_once(side, &times) ? times.fork : -1;
}

/* Tables that had pages: a page each was touched, and given back. */
static double fork_history(const struct side *side, uint64_t parameter)
{
    uint64_t start = calls_start(side), addr, end = start + TABLES * SIDE_TABLE;
    struct times times;

    (void)parameter;
    if (!calls_map_fresh(side, TABLES * SIDE_TABLE))
        return -1;
    for (addr = start; addr < end; addr += SIDE_TABLE)
        if (!side->store(addr) || side->advise(addr, SIDE_PAGE, MMK_MADV_DONTNEED) != 0)
            return -1;
    return fork_once(side, &times) ? times.fork : -1;
}

/* Writing to all pages while the child has them, too, or when it has gone. */
static double write_after(const struct side *side, bool child_stays)
{
    uint64_t start = calls_start(side);
    double began, ns;

    if (!calls_map_written(side, CALLS_LENGTH) || side->fork() < 0)
        return -1;
    (void)side->child_tables(); /* it has come to wait */
    if (!child_stays && side->end_child() < 0)
        return -1;
    began = figure_now();
    if (!calls_write(side, start, CALLS_LENGTH))
        return -1;
    ns = (figure_now() - began) / CALLS_PAGES;
    if (child_stays && side->end_child() < 0)
        return -1;
    return ns;
}

static double write_copies(const struct side *side, uint64_t parameter)
{
    (void)parameter;
    return write_after(side, true);
}

static double write_again(const struct side *side, uint64_t parameter)
{
    (void)parameter;
    return write_after(side, false);
}

static const struct call_case cases[] = {
    {"fork-1m", "fork, 1 MiB written", "ns/page", fork_pages, (uint64_t)1 << 20},
    {"fork-16m", "fork, 16 MiB written", "ns/page", fork_pages, (uint64_t)16 << 20},
    {"fork-256m", "fork, 256 MiB written", "ns/page", fork_pages, (uint64_t)256 << 20},
    {"exit-16m", "the child's end, 16 MiB", "ns/page", exit_pages, (uint64_t)16 << 20},
    {"write-copies", "write, child alive: a copy", "ns/page", write_copies, 0},
    {"write-again", "write, child gone: no copy", "ns/page", write_again, 0},
    {"fork-nothing", "fork, no memory of its own", "ns/call", fork_nothing, 0},
    {"fork-history", "fork, 512 tables were in use", "ns/call", fork_history, 0},
};

const struct call_group calls_fork = {
    .name = "fork",
    .summary = "what fork costs, a child's end, and the first write after it",
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
    .memory = (uint64_t)384 << 20,
    .notes = "ns/page: beside what the same fork, or end, costs when all of this memory is left "
             "out\n(MADV_DONTFORK). ns/call: all of it, on Linux a whole process.\n",
};
