/* SPDX-License-Identifier: MIT */
/*
 * pte.h (x86-64) - what an entry of a page table says, described once. Intel SDM volume 3,
 * chapter 4.5 (4-level and 5-level paging).
 *
 *   63 62      52 51                        12 11    9 8   7  6  5  4   3   2   1   0
 *   NX  ignored    frame number                ignored G  PS  D  A PCD PWT U/S R/W  P
 *
 * Of a leaf that is present SPECIAL is bit 9. A marker's bits 4..3 say which kind: 1 = guard,
 * 2 = swapped out, 3 = being split. What it needs to say is in bits 63..10; all other bits are
 * clear.
 */
#ifndef MMK_SRC_ARCH_X86_64_PTE_H
#define MMK_SRC_ARCH_X86_64_PTE_H

#include <mmkit/port/annotate.h>

/* An entry's value. A struct, so that it does not mix with frame numbers. */
typedef struct {
    uint64_t v;
} mmk_pte_t;

#define MMK_PTE_VALID    ((uint64_t)1 << 0) /* P */
#define MMK_PTE_WRITE    ((uint64_t)1 << 1)
#define MMK_X86_USER     ((uint64_t)1 << 2)
#define MMK_PTE_GUARD    ((uint64_t)1 << 3) /* with P clear */
#define MMK_PTE_SWAP     ((uint64_t)2 << 3) /* likewise */
#define MMK_PTE_SPLIT    ((uint64_t)3 << 3) /* likewise */
#define MMK_PTE_KIND     ((uint64_t)3 << 3)
#define MMK_PTE_ACCESSED ((uint64_t)1 << 5)
#define MMK_PTE_DIRTY    ((uint64_t)1 << 6)
#define MMK_X86_LARGE    ((uint64_t)1 << 7) /* PS, above the leaves */
#define MMK_PTE_PROTNONE ((uint64_t)1 << 8) /* with P clear */
#define MMK_PTE_SPECIAL  ((uint64_t)1 << 9)
#define MMK_PTE_FRAME    ((((uint64_t)1 << 52) - 1) & MMK_PAGE_MASK)
#define MMK_PTE_FRAME_AT MMK_PAGE_SHIFT
#define MMK_PTE_SAYS_AT  10
#define MMK_PTE_EXEC     ((uint64_t)0)
#define MMK_PTE_NO_EXEC  ((uint64_t)1 << 63)

/*
 * Has what the access is to leave behind: accessed, and dirty for a write; or hardware sees to it,
 * always.
 * => present, and allows the access
 */
MMK_ALWAYS_INLINE bool mmk_pte_used(mmk_pte_t pte, bool write)
{
    (void)pte;
    (void)write;
    return true;
}

/*
 * A leaf for user code that has just faulted: young, readable, executable when `exec`; writable
 * (and dirty: the write follows) when `write`.
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_leaf(mmk_pfn_t pfn, bool write, bool exec)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PTE_FRAME_AT | MMK_PTE_VALID | MMK_X86_USER | MMK_PTE_ACCESSED;
    if (write)
        pte.v |= MMK_PTE_WRITE | MMK_PTE_DIRTY;
    if (!exec)
        pte.v |= MMK_PTE_NO_EXEC;
    return pte;
}

/* An entry that links a lower table: permissions are the leaf's business. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_link(mmk_pfn_t pfn)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PTE_FRAME_AT | MMK_PTE_VALID | MMK_PTE_WRITE | MMK_X86_USER;
    return pte;
}

/* The same, of a larger page above the leaves; and back. => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkhuge(mmk_pte_t pte)
{
    pte.v |= MMK_X86_LARGE;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksmall(mmk_pte_t pte)
{
    pte.v &= ~MMK_X86_LARGE;
    return pte;
}

/* Of an entry above the leaves: links a table; it is neither none nor a larger page. */
MMK_ALWAYS_INLINE bool mmk_pte_links(mmk_pte_t pte)
{
    return (pte.v & (MMK_PTE_VALID | MMK_X86_LARGE)) == MMK_PTE_VALID;
}

#endif
