/* SPDX-License-Identifier: MIT */
/*
 * page_at.h - from an address to the page that is there, as reclaim would come upon it.
 */
#ifndef PAGE_AT_H
#define PAGE_AT_H

#include "rmap_use.h" /* first: headers of stresses have names of theirs, too */
#include "rmap_walk.h"

/* The page at addr, with a reference; NULL: there is none. */
static struct mmk_page *page_at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_page *page = NULL;
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, addr, &walk);
    if (walk.level == 0)
        page = mmk_pte_page(mmk_pte_read(walk.entry));
    if (page)
        mmk_page_get(page);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return page;
}

#endif
