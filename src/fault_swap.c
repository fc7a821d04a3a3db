/* SPDX-License-Identifier: MIT */
/*
 * fault_swap.c - a touch of private memory that is out: the page comes back.
 *
 * P15 The slot has a reference from before the page is looked for until the entry is set, with the
 *     page locked and still the slot's, if it still says what it said.
 *
 * A page that nobody else has, mapped or swapped, is the address space's own. Then a write leaves
 * its slot behind, which is free; a read does not: as long as it stays clean, it can go again
 * without being written. One that others have comes read-only; a write then goes on as to any page
 * that is shared (fault_cow.c).
 */
#include "fault.h"

#include "charge.h"
#include "planted.h"
#include "swap_in.h"
#include "swap_return.h"

/* And the table: reading takes its time. => false: the entry is something else by now */
static bool hold_slot(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    if (!mmk_fault_lock(vmf, &vmf->kept))
        return false;
    if (!MMK_MISTAKE(SLOT_NOT_HELD))
        mmk_slot_get(mmk_pte_slot(vmf->pte));
    mmk_fault_keep(vmf);
    return true;
}

/* What the entry is to be; a page of one's own is writable at once, though clean. */
static mmk_pte_t leaf(const struct mmk_vmf *vmf, const struct mmk_page *page, bool own)
{
    bool writable = own && (vmf->flags & MMK_VM_WRITE);
    mmk_pte_t pte = mmk_fault_leaf(vmf, page, writable && vmf->access == MMK_ACCESS_WRITE);

    return writable ? mmk_pte_mkwrite(pte) : pte;
}

/*
 * The entry, which says what it said, becomes present. => false: the access needs more
 * => the caller has a reference to the slot, and now another one, which was the entry's
 */
static bool set_present(struct mmk_vmf *vmf, struct mmk_page *page)
    MMK_REQUIRES(page, vmf->kept.table->table.lock)
{
    bool own = mmk_pte_swap_exclusive(vmf->pte) || mmk_swap_sole(page, mmk_pte_slot(vmf->pte));
    mmk_pte_t pte = leaf(vmf, page, own);

    mmk_swap_return(&vmf->kept, vmf->vma, page, pte, own);
    return vmf->access != MMK_ACCESS_WRITE || mmk_pte_write(pte);
}

/*
 * => RETRY: it is something else by now, or the access needs more
 * => the caller has a reference to the slot, another one if *returned: the entry's; the table is
 *    let go of
 */
static enum mmk_fault_result commit(struct mmk_vmf *vmf, struct mmk_page *page, bool *returned)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES(page)
{
    bool done = false;

    *returned = mmk_fault_relock(vmf);
    if (*returned)
        done = set_present(vmf, page);
    mmk_pte_put_vmf_locked(vmf);
    return done ? MMK_FAULT_DONE : MMK_FAULT_RETRY;
}

/* Nobody comes for its slot again, or it would soon differ from it; or it cannot be written to. */
static bool leaves_slot(const struct mmk_vmf *vmf, const struct mmk_page *page) MMK_REQUIRES(page)
{
    return vmf->access == MMK_ACCESS_WRITE || (vmf->flags & MMK_VM_LOCKED) ||
           mmk_slot_is_bad(page->user.slot);
}

/* If the entry is something else by now, somebody else was more fortunate, or it is not wanted. */
static enum mmk_fault_result failed(struct mmk_vmf *vmf, int error)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    bool same = mmk_fault_relock(vmf);

    mmk_pte_put_vmf_locked(vmf);
    if (error == MMK_EINTR)
        return MMK_FAULT_KILLED;
    if (!same)
        return MMK_FAULT_RETRY;
    return error == MMK_ENOMEM ? MMK_FAULT_OOM : MMK_FAULT_BUS;
}

/* Maps it, if it may be charged. => as commit() */
static enum mmk_fault_result charge_and_commit(struct mmk_vmf *vmf, struct mmk_page *page,
                                               bool *returned)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES(page)
{
    if (page->share || mmk_charge(vmf->mm->group, page, MMK_CHARGE_PRIVATE, MMK_ALLOC_NORMAL))
        return commit(vmf, page, returned);
    *returned = false;
    mmk_pte_put_vmf(vmf);
    return MMK_FAULT_OOM;
}

/* Lets go of the page, and of the slot; and if the page has come back, it may leave its slot. */
static void finish(struct mmk_vmf *vmf, struct mmk_page *page, uint64_t slot, bool returned)
    MMK_RELEASES(page)
{
    if (returned) {
        mmk_note_returned(NULL, slot);
        mmk_swap_put(slot);
        mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_SWAP, 1);
    }
    if (!MMK_MISTAKE(SLOT_NOT_HELD))
        mmk_swap_put(slot);
    if (returned && leaves_slot(vmf, page))
        (void)mmk_swap_take_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
}

/* => the caller has a reference to the slot, and keeps the table: both are let go of */
static enum mmk_fault_result swap_in(struct mmk_vmf *vmf, uint64_t slot)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum mmk_fault_result result;
    struct mmk_page *page;
    bool read, returned;
    int error = mmk_swap_in(vmf->mm, slot, &page, &read);

    if (error) {
        mmk_swap_put(slot);
        return failed(vmf, error);
    }
    result = charge_and_commit(vmf, page, &returned);
    finish(vmf, page, slot, returned);
    if (read)
        mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_MAJOR, 1);
    return result;
}

enum mmk_fault_result mmk_fault_swap(struct mmk_vmf *vmf)
{
    if (!hold_slot(vmf))
        return MMK_FAULT_RETRY;
    return swap_in(vmf, mmk_pte_slot(vmf->pte));
}

/* --- without the mmap lock -------------------------------------------------------------------- */

/*
 * The slot's page, if that is in memory, nobody has its lock, and it may be charged: locked, with a
 * reference. => NULL, vmf->why; the table is locked, whose entry keeps the slot
 */
static struct mmk_page *try_page(struct mmk_vmf *vmf, uint64_t slot) MMK_NO_TSA
{
    struct mmk_page *page = mmk_swap_find(slot);

    vmf->why = MMK_COUNT_LOCKED_PAGE;
    if (!page)
        return NULL;
    if (mmk_page_trylock(page)) {
        if (mmk_swap_cached(page, slot) || MMK_MISTAKE(SWAP_NOT_AGAIN)) {
            if (page->share ||
                mmk_charge(vmf->mm->group, page, MMK_CHARGE_PRIVATE, MMK_ALLOC_NOWAIT))
                return page;
            vmf->why = MMK_COUNT_LOCKED_MEMORY;
        }
        mmk_page_unlock(page);
    }
    mmk_swap_put_page(page);
    return NULL;
}

/*
 * All under one hold of the table's lock: so the entry keeps the slot meanwhile (P15), and nothing
 * has to be looked at twice. The lock of the page is tried, against the order.
 */
bool mmk_fault_swap_rcu(struct mmk_vmf *vmf) MMK_NO_TSA
{
    uint64_t slot = mmk_pte_slot(vmf->pte);
    struct mmk_page *page;
    bool done;

    vmf->why = MMK_COUNT_LOCKED_CHANGED;
    if (!mmk_fault_lock(vmf, &vmf->kept))
        return false;
    page = try_page(vmf, slot);
    if (!page) {
        mmk_fault_unlock(&vmf->kept);
        return false;
    }
    if (!MMK_MISTAKE(SLOT_NOT_HELD))
        mmk_slot_get(slot);
    done = set_present(vmf, page);
    mmk_fault_unlock(&vmf->kept);
    finish(vmf, page, slot, true);
    vmf->why = MMK_COUNT_LOCKED_CHANGED;
    return done;
}
