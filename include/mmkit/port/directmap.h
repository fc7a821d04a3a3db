/* SPDX-License-Identifier: MIT */
/*
 * directmap.h - hot port contract: how mmkit reaches physical memory.
 *
 * Every frame handed in with mmk_add_memory() is mapped all the time at a fixed distance (a
 * direct map, or identity). MMK_PORT_DIRECTMAP supplies the two conversions:
 * void *mmk_phys_to_virt(mmk_paddr_t) and mmk_paddr_t mmk_virt_to_phys(const void *).
 *
 * MMK_PORT_PAGE_OPS may replace clearing and copying of a page (rep stosb, streaming stores). The
 * source of a copy may be written at the same time by user code through a shared mapping; a torn
 * copy of such a page is what hardware gives, too.
 */
#ifndef MMKIT_PORT_DIRECTMAP_H
#define MMKIT_PORT_DIRECTMAP_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MMK_PORT_DIRECTMAP
#include MMK_PORT_DIRECTMAP
#else
#error "mmk_port.h must define MMK_PORT_DIRECTMAP, the header with mmk_phys_to_virt() and back"
#endif

void *memcpy(void *__restrict to, const void *__restrict from, size_t size);
void *memset(void *to, int byte, size_t size);

#ifdef MMK_PORT_PAGE_OPS
#include MMK_PORT_PAGE_OPS
#else
MMK_ALWAYS_INLINE void mmk_clear_page(void *page)
{
    memset(page, 0, MMK_PAGE_SIZE);
}

MMK_ALWAYS_INLINE void mmk_copy_page(void *to, const void *from)
{
    memcpy(to, from, MMK_PAGE_SIZE);
}
#endif

#ifdef __cplusplus
}
#endif

#endif
