/* SPDX-License-Identifier: MIT */
/*
 * rmap_use.h - what is done to all entries of one page.
 */
#ifndef MMK_SRC_RMAP_USE_H
#define MMK_SRC_RMAP_USE_H

#include "gather.h"
#include "page_rmap.h"

/*
 * Was the page used since it was last asked? Entries become old. Nothing is flushed: a translation
 * that is cached goes on unnoticed until it is dropped, as on Linux on x86.
 * => how many entries were young; as mmk_rmap_walk()
 */
uint32_t mmk_page_referenced(struct mmk_page *page);

/* The same, but it waits for no lock. => false: it did not come to all entries; *young: so far */
MMK_MUST_CHECK bool mmk_page_try_referenced(struct mmk_page *page, uint32_t *young);

/*
 * Takes a page out of all tables, TLBs flushed: an object's page, whose content can be had again,
 * or a private one that MADV_FREE has marked, and nobody has written since.
 * => true: nothing maps it. false: some entry stays: its memory is locked, or the page pinned; it
 *    was to be discarded, and was written, or others hold it; or it was mapped anew
 * => page locked, with one reference of the caller's; may sleep; as mmk_rmap_walk()
 */
bool mmk_page_try_to_unmap(struct mmk_page *page) MMK_REQUIRES(page);

/*
 * The same of an object's page that stays in memory: of locked memory, too.
 * => page locked; without `wait`, as mmk_page_try_to_unmap_nowait()
 */
bool mmk_page_unmap_to_move(struct mmk_page *page, bool wait) MMK_REQUIRES(page);

/*
 * As mmk_page_try_to_unmap(), but it waits for no lock, and no secondary MMU sleeps: false, too,
 * when one would have to. => page locked
 */
bool mmk_page_try_to_unmap_nowait(struct mmk_page *page) MMK_REQUIRES(page);

/* Entries of one address space that are taken, but may be cached by TLBs. */
struct mmk_unflushed {
    struct mmk_mm *mm; /* held; NULL: there are none */
    struct mmk_gather gather;
};

/*
 * mmk_page_try_to_unmap() of a private page that is LAZYFREE; without `wait`, _nowait(). If that is
 * true TLBs are flushed when mmk_unflushed_flush() is called, those of one address space before
 * another's entry is taken: until then the page stays locked, and may be read by what is cached.
 */
bool mmk_page_discard(struct mmk_page *page, struct mmk_unflushed *later, bool wait)
    MMK_REQUIRES(page);

/* What was taken of one page. */
struct mmk_unmapped {
    uint32_t entries; /* whose references are left */
    bool dirty;       /* one was */
};

/*
 * Swap entries take the place of all entries of a private page in the swap cache. TLBs are flushed
 * when mmk_unflushed_flush() is called, those of one address space before another's entry is taken.
 * Until then the page stays locked, whatever the answer, and stores to it may go on; afterwards
 * mmk_unmapped_settle() does what is left.
 * => as mmk_page_try_to_unmap(), or, without `wait`, _nowait()
 */
bool mmk_page_unmap_for_swap(struct mmk_page *page, struct mmk_unflushed *later, bool wait,
                             struct mmk_unmapped *out) MMK_REQUIRES(page);

/* => as mmk_gather_finish() */
void mmk_unflushed_flush(struct mmk_unflushed *later);
void mmk_unmapped_settle(struct mmk_page *page, const struct mmk_unmapped *out) MMK_REQUIRES(page);

#endif
