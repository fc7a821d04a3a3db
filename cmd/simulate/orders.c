/* SPDX-License-Identifier: MIT */
/*
 * orders.c - see orders.h.
 *
 * A mutant is one place that names an order, and a weaker one in its stead. Each has a process of
 * its own, which searches in rounds: few runs of everything, then more. It is killed by the first
 * run that fails, or by ending the process otherwise. What kills it follows from the sources and
 * the compiler alone: nothing here looks at a clock.
 *
 * One that nothing kills is either justified (orders_justified.c), or an order too strong, or the
 * kernel that needs it is missing.
 */
#include "orders.h"

#include "child.h"
#include "litmus.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT = 512 };

enum group { KERNELS, RULES, REST };

/* Of each scenario of a group, by each strategy. */
struct round {
    enum group group;
    uint64_t runs;
};

static const struct round rounds[] = {
    {KERNELS, 40}, {RULES, 40}, {KERNELS, 400}, {RULES, 100}, {KERNELS, 1500},
};

/* Shared with the process that searches. */
struct verdict {
    bool killed;
    char scenario[64];
    char strategy[STRATEGY_TEXT];
    uint64_t schedules;
    char failure[TEXT];
};

struct search {
    const struct fibers_mutant *mutant;
    struct verdict *verdict;
    struct child child;
    bool over;
};

/* ---- one mutant, in its process -------------------------------------------------------------- */

static void run_one(struct verdict *verdict, const struct scenario *scenario, uint64_t seed,
                    struct strategy *strategy, struct fibers_outcome *outcome)
{
    verdict->schedules++;
    *outcome = run_once(scenario, seed, strategy);
    if (!outcome->failure)
        return;
    snprintf(verdict->failure, sizeof(verdict->failure), "%s", outcome->failure);
    verdict->killed = true;
    _exit(0);
}

static void run_some(struct verdict *verdict, const struct scenario *scenario,
                     struct strategy strategy, uint64_t runs)
{
    struct fibers_outcome outcome;
    char name[STRATEGY_TEXT];
    bool more = true;
    uint64_t seed;

    snprintf(verdict->scenario, sizeof(verdict->scenario), "%s", scenario->name);
    snprintf(verdict->strategy, sizeof(verdict->strategy), "%s", strategy_name(&strategy, name));
    fibers_forget_shared();
    for (seed = 1; seed <= runs && more; seed++) {
        run_one(verdict, scenario, seed, &strategy, &outcome);
        if (strategy.kind != STRATEGY_EXHAUSTIVE)
            continue;
        if (outcome.more_shared)
            strategy_restart(&strategy);
        else
            more = strategy_next(&strategy);
    }
    strategy_free(&strategy);
}

static void run_each_way(struct verdict *verdict, const struct scenario *scenario, uint64_t runs)
{
    const struct strategy random = {.kind = STRATEGY_RANDOM, .weak = true};
    const struct strategy pct = {.kind = STRATEGY_PCT, .weak = true, .depth = 3, .length = 200};
    const struct strategy all = {.kind = STRATEGY_EXHAUSTIVE, .weak = true, .bound = 2};

    run_some(verdict, scenario, random, runs);
    run_some(verdict, scenario, pct, runs);
    run_some(verdict, scenario, all, runs);
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* Pairs and the larger programs take long, and find late what a kernel finds at once. */
static enum group group_of(const struct scenario *scenario)
{
    if (begins(scenario->name, "kernel."))
        return KERNELS;
    return begins(scenario->name, "pair.") || begins(scenario->name, "large.") ? REST : RULES;
}

static void search_group(struct verdict *verdict, const struct round *round)
{
    const struct scenario *scenario;
    unsigned i;

    for (i = 0; (scenario = scenario_list(i)) != NULL; i++)
        for (; scenario->name; scenario++)
            if (!scenario->hidden && scenario->formats != ON_FULL &&
                group_of(scenario) == round->group)
                run_each_way(verdict, scenario, round->runs);
}

static void search_all(const struct search *search)
{
    size_t i;

    fibers_plant(search->mutant);
    for (i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++)
        search_group(search->verdict, &rounds[i]);
    _exit(0);
}

/* ---- what came of it ------------------------------------------------------------------------- */

static const struct justified *justification(const struct fibers_mutant *mutant)
{
    const struct justified *just;

    for (just = orders_justified; just->file; just++)
        if (strcmp(just->file, mutant->file) == 0 && strcmp(just->word, mutant->word) == 0 &&
            just->op == mutant->op && just->order == mutant->order &&
            just->weaker == mutant->weaker && litmus_shows_gap(just->litmus))
            return just;
    return NULL;
}

static const char *order_name(int order)
{
    switch (order) {
    case MMK_RELAXED:
        return "relaxed";
    case MMK_ACQUIRE:
        return "acquire";
    case MMK_RELEASE:
        return "release";
    case MMK_ACQ_REL:
        return "acq_rel";
    default:
        return "full barrier";
    }
}

static void print_mutant(FILE *out, const struct fibers_mutant *mutant)
{
    static const char *const names[] = {"load",     "store",     "xchg",
                                        "cmpxchg",  "fetch_add", "fetch_sub",
                                        "fetch_or", "fetch_and", "barrier"};

    fprintf(out, "%s:%u: %s(%s), %s to %s: ", mutant->file, mutant->line, names[mutant->op],
            mutant->word, order_name(mutant->order), order_name(mutant->weaker));
}

static void tell(FILE *out, const struct search *search, struct orders *sum)
{
    const struct verdict *verdict = search->verdict;
    const struct justified *just = justification(search->mutant);

    print_mutant(out, search->mutant);
    if (verdict->killed)
        fprintf(out, "killed by %s, %s, schedule %lu: %s\n", verdict->scenario, verdict->strategy,
                (unsigned long)verdict->schedules, verdict->failure);
    else if (just)
        fprintf(out, "justified by \"%s\": %s\n", just->litmus, just->why);
    else
        fprintf(out, "SURVIVES %lu schedules\n", (unsigned long)verdict->schedules);
    fflush(out);
    sum->mutants++;
    sum->killed += verdict->killed;
    sum->justified += !verdict->killed && just;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void start(struct search *search)
{
    search->verdict = child_shared_memory(sizeof(*search->verdict));
    if (child_fork(&search->child) == 0)
        search_all(search);
}

static void end(struct search *search, int status)
{
    struct verdict *verdict = search->verdict;

    if (!child_ended_well(&search->child, status, verdict->failure, sizeof(verdict->failure)))
        verdict->killed = true;
    close(search->child.messages);
    search->over = true;
}

static void wait_for_one(struct search *searches, unsigned count)
{
    unsigned i = 0;
    int status;
    pid_t pid = wait(&status);

    while (i < count && (searches[i].over || searches[i].child.pid != pid))
        i++;
    if (i < count)
        end(&searches[i], status);
}

struct orders orders_run(FILE *out, unsigned jobs)
{
    const struct fibers_mutant *list;
    struct orders sum = {0, 0, 0};
    unsigned count = fibers_mutants(&list), started = 0, running = 0, told = 0;
    struct search *searches = calloc(count, sizeof(*searches)), plain = {.mutant = NULL};

    if (!searches)
        abort();
    start(&plain); /* what fails without a mutant would count as killing them all */
    wait_for_one(&plain, 1);
    if (plain.verdict->killed) {
        fprintf(out, "without a mutant %s fails: %s\n", plain.verdict->scenario,
                plain.verdict->failure);
        sum.mutants = count;
        count = 0;
    }
    while (told < count) {
        if (started < count && running < jobs) {
            searches[started].mutant = &list[started];
            start(&searches[started++]);
            running++;
            continue;
        }
        wait_for_one(searches, started);
        running--;
        for (; told < started && searches[told].over; told++)
            tell(out, &searches[told], &sum);
    }
    free(searches);
    fprintf(out, "%u orders made weaker: %u killed, %u justified, %u survive\n", sum.mutants,
            sum.killed, sum.justified, sum.mutants - sum.killed - sum.justified);
    return sum;
}
