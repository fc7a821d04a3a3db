/* SPDX-License-Identifier: MIT */
/*
 * guard.h - guards: entries that make every access to a page a SEGV, whatever its mapping allows.
 */
#ifndef MMK_SRC_GUARD_H
#define MMK_SRC_GUARD_H

#include "gather.h"

/*
 * Takes whatever is mapped in [start, end), and sets a guard for each page.
 * => 0; MMK_ENOMEM, or MMK_EINTR when killed: done up to some address, from there on nothing has
 *    changed
 * => inside one VMA, marked with MMK_VM_GUARDED before; mmap lock held for reading; may sleep
 */
MMK_MUST_CHECK int mmk_guard_install(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(gather->mm->mmap_lock);

/*
 * Takes the guards out of [start, end), and the tables that held nothing else.
 * => mmap lock held for reading; does not sleep
 */
void mmk_guard_remove(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(gather->mm->mmap_lock);

#endif
