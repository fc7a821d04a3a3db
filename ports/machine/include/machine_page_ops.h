/* SPDX-License-Identifier: MIT */
/* machine_page_ops.h - clearing and copying a page. */
#include "machine_copy_page.h"

MMK_ALWAYS_INLINE void mmk_clear_page(void *page)
{
    memset(page, 0, MMK_PAGE_SIZE);
}

MMK_ALWAYS_INLINE void mmk_copy_page(void *to, const void *from)
{
    machine_copy_page(to, from);
}
