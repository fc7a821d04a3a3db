/* SPDX-License-Identifier: MIT */
/*
 * shadow_remap.c - mremap: regions, and slots with them, at another place, or of another length.
 */
#include "shadow_slots.h"

#include "host_alloc.h"

#include <stdlib.h>
#include <string.h>

/* What region has at `start`, as if it were mapped at `to`, `length` long. */
static struct shadow_region part_at(const struct shadow_region *region, uint64_t start, uint64_t to,
                                    uint64_t length)
{
    struct shadow_region part = *region;

    part.index = shadow_index(region, start);
    part.start = to;
    part.end = to + length;
    return part;
}

/* The region that ends at `end` gets longer; what is new of locked memory comes at once. */
static void grow(struct shadow *shadow, uint64_t end, uint64_t bytes)
{
    struct shadow_region more;

    if (bytes == 0)
        return;
    more = part_at(shadow_search(shadow, end - 1), end, end, bytes);
    shadow_place(shadow, &more);
    if (more.flags & SHADOW_LOCKED)
        shadow_populate(shadow, end, end + bytes, SHADOW_TRY);
}

/* A second mapping of shared memory. */
static void duplicate(struct shadow *shadow, uint64_t from, uint64_t to, uint64_t length)
{
    struct shadow_region part = part_at(shadow_search(shadow, from), from, to, length);

    if (part.object != NULL)
        part.object->references++; /* what is unmapped may be all that had it */
    shadow_unmap(shadow, to, to + length);
    shadow_place(shadow, &part);
    if (part.object != NULL)
        shadow_object_put(shadow->world, part.object);
}

/* The regions of [from, from + length) once more at `to`, with the slots. */
static void move(struct shadow *shadow, uint64_t from, uint64_t length, uint64_t to)
{
    size_t first = shadow_isolate(shadow, from, from + length), count = 0, i;
    struct shadow_region *parts;

    while (first + count < shadow->count && shadow->regions[first + count].start < from + length)
        count++;
    parts = host_alloc(count + 1, sizeof(parts[0]));
    memcpy(parts, &shadow->regions[first], count * sizeof(parts[0]));
    for (i = 0; i < count; i++) {
        struct shadow_region part = part_at(&parts[i], parts[i].start, to + (parts[i].start - from),
                                            parts[i].end - parts[i].start);

        shadow_place(shadow, &part);
    }
    free(parts);
    shadow_move_slots(shadow, from, from + length, to);
}

/* DONTUNMAP: the old mapping stays, and all of it is not locked any more. */
static void move_and_keep(struct shadow *shadow, uint64_t from, uint64_t length, uint64_t to)
{
    const struct shadow_region whole = *shadow_search(shadow, from);

    move(shadow, from, length, to);
    shadow_set_flags(shadow, whole.start, whole.end, SHADOW_LOCK, 0);
}

void shadow_remap(struct shadow *shadow, uint64_t from, uint64_t old_length, uint64_t to,
                  uint64_t new_length, bool keep)
{
    uint64_t length = mmk_min(old_length, new_length);

    if (old_length == 0) {
        duplicate(shadow, from, to, new_length);
        return;
    }
    if (from != to)
        shadow_unmap(shadow, to, to + new_length);
    if (old_length > length)
        shadow_unmap(shadow, from + length, from + old_length);
    if (from != to && keep) {
        move_and_keep(shadow, from, length, to);
    } else if (from != to) {
        move(shadow, from, length, to);
        shadow_unmap(shadow, from, from + length);
    }
    grow(shadow, to + length, new_length - length);
}
