/* SPDX-License-Identifier: MIT */
/*
 * gather.c - one flush for a whole operation, then freeing.
 *
 * G1 A frame is let go, and a table handed to RCU, only after the flush that covers its entry.
 * G2 mm.flush_pending is raised before the first entry changes and lowered after the flush. An
 *    operation that sees another's share may have found entries gone that are still cached
 *    somewhere: it flushes as well, even if it changed nothing itself (P2).
 * G3 A dirty bit taken from an entry reaches the page before the table's lock is dropped, and once
 *    more after the flush: a store through a translation not yet flushed may come after a
 *    write-back has cleaned the page (P5).
 *
 * G4 Secondary MMUs are told before the first entry changes, and again after the flush if one has
 *    registered meanwhile; they may fill their tables again once every TLB is flushed (notifier.c).
 *
 * Pages are noted in a small array, then in batches of a page each. Chaining them through their
 * descriptors would need no memory, but a page that others still map has no link to spare.
 */
#include "gather.h"

#include "frame.h"
#include "planted.h"
#include "swap_cache.h"
#include "table_memory.h"
#include "tlb.h"

static struct mmk_a64 early; /* rare, so one shared word */

void mmk_gather_init(void)
{
    mmk_a64_store(&early, 0, MMK_RELAXED);
}

uint64_t mmk_gather_early_count(void)
{
    return mmk_a64_load(&early, MMK_RELAXED);
}

static void reset(struct mmk_gather *gather)
{
    gather->start = UINT64_MAX;
    gather->end = 0;
    gather->dead = NULL;
    gather->batch = NULL;
    gather->count = 0;
}

/* => who is to be told has been */
MMK_ALWAYS_INLINE void begin_told(struct mmk_gather *gather, struct mmk_mm *mm)
{
    gather->mm = mm;
    gather->taken = gather->mapped = gather->tables = 0;
    gather->reason = MMK_GATHER_OTHER;
    gather->unasked = false;
    reset(gather);
    mmk_a32_fetch_add(&mm->flush_pending, 1, MMK_RELAXED); /* the tables' locks order it */
}

static int begin(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                 enum mmk_notify_reason why, bool may_sleep)
{
    if (mmk_notify_try_begin(&gather->notify, mm, start, end, why, may_sleep))
        return MMK_EAGAIN;
    begin_told(gather, mm);
    return 0;
}

void mmk_gather_begin_range(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t start,
                            mmk_vaddr_t end, enum mmk_notify_reason why)
{
    int error = begin(gather, mm, start, end, why, true);

    mmk_assert(!error, "a notifier that may sleep does not refuse");
}

int mmk_gather_try_begin(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t start,
                         mmk_vaddr_t end, enum mmk_notify_reason why)
{
    return begin(gather, mm, start, end, why, false);
}

bool mmk_gather_begin_rcu(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t start,
                          mmk_vaddr_t end, enum mmk_notify_reason why)
{
    if (!mmk_notify_begin_untold(&gather->notify, mm, start, end, why))
        return false;
    begin_told(gather, mm);
    if (MMK_MISTAKE(ADVISES_UNCOUNTED))
        mmk_a32_fetch_sub(&mm->flush_pending, 1, MMK_RELAXED);
    return true;
}

void mmk_gather_unasked(struct mmk_gather *gather)
{
    gather->unasked = true;
    mmk_a32_fetch_add(&gather->mm->flush_unasked, 1, MMK_RELAXED); /* likewise */
}

bool mmk_gather_room_slow(struct mmk_gather *gather)
{
    struct mmk_gather_batch *batch = gather->batch;
    struct mmk_page *frame;

    if (batch && batch->count < MMK_GATHER_BATCH)
        return true;
    if (mmk_inject(MMK_INJECT_GATHER_BATCH))
        return false;
    frame = mmk_page_alloc(0, MMK_ALLOC_NOWAIT);
    if (!frame)
        return false;
    batch = (struct mmk_gather_batch *)mmk_page_virt(frame);
    batch->next = gather->batch;
    batch->count = 0;
    gather->batch = batch;
    return true;
}

void mmk_gather_page_slow(struct mmk_gather *gather, uintptr_t page)
{
    struct mmk_gather_batch *batch = gather->batch;

    batch->page[batch->count++] = page;
}

/* One reference less. => true: that was the last, and the frame is the caller's to free */
static bool drop_last(struct mmk_page *page)
{
    if (mmk_likely(!mmk_page_test(page, MMK_PF_SWAPCACHE)))
        return mmk_page_drop(page);
    mmk_swap_put_page(page);
    return false;
}

/* The pages of a larger one: a block again, unless some of them are somebody's still. */
static MMK_NOINLINE void put_huge(struct mmk_page *page, bool dirty)
{
    bool whole = true, last;
    unsigned i, j;

    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        if (dirty)
            mmk_page_mkdirty(page + i);
        last = drop_last(page + i);
        if (last && !whole)
            mmk_frame_free(page + i);
        for (j = 0; whole && !last && j < i; j++)
            mmk_frame_free(page + j);
        whole = whole && last;
    }
    if (whole)
        mmk_frame_free_row(page, MMK_HUGE_ORDER);
}

/* Lets go of one noted page. G3: the dirty bit again, while the reference is still held. */
static void put_noted(uintptr_t noted)
{
    struct mmk_page *page = (struct mmk_page *)(noted & ~(MMK_GATHER_DIRTY | MMK_GATHER_HUGE));

    if (mmk_unlikely(noted & MMK_GATHER_HUGE)) {
        put_huge(page, (noted & MMK_GATHER_DIRTY) != 0);
        return;
    }
    if (noted & MMK_GATHER_DIRTY)
        mmk_page_mkdirty(page);
    mmk_swap_put_page(page); /* with its slot, if that was its last entry, and nobody has that */
}

static void free_pages(struct mmk_gather *gather)
{
    struct mmk_gather_batch *batch, *next;
    uint64_t i;

    for (i = 0; i < gather->count; i++)
        put_noted(gather->page[i]);
    for (batch = gather->batch; batch; batch = next) {
        next = batch->next;
        for (i = 0; i < batch->count; i++)
            put_noted(batch->page[i]);
        mmk_page_put(mmk_virt_to_page(batch));
    }
}

static void free_tables(struct mmk_gather *gather)
{
    struct mmk_page *table, *next;

    for (table = gather->dead; table; table = next) {
        next = table->table.next;
        mmk_table_retire(gather->mm, table);
    }
}

/* The range noted; everything when others have entries cleared and not flushed (G2). */
static void flush(struct mmk_gather *gather)
{
    struct mmk_mm *mm = gather->mm;

    if (mmk_mm_flush_pending(mm) > 1 && !MMK_MISTAKE(OTHERS_UNFLUSHED))
        mmk_gather_range(gather, 0, MMK_USER_END);
    if (gather->dead)
        mmk_tlb_flush_tables(mm, gather->start, gather->end);
    else if (gather->start < gather->end)
        mmk_tlb_flush(mm, gather->start, gather->end);
    if (!MMK_MISTAKE(NOTIFIED_EARLY))
        mmk_notify_flushed(&gather->notify, mm);
}

static void flush_and_free(struct mmk_gather *gather)
{
    flush(gather);
    free_pages(gather);
    free_tables(gather);
    reset(gather);
}

void mmk_gather_finish(struct mmk_gather *gather)
{
    struct mmk_mm *mm = gather->mm;

    if (MMK_MISTAKE(FREE_BEFORE_FLUSH)) {
        free_pages(gather);
        gather->count = 0;
        gather->batch = NULL;
    }
    flush(gather);
    if (mmk_unlikely(gather->unasked))
        mmk_a32_fetch_sub(&mm->flush_unasked, 1, MMK_RELEASE);
    mmk_a32_fetch_sub(&mm->flush_pending, 1, MMK_RELEASE);
    mmk_notify_end(&gather->notify);
    free_pages(gather);
    free_tables(gather);
}

void mmk_gather_begin_tables(struct mmk_gather *gather, struct mmk_mm *mm)
{
    gather->mm = mm;
    gather->reason = MMK_GATHER_OTHER;
    gather->tables = 0;
    reset(gather);
    mmk_a32_fetch_add(&mm->flush_pending, 1, MMK_RELAXED); /* the tables' locks order it */
}

void mmk_gather_finish_tables(struct mmk_gather *gather)
{
    struct mmk_mm *mm = gather->mm;

    if (gather->dead && !MMK_MISTAKE(UNPIN_UNFLUSHED))
        mmk_tlb_flush_tables(mm, gather->start, gather->end);
    mmk_a32_fetch_sub(&mm->flush_pending, 1, MMK_RELEASE);
    free_tables(gather);
}

void mmk_gather_flush_early(struct mmk_gather *gather)
{
    mmk_a64_fetch_add(&early, 1, MMK_RELAXED);
    flush_and_free(gather);
}
