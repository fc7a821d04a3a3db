/* SPDX-License-Identifier: MIT */
/*
 * test_page_lock.c - the page lock: one holder at a time, nobody sleeps for ever, and the other
 * bits of the flag word come and go as they like. A sleeper that is lost makes a test hang, and
 * the alarm ends it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <machine.h>
#include "page.h"
#include "expect_panic.h"

enum { THREADS = 3, ROUNDS = 20000, CONVOYS = 300, SECONDS = 60 };

static struct mmk_page *page;
static uint64_t guarded; /* by the page lock, and by nothing else */
static unsigned cpus[THREADS];

static int setup(void **state)
{
    const struct machine_config config = {
        .memory = (uint64_t)32 << 20, .cpus = THREADS + 1, .mmkit = MMK_CONFIG_DEFAULT};

    (void)state;
    if (machine_create(&config) != 0)
        return -1;
    machine_cpu_attach(0);
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    guarded = 0;
    alarm(SECONDS);
    return page ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    alarm(0);
    mmk_page_put(page);
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

static void start(pthread_t threads[THREADS], void *(*function)(void *))
{
    unsigned i;

    for (i = 0; i < THREADS; i++) {
        cpus[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, function, &cpus[i]), 0);
    }
}

static void join(pthread_t threads[THREADS])
{
    unsigned i;

    machine_idle_begin();
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    machine_idle_end();
}

static void test_one_thread(void **state)
{
    (void)state;
    mmk_page_set(page, MMK_PF_DIRTY | MMK_PF_UPTODATE);
    mmk_page_lock(page);
    assert_true(mmk_page_test(page, MMK_PF_LOCKED));
    assert_false(mmk_page_trylock(page));
    mmk_page_clear(page, MMK_PF_DIRTY);
    mmk_page_unlock(page);
    assert_true(mmk_page_trylock(page));
    assert_false(mmk_page_trylock(page));
    mmk_page_unlock(page);
    assert_int_equal(mmk_a32_load(&page->flags, MMK_RELAXED), MMK_PAGE_PLAIN | MMK_PF_UPTODATE);
}

static void *count_up(void *argument)
{
    unsigned i;

    machine_cpu_attach(*(unsigned *)argument);
    for (i = 0; i < ROUNDS; i++) {
        if (i % 3 != 0)
            mmk_page_lock(page);
        else
            while (!mmk_page_trylock(page))
                sched_yield();
        guarded++;
        if (i % 64 == 0)
            sched_yield(); /* so that others run into the lock */
        guarded++;
        mmk_page_unlock(page);
    }
    machine_cpu_detach();
    return NULL;
}

static void test_one_holder(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    start(threads, count_up);
    join(threads);
    assert_int_equal(guarded, 2 * THREADS * ROUNDS);
    assert_int_equal(mmk_a32_load(&page->flags, MMK_RELAXED), MMK_PAGE_PLAIN);
}

/* The same while another CPU sets and clears other bits of the word. */
static void test_other_bits(void **state)
{
    pthread_t threads[THREADS];
    unsigned i;

    (void)state;
    start(threads, count_up);
    for (i = 0; i < ROUNDS; i++) {
        mmk_page_set(page, MMK_PF_DIRTY);
        mmk_page_clear(page, MMK_PF_LAZYFREE | MMK_PF_DIRTY);
        mmk_page_set(page, MMK_PF_LAZYFREE);
        if (i % 16 == 0)
            sched_yield();
    }
    join(threads);
    assert_int_equal(guarded, 2 * THREADS * ROUNDS);
    assert_int_equal(mmk_a32_load(&page->flags, MMK_RELAXED), MMK_PAGE_PLAIN | MMK_PF_LAZYFREE);
}

static void *lock_once(void *argument)
{
    machine_cpu_attach(*(unsigned *)argument);
    mmk_page_lock(page);
    guarded++;
    mmk_page_unlock(page);
    machine_cpu_detach();
    return NULL;
}

/* Sleepers pile up behind a holder; one unlock must set off all of them, one after the other. */
static void test_convoy(void **state)
{
    pthread_t threads[THREADS];
    unsigned i;

    (void)state;
    for (i = 0; i < CONVOYS; i++) {
        mmk_page_lock(page);
        start(threads, lock_once);
        machine_idle_begin();
        while (!mmk_page_test(page, MMK_PF_WAITERS))
            sched_yield();
        if (i % 2 == 0)
            usleep(100); /* all of them asleep, most likely */
        machine_idle_end();
        assert_int_equal(guarded, (uint64_t)i * THREADS);
        mmk_page_unlock(page);
        join(threads);
    }
    assert_int_equal(guarded, CONVOYS * THREADS);
    assert_false(mmk_page_test(page, MMK_PF_LOCKED | MMK_PF_WAITERS));
}

static void unlock(void *argument)
{
    mmk_page_unlock(argument);
}

static void test_panics(void **state)
{
    (void)state;
    assert_true(expect_panic(unlock, page, "PL1 a page is unlocked that is not locked"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_thread), TEST(test_one_holder), TEST(test_other_bits),
        TEST(test_convoy),     TEST(test_panics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
