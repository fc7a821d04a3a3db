/* SPDX-License-Identifier: MIT */
/*
 * strategy.h - how the next step is chosen: at random, by priorities (PCT), by trying everything,
 * as it was, or as a fuzzer's bytes say.
 *
 * Whatever the strategy, a run is the list of its answers that are not 0: its deviations from the
 * plain run. Given those, anybody can repeat it (STRATEGY_REPLAY).
 */
#ifndef SIMULATE_STRATEGY_H
#define SIMULATE_STRATEGY_H

#include "fibers.h"
#include "paths.h"

enum strategy_kind {
    STRATEGY_RANDOM,
    STRATEGY_PCT,
    STRATEGY_EXHAUSTIVE,
    STRATEGY_REPLAY,
    STRATEGY_BYTES
};

struct deviation {
    uint32_t step;   /* as the scheduler counts, whatever the strategy */
    uint32_t answer; /* the CPU that goes on; for what is no switch, the answer itself */
};

/* In memory of the caller's, who may be another process, later. */
struct deviations {
    struct deviation *list;
    size_t count, size; /* size 0: nothing is recorded; all full: the rest is left out */
};

struct strategy {
    struct fibers_chooser chooser; /* first */
    enum strategy_kind kind;
    bool weak;                /* memory is: loads may return older values */
    uint64_t random;          /* state */
    struct deviations run;    /* what was answered */
    struct deviations replay; /* REPLAY: what to answer */
    size_t replayed;          /* of these, passed */

    /* BYTES: what is left of them, two for each answer that is not 0; of the next of these: */
    const uint8_t *bytes;
    size_t left;
    enum fibers_choice deviates; /* in a choice of this kind, after `pass` others of it */
    unsigned pass, answer;

    /* Told of each answer; or NULL. tasks: as in fibers.h */
    void (*watch)(struct strategy *self, enum fibers_choice choice, unsigned answer,
                  const uint8_t *tasks);

    /* RANDOM: one point in so many is a switch */
    unsigned rarity;

    /* PCT (Burckhardt et al., ASPLOS 2010): `depth` - 1 points at which the priority drops */
    unsigned depth;
    uint64_t length; /* points to choose these from: as long as a run may be; set by the caller */
    uint64_t points; /* of this run */
    uint64_t drop_at[8]; /* DEPTH_MAX - 1 */
    int priority[FIBERS_CPUS + 1];
    int lowest;

    /* EXHAUSTIVE */
    unsigned bound; /* preemptions in a run */
    unsigned used;
    unsigned stale;    /* loads that returned an older value; `bound`, too */
    unsigned hardware; /* steps of hardware's own in a run */
    unsigned walked;
    bool independent; /* nothing is shared but what the machine sees: runs may be left out */
    struct paths paths;
};

/* "random", "pct:DEPTH", "exhaustive:BOUND", "exhaustive:BOUND:HARDWARE". => false: anything else,
 * or out of range */
bool strategy_parse(struct strategy *strategy, const char *text);

enum { STRATEGY_DEPTH_MAX = 9, STRATEGY_TEXT = 32 };

/* The same as text. => text */
const char *strategy_name(const struct strategy *strategy, char text[STRATEGY_TEXT]);

/* kind, weak, depth, bound and hardware are set; the rest is zero. seed: RANDOM, PCT. => before
 * each run */
void strategy_begin(struct strategy *strategy, uint64_t seed);

/* EXHAUSTIVE: to the next path. => false: that was the last */
bool strategy_next(struct strategy *strategy);

/* EXHAUSTIVE: from the first path again. */
void strategy_restart(struct strategy *strategy);

void strategy_free(struct strategy *strategy);

#endif
