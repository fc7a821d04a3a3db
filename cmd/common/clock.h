/* SPDX-License-Identifier: MIT */
/* clock.h - how long things take. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

/* Seconds since some moment; never goes back. */
static inline double clock_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#endif
