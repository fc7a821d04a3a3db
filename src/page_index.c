/* SPDX-License-Identifier: MIT */
/*
 * page_index.c - owns the nodes of page indexes: a radix tree, 64 ways a node, path-compressed.
 *
 * A node says itself which indices it covers (base, shift), so neither a parent nor a height kept
 * beside the root has to agree with it: a reader that came by an older root or parent still reads
 * truths. Levels without a choice are left out; a page alone at index 2^50 costs one node.
 *
 *   root --> [base 0, shift 12]              covers 0 .. 2^18 - 1
 *              |0             |3
 *        [base 64, shift 0] [base 3 << 12, shift 6]
 *              |7             |0           |5         leaves have shift 0: their slots are pages
 *            page 71        [leaf]       [leaf]
 *
 * Invariants (mmk_page_index_check):
 *   1 base is a multiple of 64 << shift, shift a multiple of 6; a child's range lies inside its
 *     slot's, and its shift is lower.
 *   2 count = slots in use: at least 1 in a leaf, at least 2 in any other. So nothing is kept for
 *     pages that are gone, and p pages need fewer than 2 p nodes.
 *   3 base, shift and, once a node is unlinked, all its slots but those of pages never change.
 *
 * Readers against writers. Every pointer is published by a release store after what it points at
 * is complete. A node is unlinked when it is an empty leaf, or when one child is left: that child
 * takes its place. A reader inside an unlinked node finds there what is left of it: for an empty
 * leaf nothing, otherwise the child, which is alive. So a page that is in the index from the
 * beginning of a lookup to its end is found. Unlinked nodes are freed after a grace period, never
 * used again before.
 *
 * Locks: writers hold the owner's lock (an object's index lock), readers that or RCU.
 *
 * Rejected: fixed levels (one page far out costs 9 nodes, growing to it up to 16 in one step);
 * a parent pointer per node (removal remembers its way down, three pointers).
 */
#include "page_index.h"
#include "slab.h"
#include "waiting.h"

#define SLOT_BITS 6
#define SLOTS     64

struct node {
    uint64_t base;                /* c: first index that it covers */
    uint32_t shift;               /* c: a slot covers 2^shift indices; 0: the slots are pages */
    uint32_t count;               /* owner's lock: slots that are not NULL */
    struct mmk_aptr slots[SLOTS]; /* owner's lock to write, RCU to read */
    struct mmk_rcu_head rcu;
};

static struct mmk_slab_cache node_cache;

void mmk_page_index_module_init(void)
{
    mmk_slab_cache_init(&node_cache, "page_index_node", sizeof(struct node));
}

void mmk_page_index_init(struct mmk_page_index *index)
{
    mmk_aptr_store(&index->root, NULL, MMK_RELAXED);
    index->count = 0;
}

int mmk_page_index_reserve(struct mmk_page_index_reserve *reserve)
{
    void *node;

    for (reserve->count = 0; reserve->count < MMK_PAGE_INDEX_RESERVE; reserve->count++) {
        node = mmk_slab_alloc(&node_cache, MMK_ALLOC_NORMAL);
        if (!node) {
            mmk_page_index_unreserve(reserve);
            return MMK_ENOMEM;
        }
        reserve->node[reserve->count] = node;
    }
    return 0;
}

void mmk_page_index_unreserve(struct mmk_page_index_reserve *reserve)
{
    while (reserve->count)
        mmk_slab_free(&node_cache, reserve->node[--reserve->count]);
}

/* Whether i is among the indices that the node covers. */
static bool covers(const struct node *node, uint64_t i)
{
    return (i ^ node->base) >> node->shift < SLOTS;
}

/* The slot of i in a node that covers it. */
static uint32_t slot_of(const struct node *node, uint64_t i)
{
    return (uint32_t)(i >> node->shift) & (SLOTS - 1);
}

/* First and last index that slot s of a node covers. */
static uint64_t slot_first(const struct node *node, uint32_t s)
{
    return node->base | (uint64_t)s << node->shift;
}

static uint64_t slot_last(const struct node *node, uint32_t s)
{
    return slot_first(node, s) | (((uint64_t)1 << node->shift) - 1);
}

static void *slot_load(const struct node *node, uint32_t s)
{
    return mmk_aptr_load(&node->slots[s], MMK_ACQUIRE);
}

struct mmk_page *mmk_page_index_find_rcu(const struct mmk_page_index *index, uint64_t i)
{
    const struct node *node = mmk_aptr_load(&index->root, MMK_ACQUIRE);
    void *child;

    mmk_note_rcu(MMK_LOCK_INDEX);
    while (node && covers(node, i)) {
        child = slot_load(node, slot_of(node, i));
        if (node->shift == 0)
            return child;
        node = child;
    }
    return NULL;
}

/* The first slot in use from that of i on; SLOTS: none. */
static uint32_t next_slot(const struct node *node, uint64_t i, void **child)
{
    uint32_t s = i > node->base ? slot_of(node, i) : 0;

    while (s < SLOTS && !(*child = slot_load(node, s)))
        s++;
    return s;
}

/*
 * One way down, to the first page at *i or above.
 * => the page; NULL, with *i beyond what has been searched, when the part that it went into has
 *    none; *i == 0: there is no more
 */
static struct mmk_page *descend(const struct mmk_page_index *index, uint64_t *i)
{
    const struct node *node = mmk_aptr_load(&index->root, MMK_ACQUIRE);
    uint64_t searched = UINT64_MAX; /* last index of the part that it went into */
    void *child;
    uint32_t s;

    while (node && *i <= slot_last(node, SLOTS - 1)) {
        s = next_slot(node, *i, &child);
        if (s == SLOTS)
            break;
        if (*i < slot_first(node, s))
            *i = slot_first(node, s);
        if (node->shift == 0)
            return child;
        searched = slot_last(node, s);
        node = child;
    }
    *i = searched + 1;
    return NULL;
}

struct mmk_page *mmk_page_index_next_rcu(const struct mmk_page_index *index, uint64_t *i,
                                         uint64_t last)
{
    struct mmk_page *page;

    mmk_note_rcu(MMK_LOCK_INDEX);
    while (*i <= last) {
        page = descend(index, i);
        if (page)
            return *i <= last ? page : NULL;
        if (*i == 0)
            return NULL;
    }
    return NULL;
}

/* A node from the reserve, that covers i and has nothing in its slots. */
static struct node *new_node(struct mmk_page_index_reserve *reserve, uint64_t i, uint32_t shift)
{
    struct node *node;
    uint32_t s;

    mmk_assert(reserve->count > 0, "page index: two nodes are enough for an insertion");
    node = reserve->node[--reserve->count];
    node->base = i >> shift & ~(uint64_t)(SLOTS - 1);
    node->base <<= shift;
    node->shift = shift;
    node->count = 0;
    for (s = 0; s < SLOTS; s++)
        mmk_aptr_store(&node->slots[s], NULL, MMK_RELAXED);
    return node;
}

/* Puts something into an empty slot of a node that is not published yet. */
static void fill_slot(struct node *node, uint64_t i, void *child)
{
    node->count++;
    mmk_aptr_store(&node->slots[slot_of(node, i)], child, MMK_RELAXED);
}

static struct node *new_leaf(struct mmk_page_index_reserve *reserve, uint64_t i,
                             struct mmk_page *page)
{
    struct node *leaf = new_node(reserve, i, 0);

    fill_slot(leaf, i, page);
    return leaf;
}

/* The lowest node that can cover two indices that no leaf covers both, with both nodes in it. */
static struct node *new_branch(struct mmk_page_index_reserve *reserve, struct node *old,
                               struct node *leaf)
{
    struct node *branch;
    uint32_t shift = SLOT_BITS;

    while ((old->base ^ leaf->base) >> shift >= SLOTS)
        shift += SLOT_BITS;
    branch = new_node(reserve, leaf->base, shift);
    fill_slot(branch, old->base, old);
    fill_slot(branch, leaf->base, leaf);
    return branch;
}

struct mmk_page *mmk_page_index_insert_locked(struct mmk_page_index *index, uint64_t i,
                                              struct mmk_page *page,
                                              struct mmk_page_index_reserve *reserve)
{
    struct mmk_aptr *link = &index->root;
    struct node *node = mmk_aptr_load(link, MMK_RELAXED), *parent = NULL, *leaf;

    while (node && covers(node, i) && node->shift != 0) {
        parent = node;
        link = &node->slots[slot_of(node, i)];
        node = mmk_aptr_load(link, MMK_RELAXED);
    }
    if (node && covers(node, i)) {
        if (slot_load(node, slot_of(node, i)))
            return slot_load(node, slot_of(node, i));
        node->count++;
        /* Release: a finder's lock comes after the stores that have set the page's flags up. */
        mmk_aptr_store(&node->slots[slot_of(node, i)], page, MMK_RELEASE);
    } else {
        leaf = new_leaf(reserve, i, page);
        if (node)
            leaf = new_branch(reserve, node, leaf);
        else if (parent)
            parent->count++;
        mmk_aptr_store(link, leaf, MMK_RELEASE);
    }
    index->count++;
    return NULL;
}

struct mmk_page *mmk_page_index_replace_locked(struct mmk_page_index *index, uint64_t i,
                                               struct mmk_page *page)
{
    struct node *node = mmk_aptr_load(&index->root, MMK_RELAXED);
    struct mmk_page *old = NULL;

    while (node && covers(node, i) && node->shift != 0)
        node = mmk_aptr_load(&node->slots[slot_of(node, i)], MMK_RELAXED);
    if (node && covers(node, i))
        old = mmk_aptr_load(&node->slots[slot_of(node, i)], MMK_RELAXED);
    if (old)
        mmk_aptr_store(&node->slots[slot_of(node, i)], page, MMK_RELEASE);
    return old;
}

static void free_node_rcu(struct mmk_rcu_head *head)
{
    char *start = (char *)head - offsetof(struct node, rcu);

    mmk_slab_free(&node_cache, start);
    mmk_waiting_done(MMK_WAITING_OTHERS, sizeof(struct node));
}

static void free_node(struct node *node)
{
    mmk_waiting_call(MMK_WAITING_OTHERS, sizeof(*node), &node->rcu, free_node_rcu);
}

/* A node has one child left: the child takes its place in `link`. Its slots stay, for readers. */
static void collapse(struct mmk_aptr *link, struct node *node)
{
    uint32_t s = 0;

    while (!mmk_aptr_load(&node->slots[s], MMK_RELAXED))
        s++;
    mmk_aptr_store(link, mmk_aptr_load(&node->slots[s], MMK_RELAXED), MMK_RELEASE);
    free_node(node);
}

struct mmk_page *mmk_page_index_remove_locked(struct mmk_page_index *index, uint64_t i)
{
    struct mmk_aptr *link = &index->root, *parent_link = NULL;
    struct node *node = mmk_aptr_load(link, MMK_RELAXED), *parent = NULL;
    struct mmk_page *page;

    while (node && covers(node, i) && node->shift != 0) {
        parent = node;
        parent_link = link;
        link = &node->slots[slot_of(node, i)];
        node = mmk_aptr_load(link, MMK_RELAXED);
    }
    if (!node || !covers(node, i))
        return NULL;
    page = mmk_aptr_load(&node->slots[slot_of(node, i)], MMK_RELAXED);
    if (!page)
        return NULL;
    index->count--;
    /* Relaxed: nothing is published, and whoever frees the page tells readers by its count. */
    mmk_aptr_store(&node->slots[slot_of(node, i)], NULL, MMK_RELAXED);
    if (--node->count > 0)
        return page;
    mmk_aptr_store(link, NULL, MMK_RELAXED);
    free_node(node);
    if (parent && --parent->count == 1)
        collapse(parent_link, parent);
    return page;
}

/* Checks a node and its subtree, at most 11 deep; counts pages and nodes. */
static void check_node(const struct node *node, uint64_t *pages, uint64_t *nodes)
{
    const struct node *child;
    uint32_t s, used = 0;

    ++*nodes;
    mmk_assert(node->shift % SLOT_BITS == 0 && node->shift < 64, "page index 1: shift");
    mmk_assert(slot_of(node, node->base) == 0 && covers(node, node->base), "page index 1: base");
    mmk_assert((node->base & (((uint64_t)1 << node->shift) - 1)) == 0, "page index 1: base");
    for (s = 0; s < SLOTS; s++) {
        child = slot_load(node, s);
        if (!child)
            continue;
        used++;
        if (node->shift == 0)
            continue;
        mmk_assert(child->shift < node->shift, "page index 1: a child's shift");
        mmk_assert(covers(node, child->base) && slot_of(node, child->base) == s,
                   "page index 1: a child's place");
        check_node(child, pages, nodes);
    }
    mmk_assert(used == node->count, "page index 2: count");
    mmk_assert(used >= (node->shift == 0 ? 1 : 2), "page index 2: no node without need");
    if (node->shift == 0)
        *pages += used;
}

uint64_t mmk_page_index_nodes(const struct mmk_page_index *index)
{
    const struct node *root = mmk_aptr_load(&index->root, MMK_RELAXED);
    uint64_t pages = 0, nodes = 0;

    if (root)
        check_node(root, &pages, &nodes);
    mmk_assert(pages == index->count, "page index: count of pages");
    return nodes;
}

void mmk_page_index_check(const struct mmk_page_index *index)
{
    (void)mmk_page_index_nodes(index);
}
