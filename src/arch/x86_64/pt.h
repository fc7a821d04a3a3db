/* SPDX-License-Identifier: MIT */
/*
 * pt.h (x86-64) - the page-table format: four or five levels (CR4.LA57) of 512 entries. What an
 * entry says is in pte.h.
 */
#ifndef MMK_SRC_ARCH_X86_64_PT_H
#define MMK_SRC_ARCH_X86_64_PT_H

#include "pte.h"

#ifndef MMK_PT_LEVELS
#define MMK_PT_LEVELS 4
#endif

_Static_assert(MMK_PT_LEVELS == 4 || MMK_PT_LEVELS == 5, "x86-64 has 4 or 5 levels");

#define MMK_PT_INDEX_BITS 9

/* A frame, or table, may be set where another was without a flush in between. */
#define MMK_PT_BREAK_FIRST 0
#define MMK_PT_FLUSH_LEAF  0

/* The user half: the last page below the canonical hole stays unmapped, as on Linux. */
#define MMK_USER_END (((uint64_t)1 << (MMK_PT_LEVELS * MMK_PT_INDEX_BITS + 11)) - MMK_PAGE_SIZE)

/* Mappings go above this only when asked to: programs keep tags in the high bits of pointers. */
#define MMK_MAP_WINDOW (((uint64_t)1 << 47) - MMK_PAGE_SIZE)

/* Physical addresses that an entry can hold lie below. */
#define MMK_PHYS_END ((uint64_t)1 << 52)

/* mmk_mmap() starts below a random distance of up to 2^28 pages, as on Linux. */
#define MMK_MAP_RANDOM_BITS 28

#endif
