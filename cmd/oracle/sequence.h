/* SPDX-License-Identifier: MIT */
/* sequence.h - runs a sequence on both sides, and finds the first operation where they differ. */
#ifndef ORACLE_SEQUENCE_H
#define ORACLE_SEQUENCE_H

#include "compare.h"
#include "op.h"

enum { FAILURE_TEXT = COMPARE_TEXT + 32 };

/* What came of it, and, while it runs, how far it is: in memory that a process may share. */
struct progress_of_sequence {
    uint64_t done;           /* operations, those left out as well */
    uint64_t avoided;        /* left out: docs/SEMANTICS.md has the difference */
    uint64_t by_call[CALLS]; /* made */
    bool used_disk;          /* an operation on FILE_DISK was made */
    bool diverged;           /* at operation `done` */
    bool broken;             /* no Linux, no memory: nothing is said of mmkit */
    char text[FAILURE_TEXT]; /* how */
};

struct sequence_options {
    bool thorough; /* looks at everything after each operation */
    bool check;    /* mmk_check() after each */
};

/* => false: it has diverged, or is broken. The machine is there (mmkit_side_create()) */
bool sequence_run(const struct ops *ops, const struct sequence_options *options, uint64_t lowest,
                  struct progress_of_sequence *progress);

#endif
