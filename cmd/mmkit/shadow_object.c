/* SPDX-License-Identifier: MIT */
/*
 * shadow_object.c - files and shared memory: pages that keep what shared mappings wrote.
 */
#include "shadow_object.h"

#include "host_alloc.h"

#include <mmkit/init.h>

#include <stdlib.h>

void shadow_world_init(struct shadow_world *world, unsigned levels, unsigned bits)
{
    const struct mmk_config config = MMK_CONFIG_DEFAULT;

    content_pool_init(&world->contents);
    page_map_pool_init(&world->maps, levels, bits);
    world->object_pages = 0;
    world->touched_pages = 0;
    world->stack_limit = config.stack_limit;
    world->stack_guard_gap = config.stack_guard_gap;
    world->around = 1;
    world->has_reclaimed = NULL;
    world->paged_out = false;
}

void shadow_world_destroy(struct shadow_world *world)
{
    content_pool_destroy(&world->contents);
    page_map_pool_destroy(&world->maps);
}

struct shadow_object *shadow_object_create(struct shadow_world *world, bool file, uint64_t seed,
                                           uint64_t bytes)
{
    struct shadow_object *object = host_alloc(1, sizeof(*object));

    object->references = 1;
    object->end = file ? UINT64_MAX : mmk_page_up(bytes) >> MMK_PAGE_SHIFT;
    object->file = file;
    object->seed = seed;
    page_map_init(&object->pages, &world->maps);
    return object;
}

static uint64_t free_page(void *context, uint64_t index, uint64_t value)
{
    struct shadow_world *world = context;
    struct shadow_page *page = (struct shadow_page *)(uintptr_t)value;

    (void)index;
    content_put(&world->contents, page->content);
    world->touched_pages--;
    free(page);
    return 0;
}

void shadow_object_put(struct shadow_world *world, struct shadow_object *object)
{
    uint64_t pages = (uint64_t)1 << (world->maps.levels * world->maps.bits);

    if (--object->references > 0)
        return;
    page_map_range(&object->pages, 0, pages, free_page, world);
    page_map_destroy(&object->pages);
    free(object);
}

void shadow_object_punch(struct shadow_world *world, struct shadow_object *object, uint64_t first,
                         uint64_t end)
{
    page_map_range(&object->pages, first, end, free_page, world);
}

struct shadow_page *shadow_object_page(struct shadow_world *world, struct shadow_object *object,
                                       uint64_t index)
{
    uint64_t value = page_map_get(&object->pages, index);
    struct shadow_page *page = (struct shadow_page *)(uintptr_t)value;

    if (page == NULL) {
        page = host_alloc(1, sizeof(*page));
        if (object->file)
            page->content = content_of_file(&world->contents, object->seed, index);
        page_map_set(&object->pages, index, (uint64_t)(uintptr_t)page);
        world->touched_pages++;
    }
    return page;
}

void shadow_page_map(struct shadow_world *world, struct shadow_page *page)
{
    world->object_pages += page->mappings++ == 0;
}

void shadow_page_unmap(struct shadow_world *world, struct shadow_page *page)
{
    world->object_pages -= --page->mappings == 0;
}
