/* SPDX-License-Identifier: MIT */
/*
 * rmap_use.c - what is done to all entries of one page.
 *
 * P13 What hardware has set in an entry last decides: an object's page is dirty if the entry was
 *     when it was taken, and so is a private one that goes to swap; one that is discarded goes if
 *     the entry was clean at that very moment. A translation that is cached since before is clean,
 *     too: a store by it looks at the entry first.
 * P16 Entries that become swap entries may be flushed later, those of several pages of one address
 *     space at once. It is held until then; what it has pending shows (P2), so who finds such an
 *     entry, and returns or frees by it, flushes himself.
 * P9  A pinned page is mapped as long as its mapping is there. It is exclusive, and pins are taken
 *     under the lock of the table that maps it: under that lock it is asked.
 */
#include "rmap_use.h"

#include "huge.h"
#include "planted.h"
#include "pte_group.h"
#include "rmap_walk.h"
#include "swap_area.h"
#include "table.h"
#include "zap.h"

/* --- page_referenced ------------------------------------------------------------------------- */

struct use {
    uint32_t left; /* entries that have not been seen yet, as far as known */
    uint32_t young;
};

/*
 * A larger page, or a group, has been used as long as its first page is not asked: it is by one bit
 * for all. Nobody asks of a pinned page: then it is the first of the others. => pages: so many
 */
static bool is_for_all(const struct mmk_walk *walk, const struct mmk_page *page, unsigned pages)
{
    const struct mmk_page *first = page - mmk_pt_index(walk->addr, 0) % pages;

    while (first < page && mmk_page_pinned(first))
        first++;
    return first == page;
}

/* => whether it was young; walk locked */
static bool make_entry_old(const struct mmk_walk *walk, const struct mmk_page *page)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry), old;
    bool all;

    if (mmk_pte_grouped(pte))
        return mmk_pte_group_young(walk->entry, is_for_all(walk, page, MMK_PT_GROUP));
    all = walk->level == 0 || is_for_all(walk, page, MMK_HUGE_PAGES);
    do
        old = mmk_pte_mkold(pte);
    while (old.v != pte.v && all && !mmk_pte_change(walk->entry, &pte, old));
    return old.v != pte.v;
}

static bool make_old(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct use *use = (struct use *)arg;
    struct mmk_walk walk;

    if (!mmk_rmap_lock_any(page, mm, addr, &walk))
        return false;
    use->young += make_entry_old(&walk, page) ? 1u : 0u;
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
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
    bool wait;                   /* may it, for locks and for secondary MMUs */
    bool moves;                  /* it stays in memory */
    bool stayed;                 /* an entry has */
    bool taken;                  /* an entry was */
    struct mmk_unflushed *later; /* flushed when the caller says so; NULL: at once */
    struct mmk_unmapped *out;    /* swap entries take the place of entries; NULL: none */
    uint64_t slot;               /* of these: the page's */
};

/*
 * Nobody has stored to it since MADV_FREE by this entry, and nobody else has it: there are its
 * entries' references and the caller's. These are counted before the page is asked whether it is
 * dirty, which a device says before it lets go. => the entry's table is locked
 */
static bool is_free(const struct mmk_page *page, mmk_pte_t pte)
{
    uint32_t known = mmk_page_mapcount(page) + 1;

    if (mmk_a32_load(&page->refs, MMK_ACQUIRE) != known && !MMK_MISTAKE(HELD_DISCARDED))
        return false;
    return mmk_page_test(page, MMK_PF_LAZYFREE) && !mmk_page_test(page, MMK_PF_DIRTY) &&
           (!mmk_pte_dirty(pte) || MMK_MISTAKE(DIRTY_DISCARDED));
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
    if (mmk_pte_grouped(*pte)) {
        mmk_pte_ungroup(walk, walk->entry);
        *pte = mmk_pte_read(walk->entry);
    }
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
    if (!unmap->out)
        return discard_private(page, walk->entry, pte);
    return swap_private(page, walk, unmap->slot, pte);
}

/*
 * Pages of locked memory stay in memory. Whoever locks sets the flag first, and looks under the
 * table's lock whether the page is there (populate.c): so either he misses it, or we see the flag.
 * Without a mapping: munmap or mremap is at work there, or it is just cut or merged
 * (swap_return.c).
 * => walk locked
 */
static bool is_locked(const struct mmk_walk *walk, const struct unmap *unmap)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&walk->mm->vmas, walk->addr);

    if (unmap->moves)
        return false;
    return !vma || mmk_vma_start(vma) > walk->addr || (mmk_vma_flags(vma) & MMK_VM_LOCKED);
}

/* => walk's entry maps the page; the gather has room. false: it stays */
static bool take(struct mmk_page *page, struct mmk_walk *walk, struct unmap *unmap,
                 struct mmk_gather *gather) MMK_REQUIRES(walk->table->table.lock)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    bool dirty;
    mmk_pte_t pte;

    if (is_locked(walk, unmap) && !MMK_MISTAKE(LOCKED_TAKEN))
        return false;
    if (!take_entry(page, walk, unmap, &pte))
        return false;
    dirty = mmk_pte_dirty(pte); /* one that is discarded was clean */
    if (dirty && !(unmap->out && MMK_MISTAKE(SWAP_DIRTY_LOST)))
        mmk_page_mkdirty(page); /* P5: before the lock is dropped */
    mmk_mm_count(walk->mm, mmk_page_rss_kind(page), -1);
    mmk_page_remove_rmap(page, walk->mm);
    if (unmap->out) {
        unmap->out->entries++;
        unmap->out->dirty |= dirty;
    } else {
        mmk_pte_put_many(walk->table, 1);
        mmk_gather_page(gather, page, dirty);
    }
    mmk_gather_range(gather, walk->addr, walk->addr + MMK_PAGE_SIZE);
    unmap->taken = true;
    return true;
}

/* => false: a secondary MMU would have to wait */
static bool begin_gather(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t addr, bool wait)
{
    mmk_vaddr_t end = addr + MMK_PAGE_SIZE;

    if (mmk_huge_possible()) { /* all of a larger page may have to go */
        addr = mmk_huge_base(addr);
        end = mmk_min(addr + MMK_HUGE_SIZE, MMK_USER_END);
    }
    if (wait)
        mmk_gather_begin_range(gather, mm, addr, end, MMK_NOTIFY_DISCARD);
    else if (mmk_gather_try_begin(gather, mm, addr, end, MMK_NOTIFY_DISCARD))
        return false;
    mmk_gather_unasked(gather);
    return true;
}

/* One more entry, in the gather that there is, if it is of this mm. Secondary MMUs are told of
 * each. => as begin_gather() */
static bool begin_later(struct mmk_unflushed *later, struct mmk_mm *mm, mmk_vaddr_t addr, bool wait)
{
    if (later->mm == mm && !mmk_aptr_load(&mm->notifiers, MMK_RELAXED) &&
        mmk_gather_room(&later->gather)) {
        mmk_gather_extend(&later->gather, addr, addr + MMK_PAGE_SIZE);
        return true;
    }
    mmk_unflushed_flush(later);
    if (!begin_gather(&later->gather, mm, addr, wait))
        return false;
    if (!MMK_MISTAKE(ROW_NOT_HELD))
        mmk_mm_hold(mm);
    later->mm = mm;
    return true;
}

static bool begin(const struct unmap *unmap, struct mmk_gather *gather, struct mmk_mm *mm,
                  mmk_vaddr_t addr)
{
    return unmap->later ? begin_later(unmap->later, mm, addr, unmap->wait)
                        : begin_gather(gather, mm, addr, unmap->wait);
}

/*
 * There was no table to split a larger page with. An object's goes as a whole, as it may at any
 * time: whoever touches the others finds them again. => false: it is not that, or stays
 */
static bool take_whole(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                       struct unmap *unmap, struct mmk_gather *gather)
{
    struct mmk_walk walk;
    bool taken;

    if (mmk_page_type(page) == MMK_PAGE_ANON || !mmk_rmap_lock_any(page, mm, addr, &walk))
        return false;
    taken = walk.level > 0 && !is_locked(&walk, unmap) && mmk_gather_room(gather);
    if (taken)
        mmk_zap_huge(gather, &walk);
    unmap->taken |= taken;
    mmk_table_unlock_free(&walk, gather);
    mmk_rcu_read_unlock();
    return taken;
}

static bool unmap_entry(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct unmap *unmap = (struct unmap *)arg;
    struct mmk_gather own, *gather = unmap->later ? &unmap->later->gather : &own;
    struct mmk_walk walk;

    if (!mmk_rmap_lock_any(page, mm, addr, &walk)) /* a larger page is split if it is to go */
        return false;
    unmap->stayed = is_locked(&walk, unmap);
    mmk_walk_unlock(&walk); /* secondary MMUs are told before, and may sleep */
    mmk_rcu_read_unlock();
    if (unmap->stayed || !begin(unmap, gather, mm, addr)) {
        unmap->stayed = true;
        return true;
    }
    if (mmk_rmap_lock(page, mm, addr, &walk)) {
        unmap->stayed = !take(page, &walk, unmap, gather);
        mmk_table_unlock_free(&walk, gather);
        mmk_rcu_read_unlock();
    } else {
        (void)take_whole(page, mm, addr, unmap, gather);
    }
    if (!unmap->later)
        mmk_gather_finish(gather);
    return unmap->stayed || mmk_page_mapcount(page) == 0;
}

/* => nothing maps the page any more; page locked */
static bool run(struct mmk_page *page, struct unmap *unmap) MMK_REQUIRES(page)
{
    bool whole = true;

    if (mmk_page_mapcount(page) == 0)
        return true;
    if (unmap->wait)
        mmk_rmap_walk(page, unmap_entry, unmap);
    else
        whole = mmk_rmap_try_walk(page, unmap_entry, unmap);
    return whole && !unmap->stayed && mmk_page_mapcount(page) == 0;
}

bool mmk_page_try_to_unmap(struct mmk_page *page)
{
    struct unmap unmap = {.wait = true};

    return run(page, &unmap);
}

bool mmk_page_unmap_to_move(struct mmk_page *page, bool wait)
{
    struct unmap unmap = {.wait = wait, .moves = true};

    return run(page, &unmap);
}

bool mmk_page_try_to_unmap_nowait(struct mmk_page *page)
{
    struct unmap unmap = {.wait = false};

    return run(page, &unmap);
}

bool mmk_page_discard(struct mmk_page *page, struct mmk_unflushed *later, bool wait)
{
    struct unmap unmap = {.wait = wait, .later = later};
    bool gone = run(page, &unmap);

    if (!gone && unmap.taken)
        mmk_unflushed_flush(later);
    return gone;
}

bool mmk_page_unmap_for_swap(struct mmk_page *page, struct mmk_unflushed *later, bool wait,
                             struct mmk_unmapped *out)
{
    struct unmap unmap = {.wait = wait, .later = later, .slot = page->user.slot, .out = out};

    *out = (struct mmk_unmapped){0};
    return run(page, &unmap);
}

void mmk_unflushed_flush(struct mmk_unflushed *later)
{
    if (!later->mm)
        return;
    mmk_gather_finish(&later->gather);
    if (!MMK_MISTAKE(ROW_NOT_HELD))
        mmk_mm_drop(later->mm);
    later->mm = NULL;
}

/* As a gather does, but that it would take this for the end of a cached page that nobody maps, and
 * leave that to the holder of its lock: who is here. */
void mmk_unmapped_settle(struct mmk_page *page, const struct mmk_unmapped *out)
{
    uint32_t i;

    if (out->dirty && !MMK_MISTAKE(SWAP_DIRTY_LOST))
        mmk_page_mkdirty(page); /* P5 */
    for (i = 0; i < out->entries; i++)
        mmk_page_put(page);
}
