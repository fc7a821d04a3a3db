/* SPDX-License-Identifier: MIT */
/*
 * kill.h - waits that end when an address space is killed. Public half: mmk_kill() of <mmkit/mm.h>.
 */
#ifndef MMK_SRC_KILL_H
#define MMK_SRC_KILL_H

#include "mm.h"
#include "page.h"

/*
 * mmk_page_lock() for a user of mm, who gives up when mm is killed while he would have to wait.
 * => false: not locked; may sleep; the caller has a reference to page
 */
MMK_MUST_CHECK bool mmk_page_lock_killable(struct mmk_mm *mm, struct mmk_page *page)
    MMK_TRY_ACQUIRES(true, page);

#endif
