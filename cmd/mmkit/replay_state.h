/* SPDX-License-Identifier: MIT */
/*
 * replay_state.h - a replay in progress, for the replay's own files only.
 *
 * Two kinds of run share all code: a real one drives mmkit and the shadow; a planning one drives
 * the shadow alone, to learn what memory a real one needs.
 *
 * Invariants, between operations:
 *  1. users of a space = tasks in it = users of its mm.
 *  2. least, linked, virt_bytes and created are the sums over the spaces of what each has seen.
 *  3. `loaded` is the space whose mm the virtual CPU runs, or NULL; it has users.
 */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

#include "replay.h"
#include "shadow.h"

#include <machine.h>
#include <machine_swap.h>

/* An address space and its shadow. */
struct space {
    struct space *next, **link; /* all spaces of the replay */
    struct shadow shadow;
    struct mmk_mm *mm; /* NULL when planning */
    uint64_t users;
    uint64_t number; /* from 1, in the order of their creation */
    uint64_t linked; /* tables, as mmkit counted them last */
    uint64_t least_seen, linked_seen, virt_seen, created_seen; /* counted in the sums */
};

struct replay_file {
    uint64_t seed;
    uint64_t size; /* bytes; 0: not open */
    struct mmk_object *object;
    struct shadow_object *shadow;
    struct page_map written; /* by index: what was written back, if anything */
    struct page_map evicted; /* by index: how many evictions there were with its own; 0: none */
};

/* What went because memory was short, and came back (replay_refaults.c). */
struct refaults {
    struct machine_reclaim_watch watch;
    uint64_t memory;         /* frames that pages can have; page tables among them */
    uint64_t evictions;      /* up to now */
    struct page_map evicted; /* by slot: as that of a file */
    uint64_t *distances;     /* of each refault, in the order in which they came */
    size_t count, capacity;
};

struct replay {
    const struct program *program;
    const struct replay_options *options; /* NULL: planning */
    struct replay_result *result;
    struct shadow_world world;
    struct replay_file *files;  /* as program->files */
    struct space **task_spaces; /* by task; NULL: has none */
    struct space *spaces, *loaded;
    const struct op *op;   /* the one in progress */
    uint64_t fault_number; /* of recorded faults; makes stamps unique */
    uint64_t least_peak;
    uint64_t least, linked, virt_bytes, created; /* sums; tables in pages */
    uint64_t resident_peak, demand_peak;         /* pages */
    struct machine_swap *swap_device;            /* or NULL */
    struct mmk_swap_area *swap;                  /* or NULL */
    bool too_few_tables;                         /* said already */
    struct refaults refaults;
    void (*visit)(void *context, uint64_t owner, uint64_t page); /* planning; or NULL */
    void *visit_context;
};

enum step {
    STEP_DONE,
    STEP_SKIPPED,   /* changed nothing */
    STEP_NO_MEMORY, /* the machine has too little */
};

static inline bool replay_is_planning(const struct replay *replay)
{
    return replay->options == NULL;
}

/* replay.c: counts a divergence at the operation in progress; prints the first few. */
__attribute__((format(printf, 2, 3))) void replay_diverge(struct replay *replay, const char *format,
                                                          ...);

/* replay.c: a call answered MMK_ENOMEM: is it true that there is no memory to speak of? */
bool replay_is_exhausted(const struct replay *replay);

/* replay.c: looks how many frames are in use. */
void replay_observe_frames(struct replay *replay);

/* replay_calls.c: everything but faults. */
enum step replay_call(struct replay *replay, const struct op *op);

/* Compares the result of a call. => STEP_NO_MEMORY if the machine is at fault */
enum step replay_judge(struct replay *replay, const char *call, int64_t got, int64_t recorded);

/* replay_advice.c: madvise */
enum step replay_advice(struct replay *replay, struct space *space, const struct op *op);

/* replay_access.c */
enum step replay_fault(struct replay *replay, struct space *space, const struct op *op);

/* Compares the whole page at address, if it has an entry. => the space is loaded */
void replay_compare_page(struct replay *replay, struct space *space, uint64_t address);

/* replay_space.c */
struct space *replay_space_create(struct replay *replay);                     /* NULL: no memory */
struct space *replay_space_fork(struct replay *replay, struct space *parent); /* likewise */
void replay_space_enter(struct replay *replay, struct space *space, uint32_t task);
void replay_space_leave(struct replay *replay, uint32_t task);      /* the last one ends it */
void replay_space_load(struct replay *replay, struct space *space); /* on the CPU; NULL: none */

/* Reads mmkit's count of the space's tables, right after an operation on it. => not planning */
static inline void replay_space_observe(struct space *space)
{
    space->linked = mmk_mm_table_bytes(space->mm) / MMK_PAGE_SIZE;
}

/* After an operation on space, observed: sums and peaks. */
void replay_space_account(struct replay *replay, struct space *space);

/*
 * replay_refaults.c: watches reclaim from here on; `memory`: frames that there are for pages. The
 * summary is of what was seen until then.
 */
void replay_refaults_watch(struct replay *replay, uint64_t memory);
void replay_refaults_summary(struct replay *replay);
void replay_refaults_stop(struct replay *replay);

/* These pages of a file are other pages from now on. */
void replay_forget_evicted(struct page_map *evicted, uint64_t first, uint64_t end);

/* replay_file.c: opens the file of op and makes it large enough. NULL: no memory. */
struct replay_file *replay_file_for(struct replay *replay, const struct op *op);

/* If the object is a file, it is at least so long from now on. => false: no memory */
bool replay_file_reach(struct replay *replay, const struct shadow_object *object, uint64_t end);
void replay_files_close(struct replay *replay);

/* replay_check.c */
void replay_check_op(struct replay *replay, struct space *space, const struct op *op);
void replay_check_all(struct replay *replay);

/*
 * replay_huge.c: may there be larger pages; small ones become some, in all spaces, and tables
 * without use are counted.
 */
bool replay_has_huge(const struct replay *replay);
void replay_huge_work(struct replay *replay);

#endif
