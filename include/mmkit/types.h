/* SPDX-License-Identifier: MIT */
/*
 * types.h - the scalar types and constants that every other header uses.
 *
 * Needs only the compiler's freestanding headers.
 */
#ifndef MMKIT_TYPES_H
#define MMKIT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t mmk_vaddr_t; /* virtual address of a user address space, in bytes */
typedef uint64_t mmk_paddr_t; /* physical address, in bytes */
typedef uint64_t mmk_pfn_t;   /* physical frame number: mmk_paddr_t >> MMK_PAGE_SHIFT */

#define MMK_PAGE_SHIFT 12
#define MMK_PAGE_SIZE  ((uint64_t)1 << MMK_PAGE_SHIFT)
#define MMK_PAGE_MASK  (~(MMK_PAGE_SIZE - 1))

/* Rounds a byte count or address down, or up, to whole pages. Rounding up may wrap to 0. */
static inline uint64_t mmk_page_down(uint64_t bytes)
{
    return bytes & MMK_PAGE_MASK;
}

static inline uint64_t mmk_page_up(uint64_t bytes)
{
    return (bytes + MMK_PAGE_SIZE - 1) & MMK_PAGE_MASK;
}

static inline uint64_t mmk_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t mmk_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#ifdef __cplusplus
}
#endif

#endif
