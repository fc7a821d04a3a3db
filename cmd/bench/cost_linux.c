/* SPDX-License-Identifier: MIT */
/*
 * cost_linux.c - Linux's side of cost.h, on memory of this process. Without swap space private
 * pages stay, so that only files' are measured; where they take their time to go (a disk) those are
 * in memory still when they are wanted back, and what that costs says nothing of swap.
 */
#include "cost.h"

#include "side.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PAGE   ((uint64_t)4096)
#define LENGTH ((uint64_t)COST_PAGES * PAGE)

enum { TMPFS = 0x01021994 };

static struct {
    char *anon, *file;
    const struct cost_content *content;
    bool swaps, files;
} own;

static bool complain(const char *what)
{
    fprintf(stderr, "mmkit bench: %s\n", what);
    return false;
}

static void without(struct cost *cost, const char *why)
{
    size_t length = strlen(cost->without);

    snprintf(cost->without + length, sizeof(cost->without) - length, "%s%s", length ? "; " : "",
             why);
}

static char *map(int prot, int flags, int fd)
{
    void *memory = mmap(NULL, LENGTH, prot, MAP_PRIVATE | flags, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* What is swapped to first, of that with room enough. */
static void find_swap(struct cost *cost)
{
    char line[256], name[64], kind[16];
    uint64_t size, used;
    FILE *swaps = fopen("/proc/swaps", "r");

    while (swaps != NULL && cost->swap[0] == '\0' && fgets(line, sizeof(line), swaps) != NULL)
        if (sscanf(line, "%63s %15s %" SCNu64 " %" SCNu64, name, kind, &size, &used) == 4 &&
            (size - used) * 1024 >= 2 * LENGTH)
            snprintf(cost->swap, sizeof(cost->swap), "%s (%s)", name, kind);
    if (swaps != NULL)
        fclose(swaps);
    if (cost->swap[0] == '\0')
        without(cost, "no swap space is on");
    own.swaps = cost->swap[0] != '\0';
}

/* A file without a name, on a disk: what is in memory alone cannot go. */
static int open_file(void)
{
    static const char *const folders[] = {"/var/tmp", "/tmp", "."};
    struct statfs system;
    unsigned i;
    int fd;

    for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0 && fstatfs(fd, &system) == 0 && system.f_type != TMPFS)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

static void map_file(struct cost *cost)
{
    int fd = open_file();

    own.files =
        fd >= 0 && write(fd, own.content->mixed, LENGTH) == (ssize_t)LENGTH && fsync(fd) == 0;
    if (own.files)
        own.file = map(PROT_READ, 0, fd);
    own.files = own.files && own.file != NULL;
    if (!own.files)
        without(cost, "no file on a disk can be made");
    if (fd >= 0)
        close(fd);
}

bool cost_linux_begin(struct cost *cost, const struct cost_content *content)
{
    struct utsname name;

    if (sysconf(_SC_PAGESIZE) != (long)PAGE)
        return complain("expected a host with pages of 4 KiB");
    if (uname(&name) == 0)
        snprintf(cost->kernel, sizeof(cost->kernel), "%s", name.release);
    own.content = content;
    own.anon = map(PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1);
    if (own.anon == NULL)
        return complain("the host lacks memory");
    (void)madvise(own.anon, LENGTH, MADV_NOHUGEPAGE);
    find_swap(cost);
    map_file(cost);
    return true;
}

void cost_linux_end(void)
{
    munmap(own.anon, LENGTH);
    if (own.files)
        munmap(own.file, LENGTH);
}

static double advise(void *memory, int advice)
{
    double start = figure_now();
    int error = madvise(memory, LENGTH, advice);

    return error ? -1 : (figure_now() - start) / COST_PAGES;
}

static double touch(const char *memory)
{
    double start = figure_now();
    uint64_t i;

    for (i = 0; i < COST_PAGES; i++)
        (void)*(const volatile char *)(memory + i * PAGE);
    return (figure_now() - start) / COST_PAGES;
}

/* => all but a few have gone: others may be looking at them */
static bool is_out(char *memory)
{
    static unsigned char in_core[COST_PAGES];
    unsigned i, left = 0;

    if (mincore(memory, LENGTH, in_core) != 0)
        return false;
    for (i = 0; i < COST_PAGES; i++)
        left += in_core[i] & 1;
    return left <= COST_PAGES / 64;
}

/* Pages that the system has written to swap. */
static uint64_t swapped_out(void)
{
    FILE *vmstat = fopen("/proc/vmstat", "r");
    uint64_t pages = 0;
    char line[128];

    while (vmstat != NULL && fgets(line, sizeof(line), vmstat) != NULL)
        if (sscanf(line, "pswpout %" SCNu64, &pages) == 1)
            break;
    if (vmstat != NULL)
        fclose(vmstat);
    return pages;
}

/* => false: they do not go */
static bool page_out(char *memory, double *ns)
{
    *ns = advise(memory, MADV_PAGEOUT);
    if (*ns >= 0 && is_out(memory))
        return true;
    *ns = -1;
    return false;
}

static bool there_and_back(uint64_t (*content)[COST_PAGE_WORDS], double *out, double *in)
{
    memcpy(own.anon, content, LENGTH);
    if (!page_out(own.anon, out))
        return false;
    *in = advise(own.anon, MADV_POPULATE_READ);
    return true;
}

static bool private_pages(struct cost_round *round)
{
    double *ns = round->ns;
    uint64_t before;

    if (!there_and_back(own.content->mixed, &ns[COST_OUT_MIXED], &ns[COST_IN_MIXED]) ||
        !there_and_back(own.content->plain, &ns[COST_OUT_WRITTEN], &ns[COST_IN]))
        return false;
    before = swapped_out();
    if (page_out(own.anon, &ns[COST_OUT_CLEAN]))
        ns[COST_IN_TOUCHED] = touch(own.anon);
    round->written = swapped_out() - before;
    return true;
}

static bool file_pages(struct cost_round *round)
{
    double *ns = round->ns;

    if (advise(own.file, MADV_POPULATE_READ) < 0)
        return false;
    if (!page_out(own.file, &ns[COST_FILE_OUT]))
        return false;
    ns[COST_FILE_IN] = advise(own.file, MADV_POPULATE_READ);
    return true;
}

bool cost_linux_round(struct cost *cost, struct cost_round *round)
{
    unsigned step;

    *round = (struct cost_round){.written = 0};
    for (step = 0; step < COST_STEPS; step++)
        round->ns[step] = -1;
    if (own.swaps && !private_pages(round)) {
        without(cost, "private pages were not out of memory when the call came back");
        own.swaps = false;
    }
    if (own.files && !file_pages(round)) {
        without(cost, "the file's pages stayed");
        own.files = false;
    }
    round->trap_ns = side_linux_trap_ns();
    if ((own.swaps && memcmp(own.anon, own.content->plain, LENGTH) != 0) ||
        (own.files && memcmp(own.file, own.content->mixed, LENGTH) != 0))
        return complain("Linux lost a page");
    return true;
}
