/* SPDX-License-Identifier: MIT */
/*
 * remap.c - mremap.
 *
 *   what is asked                        what happens
 *   nothing new                          nothing
 *   shorter, at its place                the rest is unmapped
 *   longer, at its place                 the mapping grows, if it ends there and there is room
 *   longer, no room, MAYMOVE             relocated to a gap
 *   FIXED                                relocated to new_addr, in place of what is there
 *   DONTUNMAP                            relocated, the old mapping stays, without its pages
 *   old_len 0                            a second mapping of the same pages: shared ones only
 *
 * A relocation makes a new VMA whose page indices go on where the old one's were, and moves the
 * entries (move.c):
 *
 *   prepare   the VMA, the tree's nodes, the tables, two unmappings: all that may fail
 *   perform   target unmapped and flushed, if it had pages
 *             old range leaves the tree; what of it does not move is unmapped
 *             new VMA comes, and with it its interval
 *             entries move, with the object's interval lock, and the lock of mm's kin, held for
 *             writing (P10)
 *             old intervals go
 *   finish    one flush for it all, then VMAs and their objects go, and the mmap lock is let go of
 *
 * So a search from a page finds either VMA, never none, and each entry at one of the two (R1).
 * FIXED with one length moves all VMAs of a range, one after another, as on Linux, with one flush
 * at the end.
 */
#include "account.h"
#include "family.h"
#include "map.h"
#include "move.h"
#include "object.h"
#include "planted.h"
#include "populate.h"
#include "seal.h"
#include "vma_seq.h"
#include "zap.h"

struct remap {
    struct mmk_mm *mm;
    mmk_vaddr_t addr, new_addr;
    uint64_t old_len, new_len; /* whole pages */
    unsigned flags;
    struct mmk_gather gather;
    struct mmk_vma *removed; /* VMAs of the old range that have left the tree, by `next` */
    mmk_vaddr_t start, end;  /* the whole old range */
    bool gathering;          /* begun */
    bool populate;           /* what has grown is locked memory */
    bool mmap_unlocked;      /* the lock is let go of */
};

/* One VMA, or a part of it, on its way: what that needs. */
struct relocation {
    struct mmk_vma *vma; /* the new one */
    struct mmk_unmap target, source;
    struct mmk_vma_tree_reserve reserve;
    struct mmk_move move;
    bool replaces, unmaps, reserved, moves; /* which of these four are ready */
};

static bool is_placed(const struct remap *r)
{
    return (r->flags & (MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP)) != 0;
}

/* The VMA that holds addr, or the next above; NULL: none. => mmap lock held */
static struct mmk_vma *at(const struct remap *r, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(r->mm->mmap_lock)
{
    return mmk_mm_find_vma(r->mm, addr);
}

/* --- arguments ------------------------------------------------------------------------------- */

/* Those that matter where the new address is given. */
static int check_new_addr(const struct remap *r)
{
    if (r->new_addr > MMK_USER_END - r->new_len || (r->new_addr & ~MMK_PAGE_MASK))
        return MMK_EINVAL;
    if (!(r->flags & MMK_MREMAP_MAYMOVE))
        return MMK_EINVAL;
    if ((r->flags & MMK_MREMAP_DONTUNMAP) && r->old_len != r->new_len)
        return MMK_EINVAL;
    if (r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr)
        return MMK_EINVAL;
    return 0;
}

static int check_arguments(const struct remap *r)
{
    if (r->flags & ~(MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP))
        return MMK_EINVAL;
    if ((r->addr & ~MMK_PAGE_MASK) || r->new_len == 0 || r->new_len > MMK_USER_END)
        return MMK_EINVAL;
    return is_placed(r) ? check_new_addr(r) : 0;
}

/* Do page indices, counted in bytes, stay below 2^64? */
static bool indices_fit(const struct mmk_vma *vma, mmk_vaddr_t addr, uint64_t length)
{
    return addr - mmk_vma_origin(vma) <= UINT64_MAX - length;
}

/* May this be done with the mapping at addr? In the order of Linux. => mmap lock held */
static int check_vma(struct remap *r) MMK_REQUIRES_SHARED(r->mm->mmap_lock)
{
    const struct mmk_vma *vma = at(r, r->addr);

    if (!vma || mmk_vma_start(vma) > r->addr)
        return MMK_EFAULT;
    if (mmk_vma_flags(vma) & MMK_VM_SEALED)
        return MMK_EPERM;
    if (r->new_len <= r->old_len && !is_placed(r))
        return 0;
    if (r->old_len == 0 && !(mmk_vma_flags(vma) & MMK_VM_SHARED))
        return MMK_EINVAL;
    if ((r->flags & MMK_MREMAP_DONTUNMAP) && mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if (mmk_min(r->old_len, r->new_len) > mmk_vma_end(vma) - r->addr)
        return MMK_EFAULT;
    if (r->new_len <= r->old_len)
        return 0;
    if (!indices_fit(vma, r->addr, r->new_len))
        return MMK_EINVAL;
    if (mmk_vma_has_frames(vma))
        return MMK_EFAULT; /* VM_DONTEXPAND of Linux */
    if ((mmk_vma_flags(vma) & MMK_VM_LOCKED) &&
        !mmk_account_ask_lock(r->mm, r->new_len - r->old_len))
        return MMK_EAGAIN;
    if (!mmk_account_fits(r->mm, mmk_vma_flags(vma), r->new_len - r->old_len))
        return MMK_ENOMEM;
    r->populate = (mmk_vma_flags(vma) & MMK_VM_LOCKED) != 0;
    return 0;
}

/* --- relocation: getting ready --------------------------------------------------------------- */

static bool prepare_vma(const struct remap *r, struct relocation *go) MMK_REQUIRES(r->mm->mmap_lock)
{
    const struct mmk_vma *vma = at(r, r->addr);
    uint64_t flags = mmk_vma_flags(vma), shift = r->new_addr - r->addr;
    uint64_t anon = mmk_vma_anon(vma);

    go->vma = mmk_vma_alloc(r->mm, r->new_addr, r->new_addr + r->new_len, flags, vma->object,
                            mmk_vma_origin(vma) + shift);
    if (!go->vma)
        return false;
    mmk_a64_store(&go->vma->anon, anon, MMK_RELAXED);
    if (anon != 0)
        mmk_vma_set_shift(go->vma, mmk_vma_shift(vma) + shift);
    return true;
}

static int prepare_unmaps(const struct remap *r, struct relocation *go)
    MMK_REQUIRES(r->mm->mmap_lock)
{
    mmk_vaddr_t end = r->new_addr + r->new_len;
    int error = 0;

    if ((r->flags & MMK_MREMAP_FIXED) && mmk_map_overlaps(r->mm, r->new_addr, end)) {
        error = mmk_unmap_prepare(r->mm, &go->target, r->new_addr, end);
        go->replaces = !error;
    }
    if (!error && !(r->flags & MMK_MREMAP_DONTUNMAP) && r->old_len > 0) {
        error = mmk_unmap_prepare(r->mm, &go->source, r->addr, r->addr + r->old_len);
        go->unmaps = !error;
    }
    return error;
}

/* What is left to ask for, when the target will be gone; of what grows, check_vma() has asked for
   the size. */
static bool ask(const struct remap *r, const struct relocation *go) MMK_REQUIRES(r->mm->mmap_lock)
{
    uint64_t flags = mmk_vma_flags(go->vma), growth = r->new_len - r->old_len;

    if (r->flags & MMK_MREMAP_DONTUNMAP)
        growth = r->new_len;
    else if (r->new_len <= r->old_len)
        return true;
    return mmk_account_ask_without(r->mm, flags, growth, &go->target.gone) == 0;
}

static bool prepare_rest(const struct remap *r, struct relocation *go)
    MMK_REQUIRES(r->mm->mmap_lock)
{
    if (mmk_vma_tree_reserve(mmk_mm_vmas(r->mm), 2, &go->reserve))
        return false;
    go->reserved = true;
    go->moves = mmk_move_prepare(&go->move, r->mm, r->addr, r->new_addr,
                                 mmk_min(r->old_len, r->new_len)) == 0;
    return go->moves;
}

static void cancel(struct relocation *go)
{
    if (go->moves)
        mmk_move_discard(&go->move);
    if (go->reserved)
        mmk_vma_tree_unreserve(&go->reserve);
    if (go->unmaps)
        mmk_unmap_cancel(&go->source);
    if (go->replaces)
        mmk_unmap_cancel(&go->target);
    mmk_vma_free(go->vma);
}

/* => 0, or an error with nothing changed */
static int prepare(const struct remap *r, struct relocation *go) MMK_REQUIRES(r->mm->mmap_lock)
{
    int error;

    *go = (struct relocation){.vma = NULL};
    if (!prepare_vma(r, go))
        return MMK_ENOMEM;
    error = prepare_unmaps(r, go);
    if (!error && prepare_rest(r, go))
        return 0;
    cancel(go);
    return error ? error : MMK_ENOMEM;
}

/* --- relocation: performing ------------------------------------------------------------------ */

/* May pages lead to what moves, while it does? */
static bool is_found(const struct relocation *go)
{
    return go->vma->object || mmk_vma_anon(go->vma) != 0;
}

/* What is at the new place goes, out of every TLB too before something else comes there (P7). */
static void replace(struct remap *r, struct mmk_unmap *target) MMK_REQUIRES(r->mm->mmap_lock)
{
    mmk_unmap_detach(r->mm, target);
    mmk_unmap_zap(r->mm, target);
    mmk_unmap_finish(target);
}

/*
 * The old range's intervals are cut. Its VMAs go after the flush only: one of what does not move
 * may have its object's last reference, whose pages are written back with that.
 */
static void finish_source(struct remap *r, struct mmk_unmap *source)
{
    struct mmk_vma **last = &source->removed;

    while (*last)
        last = &(*last)->next;
    *last = r->removed;
    r->removed = source->removed;
    source->removed = NULL;
    mmk_unmap_finish(source);
}

/*
 * The old range leaves the tree, and what of it does not move goes. Its neighbours are what Linux's
 * would be: the new VMA is one.
 */
static void detach_source(struct remap *r, struct relocation *go) MMK_REQUIRES(r->mm->mmap_lock)
{
    mmk_vaddr_t low, high;

    mmk_unmap_renew(r->mm, &go->source);
    mmk_unmap_detach(r->mm, &go->source);
    low = go->source.low;
    high = go->source.high;
    if (r->new_addr > r->addr)
        high = mmk_min(high, r->new_addr);
    else
        low = mmk_max(low, r->new_addr + r->new_len);
    mmk_gather_policy(&r->gather, MMK_GATHER_UNMAP, low, high);
    if (r->old_len > r->new_len)
        mmk_zap_range(&r->gather, r->addr + r->new_len, r->addr + r->old_len, MMK_ZAP_ALL);
    /* No way back leads to anonymous memory without pages, and what is left may soon be merged. */
    if (!is_found(go))
        finish_source(r, &go->source);
}

/*
 * The old mapping stays, and is no longer locked: as a whole, as on Linux. If all of it has moved
 * it has no private page left.
 */
static void keep_source(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    struct mmk_vma *vma = at(r, r->addr);
    uint64_t flags = mmk_vma_flags(vma), unlocked = flags & ~(uint64_t)MMK_VM_LOCK;

    mmk_gather_policy(&r->gather, MMK_GATHER_OTHER, 0, 0);
    if (mmk_vma_start(vma) == r->addr && mmk_vma_end(vma) == r->addr + r->old_len)
        mmk_a64_store(&vma->anon, 0, MMK_RELAXED);
    if (flags == unlocked)
        return;
    mmk_account_turn(r->mm, flags, unlocked, mmk_vma_size(vma));
    mmk_a32_store(&vma->flags, (uint32_t)unlocked, MMK_RELAXED);
}

/* P10 for private pages; any mapping may have some but a shared one. */
static void move_private(struct remap *r, struct relocation *go) MMK_REQUIRES(r->mm->mmap_lock)
{
    struct mmk_kin *kin = r->mm->kin;

    mmk_mm_is_write_locked(go->move.mm);
    if (MMK_MISTAKE(MOVE_PRIVATE_UNLOCKED)) {
        mmk_move_perform(&go->move, &r->gather);
        return;
    }
    mmk_rw_write_lock(&kin->lock, MMK_LOCK_KIN);
    mmk_move_perform(&go->move, &r->gather);
    mmk_rw_write_unlock(&kin->lock, MMK_LOCK_KIN);
}

static void move_entries(struct remap *r, struct relocation *go, struct mmk_object *object)
    MMK_REQUIRES(r->mm->mmap_lock)
{
    if (!object || MMK_MISTAKE(MOVE_UNLOCKED)) {
        move_private(r, go);
        return;
    }
    mmk_rw_write_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    move_private(r, go);
    mmk_rw_write_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
}

static void set_origin(struct mmk_vma *vma, uint64_t origin)
{
    mmk_a64_store(&vma->origin, origin, MMK_RELAXED);
    mmk_vma_set_shift(vma, origin);
}

/* The new VMA. Anonymous memory without a private page is as good as newly mapped: it may merge. */
static void place(struct remap *r, struct relocation *go) MMK_REQUIRES(r->mm->mmap_lock)
{
    if (!go->vma->object && mmk_vma_anon(go->vma) == 0)
        set_origin(go->vma, 0);
    mmk_vma_place(r->mm, go->vma, MMK_MERGE_BOTH, &go->reserve);
    mmk_vma_tree_unreserve(&go->reserve);
}

/* For what is refused when Linux has unmapped the target already. => why that was not possible */
static int unmap_target(const struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    if (r->flags & MMK_MREMAP_FIXED)
        return mmk_unmap_locked(r->mm, r->new_addr, r->new_addr + r->new_len);
    return 0;
}

/* => mmap lock held for writing; what is new at the new address: the address */
static int64_t relocate_closed(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    struct mmk_object *object;
    struct relocation go;
    bool found;
    int error;

    error = mmk_account_ask_maps(r->mm, 4) ? prepare(r, &go) : MMK_ENOMEM;
    if (error)
        return error;
    if (!ask(r, &go)) {
        cancel(&go);
        error = unmap_target(r);
        return error ? error : MMK_ENOMEM;
    }
    object = go.vma->object;
    found = is_found(&go);
    if (go.replaces)
        replace(r, &go.target);
    if (!r->gathering)
        mmk_gather_begin_range(&r->gather, r->mm, r->start, r->end, MMK_NOTIFY_MOVE);
    r->gathering = true;
    if (go.unmaps)
        detach_source(r, &go);
    else if (r->old_len > 0)
        keep_source(r);
    if (MMK_MISTAKE(OLD_INTERVAL_FIRST) && go.unmaps && found)
        finish_source(r, &go.source);
    place(r, &go);
    move_entries(r, &go, object);
    if (!MMK_MISTAKE(OLD_INTERVAL_FIRST) && go.unmaps && found)
        finish_source(r, &go.source);
    return (int64_t)r->new_addr;
}

/* What holds addr, if anything does. */
static void close_at(struct remap *r, mmk_vaddr_t addr) MMK_REQUIRES(r->mm->mmap_lock)
{
    struct mmk_vma *vma = at(r, addr);

    if (vma && mmk_vma_start(vma) <= addr)
        mmk_vma_close(vma);
}

/*
 * VS1, from before the entries are counted until they have arrived: what is at the old place, and
 * what the new VMA may be merged with. What is left of the old one may lie on either side.
 */
static int64_t relocate(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    mmk_vaddr_t old_end = r->addr + r->old_len, new_end = r->new_addr + r->new_len;
    int64_t result;

    if (!MMK_MISTAKE(MOVE_LEAVES_OPEN)) {
        close_at(r, r->addr);
        close_at(r, r->new_addr - 1);
        close_at(r, new_end);
    }
    result = relocate_closed(r);
    mmk_vma_open_at(r->mm, r->addr - 1);
    mmk_vma_open_at(r->mm, r->addr);
    mmk_vma_open_at(r->mm, old_end);
    mmk_vma_open_at(r->mm, r->new_addr - 1);
    mmk_vma_open_at(r->mm, r->new_addr);
    mmk_vma_open_at(r->mm, new_end);
    return result;
}

/* --- the ways -------------------------------------------------------------------------------- */

/* What Linux finds wrong only when the target, and perhaps the rest, are unmapped. 0: nothing */
static int refused_late(const struct remap *r) MMK_REQUIRES_SHARED(r->mm->mmap_lock)
{
    if (r->addr - r->new_addr < r->new_len)
        return MMK_EFAULT; /* what was to move, or to be copied, was in the target */
    if (r->old_len > MMK_USER_END - r->addr)
        return MMK_EINVAL;
    if (r->old_len > r->new_len &&
        mmk_vma_sealed_in(r->mm, r->addr + r->new_len, r->addr + r->old_len))
        return MMK_EPERM;
    return r->new_addr < mmk_config.mmap_min_addr ? MMK_EPERM : 0;
}

/* DONTUNMAP asks for as much again, as soon as the target is unmapped, and before it is EPERM. */
static bool is_too_much(const struct remap *r) MMK_REQUIRES_SHARED(r->mm->mmap_lock)
{
    return (r->flags & MMK_MREMAP_DONTUNMAP) &&
           !mmk_account_fits(r->mm, mmk_vma_flags(at(r, r->addr)), r->new_len);
}

static int64_t refuse(const struct remap *r, int refused) MMK_REQUIRES(r->mm->mmap_lock)
{
    int error = unmap_target(r);

    if (!error && refused == MMK_EPERM && r->old_len > r->new_len)
        error = mmk_unmap_locked(r->mm, r->addr + r->new_len, r->addr + r->old_len);
    if (!error && refused == MMK_EPERM && is_too_much(r))
        error = MMK_ENOMEM;
    return error ? error : refused;
}

/* FIXED or DONTUNMAP, one VMA. => mmap lock held for writing */
static int64_t put_there(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    int error = check_vma(r);

    if (error)
        return error;
    if (r->flags & MMK_MREMAP_FIXED) {
        error = refused_late(r);
        return error ? refuse(r, error) : relocate(r);
    }
    error = mmk_map_place(r->mm, &r->new_addr, r->new_len);
    return error ? error : relocate(r);
}

/* FIXED, with one length: every VMA in the range moves, and holes stay holes. */
static int64_t put_all_there(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    mmk_vaddr_t start = r->addr, end = start + r->old_len, to = r->new_addr, next = start;
    int64_t result = MMK_EFAULT;

    while (next < end) {
        const struct mmk_vma *vma = at(r, next);

        if (!vma || mmk_vma_start(vma) >= end)
            break;
        if (result < 0 && mmk_vma_start(vma) > start)
            return MMK_EFAULT; /* a hole comes first */
        r->addr = mmk_max(next, mmk_vma_start(vma));
        r->new_addr = to + (r->addr - start);
        next = mmk_min(end, mmk_vma_end(vma));
        r->old_len = r->new_len = next - r->addr;
        result = put_there(r);
        if (result < 0)
            return result;
    }
    return result < 0 ? result : (int64_t)to;
}

/* Nothing is mapped where the mapping would grow to. A stack above keeps no gap, as on Linux. */
static bool can_grow(const struct remap *r, const struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(r->mm->mmap_lock)
{
    mmk_vaddr_t end = mmk_vma_end(vma), growth = r->new_len - r->old_len;

    return end - r->addr == r->old_len && growth <= MMK_USER_END - end &&
           !mmk_map_overlaps(r->mm, end, end + growth);
}

static int64_t grow(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    struct mmk_vma *vma = at(r, r->addr);
    int error;

    if (can_grow(r, vma)) {
        error = mmk_account_ask(r->mm, mmk_vma_flags(vma), r->new_len - r->old_len);
        if (error)
            return error;
        mmk_vma_grow(r->mm, vma, r->addr + r->new_len);
        return (int64_t)r->addr;
    }
    if (!(r->flags & MMK_MREMAP_MAYMOVE))
        return MMK_ENOMEM;
    r->new_addr = 0;
    error = mmk_map_place(r->mm, &r->new_addr, r->new_len);
    return error ? error : relocate(r);
}

/* As munmap of the rest, whatever it is. => lets go of the mmap lock, unless refused */
static int64_t shrink(struct remap *r)
    MMK_REQUIRES(r->mm->mmap_lock) MMK_NO_TSA /* finish() is told by mmap_unlocked */
{
    mmk_vaddr_t start = r->addr + r->new_len, end = r->addr + r->old_len;
    int error;

    if (r->old_len > MMK_USER_END - r->addr)
        return MMK_EINVAL;
    error = mmk_unmap_and_unlock(r->mm, start, end);
    r->mmap_unlocked = true;
    return error ? error : (int64_t)r->addr;
}

/* At its place, if possible. => mmap lock held for writing */
static int64_t resize_here(struct remap *r) MMK_REQUIRES(r->mm->mmap_lock)
{
    int error = check_vma(r);

    if (error)
        return error;
    if (r->new_len == r->old_len)
        return (int64_t)r->addr;
    return r->new_len < r->old_len ? shrink(r) : grow(r);
}

/* => mmap lock held for writing, unless mmap_unlocked; lets go of it */
static void finish(struct remap *r, int64_t result)
    MMK_RELEASES(r->mm->mmap_lock) MMK_NO_TSA /* shrink() may have let go of it before */
{
    mmk_vaddr_t grown = (mmk_vaddr_t)result + r->old_len;

    if (r->gathering)
        mmk_gather_finish(&r->gather);
    mmk_unmap_free(r->removed);
    if (r->mmap_unlocked)
        return;
    mmk_account_settle(r->mm);
    if (result < 0 || !r->populate) {
        mmk_rw_write_unlock(&r->mm->mmap_lock, MMK_LOCK_MMAP);
        return;
    }
    mmk_rw_downgrade(&r->mm->mmap_lock);
    mmk_populate_try_locked(r->mm, grown, grown + (r->new_len - r->old_len));
    mmk_rw_read_unlock(&r->mm->mmap_lock, MMK_LOCK_MMAP);
}

int64_t mmk_mremap(struct mmk_mm *mm, mmk_vaddr_t old_addr, uint64_t old_len, uint64_t new_len,
                   unsigned flags, mmk_vaddr_t new_addr)
{
    struct remap r = {.mm = mm,
                      .addr = old_addr,
                      .new_addr = new_addr,
                      .old_len = mmk_page_up(old_len),
                      .new_len = mmk_page_up(new_len),
                      .flags = flags};
    int64_t result = check_arguments(&r);

    if (result)
        return result;
    result = mmk_mm_write_lock(r.mm);
    if (result)
        return result;
    r.start = r.addr;
    r.end = r.addr + r.old_len;
    if (mmk_mm_killed(mm))
        result = MMK_EINTR; /* what moves behind the reaper would not be found (RP1) */
    else if (is_placed(&r) && !mmk_account_ask_maps(r.mm, 6))
        result = MMK_ENOMEM;
    else if ((flags & MMK_MREMAP_FIXED) && r.old_len == r.new_len)
        result = put_all_there(&r);
    else
        result = is_placed(&r) ? put_there(&r) : resize_here(&r);
    finish(&r, result);
    return result;
}
