/* SPDX-License-Identifier: MIT */
/*
 * test_user.c - the kernel's accesses to memory of programs, each test in both ways: through the
 * CPU's MMU, and through the page tables in software. What Linux answers was tried out there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"
#include <mmkit/port/user.h>

#define MOST (3 * PAGE)

static uint8_t kernel[MOST + 64];

static int setup(bool by_tables, void **state)
{
    machine_user_by_tables(by_tables);
    return fixture_setup(state);
}

static int setup_mmu(void **state)
{
    return setup(false, state);
}

static int setup_tables(void **state)
{
    return setup(true, state);
}

/* Bytes that tell their place. */
static uint8_t at(size_t i)
{
    return (uint8_t)(i * 7 + i / 251 + 1);
}

static void fill_kernel(void)
{
    size_t i;

    for (i = 0; i < sizeof(kernel); i++)
        kernel[i] = at(i);
}

/* ---- copies ------------------------------------------------------------------------------------
 */

/* Each alignment of both ends against the word, and each side of a page's end. */
static void test_copy_exact(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 100};
    mmk_vaddr_t base = map_anon(3), to;
    uint8_t seen[160], expected[160];
    size_t from, i, n;

    (void)state;
    fill_kernel();
    for (to = base + PAGE - 24; to < base + PAGE + 9; to++)
        for (from = 0; from < 3; from++)
            for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                n = sizes[i];
                memset(expected, 0xaa, sizeof(expected));
                assert_int_equal(machine_store(to - 16, expected, sizeof(expected)), 0);
                memcpy(expected + 16, kernel + from, n);
                assert_int_equal(mmk_copy_to_user(mm, to, kernel + from, n), 0);
                assert_int_equal(machine_load(to - 16, seen, sizeof(seen)), 0);
                assert_memory_equal(seen, expected, sizeof(seen));
                memset(seen, 0x55, sizeof(seen));
                assert_int_equal(mmk_copy_from_user(mm, seen + from, to, n), 0);
                assert_memory_equal(seen + from, kernel + from, n);
                assert_int_equal(seen[from + n], 0x55);
            }
}

static void test_copy_pages(void **state)
{
    mmk_vaddr_t base = map_anon(4) + 100;
    static uint8_t back[MOST];

    (void)state;
    fill_kernel();
    assert_int_equal(mmk_copy_to_user(mm, base, kernel, MOST), 0);
    assert_int_equal(mmk_copy_from_user(mm, back, base, MOST), 0);
    assert_memory_equal(back, kernel, MOST);
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    mmk_check(mm);
}

/* Reads of untouched memory give zeros and take no page. */
static void test_copy_zero_page(void **state)
{
    mmk_vaddr_t base = map_anon(2);

    (void)state;
    fill_kernel();
    assert_int_equal(mmk_copy_from_user(mm, kernel, base + 10, PAGE), 0);
    for (size_t i = 0; i < PAGE; i++)
        assert_int_equal(kernel[i], 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_int_equal(mm_stats(mm).fault_zero, 2);
}

/* What can be copied is, to the byte; the rest of a copy to the kernel becomes zeros. */
static void test_copy_partial(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON);
    uint8_t byte;

    (void)state;
    fill_kernel();
    assert_int_equal(mmk_copy_to_user(mm, base + 2 * PAGE - 5, kernel, 8), 3);
    assert_int_equal(mmk_copy_from_user(mm, kernel + 100, base + 2 * PAGE - 5, 9), 4);
    assert_memory_equal(kernel + 100, kernel, 5);
    for (size_t i = 105; i < 109; i++)
        assert_int_equal(kernel[i], 0);
    assert_int_equal(kernel[109], at(109));
    assert_int_equal(mmk_clear_user(mm, base + 2 * PAGE - 4, 3 * PAGE), 3 * PAGE - 4);
    assert_int_equal(machine_load(base + 2 * PAGE - 5, &byte, 1), 0);
    assert_int_equal(byte, kernel[0]);
    expect_byte(base + 2 * PAGE - 4, 0);
    assert_int_equal(mmk_copy_to_user(mm, base + 2 * PAGE, kernel, 8), 8);
    assert_int_equal(mmk_copy_from_user(mm, kernel, base - 1, 2), 2); /* nothing before a gap */
    assert_int_equal(kernel[0], 0);
}

static void test_clear(void **state)
{
    mmk_vaddr_t base = map_anon(3);
    size_t n;

    (void)state;
    fill_kernel();
    for (n = 0; n < 40; n++) {
        assert_int_equal(mmk_copy_to_user(mm, base + PAGE - 20, kernel, 60), 0);
        assert_int_equal(mmk_clear_user(mm, base + PAGE - 20 + n / 2, n), 0);
        for (size_t i = 0; i < 60; i++)
            expect_byte(base + PAGE - 20 + i, i >= n / 2 && i < n / 2 + n ? 0 : kernel[i]);
    }
    assert_int_equal(mmk_clear_user(mm, base, 3 * PAGE), 0);
    expect_byte(base + PAGE - 1, 0);
}

/* Nothing outside the user half is touched, however the sum wraps. */
static void test_range(void **state)
{
    static const mmk_vaddr_t starts[] = {MMK_USER_END - 4,   MMK_USER_END,   MMK_USER_END + 1,
                                         (uint64_t)1 << 63,  UINT64_MAX - 3, UINT64_MAX,
                                         MMK_USER_END - PAGE};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        fill_kernel();
        assert_int_equal(mmk_copy_to_user(mm, starts[i], kernel, 8), 8);
        assert_int_equal(mmk_clear_user(mm, starts[i], SIZE_MAX), SIZE_MAX);
        assert_int_equal(mmk_copy_from_user(mm, kernel, starts[i], 8), 8);
        assert_int_equal(kernel[7], 0);
        assert_int_equal(kernel[8], at(8));
        assert_int_equal(mmk_copy_to_user(mm, starts[i], kernel, 0), 0);
        assert_int_equal(mmk_mm_read(mm, starts[i], kernel, 8, 0), 0);
        assert_int_equal(mmk_mm_write(mm, starts[i], kernel, 8, 0), 0);
    }
    assert_int_equal(mmk_clear_user(mm, 1, SIZE_MAX), SIZE_MAX);
    assert_int_equal(mm_stats(mm).fault_failed, 4); /* the last start is below the end, unmapped */
}

/* The last bytes of the user half. */
static void test_range_end(void **state)
{
    mmk_vaddr_t last = MMK_USER_END - PAGE;

    (void)state;
    fill_kernel();
    assert_int_equal(map(last, 1, RW, ANON | MMK_MAP_FIXED, NULL, 0), last);
    assert_int_equal(mmk_copy_to_user(mm, last, kernel, PAGE), 0);
    assert_int_equal(mmk_copy_to_user(mm, last + 1, kernel, PAGE), PAGE);
    expect_byte(MMK_USER_END - 1, kernel[PAGE - 1]);
}

static void test_protection(void **state)
{
    mmk_vaddr_t base = map_anon(3);

    (void)state;
    fill_kernel();
    fill(base, 3, 1);
    assert_int_equal(mmk_mprotect(mm, base + PAGE, PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, base + 2 * PAGE, PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_copy_to_user(mm, base, kernel, 2 * PAGE), PAGE);
    assert_int_equal(mmk_copy_from_user(mm, kernel, base, 3 * PAGE), PAGE);
    expect_byte(base + PAGE, 2);
    assert_int_equal(mmk_copy_from_user(mm, kernel, base + 2 * PAGE, 1), 1);
    assert_int_equal(mmk_mm_read(mm, base + 2 * PAGE, kernel, 1, 0), 0);
    assert_int_equal(mmk_mm_write(mm, base + PAGE, kernel, 1, 0), 0);
    assert_int_equal(mmk_mprotect(mm, base, 3 * PAGE, RW), 0);
    expect_byte(base + 2 * PAGE, 3);
}

/* Both sides write after a fork: each sees its own. */
static void test_copy_on_write(void **state)
{
    mmk_vaddr_t base = map_anon(1);
    struct mmk_mm *child;

    (void)state;
    store_byte(base, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_put_user(mm, base, 2, 1), 0);
    assert_int_equal(mmk_mm_write(child, base, &(uint8_t){3}, 1, 0), 1);
    expect_byte(base, 2);
    machine_switch_mm(child);
    expect_byte(base, 3);
    machine_switch_mm(mm);
    put_mm(child);
}

static void test_stack_grows(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, STACK);

    (void)state;
    assert_int_equal(mmk_put_user(mm, base - 3 * PAGE, 7, 8), 0);
    expect_vma(base, base - 3 * PAGE, 5);
    assert_int_equal(mmk_mm_read(mm, base - 5 * PAGE, kernel, 8, 0), 8);
    expect_vma(base, base - 5 * PAGE, 7);
}

/* ---- files -------------------------------------------------------------------------------------
 */

static void test_file(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t shared = map_object_at(0, 3, RW, MMK_MAP_SHARED, file, 0);
    mmk_vaddr_t private = map_object_at(8, 3, RW, MMK_MAP_PRIVATE, file, 0);

    (void)state;
    assert_int_equal(mmk_copy_from_user(mm, kernel, shared + PAGE, 2 * PAGE), PAGE); /* SIGBUS */
    assert_int_equal(kernel[0], 2);
    assert_int_equal(kernel[PAGE - 1], 2);
    assert_int_equal(mmk_put_user(mm, shared, 50, 1), 0);
    expect_byte(private, 50);
    assert_int_equal(mmk_put_user(mm, private, 60, 1), 0);
    expect_byte(shared, 50);
    expect_byte(private, 60);
    mmk_object_put(file);
}

/* A store through the kernel is a store: the page is dirty when its entry has gone (P5). */
static void test_dirty(void **state)
{
    struct mmk_object *file = new_file(1);
    mmk_vaddr_t base = map_object_at(0, 1, RW, MMK_MAP_SHARED, file, 0);
    struct mmk_page *page;
    struct mmk_walk walk;
    mmk_pte_t pte;

    (void)state;
    store_byte(base, 1);
    page = peek_page(mm, base);
    mmk_page_clear(page, MMK_PF_DIRTY); /* as a write-back would, entry and all */
    mmk_rcu_read_lock();
    mmk_walk_lock(mm, base, &walk);
    mmk_pte_set(walk.entry, mmk_pte_mkold_clean(mmk_pte_read(walk.entry)));
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    mmk_tlb_local_all(&mm->context);
    assert_int_equal(mmk_copy_from_user(mm, kernel, base, 8), 0);
    assert_false(mmk_pte_dirty(peek_entry(mm, base)));
    pte = peek_entry(mm, base);
    assert_int_equal(mmk_pte_mkused(pte, false).v, pte.v);
    assert_int_equal(mmk_put_user(mm, base, 2, 1), 0);
    assert_true(mmk_pte_dirty(peek_entry(mm, base)));
    assert_int_equal(mmk_munmap(mm, base, PAGE), 0);
    assert_true(mmk_page_test(page, MMK_PF_DIRTY));
    mmk_object_put(file);
}

/* ---- strings -----------------------------------------------------------------------------------
 */

static void test_string(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON);
    static const char text[] = "/usr/include/mmkit";
    char got[256];
    size_t start, n = sizeof(text) - 1;

    (void)state;
    for (start = 0; start < 200; start++) {
        mmk_vaddr_t addr = base + PAGE - 100 + start;

        assert_int_equal(machine_store(addr, text, sizeof(text)), 0);
        memset(got, 'x', sizeof(got));
        assert_int_equal(mmk_strncpy_from_user(mm, got, addr, sizeof(got)), n);
        assert_string_equal(got, text);
        assert_int_equal(mmk_strncpy_from_user(mm, got, addr, n + 1), n);
        assert_int_equal(mmk_strncpy_from_user(mm, got, addr, n), n);
        memset(got, 'x', sizeof(got));
        assert_int_equal(mmk_strncpy_from_user(mm, got, addr, 5), 5);
        assert_memory_equal(got, "/usr/x", 6);
    }
    assert_int_equal(mmk_strncpy_from_user(mm, got, base, 0), 0);
    assert_int_equal(mmk_strncpy_from_user(mm, got, 0, 0), 0);
}

/* The string may end just before what is not there; it may not go on. */
static void test_string_end(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON), end = base + 2 * PAGE;
    mmk_vaddr_t last = MMK_USER_END - PAGE;
    char got[256];

    (void)state;
    assert_int_equal(machine_store(end - 4, "abc", 4), 0);
    assert_int_equal(mmk_strncpy_from_user(mm, got, end - 4, sizeof(got)), 3);
    assert_string_equal(got, "abc");
    assert_int_equal(machine_store(end - 1, "d", 1), 0);
    assert_int_equal(mmk_strncpy_from_user(mm, got, end - 4, sizeof(got)), MMK_EFAULT);
    assert_int_equal(mmk_strncpy_from_user(mm, got, end - 4, 4), 4);
    assert_int_equal(mmk_strncpy_from_user(mm, got, end, 4), MMK_EFAULT);
    assert_int_equal(mmk_strncpy_from_user(mm, got, UINT64_MAX, 4), MMK_EFAULT);
    assert_int_equal(map(last, 1, RW, ANON | MMK_MAP_FIXED, NULL, 0), last);
    assert_int_equal(machine_store(MMK_USER_END - 2, "ab", 2), 0);
    assert_int_equal(mmk_strncpy_from_user(mm, got, MMK_USER_END - 2, 9), MMK_EFAULT);
    assert_int_equal(mmk_strncpy_from_user(mm, got, MMK_USER_END - 2, 2), 2);
}

/* ---- words -------------------------------------------------------------------------------------
 */

static void test_get_put(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON), addr;
    const uint64_t word = 0x8877665544332211;
    uint64_t got;
    unsigned size, i;

    (void)state;
    for (size = 1; size <= 8; size *= 2)
        for (addr = base + PAGE - 9; addr < base + PAGE + 9; addr++) {
            assert_int_equal(mmk_clear_user(mm, addr - 8, 24), 0);
            assert_int_equal(mmk_put_user(mm, addr, word, size), 0);
            for (i = 0; i < 8; i++)
                expect_byte(addr + i, i < size ? (uint8_t)(word >> 8 * i) : 0);
            assert_int_equal(mmk_get_user(mm, addr, &got, size), 0);
            assert_int_equal(got, size == 8 ? word : word & (((uint64_t)1 << 8 * size) - 1));
        }
    for (size = 0; size < 18; size++)
        if (size != 1 && size != 2 && size != 4 && size != 8) {
            assert_int_equal(mmk_get_user(mm, base, &got, size), MMK_EINVAL);
            assert_int_equal(mmk_put_user(mm, base, 1, size), MMK_EINVAL);
        }
    got = 5;
    assert_int_equal(mmk_get_user(mm, base + 2 * PAGE - 1, &got, 8), MMK_EFAULT);
    assert_int_equal(got, 0);
    assert_int_equal(mmk_put_user(mm, base + 2 * PAGE, 1, 1), MMK_EFAULT);
}

static void test_cmpxchg(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON);
    uint32_t found = 9;
    uint64_t word;

    (void)state;
    assert_int_equal(mmk_cmpxchg_user_nofault(mm, base, 0, 1, &found), MMK_EFAULT);
    assert_int_equal(mmk_cmpxchg_user(mm, base, 0, 1, &found), 0);
    assert_int_equal(found, 0);
    assert_int_equal(mmk_cmpxchg_user_nofault(mm, base, 0, 2, &found), 0);
    assert_int_equal(found, 1);
    assert_int_equal(mmk_cmpxchg_user(mm, base, 1, 3, &found), 0);
    assert_int_equal(mmk_get_user(mm, base, &word, 8), 0);
    assert_int_equal(word, 3);
    assert_int_equal(mmk_cmpxchg_user(mm, base + 2, 3, 4, &found), MMK_EINVAL);
    assert_int_equal(mmk_cmpxchg_user(mm, base + 2 * PAGE, 3, 4, &found), MMK_EFAULT);
    assert_int_equal(mmk_cmpxchg_user(mm, MMK_USER_END, 3, 4, &found), MMK_EFAULT);
    assert_int_equal(mmk_cmpxchg_user(mm, UINT64_MAX - 3, 3, 4, &found), MMK_EFAULT);
    assert_int_equal(mmk_mprotect(mm, base, PAGE, RO), 0);
    assert_int_equal(mmk_cmpxchg_user(mm, base, 77, 4, &found), MMK_EFAULT);
    expect_byte(base, 3);
}

#define ROUNDS 3000

/* Three CPUs count up one word, and none of it is lost. */
static void count_up(unsigned cpu, void *argument)
{
    const mmk_vaddr_t *addr = argument;
    uint32_t old = 0, found;
    int error;
    unsigned i;

    (void)cpu;
    machine_switch_mm(mm);
    for (i = 0; i < ROUNDS; i++)
        for (;;) {
            error = mmk_cmpxchg_user(mm, *addr, old, old + 1, &found);
            check(!error);
            if (found == old)
                break;
            old = found;
        }
    machine_switch_mm(NULL);
}

static void test_cmpxchg_race(void **state)
{
    mmk_vaddr_t base = map_at(0, 1, RW, ANON);
    uint64_t word;

    (void)state;
    race_cpus(count_up, &base);
    assert_int_equal(mmk_get_user(mm, base, &word, 4), 0);
    assert_int_equal(word, 3 * ROUNDS);
}

/* ---- without faults ----------------------------------------------------------------------------
 */

static void test_nofault(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON);
    uint64_t faults;

    (void)state;
    fill_kernel();
    assert_int_equal(mmk_copy_from_user_nofault(mm, kernel, base, 8), 8);
    assert_int_equal(kernel[0], at(0)); /* nothing is zeroed */
    assert_int_equal(mmk_copy_to_user_nofault(mm, base, kernel, 8), 8);
    assert_int_equal(mm_stats(mm).tables[0], 0);
    store_byte(base, 0x42);
    faults = machine_faults_here();
    assert_int_equal(mmk_copy_from_user_nofault(mm, kernel, base, 8), 0);
    assert_int_equal(kernel[0], 0x42);
    assert_int_equal(mmk_copy_to_user_nofault(mm, base + PAGE - 4, kernel, 8), 4);
    assert_int_equal(mmk_copy_from_user_nofault(mm, kernel, base + PAGE - 4, 8), 4);
    assert_int_equal(mmk_copy_from_user_nofault(mm, kernel, MMK_USER_END - 1, 8), 8);
    assert_int_equal(machine_faults_here(), faults);
    assert_int_equal(peek_entry(mm, base + PAGE).v, 0);
}

/* In an interrupt handler, with a spin lock held, inside a read section. */
static void test_nofault_anywhere(void **state)
{
    mmk_vaddr_t base = map_at(0, 1, RW, ANON);
    struct mmk_spinlock lock;
    unsigned long interrupts;
    uint32_t found;

    (void)state;
    store_byte(base, 1);
    mmk_spin_init(&lock);
    mmk_rcu_read_lock();
    mmk_spin_lock(&lock, MMK_LOCK_FRAME);
    interrupts = mmk_percpu_enter();
    assert_int_equal(mmk_copy_from_user_nofault(mm, kernel, base, 8), 0);
    assert_int_equal(mmk_copy_to_user_nofault(mm, base + 8, kernel, 8), 0);
    assert_int_equal(mmk_cmpxchg_user_nofault(mm, base, 1, 2, &found), 0);
    mmk_percpu_leave(interrupts);
    mmk_spin_unlock(&lock, MMK_LOCK_FRAME);
    mmk_rcu_read_unlock();
    expect_byte(base, 2);
    expect_byte(base + 8, 1);
}

/* What was interrupted may hold the lock: software gives up, hardware does not need it. */
static void test_nofault_table_locked(void **state)
{
    mmk_vaddr_t base = map_at(0, 1, RW, ANON);
    bool by_tables = !mmk_user_mapped();
    struct mmk_walk walk;
    uint32_t found;

    (void)state;
    store_byte(base, 1);
    mmk_rcu_read_lock();
    mmk_walk_lock(mm, base, &walk);
    assert_int_equal(mmk_copy_from_user_nofault(mm, kernel, base, 8), by_tables ? 8 : 0);
    assert_int_equal(mmk_copy_to_user_nofault(mm, base, kernel, 8), by_tables ? 8 : 0);
    assert_int_equal(mmk_cmpxchg_user_nofault(mm, base, 1, 2, &found), by_tables ? MMK_EFAULT : 0);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* ---- other address spaces ----------------------------------------------------------------------
 */

static void test_remote(void **state)
{
    struct mmk_mm *other = new_mm();
    int64_t base = mmk_mmap(other, BASE, 2 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    static uint8_t back[2 * PAGE];

    (void)state;
    assert_int_equal(base, BASE);
    fill_kernel();
    assert_int_equal(mmk_mm_write(other, BASE, kernel, 2 * PAGE, 0), 2 * PAGE);
    assert_int_equal(mmk_mm_read(other, BASE + 5, back, 2 * PAGE, 0), 2 * PAGE - 5);
    assert_memory_equal(back, kernel + 5, 2 * PAGE - 5);
    assert_int_equal(mmk_mm_write(other, BASE - 1, kernel, 2, 0), 0);
    expect_load(BASE, MMK_FAULT_SEGV_MAPERR); /* nothing has come to the space loaded */
    machine_switch_mm(other);
    expect_byte(BASE + 5, kernel[5]);
    machine_switch_mm(mm);
    put_mm(other);
}

/* What the program may not do: a debugger's writes go to a copy of its own. */
static void test_forced(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t text = map_object_at(0, 4, RX, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t none = map_at(8, 3, RW, ANON);
    mmk_vaddr_t shared = map_object_at(16, 4, RO, MMK_MAP_SHARED, file, 0);

    (void)state;
    fill_kernel();
    expect_byte(text + PAGE, 2);
    assert_int_equal(mmk_mm_write(mm, text, kernel, 4, MMK_MM_ALLOWED), 0);
    assert_int_equal(mmk_mm_write(mm, text + PAGE - 2, kernel, 4, MMK_MM_FORCE), 4);
    expect_byte(text + PAGE + 1, kernel[3]);
    expect_byte(text, 1);
    expect_byte(shared + PAGE + 1, 2);
    expect_store(text, MMK_FAULT_SEGV_ACCERR);
    expect_fetch(text, MMK_FAULT_DONE);
    mmk_check(mm);
    store_byte(none, 5);
    assert_int_equal(mmk_mprotect(mm, none, 3 * PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_mm_read(mm, none, kernel, 2 * PAGE, MMK_MM_FORCE), 2 * PAGE);
    assert_int_equal(kernel[0], 5);
    assert_int_equal(kernel[PAGE], 0);
    kernel[0] = 6;
    assert_int_equal(mmk_mm_write(mm, none, kernel, 3 * PAGE, MMK_MM_FORCE), 3 * PAGE);
    mmk_check(mm);
    expect_load(none, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, none, 3 * PAGE, RW), 0);
    expect_byte(none, 6);
    assert_int_equal(mmk_mm_write(mm, shared, kernel, 4, MMK_MM_FORCE), 0);
    assert_int_equal(mmk_mm_read(mm, shared, kernel, 4, MMK_MM_FORCE), 4);
    assert_int_equal(mmk_mm_read(mm, BASE - PAGE, kernel, 4, MMK_MM_FORCE), 0);
    mmk_object_put(file);
}

/* The child does not see what a debugger writes into the parent. */
static void test_forced_after_fork(void **state)
{
    mmk_vaddr_t base = map_anon(2);
    struct mmk_mm *child;
    uint8_t byte = 9;

    (void)state;
    fill(base, 2, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_mprotect(mm, base, 2 * PAGE, RO), 0);
    assert_int_equal(mmk_mm_write(mm, base, &byte, 1, MMK_MM_FORCE), 1);
    put_mm(child);
    assert_int_equal(mmk_mm_write(mm, base + PAGE, &byte, 1, MMK_MM_FORCE), 1); /* alone again */
    expect_byte(base, 9);
    expect_byte(base + PAGE, 9);
    assert_int_equal(mm_stats(mm).fault_cow, 1);
    assert_int_equal(mm_stats(mm).fault_reuse, 1);
}

/* The kernel's own frames, mapped: nothing to fault in or to force, and not for a pin's copy. */
static void test_frames(void **state)
{
    struct mmk_page *block = mmk_page_alloc(0, MMK_ALLOC_ZERO);
    int64_t base = mmk_map_frames(mm, BASE, PAGE, RO, MMK_MAP_FIXED, mmk_page_phys(block));
    uint64_t word = 7;
    uint32_t found;

    (void)state;
    assert_int_equal(base, BASE);
    assert_int_equal(mmk_mm_write(mm, BASE, &word, 8, MMK_MM_FORCE), 0);
    assert_int_equal(mmk_mm_read(mm, BASE, &word, 8, MMK_MM_ALLOWED), 8);
    assert_int_equal(word, 0);
    assert_int_equal(mmk_mprotect(mm, BASE, PAGE, RW), 0);
    assert_int_equal(mmk_put_user(mm, BASE, 7, 8), 0);
    assert_int_equal(mmk_cmpxchg_user(mm, BASE, 7, 8, &found), 0);
    assert_int_equal(*(uint8_t *)mmk_page_address(block), 8);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    mmk_page_put(block);
}

/* Beyond the end of memory the direct map has nothing: no fault helps. */
static void test_no_frames(void **state)
{
    int64_t base = mmk_map_frames(mm, BASE, PAGE, RW, MMK_MAP_FIXED, (mmk_paddr_t)1 << 35);
    uint64_t word = 7;

    (void)state;
    assert_int_equal(base, BASE);
    assert_int_equal(mmk_mm_read(mm, BASE, &word, 8, MMK_MM_FORCE), 0);
    assert_int_equal(mmk_mm_write(mm, BASE, &word, 8, MMK_MM_ALLOWED), 0);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
}

/* ---- no memory ---------------------------------------------------------------------------------
 */

static void test_no_memory(void **state)
{
    mmk_vaddr_t base = map_at(0, 2, RW, ANON);
    size_t left, moved;

    (void)state;
    fill_kernel();
    store_byte(base, 1);
    machine_fail_nth(0, true);
    left = mmk_copy_to_user(mm, base + PAGE - 3, kernel, 8);
    moved = mmk_mm_write(mm, base + PAGE - 2, kernel, 8, 0);
    assert_true(machine_fail_stop());
    assert_int_equal(left, 5);
    assert_int_equal(moved, 2);
    mmk_check(mm);
    assert_int_equal(mmk_copy_to_user(mm, base + PAGE - 3, kernel, 8), 0);
}

/* ---- races -------------------------------------------------------------------------------------
 */

#define FORKS 1000
#define WORDS 256 /* of each writer */

static struct mmk_a32 forks_done;
static mmk_vaddr_t counter_addr;

/*
 * Writes its half of the page while another CPU forks: what it wrote last is what it reads, so no
 * store went to a page that had just been left to the child. CPU 2 does not run the address space:
 * no flush waits for it.
 */
static void keep_writing(unsigned cpu, void *unused)
{
    mmk_vaddr_t addr = counter_addr + (cpu - 1) * (PAGE / 2);
    uint64_t pattern[WORDS], got[WORDS], n = 0;
    size_t moved, i;

    (void)unused;
    machine_switch_mm(cpu == 1 ? mm : NULL);
    while (!mmk_a32_load(&forks_done, MMK_ACQUIRE)) {
        n++;
        for (i = 0; i < WORDS; i++)
            pattern[i] = n << 8 | i;
        moved = cpu == 1 ? sizeof(pattern) - mmk_copy_to_user(mm, addr, pattern, sizeof(pattern))
                         : mmk_mm_write(mm, addr, pattern, sizeof(pattern), 0);
        check(moved == sizeof(pattern));
        moved = mmk_mm_read(mm, addr, got, sizeof(got), 0);
        check(moved == sizeof(got));
        check(memcmp(got, pattern, sizeof(got)) == 0);
    }
    machine_switch_mm(NULL);
}

/* A child that nobody runs stays as it was born. */
static void fork_and_look(unsigned cpu, void *unused)
{
    static uint8_t first[PAGE], second[PAGE];
    struct mmk_mm *child;
    unsigned i, look;
    int error;
    size_t got;

    if (cpu != 0) {
        keep_writing(cpu, unused);
        return;
    }
    for (i = 0; i < FORKS; i++) {
        error = mmk_fork(mm, &child);
        check(!error);
        got = mmk_mm_read(child, counter_addr, first, PAGE, 0);
        check(got == PAGE);
        for (look = 0; look < 3; look++) {
            got = mmk_mm_read(child, counter_addr, second, PAGE, 0);
            check(got == PAGE && memcmp(first, second, PAGE) == 0);
            mmk_cpu_relax();
        }
        mmk_mm_put(child);
    }
    mmk_a32_store(&forks_done, 1, MMK_RELEASE);
}

static void test_fork_race(void **state)
{
    (void)state;
    counter_addr = map_at(0, 1, RW, ANON);
    mmk_a32_store(&forks_done, 0, MMK_RELAXED);
    race_cpus(fork_and_look, NULL);
}

static int group_end(void **state)
{
    (void)state;
    machine_user_by_tables(false);
    return 0;
}

#define BOTH(name)                                                                                 \
    {#name, name, setup_mmu, fixture_teardown, NULL},                                              \
    {                                                                                              \
#name " by tables", name, setup_tables, fixture_teardown, NULL                             \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_copy_exact),
        BOTH(test_copy_pages),
        BOTH(test_copy_zero_page),
        BOTH(test_copy_partial),
        BOTH(test_clear),
        BOTH(test_range),
        BOTH(test_range_end),
        BOTH(test_protection),
        BOTH(test_copy_on_write),
        BOTH(test_stack_grows),
        BOTH(test_file),
        BOTH(test_dirty),
        BOTH(test_string),
        BOTH(test_string_end),
        BOTH(test_get_put),
        BOTH(test_cmpxchg),
        BOTH(test_cmpxchg_race),
        BOTH(test_nofault),
        BOTH(test_nofault_anywhere),
        BOTH(test_nofault_table_locked),
        BOTH(test_remote),
        BOTH(test_forced),
        BOTH(test_forced_after_fork),
        BOTH(test_frames),
        BOTH(test_no_frames),
        BOTH(test_no_memory),
        BOTH(test_fork_race),
    };

    return cmocka_run_group_tests_name("user", tests, NULL, group_end);
}
