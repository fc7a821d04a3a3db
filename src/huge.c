/* SPDX-License-Identifier: MIT */
/*
 * huge.c - larger pages are split.
 *
 * When a part of a larger page is to change: decode phases split it, before anything has changed,
 * with the one table that this takes; the rest of the operation then finds leaf entries. Who comes
 * from a page (rmap_walk.c), and may not wait, does without if there is no table at hand.
 */
#include "huge.h"

#include "planted.h"
#include "table_memory.h"
#include "tlb.h"
#include "zero_page.h"

mmk_pte_t mmk_huge_suspend(struct mmk_walk *walk)
{
    mmk_vaddr_t base = mmk_huge_base(walk->addr);
    mmk_pte_t old = mmk_pte_exchange(walk->entry, mmk_pte_mksplit());

    if (mmk_pte_accessible(old) && !MMK_MISTAKE(SPLIT_UNFLUSHED))
        mmk_tlb_flush(walk->mm, base, base + MMK_HUGE_SIZE);
    return old;
}

/* What it stood for. => a table that nobody else knows */
static void fill(struct mmk_page *table, mmk_pte_t old)
{
    struct mmk_a64 *entries = mmk_table_entries(table);
    mmk_pte_t zero;
    unsigned i;

    if (mmk_pte_huge_zero(old)) { /* HZ1 */
        zero = mmk_pte_to_frame(mmk_pte_mksmall(old), mmk_page_to_pfn(mmk_zero_page()));
        for (i = 0; i < MMK_HUGE_PAGES; i++)
            mmk_pte_set(&entries[i], zero);
        return;
    }
    for (i = 0; i < MMK_HUGE_PAGES; i++)
        mmk_pte_set(&entries[i], mmk_pte_piece(old, i));
}

void mmk_huge_split(struct mmk_walk *walk, struct mmk_page *table)
{
    mmk_pte_t old = mmk_huge_suspend(walk);

    fill(table, old);
    mmk_pte_get_private(table, MMK_HUGE_PAGES);
    mmk_mm_count_tables(walk->mm, 0, 1, 1);
    mmk_mm_count_made(1);
    mmk_mm_count(walk->mm, mmk_huge_kind(old), -1);
    mmk_mm_count(walk->mm, MMK_COUNT_HUGE_SPLIT, 1);
    mmk_frame_note_link(table, walk->entry);
    mmk_pte_update_pmd(table, NULL, walk->entry);
    mmk_pte_set(walk->entry, mmk_pte_link(mmk_page_to_pfn(table)));
}

/*
 * With `table` if it is needed.
 * => what is left of it; *missing: it is needed, and NULL; inside an RCU read section
 */
static struct mmk_page *try_split(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_page *table,
                                  bool *missing) MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_walk walk;

    mmk_walk_lock(mm, addr, &walk);
    *missing = false;
    if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry))) {
        *missing = !table;
        if (table)
            mmk_huge_split(&walk, table);
        table = NULL;
    }
    mmk_walk_unlock(&walk);
    return table;
}

int mmk_huge_split_at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_page *table = NULL;
    bool missing;

    for (;;) {
        mmk_rcu_read_lock();
        table = try_split(mm, addr, table, &missing);
        mmk_rcu_read_unlock();
        if (!missing)
            break;
        table = mmk_table_alloc(mm, 0);
        if (!table)
            return MMK_ENOMEM;
    }
    if (table)
        mmk_table_free(table);
    return 0;
}

int mmk_huge_split_nowait(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_page *table = mmk_table_alloc_nowait(mm, 0);
    bool missing;

    if (!table)
        return MMK_ENOMEM;
    table = try_split(mm, addr, table, &missing);
    if (table)
        mmk_table_free(table);
    return 0;
}

int mmk_huge_split_ends_slow(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    int error = 0;

    if (start != mmk_huge_base(start) && start < MMK_USER_END)
        error = mmk_huge_split_at(mm, start);
    if (!error && end != mmk_huge_base(end) && end < MMK_USER_END)
        error = mmk_huge_split_at(mm, end);
    return error;
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
        error = mmk_huge_split_at(mm, addr);
    return error;
}
