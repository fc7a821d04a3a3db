/* SPDX-License-Identifier: MIT */
/*
 * test_truncate.c - sizes and holes of objects that are mapped: what programs see, before and
 * after and while it happens.
 *
 * TEST_SEED=n repeats a run; the seed is printed at the start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>

#include "frame.h"
#include "object.h"
#include "rmap.h"
#include "object_setup.h"
#include "random.h"
#include <machine.h>

#define PAGE  MMK_PAGE_SIZE
#define PAGES 16
#define RW    (MMK_PROT_READ | MMK_PROT_WRITE)

static uint64_t seed, state;

/* A file whose bytes are all 7. */
static int read_sevens(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    (void)index;
    memset(page, 7, PAGE);
    return 0;
}

/* Its content comes back. */
static int stay_sevens(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    (void)offset;
    (void)length;
    return 0;
}

static const struct mmk_object_ops sevens = {.read_page = read_sevens, .punch_hole = stay_sevens};

static struct mmk_object *open_object(const struct mmk_object_ops *ops)
{
    struct mmk_object *object;

    assert_int_equal(mmk_object_create(ops, PAGES * PAGE, NULL, &object), 0);
    return object;
}

static struct mmk_mm *new_mm(void)
{
    struct mmk_mm *mm;

    assert_int_equal(mmk_mm_create(&mm), 0);
    return mm;
}

/* The whole object from its start. */
static mmk_vaddr_t map(struct mmk_mm *mm, struct mmk_object *object, unsigned flags)
{
    int64_t addr = mmk_mmap(mm, 0, PAGES * PAGE, RW, flags, object, 0);

    assert_true(addr > 0);
    return (mmk_vaddr_t)addr;
}

static void expect_byte(mmk_vaddr_t addr, uint8_t expected)
{
    uint8_t byte = (uint8_t)~expected;

    assert_int_equal(machine_load(addr, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(byte, expected);
}

static void store_byte(mmk_vaddr_t addr, uint8_t byte)
{
    assert_int_equal(machine_store(addr, &byte, 1), MMK_FAULT_DONE);
}

static void expect_bus(mmk_vaddr_t addr)
{
    uint8_t byte = 1;

    assert_int_equal(machine_load(addr, &byte, 1), MMK_FAULT_BUS);
    assert_int_equal(machine_store(addr, &byte, 1), MMK_FAULT_BUS);
}

static void drop_mm(struct mmk_mm *mm)
{
    machine_switch_mm(NULL);
    mmk_check(mm);
    mmk_mm_put(mm);
}

static void test_shrink_unmaps(void **context)
{
    struct mmk_object *object = open_object(NULL);
    struct mmk_mm *mm = new_mm();
    mmk_vaddr_t addr = map(mm, object, MMK_MAP_SHARED);
    uint64_t i;

    (void)context;
    machine_switch_mm(mm);
    for (i = 0; i < PAGES; i++)
        store_byte(addr + i * PAGE + 200, 9);
    assert_int_equal(mmk_object_resize(object, 3 * PAGE + 200), 0);
    mmk_object_check(object);
    mmk_check(mm);
    assert_int_equal(object->pages.count, 4);
    expect_byte(addr + 2 * PAGE + 200, 9);
    expect_byte(addr + 3 * PAGE + 200, 0);
    expect_bus(addr + 4 * PAGE);
    expect_bus(addr + (PAGES - 1) * PAGE);
    assert_int_equal(mmk_object_resize(object, PAGES * PAGE), 0);
    expect_byte(addr + 4 * PAGE + 200, 0);
    drop_mm(mm);
    mmk_object_put(object);
}

/* Two address spaces, one of which maps the object twice. */
/* What was stored beyond the end comes to light when the object grows, unless it was cut there. */
static void test_same_size(void **context)
{
    struct mmk_object *object = open_object(NULL);
    struct mmk_mm *mm = new_mm();
    mmk_vaddr_t addr = map(mm, object, MMK_MAP_SHARED);

    (void)context;
    machine_switch_mm(mm);
    assert_int_equal(mmk_object_resize(object, 3 * PAGE + 200), 0);
    store_byte(addr + 3 * PAGE + 199, 9);
    store_byte(addr + 3 * PAGE + 200, 9);
    assert_int_equal(mmk_object_resize(object, 3 * PAGE + 201), 0);
    expect_byte(addr + 3 * PAGE + 200, 9);
    store_byte(addr + 3 * PAGE + 201, 9);
    assert_int_equal(mmk_object_resize(object, 3 * PAGE + 201), 0);
    expect_byte(addr + 3 * PAGE + 200, 9);
    expect_byte(addr + 3 * PAGE + 201, 0);
    drop_mm(mm);
    mmk_object_put(object);
}

static void test_every_mapping(void **context)
{
    struct mmk_object *object = open_object(&sevens);
    struct mmk_mm *one = new_mm(), *two = new_mm();
    mmk_vaddr_t a = map(one, object, MMK_MAP_SHARED), b = map(one, object, MMK_MAP_PRIVATE);
    mmk_vaddr_t c = map(two, object, MMK_MAP_SHARED);
    struct mmk_page *page;

    (void)context;
    machine_switch_mm(one);
    expect_byte(a + 5 * PAGE, 7);
    expect_byte(b + 5 * PAGE, 7);
    machine_switch_mm(two);
    expect_byte(c + 5 * PAGE, 7);
    assert_int_equal(mmk_object_get_page(object, 5, &page), 0);
    mmk_page_unlock(page);
    assert_int_equal(mmk_page_mapcount(page), 3);
    assert_int_equal(mmk_page_refs(page), 5); /* F1: three mappings, the index, us */
    assert_int_equal(mmk_object_resize(object, 5 * PAGE), 0);
    assert_int_equal(mmk_page_mapcount(page), 0);
    assert_int_equal(mmk_page_refs(page), 1);
    mmk_page_put(page);
    expect_bus(c + 5 * PAGE);
    machine_switch_mm(one);
    expect_bus(a + 5 * PAGE);
    expect_bus(b + 5 * PAGE);
    drop_mm(one);
    drop_mm(two);
    mmk_object_put(object);
}

/* Truncation takes private copies too, a hole does not. */
static void test_private_copies(void **context)
{
    struct mmk_object *object = open_object(&sevens);
    struct mmk_mm *mm = new_mm();
    mmk_vaddr_t addr = map(mm, object, MMK_MAP_PRIVATE);

    (void)context;
    machine_switch_mm(mm);
    store_byte(addr + 2 * PAGE, 1);
    store_byte(addr + 6 * PAGE, 2);
    assert_int_equal(mmk_object_punch_hole(object, 2 * PAGE, PAGE), 0);
    expect_byte(addr + 2 * PAGE, 1);
    assert_int_equal(mmk_object_resize(object, 4 * PAGE), 0);
    expect_bus(addr + 6 * PAGE);
    expect_byte(addr + 2 * PAGE, 1);
    assert_int_equal(mmk_object_resize(object, 8 * PAGE), 0);
    expect_byte(addr + 6 * PAGE, 7); /* the copy is gone for good */
    drop_mm(mm);
    mmk_object_put(object);
}

static void test_hole(void **context)
{
    struct mmk_object *object = open_object(NULL);
    struct mmk_mm *mm = new_mm();
    mmk_vaddr_t addr = map(mm, object, MMK_MAP_SHARED);
    uint64_t i;

    (void)context;
    machine_switch_mm(mm);
    for (i = 0; i < 5 * PAGE; i += PAGE / 4)
        store_byte(addr + i, 3);
    assert_int_equal(mmk_object_punch_hole(object, PAGE + PAGE / 2, 2 * PAGE), 0);
    assert_int_equal(object->pages.count, 4);
    for (i = 0; i < 5 * PAGE; i += PAGE / 4)
        expect_byte(addr + i, i < PAGE + PAGE / 2 || i >= 3 * PAGE + PAGE / 2 ? 3 : 0);
    drop_mm(mm);
    mmk_object_put(object);
}

/* ---- while it happens --------------------------------------------------------------------------
 */

static struct mmk_object *shared;
static struct mmk_mm *shared_mm;
static mmk_vaddr_t shared_at, private_at;
static struct mmk_a32 stop, accesses, faults;

/* Loads and stores all over both mappings: each is done, or beyond the end. */
static void *access_all_the_time(void *cpu)
{
    uint64_t random = seed + *(unsigned *)cpu, at;
    enum mmk_fault_result result;
    uint8_t byte;

    machine_cpu_attach(*(unsigned *)cpu);
    machine_switch_mm(shared_mm);
    while (!mmk_a32_load(&stop, MMK_RELAXED)) {
        at = next_random(&random) % 2 ? shared_at : private_at;
        at += next_random(&random) % PAGES * PAGE;
        byte = 7;
        if (next_random(&random) % 2)
            result = machine_load(at, &byte, 1);
        else
            result = machine_store(at, &byte, 1);
        /* The first byte of a page is never cut off and the page kept: it is 7 while it is. */
        if ((result != MMK_FAULT_DONE && result != MMK_FAULT_BUS) || byte != 7)
            mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
        mmk_a32_fetch_add(&accesses, 1, MMK_RELAXED);
    }
    machine_switch_mm(NULL);
    machine_cpu_detach();
    return NULL;
}

static void count_fault(bool fault)
{
    if (fault)
        mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
}

/* Nothing is left of what was beyond, in spite of the faults that are under way. */
static void shrink_to_nothing(void)
{
    uint8_t byte;
    uint64_t i;

    assert_int_equal(mmk_object_resize(shared, 0), 0);
    for (i = 0; i < PAGES; i++) {
        count_fault(machine_load(shared_at + i * PAGE, &byte, 1) != MMK_FAULT_BUS);
        count_fault(machine_load(private_at + i * PAGE, &byte, 1) != MMK_FAULT_BUS);
    }
}

static void resize_all_the_time(void)
{
    unsigned n;
    uint64_t i;

    for (n = 0; n < 2000 || mmk_a32_load(&accesses, MMK_RELAXED) < 50000; n++) {
        assert_int_equal(mmk_object_resize(shared, PAGES * PAGE), 0);
        i = next_random(&state) % PAGES;
        assert_int_equal(mmk_object_punch_hole(shared, i * PAGE, 2 * PAGE), 0);
        assert_int_equal(mmk_object_resize(shared, next_random(&state) % (PAGES * PAGE)), 0);
        shrink_to_nothing();
    }
}

static void test_access_against_resize(void **context)
{
    static unsigned cpus[THREADS] = {1, 2};
    pthread_t threads[THREADS];
    uint64_t i;

    (void)context;
    shared = open_object(&sevens);
    shared_mm = new_mm();
    shared_at = map(shared_mm, shared, MMK_MAP_SHARED);
    private_at = map(shared_mm, shared, MMK_MAP_PRIVATE);
    machine_switch_mm(shared_mm);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, access_all_the_time, &cpus[i]), 0);
    resize_all_the_time();
    mmk_a32_store(&stop, 1, MMK_RELAXED);
    machine_idle_begin();
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    machine_idle_end();
    assert_int_equal(shared->pages.count, 0);
    mmk_object_check(shared);
    drop_mm(shared_mm);
    mmk_object_put(shared);
    assert_int_equal(mmk_a32_load(&faults, MMK_RELAXED), 0);
}

/* ---- without memory ----------------------------------------------------------------------------
 */

/* Unmapping cannot fail: whatever allocations fail, either all has happened or nothing. */
static void resize_without_memory(bool onward)
{
    struct mmk_object *object = open_object(&sevens);
    struct mmk_mm *mm = new_mm();
    mmk_vaddr_t addr = map(mm, object, MMK_MAP_SHARED);
    bool failed = true;
    uint64_t n, i;
    int error;

    machine_switch_mm(mm);
    for (n = 0; failed; n++) {
        assert_int_equal(mmk_object_resize(object, PAGES * PAGE), 0);
        for (i = 0; i < PAGES; i++)
            if (i != 3)
                expect_byte(addr + i * PAGE, 7);
        machine_fail_nth(n, onward);
        error = mmk_object_resize(object, 3 * PAGE + 1);
        failed = machine_fail_stop();
        mmk_object_check(object);
        mmk_check(mm);
        if (error) {
            assert_int_equal(error, MMK_ENOMEM);
            assert_int_equal(mmk_object_size(object), PAGES * PAGE);
            expect_byte(addr + (PAGES - 1) * PAGE, 7);
        } else {
            expect_bus(addr + 4 * PAGE);
        }
        assert_int_equal(mmk_object_punch_hole(object, 3 * PAGE, PAGE), 0);
    }
    assert_int_equal(error, 0);
    assert_true(n > 1);
    drop_mm(mm);
    mmk_object_put(object);
}

static void test_no_memory(void **context)
{
    (void)context;
    resize_without_memory(false);
    resize_without_memory(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shrink_unmaps), TEST(test_every_mapping),         TEST(test_private_copies),
        TEST(test_same_size),     TEST(test_every_mapping),         TEST(test_private_copies),
        TEST(test_hole),          TEST(test_access_against_resize), TEST(test_no_memory),
    };

    seed = seed_of_run();
    state = seed;
    print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("truncate", tests, NULL, NULL);
}
