/* SPDX-License-Identifier: MIT */
/*
 * sched.h - what the files of the deterministic machine share: tasks, and how they wait.
 *
 * A task is the thread of one virtual CPU, and its fiber. Everything here is one host thread's: no
 * locks.
 */
#ifndef MACHINE_FIBERS_SCHED_H
#define MACHINE_FIBERS_SCHED_H

#include "../internal.h"
#include "fiber.h"
#include "fibers.h"

enum task_state {
    TASK_READY,
    TASK_SPINS, /* waits for somebody to write something, by looking again and again */
    TASK_WAITS, /* mmk_host_wait() */
    TASK_GRACE, /* for read sections to end */
    TASK_LATE,  /* for everybody else to wait: so long may a grace period last */
    TASK_BATCH, /* for RCU callbacks to have run */
    TASK_IDLE,  /* its body is over, or there are no callbacks */
};

struct task {
    struct fiber fiber;
    enum task_state state;
    bool hardware;       /* the CPU's walker is at work, not its thread */
    uint64_t walk_since; /* the time when it began */
    bool over;           /* its body, in this run; it has none */
    const void *word;    /* WAITS; NULL: woken */
    uint64_t seen;   /* SPINS: what others had written when it looked; BATCH: callbacks wanted */
    uint64_t wrote;  /* of sim.writes, its own */
    uint64_t looked; /* what others had written at its first access since it last spun */
    bool looks;      /* there has been one */
    struct machine_locks locks;
    bool interrupted; /* its CPU is in an interrupt */
    unsigned rcu_depth;
    uint64_t rcu_sections;        /* begun */
    uint64_t grace[MMK_MAX_CPUS]; /* GRACE: the section that is waited for; 0: none */
};

struct sim {
    bool running;
    bool alone;  /* a step that nobody divides */
    bool halted; /* nobody can go on but who is LATE */
    const struct fibers_program *program;
    struct fibers_chooser *chooser;
    struct fibers_outcome outcome;
    uint64_t writes;       /* accesses so far that may have let a spinning task go on */
    uint64_t randoms;      /* given out */
    unsigned lonely;       /* times that one has waited by spinning, alone */
    unsigned current, rcu; /* tasks by number, which is the CPU's */
    struct task task[MMK_MAX_CPUS];
    struct fiber caller;
};

extern struct sim sim;

MMK_ALWAYS_INLINE struct task *sim_current(void)
{
    return &sim.task[sim.current];
}

/*
 * The current task waits, and others run. => back when the state's condition holds, or to take
 * interrupts: the caller looks which
 */
void sim_wait(enum task_state state);

/* Likewise, and takes interrupts. */
void sim_wait_and_serve(enum task_state state);

/* A scheduling point without an access; before one to `word`, which is the caller's to check. */
void sim_yield(void);
void sim_point(uintptr_t word, enum fibers_access access);

unsigned sim_choose(enum fibers_choice choice, unsigned n);

/* inject.c: does what is rare happen here? */
bool sim_rarely(void);

/* rcu.c */
void sim_rcu_body(void);
bool sim_rcu_may_go_on(const struct task *task); /* GRACE, BATCH, or the server's IDLE */
void sim_rcu_begin_run(void);                    /* of weak memory */

/*
 * shared.c: words that two CPUs use, one of them writing, with no lock that keeps them apart.
 * sim_note_access(): *number is the word's, 0 for what has none. => it is one
 */
bool sim_note_access(uintptr_t word, enum fibers_access access, uint16_t *number);
uint16_t sim_word_number(uintptr_t word);
bool sim_shared_grew(void); /* since it was last asked */
void sim_forget_run(void);  /* a run is over: who used what starts anew */

/*
 * touch.c: what steps touch, beside words. Of each frame what it is, and whether its contents are
 * taken as a whole (stores are not `alone` there, but what may not come between two of them is).
 */
enum sim_thing {
    TOUCH_STACKS,                  /* words that have no number */
    TOUCH_CALLBACKS,               /* RCU's queue */
    TOUCH_TRANSLATIONS,            /* caches, and the order of flushes and walks */
    TOUCH_SECTIONS = MMK_MAX_CPUS, /* of read-side sections, one for each CPU */
    TOUCH_THINGS = 2 * MMK_MAX_CPUS
};

void sim_touch(enum sim_thing thing, bool alone);
void sim_touch_sections(void); /* looks at those of all CPUs */
void sim_touch_word(uintptr_t word, uint16_t number, enum fibers_access access);
void sim_touch_object(uintptr_t at, size_t size);
void sim_touch_frame(mmk_paddr_t phys);    /* it becomes something else */
void sim_touch_use(mmk_paddr_t phys);      /* it is used as what it is */
void sim_touch_contents(mmk_paddr_t phys); /* as a whole */

#endif
