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
 * Several pages go at once, MMK_SLOT_IO_MOST at most: they are locked one after another, by tries,
 * and taken out of the tables; then come one flush, for each address space that follows another,
 * and one write for each row of slots. A write that fails is tried page by page, so that one bad
 * slot costs one page.
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

/* --- out of the tables -------------------------------------------------------------------------
 */

/* arg: the page's kin, with an orphan more, which keeps it. Nobody makes the page his own any more.
 */
static bool hold_kin(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct mmk_kin **kin = (struct mmk_kin **)arg;
    struct mmk_walk walk;

    if (!mmk_rmap_lock_any(page, mm, addr, &walk))
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

void mmk_swap_out_begin(struct mmk_swap_out *out, bool wait)
{
    out->later.mm = NULL;
    out->wait = wait;
    out->count = 0;
    out->gone = out->gone_marked = 0;
}

static bool discard(struct mmk_swap_out *out, struct mmk_page *page) MMK_REQUIRES(page)
{
    if (!mmk_page_test(page, MMK_PF_LAZYFREE))
        return false;
    if (mmk_page_discard(page, &out->later, out->wait))
        return true;
    mmk_page_clear(page, MMK_PF_LAZYFREE);
    return false;
}

int mmk_swap_out_add(struct mmk_swap_out *out, struct mmk_page *page, bool mark) MMK_NO_TSA
{
    struct mmk_out_page *item = &out->page[out->count];
    int error;

    mmk_assert(!mmk_swap_out_full(out), "SO1 so many pages go at once");
    *item = (struct mmk_out_page){.page = page, .mark = mark};
    if (mmk_page_pinned(page))
        return MMK_EBUSY;
    item->discarded = discard(out, page);
    if (!item->discarded) {
        error = get_slot(page, &item->slot, out->wait);
        if (error)
            return error;
        item->used = mmk_page_mapcount(page) > 0;
        if (!mmk_page_unmap_for_swap(page, &out->later, out->wait, &item->unmapped))
            item->error = MMK_EBUSY;
    }
    out->count++;
    return 0;
}

/* --- to its slot ----------------------------------------------------------------------------- */

/* It goes to its slot. => DIRTY is taken away, so it must be written */
static bool wants_writing(struct mmk_out_page *item) MMK_NO_TSA
{
    if (item->error || item->discarded)
        return false;
    if (MMK_MISTAKE(DROPPED_UNWRITTEN) && mmk_page_refs(item->page) == 2) {
        mmk_swap_drop(item->page);
        item->dropped = true;
    }
    /* Nobody will ask for it: it goes with our reference to the slot. */
    item->unwanted = mmk_slot_refs(item->slot) == 1;
    return !item->unwanted && mmk_page_take_dirty(item->page);
}

static void write_one(struct mmk_out_page *item) MMK_NO_TSA
{
    if (!mmk_slot_write(item->slot, &item->page, 1))
        return;
    mmk_page_mkdirty(item->page);
    item->error = MMK_EIO;
}

/* Pages whose slots lie in a row. */
static void write_row(struct mmk_out_page *item, unsigned count) MMK_NO_TSA
{
    struct mmk_page *page[MMK_SLOT_IO_MOST];
    unsigned i;

    for (i = 0; i < count; i++)
        page[i] = item[i].page;
    if (count > 1 && !mmk_slot_write(item->slot, page, count))
        return;
    for (i = 0; i < count; i++)
        write_one(&item[i]);
}

static void write_all(struct mmk_swap_out *out) MMK_NO_TSA
{
    struct mmk_out_page *item = out->page;
    unsigned i, count = 0; /* of the row that ends before the ith */

    for (i = 0; i < out->count; i++) {
        if (count > 0 && item[i].slot != item[i - 1].slot + 1) {
            write_row(&item[i - count], count);
            count = 0;
        }
        if (wants_writing(&item[i])) {
            count++;
        } else if (count > 0) {
            write_row(&item[i - count], count);
            count = 0;
        }
    }
    if (count > 0)
        write_row(&item[i - count], count);
}

/* SO2. => the reference to the slot is gone */
static void end(struct mmk_out_page *item) MMK_NO_TSA
{
    struct mmk_page *page = item->page;

    if (item->discarded)
        return;
    if (!item->error && !item->unwanted && !item->dropped) {
        if (mmk_page_refs(page) == 2) {
            mmk_note_evicted(NULL, item->slot, item->used);
            mmk_swap_drop(page);
        } else {
            item->error = MMK_EBUSY;
        }
    }
    mmk_swap_put(item->slot);
    if (item->error && mmk_page_test(page, MMK_PF_SWAPCACHE))
        (void)mmk_swap_take_out(page);
}

/* All but unlocking. */
static void finish(struct mmk_swap_out *out) MMK_NO_TSA
{
    unsigned i;

    if (!MMK_MISTAKE(ROW_UNFLUSHED))
        mmk_unflushed_flush(&out->later);
    for (i = 0; i < out->count; i++)
        mmk_unmapped_settle(out->page[i].page, &out->page[i].unmapped);
    write_all(out);
    if (MMK_MISTAKE(ROW_UNFLUSHED))
        mmk_unflushed_flush(&out->later);
    for (i = 0; i < out->count; i++)
        end(&out->page[i]);
}

void mmk_swap_out_finish(struct mmk_swap_out *out) MMK_NO_TSA
{
    unsigned i;

    finish(out);
    for (i = 0; i < out->count; i++) {
        out->gone += out->page[i].error == 0;
        out->gone_marked += out->page[i].error == 0 && out->page[i].mark;
        mmk_page_unlock(out->page[i].page);
        mmk_swap_put_page(out->page[i].page);
    }
    out->count = 0;
}

int mmk_swap_out(struct mmk_page *page)
{
    struct mmk_swap_out out;
    int error;

    mmk_swap_out_begin(&out, true);
    error = mmk_swap_out_add(&out, page, false);
    finish(&out); /* an entry that was looked at has begun a gather, whatever came of it */
    return error ? error : out.page[0].error;
}
