/* SPDX-License-Identifier: MIT */
/*
 * fibers.h - the deterministic machine: virtual CPUs are fibers of one thread, and who runs next is
 * chosen at each scheduling point: at every access to a shared word and every call of the port.
 *
 * A run has three parts. Before and after, the caller acts as whichever CPU it likes
 * (fibers_be_cpu()), alone; in between, in fibers_run(), each CPU runs its body. Everything that is
 * left open (who runs, what fails, when an interrupt arrives) is asked from a chooser, in the same
 * order in each run that got the same answers: so the answers are the run.
 */
#ifndef MACHINE_FIBERS_H
#define MACHINE_FIBERS_H

#include <mmkit/port/atomic.h>
#include <mmkit/types.h>

#define FIBERS_CPUS 4 /* with bodies, from CPU 0; a further one serves RCU */

/* What is to be chosen. Answer 0 is always the plain one. */
enum fibers_choice {
    FIBERS_PREEMPT,   /* who makes the next step; 0: who runs already */
    FIBERS_NEXT,      /* likewise, when who ran cannot go on; 0: the next in turn */
    FIBERS_INTERRUPT, /* 1: one that is pending arrives here, rather than where the CPU polls */
    FIBERS_INJECT,    /* 1: the step fails, as it might */
    FIBERS_VALUE,     /* which of the values that a load may return; 0: the newest */
    FIBERS_HARDWARE,  /* what the hardware does of its own accord; 0: nothing */
    FIBERS_CHOICES
};

/* tasks: for PREEMPT and NEXT, who answer i would be (a CPU's number); else NULL. => below n */
/*
 * What a step has touched. Two steps of two CPUs may change places when nothing is touched by both,
 * by one of them with `alone`: nobody can tell which came first.
 */
struct fibers_touch {
    uint8_t task;
    bool alone;
    uint16_t what; /* < FIBERS_TOUCHED; different things may share a number */
};

/* From FIBERS_MEMORY on: memory as what it is given out for; alone: it is given out, or back. */
enum { FIBERS_MEMORY = 2048, FIBERS_TOUCHED = 4608 };

struct fibers_touches {
    struct fibers_touch *list; /* malloc()ed */
    size_t count, size;
};

struct fibers_chooser {
    unsigned (*choose)(struct fibers_chooser *self, enum fibers_choice choice, unsigned n,
                       const uint8_t *tasks);
    void (*relaxed)(struct fibers_chooser *self, unsigned task); /* it waits by spinning; or NULL */
    void (*switched)(struct fibers_chooser *self, unsigned from, unsigned to); /* soon; or NULL */
    bool shared_only; /* preemption only before words that two CPUs use, as far as is known */
    struct fibers_touches *touches; /* with shared_only: filled from each run's start; or NULL */
    uint64_t step; /* kept by the scheduler: numbers choices alike, whatever the strategy sees */
};

/*
 * What is rare, and happens when the chooser says so (FIBERS_INJECT). Allocations fail if the
 * program says which may. What nobody gets to see is always possible: the library's other points,
 * an access that faults for no reason, a grace period that lasts until all else has come to a halt.
 */
enum {
    FIBERS_FAIL_FRAME = 1 << MMK_INJECT_FRAME,
    FIBERS_FAIL_SLAB = 1 << MMK_INJECT_SLAB,
    FIBERS_FAIL_TABLE = 1 << MMK_INJECT_TABLE,
    FIBERS_FAIL_BATCH = 1 << MMK_INJECT_GATHER_BATCH,
    FIBERS_FAIL_CHARGE = 1 << MMK_INJECT_CHARGE,
    FIBERS_FAIL_ALL = (1 << MMK_INJECT_ALLOCATIONS) - 1,
};

struct fibers_program {
    unsigned cpus; /* 1 to FIBERS_CPUS */
    void (*body)(unsigned cpu);
    uint64_t most_steps; /* more is a livelock */
    unsigned inject;     /* which allocations may fail: FIBERS_FAIL_* */
    bool exact_faults;   /* no access faults without a reason */
    bool weak;           /* loads may return older values (memory.c), and races are failures */
    bool weak_programs;  /* so do those of programs */
};

struct fibers_outcome {
    const char *failure; /* NULL: none. Else the machine is in no state to be used further */
    uint64_t steps;      /* scheduling points passed */
    uint64_t points;     /* of these, those at which another could have been chosen */
    uint64_t trace;      /* hash of who did what: equal for equal runs */
    bool more_shared;    /* words were found to be shared that were not known to be (shared_only) */
};

/* Memory that any run takes, and all later ones. => false: there is none */
bool fibers_prepare(bool weak);

/* All bodies, until each has returned. => alone; no CPU has work left, but RCU callbacks */
struct fibers_outcome fibers_run(const struct fibers_program *program,
                                 struct fibers_chooser *chooser);

/* The caller, alone, acts as `cpu` from now on. */
void fibers_be_cpu(unsigned cpu);

/* Alone, nothing is under way: no CPU's TLB allows what the tables of its address space do not. */
void fibers_check_translations(void);

/* In a body: something that should hold does not. Does not return. */
__attribute__((noreturn)) void fibers_fail(const char *what);

/* In a body, in one step with what comes before: a word of the scenario's own is used. */
void fibers_touch(const void *word, enum fibers_access access);

/* An order that the library names, and one step weaker. */
struct fibers_mutant {
    const char *file; /* from src/ or include/ on */
    const char *word; /* as it is written there; a barrier's: "" */
    unsigned line;
    uint16_t number; /* of the place */
    enum fibers_op op;
    int order, weaker;
};

/* All of them. => how many */
unsigned fibers_mutants(const struct fibers_mutant **list);

/* From now on, in runs with weak memory, one of these; NULL: none. */
void fibers_plant(const struct fibers_mutant *mutant);

/* Forgets which words are shared: before another program. */
void fibers_forget_shared(void);

#endif
