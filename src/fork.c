/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a copy of an address space, its private pages shared until one side writes.
 *
 * Only what a fault could not bring back is copied: entries of private anonymous pages, in memory
 * or in swap, and guards. Entries of the zero page and of objects' pages are left to the child's
 * own faults. So a table without either is never copied.
 *
 * A leaf table of the child is filled while nobody knows it, then linked by one store; the
 * parent's table is the only one locked meanwhile. Where two VMAs share a table the second finds
 * it linked, and its entries are moved over.
 *
 * A pinned page stays the parent's, writable, exclusive: whoever pinned it goes on sharing it with
 * the parent, not with what copy-on-write would give the parent in its place (P9). The child gets a
 * copy at once, in a page that was allocated before; short of one, fork lets go of the table, and
 * comes back with one.
 *
 * What is copied stays closed to faults (vma.h) until what has become read-only is flushed: so the
 * child has what the program had at one moment.
 *
 * On failure the child is discarded. What fork did to the parent then cannot be seen: its pages
 * are read-only, and the next write finds itself the only user again.
 */
#include "account.h"

#include "anon.h"
#include "fault.h"
#include "huge.h"
#include "object.h"
#include "planted.h"
#include "pte_group.h"
#include "swap_area.h"
#include "table.h"
#include "vma_seq.h"
#include "zap.h"

struct copy {
    struct mmk_mm *child;
    const struct mmk_vma *vma; /* the child's, of what is being copied */
    struct mmk_gather gather;  /* the parent's: entries that have become read-only */
    struct mmk_chain chain;    /* table[0] is being filled */
    uint32_t pages, swapped;   /* in table[0], which has guards besides */
    struct mmk_page *spare;    /* for the copy of a pinned page, or NULL */
    bool needs_spare;          /* and has none */
    bool needs_split;          /* the larger page where it stopped */
};

/* What one leaf table's copy has come to. */
struct tally {
    uint32_t pages, swapped, guards;
    mmk_vaddr_t first, last; /* of the parent's entries that have become read-only, if any */
};

/*
 * The child's entry for a private anonymous page, and the parent's made read-only with it.
 * => parent's table locked: nobody changes `exclusive` (P9)
 */
MMK_ALWAYS_INLINE mmk_pte_t share(struct mmk_page *page, struct mmk_a64 *entry, mmk_pte_t pte,
                                  mmk_vaddr_t addr, struct tally *tally)
{
    mmk_page_get(page);
    mmk_page_dup_rmap(page);
    if (mmk_page_test(page, MMK_PF_EXCLUSIVE))
        mmk_page_clear(page, MMK_PF_EXCLUSIVE);
    if (mmk_pte_write(pte)) {
        while (mmk_unlikely(!mmk_pte_change(entry, &pte, mmk_pte_wrprotect(pte))))
            continue;
        tally->first = mmk_min(tally->first, addr);
        tally->last = addr;
    }
    return mmk_pte_wrprotect(pte);
}

/* The same for a page that is out: both need its slot. => parent's table locked */
static MMK_NOINLINE mmk_pte_t share_swapped(struct mmk_a64 *entry, mmk_pte_t pte,
                                            struct tally *tally)
{
    mmk_pte_t shared = mmk_pte_swap_share(pte);

    if (!MMK_MISTAKE(FORK_SWAP_UNCOUNTED))
        mmk_slot_get(mmk_pte_slot(pte));
    if (shared.v != pte.v)
        mmk_pte_set(entry, shared);
    tally->swapped++;
    return shared;
}

/*
 * From the parent's entry for a pinned page at addr, *pte, to the child's: for the spare page, a
 * copy.
 * => false: needs the spare that it has not
 * => parent's table locked
 */
static MMK_NOINLINE bool copy_pinned(struct copy *copy, mmk_pte_t *pte, mmk_vaddr_t addr)
{
    struct mmk_page *page = copy->spare;
    bool write = mmk_pte_write(*pte), exec = mmk_pte_exec(*pte);

    if (!page) {
        copy->needs_spare = true;
        return false;
    }
    copy->spare = NULL;
    mmk_page_add_rmap(page, copy->vma, addr, true);
    mmk_copy_page(mmk_page_virt(page), mmk_page_virt(mmk_pte_page(*pte)));
    *pte = mmk_pte_protect(mmk_pte_leaf(mmk_page_to_pfn(page), write, exec),
                           mmk_pte_accessible(*pte), write, exec);
    return true;
}

/*
 * Copies one entry if fork copies its kind.
 * => false: needs the spare; nothing has changed
 */
MMK_ALWAYS_INLINE bool copy_entry(struct copy *copy, struct mmk_a64 *from, struct mmk_a64 *to,
                                  mmk_vaddr_t addr, struct tally *tally)
{
    mmk_pte_t pte = mmk_pte_read(from);
    struct mmk_page *page;

    if (mmk_pte_none(pte))
        return true;
    page = mmk_pte_page(pte);
    if (mmk_likely(page != NULL)) {
        if (mmk_page_type(page) != MMK_PAGE_ANON)
            return true;
        if (mmk_likely(!mmk_page_pinned(page) || MMK_MISTAKE(FORK_SHARES_PINNED)))
            pte = share(page, from, pte, addr, tally);
        else if (!copy_pinned(copy, &pte, addr))
            return false;
        tally->pages++;
    } else {
        if (mmk_pte_swap(pte))
            pte = share_swapped(from, pte, tally);
        else if (mmk_pte_guard(pte))
            tally->guards++;
        else
            return true;
    }
    mmk_pte_set(to, pte);
    return true;
}

/*
 * Fills the chain's leaf table, empty, from the parent's; answers where it stopped: below `end` at
 * a page for which it needs the spare that it has not.
 * => walk locked at level 0
 */
static mmk_vaddr_t copy_leaf(struct copy *copy, const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_page *leaf = copy->chain.table[0];
    struct mmk_a64 *from = walk->entry;
    struct mmk_a64 *to = &mmk_table_entries(leaf)[mmk_pt_index(walk->addr, 0)];
    struct tally tally = {0, 0, 0, UINT64_MAX, 0};
    mmk_vaddr_t addr;

    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, from++, to++) {
        mmk_pte_ungroup(walk, from); /* it becomes read-only */
        if (!copy_entry(copy, from, to, addr, &tally))
            break;
    }
    copy->pages = tally.pages;
    copy->swapped = tally.swapped;
    mmk_pte_get_private(leaf, tally.pages + tally.swapped + tally.guards);
    if (tally.first != UINT64_MAX && !MMK_MISTAKE(FORK_UNFLUSHED))
        mmk_gather_range(&copy->gather, tally.first, tally.last + MMK_PAGE_SIZE);
    return addr;
}

/* Has somebody pinned a part of it? */
static bool huge_pinned(const struct mmk_page *page)
{
    unsigned i;

    for (i = 0; i < MMK_HUGE_PAGES; i++)
        if (mmk_page_pinned(page + i))
            return true;
    return false;
}

/*
 * A larger page is shared as its pages would be, one by one; with one that is pinned it is split,
 * and copied as small ones.
 * => the child's entry; none: it is to be split; walk locked, at private pages
 */
static MMK_NOINLINE mmk_pte_t share_huge(struct copy *copy, const struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry), none = {0};
    struct mmk_page *page = mmk_pte_page(pte);
    unsigned i;

    copy->needs_split = huge_pinned(page) && !MMK_MISTAKE(FORK_SHARES_PINNED);
    if (copy->needs_split)
        return none;
    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        mmk_page_get(page + i);
        mmk_page_dup_rmap(page + i);
        if (mmk_page_test(page + i, MMK_PF_EXCLUSIVE))
            mmk_page_clear(page + i, MMK_PF_EXCLUSIVE);
    }
    if (mmk_pte_write(pte) && !MMK_MISTAKE(FORK_HUGE_WRITABLE)) {
        while (!mmk_pte_change(walk->entry, &pte, mmk_pte_wrprotect(pte)))
            continue;
        mmk_gather_range(&copy->gather, walk->addr, walk->addr + MMK_HUGE_SIZE);
    }
    return mmk_pte_wrprotect(pte);
}

/* Zeros, and what is an object's, are left to the child's own faults. */
static bool is_private(mmk_pte_t pte)
{
    const struct mmk_page *page = mmk_pte_page(pte);

    return page && mmk_page_type(page) == MMK_PAGE_ANON;
}

/* => the chain reaches the root */
static void give_huge(struct copy *copy, mmk_vaddr_t addr, mmk_pte_t pte)
{
    struct mmk_walk walk;

    mmk_mm_count(copy->child, MMK_COUNT_RSS_ANON, MMK_HUGE_PAGES);
    mmk_mm_count(copy->child, MMK_COUNT_HUGE, 1);
    mmk_rcu_read_lock();
    mmk_walk_lock(copy->child, addr, &walk);
    mmk_walk_set_huge(&walk, &copy->chain, pte, MMK_HUGE_LEVEL);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* The child has this table already: entries move there. => walk locked at level 0 */
static void move_entries(struct mmk_page *from_table, struct mmk_page *to_table)
    MMK_REQUIRES(to_table->table.lock)
{
    struct mmk_a64 *from = mmk_table_entries(from_table), *to = mmk_table_entries(to_table);
    unsigned i;

    for (i = 0; mmk_table_live_private(from_table) != 0; i++) {
        mmk_pte_t pte;

        if (mmk_pte_none(mmk_pte_read(&from[i])))
            continue;
        pte = mmk_pte_take(&from[i]);
        mmk_pte_put_private(from_table, 1);
        mmk_pte_set(&to[i], pte);
        mmk_pte_get(to_table);
    }
}

/* Hands the filled leaf table to the child. => the chain reaches the root */
static void give_leaf(struct copy *copy, mmk_vaddr_t addr)
{
    struct mmk_page *leaf = copy->chain.table[0];
    struct mmk_walk walk;

    if (mmk_table_live_private(leaf) == 0 && !mmk_table_keeps_unused())
        return;
    mmk_mm_count(copy->child, MMK_COUNT_RSS_ANON, copy->pages);
    if (copy->swapped > 0)
        mmk_mm_count(copy->child, MMK_COUNT_SWAP, copy->swapped);
    mmk_rcu_read_lock();
    mmk_walk_lock(copy->child, addr, &walk);
    if (walk.level == 0)
        move_entries(leaf, walk.table);
    else
        mmk_walk_link(&walk, &copy->chain);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* One table of the parent; answers where to go on. => the chain reaches the root */
static mmk_vaddr_t copy_table(struct copy *copy, mmk_vaddr_t addr, mmk_vaddr_t end)
{
    struct mmk_walk walk;
    mmk_vaddr_t table_end, next;
    mmk_pte_t huge = {0};

    mmk_rcu_read_lock();
    mmk_walk_lock(copy->gather.mm, addr, &walk);
    table_end = mmk_pt_base(addr, walk.level) + mmk_pt_table_span(walk.level);
    if (table_end > end)
        table_end = end;
    if (walk.level == 0) {
        next = copy_leaf(copy, &walk, table_end);
    } else if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry))) {
        if (is_private(mmk_pte_read(walk.entry)))
            huge = share_huge(copy, &walk);
        next = copy->needs_split ? addr : addr + mmk_pt_entry_span(walk.level);
    } else {
        next = mmk_walk_next_path(&walk, table_end);
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    if (walk.level == 0)
        give_leaf(copy, addr);
    else if (!mmk_pte_none(huge))
        give_huge(copy, addr, huge);
    return next;
}

/*
 * A step, as a whole to whoever looks for the entries of a page: he has been in the parent, where
 * it is, and then finds the child's; or he has not, and what he does to the parent's is copied.
 */
static mmk_vaddr_t copy_step(struct copy *copy, mmk_vaddr_t addr, mmk_vaddr_t end)
{
    struct mmk_kin *kin = copy->gather.mm->kin;

    if (MMK_MISTAKE(FORK_BEHIND_SEARCH))
        return copy_table(copy, addr, end);
    mmk_rw_write_lock(&kin->lock, MMK_LOCK_KIN);
    addr = copy_table(copy, addr, end);
    mmk_rw_write_unlock(&kin->lock, MMK_LOCK_KIN);
    return addr;
}

/* All that the table at addr can need. => 0; MMK_ENOMEM; MMK_EINTR: killed, so its memory is wanted
 */
static int prepare(struct copy *copy, mmk_vaddr_t addr)
{
    if (mmk_mm_killed(copy->gather.mm))
        return MMK_EINTR;
    if (copy->needs_split) {
        if (mmk_huge_split_at(copy->gather.mm, addr, 0))
            return MMK_ENOMEM;
        copy->needs_split = false;
    }
    if (copy->needs_spare) {
        copy->spare = mmk_fault_new_anon(copy->child, MMK_ALLOC_NORMAL);
        if (!copy->spare)
            return MMK_ENOMEM;
        copy->needs_spare = false;
    }
    return mmk_chain_prepare(&copy->chain, copy->child, MMK_PT_LEVELS - 1);
}

static int copy_range(struct copy *copy, mmk_vaddr_t addr, mmk_vaddr_t end)
{
    int error = 0;

    while (addr < end && !error) {
        error = prepare(copy, addr);
        if (!error)
            addr = copy_step(copy, addr, end);
    }
    return error;
}

/*
 * Truncation takes private copies away too. It would miss one that is on its way from parent to
 * child, so for an object's VMA fork holds the lock under which truncation looks.
 */
static int copy_entries(struct copy *copy, const struct mmk_vma *vma)
{
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    uint64_t flags = mmk_vma_flags(vma);
    int error;

    if ((flags & (MMK_VM_DONTFORK | MMK_VM_WIPEONFORK)) ||
        (flags & (MMK_VM_SHARED | MMK_VM_GUARDED)) == MMK_VM_SHARED)
        return 0;
    if (!vma->object || (flags & MMK_VM_SHARED))
        return copy_range(copy, start, end);
    mmk_rw_write_lock(&vma->object->interval_lock, MMK_LOCK_INTERVAL);
    error = copy_range(copy, start, end);
    mmk_rw_write_unlock(&vma->object->interval_lock, MMK_LOCK_INTERVAL);
    return error;
}

/* => 0 with *copied set, NULL: it is left out; or MMK_ENOMEM */
static int copy_vma(struct mmk_mm *child, const struct mmk_vma *vma, const struct mmk_vma **copied)
    MMK_REQUIRES(child->mmap_lock)
{
    uint64_t flags = mmk_vma_flags(vma) & ~(uint64_t)MMK_VM_LOCK; /* mlock(2): not inherited */
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    struct mmk_vma_tree_reserve reserve;
    struct mmk_vma *new;

    *copied = NULL;
    if (flags & MMK_VM_DONTFORK)
        return 0;
    if (flags & MMK_VM_WIPEONFORK)
        flags &= ~(uint64_t)MMK_VM_GUARDED;
    new = mmk_vma_alloc(child, start, end, flags, vma->object, mmk_vma_origin(vma));
    if (!new)
        return MMK_ENOMEM;
    mmk_a64_store(&new->anon, mmk_anon_fork(child, vma), MMK_RELAXED);
    mmk_vma_set_shift(new, mmk_vma_shift(vma));
    if (mmk_account_ask_copy(child, flags, end - start) ||
        mmk_vma_tree_reserve(mmk_mm_vmas(child), 1, &reserve)) {
        mmk_vma_free(new);
        return MMK_ENOMEM;
    }
    mmk_vma_link(new);
    mmk_vma_tree_insert(mmk_mm_vmas(child), new, &reserve);
    mmk_vma_open(new);
    mmk_vma_tree_unreserve(&reserve);
    mmk_account_come(child, flags, end - start);
    *copied = new;
    return 0;
}

/* => parent's mmap lock held for writing; nobody knows the child */
static int copy_everything(struct mmk_mm *parent, struct copy *copy) MMK_REQUIRES(parent->mmap_lock)
{
    struct mmk_vma *vma = mmk_mm_find_vma(parent, 0);
    int error = 0;

    mmk_mm_is_private(copy->child);
    copy->child->brk_start = parent->brk_start;
    copy->child->brk = parent->brk;
    mmk_limit_inherit(copy->child, parent);
    while (vma && !error) {
        if (!MMK_MISTAKE(FORK_LEAVES_OPEN))
            mmk_vma_close(vma);
        error = copy_vma(copy->child, vma, &copy->vma);
        if (!error)
            error = copy_entries(copy, vma);
        vma = mmk_mm_find_vma(parent, mmk_vma_end(vma));
    }
    mmk_account_settle(copy->child);
    return error;
}

static void open_all(struct mmk_mm *parent) MMK_REQUIRES(parent->mmap_lock)
{
    struct mmk_vma *vma;

    for (vma = mmk_mm_find_vma(parent, 0); vma; vma = mmk_mm_find_vma(parent, mmk_vma_end(vma)))
        if (mmk_vma_is_closed(vma))
            mmk_vma_open(vma);
}

/*
 * What was reaped from a killed parent would be zeros in the child. The reaper wants the lock, and
 * comes after the kill: so it is enough to look once.
 * => as copy_everything()
 */
static int copy_locked(struct mmk_mm *parent, struct copy *copy) MMK_REQUIRES(parent->mmap_lock)
{
    int error;

    if (mmk_mm_killed(parent))
        return MMK_EINTR;
    mmk_chain_init(&copy->chain);
    copy->spare = NULL;
    copy->needs_spare = false;
    copy->needs_split = false;
    mmk_gather_begin_range(&copy->gather, parent, 0, MMK_USER_END, MMK_NOTIFY_FORK);
    error = copy_everything(parent, copy);
    mmk_gather_finish(&copy->gather);
    open_all(parent);
    mmk_chain_discard(&copy->chain);
    if (copy->spare)
        mmk_fault_drop_anon(copy->spare);
    return error;
}

int mmk_fork(struct mmk_mm *parent, struct mmk_mm **child)
{
    struct copy copy;
    int error = mmk_mm_create_child(parent, &copy.child);

    if (error)
        return error;
    error = mmk_mm_write_lock(parent);
    if (!error) {
        error = copy_locked(parent, &copy);
        mmk_rw_write_unlock(&parent->mmap_lock, MMK_LOCK_MMAP);
    }
    if (error) {
        mmk_mm_put(copy.child);
        return error;
    }
    mmk_mm_list(copy.child);
    *child = copy.child;
    return 0;
}
