/* SPDX-License-Identifier: MIT */
/*
 * figure.h - what is said of one thing that has been measured on Linux and on mmkit, in turn: the
 * medians of both, and the ratio of a round, with its bounds.
 */
#ifndef FIGURE_H
#define FIGURE_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

#define FIGURE_ROUNDS_MAX 101u

struct figure {
    const char *name, *what, *unit;
    bool measured;            /* on Linux */
    double linux_side, mmkit; /* medians, in the unit */
    double ratio, low, high;  /* mmkit / Linux, of one round: median and 95 % bounds */
};

/* A line that says so if mmkit's times have the checks of its locks in them. */
extern const char figure_lock_note[];

/* CPU time of this thread, in ns. */
double figure_now(void);

/* Sorts. */
double figure_median(double values[], unsigned n);

/* Sorts. => the median, with its 95 % bounds */
double figure_bounds(double values[], unsigned n, double *low, double *high);

/*
 * Of n rounds; a time of Linux's that is not above 0 was not measured, and then none was. Names
 * stay. => n is from 1 to FIGURE_ROUNDS_MAX
 */
void figure_sum_up(struct figure *figure, const double theirs[], const double ours[], unsigned n);

void figure_print(FILE *stream, const struct figure *figure);

struct json;
void figure_json(struct json *json, const struct figure *figure, unsigned rounds);

/* Both sides on one CPU, whichever this is: caches of others are of no use. Children too. */
void figure_stay_here(cpu_set_t *before);

#endif
