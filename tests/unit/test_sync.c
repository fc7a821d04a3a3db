/* SPDX-License-Identifier: MIT */
/*
 * test_sync.c - write-back: msync, mmk_object_sync(), and an object's end. The disk is an array
 * that write_page and read_page copy to and from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clean.h"
#include "race.h"

#define PAGES 64

static struct {
    uint64_t words[PAGES][PAGE / 8];
    struct mmk_a32 writes[PAGES];
    struct mmk_a32 reads;
    int error[PAGES]; /* what writing the page answers */
    unsigned delay;   /* how long writing takes, once the page was copied */
} disk;

static void copy_words(uint64_t *to, const uint64_t *from)
{
    size_t i;

    for (i = 0; i < PAGE / 8; i++)
        __atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

static int disk_read(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    mmk_a32_fetch_add(&disk.reads, 1, MMK_RELAXED);
    copy_words(page, disk.words[index]);
    return 0;
}

static int disk_write(struct mmk_object *object, uint64_t index, const void *page)
{
    unsigned i;

    (void)object;
    mmk_a32_fetch_add(&disk.writes[index], 1, MMK_RELAXED);
    if (disk.error[index])
        return disk.error[index];
    copy_words(disk.words[index], page);
    for (i = 0; i < disk.delay; i++)
        mmk_cpu_relax();
    return 0;
}

static int disk_punch(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    if (disk.error[offset / PAGE])
        return disk.error[offset / PAGE];
    memset((uint8_t *)disk.words + offset, 0, length);
    return 0;
}

static const struct mmk_object_ops disk_ops = {
    .read_page = disk_read, .write_page = disk_write, .punch_hole = disk_punch};

static struct mmk_object *new_disk(uint64_t bytes)
{
    struct mmk_object *object;

    memset(&disk, 0, sizeof(disk));
    assert_int_equal(mmk_object_create(&disk_ops, bytes, NULL, &object), 0);
    return object;
}

static uint64_t disk_word(uint64_t index)
{
    return __atomic_load_n(&disk.words[index][0], __ATOMIC_RELAXED);
}

static uint64_t all_writes(void)
{
    uint64_t sum = 0, i;

    for (i = 0; i < PAGES; i++)
        sum += mmk_a32_load(&disk.writes[i], MMK_RELAXED);
    return sum;
}

static void store(mmk_vaddr_t addr, uint64_t word)
{
    assert_int_equal(machine_store(addr, &word, sizeof(word)), MMK_FAULT_DONE);
}

static void sync_all(struct mmk_object *object)
{
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), 0);
    mmk_check_object(object);
    mmk_check(mm);
}

/* ---- what is written ---------------------------------------------------------------------------
 */

static void test_msync(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    expect_byte(base + 2 * PAGE, 0);
    store(base, 11);
    store(base + PAGE, 12);
    assert_int_equal(disk_word(0), 0);
    assert_int_equal(mmk_msync(mm, base, 4 * PAGE, MMK_MS_ASYNC), 0);
    assert_int_equal(mmk_msync(mm, base, 4 * PAGE, 0), 0);
    assert_int_equal(mmk_msync(mm, base, 4 * PAGE, MMK_MS_INVALIDATE), 0);
    assert_int_equal(all_writes(), 0);
    assert_int_equal(mmk_msync(mm, base, 4 * PAGE, MMK_MS_SYNC), 0);
    assert_int_equal(disk_word(0), 11);
    assert_int_equal(disk_word(1), 12);
    assert_int_equal(all_writes(), 2); /* not what was only read */
    mmk_check(mm);
    mmk_object_put(object);
}

/* Clean pages are not written again; a store makes them dirty, a load does not. */
static void test_again(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    store(base + PAGE, 2);
    sync_all(object);
    assert_false(mmk_pte_dirty(peek_entry(mm, base)));
    assert_false(mmk_pte_write(peek_entry(mm, base)));
    expect_byte(base, 1);
    sync_all(object);
    assert_int_equal(all_writes(), 2);
    store(base, 3);
    assert_true(mmk_page_test(peek_page(mm, base), MMK_PF_DIRTY));
    store(base, 4); /* by hardware alone */
    sync_all(object);
    assert_int_equal(all_writes(), 3);
    assert_int_equal(disk_word(0), 4);
    assert_int_equal(mm_stats(mm).fault_reuse, 1);
    mmk_object_put(object);
}

/* The page's own bit may be gone: the entry says it. */
static void test_entry_alone(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    mmk_page_clear(peek_page(mm, base), MMK_PF_DIRTY);
    sync_all(object);
    assert_int_equal(disk_word(0), 1);
    mmk_object_put(object);
}

static void test_range(void **state)
{
    struct mmk_object *object = new_disk(8 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 8, RW, MMK_MAP_SHARED, object, 0);
    uint64_t i;

    (void)state;
    for (i = 0; i < 8; i++)
        store(base + i * PAGE, i + 1);
    assert_int_equal(mmk_object_sync(object, PAGE + 100, 0), 0);
    assert_int_equal(mmk_object_sync(object, 8 * PAGE, PAGE), 0);
    assert_int_equal(all_writes(), 0);
    assert_int_equal(mmk_object_sync(object, PAGE + 100, PAGE), 0);
    assert_int_equal(disk_word(1), 2);
    assert_int_equal(disk_word(2), 3);
    assert_int_equal(all_writes(), 2);
    assert_true(mmk_pte_dirty(peek_entry(mm, base)));
    assert_int_equal(mmk_object_sync(object, 6 * PAGE, UINT64_MAX), 0);
    assert_int_equal(all_writes(), 4);
    assert_int_equal(mmk_msync(mm, base + 3 * PAGE, 1, MMK_MS_SYNC | MMK_MS_INVALIDATE), 0);
    assert_int_equal(disk_word(3), 4);
    assert_int_equal(all_writes(), 5);
    assert_int_equal(mmk_object_sync(object, UINT64_MAX, UINT64_MAX), 0);
    sync_all(object);
    assert_int_equal(all_writes(), 8);
    mmk_object_put(object);
}

/* One flush for a mapping, however many pages. */
static void test_one_flush(void **state)
{
    struct mmk_object *object = new_disk(32 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 32, RW, MMK_MAP_SHARED, object, 0);
    uint64_t i, before;

    (void)state;
    for (i = 0; i < 32; i++)
        store(base + i * PAGE, 1);
    before = stats_now().tlb_flushes;
    sync_all(object);
    assert_int_equal(stats_now().tlb_flushes, before + 1);
    assert_int_equal(all_writes(), 32);
    sync_all(object);
    assert_int_equal(stats_now().tlb_flushes, before + 1); /* nothing to flush */
    mmk_object_put(object);
}

static void test_two_address_spaces(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);
    struct mmk_mm *child;

    (void)state;
    store(base, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    machine_switch_mm(child);
    store(base + PAGE, 2);
    store(base, 3);
    machine_switch_mm(mm);
    sync_all(object);
    assert_int_equal(disk_word(0), 3);
    assert_int_equal(disk_word(1), 2);
    machine_switch_mm(child);
    store(base, 4);
    machine_switch_mm(mm);
    put_mm(child); /* its entry goes: the page knows */
    sync_all(object);
    assert_int_equal(disk_word(0), 4);
    mmk_object_put(object);
}

static void test_unmapped(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    store(base + PAGE, 2);
    assert_int_equal(mmk_munmap(mm, base, PAGE), 0);
    assert_int_equal(mmk_madvise(mm, base + PAGE, PAGE, MMK_MADV_DONTNEED), 0);
    sync_all(object);
    assert_int_equal(disk_word(0), 1);
    assert_int_equal(disk_word(1), 2);
    mmk_object_put(object);
}

/* Entries that the program may no longer write, or not use at all, were dirty before. */
static void test_protected(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    store(base + PAGE, 2);
    mmk_page_clear(peek_page(mm, base), MMK_PF_DIRTY);
    mmk_page_clear(peek_page(mm, base + PAGE), MMK_PF_DIRTY);
    assert_int_equal(mmk_mprotect(mm, base, PAGE, RO), 0);
    assert_int_equal(mmk_mprotect(mm, base + PAGE, PAGE, MMK_PROT_NONE), 0);
    sync_all(object);
    assert_int_equal(disk_word(0), 1);
    assert_int_equal(disk_word(1), 2);
    assert_int_equal(mmk_mprotect(mm, base, 2 * PAGE, RW), 0);
    store(base, 5);
    store(base + PAGE, 6);
    sync_all(object);
    assert_int_equal(disk_word(0), 5);
    assert_int_equal(disk_word(1), 6);
    mmk_object_put(object);
}

static void test_private(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_PRIVATE, object, 0);

    (void)state;
    store(base, 1);
    expect_byte(base + PAGE, 0);
    assert_int_equal(mmk_msync(mm, base, 4 * PAGE, MMK_MS_SYNC), 0);
    sync_all(object);
    assert_int_equal(all_writes(), 0);
    assert_true(mmk_pte_write(peek_entry(mm, base))); /* the copy is none of the object's */
    mmk_object_put(object);
}

/* What was written does not come back; what the disk refuses has not happened. */
static void test_forgotten(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    fill(base, 4, 1);
    sync_all(object);
    disk.error[1] = MMK_EIO;
    assert_int_equal(advise(base + PAGE, 2, MMK_MADV_REMOVE), MMK_EIO);
    assert_int_equal(mmk_object_punch_hole(object, PAGE + 5, PAGE), MMK_EIO);
    expect_filled(base, 4, 1);
    disk.error[1] = 0;
    assert_int_equal(advise(base + PAGE, 2, MMK_MADV_REMOVE), 0);
    expect_byte(base + PAGE, 0);
    expect_byte(base + 2 * PAGE, 0);
    expect_byte(base, 1);
    expect_byte(base + 3 * PAGE, 4);
    assert_int_equal(mmk_object_punch_hole(object, 0, 1), 0);
    expect_byte(base, 0);
    sync_all(object);
    assert_int_equal(disk_word(0), 0);
    assert_int_equal(disk_word(2), 0);
    assert_int_equal(disk_word(3), 4);
    mmk_object_put(object);
}

static void test_memory_only(void **state)
{
    mmk_vaddr_t shared = map_at(0, 2, RW, SHARED_ANON);
    mmk_vaddr_t private = map_at(2, 2, RW, ANON);
    struct mmk_object *file = new_file(2); /* without write_page */
    mmk_vaddr_t base = map_object_at(4, 2, RW, MMK_MAP_SHARED, file, 0);

    (void)state;
    store(shared, 1);
    store(private, 1);
    store(base, 1);
    assert_int_equal(mmk_msync(mm, shared, 6 * PAGE, MMK_MS_SYNC), 0);
    assert_int_equal(mmk_object_sync(file, 0, UINT64_MAX), 0);
    assert_true(mmk_pte_write(peek_entry(mm, base)));
    assert_true(mmk_page_test(peek_page(mm, base), MMK_PF_DIRTY));
    mmk_object_put(file);
}

/* The kernel's own stores, and a device's. */
static void test_not_by_program(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);
    struct mmk_page *page;
    uint64_t word = 9;

    (void)state;
    store(base, 1);
    store(base + PAGE, 1);
    store(base + 2 * PAGE, 1);
    assert_int_equal(mmk_pin_pages(mm, base + 2 * PAGE, 1, MMK_PIN_WRITE, &page), 1);
    sync_all(object);
    assert_int_equal(mmk_put_user(mm, base, 7, 8), 0);
    assert_int_equal(mmk_mm_write(mm, base + PAGE, &word, 8, MMK_MM_ALLOWED), 8);
    mmk_a64_store(mmk_page_address(page), 10, MMK_RELAXED);
    mmk_unpin_pages(&page, 1, true);
    sync_all(object);
    assert_int_equal(disk_word(0), 7);
    assert_int_equal(disk_word(1), 9);
    assert_int_equal(disk_word(2), 10);
    mmk_object_put(object);
}

/* ---- size --------------------------------------------------------------------------------------
 */

/* What lies beyond the end is not the file's: zeros on the disk, and in memory from then on. */
static void test_beyond_end(void **state)
{
    struct mmk_object *object = new_disk(PAGE + 101);
    mmk_vaddr_t base = map_object_at(0, 2, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store_byte(base + PAGE + 100, 7);
    store_byte(base + PAGE + 101, 8);
    store_byte(base + 2 * PAGE - 1, 9);
    sync_all(object);
    assert_int_equal(((uint8_t *)disk.words[1])[100], 7);
    assert_int_equal(((uint8_t *)disk.words[1])[101], 0);
    assert_int_equal(((uint8_t *)disk.words[1])[PAGE - 1], 0);
    expect_byte(base + PAGE + 101, 0);
    expect_byte(base + PAGE + 100, 7);
    mmk_object_put(object);
}

/* Truncation drops what is dirty, and the part of a page that it zeroes is to be written. */
static void test_truncated(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base + PAGE + 8, 5);
    store(base + PAGE, 4);
    store(base + 2 * PAGE, 6);
    sync_all(object);
    store(base + 2 * PAGE, 7);
    store(base + 3 * PAGE, 8);
    assert_int_equal(mmk_object_resize(object, PAGE + 8), 0);
    sync_all(object);
    assert_int_equal(disk_word(1), 4);
    assert_int_equal(disk.words[1][1], 0);
    assert_int_equal(disk_word(2), 6); /* the embedder's to cut */
    assert_int_equal(disk_word(3), 0);
    assert_int_equal(all_writes(), 3);
    mmk_object_put(object);
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static void test_last_put(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    store(base + 3 * PAGE, 4);
    mmk_object_put(object);
    assert_int_equal(all_writes(), 0);
    assert_int_equal(mmk_munmap(mm, base, 4 * PAGE), 0);
    assert_int_equal(disk_word(0), 1);
    assert_int_equal(disk_word(3), 4);
    assert_int_equal(all_writes(), 2);
}

static void test_last_put_fails(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    store(base + PAGE, 2);
    disk.error[0] = MMK_EIO;
    assert_int_equal(mmk_munmap(mm, base, 4 * PAGE), 0);
    mmk_object_put(object); /* logged; the rest is written */
    assert_int_equal(disk_word(0), 0);
    assert_int_equal(disk_word(1), 2);
}

/* ---- errors ------------------------------------------------------------------------------------
 */

/* As Linux 6.18 answers. */
static void test_errors(void **state)
{
    struct mmk_object *object = new_disk(8 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 2, RW, MMK_MAP_SHARED, object, 0);
    const unsigned sync = MMK_MS_SYNC;

    (void)state;
    (void)map_object_at(3, 2, RW, MMK_MAP_SHARED, object, 3);
    (void)map_at(5, 1, RW, ANON);
    assert_int_equal(mmk_msync(mm, base, PAGE, sync | MMK_MS_ASYNC), MMK_EINVAL);
    assert_int_equal(mmk_msync(mm, base, PAGE, 8), MMK_EINVAL);
    assert_int_equal(mmk_msync(mm, base, 0, 8), MMK_EINVAL);
    assert_int_equal(mmk_msync(mm, base + 1, PAGE, sync), MMK_EINVAL);
    assert_int_equal(mmk_msync(mm, base, 0, sync), 0);
    assert_int_equal(mmk_msync(mm, base + 2 * PAGE, 0, sync), 0);
    assert_int_equal(mmk_msync(mm, base, UINT64_MAX, sync), 0);
    assert_int_equal(mmk_msync(mm, base, 0 - PAGE, sync), MMK_ENOMEM);
    assert_int_equal(mmk_msync(mm, base, (uint64_t)1 << 62, sync), MMK_ENOMEM);
    assert_int_equal(mmk_msync(mm, (uint64_t)1 << 63, PAGE, sync), MMK_ENOMEM);
    assert_int_equal(mmk_msync(mm, base + 2 * PAGE, PAGE, sync), MMK_ENOMEM);
    assert_int_equal(mmk_msync(mm, base + 5 * PAGE, 2 * PAGE, sync), MMK_ENOMEM);
    assert_int_equal(mmk_msync(mm, base, 5 * PAGE, MMK_MS_ASYNC), MMK_ENOMEM);
    assert_int_equal(mmk_msync(mm, base, 5 * PAGE, 0), MMK_ENOMEM);
    mmk_object_put(object);
}

/* What lies beyond a hole is written, and the hole is reported. */
static void test_hole(void **state)
{
    struct mmk_object *object = new_disk(8 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 2, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    (void)map_object_at(3, 2, RW, MMK_MAP_SHARED, object, 3);
    store(base, 1);
    store(base + 4 * PAGE, 5);
    assert_int_equal(mmk_msync(mm, base, 5 * PAGE, MMK_MS_SYNC), MMK_ENOMEM);
    assert_int_equal(disk_word(0), 1);
    assert_int_equal(disk_word(4), 5);
    mmk_object_put(object);
}

static void test_locked(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);

    (void)state;
    store(base, 1);
    assert_int_equal(mmk_mlock(mm, base + PAGE, PAGE), 0);
    assert_int_equal(mmk_msync(mm, base, 2 * PAGE, MMK_MS_SYNC), 0);
    store(base, 2);
    assert_int_equal(mmk_msync(mm, base, 2 * PAGE, MMK_MS_SYNC | MMK_MS_INVALIDATE), MMK_EBUSY);
    assert_int_equal(disk_word(0), 2); /* what came before it is done */
    assert_int_equal(mmk_msync(mm, base + PAGE, PAGE, MMK_MS_INVALIDATE), MMK_EBUSY);
    assert_int_equal(mmk_msync(mm, base, PAGE, MMK_MS_INVALIDATE), 0);
    mmk_object_put(object);
}

/* It is reported, the other pages are written, and this one is the next time. */
static void test_write_fails(void **state)
{
    struct mmk_object *object = new_disk(4 * PAGE);
    mmk_vaddr_t base = map_object_at(0, 4, RW, MMK_MAP_SHARED, object, 0);
    uint64_t i;

    (void)state;
    for (i = 0; i < 4; i++)
        store(base + i * PAGE, i + 1);
    disk.error[1] = MMK_EIO;
    disk.error[2] = MMK_ENOMEM;
    assert_int_equal(mmk_object_sync(object, 0, UINT64_MAX), MMK_EIO);
    assert_int_equal(disk_word(3), 4);
    assert_int_equal(mmk_msync(mm, base + 2 * PAGE, PAGE, MMK_MS_SYNC), MMK_ENOMEM);
    disk.error[1] = disk.error[2] = 0;
    sync_all(object);
    for (i = 0; i < 4; i++)
        assert_int_equal(disk_word(i), i + 1);
    assert_int_equal(all_writes(), 7);
    mmk_object_put(object);
}

/* ---- races -------------------------------------------------------------------------------------
 */

#define SYNCS  600
#define SHARED 4 /* pages that all store to */

static struct {
    struct mmk_object *object;
    mmk_vaddr_t base;
    struct mmk_a64 stored[SHARED][MMK_MAX_CPUS]; /* the last word that is in memory for sure */
    struct mmk_a32 over;
} race;

/* Each CPU counts up its word of every page; now and then it drops its translations of one. */
static void keep_storing(unsigned cpu)
{
    enum mmk_fault_result result;
    uint64_t n, page;
    int error = 0;

    for (n = 1; !mmk_a32_load(&race.over, MMK_ACQUIRE); n++) {
        for (page = 0; page < SHARED; page++) {
            result = machine_store(race.base + page * PAGE + cpu * 8, &n, sizeof(n));
            check(result == MMK_FAULT_DONE);
            mmk_a64_store(&race.stored[page][cpu], n, MMK_RELEASE);
        }
        if (n % 97 == 0)
            error = mmk_madvise(mm, race.base + n % SHARED * PAGE, PAGE, MMK_MADV_DONTNEED);
        check(!error);
    }
}

static bool on_disk(uint64_t page, unsigned cpu, uint64_t least)
{
    return __atomic_load_n(&disk.words[page][cpu], __ATOMIC_RELAXED) >= least;
}

/* After a sync the disk has all that was stored before it began. */
static void sync_and_look(void)
{
    uint64_t least[SHARED][3], page;
    unsigned cpu, i;
    int error;

    for (i = 0; i < SYNCS; i++) {
        for (page = 0; page < SHARED; page++)
            for (cpu = 1; cpu < 3; cpu++)
                least[page][cpu] = mmk_a64_load(&race.stored[page][cpu], MMK_ACQUIRE);
        if (i % 2)
            error = mmk_object_sync(race.object, 0, UINT64_MAX);
        else
            error = mmk_msync(mm, race.base, SHARED * PAGE, MMK_MS_SYNC);
        check(!error);
        for (page = 0; page < SHARED; page++)
            for (cpu = 1; cpu < 3; cpu++)
                check(on_disk(page, cpu, least[page][cpu]));
        mmk_cpu_relax();
    }
    mmk_a32_store(&race.over, 1, MMK_RELEASE);
}

static void race_cpu(unsigned cpu, void *unused)
{
    (void)unused;
    machine_switch_mm(mm);
    if (cpu == 0)
        sync_and_look();
    else
        keep_storing(cpu);
    machine_switch_mm(NULL);
}

static void run_race(void (*function)(unsigned cpu, void *argument), unsigned delay)
{
    uint64_t page;
    unsigned cpu;

    race.object = new_disk(SHARED * PAGE);
    disk.delay = delay;
    race.base = map_object_at(0, SHARED, RW, MMK_MAP_SHARED, race.object, 0);
    memset(race.stored, 0, sizeof(race.stored));
    mmk_a32_store(&race.over, 0, MMK_RELAXED);
    race_cpus(function, NULL);
    sync_all(race.object);
    for (page = 0; page < SHARED; page++)
        for (cpu = 1; cpu < 3; cpu++)
            assert_int_equal(disk.words[page][cpu],
                             mmk_a64_load(&race.stored[page][cpu], MMK_RELAXED));
    mmk_object_put(race.object);
}

static void test_race(void **state)
{
    (void)state;
    run_race(race_cpu, 0);
}

/* Two that sync, one that stores. */
static void two_sync(unsigned cpu, void *unused)
{
    uint64_t least;
    int error;

    (void)unused;
    if (cpu < 2) {
        race_cpu(cpu, NULL);
        return;
    }
    machine_switch_mm(mm);
    while (!mmk_a32_load(&race.over, MMK_ACQUIRE)) {
        least = mmk_a64_load(&race.stored[0][1], MMK_ACQUIRE);
        error = mmk_object_sync(race.object, 0, PAGE);
        check(!error && on_disk(0, 1, least));
        mmk_cpu_relax();
    }
    machine_switch_mm(NULL);
}

static void test_two_sync(void **state)
{
    (void)state;
    run_race(two_sync, 0);
}

/*
 * A store while write-back is at work on the page, as it is once the store before is on the disk;
 * the entry dropped; and then nothing: if that was taken for what is written already, no later
 * store helps.
 */
static void store_and_rest(unsigned cpu)
{
    mmk_vaddr_t addr = race.base + cpu * PAGE + cpu * 8;
    struct mmk_a64 *stored = &race.stored[cpu][cpu];
    enum mmk_fault_result result;
    uint64_t n;
    int error;

    for (n = 1; !mmk_a32_load(&race.over, MMK_ACQUIRE); n++) {
        result = machine_store(addr, &n, sizeof(n));
        check(result == MMK_FAULT_DONE);
        error = n % 2 ? 0 : mmk_madvise(mm, addr & MMK_PAGE_MASK, PAGE, MMK_MADV_DONTNEED);
        check(!error);
        mmk_a64_store(stored, n, MMK_RELEASE);
        while (!on_disk(cpu, cpu, n) && !mmk_a32_load(&race.over, MMK_ACQUIRE))
            mmk_cpu_relax();
    }
}

static void rest_cpu(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0) {
        race_cpu(0, NULL);
        return;
    }
    machine_switch_mm(mm);
    store_and_rest(cpu);
    machine_switch_mm(NULL);
}

static void test_race_at_rest(void **state)
{
    (void)state;
    run_race(rest_cpu, 100);
}

static struct mmk_a32 step;

static void wait_for(uint32_t value)
{
    while (mmk_a32_load(&step, MMK_ACQUIRE) < value)
        mmk_cpu_relax();
}

/* Another's write-back, held up between its pass over the entries and its flush. */
static void clean_slowly(unsigned cpu, void *argument)
{
    const mmk_vaddr_t *base = argument;
    struct mmk_gather gather;

    (void)cpu;
    mmk_gather_begin_range(&gather, mm, 0, MMK_USER_END, MMK_NOTIFY_DISCARD);
    mmk_clean_range(&gather, *base, *base + PAGE);
    mmk_a32_store(&step, 1, MMK_RELEASE);
    wait_for(2);
    mmk_gather_finish(&gather);
}

/* It is not trusted: this one flushes, though it has changed nothing (P2). */
static void test_flush_pending(void **state)
{
    struct mmk_object *object = new_disk(PAGE);
    mmk_vaddr_t base = map_object_at(0, 1, RW, MMK_MAP_SHARED, object, 0);
    struct cpu_thread other;

    (void)state;
    store(base, 1);
    mmk_a32_store(&step, 0, MMK_RELAXED);
    cpu_start(&other, 1, clean_slowly, &base);
    wait_for(1);
    assert_int_equal(mmk_object_sync(object, 0, PAGE), 0);
    assert_int_equal(disk_word(0), 1);
    store(base, 2);
    mmk_a32_store(&step, 2, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other);
    machine_idle_end();
    sync_all(object);
    assert_int_equal(disk_word(0), 2);
    mmk_object_put(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_msync),        TEST(test_again),          TEST(test_entry_alone),
        TEST(test_range),        TEST(test_one_flush),      TEST(test_two_address_spaces),
        TEST(test_unmapped),     TEST(test_protected),      TEST(test_private),
        TEST(test_memory_only),  TEST(test_not_by_program), TEST(test_beyond_end),
        TEST(test_truncated),    TEST(test_last_put),       TEST(test_last_put_fails),
        TEST(test_errors),       TEST(test_hole),           TEST(test_locked),
        TEST(test_write_fails),  TEST(test_race),           TEST(test_two_sync),
        TEST(test_race_at_rest), TEST(test_flush_pending),  TEST(test_forgotten),
    };

    return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
