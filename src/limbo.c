/* SPDX-License-Identifier: MIT */
/*
 * limbo.c - freed tables that may be linked again where they were (P11).
 *
 * A program that touches a page and gives it back, over and over, has its table freed and rebuilt
 * each time, and each table would wait for a grace period: thousands of them, if these are long.
 * So freed tables, flushed already, are kept for a while by the CPU that freed them, and no grace
 * period is asked for yet. A fault that lacks just these, below the same entry, takes them from
 * there.
 *
 * What goes at once comes back at once: tables of which each held nothing but the next lower one
 * are a path. It is freed as one, still linked from one to the next, kept as one, by its leaf
 * table, and linked again by one store.
 *
 * LI1 A path in limbo is dead, flushed, and from a leaf table up; the leaf is all zero, each other
 *     has one entry, which links the next. The highest says by which entry of which address space
 *     it was linked. It is linked again by that entry, or waits for a grace period.
 *
 * Who may still be in it: lockless walkers, from before it was unlinked. They have come by way of
 * that entry, and what they think of the tables' place is true again once it hangs there: for them
 * it was never gone. Elsewhere they would take one address for another. So would the fault, if it
 * is for an address with another way below that entry: which that is, is noted as the bits of the
 * address, from below that entry's down to the leaf table's.
 *
 * The entry is known by its address. The table that it lies in may itself be freed, and its frame
 * become another table, while this one is in limbo; then a grace period has ended since that table
 * was unlinked, which was after this one: nobody is left in it. What has to be the same is the
 * address space, to whose group it is charged, and how many levels there are to the leaf: both are
 * compared. An address space that ends takes its tables along (mmk_table_forget()), so that a
 * pointer to it is its name.
 *
 * A fault on anonymous memory takes the path as it finds it, before it has a page and a lock. If
 * another is first, or there is no page, it goes back. Meanwhile nobody else finds it, who may want
 * its memory: who waits for that then goes without these few tables.
 *
 * Locks: none. Only the CPU itself puts a path into a place, and only into one that it has found,
 * or made, empty; anybody may take one out, by an exchange.
 *
 * Rejected: asking for the grace period at once, and having the callback pass over a table that is
 * linked again. It needs a generation to be compared under the table's lock, a second callback for
 * what is freed again before the first has run, and its two words of the descriptor all the time.
 * Keeping the table with its parent: an address space would keep as many empty tables as it has
 * full ones. Table by table: three levels are then taken apart and put together each time, with a
 * lock, a search and a count for each, which cost as much as all else in such a loop.
 */
#include "limbo.h"

#include "planted.h"
#include "pt_shape.h"
#include "pte_ref.h"
#include <mmkit/port/percpu.h>
#include <mmkit/stats.h>

struct kept {
    struct mmk_aptr table; /* a: the lowest, or NULL */
    struct mmk_aptr entry; /* own CPU writes: that links, or linked, the highest */
    struct mmk_a64 way;    /* likewise: to the lowest, below that entry: bits of the address, and in
                              WAY_LEVELS, which it leaves free, how many tables there are */
    struct mmk_aptr mm;    /* likewise: whose it is */
};

#define WAY_LEVELS (MMK_PAGE_SIZE - 1)

struct MMK_CACHE_ALIGNED limbo {
    struct mmk_a32 filled;   /* own CPU writes: bit n: place n was filled, and not taken by it */
    unsigned next;           /* own CPU: the place for the next */
    struct mmk_a64 taken;    /* own CPU writes: tables, to be linked again */
    struct mmk_a64 returned; /* likewise: that were not */
    struct kept kept[MMK_LIMBO_PATHS];
};

static struct limbo limbos[MMK_MAX_CPUS];

void mmk_limbo_init(void)
{
    unsigned cpu, at;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        for (at = 0; at < MMK_LIMBO_PATHS; at++)
            mmk_aptr_store(&limbos[cpu].kept[at].table, NULL, MMK_RELAXED);
        mmk_a32_store(&limbos[cpu].filled, 0, MMK_RELAXED);
        limbos[cpu].next = 0;
        mmk_a64_store(&limbos[cpu].taken, 0, MMK_RELAXED);
        mmk_a64_store(&limbos[cpu].returned, 0, MMK_RELAXED);
    }
}

/* Release: for whoever takes it out on another CPU. => who was there, or NULL */
static struct mmk_page *put(struct kept *kept, struct mmk_page *table) MMK_REQUIRES(mmk_percpu)
{
    void *oldest = mmk_aptr_load(&kept->table, MMK_RELAXED);

    if (mmk_unlikely(oldest != NULL))
        oldest = mmk_aptr_xchg(&kept->table, NULL, MMK_RELAXED); /* if it is still there */
    mmk_aptr_store(&kept->table, table, MMK_RELEASE);            /* nobody else fills it */
    return (struct mmk_page *)oldest;
}

/* Into the next place: mostly that of the oldest. `unwanted`: so many are not linked again. */
MMK_ALWAYS_INLINE struct mmk_page *put_path(struct mmk_mm *mm, struct mmk_page *table,
                                            unsigned unwanted)
{
    struct mmk_page *oldest, *highest = table;
    struct limbo *limbo;
    struct kept *kept;
    unsigned long state;
    unsigned level, at;
    uint64_t way = 0;

    for (level = 1; level <= table->table.above; level++) {
        way += mmk_pte_index(mmk_table_last_pmd(highest)) << mmk_pt_shift(level);
        highest = highest->table.upper;
    }
    state = mmk_percpu_enter();
    limbo = &limbos[mmk_cpu_id()];
    at = limbo->next++ % MMK_LIMBO_PATHS;
    kept = &limbo->kept[at];
    mmk_aptr_store(&kept->entry, mmk_table_last_pmd(highest), MMK_RELAXED);
    mmk_a64_store(&kept->way, way | level, MMK_RELAXED);
    mmk_aptr_store(&kept->mm, mm, MMK_RELAXED);
    mmk_a32_store(&limbo->filled, mmk_a32_load(&limbo->filled, MMK_RELAXED) | 1u << at,
                  MMK_RELAXED);
    oldest = put(kept, table);
    if (unwanted != 0)
        mmk_percpu_add(&limbo->returned, unwanted);
    mmk_percpu_leave(state);
    return oldest;
}

struct mmk_page *mmk_limbo_put(struct mmk_mm *mm, struct mmk_page *table)
{
    return put_path(mm, table, 0);
}

struct mmk_page *mmk_limbo_put_back(struct mmk_mm *mm, struct mmk_page *table)
{
    return put_path(mm, table, 1u + table->table.above);
}

/* The way that walk lacks, as kept.way says it. */
MMK_ALWAYS_INLINE uint64_t way_of(const struct mmk_walk *walk)
{
    uint64_t below = mmk_pt_entry_span(walk->level) - mmk_pt_table_span(0);

    return (walk->addr & below) | walk->level;
}

/* Is, or was, the path in this place below walk's entry? */
MMK_ALWAYS_INLINE bool fits(const struct kept *kept, const struct mmk_walk *walk)
{
    return (mmk_aptr_load(&kept->entry, MMK_RELAXED) == walk->entry ||
            MMK_MISTAKE(RELINKED_ELSEWHERE)) &&
           mmk_aptr_load(&kept->mm, MMK_RELAXED) == walk->mm;
}

/* Where its way and that one are not the same: bits of the address; below these: in their length */
MMK_ALWAYS_INLINE uint64_t apart(const struct kept *kept, uint64_t way)
{
    uint64_t bits = mmk_a64_load(&kept->way, MMK_RELAXED) ^ way;

    return MMK_MISTAKE(RELINKED_ASIDE) ? bits & WAY_LEVELS : bits;
}

/* => its place; MMK_LIMBO_PATHS: there is none */
MMK_ALWAYS_INLINE unsigned find(const struct limbo *limbo, const struct mmk_walk *walk)
{
    uint32_t filled = mmk_a32_load(&limbo->filled, MMK_RELAXED);
    const uint64_t way = way_of(walk);
    unsigned at;

    for (at = 0; filled != 0; at++, filled >>= 1)
        if (filled & 1 && fits(&limbo->kept[at], walk) && apart(&limbo->kept[at], way) == 0)
            return at;
    return MMK_LIMBO_PATHS;
}

bool mmk_limbo_has(const struct mmk_walk *walk)
{
    return find(&limbos[mmk_cpu_id()], walk) < MMK_LIMBO_PATHS;
}

/* The lowest table that both ways have, which are so far apart. */
static unsigned lowest_shared(uint64_t bits)
{
    unsigned level = 0;

    while (bits >= mmk_pt_table_span(level))
        level++;
    return level;
}

/* The path with the longest part on walk's way, from table *lowest up. => as find() */
static unsigned find_part(const struct limbo *limbo, const struct mmk_walk *walk, unsigned *lowest)
{
    uint32_t filled = mmk_a32_load(&limbo->filled, MMK_RELAXED);
    const uint64_t way = way_of(walk);
    unsigned at, found = MMK_LIMBO_PATHS, level;
    uint64_t bits;

    *lowest = walk->level;
    for (at = 0; filled != 0; at++, filled >>= 1) {
        if (!(filled & 1) || !fits(&limbo->kept[at], walk))
            continue;
        bits = apart(&limbo->kept[at], way);
        level = lowest_shared(bits);
        if ((bits & WAY_LEVELS) != 0 || level >= *lowest)
            continue;
        found = at;
        *lowest = level;
    }
    return found;
}

/* What is in a place of this CPU's: a path of `levels`. Relaxed: this CPU has put it there. =>
 * NULL: it is gone */
MMK_ALWAYS_INLINE struct mmk_page *take(struct limbo *limbo, unsigned at, unsigned levels)
    MMK_REQUIRES(mmk_percpu)
{
    struct mmk_aptr *place = &limbo->kept[at].table;
    struct mmk_page *table;

    if (mmk_inject(MMK_INJECT_CACHE_EMPTY))
        return NULL;
    if (MMK_MISTAKE(LIMBO_TAKEN_TWICE)) {
        table = (struct mmk_page *)mmk_aptr_load(place, MMK_RELAXED);
        mmk_aptr_store(place, NULL, MMK_RELAXED);
    } else {
        table = (struct mmk_page *)mmk_aptr_xchg(place, NULL, MMK_RELAXED);
    }
    mmk_a32_store(&limbo->filled, mmk_a32_load(&limbo->filled, MMK_RELAXED) & ~(1u << at),
                  MMK_RELAXED);
    limbo->next = at; /* which is empty */
    if (mmk_likely(table != NULL))
        mmk_percpu_add(&limbo->taken, levels);
    return table;
}

static MMK_NOINLINE struct mmk_page *take_whole(const struct mmk_walk *walk)
{
    unsigned long state = mmk_percpu_enter();
    struct limbo *limbo = &limbos[mmk_cpu_id()];
    unsigned at = find(limbo, walk);
    struct mmk_page *table = at < MMK_LIMBO_PATHS ? take(limbo, at, walk->level) : NULL;

    mmk_percpu_leave(state);
    return table;
}

static MMK_NOINLINE struct mmk_page *take_part(const struct mmk_walk *walk, unsigned *lowest)
{
    unsigned long state = mmk_percpu_enter();
    struct limbo *limbo = &limbos[mmk_cpu_id()];
    unsigned at = find_part(limbo, walk, lowest);
    struct mmk_page *table = NULL;

    if (at < MMK_LIMBO_PATHS && *lowest != 0)
        table = take(limbo, at, walk->level);
    mmk_percpu_leave(state);
    return table;
}

/* This CPU has none at all: mostly so, and just one word to look at. A guess: others may have. */
MMK_ALWAYS_INLINE bool is_empty(void)
{
    return mmk_a32_load(&limbos[mmk_cpu_id()].filled, MMK_RELAXED) == 0;
}

struct mmk_page *mmk_limbo_take(const struct mmk_walk *walk)
{
    return is_empty() ? NULL : take_whole(walk);
}

struct mmk_page *mmk_limbo_take_part(const struct mmk_walk *walk, unsigned *lowest)
{
    return is_empty() ? NULL : take_part(walk, lowest);
}

/*
 * One of mm's is seen: whoever put it there has dropped its hold since. One of another's may be
 * taken for it, if it has just come into the place: it waits for a grace period then, and no harm
 * is done.
 */
struct mmk_page *mmk_limbo_take_any(unsigned cpu, const struct mmk_mm *mm)
{
    struct limbo *limbo = &limbos[cpu];
    unsigned at;

    for (at = 0; at < MMK_LIMBO_PATHS; at++) {
        struct kept *kept = &limbo->kept[at];
        void *found = mmk_aptr_load(&kept->table, MMK_RELAXED);

        if (!found || (mm && mmk_aptr_load(&kept->mm, MMK_RELAXED) != mm))
            continue;
        found = mmk_aptr_xchg(&kept->table, NULL, MMK_ACQUIRE);
        if (found)
            return (struct mmk_page *)found;
    }
    return NULL;
}

void mmk_limbo_stats(struct mmk_stats *stats)
{
    uint64_t taken = 0, returned = 0;
    unsigned cpu, at;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        returned += mmk_a64_load(&limbos[cpu].returned, MMK_RELAXED);
        taken += mmk_a64_load(&limbos[cpu].taken, MMK_RELAXED);
        for (at = 0; at < MMK_LIMBO_PATHS; at++) {
            const struct kept *kept = &limbos[cpu].kept[at];

            if (mmk_aptr_load(&kept->table, MMK_RELAXED))
                stats->tables_limbo += mmk_a64_load(&kept->way, MMK_RELAXED) & WAY_LEVELS;
        }
    }
    stats->tables_relinked += taken - mmk_min(taken, returned); /* which may be of another CPU */
}
