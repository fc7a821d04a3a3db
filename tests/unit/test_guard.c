/* SPDX-License-Identifier: MIT */
/*
 * test_guard.c - MADV_GUARD_INSTALL and MADV_GUARD_REMOVE: what programs see, what outlives what,
 * the tables, failing allocations, and races with faults and other advice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"

static int install(mmk_vaddr_t addr, uint64_t pages)
{
    return advise(addr, pages, MMK_MADV_GUARD_INSTALL);
}

static int uninstall(mmk_vaddr_t addr, uint64_t pages)
{
    return advise(addr, pages, MMK_MADV_GUARD_REMOVE);
}

/* Nothing comes through, and what hardware reads is no translation. */
static void expect_guards(mmk_vaddr_t addr, uint64_t pages)
{
    uint64_t i;

    for (i = 0; i < pages; i++) {
        assert_true(mmk_pte_guard(peek_entry(mm, addr + i * PAGE)));
        expect_load(addr + i * PAGE + 5, MMK_FAULT_SEGV_MAPERR);
        expect_store(addr + i * PAGE, MMK_FAULT_SEGV_MAPERR);
    }
}

static void expect_no_guards(mmk_vaddr_t addr, uint64_t pages)
{
    uint64_t i;

    for (i = 0; i < pages; i++)
        assert_false(mmk_pte_guard(peek_entry(mm, addr + i * PAGE)));
}

/* ---- what a program sees -----------------------------------------------------------------------
 */

static void test_access(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW | MMK_PROT_EXEC, ANON);

    (void)state;
    fill(a, 5, 1);
    expect_byte(a + 5 * PAGE, 0); /* the zero page; then two untouched */
    assert_int_equal(install(a + 2 * PAGE, 5), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    expect_guards(a + 2 * PAGE, 5);
    expect_fetch(a + 2 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_filled(a, 2, 1);
    expect_byte(a + 7 * PAGE, 0);
    expect_shape(1, 8);                        /* no mapping was split */
    assert_int_equal(install(a + PAGE, 3), 0); /* over guards and a page */
    expect_guards(a + PAGE, 6);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    assert_int_equal(uninstall(a, 4), 0); /* over a page and guards */
    expect_byte(a, 1);
    expect_byte(a + PAGE, 0);
    store_byte(a + 3 * PAGE, 7);
    expect_guards(a + 4 * PAGE, 3);
    assert_int_equal(uninstall(a, 8), 0);
    assert_int_equal(uninstall(a, 8), 0);
    expect_no_guards(a, 8);
    expect_byte(a + 3 * PAGE, 7);
    expect_byte(a + 4 * PAGE, 0);
}

/* What the mapping forbids is said first. */
static void test_protection(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RO, ANON);

    (void)state;
    assert_int_equal(install(a, 2), 0);
    expect_load(a, MMK_FAULT_SEGV_MAPERR);
    expect_store(a, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, MMK_PROT_NONE), 0);
    mmk_check(mm);
    expect_load(a, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(install(a + 2 * PAGE, 1), 0);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RW), 0);
    expect_guards(a, 3);
    expect_byte(a + 3 * PAGE, 0);
}

/* Advice, truncation and holes take pages; guards stay. */
static void test_kept(void **state)
{
    struct mmk_object *file = new_file(8), *shmem = new_shmem(8);
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    mmk_vaddr_t b = map_object_at(4, 4, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t c = map_object_at(8, 4, RW, MMK_MAP_SHARED, shmem, 0);

    (void)state;
    fill(a, 12, 1);
    assert_int_equal(install(a, 2), 0);
    assert_int_equal(install(b, 2), 0);
    assert_int_equal(install(c, 2), 0);
    assert_int_equal(advise(a, 4, MMK_MADV_FREE), 0);
    assert_int_equal(advise(a, 12, MMK_MADV_DONTNEED), 0);
    assert_int_equal(advise(a, 12, MMK_MADV_COLD), 0);
    assert_int_equal(advise(a, 12, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(advise(c, 4, MMK_MADV_REMOVE), 0);
    assert_int_equal(mmk_object_punch_hole(file, 0, 4 * PAGE), 0);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    assert_int_equal(mmk_object_resize(shmem, 0), 0);
    expect_guards(a, 2);
    expect_guards(b, 2);
    expect_guards(c, 2);
    expect_load(b + 2 * PAGE, MMK_FAULT_BUS);
    expect_load(c + 2 * PAGE, MMK_FAULT_BUS);
    expect_byte(a + 2 * PAGE, 0);
    mmk_object_put(file);
    mmk_object_put(shmem);
}

static void test_gone(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(install(a, 8), 0);
    assert_int_equal(mmk_munmap(mm, a, 2 * PAGE), 0);
    mmk_check(mm);
    map_at(0, 2, RW, ANON);
    expect_byte(a, 0);
    map_at(2, 2, RW, ANON);
    expect_byte(a + 2 * PAGE, 0);
    expect_guards(a + 4 * PAGE, 4);
    assert_int_equal(mmk_munmap(mm, a, 8 * PAGE), 0);
    expect_tables(mm, 0, 0, 0);
    map_at(0, 8, RW, ANON);
    assert_int_equal(install(a, 8), 0); /* and by exit */
}

/* Of objects: the entry goes, the page stays; a guard comes before the object's end. */
static void test_objects(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t a = map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    mmk_vaddr_t b = map_object_at(4, 4, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t c = map_object_at(8, 4, RO, MMK_MAP_SHARED, file, 0);

    (void)state;
    store_byte(a, 77);
    store_byte(b + PAGE, 88);
    expect_byte(c, 77);
    assert_int_equal(install(a, 12), 0);
    assert_int_equal(mm_stats(mm).rss_anon + mm_stats(mm).rss_file, 0);
    expect_guards(a, 8);
    expect_load(c + 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(uninstall(a, 12), 0);
    expect_tables(mm, 0, 0, 0);
    expect_byte(a, 77);
    expect_byte(b + PAGE, 2);
    expect_byte(c, 77);
    expect_load(c + 3 * PAGE, MMK_FAULT_BUS);
    mmk_check_object(file);
    mmk_object_put(file);
}

static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(mmk_munmap(mm, a + 2 * PAGE, PAGE), 0);
    assert_int_equal(mmk_munmap(mm, a + 5 * PAGE, PAGE), 0);
    assert_int_equal(install(a, 8), MMK_ENOMEM);
    expect_guards(a, 2);
    expect_guards(a + 3 * PAGE, 2);
    expect_guards(a + 6 * PAGE, 2);
    assert_int_equal(uninstall(a, 8), MMK_ENOMEM);
    expect_tables(mm, 0, 0, 0);
    assert_int_equal(install(a + 2 * PAGE, 1), MMK_ENOMEM);
    expect_tables(mm, 0, 0, 0);
}

/* Locked memory keeps its pages: none are installed, but those there are can go. */
static void test_locked(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    store_byte(a + PAGE, 5);
    assert_int_equal(install(a, 1), 0);
    assert_int_equal(mmk_mlock2(mm, a, 4 * PAGE, MMK_MLOCK_ONFAULT), 0);
    assert_int_equal(install(a, 4), MMK_EINVAL);
    expect_byte(a + PAGE, 5);
    assert_int_equal(uninstall(a, 4), 0);
    expect_byte(a, 0);
    assert_int_equal(mmk_munlock(mm, a, 4 * PAGE), 0);
}

/* The kernel's accesses and what asks about pages meet guards, too. */
static void test_elsewhere(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON), b = map_at(4, 4, RW, SHARED_ANON);
    uint8_t resident[4], bytes[2 * PAGE];

    (void)state;
    fill(a, 8, 1);
    assert_int_equal(install(a + PAGE, 1), 0);
    assert_int_equal(install(b + PAGE, 1), 0);
    assert_int_equal(mmk_mincore(mm, a, 4 * PAGE, resident), 0);
    assert_memory_equal(resident, ((uint8_t[]){1, 0, 1, 1}), 4);
    assert_int_equal(mmk_mincore(mm, b, 4 * PAGE, resident), 0);
    assert_memory_equal(resident, ((uint8_t[]){1, 1, 1, 1}), 4); /* in the object */
    assert_int_equal(advise(a, 4, MMK_MADV_POPULATE_READ), MMK_EFAULT);
    assert_int_equal(advise(a, 4, MMK_MADV_POPULATE_WRITE), MMK_EFAULT);
    assert_int_equal(advise(a, 4, MMK_MADV_WILLNEED), 0);
    assert_int_equal(mmk_copy_from_user(mm, bytes, a, 2 * PAGE), PAGE);
    assert_int_equal(mmk_copy_to_user(mm, a + PAGE, bytes, 10), 10);
    assert_int_equal(mmk_mm_read(mm, a + 2 * PAGE, bytes, 2 * PAGE, MMK_MM_ALLOWED), 2 * PAGE);
    assert_int_equal(mmk_mm_write(mm, a + PAGE - 5, bytes, 10, MMK_MM_ALLOWED), 5);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_mm_read(mm, a, bytes, 2 * PAGE, MMK_MM_FORCE), PAGE);
    assert_int_equal(mmk_mm_write(mm, a + PAGE, bytes, 10, MMK_MM_FORCE), 0);
    assert_int_equal(mmk_mprotect(mm, a, 4 * PAGE, RW), 0);
    expect_guards(a + PAGE, 1);
}

/* ---- tables and flushes ------------------------------------------------------------------------
 */

/* Untouched memory: install builds what the guards need, remove leaves the least. */
static void test_tables(void **state)
{
    mmk_vaddr_t a = map_at(0, 4 * 512, RW, ANON);

    (void)state;
    assert_int_equal(install(a, 4 * 512), 0);
    expect_tables(mm, 4, 1, 1);
    expect_guards(a + 511 * PAGE, 2);
    expect_guards(a + (4 * 512 - 1) * PAGE, 1);
    assert_int_equal(uninstall(a, 4 * 512), 0);
    expect_tables(mm, 0, 0, 0);
    /* Across tables, not aligned; one table is there already. */
    store_byte(a + 700 * PAGE, 9);
    assert_int_equal(install(a + 511 * PAGE, 514), 0);
    expect_tables(mm, 3, 1, 1);
    expect_no_guards(a, 511);
    expect_guards(a + 511 * PAGE, 514);
    expect_no_guards(a + 1025 * PAGE, 3 * 512 - 1025);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    assert_int_equal(uninstall(a + 512 * PAGE, 512), 0);
    expect_tables(mm, 2, 1, 1);
    assert_int_equal(uninstall(a, 4 * 512), 0);
    expect_tables(mm, 0, 0, 0);
}

/* Across the tables of every level, and at both ends of the address space. */
static void test_edges(void **state)
{
    const struct mmk_config config = MMK_CONFIG_DEFAULT;
    mmk_vaddr_t ends[] = {BASE + GIB, BASE + ROOT_SPAN, config.mmap_min_addr + PAGE,
                          MMK_USER_END - PAGE};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)map(ends[i] - PAGE, 2, RW, ANON | MMK_MAP_FIXED, NULL, 0);
        store_byte(ends[i], 3);
        assert_int_equal(install(ends[i] - PAGE, 2), 0);
        expect_guards(ends[i] - PAGE, 2);
        assert_int_equal(uninstall(ends[i] - PAGE, 2), 0);
        expect_tables(mm, 0, 0, 0);
    }
}

static void test_one_flush(void **state)
{
    uint64_t i, flushes;

    (void)state;
    for (i = 0; i < 8; i++)
        map_at(i * 512, 512, i % 2 ? RW : MMK_PROT_WRITE, ANON);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(install(BASE, 8 * 512), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes); /* nothing was there */
    assert_int_equal(uninstall(BASE, 8 * 512), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1); /* the tables */
    for (i = 0; i < 8; i++)
        fill(BASE + i * 2 * MIB, 3, 1);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(install(BASE, 8 * 512), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    assert_int_equal(uninstall(BASE, 8 * 512 - 1), 0);
    expect_guards(BASE + (8 * 512 - 1) * PAGE, 1);
}

/* ---- failing allocations -----------------------------------------------------------------------
 */

/* Without a table: what lies below is done, the rest is as before. */
static void test_no_table(void **state)
{
    mmk_vaddr_t a = map_at(0, 4 * 512, RW, ANON);
    uint64_t n, done = 0;
    int error;

    (void)state;
    for (n = 0; done < 4; n++) {
        store_byte(a + 1600 * PAGE, 7);
        machine_fail_nth(n, true);
        error = mmk_madvise(mm, a + 100 * PAGE, 1800 * PAGE, MMK_MADV_GUARD_INSTALL);
        (void)machine_fail_stop();
        mmk_check(mm);
        for (done = 0; done < 4 && mmk_pte_guard(peek_entry(mm, a + (done * 512 + 100) * PAGE));)
            done++;
        assert_int_equal(error, done < 4 ? MMK_ENOMEM : 0);
        if (done)
            expect_guards(a + 100 * PAGE, done * 512 - (done < 4 ? 100 : 248));
        if (done < 4) {
            expect_no_guards(a + done * 512 * PAGE, 512);
            expect_byte(a + 1600 * PAGE, 7);
        }
        assert_int_equal(uninstall(a, 4 * 512), 0);
    }
    assert_true(n > 3);
}

/* Without memory to note more pages: flushes early, goes on. */
static void test_no_room(void **state)
{
    mmk_vaddr_t a = map_at(0, 600, RW, ANON);
    uint64_t early;
    int error;

    (void)state;
    fill(a, 600, 1);
    early = stats_now().gather_early;
    machine_fail_nth(0, true);
    error = mmk_madvise(mm, a, 600 * PAGE, MMK_MADV_GUARD_INSTALL);
    assert_true(machine_fail_stop());
    assert_int_equal(error, 0);
    assert_true(stats_now().gather_early > early);
    mmk_check(mm);
    expect_guards(a, 600);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
}

/* ---- fork, and mappings that merge -------------------------------------------------------------
 */

/* Children get guards, of shared mappings as well, and change them for themselves. */
static void test_fork(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 4, RW, ANON), b = map_at(4, 4, RW, SHARED_ANON);
    mmk_vaddr_t c = map_object_at(8, 4, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t d = map_at(512, 4, RW, SHARED_ANON);
    struct mmk_mm *parent;

    (void)state;
    fill(a, 12, 1);
    store_byte(d, 1);
    assert_int_equal(install(a + PAGE, 2), 0);
    assert_int_equal(install(b + PAGE, 2), 0);
    assert_int_equal(install(c + PAGE, 2), 0);
    parent = enter_child();
    expect_tables(mm, 1, 1, 1); /* none for the last, which has nothing to copy */
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    assert_int_equal(mm_stats(mm).rss_shmem, 0);
    expect_guards(a + PAGE, 2);
    expect_guards(b + PAGE, 2);
    expect_guards(c + PAGE, 2);
    expect_byte(a + 3 * PAGE, 4);
    expect_byte(b + 3 * PAGE, 8);
    expect_byte(c + 3 * PAGE, 12);
    assert_int_equal(uninstall(a, 12), 0);
    expect_byte(a + PAGE, 0);
    expect_byte(b + PAGE, 6);
    expect_byte(c + PAGE, 2);
    assert_int_equal(install(a, 4), 0);
    leave_child(parent);
    expect_guards(a + PAGE, 2);
    expect_guards(b + PAGE, 2);
    expect_guards(c + PAGE, 2);
    expect_byte(a, 1);
    mmk_object_put(file);
}

/* The hint that a mapping has guards survives splitting and merging, in either direction. */
static void test_fork_merged(void **state)
{
    mmk_vaddr_t a = map_at(2, 4, RW, SHARED_ANON);
    struct mmk_object *shmem = new_shmem(12);
    mmk_vaddr_t b = map_object_at(24, 4, RW, MMK_MAP_SHARED, shmem, 4);
    struct mmk_mm *parent;

    (void)state;
    assert_int_equal(install(a + PAGE, 1), 0);
    assert_int_equal(mmk_mprotect(mm, a, 2 * PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, a, 2 * PAGE, RW), 0);
    expect_vma(a, a, 4);
    assert_int_equal(install(b + 3 * PAGE, 1), 0);
    map_object_at(28, 4, RW, MMK_MAP_SHARED, shmem, 8); /* above it */
    map_object_at(20, 4, RW, MMK_MAP_SHARED, shmem, 0); /* below it */
    expect_vma(b, b - 4 * PAGE, 12);
    /* The part with guards is the upper one, and moves into the lower one. */
    assert_int_equal(mmk_mprotect(mm, b - 4 * PAGE, 6 * PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, b - 4 * PAGE, 6 * PAGE, RW), 0);
    expect_vma(b, b - 4 * PAGE, 12);
    parent = enter_child();
    expect_guards(a + PAGE, 1);
    expect_guards(b + 3 * PAGE, 1);
    leave_child(parent);
    mmk_object_put(shmem);
}

/* A mapping with guards is put into one without: the table is one, the flags are two. */
static void test_merged_by_placing(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    map_at(4, 2, RW, ANON);
    assert_int_equal(install(a + 4 * PAGE, 1), 0);
    map_at(2, 2, RW, ANON); /* joins both */
    expect_vma(a, a, 6);
    assert_true(mmk_vma_flags(peek_vma(mm, a)) & MMK_VM_GUARDED);
    mmk_check(mm);
}

/* ---- races -------------------------------------------------------------------------------------
 */

#define RACES     3000
#define RACE_SPAN 4 /* tables; a page in each */

static mmk_vaddr_t race_base;
static struct mmk_object *race_object;
static struct mmk_a32 race_over;

static mmk_vaddr_t race_addr(unsigned i)
{
    return race_base + i % RACE_SPAN * 2 * MIB;
}

/* After an install, and until the remove, no access comes through, whatever others do. */
static void race_install(void)
{
    unsigned i, j;

    for (i = 0; i < RACES; i++) {
        mmk_vaddr_t addr = race_addr(i);
        uint8_t byte = 1;
        int error;

        error = mmk_madvise(mm, addr, PAGE, MMK_MADV_GUARD_INSTALL);
        check(!error);
        for (j = 0; j < 3; j++) {
            check(machine_load(addr, &byte, 1) == MMK_FAULT_SEGV_MAPERR);
            check(machine_store(addr, &byte, 1) == MMK_FAULT_SEGV_MAPERR);
        }
        error = mmk_madvise(mm, addr, PAGE, MMK_MADV_GUARD_REMOVE);
        check(!error);
        check(machine_store(addr, &byte, 1) == MMK_FAULT_DONE);
    }
    mmk_a32_store(&race_over, 1, MMK_RELEASE);
}

/* Reads and writes, and takes pages away in every way that leaves guards. */
static void race_disturb(unsigned cpu)
{
    unsigned i;

    for (i = cpu; !mmk_a32_load(&race_over, MMK_ACQUIRE); i++) {
        mmk_vaddr_t addr = race_addr(i / 3);
        enum mmk_fault_result result;
        uint8_t byte = 2;
        int error = 0;

        if (i % 3 == cpu)
            error = mmk_madvise(mm, addr, PAGE, MMK_MADV_DONTNEED);
        else if (i % 7 == 1)
            error = mmk_object_punch_hole(race_object, addr - race_base, PAGE);
        else if (i % 7 == 2)
            error = mmk_mprotect(mm, addr, PAGE, RW);
        check(!error);
        result = i & 1 ? machine_load(addr, &byte, 1) : machine_store(addr, &byte, 1);
        check(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
    }
}

static void race(unsigned cpu, void *unused)
{
    (void)unused;
    machine_switch_mm(mm);
    if (cpu == 0)
        race_install();
    else
        race_disturb(cpu);
    machine_switch_mm(NULL);
}

static void run_race(void)
{
    mmk_a32_store(&race_over, 0, MMK_RELAXED);
    race_cpus(race, NULL);
    mmk_check(mm);
    assert_int_equal(mmk_madvise(mm, race_base, RACE_SPAN * 2 * MIB, MMK_MADV_DONTNEED), 0);
    expect_tables(mm, 0, 0, 0);
}

static void test_race_anon(void **state)
{
    (void)state;
    race_object = new_shmem(1);
    race_base = map_at(0, RACE_SPAN * 512, RW, ANON);
    run_race();
    mmk_object_put(race_object);
}

static void test_race_shared(void **state)
{
    (void)state;
    race_object = new_shmem(RACE_SPAN * 512);
    race_base = map_object_at(0, RACE_SPAN * 512, RW, MMK_MAP_SHARED, race_object, 0);
    run_race();
    mmk_check_object(race_object);
    mmk_object_put(race_object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_access),      TEST(test_protection),
        TEST(test_kept),        TEST(test_gone),
        TEST(test_objects),     TEST(test_holes),
        TEST(test_locked),      TEST(test_elsewhere),
        TEST(test_tables),      TEST(test_edges),
        TEST(test_one_flush),   TEST(test_no_table),
        TEST(test_no_room),     TEST(test_fork),
        TEST(test_fork_merged), TEST(test_merged_by_placing),
        TEST(test_race_anon),   TEST(test_race_shared),
    };

    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
