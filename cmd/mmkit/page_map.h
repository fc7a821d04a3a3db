/* SPDX-License-Identifier: MIT */
/*
 * page_map.h - a map from page numbers to values, shaped as page tables are: what a page table
 * must hold at least can be read off its node counts.
 *
 * Invariants:
 *  1. A node below the root exists exactly while something is in it: live > 0.
 *  2. nodes = all nodes, root included; created counts every node ever made (root included).
 *  3. Nodes on the pool's free list hold only zeros.
 *  4. The leaf looked up last covers [cached_first, cached_first + cached_pages); cached_pages is 0
 *     where none is known.
 */
#ifndef PAGE_MAP_H
#define PAGE_MAP_H

#include <mmkit/port/annotate.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_MAP_LEVELS_MAX = 6 };

struct page_map_node {
    uint64_t live; /* slots that are not 0 */
    union {
        uint64_t value;
        struct page_map_node *node;
    } slots[];
};

/* Free nodes, shared by maps of one shape. */
struct page_map_pool {
    unsigned levels; /* 1 to PAGE_MAP_LEVELS_MAX */
    unsigned bits;   /* a node has 2^bits slots */
    struct page_map_node *free;
};

struct page_map {
    struct page_map_pool *pool;
    struct page_map_node *root;
    uint64_t nodes, created;
    uint64_t cached_first, cached_pages;
    struct page_map_node *cached_leaf;
};

void page_map_pool_init(struct page_map_pool *pool, unsigned levels, unsigned bits);
void page_map_pool_destroy(struct page_map_pool *pool); /* => every map of it is destroyed */

void page_map_init(struct page_map *map, struct page_map_pool *pool);
void page_map_destroy(struct page_map *map); /* => the values are the caller's to let go first */

/* Looks up the leaf of `page`, which is the cached one then. => false: there is none */
bool page_map_seek(struct page_map *map, uint64_t page);

/* Likewise, but makes the leaf; it is up to the caller to put something into it. */
void page_map_make_leaf(struct page_map *map, uint64_t page);

/* The value at `page`; 0: none. */
static inline uint64_t page_map_get(struct page_map *map, uint64_t page)
{
    if (mmk_unlikely(page - map->cached_first >= map->cached_pages) && !page_map_seek(map, page))
        return 0;
    return map->cached_leaf->slots[page - map->cached_first].value;
}

/* Sets the value at `page`, which may not be 0; page < 2^(levels * bits). */
static inline void page_map_set(struct page_map *map, uint64_t page, uint64_t value)
{
    uint64_t *slot;

    if (mmk_unlikely(page - map->cached_first >= map->cached_pages))
        page_map_make_leaf(map, page);
    slot = &map->cached_leaf->slots[page - map->cached_first].value;
    map->cached_leaf->live += *slot == 0;
    *slot = value;
}

/*
 * Calls visit for each value of [first, end), in order; what it returns replaces the value, 0
 * removes it.
 * => visit does not touch the map
 */
typedef uint64_t (*page_map_visit)(void *context, uint64_t page, uint64_t value);
void page_map_range(struct page_map *map, uint64_t first, uint64_t end, page_map_visit visit,
                    void *context);

#endif
