/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - virtual CPUs: threads that attach, idleness, interrupts between them.
 *
 * A CPU is AWAY (no thread attached, or its thread is idle), RUNNING (its thread acts as it) or
 * SERVED (another thread acts as it, to take its interrupts). An interrupt is the flag `pending`:
 *
 *   sender                               thread of a running CPU
 *   1 pending = 1                        1 state = AWAY
 *   2 AWAY -> SERVED: acts as the CPU    2 pending set: AWAY -> RUNNING, takes it, again from 1
 *     till nothing is pending
 *   3 state = AWAY, again from 2 if
 *     something is pending
 *
 * I1 No interrupt is lost: both sides store, then load what the other stores, in one total order
 *    (sequentially consistent), so one of them sees the other.
 * I2 Nobody waits for interrupts to be taken by this code: a sender that finds the CPU RUNNING or
 *    SERVED leaves it to whoever acts as the CPU. Whoever waits for the answer does so in
 *    mmk_cpu_relax(), where it takes its own: two that wait for each other both go on.
 * I3 A running CPU takes interrupts only where it polls: before an access is translated, while it
 *    waits, on its way to idleness and back. Never between translation and transfer: an access
 *    that had its translation when the interrupt was sent is over when the interrupt is taken.
 * I4 Only the holder of RUNNING or SERVED touches the CPU's own state, so it needs no lock; the
 *    exchanges of `state` hand it over (acquire and release).
 *
 * Rejected: signals as interrupts (the handler would run in the middle of an access, and
 * sanitizers delay signals); waking an idle thread for each interrupt (tens of microseconds).
 */
#include "internal.h"

#include <mmkit/port/lock.h>
#include <sched.h>

/* Calls of mmk_cpu_relax() before the host may run somebody else: CPUs may outnumber its own. */
#define RELAX_YIELD 64

#define SEQ_CST __ATOMIC_SEQ_CST

enum cpu_state { CPU_AWAY, CPU_RUNNING, CPU_SERVED };

__thread struct machine_vcpu *machine_self;
struct machine_cpu *machine_cpus;

void machine_not_attached(void)
{
    mmk_host_panic(__FILE__, __LINE__, "machine: this thread is not a CPU: machine_cpu_attach()");
}

/* => the calling thread acts as cpu */
void machine_take_interrupts(struct machine_cpu *cpu)
{
    if (cpu->vcpu.interrupts_off)
        return;
    /* Cleared first, by an exchange: what was queued before is seen, what comes later is noticed.
     */
    while (mmk_a32_load(&cpu->vcpu.pending, MMK_RELAXED)) {
        mmk_a32_xchg(&cpu->vcpu.pending, 0, SEQ_CST);
        cpu->vcpu.interrupts_off = true;
        mmk_tlb_interrupt();
        cpu->vcpu.interrupts_off = false;
        machine_count(&cpu->counters.ipis);
    }
}

static bool change_state(struct machine_cpu *cpu, uint32_t from, uint32_t to)
{
    return mmk_a32_cmpxchg(&cpu->state, &from, to, SEQ_CST);
}

/* Takes an absent CPU's interrupts for it. */
static void serve(struct machine_cpu *cpu)
{
    struct machine_vcpu *own = machine_self;
    uint32_t was;

    while (mmk_a32_load(&cpu->vcpu.pending, SEQ_CST)) {
        if (!change_state(cpu, CPU_AWAY, CPU_SERVED))
            return; /* somebody acts as it: he sees `pending` before he leaves */
        machine_self = &cpu->vcpu;
        machine_take_interrupts(cpu);
        machine_self = own;
        was = mmk_a32_xchg(&cpu->state, CPU_AWAY, SEQ_CST);
        mmk_assert(was == CPU_SERVED, "I4 two threads act as one CPU");
    }
}

void mmk_host_send_ipi(unsigned cpu)
{
    mmk_assert(cpu < MMK_MAX_CPUS && cpu != mmk_cpu_id(), "machine: interrupt to no other CPU");
    mmk_a32_store(&machine_cpus[cpu].vcpu.pending, 1, SEQ_CST);
    serve(&machine_cpus[cpu]);
}

static void pause_host(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void machine_relax(void)
{
    struct machine_cpu *cpu = machine_this_cpu();

    if (mmk_unlikely(mmk_a32_load(&cpu->vcpu.pending, MMK_RELAXED)))
        machine_take_interrupts(cpu);
    if (++cpu->relaxed % RELAX_YIELD == 0)
        sched_yield();
    else
        pause_host();
}

static void leave_running(struct machine_cpu *cpu)
{
    uint32_t was;

    mmk_assert(mmk_interrupts_on(), "machine: idle with interrupts off");
    do {
        machine_take_interrupts(cpu);
        was = mmk_a32_xchg(&cpu->state, CPU_AWAY, SEQ_CST);
        mmk_assert(was == CPU_RUNNING, "I4 two threads act as one CPU");
    } while (mmk_a32_load(&cpu->vcpu.pending, SEQ_CST) && change_state(cpu, CPU_AWAY, CPU_RUNNING));
}

static void enter_running(struct machine_cpu *cpu)
{
    while (!change_state(cpu, CPU_AWAY, CPU_RUNNING))
        sched_yield(); /* it is being served */
    machine_take_interrupts(cpu);
}

void machine_idle_begin(void)
{
    mmk_note_may_sleep();
    leave_running(machine_this_cpu());
}

void machine_idle_end(void)
{
    enter_running(machine_this_cpu());
}

bool machine_cpu_is_idle(unsigned cpu)
{
    return mmk_a32_load(&machine_cpus[cpu].state, MMK_ACQUIRE) == CPU_AWAY;
}

void machine_cpu_claim(unsigned number)
{
    struct machine_cpu *cpu = &machine_cpus[number];
    uint32_t taken;

    mmk_assert(machine_cpus && number < MMK_MAX_CPUS, "machine: no such CPU");
    mmk_assert(!machine_self, "machine: this thread is a CPU already");
    taken = mmk_a32_xchg(&cpu->attached, 1, MMK_ACQUIRE);
    mmk_assert(!taken, "machine: CPU attached twice");
    urcu_memb_register_thread();
    machine_self = &cpu->vcpu;
    enter_running(cpu);
}

void machine_cpu_unclaim(void)
{
    struct machine_cpu *cpu = machine_this_cpu();

    mmk_note_may_sleep();
    mmk_assert(!cpu->mmu.mm, "machine: an address space is loaded on a CPU that stops");
    leave_running(cpu);
    machine_self = NULL;
    urcu_memb_unregister_thread();
    mmk_a32_store(&cpu->attached, 0, MMK_RELEASE);
}

void machine_cpu_attach(unsigned cpu)
{
    machine_cpu_claim(cpu);
    mmk_cpu_online();
}

void machine_cpu_detach(void)
{
    machine_switch_mm(NULL);
    mmk_cpu_offline();
    machine_cpu_unclaim();
}
