/* SPDX-License-Identifier: MIT */
/*
 * zap.h - taking entries out of the page tables of a range.
 */
#ifndef MMK_SRC_ZAP_H
#define MMK_SRC_ZAP_H

#include "gather.h"
#include "walk.h"

/* Which entries a zap takes. */
enum mmk_zap {
    MMK_ZAP_ALL,    /* unmapping: guards as well */
    MMK_ZAP_PAGES,  /* whatever maps a page; guards stay */
    MMK_ZAP_OBJECT, /* what maps an object's own page: private copies stay, too */
};

/*
 * Makes the entries in [start, end) none that `which` says, and frees the tables that this empties;
 * pages and tables go to the gather.
 * => larger pages at the ends are split (mmk_huge_split_ends())
 * => addresses page multiples, up to MMK_USER_END; does not sleep; table locks are taken; the mmap
 *    lock, or whatever keeps the range's meaning, is the caller's business
 */
void mmk_zap_range(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end,
                   enum mmk_zap which);

/*
 * The same for the entries of one locked leaf table, from walk's up to `end`; the table stays even
 * if this empties it.
 * => the address where it stopped: below `end` when the gather had no room left
 */
mmk_vaddr_t mmk_zap_leaf(struct mmk_gather *gather, struct mmk_walk *walk, mmk_vaddr_t end,
                         enum mmk_zap which) MMK_REQUIRES(walk->table->table.lock);

/* The counter that a mapped page belongs to. */
enum mmk_counter mmk_page_rss_kind(const struct mmk_page *page);

/*
 * The page that answers reads of untouched anonymous memory. Entries that map it are special: no
 * rmap, no reference, no RSS (P18). To recognise one ask mmk_pte_special().
 */
extern struct mmk_aptr mmk_zero_frame; /* set before the first address space exists */

MMK_ALWAYS_INLINE struct mmk_page *mmk_zero_page(void)
{
    return (struct mmk_page *)mmk_aptr_load(&mmk_zero_frame, MMK_RELAXED);
}

/* => 0, or MMK_ENOMEM: there was none yet, and no memory for it; may sleep */
MMK_MUST_CHECK int mmk_zero_page_ready(void);
/* Frees it if no address space exists. => nothing else runs in mmkit */
void mmk_zero_page_release(void);

#endif
