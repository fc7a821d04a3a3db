/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - hot port contract: staying on one CPU.
 *
 * Between enter and leave the caller is not moved to another CPU, and no interrupt that may call
 * mmkit arrives (frames may be allocated in interrupt context), so that this CPU's data can be
 * changed without atomics. Sections are a few instructions long, do not nest and do not sleep.
 *
 * Default: nothing to do, for a kernel that neither preempts mmkit nor calls it from interrupts.
 * MMK_PORT_PERCPU replaces it: save and disable interrupts, or disable preemption.
 */
#ifndef MMKIT_PORT_PERCPU_H
#define MMKIT_PORT_PERCPU_H

#include <mmkit/port/cpu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A section, for clang's analysis. Nobody defines the variable. */
struct MMK_CAPABILITY("per-CPU section") mmk_percpu_section {
    char unused;
};
extern struct mmk_percpu_section mmk_percpu;

#ifdef MMK_PORT_PERCPU
#include MMK_PORT_PERCPU
#else
/* => the state to hand to mmk_percpu_leave() */
MMK_ALWAYS_INLINE unsigned long mmk_percpu_enter(void) MMK_ACQUIRES(mmk_percpu) MMK_NO_TSA
{
    return 0;
}

MMK_ALWAYS_INLINE void mmk_percpu_leave(unsigned long state) MMK_RELEASES(mmk_percpu) MMK_NO_TSA
{
    (void)state;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
