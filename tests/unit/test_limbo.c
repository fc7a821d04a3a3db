/* SPDX-License-Identifier: MIT */
/*
 * test_limbo.c - freed tables that come back to where they were, or make room (src/limbo.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fixture.h"
#include "limbo.h"
#include "run_cpus.h"
#include "table_memory.h"

#define SLOT  512 /* pages of a leaf table */
#define LOWER (MMK_PT_LEVELS - 1)

static void touch_and_give_back(mmk_vaddr_t addr)
{
    store_byte(addr, 1);
    assert_int_equal(mmk_madvise(mm, addr, PAGE, MMK_MADV_DONTNEED), 0);
}

/* One page, over and over: its tables are the same ones each time, at every level. */
static void test_one_page(void **state)
{
    mmk_vaddr_t a = map_at(0, SLOT, RW, ANON);
    struct mmk_stats first, last;
    unsigned i;

    (void)state;
    touch_and_give_back(a);
    first = stats_now();
    assert_int_equal(first.tables_limbo, LOWER);
    for (i = 0; i < 1000; i++)
        touch_and_give_back(a + i % SLOT * PAGE);
    last = stats_now();
    assert_int_equal(last.tables_relinked - first.tables_relinked, 1000 * LOWER);
    assert_int_equal(last.tables_waiting_peak, 0);
    assert_int_equal(last.tables_limbo, LOWER);
    assert_int_equal(last.tables_stock, first.tables_stock);
    store_byte(a, 5);
    expect_byte(a + 8, 0);
    expect_byte(a + PAGE, 0);
    mmk_check(mm);
}

/* Every page is another's: limbo does not grow, and what leaves it is given back. */
static void test_each_place(void **state)
{
    mmk_vaddr_t a = map_at(0, 64 * SLOT, RW, ANON);
    unsigned i;

    (void)state;
    for (i = 0; i < 64; i++)
        touch_and_give_back(a + i * SLOT * PAGE);
    assert_in_range(stats_now().tables_limbo, 1, (uint64_t)MMK_LIMBO_PATHS * LOWER);
    mmk_table_drain_limbo();
    assert_int_equal(stats_now().tables_limbo, 0);
    mmk_host_rcu_barrier();
    assert_int_equal(stats_now().tables_waiting, 0);
}

/* Two in turn, both of which are kept. */
static void test_two_places(void **state)
{
    mmk_vaddr_t a = map_at(0, 2 * SLOT, RW, ANON);
    uint64_t before;
    unsigned i;

    (void)state;
    store_byte(a, 1);
    store_byte(a + SLOT * PAGE, 1);
    before = stats_now().tables_relinked;
    for (i = 0; i < 10; i++) {
        assert_int_equal(advise(a, SLOT, MMK_MADV_DONTNEED), 0);
        assert_int_equal(advise(a + SLOT * PAGE, SLOT, MMK_MADV_DONTNEED), 0);
        store_byte(a, 1);
        store_byte(a + SLOT * PAGE, 1);
    }
    assert_int_equal(stats_now().tables_relinked - before, 10 * (LOWER + 1));
    assert_int_equal(stats_now().tables_waiting_peak, 0);
    expect_tables(mm, 2, 1, 1);
}

/* The table above has moved meanwhile: its entry is the same, its address is not. */
static void test_parent_moved(void **state)
{
    const uint64_t pages = GIB / PAGE;
    mmk_vaddr_t a = 16 * GIB, b = 32 * GIB;
    uint64_t before;

    (void)state;
    map(a, pages, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    store_byte(a, 1);
    store_byte(a + SLOT * PAGE, 2);
    assert_int_equal(advise(a, 1, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mmk_mremap(mm, a, GIB, GIB, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, b), b);
    before = stats_now().tables_relinked;
    store_byte(b + PAGE, 3);
    assert_int_equal(stats_now().tables_relinked, before + 1);
    expect_byte(b, 0);
    expect_byte(b + SLOT * PAGE, 2);
    mmk_check(mm);
}

/* What an address space leaves behind is gone with it, wherever it was. */
static void test_end(void **state)
{
    struct mmk_mm *first = mm;
    uint64_t before;

    (void)state;
    mm = new_mm();
    machine_switch_mm(mm);
    touch_and_give_back(map_at(0, 1, RW, ANON));
    assert_int_equal(stats_now().tables_limbo, LOWER);
    machine_switch_mm(first);
    put_mm(mm);
    assert_int_equal(stats_now().tables_limbo, 0);
    mmk_host_rcu_barrier();
    mm = new_mm(); /* which may lie where the other did */
    machine_switch_mm(mm);
    before = stats_now().tables_relinked;
    store_byte(map_at(0, 1, RW, ANON), 1);
    assert_int_equal(stats_now().tables_relinked, before);
    machine_switch_mm(first);
    put_mm(mm);
    mm = first;
}

static void free_one(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    machine_switch_mm(mm);
    (void)!machine_store(BASE, &(uint8_t){1}, 1);
    (void)!mmk_madvise(mm, BASE, PAGE, MMK_MADV_DONTNEED);
    machine_switch_mm(NULL);
}

/* A CPU that goes keeps nothing; nor does another find what it has kept. */
static void test_cpu_gone(void **state)
{
    struct cpu_thread thread;
    uint64_t before = stats_now().tables_relinked;

    (void)state;
    map_at(0, 1, RW, ANON);
    cpu_start(&thread, 1, free_one, NULL);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    assert_int_equal(stats_now().tables_limbo, 0);
    store_byte(BASE, 2);
    assert_int_equal(stats_now().tables_relinked, before);
}

/* Charged while they are kept; and given up before an allocation fails. */
static void test_group(void **state)
{
    struct mmk_group_stats stats;
    struct mmk_group *group;
    struct mmk_mm *first = mm;

    (void)state;
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    map_at(0, 2 * SLOT, RW, ANON);
    touch_and_give_back(BASE);
    mmk_group_stats(group, &stats);
    assert_int_equal(stats.table_mem, (1 + LOWER) * PAGE);
    assert_int_equal(mmk_group_set_limit(group, (1 + LOWER) * PAGE), 0);
    assert_int_equal(stats_now().tables_limbo, LOWER);
    assert_int_equal(mmk_group_set_limit(group, (2 + LOWER) * PAGE), 0);
    store_byte(BASE + SLOT * PAGE, 1); /* another leaf table, and a page */
    mmk_group_stats(group, &stats);
    assert_int_equal(stats.charged, (2 + LOWER) * PAGE);
    machine_switch_mm(first);
    put_mm(mm);
    mm = first;
    mmk_check_group(group);
    mmk_group_put(group);
}

/* All frames that can be had so, linked by their first words. */
static struct mmk_page *take_all(unsigned flags)
{
    struct mmk_page *taken = NULL, *page;

    while ((page = mmk_page_alloc(0, flags)) != NULL) {
        *(struct mmk_page **)mmk_page_address(page) = taken;
        taken = page;
    }
    return taken;
}

static void put_all(struct mmk_page *taken)
{
    struct mmk_page *next;

    for (; taken; taken = next) {
        next = *(struct mmk_page **)mmk_page_address(taken);
        mmk_page_put(taken);
    }
}

/* All memory is taken: the tables are not left out. */
static void test_short(void **state)
{
    mmk_vaddr_t a = map_at(0, SLOT, RW, ANON);
    struct mmk_page *taken;

    (void)state;
    touch_and_give_back(a);
    taken = take_all(0);
    assert_int_equal(stats_now().tables_limbo, 0);
    assert_int_equal(stats_now().tables_waiting, 0);
    put_all(taken);
}

/*
 * A fault has its tables back, but no page: they go where they were, and from there, as memory is
 * short, to RCU.
 */
static void test_put_back(void **state)
{
    mmk_vaddr_t a = map_at(0, SLOT, RW, ANON);
    enum mmk_fault_result result;
    struct mmk_page *taken;
    uint64_t before;

    (void)state;
    touch_and_give_back(a);
    before = stats_now().tables_relinked;
    taken = take_all(MMK_ALLOC_NOWAIT);
    assert_int_equal(stats_now().tables_limbo, LOWER);
    result = mmk_fault(mm, a, MMK_ACCESS_WRITE);
    assert_true(result == MMK_FAULT_DONE || result == MMK_FAULT_OOM);
    assert_int_equal(stats_now().tables_limbo, 0);
    assert_int_equal(stats_now().tables_relinked, before);
    put_all(taken);
    store_byte(a, 2);
    expect_byte(a, 2);
    expect_tables(mm, 1, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_page),     TEST(test_each_place), TEST(test_two_places),
        TEST(test_parent_moved), TEST(test_end),        TEST(test_cpu_gone),
        TEST(test_group),        TEST(test_short),      TEST(test_put_back),
    };

    return cmocka_run_group_tests_name("limbo", tests, NULL, NULL);
}
