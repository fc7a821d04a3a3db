/* SPDX-License-Identifier: MIT */
/* host.c - the link-time half of the port, by the scheduler's means; CPUs that come and go. */
#include "sched.h"
#include "weak.h"

#include <stdio.h>

struct machine_vcpu *machine_self;
struct machine_cpu *machine_cpus;

void mmk_host_panic(const char *file, int line, const char *what)
{
    char text[256];

    snprintf(text, sizeof(text), "panic: %s:%d: %s", file, line, what);
    fibers_fail(text);
}

void machine_not_attached(void)
{
    mmk_host_panic(__FILE__, __LINE__, "machine: this thread is not a CPU");
}

/* What the library logs tells nothing that a run's outcome does not. */
void mmk_host_log(enum mmk_log_level level, const char *text)
{
    (void)level;
    (void)text;
}

void mmk_host_wait(struct mmk_a32 *word, uint32_t expected)
{
    struct task *self = sim_current();

    fibers_point((uintptr_t)word, FIBERS_READ);
    weak_look(word, sizeof(*word));
    if (__atomic_load_n(&word->v, __ATOMIC_RELAXED) != expected)
        return;
    if (!sim.running)
        fibers_fail("deadlock: sleeps, and is alone");
    for (self->word = word; self->word;)
        sim_wait_and_serve(TASK_WAITS);
    weak_look(word, sizeof(*word)); /* and no more: the caller loops */
}

/* In turn; which of several is woken first is decided when they run. */
void mmk_host_wake(struct mmk_a32 *word, uint32_t count)
{
    unsigned i;

    sim_point((uintptr_t)word, FIBERS_WRITE); /* the address alone: the memory may be gone */
    for (i = 0; i <= sim.rcu && count > 0; i++)
        if (sim.task[i].word == word) {
            sim.task[i].word = NULL;
            count--;
        }
}

void mmk_host_send_ipi(unsigned cpu)
{
    struct machine_cpu *to = &machine_cpus[cpu];
    unsigned self = sim.current;

    mmk_assert(cpu < MMK_MAX_CPUS && cpu != self, "machine: interrupt to no other CPU");
    fibers_point((uintptr_t)&to->vcpu.pending, FIBERS_WRITE);
    to->vcpu.pending.v = 1;
    if (sim.running)
        return;
    fibers_be_cpu(cpu);
    machine_take_interrupts(to);
    fibers_be_cpu(self);
}

/* Not random: a counter through the finalizer of splitmix64, from the start in each machine. */
uint64_t mmk_host_random(void)
{
    uint64_t x = ++sim.randoms * 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* ---- CPUs, alone ----------------------------------------------------------------------------- */

void machine_cpu_claim(unsigned cpu)
{
    fibers_be_cpu(cpu);
}

void machine_cpu_unclaim(void)
{
    mmk_assert(!machine_this_cpu()->mmu.mm,
               "machine: an address space is loaded on a CPU that stops");
}

void machine_cpu_attach(unsigned cpu)
{
    machine_cpu_claim(cpu);
    mmk_a32_store(&machine_cpus[cpu].attached, 1, MMK_RELAXED);
    mmk_cpu_online();
}

void machine_cpu_detach(void)
{
    machine_switch_mm(NULL);
    mmk_cpu_offline();
    mmk_a32_store(&machine_this_cpu()->attached, 0, MMK_RELAXED);
    machine_cpu_unclaim();
}

/* The host is not waited for. */
void machine_idle_begin(void)
{
}

void machine_idle_end(void)
{
}
