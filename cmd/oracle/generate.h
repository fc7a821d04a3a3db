/* SPDX-License-Identifier: MIT */
/* generate.h - sequences, weighted to be nasty: at random, or as a fuzzer's bytes choose. */
#ifndef ORACLE_GENERATE_H
#define ORACLE_GENERATE_H

#include "op.h"

struct generator {
    const uint8_t *bytes; /* what is chosen comes from these; then, or without any, from state */
    size_t left;          /* bytes */
    uint64_t state;
    uint32_t allowed;   /* calls, by bit */
    unsigned processes; /* how many there may be */
    bool alive[PROCESSES];
    bool reclaims;   /* this sequence has MADV_PAGEOUT, else MADV_FREE: see generate.c */
    bool locks_all;  /* it may lock as much as it wants, and is small */
    bool seals;      /* it seals much, for nothing can be taken back */
    bool huge;       /* ranges that larger pages fit in are likely */
    bool huge_files; /* and so are files, and their mappings */
    bool is_strict;  /* it has PR_SET_MDWE, which cannot be taken back */
};

/*
 * Whether there is something to generate at any time: `allowed' has a call that is always possible,
 * or fork and exit, with two processes or more.
 */
bool generate_can(uint32_t allowed);

void generate_begin(struct generator *generator, uint64_t seed, uint32_t allowed,
                    unsigned processes);
void generate(struct generator *generator, struct op *op);

/* The seed of a sequence among others. */
uint64_t generate_seed(uint64_t seed, uint64_t number);

#endif
