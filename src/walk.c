/* SPDX-License-Identifier: MIT */
/*
 * walk.c - from the root towards an address, under RCU alone.
 *
 *    63      48 47      39 38      30 29      21 20      12 11       0
 *   +----------+----------+----------+----------+----------+----------+
 *   |  sign    |   pgd    |   pud    |   pmd    |   pte    |  offset  |   4 levels of x86-64
 *   +----------+----------+----------+----------+----------+----------+
 *                level 3    level 2    level 1    level 0
 *
 * A walk ends at the leaf table, or at the first entry that links none. What it found may be gone
 * by the next instruction, freed or moved; the memory stays until the read section ends. So whoever
 * changes an entry locks its table and then checks that the table is still linked where the walk
 * came by (P6), and that an entry that linked no table still does not (P1).
 */
#include "walk.h"

void mmk_walk_lock(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_walk *walk)
{
    for (;;) {
        mmk_walk_rcu(mm, addr, walk);
        mmk_table_lock(walk->table);
        if (mmk_likely(mmk_table_linked_at(walk->table, walk->parent)) &&
            (walk->level == 0 || !mmk_pte_links(mmk_pte_read(walk->entry))))
            return;
        mmk_table_unlock(walk->table); /* freed, moved, or a lower table came: look again */
    }
}

void mmk_walk_to_rcu(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned lowest, struct mmk_walk *walk)
{
    struct mmk_a64 *entry = &mm->top[mmk_pt_index(addr, MMK_PT_LEVELS - 1)], *parent = NULL;
    unsigned level = MMK_PT_LEVELS - 1;

    mmk_note_rcu(MMK_LOCK_CLASSES);
    while (level > lowest) {
        mmk_pte_t pte = mmk_pte_read(entry);

        if (mmk_walk_ends(pte, level))
            break;
        parent = entry;
        entry = &mmk_pte_entries(pte)[mmk_pt_index(addr, --level)];
    }
    walk->mm = mm;
    walk->addr = addr;
    walk->table = parent ? mmk_virt_to_page(entry) : mm->root;
    walk->entry = entry;
    walk->parent = parent;
    walk->level = level;
}

void mmk_walk_to_lock(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned lowest, struct mmk_walk *walk)
{
    for (;;) {
        mmk_walk_to_rcu(mm, addr, lowest, walk);
        mmk_table_lock(walk->table);
        if (mmk_likely(mmk_walk_holds(walk, lowest)))
            return;
        mmk_table_unlock(walk->table);
    }
}

mmk_vaddr_t mmk_walk_next_path(const struct mmk_walk *walk, mmk_vaddr_t end)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr = walk->addr;
    uint64_t span = mmk_pt_entry_span(walk->level);

    do {
        addr = (addr & ~(span - 1)) + span;
        entry++;
    } while (addr < end && mmk_pte_none(mmk_pte_read(entry)));
    return addr;
}
