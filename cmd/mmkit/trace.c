/* SPDX-License-Identifier: MIT */
/*
 * trace.c - a strict parser of the lines of `perf script -F comm,pid,tid,time,event,trace`.
 *
 * A line is: comm (padded to 16 columns; may hold anything, spaces too) pid/tid time: event: rest.
 * The scanner reads forward only and remembers its first complaint; every later step then fails
 * at once, so that callers check once.
 */
#include "trace.h"

#include <mmkit/mm.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { COMM_COLUMNS = 16 };

struct scanner {
    const char *at;
    struct trace_error *error;
    bool failed;
};

static const struct call_format {
    const char *name;
    const char *arguments[TRACE_CALL_ARGUMENTS + 1];
} call_formats[CALL_COUNT] = {
    [CALL_MMAP] = {"mmap", {"addr", "len", "prot", "flags", "fd", "off"}},
    [CALL_MUNMAP] = {"munmap", {"addr", "len"}},
    [CALL_MREMAP] = {"mremap", {"addr", "old_len", "new_len", "flags", "new_addr"}},
    [CALL_MPROTECT] = {"mprotect", {"start", "len", "prot"}},
    [CALL_MADVISE] = {"madvise", {"start", "len_in", "behavior"}},
    [CALL_BRK] = {"brk", {"brk"}},
    [CALL_CLONE] = {"clone", {"clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls"}},
    [CALL_CLONE3] = {"clone3", {"uargs", "size"}},
    [CALL_FORK] = {"fork", {NULL}},
    [CALL_VFORK] = {"vfork", {NULL}},
    [CALL_EXECVE] = {"execve", {"filename", "argv", "envp"}},
    [CALL_EXIT] = {"exit", {"error_code"}},
    [CALL_EXIT_GROUP] = {"exit_group", {"error_code"}},
    [CALL_MLOCK] = {"mlock", {"start", "len"}},
    [CALL_MLOCK2] = {"mlock2", {"start", "len", "flags"}},
    [CALL_MUNLOCK] = {"munlock", {"start", "len"}},
    [CALL_MLOCKALL] = {"mlockall", {"flags"}},
    [CALL_MUNLOCKALL] = {"munlockall", {NULL}},
    [CALL_MINCORE] = {"mincore", {"start", "len", "vec"}},
    [CALL_MSYNC] = {"msync", {"start", "len", "flags"}},
    [CALL_MSEAL] = {"mseal", {"start", "len", "flags"}},
    [CALL_PROCESS_MADVISE] = {"process_madvise", {"pidfd", "vec", "vlen", "behavior", "flags"}},
    [CALL_SHMAT] = {"shmat", {"shmid", "shmaddr", "shmflg"}},
    [CALL_SHMDT] = {"shmdt", {"shmaddr"}},
};

const char *trace_call_name(enum trace_call call)
{
    return call_formats[call].name;
}

bool trace_address_is_canonical(uint64_t address)
{
    uint64_t top = address >> (TRACE_ADDRESS_BITS - 1);

    return top == 0 || top == UINT64_MAX >> (TRACE_ADDRESS_BITS - 1);
}

__attribute__((format(printf, 2, 3))) static void fail(struct scanner *scan, const char *format,
                                                       ...)
{
    va_list arguments;

    if (scan->failed)
        return;
    scan->failed = true;
    va_start(arguments, format);
    vsnprintf(scan->error->text, sizeof(scan->error->text), format, arguments);
    va_end(arguments);
}

/* What stands at the scanner, short enough for a message. */
static void fail_here(struct scanner *scan, const char *expected)
{
    if (*scan->at == '\0')
        fail(scan, "truncated line, expected %s", expected);
    else
        fail(scan, "'%.24s', expected %s", scan->at, expected);
}

static void skip_spaces(struct scanner *scan)
{
    while (*scan->at == ' ')
        scan->at++;
}

static bool accept(struct scanner *scan, const char *text)
{
    size_t length = strlen(text);

    if (scan->failed || strncmp(scan->at, text, length) != 0)
        return false;
    scan->at += length;
    return true;
}

static void expect(struct scanner *scan, const char *text)
{
    char expected[64];

    if (!accept(scan, text) && !scan->failed) {
        snprintf(expected, sizeof(expected), "'%s'", text);
        fail_here(scan, expected);
    }
}

static void expect_end(struct scanner *scan)
{
    if (!scan->failed && *scan->at != '\0')
        fail_here(scan, "the end of the line");
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return 16;
}

/* Digits of `base`, at least one, at most 64 bits of value. */
static uint64_t scan_digits(struct scanner *scan, unsigned base, const char *expected)
{
    uint64_t value = 0;
    unsigned count = 0;

    if (scan->failed)
        return 0;
    while ((unsigned)digit_value(*scan->at) < base) {
        unsigned digit = (unsigned)digit_value(*scan->at);

        if (value > (UINT64_MAX - digit) / base) {
            fail(scan, "a number above 64 bits, expected %s", expected);
            return 0;
        }
        value = value * base + digit;
        scan->at++;
        count++;
    }
    if (count == 0)
        fail_here(scan, expected);
    return value;
}

static uint64_t scan_hex(struct scanner *scan)
{
    if (!scan->failed && !accept(scan, "0x"))
        fail_here(scan, "a hexadecimal number (0x...)");
    return scan_digits(scan, 16, "hexadecimal digits");
}

/* As printf's %#lx prints it: 0 has no prefix. */
static uint64_t scan_alternate_hex(struct scanner *scan)
{
    if (accept(scan, "0x"))
        return scan_digits(scan, 16, "hexadecimal digits");
    expect(scan, "0");
    return 0;
}

static int32_t scan_id(struct scanner *scan, const char *expected)
{
    bool negative = accept(scan, "-");
    uint64_t value = scan_digits(scan, 10, expected);

    if (value > INT32_MAX) {
        fail(scan, "the number %" PRIu64 ", expected %s", value, expected);
        return 0;
    }
    return negative ? -(int32_t)value : (int32_t)value;
}

/* "pid/tid time: ": tried where the name's columns end, then after every space. */
static void scan_who(struct scanner *scan, struct trace_event *event)
{
    skip_spaces(scan);
    event->pid = scan_id(scan, "a process id");
    expect(scan, "/");
    event->tid = scan_id(scan, "a thread id");
    skip_spaces(scan);
    scan_digits(scan, 10, "a time in seconds");
    expect(scan, ".");
    scan_digits(scan, 10, "a fraction of a second");
    expect(scan, ":");
    skip_spaces(scan);
}

static void scan_header(struct scanner *scan, const char *line, struct trace_event *event)
{
    struct scanner attempt = *scan;
    const char *space;

    if (strnlen(line, COMM_COLUMNS) == COMM_COLUMNS) {
        attempt.at = line + COMM_COLUMNS;
        scan_who(&attempt, event);
        if (!attempt.failed) {
            *scan = attempt;
            return;
        }
    }
    for (space = strchr(line, ' '); space != NULL; space = strchr(space + 1, ' ')) {
        attempt = *scan;
        attempt.at = space;
        scan_who(&attempt, event);
        if (!attempt.failed) {
            *scan = attempt;
            return;
        }
    }
    fail(scan, "'%.24s', expected 'comm pid/tid seconds: event'", line);
}

static void parse_fault(struct scanner *scan, struct trace_event *event)
{
    event->kind = TRACE_FAULT;
    expect(scan, "address=");
    event->fault.address = scan_hex(scan);
    expect(scan, " ip=");
    if (!scan->failed)
        scan->at += strcspn(scan->at, " "); /* a number or the name of a kernel function */
    expect(scan, " error_code=");
    event->fault.error_code = scan_hex(scan);
    expect_end(scan);
    if (!scan->failed && !trace_address_is_canonical(event->fault.address)) {
        fail(scan, "address 0x%" PRIx64 " is not canonical, expected bits %d to 63 to be equal",
             event->fault.address, TRACE_ADDRESS_BITS - 1);
    }
}

static enum trace_call scan_call(struct scanner *scan)
{
    size_t length = strcspn(scan->at, ":");
    unsigned call;

    for (call = 0; call < CALL_COUNT; call++) {
        if (strlen(call_formats[call].name) == length &&
            memcmp(call_formats[call].name, scan->at, length) == 0) {
            scan->at += length;
            expect(scan, ":");
            return (enum trace_call)call;
        }
    }
    fail(scan, "unknown system call '%.*s', expected one that shapes memory",
         length < 32 ? (int)length : 32, scan->at);
    return CALL_COUNT;
}

static void parse_enter(struct scanner *scan, struct trace_event *event)
{
    const char *const *name;
    unsigned i;

    event->kind = TRACE_ENTER;
    event->enter.call = scan_call(scan);
    memset(event->enter.arguments, 0, sizeof(event->enter.arguments));
    if (scan->failed)
        return;
    name = call_formats[event->enter.call].arguments;
    for (i = 0; name[i] != NULL; i++) {
        expect(scan, i == 0 ? " " : ", ");
        expect(scan, name[i]);
        expect(scan, ": ");
        event->enter.arguments[i] = scan_hex(scan);
    }
    if (i == 0)
        skip_spaces(scan);
    expect_end(scan);
}

static void parse_leave(struct scanner *scan, struct trace_event *event)
{
    event->kind = TRACE_LEAVE;
    event->leave.call = scan_call(scan);
    expect(scan, " ");
    event->leave.result = (int64_t)scan_hex(scan);
    expect_end(scan);
}

static bool scan_flag(struct scanner *scan, char set, char clear, const char *expected)
{
    char c;

    if (scan->failed)
        return false;
    c = *scan->at;
    if (c != set && c != clear) {
        fail_here(scan, expected);
        return false;
    }
    scan->at++;
    return c == set;
}

/* "[0xSTART(0xLENGTH) @ OFFSET MAJOR:MINOR INODE GENERATION]: rwxp NAME" */
static void parse_mapped(struct scanner *scan, struct trace_event *event)
{
    struct trace_mapping *mapped = &event->mapped;
    static const char prot_text[] = "protection as rwxp";

    event->kind = TRACE_MAPPED;
    expect(scan, "[");
    mapped->start = scan_hex(scan);
    expect(scan, "(");
    mapped->length = scan_hex(scan);
    expect(scan, ") @ ");
    mapped->offset = scan_alternate_hex(scan);
    expect(scan, " ");
    mapped->major = (uint32_t)scan_digits(scan, 16, "a device number (major:minor)");
    expect(scan, ":");
    mapped->minor = (uint32_t)scan_digits(scan, 16, "a device number (major:minor)");
    expect(scan, " ");
    mapped->inode = scan_digits(scan, 10, "an inode number");
    expect(scan, " ");
    mapped->generation = scan_digits(scan, 10, "an inode generation");
    expect(scan, "]: ");
    mapped->prot = scan_flag(scan, 'r', '-', prot_text) ? MMK_PROT_READ : 0;
    mapped->prot |= scan_flag(scan, 'w', '-', prot_text) ? MMK_PROT_WRITE : 0;
    mapped->prot |= scan_flag(scan, 'x', '-', prot_text) ? MMK_PROT_EXEC : 0;
    mapped->shared = scan_flag(scan, 's', 'p', prot_text);
    expect(scan, " ");
    if (!scan->failed && *scan->at == '\0')
        fail_here(scan, "the name of what is mapped");
    mapped->name = scan->at;
}

static void parse_mmap2(struct scanner *scan, struct trace_event *event)
{
    int32_t pid = scan_id(scan, "a process id");
    int32_t tid;

    expect(scan, "/");
    tid = scan_id(scan, "a thread id");
    expect(scan, ": ");
    parse_mapped(scan, event);
    if (!scan->failed && (pid != event->pid || tid != event->tid)) {
        fail(scan, "a mapping of thread %" PRId32 "/%" PRId32 ", expected the line's own", pid,
             tid);
    }
}

/* "NAME:PID/TID"; the name may hold colons and slashes, so the last one counts. */
static void parse_comm(struct scanner *scan, struct trace_event *event, enum trace_kind kind)
{
    const char *colon = strrchr(scan->at, ':');

    event->kind = kind;
    if (colon == NULL) {
        fail_here(scan, "name:pid/tid");
        return;
    }
    scan->at = colon + 1;
    event->pid = scan_id(scan, "a process id");
    expect(scan, "/");
    event->tid = scan_id(scan, "a thread id");
    expect_end(scan);
}

/* "(PID:TID):(PARENT:PARENT)", as FORK and EXIT have it. */
static void parse_task(struct scanner *scan, struct trace_event *event, enum trace_kind kind)
{
    event->kind = kind;
    expect(scan, "(");
    event->fork.pid = scan_id(scan, "a process id");
    expect(scan, ":");
    event->fork.tid = scan_id(scan, "a thread id");
    expect(scan, "):(");
    event->fork.parent_pid = scan_id(scan, "a process id");
    expect(scan, ":");
    event->fork.parent_tid = scan_id(scan, "a thread id");
    expect(scan, ")");
    expect_end(scan);
}

static void parse_record(struct scanner *scan, struct trace_event *event)
{
    if (accept(scan, "MMAP2 ")) {
        parse_mmap2(scan, event);
    } else if (accept(scan, "MMAP -1/")) {
        event->kind = TRACE_NOTHING; /* the kernel's own */
    } else if (accept(scan, "COMM exec: ")) {
        parse_comm(scan, event, TRACE_EXEC);
    } else if (accept(scan, "COMM: ")) {
        parse_comm(scan, event, TRACE_NOTHING);
    } else if (accept(scan, "FORK")) {
        parse_task(scan, event, TRACE_FORK);
    } else if (accept(scan, "EXIT")) {
        parse_task(scan, event, TRACE_EXIT);
    } else if (accept(scan, "LOST")) {
        fail(scan, "the recorder lost events, expected a complete recording");
    } else {
        fail(scan, "unknown record 'PERF_RECORD_%.24s', expected MMAP2, COMM, FORK or EXIT",
             scan->at);
    }
}

bool trace_parse(const char *line, struct trace_event *event, struct trace_error *error)
{
    struct scanner scan = {line, error, false};

    event->kind = TRACE_NOTHING;
    scan_header(&scan, line, event);
    if (scan.failed)
        return false;
    if (accept(&scan, "exceptions:page_fault_user: ") ||
        accept(&scan, "exceptions:page_fault_kernel: ")) {
        parse_fault(&scan, event);
    } else if (accept(&scan, "syscalls:sys_enter_")) {
        parse_enter(&scan, event);
    } else if (accept(&scan, "syscalls:sys_exit_")) {
        parse_leave(&scan, event);
    } else if (accept(&scan, "PERF_RECORD_")) {
        parse_record(&scan, event);
    } else if (*scan.at == '\0') {
        fail_here(&scan, "an event");
    } else {
        fail(&scan, "unknown event '%.40s', expected a page fault, a system call or PERF_RECORD_",
             scan.at);
    }
    return !scan.failed;
}
