/* SPDX-License-Identifier: MIT */
/*
 * seal.h - mappings that mseal() has sealed, for those who would change one.
 *
 * A sealed VMA keeps its place, its size but for a stack's growth, its protection and its object
 * until the address space ends. Who unmaps, moves or protects asks before the first change, and
 * answers MMK_EPERM. Locking and unlocking it, and most advice, are allowed.
 */
#ifndef MMK_SRC_SEAL_H
#define MMK_SRC_SEAL_H

#include "mm.h"

/* Whether a part of [start, end) is sealed. => mmap lock held */
MMK_ALWAYS_INLINE bool mmk_vma_sealed_in(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *vma = mmk_mm_find_vma(mm, start);

    while (vma && mmk_vma_start(vma) < end) {
        if (mmk_vma_flags(vma) & MMK_VM_SEALED)
            return true;
        vma = mmk_mm_find_vma(mm, mmk_vma_end(vma));
    }
    return false;
}

/*
 * Whether advice that discards what vma holds would get around the seal: the memory is private and
 * anonymous, and the program could not write it itself (can_madvise_modify of Linux).
 */
MMK_ALWAYS_INLINE bool mmk_vma_sealed_contents(const struct mmk_vma *vma)
{
    return (mmk_vma_flags(vma) & (MMK_VM_SEALED | MMK_VM_WRITE)) == MMK_VM_SEALED && !vma->object;
}

#endif
