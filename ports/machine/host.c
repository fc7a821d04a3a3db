/* SPDX-License-Identifier: MIT */
/*
 * host.c - the link-time half of the port: panic, log, sleeping, randomness.
 *
 * Interrupts are in cpu.c, RCU callbacks in rcu.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void mmk_host_panic(const char *file, int line, const char *what)
{
    char cpu[16] = "no CPU";

    if (machine_self)
        snprintf(cpu, sizeof(cpu), "CPU %u", machine_self->number);
    fprintf(stderr, "mmkit: panic on %s: %s:%d: %s\n", cpu, file, line, what);
    machine_locks_print();
    abort();
}

void mmk_host_log(enum mmk_log_level level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info"};

    fprintf(stderr, "mmkit: %s: %s\n", names[level], text);
}

void machine_futex(struct mmk_a32 *word, int op, uint32_t value, const struct timespec *timeout)
{
    syscall(SYS_futex, &word->v, op, value, timeout, NULL, 0);
}

void mmk_host_wait(struct mmk_a32 *word, uint32_t expected)
{
    if (mmk_a32_load(word, MMK_RELAXED) != expected)
        return;
    machine_idle_begin();
    machine_futex(word, FUTEX_WAIT_PRIVATE, expected, NULL);
    machine_idle_end();
}

void mmk_host_wake(struct mmk_a32 *word, uint32_t count)
{
    uint32_t most = count < INT32_MAX ? count : INT32_MAX;

    machine_futex(word, FUTEX_WAKE_PRIVATE, most, NULL);
}

/*
 * Not random: a fixed sequence in the order of the calls, so that a failing test fails again.
 * (A counter through the finalizer of splitmix64.)
 */
uint64_t mmk_host_random(void)
{
    static struct mmk_a64 calls;
    uint64_t x = (mmk_a64_fetch_add(&calls, 1, MMK_RELAXED) + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
