/* SPDX-License-Identifier: MIT */
/*
 * weak.h - what the files of weak memory share, and what the rest of the deterministic machine
 * tells them: memory.c (values), cells.c (who used which word when), plain.c (the compiler's
 * notes).
 */
#ifndef MACHINE_WEAK_H
#define MACHINE_WEAK_H

#include "vector_clock.h"
#include "sched.h"

/* A task's: what it knows, ... */
struct view {
    struct clock now;
    struct clock found; /* ... would know by a barrier: carried by what it has read */
    struct clock given; /* ... and knew at its last barrier: what any store of its carries */
};

struct word;

/* Four bytes of memory, since the run began or their page was cleared. */
struct cell {
    uintptr_t at;
    struct cell *first;  /* of the word that this is the second half of; else NULL */
    struct cell *second; /* half of the word that this is the first of; else NULL */
    struct word *word;   /* memory.c */
    const void *where;   /* the code of the last plain write */
    const struct fibers_site *changed_by; /* and the last atomic one */
    uint32_t life;                        /* the page's, when it was last used */
    uint32_t written;                     /* plain, when and by whom */
    uint8_t writer;
    uint8_t size;                 /* of the word; 0: none */
    bool plain;                   /* written plainly since memory.c looked */
    struct clock read;            /* plain, by each */
    struct clock loaded, changed; /* atomic */
};

extern struct view weak_views[MMK_MAX_CPUS];

MMK_ALWAYS_INLINE struct view *weak_view(void)
{
    return &weak_views[sim.current];
}

/* What the current task does from now on is later than all that it has done. */
MMK_ALWAYS_INLINE uint32_t weak_tick(void)
{
    return ++weak_view()->now.of[sim.current];
}

/* memory.c, for the scheduler. All but begin do nothing when memory is not weak. */
bool weak_prepare(void); /* what it takes, once for all. => false: no memory */
void weak_begin(bool weak);
void weak_end(void);
void weak_give(struct clock *to); /* whoever takes it will know what the task knows */
void weak_take(const struct clock *from);
void weak_look(const void *word, unsigned size); /* the newest value was seen; no more than that */
bool weak_catch_up(void); /* the task waits by looking: true: there was newer to be seen */

/* sites.c: what is asked for there, or weaker */
int sites_order(const struct fibers_site *site);
bool sites_in_library(const struct fibers_site *site);

void *weak_map(size_t size); /* zeros, for good. => NULL: no memory */

/* cells.c: for weak_prepare() and weak_begin(). */
bool cells_prepare(void);
void cells_begin(void);

/* Each fails the run when the access is in a race. */
struct cell *cell_load(uintptr_t at, unsigned size, const struct fibers_site *site);
struct cell *cell_change(uintptr_t at, unsigned size, const struct fibers_site *site);
void cell_plain_read(uintptr_t at, size_t size, const void *where);
void cell_plain_write(uintptr_t at, size_t size, const void *where);
void cell_page_freed(const void *page);
void fibers_note_program(const void *ram);

#endif
