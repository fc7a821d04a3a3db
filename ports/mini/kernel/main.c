/* SPDX-License-Identifier: MIT */
/* main.c - the mini kernel boots, shows the stages of a port one after another, and turns off. */
#include "kernel.h"

void must(bool fine, const char *what)
{
    if (fine)
        return;
    say("failed: %s\n", what);
    hardware_off(1);
}

/* As README.md does it. */
static void boot(void)
{
    const struct mmk_config config = MMK_CONFIG_DEFAULT;
    uint64_t start = hardware_ram_start();
    const char *what;

    must(mmk_init(&config) == 0, "mmk_init");
    must(mmk_add_memory(start, start + HARDWARE_RAM_SIZE) == 0, "mmk_add_memory");
    mmk_cpu_online();
    must(mmk_selftest(&what) == 0, "mmk_selftest: the log says why");
}

/* Frames that nobody uses, with nothing left in caches or waiting. */
static unsigned long free_frames(void)
{
    struct mmk_stats stats;

    mmk_drain();
    mmk_check_frames();
    mmk_stats_read(&stats);
    return stats.frames_free;
}

static void run_stage(const char *name, void (*stage)(void))
{
    unsigned long before = free_frames(), after;

    say("-- %s: %lu frames are free\n", name, before);
    stage();
    after = free_frames();
    say("-- %s: %lu frames are free\n", name, after);
    must(after == before, "every frame comes back");
}

void kernel_main(void)
{
    boot();
    run_stage("tables", stage_tables);
    run_stage("programs", stage_programs);
    mmk_shutdown();
    say("power off\n");
    hardware_off(0);
}
