/* SPDX-License-Identifier: MIT */
/*
 * test_paths.c - a search may leave out runs only if nobody can tell them from those that it makes:
 * of programs drawn at random, with every bound, what comes out of the search that leaves some out
 * is exactly what comes out of the one that does not.
 */
#include "run.h"
#include "world.h"

#include <mmkit/host.h>
#include <mmkit/port/lock.h>
#include <mmkit/port/rcu.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CPUS = 3, WORDS = 3, LOCKS = 2, STEPS = 4, PROGRAMS = 60, OUTCOMES = 4096 };

enum kind { LOAD, STORE, ADD, EXCHANGE, SPIN, READ, WRITE, SECTION, DEFER, WAIT, KINDS };

struct step {
    enum kind kind;
    unsigned word, lock;
};

static struct step program[CPUS][STEPS];
static unsigned lengths[CPUS];

/* What a run has, and what comes out of it. */
static struct mmk_a32 words[WORDS];
static struct mmk_spinlock spinlocks[LOCKS];
static struct mmk_rwlock rwlocks[LOCKS];
static struct mmk_rcu_head heads[CPUS][STEPS];
static uint64_t seen[CPUS];

struct outcomes {
    uint64_t list[OUTCOMES];
    unsigned count, runs;
};

static void setup(void)
{
    unsigned i;

    for (i = 0; i < WORDS; i++)
        mmk_a32_store(&words[i], 0, MMK_RELAXED);
    for (i = 0; i < LOCKS; i++) {
        mmk_spin_init(&spinlocks[i]);
        mmk_rw_init(&rwlocks[i]);
    }
    memset(seen, 0, sizeof(seen));
}

static uint32_t load(const struct step *step)
{
    return mmk_a32_load(&words[step->word], MMK_RELAXED);
}

static void store(const struct step *step, uint32_t value)
{
    mmk_a32_store(&words[step->word], value, MMK_RELAXED);
}

static void add_later(struct mmk_rcu_head *head)
{
    uint64_t number = (uint64_t)(head - &heads[0][0]);

    mmk_a32_fetch_add(&words[number % WORDS], 100, MMK_RELAXED);
}

static uint32_t twice_under(const struct step *step, enum kind kind)
{
    uint32_t value;

    if (kind == SPIN)
        mmk_spin_lock(&spinlocks[step->lock], MMK_LOCK_FRAME);
    else if (kind == READ)
        mmk_rw_read_lock(&rwlocks[step->lock], MMK_LOCK_INTERVAL);
    else
        mmk_rw_write_lock(&rwlocks[step->lock], MMK_LOCK_INTERVAL);
    value = load(step);
    if (kind == READ)
        value = value * 7 + load(step);
    else
        store(step, value * 3 + 1);
    if (kind == SPIN)
        mmk_spin_unlock(&spinlocks[step->lock], MMK_LOCK_FRAME);
    else if (kind == READ)
        mmk_rw_read_unlock(&rwlocks[step->lock], MMK_LOCK_INTERVAL);
    else
        mmk_rw_write_unlock(&rwlocks[step->lock], MMK_LOCK_INTERVAL);
    return value;
}

static uint32_t perform(const struct step *step, unsigned cpu, unsigned number)
{
    uint32_t value = 0;

    switch (step->kind) {
    case LOAD:
        return load(step);
    case STORE:
        store(step, 10 * cpu + number + 1);
        return 0;
    case ADD:
        return mmk_a32_fetch_add(&words[step->word], 1, MMK_RELAXED);
    case EXCHANGE:
        return mmk_a32_xchg(&words[step->word], 50 + cpu, MMK_RELAXED);
    case SECTION:
        mmk_rcu_read_lock();
        value = load(step);
        value = value * 7 + load(step);
        mmk_rcu_read_unlock();
        return value;
    case DEFER:
        mmk_host_call_rcu(&heads[cpu][number], add_later);
        return 0;
    case WAIT:
        mmk_host_rcu_barrier();
        return 0;
    default:
        return twice_under(step, step->kind);
    }
}

static void body(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < lengths[cpu]; i++)
        seen[cpu] = seen[cpu] * 1000003 + perform(&program[cpu][i], cpu, i);
}

/* splitmix64's finalizer */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void note_outcome(struct outcomes *outcomes)
{
    uint64_t hash = 0;
    unsigned i;

    for (i = 0; i < CPUS; i++)
        hash = mixed(hash + seen[i]);
    for (i = 0; i < WORDS; i++)
        hash = mixed(hash + words[i].v);
    for (i = 0; i < outcomes->count; i++)
        if (outcomes->list[i] == hash)
            return;
    assert_true(outcomes->count < OUTCOMES);
    outcomes->list[outcomes->count++] = hash;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void search(unsigned cpus, unsigned bound, bool reduced, struct outcomes *outcomes)
{
    const struct scenario scenario = {
        .name = "paths", .cpus = cpus, .independent = reduced, .setup = setup, .body = body};
    struct strategy strategy = {.kind = STRATEGY_EXHAUSTIVE, .bound = bound};
    struct fibers_outcome outcome;
    bool more = true;

    fibers_forget_shared();
    outcomes->count = outcomes->runs = 0;
    while (more) {
        outcome = run_once(&scenario, 1, &strategy);
        assert_null(outcome.failure);
        outcomes->runs++;
        note_outcome(outcomes);
        if (outcome.more_shared)
            strategy_restart(&strategy);
        else
            more = strategy_next(&strategy);
    }
    strategy_free(&strategy);
    qsort(outcomes->list, outcomes->count, sizeof(outcomes->list[0]), compare);
}

static void draw_program(uint64_t number, unsigned cpus)
{
    unsigned cpu, i;
    uint64_t x;

    for (cpu = 0; cpu < cpus; cpu++) {
        lengths[cpu] = cpus == 2 ? STEPS : 2;
        for (i = 0; i < lengths[cpu]; i++) {
            x = mixed(number * 100 + cpu * 10 + i);
            program[cpu][i] = (struct step){(enum kind)(x % KINDS), (unsigned)(x >> 8) % WORDS,
                                            (unsigned)(x >> 16) % LOCKS};
        }
    }
}

static void compare_searches(unsigned cpus, unsigned bound, uint64_t *whole, uint64_t *reduced)
{
    static struct outcomes all, some;

    search(cpus, bound, false, &all);
    search(cpus, bound, true, &some);
    assert_int_equal(some.count, all.count);
    assert_memory_equal(some.list, all.list, all.count * sizeof(all.list[0]));
    assert_true(some.runs <= all.runs);
    *whole += all.runs;
    *reduced += some.runs;
}

static void nothing_is_missed(void **state)
{
    uint64_t number, whole = 0, reduced = 0;
    unsigned cpus, bound;

    (void)state;
    for (number = 0; number < PROGRAMS; number++) {
        cpus = 2 + number % 2;
        draw_program(number, cpus);
        for (bound = 0; bound <= 2; bound++)
            compare_searches(cpus, bound, &whole, &reduced);
    }
    print_message("%u runs instead of %u\n", (unsigned)reduced, (unsigned)whole);
    assert_true(reduced < whole * 2 / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
