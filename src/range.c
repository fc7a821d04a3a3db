/* SPDX-License-Identifier: MIT */
/*
 * range.c - one pass over the tables of a range.
 *
 * A step walks from the root under RCU to the lowest table on the path of one address, and locks
 * just that one. A leaf table is visited, and so is a larger page's entry. An upper table: the path
 * ends there, so the next entry that is not none is looked for, under the lock (P1), and the next
 * step starts at its address. So an empty part costs one step for each table that has it, and a
 * range inside one table one lock.
 *
 * Rejected: recursion from the root down, with the upper tables locked or counted meanwhile: it
 * takes the upper locks even when a range lies inside one table, which is the usual case.
 */
#include "range.h"

#include "huge.h"
#include "planted.h"
#include "table.h"
#include "tlb.h"
#include "vma.h"

/* => walk locked, at a larger page's entry */
static bool is_objects(const struct mmk_walk *walk) MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry);
    const struct mmk_page *page = mmk_pte_page(pte);

    return page ? mmk_page_type(page) == MMK_PAGE_OBJECT : !mmk_pte_huge_zero(pte);
}

/*
 * A larger page: HG2, whoever visits a part of it has split it before, but those who come from its
 * object. => walk locked
 */
static mmk_vaddr_t visit_huge(struct mmk_walk *walk, mmk_vaddr_t end, mmk_leaf_visitor visit,
                              void *arg) MMK_REQUIRES(walk->table->table.lock)
{
    mmk_vaddr_t base = mmk_pt_entry_base(walk->addr, walk->level);
    mmk_vaddr_t huge_end = base + mmk_pt_entry_span(walk->level);

    mmk_assert((walk->addr == base && huge_end <= end) || is_objects(walk),
               "HG2 a larger page of which a part is to change is split");
    return visit(walk, mmk_min(huge_end, end), arg);
}

/* A walk's table; answers where to go on. => walk locked; its lock is dropped */
MMK_ALWAYS_INLINE mmk_vaddr_t visit_walked(struct mmk_gather *gather, struct mmk_walk *walk,
                                           mmk_vaddr_t end, mmk_leaf_visitor visit, void *arg)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_RELEASES(walk->table->table.lock)
{
    mmk_vaddr_t addr = walk->addr;
    mmk_vaddr_t table_end = mmk_pt_base(addr, walk->level) + mmk_pt_table_span(walk->level);

    if (table_end > end)
        table_end = end;
    if (walk->level == 0)
        addr = visit(walk, table_end, arg);
    else if (mmk_walk_huge(walk, mmk_pte_read(walk->entry)))
        addr = visit_huge(walk, end, visit, arg);
    else
        addr = mmk_walk_next_path(walk, table_end);
    mmk_table_unlock_free(walk, gather);
    return addr;
}

/* One table; answers where to go on. => inside an RCU read section */
static mmk_vaddr_t step(struct mmk_gather *gather, mmk_vaddr_t addr, mmk_vaddr_t end,
                        mmk_leaf_visitor visit, void *arg) MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_walk walk;

    mmk_walk_lock(gather->mm, addr, &walk);
    return visit_walked(gather, &walk, end, visit, arg);
}

void mmk_range_for_each_leaf(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end,
                             mmk_leaf_visitor visit, void *arg)
{
    mmk_vaddr_t addr = start;

    while (addr < end) {
        mmk_rcu_read_lock();
        addr = step(gather, addr, end, visit, arg);
        mmk_rcu_read_unlock();
        if (addr < end && !mmk_gather_room(gather))
            mmk_gather_flush_early(gather);
    }
}

/* A larger page, unless all of it is meant, and one that is being made (CO1), want the lock. */
static bool is_whole(const struct mmk_walk *walk, mmk_vaddr_t end)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry);
    uint64_t span;

    if (walk->level == 0 || mmk_pte_none(pte))
        return true;
    span = mmk_pt_entry_span(walk->level);
    return mmk_walk_huge(walk, pte) && (walk->addr & (span - 1)) == 0 && end - walk->addr >= span;
}

bool mmk_range_step_open(struct mmk_gather *gather, const struct mmk_vma *vma, uint64_t seq,
                         mmk_vaddr_t *addr, mmk_vaddr_t end, mmk_leaf_visitor visit, void *arg)
{
    struct mmk_walk walk;

    mmk_walk_lock(gather->mm, *addr, &walk);
    if (mmk_likely((mmk_vma_seq_is(vma, seq) || MMK_MISTAKE(ADVISES_UNCHECKED)) &&
                   is_whole(&walk, end))) {
        *addr = visit_walked(gather, &walk, end, visit, arg);
        return true;
    }
    mmk_walk_unlock(&walk);
    return false;
}

void mmk_range_settle(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_vaddr_t addr = start;

    if (MMK_MISTAKE(SETTLES_NOTHING))
        return;
    while ((addr = mmk_range_next_leaf(mm, addr, end)) < end)
        addr = mmk_pt_base(addr, 0) + mmk_pt_table_span(0);
    if (mmk_mm_flush_pending(mm) > 0)
        mmk_tlb_flush(mm, start, end);
}

mmk_vaddr_t mmk_range_next_leaf(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end)
{
    struct mmk_walk walk;
    bool found;

    while (addr < end) {
        mmk_rcu_read_lock();
        mmk_walk_lock(mm, addr, &walk);
        found = walk.level == 0 || mmk_walk_huge(&walk, mmk_pte_read(walk.entry));
        if (!found)
            addr = mmk_walk_next_path(
                &walk, mmk_min(end, mmk_pt_base(addr, walk.level) + mmk_pt_table_span(walk.level)));
        mmk_walk_unlock(&walk);
        mmk_rcu_read_unlock();
        if (found)
            break;
    }
    return addr;
}
