/* SPDX-License-Identifier: MIT */
/*
 * huge_unused.h - larger pages of which most was never written to, when memory is short: they are
 * split, and what is zeros is given back (Linux: underused huge pages, deferred split).
 *
 * Programs ask for little of what they touch first; the fault has given them all of a larger page.
 * What they have not written is zeros still, and zeros can be had again.
 */
#ifndef MMK_SRC_HUGE_UNUSED_H
#define MMK_SRC_HUGE_UNUSED_H

#include "huge.h"

/* By what its frame says of it: may this be the first page of a larger one? */
MMK_ALWAYS_INLINE bool mmk_huge_may_begin(const struct mmk_page *page, uint32_t flags)
{
    return mmk_huge_possible() && (flags & MMK_PF_TYPE) == MMK_PAGE_ANON &&
           (mmk_page_to_pfn(page) & (MMK_HUGE_PAGES - 1)) == 0;
}

/*
 * If a larger page begins with this one that one address space alone has, and more than half of
 * whose pages are zeros, it is split, and those that still are when nobody can store to them any
 * more are freed.
 * => how many; page locked, with a reference; waits for no lock (RC2), spins for other CPUs
 */
uint64_t mmk_huge_give_back(struct mmk_page *page) MMK_REQUIRES(page);

#endif
