/* SPDX-License-Identifier: MIT */
/*
 * test_overcommit.c - what the library commits itself to, in each mode: what counts, when it is
 * given back, and what is refused. Linux: Documentation/mm/overcommit-accounting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"
#include "slot_setup.h"

#define LIMIT 100 /* pages that may be committed in the mode NEVER, in these tests */

static int setup_mode(enum mmk_overcommit mode)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;

    config.overcommit = mode;
    config.overcommit_kbytes = LIMIT * PAGE / KIB + 3; /* fractions of a page do not count */
    return fixture_setup_with(&config);
}

static int setup_never(void **state)
{
    (void)state;
    return setup_mode(MMK_OVERCOMMIT_NEVER);
}

static int setup_heuristic(void **state)
{
    (void)state;
    return setup_mode(MMK_OVERCOMMIT_HEURISTIC);
}

static int setup_always(void **state)
{
    (void)state;
    return setup_mode(MMK_OVERCOMMIT_ALWAYS);
}

static int64_t try_at(uint64_t index, uint64_t pages, unsigned prot, unsigned flags)
{
    int64_t got =
        mmk_mmap(mm, BASE + index * PAGE, pages * PAGE, prot, flags | MMK_MAP_FIXED, NULL, 0);

    mmk_check(mm);
    return got;
}

static void expect_committed(uint64_t pages)
{
    mmk_check(mm);
    assert_int_equal(stats_now().committed, pages * PAGE);
}

/* ---- what counts, whatever the mode -----------------------------------------------------------
 */

static void test_kinds(void **state)
{
    struct mmk_object *file = new_file(8), *shmem = new_shmem(8);

    (void)state;
    map_at(0, 1, RO, ANON);
    map_at(2, 1, MMK_PROT_NONE, ANON);
    map_at(4, 1, RX, ANON);
    map_object_at(10, 8, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(20, 8, RW, MMK_MAP_SHARED, shmem, 0);
    map_object_at(30, 8, RO, MMK_MAP_PRIVATE, file, 0);
    expect_committed(0);
    map_at(40, 2, RW, ANON);
    expect_committed(2);
    map_object_at(50, 3, RW, MMK_MAP_PRIVATE, file, 0);
    expect_committed(5);
    map_at(60, 4, MMK_PROT_WRITE, STACK);
    expect_committed(9);
    map_at(70, 5, MMK_PROT_NONE, SHARED_ANON); /* by the object: whatever may be done with it */
    expect_committed(14);
    assert_int_equal(mm_stats(mm).committed_bytes, 9 * PAGE);
    mmk_object_put(file);
    mmk_object_put(shmem);
}

static void test_given_back(void **state)
{
    (void)state;
    map_at(0, 20, RW, ANON);
    map_at(30, 10, RW, SHARED_ANON);
    expect_committed(30);
    assert_int_equal(mmk_munmap(mm, BASE + 5 * PAGE, 5 * PAGE), 0);
    expect_committed(25);
    map_at(0, 2, RO, ANON); /* over it */
    expect_committed(23);
    map_at(2, 2, RW, ANON);
    expect_committed(23);
    assert_int_equal(mmk_munmap(mm, BASE + 31 * PAGE, 8 * PAGE), 0);
    expect_committed(23); /* the object is there still */
    assert_int_equal(mmk_munmap(mm, BASE, 60 * PAGE), 0);
    expect_committed(0);
}

static void test_brk_and_stack(void **state)
{
    mmk_vaddr_t stack = map_at(1000, 2, RW, STACK);

    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 7 * PAGE), BASE + 7 * PAGE);
    expect_committed(9);
    assert_int_equal(mmk_brk(mm, BASE + 3 * PAGE), BASE + 3 * PAGE);
    expect_committed(5);
    store_byte(stack - 4 * PAGE, 1);
    expect_committed(9);
}

static void test_protect(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RO, ANON), b = map_at(20, 4, RW, SHARED_ANON);

    (void)state;
    expect_committed(4);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RW), 0);
    expect_committed(8);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RW | MMK_PROT_EXEC), 0);
    expect_committed(8); /* once */
    store_byte(a, 1);
    assert_int_equal(mmk_mprotect(mm, a, 2 * PAGE, RO), 0);
    expect_committed(8); /* a page was written */
    assert_int_equal(mmk_mprotect(mm, a + 2 * PAGE, 2 * PAGE, RO), 0);
    expect_committed(8); /* in the same mapping */
    expect_shape(3, 12);
    assert_int_equal(mmk_mprotect(mm, b, 4 * PAGE, RO), 0);
    expect_committed(8);
    assert_int_equal(mmk_mprotect(mm, a + 4 * PAGE, 2 * PAGE, RW), 0);
    expect_committed(10);
    assert_int_equal(mmk_mprotect(mm, a + 4 * PAGE, 2 * PAGE, RO), 0);
    expect_committed(8); /* nothing was */
}

/* A page that was only read is the zero page: nothing to keep. */
static void test_protect_zero_page(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_object *file = new_file(4);

    (void)state;
    expect_byte(a, 0);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RO), 0);
    expect_committed(0);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RW), 0);
    expect_committed(4);
    /* As on Linux, what has an object keeps its count. */
    a = map_object_at(10, 4, RW, MMK_MAP_PRIVATE, file, 0);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RO), 0);
    expect_committed(8);
    mmk_object_put(file);
}

static void test_fork(void **state)
{
    struct mmk_mm *child;

    (void)state;
    map_at(0, 10, RW, ANON);
    map_at(20, 10, RW, SHARED_ANON);
    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_committed(30);
    assert_int_equal(mm_stats(child).committed_bytes, 10 * PAGE);
    assert_int_equal(mmk_munmap(child, BASE, 5 * PAGE), 0);
    expect_committed(25);
    put_mm(child);
    expect_committed(20);
}

/* ---- HEURISTIC: no more than there is ---------------------------------------------------------
 */

static void test_heuristic(void **state)
{
    uint64_t all = stats_now().frames_total;
    mmk_vaddr_t a;

    (void)state;
    assert_int_equal(try_at(0, all + 1, RW, ANON), MMK_ENOMEM);
    assert_int_equal(try_at(0, all + 1, RW, SHARED_ANON), MMK_ENOMEM);
    expect_committed(0);
    assert_true(try_at(0, all, RW, ANON) > 0); /* and again: each by itself */
    a = map_at(all + 1000, all, RW, ANON);
    assert_true(try_at(0, all + 1, RO, ANON) > 0);
    expect_committed(all);
    assert_int_equal(mmk_munmap(mm, a, all * PAGE), 0);
    assert_int_equal(mmk_mprotect(mm, BASE, (all + 1) * PAGE, RW), MMK_ENOMEM);
    expect_committed(0);
    assert_int_equal(mmk_mprotect(mm, BASE, all * PAGE, RW), 0);
    assert_true(try_at(0, all + 1, RW, ANON | MMK_MAP_NORESERVE) > 0);
    expect_committed(0);
    assert_int_equal(mmk_mprotect(mm, BASE, (all + 1) * PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, BASE, (all + 1) * PAGE, RW), 0);
    expect_committed(0);
    assert_true(try_at(0, all + 1, RW, SHARED_ANON | MMK_MAP_NORESERVE) > 0);
    expect_committed(0);
}

/* What replaces a mapping needs only what it is more. */
static void test_heuristic_replace(void **state)
{
    uint64_t all = stats_now().frames_total;

    (void)state;
    map_at(0, all / 2, RW, ANON);
    assert_true(try_at(0, all + 10, RW, ANON) > 0);
    expect_committed(all + 10);
}

/* What mremap moves to is unmapped before, but what moves there is not set off against it. */
static void test_heuristic_move(void **state)
{
    uint64_t all = stats_now().frames_total;
    mmk_vaddr_t from = map_at(2 * all, 1, RW, ANON), to;

    (void)state;
    to = map_at(0, all, RW, ANON);
    assert_int_equal(
        mmk_mremap(mm, from, PAGE, (all + 2) * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, to),
        MMK_ENOMEM);
    expect_committed(1);
    assert_int_equal(
        mmk_mremap(mm, from, PAGE, (all + 1) * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, to),
        to);
    expect_committed(all + 1);
}

/* Swap space counts as memory does, until it is swapped off. */
static void test_heuristic_swap(void **state)
{
    uint64_t all = stats_now().frames_total;
    struct test_area big = swap_on(70, -1), small = swap_on(30, -1);

    (void)state;
    assert_int_equal(try_at(0, all + 101, RW, ANON), MMK_ENOMEM);
    assert_true(try_at(0, all + 100, RW, ANON) > 0);
    swap_off(&big);
    assert_int_equal(try_at(2 * all, all + 31, RW, ANON), MMK_ENOMEM);
    assert_true(try_at(2 * all, all + 30, RW, ANON) > 0);
    assert_int_equal(mmk_swapoff(small.area), 0); /* though more is committed */
    machine_swap_close(small.device);
    assert_int_equal(try_at(0, all + 1, RW, SHARED_ANON), MMK_ENOMEM);
    expect_committed(2 * all + 130);
}

static void test_always(void **state)
{
    uint64_t all = stats_now().frames_total;

    (void)state;
    assert_true(try_at(0, 4 * all, RW, ANON) > 0);
    assert_true(try_at(4 * all, all + 1, RW, SHARED_ANON) > 0);
    expect_committed(5 * all + 1);
    assert_true(try_at(0, 4 * all, RW, ANON | MMK_MAP_NORESERVE) > 0);
    expect_committed(all + 1);
}

/* ---- NEVER: up to the limit, exactly ----------------------------------------------------------
 */

static void test_never_mmap(void **state)
{
    (void)state;
    assert_int_equal(stats_now().commit_limit, LIMIT * PAGE);
    assert_int_equal(try_at(0, LIMIT + 1, RW, ANON), MMK_ENOMEM);
    expect_committed(0);
    assert_true(try_at(0, LIMIT, RW, ANON) > 0);
    assert_int_equal(try_at(LIMIT, 1, RW, ANON), MMK_ENOMEM);
    assert_int_equal(try_at(LIMIT, 1, RW, SHARED_ANON), MMK_ENOMEM);
    assert_int_equal(try_at(LIMIT, 1, RW, ANON | MMK_MAP_NORESERVE), MMK_ENOMEM);
    assert_true(try_at(LIMIT, 1, RO, ANON) > 0);
    expect_committed(LIMIT);
    assert_true(try_at(0, LIMIT, RW | MMK_PROT_EXEC, ANON) > 0); /* in place of as much */
    expect_committed(LIMIT);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    assert_true(try_at(200, 1, RW, SHARED_ANON) > 0);
    assert_int_equal(try_at(0, 2, RW, ANON), MMK_ENOMEM);
    expect_committed(LIMIT);
    expect_shape(4, LIMIT + 1); /* cut where it was to be replaced */
}

static void test_never_others(void **state)
{
    mmk_vaddr_t ro = map_at(0, 20, RO, ANON), stack = map_at(1000, 2, RW, STACK);

    (void)state;
    map_at(200, LIMIT - 10, RW, ANON);
    expect_committed(LIMIT - 8);
    assert_int_equal(mmk_set_brk(mm, BASE + 400 * PAGE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 409 * PAGE), BASE + 400 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 404 * PAGE), BASE + 404 * PAGE);
    expect_store(stack - 5 * PAGE, MMK_FAULT_SEGV_MAPERR);
    store_byte(stack - 3 * PAGE, 1);
    assert_int_equal(mmk_mprotect(mm, ro, 2 * PAGE, RW), MMK_ENOMEM);
    expect_committed(LIMIT - 1);
    assert_int_equal(mmk_mprotect(mm, ro, PAGE, RW), 0);
    expect_committed(LIMIT);
    assert_int_equal(mmk_mprotect(mm, ro, PAGE, RO), 0);
    expect_committed(LIMIT - 1);
}

/* mprotect goes as far as it may, and gives back what it asked for in vain. */
static void test_never_protect_partly(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RO, ANON);

    (void)state;
    map_at(2, 2, RX, ANON);
    map_at(4, 2, MMK_PROT_NONE, ANON);
    map_at(200, LIMIT - 5, RW, ANON);
    assert_int_equal(mmk_mprotect(mm, a, 6 * PAGE, RW), MMK_ENOMEM);
    expect_committed(LIMIT - 1);
    store_byte(a + 3 * PAGE, 1);
    expect_load(a + 4 * PAGE, MMK_FAULT_SEGV_ACCERR);
}

static void test_never_fork(void **state)
{
    struct mmk_mm *child;

    (void)state;
    map_at(0, 10, RW, ANON);
    map_at(20, 40, RW, ANON);
    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_committed(LIMIT);
    put_mm(child);
    map_at(80, 1, RW, ANON);
    assert_int_equal(mmk_fork(mm, &child), MMK_ENOMEM);
    expect_committed(51);
}

/* Swap space is added to the limit, and goes only when nothing is committed to it. */
static void test_never_swap(void **state)
{
    struct test_area a = swap_on(50, -1);

    (void)state;
    assert_int_equal(stats_now().commit_limit, (LIMIT + 50) * PAGE);
    assert_int_equal(try_at(0, LIMIT + 51, RW, ANON), MMK_ENOMEM);
    assert_true(try_at(0, LIMIT + 1, RW, ANON) > 0);
    assert_int_equal(mmk_swapoff(a.area), MMK_ENOMEM);
    assert_int_equal(stats_now().commit_limit, (LIMIT + 50) * PAGE);
    assert_true(try_at(LIMIT + 1, 49, RW, ANON) > 0);
    expect_committed(LIMIT + 50);
    assert_int_equal(mmk_munmap(mm, BASE, 50 * PAGE), 0);
    assert_int_equal(mmk_swapoff(a.area), 0);
    machine_swap_close(a.device);
    assert_int_equal(stats_now().commit_limit, LIMIT * PAGE);
    expect_committed(LIMIT);
    assert_int_equal(try_at(0, 1, RW, ANON), MMK_ENOMEM);
}

/* The limit as a part of all memory. */
static int setup_ratio(void **state)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;

    (void)state;
    config.overcommit = MMK_OVERCOMMIT_NEVER;
    config.overcommit_ratio = 37;
    return fixture_setup_with(&config);
}

static void test_ratio(void **state)
{
    uint64_t limit = stats_now().frames_total * 37 / 100;

    (void)state;
    assert_int_equal(stats_now().commit_limit, limit * PAGE);
    assert_int_equal(try_at(0, limit + 1, RW, ANON), MMK_ENOMEM);
    assert_true(try_at(0, limit, RW, ANON) > 0);
    expect_committed(limit);
}

/* A failing allocation, after asking or before: what was taken is given back. */
static void test_never_out_of_memory(void **state)
{
    bool failed = true;
    uint64_t n;

    (void)state;
    map_at(0, 10, RW, ANON);
    for (n = 0; failed; n++) {
        int64_t got;

        machine_fail_nth(n, true);
        got = mmk_mmap(mm, BASE + 5 * PAGE, 20 * PAGE, RW | MMK_PROT_EXEC, ANON | MMK_MAP_FIXED,
                       NULL, 0);
        failed = machine_fail_stop();
        assert_int_equal(got < 0, failed);
        expect_committed(failed ? 10 : 25);
    }
    assert_true(n > 2);
}

/* ---- two at once: the limit holds at every moment ---------------------------------------------
 */

#define ROUNDS 1500000

static void take_the_last(unsigned cpu, void *argument)
{
    uint32_t i;

    (void)cpu;
    (void)argument;
    for (i = 0; i < ROUNDS; i++) {
        if (mmk_commit_take(LIMIT / 2 * PAGE + PAGE))
            continue;
        check(mmk_committed() <= mmk_commit_limit());
        mmk_commit_give(LIMIT / 2 * PAGE + PAGE);
    }
}

static void test_never_race(void **state)
{
    (void)state;
    race_cpus(take_the_last, NULL);
    expect_committed(0);
}

#define MODE(test, mode)                                                                           \
    {                                                                                              \
#test "_" #mode, test, setup_##mode, fixture_teardown, NULL                                \
    }
#define EACH(test) MODE(test, heuristic), MODE(test, always), MODE(test, never)

/* Shared memory is asked for last: what is sealed, or beyond a limit of locking, comes first. */
static void test_never_shared_last(void **state)
{
    (void)state;
    assert_true(try_at(0, 1, RW, ANON) > 0);
    assert_int_equal(mmk_mseal(mm, BASE, PAGE, 0), 0);
    assert_int_equal(try_at(0, LIMIT + 1, RW, SHARED_ANON), MMK_EPERM);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_MEMLOCK, PAGE), 0);
    assert_int_equal(try_at(8, LIMIT + 1, RW, SHARED_ANON | MMK_MAP_LOCKED), MMK_EAGAIN);
    assert_int_equal(try_at(8, LIMIT, RW, SHARED_ANON), MMK_ENOMEM);
    expect_committed(1);
    assert_true(try_at(8, LIMIT - 1, RW, SHARED_ANON) > 0);
    expect_committed(LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_kinds),
        EACH(test_given_back),
        EACH(test_brk_and_stack),
        EACH(test_protect),
        EACH(test_protect_zero_page),
        EACH(test_fork),
        MODE(test_heuristic, heuristic),
        MODE(test_heuristic_replace, heuristic),
        MODE(test_heuristic_move, heuristic),
        MODE(test_heuristic_swap, heuristic),
        MODE(test_always, always),
        MODE(test_never_mmap, never),
        MODE(test_never_others, never),
        MODE(test_never_shared_last, never),
        MODE(test_never_protect_partly, never),
        MODE(test_never_fork, never),
        MODE(test_never_swap, never),
        MODE(test_ratio, ratio),
        MODE(test_never_out_of_memory, never),
        MODE(test_never_race, never),
    };

    return cmocka_run_group_tests_name("overcommit", tests, NULL, NULL);
}
