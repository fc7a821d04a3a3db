/* SPDX-License-Identifier: MIT */
/*
 * format_x86_64.h - 4-level and 5-level paging: Intel SDM volume 3, chapter 5 (4 in older
 * editions).
 *
 *   63 62      52 51                        12 11    9 8   7  6  5  4   3   2   1   0
 *   NX  ignored    address                     ignored G  PS  D  A PCD PWT U/S R/W  P
 *
 * Rights are the AND of W and U and the OR of NX over all levels. U is required, as all accesses
 * are user accesses. A walk sets A at every level.
 */
#ifndef MACHINE_FORMAT_X86_64_H
#define MACHINE_FORMAT_X86_64_H

#ifndef FORMAT_NAME
#define FORMAT_NAME       "x86_64"
#define FORMAT_INDEX_BITS 9
#define FORMAT_SIGNED     1

/* Bits above the highest that the tables use are copies of it. */
MMK_ALWAYS_INLINE bool format_reaches(mmk_vaddr_t addr)
{
    const unsigned above = 52 - FORMAT_INDEX_BITS * MMK_PT_LEVELS;

    return (uint64_t)((int64_t)(addr << above) >> above) == addr;
}
#endif

#ifndef FORMAT_FAULT_DROPS
#define FORMAT_FAULT_DROPS   1 /* SDM volume 3, 4.10.4.1 */
#define FORMAT_KEEPS_ABSENCE 0
#define FORMAT_LOAD          0
#endif
#define FORMAT_NEEDS_BREAK 0

#define X86_PRESENT  ((uint64_t)1 << 0)
#define X86_WRITE    ((uint64_t)1 << 1)
#define X86_USER     ((uint64_t)1 << 2)
#define X86_ACCESSED ((uint64_t)1 << 5)
#define X86_DIRTY    ((uint64_t)1 << 6)
#define X86_LARGE    ((uint64_t)1 << 7) /* at levels 1 and 2: no table below */
#define X86_ADDRESS  (((uint64_t)1 << 52) - MMK_PAGE_SIZE)
#define X86_NOEXEC   ((uint64_t)1 << 63)

/* Where an entry has them; X86_NOEXEC the other way round: set where the right is there. */
#define FORMAT_ALL_RIGHTS (X86_WRITE | X86_USER | X86_NOEXEC)

MMK_ALWAYS_INLINE bool format_valid(uint64_t seen)
{
    return (seen & X86_PRESENT) != 0;
}

MMK_ALWAYS_INLINE bool format_is_leaf(uint64_t seen, unsigned level)
{
    return level == 0 || (seen & X86_LARGE);
}

MMK_ALWAYS_INLINE const char *format_wrong(uint64_t seen, unsigned level)
{
    if (mmk_unlikely((seen & X86_LARGE) && level > 2))
        return "PS is reserved above the pud level";
    return NULL;
}

MMK_ALWAYS_INLINE mmk_paddr_t format_address(uint64_t seen)
{
    return seen & X86_ADDRESS;
}

MMK_ALWAYS_INLINE uint64_t format_table_rights(uint64_t rights, uint64_t seen)
{
    return rights & (seen ^ X86_NOEXEC);
}

MMK_ALWAYS_INLINE uint64_t format_table_used(uint64_t seen)
{
    return seen | X86_ACCESSED;
}

MMK_ALWAYS_INLINE uint64_t format_leaf_rights(uint64_t rights, uint64_t seen, bool hardware)
{
    (void)hardware; /* always */
    rights &= seen ^ X86_NOEXEC;
    if (!(rights & X86_USER))
        return 0;
    return MACHINE_LOAD | (rights & X86_WRITE ? MACHINE_STORE : 0) |
           (rights & X86_NOEXEC ? MACHINE_EXEC : 0);
}

MMK_ALWAYS_INLINE uint64_t format_leaf_used(uint64_t seen, enum mmk_access access)
{
    return seen | X86_ACCESSED | (access == MMK_ACCESS_WRITE ? X86_DIRTY : 0);
}

#endif
