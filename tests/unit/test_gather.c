/* SPDX-License-Identifier: MIT */
/*
 * test_gather.c - gathers with much to hold, and with no memory to hold it: the result is the
 * same, only with more flushes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "gather.h"
#include "zap.h"

#define PAGES 3000

static uint64_t early(void)
{
    return stats_now().gather_early;
}

static uint64_t flushes(void)
{
    return stats_now().tlb_flushes;
}

static mmk_vaddr_t filled(void)
{
    mmk_vaddr_t a = map_at(0, PAGES, RW, ANON);

    fill(a, PAGES, 1);
    assert_int_equal(mm_stats(mm).rss_anon, PAGES);
    return a;
}

static void expect_empty(mmk_vaddr_t a)
{
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    expect_tables(mm, 0, 0, 0);
    expect_byte(a, 0);
    expect_byte(a + (PAGES - 1) * PAGE, 0);
}

/* Several batches, one flush, every frame back. */
static void test_batches(void **state)
{
    mmk_vaddr_t a = filled();
    uint64_t free = frames_free(), before = flushes();

    (void)state;
    assert_int_equal(mmk_madvise(mm, a, PAGES * PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(flushes(), before + 1);
    assert_int_equal(early(), 0);
    assert_true(frames_free() >= free + PAGES);
    expect_empty(a);
}

/* No batch at all: the gather's own array again and again. */
static void test_no_batch(void **state)
{
    mmk_vaddr_t a = filled();
    uint64_t before = flushes();

    (void)state;
    machine_fail_nth(0, true);
    assert_int_equal(mmk_madvise(mm, a, PAGES * PAGE, MMK_MADV_DONTNEED), 0);
    assert_true(machine_fail_stop());
    assert_int_equal(early(), (PAGES - 1) / MMK_GATHER_INLINE);
    assert_int_equal(flushes(), before + early() + 1);
    expect_empty(a);
}

/* The nth batch fails, once or from then on. */
static void test_some_batches(void **state)
{
    uint64_t n;

    (void)state;
    for (n = 0; n < 8; n++) {
        mmk_vaddr_t a = filled();

        machine_fail_nth(n, n % 2);
        assert_int_equal(mmk_madvise(mm, a, PAGES * PAGE, MMK_MADV_DONTNEED), 0);
        (void)machine_fail_stop();
        expect_empty(a);
        assert_int_equal(mmk_munmap(mm, a, PAGES * PAGE), 0);
        mmk_drain();
    }
    assert_true(early() > 0);
}

/* Memory is really used up, not by injection. */
static void test_memory_full(void **state)
{
    mmk_vaddr_t a = filled(), b = map_at(1 << 20, 1 << 15, RW, ANON);
    uint64_t i = 0;
    uint8_t byte = 1;

    (void)state;
    while (machine_store(b + i * PAGE, &byte, 1) == MMK_FAULT_DONE)
        i++;
    expect_store(b + i * PAGE, MMK_FAULT_OOM);
    assert_true(frames_free() < 8);
    mmk_check(mm);
    assert_int_equal(mmk_madvise(mm, a, PAGES * PAGE, MMK_MADV_DONTNEED), 0);
    assert_true(early() > 0);
    assert_int_equal(mm_stats(mm).rss_anon, i);
    store_byte(b + i * PAGE, 1);
    expect_byte(b + (i - 1) * PAGE, 1);
    assert_int_equal(mmk_munmap(mm, b, (uint64_t)(1 << 15) * PAGE), 0);
    mmk_check(mm);
}

/* Truncation, exit and FIXED go by the same way. */
static void test_other_operations(void **state)
{
    struct mmk_object *shmem = new_shmem(200);
    mmk_vaddr_t a = map_object_at(0, 200, RW, MMK_MAP_SHARED, shmem, 0);
    struct mmk_mm *child;

    (void)state;
    fill(a, 200, 1);
    machine_fail_nth(0, true);
    assert_int_equal(mmk_object_punch_hole(shmem, 0, 150 * PAGE), 0);
    assert_true(machine_fail_stop());
    assert_true(early() > 0);
    assert_int_equal(mm_stats(mm).rss_shmem, 50);
    mmk_check(mm);
    mmk_check_object(shmem);
    mmk_object_put(shmem);

    map_at(1024, 200, RW, ANON);
    fill(BASE + 1024 * PAGE, 200, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    machine_fail_nth(0, true);
    put_mm(child);
    assert_true(machine_fail_stop());
    expect_filled(BASE + 1024 * PAGE, 200, 1);
}

/* G3: what was dirty in an entry is dirty in the page at once, and again after the flush. */
static void test_dirty(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    struct mmk_page *clean, *dirty;
    struct mmk_gather gather;

    (void)state;
    expect_byte(a, 1);
    store_byte(a + PAGE, 9);
    clean = peek_page(mm, a);
    dirty = peek_page(mm, a + PAGE);
    mmk_page_clear(dirty, MMK_PF_DIRTY); /* as if written back meanwhile */
    mmk_gather_begin_range(&gather, mm, 0, MMK_USER_END, MMK_NOTIFY_DISCARD);
    mmk_zap_range(&gather, a, a + 4 * PAGE, MMK_ZAP_ALL);
    assert_true(mmk_page_test(dirty, MMK_PF_DIRTY));
    mmk_page_clear(dirty, MMK_PF_DIRTY); /* and once more */
    mmk_gather_finish(&gather);
    mmk_check(mm);
    assert_true(mmk_page_test(dirty, MMK_PF_DIRTY));
    assert_false(mmk_page_test(clean, MMK_PF_DIRTY));
    mmk_object_put(file);
}

/* What a gather has taken and not flushed yet is replaced: after a flush where the format wants it.
 */
static void test_break_before_make(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    struct mmk_gather gather;
    uint64_t pages, before;

    (void)state;
    for (pages = 1; pages <= 2; pages++) { /* an entry; all, and so the tables */
        fill(a, 2, 7);
        mmk_gather_begin_range(&gather, mm, 0, MMK_USER_END, MMK_NOTIFY_DISCARD);
        mmk_zap_range(&gather, a, a + pages * PAGE, MMK_ZAP_ALL);
        before = flushes();
        assert_int_equal(mmk_fault(mm, a, MMK_ACCESS_WRITE), MMK_FAULT_DONE);
        assert_int_equal(flushes(), before + MMK_PT_BREAK_FIRST);
        mmk_gather_finish(&gather);
        expect_byte(a, 0);
        assert_int_equal(flushes(), before + MMK_PT_BREAK_FIRST + 1);
        assert_int_equal(mmk_fault(mm, a + PAGE, MMK_ACCESS_WRITE), MMK_FAULT_DONE);
        assert_int_equal(flushes(), before + MMK_PT_BREAK_FIRST + 1);
        expect_tables(mm, 1, 1, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_batches),           TEST(test_no_batch),         TEST(test_some_batches),
        TEST(test_memory_full),       TEST(test_other_operations), TEST(test_dirty),
        TEST(test_break_before_make),
    };

    return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
