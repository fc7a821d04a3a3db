/* SPDX-License-Identifier: MIT */
/*
 * rmap_use.h - what is done to all entries of one page.
 */
#ifndef MMK_SRC_RMAP_USE_H
#define MMK_SRC_RMAP_USE_H

#include "page_rmap.h"

/*
 * Was the page used since it was last asked? Entries become old. Nothing is flushed: a translation
 * that is cached goes on unnoticed until it is dropped, as on Linux on x86.
 * => how many entries were young; as mmk_rmap_walk()
 */
uint32_t mmk_page_referenced(struct mmk_page *page);

/* The same, but it waits for no lock. => false: it did not come to all entries; *young: so far */
MMK_MUST_CHECK bool mmk_page_try_referenced(struct mmk_page *page, uint32_t *young);

/* What becomes of a private page's entries. */
enum mmk_unmap_how {
    MMK_UNMAP_DISCARD, /* none, if its content is zeros: MADV_FREE marked it, nobody wrote since */
    MMK_UNMAP_SWAP,    /* swap entries: the page is in the swap cache */
};

/*
 * Takes a page out of all tables, TLBs flushed: an object's page, whose content can be had again,
 * or a private one. What an entry knew of it being dirty the page knows then.
 * => true: nothing maps it. false: some entry stays: its memory is locked, or the page pinned; it
 *    was to be discarded, and was written, or others hold it; or it was mapped anew
 * => page locked, with one reference of the caller's; may sleep; as mmk_rmap_walk()
 */
bool mmk_page_try_to_unmap(struct mmk_page *page, enum mmk_unmap_how how) MMK_REQUIRES(page);

/*
 * The same, but it waits for no lock, and no secondary MMU sleeps: false, too, when one would have
 * to. => page locked
 */
bool mmk_page_try_to_unmap_nowait(struct mmk_page *page, enum mmk_unmap_how how) MMK_REQUIRES(page);

#endif
