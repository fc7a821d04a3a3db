/* SPDX-License-Identifier: MIT */
/*
 * lock_check.c - checks the order of locks and where code may sleep, while it runs.
 *
 * Each thread keeps the locks that it holds, in the order taken. Ranks are the classes of
 * <mmkit/port/annotate.h>; two of one class go by address. Deadlock takes two that wait, so a try
 * may take any lock, but nobody may wait for a lock that ranks before one he holds, tried or not.
 *
 * K1 Whoever waits for a lock holds none that ranks after it, nor one of its class at the same or
 *    a higher address.
 * K2 Nothing sleeps with a spin lock held, inside an RCU read section, with interrupts off, or in
 *    the middle of a user access.
 * K3 A lock is released by the thread that took it, under the class it was taken with.
 * K4 A lock that code relies on is held by the thread that runs it.
 * K5 What RCU keeps is looked at inside a read section, or with a lock held that keeps it, too.
 *
 * A loop over a handful of entries: some tens of instructions. Rejected: a graph of the orders
 * seen (the order is fixed beforehand here, so each step can be judged alone).
 */
#include "internal.h"

#include <stdio.h>

#ifdef MACHINE_FIBERS
extern struct machine_locks *machine_own_locks; /* of the fiber that runs */
#define own (*machine_own_locks)
#else
static __thread struct machine_locks own __attribute__((tls_model("initial-exec")));
#endif

static const char *class_name(enum mmk_lock_class cls)
{
    static const char *const names[MMK_LOCK_CLASSES] = {
        [MMK_LOCK_MMAP] = "mmap",
        [MMK_LOCK_INVALIDATE] = "invalidate",
        [MMK_LOCK_PAGE] = "page",
        [MMK_LOCK_FAMILY] = "family",
        [MMK_LOCK_INTERVAL] = "interval",
        [MMK_LOCK_KIN] = "kin",
        [MMK_LOCK_KILLING] = "killing",
        [MMK_LOCK_TABLE_LEAF - 4] = "table level 4",
        [MMK_LOCK_TABLE_LEAF - 3] = "table level 3",
        [MMK_LOCK_TABLE_LEAF - 2] = "table level 2",
        [MMK_LOCK_TABLE_LEAF - 1] = "table level 1",
        [MMK_LOCK_TABLE_LEAF] = "table level 0",
        [MMK_LOCK_INDEX] = "index",
        [MMK_LOCK_SWAP] = "swap",
        [MMK_LOCK_SLOT] = "slot",
        [MMK_LOCK_SLAB] = "slab",
        [MMK_LOCK_CHARGE] = "charge",
        [MMK_LOCK_FRAME] = "frame",
        [MMK_LOCK_MM] = "mm",
        [MMK_LOCK_SPACES] = "spaces",
        [MMK_LOCK_ZERO] = "zero",
    };

    return cls < MMK_LOCK_CLASSES && names[cls] ? names[cls] : "unknown";
}

void machine_locks_print(void)
{
    unsigned i;

    for (i = 0; i < own.count; i++)
        fprintf(stderr, "mmkit: holds %s lock %p%s\n", class_name(own.held[i].cls),
                own.held[i].lock, own.held[i].tried ? " (by a try)" : "");
}

static MMK_COLD MMK_NORETURN void bad_order(enum mmk_lock_class cls, const void *lock,
                                            const struct machine_held *held)
{
    char text[160];

    snprintf(text, sizeof(text), "K1 lock order: waits for %s lock %p while holding %s lock %p",
             class_name(cls), lock, class_name(held->cls), held->lock);
    mmk_host_panic(__FILE__, __LINE__, text);
}

void machine_note_acquire(enum mmk_lock_class cls, const void *lock, bool tried)
{
    struct machine_held *held;

    for (held = own.held; !tried && held < own.held + own.count; held++)
        if (mmk_unlikely(held->cls > cls || (held->cls == cls && held->lock >= lock)))
            bad_order(cls, lock, held);
    mmk_assert(own.count < MACHINE_MOST_HELD,
               "K3 a thread holds too many locks: one is never released");
    own.held[own.count++] = (struct machine_held){lock, cls, tried};
    own.taken[cls]++;
}

uint64_t machine_locks_taken(enum mmk_lock_class cls)
{
    return own.taken[cls];
}

/* => its place in own.held, from 1 on; 0: not held */
static unsigned find(enum mmk_lock_class cls, const void *lock)
{
    unsigned i = own.count;

    while (i > 0 && (own.held[i - 1].lock != lock || own.held[i - 1].cls != cls))
        i--;
    return i;
}

void machine_note_release(enum mmk_lock_class cls, const void *lock)
{
    unsigned i = find(cls, lock);

    mmk_assert(i > 0, "K3 a lock is released that this thread has not taken");
    for (; i < own.count; i++)
        own.held[i - 1] = own.held[i];
    own.count--;
}

void machine_note_held(enum mmk_lock_class cls, const void *lock)
{
    mmk_assert(find(cls, lock) > 0, "K4 a lock is not held that should be");
}

void machine_note_rcu(enum mmk_lock_class instead)
{
    unsigned i;

    if (mmk_likely(machine_rcu_reads()))
        return;
    for (i = 0; i < own.count; i++)
        if (own.held[i].cls == instead)
            return;
    mmk_assert(false, "K5 looks outside of an RCU read section at what RCU keeps");
}

void machine_note_may_sleep(void)
{
    unsigned i;

    for (i = 0; i < own.count; i++)
        mmk_assert(own.held[i].cls < MMK_LOCK_TABLE_ROOT, "K2 sleeps with a spin lock held");
    if (!machine_self)
        return; /* not a CPU, so in none of the contexts below */
    mmk_assert(!machine_rcu_reads(), "K2 sleeps inside an RCU read section");
    mmk_assert(mmk_interrupts_on(), "K2 sleeps with interrupts off");
    mmk_assert(!machine_self->user_open, "K2 sleeps inside a user access");
}
