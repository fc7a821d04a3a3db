/* SPDX-License-Identifier: MIT */
/*
 * fault_block.c - the first write to private anonymous memory maps the pages beside it, too.
 *
 * Where a larger page is wanted but not to be had, as the mapping is smaller, or a table is there
 * already, a block of pages of mmk_config.anon_block bytes, or as large a part of that as fits,
 * takes one fault in place of one a page, and one lock of the table. Its frames lie side by side,
 * aligned as their addresses are: so hardware that makes one entry of its TLB of neighbours that
 * are alike can (Linux: large folios of anonymous memory, "mTHP").
 *
 * BF1 All of it is mapped under one lock, or the page that was written to alone, as if it were
 *     alone: the others are not if any of their entries is not none by then, or if what was there
 *     may still be cached (P2, P7, PG3): those are freed.
 * BF2 It waits for nothing: a program that gets one page instead has lost nothing but time.
 *
 * The pages are single ones from then on, each with its descriptor: nobody else knows of blocks.
 * But the format may have a bit by which such neighbours are a group, one translation to hardware,
 * until one of them is to change: then the entries are marked with it (pte_group.h).
 *
 * Rejected: old entries for those that nobody has written to, as fault_around.c has. Most are
 * written to soon, and setting the bit costs hardware more, or a fault, than it tells reclaim.
 */
#include "fault.h"

#include "anon.h"
#include "planted.h"
#include "pte_group.h"

struct block {
    struct mmk_page *first;
    mmk_vaddr_t base;
    unsigned order;
    bool whole; /* all of it was mapped */
};

static uint64_t size_of(unsigned order)
{
    return (uint64_t)MMK_PAGE_SIZE << order;
}

static unsigned largest_order(void)
{
    unsigned order = 0;

    while (size_of(order + 1) <= mmk_config.anon_block)
        order++;
    return order;
}

/*
 * Are the block's entries all none, but for that of addr? => they lie in one leaf table: that
 */
static bool others_none(const struct mmk_page *leaf, const struct block *block, mmk_vaddr_t addr)
{
    const struct mmk_a64 *entries = mmk_table_entries(leaf) + mmk_pt_index(block->base, 0);
    uint64_t own = (addr - block->base) >> MMK_PAGE_SHIFT, i;

    for (i = 0; i < (uint64_t)1 << block->order; i++)
        if (i != own && !mmk_pte_none(mmk_pte_read(&entries[i])))
            return false;
    return true;
}

static bool in_mapping(const struct mmk_vmf *vmf, const struct block *block)
{
    return (mmk_vma_start(vmf->vma) <= block->base || MMK_MISTAKE(BLOCK_BEYOND)) &&
           mmk_vma_end(vmf->vma) >= block->base + size_of(block->order);
}

/*
 * The largest that fits around vmf's address. leaf: the table; NULL: none is there.
 * => false: one page
 */
static bool choose(const struct mmk_vmf *vmf, const struct mmk_page *leaf, struct block *block)
{
    if (!mmk_fault_large_wanted(vmf))
        return false;
    for (block->order = largest_order(); block->order > 0; block->order--) {
        block->base = vmf->addr & ~(size_of(block->order) - 1);
        if (in_mapping(vmf, block) && (!leaf || others_none(leaf, block, vmf->addr)))
            return true;
    }
    return false;
}

static bool get(const struct mmk_vmf *vmf, const struct mmk_page *leaf, struct block *block)
{
    if (!choose(vmf, leaf, block))
        return false;
    block->first = mmk_fault_new_block(vmf->mm, vmf->vma, block->base, block->order,
                                       MMK_ALLOC_ZERO | MMK_ALLOC_NOWAIT);
    return block->first != NULL;
}

/* Of the block's i-th page, as one of a group if there is room for that. */
static mmk_pte_t leaf_of(const struct mmk_vmf *vmf, const struct block *block, uint64_t i)
{
    mmk_pte_t pte = mmk_fault_leaf(vmf, block->first + i, true);

    if (!block->whole || (uint64_t)1 << block->order < MMK_PT_GROUP)
        return pte;
    return mmk_pte_mkgroup(pte);
}

/*
 * BF1: the others, if they may be, in walk's table, or in a leaf table that is about to be linked
 * below. => the entry of the page that was written to, which is the caller's to set
 * => walk locked, at an entry that is none
 */
static mmk_pte_t set_others(const struct mmk_vmf *vmf, struct block *block,
                            const struct mmk_walk *walk, struct mmk_page *leaf)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entries = mmk_table_entries(leaf) + mmk_pt_index(block->base, 0);
    uint64_t own = (vmf->addr - block->base) >> MMK_PAGE_SHIFT, n = (uint64_t)1 << block->order, i;

    block->whole = (!mmk_walk_must_break(walk, 0) || MMK_MISTAKE(BLOCK_UNBROKEN)) &&
                   (others_none(leaf, block, vmf->addr) || MMK_MISTAKE(BLOCK_OVER_ENTRY));
    if (block->whole) {
        for (i = 0; i < n; i++)
            if (i != own)
                mmk_pte_set(&entries[i], leaf_of(vmf, block, i));
        mmk_pte_get_private(leaf, (uint32_t)n - 1); /* its lock is held, or nobody knows it */
    }
    return leaf_of(vmf, block, own);
}

/* => walk locked, at a leaf entry that is none */
static void set_here(const struct mmk_vmf *vmf, struct block *block, struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = set_others(vmf, block, walk, walk->table);

    if (!block->whole) {
        mmk_walk_set_leaf(walk, pte);
        return;
    }
    mmk_pte_get(walk->table);
    mmk_pte_set(walk->entry, pte); /* nothing is to be flushed first: that has been asked */
}

static bool is_killed(const struct mmk_vmf *vmf)
{
    return mmk_mm_killed(vmf->mm) && !MMK_MISTAKE(BLOCK_KILL_UNCHECKED);
}

/* => as mmk_fault_block_rcu() */
static bool set_rcu(const struct mmk_vmf *vmf, struct block *block, struct mmk_walk *walk,
                    struct mmk_page *leaf) MMK_REQUIRES_SHARED(mmk_rcu)
{
    bool fits;

    mmk_table_lock(walk->table);
    fits = mmk_table_linked_at(walk->table, walk->parent) &&
           mmk_pte_none(mmk_pte_read(walk->entry)) && !is_killed(vmf);
    if (fits && leaf)
        mmk_walk_set_again(walk, leaf, set_others(vmf, block, walk, leaf));
    else if (fits)
        set_here(vmf, block, walk);
    mmk_table_unlock(walk->table);
    return fits;
}

/* With the tables that it lacks. => as mmk_fault_block() */
static enum mmk_fault_result set_locked(struct mmk_vmf *vmf, struct block *block,
                                        struct mmk_walk *walk) MMK_REQUIRES(walk->table->table.lock)
{
    if (!mmk_pte_none(mmk_pte_read(walk->entry)) || mmk_inject(MMK_INJECT_FAULT_AGAIN))
        return MMK_FAULT_RETRY;
    if (is_killed(vmf))
        return MMK_FAULT_KILLED;
    if (!mmk_chain_reaches(&vmf->chain, walk->level))
        return MMK_FAULT_RETRY; /* tables went meanwhile */
    if (walk->level == 0)
        set_here(vmf, block, walk);
    else
        mmk_walk_set(walk, &vmf->chain, set_others(vmf, block, walk, vmf->chain.table[0]));
    return MMK_FAULT_DONE;
}

static void drop_others(const struct mmk_vmf *vmf, const struct block *block)
{
    unsigned i;

    for (i = 0; i < 1u << block->order; i++)
        if (block->base + i * MMK_PAGE_SIZE != vmf->addr)
            mmk_fault_drop_anon(block->first + i);
}

/* The page that was written to is mapped. */
static void finish(const struct mmk_vmf *vmf, const struct block *block)
{
    mmk_mm_count_fault(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_ANON);
    if (block->whole)
        mmk_mm_count_around(vmf->mm, MMK_COUNT_RSS_ANON, (int64_t)(1u << block->order) - 1);
    else
        drop_others(vmf, block);
}

bool mmk_fault_block_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk, struct mmk_page *leaf)
{
    struct block block;

    if (!get(vmf, leaf ? NULL : walk->table, &block))
        return false;
    if (!set_rcu(vmf, &block, walk, leaf)) {
        mmk_fault_drop_block(block.first, block.order);
        return false;
    }
    finish(vmf, &block);
    return true;
}

/* => as mmk_fault_anon() */
static enum mmk_fault_result set(struct mmk_vmf *vmf, struct block *block)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum mmk_fault_result result;
    struct mmk_walk walk;

    if (mmk_chain_prepare(&vmf->chain, vmf->mm, vmf->lacks))
        return MMK_FAULT_OOM;
    mmk_rcu_read_lock();
    mmk_walk_lock(vmf->mm, vmf->addr, &walk);
    result = set_locked(vmf, block, &walk);
    mmk_fault_unlock(&walk);
    return result;
}

bool mmk_fault_block(struct mmk_vmf *vmf, enum mmk_fault_result *result)
{
    struct block block;

    if (vmf->lacks == 0)
        return false;
    mmk_anon_prepare(vmf->mm, vmf->vma);
    if (!get(vmf, NULL, &block))
        return false;
    *result = set(vmf, &block);
    if (*result == MMK_FAULT_DONE)
        finish(vmf, &block);
    else
        mmk_fault_drop_block(block.first, block.order);
    return true;
}
