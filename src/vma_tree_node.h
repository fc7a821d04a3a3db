/* SPDX-License-Identifier: MIT */
/*
 * vma_tree_node.h - a node of the VMA tree, and ways through it: shared by the two halves of the
 * tree, vma_tree.c (search, check) and vma_tree_change.c. The invariants are in vma_tree.c.
 */
#ifndef MMK_SRC_VMA_TREE_NODE_H
#define MMK_SRC_VMA_TREE_NODE_H

#include "vma_tree.h"

#define MMK_VMA_NODE_KEYS  15
#define MMK_VMA_NODE_LEAF  15         /* entries of a leaf, at most */
#define MMK_VMA_NODE_INNER 16         /* of an inner node */
#define MMK_VMA_LEVELS     12         /* a level has 8 nodes for one above, or nearly */
#define MMK_VMA_NEVER      UINT64_MAX /* as a key: above every address */

struct mmk_vma_node {
    struct mmk_a64 key[MMK_VMA_NODE_KEYS]; /* two cache lines, with the next two fields */
    uint32_t count;                        /* entries; mmap lock */
    uint32_t level;                        /* c: 0 = leaf */
    struct mmk_aptr slot[MMK_VMA_NODE_KEYS + 1];
    union {
        uint64_t gap[MMK_VMA_NODE_KEYS + 1]; /* mmap lock */
        struct {
            struct mmk_rcu_head rcu;
            struct mmk_vma_node *next;
            unsigned count; /* nodes in the list that starts here */
        } dead;             /* replaced, or unused */
    };
};

/* From the root (level `top`) to a leaf; pos: which entry, at each level. */
struct mmk_vma_path {
    struct mmk_vma_node *node[MMK_VMA_LEVELS];
    unsigned pos[MMK_VMA_LEVELS];
    unsigned top;
};

/* One step of a binary search among 2n - 1 keys. */
MMK_ALWAYS_INLINE const struct mmk_a64 *mmk_vma_node_half(const struct mmk_a64 *key, size_t n,
                                                          mmk_vaddr_t addr)
{
    return mmk_a64_load(key + n - 1, MMK_RELAXED) <= addr ? key + n : key;
}

/* The number of keys <= addr, without branches. => addr < MMK_VMA_NEVER */
MMK_ALWAYS_INLINE size_t mmk_vma_node_rank(const struct mmk_vma_node *node, mmk_vaddr_t addr)
{
    const struct mmk_a64 *key = node->key;

    key = mmk_vma_node_half(key, 8, addr);
    key = mmk_vma_node_half(key, 4, addr);
    key = mmk_vma_node_half(key, 2, addr);
    key = mmk_vma_node_half(key, 1, addr);
    return (size_t)(key - node->key);
}

/* For lockless readers. Acquire: pairs with the store that put the child there. */
MMK_ALWAYS_INLINE struct mmk_vma_node *mmk_vma_node_child_rcu(const struct mmk_vma_node *node,
                                                              size_t i)
{
    return mmk_aptr_load(&node->slot[i], MMK_ACQUIRE);
}

/* A leaf's slots never change: what is in them was published with the leaf. */
MMK_ALWAYS_INLINE struct mmk_vma *mmk_vma_node_vma(const struct mmk_vma_node *leaf, size_t i)
{
    return mmk_aptr_load(&leaf->slot[i], MMK_RELAXED);
}

/* From here on: mmap lock held. */

MMK_ALWAYS_INLINE struct mmk_vma_node *mmk_vma_node_child(const struct mmk_vma_node *node, size_t i)
{
    return mmk_aptr_load(&node->slot[i], MMK_RELAXED);
}

MMK_ALWAYS_INLINE uint64_t mmk_vma_node_key(const struct mmk_vma_node *node, unsigned i)
{
    return i < MMK_VMA_NODE_KEYS ? mmk_a64_load(&node->key[i], MMK_RELAXED) : MMK_VMA_NEVER;
}

MMK_ALWAYS_INLINE struct mmk_vma_node *mmk_vma_tree_root(const struct mmk_vma_tree *tree)
{
    return mmk_aptr_load(&tree->root, MMK_RELAXED);
}

MMK_ALWAYS_INLINE unsigned mmk_vma_node_capacity(unsigned level)
{
    return level > 0 ? MMK_VMA_NODE_INNER : MMK_VMA_NODE_LEAF;
}

MMK_ALWAYS_INLINE uint64_t mmk_vma_node_largest_gap(const struct mmk_vma_node *node)
{
    uint64_t gap = node->gap[0];
    unsigned i;

    for (i = 1; i < node->count; i++)
        gap = node->gap[i] > gap ? node->gap[i] : gap;
    return gap;
}

/* The way to addr; in the leaf, to the first entry with end > addr. => the tree is not empty */
static inline void mmk_vma_tree_locate(const struct mmk_vma_tree *tree, mmk_vaddr_t addr,
                                       struct mmk_vma_path *path)
{
    struct mmk_vma_node *node = mmk_vma_tree_root(tree);
    unsigned level = node->level;

    path->top = level;
    for (;;) {
        path->node[level] = node;
        path->pos[level] = (unsigned)mmk_vma_node_rank(node, addr);
        if (level == 0)
            return;
        node = mmk_vma_node_child(node, path->pos[level--]);
    }
}

#endif
