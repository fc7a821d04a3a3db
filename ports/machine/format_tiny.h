/* SPDX-License-Identifier: MIT */
/*
 * format_tiny.h - tables of four entries, in the first 32 bytes of a page each. An entry says what
 * it says on x86-64; addresses have no sign. No processor has this: it is for tests that try
 * everything, hardware whose faults drop nothing from the TLB included.
 */
#ifndef MACHINE_FORMAT_TINY_H
#define MACHINE_FORMAT_TINY_H

#define FORMAT_NAME       "tiny"
#define FORMAT_INDEX_BITS 2
#define FORMAT_SIGNED     0

/* Unless it is asked to be as others in this. */
#define FORMAT_FAULT_DROPS   (!(machine_mmu_flags & MACHINE_KEEPS_FAULTED))
#define FORMAT_KEEPS_ABSENCE 1
#define FORMAT_LOAD          MACHINE_LOAD

MMK_ALWAYS_INLINE bool format_reaches(mmk_vaddr_t addr)
{
    return addr >> (MMK_PAGE_SHIFT + FORMAT_INDEX_BITS * MMK_PT_LEVELS) == 0;
}

#include "format_x86_64.h"

#endif
