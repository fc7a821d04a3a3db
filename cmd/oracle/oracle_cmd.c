/* SPDX-License-Identifier: MIT */
/* oracle_cmd.c - `mmkit oracle': which sequences, and what came of them. */
#include "oracle_cmd.h"

#include "arguments.h"
#include "clock.h"
#include "json.h"
#include "mmkit_side.h"
#include "print_c.h"
#include "results.h"
#include "run.h"
#include "shrink.h"

#include <error.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPS_SHOWN = 12 };

static FILE *out; /* for people */

/* A divergence, for the JSON object. */
struct found {
    uint64_t sequence;
    size_t operation; /* how many it took to show; 0: they were given */
    char what[FAILURE_TEXT];
    char *again;
};

static struct found *found;
static size_t found_count;

/* The command that repeats it. */
static void print_again(FILE *stream, const struct failure *failure)
{
    const struct ops *ops = &failure->ops;
    size_t i;

    fprintf(stream, "mmkit oracle%s%s --replay '", failure->thorough ? " --thorough" : "",
            mmkit_side_has_huge() ? " --huge always" : "");
    for (i = 0; i < ops->count; i++) {
        if (i > 0)
            fputs("; ", stream);
        op_print(stream, &ops->list[i]);
    }
    putc('\'', stream);
}

static void no_memory(void)
{
    error(STATUS_BAD_USAGE, 0, "no memory"); /* exits */
}

static void keep(const struct failure *failure, size_t operation)
{
    struct found *more = realloc(found, (found_count + 1) * sizeof(*more));

    if (!more)
        no_memory();
    found = more;
    found[found_count] = (struct found){.sequence = failure->number, .operation = operation};
    memcpy(found[found_count++].what, failure->text, FAILURE_TEXT);
}

/* Of what was kept last, which may have been reduced since. */
static void keep_again(const struct failure *failure)
{
    size_t size;
    FILE *stream = open_memstream(&found[found_count - 1].again, &size);

    if (!stream)
        no_memory();
    print_again(stream, failure);
    if (fclose(stream) == EOF)
        no_memory();
}

static void forget_found(void)
{
    while (found_count > 0)
        free(found[--found_count].again);
    free(found);
    found = NULL;
}

static void print_ops(const struct ops *ops)
{
    size_t i = ops->count > OPS_SHOWN ? ops->count - OPS_SHOWN : 0;

    if (i > 0)
        fprintf(out, "    ... %zu operations\n", i);
    for (; i < ops->count; i++) {
        fputs("    ", out);
        op_print(out, &ops->list[i]);
        putc('\n', out);
    }
}

/* What it takes, if that was asked for, and what repeats it. */
static void tell_sequence(const struct arguments *arguments, struct failure *failure)
{
    unsigned tries;

    if (arguments->shrink) {
        tries = shrink(failure);
        if (tries == 0)
            fputs("  IT DOES NOT DIVERGE AGAIN: something is left to chance\n", out);
        else
            fprintf(out, "  smallest, found in %u tries: %s\n", tries, failure->text);
    }
    print_ops(&failure->ops);
    fputs("  again: ", out);
    print_again(out, failure);
    putc('\n', out);
    if (arguments->shrink && failure->ops.count <= 2 * OPS_SHOWN) {
        fprintf(out, "  as a program:\n\n/* %s */\n", failure->text);
        print_c(out, &failure->ops);
        putc('\n', out);
    }
    fflush(out);
}

static void tell_failure(const struct arguments *arguments, struct failure *failure,
                         struct totals *totals)
{
    totals->divergences++;
    fprintf(out, "DIVERGES, seed %" PRIu64 ", sequence %" PRIu64 ", operation %zu: %s\n",
            arguments->seed, failure->number, failure->ops.count, failure->text);
    keep(failure, failure->ops.count);
    tell_sequence(arguments, failure);
    keep_again(failure);
}

static void write_found(struct json *json)
{
    size_t i;

    json_array(json, "found");
    for (i = 0; i < found_count; i++) {
        json_object(json, NULL);
        if (found[i].operation > 0) {
            json_unsigned(json, "sequence", found[i].sequence);
            json_unsigned(json, "operation", found[i].operation);
        }
        json_string(json, "what", found[i].what);
        json_string(json, "again", found[i].again);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_json(FILE *stream, const struct arguments *arguments, const struct totals *totals,
                       double seconds)
{
    struct json json;
    unsigned i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_unsigned(&json, "seed", arguments->seed);
    json_unsigned(&json, "ops", totals->ops);
    json_real(&json, "seconds", seconds);
    json_unsigned(&json, "divergences", totals->divergences);
    json_unsigned(&json, "sequences", totals->sequences);
    json_unsigned(&json, "avoided", totals->avoided);
    json_unsigned(&json, "chances", totals->chances);
    json_object(&json, "by_call");
    for (i = 0; i < CALLS; i++)
        json_unsigned(&json, call_name(i), totals->by_call[i]);
    json_close(&json, '}');
    write_found(&json);
    json_close(&json, '}');
    json_end(&json);
}

/* => the difference is that Linux has zeros */
static bool is_zeroed(const char *text)
{
    return strstr(text, "on Linux it reads 0x0,") || strstr(text, ": on Linux 0x0,") ||
           strstr(text, " is 0x0 on Linux");
}

/*
 * mmkit does the same each time, Linux nearly: a page of a file in memory that was only read is
 * clean, and who is short of memory, or asked to (/proc/sys/vm/drop_caches), may drop it at any
 * moment, as what was freed lazily; and a file on a disk is written back at any moment, which zeros
 * what is beyond its end. Such a difference has to show twice, no other.
 */
static bool is_chance(const struct arguments *arguments, const struct failure *failure)
{
    const struct sequence_options options = {.thorough = arguments->thorough,
                                             .check = arguments->check};
    bool written_back = failure->used_disk && is_zeroed(failure->text);
    char text[FAILURE_TEXT];

    if ((!strstr(failure->text, COMPARE_CHANCE) && !written_back) ||
        run_one(&failure->ops, &options, NULL, text) != RESULT_WELL)
        return false;
    fprintf(out, "seed %" PRIu64 ", sequence %" PRIu64 ": not again: %s\n", arguments->seed,
            failure->number, failure->text);
    return true;
}

/* => STATUS_BAD_USAGE: something is missing here */
static int search(const struct arguments *arguments, struct totals *totals)
{
    struct failure failure;
    uint64_t next = 0;

    while (totals->divergences < arguments->failures) {
        switch (run_search(arguments, &next, totals, &failure)) {
        case RESULT_WELL:
            return totals->divergences ? STATUS_FAULT : 0;
        case RESULT_BROKEN:
            return STATUS_BAD_USAGE;
        case RESULT_FAILURE:
            if (is_chance(arguments, &failure))
                totals->chances++;
            else
                tell_failure(arguments, &failure, totals);
            free(failure.ops.list);
        }
    }
    return STATUS_FAULT;
}

static int replay(const struct arguments *arguments, struct totals *totals)
{
    const struct sequence_options options = {.thorough = arguments->thorough,
                                             .check = arguments->check};
    struct failure failure = {.ops = arguments->sequence, .thorough = arguments->thorough};

    totals->sequences = 1;
    switch (run_one(&arguments->sequence, &options, totals, failure.text)) {
    case RESULT_WELL:
        return 0;
    case RESULT_FAILURE:
        totals->divergences = 1;
        fprintf(out, "DIVERGES: %s\n", failure.text);
        keep(&failure, 0);
        if (arguments->shrink)
            tell_sequence(arguments, &failure);
        keep_again(&failure);
        return STATUS_FAULT;
    default:
        return STATUS_BAD_USAGE;
    }
}

/* => exit status */
static int compare(const struct arguments *arguments)
{
    struct totals totals = {0};
    double start = clock_seconds(), seconds;
    FILE *json;
    int status;

    if (!results_open_json(arguments->json, &json))
        return STATUS_BAD_USAGE;
    out = json == stdout ? stderr : stdout;
    status = arguments->source ? replay(arguments, &totals) : search(arguments, &totals);
    if (status == STATUS_BAD_USAGE)
        return status;
    seconds = clock_seconds() - start;
    fprintf(out,
            "%" PRIu64 " operations in %" PRIu64 " sequences, seed %" PRIu64 ", in %.1f s; %" PRIu64
            " left out; %" PRIu64 " divergences\n",
            totals.ops, totals.sequences, arguments->seed, seconds, totals.avoided,
            totals.divergences);
    if (json)
        write_json(json, arguments, &totals, seconds);
    return results_close_json(arguments->json, json) ? status : STATUS_BAD_USAGE;
}

int oracle_cmd(int argc, char **argv)
{
    struct arguments arguments;
    int status = 0;

    arguments_parse(&arguments, argc, argv);
    if (arguments.print)
        print_c(stdout, &arguments.sequence);
    else
        status = compare(&arguments);
    forget_found();
    free(arguments.sequence.list);
    return status;
}
