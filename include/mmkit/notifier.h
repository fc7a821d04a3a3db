/* SPDX-License-Identifier: MIT */
/*
 * notifier.h - keeping a second set of translations of an address space true: the nested tables of
 * a virtual machine, an IOMMU's, a sandbox that mirrors into its host's mappings.
 *
 * A mirror translates addresses of an mm by tables of its own, and fills them on demand:
 *
 *     again:
 *         seq = mmk_notifier_read_begin(&mirror->notifier);
 *         if (mmk_translate(mm, addr, access, &phys, &prot) fails)
 *             mmk_fault(mm, addr, access), and again when it is DONE
 *         lock(mirror);
 *         if (mmk_notifier_read_retry(&mirror->notifier, seq))
 *             unlock(mirror), and again
 *         install addr -> phys, prot, in the mirror's tables
 *         unlock(mirror);
 *
 * Before mmkit changes entries of the mm it calls invalidate_begin(), which takes the mirror's
 * lock, drops what the mirror has for the range, and makes sure that nobody uses it any more (the
 * mirror's own TLB flush); after the change and the TLBs' flush, invalidate_end(). In between the
 * loop above installs nothing. What mmkit only adds (a fault that fills an entry or makes it
 * writable) is not told.
 *
 * As mmu_notifier and mmu_interval_notifier of Linux; the counts are one per notifier, not one per
 * range. Who finds retries too many keeps counts of his own in the two callbacks.
 */
#ifndef MMKIT_NOTIFIER_H
#define MMKIT_NOTIFIER_H

#include <mmkit/fault.h>
#include <mmkit/port/atomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happens to the entries of a range. Drop the translations for each; it is for statistics. */
enum mmk_notify_reason {
    MMK_NOTIFY_UNMAP,   /* the mapping goes */
    MMK_NOTIFY_DISCARD, /* the pages go, the mapping stays: advice, truncation, holes, the reaper */
    MMK_NOTIFY_PROTECT, /* other permissions */
    MMK_NOTIFY_COPY,    /* one page is replaced by a private copy */
    MMK_NOTIFY_FORK,    /* private pages become read-only, to be shared with a child */
    MMK_NOTIFY_MOVE,    /* the pages go elsewhere in the mm */
    MMK_NOTIFY_CLEAN,   /* dirty bits are taken: the next write must fault, or set one */
    MMK_NOTIFY_MIGRATE, /* one page is replaced by another with the same content */
};

struct mmk_notifier_range {
    struct mmk_mm *mm;
    mmk_vaddr_t start, end; /* page multiples: every entry that changes lies here */
    enum mmk_notify_reason reason;
    bool may_sleep; /* of invalidate_begin() */
};

struct mmk_notifier;

struct mmk_notifier_ops {
    /*
     * Entries in the range are about to change. NULL: nothing to do.
     * => 0; MMK_EAGAIN, only when range->may_sleep is false: it would have to sleep. Then the
     *    operation does not happen, and there is no invalidate_end() for it
     * => ranges may overlap in time, also one with itself
     * => may sleep when range->may_sleep. mmkit's locks that sleep may be held (mmap, invalidate,
     *    page, interval, family, kin), spin locks are not; calls nothing of mmkit but
     *    mmk_page_alloc(NOWAIT), mmk_page_put() and mmk_notifier_read_retry()
     */
    int (*invalidate_begin)(struct mmk_notifier *notifier, const struct mmk_notifier_range *range);

    /*
     * They have changed, and TLBs are flushed: what is looked up from now on is true. NULL:
     * nothing.
     * => as invalidate_begin(), but never sleeps
     */
    void (*invalidate_end)(struct mmk_notifier *notifier, const struct mmk_notifier_range *range);

    /*
     * The mm's last user has left: drops every translation. The notifier is not registered any
     * more, and mmkit does not touch it after this has returned. NULL: nothing.
     * => may sleep; calls nothing of mm.h for this mm but mmk_mm_drop()
     */
    void (*release)(struct mmk_notifier *notifier, struct mmk_mm *mm);
};

/* Part of the embedder's structure; zeroed before it is registered. */
struct mmk_notifier {
    const struct mmk_notifier_ops *ops; /* set by the embedder */
    struct mmk_mm *mm;                  /* what follows is mmkit's */
    struct mmk_aptr next;
    uint64_t since;
    struct mmk_a32 active; /* begun and not ended */
    struct mmk_a64 seq;    /* raised by each end */
};

/*
 * From now on `notifier` hears of mm. The mm keeps no hold for it. Waits for operations that could
 * not tell it (reclaim), and for those that just tell others.
 * => 0; MMK_EINTR: mm was killed
 * => the caller is a user of mm; notifier is registered nowhere; may sleep, takes the mmap lock;
 *    not from a callback
 */
MMK_MUST_CHECK int mmk_notifier_register(struct mmk_mm *mm, struct mmk_notifier *notifier);

/*
 * No more: when it returns no callback runs or will. Nothing happens when release() was called, or
 * is being called: then it waits until that is over.
 * => the caller is a user of mm or holds it (mmk_mm_hold()); may sleep, takes the mmap lock; not
 *    from a callback
 */
void mmk_notifier_unregister(struct mmk_mm *mm, struct mmk_notifier *notifier);

/*
 * The first step of filling a mirror. While something is being invalidated it waits, until that is
 * over or another that was under way is; mmk_notifier_read_retry() finds what still is.
 * => what mmk_notifier_read_retry() wants; may sleep; no lock that a callback wants, nor one that
 *    is held where mmkit is called
 */
MMK_MUST_CHECK uint64_t mmk_notifier_read_begin(struct mmk_notifier *notifier);

/*
 * The last step: true when something was or is being invalidated since: what was looked up may be
 * gone.
 * => the mirror's lock is held, the one that invalidate_begin() takes
 */
MMK_MUST_CHECK bool mmk_notifier_read_retry(const struct mmk_notifier *notifier, uint64_t seq);

/*
 * What addr translates to now, for an access: the walk of a processor, done by software. As one
 * does, it marks the entry accessed, and dirty when it is to be written.
 * => 0, with the physical address of addr, and in *prot what the entry allows (MMK_PROT_*): WRITE
 *    only for a write. A writable page asked for reading says READ, so that its first write comes
 *    here again, and is noted
 * => MMK_EFAULT: the entry does not allow it: mmk_fault() is next
 * => true when it is read, and perhaps no longer when it returns: mmk_notifier_read_retry() tells
 * => does not sleep; any context but NMI; the caller is a user of mm
 */
MMK_MUST_CHECK int mmk_translate(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_access access,
                                 mmk_paddr_t *phys, unsigned *prot);

#ifdef __cplusplus
}
#endif

#endif
