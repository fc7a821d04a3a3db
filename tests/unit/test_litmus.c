/* SPDX-License-Identifier: MIT */
/* test_litmus.c - the simulator's weak memory does what C11 says of small programs. */
#include "litmus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void outcomes_are_as_stated(void **state)
{
    (void)state;
    assert_int_equal(litmus_run(stderr), 0);
}

static void gaps_are_known(void **state)
{
    (void)state;
    assert_true(litmus_shows_gap("LB"));
    assert_true(litmus_shows_gap("2+2W+final"));
    assert_false(litmus_shows_gap("SB barriers"));
    assert_false(litmus_shows_gap("no such program"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_are_as_stated),
        cmocka_unit_test(gaps_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
