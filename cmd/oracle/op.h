/* SPDX-License-Identifier: MIT */
/*
 * op.h - one operation of a sequence, as plain data, and as text.
 *
 * The text is what sequences are kept as: a line for each, or all in one with semicolons between:
 * the process, the call, its arguments.
 *
 *     0 mmap 0x200000000000 0x3000 rw- private|anonymous|fixed - 0x0
 */
#ifndef ORACLE_OP_H
#define ORACLE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum call {
    CALL_MMAP, /* address, length, protection, flags, file, offset */
    CALL_MUNMAP,
    CALL_MPROTECT,
    CALL_MREMAP, /* address, length, new length, flags, new address */
    CALL_MADVISE,
    CALL_MLOCK,
    CALL_MLOCK2,
    CALL_MUNLOCK,
    CALL_MLOCKALL,
    CALL_MUNLOCKALL,
    CALL_MINCORE,
    CALL_MSYNC,
    CALL_MSEAL,
    CALL_BRK,
    CALL_FORK, /* the child's number */
    CALL_EXIT,
    CALL_READ,  /* address: a word */
    CALL_WRITE, /* address, word */
    CALL_EXEC,  /* address: an instruction */
    CALL_SWEEP, /* address, length: reads a word of each page */
    CALL_TRUNCATE,
    CALL_PUNCH,           /* file, offset, length: fallocate(2) */
    CALL_PWRITE,          /* file, offset, word */
    CALL_LIMIT,           /* which, bytes: setrlimit(2) */
    CALL_PRIVILEGE,       /* whether limits of locking are passed over: CAP_IPC_LOCK, capset(2) */
    CALL_MDWE,            /* bits: PR_SET_MDWE of prctl(2) */
    CALL_COPY_IN,         /* address, length: the kernel reads, as for write(2) */
    CALL_COPY_OUT,        /* the kernel writes, as for read(2) */
    CALL_DEBUG,           /* address, length, whether to write: as a debugger, /proc/self/mem */
    CALL_PROCESS_MADVISE, /* address, length, and again; advice; enum whom: process_madvise(2) */
    CALL_GIVE_BACK,       /* nothing on Linux; mmkit gives back tables that would not be missed */
    CALL_CROWD, /* address, number: as many mappings as there may be, less so many; in scripts */
    CALLS
};

/* Each as a bit. */
#define CALLS_ALL (UINT32_MAX >> (32 - CALLS))

enum { OP_ARGS = 6, PROCESSES = 6, FILES = 6, SWEEP_MAX = 2 * 32 };

/* What a kernel copies at most, and what it writes: safe instructions. */
#define COPY_MAX  ((uint64_t)16 * 4096)
#define COPY_BYTE 0xc3

/* Whom process_madvise(2) is to advise: a process by its number, or what has to be refused. */
enum whom {
    WHOM_NOBODY = PROCESSES, /* a descriptor of nothing */
    WHOM_FLAGGED,            /* itself, but with flags, of which there are none */
    WHOM_MANY,               /* itself, with as many ranges as there may be */
    WHOM_TOO_MANY,
    WHOMS
};

enum { RANGES_MAX = 1024, CROWD_LESS = 64 };

#define FILE_NONE UINT64_MAX /* an argument: no file */

struct op {
    uint8_t call, process;
    uint64_t args[OP_ARGS];
};

struct ops {
    struct op *list;
    size_t count;
};

const char *call_name(unsigned call);

/* => CALLS: none has that name */
unsigned call_find(const char *name, size_t length);

/* => the file that is among the arguments; FILES: none is */
unsigned op_file(const struct op *op);

/* One line, without its end. */
void op_print(FILE *stream, const struct op *op);

/*
 * Reads operations, separated by semicolons or ends of lines; # begins a comment.
 * => false: *wrong is the first that is none, in `text`. The caller frees ops->list
 */
bool ops_parse(const char *text, struct ops *ops, const char **wrong);

/* What the arguments of a call are: for those who print them otherwise. */
enum argument {
    ARG_NUMBER,
    ARG_PROT,
    ARG_MAP,
    ARG_REMAP,
    ARG_ADVICE,
    ARG_FILE,
    ARG_MSYNC,
    ARG_MLOCK,
    ARG_MLOCKALL,
    ARG_LIMIT,
    ARG_MDWE,
    ARG_WHOM,
};

/* => how many, kinds[] says what each is */
unsigned call_arguments(unsigned call, const enum argument **kinds);

struct flag_name {
    const char *name;  /* in the text */
    const char *macro; /* in <sys/mman.h> */
    uint64_t value;
};

/* The names of a kind's bits, or values, up to one without name; NULL: it has none. */
const struct flag_name *argument_names(enum argument kind);

/* Whether the names are of bits, which are or'ed. */
bool argument_is_bits(enum argument kind);

#endif
