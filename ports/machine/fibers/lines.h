/* SPDX-License-Identifier: MIT */
/*
 * lines.h - which CPU has used which cache line, how, and from where: between two calls, all that
 * the library does to shared words and, in programs for weak memory (plain.c), to any others, and
 * what hardware does to page tables.
 */
#ifndef MACHINE_LINES_H
#define MACHINE_LINES_H

#include "fibers.h"

enum { LINES_SIZE = 64, LINES_CPUS = 2, LINES_USES = 24 };

/* Code that has used a line, and where in it. */
struct lines_use {
    const void *where;
    uint8_t cpu, at; /* bytes from the line's start */
    bool write, interrupt;
};

struct lines_line {
    uintptr_t address;
    unsigned uses;
    struct lines_use use[LINES_USES]; /* each once; more are forgotten, unless they say more of who
                                         writes and who reads */
};

/* From now on. => false: no memory. What CPUs from LINES_CPUS on do is no matter */
bool lines_begin(void);

/* Until now: those that were used. => good until lines_begin() */
size_t lines_end(const struct lines_line **list);

/* Is it in RAM? Else it is a variable. */
bool lines_in_ram(uintptr_t at);

/* For the rest of the machine. */
extern bool lines_noted;
void lines_note(uintptr_t at, size_t size, enum fibers_access access, const void *where);

#endif
