/* SPDX-License-Identifier: MIT */
/*
 * process.c - stage 2: processes, and the trap handler. Everything that a program does to its
 * memory passes through here, and is printed.
 *
 * P1 The CPU has the root of `running` loaded, or none; nobody puts an mm that is loaded.
 * P2 DEAD keeps the status for a parent, which lives, or for stage_programs(); who has neither is
 *    FREE when it ends.
 * P3 A process that waits for a child has its pc at the system call, and makes it again when woken.
 */
#include "kernel.h"
#include "../host.h"

#define PROCESSES 4
#define FIRST_PID 1

enum state { FREE, READY, WAITING, DEAD };

struct process {
    enum state state;
    int pid;
    struct process *parent;
    struct mmk_mm *mm;
    struct cpu_registers registers;
    uint64_t status; /* DEAD */
};

static struct process processes[PROCESSES];
static struct process *running;
static int last_pid;

/* The file system: what a file is called, how long it is, how its pages are read. */
struct content {
    const char *name;
    uint64_t size;
    void (*fill)(uint64_t index, void *page);
};

static void numbers_fill(uint64_t index, void *page)
{
    uint64_t *words = page;

    for (uint64_t i = 0; i < MMK_PAGE_SIZE / sizeof(*words); i++)
        words[i] = index * MMK_PAGE_SIZE + i * sizeof(*words);
}

static struct content contents[FILES] = {
    [FILE_PROGRAM] = {"program", PROGRAM_SIZE, program_fill},
    [FILE_NUMBERS] = {"numbers", NUMBERS_SIZE, numbers_fill},
};
static struct mmk_object *files[FILES];

/* mmkit puts zeros over what lies beyond the end. */
static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    const struct content *content = mmk_object_private(object);

    say("file %s: page %lu is read\n", content->name, index);
    content->fill(index, page);
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = read_page};

/* The context switch. */
static void load(struct process *process)
{
    if (running == process)
        return;
    if (running)
        mmk_mm_leave(running->mm);
    running = process;
    cpu_load_root(process ? mmk_mm_enter(process->mm) : 0);
}

static struct process *new_process(struct process *parent)
{
    for (struct process *process = processes; process < processes + PROCESSES; process++) {
        if (process->state == FREE) {
            *process = (struct process){.pid = ++last_pid, .parent = parent};
            return process;
        }
    }
    return NULL;
}

static void say_memory(const struct process *process)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(process->mm, &stats);
    say("pid %d: pages: %lu resident, %lu of tables, %lu of stack\n", process->pid,
        stats.rss_anon + stats.rss_file + stats.rss_shmem,
        mmk_mm_table_bytes(process->mm) / MMK_PAGE_SIZE, stats.stack_bytes / MMK_PAGE_SIZE);
}

/* As /proc/PID/maps. */
static int say_mapping(const struct mmk_mapping *mapping, void *arg)
{
    const struct process *process = arg;
    const struct content *content = mapping->object ? mmk_object_private(mapping->object) : NULL;
    bool stack = mapping->flags & MMK_MAPPING_GROWSDOWN;

    say("pid %d: %lx-%lx %c%c%c%c %lx %s\n", process->pid, mapping->start, mapping->end,
        mapping->prot & MMK_PROT_READ ? 'r' : '-', mapping->prot & MMK_PROT_WRITE ? 'w' : '-',
        mapping->prot & MMK_PROT_EXEC ? 'x' : '-', mapping->flags & MMK_MAPPING_SHARED ? 's' : 'p',
        mapping->offset,
        content ? content->name
        : stack ? "[stack]"
                : "");
    return 0;
}

/* P2 for the children of a process that ends before them, or has not asked for their status. */
static void leave_children(const struct process *parent)
{
    for (struct process *child = processes; child < processes + PROCESSES; child++) {
        if (child->parent != parent)
            continue;
        child->parent = NULL;
        if (child->state == DEAD)
            child->state = FREE;
    }
}

static void end_process(struct process *process, uint64_t status)
{
    say_memory(process);
    load(NULL);
    mmk_check(process->mm);
    mmk_mm_put(process->mm);
    say("pid %d: ends with status %lu\n", process->pid, status);
    process->mm = NULL;
    process->status = status;
    process->state = process->parent || process->pid == FIRST_PID ? DEAD : FREE;
    leave_children(process);
    if (process->parent && process->parent->state == WAITING)
        process->parent->state = READY;
}

static void end_by_signal(struct process *process, int signal, const char *name, const char *why,
                          mmk_vaddr_t addr)
{
    int error;

    say("pid %d: %s at pc 0x%lx: %s 0x%lx\n", process->pid, name, process->registers.pc, why, addr);
    error = mmk_for_each_mapping(process->mm, 0, UINT64_MAX, say_mapping, process);
    must(error == 0, "mmk_for_each_mapping");
    end_process(process, (uint64_t)STATUS_OF_SIGNAL(signal));
}

static void page_fault(struct process *process, const struct cpu_trap *trap)
{
    static const char *const names[] = {"read", "write", "fetch"};
    static const enum mmk_access accesses[] = {MMK_ACCESS_READ, MMK_ACCESS_WRITE, MMK_ACCESS_EXEC};

    switch (mmk_fault(process->mm, trap->addr, accesses[trap->access])) {
    case MMK_FAULT_DONE:
    case MMK_FAULT_RETRY:
        say("pid %d: fault: %s 0x%lx\n", process->pid, names[trap->access], trap->addr);
        break;
    case MMK_FAULT_OOM:
        end_by_signal(process, SIGNAL_KILL, "SIGKILL", "no memory for", trap->addr);
        break;
    case MMK_FAULT_KILLED: /* by mmk_kill(), which this kernel does not call */
        end_by_signal(process, SIGNAL_KILL, "SIGKILL", "killed at", trap->addr);
        break;
    case MMK_FAULT_SEGV_MAPERR:
        end_by_signal(process, SIGNAL_SEGV, "SIGSEGV", "nothing is mapped at", trap->addr);
        break;
    case MMK_FAULT_SEGV_ACCERR:
        end_by_signal(process, SIGNAL_SEGV, "SIGSEGV", "not allowed at", trap->addr);
        break;
    case MMK_FAULT_BUS:
        end_by_signal(process, SIGNAL_BUS, "SIGBUS", "nothing is behind", trap->addr);
        break;
    }
}

static int64_t system_say(struct process *process, mmk_vaddr_t addr)
{
    char text[80];
    int64_t length;

    length = mmk_strncpy_from_user(process->mm, text, addr, sizeof(text) - 1);
    if (length >= 0) {
        text[length] = '\0';
        say("pid %d: \"%s\"\n", process->pid, text);
    }
    return length;
}

static int64_t system_mmap(struct process *process, const uint64_t *args)
{
    uint64_t file = args[4];

    return mmk_mmap(process->mm, args[0], args[1], (unsigned)args[2], (unsigned)args[3],
                    file < FILES ? files[file] : NULL, args[5]);
}

static int64_t system_fork(struct process *process)
{
    struct process *child = new_process(process);
    int error;

    if (!child)
        return MMK_EAGAIN;
    error = mmk_fork(process->mm, &child->mm);
    if (error)
        return error;
    mmk_check(child->mm);
    child->registers = process->registers;
    child->registers.r[0] = 0;
    child->registers.pc += CPU_INSTRUCTION_SIZE;
    child->state = READY;
    return child->pid;
}

/* => the status of a child that has ended; MMK_EINVAL: no children; MMK_EAGAIN: it waits (P3) */
static int64_t system_wait(struct process *process)
{
    bool any = false;

    for (struct process *child = processes; child < processes + PROCESSES; child++) {
        if (child->state == FREE || child->parent != process)
            continue;
        if (child->state == DEAD) {
            child->state = FREE;
            return (int64_t)child->status;
        }
        any = true;
    }
    if (!any)
        return MMK_EINVAL;
    process->state = WAITING;
    return MMK_EAGAIN;
}

static int64_t decode(struct process *process)
{
    const uint64_t *args = &process->registers.r[1];
    struct mmk_mm *mm = process->mm;

    switch (process->registers.r[0]) {
    case SYS_SAY:
        return system_say(process, args[0]);
    case SYS_MMAP:
        return system_mmap(process, args);
    case SYS_MUNMAP:
        return mmk_munmap(mm, args[0], args[1]);
    case SYS_MADVISE:
        return mmk_madvise(mm, args[0], args[1], (int)args[2]);
    case SYS_BRK:
        return (int64_t)mmk_brk(mm, args[0]);
    case SYS_FORK:
        return system_fork(process);
    case SYS_WAIT:
        return system_wait(process);
    default:
        return MMK_EINVAL;
    }
}

static void system_call(struct process *process)
{
    static const char *const names[SYSTEM_CALLS] = {"exit",    "say", "mmap", "munmap",
                                                    "madvise", "brk", "fork", "wait"};
    uint64_t number = process->registers.r[0];
    bool gives_back;
    int64_t result;

    if (number == SYS_EXIT) {
        end_process(process, process->registers.r[1]);
        return;
    }
    gives_back = number == SYS_MADVISE || number == SYS_MUNMAP;
    if (gives_back)
        say_memory(process);
    result = decode(process);
    if (process->state == WAITING)
        return;
    if (number != SYS_SAY && number < SYSTEM_CALLS)
        say("pid %d: %s: %s%lx\n", process->pid, names[number], result < 0 ? "-0x" : "0x",
            result < 0 ? 0 - (uint64_t)result : (uint64_t)result);
    if (gives_back)
        say_memory(process);
    process->registers.r[0] = (uint64_t)result;
    process->registers.pc += CPU_INSTRUCTION_SIZE;
}

/* From the process to the kernel; afterwards to whatever process is ready. */
static void handle(struct process *process, const struct cpu_trap *trap)
{
    switch (trap->kind) {
    case CPU_TRAP_PAGE:
        page_fault(process, trap);
        break;
    case CPU_TRAP_SYSTEM:
        system_call(process);
        break;
    case CPU_TRAP_ILLEGAL:
        end_by_signal(process, SIGNAL_ILL, "SIGILL", "illegal, or misaligned:", trap->addr);
        break;
    }
    if (process->mm)
        mmk_check(process->mm);
    host_rcu_poll();
}

static bool run_one(void)
{
    for (struct process *process = processes; process < processes + PROCESSES; process++) {
        if (process->state == READY) {
            struct cpu_trap trap;

            load(process);
            trap = cpu_run(&process->registers);
            handle(process, &trap);
            return true;
        }
    }
    return false;
}

/* Maps at a fixed address, where nothing is: exec. */
static void map_for_exec(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                         unsigned flags)
{
    must(mmk_mmap(mm, addr, length, prot, flags | MMK_MAP_PRIVATE | MMK_MAP_FIXED,
                  files[FILE_PROGRAM], 0) == (int64_t)addr,
         "mmk_mmap for a program");
}

static struct process *exec_first(void)
{
    struct process *process = new_process(NULL);
    mmk_vaddr_t top = mmk_map_window();

    must(mmk_mm_create(&process->mm) == 0, "mmk_mm_create");
    map_for_exec(process->mm, PROGRAM_START, PROGRAM_SIZE, MMK_PROT_READ | MMK_PROT_EXEC, 0);
    map_for_exec(process->mm, top - MMK_PAGE_SIZE, MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE,
                 MMK_MAP_ANONYMOUS | MMK_MAP_GROWSDOWN);
    must(mmk_set_brk(process->mm, PROGRAM_HEAP) == 0, "mmk_set_brk");
    process->registers.pc = PROGRAM_START;
    process->registers.r[CPU_SP] = top;
    process->state = READY;
    return process;
}

void stage_programs(void)
{
    const struct process *first;

    for (unsigned i = 0; i < FILES; i++)
        must(mmk_object_create(&file_ops, contents[i].size, &contents[i], &files[i]) == 0,
             "mmk_object_create");
    first = exec_first();
    while (run_one())
        ;
    must(first->state == DEAD && first->status == 0, "the first program ends with status 0");
    for (unsigned i = 0; i < FILES; i++) {
        mmk_check_object(files[i]);
        mmk_object_put(files[i]);
    }
}
