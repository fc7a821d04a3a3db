/* SPDX-License-Identifier: MIT */
/* collapse.h - small pages become a larger one. Public half: mmk_collapse() of <mmkit/huge.h>. */
#ifndef MMK_SRC_COLLAPSE_H
#define MMK_SRC_COLLAPSE_H

#include "mm.h"

#include <mmkit/huge.h>

/*
 * MADV_COLLAPSE: all that larger pages fit in of [start, end), a part of vma, whatever the policy
 * says but that there are none.
 * => 0; MMK_EINVAL: vma does not take them, or one of them has nothing that could be collapsed, or
 *    a guard; MMK_ENOMEM: no block; MMK_EAGAIN: in use at the moment. The others have become one
 * => mmap lock held for writing; may sleep
 */
MMK_MUST_CHECK int mmk_collapse_range(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start,
                                      mmk_vaddr_t end) MMK_REQUIRES(mm->mmap_lock);

#endif
