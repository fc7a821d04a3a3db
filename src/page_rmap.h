/* SPDX-License-Identifier: MIT */
/*
 * page_rmap.h - what a page knows of the entries that map it: how many there are, and where the
 * search for them starts (rmap.h).
 *
 *   an object's page    object and index: the object's tree of VMAs
 *   a private one       kin and index: family.h. The index is the number of the page at whose
 *                       address it was made, or would have been, had its VMA always been where it
 *                       was when its first page was made: address - mmk_vma_shift()
 *
 * RM1 What kind a page is was decided before its first mapping, and does not change while it is
 *     mapped: each mapping asserts it. Kin and index are set with the first mapping, and change
 *     after that only for a page that has one user, who is then its kin (mmk_page_own_rmap).
 * RM2 The count is raised before an entry appears, or under the lock of a table that maps the page
 *     already, and lowered after an entry is taken, under the lock of its table. So whoever has
 *     locked the table of the only entry has the page's count to himself.
 * RM3 ORPHAN in the count: its kin's address space has let go of the page when others had it, or it
 *     came back from swap, or to another frame (migrate.c); it is counted as an orphan (KN3).
 * RM4 An entry appears in the place of a swap entry, in any address space, with the page locked and
 *     in the swap cache (SWAPCACHE). So a count of 1 is for its only mapper to change as he likes
 *     when the page is not there. It may have got there just now; but whoever has a swap entry of
 *     it by then had it mapped before, and who sees the count without that one sees SWAPCACHE.
 *
 * Rejected: a bit for ORPHAN in `flags`. The last mapping may go just when the owner's goes: that
 * has to be one word.
 */
#ifndef MMK_SRC_PAGE_RMAP_H
#define MMK_SRC_PAGE_RMAP_H

#include "family.h"
#include "mm.h"
#include "page.h"
#include "planted.h"
#include "vma.h"

#define MMK_MAPCOUNT_ORPHAN 0x80000000u

/* How many entries map the page. */
MMK_ALWAYS_INLINE uint32_t mmk_page_mapcount(const struct mmk_page *page)
{
    return mmk_a32_load(&page->user.mapcount, MMK_RELAXED) & ~MMK_MAPCOUNT_ORPHAN;
}

MMK_ALWAYS_INLINE struct mmk_kin *mmk_page_kin(const struct mmk_page *page)
{
    return (struct mmk_kin *)mmk_aptr_load(&page->user.kin, MMK_RELAXED);
}

/*
 * KN3: whether a private page counts in its kin, and says which that is. Acquire: of whoever comes
 * by its frame to a page that is just being made, and finds it counted.
 */
MMK_ALWAYS_INLINE bool mmk_page_has_kin(const struct mmk_page *page)
{
    return (mmk_a32_load(&page->user.mapcount, MMK_ACQUIRE) & ~MMK_MAPCOUNT_ORPHAN) != 0 ||
           mmk_page_test(page, MMK_PF_SWAPCACHE);
}

/*
 * The page is about to be mapped at `address` of vma; anon: as a private page.
 * => an object's page is locked; a private one is the caller's alone, and mapped nowhere
 */
MMK_ALWAYS_INLINE void mmk_page_add_rmap(struct mmk_page *page, const struct mmk_vma *vma,
                                         mmk_vaddr_t address, bool anon)
{
    mmk_assert(mmk_page_type(page) == (anon ? MMK_PAGE_ANON : MMK_PAGE_OBJECT),
               "RM1 a page is mapped as what it is");
    if (!anon) {
        mmk_a32_fetch_add(&page->user.mapcount, 1, MMK_RELAXED);
        return;
    }
    mmk_aptr_store(&page->user.kin, vma->mm->kin, MMK_RELAXED);
    page->user.index = mmk_vma_anon_index(vma, address);
    /* Release: reclaim may come to the page by its frame, before any entry maps it. */
    mmk_a32_store(&page->user.mapcount, 1, MMK_RELEASE);
}

/* One entry more, by fork, of a private page. => the lock of a table that maps it is held */
MMK_ALWAYS_INLINE void mmk_page_dup_rmap(struct mmk_page *page)
{
    mmk_a32_fetch_add(&page->user.mapcount, 1, MMK_RELAXED);
}

void mmk_page_remove_shared(struct mmk_page *page, struct mmk_kin *kin);

/*
 * One entry more, in the place of a swap entry, of a private page that others may have, too. Kin
 * and index are those that it had when it was swapped out.
 * => the page is locked, and in the swap cache
 */
void mmk_page_return_rmap(struct mmk_page *page) MMK_REQUIRES(page);

/*
 * An entry of address space `in` no longer maps the page, which is a private one. Acquire: RM4.
 * => the entry's reference is still held; its table is locked
 */
MMK_ALWAYS_INLINE void mmk_page_remove_private(struct mmk_page *page, const struct mmk_mm *in)
{
    if (mmk_likely(mmk_a32_load(&page->user.mapcount, MMK_ACQUIRE) == 1 &&
                   (!mmk_page_test(page, MMK_PF_SWAPCACHE) || MMK_MISTAKE(COUNT_OF_CACHED))))
        mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
    else
        mmk_page_remove_shared(page, in->kin);
}

/*
 * The same of any page. Release: truncation may take the page from its object afterwards, if it was
 * the last.
 */
MMK_ALWAYS_INLINE void mmk_page_remove_rmap(struct mmk_page *page, const struct mmk_mm *in)
{
    uint32_t count;

    if (mmk_page_type(page) == MMK_PAGE_ANON) {
        mmk_page_remove_private(page, in);
        return;
    }
    count = mmk_a32_fetch_sub(&page->user.mapcount, 1, MMK_RELEASE);
    mmk_assert(count != 0, "RM2 a mapping is taken off once");
}

/*
 * A page that takes the place of another, whose kin and index it has, is counted as mapped once,
 * and as an orphan, while the entries come; and no longer.
 * => begin: mapped by nobody; the family's lock held, in whose tree the kin is
 */
void mmk_page_begin_orphan(struct mmk_page *page);
void mmk_page_end_orphan(struct mmk_page *page);

/*
 * The page, at `address` of vma, turns out to be vma's address space's alone: it is its kin from
 * now on, and finds it where it is (page_move_anon_rmap of Linux).
 * => its only reference is that of the entry, whose table is locked; page locked: nobody searches
 */
void mmk_page_own_rmap(struct mmk_page *page, const struct mmk_vma *vma, mmk_vaddr_t address)
    MMK_REQUIRES(page);

#endif
