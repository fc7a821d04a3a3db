/* SPDX-License-Identifier: MIT */
/*
 * swap_area.h - areas of swap space, and their slots. Public half: <mmkit/swap.h>.
 *
 * A slot is named by a number: its area's, and its place there. Whoever uses a slot holds a
 * reference to it:
 *
 *   a swap entry        of a page table: each that names the slot
 *   an object's index   that has the slot in place of a page
 *   a holder            for the time of an I/O, or of a look
 *   the swap cache      not counted, but a bit beside the count: while it has the slot's page
 *
 * The last to go frees the slot. A slot is looked at by those alone who hold a reference, or a lock
 * that keeps somebody else's: the lock of a table with such an entry, the page lock of the cached
 * page, the index lock of the object.
 *
 * A slot knows what its page knew: whose it is, and where there; so there is a way back from it,
 * too. One of a kin counts as the kin's orphan as long as it is in use (KN3).
 */
#ifndef MMK_SRC_SWAP_AREA_H
#define MMK_SRC_SWAP_AREA_H

#include "family.h"
#include "page.h"
#include <mmkit/swap.h>

struct mmk_object;

/* That is enough for any: entries of page tables have that many. A = the area's lock */
#define MMK_SLOT_BITS    37
#define MMK_SLOT_AREA_AT 32

MMK_ALWAYS_INLINE unsigned mmk_slot_area(uint64_t slot)
{
    return (unsigned)(slot >> MMK_SLOT_AREA_AT);
}

MMK_ALWAYS_INLINE uint64_t mmk_slot_offset(uint64_t slot)
{
    return slot & (((uint64_t)1 << MMK_SLOT_AREA_AT) - 1);
}

/*
 * Slots are given out in clusters, those of one CPU one after another: what was swapped out
 * together lies together. An owner's lowest bits say what it is. 21.3 bytes a slot, of
 * those that were ever in use at once, about.
 */
#define MMK_SWAP_CLUSTER 64

enum mmk_slot_owner {
    MMK_SLOT_KIN = 0,    /* or NULL: nobody's */
    MMK_SLOT_CACHED = 1, /* the swap cache's page, which knows the rest */
    MMK_SLOT_OBJECT = 2,
    MMK_SLOT_OWNER = 3, /* mask */
};

struct mmk_swap_cluster {
    uint64_t free;                           /* A: a bit for each slot that nobody has */
    uint64_t bad;                            /* A: for each that is out of use */
    uint32_t number;                         /* c */
    uint32_t stale;                          /* A: nobody has its slots: they are to be discarded */
    uint32_t written;                        /* A: since then; never where nothing is discarded */
    struct mmk_list link;                    /* A: in one of the area's lists, or in itself */
    struct mmk_a32 word[MMK_SWAP_CLUSTER];   /* a: references, and the bits below */
    struct mmk_aptr owner[MMK_SWAP_CLUSTER]; /* a: swap_cache.c */
    uint64_t index[MMK_SWAP_CLUSTER];        /* whoever may change the owner */
};

#define MMK_SLOT_IN_CACHE 0x80000000u
#define MMK_SLOT_BAD      0x40000000u /* goes out of use when it is freed */
#define MMK_SLOT_GOING    0x20000000u /* nobody has it, nor gets it: it is about to be freed */
#define MMK_SLOT_REFS     0x1fffffffu

void mmk_swap_module_init(void);
unsigned mmk_swap_area_count(void); /* that exist */

/*
 * A slot that nobody has, where pages go next: with one reference, and whose it is from the
 * beginning: a page that is cached, with the cache's bit, or page `index` of an object.
 * => owner: with one of enum mmk_slot_owner added
 * => false: there is no room, or no memory for more slots. May sleep (discard)
 */
MMK_MUST_CHECK bool mmk_slot_alloc(void *owner, uint64_t index, uint64_t *slot);

/* => the caller has a reference, or what keeps one */
void mmk_slot_get(uint64_t slot);
struct mmk_aptr *mmk_slot_owner(uint64_t slot);
uint64_t *mmk_slot_index(uint64_t slot);
struct mmk_a32 *mmk_slot_word(uint64_t slot);

/* References but the cache's. */
MMK_ALWAYS_INLINE uint32_t mmk_slot_refs(uint64_t slot)
{
    return mmk_a32_load(mmk_slot_word(slot), MMK_RELAXED) & MMK_SLOT_REFS;
}

/* It could not be written: nothing goes there any more. => as mmk_slot_refs() */
MMK_ALWAYS_INLINE bool mmk_slot_is_bad(uint64_t slot)
{
    return (mmk_a32_load(mmk_slot_word(slot), MMK_RELAXED) & MMK_SLOT_BAD) != 0;
}

/*
 * One that may be nobody's: a neighbour, for reading ahead.
 * => false: beyond the area's end, or has no reference but the cache's
 * => the caller has a reference to a slot of the same cluster
 */
MMK_MUST_CHECK bool mmk_slot_get_neighbour(uint64_t slot);

/*
 * One reference less. The last one, if no page is cached, frees the slot, and its kin's orphan.
 * => true: the cache alone has it now. Who can come to that uses mmk_swap_put() (swap_cache.h)
 * => any context but interrupts; unless in an RCU read section, the area may be gone afterwards
 */
bool mmk_slot_put(uint64_t slot);

/* The same of one that was an object's: who finds it still used will not look for the object. */
void mmk_slot_forget(uint64_t slot);

/* One that is GOING is freed, and its kin's orphan. => its owner is its kin; as mmk_slot_put() */
void mmk_slot_free(uint64_t slot);

/*
 * I/O of `count` slots that lie one after another in one area. Counts pages.
 * => 0 or the device's error; may sleep; the caller has a reference to each. write: the pages are
 *    locked, and nothing maps them; if that fails for several, try each: only then is the bad slot
 *    known, and not used again
 */
MMK_MUST_CHECK int mmk_slot_read(uint64_t slot, struct mmk_page *const page[], unsigned count);
MMK_MUST_CHECK int mmk_slot_write(uint64_t slot, struct mmk_page *const page[], unsigned count);

#define MMK_SLOT_IO_MOST 8 /* pages at once */

struct mmk_stats;
void mmk_swap_area_stats(struct mmk_stats *stats);

/* *any: there is an area; *room: one that gives out slots has some. => any context */
void mmk_swap_area_room(bool *any, bool *room);

/*
 * Memory for more slots, where the last was used, out of what has become free.
 * => whether there are more by it now; any context
 */
bool mmk_swap_area_refill(void);

/* Slots of all areas that are not stopped, used or free. => any context */
uint64_t mmk_swap_slots(void);

/*
 * Visits each slot of an area that is in use, cached pages' without another reference included,
 * until one is enough. The visitor has a reference, which it puts (mmk_swap_put).
 * => visit may sleep; answers other than 0: enough. What is allocated meanwhile may be missed
 */
typedef int (*mmk_slot_visitor)(uint64_t slot, void *arg);
int mmk_slot_for_each(struct mmk_swap_area *area, mmk_slot_visitor visit, void *arg);

/*
 * One by one; NULL: the first, or the last was given.
 * => nothing is swapped on or off; or inside an RCU read section
 */
struct mmk_swap_area *mmk_swap_area_next(const struct mmk_swap_area *area);

/*
 * The end of an area. stop: from now on, no slot of it is given out; it can be taken back. used:
 * there are slots that are not free. remove: none is; frees the area.
 */
bool mmk_swap_area_used(struct mmk_swap_area *area);

/*
 * How often a slot of a stopped area was freed, or left to the cache alone; waits until it is no
 * longer `given`. => may sleep
 */
uint32_t mmk_swap_area_given(const struct mmk_swap_area *area);
void mmk_swap_area_wait(struct mmk_swap_area *area, uint32_t given);

void mmk_swap_area_stop(struct mmk_swap_area *area, bool stop);
void mmk_swap_area_remove(struct mmk_swap_area *area);

/* Is the slot's area being swapped off? => a reference to the slot, or a page cached as its */
bool mmk_slot_stopped(uint64_t slot);

/* Lists, counts and words of all areas agree. => nothing else runs */
void mmk_swap_area_check(void);

#endif
