/* SPDX-License-Identifier: MIT */
/*
 * root.h - hot port contract: the kernel's half of a root table.
 *
 * MMK_PORT_ROOT, for a processor that finds the kernel's and the program's memory through one root
 * (x86-64, riscv64): two functions. The entries of the root are 64-bit words; those from `first` to
 * `count` - 1 translate no address of a program, and are the port's.
 *
 * mmk_root_fill(entries, first, count, root)
 *                    a new root, at the physical address `root`, all zero and known to nobody: put
 *                    the kernel's entries in. What changes later the port copies into every root
 *                    itself; a kernel that links all its tables at boot has nothing to copy.
 * mmk_root_release(entries, first, count, root)
 *                    the address space has ended, and no CPU may have the root loaded, not even one
 *                    that has left it and runs the kernel alone. mmkit clears the port's entries
 *                    when this returns, and does not free what they link.
 * => both: call nothing of mmkit's; no lock of mmkit's is held
 * => fill: may sleep; called by mmk_mm_create() and mmk_fork()
 * => release: does not sleep; called a grace period after the last mmk_mm_put() or mmk_mm_drop(),
 *    by RCU's callback
 *
 * Default: no kernel's half; nothing is called, nothing cleared. Formats whose root is all the
 * program's (aarch64) never call them.
 */
#ifndef MMKIT_PORT_ROOT_H
#define MMKIT_PORT_ROOT_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MMK_PORT_ROOT
#define MMK_ROOT_SHARED 1 /* with the kernel */
#include MMK_PORT_ROOT
#else
#define MMK_ROOT_SHARED 0

MMK_ALWAYS_INLINE void mmk_root_fill(uint64_t *entries, unsigned first, unsigned count,
                                     mmk_paddr_t root)
{
    (void)entries;
    (void)first;
    (void)count;
    (void)root;
}

MMK_ALWAYS_INLINE void mmk_root_release(uint64_t *entries, unsigned first, unsigned count,
                                        mmk_paddr_t root)
{
    (void)entries;
    (void)first;
    (void)count;
    (void)root;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
