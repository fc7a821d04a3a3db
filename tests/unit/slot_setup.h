/* SPDX-License-Identifier: MIT */
/*
 * slot_setup.h - swap areas of a test, on devices in memory, and private pages that no program has.
 * Include it after fixture.h.
 */
#ifndef SLOT_SETUP_H
#define SLOT_SETUP_H

#include "page_rmap.h"
#include "swap_cache.h"

#include <machine_swap.h>

struct test_area {
    struct machine_swap *device;
    struct mmk_swap_area *area;
};

static inline struct test_area swap_on(uint64_t slots, int priority)
{
    struct test_area made = {machine_swap_memory(slots), NULL};

    assert_non_null(made.device);
    assert_int_equal(mmk_swapon(&machine_swap_ops, made.device, slots, priority, &made.area), 0);
    mmk_swap_check();
    return made;
}

/* => no slot is in use */
static inline void swap_off(struct test_area *made)
{
    mmk_swap_check();
    mmk_swap_area_stop(made->area, true);
    mmk_swap_area_remove(made->area);
    machine_swap_close(made->device);
}

static inline struct mmk_swap_stats area_stats(struct mmk_swap_area *area)
{
    struct mmk_swap_stats stats;

    mmk_swap_stats(area, &stats);
    return stats;
}

/* As if one entry mapped it, of the fixture's mm: locked. */
static inline struct mmk_page *private_page(uint8_t byte)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);

    assert_non_null(page);
    mmk_page_set_type(page, MMK_PAGE_ANON);
    mmk_aptr_store(&page->user.kin, mm->kin, MMK_RELAXED);
    page->user.index = (uint64_t)byte << 20;
    mmk_a32_store(&page->user.mapcount, 1, MMK_RELAXED);
    mmk_a32_store(&page->user.pins, 0, MMK_RELAXED);
    memset(mmk_page_virt(page), byte, PAGE);
    assert_true(mmk_page_trylock(page)); /* whatever else the caller has locked */
    return page;
}

static inline void unmap_page(struct mmk_page *page)
{
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
}

static inline void free_page(struct mmk_page *page)
{
    unmap_page(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

#endif
