/* SPDX-License-Identifier: MIT */
/* lab_ideal.c - the best there can be, and two that everybody knows: bounds for the others. */
#include "lab.h"

#include "host_alloc.h"

/* --- Belady's: the page goes that is wanted again last ---------------------------------------- */

struct use {
    uint64_t when;
    uint32_t page;
};

/*
 * A heap of the uses to come, the latest first; a reference adds one, so it never grows beyond
 * their number. A page's use that has been stays in it, and is passed by.
 */
struct heap {
    size_t count;
    struct use use[];
};

static void swap(struct use *a, struct use *b)
{
    struct use use = *a;

    *a = *b;
    *b = use;
}

static void heap_add(struct heap *heap, struct use use)
{
    size_t i = heap->count++, above;

    heap->use[i] = use;
    for (; i > 0 && heap->use[above = (i - 1) / 2].when < use.when; i = above)
        swap(&heap->use[i], &heap->use[above]);
}

static struct use heap_take(struct heap *heap)
{
    struct use first = heap->use[0];
    size_t i = 0, below;

    heap->use[0] = heap->use[--heap->count];
    while ((below = 2 * i + 1) < heap->count) {
        below += below + 1 < heap->count && heap->use[below + 1].when > heap->use[below].when;
        if (heap->use[below].when <= heap->use[i].when)
            break;
        swap(&heap->use[i], &heap->use[below]);
        i = below;
    }
    return first;
}

static void foresee(struct lab *lab, uint32_t page)
{
    if (!lab->own)
        lab->own = host_alloc(1, sizeof(struct heap) + lab->refs->count * sizeof(struct use));
    lab->page[page].when = lab->next_use[lab->now];
    heap_add(lab->own, (struct use){lab->page[page].when, page});
}

static uint32_t evict_latest(struct lab *lab)
{
    struct use use;

    do
        use = heap_take(lab->own);
    while (!lab->page[use.page].resident || lab->page[use.page].when != use.when);
    return use.page;
}

const struct policy policy_optimum = {.name = "optimum",
                                      .what = "Belady's: knows the future",
                                      .admit = foresee,
                                      .hit = foresee,
                                      .evict = evict_latest,
                                      .foresees = true};

/* --- by the last use, by the first ------------------------------------------------------------ */

static void admit_newest(struct lab *lab, uint32_t page)
{
    lab_append(lab, page, 0);
}

static void move_to_newest(struct lab *lab, uint32_t page)
{
    lab_remove(lab, page);
    lab_append(lab, page, 0);
}

static uint32_t evict_oldest(struct lab *lab)
{
    uint32_t page = lab_oldest(lab, 0);

    lab_remove(lab, page);
    return page;
}

const struct policy policy_lru = {.name = "lru",
                                  .what = "least recently used: is told of each access",
                                  .admit = admit_newest,
                                  .hit = move_to_newest,
                                  .evict = evict_oldest};

const struct policy policy_fifo = {.name = "fifo",
                                   .what = "first in, first out: looks at no access",
                                   .admit = admit_newest,
                                   .evict = evict_oldest};
