/* SPDX-License-Identifier: MIT */
/*
 * pte_group.c - see pte_group.h.
 *
 * Rejected: changing all entries of a group in place (Linux does, to write-protect a whole one, for
 * fork), which spares fork and mprotect a flush for each. There would be groups that are read-only,
 * or clean, and everybody who looks at an entry would have to look at all.
 */
#include "pte_group.h"

#include "planted.h"
#include "tlb.h"

void mmk_pte_group_split(const struct mmk_walk *walk, struct mmk_a64 *entry)
{
    struct mmk_a64 *first = mmk_pte_group_first(entry);
    mmk_vaddr_t addr =
        mmk_pt_base(walk->addr, 0) + ((mmk_vaddr_t)mmk_pte_index(first) << MMK_PAGE_SHIFT);
    mmk_pte_t old[MMK_PT_GROUP];
    bool young = false;
    unsigned i;

    for (i = 0; i < MMK_PT_GROUP; i++) {
        old[i] = mmk_pte_take_grouped(&first[i]);
        young |= !mmk_pte_none(old[i]) && mmk_pte_mkold(old[i]).v != old[i].v;
    }
    if (!MMK_MISTAKE(UNGROUP_UNFLUSHED))
        mmk_tlb_flush(walk->mm, addr, addr + MMK_GROUP_SIZE);
    for (i = 0; i < MMK_PT_GROUP; i++) {
        if (mmk_pte_none(old[i]))
            continue;
        if (young && !MMK_MISTAKE(UNGROUP_NOT_USED))
            old[i] = mmk_pte_mkused(old[i], false);
        mmk_pte_set(&first[i], mmk_pte_mksingle(old[i]));
    }
}

bool mmk_pte_group_young(struct mmk_a64 *entry, bool make_old)
{
    struct mmk_a64 *first = mmk_pte_group_first(entry);
    bool young = false;
    unsigned i;

    for (i = 0; i < MMK_PT_GROUP; i++) {
        mmk_pte_t pte = mmk_pte_read(&first[i]), old;

        do
            old = mmk_pte_mkold(pte);
        while (make_old && old.v != pte.v && !mmk_pte_change(&first[i], &pte, old));
        young |= old.v != pte.v;
    }
    return young;
}

void mmk_pte_group_use(struct mmk_a64 *entry)
{
    struct mmk_a64 *first = mmk_pte_group_first(entry);
    unsigned i;

    for (i = 0; i < MMK_PT_GROUP; i++) {
        mmk_pte_t pte = mmk_pte_read(&first[i]), used;

        do
            used = mmk_pte_mkused(pte, false);
        while (used.v != pte.v && !mmk_pte_change(&first[i], &pte, used));
    }
}
