/* SPDX-License-Identifier: MIT */
/* test_advise_vector.c - mmk_madvise_vector(): several ranges, and how much of them is advised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static int64_t advise_vector(const struct mmk_iovec *ranges, size_t count, int advice)
{
    int64_t advised = mmk_madvise_vector(mm, ranges, count, advice, false);

    mmk_check(mm);
    return advised;
}

static void test_several(void **state)
{
    mmk_vaddr_t a = map_at(0, 16, RW, ANON);
    struct mmk_iovec ranges[] = {{a, PAGE}, {a + 4 * PAGE, 2 * PAGE}, {a + 8 * PAGE, PAGE}};
    uint64_t flushes;

    (void)state;
    fill(a, 16, 1);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_DONTNEED), 4 * PAGE);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    expect_byte(a, 0);
    expect_filled(a + PAGE, 3, 2);
    expect_byte(a + 4 * PAGE, 0);
    expect_byte(a + 5 * PAGE, 0);
    expect_filled(a + 6 * PAGE, 2, 7);
    expect_byte(a + 8 * PAGE, 0);
    expect_filled(a + 9 * PAGE, 7, 10);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_GUARD_INSTALL), 4 * PAGE);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    expect_load(a + 5 * PAGE, MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_GUARD_REMOVE), 4 * PAGE);
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_WIPEONFORK), 4 * PAGE);
    expect_shape(6, 16);
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_KEEPONFORK), 4 * PAGE);
    expect_shape(1, 16);
}

/* What the ranges say, not whole pages; empty ones count nothing. */
static void test_bytes(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_iovec ranges[] = {{a, PAGE}, {a + 3 * PAGE, 0}, {a + PAGE, 100}};

    (void)state;
    fill(a, 4, 1);
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_DONTNEED), PAGE + 100);
    expect_byte(a + PAGE + 100, 0);
    expect_filled(a + 2 * PAGE, 2, 3);
    assert_int_equal(advise_vector(ranges + 1, 1, MMK_MADV_DONTNEED), 0);
    assert_int_equal(advise_vector(ranges, 0, MMK_MADV_DONTNEED), 0);
    assert_int_equal(advise_vector(ranges, 0, MMK_MADV_DONTFORK), 0);
}

/* As Linux's iterator: of empty ranges only the first is looked at, and only if others are not. */
static void test_empty(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_iovec ranges[] = {{a, PAGE}, {a + 1, 0}, {a + PAGE, PAGE}, {a + 1, 0}};

    (void)state;
    fill(a, 4, 1);
    assert_int_equal(advise_vector(ranges, 4, MMK_MADV_DONTNEED), 2 * PAGE);
    expect_byte(a + PAGE, 0);
    assert_int_equal(advise_vector(ranges + 1, 2, MMK_MADV_DONTNEED), MMK_EINVAL);
    assert_int_equal(advise_vector(ranges + 1, 1, MMK_MADV_DONTNEED), 0);
    assert_int_equal(advise_vector(ranges + 1, 1, 77), 0);
    assert_int_equal(mmk_madvise_vector(mm, ranges + 1, 1, 77, true), MMK_EINVAL);
    assert_int_equal(mmk_madvise_vector(mm, ranges + 1, 1, MMK_MADV_DONTNEED, true), MMK_EINVAL);
    expect_filled(a + 2 * PAGE, 2, 3);
}

/* The range that fails is done as far as one call would; those after it are not. */
static void test_fails(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_iovec ranges[] = {{a, PAGE}, {a + PAGE, 3 * PAGE}, {a + 6 * PAGE, PAGE}};

    (void)state;
    fill(a, 8, 1);
    assert_int_equal(mmk_munmap(mm, a + 2 * PAGE, PAGE), 0);
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_DONTNEED), PAGE);
    expect_byte(a, 0);
    expect_byte(a + PAGE, 0);
    expect_byte(a + 3 * PAGE, 0);
    expect_byte(a + 6 * PAGE, 7);
    assert_int_equal(advise_vector(ranges + 1, 2, MMK_MADV_DONTNEED), MMK_ENOMEM);
    ranges[1].addr++;
    assert_int_equal(advise_vector(ranges, 3, MMK_MADV_DONTNEED), PAGE);
    assert_int_equal(advise_vector(ranges + 1, 2, MMK_MADV_DONTNEED), MMK_EINVAL);
    ranges[2].length = UINT64_MAX;
    assert_int_equal(advise_vector(ranges + 2, 1, MMK_MADV_DONTNEED), MMK_EINVAL);
    ranges[2].length = INT64_MAX;
    assert_int_equal(advise_vector(ranges + 2, 1, MMK_MADV_DONTNEED), MMK_ENOMEM);
    assert_int_equal(advise_vector(ranges, 1, 77), MMK_EINVAL);
}

/* All of memory, many times. Lengths may add up to more than the result can say. */
static void test_too_much(void **state)
{
    static struct mmk_iovec ranges[70000];
    const struct mmk_config config = MMK_CONFIG_DEFAULT;
    uint64_t length = MMK_USER_END - config.mmap_min_addr;
    size_t i, count = sizeof(ranges) / sizeof(ranges[0]);
    int64_t advised;

    (void)state;
    if (length < INT64_MAX / count)
        skip(); /* a small address space */
    (void)map(config.mmap_min_addr, length / PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    for (i = 0; i < count; i++)
        ranges[i] = (struct mmk_iovec){config.mmap_min_addr, length};
    advised = advise_vector(ranges, count, MMK_MADV_NORMAL);
    assert_true(advised > 0);
    assert_int_equal(advised, mmk_min(count, INT64_MAX / length) * length);
}

static void test_remote(void **state)
{
    static const int allowed[] = {MMK_MADV_COLD, MMK_MADV_PAGEOUT, MMK_MADV_WILLNEED};
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_iovec range = {a, 2 * PAGE};
    int advice;

    (void)state;
    fill(a, 4, 1);
    for (advice = 0; advice < 110; advice++)
        if (advice != allowed[0] && advice != allowed[1] && advice != allowed[2])
            assert_int_equal(mmk_madvise_vector(mm, &range, 1, advice, true), MMK_EINVAL);
    expect_filled(a, 4, 1);
    assert_int_equal(mmk_madvise_vector(mm, NULL, 0, MMK_MADV_DONTNEED, true), MMK_EINVAL);
    assert_int_equal(mmk_madvise_vector(mm, NULL, 0, MMK_MADV_PAGEOUT, true), 0);
    assert_int_equal(mmk_madvise_vector(mm, &range, 1, allowed[0], true), 2 * PAGE);
    assert_int_equal(mmk_madvise_vector(mm, &range, 1, allowed[1], true), 2 * PAGE);
    assert_int_equal(mmk_madvise_vector(mm, &range, 1, allowed[2], true), 2 * PAGE);
    range.addr = a + 4 * PAGE;
    assert_int_equal(mmk_madvise_vector(mm, &range, 1, allowed[0], true), MMK_ENOMEM);
    expect_filled(a, 4, 1);
    expect_shape(1, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_several),  TEST(test_bytes),  TEST(test_fails),
        TEST(test_too_much), TEST(test_remote), TEST(test_empty),
    };

    return cmocka_run_group_tests_name("advise_vector", tests, NULL, NULL);
}
