/* SPDX-License-Identifier: MIT */
/*
 * swap.h - where pages go that memory has no room for: areas of slots, a page each.
 *
 * An area is a device of the embedder's: a partition, a file, memory that is compressed. While
 * there is none, nothing is swapped.
 */
#ifndef MMKIT_SWAP_H
#define MMKIT_SWAP_H

#include <mmkit/errno.h>
#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMK_SWAP_AREAS        32                  /* at a time */
#define MMK_SWAP_SLOTS_MAX    ((uint64_t)1 << 32) /* of one area: 16 TiB */
#define MMK_SWAP_PRIORITY_MAX 32767

struct mmk_swap_area; /* opaque */

/*
 * What an area is made of. Each function moves whole pages, in the direct map, to or from `count`
 * slots from `slot` on; count is at least 1. Several calls may run at once, never two that write
 * one slot, or read and write it. `device` is what mmk_swapon() was told.
 * => may sleep, and take their time; called with locks that sleep held (a page's, and those that
 *    LOCKING.md puts before it): they call nothing of mmkit but the allocation of frames, with
 *    MMK_ALLOC_NORECLAIM
 */
struct mmk_swap_ops {
    /*
     * => 0; or a negative error, for all of them: the pages may have been written to in part.
     *    Whoever asked for several asks again for the one that he needs; if that fails, whoever
     *    touches the page gets MMK_FAULT_BUS, and may try again
     */
    int (*read)(void *device, uint64_t slot, void *const page[], unsigned count);

    /*
     * Programs do not write to the pages meanwhile.
     * => 0; or a negative error, for all of them: each is tried alone then, and if that fails, its
     *    page stays in memory. MMK_EIO: the slot is not used again as long as the area is there;
     *    another error is expected to pass
     */
    int (*write)(void *device, uint64_t slot, const void *const page[], unsigned count);

    /*
     * The content of these slots is not needed any more. May be NULL. Called for all of an area
     * that is swapped on, and later for 64 slots that lie together (at an area's end fewer) and
     * were not all left unwritten, before they are used again.
     */
    void (*discard)(void *device, uint64_t slot, uint64_t count);
};

/*
 * Adds an area, as swapon(2); `ops` and `device` are used as long as it is there. Pages go to the
 * area of the highest priority that has room; areas of equal priority take turns, 64 slots each.
 * `priority` 0 to MMK_SWAP_PRIORITY_MAX, or negative: lower than all areas before it (swapon
 * without SWAP_FLAG_PREFER).
 * => 0 with *area set; MMK_EINVAL: no slots, more than MMK_SWAP_SLOTS_MAX, or the priority;
 *    MMK_EPERM: there are MMK_SWAP_AREAS; MMK_ENOMEM: no memory for the directory, a page for each
 *    98304 slots, and for the first slots. Those that are used take 22 bytes each, from then on
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_swapon(const struct mmk_swap_ops *ops, void *device, uint64_t slots,
                              int priority, struct mmk_swap_area **area);

/*
 * Takes an area away, as swapoff(2): what is in it comes back into memory. Nothing else goes there
 * from the beginning of the call.
 * => 0: the area is gone, and its device is not called any more. MMK_ENOMEM: memory does not
 *    suffice, or, in mode MMK_OVERCOMMIT_NEVER, more is committed than would be allowed without it;
 *    MMK_EIO: a slot cannot be read (Linux goes on, and whoever touches that page gets a bus
 *    error): the area stays as it was, with less in it
 * => may sleep; no locks held; not concurrent with itself for one area
 */
MMK_MUST_CHECK int mmk_swapoff(struct mmk_swap_area *area);

/* One area, as in /proc/swaps. */
struct mmk_swap_stats {
    uint64_t slots;   /* in all */
    uint64_t used;    /* hold a page, or are just being freed */
    uint64_t bad;     /* retired after an error; not among those used */
    int64_t priority; /* as given; given negative, -2 and below */
};

/* => the area is there; any context */
void mmk_swap_stats(struct mmk_swap_area *area, struct mmk_swap_stats *stats);

/*
 * Panics if an invariant of swap_area.c or of swap_cache.c is broken.
 * => nothing else runs; may sleep
 */
void mmk_swap_check(void);

#ifdef __cplusplus
}
#endif

#endif
