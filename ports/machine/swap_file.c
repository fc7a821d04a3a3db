/* SPDX-License-Identifier: MIT */
/*
 * swap_file.c - a device for a swap area that keeps pages in a file, which nobody else can open. A
 * CPU that waits for the host's disk is idle meanwhile: others serve its interrupts.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <machine.h>
#include <unistd.h>

static off_t place_of(uint64_t slot)
{
    return (off_t)(slot * MMK_PAGE_SIZE);
}

static int file_read(struct machine_swap *swap, uint64_t slot, void *page)
{
    ssize_t got;

    machine_idle_begin();
    got = pread(swap->fd, page, MMK_PAGE_SIZE, place_of(slot));
    machine_idle_end();
    return got == MMK_PAGE_SIZE ? 0 : MMK_EIO;
}

static int file_write(struct machine_swap *swap, uint64_t slot, const void *page)
{
    ssize_t put;

    machine_idle_begin();
    put = pwrite(swap->fd, page, MMK_PAGE_SIZE, place_of(slot));
    machine_idle_end();
    if (put == MMK_PAGE_SIZE)
        return 0;
    return put < 0 && errno == EIO ? MMK_EIO : MMK_ENOMEM; /* a full disk may pass */
}

/* A file system that makes no holes keeps the pages: no more is lost than that. */
static void file_discard(struct machine_swap *swap, uint64_t slot)
{
    machine_idle_begin();
    (void)fallocate(swap->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place_of(slot),
                    MMK_PAGE_SIZE);
    machine_idle_end();
}

static void file_close(struct machine_swap *swap)
{
    if (swap->fd >= 0)
        close(swap->fd);
}

static const struct swap_store file_store = {
    .read = file_read, .write = file_write, .discard = file_discard, .close = file_close};

struct machine_swap *machine_swap_file(const char *directory, uint64_t slots)
{
    struct machine_swap *swap = swap_new(&file_store, slots);

    if (!swap)
        return NULL;
    swap->fd = open(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (swap->fd >= 0 && ftruncate(swap->fd, place_of(slots)) == 0)
        return swap;
    machine_swap_close(swap);
    return NULL;
}
