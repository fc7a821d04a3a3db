/* SPDX-License-Identifier: MIT */
/*
 * scenarios_around.c - a fault that maps what is in memory around it, beside whatever takes that
 * away, or puts something else there (src/fault_around.c).
 */
#include "file.h"
#include "rules.h"

enum { PAGES = 4 }; /* of the file, and of the window */

/* All of the file is in memory, and mapped nowhere. */
static void bring_in(unsigned flags)
{
    start_file();
    map_object(0, flags);
    expect(mmk_madvise(world.mm, page_at(0), PAGES * PAGE, MMK_MADV_WILLNEED) == 0);
}

static void setup_shared(void)
{
    bring_in(MMK_MAP_SHARED);
}

static void setup_private(void)
{
    bring_in(MMK_MAP_PRIVATE);
}

/* A table that the second CPU has just had waits to come back. */
static void setup_visited(void)
{
    setup_shared();
    fibers_be_cpu(1);
    expect(look(0) == 0);
    dontneed(0, PAGES);
    fibers_be_cpu(0);
}

static void look_for_pages(unsigned from)
{
    unsigned page;

    for (page = from; page < PAGES; page++)
        expect(look(page) == 0);
}

static void truncate_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, PAGE) == 0);
    else
        expect(look(0) == 0);
}

static void truncate_end(void)
{
    unsigned page;

    expect(look(0) == 0);
    for (page = 1; page < PAGES; page++)
        expect(look(page) == ~(uint64_t)0);
    mmk_check_object(it.object);
    put_file();
}

/* What was cut off is zeros when it comes back: nobody has the old page. */
static void setup_stored(void)
{
    setup_shared();
    store(1, 7);
    dontneed(0, PAGES);
}

static void truncate_and_grow(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_resize(it.object, PAGE) == 0);
        expect(mmk_object_resize(it.object, PAGES * PAGE) == 0);
        store(1, 9);
    } else {
        expect(look(0) == 0);
    }
}

static void grown_end(void)
{
    expect(look(1) == 9);
    mmk_check_object(it.object);
    put_file();
}

static void advise_beside(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, PAGES);
    else
        look_for_pages(1);
}

static void all_end(void)
{
    look_for_pages(0);
    mmk_check_object(it.object);
    put_file();
}

static void store_beside(unsigned cpu)
{
    if (cpu == 0)
        store(1, 2);
    else
        expect(look(0) == 0);
}

static void stored_end(void)
{
    expect(look(1) == 2);
    put_file();
}

/* Each has the lock of the page that it was asked for, and tries the other's. */
static void two_beside(unsigned cpu)
{
    expect(look(cpu) == 0);
}

static void unmap_beside(unsigned cpu)
{
    uint64_t word;

    if (cpu == 0) {
        unmap(0, PAGES);
        return;
    }
    word = look(1);
    expect(word == 0 || word == ~(uint64_t)0);
}

static void unmap_end(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_file == 0);
    put_file();
}

static void move_beside(unsigned cpu)
{
    if (cpu == 0)
        move_pages(1, 8, 2);
    else
        expect(look(0) == 0);
}

static void moved_end(void)
{
    expect(look(8) == 0);
    expect(look(9) == 0);
    expect(look(1) == ~(uint64_t)0);
    put_file();
}

static void reclaim_beside(unsigned cpu)
{
    if (cpu == 0)
        (void)mmk_reclaim(2);
    else
        expect(look(0) == 0);
}

#define AROUND .fault_around = PAGES * PAGE

const struct scenario scenarios_around[] = {
    {.name = "around.truncated",
     .what = "pages are mapped around while the file shrinks",
     .cpus = 2,
     .setup = setup_shared,
     .body = truncate_beside,
     .check = truncate_end,
     AROUND},
    {.name = "around.grown",
     .what = "pages are mapped around while the file shrinks and grows",
     .cpus = 2,
     .setup = setup_stored,
     .body = truncate_and_grow,
     .check = grown_end,
     AROUND},
    {.name = "around.advised",
     .what = "pages are mapped around while they are given back",
     .cpus = 2,
     .setup = setup_shared,
     .body = advise_beside,
     .check = all_end,
     AROUND},
    {.name = "around.again",
     .what = "pages are mapped around in a table that comes back, while they are given back",
     .cpus = 2,
     .setup = setup_visited,
     .body = advise_beside,
     .check = all_end,
     AROUND},
    {.name = "around.stored",
     .what = "pages are mapped around while one of them is copied",
     .cpus = 2,
     .setup = setup_private,
     .body = store_beside,
     .check = stored_end,
     AROUND},
    {.name = "around.two",
     .what = "two map what is around the other's page",
     .cpus = 3,
     .setup = setup_shared,
     .body = two_beside,
     .check = all_end,
     AROUND},
    {.name = "around.unmapped",
     .what = "pages are mapped around while they are unmapped",
     .cpus = 2,
     .setup = setup_shared,
     .body = unmap_beside,
     .check = unmap_end,
     AROUND},
    {.name = "around.moved",
     .what = "pages are mapped around while some of them move",
     .cpus = 2,
     .setup = setup_shared,
     .body = move_beside,
     .check = moved_end,
     AROUND},
    {.name = "around.reclaimed",
     .what = "pages are mapped around while reclaim takes some of them",
     .cpus = 2,
     .setup = setup_shared,
     .body = reclaim_beside,
     .check = all_end,
     AROUND},
    {.name = NULL},
};
