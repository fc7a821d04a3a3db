/* SPDX-License-Identifier: MIT */
/*
 * zero_page.h - the page that answers reads of untouched anonymous memory. Entries that map it are
 * special: no rmap, no reference, no RSS (P18). To recognise one ask mmk_pte_special().
 */
#ifndef MMK_SRC_ZERO_PAGE_H
#define MMK_SRC_ZERO_PAGE_H

#include "page.h"
#include <mmkit/port/atomic.h>

extern struct mmk_aptr mmk_zero_frame; /* set before the first address space exists */

MMK_ALWAYS_INLINE struct mmk_page *mmk_zero_page(void)
{
    return (struct mmk_page *)mmk_aptr_load(&mmk_zero_frame, MMK_RELAXED);
}

/* => 0, or MMK_ENOMEM: there was none yet, and no memory for it; may sleep */
MMK_MUST_CHECK int mmk_zero_page_ready(void);
/* Frees it if no address space exists. => nothing else runs in mmkit */
void mmk_zero_page_release(void);

#endif
