/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge_frames.c - as scenarios_huge.c, larger pages of frames that are not mmkit's: of a
 * device of two of them, in memory that mmkit has not been told of.
 */
#include "larger.h"

#include <mmkit/object.h>

#include <string.h>

/* ---- a device -------------------------------------------------------------------------------- */

enum { PAGES = 2 * HUGE_PAGES };

static int frame_of(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    extern mmk_paddr_t machine_ram_end;

    (void)object;
    *pfn = ((machine_ram_end - WITHHELD) >> MMK_PAGE_SHIFT) + index;
    return 0;
}

/* There is more beyond its end: other devices. */
static int64_t run_of(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)frame_of(object, index, pfn);
    return (int64_t)(WITHHELD / PAGE - index);
}

static void map_into(struct mmk_mm *mm, unsigned prot)
{
    expect(mmk_mmap(mm, page_at(0), PAGES * PAGE, prot, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    0) == (int64_t)page_at(0));
}

/* Nothing of it has been touched. */
static void setup_device(void)
{
    static const struct mmk_object_ops ops = {.frame = frame_of, .frame_run = run_of};

    memset(&it, 0, sizeof(it));
    expect(mmk_object_create(&ops, PAGES * PAGE, NULL, &it.object) == 0);
    map_into(world.mm, RW);
}

/* All CPUs have the first cached; page i has the word i + 1. */
static void setup_mapped(void)
{
    unsigned cpu, page;

    setup_device();
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        for (page = 0; page < HUGE_PAGES; page++)
            store(page, page + 1);
    }
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 1);
}

/* Its words are there, and nobody maps it. */
static void setup_filled(void)
{
    setup_mapped();
    unmap(0, PAGES);
    map_into(world.mm, RW);
    expect(count_larger(world.mm) == 0);
}

/* Another address space has it, too, to read. */
static void setup_mapped_twice(void)
{
    setup_mapped();
    expect(mmk_mm_create(&it.other) == 0);
    map_into(it.other, RO);
    expect(mmk_fault(it.other, page_at(3), MMK_ACCESS_READ) == MMK_FAULT_DONE);
    expect(count_larger(it.other) == 1);
}

/* Beside memory whose zeros are one entry, too. */
static void setup_beside_zeros(void)
{
    setup_mapped();
    map_pages(PAGES, HUGE_PAGES, RW, ANON);
    look_by_all(PAGES, HUGE_PAGES);
    expect(count_larger(world.mm) == 1);
}

static void put_device(void)
{
    mmk_check(world.mm);
    if (it.other)
        mmk_check(it.other);
    put_other();
    unmap(0, 16);
    only_the_root();
    mmk_object_put(it.object);
}

/* ---- touched --------------------------------------------------------------------------------- */

static void both_store(unsigned cpu)
{
    store(cpu + 1, cpu + 7);
}

static void both_stored(void)
{
    expect(look(0) == 1 && look(1) == 7 && look(2) == 8 && look(3) == 4);
    expect(count_larger(world.mm) == 1);
    put_device();
}

/* Whatever comes of it, no page is mapped that the mapping has no more. */
static void unmap_or_store(unsigned cpu)
{
    if (cpu == 0)
        unmap(2, 2);
    else
        store(1, 7);
}

static void unmapped(void)
{
    expect(count_larger(world.mm) == 0);
    expect(look(0) == 1 && look(1) == 7 && look(2) == ~(uint64_t)0 && look(3) == ~(uint64_t)0);
    put_device();
}

static void unmap_whole_or_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        unmap(0, HUGE_PAGES);
        return;
    }
    result = put_word(1, 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
}

static void unmapped_whole(void)
{
    only_the_root();
    expect(look(0) == ~(uint64_t)0 && look(3) == ~(uint64_t)0);
    put_device();
}

/* The other's larger page comes where nothing is under way. Without a table nothing happens. */
static void unmap_or_touch_next(unsigned cpu)
{
    int error;

    if (cpu == 0) {
        error = mmk_munmap(world.mm, page_at(1), PAGE);
        expect(error == 0 || error == MMK_ENOMEM);
        it.stored = error == 0;
    } else {
        enum mmk_fault_result result = put_word(HUGE_PAGES + 1, 7);

        expect(result == MMK_FAULT_DONE || result == MMK_FAULT_OOM);
    }
}

static void next_touched(void)
{
    expect(look(0) == 1 && look(1) == (it.stored ? ~(uint64_t)0 : 2) && look(2) == 3);
    store(HUGE_PAGES + 1, 7);
    put_device();
}

/* ---- the device takes it back ---------------------------------------------------------------- */

static void truncate_or_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        return;
    }
    result = put_word(1, 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
}

static void truncated(void)
{
    only_the_root();
    expect(look(0) == ~(uint64_t)0 && look(3) == ~(uint64_t)0);
    put_device();
}

/* A page goes, so that no larger one has room. */
static void cut_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, 3 * PAGE) == 0);
    else
        store(1, 7);
}

static void cut(void)
{
    expect(look(1) == 7 && look(2) == 3 && look(3) == ~(uint64_t)0);
    expect(count_larger(world.mm) == 0);
    put_device();
}

static void punch_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        store(2, 9);
}

static void punched(void)
{
    expect(look(0) == 1 && look(1) == 2 && look(2) == 9 && look(3) == 4);
    put_device();
}

/* When it has been punched, nobody has what is in it. */
static void punch_and_say(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_punch_hole(it.object, 0, PAGES * PAGE) == 0);
        only_the_root();
    } else if (cpu == 1) {
        unmap(3, 1);
    }
}

static void punched_unmapped(void)
{
    expect(look(0) == 1 && look(2) == 3 && look(3) == ~(uint64_t)0);
    put_device();
}

static void punch_or_move(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, PAGE, PAGE) == 0);
    else
        move_pages(0, PAGES, HUGE_PAGES);
}

static void punched_moved(void)
{
    expect(look(0) == ~(uint64_t)0 && look(PAGES) == 1 && look(PAGES + 1) == 2);
    expect(look(PAGES + 3) == 4);
    put_device();
}

/* ---- it changes ------------------------------------------------------------------------------ */

static void protect_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_mprotect(world.mm, page_at(3), PAGE, RO) == 0);
    else
        store(2, 9);
}

static void is_protected(void)
{
    expect(count_larger(world.mm) == 0);
    expect(put_word(3, 1) == MMK_FAULT_SEGV_ACCERR);
    expect(look(0) == 1 && look(2) == 9 && look(3) == 4);
    put_device();
}

/* Both are special, and both are split. */
static void split_both(unsigned cpu)
{
    if (cpu == 0)
        unmap(3, 1);
    else
        store(PAGES + 1, 9);
}

static void both_split(void)
{
    expect(look(0) == 1 && look(1) == 2 && look(2) == 3 && look(3) == ~(uint64_t)0);
    expect(look(PAGES) == 0 && look(PAGES + 1) == 9);
    put_device();
}

static void fork_or_punch(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else
        expect(mmk_object_resize(it.object, PAGE) == 0);
}

static void forked(void)
{
    expect(look(0) == 1 && look(1) == ~(uint64_t)0);
    expect(mmk_fault(it.other, page_at(1), MMK_ACCESS_READ) == MMK_FAULT_BUS);
    put_device();
}

const struct scenario scenarios_huge_frames[] = {
    {.name = "huge-frames.both",
     .what = "two CPUs touch frames of a device that one entry maps",
     .setup = setup_filled,
     .body = both_store,
     .check = both_stored,
     HUGE},
    {.name = "huge-frames.touched-unmapped",
     .what = "a device's frames are touched while a part of their mapping goes",
     .setup = setup_filled,
     .body = unmap_or_store,
     .check = unmapped,
     HUGE},
    {.name = "huge-frames.unmapped",
     .what = "a part of a device's larger page is unmapped while the rest is stored to",
     .setup = setup_mapped,
     .body = unmap_or_store,
     .check = unmapped,
     HUGE},
    {.name = "huge-frames.unmapped-whole",
     .what = "all of a device's larger page is unmapped while it is touched",
     .setup = setup_filled,
     .body = unmap_whole_or_store,
     .check = unmapped_whole,
     HUGE},
    {.name = "huge-frames.unmapped-next",
     .what = "a device's larger page is split beside one that comes, and there may be no tables",
     .inject = FIBERS_FAIL_TABLE,
     .setup = setup_mapped,
     .body = unmap_or_touch_next,
     .check = next_touched,
     HUGE},
    {.name = "huge-frames.truncated",
     .what = "a device goes while its frames are touched",
     .setup = setup_filled,
     .body = truncate_or_store,
     .check = truncated,
     HUGE},
    {.name = "huge-frames.truncated-mapped",
     .what = "a device goes while its larger page is stored to",
     .setup = setup_mapped,
     .body = truncate_or_store,
     .check = truncated,
     HUGE},
    {.name = "huge-frames.cut",
     .what = "a part of a device goes while its frames are touched",
     .setup = setup_filled,
     .body = cut_or_store,
     .check = cut,
     HUGE},
    {.name = "huge-frames.cut-mapped",
     .what = "a part of a device goes that one entry maps, while the rest is stored to",
     .setup = setup_mapped,
     .body = cut_or_store,
     .check = cut,
     HUGE},
    {.name = "huge-frames.punched",
     .what = "a part of a device's larger page is taken back from two address spaces",
     .setup = setup_mapped_twice,
     .body = punch_or_store,
     .check = punched,
     HUGE},
    {.name = "huge-frames.punched-unmapped",
     .what = "a device's larger page is taken back while a part of it is unmapped",
     .setup = setup_mapped,
     .body = punch_and_say,
     .check = punched_unmapped,
     HUGE},
    {.name = "huge-frames.punched-moved",
     .what = "a part of a device's larger page is taken back while it moves",
     .setup = setup_mapped,
     .body = punch_or_move,
     .check = punched_moved,
     HUGE},
    {.name = "huge-frames.protected",
     .what = "a part of a device's larger page becomes read-only while the rest is stored to",
     .setup = setup_mapped,
     .body = protect_or_store,
     .check = is_protected,
     HUGE},
    {.name = "huge-frames.beside-zeros",
     .what = "a device's larger page is split while that of zeros is written to",
     .setup = setup_beside_zeros,
     .body = split_both,
     .check = both_split,
     HUGE},
    {.name = "huge-frames.forked",
     .what = "a device's larger page goes, but for a page, while the process forks",
     .setup = setup_mapped,
     .body = fork_or_punch,
     .check = forked,
     HUGE},
    {.name = NULL},
};
