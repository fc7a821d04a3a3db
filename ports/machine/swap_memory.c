/* SPDX-License-Identifier: MIT */
/* swap_memory.c - a device for a swap area that keeps pages in the memory of the process. */
#include "swap.h"

#include <stdlib.h>
#include <string.h>

static int memory_read(struct machine_swap *swap, uint64_t slot, void *page)
{
    memcpy(page, swap->page[slot], MMK_PAGE_SIZE);
    return 0;
}

static int memory_write(struct machine_swap *swap, uint64_t slot, const void *page)
{
    if (!swap->page[slot])
        swap->page[slot] = malloc(MMK_PAGE_SIZE);
    if (!swap->page[slot])
        return MMK_ENOMEM;
    memcpy(swap->page[slot], page, MMK_PAGE_SIZE);
    return 0;
}

static void memory_discard(struct machine_swap *swap, uint64_t slot)
{
    free(swap->page[slot]);
    swap->page[slot] = NULL;
}

static void memory_close(struct machine_swap *swap)
{
    uint64_t slot;

    for (slot = 0; slot < swap->slots; slot++)
        free(swap->page[slot]);
    free(swap->page);
}

static const struct swap_store memory_store = {
    .read = memory_read, .write = memory_write, .discard = memory_discard, .close = memory_close};

struct machine_swap *machine_swap_memory(uint64_t slots)
{
    struct machine_swap *swap = swap_new(&memory_store, slots);

    if (!swap)
        return NULL;
    swap->page = calloc((size_t)slots, sizeof(swap->page[0]));
    if (swap->page)
        return swap;
    swap->slots = 0;
    machine_swap_close(swap);
    return NULL;
}
