/* SPDX-License-Identifier: MIT */
/*
 * vma_tree_change.c - owns the making and freeing of the VMA tree's nodes: reserve, insert, erase,
 * resize. The invariants, and why readers are right, are in vma_tree.c.
 *
 * A change goes from the leaves upwards. At each level the entries that go, of one node or of
 * those at the ends of a range, give way to the nodes built one level below (to the new VMA, in a
 * leaf): at most two. What remains of the nodes' entries is copied to one or two new nodes. That
 * ends where one new node takes one old one's place, or above the root.
 *
 * Fill. A node gets FEW entries at least wherever a neighbour with the same parent has some to
 * share: one that has too few, or too many, entries is built anew together with a neighbour. A
 * node alone below its parent, as erasing a large range may leave, stays short until it is changed
 * again; so the height follows the greatest number of VMAs there was, not today's.
 *
 * Nodes come from the reserve. What is left over stays with the tree (at most KEEP, in a word of
 * their own, changed by exchange: they may be given back without the mmap lock), because the worst
 * case of a change is two nodes a level, and the common case one in all.
 *
 * Locks: the mmap lock, held for writing, guards everything but the unused nodes.
 *
 * Rejected: separators that are exact (erasing the last VMA of a leaf would rebuild the parent);
 * going on VMA by VMA in a large range (the nodes needed would have no bound); new nodes in
 * neighbouring slots of the same parent without a new parent (two stores: a reader could see an
 * entry in neither).
 */
#include "vma_tree_node.h"
#include "slab.h"
#include "waiting.h"

#define FEW   4  /* fewer entries: join with a neighbour */
#define SLACK 4  /* room in two nodes that share evenly, at least */
#define KEEP  16 /* unused nodes that stay with a tree */
#define BATCH 32 /* nodes that one RCU callback frees */

struct entry {
    uint64_t key;
    void *slot;
    uint64_t gap;
};

/*
 * A change on its way up: at `level`, the entries from `from` in the left path's node to before
 * `to` in the right path's node give way to `with`.
 */
struct change {
    struct mmk_vma_tree *tree;
    struct mmk_vma_tree_reserve *reserve;
    const struct mmk_vma_path *left, *right;
    unsigned level, from, to;
    unsigned nwith;
    struct entry with[2];
    struct mmk_vma_node *dead; /* to be freed once the change is published */
    uint64_t gone;             /* VMAs erased */
};

static struct mmk_slab_cache node_cache;

void mmk_vma_tree_module_init(void)
{
    mmk_slab_cache_init(&node_cache, "vma_node", sizeof(struct mmk_vma_node));
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void push(struct mmk_vma_tree_reserve *reserve, struct mmk_vma_node *node)
{
    node->dead.next = reserve->first;
    reserve->first = node;
    reserve->count++;
}

static struct mmk_vma_node *pop(struct mmk_vma_tree_reserve *reserve)
{
    struct mmk_vma_node *node = reserve->first;

    mmk_assert(node != NULL, "a VMA tree's reserve covers its changes");
    reserve->first = node->dead.next;
    reserve->count--;
    return node;
}

/* Frees nodes until `keep` are left. */
static void trim(struct mmk_vma_tree_reserve *reserve, unsigned keep)
{
    while (reserve->count > keep)
        mmk_slab_free(&node_cache, pop(reserve));
}

/* Relaxed: the mmap lock is held, here for writing, in mmk_vma_tree_unreserve() perhaps downgraded.
 */
static void take_spare(struct mmk_vma_tree *tree, struct mmk_vma_tree_reserve *reserve)
{
    struct mmk_vma_node *first = mmk_aptr_xchg(&tree->spare, NULL, MMK_RELAXED);

    reserve->tree = tree;
    reserve->first = first;
    reserve->count = first ? first->dead.count : 0;
}

void mmk_vma_tree_unreserve(struct mmk_vma_tree_reserve *reserve)
{
    struct mmk_vma_node *first;
    void *none = NULL;

    trim(reserve, KEEP);
    first = reserve->first;
    if (!first)
        return;
    first->dead.count = reserve->count;
    if (mmk_aptr_cmpxchg(&reserve->tree->spare, &none, first, MMK_RELAXED)) {
        reserve->first = NULL;
        reserve->count = 0;
    } else {
        trim(reserve, 0);
    }
}

/*
 * A change replaces each level's node by two at most, and may put a new root on top: that is
 * 2 * levels + 1 nodes. The next ones then pass a level more, but a root with two entries is
 * replaced by one node for as many changes as may be asked for here.
 */
int mmk_vma_tree_reserve(struct mmk_vma_tree *tree, unsigned changes,
                         struct mmk_vma_tree_reserve *reserve)
{
    const struct mmk_vma_node *root = mmk_vma_tree_root(tree);
    unsigned had, need = changes * (root ? 2 * (root->level + 1) + 1 : 1);
    struct mmk_vma_node *node;

    mmk_assert(changes <= MMK_VMA_TREE_CHANGES, "a VMA tree's reserve is for a few changes");
    take_spare(tree, reserve);
    had = reserve->count;
    while (reserve->count < need) {
        node = mmk_slab_alloc(&node_cache, 0);
        if (!node) {
            trim(reserve, had);
            mmk_vma_tree_unreserve(reserve);
            return MMK_ENOMEM;
        }
        push(reserve, node);
    }
    return 0;
}

/* RCU callback: frees the list of nodes that starts with this one. */
static void free_batch(struct mmk_rcu_head *head)
{
    struct mmk_vma_node *next, *node;
    uint64_t bytes = 0;

    node = (struct mmk_vma_node *)((unsigned char *)head - offsetof(struct mmk_vma_node, dead.rcu));
    for (; node; node = next) {
        next = node->dead.next;
        mmk_slab_free(&node_cache, node);
        bytes += sizeof(*node);
    }
    mmk_waiting_done(MMK_WAITING_OTHERS, bytes);
}

/* Hands what a published change has replaced to RCU, in batches. */
static void free_dead(struct mmk_vma_node *first)
{
    struct mmk_vma_node *last, *rest;
    unsigned n;

    for (; first; first = rest) {
        last = first;
        for (n = 1; n < BATCH && last->dead.next; n++)
            last = last->dead.next;
        rest = last->dead.next;
        last->dead.next = NULL;
        mmk_waiting_call(MMK_WAITING_OTHERS, n * sizeof(*first), &first->dead.rcu, free_batch);
    }
}

/* The node will be out of the tree; its keys and slots stay as they are. */
static void bury(struct change *change, struct mmk_vma_node *node)
{
    node->dead.next = change->dead;
    change->dead = node;
}

/* The same for all nodes from here down; counts their VMAs. Recurses once a level. */
static void bury_subtree(struct change *change, struct mmk_vma_node *node)
{
    unsigned i;

    if (node->level == 0)
        change->gone += node->count;
    else
        for (i = 0; i < node->count; i++)
            bury_subtree(change, mmk_vma_node_child(node, i));
    bury(change, node);
}

/* ---- gaps and separators -------------------------------------------------------------------- */

/*
 * The path's entry at `level` has a new gap: notes it there, and above as far as it matters. Most
 * often it was not its node's largest, nor is now: then no other gap is looked at.
 */
static void set_gap(const struct mmk_vma_path *path, unsigned level, uint64_t gap)
{
    struct mmk_vma_node *node;
    uint64_t old, largest;

    for (;; level++) {
        node = path->node[level];
        old = node->gap[path->pos[level]];
        node->gap[path->pos[level]] = gap;
        if (level == path->top)
            return;
        largest = path->node[level + 1]->gap[path->pos[level + 1]];
        if (gap < largest) {
            if (old < largest)
                return;
            gap = mmk_vma_node_largest_gap(node);
        }
    }
}

/* The end of the VMA before entry i of a leaf, which may be in another leaf; 0: there is none. */
static mmk_vaddr_t end_before(const struct mmk_vma_node *leaf, unsigned i)
{
    return i > 0 ? mmk_vma_node_key(leaf, i - 1)
                 : mmk_vma_start(mmk_vma_node_vma(leaf, 0)) - leaf->gap[0];
}

/* The free space that `vma` has before it when the VMA below ends at `end`. */
static uint64_t gap_between(mmk_vaddr_t end, const struct mmk_vma *vma)
{
    mmk_assert(mmk_vma_start(vma) >= end, "VT1 VMAs do not overlap");
    return mmk_vma_start(vma) - end;
}

/* No leaf comes after the path's: there is no VMA above those in it. */
MMK_ALWAYS_INLINE bool is_last_leaf(const struct mmk_vma_path *path)
{
    unsigned level;

    for (level = 1; level <= path->top; level++)
        if (path->pos[level] + 1 < path->node[level]->count)
            return false;
    return true;
}

/*
 * Sets the gap of the lowest VMA above `end`, where the VMA below it ends. The search would want
 * RCU, for which the mmap lock stands here.
 */
static void set_gap_above(const struct mmk_vma_tree *tree, mmk_vaddr_t end) MMK_NO_TSA
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(tree, end);
    struct mmk_vma_path path;

    if (!vma)
        return;
    mmk_vma_tree_locate(tree, mmk_vma_start(vma), &path);
    set_gap(&path, 0, gap_between(end, vma));
}

/*
 * The last VMA of the path's leaf will end at `end`, the first one start at `start`: moves the
 * separator to the leaf's right up, to its left down, over free space (VT2).
 */
static void raise_separator(const struct mmk_vma_path *path, mmk_vaddr_t end)
{
    unsigned level, i;

    for (level = 1; level <= path->top; level++) {
        i = path->pos[level];
        if (i + 1 < path->node[level]->count) {
            if (mmk_vma_node_key(path->node[level], i) < end)
                mmk_a64_store(&path->node[level]->key[i], end, MMK_RELAXED);
            return;
        }
    }
}

static void lower_separator(const struct mmk_vma_path *path, mmk_vaddr_t start)
{
    unsigned level, i;

    for (level = 1; level <= path->top; level++) {
        i = path->pos[level];
        if (i > 0) {
            if (mmk_vma_node_key(path->node[level], i - 1) > start)
                mmk_a64_store(&path->node[level]->key[i - 1], start, MMK_RELAXED);
            return;
        }
    }
}

/* ---- building nodes -------------------------------------------------------------------------- */

static struct mmk_vma_node *new_node(struct mmk_vma_tree_reserve *reserve, unsigned level)
{
    struct mmk_vma_node *node = pop(reserve);

    node->level = level;
    node->count = 0;
    return node;
}

static void add_entry(struct mmk_vma_node *node, const struct entry *entry)
{
    unsigned i = node->count++;

    if (i < MMK_VMA_NODE_KEYS)
        mmk_a64_store(&node->key[i], entry->key, MMK_RELAXED);
    mmk_aptr_store(&node->slot[i], entry->slot, MMK_RELAXED);
    node->gap[i] = entry->gap;
}

/* Adds entries i to i + n - 1 of another node to one with room for them. */
static void copy_entries(struct mmk_vma_node *to, const struct mmk_vma_node *from, size_t i,
                         size_t n)
{
    size_t at = to->count, last = n, k;

    to->count = (uint32_t)(at + n);
    if (at + n > MMK_VMA_NODE_KEYS || i + n > MMK_VMA_NODE_KEYS)
        last--; /* has no key, or there is no room for it */
    for (k = 0; k < last; k++) {
        mmk_a64_store(&to->key[at + k], mmk_a64_load(&from->key[i + k], MMK_RELAXED), MMK_RELAXED);
        mmk_aptr_store(&to->slot[at + k], mmk_vma_node_child(from, i + k), MMK_RELAXED);
        to->gap[at + k] = from->gap[i + k];
    }
    if (last < n) {
        mmk_aptr_store(&to->slot[at + last], mmk_vma_node_child(from, i + last), MMK_RELAXED);
        to->gap[at + last] = from->gap[i + last];
    }
}

/* VT5: an inner node's last separator is left to the node above. */
static void finish_node(struct mmk_vma_node *node)
{
    unsigned i = node->level > 0 ? node->count - 1 : node->count;

    if (node->level == 0)
        mmk_aptr_store(&node->slot[i], NULL, MMK_RELAXED);
    for (; i < MMK_VMA_NODE_KEYS; i++)
        mmk_a64_store(&node->key[i], MMK_VMA_NEVER, MMK_RELAXED);
}

/* Entries are added in order to one new node, or two. */
struct builder {
    struct mmk_vma_node *node[2];
    unsigned nodes, at;
    unsigned quota;     /* entries for node[at] */
    uint64_t key;       /* of the last entry */
    uint64_t separator; /* of the two nodes */
};

/* `nodes` new nodes; of two, the first one gets `quota` entries. */
static void build(struct builder *b, struct mmk_vma_tree_reserve *reserve, unsigned level,
                  unsigned nodes, unsigned quota)
{
    unsigned i;

    b->nodes = nodes;
    b->at = 0;
    b->quota = quota;
    b->key = MMK_VMA_NEVER;
    b->separator = MMK_VMA_NEVER;
    for (i = 0; i < nodes; i++)
        b->node[i] = new_node(reserve, level);
}

/* The node that takes the next entry. */
static struct mmk_vma_node *room(struct builder *b)
{
    if (b->node[b->at]->count == b->quota) {
        mmk_assert(b->at + 1 < b->nodes, "VT4 entries fit the new nodes");
        b->separator = b->key;
        b->at++;
        b->quota = MMK_VMA_NODE_INNER;
    }
    return b->node[b->at];
}

static void add(struct builder *b, const struct entry *entry)
{
    add_entry(room(b), entry);
    b->key = entry->key;
}

/* Adds the entries of a node from i to before `end`. */
static void add_run(struct builder *b, const struct mmk_vma_node *from, unsigned i, unsigned end)
{
    struct mmk_vma_node *node;
    unsigned n;

    while (i < end) {
        node = room(b);
        n = b->quota - node->count;
        if (n > end - i)
            n = end - i;
        copy_entries(node, from, i, n);
        i += n;
        b->key = mmk_vma_node_key(from, i - 1);
    }
}

/* In inner nodes: the last child's separator, which its old node did not know. */
static void set_last_key(struct builder *b, uint64_t key)
{
    struct mmk_vma_node *node = b->node[b->at];

    if (node->level == 0 || node->count == 0)
        return;
    if (node->count <= MMK_VMA_NODE_KEYS)
        mmk_a64_store(&node->key[node->count - 1], key, MMK_RELAXED);
    b->key = key;
}

static void finish(struct builder *b)
{
    unsigned i;

    for (i = 0; i < b->nodes; i++)
        finish_node(b->node[i]);
}

/* ---- changes --------------------------------------------------------------------------------- */

/*
 * When `total` entries are too many for a node, or too few: a node beside those of the change,
 * with the same parent, that can take some, or has some to share. NULL: none, or no need.
 */
static struct mmk_vma_node *neighbor(const struct change *change, unsigned total, bool *before)
{
    unsigned level = change->level, max = mmk_vma_node_capacity(level), up = level + 1, i, limit;
    struct mmk_vma_node *parent, *node;

    if (total == 0 || level == change->left->top || (total >= FEW && total <= max))
        return NULL;
    if (total > 2 * max - SLACK)
        return NULL;
    limit = total > max ? 2 * max - SLACK - total : max;
    *before = false;
    parent = change->right->node[up];
    i = change->right->pos[up] + 1;
    if (i < parent->count && (node = mmk_vma_node_child(parent, i))->count <= limit)
        return node;
    *before = true;
    parent = change->left->node[up];
    i = change->left->pos[up];
    if (i > 0 && (node = mmk_vma_node_child(parent, i - 1))->count <= limit)
        return node;
    return NULL;
}

/*
 * How many nodes `total` entries get, and how many of those the first one. Two share evenly, but
 * where an entry was added at the very end, more are likely to follow.
 */
static void build_shared(struct builder *b, const struct change *change, unsigned total,
                         const struct mmk_vma_node *beside)
{
    unsigned max = mmk_vma_node_capacity(change->level), nodes, quota;

    if (beside) {
        total += beside->count;
        nodes = total <= max - SLACK ? 1 : 2;
    } else {
        nodes = total == 0 ? 0 : total <= max ? 1 : 2;
    }
    quota = nodes == 2 ? total / 2 : total;
    if (nodes == 2 && !beside && change->to == change->right->node[change->level]->count)
        quota = total - FEW;
    build(b, change->reserve, change->level, nodes, quota);
}

/* What is out of the tree, at this level, once the change is in; the neighbor excepted. */
static void bury_replaced(struct change *change)
{
    unsigned level = change->level, i, end;
    struct mmk_vma_node *left = change->left->node[level], *right = change->right->node[level];

    if (level > 0) {
        end = left == right ? change->right->pos[level] : left->count;
        for (i = change->left->pos[level] + 1; i < end; i++)
            bury_subtree(change, mmk_vma_node_child(left, i));
        for (i = 0; left != right && i < change->right->pos[level]; i++)
            bury_subtree(change, mmk_vma_node_child(right, i));
    }
    bury(change, left);
    if (left != right)
        bury(change, right);
}

/* The change goes up a level: there, the new nodes give way to the old ones' entries. */
static void ascend(struct change *change, const struct builder *b,
                   const struct mmk_vma_node *beside, bool before)
{
    unsigned level = ++change->level, i;

    for (i = 0; i < b->nodes; i++) {
        change->with[i].slot = b->node[i];
        change->with[i].gap = mmk_vma_node_largest_gap(b->node[i]);
        change->with[i].key = b->separator;
    }
    change->nwith = b->nodes;
    if (level > change->left->top)
        return;
    change->from = change->left->pos[level] - (beside && before);
    change->to = change->right->pos[level] + 1 + (beside && !before);
    if (b->nodes > 0)
        change->with[b->nodes - 1].key =
            mmk_vma_node_key(change->right->node[level], change->to - 1);
}

/* Builds what replaces the nodes of the change at its level. */
static void rebuild(struct change *change)
{
    unsigned level = change->level, i;
    struct mmk_vma_node *left = change->left->node[level], *right = change->right->node[level];
    unsigned total = change->from + change->nwith + right->count - change->to;
    bool before = false;
    struct mmk_vma_node *beside = neighbor(change, total, &before);
    struct builder b;

    build_shared(&b, change, total, beside);
    if (beside && before) {
        i = change->left->pos[level + 1] - 1;
        add_run(&b, beside, 0, beside->count);
        set_last_key(&b, mmk_vma_node_key(change->left->node[level + 1], i));
    }
    add_run(&b, left, 0, change->from);
    for (i = 0; i < change->nwith; i++)
        add(&b, &change->with[i]);
    add_run(&b, right, change->to, right->count);
    if (beside && !before) {
        i = change->right->pos[level + 1];
        set_last_key(&b, mmk_vma_node_key(change->right->node[level + 1], i));
        add_run(&b, beside, 0, beside->count);
    }
    finish(&b);
    if (beside)
        bury(change, beside);
    bury_replaced(change);
    ascend(change, &b, beside, before);
}

/* A new root above the two nodes that the old one gave way to. */
static struct mmk_vma_node *new_root(struct change *change)
{
    struct builder b;

    mmk_assert(change->level < MMK_VMA_LEVELS, "VT4 a VMA tree is not that high");
    build(&b, change->reserve, change->level, 1, 2);
    add(&b, &change->with[0]);
    add(&b, &change->with[1]);
    finish(&b);
    return b.node[0];
}

/* The root that the change leaves: never one with a single child. */
static struct mmk_vma_node *changed_root(struct change *change)
{
    struct mmk_vma_node *node, *only;

    if (change->nwith == 2)
        return new_root(change);
    if (change->nwith == 0)
        return NULL;
    node = change->with[0].slot;
    if (node->level > 0 && node->count == 1) {
        only = mmk_vma_node_child(node, 0);
        push(change->reserve, node); /* nobody has seen it */
        for (node = only; node->level > 0 && node->count == 1; node = only) {
            only = mmk_vma_node_child(node, 0);
            bury(change, node);
        }
    }
    return node;
}

/* Whether, at its level, the change is one new node in one old one's place. */
static bool is_exchange(const struct change *change)
{
    return change->nwith == 1 && change->to - change->from == 1 &&
           change->left->node[change->level] == change->right->node[change->level];
}

/* Publishes a change: `node` in the place of the path's child there, or of the root. */
static void publish(const struct change *change, struct mmk_vma_node *node)
{
    const struct mmk_vma_path *path = change->left;
    unsigned level = change->level;

    if (level > path->top) {
        mmk_aptr_store(&change->tree->root, node, MMK_RELEASE);
    } else {
        mmk_aptr_store(&path->node[level]->slot[path->pos[level]], node, MMK_RELEASE);
        set_gap(path, level, mmk_vma_node_largest_gap(node));
    }
}

/*
 * What most changes come to: one new leaf for an old one. perform() would do the same, in twice
 * as many steps.
 * => false: it takes more than that
 */
static bool replace_leaf(struct change *change)
{
    struct mmk_vma_node *leaf = change->left->node[0], *node;
    unsigned total = change->from + change->nwith + leaf->count - change->to;

    if (leaf != change->right->node[0] || total > MMK_VMA_NODE_LEAF || total == 0 ||
        (total < FEW && change->left->top > 0))
        return false;
    node = new_node(change->reserve, 0);
    copy_entries(node, leaf, 0, change->from);
    if (change->nwith > 0)
        add_entry(node, &change->with[0]);
    copy_entries(node, leaf, change->to, leaf->count - change->to);
    finish_node(node);
    change->level++;
    publish(change, node);
    bury(change, leaf);
    return true;
}

/* Carries a change that begins at the leaves through. */
static void perform(struct change *change)
{
    if (!replace_leaf(change)) {
        do {
            rebuild(change);
        } while (change->level <= change->left->top && !is_exchange(change));
        publish(change,
                change->level > change->left->top ? changed_root(change) : change->with[0].slot);
    }
    free_dead(change->dead);
}

/* Entries [from, to) of the leaves at the ends of two paths, which may be one. */
static void change_init(struct change *change, struct mmk_vma_tree *tree,
                        struct mmk_vma_tree_reserve *reserve, const struct mmk_vma_path *left,
                        unsigned from, const struct mmk_vma_path *right, unsigned to)
{
    change->tree = tree;
    change->reserve = reserve;
    change->left = left;
    change->right = right;
    change->level = 0;
    change->from = from;
    change->to = to;
    change->nwith = 0;
    change->dead = NULL;
    change->gone = 0;
}

void mmk_vma_tree_init(struct mmk_vma_tree *tree)
{
    mmk_aptr_store(&tree->root, NULL, MMK_RELAXED);
    mmk_aptr_store(&tree->spare, NULL, MMK_RELAXED);
    tree->count = 0;
}

static void free_subtree(struct mmk_vma_node *node)
{
    unsigned i;

    for (i = 0; node->level > 0 && i < node->count; i++)
        free_subtree(mmk_vma_node_child(node, i));
    mmk_slab_free(&node_cache, node);
}

void mmk_vma_tree_destroy(struct mmk_vma_tree *tree)
{
    struct mmk_vma_node *root = mmk_vma_tree_root(tree);
    struct mmk_vma_tree_reserve reserve;

    take_spare(tree, &reserve);
    trim(&reserve, 0);
    if (root)
        free_subtree(root);
    mmk_vma_tree_init(tree);
}

/* The first VMA gets a leaf that is the root. */
static void insert_first(struct mmk_vma_tree *tree, const struct entry *entry,
                         struct mmk_vma_tree_reserve *reserve)
{
    struct builder b;

    build(&b, reserve, 0, 1, 1);
    add(&b, entry);
    finish(&b);
    mmk_aptr_store(&tree->root, b.node[0], MMK_RELEASE);
}

void mmk_vma_tree_insert(struct mmk_vma_tree *tree, struct mmk_vma *vma,
                         struct mmk_vma_tree_reserve *reserve)
{
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    struct entry entry = {end, vma, start};
    struct mmk_vma_path path;
    struct mmk_vma_node *leaf;
    struct change change;
    bool last, above;
    unsigned i;

    mmk_assert(start < end && end < MMK_VMA_NEVER, "VT1 a VMA is not empty");
    tree->count++;
    if (!mmk_vma_tree_root(tree)) {
        insert_first(tree, &entry, reserve);
        return;
    }
    mmk_vma_tree_locate(tree, start, &path);
    leaf = path.node[0];
    i = path.pos[0];
    last = i == leaf->count;
    above = last && !is_last_leaf(&path);
    entry.gap = gap_between(end_before(leaf, i), vma);
    if (last)
        raise_separator(&path, end);
    else
        leaf->gap[i] = gap_between(end, mmk_vma_node_vma(leaf, i));
    change_init(&change, tree, reserve, &path, i, &path, i);
    change.with[change.nwith++] = entry;
    perform(&change);
    if (above)
        set_gap_above(tree, end);
}

/*
 * The ways to the first entry to erase and, in *to, past the last one. They may be in leaves that
 * hold none of them, when the separators lie so.
 * => the way to the right end, `left` when it is in the same leaf; NULL: there is nothing to erase
 */
static const struct mmk_vma_path *locate_range(const struct mmk_vma_tree *tree, mmk_vaddr_t start,
                                               mmk_vaddr_t end, struct mmk_vma_path *left,
                                               struct mmk_vma_path *right, unsigned *to)
{
    struct mmk_vma_node *leaf;

    end -= end == MMK_VMA_NEVER; /* no VMA ends there */
    if (!mmk_vma_tree_root(tree) || start >= end)
        return NULL;
    mmk_vma_tree_locate(tree, start, left);
    leaf = left->node[0];
    *to = (unsigned)mmk_vma_node_rank(leaf, end);
    if (*to == leaf->count) {
        mmk_vma_tree_locate(tree, end - 1, right);
        if (right->node[0] != leaf) {
            *to = (unsigned)mmk_vma_node_rank(right->node[0], end);
            return right;
        }
    }
    return left->pos[0] < *to ? left : NULL;
}

void mmk_vma_tree_erase_range(struct mmk_vma_tree *tree, mmk_vaddr_t start, mmk_vaddr_t end,
                              struct mmk_vma_tree_reserve *reserve)
{
    struct mmk_vma_path left, second;
    const struct mmk_vma_path *right;
    struct mmk_vma_node *first, *last;
    struct change change;
    mmk_vaddr_t below;
    bool ends_leaf, above;
    unsigned to;

    right = locate_range(tree, start, end, &left, &second, &to);
    if (!right)
        return;
    first = left.node[0];
    last = right->node[0];
    change_init(&change, tree, reserve, &left, left.pos[0], right, to);
    below = end_before(first, change.from);
    mmk_assert(change.from == first->count ||
                   mmk_vma_start(mmk_vma_node_vma(first, change.from)) >= start,
               "no VMA straddles the start of a range to erase");
    ends_leaf = to == last->count;
    above = ends_leaf && !is_last_leaf(right);
    if (!ends_leaf) {
        mmk_assert(mmk_vma_start(mmk_vma_node_vma(last, to)) >= end,
                   "no VMA straddles the end of a range to erase");
        last->gap[to] = gap_between(below, mmk_vma_node_vma(last, to));
    }
    change.gone = first == last ? to - change.from : first->count - change.from + to;
    perform(&change);
    tree->count -= change.gone;
    if (above)
        set_gap_above(tree, below);
}

void mmk_vma_tree_resize(struct mmk_vma_tree *tree, struct mmk_vma *vma, mmk_vaddr_t start,
                         mmk_vaddr_t end, struct mmk_vma_tree_reserve *reserve)
{
    mmk_vaddr_t below, old_end = mmk_vma_end(vma);
    struct mmk_vma_path path;
    struct mmk_vma_node *leaf;
    unsigned i;

    (void)reserve;
    mmk_assert(start < old_end && end > mmk_vma_start(vma) && start < end && end < MMK_VMA_NEVER,
               "a VMA's new range overlaps the old one");
    mmk_vma_tree_locate(tree, mmk_vma_start(vma), &path);
    leaf = path.node[0];
    i = path.pos[0];
    mmk_assert(mmk_vma_node_vma(leaf, i) == vma, "a VMA to resize is in the tree");
    below = end_before(leaf, i);
    if (i == 0)
        lower_separator(&path, start);
    if (i + 1 == leaf->count)
        raise_separator(&path, end);
    mmk_a64_store(&vma->start, start, MMK_RELEASE); /* after VS1's, as the next */
    mmk_a64_store(&vma->end, end, MMK_RELEASE);
    mmk_a64_store(&leaf->key[i], end, MMK_RELAXED);
    set_gap(&path, 0, gap_between(below, vma));
    if (end == old_end)
        return;
    if (++path.pos[0] < leaf->count)
        set_gap(&path, 0, gap_between(end, mmk_vma_node_vma(leaf, path.pos[0])));
    else if (!is_last_leaf(&path))
        set_gap_above(tree, end);
}
