/* SPDX-License-Identifier: MIT */
/*
 * test_mlock.c - mlock and its family: arguments and errors in Linux's order, what is counted, what
 * is brought in, and what becomes of locked mappings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "zap.h"

static uint64_t locked(void)
{
    mmk_check(mm);
    return mm_stats(mm).locked_bytes / PAGE;
}

static uint64_t flags_at(mmk_vaddr_t addr)
{
    return mmk_vma_flags(peek_vma(mm, addr)) & MMK_VM_LOCK;
}

/* The limit in pages, and no privilege. */
static void limit(uint64_t pages)
{
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_MEMLOCK, pages * PAGE), 0);
}

static int lock(mmk_vaddr_t addr, uint64_t pages)
{
    return mmk_mlock(mm, addr, pages * PAGE);
}

static int unlock(mmk_vaddr_t addr, uint64_t pages)
{
    return mmk_munlock(mm, addr, pages * PAGE);
}

/* `expected`: for each page '1' when it is there, else '0'. */
static void expect_present(mmk_vaddr_t addr, const char *expected)
{
    size_t i;

    for (i = 0; expected[i]; i++)
        assert_int_equal(peek_page(mm, addr + i * PAGE) != NULL, expected[i] == '1');
}

/* ---- mlock, munlock: arguments -----------------------------------------------------------------
 */

static void test_arguments(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(mmk_mlock(mm, a + 1, 1), 0); /* widened to whole pages */
    expect_present(a, "10");
    assert_int_equal(locked(), 1);
    assert_int_equal(mmk_mlock(mm, a + PAGE - 1, 2), 0);
    assert_int_equal(locked(), 2);
    expect_vma(a, a, 2);
    assert_int_equal(mmk_mlock(mm, a, 0), 0);
    assert_int_equal(mmk_mlock(mm, a + 100 * PAGE, 0), 0);
    assert_int_equal(mmk_mlock(mm, a, UINT64_MAX), 0); /* wraps to no page at all */
    assert_int_equal(mmk_mlock(mm, a, UINT64_MAX - PAGE), MMK_EINVAL);
    assert_int_equal(mmk_mlock(mm, (uint64_t)0 - 1, 1), MMK_EINVAL);
    assert_int_equal(mmk_mlock(mm, (uint64_t)0 - PAGE - 1, 1), MMK_ENOMEM);
    assert_int_equal(mmk_mlock(mm, MMK_USER_END, 1), MMK_ENOMEM);
    assert_int_equal(mmk_munlock(mm, a, UINT64_MAX), 0);
    assert_int_equal(mmk_munlock(mm, a, UINT64_MAX - PAGE), MMK_EINVAL);
    assert_int_equal(mmk_munlock(mm, a + 100 * PAGE, 0), 0);
    assert_int_equal(locked(), 2);
    assert_int_equal(mmk_munlock(mm, a + 1, PAGE), 0);
    assert_int_equal(locked(), 0);
    expect_present(a, "1100"); /* they stay */
    expect_shape(1, 8);
    assert_int_equal(mmk_mlock2(mm, a, PAGE, 2), MMK_EINVAL);
    assert_int_equal(mmk_mlock2(mm, a, PAGE, 0), 0);
    assert_int_equal(flags_at(a), MMK_VM_LOCKED);
    assert_int_equal(mmk_mlock2(mm, a, PAGE, MMK_MLOCK_ONFAULT), 0);
    assert_int_equal(flags_at(a), MMK_VM_LOCK);
    assert_int_equal(locked(), 1);
}

/* What lies before a hole is locked, and not brought in. */
static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(mmk_munmap(mm, a + 4 * PAGE, PAGE), 0);
    assert_int_equal(lock(a, 8), MMK_ENOMEM);
    assert_int_equal(locked(), 4);
    expect_present(a, "00000000");
    assert_int_equal(lock(a + 4 * PAGE, 2), MMK_ENOMEM);
    assert_int_equal(locked(), 4);
    assert_int_equal(unlock(a, 8), MMK_ENOMEM);
    assert_int_equal(locked(), 0);
    assert_int_equal(lock(a + 3 * PAGE, 2), MMK_ENOMEM);
    assert_int_equal(locked(), 1);
    assert_int_equal(unlock(a - PAGE, 5), MMK_ENOMEM);
    assert_int_equal(locked(), 1);
}

/* ---- mlock: limits -----------------------------------------------------------------------------
 */

static void test_limit(void **state)
{
    mmk_vaddr_t a = map_at(0, 16, RW, ANON);

    (void)state;
    limit(4);
    assert_int_equal(lock(a, 5), MMK_ENOMEM);
    assert_int_equal(locked(), 0);
    expect_shape(1, 16);
    assert_int_equal(lock(a, 4), 0);
    assert_int_equal(lock(a, 4), 0); /* counts once */
    assert_int_equal(lock(a + PAGE, 2), 0);
    assert_int_equal(lock(a + 4 * PAGE, 1), MMK_ENOMEM);
    assert_int_equal(lock(a + 2 * PAGE, 3), MMK_ENOMEM);
    assert_int_equal(locked(), 4);
    assert_int_equal(mmk_mlock(mm, a, UINT64_MAX), 0);
    assert_int_equal(mmk_mlock(mm, a, UINT64_MAX - PAGE), MMK_ENOMEM); /* before the wrap is seen */
    assert_int_equal(mmk_mlock(mm, a + PAGE, UINT64_MAX - 2 * PAGE), MMK_ENOMEM);
    assert_int_equal(lock(a + 100 * PAGE, 1), MMK_ENOMEM);
    /* Privilege. */
    mmk_set_lock_privilege(mm, true);
    assert_int_equal(lock(a, 8), 0);
    assert_int_equal(mmk_mlock(mm, a, UINT64_MAX - PAGE), MMK_EINVAL);
    mmk_set_lock_privilege(mm, false);
    assert_int_equal(lock(a, 8), MMK_ENOMEM); /* more than the limit as it is */
    assert_int_equal(lock(a, 4), MMK_ENOMEM);
    assert_int_equal(unlock(a + 4 * PAGE, 4), 0);
    assert_int_equal(lock(a, 4), 0);
}

/* A limit below a page is one page's worth short; a limit of nothing forbids the call. */
static void test_no_limit_left(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_MEMLOCK, 2 * PAGE - 1), 0);
    assert_int_equal(lock(a, 2), MMK_ENOMEM);
    assert_int_equal(lock(a, 1), 0);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_MEMLOCK, 100), 0);
    assert_int_equal(lock(a + PAGE, 1), MMK_ENOMEM);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), MMK_ENOMEM);
    assert_int_equal(lock(a, 0), MMK_ENOMEM); /* it is beyond the limit already */
    limit(0);
    assert_int_equal(lock(a, 1), MMK_EPERM);
    assert_int_equal(lock(a, 0), MMK_EPERM);
    assert_int_equal(mmk_mlock(mm, a, UINT64_MAX - PAGE), MMK_EPERM);
    assert_int_equal(mmk_mlock2(mm, a, PAGE, 2), MMK_EINVAL);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), MMK_EPERM);
    assert_int_equal(mmk_mlockall(mm, 0), MMK_EINVAL);
    assert_int_equal(locked(), 1);
    assert_int_equal(unlock(a, 1), 0);
    assert_int_equal(mmk_munlockall(mm), 0);
    mmk_set_lock_privilege(mm, true);
    assert_int_equal(lock(a, 1), 0);
    assert_int_equal(locked(), 1);
}

/* ---- what is brought in ------------------------------------------------------------------------
 */

static void test_brought_in(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    map_at(2, 1, RO, ANON);
    map_at(3, 1, MMK_PROT_EXEC, ANON);
    map_at(4, 1, MMK_PROT_WRITE, ANON);
    map_object_at(5, 2, RW, MMK_MAP_SHARED, file, 0);
    assert_int_equal(lock(a, 7), 0);
    expect_present(a, "1111111");
    assert_int_equal(mm_stats(mm).rss_anon, 3);
    assert_ptr_equal(peek_page(mm, a + 2 * PAGE), mmk_zero_page());
    assert_int_equal(locked(), 7);
    mmk_object_put(file);
}

/* A page that cannot be had: all is locked, what lies before it is there. */
static void test_not_to_be_had(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t a = map_at(0, 6, RW, ANON);

    (void)state;
    map_at(2, 2, MMK_PROT_NONE, ANON);
    assert_int_equal(lock(a, 6), MMK_ENOMEM);
    assert_int_equal(locked(), 6);
    expect_present(a, "110000");
    map_object_at(6, 4, RO, MMK_MAP_SHARED, file, 0);
    assert_int_equal(lock(a + 6 * PAGE, 4), MMK_ENOMEM);
    assert_int_equal(locked(), 10);
    expect_present(a + 6 * PAGE, "1100");
    mmk_object_put(file);
}

static void test_onfault(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    assert_int_equal(mmk_mlock2(mm, a, 4 * PAGE, MMK_MLOCK_ONFAULT), 0);
    expect_present(a, "0000");
    assert_int_equal(locked(), 4);
    store_byte(a + PAGE, 1);
    assert_int_equal(lock(a, 1), 0);
    expect_present(a, "1100");
    expect_shape(2, 4);
    assert_int_equal(lock(a, 4), 0);
    expect_shape(1, 4);
    expect_present(a, "1111");
}

static unsigned failed_pages, failed_mappings;

/* lock(), with the allocations from number n on failing. => whether one has */
static bool lock_without_memory(mmk_vaddr_t a, uint64_t n)
{
    int error;
    bool failed;

    machine_fail_nth(n, true);
    error = lock(a + PAGE, 4);
    failed = machine_fail_stop();
    if (error == MMK_ENOMEM) {
        failed_mappings++;
        assert_int_equal(locked(), 0);
        expect_shape(1, 8);
    } else if (error) {
        failed_pages++;
        assert_int_equal(error, MMK_EAGAIN);
        assert_int_equal(locked(), 4);
        assert_null(peek_page(mm, a + 4 * PAGE));
    } else {
        expect_present(a, "01111000");
    }
    assert_int_equal(unlock(a, 8), 0);
    expect_shape(1, 8);
    assert_int_equal(mmk_madvise(mm, a, 8 * PAGE, MMK_MADV_DONTNEED), 0);
    mmk_drain();
    return failed;
}

/* No memory for a page is another error than none for a mapping. */
static void test_no_memory(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    unsigned round;
    uint64_t n;

    (void)state;
    for (round = 0; round < 2; round++) /* the tree keeps its nodes for the second */
        for (n = 0; lock_without_memory(a, n); n++)
            continue;
    assert_true(failed_pages > 0 && failed_mappings > 0);
}

/* ---- mlockall ----------------------------------------------------------------------------------
 */

static void test_all_arguments(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    assert_int_equal(mmk_mlockall(mm, 0), MMK_EINVAL);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_ONFAULT), MMK_EINVAL);
    assert_int_equal(mmk_mlockall(mm, 8), MMK_EINVAL);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT | 8), MMK_EINVAL);
    limit(3);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), MMK_ENOMEM);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT | MMK_MCL_FUTURE), MMK_ENOMEM);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0); /* FUTURE is not held against it */
    assert_int_equal(locked(), 0);
    mmk_set_lock_privilege(mm, true);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), 0);
    assert_int_equal(locked(), 4);
    mmk_set_lock_privilege(mm, false);
    limit(4);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), 0);
    assert_int_equal(mmk_munlockall(mm), 0);
    assert_int_equal(locked(), 0);
}

/* Pages that cannot be had do not matter. */
static void test_current(void **state)
{
    struct mmk_object *file = new_file(1);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    map_at(3, 2, MMK_PROT_NONE, ANON);
    map_object_at(6, 2, RO, MMK_MAP_PRIVATE, file, 0);
    map_at(9, 1, RW, ANON);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), 0);
    assert_int_equal(locked(), 7);
    expect_present(a, "1100001001");
    map_at(20, 2, RW, ANON);
    assert_int_equal(locked(), 7);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT | MMK_MCL_ONFAULT), 0);
    assert_int_equal(locked(), 9);
    assert_int_equal(flags_at(a), MMK_VM_LOCK);
    expect_present(a + 20 * PAGE, "00");
    mmk_object_put(file);
}

static void test_future(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
    assert_int_equal(locked(), 0);
    map_at(4, 2, RW, ANON);
    map_at(6, 2, MMK_PROT_NONE, ANON);
    map_at(8, 2, RO, SHARED_ANON);
    assert_int_equal(locked(), 6);
    expect_present(a + 4 * PAGE, "110011");
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE | MMK_MCL_ONFAULT), 0);
    map_at(12, 2, RW, ANON);
    map_at(14, 2, RW, ANON | MMK_MAP_LOCKED | MMK_MAP_POPULATE);
    assert_int_equal(locked(), 10);
    expect_present(a + 12 * PAGE, "0000");
    assert_int_equal(flags_at(a + 4 * PAGE), MMK_VM_LOCKED);
    assert_int_equal(flags_at(a + 14 * PAGE), MMK_VM_LOCK);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT), 0); /* takes FUTURE back */
    map_at(16, 2, RW, ANON);
    assert_int_equal(locked(), 12);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
    assert_int_equal(mmk_munlockall(mm), 0);
    assert_int_equal(locked(), 0);
    map_at(20, 2, RW, ANON);
    assert_int_equal(locked(), 0);
}

static void test_future_limit(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    limit(4);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
    assert_int_equal(mmk_mmap(mm, 0, 5 * PAGE, RW, ANON, NULL, 0), MMK_EAGAIN);
    map_at(4, 4, RW, ANON);
    assert_int_equal(mmk_mmap(mm, a, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), MMK_EAGAIN);
    /* What it would replace counts still, as on Linux. */
    assert_int_equal(mmk_mmap(mm, a + 4 * PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0),
                     MMK_EAGAIN);
    assert_int_equal(locked(), 4);
}

/* ---- mmap: LOCKED, POPULATE --------------------------------------------------------------------
 */

static void test_map_locked(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON | MMK_MAP_LOCKED);
    const unsigned fixed = ANON | MMK_MAP_LOCKED | MMK_MAP_FIXED;

    (void)state;
    expect_present(a, "11");
    assert_int_equal(flags_at(a), MMK_VM_LOCKED);
    map_at(2, 2, RW, ANON | MMK_MAP_LOCKED | MMK_MAP_NONBLOCK);
    expect_present(a, "1111");
    expect_shape(1, 4);
    map_at(4, 2, MMK_PROT_NONE, ANON | MMK_MAP_LOCKED);
    assert_int_equal(locked(), 6);
    limit(7);
    assert_int_equal(mmk_mmap(mm, a + 6 * PAGE, 2 * PAGE, RW, fixed, NULL, 0), MMK_EAGAIN);
    map_at(6, 1, RW, ANON | MMK_MAP_LOCKED);
    assert_int_equal(mmk_mmap(mm, a, PAGE, RW, fixed, NULL, 0), MMK_EAGAIN);
    /* Place first, then locking, then the type. */
    assert_int_equal(
        mmk_mmap(mm, a, PAGE, RW, ANON | MMK_MAP_LOCKED | MMK_MAP_FIXED_NOREPLACE, NULL, 0),
        MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, MMK_MAP_ANONYMOUS | MMK_MAP_LOCKED, NULL, 0),
                     MMK_EAGAIN);
    limit(0);
    assert_int_equal(
        mmk_mmap(mm, a, PAGE, RW, ANON | MMK_MAP_LOCKED | MMK_MAP_FIXED_NOREPLACE, NULL, 0),
        MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, 0, 0, RW, ANON | MMK_MAP_LOCKED, NULL, 0), MMK_EINVAL);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, ANON | MMK_MAP_LOCKED, NULL, 0), MMK_EPERM);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, MMK_MAP_ANONYMOUS | MMK_MAP_LOCKED, NULL, 0),
                     MMK_EPERM);
    map_at(8, 1, RW, ANON);
    assert_int_equal(locked(), 7);
}

static void test_map_populate(void **state)
{
    struct mmk_object *file = new_file(1);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON | MMK_MAP_POPULATE);

    (void)state;
    map_at(2, 2, RW, ANON | MMK_MAP_POPULATE | MMK_MAP_NONBLOCK);
    map_at(4, 2, MMK_PROT_NONE, ANON | MMK_MAP_POPULATE);
    map_object_at(6, 2, RO, MMK_MAP_SHARED_VALIDATE | MMK_MAP_POPULATE, file, 0);
    map_at(8, 2, RW, SHARED_ANON | MMK_MAP_POPULATE);
    expect_present(a, "1100001011");
    assert_int_equal(locked(), 0);
    mmk_object_put(file);
}

/* Frames that are not mmkit's are not locked, whatever surrounds them. */
static void test_frames(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    assert_int_equal(mmk_map_frames(mm, a + 2 * PAGE, 4 * PAGE, RW, MMK_MAP_FIXED, 16 * PAGE),
                     a + 2 * PAGE);
    map_at(6, 2, RW, ANON);
    assert_int_equal(lock(a, 8), 0);
    assert_int_equal(locked(), 4);
    assert_int_equal(lock(a + 3 * PAGE, 2), 0);
    expect_shape(3, 8);
    assert_int_equal(unlock(a + 3 * PAGE, 4), 0);
    assert_int_equal(locked(), 3);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_CURRENT | MMK_MCL_FUTURE), 0);
    assert_int_equal(locked(), 4);
    assert_int_equal(mmk_map_frames(mm, a + 8 * PAGE, PAGE, RW, MMK_MAP_FIXED, 0), a + 8 * PAGE);
    assert_int_equal(locked(), 4);
    assert_int_equal(flags_at(a + 8 * PAGE), 0);
}

/* ---- what becomes of locked mappings -----------------------------------------------------------
 */

static void test_counted(void **state)
{
    mmk_vaddr_t a = map_at(0, 16, RW, ANON);

    (void)state;
    assert_int_equal(lock(a, 16), 0);
    assert_int_equal(mmk_munmap(mm, a + 4 * PAGE, 2 * PAGE), 0);
    assert_int_equal(locked(), 14);
    assert_int_equal(mmk_mprotect(mm, a, 2 * PAGE, RO), 0);
    assert_int_equal(locked(), 14);
    map_at(0, 4, RW, ANON); /* in place of locked ones */
    assert_int_equal(locked(), 10);
    assert_int_equal(lock(a, 2), 0);
    assert_int_equal(mmk_mseal(mm, a, PAGE, 0), 0);
    assert_int_equal(locked(), 12);
    assert_int_equal(unlock(a, 1), 0);
    assert_int_equal(locked(), 11);
    assert_int_equal(mmk_munmap(mm, a + PAGE, 15 * PAGE), 0);
    assert_int_equal(locked(), 0);
}

/* Locked memory does not merge with what is not locked, and merges again afterwards. */
static void test_shapes(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(lock(a + 2 * PAGE, 2), 0);
    expect_shape(3, 8);
    assert_int_equal(mmk_mlock2(mm, a + 4 * PAGE, 2 * PAGE, MMK_MLOCK_ONFAULT), 0);
    expect_shape(4, 8);
    assert_int_equal(unlock(a, 8), 0);
    expect_shape(1, 8);
}

static void test_fork(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    struct mmk_mm *child;
    int64_t got;

    (void)state;
    assert_int_equal(lock(a, 2), 0);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mm_stats(child).locked_bytes, 0);
    assert_int_equal(mm_stats(child).vmas, 2);
    got = mmk_mmap(child, 0, 4 * PAGE, RW, ANON, NULL, 0);
    assert_true(got > 0);
    assert_int_equal(mm_stats(child).locked_bytes, 0);
    put_mm(child);
    assert_int_equal(locked(), 2);
    map_at(8, 1, RW, ANON);
    assert_int_equal(locked(), 3);
}

static void test_brk(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + PAGE + 1), BASE + PAGE + 1);
    limit(4);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 6 * PAGE), BASE + 6 * PAGE);
    assert_int_equal(locked(), 4);
    expect_present(BASE, "001111");
    assert_int_equal(mmk_brk(mm, BASE + 7 * PAGE), BASE + 6 * PAGE); /* beyond the limit */
    assert_int_equal(mmk_brk(mm, BASE + 4 * PAGE), BASE + 4 * PAGE);
    assert_int_equal(locked(), 2);
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE | MMK_MCL_ONFAULT), 0);
    assert_int_equal(mmk_brk(mm, BASE + 6 * PAGE), BASE + 6 * PAGE);
    expect_present(BASE, "001100");
    assert_int_equal(locked(), 4);
}

/* A locked stack grows up to the limit; the part in between is not brought in. */
static void test_stack(void **state)
{
    mmk_vaddr_t a = map_at(32, 2, RW, STACK | MMK_MAP_LOCKED);

    (void)state;
    limit(8);
    store_byte(a - 4 * PAGE, 1);
    assert_int_equal(locked(), 6);
    expect_present(a - 4 * PAGE, "100011");
    expect_store(a - 7 * PAGE, MMK_FAULT_SEGV_MAPERR);
    store_byte(a - 6 * PAGE, 1);
    assert_int_equal(locked(), 8);
}

static int64_t remap(mmk_vaddr_t addr, uint64_t pages, uint64_t new_pages, unsigned flags)
{
    return mmk_mremap(mm, addr, pages * PAGE, new_pages * PAGE, flags, 0);
}

/* What grows is locked and brought in; what DONTUNMAP leaves behind is not locked. */
static void test_mremap(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON | MMK_MAP_LOCKED), b, c;

    (void)state;
    limit(12);
    assert_int_equal(remap(a, 8, 10, 0), a);
    assert_int_equal(locked(), 10);
    expect_present(a + 8 * PAGE, "11");
    assert_int_equal(remap(a, 10, 13, 0), MMK_EAGAIN);
    assert_int_equal(remap(a, 10, 13, MMK_MREMAP_MAYMOVE), MMK_EAGAIN);
    map_at(10, 1, RO, ANON);
    b = (mmk_vaddr_t)remap(a + 4 * PAGE, 6, 8, MMK_MREMAP_MAYMOVE);
    assert_int_equal(locked(), 12);
    expect_present(b, "11111111");
    assert_int_equal(remap(b, 8, 2, 0), b);
    assert_int_equal(locked(), 6);
    c = (mmk_vaddr_t)remap(b, 2, 2, MMK_MREMAP_MAYMOVE | MMK_MREMAP_DONTUNMAP);
    assert_int_equal(locked(), 6);
    assert_int_equal(flags_at(b), 0);
    assert_int_equal(flags_at(c), MMK_VM_LOCKED);
    assert_int_equal(mmk_munmap(mm, b, 2 * PAGE), 0);
    assert_int_equal(mmk_mlock2(mm, a, PAGE, MMK_MLOCK_ONFAULT), 0);
    b = (mmk_vaddr_t)remap(a, 1, 1, MMK_MREMAP_MAYMOVE | MMK_MREMAP_DONTUNMAP);
    assert_int_equal(flags_at(a), 0);
    assert_int_equal(flags_at(b), MMK_VM_LOCK);
    b = (mmk_vaddr_t)remap(b, 1, 3, MMK_MREMAP_MAYMOVE);
    expect_present(b, "100");
    assert_int_equal(locked(), 8);
}

/* Giving back what is locked is refused, there and from there on. */
static void test_advice(void **state)
{
    mmk_vaddr_t a = map_at(0, 6, RW, ANON);

    (void)state;
    fill(a, 6, 1);
    assert_int_equal(lock(a + 2 * PAGE, 2), 0);
    assert_int_equal(mmk_madvise(mm, a, 6 * PAGE, MMK_MADV_FREE), MMK_EINVAL);
    assert_int_equal(mmk_madvise(mm, a, 6 * PAGE, MMK_MADV_DONTNEED), MMK_EINVAL);
    expect_present(a, "001111");
    expect_filled(a + 2 * PAGE, 4, 3);
    assert_int_equal(mmk_mlock2(mm, a, PAGE, MMK_MLOCK_ONFAULT), 0);
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_DONTNEED), MMK_EINVAL);
    mmk_check(mm);
}

/* A locked private mapping that becomes writable is copied at once. */
static void test_protect(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RO, ANON | MMK_MAP_LOCKED), b = map_at(8, 4, RO, ANON);
    mmk_vaddr_t c = map_at(16, 4, RO, SHARED_ANON | MMK_MAP_LOCKED);
    uint64_t cow;

    (void)state;
    assert_int_equal(mmk_mlock2(mm, b, 4 * PAGE, MMK_MLOCK_ONFAULT), 0);
    expect_byte(b, 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_int_equal(mmk_mprotect(mm, a, 2 * PAGE, RW), 0);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    cow = mm_stats(mm).fault_cow;
    fill(a, 2, 1);
    assert_int_equal(mm_stats(mm).fault_cow, cow);
    assert_int_equal(mmk_mprotect(mm, b, 4 * PAGE, RW), 0);
    assert_int_equal(mmk_mprotect(mm, c, 4 * PAGE, RW), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    assert_false(mmk_pte_write(peek_entry(mm, c)));
    assert_int_equal(locked(), 12);
    expect_filled(a, 2, 1);
}

/* ---- memory is short ---------------------------------------------------------------------------
 */

#define ROOM 8u /* frames that are free besides what is to be left */

/* What locked memory is to leave, of the fixture's: 1 MiB. */
static uint64_t to_be_left(void)
{
    return MIB / PAGE;
}

/* Takes all frames but so many. */
static size_t take_all_but(struct mmk_page *taken[], uint64_t frames)
{
    size_t n = 0;

    while (frames_free() > frames) {
        taken[n] = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
        assert_non_null(taken[n++]);
    }
    return n;
}

/*
 * What is brought in because future mappings are locked leaves memory to others, and to its own
 * program; what is touched, or mlock() is asked for, does not.
 */
static void test_short(void **state)
{
    static struct mmk_page *taken[64 * MIB / PAGE];
    const uint64_t pages = 3 * ROOM;
    uint64_t brought_in;
    mmk_vaddr_t a;
    size_t n;

    (void)state;
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
    n = take_all_but(taken, to_be_left() + ROOM);
    a = map_at(0, pages, RW, ANON);
    brought_in = mm_stats(mm).rss_anon;
    assert_in_range(brought_in, 1, ROOM);
    assert_in_range(frames_free(), to_be_left() - MMK_PT_LEVELS, to_be_left());
    assert_int_equal(locked(), pages);
    fill(a, pages / 2, 1);
    assert_int_equal(mm_stats(mm).rss_anon, pages / 2);
    assert_int_equal(lock(a, pages), 0);
    assert_int_equal(mm_stats(mm).rss_anon, pages);
    expect_filled(a, pages / 2, 1);
    mmk_check(mm);
    while (n > 0)
        mmk_page_put(taken[--n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),     TEST(test_holes),        TEST(test_limit),
        TEST(test_no_limit_left), TEST(test_brought_in),   TEST(test_not_to_be_had),
        TEST(test_onfault),       TEST(test_no_memory),    TEST(test_all_arguments),
        TEST(test_current),       TEST(test_future),       TEST(test_future_limit),
        TEST(test_map_locked),    TEST(test_map_populate), TEST(test_frames),
        TEST(test_counted),       TEST(test_shapes),       TEST(test_fork),
        TEST(test_brk),           TEST(test_stack),        TEST(test_mremap),
        TEST(test_advice),        TEST(test_protect),      TEST(test_short),
    };

    return cmocka_run_group_tests_name("mlock", tests, NULL, NULL);
}
