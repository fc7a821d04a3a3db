/* SPDX-License-Identifier: MIT */
/*
 * swap.c - devices for swap areas: what is the same for all. A slot's state says whether it has
 * content, and who is at it; mmkit's promises are checked by it.
 */
#include "swap.h"

#include <mmkit/host.h>
#include <stdlib.h>
#include <string.h>

#define WRITTEN 0x80000000u /* it has content */
#define WRITER  0x40000000u /* a write is under way; else the number of reads that are */

struct machine_swap *swap_new(const struct swap_store *store, uint64_t slots)
{
    struct machine_swap *swap = calloc(1, sizeof(*swap));

    if (!swap)
        return NULL;
    swap->state = calloc((size_t)slots, sizeof(swap->state[0]));
    if (!swap->state) {
        free(swap);
        return NULL;
    }
    swap->store = store;
    swap->slots = slots;
    return swap;
}

void machine_swap_close(struct machine_swap *swap)
{
    swap->store->close(swap);
    free(swap->state);
    free(swap);
}

void machine_swap_set_errors(struct machine_swap *swap, const struct machine_swap_errors *errors)
{
    const struct machine_swap_errors none = {0};

    swap->errors = errors ? *errors : none;
}

void machine_swap_stats(struct machine_swap *swap, struct machine_swap_stats *stats)
{
    stats->reads = mmk_a64_load(&swap->reads, MMK_RELAXED);
    stats->writes = mmk_a64_load(&swap->writes, MMK_RELAXED);
    stats->discarded = mmk_a64_load(&swap->discarded, MMK_RELAXED);
    stats->read_bad = mmk_a64_load(&swap->read_bad, MMK_RELAXED);
    stats->write_bad = mmk_a64_load(&swap->write_bad, MMK_RELAXED);
}

/* The call number n of its kind: is it to fail? */
static bool is_chosen(uint64_t n, uint32_t nth, uint32_t one_in, uint64_t seed)
{
    uint64_t hash = (n + seed) * 0x9e3779b97f4a7c15;

    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9;
    return (nth != 0 && n % nth == 0) || (one_in != 0 && (hash >> 32) % one_in == 0);
}

static bool read_fails(struct machine_swap *swap)
{
    uint64_t n = mmk_a64_fetch_add(&swap->reads, 1, MMK_RELAXED) + 1;

    return is_chosen(n, swap->errors.read_nth, swap->errors.read_one_in, swap->errors.seed);
}

static bool write_fails(struct machine_swap *swap)
{
    uint64_t n = mmk_a64_fetch_add(&swap->writes, 1, MMK_RELAXED) + 1;

    return is_chosen(n, swap->errors.write_nth, swap->errors.write_one_in, ~swap->errors.seed);
}

static int read_slot(struct machine_swap *swap, uint64_t slot, void *page, bool fails)
{
    uint32_t state = mmk_a32_fetch_add(&swap->state[slot], 1, MMK_ACQUIRE);
    int error = swap->errors.read_error;

    mmk_assert((state & WRITTEN) && !(state & WRITER), "swap: a slot is read that has a page");
    if (fails)
        memset(page, 0xa5, MMK_PAGE_SIZE);
    else
        error = swap->store->read(swap, slot, page);
    mmk_a32_fetch_sub(&swap->state[slot], 1, MMK_RELEASE);
    return error;
}

static int swap_read(void *device, uint64_t slot, void *const page[], unsigned count)
{
    struct machine_swap *swap = device;
    bool fails = read_fails(swap);
    int error = 0;
    unsigned i;

    mmk_assert(count > 0 && slot + count <= swap->slots, "swap: slots are the device's");
    for (i = 0; i < count && !error; i++)
        error = read_slot(swap, slot + i, page[i], fails);
    if (error)
        mmk_a64_fetch_add(&swap->read_bad, 1, MMK_RELAXED);
    return error;
}

static int write_slot(struct machine_swap *swap, uint64_t slot, const void *page, bool fails)
{
    uint32_t state = mmk_a32_xchg(&swap->state[slot], WRITER, MMK_ACQUIRE);
    int error = swap->errors.write_error;

    mmk_assert((state & ~WRITTEN) == 0, "swap: a slot is written by one, and not read meanwhile");
    if (!fails)
        error = swap->store->write(swap, slot, page);
    state = mmk_a32_xchg(&swap->state[slot], error ? 0 : WRITTEN, MMK_RELEASE);
    mmk_assert(state == WRITER, "swap: a slot is not read while it is written");
    return error;
}

static int swap_write(void *device, uint64_t slot, const void *const page[], unsigned count)
{
    struct machine_swap *swap = device;
    bool fails = write_fails(swap);
    int error = 0;
    unsigned i;

    mmk_assert(count > 0 && slot + count <= swap->slots, "swap: slots are the device's");
    for (i = 0; i < count && !error; i++)
        error = write_slot(swap, slot + i, page[i], fails);
    if (error)
        mmk_a64_fetch_add(&swap->write_bad, 1, MMK_RELAXED);
    return error;
}

static void swap_discard(void *device, uint64_t slot, uint64_t count)
{
    struct machine_swap *swap = device;
    uint32_t state;
    uint64_t i;

    mmk_assert(slot + count <= swap->slots, "swap: slots are the device's");
    for (i = slot; i < slot + count; i++) {
        state = mmk_a32_xchg(&swap->state[i], WRITER, MMK_ACQUIRE);
        mmk_assert((state & ~WRITTEN) == 0, "swap: a slot is discarded that nobody uses");
        if (state & WRITTEN)
            swap->store->discard(swap, i);
        mmk_a32_store(&swap->state[i], 0, MMK_RELEASE);
    }
    mmk_a64_fetch_add(&swap->discarded, count, MMK_RELAXED);
}

const struct mmk_swap_ops machine_swap_ops = {.read = swap_read, .write = swap_write};
const struct mmk_swap_ops machine_swap_ops_discard = {
    .read = swap_read, .write = swap_write, .discard = swap_discard};
