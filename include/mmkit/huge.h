/* SPDX-License-Identifier: MIT */
/*
 * huge.h - larger pages, made of small ones in the background (Linux: khugepaged).
 */
#ifndef MMKIT_HUGE_H
#define MMKIT_HUGE_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Looks for leaf tables of private anonymous memory that are filled by half at least, where the
 * policy wants larger pages, and has larger pages take their places: their pages are copied to a
 * block, if one is free, or stay where they are if that is one already. Those that have pages in
 * swap stay. Goes over so many tables, from where the last call has stopped, round and round. For a
 * thread of the embedder's that has time.
 * => how many larger pages it has made; 0 also when mm was killed
 * => may sleep; no locks held; takes the address space's lock for writing
 */
uint64_t mmk_collapse(struct mmk_mm *mm, uint64_t tables);

#ifdef __cplusplus
}
#endif

#endif
