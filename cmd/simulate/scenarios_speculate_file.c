/* SPDX-License-Identifier: MIT */
/*
 * scenarios_speculate_file.c - a fault on an object's page that is in memory, beside whoever
 * changes its mapping, or the object, meanwhile: the fault takes no mmap lock (src/fault_file.c).
 *
 * Page 0 of the mapping is there, and so is the table.
 */
#include "file.h"
#include "rules.h"

enum { PAGES = 4 }; /* of the file */

static void bring_in(void)
{
    expect(mmk_madvise(world.mm, page_at(0), PAGES * PAGE, MMK_MADV_WILLNEED) == 0);
}

static void start_shared(void)
{
    start_shared_file();
    bring_in();
    expect(look(0) == 0);
}

/* The table waits to come back. */
static void start_waiting(void)
{
    start_shared();
    dontneed(0, PAGES);
}

/* There is a copy already: its mapping may have others. */
static void start_private(void)
{
    start_file();
    map_object(0, MMK_MAP_PRIVATE);
    bring_in();
    store(0, 1);
}

/* Page 0 is another mapping, and the object is the file's mapping's alone. */
static void start_last(void)
{
    start_shared();
    map_pages(0, 1, RW, ANON | MMK_MAP_FIXED);
    store(0, 1);
    mmk_object_put(it.object);
}

static void try_store(unsigned page, enum mmk_fault_result refused)
{
    enum mmk_fault_result result = put_word(page, 1);

    it.stored = result == MMK_FAULT_DONE;
    expect(it.stored || result == refused);
}

static void expect_refused(unsigned page, enum mmk_fault_result refused)
{
    expect(put_word(page, 2) == refused);
}

/* --- the mapping goes, or changes ----------------------------------------------------------------
 */

static void unmap_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(1, 3);
    else
        try_store(1, MMK_FAULT_SEGV_MAPERR);
}

static void unmapped_end(void)
{
    struct mmk_mm_stats stats;

    expect_refused(1, MMK_FAULT_SEGV_MAPERR);
    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_file + stats.rss_anon == 1);
    put_file();
}

/* More pages are mapped around than fit in one go. */
static void look_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(1, 3);
    else
        (void)look(1);
}

static void looked_end(void)
{
    expect(look(0) == 0);
    unmapped_end();
}

/* Who faults has no table that waits. */
static void unmap_tables_beside(unsigned cpu)
{
    if (cpu == 0)
        unmap(0, PAGES);
    else
        try_store(1, MMK_FAULT_SEGV_MAPERR);
}

static void truncate_tables_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, PAGE) == 0);
    else
        try_store(1, MMK_FAULT_BUS);
}

static void gone_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_MAPERR);
    put_file();
}

/* The object goes with its mapping. */
static void last_end(void)
{
    struct mmk_stats stats;

    expect_refused(1, MMK_FAULT_SEGV_MAPERR);
    mmk_stats_read(&stats);
    expect(stats.objects == 0);
}

static void protect_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(0), PAGES * PAGE, RO) == 0);
    else
        try_store(1, MMK_FAULT_SEGV_ACCERR);
}

static void protected_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_ACCERR);
    expect(look(1) == it.stored);
    put_file();
}

static void move_beside(unsigned cpu)
{
    if (cpu == 1)
        move_pages(0, 8, PAGES);
    else
        try_store(1, MMK_FAULT_SEGV_MAPERR);
}

static void moved_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_MAPERR);
    expect(look(9) == it.stored);
    put_file();
}

/* The first half is mapped, and then all. */
static void start_half(void)
{
    start_shared();
    unmap(2, 2);
}

/* What is there is found by truncation, as soon as it is there. */
static void grow_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_mremap(world.mm, page_at(0), 2 * PAGE, PAGES * PAGE, 0, 0) ==
               (int64_t)page_at(0));
    } else if (look(2) == 0) {
        expect(mmk_object_resize(it.object, PAGE) == 0);
        expect(look(2) == ~(uint64_t)0);
    }
}

/* A copy that the child has, too, or that was made after the fork. */
static void fork_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        return;
    }
    store(1, 1);
    store(2, 1);
}

static void forked_end(void)
{
    expect(word_of(it.other, 2) == 0 || word_of(it.other, 1) == 1);
    expect(look(1) == 1 && look(2) == 1);
    put_file();
}

/* --- the object does -----------------------------------------------------------------------------
 */

static void truncate_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_object_resize(it.object, PAGE) == 0);
    else
        try_store(1, MMK_FAULT_BUS);
}

static void truncated_end(void)
{
    expect_refused(1, MMK_FAULT_BUS);
    put_file();
}

static void punch_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        store(1, 1);
}

static void punched_end(void)
{
    expect(look(1) <= 1);
    put_file();
}

static void sync_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_object_sync(it.object, 0, PAGES * PAGE) == 0);
    else
        store(1, 1);
}

static void synced_end(void)
{
    expect(look(1) == 1);
    put_file();
    expect(file.word[1] == 1);
}

static void reclaim_beside(unsigned cpu)
{
    if (cpu == 1)
        (void)mmk_reclaim(2);
    else
        store(1, 1);
}

static void reclaimed_end(void)
{
    expect(look(1) == 1);
    put_file();
}

static void kill_beside(unsigned cpu)
{
    uint64_t freed;

    if (cpu == 0) {
        try_store(1, MMK_FAULT_KILLED);
        return;
    }
    mmk_kill(world.mm);
    while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
        continue;
}

static void two_beside(unsigned cpu)
{
    store(1, cpu + 1);
}

static void two_end(void)
{
    uint64_t word = look(1);

    expect(word == 1 || word == 2);
    put_file();
}

const struct scenario scenarios_speculate_file[] = {
    {.name = "speculate-file.unmapped",
     .what = "a file's page is stored to while its mapping goes",
     .cpus = 2,
     .setup = start_shared,
     .body = unmap_beside,
     .check = unmapped_end},
    {.name = "speculate-file.copied",
     .what = "a file's page is copied while its mapping goes",
     .cpus = 2,
     .setup = start_private,
     .body = unmap_beside,
     .check = unmapped_end},
    {.name = "speculate-file.around",
     .what = "a file's pages are mapped around one while their mapping goes",
     .cpus = 2,
     .setup = start_waiting,
     .body = look_beside,
     .check = looked_end,
     .fault_around = PAGES * PAGE},
    {.name = "speculate-file.last",
     .what = "a file's page is stored to while its mapping goes, and the file with it",
     .cpus = 2,
     .setup = start_last,
     .body = unmap_beside,
     .check = last_end},
    {.name = "speculate-file.protected",
     .what = "a file's page is stored to while its mapping becomes read-only",
     .cpus = 2,
     .setup = start_shared,
     .body = protect_beside,
     .check = protected_end},
    {.name = "speculate-file.moved",
     .what = "a file's page is stored to while its mapping moves away",
     .cpus = 2,
     .setup = start_shared,
     .body = move_beside,
     .check = moved_end},
    {.name = "speculate-file.copy-moved",
     .what = "a file's page is copied while its mapping moves away",
     .cpus = 2,
     .setup = start_private,
     .body = move_beside,
     .check = moved_end},
    {.name = "speculate-file.grown",
     .what = "a file's page is read, and then cut off, where its mapping grows",
     .cpus = 2,
     .setup = start_half,
     .body = grow_beside,
     .check = put_file},
    {.name = "speculate-file.forked",
     .what = "two pages of a file are copied, one after the other, while the process forks",
     .cpus = 2,
     .setup = start_private,
     .body = fork_beside,
     .check = forked_end},
    {.name = "speculate-file.truncated",
     .what = "a file's page is stored to while it is cut off",
     .cpus = 2,
     .setup = start_shared,
     .body = truncate_beside,
     .check = truncated_end},
    {.name = "speculate-file.copy-truncated",
     .what = "a file's page is copied while it is cut off",
     .cpus = 2,
     .setup = start_private,
     .body = truncate_beside,
     .check = truncated_end},
    {.name = "speculate-file.tables",
     .what = "a file's page is mapped, with the tables that it takes, while its mapping goes",
     .cpus = 2,
     .setup = start_waiting,
     .body = unmap_tables_beside,
     .check = gone_end},
    {.name = "speculate-file.tables-cut",
     .what = "a file's page is mapped, with the tables that it takes, while it is cut off",
     .cpus = 2,
     .setup = start_waiting,
     .body = truncate_tables_beside,
     .check = truncated_end},
    {.name = "speculate-file.punched",
     .what = "a file's page is stored to while a hole takes it",
     .cpus = 2,
     .setup = start_shared,
     .body = punch_beside,
     .check = punched_end},
    {.name = "speculate-file.synced",
     .what = "a file's page is stored to for the first time while the file is written back",
     .cpus = 2,
     .setup = start_shared,
     .body = sync_beside,
     .check = synced_end},
    {.name = "speculate-file.reclaimed",
     .what = "a file's page is stored to while reclaim takes it",
     .cpus = 2,
     .setup = start_shared,
     .body = reclaim_beside,
     .check = reclaimed_end},
    {.name = "speculate-file.killed",
     .what = "a file's page is copied while its process is killed, and reaped",
     .cpus = 2,
     .setup = start_private,
     .body = kill_beside,
     .check = put_file},
    {.name = "speculate-file.two",
     .what = "two store to a file's page for the first time",
     .cpus = 2,
     .setup = start_shared,
     .body = two_beside,
     .check = two_end},
    {.name = NULL},
};
