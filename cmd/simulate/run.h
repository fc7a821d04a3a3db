/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run of a scenario, in this process, which it may leave unusable.
 */
#ifndef SIMULATE_RUN_H
#define SIMULATE_RUN_H

#include "scenario.h"
#include "strategy.h"

/*
 * => failure set: of the schedule; the process is good for nothing more. What fails before or after
 * the CPUs run ends the process with a message.
 */
struct fibers_outcome run_once(const struct scenario *scenario, uint64_t seed,
                               struct strategy *strategy);

#endif
