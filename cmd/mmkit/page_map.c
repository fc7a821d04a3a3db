/* SPDX-License-Identifier: MIT */
/* page_map.c - see page_map.h. */
#include "page_map.h"

#include "host_alloc.h"

#include <stdlib.h>

void page_map_pool_init(struct page_map_pool *pool, unsigned levels, unsigned bits)
{
    pool->levels = levels;
    pool->bits = bits;
    pool->free = NULL;
}

void page_map_pool_destroy(struct page_map_pool *pool)
{
    struct page_map_node *node = pool->free;

    while (node != NULL) {
        struct page_map_node *next = node->slots[0].node;

        free(node);
        node = next;
    }
    pool->free = NULL;
}

static struct page_map_node *node_create(struct page_map *map)
{
    struct page_map_pool *pool = map->pool;
    struct page_map_node *node = pool->free;

    map->nodes++;
    map->created++;
    if (node == NULL)
        return host_alloc(1, sizeof(*node) + (sizeof(node->slots[0]) << pool->bits));
    pool->free = node->slots[0].node;
    node->slots[0].value = 0;
    return node;
}

static void node_free(struct page_map *map, struct page_map_node *node)
{
    map->nodes--;
    node->slots[0].node = map->pool->free;
    map->pool->free = node;
}

void page_map_init(struct page_map *map, struct page_map_pool *pool)
{
    map->pool = pool;
    map->nodes = 0;
    map->created = 0;
    map->cached_pages = 0;
    map->root = node_create(map);
}

static uint64_t visit_remove(void *context, uint64_t page, uint64_t value)
{
    (void)context;
    (void)page;
    (void)value;
    return 0;
}

void page_map_destroy(struct page_map *map)
{
    page_map_range(map, 0, (uint64_t)1 << (map->pool->levels * map->pool->bits), visit_remove,
                   NULL);
    node_free(map, map->root);
    map->root = NULL;
}

static uint64_t slot_index(const struct page_map *map, uint64_t page, unsigned level)
{
    return (page >> (level * map->pool->bits)) & (((uint64_t)1 << map->pool->bits) - 1);
}

static void remember(struct page_map *map, uint64_t page, struct page_map_node *leaf)
{
    map->cached_pages = (uint64_t)1 << map->pool->bits;
    map->cached_first = page & ~(map->cached_pages - 1);
    map->cached_leaf = leaf;
}

bool page_map_seek(struct page_map *map, uint64_t page)
{
    struct page_map_node *node = map->root;
    unsigned level;

    for (level = map->pool->levels - 1; level > 0 && node != NULL; level--)
        node = node->slots[slot_index(map, page, level)].node;
    if (node != NULL)
        remember(map, page, node);
    return node != NULL;
}

void page_map_make_leaf(struct page_map *map, uint64_t page)
{
    struct page_map_node *node = map->root;
    unsigned level;

    for (level = map->pool->levels - 1; level > 0; level--) {
        struct page_map_node *parent = node;
        uint64_t index = slot_index(map, page, level);

        node = parent->slots[index].node;
        if (node == NULL) {
            node = node_create(map);
            parent->slots[index].node = node;
            parent->live++;
        }
    }
    remember(map, page, node);
}

struct walk {
    struct page_map *map;
    uint64_t first, end; /* pages */
    page_map_visit visit;
    void *context;
};

static void walk_leaf(struct walk *walk, struct page_map_node *leaf, uint64_t base, uint64_t low,
                      uint64_t high)
{
    uint64_t index;

    for (index = low; index < high && leaf->live > 0; index++) {
        uint64_t value = leaf->slots[index].value;

        if (value != 0) {
            value = walk->visit(walk->context, base + index, value);
            leaf->slots[index].value = value;
            leaf->live -= value == 0;
        }
    }
}

/* `base` is the node's first page. */
static void walk_node(struct walk *walk, struct page_map_node *node, uint64_t base, unsigned level)
{
    unsigned shift = level * walk->map->pool->bits;
    uint64_t slots = (uint64_t)1 << walk->map->pool->bits;
    uint64_t low = walk->first > base ? (walk->first - base) >> shift : 0;
    uint64_t high = ((walk->end - 1 - base) >> shift) + 1;
    uint64_t index;

    high = high < slots ? high : slots;
    if (level == 0) {
        walk_leaf(walk, node, base, low, high);
        return;
    }
    for (index = low; index < high && node->live > 0; index++) {
        struct page_map_node *child = node->slots[index].node;

        if (child == NULL)
            continue;
        walk_node(walk, child, base + (index << shift), level - 1);
        if (child->live == 0) {
            node->slots[index].node = NULL;
            node->live--;
            node_free(walk->map, child);
        }
    }
}

void page_map_range(struct page_map *map, uint64_t first, uint64_t end, page_map_visit visit,
                    void *context)
{
    struct walk walk = {map, first, end, visit, context};

    if (first >= end)
        return;
    map->cached_pages = 0;
    walk_node(&walk, map->root, 0, map->pool->levels - 1);
}
