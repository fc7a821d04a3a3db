/* SPDX-License-Identifier: MIT */
/*
 * replay_refaults.c - how long were pages gone that came back? As Linux measures it
 * (mm/workingset.c there): by the pages that went meanwhile.
 *
 * Each page that goes, because memory is short or a program asks for it (MADV_PAGEOUT), is counted.
 * When one comes back, its distance is how many went after it: with so many frames more it would
 * still be there. Below the number of frames that there are, memory would have had room for it and
 * for what went instead of it later: a better choice would have kept it.
 *
 * A page that is read ahead is back when it is touched. If it goes before, it has been away all the
 * time, and is no eviction either: so read-ahead does not move the clock.
 */
#include "replay_state.h"

#include "host_alloc.h"

#include <stdlib.h>

static struct page_map *pages_of(struct replay *replay, struct mmk_object *object)
{
    struct replay_file *file = object != NULL ? mmk_object_private(object) : NULL;

    return file != NULL ? &file->evicted : &replay->refaults.evicted;
}

static void note_evicted(void *context, struct mmk_object *object, uint64_t index, bool used)
{
    struct replay *replay = context;
    struct page_map *evicted = pages_of(replay, object);

    if (!used && page_map_get(evicted, index) != 0) {
        replay->result->refaults.vain++;
        return;
    }
    if (replay->refaults.evictions++ == 0)
        replay_observe_frames(replay);
    page_map_set(evicted, index, replay->refaults.evictions);
}

static uint64_t forget(void *context, uint64_t page, uint64_t value)
{
    (void)context;
    (void)page;
    (void)value;
    return 0;
}

void replay_forget_evicted(struct page_map *evicted, uint64_t first, uint64_t end)
{
    page_map_range(evicted, first, end, forget, NULL);
}

static void note_returned(void *context, struct mmk_object *object, uint64_t index)
{
    struct replay *replay = context;
    struct refaults *refaults = &replay->refaults;
    struct page_map *evicted = pages_of(replay, object);
    uint64_t when = page_map_get(evicted, index);

    if (when == 0) /* has not been here, or another has had it first */
        return;
    replay_forget_evicted(evicted, index, index + 1);
    refaults->distances = host_grow(refaults->distances, refaults->count, &refaults->capacity,
                                    sizeof(refaults->distances[0]));
    refaults->distances[refaults->count++] = refaults->evictions - when;
    if (object != NULL)
        replay->result->refaults.file++;
    else
        replay->result->refaults.swap++;
}

void replay_refaults_watch(struct replay *replay, uint64_t memory)
{
    struct refaults *refaults = &replay->refaults;

    refaults->memory = memory;
    refaults->watch = (struct machine_reclaim_watch){note_evicted, note_returned, replay};
    page_map_init(&refaults->evicted, &replay->world.maps);
    machine_watch_reclaim(&refaults->watch);
}

void replay_refaults_stop(struct replay *replay)
{
    machine_watch_reclaim(NULL);
    page_map_destroy(&replay->refaults.evicted);
    free(replay->refaults.distances);
}

/* --- the summary ----------------------------------------------------------------------------- */

static unsigned part_of(uint64_t distance, uint64_t memory)
{
    if (distance < memory / 4)
        return REFAULT_QUARTER;
    if (distance < memory / 2)
        return REFAULT_HALF;
    if (distance < memory)
        return REFAULT_ONCE;
    return distance < 2 * memory ? REFAULT_TWICE : REFAULT_MORE;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void replay_refaults_summary(struct replay *replay)
{
    struct refaults *refaults = &replay->refaults;
    struct replay_result *result = replay->result;
    size_t i;

    result->refaults.evictions = refaults->evictions;
    result->refaults.memory = refaults->memory;
    if (refaults->count == 0)
        return;
    for (i = 0; i < refaults->count; i++)
        result->refaults.distances[part_of(refaults->distances[i], refaults->memory)]++;
    qsort(refaults->distances, refaults->count, sizeof(refaults->distances[0]), compare);
    result->refaults.median = refaults->distances[refaults->count / 2];
}
