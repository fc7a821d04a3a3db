/* SPDX-License-Identifier: MIT */
/*
 * tsan.h - what ThreadSanitizer is told about order between fibers, by files that it does not see
 * into. Elsewhere nothing.
 */
#ifndef MACHINE_TSAN_H
#define MACHINE_TSAN_H

#ifdef FIBER_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#else
#define __tsan_acquire(address) ((void)(address))
#define __tsan_release(address) ((void)(address))
#endif

#endif
