/* SPDX-License-Identifier: MIT */
/*
 * test_lock.c - the locks of <mmkit/port/lock.h>: exclusion, downgrade, who waits for whom, and
 * that nobody sleeps for ever.
 */
#include "run_cpus.h"

#include <mmkit/port/lock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define CPUS   4
#define ROUNDS 20000
#define SPINS  200000

static const struct machine_config config = {
    .memory = (uint64_t)16 << 20, .cpus = CPUS, .mmkit = MMK_CONFIG_DEFAULT};

static int setup(void **state)
{
    (void)state;
    return machine_create(&config);
}

static int teardown(void **state)
{
    (void)state;
    machine_destroy();
    return 0;
}

/* What the locks guard is plain on purpose: ThreadSanitizer sees when they do not. */
struct spun {
    struct mmk_spinlock lock;
    uint64_t count;
    struct mmk_a64 tries_won;
};

static void spin_run(unsigned cpu, void *argument)
{
    struct spun *spun = argument;
    unsigned i;

    for (i = 0; i < SPINS; i++) {
        if (cpu == 0) {
            if (!mmk_spin_trylock(&spun->lock, MMK_LOCK_FRAME))
                continue;
            mmk_a64_fetch_add(&spun->tries_won, 1, MMK_RELAXED);
        } else {
            mmk_spin_lock(&spun->lock, MMK_LOCK_FRAME);
        }
        check(mmk_spin_is_locked(&spun->lock));
        spun->count++;
        mmk_spin_unlock(&spun->lock, MMK_LOCK_FRAME);
    }
}

static void test_spinlock(void **state)
{
    struct spun spun = {.count = 0};

    (void)state;
    mmk_spin_init(&spun.lock);
    assert_false(mmk_spin_is_locked(&spun.lock));
    run_cpus(CPUS, spin_run, &spun);
    assert_false(mmk_spin_is_locked(&spun.lock));
    assert_int_equal(spun.count, (CPUS - 1) * SPINS + mmk_a64_load(&spun.tries_won, MMK_RELAXED));
}

struct shared {
    struct mmk_rwlock lock;
    uint64_t value[2];      /* equal, but while a writer changes them */
    struct mmk_a32 writers; /* inside, as far as they know */
    struct mmk_a32 readers;
    struct mmk_a32 step;
    struct mmk_a64 writes;
    uint64_t read; /* by read_once() */
};

/* Inside, having it for reading. */
static void read_inside(struct shared *shared)
{
    mmk_a32_fetch_add(&shared->readers, 1, MMK_RELAXED);
    check(mmk_a32_load(&shared->writers, MMK_RELAXED) == 0);
    check(shared->value[0] == shared->value[1]);
    mmk_a32_fetch_sub(&shared->readers, 1, MMK_RELAXED);
}

static void write_inside(struct shared *shared)
{
    check(mmk_a32_fetch_add(&shared->writers, 1, MMK_RELAXED) == 0);
    check(mmk_a32_load(&shared->readers, MMK_RELAXED) == 0);
    shared->value[0]++;
    shared->value[1]++;
    mmk_a64_fetch_add(&shared->writes, 1, MMK_RELAXED);
    check(mmk_a32_fetch_sub(&shared->writers, 1, MMK_RELAXED) == 1);
}

static void rw_run(unsigned cpu, void *argument)
{
    struct shared *shared = argument;
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        switch ((i * 7 + cpu) % 5) {
        case 0:
            mmk_rw_write_lock(&shared->lock, MMK_LOCK_MMAP);
            write_inside(shared);
            mmk_rw_write_unlock(&shared->lock, MMK_LOCK_MMAP);
            break;
        case 1: {
            uint64_t mine;

            mmk_rw_write_lock(&shared->lock, MMK_LOCK_MMAP);
            write_inside(shared);
            mine = shared->value[0];
            mmk_rw_downgrade(&shared->lock);
            check(shared->value[0] == mine); /* no writer came in between */
            read_inside(shared);
            mmk_rw_read_unlock(&shared->lock, MMK_LOCK_MMAP);
            break;
        }
        case 2:
            if (!mmk_rw_try_read_lock(&shared->lock, MMK_LOCK_MMAP))
                break;
            read_inside(shared);
            mmk_rw_read_unlock(&shared->lock, MMK_LOCK_MMAP);
            break;
        default:
            mmk_rw_read_lock(&shared->lock, MMK_LOCK_MMAP);
            read_inside(shared);
            mmk_rw_read_unlock(&shared->lock, MMK_LOCK_MMAP);
        }
    }
}

static void test_rwlock(void **state)
{
    struct shared shared;

    (void)state;
    memset(&shared, 0, sizeof(shared));
    mmk_rw_init(&shared.lock);
    run_cpus(CPUS, rw_run, &shared);
    assert_int_equal(shared.value[0], mmk_a64_load(&shared.writes, MMK_RELAXED));
    assert_int_equal(shared.value[1], shared.value[0]);
    assert_int_equal(mmk_a32_load(&shared.lock.state, MMK_RELAXED), 0); /* no mark is left */
}

static void sleep_ms(unsigned ms)
{
    const struct timespec time = {.tv_nsec = (long)ms * 1000000};

    nanosleep(&time, NULL);
}

static void reach(struct shared *shared, uint32_t step)
{
    mmk_a32_fetch_add(&shared->step, step, MMK_RELEASE);
}

static bool reached(struct shared *shared, uint32_t step)
{
    return mmk_a32_load(&shared->step, MMK_ACQUIRE) == step;
}

static void write_once(unsigned cpu, void *argument)
{
    struct shared *shared = argument;

    (void)cpu;
    mmk_rw_write_lock(&shared->lock, MMK_LOCK_MMAP);
    write_inside(shared);
    reach(shared, 1);
    mmk_rw_write_unlock(&shared->lock, MMK_LOCK_MMAP);
}

static void read_once(unsigned cpu, void *argument)
{
    struct shared *shared = argument;

    (void)cpu;
    mmk_rw_read_lock(&shared->lock, MMK_LOCK_MMAP);
    read_inside(shared);
    shared->read = shared->value[0];
    reach(shared, 0x100);
    mmk_rw_read_unlock(&shared->lock, MMK_LOCK_MMAP);
}

static void start(struct shared *shared)
{
    memset(shared, 0, sizeof(*shared));
    mmk_rw_init(&shared->lock);
    machine_cpu_attach(0);
}

static void cpu_join_idle(struct cpu_thread *thread)
{
    machine_idle_begin();
    cpu_join(thread);
    machine_idle_end();
}

static void finish(struct cpu_thread threads[], unsigned count)
{
    while (count-- > 0)
        cpu_join_idle(&threads[count]);
    machine_cpu_detach();
}

static void await_pending(struct shared *shared)
{
    while (!(mmk_a32_load(&shared->lock.state, MMK_RELAXED) & MMK_RW_PENDING))
        mmk_cpu_relax();
}

/* Readers share; a waiting writer stops new ones, and gets it when the old ones have left. */
static void writer_goes_first(void)
{
    struct cpu_thread threads[2];
    struct shared shared;

    start(&shared);
    mmk_rw_read_lock(&shared.lock, MMK_LOCK_MMAP);
    cpu_start(&threads[0], 1, read_once, &shared);
    cpu_join_idle(&threads[0]);
    assert_true(reached(&shared, 0x100));
    cpu_start(&threads[0], 1, write_once, &shared);
    await_pending(&shared);
    assert_false(mmk_rw_try_read_lock(&shared.lock, MMK_LOCK_MMAP));
    cpu_start(&threads[1], 2, read_once, &shared);
    sleep_ms(2);
    assert_true(reached(&shared, 0x100)); /* neither is in */
    mmk_rw_read_unlock(&shared.lock, MMK_LOCK_MMAP);
    finish(threads, 2);
    assert_true(reached(&shared, 0x201));
    assert_int_equal(shared.read, 1); /* after the writer */
}

/* A downgrade lets a waiting reader in. */
static void downgrade_lets_readers_in(void)
{
    struct cpu_thread thread;
    struct shared shared;

    start(&shared);
    mmk_rw_write_lock(&shared.lock, MMK_LOCK_MMAP);
    assert_false(mmk_rw_try_read_lock(&shared.lock, MMK_LOCK_MMAP));
    cpu_start(&thread, 1, read_once, &shared);
    sleep_ms(2);
    assert_true(reached(&shared, 0));
    mmk_rw_downgrade(&shared.lock);
    cpu_join_idle(&thread);
    assert_true(reached(&shared, 0x100));
    assert_true(mmk_rw_try_read_lock(&shared.lock, MMK_LOCK_MMAP));
    mmk_rw_read_unlock(&shared.lock, MMK_LOCK_MMAP);
    mmk_rw_read_unlock(&shared.lock, MMK_LOCK_MMAP);
    machine_cpu_detach();
}

/* It lets no writer in; one that waits stays in front of new readers. */
static void downgrade_keeps_writers_out(void)
{
    struct cpu_thread threads[2];
    struct shared shared;

    start(&shared);
    mmk_rw_write_lock(&shared.lock, MMK_LOCK_MMAP);
    cpu_start(&threads[0], 1, write_once, &shared);
    await_pending(&shared);
    mmk_rw_downgrade(&shared.lock);
    assert_false(mmk_rw_try_read_lock(&shared.lock, MMK_LOCK_MMAP));
    cpu_start(&threads[1], 2, read_once, &shared);
    sleep_ms(2);
    assert_true(reached(&shared, 0));
    mmk_rw_read_unlock(&shared.lock, MMK_LOCK_MMAP);
    finish(threads, 2);
    assert_true(reached(&shared, 0x101));
    assert_int_equal(shared.read, 1);
}

/* Who runs when is up to the host: many times. */
static void test_preference(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < 50; i++) {
        writer_goes_first();
        downgrade_lets_readers_in();
        downgrade_keeps_writers_out();
    }
}

/* A lock whose memory is freed by whoever gets it after its last reader, as an object's may be. */
struct doomed {
    struct mmk_rwlock lock;
    struct mmk_a32 inside;
};

static void doomed_reader(unsigned cpu, void *argument)
{
    struct doomed *doomed = argument;

    (void)cpu;
    mmk_rw_read_lock(&doomed->lock, MMK_LOCK_MMAP);
    mmk_a32_store(&doomed->inside, 1, MMK_RELEASE);
    mmk_rw_read_unlock(&doomed->lock, MMK_LOCK_MMAP);
}

static void test_last_release_is_last(void **state)
{
    struct cpu_thread thread;
    struct doomed *doomed;
    unsigned i;

    (void)state;
    machine_cpu_attach(0);
    for (i = 0; i < 500; i++) {
        doomed = calloc(1, sizeof(*doomed));
        assert_non_null(doomed);
        mmk_rw_init(&doomed->lock);
        cpu_start(&thread, 1, doomed_reader, doomed);
        while (!mmk_a32_load(&doomed->inside, MMK_ACQUIRE))
            mmk_cpu_relax();
        mmk_rw_write_lock(&doomed->lock, MMK_LOCK_MMAP);
        mmk_note_release(MMK_LOCK_MMAP, &doomed->lock);
        free(doomed);
        cpu_join_idle(&thread);
    }
    machine_cpu_detach();
}

#define lock_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        lock_test(test_spinlock),
        lock_test(test_rwlock),
        lock_test(test_preference),
        lock_test(test_last_release_is_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
