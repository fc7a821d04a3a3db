/* SPDX-License-Identifier: MIT */
/*
 * jobs.c - see jobs.h.
 *
 * J1 What is a part follows from the plan alone. A scenario's result is that of its parts in order,
 *    up to the first that fails, whoever ran them.
 * J2 This process runs no scenario: each worker starts from the same state.
 * J3 A worker for another page-table format, or for weak memory, is another program, which finds
 *    its work through the file descriptor that it is told.
 * J4 A subject is told of in the round of the part that failed, or in the last one; within a round
 *    in the order of the plan.
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

static bool is_own(const char *format, bool weak)
{
    return strcmp(format, jobs_formats[0]) == 0 && weak == is_for_weak;
}

void jobs_check_program(const char *format, bool weak)
{
    char path[PATH_MAX];

    find_program(format, weak, path);
    if (!is_own(format, weak) && access(path, X_OK) != 0)
        error(STATUS_NO_MEANS, errno, "%s, for --format %s%s", path, format,
              weak ? " --memory weak" : "");
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

    if (is_own(format, true))
        return;
    find_program(format, true, path);
    execv(path, argv);
    error(STATUS_NO_MEANS, errno, "%s", path);
}

static void start_worker(struct slot *slot, const char *format)
{
    if (child_fork(&slot->child) != 0)
        return;
    if (!is_own(format, slot->work->strategy.weak))
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

/*
 * Where a scenario's first parts end. A rule's program is small, and there are few of them; pairs
 * are a hundred times as many, and a large program takes 30 times as long: in the time that those
 * get, each gets less.
 */
static const uint64_t first_ends[][2] = {{500, 20}, {5000, 200}};

enum { FIRST_PARTS = sizeof(first_ends) / sizeof(first_ends[0]) };

/* Of its runs, without a look at how many there are to be. */
static uint64_t part_end(const struct subject *subject, size_t part)
{
    bool is_costly = scenario_is_costly(subject->scenario);

    if (part < FIRST_PARTS)
        return first_ends[part][is_costly];
    return (part - FIRST_PARTS + 1) * PART + (is_costly ? 0 : first_ends[FIRST_PARTS - 1][0]);
}

static void cut(const struct plan *plan, struct subject *subject)
{
    if (plan->strategy.kind != STRATEGY_EXHAUSTIVE)
        while (part_end(subject, subject->parts) < plan->runs)
            subject->parts++;
    subject->parts++;
    subject->first_failed = subject->parts;
    subject->part = allocate(subject->parts, sizeof(*subject->part));
}

/*
 * What takes long stops in the wrong places is rare at random; who has priorities makes them, but
 * has fewer of them.
 */
static const struct strategy mixed_in = {.kind = STRATEGY_PCT, .depth = 5};

static void describe(const struct plan *plan, const struct subject *subject, size_t part,
                     struct work *work)
{
    uint64_t before = part > 0 ? part_end(subject, part - 1) : 0;
    uint64_t end = plan->runs;

    memset(work, 0, offsetof(struct work, list));
    work->kind = WORK_RUN;
    snprintf(work->scenario, sizeof(work->scenario), "%s", subject->scenario->name);
    work->planted = subject->mistake ? subject->mistake->planted : MMK_MISTAKE_NONE;
    work->first_seed = plan->seed + before;
    if (part + 1 < subject->parts)
        end = part_end(subject, part);
    work->runs = end - before;
    work->strategy = plan->mixed && part % 2 ? mixed_in : plan->strategy;
    work->strategy.weak = subject->weak;
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

    if (!child_ended_well(&slot->child, status, text, sizeof(text))) {
        if (!work->failed && child_lacked_means(status))
            error(STATUS_NO_MEANS, 0, "%s, a worker: %s", subject->scenario->name, text);
        work_died(slot->work, text);
    }
    part->schedules = work->schedules;
    part->steps = work->steps;
    part->points = work->points;
    part->hash = work->hash;
    part->exhausted = work->exhausted;
    part->done = true;
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
    size_t rounds;
    size_t round, subject; /* being handed out: each subject's part of that number, or all */
    size_t told_round, told_subject;
    size_t parts, parts_done;
    struct progress progress;
};

/* Goes on to the next subject, in the next round after the last. => false: that was all */
static bool next_subject(const struct crew *crew, size_t *round, size_t *subject)
{
    if (++*subject < crew->plan->count)
        return true;
    *subject = 0;
    return ++*round < crew->rounds;
}

static bool is_last(const struct crew *crew, size_t round)
{
    return round + 1 == crew->rounds;
}

/* => NULL: none has a part left in this round, or in a later one */
static struct subject *find_part(struct crew *crew)
{
    while (crew->plan->count > 0 && crew->round < crew->rounds) {
        struct subject *subject = &crew->plan->subjects[crew->subject];

        if (subject->next < subject->parts &&
            (subject->next <= crew->round || is_last(crew, crew->round)))
            return subject;
        next_subject(crew, &crew->round, &crew->subject);
    }
    return NULL;
}

static void hand_out(struct crew *crew)
{
    unsigned i;

    for (i = 0; i < crew->plan->jobs; i++) {
        struct subject *subject = crew->slots[i].subject ? NULL : find_part(crew);

        if (subject)
            take_part(crew->plan, &crew->slots[i], subject);
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

/* Is it known what comes of its parts up to that of the round? => *over: and so of all */
static bool is_settled(const struct subject *subject, size_t round, bool *over)
{
    size_t i;

    *over = false;
    for (i = 0; i <= round && i < subject->parts && !*over; i++) {
        if (!subject->part[i].done)
            return false;
        *over = subject->part[i].failure != NULL;
    }
    *over |= i == subject->parts;
    return !*over || subject->under_way == 0;
}

static void tell_of_those_over(struct crew *crew,
                               void (*over)(const struct plan *, const struct subject *))
{
    while (crew->told_round < crew->rounds) {
        struct subject *subject = &crew->plan->subjects[crew->told_subject];
        bool last = is_last(crew, crew->told_round), is_over;

        if (!is_settled(subject, last ? SIZE_MAX : crew->told_round, &is_over))
            return;
        if (is_over && !subject->told && (last || subject->first_failed < subject->parts)) {
            add_up(subject);
            subject->told = true;
            if (crew->progress.shown)
                progress_end(&crew->progress);
            over(crew->plan, subject);
        }
        next_subject(crew, &crew->told_round, &crew->told_subject);
    }
}

/* What is planted is looked for one by one; exhausting is not cut. */
static bool takes_rounds(const struct plan *plan)
{
    return !plan->corpus && plan->strategy.kind != STRATEGY_EXHAUSTIVE;
}

static void start_crew(struct crew *crew, struct plan *plan)
{
    size_t i;

    *crew = (struct crew){.plan = plan, .slots = allocate(plan->jobs, sizeof(*crew->slots))};
    crew->rounds = 1;
    for (i = 0; i < plan->jobs; i++)
        open_slot(&crew->slots[i]);
    for (i = 0; i < plan->count; i++) {
        cut(plan, &plan->subjects[i]);
        crew->parts += plan->subjects[i].parts;
        if (takes_rounds(plan) && plan->subjects[i].parts > crew->rounds)
            crew->rounds = plan->subjects[i].parts;
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
    while (plan->count > 0 && crew.told_round < crew.rounds) {
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
    if (failure) {
        free(failure->run.list);
        free(failure->smallest);
    }
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
