/* SPDX-License-Identifier: MIT */
/* litmus.h - small programs whose outcomes are known, against the model of weak memory. */
#ifndef SIMULATE_LITMUS_H
#define SIMULATE_LITMUS_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Runs each through all schedules and values, and prints a line for each to `out` (NULL: none).
 * => how many have other outcomes than is stated; no machine exists
 */
unsigned litmus_run(FILE *out);

/* => false: none of this name shows an outcome that the model does not generate */
bool litmus_shows_gap(const char *name);

#endif
