/* SPDX-License-Identifier: MIT */
/*
 * work.h - a part of the work: some runs of a scenario, in a process of its own. If one of them
 * fails, or ends the process, what is known of it is still there, as this memory is shared.
 */
#ifndef SIMULATE_WORK_H
#define SIMULATE_WORK_H

#include "corpus.h"
#include "scenario.h"
#include "strategy.h"

enum { WORK_NAME = 64, WORK_FAILURE = 512, WORK_DEVIATIONS = 1 << 17, WORK_STORY = 1 << 16 };

enum work_kind {
    WORK_RUN,
    WORK_RETELL, /* a run's deviations, again; the story of that */
    WORK_REDUCE, /* likewise, with as few of them as it takes to fail */
};

struct work {
    /* what to do */
    enum work_kind kind;
    char scenario[WORK_NAME];
    enum mmk_mistake planted;
    uint64_t first_seed;
    uint64_t runs; /* at most */
    struct strategy
        strategy; /* kind, weak, depth, bound; what else there is belongs to the worker */

    /* what has been done, at any moment */
    uint64_t seed; /* of the run under way; the strategy then, in words */
    char strategy_name[STRATEGY_TEXT];
    uint64_t schedules, steps;
    /* At which another CPU could have gone on: most in a run; EXHAUSTIVE: in the plain run. */
    uint64_t points;
    uint64_t hash; /* of all runs, in whatever order */
    bool exhausted;
    uint32_t tries; /* REDUCE */
    size_t fitting; /* RETELL: of the deviations, those before the first that changed nothing */

    /* the run that failed; or the one under way */
    bool failed;
    char failure[WORK_FAILURE];
    uint64_t step;
    char story[WORK_STORY]; /* lines, to be printed */
    size_t deviations;
    struct deviation list[WORK_DEVIATIONS];
};

/* Does it: in a worker. => back, with `failed` or not, unless a run ends the process */
void work_perform(struct work *work);

/* After the process's end: the run that was under way is where it failed, with this text. */
void work_died(struct work *work, const char *text);

#endif
