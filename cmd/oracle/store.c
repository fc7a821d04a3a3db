/* SPDX-License-Identifier: MIT */
/* store.c - see store.h. Each is as large as a file may get. */
#include "store.h"

#include "files.h"
#include "possible.h"

#include <string.h>

static struct store {
    uint8_t bytes[FILE_MAX + MMK_PAGE_SIZE];
    size_t used; /* beyond, all are zero */
} stored, on_disk;

struct store *store_of(unsigned file)
{
    if (file == FILE_STORED)
        return &stored;
    return file == FILE_DISK ? &on_disk : NULL;
}

/* => the page; NULL: no file is so large */
static uint8_t *find(struct mmk_object *object, uint64_t index)
{
    struct store *store = mmk_object_private(object);

    return index < sizeof(store->bytes) / MMK_PAGE_SIZE ? store->bytes + index * MMK_PAGE_SIZE
                                                        : NULL;
}

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    const uint8_t *from = find(object, index);

    if (!from)
        return MMK_EIO;
    memcpy(page, from, MMK_PAGE_SIZE);
    return 0;
}

static int write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    struct store *store = mmk_object_private(object);
    uint8_t *to = find(object, index);

    if (!to)
        return MMK_EIO;
    memcpy(to, page, MMK_PAGE_SIZE);
    store->used = mmk_max(store->used, (index + 1) * MMK_PAGE_SIZE);
    return 0;
}

static int punch_hole(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    store_zero(mmk_object_private(object), offset, length);
    return 0;
}

const struct mmk_object_ops store_ops = {
    .read_page = read_page, .write_page = write_page, .punch_hole = punch_hole};

static void clear(struct store *store)
{
    memset(store->bytes, 0, store->used);
    store->used = 0;
}

void store_clear_all(void)
{
    clear(&stored);
    clear(&on_disk);
}

void store_zero(struct store *store, uint64_t offset, uint64_t length)
{
    if (offset < store->used)
        memset(store->bytes + offset, 0, mmk_min(length, store->used - offset));
}
