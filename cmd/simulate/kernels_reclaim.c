/* SPDX-License-Identifier: MIT */
/*
 * kernels_reclaim.c - as kernels_memory.c, reclaim or compaction that comes to a page by its frame.
 * What a hand does there is here without the hands: these would pass by many frames first.
 */
#include "kernel.h"

#include "migrate.h"
#include "mm.h"
#include "object.h"
#include "rmap_use.h"
#include "swap_cache.h"
#include "writeback.h"
#include <mmkit/mmkit.h>
#include <mmkit/port/directmap.h>

/* => false: it is no page of this type, or busy; else locked, with a reference */
static bool come_to(struct mmk_page *page, enum mmk_page_type type)
{
    if (!mmk_page_get_unless_zero(page))
        return false;
    if (mmk_page_type(page) == type && mmk_page_trylock(page))
        return true;
    mmk_swap_put_page(page);
    return false;
}

static void leave(struct mmk_page *page)
{
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
}

/* ---- a page that is being made --------------------------------------------------------------- */

/* The frame that CPU 0 gets next, with what it was before in its descriptor. */
static void setup_frame(void)
{
    kernel_begin();
    map_pages(0, 8, RW, ANON);
    kernel_store(0, 1); /* its table is there */
    kernel.page = mmk_page_alloc(0, 0);
    expect(kernel.page != NULL);
    mmk_a32_store(&kernel.page->user.mapcount, 7, MMK_RELAXED);
    mmk_aptr_store(&kernel.page->user.kin, world.mm->kin, MMK_RELAXED);
    kernel.page->user.index = 0;
    mmk_page_put(kernel.page);
}

/* The same of the block that CPU 0 gets next, as a larger page: one of its frames, not the first.
 */
static void setup_block(void)
{
    struct mmk_page *block;

    kernel_begin();
    map_pages(0, 8, RW, ANON);
    block = mmk_page_alloc(MMK_HUGE_ORDER, 0);
    expect(block != NULL);
    kernel.page = block + 1;
    mmk_a32_store(&kernel.page->user.mapcount, 7, MMK_RELAXED);
    mmk_aptr_store(&kernel.page->user.kin, world.mm->kin, MMK_RELAXED);
    kernel.page->user.index = 1;
    mmk_page_put(block);
}

/* Who finds a private page finds whose it is, and where, or that it is not mapped yet. */
static void hand_fault(unsigned cpu)
{
    uint32_t young;

    if (cpu == 0) {
        kernel_store(1, 1);
    } else if (come_to(kernel.page, MMK_PAGE_ANON)) {
        if (mmk_page_try_referenced(kernel.page, &young))
            expect(young <= 1);
        leave(kernel.page);
    }
}

/* The same of who moves it. */
static void hand_migrate(unsigned cpu)
{
    struct mmk_page *to;

    if (cpu == 0) {
        kernel_store(1, 1);
    } else if (come_to(kernel.page, MMK_PAGE_ANON)) {
        to = mmk_page_alloc(0, 0);
        expect(to != NULL);
        (void)!mmk_page_migrate_nowait(kernel.page, to);
        mmk_swap_put_page(to);
        leave(kernel.page);
    }
}

/* Where the CPU's cache was empty, for no reason, it got another one. */
static void end_frame(void)
{
    if (mmk_page_type(kernel.page) == MMK_PAGE_ANON)
        expect(mmk_page_mapcount(kernel.page) == 1);
    kernel_end();
}

/* ---- a page that is dropped ------------------------------------------------------------------ */

static int read_zeros(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    (void)index;
    mmk_clear_page(page);
    return 0;
}

static int write_nothing(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    (void)index;
    (void)page;
    return 0;
}

/* A file's page, to which CPU 0's program has stored. */
static void setup_stored(void)
{
    static const struct mmk_object_ops ops = {.read_page = read_zeros, .write_page = write_nothing};

    kernel_begin();
    expect(mmk_object_create(&ops, PAGE, NULL, &kernel.object) == 0);
    expect(mmk_mmap(world.mm, page_at(0), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, kernel.object,
                    0) == (int64_t)page_at(0));
    kernel_store(0, 1);
    expect(mmk_object_get_page(kernel.object, 0, &kernel.page) == 0);
    mmk_page_unlock(kernel.page);
    mmk_page_put(kernel.page); /* the index keeps it */
    fibers_be_cpu(1);
    machine_switch_mm(NULL); /* no flush orders anything for this one */
    fibers_be_cpu(0);
}

/*
 * Written while its last entry is gone, but may be cached, it is dirty once more when that one lets
 * go of it. To change a bit is to find it as it is.
 */
static void hand_drop(unsigned cpu)
{
    if (cpu == 0) {
        kernel_give_back(0, 1);
    } else if (come_to(kernel.page, MMK_PAGE_OBJECT)) {
        if (mmk_page_mapcount(kernel.page) == 0 &&
            mmk_writeback_nowait(kernel.object, kernel.page) &&
            mmk_object_try_drop(kernel.object, kernel.page))
            expect(!mmk_page_take_dirty(kernel.page));
        leave(kernel.page);
    }
}

static void end_stored(void)
{
    fibers_be_cpu(1);
    machine_switch_mm(world.mm);
    fibers_be_cpu(0);
    mmk_object_put(kernel.object);
    kernel_end();
}

const struct scenario kernels_reclaim[] = {
    {.name = "kernel.hand.fault",
     .what = "reclaim comes to a private page that is being made",
     .cpus = 2,
     .setup = setup_frame,
     .body = hand_fault,
     .check = end_frame},
    {.name = "kernel.hand.huge",
     .what = "reclaim comes to a page of a larger one that is being made",
     .cpus = 2,
     .huge = MMK_HUGE_ALWAYS,
     .setup = setup_block,
     .body = hand_fault,
     .check = end_frame},
    {.name = "kernel.hand.migrate",
     .what = "compaction comes to a private page that is being made",
     .cpus = 2,
     .setup = setup_frame,
     .body = hand_migrate,
     .check = end_frame},
    {.name = "kernel.hand.drop",
     .what = "reclaim drops a page that another has let go of",
     .cpus = 2,
     .setup = setup_stored,
     .body = hand_drop,
     .check = end_stored},
    {.name = NULL},
};
