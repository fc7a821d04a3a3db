/* SPDX-License-Identifier: MIT */
/*
 * test_slab.c - caches of small objects. Every object is filled with a stamp of its own and read
 * back before it is freed, so that one handed out twice, or reaching into another, is noticed.
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
#include "slab.h"
#include "expect_panic.h"
#include "random.h"

#define CPUS   4
#define MEMORY ((uint64_t)32 << 20)
#define MANY   40000

/* For threads, where cmocka's assertions cannot be used. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const size_t sizes[] = {1, 16, 40, 112, 208, 256, 1000, 2048};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct mmk_slab_cache caches[SIZES];
static unsigned char *objects[MANY];
static uint64_t free_at_start, slabs_at_start;

/* An object begins with its stamp where it has room, and all its bytes depend on it. */
static void fill(unsigned char *object, size_t size, uint64_t stamp)
{
    size_t i;

    for (i = 0; i < size; i++)
        object[i] = (unsigned char)(stamp >> i % 8 * 8);
}

static bool filled(const unsigned char *object, size_t size, uint64_t stamp)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (object[i] != (unsigned char)(stamp >> i % 8 * 8))
            return false;
    return true;
}

static unsigned char *object_alloc(struct mmk_slab_cache *cache, uint64_t stamp)
{
    unsigned char *object = mmk_slab_alloc(cache, MMK_ALLOC_NORMAL);
    uintptr_t at = (uintptr_t)object;

    if (!object)
        return NULL;
    must(at % 16 == 0);
    must(at / MMK_PAGE_SIZE == (at + cache->size - 1) / MMK_PAGE_SIZE);
    fill(object, cache->size, stamp);
    return object;
}

static void object_free(struct mmk_slab_cache *cache, unsigned char *object, uint64_t stamp)
{
    must(filled(object, cache->size, stamp));
    mmk_slab_free(cache, object);
}

static void drain_all(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        mmk_slab_drain_cpu(cpu);
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        mmk_frame_drain_cpu(cpu);
}

static int setup(void **state)
{
    const struct machine_config config = {
        .memory = MEMORY, .cpus = CPUS, .mmkit = MMK_CONFIG_DEFAULT};
    size_t i;

    (void)state;
    if (machine_create(&config) != 0)
        return -1;
    machine_cpu_attach(0);
    for (i = 0; i < SIZES; i++)
        mmk_slab_cache_init(&caches[i], "test", sizes[i]);
    drain_all();
    free_at_start = mmk_frames_free();
    slabs_at_start = mmk_slab_frames();
    return 0;
}

/* With no object out, every frame comes back. */
static int teardown(void **state)
{
    (void)state;
    mmk_slab_check();
    drain_all();
    mmk_slab_check();
    mmk_frame_check();
    if (mmk_frames_free() != free_at_start || mmk_slab_frames() != slabs_at_start)
        return -1;
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

static void test_sizes(void **state)
{
    size_t i, j, n;

    (void)state;
    for (i = 0; i < SIZES; i++) {
        struct mmk_slab_cache *cache = &caches[i];

        assert_true(cache->size >= sizes[i] && cache->size < sizes[i] + 16);
        n = 5 * (size_t)cache->per_frame + 3;
        for (j = 0; j < n; j++) {
            objects[j] = object_alloc(cache, j + 1);
            assert_non_null(objects[j]);
        }
        /* 5 frames and a bit, and one more to fill half a magazine from at most. */
        assert_in_range(mmk_slab_frames() - slabs_at_start, 6, 9);
        mmk_slab_check();
        for (j = 0; j < n; j++) /* in another order; a prime larger than n, so each once */
            object_free(cache, objects[j * 10007 % n], j * 10007 % n + 1);
        mmk_slab_check();
        drain_all();
        assert_int_equal(mmk_slab_frames(), slabs_at_start);
    }
}

static void test_zero(void **state)
{
    struct mmk_slab_cache *cache = &caches[4];
    unsigned char *object = object_alloc(cache, UINT64_MAX);
    size_t i;

    (void)state;
    assert_non_null(object);
    object_free(cache, object, UINT64_MAX);
    for (i = 0; i < 100; i++) {
        objects[i] = mmk_slab_alloc(cache, MMK_ALLOC_ZERO | MMK_ALLOC_NOWAIT);
        assert_non_null(objects[i]);
        assert_true(filled(objects[i], cache->size, 0));
        fill(objects[i], cache->size, UINT64_MAX);
    }
    for (i = 0; i < 100; i++)
        object_free(cache, objects[i], UINT64_MAX);
}

static void test_random(void **state)
{
    enum { SLOTS = 3000, STEPS = 200000 };
    static unsigned which[SLOTS];
    uint64_t seed = 2;
    unsigned i, slot;

    (void)state;
    memset(objects, 0, sizeof(objects));
    for (i = 0; i < STEPS; i++) {
        uint64_t random = next_random(&seed);

        slot = (unsigned)(random % SLOTS);
        if (objects[slot]) {
            object_free(&caches[which[slot]], objects[slot], slot);
            objects[slot] = NULL;
        } else {
            which[slot] = (unsigned)(random >> 32) % (unsigned)SIZES;
            objects[slot] = object_alloc(&caches[which[slot]], slot);
            assert_non_null(objects[slot]);
        }
        if (i % 10000 == 0)
            mmk_slab_check();
        if (i % 50000 == 49999)
            drain_all(); /* in use or not, a drain harms nothing */
    }
    for (slot = 0; slot < SLOTS; slot++)
        if (objects[slot])
            object_free(&caches[which[slot]], objects[slot], slot);
}

/* One object that comes and goes moves no frame; many that go leave one frame and a magazine's. */
static void test_empty_frames(void **state)
{
    struct mmk_slab_cache *cache = &caches[5];
    uint64_t free;
    unsigned i;

    (void)state;
    object_free(cache, object_alloc(cache, 1), 1);
    free = mmk_frames_free();
    for (i = 0; i < 1000; i++) {
        object_free(cache, object_alloc(cache, i), i);
        assert_int_equal(mmk_frames_free(), free);
    }
    for (i = 0; i < 1600; i++) {
        objects[i] = object_alloc(cache, i);
        assert_non_null(objects[i]);
    }
    assert_true(mmk_slab_frames() - slabs_at_start >= 100);
    for (i = 0; i < 1600; i++)
        object_free(cache, objects[i], i);
    assert_in_range(mmk_slab_frames() - slabs_at_start, 1, 1 + MMK_SLAB_MAGAZINE);
    assert_int_equal(cache->empty, 1);
}

static void test_exhaustion(void **state)
{
    struct mmk_slab_cache *cache = &caches[SIZES - 1];
    size_t i, n = 0;
    unsigned round;

    (void)state;
    for (round = 0; round < 2; round++) {
        for (n = 0; n < MANY && (objects[n] = object_alloc(cache, n)) != NULL; n++)
            ;
        assert_int_equal(n, free_at_start * 2);
        assert_int_equal(mmk_frames_free(), 0);
        assert_null(mmk_slab_alloc(cache, MMK_ALLOC_NOWAIT));
        mmk_slab_check();
        object_free(cache, objects[n - 1], n - 1);
        objects[n - 1] = object_alloc(cache, n - 1);
        assert_non_null(objects[n - 1]);
        for (i = 0; i < n; i++)
            object_free(cache, objects[i], i);
        drain_all();
        assert_int_equal(mmk_frames_free(), free_at_start);
    }
}

/* A first allocation has two steps that can fail; then a magazine has objects. */
static void test_failing(void **state)
{
    struct mmk_slab_cache *cache = &caches[2];
    void *first, *second;
    uint64_t n;

    (void)state;
    for (n = 0; n < 2; n++) {
        machine_fail_nth(n, false);
        assert_null(mmk_slab_alloc(cache, MMK_ALLOC_NORMAL));
        assert_true(machine_fail_stop());
        assert_int_equal(mmk_frames_free(), free_at_start);
        mmk_slab_check();
    }
    machine_fail_nth(2, true);
    first = mmk_slab_alloc(cache, MMK_ALLOC_NORMAL);
    assert_non_null(first);
    assert_null(mmk_slab_alloc(cache, MMK_ALLOC_ZERO));
    assert_true(machine_fail_stop());
    machine_fail_nth(1, true); /* no frame is wanted */
    second = mmk_slab_alloc(cache, MMK_ALLOC_NORMAL);
    assert_false(machine_fail_stop());
    assert_non_null(second);
    mmk_slab_free(cache, first);
    mmk_slab_free(cache, second);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { EXCHANGE = 128, THREADS = 3, THREAD_STEPS = 60000, MINE = 200 };

struct held {
    unsigned char *object;
    unsigned cache;
    uint64_t stamp;
};

/* Objects on their way from one CPU to another. */
static struct held exchange[EXCHANGE];
static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;

static void swap_with_others(struct held *mine, size_t slot)
{
    struct held theirs;

    pthread_mutex_lock(&exchange_lock);
    theirs = exchange[slot];
    exchange[slot] = *mine;
    pthread_mutex_unlock(&exchange_lock);
    *mine = theirs;
}

static void step(struct held *held, uint64_t random, uint64_t stamp)
{
    if (!held->object) {
        held->cache = (unsigned)(random >> 32) % (unsigned)SIZES;
        held->stamp = stamp;
        held->object = object_alloc(&caches[held->cache], stamp);
        must(held->object);
    } else if ((random >> 20) % 3 == 0) {
        swap_with_others(held, (random >> 40) % EXCHANGE);
    } else {
        object_free(&caches[held->cache], held->object, held->stamp);
        held->object = NULL;
    }
}

static void *work(void *argument)
{
    unsigned i, cpu = *(unsigned *)argument;
    struct held mine[MINE] = {{NULL, 0, 0}};
    uint64_t random, seed = cpu;

    machine_cpu_attach(cpu);
    for (i = 0; i < THREAD_STEPS; i++) {
        random = next_random(&seed);
        step(&mine[random % MINE], random, random);
        if (i % 5000 == 0)
            mmk_slab_drain_cpu(cpu);
    }
    for (i = 0; i < MINE; i++)
        if (mine[i].object)
            object_free(&caches[mine[i].cache], mine[i].object, mine[i].stamp);
    machine_cpu_detach();
    return NULL;
}

static void test_threads(void **state)
{
    unsigned i, cpus[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    memset(exchange, 0, sizeof(exchange));
    for (i = 0; i < THREADS; i++) {
        cpus[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &cpus[i]), 0);
    }
    machine_idle_begin();
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    machine_idle_end();
    for (i = 0; i < EXCHANGE; i++)
        if (exchange[i].object)
            object_free(&caches[exchange[i].cache], exchange[i].object, exchange[i].stamp);
}

/* ---- broken invariants ----------------------------------------------------------------------- */

static void free_in_second(void *object)
{
    mmk_slab_free(&caches[2], object);
}

static void free_in_third(void *object)
{
    mmk_slab_free(&caches[3], object);
}

static void free_twice(void *object)
{
    mmk_slab_free(&caches[2], object);
    mmk_slab_free(&caches[2], object);
}

static void init_too_large(void *unused)
{
    (void)unused;
    mmk_slab_cache_init(&caches[0], "large", MMK_PAGE_SIZE / 2 + 1);
}

static void check_all(void *unused)
{
    (void)unused;
    mmk_slab_check();
}

static void test_panics(void **state)
{
    unsigned char *object = object_alloc(&caches[2], 0);
    struct mmk_page *plain = mmk_page_alloc(0, MMK_ALLOC_NORMAL), *page;

    (void)state;
    assert_non_null(object);
    assert_non_null(plain);
    assert_true(expect_panic(free_in_third, object, "to the cache that it came from"));
    assert_true(expect_panic(free_in_second, mmk_page_address(plain), "to the cache"));
    assert_true(expect_panic(free_in_second, object + 16, "freed by its address"));
    assert_true(expect_panic(free_in_second, object + 1, "freed by its address"));
    assert_true(expect_panic(free_twice, object, "an object is freed once"));
    assert_true(expect_panic(init_too_large, NULL, "at most half a page"));

    page = mmk_virt_to_page(object);
    page->slab.used++;
    assert_true(expect_panic(check_all, NULL, "SL1"));
    page->slab.used--;
    caches[2].empty++;
    assert_true(expect_panic(check_all, NULL, "SL3"));
    caches[2].empty--;
    mmk_page_put(plain);
    object_free(&caches[2], object, 0);
}

/* Of every size, a frame's every object is known by its address (found without a division). */
static void test_every_size(void **state)
{
    static struct mmk_slab_cache cache;
    size_t size, i;

    (void)state;
    for (size = 16; size <= 2048; size += 16) {
        mmk_slab_init(); /* forget the last */
        mmk_slab_cache_init(&cache, "every size", size);
        assert_int_equal(cache.per_frame, MMK_PAGE_SIZE / size);
        for (i = 0; i < cache.per_frame; i++) {
            objects[i] = object_alloc(&cache, i);
            assert_non_null(objects[i]);
        }
        assert_int_equal(mmk_slab_frames(), 1);
        for (i = 0; i < cache.per_frame; i++)
            object_free(&cache, objects[i], i);
        drain_all();
        assert_int_equal(mmk_slab_frames(), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),        TEST(test_zero),       TEST(test_random),
        TEST(test_empty_frames), TEST(test_exhaustion), TEST(test_failing),
        TEST(test_threads),      TEST(test_panics),     TEST(test_every_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
