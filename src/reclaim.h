/* SPDX-License-Identifier: MIT */
/* reclaim.h - getting memory back, inside the library. Public half: <mmkit/reclaim.h>. */
#ifndef MMK_SRC_RECLAIM_H
#define MMK_SRC_RECLAIM_H

#include <mmkit/reclaim.h>

#include "page.h"

struct mmk_group;
struct mmk_stats;

/* mmk_reclaim() of what is charged to one group. */
uint64_t mmk_reclaim_group(struct mmk_group *group, uint64_t want);

void mmk_reclaim_init(void);
void mmk_reclaim_stats(struct mmk_stats *stats);

/*
 * A file's page goes, however it is used: unmapped, written back if it is dirty, and dropped.
 * => true: it is no object's page any more
 * => page locked, with a reference of the caller's; may sleep, waits for no lock
 */
bool mmk_reclaim_file_page(struct mmk_page *page) MMK_REQUIRES(page);

#endif
