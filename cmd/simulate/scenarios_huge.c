/* SPDX-License-Identifier: MIT */
/*
 * scenarios_huge.c - larger pages (src/huge.h) come, are split, move, are shared, and go, beside
 * what is done to parts of them.
 *
 * That each page is where it should be is looked for afterwards, by its word; that no table and no
 * frame is left, by every run.
 */
#include "larger.h"

#include "frame.h"
#include "shrink.h"
#include "swap_cache.h"
#include "swap_out.h"
#include <mmkit/table.h>

static struct mmk_page *held;     /* with a reference */
static struct mmk_table_ref kept; /* by a visitor */

/* ---- set-ups --------------------------------------------------------------------------------- */

/* The child has let go of page 0. */
static void setup_partly_shared(void)
{
    share_larger();
    expect(mmk_munmap(it.other, page_at(0), PAGE) == 0);
}

/* The last CPU runs the child. */
static void setup_two_run(void)
{
    share_larger();
    fibers_be_cpu(world.cpus - 1);
    machine_switch_mm(it.other);
    fibers_be_cpu(0);
}

static void setup_read(void)
{
    start_anon();
    make_table(1);
}

/* The first CPU keeps a table that it has just given back. */
static void setup_left(void)
{
    setup_read();
    dontneed(1, 1);
}

/* ---- it comes -------------------------------------------------------------------------------- */

static void store_both(unsigned cpu)
{
    store(cpu, cpu + 1);
}

static void came_once(void)
{
    struct mmk_mm_stats stats;

    expect(look(0) == 1 && look(1) == 2 && look(3) == 0);
    mmk_mm_stats(world.mm, &stats);
    expect(stats.huge == 1 && stats.rss_anon == HUGE_PAGES);
}

static void store_or_look(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(look(1) == 0);
}

static void expect_seven(void)
{
    expect(look(0) == 7 && look(1) == 0 && look(3) == 0);
    end_larger();
}

/* What is partly filled becomes empty, so that either may come. */
static void store_or_empty(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        dontneed(1, 1);
}

/* Nobody is left in the table but a visitor. */
static void setup_kept(void)
{
    setup_read();
    expect(mmk_table_pin(world.mm, page_at(0), &kept) == MMK_TABLE_PINNED);
    dontneed(1, 1);
}

static void store_or_let_go(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        mmk_table_unpin(&kept);
}

/* Of small pages, which the second CPU has cached, all may be discarded. */
static void setup_lazy(void)
{
    setup_read();
    fibers_be_cpu(1);
    store(2, 3);
    expect(mmk_madvise(world.mm, page_at(0), HUGE_PAGES * PAGE, MMK_MADV_FREE) == 0);
    dontneed(1, 1);
    expect(look(2) == 3);
    fibers_be_cpu(0);
    held = held_page(world.mm, 2);
}

static void store_or_discard(unsigned cpu)
{
    if (cpu == 0) {
        mmk_page_lock(held);
        (void)!mmk_swap_out(held);
        mmk_page_unlock(held);
        mmk_swap_put_page(held);
        store(0, 7);
    } else {
        store(3, 8);
    }
}

static void store_or_shrink(unsigned cpu)
{
    uint64_t looked = 0;

    if (cpu == 0) {
        mmk_page_put(held);
        (void)mmk_shrink_round(NULL, UINT64_MAX, true, &looked);
        store(0, 7);
    } else {
        store(3, 8);
    }
}

static void discarded(void)
{
    uint64_t word = look(2);

    expect(look(0) == 7 && look(1) == 0 && look(3) == 8);
    expect(word == 3 || word == 0);
}

static void store_or_advise_part(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        dontneed(1, 2);
}

static void store_or_advise_all(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        dontneed(0, HUGE_PAGES);
}

/* Who has heard of it finds zeros, or what has been stored since. */
static void store_again_or_advise(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, HUGE_PAGES);
        store(1, 9);
        say(&it.said);
        return;
    }
    if (heard(&it.said))
        expect(look(1) == 9 && look(0) == 0);
    store(3, 8);
}

static void stored_again(void)
{
    uint64_t word = look(3);

    expect(look(0) == 0 && look(1) == 9 && (word == 0 || word == 8));
}

static void expect_seven_or_none(void)
{
    uint64_t word = look(0);

    expect((word == 7 || word == 0) && look(1) == 0);
}

static void store_or_unmap_part(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        unmap(1, 2);
}

static void unmapped_part(void)
{
    expect(look(0) == 7 && look(1) == ~(uint64_t)0 && look(3) == 0);
}

static void store_or_unmap_all(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu != 0) {
        unmap(0, HUGE_PAGES);
        return;
    }
    result = put_word(0, 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
}

static void store_or_protect(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_mprotect(world.mm, page_at(1), 2 * PAGE, RO) == 0);
}

static void protected_part(void)
{
    expect(put_word(1, 1) == MMK_FAULT_SEGV_ACCERR && put_word(3, 3) == MMK_FAULT_DONE);
    expect(look(0) == 7 && look(1) == 0 && look(3) == 3);
}

static void store_or_guard(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_madvise(world.mm, page_at(1), PAGE, MMK_MADV_GUARD_INSTALL) == 0);
}

static void guarded_end(void)
{
    expect(look(0) == 7 && look(1) == ~(uint64_t)0 && look(2) == 0);
}

static void store_or_fork(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_fork(world.mm, &it.other) == 0);
}

static void forked_new(void)
{
    uint64_t word = word_of(it.other, 0);

    expect(look(0) == 7 && (word == 7 || word == 0));
    end_larger();
}

static void store_or_kill(unsigned cpu)
{
    enum mmk_fault_result result;
    uint64_t freed;

    if (cpu == 0) {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
            continue;
        return;
    }
    result = put_word(4 * (cpu - 1), 7);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
}

static void store_or_free(unsigned cpu)
{
    if (cpu == 0)
        store(0, 7);
    else
        expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_FREE) == 0);
}

/* ---- a part of it goes ----------------------------------------------------------------------- */

static void split_or_store(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        store(1, 9);
}

static void expect_nine(void)
{
    expect(look(0) == 0 && look(1) == 9);
    expect_rest(2);
    expect(count_larger(world.mm) == 0);
}

static void split_or_look(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        expect(look(1) == 2);
}

static void split_by_two(unsigned cpu)
{
    dontneed(cpu, 1);
}

static void two_gone(void)
{
    expect(look(0) == 0 && look(1) == 0);
    expect_rest(2);
}

static void split_or_zap(unsigned cpu)
{
    if (cpu == 0)
        dontneed(0, 1);
    else
        dontneed(0, HUGE_PAGES);
}

/* What is in use goes, and what comes after that. */
static void store_twice_or_kill(unsigned cpu)
{
    store_or_kill(cpu);
    if (cpu == 1)
        store_or_kill(2);
}

/* Two empty the table that one of them has made. */
static void empty_by_halves(unsigned cpu)
{
    dontneed(2 * cpu, 2);
}

/* One does, while the table above is in use. */
static void empty_beside(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 2);
        dontneed(2, 2);
    } else {
        store(5, 5);
    }
}

static void emptied(void)
{
    unmap(4, HUGE_PAGES);
    only_the_root();
    store(0, 5);
    expect(look(0) == 5 && look(2) == 0 && count_larger(world.mm) == 1);
}

static void lockless_beside(unsigned cpu)
{
    mmk_paddr_t phys = 0;
    unsigned prot;

    if (cpu == 0) {
        dontneed(3, 1);
        return;
    }
    if (mmk_translate(world.mm, page_at(1), MMK_ACCESS_WRITE, &phys, &prot) == 0)
        expect(phys == mmk_page_to_pfn(held) << MMK_PAGE_SHIFT);
}

static void setup_translated(void)
{
    map_larger();
    held = held_page(world.mm, 1);
}

static void translated(void)
{
    mmk_page_put(held);
    expect(look(0) == 1 && look(1) == 2 && look(2) == 3 && look(3) == 0);
}

/* Of which pages it was told, that they are mapped. */
static int note_told(const struct mmk_table_entry *entry, void *arg)
{
    uint64_t i;

    expect(entry->kind == MMK_ENTRY_PAGE);
    for (i = 0; i < entry->size / PAGE; i++)
        *(unsigned *)arg |= 1u << ((entry->addr - page_at(0)) / PAGE + i);
    return 0;
}

static int see_all(const struct mmk_table_view *view, void *arg)
{
    struct mmk_table_entry entry;

    (void)arg;
    if (view->size > HUGE_PAGES * PAGE && mmk_table_read(&view->ref, page_at(0), &entry))
        expect(entry.kind == MMK_ENTRY_PAGE || entry.kind == MMK_ENTRY_TABLE);
    return 0;
}

/* A page that is there throughout is told of; a larger page is never anything else. */
static void told_beside(unsigned cpu)
{
    unsigned told = 0;

    if (cpu == 0) {
        dontneed(3, 1);
        return;
    }
    expect(mmk_for_each_entry(world.mm, page_at(0), page_at(HUGE_PAGES), note_told, &told) == 0);
    expect((told & 7) == 7);
    expect(mmk_for_each_table(world.mm, see_all, NULL) == 0);
}

/* What is there throughout is seen. */
static void mincore_beside(unsigned cpu)
{
    uint8_t vec[HUGE_PAGES] = {0};

    if (cpu == 0) {
        dontneed(3, 1);
        return;
    }
    expect(mmk_mincore(world.mm, page_at(0), sizeof(vec) * PAGE, vec) == 0);
    expect(vec[0] == 1 && vec[1] == 1 && vec[2] == 1);
}

static void last_gone(void)
{
    expect(look(0) == 1 && look(1) == 2 && look(2) == 3 && look(3) == 0);
}

static void software_beside(unsigned cpu)
{
    const uint64_t word = 9;

    if (cpu == 0) {
        dontneed(0, 1);
        return;
    }
    expect(word_of(world.mm, 2) == 3);
    expect(mmk_mm_write(world.mm, page_at(1), &word, sizeof(word), 0) == sizeof(word));
}

static void protect_beside(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_mprotect(world.mm, page_at(0), PAGE, RO) == 0);
        say(&it.said);
        return;
    }
    store(1, 9);
    if (heard(&it.said)) {
        result = put_word(0, 8);
        expect(result == MMK_FAULT_SEGV_ACCERR);
    }
}

static void protected_end(void)
{
    expect(look(0) == 1 && look(1) == 9);
    expect_rest(2);
    expect(put_word(0, 8) == MMK_FAULT_SEGV_ACCERR);
}

static void protect_all_beside(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_mprotect(world.mm, page_at(0), HUGE_PAGES * PAGE, RO) == 0);
        say(&it.said);
        expect(mmk_mprotect(world.mm, page_at(0), HUGE_PAGES * PAGE, RW) == 0);
        return;
    }
    (void)heard(&it.said);
    (void)put_word(1, 9);
    expect(look(2) == 3);
}

static void protected_all(void)
{
    uint64_t word = look(1);

    expect(word == 2 || word == 9);
    expect(look(0) == 1 && count_larger(world.mm) == 1);
    store(1, 10);
    expect_rest(2);
}

static void free_beside(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(world.mm, page_at(0), 2 * PAGE, MMK_MADV_FREE) == 0);
    else
        store(1, 9);
}

static void freed_end(void)
{
    expect(look(0) == 1 && look(1) == 9);
    expect_rest(2);
}

/* ---- it moves -------------------------------------------------------------------------------- */

static void move_or_look(unsigned cpu)
{
    uint64_t word;

    if (cpu == 0) {
        move_pages(0, 12, HUGE_PAGES);
        store(13, 9);
        say(&it.said);
        return;
    }
    if (heard(&it.said)) {
        expect(look(1) == ~(uint64_t)0 && look(13) == 9);
        return;
    }
    word = look(1);
    expect(word == 2 || word == ~(uint64_t)0);
}

static void moved(void)
{
    expect(look(12) == 1 && look(13) == 9 && look(15) == 4 && look(0) == ~(uint64_t)0);
    expect(count_larger(world.mm) == 1);
}

/* By so much that it is none any more. */
static void move_aside_or_look(unsigned cpu)
{
    uint64_t word;

    if (cpu == 0) {
        move_pages(0, 13, HUGE_PAGES);
        store(14, 9);
        return;
    }
    word = look(1);
    expect(word == 2 || word == ~(uint64_t)0);
}

static void moved_aside(void)
{
    expect(look(13) == 1 && look(14) == 9 && look(16) == 4 && look(0) == ~(uint64_t)0);
    expect(count_larger(world.mm) == 0);
}

/* A table is kept where it comes to, by a CPU that takes no part in flushes. */
static void setup_in_the_way(void)
{
    map_larger();
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
    map_pages(12, HUGE_PAGES, RW, ANON);
    make_table(12);
    expect(mmk_table_pin(world.mm, page_at(12), &kept) == MMK_TABLE_PINNED);
    dontneed(12, 1);
}

static void move_or_let_go(unsigned cpu)
{
    if (cpu == 0)
        move_pages(0, 12, HUGE_PAGES);
    else
        mmk_table_unpin(&kept);
}

static void all_moved(void)
{
    expect(look(12) == 1 && look(13) == 2 && look(15) == 4 && look(0) == ~(uint64_t)0);
    store(13, 9);
    expect(look(13) == 9);
}

static void exchanged(void)
{
    expect(count_larger(world.mm) == 1);
    all_moved();
}

static void move_or_migrate(unsigned cpu)
{
    if (cpu == 0)
        move_pages(0, 12, HUGE_PAGES);
    else
        migrate_page(world.mm, 1, false);
}

/* ---- it is shared ---------------------------------------------------------------------------- */

static void fork_or_store(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        store(0, 9);
    } else {
        store(1, 8);
    }
}

static void forked(void)
{
    uint64_t word = word_of(it.other, 1);

    expect(look(0) == 9 && look(1) == 8);
    expect_rest(2);
    expect(word_of(it.other, 0) == 1 && (word == 2 || word == 8) && word_of(it.other, 3) == 4);
    end_larger();
}

static void copy_by_two(unsigned cpu)
{
    store(2 * cpu, 9);
}

static void copied_by_two(void)
{
    unsigned page;

    expect(look(0) == 9 && look(1) == 2 && look(2) == 9 && look(3) == 4);
    for (page = 0; page < HUGE_PAGES; page++)
        expect(word_of(it.other, page) == page + 1);
    end_larger();
}

static void store_in_both(unsigned cpu)
{
    if (cpu == 0) {
        store(1, 9);
        store(2, 9);
    } else {
        store(1, 8);
    }
}

static void stored_in_both(void)
{
    expect(look(0) == 1 && look(1) == 9 && look(2) == 9 && look(3) == 4);
    expect(word_of(it.other, 0) == 1 && word_of(it.other, 1) == 8 && word_of(it.other, 2) == 3);
    fibers_be_cpu(1);
    machine_switch_mm(world.mm);
    fibers_be_cpu(0);
    end_larger();
}

/* The writer's own by then, or not; a part of it is, as the other has it no more. */
static void store_or_exit(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 9);
        store(1, 9);
    } else {
        put_other();
    }
}

static void own_again(void)
{
    expect(look(0) == 9 && look(1) == 9);
    expect_rest(2);
}

static void store_or_child_unmaps(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 9);
        store(1, 9);
    } else {
        expect(mmk_munmap(it.other, page_at(1), PAGE) == 0);
    }
}

static void partly_own(void)
{
    expect(look(0) == 9 && look(1) == 9);
    expect_rest(2);
    expect(word_of(it.other, 2) == 3 && word_of(it.other, 3) == 4);
    end_larger();
}

/* What is stored comes in the place of what the other has taken, and many have cached. */
static void store_or_zap_shared(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 7);
    } else {
        dontneed(0, HUGE_PAGES);
        store(1, 9);
    }
}

static void zapped_shared(void)
{
    uint64_t word = look(0);

    expect((word == 7 || word == 0) && look(1) == 9 && look(3) == 0);
    expect(word_of(it.other, 0) == 1 && word_of(it.other, 3) == 4);
    end_larger();
}

static void fork_or_migrate(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        store(1, 9);
    } else {
        migrate_page(world.mm, 1, false);
    }
}

static void forked_migrated(void)
{
    expect(look(0) == 1 && look(1) == 9);
    expect_rest(2);
    expect(word_of(it.other, 1) == 2 && word_of(it.other, 3) == 4);
    end_larger();
}

const struct scenario scenarios_huge[] = {
    {.name = "huge.both",
     .what = "two touch parts of what one larger page is to map",
     .setup = start_anon,
     .body = store_both,
     .check = came_once,
     HUGE},
    {.name = "huge.filled",
     .what = "a larger page comes while one of zeros does",
     .setup = start_anon,
     .body = store_or_look,
     .check = expect_seven,
     HUGE},
    {.name = "huge.emptied",
     .what = "a larger page comes while the table in its place goes",
     .setup = setup_read,
     .body = store_or_empty,
     .check = expect_seven,
     HUGE},
    {.name = "huge.left",
     .what = "a larger page comes while a table that has just gone comes back",
     .setup = setup_left,
     .body = store_or_look,
     .check = expect_seven,
     HUGE},
    {.name = "huge.visited",
     .what = "a larger page comes while the table in its place is let go of",
     .setup = setup_kept,
     .body = store_or_let_go,
     .check = expect_seven,
     HUGE},
    {.name = "huge.discarded",
     .what = "a larger page comes while reclaim empties the table in its place",
     .setup = setup_lazy,
     .body = store_or_discard,
     .check = discarded,
     HUGE},
    {.name = "huge.shrunk",
     .what = "a larger page comes while the table in its place is given back with its pages",
     .setup = setup_lazy,
     .body = store_or_shrink,
     .check = discarded,
     HUGE},
    {.name = "huge.advised-part",
     .what = "a larger page comes while a part of it is given back",
     .setup = start_anon,
     .body = store_or_advise_part,
     .check = expect_seven,
     HUGE},
    {.name = "huge.advised",
     .what = "a larger page comes while all of it is given back",
     .setup = start_anon,
     .body = store_or_advise_all,
     .check = expect_seven_or_none,
     HUGE},
    {.name = "huge.again",
     .what = "a larger page goes, and another comes, while others use it",
     .setup = map_larger,
     .body = store_again_or_advise,
     .check = stored_again,
     HUGE},
    {.name = "huge.unmapped-part",
     .what = "a larger page comes while a part of its mapping goes",
     .setup = start_anon,
     .body = store_or_unmap_part,
     .check = unmapped_part,
     HUGE},
    {.name = "huge.unmapped",
     .what = "a larger page comes while its mapping goes",
     .setup = start_anon,
     .body = store_or_unmap_all,
     .check = only_the_root,
     HUGE},
    {.name = "huge.protected-part",
     .what = "a larger page comes while a part of its mapping becomes read-only",
     .setup = start_anon,
     .body = store_or_protect,
     .check = protected_part,
     HUGE},
    {.name = "huge.guarded",
     .what = "a larger page comes while a guard comes to a part of it",
     .setup = start_anon,
     .body = store_or_guard,
     .check = guarded_end,
     HUGE},
    {.name = "huge.freed-new",
     .what = "a larger page comes while parts of it are said to be of no use",
     .setup = start_anon,
     .body = store_or_free,
     .check = expect_seven_or_none,
     HUGE},
    {.name = "huge.forked-new",
     .what = "a larger page comes while the process forks",
     .setup = start_anon,
     .body = store_or_fork,
     .check = forked_new,
     HUGE},
    {.name = "huge.killed",
     .what = "a larger page comes after the reaper has passed",
     .setup = start_anon,
     .body = store_or_kill,
     .check = only_the_root,
     HUGE},
    {.name = "huge.reaped",
     .what = "the reaper takes a larger page that is in use, while another comes",
     .setup = map_larger,
     .body = store_twice_or_kill,
     .check = only_the_root,
     HUGE},
    {.name = "huge.store",
     .what = "a larger page is split while a part of it is stored to",
     .setup = map_larger,
     .body = split_or_store,
     .check = expect_nine,
     HUGE},
    {.name = "huge.marker",
     .what = "a larger page is split under a CPU that remembers what it could not use",
     .mmu = MACHINE_KEEPS_FAULTED | MACHINE_KEEPS_ABSENCE,
     .exact_faults = true,
     .setup = map_larger,
     .body = split_or_store,
     .check = expect_nine,
     HUGE},
    {.name = "huge.look",
     .what = "a larger page is split while a part of it is read",
     .setup = map_larger,
     .body = split_or_look,
     .check = first_gone,
     HUGE},
    {.name = "huge.two",
     .what = "a larger page is split by two",
     .setup = map_larger,
     .body = split_by_two,
     .check = two_gone,
     HUGE},
    {.name = "huge.zap",
     .what = "a larger page is split while all of it goes",
     .setup = map_larger,
     .body = split_or_zap,
     .check = all_gone,
     HUGE},
    {.name = "huge.halves",
     .what = "the table that has taken a larger page's place is emptied by two",
     .setup = map_larger,
     .body = empty_by_halves,
     .check = emptied,
     HUGE},
    {.name = "huge.halves-beside",
     .what = "the table that has taken a larger page's place is emptied, beside another",
     .setup = map_larger,
     .body = empty_beside,
     .check = emptied,
     HUGE},
    {.name = "huge.translated",
     .what = "a part of a larger page is looked for, without a lock, while it is split",
     .setup = setup_translated,
     .body = lockless_beside,
     .check = translated,
     HUGE},
    {.name = "huge.told",
     .what = "a larger page is split while an embedder's walker goes through tables",
     .setup = map_larger,
     .body = told_beside,
     .check = last_gone,
     HUGE},
    {.name = "huge.mincore",
     .what = "a larger page is split while somebody asks what is there",
     .setup = map_larger,
     .body = mincore_beside,
     .check = last_gone,
     HUGE},
    {.name = "huge.software",
     .what = "a larger page is split while software reads and writes parts of it",
     .setup = map_larger,
     .body = software_beside,
     .check = expect_nine,
     HUGE},
    {.name = "huge.protect-part",
     .what = "a part of a larger page becomes read-only while another is stored to",
     .setup = map_larger,
     .body = protect_beside,
     .check = protected_end,
     HUGE},
    {.name = "huge.protect",
     .what = "a larger page becomes read-only, and writable, while it is stored to",
     .setup = map_larger,
     .body = protect_all_beside,
     .check = protected_all,
     HUGE},
    {.name = "huge.freed",
     .what = "parts of a larger page are said to be of no use while they are stored to",
     .setup = map_larger,
     .body = free_beside,
     .check = freed_end,
     HUGE},
    {.name = "huge.moved",
     .what = "a larger page moves while it is read",
     .setup = map_larger,
     .body = move_or_look,
     .check = moved,
     HUGE},
    {.name = "huge.moved-aside",
     .what = "the pages of a larger one move while they are read",
     .setup = map_larger,
     .body = move_aside_or_look,
     .check = moved_aside,
     HUGE},
    {.name = "huge.exchanged",
     .what = "a larger page moves to where a table is kept, which is let go of",
     .setup = setup_in_the_way,
     .body = move_or_let_go,
     .check = exchanged,
     HUGE},
    {.name = "huge.moved-migrated",
     .what = "a larger page moves while one of its pages goes to another frame",
     .setup = map_larger,
     .body = move_or_migrate,
     .check = all_moved,
     HUGE},
    {.name = "huge.forked",
     .what = "a larger page is shared while it is stored to",
     .setup = map_larger,
     .body = fork_or_store,
     .check = forked,
     HUGE},
    {.name = "huge.copied",
     .what = "two copy parts of a larger page that is shared",
     .setup = share_larger,
     .body = copy_by_two,
     .check = copied_by_two,
     HUGE},
    {.name = "huge.copied-both",
     .what = "parent and child copy parts of a larger page",
     .setup = setup_two_run,
     .body = store_in_both,
     .check = stored_in_both,
     HUGE},
    {.name = "huge.shared-zapped",
     .what = "a larger page that is shared goes while it is stored to",
     .setup = share_larger,
     .body = store_or_zap_shared,
     .check = zapped_shared,
     HUGE},
    {.name = "huge.own",
     .what = "a larger page is stored to while the other that has it ends",
     .setup = share_larger,
     .body = store_or_exit,
     .check = own_again,
     HUGE},
    {.name = "huge.partly-own",
     .what = "a larger page is stored to of which another has all but a part",
     .setup = setup_partly_shared,
     .body = store_or_child_unmaps,
     .check = partly_own,
     HUGE},
    {.name = "huge.forked-migrated",
     .what = "a larger page is shared while one of its pages goes to another frame",
     .setup = map_larger,
     .body = fork_or_migrate,
     .check = forked_migrated,
     HUGE},
    {.name = NULL},
};
