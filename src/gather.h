/* SPDX-License-Identifier: MIT */
/*
 * gather.h - what an operation has taken out of the page tables, and may not free before every
 * TLB has forgotten it.
 *
 * begin; for each change note what it was; finish: one flush, then frames are let go, and tables
 * after a grace period. A gather that gets no memory flushes early and goes on; counted.
 */
#ifndef MMK_SRC_GATHER_H
#define MMK_SRC_GATHER_H

#include "mm.h"
#include "notifier.h"
#include "page.h"

/* Why entries go: the comparison policies free tables for some reasons only (table.c). */
enum mmk_gather_reason {
    MMK_GATHER_OTHER,    /* truncation, protection, free; low, high: no meaning */
    MMK_GATHER_DONTNEED, /* low, high: one call's range inside one VMA */
    MMK_GATHER_UNMAP,    /* low, high: end of the VMA below, start of the one above; else 0 and
                            UINT64_MAX */
};

#define MMK_GATHER_INLINE 32

/* What is noted beside a page. */
#define MMK_GATHER_DIRTY ((uintptr_t)1)
#define MMK_GATHER_HUGE  ((uintptr_t)2)

struct mmk_gather_batch {
    struct mmk_gather_batch *next;
    uint64_t count;
    uintptr_t page[]; /* struct mmk_page *; bit 0: the entry was dirty; bit 1: it was a larger
                         page's, of which this is the first */
};

#define MMK_GATHER_BATCH ((MMK_PAGE_SIZE - sizeof(struct mmk_gather_batch)) / sizeof(uintptr_t))

struct mmk_gather {
    struct mmk_mm *mm;
    mmk_vaddr_t start, end; /* to flush; empty while start >= end */
    enum mmk_gather_reason reason;
    bool unasked;                   /* has a share of mm.flush_unasked, too */
    mmk_vaddr_t low, high;          /* see the reason */
    uint64_t taken, mapped;         /* entries that a zap took; those of them that had a page */
    uint64_t tables;                /* unlinked, flushed early among them */
    struct mmk_notify notify;       /* secondary MMUs that were told */
    struct mmk_page *dead;          /* unlinked tables: the lowest of each path */
    struct mmk_gather_batch *batch; /* full of pages but the first; or NULL */
    uint32_t count;                 /* pages in `page` */
    uintptr_t page[MMK_GATHER_INLINE];
};

/*
 * Entries in [start, end) are about to change: secondary MMUs are told. The reason is OTHER, until
 * mmk_gather_policy() says more.
 * => takes a share of mm.flush_pending; the caller keeps mm alive until finish
 * => may sleep if a notifier does: no spin locks, no RCU read section
 */
void mmk_gather_begin_range(struct mmk_gather *gather, struct mmk_mm *mm, mmk_vaddr_t start,
                            mmk_vaddr_t end, enum mmk_notify_reason why);

/* Entries in [start, end) are about to change, too. => no notifier was told of the others */
MMK_ALWAYS_INLINE void mmk_gather_extend(struct mmk_gather *gather, mmk_vaddr_t start,
                                         mmk_vaddr_t end)
{
    gather->notify.range.start = mmk_min(gather->notify.range.start, start);
    gather->notify.range.end = mmk_max(gather->notify.range.end, end);
}

/* The same as mmk_gather_begin_range(), without sleeping. => 0; MMK_EAGAIN: a notifier would have
 * to, nothing has begun */
MMK_MUST_CHECK int mmk_gather_try_begin(struct mmk_gather *gather, struct mmk_mm *mm,
                                        mmk_vaddr_t start, mmk_vaddr_t end,
                                        enum mmk_notify_reason why);

/*
 * The same inside an RCU read section, which ends before an early flush, and before finish.
 * => false: there are notifiers, nothing has begun
 */
MMK_MUST_CHECK bool mmk_gather_begin_rcu(struct mmk_gather *gather, struct mmk_mm *mm,
                                         mmk_vaddr_t start, mmk_vaddr_t end,
                                         enum mmk_notify_reason why);

/*
 * Nobody asked for the entries to go, and what comes in their place may be another page: who sets
 * one flushes it first. => nothing was taken yet
 */
void mmk_gather_unasked(struct mmk_gather *gather);

MMK_ALWAYS_INLINE void mmk_gather_policy(struct mmk_gather *gather, enum mmk_gather_reason reason,
                                         mmk_vaddr_t low, mmk_vaddr_t high)
{
    gather->reason = reason;
    gather->low = low;
    gather->high = high;
}

/*
 * For a visitor that frees tables and changes no entry of theirs: there is nothing to tell
 * secondary MMUs of. finish_tables() flushes the range noted if there were any.
 * => in place of begin and finish; table locks may be held; spins for other CPUs, does not sleep
 */
void mmk_gather_begin_tables(struct mmk_gather *gather, struct mmk_mm *mm);
void mmk_gather_finish_tables(struct mmk_gather *gather);

/* Flushes what must be, frees what may be. => as mmk_gather_begin_range() about sleeping */
void mmk_gather_finish(struct mmk_gather *gather);

/* The same in mid-operation, when mmk_gather_room() has said no. */
void mmk_gather_flush_early(struct mmk_gather *gather);

/* Translations of [start, end) must be flushed. */
MMK_ALWAYS_INLINE void mmk_gather_range(struct mmk_gather *gather, mmk_vaddr_t start,
                                        mmk_vaddr_t end)
{
    if (start < gather->start)
        gather->start = start;
    if (end > gather->end)
        gather->end = end;
}

bool mmk_gather_room_slow(struct mmk_gather *gather);

/* Room for one more page, so that an entry may be taken. => false: let go of locks, flush early */
MMK_ALWAYS_INLINE bool mmk_gather_room(struct mmk_gather *gather)
{
    if (mmk_inject(MMK_INJECT_FLUSH_EARLY))
        return false;
    return mmk_likely(gather->count < MMK_GATHER_INLINE) || mmk_gather_room_slow(gather);
}

void mmk_gather_page_slow(struct mmk_gather *gather, uintptr_t page);

/* Hands over the reference that an entry had. => mmk_gather_room() said yes just before */
MMK_ALWAYS_INLINE void mmk_gather_page(struct mmk_gather *gather, struct mmk_page *page, bool dirty)
{
    uintptr_t value = (uintptr_t)page | (dirty ? MMK_GATHER_DIRTY : 0);

    if (mmk_likely(gather->count < MMK_GATHER_INLINE))
        gather->page[gather->count++] = value;
    else
        mmk_gather_page_slow(gather, value);
}

/* The same of all the references that a larger page's entry had. => page: the first */
MMK_ALWAYS_INLINE void mmk_gather_huge(struct mmk_gather *gather, struct mmk_page *page, bool dirty)
{
    uintptr_t value = (uintptr_t)page | MMK_GATHER_HUGE | (dirty ? MMK_GATHER_DIRTY : 0);

    if (mmk_likely(gather->count < MMK_GATHER_INLINE))
        gather->page[gather->count++] = value;
    else
        mmk_gather_page_slow(gather, value);
}

/*
 * Hands over n unlinked tables, a path on the way to addr, by the lowest (table.h). What leads to
 * them is flushed with any page that the lowest covered; pages taken out of it are noted, so one of
 * those does, else addr's.
 * => nobody can find them but old readers
 */
MMK_ALWAYS_INLINE void mmk_gather_path(struct mmk_gather *gather, struct mmk_page *table,
                                       unsigned n, mmk_vaddr_t addr)
{
    mmk_vaddr_t base = mmk_pt_base(addr, table->table.level);

    table->table.next = gather->dead;
    gather->dead = table;
    gather->tables += n;
    if (gather->end <= base || gather->start >= base + mmk_pt_table_span(table->table.level))
        mmk_gather_range(gather, addr & MMK_PAGE_MASK, (addr & MMK_PAGE_MASK) + MMK_PAGE_SIZE);
}

uint64_t mmk_gather_early_count(void);
void mmk_gather_init(void);

#endif
