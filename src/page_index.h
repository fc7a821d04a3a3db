/* SPDX-License-Identifier: MIT */
/*
 * page_index.h - an object's pages by their index: a radix tree of 64-way nodes without one-child
 * nodes, read under RCU, changed under the owner's lock. It does not look into pages: any address
 * but NULL will do (object_swap.h).
 */
#ifndef MMK_SRC_PAGE_INDEX_H
#define MMK_SRC_PAGE_INDEX_H

#include "page.h"

struct mmk_page_index {
    struct mmk_aptr root; /* highest node, or NULL; grows and shrinks in height */
    uint64_t count;       /* pages; owner's lock */
};

/* Nodes for one insertion, allocated before the lock is taken: a leaf, and where it branches off.
 */
#define MMK_PAGE_INDEX_RESERVE 2

struct mmk_page_index_reserve {
    unsigned count;
    void *node[MMK_PAGE_INDEX_RESERVE];
};

void mmk_page_index_module_init(void); /* registers its slab cache */

void mmk_page_index_init(struct mmk_page_index *index);

/*
 * Fills `reserve` with what inserting anything can need.
 * => 0, or MMK_ENOMEM with nothing held; may sleep; unreserve gives back what was not used
 */
MMK_MUST_CHECK int mmk_page_index_reserve(struct mmk_page_index_reserve *reserve);
void mmk_page_index_unreserve(struct mmk_page_index_reserve *reserve);

/*
 * The page at i, or NULL. It is published by a release store and read by an acquire load.
 * => inside an RCU read section, or under the owner's lock; takes no reference
 */
struct mmk_page *mmk_page_index_find_rcu(const struct mmk_page_index *index, uint64_t i)
    MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * The first page at *i or above, up to last, with *i set to where it is; NULL: none, *i undefined.
 * A page that is in the index throughout is not missed, whatever a writer does meanwhile.
 * => as mmk_page_index_find_rcu()
 */
struct mmk_page *mmk_page_index_next_rcu(const struct mmk_page_index *index, uint64_t *i,
                                         uint64_t last) MMK_REQUIRES_SHARED(mmk_rcu);

/* The same for whoever has the owner's lock: that keeps the nodes, too. */
MMK_ALWAYS_INLINE struct mmk_page *mmk_page_index_next_locked(const struct mmk_page_index *index,
                                                              uint64_t *i, uint64_t last) MMK_NO_TSA
{
    return mmk_page_index_next_rcu(index, i, last);
}

/*
 * Puts page at i, unless one is there already.
 * => NULL: done; else the page that is there
 * => owner's lock held; cannot fail otherwise
 */
struct mmk_page *mmk_page_index_insert_locked(struct mmk_page_index *index, uint64_t i,
                                              struct mmk_page *page,
                                              struct mmk_page_index_reserve *reserve);

/*
 * Puts page where another is. Release: as an insertion. => that one; NULL: there is none, and
 * nothing has changed; owner's lock held
 */
struct mmk_page *mmk_page_index_replace_locked(struct mmk_page_index *index, uint64_t i,
                                               struct mmk_page *page);

/*
 * Takes the page at i out; NULL: none was there. Nodes left empty, or with one child, are unlinked
 * and freed after a grace period.
 * => owner's lock held
 */
struct mmk_page *mmk_page_index_remove_locked(struct mmk_page_index *index, uint64_t i);

/* Nodes linked. => owner's lock held, or nothing runs */
uint64_t mmk_page_index_nodes(const struct mmk_page_index *index);

/* Panics if an invariant of page_index.c is broken. => owner's lock held, or nothing runs */
void mmk_page_index_check(const struct mmk_page_index *index);

#endif
