/* SPDX-License-Identifier: MIT */
/*
 * orders.h - every memory order that the library names, made one step weaker: is any needed by
 * nobody?
 */
#ifndef SIMULATE_ORDERS_H
#define SIMULATE_ORDERS_H

#include "arguments.h"
#include "fibers.h"

#include <stdio.h>

/* A mutant that the model cannot kill: what it breaks is an outcome that is never generated. */
struct justified {
    const char *file, *word; /* as of struct fibers_mutant */
    enum fibers_op op;
    int order, weaker;
    const char *litmus; /* the program of litmus.c that shows that outcome to be missing */
    const char *why;
};

/* orders_justified.c; ends with one without a file */
extern const struct justified orders_justified[];

struct orders {
    unsigned mutants, killed, justified;
};

/*
 * Runs kernels, then scenarios, of those that are asked for, with each mutant of the part in turn,
 * until one fails. A line for each to `out`.
 * => in the program for weak memory, which has run nothing before
 */
struct orders orders_run(FILE *out, const struct arguments *arguments);

#endif
