/* SPDX-License-Identifier: MIT */
/*
 * waiting.c - what waits for a grace period is counted, in bytes, and bounded (P11).
 *
 * A program that empties tables, or unmaps, faster than grace periods pass would have ever more
 * memory wait. So there is a limit (waiting_limit in struct mmk_config). From half of it on the
 * port is asked for haste (mmk_rcu_expedite()). Beyond it whoever may sleep, and begins something
 * that may free more, first waits until all that has been freed so far is free indeed.
 *
 * WT1 What waits is at most the limit less `left`, which counts what the CPUs keep, too.
 * WT2 So what waits is at most the limit, and what the operations free, or have leave limbo, that
 *     had begun before it was passed: one each thread, and one that may not sleep (a table that
 *     loses its last pin) what an operation before has left to it; and a CPU that leaves, what it
 *     has in limbo.
 *
 * Why WT2 is enough: nobody frees anything, over and over, without making it first, and all loops
 * of that kind pass a place that throttles: what changes mappings or advises, reclaim and
 * compaction, truncation, and the making of address spaces and objects. A fault does not, unless it
 * has failed: it takes, and what it gives back it took from limbo. What frees tables and may not
 * sleep at all (mmk_shrink_tables()) refuses beyond the limit.
 *
 * Where: at the beginning, before there is a lock, and most of it at one place, with the mmap lock
 * (mm.h). At the end would be no better bound, and is at many places. Reclaim that an allocation
 * asks for may have locks that sleep held, as the barrier that comes when it finds nothing.
 *
 * One word for all CPUs would be written with each table that goes. So a CPU takes room for more
 * than it needs, a part, and gives back what is more than two: so much may be kept by a CPU that
 * does nothing, of each kind, and all of them together keep at most an 8th of the limit from
 * others. Where a part would be less than what is to be counted, each is taken by itself.
 *
 * Locks: none. What a CPU keeps is its own, inside a per-CPU section.
 *
 * Rejected: to count by CPU, and to add up when a CPU has freed a part: no word for all is written,
 * but the sum is of several moments, and what is decided by it may be overtaken by another that has
 * added up before. To wait until others, too, keep to the limit: one who waits might have to wait
 * for ever, and the bound would be the same.
 */
#include "waiting.h"

#include <mmkit/host.h>
#include <mmkit/port/percpu.h>
#include <mmkit/stats.h>

#define SHARE_OF_MEMORY 64u /* that may wait, of memory, unless the configuration says more; */
#define LEAST           ((uint64_t)256 << 10) /* but so many bytes, */
#define MOST            ((uint64_t)16 << 20)  /* and no more than so many */

#define PARTS     (16u * MMK_MAX_CPUS * MMK_WAITING_KINDS) /* that the limit has, at least */
#define PART_MOST ((uint64_t)64 << 10)

struct mmk_waiting mmk_waiting;
struct mmk_waiting_share mmk_waiting_shares[MMK_MAX_CPUS];

static uint64_t limit_for(uint64_t frames)
{
    const uint64_t chosen = mmk_config.waiting_limit;
    uint64_t bytes = frames * MMK_PAGE_SIZE / SHARE_OF_MEMORY;

    if (chosen != 0)
        return mmk_min(chosen, (uint64_t)INT64_MAX);
    return mmk_min(mmk_max(bytes, LEAST), MOST);
}

void mmk_waiting_init(void)
{
    unsigned cpu, kind;

    for (kind = 0; kind < MMK_WAITING_KINDS; kind++) {
        mmk_a64_store(&mmk_waiting.taken[kind], 0, MMK_RELAXED);
        for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
            mmk_a64_store(&mmk_waiting_shares[cpu].room[kind], 0, MMK_RELAXED);
    }
    mmk_a64_store(&mmk_waiting.peak, 0, MMK_RELAXED);
    mmk_a64_store(&mmk_waiting.tables_peak, 0, MMK_RELAXED);
    mmk_a64_store(&mmk_waiting.hurried, 0, MMK_RELAXED);
    mmk_a64_store(&mmk_waiting.stalled, 0, MMK_RELAXED);
    mmk_a64_store(&mmk_waiting.limit, limit_for(0), MMK_RELAXED);
    mmk_a64_store(&mmk_waiting.left, limit_for(0), MMK_RELAXED);
}

void mmk_waiting_size(uint64_t frames)
{
    const uint64_t old = mmk_a64_load(&mmk_waiting.limit, MMK_RELAXED), now = limit_for(frames);

    mmk_a64_store(&mmk_waiting.limit, now, MMK_RELAXED);
    mmk_a64_fetch_add(&mmk_waiting.left, now - old, MMK_RELAXED);
}

/* That a CPU takes at once, or leaves itself. */
static uint64_t part(void)
{
    return mmk_min(mmk_a64_load(&mmk_waiting.limit, MMK_RELAXED) / PARTS, PART_MOST);
}

static void raise(struct mmk_a64 *highest, uint64_t now)
{
    uint64_t seen = mmk_a64_load(highest, MMK_RELAXED);

    while (now > seen && !mmk_a64_cmpxchg(highest, &seen, now, MMK_RELAXED))
        continue;
}

/* => what is taken of all kinds now */
static uint64_t take(enum mmk_waiting_kind kind, uint64_t bytes)
{
    uint64_t same = mmk_a64_fetch_add(&mmk_waiting.taken[kind], bytes, MMK_RELAXED) + bytes, all;

    if (MMK_MISTAKE(WAITING_COUNT_LOST))
        mmk_a64_store(&mmk_waiting.left, mmk_a64_load(&mmk_waiting.left, MMK_RELAXED) - bytes,
                      MMK_RELAXED);
    else
        mmk_a64_fetch_sub(&mmk_waiting.left, bytes, MMK_RELAXED);
    all = same + mmk_a64_load(&mmk_waiting.taken[MMK_WAITING_OTHERS - kind], MMK_RELAXED);
    raise(&mmk_waiting.peak, all);
    if (kind == MMK_WAITING_TABLES)
        raise(&mmk_waiting.tables_peak, same);
    return all;
}

static void give(enum mmk_waiting_kind kind, uint64_t bytes)
{
    mmk_a64_fetch_sub(&mmk_waiting.taken[kind], bytes, MMK_RELAXED);
    mmk_a64_fetch_add(&mmk_waiting.left, bytes, MMK_RELAXED);
}

/* Half of what may wait does. */
static void expedite(void)
{
    mmk_a64_fetch_add(&mmk_waiting.hurried, 1, MMK_RELAXED);
    mmk_rcu_expedite();
}

/* There was no room, on this CPU or the one that it was then: takes some more, too. */
MMK_COLD void mmk_waiting_add_slow(enum mmk_waiting_kind kind, uint64_t bytes)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_a64 *room = &mmk_waiting_shares[mmk_cpu_id()].room[kind];
    uint64_t has = mmk_a64_load(room, MMK_RELAXED), all = 0;

    if (has < bytes) {
        const uint64_t more = bytes - has + part();

        all = take(kind, more);
        has += more;
    }
    mmk_a64_store(room, has - bytes, MMK_RELAXED);
    mmk_percpu_leave(state);
    if (all > mmk_a64_load(&mmk_waiting.limit, MMK_RELAXED) / 2)
        expedite();
    if (MMK_MISTAKE(WAITS_WHERE_FREED) && mmk_waiting_is_over())
        mmk_waiting_wait();
}

void mmk_waiting_done(enum mmk_waiting_kind kind, uint64_t bytes)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_a64 *room = &mmk_waiting_shares[mmk_cpu_id()].room[kind];
    uint64_t has = mmk_a64_load(room, MMK_RELAXED) + bytes, keeps = part();

    if (has > 2 * keeps) {
        give(kind, has - keeps);
        has = keeps;
    }
    mmk_a64_store(room, has, MMK_RELAXED);
    mmk_percpu_leave(state);
}

void mmk_waiting_wait(void)
{
    mmk_a64_fetch_add(&mmk_waiting.stalled, 1, MMK_RELAXED);
    mmk_host_rcu_barrier();
}

void mmk_waiting_drain_cpu(unsigned cpu)
{
    unsigned kind;

    for (kind = 0; kind < MMK_WAITING_KINDS; kind++) {
        struct mmk_a64 *room = &mmk_waiting_shares[cpu].room[kind];

        give((enum mmk_waiting_kind)kind, mmk_a64_load(room, MMK_RELAXED));
        mmk_a64_store(room, 0, MMK_RELAXED);
    }
}

void mmk_waiting_check_none(void)
{
    unsigned kind;

    for (kind = 0; kind < MMK_WAITING_KINDS; kind++)
        mmk_assert(mmk_a64_load(&mmk_waiting.taken[kind], MMK_RELAXED) == 0,
                   "WT1 what has waited is counted as free");
    mmk_assert(mmk_a64_load(&mmk_waiting.left, MMK_RELAXED) ==
                   mmk_a64_load(&mmk_waiting.limit, MMK_RELAXED),
               "WT1 what has waited may wait again");
}

/* What of a kind waits. Beside others the sum may be of no moment. */
static uint64_t waits(enum mmk_waiting_kind kind)
{
    uint64_t bytes = mmk_a64_load(&mmk_waiting.taken[kind], MMK_RELAXED), rooms = 0;
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        rooms += mmk_a64_load(&mmk_waiting_shares[cpu].room[kind], MMK_RELAXED);
    return bytes > rooms ? bytes - rooms : 0;
}

void mmk_waiting_stats(struct mmk_stats *stats)
{
    const uint64_t tables = waits(MMK_WAITING_TABLES);

    stats->tables_waiting = tables / MMK_PAGE_SIZE;
    stats->tables_waiting_peak =
        mmk_a64_load(&mmk_waiting.tables_peak, MMK_RELAXED) / MMK_PAGE_SIZE;
    stats->waiting_bytes = tables + waits(MMK_WAITING_OTHERS);
    stats->waiting_bytes_peak = mmk_a64_load(&mmk_waiting.peak, MMK_RELAXED);
    stats->waiting_limit = mmk_a64_load(&mmk_waiting.limit, MMK_RELAXED);
    stats->waiting_hurried = mmk_a64_load(&mmk_waiting.hurried, MMK_RELAXED);
    stats->waiting_stalled = mmk_a64_load(&mmk_waiting.stalled, MMK_RELAXED);
}
