/* SPDX-License-Identifier: MIT */
/*
 * rmap_walk.h - from a page to each entry that maps it.
 */
#ifndef MMK_SRC_RMAP_WALK_H
#define MMK_SRC_RMAP_WALK_H

#include "page_rmap.h"
#include "walk.h"

/*
 * Looks at a place where `page` may be mapped: address addr of mm, which stays until it returns.
 * May sleep. => true: enough
 */
typedef bool (*mmk_rmap_visitor)(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                                 void *arg);

/*
 * Visits every place where the page may be mapped, until one is enough: all where it is, and hardly
 * more. Of one in the swap cache, with its lock held, places with swap entries of its slot
 * likewise. A private page's: its owner first, and each address space before its children. What is
 * mapped anew meanwhile may be missed, but for copies that fork makes of entries that the visitor
 * would have found. While a VMA is being cut, merged or handed a part of another a place may be
 * visited twice.
 * => the caller has a reference to the page; an object's page is locked, a private one may be
 * => may sleep; takes the object's interval lock shared, or the family's and, in turn, each kin's
 */
void mmk_rmap_walk(struct mmk_page *page, mmk_rmap_visitor visit, void *arg);

/*
 * The same, but it waits for no lock: for whoever may hold any of those that sleep.
 * => false: a lock was not to be had, some places were not visited
 */
MMK_MUST_CHECK bool mmk_rmap_try_walk(struct mmk_page *page, mmk_rmap_visitor visit, void *arg);

/*
 * For a visitor: locks the table whose entry at addr maps the page; a larger page is split.
 * => true: inside an RCU read section, with the table locked, a leaf. false: it is not mapped
 *    there, or there is no table to split it into
 */
bool mmk_rmap_lock(const struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                   struct mmk_walk *walk) MMK_TRY_ACQUIRES(true, walk->table->table.lock)
    MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu);

/* The same without splitting: walk's entry may be a larger page's (huge.h). */
bool mmk_rmap_lock_any(const struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                       struct mmk_walk *walk) MMK_TRY_ACQUIRES(true, walk->table->table.lock)
    MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu);

/*
 * How many entries map the page, by a walk; *found: one of them is at addr of mm. It locks no
 * table: exact while nobody changes one.
 * => as mmk_rmap_walk()
 */
uint32_t mmk_rmap_count(struct mmk_page *page, const struct mmk_mm *mm, mmk_vaddr_t addr,
                        bool *found);

#endif
