/* SPDX-License-Identifier: MIT */
/*
 * bench_reclaim.c - `mmkit bench reclaim`: what a page costs that goes and comes back, and how
 * often one that is wanted is in memory, by what decides which one goes.
 */
#include "bench_reclaim.h"

#include "cost.h"
#include "json.h"
#include "lab.h"
#include "options.h"
#include "replay_refs.h"
#include "results.h"
#include "shared_options.h"
#include "usage.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_ROUNDS = 0x100, KEY_NO_HITS };

enum { TRACES = 16, ROWS = 128, POLICIES = 8, ROUNDS = 25 };

static const unsigned parts[] = {50, 25, 10}; /* percent of the pages that have a frame */

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

/* One string with so many frames. */
struct row {
    const char *name;
    unsigned part;
    uint64_t references, pages, frames;
    uint64_t misses[POLICIES];
};

struct bench {
    const char *json;
    const char *traces[TRACES];
    unsigned trace_count, row_count;
    unsigned rounds; /* of costs; 0: leave them out */
    bool no_hits;
    struct cost cost;
    struct row rows[ROWS];
};

static void play(struct bench *bench, const char *name, const struct refs *refs)
{
    unsigned i, policy;

    for (i = 0; i < PARTS && bench->row_count < ROWS; i++) {
        struct row *row = &bench->rows[bench->row_count++];

        *row = (struct row){
            name, parts[i], refs->count, refs->pages, (uint64_t)refs->pages * parts[i] / 100, {0}};
        row->frames += row->frames == 0;
        for (policy = 0; policies[policy] != NULL; policy++)
            row->misses[policy] = lab_misses(policies[policy], refs, (uint32_t)row->frames);
    }
}

/* The first time that a page comes nobody can have it. */
static double hit_rate(const struct row *row, unsigned policy)
{
    return row->references == 0 ? 0
                                : 100 * (1 - (double)row->misses[policy] / (double)row->references);
}

/* What the names in the table stand for. */
static void print_names(FILE *stream)
{
    const struct pattern *pattern;
    unsigned policy;

    for (pattern = patterns; pattern->name != NULL; pattern++)
        fprintf(stream, "%-12s %s\n", pattern->name, pattern->what);
    fprintf(stream, "%-12s %s\n\n", "a recording", "its faults, in order");
    for (policy = 0; policies[policy] != NULL; policy++)
        fprintf(stream, "%-12s %s\n", policies[policy]->name, policies[policy]->what);
}

static void print_hits(FILE *stream, const struct bench *bench)
{
    const struct row *row;
    unsigned i, policy;

    fprintf(stream,
            "Hits, in percent of the references; frames for so many percent of the pages\n\n"
            "%-28s%8s%8s",
            "references", "pages", "frames");
    for (policy = 0; policies[policy] != NULL; policy++)
        fprintf(stream, "%12s", policies[policy]->name);
    for (i = 0; i < bench->row_count; i++) {
        row = &bench->rows[i];
        fprintf(stream, "\n%-28s%8" PRIu64 "%7u%%", row->name, row->pages, row->part);
        for (policy = 0; policies[policy] != NULL; policy++)
            fprintf(stream, "%12.2f", hit_rate(row, policy));
    }
    fprintf(stream, "\n\n");
    print_names(stream);
}

static void print(FILE *stream, const struct bench *bench)
{
    if (bench->rounds > 0)
        cost_print(stream, &bench->cost);
    if (bench->rounds > 0 && !bench->no_hits)
        putc('\n', stream);
    if (!bench->no_hits)
        print_hits(stream, bench);
}

static void write_row(struct json *json, const struct row *row)
{
    unsigned policy;

    json_object(json, NULL);
    json_string(json, "string", row->name);
    json_unsigned(json, "references", row->references);
    json_unsigned(json, "pages", row->pages);
    json_unsigned(json, "frames", row->frames);
    json_object(json, "misses");
    for (policy = 0; policies[policy] != NULL; policy++)
        json_unsigned(json, policies[policy]->name, row->misses[policy]);
    json_close(json, '}');
    json_close(json, '}');
}

static void write_json(FILE *stream, const struct bench *bench)
{
    struct json json;
    unsigned i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_string(&json, "bench", "reclaim");
    if (bench->rounds > 0)
        cost_json(&json, &bench->cost);
    json_array(&json, "strings");
    for (i = 0; i < bench->row_count; i++)
        write_row(&json, &bench->rows[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    json_end(&json);
}

static void play_patterns(struct bench *bench)
{
    const struct pattern *pattern;

    for (pattern = patterns; pattern->name != NULL; pattern++) {
        struct refs refs = {0};

        pattern->make(&refs);
        play(bench, pattern->name, &refs);
        refs_free(&refs);
    }
}

/* => false after a message */
static bool play_trace(struct bench *bench, const char *path)
{
    struct program *program = program_read(path);
    const char *slash = strrchr(path, '/');
    struct refs refs = {0};

    if (program == NULL)
        return false;
    replay_refs(program, &refs);
    program_free(program);
    play(bench, slash ? slash + 1 : path, &refs);
    refs_free(&refs);
    return true;
}

/* => false after a message */
static bool play_all(struct bench *bench)
{
    unsigned i;

    play_patterns(bench);
    for (i = 0; i < bench->trace_count; i++)
        if (!play_trace(bench, bench->traces[i]))
            return false;
    return true;
}

static int run(struct bench *bench)
{
    FILE *json;

    if (bench->trace_count > 0 && !cost_fits())
        bad_usage("%s: this page-table format is too small for recordings", bench->traces[0]);
    if (!results_open_json(bench->json, &json))
        return STATUS_BAD_USAGE;
    if (!bench->no_hits && !play_all(bench))
        return STATUS_BAD_USAGE;
    if (bench->rounds > 0 && !cost_fits()) {
        fputs("mmkit bench reclaim: this page-table format is too small: no costs\n", stderr);
        bench->rounds = 0;
    }
    if (bench->rounds > 0 && !cost_measure(&bench->cost, bench->rounds))
        return STATUS_BAD_USAGE;
    print(json == stdout ? stderr : stdout, bench);
    if (json != NULL)
        write_json(json, bench);
    return results_close_json(bench->json, json) ? 0 : STATUS_BAD_USAGE;
}

static const struct argp_option option_list[] = {
    {"rounds", KEY_ROUNDS, "N", 0, "Of costs, at most 101; 0: leave them out (default: 25)", 0},
    {"no-hits", KEY_NO_HITS, NULL, 0, "Leave out the hit rates", 0},
    SHARED_OPTIONS,
    {0},
};

static void parse_rounds(struct argp_state *state, struct bench *bench, const char *text)
{
    uint64_t rounds;

    if (!option_number(text, &rounds) || rounds > COST_ROUNDS_MAX)
        argp_failure(state, STATUS_BAD_USAGE, 0, "--rounds %s: expected a number from 0 to %u",
                     text, COST_ROUNDS_MAX);
    bench->rounds = (unsigned)rounds;
}

static void add_argument(struct argp_state *state, struct bench *bench, const char *text)
{
    if (bench->trace_count == TRACES)
        argp_failure(state, STATUS_BAD_USAGE, 0, "expected at most %d traces", TRACES);
    bench->traces[bench->trace_count++] = text;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct bench *bench = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        add_argument(state, bench, text);
        return 0;
    case KEY_ROUNDS:
        parse_rounds(state, bench, text);
        return 0;
    case KEY_NO_HITS:
        bench->no_hits = true;
        return 0;
    case ARGP_KEY_END:
        if (bench->no_hits && bench->trace_count > 0)
            argp_failure(state, STATUS_BAD_USAGE, 0, "'%s': not with --no-hits", bench->traces[0]);
        if (bench->no_hits && bench->rounds == 0)
            argp_failure(state, STATUS_BAD_USAGE, 0, "--no-hits: not with --rounds 0");
        return 0;
    default:
        return shared_option(key, text, state, &bench->json) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "[TRACE...]",
    .doc = "Measure what it costs to take a page from memory and to bring it back, on mmkit and on "
           "the Linux that it runs on, in turn, as far as a program without privileges can have it "
           "done (MADV_PAGEOUT): private pages where there is swap space, pages of a file.\n\n"
           "Then play strings of references to pages, made up ones and the faults of recordings, "
           "with memory for a part of the pages: how often is the page there that is wanted, by "
           "what decides which one goes? Policies of kernels see accessed bits alone.\v"
           "Exit status: 0 done; 2 bad usage, bad input, or results that could not be written.\n\n"
           "docs/DESIGN.md, \"When memory is short\", says what follows from it.",
};

int bench_reclaim(int argc, char **argv)
{
    static struct bench bench = {.rounds = ROUNDS};

    argp_parse(&parser, argc, argv, 0, NULL, &bench);
    return run(&bench);
}
