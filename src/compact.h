/* SPDX-License-Identifier: MIT */
/* compact.h - compaction, inside the library. Public half: <mmkit/compact.h>. */
#ifndef MMK_SRC_COMPACT_H
#define MMK_SRC_COMPACT_H

#include <mmkit/compact.h>

struct mmk_stats;

void mmk_compact_init(void);
void mmk_compact_stats(struct mmk_stats *stats);

#endif
