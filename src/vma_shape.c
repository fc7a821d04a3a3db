/* SPDX-License-Identifier: MIT */
/*
 * vma_shape.c - VMAs split, merge and grow.
 *
 * Which are merged, and when, is what Linux does, as programs see it: a mapping that is made, moved
 * or changed, with what it touches, at that moment; and no two others. anon.h has the reasons.
 *
 * Order against those who look for mappings through an object, or for private pages that have moved
 * (R1): what goes from one VMA to another comes into the new one's interval before it leaves the
 * old one's. In between the two overlap, which costs a second look. Those who search the tree may
 * find nothing there meanwhile, rather than both.
 */
#include "map.h"

#include "account.h"
#include "anon.h"
#include "planted.h"
#include "vma_seq.h"

void mmk_vma_split(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr, struct mmk_vma *upper,
                   struct mmk_vma_tree_reserve *reserve)
{
    mmk_vma_copy_upper(upper, vma, addr);
    mmk_vma_link(upper);
    mmk_vma_set_range(mm, vma, mmk_vma_start(vma), addr);
    mmk_vma_tree_insert(mmk_mm_vmas(mm), upper, reserve);
    mmk_vma_open(upper);
    mmk_vma_relink(vma);
}

void mmk_vma_cut_at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_vma *vma = mmk_mm_find_vma(mm, addr), *upper;
    struct mmk_vma_tree_reserve reserve;

    if (!vma || mmk_vma_start(vma) >= addr || mmk_vma_tree_reserve(mmk_mm_vmas(mm), 2, &reserve))
        return;
    upper = mmk_vma_alloc_blank();
    if (upper)
        mmk_vma_split(mm, vma, addr, upper, &reserve);
    mmk_vma_tree_unreserve(&reserve);
}

/* --- merging --------------------------------------------------------------------------------- */

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

/* May `other`, a neighbour, and vma, were its flags these, be one? `grows`: see anon.h. */
static bool fits(const struct mmk_vma *other, const struct mmk_vma *vma, uint64_t flags, bool grows)
{
    uint64_t origin = mmk_vma_origin(vma), anon = mmk_vma_anon(vma);

    return mmk_vma_compatible(other, flags, vma->object, origin) &&
           mmk_anon_agree(mmk_vma_anon(other), anon, grows);
}

/* Two that fit what is between them, each: may all be one? */
static bool fit_each_other(const struct mmk_vma *lower, const struct mmk_vma *upper)
{
    uint64_t one = mmk_vma_anon(lower), other = mmk_vma_anon(upper);

    return one == 0 || other == 0 || one == other;
}

/* What touches a range, and may be one with it; NULL: none. */
struct neighbours {
    struct mmk_vma *below, *above;
};

/*
 * Of [start, end) of vma, were its flags these. Below goes before above, where they disagree; what
 * is beside a part is the rest of vma, or touches vma, too.
 */
static struct neighbours neighbours_of(struct mmk_mm *mm, const struct mmk_vma *vma,
                                       mmk_vaddr_t start, mmk_vaddr_t end, uint64_t flags,
                                       enum mmk_vma_merge merges) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    struct mmk_vma *lower = NULL, *upper = NULL;

    if (merges != MMK_MERGE_NONE && mmk_vma_start(vma) == start)
        lower = ends_at(mm, start);
    if (merges == MMK_MERGE_BOTH && mmk_vma_end(vma) == end)
        upper = starts_at(mm, end);
    if (lower && !fits(lower, vma, flags, false))
        lower = NULL;
    if (upper && (!fits(upper, vma, flags, false) || (lower && !fit_each_other(lower, upper))))
        upper = NULL;
    return (struct neighbours){lower, upper};
}

/* What must not be lost when vma's range goes to another VMA of its kind. */
static void inherit(struct mmk_vma *other, const struct mmk_vma *vma)
{
    uint64_t anon = mmk_vma_anon(vma), other_anon = mmk_vma_anon(other);
    uint64_t shift = mmk_vma_shift(vma), other_shift = mmk_vma_shift(other);

    mmk_a32_fetch_or(&other->flags, (uint32_t)mmk_vma_flags(vma) & MMK_VM_GUARDED, MMK_RELAXED);
    mmk_assert(other_anon == 0 || anon == 0 || other_shift == shift,
               "AN4 what belongs together has moved together");
    if (other_anon == 0 && anon != 0) {
        mmk_vma_reshift(other, shift);
        mmk_a64_store(&other->anon, anon, MMK_RELEASE); /* with the shift */
    }
}

/* upper's range goes to lower, which ends where it starts. => two changes of the reserve */
static void absorb(struct mmk_mm *mm, struct mmk_vma *lower, struct mmk_vma *upper,
                   struct mmk_vma_tree_reserve *reserve) MMK_REQUIRES(mm->mmap_lock)
{
    mmk_vaddr_t start = mmk_vma_start(upper), end = mmk_vma_end(upper);

    mmk_vma_close(upper);
    inherit(lower, upper);
    mmk_vma_tree_erase_range(mmk_mm_vmas(mm), start, end, reserve);
    mmk_vma_widen(mm, lower, mmk_vma_start(lower), end);
    mmk_vma_unlink(upper);
    mmk_vma_free(upper);
}

/* Two that touch become one, the lower; without memory they stay two. => which holds lower */
static struct mmk_vma *merge(struct mmk_mm *mm, struct mmk_vma *lower, struct mmk_vma *upper)
    MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_vma_tree_reserve reserve;

    if (mmk_vma_tree_reserve(mmk_mm_vmas(mm), 2, &reserve))
        return upper;
    absorb(mm, lower, upper, &reserve);
    mmk_vma_tree_unreserve(&reserve);
    return lower;
}

/* vma's range goes to `neighbour`, which touches it: neighbour becomes [start, end). */
static void extend(struct mmk_mm *mm, struct mmk_vma *neighbour, mmk_vaddr_t start, mmk_vaddr_t end,
                   struct mmk_vma *vma) MMK_REQUIRES(mm->mmap_lock)
{
    inherit(neighbour, vma);
    mmk_vma_widen(mm, neighbour, start, end);
    mmk_vma_free(vma);
}

void mmk_vma_place(struct mmk_mm *mm, struct mmk_vma *vma, enum mmk_vma_merge merges,
                   struct mmk_vma_tree_reserve *reserve)
{
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    uint64_t flags = mmk_vma_flags(vma);
    struct neighbours beside = neighbours_of(mm, vma, start, end, flags, merges);

    mmk_account_come(mm, flags, end - start);
    if (beside.below) {
        extend(mm, beside.below, mmk_vma_start(beside.below), end, vma);
        if (beside.above)
            (void)merge(mm, beside.below, beside.above);
    } else if (beside.above) {
        extend(mm, beside.above, start, mmk_vma_end(beside.above), vma);
    } else {
        mmk_vma_link(vma);
        mmk_vma_tree_insert(mmk_mm_vmas(mm), vma, reserve);
    }
}

void mmk_vma_grow(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t end)
{
    uint64_t flags = mmk_vma_flags(vma);
    struct mmk_vma *above;

    mmk_account_come(mm, flags, end - mmk_vma_end(vma));
    mmk_vma_widen(mm, vma, mmk_vma_start(vma), end);
    above = starts_at(mm, end);
    if (above && fits(above, vma, flags, true))
        (void)merge(mm, vma, above);
}

/* --- other flags ------------------------------------------------------------------------------ */

/* Cuts vma at addr, if it must be, with a spare of the change. => the part above */
static struct mmk_vma *cut(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr,
                           struct mmk_vma_change *change) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_vma *upper = change->spare;

    mmk_assert(upper, "a change of flags has what its cuts need");
    change->spare = upper->next;
    mmk_vma_split(mm, vma, addr, upper, &change->reserve);
    return upper;
}

bool mmk_vma_moves_border(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t start,
                          mmk_vaddr_t end, uint64_t flags)
{
    struct neighbours beside = neighbours_of(mm, vma, start, end, flags, MMK_MERGE_BOTH);

    return beside.below || beside.above;
}

/* Is [start, end), which lies in vma, a part of it only? */
static bool is_part(const struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    return mmk_vma_start(vma) < start || mmk_vma_end(vma) > end;
}

/* [start, end), at one end of vma, goes to the neighbour there: one shrinks, the other grows. */
static void move_border(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end,
                        struct neighbours beside) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_vma *other = beside.below ? beside.below : beside.above;

    inherit(other, vma);
    if (beside.below)
        mmk_vma_set_range(mm, vma, end, mmk_vma_end(vma));
    else
        mmk_vma_set_range(mm, vma, mmk_vma_start(vma), start);
    if (MMK_MISTAKE(BORDER_SHRINKS_FIRST))
        mmk_vma_relink(vma);
    if (beside.below)
        mmk_vma_widen(mm, other, mmk_vma_start(other), end);
    else
        mmk_vma_widen(mm, other, start, mmk_vma_end(other));
    mmk_vma_relink(vma);
}

/* Makes [start, end) of vma one of its own. => it; NULL: there would be too many mappings */
static struct mmk_vma *cut_out(struct mmk_mm *mm, struct mmk_vma *vma,
                               struct mmk_vma_change *change) MMK_REQUIRES(mm->mmap_lock)
{
    bool cuts = change->spare != NULL;

    if (mmk_vma_start(vma) < change->start) {
        if (!mmk_account_ask_maps(mm, 1))
            return NULL;
        vma = cut(mm, vma, change->start, change);
    }
    if (mmk_vma_end(vma) > change->end) {
        if (!mmk_account_ask_maps(mm, 1))
            return NULL;
        (void)cut(mm, vma, change->end, change);
    }
    if (cuts && !change->spare)
        mmk_vma_tree_unreserve(&change->reserve); /* for merging to take */
    return vma;
}

/* Faults by the old ones come to an end before the entries are looked at (VS3), or to nothing. */
static void set_flags(struct mmk_vma *vma, uint64_t flags)
{
    bool closed = mmk_vma_is_closed(vma);

    if (MMK_MISTAKE(PROTECTED_OPEN)) {
        mmk_a32_store(&vma->flags, (uint32_t)flags, MMK_RELAXED);
        return;
    }
    mmk_vma_close(vma);
    mmk_a32_store(&vma->flags, (uint32_t)flags, MMK_RELAXED);
    if (!closed)
        mmk_vma_open(vma);
}

int mmk_vma_change(struct mmk_mm *mm, struct mmk_vma *vma, struct mmk_vma_change *change)
{
    mmk_vaddr_t start = change->start, end = change->end;
    uint64_t flags = change->flags, old_flags = mmk_vma_flags(vma);
    struct neighbours beside = neighbours_of(mm, vma, start, end, flags, MMK_MERGE_BOTH);

    if (is_part(vma, start, end) && (beside.below || beside.above)) {
        move_border(mm, vma, start, end, beside);
        mmk_account_turn(mm, old_flags, flags, end - start);
        return 0;
    }
    vma = cut_out(mm, vma, change);
    if (!vma)
        return MMK_ENOMEM;
    mmk_account_turn(mm, old_flags, flags, end - start);
    set_flags(vma, flags);
    if (beside.below)
        vma = merge(mm, beside.below, vma);
    if (beside.above)
        (void)merge(mm, vma, beside.above);
    return 0;
}

/* --- stacks ----------------------------------------------------------------------------------- */

/* Is there room below a mapping that grows down for it to start at `start`? */
static bool has_room(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t start)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *below = mmk_mm_prev_vma(mm, mmk_vma_start(vma));

    if (start < mmk_config.mmap_min_addr)
        return false;
    if (!below)
        return true;
    /* The gap is for mappings that an overrun could damage: not another stack, not PROT_NONE. */
    return (mmk_vma_flags(below) & MMK_VM_GROWSDOWN) || !mmk_vma_accessible(mmk_vma_flags(below)) ||
           start - mmk_vma_end(below) >= mmk_config.stack_guard_gap;
}

/* May it have `growth` bytes more? Page indices do not go below 0: what was moved up keeps its. */
static bool may_grow(struct mmk_mm *mm, const struct mmk_vma *vma, uint64_t growth)
    MMK_REQUIRES(mm->mmap_lock)
{
    uint64_t flags = mmk_vma_flags(vma);

    return growth <= mmk_vma_start(vma) - mmk_vma_origin(vma) &&
           mmk_vma_size(vma) + growth <= mm->limit[MMK_LIMIT_STACK] &&
           (!(flags & MMK_VM_LOCKED) || mmk_account_ask_lock(mm, growth)) &&
           mmk_account_ask(mm, flags, growth) == 0;
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
    if (!(mmk_vma_flags(vma) & MMK_VM_GROWSDOWN) || !has_room(mm, vma, start))
        return MMK_FAULT_SEGV_MAPERR;
    mmk_anon_prepare(mm, vma); /* as on Linux, before its limits are looked at */
    growth = mmk_vma_start(vma) - start;
    if (!may_grow(mm, vma, growth))
        return MMK_FAULT_SEGV_MAPERR;
    mmk_account_come(mm, mmk_vma_flags(vma), growth);
    mmk_vma_widen(mm, vma, start, mmk_vma_end(vma));
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
