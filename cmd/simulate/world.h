/* SPDX-License-Identifier: MIT */
/*
 * world.h - what scenarios have in common: a machine for each run, an address space, words in it.
 */
#ifndef SIMULATE_WORLD_H
#define SIMULATE_WORLD_H

#include "scenario.h"

#define PAGE MMK_PAGE_SIZE
/* RAM at the end of the machine that mmkit is not told of. */
#define WITHHELD (16 * PAGE)

#define BASE ((mmk_vaddr_t)16 * PAGE) /* of the pages that scenarios name by number */

struct world {
    const struct scenario *scenario; /* under way */
    struct mmk_mm *mm;               /* NULL, once the scenario has let go of it */
    uint64_t random;                 /* state */
    unsigned cpus;                   /* of the scenario */
};

extern struct world world;

/* The machine, and world.mm, loaded on the scenario's CPUs; and back. => true, or no memory */
bool world_start(const struct scenario *scenario, uint64_t seed);
void world_stop(const struct scenario *scenario);

/*
 * For what a scenario does, where that is to vary: a number below n that follows from the seed. =>
 * in setup(): in a body the schedule would say who gets which
 */
unsigned world_random(unsigned n);

/* In a body or check: condition must hold. */
#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            world_unexpected(__FILE__, __LINE__, #condition);                                      \
    } while (0)

__attribute__((noreturn)) void world_unexpected(const char *file, int line, const char *condition);

mmk_vaddr_t page_at(unsigned page);
void map_pages(unsigned page, unsigned count, unsigned prot, unsigned flags);
enum mmk_fault_result put_word(unsigned page, uint64_t word);
enum mmk_fault_result get_word(unsigned page, uint64_t *word);

/* punch_hole of files whose content comes back. */
int punch_nothing(struct mmk_object *object, uint64_t offset, uint64_t length);

#endif
