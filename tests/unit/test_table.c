/* SPDX-License-Identifier: MIT */
/*
 * test_table.c - T3: after every operation exactly the tables that the remaining entries need,
 * under policy mmkit; and what Linux keeps, under the policies that stand for it.
 *
 * The patterns are those by which programs leave empty tables behind on Linux. Each touches SLOTS
 * slots of 2 MiB; the numbers expected under linux-6.18 were measured there with 512 of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "limbo.h"
#include "policy_setup.h"
#include "swap_setup.h"
#include "table.h"

#define SLOTS 16
#define SLOT  512 /* pages */

/* Leaf tables that must be left, and pmd tables, by policy; the pud table goes with the last. */
struct left {
    uint64_t leaf, pmd, pud;
};

static void expect_left(const struct left *left)
{
    expect_tables(mm, left->leaf, left->pmd, left->pud);
}

static const struct left none = {0, 0, 0};

static void touch_slots(mmk_vaddr_t addr, uint64_t slots)
{
    uint64_t i;

    for (i = 0; i < slots; i++)
        fill(addr + i * SLOT * PAGE, 4, 1);
}

static mmk_vaddr_t touched_slots(uint64_t slots)
{
    mmk_vaddr_t a = map_at(0, slots * SLOT, RW, ANON);

    touch_slots(a, slots);
    expect_tables(mm, slots, 1, 1);
    return a;
}

static uint64_t flushes(void)
{
    return stats_now().tlb_flushes;
}

/* One operation: an answer, and a flush at most. */
static void expect_answer(int64_t expected, int64_t answer, uint64_t flushes_before)
{
    assert_int_equal(answer, expected);
    assert_true(flushes() <= flushes_before + 1);
}

#define ONE_FLUSH(expected, call)                                                                  \
    do {                                                                                           \
        uint64_t flushes_before = flushes();                                                       \
                                                                                                   \
        expect_answer((int64_t)(expected), call, flushes_before);                                  \
    } while (0)

/* So many in all, by operations that had anything to take. */
static void expect_flushes(uint64_t before, uint64_t expected)
{
    assert_int_equal(flushes() - before, expected);
}

static void dontneed(mmk_vaddr_t addr, uint64_t bytes)
{
    ONE_FLUSH(0, mmk_madvise(mm, addr, bytes, MMK_MADV_DONTNEED));
}

static void dontneed_in_pieces(mmk_vaddr_t addr, uint64_t bytes, uint64_t piece)
{
    uint64_t i;

    for (i = 0; i < bytes; i += piece)
        dontneed(addr + i, piece);
}

/* ---- the patterns: (1) to (16) as in the table of the measurements ----------------------------
 */

static void dontneed_at_once(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t before;

    before = flushes();
    dontneed(a, SLOTS * 2 * MIB);
    expect_flushes(before, 1);
    expect_left(left);
}

static void dontneed_64k(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t before;

    before = flushes();
    dontneed_in_pieces(a, SLOTS * 2 * MIB, 64 * KIB);
    expect_flushes(before, SLOTS);
    expect_left(left);
}

/* Each piece empties the upper half of one table and the lower half of the next. */
static void dontneed_misaligned(const struct left *left)
{
    mmk_vaddr_t a = map_at(0, (SLOTS + 1) * SLOT, RW, ANON);
    uint64_t i, before;

    for (i = 0; i < SLOTS; i++) {
        fill(a + i * 2 * MIB + MIB, 2, 1);
        fill(a + i * 2 * MIB + 2 * MIB, 2, 1);
    }
    expect_tables(mm, SLOTS + 1, 1, 1);
    before = flushes();
    dontneed_in_pieces(a + MIB, SLOTS * 2 * MIB, 2 * MIB);
    expect_flushes(before, SLOTS);
    expect_left(left);
}

static void dontneed_page_by_page(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t i, before;

    before = flushes();
    for (i = 0; i < SLOTS; i++)
        dontneed_in_pieces(a + i * 2 * MIB, 4 * PAGE, PAGE);
    expect_flushes(before, SLOTS * 4);
    expect_left(left);
}

static void dontneed_two_mappings(const struct left *left)
{
    mmk_vaddr_t a = BASE;
    uint64_t i, before;

    for (i = 0; i < SLOTS; i++) {
        map_at(i * SLOT, SLOT / 2, RW, ANON);
        map_at(i * SLOT + SLOT / 2, SLOT / 2, RW | MMK_PROT_EXEC, ANON);
        fill(a + i * 2 * MIB, 2, 1);
        fill(a + i * 2 * MIB + MIB, 2, 1);
    }
    expect_tables(mm, SLOTS, 1, 1);
    before = flushes();
    dontneed_in_pieces(a, SLOTS * 2 * MIB, MIB);
    expect_flushes(before, SLOTS * 2);
    expect_left(left);
}

/* The same, one call for both: to Linux 6.18 still two ranges. */
static void dontneed_across_mappings(const struct left *left)
{
    mmk_vaddr_t a = map_at(0, SLOT / 2, RW, ANON);
    uint64_t before;

    map_at(SLOT / 2, SLOT / 2, RW | MMK_PROT_EXEC, ANON);
    fill(a, 2, 1);
    fill(a + MIB, 2, 1);
    before = flushes();
    dontneed(a, 2 * MIB);
    expect_flushes(before, 1);
    expect_left(left);
}

static void truncate_object(const struct left *left)
{
    struct mmk_object *file = new_file(SLOTS * SLOT);
    mmk_vaddr_t a = map_object_at(0, SLOTS * SLOT, RW, MMK_MAP_SHARED, file, 0);

    touch_slots(a, SLOTS);
    expect_tables(mm, SLOTS, 1, 1);
    ONE_FLUSH(0, mmk_object_resize(file, 0));
    expect_left(left);
    mmk_object_put(file);
}

static void punch_hole(const struct left *left)
{
    struct mmk_object *shmem = new_shmem(SLOTS * SLOT);
    mmk_vaddr_t a = map_object_at(0, SLOTS * SLOT, RW, MMK_MAP_SHARED, shmem, 0);

    touch_slots(a, SLOTS);
    ONE_FLUSH(0, mmk_object_punch_hole(shmem, 0, SLOTS * 2 * MIB));
    expect_left(left);
    mmk_object_put(shmem);
}

/* Pages go a row at a time, locked meanwhile: a flush for each. */
static void page_out(mmk_vaddr_t addr, uint64_t pages)
{
    uint64_t before = flushes();

    assert_int_equal(mmk_madvise(mm, addr, SLOTS * 2 * MIB, MMK_MADV_PAGEOUT), 0);
    expect_flushes(before, (pages + MMK_SLOT_IO_MOST - 1) / MMK_SLOT_IO_MOST);
}

/* What MADV_FREE has marked is taken. */
static void free_and_take(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);

    ONE_FLUSH(0, mmk_madvise(mm, a, SLOTS * 2 * MIB, MMK_MADV_FREE));
    expect_tables(mm, SLOTS, 1, 1);
    page_out(a, SLOTS * 4);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    expect_left(left);
}

/* One; where the format wants a break before a table is linked, perhaps more. */
static void expect_move_flushes(uint64_t before)
{
    if (MMK_PT_BREAK_FIRST)
        assert_true(flushes() > before);
    else
        expect_flushes(before, 1);
}

/* To where each entry needs moving; the old mapping stays, empty. */
static void move_away(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS), b = a + 2 * SLOTS * 2 * MIB + MIB;
    uint64_t before;

    before = flushes();
    assert_int_equal(mmk_mremap(mm, a, SLOTS * 2 * MIB, SLOTS * 2 * MIB,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP, b),
                     (int64_t)b);
    expect_move_flushes(before);
    expect_filled(b + 3 * 2 * MIB, 4, 1);
    expect_left(left);
}

/* Guards on memory that nobody has touched, and away again. */
static void guard_and_unguard(const struct left *left)
{
    mmk_vaddr_t a = map_at(0, SLOTS * SLOT, RW, ANON);

    ONE_FLUSH(0, mmk_madvise(mm, a, SLOTS * 2 * MIB, MMK_MADV_GUARD_INSTALL));
    expect_tables(mm, SLOTS, 1, 1);
    ONE_FLUSH(0, mmk_madvise(mm, a, SLOTS * 2 * MIB, MMK_MADV_GUARD_REMOVE));
    expect_left(left);
}

/* A swap entry is not none. */
static void swap_out(const struct left *left)
{
    mmk_vaddr_t a;

    swap_on(SLOTS * 4);
    a = touched_slots(SLOTS);
    page_out(a, SLOTS * 4);
    expect_swapped(mm, 0, SLOTS * 4);
    expect_left(left);
    ONE_FLUSH(0, mmk_munmap(mm, a, SLOTS * 2 * MIB));
    swap_off();
}

/* A page of each 2 MiB, untouched, stays mapped. */
static void unmap_all_but_one(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t i, before;

    before = flushes();
    for (i = 0; i < SLOTS; i++)
        ONE_FLUSH(0, mmk_munmap(mm, a + i * 2 * MIB, 2 * MIB - PAGE));
    expect_flushes(before, SLOTS);
    expect_left(left);
}

static void map_none_over(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t i, before;

    before = flushes();
    for (i = 0; i < SLOTS * 2 * MIB; i += 64 * KIB)
        ONE_FLUSH(a + i, (int64_t)map(a + i, 16, MMK_PROT_NONE, ANON | MMK_MAP_FIXED, NULL, 0));
    expect_flushes(before, SLOTS);
    expect_left(left);
}

/* One page a GiB: upper tables, too. */
static void dontneed_sparse(const struct left *left)
{
    mmk_vaddr_t a = map_at(0, SLOTS * GIB / PAGE, RW, ANON);
    uint64_t i, before;

    for (i = 0; i < SLOTS; i++)
        store_byte(a + i * GIB, 1);
    expect_tables(mm, SLOTS, SLOTS, 1);
    before = flushes();
    dontneed(a, SLOTS * GIB);
    expect_flushes(before, 1);
    expect_left(left);
}

/* One page in each entry of the root: a whole path of tables each. */
static void dontneed_far(const struct left *left)
{
    mmk_vaddr_t a = map_at(0, SLOTS * ROOT_SPAN / PAGE, RW, ANON);
    uint64_t i, before;

    for (i = 0; i < SLOTS; i++)
        store_byte(a + i * ROOT_SPAN, (uint8_t)i);
    expect_tables(mm, SLOTS, SLOTS, SLOTS);
    for (i = 0; i < SLOTS; i++)
        expect_byte(a + i * ROOT_SPAN, (uint8_t)i);
    before = flushes();
    dontneed(a, SLOTS * ROOT_SPAN);
    expect_flushes(before, 1);
    expect_left(left);
}

/* What the child has of the parent's tables; those had pages once. */
static void fork_empty(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    struct mmk_mm *child;
    uint64_t before;

    dontneed_in_pieces(a, SLOTS * 2 * MIB, 64 * KIB);
    before = flushes();
    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_flushes(before, 0 /* nothing that was writable */);
    expect_tables(child, left->leaf, left->pmd, left->pud);
    put_mm(child);
}

static void unmap_64k(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t i, before;

    before = flushes();
    for (i = 0; i < SLOTS * 2 * MIB; i += 64 * KIB)
        ONE_FLUSH(0, mmk_munmap(mm, a + i, 64 * KIB));
    expect_flushes(before, mmk_table_keeps_unused() ? 2 * SLOTS : SLOTS); /* tables: at the end */
    expect_left(left);
}

/* Entries that remain keep exactly their tables. */
static void some_remain(const struct left *left)
{
    mmk_vaddr_t a = touched_slots(SLOTS);
    uint64_t i;

    store_byte(a + 3 * 2 * MIB + 100 * PAGE, 7);
    store_byte(a + 9 * 2 * MIB + 511 * PAGE, 8);
    for (i = 0; i < SLOTS; i++)
        dontneed(a + i * 2 * MIB, 64 * PAGE);
    expect_left(left);
    expect_byte(a + 3 * 2 * MIB + 100 * PAGE, 7);
    expect_byte(a + 9 * 2 * MIB + 511 * PAGE, 8);
}

/* Up to the last page of the address space, and an exit with all that still there. */
static void at_the_end(const struct left *left)
{
    mmk_vaddr_t a = MMK_USER_END - 2 * PAGE;

    (void)map(a, 2, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    fill(a, 2, 1);
    assert_int_equal(mmk_munmap(mm, a, 2 * PAGE), 0);
    expect_left(left);
    (void)map(a, 2, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    fill(a, 2, 1);
}

#define PATTERN(name, linux_leaf, linux_pmd, linux_pud, never_leaf, never_pmd, never_pud)          \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        name(&none);                                                                               \
    }                                                                                              \
    static void test_##name##_linux(void **state)                                                  \
    {                                                                                              \
        const struct left left = {linux_leaf, linux_pmd, linux_pud};                               \
                                                                                                   \
        (void)state;                                                                               \
        name(&left);                                                                               \
    }                                                                                              \
    static void test_##name##_never(void **state)                                                  \
    {                                                                                              \
        const struct left left = {never_leaf, never_pmd, never_pud};                               \
                                                                                                   \
        (void)state;                                                                               \
        name(&left);                                                                               \
    }

PATTERN(dontneed_at_once, 0, 1, 1, SLOTS, 1, 1)
PATTERN(dontneed_64k, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(dontneed_misaligned, SLOTS + 1, 1, 1, SLOTS + 1, 1, 1)
PATTERN(dontneed_page_by_page, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(dontneed_two_mappings, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(dontneed_across_mappings, 1, 1, 1, 1, 1, 1)
PATTERN(truncate_object, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(punch_hole, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(free_and_take, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(guard_and_unguard, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(unmap_all_but_one, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(map_none_over, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(dontneed_sparse, 0, SLOTS, 1, SLOTS, SLOTS, 1)
PATTERN(dontneed_far, 0, SLOTS, SLOTS, SLOTS, SLOTS, SLOTS)
PATTERN(fork_empty, SLOTS, 1, 1, SLOTS, 1, 1)
PATTERN(unmap_64k, 0, 0, 0, 0, 0, 0)
PATTERN(at_the_end, 0, 0, 0, 0, 0, 0)

/* What entries remain, and so tables, is the same under all policies. */
static void test_swap_out(void **state)
{
    const struct left left = {SLOTS, 1, 1};

    (void)state;
    swap_out(&left);
}

static void test_move_away(void **state)
{
    const struct left left = {SLOTS, 1, 1};

    (void)state;
    move_away(&left);
}

static void test_move_away_kept(void **state)
{
    const struct left left = {2 * SLOTS, 1, 1};

    (void)state;
    move_away(&left);
}

static void test_some_remain(void **state)
{
    const struct left left = {2, 1, 1};

    (void)state;
    some_remain(&left);
}

/* ---- life -------------------------------------------------------------------------------------
 */

/* An emptied table is used again without clearing, and the stock keeps to its bound. */
static void test_stock(void **state)
{
    const uint64_t gone =
        64 + MMK_PT_LEVELS - 2; /* the leaves, and one at each level but the root's */
    mmk_vaddr_t a = map_at(0, 64 * SLOT, RW, ANON);
    struct mmk_stats stats;
    uint64_t i;

    (void)state;
    for (i = 0; i < 64; i++)
        store_byte(a + i * 2 * MIB, 1);
    dontneed(a, 64 * 2 * MIB);
    stats = stats_now();
    assert_in_range(stats.tables_waiting_peak + stats.tables_limbo, gone, gone + 1);
    assert_int_equal(stats.tables_limbo, MMK_LIMBO_PATHS); /* without those above */
    assert_int_equal(stats.tables_linked, 1);
    while (stats_now().tables_waiting != 0)
        machine_idle_begin(), machine_idle_end();
    stats = stats_now();
    assert_true(stats.tables_stock <= 2 * 16); /* this CPU's and the one that runs RCU */
    for (i = 0; i < 64; i++) {
        store_byte(a + i * 2 * MIB + 8, 1);
        expect_byte(a + i * 2 * MIB, 0);
    }
    expect_tables(mm, 64, 1, 1);
}

/* Rebuilt a thousand times: what waits for grace periods is given back. */
static void test_churn(void **state)
{
    mmk_vaddr_t a = map_at(0, SLOT, RW, ANON);
    unsigned i;

    (void)state;
    for (i = 0; i < 1000; i++) {
        store_byte(a + i % 512 * PAGE, (uint8_t)i);
        dontneed(a + i % 512 * PAGE, PAGE);
        if (i % 100 == 0)
            expect_tables(mm, 0, 0, 0);
    }
    mmk_drain();
    assert_int_equal(stats_now().tables_waiting, 0);
}

#define UNDER(name, policy)                                                                        \
    cmocka_unit_test_setup_teardown(test_##name##_##policy, setup_##policy, fixture_teardown)
#define ALL(name) TEST(test_##name), UNDER(name, linux), UNDER(name, never)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(dontneed_at_once),
        ALL(dontneed_64k),
        ALL(dontneed_misaligned),
        ALL(dontneed_page_by_page),
        ALL(dontneed_two_mappings),
        ALL(dontneed_across_mappings),
        ALL(truncate_object),
        ALL(punch_hole),
        ALL(free_and_take),
        ALL(guard_and_unguard),
        TEST(test_swap_out),
        cmocka_unit_test_setup_teardown(test_swap_out, setup_linux, fixture_teardown),
        TEST(test_move_away),
        cmocka_unit_test_setup_teardown(test_move_away_kept, setup_linux, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_away_kept, setup_never, fixture_teardown),
        ALL(unmap_all_but_one),
        ALL(map_none_over),
        ALL(dontneed_sparse),
        ALL(dontneed_far),
        ALL(fork_empty),
        ALL(unmap_64k),
        ALL(at_the_end),
        TEST(test_some_remain),
        TEST(test_stock),
        TEST(test_churn),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
