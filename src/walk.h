/* SPDX-License-Identifier: MIT */
/*
 * walk.h - finding an address's entry in the page tables, and the table's lock.
 */
#ifndef MMK_SRC_WALK_H
#define MMK_SRC_WALK_H

#include "frame.h"
#include "mm.h"
#include "pte_entry.h"
#include "pte_ref.h"

/*
 * Where an address's entry is, or would be: the lowest table that is linked on its path, and that
 * table's entry for it. level 0: the leaf entry itself; above: an entry that linked no table: none,
 * or, up to MMK_HUGE_TOP, one of a larger page or between the two (huge.h).
 */
struct mmk_walk {
    struct mmk_mm *mm;
    mmk_vaddr_t addr;
    struct mmk_page *table;
    struct mmk_a64 *entry;
    struct mmk_a64 *parent; /* the entry followed to `table`; NULL: it is the root */
    unsigned level;
};

/* The table lock, by level: upper before lower. */
MMK_ALWAYS_INLINE enum mmk_lock_class mmk_table_class(const struct mmk_page *table)
{
    return (enum mmk_lock_class)(MMK_LOCK_TABLE_LEAF - table->table.level);
}

MMK_ALWAYS_INLINE void mmk_table_lock(struct mmk_page *table) MMK_ACQUIRES(table->table.lock)
{
    mmk_spin_lock(&table->table.lock, mmk_table_class(table));
}

MMK_ALWAYS_INLINE bool mmk_table_trylock(struct mmk_page *table)
    MMK_TRY_ACQUIRES(true, table->table.lock) MMK_NO_TSA
{
    return mmk_spin_trylock(&table->table.lock, mmk_table_class(table));
}

MMK_ALWAYS_INLINE void mmk_table_unlock(struct mmk_page *table) MMK_RELEASES(table->table.lock)
{
    mmk_spin_unlock(&table->table.lock, mmk_table_class(table));
}

/* Not freed, and linked by `parent`, where a walk found it? => its lock held */
MMK_ALWAYS_INLINE bool mmk_table_linked_at(const struct mmk_page *table,
                                           const struct mmk_a64 *parent)
    MMK_REQUIRES(table->table.lock)
{
    return mmk_aptr_load(&table->table.parent, MMK_RELAXED) == parent;
}

/* Does an entry above the leaves end the path? */
MMK_ALWAYS_INLINE bool mmk_walk_ends(mmk_pte_t pte, unsigned level)
{
    return level <= MMK_HUGE_TOP ? !mmk_pte_links(pte) : mmk_pte_none(pte);
}

/*
 * Finds addr's entry without any lock. Descends by addresses in the direct map; only the last
 * table's descriptor is looked up.
 * => inside an RCU read section, which keeps the tables
 */
MMK_ALWAYS_INLINE void mmk_walk_rcu(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_a64 *entry = &mm->top[mmk_pt_index(addr, MMK_PT_LEVELS - 1)], *parent = NULL;
    unsigned shift = mmk_pt_shift(MMK_PT_LEVELS - 1), level = MMK_PT_LEVELS - 1;
    mmk_pte_t pte;

    mmk_note_rcu(MMK_LOCK_CLASSES);
    MMK_UNROLL
    do {
        pte = mmk_pte_read(entry);
        if (mmk_unlikely(mmk_walk_ends(pte, level)))
            break;
        parent = entry;
        shift -= MMK_PT_INDEX_BITS;
        entry = &mmk_pte_entries(pte)[(addr >> shift) & (MMK_PT_ENTRIES - 1)];
    } while (--level > 0);
    walk->mm = mm;
    walk->addr = addr;
    walk->table = parent ? mmk_virt_to_page(entry) : mm->root;
    walk->entry = entry;
    walk->parent = parent;
    walk->level = level;
}

/*
 * Finds addr's entry and locks its table: the table is linked where it was found, and what the
 * entry says, none or that it maps, is true until the lock is dropped (P1).
 * => inside an RCU read section until the lock is dropped
 */
void mmk_walk_lock(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_ACQUIRES(walk->table->table.lock);

/*
 * The same two, but going no further down than the table at `lowest`: walk's entry is one of that
 * level, or of a higher one, and links no table.
 */
void mmk_walk_to_rcu(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned lowest, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(mmk_rcu);
void mmk_walk_to_lock(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned lowest, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_ACQUIRES(walk->table->table.lock);

/* Is a walk of mmk_walk_to_rcu() still true, now that its table is locked? */
MMK_ALWAYS_INLINE bool mmk_walk_holds(const struct mmk_walk *walk, unsigned lowest)
    MMK_REQUIRES(walk->table->table.lock)
{
    return mmk_table_linked_at(walk->table, walk->parent) &&
           (walk->level == lowest || !mmk_pte_links(mmk_pte_read(walk->entry)));
}

MMK_ALWAYS_INLINE void mmk_walk_unlock(struct mmk_walk *walk) MMK_RELEASES(walk->table->table.lock)
{
    mmk_table_unlock(walk->table);
}

/*
 * From a walk whose entry, above the leaf level, is none: the next address below `end`, inside
 * walk's table, that has a path further down; `end` or above: none.
 * => walk locked
 */
mmk_vaddr_t mmk_walk_next_path(const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock);

#endif
