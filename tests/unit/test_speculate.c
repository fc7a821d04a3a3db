/* SPDX-License-Identifier: MIT */
/*
 * test_speculate.c - which faults on objects, and on what is in swap, take the mmap lock, and why.
 * Of private memory: test_fault.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "swap_setup.h"

/* By reason: since the last time that it was asked. */
struct locked {
    uint64_t vma, first, memory, page, kind, changed;
};

static struct locked since;

static struct locked locked_now(void)
{
    struct mmk_mm_stats now = mm_stats(mm);

    return (struct locked){now.locked_vma,  now.locked_first, now.locked_memory,
                           now.locked_page, now.locked_kind,  now.locked_changed};
}

static void expect_locked(struct locked expected)
{
    struct locked now = locked_now();

    mmk_check(mm);
    assert_int_equal(now.vma - since.vma, expected.vma);
    assert_int_equal(now.first - since.first, expected.first);
    assert_int_equal(now.memory - since.memory, expected.memory);
    assert_int_equal(now.page - since.page, expected.page);
    assert_int_equal(now.kind - since.kind, expected.kind);
    assert_int_equal(now.changed - since.changed, expected.changed);
    since = now;
}

#define NOT_LOCKED ((struct locked){0})

/*
 * Pages 1 to 3, of a file of which all but page 3 is in memory. The table is there, and has private
 * memory in page 0.
 */
static struct mmk_object *map_cached(unsigned flags)
{
    struct mmk_object *file = new_file(4);

    map_at(0, 1, RW | MMK_PROT_EXEC, ANON);
    store_byte(BASE, 1);
    map_object_at(1, 3, RW, flags, file, 1);
    cache_pages(file, 0, 3);
    since = locked_now();
    return file;
}

static void test_read(void **state)
{
    struct mmk_object *file = map_cached(MMK_MAP_SHARED);

    (void)state;
    expect_byte(BASE + PAGE, 2);
    expect_byte(BASE + 2 * PAGE, 3);
    expect_locked(NOT_LOCKED);
    assert_int_equal(mm_stats(mm).fault_file, 2);
    assert_int_equal(mm_stats(mm).rss_file, 2);
    expect_byte(BASE + 3 * PAGE, 4);
    expect_locked((struct locked){.page = 1});
    mmk_object_put(file);
}

static void test_write(void **state)
{
    struct mmk_object *file = map_cached(MMK_MAP_SHARED);

    (void)state;
    store_byte(BASE + PAGE, 7);
    expect_byte(BASE + 2 * PAGE, 3);
    store_byte(BASE + 2 * PAGE, 8);
    expect_locked(NOT_LOCKED);
    mmk_object_put(file);
}

static void test_copy(void **state)
{
    struct mmk_object *file = map_cached(MMK_MAP_PRIVATE);

    (void)state;
    expect_byte(BASE + PAGE, 2);
    expect_locked(NOT_LOCKED);
    store_byte(BASE + 2 * PAGE, 7);
    expect_locked((struct locked){.first = 1});
    store_byte(BASE + PAGE, 8);
    assert_int_equal(mmk_madvise(mm, BASE + 2 * PAGE, PAGE, MMK_MADV_DONTNEED), 0);
    store_byte(BASE + 2 * PAGE + 1, 9);
    expect_byte(BASE + 2 * PAGE, 3);
    expect_locked(NOT_LOCKED);
    assert_int_equal(mm_stats(mm).rss_anon, 3);
    mmk_object_put(file);
}

/* Memory is there, but not at once. */
static void test_no_memory(void **state)
{
    struct mmk_object *file = map_cached(MMK_MAP_PRIVATE);

    (void)state;
    store_byte(BASE + 2 * PAGE, 7);
    expect_locked((struct locked){.first = 1});
    machine_fail_nth(0, false);
    store_byte(BASE + PAGE, 8);
    assert_true(machine_fail_stop());
    expect_locked((struct locked){.memory = 1});
    mmk_object_put(file);
}

/* There is no table; and when it has gone with the page, it waits to come back. */
static void test_table(void **state)
{
    struct mmk_object *file = map_cached(MMK_MAP_SHARED);
    mmk_vaddr_t a = map_object_at(MMK_PT_ENTRIES, 1, RW, MMK_MAP_SHARED, file, 1);

    (void)state;
    expect_byte(a, 2);
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_DONTNEED), 0);
    expect_byte(a, 2);
    expect_locked(NOT_LOCKED);
    mmk_object_put(file);
}

/* Beyond the end there is no page; and that is a bus error only with the lock. */
static void test_beyond(void **state)
{
    struct mmk_object *file = map_cached(MMK_MAP_SHARED);

    (void)state;
    assert_int_equal(mmk_object_resize(file, 2 * PAGE), 0);
    expect_load(BASE + 2 * PAGE, MMK_FAULT_BUS);
    expect_locked((struct locked){.page = 1});
    expect_byte(BASE + PAGE, 2);
    expect_locked(NOT_LOCKED);
    mmk_object_put(file);
}

static int same_frame(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = index;
    return 0;
}

static void test_frames(void **state)
{
    static const struct mmk_object_ops ops = {.frame = same_frame};
    struct mmk_object *device;

    (void)state;
    assert_int_equal(mmk_object_create(&ops, 4 * PAGE, NULL, &device), 0);
    map_object_at(0, 2, RO, MMK_MAP_SHARED, device, 0);
    since = locked_now();
    assert_int_equal(mmk_fault(mm, BASE, MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_locked((struct locked){.kind = 1});
    mmk_object_put(device);
}

static int setup_around(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.fault_around = MMK_PT_ENTRIES * PAGE;
    return fixture_setup_with(&config);
}

/* All of a table, in more goes than one. */
static void test_around(void **state)
{
    const uint64_t pages = MMK_PT_ENTRIES;
    struct mmk_object *file = new_file(pages);

    (void)state;
    map_object_at(0, pages, RO, MMK_MAP_SHARED, file, 0);
    expect_byte(BASE + PAGE, 2);
    cache_pages(file, 0, pages);
    since = locked_now();
    expect_byte(BASE, 1);
    expect_locked(NOT_LOCKED);
    assert_int_equal(mm_stats(mm).mapped_around, pages - 2);
    assert_int_equal(mm_stats(mm).rss_file, pages);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    mmk_object_put(file);
}

/* Pages 0 to 3 of private memory, in swap. */
static void swap_all(void)
{
    uint64_t i;

    swap_on(16);
    map_at(0, 4, RW, ANON);
    for (i = 0; i < 4; i++)
        store_byte(BASE + i * PAGE, (uint8_t)(i + 1));
    assert_int_equal(mmk_madvise(mm, BASE, 4 * PAGE, MMK_MADV_PAGEOUT), 0);
    expect_swapped(mm, 0, 4);
    since = locked_now();
}

/* And in memory, too. */
static void swap_ahead(void)
{
    swap_all();
    assert_int_equal(mmk_madvise(mm, BASE, 4 * PAGE, MMK_MADV_WILLNEED), 0);
    expect_swapped(mm, 0, 4);
}

static void swap_done(void)
{
    assert_int_equal(mmk_munmap(mm, BASE, 4 * PAGE), 0);
    assert_int_equal(swap_used(), 0);
    swap_off();
}

/* One's own can be written to at once, and leaves its slot then. */
static void test_swapped(void **state)
{
    uint64_t used;

    (void)state;
    swap_ahead();
    used = swap_used();
    expect_byte(BASE, 1);
    assert_int_equal(swap_used(), used);
    store_byte(BASE + PAGE, 7);
    assert_int_equal(swap_used(), used - 1);
    store_byte(BASE, 8);
    expect_locked(NOT_LOCKED);
    expect_swapped(mm, 2, 2);
    assert_int_equal(mm_stats(mm).fault_swap, 2);
    swap_done();
}

/* One that others have is mapped without the lock, and copied with it. */
static void test_swapped_shared(void **state)
{
    struct mmk_mm *child;

    (void)state;
    swap_ahead();
    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_byte(BASE, 1);
    expect_locked(NOT_LOCKED);
    store_byte(BASE + PAGE, 7);
    expect_locked((struct locked){.changed = 1});
    expect_swapped(mm, 2, 2);
    expect_swapped(child, 0, 4);
    put_mm(child);
    swap_done();
}

/* It has to be read; and those beside it come along. */
static void test_swapped_out(void **state)
{
    (void)state;
    swap_all();
    expect_byte(BASE + PAGE, 2);
    expect_locked((struct locked){.page = 1});
    expect_byte(BASE, 1);
    expect_byte(BASE + 2 * PAGE, 3);
    expect_locked(NOT_LOCKED);
    assert_int_equal(mm_stats(mm).fault_major, 1);
    swap_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read),
        TEST(test_write),
        TEST(test_copy),
        TEST(test_no_memory),
        TEST(test_table),
        TEST(test_beyond),
        TEST(test_frames),
        TEST(test_swapped),
        TEST(test_swapped_shared),
        TEST(test_swapped_out),
        cmocka_unit_test_setup_teardown(test_around, setup_around, fixture_teardown),
    };

    return cmocka_run_group_tests_name("speculate", tests, NULL, NULL);
}
