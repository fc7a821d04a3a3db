/* SPDX-License-Identifier: MIT */
/*
 * huge.c - larger pages are split.
 *
 * When a part of a larger page is to change: decode phases split it, before anything has changed,
 * with the one table that this takes, or one for each level that it is above the leaves; the rest
 * of the operation then finds leaf entries. Who comes from a page (rmap_walk.c), and may not wait,
 * does without if there is no table at hand.
 */
#include "huge.h"

#include "planted.h"
#include "table_memory.h"
#include "tlb.h"
#include "zero_page.h"

mmk_pte_t mmk_huge_suspend(struct mmk_walk *walk)
{
    mmk_vaddr_t base = mmk_pt_entry_base(walk->addr, walk->level);
    mmk_pte_t old = mmk_pte_exchange(walk->entry, mmk_pte_mksplit());

    if (mmk_pte_accessible(old) && !MMK_MISTAKE(SPLIT_UNFLUSHED))
        mmk_tlb_flush(walk->mm, base, base + mmk_pt_entry_span(walk->level));
    return old;
}

/* What it stood for. => a table that nobody else knows */
static void fill(struct mmk_page *table, mmk_pte_t old)
{
    struct mmk_a64 *entries = mmk_table_entries(table);
    mmk_pte_t piece = table->table.level == 0 ? mmk_pte_mksmall(old) : old;
    uint64_t pages = mmk_pt_entry_pages(table->table.level);
    mmk_pfn_t pfn = mmk_pte_pfn(old);
    unsigned i;

    if (mmk_pte_huge_zero(old)) { /* HZ1 */
        pfn = mmk_page_to_pfn(mmk_zero_page());
        pages = 0;
    }
    for (i = 0; i < MMK_PT_ENTRIES; i++, pfn += pages)
        mmk_pte_set(&entries[i], mmk_pte_to_frame(piece, pfn));
}

void mmk_huge_split(struct mmk_walk *walk, struct mmk_page *table)
{
    mmk_pte_t old = mmk_huge_suspend(walk);
    unsigned lower = walk->level - 1;

    mmk_assert(table->table.level == lower, "HG3 a table takes a larger page's place");
    fill(table, old);
    mmk_pte_get_private(table, MMK_PT_ENTRIES);
    mmk_mm_count_tables(walk->mm, lower, 1, 1);
    mmk_mm_count_made(1);
    mmk_huge_count(walk->mm, old, walk->level, -1);
    if (lower > 0)
        mmk_huge_count(walk->mm, old, lower, MMK_PT_ENTRIES);
    mmk_mm_count(walk->mm, MMK_COUNT_HUGE_SPLIT, 1);
    mmk_frame_note_link(table, walk->entry);
    mmk_pte_update_pmd(table, NULL, walk->entry);
    mmk_pte_set(walk->entry, mmk_pte_link(mmk_page_to_pfn(table)));
}

/*
 * Splits once, what is larger than an entry of `level`, with `table` if that fits.
 * => what is left of it; *above: 0, or a table of the next lower level than this is needed;
 *    inside an RCU read section
 */
static struct mmk_page *try_split(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned level,
                                  struct mmk_page *table, unsigned *above)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_walk walk;

    mmk_walk_lock(mm, addr, &walk);
    *above = 0;
    if (walk.level > level && mmk_walk_huge(&walk, mmk_pte_read(walk.entry))) {
        *above = walk.level;
        if (table && table->table.level == walk.level - 1) {
            mmk_huge_split(&walk, table);
            table = NULL;
            (*above)--;
        }
        if (*above == level || (MMK_MISTAKE(SPLIT_ONE_LEVEL) && !table))
            *above = 0;
    }
    mmk_walk_unlock(&walk);
    return table;
}

int mmk_huge_split_at(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned level)
{
    struct mmk_page *table = NULL;
    unsigned above;

    for (;;) {
        mmk_rcu_read_lock();
        table = try_split(mm, addr, level, table, &above);
        mmk_rcu_read_unlock();
        if (table)
            mmk_table_free(table);
        if (above == 0)
            return 0;
        table = mmk_table_alloc(mm, above - 1);
        if (!table)
            return MMK_ENOMEM;
    }
}

int mmk_huge_split_nowait(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_page *table = mmk_table_alloc_nowait(mm, 0);
    unsigned above;

    if (!table)
        return MMK_ENOMEM;
    table = try_split(mm, addr, 0, table, &above);
    if (table)
        mmk_table_free(table);
    return 0;
}

/* Splits what lies on both sides of addr. => as mmk_huge_split_at() */
static int split_across(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    unsigned level = MMK_HUGE_TOP;

    while (level > 0 && addr != mmk_pt_entry_base(addr, level))
        level--;
    return level == MMK_HUGE_TOP || addr >= MMK_USER_END ? 0 : mmk_huge_split_at(mm, addr, level);
}

int mmk_huge_split_ends_slow(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    int error = split_across(mm, start);

    return error ? error : split_across(mm, end);
}

/* The next address from addr on that is mapped by a larger page; `end` or above: none is. */
static mmk_vaddr_t find_huge(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end, bool zeros)
{
    bool found = false;

    while (addr < end && !found) {
        mmk_vaddr_t stop;
        struct mmk_walk walk;
        mmk_pte_t pte;

        mmk_rcu_read_lock();
        mmk_walk_lock(mm, addr, &walk);
        stop = mmk_min(end, mmk_pt_base(addr, walk.level) + mmk_pt_table_span(walk.level));
        pte = mmk_pte_read(walk.entry);
        found = mmk_walk_huge(&walk, pte) && (zeros || !mmk_pte_huge_zero(pte));
        if (!found)
            addr = walk.level == 0 ? stop : mmk_walk_next_path(&walk, stop);
        mmk_walk_unlock(&walk);
        mmk_rcu_read_unlock();
    }
    return addr;
}

int mmk_huge_split_all(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, bool zeros)
{
    mmk_vaddr_t addr = start;
    int error = 0;

    if (!mmk_huge_possible())
        return 0;
    end = mmk_min(end, MMK_USER_END);
    while (!error && (addr = find_huge(mm, addr, end, zeros)) < end)
        error = mmk_huge_split_at(mm, addr, 0);
    return error;
}
