/* SPDX-License-Identifier: MIT */
/*
 * swap_memory.h - memory that is short in some rounds: most frames are taken away, or groups of
 * processes have a low limit, so that a part of what the processes have fits at a time, and each
 * allocation has to reclaim. Then calls may find no memory; who tries again gets it, as everything
 * fits into memory and swap together.
 */
#ifndef SWAP_MEMORY_H
#define SWAP_MEMORY_H

#include "swap_io.h"

#include <mmkit/group.h>
#include <mmkit/reclaim.h>

#define LEAST_PAGES   320 /* with all slots: more than the processes have */
#define LEAST_CHARGED 160 /* more than tables, and pages that are locked or pinned */
#define GROUPS        2

static struct {
    uint64_t free_at_first; /* frames, when the processes had no pages */
    unsigned taken;
    struct mmk_page *pages[MEMORY / PAGE];
    struct mmk_group *group[GROUPS];
} memory;

static uint64_t frames_free(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.frames_free;
}

/* Before there are processes, and when they have come. */
static void groups_begin(void)
{
    unsigned i;

    for (i = 0; i < GROUPS; i++)
        check(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &memory.group[i]) == 0);
}

static void memory_begin(void)
{
    memory.free_at_first = frames_free();
}

static void groups_end(void)
{
    unsigned i;

    for (i = 0; i < GROUPS; i++)
        mmk_group_put(memory.group[i]);
}

/* => nothing else runs */
static void groups_check(void)
{
    unsigned i;

    for (i = 0; i < GROUPS; i++)
        mmk_check_group(memory.group[i]);
}

/* One is in a group, or in none. */
static void memory_new_mm(struct mmk_mm **mm)
{
    unsigned which = random_below(GROUPS + 1);

    if (which == GROUPS)
        check(mmk_mm_create(mm) == 0);
    else
        check(mmk_group_mm_create(memory.group[which], mm) == 0);
}

static void memory_release(void)
{
    unsigned i;

    for (i = 0; i < GROUPS; i++)
        check(mmk_group_set_limit(memory.group[i], MMK_GROUP_UNLIMITED) == 0);
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

/* What does not fit goes to swap, or cannot go now. */
static void groups_limit(void)
{
    unsigned i;

    for (i = 0; i < GROUPS; i++) {
        int error =
            mmk_group_set_limit(memory.group[i], (LEAST_CHARGED + random_below(200)) * PAGE);

        check(error == 0 || error == MMK_EBUSY);
    }
}

/* For the next round. => nothing runs, nothing fails */
static void memory_choose(void)
{
    memory_release();
    if (random_below(3) || !areas_are_whole())
        return;
    (void)mmk_reclaim(MEMORY / PAGE);
    if (random_below(2))
        groups_limit();
    else
        memory_take(LEAST_PAGES + random_below(300));
    io.tight = true;
}

#endif
