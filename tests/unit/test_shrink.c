/* SPDX-License-Identifier: MIT */
/*
 * test_shrink.c - tables that hold nothing that would be missed are given back: which go, which
 * stay, and that one that stays keeps all of its entries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "policy_setup.h"
#include "reclaim.h"
#include "shrink.h"
#include "swap_setup.h"
#include "tlb.h"
#include <mmkit/group.h>
#include <mmkit/pin.h>

#define SLOT      MMK_PT_ENTRIES /* pages that a leaf table covers */
#define SLOTS     8u
#define AT(page)  (BASE + (uint64_t)(page)*PAGE)
#define ALL_BYTES (UINT64_MAX / 2)

static uint64_t leaves(struct mmk_mm *of)
{
    return mm_stats(of).tables[0];
}

static void read_pages(mmk_vaddr_t addr, uint64_t pages)
{
    uint64_t i;

    for (i = 0; i < pages; i++)
        expect_byte(addr + i * PAGE, 0);
}

/* Anonymous memory that was only read: `per` pages of each slot. */
static mmk_vaddr_t read_slots(uint64_t first, uint64_t slots, uint64_t per)
{
    mmk_vaddr_t a = map_at(first * SLOT, slots * SLOT, RW, ANON);
    uint64_t i;

    for (i = 0; i < slots; i++)
        read_pages(a + i * SLOT * PAGE, per);
    return a;
}

/* A call, which has to tell the truth and to flush once at most. => bytes */
static uint64_t shrink_once(struct mmk_mm *of, uint64_t bytes)
{
    uint64_t before = mmk_mm_table_bytes(mm), flushes = stats_now().tlb_flushes, given;

    given = mmk_shrink_tables(of, bytes);
    mmk_check(mm);
    if (of == mm)
        assert_int_equal(before - mmk_mm_table_bytes(mm), given);
    assert_true(stats_now().tlb_flushes - flushes <= (given > 0 ? 1u : 0u));
    return given;
}

/* The second chance, and then all that goes. */
static uint64_t shrink_all(void)
{
    uint64_t first = shrink_once(mm, ALL_BYTES);

    return first + shrink_once(mm, ALL_BYTES);
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void test_zero_pages(void **state)
{
    mmk_vaddr_t a = read_slots(0, SLOTS, 4);
    uint64_t all = mmk_mm_table_bytes(mm) - PAGE;
    struct mmk_stats before = stats_now(), after;

    (void)state;
    assert_int_equal(leaves(mm), SLOTS);
    assert_int_equal(shrink_once(mm, ALL_BYTES), 0); /* used just now */
    assert_int_equal(leaves(mm), SLOTS);
    assert_int_equal(shrink_once(mm, ALL_BYTES), all);
    expect_tables(mm, 0, 0, 0);
    after = stats_now();
    assert_int_equal(after.shrink_given - before.shrink_given, all / PAGE);
    assert_int_equal(after.shrink_looked - before.shrink_looked, 2 * SLOTS);
    read_pages(a, 1); /* the next touch builds it again */
    assert_int_equal(leaves(mm), 1);
    store_byte(a, 1);
    expect_byte(a, 1);
}

/* Full tables, of both kinds of mappings: the pages stay in memory. */
static void test_file(void **state)
{
    struct mmk_object *file = new_file(SLOT);
    uint64_t all;
    uint8_t resident = 0;

    (void)state;
    map_object_at(0, SLOT, RO, MMK_MAP_SHARED, file, 0);
    map_object_at(SLOT, SLOT, RW, MMK_MAP_PRIVATE, file, 0);
    expect_filled(AT(0), SLOT, 1);
    expect_filled(AT(SLOT), SLOT, 1);
    all = mmk_mm_table_bytes(mm) - PAGE;
    assert_int_equal(shrink_all(), all);
    assert_int_equal(mm_stats(mm).rss_file, 0);
    assert_int_equal(mmk_mincore(mm, AT(3), PAGE, &resident), 0);
    assert_int_equal(resident, 1);
    mmk_check_object(file);
    expect_filled(AT(0), SLOT, 1);
    expect_filled(AT(SLOT), SLOT, 1);
    mmk_object_put(file);
}

static void test_lazily_freed(void **state)
{
    mmk_vaddr_t a = map_at(0, SLOT, RW, ANON);
    uint64_t frames, all;

    (void)state;
    fill(a, 4, 1);
    assert_int_equal(advise(a, 4, MMK_MADV_FREE), 0);
    all = mmk_mm_table_bytes(mm) - PAGE;
    frames = frames_free();
    assert_int_equal(shrink_all(), all);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_true(frames_free() >= frames + 4);
    read_pages(a, 4);
}

/* All three kinds in one table, and one under PROT_NONE. */
static void test_kinds(void **state)
{
    struct mmk_object *file = new_file(1);
    uint64_t all;

    (void)state;
    map_at(0, 1, RW, ANON);
    map_at(1, 1, RW, ANON);
    map_object_at(2, 1, RO, MMK_MAP_SHARED, file, 0);
    map_at(3, 1, RW, ANON);
    read_pages(AT(0), 1);
    store_byte(AT(1), 1);
    expect_byte(AT(2), 1);
    read_pages(AT(3), 1);
    assert_int_equal(advise(AT(1), 1, MMK_MADV_FREE), 0);
    assert_int_equal(mmk_mprotect(mm, AT(3), PAGE, MMK_PROT_NONE), 0);
    all = mmk_mm_table_bytes(mm) - PAGE;
    assert_int_equal(shrink_all(), all);
    expect_byte(AT(2), 1);
    read_pages(AT(0), 2);
    expect_load(AT(3), MMK_FAULT_SEGV_ACCERR);
    mmk_object_put(file);
}

/* ---- what stays, and all of its table -------------------------------------------------------- */

/* Beside `pages` zero pages, of a table each, something that is to stay. */
static void expect_stays(uint64_t entries)
{
    struct mmk_mm_stats before = mm_stats(mm), after;
    mmk_pte_t pte = peek_entry(mm, AT(0));

    assert_int_equal(shrink_all() + shrink_once(mm, ALL_BYTES), 0);
    after = mm_stats(mm);
    assert_int_equal(after.tables[0], before.tables[0]);
    assert_int_equal(after.rss_anon + after.rss_file + after.rss_shmem + after.swapped, entries);
    assert_true(mmk_pte_present(pte) && mmk_pte_present(peek_entry(mm, AT(0))));
}

static void test_private(void **state)
{
    (void)state;
    read_slots(0, 1, 4);
    store_byte(AT(3), 1);
    expect_stays(1);
}

static void test_stored_again(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    read_pages(AT(0), 1);
    fill(AT(1), 3, 1);
    assert_int_equal(advise(AT(1), 3, MMK_MADV_FREE), 0);
    store_byte(AT(3), 7); /* what MADV_FREE had marked is needed again */
    expect_stays(3);
    expect_byte(AT(3), 7);
}

/* A lazily freed page that a child has, too; and one that somebody holds. */
static void test_shared_with_child(void **state)
{
    struct mmk_mm *parent;
    struct mmk_page *page;

    (void)state;
    map_at(0, 4, RW, ANON);
    read_pages(AT(0), 1);
    store_byte(AT(1), 1);
    assert_int_equal(advise(AT(1), 1, MMK_MADV_FREE), 0);
    parent = enter_child();
    leave_child(parent);
    page = peek_page(mm, AT(1));
    mmk_page_get(page);
    expect_stays(1);
    mmk_page_put(page);
    assert_true(shrink_all() > 0);
}

static void test_guard(void **state)
{
    (void)state;
    read_slots(0, 1, 4);
    assert_int_equal(advise(AT(2), 1, MMK_MADV_GUARD_INSTALL), 0);
    expect_stays(0);
    expect_load(AT(2), MMK_FAULT_SEGV_MAPERR);
}

static void test_swapped(void **state)
{
    (void)state;
    swap_on(16);
    read_slots(0, 1, 4);
    store_byte(AT(3), 5);
    assert_int_equal(advise(AT(3), 1, MMK_MADV_PAGEOUT), 0);
    assert_true(is_swapped(mm, AT(3)));
    expect_stays(1);
    expect_byte(AT(3), 5);
    assert_int_equal(mmk_munmap(mm, AT(0), SLOT * PAGE), 0);
    swap_off();
}

/* A file's page that was stored to, and one that was written back since then. */
static void test_dirty(void **state)
{
    struct mmk_object *file = new_file(2);

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, file, 0);
    expect_byte(AT(0), 1);
    store_byte(AT(1), 9);
    expect_stays(2);
    expect_byte(AT(1), 9);
    mmk_object_put(file);
}

static void test_shared_memory(void **state)
{
    struct mmk_object *shmem = new_shmem(2);

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, shmem, 0);
    read_pages(AT(0), 2);
    expect_stays(2);
    mmk_object_put(shmem);
}

static void test_pinned(void **state)
{
    struct mmk_object *file = new_file(2);
    struct mmk_page *pinned;

    (void)state;
    map_object_at(0, 2, RO, MMK_MAP_SHARED, file, 0);
    expect_filled(AT(0), 2, 1);
    assert_int_equal(mmk_pin_pages(mm, AT(1), 1, 0, &pinned), 1);
    expect_stays(2);
    mmk_unpin_pages(&pinned, 1, false);
    assert_true(shrink_all() > 0);
    mmk_object_put(file);
}

/* Half of the table is another mapping's, which is locked. */
static void test_locked(void **state)
{
    struct mmk_object *file = new_file(4);

    (void)state;
    map_object_at(0, 2, RO, MMK_MAP_SHARED, file, 0);
    map_object_at(2, 2, RO, MMK_MAP_PRIVATE, file, 2);
    expect_filled(AT(0), 4, 1);
    assert_int_equal(mmk_mlock(mm, AT(2), 2 * PAGE), 0);
    expect_stays(4);
    assert_int_equal(mmk_munlock(mm, AT(2), 2 * PAGE), 0);
    assert_true(shrink_all() > 0);
    mmk_object_put(file);
}

/* Frames of the embedder's: nobody would bring them back. */
static void test_frames(void **state)
{
    struct mmk_page *frame = mmk_page_alloc(0, MMK_ALLOC_ZERO);

    (void)state;
    assert_non_null(frame);
    assert_int_equal(mmk_map_frames(mm, AT(0), PAGE, RO, MMK_MAP_FIXED, mmk_page_phys(frame)),
                     (int64_t)AT(0));
    read_pages(AT(0), 1);
    expect_stays(0);
    assert_int_equal(mmk_munmap(mm, AT(0), PAGE), 0);
    mmk_page_put(frame);
}

/* ---- use ------------------------------------------------------------------------------------- */

/* A table of which one entry is used between two looks stays, however often that is. */
static void test_used(void **state)
{
    mmk_vaddr_t a = read_slots(0, 2, 4);
    unsigned i;

    (void)state;
    assert_int_equal(shrink_once(mm, ALL_BYTES), 0);
    for (i = 0; i < 5; i++) {
        mmk_tlb_flush(mm, 0, MMK_USER_END); /* what is cached marks nothing */
        read_pages(a + 2 * PAGE, 1);
        (void)shrink_once(mm, ALL_BYTES);
        assert_int_equal(leaves(mm), 1);
    }
    assert_true(shrink_once(mm, ALL_BYTES) > 0);
    assert_int_equal(leaves(mm), 0);
}

/* Who asks for all of it gets what is in use, too: reclaim, at the very last. */
static void test_used_too(void **state)
{
    uint64_t pages = 0;

    (void)state;
    read_slots(0, SLOTS, 4);
    assert_int_equal(mmk_shrink_round(NULL, UINT64_MAX, false, &pages), 0);
    read_pages(AT(0), 1);
    assert_true(mmk_shrink_round(NULL, UINT64_MAX, true, &pages) >= SLOTS);
    assert_int_equal(pages, 0);
    expect_tables(mm, 0, 0, 0);
}

/* ---- cursors --------------------------------------------------------------------------------- */

/* As much as is asked for, one table after the other, and each call goes on. */
static void test_amount(void **state)
{
    uint64_t left = SLOTS;

    (void)state;
    read_slots(0, SLOTS, 1);
    assert_int_equal(shrink_once(mm, ALL_BYTES), 0);
    for (; left > 1; left--) {
        uint64_t given = shrink_once(mm, 1);

        assert_true(given == PAGE || SLOT < 512); /* of small tables upper ones go with it */
        assert_int_equal(leaves(mm), left - 1);
        assert_int_equal(mmk_pte_none(peek_entry(mm, AT((SLOTS - left) * SLOT))), 1);
    }
    assert_int_equal(mmk_shrink_tables(mm, 0), 0);
    assert_int_equal(leaves(mm), 1);
}

/* A call looks at so many, the next from there: so what lies behind many others is found. */
static void test_bounded(void **state)
{
    const uint64_t busy = 200;
    uint64_t calls, looked, before, i;

    (void)state;
    if (SLOT < 512)
        skip();
    map_at(0, busy * SLOT, RW, ANON);
    for (i = 0; i < busy; i++)
        store_byte(AT(i * SLOT), 1);
    read_slots(busy, 1, 1);
    before = stats_now().shrink_looked;
    for (calls = 0; mmk_shrink_tables(mm, 1) == 0; calls++) {
        looked = stats_now().shrink_looked;
        assert_true(looked - before <= 72);
        before = looked;
    }
    assert_true(calls >= 3 && calls <= 7); /* twice round, at 72 a call */
    assert_int_equal(leaves(mm), busy);
}

/* All address spaces in turn: what one call leaves the next finds. */
static void test_all(void **state)
{
    struct mmk_mm *first = mm, *other[3];
    unsigned i, n;

    (void)state;
    for (i = 0; i < 3; i++) {
        mm = other[i] = new_mm();
        machine_switch_mm(mm);
        read_slots(0, 1, 1);
    }
    machine_switch_mm(first);
    mm = first;
    read_slots(0, 1, 1);
    assert_int_equal(mmk_shrink_tables(NULL, ALL_BYTES), 0);
    for (n = 4; n > 0; n--) {
        uint64_t left = leaves(mm);

        assert_true(mmk_shrink_tables(NULL, 1) >= PAGE);
        for (i = 0; i < 3; i++)
            left += leaves(other[i]);
        assert_true(left == n || left == n - 1); /* read before or after the call */
    }
    assert_int_equal(mmk_shrink_tables(NULL, ALL_BYTES), 0);
    for (i = 0; i < 3; i++) {
        expect_tables(other[i], 0, 0, 0);
        put_mm(other[i]);
    }
    expect_tables(mm, 0, 0, 0);
}

/* ---- what stands against it ------------------------------------------------------------------ */

static void test_busy(void **state)
{
    (void)state;
    read_slots(0, 1, 1);
    assert_int_equal(shrink_once(mm, ALL_BYTES), 0);
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    assert_int_equal(mmk_shrink_tables(mm, ALL_BYTES), 0);
    mmk_rw_downgrade(&mm->mmap_lock); /* as in the middle of a fault */
    assert_true(mmk_shrink_tables(mm, ALL_BYTES) > 0);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

/* Who has a hold alone: nothing is left. */
static void test_gone(void **state)
{
    struct mmk_mm *other = new_mm();

    (void)state;
    mmk_mm_hold(other);
    mmk_mm_put(other);
    assert_int_equal(mmk_shrink_tables(other, ALL_BYTES), 0);
    assert_int_equal(mmk_shrink_tables(NULL, ALL_BYTES), 0);
    mmk_mm_drop(other);
}

static struct {
    unsigned told;
    mmk_vaddr_t start, end;
    bool refuses;
} mirror;

static int tell(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    assert_false(range->may_sleep);
    if (mirror.refuses)
        return MMK_EAGAIN;
    mirror.told++;
    mirror.start = range->start;
    mirror.end = range->end;
    return 0;
}

/* Told of just the tables that may go; and one that would have to sleep keeps them. */
static void test_notifier(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = tell};
    struct mmk_notifier notifier = {.ops = &ops};

    (void)state;
    memset(&mirror, 0, sizeof(mirror));
    read_slots(0, 2, 1);
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(shrink_once(mm, ALL_BYTES), 0);
    assert_int_equal(mirror.told, 0);
    mirror.refuses = true;
    assert_int_equal(shrink_once(mm, ALL_BYTES), 0);
    mirror.refuses = false;
    assert_true(mmk_shrink_tables(mm, ALL_BYTES) > 0);
    assert_int_equal(mirror.told, 2);
    assert_true(mirror.start == AT(SLOT) && mirror.end == AT(2 * SLOT));
    mmk_notifier_unregister(mm, &notifier);
}

/* What other kernels do not do. */
static void test_policy(void **state)
{
    (void)state;
    read_slots(0, 1, 1);
    assert_int_equal(shrink_all(), 0);
    assert_int_equal(leaves(mm), 1);
}

/* No memory for what a full table has: as many flushes as it takes, each counted. */
static void test_no_memory(void **state)
{
    struct mmk_object *file = new_file(2 * SLOT);
    uint64_t n, early;

    (void)state;
    map_object_at(0, 2 * SLOT, RO, MMK_MAP_SHARED, file, 0);
    for (n = 0;; n++) {
        bool failed;

        expect_filled(AT(0), 2 * SLOT, 1);
        assert_int_equal(mmk_shrink_tables(mm, ALL_BYTES), 0);
        early = stats_now().gather_early;
        machine_fail_nth(n, true);
        (void)mmk_shrink_tables(mm, ALL_BYTES);
        failed = machine_fail_stop();
        mmk_check(mm);
        expect_tables(mm, 0, 0, 0);
        assert_true(failed == (stats_now().gather_early > early));
        if (!failed)
            break;
    }
    assert_true(n > 0 || SLOT < 512);
    expect_filled(AT(0), 2 * SLOT, 1);
    mmk_object_put(file);
}

/* ---- groups, and reclaim --------------------------------------------------------------------- */

/* Tables that are charged to it. */
static uint64_t charged_tables(struct mmk_group *group)
{
    struct mmk_group_stats stats;

    mmk_group_stats(group, &stats);
    return stats.table_mem / PAGE;
}

/* What a table was charged goes back with it. */
static void test_charge(void **state)
{
    struct mmk_mm *first = mm;
    struct mmk_group *group;
    uint64_t given;

    (void)state;
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    read_slots(0, SLOTS, 1);
    given = charged_tables(group);
    assert_true(given > SLOTS);
    assert_int_equal(shrink_all(), (given - 1) * PAGE);
    mmk_drain();
    assert_int_equal(charged_tables(group), 1);
    mmk_check_group(group);
    machine_switch_mm(first);
    put_mm(mm);
    mm = first;
    mmk_group_put(group);
}

/* More tables of zero pages than there is memory: a program that reads goes on. */
static void test_reclaimed(void **state)
{
    const uint64_t slots = 80 * MIB / PAGE;
    uint64_t i;

    (void)state;
    if (SLOT < 512)
        skip();
    map_at(0, slots * SLOT, RW, ANON);
    for (i = 0; i < slots; i++)
        read_pages(AT(i * SLOT), 1);
    mmk_check(mm);
    assert_true(stats_now().shrink_given >= slots / 8);
    assert_true(stats_now().reclaim_direct > 0);
}

/*
 * Pages alone would do, over and over: a file larger than what is left beside tables that nobody
 * uses. These go by and by.
 */
static void test_pace(void **state)
{
    const uint64_t slots = 40 * MIB / PAGE, pages = 32 * MIB / PAGE;
    struct mmk_object *file = new_file(pages);
    uint64_t i, turn;

    (void)state;
    if (SLOT < 512) {
        mmk_object_put(file);
        skip();
    }
    read_slots(0, slots, 1);
    map_object_at(slots * SLOT, pages, RO, MMK_MAP_SHARED, file, 0);
    for (turn = 0; turn < 4; turn++)
        for (i = 0; i < pages; i++)
            expect_byte(AT(slots * SLOT + i), (uint8_t)(i + 1));
    mmk_check(mm);
    print_message("[   INFO   ] %lu of %lu tables given back, %lu pages freed\n",
                  (unsigned long)stats_now().shrink_given, (unsigned long)slots,
                  (unsigned long)stats_now().reclaim_freed);
    assert_true(leaves(mm) + 2000 < slots && stats_now().reclaim_freed < pages);
    mmk_object_put(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_zero_pages),
        TEST(test_file),
        TEST(test_lazily_freed),
        TEST(test_kinds),
        TEST(test_private),
        TEST(test_stored_again),
        TEST(test_shared_with_child),
        TEST(test_guard),
        TEST(test_swapped),
        TEST(test_dirty),
        TEST(test_shared_memory),
        TEST(test_pinned),
        TEST(test_locked),
        TEST(test_frames),
        TEST(test_used),
        TEST(test_used_too),
        TEST(test_amount),
        TEST(test_bounded),
        TEST(test_all),
        TEST(test_busy),
        TEST(test_gone),
        TEST(test_notifier),
        cmocka_unit_test_setup_teardown(test_policy, setup_linux, fixture_teardown),
        TEST(test_no_memory),
        TEST(test_charge),
        TEST(test_reclaimed),
        TEST(test_pace),
    };

    return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
