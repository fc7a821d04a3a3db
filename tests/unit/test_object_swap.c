/* SPDX-License-Identifier: MIT */
/* test_object_swap.c - shared memory goes to swap, and comes back, is cut and forgotten there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "object_swap.h"
#include "race.h"
#include "random.h"
#include "swap_setup.h"

#include <machine_swap.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)

enum { SLOTS = 200, PAGES = 16 };

static struct mmk_object *shared; /* of PAGES pages, mapped at AT(0) */

/* Its pages are full of their numbers, from 1 on. */
static void map_shared(void)
{
    uint8_t page[PAGE];
    unsigned i;

    assert_int_equal(mmk_object_create(NULL, PAGES * PAGE, NULL, &shared), 0);
    map_object_at(0, PAGES, RW, MMK_MAP_SHARED, shared, 0);
    for (i = 0; i < PAGES; i++) {
        memset(page, (int)i + 1, PAGE);
        assert_int_equal(machine_store(AT(i), page, PAGE), MMK_FAULT_DONE);
    }
}

static void start(void)
{
    swap_on(SLOTS);
    map_shared();
}

/* Nothing is left in swap. */
static void stop(void)
{
    mmk_object_check(shared);
    assert_int_equal(mmk_munmap(mm, AT(0), PAGES * PAGE), 0);
    mmk_object_put(shared);
    assert_int_equal(swap_used(), 0);
    swap_off();
}

static void pageout(uint64_t from, uint64_t pages)
{
    assert_int_equal(advise(AT(from), pages, MMK_MADV_PAGEOUT), 0);
    mmk_object_check(shared);
    mmk_swap_check();
}

/* The object's page, whoever maps it. => as mmk_object_swap_out() */
static int out(uint64_t index)
{
    struct mmk_page *page;
    int error;

    assert_int_equal(mmk_object_get_page(shared, index, &page), 0);
    error = mmk_object_swap_out(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_object_check(shared);
    mmk_swap_check();
    return error;
}

static bool in_core(uint64_t index)
{
    uint8_t vec;

    assert_int_equal(mmk_mincore(mm, AT(index), PAGE, &vec), 0);
    return vec != 0;
}

static void expect_bytes(unsigned from, unsigned to)
{
    for (; from < to; from++)
        expect_byte(AT(from), (uint8_t)(from + 1));
}

static void test_out_and_in(void **state)
{
    uint64_t free;

    (void)state;
    start();
    mmk_drain();
    free = frames_free();
    pageout(0, PAGES);
    assert_int_equal(swap_used(), PAGES);
    assert_int_equal(mm_stats(mm).rss_shmem, 0);
    assert_int_equal(mm_stats(mm).swapped, 0); /* as on Linux: the entries are none */
    assert_int_equal(shared->pages.count, PAGES);
    assert_false(in_core(3));
    mmk_drain();
    assert_true(frames_free() >= free + PAGES);
    expect_bytes(0, PAGES);
    assert_true(in_core(3));
    assert_int_equal(swap_used(), 0);
    assert_int_equal(mm_stats(mm).rss_shmem, PAGES);
    assert_int_equal(stats_now().swap_in, PAGES);
    pageout(2, 3);
    store_byte(AT(3), 99);
    expect_byte(AT(3), 99);
    stop();
}

/* A page that was read, and never written, is zeros again, without a slot. */
static void test_unwritten(void **state)
{
    (void)state;
    start();
    assert_int_equal(mmk_object_punch_hole(shared, 0, PAGES * PAGE), 0);
    expect_byte(AT(1), 0);
    pageout(0, PAGES);
    assert_int_equal(shared->pages.count, 0);
    assert_int_equal(swap_used(), 0);
    assert_int_equal(stats_now().swap_out, 0);
    expect_byte(AT(1), 0);
    stop();
}

/* By advice only what one entry maps; from the page all of them, in every address space. */
static void test_two_mappings(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    start();
    parent = enter_child();
    expect_bytes(0, PAGES);
    pageout(0, PAGES);
    assert_int_equal(swap_used(), 0);
    assert_int_equal(out(4), 0);
    assert_int_equal(swap_used(), 1);
    assert_null(peek_page(mm, AT(4)));
    assert_null(peek_page(parent, AT(4)));
    store_byte(AT(4), 55);
    leave_child(parent);
    expect_byte(AT(4), 55);
    stop();
}

/* A private mapping copies what comes back; its copy is private memory. */
static void test_private_mapping(void **state)
{
    (void)state;
    start();
    map_object_at(100, PAGES, RW, MMK_MAP_PRIVATE, shared, 0);
    pageout(0, PAGES);
    expect_byte(AT(102), 3);
    store_byte(AT(103), 77);
    expect_byte(AT(3), 4);
    pageout(100, PAGES);
    expect_byte(AT(103), 77);
    expect_byte(AT(102), 3);
    assert_int_equal(mmk_munmap(mm, AT(100), PAGES * PAGE), 0);
    stop();
}

static void test_stays(void **state)
{
    struct mmk_page *page, *pinned;

    (void)state;
    start();
    assert_int_equal(mmk_mlock(mm, AT(0), PAGE), 0);
    assert_int_equal(out(0), MMK_EBUSY);
    assert_int_equal(mmk_munlock(mm, AT(0), PAGE), 0);
    assert_int_equal(mmk_pin_pages(mm, AT(1), 1, MMK_PIN_WRITE, &pinned), 1);
    assert_int_equal(out(1), MMK_EBUSY);
    memset(mmk_page_virt(pinned), 44, PAGE);
    mmk_unpin_pages(&pinned, 1, true);
    assert_int_equal(mmk_object_get_page(shared, 2, &page), 0);
    mmk_page_unlock(page);
    assert_int_equal(out(2), MMK_EBUSY); /* somebody has it */
    mmk_page_put(page);
    assert_int_equal(swap_used(), 0);
    assert_int_equal(out(1), 0);
    expect_byte(AT(1), 44);
    assert_int_equal(out(2), 0);
    expect_byte(AT(2), 3);

    page = peek_page(mm, AT(5)); /* it is truncated by the time it is locked */
    mmk_page_get(page);
    assert_int_equal(mmk_object_punch_hole(shared, 5 * PAGE, PAGE), 0);
    mmk_page_lock(page);
    assert_int_equal(mmk_object_swap_out(page), MMK_EBUSY);
    mmk_page_unlock(page);
    mmk_page_put(page);
    stop();
}

static void test_truncated(void **state)
{
    (void)state;
    start();
    pageout(0, PAGES);
    assert_int_equal(mmk_object_resize(shared, 10 * PAGE + 5), 0);
    assert_int_equal(swap_used(), 10); /* the last one was read, and cut */
    expect_load(AT(11), MMK_FAULT_BUS);
    assert_int_equal(mmk_object_resize(shared, PAGES * PAGE), 0);
    expect_byte(AT(10), 11);
    expect_byte(AT(10) + 4, 11);
    expect_byte(AT(10) + 5, 0);
    expect_byte(AT(11), 0);
    expect_bytes(0, 10);
    stop();
}

static void test_holes(void **state)
{
    (void)state;
    start();
    pageout(0, PAGES);
    assert_int_equal(mmk_object_punch_hole(shared, PAGE + 100, 3 * PAGE), 0);
    assert_int_equal(swap_used(), PAGES - 4);
    expect_byte(AT(1) + 99, 2);
    expect_byte(AT(1) + 100, 0);
    expect_byte(AT(2), 0);
    expect_byte(AT(3), 0);
    expect_byte(AT(4) + 99, 0);
    expect_byte(AT(4) + 100, 5);
    assert_int_equal(advise(AT(6), 2, MMK_MADV_REMOVE), 0);
    assert_int_equal(swap_used(), PAGES - 6);
    expect_byte(AT(7), 0);
    assert_int_equal(mmk_object_punch_hole(shared, 0, UINT64_MAX >> 1), 0);
    assert_int_equal(swap_used(), 0);
    stop();
}

/* The last reference goes, and what was in swap with it. */
static void test_release(void **state)
{
    (void)state;
    start();
    pageout(0, PAGES);
    stop();
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_read_error(void **state)
{
    (void)state;
    start();
    pageout(0, PAGES);
    swap_device.fails_read = MMK_EIO;
    expect_load(AT(3), MMK_FAULT_BUS);
    expect_store(AT(3), MMK_FAULT_BUS);
    mmk_object_check(shared);
    assert_int_equal(swap_used(), PAGES);
    /* What is to be cut cannot be read: nothing happens. */
    assert_int_equal(mmk_object_resize(shared, 3 * PAGE + 1), MMK_EIO);
    assert_int_equal(mmk_object_punch_hole(shared, 2 * PAGE, PAGE + 1), MMK_EIO);
    assert_int_equal(mmk_object_size(shared), PAGES * PAGE);
    assert_int_equal(mmk_object_resize(shared, 12 * PAGE), 0); /* no need to */
    assert_int_equal(swap_used(), 12);
    swap_device.fails_read = 0;
    expect_bytes(0, 12);
    stop();
}

static void test_write_error(void **state)
{
    (void)state;
    start();
    swap_device.fails_write = MMK_ENOMEM;
    pageout(0, PAGES);
    assert_int_equal(swap_used(), 0);
    assert_int_equal(out(1), MMK_EIO);
    assert_int_equal(stats_now().swap_bad, 0);
    swap_device.fails_write = MMK_EIO;
    assert_int_equal(out(1), MMK_EIO);
    assert_int_equal(stats_now().swap_bad, 1);
    swap_device.fails_write = 0;
    expect_bytes(0, PAGES);
    assert_int_equal(out(1), 0);
    expect_bytes(0, PAGES);
    stop();
}

static void test_full(void **state)
{
    unsigned i;

    (void)state;
    swap_on(5);
    map_shared();
    pageout(0, PAGES);
    assert_int_equal(swap_used(), 5);
    for (i = 0; i < PAGES; i++)
        if (in_core(i))
            assert_int_equal(out(i), MMK_ENOMEM);
    expect_bytes(0, PAGES);
    stop();
}

/* Each allocation of a fault fails once, and with all later ones. */
static void test_no_memory(void **state)
{
    enum mmk_fault_result result;
    unsigned onward, refused = 0;
    uint64_t n;
    uint8_t byte;
    bool failed;

    (void)state;
    start();
    for (onward = 0; onward < 2; onward++) {
        for (n = 0, failed = true; failed; n++) {
            pageout(0, PAGES);
            mmk_drain();
            machine_fail_nth(n, onward != 0);
            result = machine_load(AT(7), &byte, 1);
            failed = machine_fail_stop();
            mmk_object_check(shared);
            assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
            refused += result == MMK_FAULT_OOM;
            expect_byte(AT(7), 8);
        }
    }
    assert_in_range(refused, 4, 20);
    stop();
}

static void test_swapoff(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    start();
    parent = enter_child();
    expect_bytes(0, 8);
    pageout(0, PAGES);
    assert_int_equal(out(2), 0);
    swap_device.fails_read = MMK_EIO;
    assert_int_equal(mmk_swapoff(swap_device.area), MMK_EIO);
    swap_device.fails_read = 0;
    mmk_object_check(shared);
    assert_int_equal(mmk_swapoff(swap_device.area), 0);
    assert_int_equal(stats_now().swap_in, stats_now().swap_out);
    mmk_object_check(shared);
    free(swap_device.bytes);
    assert_null(peek_page(mm, AT(2))); /* it is in the object alone */
    assert_true(in_core(2));
    leave_child(parent);
    expect_bytes(0, PAGES);
    swap_on(SLOTS);
    stop();
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { ROUNDS = 4000 };

static struct machine_swap *device;
static struct mmk_swap_area *area;
static struct mmk_a32 over;

static void race(void (*function)(unsigned cpu, void *argument))
{
    device = machine_swap_memory(SLOTS);
    mmk_a32_store(&over, 0, MMK_RELAXED);
    assert_int_equal(mmk_swapon(&machine_swap_ops, device, SLOTS, 0, &area), 0);
    assert_int_equal(mmk_object_create(NULL, PAGES * PAGE, NULL, &shared), 0);
    map_object_at(0, PAGES, RW, MMK_MAP_SHARED, shared, 0);
    race_cpus(function, NULL);
    mmk_swap_check();
    mmk_object_check(shared);
    assert_int_equal(mmk_munmap(mm, AT(0), PAGES * PAGE), 0);
    mmk_object_put(shared);
    assert_int_equal(stats_now().swap_used, 0);
    assert_int_equal(mmk_swapoff(area), 0);
    machine_swap_close(device);
}

/* The object's pages go out and in, are cut, forgotten, and swapped off, beside those who use it.
 */
static void change(uint64_t *random, bool alone)
{
    uint64_t at = random_below(random, PAGES);
    struct mmk_page *page;
    int error;

    switch (random_below(random, alone ? 8 : 6)) {
    case 6:
        check(mmk_object_punch_hole(shared, at * PAGE + 100, PAGE) == 0);
        break;
    case 7:
        check(mmk_object_resize(shared, at * PAGE + 8) == 0);
        check(mmk_object_resize(shared, PAGES * PAGE) == 0);
        break;
    case 0:
        check(mmk_madvise(mm, AT(at), PAGE, MMK_MADV_PAGEOUT) == 0);
        break;
    default:
        error = mmk_object_get_page(shared, at, &page);
        check(error == 0 || error == MMK_EFAULT);
        if (error)
            break;
        error = mmk_object_swap_out(page);
        check(error == 0 || error == MMK_EBUSY || error == MMK_ENOMEM);
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
}

/* What a page says is its number, or that it was cut: then it is written again. */
static void use(uint64_t *random)
{
    uint64_t at = random_below(random, PAGES);
    enum mmk_fault_result result;
    uint32_t word;

    result = machine_load(AT(at), &word, 4);
    check(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
    check(result != MMK_FAULT_DONE || word == 0 || word == at + 1);
    word = (uint32_t)at + 1;
    result = machine_store(AT(at), &word, 4);
    check(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
}

static void change_and_use(unsigned cpu, void *argument)
{
    uint64_t random = cpu + 1;
    unsigned i;

    (void)argument;
    machine_switch_mm(mm);
    for (i = 0; cpu == 0 ? i < ROUNDS : !mmk_a32_load(&over, MMK_ACQUIRE); i++) {
        if (cpu == 0 && i % 20 == 0) {
            check(mmk_swapoff(area) == 0);
            check(mmk_swapon(&machine_swap_ops, device, SLOTS, 0, &area) == 0);
        }
        if (cpu == 2)
            use(&random);
        else
            change(&random, cpu == 0);
    }
    if (cpu == 0)
        mmk_a32_store(&over, 1, MMK_RELEASE);
    machine_switch_mm(NULL);
}

static void test_race(void **state)
{
    (void)state;
    race(change_and_use);
}

/* Nobody but one stores, into pages of its own: none of its stores is lost. */
static void keep_and_swap(unsigned cpu, void *argument)
{
    uint64_t random = cpu + 1, at;
    uint32_t count[PAGES] = {0}, word;
    unsigned i;

    (void)argument;
    machine_switch_mm(mm);
    for (i = 0; cpu == 0 ? i < 5 * ROUNDS : !mmk_a32_load(&over, MMK_ACQUIRE); i++) {
        if (cpu != 0) {
            change(&random, false);
            continue;
        }
        at = random_below(&random, PAGES);
        check(machine_load(AT(at), &word, 4) == MMK_FAULT_DONE && word == count[at]);
        word = ++count[at];
        check(machine_store(AT(at), &word, 4) == MMK_FAULT_DONE);
    }
    if (cpu == 0)
        mmk_a32_store(&over, 1, MMK_RELEASE);
    machine_switch_mm(NULL);
}

static void test_race_stores(void **state)
{
    (void)state;
    race(keep_and_swap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_out_and_in),      TEST(test_unwritten),    TEST(test_two_mappings),
        TEST(test_private_mapping), TEST(test_stays),        TEST(test_truncated),
        TEST(test_holes),           TEST(test_release),      TEST(test_read_error),
        TEST(test_write_error),     TEST(test_full),         TEST(test_no_memory),
        TEST(test_swapoff),         TEST_LIMITED(test_race), TEST_LIMITED(test_race_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
