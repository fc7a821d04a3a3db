/* SPDX-License-Identifier: MIT */
/*
 * limbo.h - freed tables that may be linked again where they were.
 */
#ifndef MMK_SRC_LIMBO_H
#define MMK_SRC_LIMBO_H

#include "mm.h"
#include "page.h"

/* Tables of each CPU. A power of two; as many levels as there are come and go in one operation. */
#define MMK_LIMBO_TABLES 8

void mmk_limbo_init(void);

/*
 * A table that was unlinked, and flushed.
 * => one that has to leave, and is the caller's to hand to RCU: NULL, another, or `table` itself
 * => any context but interrupts
 */
struct mmk_page *mmk_limbo_put(struct mmk_page *table);

/*
 * This CPU's table of that level that mm's `entry` linked. => the caller's, still dead, or NULL
 * => any context but interrupts
 */
struct mmk_page *mmk_limbo_take(const struct mmk_mm *mm, const struct mmk_a64 *entry,
                                unsigned level);

/*
 * Any table of mm's, NULL: anybody's, on that CPU. => the caller's to hand to RCU, or NULL
 * => any context
 */
struct mmk_page *mmk_limbo_take_any(unsigned cpu, const struct mmk_mm *mm);

struct mmk_stats;
void mmk_limbo_stats(struct mmk_stats *stats);

#endif
