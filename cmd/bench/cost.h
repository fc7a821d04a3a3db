/* SPDX-License-Identifier: MIT */
/*
 * cost.h - what it costs to take a page from memory, and to bring it back: mmkit beside the Linux
 * that it runs on, in turn, by the same calls on as many pages with the same content.
 *
 * Of Linux that is what a program without privileges can have done to its own pages: MADV_PAGEOUT.
 * Times are CPU time of the calling thread: what waits for a disk is not in it.
 *
 * Pages are plain, one word over and over, different for each: zram, where swap is that, looks
 * through such a page and keeps the word, which is less than the copy that mmkit's device makes. Or
 * they are mixed, half zeros and half random.
 */
#ifndef COST_H
#define COST_H

#include "figure.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum cost_step {
    COST_OUT_WRITTEN, /* private pages that were written to, to swap */
    COST_IN,          /* back, by MADV_POPULATE_READ */
    COST_OUT_CLEAN,   /* the same pages, only read since */
    COST_IN_TOUCHED,  /* back, by a fault each */
    COST_OUT_MIXED,   /* as COST_OUT_WRITTEN, of pages that are work to compress */
    COST_IN_MIXED,
    COST_FILE_OUT, /* clean pages of a file that is mapped */
    COST_FILE_IN,  /* back, by MADV_POPULATE_READ */
    COST_STEPS
};

#define COST_PAGES      4096u
#define COST_ROUNDS_MAX FIGURE_ROUNDS_MAX

/* A round of one side. */
struct cost_round {
    double ns[COST_STEPS]; /* a page; below 0: not measured */
    uint64_t written;      /* of the pages that were clean, to swap, once more */
    double copy_ns;        /* mmkit: copying a page to swap space, of what it does */
    double trap_ns;        /* Linux: what a fault costs the program beside the kernel's work */
};

struct cost {
    unsigned rounds;
    struct figure rows[COST_STEPS];
    double copy_ns;
    double trap_ns;                      /* median, on Linux */
    double linux_written, mmkit_written; /* to swap, for each page that was clean: mean */
    char kernel[80];                     /* its release */
    char swap[96];                       /* what it swaps to; empty: nothing */
    char without[120];                   /* why something could not be measured; empty: all was */
};

/* Has this build's page-table format the addresses for it? */
bool cost_fits(void);

/* => false after a message: the host lacks something, or what came back was not what had gone */
bool cost_measure(struct cost *cost, unsigned rounds);

void cost_print(FILE *stream, const struct cost *cost);

struct json;
void cost_json(struct json *json, const struct cost *cost);

/* --- the two sides: cost_linux.c, cost_mmkit.c -------------------------------------------------
 */

#define COST_PAGE_WORDS 512u

/* The pages' content, of COST_PAGES each. */
struct cost_content {
    uint64_t (*plain)[COST_PAGE_WORDS], (*mixed)[COST_PAGE_WORDS];
};

/* => false after a message */
bool cost_linux_begin(struct cost *cost, const struct cost_content *content);
bool cost_linux_round(struct cost *cost, struct cost_round *round);
void cost_linux_end(void);

bool cost_mmkit_begin(const struct cost_content *content);
bool cost_mmkit_round(struct cost_round *round);
void cost_mmkit_end(void);

#endif
