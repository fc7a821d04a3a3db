/* SPDX-License-Identifier: MIT */
/* test_reap.c - the reaper: what it takes, how much at a time, and that nothing comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <unistd.h>

#include "fixture.h"
#include "gather.h"
#include "table.h"
#include "page_rmap.h"
#include "zap.h"
#include "run_cpus.h"

enum { PATIENCE = 20000, ROUNDS = 800, ALL = 1 << 20 };

/* ---- what it takes --------------------------------------------------------------------------- */

static void test_not_killed(void **state)
{
    uint64_t freed = 0;

    (void)state;
    (void)map_at(0, 8, RW, ANON);
    fill(BASE, 8, 1);
    assert_int_equal(mmk_reap(mm, ALL, &freed), MMK_EINVAL);
    assert_int_equal(freed, 0);
    expect_filled(BASE, 8, 1);
}

static void test_takes_private(void **state)
{
    struct mmk_object *file = new_file(8), *shmem = new_shmem(8);
    uint64_t freed = 5;

    (void)state;
    (void)map_at(0, 512 * 3, RW, ANON);
    fill(BASE, 8, 1);
    store_byte(BASE + 1000 * PAGE, 1);
    expect_byte(BASE + 1001 * PAGE, 0); /* the zero page: no memory */
    (void)map_object_at(2048, 8, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(BASE + 2048 * PAGE, 1);
    expect_byte(BASE + 2049 * PAGE, 2);
    (void)map_object_at(4096, 8, RW, MMK_MAP_SHARED, shmem, 0);
    fill(BASE + 4096 * PAGE, 3, 1);
    mmk_kill(mm);
    assert_int_equal(mmk_reap(mm, ALL, &freed), 0);
    assert_int_equal(freed, 5 + 8 + 1 + 2);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_int_equal(mm_stats(mm).rss_file, 0);
    assert_int_equal(mm_stats(mm).rss_shmem, 3);
    expect_tables(mm, 1, 1, 1);
    expect_load(BASE, MMK_FAULT_KILLED);
    expect_load(BASE + 2048 * PAGE, MMK_FAULT_KILLED);
    expect_byte(BASE + 4096 * PAGE, 1);
    assert_int_equal(mmk_reap(mm, ALL, &freed), 0);
    assert_int_equal(freed, 16);
    mmk_object_put(file);
    mmk_object_put(shmem);
}

/* Never more than asked for; on and on until all is gone. */
static void test_bounded(void **state)
{
    uint64_t freed, sum = 0, left = 700;
    unsigned i;
    int result;

    (void)state;
    for (i = 0; i < 7; i++) {
        (void)map_at(i * 600, 200, RW, ANON); /* holes in between, tables shared */
        fill(BASE + i * 600 * PAGE, 100, 1);
    }
    mmk_kill(mm);
    do {
        freed = 0;
        result = mmk_reap(mm, 33, &freed);
        assert_true(freed <= 33);
        assert_int_equal(mm_stats(mm).rss_anon, left - freed);
        mmk_check(mm);
        left -= freed;
        sum += freed;
    } while (result == MMK_EAGAIN);
    assert_int_equal(result, 0);
    assert_int_equal(sum, 700);
    expect_tables(mm, 0, 0, 0);
}

/* The reaper finds memory where there is none: it flushes early, and goes on. */
static void test_no_memory(void **state)
{
    uint64_t freed = 0, early;

    (void)state;
    (void)map_at(0, 600, RW, ANON);
    fill(BASE, 600, 1);
    mmk_kill(mm);
    early = stats_now().gather_early;
    machine_fail_nth(0, true);
    assert_int_equal(mmk_reap(mm, ALL, &freed), 0);
    assert_true(machine_fail_stop());
    assert_int_equal(freed, 600);
    assert_true(stats_now().gather_early > early);
    expect_tables(mm, 0, 0, 0);
}

/* One at a time, and no time at all: progress all the same. */
static void test_least(void **state)
{
    uint64_t freed = 0;
    unsigned calls = 0;

    (void)state;
    (void)map_at(0, 4, RW, SHARED_ANON);
    (void)map_at(10, 4, RW, ANON);
    fill(BASE + 10 * PAGE, 4, 1);
    mmk_kill(mm);
    while (mmk_reap(mm, 0, &freed) == MMK_EAGAIN)
        assert_true(++calls < 20);
    assert_int_equal(freed, 4);
}

static struct mmk_a32 held, let_go;

static void hold_lock(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_a32_store(&held, 1, MMK_RELEASE);
    while (!mmk_a32_load(&let_go, MMK_ACQUIRE))
        mmk_cpu_relax();
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

static struct cpu_thread holder;

static void join_holder(void)
{
    machine_idle_begin();
    cpu_join(&holder);
    machine_idle_end();
}

static void test_lock_taken(void **state)
{
    uint64_t freed = 0;

    (void)state;
    (void)map_at(0, 4, RW, ANON);
    fill(BASE, 4, 1);
    mmk_a32_store(&held, 0, MMK_RELAXED);
    mmk_a32_store(&let_go, 0, MMK_RELAXED);
    cpu_start(&holder, 1, hold_lock, NULL);
    while (!mmk_a32_load(&held, MMK_ACQUIRE))
        mmk_cpu_relax();
    mmk_kill(mm);
    assert_int_equal(mmk_reap(mm, ALL, &freed), MMK_EAGAIN);
    assert_int_equal(freed, 0);
    mmk_a32_store(&let_go, 1, MMK_RELEASE);
    join_holder();
    assert_int_equal(mmk_reap(mm, ALL, &freed), 0);
    assert_int_equal(freed, 4);
}

/* A notifier that would have to sleep: that mapping stays, until it would not. */
static bool refuses;

static int refuse_low(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    assert_false(range->may_sleep);
    assert_int_equal(range->reason, MMK_NOTIFY_DISCARD);
    return refuses && range->start == BASE ? MMK_EAGAIN : 0;
}

static void test_notifier_refuses(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = refuse_low};
    struct mmk_notifier notifier = {.ops = &ops}, other = {.ops = &ops};
    uint64_t freed = 0;

    (void)state;
    (void)map_at(0, 4, RW, ANON);
    (void)map_at(8, 4, RW, ANON);
    fill(BASE, 4, 1);
    fill(BASE + 8 * PAGE, 4, 1);
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(mmk_notifier_register(mm, &other), 0);
    mmk_kill(mm);
    refuses = true;
    assert_int_equal(mmk_reap(mm, ALL, &freed), MMK_EAGAIN);
    assert_int_equal(freed, 4);
    expect_filled(BASE, 4, 1);
    expect_load(BASE + 8 * PAGE, MMK_FAULT_KILLED);
    refuses = false;
    assert_int_equal(mmk_reap(mm, ALL, &freed), 0);
    assert_int_equal(freed, 8);
    mmk_notifier_unregister(mm, &notifier);
    mmk_notifier_unregister(mm, &other);
}

/* ---- nothing comes back ---------------------------------------------------------------------- */

/* The reaper's part, done under a table lock that CPU 0 waits for with a fault that has begun. */
static void reap_under_lock(unsigned cpu, void *unused)
{
    struct mmk_gather gather;
    struct mmk_walk walk;
    struct mmk_page *page;

    (void)cpu;
    (void)unused;
    mmk_gather_begin_range(&gather, mm, 0, MMK_USER_END, MMK_NOTIFY_DISCARD);
    mmk_rcu_read_lock();
    mmk_walk_lock(mm, BASE, &walk);
    check(walk.level == 0);
    mmk_a32_store(&held, 1, MMK_RELEASE);
    usleep(PATIENCE);
    mmk_kill(mm);
    page = mmk_pte_page(mmk_pte_take(walk.entry));
    check(page && mmk_gather_room(&gather));
    walk.table->table.live--;
    mmk_page_remove_rmap(page, mm);
    mmk_gather_page(&gather, page, false);
    mmk_mm_count(mm, MMK_COUNT_RSS_ANON, -1);
    mmk_gather_range(&gather, BASE, BASE + PAGE);
    mmk_table_unlock_free(&walk, &gather);
    mmk_rcu_read_unlock();
    mmk_gather_finish(&gather);
}

/* A write fault on a page with data in it, which is reaped meanwhile: no page of zeros. */
static void test_fault_beside(void **state)
{
    enum mmk_fault_result result;
    struct mmk_mm *child;

    (void)state;
    (void)map_at(0, 4, RW, ANON);
    fill(BASE, 4, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_a32_store(&held, 0, MMK_RELAXED);
    cpu_start(&holder, 1, reap_under_lock, NULL);
    while (!mmk_a32_load(&held, MMK_ACQUIRE))
        mmk_cpu_relax();
    result = mmk_fault(mm, BASE, MMK_ACCESS_WRITE);
    join_holder();
    assert_int_equal(result, MMK_FAULT_KILLED);
    assert_true(mmk_pte_none(peek_entry(mm, BASE)));
    assert_int_equal(mm_stats(mm).rss_anon, 3);
    put_mm(child);
}

/*
 * Two CPUs in a child read data and write beside it, while CPU 0 kills and reaps: the data is there
 * or the access fails.
 */
enum { PAGES = 16, DATA = 0x5a };

static struct mmk_mm *shared_child;
static struct mmk_a32 step, ended;

static enum mmk_fault_result touch(mmk_vaddr_t addr)
{
    enum mmk_fault_result result;
    uint8_t byte = 1;

    result = machine_store(addr + 64, &byte, 1);
    if (result == MMK_FAULT_DONE)
        result = machine_load(addr, &byte, 1);
    check(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
    check(result != MMK_FAULT_DONE || byte == DATA);
    return result;
}

static void use_child(unsigned cpu, void *unused)
{
    uint32_t round;
    uint64_t i;

    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        while (mmk_a32_load(&step, MMK_ACQUIRE) != round) {
            mmk_cpu_relax();
            sched_yield();
        }
        machine_switch_mm(shared_child);
        for (i = 0; touch(BASE + i % PAGES * PAGE) == MMK_FAULT_DONE; i += 2 * cpu - 1)
            mmk_cpu_relax();
        machine_switch_mm(NULL);
        mmk_a32_fetch_add(&ended, 1, MMK_RELEASE);
    }
}

static void test_race(void **state)
{
    struct cpu_thread users[2];
    uint64_t freed, i;
    uint32_t round;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    for (i = 0; i < PAGES; i++)
        store_byte(BASE + i * PAGE, DATA);
    mmk_a32_store(&step, 0, MMK_RELAXED);
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    cpu_start(&users[0], 1, use_child, NULL);
    cpu_start(&users[1], 2, use_child, NULL);
    for (round = 1; round <= ROUNDS; round++) {
        assert_int_equal(mmk_fork(mm, &shared_child), 0);
        mmk_a32_store(&step, round, MMK_RELEASE);
        for (i = 0; i < round % 37 * 50; i++)
            mmk_cpu_relax();
        mmk_kill(shared_child);
        freed = 0;
        while (mmk_reap(shared_child, 1 + round % 5, &freed) == MMK_EAGAIN)
            mmk_cpu_relax();
        while (mmk_a32_load(&ended, MMK_ACQUIRE) != 2 * round) {
            mmk_cpu_relax();
            sched_yield();
        }
        assert_int_equal(freed, PAGES);
        assert_int_equal(mm_stats(shared_child).rss_anon, 0);
        put_mm(shared_child);
    }
    machine_idle_begin();
    cpu_join(&users[0]);
    cpu_join(&users[1]);
    machine_idle_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_not_killed),       TEST(test_takes_private), TEST(test_bounded),
        TEST(test_no_memory),        TEST(test_least),         TEST(test_lock_taken),
        TEST(test_notifier_refuses), TEST(test_fault_beside),  TEST(test_race),
    };

    return cmocka_run_group_tests_name("reap", tests, NULL, NULL);
}
