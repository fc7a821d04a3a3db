/* SPDX-License-Identifier: MIT */
/*
 * test_advise.c - madvise: arguments, holes, what locked memory refuses; DONTNEED, FREE and REMOVE;
 * REMOVE against faults and fork. Guards and fork's advice have tests of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "race.h"

static void test_arguments(void **state)
{
    static const int known[] = {
        MMK_MADV_NORMAL,   MMK_MADV_RANDOM,          MMK_MADV_SEQUENTIAL,    MMK_MADV_DONTNEED,
        MMK_MADV_FREE,     MMK_MADV_DONTFORK,        MMK_MADV_DOFORK,        MMK_MADV_DONTDUMP,
        MMK_MADV_DODUMP,   MMK_MADV_WIPEONFORK,      MMK_MADV_KEEPONFORK,    MMK_MADV_COLD,
        MMK_MADV_PAGEOUT,  MMK_MADV_DONTNEED_LOCKED, MMK_MADV_GUARD_INSTALL, MMK_MADV_GUARD_REMOVE,
        MMK_MADV_WILLNEED, MMK_MADV_POPULATE_READ,   MMK_MADV_POPULATE_WRITE};
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_int_equal(mmk_madvise(mm, a + 1, PAGE, known[i]), MMK_EINVAL);
        assert_int_equal(mmk_madvise(mm, a + 1, 0, known[i]), MMK_EINVAL);
        assert_int_equal(mmk_madvise(mm, a, UINT64_MAX, known[i]), MMK_EINVAL);
        assert_int_equal(mmk_madvise(mm, a, (uint64_t)0 - PAGE, known[i]), MMK_EINVAL);
        assert_int_equal(mmk_madvise(mm, (uint64_t)0 - PAGE, PAGE, known[i]), MMK_EINVAL);
        assert_int_equal(mmk_madvise(mm, a, 0, known[i]), 0);
        assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, known[i]), 0);
        assert_int_equal(mmk_madvise(mm, a, 5 * PAGE, known[i]), MMK_ENOMEM);
        assert_int_equal(mmk_madvise(mm, a - PAGE, PAGE, known[i]), MMK_ENOMEM);
        assert_int_equal(mmk_madvise(mm, a + 4 * PAGE, PAGE, known[i]), MMK_ENOMEM);
        assert_int_equal(mmk_madvise(mm, MMK_USER_END, PAGE, known[i]), MMK_ENOMEM);
    }
    assert_int_equal(mmk_madvise(mm, a, 0, 99), MMK_EINVAL);
    assert_int_equal(mmk_madvise(mm, a, PAGE, -1), MMK_EINVAL);
    assert_int_equal(mmk_madvise(mm, a, PAGE, 5), MMK_EINVAL);
    expect_shape(1, 4);
}

static void test_dontneed(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    fill(a, 8, 1);
    assert_int_equal(advise(a + 2 * PAGE, 3, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 5);
    expect_filled(a, 2, 1);
    expect_byte(a + 2 * PAGE, 0);
    expect_byte(a + 4 * PAGE, 0);
    expect_filled(a + 5 * PAGE, 3, 6);
    assert_int_equal(mmk_madvise(mm, a, 1, MMK_MADV_DONTNEED), 0); /* whole pages */
    expect_byte(a + PAGE - 1, 0);
    expect_byte(a, 0);
    expect_byte(a + PAGE, 2);
    assert_int_equal(advise(a, 8, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
    expect_tables(mm, 0, 0, 0);
    expect_shape(1, 8);
}

/* Holes are skipped, the rest is done, and the caller is told. */
static void test_holes(void **state)
{
    mmk_vaddr_t a = map_at(1, 2, RW, ANON) - PAGE;
    const uint64_t rss = 8;

    (void)state;
    map_at(4, 2, RO, ANON);
    map_at(6, 2, RW, ANON);
    map_at(10, 4, RW, ANON);
    fill(a + PAGE, 2, 1);
    fill(a + 6 * PAGE, 2, 1);
    fill(a + 10 * PAGE, 4, 1);
    assert_int_equal(mm_stats(mm).rss_anon, rss);
    assert_int_equal(advise(a, 12, MMK_MADV_DONTNEED), MMK_ENOMEM);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    expect_filled(a + 12 * PAGE, 2, 3);
    expect_byte(a + 10 * PAGE, 0);
    /* Nothing between the first hole and the end. */
    assert_int_equal(advise(a + 8 * PAGE, 2, MMK_MADV_DONTNEED), MMK_ENOMEM);
    assert_int_equal(advise(a + 13 * PAGE, 100, MMK_MADV_DONTNEED), MMK_ENOMEM);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
}

/* On objects: out of the entries, not out of the object; private copies are lost. */
static void test_dontneed_objects(void **state)
{
    struct mmk_object *file = new_file(4), *shmem = new_shmem(4);
    mmk_vaddr_t a = map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    mmk_vaddr_t b = map_object_at(4, 4, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vaddr_t c = map_object_at(8, 4, RW, MMK_MAP_SHARED, shmem, 0);

    (void)state;
    store_byte(a, 77);
    store_byte(b, 88);
    expect_byte(b + PAGE, 2);
    store_byte(c, 99);
    assert_int_equal(advise(a, 12, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mm_stats(mm).rss_anon + mm_stats(mm).rss_file + mm_stats(mm).rss_shmem, 0);
    expect_tables(mm, 0, 0, 0);
    expect_byte(a, 77);
    expect_byte(b, 77);
    expect_byte(c, 99);
    mmk_check_object(file);
    mmk_object_put(file);
    mmk_object_put(shmem);
}

static void test_lazyfree(void **state)
{
    mmk_vaddr_t a = map_at(0, 6, RW, ANON);
    struct mmk_page *page;
    struct mmk_mm *child;

    (void)state;
    fill(a, 3, 5);
    expect_byte(a + 3 * PAGE, 0); /* the zero page, and two that are not there */
    page = peek_page(mm, a);
    assert_true(mmk_pte_dirty(peek_entry(mm, a)));
    assert_int_equal(advise(a, 6, MMK_MADV_FREE), 0);
    assert_true(mmk_page_test(page, MMK_PF_LAZYFREE));
    assert_false(mmk_pte_dirty(peek_entry(mm, a)));
    assert_int_equal(mm_stats(mm).rss_anon, 3);
    expect_filled(a, 3, 5); /* nobody was short of memory */
    store_byte(a, 6);       /* dirty again: TLBs were flushed */
    assert_true(mmk_pte_dirty(peek_entry(mm, a)));
    /* Not for pages that others use. */
    page = peek_page(mm, a + PAGE);
    mmk_page_clear(page, MMK_PF_LAZYFREE);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(advise(a, 6, MMK_MADV_FREE), 0);
    assert_false(mmk_page_test(page, MMK_PF_LAZYFREE));
    put_mm(child);
    /* Nor without access: no translation, no flush. */
    assert_int_equal(mmk_mprotect(mm, a, PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(advise(a, 1, MMK_MADV_FREE), 0);
    assert_int_equal(mmk_mprotect(mm, a, PAGE, RW), 0);
    expect_byte(a, 6);
}

/* Only private anonymous memory; what comes before is done. */
static void test_free_refused(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    map_object_at(2, 2, RW, MMK_MAP_PRIVATE, file, 0);
    map_at(4, 2, RW, SHARED_ANON);
    map_at(6, 2, RW, ANON);
    fill(a, 8, 1);
    assert_int_equal(advise(a + 2 * PAGE, 2, MMK_MADV_FREE), MMK_EINVAL);
    assert_int_equal(advise(a + 4 * PAGE, 2, MMK_MADV_FREE), MMK_EINVAL);
    assert_int_equal(advise(a, 8, MMK_MADV_FREE), MMK_EINVAL);
    assert_true(mmk_page_test(peek_page(mm, a + PAGE), MMK_PF_LAZYFREE));
    assert_false(mmk_page_test(peek_page(mm, a + 6 * PAGE), MMK_PF_LAZYFREE));
    /* A hole before does not hide it. */
    assert_int_equal(mmk_munmap(mm, a + PAGE, PAGE), 0);
    assert_int_equal(advise(a, 4, MMK_MADV_FREE), MMK_EINVAL);
    mmk_object_put(file);
}

/* What takes pages is refused for locked memory, but by one. Flags may change. */
static void test_locked(void **state)
{
    static const int refused[] = {MMK_MADV_DONTNEED, MMK_MADV_FREE,    MMK_MADV_REMOVE,
                                  MMK_MADV_COLD,     MMK_MADV_PAGEOUT, MMK_MADV_GUARD_INSTALL};
    static const int allowed[] = {MMK_MADV_NORMAL, MMK_MADV_DONTDUMP, MMK_MADV_DONTFORK,
                                  MMK_MADV_DOFORK, MMK_MADV_GUARD_REMOVE};
    mmk_vaddr_t a = map_at(0, 2, RW, ANON), b = map_at(512, 2, RW, SHARED_ANON);
    size_t i;

    (void)state;
    fill(a, 2, 1);
    fill(b, 2, 1);
    assert_int_equal(mmk_mlock2(mm, a, 2 * PAGE, MMK_MLOCK_ONFAULT), 0);
    assert_int_equal(mmk_mlock2(mm, b, 2 * PAGE, MMK_MLOCK_ONFAULT), 0);
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(advise(a, 2, refused[i]), MMK_EINVAL);
        assert_int_equal(advise(b, 2, refused[i]), MMK_EINVAL);
    }
    for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        assert_int_equal(advise(a, 2, allowed[i]), 0);
        assert_int_equal(advise(b, 2, allowed[i]), 0);
    }
    expect_filled(a, 2, 1);
    expect_filled(b, 2, 1);
    assert_int_equal(advise(a, 2, MMK_MADV_DONTNEED_LOCKED), 0);
    assert_int_equal(advise(b, 2, MMK_MADV_DONTNEED_LOCKED), 0);
    expect_tables(mm, 0, 0, 0);
    expect_byte(a, 0);
    expect_byte(b, 1);
    assert_int_equal(mmk_munlock(mm, a, 2 * PAGE), 0);
    assert_int_equal(mmk_munlock(mm, b, 2 * PAGE), 0);
}

/* ---- MADV_REMOVE -------------------------------------------------------------------------------
 */

/* A hole in the object, seen by every mapping of it; private copies stay. */
static void test_remove(void **state)
{
    struct mmk_object *shmem = new_shmem(8);
    mmk_vaddr_t a = map_object_at(0, 6, RW, MMK_MAP_SHARED, shmem, 2);
    mmk_vaddr_t b = map_object_at(8, 8, RO, MMK_MAP_SHARED, shmem, 0);
    mmk_vaddr_t c = map_object_at(16, 8, RW, MMK_MAP_PRIVATE, shmem, 0);

    (void)state;
    fill(a, 6, 3); /* page i of the object: i + 1 */
    store_byte(c + 4 * PAGE, 77);
    expect_byte(c + 3 * PAGE, 4);
    assert_int_equal(advise(a + PAGE, 2, MMK_MADV_REMOVE), 0); /* pages 3 and 4 */
    mmk_check_object(shmem);
    expect_byte(a, 3);
    expect_byte(a + PAGE, 0);
    expect_byte(b + 4 * PAGE, 0);
    expect_byte(b + 5 * PAGE, 6);
    expect_byte(c + 3 * PAGE, 0);
    expect_byte(c + 4 * PAGE, 77);
    assert_int_equal(advise(b + 5 * PAGE, 1, MMK_MADV_REMOVE), 0); /* not writable now: fine */
    expect_byte(a + 3 * PAGE, 0);
    assert_int_equal(mmk_object_resize(shmem, 4 * PAGE), 0);
    assert_int_equal(advise(b, 8, MMK_MADV_REMOVE), 0); /* beyond the end: nothing there */
    assert_int_equal(mmk_object_size(shmem), 4 * PAGE);
    expect_byte(b + 3 * PAGE, 0);
    mmk_object_put(shmem);
}

static void test_remove_refused(void **state)
{
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 2, RW, SHARED_ANON);

    (void)state;
    map_object_at(2, 2, RW, MMK_MAP_PRIVATE, file, 0);
    map_at(4, 2, RW, SHARED_ANON);
    map_at(7, 2, RW, ANON);
    fill(a, 6, 1);
    store_byte(a + 7 * PAGE, 1);
    assert_int_equal(advise(a + 7 * PAGE, 1, MMK_MADV_REMOVE), MMK_EINVAL);
    assert_int_equal(advise(a + 2 * PAGE, 1, MMK_MADV_REMOVE), MMK_EACCES);
    assert_int_equal(advise(a + PAGE, 5, MMK_MADV_REMOVE), MMK_EACCES);
    expect_byte(a, 1);
    expect_byte(a + PAGE, 0); /* what lies before is done */
    expect_filled(a + 2 * PAGE, 4, 3);
    assert_int_equal(advise(a + 5 * PAGE, 2, MMK_MADV_REMOVE), MMK_ENOMEM); /* a hole at the end */
    expect_byte(a + 4 * PAGE, 5);
    expect_byte(a + 5 * PAGE, 0);
    assert_int_equal(mmk_madvise(mm, a, 0, MMK_MADV_REMOVE), 0);
    assert_int_equal(mmk_madvise(mm, a + 1, PAGE, MMK_MADV_REMOVE), MMK_EINVAL);
    mmk_object_put(file);
}

/* A file whose keeper makes no holes. */
static void test_remove_unsupported(void **state)
{
    static const struct mmk_object_ops ops = {.read_page = fixture_read_page};
    mmk_vaddr_t a = BASE;
    struct mmk_object *file;

    (void)state;
    assert_int_equal(mmk_object_create(&ops, 4 * PAGE, NULL, &file), 0);
    map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    map_at(4, 2, RW, SHARED_ANON);
    fill(a, 6, 100);
    assert_int_equal(advise(a + PAGE, 4, MMK_MADV_REMOVE), MMK_EOPNOTSUPP);
    assert_int_equal(mmk_object_punch_hole(file, 0, PAGE), MMK_EOPNOTSUPP);
    assert_int_equal(mmk_object_punch_hole(file, 0, 0), MMK_EINVAL);
    assert_int_equal(mmk_object_punch_hole(file, 1, INT64_MAX), MMK_EFBIG);
    expect_filled(a, 6, 100);
    mmk_object_put(file);
}

/* Shared anonymous memory: only the mapping has a reference to the object. */
static void test_remove_last(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RW, SHARED_ANON);

    (void)state;
    fill(a, 2, 1);
    assert_int_equal(stats_now().objects, 1);
    assert_int_equal(advise(a, 2, MMK_MADV_REMOVE), 0);
    expect_tables(mm, 0, 0, 0);
    assert_int_equal(mmk_munmap(mm, a, 2 * PAGE), 0);
    assert_int_equal(stats_now().objects, 0);
}

#define RACES 500

static mmk_vaddr_t race_base;
static struct mmk_a32 race_over;

/* After one's own hole nothing from before it is seen: what others write is 2. */
static void race_remove(void)
{
    unsigned i;

    for (i = 0; i < RACES; i++) {
        mmk_vaddr_t addr = race_base + i % 4 * 2 * MIB;
        uint8_t byte = 1;
        int error;

        check(machine_store(addr, &byte, 1) == MMK_FAULT_DONE);
        error = mmk_madvise(mm, addr, PAGE, MMK_MADV_REMOVE);
        check(!error);
        check(machine_load(addr, &byte, 1) == MMK_FAULT_DONE);
        check(byte != 1);
    }
    mmk_a32_store(&race_over, 1, MMK_RELEASE);
}

static void race_fault(void)
{
    unsigned i;

    for (i = 0; !mmk_a32_load(&race_over, MMK_ACQUIRE); i++) {
        uint8_t byte = 2;

        check(machine_store(race_base + i % 4 * 2 * MIB, &byte, 1) == MMK_FAULT_DONE);
    }
}

/* Takes the mapping away, and brings it back, in a part that the others leave alone; and forks. */
static void race_fork(void)
{
    mmk_vaddr_t addr = race_base + 4 * 2 * MIB;

    while (!mmk_a32_load(&race_over, MMK_ACQUIRE)) {
        struct mmk_mm *child;
        int error;

        error = mmk_munmap(mm, addr, PAGE);
        check(!error);
        check(mmk_mmap(mm, addr, PAGE, RW, SHARED_ANON | MMK_MAP_FIXED, NULL, 0) == (int64_t)addr);
        error = mmk_madvise(mm, addr, PAGE, MMK_MADV_REMOVE);
        check(!error);
        error = mmk_fork(mm, &child);
        check(!error);
        mmk_mm_put(child);
    }
}

static void race(unsigned cpu, void *unused)
{
    (void)unused;
    machine_switch_mm(mm);
    if (cpu == 0)
        race_remove();
    else if (cpu == 1)
        race_fault();
    else
        race_fork();
    machine_switch_mm(NULL);
}

static void test_race_remove(void **state)
{
    struct mmk_object *shmem = new_shmem(4 * 512);

    (void)state;
    race_base = map_object_at(0, 4 * 512, RW, MMK_MAP_SHARED, shmem, 0);
    map_at(4 * 512, 1, RW, SHARED_ANON);
    mmk_a32_store(&race_over, 0, MMK_RELAXED);
    race_cpus(race, NULL);
    mmk_check(mm);
    mmk_check_object(shmem);
    assert_int_equal(advise(race_base, 4 * 512, MMK_MADV_REMOVE), 0);
    expect_tables(mm, 0, 0, 0);
    mmk_object_put(shmem);
}

static void test_one_flush(void **state)
{
    uint64_t i, flushes;

    (void)state;
    for (i = 0; i < 8; i++)
        map_at(i * 512, 512, i % 2 ? RW : MMK_PROT_WRITE, ANON);
    for (i = 0; i < 8; i++)
        fill(BASE + i * 2 * MIB, 3, 1);
    flushes = stats_now().tlb_flushes;
    assert_int_equal(advise(BASE, 8 * 512, MMK_MADV_FREE), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 1);
    assert_int_equal(advise(BASE, 8 * 512, MMK_MADV_DONTNEED), 0);
    assert_int_equal(stats_now().tlb_flushes, flushes + 2);
    assert_int_equal(advise(BASE, 8 * 512, MMK_MADV_DONTNEED), 0); /* nothing left */
    assert_int_equal(stats_now().tlb_flushes, flushes + 2);
}

/* What has taken the lock since `before`, and why. */
static void expect_locked(const struct mmk_mm_stats *before, uint64_t vma, uint64_t kind,
                          uint64_t changed)
{
    struct mmk_mm_stats now = mm_stats(mm);

    assert_int_equal(now.advice_locked_vma - before->advice_locked_vma, vma);
    assert_int_equal(now.advice_locked_kind - before->advice_locked_kind, kind);
    assert_int_equal(now.advice_locked_changed - before->advice_locked_changed, changed);
}

/* Somebody maps meanwhile: who needs the lock would wait for ever. */
static int advise_beside_writer(mmk_vaddr_t addr, uint64_t pages, int advice)
{
    int error;

    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    error = mmk_madvise(mm, addr, pages * PAGE, advice);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

/* Over three tables, with a hole in the middle one's, and one that has none. */
static void test_unlocked(void **state)
{
    static const int kinds[] = {MMK_MADV_DONTNEED, MMK_MADV_DONTNEED_LOCKED, MMK_MADV_FREE,
                                MMK_MADV_COLD};
    const uint64_t table = MMK_PT_ENTRIES, pages = 4 * table;
    mmk_vaddr_t a = map_at(0, pages, RW, ANON);
    struct mmk_mm_stats before = mm_stats(mm);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fill(a, table + 1, 1);
        fill(a + (pages - 1) * PAGE, 1, 3);
        assert_int_equal(advise_beside_writer(a + PAGE, pages - 1, kinds[i]), 0);
        expect_filled(a, 1, 1);
        if (kinds[i] == MMK_MADV_DONTNEED || kinds[i] == MMK_MADV_DONTNEED_LOCKED) {
            assert_int_equal(mm_stats(mm).rss_anon, 1);
            expect_byte(a + table * PAGE, 0);
        } else {
            assert_int_equal(mm_stats(mm).rss_anon, table + 2);
        }
    }
    expect_locked(&before, 0, 0, 0);
    expect_shape(1, pages);
}

static void test_takes_lock(void **state)
{
    struct mmk_object *shmem = new_shmem(1);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    mmk_vaddr_t b = map_object_at(2, 1, RW, MMK_MAP_SHARED, shmem, 0);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    assert_int_equal(advise(b, 1, MMK_MADV_DONTNEED), 0);
    expect_locked(&before, 0, 1, 0);
    assert_int_equal(advise(a, 3, MMK_MADV_DONTNEED), 0);
    expect_locked(&before, 1, 1, 0);
    assert_int_equal(advise(a + 3 * PAGE, 1, MMK_MADV_DONTNEED), MMK_ENOMEM);
    expect_locked(&before, 2, 1, 0);
    assert_int_equal(mmk_mlock(mm, a, PAGE), 0);
    assert_int_equal(advise(a, 1, MMK_MADV_FREE), MMK_EINVAL);
    expect_locked(&before, 2, 2, 0);
    assert_int_equal(advise(a, 1, MMK_MADV_DONTNEED_LOCKED), 0);
    expect_locked(&before, 2, 2, 0);
    mmk_object_put(shmem);
}

/* Whoever is told of changes may sleep, and is told with the lock held. */
static void test_takes_lock_for_notifier(void **state)
{
    static const struct mmk_notifier_ops ops = {NULL, NULL, NULL};
    struct mmk_notifier notifier = {.ops = &ops};
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);
    struct mmk_mm_stats before = mm_stats(mm);

    (void)state;
    fill(a, 2, 1);
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(advise(a, 1, MMK_MADV_DONTNEED), 0);
    expect_locked(&before, 0, 1, 0);
    mmk_notifier_unregister(mm, &notifier);
    assert_int_equal(advise(a + PAGE, 1, MMK_MADV_DONTNEED), 0);
    expect_locked(&before, 0, 1, 0);
    assert_int_equal(mm_stats(mm).rss_anon, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),   TEST(test_dontneed),
        TEST(test_holes),       TEST(test_dontneed_objects),
        TEST(test_lazyfree),    TEST(test_free_refused),
        TEST(test_one_flush),   TEST(test_locked),
        TEST(test_remove),      TEST(test_remove_refused),
        TEST(test_remove_last), TEST(test_remove_unsupported),
        TEST(test_race_remove), TEST(test_unlocked),
        TEST(test_takes_lock),  TEST(test_takes_lock_for_notifier),
    };

    return cmocka_run_group_tests_name("advise", tests, NULL, NULL);
}
