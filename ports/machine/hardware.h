/* SPDX-License-Identifier: MIT */
/*
 * hardware.h - where the translation hardware (mmu.c, guest.c) lets itself be watched. The threads
 * backend watches nothing; the deterministic machine has its own (fibers/hardware.h).
 *
 * hardware_place(mmu, cache, places, at, tag)  where in a cache what has this tag is, or is to be;
 *                                    `at`: the one place, where there is but one
 * hardware_filled(entry, frame)      `entry` of a cache holds `frame` from now on: memory, or a
 *                                    table. Called within hardware_begin() and _end()
 * hardware_reads_table(cpu, table, cached)  a walk is about to read from `table`, where `cached`
 *                                    has sent it, or the root or another entry when that is NULL
 * hardware_uses(cpu, entry, addr, write)  an access to addr by `entry` follows, with nothing in
 * between hardware_begin(cpu), _end()        an operation that no interrupt divides
 */
#ifndef MACHINE_HARDWARE_H
#define MACHINE_HARDWARE_H

#ifdef MACHINE_FIBERS
#include "fibers/hardware.h"
#else
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

MMK_ALWAYS_INLINE void hardware_filled(struct machine_tlb_entry *entry, mmk_paddr_t frame)
{
    (void)entry;
    (void)frame;
}

MMK_ALWAYS_INLINE void hardware_reads_table(struct machine_cpu *cpu, mmk_paddr_t table,
                                            const struct machine_tlb_entry *cached)
{
    (void)cpu;
    (void)table;
    (void)cached;
}

MMK_ALWAYS_INLINE void hardware_uses(struct machine_cpu *cpu, const struct machine_tlb_entry *entry,
                                     mmk_vaddr_t addr, bool write)
{
    (void)cpu;
    (void)entry;
    (void)addr;
    (void)write;
}

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

MMK_ALWAYS_INLINE void hardware_entered(struct machine_cpu *cpu)
{
    (void)cpu;
}
#endif

#endif
