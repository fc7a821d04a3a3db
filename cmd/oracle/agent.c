/* SPDX-License-Identifier: MIT */
/* agent.c - see agent.h: the calls, and the loop that makes them. */
#include "agent.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <mmkit/limit.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

enum { UNTOUCHED = 2, VECTOR = (WINDOW_END - WINDOW_START) / PAGE + 1 };

static struct board *board;
static struct slot *slot; /* this process's */

/* Without a number the next one is not asked for: an argument that is none is 0. */
static int64_t call(long number, const uint64_t *args, unsigned count)
{
    uint64_t all[OP_ARGS] = {0};
    long result;

    memcpy(all, args, count * sizeof(*args));
    result = syscall(number, all[0], all[1], all[2], all[3], all[4], all[5]);
    return result < 0 && result >= -4095 ? -(int64_t)errno : (int64_t)result;
}

static int64_t answer(long result)
{
    return result < 0 ? -(int64_t)errno : (int64_t)result;
}

static int64_t do_mmap(const struct op *op)
{
    uint64_t args[OP_ARGS];

    memcpy(args, op->args, sizeof(args));
    args[4] = op->args[4] < FILES ? (uint64_t)agent_files[op->args[4]] : UINT64_MAX;
    return call(SYS_mmap, args, OP_ARGS);
}

static int64_t do_mincore(const struct op *op, struct outcome *outcome)
{
    static unsigned char vector[VECTOR];
    uint64_t args[] = {op->args[0], op->args[1], (uint64_t)(uintptr_t)vector};
    uint64_t pages = (op->args[1] + PAGE - 1) / PAGE;

    outcome->pages = (unsigned)(pages < sizeof(outcome->page) ? pages : sizeof(outcome->page));
    memset(vector, UNTOUCHED, outcome->pages);
    outcome->result = call(SYS_mincore, args, 3);
    memcpy(outcome->page, vector, outcome->pages);
    return outcome->result;
}

static int64_t do_limit(const struct op *op)
{
    static const __rlimit_resource_t resources[MMK_LIMITS] = {[MMK_LIMIT_AS] = RLIMIT_AS,
                                                              [MMK_LIMIT_DATA] = RLIMIT_DATA,
                                                              [MMK_LIMIT_STACK] = RLIMIT_STACK,
                                                              [MMK_LIMIT_MEMLOCK] = RLIMIT_MEMLOCK};
    __rlimit_resource_t resource = resources[op->args[0]];
    struct rlimit limit;

    getrlimit(resource, &limit);
    limit.rlim_cur = op->args[1];
    if (resource == RLIMIT_AS)
        limit.rlim_cur += board->base.virt;
    if (resource == RLIMIT_DATA)
        limit.rlim_cur += board->base.data;
    return answer(setrlimit(resource, &limit));
}

/* The child is the driver's, which will want to know when it ends. */
static int64_t do_fork(const struct op *op)
{
    long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

    if (pid > 0)
        board->slots[op->args[0]].pid = (pid_t)pid;
    if (pid != 0)
        return pid < 0 ? -(int64_t)errno : 0;
    slot = &board->slots[op->args[0]];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!agent_open_eyes(board))
        _exit(1);
    return 0;
}

static void do_sweep(const struct op *op, struct outcome *outcome)
{
    unsigned i;

    outcome->pages = (unsigned)((op->args[1] + PAGE - 1) / PAGE);
    for (i = 0; i < outcome->pages; i++) {
        outcome->words[i] = 0;
        outcome->page[i] = (uint8_t)agent_read(op->args[0] + i * PAGE, &outcome->words[i]);
    }
}

/* By way of a file: in and out again, which says what was copied. */
static void do_copy_in(const struct op *op, struct outcome *outcome)
{
    static uint8_t bytes[COPY_MAX];

    outcome->result = answer(pwrite(agent_scratch, (void *)op->args[0], op->args[1], 0));
    if (outcome->result <= 0)
        return;
    if (pread(agent_scratch, bytes, (size_t)outcome->result, 0) == outcome->result)
        outcome->word = hash_bytes(bytes, (uint64_t)outcome->result);
    memset(bytes, COPY_BYTE, (size_t)outcome->result);
    if (pwrite(agent_scratch, bytes, (size_t)outcome->result, 0) != outcome->result)
        outcome->word = 0;
}

/* What a debugger may read, or write. */
static void do_debug(const struct op *op, struct outcome *outcome)
{
    static uint8_t bytes[COPY_MAX];

    if (op->args[2]) {
        memset(bytes, COPY_BYTE, op->args[1]);
        outcome->result = answer(pwrite(agent_memory, bytes, op->args[1], (off_t)op->args[0]));
        return;
    }
    outcome->result = answer(pread(agent_memory, bytes, op->args[1], (off_t)op->args[0]));
    if (outcome->result > 0)
        outcome->word = hash_bytes(bytes, (uint64_t)outcome->result);
}

static int64_t do_file(const struct op *op)
{
    int file = agent_files[op->args[0]];

    switch (op->call) {
    case CALL_TRUNCATE:
        return answer(ftruncate(file, (off_t)op->args[1]));
    case CALL_PUNCH:
        return answer(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                (off_t)op->args[1], (off_t)op->args[2]));
    default:
        return answer(pwrite(file, &op->args[2], sizeof(op->args[2]), (off_t)op->args[1]));
    }
}

static bool privileged;

static int64_t do_privilege(const struct op *op)
{
    int64_t error;

    if (op->args[0] && !board->may_lock)
        return -EPERM;
    error = agent_privilege(op->args[0] != 0);
    if (!error)
        privileged = op->args[0] != 0;
    return error;
}

/* => a file descriptor of the process, or what is as good as one that is no more */
static int open_whom(uint64_t whom)
{
    pid_t pid = getpid();

    if (whom == WHOM_NOBODY)
        return -1;
    if (whom < PROCESSES && &board->slots[whom] != slot)
        pid = board->slots[whom].pid;
    return pid ? (int)syscall(SYS_pidfd_open, pid, 0) : agent_gone;
}

static int64_t do_process_madvise(const struct op *op)
{
    struct iovec ranges[RANGES_MAX + 1] = {{(void *)op->args[0], op->args[1]},
                                           {(void *)op->args[2], op->args[3]}};
    uint64_t whom = op->args[5];
    size_t count = whom == WHOM_MANY ? RANGES_MAX : whom == WHOM_TOO_MANY ? RANGES_MAX + 1 : 2;
    int pidfd = open_whom(whom);
    bool remote = whom < PROCESSES && &board->slots[whom] != slot;
    int64_t result;

    /* nobody has a say over those who may have more rights than he uses */
    if (remote && board->may_lock)
        agent_privilege(true);
    result = answer(
        syscall(SYS_process_madvise, pidfd, ranges, count, op->args[4], whom == WHOM_FLAGGED));
    if (remote && board->may_lock)
        agent_privilege(privileged);
    if (pidfd != agent_gone)
        close(pidfd);
    return result;
}

/* Page by page, no two alike. */
static int64_t do_crowd(const struct op *op)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    uint64_t at = op->args[0], left = op->args[1];
    int prot = PROT_NONE;

    for (; at < WINDOW_END; at += PAGE, prot ^= PROT_READ)
        if (mmap((void *)at, PAGE, prot, flags, -1, 0) == MAP_FAILED)
            break;
    for (; left > 0 && at > op->args[0]; left--, at -= PAGE)
        munmap((void *)(at - PAGE), PAGE);
    return (int64_t)((at - op->args[0]) / PAGE);
}

static int64_t do_plain_call(const struct op *op)
{
    static const long numbers[CALLS] = {
        [CALL_MUNMAP] = SYS_munmap,   [CALL_MPROTECT] = SYS_mprotect,
        [CALL_MREMAP] = SYS_mremap,   [CALL_MADVISE] = SYS_madvise,
        [CALL_MLOCK] = SYS_mlock,     [CALL_MLOCK2] = SYS_mlock2,
        [CALL_MUNLOCK] = SYS_munlock, [CALL_MLOCKALL] = SYS_mlockall,
        [CALL_MSYNC] = SYS_msync,     [CALL_MUNLOCKALL] = SYS_munlockall,
        [CALL_MSEAL] = SYS_mseal,     [CALL_BRK] = SYS_brk,
    };
    const enum argument *kinds;

    return call(numbers[op->call], op->args, call_arguments(op->call, &kinds));
}

static void do_op(const struct op *op, struct outcome *outcome)
{
    outcome->result = 0;
    outcome->pages = 0;
    outcome->word = 0;
    outcome->access = ACCESS_DONE;
    switch (op->call) {
    case CALL_MMAP:
        outcome->result = do_mmap(op);
        break;
    case CALL_MINCORE:
        do_mincore(op, outcome);
        break;
    case CALL_FORK:
        outcome->result = do_fork(op);
        break;
    case CALL_READ:
        outcome->access = agent_read(op->args[0], &outcome->word);
        break;
    case CALL_WRITE:
        outcome->access = agent_write(op->args[0], op->args[1]);
        break;
    case CALL_EXEC:
        outcome->access = agent_exec(op->args[0]);
        break;
    case CALL_SWEEP:
        do_sweep(op, outcome);
        break;
    case CALL_LIMIT:
        outcome->result = do_limit(op);
        break;
    case CALL_COPY_IN:
        do_copy_in(op, outcome);
        break;
    case CALL_COPY_OUT:
        outcome->result = answer(pread(agent_scratch, (void *)op->args[0], op->args[1], 0));
        break;
    case CALL_DEBUG:
        do_debug(op, outcome);
        break;
    case CALL_MDWE:
        outcome->result = answer(prctl(PR_SET_MDWE, op->args[0], 0, 0, 0));
        break;
    case CALL_CROWD:
        outcome->result = do_crowd(op);
        break;
    case CALL_PRIVILEGE:
        outcome->result = do_privilege(op);
        break;
    case CALL_PROCESS_MADVISE:
        outcome->result = do_process_madvise(op);
        break;
    case CALL_TRUNCATE:
    case CALL_PUNCH:
    case CALL_PWRITE:
        outcome->result = do_file(op);
        break;
    case CALL_GIVE_BACK:
        break;
    default:
        outcome->result = do_plain_call(op);
    }
}

static void serve(void)
{
    struct slot *asked;

    for (;;) {
        slot_wait(slot, TURN_PROCESS, 0);
        if (slot->op.call == CALL_EXIT)
            _exit(0);
        asked = slot;
        if (slot->op.call != CALLS)
            do_op(&asked->op, &asked->outcome);
        if (slot == asked && slot->look != LOOK_NOT) /* a child's own slot is empty yet */
            agent_look(&slot->seen, slot->look == LOOK_FULL);
        slot_hand_over(slot, TURN_DRIVER);
    }
}

void agent_run(struct board *shared)
{
    board = shared;
    slot = &board->slots[0];
    agent_catch_signals();
    if (agent_prepare(board))
        board->is_ready = true;
    slot_hand_over(slot, TURN_DRIVER);
    serve();
    __builtin_unreachable();
}
