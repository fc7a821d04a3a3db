/* SPDX-License-Identifier: MIT */
/*
 * test_table_pin.c - tables that visitors keep while they sleep: who is in, what others do
 * meanwhile, and that the last one out frees the table and its parents, with one flush.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "policy_setup.h"

#include "table_pin.h"
#include <mmkit/table.h>

#define ENTRIES ((uint64_t)MMK_PT_ENTRIES)
#define TABLE   (ENTRIES * PAGE) /* what a leaf table is about */
#define AT(n)   (BASE + (n)*TABLE)

static void dontneed(mmk_vaddr_t addr, uint64_t bytes)
{
    assert_int_equal(mmk_madvise(mm, addr, bytes, MMK_MADV_DONTNEED), 0);
}

static void move(mmk_vaddr_t from, mmk_vaddr_t to, uint64_t bytes)
{
    assert_int_equal(mmk_mremap(mm, from, bytes, bytes, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, to),
                     to);
}

static struct mmk_table_ref pinned(mmk_vaddr_t addr)
{
    struct mmk_table_ref ref;

    assert_int_equal(mmk_table_pin(mm, addr, &ref), MMK_TABLE_PINNED);
    return ref;
}

/* Nothing else flushes. */
static void unpin(struct mmk_table_ref *ref, uint64_t expected_flushes)
{
    uint64_t before = stats_now().tlb_flushes;

    mmk_table_unpin(ref);
    assert_int_equal(stats_now().tlb_flushes - before, expected_flushes);
}

static bool holds(const struct mmk_table_ref *ref, mmk_vaddr_t addr)
{
    struct mmk_table_entry entry;

    return mmk_table_read(ref, addr, &entry);
}

/* A leaf table with one page in it; nothing else below the root. */
static mmk_vaddr_t one_table(void)
{
    mmk_vaddr_t a = map_at(0, ENTRIES, RW, ANON);

    store_byte(a, 1);
    expect_tables(mm, 1, 1, 1);
    return a;
}

/* --- the four outcomes ----------------------------------------------------------------------- */

static enum mmk_table_got tried(mmk_vaddr_t addr)
{
    struct mmk_table_ref ref;
    enum mmk_table_got got = mmk_table_pin(mm, addr, &ref);

    if (got == MMK_TABLE_PINNED)
        mmk_table_unpin(&ref);
    return got;
}

static void test_none(void **state)
{
    (void)state;
    assert_int_equal(tried(BASE), MMK_TABLE_NONE);
    assert_int_equal(tried(MMK_USER_END), MMK_TABLE_NONE);
    assert_int_equal(tried(UINT64_MAX), MMK_TABLE_NONE);
    map_at(0, 2 * ENTRIES, RW, ANON);
    store_byte(AT(0), 1);
    assert_int_equal(tried(AT(0)), MMK_TABLE_PINNED);
    assert_int_equal(tried(AT(1) - 1), MMK_TABLE_PINNED);
    assert_int_equal(tried(AT(1)), MMK_TABLE_NONE);
    dontneed(AT(0), PAGE);
    assert_int_equal(tried(AT(0)), MMK_TABLE_NONE);
}

/* As it is between a zap and the parent's lock. */
static void test_freeing(void **state)
{
    mmk_vaddr_t a = one_table();
    struct mmk_walk walk;
    struct mmk_page *table;

    (void)state;
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, a, &walk);
    walk.table->table.live = 0;
    assert_int_equal(tried(BASE), MMK_TABLE_FREEING);
    assert_null(mmk_pte_tryget_map(walk.parent, BASE, &table));
    assert_null(mmk_pte_tryget_map_lock(walk.parent, BASE, &table));
    walk.table->table.live = 1;
    mmk_table_kill(walk.table); /* read the entry that links it just before */
    assert_int_equal(tried(BASE), MMK_TABLE_FREEING);
    mmk_table_revive(walk.table);
    mmk_rcu_read_unlock();
    assert_int_equal(walk.table->table.pins, 0);
}

/* Nothing makes larger pages yet: by hand. */
static uint64_t large_page(void)
{
    mmk_pte_t pte = mmk_pte_leaf(0, false, false);

#if defined(MMK_X86_LARGE)
    return pte.v | MMK_X86_LARGE;
#elif defined(MMK_ARM_PAGE)
    return pte.v & ~MMK_ARM_PAGE;
#else
    return pte.v;
#endif
}

static int see_entry(const struct mmk_table_entry *entry, void *arg)
{
    *(struct mmk_table_entry *)arg = *entry;
    return 1;
}

static void test_huge(void **state)
{
    mmk_vaddr_t a = one_table();
    struct mmk_table_entry seen;
    struct mmk_walk walk, upper;
    uint64_t was;

    (void)state;
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, a, &walk);
    was = mmk_a64_xchg(walk.parent, large_page(), MMK_RELAXED);
    assert_int_equal(tried(BASE), MMK_TABLE_HUGE);
    assert_int_equal(mmk_for_each_entry(mm, 0, MMK_USER_END, see_entry, &seen), 1);
    assert_int_equal(seen.kind, MMK_ENTRY_PAGE);
    assert_int_equal(seen.addr, BASE);
    assert_int_equal(seen.size, TABLE);
    mmk_a64_store(walk.parent, was, MMK_RELAXED);
    mmk_walk_to_rcu(mm, BASE, 1, &upper); /* and one level above */
    was = mmk_a64_xchg(upper.parent, large_page(), MMK_RELAXED);
    assert_int_equal(tried(BASE), MMK_TABLE_HUGE);
    mmk_a64_store(upper.parent, was, MMK_RELAXED);
    mmk_rcu_read_unlock();
}

/* --- holders --------------------------------------------------------------------------------- */

/* Entries alone: as ever. A pin that comes and goes changes nothing. */
static void test_entry_holds(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    assert_true(holds(&ref, a));
    unpin(&ref, 0);
    expect_tables(mm, 1, 1, 1);
    dontneed(a, PAGE);
    expect_tables(mm, 0, 0, 0);
}

static void test_pin_holds(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    dontneed(a, TABLE);
    expect_tables(mm, 1, 1, 1);
    assert_true(holds(&ref, a));
    mmk_check_address(mm, a);
    unpin(&ref, 1);
    expect_tables(mm, 0, 0, 0);
    mmk_drain();
    assert_int_equal(stats_now().tables_waiting, 0);
}

static void test_last_pin_frees(void **state)
{
    struct mmk_table_ref ref[3];
    mmk_vaddr_t a = one_table();
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        ref[i] = pinned(a + (uint64_t)i * PAGE);
    dontneed(a, PAGE);
    unpin(&ref[1], 0);
    unpin(&ref[0], 0);
    expect_tables(mm, 1, 1, 1);
    unpin(&ref[2], 1);
    expect_tables(mm, 0, 0, 0);
}

/* Whoever goes last, an entry or a visitor. */
static void test_both_hold(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    dontneed(a, PAGE);
    store_byte(a + PAGE, 2); /* comes into the table that is there */
    assert_true(holds(&ref, a));
    expect_tables(mm, 1, 1, 1);
    unpin(&ref, 0);
    expect_tables(mm, 1, 1, 1);
    expect_byte(a + PAGE, 2);
    dontneed(a, TABLE);
    expect_tables(mm, 0, 0, 0);
}

/* A parent stays as long as it links a table that stays. */
static void test_parents(void **state)
{
    struct mmk_table_ref one, other;

    (void)state;
    map_at(0, 2 * ENTRIES, RW, ANON);
    store_byte(AT(0), 1);
    store_byte(AT(1), 1);
    one = pinned(AT(0));
    other = pinned(AT(1));
    dontneed(AT(0), 2 * TABLE);
    expect_tables(mm, 2, 1, 1);
    unpin(&one, 1);
    expect_tables(mm, 1, 1, 1);
    unpin(&other, 1);
    expect_tables(mm, 0, 0, 0);
}

/* --- others meanwhile ------------------------------------------------------------------------ */

static void test_unmap(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    assert_int_equal(mmk_munmap(mm, a, TABLE), 0);
    expect_tables(mm, 1, 1, 1);
    expect_load(a, MMK_FAULT_SEGV_MAPERR);
    map_at(0, ENTRIES, RW, ANON); /* and something else in its place */
    expect_byte(a, 0);
    store_byte(a + PAGE, 3);
    assert_true(holds(&ref, a));
    assert_int_equal(mmk_munmap(mm, a, TABLE), 0);
    unpin(&ref, 1);
    expect_tables(mm, 0, 0, 0);
}

static void test_fork(void **state)
{
    struct mmk_table_ref ref;
    struct mmk_mm *child;

    (void)state;
    map_at(0, 2 * ENTRIES, RW, ANON);
    store_byte(AT(0), 1);
    store_byte(AT(1), 2);
    ref = pinned(AT(0));
    dontneed(AT(0), TABLE);
    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_tables(mm, 2, 1, 1);
    expect_tables(child, 1, 1, 1);
    put_mm(child);
    unpin(&ref, 1);
    expect_tables(mm, 1, 1, 1);
}

/* The address space ends first: the pin holds what is left of it. */
static void test_exit(void **state)
{
    struct mmk_mm *other = new_mm();
    struct mmk_table_ref ref;
    int64_t a;

    (void)state;
    a = mmk_mmap(other, BASE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(a, BASE);
    assert_int_equal(mmk_fault(other, BASE, MMK_ACCESS_WRITE), MMK_FAULT_DONE);
    assert_int_equal(mmk_table_pin(other, BASE, &ref), MMK_TABLE_PINNED);
    mmk_mm_put(other);
    assert_int_equal(stats_now().address_spaces, 2);
    assert_int_equal(stats_now().tables_linked, 1 + MMK_PT_LEVELS);
    assert_true(holds(&ref, BASE));
    mmk_table_unpin(&ref);
    assert_int_equal(stats_now().address_spaces, 1);
    assert_int_equal(stats_now().tables_linked, 1);
}

/* --- moves ----------------------------------------------------------------------------------- */

static void test_moves_along(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    move(a, AT(2), TABLE);
    assert_false(holds(&ref, a));
    assert_true(holds(&ref, AT(2)));
    expect_byte(AT(2), 1);
    expect_tables(mm, 1, 1, 1);
    dontneed(AT(2), TABLE);
    expect_tables(mm, 1, 1, 1);
    unpin(&ref, 1);
    expect_tables(mm, 0, 0, 0);
}

static void test_moves_empty(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    dontneed(a, PAGE);
    move(a, AT(2), TABLE);
    assert_true(holds(&ref, AT(2)));
    expect_tables(mm, 1, 1, 1);
    store_byte(AT(2), 4);
    unpin(&ref, 0);
    expect_byte(AT(2), 4);
    expect_tables(mm, 1, 1, 1);
}

/* Entries leave the pinned table one by one: it stays behind, empty. */
static void test_stays_behind(void **state)
{
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    move(a, AT(2) + PAGE, PAGE);
    assert_true(holds(&ref, a));
    expect_byte(AT(2) + PAGE, 1);
    expect_tables(mm, 2, 1, 1);
    unpin(&ref, 1);
    expect_tables(mm, 1, 1, 1);
}

/* A table comes to where an empty one is kept: they change places. */
static void test_in_the_way(void **state)
{
    struct mmk_table_ref ref;

    (void)state;
    map_at(0, ENTRIES, RW, ANON);
    map_at(2 * ENTRIES, ENTRIES, RW, ANON);
    store_byte(AT(0) + PAGE, 1);
    store_byte(AT(2), 2);
    ref = pinned(AT(2));
    move(AT(0), AT(2), TABLE);
    assert_true(holds(&ref, AT(0)));
    assert_false(holds(&ref, AT(2)));
    expect_byte(AT(2) + PAGE, 1);
    expect_byte(AT(2), 0);
    expect_load(AT(0), MMK_FAULT_SEGV_MAPERR);
    expect_tables(mm, 2, 1, 1);
    unpin(&ref, 1);
    expect_tables(mm, 1, 1, 1);
    expect_byte(AT(2) + PAGE, 1);
}

/* The same, entry by entry: they come into it. */
static void test_comes_into(void **state)
{
    struct mmk_table_ref ref;

    (void)state;
    map_at(0, ENTRIES, RW, ANON);
    map_at(2 * ENTRIES, ENTRIES, RW, ANON);
    store_byte(AT(0), 1);
    store_byte(AT(2), 2);
    ref = pinned(AT(2));
    assert_int_equal(mmk_munmap(mm, AT(2), TABLE), 0);
    move(AT(0), AT(2) + PAGE, PAGE);
    assert_true(holds(&ref, AT(2)));
    expect_tables(mm, 1, 1, 1);
    unpin(&ref, 0);
    expect_byte(AT(2) + PAGE, 1);
}

/* An upper table that links nothing but what is kept. */
static void test_upper_in_the_way(void **state)
{
    const uint64_t upper = ENTRIES * TABLE;
    struct mmk_table_ref ref;

    (void)state;
    map_at(0, ENTRIES, RW, ANON);
    map_at(ENTRIES * ENTRIES, ENTRIES * ENTRIES, RW, ANON);
    store_byte(BASE, 1);
    store_byte(BASE + upper, 2);
    ref = pinned(BASE);
    assert_int_equal(mmk_munmap(mm, BASE, TABLE), 0);
    move(BASE + upper, BASE, upper);
    assert_true(holds(&ref, BASE + upper));
    expect_byte(BASE, 2);
    expect_tables(mm, 2, 2, 1);
    unpin(&ref, 1);
    expect_tables(mm, 1, 1, 1);
}

/* --- the other policies ---------------------------------------------------------------------- */

/* What they keep is kept, pinned or not, and can be pinned although it is empty. */
static void test_kept_anyway(void **state)
{
    struct mmk_table_ref ref, again;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    dontneed(a, PAGE); /* in part: neither frees for that */
    unpin(&ref, 0);
    expect_tables(mm, 1, 1, 1);
    again = pinned(a);
    unpin(&again, 0);
    assert_int_equal(mmk_munmap(mm, a, TABLE), 0);
    expect_tables(mm, 0, 0, 0);
}

/* --- looking at all -------------------------------------------------------------------------- */

struct tables {
    unsigned count;
    unsigned level[8];
    mmk_vaddr_t start[8];
    uint32_t live[8], pins[8];
    bool unmaps; /* everything, at the first leaf table */
};

static int note_table(const struct mmk_table_view *view, void *arg)
{
    struct tables *seen = arg;
    unsigned i = seen->count++;

    assert_true(i < 8);
    seen->level[i] = view->ref.level;
    seen->start[i] = view->start;
    seen->live[i] = view->live;
    seen->pins[i] = view->pins;
    if (seen->unmaps && view->ref.level == 0) {
        assert_int_equal(mmk_munmap(mm, AT(0), 3 * TABLE), 0);
        expect_tables(mm, 1, 1, 1); /* ours */
    }
    return seen->count == 5 ? -1 : 0;
}

static struct tables seen_tables(bool unmaps, int expected)
{
    struct tables seen = {.unmaps = unmaps};

    assert_int_equal(mmk_for_each_table(mm, note_table, &seen), expected);
    return seen;
}

static void three_tables(void)
{
    map_at(0, 3 * ENTRIES, RW, ANON);
    fill(AT(0), 2, 1);
    store_byte(AT(1), 1);
    store_byte(AT(2), 1);
}

static void test_each_table(void **state)
{
    struct mmk_table_ref ref;
    struct tables seen;

    (void)state;
    three_tables();
    ref = pinned(AT(1));
    seen = seen_tables(false, MMK_PT_LEVELS + 2 >= 5 ? -1 : 0);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.level[0], MMK_PT_LEVELS - 1);
    assert_int_equal(seen.start[0], 0);
    assert_int_equal(seen.live[0], 1);
    assert_int_equal(seen.level[MMK_PT_LEVELS - 2], 1);
    assert_int_equal(seen.live[MMK_PT_LEVELS - 2], 3);
    if (MMK_PT_LEVELS < 5) {
        assert_int_equal(seen.level[MMK_PT_LEVELS - 1], 0);
        assert_int_equal(seen.start[MMK_PT_LEVELS - 1], AT(0));
        assert_int_equal(seen.live[MMK_PT_LEVELS - 1], 2);
        assert_int_equal(seen.pins[MMK_PT_LEVELS - 1], 0);
    }
    if (MMK_PT_LEVELS == 3) {
        assert_int_equal(seen.start[3], AT(1));
        assert_int_equal(seen.pins[3], 1);
        assert_int_equal(seen.start[4], AT(2));
    }
    unpin(&ref, 0);
}

/* Tables go around the visitor; the one that it is at goes when it has gone on. */
static void test_each_while_unmapped(void **state)
{
    struct tables seen;

    (void)state;
    three_tables();
    seen = seen_tables(true, MMK_PT_LEVELS == 5 ? -1 : 0);
    assert_int_equal(seen.count, MMK_PT_LEVELS);
    expect_tables(mm, 0, 0, 0);
}

struct entries {
    unsigned count, pages, guards;
    mmk_vaddr_t last;
};

static int note_entry(const struct mmk_table_entry *entry, void *arg)
{
    struct entries *seen = arg;

    assert_true(seen->count == 0 || entry->addr > seen->last);
    assert_int_equal(entry->size, PAGE);
    seen->last = entry->addr;
    seen->count++;
    seen->guards += entry->kind == MMK_ENTRY_GUARD;
    if (entry->kind != MMK_ENTRY_PAGE)
        return 0;
    seen->pages++;
    assert_true(entry->access && entry->young && !entry->exec);
    assert_int_equal(entry->write, entry->addr != AT(1) + PAGE); /* the zero page */
    assert_int_equal(entry->dirty, entry->write);
    return 0;
}

static void test_each_entry(void **state)
{
    struct entries seen = {0};

    (void)state;
    three_tables();
    expect_byte(AT(1) + PAGE, 0);
    assert_int_equal(mmk_madvise(mm, AT(2) + PAGE, PAGE, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(mmk_for_each_entry(mm, 0, UINT64_MAX, note_entry, &seen), 0);
    assert_int_equal(seen.count, 6);
    assert_int_equal(seen.pages, 5);
    assert_int_equal(seen.guards, 1);
    seen = (struct entries){0};
    assert_int_equal(mmk_for_each_entry(mm, AT(0) + PAGE, AT(1) + PAGE, note_entry, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(mmk_for_each_entry(mm, AT(1), AT(1), note_entry, &seen), 0);
    assert_int_equal(mmk_for_each_entry(mm, AT(0) + 9, AT(0) + 9, note_entry, &seen), 0);
    assert_int_equal(mmk_for_each_entry(mm, AT(0) + 9, AT(0) + 8, note_entry, &seen), 0);
    assert_int_equal(seen.count, 2);
}

static void test_read(void **state)
{
    struct mmk_table_entry entry;
    struct mmk_table_ref ref;
    mmk_vaddr_t a = one_table();

    (void)state;
    ref = pinned(a);
    assert_true(mmk_table_read(&ref, a + 7, &entry));
    assert_int_equal(entry.kind, MMK_ENTRY_PAGE);
    assert_int_equal(entry.addr, a);
    assert_int_equal(entry.phys, mmk_page_phys(peek_page(mm, a)));
    assert_true(mmk_table_read(&ref, a + PAGE, &entry));
    assert_int_equal(entry.kind, MMK_ENTRY_NONE);
    assert_int_equal(entry.phys, 0);
    assert_false(mmk_table_read(&ref, AT(1), &entry));
    assert_false(mmk_table_read(&ref, UINT64_MAX, &entry));
    unpin(&ref, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_none),
        TEST(test_freeing),
        TEST(test_huge),
        TEST(test_entry_holds),
        TEST(test_pin_holds),
        TEST(test_last_pin_frees),
        TEST(test_both_hold),
        TEST(test_parents),
        TEST(test_unmap),
        TEST(test_fork),
        TEST(test_exit),
        cmocka_unit_test_setup_teardown(test_exit, setup_linux, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_exit, setup_never, fixture_teardown),
        TEST(test_moves_along),
        TEST(test_moves_empty),
        TEST(test_stays_behind),
        TEST(test_in_the_way),
        TEST(test_comes_into),
        TEST(test_upper_in_the_way),
        cmocka_unit_test_setup_teardown(test_kept_anyway, setup_linux, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_kept_anyway, setup_never, fixture_teardown),
        TEST(test_each_table),
        TEST(test_each_while_unmapped),
        TEST(test_each_entry),
        TEST(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
