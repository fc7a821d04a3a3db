/* SPDX-License-Identifier: MIT */
/*
 * fibers_page_ops.h - clearing and copying a page: one step of the CPU, which weak memory takes as
 * the plain writes that they are (fibers/memory.c). A copy may run beside stores of programs to
 * what it reads.
 */
#include "machine_copy_page.h"

#include <mmkit/port/atomic.h>

void fibers_weak_write_page(void *page);
void fibers_weak_read_page(const void *page);

MMK_ALWAYS_INLINE void mmk_clear_page(void *page)
{
    if (mmk_unlikely(fibers_weak))
        fibers_weak_write_page(page);
    memset(page, 0, MMK_PAGE_SIZE);
}

MMK_ALWAYS_INLINE void mmk_copy_page(void *to, const void *from)
{
    if (mmk_unlikely(fibers_weak)) {
        fibers_weak_read_page(from);
        fibers_weak_write_page(to);
    }
    machine_copy_page(to, from);
}
