/* SPDX-License-Identifier: MIT */
/*
 * lock.h - hot port contract: spin locks and sleeping read-write locks.
 *
 * The defaults are complete: a test-and-set spin lock that waits by reading, and a read-write
 * lock that sleeps in mmk_host_wait(), prefers writers, and can downgrade. A kernel whose own
 * locks know about its scheduler (priority inheritance, preemption counts) names a header with the
 * same functions in MMK_PORT_SPINLOCK or MMK_PORT_RWLOCK.
 *
 * Every lock and unlock names its class: the machine port checks the order by it at run time.
 */
#ifndef MMKIT_PORT_LOCK_H
#define MMKIT_PORT_LOCK_H

#include <mmkit/host.h>
#include <mmkit/port/cpu.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Spin locks. Held for a bounded time, never while sleeping. Shootdown interrupts stay
 * deliverable while one is held or waited for (P7), so mmkit takes none in the handler. One that
 * other interrupt handlers may want (frames) is taken between mmk_percpu_enter() and _leave().
 */
#ifdef MMK_PORT_SPINLOCK
#include MMK_PORT_SPINLOCK
#else
struct MMK_CAPABILITY("spinlock") mmk_spinlock {
    struct mmk_a32 held;
};

MMK_ALWAYS_INLINE void mmk_spin_init(struct mmk_spinlock *lock)
{
    mmk_a32_store(&lock->held, 0, MMK_RELAXED);
}

MMK_ALWAYS_INLINE void mmk_spin_lock(struct mmk_spinlock *lock, enum mmk_lock_class cls)
    MMK_ACQUIRES(lock) MMK_NO_TSA
{
    mmk_note_acquire(cls, lock, false);
    while (mmk_unlikely(mmk_a32_xchg(&lock->held, 1, MMK_ACQUIRE)))
        while (mmk_a32_load(&lock->held, MMK_RELAXED))
            mmk_cpu_relax();
}

MMK_ALWAYS_INLINE bool mmk_spin_trylock(struct mmk_spinlock *lock, enum mmk_lock_class cls)
    MMK_TRY_ACQUIRES(true, lock) MMK_NO_TSA
{
    if (mmk_a32_xchg(&lock->held, 1, MMK_ACQUIRE))
        return false;
    mmk_note_acquire(cls, lock, true);
    return true;
}

MMK_ALWAYS_INLINE void mmk_spin_unlock(struct mmk_spinlock *lock, enum mmk_lock_class cls)
    MMK_RELEASES(lock) MMK_NO_TSA
{
    mmk_note_release(cls, lock);
    mmk_a32_store(&lock->held, 0, MMK_RELEASE);
}

/* For assertions: somebody holds it. */
MMK_ALWAYS_INLINE bool mmk_spin_is_locked(const struct mmk_spinlock *lock)
{
    return mmk_a32_load(&lock->held, MMK_RELAXED) != 0;
}
#endif /* MMK_PORT_SPINLOCK */

/*
 * Sleeping read-write lock. A waiting writer stops new readers, so readers cannot starve it; when a
 * writer leaves, whoever waits, reader or writer, is woken and tries. A reader may not take it
 * twice (a writer between the two would deadlock). The last release touches the lock's memory in
 * one step: whoever gets it next may free it.
 *
 * It can be killed, once and for good: from then on the two functions named killable give up
 * instead of sleeping, and whoever sleeps in one is woken; everything else works as before. A lock
 * that is never killed pays nothing for that.
 */
#ifdef MMK_PORT_RWLOCK
#include MMK_PORT_RWLOCK
#else
#define MMK_PORT_RWLOCK_KILLABLE 1

struct MMK_CAPABILITY("rwlock") mmk_rwlock {
    struct mmk_a32 state;
};

#define MMK_RW_WRITER  ((uint32_t)1 << 31)
#define MMK_RW_PENDING ((uint32_t)1 << 30) /* a writer waits, and will take it: no new readers */
#define MMK_RW_WAITERS ((uint32_t)1 << 29) /* somebody sleeps, or is about to */
#define MMK_RW_KILLED  ((uint32_t)1 << 28) /* killable waits are over */
#define MMK_RW_READERS (MMK_RW_KILLED - 1)

MMK_ALWAYS_INLINE void mmk_rw_init(struct mmk_rwlock *lock)
{
    mmk_a32_store(&lock->state, 0, MMK_RELAXED);
}

/* Sleeps until `state` is no longer `seen`, with `mark` and WAITERS set in it. */
static inline void mmk_rw_sleep_(struct mmk_rwlock *lock, uint32_t seen, uint32_t mark)
{
    uint32_t marked = seen | mark | MMK_RW_WAITERS;

    if (seen == marked || mmk_a32_cmpxchg(&lock->state, &seen, marked, MMK_RELAXED))
        mmk_host_wait(&lock->state, marked);
}

/* One try: false, with the state seen, when a writer holds it or waits. */
MMK_ALWAYS_INLINE bool mmk_rw_try_read_(struct mmk_rwlock *lock, uint32_t *seen)
{
    *seen = mmk_a32_load(&lock->state, MMK_RELAXED);
    while (!(*seen & (MMK_RW_WRITER | MMK_RW_PENDING)))
        if (mmk_a32_cmpxchg(&lock->state, seen, *seen + 1, MMK_ACQUIRE))
            return true;
    return false;
}

static inline void mmk_rw_read_lock(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_ACQUIRES_SHARED(lock) MMK_NO_TSA
{
    uint32_t seen;

    mmk_note_may_sleep();
    mmk_note_acquire(cls, lock, false);
    while (mmk_unlikely(!mmk_rw_try_read_(lock, &seen)))
        mmk_rw_sleep_(lock, seen, 0);
}

static inline bool mmk_rw_try_read_lock(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_TRY_ACQUIRES_SHARED(true, lock) MMK_NO_TSA
{
    uint32_t seen;

    if (!mmk_rw_try_read_(lock, &seen))
        return false;
    mmk_note_acquire(cls, lock, true);
    return true;
}

static inline void mmk_rw_read_unlock(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_RELEASES_SHARED(lock) MMK_NO_TSA
{
    uint32_t old = mmk_a32_load(&lock->state, MMK_RELAXED), left;

    mmk_note_release(cls, lock);
    do {
        left = old - 1;
        if ((left & MMK_RW_READERS) == 0)
            left &= ~MMK_RW_WAITERS; /* all are woken; PENDING stays: its writer still wants it */
    } while (!mmk_a32_cmpxchg(&lock->state, &old, left, MMK_RELEASE));
    if (mmk_unlikely((old & ~left) & MMK_RW_WAITERS))
        mmk_host_wake(&lock->state, UINT32_MAX);
}

/* The state when a writer takes it as `seen`. */
MMK_ALWAYS_INLINE uint32_t mmk_rw_written_(uint32_t seen)
{
    return (seen & (MMK_RW_WAITERS | MMK_RW_KILLED)) | MMK_RW_WRITER;
}

static inline void mmk_rw_write_lock(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_ACQUIRES(lock) MMK_NO_TSA
{
    uint32_t seen = 0;

    mmk_note_may_sleep();
    mmk_note_acquire(cls, lock, false);
    /* Taking it clears PENDING, perhaps another writer's: that one is woken when we leave. */
    while (mmk_unlikely(!mmk_a32_cmpxchg(&lock->state, &seen, mmk_rw_written_(seen), MMK_ACQUIRE)))
        if (seen & (MMK_RW_WRITER | MMK_RW_READERS)) {
            mmk_rw_sleep_(lock, seen, MMK_RW_PENDING);
            seen = mmk_a32_load(&lock->state, MMK_RELAXED) & ~(MMK_RW_WRITER | MMK_RW_READERS);
        }
}

/* Killable waits end, now and from now on. => any context but NMI; the lock exists */
static inline void mmk_rw_kill(struct mmk_rwlock *lock)
{
    mmk_a32_fetch_or(&lock->state, MMK_RW_KILLED, MMK_RELAXED);
    mmk_host_wake(&lock->state, UINT32_MAX);
}

/*
 * No longer waits: whoever is stopped by our mark alone tries again, and a writer that waits makes
 * a mark of its own.
 */
static inline bool mmk_rw_give_up_(struct mmk_rwlock *lock, enum mmk_lock_class cls)
{
    mmk_a32_fetch_and(&lock->state, ~(MMK_RW_PENDING | MMK_RW_WAITERS), MMK_RELAXED);
    mmk_host_wake(&lock->state, UINT32_MAX);
    mmk_note_release(cls, lock);
    return false;
}

/*
 * As the two above, but give up rather than sleep when the lock is killed. The value that a sleeper
 * waits on has KILLED clear, and KILLED stays set: so a kill between the look and the sleep is not
 * missed, whatever others do to the word.
 * => false: not taken
 */
static inline bool mmk_rw_read_lock_killable(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_TRY_ACQUIRES_SHARED(true, lock) MMK_NO_TSA
{
    uint32_t seen;

    mmk_note_may_sleep();
    mmk_note_acquire(cls, lock, false);
    while (mmk_unlikely(!mmk_rw_try_read_(lock, &seen))) {
        if (seen & MMK_RW_KILLED) {
            mmk_note_release(cls, lock);
            return false;
        }
        mmk_rw_sleep_(lock, seen, 0);
    }
    return true;
}

static inline bool mmk_rw_write_lock_killable(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_TRY_ACQUIRES(true, lock) MMK_NO_TSA
{
    uint32_t seen = 0;

    mmk_note_may_sleep();
    mmk_note_acquire(cls, lock, false);
    while (mmk_unlikely(!mmk_a32_cmpxchg(&lock->state, &seen, mmk_rw_written_(seen), MMK_ACQUIRE)))
        if (seen & (MMK_RW_WRITER | MMK_RW_READERS)) {
            if (seen & MMK_RW_KILLED)
                return mmk_rw_give_up_(lock, cls);
            mmk_rw_sleep_(lock, seen, MMK_RW_PENDING);
            seen = mmk_a32_load(&lock->state, MMK_RELAXED) & ~(MMK_RW_WRITER | MMK_RW_READERS);
        }
    return true;
}

static inline void mmk_rw_write_unlock(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_RELEASES(lock) MMK_NO_TSA
{
    uint32_t old = MMK_RW_WRITER;

    mmk_note_release(cls, lock);
    if (mmk_likely(mmk_a32_cmpxchg(&lock->state, &old, 0, MMK_RELEASE)))
        return;
    if (mmk_a32_fetch_and(&lock->state, MMK_RW_KILLED, MMK_RELEASE) & MMK_RW_WAITERS)
        mmk_host_wake(&lock->state, UINT32_MAX);
}

/* From writer to reader, with no moment in between. A waiting writer goes on stopping readers. */
static inline void mmk_rw_downgrade(struct mmk_rwlock *lock) MMK_RELEASES(lock)
    MMK_ACQUIRES_SHARED(lock) MMK_NO_TSA
{
    uint32_t old = mmk_a32_load(&lock->state, MMK_RELAXED);

    while (!mmk_a32_cmpxchg(&lock->state, &old, (old & (MMK_RW_PENDING | MMK_RW_KILLED)) | 1,
                            MMK_RELEASE))
        ;
    if (mmk_unlikely(old & MMK_RW_WAITERS))
        mmk_host_wake(&lock->state, UINT32_MAX);
}
#endif /* MMK_PORT_RWLOCK */

/*
 * A port's own lock that can be killed says so by MMK_PORT_RWLOCK_KILLABLE, and supplies these
 * three. Without them a kill takes effect once its victim has the lock: late, never wrong.
 */
#ifndef MMK_PORT_RWLOCK_KILLABLE
static inline void mmk_rw_kill(struct mmk_rwlock *lock)
{
    (void)lock;
}

static inline bool mmk_rw_read_lock_killable(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_TRY_ACQUIRES_SHARED(true, lock) MMK_NO_TSA
{
    mmk_rw_read_lock(lock, cls);
    return true;
}

static inline bool mmk_rw_write_lock_killable(struct mmk_rwlock *lock, enum mmk_lock_class cls)
    MMK_TRY_ACQUIRES(true, lock) MMK_NO_TSA
{
    mmk_rw_write_lock(lock, cls);
    return true;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
