/* SPDX-License-Identifier: MIT */
/*
 * test_huge_unused.c - larger pages of which most holds nothing (src/huge_unused.h): memory is
 * short, and what was never written to goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/group.h>
#include <mmkit/pin.h>
#include <mmkit/reclaim.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "huge_setup.h"
#include "huge_unused.h"
#include "swap_setup.h"

/* A larger page at each of n places, of which so many pages are written to, from the second on. */
static void map_sparse(uint64_t n, uint64_t written)
{
    uint64_t i;

    map_at(0, n * H, RW, ANON);
    for (i = 0; i < n; i++)
        fill(at(i * H + 1), written, 1); /* no byte is 0 */
    expect_huge(n, 0);
}

static void expect_sparse(uint64_t i, uint64_t written)
{
    expect_byte(at(i * H), 0);
    expect_filled(at(i * H + 1), written, 1);
    expect_byte(at((i + 1) * H - 1), 0);
}

static uint64_t give_back(uint64_t i)
{
    struct mmk_page *page = peek_page(mm, at(i * H));
    uint64_t gone;

    mmk_page_get(page);
    mmk_page_lock(page);
    gone = mmk_huge_give_back(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_check(mm);
    return gone;
}

/* ---- what goes, and what stays --------------------------------------------------------------- */

static void test_one_page(void **state)
{
    uint64_t before;

    (void)state;
    map_sparse(2, 1);
    mmk_drain();
    before = frames_free();
    assert_int_equal(give_back(0), H - 1);
    expect_huge(1, 1);
    assert_int_equal(mm_stats(mm).rss_anon, H + 1);
    assert_int_equal(mm_stats(mm).huge_unused, H - 1);
    mmk_drain();
    assert_int_equal(frames_free(), before + H - 2); /* and a table */
    expect_sparse(0, 1);
    expect_sparse(1, 1);
    store_byte(at(0), 5);
    expect_byte(at(0), 5);
}

/* All of it is: the table goes, too. */
static void test_nothing(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    store_byte(at(1), 0);
    expect_huge(1, 0);
    assert_int_equal(give_back(0), H);
    expect_huge(0, 0);
    expect_tables(mm, 0, 0, 0);
    expect_byte(at(1), 0);
}

static void test_half(void **state)
{
    (void)state;
    map_sparse(2, H / 2 - 1);
    store_byte(at(2 * H - 1), 9);
    assert_int_equal(give_back(1), 0);
    expect_huge(2, 0);
    assert_int_equal(give_back(0), H / 2 + 1);
    expect_sparse(0, H / 2 - 1);
}

static void test_again(void **state)
{
    (void)state;
    map_sparse(1, 1);
    assert_int_equal(give_back(0), H - 1);
    expect_byte(at(0), 0);
    store_byte(at(0), 1);
    assert_int_equal(give_back(0), 0);
    expect_huge(0, 1);
}

static void test_pinned(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_at(0, H, RW, ANON);
    store_byte(at(0), 0);
    assert_int_equal(mmk_pin_pages(mm, at(2), 1, MMK_PIN_WRITE, &page), 1);
    expect_huge(1, 0);
    assert_int_equal(give_back(0), H - 1);
    *(uint8_t *)mmk_page_address(page) = 77;
    expect_byte(at(2), 77);
    mmk_unpin_pages(&page, 1, true);
    expect_byte(at(0), 0);
}

static void test_locked(void **state)
{
    (void)state;
    map_sparse(1, 1);
    assert_int_equal(mmk_mlock(mm, at(0), H * PAGE), 0);
    assert_int_equal(give_back(0), 0);
    expect_huge(1, 0);
}

static void test_shared(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_sparse(1, 1);
    parent = enter_child();
    assert_int_equal(give_back(0), 0);
    expect_huge(1, 0);
    expect_sparse(0, 1);
    leave_child(parent);
    expect_sparse(0, 1);
}

static void test_read_only(void **state)
{
    (void)state;
    map_sparse(1, 1);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RO), 0);
    assert_int_equal(give_back(0), H - 1);
    expect_sparse(0, 1);
    expect_store(at(0), MMK_FAULT_SEGV_ACCERR);
}

static void test_moved(void **state)
{
    (void)state;
    map_sparse(1, 1);
    assert_int_equal(
        mmk_mremap(mm, at(0), H * PAGE, H * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H)),
        at(4 * H));
    assert_int_equal(give_back(4), H - 1);
    expect_byte(at(4 * H), 0);
    expect_byte(at(4 * H + 1), 1);
}

/* There is no table to split it with: it stays. */
static void test_no_memory(void **state)
{
    bool failed = true;
    uint64_t n, gone;

    (void)state;
    for (n = 0; failed; n++) {
        map_sparse(1, 1);
        mmk_drain();
        machine_fail_nth(n, true);
        gone = give_back(0);
        failed = machine_fail_stop();
        assert_int_equal(gone, failed ? 0 : H - 1);
        expect_huge(failed ? 1 : 0, failed ? 0 : 1);
        expect_sparse(0, 1);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
    assert_true(n > 1);
}

/* ---- memory is short ------------------------------------------------------------------------- */

/* Without swap, where nothing else of the program can go. */
static void test_reclaim(void **state)
{
    (void)state;
    map_sparse(3, 1);
    fill(at(2 * H), H, 1);
    assert_int_equal(mmk_reclaim(UINT64_MAX), 2 * (H - 1));
    expect_huge(1, 2);
    expect_sparse(0, 1);
    expect_sparse(1, 1);
    expect_filled(at(2 * H), H, 1);
}

/* With swap what is written to goes there, as ever. */
static void test_reclaim_swap(void **state)
{
    (void)state;
    swap_on(4 * H);
    map_sparse(2, 1);
    assert_true(mmk_reclaim(H - 1) >= H - 1);
    assert_true(mm_stats(mm).huge_unused >= H - 1);
    expect_sparse(0, 1);
    expect_sparse(1, 1);
    assert_int_equal(mmk_munmap(mm, at(0), 2 * H * PAGE), 0);
    swap_off();
}

/*
 * A program that writes a byte to each 2 MiB has so many larger pages as it writes to; of a
 * hundredth of that memory it keeps all that it has written.
 */
static void test_hundredth(void **state)
{
    enum { PLACES = 128 };
    struct mmk_group *group;
    struct mmk_group_stats stats;
    uint64_t i;

    (void)state;
    if (MMK_PT_ENTRIES < 512)
        return; /* there are not as many addresses */
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_group_create(PLACES * H * PAGE / 100, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    map_at(0, PLACES * H, RW, ANON);
    for (i = 0; i < PLACES; i++)
        store_byte(at(i * H + i), (uint8_t)(i + 1));
    for (i = 0; i < PLACES; i++)
        expect_byte(at(i * H + i), (uint8_t)(i + 1));
    mmk_check(mm);
    mmk_group_stats(group, &stats);
    assert_int_equal(stats.ooms, 0);
    assert_int_equal(stats.kills, 0);
    assert_true(mm_stats(mm).huge_unused > PLACES);
    mmk_group_put(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALWAYS(test_one_page),  ALWAYS(test_nothing),   ALWAYS(test_half),
        ALWAYS(test_again),     ALWAYS(test_pinned),    ALWAYS(test_locked),
        ALWAYS(test_shared),    ALWAYS(test_read_only), ALWAYS(test_moved),
        ALWAYS(test_no_memory), ALWAYS(test_reclaim),   ALWAYS(test_reclaim_swap),
        ALWAYS(test_hundredth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
