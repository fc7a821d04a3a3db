/* SPDX-License-Identifier: MIT */
/* seal.c - mseal: the mappings of a range never change again. seal.h has what that means. */
#include "seal.h"

#include "range.h"
#include "reshape.h"

int mmk_mseal(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags)
{
    mmk_vaddr_t end = addr + mmk_page_up(length);
    int error;

    if (flags != 0 || (addr & ~MMK_PAGE_MASK) || (length != 0 && mmk_page_up(length) == 0) ||
        end < addr)
        return MMK_EINVAL;
    if (end == addr)
        return 0;
    error = mmk_mm_write_lock(mm);
    if (error)
        return error;
    error = MMK_ENOMEM;
    if (mmk_vma_first_hole(mm, addr, end) == end)
        error = mmk_reshape(mm, addr, end, 0, MMK_VM_SEALED);
    if (!error)
        mmk_range_settle(mm, addr, end);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}
