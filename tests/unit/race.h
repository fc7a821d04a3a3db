/* SPDX-License-Identifier: MIT */
/* race.h - races of the fixture's three CPUs, and tests that a deadlock must not hold up for ever.
 */
#ifndef RACE_H
#define RACE_H

#include "fixture.h"
#include "run_cpus.h"

#include <unistd.h>

/* On each CPU, which is in no address space at first. => in mm on CPU 0, before and after */
static inline void race_cpus(void (*function)(unsigned cpu, void *argument), void *argument)
{
    machine_switch_mm(NULL);
    machine_cpu_detach();
    run_cpus(3, function, argument);
    machine_cpu_attach(0);
    machine_switch_mm(mm);
}

/* Ends the program where it takes longer than any machine needs. */
static inline int limited_setup(void **state)
{
    alarm(100);
    return fixture_setup(state);
}

static inline int limited_teardown(void **state)
{
    int result = fixture_teardown(state);

    alarm(0);
    return result;
}

#define TEST_LIMITED(name) cmocka_unit_test_setup_teardown(name, limited_setup, limited_teardown)

#endif
