/* SPDX-License-Identifier: MIT */
/* test_mincore.c - mincore: arguments, and what counts as resident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define UNTOUCHED 7 /* what the vector holds before */

static uint8_t vec[4096];

static int resident(mmk_vaddr_t addr, uint64_t length)
{
    int error;

    memset(vec, UNTOUCHED, sizeof(vec));
    error = mmk_mincore(mm, addr, length, vec);
    mmk_check(mm);
    return error;
}

/* `expected`: a digit for each page; '-': not answered. */
static void expect_vec(const char *expected)
{
    size_t i;

    for (i = 0; expected[i]; i++)
        assert_int_equal(vec[i], expected[i] == '-' ? UNTOUCHED : expected[i] - '0');
    assert_int_equal(vec[i], UNTOUCHED);
}

static void expect_resident(mmk_vaddr_t addr, const char *expected)
{
    assert_int_equal(resident(addr, strlen(expected) * PAGE), 0);
    expect_vec(expected);
}

static void test_arguments(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    assert_int_equal(resident(a + 1, PAGE), MMK_EINVAL);
    assert_int_equal(resident(a + 1, 0), MMK_EINVAL);
    assert_int_equal(resident(a, 0), 0);
    expect_vec("");
    assert_int_equal(resident(a, 1), 0);
    expect_vec("0");
    assert_int_equal(resident(a, PAGE + 1), 0);
    expect_vec("00");
    assert_int_equal(resident(a, UINT64_MAX), MMK_ENOMEM);
    assert_int_equal(resident(a, (uint64_t)0 - PAGE), MMK_ENOMEM);
    assert_int_equal(resident(MMK_USER_END, 0), 0);
    assert_int_equal(resident(MMK_USER_END, 1), MMK_ENOMEM);
    assert_int_equal(resident(MMK_USER_END + PAGE, 0), MMK_ENOMEM);
    assert_int_equal(resident(MMK_USER_END - PAGE, 2 * PAGE), MMK_ENOMEM);
    assert_int_equal(resident((uint64_t)0 - PAGE, PAGE), MMK_ENOMEM);
    expect_vec("");
    assert_int_equal(map(MMK_USER_END - PAGE, 1, RW, ANON | MMK_MAP_FIXED, NULL, 0),
                     MMK_USER_END - PAGE);
    expect_resident(MMK_USER_END - PAGE, "0");
}

/* What lies before a hole is answered. */
static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(1, 2, RW, ANON);

    (void)state;
    map_at(4, 2, RW, ANON);
    store_byte(a, 1);
    assert_int_equal(resident(a, 6 * PAGE), MMK_ENOMEM);
    expect_vec("10----");
    assert_int_equal(resident(a - PAGE, 2 * PAGE), MMK_ENOMEM);
    expect_vec("--");
    assert_int_equal(resident(a + 3 * PAGE, 3 * PAGE), MMK_ENOMEM);
    expect_vec("00-");
    assert_int_equal(resident(a + 100 * PAGE, PAGE), MMK_ENOMEM);
}

/* Entries: pages and the zero page, reachable or not; nothing is touched by looking. */
static void test_anonymous(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_mm *child;
    uint64_t faults;

    (void)state;
    expect_resident(a, "00000000");
    expect_byte(a, 0);
    store_byte(a + PAGE, 1);
    store_byte(a + 5 * PAGE, 1);
    expect_resident(a, "11000100");
    assert_int_equal(mmk_mprotect(mm, a, 3 * PAGE, MMK_PROT_NONE), 0);
    expect_resident(a, "11000100"); /* across two mappings */
    assert_int_equal(mmk_madvise(mm, a, 8 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_resident(a, "00000000");
    store_byte(a + 5 * PAGE, 1);
    faults = mm_stats(mm).fault_anon;
    assert_int_equal(mmk_fork(mm, &child), 0);
    memset(vec, UNTOUCHED, sizeof(vec));
    assert_int_equal(mmk_mincore(child, a, 8 * PAGE, vec), 0);
    expect_vec("00000100");
    assert_int_equal(mm_stats(child).fault_anon, 0);
    assert_int_equal(mm_stats(mm).fault_anon, faults);
    put_mm(child);
}

/* Pages in the object count, mapped here or not; private copies too. */
static void test_objects(void **state)
{
    struct mmk_object *file = new_file(6), *shmem = new_shmem(6);
    mmk_vaddr_t a = map_object_at(0, 8, RW, MMK_MAP_PRIVATE, file, 1);
    mmk_vaddr_t b = map_object_at(20, 8, RW, MMK_MAP_SHARED, file, 0);
    mmk_vaddr_t c = map_object_at(40, 6, RW, MMK_MAP_SHARED, shmem, 0);

    (void)state;
    expect_resident(a, "00000000");
    expect_byte(b + 2 * PAGE, 3);
    expect_resident(b, "00100000");
    expect_resident(a, "01000000");
    store_byte(a + 3 * PAGE, 9); /* brings page 4 in, and copies it */
    expect_resident(a, "01010000");
    expect_resident(b, "00101000");
    assert_int_equal(mmk_madvise(mm, b, 8 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_resident(b, "00101000"); /* it stays in the object */
    expect_resident(b + 3 * PAGE, "010");
    assert_int_equal(mmk_object_punch_hole(file, 4 * PAGE, PAGE), 0);
    expect_resident(b, "00100000");
    expect_resident(a, "01010000"); /* the copy */
    assert_int_equal(mmk_object_resize(file, 2 * PAGE), 0);
    expect_resident(a, "00000000");
    store_byte(c + 5 * PAGE, 1);
    expect_resident(c, "000001");
    mmk_object_put(file);
    mmk_object_put(shmem);
}

/* Tables missing at several levels, and ranges that begin inside one. */
static void test_sparse(void **state)
{
    const uint64_t pages = 3 * 512;
    mmk_vaddr_t a = map_at(0, GIB / PAGE + pages, RW, ANON);
    uint64_t i;

    (void)state;
    store_byte(a + 511 * PAGE, 1);
    store_byte(a + 1024 * PAGE, 1);
    store_byte(a + GIB + 3 * PAGE, 1);
    assert_int_equal(resident(a, pages * PAGE), 0);
    for (i = 0; i < pages; i++)
        assert_int_equal(vec[i], i == 511 || i == 1024);
    assert_int_equal(vec[pages], UNTOUCHED);
    expect_resident(a + 510 * PAGE, "0100");
    expect_resident(a + 1023 * PAGE, "010");
    expect_resident(a + GIB - 2 * PAGE, "0000010");
    assert_int_equal(resident(a + GIB - 2048 * PAGE, 2052 * PAGE), 0);
    for (i = 0; i < 2052; i++)
        assert_int_equal(vec[i], i == 2051);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments), TEST(test_holes),  TEST(test_anonymous),
        TEST(test_objects),   TEST(test_sparse),
    };

    return cmocka_run_group_tests_name("mincore", tests, NULL, NULL);
}
