/* SPDX-License-Identifier: MIT */
/*
 * replay.h - runs a recorded program on mmkit and compares every outcome with the shadow's.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "program.h"

#include <mmkit/init.h>

#include <stdbool.h>
#include <stdint.h>

struct replay_options {
    enum mmk_table_policy policy;
    uint64_t memory; /* bytes of the machine */
    uint64_t swap;   /* bytes of swap space; 0: none */
    uint64_t around; /* bytes: mmk_config.fault_around */
    uint64_t block;  /* bytes: mmk_config.anon_block */
    enum mmk_huge_policy huge;
    bool speculate;          /* faults try without the mmap lock */
    const char *memory_text; /* as the user gave it, for messages; NULL: estimated */
    const char *swap_text;   /* likewise; NULL: none */
    uint64_t check_interval; /* 0: no checks beside those of each access */
    uint64_t wrong_at;       /* for tests: the shadow is wrong at this fault, from 1; 0: never */
    bool progress;           /* draw a bar on stderr */
};

/* Distances of refaults, as parts of memory: less than so much. */
enum {
    REFAULT_QUARTER,
    REFAULT_HALF,
    REFAULT_ONCE,
    REFAULT_TWICE,
    REFAULT_MORE,
    REFAULT_PARTS,
};

struct replay_result {
    uint64_t events, skipped, processes;
    double seconds;
    uint64_t memory;
    struct {
        uint64_t anon, zero, file, cow, swap, reuse, spurious, unneeded;
        uint64_t huge;   /* of `anon`: mapped a larger page */
        uint64_t around; /* pages that these have mapped beside the one that was touched */
    } faults;
    struct {
        uint64_t vma, first, memory, page, kind, changed; /* locked_* of struct mmk_mm_stats */
    } locked;
    uint64_t virt_peak_bytes;   /* sum of all mappings of all address spaces */
    uint64_t rss_peak_bytes;    /* distinct pages that some entry maps, by the shadow's account */
    uint64_t frames_peak_bytes; /* that were not free, whatever for */
    struct {
        uint64_t peak_bytes, least_at_peak_bytes;
        uint64_t end_bytes;       /* after the last operation that is not an exit */
        int64_t excess_max_bytes; /* from 0 upwards */
        uint64_t waiting_peak_bytes, stock_peak_bytes;
    } tables;
    struct {
        uint64_t fallbacks, splits, collapses;
        uint64_t saved_peak_bytes; /* of tables that small pages would take in their place */
    } huge;
    struct {
        uint64_t flushes, pages, full, ipis;
    } tlb;
    struct {
        uint64_t scanned, freed, written, direct, tables_looked, tables_given;
    } reclaim;
    struct {
        uint64_t in, out, major, minor;
    } swap;
    struct {
        uint64_t evictions, memory; /* pages */
        uint64_t vain;              /* read ahead, and gone before they were touched */
        uint64_t swap, file;        /* refaults */
        uint64_t median;            /* distance: pages */
        uint64_t distances[REFAULT_PARTS];
    } refaults;
    uint64_t divergences;
    int64_t leaked_frames;
};

/*
 * The bytes of RAM that the recording can need at most, under any policy: the shadow alone runs
 * through it. The machine's own needs (descriptors, caches, what waits for a grace period) are in.
 */
uint64_t replay_estimate_memory(const struct program *program, enum mmk_huge_policy huge);

/*
 * Tells of each recorded access that does not fail, in order, which page it was to: `page` of the
 * file or address space with the number `owner`.
 */
void replay_references(const struct program *program,
                       void (*visit)(void *context, uint64_t owner, uint64_t page), void *context);

/*
 * Replays on a machine of its own, which is gone afterwards.
 * => false after printing one message: the memory does not suffice. Everything has been torn down:
 *    divergences and leaked_frames are valid
 */
bool replay_run(const struct program *program, const struct replay_options *options,
                struct replay_result *result);

#endif
