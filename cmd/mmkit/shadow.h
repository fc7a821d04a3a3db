/* SPDX-License-Identifier: MIT */
/*
 * shadow.h - what a recorded program must see, by a model that shares nothing with mmkit: which
 * addresses are mapped and how, what each page holds, and which page-table entries must exist.
 *
 * A page-table entry must exist for a page from its first successful access until the page is
 * unmapped or discarded. fork copies the entries of pages that the process has of its own (private,
 * written); the zero page and pages of objects are found again by a fault. MADV_FREE keeps them.
 *
 * Invariants:
 *  1. Regions are sorted, not empty, do not overlap; neighbours that could be one are one.
 *  2. A page has a slot exactly while its entry must exist; every slot lies in a region.
 *  3. A slot is ZERO (the zero page), OBJECT (the object's page at that place) or PRIVATE (a frame
 *     of the process's own, with a content); only PRIVATE ones are LAZY (after MADV_FREE: the
 *     page holds its content or zeros until it is written again).
 *  4. private_pages, file_pages and shared_pages count the slots; mapped_bytes the regions.
 */
#ifndef SHADOW_H
#define SHADOW_H

#include "content.h"
#include "page_map.h"

#include <mmkit/fault.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything that the shadows of one replay share. */
struct shadow_world {
    struct content_pool contents;
    struct page_map_pool maps;
    uint64_t object_pages;  /* pages of objects that some slot maps */
    uint64_t touched_pages; /* pages of objects ever mapped, of objects that exist */
    uint64_t stack_limit, stack_guard_gap;
};

/* A file, or shared anonymous memory: `file` says which. Counted by regions and owners. */
struct shadow_object {
    uint64_t references;
    bool file;
    uint64_t seed;         /* of a file's content */
    struct page_map pages; /* struct shadow_page * by index */
};

struct shadow_region {
    uint64_t start, end;          /* bytes */
    uint64_t index;               /* of the object's page at start */
    struct shadow_object *object; /* NULL: private anonymous */
    unsigned prot;
    bool shared;
    bool grows_down;
};

struct shadow {
    struct shadow_world *world;
    struct shadow_region *regions;
    size_t count, capacity, last; /* last: found last */
    struct page_map slots;
    uint64_t mapped_bytes;
    uint64_t private_pages, file_pages, shared_pages;
    uint64_t brk_start, brk_end; /* brk_start 0: not known yet */
};

/* A slot's value: a content in the upper bits, the kind and the lazy mark in the lowest three. */
enum shadow_kind { SHADOW_NONE = 0, SHADOW_ZERO = 1, SHADOW_OBJECT = 2, SHADOW_PRIVATE = 3 };

/* => levels and bits: the shape of the page tables, 4 and 9 on x86-64 */
void shadow_world_init(struct shadow_world *world, unsigned levels, unsigned bits);
void shadow_world_destroy(struct shadow_world *world); /* => all shadows and objects are gone */

struct shadow_object *shadow_object_create(struct shadow_world *world, bool file, uint64_t seed);
void shadow_object_put(struct shadow_world *world, struct shadow_object *object);

void shadow_init(struct shadow *shadow, struct shadow_world *world);
void shadow_destroy(struct shadow *shadow);

/* A copy of the parent, as fork makes one. => child is not initialised */
void shadow_fork(struct shadow *child, const struct shadow *parent);

/*
 * The calls. Ranges are whole pages. protect answers false when it met a hole and stopped there;
 * discard (MADV_DONTNEED) and lazy_free (MADV_FREE) skip holes and answer false for them.
 * => map: what was there is unmapped; the region takes its own reference to the object
 */
void shadow_map(struct shadow *shadow, const struct shadow_region *region);
void shadow_unmap(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_protect(struct shadow *shadow, uint64_t start, uint64_t end, unsigned prot);
bool shadow_discard(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_lazy_free(struct shadow *shadow, uint64_t start, uint64_t end);
void shadow_set_brk(struct shadow *shadow, uint64_t end); /* maps or unmaps the heap's end */

bool shadow_is_free(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_is_covered(struct shadow *shadow, uint64_t start, uint64_t end);

/* The region that holds `address`, or NULL. => valid until the next call that changes regions */
const struct shadow_region *shadow_find(struct shadow *shadow, uint64_t address);

/*
 * What an access must come to; a stack that it makes grow has grown.
 */
enum mmk_fault_result shadow_predict(struct shadow *shadow, uint64_t address,
                                     enum mmk_access access);

/* One page, as the program must see it. */
struct shadow_view {
    enum shadow_kind kind; /* NONE: no entry, content is unknown until it is touched */
    bool lazy;             /* zeros are right too */
    const struct content *content;
};

struct shadow_view shadow_view(struct shadow *shadow, uint64_t address);

/*
 * The access has succeeded. A write has put `stamp` at the address, rounded down to 8.
 * => shadow_predict() said DONE; answers the page as it is now
 */
struct shadow_view shadow_touch(struct shadow *shadow, uint64_t address, enum mmk_access access,
                                uint64_t stamp);

/* The lazy page at `address` has been seen to hold zeros: it was discarded. => before the touch */
void shadow_drop_lazy(struct shadow *shadow, uint64_t address);

#endif
