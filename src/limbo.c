/* SPDX-License-Identifier: MIT */
/*
 * limbo.c - freed tables that may be linked again where they were (P11).
 *
 * A program that touches a page and gives it back, over and over, has its table freed and rebuilt
 * each time, and each table would wait for a grace period: thousands of them, if these are long.
 * So a freed table, flushed already, is kept for a while by the CPU that freed it, and no grace
 * period is asked for yet. A fault that lacks a table at just that entry takes it from there.
 *
 * LI1 A table in limbo is dead, all zero, flushed, and says by which entry of which address space
 *     it was linked, at which level. It is linked again by that entry, or waits for a grace period.
 *
 * Who may still be in it: lockless walkers, from before it was unlinked. They have come by way of
 * that entry, and what they think of the table's place is true again once it hangs there: for them
 * it was never gone. Elsewhere they would take one address for another.
 *
 * The entry is known by its address. The table that it lies in may itself be freed, and its frame
 * become another table, while this one is in limbo; then a grace period has ended since that table
 * was unlinked, which was after this one: nobody is left in it. What has to be the same is the
 * address space, to whose group it is charged, and the level: both are compared. An address space
 * that ends takes its tables along (mmk_table_forget()), so that a pointer to it is its name.
 *
 * Locks: none. Only the CPU itself puts a table into a place, and only into one that it has found,
 * or made, empty; anybody may take one out, by an exchange.
 *
 * Rejected: asking for the grace period at once, and having the callback pass over a table that is
 * linked again. It needs a generation to be compared under the table's lock, a second callback for
 * what is freed again before the first has run, and its two words of the descriptor all the time.
 * Keeping the table with its parent: an address space would keep as many empty tables as it has
 * full ones.
 */
#include "limbo.h"

#include "planted.h"
#include <mmkit/port/percpu.h>
#include <mmkit/stats.h>

struct MMK_CACHE_ALIGNED limbo {
    struct mmk_aptr table[MMK_LIMBO_TABLES]; /* a: or NULL */
    const void *entry[MMK_LIMBO_TABLES];     /* own CPU: that linked it, or the one before it */
    struct mmk_aptr mm[MMK_LIMBO_TABLES];    /* own CPU writes: likewise, whose it is */
    unsigned next;                           /* own CPU: the place for the next */
    struct mmk_a64 relinked;                 /* own CPU writes: were taken to be linked again */
};

static struct limbo limbos[MMK_MAX_CPUS];

void mmk_limbo_init(void)
{
    unsigned cpu, at;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        for (at = 0; at < MMK_LIMBO_TABLES; at++)
            mmk_aptr_store(&limbos[cpu].table[at], NULL, MMK_RELAXED);
        limbos[cpu].next = 0;
        mmk_a64_store(&limbos[cpu].relinked, 0, MMK_RELAXED);
    }
}

/* Release: for whoever takes it out on another CPU. */
struct mmk_page *mmk_limbo_put(struct mmk_page *table)
{
    unsigned long state = mmk_percpu_enter();
    struct limbo *limbo = &limbos[mmk_cpu_id()];
    unsigned at = limbo->next++ % MMK_LIMBO_TABLES;
    struct mmk_page *oldest;

    limbo->entry[at] = mmk_aptr_load(&table->table.parent, MMK_RELAXED);
    mmk_aptr_store(&limbo->mm[at], table->table.mm, MMK_RELAXED);
    oldest = (struct mmk_page *)mmk_aptr_xchg(&limbo->table[at], table, MMK_RELEASE);
    mmk_percpu_leave(state);
    return oldest;
}

/* What is in a place of this CPU's, if it fits. => inside a per-CPU section */
static struct mmk_page *take(struct mmk_aptr *place, const struct mmk_mm *mm, unsigned level)
    MMK_REQUIRES(mmk_percpu)
{
    void *found = mmk_aptr_load(place, MMK_RELAXED);
    struct mmk_page *table;

    /* Once taken, it is read: before, another CPU may take it and have it freed. */
    if (!found || mmk_inject(MMK_INJECT_CACHE_EMPTY))
        return NULL;
    if (MMK_MISTAKE(LIMBO_TAKEN_TWICE))
        mmk_aptr_store(place, NULL, MMK_RELAXED);
    else if (!mmk_aptr_cmpxchg(place, &found, NULL, MMK_RELAXED))
        return NULL;
    table = (struct mmk_page *)found;
    if (mmk_likely(table->table.mm == mm && table->table.level == level))
        return table;
    mmk_aptr_store(place, table, MMK_RELEASE);
    return NULL;
}

struct mmk_page *mmk_limbo_take(const struct mmk_mm *mm, const struct mmk_a64 *entry,
                                unsigned level)
{
    unsigned long state = mmk_percpu_enter();
    struct limbo *limbo = &limbos[mmk_cpu_id()];
    struct mmk_page *table = NULL;
    unsigned age, at;

    for (age = 1; age <= MMK_LIMBO_TABLES && !table; age++) {
        at = (limbo->next - age) % MMK_LIMBO_TABLES;
        if (limbo->entry[at] != entry && !MMK_MISTAKE(RELINKED_ELSEWHERE))
            continue;
        table = take(&limbo->table[at], mm, level);
        if (table && age == 1)
            limbo->next--;
    }
    if (table)
        mmk_a64_store(&limbo->relinked, mmk_a64_load(&limbo->relinked, MMK_RELAXED) + 1,
                      MMK_RELAXED);
    mmk_percpu_leave(state);
    return table;
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

    for (at = 0; at < MMK_LIMBO_TABLES; at++) {
        void *found = mmk_aptr_load(&limbo->table[at], MMK_RELAXED);

        if (!found || (mm && mmk_aptr_load(&limbo->mm[at], MMK_RELAXED) != mm))
            continue;
        found = mmk_aptr_xchg(&limbo->table[at], NULL, MMK_ACQUIRE);
        if (found)
            return (struct mmk_page *)found;
    }
    return NULL;
}

void mmk_limbo_stats(struct mmk_stats *stats)
{
    unsigned cpu, at;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        stats->tables_relinked += mmk_a64_load(&limbos[cpu].relinked, MMK_RELAXED);
        for (at = 0; at < MMK_LIMBO_TABLES; at++)
            stats->tables_limbo += mmk_aptr_load(&limbos[cpu].table[at], MMK_RELAXED) != NULL;
    }
}
