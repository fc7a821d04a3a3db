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
    /*
     * On behalf of reclaim itself, which frees more than it takes: nothing is reclaimed for it, and
     * all of mmk_config.reserve is its to take. So in write_page, and whatever it calls.
     */
    MMK_ALLOC_NORECLAIM = 4,
    /*
     * Whoever asks does I/O, or holds what I/O wants: what is reclaimed for it is clean, write_page
     * is not called.
     */
    MMK_ALLOC_NOIO = 8,
    /*
     * For long, as page tables and the kernel's own data are: taken from where others are that do
     * not move, so that elsewhere blocks of many frames can be made (compact.h; Linux: the opposite
     * of __GFP_MOVABLE).
     */
    MMK_ALLOC_STAYS = 32,
    MMK_ALLOC_HIGH = 16, /* important: half of mmk_config.reserve may be taken (__GFP_HIGH) */
    /* In an interrupt handler, say, which has no other way (GFP_ATOMIC). */
    MMK_ALLOC_ATOMIC = MMK_ALLOC_NOWAIT | MMK_ALLOC_HIGH,
};

/*
 * Allocates 2^order frames that lie together, aligned to their size, with one reference.
 * => NULL: none free, beyond the reserve. Unless MMK_ALLOC_NOWAIT, pages were reclaimed as far as
 * that goes (reclaim.h), and a grace period waited for, before that
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
