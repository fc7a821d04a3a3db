/* SPDX-License-Identifier: MIT */
/* main.c - finds the subcommand. */
#include "replay_cmd.h"
#include "version.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_BAD_USAGE = 2 };

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"replay", "run a recording of real programs", replay_cmd},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "mmkit %s\n", tool_version);
}

/* Runs the subcommand on its own arguments, under the name "mmkit NAME". => does not return */
static void dispatch(struct argp_state *state, char *name)
{
    int first = state->next - 1;
    char title[64];
    unsigned i;

    for (i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            snprintf(title, sizeof(title), "mmkit %s", name);
            state->argv[first] = title;
            *(int *)state->input = commands[i].run(state->argc - first, state->argv + first);
            state->argv[first] = name;
            state->next = state->argc;
            return;
        }
    }
    argp_failure(state, STATUS_BAD_USAGE, 0, "unknown subcommand '%s', expected replay", name);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    switch (key) {
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

static const struct argp parser = {
    .parser = parse_option,
    .args_doc = "SUBCOMMAND [OPTION...]",
    .doc = "mmkit, a kernel's memory management as a library: its tool.\v"
           "`mmkit SUBCOMMAND --help' explains one.",
    .help_filter = filter_help,
};

int main(int argc, char **argv)
{
    int status = 0;

    argp_program_version_hook = print_version;
    argp_err_exit_status = STATUS_BAD_USAGE;
    argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, &status);
    return status;
}
