/* SPDX-License-Identifier: MIT */
/*
 * host.h - the COLD port contract: what the embedder supplies at link time.
 *
 * With memcpy, memset, memmove and memcmp these are all that src/ may leave undefined.
 * The hot contract is <mmkit/port/...>. docs/PORTING.md has the table of contexts: for each
 * function whether it is called with interrupts off, under spin locks, or inside RCU.
 *
 * Once for all: the calling thread stays on its CPU where a function says so. Two may sleep,
 * mmk_host_wait() and mmk_host_rcu_barrier(). None calls mmkit, but for the callbacks that
 * mmk_host_call_rcu() queues: these run later, or inside mmk_host_rcu_barrier(), never inside
 * mmk_host_call_rcu() itself.
 */
#ifndef MMKIT_HOST_H
#define MMKIT_HOST_H

#include <mmkit/types.h>
#include <mmkit/port/atomic.h>
#include <mmkit/port/rcu.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A broken invariant: says where and what, and does not return.
 * => any context, any locks held
 */
MMK_NORETURN MMK_COLD void mmk_host_panic(const char *file, int line, const char *what);

enum mmk_log_level { MMK_LOG_ERROR, MMK_LOG_WARNING, MMK_LOG_INFO };

/* One line of text, without newline. => any context */
void mmk_host_log(enum mmk_log_level level, const char *text);

/*
 * Sleeps while *word == expected, as Linux's FUTEX_WAIT: the comparison and going to sleep are one
 * step with respect to mmk_host_wake(). May return early; callers loop.
 * => may sleep; no spin lock, no RCU read section. A kernel without threads may spin here only if
 *    the holder can make progress (an interrupt, another CPU)
 */
void mmk_host_wait(struct mmk_a32 *word, uint32_t expected);

/*
 * Wakes up to `count` sleepers of `word`; UINT32_MAX means all. Only the address counts: the word's
 * memory may be free already, or something else that a sleeper then finds to be a false alarm.
 * => any context but NMI; spin locks may be held
 */
void mmk_host_wake(struct mmk_a32 *word, uint32_t count);

/*
 * Sends CPU `cpu` an interrupt whose handler calls mmk_tlb_interrupt() there. The request itself
 * is queued by mmkit beforehand, and the handler must find it: where an interrupt may overtake the
 * stores before it (x2APIC, GIC), a barrier comes first. It need order nothing else. Returns before
 * the interrupt arrives: does not wait for it.
 * => caller stays on its CPU; spin locks may be held; interrupts may be off
 */
void mmk_host_send_ipi(unsigned cpu);

/*
 * Runs `function(head)` after every RCU read section that runs now has ended. What was done in
 * those, and before this call, is seen by the function; what was done before this call is seen by
 * sections that begin after the grace period has. The function takes
 * spin locks and does not sleep; it may run on any CPU, in a thread or a soft interrupt.
 * => never waits; any context but NMI; spin locks may be held
 */
void mmk_host_call_rcu(struct mmk_rcu_head *head, void (*function)(struct mmk_rcu_head *head));

/*
 * Waits until every callback that was queued before, on any CPU, has run. Called by mmk_drain(),
 * mmk_shutdown(), mmk_check_frames(), mmk_selftest(); before an operation that would have more wait
 * than may (waiting_limit, init.h); and by an allocation that may sleep and finds no memory: what
 * waits for a grace period may be all that it needs. It tries once more afterwards.
 * => may sleep; not in an RCU read section or per-CPU section, never with a spin lock held
 * => locks that sleep may be held, mmkit's (mmap, invalidate, page, interval) and those of whoever
 *    called mmkit: neither waiting nor a callback may want one. Callbacks do not
 */
void mmk_host_rcu_barrier(void);

/* 64 bits nobody can guess, for the placement of mappings. => any context */
uint64_t mmk_host_random(void);

#ifdef __cplusplus
}
#endif

#endif
