/* SPDX-License-Identifier: MIT */
/* test_swapoff.c - an area is swapped off: all that was in it is in memory again, where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"
#include "random.h"
#include "swap_setup.h"

#include <machine_swap.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)

enum { SLOTS = 300 };

static void pageout(uint64_t from, uint64_t pages)
{
    assert_int_equal(advise(AT(from), pages, MMK_MADV_PAGEOUT), 0);
}

/* => the area is gone */
static void swapoff(void)
{
    mmk_swap_check();
    assert_int_equal(mmk_swapoff(swap_device.area), 0);
    assert_int_equal(mmk_swap_area_count(), 0);
    assert_int_equal(mm_stats(mm).swapped, 0);
    free(swap_device.bytes);
    mmk_check(mm);
}

static void test_empty(void **state)
{
    (void)state;
    swap_on(SLOTS);
    swapoff();
}

/* Whose mapping allows what: entries come back as a fault would have made them. */
static void test_own(void **state)
{
    mmk_pte_t pte;
    unsigned i;

    (void)state;
    swap_on(SLOTS);
    map_at(0, 100, RW, ANON);
    fill(AT(0), 100, 1);
    pageout(0, 100);
    expect_swapped(mm, 0, 100);
    assert_int_equal(mmk_mprotect(mm, AT(10), PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, AT(20), PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(
        mmk_mremap(mm, AT(30), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(200)),
        AT(200));
    assert_int_equal(mmk_munmap(mm, AT(40), PAGE), 0);
    swapoff();
    expect_swapped(mm, 99, 0);
    assert_true(mmk_pte_write(peek_entry(mm, AT(0))));
    assert_false(mmk_pte_write(peek_entry(mm, AT(10))));
    assert_false(mmk_pte_accessible(peek_entry(mm, AT(20))));
    pte = peek_entry(mm, AT(200));
    assert_true(mmk_pte_present(pte));
    for (i = 0; i < 100; i++)
        if (i != 20 && i != 30 && i != 40)
            expect_byte(AT(i), (uint8_t)(i + 1));
    expect_byte(AT(200), 31);
    assert_int_equal(mm_stats(mm).fault_swap, 0);
}

/* Pages that are in memory as well, and such as nobody maps. */
static void test_cached(void **state)
{
    (void)state;
    swap_on(SLOTS);
    map_at(0, 16, RW, ANON);
    fill(AT(0), 16, 1);
    pageout(0, 16);
    expect_byte(AT(3), 4); /* its neighbours come, too */
    expect_swapped(mm, 1, 15);
    assert_int_equal(swap_used(), 16);
    swap_device.reads = 0;
    swapoff();
    assert_in_range(swap_device.reads, 1, 8);
    expect_swapped(mm, 16, 0);
    expect_byte(AT(2), 3);
}

/* Parent and child share what is out, and what one of them has written since it has alone. */
static void test_family(void **state)
{
    struct mmk_mm *parent;
    unsigned i;

    (void)state;
    swap_on(SLOTS);
    map_at(0, 20, RW, ANON);
    fill(AT(0), 20, 1);
    pageout(0, 20);
    parent = enter_child();
    store_byte(AT(5), 77);
    assert_int_equal(advise(AT(6), 1, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mmk_munmap(parent, AT(7), PAGE), 0);
    pageout(5, 1);
    swapoff();
    assert_int_equal(mm_stats(parent).swapped, 0);
    mmk_check(parent);
    assert_int_equal(mmk_page_mapcount(peek_page(mm, AT(0))), 2);
    assert_int_equal(mmk_page_mapcount(peek_page(mm, AT(7))), 1);
    expect_byte(AT(5), 77);
    expect_byte(AT(6), 0);
    expect_byte(AT(7), 8);
    store_byte(AT(0), 99);
    leave_child(parent);
    for (i = 0; i < 20; i++)
        if (i != 7)
            expect_byte(AT(i), (uint8_t)(i + 1));
}

/* The page is its grandchild's alone; those who made it are gone. */
static void test_inherited(void **state)
{
    uint64_t kins = mmk_kin_count();
    struct mmk_mm *parent, *child;

    (void)state;
    swap_on(SLOTS);
    parent = enter_child();
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    child = enter_child();
    pageout(0, 8);
    assert_int_equal(swap_out_at(mm, AT(2)), 0);
    put_mm(child);
    expect_swapped(mm, 7, 1);
    swapoff();
    expect_byte(AT(2), 3);
    store_byte(AT(2), 9);
    leave_child(parent);
    mmk_kin_reap();
    assert_int_equal(mmk_kin_count(), kins);
}

/* What cannot be read keeps the area; once it can, it goes. */
static void test_read_error(void **state)
{
    unsigned i;

    (void)state;
    swap_on(SLOTS);
    map_at(0, 40, RW, ANON);
    fill(AT(0), 40, 1);
    pageout(0, 40);
    swap_device.bad_slot = 30;
    assert_int_equal(mmk_swapoff(swap_device.area), MMK_EIO);
    mmk_swap_check();
    assert_true(mm_stats(mm).swapped > 0);
    mmk_check(mm);
    pageout(0, 40); /* it is in use again */
    assert_int_equal(mm_stats(mm).swapped, 40);
    swap_device.bad_slot = UINT64_MAX;
    swapoff();
    for (i = 0; i < 40; i++)
        expect_byte(AT(i), (uint8_t)(i + 1));
}

static void test_no_memory(void **state)
{
    uint64_t n;
    unsigned i;
    bool onward;
    int error;

    (void)state;
    map_at(0, 24, RW, ANON);
    fill(AT(0), 24, 1);
    for (i = 0; i < 2; i++) {
        onward = i == 1;
        for (n = 0, error = 1; error != 0; n++) {
            swap_on(SLOTS);
            pageout(0, 24);
            expect_swapped(mm, 0, 24);
            machine_fail_nth(n, onward);
            error = mmk_swapoff(swap_device.area);
            if (!machine_fail_stop()) {
                assert_int_equal(error, 0);
            } else if (error) {
                assert_int_equal(error, MMK_ENOMEM);
                mmk_swap_check();
                assert_int_equal(mmk_swapoff(swap_device.area), 0);
            } else {
                error = 1; /* a neighbour was not read ahead */
            }
            free(swap_device.bytes);
            expect_swapped(mm, 24, 0);
        }
        assert_in_range(n, 2, 60);
    }
    expect_byte(AT(23), 24);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { RACE_PAGES = 24, ROUNDS = 150 };

static struct machine_swap *device;
static struct mmk_a32 over;

static void fill_race(void)
{
    unsigned i;

    for (i = 0; i < RACE_PAGES; i++)
        store_byte(AT(i), (uint8_t)(i + 1));
}

/* One swaps on and off; one has pages out, and in again; one forks, and ends. */
static void off_beside(unsigned cpu, void *argument)
{
    uint64_t random = cpu + 1;
    struct mmk_swap_area *area;
    struct mmk_mm *child;
    uint8_t byte;
    unsigned i, at;

    (void)argument;
    if (cpu == 0) {
        for (i = 0; i < ROUNDS; i++) {
            check(mmk_swapon(&machine_swap_ops, device, SLOTS, 0, &area) == 0);
            check(mmk_madvise(mm, AT(0), RACE_PAGES * PAGE, MMK_MADV_PAGEOUT) == 0);
            check(mmk_swapoff(area) == 0);
        }
        mmk_a32_store(&over, 1, MMK_RELEASE);
        return;
    }
    machine_switch_mm(mm);
    while (!mmk_a32_load(&over, MMK_ACQUIRE)) {
        at = (unsigned)random_below(&random, RACE_PAGES);
        switch (random_below(&random, cpu == 1 ? 3 : 5)) {
        case 0:
            check(mmk_madvise(mm, AT(at), PAGE, MMK_MADV_PAGEOUT) == 0);
            break;
        case 1:
            check(machine_load(AT(at), &byte, 1) == MMK_FAULT_DONE && byte == at + 1);
            break;
        case 2:
            byte = (uint8_t)(at + 1);
            check(machine_store(AT(at), &byte, 1) == MMK_FAULT_DONE);
            break;
        case 3:
            check(mmk_fork(mm, &child) == 0);
            check(mmk_munmap(child, AT(at), PAGE) == 0);
            mmk_mm_put(child);
            break;
        default:
            check(mmk_madvise(mm, AT(at), PAGE, MMK_MADV_WILLNEED) == 0);
        }
    }
    machine_switch_mm(NULL);
}

static void test_race(void **state)
{
    unsigned i;

    (void)state;
    mmk_a32_store(&over, 0, MMK_RELAXED);
    device = machine_swap_memory(SLOTS);
    map_at(0, RACE_PAGES, RW, ANON);
    fill_race();
    race_cpus(off_beside, NULL);
    machine_swap_close(device);
    expect_swapped(mm, RACE_PAGES, 0);
    for (i = 0; i < RACE_PAGES; i++)
        expect_byte(AT(i), (uint8_t)(i + 1));
    assert_int_equal(stats_now().swap_used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty),     TEST(test_own),        TEST(test_cached),    TEST(test_family),
        TEST(test_inherited), TEST(test_read_error), TEST(test_no_memory), TEST_LIMITED(test_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
