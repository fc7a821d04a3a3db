/* SPDX-License-Identifier: MIT */
/*
 * advise.c - madvise.
 *
 * Holds the mmap lock for reading: other advice and faults go on beside it. One gather, and so one
 * flush, for the whole call. As on Linux a hole is skipped and answered with MMK_ENOMEM at the end.
 * MADV_POPULATE_* takes nothing away: populate.c does all of it, and a hole ends it.
 */
#include "populate.h"
#include "range.h"
#include "seal.h"
#include "zap.h"

struct advice {
    struct mmk_gather gather;
    mmk_vaddr_t start, end;
    bool discards; /* takes away what memory holds: a seal may forbid it */
    int (*visit)(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end);
};

/* MADV_DONTNEED: pages and tables go, guards stay; the next touch sees zeros, or the object. */
static int dontneed(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    (void)vma;
    advice->gather.low = start;
    advice->gather.high = end;
    mmk_zap_range(&advice->gather, start, end, MMK_ZAP_PAGES);
    return 0;
}

/* Clean and lazily free, unless others use the page too. => table locked */
static void free_entry(struct mmk_gather *gather, struct mmk_a64 *entry, mmk_vaddr_t addr)
{
    mmk_pte_t pte = mmk_pte_read(entry);
    struct mmk_page *page = mmk_pte_page(pte);

    if (!page || mmk_page_refs(page) != 1)
        return;
    mmk_page_clear(page, MMK_PF_DIRTY);
    mmk_page_set(page, MMK_PF_LAZYFREE);
    while (!mmk_pte_change(entry, &pte, mmk_pte_mkold_clean(pte)))
        continue;
    if (mmk_pte_accessible(pte))
        mmk_gather_range(gather, addr, addr + MMK_PAGE_SIZE); /* the next write must set dirty */
}

static mmk_vaddr_t free_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE)
        free_entry((struct mmk_gather *)arg, entry++, addr);
    return end;
}

/* MADV_FREE: private anonymous memory only. The pages stay until memory is short. */
static int lazyfree(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    if (vma->object)
        return MMK_EINVAL;
    mmk_range_for_each_leaf(&advice->gather, start, end, free_leaf, &advice->gather);
    return 0;
}

/* MADV_WILLNEED: what an object would read when it is touched is read now; errors do not count. */
static int willneed(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    (void)advice;
    mmk_populate_object(vma, start, end);
    return 0;
}

/* Every VMA in the range in turn. => mmap lock held for reading */
static int visit_range(struct advice *advice)
{
    struct mmk_mm *mm = advice->gather.mm;
    mmk_vaddr_t addr = advice->start;
    int hole = 0;

    while (addr < advice->end) {
        struct mmk_vma *vma = mmk_vma_tree_find_rcu(&mm->vmas, addr);
        mmk_vaddr_t end;
        int error;

        if (!vma || mmk_vma_start(vma) >= advice->end)
            return MMK_ENOMEM;
        if (mmk_vma_start(vma) > addr) {
            hole = MMK_ENOMEM;
            addr = mmk_vma_start(vma);
        }
        end = mmk_vma_end(vma) < advice->end ? mmk_vma_end(vma) : advice->end;
        if (advice->discards && mmk_vma_sealed_contents(vma))
            return MMK_EPERM;
        error = advice->visit(advice, vma, addr, end);
        if (error)
            return error;
        addr = end;
    }
    return hole;
}

/* Advice without effect: holes are reported all the same. */
static int nothing(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    (void)advice;
    (void)vma;
    (void)start;
    (void)end;
    return 0;
}

static bool choose_visit(struct advice *advice, int kind)
{
    switch (kind) {
    case MMK_MADV_NORMAL:
    case MMK_MADV_RANDOM:
    case MMK_MADV_SEQUENTIAL:
        advice->visit = nothing;
        return true;
    case MMK_MADV_WILLNEED:
        advice->visit = willneed;
        return true;
    case MMK_MADV_DONTNEED:
        advice->visit = dontneed;
        advice->discards = true;
        return true;
    case MMK_MADV_FREE:
        advice->visit = lazyfree;
        advice->discards = true;
        return true;
    case MMK_MADV_POPULATE_READ:
    case MMK_MADV_POPULATE_WRITE:
        return true;
    default:
        return false;
    }
}

/* => mmap lock held for reading */
static int perform(struct mmk_mm *mm, struct advice *advice, int kind)
{
    int error;

    if (kind == MMK_MADV_POPULATE_READ)
        return mmk_populate_locked(mm, advice->start, advice->end, MMK_POPULATE_READ);
    if (kind == MMK_MADV_POPULATE_WRITE)
        return mmk_populate_locked(mm, advice->start, advice->end, MMK_POPULATE_WRITE);
    mmk_gather_begin(&advice->gather, mm, MMK_GATHER_DONTNEED, 0, 0);
    error = visit_range(advice);
    mmk_gather_finish(&advice->gather);
    return error;
}

int mmk_madvise(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, int kind)
{
    struct advice advice = {.start = addr, .end = addr + mmk_page_up(length)};
    int error;

    if (!choose_visit(&advice, kind) || (addr & ~MMK_PAGE_MASK) ||
        (length != 0 && mmk_page_up(length) == 0) || advice.end < addr)
        return MMK_EINVAL;
    if (advice.end == addr)
        return 0;
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    error = perform(mm, &advice, kind);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}
