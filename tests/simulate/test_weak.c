/* SPDX-License-Identifier: MIT */
/*
 * test_weak.c - with weak memory, a read-modify-write by the library of a word to which another CPU
 * has stored must know of that store (memory.c, W6): the lock that is taken may be the one that the
 * store has yet to set up.
 */
#include "planted.h"

#include <mmkit/port/lock.h>

static struct mmk_spinlock lock;
static struct mmk_a32 word, ready;

static void set_up(void)
{
    mmk_a32_store(&ready, 0, MMK_RELAXED);
    mmk_spin_init(&lock);
}

static void take_lock(void)
{
    mmk_spin_lock(&lock, MMK_LOCK_FRAME);
    mmk_spin_unlock(&lock, MMK_LOCK_FRAME);
}

/* CPU 0 sets a lock up, and says so; CPU 1 takes it then. */
static void lock_ordered(unsigned cpu)
{
    if (cpu == 0) {
        mmk_spin_init(&lock);
        mmk_a32_store(&ready, 1, MMK_RELEASE);
        return;
    }
    while (!mmk_a32_load(&ready, MMK_ACQUIRE))
        mmk_cpu_relax();
    take_lock();
}

static void lock_unreleased(unsigned cpu)
{
    if (cpu == 0) {
        mmk_spin_init(&lock);
        mmk_a32_store(&ready, 1, MMK_RELAXED);
        return;
    }
    while (!mmk_a32_load(&ready, MMK_ACQUIRE))
        mmk_cpu_relax();
    take_lock();
}

static void lock_unacquired(unsigned cpu)
{
    if (cpu == 0) {
        mmk_spin_init(&lock);
        mmk_a32_store(&ready, 1, MMK_RELEASE);
        return;
    }
    while (!mmk_a32_load(&ready, MMK_RELAXED))
        mmk_cpu_relax();
    take_lock();
}

/* Whoever has set it up locks it, too: from there on the other knows by the lock itself. */
static void lock_in_turn(unsigned cpu)
{
    if (cpu == 0)
        mmk_spin_init(&lock);
    if (cpu == 1)
        while (!mmk_a32_load(&ready, MMK_RELAXED))
            mmk_cpu_relax();
    take_lock();
    mmk_a32_store(&ready, 1, MMK_RELAXED);
}

/* The same outside of the library: C11 has it so. */
static void count_unordered(unsigned cpu)
{
    if (cpu == 0) {
        mmk_a32_store(&word, 5, MMK_RELAXED);
        mmk_a32_store(&ready, 1, MMK_RELAXED);
        return;
    }
    while (!mmk_a32_load(&ready, MMK_RELAXED))
        mmk_cpu_relax();
    mmk_a32_fetch_add(&word, 1, MMK_RELAXED);
}

static void test_stored(void **state)
{
    EXPECT(set_up, lock_ordered, 2, NULL);
    EXPECT(set_up, lock_unreleased, 2, "race: changes (");
    EXPECT(set_up, lock_unacquired, 2, "race: changes (");
    EXPECT(set_up, lock_unreleased, 2, "lock.h");
}

static void test_known(void **state)
{
    EXPECT(set_up, lock_in_turn, 2, NULL);
}

static void test_outside(void **state)
{
    EXPECT(set_up, count_unordered, 2, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_outside),
    };

    weak = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
