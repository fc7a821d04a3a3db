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
 * MMK_PORT_TLB: on this CPU, drop every translation of `context`
 * mmk_tlb_local_page(context, addr)  ... of the page at addr, and every paging-structure entry
 *                                    that may lead to it
 * mmk_tlb_local_all(context)         ... of all its pages, paging-structure entries included
 * A port without ASIDs ignores a context that is not the one loaded: loading another flushed it.
 * => caller stays on its CPU; also called from the shootdown interrupt
 *
 * mmk_tlb_local_spurious(context, addr): a fault found an entry that allows the access. Drop a
 * stale entry for addr if this architecture may cache one (most need nothing).
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
