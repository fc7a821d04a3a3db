/* SPDX-License-Identifier: MIT */
/* anon.c - see anon.h. */
#include "anon.h"

#include "family.h"
#include "planted.h"

static uint64_t new_number(struct mmk_mm *mm)
{
    return (mmk_a64_fetch_add(&mm->anon_source, 1, MMK_RELAXED) + 1) << 1;
}

/* They differ in what mprotect may change, at most: then a later mprotect may make them one. */
static bool could_be_one(const struct mmk_vma *lower, const struct mmk_vma *upper)
{
    uint64_t flags = mmk_vma_flags(lower) & ~(uint64_t)MMK_VM_PROT;
    mmk_vaddr_t end = mmk_vma_end(lower);

    flags |= mmk_vma_flags(upper) & MMK_VM_PROT;
    return end == mmk_vma_start(upper) &&
           mmk_vma_compatible(upper, flags, lower->object, mmk_vma_origin(lower));
}

/* Has it a number that others may have, too? */
static bool may_share(const struct mmk_vma *vma)
{
    uint64_t anon = mmk_vma_anon(vma);

    return anon != 0 && !(anon & MMK_ANON_FORKED);
}

/* A neighbour whose number vma may have, too; NULL: none */
static const struct mmk_vma *find_like(struct mmk_mm *mm, const struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *above = mmk_mm_find_vma(mm, mmk_vma_end(vma)), *below;

    if (above && could_be_one(vma, above) && may_share(above))
        return above;
    below = mmk_mm_prev_vma(mm, mmk_vma_start(vma));
    return below && could_be_one(below, vma) && may_share(below) ? below : NULL;
}

/* => the number for vma */
static uint64_t choose(struct mmk_mm *mm, const struct mmk_vma *like)
{
    return like ? mmk_vma_anon(like) : new_number(mm);
}

/*
 * A neighbour of it that has moved with its pages has another shift, which becomes vma's (AN4). So
 * the two are one change, and each that is made of an object's VMAs is seen by the next.
 */
static void prepare_object(struct mmk_mm *mm, struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(mm->mmap_lock) MMK_REQUIRES(mm->kin->lock)
{
    const struct mmk_vma *like;
    uint64_t anon, shift;

    if (mmk_vma_anon(vma) != 0)
        return;
    like = find_like(mm, vma);
    anon = choose(mm, like);
    shift = like ? mmk_vma_shift(like) : mmk_vma_shift(vma);
    if (MMK_MISTAKE(NUMBER_BEFORE_SHIFT))
        mmk_a64_store(&vma->anon, anon, MMK_RELAXED);
    if (shift != mmk_vma_shift(vma))
        mmk_vma_reshift_locked(mm->kin, vma, shift);
    /* Release: with the number comes the shift. */
    mmk_a64_store(&vma->anon, anon, MMK_RELEASE);
}

void mmk_anon_prepare_slow(struct mmk_mm *mm, struct mmk_vma *vma)
{
    uint64_t none = 0;

    if (vma->object) {
        mmk_rw_write_lock(&mm->kin->lock, MMK_LOCK_KIN);
        prepare_object(mm, vma);
        mmk_rw_write_unlock(&mm->kin->lock, MMK_LOCK_KIN);
    } else {
        (void)mmk_a64_cmpxchg(&vma->anon, &none, choose(mm, find_like(mm, vma)), MMK_RELAXED);
    }
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
