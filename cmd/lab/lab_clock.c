/* SPDX-License-Identifier: MIT */
/* lab_clock.c - a hand goes round over the frames, by their numbers: nothing is ordered. */
#include "lab.h"

#include "host_alloc.h"

static uint32_t under_hand(struct lab *lab)
{
    uint32_t page = lab->frame[lab->hand];

    lab->hand = (lab->hand + 1) % lab->frames;
    return page;
}

static void admit_anywhere(struct lab *lab, uint32_t page)
{
    lab->page[page].age = 0;
}

static uint32_t evict_unused(struct lab *lab)
{
    uint32_t page;

    do
        page = under_hand(lab);
    while (lab_take_accessed(lab, page));
    return page;
}

const struct policy policy_clock = {.name = "clock",
                                    .what = "a hand over the frames, second chance",
                                    .admit = admit_anywhere,
                                    .evict = evict_unused};

/* --- as src/reclaim.c: two hands, one for new pages and one for those that are kept ----------- */

enum { AGE_KEPT = 2, AGE_MAX = 4, NEW_PART = 4 };

struct hands {
    uint32_t fresh, kept; /* frames under them */
    uint32_t pages_kept;
};

static void admit_new(struct lab *lab, uint32_t page)
{
    if (!lab->own)
        lab->own = host_alloc(1, sizeof(struct hands));
    lab->page[page].age = 0;
}

/* => it goes */
static bool look_at_new(struct lab *lab, struct hands *hands)
{
    struct lab_page *page = &lab->page[lab->frame[hands->fresh]];

    if (page->age >= AGE_KEPT)
        return false;
    if (!lab_take_accessed(lab, lab->frame[hands->fresh]))
        return true;
    hands->pages_kept += ++page->age == AGE_KEPT;
    return false;
}

static bool look_at_kept(struct lab *lab, struct hands *hands)
{
    struct lab_page *page = &lab->page[lab->frame[hands->kept]];

    if (page->age < AGE_KEPT)
        return false;
    if (lab_take_accessed(lab, lab->frame[hands->kept])) {
        if (page->age < AGE_MAX)
            page->age++;
        return false;
    }
    if (page->age-- > AGE_KEPT)
        return false;
    hands->pages_kept--;
    return true;
}

static uint32_t evict_by_hands(struct lab *lab)
{
    struct hands *hands = lab->own;
    uint32_t *hand, page;
    bool goes;

    do {
        bool turn = (uint64_t)(lab->frames - hands->pages_kept) * NEW_PART >= lab->frames;

        goes = turn ? look_at_new(lab, hands) : look_at_kept(lab, hands);
        hand = turn ? &hands->fresh : &hands->kept;
        page = lab->frame[*hand];
        *hand = (*hand + 1) % lab->frames;
    } while (!goes);
    return page;
}

const struct policy policy_hands = {.name = "mmkit",
                                    .what = "two hands over the frames, an age for each page",
                                    .admit = admit_new,
                                    .evict = evict_by_hands};
