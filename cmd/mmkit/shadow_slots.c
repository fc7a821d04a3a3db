/* SPDX-License-Identifier: MIT */
/*
 * shadow_slots.c - the shadow's pages: one word each, in a map shaped as the page tables.
 *
 * A PRIVATE slot owns a reference to its content and the frame that goes with it (content.h); an
 * OBJECT slot is one mapping of the object's page.
 */
#include "shadow_slots.h"
#include "shadow_object.h"

#include "host_alloc.h"

#include <mmkit/types.h>

#include <stdlib.h>
#include <string.h>

enum { KIND_MASK = 3, LAZY = 4, FLAGS_MASK = KIND_MASK | LAZY };

static enum shadow_kind slot_kind(uint64_t slot)
{
    return (enum shadow_kind)(slot & KIND_MASK);
}

static struct content *slot_content(uint64_t slot)
{
    return (struct content *)(uintptr_t)(slot & ~(uint64_t)FLAGS_MASK);
}

static uint64_t private_slot(struct content *content)
{
    return (uint64_t)(uintptr_t)content | SHADOW_PRIVATE;
}

static uint64_t object_index(const struct shadow_region *region, uint64_t page)
{
    return region->index + (page - (region->start >> MMK_PAGE_SHIFT));
}

static uint64_t *object_counter(struct shadow *shadow, const struct shadow_object *object)
{
    return object->file ? &shadow->file_pages : &shadow->shared_pages;
}

struct range {
    struct shadow *shadow;
    const struct shadow_region *region;
};

/* Lets go of what the slot of `page` owns. */
static void release(struct shadow *shadow, const struct shadow_region *region, uint64_t page,
                    uint64_t slot)
{
    struct shadow_world *world = shadow->world;

    if (slot_kind(slot) == SHADOW_PRIVATE) {
        content_frame_put(&world->contents, slot_content(slot));
        content_put(&world->contents, slot_content(slot));
        shadow->private_pages--;
    } else if (slot_kind(slot) == SHADOW_OBJECT) {
        shadow_page_unmap(world,
                          shadow_object_page(world, region->object, object_index(region, page)));
        (*object_counter(shadow, region->object))--;
    }
}

static uint64_t visit_zap(void *context, uint64_t page, uint64_t slot)
{
    struct range *range = context;

    release(range->shadow, range->region, page, slot);
    return 0;
}

static uint64_t visit_mark_lazy(void *context, uint64_t page, uint64_t slot)
{
    (void)context;
    (void)page;
    return slot_kind(slot) == SHADOW_PRIVATE ? slot | LAZY : slot;
}

static void visit_part(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                       uint64_t end, page_map_visit visit)
{
    struct range range = {shadow, region};
    uint64_t low = start > region->start ? start : region->start;
    uint64_t high = end < region->end ? end : region->end;

    page_map_range(&shadow->slots, low >> MMK_PAGE_SHIFT, high >> MMK_PAGE_SHIFT, visit, &range);
}

void shadow_zap(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                uint64_t end)
{
    visit_part(shadow, region, start, end, visit_zap);
}

void shadow_mark_lazy(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                      uint64_t end)
{
    if (region->object == NULL)
        visit_part(shadow, region, start, end, visit_mark_lazy);
}

void shadow_init(struct shadow *shadow, struct shadow_world *world)
{
    memset(shadow, 0, sizeof(*shadow));
    shadow->world = world;
    page_map_init(&shadow->slots, &world->maps);
}

void shadow_destroy(struct shadow *shadow)
{
    if (shadow->count > 0)
        shadow_unmap(shadow, 0, shadow->regions[shadow->count - 1].end);
    page_map_destroy(&shadow->slots);
    free(shadow->regions);
    shadow->regions = NULL;
}

static uint64_t visit_fork(void *context, uint64_t page, uint64_t slot)
{
    struct shadow *child = context;

    if (slot_kind(slot) == SHADOW_PRIVATE) {
        content_get(slot_content(slot));
        content_frame_get(&child->world->contents, slot_content(slot));
        page_map_set(&child->slots, page, slot);
        child->private_pages++;
    }
    return slot;
}

void shadow_fork(struct shadow *child, const struct shadow *parent)
{
    struct page_map slots = parent->slots; /* the walk moves its cache */
    size_t i;

    shadow_init(child, parent->world);
    for (i = 0; i < parent->count; i++) {
        child->regions = host_grow(child->regions, i, &child->capacity, sizeof(child->regions[0]));
        child->regions[i] = parent->regions[i];
        child->count = i + 1;
        if (child->regions[i].object != NULL)
            child->regions[i].object->references++;
    }
    child->mapped_bytes = parent->mapped_bytes;
    child->brk_start = parent->brk_start;
    child->brk_end = parent->brk_end;
    page_map_range(&slots, 0, (uint64_t)1 << (slots.pool->levels * slots.pool->bits), visit_fork,
                   child);
}

/* The slot of a private page after a write over `slot` (which may be of any kind). */
static uint64_t write_private(struct shadow *shadow, const struct shadow_region *region,
                              uint64_t page, uint64_t slot, unsigned offset, uint64_t stamp)
{
    struct shadow_world *world = shadow->world;
    struct content *content = NULL;

    if (slot_kind(slot) == SHADOW_PRIVATE) {
        content = slot_content(slot);
        content_frame_put(&world->contents, content);
    } else {
        if (region->object != NULL) {
            content =
                shadow_object_page(world, region->object, object_index(region, page))->content;
            content_get(content);
        }
        release(shadow, region, page, slot);
        shadow->private_pages++;
    }
    content = content_stamp(&world->contents, content, offset, stamp);
    content_frame_get(&world->contents, content);
    return private_slot(content);
}

static uint64_t touch_object(struct shadow *shadow, const struct shadow_region *region,
                             uint64_t page, uint64_t slot, const uint64_t *stamp, unsigned offset)
{
    struct shadow_world *world = shadow->world;
    struct shadow_page *object_page =
        shadow_object_page(world, region->object, object_index(region, page));

    if (slot_kind(slot) == SHADOW_NONE) {
        shadow_page_map(world, object_page);
        (*object_counter(shadow, region->object))++;
    }
    if (stamp != NULL) {
        object_page->content =
            content_stamp(&world->contents, object_page->content, offset, *stamp);
    }
    return SHADOW_OBJECT;
}

/* => region holds the page, unless the slot is empty */
static struct shadow_view view_slot(struct shadow *shadow, const struct shadow_region *region,
                                    uint64_t page, uint64_t slot)
{
    struct shadow_view view = {slot_kind(slot), (slot & LAZY) != 0, NULL};

    if (view.kind == SHADOW_PRIVATE)
        view.content = slot_content(slot);
    else if (view.kind == SHADOW_OBJECT)
        view.content =
            shadow_object_page(shadow->world, region->object, object_index(region, page))->content;
    return view;
}

struct shadow_view shadow_touch(struct shadow *shadow, uint64_t address, enum mmk_access access,
                                uint64_t stamp)
{
    const struct shadow_region *region = shadow_find(shadow, address);
    uint64_t page = address >> MMK_PAGE_SHIFT;
    uint64_t slot = page_map_get(&shadow->slots, page);
    unsigned offset = (unsigned)(address & (MMK_PAGE_SIZE - 1) & ~(uint64_t)7);
    uint64_t updated = slot;

    if (access == MMK_ACCESS_WRITE && !region->shared) {
        updated = write_private(shadow, region, page, slot, offset, stamp);
    } else if (region->shared) {
        updated = touch_object(shadow, region, page, slot,
                               access == MMK_ACCESS_WRITE ? &stamp : NULL, offset);
    } else if (slot_kind(slot) == SHADOW_NONE && region->object != NULL) {
        updated = touch_object(shadow, region, page, slot, NULL, offset);
    } else if (slot_kind(slot) == SHADOW_NONE) {
        updated = SHADOW_ZERO;
    }
    if (updated != slot)
        page_map_set(&shadow->slots, page, updated);
    return view_slot(shadow, region, page, updated);
}

struct shadow_view shadow_view(struct shadow *shadow, uint64_t address)
{
    uint64_t page = address >> MMK_PAGE_SHIFT;
    uint64_t slot = page_map_get(&shadow->slots, page);
    bool is_object = slot_kind(slot) == SHADOW_OBJECT;

    return view_slot(shadow, is_object ? shadow_find(shadow, address) : NULL, page, slot);
}

void shadow_drop_lazy(struct shadow *shadow, uint64_t address)
{
    uint64_t page = address >> MMK_PAGE_SHIFT;

    release(shadow, shadow_find(shadow, address), page, page_map_get(&shadow->slots, page));
    page_map_set(&shadow->slots, page, SHADOW_ZERO);
}
