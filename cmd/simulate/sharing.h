/* SPDX-License-Identifier: MIT */
/*
 * sharing.h - operations that commute need not touch what the other writes: which do?
 *
 * Two operations commute when nobody can tell from what comes out which was first (Clements et al.,
 * The Scalable Commutativity Rule, SOSP 2013). Then there is a way to do them that scales: on two
 * CPUs, none of which writes to a cache line that the other uses. `mmkit simulate --sharing` takes
 * a list of such pairs, does each in both orders, and tells the lines that both have used.
 */
#ifndef SIMULATE_SHARING_H
#define SIMULATE_SHARING_H

#include "arguments.h"
#include "pairs.h"

#include <stdio.h>

enum sharing_class {
    SHARING_FREE,      /* nothing that both have to write */
    SHARING_SERIALISED /* both change the mappings of an address space, or use one page of a file */
};

/*
 * The list, a pair a line: two operations of pairs.h, on memory of a kind, at a place. It says
 * what is expected, and was written down before anything was measured.
 */
struct sharing_pair {
    const char *op[2], *ground, *place;
    enum sharing_class class;
};

/* Where the two work, in a mapping whose pages up to 3 are in one table, and from 4 on in another.
 */
struct sharing_place {
    const char *name;
    unsigned page[2];
    bool again; /* the second in another mapping, far from the first */
    bool other; /* in an address space that has nothing to do with the first */
    bool child; /* in the first one's child */
};

/* Each ends with one without a name. */
extern const struct sharing_pair sharing_pairs_anon[], sharing_pairs_object[];
extern const struct ground sharing_grounds[];
extern const struct sharing_place sharing_places[];

struct sharing {
    unsigned pairs; /* of the list, and asked for */
    unsigned free;  /* of class FREE: */
    unsigned serialised;
};

/*
 * Those whose names ("A.B.GROUND.PLACE") fit --scenario. What does not commute after all, or comes
 * to another result than in the model, ends the process. => in a program that has run nothing
 */
struct sharing sharing_run(FILE *out, const struct arguments *arguments);

#endif
