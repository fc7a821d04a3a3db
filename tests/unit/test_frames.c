/* SPDX-License-Identifier: MIT */
/*
 * Memory that is not mmkit's to give: mmk_map_frames(), and objects that name their frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define PAGES 8u

/* Frames of the kernel's own: it may do with them what it likes, mmkit does not look. */
static struct mmk_page *block;
static mmk_paddr_t block_phys;

static unsigned char *kernel_view(unsigned page)
{
    return (unsigned char *)mmk_page_address(block) + page * PAGE;
}

static int setup(void **state)
{
    int error = fixture_setup(state);

    if (error)
        return error;
    block = mmk_page_alloc(3, MMK_ALLOC_ZERO);
    if (!block)
        return -1;
    block_phys = mmk_page_phys(block);
    return 0;
}

/* Every reference that the frames had is still there, and no more: putting it frees them. */
static int teardown(void **state)
{
    mmk_page_put(block);
    return fixture_teardown(state);
}

static mmk_vaddr_t map_block(mmk_vaddr_t addr, unsigned pages, unsigned prot)
{
    int64_t at = mmk_map_frames(mm, addr, pages * PAGE, prot, addr ? MMK_MAP_FIXED : 0, block_phys);

    assert_true(at > 0);
    mmk_check(mm);
    return (mmk_vaddr_t)at;
}

/* Without a page-fault handler it works, too: no access faults. */
static void frames_show_without_a_fault(void **state)
{
    uint64_t faults = needed_faults();
    mmk_vaddr_t at = map_block(0, PAGES, RW);
    unsigned char byte = 7;
    unsigned i;

    (void)state;
    for (i = 0; i < PAGES; i++) {
        kernel_view(i)[5] = (unsigned char)(i + 1);
        assert_int_equal(machine_load(at + i * PAGE + 5, &byte, 1), MMK_FAULT_DONE);
        assert_int_equal(byte, i + 1);
        byte = (unsigned char)(i + 100);
        assert_int_equal(machine_store(at + i * PAGE + 9, &byte, 1), MMK_FAULT_DONE);
        assert_int_equal(kernel_view(i)[9], i + 100);
    }
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mm_stats(mm).rss_file + mm_stats(mm).rss_shmem + mm_stats(mm).rss_anon, 0);
    assert_int_equal(mm_stats(mm).tables[0], 1);
    assert_int_equal(mmk_munmap(mm, at, PAGES * PAGE), 0);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).tables[0], 0);
    assert_int_equal(kernel_view(3)[9], 103);
}

/* Protection is the mapping's, also where it comes back: there may be nobody to handle a fault. */
static void protection_changes_without_a_fault(void **state)
{
    mmk_vaddr_t at = map_block(BASE, PAGES, RO);
    unsigned char byte = 1;
    uint64_t faults;

    (void)state;
    assert_int_equal(machine_store(at, &byte, 1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at, 2 * PAGE, RW), 0);
    mmk_check(mm);
    faults = needed_faults();
    assert_int_equal(machine_store(at, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mmk_mprotect(mm, at, PAGE, MMK_PROT_NONE), 0);
    mmk_check(mm);
    assert_int_equal(machine_load(at, &byte, 1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, at, PAGE, RW), 0);
    faults = needed_faults();
    assert_int_equal(machine_load(at, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(byte, 1);
    assert_int_equal(needed_faults(), faults);
}

/* A range over several tables, some there already. */
static void tables_are_shared_and_built(void **state)
{
    mmk_vaddr_t at = BASE + mmk_pt_table_span(0) - 3 * PAGE;
    int64_t neighbour = mmk_mmap(mm, at - PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    unsigned char byte = 3;

    (void)state;
    assert_int_equal(neighbour, at - PAGE);
    assert_int_equal(machine_store(at - PAGE, &byte, 1), MMK_FAULT_DONE);
    map_block(at, PAGES, RW);
    assert_int_equal(mm_stats(mm).tables[0], 2);
    assert_int_equal(mmk_munmap(mm, at - PAGE, (PAGES + 1) * PAGE), 0);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).tables[0], 0);
}

/* What Linux refuses for such memory, and what not. No advice takes an entry away. */
static void advice_about_pages_is_refused(void **state)
{
    static const int refused[] = {
        MMK_MADV_DONTNEED,       MMK_MADV_DONTNEED_LOCKED,
        MMK_MADV_FREE,           MMK_MADV_REMOVE,
        MMK_MADV_DOFORK,         MMK_MADV_DODUMP,
        MMK_MADV_WIPEONFORK,     MMK_MADV_COLD,
        MMK_MADV_PAGEOUT,        MMK_MADV_GUARD_INSTALL,
        MMK_MADV_GUARD_REMOVE,   MMK_MADV_POPULATE_READ,
        MMK_MADV_POPULATE_WRITE,
    };
    static const int accepted[] = {
        MMK_MADV_NORMAL,   MMK_MADV_RANDOM,   MMK_MADV_SEQUENTIAL,
        MMK_MADV_WILLNEED, MMK_MADV_DONTDUMP, MMK_MADV_KEEPONFORK,
    };
    mmk_vaddr_t at = map_block(BASE, PAGES, RW);
    uint64_t faults = needed_faults();
    unsigned char byte = 9;
    struct mmk_mm *child;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(mmk_madvise(mm, at, PAGES * PAGE, refused[i]), MMK_EINVAL);
    for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
        assert_int_equal(mmk_madvise(mm, at, PAGES * PAGE, accepted[i]), 0);
    kernel_view(2)[0] = 42;
    assert_int_equal(machine_load(at + 2 * PAGE, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(byte, 42);
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mmk_madvise(mm, at, PAGES * PAGE, MMK_MADV_DONTFORK), 0);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mm_stats(child).vmas, 0);
    mmk_check(child);
    mmk_mm_put(child);
    mmk_check(mm);
}

/* A child finds them where the parent does: its own faults make the entries. */
static void fork_shares_them(void **state)
{
    mmk_vaddr_t at = map_block(BASE, PAGES, RW);
    struct mmk_mm *child;
    unsigned char byte = 77;

    (void)state;
    assert_int_equal(mmk_fork(mm, &child), 0);
    machine_switch_mm(child);
    assert_int_equal(machine_store(at + PAGE, &byte, 1), MMK_FAULT_DONE);
    mmk_check(child);
    machine_switch_mm(mm);
    mmk_mm_put(child);
    assert_int_equal(machine_load(at + PAGE, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(byte, 77);
}

static void touching_mappings_stay_apart(void **state)
{
    (void)state;
    assert_int_equal(mmk_map_frames(mm, BASE, 2 * PAGE, RW, MMK_MAP_FIXED, block_phys), BASE);
    assert_int_equal(
        mmk_map_frames(mm, BASE + 2 * PAGE, 2 * PAGE, RW, MMK_MAP_FIXED, block_phys + 2 * PAGE),
        BASE + 2 * PAGE);
    assert_int_equal(mm_stats(mm).vmas, 2);
    assert_int_equal(mmk_mprotect(mm, BASE + PAGE, PAGE, MMK_PROT_READ), 0);
    assert_int_equal(mmk_mprotect(mm, BASE + PAGE, PAGE, RW), 0);
    assert_int_equal(mm_stats(mm).vmas, 3);
    mmk_check(mm);
}

static void bad_arguments_change_nothing(void **state)
{
    const uint64_t end = MMK_PHYS_END;

    (void)state;
    map_block(BASE, PAGES, RW);
    assert_int_equal(mmk_map_frames(mm, BASE, PAGE, RW, MMK_MAP_FIXED, block_phys), MMK_EEXIST);
    assert_int_equal(mmk_map_frames(mm, 0, PAGE, RW, 0, block_phys + 1), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, 0, 0, RW, 0, block_phys), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, 0, PAGE, RW, 0, end), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, 0, 2 * PAGE, RW, 0, end - PAGE), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, 0, PAGE, MMK_PROT_NONE, 0, block_phys), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, 0, PAGE, RW, MMK_MAP_PRIVATE, block_phys), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, BASE + 1, PAGE, RW, MMK_MAP_FIXED, block_phys), MMK_EINVAL);
    assert_int_equal(mmk_map_frames(mm, 0, MMK_USER_END, RW, 0, 0),
                     MMK_USER_END > MMK_PHYS_END ? MMK_EINVAL : MMK_ENOMEM);
    assert_int_equal(mm_stats(mm).vmas, 1);
    mmk_check(mm);
}

/* Each allocation fails once, and with all later ones: nothing is left behind. */
static void failing_allocations_leave_nothing(void **state)
{
    mmk_vaddr_t at = BASE + mmk_pt_table_span(0) - 3 * PAGE;
    uint64_t n, tables = mm_stats(mm).tables[0] + mm_stats(mm).tables[1];
    bool onward, failed = true;
    int64_t result = 0;

    (void)state;
    for (n = 0; failed; n++) {
        for (onward = true;; onward = false) {
            mmk_drain(); /* no stock to hide a failure */
            machine_fail_nth(n, onward);
            result = mmk_map_frames(mm, at, PAGES * PAGE, RW, MMK_MAP_FIXED, block_phys);
            failed = machine_fail_stop();
            mmk_check(mm);
            if (result < 0) {
                assert_true(failed);
                assert_int_equal(result, MMK_ENOMEM);
                assert_int_equal(mm_stats(mm).vmas, 0);
                assert_int_equal(mm_stats(mm).tables[0] + mm_stats(mm).tables[1], tables);
            } else {
                assert_int_equal(mmk_munmap(mm, at, PAGES * PAGE), 0);
            }
            if (!onward)
                break;
        }
    }
    assert_true(n > 4);
}

/* --- an object that names its frames --------------------------------------------------------- */

static int frame_error;
static mmk_pfn_t frame_too_far; /* added */

static int block_frame(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = (block_phys >> MMK_PAGE_SHIFT) + index + frame_too_far;
    return frame_error;
}

static const struct mmk_object_ops device_ops = {.frame = block_frame};

static struct mmk_object *new_device(void)
{
    struct mmk_object *device;

    assert_int_equal(mmk_object_create(&device_ops, PAGES * PAGE, NULL, &device), 0);
    return device;
}

static void a_device_is_mapped_by_faults(void **state)
{
    struct mmk_object *device = new_device();
    unsigned char byte = 5;

    (void)state;
    assert_int_equal(mmk_mmap(mm, BASE, PAGES * PAGE, RW, MMK_MAP_PRIVATE, device, 0), MMK_EINVAL);
    assert_int_equal(
        mmk_mmap(mm, BASE, 2 * PAGES * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, device, 0), BASE);
    assert_int_equal(machine_store(BASE + 3 * PAGE, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(kernel_view(3)[0], 5);
    mmk_check(mm);
    assert_int_equal(machine_load(BASE + PAGES * PAGE, &byte, 1), MMK_FAULT_BUS);
    frame_error = MMK_EIO;
    assert_int_equal(machine_load(BASE + 4 * PAGE, &byte, 1), MMK_FAULT_BUS);
    frame_error = MMK_ENOMEM;
    assert_int_equal(machine_load(BASE + 4 * PAGE, &byte, 1), MMK_FAULT_OOM);
    frame_error = 0;
    frame_too_far = MMK_PHYS_END >> MMK_PAGE_SHIFT;
    assert_int_equal(machine_load(BASE + 4 * PAGE, &byte, 1), MMK_FAULT_BUS);
    frame_too_far = 0;
    assert_int_equal(mm_stats(mm).rss_file, 0);
    mmk_object_put(device);
}

/* The device goes, or a part of it: no mapping shows it any longer. */
static void a_device_is_revoked(void **state)
{
    struct mmk_object *device = new_device();
    unsigned char byte = 0;
    unsigned i;

    (void)state;
    assert_int_equal(
        mmk_mmap(mm, BASE, PAGES * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, device, 0), BASE);
    for (i = 0; i < PAGES; i++)
        assert_int_equal(machine_load(BASE + i * PAGE, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(mmk_object_punch_hole(device, PAGE + 1, 3 * PAGE), 0);
    mmk_check(mm);
    frame_error = MMK_EIO;
    assert_int_equal(machine_load(BASE + PAGE, &byte, 1), MMK_FAULT_DONE); /* in part only */
    assert_int_equal(machine_load(BASE + 2 * PAGE, &byte, 1), MMK_FAULT_BUS);
    frame_error = 0;
    assert_int_equal(mmk_object_resize(device, 4 * PAGE + 8), 0);
    mmk_check(mm);
    assert_int_equal(machine_load(BASE + 4 * PAGE, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(machine_load(BASE + 5 * PAGE, &byte, 1), MMK_FAULT_BUS);
    assert_int_equal(mmk_object_resize(device, 0), 0);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).tables[0], 0);
    mmk_object_put(device);
}

/* No direct map is known of such frames: a debugger gets no byte, and no endless fault. */
static void software_does_not_reach_them(void **state)
{
    unsigned char bytes[16];
    int64_t own, at;

    (void)state;
    own = mmk_mmap(mm, BASE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    at = mmk_map_frames(mm, BASE + PAGE, PAGE, RW, MMK_MAP_FIXED, MMK_PHYS_END - PAGE);
    assert_int_equal(own, BASE);
    assert_int_equal(at, BASE + PAGE);
    assert_int_equal(mmk_mm_read(mm, BASE + PAGE - 8, bytes, 16, MMK_MM_ALLOWED), 8);
    assert_int_equal(mmk_mm_write(mm, BASE + PAGE, bytes, 1, MMK_MM_ALLOWED), 0);
    mmk_check(mm);
}

/* What a debugger reads of a mapping that the program may not access stays out of its reach. */
static void forcing_gives_no_rights(void **state)
{
    struct mmk_object *device = new_device();
    unsigned char byte = 0;
    int64_t at;

    (void)state;
    at = mmk_mmap(mm, BASE, PAGES * PAGE, MMK_PROT_NONE, MMK_MAP_SHARED | MMK_MAP_FIXED, device, 0);
    assert_int_equal(at, BASE);
    kernel_view(2)[0] = 9;
    assert_int_equal(mmk_mm_read(mm, BASE + 2 * PAGE, &byte, 1, MMK_MM_FORCE), 1);
    assert_int_equal(byte, 9);
    mmk_check(mm);
    assert_int_equal(machine_load(BASE + 2 * PAGE, &byte, 1), MMK_FAULT_SEGV_ACCERR);
    mmk_object_put(device);
}

/* Moved, they leave nothing behind that would be mapped again; the reaper has no use for them. */
static void they_are_neither_left_nor_reaped(void **state)
{
    mmk_vaddr_t at = map_block(BASE, PAGES, RW);
    uint64_t freed = 0;

    (void)state;
    assert_int_equal(mmk_mremap(mm, at, PAGES * PAGE, PAGES * PAGE,
                                MMK_MREMAP_MAYMOVE | MMK_MREMAP_DONTUNMAP, 0),
                     MMK_EINVAL);
    mmk_check(mm);
    mmk_kill(mm);
    assert_int_equal(mmk_reap(mm, UINT64_MAX, &freed), 0);
    assert_int_equal(freed, 0);
    assert_int_equal(mm_stats(mm).tables[0], 1);
    mmk_check(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_show_without_a_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(protection_changes_without_a_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_are_shared_and_built, setup, teardown),
        cmocka_unit_test_setup_teardown(advice_about_pages_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(fork_shares_them, setup, teardown),
        cmocka_unit_test_setup_teardown(touching_mappings_stay_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_arguments_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(failing_allocations_leave_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(software_does_not_reach_them, setup, teardown),
        cmocka_unit_test_setup_teardown(forcing_gives_no_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(they_are_neither_left_nor_reaped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_is_mapped_by_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_is_revoked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
