/* SPDX-License-Identifier: MIT */
/*
 * scenarios_files.c - as scenarios_rules.c, the rules about what is mapped of objects, and about
 * mirrors of page tables.
 */
#include "file.h"
#include "rules.h"

#include <mmkit/port/cpu.h>

/* ---- P4, P5, P10, P13: objects -------------------------------------------------------------- */

static void setup_file_stored(void)
{
    start_shared_file();
    touch_by(2, 0, 1);
}

static void setup_file_private(void)
{
    start_file();
    map_object(0, MMK_MAP_PRIVATE);
}

/* Mapped to be read: what is stored comes into a copy. */
static void setup_file_read(void)
{
    setup_file_private();
    expect(look(0) == 0);
}

/* Another address space has a page of the file, too; nobody runs it. */
static void setup_file_twice(void)
{
    start_shared_file();
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)page_at(0));
    expect(word_of(it.other, 0) == 0);
}

/* A private copy, which a child shares, of what can no longer be read. */
static void setup_copy_only(void)
{
    setup_file_private();
    touch_by(2, 0, 1);
    expect(mmk_fork(world.mm, &it.other) == 0);
    expect(mmk_object_punch_hole(it.object, 0, PAGE) == 0);
    file.unreadable = true;
}

/* While the copy is copied again its entry is none. */
static void load_beside_copy(unsigned cpu)
{
    if (cpu == 0)
        store(0, 2);
    else
        expect(look(0) != ~(uint64_t)0);
}

static void truncate_beside_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        say(&it.said);
        return;
    }
    result = put_word(0, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
}

/* A page of the file is there, and mapped nowhere. */
static void setup_file_cached(void)
{
    start_shared_file();
    store(0, 1);
    dontneed(0, 1);
}

/* It is mapped when truncation has looked for mappings once, and unmapped before it looks again. */
static void truncate_beside_visit(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
    } else {
        (void)look(0);
        dontneed(0, 1);
    }
}

static void truncate_beside_exit(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, 0) == 0);
    else
        put_other();
}

static void truncated_end(void)
{
    expect(look(0) == ~(uint64_t)0);
    put_file();
}

static void move_beside_truncate(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, 0) == 0);
    else
        move_pages(0, 8, 2); /* a part: what stays is cut */
}

/*
 * Two mappings that touch: the border between them is to move, up or down, by a call that flushes
 * nothing. It passes the only page that is there: a search that misses it waits for nobody.
 */
static void setup_file_border(void)
{
    start_shared_file();
    it.touched = 1 + world_random(2);
    touch_by(2, it.touched, 1);
    expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_DONTFORK) == 0);
}

static void border_beside_truncate(unsigned cpu)
{
    int advice = it.touched == 1 ? MMK_MADV_DOFORK : MMK_MADV_DONTFORK;

    if (cpu == 0)
        expect(mmk_object_resize(it.object, 0) == 0);
    else
        expect(mmk_madvise(world.mm, page_at(it.touched), PAGE, advice) == 0);
}

static void border_end(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.vmas == 2);
    truncated_end();
}

/*
 * The second half of the file is to join the first: that mapping then comes to an end behind it,
 * and whoever looks for mappings in order sees it first. A page of the half is there, mapped
 * nowhere.
 */
static void setup_file_halves(void)
{
    start_file();
    expect(mmk_mmap(world.mm, page_at(0), 2 * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    0) == (int64_t)page_at(0));
    expect(mmk_mmap(world.mm, page_at(8), 2 * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    2 * PAGE) == (int64_t)page_at(8));
    store(8, 1);
    dontneed(8, 1);
}

/* Truncation, past its first sweep, waits for the page, and sweeps again beside the move. */
static void fault_and_join(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 2 * PAGE) == 0);
        return;
    }
    (void)look(8);
    move_pages(8, 2, 2);
}

static void move_beside_sync(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        expect(file_word(0) != 0);
    } else {
        move_pages(0, 8, 2);
        store(8, 2);
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        expect(file_word(0) == 2);
    }
}

static void moved_end(void)
{
    expect(look(8) == ~(uint64_t)0);
    put_file();
}

static void two_read(unsigned cpu)
{
    (void)cpu;
    expect(look(0) == 0);
}

/* What was stored before a sync is in the file after it, or will be after the next. */
static void sync_beside_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    else
        store(0, 2);
}

static void synced_end(void)
{
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    expect(file_word(0) == 2);
    put_file();
}

/* Whoever of the two comes second has nothing to write, but must not come back before the first. */
static void both_sync(unsigned cpu)
{
    (void)cpu;
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    expect(file_word(0) == 1);
}

/* What the one has cleaned, and not flushed, the other writes: not all that is stored by then. */
static void store_beside_syncs(unsigned cpu)
{
    if (cpu == 2) {
        store(0, 2);
        store(0, 3);
    }
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    if (cpu == 2)
        expect(file_word(0) == 3);
}

static void sync_beside_unmap(unsigned cpu)
{
    bool stored;

    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        stored = heard(&it.said);
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        expect(!stored || file_word(0) == 3);
    } else {
        store(0, 2);
        store(0, 3); /* by now only the entry tells that the page is dirty, perhaps */
        say(&it.said);
        unmap(0, 4);
    }
}

/* Dirty by what a device has stored: no entry says so, and there is nothing to flush. */
static void setup_file_pinned(void)
{
    struct mmk_page *page;

    setup_file_stored();
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &page) == 1);
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    mmk_unpin_pages(&page, 1, true);
}

/* A device stores, which no entry tells. */
static void sync_beside_device(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    } else {
        __atomic_store_n((uint64_t *)mmk_page_address(it.pinned), 2, __ATOMIC_RELAXED);
        mmk_unpin_pages(&it.pinned, 1, true);
    }
}

/* ---- secondary MMUs ------------------------------------------------------------------------- */

static void lock_mirror(void)
{
    while (mmk_a32_xchg(&it.mirror_lock, 1, MMK_ACQUIRE))
        mmk_cpu_relax();
}

static void unlock_mirror(void)
{
    mmk_a32_store(&it.mirror_lock, 0, MMK_RELEASE);
}

static int invalidate_begin(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    expect(!it.notifier_dead);
    lock_mirror();
    if (range->start <= page_at(0) && page_at(0) < range->end)
        it.mirrored = 0;
    unlock_mirror();
    return 0;
}

static void invalidate_end(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    (void)range;
    expect(!it.notifier_dead);
}

static const struct mmk_notifier_ops notifier_ops = {invalidate_begin, invalidate_end, NULL};

/* By way of the object, which takes no mmap lock. */
static void punch_beside_mirror(unsigned cpu)
{
    uint64_t seq;
    mmk_paddr_t phys;
    unsigned prot;

    if (cpu == 0) {
        expect(mmk_object_punch_hole(it.object, 0, 4 * PAGE) == 0);
        expect(it.mirrored == 0);
        return;
    }
    it.notifier.ops = &notifier_ops;
    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
    seq = mmk_notifier_read_begin(&it.notifier);
    if (mmk_translate(world.mm, page_at(0), MMK_ACCESS_READ, &phys, &prot) != 0)
        return;
    lock_mirror();
    if (!mmk_notifier_read_retry(&it.notifier, seq))
        it.mirrored = phys;
    unlock_mirror();
}

static void mirror_end(void)
{
    expect(it.mirrored == 0);
    mmk_notifier_unregister(world.mm, &it.notifier);
    put_file();
}

static void setup_mirror(void)
{
    setup_file_stored();
    it.notifier.ops = &notifier_ops;
    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
}

static void truncate_beside_unregister(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        return;
    }
    mmk_notifier_unregister(world.mm, &it.notifier);
    it.notifier_dead = true;
}

const struct scenario scenarios_files[] = {
    {.name = "P4.shared",
     .what = "a page is mapped while the file shrinks",
     .cpus = 2,
     .setup = start_shared_file,
     .body = truncate_beside_store,
     .check = truncated_end},
    {.name = "P4.private",
     .what = "a page is copied while the file shrinks",
     .cpus = 2,
     .setup = setup_file_private,
     .body = truncate_beside_store,
     .check = truncated_end},
    {.name = "P4.copied",
     .what = "a page that was mapped to be read is copied while the file shrinks",
     .cpus = 2,
     .setup = setup_file_read,
     .body = truncate_beside_store,
     .check = truncated_end},
    {.name = "P4.visited",
     .what = "a page comes and goes while the file shrinks",
     .cpus = 2,
     .setup = setup_file_cached,
     .body = truncate_beside_visit,
     .check = truncated_end},
    {.name = "P16.exits",
     .what = "an address space ends while the file shrinks",
     .cpus = 2,
     .setup = setup_file_twice,
     .body = truncate_beside_exit,
     .check = truncated_end},
    {.name = "P4.read",
     .what = "two read the same page in",
     .cpus = 3,
     .setup = start_shared_file,
     .body = two_read,
     .check = put_file},
    {.name = "P12.between",
     .what = "a page is touched in the middle of its copying",
     .cpus = 2,
     .setup = setup_copy_only,
     .body = load_beside_copy,
     .check = put_file},
    {.name = "P10.moved",
     .what = "entries move while rmap looks for them",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = move_beside_truncate,
     .check = moved_end},
    {.name = "R1.border",
     .what = "the border between two mappings moves while rmap looks for them",
     .cpus = 2,
     .setup = setup_file_border,
     .body = border_beside_truncate,
     .check = border_end},
    {.name = "P10.joined",
     .what = "entries move to a mapping that rmap has passed, after its first sweep",
     .cpus = 2,
     .setup = setup_file_halves,
     .body = fault_and_join,
     .check = put_file},
    {.name = "P10.synced",
     .what = "entries move while a sync looks for them",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = move_beside_sync,
     .check = put_file},
    {.name = "P5.unmapped",
     .what = "a dirty page is unmapped while it is written back",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = sync_beside_unmap,
     .check = put_file},
    {.name = "P5.synced",
     .what = "two write the same page back",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = both_sync,
     .check = put_file},
    {.name = "P5.cleaned",
     .what = "a page is stored to while two write it back",
     .cpus = 3,
     .setup = setup_file_stored,
     .body = store_beside_syncs,
     .check = put_file},
    {.name = "P13.cleaned",
     .what = "a page is stored to while it is cleaned",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = sync_beside_store,
     .check = synced_end},
    {.name = "P13.written",
     .what = "a page gets dirty again while it is written",
     .cpus = 2,
     .setup = setup_file_pinned,
     .body = sync_beside_device,
     .check = synced_end},
    {.name = "notifier.registered",
     .what = "a mirror comes to be while pages go",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = punch_beside_mirror,
     .check = mirror_end},
    {.name = "notifier.unregistered",
     .what = "a mirror goes while it is being told",
     .cpus = 2,
     .setup = setup_mirror,
     .body = truncate_beside_unregister,
     .check = put_file},
    {.name = NULL},
};
