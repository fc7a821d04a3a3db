/* SPDX-License-Identifier: MIT */
/*
 * reap.c - takes memory from a killed address space while its users are still there.
 *
 * Private mappings only, of anonymous memory and of files: what shared ones map belongs to an
 * object and would not be free by that; neither are mapped frames of the embedder's. Locked
 * mappings are taken, too, as on Linux since 5.18: nobody is there any more whom the lock could
 * serve.
 *
 * RP1 Nothing comes back: an entry that was taken stays none, for whoever would set it finds under
 *     the table's lock that mm was killed (fault.c, guard.c), and fork refuses (fork.c).
 * RP2 A call ends after about as many steps as it was allowed, and the next goes on from there.
 *
 * The mmap lock is tried: its holder may be the very user that is stuck, waiting for the memory
 * that the reaper is to find. It is held for reading, so VMAs stay; faults that have come past the
 * kill run beside. Each VMA has a gather, and so a flush, of its own: memory is wanted soon.
 */
#include "zap.h"

#include "huge.h"
#include "object.h"
#include "range.h"

struct reap {
    struct mmk_mm *mm;
    uint64_t left;       /* steps: an entry taken, or a VMA passed */
    uint64_t mapped;     /* entries taken that had a page */
    mmk_vaddr_t refused; /* the first VMA whose notifier would have to sleep; USER_END: none */
};

/* Frames that are not mmkit's are mapped shared only. */
static bool is_reapable(const struct mmk_vma *vma)
{
    return !(mmk_vma_flags(vma) & MMK_VM_SHARED);
}

/* Takes entries from addr on, as many as are left to take. => where it stopped */
static mmk_vaddr_t reap_range(struct reap *reap, struct mmk_gather *gather, mmk_vaddr_t addr,
                              mmk_vaddr_t end) MMK_REQUIRES_SHARED(reap->mm->mmap_lock)
{
    while (reap->left > 0 && (addr = mmk_range_next_leaf(reap->mm, addr, end)) < end) {
        uint64_t before = gather->taken;
        mmk_vaddr_t stop = mmk_min(end, mmk_pt_base(addr, 0) + mmk_pt_table_span(0));

        if ((stop - addr) >> MMK_PAGE_SHIFT > reap->left && !mmk_huge_possible())
            stop = addr + (reap->left << MMK_PAGE_SHIFT);
        mmk_zap_range(gather, addr, stop, MMK_ZAP_ALL);
        reap->left -= mmk_min(reap->left, mmk_max(1, gather->taken - before));
        addr = stop;
    }
    return mmk_min(addr, end);
}

/* One VMA, from addr on. => where it stopped: its end when it is done, or cannot be */
static mmk_vaddr_t reap_vma(struct reap *reap, struct mmk_vma *vma, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(reap->mm->mmap_lock)
{
    mmk_vaddr_t end = mmk_vma_end(vma);
    struct mmk_gather gather;

    if (!is_reapable(vma)) {
        reap->left--;
        return end;
    }
    if (mmk_gather_try_begin(&gather, reap->mm, addr, end, MMK_NOTIFY_DISCARD)) {
        reap->refused = mmk_min(reap->refused, addr);
        reap->left--;
        return end;
    }
    addr = reap_range(reap, &gather, addr, end);
    mmk_gather_finish(&gather);
    reap->mapped += gather.mapped;
    return addr;
}

/* => where to go on; MMK_USER_END: nothing is left. mmap lock held for reading */
static mmk_vaddr_t reap_from(struct reap *reap, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(reap->mm->mmap_lock)
{
    struct mmk_vma *vma;

    while (reap->left > 0) {
        vma = mmk_mm_find_vma(reap->mm, addr);
        if (!vma)
            return MMK_USER_END;
        addr = reap_vma(reap, vma, mmk_max(addr, mmk_vma_start(vma)));
    }
    return addr;
}

int mmk_reap(struct mmk_mm *mm, uint64_t max_pages, uint64_t *freed)
{
    struct reap reap = {.mm = mm, .left = mmk_max(max_pages, 1), .refused = MMK_USER_END};
    mmk_vaddr_t next;

    if (!mmk_mm_killed(mm))
        return MMK_EINVAL;
    if (!mmk_rw_try_read_lock(&reap.mm->mmap_lock, MMK_LOCK_MMAP))
        return MMK_EAGAIN;
    next = MMK_USER_END;
    if (mmk_a32_load(&mm->users, MMK_RELAXED) != 0)
        next = reap_from(&reap, mmk_a64_load(&mm->reap_next, MMK_RELAXED));
    next = mmk_min(next, reap.refused);
    mmk_a64_store(&mm->reap_next, next, MMK_RELAXED);
    mmk_rw_read_unlock(&reap.mm->mmap_lock, MMK_LOCK_MMAP);
    *freed += reap.mapped;
    return next < MMK_USER_END ? MMK_EAGAIN : 0;
}
