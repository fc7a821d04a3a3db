/* SPDX-License-Identifier: MIT */
/*
 * bench_tables.c - `mmkit bench tables`: what is left of page tables when memory has been given
 * back, in each way that there is, on Linux and on mmkit. Each is run by a process of its own: what
 * one leaves behind is not counted with the next.
 */
#include "bench_tables.h"

#include "child.h"
#include "figure.h"
#include "json.h"
#include "pattern.h"
#include "plot.h"
#include "results.h"
#include "shared_options.h"
#include "side.h"
#include "sparse.h"
#include "usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY_POLICY = 0x100, KEY_FACTOR, KEY_THREADS, KEY_PLOT, KEY_WRONG_AT };

enum { ROWS_MAX = 32, FACTOR = 1024, THREADS = 4 };

static const char *const policy_names[] = {
    [MMK_TABLES_MMKIT] = "mmkit",
    [MMK_TABLES_LINUX_618] = "linux-6.18",
    [MMK_TABLES_NEVER] = "never",
};

enum { POLICIES = sizeof(policy_names) / sizeof(policy_names[0]) };

/* What the processes answer. */
struct answers {
    struct pattern_result linux_side[ROWS_MAX], mmkit_side[ROWS_MAX];
    struct sparse_result linux_sparse, mmkit_sparse;
    double call_ns; /* of a system call on Linux that does nothing */
};

static struct {
    const char *json, *plot;
    enum mmk_table_policy policy;
    unsigned factor, threads; /* factor 0: leave that out */
    unsigned wrong_at;        /* a row; 0: none */
    struct sparse sparse;
    struct answers *answers;
    char kernel[80];
} own = {.factor = FACTOR, .threads = THREADS};

/* --- running --------------------------------------------------------------------------------- */

/* What is to run in a process of its own: a row, or else the sparse case. */
struct job {
    const struct pattern *pattern;
    const struct side *side;
};

static bool run_job(const struct job *job)
{
    struct answers *answers = own.answers;
    bool ours = job->side == &side_mmkit;
    struct pattern_result *result;

    if (job->pattern == NULL)
        return sparse_run(&own.sparse, job->side, own.policy,
                          ours ? &answers->mmkit_sparse : &answers->linux_sparse);
    result = ours ? answers->mmkit_side : answers->linux_side;
    return pattern_run(job->pattern, job->side, own.policy, &result[job->pattern - table_patterns]);
}

/* => 0, or the exit status, after a message: mmkit's faults are its own */
static int in_a_process(const struct pattern *pattern, const struct side *side)
{
    static struct child child;
    struct job job = {pattern, side};
    char text[512];
    int status;

    if (child_fork(&child) == 0)
        _exit(run_job(&job) ? 0 : STATUS_BAD_USAGE);
    if (waitpid(child.pid, &status, 0) != child.pid)
        bad_usage("lost a process");
    if (child_ended_well(&child, status, text, sizeof(text)))
        return 0;
    fprintf(stderr, "%s\n", text);
    child_show_messages(&child);
    return child_lacked_means(status) || side == &side_linux ? STATUS_BAD_USAGE : STATUS_FAULT;
}

static int run_all(void)
{
    unsigned i;
    int status = 0;

    for (i = 0; i < table_pattern_count && status == 0; i++) {
        status = in_a_process(&table_patterns[i], &side_linux);
        if (status == 0)
            status = in_a_process(&table_patterns[i], &side_mmkit);
    }
    if (own.factor == 0 || status != 0)
        return status;
    status = in_a_process(NULL, &side_linux);
    return status != 0 ? status : in_a_process(NULL, &side_mmkit);
}

/* --- judging --------------------------------------------------------------------------------- */

static bool at_minimum(const struct pattern_result *result)
{
    return result->skipped[0] == '\0' && result->after == result->least;
}

static unsigned rows_at_minimum(const struct pattern_result results[])
{
    unsigned i, count = 0;

    for (i = 0; i < table_pattern_count; i++)
        count += at_minimum(&results[i]);
    return count;
}

/* Not run on both. */
static unsigned rows_skipped(void)
{
    unsigned i, count = 0;

    for (i = 0; i < table_pattern_count; i++)
        count += own.answers->linux_side[i].skipped[0] || own.answers->mmkit_side[i].skipped[0];
    return count;
}

/* Other policies are not expected to free everything. */
static int judge(void)
{
    if (own.policy != MMK_TABLES_MMKIT)
        return 0;
    if (rows_at_minimum(own.answers->mmkit_side) != table_pattern_count)
        return STATUS_FAULT;
    if (own.factor > 0 && own.answers->mmkit_sparse.end != own.answers->mmkit_sparse.least_at_end)
        return STATUS_FAULT;
    return 0;
}

/* --- what is said ---------------------------------------------------------------------------- */

static void print_half(FILE *stream, const struct pattern_result *result)
{
    if (result->skipped[0])
        fprintf(stream, "%21s", "- ");
    else
        fprintf(stream, "%8" PRIu64 "%6" PRIu64 "%6" PRIu64 "%s", result->before >> 10,
                result->after >> 10, result->least >> 10, at_minimum(result) ? " " : "*");
}

static void print_time(FILE *stream, const struct pattern_result *result)
{
    if (result->skipped[0])
        fprintf(stream, "%9s", "-");
    else
        fprintf(stream, "%9.2f", result->call_ns / 1000);
}

static void print_row(FILE *stream, unsigned i)
{
    const struct pattern_result *theirs = &own.answers->linux_side[i];
    const struct pattern_result *ours = &own.answers->mmkit_side[i];

    fprintf(stream, "%2u %-35s", table_patterns[i].row, table_patterns[i].what);
    print_half(stream, theirs);
    print_half(stream, ours);
    fprintf(stream, "%6" PRIu64, ours->calls);
    print_time(stream, theirs);
    print_time(stream, ours);
    putc('\n', stream);
}

static void print_skipped(FILE *stream, const struct pattern_result results[], const char *side)
{
    unsigned i;

    for (i = 0; i < table_pattern_count; i++)
        if (results[i].skipped[0])
            fprintf(stream, "Row %u is not run on %s: %s.\n", table_patterns[i].row, side,
                    results[i].skipped);
}

static void print_rows(FILE *stream)
{
    unsigned i;

    fprintf(stream,
            "Page tables in KiB when memory has been given back, by how it was: Linux %s\nbeside "
            "mmkit (policy %s). Each touches four pages in each of 512 leaf tables, but 12 and "
            "13.\n\n%-38s%14s%21s%31s\n%-38s",
            own.kernel, policy_names[own.policy], "", "Linux", "mmkit", "us a call", "");
    for (i = 0; i < 2; i++)
        fprintf(stream, "%8s%6s%6s ", "before", "after", "least");
    fprintf(stream, "%6s%9s%9s\n", "calls", "Linux", "mmkit");
    for (i = 0; i < table_pattern_count; i++)
        print_row(stream, i);
    fprintf(stream,
            "\n*: more than the least that what remains mapped needs, beside the process's own: "
            "%u of %u rows on\nLinux, %u on mmkit.\n",
            table_pattern_count - rows_skipped() - rows_at_minimum(own.answers->linux_side),
            table_pattern_count - rows_skipped(),
            table_pattern_count - rows_at_minimum(own.answers->mmkit_side));
    print_skipped(stream, own.answers->linux_side, "Linux");
    print_skipped(stream, own.answers->mmkit_side, "mmkit");
    fprintf(stream,
            "Linux counts all of a process but the root (VmPTE), mmkit one root, and nothing but "
            "the region.\nCPU time. Of each call on Linux %.2f us are the way into the kernel and "
            "back; mmkit's is a function's.\n%s",
            own.answers->call_ns / 1000, figure_lock_note);
}

static double mebi(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void print_sparse_side(FILE *stream, const char *name, const struct sparse_result *result)
{
    fprintf(stream, "%-8s%12.2f%12.2f%12.2f%12.2f%12.2f\n", name, mebi(result->peak),
            mebi(result->least_at_peak), mebi(result->end), mebi(result->least_at_end),
            result->seconds);
}

static void print_sparse(FILE *stream)
{
    const struct answers *answers = own.answers;
    uint64_t stay = own.sparse.resident / SIDE_PAGE;
    unsigned mark;

    fprintf(stream,
            "\nA server with 55 TiB mapped, 590 GiB resident, 110 GiB of page tables, of which 1.2 "
            "would do; here\n1:%u, %.1f GiB mapped: %u threads touch %" PRIu64
            " pages that stay (%.1f MiB), and %" PRIu64
            " that are given\nback, page by page, all in random order. Page tables in MiB:\n\n"
            "%-8s%12s%12s%12s%12s%12s\n",
            own.factor, mebi(own.sparse.mapped) / 1024, own.sparse.threads, stay,
            mebi(own.sparse.resident), own.sparse.touches - stay, "", "peak", "least then",
            "at the end", "least then", "seconds");
    print_sparse_side(stream, "Linux", &answers->linux_sparse);
    print_sparse_side(stream, "mmkit", &answers->mmkit_sparse);
    fprintf(stream, "\n%-8s", "done");
    for (mark = 0; mark <= SPARSE_MARKS; mark += 10)
        fprintf(stream, "%7u%%", mark);
    fprintf(stream, "\n%-8s", "Linux");
    for (mark = 0; mark <= SPARSE_MARKS; mark += 10)
        fprintf(stream, "%8.2f", mebi(answers->linux_sparse.tables[mark]));
    fprintf(stream, "\n%-8s", "mmkit");
    for (mark = 0; mark <= SPARSE_MARKS; mark += 10)
        fprintf(stream, "%8.2f", mebi(answers->mmkit_sparse.tables[mark]));
    fprintf(stream,
            "\n\nBeside running threads \"least then\" is an upper bound, which the peak may lie "
            "below; at the end it\nis exact.\n"
            "Beside these at most %.2f MiB of mmkit's waited for a grace period; at most %.2f MiB "
            "were both.\n",
            mebi(answers->mmkit_sparse.waiting_peak), mebi(answers->mmkit_sparse.both_peak));
}

/* A side that has not run has no figures. */
static void write_half(struct json *json, const char *names[], const struct pattern_result *result)
{
    if (result->skipped[0])
        return;
    json_unsigned(json, names[0], result->before);
    json_unsigned(json, names[1], result->after);
    json_unsigned(json, names[2], result->least);
    json_real(json, names[3], result->call_ns);
}

static void write_row(struct json *json, unsigned i)
{
    static const char *linux_names[] = {"linux_before", "linux_after", "linux_least", "linux_ns"};
    static const char *mmkit_names[] = {"mmkit_before", "mmkit_after", "least", "mmkit_ns"};
    const struct pattern_result *ours = &own.answers->mmkit_side[i];

    json_object(json, NULL);
    json_unsigned(json, "row", table_patterns[i].row);
    json_string(json, "pattern", table_patterns[i].what);
    write_half(json, linux_names, &own.answers->linux_side[i]);
    write_half(json, mmkit_names, ours);
    json_unsigned(json, "calls", ours->calls);
    json_close(json, '}');
}

static void write_sparse_side(struct json *json, const char *name,
                              const struct sparse_result *result)
{
    json_object(json, name);
    json_unsigned(json, "peak_bytes", result->peak);
    json_unsigned(json, "least_at_peak_bytes", result->least_at_peak);
    json_unsigned(json, "end_bytes", result->end);
    json_unsigned(json, "least_at_end_bytes", result->least_at_end);
    json_unsigned(json, "waiting_peak_bytes", result->waiting_peak);
    json_unsigned(json, "both_peak_bytes", result->both_peak);
    json_real(json, "seconds", result->seconds);
    json_close(json, '}');
}

static void write_sparse(struct json *json)
{
    const struct answers *answers = own.answers;
    unsigned mark;

    json_object(json, "sparse");
    json_unsigned(json, "factor", own.factor);
    json_unsigned(json, "threads", own.sparse.threads);
    json_unsigned(json, "mapped_bytes", own.sparse.mapped);
    json_unsigned(json, "resident_bytes", own.sparse.resident);
    json_unsigned(json, "touches", own.sparse.touches);
    write_sparse_side(json, "linux", &answers->linux_sparse);
    write_sparse_side(json, "mmkit", &answers->mmkit_sparse);
    json_array(json, "samples");
    for (mark = 0; mark <= SPARSE_MARKS; mark++) {
        json_object(json, NULL);
        json_unsigned(json, "percent", mark);
        json_unsigned(json, "linux", answers->linux_sparse.tables[mark]);
        json_unsigned(json, "mmkit", answers->mmkit_sparse.tables[mark]);
        json_unsigned(json, "least", answers->mmkit_sparse.least[mark]);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void write_json(FILE *stream)
{
    struct json json;
    unsigned i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_string(&json, "bench", "tables");
    json_string(&json, "kernel", own.kernel);
    json_string(&json, "policy", policy_names[own.policy]);
    json_unsigned(&json, "rows", table_pattern_count);
    json_unsigned(&json, "rows_at_minimum", rows_at_minimum(own.answers->mmkit_side));
    json_unsigned(&json, "rows_skipped", rows_skipped());
    json_unsigned(&json, "linux_rows_at_minimum", rows_at_minimum(own.answers->linux_side));
    json_real(&json, "call_ns", own.answers->call_ns);
    json_array(&json, "table");
    for (i = 0; i < table_pattern_count; i++)
        write_row(&json, i);
    json_close(&json, ']');
    if (own.factor > 0)
        write_sparse(&json);
    json_close(&json, '}');
    json_end(&json);
}

/* --- the command ----------------------------------------------------------------------------- */

static void find_kernel(void)
{
    struct utsname name;

    if (uname(&name) == 0)
        snprintf(own.kernel, sizeof(own.kernel), "%s", name.release);
}

/* What both sides take at once is the resident part, and a reserve; not more than half of memory.
 */
static void plan(void)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    if (!side_fits())
        bad_usage("this page-table format is too small");
    if (own.factor == 0)
        return;
    if (!sparse_plan(&own.sparse, own.factor, own.threads))
        bad_usage("--factor %u: this page-table format has too few addresses", own.factor);
    if (own.sparse.resident > memory / 4 || own.sparse.tables_all > memory / 16)
        bad_usage("--factor %u: expected more, for this host's memory", own.factor);
}

/* Each would write over the other. */
static bool same_file(int plot, FILE *json)
{
    struct stat one, other;

    return plot >= 0 && json != NULL && fstat(plot, &one) == 0 &&
           fstat(fileno(json), &other) == 0 && S_ISREG(one.st_mode) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static int run(void)
{
    int status, plot = -1;
    FILE *json;

    plan();
    find_kernel();
    if (own.plot != NULL && (plot = plot_open(own.plot)) < 0)
        return STATUS_BAD_USAGE;
    if (!results_open_json(own.json, &json))
        return STATUS_BAD_USAGE;
    if (same_file(plot, json))
        bad_usage("--plot %s: expected another file than that of --json", own.plot);
    own.answers = child_shared_memory(sizeof(*own.answers));
    own.answers->call_ns = side_linux_call_ns();
    status = run_all();
    if (status != 0)
        return status;
    if (own.wrong_at > 0)
        own.answers->mmkit_side[own.wrong_at - 1].least -= SIDE_PAGE;
    print_rows(json == stdout ? stderr : stdout);
    if (own.factor > 0)
        print_sparse(json == stdout ? stderr : stdout);
    if (json != NULL)
        write_json(json);
    if (!results_close_json(own.json, json))
        return STATUS_BAD_USAGE;
    if (plot >= 0 && !plot_draw(own.plot, plot, own.kernel, &own.sparse, &own.answers->linux_sparse,
                                &own.answers->mmkit_sparse))
        return STATUS_BAD_USAGE;
    return judge();
}

static const struct argp_option option_list[] = {
    {"policy", KEY_POLICY, "NAME", 0,
     "Which empty tables mmkit frees: mmkit (all, at once; the default), linux-6.18, never", 0},
    {"factor", KEY_FACTOR, "N", 0,
     "How much smaller the server is made (default: 1024); 0: leave it out", 0},
    {"threads", KEY_THREADS, "N", 0, "Of the server, at most 8 (default: 4)", 0},
    {"plot", KEY_PLOT, "FILE", 0, "Draw the server's page tables over time: an SVG, by gnuplot(1)",
     0},
    SHARED_OPTIONS,
    {"wrong-at", KEY_WRONG_AT, "ROW", OPTION_HIDDEN, NULL, 0}, /* for tests of the exit status */
    {0},
};

static void parse_policy(const char *name)
{
    unsigned policy;

    for (policy = 0; policy < POLICIES; policy++) {
        if (strcmp(name, policy_names[policy]) == 0) {
            own.policy = (enum mmk_table_policy)policy;
            return;
        }
    }
    bad_usage("--policy %s: expected mmkit, linux-6.18 or never", name);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    switch (key) {
    case KEY_POLICY:
        parse_policy(text);
        return 0;
    case KEY_FACTOR:
        own.factor = (unsigned)usage_number("factor", text, 0, SPARSE_FACTOR_MAX);
        return 0;
    case KEY_THREADS:
        own.threads = (unsigned)usage_number("threads", text, 1, SPARSE_THREADS_MAX);
        return 0;
    case KEY_PLOT:
        if (text[0] == '\0' || strcmp(text, "-") == 0)
            bad_usage("--plot '%s': expected the name of a file", text);
        own.plot = text;
        return 0;
    case KEY_WRONG_AT:
        own.wrong_at = (unsigned)usage_number("wrong-at", text, 1, table_pattern_count);
        return 0;
    case ARGP_KEY_END:
        if (own.plot != NULL && own.factor == 0)
            bad_usage("--plot: not with --factor 0");
        return 0;
    default:
        return shared_option_only(key, text, state, &own.json) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Give memory back in each way that programs have, on the Linux that this runs on and on "
           "mmkit, and say what is left of the page tables, and what would have done.\n\n"
           "Then a server whose address space is huge and sparse, made smaller by a factor: its "
           "page tables over time.\v"
           "Exit status: 0 mmkit has left nothing that is not needed; 1 it has (with --policy "
           "mmkit); 2 bad usage, or results that could not be had or written.",
};

int bench_tables(int argc, char **argv)
{
    argp_parse(&parser, argc, argv, 0, NULL, NULL);
    return run();
}
