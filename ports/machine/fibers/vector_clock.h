/* SPDX-License-Identifier: MIT */
/*
 * vector_clock.h - vector clocks: how much of each task's past is known.
 *
 * A task's own time rises with what it does. Of a task's doings at time t is known to whoever's
 * clock says t or more of it; 0 is before the run, which everybody knows.
 */
#ifndef MACHINE_VECTOR_CLOCK_H
#define MACHINE_VECTOR_CLOCK_H

#include <mmkit/port/cpu.h>

struct clock {
    uint32_t of[MMK_MAX_CPUS];
};

MMK_ALWAYS_INLINE void clock_join(struct clock *to, const struct clock *from)
{
    unsigned i;

    for (i = 0; i < MMK_MAX_CPUS; i++)
        to->of[i] = to->of[i] > from->of[i] ? to->of[i] : from->of[i];
}

/* One whose time is later in `past` than `now` knows. => MMK_MAX_CPUS: there is none */
MMK_ALWAYS_INLINE unsigned clock_unknown(const struct clock *now, const struct clock *past)
{
    unsigned i = 0;

    while (i < MMK_MAX_CPUS && past->of[i] <= now->of[i])
        i++;
    return i;
}

/* One of the times in `past`, where it is not 0, is known. */
MMK_ALWAYS_INLINE bool clock_knows_any(const struct clock *now, const struct clock *past)
{
    unsigned i;

    for (i = 0; i < MMK_MAX_CPUS; i++)
        if (past->of[i] && past->of[i] <= now->of[i])
            return true;
    return false;
}

#endif
