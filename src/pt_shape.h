/* SPDX-License-Identifier: MIT */
/*
 * pt_shape.h - the shape of the tables, the same in all formats: which entry of which table an
 * address uses. What an entry says is in pte_shape.h.
 *
 * The format, src/arch/<a>/pt.h on the include path, says how many levels there are and how many
 * bits of an address each uses. Levels count from the leaf: 0 = pte table, 1 = pmd, 2 = pud, 3 and
 * 4 above; the highest is the root. A table is a page, even where its entries do not fill it.
 */
#ifndef MMK_SRC_PT_SHAPE_H
#define MMK_SRC_PT_SHAPE_H

#include "pt.h"

#define MMK_PT_ENTRIES (1u << MMK_PT_INDEX_BITS)

_Static_assert(MMK_PT_ENTRIES * sizeof(mmk_pte_t) <= MMK_PAGE_SIZE, "a table fits a page");
_Static_assert(MMK_PT_ENTRIES <= UINT16_MAX, "`live` counts them: page.h");
_Static_assert(MMK_USER_END - 1 <= UINT64_MAX >> (52 - MMK_PT_LEVELS * MMK_PT_INDEX_BITS),
               "the tables reach all user addresses");
_Static_assert(((uint64_t)1 << MMK_MAP_RANDOM_BITS) <= (MMK_MAP_WINDOW >> MMK_PAGE_SHIFT) / 16,
               "randomness leaves room beside the largest stack: limit.c");
_Static_assert(MMK_MAP_WINDOW <= MMK_USER_END, "what mmk_mmap() chooses is the user's");

/*
 * The levels above the leaves at which an entry may map a larger page: huge.h. mmkit's own frames
 * it maps at the lowest alone; at most one above, and never at the root, those that are others'.
 */
#define MMK_HUGE_LEVEL 1u
#define MMK_HUGE_TOP   (MMK_PT_LEVELS > 3 ? 2u : 1u)
/* Of the lowest: */
#define MMK_HUGE_ORDER MMK_PT_INDEX_BITS /* single pages in it, as a power of two */
#define MMK_HUGE_PAGES MMK_PT_ENTRIES
#define MMK_HUGE_SIZE  ((uint64_t)MMK_PAGE_SIZE << MMK_HUGE_ORDER) /* bytes */

/* Bytes that one entry at `level` covers, as a shift. */
MMK_ALWAYS_INLINE unsigned mmk_pt_shift(unsigned level)
{
    return MMK_PAGE_SHIFT + level * MMK_PT_INDEX_BITS;
}

/* Bytes that one entry, or a whole table, at `level` covers. */
MMK_ALWAYS_INLINE uint64_t mmk_pt_entry_span(unsigned level)
{
    return (uint64_t)1 << mmk_pt_shift(level);
}

MMK_ALWAYS_INLINE uint64_t mmk_pt_table_span(unsigned level)
{
    return mmk_pt_entry_span(level + 1);
}

/* The same in pages, of one entry. */
MMK_ALWAYS_INLINE uint64_t mmk_pt_entry_pages(unsigned level)
{
    return (uint64_t)1 << (level * MMK_PT_INDEX_BITS);
}

/* The first address that the entry at `level` on addr's path covers. */
MMK_ALWAYS_INLINE mmk_vaddr_t mmk_pt_entry_base(mmk_vaddr_t addr, unsigned level)
{
    return addr & ~(mmk_pt_entry_span(level) - 1);
}

/* Which entry of its table at `level` addr uses. */
MMK_ALWAYS_INLINE unsigned mmk_pt_index(mmk_vaddr_t addr, unsigned level)
{
    return (unsigned)(addr >> mmk_pt_shift(level)) & (MMK_PT_ENTRIES - 1);
}

/* How many of a root's entries are the program's: the first; the others may be the kernel's. */
MMK_ALWAYS_INLINE unsigned mmk_pt_user_entries(void)
{
    return mmk_pt_index(MMK_USER_END - 1, MMK_PT_LEVELS - 1) + 1;
}

/* The first address that the table at `level` on addr's path covers. */
MMK_ALWAYS_INLINE mmk_vaddr_t mmk_pt_base(mmk_vaddr_t addr, unsigned level)
{
    return addr & ~(mmk_pt_table_span(level) - 1);
}

#endif
