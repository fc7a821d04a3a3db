/* SPDX-License-Identifier: MIT */
/*
 * fibers_page_ops.h - clearing and copying a page: one step of the CPU, which weak memory takes as
 * the plain writes that they are (fibers/cells.c). A copy may run beside stores of programs to what
 * it reads.
 */
#include "machine_copy_page.h"

#include <mmkit/port/atomic.h>

void fibers_touch_page(const void *page);
void fibers_clear_page(void *page);
void fibers_copy_page(void *to, const void *from);

MMK_ALWAYS_INLINE void mmk_clear_page(void *page)
{
    if (FIBERS_OUT_OF_LINE)
        fibers_clear_page(page);
    else
        memset(page, 0, MMK_PAGE_SIZE);
}

MMK_ALWAYS_INLINE void mmk_copy_page(void *to, const void *from)
{
    fibers_touch_page(from);
    if (FIBERS_OUT_OF_LINE)
        fibers_copy_page(to, from);
    else
        machine_copy_page(to, from);
}
