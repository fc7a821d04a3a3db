/* SPDX-License-Identifier: MIT */
/*
 * program.c - puts lines together into operations.
 *
 * Invariants, per thread:
 *  1. At most one system call is under way; an exit belongs to the thread's last enter. Only what
 *     begins inside a call has an exit without one: a child's own 0, the recorded command's exec.
 *  2. A thread is alive from its FORK (or first exec) to its EXIT; nothing else has events.
 *  3. in_exec lasts from COMM exec to execve's exit: only then do MMAP2 records map anything.
 *
 * munmap is applied where it begins (another thread may get the address before it ends), all other
 * calls where they end. The first MMAP2 of an image that execve maps reserves the whole image;
 * what lies beyond its first segment is given up again without a record: it is cut where the next
 * segment starts.
 */
#include "program.h"

#include "host_alloc.h"
#include "input.h"

#include <mmkit/fault.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TID_LIMIT = 1 << 22, CLONE_SHARES_MEMORY = 0x100, ERRNO_MAX = 4095 };

#define USER_END ((uint64_t)1 << (TRACE_ADDRESS_BITS - 1))

/* mmap and mprotect flags that mmkit does not have; those not named here are hints. */
enum {
    LINUX_MAP_HUGETLB = 0x40000,
    LINUX_PROT_GROWS = 0x3000000,
    PASSED_FLAGS = MMK_MAP_TYPE | MMK_MAP_FIXED | MMK_MAP_ANONYMOUS | MMK_MAP_GROWSDOWN |
                   MMK_MAP_DENYWRITE | MMK_MAP_EXECUTABLE | MMK_MAP_LOCKED | MMK_MAP_NORESERVE |
                   MMK_MAP_POPULATE | MMK_MAP_NONBLOCK | MMK_MAP_STACK,
    PASSED_PROT = MMK_PROT_READ | MMK_PROT_WRITE | MMK_PROT_EXEC,
};

struct thread {
    bool alive, in_exec;
    bool in_call;
    enum trace_call call;
    uint64_t arguments[TRACE_CALL_ARGUMENTS];
    uint32_t file;    /* from the call's MMAP2; as op.file */
    bool mapped;      /* there was one */
    size_t munmap_op; /* index of the op, if the call is munmap */
    size_t image_op;  /* in exec: the op that reserved an image, or NO_OP */
};

#define NO_OP SIZE_MAX

struct reader {
    struct input *input;
    struct program *program;
    uint32_t *by_tid; /* 1 + index of the task */
    struct thread *threads;
    size_t thread_capacity;
};

static struct op *add_op(struct reader *reader, enum op_kind kind, uint32_t task)
{
    struct program *program = reader->program;
    struct op *op;

    program->ops =
        host_grow(program->ops, program->op_count, &program->op_capacity, sizeof(program->ops[0]));
    op = &program->ops[program->op_count++];
    memset(op, 0, sizeof(*op));
    op->kind = (uint8_t)kind;
    op->task = task;
    op->line = (uint32_t)input_line_number(reader->input);
    return op;
}

/* The task with this tid, made on first sight. => false after a complaint */
static bool find_task(struct reader *reader, int32_t pid, int32_t tid, uint32_t *task)
{
    struct program *program = reader->program;
    size_t count = program->task_count;

    if (pid <= 0 || tid <= 0 || tid >= TID_LIMIT) {
        input_complain(reader->input, "thread %" PRId32 "/%" PRId32 ", expected ids from 1 to %d",
                       pid, tid, TID_LIMIT - 1);
        return false;
    }
    if (reader->by_tid[tid] == 0) {
        program->tasks =
            host_grow(program->tasks, count, &program->task_capacity, sizeof(program->tasks[0]));
        reader->threads =
            host_grow(reader->threads, count, &reader->thread_capacity, sizeof(reader->threads[0]));
        memset(&reader->threads[count], 0, sizeof(reader->threads[count]));
        reader->by_tid[tid] = (uint32_t)++program->task_count;
    }
    *task = reader->by_tid[tid] - 1;
    program->tasks[*task].pid = pid;
    program->tasks[*task].tid = tid;
    return true;
}

static bool find_live_task(struct reader *reader, int32_t pid, int32_t tid, uint32_t *task)
{
    if (!find_task(reader, pid, tid, task))
        return false;
    if (!reader->threads[*task].alive) {
        input_complain(reader->input,
                       "thread %" PRId32 "/%" PRId32
                       " has no memory, expected a FORK or COMM exec record of it before",
                       pid, tid);
        return false;
    }
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 29);
}

static bool is_same_file(const struct program_file *file, const struct trace_mapping *mapped)
{
    return file->inode == mapped->inode && file->major == mapped->major &&
           file->minor == mapped->minor && file->generation == mapped->generation &&
           (file->inode != 0 || strcmp(file->name, mapped->name) == 0);
}

static uint32_t find_file(struct program *program, const struct trace_mapping *mapped)
{
    struct program_file *file;
    const char *at;
    size_t i;

    for (i = 0; i < program->file_count; i++)
        if (is_same_file(&program->files[i], mapped))
            return (uint32_t)i + 1;
    program->files =
        host_grow(program->files, i, &program->file_capacity, sizeof(program->files[0]));
    file = &program->files[program->file_count++];
    file->major = mapped->major;
    file->minor = mapped->minor;
    file->inode = mapped->inode;
    file->generation = mapped->generation;
    file->name = strdup(mapped->name);
    file->seed =
        mix(mix(mix(mix(1, mapped->major), mapped->minor), mapped->inode), mapped->generation);
    for (at = mapped->inode == 0 ? mapped->name : ""; *at != '\0'; at++)
        file->seed = mix(file->seed, (uint64_t)(unsigned char)*at);
    return (uint32_t)i + 1;
}

static bool is_range(uint64_t address, uint64_t length)
{
    return (address & ~MMK_PAGE_MASK) == 0 && length > 0 && address < USER_END &&
           mmk_page_up(length) <= USER_END - address && mmk_page_up(length) > 0;
}

static bool complain_range(struct reader *reader, const char *what, uint64_t address,
                           uint64_t length)
{
    if (is_range(address, length))
        return true;
    input_complain(reader->input,
                   "%s of 0x%" PRIx64 " bytes at 0x%" PRIx64
                   ", expected whole pages below 0x%" PRIx64,
                   what, length, address, USER_END);
    return false;
}

static bool complain_unsupported(struct reader *reader, const char *what, uint64_t value)
{
    input_complain(reader->input, "%s 0x%" PRIx64 " is not supported yet", what, value);
    return false;
}

static void set_range(struct op *op, uint64_t address, uint64_t length)
{
    op->address = address;
    op->length = mmk_page_up(length);
}

/* Anonymous memory by another name. */
static bool is_zero_device(const struct program *program, uint32_t file)
{
    return strcmp(program->files[file - 1].name, "/dev/zero") == 0;
}

static bool add_mmap(struct reader *reader, uint32_t task, uint64_t address)
{
    struct thread *thread = &reader->threads[task];
    const uint64_t *arguments = thread->arguments; /* addr, len, prot, flags, fd, off */
    struct op *op;

    if (!complain_range(reader, "mmap", address, arguments[1]))
        return false;
    if ((arguments[3] & LINUX_MAP_HUGETLB) != 0)
        return complain_unsupported(reader, "mmap with MAP_HUGETLB, flags", arguments[3]);
    if ((arguments[3] & MMK_MAP_ANONYMOUS) == 0 && !thread->mapped) {
        input_complain(reader->input,
                       "mmap of a file, expected its MMAP2 record between enter and exit");
        return false;
    }
    op = add_op(reader, OP_MMAP, task);
    set_range(op, address, arguments[1]);
    op->prot = (uint8_t)(arguments[2] & PASSED_PROT);
    op->flags = (uint32_t)(arguments[3] & PASSED_FLAGS);
    if ((op->flags & MMK_MAP_ANONYMOUS) == 0) {
        op->file = thread->file;
        op->argument = arguments[5];
    }
    if (op->file != 0 && is_zero_device(reader->program, op->file)) {
        op->file = 0;
        op->argument = 0;
        op->flags |= MMK_MAP_ANONYMOUS;
    }
    if (!is_range(op->argument, op->length))
        return complain_unsupported(reader, "mmap at offset", op->argument);
    return true;
}

static bool add_mprotect(struct reader *reader, uint32_t task, bool partial)
{
    const uint64_t *arguments = reader->threads[task].arguments; /* start, len, prot */
    struct op *op;

    if (arguments[1] == 0)
        return true;
    if ((arguments[2] & LINUX_PROT_GROWS) != 0)
        return complain_unsupported(reader, "mprotect with PROT_GROWSDOWN, prot", arguments[2]);
    if (!is_range(arguments[0], arguments[1]))
        return partial || complain_range(reader, "mprotect", arguments[0], arguments[1]);
    op = add_op(reader, OP_MPROTECT, task);
    set_range(op, arguments[0], arguments[1]);
    op->prot = (uint8_t)(arguments[2] & PASSED_PROT);
    op->partial = partial;
    return true;
}

/* What mmkit does not know are hints, which change nothing. */
static bool is_advice(uint64_t advice)
{
    return advice <= MMK_MADV_DONTNEED || (advice >= MMK_MADV_FREE && advice <= MMK_MADV_DOFORK) ||
           (advice >= MMK_MADV_DONTDUMP && advice <= MMK_MADV_DONTNEED_LOCKED) ||
           advice == MMK_MADV_GUARD_INSTALL || advice == MMK_MADV_GUARD_REMOVE;
}

static bool add_madvise(struct reader *reader, uint32_t task, bool partial)
{
    const uint64_t *arguments = reader->threads[task].arguments; /* start, len_in, behavior */
    struct op *op;

    if (arguments[1] == 0 || !is_advice(arguments[2]))
        return true;
    if (!is_range(arguments[0], arguments[1]))
        return partial || complain_range(reader, "madvise", arguments[0], arguments[1]);
    op = add_op(reader, OP_MADVISE, task);
    set_range(op, arguments[0], arguments[1]);
    op->argument = arguments[2];
    op->partial = partial;
    return true;
}

static bool add_mremap(struct reader *reader, uint32_t task, uint64_t result)
{
    const uint64_t *arguments = reader->threads[task].arguments; /* addr, old_len, new_len, flags */
    uint64_t old_length = arguments[1] == 0 ? MMK_PAGE_SIZE : arguments[1];
    struct op *op;

    if (!complain_range(reader, "mremap", arguments[0], old_length) ||
        !complain_range(reader, "mremap", result, arguments[2]))
        return false;
    op = add_op(reader, OP_MREMAP, task);
    set_range(op, arguments[0], arguments[1]);
    op->flags = (uint32_t)arguments[3];
    op->argument = mmk_page_up(arguments[2]);
    op->target = result;
    return true;
}

/* mlock and munlock take any address: what has a part in the range counts as a whole. */
static bool add_lock(struct reader *reader, uint32_t task, enum op_kind kind, unsigned flags,
                     bool partial)
{
    const uint64_t *arguments = reader->threads[task].arguments; /* start, len */
    uint64_t start = mmk_page_down(arguments[0]), length = arguments[1] + (arguments[0] - start);
    struct op *op;

    if (arguments[1] == 0)
        return true;
    if (!is_range(start, length))
        return partial || complain_range(reader, "a lock", start, length);
    op = add_op(reader, kind, task);
    set_range(op, start, length);
    op->flags = flags;
    op->partial = partial;
    return true;
}

static bool add_lock_all(struct reader *reader, uint32_t task, uint64_t flags)
{
    add_op(reader, OP_MLOCKALL, task)->flags = (uint32_t)flags;
    return true;
}

/* The ranges are in the program's memory, which is not recorded. */
static bool check_process_madvise(struct reader *reader, uint32_t task)
{
    uint64_t advice = reader->threads[task].arguments[3];

    if (advice == MMK_MADV_WILLNEED || advice == MMK_MADV_COLD || advice == MMK_MADV_PAGEOUT)
        return true;
    return complain_unsupported(reader, "process_madvise with", advice);
}

static bool add_brk(struct reader *reader, uint32_t task, uint64_t result)
{
    struct op *op;

    if (result == 0 || result >= USER_END) {
        input_complain(reader->input, "brk at 0x%" PRIx64 ", expected an address below 0x%" PRIx64,
                       result, USER_END);
        return false;
    }
    op = add_op(reader, OP_BRK, task);
    op->address = reader->threads[task].arguments[0];
    op->argument = result;
    return true;
}

/* munmap has ended: it was applied where it began. */
static bool finish_munmap(struct reader *reader, uint32_t task, bool failed)
{
    struct thread *thread = &reader->threads[task];

    if (failed) {
        reader->program->ops[thread->munmap_op].kind = OP_NOTHING;
        return true;
    }
    return complain_range(reader, "munmap", thread->arguments[0], thread->arguments[1]);
}

static bool read_enter(struct reader *reader, uint32_t task, const struct trace_event *event)
{
    struct thread *thread = &reader->threads[task];
    struct op *op;

    if (thread->in_call) {
        input_complain(reader->input, "%s begins inside %s, expected that call's exit first",
                       trace_call_name(event->enter.call), trace_call_name(thread->call));
        return false;
    }
    if (event->enter.call == CALL_EXIT || event->enter.call == CALL_EXIT_GROUP)
        return true; /* never comes back */
    thread->in_call = true;
    thread->mapped = false;
    thread->call = event->enter.call;
    memcpy(thread->arguments, event->enter.arguments, sizeof(thread->arguments));
    if (thread->call == CALL_MUNMAP) {
        op = add_op(reader, OP_MUNMAP, task);
        thread->munmap_op = (size_t)(op - reader->program->ops);
        set_range(op, thread->arguments[0], thread->arguments[1]);
        if (!is_range(thread->arguments[0], thread->arguments[1]))
            op->kind = OP_NOTHING;
    }
    return true;
}

static bool is_clone(enum trace_call call)
{
    return call == CALL_CLONE || call == CALL_CLONE3 || call == CALL_FORK || call == CALL_VFORK;
}

/* => false after a complaint: an exit that no enter explains */
static bool check_leave(struct reader *reader, const struct thread *thread,
                        const struct trace_event *event)
{
    enum trace_call call = event->leave.call;

    if (thread->in_call ? thread->call == call
                        : event->leave.result == 0 && (is_clone(call) || call == CALL_EXECVE))
        return true;
    input_complain(reader->input, "exit of %s, expected %s%s first", trace_call_name(call),
                   thread->in_call ? "that of " : "its enter",
                   thread->in_call ? trace_call_name(thread->call) : "");
    return false;
}

/* Does this call, when it answers ENOMEM, do a part of what it was asked for? */
static bool may_be_partial(enum trace_call call)
{
    return call == CALL_MPROTECT || call == CALL_MADVISE || call == CALL_MLOCK ||
           call == CALL_MLOCK2 || call == CALL_MUNLOCK;
}

/* A call that takes effect has ended. */
static bool finish_call(struct reader *reader, uint32_t task, enum trace_call call, int64_t result)
{
    const uint64_t *arguments = reader->threads[task].arguments;
    bool partial = result == MMK_ENOMEM;

    switch (call) {
    case CALL_MMAP:
        return add_mmap(reader, task, (uint64_t)result);
    case CALL_MREMAP:
        return add_mremap(reader, task, (uint64_t)result);
    case CALL_MPROTECT:
        return add_mprotect(reader, task, partial);
    case CALL_MADVISE:
        return add_madvise(reader, task, partial);
    case CALL_PROCESS_MADVISE:
        return check_process_madvise(reader, task);
    case CALL_MLOCK:
        return add_lock(reader, task, OP_MLOCK, 0, partial);
    case CALL_MLOCK2:
        return add_lock(reader, task, OP_MLOCK, (unsigned)arguments[2], partial);
    case CALL_MUNLOCK:
        return add_lock(reader, task, OP_MUNLOCK, 0, partial);
    case CALL_MLOCKALL:
        return add_lock_all(reader, task, arguments[0]);
    case CALL_MUNLOCKALL:
        return add_lock_all(reader, task, 0);
    case CALL_MSEAL:
        return add_lock(reader, task, OP_MSEAL, 0, false);
    case CALL_BRK:
        return add_brk(reader, task, (uint64_t)result);
    case CALL_EXECVE:
        reader->threads[task].in_exec = false;
        return true;
    case CALL_SHMAT:
    case CALL_SHMDT:
        return complain_unsupported(reader, trace_call_name(call), (uint64_t)result);
    default:
        return true;
    }
}

static bool read_leave(struct reader *reader, uint32_t task, const struct trace_event *event)
{
    struct thread *thread = &reader->threads[task];
    int64_t result = event->leave.result;
    bool failed = result < 0 && result >= -ERRNO_MAX;

    if (!check_leave(reader, thread, event))
        return false;
    thread->in_call = false;
    if (event->leave.call == CALL_MUNMAP)
        return finish_munmap(reader, task, failed);
    if (failed && !(result == MMK_ENOMEM && may_be_partial(event->leave.call)))
        return true;
    return finish_call(reader, task, event->leave.call, result);
}

static void cut_image(struct reader *reader, struct thread *thread, const struct op *segment)
{
    struct op *image;

    if (thread->image_op != NO_OP) {
        image = &reader->program->ops[thread->image_op];
        if (image->file == segment->file && segment->address > image->address &&
            segment->address < image->address + image->length) {
            image->length = segment->address - image->address;
            return;
        }
    }
    thread->image_op = (size_t)(segment - reader->program->ops);
}

static bool read_exec_mapping(struct reader *reader, uint32_t task,
                              const struct trace_mapping *mapped)
{
    static const char *const anonymous[] = {"//anon", "[stack]", "[heap]"};
    struct op *op;
    size_t i;

    if (!complain_range(reader, "a mapping", mapped->start, mapped->length))
        return false;
    op = add_op(reader, OP_EXEC_MAP, task);
    set_range(op, mapped->start, mapped->length);
    op->prot = (uint8_t)mapped->prot;
    op->flags = (mapped->shared ? MMK_MAP_SHARED : MMK_MAP_PRIVATE) | MMK_MAP_FIXED;
    for (i = 0; i < sizeof(anonymous) / sizeof(anonymous[0]); i++) {
        if (mapped->inode == 0 && strcmp(mapped->name, anonymous[i]) == 0) {
            op->flags |= MMK_MAP_ANONYMOUS;
            op->flags |= anonymous[i][1] == 's' ? MMK_MAP_GROWSDOWN : 0;
            return true;
        }
    }
    op->file = find_file(reader->program, mapped);
    op->argument = mapped->offset;
    cut_image(reader, &reader->threads[task], op);
    return complain_range(reader, "a file's range", mapped->offset, mapped->length);
}

static bool read_mapping(struct reader *reader, uint32_t task, const struct trace_event *event)
{
    struct thread *thread = &reader->threads[task];

    if (thread->in_exec)
        return read_exec_mapping(reader, task, &event->mapped);
    if (thread->in_call && thread->call == CALL_MMAP) {
        thread->file = find_file(reader->program, &event->mapped);
        thread->mapped = true;
    }
    return true;
}

/* The other threads are gone by now; the one that called execve has become the leader. */
static void end_other_threads(struct reader *reader, uint32_t task)
{
    struct program *program = reader->program;
    uint32_t other;

    for (other = 0; other < program->task_count; other++) {
        if (other != task && reader->threads[other].alive &&
            program->tasks[other].pid == program->tasks[task].pid) {
            add_op(reader, OP_EXIT, other);
            reader->threads[other].alive = false;
        }
    }
}

static bool read_exec(struct reader *reader, const struct trace_event *event)
{
    struct thread *thread;
    uint32_t task;

    if (!find_task(reader, event->pid, event->tid, &task))
        return false;
    end_other_threads(reader, task);
    add_op(reader, OP_EXEC, task);
    thread = &reader->threads[task];
    thread->alive = true;
    thread->in_exec = true;
    thread->image_op = NO_OP;
    /* Its exit will follow, whichever thread it was that entered it. */
    thread->in_call = true;
    thread->call = CALL_EXECVE;
    return true;
}

static bool read_fork(struct reader *reader, const struct trace_event *event)
{
    uint32_t parent, child;
    const struct thread *caller;
    bool share;
    struct op *op;

    if (!find_live_task(reader, event->fork.parent_pid, event->fork.parent_tid, &parent) ||
        !find_task(reader, event->fork.pid, event->fork.tid, &child))
        return false;
    if (reader->threads[child].alive) {
        input_complain(reader->input, "FORK of thread %" PRId32 ", expected its EXIT first",
                       event->fork.tid);
        return false;
    }
    caller = &reader->threads[parent];
    share = event->fork.pid == event->fork.parent_pid;
    if (caller->in_call && caller->call == CALL_CLONE)
        share = share || (caller->arguments[0] & CLONE_SHARES_MEMORY) != 0;
    share = share || (caller->in_call && caller->call == CALL_VFORK);
    op = add_op(reader, share ? OP_SHARE : OP_FORK, parent);
    op->child = child;
    memset(&reader->threads[child], 0, sizeof(reader->threads[child]));
    reader->threads[child].alive = true;
    return true;
}

static bool read_exit(struct reader *reader, const struct trace_event *event)
{
    uint32_t task;

    if (!find_live_task(reader, event->fork.pid, event->fork.tid, &task))
        return false;
    add_op(reader, OP_EXIT, task);
    memset(&reader->threads[task], 0, sizeof(reader->threads[task]));
    return true;
}

static void read_fault(struct reader *reader, uint32_t task, const struct trace_event *event)
{
    struct op *op = add_op(reader, OP_FAULT, task);
    uint64_t code = event->fault.error_code;

    op->address = event->fault.address;
    op->access = (code & TRACE_FAULT_WRITE) != 0   ? MMK_ACCESS_WRITE
                 : (code & TRACE_FAULT_FETCH) != 0 ? MMK_ACCESS_EXEC
                                                   : MMK_ACCESS_READ;
}

static bool read_event(struct reader *reader, const struct trace_event *event)
{
    uint32_t task;

    switch (event->kind) {
    case TRACE_NOTHING:
        return true;
    case TRACE_EXEC:
        return read_exec(reader, event);
    case TRACE_FORK:
        return read_fork(reader, event);
    case TRACE_EXIT:
        return read_exit(reader, event);
    default:
        break;
    }
    if (!find_live_task(reader, event->pid, event->tid, &task))
        return false;
    switch (event->kind) {
    case TRACE_ENTER:
        return read_enter(reader, task, event);
    case TRACE_LEAVE:
        return read_leave(reader, task, event);
    case TRACE_MAPPED:
        return read_mapping(reader, task, event);
    default:
        read_fault(reader, task, event);
        return true;
    }
}

static bool read_lines(struct reader *reader)
{
    struct trace_event event;
    struct trace_error error;
    enum input_status status;
    size_t length;
    char *line;

    while ((status = input_line(reader->input, &line, &length)) == INPUT_LINE) {
        if (!trace_parse(line, &event, &error)) {
            input_complain(reader->input, "%s", error.text);
            return false;
        }
        if (!read_event(reader, &event))
            return false;
    }
    if (status == INPUT_END && reader->program->op_count == 0) {
        fprintf(stderr, "%s:%" PRIu64 ": the recording ends, expected events of a program\n",
                input_name(reader->input), input_line_number(reader->input) + 1);
        return false;
    }
    reader->program->lines = input_line_number(reader->input);
    return status == INPUT_END;
}

struct program *program_read(const char *path)
{
    struct reader reader = {0};
    bool complete;

    reader.input = input_open(path);
    if (reader.input == NULL)
        return NULL;
    reader.program = host_alloc(1, sizeof(*reader.program));
    reader.program->name = strdup(input_name(reader.input));
    reader.by_tid = host_alloc(TID_LIMIT, sizeof(reader.by_tid[0]));
    complete = read_lines(&reader);
    free(reader.by_tid);
    free(reader.threads);
    input_close(reader.input);
    if (!complete) {
        program_free(reader.program);
        return NULL;
    }
    return reader.program;
}

void program_free(struct program *program)
{
    size_t i;

    for (i = 0; i < program->file_count; i++)
        free(program->files[i].name);
    free(program->files);
    free(program->tasks);
    free(program->ops);
    free(program->name);
    free(program);
}
