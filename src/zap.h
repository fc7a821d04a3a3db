/* SPDX-License-Identifier: MIT */
/*
 * zap.h - taking entries out of the page tables of a range.
 */
#ifndef MMK_SRC_ZAP_H
#define MMK_SRC_ZAP_H

#include "gather.h"
#include "walk.h"
#include "zero_page.h"

/* Which entries a zap takes. */
enum mmk_zap {
    MMK_ZAP_ALL,    /* unmapping: guards as well */
    MMK_ZAP_PAGES,  /* whatever maps a page; guards stay */
    MMK_ZAP_OBJECT, /* what maps an object's own page: private copies stay, too */
};

/*
 * Makes the entries in [start, end) none that `which` says, and frees the tables that this empties;
 * pages and tables go to the gather.
 * => larger pages at the ends are split (mmk_huge_split_ends()); an object's may be left as it is,
 *    and goes wholly
 * => addresses page multiples, up to MMK_USER_END; does not sleep; table locks are taken; the mmap
 *    lock, or whatever keeps the range's meaning, is the caller's business
 */
void mmk_zap_range(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end,
                   enum mmk_zap which);

/* The same of one table, or a larger page: for a visitor of range.h. */
mmk_vaddr_t mmk_zap_visit(struct mmk_gather *gather, struct mmk_walk *walk, mmk_vaddr_t end,
                          enum mmk_zap which) MMK_REQUIRES(walk->table->table.lock);

/*
 * The same for the entries of one locked leaf table, from walk's up to `end`; the table stays even
 * if this empties it.
 * => the address where it stopped: below `end` when the gather had no room left
 */
mmk_vaddr_t mmk_zap_leaf(struct mmk_gather *gather, struct mmk_walk *walk, mmk_vaddr_t end,
                         enum mmk_zap which) MMK_REQUIRES(walk->table->table.lock);

/*
 * Takes the entry of a larger page that walk has come to, all of it; the table stays.
 * => walk locked; the gather has room
 */
void mmk_zap_huge(struct mmk_gather *gather, struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock);

/* The counter that a mapped page belongs to. */
enum mmk_counter mmk_page_rss_kind(const struct mmk_page *page);

#endif
