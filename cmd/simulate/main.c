/* SPDX-License-Identifier: MIT */
/* main.c - runs one scenario by one strategy, and counts. */
#include "strategy.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    struct strategy s = {.kind = STRATEGY_RANDOM, .depth = 3, .bound = 2};
    uint64_t runs = argc > 3 ? strtoull(argv[3], NULL, 0) : 10000, i, steps = 0;
    const struct scenario *scenario = scenarios_basic;
    struct fibers_outcome outcome;
    bool more = true;
    uint64_t points = 0, hash = 0;
    double t = now();

    if (argc > 1)
        scenario = scenario_find(argv[1]);
    if (!scenario)
        return 2;
    if (argc > 2)
        s.kind = (enum strategy_kind)atoi(argv[2]);
    for (i = 1; i <= runs && more; i++) {
        struct fibers_program program = {scenario->cpus, scenario->body, 100000, scenario->inject};

        strategy_begin(&s, i);
        if (!world_start(scenario, i))
            return 3;
        outcome = fibers_run(&program, &s.chooser);
        if (outcome.failure) {
            printf("run %lu: %s\n", (unsigned long)i, outcome.failure);
            return 1;
        }
        steps += outcome.steps;
        points = outcome.points > points ? outcome.points : points;
        hash = hash * 31 + outcome.trace;
        world_stop(scenario);
        if (s.kind == STRATEGY_EXHAUSTIVE) {
            if (outcome.more_shared)
                strategy_restart(&s);
            else
                more = strategy_next(&s);
        }
    }
    t = now() - t;
    printf("%s: %lu runs, %.1f steps, %lu points, %.0f runs/s, hash %lx\n", scenario->name,
           (unsigned long)i - 1, (double)steps / (double)(i - 1), (unsigned long)points,
           (double)(i - 1) / t, (unsigned long)hash);
    return 0;
}
