/* SPDX-License-Identifier: MIT */
/*
 * back.h - goes from a page, whoever's it is, to its entries, beside those who change them; and
 * takes pages to other frames.
 */
#ifndef BACK_H
#define BACK_H

#include "migrate.h"
#include "page_at.h" /* first */
#include "swap_cache.h"

#include "world.h"

static mmk_vaddr_t back_addr(void)
{
    switch (random_below(7)) {
    case 0:
        return WORD_BASE + random_below(WORD_PAGES) * PAGE;
    case 1:
        return LONE + random_below(WORD_EACH) * MB2;
    case 2:
        return FILE_PRIVATE + random_below(FILE_PAGES) * PAGE;
    case 3:
        return FILE_SHARED + random_below(FILE_PAGES) * PAGE;
    case 4:
        return BASE + random_below(3) * MB2 + MB2 / 2 + random_below(OWN_PAGES) * PAGE;
    case 5:
        return MIXED_NEAR + random_below(MIXED_PAGES) * PAGE;
    default:
        return MIXED_FAR + random_below(MIXED_PAGES) * PAGE;
    }
}

static void back_migrate(struct mmk_page *page)
{
    struct mmk_page *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    int error;

    if (!to)
        return;
    mmk_page_lock(page);
    error = mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    check(error == 0 || error == MMK_EBUSY);
    mmk_page_put(to);
}

/* Nobody may notice: what is in the page, and whether it is there, is the page's, or its object's.
 */
static void back_op(struct mmk_mm *mm)
{
    struct mmk_page *page = page_at(mm, back_addr());
    bool found;

    if (!page)
        return;
    switch (random_below(5)) {
    case 0:
        (void)mmk_page_referenced(page);
        break;
    case 1:
        mmk_page_lock(page);
        (void)mmk_rmap_count(page, NULL, 0, &found);
        mmk_page_unlock(page);
        break;
    case 2:
        mmk_page_lock(page);
        (void)mmk_page_try_to_unmap(page);
        mmk_page_unlock(page);
        break;
    default:
        back_migrate(page);
        break;
    }
    mmk_swap_put_page(page);
}

#endif
