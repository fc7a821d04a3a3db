/* SPDX-License-Identifier: MIT */
/*
 * strategy.h - how the next step is chosen: at random, by priorities (PCT), by trying everything,
 * or as it was.
 *
 * Whatever the strategy, a run is the list of its answers that are not 0: its deviations from the
 * plain run. Given those, anybody can repeat it (STRATEGY_REPLAY).
 */
#ifndef SIMULATE_STRATEGY_H
#define SIMULATE_STRATEGY_H

#include "fibers.h"

enum strategy_kind { STRATEGY_RANDOM, STRATEGY_PCT, STRATEGY_EXHAUSTIVE, STRATEGY_REPLAY };

struct deviation {
    uint32_t at; /* the choice's number in the run, from 0 */
    uint32_t answer;
};

struct deviations {
    struct deviation *list;
    size_t count, size;
};

struct strategy {
    struct fibers_chooser chooser; /* first */
    enum strategy_kind kind;
    uint64_t random;  /* state */
    uint32_t choices; /* in this run, so far */
    bool record;
    struct deviations run; /* REPLAY: to be repeated; else, with `record`, what was answered */

    /* RANDOM: one point in so many is a switch */
    unsigned rarity;

    /* PCT (Burckhardt et al., ASPLOS 2010): `depth` - 1 points at which the priority drops */
    unsigned depth;
    uint64_t length; /* points to choose these from: of the longest run so far */
    uint64_t points; /* of this run */
    uint64_t drop_at[8];
    int priority[FIBERS_CPUS + 1];
    int lowest;

    /* EXHAUSTIVE: the path through the tree of choices */
    unsigned bound; /* preemptions in a run */
    unsigned used;
    uint32_t *answers, *options;
    size_t depth_now, depth_size;
};

/* kind, depth and bound are set; the rest is zero. seed: RANDOM, PCT. => before each run */
void strategy_begin(struct strategy *strategy, uint64_t seed);

/* EXHAUSTIVE: to the next path. => false: that was the last */
bool strategy_next(struct strategy *strategy);

/* EXHAUSTIVE: from the first path again. */
void strategy_restart(struct strategy *strategy);

void strategy_free(struct strategy *strategy);

#endif
