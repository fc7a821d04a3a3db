/* SPDX-License-Identifier: MIT */
/* subcommand.c - see subcommand.h. */
#include "subcommand.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct subcommand *subcommand_find(const struct subcommand *list, const char *name)
{
    for (; list->name; list++)
        if (strcmp(list->name, name) == 0)
            return list;
    return NULL;
}

int subcommand_run(const struct subcommand *command, const char *parent, int argc, char **argv)
{
    static char title[64];

    snprintf(title, sizeof(title), "%s %s", parent, command->name);
    program_invocation_name = title;
    argv[0] = title;
    return command->run(argc, argv);
}

char *subcommand_help(const struct subcommand *list, const char *heading, int key, const char *text)
{
    char *help = NULL;
    size_t size;
    FILE *stream;

    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    stream = open_memstream(&help, &size);
    if (stream == NULL)
        return (char *)text;
    fputs(heading, stream);
    for (; list->name; list++)
        fprintf(stream, "  %-10s %s\n", list->name, list->summary);
    fprintf(stream, "\n%s", text);
    fclose(stream);
    return help;
}
