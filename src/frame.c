/* SPDX-License-Identifier: MIT */
/*
 * frame.c - the frame allocator.
 *
 * Owns the ranges of memory and their descriptors, a buddy allocator (buddy.c) for the ranges of
 * each node, and each CPU's caches of single frames, one for what is to stay (FR8). Memory moves
 * between three places:
 *
 *     buddy allocator  <- batches ->  CPU's cache  <- one frame ->  whoever allocated
 *             <-------------- blocks of order 1 and up ------------>
 *
 * FR4 A frame in a CPU's cache says CACHED, so that its buddy does not merge with it.
 * FR5 frames_free counts the frames in a node's lists; the sum of all nodes' with the caches'
 *     counts and what is allocated makes the sum of frames_total.
 * FR6 A CPU's cache is filled from its own node while that has frames, and takes in no frame of
 *     another node that is freed; a frame of another node is in it only because there were none.
 * FR7 A request that may not dip into the reserve leaves that much in the lists, or gets nothing;
 *     CPUs that ask at one moment may together take a batch each too much.
 *
 * The reserve is looked at where frames leave the lists, that is once for up to 32 single frames:
 * so the usual allocation, out of the cache, knows of neither nodes nor reserve. A cache is filled
 * by a request that may dip into the reserve with that one frame only.
 *
 * Locks: a node's frame lock guards its lists, and the type of a frame that enters or leaves them.
 * It is taken within a per-CPU section, for an interrupt may allocate; two are never held at once.
 * A cache belongs to its CPU, within a per-CPU section, and needs no lock.
 *
 * Limits: a CPU cannot reach what another CPU's cache holds; an allocation may fail while those are
 * free. So a cache is small where memory is (mmk_frame_cache_limit()). Blocks larger than
 * 2^MMK_MAX_ORDER are not kept together.
 *
 * Rejected: a lock per range (one range a node is the rule, and the caches take most of the load);
 * a bitmap beside the descriptors (one more line to touch per free); caches as lists through the
 * descriptors (a push would touch the descriptor of the frame that was pushed before).
 */
#include "frame.h"
#include "charge.h"
#include "core.h"
#include "list.h"
#include "waiting.h"
#include <mmkit/init.h>
#include <mmkit/port/lock.h>
#include <mmkit/port/percpu.h>
#include <mmkit/stats.h>

#define REFILLS     4   /* how often an allocation has memory reclaimed, before it gives up */
#define CACHE_MAX   64  /* frames in a full cache, at most */
#define CACHE_LEAST 4   /* unless the configuration says less */
#define CACHE_PART  128 /* of memory, that a full cache may be */

_Static_assert(CACHE_MAX == MMK_FRAME_CACHE_MAX, "what may be configured fits");

void *memmove(void *to, const void *from, size_t size);

struct mmk_range mmk_ranges[MMK_MAX_RANGES];
struct mmk_a32 mmk_range_count;

/* A stack: what was freed last is handed out first, while it is warm. */
struct MMK_CACHE_ALIGNED frame_cache {
    struct mmk_a32 count; /* its CPU writes, any reads */
    uint32_t limit;       /* its CPU: of count; as mmk_frame_cache_limit() was, lately */
    struct mmk_page *page[CACHE_MAX];
};

static struct frame_cache caches[MMK_MAX_CPUS][MMK_BUDDY_KINDS];
struct mmk_frame_node mmk_frame_nodes[MMK_MAX_NODES];
static mmk_reclaimer reclaimer; /* c from mmk_init() on; so the next */
static mmk_compactor compactor;
struct mmk_a32 mmk_frames_short;
static struct mmk_a32 cache_limit;
static struct mmk_a32 node_count; /* one more than the highest that has memory; 1 at least */

/* ---- ranges ---------------------------------------------------------------------------------- */

/* Acquire: they are complete. */
uint32_t mmk_frame_ranges(void)
{
    return mmk_a32_load(&mmk_range_count, MMK_ACQUIRE);
}

struct mmk_range *mmk_range_of_slow(mmk_pfn_t pfn)
{
    uint32_t i, count = mmk_frame_ranges();

    for (i = 0; i < count; i++)
        if (pfn - mmk_ranges[i].start < mmk_ranges[i].end - mmk_ranges[i].start)
            return &mmk_ranges[i];
    return NULL;
}

/* => the frame is ours */
static struct mmk_frame_node *node_of(const struct mmk_page *page)
{
    return &mmk_frame_nodes[mmk_range_of(mmk_page_to_pfn(page))->node];
}

/* The node that this CPU's frames should come from. */
static unsigned node_here(void)
{
    unsigned node = mmk_node_id();

    return node < MMK_MAX_NODES ? node : 0;
}

struct mmk_page *mmk_pfn_to_page_slow(mmk_pfn_t pfn)
{
    const struct mmk_range *range = mmk_range_of_slow(pfn);

    return range ? &range->map[pfn - range->start] : NULL;
}

mmk_pfn_t mmk_page_to_pfn_slow(const struct mmk_page *page)
{
    uint32_t i, count = mmk_a32_load(&mmk_range_count, MMK_RELAXED);
    uintptr_t index;

    for (i = 0; i < count; i++) {
        index = ((uintptr_t)page - (uintptr_t)mmk_ranges[i].map) / sizeof(*page);
        if (index < mmk_ranges[i].end - mmk_ranges[i].start)
            return mmk_ranges[i].start + index;
    }
    mmk_host_panic(__FILE__, __LINE__, "a page descriptor is in no range");
}

mmk_paddr_t mmk_page_phys(const struct mmk_page *page)
{
    return mmk_page_to_pfn(page) << MMK_PAGE_SHIFT;
}

void *mmk_page_address(const struct mmk_page *page)
{
    return mmk_page_virt(page);
}

/* ---- what is left ---------------------------------------------------------------------------- */

/* In the lists of all nodes. */
static uint64_t listed(void)
{
    uint32_t node, count = mmk_a32_load(&node_count, MMK_RELAXED);
    uint64_t sum = 0;

    for (node = 0; node < count; node++)
        sum += mmk_a64_load(&mmk_frame_nodes[node].frames_free, MMK_RELAXED);
    return sum;
}

/* How many frames a request leaves in the lists. */
static uint64_t kept_from(unsigned flags)
{
    if (flags & MMK_ALLOC_NORECLAIM)
        return 0;
    return flags & MMK_ALLOC_HIGH ? mmk_config.reserve / 2 : mmk_config.reserve;
}

/* Below the watermark, whoever frees in advance is woken, once. */
static void look_at(uint64_t left)
{
    uint32_t enough = MMK_FRAMES_ENOUGH;

    if (mmk_likely(left >= mmk_config.watermark_low) ||
        mmk_a32_load(&mmk_frames_short, MMK_RELAXED) != MMK_FRAMES_ENOUGH)
        return;
    if (mmk_a32_cmpxchg(&mmk_frames_short, &enough, MMK_FRAMES_SHORT, MMK_RELAXED))
        mmk_host_wake(&mmk_frames_short, 1);
}

/* FR7: how many of `want` a request may take. */
uint64_t mmk_frame_grant(uint64_t want, unsigned flags)
{
    uint64_t free = listed(), kept = kept_from(flags);

    look_at(free > want ? free - want : 0);
    if (mmk_likely(free >= want && free - want >= mmk_config.reserve))
        return want;
    return free > kept ? mmk_min(want, free - kept) : 0;
}

/* ---- caches ---------------------------------------------------------------------------------- */

/*
 * The nodes by their distance from this CPU's, which is that of their numbers, the lower of two
 * first: 2, 1, 3, 0, 4... => the nth; MMK_MAX_NODES: there is none of that distance and side
 */
static unsigned nth_node(unsigned n)
{
    unsigned here = node_here(), distance = (n + 1) / 2;

    if (n % 2)
        return here >= distance ? here - distance : MMK_MAX_NODES;
    return here + distance < MMK_MAX_NODES ? here + distance : MMK_MAX_NODES;
}

/* Steps of nth_node() that meet each node. */
#define NTH_NODES (2 * MMK_MAX_NODES - 1)

/* FR8: which of its caches, and of a node's lists. */
MMK_ALWAYS_INLINE unsigned kind_of(unsigned flags)
{
    return flags & MMK_ALLOC_STAYS ? MMK_BUDDY_STAYS : MMK_BUDDY_MOVES;
}

uint32_t mmk_frame_cache_limit(void)
{
    return mmk_a32_load(&cache_limit, MMK_RELAXED);
}

/* How many frames are moved under one hold of the frame lock. */
static uint32_t batch_of(uint32_t limit)
{
    return (limit + 1) / 2;
}

/* => the number of frames that the empty cache now has */
static uint32_t cache_fill(struct frame_cache *cache, unsigned flags) MMK_REQUIRES(mmk_percpu)
{
    uint32_t batch = batch_of(mmk_frame_cache_limit()), n = 0;
    uint32_t want = (uint32_t)mmk_frame_grant(batch, MMK_ALLOC_NORMAL);
    unsigned i;

    if (mmk_unlikely(want == 0))
        want = (uint32_t)mmk_frame_grant(1, flags);

    for (i = 0; i < NTH_NODES && want != 0 && n == 0; i++) {
        unsigned number = nth_node(i);
        struct mmk_frame_node *node = &mmk_frame_nodes[number % MMK_MAX_NODES];

        if (number == MMK_MAX_NODES || mmk_a64_load(&node->frames_free, MMK_RELAXED) == 0)
            continue;
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        n = mmk_buddy_take_singles(node, kind_of(flags), cache->page, want);
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    }
    return n;
}

/* The `n` frames that were put in first go back, each to its node: they are the coldest. */
static void cache_put_back(struct frame_cache *cache, unsigned kind, uint32_t n)
    MMK_REQUIRES(mmk_percpu)
{
    uint32_t i = 0, left = mmk_a32_load(&cache->count, MMK_RELAXED) - n;

    while (i < n) {
        struct mmk_frame_node *node = node_of(cache->page[i]);
        uint32_t first = i;

        do
            i++;
        while (i < n &&
               (mmk_a32_load(&node_count, MMK_RELAXED) == 1 || node_of(cache->page[i]) == node));
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        mmk_buddy_put_singles(node, kind, cache->page + first, i - first);
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    }
    memmove(cache->page, cache->page + n, left * sizeof(cache->page[0]));
    mmk_a32_store(&cache->count, left, MMK_RELAXED);
}

/*
 * It is full, as far as its CPU knows: at first it knows of no room at all.
 * => within a per-CPU section; the number of frames left
 */
static MMK_NOINLINE uint32_t cache_shrink(struct frame_cache *cache, unsigned kind, uint32_t count)
    MMK_REQUIRES(mmk_percpu)
{
    uint32_t left;

    cache->limit = mmk_frame_cache_limit();
    if (count < cache->limit)
        return count;
    left = cache->limit - batch_of(cache->limit);
    cache_put_back(cache, kind, count - left);
    return left;
}

uint32_t mmk_frames_cached(unsigned cpu)
{
    uint32_t moves = mmk_a32_load(&caches[cpu][MMK_BUDDY_MOVES].count, MMK_RELAXED);
    uint32_t stays = mmk_a32_load(&caches[cpu][MMK_BUDDY_STAYS].count, MMK_RELAXED);

    return moves + stays;
}

/* => within a per-CPU section; the number of frames left */
static MMK_NOINLINE uint32_t cache_emptied(struct frame_cache *cache, unsigned kind)
    MMK_REQUIRES(mmk_percpu)
{
    cache_put_back(cache, kind, mmk_a32_load(&cache->count, MMK_RELAXED));
    return 0;
}

/* => false: it had nothing */
static bool drain(unsigned cpu) MMK_REQUIRES(mmk_percpu)
{
    if (mmk_frames_cached(cpu) == 0)
        return false;
    (void)cache_emptied(&caches[cpu][MMK_BUDDY_MOVES], MMK_BUDDY_MOVES);
    (void)cache_emptied(&caches[cpu][MMK_BUDDY_STAYS], MMK_BUDDY_STAYS);
    return true;
}

void mmk_frame_drain_here(void)
{
    unsigned long state = mmk_percpu_enter();

    (void)drain(mmk_cpu_id());
    mmk_percpu_leave(state);
}

void mmk_frame_drain_cpu(unsigned cpu)
{
    unsigned long state = mmk_percpu_enter();

    (void)drain(cpu);
    mmk_percpu_leave(state);
}

/*
 * What is left may be in the other cache.
 * => within a per-CPU section; the number of frames that the empty cache now has
 */
static MMK_NOINLINE uint32_t cache_refill(struct frame_cache *cache, unsigned flags)
    MMK_REQUIRES(mmk_percpu)
{
    uint32_t n = cache_fill(cache, flags);

    if (mmk_unlikely(n == 0) && drain(mmk_cpu_id()))
        n = cache_fill(cache, flags);
    return n;
}

/* ---- allocating and freeing ------------------------------------------------------------------ */

/* => kind: the one of the flags, a constant */
MMK_ALWAYS_INLINE struct mmk_page *alloc_single(unsigned flags, unsigned kind)
{
    unsigned long state = mmk_percpu_enter();
    struct frame_cache *cache = &caches[mmk_cpu_id()][kind];
    uint32_t n = mmk_a32_load(&cache->count, MMK_RELAXED);
    struct mmk_page *page = NULL;

    if (mmk_inject(MMK_INJECT_CACHE_EMPTY))
        n = cache_emptied(cache, kind);
    if (mmk_unlikely(n == 0))
        n = cache_refill(cache, flags);
    if (mmk_likely(n != 0)) {
        page = cache->page[--n];
        mmk_a32_store(&cache->count, n, MMK_RELAXED);
        mmk_frame_become_of(page, MMK_PAGE_PLAIN, 0, kind);
    }
    mmk_percpu_leave(state);
    return page;
}

/* => within a per-CPU section */
static struct mmk_page *take_block(unsigned order, unsigned flags) MMK_REQUIRES(mmk_percpu)
{
    struct mmk_page *page = NULL;
    unsigned i;

    if (mmk_frame_grant((uint64_t)1 << order, flags) != (uint64_t)1 << order)
        return NULL;
    for (i = 0; i < NTH_NODES && !page; i++) {
        unsigned number = nth_node(i);
        struct mmk_frame_node *node = &mmk_frame_nodes[number % MMK_MAX_NODES];

        if (number == MMK_MAX_NODES || mmk_a64_load(&node->frames_free, MMK_RELAXED) == 0)
            continue;
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        page = mmk_buddy_take(node, kind_of(flags), order, MMK_PAGE_PLAIN);
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    }
    return page;
}

/* A second try comes after this CPU's cache was put back: its frames may be what is missing. */
static MMK_NOINLINE struct mmk_page *alloc_block(unsigned order, unsigned flags)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_page *page = take_block(order, flags);

    if (!page && drain(mmk_cpu_id()))
        page = take_block(order, flags);
    mmk_percpu_leave(state);
    return page;
}

static void clear_block(struct mmk_page *page, unsigned order)
{
    unsigned char *at = mmk_page_virt(page);
    size_t i;

    for (i = 0; i < (size_t)1 << order; i++)
        mmk_clear_page(at + i * MMK_PAGE_SIZE);
}

static MMK_NOINLINE struct mmk_page *alloc_staying(unsigned flags)
{
    return alloc_single(flags, MMK_BUDDY_STAYS);
}

static struct mmk_page *take(unsigned order, unsigned flags)
{
    if (order != 0)
        return alloc_block(order, flags);
    if (mmk_unlikely(flags & MMK_ALLOC_STAYS))
        return alloc_staying(flags);
    return alloc_single(flags, MMK_BUDDY_MOVES);
}

/* What is free may not lie together, and be made to: the block is the caller's at once. */
static struct mmk_page *take_compacted(unsigned order, unsigned flags)
{
    return order > 0 && compactor ? compactor(order, flags) : NULL;
}

/*
 * Nothing is free. Others' pages may be had, unless it is for their sake that memory is wanted: a
 * block of many frames takes several tries, as what is freed need not lie together.
 */
static struct mmk_page *take_reclaimed(unsigned order, unsigned flags)
{
    struct mmk_page *page = take_compacted(order, flags);
    unsigned tries;

    for (tries = 0; !page && tries < REFILLS; tries++) {
        if (!reclaimer || reclaimer((uint64_t)1 << order, flags) == 0)
            break;
        page = take(order, flags);
        if (!page)
            page = take_compacted(order, flags);
    }
    return page;
}

/*
 * If not, what waits for a grace period, empty tables above all, soon is free: the alternative to
 * waiting for it is to fail. The last of it stays in the cache of the CPU that frees it. Before,
 * since what goes then may have to wait, too, there is to be room for that (waiting.c).
 */
static MMK_NOINLINE struct mmk_page *take_somehow(unsigned order, unsigned flags)
{
    struct mmk_page *page = NULL;

    if (flags & MMK_ALLOC_NOWAIT)
        return NULL;
    mmk_waiting_throttle();
    if (!(flags & MMK_ALLOC_NORECLAIM))
        page = take_reclaimed(order, flags);
    if (page)
        return page;
    mmk_host_rcu_barrier();
    return take(order, flags);
}

struct mmk_page *mmk_page_alloc(unsigned order, unsigned flags)
{
    struct mmk_page *page;

    if (!(flags & MMK_ALLOC_NOWAIT))
        mmk_note_may_sleep();
    if (mmk_unlikely(order > MMK_MAX_ORDER) || mmk_inject(MMK_INJECT_FRAME))
        return NULL;
    page = take(order, flags);
    if (mmk_unlikely(!page))
        page = take_somehow(order, flags);
    if (mmk_unlikely(!page))
        return NULL;
    mmk_assert(mmk_page_refs(page) == 0, "F1 a free frame has no references");
    mmk_frame_note(page, order, MMK_FRAME_USED);
    if (flags & MMK_ALLOC_ZERO)
        clear_block(page, order);
    mmk_frame_hand_out(page);
    return page;
}

/* FR2: those inside have said FREE. */
void mmk_frame_split(struct mmk_page *page, unsigned order)
{
    unsigned kind = mmk_frame_is_kind(page);
    unsigned long state = mmk_percpu_enter();
    struct mmk_frame_node *node = node_of(page);
    uint32_t i;

    mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
    for (i = 0; i < (uint32_t)1 << order; i++)
        mmk_frame_become_of(page + i, MMK_PAGE_PLAIN, 0, kind);
    mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    mmk_percpu_leave(state);
    for (i = 1; i < (uint32_t)1 << order; i++)
        mmk_frame_hand_out(page + i);
}

/* Panics unless the frame is allocated and nobody has it any more. */
static void assert_unused(const struct mmk_page *page, uint32_t flags)
{
    uint32_t type = flags & MMK_PF_TYPE;

    mmk_assert(mmk_page_refs(page) == 0, "F1 a frame is freed that has references");
    mmk_assert(type >= MMK_PAGE_PLAIN, "F1 a frame is freed that is not allocated");
    mmk_assert(!(flags & (MMK_PF_LOCKED | MMK_PF_WAITERS)), "F1 a frame is freed that is locked");
    mmk_assert((type != MMK_PAGE_ANON && type != MMK_PAGE_OBJECT) ||
                   (mmk_a32_load(&page->user.mapcount, MMK_RELAXED) == 0 &&
                    mmk_a32_load(&page->user.pins, MMK_RELAXED) == 0),
               "F1 a frame is freed that is mapped or pinned");
}

static MMK_NOINLINE void free_block_of(struct mmk_page *page, unsigned order)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_frame_node *node = node_of(page);

    mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
    mmk_buddy_put(node, page, order, mmk_frame_is_kind(page));
    mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    mmk_percpu_leave(state);
}

/* FR6: a frame of another node? */
static MMK_NOINLINE bool is_remote(const struct mmk_page *page)
{
    return node_of(page) != &mmk_frame_nodes[node_here()];
}

/* => kind: the page's, a constant */
MMK_ALWAYS_INLINE void free_single(struct mmk_page *page, unsigned kind)
{
    unsigned long state = mmk_percpu_enter();
    struct frame_cache *cache = &caches[mmk_cpu_id()][kind];
    uint32_t n = mmk_a32_load(&cache->count, MMK_RELAXED);

    if (mmk_unlikely(mmk_a32_load(&node_count, MMK_RELAXED) != 1) && is_remote(page)) {
        mmk_percpu_leave(state);
        free_block_of(page, 0);
        return;
    }
    mmk_frame_become_of(page, MMK_PAGE_CACHED, 0, kind);
    if (mmk_unlikely(n >= cache->limit))
        n = cache_shrink(cache, kind, n);
    cache->page[n] = page;
    mmk_a32_store(&cache->count, n + 1, MMK_RELAXED);
    mmk_percpu_leave(state);
}

static MMK_NOINLINE void free_other(struct mmk_page *page, uint32_t taken_as)
{
    if (taken_as == MMK_PF_STAYS)
        free_single(page, MMK_BUDDY_STAYS);
    else
        free_block_of(page, mmk_frame_order(page));
}

static void retire(struct mmk_page *page, uint32_t flags)
{
    assert_unused(page, flags);
    mmk_uncharge(page);
    mmk_frame_note(page, (flags & MMK_PF_ORDER) >> MMK_PF_ORDER_AT, MMK_FRAME_FREE);
}

void mmk_frame_retire(struct mmk_page *page)
{
    retire(page, mmk_a32_load(&page->flags, MMK_RELAXED));
}

void mmk_frame_free(struct mmk_page *page)
{
    uint32_t flags = mmk_a32_load(&page->flags, MMK_RELAXED);

    retire(page, flags);
    if (mmk_likely(!(flags & (MMK_PF_ORDER | MMK_PF_STAYS))))
        free_single(page, MMK_BUDDY_MOVES);
    else
        free_other(page, flags & (MMK_PF_ORDER | MMK_PF_STAYS));
}

void mmk_frame_free_row(struct mmk_page *page, unsigned order)
{
    unsigned kind = mmk_frame_is_kind(page);
    struct mmk_frame_node *node = node_of(page);
    unsigned long state;
    uint32_t i;

    for (i = 0; i < (uint32_t)1 << order; i++)
        mmk_frame_retire(page + i);
    state = mmk_percpu_enter();
    mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
    for (i = 1; i < (uint32_t)1 << order; i++)
        mmk_frame_become(page + i, MMK_PAGE_FREE, 0);
    mmk_buddy_put(node, page, order, kind);
    mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    mmk_percpu_leave(state);
}

void mmk_page_put(struct mmk_page *page)
{
    if (mmk_page_drop(page))
        mmk_frame_free(page);
}

/* ---- memory handed in ------------------------------------------------------------------------ */

/* What all CPUs keep, or what waits, is not to be much of a small memory. */
static void size_caches(void)
{
    uint64_t limit = mmk_config.frame_cache;

    if (limit == 0)
        limit = mmk_max(mmk_frames_total() / CACHE_PART, (uint64_t)CACHE_LEAST);
    mmk_a32_store(&cache_limit, (uint32_t)mmk_min(limit, (uint64_t)CACHE_MAX), MMK_RELAXED);
    mmk_waiting_size(mmk_frames_total());
}

void mmk_frame_init(void)
{
    unsigned i;

    mmk_a32_store(&mmk_range_count, 0, MMK_RELAXED);
    for (i = 0; i < MMK_MAX_RANGES; i++)
        mmk_ranges[i] = (struct mmk_range){0, 0, NULL, 0};
    for (i = 0; i < MMK_MAX_CPUS * MMK_BUDDY_KINDS; i++) {
        struct frame_cache *cache = &caches[i / MMK_BUDDY_KINDS][i % MMK_BUDDY_KINDS];

        mmk_a32_store(&cache->count, 0, MMK_RELAXED);
        cache->limit = 0;
    }
    for (i = 0; i < MMK_MAX_NODES; i++)
        mmk_buddy_init(&mmk_frame_nodes[i]);
    mmk_a32_store(&node_count, 1, MMK_RELAXED);
    size_caches();
    mmk_a32_store(&mmk_frames_short, MMK_FRAMES_ENOUGH, MMK_RELAXED);
}

/* The largest block that may begin at pfn and ends by `end`. */
static unsigned largest_order(mmk_pfn_t pfn, mmk_pfn_t end)
{
    unsigned order = 0;

    while (order < MMK_MAX_ORDER && (pfn & (((mmk_pfn_t)2 << order) - 1)) == 0 &&
           end - pfn >= (mmk_pfn_t)2 << order)
        order++;
    return order;
}

/* Gives frames [pfn, range->end) to the buddy allocator, a block under each hold of the lock. */
static void add_blocks(const struct mmk_range *range, mmk_pfn_t pfn)
{
    struct mmk_frame_node *node = &mmk_frame_nodes[range->node];
    unsigned long state;
    unsigned order;
    size_t i;

    for (; pfn < range->end; pfn += (mmk_pfn_t)1 << order) {
        struct mmk_page *page = &range->map[pfn - range->start];

        order = largest_order(pfn, range->end);
        state = mmk_percpu_enter();
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        for (i = 1; i < (size_t)1 << order; i++)
            mmk_frame_become(page + i, MMK_PAGE_FREE, 0);
        mmk_a64_store(&node->frames_total,
                      mmk_a64_load(&node->frames_total, MMK_RELAXED) + ((uint64_t)1 << order),
                      MMK_RELAXED);
        mmk_buddy_put(node, page, order, MMK_BUDDY_MOVES);
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
        mmk_percpu_leave(state);
    }
}

/* The frames at the start of a range of `frames` that its descriptors fill. */
static uint64_t descriptor_frames(uint64_t frames)
{
    return mmk_page_up(frames * sizeof(struct mmk_page)) >> MMK_PAGE_SHIFT;
}

int mmk_add_memory(mmk_paddr_t start, mmk_paddr_t end)
{
    return mmk_add_memory_node(start, end, 0);
}

int mmk_add_memory_node(mmk_paddr_t start, mmk_paddr_t end, unsigned node)
{
    mmk_pfn_t first = mmk_page_up(start) >> MMK_PAGE_SHIFT, last = end >> MMK_PAGE_SHIFT;
    uint32_t i, count = mmk_a32_load(&mmk_range_count, MMK_RELAXED);
    uint64_t taken;
    unsigned char *map;

    if (mmk_page_up(start) < start || last <= first || node >= MMK_MAX_NODES)
        return MMK_EINVAL;
    taken = descriptor_frames(last - first);
    if (taken >= last - first)
        return MMK_EINVAL;
    for (i = 0; i < count; i++)
        if (first < mmk_ranges[i].end && mmk_ranges[i].start < last)
            return MMK_EINVAL;
    if (count == MMK_MAX_RANGES)
        return MMK_ENOMEM;

    map = mmk_phys_to_virt(first << MMK_PAGE_SHIFT);
    for (i = 0; i < taken; i++)
        mmk_clear_page(map + i * MMK_PAGE_SIZE); /* type RESERVED, no references */
    mmk_ranges[count] = (struct mmk_range){first, last, (struct mmk_page *)(void *)map, node};
    if (node >= mmk_a32_load(&node_count, MMK_RELAXED))
        mmk_a32_store(&node_count, node + 1, MMK_RELAXED);
    mmk_note_frames((first + taken) << MMK_PAGE_SHIFT, last - first - taken, MMK_FRAME_FREE);
    /* Release: who finds the range finds it whole, with its descriptors. */
    mmk_a32_store(&mmk_range_count, count + 1, MMK_RELEASE);
    add_blocks(&mmk_ranges[count], first + taken);
    size_caches();
    return 0;
}

void mmk_frame_set_reclaimer(mmk_reclaimer function)
{
    reclaimer = function;
}

void mmk_frame_set_compactor(mmk_compactor function)
{
    compactor = function;
}

uint64_t mmk_frame_places(void)
{
    uint32_t i, count = mmk_frame_ranges();
    uint64_t sum = 0;

    for (i = 0; i < count; i++)
        sum += mmk_ranges[i].end - mmk_ranges[i].start;
    return sum;
}

struct mmk_page *mmk_frame_at(uint64_t place)
{
    const struct mmk_range *range = mmk_ranges;

    while (place >= range->end - range->start) {
        place -= range->end - range->start;
        range++;
    }
    return &range->map[place];
}

static bool node_has(struct mmk_frame_node *node, unsigned order)
{
    unsigned long state = mmk_percpu_enter();
    bool has;

    mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
    has = mmk_buddy_has(node, order);
    mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    mmk_percpu_leave(state);
    return has;
}

bool mmk_frame_has_block(unsigned order)
{
    uint32_t node, count = mmk_a32_load(&node_count, MMK_RELAXED);

    for (node = 0; node < count; node++)
        if (node_has(&mmk_frame_nodes[node], order))
            return true;
    return false;
}

uint64_t mmk_frames_left(void)
{
    return listed();
}

uint64_t mmk_frames_total(void)
{
    uint64_t sum = 0;
    unsigned node;

    for (node = 0; node < MMK_MAX_NODES; node++)
        sum += mmk_a64_load(&mmk_frame_nodes[node].frames_total, MMK_RELAXED);
    return sum;
}

uint64_t mmk_frames_free(void)
{
    uint64_t free = listed();
    unsigned i;

    for (i = 0; i < MMK_MAX_CPUS; i++)
        free += mmk_frames_cached(i);
    return free;
}

void mmk_frame_stats(struct mmk_stats *stats)
{
    unsigned node;

    for (node = 0; node < MMK_MAX_NODES; node++) {
        stats->node_frames[node] = mmk_a64_load(&mmk_frame_nodes[node].frames_total, MMK_RELAXED);
        stats->node_free[node] = mmk_a64_load(&mmk_frame_nodes[node].frames_free, MMK_RELAXED);
    }
}

/* ---- check ----------------------------------------------------------------------------------- */

/* What was seen of the frames, in the lists and by their descriptors. */
struct census {
    uint64_t listed[MMK_MAX_ORDER + 1]; /* blocks in each list */
    uint64_t seen[MMK_MAX_ORDER + 1];   /* blocks that say so themselves */
    uint64_t cached, allocated;         /* frames that say so themselves */
};

static void assert_bare(const struct mmk_page *page, uint32_t kind)
{
    mmk_assert(mmk_a32_load(&page->flags, MMK_RELAXED) == kind,
               "FR2 a free frame has its type and order, and no other flag");
    mmk_assert(mmk_page_refs(page) == 0, "F1 a free frame has no references");
    mmk_assert(!page->share, "GR2 a free frame is charged to nobody");
}

/* => frames in the list */
static uint64_t check_list(const struct mmk_frame_node *node, unsigned kind, unsigned order,
                           struct census *census)
{
    const struct mmk_list *link, *head = &node->free[order][kind];
    const struct mmk_page *page;
    uint64_t frames = 0;

    for (link = head->next; link != head; link = link->next) {
        mmk_assert(link->next->prev == link, "a list's links point at each other");
        page = mmk_list_entry(link, const struct mmk_page, free.link);
        assert_bare(page, mmk_frame_flags(MMK_PAGE_FREE, order, kind));
        mmk_assert(node_of(page) == node, "FR2 a free block is listed by its node");
        census->listed[order]++;
        frames += (uint64_t)1 << order;
        mmk_assert(census->listed[order] <= mmk_frames_total(), "a free list ends");
    }
    return frames;
}

/* => frames in its lists */
static uint64_t check_node(const struct mmk_frame_node *node, struct census *census)
{
    uint64_t frames = 0;
    unsigned order;

    for (order = 0; order <= MMK_MAX_ORDER; order++) {
        frames += check_list(node, MMK_BUDDY_MOVES, order, census);
        frames += check_list(node, MMK_BUDDY_STAYS, order, census);
    }
    mmk_assert(frames == mmk_a64_load(&node->frames_free, MMK_RELAXED),
               "FR5 frames_free counts the frames in the lists");
    return frames;
}

static void check_cache(const struct frame_cache *cache, unsigned kind)
{
    uint32_t i, n = mmk_a32_load(&cache->count, MMK_RELAXED);

    mmk_assert(n <= CACHE_MAX, "FR4 a cache holds at most CACHE_MAX frames");
    for (i = 0; i < n; i++)
        assert_bare(cache->page[i], mmk_frame_flags(MMK_PAGE_CACHED, 0, kind));
}

/* One free block, met in a walk over its range. */
static void check_block(const struct mmk_range *range, mmk_pfn_t pfn, unsigned order)
{
    mmk_pfn_t other = pfn ^ (mmk_pfn_t)1 << order;
    mmk_pfn_t i;

    for (i = 1; i < (mmk_pfn_t)1 << order; i++)
        assert_bare(&range->map[pfn - range->start + i], mmk_frame_kind(MMK_PAGE_FREE, 0));
    if (order < MMK_MAX_ORDER && other - range->start < range->end - range->start)
        mmk_assert((mmk_a32_load(&range->map[other - range->start].flags, MMK_RELAXED) &
                    (MMK_PF_TYPE | MMK_PF_ORDER)) !=
                       ((uint32_t)MMK_PAGE_FREE | order << MMK_PF_ORDER_AT),
                   "FR3 buddies are never both free");
}

static void check_range(const struct mmk_range *range, struct census *census)
{
    mmk_pfn_t pfn = range->start + descriptor_frames(range->end - range->start);

    while (pfn < range->end) {
        const struct mmk_page *page = &range->map[pfn - range->start];
        unsigned order = mmk_frame_order(page);
        mmk_pfn_t size = (mmk_pfn_t)1 << order;

        mmk_assert(order <= MMK_MAX_ORDER && (pfn & (size - 1)) == 0 && size <= range->end - pfn,
                   "FR1 a block is aligned to its size and within its range");
        mmk_assert(mmk_page_type(page) != MMK_PAGE_RESERVED, "a usable frame is not reserved");
        mmk_assert(mmk_page_type(page) != MMK_PAGE_CLAIMED, "CL3 a claim has ended");
        if (mmk_page_type(page) == MMK_PAGE_FREE) {
            check_block(range, pfn, order);
            census->seen[order]++;
        } else if (mmk_page_type(page) == MMK_PAGE_CACHED) {
            census->cached++;
        } else {
            census->allocated += size;
        }
        pfn += size;
    }
}

void mmk_frame_check(void)
{
    struct census census = {{0}, {0}, 0, 0};
    uint64_t in_lists = 0, in_caches;
    uint32_t i, count = mmk_a32_load(&mmk_range_count, MMK_RELAXED);

    for (i = 0; i < MMK_MAX_CPUS; i++) {
        check_cache(&caches[i][MMK_BUDDY_MOVES], MMK_BUDDY_MOVES);
        check_cache(&caches[i][MMK_BUDDY_STAYS], MMK_BUDDY_STAYS);
    }
    for (i = 0; i < count; i++)
        check_range(&mmk_ranges[i], &census);
    for (i = 0; i < MMK_MAX_NODES; i++)
        in_lists += check_node(&mmk_frame_nodes[i], &census);
    for (i = 0; i <= MMK_MAX_ORDER; i++)
        mmk_assert(census.listed[i] == census.seen[i], "FR2 a block is listed when it is free");
    in_caches = mmk_frames_free() - in_lists;
    mmk_assert(in_caches == census.cached, "FR4 a frame is CACHED when it is in a cache");
    mmk_assert(in_lists + in_caches + census.allocated == mmk_frames_total(),
               "FR5 every frame is free, cached or allocated");
}
