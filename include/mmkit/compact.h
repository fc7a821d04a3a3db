/* SPDX-License-Identifier: MIT */
/*
 * compact.h - memory that is free in many places, made to lie together: pages of programs and of
 * objects go to other frames, and nobody notices.
 *
 * An allocation of more than one frame that may sleep, and finds nothing large enough, does it by
 * itself, before it has memory reclaimed (MMK_ALLOC_NORECLAIM: not). So does whoever calls
 * mmk_compact(), in advance: a thread of the embedder's, say, when the machine is idle (Linux:
 * kcompactd, vm.compact_memory).
 *
 * What does not move: page tables, mmkit's small objects, frames of the embedder's; pages that are
 * pinned, or being written back; and what is free, but in the cache of another CPU. What is
 * allocated with MMK_ALLOC_STAYS lies together, and so is seldom in the way (page.h).
 */
#ifndef MMKIT_COMPACT_H
#define MMKIT_COMPACT_H

#include <mmkit/page.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sees to it that a block of 2^order frames is free, which lie together and are aligned to their
 * size. order: 1 to MMK_MAX_ORDER.
 * => 0: there is one, unless others have taken it meanwhile
 * => MMK_EINVAL: order; MMK_ENOMEM: fewer than so many frames are free beyond mmk_config.reserve,
 *    on any node, or something that does not move is in the way wherever it was looked;
 *    MMK_EBUSY: what was in the way is in use at the moment
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_compact(unsigned order);

#ifdef __cplusplus
}
#endif

#endif
