/* SPDX-License-Identifier: MIT */
/*
 * page_lock.c - the page lock: one bit of a page's flag word, for which one sleeps.
 *
 * PL1 LOCKED is set exactly while somebody holds the lock.
 * PL2 While somebody sleeps, or is about to, WAITERS is set or a wake-up is on its way.
 * PL3 Whoever was woken as the one sleeper takes the lock, or sees to it that WAITERS is set: so
 *     one who gives up, being killed (kill.c), swallows no wake-up.
 * PL4 UNUSED is set only while LOCKED is, and stands for a reference to the page. Who unlocks takes
 *     it away, and has the reference (swap_cache.c).
 *
 * Unlocking clears both bits and wakes one sleeper. That one takes the lock with WAITERS set, for
 * there may be others asleep: the worst that comes of it is one wake-up that finds nobody. Others
 * set WAITERS again before they sleep.
 *
 * The other bits of the word change at any time: a sleep may end for that alone, and the sleeper
 * tries again. The highest four are a number that a kill raises, for just this (kill.c).
 *
 * Rejected: a lock of its own in the descriptor (it has no room); waking all (each unlock would
 * cost as many switches as there are sleepers); handing the lock over to the sleeper (a lock held
 * by someone who does not run yet is a lock nobody can use).
 */
#include "page.h"
#include "planted.h"

/* The lock is held: sleep until it is ours. */
static MMK_NOINLINE void lock_slow(struct mmk_page *page)
{
    const uint32_t both = MMK_PF_LOCKED | MMK_PF_WAITERS;
    uint32_t seen;

    for (;;) {
        seen = mmk_a32_fetch_or(&page->flags, both, MMK_ACQUIRE);
        if (!(seen & MMK_PF_LOCKED))
            return;
        mmk_host_wait(&page->flags, seen | both);
    }
}

void mmk_page_lock(struct mmk_page *page) MMK_NO_TSA
{
    mmk_note_may_sleep();
    mmk_note_acquire(MMK_LOCK_PAGE, page, false);
    if (mmk_a32_fetch_or(&page->flags, MMK_PF_LOCKED, MMK_ACQUIRE) & MMK_PF_LOCKED)
        lock_slow(page);
}

bool mmk_page_trylock(struct mmk_page *page) MMK_NO_TSA
{
    /* Reading first keeps those who fail from taking the line away from the holder. */
    if (mmk_page_test(page, MMK_PF_LOCKED) ||
        (mmk_a32_fetch_or(&page->flags, MMK_PF_LOCKED, MMK_ACQUIRE) & MMK_PF_LOCKED))
        return false;
    mmk_note_acquire(MMK_LOCK_PAGE, page, true);
    return true;
}

void mmk_page_become_locked(struct mmk_page *page, enum mmk_page_type type) MMK_NO_TSA
{
    uint32_t order = mmk_a32_load(&page->flags, MMK_RELAXED) & MMK_PF_ORDER;

    mmk_a32_store(&page->flags, order | (uint32_t)type | MMK_PF_LOCKED, MMK_RELAXED);
    mmk_note_acquire(MMK_LOCK_PAGE, page, true);
}

void mmk_page_unlock(struct mmk_page *page) MMK_NO_TSA
{
    uint32_t old;

    mmk_assert(mmk_page_test(page, MMK_PF_LOCKED), "PL1 a page is unlocked that is not locked");
    mmk_note_release(MMK_LOCK_PAGE, page);
    if (MMK_MISTAKE(WAKE_LOST) && !mmk_page_test(page, MMK_PF_WAITERS)) {
        mmk_a32_fetch_and(&page->flags, ~(uint32_t)MMK_PF_LOCKED, MMK_RELAXED);
        return;
    }
    old = mmk_a32_fetch_and(&page->flags, ~(MMK_PF_LOCKED | MMK_PF_WAITERS | MMK_PF_UNUSED),
                            MMK_RELEASE);
    /* The page may be gone by now: only its address is used. */
    if (mmk_unlikely(old & MMK_PF_WAITERS))
        mmk_host_wake(&page->flags, 1);
    if (mmk_unlikely(old & MMK_PF_UNUSED))
        mmk_page_unlocked(page);
}

/* Release, even if it is set already: whoever locks next finds what we have done. */
bool mmk_page_hand_over(struct mmk_page *page)
{
    uint32_t seen = mmk_a32_load(&page->flags, MMK_RELAXED);

    do {
        if (!(seen & MMK_PF_LOCKED))
            return false;
    } while (!mmk_a32_cmpxchg(&page->flags, &seen, seen | MMK_PF_UNUSED, MMK_RELEASE));
    if (seen & MMK_PF_UNUSED)
        mmk_page_put(page); /* one is enough */
    return true;
}
