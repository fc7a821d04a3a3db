/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge_unused.c - memory is short, and a larger page of which most is zeros is split
 * (src/huge_unused.h), beside those who come to use it, or take it away, at that moment.
 */
#include "larger.h"

#include "huge_unused.h"
#include "swap_cache.h"

static struct mmk_page *first; /* with a reference */

/* Page 0 has a word; all have cached the others, and may write to them. */
static void setup_unused(void)
{
    unsigned cpu;

    start_anon();
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        store(0, 7);
        store(1, 0);
    }
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 1);
    first = held_page(world.mm, 0);
}

/* In all but the first: then the table goes, too, unless somebody uses it. */
static void setup_nothing(void)
{
    setup_unused();
    store(0, 0);
}

static uint64_t give_back(void)
{
    uint64_t gone;

    mmk_page_lock(first);
    gone = mmk_huge_give_back(first);
    mmk_page_unlock(first);
    return gone;
}

static void put_first(void)
{
    mmk_swap_put_page(first);
    end_larger();
}

static void give_back_or_store(unsigned cpu)
{
    if (cpu == 0) {
        (void)give_back();
        return;
    }
    store(1, 9);
    expect(look(1) == 9);
}

static void stored(void)
{
    expect(look(0) == 7 && look(1) == 9 && look(2) == 0 && look(3) == 0);
    put_first();
}

static void give_back_or_store_all(unsigned cpu)
{
    unsigned page;

    if (cpu == 0) {
        (void)give_back();
        return;
    }
    for (page = 0; page < HUGE_PAGES; page++)
        store(page, page + 1);
}

static void stored_all(void)
{
    expect_rest(0);
    put_first();
}

/* None: there was no table. */
static void give_back_if_it_can(unsigned cpu)
{
    if (cpu == 0)
        (void)give_back();
    else
        (void)put_word(1, 9);
}

static void maybe_stored(void)
{
    uint64_t word = look(1);

    expect(look(0) == 7 && (word == 0 || word == 9) && look(2) == 0);
    put_first();
}

static void give_back_or_pin(unsigned cpu)
{
    if (cpu == 0)
        (void)give_back();
    else
        expect(mmk_pin_pages(world.mm, page_at(1), 1, MMK_PIN_WRITE, &it.pinned) == 1);
}

static void pinned(void)
{
    store(1, 9);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9 && look(0) == 7);
    mmk_unpin_pages(&it.pinned, 1, true);
    put_first();
}

static void give_back_or_zap(unsigned cpu)
{
    if (cpu == 0)
        (void)give_back();
    else
        dontneed(0, HUGE_PAGES);
}

static void zapped(void)
{
    only_the_root();
    store(2, 5);
    expect(look(0) == 0 && look(2) == 5);
    put_first();
}

static void give_back_or_zap_first(unsigned cpu)
{
    if (cpu == 0)
        (void)give_back();
    else
        dontneed(0, 1);
}

static void zapped_first(void)
{
    expect(look(0) == 0 && look(1) == 0 && look(3) == 0);
    put_first();
}

static void give_back_or_fork(unsigned cpu)
{
    if (cpu == 0) {
        (void)give_back();
        return;
    }
    expect(mmk_fork(world.mm, &it.other) == 0);
    store(1, 9);
}

static void forked(void)
{
    expect(look(0) == 7 && look(1) == 9 && look(2) == 0);
    expect(word_of(it.other, 0) == 7 && word_of(it.other, 1) == 0);
    put_first();
}

static void give_back_or_move(unsigned cpu)
{
    if (cpu == 0) {
        (void)give_back();
        return;
    }
    move_pages(0, 12, HUGE_PAGES);
    store(13, 9);
}

static void moved(void)
{
    expect(look(12) == 7 && look(13) == 9 && look(14) == 0 && look(0) == ~(uint64_t)0);
    put_first();
}

static void give_back_or_lock(unsigned cpu)
{
    uint8_t vec[HUGE_PAGES] = {0};

    if (cpu == 0) {
        (void)give_back();
        return;
    }
    expect(mmk_mlock(world.mm, page_at(0), HUGE_PAGES * PAGE) == 0);
    expect(mmk_mincore(world.mm, page_at(0), HUGE_PAGES * PAGE, vec) == 0);
    expect(vec[0] && vec[1] && vec[2] && vec[3]);
}

static void give_back_or_migrate(unsigned cpu)
{
    if (cpu == 0)
        (void)give_back();
    else
        migrate_page(world.mm, 2, false);
}

static void give_back_by_two(unsigned cpu)
{
    (void)cpu;
    (void)give_back();
}

static void unharmed(void)
{
    expect(look(0) == 7 && look(1) == 0 && look(2) == 0 && look(3) == 0);
    put_first();
}

static void give_back_or_protect(unsigned cpu)
{
    if (cpu == 0)
        (void)give_back();
    else
        expect(mmk_mprotect(world.mm, page_at(1), PAGE, RO) == 0);
}

static void protected_end(void)
{
    expect(put_word(1, 1) == MMK_FAULT_SEGV_ACCERR);
    unharmed();
}

static void give_back_or_write(unsigned cpu)
{
    const uint64_t word = 9;

    if (cpu == 0)
        (void)give_back();
    else
        expect(mmk_mm_write(world.mm, page_at(1), &word, sizeof(word), 0) == sizeof(word));
}

#define UNUSED(its_name, text, run, end)                                                           \
    {                                                                                              \
        .name = "huge.unused-" its_name, .what = text, .setup = setup_unused, .body = run,         \
        .check = end, HUGE                                                                         \
    }

const struct scenario scenarios_huge_unused[] = {
    UNUSED("stored", "zeros are given back while one of them is stored to", give_back_or_store,
           stored),
    UNUSED("filled", "zeros are given back while all of them are stored to", give_back_or_store_all,
           stored_all),
    {.name = "huge.unused-short",
     .what = "zeros are given back, and there may be no memory for that",
     .inject = FIBERS_FAIL_FRAME | FIBERS_FAIL_TABLE,
     .setup = setup_unused,
     .body = give_back_if_it_can,
     .check = maybe_stored,
     HUGE},
    UNUSED("pinned", "zeros are given back while a device wants to write there", give_back_or_pin,
           pinned),
    UNUSED("zapped", "zeros are given back while all of it goes", give_back_or_zap, zapped),
    {.name = "huge.unused-emptied",
     .what = "the last entries of a table are those of zeros, and it goes with them",
     .setup = setup_nothing,
     .body = give_back_or_zap_first,
     .check = zapped_first,
     HUGE},
    UNUSED("forked", "zeros are given back while the process forks", give_back_or_fork, forked),
    UNUSED("moved", "zeros are given back while they move", give_back_or_move, moved),
    UNUSED("locked", "zeros are given back while the memory is locked", give_back_or_lock,
           unharmed),
    UNUSED("migrated", "zeros are given back while one goes to another frame", give_back_or_migrate,
           unharmed),
    UNUSED("two", "two give the same zeros back", give_back_by_two, unharmed),
    UNUSED("protected", "zeros are given back while one is protected", give_back_or_protect,
           protected_end),
    UNUSED("software", "zeros are given back while software writes there", give_back_or_write,
           stored),
    {.name = NULL},
};
