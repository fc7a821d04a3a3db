/* SPDX-License-Identifier: MIT */
/*
 * replay.c - a replay from the machine's start to the proof that every frame came back.
 *
 * One host thread replays everything in recorded order on one virtual CPU, so that a replay is
 * the same every time; a thread switch of the recording is a switch of address space at most.
 */
#include "replay_state.h"

#include "clock.h"
#include "host_alloc.h"
#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIVERGENCES_SHOWN = 10,
    OBSERVE_INTERVAL = 256, /* of operations; it looks at counters of all CPUs */
    FEW_FRAMES = 256,       /* beside what a fork needs: with fewer free, ENOMEM is the truth */
};

void replay_diverge(struct replay *replay, const char *format, ...)
{
    const struct program_task *task = &replay->program->tasks[replay->op->task];
    va_list arguments;

    if (replay->result->divergences++ >= DIVERGENCES_SHOWN)
        return;
    fprintf(stderr, "%s:%" PRIu32 ": divergence: thread %" PRId32 "/%" PRId32 ": ",
            replay->program->name, replay->op->line, task->pid, task->tid);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    putc('\n', stderr);
}

bool replay_is_exhausted(const struct replay *replay)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.frames_free < replay->linked + FEW_FRAMES;
}

void replay_observe_frames(struct replay *replay)
{
    struct replay_result *result = replay->result;
    struct mmk_stats stats;
    uint64_t used;

    mmk_stats_read(&stats);
    used = (stats.frames_total - stats.frames_free) * MMK_PAGE_SIZE;
    if (used > result->frames_peak_bytes)
        result->frames_peak_bytes = used;
}

static bool has_reclaimed(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.reclaim_freed > 0;
}

/* What the address spaces have locked, touched or not. */
static uint64_t locked_bytes(const struct replay *replay)
{
    struct mmk_mm_stats stats;
    const struct space *space;
    uint64_t bytes = 0;

    for (space = replay->spaces; space != NULL; space = space->next) {
        mmk_mm_stats(space->mm, &stats);
        bytes += stats.locked_bytes;
    }
    return bytes;
}

static void complain_memory(const struct replay *replay)
{
    const char *text = replay->options->memory_text, *swap = replay->options->swap_text;
    uint64_t locked = locked_bytes(replay);

    fprintf(stderr, "%s:%" PRIu32 ": the recording needs more memory than %s%s, %s --swap%s%s",
            replay->program->name, replay->op->line, text == NULL ? "was estimated" : "--memory ",
            text == NULL ? "" : text, swap == NULL ? "without" : "with", swap == NULL ? "" : " ",
            swap == NULL ? "" : swap);
    if (locked != 0)
        fprintf(stderr, "; it has %" PRIu64 " KiB locked in memory by then", locked / 1024);
    putc('\n', stderr);
}

static void state_init(struct replay *replay, const struct program *program,
                       const struct replay_options *options, struct replay_result *result)
{
    memset(replay, 0, sizeof(*replay));
    memset(result, 0, sizeof(*result));
    replay->program = program;
    replay->options = options;
    replay->result = result;
    replay->files = host_alloc(program->file_count + 1, sizeof(replay->files[0]));
    replay->task_spaces = host_alloc(program->task_count + 1, sizeof(replay->task_spaces[0]));
    replay->op = &program->ops[0];
    shadow_world_init(&replay->world, machine_format.levels, machine_format.index_bits);
    if (options == NULL)
        return; /* what is mapped around takes no memory */
    replay->world.has_reclaimed = has_reclaimed;
    if (options->around > MMK_PAGE_SIZE)
        replay->world.around = options->around / MMK_PAGE_SIZE;
}

/* Every process that still runs exits; files are let go. */
static void state_destroy(struct replay *replay)
{
    uint32_t task;

    for (task = 0; task < replay->program->task_count; task++)
        replay_space_leave(replay, task);
    replay_files_close(replay);
    shadow_world_destroy(&replay->world);
    free(replay->files);
    free(replay->task_spaces);
}

static enum step run_op(struct replay *replay, const struct op *op)
{
    struct space *space = replay->task_spaces[op->task];
    enum step step;

    replay->op = op;
    if (op->kind == OP_FAULT && space != NULL) {
        step = replay_fault(replay, space, op);
    } else {
        step = replay_call(replay, op);
        space = replay->task_spaces[op->task]; /* exec and exit change it */
        if (space != NULL && !replay_is_planning(replay))
            replay_space_observe(space);
    }
    replay->result->events += step == STEP_DONE;
    if (space != NULL && step == STEP_DONE)
        replay_space_account(replay, space);
    return step;
}

static void check(struct replay *replay, size_t done)
{
    const struct op *op = replay->op;

    if (replay->task_spaces[op->task] != NULL)
        replay_check_op(replay, replay->task_spaces[op->task], op);
    if (done % replay->options->check_interval == 0 || done == replay->program->op_count)
        replay_check_all(replay);
}

static void observe(struct replay *replay)
{
    if (replay_has_huge(replay))
        replay_huge_work(replay);
    replay_observe_frames(replay);
}

/* The operations [first, end). => false: the machine has too little memory */
static bool run_part(struct replay *replay, size_t first, size_t end, struct progress *progress)
{
    const struct op *op = &replay->program->ops[first];
    size_t done;

    for (done = first; done < end; done++, op++) {
        if (run_op(replay, op) == STEP_NO_MEMORY)
            return false;
        if (replay->options->check_interval != 0)
            check(replay, done + 1);
        if (done % OBSERVE_INTERVAL == 0)
            observe(replay);
        progress_update(progress, done);
    }
    replay_observe_frames(replay);
    return true;
}

/* By this name bench/instructions.py finds what it counts. */
static MMK_NOINLINE bool run_ops(struct replay *replay)
{
    const struct program *program = replay->program;
    size_t exits = program->op_count; /* from here on, there is nothing else */
    struct progress progress;
    bool complete;

    while (exits > 0 && program->ops[exits - 1].kind == OP_EXIT)
        exits--;
    progress_begin(&progress, program->op_count, replay->options->progress);
    complete = run_part(replay, 0, exits, &progress);
    replay->result->tables.end_bytes = replay->linked * MMK_PAGE_SIZE;
    complete = complete && run_part(replay, exits, program->op_count, &progress);
    progress_end(&progress);
    if (!complete)
        complain_memory(replay);
    return complete;
}

/* errno: 0 if it was not the host that has refused memory */
static void complain_machine(const struct replay *replay)
{
    const struct replay_options *options = replay->options;

    if (errno == 0)
        complain_memory(replay);
    else if (options->memory_text == NULL)
        fprintf(stderr, "mmkit: the host has no memory left\n");
    else
        fprintf(stderr, "%s: --memory %s: this host has no memory for it\n", replay->program->name,
                options->memory_text);
}

static bool start_machine(const struct replay *replay)
{
    struct machine_config config = {.memory = replay->options->memory,
                                    .cpus = 1,
                                    .populate = true,
                                    .mmkit = MMK_CONFIG_DEFAULT};

    config.mmkit.table_policy = replay->options->policy;
    config.mmkit.fault_around = replay->options->around;
    config.mmkit.huge = replay->options->huge;
    config.mmkit.speculate = replay->options->speculate;
    config.mmkit.huge_shared = replay_has_huge(replay);
    config.mmkit.anon_block = replay->options->block;
    config.mmkit.overcommit = MMK_OVERCOMMIT_ALWAYS; /* Linux, with its memory, has allowed it */
    errno = 0; /* which mmkit does not know, but the machine's calls of the host do */
    if (machine_create(&config) != 0) {
        complain_machine(replay);
        return false;
    }
    machine_cpu_attach(0);
    return true;
}

/* Swap space in the host's memory. => false after a message */
static bool start_swap(struct replay *replay)
{
    uint64_t slots = replay->options->swap / MMK_PAGE_SIZE;

    if (slots == 0)
        return true;
    replay->swap_device = machine_swap_memory(slots);
    if (replay->swap_device != NULL &&
        mmk_swapon(&machine_swap_ops_discard, replay->swap_device, slots, 0, &replay->swap) == 0)
        return true;
    fprintf(stderr, "%s: --swap %s: %s\n", replay->program->name, replay->options->swap_text,
            replay->swap_device == NULL
                ? "this host has no memory for it"
                : "the machine has no memory for it, a page for each 384 MiB; see --memory");
    return false;
}

/* => false: it is not empty, though nobody is left */
static bool stop_swap(struct replay *replay)
{
    bool empty = replay->swap == NULL || mmk_swapoff(replay->swap) == 0;

    if (replay->swap_device != NULL && empty)
        machine_swap_close(replay->swap_device);
    return empty;
}

static void stop_machine(void)
{
    machine_cpu_detach();
    machine_destroy();
}

static uint64_t count_free_frames(void)
{
    struct mmk_stats stats;

    mmk_drain();
    mmk_stats_read(&stats);
    return stats.frames_free;
}

static void read_peaks(struct replay *replay)
{
    struct replay_result *result = replay->result;
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    result->rss_peak_bytes = replay->resident_peak * MMK_PAGE_SIZE;
    result->tables.waiting_peak_bytes = stats.tables_waiting_peak * MMK_PAGE_SIZE;
    result->tables.stock_peak_bytes = stats.tables_stock_peak * MMK_PAGE_SIZE;
    result->tlb.flushes = stats.tlb_flushes;
    result->tlb.pages = stats.tlb_pages;
    result->tlb.full = stats.tlb_full;
    result->tlb.ipis = stats.tlb_ipis;
    result->reclaim.scanned = stats.reclaim_scanned;
    result->reclaim.freed = stats.reclaim_freed;
    result->reclaim.written = stats.reclaim_written;
    result->reclaim.direct = stats.reclaim_direct;
    result->reclaim.tables_looked = stats.shrink_looked;
    result->reclaim.tables_given = stats.shrink_given;
    result->swap.in = stats.swap_in;
    result->swap.out = stats.swap_out;
    replay_refaults_summary(replay);
}

bool replay_run(const struct program *program, const struct replay_options *options,
                struct replay_result *result)
{
    struct replay replay;
    uint64_t free_frames;
    double start;
    bool complete;

    state_init(&replay, program, options, result);
    if (!start_machine(&replay)) {
        state_destroy(&replay);
        return false;
    }
    free_frames = count_free_frames();
    complete = start_swap(&replay);
    replay_refaults_watch(&replay, free_frames);
    start = clock_seconds();
    complete = complete && run_ops(&replay);
    result->seconds = clock_seconds() - start;
    read_peaks(&replay);
    replay_refaults_stop(&replay);
    state_destroy(&replay);
    if (!stop_swap(&replay))
        fprintf(stderr, "%s: swap space is in use at the end\n", program->name);
    result->leaked_frames = (int64_t)(free_frames - count_free_frames());
    result->skipped = program->lines > result->events ? program->lines - result->events : 0;
    result->memory = options->memory;
    stop_machine();
    return complete;
}

void replay_references(const struct program *program,
                       void (*visit)(void *context, uint64_t owner, uint64_t page), void *context)
{
    struct replay_result result;
    struct replay replay;
    size_t i;

    state_init(&replay, program, NULL, &result);
    replay.visit = visit;
    replay.visit_context = context;
    for (i = 0; i < program->op_count; i++)
        run_op(&replay, &program->ops[i]);
    state_destroy(&replay);
}

uint64_t replay_estimate_memory(const struct program *program, enum mmk_huge_policy huge)
{
    struct replay_result result;
    struct replay replay;
    uint64_t bytes;
    size_t i;

    state_init(&replay, program, NULL, &result);
    for (i = 0; i < program->op_count; i++)
        run_op(&replay, &program->ops[i]);
    state_destroy(&replay);
    /* An eighth for descriptors and small objects, 32 MiB for caches and what waits. */
    bytes = replay.demand_peak * MMK_PAGE_SIZE;
    if (huge != MMK_HUGE_NEVER) /* wherever a leaf table would be */
        bytes += replay.least_peak * (uint64_t)MMK_PAGE_SIZE << machine_format.index_bits;
    bytes += bytes / 8 + ((uint64_t)32 << 20);
    return (bytes + ((uint64_t)4 << 20)) & ~(((uint64_t)4 << 20) - 1);
}
