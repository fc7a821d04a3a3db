/* SPDX-License-Identifier: MIT */
/* slot.c - see slot.h. */
#include "slot.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS = 200 }; /* before going to sleep */

bool slot_wait(struct slot *slot, enum turn turn, unsigned seconds)
{
    const struct timespec wait = {.tv_sec = seconds};
    unsigned i;
    long woken = 0;

    for (i = 0; i < LOOKS; i++)
        if (atomic_load_explicit(&slot->turn, memory_order_acquire) == turn)
            return true;
    while (atomic_load_explicit(&slot->turn, memory_order_acquire) != turn) {
        if (woken != 0 && seconds > 0)
            return false;
        woken = syscall(SYS_futex, &slot->turn, FUTEX_WAIT, turn == TURN_DRIVER,
                        seconds ? &wait : 0, NULL, 0);
        if (woken != 0 && atomic_load_explicit(&slot->turn, memory_order_acquire) == turn)
            woken = 0;
    }
    return true;
}

void slot_hand_over(struct slot *slot, enum turn turn)
{
    atomic_store_explicit(&slot->turn, turn, memory_order_release);
    syscall(SYS_futex, &slot->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}
