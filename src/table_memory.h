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
/* The same without sleep: NULL also where there is none at once, or no room below the limit. */
struct mmk_page *mmk_table_alloc_at_hand(struct mmk_mm *mm, unsigned level);
/*
 * The same for who frees more than it takes: without sleep, from all of the reserve, and charged
 * beyond the group's limit if need be. => any context where frames may be allocated
 */
struct mmk_page *mmk_table_alloc_nowait(struct mmk_mm *mm, unsigned level);
/* => all zero; nobody has known it; any context but interrupts */
void mmk_table_free(struct mmk_page *table);

/* A root table, the kernel's half filled in. => NULL: no memory; may sleep */
struct mmk_page *mmk_table_alloc_root(struct mmk_mm *mm);
/*
 * => empty but for the kernel's half; no CPU can reach it (P17), and no lockless reader: after a
 *    grace period
 */
void mmk_table_free_root(struct mmk_page *root);

/*
 * An unlinked and flushed table of mm, and those above that went with it (table.h): to be linked
 * again where they were, or back to the stock or the allocator after a grace period.
 */
void mmk_table_retire(struct mmk_mm *mm, struct mmk_page *table);

/* For one from limbo that is not wanted, with those above: back. => any context but interrupts */
void mmk_table_keep(struct mmk_mm *mm, struct mmk_page *table);

/*
 * What is in limbo waits for a grace period from now on: for who waits for one, to get memory.
 * => any context but interrupts
 */
void mmk_table_drain_limbo(void);
/* The same of mm's tables. => mm has no users, and no gather */
void mmk_table_forget(const struct mmk_mm *mm);

void mmk_table_init(void);
void mmk_table_drain_cpu(unsigned cpu);   /* limbo and stock. => as mmk_frame_drain_cpu() */
uint32_t mmk_table_stocked(unsigned cpu); /* in that CPU's stock */

struct mmk_stats;
void mmk_table_stats(struct mmk_stats *stats);

#endif
