/* SPDX-License-Identifier: MIT */
/*
 * test_machine_cpu.c - the software machine's CPUs together: interrupts, idleness, RCU, sleeping;
 * and its checks: lock order, context, failing allocations.
 */
#include "expect_panic.h"
#include "run_cpus.h"
#include "tlb.h"
#include "walk.h"

#include <mmkit/port/lock.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

#define CPUS     5
#define FLIPS    500
#define FLUSHERS 3 /* of them, in test_crossfire() */
#define PAGE     ((uint64_t)32 << MMK_PAGE_SHIFT)

static const struct machine_config config = {
    .memory = (uint64_t)64 << 20, .cpus = CPUS, .mmkit = MMK_CONFIG_DEFAULT};

static int setup(void **state)
{
    (void)state;
    assert_int_equal(machine_create(&config), 0);
    machine_cpu_attach(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

static uint64_t ipis(void)
{
    struct machine_stats stats;

    machine_stats_read(&stats);
    return stats.ipis;
}

static void sleep_us(unsigned us)
{
    const struct timespec time = {.tv_nsec = (long)us * 1000};

    nanosleep(&time, NULL);
}

static void sleep_ms(unsigned ms)
{
    sleep_us(1000 * ms);
}

/* Waits as the host would: takes no interrupts. */
static void await(const struct mmk_a32 *word, uint32_t value)
{
    while (mmk_a32_load(word, MMK_ACQUIRE) != value)
        sleep_ms(1);
}

static void test_absent_cpu_is_served(void **state)
{
    uint64_t before = ipis();

    (void)state;
    mmk_host_send_ipi(3);
    assert_int_equal(ipis(), before + 1);
}

/* Steps of test_running_cpu_polls() and of the CPU it interrupts. */
static void run_in_steps(unsigned cpu, void *argument)
{
    struct mmk_a32 *step = argument;

    (void)cpu;
    mmk_a32_store(step, 1, MMK_RELEASE);
    await(step, 2);
    mmk_cpu_relax();
    mmk_a32_store(step, 3, MMK_RELEASE);
    await(step, 4);
    machine_idle_begin();
    mmk_a32_store(step, 5, MMK_RELEASE);
    await(step, 6);
    machine_idle_end();
    mmk_a32_store(step, 7, MMK_RELEASE);
    await(step, 8);
}

/* A running CPU takes interrupts where it polls, an idle one lets the sender do it. */
static void test_running_cpu_polls(void **state)
{
    struct mmk_a32 step = {0};
    struct cpu_thread other;
    uint64_t before;

    (void)state;
    cpu_start(&other, 1, run_in_steps, &step);
    await(&step, 1);
    before = ipis();
    mmk_host_send_ipi(1);
    sleep_ms(5);
    assert_int_equal(ipis(), before);
    mmk_a32_store(&step, 2, MMK_RELEASE);
    await(&step, 3);
    assert_int_equal(ipis(), before + 1);
    mmk_host_send_ipi(1);
    assert_int_equal(ipis(), before + 1);
    mmk_a32_store(&step, 4, MMK_RELEASE);
    await(&step, 5);
    assert_int_equal(ipis(), before + 2);
    mmk_host_send_ipi(1);
    assert_int_equal(ipis(), before + 3);
    mmk_a32_store(&step, 6, MMK_RELEASE);
    await(&step, 7);
    mmk_host_send_ipi(1);
    mmk_a32_store(&step, 8, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other);
    machine_idle_end();
    assert_int_equal(ipis(), before + 4); /* taken before it stopped */
}

/* One page, mapped in turn to one of two frames that hold 0 and 1. */
struct flip {
    struct mmk_mm *mm;
    struct mmk_page *table;
    struct mmk_a64 *entry, *other;
    struct mmk_a64 epoch;      /* times exchanged and flushed, doubled; odd: in between */
    struct mmk_a64 seen[CPUS]; /* the last epoch in which it has read */
    struct mmk_a32 stop;
};

/* => the page has an entry, which nobody changes */
static struct mmk_a64 *leaf_entry(struct mmk_mm *mm, uint64_t addr, struct mmk_page **table)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    mmk_rcu_read_unlock();
    assert_int_equal(walk.level, 0);
    *table = walk.table;
    return walk.entry;
}

/*
 * Where the hardware wants that, neither entry is there when they are exchanged: as in copy on
 * write, a fault that finds none waits for the table's lock (P7).
 */
static void flip_exchange(struct flip *flip)
{
    uint64_t one = mmk_a64_load(flip->entry, MMK_RELAXED);
    uint64_t other = mmk_a64_load(flip->other, MMK_RELAXED);

    if (MMK_PT_BREAK_FIRST) {
        mmk_table_lock(flip->table);
        mmk_a64_store(flip->entry, 0, MMK_RELEASE);
        mmk_a64_store(flip->other, 0, MMK_RELEASE);
        mmk_tlb_flush(flip->mm, PAGE, PAGE + 2 * MMK_PAGE_SIZE);
    }
    mmk_a64_store(flip->entry, other, MMK_RELEASE);
    mmk_a64_store(flip->other, one, MMK_RELEASE);
    if (MMK_PT_BREAK_FIRST)
        mmk_table_unlock(flip->table);
}

/* Each CPU reads in each epoch: one that could wait would not be seen to use what is stale. */
static void flip_await_readers(struct flip *flip, uint64_t epoch)
{
    unsigned cpu;

    for (cpu = 1; cpu < CPUS; cpu++)
        while (mmk_a64_load(&flip->seen[cpu], MMK_ACQUIRE) != epoch)
            mmk_cpu_relax();
}

static void flip_writer(struct flip *flip)
{
    uint64_t epoch;

    for (epoch = 0; epoch < 2 * FLIPS; epoch += 2) {
        mmk_a64_store(&flip->epoch, epoch + 1, MMK_RELEASE);
        flip_exchange(flip);
        mmk_tlb_flush(flip->mm, PAGE, PAGE + 2 * MMK_PAGE_SIZE);
        mmk_a64_store(&flip->epoch, epoch + 2, MMK_RELEASE);
        flip_await_readers(flip, epoch + 2);
    }
    mmk_a32_store(&flip->stop, 1, MMK_RELEASE);
}

static void flip_reader(struct flip *flip, unsigned cpu)
{
    uint64_t before, value, turn;

    for (turn = 0; !mmk_a32_load(&flip->stop, MMK_ACQUIRE); turn++) {
        before = mmk_a64_load(&flip->epoch, MMK_ACQUIRE);
        check(machine_load(PAGE, &value, sizeof(value)) == MMK_FAULT_DONE);
        /* The exchange orders the two loads: nothing later is read before it. */
        if (before % 2 == 0 && mmk_a64_fetch_add(&flip->epoch, 0, MMK_ACQ_REL) == before) {
            check(value == before / 2 % 2);
            mmk_a64_store(&flip->seen[cpu], before, MMK_RELEASE);
        }
        if (turn % 64 == 0)
            sched_yield(); /* CPUs may outnumber the host's */
        if (cpu == 2 && turn % 7 == 0) {
            machine_idle_begin();
            machine_idle_end();
        }
        if (cpu == 3 && turn % 5 == 0) {
            machine_switch_mm(NULL);
            machine_switch_mm(flip->mm);
        }
    }
}

static void flip_run(unsigned cpu, void *argument)
{
    struct flip *flip = argument;

    machine_switch_mm(flip->mm);
    if (cpu == 0)
        flip_writer(flip);
    else
        flip_reader(flip, cpu);
    machine_switch_mm(NULL);
}

/*
 * L1: once a flush has returned, no CPU uses what the entry said before, be it running, on its
 * way to or from idleness, or loading the address space just then. No interrupt is lost.
 */
static void test_flush_reaches_all(void **state)
{
    struct flip flip = {0};
    uint64_t i;

    (void)state;
    assert_int_equal(mmk_mm_create(&flip.mm), 0);
    assert_int_equal(mmk_mmap(flip.mm, PAGE, 2 * MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE,
                              MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_FIXED, NULL, 0),
                     PAGE);
    machine_switch_mm(flip.mm);
    for (i = 0; i < 2; i++)
        assert_int_equal(machine_store(PAGE + i * MMK_PAGE_SIZE, &i, sizeof(i)), MMK_FAULT_DONE);
    machine_switch_mm(NULL);
    flip.entry = leaf_entry(flip.mm, PAGE, &flip.table);
    flip.other = leaf_entry(flip.mm, PAGE + MMK_PAGE_SIZE, &flip.table);
    machine_cpu_detach();
    run_cpus(CPUS, flip_run, &flip);
    machine_cpu_attach(0);
    mmk_mm_put(flip.mm);
}

static void await_count(struct mmk_a32 *count, uint32_t value)
{
    unsigned turn;

    for (turn = 1; (int32_t)(mmk_a32_load(count, MMK_ACQUIRE) - value) < 0; turn++) {
        mmk_cpu_relax();
        if (turn % 64 == 0)
            sched_yield();
    }
}

struct crossfire {
    struct mmk_mm *mm;
    struct mmk_a32 arrived; /* CPUs that have it loaded */
    struct mmk_spinlock locks[FLUSHERS];
    struct mmk_a32 left; /* flushers that have not finished */
};

/* Has the address space loaded, but sleeps nearly all the time, or comes and goes. */
static void crossfire_rest(struct crossfire *fire, bool sleeps)
{
    while (mmk_a32_load(&fire->left, MMK_ACQUIRE) > 0) {
        machine_idle_begin();
        sched_yield();
        while (sleeps && mmk_a32_load(&fire->left, MMK_ACQUIRE) > 0)
            sleep_ms(1);
        machine_idle_end();
    }
}

static void crossfire_run(unsigned cpu, void *argument)
{
    struct crossfire *fire = argument;
    unsigned i;

    machine_switch_mm(fire->mm);
    mmk_a32_fetch_add(&fire->arrived, 1, MMK_ACQ_REL);
    await_count(&fire->arrived, CPUS);
    if (cpu >= FLUSHERS)
        crossfire_rest(fire, cpu == FLUSHERS);
    for (i = 0; cpu < FLUSHERS && i < 300; i++) {
        mmk_spin_lock(&fire->locks[cpu], MMK_LOCK_TABLE_LEAF);
        mmk_tlb_flush(fire->mm, PAGE, PAGE + MMK_PAGE_SIZE);
        mmk_spin_unlock(&fire->locks[cpu], MMK_LOCK_TABLE_LEAF);
        mmk_spin_lock(&fire->locks[(cpu + 1) % FLUSHERS], MMK_LOCK_TABLE_LEAF);
        mmk_spin_unlock(&fire->locks[(cpu + 1) % FLUSHERS], MMK_LOCK_TABLE_LEAF);
        if (i % 100 == cpu)
            mmk_host_rcu_barrier();
    }
    if (cpu < FLUSHERS)
        mmk_a32_fetch_sub(&fire->left, 1, MMK_RELEASE);
    machine_switch_mm(NULL);
}

/* All interrupt all, each with a lock held that another waits for: nobody is stuck. */
static void test_crossfire(void **state)
{
    struct crossfire fire = {.left = {FLUSHERS}};
    uint64_t before = ipis();
    unsigned i;

    (void)state;
    assert_int_equal(mmk_mm_create(&fire.mm), 0);
    for (i = 0; i < FLUSHERS; i++)
        mmk_spin_init(&fire.locks[i]);
    machine_cpu_detach();
    run_cpus(CPUS, crossfire_run, &fire);
    machine_cpu_attach(0);
    assert_true(ipis() > before);
    mmk_mm_put(fire.mm);
}

struct idle_race {
    struct mmk_mm *mm;
    struct mmk_a32 arrived, done; /* CPUs, all rounds together */
};

/* In each round CPUs 1 and 2 flush while CPU 0 falls asleep, until both have their answers. */
static void idle_race_run(unsigned cpu, void *argument)
{
    struct idle_race *race = argument;
    uint32_t round, delay;

    machine_switch_mm(race->mm);
    for (round = 0; round < 2000; round++) {
        mmk_a32_fetch_add(&race->arrived, 1, MMK_ACQ_REL);
        await_count(&race->arrived, 3 * (round + 1));
        delay = round * (cpu + 3) % 61;
        while (delay-- > 0)
            (void)mmk_a32_load(&race->arrived, __ATOMIC_SEQ_CST);
        if (cpu > 0) {
            mmk_tlb_flush(race->mm, PAGE, PAGE + MMK_PAGE_SIZE);
            mmk_a32_fetch_add(&race->done, 1, MMK_ACQ_REL);
        } else {
            machine_idle_begin();
            while ((int32_t)(mmk_a32_load(&race->done, MMK_ACQUIRE) - 2 * (round + 1)) < 0)
                sched_yield();
            machine_idle_end();
        }
    }
    machine_switch_mm(NULL);
}

/* I1 No interrupt is lost, at whatever moment of falling asleep or being served it comes. */
static void test_idle_race(void **state)
{
    struct idle_race race = {.mm = NULL};

    (void)state;
    assert_int_equal(mmk_mm_create(&race.mm), 0);
    machine_cpu_detach();
    run_cpus(3, idle_race_run, &race);
    machine_cpu_attach(0);
    mmk_mm_put(race.mm);
}

struct probe {
    struct mmk_rcu_head head;
    struct mmk_a32 ran;
    unsigned cpu;
    struct probe *next;
};

static void probe_run(struct mmk_rcu_head *head)
{
    struct probe *probe = (struct probe *)head;

    probe->cpu = mmk_cpu_id();
    mmk_a32_store(&probe->ran, 1, MMK_RELEASE);
    if (probe->next)
        mmk_host_call_rcu(&probe->next->head, probe_run);
}

static void hold_section(unsigned cpu, void *argument)
{
    struct mmk_a32 *step = argument;

    (void)cpu;
    mmk_rcu_read_lock();
    mmk_rcu_read_lock();
    mmk_rcu_read_unlock();
    mmk_a32_store(step, 1, MMK_RELEASE);
    await(step, 2);
    mmk_rcu_read_unlock();
}

static void test_rcu_waits_for_readers(void **state)
{
    struct probe last = {0}, first = {.next = &last};
    struct mmk_a32 step = {0};
    struct cpu_thread reader;

    (void)state;
    cpu_start(&reader, 1, hold_section, &step);
    await(&step, 1);
    mmk_host_call_rcu(&first.head, probe_run);
    sleep_ms(20);
    assert_int_equal(mmk_a32_load(&first.ran, MMK_ACQUIRE), 0);
    mmk_a32_store(&step, 2, MMK_RELEASE);
    mmk_host_rcu_barrier();
    assert_int_equal(mmk_a32_load(&first.ran, MMK_ACQUIRE), 1);
    assert_int_equal(first.cpu, CPUS);
    mmk_host_rcu_barrier();
    assert_int_equal(mmk_a32_load(&last.ran, MMK_ACQUIRE), 1);
    machine_idle_begin();
    cpu_join(&reader);
    machine_idle_end();
}

/* What is published under RCU is not reused while a reader may look at it. */
struct shared {
    struct mmk_aptr current;
    struct mmk_a32 stop;
};

struct item {
    struct mmk_rcu_head head;
    uint64_t value[2];
    struct mmk_a32 free;
};

static void item_free(struct mmk_rcu_head *head)
{
    struct item *item = (struct item *)head;

    item->value[0] = item->value[1] = 0; /* plain: a reader here would be a race */
    mmk_a32_store(&item->free, 1, MMK_RELEASE);
}

#define ITEMS 512

static void publish(struct shared *shared)
{
    static struct item items[ITEMS];
    struct item *item, *old = NULL;
    unsigned pause;
    uint64_t i;

    memset(items, 0, sizeof(items));
    for (i = 0; i < ITEMS; i++)
        items[i].free.v = 1;
    for (i = 1; i < 5000; i++) {
        item = &items[i % ITEMS];
        while (!mmk_a32_load(&item->free, MMK_ACQUIRE))
            mmk_cpu_relax();
        mmk_a32_store(&item->free, 0, MMK_RELAXED);
        item->value[0] = item->value[1] = i;
        old = mmk_aptr_xchg(&shared->current, item, MMK_ACQ_REL);
        if (old)
            mmk_host_call_rcu(&old->head, item_free);
        for (pause = 0; pause < 100; pause++)
            mmk_cpu_relax(); /* so that some come during a grace period */
    }
    mmk_a32_store(&shared->stop, 1, MMK_RELEASE);
    mmk_host_rcu_barrier();
}

/* Reads anew each time. */
static uint64_t look_at(const uint64_t *word)
{
    return *(const volatile uint64_t *)word;
}

static void shared_run(unsigned cpu, void *argument)
{
    struct shared *shared = argument;
    const struct item *item;
    unsigned i;

    if (cpu == 0) {
        publish(shared);
        return;
    }
    while (!mmk_a32_load(&shared->stop, MMK_ACQUIRE)) {
        mmk_rcu_read_lock();
        item = mmk_aptr_load(&shared->current, MMK_ACQUIRE);
        for (i = 0; item && i < 4; i++) {
            sleep_us(20 * cpu); /* grace periods begin and end meanwhile */
            check(look_at(&item->value[0]) != 0 && item->value[0] == look_at(&item->value[1]));
        }
        mmk_rcu_read_unlock();
        sched_yield();
    }
}

static void test_rcu_protects(void **state)
{
    struct shared shared = {0};

    (void)state;
    machine_cpu_detach();
    run_cpus(3, shared_run, &shared);
    machine_cpu_attach(0);
}

static void wait_for_word(unsigned cpu, void *argument)
{
    struct mmk_a32 *word = argument;

    (void)cpu;
    while (mmk_a32_load(word, MMK_ACQUIRE) == 0)
        mmk_host_wait(word, 0);
}

static void test_wait_and_wake(void **state)
{
    struct mmk_a32 word = {0};
    struct cpu_thread sleepers[2];
    uint64_t before;

    (void)state;
    cpu_start(&sleepers[0], 1, wait_for_word, &word);
    cpu_start(&sleepers[1], 2, wait_for_word, &word);
    cpu_await_sleep(&sleepers[0]);
    cpu_await_sleep(&sleepers[1]);
    before = ipis();
    mmk_host_send_ipi(1); /* asleep: served by us */
    assert_int_equal(ipis(), before + 1);
    mmk_a32_store(&word, 1, MMK_RELEASE);
    mmk_host_wake(&word, UINT32_MAX);
    machine_idle_begin();
    cpu_join(&sleepers[0]);
    cpu_join(&sleepers[1]);
    machine_idle_end();
}

static void test_random(void **state)
{
    uint64_t last = mmk_host_random(), bits = 0, now;
    unsigned i;

    (void)state;
    for (i = 0; i < 64; i++, last = now) {
        now = mmk_host_random();
        assert_true(now != last);
        bits |= now ^ last;
    }
    assert_true(bits == UINT64_MAX);
}

static void test_failing_allocations(void **state)
{
    struct mmk_page *page;
    unsigned i;

    (void)state;
    machine_fail_nth(2, false);
    for (i = 0; i < 5; i++) {
        page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
        assert_int_equal(page != NULL, i != 2);
        if (page)
            mmk_page_put(page);
    }
    assert_true(machine_fail_stop());
    machine_fail_nth(1, true);
    for (i = 0; i < 5; i++) {
        page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
        assert_int_equal(page != NULL, i < 1);
        if (page)
            mmk_page_put(page);
    }
    assert_true(machine_fail_stop());
    machine_fail_nth(1, false);
    assert_false(machine_fail_stop());
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_non_null(page);
    mmk_page_put(page);
}

static void attach_twice(void *unused)
{
    (void)unused;
    machine_cpu_attach(1);
}

static void interrupt_nobody(void *unused)
{
    (void)unused;
    mmk_host_send_ipi(MMK_MAX_CPUS);
}

static void idle_in_percpu(void *unused)
{
    (void)unused;
    (void)mmk_percpu_enter();
    machine_idle_begin();
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(attach_twice, NULL, "is a CPU already"));
    assert_true(expect_panic(interrupt_nobody, NULL, "interrupt to no other CPU"));
    assert_true(expect_panic(idle_in_percpu, NULL, "with interrupts off"));
}

#ifndef MACHINE_NO_LOCK_CHECK
/* Two locks, taken in the order given; tried: the second by a try. */
struct pair {
    enum mmk_lock_class first, second;
    unsigned first_at, second_at;
    bool tried;
};

static void take_pair(void *argument)
{
    static char locks[2];
    const struct pair *pair = argument;

    mmk_note_acquire(pair->first, &locks[pair->first_at], false);
    mmk_note_acquire(pair->second, &locks[pair->second_at], pair->tried);
    mmk_note_release(pair->first, &locks[pair->first_at]);
    mmk_note_release(pair->second, &locks[pair->second_at]);
}

static void test_lock_order(void **state)
{
    const struct pair good[] = {
        {MMK_LOCK_MMAP, MMK_LOCK_PAGE, 1, 0, false},
        {MMK_LOCK_TABLE_ROOT, MMK_LOCK_TABLE_LEAF, 1, 0, false},
        {MMK_LOCK_TABLE_LEAF, MMK_LOCK_TABLE_LEAF, 0, 1, false},
        {MMK_LOCK_TABLE_LEAF, MMK_LOCK_TABLE_LEAF - 1, 0, 1, true},
        {MMK_LOCK_PAGE, MMK_LOCK_MMAP, 0, 0, true},
    };
    const struct pair bad[] = {
        {MMK_LOCK_PAGE, MMK_LOCK_MMAP, 0, 1, false},
        {MMK_LOCK_TABLE_LEAF, MMK_LOCK_TABLE_LEAF - 1, 0, 1, false},
        {MMK_LOCK_TABLE_LEAF, MMK_LOCK_TABLE_LEAF, 1, 0, false},
        {MMK_LOCK_PAGE, MMK_LOCK_PAGE, 0, 0, false},
        {MMK_LOCK_FRAME, MMK_LOCK_SLAB, 0, 1, false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        take_pair((void *)(uintptr_t)&good[i]);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(expect_panic(take_pair, (void *)(uintptr_t)&bad[i], "K1 lock order"));
}

static void sleep_in_context(void *argument)
{
    struct mmk_spinlock spin;
    struct mmk_rwlock sleeping;

    mmk_spin_init(&spin);
    mmk_rw_init(&sleeping);
    mmk_rw_read_lock(&sleeping, MMK_LOCK_MMAP);
    mmk_note_may_sleep(); /* allowed with a sleeping lock held */
    switch (*(const char *)argument) {
    case 's':
        mmk_spin_lock(&spin, MMK_LOCK_TABLE_LEAF);
        break;
    case 'r':
        mmk_rcu_read_lock();
        break;
    case 'i':
        (void)mmk_percpu_enter();
        break;
    }
    mmk_note_may_sleep();
}

static void not_attached(void *unused)
{
    (void)unused;
    machine_cpu_detach();
    (void)mmk_cpu_id();
}

static void release_other(void *unused)
{
    static const char locks[2];

    (void)unused;
    mmk_note_acquire(MMK_LOCK_PAGE, &locks[0], false);
    mmk_note_release(MMK_LOCK_PAGE, &locks[1]);
}

static void rely_on_other(void *unused)
{
    static const char locks[2];

    (void)unused;
    mmk_note_acquire(MMK_LOCK_PAGE, &locks[0], false);
    mmk_note_held(MMK_LOCK_PAGE, &locks[0]);
    mmk_note_held(MMK_LOCK_PAGE, &locks[1]);
}

/* The library says what it relies on. */
static void find_unlocked(void *unused)
{
    struct mmk_mm *mm;

    (void)unused;
    if (mmk_mm_create(&mm))
        return;
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    (void)mmk_mm_find_vma(mm, 0);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    (void)mmk_mm_find_vma(mm, 0);
}

static void walk_outside(void *unused)
{
    struct mmk_walk walk;
    struct mmk_mm *mm;

    (void)unused;
    if (mmk_mm_create(&mm))
        return;
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, 0, &walk);
    mmk_rcu_read_unlock();
    mmk_walk_rcu(mm, 0, &walk);
}

/* With the index's lock no section is needed. */
static void look_up_outside(void *unused)
{
    struct mmk_page_index index;
    struct mmk_spinlock lock;

    (void)unused;
    mmk_page_index_init(&index);
    mmk_spin_init(&lock);
    mmk_spin_lock(&lock, MMK_LOCK_INDEX);
    (void)mmk_page_index_find_rcu(&index, 0);
    mmk_spin_unlock(&lock, MMK_LOCK_INDEX);
    (void)mmk_page_index_find_rcu(&index, 0);
}

static void test_contexts(void **state)
{
    (void)state;
    assert_true(expect_panic(rely_on_other, NULL, "K4 a lock is not held"));
    assert_true(expect_panic(walk_outside, NULL, "K5 looks outside of an RCU read section"));
    assert_true(expect_panic(look_up_outside, NULL, "K5 looks outside of an RCU read section"));
    assert_true(expect_panic(find_unlocked, NULL, "K4 a lock is not held"));
    assert_true(expect_panic(sleep_in_context, "s", "K2 sleeps with a spin lock held"));
    assert_true(expect_panic(sleep_in_context, "r", "K2 sleeps inside an RCU read section"));
    assert_true(expect_panic(sleep_in_context, "i", "K2 sleeps with interrupts off"));
    assert_true(expect_panic(release_other, NULL, "K3"));
    assert_true(expect_panic(not_attached, NULL, "not a CPU"));
}
#endif

#define machine_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        machine_test(test_absent_cpu_is_served),
        machine_test(test_running_cpu_polls),
        machine_test(test_flush_reaches_all),
        machine_test(test_crossfire),
        machine_test(test_idle_race),
        machine_test(test_rcu_waits_for_readers),
        machine_test(test_rcu_protects),
        machine_test(test_wait_and_wake),
        machine_test(test_random),
        machine_test(test_failing_allocations),
        machine_test(test_misuse),
#ifndef MACHINE_NO_LOCK_CHECK
        machine_test(test_lock_order),
        machine_test(test_contexts),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
