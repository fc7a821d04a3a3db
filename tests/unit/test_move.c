/* SPDX-License-Identifier: MIT */
/*
 * test_move.c - how mremap moves entries: by whole tables where that is possible, with no table too
 * many afterwards, one flush, and nothing lost beside others who work on the same pages.
 *
 * TEST_SEED=n repeats a run; the seed is printed at the start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "fixture.h"
#include "rmap.h"
#include "run_cpus.h"
#include "random.h"

#define FIXED     (MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED)
#define ELSEWHERE (FIXED | MMK_MREMAP_DONTUNMAP)

#define AT(page) (BASE + (page)*PAGE)
#define LEAF     (mmk_pt_table_span(0) / PAGE) /* pages of a leaf table, and of the ones above */
#define PMD      (mmk_pt_table_span(1) / PAGE)
#define BEFORE   2         /* pages of an object before those that move */
#define FAR      (4 * PMD) /* not in the tables of what is near BASE */

static uint64_t seed;

static void move(uint64_t from, uint64_t to, uint64_t pages, unsigned flags)
{
    assert_int_equal(mmk_mremap(mm, AT(from), pages * PAGE, pages * PAGE, flags, AT(to)), AT(to));
    mmk_check(mm);
}

/* The table at `level` on the path of a page; NULL: the path ends above. */
static struct mmk_page *table_of(uint64_t page, unsigned level)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_to_rcu(mm, AT(page), level, &walk);
    mmk_rcu_read_unlock();
    return walk.level == level ? walk.table : NULL;
}

static uint64_t leaf_tables(void)
{
    return mm_stats(mm).tables[0];
}

/* What a page is to hold; its lowest byte is not 0. */
static uint8_t mark(uint64_t page)
{
    return (uint8_t)(page * 7 % 255 + 1);
}

/* So many; where the format wants a break before a table is linked, perhaps more. */
static void expect_flushes(uint64_t flushes, uint64_t expected)
{
    if (MMK_PT_BREAK_FIRST)
        assert_true(flushes >= expected);
    else
        assert_int_equal(flushes, expected);
}

/* ---- whole tables -------------------------------------------------------------------------------
 */

static void test_leaf_tables(void **state)
{
    struct mmk_page *first, *second;
    uint64_t flushes;

    (void)state;
    map_at(0, 3 * LEAF, RW, ANON);
    store_byte(AT(1), 1);
    store_byte(AT(LEAF + 2), 2);
    store_byte(AT(2 * LEAF), 3);
    first = table_of(0, 0);
    second = table_of(LEAF, 0);
    flushes = stats_now().tlb_flushes;
    move(0, 5 * LEAF, 2 * LEAF, FIXED);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    assert_ptr_equal(table_of(5 * LEAF, 0), first);
    assert_ptr_equal(table_of(6 * LEAF, 0), second);
    assert_null(table_of(0, 0));
    assert_int_equal(leaf_tables(), 3);
    expect_byte(AT(5 * LEAF + 1), 1);
    expect_byte(AT(6 * LEAF + 2), 2);
    expect_byte(AT(2 * LEAF), 3);
    expect_load(AT(1), MMK_FAULT_SEGV_MAPERR);
    store_byte(AT(5 * LEAF), 4);
    expect_byte(AT(5 * LEAF + 1), 1);
}

/* A table of tables: what is below stays as it is, and is freed from its new place. */
static void test_upper_tables(void **state)
{
    struct mmk_page *upper, *leaf;

    (void)state;
    map_at(0, 2 * PMD, RW, ANON);
    store_byte(AT(3), 1);
    store_byte(AT(2 * LEAF), 2);
    store_byte(AT(PMD - 1), 3);
    store_byte(AT(PMD + 1), 4);
    upper = table_of(0, 1);
    leaf = table_of(2 * LEAF, 0);
    move(0, FAR, 2 * PMD, FIXED);
    assert_ptr_equal(table_of(FAR, 1), upper);
    assert_ptr_equal(table_of(FAR + 2 * LEAF, 0), leaf);
    assert_int_equal(leaf_tables(), 4);
    expect_byte(AT(FAR + 3), 1);
    expect_byte(AT(FAR + 2 * LEAF), 2);
    expect_byte(AT(FAR + PMD - 1), 3);
    expect_byte(AT(FAR + PMD + 1), 4);
    assert_int_equal(mmk_madvise(mm, AT(FAR), PMD * PAGE, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 1, 1, 1);
}

/* One that hangs from the root: tables in between are not there yet, and not left behind. */
static void test_highest_table(void **state)
{
    uint64_t span = ROOT_SPAN / PAGE;
    struct mmk_page *highest, *leaf;

    (void)state;
    map_at(0, span, RW, ANON | MMK_MAP_NORESERVE);
    store_byte(AT(5), 1);
    store_byte(AT(span - 1), 2);
    highest = table_of(0, MMK_PT_LEVELS - 2);
    leaf = table_of(0, 0);
    move(0, 3 * span, span, FIXED);
    assert_ptr_equal(table_of(3 * span, MMK_PT_LEVELS - 2), highest);
    assert_ptr_equal(table_of(3 * span, 0), leaf);
    assert_null(table_of(0, MMK_PT_LEVELS - 2));
    expect_byte(AT(3 * span + 5), 1);
    expect_byte(AT(4 * span - 1), 2);
    assert_int_equal(leaf_tables(), 2);
}

/* Alike modulo a leaf table, not modulo more; the ends are shared with what stays. */
static void test_ends(void **state)
{
    struct mmk_page *middle;

    (void)state;
    map_at(0, 4 * LEAF, RW, ANON);
    store_byte(AT(9), 9);
    store_byte(AT(10), 10);
    store_byte(AT(LEAF + 11), 11);
    store_byte(AT(3 * LEAF + 5), 12);
    store_byte(AT(3 * LEAF + 6), 13);
    middle = table_of(LEAF, 0);
    map_at(7 * LEAF, 10, RW, ANON);
    store_byte(AT(7 * LEAF + 9), 14);
    move(10, 7 * LEAF + 10, 3 * LEAF - 4, FIXED);
    assert_ptr_equal(table_of(8 * LEAF, 0), middle);
    assert_int_equal(leaf_tables(), 2 + 3);
    expect_byte(AT(9), 9);
    expect_byte(AT(3 * LEAF + 6), 13);
    expect_byte(AT(7 * LEAF + 9), 14);
    expect_byte(AT(7 * LEAF + 10), 10);
    expect_byte(AT(8 * LEAF + 11), 11);
    expect_byte(AT(10 * LEAF + 5), 12);
}

/* Time goes by tables, not by pages: a table that moves is not read. */
static void test_moves_unread(void **state)
{
    struct mmk_page *leaf;
    mmk_pte_t odd = {.v = ~(uint64_t)0};
    struct mmk_a64 *entry;
    mmk_pte_t before;

    (void)state;
    map_at(0, LEAF, RW, ANON);
    store_byte(AT(1), 1);
    leaf = table_of(0, 0);
    entry = &mmk_table_entries(leaf)[3];
    before = mmk_pte_read(entry);
    mmk_a64_store(&entry[0], odd.v, MMK_RELAXED); /* nonsense that a copy would not leave there */
    assert_int_equal(mmk_mremap(mm, AT(0), LEAF * PAGE, LEAF * PAGE, FIXED, AT(LEAF)), AT(LEAF));
    assert_ptr_equal(table_of(LEAF, 0), leaf);
    assert_int_equal(mmk_pte_read(entry).v, odd.v);
    mmk_a64_store(&entry[0], before.v, MMK_RELAXED);
    mmk_check(mm);
}

/* ---- entry by entry -----------------------------------------------------------------------------
 */

/* Pages that a pattern touches: all, every 64th, the first and the last. */
static bool touched(unsigned pattern, uint64_t page, uint64_t pages)
{
    return pattern == 0 || (pattern == 1 && page % 64 == 5) || page == 0 || page == pages - 1;
}

/* Leaf tables that these pages need at `at`. */
static uint64_t tables_needed(unsigned pattern, uint64_t at, uint64_t pages)
{
    uint64_t page, last = UINT64_MAX, count = 0;

    for (page = 0; page < pages; page++)
        if (touched(pattern, page, pages) && (at + page) / LEAF != last) {
            last = (at + page) / LEAF;
            count++;
        }
    return count;
}

static void move_pattern(unsigned pattern, uint64_t from, uint64_t to, uint64_t pages,
                         unsigned flags)
{
    uint64_t page;

    map_at(from, pages, RW, ANON);
    for (page = 0; page < pages; page++)
        if (touched(pattern, page, pages))
            store_byte(AT(from + page), mark(page));
    move(from, to, pages, flags);
    assert_int_equal(leaf_tables(), tables_needed(pattern, to, pages));
    for (page = 0; page < pages; page++)
        assert_int_equal(peek_page(mm, AT(to + page)) != NULL, touched(pattern, page, pages));
    for (page = 0; page < pages; page++)
        if (touched(pattern, page, pages))
            expect_byte(AT(to + page), mark(page));
    expect_load(AT(from), flags == FIXED ? MMK_FAULT_SEGV_MAPERR : MMK_FAULT_DONE);
    assert_int_equal(mmk_munmap(mm, BASE, (8 * PMD) * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
}

static void test_every_misalignment(void **state)
{
    const uint64_t places[] = {0, 1, LEAF / 2, LEAF - 1, LEAF, LEAF + 3};
    const uint64_t lengths[] = {1, 2, LEAF - 1, LEAF, LEAF + 1, 3 * LEAF};
    unsigned f, t, l;

    (void)state;
    for (f = 0; f < 6; f++)
        for (t = 0; t < 6; t++)
            for (l = 0; l < 6; l++) {
                unsigned pattern = (f + t + l) % 3;

                /* In the tables of the old place, and in others. */
                move_pattern(pattern, places[f], 6 * LEAF + places[t], lengths[l], FIXED);
                move_pattern(pattern, places[f], FAR - 4 + places[t], lengths[l],
                             l % 2 ? FIXED : ELSEWHERE);
                if (places[f] + lengths[l] <= places[t] || places[t] + lengths[l] <= places[f])
                    move_pattern(pattern, places[f], places[t], lengths[l], FIXED);
            }
}

/* Half a thousand tables, kept by mapping, emptied by moving: least is what the new place needs. */
static void test_dontunmap_misaligned(void **state)
{
    uint64_t slots = 64, i;

    (void)state;
    map_at(0, slots * LEAF, RW, ANON);
    for (i = 0; i < 4 * slots; i++)
        store_byte(AT(i / 4 * LEAF + i % 4), mark(i));
    assert_int_equal(leaf_tables(), slots);
    move(0, FAR + LEAF / 2, slots * LEAF, ELSEWHERE);
    assert_int_equal(leaf_tables(), slots);
    for (i = 0; i < 4 * slots; i++)
        expect_byte(AT(FAR + LEAF / 2 + i / 4 * LEAF + i % 4), mark(i));
    assert_null(table_of(0, 0));
}

/* Other policies keep what Linux would. */
static void under_policy(enum mmk_table_policy policy, uint64_t kept)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;

    config.table_policy = policy;
    assert_int_equal(fixture_setup_with(&config), 0);
    map_at(0, 4 * LEAF, RW, ANON);
    fill(AT(0), 4, 1);
    fill(AT(3 * LEAF), 4, 1);
    move(0, 8 * LEAF + 1, 4 * LEAF, ELSEWHERE);
    assert_int_equal(leaf_tables(), 2 + kept);
    move(8 * LEAF + 1, 16 * LEAF + 3, 4 * LEAF, FIXED); /* unmapped: freed by all */
    assert_int_equal(leaf_tables(), 2 + kept);
    move(16 * LEAF + 3, 24 * LEAF + 3, 4 * LEAF, FIXED);
    assert_int_equal(leaf_tables(), 2 + kept);
    expect_filled(AT(27 * LEAF + 3), 4, 1);
    assert_int_equal(mmk_munmap(mm, BASE, 64 * LEAF * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
    assert_int_equal(fixture_teardown(NULL), 0);
}

static void test_policies(void **state)
{
    (void)state;
    under_policy(MMK_TABLES_MMKIT, 0);
    under_policy(MMK_TABLES_LINUX_618, 2);
    under_policy(MMK_TABLES_NEVER, 2);
}

/* What is not a page of its own moves like one: the zero page, guards, PROT_NONE, object's pages.
 */
static void test_all_entries(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_at(0, 6, RW, ANON);
    expect_byte(AT(0), 0);
    store_byte(AT(1), 1);
    assert_int_equal(mmk_madvise(mm, AT(2), PAGE, MMK_MADV_GUARD_INSTALL), 0);
    move(0, LEAF - 2, 6, FIXED);
    assert_true(mmk_pte_special(peek_entry(mm, AT(LEAF - 2))));
    expect_byte(AT(LEAF - 1), 1);
    expect_load(AT(LEAF), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mmk_madvise(mm, AT(LEAF), PAGE, MMK_MADV_GUARD_REMOVE), 0);
    expect_byte(AT(LEAF), 0);
    assert_int_equal(mmk_mprotect(mm, AT(LEAF - 2), 6 * PAGE, MMK_PROT_NONE), 0);
    move(LEAF - 2, 3, 6, FIXED);
    expect_load(AT(4), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, AT(3), 6 * PAGE, RW), 0);
    expect_byte(AT(4), 1);
    map_object_at(20, 8, RW, MMK_MAP_PRIVATE, file, 0);
    expect_byte(AT(20), 1);
    store_byte(AT(21), 50);
    move(20, LEAF + 1, 8, FIXED);
    assert_int_equal(mm_stats(mm).rss_file, 1);
    expect_byte(AT(LEAF + 1), 1);
    expect_byte(AT(LEAF + 2), 50);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    expect_load(AT(LEAF + 2), MMK_FAULT_BUS);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* ---- flushes ------------------------------------------------------------------------------------
 */

static uint64_t flushes_of(uint64_t from, uint64_t to, uint64_t pages, unsigned flags)
{
    uint64_t before = stats_now().tlb_flushes;

    move(from, to, pages, flags);
    return stats_now().tlb_flushes - before;
}

static void test_flushes(void **state)
{
    (void)state;
    map_at(0, 4 * LEAF, RW, ANON);
    expect_flushes(flushes_of(0, FAR, 8, FIXED), 0); /* nothing there */
    map_at(0, 4 * LEAF, RW, ANON);
    fill(AT(0), 20, 1);
    fill(AT(2 * LEAF), 20, 1);
    expect_flushes(flushes_of(0, FAR + 1, 4 * LEAF, FIXED), 1);
    map_at(0, 8, RW, ANON);
    expect_flushes(flushes_of(FAR + 1, 0, 8, FIXED), 1); /* what goes was never touched */
    map_at(20, 8, RW, ANON);
    fill(AT(20), 8, 1);
    expect_flushes(flushes_of(0, 20, 8, FIXED), 2); /* here old pages make room for others */
    /* Several mappings. */
    map_at(100, 4, RO, ANON);
    map_at(104, 4, RW, ANON);
    map_at(108, 4, RO, ANON);
    expect_byte(AT(100), 0);
    store_byte(AT(105), 0);
    expect_byte(AT(110), 0);
    expect_flushes(flushes_of(100, FAR + LEAF * 8, 12, FIXED), 1);
    assert_int_equal(mmk_mprotect(mm, AT(20), 8 * PAGE, MMK_PROT_NONE), 0);
    expect_flushes(flushes_of(20, 40, 8, FIXED), 0); /* in no TLB */
    store_byte(AT(FAR + LEAF * 8 + 5), 1);
}

/* ---- other CPUs ---------------------------------------------------------------------------------
 */

static struct mmk_a32 turn;

static void wait_for(uint32_t value)
{
    while (mmk_a32_load(&turn, MMK_ACQUIRE) != value)
        mmk_cpu_relax();
}

static bool load_is(mmk_vaddr_t addr, uint8_t expected)
{
    uint8_t byte = (uint8_t)~expected;

    return machine_load(addr, &byte, 1) == MMK_FAULT_DONE && byte == expected;
}

struct stale {
    uint64_t from, to, pages;
};

/* Has translations of the old place, dirty ones too, and must not use them afterwards. */
static void keep_translations(unsigned cpu, void *argument)
{
    const struct stale *stale = argument;
    uint8_t byte = 0x55;
    uint64_t i;

    (void)cpu;
    machine_switch_mm(mm);
    for (i = 0; i < stale->pages; i++) {
        check(load_is(AT(stale->from + i), mark(i)));
        check(machine_store(AT(stale->from + i) + 1, &byte, 1) == MMK_FAULT_DONE);
    }
    mmk_a32_store(&turn, 1, MMK_RELEASE);
    wait_for(2);
    for (i = 0; i < stale->pages; i++) {
        check(machine_load(AT(stale->from + i), &byte, 1) == MMK_FAULT_SEGV_MAPERR);
        check(load_is(AT(stale->to + i), mark(i)));
        check(load_is(AT(stale->to + i) + 1, 0x55));
    }
    machine_switch_mm(NULL);
}

static void expect_no_stale(uint64_t from, uint64_t to, uint64_t pages, uint64_t mapped)
{
    struct stale stale = {from, to, pages};
    struct cpu_thread other;
    uint64_t i;

    mmk_a32_store(&turn, 0, MMK_RELAXED);
    map_at(from, mapped, RW, ANON);
    for (i = 0; i < pages; i++)
        store_byte(AT(from + i), mark(i));
    cpu_start(&other, 1, keep_translations, &stale);
    wait_for(1);
    move(from, to, mapped, FIXED);
    mmk_a32_store(&turn, 2, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other);
    machine_idle_end();
    assert_int_equal(mmk_munmap(mm, AT(to), mapped * PAGE), 0);
}

static void test_stale_translations(void **state)
{
    (void)state;
    expect_no_stale(0, 20, 10, 10);
    expect_no_stale(LEAF - 5, FAR + 1, 40, 40);
    expect_no_stale(0, 3 * LEAF, 12, LEAF);
    expect_no_stale(0, FAR, 12, PMD);
}

/* ---- a search through the object, step by step --------------------------------------------------
 */

#define PATIENCE 100000 /* microseconds in which another CPU reaches a lock */

static struct {
    struct mmk_object *object;
    uint64_t from, to, between;
} search;

/* The move has taken its mapping out of the tree. => inside an RCU read section */
static void wait_for_detach(void)
{
    const struct mmk_vma *vma;

    do {
        mmk_cpu_relax();
        vma = mmk_vma_tree_find_rcu(&mm->vmas, AT(search.from));
    } while (vma && mmk_vma_start(vma) <= AT(search.from));
}

/*
 * Holds up the move at the old place, and the search between the new place and the old one. The
 * move has looked at the old place before; so first it is stopped by the interval lock.
 */
static void hold_both(unsigned cpu, void *unused)
{
    struct mmk_rwlock *interval_lock = &search.object->interval_lock;
    struct mmk_page *from, *between;

    (void)cpu;
    (void)unused;
    mmk_rw_read_lock(interval_lock, MMK_LOCK_INTERVAL);
    mmk_a32_store(&turn, 1, MMK_RELEASE);
    mmk_rcu_read_lock();
    wait_for_detach();
    from = table_of(search.from, 0);
    between = table_of(search.between, 0);
    mmk_table_lock(from < between ? from : between);
    mmk_table_lock(from < between ? between : from);
    mmk_rw_read_unlock(interval_lock, MMK_LOCK_INTERVAL);
    usleep(PATIENCE);
    mmk_a32_store(&turn, 2, MMK_RELEASE);
    usleep(PATIENCE);
    mmk_table_unlock(from);
    usleep(PATIENCE);
    mmk_table_unlock(between);
    mmk_rcu_read_unlock();
}

static void unmap_it(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    wait_for(2);
    mmk_rmap_unmap_object(search.object, BEFORE, BEFORE + 3, true);
}

/* The move takes the lower of two tables first, so that it waits for that of the old place. */
static void choose_places(void)
{
    bool swap = table_of(0, 0) > table_of(2 * LEAF, 0);

    search.from = (swap ? 2 * LEAF : 0) + 20;
    search.to = (swap ? 0 : 2 * LEAF) + 20;
    search.between = 4 * LEAF;
}

/*
 * P10: the pages come to a place where the search has looked, and leave where it has not been yet.
 * It goes by first index: to the new place, which a mapping of the pages before has become part of,
 * then to a mapping from one page later on, then to the old place. (Truncation searches twice, so
 * it would take two such moves for it to miss a page.)
 */
static void test_search(void **state)
{
    struct cpu_thread holder, searcher;

    (void)state;
    map_at(0, 1, RW, ANON);
    map_at(2 * LEAF, 1, RW, ANON);
    store_byte(AT(0), 1);
    store_byte(AT(2 * LEAF), 1);
    choose_places();
    search.object = new_shmem(8);
    map_object_at(search.to - BEFORE, BEFORE, RW, MMK_MAP_SHARED, search.object, 0);
    map_object_at(search.between, 4, RW, MMK_MAP_SHARED, search.object, 1);
    map_object_at(search.from, 4, RW, MMK_MAP_SHARED, search.object, BEFORE);
    fill(AT(search.from), 4, 1);
    store_byte(AT(search.between), 1);
    mmk_a32_store(&turn, 0, MMK_RELAXED);
    cpu_start(&holder, 2, hold_both, NULL);
    cpu_start(&searcher, 1, unmap_it, NULL);
    wait_for(1);
    assert_int_equal(mmk_mremap(mm, AT(search.from), 4 * PAGE, 4 * PAGE, FIXED, AT(search.to)),
                     AT(search.to));
    machine_idle_begin();
    cpu_join(&holder);
    cpu_join(&searcher);
    machine_idle_end();
    assert_null(peek_page(mm, AT(search.to)));
    assert_null(peek_page(mm, AT(search.to + 3)));
    expect_byte(AT(search.to), 1);
    mmk_check(mm);
    mmk_check_object(search.object);
    mmk_object_put(search.object);
}

/* ---- races: CPU 0 moves to and fro, others work on the same pages -------------------------------
 */

#define RACE_PAGES 24
#define ROUNDS     500 /* at least, and until each racer has done as many */

typedef void (*racer)(unsigned cpu, void *argument);

struct race {
    uint64_t place[2]; /* where the pages may be */
    uint64_t length;   /* of the mapping, in pages */
    struct mmk_object *object;
    struct mmk_a32 stop, done[3]; /* rounds, by CPU */
};

static struct race race;

/* Page i of the race, in the middle of leaf tables and at the ends of one. */
static uint64_t race_page(uint64_t i)
{
    return i < RACE_PAGES / 2 ? i : race.length - RACE_PAGES + i;
}

static void did_a_round(unsigned cpu)
{
    mmk_a32_fetch_add(&race.done[cpu], 1, MMK_RELAXED);
}

/* Any access finds a page of this number, zeros, or nothing mapped. */
static void access_all_the_time(unsigned cpu, void *argument)
{
    uint64_t random = seed + cpu, page, word;
    enum mmk_fault_result result;
    mmk_vaddr_t addr;

    (void)argument;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&race.stop, MMK_RELAXED)) {
        page = race_page(next_random(&random) % RACE_PAGES);
        addr = AT(race.place[next_random(&random) % 2] + page);
        word = page + 1;
        if (next_random(&random) % 3)
            result = machine_load(addr, &word, sizeof(word));
        else
            result = machine_store(addr, &word, sizeof(word));
        check(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR ||
              (race.object && result == MMK_FAULT_BUS));
        check(word == page + 1 || word == 0);
        did_a_round(cpu);
    }
    machine_switch_mm(NULL);
}

/* Drops pages at both places. What this CPU has dropped it does not see again. */
static void drop_all_the_time(unsigned cpu, void *argument)
{
    uint64_t random = seed + cpu, first, count;
    int error;

    (void)argument;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&race.stop, MMK_RELAXED)) {
        first = next_random(&random) % race.length;
        count = 1 + next_random(&random) % (race.length - first);
        error = mmk_madvise(mm, AT(race.place[next_random(&random) % 2] + first), count * PAGE,
                            MMK_MADV_DONTNEED);
        check(error == 0 || error == MMK_ENOMEM);
        did_a_round(cpu);
    }
    machine_switch_mm(NULL);
}

/* Nothing beyond the end is left at either place, whichever the pages are at just now. */
static void expect_all_gone(void)
{
    uint64_t i, word;
    unsigned p;

    for (p = 0; p < 2; p++)
        for (i = 0; i < RACE_PAGES; i++) {
            enum mmk_fault_result result =
                machine_load(AT(race.place[p] + race_page(i)), &word, sizeof(word));

            check(result == MMK_FAULT_BUS || result == MMK_FAULT_SEGV_MAPERR);
        }
}

static void truncate_all_the_time(unsigned cpu, void *argument)
{
    uint64_t i, word;
    int error;

    (void)argument;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&race.stop, MMK_RELAXED)) {
        error = mmk_object_resize(race.object, (BEFORE + race.length) * PAGE);
        check(!error);
        for (i = 0; i < RACE_PAGES; i++) {
            word = race_page(i) + 1;
            check(machine_store(AT(race.place[i % 2] + race_page(i)), &word, sizeof(word)) !=
                  MMK_FAULT_BUS);
        }
        error = mmk_object_resize(race.object, 0);
        check(!error);
        expect_all_gone();
        did_a_round(cpu);
    }
    machine_switch_mm(NULL);
}

/* Nobody else maps the object's pages: what is unmapped stays so. */
static void unmap_all_the_time(unsigned cpu, void *argument)
{
    struct mmk_page *page;
    uint64_t i, word = 1;
    int error;

    (void)argument;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&race.stop, MMK_RELAXED)) {
        for (i = 0; i < RACE_PAGES; i++)
            check(machine_store(AT(race.place[i % 2] + race_page(i)), &word, sizeof(word)) !=
                  MMK_FAULT_BUS);
        mmk_rmap_unmap_object(race.object, 0, UINT64_MAX, true);
        for (i = 0; i < RACE_PAGES; i++) {
            error = mmk_object_get_page(race.object, BEFORE + race_page(i), &page);
            check(!error && mmk_page_mapcount(page) == 0);
            mmk_page_unlock(page);
            mmk_page_put(page);
        }
        did_a_round(cpu);
    }
    machine_switch_mm(NULL);
}

/* A child has every page once, as it was or zeros. */
static void fork_all_the_time(unsigned cpu, void *argument)
{
    uint64_t i, word;
    int error;

    (void)argument;
    while (!mmk_a32_load(&race.stop, MMK_RELAXED)) {
        struct mmk_mm *child;
        unsigned p, found = 0;

        error = mmk_fork(mm, &child);
        check(!error);
        machine_switch_mm(child);
        for (p = 0; p < 2; p++)
            for (i = 0; i < RACE_PAGES; i++)
                if (machine_load(AT(race.place[p] + race_page(i)), &word, sizeof(word)) ==
                    MMK_FAULT_DONE) {
                    check(word == 0 || word == race_page(i) + 1);
                    found++;
                }
        check(found == RACE_PAGES);
        machine_switch_mm(NULL);
        mmk_mm_put(child);
        did_a_round(cpu);
    }
}

static bool racers_go_on(unsigned rounds)
{
    return mmk_a32_load(&race.done[1], MMK_RELAXED) < rounds ||
           mmk_a32_load(&race.done[2], MMK_RELAXED) < rounds;
}

/* The pages are at race.place[0] and stay there in the end. */
static void move_to_and_fro(unsigned rounds, racer one, racer other)
{
    struct cpu_thread threads[2];
    uint64_t bytes = race.length * PAGE;
    unsigned round, pause;

    mmk_a32_store(&race.stop, 0, MMK_RELAXED);
    mmk_a32_store(&race.done[1], 0, MMK_RELAXED);
    mmk_a32_store(&race.done[2], 0, MMK_RELAXED);
    cpu_start(&threads[0], 1, one, NULL);
    cpu_start(&threads[1], 2, other, NULL);
    for (round = 0; round < ROUNDS || racers_go_on(rounds) || round % 2; round++) {
        mmk_vaddr_t from = AT(race.place[round % 2]), to = AT(race.place[1 - round % 2]);

        assert_int_equal(mmk_mremap(mm, from, bytes, bytes, FIXED, to), to);
        /*
         * Else the lock is taken again before a racer whom that has woken runs; and truncation
         * looks anew as long as pages come meanwhile: the longer it takes, the more time it gets.
         */
        for (pause = 0; pause < round % 31 * (2 + round / ROUNDS); pause++)
            mmk_cpu_relax();
    }
    mmk_a32_store(&race.stop, 1, MMK_RELAXED);
    machine_idle_begin();
    cpu_join(&threads[0]);
    cpu_join(&threads[1]);
    machine_idle_end();
    mmk_check(mm);
}

static void run_race(uint64_t from, uint64_t to, uint64_t pages, unsigned rounds, racer one,
                     racer other)
{
    race.place[0] = from;
    race.place[1] = to;
    race.length = pages;
    map_at(from, pages, RW, ANON);
    move_to_and_fro(rounds, one, other);
    assert_int_equal(mmk_munmap(mm, AT(from), pages * PAGE), 0);
    mmk_check(mm);
}

/* Entry by entry, within a table and across; whole leaf tables; a table above them. */
static void run_races(unsigned rounds, racer one, racer other)
{
    race.object = NULL;
    run_race(3, 60, 2 * RACE_PAGES, rounds, one, other);
    run_race(LEAF - 7, 4 * LEAF + 9, 2 * RACE_PAGES, rounds, one, other);
    run_race(0, 4 * LEAF, 2 * LEAF, rounds, one, other);
    run_race(LEAF / 2, 4 * LEAF + LEAF / 2, 2 * LEAF, rounds, one, other);
    run_race(0, FAR, PMD, rounds, one, other);
    expect_tables(mm, 0, 0, 0);
}

static void test_race_accesses(void **state)
{
    (void)state;
    run_races(500, access_all_the_time, access_all_the_time);
}

static void test_race_dontneed(void **state)
{
    (void)state;
    run_races(500, access_all_the_time, drop_all_the_time);
}

static void test_race_fork(void **state)
{
    (void)state;
    run_races(30, access_all_the_time, fork_all_the_time);
}

/*
 * At one of the two places a lower neighbour has the pages before: there the pages become part of
 * its mapping, whose interval the search through the object comes to first; so it has looked there
 * when they come, and would not find them any more where they were (P10).
 */
static void race_search(unsigned flags, uint64_t from, uint64_t to, uint64_t pages, racer searcher)
{
    race.place[0] = from;
    race.place[1] = to;
    race.length = pages;
    map_object_at(to - BEFORE, BEFORE, RW, flags, race.object, 0);
    map_object_at(from, pages, RW, flags, race.object, BEFORE);
    move_to_and_fro(300, searcher, drop_all_the_time);
    assert_int_equal(mmk_munmap(mm, BASE, 8 * PMD * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
}

static void race_searches(unsigned flags, racer searcher)
{
    race_search(flags, 3, 60, 2 * RACE_PAGES, searcher);
    race_search(flags, LEAF - 7, 4 * LEAF + 9, 2 * RACE_PAGES, searcher);
    race_search(flags, 0, 4 * LEAF, 2 * LEAF, searcher);
    race_search(flags, 0, FAR, PMD, searcher);
}

static void test_race_truncate(void **state)
{
    (void)state;
    race.object = new_shmem(0);
    race_searches(MMK_MAP_SHARED, truncate_all_the_time);
    race_searches(MMK_MAP_PRIVATE, truncate_all_the_time);
    mmk_check_object(race.object);
    mmk_object_put(race.object);
}

static void test_race_search(void **state)
{
    (void)state;
    race.object = new_shmem(BEFORE + PMD);
    race_searches(MMK_MAP_SHARED, unmap_all_the_time);
    mmk_check_object(race.object);
    mmk_object_put(race.object);
}

/* Neighbours in the same leaf tables, whose object is truncated: tables come and go beside us. */
static struct mmk_object *neighbour;

static void truncate_neighbour(unsigned cpu, void *argument)
{
    uint64_t random = seed + cpu, word = 1;
    mmk_vaddr_t addr;
    int error;

    (void)argument;
    machine_switch_mm(mm);
    while (!mmk_a32_load(&race.stop, MMK_RELAXED)) {
        addr = AT(race.place[next_random(&random) % 2] + race.length);
        check(machine_store(addr, &word, sizeof(word)) == MMK_FAULT_DONE);
        check(machine_store(addr + PAGE, &word, sizeof(word)) == MMK_FAULT_DONE);
        error = mmk_object_punch_hole(neighbour, 0, 2 * PAGE);
        check(!error);
        did_a_round(cpu);
    }
    machine_switch_mm(NULL);
}

static void beside_neighbours(uint64_t from, uint64_t to, uint64_t pages)
{
    map_object_at(from + pages, 2, RW, MMK_MAP_SHARED, neighbour, 0);
    map_object_at(to + pages, 2, RW, MMK_MAP_SHARED, neighbour, 0);
    run_race(from, to, pages, 500, access_all_the_time, truncate_neighbour);
    assert_int_equal(mmk_munmap(mm, AT(from), 8 * PMD * PAGE), 0);
}

static void test_race_neighbour(void **state)
{
    (void)state;
    race.object = NULL;
    neighbour = new_shmem(2);
    beside_neighbours(LEAF - RACE_PAGES + 2, 3 * LEAF - RACE_PAGES, RACE_PAGES);
    beside_neighbours(0, 4 * LEAF, LEAF + RACE_PAGES);
    beside_neighbours(1, FAR + 2, RACE_PAGES);
    mmk_check_object(neighbour);
    mmk_object_put(neighbour);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leaf_tables),
        TEST(test_upper_tables),
        TEST(test_highest_table),
        TEST(test_ends),
        TEST(test_moves_unread),
        TEST(test_every_misalignment),
        TEST(test_dontunmap_misaligned),
        cmocka_unit_test(test_policies),
        TEST(test_all_entries),
        TEST(test_flushes),
        TEST(test_stale_translations),
        TEST(test_search),
        TEST(test_race_accesses),
        TEST(test_race_dontneed),
        TEST(test_race_fork),
        TEST(test_race_truncate),
        TEST(test_race_search),
        TEST(test_race_neighbour),
    };

    seed = seed_of_run();
    print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("move", tests, NULL, NULL);
}
