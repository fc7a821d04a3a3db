/* SPDX-License-Identifier: MIT */
/* scenarios.c - all scenarios, by name. */
#include "scenario.h"

#include <string.h>

const struct scenario *const scenario_lists[] = {
    scenarios_basic,
    scenarios_rules,
    scenarios_selftest,
    NULL,
};

const struct scenario *scenario_find(const char *name)
{
    const struct scenario *const *list;
    const struct scenario *scenario;

    for (list = scenario_lists; *list; list++)
        for (scenario = *list; scenario->name; scenario++)
            if (strcmp(scenario->name, name) == 0)
                return scenario;
    return NULL;
}
