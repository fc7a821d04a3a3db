/* SPDX-License-Identifier: MIT */
/*
 * test_kill.c - the death of an address space: faults, sleepers and calls once it is killed, the
 * reaper, and what is left when the last user has gone.
 *
 * A sleeper that is not woken makes a test hang, and the alarm ends it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <unistd.h>

#include "expect_panic.h"
#include "kill.h"
#include "populate.h"
#include "race.h"

/* ---- faults ---------------------------------------------------------------------------------- */

static void test_faults(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_object *file = new_file(4);
    struct mmk_mm *child;

    (void)state;
    (void)map_object_at(16, 4, RW, MMK_MAP_PRIVATE, file, 0);
    (void)map_at(32, 1, RW, STACK);
    fill(a, 2, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    expect_byte(a, 1);
    mmk_kill(mm);
    mmk_kill(mm);
    expect_byte(a, 1); /* what needs no fault goes on for a while */
    expect_store(a, MMK_FAULT_KILLED);
    expect_load(a + 3 * PAGE, MMK_FAULT_KILLED);
    expect_store(a + 3 * PAGE, MMK_FAULT_KILLED);
    expect_load(BASE + 16 * PAGE, MMK_FAULT_KILLED);
    expect_store(BASE + 16 * PAGE, MMK_FAULT_KILLED);
    expect_store(BASE + 31 * PAGE, MMK_FAULT_KILLED); /* the stack does not grow */
    expect_load(BASE + 64 * PAGE, MMK_FAULT_KILLED);  /* nothing there */
    expect_load(MMK_USER_END, MMK_FAULT_KILLED);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).rss_anon, 2);
    machine_switch_mm(child);
    store_byte(a, 9); /* the child lives */
    machine_switch_mm(mm);
    put_mm(child);
    mmk_object_put(file);
}

/* A call that need not wait is done as ever; fork and populating stop. */
static void test_calls(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);
    struct mmk_mm *child = NULL;
    struct mmk_page *pages[2];
    uint64_t mms;

    (void)state;
    fill(a, 3, 1);
    mms = stats_now().address_spaces;
    mmk_kill(mm);
    assert_int_equal(mmk_fork(mm, &child), MMK_EINTR);
    assert_null(child);
    assert_int_equal(mmk_pin_pages(mm, a + 2 * PAGE, 2, MMK_PIN_WRITE, pages), 1);
    assert_int_equal(mmk_pin_pages(mm, a + 3 * PAGE, 1, MMK_PIN_WRITE, &pages[1]), MMK_EINTR);
    mmk_unpin_pages(pages, 1, false);
    assert_int_equal(mmk_clear_user(mm, a + 2 * PAGE, 2 * PAGE), PAGE);
    assert_int_equal(mmk_msync(mm, a, PAGE, MMK_MS_SYNC), 0);
    assert_int_equal(stats_now().address_spaces, mms);
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(mmk_mprotect(mm, a, PAGE, RO), 0);
    assert_int_equal(mmk_munmap(mm, a, 2 * PAGE), 0);
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    assert_int_equal(mmk_populate_locked(mm, a + 2 * PAGE, a + 8 * PAGE, MMK_POPULATE_AS_VMA),
                     MMK_EINTR);
    assert_int_equal(mmk_populate_locked(mm, a + 2 * PAGE, a + 8 * PAGE, MMK_POPULATE_BEST_EFFORT),
                     MMK_EINTR);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
}

/* Whoever is killed takes no more memory: for tables, to read ahead, for a child. */
static void test_takes_no_memory(void **state)
{
    const uint64_t table = MMK_PT_ENTRIES;
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a;

    (void)state;
    a = map_at(0, 2 * table, RW, ANON);
    fill(a, 1, 1);
    (void)map_object_at(3 * table, 4, RO, MMK_MAP_SHARED, file, 0);
    mmk_kill(mm);
    assert_int_equal(mmk_madvise(mm, BASE + 3 * table * PAGE, 4 * PAGE, MMK_MADV_WILLNEED), 0);
    assert_int_equal(mmk_object_size(file), 4 * PAGE);
    assert_int_equal(file->pages.count, 0);
    assert_int_equal(mmk_map_frames(mm, BASE + 4 * table * PAGE, PAGE, RW, MMK_MAP_FIXED, 0),
                     MMK_EINTR);
    expect_shape(2, 2 * table + 4);
    /* Nor does what has a table get guards: the reaper may have been there (RP1). */
    assert_int_equal(mmk_madvise(mm, a, 2 * table * PAGE, MMK_MADV_GUARD_INSTALL), MMK_EINTR);
    expect_tables(mm, 1, 1, 1);
    assert_int_equal(mm_stats(mm).rss_anon, 1);
    mmk_object_put(file);
}

static int kill_in_fork(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    if (range->reason == MMK_NOTIFY_FORK)
        mmk_kill(range->mm);
    return 0;
}

/* Killed while it forks: the child, with what it has so far, goes. */
static void test_stops_fork(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = kill_in_fork};
    struct mmk_notifier notifier = {.ops = &ops};
    struct mmk_mm *child = NULL;

    (void)state;
    fill(map_at(0, 2, RW, ANON), 2, 1);
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_int_equal(mmk_fork(mm, &child), MMK_EINTR);
    assert_null(child);
    assert_int_equal(stats_now().address_spaces, 1);
    mmk_notifier_unregister(mm, &notifier);
    expect_byte(BASE, 1);
}

/* ---- sleepers -------------------------------------------------------------------------------- */

/* What another CPU does for mm, and what came of it. */
struct waiter {
    struct cpu_thread thread;
    int64_t (*call)(void);
    int64_t result;
    struct mmk_a32 done;
};

static void run_waiter(unsigned cpu, void *argument)
{
    struct waiter *waiter = argument;

    (void)cpu;
    waiter->result = waiter->call();
    mmk_a32_store(&waiter->done, 1, MMK_RELEASE);
}

/* Until it sleeps. */
static void start_waiter(struct waiter *waiter, unsigned cpu, int64_t (*call)(void))
{
    waiter->call = call;
    mmk_a32_store(&waiter->done, 0, MMK_RELAXED);
    cpu_start(&waiter->thread, cpu, run_waiter, waiter);
    cpu_await_sleep(&waiter->thread);
    assert_int_equal(mmk_a32_load(&waiter->done, MMK_ACQUIRE), 0);
}

static int64_t end_waiter(struct waiter *waiter)
{
    machine_idle_begin();
    cpu_join(&waiter->thread);
    machine_idle_end();
    return waiter->result;
}

static int64_t call_fault(void)
{
    return (int64_t)mmk_fault(mm, BASE, MMK_ACCESS_WRITE);
}

static int64_t call_grow(void)
{
    return (int64_t)mmk_fault(mm, BASE - PAGE, MMK_ACCESS_WRITE);
}

static int64_t call_mmap(void)
{
    return mmk_mmap(mm, 0, PAGE, RW, ANON, NULL, 0);
}

static int64_t call_munmap(void)
{
    return mmk_munmap(mm, BASE, PAGE);
}

static int64_t call_mprotect(void)
{
    return mmk_mprotect(mm, BASE, PAGE, RO);
}

static int64_t call_madvise(void)
{
    return mmk_madvise(mm, BASE, PAGE, MMK_MADV_WILLNEED);
}

static int64_t call_brk(void)
{
    return (int64_t)mmk_brk(mm, GIB);
}

static int64_t call_set_brk(void)
{
    return mmk_set_brk(mm, GIB);
}

static int64_t call_fork(void)
{
    struct mmk_mm *child;

    return mmk_fork(mm, &child);
}

static int64_t call_mlock(void)
{
    return mmk_mlock(mm, BASE, PAGE);
}

static int64_t call_munlock(void)
{
    return mmk_munlock(mm, BASE, PAGE);
}

static int64_t call_mlockall(void)
{
    return mmk_mlockall(mm, MMK_MCL_CURRENT);
}

static int64_t call_munlockall(void)
{
    return mmk_munlockall(mm);
}

static int64_t call_mincore(void)
{
    uint8_t vec;

    return mmk_mincore(mm, BASE, PAGE, &vec);
}

static int64_t call_mseal(void)
{
    return mmk_mseal(mm, BASE, PAGE, 0);
}

static int64_t call_pin(void)
{
    struct mmk_page *page;

    return mmk_pin_pages(mm, BASE, 1, MMK_PIN_WRITE, &page);
}

static int64_t call_msync(void)
{
    return mmk_msync(mm, BASE, PAGE, MMK_MS_SYNC);
}

static int64_t call_mremap(void)
{
    return mmk_mremap(mm, BASE, 8 * PAGE, 16 * PAGE, 0, 0);
}

static int visit_none(const struct mmk_mapping *mapping, void *unused)
{
    (void)mapping;
    (void)unused;
    return 0;
}

static int64_t call_maps(void)
{
    return mmk_for_each_mapping(mm, 0, UINT64_MAX, visit_none, NULL);
}

static struct mmk_notifier silent;
static const struct mmk_notifier_ops silent_ops = {NULL, NULL, NULL};

static int64_t call_register(void)
{
    return mmk_notifier_register(mm, &silent);
}

/* Somebody else holds the mmap lock, and goes on holding it: each gives up. */
static void test_wakes_call(void **state)
{
    static int64_t (*const calls[])(void) = {
        call_mmap,    call_munmap,   call_mprotect,   call_madvise,  call_brk,
        call_set_brk, call_fork,     call_fault,      call_register, call_mlock,
        call_munlock, call_mlockall, call_munlockall, call_mincore,  call_mseal,
        call_pin,     call_msync,    call_mremap,     call_maps};
    struct mmk_mm *old = mm;
    struct waiter waiter;
    size_t i;

    (void)state;
    silent.ops = &silent_ops;
    for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        int64_t expected = calls[i] == call_fault ? (int64_t)MMK_FAULT_KILLED : MMK_EINTR;

        mm = new_mm();
        (void)map_at(0, 8, RW, ANON);
        mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
        start_waiter(&waiter, 1, calls[i]);
        mmk_kill(mm);
        assert_int_equal(end_waiter(&waiter), expected);
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        assert_int_equal(mm_stats(mm).vmas, 1);
        put_mm(mm);
    }
    mm = old;
}

static int64_t call_stats(void)
{
    return (int64_t)mm_stats(mm).vmas;
}

/* A writer who gives up lets those in whom he has kept out, and the next writer. */
static void test_writer_gives_up(void **state)
{
    struct waiter writer, reader, grower;

    (void)state;
    (void)map_at(0, 1, RW, STACK);
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    start_waiter(&writer, 1, call_munmap);
    start_waiter(&reader, 2, call_stats); /* cannot be killed: behind the writer */
    mmk_kill(mm);
    assert_int_equal(end_waiter(&writer), MMK_EINTR);
    assert_int_equal(end_waiter(&reader), 1);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0);
    /* Killed beforehand, it does not even wait. */
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    cpu_start(&grower.thread, 1, run_waiter, &(struct waiter){.call = call_grow});
    machine_idle_begin();
    cpu_join(&grower.thread);
    machine_idle_end();
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

/* A file whose page is being read, for as long as the test likes. */
static struct mmk_a32 reading, go_on;

static int read_slowly(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    (void)index;
    memset(page, 7, PAGE);
    mmk_a32_store(&reading, 1, MMK_RELEASE);
    while (!mmk_a32_load(&go_on, MMK_ACQUIRE)) {
        machine_idle_begin();
        usleep(100);
        machine_idle_end();
    }
    return 0;
}

static const struct mmk_object_ops slow_ops = {.read_page = read_slowly};
static struct mmk_mm *reader_mm;

static int64_t call_read_file(void)
{
    return (int64_t)mmk_fault(reader_mm, BASE, MMK_ACCESS_READ);
}

static void test_wakes_reader(void **state)
{
    struct waiter reader, victim;
    struct mmk_object *file;
    struct mmk_page *page;
    uint64_t index = 0;
    uint32_t before;

    (void)state;
    assert_int_equal(mmk_object_create(&slow_ops, PAGE, NULL, &file), 0);
    (void)map_object_at(0, 1, RW, MMK_MAP_PRIVATE, file, 0);
    reader_mm = new_mm();
    assert_int_equal(mmk_mmap(reader_mm, BASE, PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, file, 0),
                     BASE);
    mmk_a32_store(&reading, 0, MMK_RELAXED);
    mmk_a32_store(&go_on, 0, MMK_RELAXED);
    start_waiter(&reader, 1, call_read_file);
    assert_int_equal(mmk_a32_load(&reading, MMK_ACQUIRE), 1);
    start_waiter(&victim, 2, call_fault);
    mmk_rcu_read_lock();
    page = mmk_page_index_next_rcu(&file->pages, &index, 0);
    mmk_rcu_read_unlock();
    before = mmk_a32_load(&page->flags, MMK_RELAXED);
    mmk_kill(mm);
    assert_int_equal(end_waiter(&victim), MMK_FAULT_KILLED);
    /* Had he not slept yet, he would not have done so: the word is another, and stays that. */
    assert_int_equal(mmk_a32_load(&page->flags, MMK_RELAXED), before + MMK_PF_KICK);
    mmk_a32_store(&go_on, 1, MMK_RELEASE);
    assert_int_equal(end_waiter(&reader), MMK_FAULT_DONE);
    mmk_check_object(file);
    put_mm(reader_mm);
    mmk_object_put(file);
}

/*
 * A page stays locked until the victim has given up, whatever its mark on the page meets: others
 * fall asleep and wake beside it. A round a kill.
 */
enum { ROUNDS = 1500 };

static struct {
    struct mmk_page *page;
    struct mmk_mm *victim, *other;
    struct mmk_a32 round; /* raised: go */
    struct mmk_a32 gave_up, left;
} race;

static void wait_round(uint32_t round)
{
    while (mmk_a32_load(&race.round, MMK_ACQUIRE) != round) {
        mmk_cpu_relax();
        sched_yield();
    }
}

static void run_victim(unsigned cpu, void *unused)
{
    uint32_t round;

    (void)cpu;
    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        wait_round(round);
        check(!mmk_page_lock_killable(race.victim, race.page));
        mmk_a32_store(&race.gave_up, round, MMK_RELEASE);
    }
}

static void run_other(unsigned cpu, void *unused)
{
    uint32_t round;

    (void)cpu;
    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        wait_round(round);
        check(mmk_page_lock_killable(race.other, race.page));
        mmk_page_unlock(race.page);
        mmk_a32_store(&race.left, round, MMK_RELEASE);
    }
}

static void wait_word(struct mmk_a32 *word, uint32_t value)
{
    while (mmk_a32_load(word, MMK_ACQUIRE) != value) {
        mmk_cpu_relax();
        sched_yield();
    }
}

static void test_race_page(void **state)
{
    struct cpu_thread victim, other;
    uint32_t round;
    unsigned i;

    (void)state;
    race.page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    race.other = mm;
    mmk_a32_store(&race.round, 0, MMK_RELAXED);
    cpu_start(&victim, 1, run_victim, NULL);
    cpu_start(&other, 2, run_other, NULL);
    for (round = 1; round <= ROUNDS; round++) {
        race.victim = new_mm();
        mmk_page_lock(race.page);
        mmk_a32_store(&race.round, round, MMK_RELEASE);
        for (i = 0; i < round % 61 * 20; i++)
            mmk_cpu_relax();
        mmk_kill(race.victim);
        wait_word(&race.gave_up, round);
        mmk_page_unlock(race.page);
        wait_word(&race.left, round);
        mmk_mm_put(race.victim);
    }
    machine_idle_begin();
    cpu_join(&victim);
    cpu_join(&other);
    machine_idle_end();
    mmk_page_put(race.page);
}

static void run_lock_victim(unsigned cpu, void *unused)
{
    uint32_t round;

    (void)cpu;
    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        wait_round(round);
        if (round % 2)
            check(mmk_mm_write_lock(race.victim) == MMK_EINTR);
        else
            check(mmk_mm_read_lock(race.victim) == MMK_EINTR);
        mmk_a32_store(&race.gave_up, round, MMK_RELEASE);
    }
}

/* Not to be killed: waits for the lock as long as it takes. */
static void run_lock_other(unsigned cpu, void *unused)
{
    uint32_t round;

    (void)cpu;
    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        struct mmk_rwlock *lock;

        wait_round(round);
        lock = &race.victim->mmap_lock;
        if (round % 3) {
            mmk_rw_read_lock(lock, MMK_LOCK_MMAP);
            mmk_rw_read_unlock(lock, MMK_LOCK_MMAP);
        } else {
            mmk_rw_write_lock(lock, MMK_LOCK_MMAP);
            mmk_rw_downgrade(lock);
            mmk_rw_read_unlock(lock, MMK_LOCK_MMAP);
        }
        mmk_a32_store(&race.left, round, MMK_RELEASE);
    }
}

static void test_race_lock(void **state)
{
    struct cpu_thread victim, other;
    uint32_t round;
    unsigned i;

    (void)state;
    mmk_a32_store(&race.round, 0, MMK_RELAXED);
    cpu_start(&victim, 1, run_lock_victim, NULL);
    cpu_start(&other, 2, run_lock_other, NULL);
    for (round = 1; round <= ROUNDS; round++) {
        race.victim = new_mm();
        mmk_rw_write_lock(&race.victim->mmap_lock, MMK_LOCK_MMAP);
        mmk_a32_store(&race.round, round, MMK_RELEASE);
        for (i = 0; i < round % 61 * 20; i++)
            mmk_cpu_relax();
        mmk_kill(race.victim);
        wait_word(&race.gave_up, round);
        mmk_rw_write_unlock(&race.victim->mmap_lock, MMK_LOCK_MMAP);
        wait_word(&race.left, round);
        mmk_mm_put(race.victim);
    }
    machine_idle_begin();
    cpu_join(&victim);
    cpu_join(&other);
    machine_idle_end();
}

/* ---- the last user --------------------------------------------------------------------------- */

static struct told {
    unsigned last_user, torn_down;
    uint64_t rss_then, rss_after;
} told;

static void note_last_user(struct mmk_mm *of, void *data)
{
    struct told *note = data;

    note->last_user++;
    note->rss_then = mmk_mm_counter(of, MMK_COUNT_RSS_ANON);
    assert_int_equal(note->torn_down, 0);
}

static void note_torn_down(struct mmk_mm *of, void *data)
{
    struct told *note = data;

    note->torn_down++;
    note->rss_after = mmk_mm_counter(of, MMK_COUNT_RSS_ANON);
}

static void test_last_user(void **state)
{
    const struct mmk_mm_ops ops = {note_last_user, note_torn_down}, none = {NULL, NULL};
    struct mmk_mm *child, *grandchild;

    (void)state;
    memset(&told, 0, sizeof(told));
    (void)map_at(0, 8, RW, ANON);
    fill(BASE, 5, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_mm_set_ops(child, &ops, &told);
    assert_ptr_equal(mmk_mm_private(child), &told);
    assert_int_equal(mmk_fork(child, &grandchild), 0);
    assert_null(mmk_mm_private(grandchild));
    mmk_mm_set_ops(grandchild, &none, NULL);
    put_mm(grandchild);
    mmk_mm_get(child);
    mmk_mm_put(child);
    assert_int_equal(told.last_user, 0);
    mmk_mm_put(child);
    assert_int_equal(told.last_user, 1);
    assert_int_equal(told.torn_down, 1);
    assert_int_equal(told.rss_then, 5);
    assert_int_equal(told.rss_after, 0);
    expect_filled(BASE, 5, 1);
}

/* A holder keeps the structure, not what is mapped. */
static void test_hold(void **state)
{
    struct mmk_mm *other = new_mm(), *old = mm;
    uint64_t freed = 0;

    (void)state;
    mm = other;
    machine_switch_mm(mm);
    (void)map_at(0, 8, RW, ANON);
    fill(BASE, 5, 1);
    mmk_mm_hold(other);
    assert_true(mmk_mm_get_unless_gone(other));
    mmk_mm_put(other);
    machine_switch_mm(old);
    mm = old;
    mmk_check(other);
    mmk_mm_put(other);
    assert_false(mmk_mm_get_unless_gone(other));
    assert_int_equal(stats_now().address_spaces, 2);
    assert_int_equal(mm_stats(other).rss_anon, 0);
    assert_int_equal(mm_stats(other).vmas, 0);
    assert_int_equal(mm_stats(other).virt_bytes, 0);
    mmk_kill(other);
    assert_int_equal(mmk_reap(other, 100, &freed), 0);
    assert_int_equal(freed, 0);
    mmk_mm_drop(other);
    assert_int_equal(stats_now().address_spaces, 1);
}

static void drop_twice(void *argument)
{
    struct mmk_mm *other = new_mm();

    (void)argument;
    mmk_mm_hold(other);
    mmk_mm_put(other);
    mmk_mm_drop(other);
    mmk_mm_drop(other);
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(drop_twice, NULL, "an address space is dropped once for each hold"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_LIMITED(test_faults),
        TEST_LIMITED(test_calls),
        TEST_LIMITED(test_takes_no_memory),
        TEST_LIMITED(test_stops_fork),
        TEST_LIMITED(test_wakes_call),
        TEST_LIMITED(test_writer_gives_up),
        TEST_LIMITED(test_wakes_reader),
        TEST_LIMITED(test_race_page),
        TEST_LIMITED(test_race_lock),
        TEST_LIMITED(test_last_user),
        TEST_LIMITED(test_hold),
        TEST_LIMITED(test_misuse),
    };

    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
