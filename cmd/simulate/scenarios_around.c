/* SPDX-License-Identifier: MIT */
/*
 * scenarios_around.c - a fault that maps what is in memory around it, beside whatever takes that
 * away, or puts something else there (src/fault_around.c).
 */
#include "file.h"
#include "rules.h"

#include "migrate.h"
#include "object.h"
#include "shrink.h"

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

static void punch_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, 2 * PAGE) == 0);
    else
        expect(look(0) == 0);
}

/* Page 1 was stored to, and is not mapped; it gets another frame. */
static void migrate_beside(unsigned cpu)
{
    struct mmk_page *page, *to;

    if (cpu == 1) {
        expect(look(0) == 0);
        store(1, 8);
        return;
    }
    to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    expect(to && mmk_object_get_page(it.object, 1, &page) == 0);
    (void)!mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_page_put(to);
}

static void migrated_end(void)
{
    expect(look(1) == 8);
    expect(look(2) == 0);
    put_file();
}

/* Page 1 is a copy, which all have cached, read-only. */
static void setup_copy_cached(void)
{
    setup_private();
    store(1, 7);
    expect(mmk_fork(world.mm, &it.other) == 0);
    look_by_all(1, 1);
}

static void drop_copy_beside(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(1, 1);
        return;
    }
    expect(look(0) == 0);
    store(1, 8);
}

static void dropped_end(void)
{
    uint64_t word = look(1);

    expect(word == 0 || word == 8);
    expect(word_of(it.other, 1) == 7);
    put_other();
    put_file();
}

/* Page 1 is a copy already. */
static void setup_copied(void)
{
    setup_private();
    store(1, 7);
}

static void fork_beside(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        store(1, 8);
    } else {
        expect(look(0) == 0);
    }
}

static void forked_end(void)
{
    expect(look(1) == 8);
    expect(word_of(it.other, 0) == 0 && word_of(it.other, 1) == 7);
    mmk_check(it.other);
    put_file();
}

/* All is mapped, and none of it was used but page 0. */
static void setup_mapped(void)
{
    setup_shared();
    expect(look(0) == 0);
}

static void shrink_beside(unsigned cpu)
{
    uint64_t pages = 0;

    if (cpu == 0)
        (void)mmk_shrink_round(NULL, UINT64_MAX, true, &pages);
    else
        look_for_pages(1);
}

/* Another address space maps the same pages: none waits for the other's. */
static void setup_child(void)
{
    setup_shared();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

static void both_beside(unsigned cpu)
{
    if (cpu == 1)
        machine_switch_mm(it.other);
    expect(look(cpu * 2) == 0);
    if (cpu == 1)
        machine_switch_mm(world.mm);
}

/* Of what the reaper takes nothing is there when it has passed. */
static void kill_beside(unsigned cpu)
{
    uint64_t freed, word;
    enum mmk_fault_result result;

    if (cpu == 0) {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
            continue;
        return;
    }
    result = get_word(0, &word);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
}

/* Who faults does so for another, and takes no part in flushes. */
static void setup_remote(void)
{
    setup_private();
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
}

/* The reaper goes page by page, so that the table stays: page 3's entry is the last to go. */
static void kill_beside_more(unsigned cpu)
{
    enum mmk_fault_result result;
    uint64_t freed;

    if (cpu == 0) {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 1, &freed) == MMK_EAGAIN)
            continue;
        return;
    }
    result = mmk_fault(world.mm, page_at(3), MMK_ACCESS_READ);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
}

#define AROUND .fault_around = PAGES * PAGE, .independent = true

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
    {.name = "around.punched",
     .what = "pages are mapped around while a hole is made in the file",
     .cpus = 2,
     .setup = setup_shared,
     .body = punch_beside,
     .check = all_end,
     AROUND},
    {.name = "around.migrated",
     .what = "pages are mapped around while one of them goes to another frame",
     .cpus = 2,
     .setup = setup_stored,
     .body = migrate_beside,
     .check = migrated_end,
     AROUND},
    {.name = "around.dropped",
     .what = "pages are mapped around where a copy goes that is still cached",
     .cpus = 2,
     .formats = ON_BOTH,
     .setup = setup_copy_cached,
     .body = drop_copy_beside,
     .check = dropped_end,
     AROUND},
    {.name = "around.forked",
     .what = "pages are mapped around while the process forks",
     .cpus = 2,
     .setup = setup_copied,
     .body = fork_beside,
     .check = forked_end,
     AROUND},
    {.name = "around.shrunk",
     .what = "pages are mapped around while their table is given back, with what nobody used",
     .cpus = 2,
     .setup = setup_mapped,
     .body = shrink_beside,
     .check = all_end,
     AROUND},
    {.name = "around.both",
     .what = "two address spaces map the same pages around",
     .cpus = 2,
     .setup = setup_child,
     .body = both_beside,
     .check = all_end,
     AROUND},
    {.name = "around.killed",
     .what = "pages are mapped around after the reaper has passed",
     .cpus = 2,
     .setup = setup_private,
     .body = kill_beside,
     .check = unmap_end,
     AROUND},
    {.name = "around.killed-more",
     .what = "more pages are mapped around than fit in one go, while the reaper passes them",
     .cpus = 2,
     .setup = setup_remote,
     .body = kill_beside_more,
     .check = unmap_end,
     AROUND},
    {.name = NULL},
};
