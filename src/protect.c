/* SPDX-License-Identifier: MIT */
/*
 * protect.c - mprotect.
 *
 * At most two VMAs are cut, at the ends of what changes; those in between change as they are. So
 * all that may be needed is known and allocated before the first change. What lies before a hole
 * is changed and MMK_ENOMEM is answered, as by Linux.
 *
 * Entries never gain the write permission from the VMA alone: a page that others may share stays
 * read-only until a write faults. One that is exclusive to the entry gains it at once.
 */
#include "map.h"

#include "range.h"
#include "zap.h"

struct protect {
    struct mmk_gather *gather;
    uint64_t flags; /* the VMA's new ones */
};

/* What a present entry becomes. */
static mmk_pte_t protected_entry(const struct protect *protect, mmk_pte_t pte)
{
    bool write = (protect->flags & MMK_VM_WRITE) != 0;
    bool exec = (protect->flags & MMK_VM_EXEC) != 0;
    struct mmk_page *page = mmk_pfn_to_page(mmk_pte_pfn(pte));

    pte = mmk_pte_protect(pte, mmk_vma_accessible(protect->flags), write, exec);
    if (write && page != mmk_zero_page() && mmk_page_type(page) == MMK_PAGE_ANON &&
        mmk_page_test(page, MMK_PF_EXCLUSIVE))
        pte = mmk_pte_mkwrite(pte);
    return pte;
}

static mmk_vaddr_t protect_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
{
    const struct protect *protect = (const struct protect *)arg;
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        mmk_pte_t old = mmk_pte_read(entry), new;

        if (mmk_pte_none(old))
            continue;
        do
            new = protected_entry(protect, old);
        while (new.v != old.v && !mmk_pte_change(entry, &old, new));
        if (new.v != old.v && mmk_pte_accessible(old))
            mmk_gather_range(protect->gather, addr, addr + MMK_PAGE_SIZE);
    }
    return end;
}

/* What mprotect() works on: VMAs without a hole from `start` to `stop`. */
struct change {
    mmk_vaddr_t start, stop;
    unsigned prot;
    struct mmk_vma *spare[2]; /* for cuts at start and at stop */
    struct mmk_vma_tree_reserve reserve;
};

static struct mmk_vma *at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    return mmk_vma_tree_find_rcu(&mm->vmas, addr);
}

/* Where the first hole at or above start is, up to end. */
static mmk_vaddr_t first_hole(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    while (start < end) {
        struct mmk_vma *vma = at(mm, start);

        if (!vma || mmk_vma_start(vma) > start)
            return start;
        start = mmk_vma_end(vma);
    }
    return end;
}

static uint64_t new_flags(const struct mmk_vma *vma, const struct change *change)
{
    return (mmk_vma_flags(vma) & ~(uint64_t)MMK_VM_PROT) | change->prot;
}

/* The VMA that must be cut at addr: it has addr inside, and changes on one side only. */
static struct mmk_vma *needs_cut(struct mmk_mm *mm, const struct change *change, mmk_vaddr_t addr)
{
    struct mmk_vma *vma = at(mm, addr);

    if (!vma || mmk_vma_start(vma) >= addr || new_flags(vma, change) == mmk_vma_flags(vma))
        return NULL;
    return vma;
}

static int prepare(struct mmk_mm *mm, struct change *change)
{
    struct mmk_vma *first = needs_cut(mm, change, change->start);
    struct mmk_vma *last = needs_cut(mm, change, change->stop);

    change->spare[0] = change->spare[1] = NULL;
    if (first && !(change->spare[0] = mmk_vma_alloc_upper(first, change->start)))
        return MMK_ENOMEM;
    if (last)
        change->spare[1] = mmk_vma_alloc_upper(last, change->stop);
    if ((!last || change->spare[1]) && mmk_vma_tree_reserve(&mm->vmas, 4, &change->reserve) == 0)
        return 0;
    if (change->spare[1])
        mmk_vma_free(change->spare[1]);
    if (change->spare[0])
        mmk_vma_free(change->spare[0]);
    return MMK_ENOMEM;
}

static void protect_vma(struct mmk_vma *vma, const struct change *change, struct mmk_gather *gather)
{
    struct protect protect = {gather, new_flags(vma, change)};

    if (protect.flags == mmk_vma_flags(vma))
        return;
    mmk_a64_store(&vma->flags, protect.flags, MMK_RELAXED);
    mmk_range_for_each_leaf(gather, mmk_vma_start(vma), mmk_vma_end(vma), protect_leaf, &protect);
}

/* The upper cut first: the lower one may be in the same VMA. */
static void cut(struct mmk_mm *mm, struct change *change)
{
    if (change->spare[1])
        mmk_vma_split(at(mm, change->stop), change->stop, change->spare[1], &change->reserve);
    if (change->spare[0]) {
        struct mmk_vma *vma = at(mm, change->start);

        mmk_a64_store(&change->spare[0]->end, mmk_vma_end(vma), MMK_RELAXED);
        mmk_vma_split(vma, change->start, change->spare[0], &change->reserve);
    }
    mmk_vma_tree_unreserve(&change->reserve);
}

static void perform(struct mmk_mm *mm, struct change *change)
{
    struct mmk_gather gather;
    struct mmk_vma *vma;
    mmk_vaddr_t addr;

    cut(mm, change);
    mmk_gather_begin(&gather, mm, MMK_GATHER_OTHER, 0, 0);
    for (addr = change->start; addr < change->stop; addr = mmk_vma_end(vma)) {
        vma = at(mm, addr);
        protect_vma(vma, change, &gather);
    }
    mmk_gather_finish(&gather);
    for (addr = change->start; addr < change->stop; addr = mmk_vma_end(at(mm, addr)))
        mmk_vma_merge_at(mm, addr);
    mmk_vma_merge_at(mm, change->stop);
}

/* => mmap lock held for writing */
static int protect_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, unsigned prot)
{
    struct change change;
    int error;

    change.start = start;
    change.stop = first_hole(mm, start, end);
    change.prot = prot;
    if (change.stop > start) {
        error = prepare(mm, &change);
        if (error)
            return error;
        perform(mm, &change);
    }
    return change.stop < end ? MMK_ENOMEM : 0;
}

int mmk_mprotect(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot)
{
    mmk_vaddr_t end = addr + mmk_page_up(length);
    int error;

    if (addr & ~MMK_PAGE_MASK)
        return MMK_EINVAL;
    if (length == 0)
        return 0;
    if (end <= addr)
        return MMK_ENOMEM;
    if (prot & ~(unsigned)MMK_VM_PROT)
        return MMK_EINVAL;
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    error = protect_locked(mm, addr, end, prot);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}
