/* SPDX-License-Identifier: MIT */
/*
 * test_huge_object.c - larger pages of objects (mmk_object_offer_huge()): where they come, what
 * happens to all of one for the sake of a part, and that nothing that was stored is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/group.h>
#include <mmkit/pin.h>
#include <mmkit/reclaim.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "migrate.h"
#include "object_swap.h"
#include "swap_setup.h"

#define H      ((uint64_t)MMK_HUGE_PAGES)
#define SHARED MMK_MAP_SHARED

static int setup_with(enum mmk_huge_policy policy)
{
    struct mmk_config config = fixture_config();

    config.huge = policy;
    config.huge_shared = 1;
    return fixture_setup_with(&config);
}

static int setup_always(void **state)
{
    (void)state;
    return setup_with(MMK_HUGE_ALWAYS);
}

static int setup_madvise(void **state)
{
    (void)state;
    return setup_with(MMK_HUGE_MADVISE);
}

#define WITH(name, policy) cmocka_unit_test_setup_teardown(name, setup_##policy, fixture_teardown)
#define ALWAYS(name)       WITH(name, always)

static mmk_vaddr_t at(uint64_t page)
{
    return BASE + page * PAGE;
}

/* So many larger pages, and leaf tables. */
static void expect_huge(uint64_t huge, uint64_t leaf)
{
    struct mmk_mm_stats stats = mm_stats(mm);

    mmk_check(mm);
    assert_int_equal(stats.huge, huge);
    assert_int_equal(stats.tables[0], leaf);
}

static void check_all(struct mmk_object *object)
{
    mmk_check(mm);
    mmk_check_object(object);
}

static struct mmk_object *huge_shmem(uint64_t pages)
{
    struct mmk_object *object = new_shmem(pages);

    mmk_object_offer_huge(object);
    return object;
}

/* Shared memory of n larger pages, mapped from BASE on: page i has the byte i + 1. */
static struct mmk_object *map_huge(uint64_t n)
{
    struct mmk_object *object = huge_shmem(n * H);

    map_object_at(0, n * H, RW, SHARED, object, 0);
    fill(at(0), n * H, 1);
    expect_huge(n, 0);
    return object;
}

/* ---- a disk: byte 0 of each page ------------------------------------------------------------- */

static struct {
    uint8_t byte[4 * 512];
    uint64_t bad; /* the page that cannot be read; none: UINT64_MAX */
    uint64_t reads, writes;
} disk;

static int disk_read(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    disk.reads++;
    if (index == disk.bad)
        return MMK_EIO;
    memset(page, disk.byte[index], PAGE);
    return 0;
}

static int disk_write(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    disk.writes++;
    disk.byte[index] = *(const uint8_t *)page;
    return 0;
}

static int disk_punch(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    memset(&disk.byte[offset / PAGE], 0, length / PAGE);
    return 0;
}

static const struct mmk_object_ops disk_ops = {
    .read_page = disk_read, .write_page = disk_write, .punch_hole = disk_punch};

/* Page i has the byte i + 1. */
static struct mmk_object *huge_disk(uint64_t pages)
{
    struct mmk_object *object;
    uint64_t i;

    memset(&disk, 0, sizeof(disk));
    disk.bad = UINT64_MAX;
    for (i = 0; i < pages; i++)
        disk.byte[i] = (uint8_t)(i + 1);
    assert_int_equal(mmk_object_create(&disk_ops, pages * PAGE, NULL, &object), 0);
    mmk_object_offer_huge(object);
    return object;
}

/* ---- where they come ------------------------------------------------------------------------- */

static void test_touch(void **state)
{
    struct mmk_object *object = huge_shmem(2 * H);
    struct mmk_mm_stats stats;

    (void)state;
    map_object_at(0, 2 * H, RW, SHARED, object, 0);
    store_byte(at(H + 1), 7);
    stats = mm_stats(mm);
    assert_int_equal(stats.rss_shmem, H);
    assert_int_equal(stats.huge_faults, 1);
    assert_int_equal(stats.fault_file, 1);
    expect_huge(1, 0);
    expect_byte(at(H), 0);
    expect_byte(at(H + 1), 7);
    expect_byte(at(2 * H - 1), 0);
    assert_int_equal(needed_faults(), 1);
    check_all(object);
    mmk_object_put(object);
}

/* What is read is not writable, and becomes so as a whole. */
static void test_read_then_write(void **state)
{
    struct mmk_object *object = huge_shmem(H);

    (void)state;
    map_object_at(0, H, RW, SHARED, object, 0);
    expect_byte(at(1), 0);
    expect_huge(1, 0);
    assert_false(mmk_pte_write(peek_entry(mm, at(0))));
    store_byte(at(2), 9);
    expect_huge(1, 0);
    assert_true(mmk_pte_write(peek_entry(mm, at(0))));
    assert_int_equal(mm_stats(mm).fault_reuse, 1);
    expect_byte(at(2), 9);
    check_all(object);
    mmk_object_put(object);
}

/* Another address space maps what is there, and so does another mapping. */
static void test_both(void **state)
{
    struct mmk_object *object = map_huge(1);
    struct mmk_mm *first = mm;

    (void)state;
    map_object_at(4 * H, H, RO, SHARED, object, 0);
    expect_filled(at(4 * H), H, 1);
    expect_huge(2, 0);
    assert_int_equal(mmk_page_mapcount(peek_page(mm, at(0))), 2);
    mm = new_mm();
    machine_switch_mm(mm);
    map_object_at(H, H, RW, SHARED, object, 0);
    expect_filled(at(H), H, 1);
    expect_huge(1, 0);
    store_byte(at(H), 77);
    leave_child(first);
    expect_byte(at(0), 77);
    check_all(object);
    mmk_object_put(object);
}

static void test_file(void **state)
{
    struct mmk_object *object = huge_disk(2 * H);

    (void)state;
    map_object_at(0, 2 * H, RW, SHARED, object, 0);
    expect_byte(at(H + 1), (uint8_t)(H + 2));
    assert_int_equal(disk.reads, H);
    assert_int_equal(mm_stats(mm).rss_file, H);
    expect_filled(at(0), 2 * H, 1);
    expect_huge(2, 0);
    check_all(object);
    mmk_object_put(object);
}

/* A private mapping reads by it; what it writes is its own, and small. */
static void test_private(void **state)
{
    struct mmk_object *object = huge_disk(2 * H);

    (void)state;
    map_object_at(0, 2 * H, RW, MMK_MAP_PRIVATE, object, 0);
    expect_filled(at(0), H, 1);
    expect_huge(1, 0);
    store_byte(at(1), 99);
    expect_huge(0, 1);
    expect_byte(at(1), 99);
    expect_byte(at(2), 3);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    assert_int_equal(mm_stats(mm).rss_file, H - 1);
    store_byte(at(H), 98); /* nothing was read there yet */
    expect_huge(0, 2);
    map_object_at(4 * H, H, RO, SHARED, object, 0);
    expect_filled(at(4 * H), H, 1);
    expect_huge(1, 2);
    check_all(object);
    mmk_object_put(object);
}

/* Whatever does not fit has small pages. */
static void test_not_offered(void **state)
{
    struct mmk_object *plain = new_shmem(H), *object = huge_shmem(2 * H);

    (void)state;
    map_object_at(0, H, RW, SHARED, plain, 0);
    store_byte(at(0), 1);
    expect_huge(0, 1);
    map_object_at(H, H, RW, SHARED, object, 1); /* index and address are not alike */
    store_byte(at(H), 1);
    map_object_at(2 * H + 1, H - 1, RW, SHARED, object, 1); /* the mapping is too small */
    store_byte(at(2 * H + 1), 1);
    map_object_at(3 * H, H, RW, SHARED, object, H);
    assert_int_equal(advise(at(3 * H), H, MMK_MADV_NOHUGEPAGE), 0);
    store_byte(at(3 * H), 1);
    expect_huge(0, 4);
    assert_int_equal(mm_stats(mm).rss_shmem, 4);
    check_all(object);
    mmk_object_put(plain);
    mmk_object_put(object);
}

/* The end of the object is in it. */
static void test_size(void **state)
{
    struct mmk_object *object = huge_shmem(H - 1);

    (void)state;
    map_object_at(0, H, RW, SHARED, object, 0);
    store_byte(at(0), 1);
    expect_huge(0, 1);
    expect_store(at(H - 1), MMK_FAULT_BUS);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    assert_int_equal(mmk_object_resize(object, 0), 0);
    assert_int_equal(mmk_object_resize(object, H * PAGE - 1), 0);
    map_object_at(0, H, RW, SHARED, object, 0);
    store_byte(at(0), 1);
    expect_huge(1, 0);
    check_all(object);
    mmk_object_put(object);
}

static void test_madvise(void **state)
{
    struct mmk_object *object = huge_shmem(2 * H);

    (void)state;
    map_object_at(0, 2 * H, RW, SHARED, object, 0);
    store_byte(at(0), 1);
    expect_huge(0, 1);
    assert_int_equal(advise(at(H), H, MMK_MADV_HUGEPAGE), 0);
    store_byte(at(H), 1);
    expect_huge(1, 1);
    mmk_object_put(object);
}

static void test_anonymous(void **state)
{
    (void)state;
    map_at(0, 2 * H, RW, SHARED_ANON);
    fill(at(0), 2 * H, 1);
    expect_huge(2, 0);
    assert_int_equal(mm_stats(mm).rss_shmem, 2 * H);
    expect_filled(at(0), 2 * H, 1);
}

/* A page of it is there: the others come as small ones. */
static void test_partly_cached(void **state)
{
    struct mmk_object *object = huge_shmem(H);

    (void)state;
    map_object_at(4 * H, 1, RW, SHARED, object, 1);
    store_byte(at(4 * H), 5);
    map_object_at(0, H, RW, SHARED, object, 0);
    store_byte(at(0), 1);
    expect_huge(0, 2);
    expect_byte(at(1), 5);
    assert_int_equal(mm_stats(mm).huge_fallbacks, 1);
    check_all(object);
    mmk_object_put(object);
}

/* A page of it cannot be read: those before it were, and who touches it is told. */
static void test_unreadable(void **state)
{
    struct mmk_object *object = huge_disk(H);

    (void)state;
    disk.bad = 2;
    map_object_at(0, H, RW, SHARED, object, 0);
    expect_byte(at(3), 4);
    expect_huge(0, 1);
    expect_load(at(2), MMK_FAULT_BUS);
    expect_byte(at(1), 2);
    check_all(object);
    disk.bad = UINT64_MAX;
    expect_filled(at(0), H, 1);
    check_all(object);
    mmk_object_put(object);
}

/* Somebody has one of them locked. */
static void test_busy(void **state)
{
    struct mmk_object *object = map_huge(1);
    struct mmk_page *page = peek_page(mm, at(2));

    (void)state;
    assert_int_equal(advise(at(0), H, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 0, 0, 0);
    mmk_page_set(page, MMK_PF_LOCKED); /* as by another CPU */
    expect_byte(at(1), 2);
    expect_huge(0, 1);
    mmk_page_clear(page, MMK_PF_LOCKED);
    assert_int_equal(advise(at(0), H, MMK_MADV_DONTNEED), 0);
    expect_byte(at(1), 2);
    expect_huge(1, 0);
    expect_filled(at(0), H, 1);
    mmk_object_put(object);
}

/* ---- a part of the object goes --------------------------------------------------------------- */

/* In all address spaces, and of all kinds of mappings. */
static void test_truncate(void **state)
{
    struct mmk_object *object = map_huge(2);

    (void)state;
    map_object_at(4 * H, 2 * H, RW, MMK_MAP_PRIVATE, object, 0);
    expect_filled(at(4 * H), 2 * H, 1);
    expect_huge(4, 0);
    assert_int_equal(mmk_object_resize(object, (H + 1) * PAGE), 0);
    check_all(object);
    expect_huge(2, 0);
    expect_filled(at(0), H + 1, 1);
    expect_filled(at(4 * H), H + 1, 1);
    expect_huge(2, 2);
    expect_load(at(H + 1), MMK_FAULT_BUS);
    expect_load(at(6 * H - 1), MMK_FAULT_BUS);
    assert_int_equal(mmk_object_resize(object, 0), 0);
    expect_tables(mm, 0, 0, 0);
    check_all(object);
    mmk_object_put(object);
}

static void test_punch_hole(void **state)
{
    struct mmk_object *object = map_huge(2);

    (void)state;
    assert_int_equal(mmk_object_punch_hole(object, PAGE, PAGE), 0);
    check_all(object);
    expect_huge(1, 0);
    expect_byte(at(1), 0);
    expect_byte(at(0), 1);
    expect_filled(at(2), 2 * H - 2, 3);
    assert_int_equal(advise(at(H), H, MMK_MADV_REMOVE), 0);
    expect_huge(0, 1);
    expect_byte(at(H), 0);
    expect_huge(1, 1); /* nothing is left there: it comes anew */
    check_all(object);
    mmk_object_put(object);
}

/* What the program keeps to itself of it stays. */
static void test_punch_private(void **state)
{
    struct mmk_object *object = huge_disk(H);

    (void)state;
    map_object_at(0, H, RW, MMK_MAP_PRIVATE, object, 0);
    expect_filled(at(0), H, 1);
    store_byte(at(1), 99);
    assert_int_equal(mmk_object_punch_hole(object, 0, H * PAGE), 0);
    expect_byte(at(1), 99);
    expect_byte(at(0), 0);
    check_all(object);
    mmk_object_put(object);
}

/* Memory that is locked stays in memory, mapped or not. */
static void test_locked(void **state)
{
    struct mmk_object *object = map_huge(1);

    (void)state;
    assert_int_equal(mmk_mlock(mm, at(0), H * PAGE), 0);
    expect_huge(1, 0);
    swap_on(2 * H);
    assert_int_equal(mmk_reclaim(H), 0);
    expect_huge(1, 0);
    assert_int_equal(mmk_object_punch_hole(object, PAGE, PAGE), 0);
    expect_byte(at(0), 1);
    expect_byte(at(1), 0);
    expect_filled(at(2), H - 2, 3);
    check_all(object);
    swap_off();
    mmk_object_put(object);
}

/* ---- writing back ---------------------------------------------------------------------------- */

/* A range that is a part of it: all of it is clean, and what was stored outside is written later.
 */
static void test_sync(void **state)
{
    struct mmk_object *object = huge_disk(H);

    (void)state;
    map_object_at(0, H, RW, SHARED, object, 0);
    store_byte(at(0), 70);
    store_byte(at(2), 72);
    expect_huge(1, 0);
    assert_int_equal(mmk_object_sync(object, 0, PAGE), 0);
    expect_huge(1, 0);
    assert_false(mmk_pte_write(peek_entry(mm, at(0))));
    assert_int_equal(disk.byte[0], 70);
    assert_int_equal(disk.byte[2], 3);
    store_byte(at(0), 80);
    expect_huge(1, 0);
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    assert_int_equal(disk.byte[0], 80);
    assert_int_equal(disk.byte[2], 72);
    disk.writes = 0;
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    assert_int_equal(disk.writes, 0);
    check_all(object);
    mmk_object_put(object);
}

/* However it goes: what was stored is in its pages. */
static void test_dirty_kept(void **state)
{
    struct mmk_object *object = huge_disk(2 * H);

    (void)state;
    map_object_at(0, 2 * H, RW, SHARED, object, 0);
    expect_byte(at(1), 2);
    store_byte(at(1), 71);
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    store_byte(at(H - 1), 72); /* by an entry that is made writable */
    assert_int_equal(mmk_object_punch_hole(object, 2 * PAGE, PAGE), 0);
    expect_huge(0, 0);
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    assert_int_equal(disk.byte[1], 71);
    assert_int_equal(disk.byte[H - 1], 72);
    store_byte(at(H), 73);
    assert_int_equal(mmk_munmap(mm, at(0), 2 * H * PAGE), 0);
    mmk_object_put(object);
    assert_int_equal(disk.byte[H], 73);
}

/* The entry's own bit alone, as hardware sets it: it is every page's. */
static void test_dirty_by_hardware(void **state)
{
    struct mmk_object *object = huge_disk(H);
    uint64_t i;

    (void)state;
    map_object_at(0, H, RW, SHARED, object, 0);
    store_byte(at(0), 70);
    for (i = 0; i < H; i++)
        mmk_page_clear(peek_page(mm, at(i)), MMK_PF_DIRTY);
    store_byte(at(H - 1), 71);
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    assert_int_equal(disk.byte[0], 70);
    assert_int_equal(disk.byte[H - 1], 71);
    mmk_object_put(object);
}

/* ---- from the page, and out ------------------------------------------------------------------ */

static void test_pageout(void **state)
{
    struct mmk_object *object = map_huge(2);

    (void)state;
    swap_on(4 * H);
    assert_int_equal(advise(at(1), 1, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(swap_used(), 1);
    expect_huge(1, 1);
    expect_filled(at(0), 2 * H, 1);
    assert_int_equal(advise(at(0), 2 * H, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(swap_used(), 2 * H);
    expect_tables(mm, 0, 0, 0);
    check_all(object);
    expect_filled(at(0), 2 * H, 1);
    check_all(object);
    expect_huge(0, 2);
    assert_int_equal(mmk_munmap(mm, at(0), 2 * H * PAGE), 0);
    mmk_object_put(object);
    swap_off();
}

/* There is no table to split it with: all of it is unmapped for the sake of one page. */
static void test_no_table(void **state)
{
    struct mmk_object *object = map_huge(1);
    struct mmk_page *page = peek_page(mm, at(1));

    (void)state;
    swap_on(2 * H);
    mmk_drain();
    mmk_page_get(page);
    mmk_page_lock(page);
    machine_fail_nth(0, true);
    assert_int_equal(mmk_object_swap_out_nowait(page), 0);
    assert_true(machine_fail_stop());
    mmk_page_unlock(page);
    mmk_page_put(page);
    expect_tables(mm, 0, 0, 0);
    assert_int_equal(mm_stats(mm).rss_shmem, 0);
    check_all(object);
    expect_filled(at(0), H, 1);
    expect_huge(0, 1);
    assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    mmk_object_put(object);
    swap_off();
}

/* A file's pages, clean, go one by one. */
static void test_reclaim(void **state)
{
    struct mmk_object *object = huge_disk(H);

    (void)state;
    map_object_at(0, H, RW, SHARED, object, 0);
    expect_filled(at(0), H, 1);
    store_byte(at(1), 71);
    assert_int_equal(advise(at(0), H, MMK_MADV_PAGEOUT), 0);
    expect_tables(mm, 0, 0, 0);
    assert_int_equal(disk.byte[1], 71);
    disk.reads = 0;
    expect_byte(at(0), 1);
    expect_byte(at(1), 71);
    assert_int_equal(disk.reads, H); /* and come back at once */
    expect_huge(1, 0);
    check_all(object);
    mmk_object_put(object);
}

static void test_migrate(void **state)
{
    struct mmk_page *page, *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    struct mmk_object *object = map_huge(1);

    (void)state;
    page = peek_page(mm, at(1));
    mmk_page_get(page);
    mmk_page_lock(page);
    assert_int_equal(mmk_page_migrate(page, to), 0);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_page_put(to);
    expect_huge(0, 1);
    expect_filled(at(0), H, 1);
    check_all(object);
    assert_int_equal(advise(at(0), H, MMK_MADV_DONTNEED), 0);
    expect_filled(at(0), H, 1); /* they no longer lie side by side */
    expect_huge(0, 1);
    mmk_object_put(object);
}

/* ---- the program's calls --------------------------------------------------------------------- */

static void test_unmap(void **state)
{
    struct mmk_object *object = map_huge(3);

    (void)state;
    assert_int_equal(mmk_munmap(mm, at(H / 2), H * PAGE), 0);
    expect_huge(1, 2);
    expect_filled(at(0), H / 2, 1);
    expect_load(at(H / 2), MMK_FAULT_SEGV_MAPERR);
    expect_filled(at(H + H / 2), 2 * H - H / 2, (uint8_t)(H + H / 2 + 1));
    assert_int_equal(mmk_munmap(mm, at(0), 3 * H * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
    check_all(object);
    mmk_object_put(object);
}

static void test_advice(void **state)
{
    struct mmk_object *object = map_huge(4);

    (void)state;
    assert_int_equal(advise(at(1), 1, MMK_MADV_DONTNEED), 0);
    expect_huge(3, 1);
    assert_int_equal(advise(at(H), H, MMK_MADV_DONTNEED), 0);
    expect_huge(2, 1);
    assert_int_equal(advise(at(2 * H), H, MMK_MADV_COLD), 0);
    expect_huge(2, 1);
    expect_filled(at(0), 4 * H, 1);
    expect_huge(3, 1);
    assert_int_equal(advise(at(3 * H + 1), 1, MMK_MADV_GUARD_INSTALL), 0);
    expect_huge(2, 2);
    expect_load(at(3 * H + 1), MMK_FAULT_SEGV_MAPERR);
    expect_byte(at(3 * H), (uint8_t)(3 * H + 1));
    assert_int_equal(advise(at(0), 4 * H, MMK_MADV_DONTNEED), 0);
    assert_int_equal(advise(at(0), 3 * H, MMK_MADV_POPULATE_WRITE), 0);
    expect_huge(3, 1);
    assert_int_equal(mm_stats(mm).rss_shmem, 3 * H);
    check_all(object);
    mmk_object_put(object);
}

static void test_protect(void **state)
{
    struct mmk_object *object = map_huge(2);

    (void)state;
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RO), 0);
    expect_huge(2, 0);
    expect_store(at(0), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, MMK_PROT_NONE), 0);
    expect_load(at(1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), 2 * H * PAGE, RW), 0);
    store_byte(at(1), 2);
    expect_huge(2, 0);
    expect_filled(at(0), 2 * H, 1);
    assert_int_equal(mmk_mprotect(mm, at(H + 1), PAGE, RO), 0);
    expect_huge(1, 1);
    expect_store(at(H + 1), MMK_FAULT_SEGV_ACCERR);
    store_byte(at(H), 1);
    expect_byte(at(H + 1), (uint8_t)(H + 2));
    check_all(object);
    mmk_object_put(object);
}

/* => what is there from `to` on */
static void move(uint64_t from, uint64_t pages, uint64_t to)
{
    assert_int_equal(mmk_mremap(mm, at(from), pages * PAGE, pages * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(to)),
                     at(to));
    mmk_check(mm);
}

static void test_move(void **state)
{
    struct mmk_object *object = map_huge(3);

    (void)state;
    move(0, 3 * H, 4 * H);
    expect_huge(3, 0);
    expect_filled(at(4 * H), 3 * H, 1);
    assert_int_equal(mmk_object_punch_hole(object, PAGE, PAGE), 0); /* found where it is now */
    expect_byte(at(4 * H + 1), 0);
    move(5 * H, H, 8 * H + 1);
    expect_huge(1, 3);
    expect_filled(at(8 * H + 1), H, (uint8_t)(H + 1));
    move(6 * H + 1, 1, 1);
    expect_huge(0, 5);
    expect_byte(at(1), (uint8_t)(2 * H + 2));
    expect_byte(at(6 * H), (uint8_t)(2 * H + 1));
    check_all(object);
    mmk_object_put(object);
}

/* A child finds shared memory by its own faults. */
static void test_fork(void **state)
{
    struct mmk_object *object = map_huge(1);
    struct mmk_mm *parent;

    (void)state;
    map_object_at(4 * H, H, RW, MMK_MAP_PRIVATE, object, 0);
    expect_byte(at(4 * H), 1);
    expect_huge(2, 0);
    parent = enter_child();
    expect_tables(mm, 0, 0, 0);
    expect_filled(at(0), H, 1);
    expect_filled(at(4 * H), H, 1);
    expect_huge(2, 0);
    store_byte(at(0), 50);
    expect_byte(at(4 * H), 50);
    store_byte(at(4 * H), 51);
    expect_huge(1, 1);
    leave_child(parent);
    expect_byte(at(0), 50);
    expect_byte(at(4 * H), 50);
    expect_huge(2, 0);
    check_all(object);
    mmk_object_put(object);
}

/* Guards have fork look at shared memory, too. */
static void test_fork_guarded(void **state)
{
    struct mmk_object *object = map_huge(2);
    struct mmk_mm *parent;

    (void)state;
    assert_int_equal(advise(at(H + 1), 1, MMK_MADV_GUARD_INSTALL), 0);
    expect_huge(1, 1);
    parent = enter_child();
    expect_huge(0, 1);
    expect_load(at(H + 1), MMK_FAULT_SEGV_MAPERR);
    expect_filled(at(0), H + 1, 1);
    leave_child(parent);
    expect_huge(1, 1);
    check_all(object);
    mmk_object_put(object);
}

static void test_reap(void **state)
{
    struct mmk_object *object = huge_disk(2 * H);
    uint64_t freed = 0;

    (void)state;
    map_object_at(0, H, RW, MMK_MAP_PRIVATE, object, 0);
    map_object_at(H, H, RW, SHARED, object, H);
    expect_byte(at(0), 1);
    expect_byte(at(H), (uint8_t)(H + 1));
    expect_huge(2, 0);
    mmk_kill(mm);
    assert_int_equal(mmk_reap(mm, 100000, &freed), 0);
    assert_int_equal(freed, H);
    expect_huge(1, 0);
    check_all(object);
    mmk_object_put(object);
}

static void test_user(void **state)
{
    struct mmk_object *object = huge_disk(H);
    uint8_t bytes[3] = {21, 22, 23}, vec[4];
    struct mmk_page *page;
    mmk_paddr_t phys;
    unsigned prot;

    (void)state;
    map_object_at(0, H, RW, SHARED, object, 0);
    assert_int_equal(mmk_mm_write(mm, at(1) - 1, bytes, 3, 0), 3);
    expect_byte(at(1), 22);
    assert_int_equal(mmk_mincore(mm, at(0), 4 * PAGE, vec), 0);
    assert_int_equal(vec[0] + vec[1] + vec[2] + vec[3], 4);
    assert_int_equal(mmk_translate(mm, at(1) + 5, MMK_ACCESS_WRITE, &phys, &prot), 0);
    assert_int_equal(phys, mmk_page_phys(peek_page(mm, at(1))) + 5);
    assert_int_equal(mmk_pin_pages(mm, at(2), 1, MMK_PIN_WRITE, &page), 1);
    expect_huge(1, 0);
    *(uint8_t *)mmk_page_address(page) = 77;
    expect_byte(at(2), 77);
    mmk_unpin_pages(&page, 1, true);
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    assert_int_equal(disk.byte[1], 22);
    assert_int_equal(disk.byte[2], 77);
    check_all(object);
    mmk_object_put(object);
}

/* ---- secondary MMUs -------------------------------------------------------------------------- */

static struct mmk_notifier_range told;

static int note_begin(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    told = *range;
    return 0;
}

static void note_end(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    (void)range;
}

static void note_release(struct mmk_notifier *notifier, struct mmk_mm *of)
{
    (void)notifier;
    (void)of;
}

/* All of it goes: so that is what they are told. */
static void test_notified(void **state)
{
    static const struct mmk_notifier_ops ops = {note_begin, note_end, note_release};
    struct mmk_notifier notifier = {.ops = &ops};
    struct mmk_object *object = map_huge(2);

    (void)state;
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(mmk_object_punch_hole(object, PAGE, PAGE), 0);
    expect_huge(1, 0);
    assert_true(told.start <= at(0) && told.end >= at(H));
    mmk_notifier_unregister(mm, &notifier);
    mmk_object_put(object);
}

/* ---- limits, and no memory ------------------------------------------------------------------- */

/* Those beyond the limit are small. */
static void test_group(void **state)
{
    struct mmk_object *object = huge_shmem(3 * H);
    struct mmk_group_stats stats;
    struct mmk_group *group;

    (void)state;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    map_object_at(0, 3 * H, RW, SHARED, object, 0);
    fill(at(0), 2 * H, 1);
    expect_huge(2, 0);
    mmk_group_stats(group, &stats);
    assert_true(stats.charged >= 2 * H * PAGE);
    assert_int_equal(mmk_group_set_limit(group, stats.charged + (H - 1) * PAGE), 0);
    store_byte(at(2 * H), 1);
    expect_huge(2, 1);
    assert_int_equal(mm_stats(mm).rss_shmem, 2 * H + 1);
    check_all(object);
    assert_int_equal(mmk_munmap(mm, at(0), 3 * H * PAGE), 0);
    mmk_object_put(object);
    mmk_check_group(group);
    mmk_group_put(group);
}

/* Each allocation of the first touch fails in turn, once, and for good. */
static void fail_touch(struct mmk_object *object, enum mmk_access access)
{
    enum mmk_fault_result result;
    bool failed = true;
    uint64_t n;

    for (n = 0; failed; n++) {
        assert_int_equal(mmk_object_resize(object, 0), 0);
        assert_int_equal(mmk_object_resize(object, H * PAGE), 0);
        map_object_at(0, H, RW, SHARED, object, 0);
        mmk_drain();
        machine_fail_nth(n / 2, n % 2 == 0);
        result = mmk_fault(mm, at(1), access);
        failed = machine_fail_stop();
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        check_all(object);
        store_byte(at(1), 5);
        expect_byte(at(1), 5);
        check_all(object);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
    assert_true(n > 2);
}

static void test_no_memory(void **state)
{
    struct mmk_object *shmem = huge_shmem(H), *file = huge_disk(H);

    (void)state;
    fail_touch(shmem, MMK_ACCESS_WRITE);
    fail_touch(shmem, MMK_ACCESS_READ);
    fail_touch(file, MMK_ACCESS_READ);
    mmk_object_put(shmem);
    mmk_object_put(file);
}

static int unmap_part(void)
{
    return mmk_munmap(mm, at(1), PAGE);
}

static int protect_part(void)
{
    return mmk_mprotect(mm, at(1), PAGE, RO);
}

static int move_part(void)
{
    int64_t to =
        mmk_mremap(mm, at(1), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H));

    return to < 0 ? (int)to : 0;
}

/* What fails has changed nothing that a program sees. */
static void fail_each(int (*call)(void))
{
    struct mmk_object *object;
    bool failed = true;
    uint64_t n;
    int error;

    for (n = 0; failed; n++) {
        object = map_huge(1);
        mmk_drain();
        machine_fail_nth(n, true);
        error = call();
        failed = machine_fail_stop();
        check_all(object);
        assert_true(failed || error == 0);
        if (error) {
            assert_int_equal(error, MMK_ENOMEM);
            expect_filled(at(0), H, 1);
            assert_int_equal(call(), 0);
        }
        assert_int_equal(mmk_munmap(mm, at(0), 8 * H * PAGE), 0);
        mmk_object_put(object);
    }
    assert_true(n > 1);
}

static void test_parts_no_memory(void **state)
{
    (void)state;
    fail_each(unmap_part);
    fail_each(protect_part);
    fail_each(move_part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALWAYS(test_touch),
        ALWAYS(test_read_then_write),
        ALWAYS(test_both),
        ALWAYS(test_file),
        ALWAYS(test_private),
        ALWAYS(test_not_offered),
        ALWAYS(test_size),
        WITH(test_madvise, madvise),
        ALWAYS(test_anonymous),
        ALWAYS(test_partly_cached),
        ALWAYS(test_unreadable),
        ALWAYS(test_busy),
        ALWAYS(test_truncate),
        ALWAYS(test_punch_hole),
        ALWAYS(test_punch_private),
        ALWAYS(test_locked),
        ALWAYS(test_sync),
        ALWAYS(test_dirty_kept),
        ALWAYS(test_dirty_by_hardware),
        ALWAYS(test_pageout),
        ALWAYS(test_no_table),
        ALWAYS(test_reclaim),
        ALWAYS(test_migrate),
        ALWAYS(test_unmap),
        ALWAYS(test_advice),
        ALWAYS(test_protect),
        ALWAYS(test_move),
        ALWAYS(test_fork),
        ALWAYS(test_fork_guarded),
        ALWAYS(test_reap),
        ALWAYS(test_user),
        ALWAYS(test_notified),
        ALWAYS(test_group),
        ALWAYS(test_no_memory),
        ALWAYS(test_parts_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
