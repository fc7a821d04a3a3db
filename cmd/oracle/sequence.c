/* SPDX-License-Identifier: MIT */
/*
 * sequence.c - see sequence.h.
 *
 * Each operation runs on Linux first: an address that mmkit could not choose likewise it is told.
 * After it the process that ran it is looked at; now and then, and at the end, all are, and closer.
 */
#include "sequence.h"

#include "files.h"
#include "leave_out.h"
#include "linux_side.h"
#include "mmkit_side.h"
#include "usage.h"

#include <errno.h>
#include <error.h>
#include <mmkit/limit.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE (2 * MIB)

enum { BETWEEN_FULL = 16, CHECK_EVERY = 64 }; /* operations */

struct run {
    const struct sequence_options *options;
    struct progress_of_sequence *progress;
    bool alive[PROCESSES];
    struct past past[PROCESSES];
    bool unlimited[PROCESSES], privileged[PROCESSES]; /* to lock */
    /* as last seen */
    struct observation here[PROCESSES];
};

static bool fail(struct run *run, const char *text)
{
    run->progress->diverged = true;
    snprintf(run->progress->text, sizeof(run->progress->text), "%s", text);
    return false;
}

/* Whose mappings it is about. */
static unsigned subject(const struct run *run, const struct op *op)
{
    uint64_t whom = op->args[5];

    if (op->call == CALL_PROCESS_MADVISE && whom < PROCESSES && run->alive[whom])
        return (unsigned)whom;
    return op->process;
}

/* => false: not possible, or not to be compared */
static bool is_to_be_made(const struct run *run, const struct op *op)
{
    const struct situation now = {&run->here[subject(run, op)],
                                  run->unlimited[op->process] || run->privileged[op->process]};

    if (!run->alive[op->process] || (op->call == CALL_FORK && run->alive[op->args[0]]) ||
        (op->call == CALL_EXIT && op->process == 0))
        return false;
    return !is_left_out(op, &now) && (op_file(op) != FILE_DISK || linux_side_has_disk());
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool compare_seen(struct run *run, unsigned process, const struct observation *on_linux)
{
    static struct observation left, right;
    char text[COMPARE_TEXT];

    mmkit_side_look(process, &run->here[process], on_linux->full);
    observation_copy(&left, on_linux);
    observation_copy(&right, &run->here[process]);
    if (compare_observations(&left, &right, &run->past[process], text))
        return true;
    snprintf(run->progress->text, sizeof(run->progress->text), "process %u: %s", process, text);
    run->progress->diverged = true;
    return false;
}

static bool look_at(struct run *run, unsigned process, enum look look)
{
    const char *text = "";
    const struct slot *slot = linux_side_look(process, look, &text);

    if (!slot)
        return fail(run, text);
    return compare_seen(run, process, &slot->seen);
}

static bool look_at_all(struct run *run)
{
    unsigned i;

    for (i = 0; i < PROCESSES; i++)
        if (run->alive[i] && !look_at(run, i, LOOK_FULL))
            return false;
    return true;
}

static void check_all(const struct run *run)
{
    unsigned i;

    for (i = 0; i < PROCESSES; i++)
        if (run->alive[i])
            mmkit_side_check(i);
}

/* ---- one operation --------------------------------------------------------------------------- */

/*
 * Where Linux put what it could have put elsewhere, and mmkit would: it keeps addresses for huge
 * pages, if what is mapped is as long as one. 0: it had no choice, or mmkit has to make the same.
 */
static uint64_t choice(const struct op *op, int64_t result)
{
    if (result < 0 || op->args[op->call == CALL_MMAP ? 1 : 2] <= HUGE - PAGE)
        return 0;
    if (op->call == CALL_MMAP && (op->args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == 0)
        return (uint64_t)result;
    if (op->call == CALL_MREMAP && (op->args[3] & MREMAP_FIXED) == 0 &&
        (uint64_t)result != op->args[0])
        return (uint64_t)result;
    return 0;
}

static void note_life(struct run *run, const struct op *op, const struct outcome *outcome)
{
    if (op->call == CALL_EXIT)
        run->alive[op->process] = false;
    if (op->call == CALL_FORK && outcome->result == 0) {
        run->alive[op->args[0]] = true;
        run->past[op->args[0]].is_child = true;
        run->unlimited[op->args[0]] = run->unlimited[op->process];
        run->privileged[op->args[0]] = run->privileged[op->process];
    }
}

/* => MADV_NORMAL, when it gives none */
static uint64_t advice_of(const struct op *op)
{
    if (op->call == CALL_PROCESS_MADVISE)
        return op->args[4];
    return op->call == CALL_MADVISE ? op->args[2] : MADV_NORMAL;
}

static void note_past(struct run *run, const struct op *op)
{
    uint64_t advice = advice_of(op);
    unsigned i;

    if (op->call == CALL_LIMIT && op->args[0] == MMK_LIMIT_MEMLOCK)
        run->unlimited[op->process] = op->args[1] > LOCKED_MOST;
    if (op->call == CALL_PRIVILEGE)
        run->privileged[op->process] = op->args[0] != 0;
    for (i = 0; i < PROCESSES; i++) {
        run->past[i].reclaimed |= advice == MADV_PAGEOUT || op->call == CALL_GIVE_BACK;
        run->past[i].freed |= advice == MADV_FREE;
    }
}

static bool do_op(struct run *run, const struct op *op)
{
    enum look look = run->options->thorough ? LOOK_FULL : LOOK_SHORT;
    static struct outcome here;
    const struct slot *slot;
    const char *text = "";
    char difference[COMPARE_TEXT];

    slot = linux_side_do(op, look, &text);
    if (!slot)
        return fail(run, text);
    if (op->call == CALL_FORK && slot->outcome.result == -EAGAIN)
        error(STATUS_BAD_USAGE, EAGAIN, "no Linux to compare with: fork");
    note_past(run, op);
    mmkit_side_do(op, choice(op, slot->outcome.result), &here);
    run->progress->by_call[op->call]++;
    run->progress->used_disk |= op_file(op) == FILE_DISK;
    if (!compare_outcomes(op, &slot->outcome, &here, &run->past[op->process], difference))
        return fail(run, difference);
    note_life(run, op, &here);
    if (run->alive[op->process] && !compare_seen(run, op->process, &slot->seen))
        return false;
    if (subject(run, op) != op->process && !look_at(run, subject(run, op), look))
        return false;
    return op->call != CALL_FORK || !run->alive[op->args[0]] ||
           look_at(run, (unsigned)op->args[0], look);
}

static bool do_all(struct run *run, const struct ops *ops)
{
    struct progress_of_sequence *progress = run->progress;
    bool last, thorough = run->options->thorough;

    for (; progress->done < ops->count; progress->done++) {
        const struct op *op = &ops->list[progress->done];

        last = progress->done + 1 == ops->count;
        if (!is_to_be_made(run, op)) {
            progress->avoided++;
            if (!last)
                continue;
        } else if (!do_op(run, op)) {
            return false;
        }
        if ((thorough || last || progress->done % BETWEEN_FULL == 0) && !look_at_all(run))
            return false;
        if (run->options->check || last || progress->done % CHECK_EVERY == 0)
            check_all(run);
    }
    return true;
}

bool sequence_run(const struct ops *ops, const struct sequence_options *options, uint64_t lowest,
                  struct progress_of_sequence *progress)
{
    static struct run run;
    bool well;

    memset(&run, 0, sizeof(run));
    run.options = options;
    run.progress = progress;
    run.alive[0] = true;
    progress->done = 0;
    progress->used_disk = false;
    progress->diverged = false;
    progress->broken = !linux_side_start(lowest);
    if (progress->broken)
        return false;
    if (!mmkit_side_start(linux_side_base_count())) {
        error(0, 0, "too little memory for a sequence");
        progress->broken = true;
        return false;
    }
    well = do_all(&run, ops);
    linux_side_stop();
    if (!mmkit_side_stop() && well)
        return fail(&run, "frames have not come back");
    return well;
}
