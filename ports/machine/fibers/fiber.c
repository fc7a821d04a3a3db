/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - switching stacks, by hand on x86-64 (ten nanoseconds), by ucontext(3) elsewhere.
 *
 * Compiled without ThreadSanitizer, whose notes about calls would go to the wrong stack. It is told
 * of each switch, and told that a switch orders nothing: what one fiber has done before is not
 * thereby seen by the next.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define GUARD      ((size_t)4096)

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif

#ifdef FIBER_ASAN
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size);
#endif

#ifdef FIBER_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

#define TSAN_NO_SYNC 1
#endif

/* Who switches, for the one that is switched to the first time. */
static struct fiber *before;

static void leave(struct fiber *from, struct fiber *to)
{
    before = from;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&from->fake, to->stack, to->size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(to->tsan, TSAN_NO_SYNC);
#endif
    (void)to;
}

static void arrive(struct fiber *self)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(self->fake, &before->stack, &before->size);
#endif
    (void)self;
}

static struct fiber *starting;

static void start(void)
{
    struct fiber *self = starting;

    arrive(self);
    self->entry(self->argument);
    abort(); /* entry never returns */
}

void fiber_adopt(struct fiber *self)
{
    *self = (struct fiber){0};
#ifdef FIBER_TSAN
    self->tsan = __tsan_get_current_fiber();
#endif
}

static void *new_stack(void)
{
    char *low =
        mmap(NULL, STACK_SIZE + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (low == MAP_FAILED)
        return NULL;
    if (mprotect(low, GUARD, PROT_NONE) != 0) {
        munmap(low, STACK_SIZE + GUARD);
        return NULL;
    }
    return low + GUARD;
}

#ifdef FIBER_ASSEMBLY

void fiber_swap(void **save_sp, void *load_sp);

static void prepare(struct fiber *fiber, char *stack)
{
    /* As fiber_swap() leaves it: six registers, where to go on; the stack is then as after a call.
     */
    void **sp = (void **)(void *)(stack + STACK_SIZE - 64);
    unsigned i;

    *--sp = NULL;
    *--sp = (void *)(uintptr_t)start;
    for (i = 0; i < 6; i++)
        *--sp = NULL;
    fiber->sp = sp;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
    leave(from, to);
    starting = to;
    fiber_swap(&from->sp, to->sp);
    arrive(from);
}

#else

static void prepare(struct fiber *fiber, char *stack)
{
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, start, 0);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
    leave(from, to);
    starting = to;
    swapcontext(&from->context, &to->context);
    arrive(from);
}

#endif

bool fiber_create(struct fiber *fiber, void (*entry)(void *argument), void *argument)
{
    char *stack = new_stack();

    if (!stack)
        return false;
    *fiber =
        (struct fiber){.stack = stack, .size = STACK_SIZE, .entry = entry, .argument = argument};
#ifdef FIBER_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    prepare(fiber, stack);
    return true;
}
