/* SPDX-License-Identifier: MIT */
/*
 * slab.c - small objects of one size, carved from frames.
 *
 * Owns the caches' frames (type SLAB) and the magazines. A free object is in a CPU's magazine, or
 * threaded on its frame: its first word points to the next free object there.
 *
 * SL1 A frame's `used` = its objects that are not threaded on it: given out, or in a magazine.
 * SL2 A frame is in `full` when nothing is threaded on it, in `partial` otherwise.
 * SL3 `empty` counts the frames with used == 0; they are at the end of `partial`, so that they are
 *     taken last. Freeing leaves one, lest an object that comes and goes moves a frame each time;
 *     mmk_slab_drain_cpu() leaves none.
 *
 * Locks: the cache's lock guards all that but the magazines; it is taken within a per-CPU section.
 * A magazine belongs to its CPU, within such a section. Frames are allocated and freed with
 * neither held: the first may sleep, the second has a section of its own.
 *
 * Rejected: frames that belong to a CPU (what one CPU allocates another often frees: objects and
 * frames would pile up where nobody needs them); magazines that travel between CPUs as a whole (a
 * second level pays off with more than 64 CPUs).
 */
#include "slab.h"
#include "frame.h"
#include "list.h"
#include <mmkit/port/lock.h>
#include <mmkit/port/percpu.h>

#define ALIGN      16
#define HALF       (MMK_SLAB_MAGAZINE / 2)
#define INVERSE_AT 16 /* inverse = 2^16 / (size / ALIGN), rounded up */

void *memmove(void *to, const void *from, size_t size);

static struct mmk_slab_cache *all_caches;

void mmk_slab_init(void)
{
    all_caches = NULL;
}

void mmk_slab_cache_init(struct mmk_slab_cache *cache, const char *name, size_t size)
{
    uint32_t units = (uint32_t)((size + ALIGN - 1) / ALIGN);
    unsigned i;

    mmk_assert(size > 0 && size <= MMK_PAGE_SIZE / 2, "an object is at most half a page");
    cache->name = name;
    cache->size = units * ALIGN;
    cache->per_frame = (uint32_t)MMK_PAGE_SIZE / cache->size;
    cache->inverse = (((uint32_t)1 << INVERSE_AT) + units - 1) / units;
    mmk_spin_init(&cache->lock);
    cache->empty = 0;
    mmk_a32_store(&cache->frames, 0, MMK_RELAXED);
    mmk_list_init(&cache->partial);
    mmk_list_init(&cache->full);
    for (i = 0; i < MMK_MAX_CPUS; i++)
        cache->cpu[i].count = 0;
    cache->next = all_caches;
    all_caches = cache;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static struct mmk_page *frame_of(struct mmk_list *link)
{
    return mmk_list_entry(link, struct mmk_page, slab.link);
}

static void frame_push(struct mmk_page *page, void *object)
{
    *(void **)object = page->slab.free;
    page->slab.free = object;
}

static void count_frames(struct mmk_slab_cache *cache, uint32_t more) MMK_REQUIRES(cache->lock)
{
    uint32_t old = mmk_a32_load(&cache->frames, MMK_RELAXED);

    mmk_a32_store(&cache->frames, old + more, MMK_RELAXED);
}

/* A new frame with every object threaded on it, in no list yet. */
static struct mmk_page *frame_create(struct mmk_slab_cache *cache, unsigned flags)
{
    struct mmk_page *page = mmk_page_alloc(0, (flags & MMK_ALLOC_NOWAIT) | MMK_ALLOC_STAYS);
    unsigned char *base;
    uint32_t i;

    if (!page)
        return NULL;
    mmk_page_set_type(page, MMK_PAGE_SLAB);
    page->slab.cache = cache;
    page->slab.free = NULL;
    page->slab.used = 0;
    base = mmk_page_virt(page);
    for (i = cache->per_frame; i-- > 0;) {
        mmk_note_object(base + (size_t)i * cache->size, cache->size, true);
        frame_push(page, base + (size_t)i * cache->size);
    }
    return page;
}

static void add_empty_frame(struct mmk_slab_cache *cache, struct mmk_page *page)
    MMK_REQUIRES(cache->lock)
{
    mmk_list_add_tail(&cache->partial, &page->slab.link);
    cache->empty++;
    count_frames(cache, 1);
}

/* Moves all empty frames but `keep` from the cache to `list`. */
static void take_empty_frames(struct mmk_slab_cache *cache, uint32_t keep, struct mmk_list *list)
    MMK_REQUIRES(cache->lock)
{
    struct mmk_page *page;

    while (cache->empty > keep) {
        page = frame_of(cache->partial.prev);
        mmk_assert(page->slab.used == 0, "SL3 empty frames are at the end of their list");
        mmk_list_del(&page->slab.link);
        mmk_list_add(list, &page->slab.link);
        cache->empty--;
        count_frames(cache, (uint32_t)-1);
    }
}

/* => outside the lock and the per-CPU section */
static void free_frames(struct mmk_list *list)
{
    struct mmk_page *page;

    while (!mmk_list_empty(list)) {
        page = frame_of(list->next);
        mmk_list_del(&page->slab.link);
        mmk_page_put(page);
    }
}

/* An object off its frame; NULL: no frame has one. */
static void *object_take(struct mmk_slab_cache *cache) MMK_REQUIRES(cache->lock)
{
    struct mmk_page *page;
    void *object;

    if (mmk_list_empty(&cache->partial))
        return NULL;
    page = frame_of(cache->partial.next);
    object = page->slab.free;
    page->slab.free = *(void **)object;
    if (page->slab.used++ == 0)
        cache->empty--;
    if (!page->slab.free) {
        mmk_list_del(&page->slab.link);
        mmk_list_add(&cache->full, &page->slab.link);
    }
    return object;
}

/* An object back on its frame. */
static void object_put(struct mmk_slab_cache *cache, void *object) MMK_REQUIRES(cache->lock)
{
    struct mmk_page *page = mmk_virt_to_page(object);
    bool was_full = !page->slab.free;

    mmk_assert(page->slab.used > 0, "SL1 an object is freed that its frame has already");
    frame_push(page, object);
    page->slab.used--;
    if (page->slab.used == 0) {
        mmk_list_del(&page->slab.link);
        mmk_list_add_tail(&cache->partial, &page->slab.link);
        cache->empty++;
    } else if (was_full) {
        mmk_list_del(&page->slab.link);
        mmk_list_add(&cache->partial, &page->slab.link);
    }
}

/* ---- magazines ------------------------------------------------------------------------------- */

/*
 * Half a magazine of objects, from `page` too unless it is NULL.
 * => within a per-CPU section; the magazine is empty, and stays so when no frame has an object
 */
static void magazine_fill(struct mmk_slab_cache *cache, struct mmk_slab_cpu *magazine,
                          struct mmk_page *page) MMK_REQUIRES(mmk_percpu)
{
    void *object;

    mmk_spin_lock(&cache->lock, MMK_LOCK_SLAB);
    if (page)
        add_empty_frame(cache, page);
    while (magazine->count < HALF && (object = object_take(cache)) != NULL)
        magazine->object[magazine->count++] = object;
    mmk_spin_unlock(&cache->lock, MMK_LOCK_SLAB);
}

/* The `n` objects that were put in first go back to their frames: they are the coldest. */
static void magazine_flush(struct mmk_slab_cache *cache, struct mmk_slab_cpu *magazine, uint32_t n)
    MMK_REQUIRES(cache->lock)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        object_put(cache, magazine->object[i]);
    magazine->count -= n;
    memmove(magazine->object, magazine->object + n, magazine->count * sizeof(magazine->object[0]));
}

static MMK_NOINLINE void magazine_empty(struct mmk_slab_cache *cache, struct mmk_slab_cpu *magazine)
{
    mmk_spin_lock(&cache->lock, MMK_LOCK_SLAB);
    magazine_flush(cache, magazine, magazine->count);
    mmk_spin_unlock(&cache->lock, MMK_LOCK_SLAB);
}

/* One object; `page` as in magazine_fill(), and it is used up. */
static void *magazine_pop(struct mmk_slab_cache *cache, struct mmk_page *page)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_slab_cpu *magazine = &cache->cpu[mmk_cpu_id()];
    void *object = NULL;

    if (mmk_inject(MMK_INJECT_CACHE_EMPTY))
        magazine_empty(cache, magazine);
    if (mmk_unlikely(magazine->count == 0 || page))
        magazine_fill(cache, magazine, page);
    if (mmk_likely(magazine->count != 0))
        object = magazine->object[--magazine->count];
    mmk_percpu_leave(state);
    return object;
}

static MMK_NOINLINE void *alloc_from_new_frame(struct mmk_slab_cache *cache, unsigned flags)
{
    struct mmk_page *page = frame_create(cache, flags);

    return page ? magazine_pop(cache, page) : NULL;
}

void *mmk_slab_alloc(struct mmk_slab_cache *cache, unsigned flags)
{
    void *object;

    if (!(flags & MMK_ALLOC_NOWAIT))
        mmk_note_may_sleep();
    if (mmk_inject(MMK_INJECT_SLAB))
        return NULL;
    object = magazine_pop(cache, NULL);
    if (mmk_unlikely(!object))
        object = alloc_from_new_frame(cache, flags);
    if (mmk_unlikely(!object))
        return NULL;
    mmk_note_object(object, cache->size, false);
    if (flags & MMK_ALLOC_ZERO)
        memset(object, 0, cache->size);
    return object;
}

/* Panics unless `object` is one of the cache's. */
static void assert_object(const struct mmk_slab_cache *cache, const void *object)
{
    const struct mmk_page *page = mmk_virt_to_page(object);
    uint32_t offset = (uint32_t)((uintptr_t)object & (MMK_PAGE_SIZE - 1));
    uint32_t index = offset / ALIGN * cache->inverse >> INVERSE_AT;

    mmk_assert(page && mmk_page_type(page) == MMK_PAGE_SLAB && page->slab.cache == cache,
               "an object is freed to the cache that it came from");
    /* Exact, without a division: offset / ALIGN is below 2^8. */
    mmk_assert(offset == index * cache->size && index < cache->per_frame,
               "an object is freed by its address");
}

/* Makes room for one. => within a per-CPU section; frames to free are added to `list` */
static MMK_NOINLINE void magazine_shrink(struct mmk_slab_cache *cache,
                                         struct mmk_slab_cpu *magazine, struct mmk_list *list)
    MMK_REQUIRES(mmk_percpu)
{
    mmk_spin_lock(&cache->lock, MMK_LOCK_SLAB);
    magazine_flush(cache, magazine, HALF);
    take_empty_frames(cache, 1, list);
    mmk_spin_unlock(&cache->lock, MMK_LOCK_SLAB);
}

void mmk_slab_free(struct mmk_slab_cache *cache, void *object)
{
    unsigned long state;
    struct mmk_slab_cpu *magazine;
    struct mmk_list list;

    assert_object(cache, object);
    mmk_list_init(&list);
    state = mmk_percpu_enter();
    magazine = &cache->cpu[mmk_cpu_id()];
    if (mmk_unlikely(magazine->count == MMK_SLAB_MAGAZINE))
        magazine_shrink(cache, magazine, &list);
    mmk_assert(magazine->count == 0 || magazine->object[magazine->count - 1] != object,
               "an object is freed once");
    mmk_note_object(object, cache->size, true);
    magazine->object[magazine->count++] = object;
    mmk_percpu_leave(state);
    free_frames(&list);
}

uint64_t mmk_slab_cached(unsigned cpu)
{
    const struct mmk_slab_cache *cache;
    uint64_t objects = 0;

    for (cache = all_caches; cache; cache = cache->next)
        objects += cache->cpu[cpu].count;
    return objects;
}

void mmk_slab_drain_cpu(unsigned cpu)
{
    struct mmk_slab_cache *cache;
    struct mmk_list list;
    unsigned long state;

    mmk_list_init(&list);
    for (cache = all_caches; cache; cache = cache->next) {
        state = mmk_percpu_enter();
        mmk_spin_lock(&cache->lock, MMK_LOCK_SLAB);
        magazine_flush(cache, &cache->cpu[cpu], cache->cpu[cpu].count);
        take_empty_frames(cache, 0, &list);
        mmk_spin_unlock(&cache->lock, MMK_LOCK_SLAB);
        mmk_percpu_leave(state);
        free_frames(&list);
    }
}

uint64_t mmk_slab_frames(void)
{
    const struct mmk_slab_cache *cache;
    uint64_t frames = 0;

    for (cache = all_caches; cache; cache = cache->next)
        frames += mmk_a32_load(&cache->frames, MMK_RELAXED);
    return frames;
}

/* ---- check ----------------------------------------------------------------------------------- */

static uint32_t count_threaded(const struct mmk_slab_cache *cache, const struct mmk_page *page)
{
    const void *object;
    uint32_t n = 0;

    for (object = page->slab.free; object; object = *(void *const *)object) {
        assert_object(cache, object);
        mmk_assert(mmk_virt_to_page(object) == page, "SL1 a frame's free objects are its own");
        n++;
        mmk_assert(n <= cache->per_frame, "SL1 a frame's thread of free objects ends");
    }
    return n;
}

/* Checks one list; the objects that are out are added to *used. => frames in the list */
static uint32_t check_list(const struct mmk_slab_cache *cache, const struct mmk_list *head,
                           uint64_t *used)
{
    const struct mmk_list *link;
    const struct mmk_page *page;
    uint32_t frames = 0, threaded, empty = 0;

    for (link = head->next; link != head; link = link->next) {
        page = mmk_list_entry(link, const struct mmk_page, slab.link);
        mmk_assert(mmk_page_type(page) == MMK_PAGE_SLAB && page->slab.cache == cache,
                   "a cache's frames are its own");
        threaded = count_threaded(cache, page);
        mmk_assert(threaded + page->slab.used == cache->per_frame,
                   "SL1 a frame's objects are used or threaded");
        mmk_assert((threaded == 0) == (head == &cache->full), "SL2 a frame is in its list");
        mmk_assert(empty == 0 || page->slab.used == 0, "SL3 empty frames are at the end");
        empty += page->slab.used == 0;
        *used += page->slab.used;
        frames++;
    }
    mmk_assert(head == &cache->full || empty == cache->empty, "SL3 empty frames are counted");
    return frames;
}

void mmk_slab_check(void)
{
    const struct mmk_slab_cache *cache;
    uint64_t used, in_magazines;
    uint32_t i, j, frames;

    for (cache = all_caches; cache; cache = cache->next) {
        used = 0;
        in_magazines = 0;
        frames = check_list(cache, &cache->partial, &used);
        frames += check_list(cache, &cache->full, &used);
        mmk_assert(frames == mmk_a32_load(&cache->frames, MMK_RELAXED), "frames are counted");
        for (i = 0; i < MMK_MAX_CPUS; i++) {
            mmk_assert(cache->cpu[i].count <= MMK_SLAB_MAGAZINE, "a magazine has a size");
            for (j = 0; j < cache->cpu[i].count; j++)
                assert_object(cache, cache->cpu[i].object[j]);
            in_magazines += cache->cpu[i].count;
        }
        mmk_assert(in_magazines <= used, "SL1 what is in a magazine counts as used");
    }
}
