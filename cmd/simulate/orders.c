/* SPDX-License-Identifier: MIT */
/*
 * orders.c - see orders.h.
 *
 * A mutant is one place that names an order, and a weaker one in its stead. Each has a process of
 * its own, which searches in rounds: few runs of everything, then more. It is killed by the first
 * run that fails, or by ending the process otherwise, when another process has seen the same runs
 * without the mutant pass. What kills it follows from the sources and the compiler alone: nothing
 * here looks at a clock.
 *
 * One that nothing kills is either justified (orders_justified.c), or an order too strong, or the
 * kernel that needs it is missing. What the search says of one that is justified fails nothing: a
 * part of the orders (--part) has the first rounds of these alone, all of them have every round.
 */
#include "orders.h"

#include "child.h"
#include "litmus.h"
#include "run.h"

#include <error.h>
#include <fnmatch.h>
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

enum { ROUNDS = sizeof(rounds) / sizeof(rounds[0]), ROUNDS_JUSTIFIED = 2 };

/* Shared with the process that searches, which has the same scenarios at the same addresses. */
struct verdict {
    bool killed;
    uint64_t schedules;
    char failure[TEXT];

    /* the last of them */
    const struct scenario *scenario;
    struct strategy strategy;
    uint64_t runs;
};

struct search {
    const struct fibers_mutant *mutant;
    struct verdict *verdict;
    struct verdict *without; /* the same runs without the mutant; NULL: not yet */
    struct child child;
    bool over;
};

static const char *wanted; /* scenarios; as --scenario says it */
static bool in_part;       /* not all orders */

/* ---- one mutant, in its process -------------------------------------------------------------- */

static struct fibers_outcome run_one(struct verdict *verdict, const struct scenario *scenario,
                                     uint64_t seed, struct strategy *strategy)
{
    struct fibers_outcome outcome;

    verdict->schedules++;
    verdict->runs++;
    outcome = run_once(scenario, seed, strategy);
    if (!outcome.failure)
        return outcome;
    snprintf(verdict->failure, sizeof(verdict->failure), "%s", outcome.failure);
    verdict->killed = true;
    _exit(0);
}

static void run_seeds(struct verdict *verdict, const struct scenario *scenario,
                      struct strategy *strategy, uint64_t runs)
{
    uint64_t seed;

    for (seed = 1; seed <= runs; seed++)
        run_one(verdict, scenario, seed, strategy);
}

/* Of one seed: another would make another tree of choices. */
static void run_paths(struct verdict *verdict, const struct scenario *scenario,
                      struct strategy *strategy, uint64_t runs)
{
    bool more = true;

    for (; runs > 0 && more; runs--) {
        if (run_one(verdict, scenario, 1, strategy).more_shared)
            strategy_restart(strategy);
        else
            more = strategy_next(strategy);
    }
}

static void run_some(struct verdict *verdict, const struct scenario *scenario,
                     struct strategy strategy, uint64_t runs)
{
    verdict->scenario = scenario;
    verdict->strategy = strategy;
    verdict->runs = 0;
    fibers_forget_shared();
    if (strategy.kind == STRATEGY_EXHAUSTIVE)
        run_paths(verdict, scenario, &strategy, runs);
    else
        run_seeds(verdict, scenario, &strategy, runs);
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

static bool is_wanted(const struct scenario *scenario)
{
    if (strcmp(wanted, "all") == 0)
        return !scenario->hidden;
    return strcmp(wanted, scenario->name) == 0 ||
           (!scenario->hidden && fnmatch(wanted, scenario->name, 0) == 0);
}

static bool is_any_wanted(void)
{
    const struct scenario *scenario;
    unsigned i;

    for (i = 0; (scenario = scenario_list(i)) != NULL; i++)
        for (; scenario->name; scenario++)
            if (is_wanted(scenario) && scenario->formats != ON_FULL && group_of(scenario) != REST)
                return true;
    return false;
}

static void search_group(struct verdict *verdict, const struct round *round)
{
    const struct scenario *scenario;
    unsigned i;

    for (i = 0; (scenario = scenario_list(i)) != NULL; i++)
        for (; scenario->name; scenario++)
            if (is_wanted(scenario) && scenario->formats != ON_FULL &&
                group_of(scenario) == round->group)
                run_each_way(verdict, scenario, round->runs);
}

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

static void search_all(const struct search *search)
{
    unsigned count = in_part && justification(search->mutant) ? ROUNDS_JUSTIFIED : ROUNDS, i;

    fibers_plant(search->mutant);
    for (i = 0; i < count; i++)
        search_group(search->verdict, &rounds[i]);
    _exit(0);
}

static void run_without(const struct search *search)
{
    const struct verdict *with = search->verdict;

    run_some(search->without, with->scenario, with->strategy, with->runs);
    _exit(0);
}

/* ---- what came of it ------------------------------------------------------------------------- */

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

static void tell_kill(FILE *out, const struct verdict *verdict)
{
    char name[STRATEGY_TEXT];

    fprintf(out, "killed by %s, %s, schedule %lu: %s\n", verdict->scenario->name,
            strategy_name(&verdict->strategy, name), (unsigned long)verdict->schedules,
            verdict->failure);
}

static void tell(FILE *out, const struct search *search, struct orders *sum)
{
    const struct verdict *verdict = search->verdict;
    const struct justified *just = justification(search->mutant);
    bool fails_anyhow = search->without && search->without->killed;

    print_mutant(out, search->mutant);
    if (fails_anyhow)
        fprintf(out, "WITHOUT IT, TOO, %s fails: %s\n", verdict->scenario->name,
                search->without->failure);
    else if (verdict->killed)
        tell_kill(out, verdict);
    else if (just)
        fprintf(out, "justified by \"%s\": %s\n", just->litmus, just->why);
    else
        fprintf(out, "SURVIVES %lu schedules\n", (unsigned long)verdict->schedules);
    fflush(out);
    sum->mutants++;
    sum->killed += verdict->killed && !fails_anyhow;
    sum->justified += !verdict->killed && just;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void start(struct search *search)
{
    search->verdict = child_shared_memory(sizeof(*search->verdict));
    if (child_fork(&search->child) == 0)
        search_all(search);
}

static void start_without(struct search *search)
{
    search->without = child_shared_memory(sizeof(*search->without));
    if (child_fork(&search->child) == 0)
        run_without(search);
}

static void end(struct search *search, int status)
{
    struct verdict *verdict = search->without ? search->without : search->verdict;

    if (!child_ended_well(&search->child, status, verdict->failure, sizeof(verdict->failure)))
        verdict->killed = true;
    if (verdict == search->verdict && verdict->killed) {
        start_without(search);
        return;
    }
    close(search->child.messages);
    search->over = true;
}

/* => how many are over: one, or none when it goes on without its mutant */
static unsigned wait_for_one(struct search *searches, unsigned count)
{
    unsigned i = 0;
    int status;
    pid_t pid = wait(&status);

    while (i < count && (searches[i].over || searches[i].child.pid != pid))
        i++;
    if (i == count)
        return 0;
    end(&searches[i], status);
    return searches[i].over;
}

/* => how many of them; the caller frees the list */
static unsigned select_mutants(struct search **searches_out, unsigned part, unsigned parts)
{
    const struct fibers_mutant *list;
    unsigned all = fibers_mutants(&list), count = 0, i;
    struct search *searches = calloc(all, sizeof(*searches));

    if (!searches)
        error(STATUS_BAD_USAGE, 0, "no memory");
    for (i = part; i < all; i += parts)
        searches[count++].mutant = &list[i];
    *searches_out = searches;
    return count;
}

struct orders orders_run(FILE *out, const struct arguments *arguments)
{
    struct search *searches;
    struct orders sum = {0, 0, 0};
    unsigned count, started = 0, running = 0, told = 0;

    wanted = arguments->scenario;
    in_part = arguments->parts > 1;
    if (!is_any_wanted())
        bad_usage("--scenario %s: no kernel and no rule in format tiny; see --list", wanted);
    count = select_mutants(&searches, arguments->part, arguments->parts);
    while (told < count) {
        if (started < count && running < arguments->jobs) {
            start(&searches[started++]);
            running++;
            continue;
        }
        running -= wait_for_one(searches, started);
        for (; told < started && searches[told].over; told++)
            tell(out, &searches[told], &sum);
    }
    free(searches);
    fprintf(out, "%u orders made weaker: %u killed, %u justified, %u survive\n", sum.mutants,
            sum.killed, sum.justified, sum.mutants - sum.killed - sum.justified);
    return sum;
}
