/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge_upper.c - as scenarios_huge_frames.c, larger pages two levels above the leaves:
 * of a device that has just one, in which the memory lies that mmkit has not been told of. In the
 * format of short runs the level above the lowest is the root's; so these run in the full one, and
 * where that has three levels, too, with the next smaller pages.
 */
#include "rules.h"

#include "larger.h"
#include "pt_shape.h"

#include <mmkit/object.h>
#include <mmkit/port/cpu.h>

#include <string.h>

#define ALL   mmk_pt_entry_pages(MMK_HUGE_TOP)
#define SPAN  mmk_pt_entry_span(MMK_HUGE_TOP)
#define START (8 * SPAN)

/* ---- a device -------------------------------------------------------------------------------- */

static mmk_pfn_t ram(void)
{
    extern mmk_paddr_t machine_ram_end;

    return (machine_ram_end - WITHHELD) >> MMK_PAGE_SHIFT;
}

static int frame_of(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = (ram() & ~(ALL - 1)) + index;
    return 0;
}

static int64_t run_of(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)frame_of(object, index, pfn);
    return (int64_t)ALL;
}

/* It tells the second CPU of shorter runs. */
static int64_t some_of(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)frame_of(object, index, pfn);
    return mmk_cpu_id() == 1 ? MMK_HUGE_PAGES : (int64_t)ALL;
}

/* The address of one of the pages that are RAM. */
static mmk_vaddr_t at(unsigned page)
{
    return START + (((ram() & (ALL - 1)) + page) << MMK_PAGE_SHIFT);
}

static void map_into(struct mmk_mm *mm, unsigned prot)
{
    expect(mmk_mmap(mm, START, SPAN, prot, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)START);
}

static void start(const struct mmk_object_ops *ops)
{
    memset(&it, 0, sizeof(it));
    expect(mmk_object_create(ops, SPAN, NULL, &it.object) == 0);
    map_into(world.mm, RW);
}

/* Nothing of it has been touched. */
static void setup_device(void)
{
    static const struct mmk_object_ops ops = {.frame = frame_of, .frame_run = run_of};

    start(&ops);
}

static void setup_some(void)
{
    static const struct mmk_object_ops ops = {.frame = frame_of, .frame_run = some_of};

    start(&ops);
}

static enum mmk_fault_result put(unsigned page, uint64_t word)
{
    return machine_store(at(page), &word, sizeof(word));
}

/* The word, or, where nothing is mapped, ~0. */
static uint64_t get(unsigned page)
{
    uint64_t word = 0;
    enum mmk_fault_result result = machine_load(at(page), &word, sizeof(word));

    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR || result == MMK_FAULT_BUS);
    return result == MMK_FAULT_DONE ? word : ~(uint64_t)0;
}

/* All CPUs have it cached; page i has the word i + 1. */
static void setup_mapped(void)
{
    unsigned cpu, page;

    setup_device();
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        for (page = 0; page < HUGE_PAGES; page++)
            expect(put(page, page + 1) == MMK_FAULT_DONE);
    }
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 1);
    expect(mmk_mm_table_bytes(world.mm) == (MMK_PT_LEVELS - MMK_HUGE_TOP) * PAGE);
}

static void put_device(void)
{
    mmk_check(world.mm);
    expect(mmk_munmap(world.mm, START, 2 * SPAN) == 0);
    only_the_root();
    mmk_object_put(it.object);
}

/* ---- what happens to it ---------------------------------------------------------------------- */

static void both_store(unsigned cpu)
{
    expect(put(cpu + 1, cpu + 7) == MMK_FAULT_DONE);
}

static void both_stored(void)
{
    expect(get(1) == 7 && get(2) == 8);
    put_device();
}

static void one_entry(void)
{
    expect(count_larger(world.mm) == 1);
    both_stored();
}

static void unmap_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_munmap(world.mm, at(3), PAGE) == 0);
    else
        expect(put(1, 7) == MMK_FAULT_DONE);
}

static void unmapped(void)
{
    expect(get(1) == 7 && get(3) == ~(uint64_t)0);
    put_device();
}

static void unmapped_part(void)
{
    expect(get(0) == 1 && get(2) == 3);
    unmapped();
}

static void setup_read_only(void)
{
    setup_mapped();
    expect(mmk_mprotect(world.mm, START, SPAN, RO) == 0);
    expect(count_larger(world.mm) == 1);
}

/* What one page may have from now on, the page beside it may not. */
static void allow_or_try(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_mprotect(world.mm, at(3), PAGE, RW) == 0);
    else
        expect(put(2, 7) == MMK_FAULT_SEGV_ACCERR);
}

static void allowed(void)
{
    expect(put(3, 9) == MMK_FAULT_DONE && put(2, 7) == MMK_FAULT_SEGV_ACCERR);
    expect(get(2) == 3 && get(3) == 9);
    put_device();
}

/* The one takes a page, the other begins where a smaller larger one does. */
static void unmap_or_protect(unsigned cpu)
{
    mmk_vaddr_t from = mmk_pt_entry_base(at(0), MMK_HUGE_LEVEL);

    if (cpu == 0)
        expect(mmk_munmap(world.mm, at(3), PAGE) == 0);
    else
        expect(mmk_mprotect(world.mm, from, at(2) - from, RO) == 0);
}

static void both_split(void)
{
    expect(get(0) == 1 && get(2) == 3 && get(3) == ~(uint64_t)0);
    expect(put(1, 7) == MMK_FAULT_SEGV_ACCERR && put(2, 7) == MMK_FAULT_DONE);
    put_device();
}

static void truncate_or_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        return;
    }
    result = put(1, 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
}

static void truncated(void)
{
    only_the_root();
    expect(get(0) == ~(uint64_t)0 && get(3) == ~(uint64_t)0);
    put_device();
}

static void cut_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, at(3) - START) == 0);
    else
        expect(put(1, 7) == MMK_FAULT_DONE);
}

static void punch_or_move(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, at(3) - START, PAGE) == 0);
    else
        expect(mmk_mremap(world.mm, START, SPAN, SPAN, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                          START + SPAN) == (int64_t)(START + SPAN));
}

static void punched_moved(void)
{
    uint64_t word = 0;

    expect(get(0) == ~(uint64_t)0);
    expect(machine_load(at(2) + SPAN, &word, sizeof(word)) == MMK_FAULT_DONE && word == 3);
    put_device();
}

/* ---- a mirror of its first page -------------------------------------------------------------- */

static int drop(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    fibers_touch(&it.mirrored, FIBERS_WRITE);
    if (at(0) - range->start < range->end - range->start)
        it.mirrored = 0;
    return 0;
}

static void setup_mirrored(void)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = drop};
    unsigned prot;

    setup_mapped();
    it.notifier.ops = &ops;
    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
    expect(mmk_translate(world.mm, at(0), MMK_ACCESS_READ, &it.mirrored, &prot) == 0);
}

/* Another page of it goes, and with that all of it. */
static void punch_far_or_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_punch_hole(it.object, SPAN - PAGE, PAGE) == 0);
    else
        expect(put(1, 7) == MMK_FAULT_DONE);
}

/* The mirror has what is there, or nothing. */
static void mirror_end(void)
{
    expect(it.mirrored == 0);
    mmk_notifier_unregister(world.mm, &it.notifier);
    expect(get(0) == 1 && get(1) == 7);
    put_device();
}

#define UPPER .formats = ON_FULL, HUGE

const struct scenario scenarios_huge_upper[] = {
    {.name = "huge-upper.both",
     .what = "two CPUs touch frames of a device that one entry two levels up maps",
     .setup = setup_device,
     .body = both_store,
     .check = one_entry,
     UPPER},
    {.name = "huge-upper.sizes",
     .what = "the one would map a larger page where the other puts a table of smaller ones",
     .setup = setup_some,
     .body = both_store,
     .check = both_stored,
     UPPER},
    {.name = "huge-upper.touched-unmapped",
     .what = "a device's frames are touched while a part of their mapping goes",
     .setup = setup_device,
     .body = unmap_or_store,
     .check = unmapped,
     UPPER},
    {.name = "huge-upper.unmapped",
     .what = "a larger page is split twice for a part to go, while the rest is stored to",
     .setup = setup_mapped,
     .body = unmap_or_store,
     .check = unmapped_part,
     UPPER},
    {.name = "huge-upper.split",
     .what = "a larger page is split by two, at two levels",
     .setup = setup_mapped,
     .body = unmap_or_protect,
     .check = both_split,
     UPPER},
    {.name = "huge-upper.protected",
     .what = "a page of a larger one becomes writable, and one beside it is stored to",
     .setup = setup_read_only,
     .body = allow_or_try,
     .check = allowed,
     UPPER},
    {.name = "huge-upper.truncated",
     .what = "a device goes while its frames are touched",
     .setup = setup_device,
     .body = truncate_or_store,
     .check = truncated,
     UPPER},
    {.name = "huge-upper.cut",
     .what = "a part of a device goes while its frames are touched",
     .setup = setup_device,
     .body = cut_or_store,
     .check = unmapped,
     UPPER},
    {.name = "huge-upper.cut-mapped",
     .what = "a part of a device goes that one entry maps, while the rest is stored to",
     .setup = setup_mapped,
     .body = cut_or_store,
     .check = unmapped_part,
     UPPER},
    {.name = "huge-upper.moved",
     .what = "a part of a device's larger page is taken back while it moves",
     .setup = setup_mapped,
     .body = punch_or_move,
     .check = punched_moved,
     UPPER},
    {.name = "huge-upper.mirrored",
     .what = "a secondary MMU has a page of a larger one of which another page is taken back",
     .setup = setup_mirrored,
     .body = punch_far_or_store,
     .check = mirror_end,
     UPPER},
    {.name = NULL},
};
