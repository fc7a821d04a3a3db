/* SPDX-License-Identifier: MIT */
/*
 * range.h - visiting the leaf tables of a range, and freeing those that a visit leaves empty.
 */
#ifndef MMK_SRC_RANGE_H
#define MMK_SRC_RANGE_H

#include "gather.h"
#include "walk.h"

/*
 * Handles the entries from walk->entry, for addresses from walk->addr up to `end`; may take entries
 * and lower `live`, notes what it did in its gather. Above level 0: the one entry of a larger
 * page, which lies in the range wholly, or is an object's (rmap.c): what is done to a part of that
 * is done to all of it. Who has split all of them does not come by one.
 * => the address where it stopped: below `end` when its gather had no room left
 * => table locked, inside an RCU read section
 */
typedef mmk_vaddr_t (*mmk_leaf_visitor)(struct mmk_walk *walk, mmk_vaddr_t end, void *arg);

/*
 * Visits every leaf table linked in [start, end) of the gather's mm. Tables that are empty after
 * their visit, and upper tables met empty, are freed as the policy says.
 * => addresses page multiples, up to MMK_USER_END; does not sleep; nothing but RCU is held between
 *    two tables
 */
void mmk_range_for_each_leaf(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end,
                             mmk_leaf_visitor visit, void *arg);

/*
 * One step of that, for who has no mmap lock: the table on *addr's path, if vma still is as it was
 * when its count was `seq`, which is looked at under the table's lock (vma.h, P8).
 * => *addr: where to go on; false: vma is not, or a larger page has a part in the range alone:
 *    nothing was visited
 * => inside an RCU read section, in which vma was found; [*addr, end) lies in it
 */
MMK_MUST_CHECK bool mmk_range_step_open(struct mmk_gather *gather, const struct mmk_vma *vma,
                                        uint64_t seq, mmk_vaddr_t *addr, mmk_vaddr_t end,
                                        mmk_leaf_visitor visit, void *arg)
    MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * Who has changed the flags of VMAs in [start, end) lets those come to an end who still go by the
 * old ones, without the mmap lock, and what they have taken be flushed.
 * => mmap lock held; spins for other CPUs
 */
void mmk_range_settle(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end);

/*
 * The first address from addr on that has a leaf table, or is mapped by a larger page: addr itself,
 * or where the table or page starts.
 * => `end` or above: there is none below; as above
 */
mmk_vaddr_t mmk_range_next_leaf(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end);

#endif
