/* SPDX-License-Identifier: MIT */
/*
 * sharing_warm.c - see sharing_warm.h.
 *
 * First the CPU makes and ends an address space with pages, tables and a child: what there is to be
 * taken room for, once, has been. Then of each kind it takes until it knows how full its cache is,
 * gives back some, and keeps the rest. Nothing of that is there to be seen by programs.
 */
#include "sharing_warm.h"

#include "frame.h"
#include "pairs.h"
#include "slab.h"

enum {
    FIRST_PAGE = 32,
    PAGES = 12,
    CACHES = 32,    /* of small objects */
    OBJECTS = 1024, /* taken, of all */
    FRAMES = 128,
    HALF = MMK_SLAB_MAGAZINE / 2,
    ROOM = 4, /* for objects that are given back */
};

static struct {
    struct mmk_slab_cache *cache;
    void *object;
} objects[OBJECTS];

static struct mmk_page *frames[FRAMES];
static unsigned object_count, frame_count;

static void use_memory(struct mmk_mm *loaded)
{
    struct mmk_mm *mm, *child;
    unsigned page;

    expect(mmk_mm_create(&mm) == 0);
    machine_switch_mm(mm);
    expect(mmk_mmap(mm, page_at(FIRST_PAGE), PAGES * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) >= 0);
    for (page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page++)
        expect(put_word(page, page) == MMK_FAULT_DONE);
    expect(mmk_fork(mm, &child) == 0);
    mmk_mm_put(child);
    expect(mmk_munmap(mm, page_at(FIRST_PAGE + 1), PAGE) == 0);
    machine_switch_mm(loaded);
    mmk_mm_put(mm);
}

/* Those that have a frame. => how many */
static unsigned find_caches(struct mmk_slab_cache **list)
{
    const struct mmk_range *range = &mmk_ranges[0];
    unsigned count = 0, i;
    mmk_pfn_t pfn;

    for (pfn = range->start; pfn < range->end; pfn++) {
        const struct mmk_page *page = &range->map[pfn - range->start];

        if (mmk_page_type(page) != MMK_PAGE_SLAB)
            continue;
        for (i = 0; i < count && list[i] != page->slab.cache; i++)
            continue;
        if (i == count && count < CACHES)
            list[count++] = page->slab.cache;
    }
    return count;
}

static void take(struct mmk_slab_cache *cache)
{
    void *object = mmk_slab_alloc(cache, 0);

    expect(object && object_count < OBJECTS);
    objects[object_count].cache = cache;
    objects[object_count++].object = object;
}

static void give_back(void)
{
    object_count--;
    mmk_slab_free(objects[object_count].cache, objects[object_count].object);
}

/* What has just been filled has HALF, before one is taken. */
static void warm_cache(struct mmk_slab_cache *cache)
{
    const struct mmk_slab_cpu *own = &cache->cpu[mmk_cpu_id()];
    unsigned i;

    for (i = 0; i < ROOM; i++)
        take(cache);
    while (own->count != HALF - 1)
        take(cache);
    while (own->count < MMK_SLAB_MAGAZINE - ROOM)
        give_back();
}

/* Of one kind: as many as it may have, at most; then half of those that were there at least. */
static void warm_frames(unsigned flags)
{
    struct mmk_page *page[MMK_FRAME_CACHE_MAX / 2];
    unsigned i;

    for (i = 0; i < MMK_FRAME_CACHE_MAX / 2; i++)
        expect((page[i] = mmk_page_alloc(0, flags)) != NULL);
    for (i = 0; i < MMK_FRAME_CACHE_MAX / 2; i++) {
        if (i % 2)
            mmk_page_put(page[i]);
        else
            frames[frame_count++] = page[i];
    }
}

void sharing_warm(struct mmk_mm *loaded)
{
    struct mmk_slab_cache *list[CACHES];
    unsigned count, i;

    use_memory(loaded);
    count = find_caches(list);
    for (i = 0; i < count; i++)
        warm_cache(list[i]);
    warm_frames(0);
    warm_frames(MMK_ALLOC_STAYS);
}

void sharing_cool(void)
{
    while (object_count > 0)
        give_back();
    while (frame_count > 0)
        mmk_page_put(frames[--frame_count]);
}
