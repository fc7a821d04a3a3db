/* SPDX-License-Identifier: MIT */
/*
 * guard.c - guards are markers in the page tables (pt.h). They need no VMA of their own: a page
 * between two stacks costs eight bytes, and splits nothing.
 *
 * A guard is an entry: it counts in `live` and keeps its table. It goes with its mapping, or by
 * mmk_guard_remove(); zapping pages leaves it (zap.h), protecting passes over it, fork copies it.
 *
 * Table by table: in a table that is there what is mapped is taken and guards are set, under one
 * hold of its lock, so that nobody can map a page in between. A table that is missing is filled
 * while nobody knows it, then linked by one store. The flush comes after all of them: a fault that
 * is refused for a guard flushes first if one is pending (fault.c).
 *
 * When there is no memory for a table, those below have their guards, as on Linux: a caller either
 * tries again or removes them. Rejected: allocating for the whole range first. Tables that others
 * take away meanwhile, truncation above all, would have to be allocated for as well, so that a
 * range full of tables would need all of them twice.
 */
#include "guard.h"

#include "range.h"
#include "table.h"
#include "zap.h"

/* Guards for [addr, end), whose entries are none. => how many; table locked, or private */
static uint32_t set_guards(struct mmk_page *table, mmk_vaddr_t addr, mmk_vaddr_t end)
{
    struct mmk_a64 *entry = &mmk_table_entries(table)[mmk_pt_index(addr, 0)];
    uint32_t count = (uint32_t)((end - addr) >> MMK_PAGE_SHIFT), i;

    for (i = 0; i < count; i++)
        mmk_pte_set(&entry[i], mmk_pte_mkguard());
    return count;
}

/* Answers where it stopped: below `end` when the gather had no room left. => walk locked, a leaf */
static mmk_vaddr_t replace(struct mmk_gather *gather, struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_vaddr_t stop = mmk_zap_leaf(gather, walk, end, MMK_ZAP_ALL);

    mmk_pte_get_many(walk->table, set_guards(walk->table, walk->addr, stop));
    return stop;
}

/*
 * What [addr, end), inside one leaf table, has: guards are set if the table is there, or the chain
 * has what is missing. Answers where to go on.
 * => *level: 0, or up to which the chain must reach first
 * => *killed: nothing was done: the reaper may have been here already (reap.c)
 */
static mmk_vaddr_t step(struct mmk_gather *gather, struct mmk_chain *chain, mmk_vaddr_t addr,
                        mmk_vaddr_t end, unsigned *level, bool *killed)
{
    struct mmk_walk walk;

    *level = 0;
    mmk_rcu_read_lock();
    mmk_walk_lock(gather->mm, addr, &walk);
    *killed = mmk_mm_killed(gather->mm);
    if (*killed) {
        /* no memory for who is to die */
    } else if (walk.level == 0) {
        addr = replace(gather, &walk, end);
    } else if (mmk_chain_reaches(chain, walk.level)) {
        mmk_pte_get_private(chain->table[0], set_guards(chain->table[0], addr, end));
        mmk_walk_link(&walk, chain);
        addr = end;
    } else {
        *level = walk.level;
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return addr;
}

int mmk_guard_install(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_vaddr_t addr = start;
    struct mmk_chain chain;
    int error = 0;

    mmk_chain_init(&chain);
    chain.shares = 1; /* the gather's: no table that it empties goes */
    while (addr < end && !error) {
        mmk_vaddr_t table_end = mmk_min(end, mmk_pt_base(addr, 0) + mmk_pt_table_span(0));
        unsigned missing;
        bool killed;

        addr = step(gather, &chain, addr, table_end, &missing, &killed);
        if (killed)
            error = MMK_EINTR;
        else if (missing)
            error = mmk_chain_prepare(&chain, gather->mm, missing);
        else if (addr < table_end)
            mmk_gather_flush_early(gather);
    }
    mmk_chain_discard(&chain);
    return error;
}

static mmk_vaddr_t remove_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *unused)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    (void)unused;
    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        if (!mmk_pte_guard(mmk_pte_read(entry)))
            continue;
        mmk_pte_drop(entry); /* no TLB holds it */
        mmk_pte_put_many(walk->table, 1);
    }
    return end;
}

void mmk_guard_remove(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_range_for_each_leaf(gather, start, end, remove_leaf, NULL);
}
