/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - hot port contract: this CPU's translation hardware.
 *
 * mmkit drives it as a cache: it decides what to flush and on which CPUs (src/tlb.c), the port
 * only flushes locally. An address space is named by its context: a number that is never used
 * twice, and the physical address of its root table. The port maps contexts to its own ASIDs and
 * may forget a context whenever it likes by flushing it.
 */
#ifndef MMKIT_PORT_TLB_H
#define MMKIT_PORT_TLB_H

#include <mmkit/port/cpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmk_tlb_context {
    uint64_t id;      /* from 1; never reused */
    mmk_paddr_t root; /* root table */
};

/*
 * MMK_PORT_TLB, three functions. On this CPU, drop every translation of `context`
 * mmk_tlb_local_page(context, addr)  ... of the page at addr, and every paging-structure entry
 *                                    that may lead to it
 * mmk_tlb_local_all(context)         ... of all its pages, paging-structure entries included
 * A port without ASIDs ignores a context that is not the one loaded: loading another flushed it.
 * => caller stays on its CPU; also called from the shootdown interrupt
 *
 * mmk_tlb_local_spurious(context, addr): a fault found that the entry allows the access, or made it
 * writable. Where a CPU may keep the translation that it has just faulted on (none, or read-only),
 * drop it, or the access faults for ever. x86-64 drops it with the fault: nothing to do.
 * => the thread may be moved before or after: then the access may fault once more, which is fine
 */
#ifdef MMK_PORT_TLB
#include MMK_PORT_TLB
#else
#error                                                                                             \
    "mmk_port.h must define MMK_PORT_TLB, the header with the three functions: see ports/template"
#endif

#ifdef __cplusplus
}
#endif

#endif
