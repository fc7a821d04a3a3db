/* SPDX-License-Identifier: MIT */
/*
 * swap_out.h - a private page goes to swap.
 */
#ifndef MMK_SRC_SWAP_OUT_H
#define MMK_SRC_SWAP_OUT_H

#include "page.h"

/*
 * Takes a private page out of memory: its content into a slot, swap entries where it was mapped.
 * One that MADV_FREE marked, and nobody has written since, is dropped instead. The frame is free
 * when the caller drops his reference (mmk_swap_put_page).
 * => 0; or why it stays in memory, with nothing lost: MMK_EBUSY: it is pinned, locked by mlock, or
 *    somebody uses it; MMK_ENOMEM: no slot is free; MMK_EIO: it could not be written
 * => page locked, private, with a reference of the caller's; may sleep; as mmk_rmap_walk()
 */
MMK_MUST_CHECK int mmk_swap_out(struct mmk_page *page) MMK_REQUIRES(page);

/* The same, but it waits for no lock, only for the device. MMK_EBUSY, too: a lock is held. */
MMK_MUST_CHECK int mmk_swap_out_nowait(struct mmk_page *page) MMK_REQUIRES(page);

#endif
