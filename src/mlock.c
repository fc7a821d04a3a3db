/* SPDX-License-Identifier: MIT */
/*
 * mlock.c - mlock, mlock2, munlock, mlockall, munlockall.
 *
 * Locking is a flag of the VMA, counted in bytes by account.c, and that every page is brought in
 * once. What a program gives back stays (DONTNEED, FREE and the like refuse), and reclaim takes no
 * entry of such a VMA (rmap_use.c).
 *
 * The flags are set with the mmap lock held for writing; pages come in with it held for reading, so
 * that what is populated is what was locked. In between, advice that takes no lock and has found
 * the memory not locked comes to its end.
 *
 * ML1 LOCKONFAULT comes with LOCKED only. ML2 mappings of frames that are not mmkit's are never
 * locked, as VM_PFNMAP on Linux. (mmk_check)
 */
#include "account.h"
#include "object.h"
#include "populate.h"
#include "range.h"
#include "reshape.h"

/* What lies before a hole is set, as by Linux. => mmap lock held for writing */
static int set_range(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint64_t set)
    MMK_REQUIRES(mm->mmap_lock)
{
    mmk_vaddr_t hole;
    int error = 0;

    if (end < start)
        return MMK_EINVAL;
    hole = mmk_vma_first_hole(mm, start, end);
    if (hole > start)
        error = mmk_reshape(mm, start, hole, MMK_VM_LOCK, set);
    if (!error && hole < end)
        error = MMK_ENOMEM;
    return error;
}

/* Bytes of the range that are locked already. */
static uint64_t locked_in(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *vma = mmk_mm_find_vma(mm, start);
    mmk_vaddr_t vma_start, vma_end;
    uint64_t bytes = 0;

    while (vma && (vma_start = mmk_vma_start(vma)) < end) {
        vma_end = mmk_vma_end(vma);
        if (mmk_vma_flags(vma) & MMK_VM_LOCKED)
            bytes += mmk_min(end, vma_end) - mmk_max(start, vma_start);
        vma = mmk_mm_find_vma(mm, vma_end);
    }
    return bytes;
}

/*
 * Whether MMK_LIMIT_MEMLOCK allows the range; what is locked in it already counts once. In pages,
 * as a length may be anything. => mmap lock held
 */
static bool fits(struct mmk_mm *mm, mmk_vaddr_t start, uint64_t bytes)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    uint64_t limit = mm->limit[MMK_LIMIT_MEMLOCK] >> MMK_PAGE_SHIFT;
    uint64_t pages = bytes >> MMK_PAGE_SHIFT;
    mmk_vaddr_t end = start + bytes < start ? UINT64_MAX : start + bytes;

    pages += mmk_mm_usage(mm)->locked >> MMK_PAGE_SHIFT;
    return mm->lock_privilege || pages <= limit ||
           pages - (locked_in(mm, start, end) >> MMK_PAGE_SHIFT) <= limit;
}

/* What POSIX wants to hear of a page that could not be had. */
static int posix_error(int error)
{
    switch (error) {
    case MMK_EFAULT:
        return MMK_ENOMEM;
    case MMK_ENOMEM:
        return MMK_EAGAIN;
    default:
        return error;
    }
}

static int lock_range(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, uint64_t set)
{
    mmk_vaddr_t start = mmk_page_down(addr);
    uint64_t bytes = mmk_page_up(length + (addr - start)); /* may wrap, to 0 too: as on Linux */
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    if (!mmk_account_may_lock(mm))
        error = MMK_EPERM;
    else
        error = fits(mm, start, bytes) ? set_range(mm, start, start + bytes, set) : MMK_ENOMEM;
    if (error) {
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        return error;
    }
    mmk_rw_downgrade(&mm->mmap_lock);
    mmk_range_settle(mm, start, start + bytes);
    error = mmk_populate_locked(mm, start, start + bytes, MMK_POPULATE_AS_VMA);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return posix_error(error);
}

int mmk_mlock(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length)
{
    return lock_range(mm, addr, length, MMK_VM_LOCKED);
}

int mmk_mlock2(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags)
{
    if (flags & ~(unsigned)MMK_MLOCK_ONFAULT)
        return MMK_EINVAL;
    return lock_range(mm, addr, length, flags ? MMK_VM_LOCK : MMK_VM_LOCKED);
}

int mmk_munlock(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length)
{
    mmk_vaddr_t start = mmk_page_down(addr);
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    error = set_range(mm, start, start + mmk_page_up(length + (addr - start)), 0);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

/*
 * mlockall(), and with flags 0 munlockall(): no mapping is cut, so that it needs no memory.
 * => mmap lock held for writing
 */
static void set_all(struct mmk_mm *mm, unsigned flags) MMK_REQUIRES(mm->mmap_lock)
{
    uint64_t set = flags & MMK_MCL_ONFAULT ? MMK_VM_LOCK : MMK_VM_LOCKED;
    int error = 0;

    if (flags != MMK_MCL_FUTURE && flags != (MMK_MCL_FUTURE | MMK_MCL_ONFAULT))
        error = mmk_reshape(mm, 0, MMK_USER_END, MMK_VM_LOCK, flags ? set : 0);
    mmk_assert(!error, "what cuts no mapping is not refused");
    mm->def_flags = flags & MMK_MCL_FUTURE ? set : 0;
}

/* => mmap lock held for writing */
static int lock_all(struct mmk_mm *mm, unsigned flags) MMK_REQUIRES(mm->mmap_lock)
{
    if (!mmk_account_may_lock(mm))
        return MMK_EPERM;
    if ((flags & MMK_MCL_CURRENT) && !mm->lock_privilege &&
        mmk_mm_usage(mm)->virt > mm->limit[MMK_LIMIT_MEMLOCK])
        return MMK_ENOMEM;
    set_all(mm, flags);
    return 0;
}

int mmk_mlockall(struct mmk_mm *mm, unsigned flags)
{
    const unsigned known = MMK_MCL_CURRENT | MMK_MCL_FUTURE | MMK_MCL_ONFAULT;
    int error;

    if (flags == 0 || (flags & ~known) || flags == MMK_MCL_ONFAULT)
        return MMK_EINVAL;
    error = mmk_mm_write_lock(mm);
    if (error)
        return error;
    error = lock_all(mm, flags);
    if (error || !(flags & MMK_MCL_CURRENT)) {
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        return error;
    }
    mmk_rw_downgrade(&mm->mmap_lock);
    mmk_range_settle(mm, 0, MMK_USER_END);
    mmk_populate_try_locked(mm, 0, MMK_USER_END);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

int mmk_munlockall(struct mmk_mm *mm)
{
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    set_all(mm, 0);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}
