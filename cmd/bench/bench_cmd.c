/* SPDX-License-Identifier: MIT */
/* bench_cmd.c - `mmkit bench`: finds what is to be measured. */
#include "bench_cmd.h"

#include "bench_calls.h"
#include "bench_faults.h"
#include "bench_reclaim.h"
#include "bench_tables.h"
#include "subcommand.h"
#include "usage.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct subcommand benches[] = {
    {"dontneed", "what it costs to give memory back, and to touch it again", bench_dontneed},
    {"faults", "how threads fault that run at once", bench_faults},
    {"fork", "what fork costs, a child's end, and the first write after it", bench_fork},
    {"map", "what it costs to map, unmap, protect and move", bench_map},
    {"reclaim", "what a page costs that goes and comes back, and which ones go", bench_reclaim},
    {"tables", "what is left of page tables, by how memory is given back", bench_tables},
    {"touch", "what the first touch of a page costs", bench_touch},
    {NULL, NULL, NULL},
};

enum { KEY_HELP = 'h' };

static const struct subcommand *find(const char *name)
{
    const struct subcommand *found = subcommand_find(benches, name), *each;
    char names[128] = "";

    if (found != NULL)
        return found;
    for (each = benches; each->name; each++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                 each == benches ? ""
                 : each[1].name  ? ", "
                                 : " or ",
                 each->name);
    bad_usage("'%s': expected %s", name, names);
}

/* The rest of the arguments is the bench's. */
static int run(struct argp_state *state, const char *name)
{
    int first = state->next - 1;

    state->next = state->argc;
    return subcommand_run(find(name), "mmkit bench", state->argc - first, state->argv + first);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    switch (key) {
    case KEY_HELP:
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARG:
        *(int *)state->input = run(state, text);
        return 0;
    case ARGP_KEY_NO_ARGS:
        bad_usage("expected what to measure; see --help");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The list of benches, made from the table. => argp frees it */
static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return subcommand_help(benches, "", key, text);
}

static const struct argp_option option_list[] = {
    {NULL, KEY_HELP, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "NAME [OPTION...]",
    .doc = "Measure mmkit, and the Linux that it runs on beside it:\v"
           "`mmkit bench NAME --help' explains one.",
    .help_filter = filter_help,
};

int bench_cmd(int argc, char **argv)
{
    int status = 0;

    argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, &status);
    return status;
}
