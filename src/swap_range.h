/* SPDX-License-Identifier: MIT */
/*
 * swap_range.h - what a range of addresses has in memory, or in swap, is asked to change places.
 */
#ifndef MMK_SRC_SWAP_RANGE_H
#define MMK_SRC_SWAP_RANGE_H

#include "mm.h"

/*
 * The pages of [start, end) that one entry alone maps go, until mm is killed: to swap, or, if
 * `files`, back to their files. Those that cannot stay.
 * => may sleep; mmap lock held, so that the range keeps its meaning
 */
void mmk_swap_out_range(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, bool files);

/* What [start, end) has in swap is read in, without being mapped. Errors do not count. => as above
 */
void mmk_swap_read_range(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end);

#endif
