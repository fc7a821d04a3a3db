/* SPDX-License-Identifier: MIT */
/*
 * orders_unshown.c - orders for which there is no kernel yet: weaker, they survive all that is
 * tried. A debt: each needs a kernel, or is not needed. No other may survive.
 */
#include "orders.h"

const struct justified orders_unshown[] = {
    {"src/object_swap.c", "&object->refs", FIBERS_CMPXCHG, MMK_ACQUIRE, MMK_RELAXED, NULL,
     "the object is found as it was made"},
    {"src/object_swap.c", "&page->refs", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, NULL,
     "DIRTY, set by one who has let go of the page, is seen by who takes it out"},
    {"src/page_index.c", "&node->slots[slot_of(node, i)]", FIBERS_STORE, MMK_RELEASE, MMK_RELAXED,
     NULL, "the page in a slot's place is found set up"},
    {"src/page_lock.c", "&page->flags", FIBERS_CMPXCHG, MMK_RELEASE, MMK_RELAXED, NULL,
     "who unlocks finds that the page has no use left"},
    {"src/swap_area.c", "&areas[i++]", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, NULL,
     "an area is found set up"},
    {"src/swap_area.c", "&area->given", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, NULL,
     "swapoff sleeps only if nothing was given back since it has looked"},
    {"src/swap_area.c", "&areas[number]", FIBERS_STORE, MMK_RELEASE, MMK_RELAXED, NULL, "likewise"},
    {"src/swap_area.c", "word", FIBERS_CMPXCHG, MMK_ACQ_REL, MMK_ACQUIRE, NULL,
     "who visits a slot finds whose it is, and is found by who gives it back"},
    {"src/swap_area.c", "word", FIBERS_CMPXCHG, MMK_ACQ_REL, MMK_RELEASE, NULL,
     "who visits a slot finds whose it is, and is found by who gives it back"},
    {"src/swap_area.c", "&area->given", FIBERS_ADD, MMK_RELEASE, MMK_RELAXED, NULL,
     "the other side"},
    {"src/swap_area.c", "&cluster->word[bit]", FIBERS_STORE, MMK_RELEASE, MMK_RELAXED, NULL,
     "whose a slot is, for who visits it"},
    {"src/swap_cache.c", "word", FIBERS_CMPXCHG, MMK_ACQUIRE, MMK_RELAXED, NULL,
     "who takes a page out comes after those who had its slot"},
    {"src/swap_cache.c", "owner", FIBERS_CMPXCHG, MMK_ACQ_REL, MMK_ACQUIRE, NULL,
     "kin and index go from the slot to the page"},
    {"src/swap_cache.c", "owner", FIBERS_LOAD, MMK_ACQUIRE, MMK_RELAXED, NULL,
     "a page is found as who cached it has left it"},
    {NULL, NULL, FIBERS_LOAD, 0, 0, NULL, NULL},
};
