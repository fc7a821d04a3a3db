/* SPDX-License-Identifier: MIT */
/*
 * test_huge.c - larger pages of private anonymous memory (src/huge.h): where they come, what a
 * program sees of them (nothing), and what splits them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/pin.h>
#include <mmkit/reclaim.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "huge_setup.h"
#include "migrate.h"
#include "rmap_use.h"
#include "swap_setup.h"

/* ---- where they come ------------------------------------------------------------------------- */

/* One fault, and no leaf table; what was not written is zero. */
static void test_touch(void **state)
{
    struct mmk_mm_stats stats;

    (void)state;
    map_at(0, 2 * H, RW, ANON);
    store_byte(at(H + 1), 7);
    stats = mm_stats(mm);
    assert_int_equal(stats.rss_anon, H);
    assert_int_equal(stats.huge_faults, 1);
    assert_int_equal(stats.fault_anon, 1);
    expect_huge(1, 0);
    expect_byte(at(H), 0);
    expect_byte(at(H + 1), 7);
    expect_byte(at(2 * H - 1), 0);
    assert_int_equal(needed_faults(), 1);
}

/* With tables above missing, and there. */
static void test_second(void **state)
{
    (void)state;
    map_at(0, 2 * H, RW, ANON);
    store_byte(at(0), 1);
    store_byte(at(H), 2);
    expect_huge(2, 0);
    expect_tables(mm, 0, 1, 1);
}

static void test_not_whole(void **state)
{
    (void)state;
    map_at(1, 2 * H - 2, RW, ANON);
    store_byte(at(1), 1);
    store_byte(at(H), 1);
    expect_huge(0, 2);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
}

/* A table is there: small pages fill it. */
static void test_partly_filled(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    assert_int_equal(advise(at(0), H, MMK_MADV_NOHUGEPAGE), 0);
    expect_byte(at(0), 0);
    assert_int_equal(advise(at(0), H, MMK_MADV_HUGEPAGE), 0);
    expect_huge(0, 1);
    fill(at(0), H, 1);
    expect_huge(0, 1);
    expect_all(1);
}

static void test_madvise(void **state)
{
    (void)state;
    map_at(0, 4 * H, RW, ANON);
    store_byte(at(0), 1);
    expect_huge(0, 1);
    assert_int_equal(advise(at(H), 3 * H, MMK_MADV_HUGEPAGE), 0);
    assert_int_equal(advise(at(2 * H), H, MMK_MADV_NOHUGEPAGE), 0);
    store_byte(at(H), 1);
    expect_huge(1, 1);
    store_byte(at(2 * H), 1);
    expect_huge(1, 2);
    store_byte(at(3 * H), 1);
    expect_huge(2, 2);
}

static void test_nohugepage(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    map_at(H, H, RW, ANON | MMK_MAP_STACK);
    assert_int_equal(advise(at(0), H, MMK_MADV_NOHUGEPAGE), 0);
    store_byte(at(0), 1);
    store_byte(at(H), 1);
    expect_huge(0, 2);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_HUGEPAGE), 0);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_DONTNEED), 0);
    fill(at(0), 2 * H, 1);
    expect_huge(2, 0);
}

static void test_never(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    assert_int_equal(advise(at(0), H, MMK_MADV_HUGEPAGE), 0);
    store_byte(at(0), 1);
    expect_huge(0, 1);
}

/* No block is free: small pages do. */
static void test_fallback(void **state)
{
    struct mmk_page *block[512];
    unsigned order = MMK_MAX_ORDER, i, n = 0;

    (void)state;
    if (MMK_HUGE_ORDER < 4)
        return; /* what is left then is not enough for tables, either */
    while (mmk_frame_has_block(MMK_HUGE_ORDER)) {
        assert_true(n < sizeof(block) / sizeof(block[0]));
        block[n] = mmk_page_alloc(order, MMK_ALLOC_NOWAIT);
        if (block[n])
            n++;
        else
            order--;
    }
    map_at(0, H, RW, ANON);
    store_byte(at(0), 1);
    expect_huge(0, 1);
    assert_int_equal(mm_stats(mm).huge_fallbacks, 1);
    for (i = 0; i < n; i++)
        mmk_page_put(block[i]);
}

/* ---- a part goes ----------------------------------------------------------------------------- */

static void test_dontneed_part(void **state)
{
    (void)state;
    map_huge(2);
    assert_int_equal(mm_stats(mm).table_bytes_saved, 2 * MMK_PAGE_SIZE);
    assert_int_equal(advise(at(1), 1, MMK_MADV_DONTNEED), 0);
    expect_huge(1, 1);
    assert_int_equal(mm_stats(mm).table_bytes_saved, MMK_PAGE_SIZE);
    expect_byte(at(0), 1);
    expect_byte(at(1), 0);
    expect_filled(at(2), 2 * H - 2, 3);
    assert_int_equal(mm_stats(mm).huge_splits, 1);
}

static void test_dontneed_whole(void **state)
{
    (void)state;
    map_huge(3);
    assert_int_equal(advise(at(H), H, MMK_MADV_DONTNEED), 0);
    expect_huge(2, 0);
    assert_int_equal(mm_stats(mm).rss_anon, 2 * H);
    assert_int_equal(advise(at(1), 3 * H - 2, MMK_MADV_DONTNEED), 0);
    expect_huge(0, 2);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    expect_byte(at(0), 1);
    expect_byte(at(3 * H - 1), (uint8_t)(3 * H));
    assert_int_equal(advise(at(0), 3 * H, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 0, 0, 0);
}

static void test_unmap(void **state)
{
    (void)state;
    map_huge(3);
    assert_int_equal(mmk_munmap(mm, at(H / 2), H * PAGE), 0);
    expect_huge(1, 2);
    expect_filled(at(0), H / 2, 1);
    expect_load(at(H / 2), MMK_FAULT_SEGV_MAPERR);
    expect_filled(at(H + H / 2), 2 * H - H / 2, (uint8_t)(H + H / 2 + 1));
    assert_int_equal(mmk_munmap(mm, at(0), 3 * H * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
}

static void test_map_over(void **state)
{
    (void)state;
    map_huge(2);
    map_at(1, 1, RW, ANON);
    expect_huge(1, 1);
    expect_byte(at(1), 0);
    map_at(H, H, RW, ANON);
    expect_huge(0, 1);
    expect_byte(at(H), 0);
    expect_byte(at(2), 3);
}

/* A mapping that is cut in the middle of one: each has its part. */
static void test_cut(void **state)
{
    (void)state;
    map_huge(1);
    assert_int_equal(advise(at(1), 1, MMK_MADV_DONTFORK), 0);
    expect_huge(0, 1);
    expect_all(1);
}

static void test_protect(void **state)
{
    (void)state;
    map_huge(2);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RO), 0);
    expect_huge(2, 0);
    expect_store(at(0), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, MMK_PROT_NONE), 0);
    expect_load(at(1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), 2 * H * PAGE, RW), 0);
    expect_huge(2, 0);
    expect_all(2);
    assert_int_equal(mmk_mprotect(mm, at(H + 1), PAGE, RO), 0);
    expect_huge(1, 1);
    expect_store(at(H + 1), MMK_FAULT_SEGV_ACCERR);
    store_byte(at(H), 1);
    expect_byte(at(H + 1), (uint8_t)(H + 2));
}

/* Its bits are every piece's. */
static void test_bits(void **state)
{
    uint64_t i;

    (void)state;
    map_huge(1);
    assert_int_equal(advise(at(1), 1, MMK_MADV_DONTNEED), 0);
    for (i = 2; i < H; i++) {
        assert_true(mmk_pte_dirty(peek_entry(mm, at(i))));
        assert_true(mmk_pte_write(peek_entry(mm, at(i))));
    }
}

static void test_advice(void **state)
{
    (void)state;
    map_huge(3);
    assert_int_equal(advise(at(1), 1, MMK_MADV_FREE), 0);
    expect_huge(2, 1);
    assert_int_equal(advise(at(H + 1), 1, MMK_MADV_COLD), 0);
    expect_huge(1, 2);
    expect_all(3);
    assert_int_equal(advise(at(2 * H + 1), 1, MMK_MADV_GUARD_INSTALL), 0);
    expect_huge(0, 3);
    expect_load(at(2 * H + 1), MMK_FAULT_SEGV_MAPERR);
    expect_byte(at(2 * H), (uint8_t)(2 * H + 1));
}

/* Of all of it: nothing is split. It may go, page by page, until somebody writes to any. */
static void test_advice_whole(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_huge(2);
    page = peek_page(mm, at(0));
    assert_int_equal(advise(at(0), H, MMK_MADV_COLD), 0);
    expect_huge(2, 0);
    assert_int_equal(mmk_page_referenced(page), 0);
    assert_int_equal(advise(at(0), H, MMK_MADV_FREE), 0);
    expect_huge(2, 0);
    expect_all(2);
    store_byte(at(1), 70);
    assert_int_equal(mmk_reclaim(H), 0);
    expect_byte(at(0), 1);
    assert_int_equal(advise(at(0), H, MMK_MADV_FREE), 0);
    assert_in_range(mmk_reclaim(H), H - 1, H);
    expect_huge(1, 0);
    expect_byte(at(0), 0);
}

/* No addresses of the program's. */
static void test_beyond(void **state)
{
    const mmk_vaddr_t end = mmk_huge_base(MMK_USER_END + H * PAGE);

    (void)state;
    map_huge(1);
    assert_int_equal(advise(end + PAGE, 1, MMK_MADV_DONTFORK), MMK_ENOMEM);
    assert_int_equal(advise(end + PAGE, 1, MMK_MADV_FREE), MMK_ENOMEM);
    assert_int_equal(advise(at(H - 1), (end - at(H - 2)) / PAGE, MMK_MADV_DONTFORK), MMK_ENOMEM);
    expect_huge(0, 1);
    expect_all(1);
}

/* ---- moving ---------------------------------------------------------------------------------- */

static void test_move_whole(void **state)
{
    (void)state;
    map_huge(2);
    assert_int_equal(mmk_mremap(mm, at(0), 2 * H * PAGE, 2 * H * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H)),
                     at(4 * H));
    expect_huge(2, 0);
    expect_filled(at(4 * H), 2 * H, 1);
    expect_load(at(0), MMK_FAULT_SEGV_MAPERR);
}

static void test_move_aside(void **state)
{
    (void)state;
    map_huge(1);
    assert_int_equal(mmk_mremap(mm, at(0), H * PAGE, H * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H + 1)),
                     at(4 * H + 1));
    expect_huge(0, 2);
    expect_filled(at(4 * H + 1), H, 1);
}

static void test_move_part(void **state)
{
    (void)state;
    map_huge(2);
    assert_int_equal(mmk_mremap(mm, at(H / 2), H * PAGE, H * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H + H / 2)),
                     at(4 * H + H / 2));
    mmk_check(mm);
    expect_filled(at(0), H / 2, 1);
    expect_filled(at(4 * H + H / 2), H, (uint8_t)(H / 2 + 1));
    expect_filled(at(H + H / 2), H / 2, (uint8_t)(H + H / 2 + 1));
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* Shared as it is; a write in the child copies a page, and splits the child's. */
static void test_fork(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_huge(1);
    parent = enter_child();
    expect_huge(1, 0);
    expect_all(1);
    store_byte(at(1), 99);
    expect_huge(0, 1);
    expect_byte(at(0), 1);
    expect_byte(at(1), 99);
    leave_child(parent);
    expect_huge(1, 0);
    expect_all(1);
}

/* The child is gone: the parent's is its own again, all of it. */
static void test_fork_back(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_huge(1);
    parent = enter_child();
    leave_child(parent);
    store_byte(at(2), 3);
    expect_huge(1, 0);
    assert_int_equal(mm_stats(mm).fault_reuse, 1);
    expect_all(1);
}

/* A page of it is the child's still: the parent copies that when it writes there. */
static void test_fork_part(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_huge(1);
    parent = enter_child();
    assert_int_equal(mmk_munmap(mm, at(0), (H - 1) * PAGE), 0);
    machine_switch_mm(parent);
    store_byte(at(0), 51);
    store_byte(at(H - 1), 52);
    machine_switch_mm(mm);
    expect_byte(at(H - 1), (uint8_t)H);
    leave_child(parent);
    expect_byte(at(0), 51);
    expect_byte(at(H - 1), 52);
}

/* P9: what is pinned stays the parent's, the child gets copies. */
static void test_fork_pinned(void **state)
{
    struct mmk_page *page;
    struct mmk_mm *parent;

    (void)state;
    map_huge(1);
    assert_int_equal(mmk_pin_pages(mm, at(1), 1, MMK_PIN_WRITE, &page), 1);
    expect_huge(1, 0);
    parent = enter_child();
    expect_all(1);
    *(uint8_t *)mmk_page_address(page) = 77;
    expect_byte(at(1), 2);
    leave_child(parent);
    expect_byte(at(1), 77);
    mmk_unpin_pages(&page, 1, true);
}

/* ---- from the page, and beside the program ----------------------------------------------------
 */

static void test_migrate(void **state)
{
    struct mmk_page *page, *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);

    (void)state;
    map_huge(1);
    page = peek_page(mm, at(1));
    mmk_page_get(page);
    mmk_page_lock(page);
    assert_int_equal(mmk_page_migrate(page, to), 0);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_page_put(to);
    expect_huge(0, 1);
    expect_all(1);
}

static void test_pageout(void **state)
{
    (void)state;
    swap_on(4 * H);
    map_huge(1);
    assert_int_equal(advise(at(1), 1, MMK_MADV_PAGEOUT), 0);
    expect_huge(0, 1);
    assert_int_equal(mm_stats(mm).swapped, 1);
    expect_all(1);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    swap_off();
}

/* Used as long as the first page is not asked: that one makes it old. */
static void test_referenced(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_huge(1);
    page = peek_page(mm, at(0));
    assert_int_equal(mmk_page_referenced(page + 1), 1);
    assert_int_equal(mmk_page_referenced(page + 1), 1);
    assert_int_equal(mmk_page_referenced(page), 1);
    assert_int_equal(mmk_page_referenced(page), 0);
    assert_int_equal(mmk_page_referenced(page + 1), 0);
    expect_huge(1, 0);
}

/* Unless that one is pinned, and so never asked. */
static void test_referenced_pinned(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_huge(1);
    assert_int_equal(mmk_pin_pages(mm, at(0), 1, MMK_PIN_WRITE, &page), 1);
    assert_int_equal(mmk_page_referenced(page + 2), 1);
    assert_int_equal(mmk_page_referenced(page + 1), 1);
    assert_int_equal(mmk_page_referenced(page + 1), 0);
    assert_int_equal(mmk_page_referenced(page + 2), 0);
    mmk_unpin_pages(&page, 1, false);
}

static void test_user(void **state)
{
    uint8_t bytes[3] = {21, 22, 23}, vec[4];
    mmk_paddr_t phys;
    unsigned prot;

    (void)state;
    map_huge(1);
    assert_int_equal(mmk_mm_write(mm, at(1) - 1, bytes, 3, 0), 3);
    assert_int_equal(mmk_mm_read(mm, at(1), bytes, 1, 0), 1);
    assert_int_equal(bytes[0], 22);
    expect_byte(at(1), 22);
    assert_int_equal(mmk_mincore(mm, at(0), 4 * PAGE, vec), 0);
    assert_int_equal(vec[0] + vec[1] + vec[2] + vec[3], 4);
    assert_int_equal(mmk_translate(mm, at(1) + 5, MMK_ACCESS_WRITE, &phys, &prot), 0);
    assert_int_equal(phys, mmk_page_phys(peek_page(mm, at(1))) + 5);
    expect_huge(1, 0);
}

static void test_populate(void **state)
{
    (void)state;
    map_at(0, 2 * H, RW, ANON);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_POPULATE_WRITE), 0);
    expect_huge(2, 0);
    assert_int_equal(mm_stats(mm).fault_anon, 2);
    assert_int_equal(mmk_mlock(mm, at(0), H * PAGE), 0);
    expect_huge(2, 0);
    assert_int_equal(mmk_munlock(mm, at(1), PAGE), 0);
    expect_huge(1, 1);
}

/* At its limit, and larger pages are all there is to take: the table for that is paid for beyond.
 */
static void test_group(void **state)
{
    struct mmk_group *group;
    struct mmk_group_stats stats;

    (void)state;
    swap_on(8 * H);
    group = enter_group();
    map_huge(3);
    map_at(3 * H, 1, RW, ANON);
    mmk_group_stats(group, &stats);
    assert_int_equal(mmk_group_set_limit(group, stats.charged), 0);
    assert_true(mmk_group_reclaim(group, 2) > 0);
    assert_true(mm_stats(mm).huge_splits > 0);
    store_byte(at(3 * H), 1);
    mmk_group_stats(group, &stats);
    assert_int_equal(stats.ooms, 0);
    expect_all(3);
    assert_int_equal(mmk_munmap(mm, at(0), 4 * H * PAGE), 0);
    swap_off();
    mmk_group_put(group);
}

/* What is locked is not split to no purpose. */
static void test_locked(void **state)
{
    struct mmk_group *group;

    (void)state;
    swap_on(4 * H);
    group = enter_group();
    map_huge(1);
    assert_int_equal(mmk_mlock(mm, at(0), H * PAGE), 0);
    assert_int_equal(mmk_group_reclaim(group, 2 * H), 0);
    expect_huge(1, 0);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    swap_off();
    mmk_group_put(group);
}

/* ---- without memory -------------------------------------------------------------------------- */

static int unmap_part(void)
{
    return mmk_munmap(mm, at(1), PAGE);
}

static int protect_part(void)
{
    return mmk_mprotect(mm, at(1), PAGE, RO);
}

static int dontneed_part(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_DONTNEED);
}

static int dontfork_part(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_DONTFORK);
}

static int move_part(void)
{
    int64_t to =
        mmk_mremap(mm, at(1), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H));

    return to < 0 ? (int)to : 0;
}

/* What fails has changed nothing that a program sees. */
static void fail_each(int (*call)(void))
{
    bool failed = true;
    uint64_t n;
    int error;

    for (n = 0; failed; n++) {
        map_huge(1);
        mmk_drain();
        machine_fail_nth(n, true);
        error = call();
        failed = machine_fail_stop();
        mmk_check(mm);
        assert_true(failed || error == 0);
        if (error) {
            assert_true(error == MMK_ENOMEM || error == MMK_EAGAIN);
            expect_all(1);
            assert_int_equal(call(), 0);
        }
        assert_int_equal(mmk_munmap(mm, at(0), 8 * H * PAGE), 0);
    }
    assert_true(n > 1);
}

static void test_no_memory(void **state)
{
    (void)state;
    fail_each(unmap_part);
    fail_each(protect_part);
    fail_each(dontneed_part);
    fail_each(dontfork_part);
    fail_each(move_part);
}

/* The fault itself takes small pages, or fails, and is through when memory is back. */
static void test_fault_no_memory(void **state)
{
    enum mmk_fault_result result;
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        map_at(0, H, RW, ANON);
        mmk_drain();
        machine_fail_nth(n, n % 2 == 0);
        result = mmk_fault(mm, at(1), MMK_ACCESS_WRITE);
        failed = machine_fail_stop();
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        store_byte(at(1), 5);
        expect_byte(at(1), 5);
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALWAYS(test_touch),
        ALWAYS(test_second),
        ALWAYS(test_not_whole),
        ALWAYS(test_partly_filled),
        WITH(test_madvise, madvise),
        ALWAYS(test_nohugepage),
        TEST(test_never),
        ALWAYS(test_fallback),
        ALWAYS(test_dontneed_part),
        ALWAYS(test_dontneed_whole),
        ALWAYS(test_unmap),
        ALWAYS(test_map_over),
        ALWAYS(test_cut),
        ALWAYS(test_protect),
        ALWAYS(test_bits),
        ALWAYS(test_advice),
        ALWAYS(test_beyond),
        ALWAYS(test_advice_whole),
        ALWAYS(test_move_whole),
        ALWAYS(test_move_aside),
        ALWAYS(test_move_part),
        ALWAYS(test_fork),
        ALWAYS(test_fork_back),
        ALWAYS(test_fork_part),
        ALWAYS(test_fork_pinned),
        ALWAYS(test_migrate),
        ALWAYS(test_pageout),
        ALWAYS(test_referenced),
        ALWAYS(test_referenced_pinned),
        ALWAYS(test_user),
        ALWAYS(test_populate),
        ALWAYS(test_group),
        ALWAYS(test_locked),
        ALWAYS(test_no_memory),
        ALWAYS(test_fault_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
