/* SPDX-License-Identifier: MIT */
/*
 * run_cpus.h - runs a function on several virtual CPUs at once.
 *
 * cmocka's assertions work in the main thread only: others use check(), which panics.
 */
#ifndef RUN_CPUS_H
#define RUN_CPUS_H

#include "machine.h"
#include <mmkit/port/cpu.h>
#include <pthread.h>

#define check(condition) mmk_assert(condition, "test: " #condition)

struct cpu_thread {
    pthread_t thread;
    pthread_barrier_t *start; /* NULL: starts by itself */
    unsigned cpu;
    void (*function)(unsigned cpu, void *argument);
    void *argument;
    struct mmk_a32 begun; /* `function` */
};

static void *cpu_thread_run(void *argument)
{
    struct cpu_thread *own = argument;

    machine_cpu_attach(own->cpu);
    if (own->start) {
        machine_idle_begin();
        pthread_barrier_wait(own->start);
        machine_idle_end();
    }
    mmk_a32_store(&own->begun, 1, MMK_RELEASE);
    own->function(own->cpu, own->argument);
    machine_cpu_detach();
    return NULL;
}

static inline void cpu_start_at(struct cpu_thread *thread, pthread_barrier_t *start, unsigned cpu,
                                void (*function)(unsigned cpu, void *argument), void *argument)
{
    int error;

    *thread =
        (struct cpu_thread){.start = start, .cpu = cpu, .function = function, .argument = argument};
    error = pthread_create(&thread->thread, NULL, cpu_thread_run, thread);
    check(error == 0);
}

/* Starts function(cpu, argument) in a new thread that is virtual CPU `cpu`. */
static inline void cpu_start(struct cpu_thread *thread, unsigned cpu,
                             void (*function)(unsigned cpu, void *argument), void *argument)
{
    cpu_start_at(thread, NULL, cpu, function, argument);
}

/*
 * Until the function sleeps, in mmkit or by machine_idle_begin(), or has returned. => the caller is
 * a CPU, and knows that nobody wakes it
 */
static inline void cpu_await_sleep(const struct cpu_thread *thread)
{
    while (!mmk_a32_load(&thread->begun, MMK_ACQUIRE) || !machine_cpu_is_idle(thread->cpu))
        mmk_cpu_relax();
}

/* => the caller is no CPU, or lies between machine_idle_begin() and end */
static inline void cpu_join(struct cpu_thread *thread)
{
    pthread_join(thread->thread, NULL);
}

/* On CPUs 0 to cpus - 1, all from the same moment, until all are done. => the caller is no CPU */
static inline void run_cpus(unsigned cpus, void (*function)(unsigned cpu, void *argument),
                            void *argument)
{
    struct cpu_thread threads[MMK_MAX_CPUS];
    pthread_barrier_t start;
    unsigned cpu;

    pthread_barrier_init(&start, NULL, cpus);
    for (cpu = 0; cpu < cpus; cpu++)
        cpu_start_at(&threads[cpu], &start, cpu, function, argument);
    for (cpu = 0; cpu < cpus; cpu++)
        cpu_join(&threads[cpu]);
    pthread_barrier_destroy(&start);
}

#endif
