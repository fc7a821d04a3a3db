/* SPDX-License-Identifier: MIT */
/*
 * test_around.c - a fault that reads an object's page maps those around it that are in memory
 * (src/fault_around.c): which ones, how, and which not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/user.h>

#include "fixture.h"
#include "rmap_use.h"
#include "run_cpus.h"

/* Pages of the window: all of a leaf table where that is small. */
#define W     ((uint64_t)(MMK_PT_ENTRIES < 16 ? MMK_PT_ENTRIES : 16))
#define TABLE ((uint64_t)MMK_PT_ENTRIES)

static int setup_with(uint64_t bytes)
{
    struct mmk_config config = fixture_config();

    config.fault_around = bytes;
    return fixture_setup_with(&config);
}

static int setup_window(void **state)
{
    (void)state;
    return setup_with(W * PAGE);
}

static int setup_page(void **state)
{
    (void)state;
    return setup_with(PAGE);
}

static int setup_table(void **state)
{
    (void)state;
    return setup_with(TABLE * PAGE);
}

#define WITH(name, config) cmocka_unit_test_setup_teardown(name, setup_##config, fixture_teardown)

static struct mmk_object *cached_file(uint64_t pages)
{
    struct mmk_object *file = new_file(pages);

    cache_pages(file, 0, pages);
    return file;
}

static bool is_mapped(uint64_t page)
{
    return peek_page(mm, BASE + page * PAGE) != NULL;
}

/* Of pages [0, end) of BASE just [first, first + pages) are mapped. */
static void expect_mapped(uint64_t end, uint64_t first, uint64_t pages)
{
    uint64_t i;

    mmk_check(mm);
    for (i = 0; i < end; i++)
        assert_int_equal(is_mapped(i), i >= first && i < first + pages);
    assert_int_equal(mm_stats(mm).rss_file, pages);
}

/* One fault, of a page that maps so many more. */
static void expect_around(uint64_t page, uint8_t byte, uint64_t more)
{
    struct mmk_mm_stats before = mm_stats(mm), after;

    expect_byte(BASE + page * PAGE, byte);
    after = mm_stats(mm);
    assert_int_equal(after.fault_file - before.fault_file, 1);
    assert_int_equal(after.mapped_around - before.mapped_around, more);
}

/* ---- which ----------------------------------------------------------------------------------- */

/* Aligned to its size, whichever page is touched; all that it maps needs no fault of its own. */
static void test_window(void **state)
{
    struct mmk_object *file = cached_file(3 * W);
    uint64_t needed;

    (void)state;
    map_object_at(0, 3 * W, RO, MMK_MAP_SHARED, file, 0);
    expect_around(W + W / 2, (uint8_t)(W + W / 2 + 1), W - 1);
    expect_mapped(3 * W, W, W);
    needed = needed_faults();
    expect_filled(BASE + W * PAGE, W, (uint8_t)(W + 1));
    assert_int_equal(needed_faults(), needed);
    expect_around(W - 1, (uint8_t)W, W - 1);
    expect_mapped(3 * W, 0, 2 * W);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* The window is one of addresses, wherever in the object the mapping begins. */
static void test_offset(void **state)
{
    struct mmk_object *file = cached_file(3 * W);

    (void)state;
    map_object_at(0, 2 * W, RO, MMK_MAP_PRIVATE, file, 1);
    expect_around(0, 2, W - 1);
    expect_mapped(2 * W, 0, W);
    expect_filled(BASE, W, 2);
    mmk_object_put(file);
}

static void test_mapping_ends(void **state)
{
    struct mmk_object *file = cached_file(W), *other = cached_file(W);

    (void)state;
    map_object_at(0, 1, RO, MMK_MAP_SHARED, other, 0);
    map_object_at(1, W - 2, RO, MMK_MAP_SHARED, file, 1);
    map_object_at(W - 1, 1, RO, MMK_MAP_SHARED, other, W - 1);
    expect_around(2, 3, W - 3);
    expect_mapped(W, 1, W - 2);
    expect_around(0, 1, 0);
    expect_mapped(W, 0, W - 1);
    mmk_object_put(file);
    mmk_object_put(other);
}

static void test_object_ends(void **state)
{
    struct mmk_object *file = cached_file(W / 2 + 1);

    (void)state;
    map_object_at(0, 2 * W, RO, MMK_MAP_SHARED, file, 0);
    expect_around(0, 1, W / 2);
    expect_mapped(2 * W, 0, W / 2 + 1);
    expect_load(BASE + (W / 2 + 1) * PAGE, MMK_FAULT_BUS);
    assert_int_equal(mmk_object_resize(file, PAGE), 0);
    expect_mapped(2 * W, 0, 1);
    expect_load(BASE + PAGE, MMK_FAULT_BUS);
    mmk_object_put(file);
}

/* A window of a whole table ends with it: no second table comes for pages that nobody asked for. */
static void test_whole_table(void **state)
{
    struct mmk_object *file = cached_file(TABLE + 3);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    map_object_at(0, TABLE + 3, RO, MMK_MAP_SHARED, file, 0);
    expect_around(TABLE - 1, (uint8_t)TABLE, TABLE - 1);
    expect_mapped(TABLE + 3, 0, TABLE);
    assert_int_equal(mm_stats(mm).tables[0] - before.tables[0], 1);
    expect_filled(BASE, TABLE, 1);
    assert_int_equal(mmk_madvise(mm, BASE, TABLE * PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mm_stats(mm).tables[0], before.tables[0]);
    mmk_object_put(file);
}

/* Only what is in memory: nothing is read for its sake. */
static void test_not_cached(void **state)
{
    struct mmk_object *file = new_file(W);

    (void)state;
    cache_pages(file, W / 2, 1);
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    expect_around(0, 1, 1);
    assert_true(is_mapped(0) && is_mapped(W / 2));
    assert_int_equal(mm_stats(mm).rss_file, 2);
    assert_int_equal(file->pages.count, 2);
    expect_around(1, 2, 0);
    mmk_check(mm);
    mmk_object_put(file);
}

/* A page that somebody has locked is left out; nobody waits for it. */
static void test_locked_page(void **state)
{
    struct mmk_object *file = cached_file(W);
    struct mmk_page *page;

    (void)state;
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    assert_int_equal(mmk_object_get_page(file, 1, &page), 0);
    mmk_page_unlock(page);
    mmk_page_set(page, MMK_PF_LOCKED); /* by another */
    assert_int_equal(mmk_fault(mm, BASE, MMK_ACCESS_READ), MMK_FAULT_DONE);
    mmk_page_clear(page, MMK_PF_LOCKED);
    assert_int_equal(mm_stats(mm).mapped_around, W - 2);
    assert_false(is_mapped(1));
    assert_int_equal(mmk_page_refs(page), 2); /* the index's, ours */
    mmk_page_put(page);
    mmk_check(mm);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* Entries that are there stay what they are: a private copy, a guard. */
static void test_entries_stay(void **state)
{
    struct mmk_object *file = cached_file(W);

    (void)state;
    map_object_at(0, W, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(BASE, 77);
    assert_int_equal(mm_stats(mm).mapped_around, 0);
    assert_int_equal(mmk_madvise(mm, BASE + PAGE, PAGE, MMK_MADV_GUARD_INSTALL), 0);
    expect_around(2, 3, W - 3);
    expect_byte(BASE, 77);
    expect_load(BASE + PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_filled(BASE + 2 * PAGE, W - 2, 3);
    store_byte(BASE + 3 * PAGE, 78); /* what was mapped around is copied as any */
    expect_byte(BASE + 3 * PAGE, 78);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    mmk_check(mm);
    mmk_object_put(file);
}

/* ---- when ------------------------------------------------------------------------------------ */

static void test_off(void **state)
{
    struct mmk_object *file = cached_file(W);

    (void)state;
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    expect_around(2, 3, 0);
    expect_mapped(W, 2, 1);
    mmk_object_put(file);
}

static void test_not_for_writes(void **state)
{
    struct mmk_object *file = cached_file(W);

    (void)state;
    map_object_at(0, W, RW, MMK_MAP_SHARED, file, 0);
    store_byte(BASE, 7);
    expect_mapped(W, 0, 1);
    assert_int_equal(mm_stats(mm).mapped_around, 0);
    mmk_object_put(file);
}

/* Nobody gets at what he may not: what the kernel reads for itself comes alone. */
static void test_not_forced(void **state)
{
    struct mmk_object *file = cached_file(W);
    uint8_t byte = 0;

    (void)state;
    map_object_at(0, W, MMK_PROT_NONE, MMK_MAP_SHARED, file, 0);
    assert_int_equal(mmk_mm_read(mm, BASE, &byte, 1, MMK_MM_FORCE), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(mm_stats(mm).mapped_around, 0);
    expect_load(BASE, MMK_FAULT_SEGV_ACCERR);
    mmk_check(mm);
    mmk_object_put(file);
}

static void test_fetch(void **state)
{
    struct mmk_object *file = cached_file(W);

    (void)state;
    map_object_at(0, W, RX, MMK_MAP_PRIVATE, file, 0);
    expect_fetch(BASE + PAGE, MMK_FAULT_DONE);
    expect_mapped(W, 0, W);
    expect_fetch(BASE, MMK_FAULT_DONE);
    assert_int_equal(mm_stats(mm).fault_file, 1);
    mmk_object_put(file);
}

static void test_shared_memory(void **state)
{
    struct mmk_object *memory = new_shmem(W);

    (void)state;
    cache_pages(memory, 0, W);
    map_object_at(0, W, RW, MMK_MAP_SHARED, memory, 0);
    expect_around(0, 0, W - 1);
    assert_int_equal(mm_stats(mm).rss_shmem, W);
    store_byte(BASE + PAGE, 5);
    expect_byte(BASE + PAGE, 5);
    mmk_check(mm);
    mmk_object_put(memory);
}

/* As on Linux: it is about what has to be read. */
static void test_advice(void **state)
{
    struct mmk_object *file = cached_file(W);

    (void)state;
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    assert_int_equal(advise(BASE, W, MMK_MADV_RANDOM), 0);
    expect_around(0, 1, W - 1);
    mmk_object_put(file);
}

/* As on Linux: what is locked when it is touched is mapped around, and locked with that. */
static void test_locked(void **state)
{
    struct mmk_object *file = cached_file(2 * W);

    (void)state;
    map_object_at(0, 2 * W, RO, MMK_MAP_SHARED, file, 0);
    assert_int_equal(mmk_mlock2(mm, BASE, 2 * W * PAGE, MMK_MLOCK_ONFAULT), 0);
    expect_mapped(2 * W, 0, 0);
    expect_around(0, 1, W - 1);
    assert_int_equal(mmk_reclaim(2 * W), W);
    expect_mapped(2 * W, 0, W);
    assert_int_equal(mmk_mlock(mm, BASE, 2 * W * PAGE), 0);
    expect_mapped(2 * W, 0, 2 * W);
    assert_int_equal(mm_stats(mm).fault_file, 1 + W); /* those had to be read, one by one */
    mmk_object_put(file);
}

/* Where what was there may still be cached, just the page that is wanted comes, with a flush. */
static void test_flush_due(void **state)
{
    struct mmk_object *file = cached_file(W);
    struct mmk_a32 *due = MMK_PT_BREAK_FIRST ? &mm->flush_pending : &mm->flush_unasked;
    uint64_t flushes;

    (void)state;
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    mmk_a32_fetch_add(due, 1, MMK_RELAXED); /* by another, on its way */
    flushes = stats_now().tlb_flushes;
    expect_around(0, 1, 0);
    assert_int_equal(stats_now().tlb_flushes - flushes, 1);
    expect_around(1, 2, 0);
    mmk_a32_fetch_sub(due, 1, MMK_RELAXED);
    expect_around(2, 3, W - 3);
    mmk_object_put(file);
}

/* ---- how ------------------------------------------------------------------------------------- */

static bool is_old(uint64_t page)
{
    mmk_pte_t pte = peek_entry(mm, BASE + page * PAGE);

    return mmk_pte_mkold(pte).v == pte.v;
}

/* Nobody has used it until somebody does. */
static void test_old(void **state)
{
    struct mmk_object *file = cached_file(W);
    struct mmk_page *page;
    uint64_t i;

    (void)state;
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    assert_int_equal(mmk_fault(mm, BASE + PAGE, MMK_ACCESS_READ), MMK_FAULT_DONE);
    for (i = 0; i < W; i++)
        assert_int_equal(is_old(i), i != 1);
    expect_byte(BASE + 2 * PAGE, 3);
    for (i = 0; i < W; i++) {
        assert_int_equal(mmk_object_get_page(file, i, &page), 0);
        assert_int_equal(mmk_page_referenced(page), i == 1 || i == 2);
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
    mmk_object_put(file);
}

/* The tables that went with the last page come back with the first, and all around it. */
static void test_again(void **state)
{
    struct mmk_object *file = cached_file(2 * W);
    struct mmk_stats before;

    (void)state;
    map_object_at(0, 2 * W, RO, MMK_MAP_SHARED, file, 0);
    expect_around(0, 1, W - 1);
    assert_int_equal(advise(BASE, W, MMK_MADV_DONTNEED), 0);
    expect_mapped(2 * W, 0, 0);
    before = stats_now();
    expect_around(W, (uint8_t)(W + 1), W - 1);
    assert_true(TABLE == W || stats_now().tables_relinked > before.tables_relinked);
    expect_mapped(2 * W, W, W);
    mmk_object_put(file);
}

/* All operations on what was mapped around are as on what was touched. */
static void test_operations(void **state)
{
    struct mmk_object *file = cached_file(W);
    mmk_vaddr_t to = BASE + 2 * TABLE * PAGE;
    struct mmk_mm *parent;

    (void)state;
    map_object_at(0, W, RW, MMK_MAP_PRIVATE, file, 0);
    expect_around(0, 1, W - 1);
    assert_int_equal(advise(BASE + PAGE, 1, MMK_MADV_DONTNEED), 0);
    assert_false(is_mapped(1));
    assert_int_equal(mm_stats(mm).rss_file, W - 1);
    parent = enter_child();
    expect_filled(BASE, W, 1);
    leave_child(parent);
    assert_int_equal(mmk_mprotect(mm, BASE, 2 * PAGE, RO), 0);
    expect_store(BASE, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(
        mmk_mremap(mm, BASE + 2 * PAGE, PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, to),
        (int64_t)to);
    expect_byte(to, 3);
    assert_int_equal(mmk_object_punch_hole(file, 0, W * PAGE), 0);
    expect_mapped(W, 0, 0);
    expect_byte(to, 3);
    mmk_object_put(file);
}

/* ---- when memory is short -------------------------------------------------------------------- */

/*
 * Each allocation fails, alone or with all that follow. A fault that fails has mapped nothing; what
 * it needs is for the page that was asked for.
 */
static void fail_each(struct mmk_object *file, bool onward)
{
    enum mmk_fault_result result;
    bool failed = true;
    uint64_t n;

    for (n = 0; failed; n++) {
        mmk_drain(); /* of the tables of the last time as well */
        machine_fail_nth(n, onward);
        result = mmk_fault(mm, BASE, MMK_ACCESS_READ);
        failed = machine_fail_stop();
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        assert_true(result != MMK_FAULT_DONE || !failed || !onward);
        expect_mapped(W, 0, result == MMK_FAULT_DONE ? W : 0);
        mmk_check_object(file);
        assert_int_equal(advise(BASE, W, MMK_MADV_DONTNEED), 0);
    }
    assert_true(n > 1);
}

static void test_no_memory(void **state)
{
    struct mmk_object *file = cached_file(W);

    (void)state;
    map_object_at(0, W, RO, MMK_MAP_SHARED, file, 0);
    fail_each(file, true);
    fail_each(file, false);
    mmk_object_put(file);
}

/* ---- beside others --------------------------------------------------------------------------- */

#define ROUNDS 3000

static struct mmk_object *raced;

/* CPU 0 reads; 1 gives back what is mapped; 2 cuts the file and lets it grow. */
static void race(unsigned cpu, void *argument)
{
    uint32_t *wrong = argument, i;
    uint8_t byte;

    if (cpu != 2)
        machine_switch_mm(mm);
    for (i = 0; i < ROUNDS; i++) {
        uint64_t at = i * 7 % W;
        enum mmk_fault_result result;

        if (cpu == 1) {
            wrong[1] += mmk_madvise(mm, BASE + at * PAGE, PAGE, MMK_MADV_DONTNEED) != 0;
        } else if (cpu == 2) {
            wrong[2] += mmk_object_resize(raced, at * PAGE) != 0;
            wrong[2] += mmk_object_resize(raced, W * PAGE) != 0;
        } else {
            result = machine_load(BASE + at * PAGE, &byte, 1);
            wrong[0] += result != MMK_FAULT_BUS && (result || byte != (uint8_t)(at + 1));
        }
    }
    if (cpu != 2)
        machine_switch_mm(NULL);
}

static void test_race(void **state)
{
    uint32_t wrong[3] = {0};

    (void)state;
    raced = cached_file(W);
    map_object_at(0, W, RO, MMK_MAP_SHARED, raced, 0);
    machine_switch_mm(NULL);
    machine_cpu_detach();
    run_cpus(3, race, wrong);
    machine_cpu_attach(0);
    machine_switch_mm(mm);
    assert_int_equal(wrong[0] + wrong[1] + wrong[2], 0);
    mmk_check(mm);
    mmk_check_object(raced);
    expect_filled(BASE, W, 1);
    mmk_object_put(raced);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_window, window),
        WITH(test_offset, window),
        WITH(test_mapping_ends, window),
        WITH(test_object_ends, window),
        WITH(test_whole_table, table),
        WITH(test_window, window),
        WITH(test_not_cached, window),
        WITH(test_locked_page, window),
        WITH(test_entries_stay, window),
        TEST(test_off),
        WITH(test_off, page),
        WITH(test_not_for_writes, window),
        WITH(test_not_forced, window),
        WITH(test_fetch, window),
        WITH(test_shared_memory, window),
        WITH(test_advice, window),
        WITH(test_locked, window),
        WITH(test_flush_due, window),
        WITH(test_old, window),
        WITH(test_again, window),
        WITH(test_operations, window),
        WITH(test_no_memory, window),
        WITH(test_race, window),
    };

    return cmocka_run_group_tests_name("around", tests, NULL, NULL);
}
