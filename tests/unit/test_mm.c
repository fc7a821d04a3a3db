/* SPDX-License-Identifier: MIT */
/* test_mm.c - life of address spaces, of CPUs, and of mmkit itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect_panic.h"
#include "fixture.h"
#include "table.h"

/* The first address space brings the zero page, the last takes it along. */
static void test_first(void **state)
{
    uint64_t n, empty;
    int error;

    (void)state;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    mmk_drain();
    empty = frames_free();
    assert_int_equal(empty, fixture_frames);
    for (n = 0;; n++) {
        machine_fail_nth(n, false);
        error = mmk_mm_create(&mm);
        if (!machine_fail_stop())
            break;
        assert_int_equal(error, MMK_ENOMEM);
        mmk_drain();
        assert_int_equal(frames_free(), empty);
    }
    assert_int_equal(error, 0);
    assert_true(n >= 4); /* zero page, descriptor, counters, root */
    machine_switch_mm(mm);
}

static void test_users(void **state)
{
    struct mmk_mm *other = new_mm();

    (void)state;
    assert_int_equal(stats_now().address_spaces, 2);
    mmk_mm_get(other);
    mmk_mm_put(other);
    assert_int_equal(stats_now().address_spaces, 2);
    mmk_check(other);
    mmk_mm_put(other);
    assert_int_equal(stats_now().address_spaces, 1);
}

static void test_ids(void **state)
{
    uint64_t last = mmk_mm_id(mm);
    unsigned i;

    (void)state;
    for (i = 0; i < 100; i++) {
        struct mmk_mm *other = new_mm();

        assert_true(mmk_mm_id(other) > last);
        last = mmk_mm_id(other);
        mmk_mm_put(other);
    }
}

/* Many address spaces, more than a CPU remembers translations of, each with its own contents. */
static void test_many(void **state)
{
    struct mmk_mm *others[20];
    unsigned i, round;

    (void)state;
    for (i = 0; i < 20; i++) {
        others[i] = new_mm();
        assert_int_equal(mmk_mmap(others[i], BASE, 4 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0),
                         BASE);
    }
    for (round = 0; round < 3; round++)
        for (i = 0; i < 20; i++) {
            machine_switch_mm(others[i]);
            expect_byte(BASE, (uint8_t)(round ? i + round : 0));
            store_byte(BASE, (uint8_t)(i + round + 1));
        }
    machine_switch_mm(mm);
    for (i = 0; i < 20; i++)
        put_mm(others[i]);
}

/* mmap_base is drawn anew each time, page aligned, and leaves room for the stack above. */
static void test_placement(void **state)
{
    struct mmk_mm *other = new_mm();

    (void)state;
    assert_true(mm->mmap_base != other->mmap_base);
    assert_int_equal(mm->mmap_base % PAGE, 0);
    assert_true(mm->mmap_base <= MMK_MAP_WINDOW - 9 * MIB);
    put_mm(other);
}

/* The same counts as a program would sum up. */
static void test_stats(void **state)
{
    struct mmk_stats stats;
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    fill(a, 4, 1);
    stats = stats_now();
    assert_int_equal(stats.tables_linked, MMK_PT_LEVELS);
    assert_int_equal(stats.address_spaces, 1);
    assert_int_equal(stats.objects, 0);
    assert_true(stats.frames_free < stats.frames_total);
    assert_true(stats.slab_frames > 0);
    assert_int_equal(mm_stats(mm).tables[4], MMK_PT_LEVELS == 5 ? 1 : 0);
}

/* What a CPU keeps for itself goes back when it stops. */
static void test_cpu_offline(void **state)
{
    mmk_vaddr_t a = map_at(0, 512 * 8, RW, ANON);
    unsigned i;

    (void)state;
    for (i = 0; i < 8; i++)
        store_byte(a + i * 2 * MIB, 1);
    assert_int_equal(mmk_munmap(mm, a, 512 * 8 * PAGE), 0);
    machine_switch_mm(NULL);
    machine_cpu_detach();
    machine_cpu_attach(1);
    machine_switch_mm(mm);
    map_at(0, 1, RW, ANON);
    expect_byte(BASE, 0);
    machine_switch_mm(NULL);
    machine_cpu_detach();
    machine_cpu_attach(0);
    machine_switch_mm(mm);
    mmk_drain();
    assert_int_equal(stats_now().tables_stock, 0);
}

static void put_twice(void *argument)
{
    struct mmk_mm *other = new_mm();

    (void)argument;
    mmk_mm_put(other);
    mmk_mm_put(other);
}

static void init_twice(void *argument)
{
    const struct mmk_config config = MMK_CONFIG_DEFAULT;

    (void)argument;
    (void)!mmk_init(&config);
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(put_twice, NULL, "an address space is put once for each user"));
    assert_true(expect_panic(init_twice, NULL, "mmk_init() comes first"));
}

/* ---- the kernel's half of a root: the machine fills it with values that must stay -------------
 */

static uint64_t *kernel_half(struct mmk_mm *of)
{
    return (uint64_t *)of->top + mmk_pt_user_entries();
}

static unsigned kernel_entries(void)
{
    return MMK_PT_ENTRIES - mmk_pt_user_entries();
}

static void test_kernel_half(void **state)
{
    uint64_t before[MMK_PT_ENTRIES];
    struct mmk_mm *child;
    unsigned i;

    (void)state;
    memcpy(before, kernel_half(mm), kernel_entries() * sizeof(before[0]));
    for (i = 0; i < kernel_entries(); i++)
        assert_true(before[i] != 0);
    assert_int_equal(mmk_mmap(mm, MMK_USER_END - PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0),
                     MMK_USER_END - PAGE); /* the last of the program's entries */
    store_byte(MMK_USER_END - PAGE, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_madvise(mm, MMK_USER_END - PAGE, PAGE, MMK_MADV_DONTNEED), 0);
    expect_load(MMK_USER_END, MMK_FAULT_SEGV_MAPERR);
    mmk_check(mm);
    mmk_check_address(mm, MMK_USER_END - 1);
    mmk_check_address(mm, UINT64_MAX);
    assert_int_equal(mmk_munmap(mm, 0, MMK_USER_END), 0);
    expect_tables(mm, 0, 0, 0);
    assert_memory_equal(kernel_half(mm), before, kernel_entries() * sizeof(before[0]));
    for (i = 0; i < kernel_entries(); i++)
        assert_true(kernel_half(child)[i] != 0);
    put_mm(child);
}

/* A root that has been used is as good as any table, and any table as a root. */
static void test_kernel_half_reused(void **state)
{
    struct mmk_mm *other;
    unsigned i;

    (void)state;
    for (i = 0; i < 40; i++) {
        other = new_mm();
        put_mm(other);
        mmk_host_rcu_barrier();
        map_at(0, 1, RW, ANON);
        store_byte(BASE, 1);
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    }
}

static void touch_kernel_half(void *argument)
{
    struct mmk_mm *other = new_mm();

    (void)argument;
    kernel_half(other)[kernel_entries() - 1]++;
    mmk_table_free_root(other->root); /* as a grace period after the last put */
}

/* That the tests would notice. */
static void test_kernel_half_touched(void **state)
{
    (void)state;
    if (kernel_entries() == 0)
        skip();
    assert_true(expect_panic(touch_kernel_half, NULL, "the kernel's half of a root is left alone"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first),
        TEST(test_users),
        TEST(test_ids),
        TEST(test_many),
        TEST(test_placement),
        TEST(test_stats),
        TEST(test_cpu_offline),
        TEST(test_misuse),
        TEST(test_kernel_half),
        TEST(test_kernel_half_reused),
        TEST(test_kernel_half_touched),
    };

    return cmocka_run_group_tests_name("mm", tests, NULL, NULL);
}
