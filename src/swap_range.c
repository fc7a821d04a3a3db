/* SPDX-License-Identifier: MIT */
/*
 * swap_range.c - see swap_range.h: page by page, as each may sleep, private ones in rows. A table
 * is looked at for each of its pages that is worth it, and passed over as a whole if it has none.
 */
#include "swap_range.h"

#include "object_swap.h"
#include "reclaim.h"
#include "swap_in.h"
#include "swap_out.h"
#include "walk.h"

/* Is this entry worth stopping at? => its table locked */
typedef bool (*wanted)(mmk_pte_t pte);

/*
 * The first address from addr on whose entry is wanted, with the table locked; mmk_walk_unlock(),
 * then the end of the RCU read section.
 * => false: there is none below end, nothing is locked
 */
static bool next_wanted(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end, wanted is_wanted,
                        struct mmk_walk *walk) MMK_TRY_ACQUIRES(true, walk->table->table.lock)
    MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu) MMK_NO_TSA
{
    mmk_vaddr_t stop;

    while (addr < end) {
        mmk_rcu_read_lock();
        mmk_walk_lock(mm, addr, walk);
        stop = mmk_min(end, mmk_pt_base(addr, walk->level) + mmk_pt_table_span(walk->level));
        if (walk->level > 0)
            addr = mmk_walk_next_path(walk, stop);
        else
            for (; walk->addr < stop; walk->addr += MMK_PAGE_SIZE, walk->entry++)
                if (is_wanted(mmk_pte_read(walk->entry)))
                    return true;
        if (walk->level == 0)
            addr = stop;
        mmk_walk_unlock(walk);
        mmk_rcu_read_unlock();
    }
    return false;
}

/* --- out ------------------------------------------------------------------------------------- */

/* Its page's only one. */
static bool is_only(mmk_pte_t pte)
{
    const struct mmk_page *page = mmk_pte_page(pte);

    return page && mmk_page_mapcount(page) == 1 && !mmk_page_pinned(page);
}

/* The same, and no file keeps what is in the page. */
static bool is_only_for_swap(mmk_pte_t pte)
{
    const struct mmk_page *page = mmk_pte_page(pte);

    return is_only(pte) &&
           (mmk_page_type(page) == MMK_PAGE_ANON || mmk_page_is_shared_memory(page));
}

/* Or stays, if it must. => page locked */
static void take(struct mmk_page *page) MMK_REQUIRES(page)
{
    if (mmk_page_is_shared_memory(page))
        (void)!mmk_object_swap_out(page);
    else
        (void)mmk_reclaim_file_page(page);
}

/* => the caller's reference is dropped, or handed over */
static void out(struct mmk_swap_out *row, struct mmk_page *page) MMK_NO_TSA
{
    if (mmk_page_trylock(page)) {
        if (mmk_page_type(page) != MMK_PAGE_ANON) {
            mmk_swap_out_finish(row); /* nothing is left unflushed while it is written */
            take(page);
        } else if (!mmk_swap_out_add(row, page, false)) {
            return;
        }
        mmk_page_unlock(page);
    }
    mmk_swap_put_page(page);
}

void mmk_swap_out_range(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, bool files)
{
    wanted is_wanted = files ? is_only : is_only_for_swap;
    struct mmk_swap_out row;
    struct mmk_page *page;
    struct mmk_walk walk;

    mmk_swap_out_begin(&row, true);
    while (!mmk_mm_killed(mm) && next_wanted(mm, start, end, is_wanted, &walk)) {
        page = mmk_pte_page(mmk_pte_read(walk.entry));
        start = walk.addr + MMK_PAGE_SIZE;
        mmk_page_get(page);
        mmk_walk_unlock(&walk);
        mmk_rcu_read_unlock();
        out(&row, page);
        if (mmk_swap_out_full(&row))
            mmk_swap_out_finish(&row);
    }
    mmk_swap_out_finish(&row);
}

/* --- in -------------------------------------------------------------------------------------- */

void mmk_swap_read_range(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct mmk_walk walk;
    uint64_t slot;

    while (!mmk_mm_killed(mm) && next_wanted(mm, start, end, mmk_pte_swap, &walk)) {
        slot = mmk_pte_slot(mmk_pte_read(walk.entry));
        start = walk.addr + MMK_PAGE_SIZE;
        mmk_slot_get(slot);
        mmk_walk_unlock(&walk);
        mmk_rcu_read_unlock();
        mmk_swap_read_ahead(slot);
        mmk_swap_put(slot);
    }
}
