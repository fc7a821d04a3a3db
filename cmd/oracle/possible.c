/* SPDX-License-Identifier: MIT */
/* possible.c - see possible.h. */
#include "possible.h"

#include "files.h"
#include "window.h"

#include <mmkit/limit.h>

#define LOW_END ((uint64_t)0x10000) /* below, Linux has mapped nothing, or what is sealed */

static bool wraps(uint64_t addr, uint64_t length)
{
    uint64_t rounded = (length + PAGE - 1) & ~(PAGE - 1);

    return rounded < length || addr + rounded < addr;
}

/* Nothing of the executor's own can be in the range. */
static bool is_harmless(uint64_t addr, uint64_t length)
{
    if (length == 0 || wraps(addr, length) || addr >= ADDRESS_END)
        return true;
    if (addr < LOW_END)
        return length <= LOW_END - addr;
    return addr >= WINDOW_START && addr < WINDOW_END && length <= WINDOW_END - addr;
}

static bool is_reachable(uint64_t addr)
{
    return addr < LOW_END || addr >= ADDRESS_END || (addr >= WINDOW_START && addr < WINDOW_END);
}

/* What shuts off all but the window is the children's, too. */
static bool is_inherited(uint64_t addr, uint64_t advice)
{
    return addr >= LOW_END || advice != MMK_MADV_DONTFORK;
}

/* Each process may have as much as a few of these in memory. */
static bool is_bounded(const struct op *op)
{
    switch (op->call) {
    case CALL_MMAP:
        return (op->args[3] & MMK_MAP_POPULATE) == 0 || op->args[1] <= LOCKED_MOST ||
               wraps(0, op->args[1]);
    case CALL_MADVISE:
        return (op->args[2] != MMK_MADV_POPULATE_READ && op->args[2] != MMK_MADV_POPULATE_WRITE &&
                op->args[2] != MMK_MADV_GUARD_INSTALL) ||
               op->args[1] <= LOCKED_MOST || wraps(op->args[0], op->args[1]);
    default:
        return true;
    }
}

/* How large a file may get is the file system's to say, but not less than this. */
static bool is_within_disk(const struct op *op, uint64_t offset, uint64_t length)
{
    return op_file(op) != FILE_DISK ||
           (offset <= 4 * GIB && (length <= 4 * GIB || length > INT64_MAX));
}

/* Ranges beyond user memory are the embedder's to refuse. */
static bool is_advisable(uint64_t addr, uint64_t length, uint64_t advice)
{
    const struct op madvise = {.call = CALL_MADVISE, .args = {addr, length, advice}};

    return is_harmless(addr, length) && is_bounded(&madvise) && is_inherited(addr, advice) &&
           addr < ADDRESS_END && length <= ADDRESS_END - addr;
}

bool op_is_possible(const struct op *op)
{
    const uint64_t *args = op->args;

    switch (op->call) {
    case CALL_PROCESS_MADVISE:
        return is_advisable(args[0], args[1], args[4]) && is_advisable(args[2], args[3], args[4]) &&
               args[5] < WHOMS;
    case CALL_MMAP:
        return is_bounded(op) && is_within_disk(op, args[5], args[1]) &&
               ((args[3] & MMK_MAP_ANONYMOUS) || args[4] < FILES);
    case CALL_MADVISE:
        return is_harmless(args[0], args[1]) && is_bounded(op) && is_inherited(args[0], args[2]);
    case CALL_MREMAP:
    case CALL_MLOCK:
    case CALL_MLOCK2:
    case CALL_MUNLOCK:
    case CALL_MINCORE:
    case CALL_MSYNC:
    case CALL_MSEAL:
        return is_harmless(args[0], args[1]) && is_bounded(op);
    case CALL_FORK:
        return args[0] > 0 && args[0] < PROCESSES;
    case CALL_READ:
    case CALL_WRITE:
    case CALL_EXEC:
        return is_reachable(args[0]);
    case CALL_SWEEP:
        return is_harmless(args[0], args[1]) && args[1] <= SWEEP_MAX * PAGE;
    case CALL_COPY_IN:
    case CALL_COPY_OUT:
        /* of nothing at an address that is no program's, the system call decides by itself */
        return is_harmless(args[0], args[1]) && args[1] > 0 && args[1] <= COPY_MAX;
    case CALL_DEBUG:
        return args[0] < ADDRESS_END && is_harmless(args[0], args[1]) && args[1] > 0 &&
               args[1] <= COPY_MAX && args[2] <= 1;
    case CALL_TRUNCATE:
        return args[0] < FILES && args[1] <= FILE_MAX;
    case CALL_PUNCH:
        return args[0] < FILES && is_within_disk(op, args[1], args[2]);
    case CALL_CROWD:
        return args[0] >= WINDOW_START && args[0] < WINDOW_END && args[0] % PAGE == 0 &&
               args[1] <= CROWD_LESS;
    case CALL_PRIVILEGE:
        return args[0] <= 1;
    case CALL_PWRITE:
        return args[0] < FILES && args[1] <= FILE_MAX;
    case CALL_LIMIT:
        return args[0] < MMK_LIMITS && (args[0] != MMK_LIMIT_MEMLOCK || args[1] <= LOCKED_MOST ||
                                        args[1] == MMK_LIMIT_INFINITY);
    default:
        return true;
    }
}
