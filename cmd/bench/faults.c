/* SPDX-License-Identifier: MIT */
/* faults.c - see faults.h. Who starts waits for all others, and has touched one page before. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "faults.h"

#include "calls.h"
#include "child.h"
#include "clock.h"
#include "usage.h"

#include <mmkit/port/atomic.h>

#include <error.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

/* Of the thread that maps: as much as an allocator would, for something large. */
#define MAPPED ((uint64_t)64 * SIDE_PAGE)

/* Mappings that lie beside each other would be one. */
#define APART ((uint64_t)64 << 20)

/* In memory that processes share: of Linux, those with address spaces of their own are some. */
struct shared {
    struct mmk_a32 ready, working, failed;
    double began[FAULTS_THREADS_MAX], ended[FAULTS_THREADS_MAX];
};

static struct {
    struct shared *shared;
    const struct side *side;
    unsigned threads, started;
    enum faults_where where;
    bool mapping;
} own;

uint64_t faults_parameter(unsigned threads, enum faults_where where, bool mapping)
{
    return threads | (uint64_t)where << 8 | (uint64_t)mapping << 16;
}

uint64_t faults_memory(unsigned threads)
{
    return (threads + 1) * CALLS_LENGTH * 3 / 2 + ((uint64_t)64 << 20);
}

/* ---- what each does ---------------------------------------------------------------------------
 */

/* Page i of a thread's: page 0 is touched before. */
static uint64_t page_at(unsigned thread, uint64_t i)
{
    uint64_t start = calls_start(own.side);

    if (own.where == FAULTS_TURNS)
        return start + (i * own.threads + thread) * SIDE_PAGE;
    if (own.where == FAULTS_PARTS)
        return start + thread * CALLS_LENGTH + i * SIDE_PAGE;
    return start + thread * APART + i * SIDE_PAGE;
}

static bool map_area(uint64_t addr, uint64_t length)
{
    return own.side->map(addr, length, CALLS_READ_WRITE, CALLS_ANONYMOUS) >= 0;
}

/* What threads share is mapped before they start. */
static bool map_shared(void)
{
    unsigned i;

    if (own.where == FAULTS_PARTS || own.where == FAULTS_TURNS)
        return map_area(calls_start(own.side), own.threads * CALLS_LENGTH);
    for (i = 0; own.where == FAULTS_AREAS && i < own.threads; i++)
        if (!map_area(page_at(i, 0), CALLS_LENGTH))
            return false;
    return true;
}

/* The CPU with that number, of those that there are; the same one for all, where there is one. */
static void stay(unsigned number)
{
    cpu_set_t all, one;
    size_t cpu;

    if (sched_getaffinity(0, sizeof(all), &all) != 0 || CPU_COUNT(&all) == 0)
        return;
    number %= (unsigned)CPU_COUNT(&all);
    for (cpu = 0; !CPU_ISSET(cpu, &all) || number-- > 0; cpu++)
        continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

static void wait_for_all(void)
{
    (void)mmk_a32_fetch_add(&own.shared->ready, 1, MMK_ACQ_REL);
    while (mmk_a32_load(&own.shared->ready, MMK_ACQUIRE) < own.started)
        (void)sched_yield();
}

static bool touch_all(unsigned thread)
{
    uint64_t i;

    for (i = 1; i < CALLS_PAGES; i++)
        if (!own.side->store(page_at(thread, i)))
            return false;
    return true;
}

/* A thread that faults, from 0. => false: something has failed */
static bool fault(unsigned thread)
{
    bool fine;

    stay(thread);
    fine = own.where != FAULTS_SPACES || map_area(page_at(thread, 0), CALLS_LENGTH);
    fine = fine && own.side->store(page_at(thread, 0));
    wait_for_all();
    own.shared->began[thread] = clock_seconds();
    fine = fine && touch_all(thread);
    own.shared->ended[thread] = clock_seconds();
    (void)mmk_a32_fetch_sub(&own.shared->working, 1, MMK_RELEASE);
    return fine;
}

/* The one that maps, for as long as somebody faults. */
static bool map_and_unmap(void)
{
    uint64_t addr = calls_start(own.side) + (FAULTS_THREADS_MAX + 1) * APART;
    bool fine = true;

    stay(own.threads);
    wait_for_all();
    while (fine && mmk_a32_load(&own.shared->working, MMK_ACQUIRE) > 0)
        fine =
            map_area(addr, MAPPED) && own.side->store(addr) && own.side->unmap(addr, MAPPED) == 0;
    return fine;
}

/* ---- starting them ----------------------------------------------------------------------------
 */

static void *thread_main(void *argument)
{
    unsigned number = *(const unsigned *)argument;
    bool fine;

    own.side->thread_begin(number + 1);
    fine = number < own.threads ? fault(number) : map_and_unmap();
    own.side->thread_end();
    if (!fine)
        mmk_a32_store(&own.shared->failed, 1, MMK_RELAXED);
    return NULL;
}

static bool run_threads(void)
{
    unsigned numbers[FAULTS_THREADS_MAX + 1], i;
    pthread_t threads[FAULTS_THREADS_MAX + 1];

    own.side->wait_begin();
    for (i = 0; i < own.started; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, thread_main, &numbers[i]) != 0)
            error(STATUS_BAD_USAGE, 0, "no threads");
    }
    for (i = 0; i < own.started; i++)
        pthread_join(threads[i], NULL);
    own.side->wait_end();
    return mmk_a32_load(&own.shared->failed, MMK_RELAXED) == 0;
}

/* From the first to start to the last to end. */
static double elapsed(void)
{
    double began = own.shared->began[0], ended = own.shared->ended[0];
    unsigned i;

    for (i = 1; i < own.threads; i++) {
        began = own.shared->began[i] < began ? own.shared->began[i] : began;
        ended = own.shared->ended[i] > ended ? own.shared->ended[i] : ended;
    }
    return ended - began;
}

double faults_run(const struct side *side, uint64_t parameter)
{
    if (!own.shared)
        own.shared = child_shared_memory(sizeof(*own.shared));
    own.side = side;
    own.threads = parameter & 0xff;
    own.where = (enum faults_where)(parameter >> 8 & 0xff);
    own.mapping = parameter >> 16 & 1;
    own.started = own.threads + own.mapping;
    memset(own.shared, 0, sizeof(*own.shared));
    mmk_a32_store(&own.shared->working, own.threads, MMK_RELAXED);
    if (!map_shared())
        return -1;
    if (own.where == FAULTS_SPACES ? !side->apart(own.threads, fault) : !run_threads())
        return -1;
    return elapsed() * 1e9 / (CALLS_PAGES - 1);
}
