/* SPDX-License-Identifier: MIT */
/*
 * pt.h (tiny) - a page-table format that no processor has: three levels of four entries, so 64
 * pages of addresses in all. An entry says what it says on x86-64. For tests that try every
 * sequence of operations, and for finding out what else has come to rely on tables of 512 entries.
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

#endif
