/* SPDX-License-Identifier: MIT */
/*
 * user.h - hot port contract: the kernel's own accesses to the memory of the program that it runs.
 *
 * MMK_PORT_USER, for a kernel that has the program's memory in its address space:
 *
 * mmk_user_mapped()   whether accesses of this kind can be made now. A constant, for most.
 * mmk_user_begin(), mmk_user_end()
 *                     the CPU allows the kernel to access user memory in between (SMAP: stac and
 *                     clac; PAN), and only there. Sections do not nest; nothing in one sleeps or
 *                     calls mmkit. One that an interrupt handler opens lies inside the handler.
 *
 * Between the two:
 * mmk_user_raw_read(to, from, n), mmk_user_raw_write(to, from, n), mmk_user_raw_clear(to, n)
 *                     move bytes from the lowest address upwards => how many are left: 0, or those
 *                     from the first byte that cannot be accessed. An aligned word of 1, 2, 4 or 8
 *                     bytes, all of n, is one access.
 * mmk_user_raw_cmpxchg(addr, old, desired, found)
 *                     of an aligned 32-bit word, ordered both ways => false: it cannot be accessed
 *
 * These never fault upwards: the trap handler finds that the instruction is one of theirs (a table
 * of fix-ups) and continues where they return; it does not call mmk_fault(). mmkit does that
 * itself, after mmk_user_end(), and tries again. An access beyond the user half cannot happen:
 * mmkit has compared with it.
 *
 * Default: mmk_user_mapped() is false, and mmkit follows the page tables in software, through the
 * direct map. That is right for emulators, hypervisors and sandboxes, and enough to begin with.
 */
#ifndef MMKIT_PORT_USER_H
#define MMKIT_PORT_USER_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MMK_PORT_USER
#include MMK_PORT_USER
#else
MMK_ALWAYS_INLINE bool mmk_user_mapped(void)
{
    return false;
}

MMK_ALWAYS_INLINE void mmk_user_begin(void)
{
}

MMK_ALWAYS_INLINE void mmk_user_end(void)
{
}

MMK_ALWAYS_INLINE size_t mmk_user_raw_read(void *to, mmk_vaddr_t from, size_t n)
{
    (void)to;
    (void)from;
    return n;
}

MMK_ALWAYS_INLINE size_t mmk_user_raw_write(mmk_vaddr_t to, const void *from, size_t n)
{
    (void)to;
    (void)from;
    return n;
}

MMK_ALWAYS_INLINE size_t mmk_user_raw_clear(mmk_vaddr_t to, size_t n)
{
    (void)to;
    return n;
}

MMK_ALWAYS_INLINE bool mmk_user_raw_cmpxchg(mmk_vaddr_t addr, uint32_t old, uint32_t desired,
                                            uint32_t *found)
{
    (void)addr;
    (void)old;
    (void)desired;
    (void)found;
    return false;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
