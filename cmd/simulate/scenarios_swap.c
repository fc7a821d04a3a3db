/* SPDX-License-Identifier: MIT */
/*
 * scenarios_swap.c - as scenarios_rules.c, private pages that go to swap and come back beside all
 * that is done to them. What reclaim does is done here by a CPU that has the page, and no mmap
 * lock.
 */
#include "rules.h"

#include "migrate.h"
#include "swap_area.h"
#include "swap_cache.h"
#include "swap_in.h"
#include "swap_out.h"
#include "swap_return.h"
#include <mmkit/pin.h>
#include <string.h>

enum { SLOTS = 8, IN_FRAME = 192, GARBAGE = 0xdd };

/* The first word of each page is all that programs here store. */
static uint64_t device[SLOTS];
static unsigned failing; /* so many reads do */
static struct mmk_swap_area *area;
static struct mmk_page *page; /* that reclaim has come by, with a reference */

/* Others may run. */
static void a_while(void)
{
    static struct mmk_a32 nothing;

    (void)mmk_a32_load(&nothing, MMK_RELAXED);
}

static int device_read(void *unused, uint64_t slot, void *const pages[], unsigned count)
{
    unsigned i;

    (void)unused;
    a_while();
    for (i = 0; i < count; i++) {
        memset(pages[i], 0, PAGE);
        *(uint64_t *)pages[i] = failing > 0 ? GARBAGE : device[slot + i];
    }
    a_while();
    if (failing == 0)
        return 0;
    failing--;
    return MMK_EIO;
}

static int device_write(void *unused, uint64_t slot, const void *const pages[], unsigned count)
{
    unsigned i;

    (void)unused;
    for (i = 0; i < count; i++) {
        a_while();
        device[slot + i] = __atomic_load_n((const uint64_t *)pages[i], __ATOMIC_RELAXED);
        a_while();
    }
    return 0;
}

static const struct mmk_swap_ops ops = {.read = device_read, .write = device_write};

static void start_swap(uint64_t slots)
{
    page = NULL;
    failing = 0;
    memset(device, 0xee, sizeof(device));
    start_anon();
    expect(mmk_swapon(&ops, NULL, slots, 0, &area) == 0);
}

static void hold(struct mmk_mm *mm, unsigned at)
{
    page = held_page(mm, at);
}

static int reclaim(void)
{
    int error;

    mmk_page_lock(page);
    error = mmk_swap_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    return error;
}

static void page_out(unsigned at, unsigned count)
{
    expect(mmk_madvise(world.mm, page_at(at), count * PAGE, MMK_MADV_PAGEOUT) == 0);
}

static void write_word(struct mmk_mm *mm, unsigned at, uint64_t word)
{
    expect(mmk_mm_write(mm, page_at(at), &word, sizeof(word), 0) == sizeof(word));
}

/* Whatever is mapped goes, and nothing is left in the area. */
static void swap_end(void)
{
    struct mmk_swap_stats stats;

    mmk_check(world.mm);
    if (it.other)
        mmk_check(it.other);
    mmk_swap_check();
    put_other();
    expect(mmk_munmap(world.mm, page_at(0), 16 * PAGE) == 0);
    mmk_swap_check();
    mmk_swap_stats(area, &stats);
    expect(stats.used == 0);
    mmk_swap_area_stop(area, true);
    mmk_swap_area_remove(area);
    expect(mmk_kin_count() == 1);
}

/* ---- set-ups --------------------------------------------------------------------------------- */

static void setup_held(void)
{
    start_swap(SLOTS);
    store(0, 1);
    hold(world.mm, 0);
}

/* It has been in swap, and is clean: of the same content as its slot. */
static void setup_clean(void)
{
    start_swap(SLOTS);
    store(0, 1);
    page_out(0, 1);
    expect(look(0) == 1);
    hold(world.mm, 0);
}

static void setup_out(void)
{
    start_swap(SLOTS);
    store(0, 1);
    store(1, 2);
    page_out(0, 2);
}

/* In swap, for two. */
static void setup_out_twice(void)
{
    setup_out();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

static void setup_shared(void)
{
    setup_held();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

static void expect_one(void)
{
    expect(look(0) == 1);
    swap_end();
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void out_beside_store(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        store(0, 7);
}

static void expect_seven(void)
{
    expect(look(0) == 7);
    swap_end();
}

static void out_beside_load(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        expect(look(0) == 1);
}

/* Two touch what is in swap: the same page, and its neighbour. */
static void in_beside_in(unsigned cpu)
{
    if (cpu == 0)
        expect(look(0) == 1);
    else
        store(cpu == 1 ? 0 : 1, 1);
}

static void expect_ones(void)
{
    expect(look(0) == 1 && look(1) == 1);
    swap_end();
}

/* Alone in its table. */
static void setup_one_out(void)
{
    start_swap(SLOTS);
    store(0, 1);
    page_out(0, 1);
}

/* The fault has kept the table, and is who frees it, or fills it again. */
static void in_beside_dontneed(unsigned cpu)
{
    if (cpu == 0)
        expect(look(0) <= 1);
    else
        dontneed(0, 1);
}

static void expect_given_back(void)
{
    expect(look(0) == 0);
    swap_end();
}

/* The first reading fails; who waits for it reads for himself. */
static void setup_unread(void)
{
    setup_one_out();
    failing = 1;
}

static void in_beside_failure(unsigned cpu)
{
    uint64_t word = look(0);

    (void)cpu;
    expect(word == 1 || word == ~(uint64_t)0);
}

/* Two address spaces touch one slot. */
static void both_in(unsigned cpu)
{
    if (cpu == 0) {
        expect(look(0) == 1);
        store(0, 5);
    } else {
        expect(word_of(it.other, 0) == 1);
        write_word(it.other, 0, 6);
    }
}

static void expect_own(void)
{
    expect(look(0) == 5);
    expect(word_of(it.other, 0) == 6);
    swap_end();
}

/*
 * The slot is freed, and used again by the same page, with other content, while one looks at it.
 * There is but one.
 */
static void setup_one_slot(void)
{
    start_swap(1);
    store(0, 1);
    page_out(0, 1);
}

static void in_beside_reuse(unsigned cpu)
{
    uint64_t word;

    if (cpu == 0) {
        word = look(0);
        expect(word == 1 || word == 2);
        return;
    }
    store(0, 2);
    page_out(0, 1);
}

static void expect_two(void)
{
    expect(look(0) == 2);
    swap_end();
}

/* It goes just as it comes. */
static void setup_coming(void)
{
    setup_out();
    expect(look(0) == 1);
    hold(world.mm, 0);
    expect(mmk_fork(world.mm, &it.other) == 0);
}

static void in_beside_out(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else if (cpu == 1)
        expect(word_of(it.other, 0) == 1);
    else
        store(0, 1);
}

/* ---- other calls ----------------------------------------------------------------------------- */

static void out_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void expect_in_both(void)
{
    expect(word_of(it.other, 0) == 1);
    write_word(it.other, 0, 9);
    expect(look(0) == 1);
    swap_end();
}

static void in_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        expect(look(0) == 1);
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void out_beside_exit(unsigned cpu)
{
    if (cpu == 0) {
        (void)reclaim();
        return;
    }
    put_other();
}

static void in_beside_exit(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 1);
        return;
    }
    put_other();
}

static void out_beside_move(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        move_pages(0, 6, 1);
}

static void expect_moved(void)
{
    expect(look(6) == 1);
    swap_end();
}

static void out_beside_unmap(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        unmap(0, 1);
}

static void expect_none(void)
{
    expect(look(0) == ~(uint64_t)0);
    swap_end();
}

static void out_beside_protect(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        expect(mmk_mprotect(world.mm, page_at(0), PAGE, RO) == 0);
}

static void expect_read_only(void)
{
    expect(put_word(0, 3) == MMK_FAULT_SEGV_ACCERR);
    expect_one();
}

/* What two have in swap, read ahead, is wanted by neither any more. */
static void setup_ahead(void)
{
    setup_out_twice();
    expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_WILLNEED) == 0);
}

static void both_give_up(unsigned cpu)
{
    struct mmk_mm *mm = cpu == 0 ? world.mm : it.other;

    expect(mmk_madvise(mm, page_at(0), 2 * PAGE, MMK_MADV_DONTNEED) == 0);
}

static void expect_unused(void)
{
    struct mmk_swap_stats stats;

    mmk_swap_stats(area, &stats);
    expect(stats.used == 0);
    swap_end();
}

/* One gives up what the other maps, and gives up: the last frees both. */
static void setup_mapped_and_out(void)
{
    setup_out_twice();
    expect(look(0) == 1 && look(1) == 2);
}

static void out_beside_lock(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        expect(mmk_mlock(world.mm, page_at(0), PAGE) == 0);
}

static void expect_locked(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.swapped == 0 && stats.rss_anon == 1);
    expect_one();
}

static void out_beside_pin(unsigned cpu)
{
    if (cpu == 0)
        (void)reclaim();
    else
        expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
}

static void expect_pinned(void)
{
    expect(mmk_fork(world.mm, &it.other) == 0);
    store(0, 7);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 7);
    mmk_unpin_pages(&it.pinned, 1, true);
    swap_end();
}

/* As swapoff does it: from the slot to all who have it. */
static uint64_t slot;

static void setup_returned(void)
{
    struct mmk_walk walk;

    setup_out();
    mmk_rcu_read_lock();
    mmk_walk_rcu(world.mm, page_at(0), &walk);
    slot = mmk_pte_slot(mmk_pte_read(walk.entry));
    mmk_rcu_read_unlock();
    mmk_slot_get(slot);
}

static void return_all(void)
{
    struct mmk_page *back;
    struct mmk_mm *stayed;
    bool read;

    expect(mmk_swap_in(NULL, slot, &back, &read) == 0);
    stayed = mmk_swap_return_all(back);
    if (stayed)
        mmk_mm_drop(stayed);
    mmk_page_unlock(back);
    mmk_swap_put_page(back);
    mmk_swap_put(slot);
}

static void return_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        return_all();
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void return_beside_store(unsigned cpu)
{
    if (cpu == 0)
        return_all();
    else
        store(0, 7);
}

static void return_beside_protect(unsigned cpu)
{
    if (cpu == 0)
        return_all();
    else
        expect(mmk_mprotect(world.mm, page_at(0), PAGE, RO) == 0);
}

/* --- several at once -------------------------------------------------------------------------- */

static struct mmk_page *row[2]; /* that reclaim has come by, with references */

static void hold_row(void)
{
    row[0] = held_page(world.mm, 0);
    row[1] = held_page(world.mm, 1);
}

/* Two pages go in a row. Each CPU has them in its TLB, dirty. */
static void setup_row(void)
{
    start_swap(SLOTS);
    touch_by(3, 0, 2);
    hold_row();
}

/* Likewise, and MADV_FREE has marked them: nothing need be kept of what nobody stores to. */
static void setup_row_freed(void)
{
    start_swap(SLOTS);
    touch_by(3, 0, 2);
    expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_FREE) == 0);
    hold_row();
    expect(mmk_page_test(row[0], MMK_PF_LAZYFREE));
}

static void reclaim_row(void) MMK_NO_TSA
{
    struct mmk_swap_out out;
    unsigned i;

    mmk_swap_out_begin(&out, false);
    for (i = 0; i < 2; i++) {
        if (mmk_page_trylock(row[i])) {
            if (!mmk_swap_out_add(&out, row[i], false))
                continue;
            mmk_page_unlock(row[i]);
        }
        mmk_swap_put_page(row[i]);
    }
    mmk_swap_out_finish(&out);
}

static void row_beside_stores(unsigned cpu)
{
    if (cpu == 0)
        reclaim_row();
    else
        store(cpu - 1, cpu + 6);
}

static void expect_stored(void)
{
    expect(look(0) == 7 && look(1) == 8);
    swap_end();
}

/* What is given back is gone, whoever has taken its entry, and not flushed yet. */
static void row_beside_dontneed(unsigned cpu)
{
    if (cpu == 0) {
        reclaim_row();
    } else {
        dontneed(0, 2);
        expect(look(0) == 0 && look(1) == 0);
    }
}

/* Who is told of a store finds it, though what was there before is just being discarded. */
static void row_beside_told(unsigned cpu)
{
    if (cpu == 0) {
        reclaim_row();
    } else if (cpu == 1) {
        store(0, 7);
        say(&it.said);
    } else if (heard(&it.said)) {
        expect(look(0) == 7);
    }
}

/* Both pages are in the TLB of CPU 2 only, clean. */
static void setup_row_told(void)
{
    start_swap(SLOTS);
    store(0, 1);
    store(1, 1);
    expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_FREE) == 0);
    look_by_all(0, 2);
    hold_row();
}

static void expect_told(void)
{
    expect(look(0) == 7);
    swap_end();
}

/* A child's own pages. */
static void setup_row_of_other(void)
{
    start_swap(SLOTS);
    expect(mmk_fork(world.mm, &it.other) == 0);
    write_word(it.other, 0, 1);
    write_word(it.other, 1, 1);
    row[0] = held_page(it.other, 0);
    row[1] = held_page(it.other, 1);
}

static void row_beside_exit(unsigned cpu)
{
    if (cpu == 0) {
        reclaim_row();
    } else {
        put_other();
    }
}

/* Its kin may have been left to the next fork, as it was a slot that had it last (family.c). */
static void end_of_other(void)
{
    expect(mmk_fork(world.mm, &it.other) == 0);
    swap_end();
}

/* Of two address spaces: the one is flushed when it comes to the other. */
static void setup_row_of_both(void)
{
    setup_row_of_other();
    store(1, 1);
    mmk_page_put(row[1]);
    row[1] = held_page(world.mm, 1);
}

/* ---- pages of the cache that go to other frames ---------------------------------------------- */

/* Two have it in one slot, and one of them has it mapped. */
static void setup_half(void)
{
    setup_out_twice();
    expect(look(0) == 1);
    hold(world.mm, 0);
}

static void migrate(void)
{
    struct mmk_page *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);

    expect(to);
    mmk_page_lock(page);
    (void)!mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    mmk_page_put(to);
    mmk_swap_put_page(page);
}

static void migrate_beside_store(unsigned cpu)
{
    if (cpu == 0)
        migrate();
    else
        store(0, 7);
}

/* What it went with it has still. */
static void expect_seven_again(void)
{
    page_out(0, 1);
    expect(look(0) == 7);
    swap_end();
}

static void migrate_beside_in(unsigned cpu)
{
    if (cpu == 0)
        migrate();
    else if (cpu == 1)
        expect(word_of(it.other, 0) == 1);
    else
        dontneed(0, 1);
}

static void expect_one_in_other(void)
{
    expect(look(0) == 0);
    expect(word_of(it.other, 0) == 1);
    swap_end();
}

static void migrate_beside_out(unsigned cpu)
{
    if (cpu == 0)
        migrate();
    else if (cpu == 1)
        page_out(0, 1);
    else
        expect(word_of(it.other, 0) == 1);
}

/* Nobody wants it any more: neither who has it mapped, nor who has it in the slot. */
static void migrate_beside_end(unsigned cpu)
{
    if (cpu == 0) {
        migrate();
    } else if (cpu == 1) {
        dontneed(0, 1);
    } else {
        put_other();
    }
}

static void expect_one_left(void)
{
    struct mmk_swap_stats stats;

    mmk_swap_stats(area, &stats);
    expect(stats.used == 1); /* page 1 is there */
    swap_end();
}

/* All slots that there is memory for are taken, and there is a frame at hand for more. */
static uint64_t taken[IN_FRAME + 2];

static void setup_taken(void)
{
    unsigned i;

    start_swap(3 * IN_FRAME);
    for (i = 0; i < IN_FRAME; i++)
        expect(mmk_slot_alloc(NULL, 0, &taken[i]));
}

static void both_take(unsigned cpu)
{
    expect(mmk_slot_alloc(NULL, 0, &taken[IN_FRAME + cpu]));
}

static void give_all_back(void)
{
    unsigned i;

    expect(taken[IN_FRAME] != taken[IN_FRAME + 1]);
    for (i = 0; i < IN_FRAME + 2; i++)
        mmk_slot_put(taken[i]);
    swap_end();
}

const struct scenario scenarios_swap[] = {
    {.name = "P13.swapped",
     .what = "a page goes to swap that is clean, but stored to meanwhile",
     .cpus = 2,
     .setup = setup_clean,
     .body = out_beside_store,
     .check = expect_seven},
    {.name = "swap.stored",
     .what = "a page is stored to while it goes to swap",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_store,
     .check = expect_seven},
    {.name = "swap.row",
     .what = "two pages are stored to while they go to swap at once",
     .cpus = 3,
     .setup = setup_row,
     .body = row_beside_stores,
     .check = expect_stored},
    {.name = "P13.discarded-row",
     .what = "two pages are stored to while they are discarded at once",
     .cpus = 3,
     .setup = setup_row_freed,
     .body = row_beside_stores,
     .check = expect_stored},
    {.name = "P7.discarded",
     .what = "a store to a page that is discarded is told of",
     .cpus = 3,
     .setup = setup_row_told,
     .body = row_beside_told,
     .check = expect_told},
    {.name = "P2.discarded",
     .what = "two pages are given back while they are discarded at once",
     .cpus = 2,
     .setup = setup_row_freed,
     .body = row_beside_dontneed,
     .check = swap_end},
    {.name = "P2.swapped",
     .what = "two pages are given back while they go to swap at once",
     .cpus = 2,
     .setup = setup_row,
     .body = row_beside_dontneed,
     .check = swap_end},
    {.name = "P16.swapped",
     .what = "an address space goes while two pages of its go to swap",
     .cpus = 2,
     .setup = setup_row_of_other,
     .body = row_beside_exit,
     .check = end_of_other},
    {.name = "swap.row-both",
     .what = "an address space goes while pages of it and of another go to swap",
     .cpus = 2,
     .setup = setup_row_of_both,
     .body = row_beside_exit,
     .check = end_of_other},
    {.name = "swap.loaded",
     .what = "a page is read from its slot before it is there",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_load,
     .check = expect_one},
    {.name = "swap.touched",
     .what = "a page that is in swap, and its neighbour, are touched by three at once",
     .cpus = 3,
     .setup = setup_out,
     .body = in_beside_in,
     .check = expect_ones},
    {.name = "swap.given-back",
     .what = "a page is given back while a fault that keeps its table reads it",
     .cpus = 2,
     .setup = setup_one_out,
     .body = in_beside_dontneed,
     .check = expect_given_back},
    {.name = "swap.unread",
     .what = "a page cannot be read, and another waits for it",
     .cpus = 2,
     .setup = setup_unread,
     .body = in_beside_failure,
     .check = expect_one},
    {.name = "swap.grown",
     .what = "two pages go to an area that gets memory for more slots",
     .cpus = 2,
     .setup = setup_taken,
     .body = both_take,
     .check = give_all_back},
    {.name = "swap.twice",
     .what = "two processes touch, and store to, what both have in one slot",
     .cpus = 2,
     .setup = setup_out_twice,
     .body = both_in,
     .check = expect_own},
    {.name = "P15.reused",
     .what = "a slot is freed, and used again by the same entry, under a fault",
     .cpus = 2,
     .setup = setup_one_slot,
     .body = in_beside_reuse,
     .check = expect_two},
    {.name = "swap.coming",
     .what = "a page goes while one comes for it, and another has it mapped",
     .cpus = 3,
     .setup = setup_coming,
     .body = in_beside_out,
     .check = expect_one},
    {.name = "swap.fork",
     .what = "a page goes to swap while its table is copied",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_fork,
     .check = expect_in_both},
    {.name = "swap.fork-in",
     .what = "a page comes back while its entry is copied",
     .cpus = 2,
     .setup = setup_out,
     .body = in_beside_fork,
     .check = expect_in_both},
    {.name = "swap.exit",
     .what = "a page goes to swap while one of two that have it ends",
     .cpus = 2,
     .setup = setup_shared,
     .body = out_beside_exit,
     .check = expect_one},
    {.name = "swap.exit-in",
     .what = "a page comes back for one while the other that has its slot ends",
     .cpus = 2,
     .setup = setup_out_twice,
     .body = in_beside_exit,
     .check = expect_one},
    {.name = "swap.moved",
     .what = "a page goes to swap while it moves",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_move,
     .check = expect_moved},
    {.name = "swap.unmapped",
     .what = "a page goes to swap while it is unmapped: neither page nor slot is left",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_unmap,
     .check = expect_none},
    {.name = "swap.protected",
     .what = "a page goes to swap while it becomes read-only",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_protect,
     .check = expect_read_only},
    {.name = "swap.unused",
     .what = "two give up a slot whose page was read ahead: who is last frees both",
     .cpus = 2,
     .setup = setup_ahead,
     .body = both_give_up,
     .check = expect_unused},
    {.name = "swap.unused-mapped",
     .what = "one gives up a page, the other its slot",
     .cpus = 2,
     .setup = setup_mapped_and_out,
     .body = both_give_up,
     .check = expect_unused},
    {.name = "swap.locked",
     .what = "a page goes to swap while it is locked in memory",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_lock,
     .check = expect_locked},
    {.name = "P9.swapped",
     .what = "a page goes to swap that is pinned meanwhile",
     .cpus = 2,
     .setup = setup_held,
     .body = out_beside_pin,
     .check = expect_pinned},
    {.name = "swap.returned-fork",
     .what = "all entries of a slot are looked for while one is copied",
     .cpus = 2,
     .setup = setup_returned,
     .body = return_beside_fork,
     .check = expect_in_both},
    {.name = "swap.returned",
     .what = "a page comes back by a fault, and by its slot",
     .cpus = 2,
     .setup = setup_returned,
     .body = return_beside_store,
     .check = expect_seven},
    {.name = "swap.returned-protect",
     .what = "a page comes back by its slot while it becomes read-only",
     .cpus = 2,
     .setup = setup_returned,
     .body = return_beside_protect,
     .check = expect_read_only},
    {.name = "swap.migrated-stored",
     .what = "a page is stored to that goes to another frame, and keeps its slot",
     .cpus = 2,
     .setup = setup_clean,
     .body = migrate_beside_store,
     .check = expect_seven_again},
    {.name = "swap.migrated",
     .what = "a page goes to another frame, one lets go of it, and one comes for it",
     .cpus = 3,
     .setup = setup_half,
     .body = migrate_beside_in,
     .check = expect_one_in_other},
    {.name = "swap.migrated-out",
     .what = "likewise, and it goes to swap again",
     .cpus = 3,
     .setup = setup_half,
     .body = migrate_beside_out,
     .check = expect_one},
    {.name = "swap.migrated-unused",
     .what = "likewise, and nobody wants it any more",
     .cpus = 3,
     .setup = setup_half,
     .body = migrate_beside_end,
     .check = expect_one_left},
    {.name = NULL},
};
