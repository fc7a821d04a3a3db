/* SPDX-License-Identifier: MIT */
/* test_populate.c - faulting in a range: which pages, how, and where it stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "populate.h"
#include "zap.h"

static int populate(mmk_vaddr_t start, uint64_t pages, unsigned how)
{
    int error;

    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    error = mmk_populate_locked(mm, start, start + pages * PAGE, how);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_check(mm);
    return error;
}

/* Entries that are there, of the pages in the range. */
static uint64_t present(mmk_vaddr_t start, uint64_t pages)
{
    uint64_t i, count = 0;

    for (i = 0; i < pages; i++)
        count += peek_page(mm, start + i * PAGE) != NULL;
    return count;
}

static bool writable(mmk_vaddr_t addr)
{
    return mmk_pte_write(peek_entry(mm, addr));
}

/* Private writable memory is written, so that nothing is left to copy. */
static void test_as_vma_writable(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 1100, RW, ANON);

    (void)state;
    map_object_at(1100, 4, RW, MMK_MAP_PRIVATE, file, 0);
    assert_int_equal(populate(a, 1104, MMK_POPULATE_AS_VMA), 0);
    assert_int_equal(present(a, 1104), 1104);
    assert_int_equal(mm_stats(mm).rss_anon, 1104);
    assert_true(writable(a) && writable(a + 1103 * PAGE));
    expect_byte(a + 1099 * PAGE, 0);
    expect_byte(a + 1103 * PAGE, 4);
    mmk_object_put(file);
}

/* The rest is read: nothing becomes dirty, no memory is taken for zeros. */
static void test_as_vma_read(void **state)
{
    struct mmk_object *file = new_file(8);
    mmk_vaddr_t a = map_at(0, 4, RO, ANON);

    (void)state;
    map_object_at(4, 4, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(8, 4, RO, MMK_MAP_PRIVATE, file, 4);
    map_at(12, 4, MMK_PROT_EXEC, ANON);
    map_at(16, 4, MMK_PROT_WRITE, SHARED_ANON);
    assert_int_equal(populate(a, 20, MMK_POPULATE_AS_VMA), 0);
    assert_int_equal(present(a, 20), 20);
    assert_ptr_equal(peek_page(mm, a), mmk_zero_page());
    assert_false(writable(a + 4 * PAGE) || writable(a + 16 * PAGE));
    assert_false(mmk_page_test(peek_page(mm, a + 4 * PAGE), MMK_PF_DIRTY));
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_int_equal(mm_stats(mm).rss_file, 8);
    assert_int_equal(mm_stats(mm).rss_shmem, 4);
    mmk_object_put(file);
}

/* What is there already is passed over, unless it does not allow the access. */
static void test_passes_over(void **state)
{
    mmk_vaddr_t a = map_at(500, 24, RW, ANON);
    struct mmk_mm_stats before, after;

    (void)state;
    fill(a, 20, 1);
    expect_byte(a + 22 * PAGE, 0);
    before = mm_stats(mm);
    assert_int_equal(populate(a, 20, MMK_POPULATE_WRITE), 0);
    assert_int_equal(mm_stats(mm).fault_spurious, before.fault_spurious);
    assert_int_equal(populate(a, 24, MMK_POPULATE_READ), 0);
    assert_int_equal(mm_stats(mm).fault_zero, before.fault_zero + 3);
    assert_int_equal(populate(a, 24, MMK_POPULATE_WRITE), 0);
    assert_int_equal(mm_stats(mm).fault_cow, before.fault_cow + 4);
    assert_int_equal(mm_stats(mm).fault_spurious, before.fault_spurious);
    expect_filled(a, 20, 1);
    expect_byte(a + 23 * PAGE, 0);
    before = mm_stats(mm);
    assert_int_equal(populate(a, 24, MMK_POPULATE_AS_VMA), 0);
    after = mm_stats(mm);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void test_write_shared(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);

    (void)state;
    assert_int_equal(populate(a + PAGE, 2, MMK_POPULATE_WRITE), 0);
    assert_int_equal(present(a, 4), 2);
    assert_true(writable(a + PAGE) && writable(a + 2 * PAGE));
    assert_true(mmk_page_test(peek_page(mm, a + PAGE), MMK_PF_DIRTY));
    mmk_object_put(file);
}

static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(1, 2, RW, ANON) - PAGE;

    (void)state;
    map_at(5, 2, RW, ANON);
    assert_int_equal(populate(a, 10, MMK_POPULATE_AS_VMA), 0);
    assert_int_equal(present(a, 10), 4);
    assert_int_equal(mmk_madvise(mm, a, 10 * PAGE, MMK_MADV_DONTNEED), MMK_ENOMEM);
    assert_int_equal(populate(a, 10, MMK_POPULATE_READ), MMK_ENOMEM);
    assert_int_equal(present(a, 10), 0);
    assert_int_equal(populate(a + PAGE, 6, MMK_POPULATE_WRITE), MMK_ENOMEM);
    assert_int_equal(present(a, 10), 2);
    assert_int_equal(populate(a + 5 * PAGE, 3, MMK_POPULATE_WRITE), MMK_ENOMEM);
    assert_int_equal(present(a, 10), 4);
    assert_int_equal(populate(a + 7 * PAGE, 2, MMK_POPULATE_READ), MMK_ENOMEM);
    assert_int_equal(populate(a + 7 * PAGE, 2, MMK_POPULATE_AS_VMA), 0);
    assert_int_equal(populate(a + 7 * PAGE, 0, MMK_POPULATE_READ), 0);
}

/* The edges of the address space. */
static void test_ends(void **state)
{
    mmk_vaddr_t last = MMK_USER_END - PAGE;

    (void)state;
    assert_int_equal(map(last, 1, RW, ANON | MMK_MAP_FIXED, NULL, 0), last);
    assert_int_equal(populate(last, 1, MMK_POPULATE_WRITE), 0);
    assert_int_equal(present(last, 1), 1);
    assert_int_equal(populate(0, MMK_USER_END / PAGE, MMK_POPULATE_AS_VMA), 0);
}

static void test_not_allowed(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RO, ANON);

    (void)state;
    map_at(2, 2, MMK_PROT_WRITE, ANON);
    map_at(4, 2, MMK_PROT_NONE, ANON);
    map_at(6, 2, RW, ANON);
    assert_int_equal(populate(a, 2, MMK_POPULATE_WRITE), MMK_EINVAL);
    assert_int_equal(populate(a + 2 * PAGE, 2, MMK_POPULATE_READ), MMK_EINVAL);
    assert_int_equal(populate(a + 4 * PAGE, 2, MMK_POPULATE_READ), MMK_EINVAL);
    assert_int_equal(present(a, 8), 0);
    assert_int_equal(populate(a, 8, MMK_POPULATE_AS_VMA), MMK_EFAULT);
    assert_int_equal(present(a, 8), 4);
    assert_int_equal(populate(a, 8, MMK_POPULATE_AS_VMA | MMK_POPULATE_BEST_EFFORT), 0);
    assert_int_equal(present(a, 8), 6);
}

/* Beyond an object's end: what lies before is there. */
static void test_beyond_end(void **state)
{
    struct mmk_object *file = new_file(3);
    mmk_vaddr_t a = map_object_at(0, 6, RO, MMK_MAP_SHARED, file, 0);

    (void)state;
    map_at(6, 2, RW, ANON);
    assert_int_equal(populate(a, 8, MMK_POPULATE_READ), MMK_EFAULT);
    assert_int_equal(present(a, 8), 3);
    assert_int_equal(populate(a, 8, MMK_POPULATE_AS_VMA), MMK_EFAULT);
    assert_int_equal(present(a, 8), 3);
    assert_int_equal(populate(a, 8, MMK_POPULATE_BEST_EFFORT), 0);
    assert_int_equal(present(a, 8), 5);
    mmk_object_put(file);
}

/* By advice: what a hole, a protection, an object's end answer. */
static void test_advice(void **state)
{
    struct mmk_object *file = new_file(1);
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    assert_int_equal(mmk_madvise(mm, a, 2 * PAGE, MMK_MADV_POPULATE_READ), 0);
    assert_ptr_equal(peek_page(mm, a + PAGE), mmk_zero_page());
    assert_int_equal(mmk_madvise(mm, a + PAGE, 1, MMK_MADV_POPULATE_WRITE), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    assert_int_equal(mmk_madvise(mm, a, 5 * PAGE, MMK_MADV_POPULATE_WRITE), MMK_ENOMEM);
    assert_int_equal(present(a, 4), 4);
    map_object_at(4, 2, RO, MMK_MAP_PRIVATE, file, 0);
    assert_int_equal(mmk_madvise(mm, a, 6 * PAGE, MMK_MADV_POPULATE_READ), MMK_EFAULT);
    assert_int_equal(mmk_madvise(mm, a + 4 * PAGE, PAGE, MMK_MADV_POPULATE_WRITE), MMK_EINVAL);
    assert_int_equal(present(a, 6), 5);
    mmk_check(mm);
    mmk_object_put(file);
}

/* A file's pages come into memory and are mapped nowhere; other memory is left alone. */
static void test_willneed(void **state)
{
    int error = 0;
    struct mmk_object *file = new_file(6), *shmem = new_shmem(2), *broken;
    mmk_vaddr_t a = map_object_at(0, 8, RO, MMK_MAP_PRIVATE, file, 0);
    uint8_t vec[16] = {0};
    static const uint8_t expected[16] = {0, 0, 1, 1, 1, 1};

    (void)state;
    map_at(8, 2, RW, ANON);
    map_object_at(10, 2, RW, MMK_MAP_SHARED, shmem, 0);
    assert_int_equal(mmk_object_create(&file_ops, 2 * PAGE, &error, &broken), 0);
    map_object_at(12, 2, RW, MMK_MAP_SHARED, broken, 0);
    error = MMK_EIO;
    assert_int_equal(mmk_madvise(mm, a + 2 * PAGE, 12 * PAGE, MMK_MADV_WILLNEED), 0);
    assert_int_equal(present(a, 14), 0);
    assert_int_equal(mmk_mincore(mm, a, 14 * PAGE, vec), 0);
    assert_memory_equal(vec, expected, sizeof(vec));
    assert_int_equal(mmk_madvise(mm, a, 15 * PAGE, MMK_MADV_WILLNEED), MMK_ENOMEM);
    assert_int_equal(mmk_mincore(mm, a, PAGE, vec), 0);
    assert_int_equal(vec[0], 1);
    mmk_check(mm);
    mmk_check_object(file);
    mmk_object_put(file);
    mmk_object_put(shmem);
    mmk_object_put(broken);
}

/* Memory that is not mmkit's to give: passed over, or refused, as VM_PFNMAP on Linux. */
static void test_frames(void **state)
{
    int64_t got = mmk_map_frames(mm, BASE, 2 * PAGE, RW, MMK_MAP_FIXED, 16 * PAGE);
    uint8_t vec[2];

    (void)state;
    assert_int_equal(got, BASE);
    assert_int_equal(populate(BASE, 2, MMK_POPULATE_AS_VMA), 0);
    assert_int_equal(mmk_madvise(mm, BASE, PAGE, MMK_MADV_POPULATE_READ), MMK_EINVAL);
    assert_int_equal(mmk_madvise(mm, BASE, PAGE, MMK_MADV_POPULATE_WRITE), MMK_EINVAL);
    assert_int_equal(mmk_madvise(mm, BASE, 2 * PAGE, MMK_MADV_WILLNEED), 0);
    assert_int_equal(mmk_mincore(mm, BASE, 2 * PAGE, vec), 0);
    assert_true(vec[0] == 1 && vec[1] == 1);
    mmk_check(mm);
}

/* No memory: it stops there, and what came before stays. */
static void test_no_memory(void **state)
{
    mmk_vaddr_t a = map_at(0, 20, RW, ANON);
    int error;

    (void)state;
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    machine_fail_nth(16, true);
    error = mmk_populate_locked(mm, a, a + 20 * PAGE, MMK_POPULATE_AS_VMA);
    assert_true(machine_fail_stop());
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_check(mm);
    assert_int_equal(error, MMK_ENOMEM);
    assert_in_range(present(a, 20), 1, 19);
    assert_non_null(peek_page(mm, a));
    assert_null(peek_page(mm, a + 19 * PAGE));
    assert_int_equal(populate(a, 20, MMK_POPULATE_AS_VMA), 0);
    assert_int_equal(present(a, 20), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_as_vma_writable), TEST(test_as_vma_read), TEST(test_passes_over),
        TEST(test_write_shared),    TEST(test_holes),       TEST(test_ends),
        TEST(test_not_allowed),     TEST(test_beyond_end),  TEST(test_no_memory),
        TEST(test_advice),          TEST(test_willneed),    TEST(test_frames),
    };

    return cmocka_run_group_tests_name("populate", tests, NULL, NULL);
}
