/* SPDX-License-Identifier: MIT */
/*
 * mini_tlb.h - the CPU's translations, as on x86-64 without PCIDs: it has those of one root, and
 * loading another drops them all. So there is nothing to drop of a context that is not loaded.
 */
#include "kernel/hardware.h"

MMK_ALWAYS_INLINE void mmk_tlb_local_page(const struct mmk_tlb_context *context, mmk_vaddr_t addr)
{
    if (cpu_root() == context->root)
        cpu_flush_page(addr); /* invlpg */
}

MMK_ALWAYS_INLINE void mmk_tlb_local_all(const struct mmk_tlb_context *context)
{
    if (cpu_root() == context->root)
        cpu_load_root(context->root); /* mov to cr3 */
}

/* This CPU forgets what it faulted on, as x86-64 does. Others: see <mmkit/port/tlb.h>. */
MMK_ALWAYS_INLINE void mmk_tlb_local_spurious(const struct mmk_tlb_context *context,
                                              mmk_vaddr_t addr)
{
    (void)context;
    (void)addr;
}
