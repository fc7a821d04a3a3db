/* SPDX-License-Identifier: MIT */
/*
 * reduce.c - see reduce.h.
 *
 * By ddmin over the list of deviations (ddmin.h). Each try is a child's. Steps shift when something
 * is left out, so that later deviations may come at another moment: what counts is whether the run
 * fails. Of a run that does, the deviations that took effect are kept.
 */
#include "reduce.h"

#include "child.h"
#include "ddmin.h"
#include "run.h"
#include "story.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_TRIES = 4000 };

/* Shared with the child that tries. */
struct attempt {
    bool failed;
    char failure[WORK_FAILURE];
    bool weak;                /* memory */
    struct strategy strategy; /* its step */
    struct story story;
    struct deviation list[WORK_DEVIATIONS]; /* that took effect */
};

static struct attempt *attempt;
static struct child child;

static void attempt_here(const struct scenario *scenario, uint64_t seed,
                         const struct deviations *list, bool with_story)
{
    struct fibers_outcome outcome;

    attempt->strategy.kind = STRATEGY_REPLAY;
    attempt->strategy.replay = *list;
    attempt->strategy.run = (struct deviations){attempt->list, 0, WORK_DEVIATIONS};
    if (with_story)
        story_record(&attempt->story, &attempt->strategy);
    outcome = run_once(scenario, seed, &attempt->strategy);
    attempt->failed = outcome.failure != NULL;
    if (outcome.failure)
        snprintf(attempt->failure, sizeof(attempt->failure), "%s", outcome.failure);
}

/* One run, by a child: *attempt says how it went. */
static void try(const struct scenario *scenario, uint64_t seed, const struct deviations *list,
                bool with_story)
{
    int status;

    attempt->failed = false;
    attempt->story.count = 0;
    attempt->strategy = (struct strategy){.weak = attempt->weak};
    if (child_fork(&child) == 0) {
        alarm(CHILD_SILENCE);
        attempt_here(scenario, seed, list, with_story);
        _exit(0);
    }
    waitpid(child.pid, &status, 0);
    if (!child_ended_well(&child, status, attempt->failure, sizeof(attempt->failure)))
        attempt->failed = true;
}

struct reduction {
    struct ddmin list;
    struct work *work;
    const struct scenario *scenario;
};

static bool try_without(struct ddmin *ddmin, size_t start, size_t length)
{
    const struct reduction *reduction = (const struct reduction *)ddmin;
    static struct deviation rest[WORK_DEVIATIONS];
    struct work *work = reduction->work;
    struct deviations list = {rest, work->deviations - length, WORK_DEVIATIONS};

    memcpy(rest, work->list, start * sizeof(*rest));
    memcpy(rest + start, work->list + start + length, (list.count - start) * sizeof(*rest));
    try(reduction->scenario, work->seed, &list, false);
    if (!attempt->failed || !child_same_failure(attempt->failure, work->failure))
        return false;
    work->deviations = attempt->strategy.run.count;
    memcpy(work->list, attempt->list, work->deviations * sizeof(*rest));
    ddmin->count = work->deviations;
    return true;
}

/* When the list as it is fails at all. */
static void leave_out(struct work *work, const struct scenario *scenario)
{
    struct reduction reduction = {
        .list = {.count = work->deviations, .tries = 1, .most = MOST_TRIES, .without = try_without},
        .work = work,
        .scenario = scenario};

    if (try_without(&reduction.list, 0, 0))
        ddmin(&reduction.list);
    work->tries = reduction.list.tries;
}

/* Of the list that was tried, as many as took effect before one that did not. */
static size_t count_fitting(const struct deviations *list)
{
    const struct deviations *run = &attempt->strategy.run;
    size_t i = 0;

    while (i < list->count && i < run->count && attempt->list[i].step == list->list[i].step)
        i++;
    return i;
}

static void retell(struct work *work, const struct scenario *scenario)
{
    struct deviations list = {work->list, work->deviations, WORK_DEVIATIONS};

    story_prepare();
    try(scenario, work->seed, &list, true);
    work->fitting = count_fitting(&list);
    work->failed = attempt->failed;
    work->step = attempt->strategy.chooser.step;
    snprintf(work->failure, sizeof(work->failure), "%s", attempt->failed ? attempt->failure : "");
    story_tell(&attempt->story, work->story, sizeof(work->story));
    if (attempt->failed)
        child_show_messages(&child);
}

void reduce(struct work *work, const struct scenario *scenario)
{
    attempt = child_shared_memory(sizeof(*attempt));
    attempt->weak = work->strategy.weak;
    work->tries = 0;
    if (work->kind == WORK_REDUCE && strcmp(work->failure, CHILD_HANGS) != 0)
        leave_out(work, scenario);
    retell(work, scenario);
}
