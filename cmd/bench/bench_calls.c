/* SPDX-License-Identifier: MIT */
/*
 * bench_calls.c - `mmkit bench fork', dontneed, map, touch: rounds of a group's cases, each on
 * Linux and then on mmkit, on one CPU. Linux's side is a process beside this one (partner.h).
 */
#include "bench_calls.h"

#include "calls.h"
#include "figure.h"
#include "host_alloc.h"
#include "json.h"
#include "partner.h"
#include "results.h"
#include "shared_options.h"
#include "usage.h"

#include <error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { KEY_ROUNDS = 0x100, KEY_HUGE };

enum { ROUNDS = 25, CASES_MAX = 16 };

/* Of all cases, by round. */
struct times {
    double linux_side[CASES_MAX][FIGURE_ROUNDS_MAX], mmkit_side[CASES_MAX][FIGURE_ROUNDS_MAX];
    double trap_ns[FIGURE_ROUNDS_MAX], call_ns[FIGURE_ROUNDS_MAX], clear_ns[FIGURE_ROUNDS_MAX];
};

static struct {
    const struct call_group *group;
    const char *json;
    unsigned rounds;
    struct times *times;
    struct figure figures[CASES_MAX];
    double trap_ns, call_ns, clear_ns; /* medians */
    char kernel[80];
} own = {.rounds = ROUNDS};

/* --- what cases share ------------------------------------------------------------------------ */

uint64_t calls_start(const struct side *side)
{
    return side->base() + SIDE_UPPER;
}

bool calls_map_fresh(const struct side *side, uint64_t length)
{
    return side->map(calls_start(side), length, CALLS_READ_WRITE, CALLS_ANONYMOUS) >= 0;
}

bool calls_write(const struct side *side, uint64_t addr, uint64_t length)
{
    uint64_t end = addr + length;

    for (; addr < end; addr += SIDE_PAGE)
        if (!side->store(addr))
            return false;
    return true;
}

bool calls_map_written(const struct side *side, uint64_t length)
{
    return calls_map_fresh(side, length) && calls_write(side, calls_start(side), length);
}

/* An odd factor goes through them all. */
uint64_t calls_shuffled(uint64_t number, uint64_t count)
{
    return (number * 2654435761u + 12345) & (count - 1);
}

/* --- rounds ---------------------------------------------------------------------------------- */

static double run_mmkit(const struct call_case *wanted)
{
    double ns = -1;

    if (side_mmkit.open()) {
        ns = wanted->run(&side_mmkit, wanted->parameter);
        side_mmkit.close();
    }
    return ns;
}

/* A page that was cleared long ago. */
static double measure_clear(void)
{
    static char memory[CALLS_PAGES / 4][SIDE_PAGE];
    double start = figure_now();
    unsigned i;

    for (i = 0; i < CALLS_PAGES / 4; i++) {
        memset(memory[i], 0, SIDE_PAGE);
        __asm__ volatile("" : : "r"(memory[i]) : "memory"); /* somebody may read it */
    }
    return (figure_now() - start) / (CALLS_PAGES / 4);
}

/* Of what takes off something else a round may well answer less than nothing. */
static bool failed(double ns)
{
    return ns == -1;
}

static void run_round(unsigned round)
{
    const struct call_group *group = own.group;
    struct times *times = own.times;
    unsigned i;

    for (i = 0; i < group->count; i++) {
        times->linux_side[i][round] = partner_run(i);
        if (failed(times->linux_side[i][round])) {
            partner_end();
            bad_usage("%s: fails on Linux", group->cases[i].name);
        }
        times->mmkit_side[i][round] = run_mmkit(&group->cases[i]);
        if (failed(times->mmkit_side[i][round]))
            bad_usage("%s: fails on mmkit", group->cases[i].name);
    }
    partner_traps(&times->trap_ns[round], &times->call_ns[round]);
    times->clear_ns[round] = measure_clear();
}

/* The first round, which touches everything for the first time, does not count. */
static void run_rounds(void)
{
    unsigned round;

    run_round(0);
    for (round = 0; round < own.rounds; round++)
        run_round(round);
}

static void measure(void)
{
    struct side_config config = {.region = 16 * SIDE_UPPER,
                                 .object = own.group->object,
                                 .memory = own.group->memory,
                                 .cpus = 1,
                                 .huge = own.group->huge ? MMK_HUGE_MADVISE : MMK_HUGE_NEVER};
    cpu_set_t before, here;

    figure_stay_here(&before);
    (void)sched_getaffinity(0, sizeof(here), &here);
    if (!partner_start(own.group, &config))
        exit(STATUS_BAD_USAGE);
    (void)sched_setaffinity(0, sizeof(before), &before); /* the machine's own threads do not stay */
    if (!side_mmkit.begin(&config))
        exit(STATUS_BAD_USAGE);
    (void)sched_setaffinity(0, sizeof(here), &here);
    run_rounds();
    (void)sched_setaffinity(0, sizeof(before), &before);
    side_mmkit.end();
    partner_end();
}

static void sum_up(void)
{
    const struct call_case *cases = own.group->cases;
    unsigned i;

    for (i = 0; i < own.group->count; i++) {
        own.figures[i] =
            (struct figure){.name = cases[i].name, .what = cases[i].what, .unit = cases[i].unit};
        figure_sum_up(&own.figures[i], own.times->linux_side[i], own.times->mmkit_side[i],
                      own.rounds);
    }
    own.trap_ns = figure_median(own.times->trap_ns, own.rounds);
    own.call_ns = figure_median(own.times->call_ns, own.rounds);
    own.clear_ns = figure_median(own.times->clear_ns, own.rounds);
}

/* --- what is said ---------------------------------------------------------------------------- */

static void print(FILE *stream)
{
    unsigned i;

    fprintf(stream,
            "Linux %s beside mmkit, %u rounds in turn: medians; ratio with 95 %% bounds\n\n"
            "%-47s%10s%10s%9s\n",
            own.kernel, own.rounds, "", "Linux", "mmkit", "ratio");
    for (i = 0; i < own.group->count; i++) {
        fprintf(stream, "%-11s", own.figures[i].unit);
        figure_print(stream, &own.figures[i]);
    }
    fprintf(stream, "\n%s", own.group->notes);
    fprintf(stream,
            "A fault of a program costs Linux %.0f ns beside its work, for the trap, and a call "
            "%.0f ns; they\nare in its figures. mmkit's are functions, and its MMU is software: "
            "a walk of the tables, a TLB.\nTo clear a page takes %.0f ns here. CPU time; %s.\n%s",
            own.trap_ns, own.call_ns, own.clear_ns,
            own.group->huge ? "huge pages where they are asked for" : "no huge pages",
            figure_lock_note);
}

static void write_json(FILE *stream)
{
    struct json json;
    unsigned i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_string(&json, "bench", own.group->name);
    json_string(&json, "kernel", own.kernel);
    json_real(&json, "trap_ns", own.trap_ns);
    json_real(&json, "call_ns", own.call_ns);
    json_real(&json, "clear_ns", own.clear_ns);
    json_array(&json, "results");
    for (i = 0; i < own.group->count; i++)
        figure_json(&json, &own.figures[i], own.rounds);
    json_close(&json, ']');
    json_close(&json, '}');
    json_end(&json);
}

/* --- the command ----------------------------------------------------------------------------- */

static int run(void)
{
    struct utsname name;
    FILE *json;

    if (!side_fits())
        bad_usage("this page-table format is too small");
    if (uname(&name) == 0)
        snprintf(own.kernel, sizeof(own.kernel), "%s", name.release);
    if (!results_open_json(own.json, &json))
        return STATUS_BAD_USAGE;
    own.times = host_alloc(1, sizeof(*own.times));
    measure();
    sum_up();
    free(own.times);
    print(json == stdout ? stderr : stdout);
    if (json != NULL)
        write_json(json);
    return results_close_json(own.json, json) ? 0 : STATUS_BAD_USAGE;
}

static const struct argp_option option_list[] = {
    {"rounds", KEY_ROUNDS, "N", 0, "How often (default: 25; at most 101)", 0},
    SHARED_OPTIONS,
    {0},
};

static const struct argp_option touch_options[] = {
    {"huge", KEY_HUGE, NULL, 0, "Of huge pages: what 2 MiB cost", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "How often (default: 25; at most 101)", 0},
    SHARED_OPTIONS,
    {0},
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    if (key == KEY_HUGE) {
        own.group = &calls_huge;
        return 0;
    }
    if (key == KEY_ROUNDS) {
        own.rounds = (unsigned)usage_number("rounds", text, 1, FIGURE_ROUNDS_MAX);
        return 0;
    }
    return shared_option_only(key, text, state, &own.json) ? 0 : ARGP_ERR_UNKNOWN;
}

static int bench_calls(const struct call_group *group, int argc, char **argv)
{
    static char doc[512];
    const struct argp parser = {.options = group == &calls_touch ? touch_options : option_list,
                                .parser = parse_option,
                                .doc = doc};

    own.group = group;
    snprintf(doc, sizeof(doc),
             "Measure %s, on mmkit and on the Linux that it runs on, in turn: the same calls on as "
             "many pages.\vExit status: 0 done; 2 bad usage, or results that could not be had or "
             "written.",
             group->summary);
    argp_parse(&parser, argc, argv, 0, NULL, NULL);
    return run();
}

int bench_fork(int argc, char **argv)
{
    return bench_calls(&calls_fork, argc, argv);
}

int bench_dontneed(int argc, char **argv)
{
    return bench_calls(&calls_dontneed, argc, argv);
}

int bench_map(int argc, char **argv)
{
    return bench_calls(&calls_map, argc, argv);
}

int bench_touch(int argc, char **argv)
{
    return bench_calls(&calls_touch, argc, argv);
}
