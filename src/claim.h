/* SPDX-License-Identifier: MIT */
/*
 * claim.h - all frames of an aligned block for one who wants them to lie together (compact.c): what
 * is free there at once, the others as their users let go of them.
 *
 *     begin -> take_free, put, ... -> whole: hand_out, or give_back
 */
#ifndef MMK_SRC_CLAIM_H
#define MMK_SRC_CLAIM_H

#include "frame.h"

/* Its owner's alone, on his stack: no locks. */
struct mmk_claim {
    struct mmk_range *range;
    mmk_pfn_t start; /* of the block of 2^order frames, which lies within the range */
    unsigned order;
    uint64_t frames;        /* that are the claim's */
    struct mmk_list blocks; /* of these: free.link */
};

void mmk_claim_begin(struct mmk_claim *claim, struct mmk_range *range, mmk_pfn_t start,
                     unsigned order);

/* Takes what is free in the block: listed, or in this CPU's cache. => any context but interrupts */
void mmk_claim_take_free(struct mmk_claim *claim);

/*
 * A frame outside the block, of its node, for what is in the block to go to; as mmk_page_alloc().
 * => with a reference; NULL: none that is free, beyond the reserve
 */
struct mmk_page *mmk_claim_elsewhere(struct mmk_claim *claim);

/*
 * mmk_page_put() of a single frame in the block, for the claim to have it if that was the last
 * reference.
 * => false: somebody else has one, and will free it
 */
bool mmk_claim_put(struct mmk_claim *claim, struct mmk_page *page);

/* Are all frames of the block the claim's? */
MMK_ALWAYS_INLINE bool mmk_claim_is_whole(const struct mmk_claim *claim)
{
    return claim->frames == (uint64_t)1 << claim->order;
}

/* => the block, as the frame allocator takes them: PLAIN, no references. The claim has ended */
struct mmk_page *mmk_claim_hand_out(struct mmk_claim *claim);

/* All that the claim has becomes free. It has ended. */
void mmk_claim_give_back(struct mmk_claim *claim);

#endif
