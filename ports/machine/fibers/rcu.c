/* SPDX-License-Identifier: MIT */
/*
 * rcu.c - read sections that are counted, callbacks on a CPU of their own.
 *
 * A grace period waits for exactly the read sections that ran when it began: it may end the moment
 * the last of them ends, or any time later, as the schedule has it. Alone (no run under way) nobody
 * reads, and a barrier runs all callbacks there and then.
 *
 * When memory is weak, RCU orders this, and no more (include/mmkit/host.h): what comes before
 * mmk_host_call_rcu() before all sections that begin after the grace period has; what is done in
 * any other section before the callback; the callback before the return of a barrier that waits for
 * it.
 */
#include "sched.h"
#include "tsan.h"
#include "weak.h"

struct callback {
    struct callback *next;
    void (*function)(struct mmk_rcu_head *head);
};

_Static_assert(sizeof(struct callback) <= sizeof(struct mmk_rcu_head), "fits its place");

static struct callback *first, **last = &first;
static uint64_t queued, done;
static uint64_t ends; /* TSan: read sections that have ended */

/* Weak memory: what is known at these ends and calls, and what sections that begin now know. */
static struct clock ended, awaited_ended, calls, finished, begun;

void fibers_rcu_read_lock(void)
{
    struct task *self = sim_current();

    if (self->rcu_depth++ > 0)
        return;
    self->rcu_sections++;
    sim_touch(TOUCH_SECTIONS + sim.current, true);
    weak_take(&begun);
}

void fibers_rcu_read_unlock(void)
{
    struct task *self = sim_current();

    mmk_assert(self->rcu_depth > 0, "fibers: a read section ends that has not begun");
    __tsan_release(&ends);
    weak_give(&ended);
    if (sim.task[sim.rcu].grace[sim.current] == self->rcu_sections)
        weak_give(&awaited_ended);
    if (self->rcu_depth == 1)
        sim_touch(TOUCH_SECTIONS + sim.current, true);
    if (--self->rcu_depth > 0 || !sim.running)
        return;
    /* What it has read may go at once; or somebody comes who makes it go. */
    if (first || !sim.chooser->shared_only)
        sim_yield();
}

bool machine_rcu_reads(void)
{
    return sim_current()->rcu_depth > 0;
}

void mmk_host_call_rcu(struct mmk_rcu_head *head, void (*function)(struct mmk_rcu_head *head))
{
    struct callback *callback = (struct callback *)head;

    sim_point((uintptr_t)&first,
              FIBERS_WRITE); /* the machine's: a kernel's CPUs have a queue each */
    sim_touch(TOUCH_CALLBACKS, true);
    __tsan_release(head);
    weak_give(&calls);
    *callback = (struct callback){NULL, function};
    *last = callback;
    last = &callback->next;
    queued++;
}

static void run_all(struct callback *list)
{
    struct callback *callback;

    while ((callback = list) != NULL) {
        list = callback->next; /* the function may use the head for something else */
        sim_yield();
        __tsan_acquire(callback);
        callback->function((struct mmk_rcu_head *)callback);
        weak_give(&finished);
        sim_touch(TOUCH_CALLBACKS, true);
        done++;
    }
}

static struct callback *take_all(void)
{
    struct callback *list = first;

    sim_touch(TOUCH_CALLBACKS, true);
    first = NULL;
    last = &first;
    return list;
}

static bool reads_still(const struct task *task, const struct task *reader, unsigned number)
{
    return task->grace[number] && reader->rcu_depth > 0 &&
           reader->rcu_sections == task->grace[number];
}

static bool any_reads_still(const struct task *task)
{
    unsigned i;

    for (i = 0; i < sim.rcu; i++)
        if (reads_still(task, &sim.task[i], i))
            return true;
    return false;
}

bool sim_rcu_may_go_on(const struct task *task)
{
    if (task->state == TASK_BATCH)
        return done >= task->seen;
    if (task->state == TASK_IDLE)
        return first != NULL;
    return !any_reads_still(task);
}

static void grace_period(void)
{
    struct task *self = sim_current();
    unsigned i;

    begun = calls;
    awaited_ended = ended;
    for (i = 0; i < sim.rcu; i++)
        self->grace[i] = sim.task[i].rcu_depth ? sim.task[i].rcu_sections : 0;
    sim_touch_sections();
    while (any_reads_still(self)) {
        sim_wait_and_serve(TASK_GRACE);
        sim_touch_sections();
    }
    __tsan_acquire(&ends);
    weak_take(&begun);
    weak_take(&awaited_ended);
}

void sim_rcu_body(void)
{
    struct callback *list;

    for (;;) {
        for (;;) {
            machine_take_interrupts(machine_this_cpu());
            if (first)
                break;
            sim_wait(TASK_IDLE);
        }
        list = take_all();
        grace_period();
        if (sim_rarely())
            sim_wait(TASK_LATE);
        run_all(list);
    }
}

static void run_alone(void)
{
    unsigned cpu = sim.current;

    fibers_be_cpu(sim.rcu);
    while (first)
        run_all(take_all());
    fibers_be_cpu(cpu);
}

void mmk_host_rcu_barrier(void)
{
    struct task *self = sim_current();

    mmk_note_may_sleep();
    if (!sim.running) {
        run_alone();
        return;
    }
    sim_yield();
    sim_touch(TOUCH_CALLBACKS, true);
    for (self->seen = queued; done < self->seen;) {
        sim_wait_and_serve(TASK_BATCH);
        sim_touch(TOUCH_CALLBACKS, true);
    }
    weak_take(&finished);
}

void sim_rcu_begin_run(void)
{
    ended = awaited_ended = calls = finished = begun = (struct clock){{0}};
}

int machine_rcu_start(unsigned cpu)
{
    sim.rcu = cpu;
    sim.randoms = 0;
    queued = done = 0;
    return 0;
}

void machine_rcu_online(void)
{
    fibers_be_cpu(sim.rcu);
    mmk_cpu_online();
    fibers_be_cpu(0);
}

void machine_rcu_stop(void)
{
    run_alone();
}

bool machine_is_rcu(unsigned cpu)
{
    return cpu == sim.rcu;
}
