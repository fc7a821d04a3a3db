/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - a small program for the deterministic machine: what each CPU does, and what must be
 * true afterwards.
 *
 * Whatever a scenario does follows from the run's seed (world_random()) and the answers of the
 * strategy: nothing of one run may live on into the next.
 */
#ifndef SIMULATE_SCENARIO_H
#define SIMULATE_SCENARIO_H

#include "fibers.h"
#include "machine.h"

enum scenario_formats {
    ON_TINY, /* the page-table format of short runs */
    ON_FULL, /* the one that the build is configured for */
    ON_BOTH,
};

/* To be written with designated initialisers: most fields can be left out. */
struct scenario {
    const char *name; /* "topic.case"; "pair.a.b": for a pair of calls, which is to be exhausted */
    const char *what; /* what could go wrong: a line */
    unsigned cpus;
    void (*setup)(void);        /* alone, as CPU 0; the machine runs, `world.mm` is there */
    void (*body)(unsigned cpu); /* with world.mm loaded */
    void (*check)(void);        /* alone, as CPU 0; or NULL */
    unsigned inject;            /* allocations that may fail: FIBERS_FAIL_* */
    bool exact_faults;          /* no access faults without a reason */
    unsigned mmu;               /* what the hardware leaves to the library: MACHINE_* */
    enum scenario_formats formats;
    uint64_t waiting_limit;    /* mmk_config's */
    uint64_t fault_around;     /* mmk_config's; 0: a fault maps one page */
    enum mmk_huge_policy huge; /* mmk_config's */
    uint64_t anon_block;       /* mmk_config's; 0: a first write maps one page */
    uint64_t most_steps;       /* more is a livelock; 0: 100,000 */
    bool weak_programs;        /* with weak memory, programs' own data are weak, too */
    bool independent; /* CPUs share nothing but what the machine sees: library, fibers_touch() */
    bool hidden;      /* runs only when it is named: it fails, to test the simulator */
};

/* scenarios_*.c: lists that end with one without a name; scenarios.c names them all */
extern const struct scenario kernels_locks[], kernels_memory[], kernels_notifier[], kernels_rmap[];
extern const struct scenario kernels_reclaim[], kernels_swap[], scenarios_swap[],
    scenarios_swap_shared[];
extern const struct scenario scenarios_basic[];
extern const struct scenario scenarios_rules[], scenarios_files[], scenarios_rmap[];
extern const struct scenario scenarios_reclaim[], scenarios_group[], scenarios_migrate[];
extern const struct scenario scenarios_compact[], scenarios_shrink[];
extern const struct scenario scenarios_tables[], scenarios_pins[], scenarios_waiting[];
extern const struct scenario scenarios_around[], scenarios_block[];
extern const struct scenario scenarios_speculate[], scenarios_speculate_file[],
    scenarios_speculate_swap[], scenarios_speculate_tables[], scenarios_hint[], kernels_speculate[];
extern const struct scenario scenarios_advise[];
extern const struct scenario scenarios_huge[], scenarios_huge_page[], scenarios_huge_zero[],
    scenarios_huge_object[], scenarios_huge_unused[], scenarios_huge_frames[],
    scenarios_huge_upper[];
extern const struct scenario scenarios_large[], scenarios_swap_large[];
extern const struct scenario scenarios_selftest[];
const struct scenario *scenarios_pairs(void);

/* The lists, from 0. => NULL: there are no more */
const struct scenario *scenario_list(unsigned number);

/*
 * One of the many pairs, or a large one: not to be run as often as a rule's program or a kernel,
 * which are few and short.
 */
bool scenario_is_costly(const struct scenario *scenario);

/* => NULL: there is none of that name */
const struct scenario *scenario_find(const char *name);

#endif
