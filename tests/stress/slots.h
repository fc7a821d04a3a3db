/* SPDX-License-Identifier: MIT */
/*
 * slots.h - children that go on living, for others to visit: each is in a slot, which is its user.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "rounds.h"

#define SLOTS 3

static struct slot {
    pthread_mutex_t lock; /* only tried: a CPU does not wait for the host */
    struct mmk_mm *mm;
} slots[SLOTS];

static void slots_begin(void)
{
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        pthread_mutex_init(&slots[i].lock, NULL);
}

/* => no thread runs */
static void slots_end(void)
{
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        if (slots[i].mm)
            mmk_mm_put(slots[i].mm);
}

/* => a child that the caller is a user of; NULL: none */
static struct mmk_mm *slot_take(void)
{
    struct slot *slot = &slots[random_below(SLOTS)];
    struct mmk_mm *child;

    if (pthread_mutex_trylock(&slot->lock) != 0)
        return NULL;
    child = slot->mm;
    if (child)
        mmk_mm_get(child);
    pthread_mutex_unlock(&slot->lock);
    return child;
}

/* The child takes the place of another, or goes. => it, or the other, is put */
static void slot_give(struct mmk_mm *child)
{
    struct slot *slot = &slots[random_below(SLOTS)];
    struct mmk_mm *old = child;

    if (pthread_mutex_trylock(&slot->lock) == 0) {
        old = slot->mm;
        slot->mm = child;
        pthread_mutex_unlock(&slot->lock);
    }
    if (old)
        mmk_mm_put(old);
}

/* => nothing else runs */
static void slots_check(void (*check_child)(struct mmk_mm *child))
{
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        if (slots[i].mm)
            check_child(slots[i].mm);
}

#endif
