/* SPDX-License-Identifier: MIT */
/* machine_tlb.h - this CPU's flushes; the TLB itself is in ports/machine/mmu.c. */

/* A context whose ASID was given to another has nothing left here: no effect then. */
void machine_tlb_flush_page(uint64_t context, mmk_vaddr_t addr);
void machine_tlb_flush_all(uint64_t context);

MMK_ALWAYS_INLINE void mmk_tlb_local_page(const struct mmk_tlb_context *context, mmk_vaddr_t addr)
{
    machine_tlb_flush_page(context->id, addr);
}

MMK_ALWAYS_INLINE void mmk_tlb_local_all(const struct mmk_tlb_context *context)
{
    machine_tlb_flush_all(context->id);
}

/* As on x86: a fault drops by itself what the CPU had cached for the address. */
MMK_ALWAYS_INLINE void mmk_tlb_local_spurious(const struct mmk_tlb_context *context,
                                              mmk_vaddr_t addr)
{
    (void)context;
    (void)addr;
}
