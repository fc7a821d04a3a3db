/* SPDX-License-Identifier: MIT */
/*
 * rcu.c - RCU callbacks: one thread, itself a virtual CPU, that waits for grace periods.
 *
 * Callbacks are pushed onto a stack per CPU, so that CPUs that free do not meet. The thread runs
 * batches: takes every stack, waits for a grace period (liburcu), runs what it has taken.
 *
 * B1 A callback runs after a grace period that began after it was queued.
 * B2 mmk_host_rcu_barrier() returns after a batch that began after the call has ended. A
 *    callback is pushed, then `begun` read; `begun` is raised, then the stacks taken: in one total
 *    order (sequentially consistent), so a batch counted as later has the callback.
 *
 * Between batches the thread waits a little for more callbacks, unless a barrier, or somebody to
 * whom too much waits, asks for haste: a grace period interrupts every host CPU.
 *
 * Rejected: liburcu's own call_rcu(). Its worker cannot be stopped and joined in every version in
 * use, its barrier allocates, and ThreadSanitizer sees no order between queueing and running.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <mmkit/port/lock.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#ifdef MACHINE_TSAN
void __tsan_acquire(void *address);
#endif

#define BATCH_DELAY_NS 1000000

/* What an mmk_rcu_head holds while queued. */
struct callback {
    struct callback *next;
    void (*function)(struct mmk_rcu_head *head);
};

_Static_assert(sizeof(struct callback) <= sizeof(struct mmk_rcu_head), "fits its place");

static struct {
    pthread_t thread;
    unsigned cpu;
    struct mmk_a32 asleep;   /* the thread waits for callbacks, or is about to: wake it */
    struct mmk_a32 wanted;   /* batches that barriers wait for; compared modulo 2^32 */
    struct mmk_a32 begun;    /* batches; only the thread writes */
    struct mmk_a32 finished; /* as begun, when none is running */
    struct mmk_a32 hurry;    /* the next batch begins at once */
    struct mmk_a32 stop;
} worker;

static void wake_worker(void)
{
    if (mmk_a32_load(&worker.asleep, __ATOMIC_SEQ_CST) &&
        mmk_a32_xchg(&worker.asleep, 0, __ATOMIC_SEQ_CST))
        machine_futex(&worker.asleep, FUTEX_WAKE_PRIVATE, 1, NULL);
}

void mmk_host_call_rcu(struct mmk_rcu_head *head, void (*function)(struct mmk_rcu_head *head))
{
    struct mmk_aptr *stack = &machine_this_cpu()->callbacks;
    struct callback *callback = (struct callback *)head;
    void *first = mmk_aptr_load(stack, MMK_RELAXED);

    callback->function = function;
    do
        callback->next = first;
    while (!mmk_aptr_cmpxchg(stack, &first, callback, __ATOMIC_SEQ_CST));
    wake_worker();
}

void machine_rcu_expedite(void)
{
    if (!mmk_a32_xchg(&worker.hurry, 1, __ATOMIC_SEQ_CST))
        machine_futex(&worker.asleep, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/* Waits at least for `batch`. The subtraction makes the count's wrap harmless. */
void mmk_host_rcu_barrier(void)
{
    uint32_t batch, seen, wanted;

    machine_idle_begin();
    batch = mmk_a32_load(&worker.begun, __ATOMIC_SEQ_CST) + 1;
    wanted = mmk_a32_load(&worker.wanted, MMK_RELAXED);
    while ((int32_t)(batch - wanted) > 0)
        if (mmk_a32_cmpxchg(&worker.wanted, &wanted, batch, __ATOMIC_SEQ_CST))
            break;
    mmk_a32_xchg(&worker.asleep, 0, __ATOMIC_SEQ_CST);
    machine_futex(&worker.asleep, FUTEX_WAKE_PRIVATE, 1, NULL);
    for (;;) {
        seen = mmk_a32_load(&worker.finished, MMK_ACQUIRE);
        if ((int32_t)(seen - batch) >= 0)
            break;
        machine_futex(&worker.finished, FUTEX_WAIT_PRIVATE, seen, NULL);
    }
    machine_idle_end();
}

static bool any_callback(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        if (mmk_aptr_load(&machine_cpus[cpu].callbacks, __ATOMIC_SEQ_CST))
            return true;
    return false;
}

static bool barrier_waits(void)
{
    return (int32_t)(mmk_a32_load(&worker.wanted, __ATOMIC_SEQ_CST) -
                     mmk_a32_load(&worker.begun, MMK_RELAXED)) > 0;
}

/* => false: told to stop and nothing is left to do */
static bool wait_for_work(void)
{
    const struct timespec delay = {.tv_nsec = BATCH_DELAY_NS};

    for (;;) {
        mmk_a32_store(&worker.asleep, 1, __ATOMIC_SEQ_CST);
        if (barrier_waits() || any_callback())
            break;
        if (mmk_a32_load(&worker.stop, __ATOMIC_SEQ_CST))
            return false;
        machine_futex(&worker.asleep, FUTEX_WAIT_PRIVATE, 1, NULL);
    }
    mmk_a32_store(&worker.asleep, 0, __ATOMIC_SEQ_CST);
    if (!barrier_waits() && !mmk_a32_load(&worker.hurry, __ATOMIC_SEQ_CST) &&
        !mmk_a32_load(&worker.stop, MMK_RELAXED))
        machine_futex(&worker.asleep, FUTEX_WAIT_PRIVATE, 0, &delay); /* haste cuts it short */
    return true;
}

/* Everything queued, one list; each CPU's in the order it was queued. */
static struct callback *take_all(void)
{
    struct callback *list = NULL, *callback, *next;
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        callback = mmk_aptr_xchg(&machine_cpus[cpu].callbacks, NULL, __ATOMIC_SEQ_CST);
        for (; callback; callback = next) {
            next = callback->next;
            callback->next = list;
            list = callback;
        }
    }
    return list;
}

/* Waits until every read section that runs now has ended. */
static void grace_period(void)
{
    machine_idle_begin();
    urcu_memb_synchronize_rcu();
    machine_idle_end();
#ifdef MACHINE_TSAN
    for (unsigned cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        __tsan_acquire(&machine_cpus[cpu].vcpu.rcu_tag);
#endif
}

static void run_batch(void)
{
    uint32_t batch = mmk_a32_load(&worker.begun, MMK_RELAXED) + 1;
    struct machine_cpu *cpu = machine_this_cpu();
    struct callback *callback, *next;

    mmk_a32_store(&worker.begun, batch, __ATOMIC_SEQ_CST);
    mmk_a32_store(&worker.hurry, 0, MMK_RELAXED);
    callback = take_all();
    grace_period();
    for (; callback; callback = next) {
        next = callback->next;
        callback->function((struct mmk_rcu_head *)callback);
        /* They may be many; and others may wait for what they free, so the host gets no turn. */
        machine_take_interrupts(cpu);
    }
    mmk_a32_store(&worker.finished, batch, MMK_RELEASE);
    machine_futex(&worker.finished, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL);
}

static void *work(void *unused)
{
    bool more;

    machine_cpu_claim(worker.cpu);
    for (;;) {
        machine_idle_begin();
        more = wait_for_work();
        machine_idle_end();
        if (!more)
            break;
        run_batch();
    }
    machine_cpu_unclaim();
    return unused;
}

int machine_rcu_start(unsigned cpu)
{
    memset(&worker, 0, sizeof(worker));
    worker.cpu = cpu;
    return pthread_create(&worker.thread, NULL, work, NULL) == 0 ? 0 : MMK_ENOMEM;
}

static void online(struct mmk_rcu_head *unused)
{
    (void)unused;
    mmk_cpu_online();
}

void machine_rcu_online(void)
{
    struct mmk_rcu_head head;

    mmk_host_call_rcu(&head, online);
    mmk_host_rcu_barrier();
}

void machine_rcu_stop(void)
{
    mmk_a32_store(&worker.stop, 1, __ATOMIC_SEQ_CST);
    mmk_a32_xchg(&worker.asleep, 0, __ATOMIC_SEQ_CST);
    machine_futex(&worker.asleep, FUTEX_WAKE_PRIVATE, 1, NULL);
    pthread_join(worker.thread, NULL);
}

bool machine_is_rcu(unsigned cpu)
{
    return cpu == worker.cpu;
}

bool machine_rcu_reads(void)
{
    return urcu_memb_read_ongoing();
}
