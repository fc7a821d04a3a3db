/* SPDX-License-Identifier: MIT */
/*
 * fibers_page_ops.h - clearing and copying a page, and looking at all of it: one step of the CPU,
 * which weak memory takes as the plain writes that they are (fibers/cells.c). A copy, or a look,
 * may run beside stores of programs to what it reads.
 */
#include "machine_copy_page.h"

#include <mmkit/port/atomic.h>

void fibers_touch_page(const void *page);
void fibers_clear_page(void *page);
void fibers_copy_page(void *to, const void *from);
bool fibers_page_is_zero(const void *page);

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

#define MMK_PORT_PAGE_IS_ZERO

MMK_ALWAYS_INLINE bool mmk_page_is_zero(const void *page)
{
    fibers_touch_page(page);
    return fibers_page_is_zero(page);
}
