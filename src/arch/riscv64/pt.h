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
 * A marker's bits 5..4 say which kind: 1 = guard, 2 = swapped out, 3 = being split. What it needs
 * to say is in bits 63..10; all other bits are clear.
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
#define MMK_PT_FLUSH_LEAF  1 /* sfence.vma of an address reaches leaf entries only */

/* An entry's value. A struct, so that it does not mix with frame numbers. */
typedef struct {
    uint64_t v;
} mmk_pte_t;

#define MMK_PTE_VALID    ((uint64_t)1 << 0)
#define MMK_RISCV_READ   ((uint64_t)1 << 1)
#define MMK_PTE_WRITE    ((uint64_t)1 << 2)
#define MMK_PTE_EXEC     ((uint64_t)1 << 3)
#define MMK_PTE_NO_EXEC  ((uint64_t)0)
#define MMK_RISCV_USER   ((uint64_t)1 << 4)
#define MMK_PTE_GUARD    ((uint64_t)1 << 4) /* with V clear */
#define MMK_PTE_SWAP     ((uint64_t)2 << 4) /* likewise */
#define MMK_PTE_SPLIT    ((uint64_t)3 << 4) /* likewise */
#define MMK_PTE_KIND     ((uint64_t)3 << 4)
#define MMK_PTE_ACCESSED ((uint64_t)1 << 6)
#define MMK_PTE_DIRTY    ((uint64_t)1 << 7)
#define MMK_PTE_PROTNONE ((uint64_t)1 << 8) /* with V clear */
#define MMK_PTE_SPECIAL  ((uint64_t)1 << 9)
#define MMK_PTE_FRAME_AT 10
#define MMK_PTE_SAYS_AT  10
#define MMK_PTE_FRAME    ((((uint64_t)1 << 44) - 1) << MMK_PTE_FRAME_AT)

/*
 * Has what the access is to leave behind: accessed, and dirty for a write.
 * => present, and allows the access
 */
MMK_ALWAYS_INLINE bool mmk_pte_used(mmk_pte_t pte, bool write)
{
    uint64_t bits = write ? MMK_PTE_ACCESSED | MMK_PTE_DIRTY : MMK_PTE_ACCESSED;

    return (pte.v & bits) == bits;
}

/*
 * A leaf for user code that has just faulted: young, readable, executable when `exec`; writable
 * (and dirty: the write follows) when `write`.
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_leaf(mmk_pfn_t pfn, bool write, bool exec)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PTE_FRAME_AT | MMK_PTE_VALID | MMK_RISCV_READ | MMK_RISCV_USER |
            MMK_PTE_ACCESSED;
    if (write)
        pte.v |= MMK_PTE_WRITE | MMK_PTE_DIRTY;
    if (exec)
        pte.v |= MMK_PTE_EXEC;
    return pte;
}

/* An entry that links a lower table. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_link(mmk_pfn_t pfn)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PTE_FRAME_AT | MMK_PTE_VALID;
    return pte;
}

/* The same, of a larger page above the leaves; and back: nothing tells them apart. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkhuge(mmk_pte_t pte)
{
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksmall(mmk_pte_t pte)
{
    return pte;
}

/* Of an entry above the leaves: links a table; it is neither none nor a larger page. */
MMK_ALWAYS_INLINE bool mmk_pte_links(mmk_pte_t pte)
{
    return (pte.v & (MMK_PTE_VALID | MMK_RISCV_READ | MMK_PTE_WRITE | MMK_PTE_EXEC)) ==
           MMK_PTE_VALID;
}

#endif
