/* SPDX-License-Identifier: MIT */
/*
 * trace.h - one line of a recording (`perf script` text) as a value.
 *
 * The parser is strict: a line means exactly one thing, or it is an error. It knows no line but
 * its own; what lines mean together is program.h's.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a virtual address, sign included: all that x86-64, where recordings come from, can have. */
enum { TRACE_ADDRESS_BITS = 57 };

enum trace_kind {
    TRACE_NOTHING, /* means nothing to memory: the kernel's own mappings, a new name */
    TRACE_FAULT,   /* a page fault begins */
    TRACE_ENTER,   /* a system call begins */
    TRACE_LEAVE,   /* a system call has ended */
    TRACE_MAPPED,  /* a mapping as it is now (MMAP2) */
    TRACE_EXEC,    /* execve has replaced the address space */
    TRACE_FORK,    /* a new process or thread */
    TRACE_EXIT,    /* a thread ends */
};

enum trace_call {
    CALL_MMAP,
    CALL_MUNMAP,
    CALL_MREMAP,
    CALL_MPROTECT,
    CALL_MADVISE,
    CALL_BRK,
    CALL_CLONE,
    CALL_CLONE3,
    CALL_FORK,
    CALL_VFORK,
    CALL_EXECVE,
    CALL_EXIT,
    CALL_EXIT_GROUP,
    CALL_MLOCK,
    CALL_MLOCK2,
    CALL_MUNLOCK,
    CALL_MLOCKALL,
    CALL_MUNLOCKALL,
    CALL_MINCORE,
    CALL_MSYNC,
    CALL_MSEAL,
    CALL_PROCESS_MADVISE,
    CALL_SHMAT,
    CALL_SHMDT,
    CALL_COUNT,
};

enum { TRACE_CALL_ARGUMENTS = 6 };

/* Bits of a fault's error code. */
enum { TRACE_FAULT_WRITE = 0x2, TRACE_FAULT_FETCH = 0x10 };

struct trace_mapping {
    uint64_t start, length, offset; /* bytes */
    uint32_t major, minor;
    uint64_t inode, generation;
    unsigned prot; /* MMK_PROT_ bits */
    bool shared;
    const char *name; /* in the line that was parsed */
};

struct trace_event {
    enum trace_kind kind;
    int32_t pid, tid; /* who: of a FORK the parent's thread */
    union {
        struct {
            uint64_t address, error_code;
        } fault;
        struct {
            enum trace_call call;
            uint64_t arguments[TRACE_CALL_ARGUMENTS];
        } enter;
        struct {
            enum trace_call call;
            int64_t result;
        } leave;
        struct trace_mapping mapped;
        struct {
            int32_t pid, tid, parent_pid, parent_tid;
        } fork;
    };
};

struct trace_error {
    char text[256]; /* "what, expected what" */
};

/*
 * Parses one line, without its newline.
 * => false with *error set
 */
bool trace_parse(const char *line, struct trace_event *event, struct trace_error *error);

const char *trace_call_name(enum trace_call call);

/* Is this an address that x86-64's tables can translate (all bits from the sign upwards equal)? */
bool trace_address_is_canonical(uint64_t address);

#endif
