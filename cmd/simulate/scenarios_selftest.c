/* SPDX-License-Identifier: MIT */
/*
 * scenarios_selftest.c - programs that are wrong, to see that this is found: in a body, after all
 * bodies, by a crash, as a race. They run when they are named.
 */
#include "world.h"

static struct mmk_a32 counter, ready, data;
static int plain;

static void zero(void)
{
    mmk_a32_store(&counter, 0, MMK_RELAXED);
    mmk_a32_store(&ready, 0, MMK_RELAXED);
    mmk_a32_store(&data, 0, MMK_RELAXED);
}

static void add_one(unsigned cpu)
{
    uint32_t value = mmk_a32_load(&counter, MMK_RELAXED);

    (void)cpu;
    mmk_a32_store(&counter, value + 1, MMK_RELAXED);
}

static void both_counted(void)
{
    expect(mmk_a32_load(&counter, MMK_RELAXED) == 2);
}

/* Says so before it is done. */
static void publish_early(unsigned cpu)
{
    if (cpu == 0) {
        mmk_a32_store(&ready, 1, MMK_RELEASE);
        mmk_a32_store(&data, 1, MMK_RELAXED);
    } else if (mmk_a32_load(&ready, MMK_ACQUIRE)) {
        expect(mmk_a32_load(&data, MMK_RELAXED) == 1);
    }
}

static void crash_early(unsigned cpu)
{
    static int *volatile nowhere;

    if (cpu == 0) {
        mmk_a32_store(&ready, 1, MMK_RELEASE);
        mmk_a32_store(&data, 1, MMK_RELAXED);
    } else if (mmk_a32_load(&ready, MMK_ACQUIRE) && !mmk_a32_load(&data, MMK_RELAXED)) {
        *nowhere = 1;
    }
}

/* Right in each schedule: that nothing orders the two stores is for ThreadSanitizer to see. */
static void store_plainly(unsigned cpu)
{
    if (cpu == 0) {
        plain = 1;
        mmk_a32_store(&ready, 1, MMK_RELAXED);
    } else if (mmk_a32_load(&ready, MMK_RELAXED)) {
        plain = 2;
    }
}

static void stored(void)
{
    expect(plain == 1 || plain == 2);
}

const struct scenario scenarios_selftest[] = {
    {
        .name = "selftest.lost-update",
        .what = "two add one, and one addition is lost",
        .cpus = 2,
        .setup = zero,
        .body = add_one,
        .check = both_counted,
        .hidden = true,
    },
    {
        .name = "selftest.publish",
        .what = "a flag is set before what it speaks of",
        .cpus = 2,
        .setup = zero,
        .body = publish_early,
        .formats = ON_BOTH,
        .hidden = true,
    },
    {
        .name = "selftest.crash",
        .what = "the same, and who believes it stores to nowhere",
        .cpus = 2,
        .setup = zero,
        .body = crash_early,
        .hidden = true,
    },
    {
        .name = "selftest.race",
        .what = "a flag that should be released and acquired",
        .cpus = 2,
        .setup = zero,
        .body = store_plainly,
        .check = stored,
        .hidden = true,
    },
    {.name = NULL},
};
