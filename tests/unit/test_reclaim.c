/* SPDX-License-Identifier: MIT */
/*
 * test_reclaim.c - getting memory back: what goes, what stays, and what is never lost. The disk is
 * an array that write_page and read_page copy to and from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "family.h"
#include "race.h"
#include "random.h"
#include "reclaim.h"
#include "tlb.h"

#define AT(page) (BASE + (uint64_t)(page)*PAGE)
#define PAGES    64
#define ALL      UINT64_MAX

static struct {
    struct mmk_a64 word[PAGES]; /* the first of each page */
    struct mmk_a32 reads, writes;
    int error; /* what writing answers */
} disk;

static int disk_read(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memset(page, 0, PAGE);
    *(uint64_t *)page = mmk_a64_load(&disk.word[index], MMK_RELAXED);
    mmk_a32_fetch_add(&disk.reads, 1, MMK_RELAXED);
    return 0;
}

static int disk_write(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    mmk_a32_fetch_add(&disk.writes, 1, MMK_RELAXED);
    if (disk.error)
        return disk.error;
    mmk_a64_store(&disk.word[index], __atomic_load_n((const uint64_t *)page, __ATOMIC_RELAXED),
                  MMK_RELAXED);
    return 0;
}

static const struct mmk_object_ops disk_ops = {.read_page = disk_read, .write_page = disk_write};

static struct mmk_object *new_disk(uint64_t pages)
{
    struct mmk_object *object;

    memset(&disk, 0, sizeof(disk));
    assert_int_equal(mmk_object_create(&disk_ops, pages * PAGE, NULL, &object), 0);
    return object;
}

static void store_word(mmk_vaddr_t addr, uint64_t word)
{
    assert_int_equal(machine_store(addr, &word, sizeof(word)), MMK_FAULT_DONE);
}

static void expect_word(mmk_vaddr_t addr, uint64_t expected)
{
    uint64_t word = ~expected;

    assert_int_equal(machine_load(addr, &word, sizeof(word)), MMK_FAULT_DONE);
    assert_int_equal(word, expected);
}

static uint64_t resident(void)
{
    struct mmk_mm_stats stats = mm_stats(mm);

    return stats.rss_anon + stats.rss_file + stats.rss_shmem;
}

/* All that can go. => how much that was */
static uint64_t reclaim_all(void)
{
    uint64_t freed = mmk_reclaim(ALL);

    mmk_check(mm);
    return freed;
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void test_file(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_object_at(0, 8, RO, MMK_MAP_SHARED, file, 0);
    map_object_at(100, 8, RW, MMK_MAP_PRIVATE, file, 0);
    expect_filled(AT(0), 8, 1);
    expect_filled(AT(100), 8, 1);
    store_byte(AT(103), 77); /* a copy, which nothing else has */
    assert_int_equal(reclaim_all(), 8);
    mmk_check_object(file);
    assert_int_equal(resident(), 1);
    expect_tables(mm, 1, 1, 1); /* T3: of the copy */
    assert_true(stats_now().reclaim_freed == 8 && stats_now().reclaim_scanned >= 8);
    assert_int_equal(reclaim_all(), 0);
    expect_filled(AT(0), 8, 1);
    expect_byte(AT(103), 77);
    assert_int_equal(reclaim_all(), 8);
    mmk_object_put(file);
}

/* MADV_PAGEOUT: what nobody else maps, and can be written. */
static void test_pageout(void **state)
{
    struct mmk_object *file = new_disk(8);
    unsigned i;

    (void)state;
    map_object_at(0, 8, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(100, 2, RO, MMK_MAP_PRIVATE, file, 6);
    for (i = 0; i < 7; i++)
        store_word(AT(i), i + 1);
    expect_word(AT(100), 7); /* a second entry */
    expect_word(AT(101), 0); /* the only one, of a private mapping */
    disk.error = MMK_EIO;
    assert_int_equal(advise(AT(0), 8, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(disk.word[0].v, 0);
    for (i = 0; i < 7; i++)
        expect_word(AT(i), i + 1);
    disk.error = 0;
    assert_int_equal(advise(AT(0), 8, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(mm_stats(mm).rss_file, 3);
    assert_int_equal(advise(AT(100), 2, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(mm_stats(mm).rss_file, 2);
    mmk_check(mm);
    mmk_check_object(file);
    for (i = 0; i < 7; i++) {
        assert_int_equal(mmk_a64_load(&disk.word[i], MMK_RELAXED), i < 6 ? i + 1 : 0);
        expect_word(AT(i), i + 1);
    }
    mmk_object_put(file);
}

/* Who may only read a file does not make its pages go, but for his copies of them. */
static void test_pageout_reader(void **state)
{
    struct mmk_object *file = new_disk(4);

    (void)state;
    assert_int_equal(mmk_mmap_file(mm, AT(0), 4 * PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, file, 0,
                                   MMK_OPEN_READ),
                     AT(0));
    expect_word(AT(0), 0);
    assert_int_equal(advise(AT(0), 4, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(mm_stats(mm).rss_file, 1);
    mmk_object_put(file);
}

/* Nothing maps it any more, but it is kept, in case: until memory is short. */
static void test_cached(void **state)
{
    struct mmk_object *file = new_file(4);

    (void)state;
    map_object_at(0, 4, RO, MMK_MAP_SHARED, file, 0);
    expect_filled(AT(0), 4, 1);
    assert_int_equal(mmk_munmap(mm, AT(0), 4 * PAGE), 0);
    assert_int_equal(reclaim_all(), 4);
    mmk_check_object(file);
    mmk_object_put(file);
}

/* As many as were asked for, and hardly more. */
static void test_some(void **state)
{
    struct mmk_object *file = new_file(64);

    (void)state;
    map_object_at(0, 64, RO, MMK_MAP_SHARED, file, 0);
    expect_filled(AT(0), 64, 1);
    assert_int_equal(mmk_reclaim(0), 0);
    assert_in_range(mmk_reclaim(5), 5, 12);
    assert_in_range(resident(), 52, 59);
    mmk_object_put(file);
}

/* What is used stays, while there is something that is not. */
static void test_used(void **state)
{
    struct mmk_object *file = new_file(64);
    uint64_t i, round;

    (void)state;
    map_object_at(0, 64, RO, MMK_MAP_SHARED, file, 0);
    expect_filled(AT(0), 64, 1);
    for (round = 0; round < 5; round++) {
        for (i = 0; i < 8; i++)
            expect_byte(AT(8 * i), (uint8_t)(8 * i + 1));
        mmk_tlb_flush(mm, AT(0), AT(64)); /* or hardware would not mark them again */
        (void)mmk_reclaim(1);
    }
    for (i = 0; i < 8; i++)
        assert_non_null(peek_page(mm, AT(8 * i)));
    assert_true(resident() < 64);
    assert_true(reclaim_all() >= 8);
    assert_int_equal(resident(), 0); /* if it must be */
    mmk_object_put(file);
}

/* What is cold goes first, unless others have it, too. */
static void test_cold(void **state)
{
    struct mmk_object *file = new_file(24);
    uint64_t i;

    (void)state;
    map_object_at(0, 24, RO, MMK_MAP_SHARED, file, 0);
    map_object_at(100, 4, RO, MMK_MAP_SHARED, file, 16);
    expect_filled(AT(0), 24, 1);
    expect_filled(AT(100), 4, 17);
    assert_int_equal(advise(AT(8), 12, MMK_MADV_COLD), 0);
    assert_in_range(mmk_reclaim(8), 8, 8);
    for (i = 0; i < 24; i++)
        assert_int_equal(!peek_page(mm, AT(i)), i >= 8 && i < 16);
    mmk_object_put(file);
}

/* What MADV_FREE has marked, and nobody has written since. */
static void test_lazyfree(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    assert_int_equal(reclaim_all(), 0);
    assert_int_equal(advise(AT(0), 6, MMK_MADV_FREE), 0);
    store_byte(AT(2) + 1, 9);
    expect_byte(AT(3), 4);
    assert_int_equal(reclaim_all(), 5);
    assert_int_equal(resident(), 3);
    expect_byte(AT(0), 0);
    expect_byte(AT(2), 3);
    expect_byte(AT(3), 0);
    expect_byte(AT(7), 8);
}

/* ---- dirty ----------------------------------------------------------------------------------- */

static void test_dirty(void **state)
{
    struct mmk_object *object = new_disk(4);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);
    store_word(AT(0), 10);
    store_word(AT(1), 11);
    expect_word(AT(2), 0);
    assert_int_equal(reclaim_all(), 3);
    assert_int_equal(mmk_a32_load(&disk.writes, MMK_RELAXED), 2);
    assert_int_equal(stats_now().reclaim_written, 2);
    expect_word(AT(0), 10);
    expect_word(AT(1), 11);
    assert_int_equal(mmk_a32_load(&disk.reads, MMK_RELAXED), 5);
    mmk_object_put(object);
}

/* What cannot be written is not lost. */
static void test_write_fails(void **state)
{
    struct mmk_object *object = new_disk(4);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);
    store_word(AT(0), 10);
    expect_word(AT(1), 0);
    disk.error = MMK_EIO;
    assert_int_equal(reclaim_all(), 1);
    assert_true(mmk_a32_load(&disk.writes, MMK_RELAXED) > 0);
    mmk_check_object(object);
    expect_word(AT(0), 10);
    disk.error = 0;
    assert_int_equal(reclaim_all(), 1);
    assert_int_equal(mmk_a64_load(&disk.word[0], MMK_RELAXED), 10);
    mmk_object_put(object);
}

/* Nobody keeps what is written to it. So it stays, like shared memory. */
static void test_not_kept(void **state)
{
    struct mmk_object *file = new_file(4), *shmem = new_shmem(4);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(10, 4, RW, MMK_MAP_SHARED, shmem, 0);
    fill(AT(0), 2, 50);
    expect_byte(AT(2), 3);
    fill(AT(10), 4, 60);
    assert_int_equal(reclaim_all(), 1);
    expect_filled(AT(0), 2, 50);
    expect_filled(AT(10), 4, 60);
    mmk_object_put(file);
    mmk_object_put(shmem);
}

/* ---- what stays ------------------------------------------------------------------------------ */

static void test_locked(void **state)
{
    struct mmk_object *file = new_file(4);

    (void)state;
    map_object_at(0, 4, RO, MMK_MAP_SHARED, file, 0);
    map_at(10, 2, RW, ANON);
    fill(AT(10), 2, 1);
    assert_int_equal(advise(AT(10), 2, MMK_MADV_FREE), 0);
    assert_int_equal(mmk_mlock(mm, AT(1), 2 * PAGE), 0);
    assert_int_equal(mmk_mlock(mm, AT(10), PAGE), 0);
    expect_filled(AT(0), 4, 1);
    assert_int_equal(reclaim_all(), 3); /* two of the file, one of those free */
    assert_non_null(peek_page(mm, AT(1)));
    assert_non_null(peek_page(mm, AT(2)));
    expect_byte(AT(10), 1);
    assert_int_equal(mmk_munlock(mm, AT(1), 2 * PAGE), 0);
    assert_int_equal(reclaim_all(), 2);
    mmk_object_put(file);
}

static void test_pinned(void **state)
{
    struct mmk_object *file = new_file(4);
    struct mmk_page *page;

    (void)state;
    map_object_at(0, 4, RO, MMK_MAP_SHARED, file, 0);
    expect_filled(AT(0), 4, 1);
    assert_int_equal(mmk_pin_pages(mm, AT(1), 1, 0, &page), 1);
    assert_int_equal(reclaim_all(), 3);
    assert_ptr_equal(peek_page(mm, AT(1)), page);
    mmk_unpin_pages(&page, 1, false);
    assert_int_equal(reclaim_all(), 1);
    mmk_object_put(file);
}

/* A reference is as good as any other use; a lock that somebody has is not waited for. */
static void test_busy(void **state)
{
    struct mmk_object *object = new_disk(4);
    struct mmk_page *page;

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);
    store_word(AT(0), 1);
    page = peek_page(mm, AT(0));
    mmk_page_get(page);
    assert_int_equal(reclaim_all(), 0);
    assert_false(mmk_page_test(page, MMK_PF_DIRTY)); /* written, and kept */
    mmk_page_put(page);
    store_word(AT(0), 2);
    mmk_page_lock(page);
    assert_int_equal(mmk_reclaim(1), 0);
    mmk_page_unlock(page);
    mmk_rw_write_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    assert_int_equal(mmk_reclaim(1), 0);
    mmk_rw_write_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
    mmk_rw_write_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    assert_int_equal(mmk_reclaim(1), 0); /* it is not written */
    mmk_rw_write_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    assert_int_equal(mmk_reclaim(1), 1);
    expect_word(AT(0), 2);
    mmk_object_put(object);
}

static void test_private_busy(void **state)
{
    struct mmk_kin *kin = mm->kin;

    (void)state;
    map_at(0, 2, RW, ANON);
    fill(AT(0), 2, 1); /* the second keeps the table, or the first would go with that */
    assert_int_equal(advise(AT(0), 1, MMK_MADV_FREE), 0);
    mmk_rw_write_lock(&kin->family->lock, MMK_LOCK_FAMILY);
    assert_int_equal(mmk_reclaim(1), 0);
    mmk_rw_write_unlock(&kin->family->lock, MMK_LOCK_FAMILY);
    mmk_rw_write_lock(&kin->lock, MMK_LOCK_KIN);
    assert_int_equal(mmk_reclaim(1), 0);
    mmk_rw_write_unlock(&kin->lock, MMK_LOCK_KIN);
    assert_int_equal(mmk_reclaim(1), 1);
    expect_byte(AT(0), 0);
}

static int refuse(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    return range->may_sleep ? 0 : MMK_EAGAIN;
}

/* A secondary MMU that would have to sleep is not asked to. */
static void test_notifier(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = refuse};
    struct mmk_notifier notifier = {.ops = &ops};
    struct mmk_object *file = new_file(2);

    (void)state;
    map_object_at(0, 2, RO, MMK_MAP_SHARED, file, 0);
    expect_filled(AT(0), 2, 1);
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(reclaim_all(), 0);
    mmk_notifier_unregister(mm, &notifier);
    assert_int_equal(reclaim_all(), 2);
    mmk_object_put(file);
}

/* ---- when an allocation finds nothing -------------------------------------------------------- */

/* A file larger than memory is read through, twice; and a large block can be had after that. */
static void test_direct(void **state)
{
    uint64_t pages = 96 * MIB / PAGE, i;
    struct mmk_object *file = new_file(pages);
    struct mmk_page *block;

    (void)state;
    map_object_at(0, pages, RO, MMK_MAP_SHARED, file, 0);
    for (i = 0; i < 2 * pages; i++)
        expect_byte(AT(i % pages), (uint8_t)(i % pages + 1));
    mmk_check(mm);
    assert_true(stats_now().reclaim_direct > 0);
    assert_true(stats_now().reclaim_freed >= pages / 3);
    block = mmk_page_alloc(3, MMK_ALLOC_NORMAL);
    assert_non_null(block);
    mmk_page_put(block);
    mmk_object_put(file);
}

static struct mmk_page *held[64 * MIB / PAGE];
static size_t count;

static void take_all(unsigned flags)
{
    while ((held[count] = mmk_page_alloc(0, flags)))
        count++;
}

static void put_all(void)
{
    while (count > 0)
        mmk_page_put(held[--count]);
}

/* Whoever may not sleep, or is reclaiming, gets none; whoever does I/O has none written for it. */
static void test_contexts(void **state)
{
    struct mmk_object *object = new_disk(2);
    struct mmk_page *page;

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, object, 0);
    store_word(AT(0), 1);
    expect_word(AT(1), 0);
    take_all(MMK_ALLOC_NOWAIT);
    take_all(MMK_ALLOC_NORECLAIM);
    assert_int_equal(resident(), 2);
    page = mmk_page_alloc(0, MMK_ALLOC_NOIO); /* for the clean one */
    assert_non_null(page);
    assert_null(mmk_page_alloc(0, MMK_ALLOC_NOIO));
    assert_int_equal(mmk_a32_load(&disk.writes, MMK_RELAXED), 0);
    held[count++] = page;
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_non_null(page);
    assert_int_equal(mmk_a64_load(&disk.word[0], MMK_RELAXED), 1);
    held[count++] = page;
    assert_null(mmk_page_alloc(0, MMK_ALLOC_NORMAL));
    put_all();
    expect_word(AT(0), 1);
    mmk_object_put(object);
}

/* ---- the worker ------------------------------------------------------------------------------ */

static int worker_setup(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.watermark_low = 512;
    config.watermark_high = 1024;
    alarm(100);
    return fixture_setup_with(&config);
}

static void work(unsigned cpu, void *argument)
{
    (void)cpu;
    while (mmk_reclaim_work())
        mmk_a32_fetch_add((struct mmk_a32 *)argument, 1, MMK_RELAXED);
}

/* It frees in advance: those who allocate find something. */
static void test_worker(void **state)
{
    uint64_t pages = 80 * MIB / PAGE, i;
    struct mmk_object *file = new_file(pages);
    struct mmk_a32 rounds = {0};
    struct cpu_thread worker;

    (void)state;
    cpu_start(&worker, 1, work, &rounds);
    cpu_await_sleep(&worker);
    map_object_at(0, pages, RO, MMK_MAP_SHARED, file, 0);
    for (i = 0; i < pages; i++) {
        expect_byte(AT(i), (uint8_t)(i + 1));
        if (i % 64 == 0) {
            machine_idle_begin();
            usleep(100);
            machine_idle_end();
        }
    }
    mmk_reclaim_stop();
    machine_idle_begin();
    cpu_join(&worker);
    machine_idle_end();
    assert_true(mmk_a32_load(&rounds, MMK_RELAXED) > 0);
    assert_true(stats_now().reclaim_freed >= pages / 5);
    assert_false(mmk_reclaim_work());
    mmk_object_put(file);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { ROUNDS = 3000 };

struct race {
    struct mmk_object *object;
    struct mmk_a32 left; /* CPUs that still work */
};

/* The one who reclaims has had its share of the time. */
static bool enough(void)
{
    return stats_now().reclaim_freed >= 200;
}

/* Each CPU has its own words of the object, by a mapping of its own: they only ever grow. */
static void use_memory(unsigned cpu, struct race *race)
{
    uint64_t seed = cpu + 1, words[PAGES] = {0}, i;
    struct mmk_mm *own, *child;
    int64_t base;

    check(mmk_mm_create(&own) == 0);
    machine_switch_mm(own);
    base = mmk_mmap(own, 0, PAGES * PAGE, RW, MMK_MAP_SHARED, race->object, 0);
    check(base > 0);
    for (i = 0; i < ROUNDS || !enough(); i++) {
        uint64_t page = random_below(&seed, PAGES), word = 0;
        mmk_vaddr_t at = (mmk_vaddr_t)base + page * PAGE + 8 * cpu;

        check(machine_load(at, &word, sizeof(word)) == MMK_FAULT_DONE && word == words[page]);
        words[page] = ++word;
        check(machine_store(at, &word, sizeof(word)) == MMK_FAULT_DONE);
        if (i % 64 == 0) {
            check(mmk_fork(own, &child) == 0);
            mmk_mm_put(child);
        }
        if (i % 16 == 0)
            base = mmk_mremap(own, (mmk_vaddr_t)base, PAGES * PAGE, PAGES * PAGE,
                              MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(i % 32 ? 0 : 1024));
        check(base > 0);
    }
    machine_switch_mm(NULL);
    mmk_mm_put(own);
}

static void race_one(unsigned cpu, void *argument)
{
    struct race *race = (struct race *)argument;

    if (cpu > 0) {
        use_memory(cpu, race);
        mmk_a32_fetch_sub(&race->left, 1, MMK_RELAXED);
        return;
    }
    while (mmk_a32_load(&race->left, MMK_RELAXED) > 0)
        (void)mmk_reclaim(8);
}

/* Both words of a page, by whichever way and however often it goes to the disk and back. */
static int words_read(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memset(page, 0, PAGE);
    ((uint64_t *)page)[1] = mmk_a64_load(&disk.word[index], MMK_RELAXED) >> 32;
    ((uint64_t *)page)[2] = mmk_a64_load(&disk.word[index], MMK_RELAXED) & UINT32_MAX;
    return 0;
}

static int words_write(struct mmk_object *object, uint64_t index, const void *page)
{
    const uint64_t *word = page;
    uint64_t both = __atomic_load_n(&word[1], __ATOMIC_RELAXED) << 32;

    (void)object;
    both |= __atomic_load_n(&word[2], __ATOMIC_RELAXED);
    mmk_a64_store(&disk.word[index], both, MMK_RELAXED);
    return 0;
}

static void test_race(void **state)
{
    static const struct mmk_object_ops ops = {.read_page = words_read, .write_page = words_write};
    struct race race = {.left = {2}};

    (void)state;
    memset(&disk, 0, sizeof(disk));
    assert_int_equal(mmk_object_create(&ops, PAGES * PAGE, NULL, &race.object), 0);
    race_cpus(race_one, &race);
    mmk_check_object(race.object);
    mmk_check_frames();
    mmk_object_put(race.object);
}

/* What is locked is there, at any moment, from the call's return on. */
static void lock_memory(struct mmk_object *file)
{
    struct mmk_mm *own;
    unsigned i;
    uint64_t page;
    int64_t base;

    check(mmk_mm_create(&own) == 0);
    check(mmk_set_limit(own, MMK_LIMIT_MEMLOCK, MMK_LIMIT_INFINITY) == 0);
    base = mmk_mmap(own, 0, 16 * PAGE, RO, MMK_MAP_SHARED, file, 0);
    check(base > 0);
    for (i = 0; i < ROUNDS || !enough(); i++) {
        check(mmk_mlock(own, (mmk_vaddr_t)base, 16 * PAGE) == 0);
        for (page = 0; page < 16; page++)
            check(peek_page(own, (mmk_vaddr_t)base + page * PAGE));
        check(mmk_munlock(own, (mmk_vaddr_t)base, 16 * PAGE) == 0);
    }
    mmk_mm_put(own);
}

static void race_locked(unsigned cpu, void *argument)
{
    struct race *race = (struct race *)argument;

    if (cpu == 1) {
        lock_memory(race->object);
        mmk_a32_store(&race->left, 0, MMK_RELAXED);
    }
    while (cpu == 0 && mmk_a32_load(&race->left, MMK_RELAXED) > 0)
        (void)mmk_reclaim(8);
}

static void test_race_locked(void **state)
{
    struct race race = {.object = new_file(16), .left = {1}};

    (void)state;
    race_cpus(race_locked, &race);
    mmk_object_put(race.object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_file),
        TEST(test_pageout),
        TEST(test_pageout_reader),
        TEST(test_cached),
        TEST(test_some),
        TEST(test_used),
        TEST(test_cold),
        TEST(test_lazyfree),
        TEST(test_dirty),
        TEST(test_write_fails),
        TEST(test_not_kept),
        TEST(test_locked),
        TEST(test_pinned),
        TEST(test_busy),
        TEST(test_private_busy),
        TEST(test_notifier),
        TEST(test_direct),
        TEST(test_contexts),
        cmocka_unit_test_setup_teardown(test_worker, worker_setup, limited_teardown),
        TEST_LIMITED(test_race),
        TEST_LIMITED(test_race_locked),
    };

    return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
