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
 * FR8 What was taken to stay says STAYS until it is freed. Its remains are listed apart, and those
 * of what it was split from, as long as they are less than a GROUP: frames that stay come from
 *     there, others only when nothing else is left. So they come to lie in few groups of frames,
 *     and all other groups may become free (compact.c). It is no more than likely: who has nothing
 *     left takes anything.
 *
 * Locks: the node's, within a per-CPU section, by the caller.
 */
#include "buddy.h"
#include "frame.h"
#include "list.h"

#define GROUP 9 /* order: what a block of most use has */

void mmk_buddy_init(struct mmk_frame_node *node)
{
    unsigned order;

    mmk_spin_init(&node->lock);
    for (order = 0; order <= MMK_MAX_ORDER; order++) {
        mmk_list_init(&node->free[order][MMK_BUDDY_MOVES]);
        mmk_list_init(&node->free[order][MMK_BUDDY_STAYS]);
    }
    mmk_a64_store(&node->frames_free, 0, MMK_RELAXED);
    mmk_a64_store(&node->frames_total, 0, MMK_RELAXED);
}

/* A block is free. => not counted */
MMK_ALWAYS_INLINE void list_block(struct mmk_frame_node *node, struct mmk_page *page,
                                  unsigned order, unsigned kind) MMK_REQUIRES(node->lock)
{
    if (order >= GROUP)
        kind = MMK_BUDDY_MOVES;
    mmk_frame_become_of(page, MMK_PAGE_FREE, order, kind);
    mmk_list_add(&node->free[order][kind], &page->free.link);
}

/* => not counted */
MMK_ALWAYS_INLINE void put(struct mmk_frame_node *node, struct mmk_page *page, unsigned order,
                           unsigned kind) MMK_REQUIRES(node->lock)
{
    mmk_pfn_t pfn = mmk_page_to_pfn(page), at;
    const struct mmk_range *range = mmk_range_of(pfn);
    const mmk_pfn_t start = range->start, frames = range->end - start;
    struct mmk_page *const map = range->map;
    struct mmk_page *other;
    uint32_t flags, merged = 0; /* flags of what it has merged with */

    for (; order < MMK_MAX_ORDER; order++) {
        at = (pfn ^ (mmk_pfn_t)1 << order) - start;
        if (at >= frames)
            break;
        other = &map[at];
        flags = mmk_a32_load(&other->flags, MMK_RELAXED);
        if ((flags & (MMK_PF_TYPE | MMK_PF_ORDER)) != mmk_frame_kind(MMK_PAGE_FREE, order))
            break;
        mmk_list_del(&other->free.link);
        merged |= flags;
        if (other < page) {
            mmk_frame_become(page, MMK_PAGE_FREE, 0);
            page = other;
        } else {
            mmk_frame_become(other, MMK_PAGE_FREE, 0);
        }
        pfn &= ~((mmk_pfn_t)1 << order);
    }
    list_block(node, page, order, merged & MMK_PF_STAYS ? MMK_BUDDY_STAYS : kind);
}

void mmk_buddy_put(struct mmk_frame_node *node, struct mmk_page *page, unsigned order,
                   unsigned kind)
{
    put(node, page, order, kind);
    mmk_buddy_count(node, (uint64_t)1 << order);
}

void mmk_buddy_put_singles(struct mmk_frame_node *node, unsigned kind, struct mmk_page *frame[],
                           uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        put(node, frame[i], 0, kind);
    mmk_buddy_count(node, n);
}

/* The order of the smallest free block of `order` or above; above MMK_MAX_ORDER: none. */
static unsigned smallest_of(const struct mmk_frame_node *node, unsigned kind, unsigned order)
    MMK_REQUIRES(node->lock)
{
    while (order <= MMK_MAX_ORDER && mmk_list_empty(&node->free[order][kind]))
        order++;
    return order;
}

/*
 * FR8: the order of the block to take from. Where there is nothing left for what is to stay, a new
 * group is broken up, or the largest that there is.
 * => *from: where it is. Above MMK_MAX_ORDER: there is none
 */
static unsigned find_block(const struct mmk_frame_node *node, unsigned kind, unsigned order,
                           unsigned *from) MMK_REQUIRES(node->lock)
{
    unsigned at = smallest_of(node, kind, order);

    *from = kind;
    if (mmk_likely(at <= MMK_MAX_ORDER))
        return at;
    *from = MMK_BUDDY_KINDS - 1 - kind;
    if (kind == MMK_BUDDY_MOVES)
        return smallest_of(node, *from, order);
    at = smallest_of(node, *from, order < GROUP ? GROUP : order);
    if (at <= MMK_MAX_ORDER)
        return at;
    for (at = GROUP; at-- > order;)
        if (!mmk_list_empty(&node->free[at][*from]))
            return at;
    return MMK_MAX_ORDER + 1;
}

/* => the first block of order `at` in the lists `from`, now of `order`; it has no type yet */
static struct mmk_page *split(struct mmk_frame_node *node, unsigned from, unsigned at,
                              unsigned order, unsigned kind) MMK_REQUIRES(node->lock)
{
    struct mmk_page *page = mmk_list_entry(node->free[at][from].next, struct mmk_page, free.link);

    mmk_list_del(&page->free.link);
    while (at > order) {
        at--;
        list_block(node, page + ((size_t)1 << at), at, kind | from);
    }
    mmk_buddy_count(node, -((uint64_t)1 << order));
    return page;
}

struct mmk_page *mmk_buddy_take(struct mmk_frame_node *node, unsigned kind, unsigned order,
                                enum mmk_page_type type)
{
    unsigned from, at = find_block(node, kind, order, &from);
    struct mmk_page *page;

    if (at > MMK_MAX_ORDER)
        return NULL;
    page = split(node, from, at, order, kind);
    mmk_frame_become_of(page, type, order, kind);
    return page;
}

uint32_t mmk_buddy_take_singles(struct mmk_frame_node *node, unsigned kind,
                                struct mmk_page *frame[], uint32_t want)
{
    uint32_t n = 0, i;

    while (n < want) {
        unsigned from, at = find_block(node, kind, 0, &from), order = at;
        struct mmk_page *page;

        if (at > MMK_MAX_ORDER)
            break;
        while (((uint32_t)1 << order) > want - n)
            order--;
        page = split(node, from, at, order, kind);
        for (i = 0; i < (uint32_t)1 << order; i++) {
            mmk_frame_become_of(page + i, MMK_PAGE_CACHED, 0, kind);
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
    return smallest_of(node, MMK_BUDDY_MOVES, order) <= MMK_MAX_ORDER ||
           smallest_of(node, MMK_BUDDY_STAYS, order) <= MMK_MAX_ORDER;
}
