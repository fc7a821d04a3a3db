/* SPDX-License-Identifier: MIT */
/*
 * object_setup.h - the machine for the tests of objects: this thread is CPU 0, and THREADS more may
 * attach. Every test must give back every object and frame.
 */
#ifndef OBJECT_SETUP_H
#define OBJECT_SETUP_H

#include <cmocka.h>

#include "frame.h"
#include "object.h"

#include <machine.h>

#define THREADS 2

static uint64_t frames_before;

static int setup(void **context)
{
    struct machine_config config = {
        .memory = (uint64_t)64 << 20,
        .cpus = 1 + THREADS,
        .mmkit = MMK_CONFIG_DEFAULT,
    };

    (void)context;
    if (machine_create(&config))
        return -1;
    machine_cpu_attach(0);
    mmk_drain();
    frames_before = mmk_frames_free();
    return 0;
}

/* Every test gives back every frame. */
static int teardown(void **context)
{
    bool leak;

    (void)context;
    mmk_drain();
    leak = mmk_object_count() != 0 || mmk_frames_free() != frames_before;
    machine_cpu_detach();
    machine_destroy();
    return leak ? -1 : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
