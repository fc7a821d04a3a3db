/* SPDX-License-Identifier: MIT */
/* world.c - see world.h. */
#include "world.h"

#include <mmkit/check.h>
#include <mmkit/stats.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 512, TLB_ENTRIES = 64 };

struct world world;

void world_unexpected(const char *file, int line, const char *condition)
{
    const char *name = strrchr(file, '/');
    char text[256];

    snprintf(text, sizeof(text), "%s:%d: not so: %s", name ? name + 1 : file, line, condition);
    fibers_fail(text);
}

mmk_vaddr_t page_at(unsigned page)
{
    return BASE + page * PAGE;
}

void map_pages(unsigned page, unsigned count, unsigned prot, unsigned flags)
{
    int64_t addr =
        mmk_mmap(world.mm, page_at(page), count * PAGE, prot, flags | MMK_MAP_FIXED, NULL, 0);

    expect(addr == (int64_t)page_at(page));
}

enum mmk_fault_result put_word(unsigned page, uint64_t word)
{
    return machine_store(page_at(page), &word, sizeof(word));
}

enum mmk_fault_result get_word(unsigned page, uint64_t *word)
{
    return machine_load(page_at(page), word, sizeof(*word));
}

unsigned world_random(unsigned n)
{
    uint64_t x = world.random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((x ^ (x >> 31)) % n);
}

bool world_start(const struct scenario *scenario, uint64_t seed)
{
    struct machine_config config = {.memory = FRAMES * PAGE + WITHHELD,
                                    .withheld = WITHHELD,
                                    .cpus = FIBERS_CPUS,
                                    .tlb_entries = TLB_ENTRIES,
                                    .mmu = scenario->mmu,
                                    .mmkit = MMK_CONFIG_DEFAULT};
    unsigned cpu;

    config.mmkit.frame_cache = MMK_FRAME_CACHE_MAX; /* as on a machine with much more memory */
    config.mmkit.waiting_limit = scenario->waiting_limit;
    config.mmkit.fault_around = scenario->fault_around;
    config.mmkit.huge = scenario->huge;
    config.mmkit.anon_block = scenario->anon_block;
    world.scenario = scenario;
    world.random = seed * 0xd1342543de82ef95u;
    if (machine_create(&config) != 0)
        return false;
    machine_cpu_attach(0);
    if (mmk_mm_create(&world.mm) != 0)
        return false;
    world.cpus = scenario->cpus;
    for (cpu = 0; cpu < scenario->cpus; cpu++) {
        if (cpu > 0)
            machine_cpu_attach(cpu);
        machine_switch_mm(world.mm);
    }
    fibers_be_cpu(0);
    scenario->setup();
    return true;
}

/* Nobody has anything any more: so all frames are free. => alone, on the only CPU */
static void check_frames(void)
{
    struct mmk_stats stats;

    mmk_drain();
    mmk_stats_read(&stats);
    if (stats.frames_free != stats.frames_total)
        fibers_fail("frames are lost");
}

void world_stop(const struct scenario *scenario)
{
    unsigned cpu;

    fibers_check_translations();
    if (world.mm)
        mmk_check(world.mm);
    if (scenario->check)
        scenario->check();
    for (cpu = scenario->cpus; cpu-- > 0;) {
        fibers_be_cpu(cpu);
        machine_switch_mm(NULL);
        if (cpu == 0 && world.mm)
            mmk_mm_put(world.mm);
        if (cpu == 0)
            check_frames();
        machine_cpu_detach();
    }
    machine_destroy();
}

int punch_nothing(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    (void)offset;
    (void)length;
    return 0;
}
