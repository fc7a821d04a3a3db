/* SPDX-License-Identifier: MIT */
/*
 * populate.c - faulting in every page of a range: for mlock, mmap with MAP_POPULATE or MAP_LOCKED,
 * and madvise with MADV_POPULATE_READ or _WRITE.
 *
 * Each page takes the way of a fault, but those are passed over whose entry already allows the
 * access: a walk sees that for a table at a time, under its lock. Advice may take pages away
 * meanwhile: populated means that each page was there once. Reclaim takes none of memory that is
 * locked, as it looks at the mapping's flags under the same lock (rmap_use.c): what it took before
 * they were set, populating finds missing.
 *
 * Locked memory that is only to come if it can (BEST_EFFORT: what a program maps after mlockall())
 * leaves a part of memory free. Nobody gets locked pages back: if they had all of it the program's
 * next call would fail for want of a table or two, and everybody else's. What is touched is had to
 * the last frame, and so is what mlock() is asked for.
 *
 * The mmap lock stays held for reading, so that what is populated is what the caller has mapped or
 * locked. Rejected: letting go of it every so often, as Linux does, for the sake of writers that
 * wait: every caller would have to look up its VMAs again, and populate what another mapped there.
 */
#include "populate.h"

#include "fault.h"
#include "frame.h"
#include "huge.h"
#include "object.h"

#include <mmkit/reclaim.h>

#define LEFT_PART 16  /* of memory, that best effort leaves */
#define LEFT_MOST 256 /* frames, of a large one */

static bool allows(mmk_pte_t pte, enum mmk_access access)
{
    return mmk_pte_present(pte) && mmk_pte_accessible(pte) &&
           (access != MMK_ACCESS_WRITE || mmk_pte_write(pte));
}

/* Where the first entry is that needs a fault, of a leaf table's for [addr, end); `end`: none. */
static mmk_vaddr_t scan_leaf(const struct mmk_a64 *entry, mmk_vaddr_t addr, mmk_vaddr_t end,
                             enum mmk_access access)
{
    while (addr < end && allows(mmk_pte_read(entry++), access))
        addr += MMK_PAGE_SIZE;
    return addr;
}

/* The first page at addr or above that needs a fault; `end`: none. */
static mmk_vaddr_t first_missing(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end,
                                 enum mmk_access access) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    while (addr < end) {
        mmk_vaddr_t table_end = mmk_min(end, mmk_pt_base(addr, 0) + mmk_pt_table_span(0));
        struct mmk_walk walk;

        mmk_rcu_read_lock();
        mmk_walk_lock(mm, addr, &walk);
        if (walk.level == 0)
            addr = scan_leaf(walk.entry, addr, table_end, access);
        else if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry)) &&
                 allows(mmk_pte_read(walk.entry), access))
            addr = table_end;
        mmk_walk_unlock(&walk);
        mmk_rcu_read_unlock();
        if (addr < table_end)
            return addr;
    }
    return end;
}

static int error_of(enum mmk_fault_result result)
{
    switch (result) {
    case MMK_FAULT_DONE:
        return 0;
    case MMK_FAULT_OOM:
        return MMK_ENOMEM;
    case MMK_FAULT_KILLED:
        return MMK_EINTR;
    default:
        return MMK_EFAULT;
    }
}

/* Whether more than what is to be left is free, or can be made so. What CPUs have cached counts. */
static bool leaves_enough(void)
{
    uint64_t part = mmk_min(mmk_frames_total() / LEFT_PART, (uint64_t)LEFT_MOST);
    uint64_t left = mmk_config.reserve + part, free;

    if (mmk_likely(mmk_frames_left() > left))
        return true;
    free = mmk_frames_free();
    if (free > left)
        return true;
    (void)mmk_reclaim(left + 1 - free);
    return mmk_frames_free() > left;
}

static int populate_vma(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr, mmk_vaddr_t end,
                        enum mmk_access access, bool to_the_last) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    int error = 0;

    while (!error && (addr = first_missing(mm, addr, end, access)) < end) {
        if (!to_the_last && !leaves_enough())
            return MMK_ENOMEM;
        error = error_of(mmk_fault_locked(mm, vma, addr, access));
        addr += MMK_PAGE_SIZE;
    }
    return error;
}

/* What a touch is, and whether the VMA allows it. => 0, MMK_EINVAL, MMK_EFAULT */
static int choose_access(const struct mmk_vma *vma, unsigned how, enum mmk_access *access)
{
    uint64_t flags = mmk_vma_flags(vma);

    *access = MMK_ACCESS_READ;
    if (how & MMK_POPULATE_READ)
        return flags & MMK_VM_READ ? 0 : MMK_EINVAL;
    /* A shared page would be made dirty for nothing. */
    if ((how & MMK_POPULATE_WRITE) || (flags & (MMK_VM_WRITE | MMK_VM_SHARED)) == MMK_VM_WRITE)
        *access = MMK_ACCESS_WRITE;
    if (how & MMK_POPULATE_WRITE)
        return flags & MMK_VM_WRITE ? 0 : MMK_EINVAL;
    return mmk_vma_accessible(flags) ? 0 : MMK_EFAULT;
}

static bool is_strict(unsigned how)
{
    return (how & (MMK_POPULATE_READ | MMK_POPULATE_WRITE)) != 0;
}

static int populate_part(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr, mmk_vaddr_t end,
                         unsigned how) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    bool best_effort = (how & MMK_POPULATE_BEST_EFFORT) != 0;
    enum mmk_access access;
    int error;

    if (mmk_vma_has_frames(vma))
        return is_strict(how) ? MMK_EINVAL : 0;
    if (!is_strict(how) && (mmk_vma_flags(vma) & MMK_VM_LOCKONFAULT))
        return 0;
    error = choose_access(vma, how, &access);
    if (!error)
        error = populate_vma(mm, vma, addr, end, access,
                             !best_effort || !(mmk_vma_flags(vma) & MMK_VM_LOCKED));
    return best_effort && error != MMK_EINTR ? 0 : error;
}

int mmk_populate_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, unsigned how)
{
    mmk_vaddr_t addr = start;
    int error = 0;

    while (addr < end && !error) {
        struct mmk_vma *vma = mmk_mm_find_vma(mm, addr);
        mmk_vaddr_t from = vma ? mmk_vma_start(vma) : end;

        if (from > addr && is_strict(how))
            return MMK_ENOMEM;
        if (from >= end)
            return 0;
        addr = mmk_vma_end(vma);
        error = populate_part(mm, vma, mmk_max(start, from), mmk_min(end, addr), how);
    }
    return error;
}

void mmk_populate_try_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    int error = mmk_populate_locked(mm, start, end, MMK_POPULATE_BEST_EFFORT);

    (void)error;
}

void mmk_populate_object(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct mmk_page *page;
    mmk_vaddr_t addr;

    if (!vma->object || !vma->object->ops || mmk_vma_has_frames(vma))
        return;
    for (addr = start; addr < end && !mmk_mm_killed(mm); addr += MMK_PAGE_SIZE) {
        if (mmk_object_get_page_killable(mm, vma->object, mmk_vma_index(vma, addr), &page))
            return;
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
}
