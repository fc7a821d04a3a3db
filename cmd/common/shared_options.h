/* SPDX-License-Identifier: MIT */
/*
 * shared_options.h - the options that every command has, for its argp parser: --json, --help.
 *
 *     static const struct argp_option option_list[] = {..., SHARED_OPTIONS, {0}};
 *
 *     default:
 *         return shared_option(key, text, state, &arguments->json) ? 0 : ARGP_ERR_UNKNOWN;
 */
#ifndef SHARED_OPTIONS_H
#define SHARED_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

/* Keys; those of commands are 0x100 and above. */
enum { SHARED_HELP = 'h', SHARED_JSON = 0x80 };

#define SHARED_OPTIONS                                                                             \
    {"json",                                                                                       \
     SHARED_JSON,                                                                                  \
     "FILE",                                                                                       \
     0,                                                                                            \
     "Write the results as one JSON object to FILE; - is standard output, and the summary then "   \
     "goes to standard error",                                                                     \
     0},                                                                                           \
    {                                                                                              \
        NULL, SHARED_HELP, NULL, OPTION_HIDDEN, NULL, 0                                            \
    }

/* => true: it was one of these; false: another. Exits, after a message, when it is not good */
bool shared_option(int key, const char *text, struct argp_state *state, const char **json);

/* As that, of a command with options only. */
bool shared_option_only(int key, const char *text, struct argp_state *state, const char **json);

#endif
