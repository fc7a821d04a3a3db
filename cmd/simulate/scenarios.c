/* SPDX-License-Identifier: MIT */
/* scenarios.c - all scenarios, by name. */
#include "calls.h"

#include <string.h>

/* The rest of them. */
static const struct scenario *list_of_larger(unsigned number)
{
    switch (number) {
    case 25:
        return scenarios_huge;
    case 26:
        return scenarios_huge_page;
    case 27:
        return scenarios_huge_zero;
    case 28:
        return scenarios_huge_object;
    case 29:
        return scenarios_block;
    case 30:
        return scenarios_huge_unused;
    case 31:
        return scenarios_huge_frames;
    case 32:
        return scenarios_huge_upper;
    case 33:
        return scenarios_speculate;
    case 34:
        return scenarios_hint;
    case 35:
        return kernels_speculate;
    case 36:
        return scenarios_speculate_tables;
    case 37:
        return scenarios_speculate_file;
    case 38:
        return scenarios_speculate_swap;
    case 39:
        return scenarios_advise;
    default:
        return NULL;
    }
}

const struct scenario *scenario_list(unsigned number)
{
    switch (number) {
    case 0:
        return kernels_locks;
    case 1:
        return kernels_memory;
    case 2:
        return kernels_notifier;
    case 3:
        return kernels_rmap;
    case 4:
        return scenarios_basic;
    case 5:
        return scenarios_rules;
    case 6:
        return scenarios_files;
    case 7:
        return scenarios_rmap;
    case 8:
        return scenarios_reclaim;
    case 9:
        return scenarios_large;
    case 10:
        return scenarios_pairs();
    case 11:
        return scenarios_selftest;
    case 12:
        return kernels_swap;
    case 13:
        return scenarios_swap;
    case 14:
        return scenarios_swap_shared;
    case 15:
        return kernels_reclaim;
    case 16:
        return scenarios_swap_large;
    case 17:
        return scenarios_group;
    case 18:
        return scenarios_migrate;
    case 19:
        return scenarios_compact;
    case 20:
        return scenarios_shrink;
    case 21:
        return scenarios_tables;
    case 22:
        return scenarios_pins;
    case 23:
        return scenarios_waiting;
    case 24:
        return scenarios_around;
    default:
        return list_of_larger(number);
    }
}

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool scenario_is_costly(const struct scenario *scenario)
{
    return begins_with(scenario->name, "pair.") || begins_with(scenario->name, "large.");
}

const struct scenario *scenario_find(const char *name)
{
    const struct scenario *list, *scenario;
    unsigned i;

    for (i = 0; (list = scenario_list(i)) != NULL; i++)
        for (scenario = list; scenario->name; scenario++)
            if (strcmp(scenario->name, name) == 0)
                return scenario;
    return calls_scenario(name);
}
