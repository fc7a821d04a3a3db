/* SPDX-License-Identifier: MIT */
/*
 * hardware.h - the deterministic machine knows of each frame what it is, and of each cached
 * translation how old it is: ../hardware.h says when it is asked. frames.c, translations.c
 */
#ifndef MACHINE_FIBERS_HARDWARE_H
#define MACHINE_FIBERS_HARDWARE_H

struct machine_tlb_entry *hardware_place(const struct machine_mmu *mmu,
                                         struct machine_tlb_entry *cache, uint64_t places,
                                         uint64_t at, uint64_t tag);
void hardware_filled(struct machine_tlb_entry *entry, mmk_paddr_t frame);
void hardware_reads_table(struct machine_cpu *cpu, mmk_paddr_t table,
                          const struct machine_tlb_entry *cached);
void hardware_uses(struct machine_cpu *cpu, const struct machine_tlb_entry *entry, mmk_vaddr_t addr,
                   bool write);
bool hardware_faults(struct machine_cpu *cpu);
bool hardware_begin(struct machine_cpu *cpu);
void hardware_end(struct machine_cpu *cpu, bool state);
void hardware_entered(struct machine_cpu *cpu);
void hardware_leaves(struct machine_mmu *mmu);
void hardware_left(struct machine_mmu *mmu);
void hardware_forgets(void);

#endif
