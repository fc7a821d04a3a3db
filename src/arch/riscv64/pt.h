/* SPDX-License-Identifier: MIT */
/*
 * pt.h (riscv64) - the page-table format, described once: what an entry says. RISC-V privileged
 * architecture, Sv39, Sv48 and Sv57: 3, 4 and 5 levels.
 *
 *   63 62  61 60   54 53                        10 9   8  7  6  5  4  3  2  1  0
 *   N  PBMT  reserved        frame number          RSW    D  A  G  U  X  W  R  V
 *                                                  |  PROTNONE, with V clear
 *                                                  SPECIAL
 *
 * An entry with V and none of R, W, X links a table; A, D and U are reserved there. A leaf of
 * mmkit's always has R: what can be accessed can be read. N (Svnapot) and PBMT (Svpbmt) stay 0:
 * single pages, and the memory type that the physical address has.
 *
 * Hardware that walks sets A and D (Svadu), or faults where they lack (Svade), as it likes. So the
 * library sets both, where it knows of the access, and answers a fault for their sake
 * (mmk_pte_used()).
 *
 * The accessors are pure; entries in memory are read and changed with pte_entry.h.
 *
 *   none       all zero, so that an empty table is a page of zeros
 *   present    V or PROTNONE: maps a frame. With SPECIAL that frame is not accounted
 *   marker     neither, and not zero: maps no frame. Bits 5..4 say which kind: 1 = guard, the
 * others are free, as are bits 63..10 for what they need. All other bits are clear: asked whether
 * it is writable, dirty, or special, a marker says no
 */
#ifndef MMK_SRC_ARCH_RISCV64_PT_H
#define MMK_SRC_ARCH_RISCV64_PT_H

#include <mmkit/port/annotate.h>

#ifndef MMK_PT_LEVELS
#define MMK_PT_LEVELS 3
#endif

_Static_assert(MMK_PT_LEVELS >= 3 && MMK_PT_LEVELS <= 5, "riscv64 has 3, 4 or 5 levels");

#define MMK_PT_INDEX_BITS 9

/* The lower half of what the root covers: the upper one is the kernel's, by sign extension. */
#define MMK_USER_END ((uint64_t)1 << (MMK_PT_LEVELS * MMK_PT_INDEX_BITS + 11))

/* Mappings go above this only when asked to, as on Linux: Sv57 starts with what Sv48 has. */
#define MMK_MAP_WINDOW (MMK_PT_LEVELS == 3 ? MMK_USER_END : (uint64_t)1 << 47)

/* Physical addresses that an entry can hold lie below. */
#define MMK_PHYS_END ((uint64_t)1 << 56)

/* mmk_mmap() starts below a random distance of up to so many pages, as on Linux. */
#define MMK_MAP_RANDOM_BITS (MMK_PT_LEVELS == 3 ? 18 : 28)

/* A frame, or table, may be set where another was without a flush in between. */
#define MMK_PT_BREAK_FIRST 0

/* An entry's value. A struct, so that it does not mix with frame numbers. */
typedef struct {
    uint64_t v;
} mmk_pte_t;

#define MMK_RISCV_VALID    ((uint64_t)1 << 0)
#define MMK_RISCV_READ     ((uint64_t)1 << 1)
#define MMK_RISCV_WRITE    ((uint64_t)1 << 2)
#define MMK_RISCV_EXEC     ((uint64_t)1 << 3)
#define MMK_RISCV_USER     ((uint64_t)1 << 4)
#define MMK_RISCV_ACCESSED ((uint64_t)1 << 6)
#define MMK_RISCV_DIRTY    ((uint64_t)1 << 7)
/* With V clear: maps a page that no access may reach. */
#define MMK_RISCV_PROTNONE ((uint64_t)1 << 8)
#define MMK_RISCV_SPECIAL  ((uint64_t)1 << 9)
/* With V clear: the kind of a marker. */
#define MMK_RISCV_GUARD    ((uint64_t)1 << 4)
#define MMK_RISCV_FRAME_AT 10
#define MMK_RISCV_FRAME    ((((uint64_t)1 << 44) - 1) << MMK_RISCV_FRAME_AT)

MMK_ALWAYS_INLINE bool mmk_pte_none(mmk_pte_t pte)
{
    return pte.v == 0;
}

/* Maps a page, whether or not an access may reach it now. */
MMK_ALWAYS_INLINE bool mmk_pte_present(mmk_pte_t pte)
{
    return (pte.v & (MMK_RISCV_VALID | MMK_RISCV_PROTNONE)) != 0;
}

/* Hardware may use it, cache it, and set its bits. */
MMK_ALWAYS_INLINE bool mmk_pte_accessible(mmk_pte_t pte)
{
    return (pte.v & MMK_RISCV_VALID) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_write(mmk_pte_t pte)
{
    return (pte.v & MMK_RISCV_WRITE) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_exec(mmk_pte_t pte)
{
    return (pte.v & MMK_RISCV_EXEC) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_dirty(mmk_pte_t pte)
{
    return (pte.v & MMK_RISCV_DIRTY) != 0;
}

/* A present leaf whose frame is not accounted: no reference, no mapcount, no RSS. */
MMK_ALWAYS_INLINE bool mmk_pte_special(mmk_pte_t pte)
{
    return (pte.v & MMK_RISCV_SPECIAL) != 0;
}

/* A present leaf that is not special. One comparison for those that hardware may use. */
MMK_ALWAYS_INLINE bool mmk_pte_normal(mmk_pte_t pte)
{
    uint64_t bits = pte.v & (MMK_RISCV_VALID | MMK_RISCV_PROTNONE | MMK_RISCV_SPECIAL);

    return mmk_likely((bits & ~MMK_RISCV_PROTNONE) == MMK_RISCV_VALID) ||
           bits == MMK_RISCV_PROTNONE;
}

/* A marker that turns every access into a SEGV. Maps no frame; is not none. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkguard(void)
{
    mmk_pte_t pte = {MMK_RISCV_GUARD};

    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_guard(mmk_pte_t pte)
{
    return pte.v == mmk_pte_mkguard().v;
}

/* => present */
MMK_ALWAYS_INLINE mmk_pfn_t mmk_pte_pfn(mmk_pte_t pte)
{
    return (pte.v & MMK_RISCV_FRAME) >> MMK_RISCV_FRAME_AT;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_wrprotect(mmk_pte_t pte)
{
    pte.v &= ~MMK_RISCV_WRITE;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkwrite(mmk_pte_t pte)
{
    pte.v |= MMK_RISCV_WRITE;
    return pte;
}

/* Clean: as if nobody had stored to it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkclean(mmk_pte_t pte)
{
    pte.v &= ~MMK_RISCV_DIRTY;
    return pte;
}

/* Clean and old: as if nobody had used it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkold_clean(mmk_pte_t pte)
{
    pte.v &= ~(MMK_RISCV_DIRTY | MMK_RISCV_ACCESSED);
    return pte;
}

/*
 * Has what the access is to leave behind: accessed, and dirty for a write.
 * => present, and allows the access
 */
MMK_ALWAYS_INLINE bool mmk_pte_used(mmk_pte_t pte, bool write)
{
    uint64_t bits = write ? MMK_RISCV_ACCESSED | MMK_RISCV_DIRTY : MMK_RISCV_ACCESSED;

    return (pte.v & bits) == bits;
}

/* => present; for a write, writable */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkused(mmk_pte_t pte, bool write)
{
    pte.v |= write ? MMK_RISCV_ACCESSED | MMK_RISCV_DIRTY : MMK_RISCV_ACCESSED;
    return pte;
}

/* => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkspecial(mmk_pte_t pte)
{
    pte.v |= MMK_RISCV_SPECIAL;
    return pte;
}

/*
 * A leaf for user code that has just faulted: young, readable, executable when `exec`; writable
 * (and dirty: the write follows) when `write`.
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_leaf(mmk_pfn_t pfn, bool write, bool exec)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_RISCV_FRAME_AT | MMK_RISCV_VALID | MMK_RISCV_READ | MMK_RISCV_USER |
            MMK_RISCV_ACCESSED;
    if (write)
        pte.v |= MMK_RISCV_WRITE | MMK_RISCV_DIRTY;
    if (exec)
        pte.v |= MMK_RISCV_EXEC;
    return pte;
}

/*
 * The same frame, special or not, with what a new protection allows; never adds the write
 * permission. Without `access` (PROT_NONE) the entry is not valid to hardware, so that even the
 * kernel's own accesses to user memory fault.
 * => present
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_protect(mmk_pte_t pte, bool access, bool write, bool exec)
{
    pte.v &= ~(MMK_RISCV_VALID | MMK_RISCV_PROTNONE | MMK_RISCV_EXEC);
    pte.v |= access ? MMK_RISCV_VALID : MMK_RISCV_PROTNONE;
    pte.v |= exec ? MMK_RISCV_EXEC : 0;
    if (!write)
        pte.v &= ~MMK_RISCV_WRITE;
    return pte;
}

/* An entry that links a lower table. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_link(mmk_pfn_t pfn)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_RISCV_FRAME_AT | MMK_RISCV_VALID;
    return pte;
}

#endif
