/* SPDX-License-Identifier: MIT */
/* test_brk.c - the heap's end: every refusal answers the old end, as Linux's system call does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static void test_grow_and_shrink(void **state)
{
    (void)state;
    assert_int_equal(mmk_brk(mm, 0), 0);
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, 0), BASE);
    assert_int_equal(mmk_brk(mm, BASE - 1), BASE);
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE), BASE + 5 * PAGE);
    expect_shape(1, 5);
    fill(BASE, 5, 1);
    assert_int_equal(mmk_brk(mm, BASE + 8 * PAGE), BASE + 8 * PAGE);
    expect_shape(1, 8); /* one mapping */
    expect_filled(BASE, 5, 1);
    assert_int_equal(mmk_brk(mm, BASE + 3 * PAGE), BASE + 3 * PAGE);
    expect_shape(1, 3);
    expect_load(BASE + 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mmk_brk(mm, BASE + 4 * PAGE), BASE + 4 * PAGE);
    expect_byte(BASE + 3 * PAGE, 0);
    expect_filled(BASE, 3, 1);
    assert_int_equal(mmk_brk(mm, BASE), BASE);
    expect_shape(0, 0);
    expect_tables(mm, 0, 0, 0);
}

/* The end need not be a page's; pages are mapped whole. */
static void test_bytes(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE + 100), 0);
    assert_int_equal(mmk_brk(mm, BASE + 200), BASE + 200);
    expect_shape(0, 0); /* the page of the start belongs to the program's data */
    assert_int_equal(mmk_brk(mm, BASE + PAGE + 1), BASE + PAGE + 1);
    expect_shape(1, 1);
    expect_vma(BASE + PAGE, BASE + PAGE, 1);
}

static void test_unaligned(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 1), BASE + 1);
    expect_shape(1, 1);
    assert_int_equal(mmk_brk(mm, BASE + 0xfff), BASE + 0xfff);
    expect_shape(1, 1);
    assert_int_equal(mmk_brk(mm, BASE + PAGE + 1), BASE + PAGE + 1);
    expect_shape(1, 2);
    assert_int_equal(mmk_brk(mm, BASE + PAGE), BASE + PAGE);
    expect_shape(1, 1);
    store_byte(BASE + 0xfff, 1);
}

static void test_in_the_way(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 2 * PAGE), BASE + 2 * PAGE);
    map_at(6, 1, RO, ANON);
    /* A page stays free between the heap and what is above. */
    assert_int_equal(mmk_brk(mm, BASE + 6 * PAGE), BASE + 2 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 7 * PAGE), BASE + 2 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 9 * PAGE), BASE + 2 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE), BASE + 5 * PAGE);
    expect_shape(2, 6);
    /* Below a stack all its room does. */
    map_at(512, 1, RW, STACK);
    assert_int_equal(mmk_munmap(mm, BASE + 6 * PAGE, PAGE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 256 * PAGE), BASE + 5 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 255 * PAGE), BASE + 255 * PAGE);
    mmk_check(mm);
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, MMK_USER_END + 1), MMK_EINVAL);
    assert_int_equal(mmk_set_brk(mm, MMK_USER_END - 4 * PAGE), 0);
    assert_int_equal(mmk_brk(mm, MMK_USER_END + 1), MMK_USER_END - 4 * PAGE);
    assert_int_equal(mmk_brk(mm, UINT64_MAX), MMK_USER_END - 4 * PAGE);
    assert_int_equal(mmk_brk(mm, MMK_USER_END), MMK_USER_END);
    expect_shape(1, 4);
    /* Below mmap_min_addr nothing is mapped. */
    assert_int_equal(mmk_set_brk(mm, 4 * PAGE), 0);
    assert_int_equal(mmk_brk(mm, 6 * PAGE), 4 * PAGE);
    assert_int_equal(mmk_brk(mm, 4 * PAGE + 0), 4 * PAGE);
    expect_shape(1, 4);
}

/* A program that unmaps its heap by itself: what is there shrinks, nothing at all is refused. */
static void test_unmapped_by_hand(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 8 * PAGE), BASE + 8 * PAGE);
    assert_int_equal(mmk_munmap(mm, BASE + PAGE, 7 * PAGE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 2 * PAGE), BASE + 8 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE), BASE);
    expect_shape(0, 0);
}

static void test_fork_inherits(void **state)
{
    struct mmk_mm *child;

    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 2 * PAGE), BASE + 2 * PAGE);
    fill(BASE, 2, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_brk(child, 0), BASE + 2 * PAGE);
    assert_int_equal(mmk_brk(child, BASE + 3 * PAGE), BASE + 3 * PAGE);
    assert_int_equal(mmk_brk(mm, 0), BASE + 2 * PAGE);
    put_mm(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_grow_and_shrink), TEST(test_bytes),  TEST(test_unaligned),
        TEST(test_in_the_way),      TEST(test_limits), TEST(test_unmapped_by_hand),
        TEST(test_fork_inherits),
    };

    return cmocka_run_group_tests_name("brk", tests, NULL, NULL);
}
