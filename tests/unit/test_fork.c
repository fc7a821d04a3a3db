/* SPDX-License-Identifier: MIT */
/* test_fork.c - what parent and child see of each other, and what a copy costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "zap.h"

static struct mmk_mm *fork_of(struct mmk_mm *parent)
{
    struct mmk_mm *child;

    assert_int_equal(mmk_fork(parent, &child), 0);
    mmk_check(parent);
    mmk_check(child);
    return child;
}

/* The current address space ends; `next` is loaded. */
static void leave(struct mmk_mm *old, struct mmk_mm *next)
{
    machine_switch_mm(next);
    put_mm(old);
}

static void test_shape(void **state)
{
    struct mmk_object *file = new_file(4);
    struct mmk_mm_stats ours, its;
    struct mmk_mm *child;
    uint64_t i;

    (void)state;
    for (i = 0; i < 100; i++)
        map_at(i * 3, 2, i % 2 ? RW : RO, ANON);
    map_at(300, 4, RW, SHARED_ANON);
    map_object_at(304, 4, RW, MMK_MAP_PRIVATE, file, 0);
    map_at(4096, 4, RW, STACK);
    child = fork_of(mm);
    ours = mm_stats(mm);
    its = mm_stats(child);
    assert_int_equal(its.vmas, ours.vmas);
    assert_int_equal(its.virt_bytes, ours.virt_bytes);
    for (i = 0; i < 5000; i++) {
        const struct mmk_vma *a = peek_vma(mm, BASE + i * PAGE);
        const struct mmk_vma *b = peek_vma(child, BASE + i * PAGE);

        assert_int_equal(!a, !b);
        if (!a || !b)
            continue;
        assert_int_equal(mmk_vma_start(a), mmk_vma_start(b));
        assert_int_equal(mmk_vma_end(a), mmk_vma_end(b));
        assert_int_equal(mmk_vma_flags(a), mmk_vma_flags(b));
        assert_int_equal(mmk_vma_origin(a), mmk_vma_origin(b));
        assert_ptr_equal(a->object, b->object);
    }
    assert_true(mmk_mm_id(child) != mmk_mm_id(mm));
    put_mm(child);
    mmk_object_put(file);
}

static void test_isolation(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_mm *child;

    (void)state;
    fill(a, 4, 1);
    expect_byte(a + 4 * PAGE, 0);
    child = fork_of(mm);
    assert_int_equal(mm_stats(child).rss_anon, 4);
    store_byte(a, 101); /* parent writes: the TLB has forgotten that it may */
    store_byte(a + 4 * PAGE, 105);
    machine_switch_mm(child);
    expect_filled(a, 4, 1);
    expect_byte(a + 4 * PAGE, 0);
    store_byte(a + PAGE, 202); /* child writes */
    store_byte(a + 5 * PAGE, 206);
    store_byte(a, 201);
    machine_switch_mm(mm);
    expect_byte(a, 101);
    expect_filled(a + PAGE, 3, 2);
    expect_byte(a + 4 * PAGE, 105);
    expect_byte(a + 5 * PAGE, 0);
    machine_switch_mm(child);
    expect_byte(a, 201);
    expect_byte(a + PAGE, 202);
    leave(child, mm);
}

/* Three generations; pages are shared by as many as have not written. */
static void test_grandchildren(void **state)
{
    mmk_vaddr_t a = map_at(0, 3, RW, ANON);
    struct mmk_mm *child, *grandchild;
    struct mmk_page *page;

    (void)state;
    fill(a, 3, 1);
    page = peek_page(mm, a);
    child = fork_of(mm);
    grandchild = fork_of(child);
    assert_int_equal(mmk_page_refs(page), 3);
    machine_switch_mm(child);
    store_byte(a, 50);
    assert_int_equal(mmk_page_refs(page), 2);
    machine_switch_mm(grandchild);
    expect_filled(a, 3, 1);
    store_byte(a + PAGE, 60);
    machine_switch_mm(mm);
    expect_filled(a, 3, 1);
    leave(child, mm);
    expect_filled(a, 3, 1);
    assert_int_equal(mmk_page_refs(page), 2);
    leave(mm, grandchild);
    expect_byte(a, 1);
    expect_byte(a + PAGE, 60);
    assert_int_equal(mmk_page_refs(page), 1);
    store_byte(a, 70); /* the last one needs no copy */
    assert_ptr_equal(peek_page(grandchild, a), page);
    mm = grandchild;
}

/* Whoever is left alone writes in place, and is told apart in the counters. */
static void test_reuse(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    struct mmk_mm_stats before;
    struct mmk_page *page;
    struct mmk_mm *child;

    (void)state;
    fill(a, 2, 1);
    page = peek_page(mm, a);
    child = fork_of(mm);
    put_mm(child); /* child first */
    before = mm_stats(mm);
    assert_false(mmk_pte_write(peek_entry(mm, a)));
    store_byte(a, 9);
    assert_ptr_equal(peek_page(mm, a), page);
    assert_int_equal(mm_stats(mm).fault_reuse, before.fault_reuse + 1);
    assert_int_equal(mm_stats(mm).fault_cow, before.fault_cow);
    mmk_check(mm);

    child = fork_of(mm);
    leave(mm, child); /* parent first */
    mm = child;
    store_byte(a, 10);
    assert_ptr_equal(peek_page(mm, a), page);
    assert_int_equal(mm_stats(mm).fault_reuse, 1);
    expect_byte(a + PAGE, 2);
}

/* The copy is the child's; the page it was made of is the parent's again. */
static void test_copy_then_reuse(void **state)
{
    mmk_vaddr_t a = map_at(0, 1, RW, ANON);
    struct mmk_page *page;
    struct mmk_mm *child;

    (void)state;
    store_byte(a, 1);
    page = peek_page(mm, a);
    child = fork_of(mm);
    machine_switch_mm(child);
    store_byte(a, 2);
    assert_true(peek_page(child, a) != page);
    assert_int_equal(mm_stats(child).fault_cow, 1);
    machine_switch_mm(mm);
    store_byte(a, 3);
    assert_ptr_equal(peek_page(mm, a), page);
    machine_switch_mm(child);
    expect_byte(a, 2);
    leave(child, mm);
}

static void test_shared_stays_shared(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, SHARED_ANON);
    struct mmk_mm *child;

    (void)state;
    fill(a, 2, 1);
    child = fork_of(mm);
    store_byte(a, 11);
    machine_switch_mm(child);
    expect_byte(a, 11);
    expect_byte(a + PAGE, 2);
    store_byte(a + PAGE, 12);
    store_byte(a + 2 * PAGE, 13);
    machine_switch_mm(mm);
    expect_byte(a + PAGE, 12);
    expect_byte(a + 2 * PAGE, 13);
    assert_ptr_equal(peek_page(mm, a + PAGE), peek_page(child, a + PAGE));
    put_mm(child);
}

/* A private file mapping: untouched pages and read pages come from the file, copies are shared. */
static void test_private_file(void **state)
{
    struct mmk_object *file = new_file(8);
    mmk_vaddr_t a = map_object_at(0, 8, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t b = map_object_at(8, 8, RW, MMK_MAP_SHARED, file, 0);
    struct mmk_mm *child;

    (void)state;
    store_byte(a, 50);
    expect_byte(a + PAGE, 2);
    child = fork_of(mm);
    assert_int_equal(mm_stats(child).rss_anon, 1);
    assert_int_equal(mm_stats(child).rss_file, 0); /* its own faults bring these */
    store_byte(a, 51);
    store_byte(b + PAGE, 99);
    store_byte(a + 2 * PAGE, 52);
    machine_switch_mm(child);
    expect_byte(a, 50);
    expect_byte(a + PAGE, 99);
    expect_byte(a + 2 * PAGE, 3);
    store_byte(a + PAGE, 53);
    machine_switch_mm(mm);
    expect_byte(a + PAGE, 99);
    expect_byte(a, 51);
    mmk_check_object(file);
    put_mm(child);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* Truncation reaches private copies in parent and child; a hole takes neither. */
static void test_truncate_forked(void **state)
{
    struct mmk_object *file = new_file(8);
    mmk_vaddr_t a = map_object_at(0, 8, RW, MMK_MAP_PRIVATE, file, 0);
    struct mmk_mm *child;

    (void)state;
    fill(a, 8, 100);
    child = fork_of(mm);
    store_byte(a + 7 * PAGE, 1);
    assert_int_equal(mmk_object_punch_hole(file, 0, 2 * PAGE), 0);
    assert_int_equal(mmk_object_resize(file, 4 * PAGE), 0);
    mmk_check(mm);
    mmk_check(child);
    mmk_check_object(file);
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    assert_int_equal(mm_stats(child).rss_anon, 4);
    expect_filled(a, 4, 100);
    expect_load(a + 4 * PAGE, MMK_FAULT_BUS);
    machine_switch_mm(child);
    expect_filled(a, 4, 100);
    expect_store(a + 7 * PAGE, MMK_FAULT_BUS);
    leave(child, mm);
    mmk_object_put(file);
}

/* A mapping that is not writable now, or not accessible, is as private as any. */
static void test_protected_pages(void **state)
{
    mmk_vaddr_t a = map_at(0, 3, RW, ANON);
    struct mmk_mm *child;

    (void)state;
    fill(a, 3, 1);
    assert_int_equal(mmk_mprotect(mm, a, PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, PAGE, MMK_PROT_NONE), 0);
    child = fork_of(mm);
    assert_int_equal(mmk_mprotect(mm, a, 3 * PAGE, RW), 0);
    assert_int_equal(mmk_mprotect(child, a, 3 * PAGE, RW), 0);
    mmk_check(mm);
    mmk_check(child);
    fill(a, 3, 11);
    machine_switch_mm(child);
    expect_filled(a, 3, 1);
    fill(a, 3, 21);
    machine_switch_mm(mm);
    expect_filled(a, 3, 11);
    put_mm(child);
}

/* Two mappings in one table; and a leaf whose entries the child has from the first already. */
static void test_table_shared_by_mappings(void **state)
{
    uint64_t i;
    struct mmk_mm *child;

    (void)state;
    for (i = 0; i < 20; i++) {
        map_at(i * 5, 4, i % 2 ? RW : RW | MMK_PROT_EXEC, ANON);
        if (i % 3 != 1)
            fill(BASE + i * 5 * PAGE, 4, (uint8_t)(i * 4));
    }
    child = fork_of(mm);
    expect_tables(child, 1, 1, 1);
    assert_int_equal(mm_stats(child).rss_anon, mm_stats(mm).rss_anon);
    machine_switch_mm(child);
    for (i = 0; i < 20; i++)
        if (i % 3 != 1)
            expect_filled(BASE + i * 5 * PAGE, 4, (uint8_t)(i * 4));
    leave(child, mm);
}

/* Tables without private pages are not copied. */
static void test_no_needless_table(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 8 * 512, RW, ANON);
    struct mmk_mm *child;
    uint64_t i;

    (void)state;
    for (i = 0; i < 8; i++)
        expect_byte(a + i * 2 * MIB, 0); /* the zero page only */
    map_object_at(9 * 512, 4, RW, MMK_MAP_PRIVATE, file, 0);
    expect_byte(a + 18 * MIB, 1);
    map_at(10 * 512, 4, RW, SHARED_ANON);
    store_byte(a + 20 * MIB, 1);
    expect_tables(mm, 10, 1, 1);
    child = fork_of(mm);
    expect_tables(child, 0, 0, 0);
    put_mm(child);
    store_byte(a + 6 * MIB, 1);
    child = fork_of(mm);
    expect_tables(child, 1, 1, 1);
    put_mm(child);
    mmk_object_put(file);
}

/* One flush of the parent, and none when nothing was writable. */
static void test_one_flush(void **state)
{
    mmk_vaddr_t a = map_at(0, 512 * 4, RW, ANON);
    struct mmk_mm *one, *two;
    uint64_t i, flushes;

    (void)state;
    for (i = 0; i < 4; i++)
        fill(a + i * 2 * MIB, 3, 1);
    flushes = stats_now().tlb_flushes;
    one = fork_of(mm);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    two = fork_of(mm);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    put_mm(one);
    put_mm(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shape),
        TEST(test_isolation),
        TEST(test_grandchildren),
        TEST(test_reuse),
        TEST(test_copy_then_reuse),
        TEST(test_shared_stays_shared),
        TEST(test_private_file),
        TEST(test_truncate_forked),
        TEST(test_protected_pages),
        TEST(test_table_shared_by_mappings),
        TEST(test_no_needless_table),
        TEST(test_one_flush),
    };

    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
