/* SPDX-License-Identifier: MIT */
/*
 * pt.h (tiny) - a page-table format that no processor has: three levels of four entries, so 64
 * pages of addresses in all. An entry says what it says on x86-64, but for a bit by which two
 * neighbours are a group, to be cached as one. For tests that try every sequence of operations, and
 * for finding out what else has come to rely on tables of 512 entries.
 */
#ifndef MMK_SRC_ARCH_TINY_PT_H
#define MMK_SRC_ARCH_TINY_PT_H

#include "../x86_64/pte.h"

#ifndef MMK_PT_LEVELS
#define MMK_PT_LEVELS 3
#endif

_Static_assert(MMK_PT_LEVELS == 3, "tiny tables have 3 levels");

#define MMK_PT_INDEX_BITS 2

#define MMK_PT_BREAK_FIRST 0
#define MMK_PT_FLUSH_LEAF  0

#define MMK_PHYS_END ((uint64_t)1 << 52)

/* All addresses are the user's, and nothing is random. */
#define MMK_USER_END        ((uint64_t)1 << (MMK_PT_LEVELS * MMK_PT_INDEX_BITS + MMK_PAGE_SHIFT))
#define MMK_MAP_WINDOW      MMK_USER_END
#define MMK_MAP_RANDOM_BITS 0

/* An entry of a group may not change alone, but for A, nor a group come or go without a flush. */
#define MMK_PT_GROUP 2
#define MMK_TINY_GROUP                                                                             \
    ((uint64_t)1 << 52) /* of a present entry: a marker may say something there */

MMK_ALWAYS_INLINE bool mmk_pte_grouped(mmk_pte_t pte)
{
    return (pte.v & (MMK_TINY_GROUP | MMK_PTE_VALID)) == (MMK_TINY_GROUP | MMK_PTE_VALID);
}

/* One of a group; and back, by itself. => a present leaf */
MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mkgroup(mmk_pte_t pte)
{
    pte.v |= MMK_TINY_GROUP;
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_pte_mksingle(mmk_pte_t pte)
{
    pte.v &= ~MMK_TINY_GROUP;
    return pte;
}

#endif
