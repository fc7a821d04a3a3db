/* SPDX-License-Identifier: MIT */
/* main.c - finds the subcommand, and sees to it that what it printed has arrived. */
#include "bench_cmd.h"
#include "oracle_cmd.h"
#include "replay_cmd.h"
#include "results.h"
#include "simulate_cmd.h"
#include "subcommand.h"
#include "version.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_HELP = 'h', STATUS_BAD_USAGE = 2 };

static const struct subcommand commands[] = {
    {"bench", "measure, and compare", bench_cmd},
    {"oracle", "make the same calls on Linux and on mmkit", oracle_cmd},
    {"replay", "run a recording of real programs", replay_cmd},
    {"simulate", "explore schedules of small programs", simulate_cmd},
    {NULL, NULL, NULL},
};

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "mmkit %s\n", tool_version);
}

static void run_command(struct argp_state *state, const char *name, int argc, char **argv)
{
    const struct subcommand *command = subcommand_find(commands, name);

    if (command == NULL)
        argp_failure(state, STATUS_BAD_USAGE, 0,
                     "unknown subcommand '%s', expected bench, oracle, replay, simulate or help",
                     name);
    else
        *(int *)state->input = subcommand_run(command, "mmkit", argc, argv);
}

/* `mmkit help', `mmkit help SUBCOMMAND' */
static void run_help(struct argp_state *state)
{
    char option[] = "--help";
    char *argv[] = {NULL, option, NULL};

    if (state->next == state->argc)
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
    run_command(state, state->argv[state->next], 2, argv);
}

/* The rest of the arguments is the subcommand's. */
static void dispatch(struct argp_state *state, const char *name)
{
    int first = state->next - 1;

    if (strcmp(name, "help") == 0)
        run_help(state);
    else
        run_command(state, name, state->argc - first, state->argv + first);
    state->next = state->argc;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    switch (key) {
    case KEY_HELP:
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARG:
        dispatch(state, text);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_failure(state, STATUS_BAD_USAGE, 0, "expected a subcommand; see mmkit --help");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The list of subcommands, made from the table. => argp frees it */
static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return subcommand_help(commands, "Subcommands:\n", key, text);
}

static const struct argp_option option_list[] = {
    {NULL, KEY_HELP, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "SUBCOMMAND [OPTION...]",
    .doc = "mmkit, a kernel's memory management as a library: its tool.\v"
           "`mmkit help SUBCOMMAND' explains one.",
    .help_filter = filter_help,
};

int main(int argc, char **argv)
{
    int status = 0;

    program_invocation_name = program_invocation_short_name;
    results_check_stdout(STATUS_BAD_USAGE);
    argp_program_version_hook = print_version;
    argp_err_exit_status = STATUS_BAD_USAGE;
    argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, &status);
    return status;
}
