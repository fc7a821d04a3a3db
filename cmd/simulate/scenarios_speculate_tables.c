/* SPDX-License-Identifier: MIT */
/*
 * scenarios_speculate_tables.c - as scenarios_speculate.c, where tables are missing: the fault
 * takes new ones, and links them.
 *
 * A table of the tiny format has four pages, the one above it sixteen.
 */
#include "rules.h"

#include "shrink.h"

/* Page 0 alone is there. */
static void start_first(void)
{
    start_anon();
    store(0, 1);
}

/* The same of 24, and page 16, which keeps a table above its own. */
static void start_wide(void)
{
    start_first();
    map_pages(8, 16, RW, ANON);
    store(16, 1);
}

/* Page 16 is the zero page. */
static void start_zero(void)
{
    start_first();
    map_pages(8, 16, RW, ANON);
    expect(look(16) == 0);
}

static bool stores(unsigned page, uint64_t word, enum mmk_fault_result refused)
{
    enum mmk_fault_result result = put_word(page, word);

    expect(result == MMK_FAULT_DONE || result == refused);
    return result == MMK_FAULT_DONE;
}

/* --- beside others that come and go ---------------------------------------------------------- */

static void store_both(unsigned cpu)
{
    store(4 + cpu, cpu + 1);
    expect(look(6) == 0);
}

static void both_end(void)
{
    expect(look(4) == 1 && look(5) == 2 && look(6) == 0 && look(7) == 0);
}

static void store_and_look(unsigned cpu)
{
    if (cpu == 1)
        expect(look(4) <= 1);
    else
        store(4, 1);
}

static void looked_end(void)
{
    expect(look(4) == 1 && look(5) == 0);
}

/* The table that the fault finds is its page's last, and goes, and the one above with it. */
static void free_beside(unsigned cpu)
{
    if (cpu == 1)
        dontneed(16, 1);
    else
        store(20, 2);
}

static void shrink_beside(unsigned cpu)
{
    uint64_t pages = 0;

    if (cpu == 1)
        (void)mmk_shrink_round(NULL, UINT64_MAX, true, &pages);
    else
        store(20, 2);
}

static void freed_end(void)
{
    expect(look(0) == 1 && look(16) == 0 && look(20) == 2);
}

/* --- beside what changes the mapping --------------------------------------------------------- */

static void unmap_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(1, 7);
    else
        (void)stores(4, 1, MMK_FAULT_SEGV_MAPERR);
}

static void look_beside(unsigned cpu)
{
    uint64_t word;

    if (cpu == 1) {
        unmap(1, 7);
        return;
    }
    word = look(4);
    expect(word == 0 || word == ~(uint64_t)0);
}

static void unmapped_end(void)
{
    expect(put_word(4, 2) == MMK_FAULT_SEGV_MAPERR);
    expect(look(0) == 1);
}

static void protect_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(0), 8 * PAGE, RO) == 0);
    else
        (void)stores(4, 1, MMK_FAULT_SEGV_ACCERR);
}

static void protected_end(void)
{
    expect(put_word(4, 2) == MMK_FAULT_SEGV_ACCERR);
    expect(look(0) == 1 && look(4) <= 1);
}

/* What was stored in time has moved, too; for which there has to be a table. */
static void move_beside(unsigned cpu)
{
    if (cpu == 1)
        move_pages(0, 17, 8);
    else
        it.stored = stores(5, 1, MMK_FAULT_SEGV_MAPERR);
}

static void moved_end(void)
{
    expect(put_word(5, 2) == MMK_FAULT_SEGV_MAPERR);
    expect(look(17) == 1);
    expect(look(22) == it.stored);
}

/* One moment's: who has the later word has the earlier one. */
static void fork_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        return;
    }
    store(1, 1);
    store(5, 1);
}

static void forked_end(void)
{
    expect(word_of(it.other, 5) == 0 || word_of(it.other, 1) == 1);
    expect(look(1) == 1 && look(5) == 1);
    put_other();
}

/* Of what the reaper takes nothing is there when it has passed. */
static void kill_beside(unsigned cpu)
{
    uint64_t freed;

    if (cpu == 1) {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
            continue;
    } else {
        (void)stores(4, 1, MMK_FAULT_KILLED);
    }
}

static void killed_end(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_anon == 0);
}

const struct scenario scenarios_speculate_tables[] = {
    {.name = "speculate.table-both",
     .what = "two first writes, to two pages whose table is missing",
     .cpus = 2,
     .setup = start_first,
     .body = store_both,
     .check = both_end},
    {.name = "speculate.table-looked",
     .what = "a first write and a first read, of a page whose table is missing",
     .cpus = 2,
     .setup = start_first,
     .body = store_and_look,
     .check = looked_end},
    {.name = "speculate.table-freed",
     .what = "a page is stored to that lacks a table, while the one above goes",
     .cpus = 2,
     .setup = start_wide,
     .body = free_beside,
     .check = freed_end},
    {.name = "speculate.table-shrunk",
     .what = "a page is stored to that lacks a table, while the one above is given back",
     .cpus = 2,
     .setup = start_zero,
     .body = shrink_beside,
     .check = freed_end},
    {.name = "speculate.table-unmapped",
     .what = "a page is stored to that lacks a table, while its mapping goes",
     .cpus = 2,
     .setup = start_first,
     .body = unmap_beside,
     .check = unmapped_end},
    {.name = "speculate.table-unmapped-read",
     .what = "a page is read that lacks a table, while its mapping goes",
     .cpus = 2,
     .setup = start_first,
     .body = look_beside,
     .check = unmapped_end},
    {.name = "speculate.table-protected",
     .what = "a page is stored to that lacks a table, while its mapping becomes read-only",
     .cpus = 2,
     .setup = start_first,
     .body = protect_beside,
     .check = protected_end},
    {.name = "speculate.table-moved",
     .what = "a page is stored to that lacks a table, while its mapping moves away",
     .cpus = 2,
     .setup = start_first,
     .body = move_beside,
     .check = moved_end},
    {.name = "speculate.table-forked",
     .what = "two pages are stored to, the second without a table, while the process forks",
     .cpus = 2,
     .setup = start_first,
     .body = fork_beside,
     .check = forked_end},
    {.name = "speculate.table-killed",
     .what = "a page is stored to that lacks a table, while the process is killed and reaped",
     .cpus = 2,
     .setup = start_first,
     .body = kill_beside,
     .check = killed_end},
    {.name = NULL},
};
