/* SPDX-License-Identifier: MIT */
/*
 * host.c - the empty port's link-time half, for a kernel with one CPU and no threads inside mmkit.
 *
 * Each function does the least that keeps its contract (<mmkit/host.h>) in such a kernel. Where a
 * real kernel must do better, a comment starts with REPLACE.
 */
#include "template.h"
#include <mmkit/host.h>
#include <mmkit/port/cpu.h>

/* RCU callbacks that wait for the CPU to be outside mmkit, oldest first. */
static struct mmk_rcu_head *first, *last;

/* What a head's two words mean while it is queued. */
#define next_of(head) ((head)->opaque[0])

/* A function pointer does not convert to void * in ISO C: it goes through an integer. */
typedef void (*callback)(struct mmk_rcu_head *head);
_Static_assert(sizeof(callback) <= sizeof(void *), "a function pointer fits one word");

/* REPLACE: one character to your console: a UART, a debug port. */
static void template_putc(char c)
{
    (void)c;
}

static void put_text(const char *text)
{
    while (*text)
        template_putc(*text++);
}

static void put_number(unsigned number)
{
    unsigned unit = 1;

    while (number / unit >= 10)
        unit *= 10;
    for (; unit != 0; unit /= 10)
        template_putc((char)('0' + number / unit % 10));
}

/* Says where and what, then an illegal instruction. REPLACE: stop the other CPUs first. */
void mmk_host_panic(const char *file, int line, const char *what)
{
    put_text("mmkit: ");
    put_text(file);
    template_putc(':');
    put_number((unsigned)line);
    put_text(": ");
    put_text(what);
    template_putc('\n');
    __builtin_trap();
}

/* REPLACE: with your log, and its levels. */
void mmk_host_log(enum mmk_log_level level, const char *text)
{
    (void)level;
    put_text("mmkit: ");
    put_text(text);
    template_putc('\n');
}

/*
 * The word can only be changed by an interrupt; the caller loops until it has been. REPLACE: with
 * threads, put this one to sleep on the word's address.
 */
void mmk_host_wait(struct mmk_a32 *word, uint32_t expected)
{
    if (mmk_a32_load(word, MMK_RELAXED) == expected)
        mmk_cpu_relax();
}

/* Nobody sleeps. */
void mmk_host_wake(struct mmk_a32 *word, uint32_t count)
{
    (void)word;
    (void)count;
}

/* mmkit interrupts other CPUs only. REPLACE: with more than one. */
void mmk_host_send_ipi(unsigned cpu)
{
    (void)cpu;
    mmk_host_panic(__FILE__, __LINE__, "an interrupt is sent in a kernel with one CPU");
}

/* REPLACE: with interrupts off around the queue, if handlers call mmkit. */
void mmk_host_call_rcu(struct mmk_rcu_head *head, void (*function)(struct mmk_rcu_head *head))
{
    next_of(head) = NULL;
    head->opaque[1] = (void *)(uintptr_t)function;
    if (last)
        next_of(last) = head;
    else
        first = head;
    last = head;
}

void template_rcu_poll(void)
{
    struct mmk_rcu_head *head = first;
    callback function;

    first = last = NULL; /* callbacks may queue others: those run at the next poll */
    while (head) {
        struct mmk_rcu_head *next = next_of(head);

        function = (callback)(uintptr_t)head->opaque[1];
        function(head);
        head = next;
    }
}

/*
 * May be called from inside mmkit, by an allocation that finds no memory, with sleeping locks held.
 * The caller is in no read section, and there is no other CPU and no other thread inside mmkit: so
 * no section runs now, and the callbacks, which want no lock that the caller has, may run at once.
 * REPLACE: with threads or more CPUs, sleep until a grace period is over and they have run.
 */
void mmk_host_rcu_barrier(void)
{
    template_rcu_poll();
}

/* REPLACE: anybody can guess these. Use the kernel's random numbers. */
uint64_t mmk_host_random(void)
{
    static uint64_t state = 0x2545f4914f6cdd1du;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}
