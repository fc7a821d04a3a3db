/* SPDX-License-Identifier: MIT */
/*
 * swap_setup.h - a swap area in memory for tests, which fails when told to. Include it after
 * fixture.h.
 */
#ifndef SWAP_SETUP_H
#define SWAP_SETUP_H

#include <stdlib.h>

#include "swap_cache.h"
#include "swap_out.h"
#include <mmkit/swap.h>

struct swap_device {
    uint64_t slots;
    uint8_t *bytes;
    int fails_read, fails_write; /* errors, or 0 */
    uint64_t bad_slot;           /* whose reading fails; none: UINT64_MAX */
    unsigned reads, writes;      /* calls */
    unsigned fail_nth;           /* the nth call from now on fails; 0: none */
    bool fail_onward;            /* and all after it */
    unsigned failed;             /* calls, for that reason */
    struct mmk_swap_area *area;
};

static struct swap_device swap_device;

static inline bool swap_fails(struct swap_device *d)
{
    if (d->fail_nth == 0 || (d->fail_nth > 1 && d->fail_nth--))
        return false;
    if (!d->fail_onward)
        d->fail_nth = 0;
    d->failed++;
    return true;
}

static inline int swap_read(void *device, uint64_t slot, void *const page[], unsigned count)
{
    struct swap_device *d = device;
    unsigned i;

    d->reads++;
    if (swap_fails(d))
        return MMK_EAGAIN;
    if (d->fails_read || (d->bad_slot >= slot && d->bad_slot - slot < count))
        return d->fails_read ? d->fails_read : MMK_EIO;
    for (i = 0; i < count; i++)
        memcpy(page[i], d->bytes + (slot + i) * PAGE, PAGE);
    return 0;
}

static inline int swap_write(void *device, uint64_t slot, const void *const page[], unsigned count)
{
    struct swap_device *d = device;
    unsigned i;

    d->writes++;
    if (swap_fails(d))
        return MMK_EAGAIN;
    if (d->fails_write)
        return d->fails_write;
    for (i = 0; i < count; i++)
        memcpy(d->bytes + (slot + i) * PAGE, page[i], PAGE);
    return 0;
}

static const struct mmk_swap_ops swap_ops = {.read = swap_read, .write = swap_write};

static inline void swap_on(uint64_t slots)
{
    memset(&swap_device, 0, sizeof(swap_device));
    swap_device.slots = slots;
    swap_device.bad_slot = UINT64_MAX;
    swap_device.bytes = calloc(slots, PAGE);
    assert_non_null(swap_device.bytes);
    assert_int_equal(mmk_swapon(&swap_ops, &swap_device, slots, 0, &swap_device.area), 0);
}

/* => nothing is in it any more */
static inline void swap_off(void)
{
    mmk_swap_area_stop(swap_device.area, true);
    mmk_swap_area_remove(swap_device.area);
    free(swap_device.bytes);
}

static inline uint64_t swap_used(void)
{
    struct mmk_swap_stats stats;

    mmk_swap_stats(swap_device.area, &stats);
    return stats.used;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static inline bool is_swapped(struct mmk_mm *in, mmk_vaddr_t addr)
{
    return mmk_pte_swap(peek_entry(in, addr));
}

/* So many of the address space's pages are mapped, so many in swap. */
static inline void expect_swapped(struct mmk_mm *in, uint64_t anon, uint64_t swapped)
{
    struct mmk_mm_stats stats = mm_stats(in);

    assert_int_equal(stats.rss_anon, anon);
    assert_int_equal(stats.swapped, swapped);
    mmk_check(in);
}

/* The page that `in` maps at addr, wherever else it is mapped. => as mmk_swap_out() */
static inline int swap_out_at(struct mmk_mm *in, mmk_vaddr_t addr)
{
    struct mmk_page *page = peek_page(in, addr);
    int error;

    assert_non_null(page);
    mmk_page_get(page);
    mmk_page_lock(page);
    error = mmk_swap_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    mmk_check(in);
    return error;
}

#endif
