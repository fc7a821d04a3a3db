/* SPDX-License-Identifier: MIT */
/*
 * scenarios_migrate.c - as scenarios_rules.c, pages that go to other frames, beside those who use
 * them.
 */
#include "rules.h"

#include "migrate.h"

#include <string.h>

/* => 0, MMK_EBUSY, or MMK_EFAULT: nothing is there */
static int migrate(struct mmk_mm *mm, unsigned at)
{
    struct mmk_page *page = find_page(mm, at), *to;
    int error;

    if (!page)
        return MMK_EFAULT;
    to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    expect(to);
    mmk_page_lock(page);
    error = mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    mmk_page_put(to);
    mmk_page_put(page);
    return error;
}

static void end(void)
{
    put_other();
    mmk_check(world.mm);
}

/* ---- private pages --------------------------------------------------------------------------- */

static void store_beside(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(migrate(world.mm, 0) == 0);
}

static void stored(void)
{
    expect(look(0) == 7);
    end();
}

/* By what it has cached, from a page that may be another's soon. */
static void look_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(look(0) == 1);
    else if (cpu == 1)
        expect(migrate(world.mm, 0) == 0);
    else
        store(5, 9);
}

static void looked(void)
{
    expect(look(0) == 1);
    end();
}

static void fork_beside(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        store(0, 5);
    } else {
        expect(migrate(world.mm, 0) == 0);
    }
}

static void forked(void)
{
    expect(look(0) == 5 && word_of(it.other, 0) == 1);
    mmk_check(it.other);
    end();
}

/* The parent stores while fork shares the page, by a translation that fork has yet to flush. */
static void fork_beside_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else if (cpu == 1)
        expect(migrate(world.mm, 0) == 0);
    else
        store(0, 6);
}

static void forked_stored(void)
{
    uint64_t word = word_of(it.other, 0);

    expect(look(0) == 6 && (word == 1 || word == 6));
    end();
}

static void setup_forked(void)
{
    start_touched();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

static void copy_beside(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(migrate(it.other, 0) == 0);
}

static void copied(void)
{
    expect(look(0) == 7 && word_of(it.other, 0) == 1);
    mmk_check(it.other);
    end();
}

static void exit_beside(unsigned cpu)
{
    if (cpu == 0) {
        put_other();
    } else {
        expect(migrate(world.mm, 0) == 0);
    }
}

/* Two let go of what is on its way. */
static void unmap_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_munmap(it.other, page_at(0), PAGE) == 0);
    else if (cpu == 1)
        (void)migrate(it.other, 0);
    else
        dontneed(0, 1);
}

static void unmapped(void)
{
    expect(look(0) == 0 && word_of(it.other, 0) == ~(uint64_t)0);
    mmk_check(it.other);
    end();
    mmk_check_frames();
}

static void move_beside(unsigned cpu)
{
    if (cpu == 0)
        move_pages(0, 5, 1);
    else
        (void)migrate(world.mm, 0);
}

static void moved(void)
{
    expect(look(5) == 1);
    end();
}

static void pin_beside(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
        *(uint64_t *)mmk_page_address(it.pinned) = 8;
    } else {
        (void)migrate(world.mm, 0);
    }
}

static void pinned(void)
{
    expect(look(0) == 8);
    store(0, 9);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9);
    mmk_unpin_pages(&it.pinned, 1, true);
    end();
}

/* ---- objects' pages -------------------------------------------------------------------------- */

static void setup_shared(void)
{
    memset(&it, 0, sizeof(it));
    expect(mmk_object_create(NULL, 4 * PAGE, NULL, &it.object) == 0);
    expect(mmk_mmap(world.mm, page_at(0), 4 * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    0) == (int64_t)page_at(0));
    touch_by(3, 0, 1);
}

/* Two entries map it. */
static void setup_twice(void)
{
    setup_shared();
    expect(mmk_mmap(world.mm, page_at(8), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)page_at(8));
    touch_by(1, 8, 1);
}

static void store_shared_beside(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        (void)migrate(world.mm, 0);
}

static void end_shared(void)
{
    mmk_check(world.mm);
    expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
    mmk_check_object(it.object);
    mmk_object_put(it.object);
}

static void shared_stored(void)
{
    expect(look(0) == 7);
    end_shared();
}

static void twice_stored(void)
{
    expect(look(8) == 7);
    expect(mmk_munmap(world.mm, page_at(8), PAGE) == 0);
    shared_stored();
}

/* Its entry has been taken, and is not flushed: a store may still go where it led. */
static void drop_beside(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else if (cpu == 1)
        (void)migrate(world.mm, 0);
    else
        store(0, 7);
}

/* Held for a moment, so that it stays; then stored to, and its last entry goes. */
static void find_beside(unsigned cpu)
{
    const uint64_t word = 7;

    if (cpu == 1) {
        (void)migrate(world.mm, 0);
        return;
    }
    if (mmk_page_get_unless_zero(it.found)) {
        mmk_cpu_relax(); /* until the other has done something */
        mmk_page_put(it.found);
    }
    expect(mmk_mm_write(world.mm, page_at(0), &word, sizeof(word), 0) == sizeof(word));
    dontneed(0, 1);
}

/* Nobody has it loaded: no flush waits for anybody. */
static void setup_found(void)
{
    unsigned cpu;

    setup_shared();
    it.found = find_page(world.mm, 0);
    mmk_page_put(it.found);
    for (cpu = world.cpus; cpu-- > 0;) {
        fibers_be_cpu(cpu);
        machine_switch_mm(NULL);
    }
}

static void found(void)
{
    expect(word_of(world.mm, 0) == 7);
    end_shared();
}

static void truncate_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, 0) == 0);
    else
        (void)migrate(world.mm, 0);
}

static void truncated(void)
{
    expect(look(0) == ~(uint64_t)0);
    end_shared();
}

#define MIGRATE(kind, about, number, set_up, run, end_with)                                        \
    {                                                                                              \
        .name = kind, .what = about, .cpus = number, .setup = set_up, .body = run,                 \
        .check = end_with                                                                          \
    }

const struct scenario scenarios_migrate[] = {
    MIGRATE("migrate.store", "a page is stored to while it goes to another frame", 2, start_touched,
            store_beside, stored),
    MIGRATE("migrate.load", "a page is read while it goes, and its frame is another's", 3,
            start_touched, look_beside, looked),
    MIGRATE("migrate.fork", "a page is shared with a child while it goes", 2, start_touched,
            fork_beside, forked),
    MIGRATE("migrate.fork.store", "likewise, and its parent still stores to it", 3, start_touched,
            fork_beside_store, forked_stored),
    MIGRATE("migrate.copy", "a page is copied on write while it goes", 2, setup_forked, copy_beside,
            copied),
    MIGRATE("migrate.exit", "one of those who have a page ends while it goes", 2, setup_forked,
            exit_beside, looked),
    MIGRATE("migrate.unmap", "those who have a page let go of it while it goes", 3, setup_forked,
            unmap_beside, unmapped),
    MIGRATE("migrate.move", "a page is moved in its address space while it goes", 2, start_touched,
            move_beside, moved),
    MIGRATE("P9.migrated", "a page is pinned while it goes", 2, start_touched, pin_beside, pinned),
    MIGRATE("migrate.shared", "shared memory is stored to while it goes", 2, setup_shared,
            store_shared_beside, shared_stored),
    MIGRATE("migrate.twice", "likewise, and two entries map it", 2, setup_twice,
            store_shared_beside, twice_stored),
    MIGRATE("P5.migrated", "a page of shared memory goes that still is cached", 3, setup_shared,
            drop_beside, shared_stored),
    MIGRATE("migrate.found", "a page is found as it goes, stays, and goes then", 2, setup_found,
            find_beside, found),
    MIGRATE("P4.migrated", "a page is truncated while it goes", 2, setup_shared, truncate_beside,
            truncated),
    {.name = NULL},
};
