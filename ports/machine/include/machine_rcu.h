/* SPDX-License-Identifier: MIT */
/*
 * machine_rcu.h - read sections of liburcu (its memb flavor: no instruction but a store on the
 * way in and out, where the kernel has membarrier(2)). Callbacks: ports/machine/rcu.c.
 */
#include <mmkit/port/cpu.h>

/*
 * The inline read sections, which the license allows to anybody. Under ThreadSanitizer their
 * volatile accesses would be races: there the library's functions, which it does not look into.
 */
#if !defined(_LGPL_SOURCE) && !defined(MACHINE_TSAN)
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-memb.h>

#ifdef MACHINE_TSAN
void __tsan_release(void *address);
#define machine_tsan_release(address) __tsan_release(address)
#else
#define machine_tsan_release(address) ((void)(address))
#endif

MMK_ALWAYS_INLINE void mmk_rcu_read_lock(void)
{
    (void)machine_this();
    urcu_memb_read_lock();
}

MMK_ALWAYS_INLINE void mmk_rcu_read_unlock(void)
{
    machine_tsan_release(&machine_this()->rcu_tag);
    urcu_memb_read_unlock();
}
