/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge_object.c - as scenarios_huge.c, larger pages of objects: of a file of four pages,
 * one larger page is all of it.
 */
#include "file.h"
#include "larger.h"

#include "object.h"
#include "object_swap.h"
#include "rmap_use.h"
#include <mmkit/pin.h>
#include <machine_swap.h>

enum { SLOTS = 8 };

static struct machine_swap *device;
static struct mmk_swap_area *area;

/* ---- set-ups --------------------------------------------------------------------------------- */

/* Nothing of it has been touched. */
static void setup_offered(void)
{
    start_file();
    mmk_object_offer_huge(it.object);
    map_object(0, MMK_MAP_SHARED);
}

/* All CPUs have it cached as one that is dirty; page i has the word i + 1. */
static void setup_mapped(void)
{
    unsigned cpu, page;

    setup_offered();
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        for (page = 0; page < HUGE_PAGES; page++)
            store(page, page + 1);
    }
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 1);
}

/* The object has the pages, and nobody maps them. */
static void setup_cached(void)
{
    setup_mapped();
    dontneed(0, HUGE_PAGES);
}

static void setup_held(void)
{
    setup_mapped();
    it.found = held_page(world.mm, 1);
}

static void map_other(unsigned flags)
{
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), 4 * PAGE, RW, flags | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)page_at(0));
}

/* Another address space is about to map it. */
static void setup_cached_twice(void)
{
    setup_cached();
    map_other(MMK_MAP_SHARED);
}

/* Another address space has it, too, to read: it is private there. */
static void setup_mapped_twice(void)
{
    setup_mapped();
    map_other(MMK_MAP_PRIVATE);
    expect(word_of(it.other, 3) == 4);
    expect(count_larger(it.other) == 1);
}

/* The second CPU knows of the first page alone, as a part of the larger one. */
static void setup_known(void)
{
    unsigned page;

    setup_offered();
    for (page = 0; page < HUGE_PAGES; page++)
        store(page, page + 1);
    fibers_be_cpu(1);
    expect(look(0) == 1);
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 1);
}

/* A second mapping, of the third page alone. */
static void setup_small_beside(void)
{
    setup_offered();
    expect(mmk_mmap(world.mm, page_at(10), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    2 * PAGE) == (int64_t)page_at(10));
}

/* To be read by one entry, and written to by copies. */
static void setup_private(void)
{
    start_file();
    mmk_object_offer_huge(it.object);
    map_object(0, MMK_MAP_PRIVATE);
    look_by_all(0, HUGE_PAGES);
    expect(count_larger(world.mm) == 1);
}

static void setup_synced(void)
{
    setup_mapped();
    expect(mmk_object_sync(it.object, 0, 4 * PAGE) == 0);
    expect(count_larger(world.mm) == 1);
}

static void setup_swap(void)
{
    unsigned page;

    start_memory();
    mmk_object_offer_huge(it.object);
    device = machine_swap_memory(SLOTS);
    expect(device);
    expect(mmk_swapon(&machine_swap_ops, device, SLOTS, 0, &area) == 0);
    map_object(0, MMK_MAP_SHARED);
    for (page = 0; page < HUGE_PAGES; page++)
        store(page, page + 1);
    expect(count_larger(world.mm) == 1);
}

/* ---- truncation and holes -------------------------------------------------------------------- */

static void truncate_or_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        return;
    }
    result = put_word(1, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
}

static void truncated(void)
{
    only_the_root();
    expect(look(0) == ~(uint64_t)0 && look(3) == ~(uint64_t)0);
    put_file();
}

/* The last page goes: what is left no larger page can cover. */
static void cut_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, 3 * PAGE) == 0);
    else
        store(1, 2);
}

static void cut_end(void)
{
    expect(count_larger(world.mm) == 0);
    expect(look(1) == 2 && look(3) == ~(uint64_t)0);
    expect(count_larger(world.mm) == 0);
    mmk_check(world.mm);
    put_file();
}

static void punch_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        store(2, 9);
}

/* It is gone from all that had it; what is beside it is there. */
static void punched(void)
{
    expect(look(0) == 1 && look(2) == 9 && look(3) == 4);
    if (it.other)
        expect(word_of(it.other, 0) == 1 && word_of(it.other, 2) == 9);
    mmk_check(world.mm);
    put_file();
}

/* The one wants a table in its place, the other takes it away. */
static void punch_or_split(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        dontneed(2, 1);
}

static void punch_or_move(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        move_pages(0, 8, HUGE_PAGES);
}

static void punched_split(void)
{
    unsigned at = look(0) == ~(uint64_t)0 ? 8 : 0;

    expect(look(at) == 1 && look(at + 2) == 3 && look(at + 3) == 4);
    mmk_check(world.mm);
    put_file();
}

static void punch_or_unmap(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        unmap(2, 2);
}

static void punched_unmapped(void)
{
    expect(look(0) == 1 && look(2) == ~(uint64_t)0);
    mmk_check(world.mm);
    put_file();
}

/* ---- several touch it ------------------------------------------------------------------------ */

static void both_store(unsigned cpu)
{
    store(cpu + 1, cpu + 7);
}

static void both_stored(void)
{
    expect(look(1) == 7 && look(2) == 8);
    mmk_check(world.mm);
    put_file();
}

static void store_small_too(unsigned cpu)
{
    if (cpu == 0)
        store(1, 7);
    else
        store(10, 8);
}

static void small_too_end(void)
{
    expect(look(1) == 7 && look(2) == 8 && look(10) == 8);
    mmk_check(world.mm);
    put_file();
}

/* The pages that the one tries the other may have. */
static void both_spaces(unsigned cpu)
{
    if (cpu == 0)
        store(1, 7);
    else
        expect(word_of(it.other, 2) == 3);
}

static void both_spaces_end(void)
{
    expect(look(1) == 7 && look(3) == 4 && word_of(it.other, 1) == 7);
    mmk_check(world.mm);
    mmk_check(it.other);
    put_file();
}

static void advise_or_store(unsigned cpu)
{
    if (cpu == 0)
        dontneed(2, 1);
    else
        store(1, 7);
}

static void advised(void)
{
    expect(look(0) == 1 && look(1) == 7 && look(2) == 3);
    mmk_check(world.mm);
    put_file();
}

/* A small page comes where a larger one may still be cached. */
static void zap_or_store(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, HUGE_PAGES);
    else
        store(2, 9);
}

static void zapped(void)
{
    expect(look(2) == 9);
    mmk_check(world.mm);
    put_file();
}

static void copy_or_look(unsigned cpu)
{
    if (cpu == 0)
        store(1, 7);
    else
        expect(look(1) != ~(uint64_t)0 && look(2) == 0);
}

static void copied(void)
{
    expect(look(1) == 7 && look(0) == 0 && file_word(1) == 0);
    mmk_check(world.mm);
    put_file();
}

static void fork_or_copy(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else
        store(1, 7);
}

static void forked(void)
{
    uint64_t word = word_of(it.other, 1);

    expect(word == 0 || word == 7);
    mmk_check(it.other);
    copied();
}

/* ---- writing back ---------------------------------------------------------------------------- */

static void sync_or_store(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    } else {
        store(0, 8);
        store(2, 9);
    }
}

static void sync_all_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_sync(it.object, 0, 4 * PAGE) == 0);
    else
        sync_or_store(1);
}

static void synced(void)
{
    expect(mmk_object_sync(it.object, 0, 4 * PAGE) == 0);
    expect(file_word(0) == 8 && file_word(2) == 9 && file_word(3) == 4);
    mmk_check(world.mm);
    put_file();
}

/* Stores go on by what is cached, until the flush. */
static void sync_zap_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_sync(it.object, 0, 4 * PAGE) == 0);
    else if (cpu == 1)
        dontneed(0, HUGE_PAGES);
    else
        sync_or_store(1);
}

static void sync_or_unmap(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, 4 * PAGE) == 0);
    } else {
        store(0, 8);
        store(2, 9);
        unmap(0, 4);
    }
}

/* ---- who comes from one page ----------------------------------------------------------------- */

static void migrate_or_store(unsigned cpu)
{
    if (cpu == 0)
        migrate_page(world.mm, 1, false);
    else
        sync_or_store(1);
}

static void migrated(void)
{
    expect(look(1) == 2);
    synced();
}

static void migrate_or_punch(unsigned cpu)
{
    if (cpu == 0)
        migrate_page(world.mm, 2, false);
    else
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
}

static void store_at_last(unsigned page, uint64_t word)
{
    enum mmk_fault_result result;

    do
        result = put_word(page, word);
    while (result == MMK_FAULT_OOM);
    expect(result == MMK_FAULT_DONE);
}

static void reclaim_or_store(unsigned cpu)
{
    if (cpu == 0) {
        mmk_page_lock(it.found);
        (void)mmk_page_try_to_unmap(it.found);
        mmk_page_unlock(it.found);
    } else {
        store_at_last(0, 8);
        store_at_last(2, 9);
    }
}

static void reclaimed(void)
{
    mmk_page_put(it.found);
    migrated();
}

static void pin_or_punch(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_pin_pages(world.mm, page_at(2), 1, MMK_PIN_WRITE, &it.pinned) == 1);
    else
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
}

static void pinned(void)
{
    store(2, 9);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9);
    mmk_unpin_pages(&it.pinned, 1, true);
    punched();
}

static void swap_or_store(unsigned cpu)
{
    struct mmk_page *page;

    if (cpu == 1) {
        store(1, 8);
        store(2, 9);
        return;
    }
    if (mmk_object_get_page(it.object, 1, &page))
        return;
    (void)!mmk_object_swap_out(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

static void page_out_or_store(unsigned cpu)
{
    if (cpu == 1)
        swap_or_store(1);
    else
        expect(mmk_madvise(world.mm, page_at(0), 4 * PAGE, MMK_MADV_PAGEOUT) == 0);
}

static void swapped(void)
{
    struct mmk_swap_stats stats;

    expect(look(0) == 1 && look(1) == 8 && look(2) == 9 && look(3) == 4);
    mmk_check(world.mm);
    mmk_swap_check();
    put_file();
    mmk_swap_stats(area, &stats);
    expect(stats.used == 0);
    expect(mmk_swapoff(area) == 0);
    machine_swap_close(device);
}

const struct scenario scenarios_huge_object[] = {
    {.name = "huge-object.made-truncated",
     .what = "an object's larger page is made while the object shrinks",
     .setup = setup_offered,
     .body = truncate_or_store,
     .check = truncated,
     HUGE},
    {.name = "huge-object.found-truncated",
     .what = "an object's pages are mapped as one while the object shrinks",
     .setup = setup_cached,
     .body = truncate_or_store,
     .check = truncated,
     HUGE},
    {.name = "huge-object.truncated",
     .what = "an object shrinks that is mapped by a larger page",
     .setup = setup_mapped,
     .body = truncate_or_store,
     .check = truncated,
     HUGE},
    {.name = "huge-object.cut",
     .what = "a larger page is touched while the object's end moves into it",
     .setup = setup_offered,
     .body = cut_or_store,
     .check = cut_end,
     HUGE},
    {.name = "huge-object.punched",
     .what = "a hole in a part of a larger page that is stored to",
     .setup = setup_mapped,
     .body = punch_or_store,
     .check = punched,
     HUGE},
    {.name = "huge-object.punched-twice",
     .what = "a hole in a part of a larger page that two address spaces have",
     .setup = setup_mapped_twice,
     .body = punch_or_store,
     .check = punched,
     HUGE},
    {.name = "huge-object.punched-split",
     .what = "a hole in a part of a larger page while another part is given back",
     .setup = setup_mapped,
     .body = punch_or_split,
     .check = punched_split,
     HUGE},
    {.name = "huge-object.punched-moved",
     .what = "a hole in a part of a larger page while it moves",
     .setup = setup_mapped,
     .body = punch_or_move,
     .check = punched_split,
     HUGE},
    {.name = "huge-object.punched-unmapped",
     .what = "a hole in a part of a larger page while another part is unmapped",
     .setup = setup_mapped,
     .body = punch_or_unmap,
     .check = punched_unmapped,
     HUGE},
    {.name = "huge-object.both",
     .what = "two touch an object's larger page first",
     .setup = setup_offered,
     .body = both_store,
     .check = both_stored,
     HUGE},
    {.name = "huge-object.small-too",
     .what = "a larger page is touched while another mapping has one small page of it",
     .setup = setup_small_beside,
     .body = store_small_too,
     .check = small_too_end,
     HUGE},
    {.name = "huge-object.two-spaces",
     .what = "two address spaces map the same pages as one",
     .setup = setup_cached_twice,
     .body = both_spaces,
     .check = both_spaces_end,
     HUGE},
    {.name = "huge-object.advised",
     .what = "an object's pages are mapped as one while a part of the addresses is given back",
     .setup = setup_cached,
     .body = advise_or_store,
     .check = advised,
     HUGE},
    {.name = "huge-object.zap-small",
     .what = "a small page comes where an object's larger one is still cached",
     .setup = setup_known,
     .body = zap_or_store,
     .check = zapped,
     HUGE},
    {.name = "huge-object.copied",
     .what = "a part of a larger page is copied while it is read",
     .setup = setup_private,
     .body = copy_or_look,
     .check = copied,
     HUGE},
    {.name = "huge-object.forked",
     .what = "a part of a larger page is copied while the process forks",
     .setup = setup_private,
     .body = fork_or_copy,
     .check = forked,
     HUGE},
    {.name = "huge-object.synced",
     .what = "a part of a larger page is written back while it is stored to",
     .setup = setup_mapped,
     .body = sync_or_store,
     .check = synced,
     HUGE},
    {.name = "huge-object.stored",
     .what = "a larger page that was written back is stored to while it is again",
     .setup = setup_synced,
     .body = sync_all_or_store,
     .check = synced,
     HUGE},
    {.name = "huge-object.synced-unmapped",
     .what = "a larger page is written back while it is unmapped",
     .setup = setup_mapped,
     .body = sync_or_unmap,
     .check = put_file,
     HUGE},
    {.name = "huge-object.synced-zap",
     .what = "a larger page is written back and given back while it is stored to",
     .setup = setup_mapped,
     .body = sync_zap_or_store,
     .check = synced,
     .cpus = 3,
     .huge = MMK_HUGE_ALWAYS},
    {.name = "huge-object.migrated",
     .what = "a page of an object's larger one goes to another frame while it is stored to",
     .setup = setup_mapped,
     .body = migrate_or_store,
     .check = migrated,
     HUGE},
    {.name = "huge-object.migrated-punched",
     .what = "a page of a larger one goes to another frame, and one beside it goes",
     .setup = setup_mapped,
     .body = migrate_or_punch,
     .check = punched_split,
     HUGE},
    {.name = "huge-object.reclaimed",
     .what = "a page of a larger one is unmapped while it is stored to, and there may be no tables",
     .inject = FIBERS_FAIL_TABLE,
     .setup = setup_held,
     .body = reclaim_or_store,
     .check = reclaimed,
     HUGE},
    {.name = "huge-object.pinned",
     .what = "a part of a larger page is pinned while another goes",
     .setup = setup_mapped,
     .body = pin_or_punch,
     .check = pinned,
     HUGE},
    {.name = "huge-object.swapped",
     .what = "a page of shared memory's larger one goes to swap while it is stored to",
     .setup = setup_swap,
     .body = swap_or_store,
     .check = swapped,
     HUGE},
    {.name = "huge-object.paged-out",
     .what = "shared memory's larger page goes to swap while it is stored to",
     .setup = setup_swap,
     .body = page_out_or_store,
     .check = swapped,
     HUGE},
    {.name = NULL},
};
