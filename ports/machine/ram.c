/* SPDX-License-Identifier: MIT */
/*
 * ram.c - RAM: one anonymous host mapping. Physical addresses start at MACHINE_RAM_START; what lies
 * below is mapped without access, so that a use of physical address 0 crashes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <sys/mman.h>

uintptr_t machine_ram_base;
mmk_paddr_t machine_ram_end;

int machine_ram_map(uint64_t memory, bool populate)
{
    size_t size = (size_t)(MACHINE_RAM_START + memory);
    char *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return MMK_ENOMEM;
    if (mprotect(base + MACHINE_RAM_START, (size_t)memory, PROT_READ | PROT_WRITE) != 0 ||
        (populate && madvise(base + MACHINE_RAM_START, (size_t)memory, MADV_POPULATE_WRITE) != 0)) {
        munmap(base, size);
        return MMK_ENOMEM;
    }
    machine_ram_base = (uintptr_t)base;
    machine_ram_end = MACHINE_RAM_START + memory;
    return 0;
}

void machine_ram_unmap(void)
{
    munmap((void *)machine_ram_base, (size_t)machine_ram_end);
    machine_ram_base = 0;
    machine_ram_end = 0;
}
