/* SPDX-License-Identifier: MIT */
/* test_fault.c - outcomes of faults, and which counter each raises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "fixture.h"
#include "zap.h"

/* How many of each kind since `before`. */
static void expect_counts(const struct mmk_mm_stats *before, uint64_t anon, uint64_t zero,
                          uint64_t file, uint64_t cow, uint64_t reuse, uint64_t spurious,
                          uint64_t failed)
{
    struct mmk_mm_stats now = mm_stats(mm);

    mmk_check(mm);
    assert_int_equal(now.fault_anon - before->fault_anon, anon);
    assert_int_equal(now.fault_zero - before->fault_zero, zero);
    assert_int_equal(now.fault_file - before->fault_file, file);
    assert_int_equal(now.fault_cow - before->fault_cow, cow);
    assert_int_equal(now.fault_reuse - before->fault_reuse, reuse);
    if (getenv("MACHINE_MMU")) /* hardware that leaves more to the library */
        assert_true(now.fault_spurious - before->fault_spurious >= spurious);
    else
        assert_int_equal(now.fault_spurious - before->fault_spurious, spurious);
    assert_int_equal(now.fault_failed - before->fault_failed, failed);
}

static void test_maperr(void **state)
{
    static const uint64_t nowhere[] = {0,
                                       64 * KIB,
                                       BASE - 1,
                                       BASE + PAGE,
                                       MMK_USER_END - 1,
                                       MMK_USER_END,
                                       MMK_USER_END + PAGE,
                                       (uint64_t)1 << 63,
                                       UINT64_MAX};
    const enum mmk_access accesses[] = {MMK_ACCESS_READ, MMK_ACCESS_WRITE, MMK_ACCESS_EXEC};
    struct mmk_mm_stats before = mm_stats(mm);
    size_t i, j;

    (void)state;
    map_at(0, 1, RW | MMK_PROT_EXEC, ANON);
    for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        expect_load(nowhere[i], MMK_FAULT_SEGV_MAPERR);
        for (j = 0; j < 3; j++)
            assert_int_equal(mmk_fault(mm, nowhere[i], accesses[j]), MMK_FAULT_SEGV_MAPERR);
    }
    expect_counts(&before, 0, 0, 0, 0, 0, 0, 4 * i);
    expect_tables(mm, 0, 0, 0);
}

/* For each protection, what reads, writes and fetches are answered. As on x86-64. */
static void test_accerr(void **state)
{
    unsigned prot;

    (void)state;
    for (prot = 0; prot < 8; prot++) {
        const enum mmk_fault_result no = MMK_FAULT_SEGV_ACCERR, yes = MMK_FAULT_DONE;
        mmk_vaddr_t a = map_at(prot, 1, prot, ANON);

        expect_fetch(a, prot & MMK_PROT_EXEC ? yes : no);
        expect_load(a, prot ? yes : no);
        expect_store(a, prot & MMK_PROT_WRITE ? yes : no);
        expect_fetch(a, prot & MMK_PROT_EXEC ? yes : no);
        expect_load(a, prot ? yes : no);
    }
    mmk_check(mm);
}

static void test_anon(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_mm_stats before = mm_stats(mm);
    uint64_t word[2] = {1, 2};

    (void)state;
    store_byte(a + 10, 1);
    expect_counts(&before, 1, 0, 0, 0, 0, 0, 0);
    expect_byte(a + 11, 0);
    expect_byte(a + 0xfff, 0);
    expect_counts(&before, 1, 0, 0, 0, 0, 0, 0);
    /* One access, two pages. */
    assert_int_equal(machine_store(a + 2 * PAGE - 8, word, 16), MMK_FAULT_DONE);
    expect_counts(&before, 3, 0, 0, 0, 0, 0, 0);
    word[1] = 0;
    assert_int_equal(machine_load(a + 2 * PAGE - 8, word, 16), MMK_FAULT_DONE);
    assert_int_equal(word[1], 2);
    assert_int_equal(mm_stats(mm).rss_anon, 3);
}

/* A read gives the zero page: no memory; the write after it a page of one's own. */
static void test_zero_page(void **state)
{
    mmk_vaddr_t a = map_at(0, 512, RW, ANON);
    struct mmk_mm_stats before = mm_stats(mm);
    uint64_t i, free;

    (void)state;
    expect_byte(a, 0);
    free = frames_free();
    for (i = 1; i < 512; i++)
        expect_byte(a + i * PAGE + i, 0);
    assert_int_equal(frames_free(), free);
    assert_ptr_equal(peek_page(mm, a), mmk_zero_page());
    expect_counts(&before, 0, 512, 0, 0, 0, 0, 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    store_byte(a + 5 * PAGE, 7);
    expect_counts(&before, 0, 512, 0, 1, 0, 0, 0);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    expect_byte(a + 5 * PAGE, 7);
    expect_byte(a + 5 * PAGE + 1, 0);
    expect_byte(a + 4 * PAGE, 0);
    assert_int_equal(mmk_madvise(mm, a, 512 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 0, 0, 0);
}

/* An executable mapping's zero page can be fetched from. */
static void test_zero_page_exec(void **state)
{
    mmk_vaddr_t a = map_at(0, 1, RX, ANON);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    expect_fetch(a, MMK_FAULT_DONE);
    expect_counts(&before, 0, 1, 0, 0, 0, 0, 0);
}

static void test_file(void **state)
{
    struct mmk_object *file = new_file(8);
    mmk_vaddr_t a = map_object_at(0, 8, RW, MMK_MAP_SHARED, file, 0);
    mmk_vaddr_t b = map_object_at(8, 8, RW, MMK_MAP_PRIVATE, file, 0);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    expect_byte(a, 1);
    store_byte(a + PAGE, 20);
    expect_counts(&before, 0, 0, 2, 0, 0, 0, 0);
    assert_true(mmk_page_test(peek_page(mm, a + PAGE), MMK_PF_DIRTY));
    assert_false(mmk_page_test(peek_page(mm, a), MMK_PF_DIRTY));
    store_byte(a, 10); /* mapped for reading, now written */
    expect_counts(&before, 0, 0, 2, 0, 1, 0, 0);
    assert_true(mmk_page_test(peek_page(mm, a), MMK_PF_DIRTY));
    expect_byte(b, 10);
    expect_counts(&before, 0, 0, 3, 0, 1, 0, 0);
    store_byte(b, 30); /* over the file's page */
    expect_counts(&before, 0, 0, 3, 1, 1, 0, 0);
    store_byte(b + PAGE, 31); /* a copy at once */
    expect_counts(&before, 0, 0, 3, 2, 1, 0, 0);
    expect_byte(b + PAGE + 1, 2);
    expect_byte(a, 10);
    expect_byte(a + PAGE, 20);
    assert_int_equal(mm_stats(mm).rss_file, 2);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    mmk_check_object(file);
    mmk_object_put(file);
}

static void test_shmem(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, SHARED_ANON);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    expect_byte(a, 0);
    store_byte(a, 1);
    store_byte(a + PAGE, 1);
    expect_counts(&before, 0, 0, 2, 0, 1, 0, 0);
    assert_int_equal(mm_stats(mm).rss_shmem, 2);
    assert_int_equal(mm_stats(mm).rss_file, 0);
}

static void test_bus(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t a, b;
    struct mmk_mm_stats before;

    (void)state;
    assert_int_equal(mmk_object_resize(file, PAGE + 10), 0);
    a = map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    b = map_object_at(4, 4, RW, MMK_MAP_PRIVATE, file, 0);
    before = mm_stats(mm);
    expect_byte(a + PAGE + 9, 2);
    expect_byte(a + PAGE + 10, 0); /* the last page's rest */
    expect_load(a + 2 * PAGE, MMK_FAULT_BUS);
    expect_store(a + 3 * PAGE, MMK_FAULT_BUS);
    expect_load(b + 2 * PAGE, MMK_FAULT_BUS);
    expect_store(b + 3 * PAGE, MMK_FAULT_BUS);
    expect_counts(&before, 0, 0, 1, 0, 0, 0, 4);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    mmk_object_put(file);
}

/* A page that cannot be read: BUS, or OOM if that was the reason; later it may work. */
static void test_read_error(void **state)
{
    int error = MMK_EIO;
    struct mmk_object *file;
    mmk_vaddr_t a;

    (void)state;
    assert_int_equal(mmk_object_create(&file_ops, 4 * PAGE, &error, &file), 0);
    a = map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    expect_load(a, MMK_FAULT_BUS);
    expect_store(a, MMK_FAULT_BUS);
    error = MMK_ENOMEM;
    expect_load(a, MMK_FAULT_OOM);
    error = 0;
    expect_byte(a, 1);
    assert_int_equal(mm_stats(mm).fault_failed, 3);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* The entry allows the access already: nothing to do. */
static void test_spurious(void **state)
{
    mmk_vaddr_t a = map_at(0, 3, RW, ANON);
    struct mmk_mm_stats before;

    (void)state;
    store_byte(a, 3);
    expect_byte(a + PAGE, 0);
    before = mm_stats(mm);
    assert_int_equal(mmk_fault(mm, a, MMK_ACCESS_READ), MMK_FAULT_DONE);
    assert_int_equal(mmk_fault(mm, a + 0x123, MMK_ACCESS_WRITE), MMK_FAULT_DONE);
    assert_int_equal(mmk_fault(mm, a + PAGE, MMK_ACCESS_READ), MMK_FAULT_DONE);
    expect_counts(&before, 0, 0, 0, 0, 0, 3, 0);
    expect_byte(a, 3);
}

/* mmk_fault() before the access, as a kernel that copies to user memory may. */
static void test_fault_ahead(void **state)
{
    mmk_vaddr_t a = map_at(0, 1, RW, ANON);
    struct mmk_mm *other = new_mm();

    (void)state;
    assert_int_equal(mmk_fault(mm, a + 77, MMK_ACCESS_WRITE), MMK_FAULT_DONE);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    /* Of an address space that no CPU runs. */
    assert_int_equal(mmk_mmap(other, BASE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), BASE);
    assert_int_equal(mmk_fault(other, BASE, MMK_ACCESS_WRITE), MMK_FAULT_DONE);
    assert_int_equal(mm_stats(other).rss_anon, 1);
    put_mm(other);
    expect_byte(a, 0);
}

/* Tables come with their first entry, and go with their last. */
static void test_tables_follow(void **state)
{
    mmk_vaddr_t a = map_at(0, 2 * GIB / PAGE, RW, ANON);

    (void)state;
    expect_tables(mm, 0, 0, 0);
    store_byte(a, 1);
    expect_tables(mm, 1, 1, 1);
    store_byte(a + PAGE, 1);
    expect_tables(mm, 1, 1, 1);
    store_byte(a + 2 * MIB, 1);
    expect_tables(mm, 2, 1, 1);
    store_byte(a + GIB, 1);
    expect_tables(mm, 3, 2, 1);
    expect_load(a + 2 * GIB, MMK_FAULT_SEGV_MAPERR);
    expect_tables(mm, 3, 2, 1);
}

/* Which faults have taken the mmap lock since `before`, and why. */
static void expect_locked(const struct mmk_mm_stats *before, uint64_t vma, uint64_t first,
                          uint64_t page, uint64_t kind)
{
    struct mmk_mm_stats now = mm_stats(mm);

    assert_int_equal(now.locked_vma - before->locked_vma, vma);
    assert_int_equal(now.locked_first - before->locked_first, first);
    assert_int_equal(now.locked_page - before->locked_page, page);
    assert_int_equal(now.locked_kind - before->locked_kind, kind);
    assert_int_equal(now.locked_memory - before->locked_memory, 0);
    assert_int_equal(now.locked_changed - before->locked_changed, 0);
}

static void test_locked(void **state)
{
    struct mmk_mm_stats before = mm_stats(mm);
    struct mmk_mm *child;

    (void)state;
    map_at(0, 2, RW, ANON);
    map_at(2, 1, RW | MMK_PROT_EXEC, ANON);
    store_byte(BASE, 1);
    expect_locked(&before, 0, 1, 0, 0);
    store_byte(BASE + PAGE, 2);
    expect_byte(BASE + 2 * PAGE, 0);
    expect_locked(&before, 0, 1, 0, 0);
    store_byte(BASE + 2 * PAGE, 3); /* the zero page is copied, for its first page */
    expect_locked(&before, 0, 2, 0, 0);
    assert_int_equal(mmk_fork(mm, &child), 0);
    store_byte(BASE, 4);
    expect_locked(&before, 0, 2, 0, 0);
    put_mm(child);
    store_byte(BASE + PAGE, 5);
    expect_locked(&before, 0, 2, 0, 0);
    expect_load(BASE + 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_locked(&before, 1, 2, 0, 0);
}

/* Missing tables come on the way, those that wait and others. */
static void test_locked_tables(void **state)
{
    mmk_vaddr_t a = map_at(0, 2 * GIB / PAGE, RW, ANON);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    expect_byte(a, 0);
    expect_tables(mm, 1, 1, 1);
    expect_locked(&before, 0, 0, 0, 0);
    store_byte(a + PAGE, 1);
    expect_locked(&before, 0, 1, 0, 0);
    store_byte(a + 2 * MIB, 2);
    expect_byte(a + 4 * MIB, 0);
    store_byte(a + GIB, 3);
    expect_tables(mm, 4, 2, 1);
    assert_int_equal(mmk_madvise(mm, a + GIB, MIB, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 3, 1, 1);
    store_byte(a + GIB + 2 * MIB, 4); /* one waits on the way, one does not */
    expect_tables(mm, 4, 2, 1);
    expect_locked(&before, 0, 1, 0, 0);
    assert_int_equal(mm_stats(mm).rss_anon - before.rss_anon, 3);
    map_at(4 * GIB / PAGE, 1, RW, SHARED_ANON);
    store_byte(BASE + 4 * GIB, 5);
    expect_locked(&before, 0, 1, 1, 0);
}

static int setup_locking(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.speculate = 0;
    return fixture_setup_with(&config);
}

/* Not a reason: nobody has tried without. */
static void test_always_locks(void **state)
{
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    map_at(0, 2, RW, ANON);
    store_byte(BASE, 1);
    store_byte(BASE + PAGE, 2);
    expect_byte(BASE, 1);
    expect_counts(&before, 2, 0, 0, 0, 0, 0, 0);
    expect_locked(&before, 0, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_maperr),
        TEST(test_accerr),
        TEST(test_anon),
        TEST(test_zero_page),
        TEST(test_zero_page_exec),
        TEST(test_file),
        TEST(test_shmem),
        TEST(test_bus),
        TEST(test_read_error),
        TEST(test_spurious),
        TEST(test_fault_ahead),
        TEST(test_tables_follow),
        TEST(test_locked),
        TEST(test_locked_tables),
        cmocka_unit_test_setup_teardown(test_always_locks, setup_locking, fixture_teardown),
    };

    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
