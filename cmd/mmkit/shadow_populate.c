/* SPDX-License-Identifier: MIT */
/*
 * shadow_populate.c - pages that come before anybody touches them: MAP_POPULATE, mlock, advice.
 */
#include "shadow_slots.h"
#include "shadow_object.h"

#include <mmkit/mm.h>

/* Does the access leave another page there than the one in view? */
static bool is_missing(const struct shadow_view *view, enum mmk_access access)
{
    if (access != MMK_ACCESS_WRITE || view->region->shared)
        return view->kind == SHADOW_NONE;
    return view->kind < SHADOW_PRIVATE || view->content->frames > 1;
}

/* => false: a signal */
static bool populate_page(struct shadow *shadow, uint64_t address, enum mmk_access access)
{
    struct shadow_view view;

    if (shadow_predict(shadow, address, access, &view) != MMK_FAULT_DONE)
        return false;
    if (!is_missing(&view, access)) {
        if (access != MMK_ACCESS_WRITE)
            shadow_map_again(shadow, address, &view);
        return true;
    }
    if (access == MMK_ACCESS_WRITE && view.region->shared) {
        /* the entry is the same, and nothing is written */
        shadow_touch(shadow, address, MMK_ACCESS_READ, 0, &view);
        return true;
    }
    shadow_touch(shadow, address, access, content_word(view.content, 0), &view);
    if (access != MMK_ACCESS_WRITE)
        shadow_map_around(shadow, address);
    return true;
}

/* What a touch is. => false: the region does not allow it */
static bool choose_access(const struct shadow_region *region, enum shadow_populate how,
                          enum mmk_access *access)
{
    bool own = (region->prot & MMK_PROT_WRITE) && !region->shared;

    *access =
        how == SHADOW_WRITE || (how != SHADOW_READ && own) ? MMK_ACCESS_WRITE : MMK_ACCESS_READ;
    if (how == SHADOW_READ)
        return (region->prot & MMK_PROT_READ) != 0;
    return shadow_allows(region->prot, *access);
}

static bool populate_part(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                          uint64_t end, enum shadow_populate how)
{
    uint64_t address = mmk_max(start, region->start);
    enum mmk_access access;

    end = mmk_min(end, region->end);
    if (how != SHADOW_READ && how != SHADOW_WRITE && (region->flags & SHADOW_ON_FAULT))
        return true;
    if (!choose_access(region, how, &access))
        return false;
    while (address < end && populate_page(shadow, address, access))
        address += MMK_PAGE_SIZE;
    return address >= end;
}

bool shadow_populate(struct shadow *shadow, uint64_t start, uint64_t end, enum shadow_populate how)
{
    bool strict = how == SHADOW_READ || how == SHADOW_WRITE;
    uint64_t reached = start;
    size_t at;

    for (at = 0; at < shadow->count && shadow->regions[at].start < end; at++) {
        const struct shadow_region *region = &shadow->regions[at];

        if (region->end <= start)
            continue;
        if (strict && region->start > reached)
            return false;
        if (!populate_part(shadow, region, start, end, how) && how != SHADOW_TRY)
            return false;
        reached = region->end;
    }
    return !strict || reached >= end;
}

/* Where the first hole of [start, end) begins. */
static uint64_t first_hole(struct shadow *shadow, uint64_t start, uint64_t end)
{
    const struct shadow_region *region;

    while (start < end && (region = shadow_search(shadow, start)) != NULL)
        start = region->end;
    return mmk_min(start, end);
}

bool shadow_lock(struct shadow *shadow, uint64_t start, uint64_t end, unsigned flags)
{
    uint64_t hole = first_hole(shadow, start, end);

    shadow_set_flags(shadow, start, hole, SHADOW_LOCK, flags);
    return hole == end && shadow_populate(shadow, start, end, SHADOW_AS_REGION);
}

bool shadow_unlock(struct shadow *shadow, uint64_t start, uint64_t end)
{
    uint64_t hole = first_hole(shadow, start, end);

    shadow_set_flags(shadow, start, hole, SHADOW_LOCK, 0);
    return hole == end;
}

void shadow_lock_all(struct shadow *shadow, unsigned now, unsigned future)
{
    uint64_t end = shadow->count == 0 ? 0 : shadow->regions[shadow->count - 1].end;

    shadow->future = future;
    if (now == 0 && future != 0)
        return;
    shadow_set_flags(shadow, 0, end, SHADOW_LOCK, now);
    if (now != 0)
        shadow_populate(shadow, 0, end, SHADOW_TRY);
}

void shadow_read_ahead(struct shadow *shadow, uint64_t start, uint64_t end)
{
    const struct shadow_region *region;
    uint64_t address;

    for (address = start; address < end; address += MMK_PAGE_SIZE) {
        region = shadow_find(shadow, address);
        if (region != NULL && region->object != NULL && region->object->file)
            (void)shadow_object_content(shadow, address, region);
    }
}
