/* SPDX-License-Identifier: MIT */
/*
 * fault_cow.c - a write to an entry that is read-only though the VMA allows writing.
 *
 *   shared mapping          the entry becomes writable
 *   own anonymous page      likewise: it is exclusive, or this entry holds the only reference.
 *                           A pinned page that is mapped is exclusive: never taken away (P9). One
 *                           in the swap cache leaves it first, if nobody else has its slot
 *   anything else           a copy takes its place: of the zero page, of an anonymous page that
 *                           others map, of an object's page in a private mapping
 *
 * P7 The frame changes by: exchange to none, flush, set, under one hold of the table's lock, so
 *    that no CPU reads the old page after another has written the new one. `live` is unchanged.
 *
 * While the copy is made a reference keeps the old page, and keeps its other mappers from taking
 * it for their own; and a pin keeps the table, so that the way to it need not be gone twice.
 */
#include "fault.h"

#include "anon.h"
#include "notifier.h"
#include "object.h"
#include "planted.h"
#include "swap_cache.h"
#include "tlb.h"
#include "zap.h"

/*
 * Sole user: nobody else maps it or holds a reference. Acquire: whoever let go of it has read it
 * to the end, and does not see what is written to it now. => table locked
 */
static bool is_own(const struct mmk_page *page)
{
    if (mmk_page_type(page) != MMK_PAGE_ANON)
        return false;
    return mmk_page_test(page, MMK_PF_EXCLUSIVE) || mmk_a32_load(&page->refs, MMK_ACQUIRE) == 1 ||
           (MMK_MISTAKE(OWN_BY_MAPCOUNT) && mmk_page_mapcount(page) == 1);
}

/* With the lock of its table held, so against the order: it is not waited for (P3). */
static bool try_page_lock(struct mmk_page *page) MMK_TRY_ACQUIRES(true, page) MMK_NO_TSA
{
    if (!MMK_MISTAKE(TABLE_BEFORE_PAGE))
        return mmk_page_trylock(page);
    mmk_page_lock(page);
    return true;
}

/*
 * Reclaim may come to the page by its frame at any moment, and search for its entries with the page
 * locked: so that it does not find them half changed, this takes the same lock, or a copy is made
 * after all.
 */
bool mmk_fault_take_over(const struct mmk_vmf *vmf, struct mmk_page *page, mmk_vaddr_t addr)
{
    bool own;

    if (!is_own(page))
        return false;
    if (mmk_page_test(page, MMK_PF_EXCLUSIVE))
        return true;
    if (!try_page_lock(page))
        return false;
    own = is_own(page);
    if (own) {
        mmk_page_own_rmap(page, vmf->vma, addr);
        mmk_page_set(page, MMK_PF_EXCLUSIVE);
    }
    mmk_page_unlock(page);
    return own;
}

/* The entry becomes writable; this CPU's stale translation is the spurious fault's business. */
static void make_writable(struct mmk_walk *walk, mmk_pte_t pte)
    MMK_REQUIRES(walk->table->table.lock)
{
    while (!mmk_pte_change(walk->entry, &pte, mmk_pte_mkused(mmk_pte_mkwrite(pte), true)))
        continue;
}

/* page NULL: a frame that is not mmkit's. Not writable after all: mmk_fault_force(). */
static enum mmk_fault_result reuse(struct mmk_vmf *vmf, struct mmk_page *page)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_RELEASES(vmf->kept.table->table.lock)
        MMK_RELEASES_SHARED(mmk_rcu)
{
    if (page && mmk_page_type(page) != MMK_PAGE_ANON)
        mmk_page_mkdirty(page);
    if (vmf->flags & MMK_VM_WRITE)
        make_writable(&vmf->kept, vmf->pte);
    mmk_fault_unlock(&vmf->kept);
    mmk_tlb_local_spurious(&vmf->mm->context, vmf->addr);
    mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_REUSE, 1);
    return MMK_FAULT_DONE;
}

/* P7. => table locked */
static void exchange(struct mmk_vmf *vmf, struct mmk_page *copy)
    MMK_REQUIRES(vmf->kept.table->table.lock)
{
    struct mmk_a64 *entry = vmf->kept.entry;

    mmk_pte_drop(entry);
    if (MMK_MISTAKE(COPY_SET_BEFORE_FLUSH))
        mmk_pte_set(entry, mmk_fault_leaf(vmf, copy, true));
    mmk_tlb_flush(vmf->mm, vmf->addr, vmf->addr + MMK_PAGE_SIZE);
    if (!MMK_MISTAKE(COPY_SET_BEFORE_FLUSH))
        mmk_pte_set(entry, mmk_fault_leaf(vmf, copy, true));
}

/*
 * The entry has left `page`: its mapping and its RSS. => table locked: afterwards truncation may
 * take the page from its object
 */
static void drop_mapping(struct mmk_mm *mm, struct mmk_page *page)
{
    mmk_mm_count(mm, mmk_page_rss_kind(page), -1);
    mmk_page_remove_rmap(page, mm);
}

/* NULL: of the zero page. */
static struct mmk_page *make_copy(const struct mmk_vmf *vmf, const struct mmk_page *page)
{
    unsigned flags = (page ? MMK_ALLOC_NORMAL : MMK_ALLOC_ZERO) |
                     (vmf->speculates ? MMK_ALLOC_NOWAIT : MMK_ALLOC_NORMAL);
    struct mmk_page *copy = mmk_fault_new_anon_at(vmf, flags);

    if (copy && page)
        mmk_copy_page(mmk_page_virt(copy), mmk_page_virt(page));
    return copy;
}

/* page NULL: the zero page. => the caller holds a reference to page; the table is let go of */
static enum mmk_fault_result replace(struct mmk_vmf *vmf, struct mmk_page *page)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    struct mmk_page *copy;
    struct mmk_notify notify;

    mmk_anon_prepare(vmf->mm, vmf->vma);
    copy = make_copy(vmf, page);
    if (!copy) {
        mmk_pte_put_vmf(vmf);
        return MMK_FAULT_OOM;
    }
    mmk_notify_begin(&notify, vmf->mm, vmf->addr, vmf->addr + MMK_PAGE_SIZE, MMK_NOTIFY_COPY);
    if (!mmk_fault_relock(vmf)) {
        mmk_pte_put_vmf_locked(vmf);
        mmk_notify_end(&notify);
        mmk_fault_drop_anon(copy);
        return MMK_FAULT_RETRY;
    }
    exchange(vmf, copy);
    if (page)
        drop_mapping(vmf->mm, page);
    mmk_pte_put_vmf_locked(vmf);
    mmk_notify_flushed(&notify, vmf->mm);
    mmk_notify_end(&notify);
    if (page)
        mmk_page_put(page); /* the caller's is left */
    mmk_mm_count_fault(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_COW);
    return MMK_FAULT_DONE;
}

/*
 * exchange() for a fault that tells nobody. Who has registered a notifier before the flush may have
 * read the old entry, and is told with the mmap lock: that is asked after the flush, which is a
 * full barrier, as who registers has one before he reads (notifier.c). => false: it is as it was
 */
static bool exchange_untold(struct mmk_vmf *vmf, struct mmk_page *copy)
    MMK_REQUIRES(vmf->kept.table->table.lock)
{
    struct mmk_a64 *entry = vmf->kept.entry;
    mmk_pte_t old;
    bool told;

    if (MMK_MISTAKE(SPECULATES_UNTOLD) && mmk_aptr_load(&vmf->mm->notifiers, MMK_RELAXED))
        return false;
    old = mmk_pte_take(entry);
    mmk_tlb_flush(vmf->mm, vmf->addr, vmf->addr + MMK_PAGE_SIZE);
    told = !MMK_MISTAKE(SPECULATES_UNTOLD) && mmk_aptr_load(&vmf->mm->notifiers, MMK_RELAXED);
    mmk_pte_set(entry, told ? old : mmk_fault_leaf(vmf, copy, true));
    return !told;
}

/*
 * replace() for a fault that speculates, which keeps nothing but the page: it locks twice.
 * => the caller holds a reference to page; inside the read section in which vmf was looked at
 */
static enum mmk_fault_result replace_rcu(struct mmk_vmf *vmf, struct mmk_page *page)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    struct mmk_page *copy;
    bool done;

    if ((page && mmk_page_test(page, MMK_PF_SWAPCACHE)) || !mmk_fault_prepare_anon(vmf))
        return MMK_FAULT_RETRY;
    copy = make_copy(vmf, page);
    if (!copy) {
        vmf->why = MMK_COUNT_LOCKED_MEMORY;
        return MMK_FAULT_RETRY;
    }
    if (!mmk_fault_lock(vmf, &vmf->kept)) {
        mmk_fault_drop_anon(copy);
        return MMK_FAULT_RETRY;
    }
    done = exchange_untold(vmf, copy);
    if (done && page)
        drop_mapping(vmf->mm, page);
    mmk_fault_unlock(&vmf->kept);
    if (!done) {
        mmk_fault_drop_anon(copy);
        return MMK_FAULT_RETRY;
    }
    if (page)
        mmk_page_put(page); /* the caller's is left */
    mmk_mm_count_fault(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_COW);
    return MMK_FAULT_DONE;
}

/*
 * A page in the swap cache may have no user but this entry. Who has it locked is about to take it
 * away, or to map it: then it is copied.
 * => true: it is in the cache no more; the caller has a reference
 */
static MMK_NOINLINE bool leave_slot(struct mmk_page *page)
{
    bool left = false;

    if (mmk_page_mapcount(page) > 1 || !mmk_page_trylock(page))
        return false;
    if (mmk_page_test(page, MMK_PF_SWAPCACHE))
        left = mmk_swap_take_out(page);
    mmk_page_unlock(page);
    return left;
}

enum mmk_fault_result mmk_fault_write_protected(struct mmk_vmf *vmf)
{
    struct mmk_page *page = mmk_pte_page(vmf->pte);
    enum mmk_fault_result result = MMK_FAULT_RETRY;

    if (!mmk_fault_lock(vmf, &vmf->kept))
        return MMK_FAULT_RETRY;
    if ((vmf->flags & MMK_VM_SHARED) || (page && mmk_fault_take_over(vmf, page, vmf->addr)))
        return reuse(vmf, page);
    if (page)
        mmk_page_get(page);
    if (vmf->speculates) {
        mmk_fault_unlock(&vmf->kept);
        result = replace_rcu(vmf, page);
        if (page)
            mmk_swap_put_page(page);
        return result;
    }
    mmk_fault_keep(vmf);
    if (page && mmk_unlikely(mmk_page_test(page, MMK_PF_SWAPCACHE)) && leave_slot(page))
        mmk_pte_put_vmf(vmf);
    else
        result = replace(vmf, page);
    if (page)
        mmk_swap_put_page(page);
    return result;
}
