/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool parse(const char *text, uint64_t *number, const char **end)
{
    char *rest;

    if (*text < '0' || *text > '9')
        return false; /* strtoull would take signs and spaces */
    errno = 0;
    *number = strtoull(text, &rest, 10);
    *end = rest;
    return errno == 0;
}

bool option_number(const char *text, uint64_t *number)
{
    const char *end;

    return parse(text, number, &end) && *end == '\0';
}

bool option_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *end, *unit;
    unsigned shift;

    if (!parse(text, bytes, &end))
        return false;
    if (*end == '\0')
        return true;
    unit = strchr(units, *end);
    if (unit == NULL || end[1] != '\0')
        return false;
    shift = 10 * (unsigned)(unit - units + 1);
    if (*bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

bool option_word(const char *text, const char *const *words, unsigned *number)
{
    for (*number = 0; words[*number] != NULL; ++*number)
        if (strcmp(text, words[*number]) == 0)
            return true;
    return false;
}
