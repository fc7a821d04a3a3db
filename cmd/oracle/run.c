/* SPDX-License-Identifier: MIT */
/* run.c - see run.h. */
#include "run.h"

#include "child.h"
#include "generate.h"
#include "linux_side.h"
#include "mmkit_side.h"
#include "progress.h"

#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared with the child that runs. */
struct shared {
    struct progress_of_sequence now;
    uint64_t sequences; /* ended, since the child began */
    uint64_t ops;       /* of these */
};

static struct shared *shared;
static struct child child;
static struct linux_constants constants;

static void generate_all(const struct arguments *arguments, uint64_t number, struct ops *ops)
{
    struct generator generator;
    size_t i;

    generate_begin(&generator, generate_seed(arguments->seed, number), arguments->calls,
                   arguments->processes);
    generator.huge = generator.huge_files = mmkit_side_has_huge();
    for (i = 0; i < ops->count; i++)
        generate(&generator, &ops->list[i]);
}

/* ---- in the child ---------------------------------------------------------------------------- */

/* What mmkit has to be told before it starts. */
static bool measure(void)
{
    if (!linux_side_start(constants.mmap_min_addr))
        return false;
    linux_side_constants(&constants);
    linux_side_stop();
    return true;
}

/* What there is to say, if anything, is on stderr, which run_*() show when it is broken. */
__attribute__((noreturn)) static void end_child(void)
{
    _exit(shared->now.broken ? STATUS_BAD_USAGE : 0);
}

static void begin_child(void)
{
    if (!linux_constants(&constants) || !measure() || !mmkit_side_create(&constants)) {
        shared->now.broken = true;
        end_child();
    }
}

static void search_here(const struct arguments *arguments, uint64_t number, uint64_t left)
{
    static struct op list[SEQUENCE_OPS];
    const struct sequence_options options = {.thorough = arguments->thorough,
                                             .check = arguments->check};
    struct ops ops = {list, 0};

    begin_child();
    while (left > 0) {
        ops.count = left < SEQUENCE_OPS ? (size_t)left : SEQUENCE_OPS;
        generate_all(arguments, number, &ops);
        alarm(CHILD_SILENCE);
        if (!sequence_run(&ops, &options, constants.mmap_min_addr, &shared->now))
            end_child();
        left -= ops.count;
        number++;
        shared->ops += ops.count;
        shared->sequences++;
    }
}

/* ---- from outside ---------------------------------------------------------------------------- */

static void prepare(void)
{
    if (!shared)
        shared = child_shared_memory(sizeof(*shared));
    memset(shared, 0, sizeof(*shared));
}

/* Until it ends. => false: badly, shared->now.text says how */
static bool await(struct progress *progress)
{
    int status;

    while (waitpid(child.pid, &status, progress ? WNOHANG : 0) != child.pid) {
        progress_update(progress, shared->ops + shared->now.done);
        usleep(50000);
    }
    if (child_ended_well(&child, status, shared->now.text, sizeof(shared->now.text)))
        return !shared->now.diverged;
    if (child_lacked_means(status)) {
        if (WIFSIGNALED(status))
            snprintf(shared->now.text, sizeof(shared->now.text),
                     "%s: the process that runs mmkit: killed by signal %d",
                     program_invocation_name, WTERMSIG(status));
        shared->now.broken = true;
    }
    return false;
}

static void add_up(struct totals *totals)
{
    unsigned i;

    totals->sequences += shared->sequences;
    totals->avoided += shared->now.avoided;
    for (i = 0; i < CALLS; i++) {
        totals->by_call[i] += shared->now.by_call[i];
        totals->ops += shared->now.by_call[i];
    }
}

static enum result broken(void)
{
    fprintf(stderr, "%s\n", shared->now.text);
    return RESULT_BROKEN;
}

static void note_failure(const struct arguments *arguments, uint64_t number,
                         struct failure *failure)
{
    struct ops *ops = &failure->ops;

    ops->count = shared->now.done + 1 < SEQUENCE_OPS ? shared->now.done + 1 : SEQUENCE_OPS;
    ops->list = calloc(ops->count, sizeof(*ops->list));
    if (!ops->list)
        error(STATUS_BAD_USAGE, 0, "no memory");
    generate_all(arguments, number, ops);
    failure->number = number;
    failure->thorough = arguments->thorough;
    failure->used_disk = shared->now.used_disk;
    memcpy(failure->text, shared->now.text, sizeof(failure->text));
}

enum result run_search(const struct arguments *arguments, uint64_t *next, struct totals *totals,
                       struct failure *failure)
{
    uint64_t done = *next * SEQUENCE_OPS;
    struct progress progress;
    bool well;

    if (done >= arguments->ops)
        return RESULT_WELL;
    prepare();
    progress_begin(&progress, (size_t)(arguments->ops - done), isatty(STDERR_FILENO) != 0);
    if (child_fork(&child) == 0) {
        search_here(arguments, *next, arguments->ops - done);
        _exit(0);
    }
    well = await(&progress);
    progress_end(&progress);
    add_up(totals);
    if (shared->now.broken)
        return broken();
    *next += shared->sequences;
    if (well)
        return RESULT_WELL;
    note_failure(arguments, (*next)++, failure);
    return RESULT_FAILURE;
}

enum result run_one(const struct ops *ops, const struct sequence_options *options,
                    struct totals *totals, char *text)
{
    bool well;

    prepare();
    if (child_fork(&child) == 0) {
        alarm(CHILD_SILENCE);
        begin_child();
        sequence_run(ops, options, constants.mmap_min_addr, &shared->now);
        end_child();
    }
    well = await(NULL);
    if (totals)
        add_up(totals);
    if (shared->now.broken)
        return broken();
    memcpy(text, shared->now.text, FAILURE_TEXT);
    return well ? RESULT_WELL : RESULT_FAILURE;
}
