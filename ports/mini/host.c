/* SPDX-License-Identifier: MIT */
/*
 * host.c - what mmkit asks of the mini kernel at link time. With one CPU, no threads and no
 * interrupts most of it is nothing.
 *
 * R1 RCU callbacks run in host_rcu_poll() alone. No read section is ever interrupted: when the
 *    kernel is outside mmkit, or mmkit waits for a grace period, all of them have ended.
 */
#include "host.h"

#include "kernel/console.h"
#include "kernel/hardware.h"

#include <mmkit/host.h>

/* A function pointer fits one of the two words that a head has for the port. */
typedef void (*callback)(struct mmk_rcu_head *head);

static struct mmk_rcu_head *queue; /* linked by opaque[0]; opaque[1] is the callback */

void mmk_host_panic(const char *file, int line, const char *what)
{
    say("panic: %s:%d: %s\n", file, line, what);
    hardware_off(2);
}

void mmk_host_log(enum mmk_log_level level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info"};

    say("mmkit: %s: %s\n", names[level], text);
}

/* Nobody else runs who could change the word. */
void mmk_host_wait(struct mmk_a32 *word, uint32_t expected)
{
    if (mmk_a32_load(word, MMK_RELAXED) == expected)
        mmk_host_panic(__FILE__, __LINE__, "a lock is wanted by who holds it");
}

void mmk_host_wake(struct mmk_a32 *word, uint32_t count)
{
    (void)word;
    (void)count;
}

void mmk_host_send_ipi(unsigned cpu)
{
    (void)cpu;
    mmk_host_panic(__FILE__, __LINE__, "there is no other CPU");
}

void mmk_host_call_rcu(struct mmk_rcu_head *head, callback function)
{
    head->opaque[0] = queue;
    head->opaque[1] = (void *)(uintptr_t)function;
    queue = head;
}

void host_rcu_poll(void)
{
    while (queue) {
        struct mmk_rcu_head *head = queue;

        queue = head->opaque[0];
        ((callback)(uintptr_t)head->opaque[1])(head); /* it may queue another */
    }
}

void mmk_host_rcu_barrier(void)
{
    host_rcu_poll();
}

/* Good enough for a kernel whose hardware has no source of random numbers: anybody can guess. */
uint64_t mmk_host_random(void)
{
    static uint64_t state = 1;

    state = state * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
    return state ^ state >> 32;
}
