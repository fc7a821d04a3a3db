/* SPDX-License-Identifier: MIT */
/*
 * huge_unused.c - see huge_unused.h.
 *
 *   count    how many of its pages are zeros? Part by part, with the table's lock, and so long
 *            that the entry cannot go: to be asked again
 *   split    as for anybody who comes from a page (rmap_walk.c)
 *   take     part by part: entries become none, are flushed, and each page is looked at once more.
 *            What is not zeros any more gets its entry back
 *
 * HU1 A page goes only when it was zeros after its entry was none and flushed, all of it under one
 *     hold of its table's lock (P7): so nobody has stored to it since, nor found that it is gone.
 * HU2 One that is pinned stays, and so does one that others have, too: pins are taken under that
 *     lock (P9). Locked memory stays where it is (rmap_use.c: under that lock, too).
 *
 * Rejected: to have the hardware's dirty bit say what was written. A larger page has one for all.
 * To look just once, after the flush: nearly all larger pages are filled, and would be split to
 * find that out.
 */
#include "huge_unused.h"

#include "notifier.h"
#include "page_rmap.h"
#include "planted.h"
#include "rmap_walk.h"
#include "swap_cache.h"
#include "table.h"
#include "tlb.h"

#define PART (MMK_HUGE_PAGES < 32u ? MMK_HUGE_PAGES : 32u) /* pages: with the lock in one hold */

static bool is_zero(const struct mmk_page *page)
{
    return mmk_page_is_zero(mmk_page_virt(page));
}

/* HU2. => the lock of the table that maps it is held */
static bool may_go(const struct mmk_page *page)
{
    if (mmk_page_type(page) != MMK_PAGE_ANON || !mmk_page_test(page, MMK_PF_EXCLUSIVE))
        return false;
    return !mmk_page_pinned(page) || MMK_MISTAKE(UNUSED_PINNED);
}

/*
 * May the part that begins with walk's address go, as far as mappings say? What is gone reads as
 * zeros of private anonymous memory alone, and another mapping may be there by now. => walk locked
 */
static bool is_allowed(const struct mmk_walk *walk) MMK_REQUIRES_SHARED(mmk_rcu)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&walk->mm->vmas, walk->addr);

    return vma && !vma->object && mmk_vma_start(vma) <= walk->addr &&
           mmk_vma_end(vma) - walk->addr >= PART * MMK_PAGE_SIZE &&
           !(mmk_vma_flags(vma) & MMK_VM_LOCKED);
}

/* ---- count ----------------------------------------------------------------------------------- */

/* => false: there is no larger page any more that begins with it, or it is to stay */
static bool count_part(const struct mmk_page *first, struct mmk_mm *mm, mmk_vaddr_t base,
                       unsigned from, unsigned *zeros)
{
    struct mmk_walk walk;
    bool there;
    unsigned i;

    if (!mmk_rmap_lock_any(first, mm, base, &walk))
        return false;
    there = walk.level == MMK_HUGE_LEVEL && base == mmk_huge_base(base) && is_allowed(&walk);
    for (i = from; there && i < from + PART; i++)
        *zeros += may_go(first + i) && is_zero(first + i) ? 1 : 0;
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return there;
}

static bool is_unused(const struct mmk_page *first, struct mmk_mm *mm, mmk_vaddr_t base)
{
    unsigned from, zeros = 0;

    for (from = 0; from < MMK_HUGE_PAGES; from += PART) {
        if (!count_part(first, mm, base, from, &zeros))
            return false;
        if (from + PART - zeros >= MMK_HUGE_PAGES / 2)
            return false;
    }
    return true;
}

/* ---- take ------------------------------------------------------------------------------------ */

/* Entries that are none now, and what they were. */
struct part {
    mmk_pte_t old[PART];
    unsigned taken;
};

/* => walk locked, at the part's first leaf entry */
static void take(struct part *part, const struct mmk_walk *walk, const struct mmk_page *first)
    MMK_REQUIRES(walk->table->table.lock)
{
    unsigned i;

    part->taken = 0;
    for (i = 0; i < PART; i++) {
        mmk_pte_t pte = mmk_pte_read(walk->entry + i);
        const struct mmk_page *page = mmk_pte_page(pte);

        part->old[i].v = 0;
        if (page != first + i || !may_go(page) || !is_zero(page) || mmk_pte_grouped(pte))
            continue; /* one of a group is new, by the same frames */
        part->old[i] = mmk_pte_take(walk->entry + i);
        part->taken++;
    }
}

/* Others that have yet to flush may have moved pages here that are cached where they were (P2). */
static void flush(const struct mmk_walk *walk)
{
    if (mmk_mm_flush_pending(walk->mm) > 0)
        mmk_tlb_flush(walk->mm, 0, MMK_USER_END);
    else
        mmk_tlb_flush(walk->mm, walk->addr, walk->addr + PART * MMK_PAGE_SIZE);
}

/* HU1. => how many have gone; as take() */
static unsigned settle(const struct part *part, struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    unsigned i, gone = 0;

    for (i = 0; i < PART; i++) {
        struct mmk_page *page = mmk_pte_page(part->old[i]);

        if (!page)
            continue;
        if (!is_zero(page) && !MMK_MISTAKE(UNUSED_NOT_AGAIN)) {
            mmk_pte_set(walk->entry + i, part->old[i]);
            continue;
        }
        mmk_page_remove_private(page, walk->mm);
        mmk_swap_put_page(page);
        gone++;
    }
    mmk_pte_put_many(walk->table, gone);
    mmk_mm_count(walk->mm, MMK_COUNT_RSS_ANON, -(int64_t)gone);
    mmk_mm_count(walk->mm, MMK_COUNT_HUGE_UNUSED, gone);
    return gone;
}

static unsigned take_part(const struct mmk_page *first, struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_walk walk;
    struct part part;
    unsigned gone = 0;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, addr, &walk);
    if (walk.level == 0 && is_allowed(&walk)) {
        take(&part, &walk, first);
        if (part.taken > 0) {
            flush(&walk);
            gone = settle(&part, &walk);
        }
    }
    if (gone > 0 && !mmk_table_used(walk.table))
        mmk_table_unlock_left(&walk);
    else
        mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return gone;
}

static uint64_t take_all(struct mmk_page *first, struct mmk_mm *mm, mmk_vaddr_t base)
{
    uint64_t gone = 0;
    struct mmk_walk walk;
    unsigned i;

    if (!mmk_rmap_lock(first, mm, base, &walk)) /* which splits it */
        return 0;
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    for (i = 0; i < MMK_HUGE_PAGES; i += PART)
        gone += take_part(first + i, mm, base + i * MMK_PAGE_SIZE);
    return gone;
}

/* ---- from a page ----------------------------------------------------------------------------- */

/* An exclusive page has one entry: so what is found is all that there is. */
static bool look_at_place(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    uint64_t *gone = (uint64_t *)arg;
    struct mmk_notify notify;

    if (!is_unused(page, mm, addr))
        return false;
    if (mmk_notify_try_begin(&notify, mm, addr, addr + MMK_HUGE_SIZE, MMK_NOTIFY_DISCARD, false))
        return true;
    *gone = take_all(page, mm, addr);
    mmk_notify_flushed(&notify, mm);
    mmk_notify_end(&notify);
    return true;
}

uint64_t mmk_huge_give_back(struct mmk_page *page)
{
    uint64_t gone = 0;

    if (mmk_page_mapcount(page) == 1)
        (void)!mmk_rmap_try_walk(page, look_at_place, &gone);
    return gone;
}
