/* SPDX-License-Identifier: MIT */
/*
 * pt.h (aarch64) - the page-table format, described once: what an entry says. Arm ARM (DDI 0487),
 * VMSAv8-64 stage 1, 4 KiB granule: 3 levels for 39 bits of addresses, 4 for 48. A root of its own
 * (TTBR0_EL1) translates user addresses, so that all of it is the user's.
 *
 *   63..59    58    57     56      55   54   53      52      51  50..48  47..12
 *   ignored SPECIAL  -  PROTNONE  DIRTY UXN  PXN  contiguous  DBM   0     frame number
 *
 *   11   10  9..8    7        6    5   4..2   1    0
 *   nG   AF   SH   AP[2]    AP[1]  NS  Attr   1    V
 *              read-only     user
 *
 * Bit 1 says page at the last level and table above. mmkit's leaves are non-global, inner
 * shareable, never executable by the kernel (PXN), and of the memory type
 * MMK_AARCH64_ATTR: an index into the kernel's MAIR_EL1, which must make it normal write-back
 * memory there.
 *
 * Dirty state, as on Linux. DBM says that the page may be written to. AP[2] says that it is clean:
 * a store clears AP[2] in hardware (FEAT_HAFDBS), or faults, and the library clears it
 * (mmk_pte_used()). DIRTY, a bit of software, keeps the dirty state of an entry that may no longer
 * be written to.
 *
 *   DBM  AP[2]
 *    0    1     read-only
 *    1    1     writable, clean unless DIRTY
 *    1    0     writable, dirty
 *
 * AF is set by hardware, or likewise by a fault.
 *
 * Break before make: where a valid entry maps a frame, or links a table, another may only be set
 * after the first was made invalid and flushed (MMK_PT_BREAK_FIRST; docs/DESIGN.md has the places).
 * Changes of AP, DBM, AF, UXN and of the software's bits need no break.
 *
 * A marker's bits 3..2 say which kind: 1 = guard, 2 = swapped out, 3 = being split. What it needs
 * to say is in bits 50..4; all other bits are clear.
 */
#ifndef MMK_SRC_ARCH_AARCH64_PT_H
#define MMK_SRC_ARCH_AARCH64_PT_H

#include <mmkit/port/annotate.h>

#ifndef MMK_PT_LEVELS
#define MMK_PT_LEVELS 4
#endif

_Static_assert(MMK_PT_LEVELS == 3 || MMK_PT_LEVELS == 4, "aarch64 has 3 or 4 levels");

#define MMK_PT_INDEX_BITS 9

/* A frame, or table, is set where another was only after a flush. */
#define MMK_PT_BREAK_FIRST 1
#define MMK_PT_FLUSH_LEAF  0

#define MMK_USER_END   ((uint64_t)1 << (MMK_PT_LEVELS * MMK_PT_INDEX_BITS + MMK_PAGE_SHIFT))
#define MMK_MAP_WINDOW MMK_USER_END

/* Physical addresses that an entry can hold lie below. */
#define MMK_PHYS_END ((uint64_t)1 << 48)

/* mmk_mmap() starts below a random distance of up to so many pages. */
#define MMK_MAP_RANDOM_BITS (MMK_PT_LEVELS == 3 ? 18 : 28)

/* The memory type of user pages: which attribute of MAIR_EL1. */
#ifndef MMK_AARCH64_ATTR
#define MMK_AARCH64_ATTR 0
#endif

_Static_assert(MMK_AARCH64_ATTR >= 0 && MMK_AARCH64_ATTR <= 7, "MAIR_EL1 has 8 attributes");

/* An entry's value. A struct, so that it does not mix with frame numbers. */
typedef struct {
    uint64_t v;
} mmk_pte_t;

#define MMK_PTE_VALID      ((uint64_t)1 << 0)
#define MMK_ARM_PAGE       ((uint64_t)1 << 1) /* or table */
#define MMK_ARM_ATTR       ((uint64_t)MMK_AARCH64_ATTR << 2)
#define MMK_PTE_GUARD      ((uint64_t)1 << 2) /* with V clear */
#define MMK_PTE_SWAP       ((uint64_t)2 << 2) /* likewise */
#define MMK_PTE_SPLIT      ((uint64_t)3 << 2) /* likewise */
#define MMK_PTE_KIND       ((uint64_t)3 << 2)
#define MMK_PTE_SAYS_AT    4
#define MMK_ARM_USER       ((uint64_t)1 << 6)
#define MMK_ARM_READ_ONLY  ((uint64_t)1 << 7)
#define MMK_ARM_SHARE      ((uint64_t)3 << 8)
#define MMK_ARM_ACCESSED   ((uint64_t)1 << 10)
#define MMK_ARM_NOT_GLOBAL ((uint64_t)1 << 11)
#define MMK_PTE_FRAME      ((((uint64_t)1 << 48) - 1) & MMK_PAGE_MASK)
#define MMK_PTE_FRAME_AT   MMK_PAGE_SHIFT
#define MMK_ARM_DBM        ((uint64_t)1 << 51)
#define MMK_ARM_CONTIGUOUS ((uint64_t)1 << 52)
#define MMK_ARM_PXN        ((uint64_t)1 << 53)
#define MMK_PTE_EXEC       ((uint64_t)0)
#define MMK_PTE_NO_EXEC    ((uint64_t)1 << 54)
#define MMK_ARM_DIRTY      ((uint64_t)1 << 55)
#define MMK_PTE_PROTNONE   ((uint64_t)1 << 56) /* with V clear */
#define MMK_PTE_SPECIAL    ((uint64_t)1 << 58)

MMK_ALWAYS_INLINE bool mmk_pte_write(mmk_pte_t pte)
{
    return (pte.v & MMK_ARM_DBM) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_dirty(mmk_pte_t pte)
{
    return (pte.v & MMK_ARM_DIRTY) || (pte.v & (MMK_ARM_DBM | MMK_ARM_READ_ONLY)) == MMK_ARM_DBM;
}

/* Dirty stays dirty. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_wrprotect(mmk_pte_t pte)
{
    if (mmk_pte_dirty(pte))
        pte.v |= MMK_ARM_DIRTY;
    pte.v &= ~MMK_ARM_DBM;
    pte.v |= MMK_ARM_READ_ONLY;
    return pte;
}

/* Clean stays clean: the next store is noticed. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkwrite(mmk_pte_t pte)
{
    pte.v |= MMK_ARM_DBM;
    if (pte.v & MMK_ARM_DIRTY)
        pte.v &= ~MMK_ARM_READ_ONLY;
    return pte;
}

/* As if somebody had stored to it, writable or not. => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkdirty(mmk_pte_t pte)
{
    pte.v |= MMK_ARM_DIRTY;
    return mmk_pte_write(pte) ? mmk_pte_mkwrite(pte) : pte;
}

/* Clean: as if nobody had stored to it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkclean(mmk_pte_t pte)
{
    pte.v &= ~MMK_ARM_DIRTY;
    pte.v |= MMK_ARM_READ_ONLY;
    return pte;
}

/* Clean and old: as if nobody had used it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkold_clean(mmk_pte_t pte)
{
    pte.v &= ~(MMK_ARM_DIRTY | MMK_ARM_ACCESSED);
    pte.v |= MMK_ARM_READ_ONLY;
    return pte;
}

/* Old: as if nobody had used it since; dirty stays dirty. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkold(mmk_pte_t pte)
{
    pte.v &= ~MMK_ARM_ACCESSED;
    return pte;
}

/*
 * Has what the access is to leave behind: accessed, and dirty for a write.
 * => present, and allows the access
 */
MMK_ALWAYS_INLINE bool mmk_pte_used(mmk_pte_t pte, bool write)
{
    return (pte.v & MMK_ARM_ACCESSED) && (!write || !(pte.v & MMK_ARM_READ_ONLY));
}

/* => present; for a write, writable */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkused(mmk_pte_t pte, bool write)
{
    pte.v |= MMK_ARM_ACCESSED;
    if (write)
        pte.v &= ~MMK_ARM_READ_ONLY;
    return pte;
}

/*
 * A leaf for user code that has just faulted: young, readable, executable when `exec`; writable
 * (and dirty: the write follows) when `write`.
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_leaf(mmk_pfn_t pfn, bool write, bool exec)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PTE_FRAME_AT | MMK_PTE_VALID | MMK_ARM_PAGE | MMK_ARM_ATTR | MMK_ARM_USER |
            MMK_ARM_SHARE | MMK_ARM_ACCESSED | MMK_ARM_NOT_GLOBAL | MMK_ARM_PXN;
    pte.v |= write ? MMK_ARM_DBM : MMK_ARM_READ_ONLY;
    if (!exec)
        pte.v |= MMK_PTE_NO_EXEC;
    return pte;
}

/* An entry that links a lower table: permissions are the leaf's business. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_link(mmk_pfn_t pfn)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PTE_FRAME_AT | MMK_PTE_VALID | MMK_ARM_PAGE;
    return pte;
}

/* --- groups ---------------------------------------------------------------------------------- */

/*
 * The contiguous bit: sixteen neighbours, of frames in a row and alike in everything else, that
 * hardware may cache as one. An entry of a group may not change alone, but for AF: all of its
 * entries are made invalid, flushed, and set without the bit first (pte_group.h).
 */
#define MMK_PT_GROUP 16

MMK_ALWAYS_INLINE bool mmk_pte_grouped(mmk_pte_t pte)
{
    return (pte.v & MMK_ARM_CONTIGUOUS) != 0;
}

/* One of a group; and back, by itself. => a present leaf */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkgroup(mmk_pte_t pte)
{
    pte.v |= MMK_ARM_CONTIGUOUS;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksingle(mmk_pte_t pte)
{
    pte.v &= ~MMK_ARM_CONTIGUOUS;
    return pte;
}

/* The same, of a larger page (a block) above the leaves; and back. => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkhuge(mmk_pte_t pte)
{
    pte.v &= ~MMK_ARM_PAGE;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksmall(mmk_pte_t pte)
{
    pte.v |= MMK_ARM_PAGE;
    return pte;
}

/* Of an entry above the leaves: links a table; it is neither none nor a larger page. */
MMK_ALWAYS_INLINE bool mmk_pte_links(mmk_pte_t pte)
{
    return (pte.v & (MMK_PTE_VALID | MMK_ARM_PAGE)) == (MMK_PTE_VALID | MMK_ARM_PAGE);
}

#endif
