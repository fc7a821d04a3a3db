/* SPDX-License-Identifier: MIT */
/*
 * replay_file.c - a recording's files as mmkit objects. What they held is not recorded: their
 * content is a function of identity and place, and they are as long as they were mapped.
 */
#include "replay_state.h"

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    const struct replay_file *file = mmk_object_private(object);

    content_file_fill(file->seed, index, page);
    return 0;
}

/* Made up as well: what was there is there again. */
static int punch_hole(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    (void)offset;
    (void)length;
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = read_page, .punch_hole = punch_hole};

static bool make_object(struct replay_file *file, uint64_t size)
{
    if (file->object == NULL)
        return mmk_object_create(&file_ops, size, file, &file->object) == 0;
    return mmk_object_resize(file->object, size) == 0;
}

/* => false: no memory */
static bool make_longer(struct replay *replay, struct replay_file *file, uint64_t end)
{
    if (end <= file->size)
        return true;
    if (!replay_is_planning(replay) && !make_object(file, end))
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
        file->shadow = shadow_object_create(&replay->world, true, file->seed, 0);
    }
    return make_longer(replay, file, op->argument + op->length) ? file : NULL;
}

void replay_files_close(struct replay *replay)
{
    size_t i;

    for (i = 0; i < replay->program->file_count; i++) {
        struct replay_file *file = &replay->files[i];

        if (file->object != NULL)
            mmk_object_put(file->object);
        if (file->shadow != NULL)
            shadow_object_put(&replay->world, file->shadow);
    }
}
