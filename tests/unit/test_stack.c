/* SPDX-License-Identifier: MIT */
/* test_stack.c - mappings that grow down: how far, and what stands in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "map.h"

#define LIMIT (8 * MIB) /* of MMK_CONFIG_DEFAULT */
#define GUARD 256       /* pages: 1 MiB */
#define TOP   4096      /* page index of the stack in these tests */

static mmk_vaddr_t map_stack(uint64_t pages)
{
    return map_at(TOP, pages, RW, STACK);
}

static void test_grows(void **state)
{
    mmk_vaddr_t stack = map_stack(2);

    (void)state;
    store_byte(stack + 5, 1);
    store_byte(stack - 1, 2);
    expect_shape(1, 3);
    expect_vma(stack, stack - PAGE, 3);
    store_byte(stack - 10 * PAGE, 3); /* at once */
    expect_shape(1, 12);
    expect_byte(stack - 4 * PAGE, 0);
    expect_byte(stack - 1, 2);
    expect_byte(stack - 20 * PAGE, 0); /* a read does it, too */
    expect_shape(1, 22);
    assert_int_equal(mm_stats(mm).rss_anon, 3);
    expect_load(stack + 2 * PAGE, MMK_FAULT_SEGV_MAPERR); /* not upwards */
}

static void test_limit(void **state)
{
    mmk_vaddr_t stack = map_stack(2), lowest = stack + 2 * PAGE - LIMIT;

    (void)state;
    expect_store(lowest - 1, MMK_FAULT_SEGV_MAPERR);
    expect_shape(1, 2);
    store_byte(lowest, 1);
    expect_shape(1, LIMIT / PAGE);
    expect_store(lowest - 1, MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mm_stats(mm).fault_failed, 2);
}

/* The room is kept free above what an overrun could damage. */
static void test_guard_gap(void **state)
{
    mmk_vaddr_t stack = map_stack(2);

    (void)state;
    map_at(TOP - GUARD - 11, 1, RO, ANON);
    store_byte(stack - 10 * PAGE, 1);
    expect_store(stack - 11 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_shape(2, 13);
    expect_load(stack - (GUARD + 11) * PAGE, MMK_FAULT_DONE); /* the neighbour itself */
}

static void test_inaccessible_neighbour(void **state)
{
    mmk_vaddr_t stack = map_stack(2);

    (void)state;
    map_at(TOP - 8, 4, MMK_PROT_NONE, ANON);
    store_byte(stack - 4 * PAGE, 1); /* up to it */
    expect_shape(2, 10);
    expect_store(stack - 5 * PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_store(stack - 9 * PAGE, MMK_FAULT_SEGV_MAPERR);
}

static void test_stack_neighbour(void **state)
{
    mmk_vaddr_t stack = map_stack(2), lower = map_at(TOP - 8, 1, RO, STACK);

    (void)state;
    store_byte(stack - 7 * PAGE, 1); /* up to it */
    expect_shape(2, 10);
    expect_store(lower, MMK_FAULT_SEGV_ACCERR);
    expect_load(lower - PAGE, MMK_FAULT_DONE); /* and that one grows, too */
    expect_shape(2, 11);
}

/* Stacks that touch and are alike have become one. */
static void test_merged(void **state)
{
    mmk_vaddr_t stack = map_stack(2);

    (void)state;
    map_at(TOP - 2, 2, RW, STACK);
    expect_shape(1, 4);
    store_byte(stack - 3 * PAGE, 1);
    expect_vma(stack, stack - 3 * PAGE, 5);
}

/* Page indices go down with it, and not below 0: those of what was moved are where it was. */
static void test_moved(void **state)
{
    mmk_vaddr_t low = 20 * PAGE, high = BASE + TOP * PAGE;

    (void)state;
    (void)map(low, 1, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    store_byte(low, 1);
    assert_int_equal(mmk_mremap(mm, low, PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, high),
                     high);
    expect_store(high - 21 * PAGE, MMK_FAULT_SEGV_MAPERR);
    store_byte(high - 20 * PAGE, 2);
    expect_store(high - 20 * PAGE - 1, MMK_FAULT_SEGV_MAPERR);
    expect_shape(1, 21);
    assert_int_equal(mmk_munmap(mm, high - 20 * PAGE, 21 * PAGE), 0);

    /* what was never written has none */
    (void)map(low, 1, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(mmk_mremap(mm, low, PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, high),
                     high);
    store_byte(high - 21 * PAGE, 1);
    expect_shape(1, 22);
}

/* It grows before its protection is looked at, as on Linux. */
static void test_protected(void **state)
{
    mmk_vaddr_t stack = map_at(TOP, 2, RO, STACK);

    (void)state;
    expect_store(stack - PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_shape(1, 3);
    expect_load(stack - PAGE, MMK_FAULT_DONE);
    assert_int_equal(mmk_mprotect(mm, stack - PAGE, PAGE, RW), 0);
    store_byte(stack - 2 * PAGE, 1);
    expect_shape(2, 4);
}

static void test_lowest_address(void **state)
{
    (void)state;
    (void)map(64 * KIB + 4 * PAGE, 1, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    expect_store(64 * KIB - PAGE, MMK_FAULT_SEGV_MAPERR);
    store_byte(64 * KIB, 1);
    expect_shape(1, 5);
    expect_store(64 * KIB - 1, MMK_FAULT_SEGV_MAPERR);
    expect_store(0, MMK_FAULT_SEGV_MAPERR);
}

static void test_ordinary_mapping_does_not_grow(void **state)
{
    mmk_vaddr_t a = map_at(TOP, 2, RW, ANON);

    (void)state;
    expect_store(a - 1, MMK_FAULT_SEGV_MAPERR);
    expect_load(a - PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_shape(1, 2);
}

/* As far as memory may be locked; those with the privilege go further. */
static void test_locked(void **state)
{
    mmk_vaddr_t stack = map_stack(2);

    (void)state;
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_MEMLOCK, 3 * PAGE), 0);
    assert_int_equal(mmk_mlock(mm, stack, 2 * PAGE), 0);
    store_byte(stack - PAGE, 1);
    expect_store(stack - 2 * PAGE, MMK_FAULT_SEGV_MAPERR);
    mmk_set_lock_privilege(mm, true);
    store_byte(stack - 2 * PAGE, 1);
    expect_shape(1, 4);
    assert_int_equal(mm_stats(mm).locked_bytes, 4 * PAGE);
}

/* Parent's and child's grow apart. */
/* What a fault finds when it has waited for the lock: nothing there any more, or enough. */
static void test_others_first(void **state)
{
    mmk_vaddr_t stack = map_stack(2);
    enum mmk_fault_result why;
    struct mmk_vma *vma;

    (void)state;
    assert_null(mmk_stack_grow(mm, stack + 2 * PAGE, &why));
    assert_int_equal(why, MMK_FAULT_SEGV_MAPERR);
    vma = mmk_stack_grow(mm, stack + PAGE, &why);
    assert_int_equal(why, MMK_FAULT_DONE);
    assert_ptr_equal(vma, peek_vma(mm, stack));
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    expect_shape(1, 2);
}

static void test_fork(void **state)
{
    mmk_vaddr_t stack = map_stack(2);
    struct mmk_mm *child;

    (void)state;
    store_byte(stack - PAGE, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    machine_switch_mm(child);
    store_byte(stack - 2 * PAGE, 2);
    expect_byte(stack - PAGE, 1);
    machine_switch_mm(mm);
    expect_shape(1, 3);
    assert_int_equal(mm_stats(child).virt_bytes, 4 * PAGE);
    expect_byte(stack - 2 * PAGE, 0);
    put_mm(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_grows),
        TEST(test_limit),
        TEST(test_guard_gap),
        TEST(test_inaccessible_neighbour),
        TEST(test_stack_neighbour),
        TEST(test_merged),
        TEST(test_moved),
        TEST(test_protected),
        TEST(test_lowest_address),
        TEST(test_ordinary_mapping_does_not_grow),
        TEST(test_locked),
        TEST(test_others_first),
        TEST(test_fork),
    };

    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
