/* SPDX-License-Identifier: MIT */
/*
 * mmk_port.h - the empty port: copy this folder, then replace what your kernel does differently.
 *
 * It compiles, and describes a kernel with one CPU, no threads inside mmkit, physical memory
 * mapped at 0, and no translation hardware. host.c beside it is the link-time half.
 */
#ifndef MMK_PORT_H
#define MMK_PORT_H

#define MMK_PORT_VERSION 1 /* the contract this port was written for: <mmkit/port/version.h> */

/* Required. */
#define MMK_PORT_DIRECTMAP "template_directmap.h" /* <mmkit/port/directmap.h> */
#define MMK_PORT_TLB       "template_tlb.h"       /* <mmkit/port/tlb.h> */

/*
 * Each of these has a default; define it as the name of your header to replace it.
 *
 * #define MMK_PORT_ATOMIC    <mmkit/port/atomic.h>     compiler builtins
 * #define MMK_PORT_CPU       <mmkit/port/cpu.h>        one CPU
 * #define MMK_PORT_NODE      <mmkit/port/cpu.h>        memory is equally near
 * #define MMK_PORT_PERCPU    <mmkit/port/percpu.h>     no preemption, no interrupts
 * #define MMK_PORT_RCU       <mmkit/port/rcu.h>        no preemption
 * #define MMK_PORT_RCU_EXPEDITE <mmkit/port/rcu.h>     nothing
 * #define MMK_PORT_SPINLOCK  <mmkit/port/lock.h>       test and set
 * #define MMK_PORT_RWLOCK    <mmkit/port/lock.h>       sleeps in mmk_host_wait()
 * #define MMK_PORT_PAGE_OPS  <mmkit/port/directmap.h>  memset, memcpy, a loop of loads
 * #define MMK_PORT_LOCK_NOTE <mmkit/port/annotate.h>   nothing
 * #define MMK_PORT_HELD_NOTE <mmkit/port/annotate.h>   nothing
 * #define MMK_PORT_FRAME_NOTE <mmkit/port/annotate.h>  nothing
 * #define MMK_PORT_RECLAIM_NOTE <mmkit/port/annotate.h> nothing
 * #define MMK_PORT_INJECT    <mmkit/port/annotate.h>   nothing
 * #define MMK_PORT_USER      <mmkit/port/user.h>       user memory through the page tables
 * #define MMK_PORT_ROOT      <mmkit/port/root.h>       the kernel has a root of its own
 * #define MMK_MAX_CPUS       <mmkit/port/cpu.h>        16
 */

#endif
