/* SPDX-License-Identifier: MIT */
/*
 * agent.h - a process of the Linux side: does what its slot says, and looks at itself.
 *
 * It is a fork of the driver. Once it has begun it allocates nothing, prints nothing, and calls
 * nothing that maps or unmaps memory but what it is told to.
 */
#ifndef ORACLE_AGENT_H
#define ORACLE_AGENT_H

#include "slot.h"

/* Becomes the first process. => does not return */
__attribute__((noreturn)) void agent_run(struct board *board);

/* ---- agent_setup.c --------------------------------------------------------------------------- */

/* The files that sequences map, by number. */
extern int agent_files[FILES];

/* A process that is no more (pidfd_open(2)). */
extern int agent_gone;

/* A file of COPY_MAX bytes, each COPY_BYTE, for those who copy. */
extern int agent_scratch;

/* Takes up, or puts down, the right to lock whatever it wants. => 0 or -errno */
int64_t agent_privilege(bool privileged);

/* Everything but the window is taken and sealed; files; limits. => false: board->trouble says why
 */
bool agent_prepare(struct board *board);

/* ---- agent_disk.c ---------------------------------------------------------------------------- */

/* A file, without a name, on a disk. => -1: there is none that does what the comparison needs */
int agent_disk_open(uint64_t size);

/* ---- agent_access.c -------------------------------------------------------------------------- */

void agent_catch_signals(void);
enum access agent_read(uint64_t addr, uint64_t *word);
enum access agent_hash(uint64_t page, uint64_t *hash);
enum access agent_write(uint64_t addr, uint64_t word);
enum access agent_exec(uint64_t addr);

/* ---- agent_look.c ---------------------------------------------------------------------------- */

/* Opens what a process sees itself by: again in each. => false: board->trouble */
bool agent_open_eyes(struct board *board);
extern int agent_memory; /* /proc/self/mem */
void agent_look(struct observation *seen, bool full);

/* Of all that is mapped. */
void agent_look_at_sizes(struct sizes *sizes);

#endif
