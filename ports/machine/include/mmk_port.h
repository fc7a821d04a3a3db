/* SPDX-License-Identifier: MIT */
/* mmk_port.h - the software machine's choices: see <mmkit/port/annotate.h> for how this works. */
#ifndef MMK_PORT_H
#define MMK_PORT_H

#define MMK_PORT_VERSION 1

#define MMK_ASIDS    8
#define MMK_MAX_CPUS 16 /* 15 for tests, one that runs RCU callbacks */

#define MMK_PORT_CPU       "machine_cpu.h"
#define MMK_PORT_NODE      "machine_node.h"
#define MMK_PORT_PERCPU    "machine_percpu.h"
#define MMK_PORT_RCU       "machine_rcu.h"
#define MMK_PORT_DIRECTMAP "machine_directmap.h"
#define MMK_PORT_PAGE_OPS  "machine_page_ops.h"
#define MMK_PORT_TLB       "machine_tlb.h"
#define MMK_PORT_INJECT    "machine_inject.h"
#define MMK_PORT_USER      "machine_user.h"
#define MMK_PORT_ROOT      "machine_root.h"

#define MMK_PORT_RCU_EXPEDITE "machine_rcu_expedite.h"
#define MMK_PORT_RECLAIM_NOTE "machine_reclaim_note.h"

#ifndef MACHINE_NO_LOCK_CHECK /* for benchmarks: no checks of lock order and context */
#define MMK_PORT_LOCK_NOTE "machine_lock_note.h"
#define MMK_PORT_HELD_NOTE "machine_held_note.h"
#endif

/* ThreadSanitizer does not see into liburcu, nor what RCU guarantees: the port tells it. */
#if defined(__SANITIZE_THREAD__)
#define MACHINE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MACHINE_TSAN 1
#endif
#endif

#endif
