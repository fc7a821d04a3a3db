/* SPDX-License-Identifier: MIT */
/* inject.c - what is rare: chosen allocations fail (as in the threads backend); by the chooser. */
#include "sched.h"

static struct {
    bool armed, onward, failed;
    uint64_t left;
} own;

void machine_fail_nth(uint64_t n, bool onward)
{
    own.armed = true;
    own.onward = onward;
    own.failed = false;
    own.left = n;
}

bool machine_fail_stop(void)
{
    own.armed = false;
    return own.failed;
}

static bool fails_now(void)
{
    if (own.left > 0) {
        own.left--;
        return false;
    }
    own.failed = true;
    own.armed = own.onward;
    return true;
}

bool sim_rarely(void)
{
    return sim.running && !sim.alone && sim_choose(FIBERS_INJECT, 2) != 0;
}

bool fibers_inject(enum mmk_inject_point point)
{
    if (point >= MMK_INJECT_ALLOCATIONS)
        return sim_rarely();
    if (own.armed)
        return fails_now();
    return sim.running && (sim.program->inject >> point & 1) && sim_rarely();
}
