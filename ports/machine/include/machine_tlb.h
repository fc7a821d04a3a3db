/* SPDX-License-Identifier: MIT */
/* machine_tlb.h - this CPU's flushes; the TLB itself is in ports/machine/mmu.c. */

/* A context whose ASID was given to another has nothing left here: no effect then. */
void machine_tlb_flush_page(uint64_t context, mmk_vaddr_t addr);
void machine_tlb_flush_all(uint64_t context);
void machine_tlb_spurious(uint64_t context, mmk_vaddr_t addr);

MMK_ALWAYS_INLINE void mmk_tlb_local_page(const struct mmk_tlb_context *context, mmk_vaddr_t addr)
{
    machine_tlb_flush_page(context->id, addr);
}

MMK_ALWAYS_INLINE void mmk_tlb_local_all(const struct mmk_tlb_context *context)
{
    machine_tlb_flush_all(context->id);
}

/* On x86-64 a fault drops by itself what the CPU had cached for the address; on tiny tables
 * perhaps. */
MMK_ALWAYS_INLINE void mmk_tlb_local_spurious(const struct mmk_tlb_context *context,
                                              mmk_vaddr_t addr)
{
#if defined(MACHINE_FORMAT_RISCV64) || defined(MACHINE_FORMAT_AARCH64) ||                          \
    defined(MACHINE_FORMAT_TINY)
    machine_tlb_spurious(context->id, addr);
#else
    (void)context;
    (void)addr;
#endif
}
