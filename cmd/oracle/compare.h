/* SPDX-License-Identifier: MIT */
/* compare.h - where what Linux shows and what mmkit shows have to agree. */
#ifndef ORACLE_COMPARE_H
#define ORACLE_COMPARE_H

#include "observation.h"

enum { COMPARE_TEXT = 512 };

/* What there was before, which may differ later. */
struct past {
    bool is_child;  /* it was forked */
    bool reclaimed; /* Linux was told to page out, or mmkit to give back tables */
    bool freed;     /* Linux was told that it may drop pages: MADV_FREE */
};

/* In the text of a difference that Linux may make at any moment: so it has to show again. */
#define COMPARE_CHANCE "perhaps dropped"

/* => false: they differ, in what is in `text` */
bool compare_outcomes(const struct op *op, const struct outcome *on_linux,
                      const struct outcome *here, const struct past *past, char *text);

/*
 * The state of one process.
 * => as above
 */
bool compare_observations(struct observation *on_linux, struct observation *here,
                          const struct past *past, char *text);

#endif
