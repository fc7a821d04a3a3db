/* SPDX-License-Identifier: MIT */
/* report.c - see report.h. */
#include "report.h"

#include "arguments.h"
#include "deviations.h"
#include "json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    size_t scenarios, failures, pairs, pairs_exhausted;
    uint64_t schedules, steps;
};

static bool is_pair(const struct subject *subject)
{
    return strncmp(subject->scenario->name, "pair.", 5) == 0;
}

static struct totals add_up(const struct plan *plan)
{
    struct totals totals = {.scenarios = plan->count};
    size_t i;

    for (i = 0; i < plan->count; i++) {
        const struct subject *subject = &plan->subjects[i];

        totals.schedules += subject->sum.schedules;
        totals.steps += subject->sum.steps;
        totals.failures += subject->sum.failure != NULL;
        totals.pairs += is_pair(subject);
        totals.pairs_exhausted += is_pair(subject) && subject->sum.exhausted;
    }
    return totals;
}

void report_list(FILE *stream)
{
    static const char *const formats[] = {
        [ON_TINY] = "tiny", [ON_FULL] = "full", [ON_BOTH] = "both"};
    const struct scenario *list, *scenario;
    unsigned number;

    for (number = 0; (list = scenario_list(number)) != NULL; number++)
        for (scenario = list; scenario->name; scenario++)
            if (!scenario->hidden)
                fprintf(stream, "%-32s %u CPUs, %s: %s\n", scenario->name, scenario->cpus,
                        formats[scenario->formats], scenario->what);
}

/* ---- while it goes --------------------------------------------------------------------------- */

void report_begin(FILE *stream)
{
    fprintf(stream, "%-32s %-13s %10s %9s %7s\n", "scenario", "format", "schedules", "steps each",
            "points");
}

void report_subject(FILE *stream, const struct subject *subject)
{
    const struct part *sum = &subject->sum;
    uint64_t whole = sum->schedules - (sum->failure != NULL);

    char format[32];

    snprintf(format, sizeof(format), "%s%s", subject->format, subject->weak ? "/weak" : "");
    fprintf(stream, "%-32s %-13s %10" PRIu64 " %10.1f %7" PRIu64 "%s\n", subject->scenario->name,
            format, sum->schedules, whole > 0 ? (double)sum->steps / (double)whole : 0, sum->points,
            sum->failure     ? "  FAILED"
            : sum->exhausted ? "  exhausted"
                             : "");
    fflush(stream);
}

void report_hash(FILE *stream, const struct subject *subject)
{
    fprintf(stream, "%s %s %016" PRIx64 "\n", subject->scenario->name, subject->format,
            subject->sum.hash);
}

static void print_command(FILE *stream, const struct subject *subject, uint64_t seed)
{
    fprintf(stream, "mmkit simulate --scenario %s --format %s%s --seed %" PRIu64,
            subject->scenario->name, subject->format, subject->weak ? " --memory weak" : "", seed);
    if (subject->mistake)
        fprintf(stream, " --plant %s", subject->mistake->name);
}

void report_mistake(FILE *stream, const struct subject *subject)
{
    const struct part *sum = &subject->sum;

    fprintf(stream, "%-24s %-22s %10" PRIu64 "  %s\n", subject->mistake->name,
            subject->scenario->name, sum->schedules,
            sum->failure ? sum->failure->text : "NOT FOUND");
    fflush(stream);
}

static void print_replay(FILE *stream, const struct subject *subject, const struct work *work)
{
    const struct deviations run = {(struct deviation *)work->list, work->deviations, 0};

    print_command(stream, subject, work->seed);
    fputs(" --replay ", stream);
    deviations_print(stream, &run);
}

static void print_again(FILE *stream, const struct subject *subject)
{
    const struct failure *failure = subject->sum.failure;

    print_command(stream, subject, failure->seed);
    if (strncmp(failure->strategy, "exhaustive", 10) == 0) {
        fputs(" --replay ", stream); /* its seed does not tell one run from another */
        deviations_print(stream, &failure->run);
    } else {
        fprintf(stream, " --strategy %s --runs 1", failure->strategy);
    }
}

void report_failure(FILE *stream, const struct subject *subject, const struct work *reduced)
{
    const struct failure *failure = subject->sum.failure;

    fprintf(stream,
            "FAILED %s, format %s%s, seed %" PRIu64 ", strategy %s, step %" PRIu64
            ": %s\n  again:    ",
            subject->scenario->name, subject->format, subject->weak ? ", memory weak" : "",
            failure->seed, failure->strategy, failure->step, failure->text);
    print_again(stream, subject);
    if (!reduced->failed) {
        fprintf(stream, "\n  IT DOES NOT FAIL AGAIN: something is left to chance\n");
        return;
    }
    fputs("\n  smallest: ", stream);
    print_replay(stream, subject, reduced);
    fprintf(stream, "\n  (%zu of %zu deviations from the plain run, found in %u tries)\n%s",
            reduced->deviations, failure->run.count, reduced->tries, reduced->story);
    fprintf(stream, "    step %" PRIu64 ": %s\n", reduced->step, reduced->failure);
}

void report_replay(FILE *stream, const struct work *work, const char *format)
{
    fprintf(stream, "%s, format %s, seed %" PRIu64 ":\n%s    step %" PRIu64 ": %s\n",
            work->scenario, format, work->seed, work->story, work->step,
            work->failed ? work->failure : "the end; nothing failed");
}

/* ---- at the end ------------------------------------------------------------------------------ */

static double per_second(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

int report_end(FILE *stream, const struct plan *plan, double seconds)
{
    struct totals totals = add_up(plan);

    fprintf(stream,
            "%zu scenarios, %" PRIu64 " schedules, %" PRIu64 " steps in %.1f s (%.0f "
            "schedules a second), %zu failures\n",
            totals.scenarios, totals.schedules, totals.steps, seconds,
            per_second(totals.schedules, seconds), totals.failures);
    if (plan->strategy.kind == STRATEGY_EXHAUSTIVE && totals.pairs > 0)
        fprintf(stream, "%zu of %zu pairs exhausted\n", totals.pairs_exhausted, totals.pairs);
    return totals.failures > 0 ? STATUS_FAULT : 0;
}

static size_t found(const struct plan *plan)
{
    size_t count = 0, i;

    for (i = 0; i < plan->count; i++)
        count += plan->subjects[i].sum.failure != NULL;
    return count;
}

int report_corpus_end(FILE *stream, const struct plan *plan, double seconds)
{
    struct totals totals = add_up(plan);

    fprintf(stream, "%zu mistakes planted, %zu found, in %" PRIu64 " schedules and %.1f s\n",
            plan->count, found(plan), totals.schedules, seconds);
    return found(plan) < plan->count ? STATUS_FAULT : 0;
}

static void write_corpus(struct json *json, const struct plan *plan)
{
    json_object(json, "corpus");
    json_unsigned(json, "planted", plan->count);
    json_unsigned(json, "found", found(plan));
    json_close(json, '}');
}

char *report_command(const struct subject *subject, const struct work *reduced)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    if (reduced)
        print_replay(stream, subject, reduced);
    else
        print_again(stream, subject);
    fclose(stream);
    return text;
}

static void write_failure(struct json *json, const struct subject *subject)
{
    const struct failure *failure = subject->sum.failure;
    char *again = report_command(subject, NULL);

    json_object(json, "failure");
    json_unsigned(json, "seed", failure->seed);
    json_string(json, "strategy", failure->strategy);
    json_unsigned(json, "step", failure->step);
    json_string(json, "what", failure->text);
    if (again)
        json_string(json, "again", again);
    if (failure->smallest)
        json_string(json, "smallest", failure->smallest);
    json_close(json, '}');
    free(again);
}

static void write_subject(struct json *json, const struct subject *subject)
{
    const struct part *sum = &subject->sum;
    char hash[17];

    snprintf(hash, sizeof(hash), "%016" PRIx64, sum->hash);
    json_object(json, NULL);
    json_string(json, "scenario", subject->scenario->name);
    json_string(json, "format", subject->format);
    json_string(json, "memory", subject->weak ? "weak" : "sc");
    if (subject->mistake)
        json_string(json, "planted", subject->mistake->name);
    json_unsigned(json, "schedules", sum->schedules);
    json_unsigned(json, "steps", sum->steps);
    json_unsigned(json, "points", sum->points);
    json_unsigned(json, "exhausted", sum->exhausted);
    json_string(json, "hash", hash);
    if (sum->failure)
        write_failure(json, subject);
    json_close(json, '}');
}

void report_json(FILE *stream, const struct plan *plan, double seconds)
{
    static const char *const memories[] = {
        [MEMORY_SC] = "sc", [MEMORY_WEAK] = "weak", [MEMORY_BOTH] = "both"};
    struct totals totals = add_up(plan);
    char name[STRATEGY_TEXT];
    struct json json;
    size_t i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_string(&json, "strategy", plan->mixed ? "mixed" : strategy_name(&plan->strategy, name));
    json_string(&json, "memory", memories[plan->memory]);
    json_unsigned(&json, "seed", plan->seed);
    json_unsigned(&json, "scenarios", totals.scenarios);
    json_unsigned(&json, "schedules", totals.schedules);
    json_unsigned(&json, "steps", totals.steps);
    json_real(&json, "seconds", seconds);
    json_real(&json, "schedules_per_second", per_second(totals.schedules, seconds));
    json_unsigned(&json, "failures", plan->corpus ? 0 : totals.failures);
    if (plan->corpus)
        write_corpus(&json, plan);
    json_unsigned(&json, "pairs_total", totals.pairs);
    json_unsigned(&json, "pairs_exhausted", totals.pairs_exhausted);
    json_array(&json, "results");
    for (i = 0; i < plan->count; i++)
        write_subject(&json, &plan->subjects[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    json_end(&json);
}

void report_orders(FILE *stream, const struct orders *orders, double seconds)
{
    struct json json;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_string(&json, "memory", "weak");
    json_real(&json, "seconds", seconds);
    json_object(&json, "orders");
    json_unsigned(&json, "mutants", orders->mutants);
    json_unsigned(&json, "killed", orders->killed);
    json_unsigned(&json, "justified", orders->justified);
    json_close(&json, '}');
    json_close(&json, '}');
    json_end(&json);
}
