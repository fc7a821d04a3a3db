/* SPDX-License-Identifier: MIT */
/* report.h - what a replay found, for people and for machines. */
#ifndef REPORT_H
#define REPORT_H

#include "json.h"
#include "replay.h"

#include <stdio.h>

/* One replay, with all that the reader of a report wants to know about it. */
struct report {
    const char *trace, *format, *policy;
    double parse_seconds;
    struct replay_result result;
};

/* A table: one column per report, which are all of one trace. */
void report_print(FILE *stream, const struct report *reports, size_t count);

void report_json(struct json *json, const struct report *report);

#endif
