/* SPDX-License-Identifier: MIT */
/*
 * test_fault_keep.c - faults that sleep keep their table: what others do to it meanwhile, and that
 * whoever goes last, the fault or they, frees it.
 *
 * A fault sleeps in two places here: while its page is read from swap, and where a secondary MMU is
 * told that a page is about to be copied. CPU 1 then does what it has to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_setup.h"
#include "race.h"
#include "swap_setup.h"

#include <mmkit/notifier.h>
#include <mmkit/reclaim.h>
#include <mmkit/table.h>

#define LEAF ((uint64_t)MMK_PT_ENTRIES) /* pages that a leaf table is about */

enum { ASLEEP = 1, WAKE };

static struct {
    struct cpu_thread thread;
    void (*act)(void); /* by CPU 1, once the fault sleeps */
    struct mmk_a32 turn;
    bool no_memory; /* for the fault, from then on */
    uint64_t flushes;
} meanwhile;

static void run_meanwhile(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    while (mmk_a32_load(&meanwhile.turn, MMK_ACQUIRE) != ASLEEP)
        mmk_cpu_relax();
    meanwhile.act();
    meanwhile.flushes = stats_now().tlb_flushes;
    mmk_a32_store(&meanwhile.turn, WAKE, MMK_RELEASE);
}

/* Once. */
static void sleep_for_it(void)
{
    if (mmk_a32_load(&meanwhile.turn, MMK_RELAXED) == WAKE)
        return;
    mmk_a32_store(&meanwhile.turn, ASLEEP, MMK_RELEASE);
    while (mmk_a32_load(&meanwhile.turn, MMK_ACQUIRE) != WAKE)
        mmk_cpu_relax();
    if (meanwhile.no_memory)
        machine_fail_nth(0, true);
}

/* While the next fault sleeps `act` is done. */
static void begin(void (*act)(void))
{
    meanwhile.act = act;
    mmk_a32_store(&meanwhile.turn, 0, MMK_RELAXED);
    cpu_start(&meanwhile.thread, 1, run_meanwhile, NULL);
}

/* => flushes since CPU 1 has done its part */
static uint64_t end(void)
{
    uint64_t flushes = stats_now().tlb_flushes - meanwhile.flushes;

    (void)machine_fail_stop();
    check(mmk_a32_load(&meanwhile.turn, MMK_RELAXED) == WAKE); /* it has slept */
    machine_idle_begin();
    cpu_join(&meanwhile.thread);
    machine_idle_end();
    return flushes;
}

/* --- what sleeps ----------------------------------------------------------------------------- */

static int read_slowly(void *device, uint64_t slot, void *const page[], unsigned count)
{
    sleep_for_it();
    return swap_read(device, slot, page, count);
}

static const struct mmk_swap_ops slow_ops = {.read = read_slowly, .write = swap_write};

/* `pages` from BASE on, stored to, in swap. */
static void put_in_swap(uint64_t pages)
{
    memset(&swap_device, 0, sizeof(swap_device));
    swap_device.bad_slot = UINT64_MAX;
    swap_device.bytes = calloc(LEAF, PAGE);
    assert_non_null(swap_device.bytes);
    assert_int_equal(mmk_swapon(&slow_ops, &swap_device, LEAF, 0, &swap_device.area), 0);
    map_at(0, LEAF, RW, ANON);
    fill(BASE, pages, 1);
    assert_int_equal(mmk_madvise(mm, BASE, LEAF * PAGE, MMK_MADV_PAGEOUT), 0);
    expect_swapped(mm, 0, pages);
}

static void swap_end(void)
{
    assert_int_equal(mmk_munmap(mm, BASE, LEAF * PAGE), 0);
    assert_int_equal(swap_used(), 0);
    swap_off();
}

static int told(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    if (range->reason == MMK_NOTIFY_COPY && mmk_cpu_id() == 0)
        sleep_for_it();
    return 0;
}

static const struct mmk_notifier_ops notifier_ops = {.invalidate_begin = told};
static struct mmk_notifier notifier;

static void notify(void)
{
    notifier = (struct mmk_notifier){.ops = &notifier_ops};
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
}

/* The first page shows the zero page: a store makes a copy. */
static void put_zero(void)
{
    map_at(0, LEAF, RW, ANON);
    expect_byte(BASE, 0);
    expect_tables(mm, 1, 1, 1);
    notify();
}

/* --- what others do -------------------------------------------------------------------------- */

static void check_kept(void)
{
    check(mm_stats(mm).tables[0] == 1);
}

static void give_back(void)
{
    check(mmk_madvise(mm, BASE, PAGE, MMK_MADV_DONTNEED) == 0);
    check_kept();
}

static void kill_and_reap(void)
{
    uint64_t freed = 0;

    mmk_kill(mm);
    while (mmk_reap(mm, LEAF, &freed) == MMK_EAGAIN)
        continue;
    check_kept();
}

static void look_at_it(void)
{
    struct mmk_table_entry entry;
    struct mmk_table_ref ref;

    check(mmk_table_pin(mm, BASE, &ref) == MMK_TABLE_PINNED);
    check(mmk_madvise(mm, BASE, PAGE, MMK_MADV_DONTNEED) == 0);
    check(mmk_table_read(&ref, BASE, &entry) && entry.kind == MMK_ENTRY_NONE);
    mmk_table_unpin(&ref); /* the fault is still there */
    check_kept();
}

static void give_back_and_store(void)
{
    const uint8_t byte = 9;

    give_back();
    check(mmk_mm_write(mm, BASE, &byte, 1, 0) == 1);
    check_kept();
}

/* --- from swap ------------------------------------------------------------------------------- */

/* The table is there again at once: one flush for having been freed. */
static void test_swap_given_back(void **state)
{
    (void)state;
    put_in_swap(1);
    begin(give_back);
    expect_byte(BASE, 0);
    assert_int_equal(end(), 1);
    expect_tables(mm, 1, 1, 1);
    swap_end();
}

/* Another entry keeps it: nothing is flushed. */
static void test_swap_neighbour(void **state)
{
    (void)state;
    put_in_swap(2);
    begin(give_back);
    expect_byte(BASE, 0);
    assert_int_equal(end(), 0);
    expect_byte(BASE + PAGE, 2);
    expect_tables(mm, 1, 1, 1);
    swap_end();
}

static void test_swap_stored(void **state)
{
    (void)state;
    put_in_swap(1);
    begin(give_back_and_store);
    expect_byte(BASE, 9);
    assert_int_equal(end(), 0);
    expect_tables(mm, 1, 1, 1);
    swap_end();
}

/* What could not be read is not wanted any more. */
static void test_swap_unread(void **state)
{
    (void)state;
    put_in_swap(1);
    swap_device.fails_read = MMK_EIO;
    begin(give_back);
    expect_byte(BASE, 0);
    assert_int_equal(end(), 1);
    swap_end();
}

static void nothing(void)
{
}

static void test_swap_bad(void **state)
{
    (void)state;
    put_in_swap(1);
    swap_device.fails_read = MMK_EIO;
    begin(nothing);
    expect_load(BASE, MMK_FAULT_BUS);
    assert_int_equal(end(), 0);
    expect_swapped(mm, 0, 1);
    swap_end();
}

static void test_swap_no_memory(void **state)
{
    (void)state;
    put_in_swap(1);
    meanwhile.no_memory = true;
    begin(give_back);
    expect_store(BASE, MMK_FAULT_OOM);
    assert_int_equal(end(), 1);
    expect_tables(mm, 0, 0, 0);
    swap_end();
}

static void test_swap_killed(void **state)
{
    (void)state;
    put_in_swap(1);
    begin(kill_and_reap);
    expect_load(BASE, MMK_FAULT_KILLED);
    assert_int_equal(end(), 1);
    expect_tables(mm, 0, 0, 0);
    swap_off();
}

/* --- a copy ---------------------------------------------------------------------------------- */

static void test_copy_given_back(void **state)
{
    (void)state;
    put_zero();
    begin(give_back);
    store_byte(BASE, 5);
    assert_int_equal(end(), 1);
    expect_byte(BASE, 5);
    expect_tables(mm, 1, 1, 1);
    mmk_notifier_unregister(mm, &notifier);
}

/* Who let go first had nothing to free. */
static void test_copy_visited(void **state)
{
    (void)state;
    put_zero();
    begin(look_at_it);
    store_byte(BASE, 5);
    assert_int_equal(end(), 1);
    expect_tables(mm, 1, 1, 1);
    mmk_notifier_unregister(mm, &notifier);
}

/* The copy is there, but not the memory for a page of zeros. */
static void test_copy_no_memory(void **state)
{
    (void)state;
    put_zero();
    meanwhile.no_memory = true;
    begin(give_back);
    expect_store(BASE, MMK_FAULT_OOM);
    assert_int_equal(end(), 1);
    expect_tables(mm, 0, 0, 0);
    mmk_notifier_unregister(mm, &notifier);
}

static void test_copy_killed(void **state)
{
    (void)state;
    put_zero();
    begin(kill_and_reap);
    expect_store(BASE, MMK_FAULT_KILLED);
    assert_int_equal(end(), 1);
    expect_tables(mm, 0, 0, 0);
    mmk_notifier_unregister(mm, &notifier);
}

static struct mmk_object *file;

static void truncate_file(void)
{
    check(mmk_object_resize(file, 0) == 0);
    check_kept();
}

/* Truncation asks nobody's mmap lock. */
static void test_copy_truncated(void **state)
{
    (void)state;
    file = new_file(4);
    map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    expect_byte(BASE, 1);
    notify();
    begin(truncate_file);
    expect_store(BASE, MMK_FAULT_BUS);
    assert_int_equal(end(), 1);
    expect_tables(mm, 0, 0, 0);
    mmk_notifier_unregister(mm, &notifier);
    mmk_object_put(file);
}

static void shrink(void)
{
    check(mmk_shrink_tables(mm, UINT64_MAX) == 0); /* the zero page goes, the table does not */
    check_kept();
}

static void test_copy_shrunk(void **state)
{
    (void)state;
    put_zero();
    begin(shrink);
    store_byte(BASE, 5);
    (void)end();
    expect_byte(BASE, 5);
    expect_tables(mm, 1, 1, 1);
    mmk_notifier_unregister(mm, &notifier);
}

/* Nobody comes: an entry is there, so letting go flushes nothing but the old page. */
static void test_copy_alone(void **state)
{
    (void)state;
    put_zero();
    begin(nothing);
    store_byte(BASE, 5);
    assert_int_equal(end(), 1);
    mmk_notifier_unregister(mm, &notifier);
}

/* --- the same entry, of another meaning ----------------------------------------------------------
 */

/*
 * Each finds its own again, once the other is gone: the page comes back from swap as this one's.
 * Then a debugger stores to it, and the entry still says what it said.
 */
static struct mmk_mm *child;

static void store_by_force(void)
{
    struct mmk_page *page = peek_page(mm, BASE);
    const uint8_t byte = 9;

    mmk_page_get(page);
    mmk_page_lock(page);
    check(mmk_swap_out(page) == MMK_EBUSY); /* out of the tables, but the fault has it */
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    mmk_mm_put(child);
    check(mmk_mm_write(mm, BASE, &byte, 1, MMK_MM_FORCE) == 1);
}

static void test_copy_stored_by_force(void **state)
{
    const uint8_t byte = 5;

    (void)state;
    put_in_swap(1);
    assert_int_equal(mmk_mprotect(mm, BASE, PAGE, MMK_PROT_READ), 0);
    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_a32_store(&meanwhile.turn, WAKE, MMK_RELAXED); /* this one is not slow */
    expect_byte(BASE, 1);
    notify();
    begin(store_by_force);
    assert_int_equal(mmk_mm_write(mm, BASE + 1, &byte, 1, MMK_MM_FORCE), 1);
    (void)end();
    expect_byte(BASE, 9);
    expect_byte(BASE + 1, 5);
    mmk_notifier_unregister(mm, &notifier);
    swap_end();
}

/* --- the other policies ---------------------------------------------------------------------- */

/* What would be kept anyway is not freed by a fault that lets go of it. */
static void test_kept_anyway(void **state)
{
    (void)state;
    put_zero();
    meanwhile.no_memory = true;
    begin(give_back);
    expect_store(BASE, MMK_FAULT_OOM);
    assert_int_equal(end(), 0);
    expect_tables(mm, 1, 1, 1);
    mmk_notifier_unregister(mm, &notifier);
}

static int setup(void **state)
{
    memset(&meanwhile, 0, sizeof(meanwhile));
    return limited_setup(state);
}

static int setup_under_linux(void **state)
{
    memset(&meanwhile, 0, sizeof(meanwhile));
    alarm(100);
    return setup_linux(state);
}

#define TEST_SLEEPS(name) cmocka_unit_test_setup_teardown(name, setup, limited_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_SLEEPS(test_swap_given_back),
        TEST_SLEEPS(test_swap_neighbour),
        TEST_SLEEPS(test_swap_stored),
        TEST_SLEEPS(test_swap_unread),
        TEST_SLEEPS(test_swap_bad),
        TEST_SLEEPS(test_swap_no_memory),
        TEST_SLEEPS(test_swap_killed),
        TEST_SLEEPS(test_copy_given_back),
        TEST_SLEEPS(test_copy_visited),
        TEST_SLEEPS(test_copy_no_memory),
        TEST_SLEEPS(test_copy_killed),
        TEST_SLEEPS(test_copy_truncated),
        TEST_SLEEPS(test_copy_shrunk),
        TEST_SLEEPS(test_copy_alone),
        TEST_SLEEPS(test_copy_stored_by_force),
        cmocka_unit_test_setup_teardown(test_kept_anyway, setup_under_linux, limited_teardown),
    };

    return cmocka_run_group_tests_name("fault_keep", tests, NULL, NULL);
}
