/* SPDX-License-Identifier: MIT */
/* test_waiting.c - who waits on the deterministic machine goes on when it can, and only then. */
#include "planted.h"

static struct mmk_a32 first, second;

static void no_memory(void)
{
}

/* CPU 0 looks at both words; CPU 1 changes them, and is over. */
static void wait_for_both(unsigned cpu)
{
    if (cpu == 1) {
        mmk_a32_store(&first, 1, MMK_RELAXED);
        mmk_a32_store(&second, 1, MMK_RELAXED);
        return;
    }
    while (mmk_a32_load(&first, MMK_RELAXED) != 1 || mmk_a32_load(&second, MMK_RELAXED) != 1)
        mmk_cpu_relax();
}

/* It sees one of the first word and another of the second, whatever they are together. */
static void wait_for_equal(unsigned cpu)
{
    if (cpu == 1) {
        mmk_a32_store(&first, 1, MMK_RELAXED);
        mmk_a32_store(&second, 1, MMK_RELAXED);
        return;
    }
    while (mmk_a32_load(&second, MMK_RELAXED) != mmk_a32_load(&first, MMK_RELAXED))
        mmk_cpu_relax();
}

static void test_two_words(void **state)
{
    unsigned at;

    for (at = 0; at < 12; at++) {
        switch_at = at;
        EXPECT(no_memory, wait_for_both, 2, NULL);
        switch_at = at;
        EXPECT(no_memory, wait_for_equal, 2, NULL);
    }
    switch_at = 0;
}

static void wait_for_ever(unsigned cpu)
{
    if (cpu == 0)
        wait_for_both(0);
}

static void test_deadlock(void **state)
{
    EXPECT(no_memory, wait_for_ever, 2, "deadlock: CPU 0 spins");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_words),
        cmocka_unit_test(test_deadlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
