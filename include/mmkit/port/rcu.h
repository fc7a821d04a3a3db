/* SPDX-License-Identifier: MIT */
/*
 * rcu.h - hot port contract: read sections of read-copy-update.
 *
 * A section costs next to nothing, may nest, may be interrupted, and may not sleep. What was
 * reachable when it began is not freed before it ends (mmk_host_call_rcu in host.h). Spin locks
 * may be taken inside.
 *
 * Default: for a kernel whose CPUs do not switch threads inside mmkit (no preemption), a section
 * needs no instruction; its port's mmk_host_call_rcu then waits until each CPU has passed through
 * a point outside mmkit. MMK_PORT_RCU replaces it.
 */
#ifndef MMKIT_PORT_RCU_H
#define MMKIT_PORT_RCU_H

#include <mmkit/port/annotate.h>
#include <mmkit/port/atomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Embedded in what is freed through RCU. Two words that belong to the port while queued. */
struct mmk_rcu_head {
    void *opaque[2];
};

/* A read section, for clang's analysis. Nobody defines the variable. */
struct MMK_CAPABILITY("RCU read section") mmk_rcu_section {
    char unused;
};
extern struct mmk_rcu_section mmk_rcu;

#ifdef MMK_PORT_RCU
#include MMK_PORT_RCU
#else
MMK_ALWAYS_INLINE void mmk_rcu_read_lock(void) MMK_ACQUIRES_SHARED(mmk_rcu) MMK_NO_TSA
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler moves nothing across */
}

MMK_ALWAYS_INLINE void mmk_rcu_read_unlock(void) MMK_RELEASES_SHARED(mmk_rcu) MMK_NO_TSA
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
#endif

/*
 * Much waits: grace periods had better end soon from now on, for a while. Linux: call_rcu_hurry(),
 * the end of being lazy. For a port whose mmk_host_call_rcu() collects callbacks, or waits before
 * it runs them; one that needs no more than to be asked has nothing to do. Default: nothing.
 * => never waits; any context but NMI; spin locks may be held
 */
#ifdef MMK_PORT_RCU_EXPEDITE
#include MMK_PORT_RCU_EXPEDITE
#else
MMK_ALWAYS_INLINE void mmk_rcu_expedite(void)
{
}
#endif

#ifdef __cplusplus
}
#endif

#endif
