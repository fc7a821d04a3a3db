/* SPDX-License-Identifier: MIT */
/*
 * other_cpu.h - CPU 1, which does what it is told, one thing at a time, and takes its interrupts
 * in between. CPU 0 is the fixture's, and the test's thread.
 */
#ifndef OTHER_CPU_H
#define OTHER_CPU_H

#include "race.h"

/* STORE stores the byte 77. */
enum order { NOTHING, ENTER, LAZY, LEAVE, LOAD, STORE, SPECULATE, STOP };

static struct other_cpu {
    struct cpu_thread thread;
    struct mmk_mm *mm; /* that it enters: the test may change it */
    struct mmk_a32 order, answer, byte;
    mmk_vaddr_t addr;
} other;

static inline void obey(struct other_cpu *self, uint32_t order)
{
    uint8_t byte = 77;

    switch (order) {
    case ENTER:
        machine_switch_mm(self->mm);
        break;
    case LAZY:
        machine_switch_lazy();
        break;
    case LEAVE:
        machine_switch_mm(NULL);
        break;
    case LOAD:
        mmk_a32_store(&self->answer, (uint32_t)machine_load(self->addr, &byte, 1), MMK_RELAXED);
        mmk_a32_store(&self->byte, byte, MMK_RELAXED);
        break;
    case STORE:
        mmk_a32_store(&self->answer, (uint32_t)machine_store(self->addr, &byte, 1), MMK_RELAXED);
        break;
    case SPECULATE:
        machine_speculate(self->addr);
        break;
    default:
        break;
    }
}

static inline void run_other(unsigned cpu, void *argument)
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

/* => what the last access answered; the order has been carried out */
static inline enum mmk_fault_result tell(enum order order, mmk_vaddr_t addr)
{
    other.addr = addr;
    mmk_a32_store(&other.order, order, MMK_RELEASE);
    while (mmk_a32_load(&other.order, MMK_ACQUIRE) != NOTHING)
        mmk_cpu_relax();
    return (enum mmk_fault_result)mmk_a32_load(&other.answer, MMK_RELAXED);
}

/* It loads from addr: such a result, and if it is DONE such a byte. */
static inline void expect_other(mmk_vaddr_t addr, enum mmk_fault_result result, uint8_t byte)
{
    assert_int_equal(tell(LOAD, addr), result);
    if (result == MMK_FAULT_DONE)
        assert_int_equal(mmk_a32_load(&other.byte, MMK_RELAXED), byte);
}

static inline void start_other(void)
{
    mmk_a32_store(&other.order, NOTHING, MMK_RELAXED);
    cpu_start(&other.thread, 1, run_other, &other);
}

static inline void stop_other(void)
{
    mmk_a32_store(&other.order, STOP, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other.thread);
    machine_idle_end();
}

static inline int other_setup(void **state)
{
    if (limited_setup(state))
        return -1;
    other.mm = mm;
    start_other();
    return 0;
}

static inline int other_teardown(void **state)
{
    stop_other();
    return limited_teardown(state);
}

#define TEST_OTHER(name) cmocka_unit_test_setup_teardown(name, other_setup, other_teardown)

#endif
