/* SPDX-License-Identifier: MIT */
/*
 * jobs.c - see jobs.h.
 *
 * J1 What is a part follows from the plan alone. A scenario's result is that of its parts in order,
 *    up to the first that fails, whoever ran them.
 * J2 This process runs no scenario: each worker starts from the same state.
 * J3 A worker for another page-table format, or for weak memory, is another program, which finds
 * its work through the file descriptor that it is told.
 */
#include "jobs.h"

#include "child.h"
#include "clock.h"
#include "progress.h"

#include <errno.h>
#include <error.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PART = 5000,           /* runs */
    STATUS_NO_MEANS = 2,   /* files, memory, processes */
    LOOK = 200 * 1000000L, /* nanoseconds between two looks */
};

struct slot {
    struct work *work;
    int fd; /* the same memory */
    struct child child;
    struct subject *subject; /* NULL: idle */
    size_t part;
    uint64_t seen; /* schedules, when it was looked at last */
    double since;
};

const char *const jobs_formats[] = {SIMULATE_FORMATS, NULL};

/* ---- workers --------------------------------------------------------------------------------- */

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (!memory)
        error(STATUS_NO_MEANS, 0, "no memory");
    return memory;
}

static void open_slot(struct slot *slot)
{
    slot->fd = memfd_create("work", 0);
    if (slot->fd < 0 || ftruncate(slot->fd, sizeof(struct work)) != 0)
        error(STATUS_NO_MEANS, errno, "memory to share");
    slot->work = mmap(NULL, sizeof(struct work), PROT_READ | PROT_WRITE, MAP_SHARED, slot->fd, 0);
    if (slot->work == MAP_FAILED)
        error(STATUS_NO_MEANS, errno, "memory to share");
}

static void close_slot(struct slot *slot)
{
    munmap(slot->work, sizeof(struct work));
    close(slot->fd);
    if (slot->child.messages)
        close(slot->child.messages);
}

#ifdef SIMULATE_WEAK
static const bool is_for_weak = true; /* sees plain accesses; slower */
#else
static const bool is_for_weak = false;
#endif

/* The program for a format and memory lies beside this one. */
static void find_program(const char *format, bool weak, char path[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    char *name;

    path[length > 0 ? length : 0] = '\0';
    name = strrchr(path, '/');
    name = name ? name + 1 : path;
    snprintf(name, PATH_MAX - (size_t)(name - path), "mmkit-simulate-%s%s", weak ? "weak-" : "",
             format);
}

void jobs_check_format(const char *format)
{
    char path[PATH_MAX];

    find_program(format, is_for_weak, path);
    if (strcmp(format, jobs_formats[0]) != 0 && access(path, X_OK) != 0)
        error(STATUS_NO_MEANS, errno, "%s, for --format %s", path, format);
}

static void become_other(const char *format, bool weak, int fd)
{
    char path[PATH_MAX], option[32];

    find_program(format, weak, path);
    snprintf(option, sizeof(option), "--worker=%d", fd);
    execl(path, path, option, (char *)NULL);
    error(STATUS_NO_MEANS, errno, "%s", path);
}

void jobs_become_weak(const char *format, char **argv)
{
    char path[PATH_MAX];

    if (is_for_weak && strcmp(format, jobs_formats[0]) == 0)
        return;
    find_program(format, true, path);
    execv(path, argv);
    error(STATUS_NO_MEANS, errno, "%s", path);
}

static void start_worker(struct slot *slot, const char *format)
{
    if (child_fork(&slot->child) != 0)
        return;
    if (strcmp(format, jobs_formats[0]) != 0 || slot->work->strategy.weak != is_for_weak)
        become_other(format, slot->work->strategy.weak, slot->fd);
    work_perform(slot->work);
    _exit(0);
}

void jobs_be_worker(int fd)
{
    struct work *work = mmap(NULL, sizeof(struct work), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (work == MAP_FAILED)
        error(STATUS_NO_MEANS, errno, "--worker=%d", fd);
    work_perform(work);
    _exit(0);
}

struct work *jobs_new_work(void)
{
    struct work *work = child_shared_memory(sizeof(*work));

    return work;
}

void jobs_free_work(struct work *work)
{
    munmap(work, sizeof(*work));
}

void jobs_retell(struct work *work, const char *format)
{
    struct slot slot = {.fd = -1};
    char text[WORK_FAILURE];
    int status;

    open_slot(&slot);
    *slot.work = *work;
    start_worker(&slot, format);
    waitpid(slot.child.pid, &status, 0);
    if (!child_ended_well(&slot.child, status, text, sizeof(text)))
        error(STATUS_NO_MEANS, 0, "the worker ended badly: %s", text);
    child_show_messages(&slot.child);
    *work = *slot.work;
    close_slot(&slot);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void cut(const struct plan *plan, struct subject *subject)
{
    bool whole = plan->strategy.kind == STRATEGY_EXHAUSTIVE;

    subject->parts = whole ? 1 : (size_t)((plan->runs + PART - 1) / PART);
    subject->first_failed = subject->parts;
    subject->part = allocate(subject->parts, sizeof(*subject->part));
}

static void describe(const struct plan *plan, const struct subject *subject, size_t part,
                     struct work *work)
{
    uint64_t before = part * PART;
    bool whole = plan->strategy.kind == STRATEGY_EXHAUSTIVE;

    memset(work, 0, offsetof(struct work, list));
    work->kind = WORK_RUN;
    snprintf(work->scenario, sizeof(work->scenario), "%s", subject->scenario->name);
    work->planted = subject->mistake ? subject->mistake->planted : MMK_MISTAKE_NONE;
    work->first_seed = plan->seed + before;
    work->runs = whole || plan->runs - before < PART ? plan->runs - before : PART;
    work->strategy = plan->strategy;
}

static void take_part(const struct plan *plan, struct slot *slot, struct subject *subject)
{
    slot->subject = subject;
    slot->part = subject->next++;
    slot->seen = 0;
    slot->since = clock_seconds();
    subject->under_way++;
    describe(plan, subject, slot->part, slot->work);
    start_worker(slot, subject->format);
}

static struct failure *copy_failure(const struct work *work)
{
    struct failure *failure = allocate(1, sizeof(*failure));

    failure->seed = work->seed;
    failure->step = work->step;
    memcpy(failure->strategy, work->strategy_name, sizeof(failure->strategy));
    memcpy(failure->text, work->failure, sizeof(failure->text));
    failure->run.count = failure->run.size = work->deviations;
    failure->run.list = allocate(work->deviations + 1, sizeof(*failure->run.list));
    memcpy(failure->run.list, work->list, work->deviations * sizeof(*failure->run.list));
    return failure;
}

static void end_part(struct slot *slot, int status)
{
    struct subject *subject = slot->subject;
    const struct work *work = slot->work;
    struct part *part = &subject->part[slot->part];
    char text[WORK_FAILURE];

    if (!child_ended_well(&slot->child, status, text, sizeof(text)))
        work_died(slot->work, text);
    part->schedules = work->schedules;
    part->steps = work->steps;
    part->points = work->points;
    part->hash = work->hash;
    part->exhausted = work->exhausted;
    if (work->failed) {
        part->failure = copy_failure(work);
        subject->next = subject->parts;
        if (slot->part < subject->first_failed)
            subject->first_failed = slot->part;
    }
    subject->under_way--;
    slot->subject = NULL;
}

static void add_up(struct subject *subject)
{
    struct part *sum = &subject->sum;
    size_t i;

    for (i = 0; i < subject->parts && i <= subject->first_failed; i++) {
        const struct part *part = &subject->part[i];

        sum->schedules += part->schedules + (part->failure != NULL);
        sum->steps += part->steps;
        sum->hash += part->hash;
        sum->exhausted |= part->exhausted;
        sum->failure = part->failure;
        if (part->points > sum->points)
            sum->points = part->points;
    }
}

/* ---- who does which -------------------------------------------------------------------------- */

struct crew {
    struct plan *plan;
    struct slot *slots;
    size_t subject; /* the first that may have parts left */
    size_t told;    /* subjects that were said to be over */
    size_t parts, parts_done;
    struct progress progress;
};

static void hand_out(struct crew *crew)
{
    struct plan *plan = crew->plan;
    unsigned i;

    for (i = 0; i < plan->jobs; i++) {
        while (crew->subject < plan->count &&
               plan->subjects[crew->subject].next == plan->subjects[crew->subject].parts)
            crew->subject++;
        if (!crew->slots[i].subject && crew->subject < plan->count)
            take_part(plan, &crew->slots[i], &plan->subjects[crew->subject]);
    }
}

/* A run without scheduling points cannot be stopped in any other way. */
static void stop_if_silent(struct slot *slot)
{
    double now = clock_seconds();

    if (slot->work->schedules != slot->seen) {
        slot->seen = slot->work->schedules;
        slot->since = now;
    }
    if (now - slot->since > (double)CHILD_SILENCE) {
        work_died(slot->work, CHILD_HANGS);
        kill(slot->child.pid, SIGKILL);
    }
}

static void look_after(struct crew *crew, struct slot *slot)
{
    int status;

    if (!slot->subject)
        return;
    stop_if_silent(slot);
    if (waitpid(slot->child.pid, &status, WNOHANG) != slot->child.pid)
        return;
    end_part(slot, status);
    crew->parts_done++;
}

static void tell_of_those_over(struct crew *crew,
                               void (*over)(const struct plan *, const struct subject *))
{
    struct plan *plan = crew->plan;

    while (crew->told < plan->count) {
        struct subject *subject = &plan->subjects[crew->told];

        if (subject->next < subject->parts || subject->under_way > 0)
            return;
        add_up(subject);
        if (crew->progress.shown)
            progress_end(&crew->progress);
        over(plan, subject);
        crew->told++;
    }
}

static void start_crew(struct crew *crew, struct plan *plan)
{
    size_t i;

    *crew = (struct crew){.plan = plan, .slots = allocate(plan->jobs, sizeof(*crew->slots))};
    for (i = 0; i < plan->jobs; i++)
        open_slot(&crew->slots[i]);
    for (i = 0; i < plan->count; i++) {
        cut(plan, &plan->subjects[i]);
        crew->parts += plan->subjects[i].parts;
    }
    progress_begin(&crew->progress, crew->parts, plan->progress);
}

static void end_crew(struct crew *crew)
{
    unsigned i;

    progress_end(&crew->progress);
    for (i = 0; i < crew->plan->jobs; i++)
        close_slot(&crew->slots[i]);
    free(crew->slots);
}

void jobs_run(struct plan *plan, void (*over)(const struct plan *, const struct subject *))
{
    const struct timespec look = {.tv_nsec = LOOK};
    struct crew crew;
    sigset_t ends;
    unsigned i;

    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    start_crew(&crew, plan);
    while (crew.told < plan->count) {
        hand_out(&crew);
        sigtimedwait(&ends, NULL, &look);
        for (i = 0; i < plan->jobs; i++)
            look_after(&crew, &crew.slots[i]);
        progress_update(&crew.progress, crew.parts_done);
        tell_of_those_over(&crew, over);
    }
    end_crew(&crew);
}

static void free_failure(struct failure *failure)
{
    if (failure)
        free(failure->run.list);
    free(failure);
}

void jobs_free_plan(struct plan *plan)
{
    size_t i, j;

    for (i = 0; i < plan->count; i++) {
        for (j = 0; plan->subjects[i].part && j < plan->subjects[i].parts; j++)
            free_failure(plan->subjects[i].part[j].failure);
        free(plan->subjects[i].part);
    }
    free(plan->subjects);
}
