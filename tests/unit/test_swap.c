/* SPDX-License-Identifier: MIT */
/*
 * test_swap.c - private pages in swap: what each call makes of them, alone and shared by fork, and
 * what comes of errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "swap_setup.h"

#include "family.h"
#include "swap_in.h"
#include "swap_return.h"
#include <mmkit/notifier.h>
#include <mmkit/pin.h>
#include <mmkit/user.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)
#define SLOTS    256

static int setup(void **state)
{
    if (fixture_setup(state))
        return -1;
    swap_on(SLOTS);
    return 0;
}

/* Nothing is left in swap when the last address space has gone, nor of one that has. */
static int teardown(void **state)
{
    bool empty;

    assert_int_equal(mmk_munmap(mm, 0x10000, MMK_USER_END - 0x10000), 0);
    mmk_swap_check();
    empty = swap_used() == 0 && mmk_kin_count() == 1;
    swap_off();
    return fixture_teardown(state) || !empty ? -1 : 0;
}

#define SWAP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void page_out(mmk_vaddr_t addr, uint64_t pages)
{
    assert_int_equal(advise(addr, pages, MMK_MADV_PAGEOUT), 0);
    mmk_swap_check();
}

/* Pages 0 to n - 1 with bytes 1 to n, in swap. */
static void swapped(uint64_t n)
{
    map_at(0, n, RW, ANON);
    fill(AT(0), n, 1);
    page_out(AT(0), n);
    expect_swapped(mm, 0, n);
    assert_int_equal(swap_used(), n);
}

/* ---- out, and in again ------------------------------------------------------------------------
 */

static void test_content(void **state)
{
    struct mmk_mm_stats stats;
    uint64_t free;

    (void)state;
    map_at(0, 20, RW, ANON);
    fill(AT(0), 20, 1);
    mmk_drain();
    free = frames_free();
    page_out(AT(0), 20);
    expect_swapped(mm, 0, 20);
    mmk_drain();
    assert_int_equal(frames_free(), free + 20);
    expect_filled(AT(0), 20, 1);
    expect_swapped(mm, 20, 0);
    stats = mm_stats(mm);
    assert_int_equal(stats.fault_swap, 20);
    assert_in_range(stats.fault_major, 3, 4); /* read in rows of eight */
    assert_int_equal(swap_device.reads, stats.fault_major);
    fill(AT(0), 20, 30);
    page_out(AT(0), 20);
    expect_filled(AT(0), 20, 30);
}

/* A page that is read, and stays as it was, goes again without being written. */
static void test_clean(void **state)
{
    unsigned writes;

    (void)state;
    swapped(4);
    writes = swap_device.writes;
    assert_int_equal(writes, 1); /* in a row */
    expect_filled(AT(0), 4, 1);
    assert_int_equal(swap_used(), 4);
    store_byte(AT(2), 40);
    page_out(AT(0), 4);
    assert_int_equal(swap_device.writes, writes + 1);
    expect_byte(AT(2), 40);
    expect_byte(AT(3), 4);
}

/* A store leaves the slot behind: it would soon say something else. */
static void test_store_frees_slot(void **state)
{
    (void)state;
    swapped(4);
    store_byte(AT(1), 50);
    assert_int_equal(swap_used(), 3);
    assert_true(mmk_page_test(peek_page(mm, AT(1)), MMK_PF_EXCLUSIVE));
    expect_swapped(mm, 1, 3);
    expect_byte(AT(1), 50);
}

/* T3: the table of entries that are in swap stays, and goes with them. */
static void test_table(void **state)
{
    (void)state;
    swapped(3);
    expect_tables(mm, 1, 1, 1);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 1, 1, 1);
    assert_int_equal(swap_used(), 1);
    assert_int_equal(advise(AT(2), 1, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 0, 0, 0);
    assert_int_equal(swap_used(), 0);
    expect_byte(AT(2), 0);
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    expect_byte(AT(0), 0); /* the zero page */
    page_out(AT(0), 4);
    expect_swapped(mm, 0, 0);
    assert_int_equal(swap_device.writes, 0);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_WILLNEED), 0);
    assert_int_equal(advise(AT(4), 1, MMK_MADV_PAGEOUT), MMK_ENOMEM);
}

/* ---- calls on what is in swap -----------------------------------------------------------------
 */

static void test_unmap(void **state)
{
    (void)state;
    swapped(5);
    assert_int_equal(mmk_munmap(mm, AT(1), 2 * PAGE), 0);
    expect_swapped(mm, 0, 3);
    assert_int_equal(swap_used(), 3);
    expect_byte(AT(3), 4);
    expect_load(AT(1), MMK_FAULT_SEGV_MAPERR);
}

static void test_protect(void **state)
{
    (void)state;
    swapped(4);
    assert_int_equal(mmk_mprotect(mm, AT(0), 2 * PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, AT(2), PAGE, MMK_PROT_NONE), 0);
    expect_byte(AT(0), 1);
    expect_store(AT(0), MMK_FAULT_SEGV_ACCERR);
    expect_store(AT(1), MMK_FAULT_SEGV_ACCERR);
    expect_load(AT(2), MMK_FAULT_SEGV_ACCERR);
    mmk_check(mm);
    assert_int_equal(mmk_mprotect(mm, AT(0), 3 * PAGE, RW), 0);
    store_byte(AT(0), 60);
    store_byte(AT(1), 61);
    expect_byte(AT(2), 3);
    expect_byte(AT(3), 4);
    expect_swapped(mm, 4, 0);
}

static void test_move(void **state)
{
    int64_t at;

    (void)state;
    swapped(4);
    at = mmk_mremap(mm, AT(0), 4 * PAGE, 4 * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(20));
    assert_int_equal(at, AT(20));
    expect_swapped(mm, 0, 4);
    expect_byte(AT(20), 1);
    at = mmk_mremap(mm, AT(20), 4 * PAGE, 4 * PAGE,
                    MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP, AT(40));
    assert_int_equal(at, AT(40));
    expect_filled(AT(40), 4, 1);
    expect_byte(AT(20), 0);
    page_out(AT(20), 4);
    page_out(AT(40), 4);
    expect_swapped(mm, 0, 4);
    expect_filled(AT(40), 4, 1);
}

static void test_advice(void **state)
{
    (void)state;
    swapped(8);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_FREE), 0);
    assert_int_equal(swap_used(), 6);
    expect_byte(AT(0), 0);
    assert_int_equal(advise(AT(2), 2, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(swap_used(), 4);
    expect_load(AT(2), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(advise(AT(4), 1, MMK_MADV_COLD), 0);
    assert_true(is_swapped(mm, AT(4)));
    assert_int_equal(advise(AT(4), 2, MMK_MADV_POPULATE_READ), 0);
    assert_int_equal(advise(AT(6), 2, MMK_MADV_POPULATE_WRITE), 0);
    expect_swapped(mm, 4, 0);
    assert_int_equal(swap_used(), 2); /* those that were read have theirs */
    expect_filled(AT(4), 4, 5);
}

/* What is read ahead is there when it is touched; it is resident. */
static void test_willneed(void **state)
{
    uint8_t resident[4];
    unsigned reads;

    (void)state;
    swapped(4);
    assert_int_equal(mmk_mincore(mm, AT(0), 4 * PAGE, resident), 0);
    assert_memory_equal(resident, "\0\0\0\0", 4);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_WILLNEED), 0);
    mmk_swap_check();
    expect_swapped(mm, 0, 4);
    reads = swap_device.reads;
    assert_in_range(reads, 1, 2);
    assert_int_equal(mmk_mincore(mm, AT(0), 4 * PAGE, resident), 0);
    assert_memory_equal(resident, "\1\1\1\1", 4);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_WILLNEED), 0);
    expect_filled(AT(0), 4, 1);
    assert_int_equal(swap_device.reads, reads);
    assert_int_equal(mm_stats(mm).fault_major, 0);
}

/* Read ahead, and then not wanted: the pages go with the entries. */
static void test_willneed_unused(void **state)
{
    uint64_t free;

    (void)state;
    swapped(8);
    mmk_drain();
    free = frames_free();
    assert_int_equal(advise(AT(0), 8, MMK_MADV_WILLNEED), 0);
    mmk_drain();
    assert_int_equal(frames_free(), free - 8);
    assert_int_equal(advise(AT(0), 7, MMK_MADV_DONTNEED), 0);
    mmk_drain();
    assert_int_equal(frames_free(), free - 1);
    assert_int_equal(swap_used(), 1);
}

static void test_lock(void **state)
{
    (void)state;
    swapped(6);
    assert_int_equal(mmk_mlock(mm, AT(0), 2 * PAGE), 0);
    expect_swapped(mm, 2, 4);
    assert_int_equal(swap_used(), 4); /* what is locked has no use for a slot */
    expect_filled(AT(0), 2, 1);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_PAGEOUT), MMK_EINVAL);
    assert_int_equal(swap_out_at(mm, AT(0)), MMK_EBUSY);
    expect_swapped(mm, 2, 4);
    assert_int_equal(swap_used(), 4);
    assert_int_equal(mmk_munlock(mm, AT(0), 2 * PAGE), 0);
    assert_int_equal(swap_out_at(mm, AT(0)), 0);
    expect_byte(AT(0), 1);
}

static void test_pin(void **state)
{
    struct mmk_page *page[2];

    (void)state;
    swapped(4);
    assert_int_equal(mmk_pin_pages(mm, AT(0), 1, MMK_PIN_WRITE, page), 1);
    assert_int_equal(mmk_pin_pages(mm, AT(1), 1, 0, page + 1), 1);
    expect_swapped(mm, 2, 2);
    page_out(AT(0), 4);
    assert_int_equal(swap_out_at(mm, AT(0)), MMK_EBUSY);
    expect_swapped(mm, 2, 2);
    assert_ptr_equal(peek_page(mm, AT(0)), page[0]);
    *(uint8_t *)mmk_page_address(page[0]) = 99;
    expect_byte(AT(0), 99);
    expect_byte(AT(1), 2);
    mmk_unpin_pages(page, 2, true);
    page_out(AT(0), 4);
    expect_swapped(mm, 0, 4);
    expect_byte(AT(0), 99);
}

static void test_user_access(void **state)
{
    uint8_t bytes[8] = {0};

    (void)state;
    swapped(3);
    assert_int_equal(mmk_copy_from_user_nofault(mm, bytes, AT(0), 1), 1);
    assert_int_equal(mmk_copy_from_user(mm, bytes, AT(0), 1), 0);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(mmk_copy_to_user(mm, AT(1), "xy", 2), 0);
    expect_byte(AT(1), 'x');
    assert_int_equal(mmk_mprotect(mm, AT(2), PAGE, RO), 0);
    assert_int_equal(mmk_mm_write(mm, AT(2), "z", 1, MMK_MM_FORCE), 1);
    expect_byte(AT(2), 'z');
    expect_store(AT(2), MMK_FAULT_SEGV_ACCERR);
    page_out(AT(0), 3); /* what was forced is known to be dirty */
    expect_byte(AT(2), 'z');
}

/* Lazily freed pages are dropped, those that were written since are swapped. */
static void test_lazyfree(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_FREE), 0);
    store_byte(AT(1), 70);
    page_out(AT(0), 4);
    expect_swapped(mm, 0, 1);
    assert_int_equal(swap_used(), 1);
    expect_byte(AT(0), 0);
    expect_byte(AT(1), 70);
    expect_byte(AT(2), 0);
}

/* Freed lazily while in the cache: it leaves the cache first, or is left alone. */
static void test_lazyfree_cached(void **state)
{
    (void)state;
    swapped(2);
    expect_filled(AT(0), 2, 1);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_FREE), 0);
    page_out(AT(0), 2);
    expect_byte(AT(0), mm_stats(mm).swapped ? 1 : 0);
}

/* Private copies of a file's pages. */
static void test_file(void **state)
{
    struct mmk_object *file = new_file(4);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    expect_byte(AT(0), 1);
    store_byte(AT(1), 80);
    store_byte(AT(2), 81);
    store_byte(AT(3), 82);
    page_out(AT(0), 4);
    expect_swapped(mm, 0, 3);
    assert_int_equal(mmk_object_punch_hole(file, PAGE, PAGE), 0); /* copies stay */
    expect_byte(AT(1), 80);
    assert_int_equal(mmk_object_resize(file, 3 * PAGE), 0);
    expect_swapped(mm, 1, 1);
    expect_load(AT(3), MMK_FAULT_BUS);
    expect_byte(AT(2), 81);
    mmk_object_put(file);
}

static void test_kill(void **state)
{
    struct mmk_mm *parent;
    uint64_t freed = 0;

    (void)state;
    swapped(5);
    parent = enter_child();
    expect_swapped(mm, 0, 5);
    mmk_kill(mm);
    expect_load(AT(0), MMK_FAULT_KILLED);
    assert_int_equal(mmk_reap(mm, 100, &freed), 0);
    assert_int_equal(freed, 0);
    expect_swapped(mm, 0, 0);
    leave_child(parent);
    expect_filled(AT(0), 5, 1);
}

/* ---- fork -------------------------------------------------------------------------------------
 */

static void test_fork(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    swapped(4);
    assert_true(mmk_pte_swap_exclusive(peek_entry(mm, AT(0))));
    parent = enter_child();
    assert_int_equal(swap_used(), 4); /* one slot, two entries */
    expect_swapped(parent, 0, 4);
    expect_swapped(mm, 0, 4);
    assert_false(mmk_pte_swap_exclusive(peek_entry(parent, AT(0))));
    assert_false(mmk_pte_swap_exclusive(peek_entry(mm, AT(0))));
    store_byte(AT(0), 90);
    expect_byte(AT(1), 2);
    assert_int_equal(swap_used(), 4);
    machine_switch_mm(parent);
    expect_byte(AT(0), 1);
    store_byte(AT(1), 91);
    machine_switch_mm(mm);
    expect_byte(AT(0), 90);
    expect_byte(AT(1), 2);
    mmk_check(parent);
    leave_child(parent);
    expect_byte(AT(1), 91);
    expect_filled(AT(2), 2, 3);
    mmk_swap_check();
}

/* The last who has a page in swap has it for himself: no copy. */
static void test_sole(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    swapped(2);
    parent = enter_child();
    leave_child(parent);
    store_byte(AT(0), 5);
    assert_int_equal(mm_stats(mm).fault_cow, 0);
    assert_true(mmk_page_test(peek_page(mm, AT(0)), MMK_PF_EXCLUSIVE));
    expect_byte(AT(1), 2);
    store_byte(AT(1), 6);
    assert_int_equal(mm_stats(mm).fault_cow, 0);
    assert_int_equal(mm_stats(mm).fault_reuse, 0);
}

/* A page that two have goes from both tables, into one slot; PAGEOUT leaves it. */
static void test_shared_page(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_at(0, 3, RW, ANON);
    fill(AT(0), 3, 1);
    parent = enter_child();
    page_out(AT(0), 3);
    expect_swapped(mm, 3, 0);
    assert_int_equal(swap_out_at(mm, AT(0)), 0);
    assert_int_equal(swap_out_at(parent, AT(1)), 0);
    expect_swapped(mm, 1, 2);
    expect_swapped(parent, 1, 2);
    assert_int_equal(swap_used(), 2);
    assert_int_equal(swap_device.writes, 2);
    expect_byte(AT(0), 1);
    machine_switch_mm(parent);
    expect_byte(AT(0), 1);
    assert_ptr_equal(peek_page(mm, AT(0)), peek_page(parent, AT(0)));
    assert_int_equal(swap_device.reads, 1); /* the other found it in the cache */
    store_byte(AT(0), 2);
    machine_switch_mm(mm);
    expect_byte(AT(0), 1);
    mmk_check(parent);
    store_byte(AT(0), 3); /* the only one by now: reused, and out of the cache */
    assert_int_equal(mm_stats(mm).fault_cow, 0);
    leave_child(parent);
    expect_byte(AT(0), 2);
    expect_byte(AT(1), 2);
}

/* One has it mapped, the other in swap: a store copies. */
static void test_half(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    swapped(1);
    parent = enter_child();
    expect_byte(AT(0), 1);
    store_byte(AT(0), 7);
    assert_int_equal(mm_stats(mm).fault_cow, 1);
    assert_int_equal(swap_used(), 1);
    mmk_swap_check();
    leave_child(parent);
    expect_byte(AT(0), 1);
}

/* Who made the page is gone when it comes back. */
static void test_owner_gone(void **state)
{
    struct mmk_mm *fixture = mm, *child;

    (void)state;
    mm = new_mm();
    machine_switch_mm(mm);
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(swap_out_at(mm, AT(0)), 0);
    assert_int_equal(swap_out_at(mm, AT(1)), 0);
    machine_switch_mm(child);
    put_mm(mm);
    mm = child;
    assert_int_equal(mmk_kin_count(), 3);
    assert_int_equal(swap_out_at(mm, AT(2)), 0);
    mmk_check(mm);
    store_byte(AT(0), 9);
    expect_filled(AT(1), 3, 2);
    fill(AT(1), 3, 20);
    assert_ptr_equal(mmk_page_kin(peek_page(mm, AT(1))), mm->kin);
    mmk_swap_check();
    machine_switch_mm(fixture);
    put_mm(child);
    mm = fixture;
    mmk_drain();
    assert_int_equal(mmk_kin_count(), 1);
}

/* Fork of a fork, moved, in swap in between: all that have a slot are found from it. */
static void test_return_all(void **state)
{
    struct mmk_mm *parent = mm, *child, *grandchild;
    struct mmk_page *page;
    uint64_t slot;
    bool read;
    int64_t at;

    (void)state;
    swapped(3);
    assert_int_equal(mmk_fork(parent, &child), 0);
    at =
        mmk_mremap(child, AT(0), 3 * PAGE, 3 * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(10));
    assert_int_equal(at, AT(10));
    assert_int_equal(mmk_fork(child, &grandchild), 0);
    assert_int_equal(mmk_mprotect(grandchild, AT(11), PAGE, MMK_PROT_NONE), 0);
    slot = mmk_pte_slot(peek_entry(parent, AT(1)));
    mmk_slot_get(slot);
    assert_int_equal(mmk_swap_in(NULL, slot, &page, &read), 0);
    assert_null(mmk_swap_return_all(page));
    assert_int_equal(mmk_page_mapcount(page), 3);
    assert_int_equal(mmk_slot_refs(slot), 1);
    mmk_swap_put(slot);
    assert_true(mmk_swap_take_out(page));
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    assert_int_equal(swap_used(), 2);
    expect_swapped(parent, 1, 2);
    expect_swapped(child, 1, 2);
    expect_swapped(grandchild, 1, 2);
    expect_byte(AT(1), 2);
    put_mm(child);
    put_mm(grandchild);
}

/* ---- errors -----------------------------------------------------------------------------------
 */

/* Whoever touches it hears of it, and may try again. */
static void test_read_error(void **state)
{
    (void)state;
    swapped(3);
    swap_device.fails_read = MMK_EIO;
    expect_load(AT(0), MMK_FAULT_BUS);
    expect_store(AT(0), MMK_FAULT_BUS);
    expect_swapped(mm, 0, 3);
    mmk_swap_check();
    assert_int_equal(advise(AT(0), 3, MMK_MADV_WILLNEED), 0);
    assert_int_equal(advise(AT(0), 3, MMK_MADV_POPULATE_READ), MMK_EFAULT);
    swap_device.fails_read = 0;
    expect_filled(AT(0), 3, 1);
}

/* One that cannot be read takes nobody else along. */
static void test_read_error_beside(void **state)
{
    (void)state;
    swapped(4);
    swap_device.bad_slot = mmk_slot_offset(mmk_pte_slot(peek_entry(mm, AT(2))));
    expect_filled(AT(0), 2, 1);
    expect_byte(AT(3), 4);
    expect_load(AT(2), MMK_FAULT_BUS);
    expect_swapped(mm, 3, 1);
    mmk_swap_check();
    swap_device.bad_slot = UINT64_MAX;
    expect_byte(AT(2), 3);
}

/* What cannot be written stays in memory, and is found there. */
static void test_write_error(void **state)
{
    unsigned writes;

    (void)state;
    map_at(0, 3, RW, ANON);
    fill(AT(0), 3, 1);
    swap_device.fails_write = MMK_ENOMEM;
    assert_int_equal(swap_out_at(mm, AT(0)), MMK_EIO);
    page_out(AT(0), 3);
    expect_swapped(mm, 0, 3);
    writes = swap_device.writes;
    expect_byte(AT(0), 1);
    assert_int_equal(swap_device.reads, 0);
    assert_int_equal(mm_stats(mm).fault_major, 0);
    store_byte(AT(1), 33);
    swap_device.fails_write = 0;
    page_out(AT(0), 3);
    assert_in_range(swap_device.writes, writes + 1, writes + 2); /* slots lie in a row, or not */
    expect_byte(AT(1), 33);
    expect_byte(AT(0), 1);
    expect_byte(AT(2), 3);
}

/* Up to eight go at once: with one flush, and one write where their slots lie in a row. */
static void test_rows(void **state)
{
    uint64_t flushes;
    unsigned writes;

    (void)state;
    map_at(0, 24, RW, ANON);
    fill(AT(0), 24, 1);
    flushes = stats_now().tlb_flushes;
    page_out(AT(0), 20);
    assert_int_equal(stats_now().tlb_flushes, flushes + 3);
    assert_int_equal(swap_device.writes, 3);
    expect_filled(AT(0), 8, 1);
    store_byte(AT(3), 50); /* the others are clean */
    writes = swap_device.writes;
    flushes = stats_now().tlb_flushes;
    page_out(AT(0), 8);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    assert_int_equal(swap_device.writes, writes + 1);
    expect_byte(AT(3), 50);
    expect_byte(AT(4), 5);
    store_byte(AT(0), 60); /* these two, and their slots, are not neighbours */
    store_byte(AT(5), 65);
    store_byte(AT(20), 70);
    writes = swap_device.writes;
    page_out(AT(0), 24);
    assert_in_range(swap_device.writes, writes + 1, writes + 4);
    expect_byte(AT(0), 60);
    expect_byte(AT(5), 65);
    expect_byte(AT(20), 70);
    expect_filled(AT(6), 14, 7);
}

/* Of several that cannot be written at once each is tried. */
static void test_row_error(void **state)
{
    struct mmk_swap_stats stats;

    (void)state;
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    swap_device.fail_nth = 1;
    page_out(AT(0), 8);
    assert_int_equal(swap_device.writes, 1 + 8);
    expect_swapped(mm, 0, 8);
    expect_filled(AT(0), 8, 1);
    fill(AT(0), 8, 31);
    swap_device.fails_write = MMK_EIO;
    page_out(AT(0), 8);
    expect_filled(AT(0), 8, 31); /* all in memory still */
    swap_device.fails_write = 0;
    mmk_swap_stats(swap_device.area, &stats);
    assert_int_equal(stats.bad, 8);
    assert_int_equal(stats.used, 0);
    page_out(AT(0), 8);
    expect_swapped(mm, 0, 8);
    expect_filled(AT(0), 8, 31);
}

/* Secondary MMUs are told of each page, before it goes. */
static unsigned told, ended;

static int tell(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    assert_int_equal(range->end - range->start, PAGE);
    assert_true(mmk_pte_present(peek_entry(mm, range->start)));
    told++;
    return 0;
}

static void tell_end(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    (void)range;
    ended++;
}

static void test_row_mirrored(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = tell,
                                                .invalidate_end = tell_end};
    struct mmk_notifier notifier = {.ops = &ops};

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    told = ended = 0;
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    page_out(AT(0), 4);
    assert_int_equal(told, 4);
    assert_int_equal(ended, 4);
    mmk_notifier_unregister(mm, &notifier);
    expect_filled(AT(0), 4, 1);
}

/* A slot that could not be written is not tried again: the page goes to another, once it is used.
 */
static void test_bad_slot(void **state)
{
    struct mmk_swap_stats stats;

    (void)state;
    map_at(0, 1, RW, ANON);
    store_byte(AT(0), 1);
    swap_device.fails_write = MMK_EIO;
    page_out(AT(0), 1);
    expect_swapped(mm, 0, 1);
    swap_device.fails_write = 0;
    assert_int_equal(mmk_reclaim(1), 0);
    assert_int_equal(swap_device.writes, 1);
    expect_byte(AT(0), 1);
    mmk_swap_stats(swap_device.area, &stats);
    assert_int_equal(stats.used, 0);
    assert_int_equal(stats.bad, 1);
    page_out(AT(0), 1);
    expect_swapped(mm, 0, 1);
    assert_int_equal(swap_device.writes, 2);
    assert_int_equal(swap_used(), 1);
    expect_byte(AT(0), 1);
    assert_int_equal(swap_device.reads, 1);
}

static void test_full(void **state)
{
    (void)state;
    map_at(0, SLOTS + 10, RW, ANON);
    fill(AT(0), SLOTS + 10, 1);
    page_out(AT(0), SLOTS + 10);
    expect_swapped(mm, 10, SLOTS);
    assert_int_equal(swap_used(), SLOTS);
    assert_int_equal(swap_out_at(mm, AT(SLOTS + 5)), MMK_ENOMEM);
    expect_filled(AT(0), SLOTS + 10, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWAP_TEST(test_content),
        SWAP_TEST(test_clean),
        SWAP_TEST(test_store_frees_slot),
        SWAP_TEST(test_table),
        SWAP_TEST(test_nothing_to_do),
        SWAP_TEST(test_unmap),
        SWAP_TEST(test_protect),
        SWAP_TEST(test_move),
        SWAP_TEST(test_advice),
        SWAP_TEST(test_willneed),
        SWAP_TEST(test_willneed_unused),
        SWAP_TEST(test_lock),
        SWAP_TEST(test_pin),
        SWAP_TEST(test_user_access),
        SWAP_TEST(test_lazyfree),
        SWAP_TEST(test_lazyfree_cached),
        SWAP_TEST(test_file),
        SWAP_TEST(test_kill),
        SWAP_TEST(test_fork),
        SWAP_TEST(test_sole),
        SWAP_TEST(test_shared_page),
        SWAP_TEST(test_half),
        SWAP_TEST(test_owner_gone),
        SWAP_TEST(test_return_all),
        SWAP_TEST(test_read_error),
        SWAP_TEST(test_read_error_beside),
        SWAP_TEST(test_rows),
        SWAP_TEST(test_row_error),
        SWAP_TEST(test_row_mirrored),
        SWAP_TEST(test_write_error),
        SWAP_TEST(test_bad_slot),
        SWAP_TEST(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
