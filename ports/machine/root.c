/* SPDX-License-Identifier: MIT */
/*
 * root.c - the kernel's half of root tables. Whoever writes there, or lets a root be used again
 * before it is clean, is found: by every test, as every address space has one.
 */
#include "internal.h"

/* Bit 0 stays clear: absent to the hardware of every format. */
static uint64_t value(unsigned i, mmk_paddr_t root)
{
    return ((uint64_t)0x6b65726e << 32 | root | i) << 1;
}

void machine_root_fill(uint64_t *entries, unsigned first, unsigned count, mmk_paddr_t root)
{
    unsigned i;

    for (i = 0; i < count; i++)
        mmk_assert(entries[i] == 0, "a new root is all zero");
    for (i = first; i < count; i++)
        entries[i] = value(i, root);
}

void machine_root_release(const uint64_t *entries, unsigned first, unsigned count, mmk_paddr_t root)
{
    unsigned i;

    for (i = first; i < count; i++)
        mmk_assert(entries[i] == value(i, root), "the kernel's half of a root is left alone");
}
