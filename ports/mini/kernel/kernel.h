/* SPDX-License-Identifier: MIT */
/* kernel.h - the mini kernel's parts. A stage is one of docs/PORTING.md. */
#ifndef MINI_KERNEL_H
#define MINI_KERNEL_H

#include "console.h"
#include "hardware.h"

#include <mmkit/mmkit.h>

/* The kernel ends here, with a message and status 1, when what it did is not what it wanted. */
void must(bool fine, const char *what);

void stage_tables(void);   /* 1: mmkit keeps the tables, the kernel says what is where */
void stage_programs(void); /* 2: programs get memory when they touch it */

/* The first program, which is a file: instructions, then text. */
#define PROGRAM_START       0x400000
#define PROGRAM_HEAP        0x10000000
#define PROGRAM_TEXT_OFFSET 4096
#define PROGRAM_SIZE        8192
void program_fill(uint64_t index, void *page);

/* Files have numbers. Each word of the second is its offset. */
enum file { FILE_PROGRAM, FILE_NUMBERS, FILES };
#define NUMBERS_SIZE 20000 /* not whole pages */

/* System calls: the number in r0, arguments from r1, the result in r0. */
enum system_call {
    SYS_EXIT,    /* status */
    SYS_SAY,     /* address of a string */
    SYS_MMAP,    /* address, length, protection, flags, file, offset */
    SYS_MUNMAP,  /* address, length */
    SYS_MADVISE, /* address, length, advice */
    SYS_BRK,     /* address */
    SYS_FORK,    /* 0 in the child, its number in the parent */
    SYS_WAIT,    /* the status of a child: what it left with, or the signal that ended it */
    SYSTEM_CALLS
};

/* Numbers as on Linux. */
#define SIGNAL_ILL  4
#define SIGNAL_BUS  7
#define SIGNAL_KILL 9
#define SIGNAL_SEGV 11

#define STATUS_OF_SIGNAL(signal) (128 + (signal))

#endif
