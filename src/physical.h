/* SPDX-License-Identifier: MIT */
/*
 * physical.h - all of physical memory as an object, and its entries made at once.
 */
#ifndef MMK_SRC_PHYSICAL_H
#define MMK_SRC_PHYSICAL_H

#include "mm.h"

struct mmk_object *mmk_physical_object(void);
void mmk_physical_module_init(void);

/*
 * Makes the entries of [start, end), where no VMA is yet, show physical memory from `phys` on.
 * flags: the mapping's, MMK_VM_*.
 * => 0; MMK_ENOMEM, or MMK_EINTR when killed: nothing has changed
 * => mmap lock held for writing; may sleep
 */
MMK_MUST_CHECK int mmk_physical_fill(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                                     uint64_t flags, mmk_paddr_t phys) MMK_REQUIRES(mm->mmap_lock);

#endif
