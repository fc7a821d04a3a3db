/* SPDX-License-Identifier: MIT */
/*
 * paths.h - the tree of choices: a search goes through it depth first, and leaves out runs that
 * nobody can tell from others (paths.c).
 */
#ifndef SIMULATE_PATHS_H
#define SIMULATE_PATHS_H

#include "fibers.h"

enum {
    PATHS_TASKS = FIBERS_CPUS + 1,
    PATHS_STOPPED = 8 /* preemptions in a run, when some are left out */
};

/* Of a run under way: who was preempted, and has not gone on. */
struct stopped {
    size_t node;
    uint8_t task;
    size_t looked; /* at touches so far */
    bool over;     /* somebody has noticed, or it has gone on */
};

struct paths {
    bool reduced; /* runs are left out; set by the caller before each */
    struct fibers_touches touches;
    struct path_node *nodes;
    size_t depth, size; /* of the path; room */
    size_t at;          /* choices of this run so far */
    struct stopped stopped[PATHS_STOPPED];
    unsigned stops;
    bool repeats;    /* from here on this run is as another */
    uint64_t points; /* of the first run: where it was tried to preempt somebody, so far */
};

/* Before each run. */
void paths_begin(struct paths *paths);

/* What fibers_chooser.choose() wants. */
unsigned paths_choose(struct paths *paths, enum fibers_choice choice, unsigned n,
                      const uint8_t *tasks);

/* After each run: to the next path. => false: that was the last */
bool paths_next(struct paths *paths);

/* From the first path again. */
void paths_restart(struct paths *paths);

void paths_free(struct paths *paths);

#endif
