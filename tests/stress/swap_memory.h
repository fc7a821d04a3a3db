/* SPDX-License-Identifier: MIT */
/*
 * swap_memory.h - memory that is short in some rounds: most frames are taken away, so that a part
 * of what the processes have fits at a time, and each allocation has to reclaim. Then calls may
 * find no memory; who tries again gets it, as everything fits into memory and swap together.
 */
#ifndef SWAP_MEMORY_H
#define SWAP_MEMORY_H

#include "swap_io.h"

#include <mmkit/reclaim.h>

#define LEAST_PAGES 320 /* with all slots: more than the processes have */

static struct {
    uint64_t free_at_first; /* frames, when the processes had no pages */
    unsigned taken;
    struct mmk_page *pages[MEMORY / PAGE];
} memory;

static uint64_t frames_free(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.frames_free;
}

static void memory_begin(void)
{
    memory.free_at_first = frames_free();
}

static void memory_release(void)
{
    io.tight = false;
    while (memory.taken > 0)
        mmk_page_put(memory.pages[--memory.taken]);
}

/* So many frames are left for pages, some of which are in use already. */
static void memory_take(uint64_t left)
{
    uint64_t used = memory.free_at_first - frames_free(), count;
    struct mmk_page *page;

    count = frames_free() - (left > used ? left - used : 0);
    while (memory.taken < count && (page = mmk_page_alloc(0, MMK_ALLOC_NORECLAIM)))
        memory.pages[memory.taken++] = page;
}

/* For the next round. => nothing runs, nothing fails */
static void memory_choose(void)
{
    memory_release();
    if (random_below(3) || !areas_are_whole())
        return;
    (void)mmk_reclaim(MEMORY / PAGE);
    memory_take(LEAST_PAGES + random_below(300));
    io.tight = true;
}

#endif
