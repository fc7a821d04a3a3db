/* SPDX-License-Identifier: MIT */
/* subcommand.h - a program whose first argument says which of several it is. */
#ifndef SUBCOMMAND_H
#define SUBCOMMAND_H

/* Lists of them end with one without a name. */
struct subcommand {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* => the exit status */
};

/* => NULL: there is none of that name */
const struct subcommand *subcommand_find(const struct subcommand *list, const char *name);

/*
 * Runs one; argv[0] is its to replace: all its messages begin with "PARENT NAME".
 * => the exit status
 */
int subcommand_run(const struct subcommand *command, const char *parent, int argc, char **argv);

/*
 * What argp's help_filter answers so that what follows the options begins with `heading` and the
 * list. => argp frees it
 */
char *subcommand_help(const struct subcommand *list, const char *heading, int key,
                      const char *text);

#endif
