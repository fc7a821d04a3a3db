/* SPDX-License-Identifier: MIT */
/* arguments.h - the options of `mmkit simulate`, read and found good. */
#ifndef SIMULATE_ARGUMENTS_H
#define SIMULATE_ARGUMENTS_H

#include "strategy.h"
#include "usage.h"

#include <stdbool.h>
#include <stdint.h>

struct mistake;

struct arguments {
    const char *scenario; /* a name, a pattern, or "all" */
    const char *format;   /* NULL: each that a scenario is for */
    struct strategy strategy;
    bool strategy_given;
    bool sc, weak;       /* memory; neither: not said */
    uint64_t seed, runs; /* runs 0: as many as is usual */
    unsigned jobs;
    unsigned part, parts; /* every so manieth scenario, from `part` */
    const char *json;
    const struct mistake *plant; /* NULL: none */
    bool list, hash, corpus, mutate_orders, sharing;
    bool replay; /* these deviations, of one run */
    struct deviations deviations;
    int worker; /* a file descriptor; -1: this is not one */
};

/* Exits, after a message, when they are not good. */
void arguments_parse(struct arguments *arguments, int argc, char **argv);

#endif
