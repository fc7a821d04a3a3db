/* SPDX-License-Identifier: MIT */
/*
 * fault_anon.c - first touch of private anonymous memory: the shared zero page for a read, a page
 * of zeros for a write; of as large a part as has no table, perhaps (fault_huge.c).
 */
#include "fault.h"

#include "anon.h"
#include "huge.h"
#include "planted.h"
#include "vma_hint.h"
#include "zap.h"

static void count_zero(struct mmk_vmf *vmf)
{
    mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_ZERO, 1);
}

MMK_ALWAYS_INLINE mmk_pte_t zero_leaf(const struct mmk_vmf *vmf)
{
    return mmk_pte_mkspecial(mmk_fault_leaf(vmf, mmk_zero_page(), false));
}

MMK_ALWAYS_INLINE void count_new(struct mmk_vmf *vmf)
{
    mmk_mm_count_fault(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_ANON);
}

/* Where the entry is, and the tables that it lacks: none, those of a path from limbo, new ones. */
struct place {
    struct mmk_walk *walk;
    struct mmk_page *leaf; /* as of mmk_fault_anon_again_rcu(), or NULL */
    bool below;            /* new ones */
};

/* As mmk_fault_set() where a walk has just been. */
MMK_ALWAYS_INLINE bool set_rcu(struct mmk_vmf *vmf, struct place place, mmk_pte_t pte)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    bool early = MMK_MISTAKE(SPECULATES_EARLY) && mmk_fault_current(vmf), fits;
    struct mmk_walk *walk = place.walk;

    mmk_table_lock(walk->table);
    fits = (mmk_table_linked_at(walk->table, walk->parent) || MMK_MISTAKE(SET_IN_DEAD_TABLE)) &&
           (mmk_pte_none(mmk_pte_read(walk->entry)) || MMK_MISTAKE(SET_OVER_ENTRY)) &&
           (early || mmk_fault_current(vmf) || (place.below && MMK_MISTAKE(TABLES_UNCHECKED))) &&
           (!mmk_mm_killed(walk->mm) || MMK_MISTAKE(KILL_UNCHECKED));
    if (mmk_likely(fits)) {
        mmk_vma_hint(walk->table, vmf->vma);
        if (place.below)
            fits = mmk_fault_set_none(vmf, walk, pte, NULL); /* it is: the chain reaches */
        else if (place.leaf)
            mmk_walk_set_again(walk, place.leaf, pte);
        else
            mmk_walk_set_leaf(walk, pte);
    }
    mmk_table_unlock(walk->table);
    return fits;
}

MMK_ALWAYS_INLINE bool fault_rcu(struct mmk_vmf *vmf, struct place place)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_page *page = NULL;
    mmk_pte_t pte;

    vmf->why = MMK_COUNT_LOCKED_MEMORY;
    if (vmf->access == MMK_ACCESS_WRITE) {
        if (mmk_unlikely(!mmk_fault_prepare_anon(vmf)))
            return false;
        if (mmk_fault_block_possible() && !place.below &&
            mmk_fault_block_rcu(vmf, place.walk, place.leaf))
            return true;
        page = mmk_fault_new_anon_at(vmf, MMK_ALLOC_ZERO | MMK_ALLOC_NOWAIT);
        if (!page)
            return false;
        pte = mmk_fault_leaf(vmf, page, true);
    } else {
        pte = zero_leaf(vmf);
    }
    if (!place.below || mmk_chain_prepare_nowait(&vmf->chain, vmf->mm, place.walk->level)) {
        if (mmk_likely(set_rcu(vmf, place, pte))) {
            if (page)
                count_new(vmf);
            else
                count_zero(vmf);
            return true;
        }
        vmf->why = MMK_COUNT_LOCKED_CHANGED;
    }
    if (page && !MMK_MISTAKE(SPECULATES_LEAKS))
        mmk_fault_drop_anon(page);
    return false;
}

bool mmk_fault_anon_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk)
{
    return fault_rcu(vmf, (struct place){.walk = walk});
}

bool mmk_fault_anon_again_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk, struct mmk_page *leaf)
{
    bool done = fault_rcu(vmf, (struct place){.walk = walk, .leaf = leaf});

    if (mmk_unlikely(!done) && !MMK_MISTAKE(LIMBO_NOT_PUT_BACK))
        mmk_table_keep(vmf->mm, leaf);
    return done;
}

bool mmk_fault_anon_below_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk)
{
    bool done;

    mmk_chain_init(&vmf->chain);
    done = fault_rcu(vmf, (struct place){.walk = walk, .below = true});
    if (!MMK_MISTAKE(SPECULATES_KEEPS_TABLES))
        mmk_chain_discard(&vmf->chain);
    return done;
}

static enum mmk_fault_result read_zero(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum mmk_fault_result result = mmk_fault_set(vmf, zero_leaf(vmf));

    if (result == MMK_FAULT_DONE)
        count_zero(vmf);
    return result;
}

enum mmk_fault_result mmk_fault_anon(struct mmk_vmf *vmf)
{
    enum mmk_fault_result result;
    struct mmk_page *page;

    if (mmk_huge_possible() && mmk_fault_huge_anon(vmf, &result))
        return result;
    if (vmf->access != MMK_ACCESS_WRITE)
        return read_zero(vmf);
    if (mmk_fault_block_possible() && mmk_fault_block(vmf, &result))
        return result;
    mmk_anon_prepare(vmf->mm, vmf->vma);
    page = mmk_fault_new_anon_at(vmf, MMK_ALLOC_ZERO);
    if (!page)
        return MMK_FAULT_OOM;
    result = mmk_fault_set(vmf, mmk_fault_leaf(vmf, page, true));
    if (result == MMK_FAULT_DONE)
        count_new(vmf);
    else
        mmk_fault_drop_anon(page);
    return result;
}
