/* SPDX-License-Identifier: MIT */
/*
 * test_strategy.c - what the strategies promise: the bound of PCT, on mistakes of known depth; that
 * an exhaustive search misses nothing and repeats nothing that it need not; that a run follows from
 * its seed alone, and from the list of its deviations.
 *
 * The programs are of raw atomics. What they find out they write down: none fails, which would be
 * the process's last run.
 */
#include "deviations.h"
#include "run.h"
#include "world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PADDING = 4, RUNS = 30000, PILOT_RUNS = 8 };

static struct mmk_a32 shared, noise[2];
static bool wrong;

static void setup(void)
{
    mmk_a32_store(&shared, 0, MMK_RELAXED);
    wrong = false;
}

/* Steps that have no part in it. */
static void pad(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < PADDING; i++)
        mmk_a32_fetch_add(&noise[cpu], 1, MMK_RELAXED);
}

static uint32_t value(void)
{
    return mmk_a32_load(&shared, MMK_RELAXED);
}

static void set(uint32_t to)
{
    mmk_a32_store(&shared, to, MMK_RELAXED);
}

/* Wrong when the whole of CPU 1 comes first: one order. */
static void depth_1(unsigned cpu)
{
    pad(cpu);
    if (cpu == 0)
        wrong = value() == 1;
    else
        set(1);
    pad(cpu);
}

/* Wrong when CPU 1 stores between CPU 0's load and store: two orders. */
static void depth_2(unsigned cpu)
{
    uint32_t before;

    pad(cpu);
    if (cpu == 0) {
        before = value();
        pad(cpu);
        wrong = value() != before;
    } else {
        set(1);
    }
    pad(cpu);
}

/* Wrong when CPU 1 is caught between its stores, having begun between CPU 0's loads: three. */
static void depth_3(unsigned cpu)
{
    uint32_t before;

    pad(cpu);
    if (cpu == 0) {
        before = value();
        pad(cpu);
        wrong = before == 0 && value() == 1;
    } else {
        set(1);
        pad(cpu);
        set(2);
    }
    pad(cpu);
}

static struct scenario program(void (*body)(unsigned cpu))
{
    return (struct scenario){.name = "test", .cpus = 2, .setup = setup, .body = body};
}

static unsigned count_wrong(const struct scenario *scenario, struct strategy *strategy)
{
    unsigned found = 0;
    uint64_t seed;

    for (seed = 1; seed <= RUNS; seed++) {
        assert_null(run_once(scenario, seed, strategy).failure);
        found += wrong;
    }
    return found;
}

static uint64_t measure(const struct scenario *scenario)
{
    struct strategy strategy = {.kind = STRATEGY_PCT, .depth = 1};
    uint64_t seed, longest = 0;

    for (seed = 1; seed <= PILOT_RUNS; seed++) {
        run_once(scenario, seed, &strategy);
        if (strategy.points > longest)
            longest = strategy.points;
    }
    return longest;
}

/* At least as often as Burckhardt et al. prove, less three standard deviations; at depth 1 less,
 * never. */
static void check_bound(void (*body)(unsigned cpu), unsigned depth)
{
    const struct scenario scenario = program(body);
    struct strategy strategy = {.kind = STRATEGY_PCT, .length = measure(&scenario)};
    double bound = 1 / (2 * pow((double)strategy.length, depth - 1)),
           expected = (double)RUNS * bound;
    unsigned found;

    strategy.depth = depth;
    found = count_wrong(&scenario, &strategy);
    print_message("depth %u, %u points: %u of %u found, at least %.1f expected\n", depth,
                  (unsigned)strategy.length, found, RUNS, expected);
    assert_true(found >= expected - 3 * sqrt(expected * (1 - bound)));
    if (depth == 1)
        return;
    strategy.depth = depth - 1;
    assert_int_equal(count_wrong(&scenario, &strategy), 0);
}

static void pct_keeps_its_bound(void **state)
{
    (void)state;
    check_bound(depth_1, 1);
    check_bound(depth_2, 2);
    check_bound(depth_3, 3);
}

/* ---- everything ------------------------------------------------------------------------------ */

enum { STEPS = 3, ORDERS = 1 << (2 * STEPS) };

static unsigned order; /* who made which step: a bit each */

static void take_turns(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < STEPS; i++)
        order |= cpu << mmk_a32_fetch_add(&shared, 1, MMK_RELAXED);
}

/* => different orders; all have been tried */
static unsigned count_orders(unsigned bound, unsigned *runs)
{
    const struct scenario scenario = program(take_turns);
    struct strategy strategy = {.kind = STRATEGY_EXHAUSTIVE, .bound = bound};
    bool seen[ORDERS] = {false}, more = true;
    unsigned count = 0, i;

    fibers_forget_shared();
    for (*runs = 0; more; ++*runs) {
        order = 0;
        if (run_once(&scenario, 1, &strategy).more_shared)
            strategy_restart(&strategy);
        else
            more = strategy_next(&strategy);
        seen[order] = true;
    }
    for (i = 0; i < ORDERS; i++)
        count += seen[i];
    strategy_free(&strategy);
    return count;
}

static void search_is_exhaustive(void **state)
{
    unsigned runs;

    (void)state;
    assert_int_equal(count_orders(0, &runs), 2);
    assert_int_equal(count_orders(1, &runs), 6);
    assert_int_equal(count_orders(1000, &runs), 20); /* 6 over 3 */
    assert_true(runs < 80); /* some twice or more: a switch before a first step is another start */
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void seed_is_all(struct strategy *strategy)
{
    const struct scenario scenario = program(depth_3);
    uint64_t traces[10], seed;

    for (seed = 0; seed < 10; seed++)
        traces[seed] = run_once(&scenario, seed, strategy).trace;
    for (seed = 10; seed-- > 0;)
        assert_int_equal(run_once(&scenario, seed, strategy).trace, traces[seed]);
    assert_int_not_equal(traces[1], traces[2]);
}

static void run_follows_from_its_seed(void **state)
{
    struct strategy at_random = {.kind = STRATEGY_RANDOM};
    struct strategy pct = {.kind = STRATEGY_PCT, .depth = 3, .length = 30};

    (void)state;
    seed_is_all(&at_random);
    seed_is_all(&pct);
}

static void run_follows_from_its_deviations(void **state)
{
    const struct scenario scenario = program(depth_3);
    struct deviation done[100], again[100];
    struct strategy strategy = {.kind = STRATEGY_RANDOM, .run = {done, 0, 100}};
    struct strategy replay = {.kind = STRATEGY_REPLAY, .run = {again, 0, 100}};
    uint64_t seed, trace;

    (void)state;
    for (seed = 1; seed < 200; seed++) {
        trace = run_once(&scenario, seed, &strategy).trace;
        replay.replay = strategy.run;
        assert_int_equal(run_once(&scenario, seed, &replay).trace, trace);
        assert_int_equal(replay.run.count, strategy.run.count);
        assert_memory_equal(again, done, strategy.run.count * sizeof(*done));
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

static void strategies_have_names(void **state)
{
    static const char *const good[] = {"random", "pct:1", "pct:9", "exhaustive:0", "exhaustive:2"};
    static const char *const bad[] = {"",      "rand",   "random:1",   "pct",           "pct:",
                                      "pct:0", "pct:10", "exhaustive", "exhaustive:-1", "pct:3x"};
    struct strategy strategy = {.kind = STRATEGY_RANDOM};
    char text[STRATEGY_TEXT];
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(strategy_parse(&strategy, good[i]));
        assert_string_equal(strategy_name(&strategy, text), good[i]);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(strategy_parse(&strategy, bad[i]));
}

static void assert_prints(const struct deviations *run, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    deviations_print(stream, run);
    fclose(stream);
    assert_string_equal(text, expected);
    free(text);
}

static void runs_have_names(void **state)
{
    static const char *const good[] = {"plain", "0:1", "3:1,40:0,4294967295:4"};
    static const char *const bad[] = {"",     "1",       "1:",      ":1",        "1:2,",
                                      ",1:2", "5:1,5:2", "5:1,4:2", "1:2:3",     "a:1",
                                      "-1:2", "1 :2",    "1:2,x",   "plain,1:2", "4294967296:0"};
    struct deviations run;
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(deviations_parse(good[i], &run));
        assert_prints(&run, good[i]);
        free(run.list);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (deviations_parse(bad[i], &run))
            fail_msg("'%s' is taken for a run", bad[i]);
        free(run.list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pct_keeps_its_bound),
        cmocka_unit_test(search_is_exhaustive),
        cmocka_unit_test(run_follows_from_its_seed),
        cmocka_unit_test(run_follows_from_its_deviations),
        cmocka_unit_test(strategies_have_names),
        cmocka_unit_test(runs_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
