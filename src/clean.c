/* SPDX-License-Identifier: MIT */
/*
 * clean.c - write-protecting the entries of objects' pages, for a write-back.
 *
 * P5 What the entry knew, the page knows before the table's lock is dropped, and again after the
 *    flush: a store through a translation that is not flushed yet leaves no other trace, and
 *    somebody may have written the page back in between.
 *
 * So a page is not marked for good until the cleaning that has found its entry dirty is over. Who
 * cleans next has to rely on that: cleanings of one object do not overlap (rmap.c).
 */
#include "clean.h"

#include "huge.h"
#include "planted.h"
#include "range.h"

/* => table locked; the gather has room */
static void clean_entry(struct mmk_gather *gather, struct mmk_a64 *entry, mmk_vaddr_t addr)
{
    mmk_pte_t pte = mmk_pte_read(entry);
    struct mmk_page *page = mmk_pte_page(pte);

    if (!page || (!mmk_pte_write(pte) && !mmk_pte_dirty(pte)))
        return;
    mmk_assert(mmk_page_type(page) == MMK_PAGE_OBJECT, "R1 a shared mapping has no private page");
    while (!mmk_pte_change(entry, &pte, mmk_pte_mkclean(mmk_pte_wrprotect(pte))))
        continue;
    if (mmk_pte_dirty(pte)) {
        mmk_page_mkdirty(page);
        if (!MMK_MISTAKE(DIRTY_ONCE)) {
            mmk_page_get(page);
            mmk_gather_page(gather, page, true);
        }
    }
    if (mmk_pte_accessible(pte) && !MMK_MISTAKE(CLEAN_UNFLUSHED))
        mmk_gather_range(gather, addr, addr + MMK_PAGE_SIZE);
}

/*
 * All of a larger page, for the sake of a part: the others are to be written another time. => as
 * clean_entry()
 */
static void clean_huge(struct mmk_gather *gather, const struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_vaddr_t base = mmk_huge_base(walk->addr);
    mmk_pte_t pte = mmk_pte_read(walk->entry);
    struct mmk_page *page = mmk_pte_page(pte);
    unsigned i, pages = MMK_MISTAKE(HUGE_CLEAN_FIRST) ? 1 : MMK_HUGE_PAGES;

    if (!page || (!mmk_pte_write(pte) && !mmk_pte_dirty(pte)))
        return;
    while (!mmk_pte_change(walk->entry, &pte, mmk_pte_mkclean(mmk_pte_wrprotect(pte))))
        continue;
    if (mmk_pte_dirty(pte)) {
        for (i = 0; i < pages; i++)
            mmk_page_mkdirty(page + i);
        for (i = 0; i < MMK_HUGE_PAGES; i++)
            mmk_page_get(page + i);
        mmk_gather_huge(gather, page, !MMK_MISTAKE(HUGE_CLEAN_FIRST));
    }
    if (mmk_pte_accessible(pte))
        mmk_gather_range(gather, base, base + MMK_HUGE_SIZE);
}

static mmk_vaddr_t clean_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    if (mmk_unlikely(walk->level > 0)) {
        if (!mmk_gather_room((struct mmk_gather *)arg))
            return walk->addr;
        clean_huge((struct mmk_gather *)arg, walk);
        return end;
    }
    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE) {
        if (!mmk_gather_room((struct mmk_gather *)arg))
            break;
        clean_entry((struct mmk_gather *)arg, entry++, addr);
    }
    return addr;
}

void mmk_clean_range(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_range_for_each_leaf(gather, start, end, clean_leaf, gather);
}
