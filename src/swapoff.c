/* SPDX-License-Identifier: MIT */
/*
 * swapoff.c - owns the end of an area: all that is in it comes back.
 *
 * Slot by slot: a slot says whose it is, and from there all entries that name it are found, as a
 * page's are. So no table is looked at that has nothing in the area.
 *
 * When one pass is over, slots may still be used, for two reasons.
 *   - An entry has stayed whose mapping is not to be found while it is changed, or unmapped
 *     (swap_return.c). Its mmap lock is waited for, with no page locked; then the slot is looked at
 *     once more. (RW1 has no entry missed for another reason.)
 *   - Somebody has a reference who just looks at the slot, or took an entry out. Who drops the last
 *     one says so: that is waited for. The slot gets no entries again: nothing goes to an area that
 *     is stopped.
 *
 * Rejected: searching all address spaces for each area (Linux): it takes a list of them, their
 * locks, and looks at every table that there is.
 */
#include "account.h"
#include "object_swap.h"
#include "planted.h"
#include "swap_in.h"
#include "swap_return.h"
#include "waiting.h"

/* Returns when whoever was at work on its mappings is through. => drops it */
static void wait_for_changes(struct mmk_mm *mm)
{
    /* For writing: munmap goes through entries with the lock held for reading. */
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_mm_drop(mm);
}

/* => the reference is dropped; *again: an entry has stayed, and need not any more */
static int return_private(uint64_t slot, bool *again) MMK_NO_TSA
{
    struct mmk_mm *stayed;
    struct mmk_page *page;
    bool read;
    int error = mmk_swap_in(NULL, slot, &page, &read);

    if (error) {
        mmk_swap_put(slot);
        return error;
    }
    stayed = mmk_swap_return_all(page);
    mmk_swap_put(slot);
    (void)mmk_swap_take_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    if (stayed) {
        wait_for_changes(stayed);
        *again = !MMK_MISTAKE(OFF_MISSES);
    }
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

/* What is committed may count on the area no more: taken before, given when it is so. */
static int stop(struct mmk_swap_area *area)
{
    struct mmk_swap_stats stats;
    int error;

    mmk_swap_stats(area, &stats);
    error = mmk_commit_take(stats.slots << MMK_PAGE_SHIFT);
    if (error)
        return error;
    mmk_swap_area_stop(area, true);
    mmk_commit_give(stats.slots << MMK_PAGE_SHIFT);
    return 0;
}

int mmk_swapoff(struct mmk_swap_area *area)
{
    uint32_t given;
    bool again;
    int error;

    mmk_waiting_throttle();
    error = stop(area);
    if (error)
        return error;
    for (;;) {
        again = false;
        given = mmk_swap_area_given(area);
        error = mmk_slot_for_each(area, return_slot, &again);
        if (error || !mmk_swap_area_used(area) || MMK_MISTAKE(OFF_ONCE))
            break;
        if (!again)
            mmk_swap_area_wait(area, given);
    }
    if (error)
        mmk_swap_area_stop(area, false);
    else
        mmk_swap_area_remove(area);
    return error;
}
