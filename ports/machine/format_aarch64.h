/* SPDX-License-Identifier: MIT */
/*
 * format_aarch64.h - VMSAv8-64 stage 1, 4 KiB granule, the half that TTBR0 translates, with 39 or
 * 48 bits: Arm ARM, chapter D8, with FEAT_HAFDBS (hardware sets AF and the dirty state) or without.
 *
 *   leaf   63 59 58  55 54  53  52   51  50 48 47        12 11 10 9 8  7   6   5  4  2 1 0
 *          ignored  soft UXN PXN Contig DBM  0   address     nG AF SH  AP2 AP1 NS AttrIdx type
 *   table  63  62      61        60       59      58      51 50 48 47      12 11     2 1 0
 *          NS  no write no EL0   UXNTable PXNTable ignored   0    address     ignored   1 1
 *
 * Bit 0 = valid. With bit 1 set: above level 0 a table, at level 0 a page. With bit 1 clear: a
 * block at levels 1 and 2, reserved elsewhere. AP1 (bit 6) = user data accesses; AP2 (bit 7) =
 * read-only, or with DBM (bit 51): clean, for hardware to clear at a store. UXN = no execution by
 * the user, whom AP1 does not concern there: pages may be executable and not readable.
 *
 * What the manual reserves is the library's mistake, and stops the machine; so do user pages with
 * nG clear, which would be every address space's.
 */
#ifndef MACHINE_FORMAT_AARCH64_H
#define MACHINE_FORMAT_AARCH64_H

#define FORMAT_NAME          "aarch64"
#define FORMAT_INDEX_BITS    9
#define FORMAT_SIGNED        0
#define FORMAT_FAULT_DROPS   0
#define FORMAT_KEEPS_ABSENCE 0
#define FORMAT_NEEDS_BREAK   1
#define FORMAT_GROUP         16
#define FORMAT_LOAD          MACHINE_LOAD
#define FORMAT_ALL_RIGHTS    (MACHINE_LOAD | MACHINE_STORE | MACHINE_EXEC)

#define ARM_VALID      ((uint64_t)1 << 0)
#define ARM_TABLE      ((uint64_t)1 << 1) /* or page */
#define ARM_ATTRIBUTES ((uint64_t)7 << 2)
#define ARM_USER       ((uint64_t)1 << 6)
#define ARM_READ_ONLY  ((uint64_t)1 << 7)
#define ARM_SHARE      ((uint64_t)3 << 8)
#define ARM_ACCESSED   ((uint64_t)1 << 10)
#define ARM_NOT_GLOBAL ((uint64_t)1 << 11)
#define ARM_ADDRESS    (((uint64_t)1 << 48) - MMK_PAGE_SIZE)
#define ARM_ZERO       ((uint64_t)7 << 48)
#define ARM_DBM        ((uint64_t)1 << 51)
#define ARM_CONTIGUOUS ((uint64_t)1 << 52)
#define ARM_UXN        ((uint64_t)1 << 54)

#define ARM_TABLE_NO_EXEC  ((uint64_t)1 << 60)
#define ARM_TABLE_NO_USER  ((uint64_t)1 << 61)
#define ARM_TABLE_NO_WRITE ((uint64_t)1 << 62)

MMK_ALWAYS_INLINE bool format_reaches(mmk_vaddr_t addr)
{
    return addr >> (MMK_PAGE_SHIFT + FORMAT_INDEX_BITS * MMK_PT_LEVELS) == 0;
}

MMK_ALWAYS_INLINE bool format_valid(uint64_t seen)
{
    return (seen & ARM_VALID) != 0;
}

MMK_ALWAYS_INLINE bool format_is_leaf(uint64_t seen, unsigned level)
{
    return level == 0 || !(seen & ARM_TABLE);
}

MMK_ALWAYS_INLINE const char *format_wrong(uint64_t seen, unsigned level)
{
    if (seen & ARM_ZERO)
        return "bits 48 to 50 are reserved";
    if (seen & ARM_TABLE)
        return level == 0 && (seen & ARM_USER) && !(seen & ARM_NOT_GLOBAL) ? "a global user page"
                                                                           : NULL;
    if (level == 0)
        return "a block at the last level is reserved";
    if (level > 2)
        return "a block above 1 GiB is reserved";
    if (seen & ARM_ADDRESS & ((MMK_PAGE_SIZE << (FORMAT_INDEX_BITS * level)) - 1))
        return "a misaligned block";
    return (seen & ARM_USER) && !(seen & ARM_NOT_GLOBAL) ? "a global user page" : NULL;
}

MMK_ALWAYS_INLINE mmk_paddr_t format_address(uint64_t seen)
{
    return seen & ARM_ADDRESS;
}

MMK_ALWAYS_INLINE uint64_t format_table_rights(uint64_t rights, uint64_t seen)
{
    if (seen & ARM_TABLE_NO_EXEC)
        rights &= ~MACHINE_EXEC;
    if (seen & ARM_TABLE_NO_USER)
        rights &= ~(MACHINE_LOAD | MACHINE_STORE);
    if (seen & ARM_TABLE_NO_WRITE)
        rights &= ~MACHINE_STORE;
    return rights;
}

MMK_ALWAYS_INLINE uint64_t format_table_used(uint64_t seen)
{
    return seen;
}

MMK_ALWAYS_INLINE uint64_t format_leaf_rights(uint64_t rights, uint64_t seen, bool hardware)
{
    bool store = !(seen & ARM_READ_ONLY) || (hardware && (seen & ARM_DBM));

    if (!hardware && !(seen & ARM_ACCESSED))
        return 0;
    if (!(seen & ARM_USER))
        rights &= ~(MACHINE_LOAD | MACHINE_STORE);
    if (!store)
        rights &= ~MACHINE_STORE;
    if (seen & ARM_UXN)
        rights &= ~MACHINE_EXEC;
    return rights;
}

MMK_ALWAYS_INLINE uint64_t format_leaf_used(uint64_t seen, enum mmk_access access)
{
    return (access == MMK_ACCESS_WRITE ? seen & ~ARM_READ_ONLY : seen) | ARM_ACCESSED;
}

MMK_ALWAYS_INLINE uint64_t format_kind(uint64_t seen, unsigned level)
{
    uint64_t kind =
        (seen & ARM_ATTRIBUTES) >> 2 | (seen & ARM_SHARE) >> 5 | (seen & ARM_NOT_GLOBAL) >> 6;

    return kind << 52 | (uint64_t)level << MACHINE_TLB_LEVEL_AT |
           (seen & ARM_CONTIGUOUS ? MACHINE_TLB_GROUP : 0);
}

/* All alike but for AF and the dirty state, and their addresses in a row. */
MMK_ALWAYS_INLINE const char *format_group_wrong(uint64_t seen, uint64_t entry, unsigned i,
                                                 unsigned level)
{
    const uint64_t size = MMK_PAGE_SIZE << (FORMAT_INDEX_BITS * level);
    const uint64_t may_differ = ARM_ACCESSED | (seen & ARM_DBM ? ARM_READ_ONLY : 0);

    if ((seen & ARM_ADDRESS) % (FORMAT_GROUP * size))
        return "a contiguous group whose memory is not aligned to it";
    if ((entry & ~may_differ) != ((seen & ~may_differ) + i * size))
        return "a contiguous group with entries that differ";
    return NULL;
}

#endif
