/* SPDX-License-Identifier: MIT */
/* arguments.h - the options of `mmkit oracle', read and found good. */
#ifndef ORACLE_ARGUMENTS_H
#define ORACLE_ARGUMENTS_H

#include "op.h"
#include "usage.h"

struct arguments {
    uint64_t seed, ops, failures;
    unsigned processes;
    uint32_t calls; /* by bit */
    bool shrink, check, thorough;
    bool print; /* the sequence as a C program; nothing is run */
    const char *json;
    const char *source;    /* --replay or --script: these operations, once; NULL: a search */
    const char *of_search; /* an option that was given and says something of a search, or NULL */
    struct ops sequence;   /* the caller frees the list */
};

/* Exits, after a message, when they are not good. */
void arguments_parse(struct arguments *arguments, int argc, char **argv);

#endif
