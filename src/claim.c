/* SPDX-License-Identifier: MIT */
/*
 * claim.c - frames of one block, taken together.
 *
 * CL1 A block of a claim says CLAIMED and its order, and is in its claim's list, which nobody else
 *     knows: it is in no list of free blocks and in no cache, nobody merges with it, and it has no
 *     reference, nor can get one. It counts as allocated.
 * CL2 What is taken from the lists begins where a block begins, as is found with the node's lock
 *     held: no block that begins before reaches there, and from block to block each says its size
 *     (FR2). A frame that says FREE is one of a list then, and not inside of something.
 * CL3 A claim ends before its owner returns: at quiet points no frame says CLAIMED.
 *
 * The lock is held for a part of a block at a time. Two claims may overlap: each frame is the one's
 * or the other's, neither gets whole, and both are given back.
 */
#include "claim.h"

#include "list.h"
#include "planted.h"
#include <mmkit/port/percpu.h>

#define PART 64 /* frames that are looked at, and blocks given back, under one hold of the lock */

static struct mmk_frame_node *node_of(const struct mmk_claim *claim)
{
    return &mmk_frame_nodes[claim->range->node];
}

static struct mmk_page *page_at(const struct mmk_claim *claim, mmk_pfn_t pfn)
{
    return &claim->range->map[pfn - claim->range->start];
}

/* FR8: STAYS, if it says so, it keeps until it is given back. */
static void add(struct mmk_claim *claim, struct mmk_page *page, unsigned order)
{
    mmk_frame_become_of(page, MMK_PAGE_CLAIMED, order, mmk_frame_is_kind(page));
    mmk_list_add(&claim->blocks, &page->free.link);
    claim->frames += (uint64_t)1 << order;
}

void mmk_claim_begin(struct mmk_claim *claim, struct mmk_range *range, mmk_pfn_t start,
                     unsigned order)
{
    claim->range = range;
    claim->start = start;
    claim->order = order;
    claim->frames = 0;
    mmk_list_init(&claim->blocks);
}

static void take_part(struct mmk_claim *claim, struct mmk_frame_node *node, mmk_pfn_t pfn,
                      mmk_pfn_t end) MMK_REQUIRES(node->lock)
{
    while (pfn < end) {
        struct mmk_page *page = page_at(claim, pfn);
        unsigned order = mmk_frame_order(page);

        if (mmk_page_type(page) == MMK_PAGE_FREE && order <= claim->order) {
            mmk_list_del(&page->free.link);
            mmk_buddy_count(node, -((uint64_t)1 << order));
            add(claim, page, order);
        }
        pfn += (mmk_pfn_t)1 << order;
    }
}

void mmk_claim_take_free(struct mmk_claim *claim)
{
    mmk_pfn_t pfn = claim->start, end = claim->start + ((mmk_pfn_t)1 << claim->order);
    struct mmk_frame_node *node = node_of(claim);
    unsigned long state;

    mmk_frame_drain_here();
    for (; pfn < end; pfn += PART) {
        state = mmk_percpu_enter();
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        if (!mmk_buddy_is_inside(claim->range, pfn)) /* CL2: or all of the part is */
            take_part(claim, node, pfn, mmk_min(pfn + PART, end));
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
        mmk_percpu_leave(state);
    }
}

/* => PLAIN, no references; NULL: none, or it is not granted */
static struct mmk_page *take_single(struct mmk_frame_node *node)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_page *page = NULL;

    if (mmk_frame_grant(1, MMK_ALLOC_NORMAL) == 1) {
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        page = mmk_buddy_take(node, MMK_BUDDY_MOVES, 0, MMK_PAGE_PLAIN);
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    }
    mmk_percpu_leave(state);
    return page;
}

static bool is_of(const struct mmk_claim *claim, const struct mmk_page *page)
{
    return mmk_page_to_pfn(page) - claim->start < (mmk_pfn_t)1 << claim->order;
}

/* What was freed in the block since it was last looked at may come: it is the claim's, too. */
struct mmk_page *mmk_claim_elsewhere(struct mmk_claim *claim)
{
    struct mmk_page *page;

    if (mmk_inject(MMK_INJECT_FRAME))
        return NULL;
    while ((page = take_single(node_of(claim))) != NULL && is_of(claim, page))
        add(claim, page, 0);
    if (!page)
        return NULL;
    mmk_assert(mmk_page_refs(page) == 0, "F1 a free frame has no references");
    mmk_frame_note(page, 0, MMK_FRAME_USED);
    mmk_frame_hand_out(page);
    return page;
}

bool mmk_claim_put(struct mmk_claim *claim, struct mmk_page *page)
{
    if (!mmk_page_drop(page) && !MMK_MISTAKE(CLAIM_STEALS))
        return false;
    if (MMK_MISTAKE(CLAIM_STEALS))
        mmk_a32_store(&page->refs, 0, MMK_RELAXED);
    if (MMK_MISTAKE(CLAIM_FREED))
        mmk_frame_free(page);
    else
        mmk_frame_retire(page);
    add(claim, page, 0);
    return true;
}

/* => NULL: there are no more */
static struct mmk_page *pop(struct mmk_claim *claim)
{
    struct mmk_page *page;

    if (mmk_list_empty(&claim->blocks))
        return NULL;
    page = mmk_list_entry(claim->blocks.next, struct mmk_page, free.link);
    mmk_assert(mmk_page_type(page) == MMK_PAGE_CLAIMED && mmk_page_refs(page) == 0,
               "CL1 a claimed frame is nobody else's");
    mmk_list_del(&page->free.link);
    claim->frames -= (uint64_t)1 << mmk_frame_order(page);
    return page;
}

struct mmk_page *mmk_claim_hand_out(struct mmk_claim *claim)
{
    struct mmk_frame_node *node = node_of(claim);
    struct mmk_page *block = page_at(claim, claim->start), *page;
    unsigned long state;

    mmk_assert(mmk_claim_is_whole(claim), "CL1 a claim that is handed out has all of its block");
    state = mmk_percpu_enter();
    mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
    while ((page = pop(claim)) != NULL)
        mmk_frame_become(page, MMK_PAGE_FREE, 0);
    if (!MMK_MISTAKE(HANDED_OUT_LATE))
        mmk_frame_become(block, MMK_PAGE_PLAIN, claim->order);
    mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
    mmk_percpu_leave(state);
    if (MMK_MISTAKE(HANDED_OUT_LATE))
        mmk_frame_become(block, MMK_PAGE_PLAIN, claim->order);
    return block;
}

static void give_back_part(struct mmk_claim *claim, struct mmk_frame_node *node)
    MMK_REQUIRES(node->lock)
{
    struct mmk_page *page;
    unsigned i;

    for (i = 0; i < PART && (page = pop(claim)) != NULL; i++)
        mmk_buddy_put(node, page, mmk_frame_order(page), mmk_frame_is_kind(page));
}

void mmk_claim_give_back(struct mmk_claim *claim)
{
    struct mmk_frame_node *node = node_of(claim);
    unsigned long state;

    while (!mmk_list_empty(&claim->blocks)) {
        state = mmk_percpu_enter();
        mmk_spin_lock(&node->lock, MMK_LOCK_FRAME);
        give_back_part(claim, node);
        mmk_spin_unlock(&node->lock, MMK_LOCK_FRAME);
        mmk_percpu_leave(state);
    }
}
