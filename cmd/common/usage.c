/* SPDX-License-Identifier: MIT */
/* usage.c - see usage.h. */
#include "usage.h"

#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bad_usage(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: ", program_invocation_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    putc('\n', stderr);
    exit(STATUS_BAD_USAGE);
}

uint64_t usage_number(const char *option, const char *text, uint64_t low, uint64_t high)
{
    uint64_t number = 0;

    if (option_number(text, &number) && number >= low && number <= high)
        return number;
    if (high < UINT64_MAX)
        bad_usage("--%s %s: expected a number from %lu to %lu", option, text, (unsigned long)low,
                  (unsigned long)high);
    bad_usage("--%s %s: expected a number from %lu", option, text, (unsigned long)low);
}
