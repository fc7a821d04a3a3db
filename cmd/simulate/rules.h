/* SPDX-License-Identifier: MIT */
/*
 * rules.h - what the scenarios of the rules (scenarios_rules.c, scenarios_files.c) have in common.
 *
 * A CPU that "says" does so after its call has returned, and another that has "heard" may rely on
 * all that the call promises from then on. One that has not heard looks for nothing: only what must
 * be true is expected.
 */
#ifndef SIMULATE_RULES_H
#define SIMULATE_RULES_H

#include "world.h"

#include <mmkit/mmkit.h>

#define RO          MMK_PROT_READ
#define RW          (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON        (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)
#define SHARED_ANON (MMK_MAP_SHARED | MMK_MAP_ANONYMOUS)

/* Reset by each set-up. */
struct it {
    struct mmk_a32 said, said_too;
    struct mmk_mm *other; /* a second address space, or a child */
    struct mmk_object *object;
    struct mmk_page *pinned;
    struct mmk_page *found; /* without a reference */
    bool stored;            /* by whoever may have been too late */
    unsigned touched;       /* a page: by the same */
    struct mmk_notifier notifier;
    bool notifier_dead;
    struct mmk_a32 mirror_lock;
    mmk_paddr_t mirrored; /* what the secondary MMU has */
};

extern struct it it;

void say(struct mmk_a32 *word);
bool heard(struct mmk_a32 *word);

/* Calls that must succeed. */
void dontneed(unsigned page, unsigned count);
void unmap(unsigned page, unsigned count);
void move_pages(unsigned from, unsigned to, unsigned count);
void store(unsigned page, uint64_t word);

/* The word, or, where nothing is mapped, ~0. */
uint64_t look(unsigned page);
/* The same of an address space that nobody runs. */
uint64_t word_of(struct mmk_mm *mm, unsigned page);

/* What is mapped at page `at` of mm, with a reference. => NULL: nothing */
struct mmk_page *find_page(struct mmk_mm *mm, unsigned at);
/* The same, which must be something. */
struct mmk_page *held_page(struct mmk_mm *mm, unsigned at);

void put_other(void); /* it.other, if there is one, which is none then */

/* All CPUs but those from `except` on have stored, so their TLBs know the pages. */
void touch_by(unsigned except, unsigned page, unsigned count);
/* All CPUs have loaded. */
void look_by_all(unsigned page, unsigned count);

/* Set-ups: 8 pages of anonymous memory; and the first two touched by all. */
void start_anon(void);
void start_touched(void);

/* it.object, of 4 pages: a file (file.h), or memory. */
void start_file(void);
void start_memory(void);
void map_object(unsigned page, unsigned flags); /* all of it */
void start_shared_file(void);                   /* mapped at page 0 */
/* Of the file page 0 alone is mapped: what mlock has found there is there. */
void lock_first(void);
void expect_first(void);
/*
 * A secondary MMU whose callbacks sleep, so that it refuses where they may not: a set-up; it comes,
 * and takes page 0 if that is there; it has what is there now, or nothing, and goes.
 */
void start_mirror(void);
void mirror_first(void);
void put_mirror(void);
/* Nothing is mapped any more, what was stored is in the file, and that goes. */
void put_file(void);

#endif
