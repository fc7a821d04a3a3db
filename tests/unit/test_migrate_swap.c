/* SPDX-License-Identifier: MIT */
/*
 * test_migrate_swap.c - pages in the swap cache go to other frames: mapped ones, by one or by many,
 * ones that swap entries alone name, and ones that nobody wants any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "migrate_setup.h"
#include "swap_setup.h"

#include "family.h"

#define AT(page) (BASE + (uint64_t)(page)*PAGE)
#define PAGES    8

static int setup(void **state)
{
    if (fixture_setup(state))
        return -1;
    swap_on(64);
    map_at(0, PAGES, RW, ANON);
    fill(AT(0), PAGES, 1);
    assert_int_equal(advise(AT(0), PAGES, MMK_MADV_PAGEOUT), 0);
    return 0;
}

static int teardown(void **state)
{
    bool empty;

    assert_int_equal(mmk_munmap(mm, 0x10000, MMK_USER_END - 0x10000), 0);
    mmk_swap_check();
    empty = swap_used() == 0 && mmk_kin_count() == 1;
    swap_off();
    return fixture_teardown(state) || !empty ? -1 : 0;
}

#define SWAP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void expect_cached(const struct mmk_page *page, bool dirty)
{
    assert_true(mmk_page_test(page, MMK_PF_SWAPCACHE));
    assert_int_equal(mmk_page_test(page, MMK_PF_DIRTY), dirty);
    mmk_swap_check();
}

/* It was only read: it is clean, and can go again without being written. */
static void test_own(void **state)
{
    unsigned writes = swap_device.writes;

    (void)state;
    expect_byte(AT(0), 1);
    expect_moves(mm, AT(0), 1);
    expect_cached(peek_page(mm, AT(0)), false);
    assert_int_equal(swap_used(), PAGES);
    assert_int_equal(swap_out_at(mm, AT(0)), 0);
    assert_int_equal(swap_device.writes, writes);
    expect_filled(AT(0), PAGES, 1);
}

/* Stored to by the entry that came with a read: only that knows. */
static void test_stored(void **state)
{
    (void)state;
    expect_byte(AT(0), 1);
    store_byte(AT(0), 50);
    expect_moves(mm, AT(0), 1);
    mmk_swap_check();
    assert_int_equal(swap_out_at(mm, AT(0)), 0);
    expect_byte(AT(0), 50);
}

static void test_forked(void **state)
{
    struct mmk_mm *child;

    (void)state;
    expect_byte(AT(0), 1);
    expect_byte(AT(1), 2);
    child = fork_of(mm);
    expect_moves(mm, AT(0), 2);
    expect_moves(child, AT(1), 2);
    mmk_swap_check();
    store_byte(AT(0), 9);
    expect_in(child, AT(0), 1);
    store_in(child, AT(1), 8);
    expect_byte(AT(1), 2);
    mmk_swap_check();
    put_mm(child);
}

/* One has it mapped, and another has a swap entry: who comes finds it where it is now. */
static void test_half(void **state)
{
    struct mmk_mm *child = fork_of(mm);
    unsigned reads;

    (void)state;
    expect_in(child, AT(0), 1);
    expect_moves(child, AT(0), 1);
    mmk_swap_check();
    reads = swap_device.reads;
    expect_byte(AT(0), 1);
    assert_ptr_equal(peek_page(mm, AT(0)), peek_page(child, AT(0)));
    assert_int_equal(swap_device.reads, reads);
    assert_true(is_swapped(child, AT(5)));
    expect_moves(mm, AT(0), 2);
    put_mm(child);
}

static struct mmk_page *page_of_slot(mmk_vaddr_t at)
{
    struct mmk_page *page = mmk_swap_find(mmk_pte_slot(peek_entry(mm, at)));

    assert_non_null(page);
    mmk_page_put(page);
    return page;
}

/* It came with its neighbour, and nothing maps it. */
static void test_unmapped(void **state)
{
    struct mmk_page *page;
    unsigned reads;

    (void)state;
    expect_byte(AT(0), 1);
    reads = swap_device.reads;
    page = page_of_slot(AT(3));
    assert_int_equal(migrate(page), 0);
    assert_ptr_not_equal(page_of_slot(AT(3)), page);
    expect_cached(page_of_slot(AT(3)), false);
    assert_int_equal(mmk_page_refs(page), 0);
    page = page_of_slot(AT(3));
    expect_byte(AT(3), 4);
    assert_ptr_equal(peek_page(mm, AT(3)), page);
    assert_int_equal(swap_device.reads, reads);
}

static void test_held(void **state)
{
    struct mmk_page *page, *pinned;

    (void)state;
    expect_byte(AT(0), 1);
    page = page_of_slot(AT(3));
    mmk_page_get(page);
    assert_int_equal(migrate(page), MMK_EBUSY);
    assert_ptr_equal(page_of_slot(AT(3)), page);
    expect_byte(AT(3), 4);
    expect_stays(mm, AT(3));
    expect_cached(page, false);
    mmk_swap_put_page(page);
    expect_moves(mm, AT(3), 1);
    assert_int_equal(mmk_pin_pages(mm, AT(0), 1, 0, &pinned), 1);
    expect_stays(mm, AT(0));
    mmk_unpin_pages(&pinned, 1, false);
    expect_moves(mm, AT(0), 1);
}

/* What it was for goes, once it has gone, or before. */
static void test_unused(void **state)
{
    struct mmk_page *page;

    (void)state;
    expect_byte(AT(0), 1);
    expect_moves(mm, AT(0), 1);
    assert_int_equal(migrate(page_of_slot(AT(1))), 0);
    page = page_of_slot(AT(2));
    mmk_page_get(page);
    assert_int_equal(mmk_munmap(mm, AT(0), PAGES * PAGE), 0);
    assert_int_equal(swap_used(), 0);
    assert_int_equal(migrate(page), MMK_EBUSY);
    mmk_page_put(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWAP_TEST(test_own),    SWAP_TEST(test_stored),   SWAP_TEST(test_forked),
        SWAP_TEST(test_half),   SWAP_TEST(test_unmapped), SWAP_TEST(test_held),
        SWAP_TEST(test_unused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
