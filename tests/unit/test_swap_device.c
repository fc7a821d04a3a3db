/* SPDX-License-Identifier: MIT */
/* test_swap_device.c - the machine's devices for swap areas: in memory, and in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "expect_panic.h"
#include "fixture.h"

#include <machine_swap.h>

enum { SLOTS = 20 };

static char pages[4][MMK_PAGE_SIZE];
static void *const into[4] = {pages[0], pages[1], pages[2], pages[3]};
static const void *const from[4] = {pages[0], pages[1], pages[2], pages[3]};

static int get(struct machine_swap *swap, uint64_t slot, unsigned count)
{
    return machine_swap_ops_discard.read(swap, slot, into, count);
}

static int put(struct machine_swap *swap, uint64_t slot, unsigned count)
{
    return machine_swap_ops_discard.write(swap, slot, from, count);
}

static void fill_pages(char byte)
{
    unsigned i;

    for (i = 0; i < 4; i++)
        memset(pages[i], byte + (char)i, MMK_PAGE_SIZE);
}

static void read_unwritten(void *swap)
{
    (void)get(swap, 9, 1);
}

static void read_beyond(void *swap)
{
    (void)get(swap, SLOTS - 1, 2);
}

static void write_beyond(void *swap)
{
    (void)put(swap, SLOTS - 3, 4);
}

static void discard_beyond(void *swap)
{
    machine_swap_ops_discard.discard(swap, 1, SLOTS);
}

static void try_device(struct machine_swap *swap)
{
    struct machine_swap_stats stats;

    assert_non_null(swap);
    fill_pages('a');
    assert_int_equal(put(swap, 3, 4), 0);
    fill_pages(0);
    assert_int_equal(get(swap, 4, 2), 0);
    assert_int_equal(pages[0][0], 'b');
    assert_int_equal(pages[1][MMK_PAGE_SIZE - 1], 'c');
    fill_pages('x');
    assert_int_equal(put(swap, 5, 1), 0); /* again */
    assert_int_equal(get(swap, 3, 4), 0);
    assert_int_equal(pages[2][7], 'x');
    assert_int_equal(pages[3][7], 'd');
    assert_true(expect_panic(read_unwritten, swap, "a slot is read that has a page"));
    assert_true(expect_panic(read_beyond, swap, "slots are the device's"));
    assert_true(expect_panic(write_beyond, swap, "slots are the device's"));
    assert_true(expect_panic(discard_beyond, swap, "slots are the device's"));
    assert_int_equal(put(swap, 9, 1), 0);
    machine_swap_ops_discard.discard(swap, 8, 3);
    assert_true(expect_panic(read_unwritten, swap, "a slot is read that has a page"));
    machine_swap_stats(swap, &stats);
    assert_int_equal(stats.writes, 3);
    assert_int_equal(stats.reads, 2);
    assert_int_equal(stats.discarded, 3);
    assert_int_equal(stats.read_bad + stats.write_bad, 0);
    machine_swap_close(swap);
}

static void test_memory(void **state)
{
    (void)state;
    try_device(machine_swap_memory(SLOTS));
}

static void test_file(void **state)
{
    (void)state;
    try_device(machine_swap_file("/tmp", SLOTS));
    assert_null(machine_swap_file("/nowhere", SLOTS));
}

/* Errors come when they are asked for; what was half done shows as that. */
static void test_errors(void **state)
{
    struct machine_swap_errors errors = {
        .read_nth = 3, .write_nth = 2, .read_error = MMK_EIO, .write_error = MMK_ENOMEM};
    struct machine_swap *swap = machine_swap_memory(SLOTS);
    struct machine_swap_stats stats;
    unsigned i, failed = 0;

    (void)state;
    fill_pages('a');
    machine_swap_set_errors(swap, &errors);
    assert_int_equal(put(swap, 0, 1), 0);
    assert_int_equal(put(swap, 9, 1), MMK_ENOMEM);
    assert_true(expect_panic(read_unwritten, swap, "a slot is read that has a page"));
    assert_int_equal(get(swap, 0, 1), 0);
    assert_int_equal(get(swap, 0, 1), 0);
    assert_int_equal(get(swap, 0, 1), MMK_EIO);
    assert_int_equal((unsigned char)pages[0][5], 0xa5);
    errors.read_nth = 0;
    errors.read_one_in = 4;
    errors.seed = 17;
    machine_swap_set_errors(swap, &errors);
    for (i = 0; i < 400; i++)
        failed += get(swap, 0, 1) != 0;
    assert_in_range(failed, 60, 140);
    machine_swap_set_errors(swap, NULL);
    for (i = 0; i < 100; i++) {
        assert_int_equal(put(swap, 0, 1), 0);
        assert_int_equal(get(swap, 0, 1), 0);
    }
    machine_swap_stats(swap, &stats);
    assert_int_equal(stats.read_bad, failed + 1);
    assert_int_equal(stats.write_bad, 1);
    machine_swap_close(swap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_memory), TEST(test_file), TEST(test_errors)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
