/* SPDX-License-Identifier: MIT */
/*
 * test_collapse.c - small pages become a larger one (src/collapse.c): by MADV_COLLAPSE, with the
 * answers of Linux, and in the background.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/group.h>
#include <mmkit/huge.h>
#include <mmkit/pin.h>
#include <mmkit/table.h>

#include "fixture.h"
#include "huge_setup.h"
#include "swap_setup.h"

static int collapse(uint64_t page, uint64_t pages)
{
    return advise(at(page), pages, MMK_MADV_COLLAPSE);
}

/* Small pages from BASE on: page i has the byte i + 1. */
static void map_small(uint64_t pages)
{
    map_at(0, pages, RW, ANON);
    fill(at(0), pages, 1);
}

/* ---- what becomes of them -------------------------------------------------------------------- */

static void test_full(void **state)
{
    (void)state;
    map_small(2 * H);
    expect_huge(0, 2);
    assert_int_equal(collapse(0, 2 * H), 0);
    expect_huge(2, 0);
    assert_int_equal(mm_stats(mm).huge_collapses, 2);
    expect_filled(at(0), 2 * H, 1);
    fill(at(0), 2 * H, 3);
    expect_filled(at(0), 2 * H, 3);
    assert_int_equal(collapse(0, 2 * H), 0);
    assert_int_equal(mm_stats(mm).huge_collapses, 2);
}

/* What was not there is zeros. */
static void test_one_page(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    store_byte(at(1), 9);
    expect_byte(at(2), 0);
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    assert_int_equal(mm_stats(mm).rss_anon, H);
    expect_byte(at(0), 0);
    expect_byte(at(1), 9);
    expect_byte(at(H - 1), 0);
}

/* One that was split goes together again where it is. */
static void test_in_place(void **state)
{
    const struct mmk_page *first;

    (void)state;
    map_at(0, H, RW, ANON);
    assert_int_equal(advise(at(0), H, MMK_MADV_HUGEPAGE), 0);
    fill(at(0), H, 1);
    expect_huge(1, 0);
    first = peek_page(mm, at(0));
    assert_int_equal(mmk_mprotect(mm, at(1), PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, at(1), PAGE, RW), 0);
    expect_huge(0, 1);
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    assert_ptr_equal(peek_page(mm, at(0)), first);
    expect_filled(at(0), H, 1);
    fill(at(0), H, 2);
}

/* Shared with a child: the collapsed one is a copy. */
static void test_shared(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_small(H);
    parent = enter_child();
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    store_byte(at(1), 77);
    machine_switch_mm(parent);
    expect_filled(at(0), H, 1);
    machine_switch_mm(mm);
    expect_byte(at(1), 77);
    expect_byte(at(0), 1);
    leave_child(parent);
    expect_huge(0, 1);
}

static void test_read_only(void **state)
{
    (void)state;
    map_small(2 * H);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, at(H), H * PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(collapse(0, 2 * H), 0);
    expect_huge(2, 0);
    expect_store(at(0), MMK_FAULT_SEGV_ACCERR);
    expect_load(at(H), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), 2 * H * PAGE, RW), 0);
    expect_filled(at(0), 2 * H, 1);
    store_byte(at(0), 1);
}

static void test_swapped(void **state)
{
    (void)state;
    swap_on(4 * H);
    map_small(H);
    assert_int_equal(advise(at(0), H / 2, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(mm_stats(mm).swapped, H / 2);
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    assert_int_equal(mm_stats(mm).swapped, 0);
    expect_filled(at(0), H, 1);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    swap_off();
}

/* What is out comes back, though the program may not touch it now. */
static void test_swapped_no_access(void **state)
{
    (void)state;
    swap_on(4 * H);
    map_small(H);
    assert_int_equal(advise(at(0), H / 2, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mm_stats(mm).swapped, H / 2);
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    expect_load(at(0), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RW), 0);
    expect_filled(at(0), H, 1);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    swap_off();
}

/* ---- what is not ----------------------------------------------------------------------------- */

/* As Linux answers. */
static void test_answers(void **state)
{
    (void)state;
    map_at(0, 4 * H, RW, ANON);
    assert_int_equal(collapse(0, H), MMK_EINVAL); /* nothing there */
    expect_byte(at(0), 0);
    assert_int_equal(collapse(0, H), MMK_EINVAL); /* zeros */
    store_byte(at(0), 1);
    assert_int_equal(collapse(0, H / 2), 0); /* none fits */
    assert_int_equal(collapse(1, H), 0);
    assert_int_equal(collapse(1, H - 1), 0);
    assert_int_equal(collapse(1, 1), MMK_EINVAL); /* inside one */
    expect_huge(0, 1);
    assert_int_equal(mmk_madvise(mm, at(0) + 1, H * PAGE, MMK_MADV_COLLAPSE), MMK_EINVAL);
    assert_int_equal(collapse(0, 2 * H), MMK_EINVAL); /* the second is not there */
    expect_huge(1, 0);
    assert_int_equal(collapse(6 * H, H), MMK_ENOMEM);
    assert_int_equal(collapse(0, 0), 0);
    store_byte(at(H), 1);
    assert_int_equal(advise(at(H), H, MMK_MADV_NOHUGEPAGE), 0);
    assert_int_equal(collapse(H, H), MMK_EINVAL);
    store_byte(at(2 * H), 1);
    assert_int_equal(advise(at(2 * H + 1), 1, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(collapse(2 * H, H), MMK_EINVAL);
    store_byte(at(3 * H), 1);
    assert_int_equal(mmk_mlock(mm, at(3 * H), PAGE), 0);
    assert_int_equal(collapse(3 * H, H), MMK_EINVAL); /* two mappings */
    expect_huge(1, 3);
}

static void test_never(void **state)
{
    (void)state;
    map_small(H);
    assert_int_equal(collapse(0, H), MMK_EINVAL);
    expect_huge(0, 1);
}

static void test_pinned(void **state)
{
    struct mmk_table_ref ref;
    struct mmk_page *page;

    (void)state;
    map_small(H);
    assert_int_equal(mmk_pin_pages(mm, at(1), 1, MMK_PIN_WRITE, &page), 1);
    assert_int_equal(collapse(0, H), MMK_EAGAIN);
    mmk_unpin_pages(&page, 1, true);
    assert_int_equal(mmk_table_pin(mm, at(0), &ref), MMK_TABLE_PINNED);
    assert_int_equal(collapse(0, H), MMK_EAGAIN);
    mmk_table_unpin(&ref);
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    assert_int_equal(mmk_table_pin(mm, at(0), &ref), MMK_TABLE_HUGE);
}

/* In its place nothing is copied: a pin is no reason. */
static void test_pinned_in_place(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_at(0, H, RW, ANON);
    assert_int_equal(advise(at(0), H, MMK_MADV_HUGEPAGE), 0);
    fill(at(0), H, 1);
    assert_int_equal(mmk_pin_pages(mm, at(1), 1, MMK_PIN_WRITE, &page), 1);
    assert_int_equal(advise(at(1), 1, MMK_MADV_COLD), 0);
    expect_huge(0, 1);
    assert_int_equal(collapse(0, H), 0);
    expect_huge(1, 0);
    assert_ptr_equal(peek_page(mm, at(1)), page);
    mmk_unpin_pages(&page, 1, true);
}

/* With the nth allocation failing, or all from it on: it fails as a whole, or not at all. */
static void test_no_memory(void **state)
{
    bool failed = true;
    uint64_t n;
    int error;

    (void)state;
    for (n = 0; failed; n++) {
        map_small(H);
        mmk_drain();
        machine_fail_nth(n, n % 2 == 0);
        error = mmk_madvise(mm, at(0), H * PAGE, MMK_MADV_COLLAPSE);
        failed = machine_fail_stop();
        assert_true(error == 0 || (failed && error == MMK_ENOMEM));
        expect_huge(error ? 0 : 1, error ? 1 : 0);
        expect_filled(at(0), H, 1);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
    assert_true(n > 1);
}

/* There is no memory for the first: as on Linux the second is not tried. */
static void test_no_memory_twice(void **state)
{
    (void)state;
    map_small(2 * H);
    mmk_drain();
    machine_fail_nth(0, false);
    assert_int_equal(collapse(0, 2 * H), MMK_ENOMEM);
    assert_true(machine_fail_stop());
    expect_huge(0, 2);
    assert_int_equal(collapse(0, 2 * H), 0);
    expect_huge(2, 0);
}

static struct mmk_mm *no_victim(struct mmk_group *group, void *data)
{
    (void)group;
    *(unsigned *)data += 1;
    return NULL;
}

/* Beyond the limit nobody is ended for it. */
static void test_group(void **state)
{
    static const struct mmk_group_ops ops = {.victim = no_victim};
    struct mmk_group_stats stats;
    struct mmk_group *group;
    unsigned asked = 0;

    (void)state;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, &ops, &asked, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    map_small(H);
    mmk_group_stats(group, &stats);
    assert_int_equal(mmk_group_set_limit(group, stats.charged + H / 2), 0);
    assert_int_equal(collapse(0, H), MMK_EBUSY);
    assert_int_equal(asked, 0);
    expect_huge(0, 1);
    expect_filled(at(0), H, 1);
    mmk_group_put(group);
}

/* ---- in the background ----------------------------------------------------------------------- */

static void test_worker(void **state)
{
    (void)state;
    map_small(4 * H);
    assert_int_equal(advise(at(H), 3 * H, MMK_MADV_HUGEPAGE), 0);
    assert_int_equal(advise(at(2 * H), H / 2 + 1, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mmk_collapse(mm, 1), 1);
    expect_huge(1, 3);
    assert_int_equal(mmk_collapse(mm, 1), 0); /* too few pages */
    assert_int_equal(mmk_collapse(mm, 100), 1);
    expect_huge(2, 2);
    assert_int_equal(mmk_collapse(mm, 100), 0);
    expect_byte(at(0), 1);
    expect_filled(at(3 * H), H, (uint8_t)(3 * H + 1));
}

/* A table with zeros first, so that the writes that follow find one. */
static void test_worker_always(void **state)
{
    (void)state;
    map_at(0, H, RW, ANON);
    assert_int_equal(advise(at(0), H, MMK_MADV_NOHUGEPAGE), 0);
    expect_byte(at(0), 0);
    assert_int_equal(advise(at(0), H, MMK_MADV_HUGEPAGE), 0);
    fill(at(0), H, 1);
    expect_huge(0, 1);
    assert_int_equal(mmk_collapse(mm, 10), 1);
    expect_huge(1, 0);
    expect_filled(at(0), H, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKED(test_full),
        ASKED(test_one_page),
        ASKED(test_in_place),
        ASKED(test_shared),
        ASKED(test_read_only),
        ASKED(test_swapped),
        ASKED(test_swapped_no_access),
        ASKED(test_answers),
        TEST(test_never),
        ASKED(test_pinned),
        ASKED(test_pinned_in_place),
        ASKED(test_no_memory),
        ASKED(test_no_memory_twice),
        ASKED(test_group),
        ASKED(test_worker),
        WITH(test_worker_always, always),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
