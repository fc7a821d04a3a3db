/* SPDX-License-Identifier: MIT */
/*
 * page.h - frames for the embedder: physical pages by the power of two.
 */
#ifndef MMKIT_PAGE_H
#define MMKIT_PAGE_H

#include <mmkit/errno.h>
#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmk_page; /* the descriptor of one frame; opaque */

#define MMK_MAX_ORDER 10 /* largest block: 2^10 pages, 4 MiB */

enum mmk_alloc {
    MMK_ALLOC_NORMAL = 0,
    MMK_ALLOC_NOWAIT = 1, /* may not sleep: interrupt context, RCU sections, spin locks held */
    MMK_ALLOC_ZERO = 2,   /* filled with zeros */
};

/*
 * Allocates 2^order frames that lie together, aligned to their size, with one reference.
 * => NULL: none free. Unless MMK_ALLOC_NOWAIT, a grace period was waited for before that
 * => order 0..MMK_MAX_ORDER; flags: enum mmk_alloc, or'ed
 * => may sleep unless MMK_ALLOC_NOWAIT
 */
struct mmk_page *mmk_page_alloc(unsigned order, unsigned flags);

/* Drops a reference; the last one frees the block. => any context where frames may be allocated */
void mmk_page_put(struct mmk_page *page);

/* Where the frame is. => any context */
mmk_paddr_t mmk_page_phys(const struct mmk_page *page);
void *mmk_page_address(const struct mmk_page *page);

#ifdef __cplusplus
}
#endif

#endif
