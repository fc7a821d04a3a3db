/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge_zero.c - the larger page of zeros (src/huge_zero.h) is mapped, written to, split,
 * and goes, beside what else is done to its addresses; and its block comes and goes.
 */
#include "larger.h"

#include "huge_zero.h"

#include <string.h>

/* ---- set-ups --------------------------------------------------------------------------------- */

static uint64_t count_zeros(struct mmk_mm *mm)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(mm, &stats);
    return stats.huge_zero;
}

/* All CPUs have it cached. */
static void setup_zeros(void)
{
    start_anon();
    look_by_all(1, 1);
    expect(count_zeros(world.mm) == 1 && count_larger(world.mm) == 0);
}

/* The last one runs another address space, which has zeros. */
static void setup_another(void)
{
    struct mmk_mm *mm = world.mm;

    start_anon();
    expect(mmk_mm_create(&it.other) == 0);
    fibers_be_cpu(world.cpus - 1);
    machine_switch_mm(it.other);
    world.mm = it.other;
    map_pages(0, HUGE_PAGES, RW, ANON);
    expect(look(1) == 0 && count_zeros(it.other) == 1);
    world.mm = mm;
    fibers_be_cpu(0);
}

/* An address space that had zeros is gone, and nobody has any. */
static void setup_unused(void)
{
    setup_another();
    fibers_be_cpu(world.cpus - 1);
    machine_switch_mm(world.mm);
    fibers_be_cpu(0);
    put_other();
}

/* ---- a read ---------------------------------------------------------------------------------- */

static void look_both(unsigned cpu)
{
    expect(look(cpu) == 0);
}

static void one_came(void)
{
    struct mmk_mm_stats stats;

    expect(look(3) == 0);
    mmk_mm_stats(world.mm, &stats);
    expect(stats.huge_zero == 1 && stats.rss_anon == 0);
}

static void expect_seven(void)
{
    expect(look(0) == 7 && look(1) == 0 && look(3) == 0);
    end_larger();
}

static void look_or_zap(unsigned cpu)
{
    if (cpu == 0)
        expect(look(1) == 0);
    else
        dontneed(1, 2);
    if (cpu == 0)
        store(0, 7);
}

static void look_or_unmap(unsigned cpu)
{
    uint64_t word;

    if (cpu != 0) {
        unmap(1, 1);
        return;
    }
    word = look(1);
    expect(word == 0 || word == ~(uint64_t)0);
    expect(look(2) == 0);
}

static void unmapped_one(void)
{
    store(0, 7);
    expect(look(0) == 7 && look(1) == ~(uint64_t)0 && look(2) == 0);
}

/* ---- a write --------------------------------------------------------------------------------- */

/* Who has heard of the store finds it, whatever he had cached. */
static void store_and_say(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 7);
        say(&it.said);
        return;
    }
    if (heard(&it.said))
        expect(look(0) == 7);
    store(1, 9);
}

static void stored_by_two(void)
{
    expect(look(0) == 7 && look(1) == 9 && look(2) == 0 && look(3) == 0);
    expect(count_zeros(world.mm) == 0);
    end_larger();
}

/* There may be no block, and then no table. */
static void store_if_it_can(unsigned cpu)
{
    (void)put_word(cpu, 7 + 2 * cpu);
}

static void maybe_stored(void)
{
    uint64_t first = look(0), second = look(1);

    expect((first == 0 || first == 7) && (second == 0 || second == 9) && look(2) == 0);
    end_larger();
}

static void store_or_zap(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        dontneed(1, 2);
}

static void store_or_zap_all(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 7);
    } else {
        dontneed(0, HUGE_PAGES);
        store(1, 9);
    }
}

static void zapped_or_stored(void)
{
    uint64_t word = look(0);

    expect((word == 7 || word == 0) && look(1) == 9 && look(2) == 0);
}

static void store_or_protect(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_mprotect(world.mm, page_at(1), 2 * PAGE, RO) == 0);
}

static void protected_part(void)
{
    expect(put_word(1, 1) == MMK_FAULT_SEGV_ACCERR);
    store(3, 3);
    expect(look(0) == 7 && look(1) == 0 && look(3) == 3);
}

static void store_or_fork(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void forked(void)
{
    uint64_t word = word_of(it.other, 0);

    expect(look(0) == 7 && look(1) == 0 && (word == 7 || word == 0));
    end_larger();
}

static void store_or_move(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu != 0) {
        move_pages(0, 12, HUGE_PAGES);
        store(13, 9);
        return;
    }
    result = put_word(0, 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
}

static void moved(void)
{
    uint64_t word = look(12);

    expect((word == 7 || word == 0) && look(13) == 9 && look(0) == ~(uint64_t)0);
}

static void store_or_kill(unsigned cpu)
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

static void store_or_pin(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_pin_pages(world.mm, page_at(1), 1, 0, &it.pinned) == 1);
}

static void pinned(void)
{
    store(1, 9);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9 && look(0) == 7);
    mmk_unpin_pages(&it.pinned, 1, false);
}

static void software_beside(unsigned cpu)
{
    const uint64_t word = 9;

    if (cpu == 0) {
        dontneed(0, 1);
        return;
    }
    expect(word_of(world.mm, 2) == 0);
    expect(mmk_mm_write(world.mm, page_at(1), &word, sizeof(word), 0) == sizeof(word));
}

static void written(void)
{
    expect(look(0) == 0 && look(1) == 9 && look(2) == 0);
    end_larger();
}

/* ---- the block ------------------------------------------------------------------------------- */

static void look_or_shrink(unsigned cpu)
{
    if (cpu == 0) {
        (void)mmk_huge_zero_shrink();
        return;
    }
    expect(look(1) == 0);
    store(HUGE_PAGES, 5);
}

static void still_zeros(void)
{
    struct mmk_page *page = mmk_page_alloc(MMK_HUGE_ORDER, MMK_ALLOC_NOWAIT);

    if (page)
        memset(mmk_page_address(page), 0xee, HUGE_PAGES * PAGE);
    expect(look(0) == 0 && look(1) == 0 && look(3) == 0 && look(HUGE_PAGES) == 5);
    if (page)
        mmk_page_put(page);
    mmk_check(world.mm);
}

static void look_or_exit(unsigned cpu)
{
    if (cpu == 0) {
        expect(look(1) == 0);
        (void)mmk_huge_zero_shrink();
        store(HUGE_PAGES, 5);
        return;
    }
    machine_switch_mm(NULL);
    put_other();
}

static void exited(void)
{
    fibers_be_cpu(world.cpus - 1);
    machine_switch_mm(world.mm);
    fibers_be_cpu(0);
    still_zeros();
}

#define ZEROS(its_name, text, from, run, end)                                                      \
    {                                                                                              \
        .name = "huge.zeros-" its_name, .what = text, .setup = from, .body = run, .check = end,    \
        HUGE                                                                                       \
    }

const struct scenario scenarios_huge_zero[] = {
    ZEROS("both", "two read what one larger page of zeros is to map", start_anon, look_both,
          one_came),
    ZEROS("come-zapped", "zeros come while a part of them is given back", start_anon, look_or_zap,
          expect_seven),
    ZEROS("come-unmapped", "zeros come while a part of them is unmapped", start_anon, look_or_unmap,
          unmapped_one),
    ZEROS("stored", "a page takes the place of zeros that others have cached", setup_zeros,
          store_and_say, stored_by_two),
    {.name = "huge.zeros-short",
     .what = "two write to zeros, and there may be no memory",
     .inject = FIBERS_FAIL_FRAME | FIBERS_FAIL_TABLE,
     .setup = setup_zeros,
     .body = store_if_it_can,
     .check = maybe_stored,
     HUGE},
    ZEROS("zapped", "a page takes the place of zeros of which a part is given back", setup_zeros,
          store_or_zap, expect_seven),
    ZEROS("zapped-all", "a page takes the place of zeros that go", setup_zeros, store_or_zap_all,
          zapped_or_stored),
    ZEROS("protected", "a page takes the place of zeros of which a part is protected", setup_zeros,
          store_or_protect, protected_part),
    ZEROS("forked", "a page takes the place of zeros while the process forks", setup_zeros,
          store_or_fork, forked),
    ZEROS("moved", "a page takes the place of zeros that move", setup_zeros, store_or_move, moved),
    ZEROS("killed", "a page takes the place of zeros that the reaper takes", setup_zeros,
          store_or_kill, NULL),
    ZEROS("pinned", "two want a page in the place of zeros, one of them for a device", setup_zeros,
          store_or_pin, pinned),
    ZEROS("software", "zeros are split while software reads and writes there", setup_zeros,
          software_beside, written),
    ZEROS("short-used", "zeros come while memory is short, and nobody has any", setup_unused,
          look_or_shrink, still_zeros),
    ZEROS("used", "memory is short while zeros are used", setup_zeros, look_or_shrink, still_zeros),
    ZEROS("exit", "zeros come while the last address space ends that has some", setup_another,
          look_or_exit, exited),
    {.name = NULL},
};
