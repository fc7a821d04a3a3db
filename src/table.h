/* SPDX-License-Identifier: MIT */
/*
 * table.h - life of a page table: added with its first entry, freed with its last.
 */
#ifndef MMK_SRC_TABLE_H
#define MMK_SRC_TABLE_H

#include "frame.h"
#include "gather.h"
#include "huge.h"
#include "mm.h"
#include "pte_entry.h"
#include "pte_group.h"
#include "table_memory.h"
#include "tlb.h"
#include "walk.h"

/* Tables made ready for a path that lacks them, by level; nobody else knows them yet. */
struct mmk_chain {
    struct mmk_page *table[MMK_PT_LEVELS - 1];
    uint32_t shares; /* of flush_pending: the caller's own, if it has freed no tables */
};

MMK_ALWAYS_INLINE void mmk_chain_init(struct mmk_chain *chain)
{
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS - 1; level++)
        chain->table[level] = NULL;
    chain->shares = 0;
}

/* Has a table for every level below `level`. A level used up is missing again. */
MMK_ALWAYS_INLINE bool mmk_chain_reaches(const struct mmk_chain *chain, unsigned level)
{
    while (level-- > 0)
        if (!chain->table[level])
            return false;
    return true;
}

/* Has a table for every level from `lowest` up to, but without, `level`. */
MMK_ALWAYS_INLINE bool mmk_chain_spans(const struct mmk_chain *chain, unsigned lowest,
                                       unsigned level)
{
    for (; lowest < level; lowest++)
        if (!chain->table[lowest])
            return false;
    return true;
}

/* Tables of every level, for an operation that may not run out of them half-way. */
struct mmk_table_pool {
    struct mmk_page *first[MMK_PT_LEVELS - 1]; /* linked by table.next */
};

MMK_ALWAYS_INLINE void mmk_pool_init(struct mmk_table_pool *pool)
{
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS - 1; level++)
        pool->first[level] = NULL;
}

/*
 * Drops the lock of walk's table, and frees the table if its last entry is gone, and with it each
 * parent whose last entry that was. Those that go at once stay a path: each linked by the next
 * upper one, and handed on by the lowest, which says how many lie above (table.above).
 * => walk locked, inside the RCU read section in which it was made
 */
void mmk_table_unlock_free(const struct mmk_walk *walk, struct mmk_gather *gather)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_RELEASES(walk->table->table.lock);

/*
 * Gives `chain` a table for every level below `level`.
 * => 0, or MMK_ENOMEM with what it has already; may sleep
 */
MMK_MUST_CHECK int mmk_chain_prepare(struct mmk_chain *chain, struct mmk_mm *mm, unsigned level);

/* The same without sleep. => false: not all of them, for now */
MMK_MUST_CHECK bool mmk_chain_prepare_nowait(struct mmk_chain *chain, struct mmk_mm *mm,
                                             unsigned level);

/* Frees what was not used. */
void mmk_chain_discard(struct mmk_chain *chain);

/* One more table for `level`. => 0 or MMK_ENOMEM; may sleep */
MMK_MUST_CHECK int mmk_pool_add(struct mmk_table_pool *pool, struct mmk_mm *mm, unsigned level);
/* Gives `chain` what it lacks and the pool has. */
void mmk_chain_refill(struct mmk_chain *chain, struct mmk_table_pool *pool);
void mmk_pool_discard(struct mmk_table_pool *pool);

/*
 * mmk_table_unlock_free() for a visitor that has just let go of a pin: an operation of its own,
 * with one flush, of walk's address, if that frees anything.
 * => walk locked; nobody has moved its table since it was made; inside an RCU read section;
 *    interrupts on: spins for other CPUs
 */
void mmk_table_unlock_left(const struct mmk_walk *walk) MMK_REQUIRES_SHARED(mmk_rcu)
    MMK_RELEASES(walk->table->table.lock);

/*
 * The same for one that does not know the table's address: the flush is of the whole address space.
 * => table locked, inside an RCU read section; interrupts on: spins for other CPUs
 */
void mmk_table_unlock_unpinned(struct mmk_page *table) MMK_REQUIRES_SHARED(mmk_rcu)
    MMK_RELEASES(table->table.lock);

/*
 * Links the chain's leaf table, filled, below walk's entry, which is none, with the tables in
 * between; published by one store. They leave the chain.
 * => walk locked, at a level above 0 that the chain reaches
 */
void mmk_walk_link(struct mmk_walk *walk, struct mmk_chain *chain)
    MMK_REQUIRES(walk->table->table.lock);

/*
 * Sets addr's leaf entry below walk's entry, which is none, with tables from `chain`: published by
 * one store.
 * => walk locked, at a level above 0 that the chain reaches
 */
void mmk_walk_set(struct mmk_walk *walk, struct mmk_chain *chain, mmk_pte_t pte)
    MMK_REQUIRES(walk->table->table.lock);

/*
 * The same of a larger page's entry (huge.h), which is one of `level`: the chain has a table for
 * each level from there up to, but without, walk's.
 * => walk locked, at `level` or above
 */
void mmk_walk_set_huge(struct mmk_walk *walk, struct mmk_chain *chain, mmk_pte_t pte,
                       unsigned level) MMK_REQUIRES(walk->table->table.lock);

/*
 * Links, below walk's entry, which is none, those tables on the way to its address of which more
 * waits than is wanted (P11): up to one that then has nothing in it yet.
 * => true: that one's entry is walk's now, and its lock held in place of the other's; the caller
 *    sets the entry before it drops that. false: nothing has changed
 * => walk locked, at a level above 0
 */
MMK_MUST_CHECK bool mmk_walk_extend(struct mmk_walk *walk);

/*
 * An entry that is none may have been something else until just now, and still be cached: its
 * operation has not flushed yet, and shows in flush_pending (P2). Where the format wants a break
 * before another frame or table comes there, this is it. Other formats need one, too, where nobody
 * asked for the entry to go: or another CPU would go on reading the old page when this one has
 * stored to the new, and has said so (P7); and where there may be groups (PG3).
 * mmk_walk_must_break(): whether one is due.
 * => walk locked
 */
MMK_ALWAYS_INLINE bool mmk_walk_must_break(const struct mmk_walk *walk, uint32_t own_shares)
    MMK_REQUIRES(walk->table->table.lock)
{
    return MMK_PT_BREAK_FIRST || mmk_pte_group_possible()
               ? mmk_mm_flush_pending(walk->mm) > own_shares
               : mmk_mm_flush_unasked(walk->mm);
}

MMK_ALWAYS_INLINE void mmk_walk_break_first(const struct mmk_walk *walk, uint32_t own_shares)
    MMK_REQUIRES(walk->table->table.lock)
{
    if (mmk_unlikely(mmk_walk_must_break(walk, own_shares)) && !MMK_MISTAKE(SET_BEFORE_FLUSH))
        mmk_tlb_flush(walk->mm, walk->addr, walk->addr + MMK_PAGE_SIZE);
}

/*
 * The same where a table, or a larger page, comes. Larger pages need a break in every format: what
 * was there may have been one, or small pages, and no TLB may have both (HG3).
 * => walk locked, above the leaves
 */
MMK_ALWAYS_INLINE void mmk_walk_break_above(const struct mmk_walk *walk, uint32_t own_shares)
    MMK_REQUIRES(walk->table->table.lock)
{
    if (!mmk_huge_possible() || MMK_MISTAKE(TWO_SIZES))
        mmk_walk_break_first(walk, own_shares);
    else if (mmk_mm_flush_pending(walk->mm) > own_shares && !MMK_MISTAKE(SET_BEFORE_FLUSH))
        mmk_tlb_flush(walk->mm, walk->addr, walk->addr + MMK_PAGE_SIZE);
}

/* mmk_walk_set() for a walk of level 0, which needs no tables. */
MMK_ALWAYS_INLINE void mmk_walk_set_leaf(struct mmk_walk *walk, mmk_pte_t pte)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_walk_break_first(walk, 0);
    mmk_pte_get(walk->table);
    mmk_pte_set(walk->entry, pte);
}

/*
 * P11: a table from limbo is locked, is no longer dead, and is unlocked when it is linked: whoever
 * finds it alive then comes to it from the root, too.
 */
MMK_ALWAYS_INLINE void mmk_table_lock_back(struct mmk_page *table) MMK_NO_TSA
{
    if (!MMK_MISTAKE(REVIVED_UNLOCKED))
        mmk_table_lock(table);
}

MMK_ALWAYS_INLINE void mmk_table_bring_back(struct mmk_page *table)
{
    mmk_frame_note(table, 0, MMK_FRAME_TABLE);
    mmk_frame_note_link(table, mmk_table_revive(table));
}

MMK_ALWAYS_INLINE void mmk_table_unlock_back(struct mmk_page *table) MMK_NO_TSA
{
    if (!MMK_MISTAKE(REVIVED_UNLOCKED))
        mmk_table_unlock(table);
}

/* Sets addr's entry in `leaf`, and has walk's entry lead there again, by way of `highest`. */
MMK_ALWAYS_INLINE void mmk_walk_link_again(struct mmk_walk *walk, struct mmk_page *leaf,
                                           struct mmk_page *highest, mmk_pte_t pte)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = &mmk_table_entries(leaf)[mmk_pt_index(walk->addr, 0)];
    mmk_pte_t link = mmk_pte_link(mmk_page_to_pfn(highest));

    mmk_pte_get_private(leaf, 1);
    mmk_pte_set(entry, pte);
    mmk_pte_get(walk->table);
    mmk_pte_set(walk->entry, link);
}

/* mmk_walk_set_again() where more than one table is missing. */
void mmk_walk_set_path_again(struct mmk_walk *walk, struct mmk_page *leaf, mmk_pte_t pte)
    MMK_REQUIRES(walk->table->table.lock);

/* mmk_walk_set() with tables that were just there before (P11), as mmk_limbo_take() gives them. */
MMK_ALWAYS_INLINE void mmk_walk_set_again(struct mmk_walk *walk, struct mmk_page *leaf,
                                          mmk_pte_t pte) MMK_REQUIRES(walk->table->table.lock)
{
    if (walk->level > 1) {
        mmk_walk_set_path_again(walk, leaf, pte);
        return;
    }
    mmk_mm_count_leaf_table(walk->mm, 1);
    mmk_walk_break_above(walk, 0);
    mmk_table_lock_back(leaf);
    mmk_table_bring_back(leaf);
    mmk_walk_link_again(walk, leaf, leaf, pte);
    mmk_table_unlock_back(leaf);
}

/*
 * Takes the table that from's entry links, with all that is below it, and links it below to's
 * entry instead, which is none. Missing tables in between come from `chain`. What was cached by
 * way of from's entry is the caller's to flush, and from's table may be empty now.
 * => both walks locked, `from` at a level above 0, `to` at that level or one above; chain has a
 *    table for each level from from's up to, but without, to's; nobody else takes entries out of
 *    what moves (move.c)
 */
void mmk_walk_relink(struct mmk_walk *from, struct mmk_walk *to, struct mmk_chain *chain)
    MMK_REQUIRES(from->table->table.lock, to->table->table.lock);

/*
 * Exchanges the tables that from's and to's entries link, with all that is below them. The one at
 * `to` has no entries for pages, but visitors, or links a table that has (MV2). What was cached by
 * way of either entry is the caller's to flush.
 * => both walks locked, at the same level above 0, at the first addresses that their entries cover
 */
void mmk_walk_exchange(struct mmk_walk *from, struct mmk_walk *to)
    MMK_REQUIRES(from->table->table.lock, to->table->table.lock);

/*
 * The same where from's entry is a larger page's (huge.h).
 */
void mmk_walk_exchange_huge(struct mmk_walk *from, struct mmk_walk *to)
    MMK_REQUIRES(from->table->table.lock, to->table->table.lock);

/*
 * Under this policy, is a table that nobody uses a table like any other, until something else
 * frees it? Then fork copies it, too.
 */
bool mmk_table_keeps_unused(void);

/* Under this policy, do tables go that have entries, but none that matters (shrink.c)? */
bool mmk_table_may_shrink(void);

#endif
