/* SPDX-License-Identifier: MIT */
/*
 * charge.h - to whom a frame is charged: groups of address spaces, below everything that allocates.
 * Public half: <mmkit/group.h>.
 */
#ifndef MMK_SRC_CHARGE_H
#define MMK_SRC_CHARGE_H

#include "page.h"

#include <mmkit/group.h>

enum mmk_charge_kind { MMK_CHARGE_PRIVATE, MMK_CHARGE_OBJECT, MMK_CHARGE_TABLE, MMK_CHARGE_KINDS };

/* What reclaim (reclaim.c) has seen of the pages that it goes over, those of a group or all. */
struct mmk_tally {
    struct mmk_a64 all, kept;           /* a: as far as is known; signed */
    struct mmk_a64 seen_all, seen_kept; /* a: in this round */
};

/* One CPU's part of a group. Letters: S = its own lock; a = atomic; c = constant. */
struct MMK_CACHE_ALIGNED mmk_charge_share {
    struct mmk_spinlock lock;
    struct mmk_a32 stock;  /* S to write: pages paid for that nobody has */
    struct mmk_list pages; /* S: private and object pages, the next to be looked at first */
    uint64_t left;         /* S: that reclaim is still to look at, before it leaves the share */
    struct mmk_a64 count[MMK_CHARGE_KINDS]; /* S to write */
    struct mmk_group *group;                /* c */
};

struct mmk_group {
    struct mmk_a64 limit;       /* a: pages */
    struct mmk_a32 alarms;      /* a: raised after what may have left more paid than the limit */
    struct mmk_a32 alarms_over; /* a: as many as there were when somebody could still pay */
    struct mmk_a64 cpus;        /* a: whose shares have been charged to: no others have anything */
    const struct mmk_group_ops *ops; /* c, or NULL */
    void *private_data;              /* c */
    struct mmk_page *block;          /* c: the frames that it lies in */
    struct MMK_CACHE_ALIGNED {
        struct mmk_a64 pages; /* a: taken from the limit; bit 63 while there are users */
    } paid;
    struct mmk_a32 users;                                /* a */
    struct mmk_rwlock killing;                           /* who asks for a victim; group.c */
    struct mmk_a64 hits, reclaimed, ooms, kills, failed; /* a */
    struct mmk_tally tally;
    struct mmk_a32 at; /* a: the CPU whose share reclaim looks at */
    struct mmk_charge_share share[MMK_MAX_CPUS];
};

/*
 * The limit is reached (group.c): makes room, and tries to charge.
 * => whether the page is charged
 */
typedef bool (*mmk_rescuer)(struct mmk_group *group, struct mmk_page *page,
                            enum mmk_charge_kind kind);

void mmk_charge_init(mmk_rescuer function);
uint64_t mmk_group_count(void); /* that exist, those without users among them */

/* In a block of its own, which the caller has cleared. limit: pages */
void mmk_group_init(struct mmk_group *group, struct mmk_page *block, uint64_t limit);

/*
 * mmk_charge() for a group. => flags: MMK_ALLOC_NOWAIT: only as far as the limit has room, without
 * sleep
 */
MMK_MUST_CHECK bool mmk_charge_slow(struct mmk_group *group, struct mmk_page *page,
                                    enum mmk_charge_kind kind, unsigned flags);

/* The same, once all stocks are back with the limit, if that has room. => any context */
MMK_MUST_CHECK bool mmk_charge_try(struct mmk_group *group, struct mmk_page *page,
                                   enum mmk_charge_kind kind);

/*
 * The frame is charged to the group, NULL: to nobody, until mmk_uncharge().
 * => false: beyond the limit; may sleep unless flags (enum mmk_alloc) say NOWAIT
 * => a single frame that was not charged. The caller owns it alone, or, when it is a private page
 *    that has come from its slot and is mapped nowhere yet, has it locked
 */
MMK_MUST_CHECK MMK_ALWAYS_INLINE bool mmk_charge(struct mmk_group *group, struct mmk_page *page,
                                                 enum mmk_charge_kind kind, unsigned flags)
{
    return mmk_likely(!group) || mmk_charge_slow(group, page, kind, flags);
}

/*
 * The same, beyond the limit if need be, where neither sleep nor failure is possible: the group
 * gets nothing more until enough is gone.
 * => the caller alone may change to whom it is charged; any context where frames may be freed
 */
void mmk_charge_anyway(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind);

/*
 * The charge goes from one frame to another, which takes its place (migrate.c).
 * => both are the same kind of page, and locked; `to` is charged to nobody
 */
void mmk_charge_move_slow(struct mmk_page *page, struct mmk_page *to) MMK_REQUIRES(page)
    MMK_REQUIRES(to);

MMK_ALWAYS_INLINE void mmk_charge_move(struct mmk_page *page, struct mmk_page *to)
    MMK_REQUIRES(page) MMK_REQUIRES(to)
{
    if (mmk_unlikely(page->share != NULL))
        mmk_charge_move_slow(page, to);
}

/*
 * The frame is nobody's any more. => its type is still what it was charged as; any context where
 * frames may be freed
 */
void mmk_uncharge_slow(struct mmk_page *page);

MMK_ALWAYS_INLINE void mmk_uncharge(struct mmk_page *page)
{
    if (mmk_unlikely(page->share != NULL))
        mmk_uncharge_slow(page);
}

/* To whom; NULL: nobody. => the caller has a reference, or a lock that keeps one */
MMK_ALWAYS_INLINE struct mmk_group *mmk_page_group(const struct mmk_page *page)
{
    return page->share ? page->share->group : NULL;
}

/* All stocks go back to the limit. => any context but interrupts */
void mmk_charge_drain(struct mmk_group *group);

/*
 * The next of a group's private and object pages, for reclaim, round and round. They may be free,
 * or another's, when the caller comes to look.
 * => how many, up to `most`, none only if there are none; *over: a round is over with them
 */
unsigned mmk_charge_next(struct mmk_group *group, struct mmk_page *page[], unsigned most,
                         bool *over);

/* How many it has, and on how many CPUs they were charged. */
uint64_t mmk_charge_listed(const struct mmk_group *group, uint64_t *shares);

/* GR1 to GR5, by a walk over all frames. => nothing else runs */
void mmk_charge_check(struct mmk_group *group);

/* Pages, of a kind, and all that is paid for. */
uint64_t mmk_charge_sum(const struct mmk_group *group, enum mmk_charge_kind kind);
uint64_t mmk_charge_paid(const struct mmk_group *group);

/* => pages; what is paid for may be more */
void mmk_charge_set_limit(struct mmk_group *group, uint64_t limit);

#endif
