/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge_page.c - as scenarios_huge.c, beside those who come from one page of a larger one:
 * devices, migration, reclaim.
 */
#include "larger.h"

#include "migrate.h"
#include "rmap_use.h"
#include "swap_area.h"
#include "swap_cache.h"
#include "swap_out.h"
#include <mmkit/huge.h>
#include <mmkit/pin.h>
#include <mmkit/table.h>
#include <string.h>

enum { SLOTS = 16 };

static struct mmk_swap_area *area;
static uint64_t device[SLOTS]; /* the first word of each page is all that programs here store */
static struct mmk_page *held, *pages[HUGE_PAGES]; /* with a reference */

/* ---- set-ups --------------------------------------------------------------------------------- */

static void setup_held(void)
{
    map_larger();
    held = held_page(world.mm, 2);
}

static void setup_all_held(void)
{
    unsigned page;

    share_larger();
    for (page = 0; page < HUGE_PAGES; page++)
        pages[page] = held_page(world.mm, page);
}

/* ---- devices --------------------------------------------------------------------------------- */

static void pin_or_fork(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        return;
    }
    expect(mmk_pin_pages(world.mm, page_at(1), 1, MMK_PIN_WRITE, &it.pinned) == 1);
    store(1, 9);
}

static void pinned_end(void)
{
    uint64_t word = word_of(it.other, 1);

    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9);
    expect(look(1) == 9 && (word == 2 || word == 9));
    expect(look(0) == 1 && word_of(it.other, 0) == 1 && word_of(it.other, 3) == 4);
    mmk_unpin_pages(&it.pinned, 1, true);
    end_larger();
}

static void pin_or_split(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        expect(mmk_pin_pages(world.mm, page_at(1), 1, MMK_PIN_WRITE, &it.pinned) == 1);
}

static void pinned_split(void)
{
    store(1, 9);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9);
    mmk_unpin_pages(&it.pinned, 1, true);
    expect_rest(2);
}

/* ---- who comes from a page ------------------------------------------------------------------- */

static void migrate_or_store(unsigned cpu)
{
    if (cpu == 0) {
        migrate_page(world.mm, 1, true);
    } else {
        store(1, 9);
        store(2, 8);
    }
}

static void migrated(void)
{
    expect(look(0) == 1 && look(1) == 9 && look(2) == 8 && look(3) == 4);
}

/* Each finds its page, whoever splits. */
static void migrate_two(unsigned cpu)
{
    migrate_page(world.mm, cpu + 1, true);
}

static void split_or_migrate(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        migrate_page(world.mm, 2, true);
}

static void zap_or_migrate(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, HUGE_PAGES);
    else
        migrate_page(world.mm, 2, false);
}

static void unchanged(void)
{
    expect_rest(0);
    end_larger();
}

/* Whether a table is to be had for both of the entries, or only for one. */
static void move_shared(void)
{
    struct mmk_page *to;

    to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    if (!to)
        return;
    mmk_page_lock(pages[2]);
    if (mmk_page_migrate(pages[2], to) == 0)
        expect(mmk_page_mapcount(pages[2]) == 0);
    mmk_page_unlock(pages[2]);
    mmk_page_put(to);
}

static void migrate_shared(unsigned cpu)
{
    if (cpu == 1)
        (void)put_word(0, 1);
    else
        move_shared();
}

static void migrated_shared(void)
{
    unsigned page;

    for (page = 0; page < HUGE_PAGES; page++)
        mmk_page_put(pages[page]);
    expect(word_of(world.mm, 2) == 3 && word_of(it.other, 2) == 3);
    end_larger();
}

static void ask_or_split(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        (void)mmk_page_referenced(held);
}

static void asked(void)
{
    mmk_page_put(held);
    first_gone();
}

static void ask_or_zap(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, HUGE_PAGES);
    else
        (void)mmk_page_referenced(held);
}

static void asked_all_gone(void)
{
    mmk_page_put(held);
    all_gone();
}

/* ---- it is made of small ones ---------------------------------------------------------------- */

/* Pages of a table, which all CPUs have cached. */
static void setup_small(void)
{
    unsigned cpu, page;

    start_anon();
    make_table(1);
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        for (page = 0; page < HUGE_PAGES; page++)
            store(page, page + 1);
    }
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 0);
}

/*
 * A larger page that two have, and one of them has split: it need not be copied. The second CPU
 * takes no part in flushes.
 */
static void setup_split_shared(void)
{
    setup_all_held();
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
    expect(mmk_mprotect(world.mm, page_at(0), PAGE, MMK_PROT_READ) == 0);
    expect(mmk_mprotect(world.mm, page_at(0), PAGE, MMK_PROT_READ | MMK_PROT_WRITE) == 0);
    expect(count_larger(world.mm) == 0);
}

static int collapse(void)
{
    return mmk_madvise(world.mm, page_at(0), HUGE_PAGES * PAGE, MMK_MADV_COLLAPSE);
}

static void collapse_or_store(unsigned cpu)
{
    if (cpu == 0) {
        expect(collapse() == 0);
    } else {
        store(1, 9);
        store(2, 8);
    }
}

static void collapsed(void)
{
    expect(look(0) == 1 && look(1) == 9 && look(2) == 8 && look(3) == 4);
    expect(count_larger(world.mm) == 1);
}

static void collapse_or_migrate(unsigned cpu)
{
    if (cpu == 0)
        (void)!collapse();
    else
        migrate_page(world.mm, 2, false);
}

static void collapse_or_move(unsigned cpu)
{
    if (cpu == 0)
        (void)!collapse();
    else
        move_shared();
}

static void collapse_or_pin(unsigned cpu)
{
    if (cpu == 0)
        (void)!collapse();
    else
        expect(mmk_pin_pages(world.mm, page_at(1), 1, MMK_PIN_WRITE, &it.pinned) == 1);
}

static void collapsed_pinned(void)
{
    store(1, 9);
    expect(*(const uint64_t *)mmk_page_address(it.pinned) == 9);
    mmk_unpin_pages(&it.pinned, 1, true);
    expect_rest(2);
}

static void collapse_or_visit(unsigned cpu)
{
    struct mmk_table_ref ref;
    struct mmk_table_entry entry;

    if (cpu == 0) {
        (void)!collapse();
    } else if (mmk_table_pin(world.mm, page_at(1), &ref) == MMK_TABLE_PINNED) {
        expect(mmk_table_read(&ref, page_at(1), &entry) && entry.kind == MMK_ENTRY_PAGE);
        mmk_table_unpin(&ref);
    }
}

/* Two tables in a row of small pages. */
static void setup_two_small(void)
{
    unsigned page;

    setup_small();
    make_table(5);
    for (page = HUGE_PAGES; page < 2 * HUGE_PAGES; page++)
        store(page, page + 1);
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
}

/* The second stays as it is, or not. */
static void collapse_two_or_visit(unsigned cpu)
{
    struct mmk_table_ref ref;
    struct mmk_table_entry entry;

    if (cpu == 0) {
        (void)!mmk_madvise(world.mm, page_at(0), 2 * HUGE_PAGES * PAGE, MMK_MADV_COLLAPSE);
    } else if (mmk_table_pin(world.mm, page_at(5), &ref) == MMK_TABLE_PINNED) {
        expect(mmk_table_read(&ref, page_at(5), &entry) && entry.kind == MMK_ENTRY_PAGE);
        mmk_table_unpin(&ref);
    }
}

static void collapsed_two(void)
{
    expect(count_larger(world.mm) >= 1);
    expect_rest(0);
    expect(look(4) == 5 && look(7) == 8);
    end_larger();
}

/* As many as are in use: they may be too few by the time that somebody looks. */
static void collapse_next_or_zap(unsigned cpu)
{
    if (cpu == 0)
        (void)mmk_collapse(world.mm, UINT64_MAX);
    else
        dontneed(1, 3);
}

static void collapsed_next(void)
{
    expect(look(0) == 1 && look(1) == 0 && look(3) == 0);
    end_larger();
}

static void collapse_or_split(unsigned cpu)
{
    if (cpu == 0)
        (void)!collapse();
    else
        dontneed(0, 1);
}

static void collapse_or_access(unsigned cpu)
{
    const uint64_t word = 9;

    if (cpu == 0) {
        (void)!collapse();
        return;
    }
    expect(word_of(world.mm, 2) == 3);
    expect(mmk_mm_write(world.mm, page_at(1), &word, sizeof(word), 0) == sizeof(word));
}

static void collapsed_accessed(void)
{
    expect(look(0) == 1 && look(1) == 9);
    expect_rest(2);
}

/* ---- swap ------------------------------------------------------------------------------------ */

static int device_read(void *unused, uint64_t slot, void *const to[], unsigned count)
{
    unsigned i;

    (void)unused;
    for (i = 0; i < count; i++) {
        fibers_touch(&device[slot + i], FIBERS_READ);
        memset(to[i], 0, PAGE);
        *(uint64_t *)to[i] = device[slot + i];
    }
    return 0;
}

static int device_write(void *unused, uint64_t slot, const void *const from[], unsigned count)
{
    unsigned i;

    (void)unused;
    for (i = 0; i < count; i++) {
        fibers_touch(&device[slot + i], FIBERS_WRITE);
        fibers_touch(from[i], FIBERS_READ);
        device[slot + i] = __atomic_load_n((const uint64_t *)from[i], __ATOMIC_RELAXED);
    }
    return 0;
}

static const struct mmk_swap_ops ops = {.read = device_read, .write = device_write};

static void start_swap(void)
{
    memset(device, 0xee, sizeof(device));
    expect(mmk_swapon(&ops, NULL, SLOTS, 0, &area) == 0);
}

static void setup_swap(void)
{
    map_larger();
    start_swap();
}

static void setup_swap_held(void)
{
    setup_held();
    start_swap();
}

static void setup_swap_shared(void)
{
    setup_all_held();
    start_swap();
}

static void reclaim(struct mmk_page *page)
{
    mmk_page_lock(page);
    (void)!mmk_swap_out(page);
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
}

static void reclaim_or_store(unsigned cpu)
{
    if (cpu == 0) {
        reclaim(held);
    } else {
        store(2, 9);
        store(1, 8);
    }
}

static void swap_end(void)
{
    struct mmk_swap_stats stats;

    end_larger();
    mmk_swap_check();
    unmap(0, 16);
    mmk_swap_stats(area, &stats);
    expect(stats.used == 0);
    mmk_swap_area_stop(area, true);
    mmk_swap_area_remove(area);
}

static void reclaimed(void)
{
    expect(look(0) == 1 && look(1) == 8 && look(2) == 9 && look(3) == 4);
    swap_end();
}

static void page_out_or_store(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_madvise(world.mm, page_at(0), HUGE_PAGES * PAGE, MMK_MADV_PAGEOUT) == 0);
    } else {
        store(2, 9);
        store(1, 8);
    }
}

/* What was out may come back as one that is larger, when all of it was given back. */
static void page_out_or_zap(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_madvise(world.mm, page_at(2), PAGE, MMK_MADV_PAGEOUT) == 0);
    } else {
        dontneed(0, HUGE_PAGES);
        store(2, 9);
    }
}

static void paged_out(void)
{
    expect(look(0) == 0 && look(1) == 0 && look(2) == 9);
    swap_end();
}

/* One of the two entries goes; the other cannot, for want of a table, or goes as well. */
static void reclaim_shared(unsigned cpu)
{
    if (cpu == 0)
        reclaim(pages[2]);
    else
        (void)put_word(2, 9);
}

static void reclaimed_shared(void)
{
    uint64_t word;
    unsigned page;

    for (page = 0; page < HUGE_PAGES; page++)
        if (page != 2)
            mmk_page_put(pages[page]);
    word = word_of(world.mm, 2);
    expect((word == 9 || word == 3) && word_of(it.other, 2) == 3);
    swap_end();
}

const struct scenario scenarios_huge_page[] = {
    {.name = "huge.pinned",
     .what = "a part of a larger page is pinned while the process forks",
     .setup = map_larger,
     .body = pin_or_fork,
     .check = pinned_end,
     HUGE},
    {.name = "huge.pinned-split",
     .what = "a part of a larger page is pinned while it is split",
     .setup = map_larger,
     .body = pin_or_split,
     .check = pinned_split,
     HUGE},
    {.name = "huge.migrated",
     .what = "a page of a larger one goes to another frame while it is stored to",
     .setup = map_larger,
     .body = migrate_or_store,
     .check = migrated,
     HUGE},
    {.name = "huge.migrated-two",
     .what = "two pages of a larger one go to other frames: each is found",
     .setup = map_larger,
     .body = migrate_two,
     .check = unchanged,
     HUGE},
    {.name = "huge.split-migrated",
     .what = "a page of a larger one is looked for while that is split",
     .setup = map_larger,
     .body = split_or_migrate,
     .check = first_gone,
     HUGE},
    {.name = "huge.zap-migrated",
     .what = "a page of a larger one is looked for while that goes",
     .setup = map_larger,
     .body = zap_or_migrate,
     .check = all_gone,
     HUGE},
    {.name = "huge.migrated-shared",
     .what = "a page of two larger ones goes to another frame, and there may be no tables",
     .inject = FIBERS_FAIL_TABLE,
     .setup = setup_all_held,
     .body = migrate_shared,
     .check = migrated_shared,
     HUGE},
    {.name = "huge.asked",
     .what = "whether a larger page was used is asked while it is split",
     .setup = setup_held,
     .body = ask_or_split,
     .check = asked,
     HUGE},
    {.name = "huge.asked-zap",
     .what = "whether a larger page was used is asked while it goes",
     .setup = setup_held,
     .body = ask_or_zap,
     .check = asked_all_gone,
     HUGE},
    {.name = "huge.collapsed",
     .what = "small pages become a larger one while they are stored to",
     .setup = setup_small,
     .body = collapse_or_store,
     .check = collapsed,
     HUGE},
    {.name = "huge.collapsed-migrated",
     .what = "small pages become a larger one while one of them is looked for: it is found",
     .setup = setup_small,
     .body = collapse_or_migrate,
     .check = unchanged,
     HUGE},
    {.name = "huge.collapsed-shared",
     .what = "pages that two have become a larger one while one of them is looked for",
     .setup = setup_split_shared,
     .body = collapse_or_move,
     .check = migrated_shared,
     HUGE},
    {.name = "huge.collapsed-pinned",
     .what = "small pages become a larger one while one of them is pinned",
     .setup = setup_small,
     .body = collapse_or_pin,
     .check = collapsed_pinned,
     HUGE},
    {.name = "huge.collapsed-visited",
     .what = "small pages become a larger one while somebody visits their table",
     .setup = setup_small,
     .body = collapse_or_visit,
     .check = unchanged,
     HUGE},
    {.name = "huge.collapsed-two",
     .what = "small pages become two larger ones while somebody visits a table of theirs",
     .setup = setup_two_small,
     .body = collapse_two_or_visit,
     .check = collapsed_two,
     HUGE},
    {.name = "huge.collapsed-next",
     .what = "small pages become larger ones in the background while most of them go",
     .setup = setup_small,
     .body = collapse_next_or_zap,
     .check = collapsed_next,
     HUGE},
    {.name = "huge.collapsed-split",
     .what = "small pages become a larger one while one of them goes",
     .setup = setup_small,
     .body = collapse_or_split,
     .check = first_gone,
     HUGE},
    {.name = "huge.collapsed-software",
     .what = "small pages become a larger one while software reads and writes them",
     .setup = setup_small,
     .body = collapse_or_access,
     .check = collapsed_accessed,
     HUGE},
    {.name = "huge.reclaimed",
     .what = "a page of a larger one goes to swap while it is stored to",
     .setup = setup_swap_held,
     .body = reclaim_or_store,
     .check = reclaimed,
     HUGE},
    {.name = "huge.paged-out",
     .what = "the pages of a larger one go to swap while they are stored to",
     .setup = setup_swap,
     .body = page_out_or_store,
     .check = reclaimed,
     HUGE},
    {.name = "huge.paged-out-zap",
     .what = "a page of a larger one goes to swap while all of that goes, and another comes",
     .setup = setup_swap,
     .body = page_out_or_zap,
     .check = paged_out,
     HUGE},
    {.name = "huge.reclaimed-shared",
     .what = "a page of two larger ones goes to swap, and there may be no tables",
     .inject = FIBERS_FAIL_TABLE,
     .setup = setup_swap_shared,
     .body = reclaim_shared,
     .check = reclaimed_shared,
     HUGE},
    {.name = NULL},
};
