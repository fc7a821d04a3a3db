/* SPDX-License-Identifier: MIT */
/*
 * shadow_regions.c - the shadow's mappings: a sorted array. Programs have tens to hundreds of
 * them, and calls that change them are one event in a hundred, so moving the tail costs nothing
 * that could be measured.
 */
#include "shadow_slots.h"

#include "host_alloc.h"

#include <mmkit/mm.h>

#include <stdlib.h>
#include <string.h>

/* The first region that ends above `address`, or count. */
static size_t find_above(const struct shadow *shadow, uint64_t address)
{
    size_t low = 0, high = shadow->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (shadow->regions[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const struct shadow_region *shadow_search(struct shadow *shadow, uint64_t address)
{
    size_t at = find_above(shadow, address);

    if (at == shadow->count || shadow->regions[at].start > address)
        return NULL;
    shadow->last = &shadow->regions[at];
    return shadow->last;
}

/* Makes room for one region at `at`, whose content is then undefined. */
static struct shadow_region *insert(struct shadow *shadow, size_t at)
{
    shadow->regions =
        host_grow(shadow->regions, shadow->count, &shadow->capacity, sizeof(shadow->regions[0]));
    memmove(&shadow->regions[at + 1], &shadow->regions[at],
            (shadow->count - at) * sizeof(shadow->regions[0]));
    shadow->count++;
    shadow->last = NULL;
    return &shadow->regions[at];
}

static void drop(struct shadow *shadow, size_t at, size_t count)
{
    size_t i;

    if (count == 0)
        return;
    for (i = at; i < at + count; i++)
        if (shadow->regions[i].object != NULL)
            shadow_object_put(shadow->world, shadow->regions[i].object);
    shadow->count -= count;
    shadow->last = NULL;
    memmove(&shadow->regions[at], &shadow->regions[at + count],
            (shadow->count - at) * sizeof(shadow->regions[0]));
}

/* Makes `address` a border, where it lies inside a region. */
static void split(struct shadow *shadow, uint64_t address)
{
    size_t at = find_above(shadow, address);
    struct shadow_region *lower;

    if (at == shadow->count || shadow->regions[at].start >= address)
        return;
    lower = insert(shadow, at);
    lower[0] = lower[1];
    lower[0].end = address;
    lower[1].start = address;
    lower[1].index += (address - lower[0].start) >> MMK_PAGE_SHIFT;
    if (lower->object != NULL)
        lower->object->references++;
}

static bool can_merge(const struct shadow_region *low, const struct shadow_region *high)
{
    uint64_t pages = (low->end - low->start) >> MMK_PAGE_SHIFT;

    return low->end == high->start && low->prot == high->prot && low->flags == high->flags &&
           low->shared == high->shared && low->grows_down == high->grows_down &&
           low->object == high->object &&
           (low->object == NULL || low->index + pages == high->index);
}

/* Merges what can be around the regions that touch [start, end]. */
static void merge(struct shadow *shadow, uint64_t start, uint64_t end)
{
    size_t at = find_above(shadow, start == 0 ? 0 : start - 1);

    while (at + 1 < shadow->count && shadow->regions[at].start <= end) {
        struct shadow_region *low = &shadow->regions[at];

        if (can_merge(low, low + 1)) {
            low->end = low[1].end;
            drop(shadow, at + 1, 1);
        } else {
            at++;
        }
    }
}

size_t shadow_isolate(struct shadow *shadow, uint64_t start, uint64_t end)
{
    split(shadow, start);
    split(shadow, end);
    return find_above(shadow, start);
}

void shadow_unmap(struct shadow *shadow, uint64_t start, uint64_t end)
{
    size_t first = shadow_isolate(shadow, start, end);
    size_t at;

    for (at = first; at < shadow->count && shadow->regions[at].start < end; at++) {
        shadow_zap(shadow, &shadow->regions[at], start, end);
        shadow->mapped_bytes -= shadow->regions[at].end - shadow->regions[at].start;
    }
    drop(shadow, first, at - first);
}

void shadow_place(struct shadow *shadow, const struct shadow_region *region)
{
    size_t at = find_above(shadow, region->start);

    *insert(shadow, at) = *region;
    if (region->object != NULL)
        region->object->references++;
    shadow->mapped_bytes += region->end - region->start;
    merge(shadow, region->start, region->end);
}

void shadow_map(struct shadow *shadow, const struct shadow_region *region)
{
    struct shadow_region locked = *region;

    if (!(locked.flags & SHADOW_LOCK))
        locked.flags |= shadow->future;
    shadow_unmap(shadow, region->start, region->end);
    shadow_place(shadow, &locked);
    if (locked.flags & SHADOW_LOCKED)
        shadow_populate(shadow, region->start, region->end, SHADOW_TRY);
}

/* Locked memory that is writable from now on is the process's own from now on. */
static bool must_copy(const struct shadow_region *region, unsigned prot)
{
    return (region->flags & SHADOW_LOCKED) && !region->shared && !(region->prot & MMK_PROT_WRITE) &&
           (prot & MMK_PROT_WRITE);
}

bool shadow_protect(struct shadow *shadow, uint64_t start, uint64_t end, unsigned prot)
{
    uint64_t reached = start;
    size_t at;

    for (at = shadow_isolate(shadow, start, end);
         at < shadow->count && shadow->regions[at].start == reached && reached < end; at++) {
        struct shadow_region *region = &shadow->regions[at];
        bool copy = must_copy(region, prot);

        region->prot = prot;
        reached = region->end;
        if (copy)
            shadow_populate(shadow, region->start, reached, SHADOW_TRY);
    }
    merge(shadow, start, end);
    return reached >= end;
}

/* Calls act for each part of a region in [start, end). => false: there is a hole */
static bool each_part(struct shadow *shadow, uint64_t start, uint64_t end,
                      void (*act)(struct shadow *shadow, const struct shadow_region *region,
                                  uint64_t start, uint64_t end))
{
    bool covered = true;
    uint64_t reached = start;
    size_t at;

    for (at = find_above(shadow, start); at < shadow->count && shadow->regions[at].start < end;
         at++) {
        const struct shadow_region *region = &shadow->regions[at];

        covered = covered && region->start <= reached;
        act(shadow, region, start, end);
        reached = region->end;
    }
    return covered && reached >= end;
}

bool shadow_discard(struct shadow *shadow, uint64_t start, uint64_t end)
{
    return each_part(shadow, start, end, shadow_zap_pages);
}

bool shadow_lazy_free(struct shadow *shadow, uint64_t start, uint64_t end)
{
    return each_part(shadow, start, end, shadow_mark_lazy);
}

bool shadow_guard(struct shadow *shadow, uint64_t start, uint64_t end)
{
    return each_part(shadow, start, end, shadow_set_guards);
}

bool shadow_unguard(struct shadow *shadow, uint64_t start, uint64_t end)
{
    return each_part(shadow, start, end, shadow_clear_guards);
}

bool shadow_set_flags(struct shadow *shadow, uint64_t start, uint64_t end, unsigned clear,
                      unsigned set)
{
    bool covered = shadow_is_covered(shadow, start, end);
    size_t at;

    for (at = shadow_isolate(shadow, start, end);
         at < shadow->count && shadow->regions[at].start < end; at++)
        shadow->regions[at].flags = (shadow->regions[at].flags & ~clear) | set;
    merge(shadow, start, end);
    return covered;
}

static void look_only(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                      uint64_t end)
{
    (void)shadow;
    (void)region;
    (void)start;
    (void)end;
}

bool shadow_is_covered(struct shadow *shadow, uint64_t start, uint64_t end)
{
    return each_part(shadow, start, end, look_only);
}

bool shadow_is_accessible(struct shadow *shadow, uint64_t start, uint64_t end)
{
    size_t at;

    for (at = find_above(shadow, start); at < shadow->count && shadow->regions[at].start < end;
         at++)
        if (shadow->regions[at].prot == MMK_PROT_NONE)
            return false;
    return true;
}

bool shadow_is_free(struct shadow *shadow, uint64_t start, uint64_t end)
{
    size_t at = find_above(shadow, start);

    return at == shadow->count || shadow->regions[at].start >= end;
}

void shadow_set_brk(struct shadow *shadow, uint64_t end)
{
    uint64_t old_top = mmk_page_up(shadow->brk_end);
    uint64_t new_top = mmk_page_up(end);
    struct shadow_region heap = {
        .start = old_top, .end = new_top, .prot = MMK_PROT_READ | MMK_PROT_WRITE};

    if (new_top > old_top)
        shadow_map(shadow, &heap);
    else if (new_top < old_top)
        shadow_unmap(shadow, new_top, old_top);
    shadow->brk_end = end;
}

const struct shadow_region *shadow_grow_stack(struct shadow *shadow, uint64_t address)
{
    size_t at = find_above(shadow, address);
    uint64_t page = mmk_page_down(address);
    struct shadow_region *stack;
    uint64_t floor;

    if (at == shadow->count || !shadow->regions[at].grows_down)
        return NULL;
    stack = &shadow->regions[at];
    floor = at == 0 ? 0 : shadow->regions[at - 1].end;
    if (at > 0 && !shadow->regions[at - 1].grows_down && shadow->regions[at - 1].prot != 0)
        floor += shadow->world->stack_guard_gap;
    if (stack->end - page > shadow->world->stack_limit || page < floor)
        return NULL;
    shadow->mapped_bytes += stack->start - page;
    stack->start = page;
    return stack;
}
