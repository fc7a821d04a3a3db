/* SPDX-License-Identifier: MIT */
/* shrink.h - giving tables back when memory is short. Public half: <mmkit/reclaim.h>. */
#ifndef MMK_SRC_SHRINK_H
#define MMK_SRC_SHRINK_H

#include <mmkit/reclaim.h>
#include <mmkit/types.h>

struct mmk_group;
struct mmk_stats;

/*
 * One round over the tables of all address spaces, or, group not NULL, of one group's, until
 * `tables` have been given back. used: those in use, too.
 * => how many were; *pages: raised by the lazily freed pages that went with them
 * => as mmk_shrink_tables()
 */
uint64_t mmk_shrink_round(struct mmk_group *group, uint64_t tables, bool used, uint64_t *pages);

/*
 * Reclaim has gone over so many frames: goes over as large a part of all tables, and gives back
 * what nobody has used since it last came by.
 * => as mmk_shrink_tables()
 */
void mmk_shrink_pace(uint64_t frames);

void mmk_shrink_init(void);
void mmk_shrink_stats(struct mmk_stats *stats);

#endif
