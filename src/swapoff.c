/* SPDX-License-Identifier: MIT */
/*
 * swapoff.c - owns the end of an area: all that is in it comes back.
 *
 * Slot by slot: a slot says whose it is, and from there all entries that name it are found, as a
 * page's are. So no table is looked at that has nothing in the area.
 *
 * When one pass is over, slots may still be used: by who just looks at one, or takes out a page
 * whose slot was given out before the area was stopped; by an entry whose memory is just being
 * unmapped. All of these end by dropping a reference to the slot: that is waited for, and then all
 * are looked at once more. But an entry that mremap moves, or fork copies, behind the search stays
 * until it is searched for again: where entries may be left, after a grace period.
 *
 * Rejected: searching all address spaces for each area (Linux): it takes a list of them, their
 * locks, and looks at every table that there is.
 */
#include "object_swap.h"
#include "planted.h"
#include "swap_in.h"
#include "swap_return.h"

/* => the reference is dropped; *again: there are others yet */
static int return_private(uint64_t slot, bool *again) MMK_NO_TSA
{
    struct mmk_page *page;
    bool read;
    int error = mmk_swap_in(NULL, slot, &page, &read);

    if (error) {
        mmk_swap_put(slot);
        return error;
    }
    mmk_swap_return_all(page);
    if (mmk_slot_refs(slot) > 1)
        *again = true;
    mmk_swap_put(slot);
    (void)mmk_swap_take_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    return 0;
}

static int return_slot(uint64_t slot, void *again)
{
    uintptr_t owner = (uintptr_t)mmk_aptr_load(mmk_slot_owner(slot), MMK_RELAXED);
    int error = 0;

    if (owner && (owner & MMK_SLOT_OWNER) != MMK_SLOT_OBJECT)
        return return_private(slot, (bool *)again);
    if (owner)
        error = mmk_object_return_slot(slot);
    (void)mmk_slot_put(slot);
    return error;
}

/* Slots have users yet, who may be entries that the search has missed, or are about to be gone. */
static void wait_for_users(bool in_vain)
{
    mmk_host_rcu_barrier();
    if (in_vain)
        mmk_cpu_relax();
}

int mmk_swapoff(struct mmk_swap_area *area)
{
    bool again = false, before;
    uint32_t given;
    int error;

    mmk_swap_area_stop(area, true);
    for (;;) {
        before = again;
        again = false;
        given = mmk_swap_area_given(area);
        error = mmk_slot_for_each(area, return_slot, &again);
        if (error || !mmk_swap_area_used(area) || MMK_MISTAKE(OFF_ONCE))
            break;
        if (again)
            wait_for_users(before);
        else
            mmk_swap_area_wait(area, given);
    }
    if (error)
        mmk_swap_area_stop(area, false);
    else
        mmk_swap_area_remove(area);
    return error;
}
