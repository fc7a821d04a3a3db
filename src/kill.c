/* SPDX-License-Identifier: MIT */
/*
 * kill.c - the death of an address space whose users are still there: who sleeps on its behalf is
 * woken and gives up.
 *
 * A sleeper compares one word, the lock's, as it falls asleep (mmk_host_wait). So a kill has to
 * change that word, in a way that nobody undoes before the sleeper has looked.
 *
 *   mmap lock    the lock itself is killed: a bit in its word that stays (port/lock.h). All who
 *                wait for it wait on behalf of this mm.
 *   page lock    wanted by users of many mms. One who is about to sleep enters its mm's list; a
 *                kill adds MMK_PF_KICK to the word of each in the list, and wakes all of it.
 *
 *   sleeper                                   kill
 *   1 in the list, unless killed              1 killed = 1
 *   2 word = w: locked, marked                2 word of each in the list += KICK
 *   3 killed: gives up                        3 wakes all of that word
 *   4 sleeps while word == w
 *
 * KL1 Either 3 sees `killed`, or the word has changed by 4: reading a word that was kicked
 * (acquire) shows what came before the kick (release). KL2 A word in the list exists: the sleeper
 * leaves the list before he lets go of its page.
 *
 * The number has four bits: a w comes back when 16 mms with a sleeper on one page are killed while
 * another sleeper of that page is between 2 and 4. He then sleeps until the page is unlocked, which
 * is late, not wrong; and mmk_reap() kicks again.
 *
 * Whoever does not have to sleep pays nothing; who does takes a spin lock twice.
 *
 * Rejected: clearing WAITERS instead (others who sleep on the page set it again, so w comes back by
 * itself); a wait on two words, or one that can be interrupted (each porter would have to write
 * it); the task as an argument of every wait (mmkit knows no tasks).
 */
#include "kill.h"

#include "list.h"

/* One who may sleep for a page on behalf of an mm. Lives in his frame. */
struct sleeper {
    struct mmk_list link; /* S */
    struct mmk_a32 *word; /* c */
};

static void enter(struct mmk_mm *mm, struct sleeper *sleeper, struct mmk_a32 *word)
{
    unsigned long state = mmk_percpu_enter();

    sleeper->word = word;
    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    mmk_list_add(&mm->sleepers, &sleeper->link);
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
}

static void leave(struct mmk_mm *mm, struct sleeper *sleeper)
{
    unsigned long state = mmk_percpu_enter();

    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    mmk_list_del(&sleeper->link);
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
}

/* The page is locked: sleeps until it is ours, or mm is killed. PL3: looks at the lock first. */
static MMK_NOINLINE bool lock_slow(struct mmk_mm *mm, struct mmk_page *page)
{
    const uint32_t both = MMK_PF_LOCKED | MMK_PF_WAITERS;
    struct sleeper sleeper;
    bool locked;

    enter(mm, &sleeper, &page->flags);
    for (;;) {
        uint32_t seen = mmk_a32_fetch_or(&page->flags, both, MMK_ACQUIRE);

        locked = !(seen & MMK_PF_LOCKED);
        if (locked || mmk_mm_killed(mm))
            break;
        mmk_host_wait(&page->flags, seen | both);
    }
    leave(mm, &sleeper);
    return locked;
}

bool mmk_page_lock_killable(struct mmk_mm *mm, struct mmk_page *page) MMK_NO_TSA
{
    mmk_note_may_sleep();
    mmk_note_acquire(MMK_LOCK_PAGE, page, false);
    if (mmk_likely(!(mmk_a32_fetch_or(&page->flags, MMK_PF_LOCKED, MMK_ACQUIRE) & MMK_PF_LOCKED)) ||
        lock_slow(mm, page))
        return true;
    mmk_note_release(MMK_LOCK_PAGE, page);
    return false;
}

void mmk_kill(struct mmk_mm *mm)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_list *link;

    mmk_spin_lock(&mm->lock, MMK_LOCK_MM);
    mmk_a32_store(&mm->killed, 1, MMK_RELAXED);
    for (link = mm->sleepers.next; link != &mm->sleepers; link = link->next) {
        struct mmk_a32 *word = mmk_list_entry(link, struct sleeper, link)->word;

        mmk_a32_fetch_add(word, MMK_PF_KICK, MMK_RELEASE);
        mmk_host_wake(word, UINT32_MAX);
    }
    mmk_spin_unlock(&mm->lock, MMK_LOCK_MM);
    mmk_percpu_leave(state);
    mmk_rw_kill(&mm->mmap_lock);
}
