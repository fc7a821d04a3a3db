/* SPDX-License-Identifier: MIT */
/*
 * replay_calls.c - every recorded operation but faults and advice: on mmkit, and on the shadow.
 *
 * What Linux answered is what mmkit must answer. An MMK_ENOMEM where Linux had memory, or mlock's
 * MMK_EAGAIN, is a divergence, unless the machine really has none left: then the replay ends.
 */
#include "replay_state.h"

#include <inttypes.h>

enum step replay_judge(struct replay *replay, const char *call, int64_t got, int64_t recorded)
{
    if (got == recorded)
        return STEP_DONE;
    if ((got == MMK_ENOMEM || got == MMK_EAGAIN) && replay_is_exhausted(replay))
        return STEP_NO_MEMORY;
    replay_diverge(replay, "%s answered 0x%" PRIx64 ", recorded 0x%" PRIx64, call, (uint64_t)got,
                   (uint64_t)recorded);
    return STEP_DONE;
}

static enum step judge_void(struct replay *replay, const char *call)
{
    return replay_judge(replay, call, MMK_ENOMEM, 0);
}

/* A recorded address without MAP_FIXED was free on Linux, so it must be free here. */
static unsigned placement(struct space *space, const struct op *op)
{
    if ((op->flags & MMK_MAP_FIXED) != 0)
        return op->flags;
    return op->flags | (shadow_is_free(&space->shadow, op->address, op->address + op->length)
                            ? MMK_MAP_FIXED_NOREPLACE
                            : MMK_MAP_FIXED);
}

static void map_in_shadow(struct replay *replay, struct space *space, const struct op *op,
                          const struct replay_file *file)
{
    struct shadow_region region = {.start = op->address,
                                   .end = op->address + op->length,
                                   .index = op->argument >> MMK_PAGE_SHIFT,
                                   .object = file == NULL ? NULL : file->shadow,
                                   .prot = op->prot,
                                   .flags = (op->flags & MMK_MAP_LOCKED) != 0 ? SHADOW_LOCKED : 0,
                                   .shared = (op->flags & MMK_MAP_SHARED) != 0,
                                   .grows_down = (op->flags & MMK_MAP_GROWSDOWN) != 0};

    if (file == NULL && region.shared) {
        region.object = shadow_object_create(&replay->world, false, 0, op->length);
        shadow_map(&space->shadow, &region);
        shadow_object_put(&replay->world, region.object);
        return;
    }
    shadow_map(&space->shadow, &region);
}

static enum step do_mmap(struct replay *replay, struct space *space, const struct op *op)
{
    struct replay_file *file = NULL;
    enum step step = STEP_DONE;
    int64_t got;

    if (op->file != 0) {
        file = replay_file_for(replay, op);
        if (file == NULL)
            return judge_void(replay, "opening a file");
    }
    if (!replay_is_planning(replay)) {
        got = mmk_mmap(space->mm, op->address, op->length, op->prot, placement(space, op),
                       file == NULL ? NULL : file->object, op->argument);
        step = replay_judge(replay, "mmap", got, (int64_t)op->address);
    }
    map_in_shadow(replay, space, op, file);
    if ((op->flags & MMK_MAP_POPULATE) != 0 && (op->flags & MMK_MAP_NONBLOCK) == 0)
        shadow_populate(&space->shadow, op->address, op->address + op->length, SHADOW_TRY);
    return step;
}

static enum step do_munmap(struct replay *replay, struct space *space, const struct op *op)
{
    enum step step = STEP_DONE;

    if (!replay_is_planning(replay))
        step = replay_judge(replay, "munmap", mmk_munmap(space->mm, op->address, op->length), 0);
    shadow_unmap(&space->shadow, op->address, op->address + op->length);
    return step;
}

static enum step do_mprotect(struct replay *replay, struct space *space, const struct op *op)
{
    uint64_t end = op->address + op->length;
    enum step step = STEP_DONE;

    if (op->partial && shadow_is_covered(&space->shadow, op->address, end))
        return STEP_SKIPPED; /* Linux had no memory: nothing was changed */
    if (!replay_is_planning(replay)) {
        step = replay_judge(replay, "mprotect",
                            mmk_mprotect(space->mm, op->address, op->length, op->prot),
                            op->partial ? MMK_ENOMEM : 0);
    }
    shadow_protect(&space->shadow, op->address, end, op->prot);
    return step;
}

/* Moved elsewhere is moved there: where a mapping would go by itself depends on what is not known.
 */
static unsigned remap_flags(const struct op *op)
{
    if (op->target == op->address && op->length > 0)
        return op->flags;
    return op->flags | MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED;
}

static enum step do_mremap(struct replay *replay, struct space *space, const struct op *op)
{
    const struct shadow_region *region = shadow_find(&space->shadow, op->address);
    enum step step = STEP_DONE;
    int64_t got;

    if (region != NULL && region->object != NULL &&
        !replay_file_reach(replay, region->object,
                           (shadow_index(region, op->address) << MMK_PAGE_SHIFT) + op->argument))
        return judge_void(replay, "making a file longer");
    if (!replay_is_planning(replay)) {
        got = mmk_mremap(space->mm, op->address, op->length, op->argument, remap_flags(op),
                         op->target);
        step = replay_judge(replay, "mremap", got, (int64_t)op->target);
    }
    if (region != NULL)
        shadow_remap(&space->shadow, op->address, op->length, op->target, op->argument,
                     (op->flags & MMK_MREMAP_DONTUNMAP) != 0);
    return step;
}

/* What Linux answers with ENOMEM for its limits, which are not ours, has no hole to show for it. */
static bool is_refused(struct space *space, const struct op *op)
{
    return op->partial && shadow_is_covered(&space->shadow, op->address, op->address + op->length);
}

static enum step do_mlock(struct replay *replay, struct space *space, const struct op *op)
{
    unsigned flags = op->flags & MMK_MLOCK_ONFAULT ? SHADOW_LOCK : SHADOW_LOCKED;
    uint64_t end = op->address + op->length;
    enum step step = STEP_DONE;
    int got = 0, expected;

    if (is_refused(space, op) && shadow_is_accessible(&space->shadow, op->address, end))
        return STEP_SKIPPED;
    expected = shadow_lock(&space->shadow, op->address, end, flags) ? 0 : MMK_ENOMEM;
    if (!replay_is_planning(replay)) {
        got = mmk_mlock2(space->mm, op->address, op->length, op->flags);
        step = replay_judge(replay, "mlock", got, expected);
    }
    return step;
}

static enum step do_munlock(struct replay *replay, struct space *space, const struct op *op)
{
    enum step step = STEP_DONE;

    if (is_refused(space, op))
        return STEP_SKIPPED;
    if (!replay_is_planning(replay)) {
        step = replay_judge(replay, "munlock", mmk_munlock(space->mm, op->address, op->length),
                            op->partial ? MMK_ENOMEM : 0);
    }
    shadow_unlock(&space->shadow, op->address, op->address + op->length);
    return step;
}

static enum step do_mlockall(struct replay *replay, struct space *space, const struct op *op)
{
    unsigned lock = op->flags & MMK_MCL_ONFAULT ? SHADOW_LOCK : SHADOW_LOCKED;
    enum step step = STEP_DONE;

    if (!replay_is_planning(replay)) {
        step = replay_judge(
            replay, op->flags == 0 ? "munlockall" : "mlockall",
            op->flags == 0 ? mmk_munlockall(space->mm) : mmk_mlockall(space->mm, op->flags), 0);
    }
    shadow_lock_all(&space->shadow, op->flags & MMK_MCL_CURRENT ? lock : 0,
                    op->flags & MMK_MCL_FUTURE ? lock : 0);
    return step;
}

/* The shadow need not know: what is refused for it was refused by Linux, too. */
static enum step do_mseal(struct replay *replay, struct space *space, const struct op *op)
{
    if (replay_is_planning(replay))
        return STEP_DONE;
    return replay_judge(replay, "mseal", mmk_mseal(space->mm, op->address, op->length, 0), 0);
}

/* The first brk after exec tells where the heap starts. */
static enum step start_heap(struct replay *replay, struct space *space, uint64_t start)
{
    space->shadow.brk_start = start;
    space->shadow.brk_end = start;
    if (replay_is_planning(replay))
        return STEP_DONE;
    return replay_judge(replay, "setting the break", mmk_set_brk(space->mm, start), 0);
}

static enum step do_brk(struct replay *replay, struct space *space, const struct op *op)
{
    struct shadow *shadow = &space->shadow;
    uint64_t result = op->argument;
    uint64_t got;

    if (shadow->brk_start == 0)
        return start_heap(replay, space, result);
    if (result == shadow->brk_end && op->address > shadow->brk_end)
        return STEP_SKIPPED; /* Linux refused: its limits are not ours */
    if (!replay_is_planning(replay)) {
        got = mmk_brk(space->mm, op->address);
        if (got != result && got == shadow->brk_end && replay_is_exhausted(replay))
            return STEP_NO_MEMORY;
        replay_judge(replay, "brk", (int64_t)got, (int64_t)result);
    }
    shadow_set_brk(shadow, result);
    return STEP_DONE;
}

static enum step do_exec(struct replay *replay, const struct op *op)
{
    struct space *space = replay_space_create(replay);

    if (space == NULL)
        return judge_void(replay, "exec");
    replay_space_leave(replay, op->task);
    replay_space_enter(replay, space, op->task);
    return STEP_DONE;
}

static enum step do_fork(struct replay *replay, struct space *space, const struct op *op)
{
    struct space *child = replay_space_fork(replay, space);

    if (child == NULL)
        return judge_void(replay, "fork");
    replay_space_enter(replay, child, op->child);
    if (!replay_is_planning(replay))
        replay_space_observe(child);
    replay_space_account(replay, child);
    return STEP_DONE;
}

enum step replay_call(struct replay *replay, const struct op *op)
{
    struct space *space = replay->task_spaces[op->task];

    if (space == NULL && op->kind != OP_EXEC)
        return STEP_SKIPPED; /* its fork or exec failed, which has been counted */
    switch ((enum op_kind)op->kind) {
    case OP_MMAP:
    case OP_EXEC_MAP:
        return do_mmap(replay, space, op);
    case OP_MUNMAP:
        return do_munmap(replay, space, op);
    case OP_MPROTECT:
        return do_mprotect(replay, space, op);
    case OP_MADVISE:
        return replay_advice(replay, space, op);
    case OP_MREMAP:
        return do_mremap(replay, space, op);
    case OP_MLOCK:
        return do_mlock(replay, space, op);
    case OP_MUNLOCK:
        return do_munlock(replay, space, op);
    case OP_MLOCKALL:
        return do_mlockall(replay, space, op);
    case OP_MSEAL:
        return do_mseal(replay, space, op);
    case OP_BRK:
        return do_brk(replay, space, op);
    case OP_EXEC:
        return do_exec(replay, op);
    case OP_SHARE:
        replay_space_enter(replay, space, op->child);
        return STEP_DONE;
    case OP_FORK:
        return do_fork(replay, space, op);
    case OP_EXIT:
        replay_space_leave(replay, op->task);
        return STEP_DONE;
    default:
        return STEP_SKIPPED;
    }
}
