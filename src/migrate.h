/* SPDX-License-Identifier: MIT */
/*
 * migrate.h - a page's content goes to another frame, and nobody notices.
 */
#ifndef MMK_SRC_MIGRATE_H
#define MMK_SRC_MIGRATE_H

#include "page.h"

/*
 * Moves what `page` holds into the frame of `to`, which takes its place: in all tables, in its
 * object, in the swap cache. Of locked memory, too.
 * => 0: `page` is nobody's, and its frame is free with the caller's reference; unless somebody has
 *    just found it, who will look again. `to` is in its place, with a reference of the caller's
 * => MMK_EBUSY: it is neither private nor an object's, is pinned, being written back, or somebody
 *    holds it: it stays as it was, but for an object's page that several map, of which entries may
 *    be gone, for faults to bring back; `to` is good for nothing but to be put
 * => page locked, with one reference of the caller's, who puts it by mmk_swap_put_page(), as it may
 *    be cached; `to` fresh from mmk_page_alloc()
 * => may sleep; as mmk_rmap_walk()
 */
MMK_MUST_CHECK int mmk_page_migrate(struct mmk_page *page, struct mmk_page *to) MMK_REQUIRES(page);

/* The same, but it waits for no lock, and no secondary MMU sleeps: MMK_EBUSY, too, when one would
 * have to. A page that several share may then be in both frames, some of its entries in each. */
MMK_MUST_CHECK int mmk_page_migrate_nowait(struct mmk_page *page, struct mmk_page *to)
    MMK_REQUIRES(page);

#endif
