/* SPDX-License-Identifier: MIT */
/*
 * ram.c - RAM, kept from one machine to the next of the same size: mapping it, and touching it the
 * first time, would cost more than most runs. What is in it is no secret, and no zeros either.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "frames.h"

#include <string.h>
#include <sys/mman.h>

uintptr_t machine_ram_base;
mmk_paddr_t machine_ram_end;

static char *kept;
static size_t kept_size;

static void unmap(void)
{
    if (kept)
        munmap(kept, kept_size);
    kept = NULL;
}

int machine_ram_map(uint64_t memory, bool populate)
{
    size_t size = (size_t)(MACHINE_RAM_START + memory);

    (void)populate;
    if (!kept || kept_size != size) {
        unmap();
        kept_size = size;
        kept = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (kept == MAP_FAILED)
            kept = NULL;
        if (!kept || mprotect(kept + MACHINE_RAM_START, (size_t)memory, PROT_READ | PROT_WRITE)) {
            unmap();
            return MMK_ENOMEM;
        }
    }
    machine_ram_base = (uintptr_t)kept;
    machine_ram_end = MACHINE_RAM_START + memory;
    return frames_begin() ? 0 : MMK_ENOMEM;
}

void machine_ram_unmap(void)
{
    machine_ram_base = 0;
    machine_ram_end = 0;
}
