/* SPDX-License-Identifier: MIT */
/* lab.c - plays a string of references: see lab.h. */
#include "lab.h"

#include "host_alloc.h"

#include <stdlib.h>

const struct policy *const policies[] = {
    &policy_optimum,   &policy_hands,       &policy_clock,
    &policy_two_lists, &policy_generations, &policy_s3_fifo,
    &policy_lru,       &policy_fifo,        NULL,
};

void refs_add(struct refs *refs, uint32_t page)
{
    refs->page = host_grow(refs->page, refs->count, &refs->capacity, sizeof(refs->page[0]));
    refs->page[refs->count++] = page;
    if (page >= refs->pages)
        refs->pages = page + 1;
}

void refs_free(struct refs *refs)
{
    free(refs->page);
    *refs = (struct refs){0};
}

/* --- lists ----------------------------------------------------------------------------------- */

static uint32_t head_of(const struct lab *lab, unsigned list)
{
    return lab->refs->pages + list;
}

void lab_append(struct lab *lab, uint32_t page, unsigned list)
{
    uint32_t head = head_of(lab, list), last = lab->page[head].prev;

    lab->page[page].next = head;
    lab->page[page].prev = last;
    lab->page[last].next = page;
    lab->page[head].prev = page;
    lab->page[page].list = (uint8_t)list;
    lab->size[list]++;
}

void lab_remove(struct lab *lab, uint32_t page)
{
    struct lab_page *own = &lab->page[page];

    lab->page[own->prev].next = own->next;
    lab->page[own->next].prev = own->prev;
    lab->size[own->list]--;
}

uint32_t lab_oldest(const struct lab *lab, unsigned list)
{
    return lab->size[list] == 0 ? LAB_NONE : lab->page[head_of(lab, list)].next;
}

bool lab_take_accessed(struct lab *lab, uint32_t page)
{
    bool accessed = lab->page[page].accessed;

    lab->page[page].accessed = false;
    return accessed;
}

/* --- a game ---------------------------------------------------------------------------------- */

/* By reference: when its page is wanted again; count: never. */
static uint64_t *foresee(const struct refs *refs)
{
    uint64_t *next_use = host_alloc(refs->count + 1, sizeof(next_use[0]));
    uint64_t *seen = host_alloc(refs->pages + 1, sizeof(seen[0]));
    size_t i;

    for (i = 0; i < refs->pages; i++)
        seen[i] = refs->count;
    for (i = refs->count; i-- > 0;) {
        next_use[i] = seen[refs->page[i]];
        seen[refs->page[i]] = i;
    }
    free(seen);
    return next_use;
}

static void begin(struct lab *lab, const struct policy *policy, const struct refs *refs,
                  uint32_t frames)
{
    unsigned list;

    *lab = (struct lab){.refs = refs, .frames = frames};
    lab->page = host_alloc(refs->pages + LAB_LISTS, sizeof(lab->page[0]));
    lab->frame = host_alloc(frames, sizeof(lab->frame[0]));
    if (policy->foresees)
        lab->next_use = foresee(refs);
    for (list = 0; list < LAB_LISTS; list++)
        lab->page[head_of(lab, list)].next = lab->page[head_of(lab, list)].prev =
            head_of(lab, list);
}

static void bring_in(struct lab *lab, const struct policy *policy, uint32_t page)
{
    uint32_t slot = lab->used, gone;

    if (lab->used < lab->frames) {
        lab->used++;
    } else {
        gone = policy->evict(lab);
        slot = lab->page[gone].slot;
        lab->page[gone].resident = false;
        lab->evicted++;
    }
    lab->frame[slot] = page;
    lab->page[page].slot = slot;
    lab->page[page].resident = lab->page[page].accessed = true;
    policy->admit(lab, page);
}

uint64_t lab_misses(const struct policy *policy, const struct refs *refs, uint32_t frames)
{
    uint64_t misses = 0;
    struct lab lab;

    begin(&lab, policy, refs, frames);
    for (; lab.now < refs->count; lab.now++) {
        uint32_t page = refs->page[lab.now];

        if (!lab.page[page].resident) {
            misses++;
            bring_in(&lab, policy, page);
            continue;
        }
        lab.page[page].accessed = true;
        if (policy->hit)
            policy->hit(&lab, page);
    }
    free(lab.page);
    free(lab.frame);
    free(lab.own);
    free((void *)(uintptr_t)lab.next_use);
    return misses;
}
