/* SPDX-License-Identifier: MIT */
/*
 * huge.h - larger pages: an entry above the leaves that maps MMK_HUGE_PAGES frames at once, or,
 * where they are not mmkit's, that many times as many.
 *
 * A larger page is nothing but single pages that lie side by side, aligned, each with its own
 * descriptor: counted, owned and pinned one by one. The entry stands for as many leaf entries that
 * are alike. So to split it is to write them out: a table takes its place, and no page notices.
 *
 * HG1 The frames of a larger page's entry are MMK_HUGE_PAGES pages in a row, from an aligned one
 *     on, mapped at as many addresses in a row, of one VMA. They are private, and exclusive if it
 *     is writable (P9); or they are those of the VMA's object, by their indices. Or they are
 *     nobody's, and all zeros: huge_zero.h. Or they are not mmkit's, but named by the object
 *     (fault_frame.c): no descriptor of theirs is looked at, and the entry is special, and dirty
 *     from the first. Those alone may be mapped by an entry of a higher level, up to MMK_HUGE_TOP,
 *     which is split into a table of larger pages of the next lower one.
 * HG2 Such an entry appears only while no operation of its address space is between its first look
 *     and its flush (mm.flush_pending, or the mmap lock held for writing), or where one is already:
 *     so what an operation has split stays split, and one that has all the tables it needs keeps
 *     having them (P14).
 * HG3 The entry of a larger page becomes a table's by way of a marker, and with a flush in between:
 *     no TLB has the same page by entries of two sizes. Whoever locks sees neither the marker, but
 *     for CO1 (collapse.c), nor the moment after; who has not locked takes it for what it is, and
 *     locks. Accessed and dirty go to every piece.
 *
 * An object's goes wholly where a part has to go, and nobody may fail: truncation, a hole, reclaim
 * without a table at hand. Whoever touches what is left finds it in the object.
 *
 * Rejected: spare tables in the hands of everybody who may meet such an entry, and starting over
 * without (P14's other answer): each walk over a range would have an error path in its middle, for
 * what a fault can as well leave undone. Deposited tables (Linux), one for each larger page: memory
 * that is held for what may never happen. One descriptor for the whole page: then each user of a
 * page has to know of two kinds, and splitting the page is another protocol.
 */
#ifndef MMK_SRC_HUGE_H
#define MMK_SRC_HUGE_H

#include "huge_zero.h"
#include "walk.h"

/* Does this address space have larger pages at all? */
MMK_ALWAYS_INLINE bool mmk_huge_possible(void)
{
    return mmk_unlikely(mmk_config.huge != MMK_HUGE_NEVER);
}

MMK_ALWAYS_INLINE mmk_vaddr_t mmk_huge_base(mmk_vaddr_t addr)
{
    return addr & ~(MMK_HUGE_SIZE - 1);
}

/* Has the walk ended at a larger page's entry? => its entry's value */
MMK_ALWAYS_INLINE bool mmk_walk_huge(const struct mmk_walk *walk, mmk_pte_t pte)
{
    return mmk_unlikely(walk->level != 0) && mmk_pte_huge(pte);
}

/* The leaf entry that it stands for at walk's address. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_huge_piece(const struct mmk_walk *walk, mmk_pte_t pte)
{
    uint64_t inside = mmk_pt_entry_pages(walk->level) - 1;

    return mmk_pte_piece(pte, walk->addr >> MMK_PAGE_SHIFT & inside);
}

/* So many entries at `level` that say `pte` have come, or gone. */
MMK_ALWAYS_INLINE void mmk_huge_count(struct mmk_mm *mm, mmk_pte_t pte, unsigned level, int64_t n)
{
    mmk_mm_count(mm, mmk_pte_huge_zero(pte) ? MMK_COUNT_HUGE_ZERO : MMK_COUNT_HUGE, n);
    if (level > MMK_HUGE_LEVEL)
        mmk_mm_count(mm, MMK_COUNT_HUGE_UPPER, n);
}

/*
 * Puts a marker in the place of walk's larger page, which from then on nobody uses by a TLB (HG3).
 * => what hardware has made of its entry last; walk locked; spins for other CPUs
 */
mmk_pte_t mmk_huge_suspend(struct mmk_walk *walk) MMK_REQUIRES(walk->table->table.lock);

/*
 * Puts a table in the place of walk's larger page, each of its pages mapped as before.
 * => walk locked; table empty, private, of the next lower level; spins for other CPUs
 */
void mmk_huge_split(struct mmk_walk *walk, struct mmk_page *table)
    MMK_REQUIRES(walk->table->table.lock);

/*
 * Splits the larger page that addr is in, if there is one, until that is of no higher level than
 * `level`; 0: until it is none.
 * => 0; MMK_ENOMEM: it is still too large; may sleep
 * => HG2: the caller keeps others from coming
 */
MMK_MUST_CHECK int mmk_huge_split_at(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned level);

/* The same without sleep, of a page of mmkit's. => inside an RCU read section */
MMK_MUST_CHECK int mmk_huge_split_nowait(struct mmk_mm *mm, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * Splits those that lie in [start, end) with a part only; all(): every one that has a part there,
 * those of zeros if that is said.
 * There is none beyond the user's addresses.
 * => as mmk_huge_split_at(); some may be split when it fails
 */
MMK_MUST_CHECK int mmk_huge_split_ends_slow(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end);
MMK_MUST_CHECK int mmk_huge_split_all(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                                      bool zeros);

MMK_MUST_CHECK MMK_ALWAYS_INLINE int mmk_huge_split_ends(struct mmk_mm *mm, mmk_vaddr_t start,
                                                         mmk_vaddr_t end)
{
    return mmk_huge_possible() ? mmk_huge_split_ends_slow(mm, start, end) : 0;
}

#endif
