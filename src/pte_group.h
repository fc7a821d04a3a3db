/* SPDX-License-Identifier: MIT */
/*
 * pte_group.h - groups: leaf entries that hardware may cache as one translation.
 *
 * MMK_PT_GROUP neighbours of one table, aligned, with frames in a row, aligned likewise, and each
 * with the format's bit that says so. fault_block.c makes them, of entries that are none; nobody
 * makes one of entries that are there. Where the format has none, all of this is nothing.
 *
 * PG1 A group is all there, all alike: private pages of anonymous memory, exclusive, or a device's
 *     besides (pins); each entry writable, and dirty. So hardware has nothing to set but accessed,
 *     which it may set in any of them: what is so for one is so for all.
 * PG2 No entry of a group changes alone, but for accessed. Whoever is going to change one, or to
 *     take one and not all, makes single entries of it first, with the table's lock held: break
 *     before make, as copy-on-write does with one (P7). For that moment all are none to who looks
 *     without the lock; `live` is as it was.
 * PG3 A group is not set, nor anything else in its place, where what was there before may still be
 *     cached: by an operation that has not flushed yet (mmk_walk_must_break()).
 *
 * While all are taken one by one, hardware may find some none, and cache all by another: that is
 * older than the flush to come, as if it had been cached before.
 */
#ifndef MMK_SRC_PTE_GROUP_H
#define MMK_SRC_PTE_GROUP_H

#include "core.h"
#include "walk.h"

#define MMK_GROUP_SIZE ((uint64_t)MMK_PAGE_SIZE * MMK_PT_GROUP) /* bytes */

/* May there be groups, in this format, by the configuration? */
MMK_ALWAYS_INLINE bool mmk_pte_group_possible(void)
{
    return MMK_PT_GROUP > 1 && mmk_config.huge != MMK_HUGE_NEVER &&
           mmk_config.anon_block >= MMK_GROUP_SIZE;
}

/* The first entry of the group that `entry` is, or would be, in. */
MMK_ALWAYS_INLINE struct mmk_a64 *mmk_pte_group_first(struct mmk_a64 *entry)
{
    return entry - mmk_pte_index(entry) % MMK_PT_GROUP;
}

/*
 * Makes single entries of those of entry's group that are there still.
 * => walk locked; spins for other CPUs
 */
void mmk_pte_group_split(const struct mmk_walk *walk, struct mmk_a64 *entry)
    MMK_REQUIRES(walk->table->table.lock);

/* PG2: `entry`, of walk's table, is going to change. => walk locked, at a leaf */
MMK_ALWAYS_INLINE void mmk_pte_ungroup(const struct mmk_walk *walk, struct mmk_a64 *entry)
    MMK_REQUIRES(walk->table->table.lock)
{
    if (MMK_PT_GROUP > 1 && mmk_unlikely(mmk_pte_grouped(mmk_pte_read(entry))))
        mmk_pte_group_split(walk, entry);
}

/*
 * PG2: all from walk's entry up to `end`, in its table, are going to go: those groups of which a
 * part stays are split. => as above
 */
MMK_ALWAYS_INLINE void mmk_pte_ungroup_ends(const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    if (!mmk_pte_group_possible())
        return;
    if (walk->addr % MMK_GROUP_SIZE)
        mmk_pte_ungroup(walk, walk->entry);
    if (end % MMK_GROUP_SIZE)
        mmk_pte_ungroup(walk, walk->entry + ((end - 1 - walk->addr) >> MMK_PAGE_SHIFT));
}

/*
 * Has one of entry's group been used? make_old: they are as if they had not. use: as if all had.
 * => their table locked
 */
bool mmk_pte_group_young(struct mmk_a64 *entry, bool make_old);
void mmk_pte_group_use(struct mmk_a64 *entry);

#endif
