/* SPDX-License-Identifier: MIT */
/*
 * hardware.h - the deterministic machine knows of each frame what it is, and of each cached
 * translation how old it is: ../hardware.h says when it is asked. frames.c
 */
#ifndef MACHINE_FIBERS_HARDWARE_H
#define MACHINE_FIBERS_HARDWARE_H

void hardware_filled(struct machine_tlb_entry *entry, mmk_paddr_t frame);
void hardware_reads_table(struct machine_cpu *cpu, mmk_paddr_t table,
                          const struct machine_tlb_entry *cached);
void hardware_uses(struct machine_cpu *cpu, const struct machine_tlb_entry *entry, mmk_vaddr_t addr,
                   bool write);

/* What hardware does is done before the CPU takes its next interrupt. */
bool hardware_begin(struct machine_cpu *cpu);
void hardware_end(struct machine_cpu *cpu, bool state);

#endif
