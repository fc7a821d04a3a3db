/* SPDX-License-Identifier: MIT */
/* test_reclaim_swap.c - getting memory back where there is swap space: private and shared memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"
#include "random.h"
#include "swap_area.h"

#include <machine_swap.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)
#define ALL      UINT64_MAX

static struct machine_swap *device;
static struct mmk_swap_area *area;

static void swap_on(uint64_t slots)
{
    device = machine_swap_memory(slots);
    assert_non_null(device);
    assert_int_equal(mmk_swapon(&machine_swap_ops_discard, device, slots, 0, &area), 0);
}

static void swap_off(void)
{
    assert_int_equal(mmk_swapoff(area), 0);
    machine_swap_close(device);
}

/* All that can go. => how much that was */
static uint64_t reclaim_all(void)
{
    uint64_t freed = mmk_reclaim(ALL);

    mmk_check(mm);
    mmk_swap_check();
    return freed;
}

static void expect_where(uint64_t in_memory, uint64_t swapped)
{
    struct mmk_mm_stats stats = mm_stats(mm);

    assert_int_equal(stats.rss_anon, in_memory);
    assert_int_equal(stats.swapped, swapped);
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void test_private(void **state)
{
    (void)state;
    map_at(0, 32, RW, ANON);
    fill(AT(0), 32, 1);
    assert_int_equal(reclaim_all(), 0); /* to where? */
    swap_on(64);
    assert_int_equal(reclaim_all(), 32);
    expect_where(0, 32);
    assert_int_equal(stats_now().reclaim_freed, 32);
    expect_filled(AT(0), 32, 1);
    assert_int_equal(mm_stats(mm).fault_swap, 32);
    assert_true(reclaim_all() >= 32);
    assert_int_equal(mmk_munmap(mm, AT(0), 16 * PAGE), 0);
    expect_filled(AT(16), 16, 17);
    swap_off();
}

/* Pages that MADV_FREE has marked take no slot. */
static void test_lazyfree(void **state)
{
    (void)state;
    swap_on(64);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_FREE), 0);
    store_byte(AT(1) + 1, 9);
    assert_int_equal(reclaim_all(), 8);
    expect_where(0, 5);
    expect_byte(AT(0), 0);
    expect_byte(AT(1), 2);
    expect_filled(AT(4), 4, 5);
    swap_off();
}

/* A page that several have goes once. */
static void test_forked(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    swap_on(64);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    parent = enter_child();
    assert_int_equal(reclaim_all(), 8);
    assert_int_equal(stats_now().swap_used, 8);
    expect_where(0, 8);
    assert_int_equal(mm_stats(parent).swapped, 8);
    store_byte(AT(0), 50);
    leave_child(parent);
    expect_filled(AT(0), 8, 1);
    swap_off();
}

static void test_shared(void **state)
{
    struct mmk_object *shmem = new_shmem(8);

    (void)state;
    swap_on(64);
    map_object_at(0, 8, RW, MMK_MAP_SHARED, shmem, 0);
    map_object_at(20, 8, RW, MMK_MAP_SHARED, shmem, 0);
    fill(AT(0), 8, 1);
    expect_filled(AT(20), 8, 1);
    assert_int_equal(reclaim_all(), 8);
    assert_int_equal(mm_stats(mm).rss_shmem, 0);
    mmk_check_object(shmem);
    expect_filled(AT(20), 8, 1);
    expect_filled(AT(0), 8, 1);
    mmk_object_put(shmem);
    assert_int_equal(mmk_munmap(mm, AT(0), 40 * PAGE), 0);
    swap_off();
}

/* ---- what stays ------------------------------------------------------------------------------ */

static void test_stays(void **state)
{
    struct mmk_page *pinned;

    (void)state;
    swap_on(64);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    assert_int_equal(mmk_mlock(mm, AT(0), 2 * PAGE), 0);
    assert_int_equal(mmk_pin_pages(mm, AT(3), 1, MMK_PIN_WRITE, &pinned), 1);
    assert_int_equal(reclaim_all(), 5);
    assert_non_null(peek_page(mm, AT(0)));
    assert_non_null(peek_page(mm, AT(1)));
    assert_ptr_equal(peek_page(mm, AT(3)), pinned);
    mmk_unpin_pages(&pinned, 1, false);
    assert_int_equal(reclaim_all(), 1);
    expect_filled(AT(0), 8, 1);
    swap_off();
}

/* No room for more; and then there is again. */
static void test_full(void **state)
{
    (void)state;
    swap_on(4);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    assert_int_equal(reclaim_all(), 4);
    expect_where(4, 4);
    assert_int_equal(reclaim_all(), 0);
    expect_filled(AT(0), 8, 1);
    assert_int_equal(mmk_munmap(mm, AT(0), 4 * PAGE), 0);
    assert_true(reclaim_all() > 0);
    expect_filled(AT(4), 4, 5);
    swap_off();
}

/* An area that goes has no room: nothing is searched for it. */
static void test_stopped(void **state)
{
    uint64_t scanned;

    (void)state;
    swap_on(64);
    map_at(0, 32, RW, ANON);
    fill(AT(0), 32, 1);
    mmk_swap_area_stop(area, true);
    assert_int_equal(reclaim_all(), 0);
    scanned = stats_now().reclaim_scanned;
    assert_in_range(scanned, 1, 2 * 32);
    mmk_swap_area_stop(area, false);
    assert_int_equal(reclaim_all(), 32);
    swap_off();
}

static void test_write_fails(void **state)
{
    const struct machine_swap_errors errors = {.write_nth = 1, .write_error = MMK_EAGAIN};

    (void)state;
    swap_on(64);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    machine_swap_set_errors(device, &errors);
    assert_int_equal(reclaim_all(), 0);
    expect_filled(AT(0), 8, 1);
    machine_swap_set_errors(device, NULL);
    assert_int_equal(reclaim_all(), 8);
    expect_filled(AT(0), 8, 1);
    swap_off();
}

/* Whoever does I/O has none done for it. */
static void test_noio(void **state)
{
    static struct mmk_page *held[64 * MIB / PAGE];
    struct mmk_page *page;
    size_t count = 0;

    (void)state;
    swap_on(64);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    while ((held[count] = mmk_page_alloc(0, MMK_ALLOC_NOIO)))
        count++;
    expect_where(8, 0);
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_non_null(page);
    mmk_page_put(page);
    assert_true(mm_stats(mm).swapped > 0);
    while (count > 0)
        mmk_page_put(held[--count]);
    expect_filled(AT(0), 8, 1);
    swap_off();
}

/* ---- more than memory ------------------------------------------------------------------------ */

static void test_large(void **state)
{
    uint64_t pages = 96 * MIB / PAGE, i, word;

    (void)state;
    swap_on(2 * pages);
    map_at(0, pages, RW, ANON);
    for (i = 0; i < pages; i++)
        assert_int_equal(machine_store(AT(i), &i, sizeof(i)), MMK_FAULT_DONE);
    for (i = 0; i < 2 * pages; i++) {
        assert_int_equal(machine_load(AT(i % pages), &word, sizeof(word)), MMK_FAULT_DONE);
        assert_int_equal(word, i % pages);
    }
    mmk_check(mm);
    assert_true(mm_stats(mm).swapped > pages / 4);
    assert_true(stats_now().reclaim_direct > 0);
    assert_int_equal(mmk_munmap(mm, AT(0), pages * PAGE), 0);
    swap_off();
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { PAGES = 32, ROUNDS = 2000 };

static bool enough(void)
{
    return stats_now().reclaim_freed >= 200;
}

/* Private memory that is stored to, forked, moved, while it goes and comes. */
static void use_memory(unsigned cpu, uint64_t words[PAGES])
{
    uint64_t seed = cpu + 1, i;
    struct mmk_mm *own, *child;
    int64_t base;

    check(mmk_mm_create(&own) == 0);
    machine_switch_mm(own);
    base = mmk_mmap(own, 0, PAGES * PAGE, RW, ANON, NULL, 0);
    check(base > 0);
    for (i = 0; i < ROUNDS || !enough(); i++) {
        uint64_t page = random_below(&seed, PAGES), word = 0;
        mmk_vaddr_t at = (mmk_vaddr_t)base + page * PAGE;

        check(machine_load(at, &word, sizeof(word)) == MMK_FAULT_DONE && word == words[page]);
        words[page] = ++word;
        check(machine_store(at, &word, sizeof(word)) == MMK_FAULT_DONE);
        if (i % 64 == 0) {
            check(mmk_fork(own, &child) == 0);
            check(mmk_mm_read(child, at, &word, sizeof(word), 0) == sizeof(word));
            check(word == words[page]);
            mmk_mm_put(child);
        }
        if (i % 16 == 0)
            base = mmk_mremap(own, (mmk_vaddr_t)base, PAGES * PAGE, PAGES * PAGE,
                              MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(i % 32 ? 0 : 1024));
        check(base > 0);
    }
    machine_switch_mm(NULL);
    mmk_mm_put(own);
}

static void race_one(unsigned cpu, void *argument)
{
    struct mmk_a32 *left = argument;
    uint64_t words[PAGES] = {0};

    if (cpu > 0) {
        use_memory(cpu, words);
        mmk_a32_fetch_sub(left, 1, MMK_RELAXED);
        return;
    }
    while (mmk_a32_load(left, MMK_RELAXED) > 0)
        (void)mmk_reclaim(8);
}

static void test_race(void **state)
{
    struct mmk_a32 left = {2};

    (void)state;
    swap_on(1024);
    race_cpus(race_one, &left);
    mmk_check_frames();
    mmk_swap_check();
    assert_int_equal(stats_now().swap_used, 0);
    swap_off();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_private), TEST(test_lazyfree), TEST(test_forked),       TEST(test_shared),
        TEST(test_stays),   TEST(test_full),     TEST(test_stopped),      TEST(test_write_fails),
        TEST(test_noio),    TEST(test_large),    TEST_LIMITED(test_race),
    };

    return cmocka_run_group_tests_name("reclaim_swap", tests, NULL, NULL);
}
