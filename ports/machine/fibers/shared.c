/* SPDX-License-Identifier: MIT */
/*
 * shared.c - which words two CPUs use, at least one of them to write.
 *
 * A search through all schedules need not look at switches before an access to a word that only one
 * CPU uses: such a switch is as good as one before that CPU's next access to a shared word. What is
 * shared is found by looking on: a word counts once any run has seen it used by two; whoever has
 * searched with fewer words searches again.
 *
 * Words are known by their address. Memory that is used again for something else makes for points
 * too many, never for too few.
 */
#include "sched.h"

#include <string.h>

#define PLACES 65536 /* more words than a small program has */

struct place {
    uintptr_t word;
    uint32_t run; /* the run that `readers` and `writers` are of */
    uint8_t users, writers;
    bool shared;
};

static struct place places[PLACES];
static unsigned used;
static uint32_t run = 1;
static bool grew;

static struct place *find(uintptr_t word)
{
    size_t at = (size_t)((word >> 2) * 0x9e3779b97f4a7c15u >> 48);

    while (places[at].word && places[at].word != word)
        at = (at + 1) % PLACES;
    return &places[at];
}

void sim_note_access(uintptr_t word, enum fibers_access access, unsigned task)
{
    struct place *place = find(word);
    uint8_t bit = (uint8_t)(1u << task);

    if (place->shared)
        return;
    if (!place->word) {
        mmk_assert(++used < PLACES * 3 / 4, "fibers: too many words for a search");
        place->word = word;
    }
    if (place->run != run)
        *place = (struct place){.word = word, .run = run};
    place->users |= bit;
    if (access == FIBERS_WRITE)
        place->writers |= bit;
    if (place->writers && (place->users & (place->users - 1)))
        grew = place->shared = true;
}

bool sim_is_shared(uintptr_t word)
{
    return find(word)->shared;
}

bool sim_shared_grew(void)
{
    bool was = grew;

    grew = false;
    return was;
}

void sim_forget_run(void)
{
    run++;
}

void fibers_forget_shared(void)
{
    memset(places, 0, sizeof(places));
    used = 0;
    run = 1;
    grew = false;
}
