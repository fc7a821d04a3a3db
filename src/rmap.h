/* SPDX-License-Identifier: MIT */
/*
 * rmap.h - from a page, or a range of an object, to the entries that map it.
 */
#ifndef MMK_SRC_RMAP_H
#define MMK_SRC_RMAP_H

#include "object.h"
#include "page_rmap.h"

/*
 * Takes pages [first, last] of object out of every address space that maps them: the entries are
 * cleared, TLBs flushed. `private_too`: also private copies in place of those pages (truncation
 * yes, hole punching no).
 * => may sleep; a page lock may be held; takes the interval lock shared, then table locks
 */
void mmk_rmap_unmap_object(struct mmk_object *object, uint64_t first, uint64_t last,
                           bool private_too);

/*
 * Makes the entries of pages [first, last] clean and read-only in every address space, TLBs
 * flushed; pages that were dirty in one become DIRTY. From then on a store to one marks its page.
 * => as mmk_rmap_unmap_object()
 */
void mmk_rmap_clean_object(struct mmk_object *object, uint64_t first, uint64_t last);

#endif
