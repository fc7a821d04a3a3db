/* SPDX-License-Identifier: MIT */
/*
 * template_tlb.h - no translation hardware: write your invlpg, tlbi or sfence.vma here. What each
 * has to drop: <mmkit/port/tlb.h>.
 */

MMK_ALWAYS_INLINE void mmk_tlb_local_page(const struct mmk_tlb_context *context, mmk_vaddr_t addr)
{
    (void)context;
    (void)addr;
}

MMK_ALWAYS_INLINE void mmk_tlb_local_all(const struct mmk_tlb_context *context)
{
    (void)context;
}

/* Nothing on x86-64, where the fault itself drops what was cached for the address. */
MMK_ALWAYS_INLINE void mmk_tlb_local_spurious(const struct mmk_tlb_context *context,
                                              mmk_vaddr_t addr)
{
    (void)context;
    (void)addr;
}
