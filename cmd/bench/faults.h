/* SPDX-License-Identifier: MIT */
/*
 * faults.h - threads that fault at once, each on a CPU of its own as far as there are, each on
 * pages that no other touches; and perhaps one beside them that maps and unmaps something else.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "side.h"

enum { FAULTS_THREADS_MAX = 12 };

enum faults_where {
    FAULTS_AREAS,  /* each in a mapping of its own, */
    FAULTS_PARTS,  /* in its part of one mapping, */
    FAULTS_TURNS,  /* on every so manieth page of one: in the same tables, */
    FAULTS_SPACES, /* or in an address space of its own */
};

/* What a case of calls.h is told by. */
uint64_t faults_parameter(unsigned threads, enum faults_where where, bool mapping);

/* => ns a page, while all of them were at work, by the clock; -1: something has failed */
double faults_run(const struct side *side, uint64_t parameter);

/* mmkit's RAM, for so many threads. */
uint64_t faults_memory(unsigned threads);

#endif
