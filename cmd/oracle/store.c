/* SPDX-License-Identifier: MIT */
/* store.c - see store.h. There is one, as large as a file may get. */
#include "store.h"

#include "possible.h"

#include <string.h>

static uint8_t bytes[FILE_MAX + MMK_PAGE_SIZE];
static size_t used; /* beyond, all are zero */

/* => the page; NULL: no file is so large */
static uint8_t *find(uint64_t index)
{
    return index < sizeof(bytes) / MMK_PAGE_SIZE ? bytes + index * MMK_PAGE_SIZE : NULL;
}

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    const uint8_t *from = find(index);

    (void)object;
    if (!from)
        return MMK_EIO;
    memcpy(page, from, MMK_PAGE_SIZE);
    return 0;
}

static int write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    uint8_t *to = find(index);

    (void)object;
    if (!to)
        return MMK_EIO;
    memcpy(to, page, MMK_PAGE_SIZE);
    used = mmk_max(used, (index + 1) * MMK_PAGE_SIZE);
    return 0;
}

const struct mmk_object_ops store_ops = {.read_page = read_page, .write_page = write_page};

void store_clear(void)
{
    memset(bytes, 0, used);
    used = 0;
}

void store_zero(uint64_t offset, uint64_t length)
{
    if (offset < used)
        memset(bytes + offset, 0, mmk_min(length, used - offset));
}
