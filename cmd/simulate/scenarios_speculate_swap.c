/* SPDX-License-Identifier: MIT */
/*
 * scenarios_speculate_swap.c - a fault on what is in swap, and in memory again, beside all that is
 * done to it meanwhile: the fault takes no mmap lock (src/fault_swap.c).
 *
 * Pages 0 and 1 have 1 and 2, in swap; both have been read ahead, and are mapped by nobody.
 */
#include "rules.h"

#include "swap_cache.h"
#include <machine_swap.h>

enum { SLOTS = 8 };

static struct machine_swap *device;
static struct mmk_swap_area *area; /* NULL: it is gone */

static void page_out(unsigned at, unsigned count)
{
    expect(mmk_madvise(world.mm, page_at(at), count * PAGE, MMK_MADV_PAGEOUT) == 0);
}

static void start_out(void)
{
    start_anon();
    device = machine_swap_memory(SLOTS);
    expect(device);
    expect(mmk_swapon(&machine_swap_ops, device, SLOTS, 0, &area) == 0);
    store(0, 1);
    store(1, 2);
    page_out(0, 2);
}

static void read_ahead(void)
{
    expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_WILLNEED) == 0);
}

static void start_ahead(void)
{
    start_out();
    read_ahead();
}

/* In swap for two. */
static void start_twice(void)
{
    start_out();
    expect(mmk_fork(world.mm, &it.other) == 0);
    read_ahead();
}

/* Nothing is left in swap of what goes. */
static void end_swap(void)
{
    struct mmk_stats stats;

    mmk_check(world.mm);
    if (it.other)
        mmk_check(it.other);
    mmk_swap_check();
    put_other();
    expect(mmk_munmap(world.mm, page_at(0), 16 * PAGE) == 0);
    mmk_swap_check();
    mmk_stats_read(&stats);
    expect(stats.swap_used == 0);
    if (area)
        expect(mmk_swapoff(area) == 0);
    machine_swap_close(device);
}

static void write_other(uint64_t word)
{
    expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
}

static void try_store(enum mmk_fault_result refused)
{
    enum mmk_fault_result result = put_word(0, 7);

    it.stored = result == MMK_FAULT_DONE;
    expect(it.stored || result == refused);
}

/* What was stored, if it was, is at that page now. */
static void expect_stored(unsigned page)
{
    expect(look(page) == (it.stored ? 7 : 1));
    end_swap();
}

static void expect_seven(void)
{
    expect(look(0) == 7 && look(1) == 2);
    end_swap();
}

static void two_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(look(0) != 2);
    else
        store(0, 7);
}

static void unmap_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(0, 1);
    else
        try_store(MMK_FAULT_SEGV_MAPERR);
}

static void unmapped_end(void)
{
    expect(look(0) == ~(uint64_t)0 && look(1) == 2);
    end_swap();
}

static void give_back_beside(unsigned cpu)
{
    if (cpu == 1)
        dontneed(0, 2);
    else
        store(0, 7);
}

static void given_back_end(void)
{
    uint64_t word = look(0);

    expect(word == 0 || word == 7);
    expect(look(1) == 0);
    end_swap();
}

static void protect_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(0), 8 * PAGE, RO) == 0);
    else
        try_store(MMK_FAULT_SEGV_ACCERR);
}

static void protected_end(void)
{
    expect(put_word(0, 8) == MMK_FAULT_SEGV_ACCERR);
    expect_stored(0);
}

static void move_beside(unsigned cpu)
{
    if (cpu == 1)
        move_pages(0, 8, 8);
    else
        try_store(MMK_FAULT_SEGV_MAPERR);
}

static void moved_end(void)
{
    expect(look(0) == ~(uint64_t)0);
    expect_stored(8);
}

static void fork_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else
        store(0, 7);
}

static void forked_end(void)
{
    uint64_t word = word_of(it.other, 0);

    expect(word == 1 || word == 7);
    write_other(5);
    expect_seven();
}

/* Each comes to have its own. */
static void both_beside(unsigned cpu)
{
    if (cpu == 1)
        write_other(5);
    else
        store(0, 7);
}

static void both_end(void)
{
    expect(word_of(it.other, 0) == 5);
    expect_seven();
}

static void exit_beside(unsigned cpu)
{
    if (cpu == 1)
        put_other();
    else
        store(0, 7);
}

static void out_beside(unsigned cpu)
{
    if (cpu == 1)
        page_out(0, 1);
    else
        store(0, 7);
}

/* What is in memory and in swap alike, and mapped nowhere, is the first to go. */
static void drop_beside(unsigned cpu)
{
    if (cpu == 1)
        (void)mmk_reclaim(2);
    else
        expect(look(0) == 1);
}

static void dropped_end(void)
{
    expect(look(0) == 1 && look(1) == 2);
    end_swap();
}

static void off_beside(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 7);
        return;
    }
    expect(mmk_swapoff(area) == 0);
    area = NULL;
}

static void kill_beside(unsigned cpu)
{
    uint64_t freed;

    if (cpu == 0) {
        try_store(MMK_FAULT_KILLED);
        return;
    }
    mmk_kill(world.mm);
    while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
        continue;
}

const struct scenario scenarios_speculate_swap[] = {
    {.name = "speculate-swap.two",
     .what = "two touch a page that has been read ahead",
     .cpus = 2,
     .setup = start_ahead,
     .body = two_beside,
     .check = expect_seven},
    {.name = "speculate-swap.unmapped",
     .what = "a page comes back that has been read ahead, while its mapping goes",
     .cpus = 2,
     .setup = start_ahead,
     .body = unmap_beside,
     .check = unmapped_end},
    {.name = "speculate-swap.given-back",
     .what = "a page comes back that has been read ahead, while it is given back",
     .cpus = 2,
     .setup = start_ahead,
     .body = give_back_beside,
     .check = given_back_end},
    {.name = "speculate-swap.protected",
     .what = "a page comes back that has been read ahead, while its mapping becomes read-only",
     .cpus = 2,
     .setup = start_ahead,
     .body = protect_beside,
     .check = protected_end},
    {.name = "speculate-swap.moved",
     .what = "a page comes back that has been read ahead, while its mapping moves away",
     .cpus = 2,
     .setup = start_ahead,
     .body = move_beside,
     .check = moved_end},
    {.name = "speculate-swap.forked",
     .what = "a page comes back that has been read ahead, while the process forks",
     .cpus = 2,
     .setup = start_ahead,
     .body = fork_beside,
     .check = forked_end},
    {.name = "speculate-swap.both",
     .what = "a page comes back to two address spaces",
     .cpus = 2,
     .setup = start_twice,
     .body = both_beside,
     .check = both_end},
    {.name = "speculate-swap.exit",
     .what = "a page comes back while the other address space ends that has it in swap",
     .cpus = 2,
     .setup = start_twice,
     .body = exit_beside,
     .check = expect_seven},
    {.name = "speculate-swap.out",
     .what = "a page comes back and goes out",
     .cpus = 2,
     .setup = start_ahead,
     .body = out_beside,
     .check = expect_seven},
    {.name = "speculate-swap.dropped",
     .what = "a page comes back while it leaves memory, since nobody maps it",
     .cpus = 2,
     .setup = start_ahead,
     .body = drop_beside,
     .check = dropped_end},
    {.name = "speculate-swap.off",
     .what = "a page comes back while its area is swapped off",
     .cpus = 2,
     .setup = start_ahead,
     .body = off_beside,
     .check = expect_seven},
    {.name = "speculate-swap.killed",
     .what = "a page comes back while its process is killed, and reaped",
     .cpus = 2,
     .setup = start_ahead,
     .body = kill_beside,
     .check = end_swap},
    {.name = NULL},
};
