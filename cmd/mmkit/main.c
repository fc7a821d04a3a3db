/* SPDX-License-Identifier: MIT */
/* main.c - finds the subcommand, and sees to it that what it printed has arrived. */
#include "bench_cmd.h"
#include "oracle_cmd.h"
#include "replay_cmd.h"
#include "results.h"
#include "simulate_cmd.h"
#include "version.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_HELP = 'h', STATUS_BAD_USAGE = 2 };

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"bench", "measure, and compare", bench_cmd},
    {"oracle", "make the same calls on Linux and on mmkit", oracle_cmd},
    {"replay", "run a recording of real programs", replay_cmd},
    {"simulate", "explore schedules of small programs", simulate_cmd},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "mmkit %s\n", tool_version);
}

static const struct command *find_command(struct argp_state *state, const char *name)
{
    unsigned i;

    for (i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    argp_failure(state, STATUS_BAD_USAGE, 0,
                 "unknown subcommand '%s', expected bench, oracle, replay, simulate or help", name);
    return NULL;
}

/* Runs a subcommand; all its messages begin with "mmkit NAME". */
static void run_command(struct argp_state *state, const struct command *command, int argc,
                        char **argv)
{
    static char title[64];

    snprintf(title, sizeof(title), "mmkit %s", command->name);
    program_invocation_name = title;
    argv[0] = title;
    *(int *)state->input = command->run(argc, argv);
}

/* `mmkit help', `mmkit help SUBCOMMAND' */
static void run_help(struct argp_state *state)
{
    char option[] = "--help";
    char *argv[] = {NULL, option, NULL};

    if (state->next == state->argc)
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
    run_command(state, find_command(state, state->argv[state->next]), 2, argv);
}

/* The rest of the arguments is the subcommand's. */
static void dispatch(struct argp_state *state, const char *name)
{
    int first = state->next - 1;

    if (strcmp(name, "help") == 0)
        run_help(state);
    else
        run_command(state, find_command(state, name), state->argc - first, state->argv + first);
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
    char *help = NULL;
    size_t size;
    FILE *stream;
    unsigned i;

    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    stream = open_memstream(&help, &size);
    if (stream == NULL)
        return (char *)text;
    fputs("Subcommands:\n", stream);
    for (i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(stream, "\n%s", text);
    fclose(stream);
    return help;
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
