/* SPDX-License-Identifier: MIT */
/* test_protect.c - mprotect: arguments, shapes, and what the entries become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static void protect(mmk_vaddr_t addr, uint64_t pages, unsigned prot)
{
    assert_int_equal(mmk_mprotect(mm, addr, pages * PAGE, prot), 0);
    mmk_check(mm);
}

static void test_arguments(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(mmk_mprotect(mm, a + 1, PAGE, RO), MMK_EINVAL);
    assert_int_equal(mmk_mprotect(mm, a + 1, 0, RO), MMK_EINVAL);
    assert_int_equal(mmk_mprotect(mm, a + 1, PAGE, 0x100), MMK_EINVAL);
    assert_int_equal(mmk_mprotect(mm, a, PAGE, 0x100), MMK_EINVAL);
    assert_int_equal(mmk_mprotect(mm, a, PAGE, 0x10), MMK_EINVAL);
    assert_int_equal(mmk_mprotect(mm, a, 0, RO), 0);
    assert_int_equal(mmk_mprotect(mm, a, 0, 0x100), 0);
    assert_int_equal(mmk_mprotect(mm, a, UINT64_MAX, RO), MMK_ENOMEM);
    assert_int_equal(mmk_mprotect(mm, a, (uint64_t)0 - PAGE, RO), MMK_ENOMEM);
    assert_int_equal(mmk_mprotect(mm, MMK_USER_END, PAGE, RO), MMK_ENOMEM);
    assert_int_equal(mmk_mprotect(mm, a + 8 * PAGE, PAGE, RO), MMK_ENOMEM);
    assert_int_equal(mmk_mprotect(mm, a - PAGE, 2 * PAGE, RO), MMK_ENOMEM);
    expect_shape(1, 8);
    store_byte(a, 1);
    assert_int_equal(mmk_mprotect(mm, a, 1, RO), 0); /* whole pages */
    expect_store(a + 0xfff, MMK_FAULT_SEGV_ACCERR);
    store_byte(a + PAGE, 1);
}

/* What lies before the first hole is changed, what lies behind is not. */
static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    map_at(6, 4, RW, ANON);
    fill(a, 4, 1);
    fill(a + 6 * PAGE, 4, 5);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, 7 * PAGE, RO), MMK_ENOMEM);
    expect_shape(3, 8);
    store_byte(a, 1);
    expect_store(a + PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_store(a + 3 * PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_filled(a, 4, 1);
    fill(a + 6 * PAGE, 4, 20);
    /* A hole at once: nothing. */
    assert_int_equal(mmk_mprotect(mm, a + 5 * PAGE, 2 * PAGE, RO), MMK_ENOMEM);
    store_byte(a + 6 * PAGE, 1);
    expect_shape(3, 8);
}

static void test_cuts_and_merges(void **state)
{
    mmk_vaddr_t a = map_at(0, 10, RW, ANON);

    (void)state;
    fill(a, 10, 1);
    protect(a, 3, RO); /* a cut above */
    expect_shape(2, 10);
    protect(a + 7 * PAGE, 3, RO); /* below */
    expect_shape(3, 10);
    protect(a + 4 * PAGE, 2, MMK_PROT_NONE); /* two in one VMA */
    expect_shape(5, 10);
    expect_vma(a + 4 * PAGE, a + 4 * PAGE, 2);
    expect_load(a + 4 * PAGE, MMK_FAULT_SEGV_ACCERR);
    protect(a + PAGE, 8, RX); /* cuts the first and the last, spans three */
    expect_shape(3, 10);
    expect_vma(a + 5 * PAGE, a + PAGE, 8);
    expect_filled(a, 10, 1);
    expect_fetch(a + 4 * PAGE, MMK_FAULT_DONE);
    expect_fetch(a, MMK_FAULT_SEGV_ACCERR);
    expect_store(a + 4 * PAGE, MMK_FAULT_SEGV_ACCERR);
    protect(a, 10, RW);
    expect_shape(1, 10);
    fill(a, 10, 30);
    expect_fetch(a + 4 * PAGE, MMK_FAULT_SEGV_ACCERR);
}

/* Nothing changes: no cut, whatever the ends. */
static void test_same_protection(void **state)
{
    mmk_vaddr_t a = map_at(0, 10, RW, ANON);
    uint64_t flushes;

    (void)state;
    fill(a, 10, 1);
    flushes = stats_now().tlb_flushes;
    protect(a + 2 * PAGE, 3, RW);
    expect_shape(1, 10);
    assert_int_equal(stats_now().tlb_flushes, flushes);
    /* The end that changes is cut, the other is not. */
    protect(a + 5 * PAGE, 5, RO);
    protect(a + 3 * PAGE, 4, RO);
    expect_shape(2, 10);
    expect_vma(a, a, 3);
}

/* Neighbours that become like what was changed join it on both sides. */
static void test_merge_with_neighbours(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RO, ANON);

    (void)state;
    map_at(2, 2, RW, ANON);
    map_at(4, 2, RO, ANON);
    expect_shape(3, 6);
    protect(a + 2 * PAGE, 2, RO);
    expect_shape(1, 6);
}

static void test_none_and_back(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    uint64_t before;

    (void)state;
    fill(a, 3, 7);
    expect_byte(a + 3 * PAGE, 0); /* the zero page */
    protect(a, 4, MMK_PROT_NONE);
    assert_int_equal(mm_stats(mm).rss_anon, 3);
    expect_load(a, MMK_FAULT_SEGV_ACCERR);
    expect_store(a + PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_fetch(a + 3 * PAGE, MMK_FAULT_SEGV_ACCERR);
    protect(a, 4, RW);
    before = needed_faults();
    expect_filled(a, 3, 7);
    fill(a, 3, 70); /* own pages: writable without a fault */
    expect_filled(a, 3, 70);
    assert_int_equal(needed_faults(), before);
    store_byte(a + 3 * PAGE, 1); /* never the zero page itself */
    assert_int_equal(needed_faults(), before + 1);
    expect_filled(a, 3, 70);
    assert_int_equal(mm_stats(mm).fault_cow, 1);
}

/* Made PROT_NONE before the first touch. */
static void test_none_untouched(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, MMK_PROT_NONE, ANON);

    (void)state;
    expect_load(a, MMK_FAULT_SEGV_ACCERR);
    expect_tables(mm, 0, 0, 0);
    protect(a, 1, MMK_PROT_WRITE);
    store_byte(a, 3);
    expect_byte(a, 3); /* as on x86: what can be written can be read */
    protect(a, 1, MMK_PROT_EXEC);
    expect_byte(a, 3);
    expect_fetch(a, MMK_FAULT_DONE);
    expect_store(a, MMK_FAULT_SEGV_ACCERR);
}

/* A page that others use stays read-only until a write makes it somebody's own. */
static void test_shared_page_faults(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    struct mmk_mm *child;
    uint64_t before;

    (void)state;
    fill(a, 2, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    protect(a, 2, RO);
    protect(a, 2, RW);
    assert_false(mmk_pte_write(peek_entry(mm, a)));
    before = needed_faults();
    fill(a, 2, 9);
    assert_int_equal(needed_faults(), before + 2);
    machine_switch_mm(child);
    expect_filled(a, 2, 1);
    machine_switch_mm(mm);
    put_mm(child);
}

/* An object's pages become writable by a fault, and a private mapping's by a copy. */
static void test_object_pages(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_object_at(0, 2, RO, MMK_MAP_SHARED, file, 0);
    mmk_vaddr_t b = map_object_at(4, 2, RO, MMK_MAP_PRIVATE, file, 0);

    (void)state;
    expect_byte(a, 1);
    expect_byte(b, 1);
    protect(a, 2, RW);
    protect(b, 2, RW);
    assert_false(mmk_pte_write(peek_entry(mm, a)));
    assert_false(mmk_pte_write(peek_entry(mm, b)));
    store_byte(b, 8);
    expect_byte(a, 1);
    store_byte(a, 9);
    expect_byte(b, 8);
    protect(b, 1, MMK_PROT_NONE);
    mmk_check_object(file);
    protect(b, 1, RW);
    expect_byte(b, 8);
    assert_int_equal(mm_stats(mm).vmas, 2);
    mmk_object_put(file);
}

/* One flush, however many mappings and tables change; none when no translation could exist. */
static void test_one_flush(void **state)
{
    mmk_vaddr_t a = map_at(0, 512 * 4, RW, ANON);
    uint64_t i, flushes;

    (void)state;
    for (i = 0; i < 4; i++)
        store_byte(a + i * 2 * MIB, 1);
    protect(a + 100 * PAGE, 10, RO);
    flushes = stats_now().tlb_flushes;
    protect(a, 512 * 4, RX);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    protect(a, 512 * 4, MMK_PROT_NONE);
    assert_int_equal(stats_now().tlb_flushes, flushes + 2);
    protect(a, 512 * 4, RW);
    assert_int_equal(stats_now().tlb_flushes, flushes + 2);
    for (i = 0; i < 4; i++)
        expect_byte(a + i * 2 * MIB, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),
        TEST(test_holes),
        TEST(test_cuts_and_merges),
        TEST(test_same_protection),
        TEST(test_merge_with_neighbours),
        TEST(test_none_and_back),
        TEST(test_none_untouched),
        TEST(test_shared_page_faults),
        TEST(test_object_pages),
        TEST(test_one_flush),
    };

    return cmocka_run_group_tests_name("protect", tests, NULL, NULL);
}
