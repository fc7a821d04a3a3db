/* SPDX-License-Identifier: MIT */
/*
 * family.h - address spaces by descent: which of them may map a private page.
 *
 * A private page is made in one address space, and comes to others by fork alone: to children of
 * that one, and to theirs. So the page says whose it is (struct mmk_kin), and whoever looks for its
 * entries goes from there down the tree. Nothing is kept for a VMA, nothing for an entry.
 */
#ifndef MMK_SRC_FAMILY_H
#define MMK_SRC_FAMILY_H

#include "interval_tree.h"
#include "list.h"
#include <mmkit/port/lock.h>
#include <mmkit/port/rcu.h>

struct mmk_mm;
struct mmk_vma;

/* All that descend from one address space that was not forked. */
struct mmk_family {
    struct mmk_rwlock lock; /* of the tree's shape; shared by whoever looks for entries */
    struct mmk_a32 refs;    /* a: its members, and those who look */
    struct mmk_rcu_head rcu;
};

/*
 * An address space's place in its family. It outlives the address space while pages need it.
 * F = the family's lock; K = its own.
 */
struct mmk_kin {
    struct mmk_rwlock lock;            /* shared by whoever looks for entries in mm */
    struct mmk_interval_tree moved;    /* K: VMAs whose private pages are not where they were made,
                                          by the pages' indices */
    struct mmk_a64 orphans;            /* a: pages of ours that mm maps no more, and others do,
                                          slots and cached pages; and the bits below */
    struct mmk_family *family;         /* c: holds a reference */
    struct mmk_kin *parent;            /* F: NULL: the first */
    struct mmk_list children, sibling; /* F: the youngest child is first */
    struct mmk_mm *mm;                 /* F: NULL once it is gone */
    struct mmk_kin *reap_next;         /* whoever has it in the list of idle ones */
    struct mmk_rcu_head rcu;
};

#define MMK_KIN_GONE (UINT64_C(1) << 63) /* mm is */
#define MMK_KIN_IDLE                                                                               \
    (UINT64_C(1) << 62) /* and so is the last orphan: in the list of mmk_kin_reap() */

void mmk_family_module_init(void);
uint64_t mmk_kin_count(void); /* that exist, gone ones among them */

/*
 * One for an address space that is being made, by fork of parent's, or, parent NULL, a new family.
 * => NULL: no memory; may sleep. parent's address space does not end meanwhile
 */
struct mmk_kin *mmk_kin_alloc(struct mmk_kin *parent);

/* Frees one that did not join. */
void mmk_kin_discard(struct mmk_kin *kin);

/*
 * From here on entries are looked for in mm, too.
 * => mm's tables can be walked; may sleep; takes the family's lock
 */
void mmk_kin_join(struct mmk_kin *kin, struct mmk_kin *parent, struct mmk_mm *mm);

/*
 * The opposite (P16): mm has no entries any more. Returns when nobody looks in it.
 * => may sleep; takes the family's lock. kin may be gone
 */
void mmk_kin_leave(struct mmk_kin *kin);

/*
 * One orphan more, or less, of a kin (KN3): a page that others map, a slot, a cached page.
 * => add: the kin is in the tree, by its mm, or by another orphan
 * => forget: any context; the kin may be gone afterwards
 */
MMK_ALWAYS_INLINE void mmk_kin_add_orphan(struct mmk_kin *kin)
{
    uint64_t orphans = mmk_a64_fetch_add(&kin->orphans, 1, MMK_RELAXED);

    mmk_assert((orphans & ~MMK_KIN_GONE) != 0 || orphans == 0,
               "KN3 a kin without mm and orphans gets none");
}

void mmk_kin_forget_orphan(struct mmk_kin *kin);

/*
 * Frees kins that lost their last orphan after their mm. => may sleep; takes families' locks
 */
void mmk_kin_reap(void);

/* The VMAs in its mm that have moved. */
MMK_ALWAYS_INLINE struct mmk_interval_tree *mmk_kin_moved(struct mmk_kin *kin)
    MMK_REQUIRES(kin->lock)
{
    return &kin->moved;
}

MMK_ALWAYS_INLINE const struct mmk_interval_tree *mmk_kin_moved_read(const struct mmk_kin *kin)
    MMK_REQUIRES_SHARED(kin->lock)
{
    return &kin->moved;
}

/*
 * mmk_vma_reshift() of a VMA that is about to have private pages; kin: its mm's. vma_link.c
 * => mmap lock held for reading
 */
void mmk_vma_reshift_locked(struct mmk_kin *kin, struct mmk_vma *vma, uint64_t shift)
    MMK_REQUIRES(kin->lock);

/* The next after kin among `top` and all that descend from it, parents first. NULL: none. */
struct mmk_kin *mmk_kin_next(const struct mmk_kin *kin, const struct mmk_kin *top)
    MMK_REQUIRES_SHARED(top->family->lock);

/*
 * The family of a kin, for whoever looks.
 * => get: false: it is going; inside an RCU read section that keeps kin
 * => put: may be the last
 */
bool mmk_family_get(struct mmk_family *family) MMK_REQUIRES_SHARED(mmk_rcu);
void mmk_family_put(struct mmk_family *family);

#endif
