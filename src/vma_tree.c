/* SPDX-License-Identifier: MIT */
/*
 * vma_tree.c - owns the search of the VMA tree, a B+-tree by address with the largest gap below
 * each entry, and its invariants. What changes it is in vma_tree_change.c.
 *
 * A leaf's entry i is the VMA slot[i], its end key[i], and the free space before it, gap[i]. An
 * inner node's entry i is the child slot[i], the separator to its right key[i], and the largest
 * gap in that child. The last child has no separator here: the one that bounds it is further up,
 * so that each boundary between two leaves is kept in exactly one place.
 *
 * Invariants (mmk_vma_tree_check):
 *   VT1 VMAs are in order and do not overlap; a leaf's key is its VMA's end.
 *   VT2 For a separator s: each end to its left <= s <= each start to its right. So the entry for
 *       an address is the first one with key > address, in a leaf as in an inner node.
 *   VT3 gap[i] is what it says. The free space after the last VMA is in no gap.
 *   VT4 All leaves are at level 0; no node is empty, and an inner root has two children or more.
 *   VT5 Keys without meaning are above every address; a leaf's slot after its last one is NULL.
 *   VT6 tree->count is the number of VMAs.
 *
 * Locks: mmap lock, held for writing, to change anything; held for reading, to read gap and count.
 * Lockless readers read the root, key, slot and level only.
 *
 * Changes. Insert and erase build new nodes in place of those whose entries come or go; one
 * release store, to a slot of the lowest unchanged node or to the root, puts all of them in the
 * tree. The old ones keep their keys and slots, and are freed after a grace period. Changed in
 * place are: a leaf's key, when its VMA's end moves (resize); a separator, when a VMA grows across
 * it (VT2), over space that is free before; gaps, which no lockless reader reads.
 *
 * Why a lockless reader is right. Let VMA u hold the address at every moment of the search.
 *   - A node the reader gets to was in the tree at some moment since the search began: it was a
 *     child of its parent when the slot was read or, if the parent had been replaced by then, when
 *     that happened. So nothing is found that had left before the search began.
 *   - At every moment, in a node with u below it, the keys before u's entry are <= the address,
 *     those from it on are above: VT1 and VT2, and none lies inside u, however the others move. So
 *     whichever of its values each key is read with, the search takes u's entry.
 *   - u comes to another node only with a new parent above both nodes (vma_tree_change.c), so the
 *     child in u's entry, read now or when its parent was replaced, has u below it.
 *
 * When nothing holds the address the leaf may have no entry above it. Then the search goes on from
 * the separator s that bounds the leaf: by VT2, no VMA that keeps its range ends above the address
 * and not above s.
 *
 * Rejected: readers that retry on a sequence count (a writer could hold them up for as long as it
 * likes); starts as keys (an address needs the first end above it; a start does not tell); an
 * augmented binary tree (three times the cache lines a search); gaps that readers may use (they
 * would be copied and published for nobody).
 */
#include "vma_tree_node.h"

/* ---- search ---------------------------------------------------------------------------------- */

/*
 * mmk_vma_tree_find_rcu() where addr's leaf has nothing above addr: goes on from the separator to
 * the leaf's right, until there is none. A separator read anew may have sunk to addr or below;
 * then the same address leads elsewhere now.
 */
static MMK_NOINLINE struct mmk_vma *find_above(const struct mmk_vma_tree *tree, mmk_vaddr_t addr)
{
    const struct mmk_vma_node *node;
    struct mmk_vma *vma;
    uint64_t bound, key;
    size_t i;

    while ((node = mmk_aptr_load(&tree->root, MMK_ACQUIRE)) != NULL) {
        bound = MMK_VMA_NEVER;
        while (node->level > 0) {
            i = mmk_vma_node_rank(node, addr);
            key = i < MMK_VMA_NODE_KEYS ? mmk_a64_load(&node->key[i], MMK_RELAXED) : MMK_VMA_NEVER;
            if (key != MMK_VMA_NEVER)
                bound = key;
            node = mmk_vma_node_child_rcu(node, i);
        }
        vma = mmk_vma_node_vma(node, mmk_vma_node_rank(node, addr));
        if (vma || bound == MMK_VMA_NEVER)
            return vma;
        if (bound > addr)
            addr = bound;
    }
    return NULL;
}

struct mmk_vma *mmk_vma_tree_find_rcu(const struct mmk_vma_tree *tree, mmk_vaddr_t addr)
{
    const struct mmk_vma_node *node = mmk_aptr_load(&tree->root, MMK_ACQUIRE);
    struct mmk_vma *vma;

    if (mmk_unlikely(!node || addr == MMK_VMA_NEVER))
        return NULL;
    while (node->level > 0)
        node = mmk_vma_node_child_rcu(node, mmk_vma_node_rank(node, addr));
    vma = mmk_vma_node_vma(node, mmk_vma_node_rank(node, addr));
    if (mmk_likely(vma != NULL))
        return vma;
    return find_above(tree, addr);
}

/*
 * The last byte below addr is in the VMA sought, or after it: so that VMA is at that byte's place
 * in the leaf, or before it, or in the leaf before. `bound` is the separator to the leaf's left;
 * read anew it may have risen above the byte, then the same byte leads elsewhere now.
 */
struct mmk_vma *mmk_vma_tree_prev_rcu(const struct mmk_vma_tree *tree, mmk_vaddr_t addr)
{
    mmk_vaddr_t last = addr - 1, bound;
    const struct mmk_vma_node *node;
    struct mmk_vma *vma;
    size_t i;

    if (addr == 0)
        return NULL;
    while ((node = mmk_aptr_load(&tree->root, MMK_ACQUIRE)) != NULL) {
        bound = 0;
        while (node->level > 0) {
            i = mmk_vma_node_rank(node, last);
            if (i > 0)
                bound = mmk_a64_load(&node->key[i - 1], MMK_RELAXED);
            node = mmk_vma_node_child_rcu(node, i);
        }
        i = mmk_vma_node_rank(node, last);
        vma = mmk_vma_node_vma(node, i);
        if (vma && mmk_vma_start(vma) < addr)
            return vma;
        if (i > 0 || bound == 0)
            return i > 0 ? mmk_vma_node_vma(node, i - 1) : NULL;
        if (bound <= last)
            last = bound - 1;
    }
    return NULL;
}

/* ---- gap search ------------------------------------------------------------------------------ */

/* The last entry before `end` with a gap of `length`; `end`: none. */
static unsigned last_fit(const struct mmk_vma_node *node, unsigned end, uint64_t length)
{
    unsigned i = end;

    while (i-- > 0)
        if (node->gap[i] >= length)
            return i;
    return end;
}

/* The highest VMA up to the path's with free space of `length` before it, or NULL. */
static struct mmk_vma *find_gap(const struct mmk_vma_path *path, uint64_t length)
{
    const struct mmk_vma_node *node = path->node[0];
    unsigned level = 0, end = path->pos[0] + 1, i;

    while ((i = last_fit(node, end, length)) == end) {
        if (level == path->top)
            return NULL;
        node = path->node[++level];
        end = path->pos[level];
    }
    while (node->level > 0) {
        node = mmk_vma_node_child(node, i);
        i = last_fit(node, node->count, length);
        mmk_assert(i < node->count, "VT3 an inner node's gap is the largest of its child");
    }
    return mmk_vma_node_vma(node, i);
}

/* The mmap lock stands for RCU. */
bool mmk_vma_tree_gap(const struct mmk_vma_tree *tree, mmk_vaddr_t low, mmk_vaddr_t high,
                      uint64_t length, mmk_vaddr_t *start) MMK_NO_TSA
{
    const struct mmk_vma *vma = mmk_vma_tree_prev_rcu(tree, high);
    mmk_vaddr_t floor = vma && mmk_vma_end(vma) > low ? mmk_vma_end(vma) : low;
    struct mmk_vma_path path;

    if (floor <= high && high - floor >= length) {
        *start = high - length;
        return true;
    }
    if (!vma)
        return false;
    mmk_vma_tree_locate(tree, mmk_vma_start(vma), &path);
    vma = find_gap(&path, length);
    if (!vma || mmk_vma_start(vma) - length < low)
        return false;
    *start = mmk_vma_start(vma) - length;
    return true;
}

/* ---- check ----------------------------------------------------------------------------------- */

/* What a walk in order has seen. */
struct walk {
    mmk_vaddr_t end; /* of the last VMA */
    uint64_t count;  /* of VMAs */
};

static void check_keys(const struct mmk_vma_node *node, unsigned level)
{
    unsigned i, meaning = level > 0 ? node->count - 1 : node->count;

    mmk_assert(node->level == level, "VT4 all leaves are at level 0");
    mmk_assert(node->count > 0 && node->count <= mmk_vma_node_capacity(level),
               "VT4 a node's entries");
    for (i = 0; i < MMK_VMA_NODE_KEYS; i++)
        mmk_assert((mmk_vma_node_key(node, i) == MMK_VMA_NEVER) == (i >= meaning),
                   "VT5 keys without meaning");
    mmk_assert(level > 0 || !mmk_vma_node_vma(node, node->count),
               "VT5 the slot after a leaf's last");
}

static void check_leaf(const struct mmk_vma_node *leaf, mmk_vaddr_t low, mmk_vaddr_t high,
                       struct walk *walk)
{
    const struct mmk_vma *vma;
    mmk_vaddr_t start, end;
    unsigned i;

    for (i = 0; i < leaf->count; i++) {
        vma = mmk_vma_node_vma(leaf, i);
        start = mmk_vma_start(vma);
        end = mmk_vma_end(vma);
        mmk_assert(start < end, "VT1 a VMA is not empty");
        mmk_assert(start >= walk->end, "VT1 VMAs are in order");
        mmk_assert(end == mmk_vma_node_key(leaf, i), "VT1 a leaf's key is its VMA's end");
        mmk_assert(start >= low && end <= high, "VT2 separators lie around the VMAs");
        mmk_assert(leaf->gap[i] == start - walk->end, "VT3 a leaf's gap");
        walk->end = end;
        walk->count++;
    }
}

/* All VMAs from here down are in [low, high). Recurses once a level. */
static void check_node(const struct mmk_vma_node *node, unsigned level, mmk_vaddr_t low,
                       mmk_vaddr_t high, struct walk *walk)
{
    mmk_vaddr_t bound;
    unsigned i;

    check_keys(node, level);
    if (level == 0) {
        check_leaf(node, low, high, walk);
        return;
    }
    for (i = 0; i < node->count; i++, low = bound) {
        bound = i + 1 < node->count ? mmk_vma_node_key(node, i) : high;
        mmk_assert(low < bound, "VT2 separators are in order");
        check_node(mmk_vma_node_child(node, i), level - 1, low, bound, walk);
        mmk_assert(node->gap[i] == mmk_vma_node_largest_gap(mmk_vma_node_child(node, i)),
                   "VT3 an inner node's gap is the largest of its child");
    }
}

void mmk_vma_tree_check(const struct mmk_vma_tree *tree)
{
    const struct mmk_vma_node *root = mmk_vma_tree_root(tree);
    struct walk walk = {0, 0};

    if (root) {
        mmk_assert(root->level == 0 || root->count > 1, "VT4 an inner root has two children");
        check_node(root, root->level, 0, MMK_VMA_NEVER, &walk);
    }
    mmk_assert(walk.count == tree->count, "VT6 the tree's count of VMAs");
}
