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

static enum shadow_kind slot_kind(uint64_t slot)
{
    return (enum shadow_kind)(slot & SHADOW_KIND_MASK);
}

static struct content *slot_content(uint64_t slot)
{
    return (struct content *)(uintptr_t)(slot & ~SHADOW_KIND_MASK);
}

static uint64_t private_slot(struct content *content, enum shadow_kind kind)
{
    return (uint64_t)(uintptr_t)content | kind;
}

/* The page of region's object that belongs at `page`. */
static struct shadow_page *object_page(struct shadow *shadow, const struct shadow_region *region,
                                       uint64_t page)
{
    uint64_t index = shadow_index(region, page << MMK_PAGE_SHIFT);

    return shadow_object_page(shadow->world, region->object, index);
}

static uint64_t *object_counter(struct shadow *shadow, const struct shadow_object *object)
{
    return object->file ? &shadow->file_pages : &shadow->shared_pages;
}

struct range {
    struct shadow *shadow;
    const struct shadow_region *region;
};

static void release_private(struct shadow *shadow, struct content *content)
{
    shadow->private_pages--;
    content_frame_put(&shadow->world->contents, content);
    content_put(&shadow->world->contents, content);
}

/* Out of line, so that those who seldom call it need not save registers for it. */
static MMK_NOINLINE void release_object(struct shadow *shadow, const struct shadow_region *region,
                                        uint64_t page)
{
    shadow_page_unmap(shadow->world, object_page(shadow, region, page));
    (*object_counter(shadow, region->object))--;
}

static uint64_t visit_zap(void *context, uint64_t page, uint64_t slot)
{
    struct range *range = context;

    if (slot_kind(slot) >= SHADOW_PRIVATE)
        release_private(range->shadow, slot_content(slot));
    else if (slot_kind(slot) == SHADOW_OBJECT)
        release_object(range->shadow, range->region, page);
    return 0;
}

static uint64_t visit_zap_page(void *context, uint64_t page, uint64_t slot)
{
    return slot_kind(slot) == SHADOW_GUARD ? slot : visit_zap(context, page, slot);
}

static uint64_t visit_zap_guard(void *context, uint64_t page, uint64_t slot)
{
    (void)context;
    (void)page;
    return slot_kind(slot) == SHADOW_GUARD ? 0 : slot;
}

static uint64_t visit_zap_object(void *context, uint64_t page, uint64_t slot)
{
    return slot_kind(slot) == SHADOW_OBJECT ? visit_zap(context, page, slot) : slot;
}

static uint64_t visit_mark_lazy(void *context, uint64_t page, uint64_t slot)
{
    (void)context;
    (void)page;
    return slot_kind(slot) == SHADOW_PRIVATE ? private_slot(slot_content(slot), SHADOW_LAZY) : slot;
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

void shadow_zap_pages(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                      uint64_t end)
{
    visit_part(shadow, region, start, end, visit_zap_page);
}

void shadow_clear_guards(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                         uint64_t end)
{
    visit_part(shadow, region, start, end, visit_zap_guard);
}

void shadow_set_guards(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                       uint64_t end)
{
    uint64_t page = mmk_max(start, region->start) >> MMK_PAGE_SHIFT;

    shadow_zap(shadow, region, start, end);
    for (; page < mmk_min(end, region->end) >> MMK_PAGE_SHIFT; page++)
        page_map_set(&shadow->slots, page, SHADOW_GUARD);
}

void shadow_unmap_object(struct shadow *shadow, const struct shadow_object *object, uint64_t first,
                         uint64_t end)
{
    size_t i;

    for (i = 0; i < shadow->count; i++) {
        const struct shadow_region *region = &shadow->regions[i];
        uint64_t pages = (region->end - region->start) >> MMK_PAGE_SHIFT;
        uint64_t low = mmk_max(first, region->index);
        uint64_t high = mmk_min(end, region->index + pages);

        if (region->object == object && low < high)
            visit_part(shadow, region, region->start + ((low - region->index) << MMK_PAGE_SHIFT),
                       region->start + ((high - region->index) << MMK_PAGE_SHIFT),
                       visit_zap_object);
    }
}

struct slot {
    uint64_t page, value;
};

struct slots {
    struct slot *array;
    size_t count, capacity;
};

static uint64_t visit_take(void *context, uint64_t page, uint64_t value)
{
    struct slots *slots = context;

    slots->array = host_grow(slots->array, slots->count, &slots->capacity, sizeof(slots->array[0]));
    slots->array[slots->count++] = (struct slot){page, value};
    return 0;
}

void shadow_move_slots(struct shadow *shadow, uint64_t start, uint64_t end, uint64_t to)
{
    const uint64_t first = start >> MMK_PAGE_SHIFT;
    struct slots slots = {0};
    size_t i;

    page_map_range(&shadow->slots, first, end >> MMK_PAGE_SHIFT, visit_take, &slots);
    for (i = 0; i < slots.count; i++)
        page_map_set(&shadow->slots, (to >> MMK_PAGE_SHIFT) + (slots.array[i].page - first),
                     slots.array[i].value);
    free(slots.array);
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

    if (slot_kind(slot) >= SHADOW_PRIVATE) {
        content_get(slot_content(slot));
        content_frame_get(&child->world->contents, slot_content(slot));
        page_map_set(&child->slots, page, slot);
        child->private_pages++;
    } else if (slot_kind(slot) == SHADOW_GUARD) {
        page_map_set(&child->slots, page, slot);
    }
    return slot;
}

static void fork_region(struct shadow *child, const struct shadow_region *region,
                        struct page_map *slots)
{
    struct shadow_region *copy;

    if (region->flags & SHADOW_DONT_FORK)
        return;
    child->regions =
        host_grow(child->regions, child->count, &child->capacity, sizeof(child->regions[0]));
    copy = &child->regions[child->count++];
    *copy = *region;
    copy->flags &= ~(unsigned)SHADOW_LOCK;
    if (copy->object != NULL)
        copy->object->references++;
    child->mapped_bytes += region->end - region->start;
    if (!(region->flags & SHADOW_WIPE_ON_FORK))
        page_map_range(slots, region->start >> MMK_PAGE_SHIFT, region->end >> MMK_PAGE_SHIFT,
                       visit_fork, child);
}

void shadow_fork(struct shadow *child, const struct shadow *parent)
{
    struct page_map slots = parent->slots; /* the walk moves its cache */
    size_t i;

    shadow_init(child, parent->world);
    for (i = 0; i < parent->count; i++)
        fork_region(child, &parent->regions[i], &slots);
    child->brk_start = parent->brk_start;
    child->brk_end = parent->brk_end;
}

struct content *shadow_object_content(struct shadow *shadow, uint64_t address,
                                      const struct shadow_region *region)
{
    return object_page(shadow, region, address >> MMK_PAGE_SHIFT)->content;
}

void shadow_view(struct shadow *shadow, uint64_t address, struct shadow_view *view)
{
    view->region = shadow_find(shadow, address);
    shadow_view_slot(view, page_map_get(&shadow->slots, address >> MMK_PAGE_SHIFT));
    if (view->kind == SHADOW_OBJECT)
        view->content = shadow_object_content(shadow, address, view->region);
}

static unsigned word_offset(uint64_t address)
{
    return (unsigned)(address & (MMK_PAGE_SIZE - 1) & ~(uint64_t)7);
}

/* The page is the process's own from now on, if it was not before. */
static void write_private(struct shadow *shadow, uint64_t page, unsigned offset, uint64_t stamp,
                          struct shadow_view *view)
{
    struct content_pool *contents = &shadow->world->contents;

    if (view->kind >= SHADOW_PRIVATE) {
        content_frame_put(contents, view->content);
    } else {
        content_get(view->content);
        shadow->private_pages++;
    }
    view->content = content_stamp(contents, view->content, offset, stamp);
    content_frame_get(contents, view->content);
    page_map_set(&shadow->slots, page, private_slot(view->content, SHADOW_PRIVATE));
    if (view->kind == SHADOW_OBJECT)
        release_object(shadow, view->region, page);
    view->kind = SHADOW_PRIVATE;
}

static void map_object(struct shadow *shadow, uint64_t page, struct shadow_view *view)
{
    struct shadow_page *mapped = object_page(shadow, view->region, page);

    shadow_page_map(shadow->world, mapped);
    (*object_counter(shadow, view->region->object))++;
    page_map_set(&shadow->slots, page, SHADOW_OBJECT);
    view->content = mapped->content;
    view->kind = SHADOW_OBJECT;
}

static void write_object(struct shadow *shadow, uint64_t page, unsigned offset, uint64_t stamp,
                         struct shadow_view *view)
{
    struct shadow_page *mapped = object_page(shadow, view->region, page);

    mapped->content = content_stamp(&shadow->world->contents, mapped->content, offset, stamp);
    view->content = mapped->content;
}

/* Anything but a write to private memory; out of line as release_object() is. */
static MMK_NOINLINE void touch_other(struct shadow *shadow, uint64_t address,
                                     enum mmk_access access, uint64_t stamp,
                                     struct shadow_view *view)
{
    uint64_t page = address >> MMK_PAGE_SHIFT;

    if (view->kind == SHADOW_NONE && view->region->object != NULL) {
        map_object(shadow, page, view);
    } else if (view->kind == SHADOW_NONE) {
        page_map_set(&shadow->slots, page, SHADOW_ZERO);
        view->kind = SHADOW_ZERO;
    }
    if (access == MMK_ACCESS_WRITE)
        write_object(shadow, page, word_offset(address), stamp, view);
}

void shadow_touch(struct shadow *shadow, uint64_t address, enum mmk_access access, uint64_t stamp,
                  struct shadow_view *view)
{
    if (access == MMK_ACCESS_WRITE && !view->region->shared)
        write_private(shadow, address >> MMK_PAGE_SHIFT, word_offset(address), stamp, view);
    else
        touch_other(shadow, address, access, stamp, view);
}

void shadow_map_around(struct shadow *shadow, uint64_t address)
{
    const struct shadow_region *region = shadow_find(shadow, address);
    uint64_t window = shadow->world->around, page = address >> MMK_PAGE_SHIFT, first, end;
    struct shadow_view view = {.region = region};

    if (window <= 1 || region == NULL || region->object == NULL)
        return;
    first = page & ~(window - 1);
    end = mmk_min(first + window, region->end >> MMK_PAGE_SHIFT);
    for (page = mmk_max(first, region->start >> MMK_PAGE_SHIFT); page < end; page++) {
        uint64_t index = shadow_index(region, page << MMK_PAGE_SHIFT);

        if (page_map_get(&shadow->slots, page) == 0 && index < region->object->end &&
            page_map_get(&region->object->pages, index) != 0)
            map_object(shadow, page, &view);
    }
}

void shadow_map_again(struct shadow *shadow, uint64_t address, const struct shadow_view *view)
{
    const struct shadow_world *world = shadow->world;

    if (view->kind == SHADOW_OBJECT && world->around > 1 && shadow_may_lack(world))
        shadow_map_around(shadow, address);
}

void shadow_drop_lazy(struct shadow *shadow, uint64_t address)
{
    uint64_t page = address >> MMK_PAGE_SHIFT;

    release_private(shadow, slot_content(page_map_get(&shadow->slots, page)));
    page_map_set(&shadow->slots, page, SHADOW_ZERO);
}
