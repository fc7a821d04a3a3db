/* SPDX-License-Identifier: MIT */
/*
 * swap_out.c - owns the way of a private page from memory to its slot.
 *
 *   mapped --a slot, in the cache, DIRTY--> swap entries, in the cache --written--> clean --> freed
 *
 * At each step the way back is a fault, which finds the page in the cache, or reads it. Whatever
 * fails, the page stays where it has come to; a slot that no entry names is given back.
 *
 * SO1 The page is written when nothing maps it, and its lock is held until it is: so its content
 *     does not change meanwhile, and who comes for it waits. (P13: what its entries knew of stores,
 *     the page knows by then, TLBs are flushed.)
 * SO2 It is freed when it is clean, mapped nowhere, and has no user but the cache and the caller.
 *
 * Rejected: letting go of the lock for the writing (Linux): who comes then has to be kept from
 * storing to the page by yet another state of it; here one page of memory is wanted back, and comes
 * the sooner.
 */
#include "swap_out.h"

#include "planted.h"
#include "rmap_use.h"
#include "rmap_walk.h"
#include "swap_cache.h"

/* => 0: it is in its slot */
static int write_out(struct mmk_page *page, uint64_t slot) MMK_REQUIRES(page)
{
    int error;

    if (!mmk_page_take_dirty(page))
        return 0;
    error = mmk_slot_write(slot, &page, 1);
    if (error)
        mmk_page_mkdirty(page);
    return error ? MMK_EIO : 0;
}

static bool unmap(struct mmk_page *page, enum mmk_unmap_how how, bool wait) MMK_REQUIRES(page)
{
    return wait ? mmk_page_try_to_unmap(page, how) : mmk_page_try_to_unmap_nowait(page, how);
}

/* => the page is cached as the slot's; the caller has a reference to the slot */
static int unmap_and_write(struct mmk_page *page, uint64_t slot, bool wait) MMK_REQUIRES(page)
{
    bool used = mmk_page_mapcount(page) > 0;
    int error;

    if (!unmap(page, MMK_UNMAP_SWAP, wait))
        return MMK_EBUSY;
    if (MMK_MISTAKE(DROPPED_UNWRITTEN) && mmk_page_refs(page) == 2) {
        mmk_swap_drop(page);
        return write_out(page, slot);
    }
    if (mmk_slot_refs(slot) == 1)
        return 0; /* nobody will ask for it: it goes with the caller's reference to the slot */
    error = write_out(page, slot);
    if (error)
        return error;
    if (mmk_page_refs(page) != 2)
        return MMK_EBUSY;
    mmk_note_evicted(NULL, slot, used);
    mmk_swap_drop(page);
    return 0;
}

/* arg: the page's kin, with an orphan more, which keeps it. Nobody makes the page his own any more.
 */
static bool hold_kin(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct mmk_kin **kin = (struct mmk_kin **)arg;
    struct mmk_walk walk;

    if (!mmk_rmap_lock(page, mm, addr, &walk))
        return false;
    *kin = mmk_page_kin(page);
    mmk_kin_add_orphan(*kin);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return true;
}

/* => 0 with a reference to the slot; MMK_ENOMEM: there is no room; MMK_EBUSY: nobody has the page
 */
static int new_slot(struct mmk_page *page, uint64_t *slot, bool wait) MMK_REQUIRES(page)
{
    struct mmk_kin *kin = NULL;
    bool added, whole = true;

    if (wait)
        mmk_rmap_walk(page, hold_kin, &kin);
    else
        whole = mmk_rmap_try_walk(page, hold_kin, &kin);
    if (!kin)
        return MMK_EBUSY;
    mmk_assert(whole, "a search that has found what it looked for is over");
    added = mmk_swap_add(page, slot);
    mmk_kin_forget_orphan(kin);
    return added ? 0 : MMK_ENOMEM;
}

/*
 * The page's slot, a new one if it has none. One whose area is being swapped off gets no entries
 * again: whoever does that has held the page lock, and may have searched for them.
 * => as new_slot(); MMK_EIO: the slot could not be written before
 */
static int get_slot(struct mmk_page *page, uint64_t *slot, bool wait) MMK_REQUIRES(page)
{
    if (!mmk_page_test(page, MMK_PF_SWAPCACHE))
        return new_slot(page, slot, wait);
    *slot = page->user.slot;
    if (mmk_slot_stopped(*slot) && !MMK_MISTAKE(OUT_TO_STOPPED))
        return MMK_EBUSY;
    if (mmk_slot_is_bad(*slot))
        return MMK_EIO;
    mmk_slot_get(*slot);
    return 0;
}

static int swap_out(struct mmk_page *page, bool wait) MMK_REQUIRES(page)
{
    uint64_t slot;
    int error;

    if (mmk_page_pinned(page))
        return MMK_EBUSY;
    if (mmk_page_test(page, MMK_PF_LAZYFREE)) {
        if (unmap(page, MMK_UNMAP_DISCARD, wait))
            return 0;
        mmk_page_clear(page, MMK_PF_LAZYFREE);
    }
    error = get_slot(page, &slot, wait);
    if (error)
        return error;
    error = unmap_and_write(page, slot, wait);
    mmk_swap_put(slot);
    if (error && mmk_page_test(page, MMK_PF_SWAPCACHE))
        (void)mmk_swap_take_out(page);
    return error;
}

int mmk_swap_out(struct mmk_page *page)
{
    return swap_out(page, true);
}

int mmk_swap_out_nowait(struct mmk_page *page)
{
    return swap_out(page, false);
}
