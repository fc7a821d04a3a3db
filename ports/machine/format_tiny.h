/* SPDX-License-Identifier: MIT */
/*
 * format_tiny.h - tables of four entries, in the first 32 bytes of a page each. An entry says what
 * it says on x86-64; addresses have no sign. Bit 52 of a leaf: it and its neighbour map frames in a
 * row, aligned to two, and are alike but for A, D; they may be cached as one, and are not to be
 * cached as two at the same time. No processor has this: it is for tests that try everything,
 * hardware whose faults drop nothing from the TLB included.
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

#define FORMAT_GROUP 2
#define TINY_GROUP   ((uint64_t)1 << 52)

MMK_ALWAYS_INLINE uint64_t format_kind(uint64_t seen, unsigned level)
{
    return (uint64_t)level << MACHINE_TLB_LEVEL_AT |
           (level == 0 && (seen & TINY_GROUP) ? MACHINE_TLB_GROUP : 0);
}

MMK_ALWAYS_INLINE const char *format_group_wrong(uint64_t seen, uint64_t entry, unsigned i,
                                                 unsigned level)
{
    const uint64_t may_differ = X86_ACCESSED | X86_DIRTY;

    (void)level;
    if ((seen & X86_ADDRESS) % (FORMAT_GROUP * MMK_PAGE_SIZE))
        return "a group whose memory is not aligned to it";
    if ((entry & ~may_differ) != ((seen & ~may_differ) + i * MMK_PAGE_SIZE))
        return "a group with entries that differ";
    return NULL;
}

#endif
