/* SPDX-License-Identifier: MIT */
/* run.c - see run.h. */
#include "run.h"

#include "world.h"

#include <stdio.h>
#include <unistd.h>

enum { MOST_STEPS = 100000 };

struct fibers_outcome run_once(const struct scenario *scenario, uint64_t seed,
                               struct strategy *strategy)
{
    const struct fibers_program program = {
        .cpus = scenario->cpus,
        .body = scenario->body,
        .most_steps = scenario->most_steps ? scenario->most_steps : MOST_STEPS,
        .inject = scenario->inject,
        .exact_faults = scenario->exact_faults,
        .weak = strategy->weak,
        .weak_programs = scenario->weak_programs,
    };
    struct fibers_outcome outcome;

    strategy->independent = scenario->independent;
    strategy_begin(strategy, seed);
    if (!fibers_prepare(strategy->weak) || !world_start(scenario, seed)) {
        fputs("no memory for a machine\n", stderr);
        _exit(2); /* nothing that the scenario did */
    }
    outcome = fibers_run(&program, &strategy->chooser);
    if (!outcome.failure)
        world_stop(scenario);
    return outcome;
}
