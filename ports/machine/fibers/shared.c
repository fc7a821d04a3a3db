/* SPDX-License-Identifier: MIT */
/*
 * shared.c - which words two CPUs use, at least one of them to write, and no lock keeps them apart.
 *
 * A search through all schedules need not look at switches before an access to any other word: such
 * a switch is as good as one before that CPU's next access to a shared word. For a word under a
 * lock, that is the lock's word: who is stopped inside keeps out all who could tell (Lipton 1975;
 * CHESS, Musuvathi et al., OSDI 2008). What is shared is found by looking on: a word counts once
 * any run has seen it used by two; whoever has searched with fewer words searches again.
 *
 * W1 A lock keeps two apart when every access of a run is made with it held, those that write with
 *    it held for writing (Savage et al., Eraser, 1997; but from the first access on).
 * W2 It does not keep them apart in an interrupt, which comes in the middle of whatever is locked,
 *    and of the wait for a lock that is already noted. Page locks are not counted: who waits for
 *    one does more than wait.
 *
 * Words are known by their address. Memory that is used again for something else makes for points
 * too many, never for too few. A word on a stack is at another address each time (a sanitizer sees
 * to that), so all of them count: there are few.
 */
#include "sched.h"

#include <mmkit/port/lock.h>
#include <string.h>

#define PLACES 65536 /* more words than a small program has */
#define LOCKS  4     /* of those that every access was made with; more are forgotten */

struct place {
    uintptr_t word;
    uint32_t run; /* the run that what follows is of */
    uint8_t users, writers;
    uint8_t locks; /* in `lock`: held by each access so far */
    bool shared;   /* in any run */
    uint16_t number;
    const void *lock[LOCKS];
};

static struct place places[PLACES];
static unsigned used;
static uint32_t run = 1;
static bool grew;

/* The linker's. */
extern const char __executable_start[], _end[];

/* In RAM, or a variable of the program's. */
static bool stays(uintptr_t word)
{
    return word - machine_ram_base < machine_ram_end ||
           word - (uintptr_t)__executable_start < (size_t)(_end - __executable_start);
}

static struct place *find(uintptr_t word)
{
    size_t at = (size_t)((word >> 2) * 0x9e3779b97f4a7c15u >> 48);

    while (places[at].word && places[at].word != word)
        at = (at + 1) % PLACES;
    return &places[at];
}

/* Does the lock, which is noted, keep others from this access? A lock's own word it does not. */
static bool keeps_apart(const struct machine_held *held, uintptr_t word, enum fibers_access access)
{
    const struct mmk_rwlock *lock;

    if ((uintptr_t)held->lock == word)
        return false;
    switch (held->cls) {
    case MMK_LOCK_PAGE:
        return false;
    case MMK_LOCK_MMAP:
    case MMK_LOCK_INVALIDATE:
    case MMK_LOCK_FAMILY:
    case MMK_LOCK_INTERVAL:
    case MMK_LOCK_KIN:
        lock = held->lock;
        return access == FIBERS_READ || (lock->state.v & MMK_RW_WRITER);
    default:
        return true;
    }
}

static bool is_held(const struct task *task, const void *lock, uintptr_t word,
                    enum fibers_access access)
{
    unsigned i;

    for (i = 0; i < task->locks.count; i++)
        if (task->locks.held[i].lock == lock)
            return !task->interrupted && keeps_apart(&task->locks.held[i], word, access);
    return false;
}

/* The first access of a run: all locks that it was made with. */
static void begin(struct place *place, const struct task *task, enum fibers_access access)
{
    unsigned i;

    *place = (struct place){.word = place->word, .number = place->number, .run = run};
    for (i = 0; i < task->locks.count && place->locks < LOCKS; i++)
        if (is_held(task, task->locks.held[i].lock, place->word, access))
            place->lock[place->locks++] = task->locks.held[i].lock;
}

/* Another: those of them that this was made with, too. */
static void keep_common(struct place *place, const struct task *task, enum fibers_access access)
{
    unsigned i, kept = 0;

    for (i = 0; i < place->locks; i++)
        if (is_held(task, place->lock[i], place->word, access))
            place->lock[kept++] = place->lock[i];
    place->locks = (uint8_t)kept;
}

static void note(struct place *place, enum fibers_access access, const struct task *task,
                 unsigned number)
{
    uint8_t bit = (uint8_t)(1u << number);

    if (place->run != run)
        begin(place, task, access);
    else
        keep_common(place, task, access);
    place->users |= bit;
    if (access == FIBERS_WRITE)
        place->writers |= bit;
    if (place->writers && (place->users & (place->users - 1)) && !place->locks)
        grew = place->shared = true;
}

/* => NULL: words there are not known by their addresses */
static struct place *place_of(uintptr_t word)
{
    struct place *place;

    if (!stays(word))
        return NULL;
    place = find(word);
    if (!place->word) {
        mmk_assert(++used < PLACES * 3 / 4, "fibers: too many words for a search");
        place->word = word;
        place->number = (uint16_t)used;
    }
    return place;
}

bool sim_note_access(uintptr_t word, enum fibers_access access, uint16_t *number)
{
    struct place *place = place_of(word);

    *number = place ? place->number : 0;
    if (place && !place->shared)
        note(place, access, sim_current(), sim.current);
    return !place || place->shared;
}

uint16_t sim_word_number(uintptr_t word)
{
    const struct place *place = place_of(word);

    return place ? place->number : 0;
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
