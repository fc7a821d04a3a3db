/* SPDX-License-Identifier: MIT */
/*
 * scenarios_block.c - a first write that maps a block of pages, beside whatever takes them away, or
 * puts something else there (src/fault_block.c).
 */
#include "rules.h"

#include "pte_group.h"
#include "rmap_use.h"
#include <machine_swap.h>
#include <mmkit/huge.h>
#include <mmkit/notifier.h>

enum { PAGES = 2 }; /* of a block; a table has room for two of them */
enum { SLOTS = 4 };

static struct mmk_page *held; /* page 0's */
static struct machine_swap *device;
static struct mmk_swap_area *area;

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

/* ---- groups ---------------------------------------------------------------------------------- */

/* Are pages 0 and 1 a group, as far as the format has groups? */
static void expect_group(bool grouped)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(world.mm, page_at(0), &walk);
    expect(walk.level == 0);
    if (PAGES >= MMK_PT_GROUP)
        expect(mmk_pte_grouped(mmk_pte_read(walk.entry)) == (grouped && MMK_PT_GROUP > 1));
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* All CPUs have them cached. */
static void zero_by_all(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        store(0, 0);
        store(1, 0);
    }
    fibers_be_cpu(0);
}

static void setup_grouped(void)
{
    setup_block();
    zero_by_all();
    expect_group(true);
}

/*
 * The same pages, one by one: what comes in their place may be a group. All CPUs have page 1
 * cached, but CPU 0 alone has page 0.
 */
static void setup_singles(void)
{
    setup_block();
    advise(MMK_MADV_NOHUGEPAGE);
    store(0, 0);
    store(1, 0);
    look_by_all(1, 1);
    expect_group(false);
    advise(MMK_MADV_HUGEPAGE);
}

/* Only page 1's entry says that they have been used. */
static void setup_used(void)
{
    mmk_paddr_t phys;
    unsigned prot;

    setup_grouped();
    held = held_page(world.mm, 0);
    mmk_page_lock(held);
    expect(mmk_page_referenced(held) == 1 && mmk_page_referenced(held) == 0);
    mmk_page_unlock(held);
    expect(mmk_translate(world.mm, page_at(1), MMK_ACCESS_READ, &phys, &prot) == 0);
}

static void setup_swap(void)
{
    device = machine_swap_memory(SLOTS);
    expect(device);
    expect(mmk_swapon(&machine_swap_ops, device, SLOTS, 0, &area) == 0);
    setup_grouped();
}

/* A page of it goes; what is beside it stays, for who stores there meanwhile, too. */
static void part_beside(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(1, 1);
        expect(look(1) == 0);
    } else {
        store(0, 7);
        expect(look(0) == 7);
    }
}

static void parted_end(void)
{
    expect_group(false);
    expect_pages(7, 0);
}

/* It may have come again. */
static void whole_beside(unsigned cpu)
{
    if (cpu == 0) {
        store(1, 5);
        dontneed(0, PAGES);
        expect(look(1) == 0);
    } else {
        store(0, 7);
    }
}

/* The same, by who has none of it cached yet. */
static void setup_alone(void)
{
    setup_block();
    store(0, 0);
    expect_group(true);
}

static void early_beside(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, PAGES);
    } else {
        expect(look(1) == 0);
        store(0, 7);
    }
}

static void protect_beside(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_mprotect(world.mm, page_at(1), PAGE, RO) == 0);
        expect(put_word(1, 9) == MMK_FAULT_SEGV_ACCERR);
    } else {
        store(0, 7);
    }
}

static void free_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(world.mm, page_at(1), PAGE, MMK_MADV_FREE) == 0);
    else
        store(0, 7);
}

static void swap_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(world.mm, page_at(1), PAGE, MMK_MADV_PAGEOUT) == 0);
    else
        store(0, 7);
}

static void swapped_end(void)
{
    expect_group(false);
    expect_pages(7, 0);
    unmap(0, 8);
    expect(mmk_swapoff(area) == 0);
    machine_swap_close(device);
}

static void both_part_beside(unsigned cpu)
{
    dontneed(cpu, 1);
    store(cpu, cpu + 5);
}

/* What has been used looks so, as one of a group, and by itself. */
static void ask_beside(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(1, 1);
        return;
    }
    mmk_page_lock(held);
    expect(mmk_page_referenced(held) == 1);
    mmk_page_unlock(held);
}

static void asked_end(void)
{
    mmk_page_put(held);
    expect_group(false);
    expect_pages(0, 0);
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
    {.name = "block.remade",
     .what = "a block comes where single pages are that others have cached yet",
     .cpus = 2,
     .setup = setup_singles,
     .body = whole_beside,
     .check = advised_end,
     BLOCKS},
    {.name = "block.whole",
     .what = "a group goes, and may come again",
     .cpus = 2,
     .setup = setup_grouped,
     .body = whole_beside,
     .check = advised_end,
     BLOCKS},
    {.name = "block.early",
     .what = "a group goes in two parts, and is looked at in between",
     .cpus = 2,
     .setup = setup_alone,
     .body = early_beside,
     .check = advised_end,
     BLOCKS},
    {.name = "block.part",
     .what = "a page of a group goes while another is stored to",
     .cpus = 2,
     .setup = setup_grouped,
     .body = part_beside,
     .check = parted_end,
     BLOCKS},
    {.name = "block.parts",
     .what = "two give back two pages of a group, and store to them",
     .cpus = 2,
     .setup = setup_grouped,
     .body = both_part_beside,
     .check = two_end,
     BLOCKS},
    {.name = "block.part-protected",
     .what = "a page of a group becomes read-only while another is stored to",
     .cpus = 2,
     .setup = setup_grouped,
     .body = protect_beside,
     .check = parted_end,
     BLOCKS},
    {.name = "block.part-freed",
     .what = "a page of a group is given back lazily while another is stored to",
     .cpus = 2,
     .setup = setup_grouped,
     .body = free_beside,
     .check = parted_end,
     BLOCKS},
    {.name = "block.part-moved",
     .what = "a page of a group moves away while another is stored to",
     .cpus = 2,
     .setup = setup_grouped,
     .body = move_beside,
     .check = moved_end,
     BLOCKS},
    {.name = "block.part-swapped",
     .what = "a page of a group goes to swap while another is stored to",
     .cpus = 2,
     .setup = setup_swap,
     .body = swap_beside,
     .check = swapped_end,
     BLOCKS},
    {.name = "block.part-forked",
     .what = "a group becomes read-only, by fork, while it is stored to",
     .cpus = 2,
     .setup = setup_grouped,
     .body = fork_beside,
     .check = forked_end,
     BLOCKS},
    {.name = "block.part-asked",
     .what = "a page of a group that has been used is asked for while another goes",
     .cpus = 2,
     .setup = setup_used,
     .body = ask_beside,
     .check = asked_end,
     BLOCKS},
    {.name = NULL},
};
