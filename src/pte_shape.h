/* SPDX-License-Identifier: MIT */
/*
 * pte_shape.h - what an entry says, as far as that is the same in all formats: what kind of entry
 * it is, which frame it maps, and what a new protection makes of it.
 *
 *   none       all zero, so that an empty table is a page of zeros
 *   present    VALID or PROTNONE: maps a frame. With SPECIAL that frame is not accounted: it has no
 *              reference for the entry, no mapcount, no RSS; its descriptor, if it has one, is not
 *              looked at
 *   marker     neither, and not zero: maps no frame. One of
 *              guard   every access is a SEGV
 *              swap    a private page's place while the page is out. Says which slot it is in, and
 *                      whether the entry is the only one that needs it (`exclusive`, as of a page)
 *              split   of an entry above the leaves: a larger page is being split into a table
 *                      (huge.h), seen only by who has not locked its own table; or made of one
 *
 * 1 Asked whether it is writable, dirty, or special, a marker says no.
 * 2 Whoever wants a frame number asks mmk_pte_present() first.
 *
 * The accessors are pure; entries in memory are read and changed with pte_entry.h. The bits are the
 * format's, src/arch/<a>/pt.h on the include path:
 *
 *   MMK_PTE_VALID                     hardware may use the entry
 *   MMK_PTE_PROTNONE                  of an entry that is not valid: maps a page that no access may
 *                                     reach
 *   MMK_PTE_SPECIAL                   of one that is present: ignored by hardware
 *   MMK_PTE_KIND                      of a marker: which kind it is
 *   MMK_PTE_GUARD, MMK_PTE_SWAP, MMK_PTE_SPLIT   its values
 *   MMK_PTE_SAYS_AT                   where the MMK_PTE_SAYS_BITS begin that a marker may use
 *   MMK_PTE_FRAME, MMK_PTE_FRAME_AT   where the frame number is
 *   MMK_PTE_EXEC, MMK_PTE_NO_EXEC     either: that it may be executed, or not; the other is 0
 *   MMK_PTE_WRITE, MMK_PTE_DIRTY, MMK_PTE_ACCESSED   where each is one bit. A format in which they
 *                                     are not defines none of the three, and has accessors of its
 *                                     own: aarch64
 *
 *   MMK_PT_GROUP                      so many neighbours may be one translation; with it come
 *                                     mmk_pte_grouped(), _mkgroup(), _mksingle(). Not defined: none
 *
 * How an entry is made, mmk_pte_leaf() and mmk_pte_link(), differs in all of them, as does which
 * entry above the leaves links a table, mmk_pte_links(), what makes it one of a larger page,
 * mmk_pte_mkhuge(), and who sets accessed and dirty, mmk_pte_used().
 */
#ifndef MMK_SRC_PTE_SHAPE_H
#define MMK_SRC_PTE_SHAPE_H

#include "pt.h"

_Static_assert((MMK_PTE_VALID | MMK_PTE_PROTNONE) < MMK_PTE_SPECIAL, "mmk_pte_normal()");
_Static_assert(!(MMK_PTE_KIND & (MMK_PTE_VALID | MMK_PTE_PROTNONE | MMK_PTE_SPECIAL)),
               "a marker is not present, nor special");

/* What a marker says: `exclusive`, and a slot, which names its area as well (swap_area.h). */
#define MMK_PTE_SLOT_BITS 45
#define MMK_PTE_SAYS_BITS (MMK_PTE_SLOT_BITS + 1)
#define MMK_PTE_EXCLUSIVE ((uint64_t)1 << MMK_PTE_SAYS_AT)

_Static_assert(!((((uint64_t)1 << MMK_PTE_SAYS_BITS) - 1) << MMK_PTE_SAYS_AT &
                 (MMK_PTE_KIND | MMK_PTE_VALID | MMK_PTE_PROTNONE | MMK_PTE_SPECIAL)) &&
                   MMK_PTE_SAYS_BITS + MMK_PTE_SAYS_AT <= 64,
               "what a marker says is none of the bits by which it is one");

MMK_ALWAYS_INLINE bool mmk_pte_none(mmk_pte_t pte)
{
    return pte.v == 0;
}

/* Maps a page, whether or not an access may reach it now. */
MMK_ALWAYS_INLINE bool mmk_pte_present(mmk_pte_t pte)
{
    return (pte.v & (MMK_PTE_VALID | MMK_PTE_PROTNONE)) != 0;
}

/* Hardware may use it, cache it, and set its bits. */
MMK_ALWAYS_INLINE bool mmk_pte_accessible(mmk_pte_t pte)
{
    return (pte.v & MMK_PTE_VALID) != 0;
}

/* A present leaf whose frame is not accounted: no reference, no mapcount, no RSS. */
MMK_ALWAYS_INLINE bool mmk_pte_special(mmk_pte_t pte)
{
    return (pte.v & MMK_PTE_SPECIAL) != 0;
}

/* A present leaf that is not special. One comparison: without SPECIAL what is left is less. */
MMK_ALWAYS_INLINE bool mmk_pte_normal(mmk_pte_t pte)
{
    uint64_t bits = pte.v & (MMK_PTE_VALID | MMK_PTE_PROTNONE | MMK_PTE_SPECIAL);

    return bits - 1 < MMK_PTE_SPECIAL - 1;
}

/* A marker that turns every access into a SEGV. Maps no frame; is not none. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkguard(void)
{
    mmk_pte_t pte = {MMK_PTE_GUARD};

    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_guard(mmk_pte_t pte)
{
    return pte.v == MMK_PTE_GUARD;
}

/*
 * A private page is out, in this slot. => slot < 2^MMK_PTE_SLOT_BITS
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkswap(uint64_t slot, bool exclusive)
{
    mmk_pte_t pte = {MMK_PTE_SWAP | slot << (MMK_PTE_SAYS_AT + 1)};

    if (exclusive)
        pte.v |= MMK_PTE_EXCLUSIVE;
    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_swap(mmk_pte_t pte)
{
    return (pte.v & (MMK_PTE_VALID | MMK_PTE_PROTNONE | MMK_PTE_KIND)) == MMK_PTE_SWAP;
}

/* => of a swap entry; as the next two */
MMK_ALWAYS_INLINE uint64_t mmk_pte_slot(mmk_pte_t pte)
{
    return pte.v >> (MMK_PTE_SAYS_AT + 1);
}

MMK_ALWAYS_INLINE bool mmk_pte_swap_exclusive(mmk_pte_t pte)
{
    return (pte.v & MMK_PTE_EXCLUSIVE) != 0;
}

/* No longer the only one that needs the slot. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_swap_share(mmk_pte_t pte)
{
    pte.v &= ~MMK_PTE_EXCLUSIVE;
    return pte;
}

/* Between a larger page and the table that takes its place. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksplit(void)
{
    mmk_pte_t pte = {MMK_PTE_SPLIT};

    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_split(mmk_pte_t pte)
{
    return pte.v == MMK_PTE_SPLIT;
}

/* The other way, which takes longer: no lock is held meanwhile that spins (collapse.c). */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkcollapse(void)
{
    mmk_pte_t pte = {MMK_PTE_SPLIT | (uint64_t)1 << MMK_PTE_SAYS_AT};

    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_collapse(mmk_pte_t pte)
{
    return pte.v == mmk_pte_mkcollapse().v;
}

/* Of an entry above the leaves: maps a larger page. */
MMK_ALWAYS_INLINE bool mmk_pte_huge(mmk_pte_t pte)
{
    return mmk_pte_present(pte) && !mmk_pte_links(pte);
}

/*
 * A marker that is no guard: there is a private page behind it, which no entry maps now, and which
 * a fault brings back.
 */
MMK_ALWAYS_INLINE bool mmk_pte_away(mmk_pte_t pte)
{
    return !mmk_pte_present(pte) && !mmk_pte_none(pte) && !mmk_pte_guard(pte);
}

/* => present */
MMK_ALWAYS_INLINE mmk_pfn_t mmk_pte_pfn(mmk_pte_t pte)
{
    return (pte.v & MMK_PTE_FRAME) >> MMK_PTE_FRAME_AT;
}

/* The same entry for another frame. => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_to_frame(mmk_pte_t pte, mmk_pfn_t pfn)
{
    pte.v = (pte.v & ~MMK_PTE_FRAME) | pfn << MMK_PTE_FRAME_AT;
    return pte;
}

/* Of a larger page: the leaf entry of the i-th page in it. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_piece(mmk_pte_t pte, uint64_t i)
{
    return mmk_pte_to_frame(mmk_pte_mksmall(pte), mmk_pte_pfn(pte) + i);
}

/* => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkspecial(mmk_pte_t pte)
{
    pte.v |= MMK_PTE_SPECIAL;
    return pte;
}

MMK_ALWAYS_INLINE bool mmk_pte_exec(mmk_pte_t pte)
{
    return (pte.v & (MMK_PTE_EXEC | MMK_PTE_NO_EXEC)) == MMK_PTE_EXEC;
}

/* --- writable, dirty, accessed: where each is one bit ---------------------------------------- */

#ifdef MMK_PTE_DIRTY

MMK_ALWAYS_INLINE bool mmk_pte_write(mmk_pte_t pte)
{
    return (pte.v & MMK_PTE_WRITE) != 0;
}

MMK_ALWAYS_INLINE bool mmk_pte_dirty(mmk_pte_t pte)
{
    return (pte.v & MMK_PTE_DIRTY) != 0;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_wrprotect(mmk_pte_t pte)
{
    pte.v &= ~MMK_PTE_WRITE;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkwrite(mmk_pte_t pte)
{
    pte.v |= MMK_PTE_WRITE;
    return pte;
}

/* As if somebody had stored to it, writable or not. => present */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkdirty(mmk_pte_t pte)
{
    pte.v |= MMK_PTE_DIRTY;
    return pte;
}

/* Clean: as if nobody had stored to it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkclean(mmk_pte_t pte)
{
    pte.v &= ~MMK_PTE_DIRTY;
    return pte;
}

/* Clean and old: as if nobody had used it since. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkold_clean(mmk_pte_t pte)
{
    pte.v &= ~(MMK_PTE_DIRTY | MMK_PTE_ACCESSED);
    return pte;
}

/* Old: as if nobody had used it since; dirty stays dirty. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkold(mmk_pte_t pte)
{
    pte.v &= ~MMK_PTE_ACCESSED;
    return pte;
}

/* => present; for a write, writable */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkused(mmk_pte_t pte, bool write)
{
    pte.v |= write ? MMK_PTE_ACCESSED | MMK_PTE_DIRTY : MMK_PTE_ACCESSED;
    return pte;
}

#endif

/* --- protection ------------------------------------------------------------------------------ */

/*
 * The same frame, special or not, with what a new protection allows; never adds the write
 * permission. Without `access` (PROT_NONE) the entry is not valid to hardware, so that even the
 * kernel's own accesses to user memory fault.
 * => present
 */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_protect(mmk_pte_t pte, bool access, bool write, bool exec)
{
    pte.v &= ~(MMK_PTE_VALID | MMK_PTE_PROTNONE | MMK_PTE_EXEC | MMK_PTE_NO_EXEC);
    pte.v |= access ? MMK_PTE_VALID : MMK_PTE_PROTNONE;
    pte.v |= exec ? MMK_PTE_EXEC : MMK_PTE_NO_EXEC;
    return write ? pte : mmk_pte_wrprotect(pte);
}

/* --- groups ---------------------------------------------------------------------------------- */

/* Hardware may cache so many neighbours in one translation, where their entries say so. */
#ifndef MMK_PT_GROUP
#define MMK_PT_GROUP 1

MMK_ALWAYS_INLINE bool mmk_pte_grouped(mmk_pte_t pte)
{
    (void)pte;
    return false;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkgroup(mmk_pte_t pte)
{
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksingle(mmk_pte_t pte)
{
    return pte;
}
#endif

#endif
