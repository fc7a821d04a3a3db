/* SPDX-License-Identifier: MIT */
/*
 * test_block.c - the first write to private anonymous memory maps a block of pages
 * (src/fault_block.c): which ones, and when just the one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/group.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "rmap_use.h"
#include "run_cpus.h"

/* Pages of a block: half a leaf table where that is small. */
#define B ((uint64_t)(MMK_PT_ENTRIES < 32 ? MMK_PT_ENTRIES / 2 : 16))

static int setup_with(enum mmk_huge_policy policy, uint64_t pages)
{
    struct mmk_config config = fixture_config();

    config.huge = policy;
    config.anon_block = pages * PAGE;
    return fixture_setup_with(&config);
}

static int setup_always(void **state)
{
    (void)state;
    return setup_with(MMK_HUGE_ALWAYS, B);
}

static int setup_madvise(void **state)
{
    (void)state;
    return setup_with(MMK_HUGE_MADVISE, B);
}

static int setup_never(void **state)
{
    (void)state;
    return setup_with(MMK_HUGE_NEVER, B);
}

static int setup_page(void **state)
{
    (void)state;
    return setup_with(MMK_HUGE_ALWAYS, 1);
}

#define WITH(name, config) cmocka_unit_test_setup_teardown(name, setup_##config, fixture_teardown)
#define ALWAYS(name)       WITH(name, always)

static mmk_vaddr_t at(uint64_t page)
{
    return BASE + page * PAGE;
}

static bool is_mapped(uint64_t page)
{
    return peek_page(mm, at(page)) != NULL;
}

/* Stores to a page: just [first, first + pages) of [0, end) come, by one fault. */
static void expect_block(uint64_t page, uint64_t end, uint64_t first, uint64_t pages)
{
    struct mmk_mm_stats before = mm_stats(mm), after;
    uint64_t i;

    store_byte(at(page), (uint8_t)(page + 1));
    after = mm_stats(mm);
    mmk_check(mm);
    for (i = 0; i < end; i++)
        assert_int_equal(is_mapped(i), i >= first && i < first + pages);
    assert_int_equal(after.fault_anon - before.fault_anon, 1);
    assert_int_equal(after.rss_anon, pages);
    assert_int_equal(after.mapped_around + after.fault_anon, pages);
}

/* ---- which ----------------------------------------------------------------------------------- */

/* On both sides of two tables' border. The frames lie side by side, as the addresses do. */
static void test_block(void **state)
{
    uint64_t border = MMK_PT_ENTRIES, start = border - B, end = border + B, i, needed;
    struct mmk_page *first;

    (void)state;
    map_at(start, 2 * B, RW, ANON);
    expect_block(border + 1, end, border, B);
    expect_block(start, end, start, 2 * B);
    first = peek_page(mm, at(start));
    assert_int_equal(mmk_page_to_pfn(first) % B, 0);
    for (i = 0; i < B; i++)
        assert_ptr_equal(peek_page(mm, at(start + i)), first + i);
    needed = needed_faults();
    for (i = start; i < end; i++)
        expect_byte(at(i), i == start || i == border + 1 ? (uint8_t)(i + 1) : 0);
    for (i = start; i < end; i++)
        store_byte(at(i), 9);
    assert_int_equal(needed_faults(), needed);
}

/* A table that is there. */
static void test_second(void **state)
{
    (void)state;
    map_at(0, MMK_PT_ENTRIES - 1, RW, ANON);
    store_byte(at(MMK_PT_ENTRIES - 2), 1);
    store_byte(at(1), 1);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).rss_anon, 1 + B);
    assert_int_equal(mm_stats(mm).fault_anon, 2);
}

/* As much of it as is the mapping's, in powers of two. */
static void test_mapping_ends(void **state)
{
    (void)state;
    map_at(0, B / 2, RW, ANON);
    expect_block(B / 2 - 1, B, 0, B / 2);
}

static void test_mapping_begins(void **state)
{
    (void)state;
    map_at(1, B - 1, RW, ANON);
    expect_block(1, B, 1, 1);
    store_byte(at(B - 1), 1);
    assert_int_equal(mm_stats(mm).rss_anon, B > 2 ? 1 + B / 2 : 1);
    mmk_check(mm);
}

/* What was read is the zero page; what is beside it comes in smaller blocks. */
static void test_partly_there(void **state)
{
    uint64_t start = MMK_PT_ENTRIES - B; /* not all of any table */

    (void)state;
    map_at(start, 2 * B, RW, ANON);
    expect_byte(at(start), 0);
    store_byte(at(start + B - 1), 1);
    assert_int_equal(mm_stats(mm).rss_anon, B / 2);
    store_byte(at(start), 2);
    assert_int_equal(mm_stats(mm).rss_anon, B > 2 ? B / 2 + 1 : 2);
    store_byte(at(start + 2 * B - 1), 3);
    assert_int_equal(mm_stats(mm).rss_anon, B + (B > 2 ? B / 2 + 1 : 2));
    mmk_check(mm);
}

/* A table that comes back with its first page. */
static void test_again(void **state)
{
    (void)state;
    map_at(0, B, RW, ANON);
    expect_block(0, B, 0, B);
    assert_int_equal(mmk_madvise(mm, at(0), B * PAGE, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 0, 0, 0);
    store_byte(at(1), 5);
    assert_int_equal(mm_stats(mm).rss_anon, B);
    expect_byte(at(0), 0);
    expect_byte(at(1), 5);
}

/* ---- just the one ---------------------------------------------------------------------------- */

static void test_never(void **state)
{
    (void)state;
    map_at(0, B, RW, ANON);
    expect_block(0, B, 0, 1);
}

/* Where the program has asked for larger pages, and where it has asked for none. */
static void test_advised(void **state)
{
    (void)state;
    map_at(0, 2 * B, RW, ANON);
    assert_int_equal(mmk_madvise(mm, at(0), B * PAGE, MMK_MADV_HUGEPAGE), 0);
    expect_block(0, 2 * B, 0, B);
    store_byte(at(B), 1);
    assert_int_equal(mm_stats(mm).rss_anon, B + 1);
}

static void test_advised_not(void **state)
{
    (void)state;
    map_at(0, B, RW, ANON);
    assert_int_equal(mmk_madvise(mm, at(0), B * PAGE, MMK_MADV_NOHUGEPAGE), 0);
    expect_block(0, B, 0, 1);
}

static void test_read(void **state)
{
    (void)state;
    map_at(0, B, RW, ANON);
    expect_byte(at(0), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_false(is_mapped(1));
}

static void test_shared(void **state)
{
    (void)state;
    map_at(0, B, RW, SHARED_ANON);
    store_byte(at(0), 1);
    assert_int_equal(mm_stats(mm).rss_shmem, 1);
}

/* Its group cannot pay for more. */
static void test_limit(void **state)
{
    struct mmk_group_stats stats;
    struct mmk_group *group;

    (void)state;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    map_at(0, B + 1, RW, ANON);
    store_byte(at(B), 1); /* with its table */
    mmk_group_stats(group, &stats);
    assert_int_equal(mmk_group_set_limit(group, stats.charged + PAGE), 0);
    store_byte(at(0), 1);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    mmk_group_stats(group, &stats);
    assert_int_equal(stats.ooms, 0);
    mmk_group_put(group);
}

/* Fewer come, or none: then it is through when memory is back. */
static void test_no_memory(void **state)
{
    enum mmk_fault_result result;
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        map_at(0, B, RW, ANON);
        mmk_drain();
        machine_fail_nth(n / 2, n % 2 == 0);
        result = mmk_fault(mm, at(1), MMK_ACCESS_WRITE);
        failed = machine_fail_stop();
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        mmk_check(mm);
        assert_true(mm_stats(mm).rss_anon == (result == MMK_FAULT_DONE ? B : 0) ||
                    (failed && mm_stats(mm).rss_anon == 1));
        store_byte(at(1), 5);
        expect_byte(at(1), 5);
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, at(0), B * PAGE), 0);
    }
    assert_true(n > 4);
}

/* ---- and afterwards -------------------------------------------------------------------------- */

/* They are pages as any others. */
static void test_pieces(void **state)
{
    struct mmk_mm *child;

    (void)state;
    map_at(0, B, RW, ANON);
    expect_block(1, B, 0, B);
    assert_int_equal(mmk_madvise(mm, at(0), PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mm_stats(mm).rss_anon, B - 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    store_byte(at(1), 8);
    machine_switch_mm(child);
    expect_byte(at(1), 2);
    machine_switch_mm(mm);
    mmk_check(child);
    mmk_mm_put(child);
    expect_byte(at(1), 8);
    mmk_check(mm);
}

static void test_many(void **state)
{
    uint64_t i, pages = MMK_PT_ENTRIES < 32 ? 16 : 1024;

    (void)state;
    map_at(1, pages, RW, ANON);
    for (i = 3; i < pages; i += 3)
        store_byte(at(i), (uint8_t)i);
    for (i = 1; i < pages; i++)
        expect_byte(at(i), i % 3 ? 0 : (uint8_t)i);
    mmk_check(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALWAYS(test_block),          ALWAYS(test_second),       ALWAYS(test_mapping_ends),
        ALWAYS(test_mapping_begins), ALWAYS(test_partly_there), ALWAYS(test_again),
        WITH(test_never, never),     WITH(test_never, page),    WITH(test_advised, madvise),
        ALWAYS(test_advised_not),    ALWAYS(test_read),         ALWAYS(test_shared),
        ALWAYS(test_limit),          ALWAYS(test_no_memory),    ALWAYS(test_pieces),
        ALWAYS(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
