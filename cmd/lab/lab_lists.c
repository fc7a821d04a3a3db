/* SPDX-License-Identifier: MIT */
/* lab_lists.c - policies that keep pages in lists, and look at accessed bits. */
#include "lab.h"

/* --- two lists, as Linux has them by default --------------------------------------------------
 */

enum { INACTIVE, ACTIVE };

/* `age`: was found used once. `when`: evictions, when it went; back soon, it was needed. */
static void admit_inactive(struct lab *lab, uint32_t page)
{
    struct lab_page *own = &lab->page[page];
    bool back = own->when != 0 && lab->evicted - own->when <= lab->size[ACTIVE];

    own->age = 0;
    lab_append(lab, page, back ? ACTIVE : INACTIVE);
}

/* The active ones are never more. */
static void deactivate(struct lab *lab)
{
    while (lab->size[INACTIVE] < lab->size[ACTIVE]) {
        uint32_t page = lab_oldest(lab, ACTIVE);

        lab_remove(lab, page);
        (void)lab_take_accessed(lab, page);
        lab->page[page].age = 0;
        lab_append(lab, page, INACTIVE);
    }
}

static uint32_t evict_inactive(struct lab *lab)
{
    for (;;) {
        struct lab_page *own;
        uint32_t page;

        deactivate(lab);
        page = lab_oldest(lab, INACTIVE);
        own = &lab->page[page];
        lab_remove(lab, page);
        if (!lab_take_accessed(lab, page)) {
            own->when = lab->evicted + 1;
            return page;
        }
        lab_append(lab, page, own->age ? ACTIVE : INACTIVE);
        own->age = 1;
    }
}

const struct policy policy_two_lists = {.name = "two-lists",
                                        .what = "active and inactive, refault distance (Linux)",
                                        .admit = admit_inactive,
                                        .evict = evict_inactive};

/* --- generations, as Linux has them where configured ------------------------------------------
 */

enum { GENERATIONS = 4, GENERATIONS_LEAST = 2 };

static void admit_youngest(struct lab *lab, uint32_t page)
{
    lab_append(lab, page, (unsigned)(lab->last % GENERATIONS));
}

/* A new generation: of all that were used since the last one. */
static void walk_all(struct lab *lab)
{
    uint32_t i;

    lab->last++;
    for (i = 0; i < lab->used; i++) {
        uint32_t page = lab->frame[i];

        if (!lab->page[page].resident || !lab_take_accessed(lab, page))
            continue;
        lab_remove(lab, page);
        admit_youngest(lab, page);
    }
}

static uint32_t evict_generation(struct lab *lab)
{
    uint32_t page;

    for (;;) {
        while (lab->first < lab->last && lab->size[lab->first % GENERATIONS] == 0)
            lab->first++;
        if (lab->last - lab->first < GENERATIONS_LEAST)
            walk_all(lab);
        page = lab_oldest(lab, (unsigned)(lab->first % GENERATIONS));
        if (page == LAB_NONE)
            continue;
        lab_remove(lab, page);
        if (!lab_take_accessed(lab, page))
            return page;
        admit_youngest(lab, page);
    }
}

const struct policy policy_generations = {.name = "generations",
                                          .what = "four of them, aged by walks (Linux's MGLRU)",
                                          .admit = admit_youngest,
                                          .evict = evict_generation};

/* --- S3-FIFO, with what accessed bits tell ----------------------------------------------------
 */

enum { SMALL, MAIN };

static void admit_small(struct lab *lab, uint32_t page)
{
    struct lab_page *own = &lab->page[page];
    bool ghost = own->when != 0 && lab->evicted - own->when < lab->frames;

    own->age = 0;
    own->when = 0;
    lab_append(lab, page, ghost ? MAIN : SMALL);
}

static uint32_t evict_small(struct lab *lab)
{
    for (;;) {
        bool small = lab->size[SMALL] > lab->frames / 10 || lab->size[MAIN] == 0;
        uint32_t page = lab_oldest(lab, small ? SMALL : MAIN);

        lab_remove(lab, page);
        if (!lab_take_accessed(lab, page)) {
            lab->page[page].when = small ? lab->evicted + 1 : 0;
            return page;
        }
        /* The first look finds what has brought it in. */
        lab_append(lab, page, small && lab->page[page].age == 0 ? SMALL : MAIN);
        lab->page[page].age = 1;
    }
}

const struct policy policy_s3_fifo = {.name = "s3-fifo",
                                      .what = "a small queue to be used again in, a main one",
                                      .admit = admit_small,
                                      .evict = evict_small};
