/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - flushing translations on every CPU that may hold them. Public half: <mmkit/tlb.h>.
 */
#ifndef MMK_SRC_TLB_H
#define MMK_SRC_TLB_H

#include "mm.h"

/*
 * Drops every CPU's translations of [start, end) in mm, paging-structure entries included. When it
 * returns no CPU uses what the entries said before (L1). CPUs that do not run mm now learn of it
 * when they next enter.
 * => entries were cleared or changed before; spins for other CPUs, does not sleep; table locks may
 *    be held, interrupts are on (P7)
 */
void mmk_tlb_flush(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end);

/* The same, where tables were unlinked: lazy CPUs do not keep their ways to these. */
void mmk_tlb_flush_tables(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end);

/* This CPU starts to run mm: drops what it holds that is older than the last flush. */
void mmk_tlb_catch_up(struct mmk_mm *mm);

void mmk_tlb_init(void);

struct mmk_stats;
void mmk_tlb_stats(struct mmk_stats *stats);

#endif
