/* SPDX-License-Identifier: MIT */
/*
 * populate.h - faulting in every page of a range, before anybody touches it.
 */
#ifndef MMK_SRC_POPULATE_H
#define MMK_SRC_POPULATE_H

#include "mm.h"

/*
 * How. Up to two of these:
 *   AS_VMA        as a touch that the VMA allows: a write where it is writable and private, so that
 *                 no copy is left to be made, else a read. Holes, and VMAs whose pages are locked
 *                 when they are touched, are passed over
 *   READ, WRITE   instead: as this access; the VMAs must allow it, and there must be no hole
 *   BEST_EFFORT   with AS_VMA: where a VMA fails go on with the next one. Locked memory does not
 *                 take the last of what is free
 */
#define MMK_POPULATE_AS_VMA      0u
#define MMK_POPULATE_READ        1u
#define MMK_POPULATE_WRITE       2u
#define MMK_POPULATE_BEST_EFFORT 4u

/*
 * Faults in the pages of [start, end) that are not there yet, in order, up to the first failure.
 * => 0; MMK_EINTR: killed; with BEST_EFFORT one of these two
 * => MMK_ENOMEM: no memory, or, with READ or WRITE, a hole
 * => MMK_EFAULT: a touch would have been answered with a signal: beyond an object's end, or
 *    PROT_NONE with AS_VMA
 * => MMK_EINVAL: READ or WRITE, and a VMA does not allow it, or shows frames that are not mmkit's;
 *    with AS_VMA these are passed over
 * => page multiples; mmap lock held, for reading is enough, and not dropped; may sleep
 */
MMK_MUST_CHECK int mmk_populate_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                                       unsigned how) MMK_REQUIRES_SHARED(mm->mmap_lock);

/* For whom it is no error when a page cannot be had: it comes when it is touched, or not. */
void mmk_populate_try_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/*
 * Reads the pages of vma's object for [start, end) in, without mapping them, up to the first that
 * cannot be had, or until the address space is killed. Nothing to do for private anonymous and for
 * shared memory.
 * => as mmk_populate_locked()
 */
void mmk_populate_object(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

#endif
