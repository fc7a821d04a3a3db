/* SPDX-License-Identifier: MIT */
/*
 * program.h - a recording as the list of operations on memory that the programs in it did.
 *
 * The recording's lines only make sense together: a call's arguments and its result are two lines,
 * with other threads' lines between; what a mapping shows is a third; what execve maps is a dozen.
 * This is where they are put together, before any clock runs.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
    OP_NOTHING,  /* a munmap that failed: seen at its exit only */
    OP_FAULT,    /* address, access */
    OP_MMAP,     /* address, length, prot, flags, file, argument = offset */
    OP_MUNMAP,   /* address, length */
    OP_MPROTECT, /* address, length, prot */
    OP_MADVISE,  /* address, length, argument = advice */
    OP_MREMAP,   /* address, length, target, argument = the new length, flags */
    OP_MLOCK,    /* address, length, flags: as mlock2 */
    OP_MUNLOCK,  /* address, length */
    OP_MLOCKALL, /* flags; none: munlockall */
    OP_MSEAL,    /* address, length */
    OP_BRK,      /* address = asked for, argument = the result */
    OP_EXEC,     /* a new, empty address space */
    OP_EXEC_MAP, /* as OP_MMAP */
    OP_SHARE,    /* child starts in the same address space: a thread, vfork */
    OP_FORK,     /* child starts in a copy */
    OP_EXIT,
};

struct op {
    uint8_t kind;   /* enum op_kind */
    uint8_t access; /* enum mmk_access */
    uint8_t prot;
    bool partial;   /* Linux answered ENOMEM, which may mean: done up to, or around, a hole */
    uint32_t flags; /* of the call */
    uint32_t line;
    uint32_t task;  /* index into program.tasks */
    uint32_t child; /* likewise, of SHARE and FORK */
    uint32_t file;  /* 1 + index into program.files; 0: none */
    uint64_t address, length, argument;
    uint64_t target; /* of MREMAP: the result */
};

/* Its subject is [address, address + length), and nothing beside it. */
static inline bool op_is_range(const struct op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_MMAP:
    case OP_EXEC_MAP:
    case OP_MUNMAP:
    case OP_MPROTECT:
    case OP_MADVISE:
    case OP_MLOCK:
    case OP_MUNLOCK:
    case OP_MSEAL:
        return true;
    default:
        return false;
    }
}

struct program_task {
    int32_t pid, tid;
};

struct program_file {
    uint32_t major, minor;
    uint64_t inode, generation;
    char *name;    /* tells apart what has inode 0, such as [vdso] */
    uint64_t seed; /* a hash of the identity */
};

struct program {
    char *name; /* of the recording, for messages */
    struct op *ops;
    size_t op_count, op_capacity;
    uint64_t lines;
    struct program_task *tasks;
    size_t task_count, task_capacity;
    struct program_file *files;
    size_t file_count, file_capacity;
};

/*
 * Reads the recording at `path` ("-": standard input).
 * => NULL after printing one message with file and line
 */
struct program *program_read(const char *path);
void program_free(struct program *program);

#endif
