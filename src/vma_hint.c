/* SPDX-License-Identifier: MIT */
/* vma_hint.c - see vma_hint.h. */
#include "vma_hint.h"

void mmk_vma_hint_change(struct mmk_page *table, struct mmk_vma *vma)
{
    struct mmk_vma *old;

    if (table->table.level == MMK_PT_LEVELS - 1)
        return;
    old = (struct mmk_vma *)mmk_aptr_load(&table->table.vma, MMK_RELAXED);
    if (!MMK_MISTAKE(HINT_UNCOUNTED) && !mmk_vma_get_unless_zero(vma))
        return;
    mmk_aptr_store(&table->table.vma, vma, MMK_RELEASE);
    if (old && !MMK_MISTAKE(HINT_UNCOUNTED))
        mmk_vma_put(old);
}

void mmk_vma_hint_drop(struct mmk_page *table)
{
    struct mmk_vma *vma = (struct mmk_vma *)mmk_aptr_load(&table->table.vma, MMK_RELAXED);

    if (mmk_likely(!vma))
        return;
    mmk_aptr_store(&table->table.vma, NULL, MMK_RELAXED);
    if (!MMK_MISTAKE(HINT_UNCOUNTED) && !MMK_MISTAKE(HINT_NOT_DROPPED))
        mmk_vma_put(vma);
}
