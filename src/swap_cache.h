/* SPDX-License-Identifier: MIT */
/*
 * swap_cache.h - private pages that have a slot, and are in memory as well: on their way out, or
 * in, or still the same as what is in the slot.
 *
 * A slot says which page it is, the page which slot (user.slot, MMK_PF_SWAPCACHE). Both change with
 * the page locked. The cache has a reference to the page, and keeps the slot. While a page is
 * cached, its kin and index are the slot's, too, and it counts as an orphan of that kin.
 *
 * What has nobody is freed at once: a cached page whose slot has no reference left, and which no
 * entry maps, leaves the cache, and the slot is free. Whoever drops one of the two last does it
 * (mmk_swap_put, mmk_swap_put_page), or, if somebody has the page locked, he does when he unlocks.
 */
#ifndef MMK_SRC_SWAP_CACHE_H
#define MMK_SRC_SWAP_CACHE_H

#include "page_rmap.h"
#include "swap_area.h"

/*
 * The slot's page, with a reference; NULL: it has none. To be sure, lock it and ask
 * mmk_swap_cached(): it may have left meanwhile.
 * => the caller has a reference to the slot
 */
struct mmk_page *mmk_swap_find(uint64_t slot);

/* Is it this slot's cached page? */
MMK_ALWAYS_INLINE bool mmk_swap_cached(const struct mmk_page *page, uint64_t slot)
    MMK_REQUIRES(page)
{
    return mmk_page_test(page, MMK_PF_SWAPCACHE) && page->user.slot == slot;
}

/*
 * A private page gets a slot: it is in the cache from now on, and DIRTY, as it was never written
 * there.
 * => true; the caller has a reference to the slot, which keeps it until he puts it (mmk_swap_put).
 *    false: there is no room
 * => page locked, mapped, with a reference; not cached. May sleep
 */
MMK_MUST_CHECK bool mmk_swap_add(struct mmk_page *page, uint64_t *slot) MMK_REQUIRES(page);

/*
 * A new page is to become a slot's, for reading it in: it is cached then, with the slot's kin and
 * index, mapped nowhere, and not UPTODATE.
 * => false: the slot has another page, or is no private page's
 * => page locked, the caller's alone (type ANON), its counts 0; the caller has a reference to the
 * slot
 */
MMK_MUST_CHECK bool mmk_swap_insert(struct mmk_page *page, uint64_t slot) MMK_REQUIRES(page);

/*
 * A cached page leaves the cache: the slot has its content, or nobody wants it. If nobody has the
 * slot, it is free then. Drops the cache's reference, not the caller's.
 * => page locked, mapped nowhere, clean unless nobody has the slot
 */
void mmk_swap_drop(struct mmk_page *page) MMK_REQUIRES(page);

/*
 * A cached page is to leave its slot behind: nobody else can come by it then. It is DIRTY, as the
 * slot no longer has its content.
 * => true: the slot is freed, if nobody had a reference to it; the page is no longer cached.
 *    false: somebody has one
 * => page locked; the caller has a reference, but none to the slot
 */
bool mmk_swap_take_out(struct mmk_page *page) MMK_REQUIRES(page);

/*
 * A cached page turns out to be one address space's alone, in which it is about to be mapped: it is
 * its kin's, made at `address` of vma. The page is EXCLUSIVE then, and its first mapping counted.
 * => page locked, mapped nowhere; the caller has the only reference to the slot beside the entry's
 */
void mmk_swap_own(struct mmk_page *page, const struct mmk_vma *vma, mmk_vaddr_t address)
    MMK_REQUIRES(page);

/*
 * Another page, `to`, takes the place of a cached one as its slot's.
 * => both locked, of one kin and index, and content; nothing maps `page`; the caller has a
 *    reference to the slot, and to each page
 */
void mmk_swap_replace(struct mmk_page *page, struct mmk_page *to) MMK_REQUIRES(page)
    MMK_REQUIRES(to);

/*
 * One reference to a slot less; if that leaves a cached page without use, the page goes as well.
 * => any context but interrupts; table locks may be held, page locks too
 */
void mmk_swap_put(uint64_t slot);

/*
 * One reference to a page less: as mmk_page_put() for one that may be a private page in the cache,
 * and that the caller has unmapped, or might have seen unmapped.
 * => as mmk_swap_put()
 */
void mmk_swap_put_cached(struct mmk_page *page);

MMK_ALWAYS_INLINE void mmk_swap_put_page(struct mmk_page *page)
{
    if (mmk_likely(!mmk_page_test(page, MMK_PF_SWAPCACHE)))
        mmk_page_put(page);
    else
        mmk_swap_put_cached(page);
}

#endif
