/* SPDX-License-Identifier: MIT */
/*
 * orders_justified.c - orders that the simulator cannot show to be needed.
 *
 * LB: each forbids that a load returns what is stored later in the run (load buffering): what
 * somebody has read before it let go, or before it was told to, is written by another after that.
 * S: it forbids that a word is changed before another stores to it what has been published since.
 * The model never generates such outcomes (litmus.c), processors and compilers may. So these stay,
 * and are reviewed by eye.
 */
#include "orders.h"

const struct justified orders_justified[] = {
    {"src/page_rmap.h", "&page->user.mapcount", FIBERS_SUB, MMK_RELEASE, MMK_RELAXED, "LB",
     "who takes an entry reads user.object before it counts down; truncation clears it when the "
     "count is 0"},
    {"src/object.c", "&page->user.mapcount", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, "LB",
     "the other side: user.object is cleared after the count was seen to be 0"},
    {"src/pte_entry.h", "entry", FIBERS_CMPXCHG, MMK_RELEASE, MMK_RELAXED, "LB",
     "a copier reads the page before it lets go; programs store to it when the entry allows it, "
     "which it does once the copier was seen to have let go"},
    {"src/gather.c", "&mm->flush_pending", FIBERS_SUB, MMK_RELEASE, MMK_RELAXED, "LB",
     "CPUs that have answered the flush have read by the old translations before it was counted "
     "out; what others do once it is, comes after that"},
    {"src/mm.h", "&mm->flush_pending", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, "LB",
     "the other side: whoever finds no other's flush left goes on without one"},
    {"src/gather.c", "&mm->flush_unasked", FIBERS_SUB, MMK_RELEASE, MMK_RELAXED, "LB",
     "likewise, of those that nobody asked for"},
    {"src/mm.h", "&mm->flush_unasked", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, "LB",
     "the other side: whoever finds none left sets an entry without a flush"},
    {"src/object_swap.c", "&page->refs", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, "LB",
     "whoever has let go has said before that the page is dirty, and that is taken by an exchange, "
     "which would have to come before this load to miss it; nobody new comes to an unmapped page "
     "that is locked"},
    {"src/swap_cache.c", "owner", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, "S relaxed+final",
     "the first of two looks: a frame's count is set up, when its memory is handed in, before who "
     "finds the page in the cache raises it; the second has a kernel"},
    {NULL, NULL, FIBERS_LOAD, 0, 0, NULL, NULL},
};
