/* SPDX-License-Identifier: MIT */
/*
 * test_retry.c - what a walker finds changed when it gets the lock that it waited for.
 *
 * CPU 1 holds a table's lock, lets CPU 0 run into it, changes what CPU 0 has seen, and lets go.
 * Should CPU 0 come late, it sees the change at once: the results are the same, so no test depends
 * on timing, only what it covers does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "fixture.h"
#include "gather.h"
#include "table.h"
#include "zap.h"
#include "run_cpus.h"

#define PATIENCE 20000 /* microseconds in which CPU 0 reaches the lock */

static struct mmk_a32 held; /* CPU 1 has its lock */
static mmk_vaddr_t base;

/* ---- CPU 1: inside an RCU read section, `held` set once the lock is taken -----------------------
 */

static void let_in(void)
{
    mmk_a32_store(&held, 1, MMK_RELEASE);
    usleep(PATIENCE);
}

static struct mmk_page *lock_leaf(struct mmk_walk *walk, mmk_vaddr_t addr)
{
    mmk_walk_lock(mm, addr, walk);
    check(walk->level == 0);
    return walk->table;
}

static mmk_pte_t zero_leaf(void)
{
    return mmk_pte_mkspecial(mmk_pte_leaf(mmk_page_to_pfn(mmk_zero_page()), false, false));
}

/* Sets the entry that CPU 0 is about to set. */
static void set_entry(unsigned cpu, void *unused)
{
    struct mmk_walk walk;

    (void)cpu;
    (void)unused;
    mmk_rcu_read_lock();
    (void)lock_leaf(&walk, base + PAGE);
    let_in();
    mmk_walk_set_leaf(&walk, zero_leaf());
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* As hardware could: the entry is no longer what CPU 0 has read. */
static void age_entry(unsigned cpu, void *unused)
{
    struct mmk_walk walk;
    mmk_pte_t pte;

    (void)cpu;
    (void)unused;
    mmk_rcu_read_lock();
    (void)lock_leaf(&walk, base);
    let_in();
    pte = mmk_pte_read(walk.entry);
    while (!mmk_pte_change(walk.entry, &pte, mmk_pte_mkold_clean(pte)))
        continue;
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* The middle of a copy-on-write: none for a moment, under the lock. */
static void exchange_entry(unsigned cpu, void *unused)
{
    struct mmk_walk walk;
    mmk_pte_t pte;

    (void)cpu;
    (void)unused;
    mmk_rcu_read_lock();
    (void)lock_leaf(&walk, base);
    pte = mmk_pte_take(walk.entry);
    let_in();
    mmk_pte_set(walk.entry, pte);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* Takes the last entry, and with it the table. */
static void free_table(unsigned cpu, void *unused)
{
    struct mmk_gather gather;
    struct mmk_walk walk;

    (void)cpu;
    (void)unused;
    mmk_gather_begin_range(&gather, mm, 0, MMK_USER_END, MMK_NOTIFY_DISCARD);
    mmk_rcu_read_lock();
    (void)lock_leaf(&walk, base);
    let_in();
    mmk_pte_drop(walk.entry);
    walk.table->table.live--;
    mmk_gather_range(&gather, base, base + PAGE);
    mmk_table_unlock_free(&walk, &gather);
    mmk_rcu_read_unlock();
    mmk_gather_finish(&gather);
}

/* Links the table that CPU 0 is about to link. */
static void link_leaf(unsigned cpu, void *unused)
{
    struct mmk_chain chain;
    struct mmk_walk walk;
    int error;

    (void)cpu;
    (void)unused;
    mmk_chain_init(&chain);
    error = mmk_chain_prepare(&chain, mm, 1);
    check(!error);
    mmk_rcu_read_lock();
    mmk_walk_lock(mm, base + 2 * MIB, &walk);
    check(walk.level == 1);
    let_in();
    mmk_walk_set(&walk, &chain, zero_leaf());
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    mmk_chain_discard(&chain);
}

/* Holds the parent while CPU 0 wants to free the leaf; with `refill`, gives that an entry again. */
static void hold_parent(unsigned cpu, void *refill)
{
    struct mmk_page *leaf, *parent;
    struct mmk_walk walk;

    (void)cpu;
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, base, &walk);
    check(walk.level == 0);
    leaf = walk.table;
    parent = mmk_virt_to_page(walk.parent);
    mmk_table_lock(parent);
    let_in();
    if (refill) {
        mmk_table_lock(leaf);
        leaf->table.live++;
        mmk_pte_set(walk.entry + 9, zero_leaf());
        mmk_table_unlock(leaf);
    }
    mmk_table_unlock(parent);
    mmk_rcu_read_unlock();
}

/* ---- CPU 0 --------------------------------------------------------------------------------------
 */

static struct cpu_thread holder;

/* `function` runs on CPU 1 and holds its lock. */
static void hold(void (*function)(unsigned cpu, void *argument), void *argument)
{
    mmk_a32_store(&held, 0, MMK_RELAXED);
    cpu_start(&holder, 1, function, argument);
    while (!mmk_a32_load(&held, MMK_ACQUIRE))
        mmk_cpu_relax();
}

static void release(void)
{
    machine_idle_begin();
    cpu_join(&holder);
    machine_idle_end();
    mmk_check(mm);
}

static void with_zero_page(void)
{
    base = map_at(0, 2048, RW, ANON);
    expect_byte(base, 0);
}

static void test_entry_set(void **state)
{
    (void)state;
    with_zero_page();
    hold(set_entry, NULL);
    store_byte(base + PAGE, 5); /* finds the zero page there, copies it */
    release();
    expect_byte(base + PAGE, 5);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    assert_int_equal(mm_stats(mm).fault_anon + mm_stats(mm).fault_cow, 1);
}

static void test_entry_set_read(void **state)
{
    (void)state;
    with_zero_page();
    hold(set_entry, NULL);
    expect_byte(base + PAGE, 0);
    release();
    assert_int_equal(mm_stats(mm).rss_anon, 0);
}

static void test_entry_aged(void **state)
{
    (void)state;
    with_zero_page();
    hold(age_entry, NULL);
    store_byte(base, 5);
    release();
    expect_byte(base, 5);
    assert_int_equal(mm_stats(mm).fault_cow, 1);
}

/* What looked like a first touch, and had no memory for one, was none: the page is there. */
static void test_entry_between(void **state)
{
    enum mmk_fault_result result;
    uint8_t byte = 6;

    (void)state;
    base = map_at(0, 2048, RW, ANON);
    store_byte(base, 5);
    hold(exchange_entry, NULL);
    mmk_tlb_local_all(&mm->context);
    machine_fail_nth(0, true);
    result = machine_store(base, &byte, 1);
    (void)machine_fail_stop();
    release();
    assert_int_equal(result, MMK_FAULT_DONE);
    expect_byte(base, 6);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
}

/* The fault walked to a table that is freed when it gets the lock. */
static void test_table_freed_under_fault(void **state)
{
    (void)state;
    with_zero_page();
    hold(free_table, NULL);
    store_byte(base + 3 * PAGE, 5);
    release();
    expect_tables(mm, 1, 1, 1);
    expect_byte(base + 3 * PAGE, 5);
    expect_byte(base, 0);
}

/* The same, with the entry that is to be copied. */
static void test_table_freed_under_copy(void **state)
{
    (void)state;
    with_zero_page();
    hold(free_table, NULL);
    store_byte(base, 5);
    release();
    expect_tables(mm, 1, 1, 1);
    expect_byte(base, 5);
}

static void test_table_freed_under_advice(void **state)
{
    (void)state;
    with_zero_page();
    hold(free_table, NULL);
    assert_int_equal(mmk_madvise(mm, base, 8 * PAGE, MMK_MADV_DONTNEED), 0);
    release();
    expect_tables(mm, 0, 0, 0);
}

static void test_table_linked_under_fault(void **state)
{
    (void)state;
    with_zero_page();
    hold(link_leaf, NULL);
    store_byte(base + 2 * MIB + PAGE, 5);
    release();
    expect_tables(mm, 2, 1, 1);
    expect_byte(base + 2 * MIB, 0);
    expect_byte(base + 2 * MIB + PAGE, 5);
}

static void test_parent_busy(void **state)
{
    (void)state;
    with_zero_page();
    hold(hold_parent, NULL);
    assert_int_equal(mmk_madvise(mm, base, PAGE, MMK_MADV_DONTNEED), 0);
    release();
    expect_tables(mm, 0, 0, 0);
}

/* Filled again while the lock was dropped: it stays. */
static void test_parent_busy_refilled(void **state)
{
    static int refill;

    (void)state;
    with_zero_page();
    hold(hold_parent, &refill);
    assert_int_equal(mmk_madvise(mm, base, PAGE, MMK_MADV_DONTNEED), 0);
    release();
    expect_tables(mm, 1, 1, 1);
    expect_byte(base + 9 * PAGE, 0);
}

static void advise_too(unsigned cpu, void *unused)
{
    int error;

    (void)cpu;
    (void)unused;
    error = mmk_madvise(mm, base, PAGE, MMK_MADV_DONTNEED);
    check(!error);
}

/* Two want to free it: one does, the other finds it dead. */
static void test_parent_busy_two(void **state)
{
    struct cpu_thread second;

    (void)state;
    with_zero_page();
    hold(hold_parent, NULL);
    cpu_start(&second, 2, advise_too, NULL);
    assert_int_equal(mmk_madvise(mm, base, PAGE, MMK_MADV_DONTNEED), 0);
    machine_idle_begin();
    cpu_join(&second);
    machine_idle_end();
    release();
    expect_tables(mm, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_entry_set),
        TEST(test_entry_set_read),
        TEST(test_entry_aged),
        TEST(test_entry_between),
        TEST(test_table_freed_under_fault),
        TEST(test_table_freed_under_copy),
        TEST(test_table_freed_under_advice),
        TEST(test_table_linked_under_fault),
        TEST(test_parent_busy),
        TEST(test_parent_busy_refilled),
        TEST(test_parent_busy_two),
    };

    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
