/* SPDX-License-Identifier: MIT */
/*
 * rounds.h - how a stress runs: its threads do operations in rounds, each of which ends in a
 * barrier. Then one thread checks all invariants and counts, with nothing running.
 *
 *     stress_NAME [SECONDS | OPERATIONSops [SEED]]
 *
 * Exit status 0: nothing found, and as many operations done as were asked for, counted over all
 * threads; otherwise 1, or an abort.
 *
 * At the end nothing may be left: no address space, no object, no table, nothing committed, and as
 * many free frames as before.
 */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "stress.h"

#include <mmkit/stats.h>

/* A stress. Those of its functions that are marked may be NULL. */
struct program {
    const char *name;
    unsigned round; /* operations */
    /* Before there is a machine. May be NULL. */
    void (*configure)(struct mmk_config *config);
    /* Before the threads and after them, alone, on a CPU that is in no address space. */
    void (*build)(void);
    void (*take_down)(void);
    /* In each thread, first and last. => on a CPU. The last may be NULL */
    void (*enter)(void);
    void (*leave)(void);
    /* An operation; what is done once at the end of a round. The latter may be NULL. */
    void (*operate)(void);
    void (*settle)(void);
    /* Between rounds, in one thread: passes each address space that there is to check_mm(). */
    void (*quiet)(void);
    /* Ends the line that says how many operations there were. May be NULL. */
    void (*report)(void);
};

/* How long it is to run: at least so many. */
struct length {
    unsigned seconds;
    uint64_t ops;
};

static struct {
    const struct program *program;
    pthread_barrier_t barrier;
    struct length length;
    double end;
    bool stop;               /* changes at quiet points */
    uint64_t spaces, tables; /* that check_mm() found since the last quiet point */
    struct round_thread {
        pthread_t thread;
        unsigned id;
        uint64_t ops; /* as of the last quiet point */
    } threads[THREADS];
} rounds;

/* => nothing else runs */
static uint64_t all_ops(void)
{
    uint64_t ops = 0;
    unsigned i;

    for (i = 0; i < THREADS; i++)
        ops += rounds.threads[i].ops;
    return ops;
}

/* Until all threads are here. => the caller is a CPU */
static void meet(void)
{
    machine_idle_begin();
    pthread_barrier_wait(&rounds.barrier);
    machine_idle_end();
}

/* => nothing else runs */
static void check_mm(struct mmk_mm *mm)
{
    struct mmk_mm_stats stats;
    unsigned level;

    mmk_check(mm);
    mmk_mm_stats(mm, &stats);
    for (level = 0; level < MMK_STATS_LEVELS; level++)
        rounds.tables += stats.tables[level];
    rounds.spaces++;
}

static void check_round(void)
{
    struct mmk_stats stats;

    rounds.spaces = rounds.tables = 0;
    rounds.program->quiet();
    mmk_host_rcu_barrier(); /* callbacks use the allocator, too */
    mmk_check_frames();
    mmk_stats_read(&stats);
    check(stats.address_spaces == rounds.spaces);
    check(stats.tables_linked == rounds.tables);
    check(stats.tables_waiting == 0);
}

static void one_round(void)
{
    const struct program *program = rounds.program;
    unsigned i;

    for (i = 0; i < program->round; i++) {
        stress.ops++;
        program->operate();
    }
    if (program->settle)
        program->settle();
    rounds.threads[stress.thread].ops = stress.ops;
    meet();
    if (stress.thread == 0) {
        check_round();
        stress_goes_on();
        rounds.stop = now() > rounds.end && all_ops() >= rounds.length.ops;
    }
    meet();
}

static void *run(void *argument)
{
    struct round_thread *thread = argument;

    stress_thread_begin(thread->id);
    machine_cpu_attach(thread->id);
    rounds.program->enter();
    while (!rounds.stop)
        one_round();
    if (rounds.program->leave)
        rounds.program->leave();
    machine_cpu_detach();
    stress_thread_end();
    return NULL;
}

static void run_threads(void)
{
    unsigned i;

    pthread_barrier_init(&rounds.barrier, NULL, THREADS);
    rounds.end = now() + rounds.length.seconds;
    for (i = 0; i < THREADS; i++) {
        struct round_thread *thread = &rounds.threads[i];

        thread->id = i;
        check(pthread_create(&thread->thread, NULL, run, thread) == 0);
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(rounds.threads[i].thread, NULL);
    pthread_barrier_destroy(&rounds.barrier);
}

/* As it was before build(). => the caller is a CPU */
static void check_nothing_left(const struct mmk_stats *before)
{
    struct mmk_stats after;

    mmk_drain();
    mmk_check_frames();
    mmk_stats_read(&after);
    check(after.address_spaces == 0 && after.objects == 0 && after.tables_linked == 0);
    check(after.committed == 0 && after.groups == 0);
    check(after.frames_free == before->frames_free);
}

static void report(void)
{
    uint64_t ops = all_ops();

    check(ops >= rounds.length.ops);
    printf("stress %s: %llu operations on %d CPUs, ", rounds.program->name, (unsigned long long)ops,
           THREADS);
    if (rounds.program->report)
        rounds.program->report();
    printf("nothing found\n");
}

static struct length parse_length(const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    bool ops = strcmp(end, "ops") == 0;

    if (end == text || (*end != '\0' && !ops) || (!ops && number > UINT_MAX)) {
        fprintf(stderr, "%s: expected seconds, or a number of operations, as 1000ops\n", text);
        exit(2);
    }
    return ops ? (struct length){.ops = number} : (struct length){.seconds = (unsigned)number};
}

static int stress_main(int argc, char **argv, const struct program *program)
{
    struct machine_config config = {.memory = MEMORY, .cpus = THREADS, .mmkit = MMK_CONFIG_DEFAULT};
    const char *length = argc > 1 ? argv[1] : "5";
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    struct mmk_stats before;

    rounds.length = parse_length(length);
    printf("stress %s: %s%s, seed %llu\n", program->name, length,
           rounds.length.seconds > 0 ? " seconds" : "", (unsigned long long)seed);
    fflush(stdout);
    stress_begin(seed);
    if (program->configure)
        program->configure(&config.mmkit);
    check(machine_create(&config) == 0);
    rounds.program = program;
    machine_cpu_attach(0);
    mmk_stats_read(&before);
    program->build();
    machine_cpu_detach();
    run_threads();
    machine_cpu_attach(0);
    program->take_down();
    check_nothing_left(&before);
    machine_cpu_detach();
    machine_destroy();
    report();
    return 0;
}

#endif
