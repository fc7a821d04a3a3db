/* SPDX-License-Identifier: MIT */
/*
 * fault_block.c - the first write to private anonymous memory maps the pages beside it, too.
 *
 * Where a larger page is wanted but not to be had, as the mapping is smaller, or a table is there
 * already, a block of pages of mmk_config.anon_block bytes, or as large a part of that as fits,
 * takes one fault in place of one a page, and one lock of the table for all but the first. Its
 * frames lie side by side, aligned as their addresses are: so hardware that makes one entry of its
 * TLB of neighbours that are alike can (Linux: large folios of anonymous memory, "mTHP").
 *
 * BF1 The page that was written to is mapped as if it were alone: what makes that fail, or be done
 *     again, is as ever. The others come after it, all or none: none if any of their entries is not
 *     none by then, if the address space was killed, or if an entry that is none may still be
 *     cached (P2, P7): those are freed.
 * BF2 It waits for nothing: a program that gets one page instead has lost nothing but time.
 *
 * The pages are single ones from then on, each with its descriptor: nobody else knows of blocks.
 *
 * Rejected: old entries for those that nobody has written to, as fault_around.c has. Most are
 * written to soon, and setting the bit costs hardware more, or a fault, than it tells reclaim.
 */
#include "fault.h"

#include "anon.h"
#include "planted.h"

struct block {
    struct mmk_page *first;
    mmk_vaddr_t base;
    unsigned order;
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

/* The largest that fits around vmf's address. leaf: the table, NULL: none is there. => false: one
 * page */
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

static mmk_pte_t leaf_of(const struct mmk_vmf *vmf, const struct block *block)
{
    uint64_t own = (vmf->addr - block->base) >> MMK_PAGE_SHIFT;

    return mmk_fault_leaf(vmf, block->first + own, true);
}

/* BF1: the others. => true: they are mapped; inside an RCU read section */
static bool set_others(const struct mmk_vmf *vmf, const struct block *block)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    unsigned i, n = 1u << block->order;
    struct mmk_a64 *entries;
    struct mmk_walk walk;
    bool set;

    mmk_walk_lock(vmf->mm, vmf->addr, &walk);
    set = walk.level == 0 && mmk_table_live(walk.table) > 0 && !mmk_walk_must_break(&walk, 0) &&
          (!mmk_mm_killed(vmf->mm) || MMK_MISTAKE(BLOCK_KILL_UNCHECKED)) &&
          (others_none(walk.table, block, vmf->addr) || MMK_MISTAKE(BLOCK_OVER_ENTRY));
    if (set) {
        entries = mmk_table_entries(walk.table) + mmk_pt_index(block->base, 0);
        for (i = 0; i < n; i++)
            if (block->base + i * MMK_PAGE_SIZE != vmf->addr)
                mmk_pte_set(&entries[i], mmk_fault_leaf(vmf, block->first + i, true));
        mmk_pte_get_many(walk.table, n - 1);
    }
    mmk_walk_unlock(&walk);
    return set;
}

static void drop_others(const struct mmk_vmf *vmf, const struct block *block)
{
    unsigned i;

    for (i = 0; i < 1u << block->order; i++)
        if (block->base + i * MMK_PAGE_SIZE != vmf->addr)
            mmk_fault_drop_anon(block->first + i);
}

/* The page that was written to is mapped. => inside an RCU read section */
static void finish(const struct mmk_vmf *vmf, const struct block *block)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    mmk_mm_count_fault(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_ANON);
    if (set_others(vmf, block))
        mmk_mm_count_around(vmf->mm, MMK_COUNT_RSS_ANON, (int64_t)(1u << block->order) - 1);
    else
        drop_others(vmf, block);
}

bool mmk_fault_block_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk, struct mmk_page *leaf)
{
    struct block block;

    if (!get(vmf, leaf ? NULL : walk->table, &block))
        return false;
    if (!mmk_fault_set_rcu(walk, leaf_of(vmf, &block), leaf)) {
        mmk_fault_drop_block(block.first, block.order);
        return false;
    }
    finish(vmf, &block);
    return true;
}

bool mmk_fault_block(struct mmk_vmf *vmf, enum mmk_fault_result *result)
{
    struct block block;

    if (vmf->lacks == 0)
        return false;
    mmk_anon_prepare(vmf->mm, vmf->vma);
    if (!get(vmf, NULL, &block))
        return false;
    *result = mmk_fault_set(vmf, leaf_of(vmf, &block));
    if (*result != MMK_FAULT_DONE) {
        mmk_fault_drop_block(block.first, block.order);
        return true;
    }
    mmk_rcu_read_lock();
    finish(vmf, &block);
    mmk_rcu_read_unlock();
    return true;
}
