/* SPDX-License-Identifier: MIT */
/*
 * reshape.c - changing the flags of the VMAs in a range.
 *
 * At most two VMAs are cut, at the ends of what changes; those in between change as they are. So
 * all that may be needed is known and allocated before the first change.
 */
#include "reshape.h"

#include "account.h"

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

/* The VMA that must be cut at addr: it has addr inside, and changes on one side only. */
static struct mmk_vma *needs_cut(const struct mmk_reshape *reshape, struct mmk_vma *vma,
                                 mmk_vaddr_t addr)
{
    uint64_t flags;

    if (!vma || mmk_vma_start(vma) >= addr || mmk_vma_end(vma) <= addr)
        return NULL;
    flags = mmk_vma_flags(vma);
    return mmk_reshape_flags(reshape, vma) == flags ? NULL : vma;
}

static void find_cuts(struct mmk_mm *mm, struct mmk_reshape *reshape)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    struct mmk_vma *first = at(mm, reshape->start);
    struct mmk_vma *last =
        first && mmk_vma_end(first) >= reshape->end ? first : at(mm, reshape->end);

    reshape->cut[0] = needs_cut(reshape, first, reshape->start);
    reshape->cut[1] = needs_cut(reshape, last, reshape->end);
    reshape->first = first;
}

/* Could the two be one, had they the same flags? */
static bool continues(const struct mmk_vma *lower, const struct mmk_vma *upper)
{
    mmk_vaddr_t end = mmk_vma_end(lower);
    uint64_t origin = mmk_vma_origin(lower);

    return end == mmk_vma_start(upper) && lower->object == upper->object &&
           origin == mmk_vma_origin(upper);
}

/* Those that the VMA below a cut will have. */
static uint64_t flags_after(const struct mmk_reshape *reshape, const struct mmk_vma *vma)
{
    bool inside = mmk_vma_end(vma) > reshape->start;

    return inside ? mmk_reshape_flags(reshape, vma) : mmk_vma_flags(vma);
}

/*
 * How many of the cuts only move a border, since what is cut off merges with its neighbour: they
 * need no mapping more. As on Linux, which goes upwards, the neighbour above has not changed yet.
 */
static unsigned moved_borders(struct mmk_mm *mm, const struct mmk_reshape *reshape)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *first = reshape->cut[0], *last = reshape->cut[1];
    unsigned moved = 0;

    if (first && mmk_vma_end(first) <= reshape->end) {
        const struct mmk_vma *above = at(mm, mmk_vma_end(first));
        uint64_t flags = mmk_reshape_flags(reshape, first);

        moved += above && flags == mmk_vma_flags(above) && continues(first, above);
    }
    if (last && mmk_vma_start(last) >= reshape->start) {
        const struct mmk_vma *below = mmk_mm_prev_vma(mm, mmk_vma_start(last));
        uint64_t flags = mmk_reshape_flags(reshape, last);

        moved += below && flags == flags_after(reshape, below) && continues(below, last);
    }
    return moved;
}

/* Would there be too many mappings with these cuts? */
static bool too_many(struct mmk_mm *mm, const struct mmk_reshape *reshape)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    unsigned cuts = (reshape->cut[0] ? 1u : 0u) + (reshape->cut[1] ? 1u : 0u), moved;

    if (mmk_likely(cuts == 0 || mmk_account_ask_maps(mm, cuts)))
        return false;
    moved = moved_borders(mm, reshape);
    return cuts > moved && !mmk_account_ask_maps(mm, cuts - moved);
}

int mmk_reshape_prepare(struct mmk_mm *mm, struct mmk_reshape *reshape, mmk_vaddr_t start,
                        mmk_vaddr_t end, uint64_t clear, uint64_t set)
{
    reshape->start = start;
    reshape->end = end;
    reshape->clear = clear;
    reshape->set = set;
    reshape->spare[0] = reshape->spare[1] = NULL;
    find_cuts(mm, reshape);
    if (too_many(mm, reshape) || mmk_vma_tree_reserve(mmk_mm_vmas(mm), 4, &reshape->reserve))
        return MMK_ENOMEM;
    if (reshape->cut[0])
        reshape->spare[0] = mmk_vma_alloc_upper(reshape->cut[0], start);
    if (reshape->cut[1])
        reshape->spare[1] = mmk_vma_alloc_upper(reshape->cut[1], end);
    if ((!reshape->cut[0] || reshape->spare[0]) && (!reshape->cut[1] || reshape->spare[1]))
        return 0;
    mmk_reshape_cancel(reshape);
    return MMK_ENOMEM;
}

void mmk_reshape_cancel(struct mmk_reshape *reshape)
{
    unsigned i;

    for (i = 0; i < 2; i++)
        if (reshape->spare[i])
            mmk_vma_free(reshape->spare[i]);
    mmk_vma_tree_unreserve(&reshape->reserve);
}

/* The upper cut first: the lower one may be in the same VMA. */
void mmk_reshape_cut(struct mmk_mm *mm, struct mmk_reshape *reshape)
{
    struct mmk_vma *first = reshape->cut[0];

    if (reshape->cut[1])
        mmk_vma_split(mm, reshape->cut[1], reshape->end, reshape->spare[1], &reshape->reserve);
    if (first) {
        mmk_a64_store(&reshape->spare[0]->end, mmk_vma_end(first), MMK_RELAXED);
        mmk_vma_split(mm, first, reshape->start, reshape->spare[0], &reshape->reserve);
        reshape->first = reshape->spare[0];
    }
    mmk_vma_tree_unreserve(&reshape->reserve);
}

/* A merge makes the VMA at its address one that ends higher: its end is asked for afterwards. */
void mmk_reshape_merge(struct mmk_mm *mm, const struct mmk_reshape *reshape)
{
    mmk_vaddr_t addr = reshape->start;
    const struct mmk_vma *vma;

    mmk_vma_merge_at(mm, addr);
    while ((vma = at(mm, addr)) != NULL && mmk_vma_end(vma) < reshape->end) {
        addr = mmk_vma_end(vma);
        mmk_vma_merge_at(mm, addr);
    }
    mmk_vma_merge_at(mm, reshape->end);
}

int mmk_reshape(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint64_t clear, uint64_t set)
{
    struct mmk_reshape reshape;
    struct mmk_vma *vma;
    int error = mmk_reshape_prepare(mm, &reshape, start, end, clear, set);

    if (error)
        return error;
    mmk_reshape_cut(mm, &reshape);
    for (vma = reshape.first; vma && mmk_vma_start(vma) < end; vma = at(mm, mmk_vma_end(vma)))
        mmk_reshape_set(mm, &reshape, vma);
    mmk_reshape_merge(mm, &reshape);
    return 0;
}
