/* SPDX-License-Identifier: MIT */
/*
 * swap.h - pages anywhere go to swap and come back, beside those who use them. Some cannot be
 * written: the device fails now and then.
 */
#ifndef SWAP_H
#define SWAP_H

#include "back.h"

#include "swap_cache.h"
#include "swap_out.h"
#include <machine_swap.h>

#define SWAP_SLOTS 160 /* at times that is too few */

static struct {
    struct machine_swap *device;
    struct mmk_swap_area *area;
    uint64_t entries; /* of all address spaces, at a quiet point */
} swap;

static void swap_begin(void)
{
    const struct machine_swap_errors errors = {
        .write_one_in = 40, .seed = 1, .write_error = MMK_EAGAIN};

    swap.device = machine_swap_memory(SWAP_SLOTS);
    check(swap.device != NULL);
    machine_swap_set_errors(swap.device, &errors);
    check(mmk_swapon(&machine_swap_ops, swap.device, SWAP_SLOTS, 0, &swap.area) == 0);
}

/* An object's index is another's. */
static int swap_count_entries(uint64_t slot, void *entries)
{
    uintptr_t owner = (uintptr_t)mmk_aptr_load(mmk_slot_owner(slot), MMK_RELAXED);

    if ((owner & MMK_SLOT_OWNER) != MMK_SLOT_OBJECT)
        *(uint64_t *)entries += mmk_slot_refs(slot) - 1; /* besides the visitor's */
    mmk_swap_put(slot);
    return 0;
}

/* Nobody has a slot but the entries that were counted. => nothing else runs */
static void swap_check(void)
{
    uint64_t entries = 0;

    mmk_swap_check();
    (void)mmk_slot_for_each(swap.area, swap_count_entries, &entries);
    if (entries != swap.entries)
        fail("%llu entries are in swap, %llu were found", (unsigned long long)entries,
             (unsigned long long)swap.entries);
    swap.entries = 0;
}

/* => no address space is left */
static void swap_end(void)
{
    swap_check();
    mmk_swap_area_stop(swap.area, true);
    mmk_swap_area_remove(swap.area);
    machine_swap_close(swap.device);
}

static void swap_page_out(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_page *page = page_at(mm, addr);
    int error = 0;

    if (!page)
        return;
    mmk_page_lock(page);
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        error = mmk_swap_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    check(error == 0 || error == MMK_EBUSY || error == MMK_ENOMEM || error == MMK_EIO);
}

/* Nobody may notice. One page is left where it is: it is asked for whether it is resident. */
static void swap_op(struct mmk_mm *mm)
{
    mmk_vaddr_t addr = back_addr();
    uint64_t length = (1 + random_below(8)) * PAGE;
    int error = 0;

    if (addr == WORD_BASE)
        return;
    switch (random_below(4)) {
    case 0:
        CALL(error, mmk_madvise(mm, addr, length, MMK_MADV_WILLNEED));
        break;
    case 1:
        CALL(error, mmk_madvise(mm, addr, length, MMK_MADV_PAGEOUT));
        break;
    default:
        swap_page_out(mm, addr);
        break;
    }
    check(error == 0 || error == MMK_ENOMEM || error == MMK_EINVAL); /* holes, locked memory */
}

#endif
