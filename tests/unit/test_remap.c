/* SPDX-License-Identifier: MIT */
/*
 * test_remap.c - mremap: what moves where, what is refused and what that leaves, as on Linux 6.18.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include <mmkit/limit.h>

#define MAYMOVE   MMK_MREMAP_MAYMOVE
#define FIXED     (MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED)
#define DONTUNMAP (MMK_MREMAP_MAYMOVE | MMK_MREMAP_DONTUNMAP)
#define ELSEWHERE (MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP)

#define AT(page) (BASE + (page)*PAGE)

/* In pages; `to` from BASE. Every result is followed by a check of everything. */
static int64_t remap(uint64_t at, uint64_t old, uint64_t new, unsigned flags, uint64_t to)
{
    int64_t result = mmk_mremap(mm, AT(at), old * PAGE, new *PAGE, flags, AT(to));

    mmk_check(mm);
    return result;
}

static void expect_remap(uint64_t at, uint64_t old, uint64_t new, unsigned flags, uint64_t to,
                         uint64_t result)
{
    assert_int_equal(remap(at, old, new, flags, to), AT(result));
}

static void expect_error(uint64_t at, uint64_t old, uint64_t new, unsigned flags, uint64_t to,
                         int error)
{
    assert_int_equal(remap(at, old, new, flags, to), error);
}

static bool mapped(uint64_t page)
{
    return peek_vma(mm, AT(page)) != NULL;
}

/* Mapped from BASE on, for a while, are just these: first page and number of pages. */
#define EXPECT_VMAS(...)                                                                           \
    do {                                                                                           \
        const uint64_t vmas_[][2] = {__VA_ARGS__, {0, 0}};                                         \
        expect_vmas(BASE, BASE + 4 * GIB, vmas_);                                                  \
    } while (0)

/* ---- at its place -------------------------------------------------------------------------------
 */

static void test_same_size(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 4, RO, ANON);
    expect_remap(0, 8, 8, 0, 0, 0);
    expect_remap(1, 200, 200, MAYMOVE, 0, 1); /* what it covers does not matter */
    assert_int_equal(mmk_mremap(mm, AT(0), 4 * PAGE - 5, 4 * PAGE, 0, 0), AT(0));
    EXPECT_VMAS({0, 4}, {4, 4});
}

static void test_grow(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    expect_remap(1, 3, 6, 0, 0, 1);
    EXPECT_VMAS({0, 7});
    assert_int_equal(mm_stats(mm).virt_bytes, 7 * PAGE);
    expect_filled(AT(0), 4, 1);
    expect_byte(AT(6), 0);
    expect_error(1, 2, 6, 0, 0, MMK_ENOMEM); /* does not end there */
    assert_int_equal(mmk_mremap(mm, AT(0), 7 * PAGE, 7 * PAGE + 1, 0, 0), AT(0));
    EXPECT_VMAS({0, 8});
}

static void test_grow_to_neighbour(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(6, 4, RW, ANON);
    expect_error(0, 4, 7, 0, 0, MMK_ENOMEM);
    expect_remap(0, 4, 6, 0, 0, 0);
    EXPECT_VMAS({0, 10});
    map_at(12, 4, RO, ANON);
    expect_remap(5, 5, 7, 0, 0, 5);
    EXPECT_VMAS({0, 12}, {12, 4});
    expect_error(5, 7, 8, 0, 0, MMK_ENOMEM);
}

/* A stack above keeps no gap from it, and one that is moved still grows down. */
static void test_stacks(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(6, 2, RW, STACK);
    expect_remap(0, 4, 6, 0, 0, 0);
    EXPECT_VMAS({0, 6}, {6, 2});
    store_byte(AT(7), 3);
    expect_remap(6, 2, 4, 0, 0, 6);
    expect_remap(6, 4, 4, FIXED, 4000, 4000);
    expect_byte(AT(4001), 3);
    store_byte(AT(3997), 4);
    EXPECT_VMAS({0, 6}, {3997, 7});
}

static void test_grow_object(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, file, 2);
    map_object_at(4, 2, RW, MMK_MAP_SHARED, file, 6);
    expect_remap(0, 2, 4, 0, 0, 0);
    EXPECT_VMAS({0, 6});
    expect_byte(AT(3), 6);
    expect_remap(0, 6, 9, 0, 0, 0);
    expect_byte(AT(5), 8);
    expect_load(AT(6), MMK_FAULT_BUS);
    mmk_check_object(file);
    assert_int_equal(mmk_object_resize(file, 3 * PAGE), 0); /* finds what has grown */
    expect_load(AT(3), MMK_FAULT_BUS);
    mmk_object_put(file);
}

/* The end of the address space. */
static void test_grow_to_the_end(void **state)
{
    mmk_vaddr_t last = MMK_USER_END - 4 * PAGE;

    (void)state;
    (void)map(last, 2, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(mmk_mremap(mm, last, 2 * PAGE, 5 * PAGE, 0, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mremap(mm, last, 2 * PAGE, 4 * PAGE, 0, 0), last);
    store_byte(MMK_USER_END - PAGE, 9);
    assert_true(mmk_mremap(mm, last, 4 * PAGE, 5 * PAGE, MAYMOVE, 0) > 0);
    expect_load(MMK_USER_END - PAGE, MMK_FAULT_SEGV_MAPERR);
    mmk_check(mm);
}

static void test_shrink(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 4, RO, ANON);
    fill(AT(0), 4, 1);
    expect_remap(0, 8, 2, MAYMOVE, 0, 0); /* whatever lies behind goes */
    EXPECT_VMAS({0, 2});
    expect_filled(AT(0), 2, 1);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    map_at(6, 4, RO, ANON);
    expect_remap(0, 8, 1, 0, 0, 0);
    EXPECT_VMAS({0, 1}, {8, 2});
    expect_remap(0, 8, 1, 0, 0, 0); /* nothing behind */
}

/* Grows where there is room; the old place is free. */
static void test_grow_by_moving(void **state)
{
    int64_t to;

    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 1, RO, ANON);
    fill(AT(0), 4, 1);
    expect_error(0, 4, 6, 0, 0, MMK_ENOMEM);
    to = remap(0, 4, 6, MAYMOVE, 77);
    assert_true(to > 0 && (to < (int64_t)AT(0) || to > (int64_t)AT(200)));
    assert_false(mapped(0));
    expect_filled((mmk_vaddr_t)to, 4, 1);
    expect_byte((mmk_vaddr_t)to + 5 * PAGE, 0);
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    assert_int_equal(mm_stats(mm).virt_bytes, 7 * PAGE);
    /* Only the part named moves. */
    assert_int_equal(mmk_munmap(mm, (mmk_vaddr_t)to, 6 * PAGE), 0);
    map_at(10, 9, RW, ANON);
    fill(AT(10), 9, 10);
    to = remap(13, 2, 3, MAYMOVE, 0);
    assert_true(to > 0);
    EXPECT_VMAS({4, 1}, {10, 3}, {15, 4});
    expect_filled((mmk_vaddr_t)to, 2, 13);
    expect_filled(AT(15), 4, 15);
}

/* ---- to a given place ---------------------------------------------------------------------------
 */

static void test_fixed(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    expect_remap(2, 3, 3, FIXED, 20, 20);
    EXPECT_VMAS({0, 2}, {5, 3}, {20, 3});
    expect_filled(AT(20), 3, 3);
    expect_load(AT(2), MMK_FAULT_SEGV_MAPERR);
    expect_remap(20, 3, 3, FIXED, 2, 2);
    EXPECT_VMAS({0, 8}); /* as if it had never been away */
    expect_filled(AT(0), 8, 1);
    expect_remap(0, 2, 2, FIXED, 8, 8);
    EXPECT_VMAS({2, 6}, {8, 2}); /* indices that do not go on */
    assert_int_equal(mm_stats(mm).rss_anon, 8);
}

/* Untouched memory is as good as new, and merges. */
static void test_fixed_untouched(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    expect_remap(0, 2, 2, FIXED, 4, 4);
    EXPECT_VMAS({2, 4});
    expect_remap(2, 4, 4, ELSEWHERE, 6, 6);
    EXPECT_VMAS({2, 8});
    expect_tables(mm, 0, 0, 0);
}

/* So is memory that was only read; guards, and what was written, keep their indices. */
static void test_fixed_only_read(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(8, 2, RW, ANON);
    expect_filled(AT(0), 1, 0);
    expect_remap(0, 2, 2, FIXED, 6, 6);
    EXPECT_VMAS({2, 2}, {6, 4});
    expect_byte(AT(6), 0);
    assert_int_equal(mmk_madvise(mm, AT(2), PAGE, MMK_MADV_GUARD_INSTALL), 0);
    expect_remap(2, 1, 1, FIXED, 10, 10);
    EXPECT_VMAS({3, 1}, {6, 4}, {10, 1});
    expect_load(AT(10), MMK_FAULT_SEGV_MAPERR);
    store_byte(AT(3), 1);
    expect_remap(3, 1, 1, FIXED, 5, 5);
    EXPECT_VMAS({5, 1}, {6, 4}, {10, 1});
    expect_byte(AT(5), 1);
}

static void test_fixed_replaces(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    map_at(20, 8, RO, ANON);
    map_object_at(22, 4, RW, MMK_MAP_SHARED, file, 0);
    expect_byte(AT(22), 1);
    expect_byte(AT(27), 0);
    expect_remap(0, 4, 4, FIXED, 21, 21);
    EXPECT_VMAS({20, 1}, {21, 4}, {25, 1}, {26, 2});
    expect_filled(AT(21), 4, 1);
    expect_byte(AT(25), 4);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* Source and target in one mapping, on every side of each other. */
static void test_fixed_within(void **state)
{
    (void)state;
    map_at(0, 20, RW, ANON);
    fill(AT(0), 20, 1);
    expect_remap(2, 4, 4, FIXED, 10, 10); /* target above: the rest of it is cut off */
    EXPECT_VMAS({0, 2}, {6, 4}, {10, 4}, {14, 6});
    expect_filled(AT(10), 4, 3);
    expect_filled(AT(14), 6, 15);
    map_at(0, 20, RW, ANON);
    fill(AT(0), 20, 1);
    expect_remap(10, 4, 4, FIXED, 2, 2); /* target below: the source is in the new upper part */
    EXPECT_VMAS({0, 2}, {2, 4}, {6, 4}, {14, 6});
    expect_filled(AT(2), 4, 11);
    map_at(0, 20, RW, ANON);
    expect_remap(4, 4, 4, FIXED, 8, 8); /* touching */
    map_at(0, 20, RW, ANON);
    fill(AT(0), 20, 1);
    expect_remap(8, 4, 4, FIXED, 4, 4);
    EXPECT_VMAS({0, 4}, {4, 4}, {12, 8});
    expect_filled(AT(4), 4, 9);
}

static void test_fixed_other_size(void **state)
{
    (void)state;
    map_at(0, 6, RW, ANON);
    fill(AT(0), 6, 1);
    expect_remap(1, 2, 8, FIXED, 20, 20);
    EXPECT_VMAS({0, 1}, {3, 3}, {20, 8});
    expect_filled(AT(20), 2, 2);
    expect_byte(AT(27), 0);
    expect_remap(3, 3, 1, FIXED, 40, 40);
    EXPECT_VMAS({0, 1}, {20, 8}, {40, 1});
    expect_byte(AT(40), 4);
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    /* What is cut off may be anything, what moves is one mapping. */
    map_at(50, 4, RW, ANON);
    map_at(54, 2, RO, ANON);
    map_at(58, 6, RO, ANON);
    expect_error(50, 8, 5, FIXED, 80, MMK_EFAULT);
    expect_error(50, 5, 8, FIXED, 80, MMK_EFAULT);
    fill(AT(50), 4, 50);
    expect_remap(50, 10, 3, FIXED, 80, 80);
    EXPECT_VMAS({0, 1}, {20, 8}, {40, 1}, {60, 4}, {80, 3});
    expect_filled(AT(80), 3, 50);
}

/* Cutting off another object's mapping in the same call. */
static void test_fixed_cuts_object(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_at(0, 2, RW, ANON);
    map_object_at(2, 6, RW, MMK_MAP_SHARED, file, 0);
    fill(AT(0), 1, 1);
    expect_byte(AT(2), 1);
    expect_byte(AT(6), 5);
    expect_remap(0, 5, 2, FIXED, 20, 20);
    EXPECT_VMAS({5, 3}, {20, 2});
    expect_byte(AT(6), 5);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    expect_load(AT(6), MMK_FAULT_BUS);
    mmk_check_object(file);
    mmk_object_put(file);
}

static uint64_t flushes_at_write;

static int late_write(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    (void)index;
    (void)page;
    flushes_at_write = stats_now().tlb_flushes;
    return 0;
}

/*
 * What is cut off has its object's last reference: the object is written back and goes, which must
 * not be before the flush, or a store that comes in between is lost.
 */
static void test_fixed_last_reference(void **state)
{
    static const struct mmk_object_ops ops = {.read_page = fixture_read_page,
                                              .write_page = late_write};
    struct mmk_object *file;
    unsigned first;
    uint64_t before;

    (void)state;
    for (first = 0; first < 2; first++) { /* what moves is anonymous, or an object's */
        struct mmk_object *shmem = new_shmem(1);

        if (first)
            map_object_at(0, 1, RW, MMK_MAP_SHARED, shmem, 0);
        else
            map_at(0, 1, RW, ANON);
        assert_int_equal(mmk_object_create(&ops, PAGE, NULL, &file), 0);
        map_object_at(1, 1, RW, MMK_MAP_SHARED, file, 0);
        mmk_object_put(file);
        store_byte(AT(0), 1);
        store_byte(AT(1), 1);
        flushes_at_write = 0;
        before = stats_now().tlb_flushes;
        expect_remap(0, 2, 1, FIXED, 20, 20);
        assert_int_equal(flushes_at_write, before + 1);
        assert_int_equal(stats_now().tlb_flushes, before + 1);
        expect_byte(AT(20), 1);
        assert_int_equal(mmk_munmap(mm, AT(20), PAGE), 0);
        mmk_object_put(shmem);
    }
}

static void test_several(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 4, RO, ANON);
    map_at(10, 4, RW, ANON);
    fill(AT(0), 4, 1);
    fill(AT(10), 4, 10);
    expect_byte(AT(5), 0);
    map_at(30, 30, MMK_PROT_NONE, ANON);
    expect_remap(1, 11, 11, FIXED, 31, 31);
    /* A hole moves as a hole: what was mapped at its new place stays. */
    EXPECT_VMAS({0, 1}, {12, 2}, {30, 1}, {31, 3}, {34, 4}, {38, 2}, {40, 2}, {42, 18});
    expect_filled(AT(31), 3, 2);
    expect_filled(AT(40), 2, 10);
    expect_byte(AT(35), 0);
    expect_remap(0, 20, 20, ELSEWHERE, 100, 100);
    EXPECT_VMAS({0, 1}, {12, 2}, {30, 1}, {31, 3}, {34, 4}, {38, 2}, {40, 2}, {42, 18}, {100, 1},
                {112, 2});
    expect_error(2, 10, 10, FIXED, 200, MMK_EFAULT); /* nothing, or a hole first */
    expect_error(11, 3, 3, FIXED, 200, MMK_EFAULT);
}

static void test_several_stops(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 4, RO, ANON);
    map_at(8, 4, RW, ANON);
    fill(AT(0), 4, 1);
    assert_int_equal(mmk_mseal(mm, AT(4), 4 * PAGE, 0), 0);
    expect_error(0, 12, 12, FIXED, 30, MMK_EPERM); /* what was before it has moved */
    EXPECT_VMAS({4, 4}, {8, 4}, {30, 4});
    expect_filled(AT(30), 4, 1);
}

/* ---- the old mapping stays ----------------------------------------------------------------------
 */

static void test_dontunmap(void **state)
{
    int64_t to;

    (void)state;
    map_at(0, 6, RW, ANON);
    fill(AT(0), 6, 1);
    expect_remap(1, 2, 2, DONTUNMAP, 20, 20); /* the hint is free */
    EXPECT_VMAS({0, 6}, {20, 2});
    expect_filled(AT(20), 2, 2);
    assert_int_equal(mm_stats(mm).rss_anon, 6);
    expect_byte(AT(0), 1);
    expect_byte(AT(1), 0);
    store_byte(AT(2), 7);
    expect_byte(AT(21), 3);
    to = remap(4, 2, 2, DONTUNMAP, 0); /* this one is not */
    assert_true(to > 0 && to != (int64_t)AT(0));
    expect_filled((mmk_vaddr_t)to, 2, 5);
    EXPECT_VMAS({0, 6}, {20, 2});
    assert_true(mmk_mremap(mm, AT(0), PAGE, PAGE, DONTUNMAP, 0) >= (int64_t)PAGE);
}

static void test_dontunmap_objects(void **state)
{
    struct mmk_object *file = new_file(8), *shmem = new_shmem(8);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 1);
    map_object_at(10, 4, RW, MMK_MAP_SHARED, shmem, 1);
    store_byte(AT(0), 77);
    expect_byte(AT(1), 3);
    store_byte(AT(10), 88);
    expect_remap(0, 4, 4, ELSEWHERE, 20, 20);
    expect_remap(10, 4, 4, ELSEWHERE, 30, 30);
    assert_null(peek_page(mm, AT(0)));
    expect_byte(AT(0), 2);   /* the file again */
    expect_byte(AT(20), 77); /* the copy has moved */
    expect_byte(AT(10), 88);
    expect_byte(AT(30), 88);
    assert_int_equal(mmk_object_resize(file, PAGE), 0);
    assert_int_equal(mmk_object_resize(shmem, PAGE), 0);
    expect_load(AT(0), MMK_FAULT_BUS);
    expect_load(AT(20), MMK_FAULT_BUS);
    expect_load(AT(10), MMK_FAULT_BUS);
    expect_load(AT(30), MMK_FAULT_BUS);
    mmk_check_object(file);
    mmk_check_object(shmem);
    mmk_object_put(file);
    mmk_object_put(shmem);
}

/* ---- old_len 0: the same pages a second time ----------------------------------------------------
 */

static void test_duplicate(void **state)
{
    int64_t to;

    (void)state;
    map_at(0, 4, RW, SHARED_ANON);
    fill(AT(0), 4, 1);
    expect_error(0, 0, 4, 0, 0, MMK_ENOMEM);
    expect_remap(0, 0, 4, FIXED, 20, 20);
    expect_filled(AT(20), 4, 1);
    store_byte(AT(21), 50);
    expect_byte(AT(1), 50);
    to = remap(2, 0, 1, MAYMOVE, 0);
    expect_byte((mmk_vaddr_t)to, 3);
    expect_remap(1, 0, 8, FIXED, 40, 40);
    expect_byte(AT(41), 3);
    expect_load(AT(43), MMK_FAULT_BUS);
    EXPECT_VMAS({0, 4}, {20, 4}, {40, 8});
    expect_error(0, 0, 4, ELSEWHERE, 60, MMK_EINVAL);
    expect_remap(1, 0, 1, FIXED, 2, 2); /* within itself */
    EXPECT_VMAS({0, 2}, {2, 1}, {3, 1}, {20, 4}, {40, 8});
    expect_byte(AT(2), 50);
    expect_error(20, 0, 2, FIXED, 20, MMK_EFAULT); /* the target was all there is to copy */
    EXPECT_VMAS({0, 2}, {2, 1}, {3, 1}, {22, 2}, {40, 8});
}

static void test_duplicate_private(void **state)
{
    struct mmk_object *file = new_file(4);

    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(20, 4, RO, ANON);
    map_object_at(40, 4, RW, MMK_MAP_PRIVATE, file, 0);
    expect_error(0, 0, 4, 0, 0, MMK_EINVAL);
    expect_error(0, 0, 4, MAYMOVE, 0, MMK_EINVAL);
    expect_error(0, 0, 4, FIXED, 20, MMK_EINVAL);
    expect_error(40, 0, 4, MAYMOVE, 0, MMK_EINVAL);
    EXPECT_VMAS({0, 4}, {20, 4}, {40, 4});
    mmk_object_put(file);
}

/* ---- what is refused ----------------------------------------------------------------------------
 */

static void test_bad_arguments(void **state)
{
    const uint64_t end = MMK_USER_END;

    (void)state;
    map_at(0, 10, RW, ANON);
    assert_int_equal(mmk_mremap(mm, AT(0) + 1, PAGE, PAGE, 0, 0), MMK_EINVAL);
    expect_error(0, 1, 0, 0, 0, MMK_EINVAL);
    expect_error(0, 1, 1, 8, 0, MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(0), PAGE, end + PAGE, MAYMOVE, 0), MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(0), PAGE, end, MAYMOVE, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mremap(mm, AT(0), PAGE, UINT64_MAX, MAYMOVE, 0), MMK_EINVAL); /* 0 */
    expect_error(0, 1, 1, MMK_MREMAP_FIXED, 20, MMK_EINVAL);
    expect_error(0, 1, 1, MMK_MREMAP_DONTUNMAP, 20, MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(0), PAGE, PAGE, FIXED, AT(20) + 1), MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(0), PAGE, PAGE, FIXED, end), MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(0), PAGE, PAGE, FIXED, end - PAGE), end - PAGE);
    expect_error(1, 1, 2, DONTUNMAP, 20, MMK_EINVAL);
    expect_error(1, 1, 1, DONTUNMAP, 1, MMK_EINVAL); /* even a hint may not overlap */
    expect_error(1, 1, 1, FIXED, 1, MMK_EINVAL);
    expect_error(1, 2, 2, FIXED, 2, MMK_EINVAL);
    expect_error(2, 2, 2, FIXED, 1, MMK_EINVAL);
    expect_error(2, 2, 6, FIXED, 0, MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(1), -PAGE, PAGE, 0, 0), MMK_EINVAL);
    assert_int_equal(mmk_mremap(mm, AT(1), end - AT(1) + PAGE, PAGE, 0, 0), MMK_EINVAL);
    EXPECT_VMAS({1, 9}, {(end - PAGE - BASE) / PAGE, 1});
}

static void test_not_mapped(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 4, RO, ANON);
    expect_error(50, 1, 1, 0, 0, MMK_EFAULT);
    expect_error(50, 1, 2, MAYMOVE, 0, MMK_EFAULT);
    expect_error(50, 2, 1, 0, 0, MMK_EFAULT);
    expect_error(50, 2, 2, FIXED, 80, MMK_EFAULT);
    expect_error(0, 8, 9, MAYMOVE, 0, MMK_EFAULT);
    expect_error(0, 8, 10, FIXED, 30, MMK_EFAULT);
    expect_error(0, 8, 8, DONTUNMAP, 30, MMK_EFAULT);
    assert_int_equal(mmk_mremap(mm, BASE - PAGE, 2 * PAGE, 3 * PAGE, MAYMOVE, 0), MMK_EFAULT);
    assert_int_equal(mmk_mremap(mm, -PAGE, 0, PAGE, 0, 0), MMK_EFAULT);
    assert_int_equal(mmk_mremap(mm, -PAGE, 2 * PAGE, 2 * PAGE, FIXED, AT(50)), MMK_EFAULT);
    EXPECT_VMAS({0, 4}, {4, 4});
}

/* What Linux finds out late: the target is unmapped by then, as is the part to cut off. */
static void test_refused_late(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(20, 4, RW, ANON);
    assert_int_equal(mmk_mremap(mm, AT(20), MMK_USER_END, 2 * PAGE, FIXED, AT(0)), MMK_EINVAL);
    EXPECT_VMAS({2, 2}, {20, 4});
    assert_int_equal(mmk_mremap(mm, AT(20), 2 * PAGE, 2 * PAGE, FIXED, 0), MMK_EPERM);
    EXPECT_VMAS({2, 2}, {20, 4});
    assert_int_equal(mmk_mremap(mm, AT(20), 4 * PAGE, 2 * PAGE, FIXED, 0), MMK_EPERM);
    EXPECT_VMAS({2, 2}, {20, 2});
    /* A length that wraps passes for a range apart. */
    assert_int_equal(mmk_mremap(mm, AT(20), 0 - PAGE, PAGE, FIXED, AT(20)), MMK_EFAULT);
    EXPECT_VMAS({2, 2}, {21, 1});
}

static void test_sealed(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    map_at(4, 4, RO, ANON);
    map_at(8, 4, RW, ANON);
    map_at(20, 8, RW, ANON);
    assert_int_equal(mmk_mseal(mm, AT(4), 4 * PAGE, 0), 0);
    expect_error(4, 4, 4, 0, 0, MMK_EPERM);
    expect_error(4, 4, 3, 0, 0, MMK_EPERM);
    expect_error(5, 3, 9, MAYMOVE, 0, MMK_EPERM);
    expect_error(5, 0, 3, 0, 0, MMK_EPERM);
    expect_error(20, 4, 4, FIXED, 7, MMK_EPERM); /* the target */
    expect_error(20, 4, 2, FIXED, 4, MMK_EPERM);
    expect_error(0, 8, 2, 0, 0, MMK_EPERM);               /* what is to be cut off */
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 4}, {8, 4}, {20, 8}); /* and has been cut, but for that */
    expect_error(2, 4, 1, FIXED, 22, MMK_EPERM);          /* found when the target is unmapped */
    EXPECT_VMAS({0, 2}, {2, 1}, {3, 1}, {4, 4}, {8, 4}, {20, 2}, {23, 5});
}

/* Indices are counted in bytes below 2^64; to get there takes a hundred thousand calls. */
static void test_index_overflow(void **state)
{
    struct mmk_vma *vma;

    (void)state;
    map_at(0, 2, RW, ANON);
    vma = peek_vma(mm, AT(0));
    mmk_a64_store(&vma->origin, AT(5), MMK_RELAXED);
    mmk_vma_reshift(vma, AT(5));
    expect_error(0, 2, 6, MAYMOVE, 0, MMK_EINVAL);
    expect_error(0, 2, 6, FIXED, 20, MMK_EINVAL);
    expect_remap(0, 2, 4, 0, 0, 0);
    expect_remap(1, 3, 3, FIXED, 20, 20);
    EXPECT_VMAS({0, 1}, {20, 3});
}

static void test_physical(void **state)
{
    int64_t at = mmk_map_frames(mm, AT(0), 4 * PAGE, RW, MMK_MAP_FIXED, 16 * MIB);

    (void)state;
    assert_int_equal(at, AT(0));
    expect_error(0, 4, 4, DONTUNMAP, 0, MMK_EINVAL);
    expect_error(0, 4, 6, MAYMOVE, 0, MMK_EFAULT);
    expect_error(0, 0, 4, MAYMOVE, 0, MMK_EFAULT);
    expect_remap(0, 4, 4, FIXED, 600, 600);
    assert_int_equal(mmk_pte_pfn(peek_entry(mm, AT(602))), (16 * MIB) / PAGE + 2);
    expect_remap(600, 4, 2, 0, 0, 600);
    EXPECT_VMAS({600, 2});
}

/* ---- limits -------------------------------------------------------------------------------------
 */

static void test_limits(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_AS, 10 * PAGE), 0);
    expect_error(0, 8, 11, 0, 0, MMK_ENOMEM);
    expect_error(0, 8, 11, MAYMOVE, 0, MMK_ENOMEM);
    expect_error(0, 8, 11, FIXED, 40, MMK_ENOMEM);
    expect_error(0, 8, 8, DONTUNMAP, 40, MMK_ENOMEM);
    EXPECT_VMAS({0, 8});
    expect_remap(0, 2, 2, DONTUNMAP, 40, 40);
    expect_remap(0, 8, 8, FIXED, 60, 60); /* needs no more */
    EXPECT_VMAS({40, 2}, {60, 8});
}

/* What is refused when the target is unmapped already leaves it so, as on Linux. */
static void test_refused_beyond_limit(void **state)
{
    (void)state;
    map_at(0, 5, RW, ANON);
    map_at(40, 5, RO, ANON);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_AS, 9 * PAGE), 0);
    expect_error(0, 5, 5, FIXED | DONTUNMAP, 40, MMK_ENOMEM);
    EXPECT_VMAS({0, 5});
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_AS, 10 * PAGE), 0);
    map_at(40, 5, RO, ANON);
    expect_remap(0, 5, 5, FIXED | DONTUNMAP, 40, 40); /* what goes makes room */
    EXPECT_VMAS({0, 5}, {40, 5});
}

/* What is no data makes no room for data. */
static void test_refused_data(void **state)
{
    (void)state;
    map_at(0, 5, RW, ANON);
    map_at(40, 5, RO, ANON);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_DATA, 9 * PAGE), 0);
    expect_error(0, 5, 5, FIXED | DONTUNMAP, 40, MMK_ENOMEM);
    EXPECT_VMAS({0, 5});
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_DATA, 10 * PAGE), 0);
    map_at(40, 5, RW, ANON);
    expect_remap(0, 5, 5, FIXED | DONTUNMAP, 40, 40);
    EXPECT_VMAS({0, 5}, {40, 5});
}

/* The size of what grows is asked for before the target is looked at. */
static void test_refused_early(void **state)
{
    (void)state;
    map_at(0, 2, RW, ANON);
    map_at(40, 2, RW, ANON);
    assert_int_equal(mmk_mseal(mm, AT(40), 2 * PAGE, 0), 0);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_AS, 8 * PAGE), 0);
    expect_error(0, 2, 7, FIXED, 40, MMK_ENOMEM);
    expect_error(0, 2, 6, FIXED, 40, MMK_EPERM);
    EXPECT_VMAS({0, 2}, {40, 2});
}

/* On Linux what has a given place wants room for six more mappings, what moves for four. */
static void test_map_count(void **state)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;
    uint64_t i;

    (void)state;
    config.max_map_count = 10;
    assert_int_equal(fixture_setup_with(&config), 0);
    for (i = 0; i < 4; i++)
        map_at(2 * i, 1, RW, ANON);
    expect_remap(0, 1, 1, FIXED, 20, 20);
    map_at(30, 1, RW, ANON);
    expect_error(20, 1, 1, FIXED, 40, MMK_ENOMEM);
    expect_error(20, 1, 1, DONTUNMAP, 40, MMK_ENOMEM);
    map_at(21, 1, RO, ANON);
    assert_true(remap(20, 1, 2, MAYMOVE, 0) > 0);
    map_at(40, 1, RW, ANON);
    expect_error(2, 1, 1, FIXED, 50, MMK_ENOMEM);
    map_at(3, 1, RO, ANON);
    expect_error(2, 1, 2, MAYMOVE, 0, MMK_ENOMEM);
    expect_remap(30, 1, 2, 0, 0, 30);
    assert_int_equal(fixture_teardown(state), 0);
}

/* Nothing moves behind the reaper. */
static void test_killed(void **state)
{
    struct mmk_mm *other = new_mm();
    int64_t at = mmk_mmap(other, 0, PAGE, RW, ANON, NULL, 0);

    (void)state;
    assert_true(at > 0);
    mmk_kill(other);
    assert_int_equal(mmk_mremap(other, (mmk_vaddr_t)at, PAGE, PAGE, FIXED, AT(0)), MMK_EINTR);
    put_mm(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_same_size),
        TEST(test_grow),
        TEST(test_grow_to_neighbour),
        TEST(test_stacks),
        TEST(test_grow_object),
        TEST(test_grow_to_the_end),
        TEST(test_shrink),
        TEST(test_grow_by_moving),
        TEST(test_fixed),
        TEST(test_fixed_untouched),
        TEST(test_fixed_only_read),
        TEST(test_fixed_replaces),
        TEST(test_fixed_within),
        TEST(test_fixed_other_size),
        TEST(test_fixed_cuts_object),
        TEST(test_fixed_last_reference),
        TEST(test_several),
        TEST(test_several_stops),
        TEST(test_dontunmap),
        TEST(test_dontunmap_objects),
        TEST(test_duplicate),
        TEST(test_duplicate_private),
        TEST(test_bad_arguments),
        TEST(test_not_mapped),
        TEST(test_refused_late),
        TEST(test_sealed),
        TEST(test_index_overflow),
        TEST(test_physical),
        TEST(test_limits),
        TEST(test_refused_beyond_limit),
        TEST(test_refused_data),
        TEST(test_refused_early),
        cmocka_unit_test(test_map_count),
        TEST(test_killed),
    };

    return cmocka_run_group_tests_name("remap", tests, NULL, NULL);
}
