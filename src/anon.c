/* SPDX-License-Identifier: MIT */
/* anon.c - see anon.h. */
#include "anon.h"

static uint64_t new_number(struct mmk_mm *mm)
{
    return (mmk_a64_fetch_add(&mm->anon_source, 1, MMK_RELAXED) + 1) << 1;
}

/* They differ in what mprotect may change, at most: then a later mprotect may make them one. */
static bool could_be_one(const struct mmk_vma *lower, const struct mmk_vma *upper)
{
    uint64_t flags = mmk_vma_flags(lower) & ~(uint64_t)MMK_VM_PROT;
    uint64_t shift = mmk_vma_shift(lower);
    mmk_vaddr_t end = mmk_vma_end(lower);

    flags |= mmk_vma_flags(upper) & MMK_VM_PROT;
    return end == mmk_vma_start(upper) && shift == mmk_vma_shift(upper) &&
           mmk_vma_compatible(upper, flags, lower->object, mmk_vma_origin(lower));
}

/* A neighbour's number that vma may have, too; 0: none */
static uint64_t number_beside(struct mmk_mm *mm, const struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *above = mmk_mm_find_vma(mm, mmk_vma_end(vma)), *below;
    uint64_t anon = 0;

    if (above && could_be_one(vma, above))
        anon = mmk_vma_anon(above);
    if (anon != 0 && !(anon & MMK_ANON_FORKED))
        return anon;
    below = mmk_mm_prev_vma(mm, mmk_vma_start(vma));
    anon = below && could_be_one(below, vma) ? mmk_vma_anon(below) : 0;
    return anon & MMK_ANON_FORKED ? 0 : anon;
}

void mmk_anon_prepare_slow(struct mmk_mm *mm, struct mmk_vma *vma)
{
    uint64_t anon = number_beside(mm, vma), none = 0;

    if (anon == 0)
        anon = new_number(mm);
    (void)mmk_a64_cmpxchg(&vma->anon, &none, anon, MMK_RELAXED);
}

uint64_t mmk_anon_fork(struct mmk_mm *child, const struct mmk_vma *vma)
{
    if (mmk_vma_anon(vma) == 0 || (mmk_vma_flags(vma) & MMK_VM_WIPEONFORK))
        return 0;
    return new_number(child) | MMK_ANON_FORKED;
}

bool mmk_anon_agree(uint64_t other, uint64_t anon, bool grows)
{
    if (other == 0)
        return grows || !(anon & MMK_ANON_FORKED);
    if (anon == 0)
        return !(other & MMK_ANON_FORKED);
    return other == anon;
}
