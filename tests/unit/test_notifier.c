/* SPDX-License-Identifier: MIT */
/*
 * test_notifier.c - secondary MMUs: a mirror, here an array of translations that is filled on
 * demand, as a hypervisor's nested tables would be, must never hold one that the address space has
 * given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <mmkit/port/directmap.h>

#include "expect_panic.h"
#include "gather.h"
#include "race.h"
#include "random.h"

enum { PAGES = 64 };

/* ---- the mirror ------------------------------------------------------------------------------ */

struct mapping {
    mmk_paddr_t phys; /* 0: none */
    unsigned prot;
};

static struct mirror {
    struct mmk_notifier notifier;
    struct mmk_mm *mm;
    struct mmk_spinlock lock; /* of what follows */
    struct mapping page[PAGES];
    unsigned begun, ended, released;
    unsigned seen; /* begun, at the last expect_told() */
    struct mmk_notifier_range last;
} mirror;

static void mirror_lock(void)
{
    mmk_spin_lock(&mirror.lock, MMK_LOCK_FRAME);
}

static void mirror_unlock(void)
{
    mmk_spin_unlock(&mirror.lock, MMK_LOCK_FRAME);
}

static struct mirror *mirror_of(struct mmk_notifier *notifier)
{
    return (struct mirror *)(void *)((char *)notifier - offsetof(struct mirror, notifier));
}

static int mirror_begin(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    unsigned i;

    check(mirror_of(notifier) == &mirror && range->mm == mirror.mm && range->start < range->end);
    mirror_lock();
    mirror.begun++;
    mirror.last = *range;
    for (i = 0; i < PAGES; i++)
        if (BASE + i * PAGE >= range->start && BASE + i * PAGE < range->end)
            mirror.page[i].phys = 0;
    mirror_unlock();
    return 0;
}

static void mirror_end(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    check(mirror_of(notifier) == &mirror && range->mm == mirror.mm);
    mirror_lock();
    mirror.ended++;
    mirror_unlock();
}

static void mirror_release(struct mmk_notifier *notifier, struct mmk_mm *of)
{
    check(mirror_of(notifier) == &mirror && of == mirror.mm);
    mirror_lock();
    memset(mirror.page, 0, sizeof(mirror.page));
    mirror.released++;
    mirror_unlock();
}

static const struct mmk_notifier_ops mirror_ops = {mirror_begin, mirror_end, mirror_release};

static void mirror_start(struct mmk_mm *of)
{
    memset(&mirror, 0, sizeof(mirror));
    mirror.notifier.ops = &mirror_ops;
    mirror.mm = of;
    mmk_spin_init(&mirror.lock);
    assert_int_equal(mmk_notifier_register(of, &mirror.notifier), 0);
}

/* The loop of <mmkit/notifier.h>. => the lock held when DONE */
static enum mmk_fault_result mirror_fill(unsigned page, enum mmk_access access)
{
    mmk_vaddr_t addr = BASE + page * PAGE;
    struct mapping new;

    for (;;) {
        uint64_t seq = mmk_notifier_read_begin(&mirror.notifier);
        enum mmk_fault_result result;

        if (mmk_translate(mirror.mm, addr, access, &new.phys, &new.prot)) {
            result = mmk_fault(mirror.mm, addr, access);
            if (result != MMK_FAULT_DONE && result != MMK_FAULT_RETRY)
                return result;
            continue;
        }
        mirror_lock();
        if (!mmk_notifier_read_retry(&mirror.notifier, seq)) {
            mirror.page[page] = new;
            return MMK_FAULT_DONE;
        }
        mirror_unlock();
        mmk_cpu_relax();
    }
}

/* An access through the mirror. */
static enum mmk_fault_result mirror_access(unsigned page, uint64_t offset, bool write,
                                           uint64_t *word)
{
    unsigned need = write ? MMK_PROT_WRITE : MMK_PROT_READ;
    enum mmk_fault_result result;
    struct mmk_a64 *at;

    mirror_lock();
    if (!mirror.page[page].phys || !(mirror.page[page].prot & need)) {
        mirror_unlock();
        result = mirror_fill(page, write ? MMK_ACCESS_WRITE : MMK_ACCESS_READ);
        if (result != MMK_FAULT_DONE)
            return result;
    }
    at = (struct mmk_a64 *)mmk_phys_to_virt(mirror.page[page].phys + offset);
    if (write)
        mmk_a64_store(at, *word, MMK_RELAXED);
    else
        *word = mmk_a64_load(at, MMK_RELAXED);
    mirror_unlock();
    return MMK_FAULT_DONE;
}

static uint64_t mirror_read(unsigned page)
{
    uint64_t word = 0;

    assert_int_equal(mirror_access(page, 0, false, &word), MMK_FAULT_DONE);
    return word;
}

static void mirror_write(unsigned page, uint64_t word)
{
    assert_int_equal(mirror_access(page, 0, true, &word), MMK_FAULT_DONE);
}

/* What the mirror holds, the address space has. => nothing else runs */
static unsigned mirror_check(void)
{
    unsigned i, held = 0;

    for (i = 0; i < PAGES; i++) {
        const struct mapping *page = &mirror.page[i];
        mmk_pte_t pte = peek_entry(mirror.mm, BASE + i * PAGE);

        if (!page->phys)
            continue;
        held++;
        check(mmk_pte_present(pte) && mmk_pte_accessible(pte));
        check(mmk_pte_pfn(pte) == page->phys >> MMK_PAGE_SHIFT);
        check(!(page->prot & MMK_PROT_WRITE) || (mmk_pte_write(pte) && mmk_pte_dirty(pte)));
        check(!(page->prot & MMK_PROT_EXEC) || mmk_pte_exec(pte));
    }
    check(mirror.begun == mirror.ended);
    return held;
}

static void fill_mirror(unsigned from, unsigned to)
{
    for (; from < to; from++)
        (void)mirror_read(from);
}

/* Since the last call: one invalidation, of these pages, for this reason; from == to: none. */
static void expect_told(unsigned from, unsigned to, enum mmk_notify_reason reason)
{
    assert_int_equal(mirror.begun, mirror.seen + (from != to));
    mirror.seen = mirror.begun;
    (void)mirror_check();
    if (from == to)
        return;
    assert_int_equal(mirror.last.start, BASE + from * PAGE);
    assert_int_equal(mirror.last.end, BASE + to * PAGE);
    assert_int_equal(mirror.last.reason, reason);
}

static void expect_quiet(void)
{
    expect_told(0, 0, MMK_NOTIFY_UNMAP);
}

/* ---- who is told of what --------------------------------------------------------------------- */

static void test_operations(void **state)
{
    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    mirror_start(mm);
    fill_mirror(0, PAGES); /* zero pages */
    assert_int_equal(mirror.begun, 0);
    expect_quiet();
    store_byte(BASE + 3 * PAGE, 5); /* in place of the zero page */
    expect_told(3, 4, MMK_NOTIFY_COPY);
    assert_int_equal(mirror_read(3), 5);
    assert_int_equal(mmk_madvise(mm, BASE + 2 * PAGE, 4 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_told(2, 6, MMK_NOTIFY_DISCARD);
    assert_int_equal(mirror_check(), PAGES - 4);
    assert_int_equal(mirror_read(3), 0);
    mirror_write(4, 77);
    expect_quiet();
    expect_byte(BASE + 4 * PAGE, 77);
    assert_int_equal(mmk_mprotect(mm, BASE + 4 * PAGE, PAGE, RO), 0);
    expect_told(4, 5, MMK_NOTIFY_PROTECT);
    assert_int_equal(mirror_access(4, 0, true, &(uint64_t){1}), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mirror_read(4), 77);
    assert_int_equal(mmk_munmap(mm, BASE + 4 * PAGE, 2 * PAGE), 0);
    expect_told(4, 6, MMK_NOTIFY_UNMAP);
    assert_int_equal(mirror_access(4, 0, false, &(uint64_t){0}), MMK_FAULT_SEGV_MAPERR);
    (void)map_at(6, 1, RW, ANON);
    expect_told(6, 7, MMK_NOTIFY_UNMAP);
    mmk_notifier_unregister(mm, &mirror.notifier);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    assert_int_equal(mirror.last.start, BASE + 6 * PAGE);
}

static void test_fork_and_reuse(void **state)
{
    struct mmk_mm *child;
    unsigned begun;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    mirror_start(mm);
    mirror_write(1, 11);
    mirror_write(2, 22);
    begun = mirror.begun;
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mirror.begun, begun + 1);
    assert_int_equal(mirror.last.reason, MMK_NOTIFY_FORK);
    assert_int_equal(mirror_check(), 0);
    assert_int_equal(mirror_read(1), 11);
    mirror_write(1, 12); /* copied away from the child */
    assert_int_equal(mirror.last.reason, MMK_NOTIFY_COPY);
    machine_switch_mm(child);
    expect_byte(BASE + PAGE, 11);
    machine_switch_mm(mm);
    put_mm(child); /* hears of nothing */
    begun = mirror.begun;
    assert_int_equal(mirror_read(2), 22);
    mirror_write(2, 23); /* own page again: only allows more */
    assert_int_equal(mirror.begun, begun);
    (void)mirror_check();
    mmk_notifier_unregister(mm, &mirror.notifier);
}

/* Bits that say a page was used are set by the mirror's accesses, too. */
static void test_dirty(void **state)
{
    struct mmk_object *shmem = new_shmem(4);

    (void)state;
    (void)map_at(0, 1, RW, ANON);
    mirror_start(mm);
    store_byte(BASE, 1);
    assert_int_equal(mmk_madvise(mm, BASE, PAGE, MMK_MADV_FREE), 0);
    assert_false(mmk_pte_dirty(peek_entry(mm, BASE)));
    (void)mirror_read(0);
    assert_false(mmk_pte_dirty(peek_entry(mm, BASE)));
    assert_int_equal(mirror.page[0].prot & MMK_PROT_WRITE, 0);
    mirror_write(0, 1);
    assert_true(mmk_pte_dirty(peek_entry(mm, BASE)));
    (void)map_object_at(8, 4, RW, MMK_MAP_SHARED, shmem, 0);
    fill_mirror(8, 12);
    assert_int_equal(mmk_object_resize(shmem, PAGE), 0);
    assert_int_equal(mirror.last.reason, MMK_NOTIFY_DISCARD);
    assert_int_equal(mirror_check(), 2);
    assert_int_equal(mirror_access(9, 0, false, &(uint64_t){0}), MMK_FAULT_BUS);
    mmk_notifier_unregister(mm, &mirror.notifier);
    mmk_object_put(shmem);
}

static uint64_t written_back;

static int write_back(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    if (index == 0)
        written_back = *(const uint64_t *)page;
    return 0;
}

/* What the mirror has written reaches the disk: it asks again after each write-back. */
static void test_write_back(void **state)
{
    static const struct mmk_object_ops ops = {.read_page = fixture_read_page,
                                              .write_page = write_back};
    struct mmk_object *object;

    (void)state;
    assert_int_equal(mmk_object_create(&ops, 2 * PAGE, NULL, &object), 0);
    (void)map_object_at(0, 2, RW, MMK_MAP_SHARED, object, 0);
    mirror_start(mm);
    mirror_write(0, 5);
    assert_int_equal(mmk_msync(mm, BASE, 2 * PAGE, MMK_MS_SYNC), 0);
    expect_told(0, 2, MMK_NOTIFY_CLEAN);
    assert_int_equal(written_back, 5);
    mirror_write(0, 6);
    assert_int_equal(mmk_object_sync(object, 0, 1), 0);
    expect_told(0, 1, MMK_NOTIFY_CLEAN);
    assert_int_equal(written_back, 6);
    mmk_notifier_unregister(mm, &mirror.notifier);
    mmk_object_put(object);
}

static void test_translate(void **state)
{
    mmk_paddr_t phys = 0;
    unsigned prot = 0;

    (void)state;
    (void)map_at(0, 2, RW | MMK_PROT_EXEC, ANON);
    (void)map_at(2, 1, RW, ANON);
    assert_int_equal(mmk_translate(mm, BASE, MMK_ACCESS_READ, &phys, &prot), MMK_EFAULT);
    assert_int_equal(mmk_translate(mm, MMK_USER_END, MMK_ACCESS_READ, &phys, &prot), MMK_EFAULT);
    store_byte(BASE + 5, 1);
    assert_int_equal(mmk_translate(mm, BASE + 5, MMK_ACCESS_READ, &phys, &prot), 0);
    assert_int_equal(*(uint8_t *)mmk_phys_to_virt(phys), 1);
    assert_int_equal(prot, RX);
    assert_int_equal(mmk_translate(mm, BASE + 5, MMK_ACCESS_EXEC, &phys, &prot), 0);
    assert_int_equal(mmk_translate(mm, BASE + 5, MMK_ACCESS_WRITE, &phys, &prot), 0);
    assert_int_equal(prot, RW | MMK_PROT_EXEC);
    store_byte(BASE + 2 * PAGE, 1);
    assert_int_equal(mmk_translate(mm, BASE + 2 * PAGE, MMK_ACCESS_EXEC, &phys, &prot), MMK_EFAULT);
    assert_int_equal(mmk_mprotect(mm, BASE, PAGE, MMK_PROT_NONE), 0);
    assert_int_equal(mmk_translate(mm, BASE, MMK_ACCESS_READ, &phys, &prot), MMK_EFAULT);
}

/* ---- coming and going ------------------------------------------------------------------------ */

static void test_release(void **state)
{
    struct mmk_mm *other = new_mm();

    (void)state;
    assert_int_equal(mmk_mmap(other, BASE, PAGES * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), BASE);
    mirror_start(other);
    fill_mirror(0, 8);
    mirror_write(3, 3);
    mmk_mm_hold(other);
    mmk_mm_put(other);
    assert_int_equal(mirror.released, 1);
    assert_int_equal(mirror_check(), 0);
    mmk_notifier_unregister(other, &mirror.notifier); /* late, and harmless */
    mmk_mm_drop(other);
    assert_int_equal(mirror.released, 1);
}

/* Those with nothing to say, and several of them, in any order. */
static void test_several(void **state)
{
    static const struct mmk_notifier_ops nothing = {NULL, NULL, NULL};
    struct mmk_notifier before = {.ops = &nothing}, after = {.ops = &nothing};
    struct mmk_mm *other = new_mm();

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    assert_int_equal(mmk_notifier_register(mm, &before), 0);
    mirror_start(mm);
    assert_int_equal(mmk_notifier_register(mm, &after), 0);
    mirror_write(0, 1);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    assert_int_equal(mirror_check(), 0);
    mmk_notifier_unregister(mm, &mirror.notifier);
    assert_int_equal(mmk_munmap(mm, BASE + PAGE, PAGE), 0);
    assert_int_equal(mirror.last.start, BASE);
    mmk_notifier_unregister(mm, &before);
    mmk_notifier_unregister(mm, &after);
    assert_int_equal(mmk_notifier_register(other, &after), 0); /* again, elsewhere */
    mmk_mm_put(other);                                         /* no release() */
}

static void register_twice(void *argument)
{
    (void)argument;
    mirror_start(mm);
    (void)!mmk_notifier_register(mm, &mirror.notifier);
}

static int refuse(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    (void)range;
    return MMK_EAGAIN;
}

static void refuse_sleeping(void *argument)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = refuse};
    struct mmk_notifier notifier = {.ops = &ops};

    (void)argument;
    (void)map_at(0, 1, RW, ANON);
    (void)!mmk_notifier_register(mm, &notifier);
    (void)!mmk_munmap(mm, BASE, PAGE);
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(register_twice, NULL, "N3 a notifier is registered once"));
    assert_true(expect_panic(refuse_sleeping, NULL, "a notifier that may sleep does not refuse"));
}

/*
 * Registered in the middle of an operation that does not hold the mmap lock, and so was not told:
 * it is, after the flush.
 */
static void test_registered_within(void **state)
{
    struct mmk_gather gather;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    store_byte(BASE, 1);
    mmk_gather_begin_range(&gather, mm, BASE, BASE + 4 * PAGE, MMK_NOTIFY_DISCARD);
    mirror_start(mm);
    (void)mirror_read(0);
    assert_int_equal(mirror.begun, 0);
    mmk_gather_flush_early(&gather);
    assert_int_equal(mirror.begun, 1);
    assert_int_equal(mirror.page[0].phys, 0);
    mmk_gather_finish(&gather);
    assert_int_equal(mirror.begun, 1);
    assert_int_equal(mirror.ended, 1);
    mmk_notifier_unregister(mm, &mirror.notifier);
}

static void run_register(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    mirror_start(mm);
}

/* One that may not sleep could not tell it later: who registers waits for its end. */
static void test_registered_beside_nowait(void **state)
{
    struct mmk_gather gather;
    struct cpu_thread thread;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    store_byte(BASE, 1);
    assert_int_equal(mmk_gather_try_begin(&gather, mm, BASE, BASE + PAGE, MMK_NOTIFY_DISCARD), 0);
    cpu_start(&thread, 1, run_register, NULL);
    cpu_await_sleep(&thread);
    mmk_gather_range(&gather, BASE, BASE + PAGE);
    mmk_gather_finish(&gather);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    assert_int_equal(mirror.begun, 0);
    (void)mirror_read(0);
    assert_int_equal(mmk_gather_try_begin(&gather, mm, BASE, BASE + PAGE, MMK_NOTIFY_DISCARD), 0);
    assert_int_equal(mirror.begun, 1);
    mmk_gather_finish(&gather);
    assert_int_equal(mirror.ended, 1);
    mmk_notifier_unregister(mm, &mirror.notifier);
}

/* The two halves of filling, around an operation and within it. */
static void test_retry(void **state)
{
    struct mmk_gather gather;
    uint64_t seq, within;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    mirror_start(mm);
    seq = mmk_notifier_read_begin(&mirror.notifier);
    assert_false(mmk_notifier_read_retry(&mirror.notifier, seq));
    mmk_gather_begin_range(&gather, mm, BASE, BASE + PAGE, MMK_NOTIFY_DISCARD);
    within = mmk_a64_load(&mirror.notifier.seq, MMK_RELAXED); /* as read_begin(), a moment late */
    assert_true(mmk_notifier_read_retry(&mirror.notifier, seq));
    assert_true(mmk_notifier_read_retry(&mirror.notifier, within));
    mmk_gather_finish(&gather);
    assert_true(mmk_notifier_read_retry(&mirror.notifier, seq));
    assert_true(mmk_notifier_read_retry(&mirror.notifier, within));
    seq = mmk_notifier_read_begin(&mirror.notifier);
    assert_false(mmk_notifier_read_retry(&mirror.notifier, seq));
    mmk_notifier_unregister(mm, &mirror.notifier);
}

static struct mmk_a32 readers;

static void run_reader(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    mmk_a32_store(&readers, 1, MMK_RELEASE);
    (void)!mmk_notifier_read_begin(&mirror.notifier);
    mmk_a32_store(&readers, 2, MMK_RELEASE);
}

static bool readers_become(uint32_t wanted)
{
    unsigned i;

    machine_idle_begin();
    for (i = 0; i < 10000 && mmk_a32_load(&readers, MMK_ACQUIRE) != wanted; i++)
        usleep(1000);
    machine_idle_end();
    return i < 10000;
}

/* Operations that overlap without end: who fills a mirror gets on, to try again. */
static void test_retry_overlapping(void **state)
{
    struct mmk_gather gathers[2];
    struct cpu_thread thread;
    bool back;

    (void)state;
    (void)map_at(0, PAGES, RW, ANON);
    mirror_start(mm);
    mmk_a32_store(&readers, 0, MMK_RELAXED);
    mmk_gather_begin_range(&gathers[0], mm, BASE, BASE + PAGE, MMK_NOTIFY_DISCARD);
    cpu_start(&thread, 1, run_reader, NULL);
    cpu_await_sleep(&thread);
    assert_int_equal(mmk_a32_load(&readers, MMK_ACQUIRE), 1);
    mmk_gather_begin_range(&gathers[1], mm, BASE, BASE + PAGE, MMK_NOTIFY_DISCARD);
    mmk_gather_finish(&gathers[0]);
    back = readers_become(2);
    mmk_gather_finish(&gathers[1]);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    assert_true(back);
    mmk_notifier_unregister(mm, &mirror.notifier);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { OPS = 30000, CHECK_EACH = 100, SHARED_AT = PAGES / 2 };

static struct mmk_object *object;
static struct mmk_a32 stop, pause_wanted, paused;

/* Words say whose page they are in: two words of each, one for each CPU that writes. */
static void access_mirror(unsigned cpu, uint64_t *seed)
{
    unsigned page = (unsigned)(next_random(seed) % PAGES), kind = (unsigned)(next_random(seed) % 4);
    uint64_t word = (uint64_t)(page + 1) << 32 | (uint32_t)next_random(seed);
    enum mmk_fault_result result =
        mirror_access(page, (kind < 2 ? cpu : kind) * 8, kind < 2, &word);

    if (result == MMK_FAULT_DONE)
        check(word == 0 || word >> 32 == page + 1);
    else
        check(result != MMK_FAULT_OOM);
}

static void run_mirror(unsigned cpu, void *unused)
{
    uint64_t seed = cpu;

    (void)unused;
    while (!mmk_a32_load(&stop, MMK_ACQUIRE)) {
        if (mmk_a32_load(&pause_wanted, MMK_ACQUIRE)) {
            mmk_a32_fetch_add(&paused, 1, MMK_RELEASE);
            while (mmk_a32_load(&pause_wanted, MMK_ACQUIRE))
                mmk_cpu_relax();
            mmk_a32_fetch_sub(&paused, 1, MMK_RELEASE);
        }
        access_mirror(cpu, &seed);
    }
}

static void check_quiet(void)
{
    mmk_a32_store(&pause_wanted, 1, MMK_RELEASE);
    while (mmk_a32_load(&paused, MMK_ACQUIRE) != 2)
        mmk_cpu_relax();
    (void)mirror_check();
    mmk_check(mm);
    mmk_a32_store(&pause_wanted, 0, MMK_RELEASE);
    while (mmk_a32_load(&paused, MMK_ACQUIRE) != 0)
        mmk_cpu_relax();
}

static void change(uint64_t *seed, struct mmk_mm **child)
{
    unsigned page = (unsigned)(next_random(seed) % PAGES),
             kind = (unsigned)(next_random(seed) % 16);
    uint64_t count = 1 + next_random(seed) % (PAGES / 8), length;
    mmk_vaddr_t addr = BASE + page * PAGE;

    count = count < PAGES - page ? count : PAGES - page;
    length = count * PAGE;
    if (kind == 0)
        assert_int_equal(mmk_munmap(mm, addr, length), 0);
    else if (kind < 3 && page + count <= SHARED_AT)
        (void)map_at(page, count, RW, ANON);
    else if (kind < 4 && page >= SHARED_AT)
        (void)map_object_at(page, count, RW, kind % 2 ? MMK_MAP_SHARED : MMK_MAP_PRIVATE, object,
                            page);
    else if (kind < 6)
        (void)!mmk_madvise(mm, addr, length, MMK_MADV_DONTNEED);
    else if (kind < 7)
        (void)!mmk_madvise(mm, addr, length, MMK_MADV_FREE);
    else if (kind < 9)
        (void)!mmk_mprotect(mm, addr, length, kind % 2 ? RO : RW);
    else if (kind < 10)
        (void)!mmk_object_punch_hole(object, addr - BASE, length);
    else if (kind < 11)
        (void)!mmk_object_resize(object, (PAGES - next_random(seed) % 16) * PAGE);
    else if (kind < 12 && *child)
        put_mm(*child), *child = NULL;
    else if (kind < 13 && !*child)
        assert_int_equal(mmk_fork(mm, child), 0);
    else
        (void)!machine_store(addr + 32, &(uint64_t){(uint64_t)(page + 1) << 32}, 8);
}

static void test_race_operations(void **state)
{
    struct cpu_thread threads[2];
    struct mmk_mm *child = NULL;
    uint64_t seed = 42;
    unsigned i;

    (void)state;
    object = new_shmem(PAGES);
    (void)map_at(0, SHARED_AT, RW, ANON);
    (void)map_object_at(SHARED_AT, SHARED_AT, RW, MMK_MAP_SHARED, object, SHARED_AT);
    mirror_start(mm);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    cpu_start(&threads[0], 1, run_mirror, NULL);
    cpu_start(&threads[1], 2, run_mirror, NULL);
    for (i = 0; i < OPS; i++) {
        change(&seed, &child);
        if (i % CHECK_EACH == 0)
            check_quiet();
    }
    mmk_a32_store(&stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&threads[0]);
    cpu_join(&threads[1]);
    machine_idle_end();
    (void)mirror_check();
    if (child)
        put_mm(child);
    mmk_notifier_unregister(mm, &mirror.notifier);
    mmk_object_put(object);
}

/* Truncation, which holds no mmap lock, beside a mirror that comes to be. */
static struct mmk_a32 round_go, round_done;

enum { REGISTRATIONS = 1000 };

static void run_truncate(unsigned cpu, void *unused)
{
    uint32_t round;

    (void)cpu;
    (void)unused;
    for (round = 1; round <= REGISTRATIONS; round++) {
        while (mmk_a32_load(&round_go, MMK_ACQUIRE) != round)
            mmk_cpu_relax();
        check(mmk_object_resize(object, 0) == 0);
        mmk_a32_store(&round_done, round, MMK_RELEASE);
    }
}

static void test_race_registration(void **state)
{
    struct cpu_thread thread;
    uint32_t round, i;

    (void)state;
    object = new_shmem(PAGES);
    (void)map_object_at(0, PAGES, RW, MMK_MAP_SHARED, object, 0);
    mmk_a32_store(&round_go, 0, MMK_RELAXED);
    mmk_a32_store(&round_done, 0, MMK_RELAXED);
    cpu_start(&thread, 1, run_truncate, NULL);
    for (round = 1; round <= REGISTRATIONS; round++) {
        assert_int_equal(mmk_object_resize(object, PAGES * PAGE), 0);
        fill(BASE, 16, 1);
        mmk_a32_store(&round_go, round, MMK_RELEASE);
        for (i = 0; i < round % 23 * 20; i++)
            mmk_cpu_relax();
        mirror_start(mm);
        for (i = 0; i < 16; i++)
            (void)!mirror_access(15 - i, 0, false, &(uint64_t){0});
        while (mmk_a32_load(&round_done, MMK_ACQUIRE) != round)
            mmk_cpu_relax();
        assert_int_equal(mirror_check(), 0);
        mmk_notifier_unregister(mm, &mirror.notifier);
    }
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    mmk_object_put(object);
}

/* A notifier is gone, its memory perhaps with it, when unregistering is over. */
static struct mmk_a32 alive;

static int slow_begin(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    check(range->may_sleep);
    check(mmk_a32_load(&alive, MMK_ACQUIRE));
    machine_idle_begin();
    usleep(1);
    machine_idle_end();
    check(mmk_a32_load(&alive, MMK_ACQUIRE));
    return 0;
}

static void slow_end(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    (void)range;
    check(mmk_a32_load(&alive, MMK_ACQUIRE));
}

static void run_changes(unsigned cpu, void *unused)
{
    (void)unused;
    while (!mmk_a32_load(&stop, MMK_ACQUIRE)) {
        if (cpu == 1)
            check(mmk_object_punch_hole(object, 0, PAGES * PAGE) == 0);
        else
            check(mmk_madvise(mm, BASE, PAGE, MMK_MADV_DONTNEED) == 0);
        mmk_cpu_relax();
    }
}

static void test_race_unregistration(void **state)
{
    static const struct mmk_notifier_ops ops = {slow_begin, slow_end, NULL};
    struct mmk_notifier *notifiers[2];
    struct cpu_thread threads[2];
    unsigned i;

    (void)state;
    object = new_shmem(PAGES);
    (void)map_object_at(0, PAGES, RW, MMK_MAP_SHARED, object, 0);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    cpu_start(&threads[0], 1, run_changes, NULL);
    cpu_start(&threads[1], 2, run_changes, NULL);
    for (i = 0; i < REGISTRATIONS; i++) {
        mmk_a32_store(&alive, 1, MMK_RELEASE);
        notifiers[0] = calloc(1, sizeof(*notifiers[0]));
        notifiers[1] = calloc(1, sizeof(*notifiers[1]));
        assert_true(notifiers[0] && notifiers[1]);
        notifiers[0]->ops = notifiers[1]->ops = &ops;
        assert_int_equal(mmk_notifier_register(mm, notifiers[0]), 0);
        assert_int_equal(mmk_notifier_register(mm, notifiers[1]), 0);
        (void)!mmk_notifier_read_begin(notifiers[i % 2]);
        mmk_notifier_unregister(mm, notifiers[i % 2]);
        free(notifiers[i % 2]);
        mmk_notifier_unregister(mm, notifiers[1 - i % 2]);
        mmk_a32_store(&alive, 0, MMK_RELEASE);
        machine_idle_begin();
        usleep(i % 8 * 20); /* whoever is still at it finds that it should not be */
        machine_idle_end();
        free(notifiers[1 - i % 2]);
    }
    mmk_a32_store(&stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&threads[0]);
    cpu_join(&threads[1]);
    machine_idle_end();
    mmk_object_put(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_LIMITED(test_operations),
        TEST_LIMITED(test_fork_and_reuse),
        TEST_LIMITED(test_dirty),
        TEST_LIMITED(test_write_back),
        TEST_LIMITED(test_translate),
        TEST_LIMITED(test_release),
        TEST_LIMITED(test_several),
        TEST_LIMITED(test_misuse),
        TEST_LIMITED(test_registered_within),
        TEST_LIMITED(test_registered_beside_nowait),
        TEST_LIMITED(test_retry),
        TEST_LIMITED(test_retry_overlapping),
        TEST_LIMITED(test_race_operations),
        TEST_LIMITED(test_race_registration),
        TEST_LIMITED(test_race_unregistration),
    };

    return cmocka_run_group_tests_name("notifier", tests, NULL, NULL);
}
