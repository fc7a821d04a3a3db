/* SPDX-License-Identifier: MIT */
/*
 * agent_setup.c - makes an address space in which nothing is free but the window.
 *
 * What Linux chooses is then in the window; what is outside is sealed, the executor's own code and
 * stack included, and no operation can take it away. The heap is told to start in the window.
 */
#include "agent.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

enum { NOBODY = 65534, STACK_ROOM = 1 << 18, TEXT = 1 << 17, HOLES = 512 };

int agent_files[FILES], agent_scratch, agent_gone;

static bool trouble(struct board *board, const char *what)
{
    board->trouble = what;
    board->trouble_errno = errno;
    return false;
}

/* ---- rights ---------------------------------------------------------------------------------- */

static struct __user_cap_header_struct this_process = {.version = _LINUX_CAPABILITY_VERSION_3};

enum { TO_ADVISE = 1 << CAP_SYS_NICE, TO_LOCK = 1 << CAP_IPC_LOCK };

/* Of all that root may do only to advise others, and, when it is asked for, to lock. */
static bool keep_rights(struct board *board)
{
    struct __user_cap_data_struct rights[2];

    if (syscall(SYS_capget, &this_process, rights) != 0)
        return false;
    rights[0].permitted &= TO_ADVISE | TO_LOCK;
    rights[0].effective = rights[0].permitted & TO_ADVISE;
    rights[0].inheritable = 0;
    rights[1] = (struct __user_cap_data_struct){0};
    board->may_lock = (rights[0].permitted & TO_LOCK) != 0;
    return syscall(SYS_capset, &this_process, rights) == 0;
}

int64_t agent_privilege(bool privileged)
{
    struct __user_cap_data_struct rights[2];

    if (syscall(SYS_capget, &this_process, rights) != 0)
        return -errno;
    rights[0].effective &= ~(uint32_t)TO_LOCK;
    if (privileged)
        rights[0].effective |= TO_LOCK;
    return syscall(SYS_capset, &this_process, rights) != 0 ? -errno : 0;
}

/* For good: who has rights that others do not use is not theirs to advise. */
static void give_up_locking(struct board *board)
{
    struct __user_cap_data_struct rights[2];

    board->may_lock = false;
    if (syscall(SYS_capget, &this_process, rights) != 0)
        return;
    rights[0].permitted &= ~(uint32_t)TO_LOCK;
    rights[0].effective &= ~(uint32_t)TO_LOCK;
    syscall(SYS_capset, &this_process, rights);
}

/* Root passes over RLIMIT_MEMLOCK, and over what belongs to whom. */
static bool become_nobody(struct board *board)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};

    if (geteuid() == 0)
        setrlimit(RLIMIT_MEMLOCK, &most); /* or else not so much is tried */
    if (geteuid() == 0 && (prctl(PR_SET_KEEPCAPS, 1) || setresgid(NOBODY, NOBODY, NOBODY) ||
                           setresuid(NOBODY, NOBODY, NOBODY) || !keep_rights(board)))
        return trouble(board, "another user");
    if (prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_PDEATHSIG, SIGKILL))
        return trouble(board, "prctl");
    return true;
}

static bool fill_first(void)
{
    static uint64_t words[FILE_FILLED / sizeof(uint64_t)];
    uint64_t i;

    for (i = 0; i < FILE_FILLED / sizeof(uint64_t); i++)
        words[i] = file_word(i);
    return pwrite(agent_files[0], words, FILE_FILLED, 0) == (ssize_t)FILE_FILLED;
}

static bool open_files(struct board *board)
{
    char path[64];
    struct stat status;
    unsigned i;

    for (i = 0; i < FILES; i++) {
        const struct file_description *file = &files[i];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", agent_files[file->same_as]);
        if (i == FILE_DISK && board->has_disk)
            continue;
        if (file->same_as == i)
            agent_files[i] = memfd_create("oracle", MFD_CLOEXEC);
        else
            agent_files[i] =
                open(path, (file->mode & MMK_OPEN_WRITE ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
        if (agent_files[i] < 0 ||
            (file->same_as == i && ftruncate(agent_files[i], (off_t)file->size) != 0) ||
            fstat(agent_files[i], &status) != 0)
            return trouble(board, "a file in memory");
        board->file_inode[i] = status.st_ino;
    }
    return fill_first() || trouble(board, "a file in memory");
}

/* While it is root, who may make one in more places. */
static bool open_disk(struct board *board)
{
    struct stat status;

    agent_files[FILE_DISK] = agent_disk_open(files[FILE_DISK].size);
    board->has_disk = agent_files[FILE_DISK] >= 0 && fstat(agent_files[FILE_DISK], &status) == 0;
    if (board->has_disk)
        board->file_inode[FILE_DISK] = status.st_ino;
    return true;
}

static bool open_scratch(struct board *board)
{
    static uint8_t bytes[COPY_MAX];

    memset(bytes, COPY_BYTE, sizeof(bytes));
    agent_scratch = memfd_create("scratch", MFD_CLOEXEC);
    if (agent_scratch < 0 || write(agent_scratch, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
        return trouble(board, "a file in memory");
    return true;
}

/* A process that is asked whether others may be advised, and then is no more. */
static bool try_to_advise(struct board *board)
{
    const struct iovec nothing = {0};
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    if (pid < 0)
        return trouble(board, "fork");
    agent_gone = (int)syscall(SYS_pidfd_open, pid, 0);
    if (board->may_lock)
        agent_privilege(true);
    board->may_advise = syscall(SYS_process_madvise, agent_gone, &nothing, 1, MADV_COLD, 0) == 0;
    if (agent_gone < 0 || (!board->may_advise && errno != EPERM))
        trouble(board, "process_madvise");
    if (board->may_lock)
        agent_privilege(false);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return !board->trouble;
}

static bool set_limits(struct board *board)
{
    struct rlimit limit;

    errno = 0;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_max < FIRST_MEMLOCK)
        return trouble(board, "RLIMIT_MEMLOCK is less than 160 KiB");
    limit.rlim_cur = FIRST_MEMLOCK;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return trouble(board, "RLIMIT_MEMLOCK");
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = FIRST_STACK;
    if (setrlimit(RLIMIT_STACK, &limit) != 0)
        return trouble(board, "RLIMIT_STACK");
    return true;
}

/* The stack has to be as large as it will get: there will be no room below it. */
static void grow_stack(void)
{
    volatile char room[STACK_ROOM];
    size_t i;

    for (i = 0; i < sizeof(room); i += PAGE)
        room[i] = 0;
}

/* ---- the rest of the address space ----------------------------------------------------------- */

/* The C library's streams would take memory, from the window. => NULL: cannot be read */
static const char *read_text(const char *path)
{
    static char text[TEXT];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = 0;

    while (file >= 0 && (got = read(file, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    if (file >= 0)
        close(file);
    text[length] = '\0';
    return file >= 0 && got == 0 && length < sizeof(text) - 1 ? text : NULL;
}

/* A line of /proc/self/maps. => false: there are no more */
static bool next_mapping(const char **at, uint64_t *start, uint64_t *end, bool *is_accessible)
{
    char *rest;

    if (**at == '\0')
        return false;
    *start = strtoull(*at, &rest, 16);
    *end = strtoull(rest + 1, &rest, 16);
    *is_accessible = strncmp(rest, " ---", 4) != 0;
    *at = rest + strcspn(rest, "\n");
    *at += **at == '\n';
    return true;
}

struct holes {
    uint64_t start[HOLES], end[HOLES];
    unsigned holes;
};

static void add_hole(struct holes *all, uint64_t start, uint64_t end)
{
    if (start < end && all->holes < HOLES) {
        all->start[all->holes] = start;
        all->end[all->holes++] = end;
    }
}

/* Beyond the window. The lowest page that may be mapped is where the first begins. */
static void note_hole(struct holes *all, uint64_t start, uint64_t end)
{
    if (end > ADDRESS_END)
        end = ADDRESS_END;
    if (start < WINDOW_START)
        add_hole(all, start, end < WINDOW_START ? end : WINDOW_START);
    if (end > WINDOW_END)
        add_hole(all, start > WINDOW_END ? start : WINDOW_END, end);
}

static bool find_holes(struct holes *all, uint64_t lowest)
{
    uint64_t from = lowest, start, end;
    const char *at = read_text("/proc/self/maps");
    bool is_accessible;

    if (!at)
        return false;
    memset(all, 0, sizeof(*all));
    while (next_mapping(&at, &start, &end, &is_accessible)) {
        note_hole(all, from, start);
        from = end;
    }
    note_hole(all, from, ADDRESS_END);
    return true;
}

/* One file for all: no mapping of a sequence can merge with it. */
static bool fill_holes(struct board *board, const struct holes *all)
{
    int file = memfd_create("beyond", MFD_CLOEXEC);
    unsigned i;

    for (i = 0; i < all->holes; i++) {
        void *at = (void *)all->start[i];

        if (mmap(at, all->end[i] - all->start[i], PROT_NONE,
                 MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, file, 0) != at)
            return trouble(board, "what lies beyond the window");
    }
    close(file);
    return true;
}

/* Mappings that the kernel made are sealed already, or may be once more. */
static bool seal_mappings(struct board *board)
{
    const char *at = read_text("/proc/self/maps");
    uint64_t start, end;
    bool is_accessible;

    if (!at)
        return trouble(board, "/proc/self/maps");
    while (next_mapping(&at, &start, &end, &is_accessible))
        if (start < ADDRESS_END && syscall(SYS_mseal, start, end - start, 0) != 0)
            return trouble(board, "mseal, which Linux has from 6.10 on");
    return true;
}

/* All that is mapped may come into memory (mlockall(2)): but not what sanitizers have. */
static bool bound_locks(struct board *board, uint64_t accessible)
{
    struct rlimit limit;

    if (board->may_lock && accessible > GIB)
        give_up_locking(board);
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (accessible > GIB && limit.rlim_max > LOCKED_MOST) {
        limit.rlim_max = LOCKED_MOST;
        if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
            return trouble(board, "RLIMIT_MEMLOCK");
    }
    board->memlock_max = limit.rlim_max;
    return true;
}

/* What is there already counts towards limits. */
static bool measure(struct board *board)
{
    uint64_t start, end, accessible = 0;
    bool is_accessible;
    const char *at;

    agent_look_at_sizes(&board->base);
    at = read_text("/proc/self/maps");
    for (board->base_count = 0; at && next_mapping(&at, &start, &end, &is_accessible);) {
        board->base_count += start < ADDRESS_END;
        accessible += is_accessible ? end - start : 0;
    }
    return at && bound_locks(board, accessible);
}

static bool start_heap(struct board *board)
{
    struct prctl_mm_map map = {
        .start_code = 0x10000,
        .end_code = 0x20000,
        .start_data = 0x20000,
        .end_data = 0x20000 + board->base.data, /* else RLIMIT_DATA of the heap starts at 0 */
        .start_brk = HEAP_START,
        .brk = HEAP_START,
        .start_stack = 0x100000,
        .arg_start = 0x100000,
        .arg_end = 0x100000,
        .env_start = 0x100000,
        .env_end = 0x100000,
        .exe_fd = (uint32_t)-1,
    };

    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) != 0)
        return trouble(board, "PR_SET_MM_MAP, for which Linux needs CONFIG_CHECKPOINT_RESTORE");
    return true;
}

bool agent_prepare(struct board *board)
{
    static struct holes holes;

    grow_stack();
    if (!open_disk(board) || !become_nobody(board) || !set_limits(board) || !open_files(board) ||
        !open_scratch(board) || !try_to_advise(board) || !agent_open_eyes(board))
        return false;
    if (!find_holes(&holes, board->lowest))
        return trouble(board, "/proc/self/maps");
    return fill_holes(board, &holes) && measure(board) && start_heap(board) && seal_mappings(board);
}
