/* SPDX-License-Identifier: MIT */
/*
 * test_frames_huge.c - larger pages of frames that are not mmkit's: of objects that have frame_run,
 * and of mmk_map_frames().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/huge.h>
#include <mmkit/pin.h>
#include <mmkit/user.h>

#include "fixture.h"
#include "huge_setup.h"
#include "huge_zero.h"

#define SHARED MMK_MAP_SHARED

/* ---- a device: its memory is a larger page of the kernel's, three times and a page ------------
 */

#define DEVICE (3 * H + 1)

static struct mmk_page *block;
static mmk_pfn_t first_frame;
static uint64_t run_limit; /* frames in a row, at most */
static uint64_t runs;      /* asked for */
static int run_error, frame_error;

static int device_frame(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = first_frame + index % H;
    return frame_error;
}

static int64_t device_run(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    runs++;
    (void)device_frame(object, index, pfn);
    return run_error ? run_error : (int64_t)mmk_min(H - index % H, run_limit);
}

static const struct mmk_object_ops device_ops = {.frame = device_frame, .frame_run = device_run};

static int setup_device(enum mmk_huge_policy policy)
{
    int error = setup_policy(policy);

    if (error)
        return error;
    block = mmk_page_alloc(MMK_HUGE_ORDER, MMK_ALLOC_ZERO);
    if (!block)
        return -1;
    first_frame = mmk_page_to_pfn(block);
    run_limit = UINT64_MAX;
    runs = 0;
    run_error = frame_error = 0;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_device(MMK_HUGE_ALWAYS);
}

static int setup_asked(void **state)
{
    (void)state;
    return setup_device(MMK_HUGE_MADVISE);
}

static int setup_never(void **state)
{
    (void)state;
    return setup_device(MMK_HUGE_NEVER);
}

/* Putting the block frees it: nobody has kept a reference to its frames. */
static int teardown(void **state)
{
    mmk_page_put(block);
    return fixture_teardown(state);
}

static struct mmk_object *new_device(void)
{
    struct mmk_object *device;

    assert_int_equal(mmk_object_create(&device_ops, DEVICE * PAGE, NULL, &device), 0);
    return device;
}

/* Mapped from BASE on, one page more than it has. */
static struct mmk_object *map_device(unsigned prot)
{
    struct mmk_object *device = new_device();

    map_object_at(0, DEVICE + 1, prot, SHARED, device, 0);
    return device;
}

static uint8_t *kernel_view(uint64_t page)
{
    return (uint8_t *)mmk_page_address(block) + page * PAGE;
}

static uint8_t byte_of(uint64_t page)
{
    return (uint8_t)(page % H + 1);
}

/* Pages [from, to) are the device's, each with its byte. */
static void expect_device(mmk_vaddr_t start, uint64_t from, uint64_t to)
{
    uint64_t i;

    for (i = from; i < to; i++)
        expect_byte(start + (i - from) * PAGE, byte_of(i));
}

/* The same, with its byte in each page, and n larger pages mapped. */
static struct mmk_object *map_filled(uint64_t n)
{
    struct mmk_object *device = map_device(RW);
    uint64_t i;

    for (i = 0; i < H; i++)
        kernel_view(i)[0] = byte_of(i);
    for (i = 0; i < n; i++)
        expect_byte(at(i * H), 1);
    expect_huge(n, 0);
    return device;
}

/* ---- where they come --------------------------------------------------------------------------
 */

static void one_entry_maps_a_run(void **state)
{
    struct mmk_object *device = map_device(RW);
    struct mmk_mm_stats stats;

    (void)state;
    store_byte(at(1), 7);
    expect_huge(1, 0);
    assert_int_equal(kernel_view(1)[0], 7);
    store_byte(at(H - 1), 8);
    expect_byte(at(2 * H - 1), 8); /* the same frame */
    expect_huge(2, 0);
    assert_int_equal(needed_faults(), 2);
    stats = mm_stats(mm);
    assert_int_equal(stats.huge_faults, 2);
    assert_int_equal(stats.fault_file, 2);
    assert_int_equal(stats.huge_zero, 0);
    assert_int_equal(stats.rss_anon + stats.rss_file + stats.rss_shmem, 0);
    expect_byte(at(3 * H), 0); /* the device ends before the next has room */
    expect_load(at(3 * H + 1), MMK_FAULT_BUS);
    expect_huge(2, 1);
    assert_int_equal(runs, 2);
    mmk_object_put(device);
}

/* It costs nothing, so nobody has to ask for it. */
static void nobody_has_to_ask(void **state)
{
    struct mmk_object *device = map_filled(1);

    (void)state;
    assert_int_equal(advise(at(H), H, MMK_MADV_NOHUGEPAGE), 0);
    expect_byte(at(H), 1);
    expect_huge(1, 1);
    assert_int_equal(advise(at(2 * H), H, MMK_MADV_HUGEPAGE), 0); /* no harm, as on Linux */
    expect_byte(at(2 * H), 1);
    expect_huge(2, 1);
    mmk_object_put(device);
}

static void never_is_never(void **state)
{
    struct mmk_object *device = map_device(RW);
    int64_t got =
        mmk_map_frames(mm, at(4 * H), H * PAGE, RW, MMK_MAP_FIXED, first_frame << MMK_PAGE_SHIFT);

    (void)state;
    assert_int_equal(got, at(4 * H));
    store_byte(at(1), 7);
    expect_byte(at(4 * H + 1), 7);
    expect_huge(0, 2);
    assert_int_equal(runs, 0);
    mmk_object_put(device);
}

static void short_runs_are_small_pages(void **state)
{
    struct mmk_object *device = map_filled(0);

    (void)state;
    run_limit = H - 1;
    expect_byte(at(1), byte_of(1));
    expect_huge(0, 1);
    run_limit = UINT64_MAX;
    first_frame++; /* not aligned */
    expect_byte(at(H), 2);
    expect_huge(0, 2);
    first_frame--;
    run_error = MMK_EIO; /* not told */
    expect_byte(at(2 * H), 1);
    expect_huge(0, 3);
    mmk_object_put(device);
}

/* Beyond what an entry can name; and an error of the page alone. */
static void bad_frames_are_bus_errors(void **state)
{
    struct mmk_object *device = map_filled(0);

    (void)state;
    first_frame += MMK_PHYS_END >> MMK_PAGE_SHIFT;
    expect_load(at(0), MMK_FAULT_BUS);
    first_frame -= MMK_PHYS_END >> MMK_PAGE_SHIFT;
    run_error = frame_error = MMK_EIO;
    expect_load(at(0), MMK_FAULT_BUS);
    run_error = frame_error = MMK_ENOMEM;
    expect_load(at(0), MMK_FAULT_OOM);
    run_error = frame_error = 0;
    expect_byte(at(0), 1);
    expect_huge(1, 0);
    mmk_object_put(device);
}

/* Offset and address do not lie alike; the mapping has a part only; a table is there. */
static void places_that_do_not_fit(void **state)
{
    struct mmk_object *device = map_filled(0);

    (void)state;
    map_object_at(4 * H, H, RW, SHARED, device, 1);
    expect_byte(at(4 * H), 2);
    expect_huge(0, 1);
    map_object_at(5 * H, H - 1, RW, SHARED, device, 0);
    expect_byte(at(5 * H), 1);
    expect_huge(0, 2);
    assert_int_equal(runs, 0);
    run_limit = 1;
    expect_byte(at(0), 1);
    run_limit = UINT64_MAX;
    expect_byte(at(1), 2);
    expect_huge(0, 3);
    assert_int_equal(runs, 1);
    mmk_object_put(device);
}

/* ---- protection -------------------------------------------------------------------------------
 */

static void protection_is_the_mappings(void **state)
{
    struct mmk_object *device = map_device(RO);
    uint64_t faults;

    (void)state;
    expect_byte(at(1), 0);
    expect_huge(1, 0);
    expect_store(at(1), MMK_FAULT_SEGV_ACCERR);
    expect_fetch(at(1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RW), 0);
    expect_huge(1, 0);
    faults = needed_faults();
    store_byte(at(2), 3); /* nobody asks who has written */
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, MMK_PROT_NONE), 0);
    expect_huge(1, 0);
    expect_load(at(2), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, RX), 0);
    expect_fetch(at(2), MMK_FAULT_DONE);
    expect_byte(at(2), 3);
    expect_store(at(2), MMK_FAULT_SEGV_ACCERR);
    expect_huge(1, 0);
    mmk_object_put(device);
}

static void a_part_is_protected(void **state)
{
    struct mmk_object *device = map_filled(2);
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(mmk_mprotect(mm, at(1), PAGE, RO), 0);
    expect_huge(1, 1);
    expect_device(at(0), 0, 2 * H);
    store_byte(at(0), 1);
    store_byte(at(2), byte_of(2));
    assert_int_equal(needed_faults(), faults);
    expect_store(at(1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mm_stats(mm).huge_splits, 1);
    assert_int_equal(mmk_mprotect(mm, at(1), PAGE, RW), 0);
    store_byte(at(1), byte_of(1));
    expect_device(at(0), 0, 2 * H);
    expect_huge(1, 1);
    mmk_object_put(device);
}

/* ---- parts and wholes -------------------------------------------------------------------------
 */

static void parts_are_unmapped(void **state)
{
    struct mmk_object *device = map_filled(3);
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(mmk_munmap(mm, at(1), PAGE), 0);
    expect_huge(2, 1);
    expect_byte(at(0), 1);
    expect_device(at(2), 2, 3 * H);
    assert_int_equal(needed_faults(), faults); /* the pieces map what it has mapped */
    expect_load(at(1), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mmk_munmap(mm, at(H), H * PAGE), 0);
    expect_huge(1, 1);
    assert_int_equal(mmk_munmap(mm, at(0), (2 * H + 1) * PAGE), 0);
    expect_huge(0, 1);
    expect_device(at(2 * H + 1), 2 * H + 1, 3 * H);
    assert_int_equal(mmk_munmap(mm, at(0), (DEVICE + 1) * PAGE), 0);
    expect_huge(0, 0);
    mmk_object_put(device);
}

static void it_moves_as_it_is(void **state)
{
    struct mmk_object *device = map_filled(2);
    uint64_t faults = needed_faults();

    (void)state;
    assert_int_equal(
        mmk_mremap(mm, at(0), H * PAGE, H * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(6 * H)),
        at(6 * H));
    expect_huge(2, 0);
    expect_device(at(6 * H), 0, H);
    expect_load(at(0), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(needed_faults(), faults + 1); /* the one that failed */
    assert_int_equal(mmk_mremap(mm, at(H), H * PAGE, H * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H + 1)),
                     at(4 * H + 1));
    expect_device(at(4 * H + 1), H, 2 * H);
    expect_huge(1, 2);
    assert_int_equal(needed_faults(), faults + 1);
    assert_int_equal(
        mmk_mremap(mm, at(6 * H + 1), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(8 * H)),
        at(8 * H));
    expect_byte(at(8 * H), byte_of(1));
    expect_huge(0, 4);
    mmk_object_put(device);
}

/* A child has none of its entries, and makes its own. */
static void a_child_asks_again(void **state)
{
    struct mmk_object *device = map_filled(1);
    struct mmk_mm *parent;

    (void)state;
    parent = enter_child();
    expect_huge(0, 0);
    store_byte(at(1), 99);
    expect_huge(1, 0);
    assert_int_equal(mmk_munmap(mm, at(0), PAGE), 0);
    expect_huge(0, 1);
    leave_child(parent);
    expect_huge(1, 0);
    expect_byte(at(1), 99);
    mmk_object_put(device);
}

/* ---- the device takes it back -----------------------------------------------------------------
 */

/* All of a larger page goes, for the sake of a part, from whoever has it. */
static void a_hole_takes_all(void **state)
{
    struct mmk_object *device = map_filled(2);
    struct mmk_mm *first = mm;

    (void)state;
    map_object_at(4 * H, H, RW, SHARED, device, 0);
    expect_byte(at(4 * H), 1);
    mm = new_mm();
    machine_switch_mm(mm);
    map_object_at(4 * H, H, RO, SHARED, device, 0);
    expect_byte(at(4 * H), 1);
    expect_huge(1, 0);
    assert_int_equal(mmk_object_punch_hole(device, PAGE, PAGE), 0);
    expect_huge(0, 0);
    leave_child(first);
    expect_huge(1, 0);
    run_limit = 1;
    expect_byte(at(1), byte_of(1));
    expect_huge(1, 1);
    mmk_object_put(device);
}

static void the_device_shrinks(void **state)
{
    struct mmk_object *device = map_filled(3);

    (void)state;
    assert_int_equal(mmk_object_resize(device, 2 * H * PAGE + 1), 0);
    expect_huge(2, 0);
    expect_byte(at(2 * H), 1);
    expect_load(at(2 * H + 1), MMK_FAULT_BUS);
    expect_huge(2, 1);
    assert_int_equal(mmk_object_resize(device, (H + 1) * PAGE), 0);
    expect_huge(1, 0);
    expect_byte(at(H), 1);
    expect_huge(1, 1);
    assert_int_equal(mmk_object_resize(device, 0), 0);
    expect_huge(0, 0);
    expect_load(at(0), MMK_FAULT_BUS);
    assert_int_equal(mmk_object_resize(device, H * PAGE), 0);
    expect_device(at(0), 0, H);
    expect_huge(1, 0);
    mmk_object_put(device);
}

/* ---- who has no use for it --------------------------------------------------------------------
 */

static void it_is_left_alone(void **state)
{
    static const int refused[] = {MMK_MADV_DONTNEED,      MMK_MADV_FREE,    MMK_MADV_REMOVE,
                                  MMK_MADV_COLD,          MMK_MADV_PAGEOUT, MMK_MADV_GUARD_INSTALL,
                                  MMK_MADV_POPULATE_READ, MMK_MADV_COLLAPSE};
    struct mmk_object *device = map_filled(2);
    struct mmk_page *pages[1];
    uint64_t freed = 0;
    uint8_t vec[1];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(advise(at(1), 1, refused[i]), MMK_EINVAL);
    assert_int_equal(mmk_pin_pages(mm, at(1), 1, 0, pages), MMK_EFAULT);
    assert_int_equal(mmk_mincore(mm, at(H + 1), PAGE, vec), 0);
    assert_int_equal(vec[0], 1);
    assert_int_equal(mmk_mlock(mm, at(0), H * PAGE), 0);
    assert_int_equal(mmk_munlock(mm, at(0), H * PAGE), 0);
    assert_int_equal(mmk_msync(mm, at(0), H * PAGE, MMK_MS_SYNC), 0);
    assert_int_equal(mmk_object_sync(device, 0, UINT64_MAX), 0);
    (void)mmk_shrink_tables(mm, MMK_PAGE_SIZE);
    (void)mmk_collapse(mm, 8);
    expect_huge(2, 0);
    mmk_kill(mm);
    assert_int_equal(mmk_reap(mm, UINT64_MAX, &freed), 0);
    assert_int_equal(freed, 0);
    expect_huge(2, 0);
    mmk_object_put(device);
}

static void the_kernel_reaches_it(void **state)
{
    struct mmk_object *device = map_filled(1);
    uint8_t bytes[2] = {0};
    mmk_paddr_t phys;
    unsigned prot;

    (void)state;
    assert_int_equal(mmk_mm_read(mm, at(2) - 1, bytes, 2, MMK_MM_ALLOWED), 2);
    assert_int_equal(bytes[1], byte_of(2));
    assert_int_equal(mmk_mm_write(mm, at(3), bytes, 1, MMK_MM_ALLOWED), 1);
    assert_int_equal(kernel_view(3)[0], bytes[0]);
    assert_int_equal(mmk_translate(mm, at(H - 1) + 5, MMK_ACCESS_WRITE, &phys, &prot), 0);
    assert_int_equal(phys, ((first_frame + H - 1) << MMK_PAGE_SHIFT) + 5);
    expect_huge(1, 0);
    mmk_object_put(device);
}

/* Frames of which mmkit knows nothing: nobody looks for their descriptors. */
static void frames_may_be_anywhere(void **state)
{
    struct mmk_object *device = map_device(RW);
    uint8_t byte;

    (void)state;
    first_frame = (MMK_PHYS_END >> MMK_PAGE_SHIFT) - H;
    assert_int_equal(mmk_fault(mm, at(H + 1), MMK_ACCESS_WRITE), MMK_FAULT_DONE);
    expect_huge(1, 0);
    assert_int_equal(mmk_mm_read(mm, at(H + 1), &byte, 1, MMK_MM_ALLOWED), 0);
    assert_int_equal(mmk_munmap(mm, at(H + 1), PAGE), 0);
    expect_huge(0, 1);
    assert_int_equal(mmk_pte_pfn(peek_entry(mm, at(2 * H - 1))), first_frame + H - 1);
    assert_int_equal(mmk_object_resize(device, 0), 0);
    expect_huge(0, 0);
    mmk_object_put(device);
}

/* ---- beside the larger page of zeros ----------------------------------------------------------
 */

/* Whether it may be written to makes no difference: split, each is what it was. */
static void zeros_are_another_matter(void **state)
{
    struct mmk_object *device = map_device(RO);

    (void)state;
    kernel_view(1)[0] = 5;
    expect_byte(at(1), 5);
    map_at(6 * H, H, RW, ANON);
    expect_byte(at(6 * H), 0);
    expect_huge(1, 0);
    assert_int_equal(mm_stats(mm).huge_zero, 1);
    assert_int_equal(mmk_mprotect(mm, at(0), H * PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_mprotect(mm, at(6 * H), H * PAGE, RO), 0);
    expect_huge(1, 0);
    assert_int_equal(mmk_munmap(mm, at(0), PAGE), 0);
    assert_int_equal(mmk_munmap(mm, at(6 * H), PAGE), 0);
    expect_huge(0, 2);
    assert_int_equal(mm_stats(mm).huge_zero, 0);
    assert_int_equal(mmk_mprotect(mm, at(1), PAGE, RO), 0);
    expect_byte(at(1), 5);
    expect_byte(at(6 * H + 1), 0);
    mmk_object_put(device);
}

/* Somebody maps physical memory, and the block of zeros is there. */
static void zeros_may_be_mapped_as_frames(void **state)
{
    struct mmk_page *zeros = mmk_huge_zero_get(mm);
    mmk_paddr_t phys;

    (void)state;
    assert_non_null(zeros);
    phys = mmk_page_phys(zeros);
    assert_int_equal(mmk_map_frames(mm, at(0), H * PAGE, RO, MMK_MAP_FIXED, phys), at(0));
    expect_huge(1, 0);
    assert_int_equal(mm_stats(mm).huge_zero, 0);
    assert_int_equal(mmk_munmap(mm, at(1), PAGE), 0);
    expect_huge(0, 1);
    assert_int_equal(mmk_pte_pfn(peek_entry(mm, at(2))), mmk_page_to_pfn(zeros) + 2);
}

/* ---- mmk_map_frames() -------------------------------------------------------------------------
 */

/* Larger where it fits, and without a fault; a child's faults make them again. */
static void frames_are_mapped_larger(void **state)
{
    mmk_paddr_t phys = first_frame << MMK_PAGE_SHIFT;
    uint64_t faults = needed_faults();
    struct mmk_mm *parent;

    (void)state;
    assert_int_equal(mmk_map_frames(mm, at(0), H * PAGE, RW, MMK_MAP_FIXED, phys), at(0));
    expect_huge(1, 0);
    assert_int_equal(mmk_map_frames(mm, at(2 * H + 1), H * PAGE, RW, MMK_MAP_FIXED, phys),
                     at(2 * H + 1));
    expect_huge(1, 2);
    assert_int_equal(mmk_map_frames(mm, at(5 * H - 1), 2 * PAGE, RW, MMK_MAP_FIXED, phys),
                     at(5 * H - 1));
    expect_huge(1, 4);
    store_byte(at(1), 4);
    expect_byte(at(2 * H + 2), 4);
    expect_byte(at(5 * H), 4);
    assert_int_equal(needed_faults(), faults);
    parent = enter_child();
    expect_byte(at(1), 4);
    expect_huge(1, 0);
    leave_child(parent);
    assert_int_equal(mmk_munmap(mm, at(0), 6 * H * PAGE), 0);
    expect_huge(0, 0);
}

/* Small ones before, larger ones, small ones after; over a table that is there already. */
static void frames_of_all_sizes(void **state)
{
    mmk_paddr_t phys = first_frame << MMK_PAGE_SHIFT;

    (void)state;
    map_at(0, 1, RW, ANON);
    store_byte(at(0), 9);
    assert_int_equal(mmk_map_frames(mm, at(H - 1), (H + 2) * PAGE, RW, MMK_MAP_FIXED, phys - PAGE),
                     at(H - 1));
    expect_huge(1, 2);
    assert_int_equal(mmk_pte_pfn(peek_entry(mm, at(H - 1))), first_frame - 1);
    assert_int_equal(mmk_pte_pfn(peek_entry(mm, at(H + 1))), first_frame + 1);
    assert_int_equal(mmk_pte_pfn(peek_entry(mm, at(2 * H))), first_frame + H);
    expect_byte(at(0), 9);
}

/* ---- no memory --------------------------------------------------------------------------------
 */

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

static int move_whole(void)
{
    int64_t to =
        mmk_mremap(mm, at(0), H * PAGE, H * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, at(4 * H));

    return to < 0 ? (int)to : 0;
}

static int move_aside(void)
{
    int64_t to = mmk_mremap(mm, at(0), H * PAGE, H * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                            at(4 * H + 1));

    return to < 0 ? (int)to : 0;
}

/* What fails has changed nothing that a program sees. */
static void fail_each(int (*call)(void))
{
    struct mmk_object *device;
    bool failed = true;
    uint64_t n, faults;
    int error;

    for (n = 0; failed; n++) {
        device = map_filled(1);
        mmk_drain();
        machine_fail_nth(n / 2, n % 2 == 0);
        error = call();
        failed = machine_fail_stop() || n % 2 == 0;
        mmk_check(mm);
        if (error) {
            assert_int_equal(error, MMK_ENOMEM);
            faults = needed_faults();
            expect_device(at(0), 0, H);
            assert_int_equal(needed_faults(), faults);
            assert_int_equal(call(), 0);
            mmk_check(mm);
        }
        assert_int_equal(mmk_munmap(mm, at(0), 8 * H * PAGE), 0);
        mmk_object_put(device);
    }
    assert_true(n > 2);
}

static void calls_without_memory(void **state)
{
    (void)state;
    fail_each(unmap_part);
    fail_each(protect_part);
    fail_each(move_part);
    fail_each(move_whole);
    fail_each(move_aside);
}

/* A fault takes a small page, or fails, and is through when memory is back. */
static void faults_without_memory(void **state)
{
    struct mmk_object *device = new_device();
    enum mmk_fault_result result;
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        map_object_at(0, H, RW, SHARED, device, 0);
        mmk_drain();
        machine_fail_nth(n / 2, n % 2 == 0);
        result = mmk_fault(mm, at(1), MMK_ACCESS_WRITE);
        failed = machine_fail_stop() || n % 2 == 0;
        assert_true(result == MMK_FAULT_DONE || (failed && result == MMK_FAULT_OOM));
        store_byte(at(1), 5);
        expect_byte(at(1), 5);
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, at(0), H * PAGE), 0);
    }
    mmk_object_put(device);
}

/* Truncation and holes cannot fail: no table is needed. */
static void the_device_needs_no_memory(void **state)
{
    struct mmk_object *device = map_filled(2);

    (void)state;
    mmk_drain();
    machine_fail_nth(0, true);
    assert_int_equal(mmk_object_punch_hole(device, PAGE, PAGE), 0);
    assert_int_equal(mmk_object_resize(device, (H + 1) * PAGE), 0);
    (void)machine_fail_stop();
    expect_huge(0, 0);
    mmk_object_put(device);
}

static void mapping_frames_without_memory(void **state)
{
    mmk_paddr_t phys = first_frame << MMK_PAGE_SHIFT;
    int64_t result = 0;
    bool failed = true;
    uint64_t n;

    (void)state;
    for (n = 0; failed; n++) {
        mmk_drain(); /* no stock to hide a failure */
        machine_fail_nth(n / 2, n % 2 == 0);
        result = mmk_map_frames(mm, at(H), (H + 1) * PAGE, RW, MMK_MAP_FIXED, phys);
        failed = machine_fail_stop() || n % 2 == 0;
        mmk_check(mm);
        if (result < 0) {
            assert_int_equal(result, MMK_ENOMEM);
            expect_huge(0, 0);
        } else {
            expect_huge(1, 1);
            assert_int_equal(mmk_munmap(mm, at(H), (H + 1) * PAGE), 0);
        }
    }
    assert_true(n > 4);
}

#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEVICE_TEST(one_entry_maps_a_run),
        cmocka_unit_test_setup_teardown(nobody_has_to_ask, setup_asked, teardown),
        cmocka_unit_test_setup_teardown(never_is_never, setup_never, teardown),
        DEVICE_TEST(short_runs_are_small_pages),
        DEVICE_TEST(bad_frames_are_bus_errors),
        DEVICE_TEST(places_that_do_not_fit),
        DEVICE_TEST(protection_is_the_mappings),
        DEVICE_TEST(a_part_is_protected),
        DEVICE_TEST(parts_are_unmapped),
        DEVICE_TEST(it_moves_as_it_is),
        DEVICE_TEST(a_child_asks_again),
        DEVICE_TEST(a_hole_takes_all),
        DEVICE_TEST(the_device_shrinks),
        DEVICE_TEST(it_is_left_alone),
        DEVICE_TEST(the_kernel_reaches_it),
        DEVICE_TEST(frames_may_be_anywhere),
        DEVICE_TEST(zeros_are_another_matter),
        DEVICE_TEST(zeros_may_be_mapped_as_frames),
        DEVICE_TEST(frames_are_mapped_larger),
        DEVICE_TEST(frames_of_all_sizes),
        DEVICE_TEST(calls_without_memory),
        DEVICE_TEST(faults_without_memory),
        DEVICE_TEST(the_device_needs_no_memory),
        DEVICE_TEST(mapping_frames_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
