/* SPDX-License-Identifier: MIT */
/* test_figure.c - what benches say of their rounds: medians, and the bounds of the median. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "figure.h"
#include "random.h"

static void test_median(void **state)
{
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2}, one[] = {7};

    (void)state;
    assert_true(figure_median(odd, 3) == 2);
    assert_true(figure_median(even, 4) == 2.5);
    assert_true(figure_median(one, 1) == 7);
}

/* Ratios 1, 2, ... n: the bounds are the ranks that tables of the sign test give for 95 %. */
static void check_ranks(unsigned n, double low, double high)
{
    double theirs[FIGURE_ROUNDS_MAX], ours[FIGURE_ROUNDS_MAX];
    struct figure figure = {.name = "ranks"};
    unsigned i;

    for (i = 0; i < n; i++) {
        theirs[i] = 1;
        ours[i] = (i * 7) % n + 1; /* in no order */
    }
    figure_sum_up(&figure, theirs, ours, n);
    assert_true(figure.measured);
    assert_true(figure.low == low);
    assert_true(figure.high == high);
    assert_true(figure.ratio == (n + 1) / 2.0);
    assert_string_equal(figure.name, "ranks");
}

static void test_bounds(void **state)
{
    (void)state;
    check_ranks(1, 1, 1);
    check_ranks(5, 1, 5);
    check_ranks(6, 1, 6);
    check_ranks(8, 1, 8);
    check_ranks(9, 2, 8);
    check_ranks(12, 3, 10);
    check_ranks(20, 6, 15);
    check_ranks(25, 8, 18);
    check_ranks(50, 18, 33);
    check_ranks(100, 40, 61);
}

/* The ratio of medians would be another: each round's own is what counts. */
static void test_ratio_of_rounds(void **state)
{
    const double theirs[] = {1, 10, 100}, ours[] = {30, 20, 100};
    struct figure figure = {.name = ""};

    (void)state;
    figure_sum_up(&figure, theirs, ours, 3);
    assert_true(figure.linux_side == 10);
    assert_true(figure.mmkit == 30);
    assert_true(figure.ratio == 2);
}

static void test_not_measured(void **state)
{
    const double theirs[] = {1, -1, 1}, ours[] = {3, 1, 2};
    struct figure figure = {.name = ""};

    (void)state;
    figure_sum_up(&figure, theirs, ours, 3);
    assert_false(figure.measured);
    assert_true(figure.mmkit == 2);
}

/* Of medians that are known, 95 in 100 lie within the bounds; chance leaves some room. */
static void test_coverage(void **state)
{
    double theirs[25], ours[25];
    struct figure figure = {.name = ""};
    unsigned trial, i, within = 0;
    uint64_t random = 1;

    (void)state;
    for (trial = 0; trial < 2000; trial++) {
        for (i = 0; i < 25; i++) {
            theirs[i] = 1;
            ours[i] = 1 + (double)random_below(&random, 1000001);
        }
        figure_sum_up(&figure, theirs, ours, 25);
        within += figure.low <= 500001 && 500001 <= figure.high;
    }
    assert_in_range(within, 1880, 1960);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),          cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_ratio_of_rounds), cmocka_unit_test(test_not_measured),
        cmocka_unit_test(test_coverage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
