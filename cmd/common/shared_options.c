/* SPDX-License-Identifier: MIT */
/* shared_options.c - see shared_options.h. */
#include "shared_options.h"

#include "usage.h"

bool shared_option(int key, const char *text, struct argp_state *state, const char **json)
{
    switch (key) {
    case SHARED_JSON:
        if (*text == '\0')
            bad_usage("--json: expected a file, or -");
        *json = text;
        return true;
    case SHARED_HELP:
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return true;
    default:
        return false;
    }
}

bool shared_option_only(int key, const char *text, struct argp_state *state, const char **json)
{
    if (key == ARGP_KEY_ARG)
        bad_usage("'%s': expected options only", text);
    return shared_option(key, text, state, json);
}
