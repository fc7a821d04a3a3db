/* SPDX-License-Identifier: MIT */
/*
 * mmu.h - looking into the TLB, for guest accesses (guest.c) and for the walker (mmu.c).
 */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#include "internal.h"

/* Tags: generation in the low bits, page number (or number of the region a table covers) above. */
#define MMU_GEN_BITS 19
#define MMU_GEN_LAST (((uint64_t)1 << MMU_GEN_BITS) - 1)

/* The sign bits of a canonical address drop out at the top: bit 47, or 56, tells them. */
MMK_ALWAYS_INLINE uint64_t mmu_tag(mmk_vaddr_t addr, unsigned shift, uint64_t gen)
{
    return addr >> shift << MMU_GEN_BITS | gen;
}

/* The one place where a translation can be. Address spaces use different orders. */
MMK_ALWAYS_INLINE struct machine_tlb_entry *mmu_place(struct machine_mmu *mmu, mmk_vaddr_t addr,
                                                      uint64_t gen)
{
    return hardware_place(mmu, mmu->tlb, mmu->tlb_mask + 1,
                          ((addr >> MMK_PAGE_SHIFT) ^ gen) & mmu->tlb_mask,
                          mmu_tag(addr, MMK_PAGE_SHIFT, gen));
}

/*
 * Host address of `addr` by the TLB alone, for an access that follows at once; NULL: it does not
 * know one with these rights.
 */
MMK_ALWAYS_INLINE void *mmu_find(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t rights,
                                 bool write)
{
    uint64_t gen = cpu->mmu.asid->tlb_gen;
    struct machine_tlb_entry *entry = mmu_place(&cpu->mmu, addr, gen);
    uint64_t frame = entry->frame; /* the place may be another's by the time of the access */

    if (mmk_unlikely(entry->tag != mmu_tag(addr, MMK_PAGE_SHIFT, gen) ||
                     (frame & rights) != rights))
        return NULL;
    hardware_uses(cpu, entry, addr, write);
    return mmk_phys_to_virt((frame & MACHINE_TLB_ADDRESS) | (addr & (MMK_PAGE_SIZE - 1)));
}

/* By a walk, after taking interrupts. => host address; NULL: the access faults */
void *mmu_walk(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access);

/*
 * By walks, and by faults as long as they help.
 * => host address; NULL: the access fails for the reason in *result
 */
void *mmu_translate(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access,
                    enum mmk_fault_result *result);

#endif
