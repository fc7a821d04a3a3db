/* SPDX-License-Identifier: MIT */
/* reclaim.h - getting memory back, inside the library. Public half: <mmkit/reclaim.h>. */
#ifndef MMK_SRC_RECLAIM_H
#define MMK_SRC_RECLAIM_H

#include <mmkit/reclaim.h>

struct mmk_stats;

void mmk_reclaim_init(void);
void mmk_reclaim_stats(struct mmk_stats *stats);

#endif
