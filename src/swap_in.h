/* SPDX-License-Identifier: MIT */
/*
 * swap_in.h - private pages come back from swap into memory. Into the tables: swap_return.h.
 */
#ifndef MMK_SRC_SWAP_IN_H
#define MMK_SRC_SWAP_IN_H

#include "swap_cache.h"

/*
 * A slot's page: the cached one, or a new one that is read in, its neighbours with it.
 * => 0, with *page cached as the slot's, filled, locked, and with a reference; *read: it was not in
 *    memory
 * => MMK_ENOMEM; MMK_EIO: it could not be read; MMK_EINTR: mm, if it is given, was killed
 * => the caller has a reference to the slot; may sleep
 */
MMK_MUST_CHECK int mmk_swap_in(struct mmk_mm *mm, uint64_t slot, struct mmk_page **page, bool *read)
    MMK_TRY_ACQUIRES(0, *page);

/* A slot's page is read in, if it is not there; for nobody in particular. Errors do not count. */
void mmk_swap_read_ahead(uint64_t slot);

#endif
