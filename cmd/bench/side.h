/* SPDX-License-Identifier: MIT */
/*
 * side.h - the two sides of a comparison: the Linux that this runs on, whose calls act on the
 * process that makes them, and mmkit on the machine. The same calls on both, with the same numbers
 * (those of <mmkit/mm.h>, which are Linux's) and the same answers, at addresses of one region that
 * has nothing else in it.
 *
 * One side at a time is in use in a process.
 */
#ifndef SIDE_H
#define SIDE_H

#include <mmkit/init.h>

#include <stdbool.h>
#include <stdint.h>

#define SIDE_PAGE  ((uint64_t)4096)
#define SIDE_TABLE ((uint64_t)512 * SIDE_PAGE)  /* what a leaf table covers */
#define SIDE_UPPER ((uint64_t)512 * SIDE_TABLE) /* what the table above covers */

enum { SIDE_APART_MAX = 12 };

struct side_config {
    uint64_t region;              /* bytes of addresses */
    uint64_t object;              /* size of the object; 0: there is none */
    uint64_t memory;              /* mmkit: RAM; Linux takes what it needs */
    uint64_t swap;                /* mmkit: bytes of swap space */
    unsigned cpus;                /* mmkit */
    enum mmk_table_policy policy; /* mmkit */
    enum mmk_huge_policy huge;    /* mmkit */
};

struct side {
    const char *name;

    /* => false after a message */
    bool (*begin)(const struct side_config *config);
    void (*end)(void);

    /*
     * An address space with nothing in the region; the object has its size, and no pages. On Linux
     * it is the process's, without the region.
     * => false after a message
     */
    bool (*open)(void);
    void (*close)(void);

    /* Where the region begins: a multiple of all that a table below the root covers. */
    uint64_t (*base)(void);

    /* As the system calls of these names; what is mapped is the object, unless ANONYMOUS. */
    int64_t (*map)(uint64_t addr, uint64_t length, unsigned prot, unsigned flags);
    int (*unmap)(uint64_t addr, uint64_t length);
    int (*protect)(uint64_t addr, uint64_t length, unsigned prot);
    int (*advise)(uint64_t addr, uint64_t length, int advice);
    int64_t (*remap)(uint64_t addr, uint64_t length, unsigned flags, uint64_t to);
    int (*resize)(uint64_t size);                   /* ftruncate */
    int (*punch)(uint64_t offset, uint64_t length); /* fallocate, a hole */

    /* A program's access to a word. => false: mmkit answers that it may not */
    bool (*load)(uint64_t addr);
    bool (*store)(uint64_t addr);
    uint64_t (*faults)(void); /* so many so far, of this process or CPU, whatever came of them */

    /*
     * Another thread comes to use the address space, and leaves it; by number, from 1. Meanwhile
     * the thread that opened it waits: it may ask for tables() alone.
     */
    void (*thread_begin)(unsigned number);
    void (*thread_end)(void);
    void (*wait_begin)(void);
    void (*wait_end)(void);

    /*
     * work(0) to work(n - 1), at once, each in an address space of its own with nothing in the
     * region: on Linux, processes.
     * => all have answered true; n at most SIDE_APART_MAX
     */
    bool (*apart)(unsigned n, bool (*work)(unsigned number));

    /* A child, which waits. => ns of CPU time that the call took; below 0: there is none */
    double (*fork)(void);
    uint64_t (*child_tables)(void); /* bytes; as tables() */
    double (*end_child)(void);      /* => ns of CPU time that its end took */

    /* Bytes of page tables: VmPTE of Linux; of mmkit those linked. */
    uint64_t (*tables)(void);

    /* Bytes of those that are not linked any more, and wait until nobody can be looking. */
    uint64_t (*waiting)(void);

    /* Levels of tables that are in that and may be empty; those of Linux are without its root. */
    unsigned (*levels)(void);

    /* How many of these pages have an entry, present or in swap. */
    uint64_t (*entries)(const uint64_t pages[], unsigned count);

    /* Of these: in swap. */
    uint64_t (*swapped)(const uint64_t pages[], unsigned count);

    /* That tables() is what a walk counts, and all else of mmk_check(). => else panics */
    void (*check)(void);

    /* NULL, or why private pages do not go to swap. */
    const char *(*swapless)(void);
};

extern const struct side side_linux, side_mmkit;

/* Has this build's page-table format tables of 512 entries; and at least 512 GiB of addresses? */
bool side_fits(void);
bool side_fits_widely(void);

/* What a system call, and what a fault, cost a program beside the kernel's work, in ns. */
double side_linux_call_ns(void);
double side_linux_trap_ns(void);

#endif
