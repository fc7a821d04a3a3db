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
#include "sharing_found.h"

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
extern const struct sharing_pair sharing_pairs_anon[], sharing_pairs_swap[], sharing_pairs_object[];
extern const struct ground sharing_grounds[];
extern const struct sharing_place sharing_places[];

/* What a pair of class FREE shares. */
enum sharing_verdict {
    SHARING_NOTHING,
    SHARING_TABLE,    /* lines of the one leaf table that both pages are in, and no others */
    SHARING_FLUSH,    /* lines that are used in interrupts, as one flushes the other's TLB */
    SHARING_SOMETHING /* others */
};

enum { SHARING_VERDICTS = SHARING_SOMETHING + 1 };

struct sharing_result {
    const struct sharing_pair *pair;
    enum sharing_verdict verdict;
    struct sharing_found found;
};

struct sharing {
    struct sharing_result *results; /* of the pairs that were asked for */
    size_t pairs, serialised;
    size_t verdicts[SHARING_VERDICTS]; /* of those that are not serialised */
};

/* => how many share no line, but for that table's */
size_t sharing_free(const struct sharing *sharing);

/*
 * Those whose names ("A.B.GROUND.PLACE") fit --scenario. What does not commute after all, or comes
 * to another result than in the model, ends the process. => in the program that sees plain
 * accesses, which has run nothing
 */
struct sharing sharing_run(const struct arguments *arguments);

/* => name, of SHARING_PAIR_NAME bytes */
enum { SHARING_PAIR_NAME = 96 };
const char *sharing_pair_name(const struct sharing_pair *pair, char *name);

/* sharing_report.c: for people, and for machines. */
void sharing_tell(FILE *stream, const struct sharing *sharing);
void sharing_write(FILE *stream, const struct sharing *sharing, double seconds);

#endif
