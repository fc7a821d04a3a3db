/* SPDX-License-Identifier: MIT */
/*
 * test_shared.c - which words a search through all schedules stops at: those that no lock keeps two
 * CPUs apart at. Each program adds to a counter in two steps, load and store, which only a lock
 * that both hold for that makes one.
 */
#include "run.h"
#include "world.h"

#include <mmkit/port/lock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mmk_spinlock locks[2];
static struct mmk_rwlock rwlock;
static struct mmk_a32 counter;
static unsigned additions;

static void setup(void)
{
    mmk_spin_init(&locks[0]);
    mmk_spin_init(&locks[1]);
    mmk_rw_init(&rwlock);
    mmk_a32_store(&counter, 0, MMK_RELAXED);
}

static void add(void)
{
    mmk_a32_store(&counter, mmk_a32_load(&counter, MMK_RELAXED) + 1, MMK_RELAXED);
}

static void add_under(unsigned lock)
{
    unsigned i;

    mmk_spin_lock(&locks[lock], MMK_LOCK_FRAME);
    for (i = 0; i < additions; i++)
        add();
    mmk_spin_unlock(&locks[lock], MMK_LOCK_FRAME);
}

static void one_lock(unsigned cpu)
{
    (void)cpu;
    add_under(0);
}

static void two_locks(unsigned cpu)
{
    add_under(cpu);
}

static void one_without(unsigned cpu)
{
    if (cpu == 0)
        add_under(0);
    else
        add();
}

/* It starts without: that is no private beginning, as the other may be there already. */
static void first_without(unsigned cpu)
{
    if (cpu == 1)
        add();
    add_under(0);
}

static void readers(unsigned cpu)
{
    (void)cpu;
    mmk_rw_read_lock(&rwlock, MMK_LOCK_INTERVAL);
    add();
    mmk_rw_read_unlock(&rwlock, MMK_LOCK_INTERVAL);
}

static void writers(unsigned cpu)
{
    (void)cpu;
    mmk_rw_write_lock(&rwlock, MMK_LOCK_INTERVAL);
    add();
    mmk_rw_write_unlock(&rwlock, MMK_LOCK_INTERVAL);
}

struct found {
    uint32_t least;  /* that the counter came to */
    uint64_t points; /* of the plain run */
};

/* All schedules with two preemptions. */
static struct found search(void (*body)(unsigned cpu))
{
    const struct scenario scenario = {
        .name = "shared", .cpus = 2, .setup = setup, .body = body, .formats = ON_TINY};
    struct strategy strategy = {.kind = STRATEGY_EXHAUSTIVE, .bound = 2};
    struct found found = {.least = UINT32_MAX};
    struct fibers_outcome outcome;
    bool plain = true, more = true;

    fibers_forget_shared();
    while (more) {
        outcome = run_once(&scenario, 1, &strategy);
        assert_null(outcome.failure);
        if (counter.v < found.least)
            found.least = counter.v;
        if (plain)
            found.points = outcome.points;
        plain = outcome.more_shared;
        if (plain)
            strategy_restart(&strategy);
        else
            more = strategy_next(&strategy);
    }
    strategy_free(&strategy);
    return found;
}

static void what_is_locked_is_no_place(void **state)
{
    struct found few, many;

    (void)state;
    additions = 1;
    few = search(one_lock);
    assert_int_equal(few.least, 2);
    additions = 5;
    many = search(one_lock);
    assert_int_equal(many.least, 10);
    assert_int_equal(many.points, few.points);
    assert_int_equal(search(writers).least, 2);
}

static void what_is_not_is_one(void **state)
{
    (void)state;
    additions = 1;
    assert_int_equal(search(two_locks).least, 1);
    assert_int_equal(search(one_without).least, 1);
    assert_int_equal(search(first_without).least, 2); /* of three */
    assert_int_equal(search(readers).least, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_locked_is_no_place),
        cmocka_unit_test(what_is_not_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
