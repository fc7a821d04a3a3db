/* SPDX-License-Identifier: MIT */
/*
 * object_swap.h - shared memory in swap: an object's index has a slot in place of a page.
 */
#ifndef MMK_SRC_OBJECT_SWAP_H
#define MMK_SRC_OBJECT_SWAP_H

#include "object.h"
#include "swap_area.h"

/* What an index has: a page, or a slot, which is an odd number in place of an address. */
MMK_ALWAYS_INLINE bool mmk_entry_is_slot(const struct mmk_page *entry)
{
    return ((uintptr_t)entry & 1) != 0;
}

MMK_ALWAYS_INLINE uint64_t mmk_entry_slot(const struct mmk_page *entry)
{
    return (uint64_t)(uintptr_t)entry >> 1;
}

/* Is this page's content kept by nobody but mmkit? => an object's page, locked or mapped */
MMK_ALWAYS_INLINE bool mmk_page_is_shared_memory(const struct mmk_page *page)
{
    const struct mmk_object *object =
        (const struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);

    return object && !object->ops;
}

/*
 * Takes a page of shared memory out of memory: its content into a slot, which takes its place in
 * the object; out of all tables. One that was never written needs no slot: it is zeros. The frame
 * is free when the caller drops his reference.
 * => 0; or why it stays, with nothing lost: MMK_EBUSY: it is pinned, locked by mlock, used by
 *    somebody, or truncated; MMK_ENOMEM: no slot is free; MMK_EIO: it could not be written
 * => page locked, with a reference of the caller's; may sleep; as mmk_rmap_walk()
 */
MMK_MUST_CHECK int mmk_object_swap_out(struct mmk_page *page) MMK_REQUIRES(page);

/* The same, but it waits for no lock, only for the device. MMK_EBUSY, too: a lock is held. */
MMK_MUST_CHECK int mmk_object_swap_out_nowait(struct mmk_page *page) MMK_REQUIRES(page);

/*
 * Fills a new page, which has taken the place of a slot in the index.
 * => 0: the slot is free. MMK_EIO: the slot is in its place again, the page nowhere
 * => page locked; may sleep
 */
MMK_MUST_CHECK int mmk_object_swap_in(struct mmk_object *object, struct mmk_page *page,
                                      uint64_t slot) MMK_REQUIRES(page);

/* Drops the slot at `index`. => invalidate lock held for writing, or the last reference is gone */
void mmk_object_drop_slot(struct mmk_object *object, uint64_t index);

/*
 * A slot of an object's, while its area is swapped off: the page comes back, unless it is not
 * wanted any more.
 * => 0, or mmk_object_get_page()'s error; the caller has a reference to the slot; may sleep
 */
MMK_MUST_CHECK int mmk_object_return_slot(uint64_t slot);

/* Panics unless the slot at `index` is the object's. => nothing else runs in the object */
void mmk_object_check_slot(const struct mmk_object *object, uint64_t index, uint64_t slot);

#endif
