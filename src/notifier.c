/* SPDX-License-Identifier: MIT */
/*
 * notifier.c - telling secondary MMUs of changes, and walking tables for them.
 *
 * N1 While an operation changes entries of a range, each notifier of the mm has been told so:
 * either before the first change, or, when it was registered in between, after the flush and before
 * a page is let go, in one piece with what it may have read meanwhile. N2 A begin is followed by an
 * end, for each notifier that is still registered. N3 When mmk_notifier_unregister() returns,
 * nobody calls the notifier or will.
 *
 * The list is changed with the mmap lock held for writing, and pushed at its front. Operations that
 * hold the mmap lock do not run beside that. Others come from an object (truncation), or from a
 * page (reclaim). The latter, and all that may not sleep, could not tell a notifier after the
 * flush; they are counted, as below, whether there is a notifier or not, and who registers waits
 * for them. As for the former:
 *
 *   operation                                 registration
 *   1 no notifier: nobody is told             1 in the list
 *   2 entries cleared                         2 full barrier
 *   3 full barrier (the flush)                3 entries may be read for the mirror
 *   4 a notifier: told to drop what it has
 *
 * Either 4 sees the notifier, or 3 sees the entries cleared. So does a fault that speculates, which
 * undoes what it has begun in place of telling (fault_cow.c). Each notifier has a number, by which
 * an operation knows those that it has told at its beginning: only those, and those told in 4, get
 * an end.
 *
 * Callbacks sleep, so RCU does not keep the list's members. Operations that tell somebody, or may
 * not sleep, are counted, in one of two epochs; unregistering takes the notifier out, makes the
 * other epoch the present one, and waits for the old one's operations. They may still go along its
 * pointer, which stays, and may miss to end it, which nobody minds any more. One who is
 * unregistered after it waits in turn, so the pointer leads nowhere that is gone.
 *
 * Rejected: a read-write lock around begin and end (an operation begins with page and interval
 * locks held, and takes others before it ends: with a writer waiting in between, a deadlock);
 * telling of each table or entry (what is told beforehand must cover all that may change, and is
 * told best once).
 */
#include "notifier.h"

#include "huge.h"
#include "planted.h"

/* In notifying[] and in `active`: somebody waits for the count to go down. */
#define WAITED ((uint32_t)1 << 31)

/* Wakes who waits, also where others are left: they may have come after the waiter did. */
static void count_down(struct mmk_a32 *count)
{
    uint32_t left = mmk_a32_fetch_sub(count, 1, MMK_RELEASE) - 1;

    while (mmk_unlikely(left & WAITED)) {
        if (!mmk_a32_cmpxchg(count, &left, left & ~WAITED, MMK_RELAXED))
            continue;
        mmk_host_wake(count, UINT32_MAX);
        return;
    }
}

/* Waits until the count has gone down, unless it is nought. => false: it was */
static bool wait_for_one(struct mmk_a32 *count)
{
    uint32_t seen = mmk_a32_load(count, MMK_ACQUIRE);

    if ((seen & ~WAITED) == 0)
        return false;
    if ((seen & WAITED) || mmk_a32_cmpxchg(count, &seen, seen | WAITED, MMK_RELAXED))
        mmk_host_wait(count, seen | WAITED);
    return true;
}

/* Relaxed: who goes along the list has taken the mm's lock since any that it finds was put in. */
static struct mmk_notifier *next_of(const struct mmk_notifier *notifier)
{
    return (struct mmk_notifier *)mmk_aptr_load(&notifier->next, MMK_RELAXED);
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Counts the operation in the present epoch, if it has to be. => the list as it is then */
static struct mmk_notifier *enter(struct mmk_notify *notify)
{
    struct mmk_mm *mm = notify->range.mm;
    unsigned long state = mmk_percpu_enter();
    struct mmk_notifier *first;

    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    first = (struct mmk_notifier *)mmk_aptr_load(&mm->notifiers, MMK_RELAXED);
    if (!notify->counted && (first || !notify->range.may_sleep)) {
        notify->counted = true;
        notify->epoch = mm->notify_epoch;
        mmk_a32_fetch_add(&mm->notifying[notify->epoch], 1, MMK_RELAXED);
    }
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
    return first;
}

static void leave(struct mmk_notify *notify)
{
    count_down(&notify->range.mm->notifying[notify->epoch]);
    notify->counted = false;
}

static void end_one(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    mmk_a64_fetch_add(&notifier->seq, 1, MMK_RELAXED); /* after the flush's full barrier */
    if (notifier->ops->invalidate_end)
        notifier->ops->invalidate_end(notifier, range);
    count_down(&notifier->active);
}

/* The count first: who has the mirror's lock after the callback sees it, or the end's `seq`. */
static int begin_one(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    int error = 0;

    mmk_a32_fetch_add(&notifier->active, 1, MMK_RELAXED);
    if (notifier->ops->invalidate_begin)
        error = notifier->ops->invalidate_begin(notifier, range);
    mmk_assert(!error || !range->may_sleep, "a notifier that may sleep does not refuse");
    if (!error)
        return 0;
    count_down(&notifier->active);
    return MMK_EAGAIN;
}

int mmk_notify_begin_slow(struct mmk_notify *notify)
{
    struct mmk_notifier *first = enter(notify), *notifier, *told;

    if (!first)
        return 0;
    if (notify->range.may_sleep)
        mmk_note_may_sleep();
    notify->first = first;
    notify->gen = first->since;
    for (notifier = first; notifier; notifier = next_of(notifier)) {
        if (!begin_one(notifier, &notify->range))
            continue;
        for (told = first; told != notifier; told = next_of(told))
            end_one(told, &notify->range);
        leave(notify);
        return MMK_EAGAIN;
    }
    return 0;
}

void mmk_notify_flushed_slow(struct mmk_notify *notify)
{
    struct mmk_notifier *first = enter(notify), *notifier;
    uint64_t gen = notify->first ? notify->gen : 0;

    if (!first || first->since <= gen)
        return; /* all of them were told */
    if (!notify->range.may_sleep)
        return; /* it waits for us, and has read nothing */
    notify->first = first;
    notify->gen = first->since;
    for (notifier = first; notifier && notifier->since > gen; notifier = next_of(notifier))
        (void)begin_one(notifier, &notify->range);
}

void mmk_notify_end_slow(struct mmk_notify *notify)
{
    struct mmk_notifier *notifier, *next;

    for (notifier = notify->first; notifier; notifier = next) {
        next = next_of(notifier);
        end_one(notifier, &notify->range);
    }
    leave(notify);
}

/* ---- who is told ----------------------------------------------------------------------------- */

/* The pointer to `notifier` leads past it from now on. => `lock` held */
static void unchain(struct mmk_mm *mm, const struct mmk_notifier *notifier)
{
    struct mmk_aptr *link = &mm->notifiers;

    while (mmk_aptr_load(link, MMK_RELAXED) != notifier) {
        struct mmk_notifier *other = (struct mmk_notifier *)mmk_aptr_load(link, MMK_RELAXED);

        mmk_assert(other, "N3 a registered notifier is in its mm's list");
        link = &other->next;
    }
    mmk_aptr_store(link, mmk_aptr_load(&notifier->next, MMK_RELAXED), MMK_RELAXED);
}

/*
 * Waits until the operations that are counted have ended, but for those that have come since the
 * list was changed. => mmap lock held for writing
 */
static void wait_for_epoch(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock)
{
    unsigned long state = mmk_percpu_enter();
    uint32_t old;

    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    old = mm->notify_epoch;
    mm->notify_epoch = old ^ 1;
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
    while (wait_for_one(&mm->notifying[old]))
        ; /* nobody enters the old epoch */
}

int mmk_notifier_register(struct mmk_mm *mm, struct mmk_notifier *notifier)
{
    unsigned long state;
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    mmk_assert(!notifier->mm, "N3 a notifier is registered once");
    notifier->mm = mm;
    mmk_a32_store(&notifier->active, 0, MMK_RELAXED);
    mmk_a64_store(&notifier->seq, 0, MMK_RELAXED);
    state = mmk_percpu_enter();
    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    notifier->since = ++mm->notify_gen;
    mmk_aptr_store(&notifier->next, mmk_aptr_load(&mm->notifiers, MMK_RELAXED), MMK_RELAXED);
    mmk_aptr_store(&mm->notifiers, notifier, MMK_RELAXED);
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
    mmk_full_barrier(); /* N1: in the list before an entry is read for it */
    if (!MMK_MISTAKE(REGISTER_AT_ONCE))
        wait_for_epoch(mm);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

/* Takes one out, or all, and waits for who may still be at it. => mmap lock held for writing */
static void take_out(struct mmk_mm *mm, const struct mmk_notifier *notifier)
    MMK_REQUIRES(mm->mmap_lock)
{
    unsigned long state = mmk_percpu_enter();

    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    if (notifier)
        unchain(mm, notifier);
    else
        mmk_aptr_store(&mm->notifiers, NULL, MMK_RELAXED);
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
    if (!MMK_MISTAKE(UNREGISTER_AT_ONCE))
        wait_for_epoch(mm);
}

/* Whoever waits in mmk_notifier_read_begin() goes on: an end may have missed this notifier. */
static void retire(struct mmk_notifier *notifier)
{
    notifier->mm = NULL;
    mmk_a64_fetch_add(&notifier->seq, 1, MMK_RELAXED);
    mmk_a32_store(&notifier->active, 0, MMK_RELAXED);
    mmk_host_wake(&notifier->active, UINT32_MAX);
}

void mmk_notifier_unregister(struct mmk_mm *mm, struct mmk_notifier *notifier)
{
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    if (notifier->mm == mm) {
        take_out(mm, notifier);
        retire(notifier);
    }
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

void mmk_notify_release(struct mmk_mm *mm)
{
    struct mmk_notifier *notifier =
        (struct mmk_notifier *)mmk_aptr_load(&mm->notifiers, MMK_RELAXED);
    struct mmk_notifier *next;

    if (!notifier)
        return;
    take_out(mm, NULL);
    for (; notifier; notifier = next) {
        next = next_of(notifier); /* release() may free it */
        retire(notifier);
        if (notifier->ops->release)
            notifier->ops->release(notifier, mm);
    }
}

/* ---- filling a mirror ------------------------------------------------------------------------ */

/*
 * Not until there is none: with operations that overlap the moment may never come, and the caller
 * tries again anyhow where another is active. One that ended will do: seq says so.
 */
uint64_t mmk_notifier_read_begin(struct mmk_notifier *notifier)
{
    uint64_t first = mmk_a64_load(&notifier->seq, MMK_ACQUIRE), seq = first;

    mmk_note_may_sleep();
    while (seq == first && wait_for_one(&notifier->active))
        seq = mmk_a64_load(&notifier->seq, MMK_ACQUIRE);
    return seq;
}

/* An invalidation that read_begin() did not see is active still, or its end has raised seq. */
bool mmk_notifier_read_retry(const struct mmk_notifier *notifier, uint64_t seq)
{
    return (mmk_a32_load(&notifier->active, MMK_ACQUIRE) & ~WAITED) != 0 ||
           mmk_a64_load(&notifier->seq, MMK_RELAXED) != seq;
}

static bool allows(mmk_pte_t pte, enum mmk_access access)
{
    if (!mmk_pte_present(pte) || !mmk_pte_accessible(pte))
        return false;
    if (access == MMK_ACCESS_WRITE)
        return mmk_pte_write(pte);
    return access == MMK_ACCESS_READ || mmk_pte_exec(pte);
}

/* As a processor that uses the entry. => *pte: as it is then; false: it no longer allows it */
static bool use_entry(struct mmk_a64 *entry, unsigned level, mmk_pte_t *pte, enum mmk_access access)
{
    mmk_pte_t used;

    *pte = mmk_pte_read(entry);
    do {
        if ((level > 0 && !mmk_pte_huge(*pte)) || !allows(*pte, access))
            return false;
        used = mmk_pte_mkused(*pte, access == MMK_ACCESS_WRITE);
    } while (used.v != pte->v && !mmk_pte_change(entry, pte, used));
    return true;
}

int mmk_translate(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_access access, mmk_paddr_t *phys,
                  unsigned *prot)
{
    struct mmk_walk walk;
    mmk_pte_t pte;
    bool used;

    if (addr >= MMK_USER_END)
        return MMK_EFAULT;
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    used = use_entry(walk.entry, walk.level, &pte, access);
    mmk_rcu_read_unlock();
    if (!used)
        return MMK_EFAULT;
    if (walk.level > 0)
        pte = mmk_huge_piece(&walk, pte);
    *phys = (mmk_pte_pfn(pte) << MMK_PAGE_SHIFT) | (addr & ~MMK_PAGE_MASK);
    *prot = MMK_PROT_READ;
    if (access == MMK_ACCESS_WRITE)
        *prot |= MMK_PROT_WRITE;
    if (mmk_pte_exec(pte))
        *prot |= MMK_PROT_EXEC;
    return 0;
}
