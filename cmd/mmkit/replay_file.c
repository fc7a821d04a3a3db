/* SPDX-License-Identifier: MIT */
/*
 * replay_file.c - a recording's files as mmkit objects. What they held is not recorded: their
 * content is a function of identity and place, and they are as long as they were mapped. Pages that
 * are written back, when memory is short, are kept here.
 */
#include "replay_state.h"

#include "host_alloc.h"

#include <stdlib.h>
#include <string.h>

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    struct replay_file *file = mmk_object_private(object);
    const void *written = (const void *)(uintptr_t)page_map_get(&file->written, index);

    if (written != NULL)
        memcpy(page, written, MMK_PAGE_SIZE);
    else
        content_file_fill(file->seed, index, page);
    return 0;
}

static int write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    struct replay_file *file = mmk_object_private(object);
    void *written = (void *)(uintptr_t)page_map_get(&file->written, index);

    if (written == NULL) {
        written = host_alloc(1, MMK_PAGE_SIZE);
        page_map_set(&file->written, index, (uintptr_t)written);
    }
    memcpy(written, page, MMK_PAGE_SIZE);
    return 0;
}

static uint64_t forget_written(void *context, uint64_t page, uint64_t value)
{
    (void)context;
    (void)page;
    free((void *)(uintptr_t)value);
    return 0;
}

/* Made up as well: what was there at first is there again. */
static int punch_hole(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    struct replay_file *file = mmk_object_private(object);
    uint64_t first = mmk_page_up(offset) >> MMK_PAGE_SHIFT;
    uint64_t end = (offset + length) >> MMK_PAGE_SHIFT;

    page_map_range(&file->written, first, end, forget_written, NULL);
    replay_forget_evicted(&file->evicted, first, end);
    return 0;
}

static const struct mmk_object_ops file_ops = {
    .read_page = read_page, .write_page = write_page, .punch_hole = punch_hole};

static bool make_object(const struct replay *replay, struct replay_file *file, uint64_t size)
{
    if (file->object != NULL)
        return mmk_object_resize(file->object, size) == 0;
    if (mmk_object_create(&file_ops, size, file, &file->object) != 0)
        return false;
    if (replay_has_huge(replay))
        mmk_object_offer_huge(file->object);
    return true;
}

/* => false: no memory */
static bool make_longer(struct replay *replay, struct replay_file *file, uint64_t end)
{
    if (end <= file->size)
        return true;
    if (!replay_is_planning(replay) && !make_object(replay, file, end))
        return false;
    file->size = end;
    return true;
}

bool replay_file_reach(struct replay *replay, const struct shadow_object *object, uint64_t end)
{
    size_t i;

    for (i = 0; i < replay->program->file_count; i++)
        if (replay->files[i].shadow == object)
            return make_longer(replay, &replay->files[i], end);
    return true;
}

struct replay_file *replay_file_for(struct replay *replay, const struct op *op)
{
    struct replay_file *file = &replay->files[op->file - 1];

    if (file->shadow == NULL) {
        file->seed = replay->program->files[op->file - 1].seed;
        page_map_init(&file->written, &replay->world.maps);
        page_map_init(&file->evicted, &replay->world.maps);
        file->shadow = shadow_object_create(&replay->world, true, file->seed, 0);
    }
    return make_longer(replay, file, op->argument + op->length) ? file : NULL;
}

void replay_files_close(struct replay *replay)
{
    const struct page_map_pool *pool = &replay->world.maps;
    uint64_t pages = (uint64_t)1 << (pool->levels * pool->bits);
    size_t i;

    for (i = 0; i < replay->program->file_count; i++) {
        struct replay_file *file = &replay->files[i];

        if (file->object != NULL)
            mmk_object_put(file->object);
        if (file->shadow == NULL)
            continue;
        page_map_range(&file->written, 0, pages, forget_written, NULL);
        page_map_destroy(&file->written);
        page_map_destroy(&file->evicted);
        shadow_object_put(&replay->world, file->shadow);
    }
}
