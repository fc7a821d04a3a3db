/* SPDX-License-Identifier: MIT */
/*
 * stress.h - what stresses of mmkit share: a random sequence for each thread, accesses and calls
 * whose outcome must be legal, allocations that fail now and then, and threads stopped anywhere.
 *
 * CPUs outnumber the host's, so races need help: a timer's signal stops each thread about every
 * few hundred microseconds, wherever it is, and makes it yield or sleep for a moment.
 */
#ifndef STRESS_H
#define STRESS_H

#include "machine.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define MEMORY  ((uint64_t)64 << 20)

#define PAGE MMK_PAGE_SIZE
#define MB2  ((mmk_vaddr_t)2 << 20)
#define BASE ((mmk_vaddr_t)1 << 37) /* every format but the tiny one has these addresses */
#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)

static uint64_t stress_seed;

/* The calling thread's. */
static __thread struct {
    unsigned thread;
    uint64_t random; /* never 0 */
    uint64_t ops;
    bool injected;     /* an allocation was made to fail in the last call */
    struct mmk_mm *mm; /* loaded */
    unsigned disturbed;
    timer_t timer;
} stress;

/* Calls may lack memory as if it was to be; changes at quiet points. */
static bool memory_is_short;

static inline bool may_lack_memory(void)
{
    return stress.injected || memory_is_short;
}

/* --- saying so ------------------------------------------------------------------------------- */

static MMK_NORETURN void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr,
            "stress: seed %llu, thread %u, operation %llu: ", (unsigned long long)stress_seed,
            stress.thread, (unsigned long long)stress.ops);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _Exit(1);
}

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail("%s:%d: %s", __FILE__, __LINE__, #condition);                                     \
    } while (0)

/* --- random numbers -------------------------------------------------------------------------- */

static inline uint64_t random_bits(void)
{
    uint64_t x = stress.random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    stress.random = x;
    return x * 0x2545f4914f6cdd1du >> 11;
}

static inline unsigned random_below(unsigned n)
{
    return (unsigned)(random_bits() % n);
}

/* A number of whole words below n bytes. */
static inline uint64_t random_bytes(uint64_t n)
{
    return random_bits() % n & ~(uint64_t)7;
}

/* So many pages of `pages`: the first one's number, and how many. */
static inline uint64_t random_pages(uint64_t pages, uint64_t *count)
{
    uint64_t first = random_bits() % pages;

    *count = 1 + random_bits() % (pages - first);
    return first;
}

#define random_of(array) ((array)[random_below(sizeof(array) / sizeof((array)[0]))])

/* --- threads --------------------------------------------------------------------------------- */

static inline double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#define DISTURB_NS    200000
#define STUCK_SECONDS 100

static void disturb(int signal)
{
    struct timespec pause = {.tv_nsec = 1 + stress.disturbed % 5 * 20000};
    int saved = errno;

    (void)signal;
    if (++stress.disturbed % 3 == 0)
        nanosleep(&pause, NULL);
    else
        sched_yield();
    errno = saved;
}

/* A deadlock ends the program, when this has not been called for some time. */
static inline void stress_goes_on(void)
{
    alarm(STUCK_SECONDS);
}

/* Before any thread. */
static inline void stress_begin(uint64_t seed)
{
    struct sigaction action = {.sa_handler = disturb, .sa_flags = SA_RESTART};

    stress_seed = seed;
    stress_goes_on();
    check(sigaction(SIGUSR1, &action, NULL) == 0);
}

/* First and last in each thread. */
static inline void stress_thread_begin(unsigned thread)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec period = {{0, DISTURB_NS}, {0, DISTURB_NS + thread * 7000}};

    stress.thread = thread;
    stress.random = ((stress_seed + 1) * 0x9e3779b97f4a7c15u ^ thread * 0xbf58476d1ce4e5b9u) | 1;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    check(timer_create(CLOCK_MONOTONIC, &event, &stress.timer) == 0);
    check(timer_settime(stress.timer, 0, &period, NULL) == 0);
}

static inline void stress_thread_end(void)
{
    timer_delete(stress.timer);
}

/* Threads own pages in pairs, which go round. => which page of all is the calling thread's n-th */
static inline unsigned own_number(unsigned n)
{
    return (n / 2 * THREADS + stress.thread) * 2 + n % 2;
}

/* --- calls ----------------------------------------------------------------------------------- */

/* Around one call: now and then one of its allocations fails. */
static inline void call_begin(void)
{
    stress.injected = random_below(12) == 0;
    if (stress.injected)
        machine_fail_nth(random_below(10), false);
}

static inline void call_end(void)
{
    if (stress.injected)
        stress.injected = machine_fail_stop();
}

#define CALL(error, call)                                                                          \
    do {                                                                                           \
        call_begin();                                                                              \
        (error) = (call);                                                                          \
        call_end();                                                                                \
    } while (0)

/* The call answered 0, or MMK_ENOMEM because it was to. => true: it was done */
static inline bool done(int error)
{
    if (error == MMK_ENOMEM && may_lack_memory())
        return false;
    if (error)
        fail("an operation answers %d", error);
    return true;
}

/* mmk_mmap() at addr. => 0 or an error */
static inline int map_fixed(mmk_vaddr_t addr, uint64_t length, unsigned prot, unsigned flags,
                            struct mmk_object *object, uint64_t offset, struct mmk_mm *mm)
{
    int64_t result;

    call_begin();
    result = mmk_mmap(mm, addr, length, prot, flags | MMK_MAP_FIXED, object, offset);
    call_end();
    if (result > 0)
        check((mmk_vaddr_t)result == addr);
    return result > 0 ? 0 : (int)result;
}

/* Readable and writable, before there are threads. */
static inline void must_map(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags,
                            struct mmk_object *object, uint64_t offset)
{
    check(mmk_mmap(mm, addr, length, RW, flags | MMK_MAP_FIXED, object, offset) == (int64_t)addr);
}

/* Loads mm on this CPU; NULL: none. */
static inline void enter_mm(struct mmk_mm *mm)
{
    machine_switch_mm(mm);
    stress.mm = mm;
}

/* --- accesses -------------------------------------------------------------------------------- */

#define MAY(result) (1u << (result))
#define MAY_DONE    MAY(MMK_FAULT_DONE)
#define MAY_ANY                                                                                    \
    (MAY_DONE | MAY(MMK_FAULT_SEGV_MAPERR) | MAY(MMK_FAULT_SEGV_ACCERR) | MAY(MMK_FAULT_BUS))

static inline bool legal(enum mmk_fault_result result, mmk_vaddr_t addr, unsigned may)
{
    if (result == MMK_FAULT_OOM && may_lack_memory())
        return false;
    if (!(MAY(result) & may))
        fail("an access to %llx answers %u, not one of %x", (unsigned long long)addr, result, may);
    return result == MMK_FAULT_DONE;
}

/*
 * Now and then the kernel makes the access for the program, in each of its ways. => false: it could
 * not, or it was not its turn; the program's own access says why
 */
static inline bool kernel_load(mmk_vaddr_t addr, uint64_t *word)
{
    unsigned kind = random_below(32);
    size_t left = 1;

    if (kind == 0)
        CALL(left, mmk_copy_from_user(stress.mm, word, addr, sizeof(*word)));
    else if (kind == 1)
        CALL(left, sizeof(*word) - mmk_mm_read(stress.mm, addr, word, sizeof(*word), 0));
    else if (kind == 2)
        left = mmk_copy_from_user_nofault(stress.mm, word, addr, sizeof(*word));
    return left == 0;
}

static inline bool kernel_store(mmk_vaddr_t addr, const uint64_t *word)
{
    unsigned kind = random_below(32);
    size_t left = 1;

    if (kind == 0)
        CALL(left, mmk_copy_to_user(stress.mm, addr, word, sizeof(*word)));
    else if (kind == 1)
        CALL(left, sizeof(*word) - mmk_mm_write(stress.mm, addr, word, sizeof(*word), 0));
    else if (kind == 2)
        left = mmk_copy_to_user_nofault(stress.mm, addr, word, sizeof(*word));
    return left == 0;
}

/* Each: => true: done; false: an outcome that `may` allows, or no memory because it was to */
static inline bool load(mmk_vaddr_t addr, uint64_t *word, unsigned may)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;

    if (!kernel_load(addr, word))
        CALL(result, machine_load(addr, word, sizeof(*word)));
    return legal(result, addr, may);
}

static inline bool store(mmk_vaddr_t addr, uint64_t word, unsigned may)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;

    if (!kernel_store(addr, &word))
        CALL(result, machine_store(addr, &word, sizeof(word)));
    return legal(result, addr, may);
}

static inline bool fetch(mmk_vaddr_t addr, unsigned may)
{
    enum mmk_fault_result result;

    CALL(result, machine_fetch(addr));
    return legal(result, addr, may);
}

#endif
