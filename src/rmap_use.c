/* SPDX-License-Identifier: MIT */
/*
 * rmap_use.c - what is done to all entries of one page.
 *
 * P13 What hardware has set in an entry last decides: an object's page is dirty if the entry was
 *     when it was taken, and so is a private one that goes to swap; one that is discarded goes if
 *     the entry was clean at that very moment. A translation that is cached since before is clean,
 *     too: a store by it looks at the entry first.
 * P9  A pinned page is mapped as long as its mapping is there. It is exclusive, and pins are taken
 *     under the lock of the table that maps it: under that lock it is asked.
 */
#include "rmap_use.h"

#include "gather.h"
#include "planted.h"
#include "rmap_walk.h"
#include "swap_area.h"
#include "table.h"
#include "zap.h"

/* --- page_referenced ------------------------------------------------------------------------- */

struct use {
    uint32_t left; /* entries that have not been seen yet, as far as known */
    uint32_t young;
};

static bool make_old(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct use *use = (struct use *)arg;
    struct mmk_walk walk;
    mmk_pte_t pte, old;

    if (!mmk_rmap_lock(page, mm, addr, &walk))
        return false;
    pte = mmk_pte_read(walk.entry);
    do
        old = mmk_pte_mkold(pte);
    while (old.v != pte.v && !mmk_pte_change(walk.entry, &pte, old));
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    use->young += old.v != pte.v ? 1u : 0u;
    return --use->left == 0;
}

uint32_t mmk_page_referenced(struct mmk_page *page)
{
    struct use use = {.left = mmk_page_mapcount(page)};

    if (use.left > 0)
        mmk_rmap_walk(page, make_old, &use);
    return use.young;
}

bool mmk_page_try_referenced(struct mmk_page *page, uint32_t *young)
{
    struct use use = {.left = mmk_page_mapcount(page)};
    bool whole = use.left == 0 || mmk_rmap_try_walk(page, make_old, &use);

    *young = use.young;
    return whole;
}

/* --- try_to_unmap ---------------------------------------------------------------------------- */

/* A call. */
struct unmap {
    enum mmk_unmap_how how;
    bool wait;     /* may it, for locks and for secondary MMUs */
    bool stayed;   /* an entry has */
    uint64_t slot; /* SWAP: the page's */
    bool swapped;  /* the entry taken last has become a swap entry; its reference is left */
    bool dirty;    /* it was */
};

/*
 * Nobody has stored to it since MADV_FREE by this entry, and nobody else has it: there are its
 * entries' references and the caller's. => the entry's table is locked
 */
static bool is_free(const struct mmk_page *page, mmk_pte_t pte)
{
    uint32_t known = mmk_page_mapcount(page) + 1;

    return mmk_page_test(page, MMK_PF_LAZYFREE) && !mmk_page_test(page, MMK_PF_DIRTY) &&
           (!mmk_pte_dirty(pte) || MMK_MISTAKE(DIRTY_DISCARDED)) && mmk_page_refs(page) == known;
}

/* => false: it stays, with *pte what it says */
static bool discard_private(const struct mmk_page *page, struct mmk_a64 *entry, mmk_pte_t *pte)
{
    const mmk_pte_t none = {0};

    while (is_free(page, *pte))
        if (mmk_pte_change(entry, pte, none))
            return true;
    return false;
}

/*
 * A swap entry takes its place; a pinned page stays (P9). => false: it stays
 * => *pte: what it said last
 */
static bool swap_private(struct mmk_page *page, struct mmk_walk *walk, uint64_t slot,
                         mmk_pte_t *pte) MMK_REQUIRES(walk->table->table.lock)
{
    bool exclusive = mmk_page_test(page, MMK_PF_EXCLUSIVE);

    if (mmk_page_pinned(page) && !MMK_MISTAKE(SWAPS_PINNED))
        return false;
    mmk_slot_get(slot);
    while (!mmk_pte_change(walk->entry, pte, mmk_pte_mkswap(slot, exclusive)))
        continue;
    if (exclusive)
        mmk_page_clear(page, MMK_PF_EXCLUSIVE);
    mmk_mm_count(walk->mm, MMK_COUNT_SWAP, 1);
    return true;
}

/* => false: the entry, *pte at last, stays */
static bool take_entry(struct mmk_page *page, struct mmk_walk *walk, struct unmap *unmap,
                       mmk_pte_t *pte) MMK_REQUIRES(walk->table->table.lock)
{
    *pte = mmk_pte_read(walk->entry);
    if (mmk_page_type(page) != MMK_PAGE_ANON) {
        *pte = mmk_pte_take(walk->entry);
        return true;
    }
    if (unmap->how == MMK_UNMAP_DISCARD)
        return discard_private(page, walk->entry, pte);
    unmap->swapped = swap_private(page, walk, unmap->slot, pte);
    return unmap->swapped;
}

/*
 * Pages of locked memory stay. Whoever locks sets the flag first, and looks under the table's lock
 * whether the page is there (populate.c): so either he misses it, or we see the flag. Without a
 * mapping: munmap or mremap is at work there, or it is just cut or merged (swap_return.c).
 * => walk locked
 */
static bool is_locked(const struct mmk_walk *walk) MMK_REQUIRES_SHARED(mmk_rcu)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&walk->mm->vmas, walk->addr);

    return !vma || mmk_vma_start(vma) > walk->addr || (mmk_vma_flags(vma) & MMK_VM_LOCKED);
}

/* => walk's entry maps the page; the gather has room. false: it stays */
static bool take(struct mmk_page *page, struct mmk_walk *walk, struct unmap *unmap,
                 struct mmk_gather *gather) MMK_REQUIRES(walk->table->table.lock)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    mmk_pte_t pte;

    if (is_locked(walk) && !MMK_MISTAKE(LOCKED_TAKEN))
        return false;
    if (!take_entry(page, walk, unmap, &pte))
        return false;
    unmap->dirty = mmk_pte_dirty(pte); /* one that is discarded was clean */
    if (unmap->dirty && !(unmap->swapped && MMK_MISTAKE(SWAP_DIRTY_LOST)))
        mmk_page_mkdirty(page); /* P5: before the lock is dropped */
    mmk_mm_count(walk->mm, mmk_page_rss_kind(page), -1);
    mmk_page_remove_rmap(page, walk->mm);
    if (!unmap->swapped) {
        *mmk_table_live(walk->table) -= 1;
        mmk_gather_page(gather, page, unmap->dirty);
    }
    mmk_gather_range(gather, walk->addr, walk->addr + MMK_PAGE_SIZE);
    return true;
}

/* => false: a secondary MMU would have to wait */
static bool begin(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t addr, bool wait)
{
    if (!wait)
        return !mmk_gather_try_begin(gather, mm, addr, addr + MMK_PAGE_SIZE, MMK_NOTIFY_DISCARD);
    mmk_gather_begin_range(gather, mm, addr, addr + MMK_PAGE_SIZE, MMK_NOTIFY_DISCARD);
    return true;
}

/*
 * What the gather does with what it is given, but that it would take this for the end of a cached
 * page that nobody maps, and leave that to the holder of its lock: who is here.
 */
static void drop_swapped(struct mmk_page *page, struct unmap *unmap)
{
    if (unmap->dirty && !MMK_MISTAKE(SWAP_DIRTY_LOST))
        mmk_page_mkdirty(page);
    mmk_page_put(page);
    unmap->swapped = false;
}

static bool unmap_entry(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct unmap *unmap = (struct unmap *)arg;
    struct mmk_gather gather;
    struct mmk_walk walk;

    if (!mmk_rmap_lock(page, mm, addr, &walk))
        return false;
    unmap->stayed = is_locked(&walk);
    mmk_walk_unlock(&walk); /* secondary MMUs are told before, and may sleep */
    mmk_rcu_read_unlock();
    if (unmap->stayed || !begin(&gather, mm, addr, unmap->wait)) {
        unmap->stayed = true;
        return true;
    }
    if (mmk_rmap_lock(page, mm, addr, &walk)) {
        unmap->stayed = !take(page, &walk, unmap, &gather);
        mmk_table_unlock_free(&walk, &gather);
        mmk_rcu_read_unlock();
    }
    mmk_gather_finish(&gather);
    if (unmap->swapped)
        drop_swapped(page, unmap);
    return unmap->stayed || mmk_page_mapcount(page) == 0;
}

static bool try_to_unmap(struct mmk_page *page, enum mmk_unmap_how how, bool wait)
    MMK_REQUIRES(page)
{
    struct unmap unmap = {.how = how, .wait = wait};
    bool whole = true;

    if (mmk_page_mapcount(page) == 0)
        return true;
    if (how == MMK_UNMAP_SWAP)
        unmap.slot = page->user.slot;
    if (wait)
        mmk_rmap_walk(page, unmap_entry, &unmap);
    else
        whole = mmk_rmap_try_walk(page, unmap_entry, &unmap);
    return whole && !unmap.stayed && mmk_page_mapcount(page) == 0;
}

bool mmk_page_try_to_unmap(struct mmk_page *page, enum mmk_unmap_how how)
{
    return try_to_unmap(page, how, true);
}

bool mmk_page_try_to_unmap_nowait(struct mmk_page *page, enum mmk_unmap_how how)
{
    return try_to_unmap(page, how, false);
}
