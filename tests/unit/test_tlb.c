/* SPDX-License-Identifier: MIT */
/*
 * test_tlb.c - translations that other CPUs hold: flushed before an operation returns, on those
 * that run the address space; on the others when they enter it next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "other_cpu.h"
#include "tlb.h"

static uint64_t tlb_hits(void)
{
    struct machine_stats stats;

    machine_stats_read(&stats);
    return stats.tlb_hits;
}

/* CPU 1 holds a translation of addr: its next load does not walk. */
static void cache_on_other(mmk_vaddr_t addr, uint8_t expected)
{
    uint64_t hits;

    expect_other(addr, MMK_FAULT_DONE, expected);
    hits = tlb_hits();
    expect_other(addr, MMK_FAULT_DONE, expected);
    assert_int_equal(tlb_hits(), hits + 1);
}

static void test_munmap_reaches_other(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_stats before;

    (void)state;
    fill(a, 4, 1);
    tell(ENTER, 0);
    cache_on_other(a, 1);
    cache_on_other(a + PAGE, 2);
    before = stats_now();
    assert_int_equal(mmk_munmap(mm, a, PAGE), 0);
    assert_int_equal(stats_now().tlb_ipis, before.tlb_ipis + 1);
    assert_int_equal(stats_now().tlb_flushes, before.tlb_flushes + 1);
    assert_int_equal(stats_now().tlb_pages, before.tlb_pages + 1);
    assert_int_equal(tell(LOAD, a), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(tell(LOAD, a + PAGE), MMK_FAULT_DONE);
    tell(LEAVE, 0);
}

/* The number of pages named, or -1: everything, whichever it is. */
static void test_large_flush(void **state)
{
    mmk_vaddr_t a = map_at(0, 512, RW, ANON);
    struct mmk_stats before;

    (void)state;
    fill(a, 100, 1);
    tell(ENTER, 0);
    cache_on_other(a + 50 * PAGE, 51);
    cache_on_other(a + 90 * PAGE, 91);
    before = stats_now();
    assert_int_equal(mmk_mprotect(mm, a, 33 * PAGE, RO), 0);
    assert_int_equal(stats_now().tlb_pages, before.tlb_pages + 33);
    assert_int_equal(stats_now().tlb_full, before.tlb_full);
    assert_int_equal(mmk_mprotect(mm, a + 40 * PAGE, 34 * PAGE, RO), 0);
    assert_int_equal(stats_now().tlb_pages, before.tlb_pages + 33);
    assert_int_equal(stats_now().tlb_full, before.tlb_full + 1);
    assert_int_equal(tell(STORE, a + 50 * PAGE), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(tell(STORE, a + 90 * PAGE), MMK_FAULT_DONE);
    tell(LEAVE, 0);
}

static void test_every_operation(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_object *shmem = new_shmem(4);
    mmk_vaddr_t b = map_object_at(16, 4, RW, MMK_MAP_SHARED, shmem, 0);
    struct mmk_mm *child;

    (void)state;
    fill(a, 8, 1);
    fill(b, 4, 11);
    tell(ENTER, 0);

    cache_on_other(a, 1);
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_DONTNEED), 0);
    expect_other(a, MMK_FAULT_DONE, 0);

    assert_int_equal(tell(STORE, a + PAGE), MMK_FAULT_DONE);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, PAGE, RO), 0);
    assert_int_equal(tell(STORE, a + PAGE), MMK_FAULT_SEGV_ACCERR);

    assert_int_equal(tell(STORE, a + 2 * PAGE), MMK_FAULT_DONE);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(tell(STORE, a + 2 * PAGE), MMK_FAULT_DONE);
    assert_true(peek_page(mm, a + 2 * PAGE) != peek_page(child, a + 2 * PAGE));

    /* Copy on write on this CPU: the other reads the new page, not the old. */
    cache_on_other(a + 3 * PAGE, 4);
    store_byte(a + 3 * PAGE, 99);
    expect_other(a + 3 * PAGE, MMK_FAULT_DONE, 99);

    cache_on_other(b, 11);
    assert_int_equal(mmk_object_resize(shmem, 0), 0);
    assert_int_equal(tell(LOAD, b), MMK_FAULT_BUS);

    cache_on_other(a + 4 * PAGE, 5);
    (void)map_at(4, 1, RW, ANON);
    expect_other(a + 4 * PAGE, MMK_FAULT_DONE, 0);

    tell(LEAVE, 0);
    put_mm(child);
    mmk_object_put(shmem);
}

/* Away, it gets no interrupt; back, it has forgotten. */
static void test_catch_up(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    uint64_t ipis, hits;

    (void)state;
    fill(a, 4, 1);
    tell(ENTER, 0);
    cache_on_other(a, 1);
    tell(LEAVE, 0);
    /* Nothing was flushed meanwhile: the translation is still good. */
    tell(ENTER, 0);
    hits = tlb_hits();
    assert_int_equal(tell(LOAD, a), MMK_FAULT_DONE);
    assert_int_equal(tlb_hits(), hits + 1);
    tell(LEAVE, 0);

    ipis = stats_now().tlb_ipis;
    assert_int_equal(mmk_munmap(mm, a, PAGE), 0);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, PAGE, RO), 0);
    assert_int_equal(stats_now().tlb_ipis, ipis);
    assert_true(mmk_a64_load(&mm->cpu[1].tlb_gen, MMK_RELAXED) <
                mmk_a64_load(&mm->tlb_gen, MMK_RELAXED));
    tell(ENTER, 0);
    assert_int_equal(mmk_a64_load(&mm->cpu[1].tlb_gen, MMK_RELAXED),
                     mmk_a64_load(&mm->tlb_gen, MMK_RELAXED));
    assert_int_equal(tell(LOAD, a), MMK_FAULT_SEGV_MAPERR);
    tell(LEAVE, 0);
}

/* An idle CPU is served all the same. */
static void test_flush_by_another(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    struct mmk_mm *mine = new_mm();

    (void)state;
    fill(a, 2, 1);
    tell(ENTER, 0);
    cache_on_other(a, 1);
    machine_switch_mm(mine); /* this CPU does not run it, and still unmaps it there */
    assert_int_equal(mmk_munmap(mm, a, PAGE), 0);
    assert_int_equal(tell(LOAD, a), MMK_FAULT_SEGV_MAPERR);
    tell(LEAVE, 0);
    machine_switch_mm(mm);
    expect_load(a, MMK_FAULT_SEGV_MAPERR);
    put_mm(mine);
}

/*
 * Generations: a request that was overtaken does nothing; a CPU that has missed one drops
 * everything, as it does not know what the missed one named.
 */
static void test_generations(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_a64 *own = &mm->cpu[0].tlb_gen;
    uint64_t now, hits;

    (void)state;
    fill(a, 4, 1);
    now = mmk_a64_load(&mm->tlb_gen, MMK_RELAXED);
    mmk_tlb_flush(mm, a, a + PAGE);
    assert_int_equal(mmk_a64_load(&mm->tlb_gen, MMK_RELAXED), now + 1);
    assert_int_equal(mmk_a64_load(own, MMK_RELAXED), now + 1);
    hits = tlb_hits();
    expect_byte(a, 1);
    assert_int_equal(tlb_hits(), hits);
    expect_byte(a + PAGE, 2);
    assert_int_equal(tlb_hits(), hits + 1);
    /* One behind. */
    mmk_a64_store(own, now, MMK_RELAXED);
    mmk_tlb_flush(mm, a, a + PAGE);
    hits = tlb_hits();
    expect_byte(a + PAGE, 2);
    assert_int_equal(tlb_hits(), hits);
    assert_int_equal(mmk_a64_load(own, MMK_RELAXED), now + 2);
    /* Further on already. */
    mmk_a64_store(own, now + 3, MMK_RELAXED);
    mmk_tlb_flush(mm, a + PAGE, a + 2 * PAGE);
    hits = tlb_hits();
    expect_byte(a + PAGE, 2);
    assert_int_equal(tlb_hits(), hits + 1);
}

/* Interrupts for nobody are harmless. */
static void test_spurious_interrupt(void **state)
{
    mmk_vaddr_t a = map_at(0, 1, RW, ANON);

    (void)state;
    store_byte(a, 1);
    mmk_tlb_interrupt();
    expect_byte(a, 1);
}

/* P2: operations that see another's changes not flushed yet flush themselves. */
static void test_pending(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    uint64_t flushes;

    (void)state;
    fill(a, 4, 1);
    flushes = stats_now().tlb_flushes;
    mmk_a32_fetch_add(&mm->flush_pending, 1, MMK_RELAXED); /* as another CPU's gather would */
    assert_int_equal(mmk_madvise(mm, a + 2 * PAGE, PAGE, MMK_MADV_FREE), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    assert_int_equal(mmk_munmap(mm, a, PAGE), 0);
    assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, MMK_MADV_DONTNEED), MMK_ENOMEM);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(mmk_madvise(mm, a + PAGE, PAGE, MMK_MADV_DONTNEED), 0); /* found nothing */
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    mmk_a32_fetch_sub(&mm->flush_pending, 1, MMK_RELAXED);
    assert_int_equal(mmk_madvise(mm, a + PAGE, PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OTHER(test_munmap_reaches_other), TEST_OTHER(test_large_flush),
        TEST_OTHER(test_every_operation),      TEST_OTHER(test_catch_up),
        TEST_OTHER(test_flush_by_another),     TEST(test_generations),
        TEST(test_spurious_interrupt),         TEST(test_pending),
    };

    return cmocka_run_group_tests_name("tlb", tests, NULL, NULL);
}
