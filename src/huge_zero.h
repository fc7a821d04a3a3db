/* SPDX-License-Identifier: MIT */
/*
 * huge_zero.h - the block of zeros that answers reads of untouched memory, a larger page at once.
 *
 * HZ1 Its frames are as the zero page's (P18): no rmap, no references, no RSS, charged to nobody.
 *     Entries that map it are special, above the leaves, and never writable, nor dirty: so they are
 *     told from those of frames that are not mmkit's (HG1). Split, one becomes entries of the zero
 *     page itself.
 * HZ2 An address space has a share of the block from before its first such entry to after its last,
 *     when all of its memory has gone. There is at most one block; without shares it is freed when
 *     memory is short.
 *
 * A share is taken once, so faults that read write no line that all address spaces have in common.
 * Rejected: a share for each entry. It would free the block a little earlier, for that.
 */
#ifndef MMK_SRC_HUGE_ZERO_H
#define MMK_SRC_HUGE_ZERO_H

#include "mm.h"
#include "planted.h"
#include "pte_shape.h"

/* Of a larger page's entry: it is one of zeros, with frames that are nobody's. */
MMK_ALWAYS_INLINE bool mmk_pte_huge_zero(mmk_pte_t pte)
{
    return mmk_pte_special(pte) && (!mmk_pte_dirty(pte) || MMK_MISTAKE(FRAMES_AS_ZEROS));
}

/*
 * The block's first frame, of which mm has a share from now on.
 * => NULL: there is none, and no block is free; does not sleep; no spin lock held
 */
struct mmk_page *mmk_huge_zero_get(struct mmk_mm *mm);

/* mm is torn down: no entry is left. => as above */
void mmk_huge_zero_put(struct mmk_mm *mm);

/* Frees the block unless somebody has a share. => how many frames became free; as above */
uint64_t mmk_huge_zero_shrink(void);

/* Does mm have a share, and is this the block? => nothing else runs in mm */
bool mmk_huge_zero_is(const struct mmk_mm *mm, mmk_pfn_t pfn);

void mmk_huge_zero_init(void);

#endif
