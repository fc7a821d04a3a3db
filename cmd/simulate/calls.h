/* SPDX-License-Identifier: MIT */
/*
 * calls.h - short sequences of calls on two or three CPUs, as bytes choose them: any bytes are
 * some.
 *
 * As a scenario that is called `calls.' and the bytes in hexadecimal: what a fuzzer has found, and
 * what anybody wants to see (`mmkit simulate --scenario calls.HEX').
 */
#ifndef SIMULATE_CALLS_H
#define SIMULATE_CALLS_H

#include "scenario.h"

#include <stdio.h>

enum { CALLS_NAME = 64 }; /* that of a scenario, with the 0 */

/* The name that the first bytes make. => how many they are; 0: there are too few */
size_t calls_name(const uint8_t *bytes, size_t size, char name[CALLS_NAME]);

/* => NULL: this is no such name; else good until the next call */
const struct scenario *calls_scenario(const char *name);

/* What each CPU does in the scenario given out last: a line each. */
void calls_print(FILE *stream);

#endif
