/* SPDX-License-Identifier: MIT */
/*
 * agent_disk.c - a file that is kept on a disk: in $TMPDIR, or where it is run.
 *
 * What a file system does with bytes beyond a file's end, and whether it makes holes, differs: each
 * is asked first, and one that does otherwise than mmkit's model of a disk is not compared.
 */
#include "agent.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int open_unnamed(const char *folder)
{
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    char path[4096];

    if (file >= 0)
        return file;
    if (snprintf(path, sizeof(path), "%s/oracle-XXXXXX", folder) >= (int)sizeof(path))
        return -1;
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    return file;
}

static bool is_on_disk(int file)
{
    struct statfs status;

    return fstatfs(file, &status) == 0 && status.f_type != TMPFS_MAGIC &&
           status.f_type != RAMFS_MAGIC;
}

/* Holes, and what was stored beyond the end: it goes when the file is cut there, grows, or is
   written back. */
static bool forgets(int file, volatile uint64_t *words)
{
    enum { END = 1000, BEYOND = 2048 / 8 };

    words[0] = 1;
    if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) != 0 || words[0] != 0)
        return false;
    words[BEYOND] = 1;
    if (ftruncate(file, END) != 0 || words[BEYOND] != 0)
        return false;
    words[BEYOND] = 1;
    if (ftruncate(file, END) != 0 || words[BEYOND] != 0)
        return false;
    words[BEYOND] = 1;
    if (msync((void *)words, 4096, MS_SYNC) != 0 || words[BEYOND] != 0)
        return false;
    words[BEYOND] = 1;
    return ftruncate(file, END + 4096) == 0 && words[BEYOND] == 0;
}

static bool will_do(int file)
{
    void *words;
    bool will;

    if (!is_on_disk(file) || fchmod(file, 0666) != 0 || ftruncate(file, 4096) != 0)
        return false;
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, file, 0);
    if (words == MAP_FAILED)
        return false;
    will = forgets(file, words);
    munmap(words, 4096);
    return will;
}

int agent_disk_open(uint64_t size)
{
    const char *folder = getenv("TMPDIR");
    int file = open_unnamed(folder && *folder ? folder : ".");

    if (file < 0)
        return -1;
    if (will_do(file) && ftruncate(file, 0) == 0 && ftruncate(file, (off_t)size) == 0)
        return file;
    close(file);
    return -1;
}
