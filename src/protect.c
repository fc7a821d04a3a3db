/* SPDX-License-Identifier: MIT */
/*
 * protect.c - mprotect.
 *
 * VMAs are cut, changed and merged by reshape.c. What lies before a hole is changed and MMK_ENOMEM
 * is answered, as by Linux; so is what lies before a mapping that may not be changed so.
 *
 * Entries never gain the write permission from the VMA alone: a page that others may share stays
 * read-only until a write faults. One that is exclusive to the entry gains it at once.
 */
#include "account.h"
#include "huge.h"
#include "populate.h"
#include "pte_group.h"
#include "range.h"
#include "reshape.h"
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
    const struct mmk_page *page = mmk_pte_page(pte);

    pte = mmk_pte_protect(pte, mmk_vma_accessible(protect->flags), write, exec);
    if (write && page && mmk_page_type(page) == MMK_PAGE_ANON &&
        mmk_page_test(page, MMK_PF_EXCLUSIVE))
        pte = mmk_pte_mkwrite(pte);
    if (write && !page && (protect->flags & MMK_VM_SHARED))
        pte = mmk_pte_mkwrite(pte); /* a frame that is not mmkit's: nobody asks who wrote it */
    return pte;
}

/* A private one that is writable is exclusive in all its parts (HG1). */
static mmk_pte_t protected_huge(const struct protect *protect, mmk_pte_t pte)
{
    const struct mmk_page *page = mmk_pte_page(pte);
    unsigned i;

    pte = protected_entry(protect, pte);
    if (!page || mmk_page_type(page) != MMK_PAGE_ANON)
        return pte;
    for (i = 1; mmk_pte_write(pte) && i < MMK_HUGE_PAGES; i++)
        if (!mmk_page_test(page + i, MMK_PF_EXCLUSIVE))
            pte = mmk_pte_wrprotect(pte);
    return pte;
}

static void protect_huge(const struct protect *protect, struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t old = mmk_pte_read(walk->entry), new;

    do
        new = protected_huge(protect, old);
    while (new.v != old.v && !mmk_pte_change(walk->entry, &old, new));
    if (new.v != old.v && mmk_pte_accessible(old))
        mmk_gather_range(protect->gather, walk->addr, walk->addr + mmk_pt_entry_span(walk->level));
}

static mmk_vaddr_t protect_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct protect *protect = (struct protect *)arg;
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    if (mmk_unlikely(walk->level > 0)) {
        protect_huge(protect, walk);
        return end;
    }
    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        mmk_pte_t old, new;

        mmk_pte_ungroup(walk, entry);
        old = mmk_pte_read(entry);
        if (!mmk_pte_present(old))
            continue;
        do
            new = protected_entry(protect, old);
        while (new.v != old.v && !mmk_pte_change(entry, &old, new));
        if (new.v != old.v && mmk_pte_accessible(old))
            mmk_gather_range(protect->gather, addr, addr + MMK_PAGE_SIZE);
    }
    return end;
}

/*
 * What has changed last gets the protection in its entries. A locked private mapping that becomes
 * writable is copied at once: its pages were brought in to be read, and locked memory is not to
 * fault.
 */
static void protect_entries(struct mmk_mm *mm, const struct mmk_reshape *reshape,
                            struct mmk_gather *gather) MMK_REQUIRES(mm->mmap_lock)
{
    const uint64_t kind = MMK_VM_LOCKED | MMK_VM_SHARED | MMK_VM_WRITE;
    const struct mmk_vma_change *change = &reshape->change;
    struct protect protect = {gather, change->flags};

    mmk_range_for_each_leaf(gather, change->start, change->end, protect_leaf, &protect);
    if ((reshape->old_flags & kind) == MMK_VM_LOCKED && (change->flags & MMK_VM_WRITE))
        mmk_populate_try_locked(mm, change->start, change->end);
}

/* => the range has no holes; 0, or MMK_ENOMEM: changed up to where there were too many mappings */
static int perform(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, unsigned prot)
    MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_reshape reshape;
    struct mmk_gather gather;
    int error = mmk_reshape_begin(mm, &reshape, start, end, MMK_VM_PROT, prot);

    if (error)
        return error;
    mmk_gather_begin_range(&gather, mm, start, end, MMK_NOTIFY_PROTECT);
    while (mmk_reshape_next(mm, &reshape))
        protect_entries(mm, &reshape, &gather);
    mmk_gather_finish(&gather);
    return mmk_reshape_end(&reshape);
}

/* May [start, end) of vma have this protection? `next`: see mmk_account_ask_turn(). */
static int ask_vma(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end,
                   unsigned prot, struct mmk_usage *next) MMK_REQUIRES(mm->mmap_lock)
{
    uint64_t old_flags = mmk_vma_flags(vma);
    uint64_t flags = mmk_account_flags((old_flags & ~(uint64_t)MMK_VM_PROT) | prot);

    if (((uint64_t)prot << MMK_VM_MAY_SHIFT) & ~old_flags)
        return MMK_EACCES;
    if (mmk_limit_refuses_exec(mm, old_flags, flags))
        return MMK_EACCES;
    if (old_flags & MMK_VM_SEALED)
        return MMK_EPERM;
    if (flags == old_flags)
        return 0;
    return mmk_account_ask_turn(mm, next, old_flags, flags, end - start);
}

/* How far it goes: to `end`, to the first hole, or to a mapping that refuses. */
static mmk_vaddr_t ask(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, unsigned prot,
                       int *error) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_usage next = *mmk_mm_usage(mm);
    mmk_vaddr_t addr = start;

    *error = 0;
    while (addr < end) {
        const struct mmk_vma *vma = mmk_mm_find_vma(mm, addr);
        mmk_vaddr_t stop;

        if (!vma || mmk_vma_start(vma) > addr) {
            *error = MMK_ENOMEM;
            break;
        }
        stop = mmk_min(end, mmk_vma_end(vma));
        *error = ask_vma(mm, vma, addr, stop, prot, &next);
        if (*error)
            break;
        addr = stop;
    }
    return addr;
}

/* => mmap lock held for writing */
static int protect_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, unsigned prot)
    MMK_REQUIRES(mm->mmap_lock)
{
    int error = 0, refused;
    mmk_vaddr_t stop = ask(mm, start, end, prot, &refused);

    if (stop > start)
        error = perform(mm, start, stop, prot);
    return error ? error : refused;
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
    error = mmk_mm_write_lock(mm);
    if (error)
        return error;
    error = protect_locked(mm, addr, end, prot);
    mmk_account_settle(mm);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}
