/* SPDX-License-Identifier: MIT */
/*
 * notifier.h - telling secondary MMUs of changes. Public half: <mmkit/notifier.h>.
 *
 * Around each operation that changes entries: begin before the first change, flushed after the TLBs
 * were flushed and before a page is let go, end last. A gather does all three (gather.c).
 * An mm without notifiers costs one load in begin and one in flushed, and who may not sleep its
 * lock and a count.
 */
#ifndef MMK_SRC_NOTIFIER_H
#define MMK_SRC_NOTIFIER_H

#include "mm.h"
#include <mmkit/notifier.h>

/* One operation. */
struct mmk_notify {
    struct mmk_notifier_range range;
    struct mmk_notifier *first; /* those at `first` and after it were told; NULL: nobody */
    uint64_t gen;               /* of those, the latest; no meaning without them */
    uint32_t epoch;             /* counted: in which */
    bool counted;               /* in mm.notifying[] */
};

int mmk_notify_begin_slow(struct mmk_notify *notify);
void mmk_notify_flushed_slow(struct mmk_notify *notify);
void mmk_notify_end_slow(struct mmk_notify *notify);

/* For one that tells nobody. */
MMK_ALWAYS_INLINE void mmk_notify_init(struct mmk_notify *notify, struct mmk_mm *mm,
                                       mmk_vaddr_t start, mmk_vaddr_t end,
                                       enum mmk_notify_reason reason, bool may_sleep)
{
    notify->range.mm = mm;
    notify->range.start = start;
    notify->range.end = end;
    notify->range.reason = reason;
    notify->range.may_sleep = may_sleep;
    notify->first = NULL;
    notify->counted = false;
}

/*
 * The beginning of an operation that may sleep once it has changed something, but not yet: of one
 * whose mm has no notifiers. => false: it has
 */
MMK_ALWAYS_INLINE bool mmk_notify_begin_untold(struct mmk_notify *notify, struct mmk_mm *mm,
                                               mmk_vaddr_t start, mmk_vaddr_t end,
                                               enum mmk_notify_reason reason)
{
    mmk_notify_init(notify, mm, start, end, reason, true);
    return mmk_likely(!mmk_aptr_load(&mm->notifiers, MMK_RELAXED));
}

/*
 * => 0; MMK_EAGAIN, without may_sleep: a notifier would have to sleep, nobody is told
 * => may sleep with may_sleep; no spin locks, no RCU read section
 */
MMK_MUST_CHECK MMK_ALWAYS_INLINE int mmk_notify_try_begin(struct mmk_notify *notify,
                                                          struct mmk_mm *mm, mmk_vaddr_t start,
                                                          mmk_vaddr_t end,
                                                          enum mmk_notify_reason reason,
                                                          bool may_sleep)
{
    mmk_notify_init(notify, mm, start, end, reason, may_sleep);
    if (mmk_likely(may_sleep && !mmk_aptr_load(&mm->notifiers, MMK_RELAXED)))
        return 0;
    return mmk_notify_begin_slow(notify);
}

MMK_ALWAYS_INLINE void mmk_notify_begin(struct mmk_notify *notify, struct mmk_mm *mm,
                                        mmk_vaddr_t start, mmk_vaddr_t end,
                                        enum mmk_notify_reason reason)
{
    int error = mmk_notify_try_begin(notify, mm, start, end, reason, true);

    mmk_assert(!error, "a notifier that may sleep does not refuse");
}

/* mm: of begin. => as begin with may_sleep; entries were changed before, and a full barrier has
 * passed since */
MMK_ALWAYS_INLINE void mmk_notify_flushed(struct mmk_notify *notify, const struct mmk_mm *mm)
{
    if (mmk_unlikely(mmk_aptr_load(&mm->notifiers, MMK_RELAXED) != NULL))
        mmk_notify_flushed_slow(notify);
}

MMK_ALWAYS_INLINE void mmk_notify_end(struct mmk_notify *notify)
{
    if (mmk_unlikely(notify->counted))
        mmk_notify_end_slow(notify);
}

/* The last user has left: each notifier's release(). => mmap lock held for writing; may sleep */
void mmk_notify_release(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock);

#endif
