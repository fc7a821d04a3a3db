/* SPDX-License-Identifier: MIT */
/*
 * percpu_count.h - a number in shares: each CPU adds to its own, on a line of its own; who wants to
 * know adds them up. A share may be negative; the sum is exact when nobody adds.
 *
 * Shares are stored and loaded, not added to atomically: only their CPU writes them, inside a
 * per-CPU section.
 */
#ifndef MMK_SRC_PERCPU_COUNT_H
#define MMK_SRC_PERCPU_COUNT_H

#include "core.h"
#include <mmkit/port/percpu.h>

struct MMK_CACHE_ALIGNED mmk_percpu_share {
    struct mmk_a64 count;
};

struct mmk_percpu_count {
    struct mmk_percpu_share share[MMK_MAX_CPUS];
};

/* => `own` is this CPU's, inside a per-CPU section */
MMK_ALWAYS_INLINE void mmk_percpu_add(struct mmk_a64 *own, int64_t delta) MMK_REQUIRES(mmk_percpu)
{
    mmk_a64_store(own, mmk_a64_load(own, MMK_RELAXED) + (uint64_t)delta, MMK_RELAXED);
}

/* => any context but interrupts */
MMK_ALWAYS_INLINE void mmk_percpu_count_add(struct mmk_percpu_count *count, int64_t delta)
{
    unsigned long state = mmk_percpu_enter();

    mmk_percpu_add(&count->share[mmk_cpu_id()].count, delta);
    mmk_percpu_leave(state);
}

static inline void mmk_percpu_count_init(struct mmk_percpu_count *count)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        mmk_a64_store(&count->share[cpu].count, 0, MMK_RELAXED);
}

static inline uint64_t mmk_percpu_count_sum(const struct mmk_percpu_count *count)
{
    uint64_t sum = 0;
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        sum += mmk_a64_load(&count->share[cpu].count, MMK_RELAXED);
    return sum;
}

#endif
