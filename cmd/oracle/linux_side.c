/* SPDX-License-Identifier: MIT */
/* linux_side.c - see linux_side.h. */
#include "linux_side.h"

#include "agent.h"
#include "child.h"
#include "usage.h"

#include <errno.h>
#include <error.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 30 }; /* seconds for one operation */

static struct board *board;

static bool read_number(const char *path, uint64_t *number)
{
    FILE *file = fopen(path, "re");
    bool read = file && fscanf(file, "%" SCNu64, number) == 1;

    if (!read)
        error(0, errno, "%s", path);
    if (file)
        fclose(file);
    return read;
}

bool linux_constants(struct linux_constants *constants)
{
    return read_number("/proc/sys/vm/mmap_min_addr", &constants->mmap_min_addr) &&
           read_number("/proc/sys/vm/max_map_count", &constants->max_map_count) &&
           read_number("/proc/sys/vm/overcommit_memory", &constants->overcommit);
}

static bool share_board(void)
{
    if (!board) {
        board =
            mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (board == MAP_FAILED) {
            board = NULL;
            error(0, errno, "memory to share");
        }
    }
    return board != NULL;
}

/* Until it has answered. => false: it has not, *text says why */
static bool await(struct slot *slot, const char **text)
{
    unsigned seconds;
    int status;

    for (seconds = 0; seconds < PATIENCE; seconds++) {
        if (slot_wait(slot, TURN_DRIVER, 1))
            return true;
        if (waitpid(slot->pid, &status, WNOHANG) != slot->pid)
            continue;
        slot->pid = 0;
        if (child_lacked_means(status))
            error(STATUS_BAD_USAGE, 0, "a process on Linux has been killed: too little memory?");
        *text = "its process on Linux has died";
        return false;
    }
    *text = "its process on Linux hangs";
    return false;
}

static void end(struct slot *slot)
{
    if (slot->pid > 0)
        waitpid(slot->pid, NULL, 0);
    slot->pid = 0;
}

void linux_side_stop(void)
{
    unsigned i;

    for (i = 0; i < PROCESSES; i++)
        if (board->slots[i].pid > 0)
            kill(board->slots[i].pid, SIGKILL);
    for (i = 0; i < PROCESSES; i++)
        end(&board->slots[i]);
}

bool linux_side_start(uint64_t lowest)
{
    const char *text = "no process";
    struct slot *slot;
    unsigned i;
    pid_t pid;

    if (!share_board())
        return false;
    for (i = 0; i < PROCESSES; i++)
        board->slots[i].turn = TURN_PROCESS;
    board->is_ready = false;
    board->may_lock = false;
    board->trouble = NULL;
    board->trouble_errno = 0;
    board->lowest = lowest;
    slot = &board->slots[0];
    pid = fork(); /* not at once to the slot, which the child shares */
    if (pid == 0)
        agent_run(board);
    slot->pid = pid;
    if (pid > 0 && await(slot, &text) && board->is_ready)
        return true;
    error(0, pid < 0 ? errno : board->trouble_errno, "no Linux to compare with: %s",
          board->trouble ? board->trouble : text);
    linux_side_stop();
    return false;
}

uint64_t linux_side_base_count(void)
{
    return board->base_count;
}

const struct sizes *linux_side_base(void)
{
    return &board->base;
}

void linux_side_constants(struct linux_constants *known)
{
    known->may_advise = board->may_advise;
    known->may_lock = board->may_lock;
    known->memlock_max = board->memlock_max;
}

bool linux_side_has_disk(void)
{
    return board->has_disk;
}

unsigned linux_side_file(uint64_t inode)
{
    unsigned i;

    for (i = 0; i < FILES; i++)
        if (board->file_inode[i] == inode)
            break;
    return i;
}

static const struct slot *command(unsigned process, const struct op *op, enum look look,
                                  const char **text)
{
    struct slot *slot = &board->slots[process];

    if (op)
        slot->op = *op;
    else
        slot->op.call = CALLS;
    slot->look = look;
    slot_hand_over(slot, TURN_PROCESS);
    if (op && op->call == CALL_EXIT) {
        memset(&slot->outcome, 0, sizeof(slot->outcome));
        end(slot);
        return slot;
    }
    if (!await(slot, text))
        return NULL;
    /* the child has its own words to say that it is there */
    if (op && op->call == CALL_FORK && slot->outcome.result == 0 &&
        !await(&board->slots[op->args[0]], text))
        return NULL;
    return slot;
}

const struct slot *linux_side_do(const struct op *op, enum look look, const char **text)
{
    return command(op->process, op, look, text);
}

const struct slot *linux_side_look(unsigned process, enum look look, const char **text)
{
    return command(process, NULL, look, text);
}
