/* SPDX-License-Identifier: MIT */
/*
 * test_frame.c - the frame allocator against a model: who owns each frame. Every frame that is
 * handed out is stamped, so that one handed out twice, or written by the allocator, is noticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <machine.h>
#include "frame.h"
#include "expect_panic.h"
#include "random.h"

#define CPUS   4
#define MEMORY ((uint64_t)32 << 20)
#define FRAMES (MEMORY >> MMK_PAGE_SHIFT)
#define ORDERS (MMK_MAX_ORDER + 1)

/* For threads, where cmocka's assertions cannot be used. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct block {
    struct mmk_page *page;
    unsigned order;
    uint64_t stamp;
};

static struct mmk_page *pages[FRAMES];

/* First and last word of each frame of the block. */
static void stamp_block(const struct block *block)
{
    uint64_t *words = mmk_page_address(block->page);
    size_t i, words_a_page = MMK_PAGE_SIZE / sizeof(*words);

    for (i = 0; i < (size_t)1 << block->order; i++) {
        words[i * words_a_page] = block->stamp + i;
        words[(i + 1) * words_a_page - 1] = ~(block->stamp + i);
    }
}

static bool stamp_intact(const struct block *block)
{
    const uint64_t *words = mmk_page_address(block->page);
    size_t i, words_a_page = MMK_PAGE_SIZE / sizeof(*words);

    for (i = 0; i < (size_t)1 << block->order; i++)
        if (words[i * words_a_page] != block->stamp + i ||
            words[(i + 1) * words_a_page - 1] != ~(block->stamp + i))
            return false;
    return true;
}

static bool block_alloc(struct block *block, unsigned order, uint64_t stamp)
{
    block->page = mmk_page_alloc(order, MMK_ALLOC_NORMAL);
    block->order = order;
    block->stamp = stamp << 16;
    if (!block->page)
        return false;
    must(mmk_page_refs(block->page) == 1);
    must(mmk_page_type(block->page) == MMK_PAGE_PLAIN);
    must(mmk_page_phys(block->page) % (MMK_PAGE_SIZE << order) == 0);
    stamp_block(block);
    return true;
}

static void block_free(const struct block *block)
{
    must(stamp_intact(block));
    mmk_page_put(block->page);
}

static void drain_all(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        mmk_frame_drain_cpu(cpu);
}

/* Takes blocks of one order until there are none, into pages[]. */
static size_t take_all(unsigned order)
{
    size_t n = 0;

    while (n < FRAMES && (pages[n] = mmk_page_alloc(order, MMK_ALLOC_NORMAL)) != NULL)
        n++;
    return n;
}

static void put_all(size_t n)
{
    while (n > 0)
        mmk_page_put(pages[--n]);
}

/* How many blocks of each order can be had: tells whether everything has merged again. */
static void measure(size_t available[ORDERS])
{
    unsigned order;

    for (order = 0; order < ORDERS; order++) {
        drain_all();
        available[order] = take_all(order);
        put_all(available[order]);
    }
    drain_all();
    mmk_frame_check();
}

static const struct machine_config config = {
    .memory = MEMORY, .cpus = CPUS, .mmkit = MMK_CONFIG_DEFAULT};

static int setup(void **state)
{
    (void)state;
    if (machine_create(&config) != 0)
        return -1;
    machine_cpu_attach(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mmk_frame_check();
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

/* The machine's RAM, forgotten by mmkit, to be handed in again in pieces. */
static void restart_without_memory(mmk_paddr_t *start, mmk_paddr_t *end)
{
    *start = mmk_ranges[0].start << MMK_PAGE_SHIFT;
    *end = mmk_ranges[0].end << MMK_PAGE_SHIFT;
    assert_int_equal(*end - *start, MEMORY);
    mmk_shutdown();
    assert_int_equal(mmk_init(&config.mmkit), 0);
    mmk_cpu_online(); /* again: it is another mmkit */
    assert_int_equal(mmk_frames_total(), 0);
    assert_int_equal(mmk_frames_free(), 0);
    assert_null(mmk_page_alloc(0, MMK_ALLOC_NORMAL));
    assert_null(mmk_pfn_to_page(*start >> MMK_PAGE_SHIFT));
}

static void test_counts(void **state)
{
    uint64_t free = mmk_frames_free();
    struct mmk_page *single, *block;

    (void)state;
    /* One frame in 64 holds descriptors. */
    assert_int_equal(mmk_frames_total(), FRAMES - FRAMES / 64);
    assert_true(free <= mmk_frames_total());
    single = mmk_page_alloc(0, MMK_ALLOC_NOWAIT);
    block = mmk_page_alloc(4, MMK_ALLOC_NOWAIT);
    assert_non_null(single);
    assert_non_null(block);
    assert_int_equal(mmk_frames_free(), free - 17);
    mmk_frame_check();
    mmk_page_put(single);
    mmk_page_put(block);
    assert_int_equal(mmk_frames_free(), free);
    assert_null(mmk_page_alloc(MMK_MAX_ORDER + 1, MMK_ALLOC_NORMAL));
}

static void test_references(void **state)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    uint64_t free = mmk_frames_free();

    (void)state;
    assert_non_null(page);
    mmk_page_get(page);
    assert_true(mmk_page_get_unless_zero(page));
    assert_int_equal(mmk_page_refs(page), 3);
    mmk_page_put(page);
    mmk_page_put(page);
    assert_int_equal(mmk_frames_free(), free);
    assert_int_equal(mmk_page_type(page), MMK_PAGE_PLAIN);
    mmk_page_put(page);
    assert_int_equal(mmk_frames_free(), free + 1);
    assert_false(mmk_page_get_unless_zero(page));
}

static void test_zero(void **state)
{
    unsigned order;
    size_t i, n, size;

    (void)state;
    for (order = 0; order <= 4; order += 2) {
        n = take_all(order);
        assert_true(n > 0);
        size = (size_t)MMK_PAGE_SIZE << order;
        for (i = 0; i < n; i++)
            memset(mmk_page_address(pages[i]), 0xa5, size);
        put_all(n);
        for (i = 0; i < 64; i++) {
            const unsigned char *bytes;
            size_t at = 0;

            pages[i] = mmk_page_alloc(order, MMK_ALLOC_ZERO);
            assert_non_null(pages[i]);
            bytes = mmk_page_address(pages[i]);
            while (at < size && bytes[at] == 0)
                at++;
            assert_int_equal(at, size);
        }
        put_all(64);
    }
}

/* More frames than a CPU caches, coming free after a grace period. */
#define LATE 200

static void put_late(struct mmk_rcu_head *head)
{
    size_t i;

    (void)head;
    for (i = 0; i < LATE; i++)
        mmk_page_put(pages[i]);
}

/* An allocation that may sleep waits for what a grace period will free before it gives up. */
static void test_waits_before_failing(void **state)
{
    struct mmk_page *page;
    struct mmk_rcu_head rcu;
    size_t n = take_all(0);

    (void)state;
    assert_true(n > LATE);
    mmk_rcu_read_lock(); /* no grace period before this ends */
    mmk_host_call_rcu(&rcu, put_late);
    assert_null(mmk_page_alloc(0, MMK_ALLOC_NOWAIT));
    mmk_rcu_read_unlock();
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_non_null(page);
    mmk_page_put(page);
    while (n-- > LATE)
        mmk_page_put(pages[n]);
}

static void test_exhaustion(void **state)
{
    size_t before[ORDERS], after[ORDERS];
    uint64_t free = mmk_frames_free();
    unsigned order;
    size_t i, n;

    (void)state;
    measure(before);
    assert_int_equal(before[0], free);
    assert_true(before[MMK_MAX_ORDER] >= FRAMES / 1024 - 2);
    n = take_all(0);
    assert_int_equal(n, free);
    assert_int_equal(mmk_frames_free(), 0);
    for (order = 0; order < ORDERS; order++)
        assert_null(mmk_page_alloc(order, MMK_ALLOC_NORMAL));
    mmk_frame_check();

    /* Every second frame free: half the memory, and no two frames together. */
    for (i = 0; i < n; i++)
        if (mmk_page_to_pfn(pages[i]) % 2 == 1)
            mmk_page_put(pages[i]);
    drain_all();
    mmk_frame_check();
    assert_null(mmk_page_alloc(1, MMK_ALLOC_NORMAL));
    for (i = 0; i < n; i++)
        if (mmk_page_to_pfn(pages[i]) % 2 == 0)
            mmk_page_put(pages[i]);
    assert_int_equal(mmk_frames_free(), free);
    measure(after);
    assert_memory_equal(before, after, sizeof(before));
}

/* What this CPU's own cache holds does not stand in the way of large blocks. */
static void test_own_cache_gives_way(void **state)
{
    size_t before[ORDERS], i, n;

    (void)state;
    measure(before);
    n = take_all(0);
    for (i = 0; i < n; i++) /* the last are from the largest blocks */
        mmk_page_put(pages[i]);
    n = take_all(MMK_MAX_ORDER);
    put_all(n);
    assert_int_equal(n, before[MMK_MAX_ORDER]);
}

static void test_random(void **state)
{
    enum { SLOTS = 256, STEPS = 40000 };
    static struct block blocks[SLOTS];
    size_t before[ORDERS], after[ORDERS];
    uint64_t free = mmk_frames_free(), held = 0, seed = 1;
    unsigned i, failed = 0;

    (void)state;
    measure(before);
    memset(blocks, 0, sizeof(blocks));
    for (i = 0; i < STEPS; i++) {
        uint64_t random = next_random(&seed);
        struct block *block = &blocks[random % SLOTS];
        unsigned order = (unsigned)(random >> 32) % ORDERS;

        if (block->page) {
            block_free(block);
            block->page = NULL;
            held -= (uint64_t)1 << block->order;
        } else if (block_alloc(block, order, i)) {
            held += (uint64_t)1 << order;
        } else {
            failed++;
        }
        assert_int_equal(mmk_frames_free() + held, free);
        if (i % 1000 == 0)
            mmk_frame_check();
    }
    assert_true(failed > 0); /* memory was short at times */
    for (i = 0; i < SLOTS; i++)
        if (blocks[i].page)
            block_free(&blocks[i]);
    assert_int_equal(mmk_frames_free(), free);
    measure(after);
    assert_memory_equal(before, after, sizeof(before));
}

static void test_bad_ranges(void **state)
{
    mmk_paddr_t start, end;
    uint64_t total;
    unsigned i;

    (void)state;
    restart_without_memory(&start, &end);
    assert_int_equal(mmk_add_memory(start, start), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(start + MMK_PAGE_SIZE, start), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(start, start + MMK_PAGE_SIZE), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(start + 1, start + 2 * MMK_PAGE_SIZE), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(UINT64_MAX - 1, UINT64_MAX), MMK_EINVAL);
    assert_int_equal(mmk_frames_total(), 0);

    assert_int_equal(mmk_add_memory(start + (1 << 20), start + (2 << 20)), 0);
    total = mmk_frames_total();
    assert_int_equal(mmk_add_memory(start + (1 << 20), start + (2 << 20)), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(start, end), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(start, start + (1 << 20) + MMK_PAGE_SIZE), MMK_EINVAL);
    assert_int_equal(mmk_add_memory(start + (2 << 20) - MMK_PAGE_SIZE, end), MMK_EINVAL);
    assert_int_equal(mmk_frames_total(), total);

    for (i = 1; i < MMK_MAX_RANGES; i++) {
        start += 2 << 20;
        assert_int_equal(mmk_add_memory(start, start + (1 << 20)), 0);
    }
    assert_int_equal(mmk_add_memory(start + (1 << 20), start + (2 << 20)), MMK_ENOMEM);
    assert_int_equal(mmk_frames_total(), total * MMK_MAX_RANGES);
    mmk_frame_check();
}

/* Every frame of [start, end) has a descriptor that knows it; its neighbours have not. */
static void check_range(mmk_pfn_t start, mmk_pfn_t end)
{
    mmk_pfn_t pfn;

    for (pfn = start; pfn < end; pfn++) {
        struct mmk_page *page = mmk_pfn_to_page(pfn);

        assert_non_null(page);
        assert_int_equal(mmk_page_to_pfn(page), pfn);
        assert_ptr_equal(mmk_virt_to_page((char *)mmk_page_virt(page) + 4095), page);
    }
}

static void test_ranges_with_holes(void **state)
{
    /* In bytes from the start of RAM: odd ends, odd sizes, two that touch. */
    static const uint64_t piece[][2] = {
        {MMK_PAGE_SIZE * 3 + 1, 0x200000 - 1},
        {0x300000, 0x307000},
        {0x31f000, 0x321fff},
        {0x400000, 0x9ff000},
        {0x9ff000, 0x1001000},
        {0x1100001, 0x1200fff},
    };
    enum { PIECES = sizeof(piece) / sizeof(piece[0]) };
    size_t before[ORDERS], after[ORDERS], i, n;
    uint64_t usable = 0, frames;
    mmk_paddr_t start, end;

    (void)state;
    restart_without_memory(&start, &end);
    for (i = 0; i < PIECES; i++) {
        assert_int_equal(mmk_add_memory(start + piece[i][0], start + piece[i][1]), 0);
        frames = (piece[i][1] >> MMK_PAGE_SHIFT) - (mmk_page_up(piece[i][0]) >> MMK_PAGE_SHIFT);
        usable += frames - (frames + 63) / 64;
        assert_int_equal(mmk_frames_total(), usable);
    }
    for (i = 0; i < PIECES; i++)
        check_range((start + mmk_page_up(piece[i][0])) >> MMK_PAGE_SHIFT,
                    (start + piece[i][1]) >> MMK_PAGE_SHIFT);
    assert_null(mmk_pfn_to_page((start + 3 * MMK_PAGE_SIZE) >> MMK_PAGE_SHIFT));
    assert_null(mmk_pfn_to_page((start + 0x200000) >> MMK_PAGE_SHIFT));
    assert_null(mmk_pfn_to_page((start + 0x307000) >> MMK_PAGE_SHIFT));
    assert_null(mmk_pfn_to_page((start + 0x1200000) >> MMK_PAGE_SHIFT));

    measure(before);
    assert_int_equal(before[0], mmk_frames_free());
    n = take_all(3);
    for (i = 0; i < n; i++) {
        struct block block = {pages[i], 3, i << 16};

        stamp_block(&block);
    }
    for (i = 0; i < n; i++) {
        struct block block = {pages[i], 3, i << 16};

        assert_true(stamp_intact(&block));
    }
    put_all(n);
    measure(after);
    assert_memory_equal(before, after, sizeof(before));
}

/* Whatever lies where a descriptor would be, if the range were larger, is taken for none. */
static void test_range_edges(void **state)
{
    mmk_paddr_t start, end;
    uint32_t *word;
    size_t i, n;

    (void)state;
    restart_without_memory(&start, &end);

    /* Frames 8 to 15: their buddy, 0 to 7, begins before the range. */
    word = mmk_phys_to_virt(start);
    for (i = 0; i < 7 * MMK_PAGE_SIZE / sizeof(*word); i++)
        word[i] = MMK_PAGE_FREE | 3 << MMK_PF_ORDER_AT;
    assert_int_equal(mmk_add_memory(start + 7 * MMK_PAGE_SIZE, start + 16 * MMK_PAGE_SIZE), 0);
    assert_int_equal(mmk_frames_total(), 8);

    /* Frame 96: its buddy's descriptor would be where frame 34 is. */
    assert_int_equal(mmk_add_memory(start + 33 * MMK_PAGE_SIZE, start + 97 * MMK_PAGE_SIZE), 0);
    assert_int_equal(mmk_frames_total(), 8 + 63);
    n = take_all(0);
    assert_int_equal(n, 8 + 63);
    word = mmk_phys_to_virt(start + 34 * MMK_PAGE_SIZE);
    for (i = 0; i < MMK_PAGE_SIZE / sizeof(*word); i++)
        word[i] = MMK_PAGE_FREE;
    put_all(n);
    drain_all();
    mmk_frame_check();
    assert_int_equal(mmk_frames_free(), 8 + 63);
    assert_int_equal(take_all(5), 1);
    put_all(1);
}

static void test_failing(void **state)
{
    uint64_t free = mmk_frames_free();
    struct mmk_page *page;

    (void)state;
    machine_fail_nth(1, false);
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_non_null(page);
    assert_null(mmk_page_alloc(0, MMK_ALLOC_NORMAL));
    mmk_page_put(page);
    page = mmk_page_alloc(2, MMK_ALLOC_NORMAL);
    assert_non_null(page);
    assert_true(machine_fail_stop());
    mmk_page_put(page);

    machine_fail_nth(0, true);
    assert_null(mmk_page_alloc(0, MMK_ALLOC_NORMAL));
    assert_null(mmk_page_alloc(5, MMK_ALLOC_ZERO));
    assert_true(machine_fail_stop());
    assert_int_equal(mmk_frames_free(), free);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { EXCHANGE = 64, THREADS = 3, THREAD_STEPS = 30000 };

/* Blocks on their way from one CPU to another. */
static struct block exchange[EXCHANGE];
static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;

static void swap_with_others(struct block *mine, size_t slot)
{
    struct block theirs;

    pthread_mutex_lock(&exchange_lock);
    theirs = exchange[slot];
    exchange[slot] = *mine;
    pthread_mutex_unlock(&exchange_lock);
    *mine = theirs;
}

static void *work(void *argument)
{
    unsigned cpu = *(unsigned *)argument;
    struct block mine[48] = {{NULL, 0, 0}};
    uint64_t seed = cpu;
    unsigned i;

    machine_cpu_attach(cpu);
    for (i = 0; i < THREAD_STEPS; i++) {
        uint64_t random = next_random(&seed);
        struct block *block = &mine[random % 48];
        unsigned order = (random >> 16) % 4 ? 0 : (unsigned)(random >> 32) % ORDERS;

        if (!block->page) {
            (void)block_alloc(block, order, (uint64_t)i << 8 | cpu);
        } else if ((random >> 20) % 4 == 0) {
            swap_with_others(block, (random >> 40) % EXCHANGE);
        } else {
            block_free(block);
            block->page = NULL;
        }
    }
    for (i = 0; i < 48; i++)
        if (mine[i].page)
            block_free(&mine[i]);
    machine_cpu_detach();
    return NULL;
}

static void start_threads(pthread_t threads[THREADS])
{
    static unsigned cpus[THREADS];
    unsigned i;

    memset(exchange, 0, sizeof(exchange));
    for (i = 0; i < THREADS; i++) {
        cpus[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &cpus[i]), 0);
    }
}

static void join_threads(pthread_t threads[THREADS])
{
    unsigned i;

    machine_idle_begin();
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    machine_idle_end();
    for (i = 0; i < EXCHANGE; i++)
        if (exchange[i].page)
            block_free(&exchange[i]);
    mmk_frame_check();
}

static void test_threads(void **state)
{
    size_t before[ORDERS], after[ORDERS];
    pthread_t threads[THREADS];

    (void)state;
    measure(before);
    start_threads(threads);
    join_threads(threads);
    measure(after);
    assert_memory_equal(before, after, sizeof(before));
}

static void test_memory_added_beside_threads(void **state)
{
    pthread_t threads[THREADS];
    mmk_paddr_t start, end, at;

    (void)state;
    restart_without_memory(&start, &end);
    assert_int_equal(mmk_add_memory(start, start + (1 << 20)), 0);
    start_threads(threads);
    for (at = start + (2 << 20); at < start + (30 << 20); at += 2 << 20) {
        /* An odd start, so that blocks of all sizes come in. */
        assert_int_equal(mmk_add_memory(at + 5 * MMK_PAGE_SIZE, at + (2 << 20)), 0);
        usleep(1000);
    }
    join_threads(threads);
    drain_all();
    assert_int_equal(take_all(0), mmk_frames_total());
    put_all(mmk_frames_total());
}

/* ---- broken invariants ----------------------------------------------------------------------- */

static void put(void *page)
{
    mmk_page_put(page);
}

static void free_now(void *page)
{
    mmk_frame_free(page);
}

static void check_all(void *unused)
{
    (void)unused;
    mmk_frame_check();
}

static void free_unowned(void *page)
{
    mmk_a32_store(&((struct mmk_page *)page)->refs, 0, MMK_RELAXED);
    mmk_frame_free(page);
}

static void convert(void *page)
{
    (void)mmk_page_to_pfn(page);
}

static void test_panics(void **state)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    struct mmk_page *block = mmk_page_alloc(3, MMK_ALLOC_NORMAL);
    struct mmk_page elsewhere;

    (void)state;
    assert_non_null(page);
    assert_non_null(block);
    assert_true(expect_panic(free_now, page, "F1 a frame is freed that has references"));
    assert_true(expect_panic(put, block + 1, "F1 a reference is dropped that nobody had"));
    assert_true(expect_panic(free_now, block + 1, "F1 a frame is freed that is not allocated"));
    assert_true(expect_panic(convert, &elsewhere, "a page descriptor is in no range"));

    assert_true(mmk_page_trylock(page));
    assert_true(expect_panic(put, page, "F1 a frame is freed that is locked"));
    mmk_page_unlock(page);
    mmk_page_set_type(page, MMK_PAGE_ANON);
    mmk_a32_store(&page->user.mapcount, 1, MMK_RELAXED);
    assert_true(expect_panic(put, page, "F1 a frame is freed that is mapped"));
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);

    mmk_page_put(page);
    mmk_page_put(block);
    assert_true(expect_panic(put, page, "F1 a reference is dropped that nobody had"));
    assert_true(expect_panic(put, block, "F1 a reference is dropped that nobody had"));
    assert_true(expect_panic(free_unowned, page, "F1 a frame is freed that is not allocated"));
    assert_true(expect_panic(free_unowned, block, "F1 a frame is freed that is not allocated"));
}

/* mmk_frame_check() finds what it is there to find. */
static void test_check_finds(void **state)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_NORMAL), *block;
    uint32_t flags;

    (void)state;
    assert_non_null(page);
    flags = mmk_a32_load(&page->flags, MMK_RELAXED);
    mmk_a32_store(&page->flags, (uint32_t)MMK_PAGE_CACHED, MMK_RELAXED);
    assert_true(expect_panic(check_all, NULL, "FR4"));
    mmk_a32_store(&page->flags, (uint32_t)MMK_PAGE_FREE, MMK_RELAXED);
    assert_true(expect_panic(check_all, NULL, "FR"));
    mmk_a32_store(&page->flags, (uint32_t)MMK_PAGE_RESERVED, MMK_RELAXED);
    assert_true(expect_panic(check_all, NULL, "not reserved"));
    mmk_a32_store(&page->flags, flags | MMK_MAX_ORDER << MMK_PF_ORDER_AT, MMK_RELAXED);
    assert_true(expect_panic(check_all, NULL, "FR"));
    mmk_a32_store(&page->flags, flags, MMK_RELAXED);
    mmk_page_put(page);

    mmk_page_get(page); /* now in this CPU's cache */
    assert_true(expect_panic(check_all, NULL, "F1 a free frame has no references"));
    mmk_a32_store(&page->refs, 0, MMK_RELAXED);
    block = mmk_page_alloc(3, MMK_ALLOC_NORMAL);
    assert_non_null(block);
    mmk_page_put(block);
    mmk_page_set(block, MMK_PF_DIRTY);
    assert_true(expect_panic(check_all, NULL, "FR2"));
    mmk_page_clear(block, MMK_PF_DIRTY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts),
        TEST(test_references),
        TEST(test_zero),
        TEST(test_exhaustion),
        TEST(test_waits_before_failing),
        TEST(test_own_cache_gives_way),
        TEST(test_random),
        TEST(test_bad_ranges),
        TEST(test_ranges_with_holes),
        TEST(test_range_edges),
        TEST(test_failing),
        TEST(test_threads),
        TEST(test_memory_added_beside_threads),
        TEST(test_panics),
        TEST(test_check_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
