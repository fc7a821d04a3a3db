/* SPDX-License-Identifier: MIT */
/*
 * run.h - sequences, run by a child: what mmkit may do to the process that it runs in is seen from
 * outside.
 */
#ifndef ORACLE_RUN_H
#define ORACLE_RUN_H

#include "arguments.h"
#include "sequence.h"

enum { SEQUENCE_OPS = 400 };

/* What came of a search, summed up. */
struct totals {
    uint64_t ops, avoided, sequences, divergences;
    uint64_t chances; /* differences that did not show again */
    uint64_t by_call[CALLS];
};

/* A sequence that diverges. */
struct failure {
    struct ops ops; /* up to the one that differs; the caller frees the list */
    uint64_t number;
    bool thorough;  /* shows when everything is looked at after each operation */
    bool used_disk; /* an operation on FILE_DISK was made */
    char text[FAILURE_TEXT];
};

enum result { RESULT_WELL, RESULT_FAILURE, RESULT_BROKEN };

/*
 * Runs sequences from number *next on, as many as arguments say, and adds to totals.
 * => RESULT_FAILURE: one fails: *failure, and *next is the one after it; RESULT_BROKEN: cannot
 *    be run, after a message
 */
enum result run_search(const struct arguments *arguments, uint64_t *next, struct totals *totals,
                       struct failure *failure);

/* Runs one. totals may be NULL. => as above; `text` says how it fails */
enum result run_one(const struct ops *ops, const struct sequence_options *options,
                    struct totals *totals, char *text);

#endif
