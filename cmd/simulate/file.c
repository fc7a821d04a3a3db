/* SPDX-License-Identifier: MIT */
/* file.c - see file.h. */
#include "file.h"

#include <string.h>

struct file file;

uint64_t file_word(uint64_t index)
{
    return __atomic_load_n(&file.word[index], __ATOMIC_RELAXED);
}

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    if (file.unreadable)
        return MMK_EIO;
    fibers_touch(&file.word[index], FIBERS_READ);
    memset(page, 0, PAGE);
    *(uint64_t *)page = file_word(index);
    return 0;
}

static int write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    fibers_touch(&file.word[index], FIBERS_WRITE);
    fibers_touch(page, FIBERS_READ);
    __atomic_store_n(&file.word[index], __atomic_load_n((const uint64_t *)page, __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
    return 0;
}

static const struct mmk_object_ops file_ops = {
    .read_page = read_page, .write_page = write_page, .punch_hole = punch_nothing};

struct mmk_object *file_create(unsigned pages)
{
    struct mmk_object *object;

    memset(&file, 0, sizeof(file));
    expect(mmk_object_create(&file_ops, pages * PAGE, NULL, &object) == 0);
    return object;
}
