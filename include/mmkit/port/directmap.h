/* SPDX-License-Identifier: MIT */
/*
 * directmap.h - hot port contract: how mmkit reaches physical memory.
 *
 * Every frame handed in with mmk_add_memory() is mapped all the time at a fixed distance (a
 * direct map, or identity). MMK_PORT_DIRECTMAP supplies the two conversions:
 * void *mmk_phys_to_virt(mmk_paddr_t) and mmk_paddr_t mmk_virt_to_phys(const void *).
 *
 * MMK_PORT_PAGE_OPS may replace clearing and copying of a page (rep stosb, streaming stores), and,
 * where it defines MMK_PORT_PAGE_IS_ZERO, looking whether it is all zeros. The source of a copy, or
 * of such a look, may be written at the same time by user code; a torn copy of such a page is what
 * hardware gives, too.
 */
#ifndef MMKIT_PORT_DIRECTMAP_H
#define MMKIT_PORT_DIRECTMAP_H

#include <mmkit/port/annotate.h>
#include <mmkit/port/atomic.h>
#include <stdbool.h>

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

#ifndef MMK_PORT_PAGE_IS_ZERO
MMK_ALWAYS_INLINE bool mmk_page_is_zero(const void *page)
{
    const struct mmk_a64 *word = (const struct mmk_a64 *)page;
    const struct mmk_a64 *end = word + MMK_PAGE_SIZE / sizeof(*word);

    for (; word < end; word++)
        if (mmk_a64_load(word, MMK_RELAXED) != 0)
            return false;
    return true;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
