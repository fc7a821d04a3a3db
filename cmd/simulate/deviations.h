/* SPDX-License-Identifier: MIT */
/* deviations.h - a run as a text: "STEP:ANSWER,STEP:ANSWER,...", or "plain". */
#ifndef SIMULATE_DEVIATIONS_H
#define SIMULATE_DEVIATIONS_H

#include "strategy.h"

#include <stdio.h>

/* The list is malloc()ed. => false: it is no such text */
bool deviations_parse(const char *text, struct deviations *deviations);

void deviations_print(FILE *stream, const struct deviations *deviations);

#endif
