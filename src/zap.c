/* SPDX-License-Identifier: MIT */
/*
 * zap.c - one pass over a range, table by table.
 *
 * The table knows by its count when it is empty: no second look at its entries, whether the range
 * covered it or not.
 */
#include "zap.h"

#include "huge.h"
#include "object.h"
#include "page_rmap.h"
#include "planted.h"
#include "pte_group.h"
#include "range.h"
#include "swap_cache.h"

enum mmk_counter mmk_page_rss_kind(const struct mmk_page *page)
{
    const struct mmk_object *object;

    if (mmk_page_type(page) == MMK_PAGE_ANON)
        return MMK_COUNT_RSS_ANON;
    object = (const struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);
    mmk_assert(object, "P4 a mapped object page belongs to its object");
    return object->ops ? MMK_COUNT_RSS_FILE : MMK_COUNT_RSS_SHMEM;
}

/* What the entries of one table were, for one update of each counter. */
struct tally {
    uint32_t taken;
    int64_t rss[4]; /* by MMK_COUNT_RSS_*, and SWAP */
};

_Static_assert(MMK_COUNT_RSS_ANON == 0 && MMK_COUNT_RSS_SHMEM == 2 && MMK_COUNT_SWAP == 3,
               "tally.rss is by counter");

/* An object's page, whose entry was `old`. => as zap_entry() */
MMK_ALWAYS_INLINE void zap_object_page(struct mmk_gather *gather, struct mmk_page *page,
                                       mmk_pte_t old, struct tally *tally)
{
    bool dirty = mmk_pte_dirty(old);

    if (!MMK_MISTAKE(RSS_LATE))
        tally->rss[mmk_page_rss_kind(page)]--;
    if (dirty && !MMK_MISTAKE(DIRTY_LATE))
        mmk_page_mkdirty(page); /* G3: before the lock is dropped */
    mmk_page_remove_rmap(page, gather->mm);
    if (MMK_MISTAKE(RSS_LATE))
        tally->rss[mmk_page_rss_kind(page)]--;
    mmk_gather_page(gather, page, dirty);
}

/* A cached page that nobody needs any more goes with it. */
static MMK_NOINLINE void zap_swap(mmk_pte_t old, struct tally *tally)
{
    tally->rss[MMK_COUNT_SWAP]--;
    mmk_swap_put(mmk_pte_slot(old));
}

/*
 * Takes one entry that is not none; of a group all in turn (PG2).
 * => table locked; the gather has room
 */
MMK_ALWAYS_INLINE void zap_entry(struct mmk_gather *gather, struct mmk_a64 *entry,
                                 struct tally *tally)
{
    mmk_pte_t old = mmk_pte_take_grouped(entry);
    struct mmk_page *page = mmk_pte_page(old);

    tally->taken++;
    if (!page) {
        if (mmk_pte_swap(old))
            zap_swap(old, tally);
        return;
    }
    if (mmk_page_type(page) != MMK_PAGE_ANON) {
        zap_object_page(gather, page, old, tally);
        return;
    }
    tally->rss[MMK_COUNT_RSS_ANON]--;
    mmk_page_remove_private(page, gather->mm);
    mmk_gather_page(gather, page, false);
}

/* Is this entry, which is not none, left alone? */
MMK_ALWAYS_INLINE bool stays(mmk_pte_t pte, enum mmk_zap which)
{
    const struct mmk_page *page;

    if (which == MMK_ZAP_ALL)
        return false;
    if (mmk_pte_guard(pte))
        return true;
    if (which == MMK_ZAP_PAGES)
        return false;
    page = mmk_pte_page(pte);
    return page ? mmk_page_type(page) == MMK_PAGE_ANON : mmk_pte_away(pte);
}

MMK_ALWAYS_INLINE void tally_up(struct mmk_gather *gather, struct mmk_page *table,
                                const struct tally *tally) MMK_REQUIRES(table->table.lock)
{
    int kind;

    gather->taken += tally->taken;
    mmk_pte_put_many(table, tally->taken);
    for (kind = 0; kind < 4; kind++) {
        if (!tally->rss[kind])
            continue;
        if (kind != MMK_COUNT_SWAP)
            gather->mapped -= (uint64_t)tally->rss[kind];
        mmk_mm_count(gather->mm, (enum mmk_counter)kind, tally->rss[kind]);
    }
}

MMK_ALWAYS_INLINE mmk_vaddr_t zap_leaf(struct mmk_gather *gather, struct mmk_walk *walk,
                                       mmk_vaddr_t end, enum mmk_zap which)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct tally tally = {0};
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr = walk->addr, first = UINT64_MAX, last = 0;

    if (!MMK_MISTAKE(ZAP_PART_GROUPED))
        mmk_pte_ungroup_ends(walk, end);
    for (; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        mmk_pte_t pte = mmk_pte_read(entry);

        if (mmk_pte_none(pte) || stays(pte, which))
            continue;
        if (!mmk_gather_room(gather)) {
            if (!MMK_MISTAKE(ZAP_EARLY_GROUPED))
                mmk_pte_ungroup(walk, entry); /* the rest of one stays for now */
            break;
        }
        zap_entry(gather, entry, &tally);
        if (first > addr)
            first = addr;
        last = addr;
    }
    if (tally.taken) {
        mmk_gather_range(gather, first, last + MMK_PAGE_SIZE);
        tally_up(gather, walk->table, &tally);
    }
    return addr;
}

mmk_vaddr_t mmk_zap_leaf(struct mmk_gather *gather, struct mmk_walk *walk, mmk_vaddr_t end,
                         enum mmk_zap which)
{
    return zap_leaf(gather, walk, end, which);
}

/* The pages of a larger one, whose entry was `old`, and is none by now. => the gather has room */
static void zap_huge_pages(struct mmk_gather *gather, mmk_pte_t old, struct tally *tally)
{
    struct mmk_page *page = mmk_pte_page(old);
    enum mmk_counter kind = mmk_page_rss_kind(page);
    bool dirty = kind != MMK_COUNT_RSS_ANON && mmk_pte_dirty(old);
    unsigned i;

    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        if (dirty)
            mmk_page_mkdirty(page + i); /* G3 */
        mmk_page_remove_rmap(page + i, gather->mm);
    }
    mmk_gather_huge(gather, page, dirty && !MMK_MISTAKE(HUGE_DIRTY_ONCE));
    tally->rss[kind] = -(int64_t)MMK_HUGE_PAGES;
}

void mmk_zap_huge(struct mmk_gather *gather, struct mmk_walk *walk)
{
    mmk_vaddr_t base = mmk_pt_entry_base(walk->addr, walk->level);
    struct tally tally = {.taken = 1};
    mmk_pte_t pte = mmk_pte_take(walk->entry);

    if (mmk_pte_page(pte))
        zap_huge_pages(gather, pte, &tally);
    mmk_gather_range(gather, base, base + mmk_pt_entry_span(walk->level));
    mmk_huge_count(gather->mm, pte, walk->level, -1);
    tally_up(gather, walk->table, &tally);
}

/*
 * A larger page's entry: wholly, also if only a part of it is to go, which is an object's
 * (range.h). => as zap_leaf()
 */
static MMK_NOINLINE mmk_vaddr_t zap_huge(struct mmk_gather *gather, struct mmk_walk *walk,
                                         mmk_vaddr_t end, enum mmk_zap which)
    MMK_REQUIRES(walk->table->table.lock)
{
    const struct mmk_page *page = mmk_pte_page(mmk_pte_read(walk->entry));

    if (which == MMK_ZAP_OBJECT && page && mmk_page_type(page) == MMK_PAGE_ANON)
        return end;
    if (MMK_MISTAKE(HUGE_PART_KEPT) && end - walk->addr < MMK_HUGE_SIZE)
        return end;
    if (!mmk_gather_room(gather))
        return walk->addr;
    mmk_zap_huge(gather, walk);
    return end;
}

struct zap {
    struct mmk_gather *gather;
    enum mmk_zap which;
};

static mmk_vaddr_t zap_table(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
    MMK_REQUIRES(walk->table->table.lock)
{
    const struct zap *zap = (const struct zap *)arg;

    if (mmk_unlikely(walk->level > 0))
        return zap_huge(zap->gather, walk, end, zap->which);
    return zap_leaf(zap->gather, walk, end, zap->which);
}

void mmk_zap_range(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end,
                   enum mmk_zap which)
{
    struct zap zap = {gather, which};

    mmk_range_for_each_leaf(gather, start, end, zap_table, &zap);
}

mmk_vaddr_t mmk_zap_visit(struct mmk_gather *gather, struct mmk_walk *walk, mmk_vaddr_t end,
                          enum mmk_zap which)
{
    struct zap zap = {gather, which};

    return zap_table(walk, end, &zap);
}
