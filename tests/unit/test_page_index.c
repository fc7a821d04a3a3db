/* SPDX-License-Identifier: MIT */
/*
 * test_page_index.c - the page index against an array; readers beside a writer.
 *
 * The index does not look into pages, so descriptors without frames serve. TEST_SEED=n repeats a
 * run; the seed is printed when something differs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <cmocka.h>

#include "page_index.h"
#include "slab.h"
#include "random.h"
#include <machine.h>

#define SLOTS   1500
#define READERS 2

static uint64_t seed, state;

static uint64_t below(uint64_t limit)
{
    return random_below(&state, limit);
}

/* The model: indices in ascending order, the page that goes there, whether it is there. */
static struct mmk_page pages[SLOTS];
static uint64_t at[SLOTS];
static bool in[SLOTS];
static size_t slots;

static void expect(bool condition, const char *what)
{
    if (!condition)
        fail_msg("TEST_SEED=%llu: %s", (unsigned long long)seed, what);
}

static int compare_indices(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sorts what was put into at[], and drops what is there twice. */
static void model_init(size_t count)
{
    size_t i;

    qsort(at, count, sizeof(at[0]), compare_indices);
    slots = 0;
    for (i = 0; i < count; i++)
        if (slots == 0 || at[slots - 1] != at[i])
            at[slots++] = at[i];
    for (i = 0; i < SLOTS; i++)
        in[i] = false;
}

static struct mmk_page *insert(struct mmk_page_index *index, uint64_t i, struct mmk_page *page)
{
    struct mmk_page_index_reserve reserve;
    struct mmk_page *there;

    assert_int_equal(mmk_page_index_reserve(&reserve), 0);
    there = mmk_page_index_insert_locked(index, i, page, &reserve);
    mmk_page_index_unreserve(&reserve);
    return there;
}

static struct mmk_page *find(const struct mmk_page_index *index, uint64_t i)
{
    struct mmk_page *page;

    mmk_rcu_read_lock();
    page = mmk_page_index_find_rcu(index, i);
    mmk_rcu_read_unlock();
    return page;
}

/* Every page in [first, last] once, in order. */
static void compare(const struct mmk_page_index *index, uint64_t first, uint64_t last)
{
    struct mmk_page *page;
    uint64_t i = first;
    size_t s;

    mmk_rcu_read_lock();
    page = mmk_page_index_next_rcu(index, &i, last);
    for (s = 0; s < slots; s++) {
        if (!in[s] || at[s] < first || at[s] > last)
            continue;
        expect(page == &pages[s] && i == at[s], "next: another page than the model's");
        if (i++ == last)
            page = NULL;
        else
            page = mmk_page_index_next_rcu(index, &i, last);
    }
    expect(!page, "next: a page that the model does not have");
    mmk_rcu_read_unlock();
}

static void step(struct mmk_page_index *index, size_t s)
{
    if (in[s]) {
        expect(insert(index, at[s], &pages[(s + 1) % SLOTS]) == &pages[s], "insert: over another");
        expect(mmk_page_index_remove_locked(index, at[s]) == &pages[s], "remove: another page");
    } else {
        expect(!mmk_page_index_remove_locked(index, at[s]), "remove: a page that is not there");
        expect(!insert(index, at[s], &pages[s]), "insert: a page that is not there");
    }
    in[s] = !in[s];
    expect(find(index, at[s]) == (in[s] ? &pages[s] : NULL), "find: the page just changed");
}

static void run(size_t count, unsigned steps)
{
    struct mmk_page_index index;
    uint64_t first;
    unsigned n;
    size_t s;

    model_init(count);
    mmk_page_index_init(&index);
    for (n = 0; n < steps; n++) {
        s = below(slots);
        /* Phases of growing and of shrinking. */
        if (in[s] == (n / 2000 % 2 == 0) && below(4) != 0)
            continue;
        step(&index, s);
        mmk_page_index_check(&index);
        s = below(slots);
        expect(find(&index, at[s]) == (in[s] ? &pages[s] : NULL), "find: any page");
        first = at[below(slots)] + below(3) - 1;
        if (n % 16 == 0)
            compare(&index, first, first | next_random(&state) >> below(64));
    }
    compare(&index, 0, UINT64_MAX);
    for (s = 0; s < slots; s++)
        if (in[s])
            step(&index, s);
    expect(mmk_page_index_nodes(&index) == 0 && index.count == 0, "nodes left in an empty index");
}

static void test_dense(void **context)
{
    size_t i;

    (void)context;
    for (i = 0; i < SLOTS; i++)
        at[i] = i;
    run(SLOTS, 10000);
}

static void test_sparse(void **context)
{
    size_t i;

    (void)context;
    for (i = 0; i < SLOTS; i++)
        at[i] = below((uint64_t)1 << 52);
    run(SLOTS, 6000);
}

/* Clusters of near indices, and both sides of every power of two. */
static void test_mixed(void **context)
{
    uint64_t base = 0;
    size_t i;

    (void)context;
    for (i = 0; i < 128; i++)
        at[i] = ((uint64_t)1 << (i / 2)) - (i & 1);
    for (; i < 600; i++) {
        if (i % 40 == 0)
            base = below((uint64_t)1 << (12 + below(40)));
        at[i] = base + below(200);
    }
    at[i++] = UINT64_MAX;
    run(i, 10000);
}

/* Nothing is spent on levels without a choice. */
static void test_nodes(void **context)
{
    struct mmk_page_index index;

    (void)context;
    mmk_page_index_init(&index);
    assert_null(insert(&index, ((uint64_t)1 << 52) - 1, &pages[0]));
    assert_int_equal(mmk_page_index_nodes(&index), 1);
    assert_null(insert(&index, 0, &pages[1]));
    assert_int_equal(mmk_page_index_nodes(&index), 3);
    assert_null(insert(&index, 63, &pages[2]));
    assert_int_equal(mmk_page_index_nodes(&index), 3);
    assert_null(insert(&index, 64, &pages[3]));
    assert_int_equal(mmk_page_index_nodes(&index), 5);
    assert_ptr_equal(mmk_page_index_remove_locked(&index, ((uint64_t)1 << 52) - 1), &pages[0]);
    assert_int_equal(mmk_page_index_nodes(&index), 3);
    assert_ptr_equal(mmk_page_index_remove_locked(&index, 64), &pages[3]);
    assert_int_equal(mmk_page_index_nodes(&index), 1);
    assert_ptr_equal(mmk_page_index_remove_locked(&index, 0), &pages[1]);
    assert_ptr_equal(mmk_page_index_remove_locked(&index, 63), &pages[2]);
    assert_int_equal(mmk_page_index_nodes(&index), 0);
}

/* What a reader may be in is not freed under it. */
static void test_grace_period(void **context)
{
    struct mmk_page_index index;
    uint64_t frames;
    size_t i;

    (void)context;
    mmk_page_index_init(&index);
    for (i = 0; i < SLOTS; i++)
        assert_null(insert(&index, i * 64, &pages[i]));
    mmk_drain();
    mmk_rcu_read_lock();
    frames = mmk_slab_frames();
    for (i = 0; i < SLOTS; i++)
        assert_ptr_equal(mmk_page_index_remove_locked(&index, i * 64), &pages[i]);
    assert_int_equal(mmk_slab_frames(), frames);
    mmk_rcu_read_unlock();
    mmk_drain();
    assert_true(mmk_slab_frames() + SLOTS / 8 < frames);
}

static void test_no_memory(void **context)
{
    struct mmk_page_index_reserve reserve;
    uint64_t n;
    int onward, error;

    (void)context;
    for (onward = 0; onward < 2; onward++) {
        for (n = 0;; n++) {
            machine_fail_nth(n, onward);
            error = mmk_page_index_reserve(&reserve);
            if (!machine_fail_stop())
                break;
            assert_int_equal(error, MMK_ENOMEM);
            assert_int_equal(reserve.count, 0);
        }
        assert_int_equal(error, 0);
        assert_int_equal(reserve.count, MMK_PAGE_INDEX_RESERVE);
        assert_true(n >= MMK_PAGE_INDEX_RESERVE);
        mmk_page_index_unreserve(&reserve);
    }
}

/*
 * Readers beside a writer. Half of the low pages stay; the other half, and those far out, come and
 * go, so that the root changes all the time. A reader finds every page that stays, and never a
 * page in a wrong place.
 */
#define LOW    16 /* slots */
#define FAR    8
#define PASSES 300 /* of all readers together */

static struct mmk_page_index shared;
static struct mmk_a32 stop, passes;

static bool stays(size_t s)
{
    return s < LOW && s % 2 == 0;
}

static uint64_t find_all(void)
{
    uint64_t faults = 0;
    struct mmk_page *page;
    size_t s;

    for (s = 0; s < slots; s++) {
        page = find(&shared, at[s]);
        faults += page != &pages[s] && (page || stays(s));
    }
    return faults;
}

static uint64_t walk_all(void)
{
    struct mmk_page *page;
    uint64_t i = 0, faults = 0;
    size_t s = 0;

    mmk_rcu_read_lock();
    for (; (page = mmk_page_index_next_rcu(&shared, &i, UINT64_MAX)); i++) {
        for (; s < slots && at[s] < i; s++)
            faults += stays(s);
        faults += s == slots || at[s] != i || page != &pages[s];
        s++;
    }
    for (; s < slots; s++)
        faults += stays(s);
    mmk_rcu_read_unlock();
    return faults;
}

static void *reader(void *cpu)
{
    uint64_t faults = 0;

    machine_cpu_attach(*(unsigned *)cpu);
    while (!mmk_a32_load(&stop, MMK_RELAXED)) {
        faults += find_all() + walk_all();
        mmk_a32_fetch_add(&passes, 1, MMK_RELAXED);
    }
    machine_cpu_detach();
    return (void *)(uintptr_t)faults;
}

static void write_beside_readers(void)
{
    unsigned n;
    size_t s;

    for (n = 0; n < 20000 || mmk_a32_load(&passes, MMK_RELAXED) < PASSES; n++) {
        s = below(slots);
        if (!stays(s))
            step(&shared, s);
        if (n % 256 == 0)
            mmk_page_index_check(&shared);
    }
}

static void test_readers(void **context)
{
    static unsigned cpus[READERS] = {1, 2};
    pthread_t threads[READERS];
    uint64_t faults = 0;
    void *result;
    size_t i;

    (void)context;
    for (i = 0; i < LOW + FAR; i++)
        at[i] = i < LOW ? i * 16 : (uint64_t)1 << (6 * (i - LOW) + 9);
    model_init(LOW + FAR);
    mmk_page_index_init(&shared);
    for (i = 0; i < slots; i++)
        if (stays(i))
            step(&shared, i);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    for (i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &cpus[i]), 0);
    write_beside_readers();
    mmk_a32_store(&stop, 1, MMK_RELAXED);
    machine_idle_begin();
    for (i = 0; i < READERS; i++) {
        pthread_join(threads[i], &result);
        faults += (uintptr_t)result;
    }
    machine_idle_end();
    expect(faults == 0, "a reader missed a page, or found a wrong one");
    for (i = 0; i < slots; i++)
        if (in[i])
            step(&shared, i);
    assert_int_equal(mmk_page_index_nodes(&shared), 0);
}

static int setup(void **context)
{
    struct machine_config config = {
        .memory = (uint64_t)64 << 20,
        .cpus = 1 + READERS,
        .mmkit = MMK_CONFIG_DEFAULT,
    };

    (void)context;
    if (machine_create(&config))
        return -1;
    machine_cpu_attach(0);
    return 0;
}

static int teardown(void **context)
{
    (void)context;
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes),        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_sparse),       cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_grace_period), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_readers),
    };

    seed = seed_of_run();
    state = seed;
    return cmocka_run_group_tests_name("page_index", tests, setup, teardown);
}
