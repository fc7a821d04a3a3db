/* SPDX-License-Identifier: MIT */
/*
 * interval_tree.c - owns the shape of the interval tree: an AVL tree by `first`, in which every
 * node also knows the greatest `last` below it.
 *
 * Invariants (mmk_interval_tree_check):
 *   1 In order, `first` never falls. Equal ones stand in the order in which they were inserted: a
 *     walk that meets a parent's VMA before its fork's copy depends on it.
 *   2 height = 1 + that of the higher child; the children's heights differ by at most 1.
 *   3 max_last = the greatest `last` of the node and its subtrees.
 *   4 parent pointers mirror the child pointers; the root's is NULL.
 *
 * Locks: none of its own. Who owns the tree locks it (an object: its interval lock).
 *
 * Rejected: a red-black tree (the balancing cases are twice as many, the tree a third higher); a
 * list per object (a library mapped by 1000 processes costs 1000 steps to unmap one page of it).
 */
#include "interval_tree.h"

/* Height of a subtree, which may be empty. */
static int32_t height(const struct mmk_interval *node)
{
    return node ? node->height : 0;
}

/* Whether a subtree, which may be empty, has an interval that ends at `first` or after. */
static bool reaches(const struct mmk_interval *node, uint64_t first)
{
    return node && node->max_last >= first;
}

/* Recomputes what a node knows of its subtrees. */
static void update(struct mmk_interval *node)
{
    const struct mmk_interval *left = node->left, *right = node->right;

    node->height = 1 + (height(left) > height(right) ? height(left) : height(right));
    node->max_last = node->last;
    if (left && left->max_last > node->max_last)
        node->max_last = left->max_last;
    if (right && right->max_last > node->max_last)
        node->max_last = right->max_last;
}

/* Puts `node`, which may be NULL, in the place that `old` has below its parent. */
static void replace(struct mmk_interval_tree *tree, struct mmk_interval *old,
                    struct mmk_interval *node)
{
    struct mmk_interval *parent = old->parent;

    if (!parent)
        tree->root = node;
    else if (parent->left == old)
        parent->left = node;
    else
        parent->right = node;
    if (node)
        node->parent = parent;
}

/* The right child takes the node's place, the node becomes its left child. */
static struct mmk_interval *rotate_left(struct mmk_interval_tree *tree, struct mmk_interval *node)
{
    struct mmk_interval *up = node->right;

    replace(tree, node, up);
    node->right = up->left;
    if (node->right)
        node->right->parent = node;
    up->left = node;
    node->parent = up;
    update(node);
    update(up);
    return up;
}

static struct mmk_interval *rotate_right(struct mmk_interval_tree *tree, struct mmk_interval *node)
{
    struct mmk_interval *up = node->left;

    replace(tree, node, up);
    node->left = up->right;
    if (node->left)
        node->left->parent = node;
    up->right = node;
    node->parent = up;
    update(node);
    update(up);
    return up;
}

/* Restores 2 and 3 at one node whose subtrees are in order; returns the subtree's new top. */
static struct mmk_interval *balance(struct mmk_interval_tree *tree, struct mmk_interval *node)
{
    int32_t lean = height(node->left) - height(node->right);

    if (lean > 1) {
        if (height(node->left->left) < height(node->left->right))
            rotate_left(tree, node->left);
        return rotate_right(tree, node);
    }
    if (lean < -1) {
        if (height(node->right->right) < height(node->right->left))
            rotate_right(tree, node->right);
        return rotate_left(tree, node);
    }
    update(node);
    return node;
}

/* Restores 2 and 3 from `node`, which may be NULL, up to the root. */
static void repair(struct mmk_interval_tree *tree, struct mmk_interval *node)
{
    while (node)
        node = balance(tree, node)->parent;
}

void mmk_interval_insert(struct mmk_interval_tree *tree, struct mmk_interval *node)
{
    struct mmk_interval **link = &tree->root;

    mmk_assert(node->first <= node->last, "interval: first <= last");
    node->left = NULL;
    node->right = NULL;
    node->parent = NULL;
    while (*link) {
        node->parent = *link;
        link = node->first < node->parent->first ? &node->parent->left : &node->parent->right;
    }
    *link = node;
    repair(tree, node);
}

/* Gives `node`, which has two children, the place of its successor and the other way round. */
static struct mmk_interval *take_successor(struct mmk_interval_tree *tree,
                                           struct mmk_interval *node)
{
    struct mmk_interval *next = node->right, *damaged;

    while (next->left)
        next = next->left;
    damaged = next;
    if (next != node->right) {
        damaged = next->parent;
        replace(tree, next, next->right);
        next->right = node->right;
        next->right->parent = next;
    }
    next->left = node->left;
    next->left->parent = next;
    replace(tree, node, next);
    return damaged;
}

void mmk_interval_remove(struct mmk_interval_tree *tree, struct mmk_interval *node)
{
    struct mmk_interval *damaged; /* the lowest node whose subtree is no longer what it was */

    if (node->left && node->right) {
        damaged = take_successor(tree, node);
    } else {
        damaged = node->parent;
        replace(tree, node, node->left ? node->left : node->right);
    }
    repair(tree, damaged);
    node->left = NULL;
    node->right = NULL;
    node->parent = NULL;
}

/*
 * The first interval of a subtree, in order, that overlaps.
 * => reaches(node, first)
 */
static struct mmk_interval *first_below(struct mmk_interval *node, uint64_t first, uint64_t last)
{
    for (;;) {
        /* One on the left ends late enough. If even that one begins too late, so do all here. */
        if (reaches(node->left, first)) {
            node = node->left;
            continue;
        }
        if (node->first > last)
            return NULL;
        if (node->last >= first)
            return node;
        node = node->right; /* reaches(): neither the node nor its left does */
    }
}

struct mmk_interval *mmk_interval_first(const struct mmk_interval_tree *tree, uint64_t first,
                                        uint64_t last)
{
    return reaches(tree->root, first) ? first_below(tree->root, first, last) : NULL;
}

struct mmk_interval *mmk_interval_next(const struct mmk_interval *node, uint64_t first,
                                       uint64_t last)
{
    struct mmk_interval *up;

    for (;;) {
        if (reaches(node->right, first))
            return first_below(node->right, first, last);
        up = node->parent;
        while (up && node == up->right) {
            node = up;
            up = node->parent;
        }
        if (!up || up->first > last)
            return NULL;
        if (up->last >= first)
            return up;
        node = up;
    }
}

/* Checks one node against its children and its parent. */
static void check_node(const struct mmk_interval *node)
{
    const struct mmk_interval *left = node->left, *right = node->right;
    struct mmk_interval expected = *node;
    int32_t lean = height(left) - height(right);

    mmk_assert(node->first <= node->last, "interval: first <= last");
    mmk_assert(!left || left->parent == node, "interval 4: left child's parent");
    mmk_assert(!right || right->parent == node, "interval 4: right child's parent");
    mmk_assert(lean >= -1 && lean <= 1, "interval 2: balance");
    update(&expected);
    mmk_assert(node->height == expected.height, "interval 2: height");
    mmk_assert(node->max_last == expected.max_last, "interval 3: max_last");
}

/* The next node in order. */
static const struct mmk_interval *successor(const struct mmk_interval *node)
{
    const struct mmk_interval *up;

    if (node->right) {
        node = node->right;
        while (node->left)
            node = node->left;
        return node;
    }
    up = node->parent;
    while (up && node == up->right) {
        node = up;
        up = node->parent;
    }
    return up;
}

void mmk_interval_tree_check(const struct mmk_interval_tree *tree)
{
    const struct mmk_interval *node = tree->root;
    uint64_t first = 0;

    if (!node)
        return;
    mmk_assert(!node->parent, "interval 4: the root has no parent");
    while (node->left)
        node = node->left;
    for (; node; node = successor(node)) {
        check_node(node);
        mmk_assert(node->first >= first, "interval 1: order");
        first = node->first;
    }
}
