/* SPDX-License-Identifier: MIT */
/*
 * work.c - see work.h.
 *
 * A run follows from its own seed: PCT has to know how long runs are, and measures that in runs of
 * its own first, which are the same in each process.
 */
#include "work.h"

#include "reduce.h"
#include "run.h"

#include <error.h>
#include <stdio.h>
#include <stdlib.h>

enum { PILOT_RUNS = 8, STATUS_NO_MEANS = 2 };

static void note_failure(struct work *work, const char *text)
{
    work->failed = true;
    snprintf(work->failure, sizeof(work->failure), "%s", text);
    work->step = work->strategy.chooser.step;
    work->deviations = work->strategy.run.count;
}

void work_died(struct work *work, const char *text)
{
    if (!work->failed)
        note_failure(work, text);
}

/* => false: it failed */
static bool run_seed(struct work *work, const struct scenario *scenario, uint64_t seed,
                     struct fibers_outcome *outcome)
{
    work->seed = seed;
    *outcome = run_once(scenario, seed, &work->strategy);
    if (outcome->failure)
        note_failure(work, outcome->failure);
    return !outcome->failure;
}

/* splitmix64's finalizer: sums of these tell sets apart. */
static uint64_t hash_of(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void count(struct work *work, const struct fibers_outcome *outcome)
{
    work->schedules++;
    work->steps += outcome->steps;
    if (outcome->points > work->points)
        work->points = outcome->points;
    work->hash += hash_of(outcome->trace + work->seed);
}

static void set_name(struct work *work)
{
    char text[STRATEGY_TEXT];

    snprintf(work->strategy_name, sizeof(work->strategy_name), "%s",
             strategy_name(&work->strategy, text));
}

/* How many points a run has. => false: one failed */
static bool measure(struct work *work, const struct scenario *scenario)
{
    unsigned depth = work->strategy.depth;
    struct fibers_outcome outcome;
    uint64_t longest = 0, i;

    work->strategy.depth = 1; /* no drops, whose place would depend on what is to be known */
    set_name(work);
    for (i = 1; i <= PILOT_RUNS; i++) {
        if (!run_seed(work, scenario, i, &outcome))
            return false;
        if (work->strategy.points > longest)
            longest = work->strategy.points;
    }
    work->strategy.depth = depth;
    work->strategy.length = longest;
    return true;
}

static void run_seeds(struct work *work, const struct scenario *scenario)
{
    struct fibers_outcome outcome;
    uint64_t i;

    for (i = 0; i < work->runs; i++) {
        if (!run_seed(work, scenario, work->first_seed + i, &outcome))
            return;
        count(work, &outcome);
    }
}

/* From the start again when words turn out to be shared: before, too few switches were tried. */
static void run_all_paths(struct work *work, const struct scenario *scenario)
{
    struct fibers_outcome outcome;
    uint64_t i, points = 0;
    bool plain = true;

    for (i = 0; i < work->runs && !work->exhausted; i++) {
        if (!run_seed(work, scenario, work->first_seed, &outcome))
            return;
        count(work, &outcome);
        if (plain)
            points = outcome.points;
        work->points = points;
        plain = outcome.more_shared;
        if (outcome.more_shared)
            strategy_restart(&work->strategy);
        else
            work->exhausted = !strategy_next(&work->strategy);
    }
    if (work->exhausted && work->strategy.paths.reduced && work->strategy.bound > 0)
        work->points = work->strategy.paths.points;
}

void work_perform(struct work *work)
{
    const struct scenario *scenario = scenario_find(work->scenario);

    if (!scenario) /* the programs for the formats are of the same source, but may not be as new */
        error(STATUS_NO_MEANS, 0, "this program knows no scenario %s: rebuild it", work->scenario);
    mmk_planted = work->planted;
    if (work->kind != WORK_RUN) {
        reduce(work, scenario);
        return;
    }
    work->strategy.run.list = work->list;
    work->strategy.run.size = WORK_DEVIATIONS;
    if (work->strategy.kind == STRATEGY_PCT && !measure(work, scenario))
        return;
    set_name(work);
    if (work->strategy.kind == STRATEGY_EXHAUSTIVE)
        run_all_paths(work, scenario);
    else
        run_seeds(work, scenario);
}
