/* SPDX-License-Identifier: MIT */
/*
 * reshape.h - changing the flags of the VMAs in a range, one after another, upwards.
 *
 *     error = mmk_reshape_begin(mm, &reshape, start, end, clear, set);     may fail
 *     while (mmk_reshape_next(mm, &reshape))                               has changed a part
 *         ... what follows from it, for [reshape.change.start, reshape.change.end)
 *     error = mmk_reshape_end(mm, &reshape);                               0, or too many mappings
 *
 * or mmk_reshape() for all of it. The range may have holes.
 */
#ifndef MMK_SRC_RESHAPE_H
#define MMK_SRC_RESHAPE_H

#include "account.h"
#include "map.h"

struct mmk_reshape {
    mmk_vaddr_t next, end; /* what is left of the range */
    uint64_t clear, set;   /* MMK_VM_*: a VMA's new flags are (old & ~clear) | set, or nearly */
    uint64_t old_flags;    /* of what has changed last */
    struct mmk_vma_change change;
    int error;
};

/*
 * Allocates what cutting may need.
 * => 0, or MMK_ENOMEM with nothing changed
 * => start < end, page multiples; mmap lock held for writing; may sleep
 */
MMK_MUST_CHECK int mmk_reshape_begin(struct mmk_mm *mm, struct mmk_reshape *reshape,
                                     mmk_vaddr_t start, mmk_vaddr_t end, uint64_t clear,
                                     uint64_t set) MMK_REQUIRES(mm->mmap_lock);

/*
 * Changes the next VMA's part in the range, of those that change.
 * => false: there is none, or there would be too many mappings
 * => nothing else but this has changed mappings since begin; may sleep
 */
bool mmk_reshape_next(struct mmk_mm *mm, struct mmk_reshape *reshape) MMK_REQUIRES(mm->mmap_lock);

/* => 0, or MMK_ENOMEM: all below some mapping have changed, as on Linux */
MMK_MUST_CHECK int mmk_reshape_end(struct mmk_reshape *reshape);

/* All three. => as the first and the last */
MMK_MUST_CHECK int mmk_reshape(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                               uint64_t clear, uint64_t set) MMK_REQUIRES(mm->mmap_lock);

/* Where the first hole at or above start is; `end` when there is none below it. => mmap lock */
mmk_vaddr_t mmk_vma_first_hole(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

#endif
