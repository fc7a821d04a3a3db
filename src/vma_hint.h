/* SPDX-License-Identifier: MIT */
/*
 * vma_hint.h - a page table knows a VMA that it was used for.
 *
 * A fault that comes to a table finds its VMA by that, and reads nothing that a change of some
 * other mapping writes: the tree's nodes, their separators and its root are replaced for those.
 *
 * VH1 It is a guess, of any VMA that the address space has, or had: who takes it looks whether it
 *     is open, and holds his address (VS1). The table may have been moved, the VMA cut or merged.
 * VH2 It counts as a user of the VMA. One that has left the tree so stays, closed, until the last
 *     table has let go of it: which is when it is used for another, or waits to be freed. No more
 *     than one for each table.
 * VH3 It changes under the table's lock; RCU keeps what a reader without it has found.
 *
 * Rejected: the VMA looked at by the CPU before. Whoever frees one would go through all CPUs, and
 * threads that run on another CPU find nothing there.
 */
#ifndef MMK_SRC_VMA_HINT_H
#define MMK_SRC_VMA_HINT_H

#include "frame.h"
#include "planted.h"
#include "pt_shape.h"
#include "vma.h"

/* The hint; NULL: none. Acquire: with what the VMA was made with. The root has none. */
MMK_ALWAYS_INLINE struct mmk_vma *mmk_vma_hint_rcu(const struct mmk_page *table, unsigned level)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    if (mmk_unlikely(level == MMK_PT_LEVELS - 1))
        return NULL;
    return (struct mmk_vma *)mmk_aptr_load(&table->table.vma, MMK_ACQUIRE);
}

/*
 * The table is used for vma: that is its hint from now on, unless it is about to be freed. The root
 * has none. => table linked, or about to be
 */
void mmk_vma_hint_change(struct mmk_page *table, struct mmk_vma *vma);

MMK_ALWAYS_INLINE void mmk_vma_hint(struct mmk_page *table, struct mmk_vma *vma)
    MMK_REQUIRES(table->table.lock)
{
    if (mmk_unlikely(mmk_aptr_load(&table->table.vma, MMK_RELAXED) != vma))
        mmk_vma_hint_change(table, vma);
}

/* => nobody else has the table but readers that look for pages in it */
void mmk_vma_hint_drop(struct mmk_page *table);

#endif
