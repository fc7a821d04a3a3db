/* SPDX-License-Identifier: MIT */
/*
 * zero_page.c - the frame of zeros that answers reads of untouched anonymous memory.
 *
 * P18 It has no rmap, no reference per mapping and no RSS: exempt from R1 and F1. It exists while
 * an address space does, and is allocated with the first.
 */
#include "zero_page.h"

#include "frame.h"
#include "mm.h"

struct mmk_aptr mmk_zero_frame;

int mmk_zero_page_ready(void)
{
    struct mmk_page *page;
    void *none;

    /* When another CPU is first, its zeros have to be seen, too: by the load. */
    while (!mmk_aptr_load(&mmk_zero_frame, MMK_ACQUIRE)) {
        page = mmk_page_alloc(0, MMK_ALLOC_ZERO | MMK_ALLOC_STAYS);
        if (!page)
            return MMK_ENOMEM;
        none = NULL;
        if (!mmk_aptr_cmpxchg(&mmk_zero_frame, &none, page, MMK_RELEASE))
            mmk_page_put(page);
    }
    return 0;
}

void mmk_zero_page_release(void)
{
    struct mmk_page *page;

    if (mmk_mm_count_all() != 0)
        return;
    page = (struct mmk_page *)mmk_aptr_xchg(&mmk_zero_frame, NULL, MMK_RELAXED);
    if (page)
        mmk_page_put(page);
}
