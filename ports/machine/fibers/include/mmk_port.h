/* SPDX-License-Identifier: MIT */
/*
 * mmk_port.h - the deterministic machine's choices: the software machine's (ports/machine/include),
 * but for what a scheduler of fibers does instead of the host's threads.
 */
#ifndef MMK_PORT_H
#define MMK_PORT_H

#define MMK_PORT_VERSION 1

#define MMK_ASIDS    2 /* few, so that they are used again */
#define MMK_MAX_CPUS 8

#define MMK_PORT_ATOMIC     "fibers_atomic.h"
#define MMK_PORT_CPU        "machine_cpu.h"
#define MMK_PORT_NODE       "machine_node.h"
#define MMK_PORT_PERCPU     "machine_percpu.h"
#define MMK_PORT_RCU        "fibers_rcu.h"
#define MMK_PORT_DIRECTMAP  "machine_directmap.h"
#define MMK_PORT_PAGE_OPS   "fibers_page_ops.h"
#define MMK_PORT_TLB        "machine_tlb.h"
#define MMK_PORT_INJECT     "fibers_inject.h"
#define MMK_PORT_USER       "machine_user.h"
#define MMK_PORT_ROOT       "machine_root.h"
#define MMK_PORT_LOCK_NOTE  "machine_lock_note.h"
#define MMK_PORT_HELD_NOTE  "machine_held_note.h"
#define MMK_PORT_FRAME_NOTE "fibers_frame_note.h"

#define MACHINE_FIBERS 1

#if defined(__SANITIZE_THREAD__)
#define MACHINE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MACHINE_TSAN 1
#endif
#endif

#endif
