/* SPDX-License-Identifier: MIT */
/*
 * limbo.h - freed tables that may be linked again where they were.
 */
#ifndef MMK_SRC_LIMBO_H
#define MMK_SRC_LIMBO_H

#include "walk.h"
#include "page.h"

/* Paths of each CPU, each of up to MMK_PT_LEVELS - 1 tables. A power of two. */
#define MMK_LIMBO_PATHS 8

void mmk_limbo_init(void);

/*
 * A path of mm that was unlinked, and flushed, by its lowest table: a leaf table.
 * => another that has to leave for it, and is the caller's to hand to RCU; or NULL
 * => any context but interrupts
 */
struct mmk_page *mmk_limbo_put(struct mmk_mm *mm, struct mmk_page *table);

/* The same for one that was taken to be linked again, or what is left of it, and was not. */
struct mmk_page *mmk_limbo_put_back(struct mmk_mm *mm, struct mmk_page *table);

/*
 * Has this CPU a path that walk lacks: linked by walk's entry, whose level says how many tables are
 * missing, on the way to its address? A guess. => any context
 */
bool mmk_limbo_has(const struct mmk_walk *walk);

/*
 * Takes it. => its leaf table, still dead, and all of it the caller's, who links it again, or puts
 * it back; NULL: there is none. Any context but interrupts, inside the RCU read section of the walk
 */
struct mmk_page *mmk_limbo_take(const struct mmk_walk *walk);

/*
 * The same, if just part of it is on the way: from the table of level *lowest, above the leaf's,
 * upwards. The one with the longest part.
 */
struct mmk_page *mmk_limbo_take_part(const struct mmk_walk *walk, unsigned *lowest);

/*
 * Any path of mm's, NULL: anybody's, on that CPU. => the caller's to hand to RCU, or NULL
 * => any context
 */
struct mmk_page *mmk_limbo_take_any(unsigned cpu, const struct mmk_mm *mm);

struct mmk_stats;
void mmk_limbo_stats(struct mmk_stats *stats);

#endif
