/* SPDX-License-Identifier: MIT */
/* test_fork_advice.c - MADV_DONTFORK, DOFORK, WIPEONFORK, KEEPONFORK, and what fork makes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static void test_dontfork(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 8, RW, ANON), b = map_object_at(8, 4, RW, MMK_MAP_SHARED, file, 0);
    struct mmk_mm *parent;

    (void)state;
    fill(a, 12, 1);
    assert_int_equal(advise(a + 2 * PAGE, 3, MMK_MADV_DONTFORK), 0);
    assert_int_equal(advise(b, 2, MMK_MADV_DONTFORK), 0);
    expect_shape(5, 12);
    expect_vma(a + 2 * PAGE, a + 2 * PAGE, 3);
    parent = enter_child();
    expect_shape(3, 7);
    assert_int_equal(mm_stats(mm).rss_anon, 5);
    expect_filled(a, 2, 1);
    expect_load(a + 2 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_load(a + 4 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_filled(a + 5 * PAGE, 3, 6);
    expect_load(b + PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_byte(b + 2 * PAGE, 11);
    leave_child(parent);
    expect_filled(a, 12, 1);
    assert_int_equal(advise(a, 12, MMK_MADV_DOFORK), 0);
    expect_shape(2, 12);
    parent = enter_child();
    expect_filled(a, 12, 1);
    leave_child(parent);
    mmk_object_put(file);
}

/* A heap and a stack that the child lacks. */
static void test_dontfork_heap_and_stack(void **state)
{
    mmk_vaddr_t stack = map_at(1024, 2, RW, STACK);
    struct mmk_mm *parent;

    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 4 * PAGE), BASE + 4 * PAGE);
    store_byte(BASE, 1);
    store_byte(stack - 2 * PAGE, 2);
    assert_int_equal(advise(BASE, 4, MMK_MADV_DONTFORK), 0);
    assert_int_equal(advise(stack, 2, MMK_MADV_DONTFORK), 0);
    parent = enter_child();
    expect_shape(1, 2); /* the stack below what was advised */
    expect_load(stack, MMK_FAULT_SEGV_MAPERR);
    expect_byte(stack - 2 * PAGE, 2);
    assert_int_equal(mmk_brk(mm, 0), BASE + 4 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE), BASE + 5 * PAGE);
    expect_load(BASE + 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_byte(BASE + 4 * PAGE, 0);
    leave_child(parent);
    expect_byte(BASE, 1);
}

static void test_wipeonfork(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_mm *parent, *child;

    (void)state;
    fill(a, 8, 1);
    assert_int_equal(advise(a + 6 * PAGE, 1, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(advise(a + 4 * PAGE, 4, MMK_MADV_WIPEONFORK), 0);
    expect_shape(2, 8);
    parent = enter_child();
    expect_shape(2, 8);
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    expect_filled(a, 4, 1);
    expect_byte(a + 4 * PAGE, 0);
    expect_byte(a + 6 * PAGE, 0); /* no guard */
    store_byte(a + 7 * PAGE, 9);
    child = enter_child(); /* and the child's child */
    expect_byte(a + 7 * PAGE, 0);
    leave_child(child);
    expect_byte(a + 7 * PAGE, 9);
    assert_int_equal(advise(a, 8, MMK_MADV_KEEPONFORK), 0);
    expect_shape(2, 8); /* what was wiped has pages of its own only, the rest has the parent's */
    child = enter_child();
    expect_byte(a + 7 * PAGE, 9);
    leave_child(child);
    leave_child(parent);
    expect_filled(a, 6, 1);
    expect_load(a + 6 * PAGE, MMK_FAULT_SEGV_MAPERR);
}

/* Nothing but what is wiped: the child has no tables. Not in it at all wins over empty. */
static void test_wiped_alone(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_mm *parent;

    (void)state;
    fill(a, 8, 1);
    assert_int_equal(advise(a, 8, MMK_MADV_WIPEONFORK), 0);
    assert_int_equal(advise(a, 4, MMK_MADV_DONTFORK), 0);
    parent = enter_child();
    expect_tables(mm, 0, 0, 0);
    expect_shape(1, 4);
    expect_load(a, MMK_FAULT_SEGV_MAPERR);
    expect_byte(a + 4 * PAGE, 0);
    leave_child(parent);
    expect_filled(a, 8, 1);
}

/* Only private anonymous memory can be wiped. What lies before is done. */
static void test_wipe_refused(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    map_object_at(2, 2, RW, MMK_MAP_PRIVATE, file, 0);
    map_at(4, 2, RW, ANON);
    map_at(6, 2, RW, SHARED_ANON);
    assert_int_equal(advise(a + 2 * PAGE, 1, MMK_MADV_WIPEONFORK), MMK_EINVAL);
    assert_int_equal(advise(a + 6 * PAGE, 1, MMK_MADV_WIPEONFORK), MMK_EINVAL);
    assert_int_equal(advise(a + PAGE, 5, MMK_MADV_WIPEONFORK), MMK_EINVAL);
    assert_false(mmk_vma_flags(peek_vma(mm, a)) & MMK_VM_WIPEONFORK);
    assert_true(mmk_vma_flags(peek_vma(mm, a + PAGE)) & MMK_VM_WIPEONFORK);
    assert_false(mmk_vma_flags(peek_vma(mm, a + 4 * PAGE)) & MMK_VM_WIPEONFORK);
    assert_int_equal(advise(a + 3 * PAGE, 2, MMK_MADV_WIPEONFORK), MMK_EINVAL);
    assert_int_equal(advise(a, 8, MMK_MADV_KEEPONFORK), 0);
    assert_int_equal(advise(a, 8, MMK_MADV_DONTFORK), 0);
    assert_int_equal(advise(a, 8, MMK_MADV_DOFORK), 0);
    expect_shape(4, 8);
    mmk_object_put(file);
}

static void test_holes(void **state)
{
    static const int both[][2] = {{MMK_MADV_DONTFORK, MMK_MADV_DOFORK},
                                  {MMK_MADV_WIPEONFORK, MMK_MADV_KEEPONFORK}};
    static const uint64_t flags[] = {MMK_VM_DONTFORK, MMK_VM_WIPEONFORK};
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    size_t i;

    (void)state;
    assert_int_equal(mmk_munmap(mm, a + 2 * PAGE, PAGE), 0);
    assert_int_equal(mmk_munmap(mm, a + 5 * PAGE, PAGE), 0);
    for (i = 0; i < 2; i++) {
        assert_int_equal(advise(a + PAGE, 6, both[i][0]), MMK_ENOMEM);
        expect_shape(5, 6);
        assert_false(mmk_vma_flags(peek_vma(mm, a)) & flags[i]);
        assert_true(mmk_vma_flags(peek_vma(mm, a + PAGE)) & flags[i]);
        assert_true(mmk_vma_flags(peek_vma(mm, a + 3 * PAGE)) & flags[i]);
        assert_true(mmk_vma_flags(peek_vma(mm, a + 6 * PAGE)) & flags[i]);
        assert_false(mmk_vma_flags(peek_vma(mm, a + 7 * PAGE)) & flags[i]);
        assert_int_equal(advise(a - PAGE, 20, both[i][1]), MMK_ENOMEM);
        expect_shape(3, 6);
        assert_int_equal(advise(a + 2 * PAGE, 1, both[i][0]), MMK_ENOMEM);
        assert_int_equal(advise(a + 8 * PAGE, 1, both[i][0]), MMK_ENOMEM);
        assert_int_equal(advise(a, 0, both[i][0]), 0);
        expect_shape(3, 6);
    }
}

/* Without memory to cut: EAGAIN, as Linux says, and nothing has changed. */
static void test_no_memory(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    unsigned n;
    int error;

    (void)state;
    for (n = 0;; n++) {
        machine_fail_nth(n, true);
        error = mmk_madvise(mm, a + PAGE, PAGE, MMK_MADV_DONTFORK);
        if (!machine_fail_stop())
            break;
        assert_int_equal(error, MMK_EAGAIN);
        expect_shape(1, 8);
        mmk_drain(); /* what failed may lie in a cache */
    }
    assert_int_equal(error, 0);
    assert_true(n > 0);
    expect_shape(3, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dontfork),     TEST(test_dontfork_heap_and_stack),
        TEST(test_wipeonfork),   TEST(test_wiped_alone),
        TEST(test_wipe_refused), TEST(test_holes),
        TEST(test_no_memory),
    };

    return cmocka_run_group_tests_name("fork_advice", tests, NULL, NULL);
}
