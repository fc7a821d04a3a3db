/* SPDX-License-Identifier: MIT */
/*
 * test_pin.c - pins: the holder and the program see one page, whatever forks and copies; and the
 * frame outlives the program's use of it.
 *
 * "The device" is this file's own access to the frame, through the direct map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"

#define MANY 8

static struct mmk_page *pinned[MANY];

static void device_store(const struct mmk_page *page, uint64_t offset, uint64_t word)
{
    mmk_a64_store((struct mmk_a64 *)((char *)mmk_page_address(page) + offset), word, MMK_RELAXED);
}

static uint64_t device_load(const struct mmk_page *page, uint64_t offset)
{
    return mmk_a64_load((struct mmk_a64 *)((char *)mmk_page_address(page) + offset), MMK_RELAXED);
}

static uint8_t device_byte(const struct mmk_page *page)
{
    return *(const uint8_t *)mmk_page_address(page);
}

static void pin(mmk_vaddr_t addr, size_t n, unsigned flags)
{
    assert_int_equal(mmk_pin_pages(mm, addr, n, flags, pinned), n);
    mmk_check(mm);
    assert_int_equal(stats_now().pins, n);
}

static void unpin(size_t n, bool dirty)
{
    mmk_unpin_pages(pinned, n, dirty);
    assert_int_equal(stats_now().pins, 0);
    mmk_check(mm);
}

/* Device and program see each other's bytes. */
static void expect_shared(const struct mmk_page *page, mmk_vaddr_t addr, uint8_t byte)
{
    assert_ptr_equal(peek_page(mm, addr), page);
    store_byte(addr, byte);
    assert_int_equal(device_byte(page), byte);
    device_store(page, 0, byte + 1);
    expect_byte(addr, (uint8_t)(byte + 1));
}

/* ---- what is pinned ----------------------------------------------------------------------------
 */

static void test_write(void **state)
{
    mmk_vaddr_t base = map_anon(3);
    size_t i;

    (void)state;
    store_byte(base + PAGE, 7);
    pin(base, 3, MMK_PIN_WRITE);
    assert_int_equal(device_byte(pinned[1]), 7);
    for (i = 0; i < 3; i++)
        expect_shared(pinned[i], base + i * PAGE, 20);
    unpin(3, true);
    assert_true(mmk_page_test(pinned[0], MMK_PF_DIRTY));
    assert_int_equal(mmk_page_refs(pinned[0]), 1);
}

/* Untouched memory: a page of its own, not the zero page. */
static void test_read_untouched(void **state)
{
    mmk_vaddr_t base = map_anon(2);

    (void)state;
    expect_byte(base + PAGE, 0);
    pin(base, 2, MMK_PIN_READ);
    assert_int_equal(device_byte(pinned[1]), 0);
    expect_shared(pinned[0], base, 1);
    expect_shared(pinned[1], base + PAGE, 2);
    unpin(2, false);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
}

/* A page shared since a fork is copied for a pin that only reads, too. */
static void test_read_shared_with_child(void **state)
{
    mmk_vaddr_t base = map_anon(1);
    struct mmk_page *old;
    struct mmk_mm *child;

    (void)state;
    store_byte(base, 5);
    assert_int_equal(mmk_fork(mm, &child), 0);
    old = peek_page(mm, base);
    pin(base, 1, MMK_PIN_READ);
    assert_ptr_not_equal(pinned[0], old);
    assert_ptr_equal(peek_page(child, base), old);
    assert_int_equal(device_byte(pinned[0]), 5);
    expect_shared(pinned[0], base, 6);
    unpin(1, false);
    put_mm(child);
}

/* The same where the program may not write: the pin does not give it the right. */
static void test_read_only(void **state)
{
    mmk_vaddr_t base = map_anon(3);
    struct mmk_mm *child;
    size_t i;

    (void)state;
    fill(base, 2, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_mprotect(mm, base, 3 * PAGE, RO), 0);
    assert_int_equal(mmk_pin_pages(mm, base, 3, MMK_PIN_WRITE, pinned), MMK_EFAULT);
    pin(base, 3, MMK_PIN_READ);
    for (i = 0; i < 3; i++) {
        assert_ptr_equal(peek_page(mm, base + i * PAGE), pinned[i]);
        assert_ptr_not_equal(peek_page(child, base + i * PAGE), pinned[i]);
        assert_int_equal(device_byte(pinned[i]), i < 2 ? i + 1 : 0);
        expect_store(base + i * PAGE, MMK_FAULT_SEGV_ACCERR);
    }
    assert_int_equal(mmk_mprotect(mm, base, 3 * PAGE, RW), 0);
    expect_shared(pinned[0], base, 9); /* writing again means no copy */
    unpin(3, false);
    put_mm(child);
}

static void test_shared_file(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);

    (void)state;
    pin(base, 2, MMK_PIN_WRITE | MMK_PIN_LONGTERM);
    assert_int_equal(device_byte(pinned[1]), 2);
    expect_shared(pinned[0], base, 30);
    mmk_check_object(file);
    mmk_page_clear(pinned[1], MMK_PF_DIRTY);
    unpin(2, true);
    assert_true(mmk_page_test(pinned[1], MMK_PF_DIRTY));
    pin(base + 2 * PAGE, 1, MMK_PIN_READ);
    expect_shared(pinned[0], base + 2 * PAGE, 40);
    unpin(1, false);
    mmk_object_put(file);
}

/* A short pin that reads takes the file's page; a long one, or one that writes, a copy. */
static void test_private_file(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t shared = map_object_at(8, 4, RW, MMK_MAP_SHARED, file, 0);

    (void)state;
    pin(base, 1, MMK_PIN_READ);
    expect_byte(shared, 1);
    assert_ptr_equal(pinned[0], peek_page(mm, shared));
    unpin(1, false);
    pin(base, 1, MMK_PIN_READ | MMK_PIN_LONGTERM); /* mapped already */
    assert_ptr_not_equal(pinned[0], peek_page(mm, shared));
    expect_shared(pinned[0], base, 50);
    expect_byte(shared, 1);
    unpin(1, false);
    pin(base + PAGE, 1, MMK_PIN_READ | MMK_PIN_LONGTERM); /* not yet */
    assert_int_equal(device_byte(pinned[0]), 2);
    expect_shared(pinned[0], base + PAGE, 50);
    unpin(1, false);
    pin(base + 2 * PAGE, 1, MMK_PIN_WRITE);
    expect_shared(pinned[0], base + 2 * PAGE, 50);
    expect_byte(shared + 2 * PAGE, 3);
    unpin(1, true);
    mmk_object_put(file);
}

/* ---- what is not -------------------------------------------------------------------------------
 */

static void test_errors(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON);
    struct mmk_object *file = new_file(1);
    mmk_vaddr_t over = map_object_at(8, 2, RW, MMK_MAP_SHARED, file, 0);

    (void)state;
    assert_int_equal(mmk_pin_pages(mm, base + 8, 1, MMK_PIN_READ, pinned), MMK_EINVAL);
    assert_int_equal(mmk_pin_pages(mm, base, 1, 4, pinned), MMK_EINVAL);
    assert_int_equal(mmk_pin_pages(mm, base, 0, MMK_PIN_WRITE, pinned), 0);
    assert_int_equal(mmk_pin_pages(mm, base + 2 * PAGE, 1, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, base - PAGE, 2, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, MMK_USER_END, 1, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, 0 - PAGE, 2, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, over + PAGE, 1, MMK_PIN_READ, pinned), MMK_EFAULT);
    store_byte(base + PAGE, 1);
    assert_int_equal(mmk_mprotect(mm, base, 2 * PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_pin_pages(mm, base, 1, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, base + PAGE, 1, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, base, 1, MMK_PIN_WRITE, pinned), MMK_EFAULT);
    assert_int_equal(stats_now().pins, 0);
    mmk_object_put(file);
}

static void test_frames(void **state)
{
    struct mmk_page *block = mmk_page_alloc(0, MMK_ALLOC_ZERO);
    int64_t base = mmk_map_frames(mm, BASE, PAGE, RW, MMK_MAP_FIXED, mmk_page_phys(block));

    (void)state;
    assert_int_equal(base, BASE);
    assert_int_equal(mmk_pin_pages(mm, BASE, 1, MMK_PIN_READ, pinned), MMK_EFAULT);
    assert_int_equal(mmk_pin_pages(mm, BASE, 1, MMK_PIN_WRITE, pinned), MMK_EFAULT);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    mmk_page_put(block);
}

/* The first ones are pinned, and say how many. */
static void test_partial(void **state)
{
    mmk_vaddr_t base = map_at(0, 3, RW, ANON);

    (void)state;
    assert_int_equal(mmk_pin_pages(mm, base, 5, MMK_PIN_WRITE, pinned), 3);
    assert_int_equal(stats_now().pins, 3);
    unpin(3, false);
    assert_int_equal(mmk_mprotect(mm, base + PAGE, PAGE, RO), 0);
    assert_int_equal(mmk_pin_pages(mm, base, 3, MMK_PIN_WRITE, pinned), 1);
    unpin(1, false);
}

static void test_stack_grows(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, STACK);

    (void)state;
    assert_int_equal(mmk_pin_pages(mm, base - 2 * PAGE, 3, MMK_PIN_WRITE, pinned), 3);
    expect_vma(base, base - 2 * PAGE, 4);
    assert_int_equal(mm_stats(mm).fault_anon, 3); /* written at once: no zero page before that */
    assert_int_equal(mm_stats(mm).fault_zero, 0);
    unpin(3, true);
}

static void no_memory(mmk_vaddr_t addr, size_t n, uint64_t nth, int64_t expected)
{
    int64_t got;

    machine_fail_nth(nth, true);
    got = mmk_pin_pages(mm, addr, n, MMK_PIN_WRITE, pinned);
    assert_true(machine_fail_stop());
    assert_int_equal(got, expected);
}

static void test_no_memory(void **state)
{
    mmk_vaddr_t base = map_at(0, 4, RW, ANON);

    (void)state;
    no_memory(base, 4, 0, MMK_ENOMEM);
    store_byte(base, 1);
    no_memory(base, 4, 0, 1);
    unpin(1, false);
    no_memory(base, 4, 1, 2);
    unpin(2, false);
}

/* ---- fork (P9) ---------------------------------------------------------------------------------
 */

static void test_fork(void **state)
{
    mmk_vaddr_t base = map_anon(4);
    struct mmk_mm *child;

    (void)state;
    fill(base, 4, 1);
    pin(base + PAGE, 2, MMK_PIN_WRITE);
    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_check(child);
    assert_int_equal(mm_stats(child).rss_anon, 4);
    expect_shared(pinned[0], base + PAGE, 60);
    device_store(pinned[1], 0, 77);
    expect_byte(base + 2 * PAGE, 77);
    machine_switch_mm(child);
    expect_filled(base, 4, 1); /* as it was when forked */
    store_byte(base + PAGE, 88);
    machine_switch_mm(mm);
    expect_byte(base + PAGE, 61);
    assert_int_equal(mm_stats(child).fault_cow + mm_stats(child).fault_reuse, 0);
    put_mm(child);
    unpin(2, true);
}

/* Many in one table, more in the next, and a mapping that shares the table. */
static void test_fork_many(void **state)
{
    static struct mmk_page *pages[600];
    mmk_vaddr_t base = map_at(0, 600, RW, ANON);
    mmk_vaddr_t next = map_at(600, 3, RO, ANON);
    struct mmk_mm *child;
    size_t i;

    (void)state;
    fill(base, 600, 1);
    expect_byte(next, 0);
    assert_int_equal(mmk_pin_pages(mm, base, 600, MMK_PIN_WRITE, pages), 600);
    assert_int_equal(mmk_pin_pages(mm, next + 2 * PAGE, 1, MMK_PIN_READ, pinned), 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_check(mm);
    mmk_check(child);
    machine_switch_mm(child);
    expect_filled(base, 600, 1);
    expect_byte(next + 2 * PAGE, 0);
    machine_switch_mm(mm);
    for (i = 0; i < 600; i++) {
        assert_ptr_equal(peek_page(mm, base + i * PAGE), pages[i]);
        assert_ptr_not_equal(peek_page(child, base + i * PAGE), pages[i]);
    }
    put_mm(child);
    mmk_unpin_pages(pages, 600, true);
    unpin(1, false);
}

/* A page that may not be accessed now; the child's may not either. */
static void test_fork_protected(void **state)
{
    mmk_vaddr_t base = map_anon(2);
    struct mmk_mm *child;

    (void)state;
    fill(base, 2, 1);
    pin(base, 2, MMK_PIN_WRITE);
    assert_int_equal(mmk_mprotect(mm, base, PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_mprotect(mm, base + PAGE, PAGE, RX), 0);
    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_check(child);
    machine_switch_mm(child);
    expect_load(base, MMK_FAULT_SEGV_ACCERR);
    expect_fetch(base + PAGE, MMK_FAULT_DONE);
    expect_store(base + PAGE, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(child, base, 2 * PAGE, RW), 0);
    expect_filled(base, 2, 1);
    store_byte(base, 9);
    machine_switch_mm(mm);
    put_mm(child);
    assert_int_equal(mmk_mprotect(mm, base, 2 * PAGE, RW), 0);
    expect_shared(pinned[0], base, 3);
    unpin(2, false);
}

static void test_fork_after_unpin(void **state)
{
    mmk_vaddr_t base = map_anon(1);
    struct mmk_mm *child;

    (void)state;
    store_byte(base, 1);
    pin(base, 1, MMK_PIN_WRITE);
    unpin(1, false);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_ptr_equal(peek_page(mm, base), peek_page(child, base));
    put_mm(child);
}

/* ---- the frame lives on ------------------------------------------------------------------------
 */

static void expect_alone(uint8_t byte)
{
    assert_int_equal(device_byte(pinned[0]), byte);
    device_store(pinned[0], 0, 200);
    assert_int_equal(mmk_page_refs(pinned[0]), 1);
}

static void test_dontneed(void **state)
{
    mmk_vaddr_t base = map_anon(1);

    (void)state;
    store_byte(base, 1);
    pin(base, 1, MMK_PIN_WRITE);
    assert_int_equal(mmk_madvise(mm, base, PAGE, MMK_MADV_DONTNEED), 0);
    expect_alone(1);
    expect_byte(base, 0);
    store_byte(base, 2);
    assert_int_equal(device_byte(pinned[0]), 200);
    unpin(1, true);
    expect_byte(base, 2);
}

static void test_unmap(void **state)
{
    mmk_vaddr_t base = map_anon(2);

    (void)state;
    store_byte(base, 1);
    pin(base, 1, MMK_PIN_WRITE);
    assert_int_equal(mmk_munmap(mm, base, PAGE), 0);
    expect_alone(1);
    unpin(1, true);
}

static void test_lazyfree(void **state)
{
    mmk_vaddr_t base = map_anon(1);

    (void)state;
    store_byte(base, 1);
    pin(base, 1, MMK_PIN_WRITE);
    assert_int_equal(mmk_madvise(mm, base, PAGE, MMK_MADV_FREE), 0);
    assert_false(mmk_page_test(pinned[0], MMK_PF_LAZYFREE));
    unpin(1, false);
}

static void test_truncate(void **state)
{
    struct mmk_object *object = new_shmem(2);
    mmk_vaddr_t base = map_object_at(0, 2, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store_byte(base + PAGE, 1);
    pin(base + PAGE, 1, MMK_PIN_WRITE);
    assert_int_equal(mmk_object_resize(object, PAGE), 0);
    expect_alone(1);
    expect_load(base + PAGE, MMK_FAULT_BUS);
    assert_int_equal(mmk_object_resize(object, 2 * PAGE), 0);
    expect_byte(base + PAGE, 0);
    mmk_check_object(object);
    unpin(1, true);
    mmk_object_put(object);
}

static void test_exit(void **state)
{
    struct mmk_mm *other = new_mm();
    int64_t base = mmk_mmap(other, BASE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);

    (void)state;
    assert_int_equal(mmk_pin_pages(other, (mmk_vaddr_t)base, 1, MMK_PIN_WRITE, pinned), 1);
    put_mm(other);
    expect_alone(0);
    mmk_unpin_pages(pinned, 1, true);
    assert_int_equal(stats_now().pins, 0);
}

/* Several pins of one page. */
static void test_twice(void **state)
{
    mmk_vaddr_t base = map_anon(1);

    (void)state;
    assert_int_equal(mmk_pin_pages(mm, base, 1, MMK_PIN_WRITE, &pinned[0]), 1);
    assert_int_equal(mmk_pin_pages(mm, base, 1, MMK_PIN_READ, &pinned[1]), 1);
    assert_ptr_equal(pinned[0], pinned[1]);
    mmk_check(mm);
    mmk_unpin_pages(&pinned[0], 1, false);
    assert_true(mmk_page_pinned(pinned[1]));
    mmk_unpin_pages(&pinned[1], 1, false);
    assert_false(mmk_page_pinned(pinned[1]));
}

/* ---- races -------------------------------------------------------------------------------------
 */

#define ROUNDS 3000

static struct mmk_a32 over;
static mmk_vaddr_t target;

/* Between pin and unpin each side sees what the other has stored, whatever forks meanwhile. */
static void pin_and_talk(unsigned cpu)
{
    uint64_t n, word, at = cpu * 64;
    enum mmk_fault_result result;
    struct mmk_page *page;
    int64_t got;

    for (n = 1; n <= ROUNDS; n++) {
        got = mmk_pin_pages(mm, target, 1, n % 2 ? MMK_PIN_WRITE : MMK_PIN_READ, &page);
        check(got == 1);
        device_store(page, at, n);
        result = machine_load(target + at, &word, sizeof(word));
        check(result == MMK_FAULT_DONE && word == n);
        word = n + ROUNDS;
        result = machine_store(target + at, &word, sizeof(word));
        check(result == MMK_FAULT_DONE);
        check(device_load(page, at) == n + ROUNDS);
        mmk_unpin_pages(&page, 1, true);
    }
    mmk_a32_fetch_add(&over, 1, MMK_RELEASE);
}

/* A child stays as it was born, though the parent's page is written by devices. */
static void fork_all_the_time(void)
{
    static uint8_t first[PAGE], second[PAGE];
    struct mmk_mm *child;
    size_t got;
    int error;

    while (mmk_a32_load(&over, MMK_ACQUIRE) < 2) {
        error = mmk_fork(mm, &child);
        check(!error);
        got = mmk_mm_read(child, target, first, PAGE, 0);
        check(got == PAGE);
        mmk_cpu_relax();
        got = mmk_mm_read(child, target, second, PAGE, 0);
        check(got == PAGE && memcmp(first, second, PAGE) == 0);
        mmk_mm_put(child);
    }
}

static void race(unsigned cpu, void *unused)
{
    (void)unused;
    machine_switch_mm(mm);
    if (cpu == 0)
        fork_all_the_time();
    else
        pin_and_talk(cpu);
    machine_switch_mm(NULL);
}

static void test_fork_race(void **state)
{
    (void)state;
    target = map_at(0, 1, RW, ANON);
    store_byte(target, 1);
    mmk_a32_store(&over, 0, MMK_RELAXED);
    race_cpus(race, NULL);
    assert_int_equal(stats_now().pins, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_write),       TEST(test_read_untouched), TEST(test_read_shared_with_child),
        TEST(test_read_only),   TEST(test_shared_file),    TEST(test_private_file),
        TEST(test_errors),      TEST(test_frames),         TEST(test_partial),
        TEST(test_stack_grows), TEST(test_no_memory),      TEST(test_fork),
        TEST(test_fork_many),   TEST(test_fork_protected), TEST(test_fork_after_unpin),
        TEST(test_dontneed),    TEST(test_unmap),          TEST(test_lazyfree),
        TEST(test_truncate),    TEST(test_exit),           TEST(test_twice),
        TEST(test_fork_race),
    };

    return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
