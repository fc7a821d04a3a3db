/* SPDX-License-Identifier: MIT */
/* test_seal.c - mseal: arguments, and each call that it stops, before or after a part was done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static void seal(mmk_vaddr_t addr, uint64_t pages)
{
    assert_int_equal(mmk_mseal(mm, addr, pages * PAGE, 0), 0);
    mmk_check(mm);
}

static bool sealed(mmk_vaddr_t addr)
{
    return (mmk_vma_flags(peek_vma(mm, addr)) & MMK_VM_SEALED) != 0;
}

static void test_arguments(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    assert_int_equal(mmk_mseal(mm, a, PAGE, 1), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, a, 0, 1), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, a + 1, PAGE, 0), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, a + 1, 0, 0), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, a, UINT64_MAX, 0), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, a, (uint64_t)0 - PAGE, 0), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, (uint64_t)0 - PAGE, PAGE, 0), MMK_EINVAL);
    assert_int_equal(mmk_mseal(mm, (uint64_t)0 - 2 * PAGE, PAGE, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mseal(mm, MMK_USER_END, PAGE, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mseal(mm, a, 5 * PAGE, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mseal(mm, a - PAGE, 2 * PAGE, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mseal(mm, a + 4 * PAGE, 0, 0), 0);
    assert_int_equal(mmk_mseal(mm, a, 0, 0), 0);
    expect_shape(1, 4);
    assert_false(sealed(a));
    assert_int_equal(mmk_mseal(mm, a + PAGE, 1, 0), 0); /* whole pages */
    expect_shape(3, 4);
    assert_true(sealed(a + PAGE));
}

/* A hole anywhere: nothing is sealed. */
static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    map_at(3, 2, RW, ANON);
    assert_int_equal(mmk_mseal(mm, a, 5 * PAGE, 0), MMK_ENOMEM);
    assert_int_equal(mmk_munmap(mm, a, 5 * PAGE), 0);
    expect_shape(0, 0);
    assert_int_equal(mmk_mseal(mm, a, PAGE, 0), MMK_ENOMEM);
}

/* What is sealed is a mapping of its own, and merges with what is sealed as well. */
static void test_shapes(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    seal(a + 2 * PAGE, 2);
    expect_shape(3, 8);
    expect_vma(a + 2 * PAGE, a + 2 * PAGE, 2);
    seal(a + 2 * PAGE, 2); /* again */
    seal(a + 4 * PAGE, 2);
    expect_shape(3, 8);
    expect_vma(a + 2 * PAGE, a + 2 * PAGE, 4);
    seal(a, 8);
    expect_shape(1, 8);
    assert_true(sealed(a) && sealed(a + 7 * PAGE));
}

/* Nothing goes when a part is sealed. */
static void test_munmap(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    fill(a, 8, 1);
    seal(a + 3 * PAGE, 2);
    assert_int_equal(mmk_munmap(mm, a, 8 * PAGE), MMK_EPERM);
    assert_int_equal(mmk_munmap(mm, a + 3 * PAGE, PAGE), MMK_EPERM);
    assert_int_equal(mmk_munmap(mm, a + 2 * PAGE, 2 * PAGE), MMK_EPERM);
    assert_int_equal(mmk_munmap(mm, a + 4 * PAGE, 2 * PAGE), MMK_EPERM);
    assert_int_equal(mmk_munmap(mm, 0, MMK_USER_END), MMK_EPERM);
    expect_shape(4, 8); /* but what lies before it has been cut */
    expect_vma(a, a, 2);
    expect_vma(a + 2 * PAGE, a + 2 * PAGE, 1);
    expect_filled(a, 8, 1);
    assert_int_equal(mmk_munmap(mm, a, 3 * PAGE), 0);
    assert_int_equal(mmk_munmap(mm, a + 5 * PAGE, 3 * PAGE), 0);
    expect_shape(1, 2);
    expect_filled(a + 3 * PAGE, 2, 4);
}

static void test_map_over(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    fill(a, 4, 1);
    seal(a + 2 * PAGE, 1);
    assert_int_equal(mmk_mmap(mm, a, 4 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), MMK_EPERM);
    assert_int_equal(mmk_mmap(mm, a + 2 * PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0),
                     MMK_EPERM);
    assert_int_equal(mmk_mmap(mm, a, 4 * PAGE, RW, ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0),
                     MMK_EEXIST);
    assert_int_equal(
        mmk_mmap(mm, a, 4 * PAGE, RW, SHARED_ANON | MMK_MAP_FIXED | MMK_MAP_PRIVATE, NULL, 0),
        MMK_EINVAL); /* errors of the type come first */
    expect_shape(3, 4);
    expect_filled(a, 4, 1);
    assert_int_equal(map_at(0, 2, RW, ANON), a);
}

/* What lies before the sealed mapping is changed. */
static void test_mprotect(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    fill(a, 6, 1);
    seal(a + 3 * PAGE, 2);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, 7 * PAGE, RO), MMK_EPERM);
    mmk_check(mm);
    expect_store(a + 2 * PAGE, MMK_FAULT_SEGV_ACCERR);
    store_byte(a, 1);
    store_byte(a + 3 * PAGE, 4);
    store_byte(a + 5 * PAGE, 6);
    assert_int_equal(mmk_mprotect(mm, a + 4 * PAGE, PAGE, RW), MMK_EPERM); /* what it is already */
    assert_int_equal(mmk_mprotect(mm, a + 3 * PAGE, 0, RO), 0);
    /* A hole before it is met first, one behind it is not reached. */
    assert_int_equal(mmk_mprotect(mm, a + 4 * PAGE, 10 * PAGE, RO), MMK_EPERM);
    assert_int_equal(mmk_munmap(mm, a, 2 * PAGE), 0);
    assert_int_equal(mmk_mprotect(mm, a, 6 * PAGE, RO), MMK_ENOMEM);
    assert_int_equal(mmk_mprotect(mm, a + 5 * PAGE, 3 * PAGE, RO), 0);
    expect_filled(a + 2 * PAGE, 4, 3);
}

static void test_brk(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 8 * PAGE), BASE + 8 * PAGE);
    seal(BASE + 4 * PAGE, 1);
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE), BASE + 5 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 4 * PAGE), BASE + 5 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + PAGE), BASE + 5 * PAGE);
    expect_shape(3, 5); /* cut below what is sealed */
    assert_int_equal(mmk_brk(mm, BASE + 6 * PAGE), BASE + 6 * PAGE);
    expect_shape(4, 6);
}

/* Discarding what the program could not write itself: private, anonymous, not writable. */
static void test_advice(void **state)
{
    static const int discards[] = {
        MMK_MADV_DONTNEED, MMK_MADV_FREE,       MMK_MADV_DONTNEED_LOCKED, MMK_MADV_GUARD_INSTALL,
        MMK_MADV_DONTFORK, MMK_MADV_WIPEONFORK, MMK_MADV_REMOVE};
    static const int harmless[] = {MMK_MADV_GUARD_REMOVE, MMK_MADV_NORMAL,   MMK_MADV_RANDOM,
                                   MMK_MADV_SEQUENTIAL,   MMK_MADV_WILLNEED, MMK_MADV_POPULATE_READ,
                                   MMK_MADV_DONTDUMP,     MMK_MADV_COLD,     MMK_MADV_PAGEOUT,
                                   MMK_MADV_GUARD_REMOVE, MMK_MADV_DOFORK,   MMK_MADV_KEEPONFORK};
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    size_t i;

    (void)state;
    fill(a, 4, 1);
    seal(a, 1);
    assert_int_equal(mmk_mprotect(mm, a + PAGE, PAGE, RO), 0);
    seal(a + PAGE, 1);
    for (i = 0; i < sizeof(discards) / sizeof(discards[0]); i++) {
        assert_int_equal(mmk_madvise(mm, a, PAGE, discards[i]),
                         discards[i] == MMK_MADV_REMOVE ? MMK_EINVAL : 0);
        assert_int_equal(mmk_madvise(mm, a + PAGE, PAGE, discards[i]), MMK_EPERM);
    }
    for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, harmless[i]), 0);
    expect_filled(a + PAGE, 3, 2);
    /* What lies before is done, what comes after is not. */
    store_byte(a, 1);
    assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, MMK_MADV_DONTNEED), MMK_EPERM);
    expect_byte(a, 0);
    expect_filled(a + PAGE, 3, 2);
    assert_int_equal(mmk_munmap(mm, a + 2 * PAGE, PAGE), 0);
    assert_int_equal(mmk_madvise(mm, a + PAGE, 3 * PAGE, MMK_MADV_DONTNEED), MMK_EPERM);
    expect_byte(a + 3 * PAGE, 4);
    mmk_check(mm);
}

/*
 * Every advice on sealed mappings of every kind, as Linux 6.18 answers: 0, EINVAL, EPERM, EACCES;
 * one after the other on the same mapping.
 */
static void test_advice_as_linux(void **state)
{
    static const int advice[] = {
        MMK_MADV_DONTNEED,     MMK_MADV_FREE,          MMK_MADV_DONTNEED_LOCKED,
        MMK_MADV_REMOVE,       MMK_MADV_DONTFORK,      MMK_MADV_DOFORK,
        MMK_MADV_WIPEONFORK,   MMK_MADV_KEEPONFORK,    MMK_MADV_GUARD_INSTALL,
        MMK_MADV_GUARD_REMOVE, MMK_MADV_COLD,          MMK_MADV_PAGEOUT,
        MMK_MADV_WILLNEED,     MMK_MADV_POPULATE_READ, MMK_MADV_POPULATE_WRITE,
        MMK_MADV_DONTDUMP,     MMK_MADV_RANDOM,
    };
    static const struct {
        bool file;
        unsigned prot, flags;
        const char *answers;
    } kinds[] = {
        {false, RW, ANON, "000I0000000000000"},
        {false, RO, ANON, "PPPPP0P0P00000I00"},
        {false, MMK_PROT_NONE, ANON, "PPPPP0P0P0000II00"},
        {true, RO, MMK_MAP_PRIVATE, "0I0A00I0000000I00"},
        {true, RW, MMK_MAP_PRIVATE, "0I0A00I0000000000"},
        {true, RO, MMK_MAP_SHARED, "0I0000I0000000I00"},
        {true, RW, MMK_MAP_SHARED, "0I0000I0000000000"},
        {false, RO, SHARED_ANON, "0I0000I0000000I00"},
    };
    struct mmk_object *file = new_file(4);
    size_t i, k;

    (void)state;
    for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        mmk_vaddr_t a = BASE + 4 * k * PAGE;

        assert_int_equal(map(a, 1, kinds[k].prot, kinds[k].flags | MMK_MAP_FIXED,
                             kinds[k].file ? file : NULL, 0),
                         a);
        seal(a, 1);
        for (i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
            char answer = kinds[k].answers[i];

            assert_int_equal(mmk_madvise(mm, a, PAGE, advice[i]), answer == 'I'   ? MMK_EINVAL
                                                                  : answer == 'P' ? MMK_EPERM
                                                                  : answer == 'A' ? MMK_EACCES
                                                                                  : 0);
            mmk_check(mm);
        }
    }
    mmk_object_put(file);
}

static void test_advice_objects(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_object_at(0, 2, RO, MMK_MAP_PRIVATE, file, 0);

    (void)state;
    map_object_at(2, 2, RO, MMK_MAP_SHARED, file, 2);
    map_at(4, 2, RO, SHARED_ANON);
    seal(a, 6);
    expect_byte(a, 1);
    assert_int_equal(mmk_madvise(mm, a, 6 * PAGE, MMK_MADV_DONTNEED), 0);
    assert_null(peek_page(mm, a));
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_FREE), MMK_EINVAL);
    mmk_object_put(file);
}

/* It may still grow, and what has grown is sealed too. */
static void test_stack(void **state)
{
    mmk_vaddr_t a = map_at(16, 2, RW, STACK);

    (void)state;
    seal(a, 2);
    store_byte(a - 5 * PAGE, 1);
    expect_shape(1, 7);
    assert_int_equal(mmk_munmap(mm, a - 5 * PAGE, PAGE), MMK_EPERM);
}

static void test_fork(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    struct mmk_mm *child;

    (void)state;
    seal(a, 2);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_munmap(child, a, PAGE), MMK_EPERM);
    put_mm(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments), TEST(test_holes),
        TEST(test_shapes),    TEST(test_munmap),
        TEST(test_map_over),  TEST(test_mprotect),
        TEST(test_brk),       TEST(test_advice),
        TEST(test_stack),     TEST(test_advice_objects),
        TEST(test_fork),      TEST(test_advice_as_linux),
    };

    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
