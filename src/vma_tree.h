/* SPDX-License-Identifier: MIT */
/*
 * vma_tree.h - the VMAs of an address space by address: a B-tree that readers search under RCU
 * alone, with gap search.
 *
 * Writers hold the mm's mmap lock for writing. What a search beside a writer promises:
 *   - a VMA that holds the searched address throughout the search is found, whatever else changes,
 *     itself and its range included;
 *   - so is the next one above (below), if its range does not change during the search;
 *   - a VMA that left the tree before the search began is not found.
 * What it finds may be leaving or changing: start, end and sequence count are the caller's to
 * check. Each search ends by itself unless a writer keeps changing the very place.
 */
#ifndef MMK_SRC_VMA_TREE_H
#define MMK_SRC_VMA_TREE_H

#include "vma.h"

struct mmk_vma_tree {
    struct mmk_aptr root;  /* highest node, or NULL */
    struct mmk_aptr spare; /* unused nodes, kept for the next reserve */
    uint64_t count;        /* VMAs; mmap lock */
};

#define MMK_VMA_TREE_CHANGES 8 /* in one reserve, at most */

/* Nodes for changes, allocated before anything is changed: changes cannot fail. */
struct mmk_vma_tree_reserve {
    struct mmk_vma_tree *tree;
    void *first; /* linked through the nodes themselves */
    unsigned count;
};

void mmk_vma_tree_module_init(void);
void mmk_vma_tree_init(struct mmk_vma_tree *tree);

/* Frees all nodes at once. => no reader or reserve is left; the VMAs are the caller's */
void mmk_vma_tree_destroy(struct mmk_vma_tree *tree);

/*
 * The lowest VMA with end > addr, or NULL: the one that holds addr, or the next above. Reads no
 * VMA, only nodes: who takes an mm down may free VMAs in order while it still searches.
 * => inside an RCU read section, or mmap lock held
 */
struct mmk_vma *mmk_vma_tree_find_rcu(const struct mmk_vma_tree *tree, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mmk_rcu);

/* The highest VMA with start < addr, or NULL. => as mmk_vma_tree_find_rcu() */
struct mmk_vma *mmk_vma_tree_prev_rcu(const struct mmk_vma_tree *tree, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * The highest start with [start, start + length) free and inside [low, high).
 * => false: there is none; mmap lock held (read or write)
 */
bool mmk_vma_tree_gap(const struct mmk_vma_tree *tree, mmk_vaddr_t low, mmk_vaddr_t high,
                      uint64_t length, mmk_vaddr_t *start);

/*
 * Nodes for up to `changes` calls of insert and erase_range, MMK_VMA_TREE_CHANGES at most; resize
 * needs none.
 * => 0, or MMK_ENOMEM with nothing held; may sleep; mmap lock held for writing from here to
 *    the last change; unreserve gives back what was not used, in any context where the tree is
 *    alive, to the tree or the slab cache; after MMK_ENOMEM it does nothing
 */
MMK_MUST_CHECK int mmk_vma_tree_reserve(struct mmk_vma_tree *tree, unsigned changes,
                                        struct mmk_vma_tree_reserve *reserve);
void mmk_vma_tree_unreserve(struct mmk_vma_tree_reserve *reserve);

/* Adds vma, whose range overlaps none in the tree. => mmap lock held for writing */
void mmk_vma_tree_insert(struct mmk_vma_tree *tree, struct mmk_vma *vma,
                         struct mmk_vma_tree_reserve *reserve);

/* Takes out every VMA that lies wholly inside [start, end); none may straddle. => as insert */
void mmk_vma_tree_erase_range(struct mmk_vma_tree *tree, mmk_vaddr_t start, mmk_vaddr_t end,
                              struct mmk_vma_tree_reserve *reserve);

/*
 * Gives vma, which is in the tree, the range [start, end) and sets its fields start and end (not
 * pgoff). The new range overlaps the old one and no other VMA. Allocates nothing and uses nothing
 * of the reserve, which may be NULL. => as insert
 */
void mmk_vma_tree_resize(struct mmk_vma_tree *tree, struct mmk_vma *vma, mmk_vaddr_t start,
                         mmk_vaddr_t end, struct mmk_vma_tree_reserve *reserve);

/* Panics if an invariant of the tree is broken. => mmap lock held */
void mmk_vma_tree_check(const struct mmk_vma_tree *tree);

#endif
