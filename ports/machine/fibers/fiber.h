/* SPDX-License-Identifier: MIT */
/*
 * fiber.h - stacks to switch between, within one thread. Knows of the sanitizers, and of nothing of
 * the machine.
 */
#ifndef MACHINE_FIBER_H
#define MACHINE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__x86_64__) && !defined(FIBER_PORTABLE)
#define FIBER_ASSEMBLY 1
#else
#include <ucontext.h>
#endif

struct fiber {
#ifdef FIBER_ASSEMBLY
    void *sp; /* while it does not run */
#else
    ucontext_t context;
#endif
    const void *stack; /* lowest address; of the thread's own stack ASan tells */
    size_t size;
    void *fake; /* ASan's, while it does not run */
    void *tsan;
    void (*entry)(void *argument);
    void *argument;
};

/* The thread's own stack becomes a fiber: the one that runs. */
void fiber_adopt(struct fiber *self);

/* A stack of its own. entry never returns. => false: no memory */
bool fiber_create(struct fiber *fiber, void (*entry)(void *argument), void *argument);

void fiber_switch(struct fiber *from, struct fiber *to);

#endif
