/* SPDX-License-Identifier: MIT */
/*
 * object_swap.c - owns the way of shared memory between its object and its slots.
 *
 *   index has a page --out: written, nobody has it--> a slot
 *              ^                                        |
 *              '---- in: a new page, locked, filled <---'   read failed: the slot again
 *
 * OS1 What an index has changes from page to slot with the page locked, from slot to page and from
 *     slot to nothing with the invalidate lock. So whoever has the latter for writing finds slots
 *     that stay, and pages that may become slots until he has locked them.
 * OS2 The index has one reference to a slot, and the slot says which object and index it is of,
 *     from before it is in the index until after it has left: swapoff finds the object from there.
 * OS3 A page becomes a slot when it is clean, mapped nowhere, and has no user but the index and the
 *     caller: who holds a page that he has unlocked, to change it later, keeps it.
 *
 * There is no cache of pages that are in a slot, too: the index is where both are looked for. A
 * page that has come in leaves its slot behind, and is dirty, as it would have to be written again.
 *
 * Locks: page lock, then the index lock for the change alone. The I/O is done with the page locked:
 * who wants the page waits for it.
 *
 * Rejected: a slot that a page keeps until it is written to, as the swap cache does for private
 * ones: shared memory is seldom only read.
 */
#include "object_swap.h"

#include "planted.h"
#include "rmap_use.h"

static struct mmk_page *as_entry(uint64_t slot)
{
    return (struct mmk_page *)(uintptr_t)(slot << 1 | 1);
}

static void *as_owner(struct mmk_object *object)
{
    return (char *)object + MMK_SLOT_OBJECT;
}

static struct mmk_object *of_owner(char *owner)
{
    if (((uintptr_t)owner & MMK_SLOT_OWNER) != MMK_SLOT_OBJECT)
        return NULL;
    return (struct mmk_object *)(void *)(owner - MMK_SLOT_OBJECT);
}

static void replace(struct mmk_object *object, uint64_t index, const struct mmk_page *old,
                    struct mmk_page *entry)
{
    const struct mmk_page *was;

    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    was = mmk_page_index_replace_locked(mmk_object_pages(object), index, entry);
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    mmk_assert(was == old, "O1 a page is where user.index says");
}

/* => what was there */
static const struct mmk_page *remove_entry(struct mmk_object *object, uint64_t index)
{
    const struct mmk_page *entry;

    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    entry = mmk_page_index_remove_locked(mmk_object_pages(object), index);
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    return entry;
}

/* --- out ------------------------------------------------------------------------------------- */

/* => 0, *written: its content is in the slot; else it never had any */
static int write_out(struct mmk_page *page, uint64_t slot, bool *written) MMK_REQUIRES(page)
{
    int error;

    *written = mmk_page_take_dirty(page);
    error = *written ? mmk_slot_write(slot, &page, 1) : 0;
    if (error)
        mmk_page_mkdirty(page);
    return error ? MMK_EIO : 0;
}

/* OS3. Acquire: what was done to it by who has let go of it. => the caller has a reference */
static bool is_alone(const struct mmk_page *page)
{
    return mmk_a32_load(&page->refs, MMK_ACQUIRE) == 2 || MMK_MISTAKE(SHARED_OUT_USED);
}

static bool is_unused(const struct mmk_page *page)
{
    return is_alone(page) && (!mmk_page_test(page, MMK_PF_DIRTY) || MMK_MISTAKE(SHARED_OUT_USED));
}

/* The slot takes its place in the index, or, as it was never written, nothing. */
static void take_out(struct mmk_object *object, struct mmk_page *page, uint64_t slot, bool written)
    MMK_REQUIRES(page)
{
    if (written) {
        mmk_note_evicted(NULL, slot, true);
        replace(object, page->user.index, page, as_entry(slot));
    } else {
        (void)remove_entry(object, page->user.index);
        mmk_slot_forget(slot);
    }
    mmk_aptr_store(&page->user.object, NULL, MMK_RELAXED);
    mmk_page_put(page); /* not the last: the caller has one */
}

/* => otherwise than by 0 the slot is the caller's to free */
static int unmap_and_write(struct mmk_object *object, struct mmk_page *page, uint64_t slot,
                           bool wait) MMK_REQUIRES(page)
{
    bool written;
    int error;

    if (wait ? !mmk_page_try_to_unmap(page) : !mmk_page_try_to_unmap_nowait(page))
        return MMK_EBUSY;
    if (!is_alone(page))
        return MMK_EBUSY; /* it would be written in vain: perhaps it still is stored to (P5) */
    error = write_out(page, slot, &written);
    if (error)
        return error;
    if (is_unused(page)) {
        take_out(object, page, slot, written);
        return 0;
    }
    if (written)
        mmk_page_mkdirty(page); /* the slot will not keep it */
    return MMK_EBUSY;
}

static int swap_out(struct mmk_page *page, bool wait) MMK_REQUIRES(page)
{
    struct mmk_object *object = (struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);
    uint64_t slot;
    int error;

    if (!object || mmk_page_pinned(page))
        return MMK_EBUSY;
    mmk_assert(!object->ops, "OS1 shared memory goes to swap");
    if (!mmk_slot_alloc(as_owner(object), page->user.index, &slot))
        return MMK_ENOMEM;
    error = unmap_and_write(object, page, slot, wait);
    if (error)
        mmk_slot_forget(slot);
    return error;
}

int mmk_object_swap_out(struct mmk_page *page)
{
    return swap_out(page, true);
}

int mmk_object_swap_out_nowait(struct mmk_page *page)
{
    return swap_out(page, false);
}

/* --- in -------------------------------------------------------------------------------------- */

int mmk_object_swap_in(struct mmk_object *object, struct mmk_page *page, uint64_t slot)
{
    if (MMK_MISTAKE(SHARED_SLOT_EARLY))
        mmk_slot_forget(slot);
    if (mmk_slot_read(slot, &page, 1)) {
        replace(object, page->user.index, page, as_entry(slot));
        return MMK_EIO;
    }
    mmk_note_returned(NULL, slot);
    mmk_page_mkdirty(page);
    mmk_page_set(page, MMK_PF_UPTODATE);
    if (!MMK_MISTAKE(SHARED_SLOT_EARLY))
        mmk_slot_forget(slot);
    return 0;
}

void mmk_object_drop_slot(struct mmk_object *object, uint64_t index)
{
    const struct mmk_page *entry = remove_entry(object, index);

    mmk_assert(mmk_entry_is_slot(entry), "OS1 a slot stays where it is");
    mmk_slot_forget(mmk_entry_slot(entry));
}

/* => the object that a slot is of, with a reference; NULL: it is none's any more */
static struct mmk_object *get_owner(uint64_t slot)
{
    struct mmk_object *object;
    uint32_t refs;

    /*
     * OS2: it says so no more before the object's memory waits for a grace period. Relaxed: the
     * object was made before its slots were given out, and that before their area was stopped.
     */
    mmk_rcu_read_lock();
    object = of_owner(mmk_aptr_load(mmk_slot_owner(slot), MMK_RELAXED));
    refs = object ? mmk_a32_load(&object->refs, MMK_RELAXED) : 0;
    while (refs != 0 && !mmk_a32_cmpxchg(&object->refs, &refs, refs + 1, MMK_RELAXED))
        continue;
    mmk_rcu_read_unlock();
    return refs != 0 ? object : NULL;
}

int mmk_object_return_slot(uint64_t slot)
{
    struct mmk_object *object = get_owner(slot);
    struct mmk_page *page;
    int error;

    if (!object)
        return 0;
    error = mmk_object_get_page(object, *mmk_slot_index(slot), &page);
    if (!error) {
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
    mmk_object_put(object);
    return error == MMK_EFAULT ? 0 : error; /* it is being truncated */
}

void mmk_object_check_slot(const struct mmk_object *object, uint64_t index, uint64_t slot)
{
    mmk_assert(of_owner(mmk_aptr_load(mmk_slot_owner(slot), MMK_RELAXED)) == object &&
                   *mmk_slot_index(slot) == index,
               "OS2 a slot in an index says whose it is");
    mmk_assert(mmk_slot_refs(slot) == 1, "OS2 the index has the slot's only reference");
}
