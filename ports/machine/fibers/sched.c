/* SPDX-License-Identifier: MIT */
/*
 * sched.c - who makes the next step.
 *
 * S1 One task runs; it goes on until a scheduling point, where the chooser may name another that
 *    can. So a run is a function of the chooser's answers. Steps are counted alike whether or not
 *    there was anything to choose at them: an answer means the same to each strategy.
 * S2 A task that spins (mmk_cpu_relax()) runs again when somebody else has written something since
 *    it has looked, that is since its first access after it last spun: until then it would see what
 *    it has seen.
 * S3 An interrupt is taken where the CPU polls, and, when the chooser says so, at any scheduling
 *    point with interrupts on. A task that waits or is idle is woken for it.
 * S4 When nobody can go on and not all bodies are over, that is a deadlock, and a failure. So is a
 *    run of too many steps.
 *
 * The fibers and their stacks last as long as the process: creating them would cost more than most
 * runs. A run that fails leaves them in the middle of something: it is the process's last.
 */
#include "sched.h"
#include "frames.h"
#include "lines.h"
#include "speculate.h"
#include "tsan.h"
#include "weak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LONELY 1000

struct sim sim;
struct machine_locks *machine_own_locks = &sim.task[0].locks;

static void mix(uint64_t what)
{
    sim.outcome.trace = (sim.outcome.trace ^ what) * 0x100000001b3u;
}

unsigned sim_choose(enum fibers_choice choice, unsigned n)
{
    unsigned answer;

    sim.chooser->step++;
    answer = sim.chooser->choose(sim.chooser, choice, n, NULL);
    mix(answer << 4 | (unsigned)choice);
    return answer;
}

static bool interrupted(unsigned number)
{
    const struct machine_vcpu *cpu = &machine_cpus[number].vcpu;

    return cpu->pending.v && !cpu->interrupts_off;
}

static uint64_t written_by_others(const struct task *task)
{
    return sim.writes - task->wrote;
}

/* => not READY */
static bool may_go_on(const struct task *task, unsigned number)
{
    switch (task->state) {
    case TASK_READY:
        return true;
    case TASK_SPINS:
        return task->seen != written_by_others(task) || interrupted(number);
    case TASK_LATE:
        return sim.halted || interrupted(number);
    case TASK_GRACE:
    case TASK_BATCH:
        return sim_rcu_may_go_on(task) || interrupted(number);
    case TASK_IDLE:
        return (number == sim.rcu && sim_rcu_may_go_on(task)) || interrupted(number);
    case TASK_WAITS:
        return !task->word || interrupted(number);
    }
    return false;
}

MMK_ALWAYS_INLINE bool may_run(unsigned number)
{
    const struct task *task = &sim.task[number];

    return task->state == TASK_READY || may_go_on(task, number);
}

static unsigned task_count(void)
{
    return sim.rcu + 1;
}

/* Who may run, in turn after the current one, or from it. => how many */
static unsigned candidates(bool with_current, uint8_t *numbers)
{
    unsigned count = task_count(), found = 0, i, number;

    for (i = with_current ? 0 : 1; i < count + (with_current ? 0 : 1); i++) {
        number = sim.current + i;
        number = number < count ? number : number - count;
        if (number >= sim.program->cpus && number != sim.rcu)
            continue; /* it has no body, and nobody interrupts it */
        if (may_run(number))
            numbers[found++] = (uint8_t)number;
    }
    return found;
}

static void act_as(unsigned number)
{
    sim.current = number;
    machine_self = &machine_cpus[number].vcpu;
    machine_own_locks = &sim.task[number].locks;
}

static void run_task(unsigned number)
{
    struct task *from = sim_current();

    if (number == sim.current)
        return;
    if (sim.chooser->switched)
        sim.chooser->switched(sim.chooser, sim.current, number);
    act_as(number);
    fiber_switch(&from->fiber, &sim.task[number].fiber);
}

/* Back to fibers_run(), for good or until the next run. */
static void stop(void)
{
    struct task *from = sim_current();

    fiber_switch(&from->fiber, &sim.caller);
}

static bool bodies_over(void)
{
    unsigned i;

    for (i = 0; i < sim.rcu; i++)
        if (!sim.task[i].over || sim.task[i].state != TASK_IDLE || interrupted(i))
            return false;
    return sim.task[sim.rcu].state == TASK_IDLE && !may_run(sim.rcu);
}

static void describe(char *text, size_t size)
{
    static const char *const names[] = {
        "ready",  "spins", "waits", "waits for readers", "waits for all", "waits for callbacks",
        "is idle"};
    size_t used = (size_t)snprintf(text, size, "deadlock:");
    unsigned i;

    for (i = 0; i < task_count() && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " CPU %u %s%s", i,
                                 names[sim.task[i].state], i + 1 < task_count() ? "," : "");
}

void fibers_fail(const char *what)
{
    static char text[512];

    snprintf(text, sizeof(text), "CPU %u: %s", sim.current, what);
    sim.outcome.failure = text;
    if (sim.running)
        stop();
    fprintf(stderr, "%s\n", text);
    abort(); /* nobody asks again: fibers_run() was not under way, or has come back */
}

/* Someone else runs now, if anybody can. */
static void pass_on(void)
{
    uint8_t numbers[MMK_MAX_CPUS];
    char text[256];
    unsigned n, answer = 0;

    if (bodies_over()) {
        stop();
        return;
    }
    n = candidates(false, numbers);
    if (n == 0) {
        sim.halted = true;
        n = candidates(false, numbers);
        sim.halted = false;
    }
    if (n == 0) {
        describe(text, sizeof(text));
        fibers_fail(text);
    }
    sim.chooser->step++;
    if (n > 1)
        answer = sim.chooser->choose(sim.chooser, FIBERS_NEXT, n, numbers);
    mix(numbers[answer]);
    run_task(numbers[answer]);
}

void sim_wait(enum task_state state)
{
    struct task *self = sim_current();

    self->state = state;
    if (state == TASK_IDLE)
        __tsan_release(self); /* for who goes on after the run */
    pass_on();
    __tsan_acquire(&sim); /* what was done before the run */
    self->state = TASK_READY;
}

void sim_wait_and_serve(enum task_state state)
{
    sim_wait(state);
    machine_take_interrupts(machine_this_cpu());
}

/* The current task may be kept from its next step. */
MMK_ALWAYS_INLINE void preempt(void)
{
    uint8_t numbers[MMK_MAX_CPUS];
    unsigned n = candidates(true, numbers), answer;

    if (n <= 1)
        return;
    sim.outcome.points++;
    answer = sim.chooser->choose(sim.chooser, FIBERS_PREEMPT, n, numbers);
    run_task(numbers[answer]);
}

MMK_ALWAYS_INLINE void count_step(void)
{
    sim.chooser->step++;
    if (++sim.outcome.steps > sim.program->most_steps)
        fibers_fail("livelock: too many steps");
}

/* What it answers lets others go on: it may be kept again, from the step that it was kept from. */
MMK_ALWAYS_INLINE void interrupt_here(void)
{
    if (interrupted(sim.current) && sim_choose(FIBERS_INTERRUPT, 2)) {
        machine_take_interrupts(&machine_cpus[sim.current]);
        preempt();
    }
}

void sim_yield(void)
{
    if (!sim.running)
        return;
    count_step();
    preempt();
    interrupt_here();
}

/* Where in RAM: what lies elsewhere is at other addresses in other builds. */
static uint64_t place_of(uintptr_t word)
{
    uint64_t offset = word - machine_ram_base;

    return offset < machine_ram_end ? offset : 0;
}

static void point(uintptr_t word, enum fibers_access access)
{
    struct task *self = sim_current();
    uint16_t number;

    count_step();
    mix(place_of(word) << 8 | (uint64_t)sim.current << 1 | access);
    if (!sim.chooser->shared_only) {
        preempt();
    } else {
        if (sim_note_access(word, access, &number))
            preempt();
        sim_touch_word(word, number, access);
    }
    interrupt_here();
    if (!self->looks)
        self->looked = written_by_others(self);
    self->looks = true;
    if (access == FIBERS_WRITE) {
        sim.writes++;
        self->wrote++;
    }
}

void sim_point(uintptr_t word, enum fibers_access access)
{
    if (sim.running && !sim.alone)
        point(word, access);
}

void fibers_point(uintptr_t word, enum fibers_access access)
{
    if (mmk_unlikely(lines_noted))
        lines_note(word, 1, access, __builtin_return_address(0));
    if (sim.running && !sim.alone)
        point(word, access);
    frames_check(word, access == FIBERS_WRITE);
}

/* ---- what a CPU waits with ------------------------------------------------------------------- */

void machine_take_interrupts(struct machine_cpu *cpu)
{
    fibers_touch(&cpu->vcpu.pending, FIBERS_READ);
    while (interrupted(cpu->vcpu.number)) {
        fibers_touch(&cpu->vcpu.pending, FIBERS_WRITE);
        cpu->vcpu.pending.v = 0;
        cpu->vcpu.interrupts_off = sim.task[cpu->vcpu.number].interrupted = true;
        mmk_tlb_interrupt();
        speculate_here();
        cpu->vcpu.interrupts_off = sim.task[cpu->vcpu.number].interrupted = false;
        machine_count(&cpu->counters.ipis);
    }
}

void machine_relax(void)
{
    struct task *self = sim_current();

    if (!sim.running) {
        if (++sim.lonely > MOST_LONELY)
            fibers_fail("deadlock: waits for others, and is alone");
        return;
    }
    count_step();
    machine_take_interrupts(machine_this_cpu());
    if (sim.chooser->relaxed)
        sim.chooser->relaxed(sim.chooser, sim.current);
    if (weak_catch_up())
        return; /* it would have waited for what is there already */
    self->seen = self->looks ? self->looked : written_by_others(self);
    self->looks = false;
    sim_wait_and_serve(TASK_SPINS);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void run_body(unsigned number)
{
    struct task *self = &sim.task[number];

    sim.program->body(number);
    if (self->rcu_depth || self->locks.count)
        fibers_fail("returns with locks held, or inside a read section");
    self->over = true;
}

static void task_main(void *argument)
{
    struct task *self = argument;
    unsigned number = (unsigned)(self - sim.task);

    __tsan_acquire(&sim); /* what was done since the fiber was made, before the run */
    self->state = TASK_READY;
    if (number == sim.rcu)
        sim_rcu_body(); /* does not return */
    for (;;) {
        while (self->over) { /* a new run finds the fiber here, or not begun: it is the same */
            machine_take_interrupts(machine_this_cpu());
            sim_wait(TASK_IDLE);
        }
        run_body(number);
    }
}

void fibers_be_cpu(unsigned cpu)
{
    mmk_assert(!sim.running && cpu < MMK_MAX_CPUS, "fibers: alone, and as a CPU that exists");
    act_as(cpu);
}

static bool has_stack(struct task *task)
{
    return task->fiber.stack || fiber_create(&task->fiber, task_main, task);
}

bool fibers_prepare(bool weak)
{
    unsigned i;

    for (i = 0; i <= FIBERS_CPUS; i++)
        if (!has_stack(&sim.task[i]))
            return false;
    return !weak || weak_prepare();
}

static void make_ready(unsigned cpus)
{
    unsigned i;

    for (i = 0; i < task_count(); i++) {
        struct task *task = &sim.task[i];

        mmk_assert(!task->locks.count && !task->rcu_depth, "fibers: starts with nothing held");
        if (!has_stack(task))
            mmk_host_panic(__FILE__, __LINE__, "fibers: no memory for a stack");
        task->wrote = 0;
        task->looks = false;
        task->over = i >= cpus;
        task->state = task->over ? TASK_IDLE : TASK_READY;
    }
}

struct fibers_outcome fibers_run(const struct fibers_program *program,
                                 struct fibers_chooser *chooser)
{
    uint8_t numbers[MMK_MAX_CPUS];
    unsigned first;

    mmk_assert(program->cpus >= 1 && program->cpus <= sim.rcu, "fibers: as many CPUs as there are");
    sim.program = program;
    sim.chooser = chooser;
    sim.outcome = (struct fibers_outcome){.trace = 0xcbf29ce484222325u};
    make_ready(program->cpus);
    weak_begin(program->weak);
    sim_rcu_begin_run();
    fiber_adopt(&sim.caller);
    __tsan_release(&sim);
    sim.running = true;
    chooser->step = 0;
    if (chooser->touches)
        chooser->touches->count = 0;
    sim.current = task_count() - 1;
    first = candidates(false, numbers);
    first = chooser->choose(chooser, FIBERS_NEXT, first, numbers);
    act_as(numbers[first]);
    fiber_switch(&sim.caller, &sim.task[numbers[first]].fiber);
    sim.running = false;
    weak_end();
    for (first = 0; first < task_count(); first++)
        __tsan_acquire(&sim.task[first]);
    act_as(0);
    sim_forget_run();
    sim.outcome.more_shared = sim_shared_grew();
    return sim.outcome;
}
