/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - ways in which programs empty page tables, each run for real on one side.
 *
 * A pattern touches four pages in each of 512 leaf tables, unless it says otherwise, and then gives
 * the memory back in its way. What tables are needed for what remains follows from the addresses:
 * no side is asked.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include "side.h"

#include <stdbool.h>
#include <stdint.h>

#define PATTERN_PAGES 2048u

/* What one side makes of it; bytes of page tables. */
struct pattern_result {
    uint64_t before, after; /* the memory is given back */
    uint64_t least;         /* that would do afterwards */
    uint64_t calls;         /* that gave it back */
    double call_ns;         /* CPU time of one: median */
    char skipped[96];       /* why; empty: it has run */
};

struct stage;

struct pattern {
    unsigned row;
    const char *what;
    bool (*prepare)(struct stage *stage);
    bool (*give_back)(struct stage *stage);
    /* Of the pages touched have an entry afterwards; MOVED: elsewhere. */
    enum { PATTERN_NONE, PATTERN_ALL, PATTERN_MOVED } remain;
    /* What is special: uses the object, wants swap space; the tables that count are a child's. */
    enum { PATTERN_PLAIN, PATTERN_OBJECT, PATTERN_SWAP, PATTERN_CHILD } kind;
};

extern const struct pattern table_patterns[];
extern const unsigned table_pattern_count;

/*
 * Runs it on a side, several times; figures are the last run's. => in a process of its own; false
 * after a message
 */
bool pattern_run(const struct pattern *pattern, const struct side *side,
                 enum mmk_table_policy policy, struct pattern_result *result);

#endif
