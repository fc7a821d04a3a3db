/* SPDX-License-Identifier: MIT */
/*
 * buddy.h - a node's free memory, in blocks of 2^n frames. frame.h is what others use.
 */
#ifndef MMK_SRC_BUDDY_H
#define MMK_SRC_BUDDY_H

#include "page.h"

/* Free blocks are listed apart: those beside frames that were taken to stay. */
enum { MMK_BUDDY_MOVES, MMK_BUDDY_STAYS, MMK_BUDDY_KINDS };

struct MMK_CACHE_ALIGNED mmk_frame_node {
    struct mmk_spinlock lock;
    struct mmk_list free[MMK_MAX_ORDER + 1][MMK_BUDDY_KINDS]; /* F */
    struct mmk_a64 frames_free;                               /* F to write: in the lists */
    struct mmk_a64 frames_total;                              /* F to write */
};

MMK_ALWAYS_INLINE unsigned mmk_frame_order(const struct mmk_page *page)
{
    return (mmk_a32_load(&page->flags, MMK_RELAXED) & MMK_PF_ORDER) >> MMK_PF_ORDER_AT;
}

/* Type and order as the flag word holds them. */
MMK_ALWAYS_INLINE uint32_t mmk_frame_kind(enum mmk_page_type type, unsigned order)
{
    return (uint32_t)type | order << MMK_PF_ORDER_AT;
}

/* The same of what was taken to stay, or is beside such, or not. */
MMK_ALWAYS_INLINE uint32_t mmk_frame_flags(enum mmk_page_type type, unsigned order, unsigned kind)
{
    return mmk_frame_kind(type, order) | kind * MMK_PF_STAYS;
}

MMK_ALWAYS_INLINE void mmk_frame_become_of(struct mmk_page *page, enum mmk_page_type type,
                                           unsigned order, unsigned kind)
{
    mmk_a32_store(&page->flags, mmk_frame_flags(type, order, kind), MMK_RELAXED);
}

/* Sets type and order, and clears all else. => FR2: the node's lock, to be or to become FREE */
MMK_ALWAYS_INLINE void mmk_frame_become(struct mmk_page *page, enum mmk_page_type type,
                                        unsigned order)
{
    mmk_a32_store(&page->flags, mmk_frame_kind(type, order), MMK_RELAXED);
}

/* What it was taken as. */
MMK_ALWAYS_INLINE unsigned mmk_frame_is_kind(const struct mmk_page *page)
{
    return mmk_page_test(page, MMK_PF_STAYS) ? MMK_BUDDY_STAYS : MMK_BUDDY_MOVES;
}

void mmk_buddy_init(struct mmk_frame_node *node);

/* What is in the lists becomes more by so many frames; less, if that is negative. */
MMK_ALWAYS_INLINE void mmk_buddy_count(struct mmk_frame_node *node, uint64_t more)
    MMK_REQUIRES(node->lock)
{
    uint64_t old = mmk_a64_load(&node->frames_free, MMK_RELAXED);

    mmk_a64_store(&node->frames_free, old + more, MMK_RELAXED);
}

/*
 * Puts a block back, merged with its buddy as often as that is free.
 * => kind: it was taken as
 */
void mmk_buddy_put(struct mmk_frame_node *node, struct mmk_page *page, unsigned order,
                   unsigned kind) MMK_REQUIRES(node->lock);

/* The same of n single frames. */
void mmk_buddy_put_singles(struct mmk_frame_node *node, unsigned kind, struct mmk_page *frame[],
                           uint32_t n) MMK_REQUIRES(node->lock);

/*
 * Takes a block, split from the smallest that is large enough, and gives it its type: before the
 * lock is dropped, or its buddy would merge with it. kind: MMK_BUDDY_STAYS, to stay.
 * => NULL: there is none
 */
struct mmk_page *mmk_buddy_take(struct mmk_frame_node *node, unsigned kind, unsigned order,
                                enum mmk_page_type type) MMK_REQUIRES(node->lock);

/*
 * Single frames, CACHED, by the smallest blocks that there are: the same frames, in the same order,
 * as taking one at a time, without the splitting in between.
 * => how many, up to `want`
 */
uint32_t mmk_buddy_take_singles(struct mmk_frame_node *node, unsigned kind,
                                struct mmk_page *frame[], uint32_t want) MMK_REQUIRES(node->lock);

/* Is the frame in a block, free or not, that begins before it? => false, too, without the lock */
struct mmk_range;
bool mmk_buddy_is_inside(const struct mmk_range *range, mmk_pfn_t pfn);

/* Is there a block of `order` or larger? */
bool mmk_buddy_has(const struct mmk_frame_node *node, unsigned order) MMK_REQUIRES(node->lock);

#endif
