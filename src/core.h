/* SPDX-License-Identifier: MIT */
/*
 * core.h - the configuration, and what is counted for the whole library.
 */
#ifndef MMK_SRC_CORE_H
#define MMK_SRC_CORE_H

#include <mmkit/init.h>
#include <mmkit/port/atomic.h>

extern struct mmk_config mmk_config; /* c after mmk_init() */

extern struct mmk_a64 mmk_cpus_online; /* a: a bit for each, written by that CPU */

MMK_ALWAYS_INLINE bool mmk_cpu_is_online(unsigned cpu)
{
    return (mmk_a64_load(&mmk_cpus_online, MMK_RELAXED) >> cpu & 1) != 0;
}

#endif
