/* SPDX-License-Identifier: MIT */
/*
 * jobs.h - all the work, by several processes at once, with a result that does not depend on how
 * many.
 */
#ifndef SIMULATE_JOBS_H
#define SIMULATE_JOBS_H

#include "work.h"

/* What is known of a run that failed. */
struct failure {
    uint64_t seed, step;
    char strategy[STRATEGY_TEXT];
    char text[WORK_FAILURE];
    struct deviations run; /* the list is malloc()ed, by its count */
    char *smallest; /* what repeats it, reduced; malloc()ed, NULL: nothing does, or not yet */
};

struct part {
    uint64_t schedules, steps, points, hash;
    bool done, exhausted;
    struct failure *failure; /* or NULL */
};

/* A scenario in one page-table format, and what came of it. */
struct subject {
    const struct scenario *scenario;
    const struct mistake *mistake; /* planted; NULL: none */
    const char *format;
    bool weak;    /* memory */
    size_t parts; /* that the work is cut into */
    size_t next;  /* the first that nobody has taken */
    size_t under_way;
    size_t first_failed; /* of the parts; `parts`: none */
    struct part *part;
    struct part sum; /* of all parts, or up to the one that failed; once it is over */
    bool told;
};

/* What loads return; `weak`, of each subject. */
enum memory {
    MEMORY_SC,
    MEMORY_WEAK,
    MEMORY_BOTH, /* sc; of scenarios that are not costly, weak, too */
};

struct plan {
    struct subject *subjects;
    size_t count;
    struct strategy strategy; /* kind, depth, bound */
    enum memory memory;
    bool mixed;          /* every other part has priorities instead (jobs.c) */
    uint64_t seed, runs; /* the first; of each scenario */
    unsigned jobs;
    bool progress; /* a bar on stderr */
    bool corpus;   /* each subject has a mistake that is to be found */
};

/*
 * Calls over() for each subject, in an order that follows from the plan. Many scenarios are run in
 * rounds, a few schedules of each in the first, so that what any of them finds soon is told soon:
 * in the round that finds it. The others are told of in the last round, in the order of the plan.
 */
void jobs_run(struct plan *plan,
              void (*over)(const struct plan *plan, const struct subject *subject));

/* With what came of it; the subjects are malloc()ed. */
void jobs_free_plan(struct plan *plan);

/* A run, again, in a process of its own. *work is the caller's, as jobs_new_work() made it. */
void jobs_retell(struct work *work, const char *format);
struct work *jobs_new_work(void);
void jobs_free_work(struct work *work);

/* Goes on as the program of that format for weak memory, unless this is it. */
void jobs_become_weak(const char *format, char **argv);

/* --worker=FD: this process is a part's. Does not return. */
__attribute__((noreturn)) void jobs_be_worker(int fd);

/* Page-table formats that there is a program for; this one's first. => ends with NULL */
extern const char *const jobs_formats[];

/* Exits after a message when that program is not there. */
void jobs_check_program(const char *format, bool weak);

#endif
