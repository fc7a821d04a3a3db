/* SPDX-License-Identifier: MIT */
/*
 * bench_faults.c - `mmkit bench faults': threads that fault at once, on Linux and on mmkit in turn.
 *
 * Measured is how long a page takes, by the clock, while all are at work; from that, round by
 * round, what a factor is between two cases: so many threads over one, one beside a thread that
 * maps over one that is alone, one address space over several.
 */
#include "bench_faults.h"

#include "calls.h"
#include "faults.h"
#include "figure.h"
#include "host_alloc.h"
#include "json.h"
#include "partner.h"
#include "results.h"
#include "shared_options.h"
#include "usage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { KEY_ROUNDS = 0x100, KEY_THREADS };

enum { ROUNDS = 21, CASES_MAX = 32, FACTORS_MAX = 32, TEXT = 48 };

/* What is divided: the first case's time by the other's, times `threads`. */
struct factor {
    char name[TEXT], what[TEXT];
    unsigned of, by, threads;
    struct figure figure;
    double low[2], high[2]; /* of each side's: Linux's, mmkit's */
};

static struct {
    const char *json;
    unsigned rounds, threads;
    struct call_group group;
    struct call_case cases[CASES_MAX];
    char name[CASES_MAX][TEXT], what[CASES_MAX][TEXT];
    struct figure figures[CASES_MAX];
    struct factor factors[FACTORS_MAX];
    unsigned factor_count;
    double (*times[2])[FIGURE_ROUNDS_MAX]; /* of each side, by case and round */
    char kernel[80];
} own = {.rounds = ROUNDS};

/* ---- what is measured -------------------------------------------------------------------------
 */

static const char *const where_names[] = {"areas", "parts", "turns", "spaces"};

static const char *const where_texts[] = {
    [FAULTS_AREAS] = "each in a mapping of its own",
    [FAULTS_PARTS] = "in parts of one mapping",
    [FAULTS_TURNS] = "in one, page by page in turn",
    [FAULTS_SPACES] = "each in an address space",
};

/* => its number */
static unsigned add_case(unsigned threads, enum faults_where where, bool mapping)
{
    unsigned i = own.group.count++;

    snprintf(own.name[i], TEXT, "%s-%u%s", where_names[where], threads, mapping ? "-mapping" : "");
    snprintf(own.what[i], TEXT, "%u: %s", threads,
             mapping ? "beside one that maps" : where_texts[where]);
    own.cases[i] = (struct call_case){.name = own.name[i],
                                      .what = own.what[i],
                                      .unit = "ns/page",
                                      .run = faults_run,
                                      .parameter = faults_parameter(threads, where, mapping)};
    return i;
}

static void add_factor(const char *name, const char *what, unsigned of, unsigned by,
                       unsigned threads)
{
    struct factor *factor = &own.factors[own.factor_count++];

    *factor = (struct factor){.of = of, .by = by, .threads = threads};
    snprintf(factor->name, TEXT, "%s", name);
    snprintf(factor->what, TEXT, "%s", what);
}

/* So many threads, over the one that is alone. */
static void add_threads(unsigned threads, unsigned alone)
{
    unsigned where, number, areas = 0;
    char name[TEXT], what[TEXT];

    for (where = FAULTS_AREAS; where <= FAULTS_TURNS; where++) {
        number = add_case(threads, (enum faults_where)where, false);
        areas = where == FAULTS_AREAS ? number : areas;
        snprintf(name, TEXT, "scaling-%s-%u", where_names[where], threads);
        snprintf(what, TEXT, "%u, %s", threads, where_texts[where]);
        add_factor(name, what, alone, number, threads);
    }
    number = add_case(threads, FAULTS_SPACES, false);
    snprintf(name, TEXT, "one-space-%u", threads);
    snprintf(what, TEXT, "%u in one address space, not in %u", threads, threads);
    add_factor(name, what, areas, number, 1);
}

static void plan(void)
{
    unsigned alone, beside, threads;

    own.group.cases = own.cases;
    alone = add_case(1, FAULTS_AREAS, false);
    beside = add_case(1, FAULTS_AREAS, true);
    add_factor("mapping-1", "1 beside one that maps", beside, alone, 1);
    for (threads = 2; threads < own.threads; threads *= 2)
        add_threads(threads, alone);
    if (own.threads > 1)
        add_threads(own.threads, alone);
}

/* ---- rounds -----------------------------------------------------------------------------------
 */

static double run_mmkit(unsigned number)
{
    double ns = -1;

    if (side_mmkit.open()) {
        ns = faults_run(&side_mmkit, own.cases[number].parameter);
        side_mmkit.close();
    }
    return ns;
}

static void run_round(unsigned round)
{
    unsigned i, side;

    for (i = 0; i < own.group.count; i++)
        for (side = 0; side < 2; side++) {
            own.times[side][i][round] = side == 0 ? partner_run(i) : run_mmkit(i);
            if (own.times[side][i][round] > 0)
                continue;
            partner_end();
            bad_usage("%s: fails on %s", own.name[i], side == 0 ? "Linux" : "mmkit");
        }
}

static void measure(void)
{
    struct side_config config = {
        .region = 16 * SIDE_UPPER, .memory = faults_memory(own.threads), .cpus = own.threads + 2};
    unsigned round;

    if (!partner_start(&own.group, &config) || !side_mmkit.begin(&config))
        exit(STATUS_BAD_USAGE);
    run_round(0); /* touches everything for the first time: does not count */
    for (round = 0; round < own.rounds; round++)
        run_round(round);
    side_mmkit.end();
    partner_end();
}

static void sum_up_factor(struct factor *factor)
{
    double values[2][FIGURE_ROUNDS_MAX], sorted[FIGURE_ROUNDS_MAX];
    unsigned side, i;

    factor->figure = (struct figure){.name = factor->name, .what = factor->what, .unit = "factor"};
    for (side = 0; side < 2; side++) {
        for (i = 0; i < own.rounds; i++)
            values[side][i] =
                factor->threads * own.times[side][factor->of][i] / own.times[side][factor->by][i];
        memcpy(sorted, values[side], sizeof(sorted));
        (void)figure_bounds(sorted, own.rounds, &factor->low[side], &factor->high[side]);
    }
    figure_sum_up(&factor->figure, values[0], values[1], own.rounds);
}

static void sum_up(void)
{
    unsigned i;

    for (i = 0; i < own.group.count; i++) {
        own.figures[i] =
            (struct figure){.name = own.name[i], .what = own.what[i], .unit = own.cases[i].unit};
        figure_sum_up(&own.figures[i], own.times[0][i], own.times[1][i], own.rounds);
    }
    for (i = 0; i < own.factor_count; i++)
        sum_up_factor(&own.factors[i]);
}

/* ---- what is said -----------------------------------------------------------------------------
 */

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > FAULTS_THREADS_MAX ? FAULTS_THREADS_MAX : (unsigned)count;
}

static void print_factor(FILE *stream, const struct factor *factor)
{
    const struct figure *figure = &factor->figure;

    fprintf(stream, "%-40s%5.2f  %.2f to %.2f   %5.2f  %.2f to %.2f\n", factor->what,
            figure->linux_side, factor->low[0], factor->high[0], figure->mmkit, factor->low[1],
            factor->high[1]);
}

/* Those that are better when they are larger, or the others. */
static void print_factors(FILE *stream, const char *title, bool faster)
{
    unsigned i, printed = 0;

    for (i = 0; i < own.factor_count; i++) {
        if ((own.factors[i].threads > 1) != faster)
            continue;
        if (printed++ == 0)
            fprintf(stream, "\n%-40s%-22s%s\n", title, "Linux", "mmkit");
        print_factor(stream, &own.factors[i]);
    }
}

static void print(FILE *stream)
{
    unsigned i;

    fprintf(stream,
            "Linux %s beside mmkit, %u rounds in turn: medians; ratio with 95 %% bounds\n\n"
            "ns a page, threads that fault at once%9s%10s%9s\n",
            own.kernel, own.rounds, "Linux", "mmkit", "ratio");
    for (i = 0; i < own.group.count; i++)
        figure_print(stream, &own.figures[i]);
    print_factors(stream, "times as fast as 1", true);
    print_factors(stream, "times as long", false);
    fprintf(
        stream,
        "\nBy the clock, from the first to start to the last to end, on %u processors; %u pages "
        "each, touched\nfor the first time, but for one of each mapping before. No huge "
        "pages. Linux's figures have traps in\nthem.\n%s",
        processors(), CALLS_PAGES - 1, figure_lock_note);
}

static void write_factor(struct json *json, const struct factor *factor)
{
    const struct figure *figure = &factor->figure;

    json_object(json, NULL);
    json_string(json, "name", factor->name);
    json_string(json, "unit", figure->unit);
    json_real(json, "mmkit", figure->mmkit);
    json_real(json, "mmkit_low", factor->low[1]);
    json_real(json, "mmkit_high", factor->high[1]);
    json_real(json, "linux", figure->linux_side);
    json_real(json, "linux_low", factor->low[0]);
    json_real(json, "linux_high", factor->high[0]);
    json_real(json, "ratio", figure->ratio);
    json_real(json, "ratio_low", figure->low);
    json_real(json, "ratio_high", figure->high);
    json_unsigned(json, "runs", own.rounds);
    json_close(json, '}');
}

static void write_json(FILE *stream)
{
    struct json json;
    unsigned i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_string(&json, "bench", "faults");
    json_string(&json, "kernel", own.kernel);
    json_unsigned(&json, "threads", own.threads);
    json_array(&json, "results");
    for (i = 0; i < own.group.count; i++)
        figure_json(&json, &own.figures[i], own.rounds);
    for (i = 0; i < own.factor_count; i++)
        write_factor(&json, &own.factors[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    json_end(&json);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static const struct argp_option option_list[] = {
    {"rounds", KEY_ROUNDS, "N", 0, "How often (default: 21; at most 101)", 0},
    {"threads", KEY_THREADS, "N", 0,
     "Up to so many at once (default: as many as there are processors; at most 12)", 0},
    SHARED_OPTIONS,
    {0},
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    switch (key) {
    case KEY_ROUNDS:
        own.rounds = (unsigned)usage_number("rounds", text, 1, FIGURE_ROUNDS_MAX);
        return 0;
    case KEY_THREADS:
        own.threads = (unsigned)usage_number("threads", text, 1, FAULTS_THREADS_MAX);
        return 0;
    default:
        return shared_option_only(key, text, state, &own.json) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Measure how threads fault that run at once, in one address space and in several, and "
           "beside one that maps and unmaps, on mmkit and on the Linux that it runs on, in turn."
           "\vExit status: 0 done; 2 bad usage, or results that could not be had or written.",
};

int bench_faults(int argc, char **argv)
{
    struct utsname name;
    FILE *json;

    own.threads = processors();
    argp_parse(&parser, argc, argv, 0, NULL, NULL);
    if (!side_fits())
        bad_usage("this page-table format is too small");
    if (uname(&name) == 0)
        snprintf(own.kernel, sizeof(own.kernel), "%s", name.release);
    if (!results_open_json(own.json, &json))
        return STATUS_BAD_USAGE;
    own.times[0] = host_alloc(CASES_MAX, sizeof(*own.times[0]));
    own.times[1] = host_alloc(CASES_MAX, sizeof(*own.times[1]));
    plan();
    measure();
    sum_up();
    free(own.times[0]);
    free(own.times[1]);
    print(json == stdout ? stderr : stdout);
    if (json != NULL)
        write_json(json);
    return results_close_json(own.json, json) ? 0 : STATUS_BAD_USAGE;
}
