/* SPDX-License-Identifier: MIT */
/*
 * interval_tree.h - a set of intervals [first, last] that finds those that overlap another:
 * which VMAs map these pages of an object? Intrusive; no allocation; O(log n) each step.
 */
#ifndef MMK_SRC_INTERVAL_TREE_H
#define MMK_SRC_INTERVAL_TREE_H

#include <mmkit/port/annotate.h>

/* Embedded in what is stored. Equal intervals may be stored any number of times. */
struct mmk_interval {
    uint64_t first, last; /* inclusive; first <= last */
    uint64_t max_last;    /* greatest `last` in the subtree */
    struct mmk_interval *left, *right, *parent;
    int32_t height;
};

struct mmk_interval_tree {
    struct mmk_interval *root;
};

/*
 * In and out; first and last are set by the caller and stay as they are in between.
 * => whoever owns the tree has it locked for writing; cannot fail
 */
void mmk_interval_insert(struct mmk_interval_tree *tree, struct mmk_interval *node);
void mmk_interval_remove(struct mmk_interval_tree *tree, struct mmk_interval *node);

/*
 * The first interval that overlaps [first, last], then the next one: by `first`, equal ones in the
 * order of their insertion. NULL: none.
 * => the tree is locked for reading, from the first call to the last
 */
struct mmk_interval *mmk_interval_first(const struct mmk_interval_tree *tree, uint64_t first,
                                        uint64_t last);
struct mmk_interval *mmk_interval_next(const struct mmk_interval *node, uint64_t first,
                                       uint64_t last);

/* Panics if an invariant of the tree is broken. */
void mmk_interval_tree_check(const struct mmk_interval_tree *tree);

#endif
