/* SPDX-License-Identifier: MIT */
/*
 * scenarios_swap_shared.c - as scenarios_swap.c, shared memory that goes to swap and comes back;
 * and areas that are swapped off. The device sees to it that no slot is used by two, nor read
 * before it was written.
 */
#include "rules.h"

#include "object_swap.h"
#include "swap_cache.h"
#include "swap_out.h"
#include "walk.h"
#include <machine_swap.h>

enum { SLOTS = 8 };

static struct machine_swap *device;
static struct mmk_swap_area *area; /* NULL: it is gone */

static void start_swap(uint64_t slots)
{
    device = machine_swap_memory(slots);
    expect(device);
    expect(mmk_swapon(&machine_swap_ops, device, slots, 0, &area) == 0);
}

static void page_out(unsigned at, unsigned count)
{
    expect(mmk_madvise(world.mm, page_at(at), count * PAGE, MMK_MADV_PAGEOUT) == 0);
}

static uint64_t used(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.swap_used;
}

/* Four pages of shared memory, the first two with 1 and 2. */
static void start_shared(uint64_t slots)
{
    start_memory();
    start_swap(slots);
    map_object(0, MMK_MAP_SHARED);
    store(0, 1);
    store(1, 2);
}

static void setup_in(void)
{
    start_shared(SLOTS);
}

static void setup_out(void)
{
    start_shared(SLOTS);
    page_out(0, 2);
    expect(used() == 2);
}

/* Nobody maps it. */
static void setup_unmapped(void)
{
    start_shared(SLOTS);
    dontneed(0, 1);
}

static void end_area(void)
{
    mmk_swap_check();
    if (area)
        expect(mmk_swapoff(area) == 0);
    machine_swap_close(device);
}

/* Whatever is mapped goes, and nothing is left in the area. */
static void end(void)
{
    mmk_check(world.mm);
    if (it.object) {
        mmk_object_check(it.object);
        mmk_swap_check();
        expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
        mmk_object_put(it.object);
    }
    put_other();
    expect(mmk_munmap(world.mm, page_at(0), 16 * PAGE) == 0);
    expect(used() == 0);
    end_area();
    mmk_kin_reap();
    expect(mmk_kin_count() == 1);
}

/* As reclaim does it: with the page, and without an mmap lock. */
static void out(uint64_t index)
{
    struct mmk_page *page;

    if (mmk_object_get_page(it.object, index, &page))
        return; /* it is being truncated, or cannot be read */
    (void)!mmk_object_swap_out(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

static void out_beside_store(unsigned cpu)
{
    if (cpu == 0)
        out(0);
    else
        store(0, 7);
}

static void expect_seven(void)
{
    expect(look(0) == 7);
    end();
}

static void out_beside_load(unsigned cpu)
{
    if (cpu == 0)
        out(0);
    else
        expect(look(cpu - 1) == cpu);
}

static void expect_ones(void)
{
    expect(look(0) == 1 && look(1) == 2);
    end();
}

/* All of it is in memory, and mapped nowhere: a fault maps page 1 around, or it is out. */
static void setup_around(void)
{
    start_shared(SLOTS);
    dontneed(0, 4);
}

static void out_beside_around(unsigned cpu)
{
    if (cpu == 0) {
        out(1);
    } else {
        expect(look(0) == 1);
        expect(look(1) == 2);
    }
}

/* Page 1 comes back while a fault looks for it in memory. */
static void in_beside_around(unsigned cpu)
{
    expect(look(cpu) == cpu + 1u);
}

static void in_beside_in(unsigned cpu)
{
    if (cpu == 2)
        expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_WILLNEED) == 0);
    else
        expect(look(0) == 1);
}

/* ---- truncation, holes ----------------------------------------------------------------------- */

static void out_beside_truncate(unsigned cpu)
{
    if (cpu == 0)
        out(0);
    else
        expect(mmk_object_resize(it.object, 0) == 0);
}

static void in_beside_truncate(unsigned cpu)
{
    uint64_t word;

    if (cpu == 0) {
        word = look(0);
        expect(word == 1 || word == ~(uint64_t)0);
    } else {
        expect(mmk_object_resize(it.object, 0) == 0);
    }
}

static void expect_nothing(void)
{
    expect(used() == 0);
    expect(mmk_object_resize(it.object, 4 * PAGE) == 0);
    expect(look(0) == 0 && look(1) == 0);
    end();
}

/* Half of the word is cut off. */
static void setup_long_word(void)
{
    setup_in();
    store(0, UINT64_C(0x100000001));
}

static void out_beside_cut(unsigned cpu)
{
    if (cpu == 0)
        out(0);
    else
        expect(mmk_object_resize(it.object, 4) == 0);
}

static void expect_cut(void)
{
    expect(mmk_object_resize(it.object, 4 * PAGE) == 0);
    expect(look(0) == 1 && look(1) == 0);
    end();
}

static void out_beside_hole(unsigned cpu)
{
    if (cpu == 0)
        out(0);
    else
        expect(mmk_object_punch_hole(it.object, 0, PAGE) == 0);
}

static void expect_hole(void)
{
    expect(look(0) == 0 && look(1) == 2);
    end();
}

/* ---- errors, and too few slots --------------------------------------------------------------- */

static void setup_unread(void)
{
    const struct machine_swap_errors errors = {.read_nth = 1, .read_error = MMK_EIO};

    setup_out();
    machine_swap_set_errors(device, &errors);
}

/* Both read for themselves, and both fail. */
static void in_beside_failure(unsigned cpu)
{
    (void)cpu;
    expect(look(0) == ~(uint64_t)0);
}

static void expect_readable(void)
{
    machine_swap_set_errors(device, NULL);
    expect_ones();
}

/* One page comes, and its slot is the other's, who goes: without a flush, as nobody maps it. */
static void setup_one_slot(void)
{
    start_shared(1);
    page_out(0, 1);
    dontneed(1, 1);
}

static void in_beside_other_out(unsigned cpu)
{
    if (cpu == 0)
        expect(look(0) == 1);
    else
        out(1);
}

/* The only slot goes out of use, as it cannot be written. */
static void setup_unwritable(void)
{
    const struct machine_swap_errors errors = {.write_nth = 1, .write_error = MMK_EIO};

    start_shared(1);
    dontneed(0, 2); /* so that nobody waits for a flush */
    machine_swap_set_errors(device, &errors);
}

static void out_beside_stats(unsigned cpu)
{
    if (cpu == 0)
        out(0);
    else
        expect(used() <= 1);
}

/* ---- swapoff --------------------------------------------------------------------------------- */

static void off(void)
{
    expect(mmk_swapoff(area) == 0);
    area = NULL;
}

static void off_beside_shared(unsigned cpu)
{
    if (cpu == 0)
        off();
    else if (cpu == 1)
        store(0, 7);
    else
        out(1);
}

static void expect_seven_and_two(void)
{
    expect(look(1) == 2);
    expect_seven();
}

static void off_beside_truncate(unsigned cpu)
{
    if (cpu == 0)
        off();
    else
        expect(mmk_object_resize(it.object, 0) == 0);
}

/* The object's last reference goes. */
static void setup_last(void)
{
    setup_out();
    unmap(0, 4);
}

static void off_beside_last(unsigned cpu)
{
    if (cpu == 0) {
        off();
        return;
    }
    mmk_object_put(it.object);
    it.object = NULL;
}

/* Private memory: two pages are in swap. */
static void setup_private(void)
{
    start_swap(SLOTS);
    start_anon();
    store(0, 1);
    store(1, 2);
    page_out(0, 2);
}

/* One that could not be written lies beside one that was. */
static void setup_unwritten(void)
{
    const struct machine_swap_errors errors = {.write_nth = 1, .write_error = MMK_EAGAIN};

    start_swap(SLOTS);
    start_anon();
    store(0, 1);
    store(1, 2);
    page_out(1, 1);
    machine_swap_set_errors(device, &errors);
    page_out(0, 1);
    machine_swap_set_errors(device, NULL);
    expect(used() == 2);
}

static void in_beside_leave(unsigned cpu)
{
    if (cpu == 0)
        store(0, 1);
    else
        expect(look(1) == 2);
}

static void off_beside_touch(unsigned cpu)
{
    if (cpu == 0)
        off();
    else
        store(0, 7);
}

static void off_beside_out(unsigned cpu)
{
    if (cpu == 0)
        off();
    else if (look(0) == 1)
        page_out(0, 1);
}

static void off_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        off();
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void expect_both(void)
{
    expect(word_of(it.other, 0) == 1 && word_of(it.other, 1) == 2);
    expect_ones();
}

/* One of them alone: no other slot's end wakes who waits for this one's. */
static void setup_one(void)
{
    start_swap(SLOTS);
    start_anon();
    store(0, 1);
    store(1, 2);
    page_out(1, 1);
}

static void off_beside_move(unsigned cpu)
{
    if (cpu == 0)
        off();
    else
        move_pages(0, 6, 2);
}

static void expect_moved(void)
{
    expect(look(6) == 1 && look(7) == 2);
    end();
}

static void protect(unsigned at, unsigned count, unsigned prot)
{
    expect(mmk_mprotect(world.mm, page_at(at), count * PAGE, prot) == 0);
}

/* In swap, for two. */
static void setup_twice(void)
{
    setup_one();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

/* As reclaim does it, if the page is there. */
static void out_if_in(unsigned at)
{
    struct mmk_page *page = NULL;
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_rcu(world.mm, page_at(at), &walk);
    if (walk.level == 0)
        page = mmk_pte_page(mmk_pte_read(walk.entry));
    if (page && !mmk_page_get_unless_zero(page))
        page = NULL;
    mmk_rcu_read_unlock();
    if (!page)
        return;
    mmk_page_lock(page);
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        (void)!mmk_swap_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
}

/* It comes by the slot, would go there again, and comes for one of the two. */
static void off_beside_again(unsigned cpu)
{
    if (cpu == 0)
        off();
    else if (cpu == 1)
        out_if_in(1);
    else
        expect(look(1) == 2);
}

/* Out of the middle of a mapping, and back. */
static void off_beside_cut(unsigned cpu)
{
    if (cpu == 0) {
        off();
        return;
    }
    protect(1, 1, RO);
    protect(1, 1, RW);
}

/* What is above the pages is read-only. */
static void setup_border(void)
{
    setup_one();
    protect(2, 2, RO);
}

static void off_beside_border(unsigned cpu)
{
    if (cpu == 0)
        off();
    else
        protect(1, 1, RO);
}

static void expect_border(void)
{
    expect(put_word(1, 3) == MMK_FAULT_SEGV_ACCERR);
    expect_ones();
}

static void off_beside_unmap(unsigned cpu)
{
    if (cpu == 0)
        off();
    else
        unmap(0, 1);
}

static void expect_second(void)
{
    expect(look(0) == ~(uint64_t)0 && look(1) == 2);
    end();
}

static void setup_child(void)
{
    setup_private();
    expect(mmk_fork(world.mm, &it.other) == 0);
    unmap(0, 2);
}

/* The only one who has what is in swap ends; those who made it keep nothing. */
static void off_beside_exit(unsigned cpu)
{
    if (cpu == 0) {
        off();
        return;
    }
    put_other();
}

const struct scenario scenarios_swap_shared[] = {
    {.name = "swap.shared-stored",
     .what = "shared memory is stored to while it goes to swap",
     .cpus = 2,
     .setup = setup_in,
     .body = out_beside_store,
     .check = expect_seven},
    {.name = "swap.shared-loaded",
     .what = "shared memory is mapped while it goes to swap",
     .cpus = 2,
     .setup = setup_unmapped,
     .body = out_beside_load,
     .check = expect_ones},
    {.name = "swap.shared-touched",
     .what = "a page of shared memory is read for two, and ahead",
     .cpus = 3,
     .setup = setup_out,
     .body = in_beside_in,
     .check = expect_ones},
    {.name = "P4.swapped",
     .what = "a page goes to swap that is truncated: its slot is left",
     .cpus = 2,
     .setup = setup_unmapped,
     .body = out_beside_truncate,
     .check = expect_nothing},
    {.name = "P4.swapped-in",
     .what = "a page comes back from swap that is truncated",
     .cpus = 2,
     .setup = setup_out,
     .body = in_beside_truncate,
     .check = expect_nothing},
    {.name = "P4.swapped-cut",
     .what = "a part of a page is cut off while the whole of it goes to swap",
     .cpus = 2,
     .setup = setup_long_word,
     .body = out_beside_cut,
     .check = expect_cut},
    {.name = "P4.swapped-hole",
     .what = "a hole is punched where a page goes to swap",
     .cpus = 2,
     .setup = setup_in,
     .body = out_beside_hole,
     .check = expect_hole},
    {.name = "swap.shared-unread",
     .what = "shared memory cannot be read, and another waits for it",
     .cpus = 2,
     .setup = setup_unread,
     .body = in_beside_failure,
     .check = expect_readable},
    {.name = "P15.shared",
     .what = "a slot is another page's before its own is read",
     .cpus = 2,
     .setup = setup_one_slot,
     .body = in_beside_other_out,
     .check = expect_ones},
    {.name = "swap.counted",
     .what = "slots are counted while one goes out of use",
     .cpus = 2,
     .setup = setup_unwritable,
     .body = out_beside_stats,
     .check = expect_ones},
    {.name = "swap.unwritten",
     .what = "a slot is read ahead that has never been written, and is just given back",
     .cpus = 2,
     .setup = setup_unwritten,
     .body = in_beside_leave,
     .check = expect_ones},
    {.name = "swapoff.shared",
     .what = "an area goes while shared memory comes from it, and goes there",
     .cpus = 3,
     .setup = setup_out,
     .body = off_beside_shared,
     .check = expect_seven_and_two},
    {.name = "swapoff.truncated",
     .what = "an area goes while what is in it is truncated",
     .cpus = 2,
     .setup = setup_out,
     .body = off_beside_truncate,
     .check = expect_nothing},
    {.name = "swapoff.last",
     .what = "an area goes while the object ends whose pages it has",
     .cpus = 2,
     .setup = setup_last,
     .body = off_beside_last,
     .check = end},
    {.name = "swapoff.touched",
     .what = "an area goes while a fault brings a page back from it",
     .cpus = 2,
     .setup = setup_private,
     .body = off_beside_touch,
     .check = expect_seven_and_two},
    {.name = "swapoff.out",
     .what = "an area goes while a page goes there",
     .cpus = 2,
     .setup = setup_private,
     .body = off_beside_out,
     .check = expect_ones},
    {.name = "swapoff.fork",
     .what = "an area goes while fork copies swap entries",
     .cpus = 2,
     .setup = setup_private,
     .body = off_beside_fork,
     .check = expect_both},
    {.name = "swapoff.moved",
     .what = "an area goes while mremap moves what is in it: from no mapping to another",
     .cpus = 2,
     .setup = setup_one,
     .body = off_beside_move,
     .check = expect_moved},
    {.name = "swapoff.again",
     .what = "an area goes while what has come back from it would go there again",
     .cpus = 3,
     .setup = setup_twice,
     .body = off_beside_again,
     .check = expect_both},
    {.name = "swapoff.cut",
     .what = "an area goes while what is in it is cut out of its mapping, and merged again",
     .cpus = 2,
     .setup = setup_one,
     .body = off_beside_cut,
     .check = expect_ones},
    {.name = "swapoff.border",
     .what = "an area goes while what is in it goes from one mapping to the next",
     .cpus = 2,
     .setup = setup_border,
     .body = off_beside_border,
     .check = expect_border},
    {.name = "swapoff.unmapped",
     .what = "an area goes while a part of what is in it is unmapped",
     .cpus = 2,
     .setup = setup_private,
     .body = off_beside_unmap,
     .check = expect_second},
    {.name = "swapoff.exit",
     .what = "an area goes while the process ends that alone has something there",
     .cpus = 2,
     .setup = setup_child,
     .body = off_beside_exit,
     .check = end},
    {.name = "around.swapped",
     .what = "shared memory is mapped around while some of it goes to swap",
     .cpus = 2,
     .setup = setup_around,
     .body = out_beside_around,
     .check = expect_ones,
     .fault_around = 4 * PAGE},
    {.name = "around.returned",
     .what = "shared memory is mapped around while some of it comes from swap",
     .cpus = 2,
     .setup = setup_out,
     .body = in_beside_around,
     .check = expect_ones,
     .fault_around = 4 * PAGE},
    {.name = NULL},
};
