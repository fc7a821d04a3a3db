/* SPDX-License-Identifier: MIT */
/* reduce.h - a run that fails, again, with as few deviations from the plain run as that takes. */
#ifndef SIMULATE_REDUCE_H
#define SIMULATE_REDUCE_H

#include "work.h"

/*
 * WORK_RETELL, WORK_REDUCE: work->list and its seed are given; REDUCE: work->failure, too, so that
 * it stays the same failure.
 * => `failed`, `failure`, `step`, `list`, `story`. This process runs nothing itself
 */
void reduce(struct work *work, const struct scenario *scenario);

#endif
