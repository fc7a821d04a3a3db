/* SPDX-License-Identifier: MIT */
/*
 * buddy.c - a node's free blocks: a list for each order.
 *
 * FR1 A block of 2^n frames begins at a frame number that is a multiple of 2^n, and lies within one
 *     range.
 * FR2 The first frame of a free block says FREE and the block's order, and is in that order's list.
 *     Frames inside a block, free or allocated, say FREE and order 0: freeing one by mistake is
 *     noticed. Frames come to say FREE, and cease to, with the node's lock held, and no other but
 *     the first of a block has an order: so with the lock one can tell where blocks begin
 *     (claim.c).
 * FR3 The two halves of a block, its buddies, are never both free: they would have been merged.
 *
 * Locks: the node's, within a per-CPU section, by the caller.
 */
#include "buddy.h"
#include "frame.h"
#include "list.h"

void mmk_buddy_init(struct mmk_frame_node *node)
{
    unsigned order;

    mmk_spin_init(&node->lock);
    for (order = 0; order <= MMK_MAX_ORDER; order++)
        mmk_list_init(&node->free[order]);
    mmk_a64_store(&node->frames_free, 0, MMK_RELAXED);
    mmk_a64_store(&node->frames_total, 0, MMK_RELAXED);
}

/* The block at pfn if it is free and of this order, else NULL. */
static struct mmk_page *free_block(const struct mmk_range *range, mmk_pfn_t pfn, unsigned order)
{
    struct mmk_page *page;
    uint32_t flags;

    if (pfn - range->start >= range->end - range->start)
        return NULL;
    page = &range->map[pfn - range->start];
    flags = mmk_a32_load(&page->flags, MMK_RELAXED);
    if ((flags & (MMK_PF_TYPE | MMK_PF_ORDER)) != mmk_frame_kind(MMK_PAGE_FREE, order))
        return NULL;
    return page;
}

void mmk_buddy_put(struct mmk_frame_node *node, struct mmk_page *page, unsigned order)
{
    mmk_pfn_t pfn = mmk_page_to_pfn(page);
    struct mmk_range *range = mmk_range_of(pfn);
    struct mmk_page *other;

    for (; order < MMK_MAX_ORDER; order++) {
        other = free_block(range, pfn ^ (mmk_pfn_t)1 << order, order);
        if (!other)
            break;
        mmk_list_del(&other->free.link);
        if (other < page) {
            mmk_frame_become(page, MMK_PAGE_FREE, 0);
            page = other;
        } else {
            mmk_frame_become(other, MMK_PAGE_FREE, 0);
        }
        pfn &= ~((mmk_pfn_t)1 << order);
    }
    mmk_frame_become(page, MMK_PAGE_FREE, order);
    mmk_list_add(&node->free[order], &page->free.link);
}

/* The order of the smallest free block of `order` or above; above MMK_MAX_ORDER: none. */
static unsigned smallest_block(const struct mmk_frame_node *node, unsigned order)
    MMK_REQUIRES(node->lock)
{
    while (order <= MMK_MAX_ORDER && mmk_list_empty(&node->free[order]))
        order++;
    return order;
}

struct mmk_page *mmk_buddy_take(struct mmk_frame_node *node, unsigned order,
                                enum mmk_page_type type)
{
    struct mmk_page *page, *half;
    unsigned at = smallest_block(node, order);

    if (at > MMK_MAX_ORDER)
        return NULL;
    page = mmk_list_entry(node->free[at].next, struct mmk_page, free.link);
    mmk_list_del(&page->free.link);
    while (at > order) {
        half = page + ((size_t)1 << --at);
        mmk_frame_become(half, MMK_PAGE_FREE, at);
        mmk_list_add(&node->free[at], &half->free.link);
    }
    mmk_frame_become(page, type, order);
    mmk_buddy_count(node, -((uint64_t)1 << order));
    return page;
}

uint32_t mmk_buddy_take_singles(struct mmk_frame_node *node, struct mmk_page *frame[],
                                uint32_t want)
{
    uint32_t n = 0, i;

    while (n < want) {
        unsigned order = smallest_block(node, 0);
        struct mmk_page *page;

        if (order > MMK_MAX_ORDER)
            break;
        while (((uint32_t)1 << order) > want - n)
            order--;
        page = mmk_buddy_take(node, order, MMK_PAGE_CACHED);
        for (i = 0; i < (uint32_t)1 << order; i++) {
            mmk_frame_become(page + i, MMK_PAGE_CACHED, 0);
            frame[n++] = page + i;
        }
    }
    return n;
}

bool mmk_buddy_is_inside(const struct mmk_range *range, mmk_pfn_t pfn)
{
    unsigned order;

    for (order = 1; order <= MMK_MAX_ORDER; order++) {
        mmk_pfn_t first = pfn & ~(((mmk_pfn_t)1 << order) - 1);

        if (first < range->start)
            return false;
        if (first != pfn && mmk_frame_order(&range->map[first - range->start]) >= order)
            return true;
    }
    return false;
}

bool mmk_buddy_has(const struct mmk_frame_node *node, unsigned order)
{
    return smallest_block(node, order) <= MMK_MAX_ORDER;
}
