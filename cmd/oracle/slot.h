/* SPDX-License-Identifier: MIT */
/*
 * slot.h - what the driver and a process of the Linux side share: a command, and its answer.
 *
 * The word `turn` says whose the rest is. Both wait for it by futex(2), after looking a few times.
 */
#ifndef ORACLE_SLOT_H
#define ORACLE_SLOT_H

#include "observation.h"

#include <stdatomic.h>
#include <sys/types.h>

enum turn { TURN_DRIVER, TURN_PROCESS };

enum look { LOOK_NOT, LOOK_SHORT, LOOK_FULL };

struct slot {
    _Atomic uint32_t turn;
    pid_t pid;      /* 0: no process */
    struct op op;   /* call CALLS: none, just look */
    enum look look; /* afterwards */
    struct outcome outcome;
    struct observation seen;
};

/* What is the same for all processes of one episode. */
struct board {
    struct slot slots[PROCESSES];
    bool is_ready;       /* the first process is */
    const char *trouble; /* why not */
    int trouble_errno;
    uint64_t lowest;     /* address that may be mapped */
    uint64_t base_count; /* mappings beyond the window */
    struct sizes base;   /* of them */
    uint64_t file_inode[FILES];
    bool has_disk;        /* FILE_DISK is on one */
    bool may_advise;      /* others, by process_madvise(2) */
    bool may_lock;        /* whatever it wants, by CAP_IPC_LOCK */
    uint64_t memlock_max; /* the hard limit: UINT64_MAX: none */
};

/* Waits until it is `turn`. => false: `seconds` have passed; 0: wait for ever */
bool slot_wait(struct slot *slot, enum turn turn, unsigned seconds);
void slot_hand_over(struct slot *slot, enum turn turn);

#endif
