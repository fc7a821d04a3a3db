/* SPDX-License-Identifier: MIT */
/*
 * sparse.h - the server that mmkit is about: 55 TB mapped, 590 GB resident, 110 GB of page tables,
 * of which 1.2 GB would do; made smaller by a factor, and run for real.
 *
 * Its threads fill the resident part, which lies dense but in one table of ninety-three, page by
 * page in random order. Beside it they touch pages anywhere in all of it and give each back after a
 * while, so many that hardly a table of the address space is left out.
 */
#ifndef SPARSE_H
#define SPARSE_H

#include "side.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SPARSE_MARKS       100u /* at each percent of the work it is looked at */
#define SPARSE_THREADS_MAX 8u
#define SPARSE_FACTOR_MAX  65536u

struct sparse {
    unsigned factor, threads;
    uint64_t mapped, resident; /* bytes */
    uint64_t tables_all;       /* bytes of leaf tables that would cover all of it */
    uint64_t touches;          /* of both kinds */
};

/* What one side makes of it; bytes of page tables. */
struct sparse_result {
    uint64_t tables[SPARSE_MARKS + 1], least[SPARSE_MARKS + 1];
    uint64_t peak, least_at_peak, end, least_at_end;
    uint64_t waiting_peak; /* not linked any more, beside the others */
    uint64_t both_peak;    /* these and the others, at one moment */
    double seconds;
};

/* => false: it does not fit into the addresses of this build's page-table format */
bool sparse_plan(struct sparse *sparse, unsigned factor, unsigned threads);

/* => in a process of its own; false after a message */
bool sparse_run(const struct sparse *sparse, const struct side *side, enum mmk_table_policy policy,
                struct sparse_result *result);

#endif
