/* SPDX-License-Identifier: MIT */
/*
 * scenarios_rmap.c - as scenarios_rules.c, the rules about the way back from a private page, and
 * those who go it.
 */
#include "rules.h"

#include "rmap_use.h"
#include "rmap_walk.h"

static struct mmk_page *page; /* which it is all about, with a reference */

/* The page of `mm` at number `at`, from now on held. */
static void hold(struct mmk_mm *mm, unsigned at)
{
    page = held_page(mm, at);
}

static void let_go(void)
{
    mmk_page_put(page);
    put_other();
    mmk_check(world.mm);
}

static uint32_t entries(void)
{
    bool found;

    return mmk_rmap_count(page, NULL, 0, &found);
}

static void setup_page(void)
{
    start_anon();
    store(0, 1);
    hold(world.mm, 0);
}

/* ---- P10: moving ----------------------------------------------------------------------------- */

/* It is looked for first where it was made, to where it comes back. */
static void setup_moved(void)
{
    setup_page();
    move_pages(0, 5, 1);
}

static void search_beside_move(unsigned cpu)
{
    if (cpu == 0)
        move_pages(5, 0, 1);
    else
        expect(entries() == 1);
}

static void moved_end(void)
{
    expect(look(0) == 1);
    let_go();
}

/* ---- R1: a neighbour that has moved -----------------------------------------------------------
 */

/* Two halves of a file's mapping, which differ in protection; the lower one has moved with a page.
 */
static void setup_neighbours(void)
{
    start_file();
    map_object(0, MMK_MAP_PRIVATE);
    expect(mmk_mprotect(world.mm, page_at(0), 2 * PAGE, RW | MMK_PROT_EXEC) == 0);
    store(0, 5);
    move_pages(2, 6, 2);
    move_pages(0, 4, 2);
}

/* The upper half comes to have pages, and becomes one with the lower. */
static void store_beside_store(unsigned cpu)
{
    store(6 + cpu, cpu);
}

static void neighbours_end(void)
{
    unsigned at;

    expect(mmk_mprotect(world.mm, page_at(4), 4 * PAGE, RW) == 0);
    move_pages(4, 8, 4);
    mmk_check(world.mm);
    for (at = 8; at < 12; at++) {
        if (at == 9)
            continue;
        hold(world.mm, at);
        expect(entries() == 1);
        mmk_page_put(page);
    }
    expect(look(8) == 5 && look(10) == 0 && look(11) == 1);
    put_file();
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void setup_discarded(void)
{
    start_anon();
    store(0, 1);
    expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_FREE) == 0);
    hold(world.mm, 0);
    expect(mmk_page_test(page, MMK_PF_LAZYFREE));
}

static bool discard(void)
{
    bool gone;

    mmk_page_lock(page);
    gone = mmk_page_try_to_unmap(page);
    mmk_page_unlock(page);
    return gone;
}

static void discard_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else
        expect(discard());
}

static void discarded_end(void)
{
    expect(mmk_page_mapcount(page) == 0);
    expect(look(0) == 0);
    mmk_check(it.other);
    let_go();
}

/* Nobody shares the page any more, which has yet to be found out. */
static void setup_left(void)
{
    start_touched();
    expect(mmk_fork(world.mm, &it.other) == 0);
    put_other();
    hold(world.mm, 0);
    mmk_page_put(page);
}

/* As reclaim, which knows it by its frame: from the page to its tables. The fault comes from one.
 */
static void visit_beside_store(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 7);
    } else if (mmk_page_get_unless_zero(page)) {
        mmk_page_lock(page);
        (void)mmk_page_referenced(page);
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
}

static void visited_end(void)
{
    expect(look(0) == 7);
    mmk_check(world.mm);
}

/* A device is about to write to it: without the entry's knowledge. */
static void setup_pinned(void)
{
    setup_discarded();
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
    *(uint64_t *)mmk_page_address(it.pinned) = 7;
}

static void discard_beside_unpin(unsigned cpu)
{
    if (cpu == 0)
        mmk_unpin_pages(&it.pinned, 1, true);
    else
        (void)discard();
}

static void discard_beside_store(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        (void)discard();
}

static void stored_end(void)
{
    expect(look(0) == 7);
    let_go();
}

/* ---- P16, KN2: exit -------------------------------------------------------------------------- */

/* it.other makes a page and has a child with it. */
static struct mmk_mm *grandchild;

static void setup_family(void)
{
    const uint64_t word = 4;

    start_anon();
    store(0, 1);
    expect(mmk_fork(world.mm, &it.other) == 0);
    expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
    hold(it.other, 0);
    expect(mmk_fork(it.other, &grandchild) == 0);
}

static void search_beside_exit(unsigned cpu)
{
    uint32_t found;

    if (cpu == 0) {
        put_other();
        store(4, 2); /* in what was freed, perhaps */
        return;
    }
    found = entries();
    expect(found == 1 || found == 2);
}

static void family_end(void)
{
    expect(entries() == 1);
    mmk_check(grandchild);
    expect(word_of(grandchild, 0) == 4);
    mmk_mm_put(grandchild);
    expect(mmk_page_mapcount(page) == 0);
    let_go();
}

/* Nobody is left who has it: there is nothing to find, nor to come to. */
static void setup_alone(void)
{
    setup_family();
    mmk_mm_put(grandchild);
}

static void search_beside_end(unsigned cpu)
{
    if (cpu == 0) {
        mmk_mm_put(it.other);
        expect(mmk_fork(world.mm, &it.other) == 0); /* where it was, perhaps */
    } else {
        expect(entries() <= 1);
    }
}

static void nobody_has_it(void)
{
    expect(entries() == 0);
    let_go();
}

/* The last two that have it let go of it together: one of them counts the orphan out. */
static void both_exit(unsigned cpu)
{
    mmk_mm_put(cpu == 0 ? it.other : grandchild);
}

static void both_gone(void)
{
    it.other = NULL;
    expect(mmk_page_mapcount(page) == 0 && mmk_kin_count() == 1);
    let_go();
}

/*
 * Two whose parent is gone, as is its parent, which made the page: one gives it up, the last to
 * have it, while the other ends, and finds that nothing needs its grandparent's kin any more.
 */
static struct mmk_mm *sibling;

static void setup_line(void)
{
    struct mmk_mm *parent;

    setup_family();
    parent = grandchild;
    expect(mmk_fork(parent, &grandchild) == 0);
    expect(mmk_fork(parent, &sibling) == 0);
    put_other();
    mmk_mm_put(parent);
    expect(mmk_madvise(sibling, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
    expect(entries() == 1 && mmk_kin_count() == 5);
}

static void search_beside_last(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(grandchild, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
    else if (cpu == 1)
        mmk_mm_put(sibling);
    else
        expect(entries() <= 1);
}

static void line_end(void)
{
    expect(entries() == 0);
    mmk_mm_put(grandchild);
    expect(mmk_kin_count() == 1);
    let_go();
}

const struct scenario scenarios_rmap[] = {
    {.name = "P10.searched",
     .what = "a private page moves back to where a search for it has just looked",
     .cpus = 2,
     .setup = setup_moved,
     .body = search_beside_move,
     .check = moved_end},
    {.name = "R1.forked",
     .what = "an entry is copied from where a search has been to where it does not find it yet",
     .cpus = 2,
     .setup = setup_discarded,
     .body = discard_beside_fork,
     .check = discarded_end},
    {.name = "R1.adopted",
     .what =
         "two pages are the first of a mapping whose neighbour has moved, and becomes one with it",
     .cpus = 2,
     .setup = setup_neighbours,
     .body = store_beside_store,
     .check = neighbours_end},
    {.name = "P13.discarded",
     .what = "a page is stored to while it is discarded",
     .cpus = 2,
     .setup = setup_discarded,
     .body = discard_beside_store,
     .check = stored_end},
    {.name = "P3.reclaimed",
     .what = "a fault finds a page to be its own whose tables reclaim looks for",
     .cpus = 2,
     .setup = setup_left,
     .body = visit_beside_store,
     .check = visited_end},
    {.name = "P13.unpinned",
     .what = "a device lets go of a page that it has written to while it is discarded",
     .cpus = 2,
     .setup = setup_pinned,
     .body = discard_beside_unpin,
     .check = stored_end},
    {.name = "P16.searched",
     .what = "a process ends while a page that it made is looked for; its child keeps the page",
     .cpus = 2,
     .setup = setup_family,
     .body = search_beside_exit,
     .check = family_end},
    {.name = "P16.gone",
     .what = "the process that has a page ends just as a search for the page comes to it",
     .cpus = 2,
     .setup = setup_alone,
     .body = search_beside_end,
     .check = nobody_has_it},
    {.name = "R1.orphan",
     .what = "the two that have a page, its owner one of them, let go of it together",
     .cpus = 2,
     .setup = setup_family,
     .body = both_exit,
     .check = both_gone},
    {.name = "R1.line",
     .what = "nothing needs a kin any more, just as a search comes to it",
     .cpus = 3,
     .setup = setup_line,
     .body = search_beside_last,
     .check = line_end},
    {.name = NULL},
};
