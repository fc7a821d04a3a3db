/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - a small program for the deterministic machine: what each CPU does, and what must be
 * true afterwards.
 */
#ifndef SIMULATE_SCENARIO_H
#define SIMULATE_SCENARIO_H

#include "fibers.h"
#include "machine.h"

struct scenario {
    const char *name; /* "topic.case" */
    const char *what; /* what could go wrong: a line */
    unsigned cpus;
    void (*setup)(void);        /* alone, as CPU 0; the machine runs, `world.mm` is there */
    void (*body)(unsigned cpu); /* with world.mm loaded */
    void (*check)(void);        /* alone, as CPU 0; or NULL */
    bool inject;                /* allocations may fail */
};

/* scenarios_*.c: lists that end with one without a name */
extern const struct scenario scenarios_basic[];

#endif
