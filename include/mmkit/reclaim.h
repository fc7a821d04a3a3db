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
 * Page tables that are not empty go, too, when nothing in them would be missed: when each of their
 * entries leads to the zero page, to a clean page of a file, or to one that MADV_FREE has marked.
 * The next touch builds them again.
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
#include <mmkit/types.h>

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

struct mmk_mm;

/*
 * Gives back up to `bytes` of an address space's page tables, or, mm NULL, of all address spaces',
 * and those above that become empty by it: of tables in which nothing would be missed, as said
 * above, and nothing was used since somebody last looked. What was used is asked again by the next
 * call. Of locked memory, and of memory pinned by mmk_pin_pages(), no table goes, nor under another
 * policy than MMK_TABLES_MMKIT (init.h). A table pinned by mmk_table_pin() stays, but its entries,
 * of the zero page, say, may go. Contents do not change, but that pages which MADV_FREE has marked
 * may be zeros.
 *
 * A call looks at no more than 8 tables for each that is asked for, and 64: the next goes on where
 * it has stopped. mmkit calls it by itself when memory is short.
 * => how many bytes of tables were given back; free after a grace period. 0, too, where others have
 *    the address space's lock for writing: it is not waited for; and while more than
 *    mmk_config.waiting_limit waits for grace periods
 * => does not sleep; interrupts on; any of mmkit's locks that sleep may be held, by a callback, say
 * => mm has a user, or a hold, of the caller's
 */
uint64_t mmk_shrink_tables(struct mmk_mm *mm, uint64_t bytes);

/* Makes each call of mmk_reclaim_work() return false, until mmk_init(). => any context but NMI */
void mmk_reclaim_stop(void);

#ifdef __cplusplus
}
#endif

#endif
