/* SPDX-License-Identifier: MIT */
/*
 * story.h - who ran when, and where in the source they switched. Written down in a child, told by
 * its parent, whose program is the same at the same addresses.
 */
#ifndef SIMULATE_STORY_H
#define SIMULATE_STORY_H

#include "strategy.h"

enum { STORY_MOMENTS = 512, STORY_FRAMES = 16 };

struct moment {
    uint64_t step;
    enum fibers_choice choice; /* PREEMPT: it could have gone on; NEXT: it waits */
    uint8_t from, to;          /* for these two */
    unsigned answer;           /* for the others */
    int frames;
    void *frame[STORY_FRAMES]; /* return addresses, the innermost first */
};

struct story {
    size_t count; /* of the moments; there may have been more than have a place */
    struct moment moment[STORY_MOMENTS];
};

/* From now on, the strategy's runs go into *story, one after the other. => in the child */
void story_record(struct story *story, struct strategy *strategy);

/* Before the child is there: what must not happen on a fiber's stack. */
void story_prepare(void);

void story_tell(const struct story *story, char *text, size_t size);

#endif
