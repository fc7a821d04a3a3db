/* SPDX-License-Identifier: MIT */
/*
 * test_oom_swap.c - calls on what is in swap, or goes there, with each of their allocations failing
 * (oom.h), and with each of their reads and writes failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OOM_ELSEWHERE elsewhere_hash /* of a page that no entry maps */
#include "fixture.h"
#include "swap_setup.h"

static uint64_t elsewhere_hash(mmk_pte_t pte);

#include "oom.h"

#define PAGES    6
#define AT(page) (BASE + (uint64_t)(page)*PAGE)

/* As of a page that is mapped. */
static uint64_t elsewhere_hash(mmk_pte_t pte)
{
    struct mmk_page *page = mmk_swap_find(mmk_pte_slot(pte));
    uint64_t hash;

    if (!page)
        return words_hash(swap_device.bytes + mmk_slot_offset(mmk_pte_slot(pte)) * PAGE);
    hash = words_hash(mmk_page_virt(page));
    mmk_page_put(page);
    return hash;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int call_fault(enum mmk_access access)
{
    enum mmk_fault_result result = mmk_fault(mm, AT(2), access);

    assert_true(result == MMK_FAULT_DONE || result == MMK_FAULT_OOM || result == MMK_FAULT_BUS);
    return result == MMK_FAULT_DONE ? 0 : result == MMK_FAULT_OOM ? MMK_ENOMEM : MMK_EFAULT;
}

static int call_read(void)
{
    return call_fault(MMK_ACCESS_READ);
}

static int call_write(void)
{
    return call_fault(MMK_ACCESS_WRITE);
}

static int call_page_out(void)
{
    return mmk_madvise(mm, AT(0), PAGES * PAGE, MMK_MADV_PAGEOUT);
}

static int call_will_need(void)
{
    return mmk_madvise(mm, AT(0), PAGES * PAGE, MMK_MADV_WILLNEED);
}

static int call_populate(void)
{
    return mmk_madvise(mm, AT(0), PAGES * PAGE, MMK_MADV_POPULATE_READ);
}

static int call_free(void)
{
    return mmk_madvise(mm, AT(1), 2 * PAGE, MMK_MADV_FREE);
}

static int call_fork(void)
{
    return mmk_fork(mm, &made_mm);
}

static int call_move(void)
{
    int64_t at = mmk_mremap(mm, AT(0), PAGES * PAGE, PAGES * PAGE,
                            MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, BASE + GIB);

    return at < 0 ? (int)at : 0;
}

static int call_unmap(void)
{
    return mmk_munmap(mm, AT(0), PAGES * PAGE);
}

static int call_protect(void)
{
    return mmk_mprotect(mm, AT(0), PAGES * PAGE, RO);
}

/* ---- before them ----------------------------------------------------------------------------- */

static void with_pages(void)
{
    map_at(0, PAGES, RW, ANON);
    fill(AT(0), PAGES, 1);
}

static void with_swapped(void)
{
    with_pages();
    assert_int_equal(call_page_out(), 0);
}

/* Cached, mapped, clean. */
static void with_read(void)
{
    with_swapped();
    expect_filled(AT(0), PAGES, 1);
}

static void with_shared(void)
{
    with_swapped();
    assert_int_equal(mmk_fork(mm, &made_mm), 0);
}

/* And in memory, too. */
static void with_ahead(void)
{
    with_swapped();
    assert_int_equal(call_will_need(), 0);
}

static const struct oom_case cases[] = {
    {"read", with_swapped, call_read, AROUND}, /* neighbours are not read then */
    {"write", with_swapped, call_write, AROUND},
    {"read what two have", with_shared, call_read, AROUND},
    {"write what two have", with_shared, call_write, AROUND | PARTLY}, /* it came in to be copied */
    {"read what is ahead", with_ahead, call_read, AROUND},
    {"write what is ahead", with_ahead, call_write, AROUND},
    {"page out", with_pages, call_page_out, 0},
    {"page out again", with_read, call_page_out, 0},
    {"will need", with_swapped, call_will_need, AROUND},
    {"populate", with_swapped, call_populate, AROUND | PARTLY},
    {"free", with_swapped, call_free, 0},
    {"fork", with_swapped, call_fork, 0},
    {"move", with_swapped, call_move, 0},
    {"unmap", with_swapped, call_unmap, 0},
    {"protect", with_swapped, call_protect, 0},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* ---- reads and writes ------------------------------------------------------------------------ */

/* The contents, wherever they are. */
static void expect_contents(void)
{
    swap_device.fail_nth = 0;
    expect_filled(AT(0), PAGES, 1);
    mmk_check(mm);
    mmk_swap_check();
}

/* One try. => whether a read or a write failed */
static bool try_io(const struct oom_case *c, unsigned nth, bool onward)
{
    struct mmk_mm *old = begin(c, false);
    unsigned failed;
    int result;

    swap_device.failed = 0;
    swap_device.fail_nth = nth;
    swap_device.fail_onward = onward;
    result = c->call();
    failed = swap_device.failed;
    mmk_check(mm);
    mmk_swap_check();
    assert_true(result == 0 || (result == MMK_EFAULT && failed > 0));
    expect_contents();
    (void)end(old);
    assert_int_equal(swap_used(), 0);
    return failed > 0;
}

/* Each of its reads and writes fails once, and each with all that come later. */
static void test_io(void **state)
{
    const struct oom_case *c = *state;
    unsigned nth;

    for (nth = 1; try_io(c, nth, false); nth++)
        continue;
    for (nth = 1; try_io(c, nth, true); nth++)
        continue;
    print_message("%s: %u reads and writes\n", c->name, nth - 1);
    assert_true(nth > 1);
}

static const struct oom_case io_cases[] = {
    {"read, failing", with_swapped, call_read, 0},
    {"write, failing", with_swapped, call_write, 0},
    {"read what two have, failing", with_shared, call_read, 0},
    {"page out, failing", with_pages, call_page_out, 0},
    {"will need, failing", with_swapped, call_will_need, 0},
    {"populate, failing", with_swapped, call_populate, 0},
};

#define IO_CASES (sizeof(io_cases) / sizeof(io_cases[0]))

int main(void)
{
    const struct mmk_config config = fixture_config();
    static struct CMUnitTest tests[CASES + IO_CASES];
    void *state = NULL;
    size_t i;
    int failed;

    for (i = 0; i < CASES; i++)
        tests[i] =
            (struct CMUnitTest){cases[i].name, test_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    for (i = 0; i < IO_CASES; i++)
        tests[CASES + i] = (struct CMUnitTest){io_cases[i].name, test_io, NULL, NULL,
                                               (void *)(uintptr_t)&io_cases[i]};
    if (fixture_setup_with(&config))
        return 1;
    swap_on(64);
    failed = cmocka_run_group_tests_name("oom_swap", tests, NULL, NULL);
    swap_off();
    return fixture_teardown(&state) ? 1 : failed;
}
