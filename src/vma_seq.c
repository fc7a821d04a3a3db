/* SPDX-License-Identifier: MIT */
/* vma_seq.c - see vma_seq.h. */
#include "vma_seq.h"

void mmk_vma_open_at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_vma *vma = mmk_mm_find_vma(mm, addr);

    if (vma && mmk_vma_start(vma) <= addr && mmk_vma_is_closed(vma))
        mmk_vma_open(vma);
}

void mmk_vma_set_range(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    bool closed = mmk_vma_is_closed(vma);

    if (!MMK_MISTAKE(RESIZED_OPEN))
        mmk_vma_close(vma);
    mmk_vma_tree_resize(mmk_mm_vmas(mm), vma, start, end, NULL);
    if (!closed && !MMK_MISTAKE(RESIZED_OPEN))
        mmk_vma_open(vma);
}

void mmk_vma_widen(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    bool closed = mmk_vma_is_closed(vma);

    if (!MMK_MISTAKE(GROWN_EARLY))
        mmk_vma_close(vma);
    mmk_vma_set_range(mm, vma, start, end);
    mmk_vma_relink(vma);
    if (!closed && mmk_vma_is_closed(vma))
        mmk_vma_open(vma);
}
