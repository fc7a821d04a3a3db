/* SPDX-License-Identifier: MIT */
/* test_reclaim_note.c - what a port is told of pages that go when memory is short, and come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "swap_setup.h"

#include <mmkit/reclaim.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)
#define ALL      UINT64_MAX

enum { SLOTS = 128 };

/* How often each was said since the last expect(): of pages of files, and of swap. */
static struct {
    uint64_t evicted, unused, returned;
} file, swap;

static uint64_t last; /* index, or slot */

static void note_evicted(void *context, struct mmk_object *object, uint64_t index, bool used)
{
    assert_ptr_equal(context, &last);
    last = index;
    if (object != NULL)
        file.evicted++;
    else
        swap.evicted++;
    swap.unused += !used;
}

static void note_returned(void *context, struct mmk_object *object, uint64_t index)
{
    assert_ptr_equal(context, &last);
    last = index;
    if (object != NULL)
        file.returned++;
    else
        swap.returned++;
}

static const struct machine_reclaim_watch watch = {note_evicted, note_returned, &last};

static void expect(uint64_t file_evicted, uint64_t file_returned, uint64_t swap_evicted,
                   uint64_t swap_returned)
{
    assert_int_equal(file.evicted, file_evicted);
    assert_int_equal(file.returned, file_returned);
    assert_int_equal(swap.evicted, swap_evicted);
    assert_int_equal(swap.returned, swap_returned);
    memset(&file, 0, sizeof(file));
    memset(&swap, 0, sizeof(swap));
}

static int setup(void **state)
{
    if (fixture_setup(state))
        return -1;
    swap_on(SLOTS);
    memset(&file, 0, sizeof(file));
    memset(&swap, 0, sizeof(swap));
    machine_watch_reclaim(&watch);
    return 0;
}

static int teardown(void **state)
{
    machine_watch_reclaim(NULL);
    assert_int_equal(mmk_munmap(mm, 0x10000, MMK_USER_END - 0x10000), 0);
    swap_off();
    return fixture_teardown(state);
}

#define NOTE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void page_out(uint64_t first, uint64_t pages)
{
    assert_int_equal(advise(AT(first), pages, MMK_MADV_PAGEOUT), 0);
}

static void test_private(void **state)
{
    uint64_t slot;

    (void)state;
    map_at(0, 16, RW, ANON);
    fill(AT(0), 16, 1);
    page_out(0, 1);
    slot = last;
    expect(0, 0, 1, 0);
    page_out(1, 15);
    expect(0, 0, 15, 0);
    expect_byte(AT(0), 1); /* seven more are read ahead: of these nothing is said */
    assert_int_equal(last, slot);
    expect(0, 0, 0, 1);
    expect_byte(AT(0), 1);
    expect_byte(AT(1), 2);
    expect(0, 0, 0, 1);
    page_out(0, 1); /* clean */
    expect(0, 0, 1, 0);
}

/* What is read ahead, and gone before anybody has touched it. */
static void test_unused(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    page_out(0, 8);
    expect_byte(AT(0), 1);
    expect(0, 0, 8, 1);
    assert_int_equal(mmk_reclaim(ALL), 8);
    assert_int_equal(swap.unused, 7);
    expect(0, 0, 8, 0);
}

/* Each entry that has named the slot says so. */
static void test_forked(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    parent = enter_child();
    assert_int_equal(mmk_reclaim(ALL), 4);
    expect(0, 0, 4, 0);
    expect_filled(AT(0), 4, 1);
    expect(0, 0, 0, 4);
    leave_child(parent);
    expect_filled(AT(0), 4, 1);
    expect(0, 0, 0, 4);
}

static void test_shared(void **state)
{
    struct mmk_object *shmem = new_shmem(8);

    (void)state;
    map_object_at(0, 8, RW, MMK_MAP_SHARED, shmem, 0);
    map_object_at(20, 8, RW, MMK_MAP_SHARED, shmem, 0);
    fill(AT(0), 4, 1);
    expect_byte(AT(24), 0); /* never written: nothing comes back */
    assert_int_equal(mmk_reclaim(ALL), 5);
    expect(0, 0, 4, 0);
    expect_filled(AT(20), 4, 1);
    expect_filled(AT(0), 4, 1);
    expect(0, 0, 0, 4);
    mmk_object_put(shmem);
}

/* A failed read brings nothing back. */
static void test_error(void **state)
{
    (void)state;
    map_at(0, 1, RW, ANON);
    fill(AT(0), 1, 1);
    page_out(0, 1);
    expect(0, 0, 1, 0);
    swap_device.fails_read = MMK_EIO;
    expect_load(AT(0), MMK_FAULT_BUS);
    expect(0, 0, 0, 0);
    swap_device.fails_read = 0;
    expect_byte(AT(0), 1);
    expect(0, 0, 0, 1);
}

static void test_file(void **state)
{
    struct mmk_object *object = new_file(8);

    (void)state;
    map_object_at(0, 8, RO, MMK_MAP_SHARED, object, 0);
    expect_filled(AT(0), 8, 1);
    expect(0, 8, 0, 0);
    assert_int_equal(mmk_reclaim(ALL), 8);
    expect(8, 0, 0, 0);
    expect_byte(AT(5), 6);
    assert_int_equal(last, 5);
    expect(0, 1, 0, 0);
    assert_int_equal(mmk_object_resize(object, 0), 0); /* nothing that could come back */
    expect(0, 0, 0, 0);
    mmk_object_put(object);
}

/* Nor what MADV_FREE has marked. */
static void test_lazyfree(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_FREE), 0);
    assert_int_equal(mmk_reclaim(ALL), 4);
    expect(0, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NOTE_TEST(test_private),  NOTE_TEST(test_unused), NOTE_TEST(test_forked),
        NOTE_TEST(test_shared),   NOTE_TEST(test_error),  NOTE_TEST(test_file),
        NOTE_TEST(test_lazyfree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
