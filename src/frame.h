/* SPDX-License-Identifier: MIT */
/*
 * frame.h - the frame allocator: buddy allocator over the ranges handed in, and a cache of single
 * frames per CPU. Public half: <mmkit/page.h>, mmk_add_memory() of <mmkit/init.h>.
 */
#ifndef MMK_SRC_FRAME_H
#define MMK_SRC_FRAME_H

#include "buddy.h"
#include <mmkit/init.h>
#include <mmkit/port/directmap.h>

#define MMK_MAX_RANGES 16

/* Frames [start, end) and their descriptors: map[pfn - start]. */
struct mmk_range {
    mmk_pfn_t start, end;
    struct mmk_page *map;
    unsigned node;
};

extern struct mmk_range mmk_ranges[MMK_MAX_RANGES]; /* written once each, before it is counted */
extern struct mmk_a32 mmk_range_count;              /* store-release after the range is complete */
extern struct mmk_frame_node mmk_frame_nodes[MMK_MAX_NODES];

uint32_t mmk_frame_ranges(void);                      /* how many may be looked at */
struct mmk_range *mmk_range_of_slow(mmk_pfn_t pfn);   /* NULL: not a frame of ours */
struct mmk_page *mmk_pfn_to_page_slow(mmk_pfn_t pfn); /* NULL: not a frame of ours */
mmk_pfn_t mmk_page_to_pfn_slow(const struct mmk_page *page);

/* The first range answers nearly always: most machines hand in one. */
MMK_ALWAYS_INLINE struct mmk_range *mmk_range_of(mmk_pfn_t pfn)
{
    if (mmk_likely(pfn - mmk_ranges[0].start < mmk_ranges[0].end - mmk_ranges[0].start))
        return &mmk_ranges[0];
    return mmk_range_of_slow(pfn);
}

MMK_ALWAYS_INLINE struct mmk_page *mmk_pfn_to_page(mmk_pfn_t pfn)
{
    if (mmk_likely(pfn - mmk_ranges[0].start < mmk_ranges[0].end - mmk_ranges[0].start))
        return &mmk_ranges[0].map[pfn - mmk_ranges[0].start];
    return mmk_pfn_to_page_slow(pfn);
}

MMK_ALWAYS_INLINE mmk_pfn_t mmk_page_to_pfn(const struct mmk_page *page)
{
    uint64_t index =
        ((uint64_t)(uintptr_t)page - (uint64_t)(uintptr_t)mmk_ranges[0].map) / sizeof(*page);

    if (mmk_likely(index < mmk_ranges[0].end - mmk_ranges[0].start))
        return mmk_ranges[0].start + index;
    return mmk_page_to_pfn_slow(page);
}

/* The frame in the direct map. */
MMK_ALWAYS_INLINE void *mmk_page_virt(const struct mmk_page *page)
{
    return mmk_phys_to_virt(mmk_page_to_pfn(page) << MMK_PAGE_SHIFT);
}

/* The descriptor of the frame that holds `virt`, an address in the direct map. */
MMK_ALWAYS_INLINE struct mmk_page *mmk_virt_to_page(const void *virt)
{
    return mmk_pfn_to_page(mmk_virt_to_phys(virt) >> MMK_PAGE_SHIFT);
}

/* What the block is from now on, for a port that wants to know. */
MMK_ALWAYS_INLINE void mmk_frame_note(const struct mmk_page *page, unsigned order,
                                      enum mmk_frame_use use)
{
    if (MMK_FRAME_NOTES)
        mmk_note_frames(mmk_page_to_pfn(page) << MMK_PAGE_SHIFT, (uint64_t)1 << order, use);
}

MMK_ALWAYS_INLINE void mmk_frame_note_link(const struct mmk_page *table, const void *entry)
{
    if (MMK_FRAME_NOTES)
        mmk_note_linked(mmk_page_to_pfn(table) << MMK_PAGE_SHIFT, entry);
}

/*
 * A frame that was free gets its first reference, its taker's. Release: a late finder that takes
 * one, too (get_unless_zero), sees what the frame is now.
 */
MMK_ALWAYS_INLINE void mmk_frame_hand_out(struct mmk_page *page)
{
    mmk_a32_store(&page->refs, 1, MMK_RELEASE);
}

/*
 * A block becomes single frames, each with one reference (split_page of Linux).
 * => the caller owns the block alone, plain, charged to nobody
 */
void mmk_frame_split(struct mmk_page *page, unsigned order);

/*
 * Frees a frame whose last reference is gone already (refs == 0): mmk_page_put() without the
 * counting. => any context where frames may be allocated
 */
void mmk_frame_free(struct mmk_page *page);

/*
 * The same of single frames in a row, aligned to their number: as one block.
 * => all of them of one node, taken alike
 */
void mmk_frame_free_row(struct mmk_page *page, unsigned order);

/*
 * The first part of it alone: the block was somebody's, and no longer is.
 * => the caller is to give it a type that says so
 */
void mmk_frame_retire(struct mmk_page *page);

/* The CPU's cache back to the buddy allocator. => `cpu` is this CPU, or is not inside mmkit */
void mmk_frame_drain_cpu(unsigned cpu);
void mmk_frame_drain_here(void);          /* this CPU's. => any context where frames may be freed */
uint32_t mmk_frames_cached(unsigned cpu); /* in that CPU's cache */

/* As many a CPU may keep of a kind, by the configuration, or as memory allows. => any context */
uint32_t mmk_frame_cache_limit(void);

/*
 * Who gets memory back when none is left (reclaim.c), called by allocations that may sleep, with
 * any of the locks that sleep held. `flags`: the allocation's. => how many frames became free
 */
typedef uint64_t (*mmk_reclaimer)(uint64_t frames, unsigned flags);
void mmk_frame_set_reclaimer(mmk_reclaimer function);

/*
 * Who makes a block of what is free here and there (compact.c), called likewise.
 * => as the allocator takes it: PLAIN, no references; NULL: he could not
 */
typedef struct mmk_page *(*mmk_compactor)(unsigned order, unsigned flags);
void mmk_frame_set_compactor(mmk_compactor function);

bool mmk_frame_has_block(unsigned order); /* free, on any node, of this order or larger */

/* How many of so many frames an allocation with these flags may take from the lists (FR7). */
uint64_t mmk_frame_grant(uint64_t want, unsigned flags);

/*
 * All frames by a number, from 0 to mmk_frame_places() - 1, those of descriptors among them.
 * => at: place is below what mmk_frame_places() has answered
 */
uint64_t mmk_frame_places(void);
struct mmk_page *mmk_frame_at(uint64_t place);

/* a: are fewer left than mmk_config.watermark_low? Who frees sleeps on it, and clears it */
enum { MMK_FRAMES_ENOUGH, MMK_FRAMES_SHORT, MMK_FRAMES_OVER /* nobody sleeps on it any more */ };
extern struct mmk_a32 mmk_frames_short;
uint64_t mmk_frames_left(void); /* what that looks at: frames in no CPU's cache */

void mmk_frame_init(void); /* forget all ranges */
uint64_t mmk_frames_total(void);
uint64_t mmk_frames_free(void); /* buddy and caches; exact when nothing runs */

struct mmk_stats;
void mmk_frame_stats(struct mmk_stats *stats); /* what is counted by node */

/* Walks lists, caches and all descriptors; panics if they disagree. => nothing else runs */
void mmk_frame_check(void);

#endif
