/* SPDX-License-Identifier: MIT */
/* main.c - `mmkit simulate`: which scenarios, by whom, and what came of it. */
#include "arguments.h"
#include "calls.h"
#include "clock.h"
#include "jobs.h"
#include "orders.h"
#include "report.h"
#include "results.h"
#include "sharing.h"

#include <errno.h>
#include <error.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUNS = 10000, CORPUS_RUNS = 200000, RUNS_MAX = 1000000000 };

static FILE *out; /* for people */

/* ---- which scenarios ------------------------------------------------------------------------- */

static bool is_for(const struct scenario *scenario, const char *format)
{
    bool tiny = strcmp(format, "tiny") == 0;

    return scenario->formats == ON_BOTH || tiny == (scenario->formats == ON_TINY);
}

static bool is_asked_for(const struct arguments *arguments, const struct scenario *scenario,
                         const char *format)
{
    if (arguments->format && strcmp(arguments->format, format) != 0)
        return false;
    if (!is_for(scenario, format))
        return false;
    if (strcmp(arguments->scenario, "all") == 0)
        return !scenario->hidden;
    if (strcmp(arguments->scenario, scenario->name) == 0)
        return true;
    return !scenario->hidden && fnmatch(arguments->scenario, scenario->name, 0) == 0;
}

static void add(struct plan *plan, const struct scenario *scenario, const struct mistake *mistake,
                const char *format, bool weak)
{
    /* Twice as many places when all are used: a sanitizer's realloc() copies each time. */
    if ((plan->count & (plan->count - 1)) == 0) {
        plan->subjects =
            realloc(plan->subjects, (plan->count ? 2 * plan->count : 1) * sizeof(*plan->subjects));
        if (!plan->subjects)
            error(STATUS_BAD_USAGE, 0, "no memory");
    }
    plan->subjects[plan->count++] =
        (struct subject){.scenario = scenario, .mistake = mistake, .format = format, .weak = weak};
}

static void select_formats(struct plan *plan, const struct arguments *arguments,
                           const struct scenario *scenario)
{
    const char *const *format;

    for (format = jobs_formats; *format; format++) {
        if (!is_asked_for(arguments, scenario, *format))
            continue;
        add(plan, scenario, arguments->plant, *format, plan->memory == MEMORY_WEAK);
        if (plan->memory == MEMORY_BOTH && !scenario_is_costly(scenario))
            add(plan, scenario, arguments->plant, *format, true);
    }
}

/* => NULL: in none that there is */
static const char *format_of(const struct mistake *mistake)
{
    const char *family = corpus_family(mistake), *const *format = jobs_formats;

    if (!family)
        return "tiny";
    while (*format && strncmp(*format, family, strlen(family)) != 0)
        format++;
    return *format;
}

static void select_mistakes(struct plan *plan)
{
    const struct mistake *mistake;
    const struct scenario *scenario;
    const char *format;

    for (mistake = corpus; mistake->name; mistake++) {
        format = format_of(mistake);
        if (!format)
            continue;
        scenario = scenario_find(mistake->scenario);
        if (!scenario)
            error(STATUS_BAD_USAGE, 0, "%s: no such scenario", mistake->scenario);
        add(plan, scenario, mistake, format, plan->memory == MEMORY_WEAK);
    }
}

static void select_scenarios(struct plan *plan, const struct arguments *arguments)
{
    const struct scenario *list, *scenario;
    unsigned number;

    for (number = 0; (list = scenario_list(number)) != NULL; number++)
        for (scenario = list; scenario->name; scenario++)
            select_formats(plan, arguments, scenario);
    scenario = calls_scenario(arguments->scenario); /* any bytes are one: not in the lists */
    if (scenario)
        select_formats(plan, arguments, scenario);
    if (plan->count == 0)
        bad_usage("--scenario %s: no such scenario%s; see --list", arguments->scenario,
                  arguments->format ? " in this format" : "");
}

/* A scenario counts as one, in however many formats it is. */
static bool is_next(const struct subject *before, const struct subject *subject)
{
    return before->scenario != subject->scenario || before->mistake != subject->mistake;
}

static void keep_part(struct plan *plan, const struct arguments *arguments)
{
    size_t i, number = 0, kept = 0;

    for (i = 0; i < plan->count; i++) {
        if (i > 0 && is_next(&plan->subjects[i - 1], &plan->subjects[i]))
            number++;
        if (number % arguments->parts == arguments->part)
            plan->subjects[kept++] = plan->subjects[i];
    }
    plan->count = kept;
}

static void check_format(const char *name)
{
    const char *const *format;

    for (format = jobs_formats; *format; format++)
        if (strcmp(*format, name) == 0)
            return;
    bad_usage("--format %s: expected %s%s%s", name, jobs_formats[0], jobs_formats[1] ? " or " : "",
              jobs_formats[1] ? jobs_formats[1] : "");
}

/* Both, where nothing in particular is asked for, and a sample is to be had of all that there is.
 */
static enum memory choose_memory(const struct arguments *arguments)
{
    bool sample = strcmp(arguments->scenario, "all") == 0 && !arguments->corpus && !arguments->hash;

    if (arguments->weak)
        return MEMORY_WEAK;
    if (arguments->sc || !sample || arguments->strategy.kind == STRATEGY_EXHAUSTIVE)
        return MEMORY_SC;
    return MEMORY_BOTH;
}

/* Random runs are cut into parts ahead; more would take years. */
static void check_runs(const struct plan *plan)
{
    if (plan->strategy.kind != STRATEGY_EXHAUSTIVE && plan->runs > RUNS_MAX)
        bad_usage("--runs %" PRIu64 ": expected at most %u, but for exhaustive:B", plan->runs,
                  (unsigned)RUNS_MAX);
}

static void make_plan(struct plan *plan, const struct arguments *arguments)
{
    bool exhaustive = arguments->strategy.kind == STRATEGY_EXHAUSTIVE;
    size_t i;

    if (arguments->format)
        check_format(arguments->format);
    *plan = (struct plan){.strategy = arguments->strategy,
                          .memory = choose_memory(arguments),
                          .mixed = !arguments->strategy_given,
                          .seed = arguments->seed,
                          .runs = arguments->runs,
                          .jobs = arguments->jobs,
                          .progress = isatty(STDERR_FILENO) != 0,
                          .corpus = arguments->corpus};
    if (plan->runs == 0)
        plan->runs = exhaustive ? UINT64_MAX : arguments->corpus ? CORPUS_RUNS : RUNS;
    check_runs(plan);
    if (arguments->corpus)
        select_mistakes(plan);
    else
        select_scenarios(plan, arguments);
    keep_part(plan, arguments);
    for (i = 0; i < plan->count; i++)
        jobs_check_program(plan->subjects[i].format, plan->subjects[i].weak);
}

/* ---- running them ---------------------------------------------------------------------------- */

static void tell_failure(const struct subject *subject)
{
    struct failure *failure = subject->sum.failure;
    struct work *work = jobs_new_work();

    work->kind = WORK_REDUCE;
    work->strategy.weak = subject->weak;
    strcpy(work->scenario, subject->scenario->name);
    work->planted = subject->mistake ? subject->mistake->planted : MMK_MISTAKE_NONE;
    strcpy(work->failure, failure->text);
    work->seed = failure->seed;
    work->deviations = failure->run.count;
    memcpy(work->list, failure->run.list, failure->run.count * sizeof(*work->list));
    jobs_retell(work, subject->format);
    report_failure(out, subject, work);
    if (work->failed)
        failure->smallest = report_command(subject, work);
    jobs_free_work(work);
}

static void tell(const struct plan *plan, const struct subject *subject)
{
    (void)plan;
    report_subject(out, subject);
    if (subject->sum.failure)
        tell_failure(subject);
}

static void tell_hash(const struct plan *plan, const struct subject *subject)
{
    (void)plan;
    report_hash(out, subject);
    if (subject->sum.failure)
        tell_failure(subject);
}

static void tell_mistake(const struct plan *plan, const struct subject *subject)
{
    (void)plan;
    report_mistake(out, subject);
}

static int search_corpus(struct plan *plan, FILE *json)
{
    double start = clock_seconds(), seconds;
    int status;

    jobs_run(plan, tell_mistake);
    seconds = clock_seconds() - start;
    status = report_corpus_end(out, plan, seconds);
    if (json)
        report_json(json, plan, seconds);
    return status;
}

static int run_all(const struct arguments *arguments, struct plan *plan, FILE *json)
{
    double start = clock_seconds(), seconds;
    int status;

    if (!arguments->hash)
        report_begin(out);
    jobs_run(plan, arguments->hash ? tell_hash : tell);
    seconds = clock_seconds() - start;
    status = report_end(arguments->hash ? stderr : out, plan, seconds);
    if (json)
        report_json(json, plan, seconds);
    return status;
}

static void check_replay(const struct arguments *arguments, const struct plan *plan)
{
    if (plan->count != 1)
        bad_usage("--replay: expected one --scenario, in one --format");
    if (arguments->deviations.count > WORK_DEVIATIONS)
        bad_usage("--replay: expected at most %d steps", WORK_DEVIATIONS);
}

/* A run that fails may do so before the rest of the list. */
static void check_replayed(const struct work *work)
{
    const struct deviation *next = &work->list[work->fitting];

    if (!work->failed && work->fitting < work->deviations)
        bad_usage("--replay %" PRIu32 ":%" PRIu32
                  ": that step has no such choice: another scenario, seed or program?",
                  next->step, next->answer);
}

static int replay(const struct arguments *arguments, const struct plan *plan)
{
    const struct subject *subject = plan->subjects;
    struct work *work = jobs_new_work();
    int status;

    work->kind = WORK_RETELL;
    work->strategy.weak = subject->weak;
    strcpy(work->scenario, subject->scenario->name);
    work->planted = subject->mistake ? subject->mistake->planted : MMK_MISTAKE_NONE;
    work->seed = arguments->seed;
    work->deviations = arguments->deviations.count;
    memcpy(work->list, arguments->deviations.list, work->deviations * sizeof(*work->list));
    jobs_retell(work, subject->format);
    check_replayed(work);
    report_replay(out, work, subject->format);
    status = work->failed ? STATUS_FAULT : 0;
    jobs_free_work(work);
    return status;
}

/* => the exit status */
static int mutate_orders(const struct arguments *arguments, FILE *json)
{
    double start = clock_seconds();
    struct orders orders = orders_run(out, arguments);

    if (json)
        report_orders(json, &orders, clock_seconds() - start);
    return orders.killed + orders.justified < orders.mutants ? STATUS_FAULT : 0;
}

static int tell_sharing(const struct arguments *arguments, FILE *json)
{
    double start = clock_seconds();
    struct sharing sharing = sharing_run(arguments);

    sharing_tell(out, &sharing);
    if (json)
        sharing_write(json, &sharing, clock_seconds() - start);
    free(sharing.results);
    return 0;
}

static int run(const struct arguments *arguments, struct plan *plan)
{
    FILE *json;
    int status;

    if (!results_open_json(arguments->json, &json))
        return STATUS_BAD_USAGE;
    out = json == stdout ? stderr : stdout;
    if (arguments->mutate_orders)
        status = mutate_orders(arguments, json);
    else if (arguments->sharing)
        status = tell_sharing(arguments, json);
    else if (arguments->corpus)
        status = search_corpus(plan, json);
    else
        status = arguments->replay ? replay(arguments, plan) : run_all(arguments, plan, json);
    return results_close_json(arguments->json, json) ? status : STATUS_BAD_USAGE;
}

int main(int argc, char **argv)
{
    static char name[] = "mmkit simulate";
    struct arguments arguments;
    struct plan plan = {0};
    int status;

    program_invocation_name = name;
    argv[0] = name;
    arguments_parse(&arguments, argc, argv);
    if (arguments.worker >= 0)
        jobs_be_worker(arguments.worker);
    results_check_stdout(STATUS_BAD_USAGE);
    if (arguments.list) {
        report_list(stdout);
        return 0;
    }
    if (arguments.mutate_orders || arguments.sharing)
        jobs_become_weak("tiny", argv);
    else
        make_plan(&plan, &arguments);
    if (arguments.replay)
        check_replay(&arguments, &plan);
    status = run(&arguments, &plan);
    jobs_free_plan(&plan);
    free(arguments.deviations.list);
    return status;
}
