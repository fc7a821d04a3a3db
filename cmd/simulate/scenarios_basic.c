/* SPDX-License-Identifier: MIT */
/* scenarios_basic.c - faults, unmapping and fork against each other. */
#include "world.h"

#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)

static void map_four(void)
{
    map_pages(0, 4, RW, ANON);
}

static void fault_both(unsigned cpu)
{
    uint64_t word;

    expect(put_word(0, cpu + 1) == MMK_FAULT_DONE);
    expect(get_word(0, &word) == MMK_FAULT_DONE);
    expect(word == 1 || word == 2);
}

static void unmap_or_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
        return;
    }
    result = put_word(0, 1);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
}

static void unmapped(void)
{
    uint64_t word;

    expect(get_word(0, &word) == MMK_FAULT_SEGV_MAPERR);
}

const struct scenario scenarios_basic[] = {
    {
        .name = "fault.fault",
        .what = "two faults on one page",
        .cpus = 2,
        .setup = map_four,
        .body = fault_both,
    },
    {
        .name = "unmap.fault",
        .what = "a page is stored to while its mapping goes",
        .cpus = 2,
        .setup = map_four,
        .body = unmap_or_store,
        .check = unmapped,
    },
    {.name = NULL},
};
