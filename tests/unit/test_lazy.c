/* SPDX-License-Identifier: MIT */
/*
 * test_lazy.c - CPUs that keep an address space loaded without using it: what interrupts them, what
 * they find when they come back, and what they may not be caught speculating about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect_panic.h"
#include "other_cpu.h"
#include "table.h"

static uint64_t ipis(void)
{
    return stats_now().tlb_ipis;
}

/* ---- coming back -------------------------------------------------------------------------------
 */

/* Pages go without an interrupt; who comes back does not find them. */
static void test_pages(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    uint64_t before;

    (void)state;
    fill(a, 8, 1);
    tell(ENTER, 0);
    expect_other(a, MMK_FAULT_DONE, 1);
    expect_other(a + PAGE, MMK_FAULT_DONE, 2);
    tell(LAZY, 0);
    before = ipis();
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(ipis(), before);
    tell(ENTER, 0);
    expect_other(a, MMK_FAULT_DONE, 0);
    expect_other(a + PAGE, MMK_FAULT_SEGV_ACCERR, 0);
    assert_int_equal(mmk_munmap(mm, a + 2 * PAGE, PAGE), 0);
    assert_int_equal(ipis(), before + 1);
    tell(LEAVE, 0);
}

static uint64_t hits(void)
{
    struct machine_stats stats;

    machine_stats_read(&stats);
    return stats.tlb_hits;
}

/* When nothing has changed, nothing is flushed. */
static void test_unchanged(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    uint64_t before;

    (void)state;
    fill(a, 2, 1);
    tell(ENTER, 0);
    expect_other(a, MMK_FAULT_DONE, 1);
    tell(LAZY, 0);
    tell(ENTER, 0);
    before = hits();
    expect_other(a, MMK_FAULT_DONE, 1);
    assert_int_equal(hits(), before + 1);
    tell(LAZY, 0);
    tell(LEAVE, 0);
    tell(ENTER, 0);
    tell(LEAVE, 0);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

/*
 * A table goes, and its frame becomes somebody's: a lazy CPU that speculates there must not take
 * what it holds for entries, nor mark any of it as used.
 */
static void test_freed_table(void **state)
{
    mmk_vaddr_t a = map_at(0, 1, RW, ANON);
    struct mmk_page *table, *mine[64];
    struct mmk_walk walk;
    uint64_t before, *words;
    unsigned i, n;

    (void)state;
    store_byte(a, 1);
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, a, &walk);
    mmk_rcu_read_unlock();
    table = walk.table;
    tell(ENTER, 0);
    expect_other(a, MMK_FAULT_DONE, 1);
    tell(LAZY, 0);
    tell(SPECULATE, a + PAGE); /* remembers the way */
    before = ipis();
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(ipis(), before + 1);
    machine_switch_mm(NULL);
    mmk_drain();
    for (n = 0; n < 64; n++) {
        mine[n] = mmk_page_alloc(0, MMK_ALLOC_STAYS); /* as tables are */
        words = mmk_page_virt(mine[n]);
        for (i = 0; i < PAGE / 8; i++)
            words[i] = mmk_pte_mkold_clean(mmk_pte_leaf(mmk_page_to_pfn(mine[n]), true, false)).v;
    }
    for (i = 0; i < 4; i++)
        tell(SPECULATE, a + i * PAGE);
    for (n = 0; n < 64; n++) {
        uint64_t value = mmk_pte_mkold_clean(mmk_pte_leaf(mmk_page_to_pfn(mine[n]), true, false)).v;

        words = mmk_page_virt(mine[n]);
        for (i = 0; i < PAGE / 8; i++)
            assert_int_equal(words[i], value);
        if (mine[n] == table)
            table = NULL;
        mmk_page_put(mine[n]);
    }
    assert_null(table); /* it was among them */
    machine_switch_mm(mm);
    tell(LEAVE, 0);
}

/* ---- the last user -----------------------------------------------------------------------------
 */

/* All users go, and the root stays until the last lazy CPU has left it. */
static void test_last_user(void **state)
{
    struct mmk_mm *own = new_mm();

    (void)state;
    assert_int_equal(mmk_mmap(own, BASE, 4 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), BASE);
    other.mm = own;
    tell(ENTER, 0);
    expect_other(BASE, MMK_FAULT_DONE, 0);
    tell(LAZY, 0);
    mmk_mm_put(own);
    assert_int_equal(stats_now().address_spaces, 2);
    tell(SPECULATE, BASE);
    machine_switch_mm(NULL);
    mmk_drain();
    tell(SPECULATE, BASE);
    tell(LEAVE, 0);
    assert_int_equal(stats_now().address_spaces, 1);
    machine_switch_mm(mm);
    other.mm = mm;
}

static void put_while_running(void *unused)
{
    struct mmk_mm *own = new_mm();

    (void)unused;
    machine_switch_mm(own);
    mmk_mm_put(own);
}

static void lazy_twice(void *unused)
{
    (void)unused;
    mmk_mm_leave_lazy(mm);
    mmk_mm_leave_lazy(mm);
}

static void enter_two(void *unused)
{
    (void)unused;
    (void)mmk_mm_enter(new_mm());
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(put_while_running, NULL, "P17 the last user puts after"));
    assert_true(expect_panic(lazy_twice, NULL, "a CPU leaves the mm that it entered"));
    assert_true(expect_panic(enter_two, NULL, "a CPU leaves an mm before it enters another"));
}

/* ---- races -------------------------------------------------------------------------------------
 */

enum { ROUNDS = 4000, PAGES = 4 };

static struct mmk_a32 generation, stop;

/*
 * CPU 1 goes lazy and comes back, while CPU 0 replaces the pages, one generation after the other.
 * It reads the generation before it comes back: what it then finds is no older.
 */
static void run_lazily(unsigned cpu, void *unused)
{
    uint64_t least, word;
    unsigned i = 0;

    (void)cpu;
    (void)unused;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&stop, MMK_ACQUIRE)) {
        machine_switch_lazy();
        if (i % 8 == 0)
            machine_speculate(BASE + i % PAGES * PAGE);
        least = mmk_a32_load(&generation, MMK_ACQUIRE);
        machine_switch_mm(mm);
        check(machine_load(BASE + i++ % PAGES * PAGE, &word, 8) == MMK_FAULT_DONE);
        check(word == 0 || word >= least);
        mmk_cpu_relax();
    }
    machine_switch_mm(NULL);
}

static void test_race(void **state)
{
    struct cpu_thread thread;
    uint32_t round, i;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    mmk_a32_store(&generation, 0, MMK_RELAXED);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    stop_other();
    cpu_start(&thread, 1, run_lazily, NULL);
    for (round = 1; round <= ROUNDS; round++) {
        assert_int_equal(mmk_madvise(mm, BASE, PAGES * PAGE, MMK_MADV_DONTNEED), 0);
        mmk_a32_store(&generation, round, MMK_RELEASE);
        for (i = 0; i < PAGES; i++)
            assert_int_equal(machine_store(BASE + i * PAGE, &(uint64_t){round}, 8), MMK_FAULT_DONE);
    }
    mmk_a32_store(&stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    start_other();
}

/*
 * CPU 1 leaves an address space that it is lazy in, while CPU 0 puts the last user: whatever of
 * that the check of P17 sees first, nobody runs it.
 */
static struct {
    struct mmk_aptr mm;
    struct mmk_a32 left, ends;
} last_put;

static void leave_lazily(unsigned cpu, void *unused)
{
    struct mmk_mm *own;
    unsigned i, pause = 0;

    (void)cpu;
    (void)unused;
    while (!mmk_a32_load(&last_put.ends, MMK_ACQUIRE)) {
        own = mmk_aptr_xchg(&last_put.mm, NULL, MMK_ACQUIRE);
        if (own) {
            machine_switch_mm(own);
            machine_switch_lazy();
            mmk_a32_store(&last_put.left, 1, MMK_RELEASE);
            for (i = 0; i < pause++ % 64; i++)
                (void)mmk_a32_load(&last_put.ends, __ATOMIC_SEQ_CST);
            machine_switch_mm(NULL);
        }
        mmk_cpu_relax();
    }
}

static void test_race_last_put(void **state)
{
    struct cpu_thread thread;
    unsigned round, i;

    (void)state;
    mmk_a32_store(&last_put.ends, 0, MMK_RELAXED);
    stop_other();
    cpu_start(&thread, 1, leave_lazily, NULL);
    for (round = 0; round < 10 * ROUNDS; round++) {
        struct mmk_mm *own = new_mm();

        mmk_a32_store(&last_put.left, 0, MMK_RELAXED);
        mmk_aptr_store(&last_put.mm, own, MMK_RELEASE);
        while (!mmk_a32_load(&last_put.left, MMK_ACQUIRE))
            mmk_cpu_relax();
        for (i = 0; i < round % 61; i++)
            (void)mmk_a32_load(&last_put.ends, __ATOMIC_SEQ_CST);
        mmk_mm_put(own);
    }
    mmk_a32_store(&last_put.ends, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    start_other();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OTHER(test_pages),         TEST_OTHER(test_unchanged), TEST_OTHER(test_freed_table),
        TEST_OTHER(test_last_user),     TEST(test_misuse),          TEST_OTHER(test_race),
        TEST_OTHER(test_race_last_put),
    };

    return cmocka_run_group_tests_name("lazy", tests, NULL, NULL);
}
