/* SPDX-License-Identifier: MIT */
/* random.h - random numbers for tests, and the seed that repeats a run: TEST_SEED=n. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* 64 bits, whatever the state was: splitmix64. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return next_random(state) % limit;
}

/* A program with its own says it when it starts, or when something differs. */
static inline uint64_t seed_of_run(void)
{
    const char *given = getenv("TEST_SEED");

    return given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
}

#endif
