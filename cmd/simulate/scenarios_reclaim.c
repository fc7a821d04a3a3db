/* SPDX-License-Identifier: MIT */
/*
 * scenarios_reclaim.c - as scenarios_rules.c, what reclaim must get right beside whoever uses, or
 * takes away, the pages that it is after: those of a file.
 */
#include "file.h"
#include "rules.h"

#include "family.h"
#include "rmap_use.h"

#include <string.h>

static void setup_clean(void)
{
    start_shared_file();
    file.word[0] = 1;
    expect(look(0) == 1);
}

static void setup_dirty(void)
{
    start_shared_file();
    touch_by(3, 0, 1);
}

static void reclaim(void)
{
    (void)mmk_reclaim(1);
}

/* ---- use ------------------------------------------------------------------------------------- */

static void reclaim_beside_store(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        store(0, 7);
}

static void stored_end(void)
{
    expect(look(0) == 7);
    put_file();
}

static void reclaim_beside_look(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        expect(look(0) == 1);
}

/* One has taken the entry and not flushed, one reclaims, and one still stores. */
/* The vector, as it does not ask first whether it can do without the lock: the fewer steps. */
static void reclaim_beside_zap(unsigned cpu)
{
    const struct mmk_iovec page = {page_at(0), PAGE};

    if (cpu == 0)
        expect(mmk_madvise_vector(world.mm, &page, 1, MMK_MADV_DONTNEED, false) == PAGE);
    else if (cpu == 1)
        reclaim();
    else
        store(0, 7);
}

static void reclaim_beside_reclaim(unsigned cpu)
{
    (void)cpu;
    reclaim();
}

static void as_it_was(void)
{
    expect(look(0) == 1);
    put_file();
}

static void reclaim_beside_lock(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        lock_first();
}

static void locked_end(void)
{
    expect_first();
    as_it_was();
}

static void setup_mirror(void)
{
    setup_clean();
    start_mirror();
}

/* What reclaim does in the end, without the looks before. */
static void unmap_page(void)
{
    struct mmk_page *page;

    expect(mmk_object_get_page(it.object, 0, &page) == 0);
    (void)mmk_page_try_to_unmap_nowait(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

/* It comes while the page goes: either the page stays, or it is not found any more. */
static void reclaim_beside_register(unsigned cpu)
{
    if (cpu == 0)
        unmap_page();
    else
        mirror_first();
}

static void mirror_end(void)
{
    put_mirror();
    as_it_was();
}

/* A private page's only user takes it over, as it is come to by its frame. */
static void setup_left(void)
{
    struct mmk_mm *child;

    memset(&it, 0, sizeof(it));
    map_pages(0, 2, RW, ANON);
    store(0, 1);
    expect(mmk_fork(world.mm, &child) == 0);
    expect(mmk_fork(child, &it.other) == 0);
    dontneed(0, 1);
    mmk_mm_put(child);
    expect(mmk_madvise(it.other, page_at(0), PAGE, MMK_MADV_FREE) == 0);
}

static void reclaim_beside_owner(unsigned cpu)
{
    const uint64_t word = 7;

    if (cpu == 0)
        reclaim();
    else
        expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
}

static void owned_end(void)
{
    expect(word_of(it.other, 0) == 7);
    mmk_check(it.other);
    put_other();
    expect(mmk_kin_count() == 1);
}

/* ---- going away ------------------------------------------------------------------------------ */

static void reclaim_beside_truncate(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        expect(mmk_object_resize(it.object, 0) == 0);
}

static void reclaim_beside_cut(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        expect(mmk_object_resize(it.object, 8) == 0);
}

static void cut_end(void)
{
    expect(look(0) == 1);
    put_file();
}

/* Nobody is left who would write it but the last put. */
static void setup_last(void)
{
    setup_dirty();
    unmap(0, 4);
}

static void reclaim_beside_put(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        mmk_object_put(it.object);
}

static void written(void)
{
    expect(file.word[0] == 1);
}

static void setup_other(void)
{
    setup_dirty();
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)page_at(0));
    expect(word_of(it.other, 0) == 1);
}

static void reclaim_beside_exit(unsigned cpu)
{
    if (cpu == 0) {
        reclaim();
    } else {
        put_other();
    }
}

static void reclaim_beside_move(unsigned cpu)
{
    if (cpu == 0)
        reclaim();
    else
        move_pages(0, 8, 1);
}

static void moved_end(void)
{
    expect(look(8) == 1);
    put_file();
}

const struct scenario scenarios_reclaim[] = {
    {.name = "reclaim.store",
     .what = "a page is stored to while it is written back and dropped",
     .cpus = 2,
     .setup = setup_dirty,
     .body = reclaim_beside_store,
     .check = stored_end},
    {.name = "reclaim.look",
     .what = "a page is looked up while it is dropped",
     .cpus = 2,
     .setup = setup_clean,
     .body = reclaim_beside_look,
     .check = as_it_was},
    {.name = "reclaim.zap",
     .what = "a page is dropped while a TLB still stores to it",
     .cpus = 3,
     .setup = setup_dirty,
     .body = reclaim_beside_zap,
     .check = stored_end},
    {.name = "reclaim.both",
     .what = "two drop the same page",
     .cpus = 2,
     .setup = setup_dirty,
     .body = reclaim_beside_reclaim,
     .check = as_it_was},
    {.name = "reclaim.lock",
     .what = "a page is dropped that mlock has just found there",
     .cpus = 2,
     .setup = setup_clean,
     .body = reclaim_beside_lock,
     .check = locked_end},
    {.name = "reclaim.truncate",
     .what = "a page is truncated while it is dropped",
     .cpus = 2,
     .setup = setup_dirty,
     .body = reclaim_beside_truncate,
     .check = put_file},
    {.name = "reclaim.cut",
     .what = "the rest of a page is cut off while it is dropped",
     .cpus = 2,
     .setup = setup_dirty,
     .body = reclaim_beside_cut,
     .check = cut_end},
    {.name = "reclaim.put",
     .what = "an object goes while a page of its is dropped",
     .cpus = 2,
     .setup = setup_last,
     .body = reclaim_beside_put,
     .check = written},
    {.name = "reclaim.exit",
     .what = "an address space goes while a page of its is taken from it",
     .cpus = 2,
     .setup = setup_other,
     .body = reclaim_beside_exit,
     .check = as_it_was},
    {.name = "reclaim.move",
     .what = "a page moves while it is dropped",
     .cpus = 2,
     .setup = setup_dirty,
     .body = reclaim_beside_move,
     .check = moved_end},
    {.name = "reclaim.mirror",
     .what = "a secondary MMU comes while a page is taken from where it is mapped",
     .cpus = 2,
     .setup = setup_mirror,
     .body = reclaim_beside_register,
     .check = mirror_end},
    {.name = "reclaim.owner",
     .what = "a private page's only user takes it over while it is searched for by its frame",
     .cpus = 2,
     .setup = setup_left,
     .body = reclaim_beside_owner,
     .check = owned_end},
    {.name = NULL},
};
