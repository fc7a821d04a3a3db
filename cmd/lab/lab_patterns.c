/* SPDX-License-Identifier: MIT */
/* lab_patterns.c - strings of references that are made up, each of a kind that programs have. */
#include "lab.h"

#include "host_alloc.h"

#include <stdlib.h>

enum { PAGES = 4096, LENGTH = 400000 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static double fraction(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Zipf's: the nth most frequent page comes as often as 1 / n; by a table of sums. */
struct zipf {
    uint32_t pages;
    double sum[];
};

static struct zipf *zipf_of(uint32_t pages)
{
    struct zipf *zipf = host_alloc(1, sizeof(*zipf) + pages * sizeof(zipf->sum[0]));
    double sum = 0;
    uint32_t i;

    zipf->pages = pages;
    for (i = 0; i < pages; i++)
        zipf->sum[i] = sum += 1 / (double)(i + 1);
    return zipf;
}

static uint32_t zipf_draw(const struct zipf *zipf, uint64_t *random)
{
    double wanted = fraction(random) * zipf->sum[zipf->pages - 1];
    uint32_t low = 0, high = zipf->pages - 1, middle;

    while (low < high) {
        middle = (low + high) / 2;
        if (zipf->sum[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void make_zipf(struct refs *refs)
{
    struct zipf *zipf = zipf_of(PAGES);
    uint64_t random = 1;
    uint32_t i;

    for (i = 0; i < LENGTH; i++)
        refs_add(refs, zipf_draw(zipf, &random));
    free(zipf);
}

/* Over and over, in order. */
static void make_loop(struct refs *refs)
{
    uint32_t i;

    for (i = 0; i < LENGTH; i++)
        refs_add(refs, i % PAGES);
}

/* Half of the accesses go to a few pages, the others are to pages that come once. */
static void make_scan(struct refs *refs)
{
    struct zipf *zipf = zipf_of(PAGES / 8);
    uint32_t i, next = 0;
    uint64_t random = 2;

    for (i = 0; i < LENGTH; i++) {
        if (fraction(&random) < 0.5)
            refs_add(refs, zipf_draw(zipf, &random));
        else
            refs_add(refs, PAGES / 8 + next++ % (PAGES - PAGES / 8));
    }
    free(zipf);
}

/* The pages that are used are others after a while: a tenth of all, ten times. */
static void make_phases(struct refs *refs)
{
    struct zipf *zipf = zipf_of(PAGES / 5);
    uint64_t random = 3;
    uint32_t i;

    for (i = 0; i < LENGTH; i++)
        refs_add(refs, (i / (LENGTH / 10) * (PAGES / 10) + zipf_draw(zipf, &random)) % PAGES);
    free(zipf);
}

/* Runs of pages in order, each soon again: what a program does with its data. */
static void make_runs(struct refs *refs)
{
    struct zipf *zipf = zipf_of(PAGES / 32);
    uint32_t i, run, at;
    uint64_t random = 4;

    for (i = 0; i < LENGTH / 32; i++) {
        run = zipf_draw(zipf, &random);
        for (at = 0; at < 32; at++)
            refs_add(refs, run * 32 + at);
    }
    free(zipf);
}

const struct pattern patterns[] = {
    {"zipf", "the nth most frequent page comes as often as 1 / n", make_zipf},
    {"loop", "all pages in order, over and over", make_loop},
    {"scan", "an eighth of the pages by zipf, all others in order", make_scan},
    {"phases", "a tenth of the pages changes, ten times", make_phases},
    {"runs", "runs of 32 pages by zipf", make_runs},
    {NULL, NULL, NULL},
};
