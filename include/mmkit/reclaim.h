/* SPDX-License-Identifier: MIT */
/*
 * reclaim.h - getting memory back: pages that can be had again are freed, the ones that have not
 * been used for longest first.
 *
 * These are pages of objects, from which read_page brings them back, and private pages that
 * MADV_FREE has marked. Pages that were written are written back first, by write_page; without
 * that they stay. Private pages and shared memory go to swap, as long as there is room (swap.h).
 * Pages of locked memory, pinned ones, and whatever others just use, stay.
 *
 * An allocation that may sleep, and finds nothing free, reclaims by itself (MMK_ALLOC_NORECLAIM:
 * not; MMK_ALLOC_NOIO: but writes nothing). For programs not to wait for that, give mmkit a thread
 * and set watermarks (init.h):
 *
 *     while (mmk_reclaim_work())
 *         ;
 */
#ifndef MMKIT_RECLAIM_H
#define MMKIT_RECLAIM_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Frees pages, up to `pages` and some more; any number. Waits for no lock: what others have locked
 * it leaves alone.
 * => how many it has freed; fewer: there are no more that can be freed now
 * => may sleep, in write_page and in a swap area's write; any of mmkit's locks that sleep may be
 *    held
 */
uint64_t mmk_reclaim(uint64_t pages);

/*
 * Sleeps until fewer frames than watermark_low are left, then frees until watermark_high are, or no
 * more can be freed (kswapd of Linux). For threads of the embedder's, one or several.
 * => true: come again; false: mmk_reclaim_stop() was called
 * => may sleep; no locks held
 */
MMK_MUST_CHECK bool mmk_reclaim_work(void);

/* Makes each call of mmk_reclaim_work() return false, until mmk_init(). => any context but NMI */
void mmk_reclaim_stop(void);

#ifdef __cplusplus
}
#endif

#endif
