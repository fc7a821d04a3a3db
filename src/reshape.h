/* SPDX-License-Identifier: MIT */
/*
 * reshape.h - changing the flags of the VMAs in a range: cut at its ends, set, merged again.
 *
 *     error = mmk_reshape_prepare(mm, &reshape, start, end, clear, set);    may fail
 *     mmk_reshape_cut(mm, &reshape);                                        from here on not
 *     for each VMA in the range: mmk_reshape_set(mm, &reshape, vma), and what follows from it
 *     mmk_reshape_merge(mm, &reshape);
 *
 * or mmk_reshape() for all of it. The range may have holes.
 */
#ifndef MMK_SRC_RESHAPE_H
#define MMK_SRC_RESHAPE_H

#include "account.h"
#include "map.h"

struct mmk_reshape {
    mmk_vaddr_t start, end;
    uint64_t clear, set;      /* MMK_VM_*: a VMA's new flags are (old & ~clear) | set */
    struct mmk_vma *first;    /* ends above start; once cut it is the first that changes, if any */
    struct mmk_vma *cut[2];   /* to be cut at start and at end; NULL: not; may be the same */
    struct mmk_vma *spare[2]; /* upper parts, for these cuts */
    struct mmk_vma_tree_reserve reserve;
};

/*
 * Allocates what cutting may need.
 * => 0, or MMK_ENOMEM with nothing changed
 * => start < end, page multiples; mmap lock held for writing; may sleep
 */
MMK_MUST_CHECK int mmk_reshape_prepare(struct mmk_mm *mm, struct mmk_reshape *reshape,
                                       mmk_vaddr_t start, mmk_vaddr_t end, uint64_t clear,
                                       uint64_t set) MMK_REQUIRES(mm->mmap_lock);

/* Instead of the rest. */
void mmk_reshape_cancel(struct mmk_reshape *reshape);

/* Cuts VMAs that change on one side of start or end only. => nothing has changed since prepare */
void mmk_reshape_cut(struct mmk_mm *mm, struct mmk_reshape *reshape) MMK_REQUIRES(mm->mmap_lock);

/* What vma's flags become. */
MMK_ALWAYS_INLINE uint64_t mmk_reshape_flags(const struct mmk_reshape *reshape,
                                             const struct mmk_vma *vma)
{
    return mmk_account_flags((mmk_vma_flags(vma) & ~reshape->clear) | reshape->set);
}

/* Sets vma's flags. => true: they were different; after cut: vma has no part outside the range */
MMK_ALWAYS_INLINE bool mmk_reshape_set(struct mmk_mm *mm, const struct mmk_reshape *reshape,
                                       struct mmk_vma *vma) MMK_REQUIRES(mm->mmap_lock)
{
    uint64_t old_flags = mmk_vma_flags(vma), flags = mmk_reshape_flags(reshape, vma);

    if (flags == old_flags)
        return false;
    mmk_account_turn(mm, old_flags, flags, mmk_vma_size(vma));
    mmk_a64_store(&vma->flags, flags, MMK_RELAXED);
    return true;
}

/* Merges what may be one now. => after every VMA in the range has been set */
void mmk_reshape_merge(struct mmk_mm *mm, const struct mmk_reshape *reshape)
    MMK_REQUIRES(mm->mmap_lock);

/* Prepare, cut, set all, merge. => as mmk_reshape_prepare() */
MMK_MUST_CHECK int mmk_reshape(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                               uint64_t clear, uint64_t set) MMK_REQUIRES(mm->mmap_lock);

/* Where the first hole at or above start is; `end` when there is none below it. => mmap lock */
mmk_vaddr_t mmk_vma_first_hole(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

#endif
