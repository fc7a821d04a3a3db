/* SPDX-License-Identifier: MIT */
/*
 * lab.h - replacement policies played on paper: which of them would have had the page?
 *
 * A string of references is played with so many frames. All a policy of a kernel sees of a hit is
 * that the page's accessed bit is set, whenever it comes to look; two are told of each hit, or of
 * the future, to compare with.
 */
#ifndef LAB_H
#define LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* References to pages 0 to pages - 1. */
struct refs {
    uint32_t *page;
    size_t count, capacity;
    uint32_t pages;
};

void refs_add(struct refs *refs, uint32_t page);
void refs_free(struct refs *refs);

enum { LAB_LISTS = 8, LAB_NONE = UINT32_MAX };

struct lab_page {
    uint32_t next, prev; /* in a list; behind the pages are the heads */
    uint32_t slot;       /* its frame, while it has one */
    uint64_t when;       /* what the policy likes: when it came, or went */
    uint8_t list;        /* which */
    uint8_t age;
    bool resident;
    bool accessed; /* by hardware; whoever looks may take it away */
};

struct lab {
    const struct refs *refs;
    size_t now;               /* number of the reference */
    uint32_t frames;          /* there are */
    uint32_t used;            /* have a page */
    uint32_t hand;            /* a frame */
    uint64_t evicted;         /* pages, up to now */
    uint64_t first, last;     /* generations that exist */
    uint32_t size[LAB_LISTS]; /* pages in each list */
    uint32_t *frame;          /* its page */
    const uint64_t *next_use; /* by reference: when that page is wanted next; for the optimum */
    struct lab_page *page;
    void *own; /* the policy's */
};

struct policy {
    const char *name, *what;
    void (*admit)(struct lab *lab, uint32_t page); /* it has just got a frame, and is accessed */
    void (*hit)(struct lab *lab, uint32_t page);   /* NULL: a kernel is not told */
    uint32_t (*evict)(struct lab *lab);            /* => a page that gives up its frame */
    bool foresees;                                 /* wants next_use */
};

extern const struct policy *const policies[]; /* then NULL */

/* => how often a page had to be brought in, the first time included; frames: 1 or more */
uint64_t lab_misses(const struct policy *policy, const struct refs *refs, uint32_t frames);

/* A page into the list, as the one that is there for the shortest time; out of the one it is in. */
void lab_append(struct lab *lab, uint32_t page, unsigned list);
void lab_remove(struct lab *lab, uint32_t page);

/* The page that has been there for longest; LAB_NONE: it is empty. */
uint32_t lab_oldest(const struct lab *lab, unsigned list);

/* Was it accessed since it was last asked? */
bool lab_take_accessed(struct lab *lab, uint32_t page);

/* lab_ideal.c, lab_clock.c, lab_lists.c */
extern const struct policy policy_optimum, policy_lru, policy_fifo, policy_clock, policy_hands,
    policy_two_lists, policy_generations, policy_s3_fifo;

/* Strings that are made up; what stands in a list that ends with one without a name. */
struct pattern {
    const char *name, *what;
    void (*make)(struct refs *refs);
};

extern const struct pattern patterns[];

#endif
