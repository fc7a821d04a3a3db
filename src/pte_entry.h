/* SPDX-License-Identifier: MIT */
/*
 * pte_entry.h - entries in memory: every access to a table's words goes through here.
 *
 * Hardware sets accessed and dirty bits at any moment, so an entry that is present changes only by
 * exchange or compare-exchange (P13). A new entry is published with release order: whoever finds
 * it finds what it points at, filled.
 */
#ifndef MMK_SRC_PTE_ENTRY_H
#define MMK_SRC_PTE_ENTRY_H

#include "frame.h"
#include <mmkit/port/atomic.h>
#include "planted.h"
#include "pt_shape.h"
#include "pte_shape.h"

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_read(const struct mmk_a64 *entry)
{
    mmk_pte_t pte = {mmk_a64_load(entry, MMK_ACQUIRE)};

    return pte;
}

/* Sets an entry that is none. => the table's lock held, or the table is private */
MMK_ALWAYS_INLINE void mmk_pte_set(struct mmk_a64 *entry, mmk_pte_t pte)
{
    mmk_a64_store(entry, pte.v, MMK_RELEASE);
}

/*
 * Makes it none, and tells what it was, the bits that hardware set last included. Relaxed: that an
 * entry is none counts only under the table's lock (P1), and the flush orders the rest.
 */
MMK_MUST_CHECK MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_take(struct mmk_a64 *entry)
{
    mmk_pte_t pte = {mmk_a64_xchg(entry, 0, MMK_RELAXED)};

    mmk_assert(!mmk_pte_grouped(pte), "PG2 no entry of a group changes alone");
    return pte;
}

/* The same of one of a group of which all are taken, or none may be used (pte_group.h). */
MMK_MUST_CHECK MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_take_grouped(struct mmk_a64 *entry)
{
    mmk_pte_t pte = {mmk_a64_xchg(entry, 0, MMK_RELAXED)};

    return pte;
}

/* Makes it another, and tells what it was: as above, where it is not to be none in between. */
MMK_MUST_CHECK MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_exchange(struct mmk_a64 *entry, mmk_pte_t pte)
{
    mmk_pte_t old = {mmk_a64_xchg(entry, pte.v, MMK_RELAXED)};

    return old;
}

/*
 * From *old to pte; false with *old renewed when hardware was first. Release: who may write now
 * does so after those have read who had to let go first (fault_cow.c).
 */
MMK_MUST_CHECK MMK_ALWAYS_INLINE bool mmk_pte_change(struct mmk_a64 *entry, mmk_pte_t *old,
                                                     mmk_pte_t pte)
{
    mmk_assert(!mmk_pte_grouped(*old) || mmk_pte_mkold(*old).v == mmk_pte_mkold(pte).v,
               "PG2 no entry of a group changes alone");
    if (MMK_MISTAKE(CHANGE_BY_STORE)) {
        mmk_pte_set(entry, pte);
        return true;
    }
    return mmk_a64_cmpxchg(entry, &old->v, pte.v, MMK_RELEASE);
}

/*
 * The page that a leaf entry maps and is counted in; NULL: the entry maps none, or a special frame
 * (vm_normal_page of Linux).
 */
MMK_ALWAYS_INLINE struct mmk_page *mmk_pte_page(mmk_pte_t pte)
{
    return mmk_likely(mmk_pte_normal(pte)) ? mmk_pfn_to_page(mmk_pte_pfn(pte)) : NULL;
}

/*
 * Makes it none where nobody asks what hardware has set: a marker, a link to a table, a page that
 * is not written back.
 */
MMK_ALWAYS_INLINE void mmk_pte_drop(struct mmk_a64 *entry)
{
    mmk_pte_t old = mmk_pte_take(entry);
    const struct mmk_page *page = mmk_pte_dirty(old) ? mmk_pte_page(old) : NULL;

    mmk_assert(!page || mmk_page_type(page) != MMK_PAGE_OBJECT,
               "P13 what hardware has set for an object's page is looked at");
}

/* The entries of a table; the table that an entry links, and that one's entries. */
MMK_ALWAYS_INLINE struct mmk_a64 *mmk_table_entries(const struct mmk_page *table)
{
    return (struct mmk_a64 *)mmk_page_virt(table);
}

MMK_ALWAYS_INLINE struct mmk_page *mmk_pte_table(mmk_pte_t pte)
{
    return mmk_pfn_to_page(mmk_pte_pfn(pte));
}

MMK_ALWAYS_INLINE struct mmk_a64 *mmk_pte_entries(mmk_pte_t pte)
{
    return (struct mmk_a64 *)mmk_phys_to_virt(mmk_pte_pfn(pte) << MMK_PAGE_SHIFT);
}

#endif
