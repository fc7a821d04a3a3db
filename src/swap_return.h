/* SPDX-License-Identifier: MIT */
/*
 * swap_return.h - private pages come back from swap into the tables.
 */
#ifndef MMK_SRC_SWAP_RETURN_H
#define MMK_SRC_SWAP_RETURN_H

#include "swap_cache.h"
#include "walk.h"

/*
 * Is whoever has the slot's only entry its page's only user? Then the page can be his own.
 * => page locked, cached as the slot's; the caller has a reference to the slot, and the lock of the
 *    table with an entry of it
 */
bool mmk_swap_sole(const struct mmk_page *page, uint64_t slot) MMK_REQUIRES(page);

/*
 * walk's entry, a swap entry, becomes `leaf`, which maps the page: with a reference, and counted.
 * `own`: nobody else has it, mapped or swapped: the page is EXCLUSIVE from now on. The entry's
 * reference to the slot is the caller's then.
 * => page locked, cached as the slot that the entry says; walk at level 0 and locked
 */
void mmk_swap_return(struct mmk_walk *walk, const struct mmk_vma *vma, struct mmk_page *page,
                     mmk_pte_t leaf, bool own) MMK_REQUIRES(page)
    MMK_REQUIRES(walk->table->table.lock);

/*
 * Wherever a swap entry of the page's slot is, it becomes present. It stays where it is not known
 * what its mapping allows: somebody, with the mmap lock, is at work on that.
 * => NULL: no entry is left; or an address space with one that has stayed, held for the caller
 * => page locked, cached; the caller has a reference to the slot; may sleep; as mmk_rmap_walk()
 */
MMK_MUST_CHECK struct mmk_mm *mmk_swap_return_all(struct mmk_page *page) MMK_REQUIRES(page);

#endif
