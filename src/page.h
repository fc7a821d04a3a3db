/* SPDX-License-Identifier: MIT */
/*
 * page.h - struct mmk_page: one descriptor per frame.
 *
 * Owns the layout of the descriptor and the flag word. What a frame is used for is its type, kept
 * in the flag word; the union is by type. A type changes only while one owner holds the frame.
 *
 * F1 A frame's references = its mappings + its place in an object's index + holders, pins among
 *    them; a free frame has none.
 *
 * Letters in the comments say what protects a field: T = the table's own lock; P = parent's and
 * own table lock both to write, either to read; L = page lock; F = frame lock; a = atomic;
 * o = whoever owns the frame; c = constant while the frame has its type.
 */
#ifndef MMK_SRC_PAGE_H
#define MMK_SRC_PAGE_H

#include <mmkit/page.h>
#include <mmkit/port/atomic.h>
#include <mmkit/port/lock.h>
#include <mmkit/port/rcu.h>

struct mmk_mm;
struct mmk_charge_share;

enum mmk_page_type {
    MMK_PAGE_RESERVED, /* descriptors, and frames nobody handed in */
    MMK_PAGE_FREE,     /* in the buddy allocator: first frame of a free block, or inside one */
    MMK_PAGE_CACHED,   /* free, in a CPU's cache */
    MMK_PAGE_PLAIN,    /* allocated, no more is known: the embedder's, or private to its finder */
    MMK_PAGE_SLAB,     /* holds small objects */
    MMK_PAGE_TABLE,    /* a page table */
    MMK_PAGE_ANON,     /* private anonymous memory */
    MMK_PAGE_OBJECT,   /* in an object's index, or was until truncation */
    MMK_PAGE_CLAIMED,  /* free, and taken for a larger block: claim.h */
};

/* The flag word: type, order of the block (first frame only), then single bits. */
#define MMK_PF_TYPE      0x0fu
#define MMK_PF_ORDER     0xf0u
#define MMK_PF_ORDER_AT  4
#define MMK_PF_LOCKED    0x100u   /* page lock held */
#define MMK_PF_WAITERS   0x200u   /* somebody sleeps for the page lock */
#define MMK_PF_DIRTY     0x400u   /* written since it was filled */
#define MMK_PF_EXCLUSIVE 0x800u   /* anonymous, and mapped by one entry only: write needs no copy */
#define MMK_PF_UPTODATE  0x1000u  /* object's page: filled */
#define MMK_PF_LAZYFREE  0x2000u  /* MADV_FREE: may be dropped while clean */
#define MMK_PF_WRITEBACK 0x4000u  /* being written to where its object is kept, or to its slot */
#define MMK_PF_SWAPCACHE 0x8000u  /* ANON: user.slot is its slot; swap_cache.h */
#define MMK_PF_UNUSED    0x10000u /* locked; somebody has handed over: page_lock.c */
#define MMK_PF_STAYS     0x20000u /* taken with MMK_ALLOC_STAYS; of free blocks: buddy.c */
#define MMK_PF_AGE       0x700000u /* how often it was found used: reclaim.c */
#define MMK_PF_AGE_AT    20
#define MMK_PF_KICK      0x10000000u /* added by each kill of a sleeper: page_lock.c */

struct mmk_list {
    struct mmk_list *next, *prev;
};

struct MMK_CAPABILITY("page lock") mmk_page {
    _Alignas(64) struct mmk_a32 flags; /* a. A cache line: no descriptor shares one */
    struct mmk_a32 refs;               /* a */
    union {
        struct {
            struct mmk_list link; /* F, or the claim's owner */
        } free;

        struct {
            struct mmk_a32 mapcount; /* a: entries that map it; page_rmap.h */
            struct mmk_a32 pins;     /* a: references that use the frame's memory; raised under the
                                        lock of a table that maps it */
            union {
                struct mmk_aptr object; /* L to write, a: the object, NULL once truncated */
                struct mmk_aptr kin;    /* ANON: where to look for its entries; page_rmap.h */
            };
            uint64_t index;          /* c: page offset in the object; ANON: see page_rmap.h */
            uint64_t slot;           /* L: while SWAPCACHE */
            struct mmk_list charged; /* lock of `share` */
        } user;

        struct {
            struct mmk_spinlock lock;
            uint16_t live;          /* T: entries that are not none; this and pins: pte_ref.h */
            uint16_t above;         /* o: of one that is dead: how many have gone with it */
            uint32_t pins;          /* T: visitors that may sleep */
            uint32_t level;         /* c: 0 = pte table; asked for without the lock */
            struct mmk_aptr parent; /* P: the entry that links it, or that did, with a mark
                                       (pte_ref.h); root: NULL */
            union {
                struct mmk_aptr vma; /* a: one that it has been used for, or NULL; vma_hint.h */
                struct mmk_mm *mm;   /* c: of the root */
            };
            union {
                struct {
                    struct mmk_page *next;  /* o: in a gather's list, or a pool's */
                    struct mmk_page *upper; /* o: of one that is dead: the one above that has gone
                                               with it; of the highest: no meaning */
                };
                struct mmk_rcu_head rcu; /* o: waiting for a grace period */
            };
        } table;

        struct {
            struct mmk_list link; /* slab lock */
            void *cache;          /* c */
            void *free;           /* slab lock: first free object */
            uint32_t used;        /* slab lock */
        } slab;
    };

    struct mmk_charge_share *share; /* o: whom the frame is charged to, or NULL; charge.h */
};

_Static_assert(sizeof(struct mmk_page) == 64, "a descriptor is 64 bytes");

MMK_ALWAYS_INLINE enum mmk_page_type mmk_page_type(const struct mmk_page *page)
{
    return (enum mmk_page_type)(mmk_a32_load(&page->flags, MMK_RELAXED) & MMK_PF_TYPE);
}

/* Sets the type and clears all but what the frame was taken as. => the caller owns the frame alone
 */
MMK_ALWAYS_INLINE void mmk_page_set_type(struct mmk_page *page, enum mmk_page_type type)
{
    uint32_t kept = mmk_a32_load(&page->flags, MMK_RELAXED) & (MMK_PF_ORDER | MMK_PF_STAYS);

    mmk_a32_store(&page->flags, kept | (uint32_t)type, MMK_RELAXED);
}

MMK_ALWAYS_INLINE bool mmk_page_test(const struct mmk_page *page, uint32_t flag)
{
    return (mmk_a32_load(&page->flags, MMK_RELAXED) & flag) != 0;
}

MMK_ALWAYS_INLINE void mmk_page_set(struct mmk_page *page, uint32_t flag)
{
    mmk_a32_fetch_or(&page->flags, flag, MMK_RELAXED);
}

MMK_ALWAYS_INLINE void mmk_page_clear(struct mmk_page *page, uint32_t flag)
{
    mmk_a32_fetch_and(&page->flags, ~flag, MMK_RELAXED);
}

/*
 * The page is dirty. Release: whoever finds the bit finds what was stored before.
 * => the caller has a reference, or a lock that keeps one
 */
MMK_ALWAYS_INLINE void mmk_page_mkdirty(struct mmk_page *page)
{
    mmk_a32_fetch_or(&page->flags, MMK_PF_DIRTY, MMK_RELEASE);
}

/* No longer; answers whether it was. Acquire: see above. => page lock held */
MMK_ALWAYS_INLINE bool mmk_page_take_dirty(struct mmk_page *page) MMK_REQUIRES(page)
{
    return (mmk_a32_fetch_and(&page->flags, ~MMK_PF_DIRTY, MMK_ACQUIRE) & MMK_PF_DIRTY) != 0;
}

MMK_ALWAYS_INLINE uint32_t mmk_page_refs(const struct mmk_page *page)
{
    return mmk_a32_load(&page->refs, MMK_RELAXED);
}

/* One more reference. => the caller has one already, or a lock that keeps one alive */
MMK_ALWAYS_INLINE void mmk_page_get(struct mmk_page *page)
{
    mmk_a32_fetch_add(&page->refs, 1, MMK_RELAXED);
}

/* One more reference unless there is none left: for lookups under RCU. */
MMK_ALWAYS_INLINE bool mmk_page_get_unless_zero(struct mmk_page *page)
{
    uint32_t refs = mmk_page_refs(page);

    while (refs != 0)
        if (mmk_a32_cmpxchg(&page->refs, &refs, refs + 1, MMK_ACQUIRE))
            return true;
    return false;
}

/*
 * One reference less. => true: it was the last, the frame is the caller's to free. Releases what
 * was done to the frame to whoever frees it; acquires the same if that is the caller.
 */
MMK_ALWAYS_INLINE bool mmk_page_drop(struct mmk_page *page)
{
    uint32_t old = mmk_a32_fetch_sub(&page->refs, 1, MMK_ACQ_REL);

    mmk_assert(old != 0, "F1 a reference is dropped that nobody had");
    return old == 1;
}

/* Acquire: what was written to the page before it was unpinned is seen. */
MMK_ALWAYS_INLINE bool mmk_page_pinned(const struct mmk_page *page)
{
    return mmk_a32_load(&page->user.pins, MMK_ACQUIRE) != 0;
}

/*
 * Page lock: guards a page's identity (which object, and whether still). Sleeps. page_lock.c
 * => lock: may sleep; unlock: any context but NMI
 */
void mmk_page_lock(struct mmk_page *page) MMK_ACQUIRES(page);
bool mmk_page_trylock(struct mmk_page *page) MMK_TRY_ACQUIRES(true, page);
void mmk_page_unlock(struct mmk_page *page) MMK_RELEASES(page);

/*
 * mmk_page_set_type(), and locked from the beginning: whoever finds the frame by its type
 * (reclaim.c) looks at the rest of the descriptor with the lock held, when it has been set up.
 * => the caller owns the frame alone; does not sleep
 */
void mmk_page_become_locked(struct mmk_page *page, enum mmk_page_type type) MMK_ACQUIRES(page);

/*
 * For one who has found the lock of a private page held, and wants something looked at under it:
 * whoever unlocks calls mmk_page_unlocked() (swap_cache.c) afterwards, and has the reference that
 * the caller had.
 * => false: it is not held. Any context but interrupts
 */
MMK_MUST_CHECK bool mmk_page_hand_over(struct mmk_page *page);
void mmk_page_unlocked(struct mmk_page *page);

#endif
