/* SPDX-License-Identifier: MIT */
/*
 * leave_out.h - operations of a sequence that are not made, as mmkit differs there on purpose:
 * docs/SEMANTICS.md has each difference under the name in quotes in leave_out.c.
 *
 * What can be told without knowing the state is not generated (generate.c).
 */
#ifndef ORACLE_LEAVE_OUT_H
#define ORACLE_LEAVE_OUT_H

#include "observation.h"

/* The state of the process that the operation is about, as last seen. */
struct situation {
    const struct observation *here;
    bool locks_much; /* it may lock whatever it wants */
};

bool is_left_out(const struct op *op, const struct situation *now);

#endif
