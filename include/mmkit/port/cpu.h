/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - hot port contract: which CPU this is, sets of CPUs, and waiting politely.
 */
#ifndef MMKIT_PORT_CPU_H
#define MMKIT_PORT_CPU_H

#include <mmkit/port/annotate.h>
#include <mmkit/port/atomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CPUs are numbered from 0; this is one more than the highest number. At most 64. */
#ifndef MMK_MAX_CPUS
#define MMK_MAX_CPUS 16
#endif

/*
 * MMK_PORT_CPU:
 * mmk_cpu_id()       the CPU that runs this. Stable only between mmk_percpu_enter() and _leave(),
 *                    or where the caller cannot be moved.
 * mmk_cpu_relax()    in a loop that waits for another CPU. Interrupts stay deliverable; a port
 *                    that delivers shootdowns by polling (the machine) does it here.
 * mmk_interrupts_on() false where a shootdown could deadlock; asserted before each (P7).
 */
#ifdef MMK_PORT_CPU
#include MMK_PORT_CPU
#else
MMK_ALWAYS_INLINE unsigned mmk_cpu_id(void)
{
    return 0;
}

MMK_ALWAYS_INLINE void mmk_cpu_relax(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

MMK_ALWAYS_INLINE bool mmk_interrupts_on(void)
{
    return true;
}
#endif

/*
 * MMK_PORT_NODE: mmk_node_id(), the node (NUMA) whose memory is nearest to the CPU that runs this,
 * from 0 to MMK_MAX_NODES - 1; called where frames are fetched from or returned to the lists,
 * inside a per-CPU section. Default: all memory is equally near.
 */
#ifdef MMK_PORT_NODE
#include MMK_PORT_NODE
#else
MMK_ALWAYS_INLINE unsigned mmk_node_id(void)
{
    return 0;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
