/* SPDX-License-Identifier: MIT */
/*
 * test_table_visits.c - what it takes to empty a range: which tables are visited, counted by their
 * locks. A zap that leaves entries visits one table once; one that empties a table visits it once
 * and its parents once; what is not there is not visited, however large the range; and the upper
 * levels go as the leaves do, up to the root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define LEAF  ((uint64_t)MMK_PT_ENTRIES) /* pages of a leaf table */
#define TOP   (MMK_PT_LEVELS - 1)
#define LEAFS (LEAF * PAGE)

/* Locks of tables that this CPU has taken, by level. */
struct visits {
    uint64_t level[MMK_PT_LEVELS];
};

static struct visits visits_so_far(void)
{
    struct visits so_far;
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS; level++)
        so_far.level[level] =
            machine_locks_taken((enum mmk_lock_class)(MMK_LOCK_TABLE_LEAF - (int)level));
    return so_far;
}

static struct visits visits_since(struct visits before)
{
    struct visits now = visits_so_far();
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS; level++)
        now.level[level] -= before.level[level];
    return now;
}

static uint64_t sum(struct visits visits)
{
    uint64_t all = 0;
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS; level++)
        all += visits.level[level];
    return all;
}

static struct visits dontneed(mmk_vaddr_t addr, uint64_t pages)
{
    struct visits before = visits_so_far();

    assert_int_equal(mmk_madvise(mm, addr, pages * PAGE, MMK_MADV_DONTNEED), 0);
    return visits_since(before);
}

static struct visits unmap(mmk_vaddr_t addr, uint64_t bytes)
{
    uint64_t flushes = stats_now().tlb_flushes;
    struct visits before = visits_so_far();

    assert_int_equal(mmk_munmap(mm, addr, bytes), 0);
    assert_true(stats_now().tlb_flushes <= flushes + 1);
    return visits_since(before);
}

/* So many of each level from the leaves up to, but without, `top`; above it none. */
static void expect_visits(struct visits visits, unsigned top, uint64_t each)
{
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS; level++)
        assert_int_equal(visits.level[level], level < top ? each : 0);
}

/* --- one table ------------------------------------------------------------------------------- */

static void test_entries_left(void **state)
{
    mmk_vaddr_t a = map_at(0, LEAF, RW, ANON);

    (void)state;
    fill(a, 4, 1);
    expect_visits(dontneed(a + PAGE, 1), 1, 1);
    expect_visits(dontneed(a + PAGE, LEAF - 1), 1, 1); /* the rest of the table, mostly none */
    expect_tables(mm, 1, 1, 1);
}

/* What stays is what must not be zapped, too. */
static void test_guard_left(void **state)
{
    mmk_vaddr_t a = map_at(0, LEAF, RW, ANON);

    (void)state;
    fill(a, 4, 1);
    assert_int_equal(mmk_madvise(mm, a + PAGE, PAGE, MMK_MADV_GUARD_INSTALL), 0);
    expect_visits(dontneed(a, LEAF), 1, 1);
    expect_tables(mm, 1, 1, 1);
}

/* All of a full table, whose pages are more than a gather notes by itself: no second look. */
static void test_full(void **state)
{
    mmk_vaddr_t a = map_at(0, 2 * LEAF, RW, ANON);
    uint64_t i;

    (void)state;
    store_byte(a + LEAFS, 1); /* keeps the parent */
    for (i = 0; i < LEAF; i++)
        store_byte(a + i * PAGE, 1);
    expect_visits(dontneed(a, LEAF), 2, 1);
    expect_tables(mm, 1, 1, 1);
}

/* The last page, wherever it is: no other entry is looked at for that. */
static void test_last_page(void **state)
{
    mmk_vaddr_t a = map_at(0, 2 * LEAF, RW, ANON);

    (void)state;
    store_byte(a + LEAFS, 1);
    store_byte(a + 7 * PAGE, 1);
    expect_visits(dontneed(a + 7 * PAGE, 1), 2, 1);
    expect_tables(mm, 1, 1, 1);
}

/* The only page: each level once, up to the root. */
static void test_up_to_the_root(void **state)
{
    mmk_vaddr_t a = map_at(0, LEAF, RW, ANON);

    (void)state;
    store_byte(a, 1);
    expect_visits(dontneed(a, 1), MMK_PT_LEVELS, 1);
    expect_tables(mm, 0, 0, 0);
}

/* Parents stay that link other tables: no further than the first. */
static void test_up_to_one_in_use(void **state)
{
    const uint64_t upper = LEAF * LEAF * PAGE;
    mmk_vaddr_t a = map_at(0, 2 * LEAF * LEAF, RW, ANON);

    (void)state;
    store_byte(a, 1);
    store_byte(a + upper, 2);
    expect_visits(dontneed(a, 1), 3, 1);
    expect_byte(a + upper, 2);
    expect_tables(mm, 1, 1, 1);
}

/* --- what is not there ----------------------------------------------------------------------- */

static void test_nothing(void **state)
{
    mmk_vaddr_t a = map_at(0, 8 * ROOT_SPAN / PAGE, RW, ANON);
    struct visits visits = dontneed(a, 8 * ROOT_SPAN / PAGE);

    (void)state;
    assert_int_equal(visits.level[TOP], 1);
    assert_int_equal(sum(visits), 1);
    visits = unmap(a, 8 * ROOT_SPAN);
    assert_int_equal(visits.level[TOP], 1);
    assert_int_equal(sum(visits), 1);
}

#define PAGES 4

/* PAGES pages, `apart` from each other, in a mapping of `bytes`: what it takes to unmap it. */
static uint64_t unmap_sparse(uint64_t apart, uint64_t bytes)
{
    mmk_vaddr_t a = map_at(0, bytes / PAGE, RW, ANON);
    uint64_t i, work;

    for (i = 0; i < PAGES; i++)
        store_byte(a + i * apart, 1);
    work = sum(unmap(a, bytes));
    expect_tables(mm, 0, 0, 0);
    return work;
}

/*
 * A page, its parents as they go, and one table in which the next is found: at most so many for
 * each, and for the end of the range.
 */
#define MOST (PAGES * (MMK_PT_LEVELS + 1) + 1)

/* The same pages in ever larger ranges. */
static void test_larger_range(void **state)
{
    const uint64_t first = unmap_sparse(LEAFS, PAGES * LEAFS);
    uint64_t bytes, work;

    (void)state;
    assert_true(first <= MOST);
    for (bytes = 8 * PAGES * LEAFS; bytes <= 8 * ROOT_SPAN; bytes *= 8) {
        work = unmap_sparse(LEAFS, bytes);
        assert_true(work <= first + 1); /* and the root has nothing more */
    }
}

/* The same pages ever farther apart: only the upper tables come on top that each then has. */
static void test_farther_apart(void **state)
{
    uint64_t apart;

    (void)state;
    for (apart = LEAFS; apart <= ROOT_SPAN; apart *= 8)
        assert_true(unmap_sparse(apart, PAGES * apart) <= MOST);
}

/* Twice the pages, twice the work. */
static void test_more_pages(void **state)
{
    mmk_vaddr_t a = map_at(0, 16 * ROOT_SPAN / PAGE, RW, ANON);
    uint64_t i, few, many;

    (void)state;
    for (i = 0; i < 8; i++)
        store_byte(a + i * ROOT_SPAN, 1);
    few = sum(dontneed(a, 16 * ROOT_SPAN / PAGE));
    for (i = 0; i < 16; i++)
        store_byte(a + i * ROOT_SPAN, 1);
    many = sum(dontneed(a, 16 * ROOT_SPAN / PAGE));
    assert_in_range(many, 2 * few - 2, 2 * few);
    expect_tables(mm, 0, 0, 0);
}

/* An address space that ends takes no longer for what it has not touched. */
static void test_exit(void **state)
{
    struct mmk_mm *other = new_mm();
    struct visits before;
    uint64_t i;

    (void)state;
    assert_int_equal(mmk_mmap(other, BASE, 8 * ROOT_SPAN, RW, ANON | MMK_MAP_FIXED, NULL, 0), BASE);
    for (i = 0; i < PAGES; i++)
        assert_int_equal(mmk_fault(other, BASE + i * 2 * ROOT_SPAN, MMK_ACCESS_WRITE),
                         MMK_FAULT_DONE);
    before = visits_so_far();
    mmk_mm_put(other);
    assert_true(sum(visits_since(before)) <= MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_entries_left), TEST(test_guard_left),     TEST(test_full),
        TEST(test_last_page),    TEST(test_up_to_the_root), TEST(test_up_to_one_in_use),
        TEST(test_nothing),      TEST(test_larger_range),   TEST(test_farther_apart),
        TEST(test_more_pages),   TEST(test_exit),
    };

    return cmocka_run_group_tests_name("table_visits", tests, NULL, NULL);
}
