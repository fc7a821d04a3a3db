/* SPDX-License-Identifier: MIT */
/*
 * shrink.c - gives back tables that are not empty, but have nothing in them that would be missed.
 *
 * A leaf table goes, with all its entries, when each of them is one of
 *
 *   the zero page            the next read finds it again
 *   a file's page, clean     it stays in its object: the next touch finds it there
 *   a lazily freed page      MADV_FREE lets it go: the next touch finds zeros
 *
 * and none was used lately. The first alone would never go by itself: reclaim takes pages, and the
 * zero page is not one that could be taken. The next touch builds the table anew, like any other.
 *
 * SH1 All or nothing. The entries are looked at first, all of them under the table's lock, and
 *     taken under the same hold of it. A table of which one entry is to stay keeps all: a part
 *     would cost faults and give nothing back. What may happen all the same, and loses nothing: a
 *     lazily freed page is stored to between look and exchange, and stays (P13), or the gather has
 *     no room, and somebody sets an entry while it flushes.
 * SH2 An entry that was used since somebody last looked, or whose page has an age (reclaim.c), lets
 *     the table stay, too, but loses its accessed bit: a second chance. The bits of a table that is
 *     to stay for its other entries are left to reclaim.
 * SH3 Waits for nothing: the mmap lock is tried, and a notifier that would have to sleep refuses.
 *     So reclaim may be here with any lock that sleeps, in the middle of a fault.
 * SH4 A call looks at so many tables, and the next goes on where it has stopped: in an address
 *     space at `shrink_next`, among them in their list, whose first goes to its end (mm.c).
 *
 * Locks: the mmap lock for reading keeps VMAs, and keeps away who moves entries (P10), forks, exits
 * or locks memory; it and a hold keep mm until the gather has ended (P16). Faults, truncation,
 * write-back, reclaim and munmap's zap run beside, table by table. What munmap has taken out of the
 * tree of VMAs already is its own: an entry without a VMA stays.
 *
 * Rejected: coming to tables by their frames, as reclaim does to pages. A table knows neither its
 * address nor, once it is in a stock, that it is nobody's; and a hand that goes by frames looks at
 * ever another address space, and flushes for each table.
 */
#include "shrink.h"

#include "frame.h"
#include "object.h"
#include "page_rmap.h"
#include "percpu_count.h"
#include "planted.h"
#include "range.h"
#include "table.h"
#include "waiting.h"
#include "zap.h"

#include <mmkit/stats.h>

#define LOOKS       8u  /* tables that are looked at for each one that is wanted, */
#define LEAST_LOOKS 64u /* and so many at least */
#define SLICE       64u /* of them with the mmap lock in one hold, and for one flush */

static struct mmk_percpu_count count_looked, count_given;

/* One call. */
struct shrink {
    struct mmk_group *group; /* whose tables, or NULL */
    struct mmk_mm *mm;
    uint64_t want, given; /* tables; given: without those of the gather */
    uint64_t pages;       /* lazily freed ones that have gone */
    uint64_t looks;       /* that are left: a leaf table, or an address space passed */
    bool used;            /* tables in use go, too */
    bool begun;           /* the gather has */
    struct mmk_gather gather;
};

void mmk_shrink_init(void)
{
    mmk_percpu_count_init(&count_looked);
    mmk_percpu_count_init(&count_given);
}

void mmk_shrink_stats(struct mmk_stats *stats)
{
    stats->shrink_looked = mmk_percpu_count_sum(&count_looked);
    stats->shrink_given = mmk_percpu_count_sum(&count_given);
}

/* ---- looking at a table ---------------------------------------------------------------------- */

enum verdict { STAYS, USED, GOES };

/* Nobody has stored to it since MADV_FREE, and nobody else has it. => its entry's table is locked
 */
static bool is_free(const struct mmk_page *page, mmk_pte_t pte)
{
    return mmk_page_test(page, MMK_PF_LAZYFREE) && !mmk_page_test(page, MMK_PF_DIRTY) &&
           !mmk_pte_dirty(pte) && mmk_page_mapcount(page) == 1 && mmk_page_refs(page) == 1;
}

/* => as is_free() */
static bool is_clean(const struct mmk_page *page, mmk_pte_t pte)
{
    const struct mmk_object *object =
        (const struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);

    return object->ops && !mmk_page_test(page, MMK_PF_DIRTY) && !mmk_pte_dirty(pte);
}

/* => a present entry, in a table that is locked */
static enum verdict look_at_page(const struct mmk_page *page, mmk_pte_t pte)
{
    bool goes;

    if (mmk_page_pinned(page))
        return STAYS;
    goes = mmk_page_type(page) == MMK_PAGE_ANON ? is_free(page, pte) : is_clean(page, pte);
    if (!goes)
        return STAYS;
    return mmk_page_test(page, MMK_PF_AGE) ? USED : GOES;
}

/* => pte is not none, in a table that is locked; the mapping has no frames of others */
static enum verdict look_at_entry(mmk_pte_t pte)
{
    const struct mmk_page *page = mmk_pte_page(pte);
    enum verdict verdict = GOES;

    if (!mmk_pte_present(pte))
        return STAYS;
    if (page)
        verdict = look_at_page(page, pte);
    else if (mmk_pte_pfn(pte) != mmk_page_to_pfn(mmk_zero_page()))
        verdict = STAYS;
    return verdict == GOES && mmk_pte_mkold(pte).v != pte.v ? USED : verdict;
}

/* Whether what it maps may go. Locked memory stays where it is. */
static bool allows(const struct mmk_vma *vma)
{
    return (!(mmk_vma_flags(vma) & MMK_VM_LOCKED) || MMK_MISTAKE(SHRINKS_LOCKED)) &&
           !mmk_vma_has_frames(vma);
}

/* A whole leaf table, up to `end`. => walk locked, at its first entry */
static enum verdict look(const struct shrink *shrink, const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(shrink->mm->mmap_lock) MMK_REQUIRES(walk->table->table.lock)
{
    const struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr, vma_end = 0;
    enum verdict all = GOES;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE) {
        mmk_pte_t pte = mmk_pte_read(entry++);
        enum verdict verdict;

        if (mmk_pte_none(pte))
            continue;
        if (addr >= vma_end) {
            const struct mmk_vma *vma = mmk_mm_find_vma(shrink->mm, addr);

            if (!vma || mmk_vma_start(vma) > addr || !allows(vma))
                return STAYS;
            vma_end = mmk_vma_end(vma);
        }
        verdict = look_at_entry(pte);
        if (verdict == STAYS)
            return STAYS;
        if (verdict == USED)
            all = USED;
    }
    return all == USED && shrink->used ? GOES : all;
}

/* SH2. Nothing is flushed, as by reclaim. => walk locked, at the table's first entry */
static void make_old(const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        mmk_pte_t pte = mmk_pte_read(entry), old;

        if (mmk_pte_none(pte))
            continue;
        do
            old = mmk_pte_mkold(pte);
        while (old.v != pte.v && !mmk_pte_change(entry, &pte, old));
    }
}

/* ---- taking its entries ---------------------------------------------------------------------- */

/* P13. => false: it was stored to, and stays; table locked, the gather has room */
static bool discard(struct mmk_gather *gather, struct mmk_walk *walk, struct mmk_a64 *entry,
                    mmk_vaddr_t addr) MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(entry);
    const mmk_pte_t none = {0};
    struct mmk_page *page = mmk_pte_page(pte);

    do
        if (!is_free(page, pte) && !MMK_MISTAKE(SHRINK_DISCARDS_DIRTY) &&
            !MMK_MISTAKE(SHRINK_NOT_AGAIN))
            return false;
    while (!mmk_pte_change(entry, &pte, none));
    mmk_pte_put_many(walk->table, 1);
    mmk_mm_count(gather->mm, MMK_COUNT_RSS_ANON, -1);
    mmk_page_remove_private(page, gather->mm);
    mmk_gather_page(gather, page, false);
    mmk_gather_range(gather, addr, addr + MMK_PAGE_SIZE);
    return true;
}

enum outcome { DONE, REFUSED, NO_ROOM };

/* The lazily freed pages, which alone may turn out to stay: before anything else. */
static enum outcome discard_all(struct shrink *shrink, struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_gather *gather = &shrink->gather;
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        const struct mmk_page *page = mmk_pte_page(mmk_pte_read(entry));

        if (!page || mmk_page_type(page) != MMK_PAGE_ANON)
            continue;
        if (!mmk_gather_room(gather))
            return NO_ROOM;
        if (!discard(gather, walk, entry, addr))
            return REFUSED;
        shrink->pages++;
    }
    return DONE;
}

/* A planted mistake: what was seen clean is taken for clean. */
static void forget_stores(const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        mmk_pte_t pte = mmk_pte_read(entry);

        while (mmk_pte_present(pte) && !mmk_pte_change(entry, &pte, mmk_pte_mkclean(pte)))
            continue;
    }
}

/*
 * All entries of a table that goes; a file's page that turns dirty meanwhile is told so (zap.c).
 * => false: the gather has no room, some are left
 */
static bool take(struct shrink *shrink, struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    enum outcome outcome = discard_all(shrink, walk, end);

    if (outcome != DONE)
        return outcome == REFUSED;
    if (MMK_MISTAKE(SHRINK_DIRTY_LOST))
        forget_stores(walk, end);
    return mmk_zap_leaf(&shrink->gather, walk, end, MMK_ZAP_PAGES) == end;
}

/* ---- one table ------------------------------------------------------------------------------- */

/* Its first look, in which nothing changes but accessed bits. => false: it stays */
static bool may_go(const struct shrink *shrink, mmk_vaddr_t base, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(shrink->mm->mmap_lock)
{
    enum verdict verdict = STAYS;
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(shrink->mm, base, &walk);
    if (walk.level == 0)
        verdict = look(shrink, &walk, end);
    if (verdict == USED)
        make_old(&walk, end);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return verdict == GOES;
}

/*
 * Looks again, and takes what it has seen. The table may be gone, and somebody may have set an
 * entry.
 * => false: the gather has no room, come again
 */
static bool take_table(struct shrink *shrink, mmk_vaddr_t base, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(shrink->mm->mmap_lock)
{
    struct mmk_walk walk;
    bool done = true;

    mmk_rcu_read_lock();
    mmk_walk_lock(shrink->mm, base, &walk);
    if (walk.level == 0 && (look(shrink, &walk, end) == GOES || MMK_MISTAKE(SHRINK_NOT_AGAIN)))
        done = take(shrink, &walk, end);
    mmk_table_unlock_free(&walk, &shrink->gather);
    mmk_rcu_read_unlock();
    return done;
}

/* What has been taken is flushed, and goes. */
static void finish(struct shrink *shrink)
{
    if (!shrink->begun)
        return;
    mmk_gather_finish(&shrink->gather);
    shrink->given += shrink->gather.tables;
    shrink->begun = false;
}

/*
 * Secondary MMUs are told of each table; where there are none, one gather does for all.
 * => false: one would have to sleep for that; mmap lock held: none is registered meanwhile
 */
static bool begin(struct shrink *shrink, mmk_vaddr_t base, mmk_vaddr_t end)
{
    if (shrink->begun && !mmk_aptr_load(&shrink->mm->notifiers, MMK_RELAXED)) {
        mmk_gather_extend(&shrink->gather, base, end);
        return true;
    }
    finish(shrink);
    shrink->begun =
        !mmk_gather_try_begin(&shrink->gather, shrink->mm, base, end, MMK_NOTIFY_DISCARD);
    if (shrink->begun)
        mmk_gather_unasked(&shrink->gather);
    return shrink->begun;
}

static void shrink_table(struct shrink *shrink, mmk_vaddr_t base, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(shrink->mm->mmap_lock)
{
    mmk_percpu_count_add(&count_looked, 1);
    if (!may_go(shrink, base, end) || !begin(shrink, base, end))
        return;
    while (!take_table(shrink, base, end))
        mmk_gather_flush_early(&shrink->gather);
}

/* ---- an address space, and all --------------------------------------------------------------- */

static bool has_enough(const struct shrink *shrink)
{
    uint64_t pending = shrink->begun ? shrink->gather.tables : 0;

    return shrink->given + pending >= shrink->want;
}

static bool goes_on(const struct shrink *shrink)
{
    return shrink->looks > 0 && !has_enough(shrink);
}

/* A slice, from addr on. => where it stopped: `end`: all is done */
static mmk_vaddr_t shrink_slice(struct shrink *shrink, mmk_vaddr_t addr, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(shrink->mm->mmap_lock)
{
    unsigned i;

    for (i = 0; i < SLICE && goes_on(shrink); i++) {
        mmk_vaddr_t stop;

        addr = mmk_range_next_leaf(shrink->mm, addr, end);
        if (addr >= end)
            break;
        addr = mmk_pt_base(addr, 0);
        stop = mmk_min(addr + mmk_pt_table_span(0), MMK_USER_END);
        shrink_table(shrink, addr, stop);
        shrink->looks--;
        addr = stop;
    }
    finish(shrink);
    return mmk_min(addr, end);
}

/* => as shrink_slice(); false: the mmap lock is not to be had, or there is nothing any more */
static bool try_slice(struct shrink *shrink, mmk_vaddr_t *addr, mmk_vaddr_t end)
{
    struct mmk_mm *mm = shrink->mm;
    bool there;

    if (!mmk_rw_try_read_lock(&shrink->mm->mmap_lock, MMK_LOCK_MMAP))
        return false;
    there = mmk_a32_load(&mm->users, MMK_RELAXED) != 0;
    if (there) {
        *addr = shrink_slice(shrink, *addr, end);
        mmk_a64_store(&mm->shrink_next, *addr == MMK_USER_END ? 0 : *addr, MMK_RELAXED);
    }
    mmk_rw_read_unlock(&shrink->mm->mmap_lock, MMK_LOCK_MMAP);
    return there;
}

/* A round at most, in two parts: from where the last call stopped to the end, and up to there. */
static void shrink_mm(struct shrink *shrink)
{
    mmk_vaddr_t first = mmk_a64_load(&shrink->mm->shrink_next, MMK_RELAXED), addr = first;
    mmk_vaddr_t end = MMK_USER_END;

    while (goes_on(shrink)) {
        if (addr >= end && (end == first || first == 0))
            return;
        if (addr >= end) {
            addr = 0;
            end = first;
        }
        if (!try_slice(shrink, &addr, end))
            return;
    }
}

static void shrink_all(struct shrink *shrink)
{
    uint64_t left = mmk_mm_count_all();

    for (; left > 0 && goes_on(shrink); left--) {
        struct mmk_mm *mm = mmk_mm_next();

        if (!mm)
            return;
        shrink->looks--;
        shrink->mm = mm;
        if (!shrink->group || mm->group == shrink->group)
            shrink_mm(shrink);
        if (!MMK_MISTAKE(SHRINK_NOT_HELD))
            mmk_mm_drop(mm);
    }
}

/* ---- for whom -------------------------------------------------------------------------------- */

/* => tables given back */
static uint64_t run(struct shrink *shrink)
{
    if (!mmk_table_may_shrink())
        return 0;
    if (shrink->mm)
        shrink_mm(shrink);
    else
        shrink_all(shrink);
    mmk_percpu_count_add(&count_given, (int64_t)shrink->given);
    return shrink->given;
}

uint64_t mmk_shrink_tables(struct mmk_mm *mm, uint64_t bytes)
{
    struct shrink shrink = {.mm = mm};

    if (mmk_waiting_is_over())
        return 0;
    shrink.want = bytes / MMK_PAGE_SIZE + (bytes % MMK_PAGE_SIZE != 0);
    shrink.looks = shrink.want * LOOKS + LEAST_LOOKS;
    return run(&shrink) * MMK_PAGE_SIZE;
}

uint64_t mmk_shrink_round(struct mmk_group *group, uint64_t tables, bool used, uint64_t *pages)
{
    struct shrink shrink = {.group = group, .want = tables, .looks = UINT64_MAX, .used = used};
    uint64_t given = run(&shrink);

    *pages += shrink.pages;
    return given;
}

void mmk_shrink_pace(uint64_t frames)
{
    struct shrink shrink = {.want = UINT64_MAX};
    uint64_t tables = mmk_mm_tables_made(), places = mmk_frame_places();

    if (mmk_waiting_is_over())
        return; /* what goes now would wait, and be of no use for that long */
    shrink.looks = (frames * tables + places - 1) / places;
    (void)run(&shrink);
}
