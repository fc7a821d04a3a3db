/* SPDX-License-Identifier: MIT */
/*
 * test_waiting.c - what waits for a grace period is counted, and bounded (src/waiting.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <mmkit/table.h>
#include <time.h>

#include "fixture.h"
#include "limbo.h"
#include "run_cpus.h"
#include "table_memory.h"
#include "waiting.h"

#define SLOT  ((uint64_t)MMK_PT_ENTRIES) /* pages of a leaf table */
#define LOWER (MMK_PT_LEVELS - 1)
#define LIMIT (64 * PAGE)

static int setup_low(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.waiting_limit = LIMIT;
    return fixture_setup_with(&config);
}

static int setup_none(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.waiting_limit = UINT64_MAX;
    return fixture_setup_with(&config);
}

#define LOW(name)  cmocka_unit_test_setup_teardown(name, setup_low, fixture_teardown)
#define FREE(name) cmocka_unit_test_setup_teardown(name, setup_none, fixture_teardown)

/* ---- a grace period that does not end -------------------------------------------------------- */

static struct mmk_a32 reads, stop;

static void read_until_told(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    mmk_rcu_read_lock();
    mmk_a32_store(&reads, 1, MMK_RELEASE);
    while (!mmk_a32_load(&stop, MMK_ACQUIRE))
        mmk_cpu_relax();
    mmk_rcu_read_unlock();
}

static void hold_up(struct cpu_thread *reader)
{
    mmk_a32_store(&reads, 0, MMK_RELAXED);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    cpu_start(reader, 2, read_until_told, NULL);
    while (!mmk_a32_load(&reads, MMK_ACQUIRE))
        mmk_cpu_relax();
}

static void go_on(struct cpu_thread *reader)
{
    mmk_a32_store(&stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(reader);
    machine_idle_end();
}

/* The leaf tables of so many pages come and go at once. */
static void empty_tables(uint64_t tables)
{
    mmk_vaddr_t a = map_at(0, tables * SLOT, RW, ANON);
    uint64_t i;

    for (i = 0; i < tables; i++)
        store_byte(a + i * SLOT * PAGE, 1);
    assert_int_equal(mmk_madvise(mm, a, tables * SLOT * PAGE, MMK_MADV_DONTNEED), 0);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* Tables to the last one, and whatever else there is. */
static void test_counted(void **state)
{
    const uint64_t gone = 40 + LOWER - 1 - MMK_LIMBO_PATHS;
    struct cpu_thread reader;
    struct mmk_stats stats;

    (void)state;
    mmk_host_rcu_barrier();
    hold_up(&reader);
    stats = stats_now();
    assert_int_equal(stats.waiting_bytes, 0);
    empty_tables(40);
    stats = stats_now();
    assert_int_equal(stats.tables_limbo, MMK_LIMBO_PATHS);
    assert_in_range(stats.tables_waiting, gone, gone + 1);
    assert_true(stats.waiting_bytes >= stats.tables_waiting * PAGE);
    assert_true(stats.waiting_bytes < stats.tables_waiting * PAGE + 4 * PAGE);
    assert_true(stats.waiting_bytes_peak >= stats.waiting_bytes);
    assert_true(stats.waiting_bytes_peak <= stats.waiting_bytes + stats.waiting_limit / 8);
    assert_true(stats.tables_waiting_peak >= stats.tables_waiting);
    assert_int_equal(stats.waiting_stalled, 0);
    go_on(&reader);
    mmk_host_rcu_barrier();
    assert_int_equal(stats_now().tables_waiting, 0);
    assert_int_equal(stats_now().waiting_bytes, 0);
}

/* Mappings, and what holds them together; address spaces; objects. */
static void test_others(void **state)
{
    struct cpu_thread reader;
    struct mmk_object *object;
    uint64_t before;
    unsigned i;

    (void)state;
    hold_up(&reader);
    before = stats_now().waiting_bytes;
    for (i = 0; i < 10; i++) {
        map_at(0, 1, RW, ANON);
        assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    }
    assert_true(stats_now().waiting_bytes >= before + 10 * sizeof(struct mmk_vma));
    before = stats_now().waiting_bytes;
    put_mm(new_mm());
    assert_true(stats_now().waiting_bytes >= before + sizeof(struct mmk_mm) + PAGE);
    before = stats_now().waiting_bytes;
    object = new_shmem(1);
    mmk_object_put(object);
    assert_int_equal(stats_now().waiting_bytes, before + sizeof(struct mmk_object));
    assert_int_equal(stats_now().tables_waiting, 0);
    go_on(&reader);
    mmk_host_rcu_barrier();
    assert_int_equal(stats_now().waiting_bytes, 0);
}

/* As large as it is said to be, or as memory makes it. */
static void expect_limit(uint64_t memory, uint64_t configured, uint64_t expected)
{
    struct machine_config machine = {.memory = memory, .cpus = 1, .mmkit = MMK_CONFIG_DEFAULT};

    machine.mmkit.waiting_limit = configured;
    assert_int_equal(machine_create(&machine), 0);
    machine_cpu_attach(0);
    assert_int_equal(stats_now().waiting_limit, expected);
    machine_cpu_detach();
    machine_destroy();
}

static void test_limits(void **state)
{
    const uint64_t frames = 64 * MIB / PAGE * 63 / 64; /* without the descriptors */

    (void)state;
    expect_limit(64 * MIB, 0, frames * PAGE / 64);
    expect_limit(4 * MIB, 0, 256 * KIB);
    expect_limit(2 * GIB, 0, 16 * MIB);
    expect_limit(4 * MIB, 5, 5);
    expect_limit(4 * MIB, UINT64_MAX, INT64_MAX);
}

/* ---- who waits, and who does not ------------------------------------------------------------- */

static struct mmk_a32 done;

static void advise_once(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    check(mmk_madvise(mm, BASE, PAGE, MMK_MADV_DONTNEED) == 0);
    mmk_a32_store(&done, 1, MMK_RELEASE);
}

/*
 * Much goes at once, which is not waited for; then whoever wants to free more waits, and nobody
 * else: no fault, nothing that may not sleep. The port is asked for haste.
 */
static void test_over(void **state)
{
    struct cpu_thread reader, other;

    (void)state;
    mmk_host_rcu_barrier();
    hold_up(&reader);
    empty_tables(100);
    assert_true(stats_now().waiting_bytes > LIMIT);
    assert_int_equal(stats_now().waiting_stalled, 0);
    assert_true(stats_now().waiting_hurried > 0);
    store_byte(BASE, 1);
    expect_byte(BASE + SLOT * PAGE, 0);
    assert_int_equal(mmk_shrink_tables(NULL, GIB), 0);
    assert_int_equal(stats_now().waiting_stalled, 0);
    mmk_a32_store(&done, 0, MMK_RELAXED);
    cpu_start(&other, 1, advise_once, NULL);
    cpu_await_sleep(&other);
    assert_int_equal(mmk_a32_load(&done, MMK_RELAXED), 0);
    assert_int_equal(stats_now().waiting_stalled, 1);
    go_on(&reader);
    machine_idle_begin();
    cpu_join(&other);
    machine_idle_end();
    assert_true(stats_now().waiting_bytes < LIMIT);
    expect_byte(BASE, 0);
}

/* ---- the worst loops ------------------------------------------------------------------------- */

#define WORKERS 2
#define ROUNDS  1000u
#define AREA    ((uint64_t)256) /* leaf tables of a worker, more than are kept to come back */

static struct mmk_a32 running;

static void sleep_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};

    nanosleep(&time, NULL);
}

/* Grace periods of some milliseconds. */
static void read_slowly(void)
{
    while (mmk_a32_load(&running, MMK_ACQUIRE) != 0) {
        mmk_rcu_read_lock();
        sleep_ms(4); /* has loaded nothing: nobody waits for its TLB */
        mmk_rcu_read_unlock();
        machine_idle_begin();
        machine_idle_end();
    }
}

/* A page, alone in its table, is touched and given back. */
static void touch(unsigned cpu, unsigned round)
{
    mmk_vaddr_t addr = BASE + (cpu * AREA + round % AREA) * SLOT * PAGE;
    uint8_t byte = 1;

    check(machine_store(addr, &byte, 1) == MMK_FAULT_DONE);
    check(mmk_madvise(mm, addr, PAGE, MMK_MADV_DONTNEED) == 0);
}

/* The same, mapping and all. */
static void touch_mapping(unsigned cpu, unsigned round)
{
    mmk_vaddr_t addr = BASE + (cpu * AREA + round % AREA) * SLOT * PAGE;
    uint8_t byte = 1;

    check(mmk_mmap(mm, addr, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) == (int64_t)addr);
    check(machine_store(addr, &byte, 1) == MMK_FAULT_DONE);
    check(mmk_munmap(mm, addr, PAGE) == 0);
}

static void make_space(unsigned cpu, unsigned round)
{
    struct mmk_mm *other;

    (void)cpu;
    (void)round;
    check(mmk_mm_create(&other) == 0);
    mmk_mm_put(other);
}

static void fork_space(unsigned cpu, unsigned round)
{
    struct mmk_mm *child;

    (void)cpu;
    (void)round;
    check(mmk_fork(mm, &child) == 0);
    mmk_mm_put(child);
}

static void make_object(unsigned cpu, unsigned round)
{
    struct mmk_object *object;

    (void)cpu;
    (void)round;
    check(mmk_object_create(NULL, PAGE, NULL, &object) == 0);
    mmk_object_put(object);
}

struct loop {
    void (*once)(unsigned cpu, unsigned round);
    unsigned rounds;
    uint64_t most; /* bytes that one round frees, at most */
};

/* Nodes of the tree of mappings, and the like. */
#define LITTLE (2 * PAGE)

/*
 * A leaf table that is freed apart from those above, as the other worker had the lock of one: a
 * path of another round leaves limbo for it, and those above wait at once.
 */
#define PATHS ((LOWER + LOWER - 1) * PAGE)

static const struct loop loops[] = {
    {touch, ROUNDS, PATHS},
    {touch_mapping, ROUNDS, PATHS + LITTLE},
    {make_space, ROUNDS, sizeof(struct mmk_mm) + 16 * PAGE},
    {fork_space, ROUNDS, sizeof(struct mmk_mm) + 16 * PAGE},
    {make_object, 20 * ROUNDS, LITTLE},
};

static uint64_t peaks[WORKERS];

/* A CPU that leaves hands over all that it keeps in limbo: this is about the loops alone. */
static void end_together(unsigned cpu)
{
    peaks[cpu] = stats_now().waiting_bytes_peak;
    mmk_a32_fetch_sub(&running, 1, MMK_RELEASE);
    while (mmk_a32_load(&running, MMK_ACQUIRE) != 0)
        mmk_cpu_relax();
}

static void run_loop(unsigned cpu, void *argument)
{
    const struct loop *loop = argument;
    unsigned round;

    if (cpu == WORKERS) {
        read_slowly();
        return;
    }
    machine_switch_mm(mm);
    for (round = 0; round < loop->rounds; round++)
        loop->once(cpu, round);
    machine_switch_mm(NULL);
    end_together(cpu);
}

/* => how much waited at most */
static uint64_t run_all(const struct loop *loop)
{
    struct loop copy = *loop;
    uint64_t most = 0;
    unsigned cpu;

    machine_switch_mm(NULL);
    machine_cpu_detach();
    mmk_a32_store(&running, WORKERS, MMK_RELAXED);
    run_cpus(WORKERS + 1, run_loop, &copy);
    machine_cpu_attach(0);
    machine_switch_mm(mm);
    for (cpu = 0; cpu < WORKERS; cpu++)
        most = mmk_max(most, peaks[cpu]);
    return most;
}

/* The limit, and what one operation of each frees that has begun before it was passed. */
static void stays_bounded(const struct loop *loop)
{
    map_at(0, WORKERS * AREA * SLOT, RW, ANON);
    assert_in_range(run_all(loop), 0, LIMIT + WORKERS * loop->most);
    assert_true(stats_now().waiting_stalled > 0);
    assert_true(stats_now().waiting_hurried > 0);
}

/* That they are as bad as that: where nothing is limited, they go beyond. */
static void goes_beyond(const struct loop *loop)
{
    map_at(0, WORKERS * AREA * SLOT, RW, ANON);
    assert_true(run_all(loop) > LIMIT + WORKERS * loop->most);
    assert_int_equal(stats_now().waiting_stalled, 0);
}

#define LOOP(number)                                                                               \
    static void test_loop_##number(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        stays_bounded(&loops[number]);                                                             \
    }                                                                                              \
    static void test_free_##number(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        goes_beyond(&loops[number]);                                                               \
    }

LOOP(0)
LOOP(1)
LOOP(2)
LOOP(3)
LOOP(4)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counted), TEST(test_others), cmocka_unit_test(test_limits),
        LOW(test_over),     LOW(test_loop_0),  FREE(test_free_0),
        LOW(test_loop_1),   FREE(test_free_1), LOW(test_loop_2),
        FREE(test_free_2),  LOW(test_loop_3),  FREE(test_free_3),
        LOW(test_loop_4),   FREE(test_free_4),
    };

    return cmocka_run_group_tests_name("waiting", tests, NULL, NULL);
}
