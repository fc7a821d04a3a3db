/* SPDX-License-Identifier: MIT */
/*
 * side_linux.c - Linux's side of side.h. The region is far from where Linux puts anything: no table
 * below the root has entries of both. No huge pages: the process gives them up.
 */
#include "side.h"

#include "child.h"
#include "figure.h"

#include <mmkit/mm.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE         ((uint64_t)1 << 45)
#define PAGEMAP_SWAP ((uint64_t)1 << 62)
#define PAGEMAP_HERE ((uint64_t)1 << 63)

_Static_assert(MMK_PROT_WRITE == PROT_WRITE && MMK_MAP_FIXED == MAP_FIXED &&
                   MMK_MAP_ANONYMOUS == MAP_ANONYMOUS && MMK_MADV_FREE == MADV_FREE &&
                   MMK_MREMAP_DONTUNMAP == MREMAP_DONTUNMAP,
               "one set of numbers for both sides");

/* What a child says to its parent. */
struct told {
    uint64_t tables;
    double before_end;
};

static struct {
    struct side_config config;
    int object, status, pagemap;
    pid_t child;
    int to_child, from_child;
    bool child_waits; /* has said so */
    struct told *told;
} own;

static bool complain(const char *what)
{
    fprintf(stderr, "mmkit bench: Linux: %s: %s\n", what, strerror(errno));
    return false;
}

static void *at(uint64_t addr)
{
    return (void *)(uintptr_t)addr; /* NOLINT: addresses are numbers on the other side */
}

static int result(long answer)
{
    return answer < 0 ? -errno : 0;
}

static bool begin(const struct side_config *config)
{
    own.config = *config;
    own.object = -1;
    if (sysconf(_SC_PAGESIZE) != (long)SIDE_PAGE) {
        fputs("mmkit bench: expected a host with pages of 4 KiB\n", stderr);
        return false;
    }
    own.status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    own.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (own.status < 0 || own.pagemap < 0)
        return complain("/proc/self");
    if (config->object > 0 && (own.object = memfd_create("bench", MFD_CLOEXEC)) < 0)
        return complain("memfd_create");
    own.told = child_shared_memory(sizeof(*own.told));
    (void)prctl(PR_SET_THP_DISABLE, config->huge == MMK_HUGE_NEVER, 0, 0, 0);
    return true;
}

static void end(void)
{
    close(own.status);
    close(own.pagemap);
    if (own.object >= 0)
        close(own.object);
    munmap(own.told, sizeof(*own.told));
}

static uint64_t base(void)
{
    return BASE;
}

static bool open_space(void)
{
    void *found = mmap(at(BASE), own.config.region, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (found == MAP_FAILED || munmap(found, own.config.region) != 0)
        return complain("addresses for the region");
    if (own.object >= 0 &&
        (ftruncate(own.object, 0) != 0 || ftruncate(own.object, (off_t)own.config.object) != 0))
        return complain("ftruncate");
    return true;
}

static void close_space(void)
{
    munmap(at(BASE), own.config.region);
}

static int64_t map(uint64_t addr, uint64_t length, unsigned prot, unsigned flags)
{
    void *found =
        mmap(at(addr), length, (int)prot, (int)flags, flags & MAP_ANONYMOUS ? -1 : own.object, 0);

    return found == MAP_FAILED ? -errno : (int64_t)(uintptr_t)found;
}

static int unmap(uint64_t addr, uint64_t length)
{
    return result(munmap(at(addr), length));
}

static int protect(uint64_t addr, uint64_t length, unsigned prot)
{
    return result(mprotect(at(addr), length, (int)prot));
}

static int advise(uint64_t addr, uint64_t length, int advice)
{
    return result(madvise(at(addr), length, advice));
}

static int64_t remap(uint64_t addr, uint64_t length, unsigned flags, uint64_t to)
{
    void *found = mremap(at(addr), length, length, (int)flags, at(to));

    return found == MAP_FAILED ? -errno : (int64_t)(uintptr_t)found;
}

static int resize(uint64_t size)
{
    return result(ftruncate(own.object, (off_t)size));
}

static int punch(uint64_t offset, uint64_t length)
{
    return result(fallocate(own.object, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                            (off_t)length));
}

static bool load(uint64_t addr)
{
    (void)*(const volatile uint64_t *)at(addr);
    return true;
}

static bool store(uint64_t addr)
{
    *(volatile uint64_t *)at(addr) = addr;
    return true;
}

/* Those that had to read something included. */
static uint64_t faults(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

static uint64_t tables(void)
{
    static char text[8192];
    ssize_t length = pread(own.status, text, sizeof(text) - 1, 0);
    const char *line;

    text[length > 0 ? length : 0] = '\0';
    line = strstr(text, "\nVmPTE:");
    if (line == NULL) {
        fputs("mmkit bench: expected VmPTE in /proc/self/status\n", stderr);
        exit(2);
    }
    return strtoull(line + strlen("\nVmPTE:"), NULL, 10) * 1024;
}

/* There is no telling. */
static uint64_t waiting(void)
{
    return 0;
}

static unsigned levels(void)
{
    return 3;
}

/* Pages of whose words one of the bits is set. */
static uint64_t marked(const uint64_t pages[], unsigned count, uint64_t bits)
{
    uint64_t entry, found = 0;
    unsigned i;

    for (i = 0; i < count; i++)
        if (pread(own.pagemap, &entry, sizeof(entry), (off_t)(pages[i] / SIDE_PAGE * 8)) ==
            (ssize_t)sizeof(entry))
            found += (entry & bits) != 0;
    return found;
}

static uint64_t entries(const uint64_t pages[], unsigned count)
{
    return marked(pages, count, PAGEMAP_HERE | PAGEMAP_SWAP);
}

static uint64_t swapped(const uint64_t pages[], unsigned count)
{
    return marked(pages, count, PAGEMAP_SWAP);
}

static const char *swapless(void)
{
    FILE *swaps = fopen("/proc/swaps", "r");
    unsigned lines = 0;
    char line[256];

    while (swaps != NULL && fgets(line, sizeof(line), swaps) != NULL)
        lines++;
    if (swaps != NULL)
        fclose(swaps);
    return lines > 1 ? NULL : "no swap space is on";
}

static void thread_begin(unsigned number)
{
    (void)number;
}

static void nothing(void)
{
}

static bool apart(unsigned n, bool (*work)(unsigned number))
{
    struct child children[SIDE_APART_MAX];
    bool fine = true;
    int status;
    unsigned i;

    for (i = 0; i < n; i++) {
        children[i] = (struct child){.pid = 0};
        if (child_fork(&children[i]) == 0)
            _exit(!work(i));
    }
    for (i = 0; i < n; i++) {
        fine = waitpid(children[i].pid, &status, 0) == children[i].pid && status == 0 && fine;
        close(children[i].messages);
    }
    return fine;
}

/* --- children -------------------------------------------------------------------------------- */

/* Its files are its parent's, so it opens its own. Ends when the parent says so, or has gone. */
static void be_child(int from_parent, int to_parent)
{
    char byte = 0;

    own.status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    own.told->tables = tables();
    if (write(to_parent, &byte, 1) == 1)
        (void)!read(from_parent, &byte, 1);
    own.told->before_end = figure_now();
    _exit(0);
}

static double fork_space(void)
{
    int down[2], up[2];
    double start, ns;

    if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
        return -1;
    start = figure_now();
    own.child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (own.child == 0) {
        close(down[1]);
        be_child(down[0], up[1]);
    }
    ns = own.child < 0 ? -1 : figure_now() - start;
    close(down[0]);
    close(up[1]);
    own.to_child = down[1];
    own.from_child = up[0];
    own.child_waits = false;
    return ns;
}

static uint64_t child_tables(void)
{
    char byte;

    if (!own.child_waits && read(own.from_child, &byte, 1) != 1)
        own.told->tables = UINT64_MAX;
    own.child_waits = true;
    return own.told->tables;
}

static double nanoseconds(struct timeval time)
{
    return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

static double end_child(void)
{
    struct rusage usage = {0};
    int status;

    (void)child_tables();
    close(own.to_child);
    close(own.from_child);
    if (wait4(own.child, &status, 0, &usage) != own.child)
        return -1;
    return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime) - own.told->before_end;
}

const struct side side_linux = {
    .name = "Linux",
    .begin = begin,
    .end = end,
    .open = open_space,
    .close = close_space,
    .base = base,
    .map = map,
    .unmap = unmap,
    .protect = protect,
    .advise = advise,
    .remap = remap,
    .resize = resize,
    .punch = punch,
    .load = load,
    .store = store,
    .faults = faults,
    .thread_begin = thread_begin,
    .thread_end = nothing,
    .wait_begin = nothing,
    .wait_end = nothing,
    .apart = apart,
    .fork = fork_space,
    .child_tables = child_tables,
    .end_child = end_child,
    .tables = tables,
    .waiting = waiting,
    .levels = levels,
    .entries = entries,
    .swapped = swapped,
    .check = nothing,
    .swapless = swapless,
};

/* --- what is not memory management -------------------------------------------------------------
 */

#define CALLS      1000u
#define TRAP_PAGES 4096u

double side_linux_call_ns(void)
{
    double start = figure_now();
    unsigned i;

    for (i = 0; i < CALLS; i++)
        (void)syscall(SYS_getppid);
    return (figure_now() - start) / CALLS;
}

/* By pages that cost little else. */
double side_linux_trap_ns(void)
{
    uint64_t length = TRAP_PAGES * SIDE_PAGE, i;
    char *memory = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double start, touched, populated;

    if (memory == MAP_FAILED)
        return 0;
    (void)madvise(memory, length, MADV_NOHUGEPAGE);
    (void)madvise(memory, length, MADV_POPULATE_READ); /* its tables */
    (void)madvise(memory, length, MADV_DONTNEED);
    start = figure_now();
    for (i = 0; i < length; i += SIDE_PAGE)
        (void)*(const volatile char *)(memory + i);
    touched = figure_now() - start;
    (void)madvise(memory, length, MADV_DONTNEED);
    start = figure_now();
    if (madvise(memory, length, MADV_POPULATE_READ) != 0)
        touched = start = 0;
    populated = figure_now() - start;
    munmap(memory, length);
    return touched > populated ? (touched - populated) / TRAP_PAGES : 0;
}
