/* SPDX-License-Identifier: MIT */
/*
 * test_weak.c - with weak memory, a read-modify-write by the library of a word to which another CPU
 * has stored must know of that store (memory.c, W6): the lock that is taken may be the one that the
 * store has yet to set up.
 */
#include "page.h"
#include "planted.h"

#include <mmkit/port/lock.h>

static struct mmk_spinlock lock;
static struct mmk_a32 word, ready;
static struct mmk_page marked;

static void set_up(void)
{
    mmk_a32_store(&ready, 0, MMK_RELAXED);
    mmk_spin_init(&lock);
    mmk_a32_store(&marked.flags, 0, MMK_RELAXED);
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

/* What is marked was stored to before: who has seen the mark changes what comes after the store. */
static void mark_seen(unsigned cpu)
{
    struct mmk_page *page = &marked;

    if (cpu == 0) {
        mmk_page_set_type(page, MMK_PAGE_ANON);
        mmk_page_set(page, MMK_PF_AGE);
        return;
    }
    while (!mmk_page_test(page, MMK_PF_AGE))
        mmk_cpu_relax();
    mmk_page_set(page, MMK_PF_DIRTY);
}

static void mark_unseen(unsigned cpu)
{
    if (cpu == 0) {
        mmk_page_set_type(&marked, MMK_PAGE_ANON);
        mmk_page_set(&marked, MMK_PF_AGE);
        return;
    }
    mmk_page_set(&marked, MMK_PF_DIRTY);
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
    EXPECT(set_up, mark_seen, 2, NULL);
    EXPECT(set_up, mark_unseen, 2, "race: changes (");
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
