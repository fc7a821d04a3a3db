/* SPDX-License-Identifier: MIT */
/*
 * hardware.h - where the translation hardware (mmu.c, guest.c) lets itself be watched. The threads
 * backend watches nothing; the deterministic machine has its own (fibers/hardware.h).
 */
#ifndef MACHINE_HARDWARE_H
#define MACHINE_HARDWARE_H

#ifdef MACHINE_FIBERS
#include "fibers/hardware.h"
#else
/* Where in a cache what has this tag is, or is to be: `at`, where there is but one place for it. */
MMK_ALWAYS_INLINE struct machine_tlb_entry *hardware_place(const struct machine_mmu *mmu,
                                                           struct machine_tlb_entry *cache,
                                                           uint64_t places, uint64_t at,
                                                           uint64_t tag)
{
    (void)mmu;
    (void)places;
    (void)tag;
    return &cache[at];
}

/* `entry` holds `frame` from now on: memory, or a table. => between hardware_begin() and _end() */
MMK_ALWAYS_INLINE void hardware_filled(struct machine_tlb_entry *entry, mmk_paddr_t frame)
{
    (void)entry;
    (void)frame;
}

/* A walk is about to read `table`, to which `cached` has sent it; NULL: an entry, or the root. */
MMK_ALWAYS_INLINE void hardware_reads_table(struct machine_cpu *cpu, mmk_paddr_t table,
                                            const struct machine_tlb_entry *cached)
{
    (void)cpu;
    (void)table;
    (void)cached;
}

/* An access to addr by `entry` follows, with nothing in between. */
MMK_ALWAYS_INLINE void hardware_uses(struct machine_cpu *cpu, const struct machine_tlb_entry *entry,
                                     mmk_vaddr_t addr, bool write)
{
    (void)cpu;
    (void)entry;
    (void)addr;
    (void)write;
}

/* This access faults, though nothing may be in its way. */
MMK_ALWAYS_INLINE bool hardware_faults(struct machine_cpu *cpu)
{
    (void)cpu;
    return false;
}

/* What is done from here to hardware_end() no interrupt divides. */
MMK_ALWAYS_INLINE bool hardware_begin(struct machine_cpu *cpu)
{
    (void)cpu;
    return false;
}

MMK_ALWAYS_INLINE void hardware_end(struct machine_cpu *cpu, bool state)
{
    (void)cpu;
    (void)state;
}

/* Another address space is loaded. */
MMK_ALWAYS_INLINE void hardware_entered(struct machine_cpu *cpu)
{
    (void)cpu;
}

/* The CPU leaves an address space; until it has left, it is in no quiescent state of RCU. */
MMK_ALWAYS_INLINE void hardware_leaves(struct machine_mmu *mmu)
{
    (void)mmu;
}

MMK_ALWAYS_INLINE void hardware_left(struct machine_mmu *mmu)
{
    (void)mmu;
}

/* The CPU is about to flush something, or to leave an address space. */
MMK_ALWAYS_INLINE void hardware_forgets(void)
{
}
#endif

#endif
