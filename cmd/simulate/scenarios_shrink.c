/* SPDX-License-Identifier: MIT */
/*
 * scenarios_shrink.c - as scenarios_rules.c, what giving back tables must get right beside whoever
 * uses them, or takes them away. A table of the tiny format has four pages.
 */
#include "file.h"
#include "rules.h"

#include "shrink.h"
#include "walk.h"

/* What reclaim does last: a round over all tables, used or not. */
static void shrink(void)
{
    uint64_t pages = 0;

    (void)mmk_shrink_round(NULL, UINT64_MAX, true, &pages);
}

/* Pages 0 and 1 of a table: the zero page. */
static void setup_zero(void)
{
    start_anon();
    look_by_all(0, 2);
}

/* Page 0: marked by MADV_FREE, with its content still there; page 1: the zero page. */
static void setup_free(void)
{
    start_anon();
    store(0, 1);
    expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_FREE) == 0);
    look_by_all(0, 2);
}

static void setup_file(void)
{
    start_shared_file();
    file.word[0] = 1;
    look_by_all(0, 1);
}

static void setup_dirty(void)
{
    start_shared_file();
    touch_by(3, 0, 1);
}

/*
 * Writable, and clean: what a write-back leaves that has passed the entry before it came, and
 * written the page after that.
 */
static void setup_written(void)
{
    struct mmk_page *page;
    struct mmk_walk walk;
    mmk_pte_t pte;

    setup_dirty();
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    page = held_page(world.mm, 0);
    mmk_rcu_read_lock();
    mmk_walk_lock(world.mm, page_at(0), &walk);
    pte = mmk_pte_read(walk.entry);
    expect(mmk_pte_change(walk.entry, &pte, mmk_pte_mkwrite(mmk_pte_mkold_clean(pte))));
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    expect(!mmk_page_test(page, MMK_PF_DIRTY));
    mmk_page_put(page);
}

/* ---- use ------------------------------------------------------------------------------------- */

static void shrink_beside_store(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        store(0, 7);
}

static void stored_end(void)
{
    expect(look(0) == 7);
    expect(look(1) == 0);
}

static void shrink_beside_look(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        expect(look(1) == 0);
}

static void untouched_end(void)
{
    expect(look(0) == 0 && look(1) == 0);
}

/* The page is dropped from memory, too: what was stored to it must be in the file by then. */
static void file_stored_end(void)
{
    (void)mmk_reclaim(4);
    expect(look(0) == 7);
    put_file();
}

static void shrink_beside_file_look(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        expect(look(0) == 1);
}

static void file_end(void)
{
    expect(look(0) == 1);
    put_file();
}

static void shrink_beside_shrink(unsigned cpu)
{
    (void)cpu;
    shrink();
}

/* Whoever has had it zapped finds zeros, also when another has taken the entry and not flushed. */
static void shrink_beside_zap(unsigned cpu)
{
    if (cpu == 0) {
        shrink();
    } else {
        dontneed(0, 1);
        expect(look(0) == 0);
    }
}

/* The second chance: what is used stays, or comes again; nothing of it shows. */
static void shrink_twice(unsigned cpu)
{
    if (cpu == 0) {
        (void)mmk_shrink_tables(world.mm, 4 * PAGE);
        (void)mmk_shrink_tables(world.mm, 4 * PAGE);
    } else {
        store(0, 7);
    }
}

/* One is written back, and stored to, and its table goes. */
static void shrink_beside_sync(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else if (cpu == 1)
        expect(mmk_object_sync(it.object, 0, 4 * PAGE) == 0);
    else
        store(0, 7);
}

static void shrink_beside_reclaim(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        (void)mmk_reclaim(1);
}

static void freed_end(void)
{
    uint64_t word = look(0);

    expect(word == 0 || word == 1);
}

static void shrink_beside_lock(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        lock_first();
}

static void locked_end(void)
{
    expect_first();
    file_end();
}

/*
 * Who is told of a store finds it, though a table of what was there before is just going. Who gives
 * the table back and who stores (for another process, as a debugger) do not run the address space,
 * and the tables above stay: there is one TLB to flush, and schedules are few enough.
 */
static void shrink_beside_told(unsigned cpu)
{
    const uint64_t word = 7;

    if (cpu == 0) {
        shrink();
    } else if (cpu == 1) {
        expect(mmk_mm_write(world.mm, page_at(0), &word, sizeof(word), 0) == sizeof(word));
        say(&it.said);
    } else if (heard(&it.said)) {
        expect(look(0) == 7);
    }
}

/* CPU 2 alone goes on in the address space, of which page 4 is mapped. */
static void leave_to_last(void)
{
    store(4, 4);
    mmk_host_rcu_barrier();
    machine_switch_mm(NULL);
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
}

static void setup_told(void)
{
    setup_zero();
    leave_to_last();
}

static void setup_told_free(void)
{
    setup_free();
    leave_to_last();
}

static void told_end(void)
{
    machine_switch_mm(world.mm);
    stored_end();
    expect(look(4) == 4);
}

/* Likewise, in a private mapping: a copy comes where the file's page was. */
static void setup_private(void)
{
    start_file();
    map_object(0, MMK_MAP_PRIVATE);
    file.word[0] = 1;
    look_by_all(0, 1);
    map_pages(4, 1, RW, ANON);
    leave_to_last();
}

static void private_end(void)
{
    machine_switch_mm(world.mm);
    expect(look(0) == 7);
    put_file();
}

/* ---- copies, and other places ---------------------------------------------------------------- */

static void shrink_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void forked_end(void)
{
    uint64_t word = word_of(it.other, 0);

    freed_end();
    expect(word == 0 || word == 1);
    mmk_check(it.other);
    put_other();
}

static void shrink_beside_move(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        move_pages(0, 8, 4);
}

static void moved_end(void)
{
    expect(look(8) == 1);
    expect(look(0) == ~(uint64_t)0);
    put_file();
}

/* ---- going away ------------------------------------------------------------------------------ */

static void shrink_beside_unmap(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        unmap(0, 4);
}

static void unmapped_end(void)
{
    expect(look(0) == ~(uint64_t)0);
}

static void setup_other(void)
{
    start_anon();
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(0));
    expect(word_of(it.other, 0) == 0);
}

static void shrink_beside_exit(unsigned cpu)
{
    if (cpu == 0) {
        shrink();
    } else {
        put_other();
    }
}

static void shrink_beside_truncate(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        expect(mmk_object_resize(it.object, 0) == 0);
}

static void truncated_end(void)
{
    expect(look(0) == ~(uint64_t)0);
    put_file();
}

/* ---- a secondary MMU ------------------------------------------------------------------------- */

static void setup_mirror(void)
{
    setup_file();
    start_mirror();
}

/* It comes while a table goes: either the table stays, or it is not found any more. */
static void shrink_beside_register(unsigned cpu)
{
    if (cpu == 0)
        shrink();
    else
        mirror_first();
}

static void mirror_end(void)
{
    put_mirror();
    file_end();
}

const struct scenario scenarios_shrink[] = {
    {.name = "shrink.store",
     .what = "a page comes to a table of zero pages while that goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_zero,
     .body = shrink_beside_store,
     .check = stored_end},
    {.name = "shrink.look",
     .what = "a table is built again while it goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_zero,
     .body = shrink_beside_look,
     .check = untouched_end},
    {.name = "shrink.freed",
     .what = "a lazily freed page is stored to while its table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_beside_store,
     .check = stored_end},
    {.name = "shrink.told",
     .what = "a store to a zero page whose table goes is told of",
     .cpus = 3,
     .independent = true,
     .setup = setup_told,
     .body = shrink_beside_told,
     .check = told_end},
    {.name = "shrink.told-freed",
     .what = "a store to a lazily freed page whose table goes is told of",
     .cpus = 3,
     .independent = true,
     .setup = setup_told_free,
     .body = shrink_beside_told,
     .check = told_end},
    {.name = "shrink.told-copy",
     .what = "a store to a private mapping whose table goes is told of",
     .cpus = 3,
     .independent = true,
     .setup = setup_private,
     .body = shrink_beside_told,
     .check = private_end},
    {.name = "shrink.twice",
     .what = "a table is looked at, and goes, while its page is stored to",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_twice,
     .check = stored_end},
    {.name = "shrink.dirty",
     .what = "a file's page that was clean is stored to while its table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_written,
     .body = shrink_beside_store,
     .check = file_stored_end},
    {.name = "shrink.faulted",
     .what = "a file's page is made writable, and stored to, while its table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_file,
     .body = shrink_beside_store,
     .check = file_stored_end},
    {.name = "shrink.file",
     .what = "a file's page is looked up while its table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_file,
     .body = shrink_beside_file_look,
     .check = file_end},
    {.name = "shrink.sync",
     .what = "a page is written back, and stored to, while its table goes",
     .cpus = 3,
     .independent = true,
     .setup = setup_dirty,
     .body = shrink_beside_sync,
     .check = file_stored_end},
    {.name = "shrink.both",
     .what = "two give back the same table",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_beside_shrink,
     .check = untouched_end},
    {.name = "shrink.zap",
     .what = "a page is zapped while its table goes, and is still cached",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_beside_zap,
     .check = untouched_end},
    {.name = "shrink.reclaim",
     .what = "a page is reclaimed while its table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_beside_reclaim,
     .check = freed_end},
    {.name = "shrink.lock",
     .what = "a table goes whose page mlock has just found there",
     .cpus = 2,
     .independent = true,
     .setup = setup_file,
     .body = shrink_beside_lock,
     .check = locked_end},
    {.name = "shrink.fork",
     .what = "a table goes while it is copied",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_beside_fork,
     .check = forked_end},
    {.name = "shrink.move",
     .what = "a table goes while it moves",
     .cpus = 2,
     .independent = true,
     .setup = setup_file,
     .body = shrink_beside_move,
     .check = moved_end},
    {.name = "shrink.unmap",
     .what = "a table goes while it is unmapped",
     .cpus = 2,
     .independent = true,
     .setup = setup_free,
     .body = shrink_beside_unmap,
     .check = unmapped_end},
    {.name = "shrink.exit",
     .what = "an address space goes while its table is given back",
     .cpus = 2,
     .independent = true,
     .setup = setup_other,
     .body = shrink_beside_exit},
    {.name = "shrink.truncate",
     .what = "a file's page is truncated while its table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_file,
     .body = shrink_beside_truncate,
     .check = truncated_end},
    {.name = "shrink.mirror",
     .what = "a secondary MMU comes while a table goes",
     .cpus = 2,
     .independent = true,
     .setup = setup_mirror,
     .body = shrink_beside_register,
     .check = mirror_end},
    {.name = NULL},
};
