/* SPDX-License-Identifier: MIT */
/*
 * swap_return.c - owns the change from a swap entry to one that maps the page.
 *
 * SR1 (P15) An entry becomes present with the page locked, cached as the slot that the entry still
 *     says under its table's lock, while the slot has a reference besides. So the slot was not
 *     freed, and used again, between the look at the entry and the commit.
 *
 * swapoff comes from the slot, as reclaim from the page, and cannot have an mmap lock: what the
 * mapping allows is looked up under the table's lock. Who changes that, changes the mapping first,
 * and then each entry under that lock: the entry gets the new rights here, or there.
 *
 * Such a look-up may find nothing though there is an entry: mremap takes the old mapping out of the
 * tree before the entries move, munmap before they go; where a mapping is cut, merged, or shifts a
 * border, what goes from one to the other is in neither for a moment (vma_shape.c). All of these
 * hold the mmap lock until they are through: that is for the caller to wait for, without the page.
 *
 * Rejected: searching again and again until all are found (mremap may wait for locks meanwhile, and
 * munmap has all that it unmaps to go through); that lock before the page's (it is not known whose,
 * before the search has come to the entry).
 */
#include "swap_return.h"

#include "charge.h"
#include "planted.h"
#include "rmap_walk.h"
#include "table.h"

bool mmk_swap_sole(const struct mmk_page *page, uint64_t slot)
{
    /*
     * The slot has the entry's reference, and the caller's; the page the cache's, and the caller's.
     * Who has another may be making a copy of it (fault_cow.c), which would lack what a debugger
     * stores to a page of one's own: the entry would not tell. Acquire: as is_own() there.
     */
    if (mmk_page_mapcount(page) != 0 || mmk_slot_refs(slot) != 2)
        return false;
    return mmk_a32_load(&page->refs, MMK_ACQUIRE) == 2 || MMK_MISTAKE(OWN_BY_MAPCOUNT);
}

void mmk_swap_return(struct mmk_walk *walk, const struct mmk_vma *vma, struct mmk_page *page,
                     mmk_pte_t leaf, bool own)
{
    mmk_page_get(page);
    if (mmk_unlikely(walk->mm->group && !page->share))
        mmk_charge_anyway(walk->mm->group, page, MMK_CHARGE_PRIVATE);
    if (own)
        mmk_swap_own(page, vma, walk->addr);
    else
        mmk_page_return_rmap(page);
    mmk_walk_break_first(walk, 0);
    mmk_pte_set(walk->entry, leaf);
    mmk_mm_count(walk->mm, MMK_COUNT_RSS_ANON, 1);
    mmk_mm_count(walk->mm, MMK_COUNT_SWAP, -1);
}

/* --- all of a slot ---------------------------------------------------------------------------- */

/* As the mapping says; what mprotect has changed there, and not here yet, it will. */
static mmk_pte_t leaf_of(const struct mmk_vma *vma, const struct mmk_page *page, bool own)
{
    uint64_t flags = mmk_vma_flags(vma);
    bool exec = (flags & MMK_VM_EXEC) != 0;
    mmk_pte_t pte = mmk_pte_leaf(mmk_page_to_pfn(page), false, exec);

    if (!mmk_vma_accessible(flags))
        return mmk_pte_protect(pte, false, false, exec);
    return own && (flags & MMK_VM_WRITE) ? mmk_pte_mkwrite(pte) : pte;
}

static bool names_slot(const struct mmk_walk *walk, uint64_t slot)
{
    mmk_pte_t pte;

    if (walk->level != 0)
        return false;
    pte = mmk_pte_read(walk->entry);
    return mmk_pte_swap(pte) && mmk_pte_slot(pte) == slot;
}

/* What holds walk's address; NULL: nothing, or it is not to be found just now. */
static const struct mmk_vma *mapping_of(const struct mmk_walk *walk) MMK_REQUIRES_SHARED(mmk_rcu)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&walk->mm->vmas, walk->addr);

    return vma && mmk_vma_start(vma) <= walk->addr ? vma : NULL;
}

/*
 * The search keeps the address space in its family until its last entry is gone (P16): so it is
 * held, and may be held once more. => true: it has become present. walk locked
 */
static bool return_locked(struct mmk_walk *walk, struct mmk_page *page, struct mmk_mm **stayed)
    MMK_REQUIRES(page) MMK_REQUIRES(walk->table->table.lock) MMK_REQUIRES_SHARED(mmk_rcu)
{
    const struct mmk_vma *vma;
    bool own;

    if (!names_slot(walk, page->user.slot))
        return false;
    vma = mapping_of(walk);
    if (!vma) {
        if (!*stayed) {
            mmk_mm_hold(walk->mm);
            *stayed = walk->mm;
        }
        return false;
    }
    own = mmk_pte_swap_exclusive(mmk_pte_read(walk->entry));
    mmk_swap_return(walk, vma, page, leaf_of(vma, page, own), own);
    return true;
}

/* Nobody has the slot but the caller. */
static bool is_over(uint64_t slot)
{
    return mmk_slot_refs(slot) == 1;
}

static bool return_entry(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                         void *stayed) MMK_NO_TSA /* the page is locked */
{
    uint64_t slot = page->user.slot;
    struct mmk_walk walk;
    bool returned = false;

    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    if (names_slot(&walk, slot)) {
        mmk_walk_lock(mm, addr, &walk);
        returned = return_locked(&walk, page, (struct mmk_mm **)stayed);
        mmk_walk_unlock(&walk);
    }
    mmk_rcu_read_unlock();
    if (returned)
        mmk_swap_put(slot);
    return returned && is_over(slot);
}

struct mmk_mm *mmk_swap_return_all(struct mmk_page *page)
{
    struct mmk_mm *stayed = NULL;

    if (!is_over(page->user.slot))
        mmk_rmap_walk(page, return_entry, &stayed);
    return stayed;
}
