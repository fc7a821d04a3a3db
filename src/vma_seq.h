/* SPDX-License-Identifier: MIT */
/* vma_seq.h - a VMA is closed while it changes, and open for faults that take no lock: see vma.h.
 */
#ifndef MMK_SRC_VMA_SEQ_H
#define MMK_SRC_VMA_SEQ_H

#include "mm.h"
#include "planted.h"

/* => mmap lock held */
MMK_ALWAYS_INLINE bool mmk_vma_is_closed(const struct mmk_vma *vma)
{
    return (mmk_a64_load(&vma->seq, MMK_RELAXED) & 1) != 0;
}

/* From now on no fault that has not locked gets through. => mmap lock held for writing */
MMK_ALWAYS_INLINE void mmk_vma_close(struct mmk_vma *vma)
{
    uint64_t seq = mmk_a64_load(&vma->seq, MMK_RELAXED);

    mmk_a64_store(&vma->seq, seq | 1, MMK_RELAXED);
}

/* Release: who finds it open finds what has changed. => mmap lock held for writing */
MMK_ALWAYS_INLINE void mmk_vma_open(struct mmk_vma *vma)
{
    struct mmk_mm *mm = vma->mm;

    mm->vma_seq += 2;
    mmk_a64_store(&vma->seq, mm->vma_seq, MMK_RELEASE);
}

/* Opens the VMA that holds addr, if there is one, and it is closed. */
void mmk_vma_open_at(struct mmk_mm *mm, mmk_vaddr_t addr) MMK_REQUIRES(mm->mmap_lock);

/* mmk_vma_tree_resize() of a VMA that faults may be using; closed, it stays so. */
void mmk_vma_set_range(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES(mm->mmap_lock);

/*
 * The same to a wider one, and mmk_vma_relink(): it is closed until the trees have all of it, by
 * which pages find it, so that none is mapped that is not found (R1). => may sleep
 */
void mmk_vma_widen(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES(mm->mmap_lock);

#endif
