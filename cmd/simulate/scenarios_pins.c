/* SPDX-License-Identifier: MIT */
/*
 * scenarios_pins.c - tables that visitors keep while they sleep, faults among them, against whoever
 * empties, fills, moves or ends what the table is about. That nothing is left is checked after
 * every run.
 */
#include "rules.h"

#include <mmkit/table.h>

static struct mmk_table_ref kept; /* by the set-up, for a CPU that lets go of it */

static void visit(unsigned page)
{
    struct mmk_table_entry entry;
    struct mmk_table_ref ref;

    if (mmk_table_pin(world.mm, page_at(page), &ref) != MMK_TABLE_PINNED)
        return;
    expect(mmk_table_read(&ref, page_at(page), &entry));
    mmk_table_unpin(&ref);
}

/* The first table of `mm`, kept, with what page 0 had in it. */
static void keep(struct mmk_mm *mm, unsigned page)
{
    expect(mmk_table_pin(mm, page_at(page), &kept) == MMK_TABLE_PINNED);
}

static void setup_one(void)
{
    start_anon();
    touch_by(3, 0, 1);
}

static void setup_kept(void)
{
    setup_one();
    keep(world.mm, 0);
}

static void setup_kept_empty(void)
{
    setup_kept();
    dontneed(0, 1);
}

static void give_back_or_visit(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        visit(0);
}

static void setup_two(void)
{
    start_anon();
    touch_by(3, 0, 2);
}

/* Whichever comes last empties it, or the visitor does. */
static void visit_beside_two(unsigned cpu)
{
    if (cpu == 1)
        visit(0);
    dontneed(cpu, 1);
}

static void visit_beside_rest(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(1, 2);
        dontneed(1, 1);
    } else {
        visit(0);
    }
}

static void let_go_or_give_back(unsigned cpu)
{
    if (cpu == 0)
        mmk_table_unpin(&kept);
    else
        dontneed(0, 1);
}

static void let_go_or_fill(unsigned cpu)
{
    if (cpu == 0) {
        mmk_table_unpin(&kept);
    } else {
        store(1, 2);
        expect(look(1) == 2);
    }
}

static void filled(void)
{
    expect(look(0) == 0 && look(1) == 2);
}

static void let_go_or_unmap(unsigned cpu)
{
    if (cpu == 0)
        mmk_table_unpin(&kept);
    else
        unmap(0, 4);
}

static void let_go_or_move(unsigned cpu)
{
    if (cpu == 0) {
        mmk_table_unpin(&kept);
    } else {
        move_pages(0, 12, 4);
        store(13, 3);
    }
}

static void moved(void)
{
    expect(look(12) == 0 && look(13) == 3);
}

/* A table on its way to where an empty one is kept; CPU 1 knows the way to that. */
static void setup_in_the_way(void)
{
    start_anon();
    store(0, 1);
    map_pages(12, 4, RW, ANON);
    touch_by(3, 12, 1);
    keep(world.mm, 12);
    dontneed(12, 1);
}

/* The same, but nothing has to be unmapped for it. */
static void setup_left_behind(void)
{
    setup_in_the_way();
    unmap(12, 4);
}

static void let_go_or_exchange(unsigned cpu)
{
    if (cpu == 0)
        move_pages(0, 12, 4);
    else
        mmk_table_unpin(&kept);
}

static void came(void)
{
    expect(look(12) == 1);
}

/* The old place stays mapped, and is used, through the table that was in the way. */
static void exchange_and_use(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_mremap(world.mm, page_at(0), 4 * PAGE, 4 * PAGE,
                          MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP,
                          page_at(12)) == (int64_t)page_at(12));
        store(1, 7);
        say(&it.said);
    } else {
        if (heard(&it.said))
            expect(look(13) == 0);
        expect(look(12) <= 1);
    }
}

static void exchanged(void)
{
    expect(look(12) == 1 && look(1) == 7 && look(13) == 0);
    mmk_table_unpin(&kept);
}

/* Nobody runs the other address space. */
static void setup_ends(void)
{
    const uint64_t word = 1;

    start_anon();
    expect(mmk_fork(world.mm, &it.other) == 0);
    expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
    keep(it.other, 0);
}

static void let_go_or_end(unsigned cpu)
{
    if (cpu == 0)
        mmk_table_unpin(&kept);
    else
        mmk_mm_put(it.other);
}

static void let_go_or_fork(unsigned cpu)
{
    if (cpu == 0) {
        mmk_table_unpin(&kept);
    } else {
        expect(mmk_fork(world.mm, &it.other) == 0);
    }
}

static void forked(void)
{
    mmk_check(it.other);
    put_other();
}

/* The zero page: a store makes a copy of it, and may sleep for the memory, with the table kept. */
static void setup_read(void)
{
    start_anon();
    look_by_all(0, 1);
}

static void copy_or_give_back(unsigned cpu)
{
    if (cpu == 0)
        store(0, 5);
    else
        dontneed(0, 1);
}

static void copy_beside_rest(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 5);
    } else {
        dontneed(0, 1);
        store(1, 6);
        dontneed(1, 1);
    }
}

static void copied(void)
{
    expect((look(0) == 5 || look(0) == 0) && look(1) == 0);
}

/* Nothing comes into a table again that the reaper has emptied. */
static void copy_or_kill(unsigned cpu)
{
    enum mmk_fault_result result;
    uint64_t freed;

    if (cpu == 0) {
        result = put_word(0, 5);
        expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
    } else {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
            continue;
    }
}

static void killed_without_tables(void)
{
    expect(mmk_mm_table_bytes(world.mm) == MMK_PAGE_SIZE); /* the root */
}

static int see(const struct mmk_table_view *view, void *arg)
{
    struct mmk_table_entry entry;

    (void)arg;
    expect(mmk_table_read(&view->ref, view->start, &entry));
    return 0;
}

static void see_all_or_change(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_for_each_table(world.mm, see, NULL) == 0);
    } else {
        dontneed(0, 1);
        store(5, 5);
    }
}

const struct scenario scenarios_pins[] = {
    {.name = "free.visited",
     .what = "a table is emptied while a visitor comes",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = give_back_or_visit},
    {.name = "free.visited-two",
     .what = "a table is emptied by two, one of whom has just visited it",
     .cpus = 2,
     .independent = true,
     .setup = setup_two,
     .body = visit_beside_two},
    {.name = "free.visited-again",
     .what = "a table is emptied, comes back, and is emptied again while a visitor comes",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = visit_beside_rest},
    {.name = "free.visitors",
     .what = "a table is emptied while two visitors come and go",
     .cpus = 3,
     .independent = true,
     .setup = setup_one,
     .body = give_back_or_visit},
    {.name = "free.pinned",
     .what = "a kept table is emptied while its visitor lets go: one of the two frees it",
     .cpus = 2,
     .independent = true,
     .setup = setup_kept,
     .body = let_go_or_give_back},
    {.name = "free.pinned-fault",
     .what = "a kept table is filled while its visitor lets go",
     .cpus = 2,
     .independent = true,
     .setup = setup_kept_empty,
     .body = let_go_or_fill,
     .check = filled},
    {.name = "free.pinned-unmap",
     .what = "a kept table loses its mapping while its visitor lets go",
     .cpus = 2,
     .independent = true,
     .setup = setup_kept,
     .body = let_go_or_unmap},
    {.name = "free.pinned-move",
     .what = "a kept table, empty, moves while its visitor lets go",
     .cpus = 2,
     .independent = true,
     .setup = setup_kept_empty,
     .body = let_go_or_move,
     .check = moved},
    {.name = "free.exchanged",
     .what = "a table comes to where an empty one is kept, while its visitor lets go",
     .cpus = 2,
     .independent = true,
     .setup = setup_left_behind,
     .body = let_go_or_exchange,
     .check = came},
    {.name = "free.exchanged-used",
     .what = "a table that was in the way is used at the place that it was given",
     .cpus = 2,
     .independent = true,
     .setup = setup_in_the_way,
     .body = exchange_and_use,
     .check = exchanged},
    {.name = "free.pinned-exit",
     .what = "an address space ends while a visitor lets go of one of its tables",
     .cpus = 2,
     .independent = true,
     .setup = setup_ends,
     .body = let_go_or_end},
    {.name = "free.pinned-fork",
     .what = "fork beside a visitor that lets go of an empty table",
     .cpus = 2,
     .independent = true,
     .setup = setup_kept_empty,
     .body = let_go_or_fork,
     .check = forked},
    {.name = "free.copied",
     .what = "a page is given back while a fault that keeps its table copies it",
     .cpus = 2,
     .independent = true,
     .setup = setup_read,
     .body = copy_or_give_back,
     .check = copied},
    {.name = "free.copied-two",
     .what = "likewise, and a neighbour comes and goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_read,
     .body = copy_beside_rest,
     .check = copied},
    {.name = "free.copied-killed",
     .what = "a process is reaped while a fault of its keeps a table",
     .cpus = 2,
     .independent = true,
     .setup = setup_read,
     .body = copy_or_kill,
     .check = killed_without_tables},
    {.name = "free.each",
     .what = "all tables are visited while some come and go",
     .cpus = 2,
     .independent = true,
     .setup = setup_one,
     .body = see_all_or_change},
    {.name = NULL},
};
