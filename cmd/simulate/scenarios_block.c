/* SPDX-License-Identifier: MIT */
/*
 * scenarios_block.c - a first write that maps a block of pages, beside whatever takes them away, or
 * puts something else there (src/fault_block.c).
 */
#include "rules.h"

#include <mmkit/huge.h>

enum { PAGES = 2 }; /* of a block; a table has room for two of them */

static void advise(int advice)
{
    expect(mmk_madvise(world.mm, page_at(0), 4 * PAGE, advice) == 0);
}

/* The table is there, or a larger page would come. */
static void setup_block(void)
{
    start_anon();
    advise(MMK_MADV_NOHUGEPAGE);
    expect(look(3) == 0);
    advise(MMK_MADV_HUGEPAGE);
}

/* It waits to come back. */
static void setup_again(void)
{
    setup_block();
    fibers_be_cpu(1);
    expect(look(3) == 0);
    dontneed(3, 1);
    fibers_be_cpu(0);
}

/* The mapping begins within a block. */
static void setup_begins(void)
{
    setup_block();
    unmap(0, 1);
}

/* There is no table, and the mapping is too small for a larger page. */
static void setup_small(void)
{
    start_anon();
    unmap(3, 5);
}

/* The table has a page that the reaper does not take. */
static void setup_shared_beside(void)
{
    setup_small();
    expect(mmk_mmap(world.mm, page_at(3), PAGE, RW, SHARED_ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(3));
    store(3, 1);
}

static void expect_pages(uint64_t first, uint64_t second)
{
    expect(look(0) == first && look(1) == second);
    mmk_check(world.mm);
}

static void two_beside(unsigned cpu)
{
    store(cpu, cpu + 5);
}

static void two_end(void)
{
    expect_pages(5, 6);
}

static void advise_beside(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, PAGES);
    else
        store(0, 7);
}

static void advised_end(void)
{
    uint64_t word = look(0);

    expect(word == 0 || word == 7);
    expect_pages(word, 0);
}

/* What is stored once the page beside it is gone, and known to be, stays. */
static void unmap_beside(unsigned cpu)
{
    if (cpu == 0)
        unmap(1, 1);
    else
        store(0, 7);
}

static void unmapped_end(void)
{
    expect_pages(7, ~(uint64_t)0);
}

static void begins_beside(unsigned cpu)
{
    if (cpu == 0)
        store(1, 7);
    else
        expect(look(0) == ~(uint64_t)0);
}

static void begins_end(void)
{
    expect_pages(~(uint64_t)0, 7);
}

static void move_beside(unsigned cpu)
{
    if (cpu == 0)
        move_pages(1, 8, 1);
    else
        store(0, 7);
}

static void moved_end(void)
{
    expect(look(8) == 0);
    expect_pages(7, ~(uint64_t)0);
}

static void guard_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(world.mm, page_at(1), PAGE, MMK_MADV_GUARD_INSTALL) == 0);
    else
        store(0, 7);
}

static void fork_beside(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        store(1, 8);
    } else {
        store(0, 7);
    }
}

static void forked_end(void)
{
    uint64_t word = word_of(it.other, 0);

    expect(word == 0 || word == 7);
    expect(word_of(it.other, 1) == 0);
    mmk_check(it.other);
    expect_pages(7, 8);
    put_other();
}

static void read_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(look(1) == 0);
    else
        store(0, 7);
}

static void read_end(void)
{
    expect_pages(7, 0);
}

static void collapse_beside(unsigned cpu)
{
    if (cpu == 0)
        (void)mmk_collapse(world.mm, 2);
    else
        store(0, 7);
}

/* Of what the reaper takes nothing is there when it has passed. */
static void kill_beside(unsigned cpu)
{
    enum mmk_fault_result result;
    uint64_t freed;

    if (cpu == 0) {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
            continue;
        return;
    }
    result = put_word(0, 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
}

static void killed_end(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_anon == 0);
}

#define BLOCKS .huge = MMK_HUGE_ALWAYS, .anon_block = PAGES * PAGE

const struct scenario scenarios_block[] = {
    {.name = "block.both",
     .what = "two write to two pages of a block",
     .cpus = 2,
     .setup = setup_block,
     .body = two_beside,
     .check = two_end,
     BLOCKS},
    {.name = "block.small",
     .what = "two write to two pages of a block that has no table yet",
     .cpus = 2,
     .setup = setup_small,
     .body = two_beside,
     .check = two_end,
     BLOCKS},
    {.name = "block.again",
     .what = "two write to two pages of a block whose table comes back",
     .cpus = 2,
     .setup = setup_again,
     .body = two_beside,
     .check = two_end,
     BLOCKS},
    {.name = "block.advised",
     .what = "a block is mapped while it is given back",
     .cpus = 2,
     .setup = setup_block,
     .body = advise_beside,
     .check = advised_end,
     BLOCKS},
    {.name = "block.unmapped",
     .what = "a block is mapped while a page of it is unmapped",
     .cpus = 2,
     .setup = setup_block,
     .body = unmap_beside,
     .check = unmapped_end,
     BLOCKS},
    {.name = "block.begins",
     .what = "the mapping begins within a block",
     .cpus = 2,
     .setup = setup_begins,
     .body = begins_beside,
     .check = begins_end,
     BLOCKS},
    {.name = "block.moved",
     .what = "a block is mapped while a page of it moves away",
     .cpus = 2,
     .setup = setup_block,
     .body = move_beside,
     .check = moved_end,
     BLOCKS},
    {.name = "block.guarded",
     .what = "a block is mapped while a guard comes in the place of a page of it",
     .cpus = 2,
     .setup = setup_block,
     .body = guard_beside,
     .check = unmapped_end,
     BLOCKS},
    {.name = "block.forked",
     .what = "a block is mapped while the process forks",
     .cpus = 2,
     .setup = setup_block,
     .body = fork_beside,
     .check = forked_end,
     BLOCKS},
    {.name = "block.read",
     .what = "a block is mapped while a page of it is read for the first time",
     .cpus = 2,
     .setup = setup_block,
     .body = read_beside,
     .check = read_end,
     BLOCKS},
    {.name = "block.collapsed",
     .what = "a block is mapped while its table becomes a larger page",
     .cpus = 2,
     .setup = setup_block,
     .body = collapse_beside,
     .check = read_end,
     BLOCKS},
    {.name = "block.killed",
     .what = "a block is mapped after the reaper has passed",
     .cpus = 2,
     .setup = setup_shared_beside,
     .body = kill_beside,
     .check = killed_end,
     BLOCKS},
    {.name = NULL},
};
