/* SPDX-License-Identifier: MIT */
/*
 * vma_shape.c - VMAs split, merge and grow: the changes of shape that leave every mapping as it is.
 *
 * Order against those who look for mappings through an object (R1): an interval grows before the
 * VMA does, and shrinks after it; two may overlap in between, which costs a second look.
 */
#include "map.h"

#include "account.h"

struct mmk_vma *mmk_vma_alloc_upper(const struct mmk_vma *vma, mmk_vaddr_t addr)
{
    uint64_t end = mmk_vma_end(vma), flags = mmk_vma_flags(vma);

    return mmk_vma_alloc(vma->mm, addr, end, flags, vma->object, mmk_vma_origin(vma));
}

void mmk_vma_split(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr, struct mmk_vma *upper,
                   struct mmk_vma_tree_reserve *reserve)
{
    struct mmk_vma_tree *tree = mmk_mm_vmas(mm);

    mmk_vma_link_object(upper);
    mmk_vma_tree_resize(tree, vma, mmk_vma_start(vma), addr, reserve);
    mmk_vma_tree_insert(tree, upper, reserve);
    mmk_vma_relink_object(vma);
}

/* What must not be lost when vma's range goes to another VMA of its kind. */
static void inherit(struct mmk_vma *other, const struct mmk_vma *vma)
{
    mmk_a64_fetch_or(&other->flags, mmk_vma_flags(vma) & MMK_VM_GUARDED, MMK_RELAXED);
}

/* upper's range goes to lower, which ends where it starts. => two changes of the reserve */
static void absorb(struct mmk_mm *mm, struct mmk_vma *lower, struct mmk_vma *upper,
                   struct mmk_vma_tree_reserve *reserve) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_vma_tree *tree = mmk_mm_vmas(mm);
    mmk_vaddr_t start = mmk_vma_start(upper), end = mmk_vma_end(upper);

    inherit(lower, upper);
    mmk_vma_tree_erase_range(tree, start, end, reserve);
    mmk_vma_tree_resize(tree, lower, mmk_vma_start(lower), end, reserve);
    mmk_vma_relink_object(lower);
    mmk_vma_unlink_object(upper);
    mmk_vma_free(upper);
}

static bool same_kind(const struct mmk_vma *vma, const struct mmk_vma *other)
{
    uint64_t flags = mmk_vma_flags(other);

    return mmk_vma_compatible(vma, flags, other->object, mmk_vma_origin(other));
}

/* The VMA that ends at addr, and the one that starts there; NULL: none. */
static struct mmk_vma *ends_at(struct mmk_mm *mm, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    struct mmk_vma *vma = mmk_mm_prev_vma(mm, addr);

    return vma && mmk_vma_end(vma) == addr ? vma : NULL;
}

static struct mmk_vma *starts_at(struct mmk_mm *mm, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    struct mmk_vma *vma = mmk_mm_find_vma(mm, addr);

    return vma && mmk_vma_start(vma) == addr ? vma : NULL;
}

void mmk_vma_merge_at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_vma *lower = ends_at(mm, addr), *upper = starts_at(mm, addr);
    struct mmk_vma_tree_reserve reserve;

    if (!lower || !upper || !same_kind(lower, upper))
        return;
    if (mmk_vma_tree_reserve(mmk_mm_vmas(mm), 2, &reserve))
        return;
    absorb(mm, lower, upper, &reserve);
    mmk_vma_tree_unreserve(&reserve);
}

/* vma's range goes to `neighbour`, which touches it: neighbour becomes [start, end). */
static void extend(struct mmk_mm *mm, struct mmk_vma *neighbour, mmk_vaddr_t start, mmk_vaddr_t end,
                   struct mmk_vma *vma, struct mmk_vma_tree_reserve *reserve)
    MMK_REQUIRES(mm->mmap_lock)
{
    inherit(neighbour, vma);
    mmk_vma_tree_resize(mmk_mm_vmas(mm), neighbour, start, end, reserve);
    mmk_vma_relink_object(neighbour);
    mmk_vma_free(vma);
}

void mmk_vma_place(struct mmk_mm *mm, struct mmk_vma *vma, struct mmk_vma_tree_reserve *reserve)
{
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    struct mmk_vma *lower = ends_at(mm, start), *upper = starts_at(mm, end);
    bool below = lower && same_kind(lower, vma);
    bool above = upper && same_kind(upper, vma);

    mmk_account_come(mm, mmk_vma_flags(vma), end - start);
    if (below) {
        extend(mm, lower, mmk_vma_start(lower), end, vma, reserve);
        if (above)
            mmk_vma_merge_at(mm, end);
    } else if (above) {
        extend(mm, upper, start, mmk_vma_end(upper), vma, reserve);
    } else {
        mmk_vma_link_object(vma);
        mmk_vma_tree_insert(mmk_mm_vmas(mm), vma, reserve);
    }
}

void mmk_vma_grow(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t end)
{
    uint64_t flags = mmk_vma_flags(vma);

    mmk_account_come(mm, flags, end - mmk_vma_end(vma));
    mmk_vma_tree_resize(mmk_mm_vmas(mm), vma, mmk_vma_start(vma), end, NULL);
    mmk_vma_relink_object(vma);
    mmk_vma_merge_at(mm, end);
}

/* Whether a mapping that grows down may start at `start`. => mmap lock held for writing */
static bool may_grow_to(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t start)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *below = mmk_mm_prev_vma(mm, mmk_vma_start(vma));

    if (start < mmk_config.mmap_min_addr || mmk_vma_end(vma) - start > mm->limit[MMK_LIMIT_STACK])
        return false;
    if (!below)
        return true;
    /* The gap is for mappings that an overrun could damage: not another stack, not PROT_NONE. */
    return (mmk_vma_flags(below) & MMK_VM_GROWSDOWN) || !mmk_vma_accessible(mmk_vma_flags(below)) ||
           start - mmk_vma_end(below) >= mmk_config.stack_guard_gap;
}

/* => mmap lock held for writing */
static enum mmk_fault_result grow(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr)
    MMK_REQUIRES(mm->mmap_lock)
{
    mmk_vaddr_t start = mmk_page_down(addr);
    uint64_t growth;

    if (!vma)
        return MMK_FAULT_SEGV_MAPERR;
    if (mmk_vma_start(vma) <= addr)
        return MMK_FAULT_DONE; /* another thread was first */
    if (!(mmk_vma_flags(vma) & MMK_VM_GROWSDOWN) || !may_grow_to(mm, vma, start))
        return MMK_FAULT_SEGV_MAPERR;
    growth = mmk_vma_start(vma) - start;
    if (((mmk_vma_flags(vma) & MMK_VM_LOCKED) && !mmk_account_ask_lock(mm, growth)) ||
        mmk_account_ask(mm, mmk_vma_flags(vma), growth))
        return MMK_FAULT_SEGV_MAPERR;
    mmk_account_come(mm, mmk_vma_flags(vma), growth);
    mmk_vma_tree_resize(mmk_mm_vmas(mm), vma, start, mmk_vma_end(vma), NULL);
    return MMK_FAULT_DONE;
}

struct mmk_vma *mmk_stack_grow(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_fault_result *why)
    MMK_NO_TSA /* held on one way out of three */
{
    struct mmk_vma *vma;

    *why = MMK_FAULT_KILLED;
    if (mmk_mm_write_lock(mm))
        return NULL;
    vma = mmk_mm_find_vma(mm, addr);
    *why = grow(mm, vma, addr);
    mmk_account_settle(mm);
    if (*why != MMK_FAULT_DONE) {
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        return NULL;
    }
    mmk_rw_downgrade(&mm->mmap_lock);
    return vma;
}
