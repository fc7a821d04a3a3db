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

#include <sched.h>

#include "fixture.h"
#include "tlb.h"
#include "run_cpus.h"

/* What CPU 1 is asked to do, one thing at a time; the answer is an enum mmk_fault_result. */
enum order { NOTHING, ENTER, LEAVE, LOAD, STORE, STOP };

struct other_cpu {
    struct cpu_thread thread;
    struct mmk_mm *mm;
    struct mmk_a32 order, answer, byte;
    mmk_vaddr_t addr;
};

static struct other_cpu other;

static void obey(struct other_cpu *self, uint32_t order)
{
    uint8_t byte = 0;

    switch (order) {
    case ENTER:
        machine_switch_mm(self->mm);
        break;
    case LEAVE:
        machine_switch_mm(NULL);
        break;
    case LOAD:
        mmk_a32_store(&self->answer, (uint32_t)machine_load(self->addr, &byte, 1), MMK_RELAXED);
        mmk_a32_store(&self->byte, byte, MMK_RELAXED);
        break;
    case STORE:
        byte = 77;
        mmk_a32_store(&self->answer, (uint32_t)machine_store(self->addr, &byte, 1), MMK_RELAXED);
        break;
    default:
        break;
    }
}

static void run_other(unsigned cpu, void *argument)
{
    struct other_cpu *self = argument;
    uint32_t order;

    (void)cpu;
    while ((order = mmk_a32_load(&self->order, MMK_ACQUIRE)) != STOP) {
        obey(self, order);
        if (order != NOTHING)
            mmk_a32_store(&self->order, NOTHING, MMK_RELEASE);
        mmk_cpu_relax(); /* where it takes its interrupts */
    }
}

static enum mmk_fault_result tell(enum order order, mmk_vaddr_t addr)
{
    other.addr = addr;
    mmk_a32_store(&other.order, order, MMK_RELEASE);
    while (mmk_a32_load(&other.order, MMK_ACQUIRE) != NOTHING)
        mmk_cpu_relax();
    return (enum mmk_fault_result)mmk_a32_load(&other.answer, MMK_RELAXED);
}

static int setup(void **state)
{
    if (fixture_setup(state))
        return -1;
    other.mm = mm;
    mmk_a32_store(&other.order, NOTHING, MMK_RELAXED);
    cpu_start(&other.thread, 1, run_other, &other);
    return 0;
}

static int teardown(void **state)
{
    mmk_a32_store(&other.order, STOP, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other.thread);
    machine_idle_end();
    return fixture_teardown(state);
}

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

    assert_int_equal(tell(LOAD, addr), MMK_FAULT_DONE);
    hits = tlb_hits();
    assert_int_equal(tell(LOAD, addr), MMK_FAULT_DONE);
    assert_int_equal(tlb_hits(), hits + 1);
    assert_int_equal(mmk_a32_load(&other.byte, MMK_RELAXED), expected);
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
    assert_int_equal(tell(LOAD, a), MMK_FAULT_DONE);
    assert_int_equal(mmk_a32_load(&other.byte, MMK_RELAXED), 0);

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
    assert_int_equal(tell(LOAD, a + 3 * PAGE), MMK_FAULT_DONE);
    assert_int_equal(mmk_a32_load(&other.byte, MMK_RELAXED), 99);

    cache_on_other(b, 11);
    assert_int_equal(mmk_object_resize(shmem, 0), 0);
    assert_int_equal(tell(LOAD, b), MMK_FAULT_BUS);

    cache_on_other(a + 4 * PAGE, 5);
    (void)map_at(4, 1, RW, ANON);
    assert_int_equal(tell(LOAD, a + 4 * PAGE), MMK_FAULT_DONE);
    assert_int_equal(mmk_a32_load(&other.byte, MMK_RELAXED), 0);

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

#define TEST2(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST2(test_munmap_reaches_other), TEST2(test_large_flush),
        TEST2(test_every_operation),      TEST2(test_catch_up),
        TEST2(test_flush_by_another),     TEST(test_generations),
        TEST(test_spurious_interrupt),    TEST(test_pending),
    };

    return cmocka_run_group_tests_name("tlb", tests, NULL, NULL);
}
