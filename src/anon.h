/* SPDX-License-Identifier: MIT */
/*
 * anon.h - which VMAs' private pages belong together: the place of Linux's anon_vma.
 *
 * A VMA has none (0) until its first private page is on its way; then a number, which
 * its parts keep when it is split or moved. Two VMAs that touch may be merged only when their
 * numbers agree. That is all that the numbers are for: they decide which mappings are one, as on
 * Linux, where programs see it (mremap of several, max_map_count, a stack's limit). The way from a
 * private page to those that map it is another (family.h).
 *
 * AN1 A VMA that maps a private page has a number. (mmk_check)
 * AN2 Numbers are given out once in the life of an address space. (mmk_check: below the source)
 * AN3 A fork gives each VMA that has a number one of its own, marked MMK_ANON_FORKED: its pages may
 *     still be the parent's. Nothing that has none is merged with it, nor takes over its number
 *     (list_is_singular() of Linux), but what grows in place.
 * AN4 Origin less shift is the same for all VMAs with one number: so those that may become one by
 *     their origins have one shift, too, by which their pages are found. Anonymous memory's shift
 *     is its origin. (asserted by merges; mmk_check)
 *
 * Set from 0 with the mmap lock held for reading: by a compare-exchange, or, as the shift may
 * change with it, under the kin's lock for writing, of an object's VMA. Everything else happens
 * with the mmap lock held for writing. Rejected: a flag in `flags` beside a number, two words that
 * would have to agree; an object to count and free for each (DESIGN.md has figures).
 */
#ifndef MMK_SRC_ANON_H
#define MMK_SRC_ANON_H

#include "mm.h"

#define MMK_ANON_FORKED ((uint64_t)1) /* the other bits are the number */

void mmk_anon_prepare_slow(struct mmk_mm *mm, struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/* May vma have private pages? Acquire: its shift is the one that came with the number. */
MMK_ALWAYS_INLINE bool mmk_anon_is_ready(const struct mmk_vma *vma)
{
    return mmk_likely(mmk_a64_load(&vma->anon, MMK_ACQUIRE) != 0);
}

/*
 * vma is to have private pages: gives it a number, a neighbour's if the two differ in protection
 * at most, unless it has one (anon_vma_prepare of Linux).
 * => mmap lock held; cannot fail; may sleep, if vma has an object: takes the kin's lock
 */
MMK_ALWAYS_INLINE void mmk_anon_prepare(struct mmk_mm *mm, struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    if (!mmk_anon_is_ready(vma))
        mmk_anon_prepare_slow(mm, vma);
}

/* The number of a child's copy of vma. => child: known to nobody else yet */
uint64_t mmk_anon_fork(struct mmk_mm *child, const struct mmk_vma *vma);

/*
 * May a VMA with number `anon` become one with a neighbour that has `other`? `grows`: it is the
 * neighbour's own end that goes on there.
 */
bool mmk_anon_agree(uint64_t other, uint64_t anon, bool grows);

#endif
