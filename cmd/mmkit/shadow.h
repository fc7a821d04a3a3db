/* SPDX-License-Identifier: MIT */
/*
 * shadow.h - what a recorded program must see, by a model that shares nothing with mmkit: which
 * addresses are mapped and how, what each page holds, and which page-table entries must exist.
 *
 * A page-table entry must exist for a page from its first successful access, or from when it was
 * brought in (MAP_POPULATE, mlock, advice), until the page is unmapped, discarded or moved away;
 * and for a guard. fork copies the entries of guards and of pages that the process has of its own
 * (private, written); the zero page and pages of objects are found again by a fault. MADV_FREE
 * keeps them.
 *
 * Invariants:
 *  1. Regions are sorted, not empty, do not overlap; neighbours that could be one are one.
 *  2. A page has a slot exactly while its entry must exist; every slot lies in a region.
 *  3. A slot is ZERO (the zero page), OBJECT (the object's page at that place), GUARD (no page, and
 *     no access), PRIVATE (a frame of the process's own, with a content) or LAZY (PRIVATE after
 * MADV_FREE: the page holds its content or zeros until it is written again).
 *  4. `last` is NULL or a region of the array.
 *  5. private_pages, file_pages and shared_pages count the slots; mapped_bytes the regions.
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
    uint64_t around; /* pages: as far as a fault maps what is in memory; 1: it does not */
    bool (*has_reclaimed)(void); /* any pages; NULL: never */
    bool paged_out;              /* pages, by MADV_PAGEOUT */
};

/* Pages were reclaimed, or paged out on request: slots no longer say what is mapped, but what may
   be, and counts by them are bounds. */
static inline bool shadow_may_lack(const struct shadow_world *world)
{
    return world->paged_out || (world->has_reclaimed != NULL && world->has_reclaimed());
}

/* A file, or shared anonymous memory: `file` says which. Counted by regions and owners. */
struct shadow_object {
    uint64_t references;
    uint64_t end; /* an access to this page or above is a bus error; of a file: none is */
    bool file;
    uint64_t seed;         /* of a file's content */
    struct page_map pages; /* struct shadow_page * by index */
};

/* Flags of a region. */
enum {
    SHADOW_LOCKED = 1,
    SHADOW_ON_FAULT = 2, /* locked, but pages come when they are touched */
    SHADOW_LOCK = SHADOW_LOCKED | SHADOW_ON_FAULT,
    SHADOW_DONT_FORK = 4,
    SHADOW_WIPE_ON_FORK = 8,
};

struct shadow_region {
    uint64_t start, end;          /* bytes */
    uint64_t index;               /* of the object's page at start */
    struct shadow_object *object; /* NULL: private anonymous */
    unsigned prot, flags;
    bool shared;
    bool grows_down;
};

struct shadow {
    struct shadow_world *world;
    struct shadow_region *regions;
    size_t count, capacity;
    const struct shadow_region *last; /* found last, or NULL */
    struct page_map slots;
    uint64_t mapped_bytes;
    uint64_t private_pages, file_pages, shared_pages;
    uint64_t brk_start, brk_end; /* brk_start 0: not known yet */
    unsigned future;             /* SHADOW_LOCK: of what will be mapped */
};

/* A slot's value: the kind in the lowest bits, of private ones the content above. */
enum shadow_kind {
    SHADOW_NONE,
    SHADOW_ZERO,
    SHADOW_OBJECT,
    SHADOW_GUARD,
    SHADOW_PRIVATE,
    SHADOW_LAZY, /* private, too: zeros are right as well */
};
#define SHADOW_KIND_MASK ((uint64_t)7)

/* => levels and bits: the shape of the page tables, 4 and 9 on x86-64 */
void shadow_world_init(struct shadow_world *world, unsigned levels, unsigned bits);
void shadow_world_destroy(struct shadow_world *world); /* => all shadows and objects are gone */

/* => bytes: how large it is; a file is as large as anybody wants */
struct shadow_object *shadow_object_create(struct shadow_world *world, bool file, uint64_t seed,
                                           uint64_t bytes);
void shadow_object_put(struct shadow_world *world, struct shadow_object *object);

void shadow_init(struct shadow *shadow, struct shadow_world *world);
void shadow_destroy(struct shadow *shadow);

/* A copy of the parent, as fork makes one. => child is not initialised */
void shadow_fork(struct shadow *child, const struct shadow *parent);

/*
 * The calls. Ranges are whole pages. protect answers false when it met a hole and stopped there;
 * discard (MADV_DONTNEED), lazy_free (MADV_FREE), guard (MADV_GUARD_INSTALL), unguard and set_flags
 * skip holes and answer false for them.
 * => map: what was there is unmapped; the region takes its own reference to the object
 */
void shadow_map(struct shadow *shadow, const struct shadow_region *region);
void shadow_unmap(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_protect(struct shadow *shadow, uint64_t start, uint64_t end, unsigned prot);
bool shadow_discard(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_lazy_free(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_guard(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_unguard(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_set_flags(struct shadow *shadow, uint64_t start, uint64_t end, unsigned clear,
                      unsigned set);
void shadow_set_brk(struct shadow *shadow, uint64_t end); /* maps or unmaps the heap's end */

/* mremap, with what it has answered: `to`, which is `from` when the mapping has stayed. */
void shadow_remap(struct shadow *shadow, uint64_t from, uint64_t old_length, uint64_t to,
                  uint64_t new_length, bool keep);

/*
 * Brings pages in, in order. AS_REGION: as a touch that each region allows, a write where it is
 * private and writable; holes and regions locked on fault are passed over. READ, WRITE: as this
 * access. TRY: as AS_REGION, but where a region fails, go on with the next.
 * => false: a page cannot be had, a region does not allow it, or, with READ and WRITE, a hole; what
 *    lies before is there
 */
enum shadow_populate { SHADOW_AS_REGION, SHADOW_READ, SHADOW_WRITE, SHADOW_TRY };
bool shadow_populate(struct shadow *shadow, uint64_t start, uint64_t end, enum shadow_populate how);

/* mlock2, munlock: up to the first hole, for which the answer is false. mlockall: all. */
bool shadow_lock(struct shadow *shadow, uint64_t start, uint64_t end, unsigned flags);
bool shadow_unlock(struct shadow *shadow, uint64_t start, uint64_t end);
void shadow_lock_all(struct shadow *shadow, unsigned now, unsigned future); /* SHADOW_LOCK each */

/* MADV_WILLNEED: files' pages come into memory, and no entry for them. */
void shadow_read_ahead(struct shadow *shadow, uint64_t start, uint64_t end);

/*
 * Pages [first, end) of the object are punched out: unmap is for every shadow, and comes first.
 * Private copies stay.
 */
void shadow_unmap_object(struct shadow *shadow, const struct shadow_object *object, uint64_t first,
                         uint64_t end);
void shadow_object_punch(struct shadow_world *world, struct shadow_object *object, uint64_t first,
                         uint64_t end);

bool shadow_is_free(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_is_covered(struct shadow *shadow, uint64_t start, uint64_t end);
bool shadow_is_accessible(struct shadow *shadow, uint64_t start, uint64_t end); /* where mapped */

/* As shadow_find(), by a search. */
const struct shadow_region *shadow_search(struct shadow *shadow, uint64_t address);

/* The region that holds `address`, or NULL. => valid until the next call that changes regions */
static inline const struct shadow_region *shadow_find(struct shadow *shadow, uint64_t address)
{
    const struct shadow_region *last = shadow->last;

    if (mmk_likely(last != NULL && last->start <= address && address < last->end))
        return last;
    return shadow_search(shadow, address);
}

/* One page, as the program must see it. => valid until the next call that changes the shadow */
struct shadow_view {
    const struct shadow_region *region; /* NULL: nothing is mapped there */
    struct content *content;
    enum shadow_kind kind; /* NONE: no entry */
};

void shadow_view(struct shadow *shadow, uint64_t address, struct shadow_view *view);

/*
 * Makes the stack above `address` reach down to it, as Linux does: to the limit at most, and with
 * a gap to what lies below.
 * => `address` is not mapped; NULL: nothing has grown
 */
const struct shadow_region *shadow_grow_stack(struct shadow *shadow, uint64_t address);

static inline bool shadow_allows(unsigned prot, enum mmk_access access)
{
    switch (access) {
    case MMK_ACCESS_WRITE:
        return (prot & MMK_PROT_WRITE) != 0;
    case MMK_ACCESS_EXEC:
        return (prot & MMK_PROT_EXEC) != 0;
    default: /* x86-64 cannot map anything unreadable but nothing at all */
        return prot != MMK_PROT_NONE;
    }
}

/* Which page of its object the region has at `address`. */
static inline uint64_t shadow_index(const struct shadow_region *region, uint64_t address)
{
    return region->index + ((address - region->start) >> MMK_PAGE_SHIFT);
}

/* What the object's page that belongs at `address` holds. */
struct content *shadow_object_content(struct shadow *shadow, uint64_t address,
                                      const struct shadow_region *region);

/* Sets what the slot alone tells. */
static inline void shadow_view_slot(struct shadow_view *view, uint64_t slot)
{
    view->kind = (enum shadow_kind)(slot & SHADOW_KIND_MASK);
    view->content = (struct content *)(uintptr_t)(slot & ~SHADOW_KIND_MASK);
}

/*
 * What an access must come to; a stack that it makes grow has grown.
 * => DONE: *view is the page before it, with the content that a read finds
 */
static inline enum mmk_fault_result shadow_predict(struct shadow *shadow, uint64_t address,
                                                   enum mmk_access access, struct shadow_view *view)
{
    view->region = shadow_find(shadow, address);
    if (view->region == NULL)
        view->region = shadow_grow_stack(shadow, address);
    if (view->region == NULL)
        return MMK_FAULT_SEGV_MAPERR;
    if (!shadow_allows(view->region->prot, access))
        return MMK_FAULT_SEGV_ACCERR;
    shadow_view_slot(view, page_map_get(&shadow->slots, address >> MMK_PAGE_SHIFT));
    if (mmk_unlikely(view->kind == SHADOW_GUARD))
        return MMK_FAULT_SEGV_MAPERR;
    if (view->kind < SHADOW_PRIVATE && view->region->object != NULL) {
        if (shadow_index(view->region, address) >= view->region->object->end)
            return MMK_FAULT_BUS;
        view->content = shadow_object_content(shadow, address, view->region);
    }
    return MMK_FAULT_DONE;
}

/*
 * The access has succeeded. A write has put `stamp` at the address, rounded down to 8.
 * => *view as shadow_predict() left it, saying DONE; it is the page as it is now
 */
void shadow_touch(struct shadow *shadow, uint64_t address, enum mmk_access access, uint64_t stamp,
                  struct shadow_view *view);

/*
 * A fault at `address`, which only reads, has mapped what its object has in memory around it. What
 * was brought in stays there: the shadow does not know reclaim, so there may be less.
 * => after shadow_touch(); nothing to do where no object is mapped
 */
void shadow_map_around(struct shadow *shadow, uint64_t address);

/*
 * What reads `address` finds what `view` says, or a fault brings that back, which reclaim has
 * taken, and maps around, as any.
 */
void shadow_map_again(struct shadow *shadow, uint64_t address, const struct shadow_view *view);

/* The lazy page at `address` has been seen to hold zeros: it was discarded. => before the touch */
void shadow_drop_lazy(struct shadow *shadow, uint64_t address);

#endif
