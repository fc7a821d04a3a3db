/* SPDX-License-Identifier: MIT */
/* report.h - what `mmkit simulate` prints. */
#ifndef SIMULATE_REPORT_H
#define SIMULATE_REPORT_H

#include "jobs.h"
#include "orders.h"

#include <stdio.h>

void report_list(FILE *stream);

/* While it goes: a head, a line for each subject, what failed and how to see it again. */
void report_begin(FILE *stream);
void report_subject(FILE *stream, const struct subject *subject);
/* --corpus: a planted mistake, and after how many schedules it was found. */
void report_mistake(FILE *stream, const struct subject *subject);

void report_failure(FILE *stream, const struct subject *subject, const struct work *reduced);
/* What repeats it: as it was found, or reduced. => malloc()ed; NULL: no memory */
char *report_command(const struct subject *subject, const struct work *reduced);
void report_hash(FILE *stream, const struct subject *subject);

/* A replay's result. */
void report_replay(FILE *stream, const struct work *work, const char *format);

/* At the end. => 0, or STATUS_FAULT */
int report_end(FILE *stream, const struct plan *plan, double seconds);
int report_corpus_end(FILE *stream, const struct plan *plan, double seconds);
void report_json(FILE *stream, const struct plan *plan, double seconds);

/* --mutate-orders */
void report_orders(FILE *stream, const struct orders *orders, double seconds);

#endif
