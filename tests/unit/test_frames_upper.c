/* SPDX-License-Identifier: MIT */
/*
 * test_frames_upper.c - larger pages two levels above the leaves (1 GiB), of frames that are not
 * mmkit's: of objects that have frame_run, and of mmk_map_frames(). With fewer than four levels of
 * tables there are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/huge.h>
#include <mmkit/table.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "huge_setup.h"

#define SHARED MMK_MAP_SHARED
#define G      (mmk_pt_entry_pages(MMK_HUGE_LEVEL + 1)) /* pages of the largest */

#define FIXED (MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED)

/* ---- a device: all of physical memory, three times the largest page, and a page ----------------
 */

#define DEVICE (3 * G + 1)

static uint64_t run_limit; /* frames in a row, at most */
static uint64_t shift;     /* of the frames */
static struct mmk_page
    *block;           /* frames of the kernel's, that may be touched by way of the device */
static uint64_t mine; /* index of the first */

static int device_frame(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = index + shift;
    return 0;
}

static int64_t device_run(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)device_frame(object, index, pfn);
    return (int64_t)run_limit;
}

static const struct mmk_object_ops device_ops = {.frame = device_frame, .frame_run = device_run};

static int setup(void **state)
{
    int error = setup_always(state);

    if (error)
        return error;
    block = mmk_page_alloc(1, MMK_ALLOC_ZERO);
    if (!block)
        return -1;
    mine = mmk_page_to_pfn(block);
    run_limit = INT64_MAX;
    shift = 0;
    return 0;
}

static int teardown(void **state)
{
    mmk_page_put(block);
    return fixture_teardown(state);
}

static uint8_t *kernel_view(uint64_t page)
{
    return (uint8_t *)mmk_page_address(block) + page * PAGE;
}

static struct mmk_object *map_device(unsigned prot)
{
    struct mmk_object *device;

    assert_int_equal(mmk_object_create(&device_ops, DEVICE * PAGE, NULL, &device), 0);
    map_object_at(0, DEVICE + 1, prot, SHARED, device, 0);
    kernel_view(0)[0] = 1;
    kernel_view(1)[0] = 2;
    return device;
}

/* The first of the largest pages is mapped. */
static struct mmk_object *map_first(void)
{
    struct mmk_object *device = map_device(RW);

    expect_byte(at(mine), 1);
    return device;
}

/* Larger pages; those that are of the higher level; tables of the two lowest levels. */
static void expect_larger(uint64_t huge, uint64_t upper, uint64_t leaf, uint64_t pmd)
{
    struct mmk_mm_stats stats = mm_stats(mm);

    mmk_check(mm);
    assert_int_equal(stats.huge, huge);
    assert_int_equal(stats.huge_upper, upper);
    assert_int_equal(stats.tables[0], leaf);
    assert_int_equal(stats.tables[1], pmd);
    assert_int_equal(stats.rss_anon + stats.rss_file + stats.rss_shmem, 0);
}

static void expect_mine(mmk_vaddr_t start)
{
    expect_byte(start + mine * PAGE, 1);
    expect_byte(start + (mine + 1) * PAGE, 2);
}

/* The frame mapped at this page is the device's of that index. */
static void expect_frame(uint64_t page, uint64_t index)
{
    mmk_pte_t pte = peek_entry(mm, at(page));

    assert_true(mmk_pte_present(pte));
    assert_int_equal(mmk_pte_pfn(pte), index + shift);
}

/* ---- where they come --------------------------------------------------------------------------
 */

static void one_entry_maps_it(void **state)
{
    struct mmk_object *device = map_device(RW);

    (void)state;
    store_byte(at(mine), 7);
    assert_int_equal(kernel_view(0)[0], 7);
    expect_byte(at(mine + 1), 2);
    assert_int_equal(needed_faults(), 1);
    expect_larger(1, 1, 0, 0);
    assert_int_equal(mm_stats(mm).table_bytes_saved, (H + 1) * PAGE);
    assert_int_equal(mmk_fault(mm, at(3 * G - 1), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(2, 2, 0, 0);
    expect_frame(2 * G, 2 * G);
    expect_frame(3 * G - 1, 3 * G - 1);
    assert_int_equal(mmk_fault(mm, at(3 * G), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(2, 2, 1, 1); /* the device ends before */
    expect_load(at(3 * G + 1), MMK_FAULT_BUS);
    mmk_object_put(device);
}

/* The run is too short, the frames do not lie alike, or a table is there: the next smaller ones. */
static void smaller_ones_where_it_does_not_fit(void **state)
{
    struct mmk_object *device = map_device(RW);

    (void)state;
    run_limit = G - 1;
    assert_int_equal(mmk_fault(mm, at(1), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(1, 0, 0, 1);
    run_limit = INT64_MAX;
    assert_int_equal(mmk_fault(mm, at(H), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(2, 0, 0, 1);
    shift = H;
    assert_int_equal(mmk_fault(mm, at(G), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(3, 0, 0, 2);
    shift = 1;
    assert_int_equal(mmk_fault(mm, at(2 * G), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(3, 0, 1, 3);
    shift = 0;
    map_object_at(4 * G, G, RW, SHARED, device, H);
    assert_int_equal(mmk_fault(mm, at(4 * G + 1), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(4, 0, 1, 4);
    expect_frame(4 * G + 1, H + 1);
    mmk_object_put(device);
}

/* ---- parts ------------------------------------------------------------------------------------
 */

/* A table of smaller larger pages takes its place, and one more that of the one that is cut. */
static void a_page_is_unmapped(void **state)
{
    struct mmk_object *device = map_first();
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(mmk_munmap(mm, at(mine + 1), PAGE), 0);
    expect_larger(H - 1, 0, 1, 1);
    assert_int_equal(mm_stats(mm).huge_splits, 2);
    expect_byte(at(mine), 1);
    store_byte(at(mine), 9);
    assert_int_equal(kernel_view(0)[0], 9);
    expect_frame(0, 0);
    expect_frame(G - 1, G - 1);
    assert_int_equal(needed_faults(), faults);
    expect_load(at(mine + 1), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mmk_munmap(mm, at(0), G * PAGE), 0);
    expect_larger(0, 0, 0, 0);
    mmk_object_put(device);
}

/* What lies alike with the smaller ones takes one table. */
static void a_smaller_one_is_unmapped(void **state)
{
    struct mmk_object *device = map_first();

    (void)state;
    assert_int_equal(mmk_munmap(mm, at(2 * H), H * PAGE), 0);
    expect_larger(H - 1, 0, 0, 1);
    assert_int_equal(mm_stats(mm).huge_splits, 1);
    expect_frame(2 * H - 1, 2 * H - 1);
    expect_frame(3 * H, 3 * H);
    expect_mine(at(0));
    mmk_object_put(device);
}

/* Both ends of a range lie in it. */
static void the_middle_is_unmapped(void **state)
{
    struct mmk_object *device = map_first();

    (void)state;
    assert_int_equal(mmk_fault(mm, at(G), MMK_ACCESS_READ), MMK_FAULT_DONE);
    assert_int_equal(mmk_munmap(mm, at(G - 1), 2 * PAGE), 0);
    expect_larger(2 * H - 2, 0, 2, 2);
    expect_frame(G - 2, G - 2);
    expect_frame(G + 1, G + 1);
    expect_mine(at(0));
    mmk_object_put(device);
}

static void protection_changes(void **state)
{
    struct mmk_object *device = map_first();
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(mmk_mprotect(mm, at(0), G * PAGE, RO), 0);
    expect_larger(1, 1, 0, 0);
    expect_mine(at(0));
    assert_int_equal(mmk_mprotect(mm, at(0), G * PAGE, RW), 0);
    store_byte(at(mine), 1);
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mmk_mprotect(mm, at(mine), PAGE, RO), 0);
    expect_larger(H - 1, 0, 1, 1);
    store_byte(at(mine + 1), 2);
    expect_mine(at(0));
    assert_int_equal(needed_faults(), faults);
    expect_store(at(mine), MMK_FAULT_SEGV_ACCERR);
    mmk_object_put(device);
}

/* ---- moved ------------------------------------------------------------------------------------
 */

/* As it is; or as far as the new addresses allow. */
static void it_moves(void **state)
{
    struct mmk_object *device = map_first();
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(mmk_mremap(mm, at(0), G * PAGE, G * PAGE, FIXED, at(8 * G)), at(8 * G));
    expect_larger(1, 1, 0, 0);
    expect_mine(at(8 * G));
    assert_int_equal(mmk_mremap(mm, at(8 * G), G * PAGE, G * PAGE, FIXED, at(10 * G + H)),
                     at(10 * G + H));
    expect_larger(H, 0, 0, 2);
    expect_mine(at(10 * G + H));
    assert_int_equal(mmk_mremap(mm, at(10 * G + H), G * PAGE, G * PAGE, FIXED, at(12 * G + 1)),
                     at(12 * G + 1));
    expect_larger(0, 0, H + 1, 2);
    expect_mine(at(12 * G + 1));
    assert_int_equal(needed_faults(), faults);
    mmk_object_put(device);
}

/* To where somebody keeps tables without entries: they change places. */
static void it_moves_over_a_pinned_table(void **state)
{
    struct mmk_object *device = map_first();
    struct mmk_table_ref ref;

    (void)state;
    map_at(8 * G + 1, 1, RW, ANON);
    assert_int_equal(advise(at(8 * G + 1), 1, MMK_MADV_NOHUGEPAGE), 0);
    store_byte(at(8 * G + 1), 1);
    assert_int_equal(mmk_table_pin(mm, at(8 * G + 1), &ref), MMK_TABLE_PINNED);
    assert_int_equal(mmk_munmap(mm, at(8 * G + 1), PAGE), 0);
    expect_larger(1, 1, 1, 1);
    assert_int_equal(mmk_mremap(mm, at(0), G * PAGE, G * PAGE, FIXED, at(8 * G)), at(8 * G));
    expect_larger(1, 1, 1, 1);
    expect_mine(at(8 * G));
    mmk_table_unpin(&ref);
    expect_larger(1, 1, 0, 0);
    expect_load(at(mine), MMK_FAULT_SEGV_MAPERR);
    mmk_object_put(device);
}

/* ---- the device takes it back -----------------------------------------------------------------
 */

static mmk_vaddr_t told_start, told_end;

static int tell(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    told_start = range->start;
    told_end = range->end;
    return 0;
}

/* All of it goes, for the sake of a page; who mirrors it is told of all. */
static void a_hole_takes_all(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = tell};
    struct mmk_notifier notifier = {.ops = &ops};
    struct mmk_object *device = map_first();

    (void)state;
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(mmk_object_punch_hole(device, (G - 1) * PAGE, PAGE), 0);
    assert_int_equal(told_start, at(0));
    assert_int_equal(told_end, at(G));
    mmk_notifier_unregister(mm, &notifier);
    expect_larger(0, 0, 0, 0);
    expect_mine(at(0));
    expect_larger(1, 1, 0, 0);
    mmk_object_put(device);
}

static void the_device_shrinks(void **state)
{
    struct mmk_object *device = map_first();

    (void)state;
    assert_int_equal(mmk_fault(mm, at(G), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(2, 2, 0, 0);
    assert_int_equal(mmk_object_resize(device, (2 * G - H) * PAGE), 0);
    expect_larger(1, 1, 0, 0);
    assert_int_equal(mmk_fault(mm, at(G), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_larger(2, 1, 0, 1);
    expect_load(at(2 * G - H), MMK_FAULT_BUS);
    mmk_object_put(device);
}

static void a_child_asks_again(void **state)
{
    struct mmk_object *device = map_first();
    struct mmk_mm *parent;

    (void)state;
    parent = enter_child();
    expect_larger(0, 0, 0, 0);
    expect_mine(at(0));
    expect_larger(1, 1, 0, 0);
    leave_child(parent);
    expect_larger(1, 1, 0, 0);
    mmk_object_put(device);
}

/* ---- who looks at it --------------------------------------------------------------------------
 */

static uint64_t seen_size;

static int see(const struct mmk_table_entry *entry, void *arg)
{
    (void)arg;
    seen_size += entry->size;
    return 0;
}

static void it_is_looked_at(void **state)
{
    struct mmk_object *device = map_first();
    struct mmk_table_ref ref;
    mmk_paddr_t phys;
    uint8_t vec[1], byte = 0;
    unsigned prot;

    (void)state;
    assert_int_equal(mmk_mincore(mm, at(G - 1), PAGE, vec), 0);
    assert_int_equal(vec[0], 1);
    assert_int_equal(mmk_mm_read(mm, at(mine + 1), &byte, 1, MMK_MM_ALLOWED), 1);
    assert_int_equal(byte, 2);
    assert_int_equal(mmk_translate(mm, at(G - 2) + 3, MMK_ACCESS_READ, &phys, &prot), 0);
    assert_int_equal(phys, ((G - 2) << MMK_PAGE_SHIFT) + 3);
    assert_int_equal(mmk_table_pin(mm, at(G - 1), &ref), MMK_TABLE_HUGE);
    seen_size = 0;
    assert_int_equal(mmk_for_each_entry(mm, at(0), at(G), see, NULL), 0);
    assert_int_equal(seen_size, G * PAGE);
    (void)mmk_shrink_tables(mm, PAGE);
    (void)mmk_collapse(mm, 8);
    expect_larger(1, 1, 0, 0);
    mmk_object_put(device);
}

/* ---- mmk_map_frames() -------------------------------------------------------------------------
 */

static void frames_are_mapped_by_all_sizes(void **state)
{
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(mmk_map_frames(mm, at(0), (G + H + 1) * PAGE, RW, MMK_MAP_FIXED, 0), at(0));
    expect_larger(2, 1, 1, 1);
    kernel_view(0)[0] = 5;
    expect_byte(at(mine), 5);
    assert_int_equal(needed_faults(), faults);
    expect_frame(G, G);
    expect_frame(G + H, G + H);
    assert_int_equal(mmk_munmap(mm, at(1), (G + H) * PAGE), 0);
    expect_larger(0, 0, 1, 1);
    expect_frame(0, 0);
    assert_int_equal(mmk_munmap(mm, at(0), PAGE), 0);
    expect_larger(0, 0, 0, 0);
}

/* ---- no memory --------------------------------------------------------------------------------
 */

static int unmap_part(void)
{
    return mmk_munmap(mm, at(mine + 1), PAGE);
}

static int protect_ends(void)
{
    return mmk_mprotect(mm, at(1), (G - 2) * PAGE, RO);
}

static int move_whole(void)
{
    int64_t to = mmk_mremap(mm, at(0), G * PAGE, G * PAGE, FIXED, at(8 * G));

    return to < 0 ? (int)to : 0;
}

static int move_aside(void)
{
    int64_t to = mmk_mremap(mm, at(0), G * PAGE, G * PAGE, FIXED, at(8 * G + H));

    return to < 0 ? (int)to : 0;
}

/* What fails has changed nothing that a program sees. => how many allocations it takes */
static uint64_t fail_each(int (*call)(void))
{
    struct mmk_object *device;
    bool failed = true;
    uint64_t n, faults;
    int error;

    for (n = 0; failed; n++) {
        device = map_first();
        mmk_drain();
        machine_fail_nth(n / 2, n % 2 == 0);
        error = call();
        failed = machine_fail_stop() || n % 2 == 0;
        mmk_check(mm);
        if (error) {
            assert_int_equal(error, MMK_ENOMEM);
            faults = needed_faults();
            expect_mine(at(0));
            store_byte(at(mine), 1);
            expect_frame(G - 1, G - 1);
            assert_int_equal(needed_faults(), faults);
            assert_int_equal(call(), 0);
            mmk_check(mm);
        }
        assert_int_equal(mmk_munmap(mm, at(0), 10 * G * PAGE), 0);
        expect_larger(0, 0, 0, 0);
        mmk_object_put(device);
    }
    return n / 2;
}

static void calls_without_memory(void **state)
{
    (void)state;
    assert_true(fail_each(unmap_part) > 2);
    assert_true(fail_each(protect_ends) > 3);
    assert_true(fail_each(move_whole) > 1);
    assert_true(fail_each(move_aside) > 1);
}

static void faults_without_memory(void **state)
{
    struct mmk_object *device = map_device(RW);
    enum mmk_fault_result result;
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        map_object_at(0, DEVICE, RW, SHARED, device, 0);
        mmk_drain();
        machine_fail_nth(n / 2, n % 2 == 0);
        result = mmk_fault(mm, at(mine), MMK_ACCESS_WRITE);
        failed = machine_fail_stop() || n % 2 == 0;
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        expect_mine(at(0));
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, at(0), DEVICE * PAGE), 0);
    }
    mmk_object_put(device);
}

/* Without the levels for it there is the next smaller one. */
static void one_of_two_mib(void **state)
{
    struct mmk_object *device = map_device(RW);

    (void)state;
    assert_int_equal(mmk_fault(mm, at(1), MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_huge(1, 0);
    assert_int_equal(mm_stats(mm).huge_upper, 0);
    mmk_object_put(device);
}

#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEVICE_TEST(one_entry_maps_it),
        DEVICE_TEST(smaller_ones_where_it_does_not_fit),
        DEVICE_TEST(a_page_is_unmapped),
        DEVICE_TEST(a_smaller_one_is_unmapped),
        DEVICE_TEST(the_middle_is_unmapped),
        DEVICE_TEST(protection_changes),
        DEVICE_TEST(it_moves),
        DEVICE_TEST(it_moves_over_a_pinned_table),
        DEVICE_TEST(a_hole_takes_all),
        DEVICE_TEST(the_device_shrinks),
        DEVICE_TEST(a_child_asks_again),
        DEVICE_TEST(it_is_looked_at),
        DEVICE_TEST(frames_are_mapped_by_all_sizes),
        DEVICE_TEST(calls_without_memory),
        DEVICE_TEST(faults_without_memory),
    };
    const struct CMUnitTest few[] = {DEVICE_TEST(one_of_two_mib)};

    if (MMK_HUGE_TOP == MMK_HUGE_LEVEL)
        return cmocka_run_group_tests(few, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
