/* SPDX-License-Identifier: MIT */
/*
 * table_memory.h - the memory of page tables: a stock of zeroed ones, and what waits for RCU.
 */
#ifndef MMK_SRC_TABLE_MEMORY_H
#define MMK_SRC_TABLE_MEMORY_H

#include "frame.h"
#include "mm.h"

#define MMK_TABLE_STOCK_MAX                                                                        \
    64 /* zeroed tables kept per CPU, whatever mmk_config.table_stock says */

/* An empty table that nobody knows. => NULL: no memory; may sleep */
struct mmk_page *mmk_table_alloc(struct mmk_mm *mm, unsigned level);
/* => nobody knows it, and it is all zero */
void mmk_table_free(struct mmk_page *table);

/* A root table, the kernel's half filled in. => NULL: no memory; may sleep */
struct mmk_page *mmk_table_alloc_root(struct mmk_mm *mm);
/*
 * => empty but for the kernel's half; no CPU can reach it (P17), and no lockless reader: after a
 *    grace period
 */
void mmk_table_free_root(struct mmk_page *root);

/* An unlinked and flushed table: back to the stock or the allocator after a grace period. */
void mmk_table_free_rcu(struct mmk_page *table);

void mmk_table_init(void);
void mmk_table_drain_cpu(unsigned cpu);   /* the stock. => as mmk_frame_drain_cpu() */
uint32_t mmk_table_stocked(unsigned cpu); /* in that CPU's stock */

struct mmk_stats;
void mmk_table_stats(struct mmk_stats *stats);

#endif
