/* SPDX-License-Identifier: MIT */
/* linux_side.h - operations on the running Linux: processes that do them, driven from here. */
#ifndef ORACLE_LINUX_SIDE_H
#define ORACLE_LINUX_SIDE_H

#include "slot.h"

/* Constants of the running system that mmkit has to share. */
struct linux_constants {
    uint64_t mmap_min_addr;
    uint64_t max_map_count;
    uint64_t overcommit;
    /* known when the first process is there: */
    bool may_advise;      /* others, by process_madvise(2) */
    bool may_lock;        /* whatever they want, by CAP_IPC_LOCK */
    uint64_t memlock_max; /* bytes; UINT64_MAX: any */
};

/* => false: /proc does not tell, after a message */
bool linux_constants(struct linux_constants *constants);

/*
 * Starts process 0, in which nothing from address `lowest` up is free but the window.
 * linux_side_stop() ends every process.
 * => false: this Linux, or this machine, cannot; after a message
 */
bool linux_side_start(uint64_t lowest);
void linux_side_stop(void);

/* What is mapped beyond the window counts on Linux: mappings. => started */
uint64_t linux_side_base_count(void);
const struct sizes *linux_side_base(void);

/* The constants that only a process knows. => started */
void linux_side_constants(struct linux_constants *constants);

/* => false: there is no FILE_DISK. => started */
bool linux_side_has_disk(void);

/* The number of the file with that inode. => FILES: none */
unsigned linux_side_file(uint64_t inode);

/*
 * Does op in its process, and looks at that.
 * => the slot; NULL: the process has died or hangs, why is in *text
 */
const struct slot *linux_side_do(const struct op *op, enum look look, const char **text);

/* Looks at a process. => as above */
const struct slot *linux_side_look(unsigned process, enum look look, const char **text);

#endif
