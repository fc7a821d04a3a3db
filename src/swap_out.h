/* SPDX-License-Identifier: MIT */
/*
 * swap_out.h - private pages go to swap.
 */
#ifndef MMK_SRC_SWAP_OUT_H
#define MMK_SRC_SWAP_OUT_H

#include "rmap_use.h"
#include "swap_area.h"

/* A page that goes. */
struct mmk_out_page {
    struct mmk_page *page;
    uint64_t slot;                /* with a reference, unless discarded */
    struct mmk_unmapped unmapped; /* what is left to do for its entries */
    int error;                    /* why it stays */
    bool mark;                    /* the caller's */
    bool discarded;               /* MADV_FREE had marked it */
    bool used;                    /* it was mapped */
    bool unwanted;                /* nobody names its slot any more */
    bool dropped;                 /* for tests: too early */
};

/* Pages that go at once. */
struct mmk_swap_out {
    struct mmk_unflushed later;
    bool wait;
    unsigned count;
    uint64_t gone, gone_marked; /* by mmk_swap_out_finish(), since begin */
    struct mmk_out_page page[MMK_SLOT_IO_MOST];
};

/* wait: false: for no lock, only for the device. */
void mmk_swap_out_begin(struct mmk_swap_out *out, bool wait);

/* No page can be added before mmk_swap_out_finish(). */
MMK_ALWAYS_INLINE bool mmk_swap_out_full(const struct mmk_swap_out *out)
{
    return out->count == MMK_SLOT_IO_MOST;
}

/*
 * A private page is to leave memory: its content goes into a slot, and swap entries where it was
 * mapped. One that MADV_FREE marked, and nobody has written since, is dropped instead.
 * => 0: its lock, and the reference to it, are handed over, until mmk_swap_out_finish(). Else it
 *    stays, the caller's: MMK_EBUSY: it is pinned, or a lock is held; MMK_ENOMEM: no slot is free
 * => page locked, private, with a reference of the caller's; may sleep; as mmk_rmap_walk()
 */
MMK_MUST_CHECK int mmk_swap_out_add(struct mmk_swap_out *out, struct mmk_page *page, bool mark);

/*
 * Flushes, writes, unlocks, and drops the references: what can go is gone then. Nothing is lost of
 * what stays, as it is locked by mlock, somebody uses it, or it could not be written.
 * => may sleep
 */
void mmk_swap_out_finish(struct mmk_swap_out *out);

/*
 * All of it for one page, which stays locked, and the caller's; its frame is free when he drops his
 * reference (mmk_swap_put_page).
 * => 0; as mmk_swap_out_add(); MMK_EBUSY, too: locked by mlock, or somebody uses it; MMK_EIO: it
 *    could not be written
 */
MMK_MUST_CHECK int mmk_swap_out(struct mmk_page *page) MMK_REQUIRES(page);

#endif
