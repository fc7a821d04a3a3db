/* SPDX-License-Identifier: MIT */
/*
 * test_pte_group.c - groups of entries that hardware may cache as one (src/pte_group.h): which come
 * to be one, what each operation on a part of one leaves, and that all are young if one is. In a
 * format that has none the same operations leave the same, but for the groups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/huge.h>
#include <mmkit/notifier.h>
#include <mmkit/pin.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "migrate_setup.h"
#include "pte_group.h"
#include "rmap_use.h"
#include "swap_setup.h"
#include "tlb.h"

/* Pages of a group, and of two. */
#define G ((uint64_t)(MMK_PT_GROUP > 1 ? MMK_PT_GROUP : 16))
#define N (2 * G)

/* Page 0's place in its table: two groups are not to be all of one, or a larger page would come. */
#define FIRST ((uint64_t)(MMK_PT_ENTRIES == N ? G : 0))

/* Page i of the table. */
#define IN_TABLE(i) ((i)-FIRST)

static int setup(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.huge = MMK_HUGE_ALWAYS;
    config.anon_block = G * PAGE;
    if (fixture_setup_with(&config))
        return -1;
    swap_on(64);
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(mmk_munmap(mm, BASE, MMK_USER_END - BASE), 0);
    mmk_swap_check();
    swap_off();
    return fixture_teardown(state);
}

#define TEST_GROUP(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static mmk_vaddr_t at(uint64_t page)
{
    return BASE + (FIRST + page) * PAGE;
}

static bool is_grouped(uint64_t page)
{
    return mmk_pte_grouped(peek_entry(mm, at(page)));
}

/* [first, first + pages) are of groups, or none of them is. */
static void expect_grouped(uint64_t first, uint64_t pages, bool grouped)
{
    uint64_t i;

    for (i = first; i < first + pages; i++)
        assert_int_equal(is_grouped(i), grouped && MMK_PT_GROUP > 1);
}

static void expect_young(uint64_t page, bool young)
{
    mmk_pte_t pte = peek_entry(mm, at(page));

    assert_int_equal(mmk_pte_mkold(pte).v != pte.v, young);
}

/* As reclaim. */
static bool asked(uint64_t page)
{
    struct mmk_page *of = peek_page(mm, at(page));
    uint32_t young;

    mmk_page_lock(of);
    young = mmk_page_referenced(of);
    mmk_page_unlock(of);
    assert_true(young <= 1);
    return young == 1;
}

/* A program's use, as hardware notes it; no TLB knows of it. */
static void use(uint64_t page)
{
    mmk_paddr_t phys;
    unsigned prot;

    assert_int_equal(mmk_translate(mm, at(page), MMK_ACCESS_READ, &phys, &prot), 0);
}

static void map_two(void)
{
    uint64_t faults = mm_stats(mm).fault_anon;

    map_at(FIRST, N, RW, ANON);
    fill(at(0), N, 1);
    mmk_check(mm);
    expect_grouped(0, N, true);
    assert_int_equal(mm_stats(mm).rss_anon, N);
    assert_int_equal(mm_stats(mm).fault_anon - faults, 2);
}

static void expect_unmapped(uint64_t page)
{
    uint8_t byte;

    assert_int_not_equal(machine_load(at(page), &byte, 1), MMK_FAULT_DONE);
}

/* ---- which come to be one -------------------------------------------------------------------- */

static void test_made(void **state)
{
    (void)state;
    map_two();
    expect_filled(at(0), N, 1);
}

/* A block that is smaller than a group. */
static void test_small(void **state)
{
    (void)state;
    map_at(FIRST, G - 1, RW, ANON);
    store_byte(at(0), 1);
    expect_grouped(0, G / 2, false);
    mmk_check(mm);
}

/* A page that is there already stays by itself, and so do those that come beside it. */
static void test_beside(void **state)
{
    (void)state;
    map_at(FIRST, G, RW, ANON);
    expect_byte(at(0), 0);
    store_byte(at(G - 1), 1);
    store_byte(at(0), 1);
    expect_grouped(0, 1, false);
    expect_grouped(G - 1, 1, false);
    mmk_check(mm);
}

/* ---- a part of one --------------------------------------------------------------------------- */

/* An operation on page 1, what page 1 has afterwards, and whether its group is one no more. */
struct part {
    int (*call)(void);
    int byte; /* -1: nothing is mapped there */
    bool splits;
};

static int give_back(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_DONTNEED);
}

static int unmap_part(void)
{
    return mmk_munmap(mm, at(1), PAGE);
}

static int protect_part(void)
{
    return mmk_mprotect(mm, at(1), PAGE, MMK_PROT_READ);
}

static int free_part(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_FREE);
}

static int cool_part(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_COLD);
}

static int swap_part(void)
{
    int error = mmk_madvise(mm, at(1), PAGE, MMK_MADV_PAGEOUT);

    assert_true(is_swapped(mm, at(1)));
    return error;
}

static int guard_part(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_GUARD_INSTALL);
}

static int move_part(void)
{
    int64_t to =
        mmk_mremap(mm, at(1), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(2 * N + 1));

    expect_byte(at(2 * N + 1), 2);
    return to < 0 ? (int)to : 0;
}

static int migrate_part(void)
{
    return migrate(peek_page(mm, at(1)));
}

static int lock_part(void)
{
    return mmk_mlock(mm, at(1), PAGE);
}

static int dontfork_part(void)
{
    return mmk_madvise(mm, at(1), PAGE, MMK_MADV_DONTFORK);
}

static int pin_part(void)
{
    struct mmk_page *page;

    assert_int_equal(mmk_pin_pages(mm, at(1), 1, MMK_PIN_WRITE, &page), 1);
    expect_grouped(0, G, true);
    mmk_unpin_pages(&page, 1, true);
    return 0;
}

static int fork_all(void)
{
    struct mmk_mm *child;
    uint64_t i;

    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_grouped(0, N, false);
    mmk_check(child);
    store_byte(at(1), 2);
    machine_switch_mm(child);
    for (i = 0; i < N - 1; i++)
        expect_byte(at(i), (uint8_t)(i + 1));
    machine_switch_mm(mm);
    mmk_mm_put(child);
    fill(at(G), G, (uint8_t)(G + 1));
    return 0;
}

static const struct part parts[] = {
    {give_back, 0, true},   {unmap_part, -1, true}, {protect_part, 2, true},
    {free_part, 2, true},   {cool_part, 2, true},   {swap_part, 2, true},
    {guard_part, -1, true}, {move_part, -1, true},  {migrate_part, 2, true},
    {lock_part, 2, false},  {pin_part, 2, false},   {dontfork_part, 2, false},
};

static void test_parts(void **state)
{
    uint64_t i, j;

    (void)state;
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        map_two();
        assert_int_equal(parts[i].call(), 0);
        mmk_check(mm);
        expect_grouped(0, 1, !parts[i].splits);
        expect_grouped(G, G, true);
        if (parts[i].byte < 0)
            expect_unmapped(1);
        else
            expect_byte(at(1), (uint8_t)parts[i].byte);
        for (j = 0; j < N; j++)
            if (j != 1)
                expect_byte(at(j), (uint8_t)(j + 1));
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, BASE, MMK_USER_END - BASE), 0);
    }
}

static void test_fork(void **state)
{
    (void)state;
    map_two();
    assert_int_equal(fork_all(), 0);
    expect_filled(at(0), N, 1);
    mmk_check(mm);
}

/* ---- all of one ------------------------------------------------------------------------------ */

/* One flush, as ever: nothing is split for the sake of what goes. */
static void test_whole(void **state)
{
    uint64_t flushes;

    (void)state;
    map_two();
    flushes = stats_now().tlb_flushes;
    assert_int_equal(mmk_madvise(mm, at(0), G * PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    expect_grouped(G, G, true);
    mmk_check(mm);
    expect_filled(at(G), G, (uint8_t)(G + 1));
    store_byte(at(0), 1);
    expect_grouped(0, N, true);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(mmk_munmap(mm, at(0), N * PAGE), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
}

/* Both ends lie within one. */
static void test_ends(void **state)
{
    uint64_t i;

    (void)state;
    map_two();
    assert_int_equal(mmk_madvise(mm, at(G - 1), 2 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_grouped(0, N, false);
    mmk_check(mm);
    for (i = 0; i < N; i++)
        expect_byte(at(i), i == G - 1 || i == G ? 0 : (uint8_t)(i + 1));
}

/* What is taken has nowhere to be noted: flushes come early, within a group, too. */
static void test_no_room(void **state)
{
    uint64_t pages = MMK_PT_ENTRIES < 32 ? 24 : 40 * G, i;

    (void)state;
    map_at(FIRST + 1, pages, RW, ANON);
    for (i = 1; i <= pages; i++)
        store_byte(at(i), 1);
    mmk_drain();
    machine_fail_nth(0, true);
    assert_int_equal(mmk_madvise(mm, at(2), (pages - 3) * PAGE, MMK_MADV_DONTNEED), 0);
    machine_fail_stop();
    mmk_check(mm);
    assert_true(mm_stats(mm).rss_anon == 3);
    expect_byte(at(1), 1);
    expect_byte(at(2), 0);
    expect_byte(at(pages), 1);
}

/* A whole table, of which the first block has single pages, and the others are groups. */
static void map_table(void)
{
    map_at(0, MMK_PT_ENTRIES, RW, ANON);
    assert_int_equal(mmk_madvise(mm, at(IN_TABLE(0)), MMK_HUGE_SIZE, MMK_MADV_NOHUGEPAGE), 0);
    store_byte(at(IN_TABLE(0)), 9);
    assert_int_equal(mmk_madvise(mm, at(IN_TABLE(0)), MMK_HUGE_SIZE, MMK_MADV_HUGEPAGE), 0);
    fill(at(IN_TABLE(G)), MMK_PT_ENTRIES - G, 1);
    expect_grouped(IN_TABLE(0), 1, false);
    expect_grouped(IN_TABLE(G), MMK_PT_ENTRIES - G, true);
}

/* With its table one moves as it is. */
static void test_moves_with_table(void **state)
{
    uint64_t to = IN_TABLE(4 * MMK_PT_ENTRIES);

    (void)state;
    map_table();
    assert_int_equal(mmk_mremap(mm, at(IN_TABLE(0)), MMK_HUGE_SIZE, MMK_HUGE_SIZE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(to)),
                     (int64_t)at(to));
    mmk_check(mm);
    expect_grouped(to + G, MMK_PT_ENTRIES - G, true);
    expect_filled(at(to + G), MMK_PT_ENTRIES - G, 1);
}

/* Groups become a larger page: no entry of theirs is left. */
static void test_collapse(void **state)
{
    (void)state;
    map_table();
    assert_int_equal(mmk_madvise(mm, at(IN_TABLE(0)), MMK_HUGE_SIZE, MMK_MADV_COLLAPSE), 0);
    assert_int_equal(mm_stats(mm).huge, 1);
    mmk_check(mm);
    expect_filled(at(IN_TABLE(G)), MMK_PT_ENTRIES - G, 1);
}

/* ---- accessed -------------------------------------------------------------------------------- */

/* Of a group: so is one, so are all, until the first of them is asked. */
static void test_used(void **state)
{
    (void)state;
    if (MMK_PT_GROUP == 1)
        return;
    map_two();
    assert_true(asked(1) && asked(1) && asked(0));
    assert_false(asked(1) || asked(0));
    expect_grouped(0, N, true);
    use(1);
    expect_young(0, false);
    assert_true(asked(0));
    expect_young(1, false);
    mmk_check(mm);
}

/* A pinned page is not asked: the next is. */
static void test_used_pinned(void **state)
{
    struct mmk_page *page;

    (void)state;
    if (MMK_PT_GROUP == 1)
        return;
    map_two();
    assert_int_equal(mmk_pin_pages(mm, at(0), 1, MMK_PIN_WRITE, &page), 1);
    assert_true(asked(1));
    assert_false(asked(1));
    mmk_unpin_pages(&page, 1, true);
}

/* Whoever splits it does not know whose use it was. */
static void test_used_split(void **state)
{
    uint64_t i;

    (void)state;
    if (MMK_PT_GROUP == 1)
        return;
    map_two();
    (void)asked(0);
    use(1);
    assert_int_equal(mmk_mprotect(mm, at(0), PAGE, MMK_PROT_READ), 0);
    for (i = 0; i < G; i++)
        expect_young(i, true);
    (void)asked(G);
    assert_int_equal(mmk_mprotect(mm, at(G), PAGE, MMK_PROT_READ), 0);
    for (i = G; i < N; i++)
        expect_young(i, false);
}

/* Where hardware faults instead: one fault for all of it. */
static void test_used_fault(void **state)
{
    uint64_t faults;

    (void)state;
    if (MMK_PT_GROUP == 1)
        return;
    map_two();
    (void)asked(0);
    machine_switch_mm(NULL);
    mmk_tlb_flush(mm, at(0), at(N));
    machine_switch_mm(mm);
    faults = machine_faults_here();
    expect_byte(at(1), 2);
    mmk_tlb_flush(mm, at(0), at(N));
    expect_byte(at(0), 1);
    assert_true(machine_faults_here() - faults <= 1);
    assert_true(asked(0));
    mmk_check(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_GROUP(test_made),       TEST_GROUP(test_small),      TEST_GROUP(test_beside),
        TEST_GROUP(test_parts),      TEST_GROUP(test_fork),       TEST_GROUP(test_whole),
        TEST_GROUP(test_ends),       TEST_GROUP(test_no_room),    TEST_GROUP(test_moves_with_table),
        TEST_GROUP(test_collapse),   TEST_GROUP(test_used),       TEST_GROUP(test_used_pinned),
        TEST_GROUP(test_used_split), TEST_GROUP(test_used_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
