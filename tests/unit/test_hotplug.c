/* SPDX-License-Identifier: MIT */
/*
 * test_hotplug.c - CPUs that go offline and come again: nothing stays behind in them, and nobody
 * misses them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/cpu.h>
#include <sched.h>
#include <unistd.h>

#include "core.h"
#include "expect_panic.h"
#include "fixture.h"
#include "run_cpus.h"
#include "slab.h"
#include "table.h"

enum { SECONDS = 100, ROUNDS = 60 };

/* Pages, tables, small objects: some of each stay in the CPU's caches. */
static void work(unsigned cpu)
{
    mmk_vaddr_t addr = BASE + cpu * GIB, i;

    for (i = 0; i < 40; i++) {
        uint8_t byte = (uint8_t)(cpu + i);

        check(mmk_mmap(mm, addr + i * 4 * MIB, 2 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) > 0);
        check(machine_store(addr + i * 4 * MIB, &byte, 1) == MMK_FAULT_DONE);
    }
    for (i = 0; i < 40; i += 2)
        check(mmk_munmap(mm, addr + i * 4 * MIB, 2 * PAGE) == 0);
    for (i = 0; i < 40; i++) {
        uint8_t byte = 0;
        enum mmk_fault_result result = machine_load(addr + i * 4 * MIB, &byte, 1);

        check(i % 2 ? result == MMK_FAULT_DONE && byte == (uint8_t)(cpu + i)
                    : result == MMK_FAULT_SEGV_MAPERR);
    }
    check(mmk_munmap(mm, addr, GIB) == 0);
}

static void work_once(unsigned cpu, void *unused)
{
    (void)unused;
    machine_switch_mm(mm);
    work(cpu);
    machine_switch_mm(NULL);
}

static void run(unsigned cpu, void (*function)(unsigned cpu, void *argument))
{
    struct cpu_thread thread;

    cpu_start(&thread, cpu, function, NULL);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
}

/* It has worked, and has nothing any more; then it works again. */
static void test_drained(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < 5; i++) {
        run(1, work_once);
        assert_false(mmk_cpu_is_online(1));
        assert_int_equal(mmk_frames_cached(1), 0);
        assert_int_equal(mmk_table_stocked(1), 0);
        assert_int_equal(mmk_slab_cached(1), 0);
        mmk_check(mm);
        mmk_check_frames();
    }
    assert_true(mmk_cpu_is_online(0));
}

static void count_here(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    machine_switch_mm(mm);
    check(mmk_mmap(mm, BASE, 64 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) > 0);
    for (uint64_t i = 0; i < 64; i++)
        check(machine_store(BASE + i * PAGE, &(uint8_t){7}, 1) == MMK_FAULT_DONE);
    machine_switch_mm(NULL);
}

/* What it has counted counts on. */
static void test_counters(void **state)
{
    (void)state;
    run(2, count_here);
    assert_int_equal(mm_stats(mm).rss_anon, 64);
    assert_int_equal(mm_stats(mm).fault_anon, 64);
    assert_int_equal(mmk_munmap(mm, BASE, 64 * PAGE), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    mmk_check(mm);
}

static void map_here(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    machine_switch_mm(mm);
    check(machine_load(BASE, &(uint8_t){0}, 1) == MMK_FAULT_DONE);
    machine_switch_mm(NULL);
}

static void read_again(unsigned cpu, void *unused)
{
    uint8_t byte = 0;

    (void)cpu;
    (void)unused;
    machine_switch_mm(mm);
    check(machine_load(BASE, &byte, 1) == MMK_FAULT_DONE && byte == 0);
    machine_switch_mm(NULL);
}

/* Translations that it had when it went are not used when it comes again. */
static void test_stale(void **state)
{
    uint64_t ipis;

    (void)state;
    (void)map_at(0, 2, RW, ANON);
    fill(BASE, 2, 9);
    run(1, map_here);
    ipis = stats_now().tlb_ipis;
    assert_int_equal(mmk_madvise(mm, BASE, PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(stats_now().tlb_ipis, ipis);
    run(1, read_again);
}

static void leave_loaded(void *unused)
{
    (void)unused;
    mmk_cpu_offline();
}

static void leave_lazy(void *unused)
{
    (void)unused;
    machine_switch_lazy();
    mmk_cpu_offline();
}

static void online_twice(void *unused)
{
    (void)unused;
    mmk_cpu_online();
}

static void enter_offline(void *unused)
{
    (void)unused;
    machine_switch_mm(NULL);
    mmk_cpu_offline();
    machine_switch_mm(mm);
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(leave_loaded, NULL, "P17 a CPU goes offline after it has left every"));
    assert_true(expect_panic(leave_lazy, NULL, "P17 a CPU goes offline after it has left every"));
    assert_true(expect_panic(online_twice, NULL, "a CPU comes online once"));
    assert_true(expect_panic(enter_offline, NULL, "a CPU is online before it enters an mm"));
}

/* One CPU comes and goes while another works on. */
static struct mmk_a32 stop;

static void work_on(unsigned cpu, void *unused)
{
    (void)unused;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&stop, MMK_ACQUIRE)) {
        work(cpu);
        mmk_cpu_relax();
    }
    machine_switch_mm(NULL);
}

static void test_race(void **state)
{
    struct cpu_thread steady;
    unsigned i;

    (void)state;
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    cpu_start(&steady, 2, work_on, NULL);
    for (i = 0; i < ROUNDS; i++) {
        run(1, work_once);
        assert_int_equal(mmk_frames_cached(1), 0);
        assert_int_equal(mmk_table_stocked(1), 0);
        assert_int_equal(mmk_slab_cached(1), 0);
    }
    mmk_a32_store(&stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&steady);
    machine_idle_end();
    mmk_check(mm);
    mmk_check_frames();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drained), TEST(test_counters), TEST(test_stale),
        TEST(test_misuse),  TEST(test_race),
    };

    alarm(SECONDS);
    return cmocka_run_group_tests_name("hotplug", tests, NULL, NULL);
}
