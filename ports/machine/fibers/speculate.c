/* SPDX-License-Identifier: MIT */
/*
 * speculate.c - processors walk the tables that they have loaded for accesses that never come,
 * cache what they find, and forget what they have cached, whenever they like.
 *
 * What such a walk finds changes only when a table does, and what it leaves behind matters until it
 * is flushed. So the chooser is asked before each change of a table by the library, and after each
 * flush: a walk at any other moment is as good as one of these. It is one step, made by any CPU
 * that has an address space loaded, lazily too, for a page that a program has used in this run.
 */
#include "frames.h"
#include "sched.h"
#include "speculate.h"
#include "tsan.h"

#define PAGES 4

static mmk_vaddr_t pages[PAGES];
static unsigned count, next;

void speculate_begin(void)
{
    count = next = 0;
}

void speculate_near(mmk_vaddr_t addr)
{
    mmk_vaddr_t page = addr & ~(mmk_vaddr_t)(MMK_PAGE_SIZE - 1);
    unsigned i;

    for (i = 0; i < count; i++)
        if (pages[i] == page)
            return;
    pages[next++ % PAGES] = page;
    count = next < PAGES ? next : PAGES;
}

/* The CPUs that have an address space loaded. => how many */
static unsigned loaded(struct machine_cpu *found[])
{
    unsigned cpu, n = 0;

    for (cpu = 0; cpu < sim.rcu; cpu++)
        if (machine_cpus[cpu].mmu.mm)
            found[n++] = &machine_cpus[cpu];
    return n;
}

void speculate_here(void)
{
    struct machine_cpu *cpus[MMK_MAX_CPUS];
    unsigned each = count + 1, answer, what;
    struct machine_cpu *cpu;

    if (!sim.running || fibers_weak || sim_current()->hardware)
        return;
    answer = sim_choose(FIBERS_HARDWARE, 1 + loaded(cpus) * each);
    if (answer == 0)
        return;
    what = (answer - 1) % each;
    cpu = cpus[(answer - 1) / each];
    sim.alone = true;
    if (what == count)
        machine_evict(cpu);
    else
        machine_speculate_on(cpu, pages[what]);
    sim.alone = false;
    __tsan_release(cpu); /* the walk was that CPU's, and acquires for it */
}
