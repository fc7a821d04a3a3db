/* SPDX-License-Identifier: MIT */
/*
 * litmus.c - the model of weak memory (ports/machine/fibers/memory.c) against what C11 says of
 * small programs.
 *
 * Each program is run through all schedules and all values, without bound. The set of its outcomes
 * must be the one stated: an outcome too many would be a false alarm somewhere, one too few a bug
 * that nobody finds. What C11 allows and the model does not generate is stated too: `gap`.
 *
 * An outcome is a string of digits: what was loaded, in the order of the registers r0, r1...; where
 * the program's name ends in "+final", then what x and y are at the end.
 */
#include "litmus.h"

#include "machine.h"
#include "strategy.h"

#include <stdlib.h>
#include <string.h>

#define REGISTERS 4
#define OUTCOMES                                                                                   \
    64 /* digits are 0 to 3, of at most 3 registers that matter, or 4 of two values                \
        */

struct litmus {
    const char *name;
    unsigned cpus;
    void (*body)(unsigned cpu);
    unsigned registers;
    const char *allowed; /* and generated: all of them */
    const char *gap;     /* allowed, and not generated */
};

static struct mmk_a32 x, y, z;
static unsigned r[REGISTERS];

#define load(word, order)         mmk_a32_load(&(word), MMK_##order)
#define store(word, value, order) mmk_a32_store(&(word), value, MMK_##order)
#define add(word, value, order)   mmk_a32_fetch_add(&(word), value, MMK_##order)

/* ---- message passing ------------------------------------------------------------------------- */

#define MESSAGE_PASSING(name, release, acquire)                                                    \
    static void name(unsigned cpu)                                                                 \
    {                                                                                              \
        if (cpu == 0) {                                                                            \
            store(x, 1, RELAXED);                                                                  \
            store(y, 1, release);                                                                  \
        } else {                                                                                   \
            r[0] = load(y, acquire);                                                               \
            r[1] = load(x, RELAXED);                                                               \
        }                                                                                          \
    }

MESSAGE_PASSING(mp, RELEASE, ACQUIRE)
MESSAGE_PASSING(mp_relaxed_store, RELAXED, ACQUIRE)
MESSAGE_PASSING(mp_relaxed_load, RELEASE, RELAXED)
MESSAGE_PASSING(mp_relaxed, RELAXED, RELAXED)

static void mp_barriers(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 1, RELAXED);
        mmk_full_barrier();
        store(y, 1, RELAXED);
    } else {
        r[0] = load(y, RELAXED);
        mmk_full_barrier();
        r[1] = load(x, RELAXED);
    }
}

/* Not after another store of the same task: C++20's release sequences, and hardware's. */
static void mp_overwritten(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 1, RELAXED);
        store(y, 1, RELEASE);
        store(y, 2, RELAXED);
    } else {
        r[0] = load(y, ACQUIRE);
        r[1] = load(x, RELAXED);
    }
}

static void mp_by_change(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 1, RELAXED);
        store(y, 1, RELEASE);
    } else if (cpu == 1) {
        add(y, 1, RELAXED);
    } else {
        r[0] = load(y, ACQUIRE);
        r[1] = load(x, RELAXED);
    }
}

static void mp_by_cmpxchg(unsigned cpu)
{
    uint32_t expected = 1;

    if (cpu == 0) {
        store(x, 1, RELAXED);
        store(y, 1, RELEASE);
    } else {
        r[0] = mmk_a32_cmpxchg(&y, &expected, 2, MMK_ACQUIRE);
        r[1] = load(x, RELAXED);
    }
}

/* A failed compare-exchange reads relaxed, whatever order it has. */
static void mp_by_failure(unsigned cpu)
{
    uint32_t expected = 2;

    if (cpu == 0) {
        store(x, 1, RELAXED);
        store(y, 1, RELEASE);
    } else {
        (void)mmk_a32_cmpxchg(&y, &expected, 3, MMK_ACQ_REL);
        r[0] = expected;
        r[1] = load(x, RELAXED);
    }
}

/* ---- store buffering ------------------------------------------------------------------------- */

static void sb(unsigned cpu)
{
    store(*(cpu ? &y : &x), 1, RELEASE);
    r[cpu] = load(*(cpu ? &x : &y), ACQUIRE);
}

static void sb_barriers(unsigned cpu)
{
    store(*(cpu ? &y : &x), 1, RELAXED);
    mmk_full_barrier();
    r[cpu] = load(*(cpu ? &x : &y), RELAXED);
}

static void sb_one_barrier(unsigned cpu)
{
    store(*(cpu ? &y : &x), 1, RELAXED);
    if (cpu == 0)
        mmk_full_barrier();
    r[cpu] = load(*(cpu ? &x : &y), RELAXED);
}

/* An exchange with both orders is no barrier. */
static void sb_changes(unsigned cpu)
{
    add(*(cpu ? &y : &x), 1, ACQ_REL);
    r[cpu] = load(*(cpu ? &x : &y), ACQUIRE);
}

/* ---- one word -------------------------------------------------------------------------------- */

static void corr(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 1, RELAXED);
    } else {
        r[0] = load(x, RELAXED);
        r[1] = load(x, RELAXED);
    }
}

static void corr_two_writers(unsigned cpu)
{
    if (cpu < 2) {
        store(x, cpu + 1, RELAXED);
        return;
    }
    r[0] = load(x, RELAXED);
    r[1] = load(x, RELAXED);
}

static void cowr(unsigned cpu)
{
    store(x, cpu + 1, RELAXED);
    if (cpu == 1)
        r[0] = load(x, RELAXED);
}

/* What is read is not older than what is then written over. */
static void corw(unsigned cpu)
{
    if (cpu == 0) {
        r[0] = load(x, RELAXED);
        store(x, 1, RELAXED);
        r[1] = load(x, RELAXED);
    } else {
        store(x, 2, RELAXED);
    }
}

static void changes(unsigned cpu)
{
    r[cpu] = add(x, 1, RELAXED);
}

/* ---- more tasks ------------------------------------------------------------------------------ */

static void iriw(unsigned cpu)
{
    if (cpu < 2) {
        store(*(cpu ? &y : &x), 1, RELEASE);
        return;
    }
    r[cpu * 2 - 4] = load(*(cpu == 2 ? &x : &y), ACQUIRE);
    r[cpu * 2 - 3] = load(*(cpu == 2 ? &y : &x), ACQUIRE);
}

static void iriw_barriers(unsigned cpu)
{
    if (cpu < 2) {
        store(*(cpu ? &y : &x), 1, RELAXED);
        return;
    }
    r[cpu * 2 - 4] = load(*(cpu == 2 ? &x : &y), RELAXED);
    mmk_full_barrier();
    r[cpu * 2 - 3] = load(*(cpu == 2 ? &y : &x), RELAXED);
}

#define WRITE_READ_CAUSALITY(name, release, acquire)                                               \
    static void name(unsigned cpu)                                                                 \
    {                                                                                              \
        if (cpu == 0) {                                                                            \
            store(x, 1, RELAXED);                                                                  \
        } else if (cpu == 1) {                                                                     \
            r[0] = load(x, RELAXED);                                                               \
            store(y, 1, release);                                                                  \
        } else {                                                                                   \
            r[1] = load(y, acquire);                                                               \
            r[2] = load(x, RELAXED);                                                               \
        }                                                                                          \
    }

WRITE_READ_CAUSALITY(wrc, RELEASE, ACQUIRE)
WRITE_READ_CAUSALITY(wrc_relaxed, RELAXED, RELAXED)

#define ISA2(name, release, acquire)                                                               \
    static void name(unsigned cpu)                                                                 \
    {                                                                                              \
        if (cpu == 0) {                                                                            \
            store(x, 1, RELAXED);                                                                  \
            store(y, 1, RELEASE);                                                                  \
        } else if (cpu == 1) {                                                                     \
            r[0] = load(y, acquire);                                                               \
            store(z, 1, release);                                                                  \
        } else {                                                                                   \
            r[1] = load(z, ACQUIRE);                                                               \
            r[2] = load(x, RELAXED);                                                               \
        }                                                                                          \
    }

ISA2(isa2, RELEASE, ACQUIRE)
ISA2(isa2_relaxed_store, RELAXED, ACQUIRE)
ISA2(isa2_relaxed_load, RELEASE, RELAXED)

/* ---- the order of stores --------------------------------------------------------------------- */

static void r_final(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 1, RELAXED);
        store(y, 1, RELEASE);
    } else {
        store(y, 2, RELAXED);
        r[0] = load(x, ACQUIRE);
    }
}

static void r_barriers_final(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 1, RELAXED);
        mmk_full_barrier();
        store(y, 1, RELAXED);
    } else {
        store(y, 2, RELAXED);
        mmk_full_barrier();
        r[0] = load(x, RELAXED);
    }
}

static void s_final(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 2, RELAXED);
        store(y, 1, RELEASE);
    } else {
        r[0] = load(y, ACQUIRE);
        store(x, 1, RELAXED);
    }
}

static void s_relaxed_final(unsigned cpu)
{
    if (cpu == 0) {
        store(x, 2, RELAXED);
        store(y, 1, RELAXED);
    } else {
        r[0] = load(y, RELAXED);
        store(x, 1, RELAXED);
    }
}

static void two_plus_two_final(unsigned cpu)
{
    store(*(cpu ? &y : &x), 1, RELAXED);
    store(*(cpu ? &x : &y), 2, RELAXED);
}

static void lb(unsigned cpu)
{
    r[cpu] = load(*(cpu ? &y : &x), RELAXED);
    store(*(cpu ? &x : &y), 1, RELAXED);
}

static void lb_ordered(unsigned cpu)
{
    r[cpu] = load(*(cpu ? &y : &x), ACQUIRE);
    store(*(cpu ? &x : &y), 1, RELEASE);
}

static const struct litmus all[] = {
    {"MP release acquire", 2, mp, 2, "00 01 11", ""},
    {"MP relaxed acquire", 2, mp_relaxed_store, 2, "00 01 10 11", ""},
    {"MP release relaxed", 2, mp_relaxed_load, 2, "00 01 10 11", ""},
    {"MP relaxed relaxed", 2, mp_relaxed, 2, "00 01 10 11", ""},
    {"MP barriers", 2, mp_barriers, 2, "00 01 11", ""},
    {"MP overwritten", 2, mp_overwritten, 2, "00 01 11 20 21", ""},
    {"MP through an addition", 3, mp_by_change, 2, "00 01 10 11 21", ""},
    {"MP cmpxchg", 2, mp_by_cmpxchg, 2, "00 01 11", ""},
    {"MP failed cmpxchg", 2, mp_by_failure, 2, "00 01 10 11", ""},
    {"SB release acquire", 2, sb, 2, "00 01 10 11", ""},
    {"SB barriers", 2, sb_barriers, 2, "01 10 11", ""},
    {"SB one barrier", 2, sb_one_barrier, 2, "00 01 10 11", ""},
    {"SB acq_rel additions", 2, sb_changes, 2, "00 01 10 11", ""},
    {"CoRR", 2, corr, 2, "00 01 11", ""},
    {"CoRR two writers", 3, corr_two_writers, 2, "00 01 02 11 12 21 22", ""},
    {"CoWR", 2, cowr, 1, "1 2", ""},
    {"CoRW", 2, corw, 2, "01 02 21", ""},
    {"additions", 2, changes, 2, "01 10", ""},
    {"IRIW release acquire", 4, iriw, 4,
     "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111", ""},
    {"IRIW barriers", 4, iriw_barriers, 4,
     "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1011 1100 1101 1110 1111", ""},
    {"WRC release acquire", 3, wrc, 3, "000 001 010 011 100 101 111", ""},
    {"WRC relaxed", 3, wrc_relaxed, 3, "000 001 010 011 100 101 110 111", ""},
    {"ISA2", 3, isa2, 3, "000 001 010 011 100 101 111", ""},
    {"ISA2 relaxed store", 3, isa2_relaxed_store, 3, "000 001 010 011 100 101 110 111", ""},
    {"ISA2 relaxed load", 3, isa2_relaxed_load, 3, "000 001 010 011 100 101 110 111", ""},
    {"R+final", 2, r_final, 1, "011 012 111 112", ""},
    {"R barriers+final", 2, r_barriers_final, 1, "011 111 112", ""},
    {"S+final", 2, s_final, 1, "011 021 111", ""},
    {"S relaxed+final", 2, s_relaxed_final, 1, "011 021 111", "121"},
    {"2+2W+final", 2, two_plus_two_final, 0, "12 21 22", "11"},
    {"LB", 2, lb, 2, "00 01 10", "11"},
    {"LB acquire release", 2, lb_ordered, 2, "00 01 10", ""},
};

#define TESTS (sizeof(all) / sizeof(all[0]))

/* ---- running them ---------------------------------------------------------------------------- */

static bool has_final(const struct litmus *test)
{
    const char *plus = strchr(test->name, '+');

    while (plus && strcmp(plus, "+final") != 0)
        plus = strchr(plus + 1, '+');
    return plus != NULL;
}

static void outcome(const struct litmus *test, char text[REGISTERS + 3])
{
    unsigned i;

    for (i = 0; i < test->registers; i++)
        text[i] = (char)('0' + r[i]);
    if (has_final(test)) {
        text[i++] = (char)('0' + load(x, RELAXED));
        text[i++] = (char)('0' + load(y, RELAXED));
    }
    text[i] = '\0';
}

static int order(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All outcomes, sorted, in `found`. => executions */
static uint64_t explore(const struct litmus *test, char *found, size_t size)
{
    struct strategy strategy = {.kind = STRATEGY_EXHAUSTIVE, .weak = true, .bound = 1000};
    const struct fibers_program program = {
        .cpus = test->cpus, .body = test->body, .most_steps = 1000, .weak = true};
    char seen[OUTCOMES][REGISTERS + 3], now[REGISTERS + 3];
    struct fibers_outcome result;
    uint64_t executions = 0;
    unsigned count = 0, i;
    size_t used = 0;
    bool more = true;

    for (; more; executions++) {
        strategy_begin(&strategy, 1);
        store(x, 0, RELAXED);
        store(y, 0, RELAXED);
        store(z, 0, RELAXED);
        memset(r, 0, sizeof(r));
        result = fibers_run(&program, &strategy.chooser);
        mmk_assert(!result.failure, "litmus tests end");
        outcome(test, now);
        for (i = 0; i < count && strcmp(seen[i], now) != 0; i++)
            ;
        mmk_assert(i < OUTCOMES, "litmus tests have few outcomes");
        if (i == count)
            strcpy(seen[count++], now);
        if (result.more_shared)
            strategy_restart(&strategy);
        else
            more = strategy_next(&strategy);
    }
    qsort(seen, count, sizeof(seen[0]), order);
    for (i = 0; i < count; i++)
        used += (size_t)snprintf(found + used, size - used, "%s%s", i ? " " : "", seen[i]);
    strategy_free(&strategy);
    return executions;
}

unsigned litmus_run(FILE *out)
{
    const struct machine_config config = {.memory = 64 * MMK_PAGE_SIZE, .cpus = FIBERS_CPUS};
    unsigned i, wrong = 0;

    if (machine_create(&config) != 0)
        return TESTS;
    for (i = 0; i < TESTS; i++) {
        char found[OUTCOMES * (REGISTERS + 3)];
        uint64_t executions = explore(&all[i], found, sizeof(found));
        bool right = strcmp(found, all[i].allowed) == 0;

        wrong += !right;
        if (out)
            fprintf(out, "%-24s %8lu executions: %s%s%s%s\n", all[i].name,
                    (unsigned long)executions, found, all[i].gap[0] ? "; C11 also has: " : "",
                    all[i].gap, right ? "" : "  NOT AS STATED");
    }
    machine_destroy();
    fibers_forget_shared();
    return wrong;
}

bool litmus_shows_gap(const char *name)
{
    unsigned i;

    for (i = 0; i < TESTS; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].gap[0] != '\0';
    return false;
}
