/* SPDX-License-Identifier: MIT */
/*
 * test_huge_zero.c - the larger page of zeros (src/huge_zero.h): what a read maps, what a write
 * makes of it, what splits it, and when its block goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/group.h>
#include <mmkit/huge.h>
#include <mmkit/pin.h>
#include <mmkit/reclaim.h>
#include <mmkit/table.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "huge_setup.h"
#include "huge_zero.h"
#include "swap_setup.h"

/* So many larger pages of zeros, others, and leaf tables. */
static void expect_zeros(uint64_t zeros, uint64_t huge, uint64_t leaf)
{
    assert_int_equal(mm_stats(mm).huge_zero, zeros);
    expect_huge(huge, leaf);
}

static void read_zeros(uint64_t n)
{
    uint64_t i;

    map_at(0, n * H, RW, ANON);
    for (i = 0; i < n; i++)
        expect_byte(at(i * H + 1), 0);
    expect_zeros(n, 0, 0);
}

/* ---- a read ---------------------------------------------------------------------------------- */

/* All of them are one: of memory, a block, and the tables above. */
static void test_read(void **state)
{
    uint64_t before, i;

    (void)state;
    read_zeros(1);
    before = frames_free();
    for (i = 0; i < H; i++)
        expect_byte(at(i), 0);
    map_at(H, H, RW, ANON);
    expect_byte(at(2 * H - 1), 0);
    expect_zeros(2, 0, 0);
    assert_int_equal(frames_free(), before);
    assert_int_equal(mm_stats(mm).fault_zero, 2);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_int_equal(needed_faults(), 2);
}

static void test_read_only(void **state)
{
    (void)state;
    map_at(0, H, RO, ANON);
    expect_byte(at(0), 0);
    expect_zeros(1, 0, 0);
    expect_store(at(0), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RW), 0);
    expect_zeros(1, 0, 0);
    store_byte(at(1), 9);
    expect_zeros(0, 1, 0);
}

/* A table is there, or the mapping is too small, or it is not wanted: small ones. */
static void test_small(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    assert_int_equal(advise(at(0), H, MMK_MADV_NOHUGEPAGE), 0);
    expect_byte(at(0), 0);
    expect_zeros(0, 0, 1);
    assert_int_equal(advise(at(0), H, MMK_MADV_HUGEPAGE), 0);
    expect_byte(at(1), 0);
    expect_zeros(0, 0, 1);
    map_at(H, H - 1, RW, ANON | MMK_MAP_STACK);
    expect_byte(at(H), 0);
    expect_zeros(0, 0, 2);
}

static void test_madvise(void **state)
{
    (void)state;
    map_at(0, 2 * H, RW, ANON);
    assert_int_equal(advise(at(H), H, MMK_MADV_HUGEPAGE), 0);
    expect_byte(at(0), 0);
    expect_byte(at(H), 0);
    expect_zeros(1, 0, 1);
}

/* No block is to be had for it: the zero page. */
static void test_fallback(void **state)
{
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        enum mmk_fault_result result;

        map_at(0, H, RW, ANON);
        mmk_drain();
        machine_fail_nth(n, n % 2 == 0);
        result = mmk_fault(mm, at(1), MMK_ACCESS_READ);
        failed = machine_fail_stop();
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        expect_byte(at(1), 0);
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
    assert_true(n > 1);
}

/* ---- a write --------------------------------------------------------------------------------- */

static void test_write(void **state)
{
    struct mmk_mm_stats stats;

    (void)state;
    read_zeros(2);
    store_byte(at(1), 7);
    expect_zeros(1, 1, 0);
    stats = mm_stats(mm);
    assert_int_equal(stats.rss_anon, H);
    assert_int_equal(stats.fault_cow, 1);
    assert_int_equal(stats.huge_faults, 1);
    expect_byte(at(0), 0);
    expect_byte(at(1), 7);
    expect_byte(at(H + 1), 0);
}

/* Small ones, where there is no block, or it is not wanted any more. */
static void test_write_small(void **state)
{
    (void)state;
    read_zeros(2);
    assert_int_equal(advise(at(0), H, MMK_MADV_NOHUGEPAGE), 0);
    store_byte(at(1), 7);
    expect_zeros(1, 0, 1);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    assert_int_equal(mm_stats(mm).huge_splits, 1);
    expect_byte(at(0), 0);
    expect_byte(at(1), 7);
    expect_byte(at(H - 1), 0);
}

static void test_write_no_memory(void **state)
{
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        enum mmk_fault_result result;

        read_zeros(1);
        mmk_drain();
        machine_fail_nth(n, n % 2 == 0);
        result = mmk_fault(mm, at(1), MMK_ACCESS_WRITE);
        failed = machine_fail_stop();
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        mmk_check(mm);
        store_byte(at(1), 5);
        expect_byte(at(1), 5);
        expect_byte(at(0), 0);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
    assert_true(n > 1);
}

/* By a debugger, to what the program may not write: one page of its own, read-only. */
static void test_write_forced(void **state)
{
    const uint8_t byte = 5;

    (void)state;
    map_at(0, H, RO, ANON);
    expect_byte(at(0), 0);
    assert_int_equal(mmk_mm_write(mm, at(1), &byte, 1, MMK_MM_FORCE), 1);
    expect_byte(at(1), 5);
    expect_zeros(0, 0, 1);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
}

/* ---- what is done to it ---------------------------------------------------------------------- */

static void test_zap(void **state)
{
    (void)state;
    read_zeros(3);
    assert_int_equal(advise(at(0), H, MMK_MADV_DONTNEED), 0);
    expect_zeros(2, 0, 0);
    assert_int_equal(advise(at(H + 1), 1, MMK_MADV_DONTNEED), 0);
    expect_zeros(1, 0, 1);
    assert_int_equal(mmk_munmap(mm, at(H), H * PAGE), 0);
    expect_zeros(1, 0, 0);
    assert_int_equal(mmk_munmap(mm, at(2 * H + 1), PAGE), 0);
    expect_zeros(0, 0, 1);
    expect_byte(at(2 * H), 0);
    expect_load(at(2 * H + 1), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mmk_munmap(mm, at(0), 3 * H * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
}

static void test_protect(void **state)
{
    (void)state;
    read_zeros(2);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, MMK_PROT_NONE), 0);
    expect_zeros(2, 0, 0);
    expect_load(at(0), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RW), 0);
    expect_byte(at(0), 0);
    assert_int_equal(mmk_mprotect(mm, at(H + 1), PAGE, RO), 0);
    expect_zeros(1, 0, 1);
    expect_byte(at(H + 1), 0);
}

/* Advice finds no pages in it; a guard splits it. */
static void test_advice(void **state)
{
    (void)state;
    swap_on(4 * H);
    read_zeros(2);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_FREE), 0);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_COLD), 0);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_WILLNEED), 0);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_COLLAPSE), 0);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_POPULATE_READ), 0);
    expect_zeros(2, 0, 0);
    assert_int_equal(advise(at(1), 1, MMK_MADV_FREE), 0);
    expect_zeros(1, 0, 1);
    assert_int_equal(advise(at(H + 1), 1, MMK_MADV_GUARD_INSTALL), 0);
    expect_zeros(0, 0, 2);
    expect_load(at(H + 1), MMK_FAULT_SEGV_MAPERR);
    expect_byte(at(H + 2), 0);
    assert_int_equal(advise(at(0), H, MMK_MADV_POPULATE_WRITE), 0);
    assert_int_equal(mm_stats(mm).rss_anon, H);
    assert_int_equal(mmk_munmap(mm, at(0), 2 * H * PAGE), 0);
    swap_off();
}

static void test_locked(void **state)
{
    (void)state;
    map_at(0, 2 * H, RO, ANON);
    assert_int_equal(mmk_mlock(mm, at(0), 2 * H * PAGE), 0);
    expect_zeros(2, 0, 0);
    assert_int_equal(mmk_munlock(mm, at(1), PAGE), 0);
    expect_zeros(1, 0, 1);
    assert_int_equal(mmk_mprotect(mm, at(H), H * PAGE, RW), 0);
    expect_zeros(0, 1, 1);
}

static void test_move(void **state)
{
    (void)state;
    read_zeros(2);
    assert_int_equal(
        mmk_mremap(mm, at(0), H * PAGE, H * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H)),
        at(4 * H));
    expect_zeros(2, 0, 0);
    expect_byte(at(4 * H + 1), 0);
    store_byte(at(4 * H + 1), 3);
    expect_zeros(1, 1, 0);
    assert_int_equal(mmk_mremap(mm, at(H), H * PAGE, H * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(6 * H + 1)),
                     at(6 * H + 1));
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).huge_zero, 0);
    expect_byte(at(6 * H + 1), 0);
}

/* The child finds it for itself. */
static void test_fork(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    read_zeros(1);
    map_at(H, H, RW, ANON);
    store_byte(at(H), 1);
    parent = enter_child();
    expect_zeros(0, 1, 0);
    expect_byte(at(1), 0);
    expect_zeros(1, 1, 0);
    store_byte(at(1), 4);
    expect_zeros(0, 2, 0);
    leave_child(parent);
    expect_byte(at(1), 0);
    expect_zeros(1, 1, 0);
}

static void test_user(void **state)
{
    uint8_t bytes[3] = {21, 22, 23}, vec[2];
    struct mmk_page *page;
    mmk_paddr_t phys;
    unsigned prot;

    (void)state;
    read_zeros(2);
    assert_int_equal(mmk_mm_read(mm, at(1) - 1, bytes, 3, 0), 3);
    assert_int_equal(bytes[0] | bytes[1] | bytes[2], 0);
    assert_int_equal(mmk_mincore(mm, at(1), 2 * PAGE, vec), 0);
    assert_int_equal(vec[0] + vec[1], 2);
    assert_int_equal(mmk_translate(mm, at(1) + 5, MMK_ACCESS_READ, &phys, &prot), 0);
    assert_int_equal(prot, MMK_PROT_READ);
    assert_int_equal(mmk_translate(mm, at(1) + 5, MMK_ACCESS_WRITE, &phys, &prot), MMK_EFAULT);
    expect_zeros(2, 0, 0);
    bytes[0] = 22;
    assert_int_equal(mmk_mm_write(mm, at(1), bytes, 1, 0), 1);
    expect_zeros(1, 1, 0);
    expect_byte(at(1), 22);
    assert_int_equal(mmk_pin_pages(mm, at(H + 1), 1, 0, &page), 1);
    expect_zeros(0, 2, 0);
    store_byte(at(H + 1), 8);
    assert_int_equal(*(uint8_t *)mmk_page_address(page), 8);
    mmk_unpin_pages(&page, 1, false);
}

/* Nobody pays for it. */
static void test_group(void **state)
{
    struct mmk_group_stats stats;
    struct mmk_group *group;
    uint64_t before;

    (void)state;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    read_zeros(1);
    mmk_group_stats(group, &stats);
    before = stats.charged;
    assert_int_equal(stats.private_mem, 0);
    map_at(H, H, RW, ANON);
    expect_byte(at(H), 0);
    expect_zeros(2, 0, 0);
    mmk_group_stats(group, &stats);
    assert_int_equal(stats.charged, before);
    mmk_group_put(group);
}

/* ---- the block ------------------------------------------------------------------------------- */

/* It stays while an address space lives that has used it, and then until memory is short. */
static void test_block(void **state)
{
    struct mmk_mm *second;
    uint64_t before;

    (void)state;
    before = mmk_frames_free();
    read_zeros(1);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    assert_int_equal(mmk_huge_zero_shrink(), 0);
    assert_int_equal(mmk_mm_create(&second), 0);
    machine_switch_mm(second);
    mmk_mm_put(mm);
    mm = second;
    read_zeros(1);
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_mm_create(&mm), 0);
    machine_switch_mm(mm);
    assert_true(mmk_frames_free() <= before - H + 8);
    assert_true(mmk_reclaim(1) >= H);
    assert_int_equal(mmk_huge_zero_shrink(), 0);
    read_zeros(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALWAYS(test_read),         ALWAYS(test_read_only),
        ALWAYS(test_small),        ASKED(test_madvise),
        ALWAYS(test_fallback),     ALWAYS(test_write),
        ALWAYS(test_write_small),  ALWAYS(test_write_no_memory),
        ALWAYS(test_write_forced), ALWAYS(test_zap),
        ALWAYS(test_protect),      ALWAYS(test_advice),
        ALWAYS(test_locked),       ALWAYS(test_move),
        ALWAYS(test_fork),         ALWAYS(test_user),
        ALWAYS(test_group),        ALWAYS(test_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
