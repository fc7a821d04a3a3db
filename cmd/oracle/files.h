/* SPDX-License-Identifier: MIT */
/*
 * files.h - the files that sequences map: what both sides start with.
 *
 * The same file may have several numbers, opened otherwise: then what it may be mapped for differs.
 */
#ifndef ORACLE_FILES_H
#define ORACLE_FILES_H

#include "op.h"

#include <mmkit/mm.h>

struct file_description {
    unsigned same_as; /* the number of the file that it is */
    unsigned mode;    /* MMK_OPEN_* */
    uint64_t size;    /* at first; of one that is another's, ignored */
};

/* Limits, in bytes: so few may be locked that sequences meet it. */
#define FIRST_MEMLOCK ((uint64_t)40 * 4096)
#define FIRST_STACK   ((uint64_t)8 << 20)

/*
 * These mmkit reads from a store, and writes back to it; the others live in memory. On Linux the
 * first lives in memory as well, the second on a disk, if there is one that will do (agent_disk.c).
 */
#define FILE_STORED 4
#define FILE_DISK   5

/* So many bytes of the first are there from the start, no word of them 0: what is cut off shows. */
#define FILE_FILLED ((uint64_t)8 * 4096)

/* The word at offset 8 * number; it begins with an instruction that is safe to run. */
static inline uint64_t file_word(uint64_t number)
{
    return 0x5a5a5ac3a50000c3u + (number << 8);
}

static const struct file_description files[FILES] = {
    {0, MMK_OPEN_READ | MMK_OPEN_WRITE | MMK_OPEN_EXEC, 20 * 4096 + 2044},
    {1, MMK_OPEN_READ | MMK_OPEN_WRITE | MMK_OPEN_EXEC, 0},
    {0, MMK_OPEN_READ | MMK_OPEN_EXEC, 0},
    {0, MMK_OPEN_WRITE | MMK_OPEN_EXEC, 0},
    {FILE_STORED, MMK_OPEN_READ | MMK_OPEN_WRITE | MMK_OPEN_EXEC, 7 * 4096},
    {FILE_DISK, MMK_OPEN_READ | MMK_OPEN_WRITE | MMK_OPEN_EXEC, 6 * 4096 + 2044},
};

#endif
