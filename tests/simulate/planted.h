/* SPDX-License-Identifier: MIT */
/*
 * planted.h - runs a scenario that does what the library must not, in a process of its own, and
 * compares what the machine says to it.
 */
#ifndef TESTS_PLANTED_H
#define TESTS_PLANTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "../unit/expect_panic.h"
#include "table.h"
#include "world.h"

#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)

static unsigned hardware;  /* what it does when it is first asked; 0: nothing */
static unsigned mmu;       /* MACHINE_* */
static bool weak;          /* memory */
static unsigned switch_at; /* the point at which another task runs, from 1; 0: none */

/* Nothing else happens but what must. */
static inline unsigned choose_plain(struct fibers_chooser *self, enum fibers_choice choice,
                                    unsigned n, const uint8_t *tasks)
{
    unsigned answer = choice == FIBERS_HARDWARE && hardware < n ? hardware : 0;

    (void)self;
    (void)tasks;
    if (choice == FIBERS_PREEMPT && switch_at > 0 && --switch_at == 0)
        answer = 1;
    if (choice == FIBERS_HARDWARE)
        hardware = 0;
    return answer;
}

/* Says why it failed, and aborts; or comes back. */
static inline void run_scenario(void *argument)
{
    const struct scenario *scenario = argument;
    const struct fibers_program program = {
        .cpus = scenario->cpus, .body = scenario->body, .most_steps = 100000, .weak = weak};
    struct fibers_chooser chooser = {.choose = choose_plain};
    struct fibers_outcome outcome;

    if (!world_start(scenario, 1))
        abort();
    outcome = fibers_run(&program, &chooser);
    if (outcome.failure) {
        fprintf(stderr, "%s\n", outcome.failure);
        abort();
    }
    fibers_check_translations();
}

/* => its child came back */
static inline bool runs_well(const struct scenario *scenario)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        run_scenario((void *)(uintptr_t)scenario);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* The run fails and says `text`; NULL: it does not fail. */
#define EXPECT(setup_, body_, cpus_, text)                                                         \
    do {                                                                                           \
        struct scenario scenario_ = {.cpus = cpus_, .setup = setup_, .body = body_, .mmu = mmu};   \
        const char *text_ = text;                                                                  \
                                                                                                   \
        (void)state;                                                                               \
        assert_true(text_ ? expect_panic(run_scenario, &scenario_, text_)                          \
                          : runs_well(&scenario_));                                                \
    } while (0)

/* ---- parts of bodies ------------------------------------------------------------------------- */

static struct mmk_a32 stage; /* how far the CPUs have got */

/* Until another CPU has got so far. */
static inline void wait_for(uint32_t wanted)
{
    while (mmk_a32_load(&stage, MMK_ACQUIRE) < wanted)
        mmk_cpu_relax();
}

static inline void reach(uint32_t next)
{
    mmk_a32_store(&stage, next, MMK_RELEASE);
}

/* Page 0 is there, in a TLB and a paging-structure cache. */
static inline void map_four(void)
{
    map_pages(0, 4, RW, ANON);
    expect(put_word(0, 1) == MMK_FAULT_DONE);
}

/* Page 0 is there, and no hardware has seen it. */
static inline void map_unseen(void)
{
    map_pages(0, 4, RW, ANON);
    expect(mmk_fault(world.mm, page_at(0), MMK_ACCESS_WRITE) == MMK_FAULT_DONE);
}

static inline void find(unsigned page, struct mmk_walk *walk)
{
    mmk_rcu_read_lock();
    mmk_walk_rcu(world.mm, page_at(page), walk);
    mmk_rcu_read_unlock();
    expect(walk->level == 0);
}

#endif
