/* SPDX-License-Identifier: MIT */
/*
 * scenarios_tables.c - tables that go, and come back: what frees one beside what needs it (free.*),
 * and tables that are linked again before their grace period (P11.*).
 */
#include "rules.h"

#include "table_memory.h"
#include <mmkit/table.h>

#include <string.h>

/* The first page, alone in its table, and that table alone in the one above. */
static void setup_one(void)
{
    start_anon();
    store(0, 1);
}

/* Two leaf tables under one. */
static void setup_two(void)
{
    setup_one();
    store(4, 4);
}

/* All CPUs have the ways to it cached. */
static void setup_known(void)
{
    start_anon();
    touch_by(3, 0, 1);
}

/* ---- P11: linked again ----------------------------------------------------------------------- */

/* The table comes back to where another's walk has left it, or is still in it. */
static void again_beside_touch(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(0, 2);
        expect(look(0) == 2);
    } else {
        store(1, 3);
        expect(look(1) == 3);
    }
}

static void again_end(void)
{
    expect(look(0) == 2 && look(1) == 3);
}

/* What it was freed for must not be seen through it. */
static void again_beside_look(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(1, 2);
        say(&it.said);
    } else {
        if (heard(&it.said))
            expect(look(0) == 0);
        expect(look(1) == 0 || look(1) == 2);
    }
}

/* The fourth leaf table stays, and so the one above. */
static void setup_beside(void)
{
    setup_one();
    map_pages(12, 1, RW, ANON);
    store(12, 1);
}

/* A table is wanted elsewhere: the one that was here is not for that, as another may be in it. */
static void elsewhere(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(4, 5);
    } else {
        store(1, 3);
    }
}

static void elsewhere_end(void)
{
    expect(look(0) == 0 && look(1) == 3 && look(4) == 5 && look(5) == 0);
}

static void parent_end(void)
{
    expect(look(0) == 2 && look(4) == 3);
}

/* Of what went at once part is wanted: the table above, with another below it, which waits, too. */
static void again_in_part(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        dontneed(4, 1);
        store(0, 2);
        store(4, 3);
    } else {
        dontneed(1, 1);
    }
}

/* Its tables are kept by CPU 0. */
static void setup_freed(void)
{
    setup_one();
    dontneed(0, 1);
}

/* What is kept here is taken away there, to get memory. */
static void again_beside_drain(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 2);
        store(5, 6);
        expect(look(0) == 2);
    } else {
        mmk_table_drain_limbo();
    }
}

static void drained_end(void)
{
    expect(look(0) == 2 && look(1) == 0 && look(5) == 6);
}

/* They are not kept long enough to come back, and somebody has been in them for long. */
static void too_late(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        mmk_table_drain_limbo();
        store(0, 2);
    } else {
        store(1, 3);
    }
}

/* Empty again before anybody else has let go of it: two go up from it. */
static void goes_again(unsigned cpu)
{
    dontneed(0, 1);
    store(0, cpu + 2);
    dontneed(0, 1);
}

static int is_page(const struct mmk_table_entry *entry, void *arg)
{
    (void)arg;
    return entry->kind == MMK_ENTRY_PAGE;
}

/* A page comes into the table that is just linked again: a look without locks finds it. */
static void again_beside_populate(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(0, 2);
    } else {
        expect(mmk_madvise(world.mm, page_at(1), PAGE, MMK_MADV_POPULATE_WRITE) == 0);
        expect(mmk_for_each_entry(world.mm, page_at(1), page_at(2), is_page, NULL) == 1);
    }
}

/* Likewise another table, below the one above: CPU 0 links it again with both, or with that alone.
 */
static void again_above_populate(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(8, 2);
    } else {
        expect(mmk_madvise(world.mm, page_at(4), PAGE, MMK_MADV_POPULATE_WRITE) == 0);
        expect(mmk_for_each_entry(world.mm, page_at(4), page_at(5), is_page, NULL) == 1);
    }
}

static void setup_wide(void)
{
    setup_one();
    map_pages(8, 4, RW, ANON);
}

/* The table above goes, too, and comes back beside. */
static void again_beside_parent(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(0, 2);
    } else {
        dontneed(4, 1);
        store(4, 3);
    }
}

/* Moved away: its entry is free, and so is the place that it had. */
static void again_beside_move(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 1) {
        move_pages(0, 12, 4);
        return;
    }
    if (mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_DONTNEED) != 0)
        return;
    result = put_word(0, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
}

/* The other has two users, and its tables are in limbo here when the last of them goes. */
static void setup_users(void)
{
    const uint64_t word = 1;

    start_anon();
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), 2 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(0));
    expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
    mmk_mm_get(it.other);
}

static void again_beside_exit(unsigned cpu)
{
    const uint64_t word = 3;

    if (cpu == 0) {
        expect(mmk_madvise(it.other, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
        expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
        expect(mmk_madvise(it.other, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
    } else {
        expect(mmk_mm_write(it.other, page_at(1), &word, sizeof(word), 0) == sizeof(word));
    }
    mmk_mm_put(it.other);
}

static void nothing_in_limbo(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    expect(stats.tables_limbo == 0);
}

/* ---- free: what empties a table beside what else there is ------------------------------------ */

static void free_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void forked_end(void)
{
    uint64_t word = word_of(it.other, 0);

    expect(look(0) == 0 && (word == 0 || word == 1));
    mmk_check(it.other);
    put_other();
}

static void free_beside_move(unsigned cpu)
{
    if (cpu == 0)
        (void)!mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_DONTNEED);
    else
        move_pages(0, 12, 4);
}

static void moved_end(void)
{
    expect(look(12) == 0 || look(12) == 1);
}

/* One goes by way of the mapping, the other by way of the memory. */
static void setup_shared(void)
{
    memset(&it, 0, sizeof(it));
    map_pages(0, 2, RW, SHARED_ANON);
    touch_by(2, 0, 1);
}

static void free_beside_remove(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_REMOVE) == 0);
}

static void free_beside_unmap(unsigned cpu)
{
    if (cpu == 0)
        (void)!mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_DONTNEED);
    else
        unmap(0, 8);
}

/* Both go, and the one above with them. */
static void both_free(unsigned cpu)
{
    dontneed(cpu == 0 ? 0 : 4, 1);
}

static void free_beside_fault(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        store(4, 4);
}

static void faulted_end(void)
{
    expect(look(0) == 0 && look(4) == 4);
}

const struct scenario scenarios_tables[] = {
    {.name = "P11.again",
     .what = "a table is linked again while another's walk is in it",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = again_beside_touch,
     .check = again_end},
    {.name = "P11.seen",
     .what = "a table is linked again, and a CPU has cached what was in it",
     .cpus = 2,
     .independent = true,
     .setup = setup_known,
     .body = again_beside_look},
    {.name = "P11.elsewhere",
     .what = "a table is wanted where another was, and somebody is in that one",
     .cpus = 2,
     .independent = true,
     .setup = setup_beside,
     .body = elsewhere,
     .check = elsewhere_end},
    {.name = "P11.aside",
     .what = "two tables are wanted, one below the other, where two were with another way down",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = elsewhere,
     .check = elsewhere_end},
    {.name = "P11.part",
     .what = "a table is linked again with another below it, while somebody is in it",
     .cpus = 2,
     .independent = true,
     .setup = setup_two,
     .body = again_in_part,
     .check = parent_end},
    {.name = "P11.drained",
     .what = "a table is linked again while another CPU has all of them wait",
     .cpus = 2,
     .independent = true,
     .setup = setup_freed,
     .body = again_beside_drain,
     .check = drained_end},
    {.name = "P11.late",
     .what = "tables that went at once are not to come back, and somebody is in them",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = too_late},
    {.name = "P11.goes",
     .what = "a table goes again as soon as it has come back",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = goes_again},
    {.name = "P11.shown",
     .what = "a page comes into a table that is linked again, and is looked for at once",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = again_beside_populate},
    {.name = "P11.shown-above",
     .what = "a table comes below one that is linked again, and is looked for at once",
     .cpus = 2,
     .independent = true,
     .setup = setup_wide,
     .body = again_above_populate},
    {.name = "P11.parent",
     .what = "the table above one that comes back goes, and comes back",
     .cpus = 2,
     .independent = true,
     .setup = setup_two,
     .body = again_beside_parent,
     .check = parent_end},
    {.name = "P11.moved",
     .what = "a table comes back to where another has just been moved from",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = again_beside_move},
    {.name = "P11.exit",
     .what = "an address space ends whose tables might have come back",
     .cpus = 2,
     .independent = true,
     .setup = setup_users,
     .body = again_beside_exit,
     .check = nothing_in_limbo},
    {.name = "free.fault",
     .what = "a table goes while its neighbour comes",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = free_beside_fault,
     .check = faulted_end},
    {.name = "free.fork",
     .what = "a table goes that is being copied",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = free_beside_fork,
     .check = forked_end},
    {.name = "free.move",
     .what = "a table goes that is being moved",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = free_beside_move,
     .check = moved_end},
    {.name = "free.zap",
     .what = "two tables go, and the one above with them",
     .cpus = 2,
     .independent = true,
     .setup = setup_two,
     .body = both_free},
    {.name = "free.remove",
     .what = "a table goes by advice, and because its page goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_shared,
     .body = free_beside_remove},
    {.name = "free.unmap",
     .what = "a table goes while all of its mapping does",
     .cpus = 2,
     .independent = true,
     .setup = setup_two,
     .body = free_beside_unmap},
    {.name = NULL},
};
