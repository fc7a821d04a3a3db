/* SPDX-License-Identifier: MIT */
/*
 * reshape.c - see reshape.h.
 *
 * VMA by VMA, as Linux does it: each is merged with what it touches when it changes, that below it
 * changed already, that above it not yet. Which mappings are one in the end depends on this order,
 * and so does what is changed when max_map_count refuses a cut.
 *
 * At most two VMAs are cut, at the ends of what changes; those in between change as they are. So
 * all that cuts may need is known and allocated before the first change. In one mapping beside one
 * that is as its part will be, as where a heap grows by mprotect, that is nothing.
 */
#include "reshape.h"

#include "huge.h"

static struct mmk_vma *at(struct mmk_mm *mm, mmk_vaddr_t addr) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return mmk_mm_find_vma(mm, addr);
}

mmk_vaddr_t mmk_vma_first_hole(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    while (start < end) {
        struct mmk_vma *vma = at(mm, start);

        if (!vma || mmk_vma_start(vma) > start)
            return start;
        start = mmk_vma_end(vma);
    }
    return end;
}

/*
 * What vma's flags become. Frames that are not mmkit's are never locked (ML2). Anonymous memory
 * without a page, which nobody can write, is no longer committed.
 */
static uint64_t flags_of(const struct mmk_reshape *reshape, const struct mmk_vma *vma)
{
    uint64_t old_flags = mmk_vma_flags(vma);
    uint64_t flags = mmk_account_flags((old_flags & ~reshape->clear) | reshape->set);

    if ((reshape->clear & MMK_VM_LOCK) && mmk_vma_has_frames(vma))
        return old_flags;
    if ((reshape->clear & MMK_VM_WRITE) && flags != old_flags && !(flags & MMK_VM_WRITE) &&
        !vma->object && mmk_vma_anon(vma) == 0)
        flags &= ~(uint64_t)MMK_VM_ACCOUNT;
    return flags;
}

/* Has vma addr inside, and changes on one side only? */
static bool is_cut(const struct mmk_reshape *reshape, const struct mmk_vma *vma, mmk_vaddr_t addr)
{
    uint64_t flags;

    if (!vma || mmk_vma_start(vma) >= addr || mmk_vma_end(vma) <= addr)
        return false;
    flags = mmk_vma_flags(vma);
    return flags_of(reshape, vma) != flags;
}

/* Does vma, which nothing has changed yet, hand its part of the range to a neighbour? */
static bool moves_border(struct mmk_mm *mm, const struct mmk_reshape *reshape,
                         const struct mmk_vma *vma) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    mmk_vaddr_t start = mmk_max(reshape->next, mmk_vma_start(vma));
    mmk_vaddr_t end = mmk_min(reshape->end, mmk_vma_end(vma));

    return mmk_vma_moves_border(mm, vma, start, end, flags_of(reshape, vma));
}

/* Of the last VMA at most: those below it may become such that it is not cut. */
static unsigned count_cuts(struct mmk_mm *mm, const struct mmk_reshape *reshape)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    mmk_vaddr_t start = reshape->next, end = reshape->end;
    struct mmk_vma *first = at(mm, start);
    struct mmk_vma *last = first && mmk_vma_end(first) >= end ? first : at(mm, end);
    unsigned cuts = is_cut(reshape, first, start) ? 1 : 0;

    if (is_cut(reshape, first, end))
        cuts++;
    if (cuts == 1 && moves_border(mm, reshape, first))
        cuts = 0;
    if (last != first && is_cut(reshape, last, end))
        cuts++;
    return cuts;
}

static void free_spares(struct mmk_reshape *reshape)
{
    while (reshape->change.spare) {
        struct mmk_vma *spare = reshape->change.spare;

        reshape->change.spare = spare->next;
        mmk_vma_free(spare);
    }
}

/* => false: no memory */
static bool alloc_spares(struct mmk_reshape *reshape, unsigned count)
{
    while (count-- > 0) {
        struct mmk_vma *spare = mmk_vma_alloc_blank();

        if (!spare)
            return false;
        spare->next = reshape->change.spare;
        reshape->change.spare = spare;
    }
    return true;
}

int mmk_reshape_begin(struct mmk_mm *mm, struct mmk_reshape *reshape, mmk_vaddr_t start,
                      mmk_vaddr_t end, uint64_t clear, uint64_t set)
{
    unsigned cuts;

    *reshape = (struct mmk_reshape){.next = start, .end = end, .clear = clear, .set = set};
    if (mmk_huge_split_ends(mm, start, end))
        return MMK_ENOMEM;
    cuts = count_cuts(mm, reshape);
    if (cuts == 0)
        return 0;
    if (alloc_spares(reshape, cuts) &&
        !mmk_vma_tree_reserve(mmk_mm_vmas(mm), 2 * cuts, &reshape->change.reserve))
        return 0;
    free_spares(reshape);
    return MMK_ENOMEM;
}

bool mmk_reshape_next(struct mmk_mm *mm, struct mmk_reshape *reshape)
{
    struct mmk_vma_change *change = &reshape->change;
    struct mmk_vma *vma;

    while (reshape->next < reshape->end) {
        vma = at(mm, reshape->next);
        if (!vma || mmk_vma_start(vma) >= reshape->end)
            break;
        reshape->old_flags = mmk_vma_flags(vma);
        change->flags = flags_of(reshape, vma);
        change->start = mmk_max(reshape->next, mmk_vma_start(vma));
        change->end = mmk_min(reshape->end, mmk_vma_end(vma));
        reshape->next = change->end;
        if (change->flags == reshape->old_flags)
            continue;
        reshape->error = mmk_vma_change(mm, vma, change);
        return reshape->error == 0;
    }
    return false;
}

int mmk_reshape_end(struct mmk_reshape *reshape)
{
    if (reshape->change.spare)
        mmk_vma_tree_unreserve(&reshape->change.reserve);
    free_spares(reshape);
    return reshape->error;
}

int mmk_reshape(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint64_t clear, uint64_t set)
{
    struct mmk_reshape reshape;
    int error = mmk_reshape_begin(mm, &reshape, start, end, clear, set);

    if (error)
        return error;
    while (mmk_reshape_next(mm, &reshape))
        continue;
    return mmk_reshape_end(&reshape);
}
