/* SPDX-License-Identifier: MIT */
/*
 * pte.h (x86-64) - what an entry of a page table says, described once. Intel SDM volume 3,
 * chapter 4.5 (4-level and 5-level paging).
 *
 *   63 62      52 51                        12 11    9 8   7  6  5  4   3   2   1   0
 *   NX  ignored    frame number                ignored G  PS  D  A PCD PWT U/S R/W  P
 *
 * The accessors are pure; entries in memory are read and changed with pte_entry.h.
 *
 * What a leaf entry is:
 *
 *   none       all zero, so that an empty table is a page of zeros
 *   present    P or PROTNONE: maps the frame in bits 51..12. With SPECIAL that frame is not
 *              accounted: it has no reference for the entry, no mapcount, no RSS; its descriptor,
 *              if it has one, is not looked at
 *   marker     neither, and not zero: maps no frame. Bits 4..3 say which kind: 1 = guard, the
 *              others are free (swap, an entry on the move), as are bits 63..9 for what they need
 *
 * A marker has bits 1, 2, 5, 6, 8 and 9 clear: asked whether it is writable, dirty, or special, it
 * says no. Whoever wants a frame number asks mmk_pte_present() first.
 */
#ifndef MMK_SRC_ARCH_X86_64_PTE_H
#define MMK_SRC_ARCH_X86_64_PTE_H

#include <mmkit/port/annotate.h>

/* An entry's value. A struct, so that it does not mix with frame numbers. */
typedef struct {
    uint64_t v;
} mmk_pte_t;

#define MMK_X86_PRESENT  ((uint64_t)1 << 0)
#define MMK_X86_WRITE    ((uint64_t)1 << 1)
#define MMK_X86_USER     ((uint64_t)1 << 2)
#define MMK_X86_ACCESSED ((uint64_t)1 << 5)
#define MMK_X86_DIRTY    ((uint64_t)1 << 6)
/* With P clear: maps a page that no access may reach. */
#define MMK_X86_PROTNONE ((uint64_t)1 << 8)
/* Of a leaf that is present: ignored by hardware. */
#define MMK_X86_SPECIAL ((uint64_t)1 << 9)
#define MMK_X86_GUARD   ((uint64_t)1 << 3)
#define MMK_X86_NX      ((uint64_t)1 << 63)
#define MMK_X86_FRAME   ((((uint64_t)1 << 52) - 1) & MMK_PAGE_MASK)

MMK_ALWAYS_INLINE bool mmk_pte_none(mmk_pte_t pte)
{
    return pte.v == 0;
}

/* Maps a page, whether or not an access may reach it now. */
MMK_ALWAYS_INLINE bool mmk_pte_present(mmk_pte_t pte)
{
    return (pte.v & (MMK_X86_PRESENT | MMK_X86_PROTNONE)) != 0;
}

/* Hardware may use it, cache it, and set its bits. */
MMK_ALWAYS_INLINE bool mmk_pte_accessible(mmk_pte_t pte)
{
    return (pte.v & MMK_X86_PRESENT) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_write(mmk_pte_t pte)
{
    return (pte.v & MMK_X86_WRITE) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_exec(mmk_pte_t pte)
{
    return (pte.v & MMK_X86_NX) == 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_dirty(mmk_pte_t pte)
{
    return (pte.v & MMK_X86_DIRTY) != 0;
}

/* A present leaf whose frame is not accounted: no reference, no mapcount, no RSS. */
MMK_ALWAYS_INLINE bool mmk_pte_special(mmk_pte_t pte)
{
    return (pte.v & MMK_X86_SPECIAL) != 0;
}

/* A present leaf that is not special. One comparison: without SPECIAL what is left is less. */
MMK_ALWAYS_INLINE bool mmk_pte_normal(mmk_pte_t pte)
{
    uint64_t bits = pte.v & (MMK_X86_PRESENT | MMK_X86_PROTNONE | MMK_X86_SPECIAL);

    return bits - 1 < MMK_X86_SPECIAL - 1;
}

/* A marker that turns every access into a SEGV. Maps no frame; is not none. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkguard(void)
{
    mmk_pte_t pte = {MMK_X86_GUARD};

    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_guard(mmk_pte_t pte)
{
    return pte.v == mmk_pte_mkguard().v;
}

/* => present */
MMK_ALWAYS_INLINE mmk_pfn_t mmk_pte_pfn(mmk_pte_t pte)
{
    return (pte.v & MMK_X86_FRAME) >> MMK_PAGE_SHIFT;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_wrprotect(mmk_pte_t pte)
{
    pte.v &= ~MMK_X86_WRITE;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkwrite(mmk_pte_t pte)
{
    pte.v |= MMK_X86_WRITE;
    return pte;
}

/* Clean: as if nobody had stored to it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkclean(mmk_pte_t pte)
{
    pte.v &= ~MMK_X86_DIRTY;
    return pte;
}

/* Clean and old: as if nobody had used it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkold_clean(mmk_pte_t pte)
{
    pte.v &= ~(MMK_X86_DIRTY | MMK_X86_ACCESSED);
    return pte;
}

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

/* => present; for a write, writable */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkused(mmk_pte_t pte, bool write)
{
    pte.v |= write ? MMK_X86_ACCESSED | MMK_X86_DIRTY : MMK_X86_ACCESSED;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkspecial(mmk_pte_t pte)
{
    pte.v |= MMK_X86_SPECIAL;
    return pte;
}

/*
 * A leaf for user code that has just faulted: young, readable, executable when `exec`; writable
 * (and dirty: the write follows) when `write`.
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_leaf(mmk_pfn_t pfn, bool write, bool exec)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PAGE_SHIFT | MMK_X86_PRESENT | MMK_X86_USER | MMK_X86_ACCESSED;
    if (write)
        pte.v |= MMK_X86_WRITE | MMK_X86_DIRTY;
    if (!exec)
        pte.v |= MMK_X86_NX;
    return pte;
}

/*
 * The same frame, special or not, with what a new protection allows; never adds the write
 * permission. Without `access` (PROT_NONE) the entry is not present to hardware, so that even the
 * kernel's own accesses to user memory fault.
 * => present
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_protect(mmk_pte_t pte, bool access, bool write, bool exec)
{
    pte.v &= ~(MMK_X86_PRESENT | MMK_X86_PROTNONE | MMK_X86_NX);
    pte.v |= access ? MMK_X86_PRESENT : MMK_X86_PROTNONE;
    pte.v |= exec ? 0 : MMK_X86_NX;
    if (!write)
        pte.v &= ~MMK_X86_WRITE;
    return pte;
}

/* An entry that links a lower table: permissions are the leaf's business. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_link(mmk_pfn_t pfn)
{
    mmk_pte_t pte;

    pte.v = pfn << MMK_PAGE_SHIFT | MMK_X86_PRESENT | MMK_X86_WRITE | MMK_X86_USER;
    return pte;
}

#endif
