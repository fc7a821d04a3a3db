/* SPDX-License-Identifier: MIT */
/* inject.c - allocations that fail: chosen ones (as in the threads backend), and by the chooser. */
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

bool fibers_inject(enum mmk_inject_point point)
{
    (void)point;
    if (own.armed)
        return fails_now();
    return sim.running && sim.program->inject && sim_choose(FIBERS_INJECT, 2) != 0;
}
