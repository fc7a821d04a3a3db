/* SPDX-License-Identifier: MIT */
/* waiting.h - what waits for a grace period: counted, and bounded (P11). */
#ifndef MMK_SRC_WAITING_H
#define MMK_SRC_WAITING_H

#include "core.h"
#include "planted.h"
#include <mmkit/host.h>
#include <mmkit/port/percpu.h>
#include <mmkit/port/rcu.h>

enum mmk_waiting_kind {
    MMK_WAITING_TABLES, /* of linked tables, but roots */
    MMK_WAITING_OTHERS, /* mappings, nodes of trees, address spaces with their roots, objects ... */
    MMK_WAITING_KINDS
};

/* On a line of its own, which is read where operations begin, and written a part at a time. */
struct MMK_CACHE_ALIGNED mmk_waiting {
    struct mmk_a64 left;                     /* a: limit - taken; signed, below 0: over the limit */
    struct mmk_a64 taken[MMK_WAITING_KINDS]; /* a: what waits, and room that the CPUs keep */
    struct mmk_a64 peak, tables_peak;        /* a: of all that is taken; of tables */
    struct mmk_a64 limit;                    /* a: c but for mmk_waiting_size() */
    struct mmk_a64 hurried, stalled;         /* a: see struct mmk_stats */
};

extern struct mmk_waiting mmk_waiting;

struct MMK_CACHE_ALIGNED mmk_waiting_share {
    struct mmk_a64 room[MMK_WAITING_KINDS]; /* own CPU writes: taken, and nothing waits for it */
};

extern struct mmk_waiting_share mmk_waiting_shares[MMK_MAX_CPUS];

void mmk_waiting_add_slow(enum mmk_waiting_kind kind, uint64_t bytes);

/*
 * `bytes` wait from now on, and no more. => any context but interrupts, inside no per-CPU section;
 * add: before mmk_host_call_rcu(); done: once they are free
 */
MMK_ALWAYS_INLINE void mmk_waiting_add(enum mmk_waiting_kind kind, uint64_t bytes)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_a64 *room = &mmk_waiting_shares[mmk_cpu_id()].room[kind];
    uint64_t has = mmk_a64_load(room, MMK_RELAXED);

    if (mmk_unlikely(has < bytes)) {
        mmk_percpu_leave(state);
        mmk_waiting_add_slow(kind, bytes);
        return;
    }
    mmk_a64_store(room, has - bytes, MMK_RELAXED);
    mmk_percpu_leave(state);
}

void mmk_waiting_done(enum mmk_waiting_kind kind, uint64_t bytes);

/* mmk_host_call_rcu() of something that is counted. => the function says mmk_waiting_done() */
MMK_ALWAYS_INLINE void mmk_waiting_call(enum mmk_waiting_kind kind, uint64_t bytes,
                                        struct mmk_rcu_head *head,
                                        void (*function)(struct mmk_rcu_head *head))
{
    mmk_waiting_add(kind, bytes);
    mmk_host_call_rcu(head, function);
}

/* More waits than may. => any context */
MMK_ALWAYS_INLINE bool mmk_waiting_is_over(void)
{
    return mmk_unlikely((int64_t)mmk_a64_load(&mmk_waiting.left, MMK_RELAXED) < 0);
}

/* Waits until all that waits now is free. => may sleep; as mmk_host_rcu_barrier() about locks */
void mmk_waiting_wait(void);

/*
 * Where an operation begins that may free what has to wait: not before there is room again.
 * => as mmk_waiting_wait()
 */
MMK_ALWAYS_INLINE void mmk_waiting_throttle(void)
{
    if (mmk_waiting_is_over() && !MMK_MISTAKE(WAITING_UNHEEDED))
        mmk_waiting_wait();
}

void mmk_waiting_init(void);
/* There are so many frames: a limit that follows memory does. => not concurrent with itself */
void mmk_waiting_size(uint64_t frames);
void mmk_waiting_drain_cpu(unsigned cpu); /* => as mmk_frame_drain_cpu() */
/* WT1. => a barrier has ended, each CPU is drained, nothing else runs */
void mmk_waiting_check_none(void);

struct mmk_stats;
void mmk_waiting_stats(struct mmk_stats *stats);

#endif
