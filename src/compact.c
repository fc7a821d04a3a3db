/* SPDX-License-Identifier: MIT */
/*
 * compact.c - a large free block, made by moving what is in its way.
 *
 * One block at a time: a cursor goes round over all aligned blocks of the order that is wanted, and
 * of some that could be had the one with the fewest pages in it is emptied:
 *
 *     what is free in it is claimed (claim.c); each page moves to a frame elsewhere, and leaves its
 *     own to the claim; when the claim has all, the block goes to whoever wanted it
 *
 * CP1 From the first frame of a block to the last the claim keeps what it has: nobody gets a frame
 *     of it meanwhile, and no page comes to be in it. It is had whole, or all is given back.
 * CP2 By its descriptor alone a frame is only guessed at. A page is moved with a reference to it,
 *     its type looked at after that, and its lock (as RC1).
 * CP3 On behalf of an allocation nothing is waited for: it may hold any lock that sleeps (as RC2).
 *
 * Rejected: two scanners, one that takes pages from below, one that takes free frames from above,
 * until they meet (Linux). The free blocks that result are where the first has been, if all that
 * was there did move; others may take them as they come to be; and free blocks above are broken up
 * even where what is freed below does not add up to one. Here pages that move are those of a block
 * that is to be had, and their number is known before.
 */
#include "compact.h"

#include "claim.h"
#include "migrate.h"
#include "percpu_count.h"
#include "planted.h"
#include "swap_cache.h"
#include "waiting.h"

#include <mmkit/stats.h>

#define FIT    8    /* blocks that could be had, among which the one with fewest pages is chosen */
#define LOOKS  4096 /* blocks that are looked at for an allocation */
#define TRIES  4    /* blocks that are tried */
#define PASSES 3    /* over each: what was in use at first may not be later */

struct block {
    struct mmk_range *range;
    mmk_pfn_t start;
    uint32_t pages; /* that are to move */
};

#define UNFIT UINT32_MAX /* pages: there is something that does not */

/* One call. */
struct compaction {
    unsigned order, flags; /* as mmk_page_alloc() */
    bool wait;             /* for locks */
    struct mmk_claim claim;
};

static struct mmk_a64 cursor; /* blocks looked at, since mmk_init() */
static struct mmk_percpu_count count_tried, count_made, count_moved, count_direct;

void mmk_compact_stats(struct mmk_stats *stats)
{
    stats->compact_tried = mmk_percpu_count_sum(&count_tried);
    stats->compact_made = mmk_percpu_count_sum(&count_made);
    stats->compact_moved = mmk_percpu_count_sum(&count_moved);
    stats->compact_direct = mmk_percpu_count_sum(&count_direct);
}

/* ---- which block ----------------------------------------------------------------------------- */

/* By its flags. */
static bool may_move(uint32_t flags)
{
    uint32_t type = flags & MMK_PF_TYPE;

    return (type == MMK_PAGE_ANON || type == MMK_PAGE_OBJECT) && !(flags & MMK_PF_WRITEBACK);
}

/* Free, or was when it was looked at; what may be had later counts as such. */
static bool is_free(uint32_t flags)
{
    uint32_t type = flags & MMK_PF_TYPE;

    return type == MMK_PAGE_FREE || type == MMK_PAGE_CACHED || type == MMK_PAGE_CLAIMED;
}

static unsigned order_of(uint32_t flags)
{
    return (flags & MMK_PF_ORDER) >> MMK_PF_ORDER_AT;
}

/* How many pages are in the block; UNFIT: other things are. */
static uint32_t survey(const struct block *block, unsigned order)
{
    const struct mmk_page *page = &block->range->map[block->start - block->range->start];
    const struct mmk_page *end = page + ((size_t)1 << order);
    uint32_t pages = 0, flags;

    if (mmk_buddy_is_inside(block->range, block->start))
        return UNFIT;
    for (; page < end; page += (size_t)1 << order_of(flags)) {
        flags = mmk_a32_load(&page->flags, MMK_RELAXED);
        if (may_move(flags))
            pages++;
        else if ((flags & MMK_PF_TYPE) != MMK_PAGE_FREE)
            return UNFIT;
    }
    return pages;
}

enum hold { HELD, GONE, STAYS };

/* CP2. => HELD: the caller has a reference; GONE: nobody has it any more */
static enum hold hold(struct mmk_page *page)
{
    if (!mmk_page_get_unless_zero(page))
        return GONE;
    if (may_move(mmk_a32_load(&page->flags, MMK_RELAXED)) && !mmk_page_pinned(page))
        return HELD;
    mmk_swap_put_page(page);
    return STAYS;
}

/* Survey has found that all of it may move: is nothing pinned? That is asked with a reference. */
static bool look_closer(const struct block *block, unsigned order)
{
    struct mmk_page *page = &block->range->map[block->start - block->range->start];
    enum hold found;
    size_t i;

    for (i = 0; i < (size_t)1 << order; i++) {
        if (!may_move(mmk_a32_load(&page[i].flags, MMK_RELAXED)))
            continue;
        found = hold(&page[i]);
        if (found == STAYS)
            return false;
        if (found == HELD)
            mmk_swap_put_page(&page[i]);
    }
    return true;
}

/* => how many; the first is *first */
static uint64_t blocks_of(const struct mmk_range *range, unsigned order, mmk_pfn_t *first)
{
    mmk_pfn_t size = (mmk_pfn_t)1 << order;

    *first = (range->start + size - 1) & ~(size - 1);
    return *first < range->end ? (range->end - *first) >> order : 0;
}

static uint64_t count_blocks(unsigned order)
{
    uint32_t i, ranges = mmk_frame_ranges();
    uint64_t sum = 0;
    mmk_pfn_t first;

    for (i = 0; i < ranges; i++)
        sum += blocks_of(&mmk_ranges[i], order, &first);
    return sum;
}

/* => n is below what count_blocks() has answered */
static struct block nth_block(unsigned order, uint64_t n)
{
    struct mmk_range *range = mmk_ranges;
    mmk_pfn_t first;
    uint64_t here;

    while (n >= (here = blocks_of(range, order, &first))) {
        n -= here;
        range++;
    }
    return (struct block){range, first + (n << order), UNFIT};
}

/* What is to move goes to its own node; in all, as many frames are wanted as the block has. */
static bool has_room(const struct block *block, unsigned order)
{
    const struct mmk_frame_node *node = &mmk_frame_nodes[block->range->node];

    return mmk_a64_load(&node->frames_free, MMK_RELAXED) >= (uint64_t)1 << order;
}

/* => false: there is none */
static bool choose(const struct compaction *compaction, struct block *best)
{
    uint64_t blocks = count_blocks(compaction->order), i;
    uint64_t looks = compaction->wait ? blocks : mmk_min(blocks, (uint64_t)LOOKS);
    unsigned fit = 0;

    *best = (struct block){NULL, 0, UNFIT};
    for (i = 0; i < looks && fit < FIT && best->pages != 0; i++) {
        uint64_t n = mmk_a64_fetch_add(&cursor, 1, MMK_RELAXED) % blocks;
        struct block block = nth_block(compaction->order, n);

        if (has_room(&block, compaction->order))
            block.pages = survey(&block, compaction->order);
        if (block.pages == UNFIT)
            continue;
        fit++;
        if (block.pages < best->pages && look_closer(&block, compaction->order))
            *best = block;
    }
    return best->range != NULL;
}

/* ---- one page -------------------------------------------------------------------------------- */

static bool lock(const struct compaction *compaction, struct mmk_page *page)
    MMK_TRY_ACQUIRES(true, page)
{
    if (!compaction->wait)
        return mmk_page_trylock(page);
    mmk_page_lock(page);
    return true;
}

/* => page locked, with a reference */
static bool migrate(const struct compaction *compaction, struct mmk_page *page, struct mmk_page *to)
    MMK_REQUIRES(page)
{
    return (compaction->wait ? mmk_page_migrate(page, to) : mmk_page_migrate_nowait(page, to)) == 0;
}

/* => with a reference, which goes. false: it stays */
static bool move(struct compaction *compaction, struct mmk_page *page) MMK_NO_TSA
{
    struct mmk_page *to = mmk_claim_elsewhere(&compaction->claim);
    bool moved = false;

    if (to && lock(compaction, page)) {
        moved = migrate(compaction, page, to);
        mmk_page_unlock(page);
    }
    if (to)
        mmk_swap_put_page(to);
    if (!moved) {
        mmk_swap_put_page(page);
        return false;
    }
    mmk_percpu_count_add(&count_moved, 1);
    (void)mmk_claim_put(&compaction->claim, page);
    return true;
}

/* ---- one block ------------------------------------------------------------------------------- */

/* => false: something stays, for now */
static bool move_all(struct compaction *compaction)
{
    const struct mmk_claim *claim = &compaction->claim;
    struct mmk_page *page = &claim->range->map[claim->start - claim->range->start];
    const struct mmk_page *end = page + ((size_t)1 << claim->order);
    uint32_t flags;
    enum hold found;

    for (; page < end; page += (size_t)1 << order_of(flags)) {
        flags = mmk_a32_load(&page->flags, MMK_RELAXED);
        if (is_free(flags))
            continue;
        found = may_move(flags) ? hold(page) : STAYS;
        if (found == STAYS || (found == HELD && !move(compaction, page)))
            return false;
    }
    return true;
}

/* => the claim is whole */
static bool make_whole(struct compaction *compaction)
{
    struct mmk_claim *claim = &compaction->claim;
    unsigned pass;

    for (pass = 0; pass < PASSES; pass++) {
        mmk_claim_take_free(claim);
        if (mmk_claim_is_whole(claim))
            return true;
        (void)move_all(compaction);
    }
    return mmk_claim_is_whole(claim);
}

/* => 0: the claim is whole; else there is none, and as mmk_compact() */
static int compact(struct compaction *compaction)
{
    uint64_t frames = (uint64_t)1 << compaction->order;
    int error = MMK_ENOMEM;
    struct block block;
    unsigned tries;

    mmk_frame_drain_here();
    for (tries = 0; tries < TRIES; tries++) {
        if (mmk_frame_grant(frames, compaction->flags) != frames || !choose(compaction, &block))
            return error;
        mmk_percpu_count_add(&count_tried, 1);
        mmk_claim_begin(&compaction->claim, block.range, block.start, compaction->order);
        if (make_whole(compaction)) {
            mmk_percpu_count_add(&count_made, 1);
            return 0;
        }
        mmk_claim_give_back(&compaction->claim);
        error = MMK_EBUSY;
    }
    return error;
}

static struct mmk_page *compact_for(unsigned order, unsigned flags)
{
    struct compaction compaction = {.order = order, .flags = flags};

    mmk_percpu_count_add(&count_direct, 1);
    return compact(&compaction) == 0 ? mmk_claim_hand_out(&compaction.claim) : NULL;
}

int mmk_compact(unsigned order)
{
    struct compaction compaction = {.order = order, .flags = MMK_ALLOC_NORMAL, .wait = true};
    int error;

    mmk_note_may_sleep();
    if (order == 0 || order > MMK_MAX_ORDER)
        return MMK_EINVAL;
    mmk_waiting_throttle();
    mmk_frame_drain_here();
    if (mmk_frame_has_block(order))
        return 0;
    error = compact(&compaction);
    if (!error)
        mmk_claim_give_back(&compaction.claim);
    return error;
}

void mmk_compact_init(void)
{
    mmk_a64_store(&cursor, 0, MMK_RELAXED);
    mmk_percpu_count_init(&count_tried);
    mmk_percpu_count_init(&count_made);
    mmk_percpu_count_init(&count_moved);
    mmk_percpu_count_init(&count_direct);
    mmk_frame_set_compactor(compact_for);
}
