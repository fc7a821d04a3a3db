/* SPDX-License-Identifier: MIT */
/*
 * sharing_warm.h - a CPU's own caches as they are most of the time: with something in them, and
 * room for more. What it takes then, or gives back, is no other CPU's business.
 */
#ifndef SIMULATE_SHARING_WARM_H
#define SIMULATE_SHARING_WARM_H

#include "world.h"

/* This CPU's. => loaded: the address space that it has loaded, as before */
void sharing_warm(struct mmk_mm *loaded);

/* All that was taken to warm CPUs goes back. */
void sharing_cool(void);

#endif
