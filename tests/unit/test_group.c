/* SPDX-License-Identifier: MIT */
/* test_group.c - limits of groups of address spaces: who is charged, and what happens at one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "migrate_setup.h"
#include "race.h"
#include "random.h"
#include "swap_setup.h"
#include "tlb.h"

#include <mmkit/group.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)

static struct mmk_group *group;
static struct mmk_mm *outside; /* the fixture's */

static struct mmk_group_stats figures(void)
{
    struct mmk_group_stats stats;

    mmk_group_stats(group, &stats);
    return stats;
}

static uint64_t charged(void)
{
    return figures().charged / PAGE;
}

/* From here on `mm` is one of a new group. */
static void begin_with(uint64_t pages, const struct mmk_group_ops *ops, void *private_data)
{
    uint64_t limit = pages == UINT64_MAX ? MMK_GROUP_UNLIMITED : pages * PAGE;

    assert_int_equal(mmk_group_create(limit, ops, private_data, &group), 0);
    outside = mm;
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    assert_ptr_equal(mmk_mm_group(mm), group);
    machine_switch_mm(mm);
}

static void begin(uint64_t pages)
{
    begin_with(pages, NULL, NULL);
}

static void leave(void)
{
    mmk_check_group(group);
    machine_switch_mm(outside);
    put_mm(mm);
    mm = outside;
    mmk_drain();
    mmk_check_group(group);
}

/* All of it is back. */
static void end(void)
{
    leave();
    assert_int_equal(charged(), 0);
    mmk_group_put(group);
    assert_int_equal(stats_now().groups, 0);
}

static void set_limit(uint64_t pages)
{
    assert_int_equal(mmk_group_set_limit(group, pages * PAGE), 0);
}

static uint64_t tables(void)
{
    return mmk_mm_table_bytes(mm);
}

/* ---- who is charged -------------------------------------------------------------------------- */

static void test_nobody(void **state)
{
    (void)state;
    assert_null(mmk_mm_group(mm));
    begin(UINT64_MAX);
    assert_int_equal(charged(), 1); /* its root */
    assert_true(figures().limit == MMK_GROUP_UNLIMITED);
    assert_int_equal(mmk_group_set_limit(group, PAGE + 5), 0);
    assert_int_equal(figures().limit, PAGE);
    mmk_group_get(group);
    mmk_group_put(group);
    end();
}

static void test_kinds(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    begin(1000);
    map_at(0, 16, RW, ANON);
    expect_byte(AT(0), 0); /* the zero page is nobody's */
    assert_int_equal(figures().private_mem, 0);
    assert_int_equal(figures().table_mem, tables());
    fill(AT(1), 4, 1);
    map_object_at(100, 8, RW, MMK_MAP_PRIVATE, file, 0);
    expect_filled(AT(100), 3, 1);
    store_byte(AT(103), 1); /* brings in one, and copies it */
    assert_int_equal(figures().private_mem, 5 * PAGE);
    assert_int_equal(figures().object_mem, 4 * PAGE);
    assert_int_equal(figures().table_mem, tables());
    mmk_check_group(group);
    assert_int_equal(mmk_madvise(mm, AT(0), 16 * PAGE, MMK_MADV_DONTNEED), 0);
    assert_int_equal(figures().private_mem, PAGE);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    mmk_drain();
    assert_int_equal(figures().charged, PAGE); /* the root */
    end();
    mmk_object_put(file);
}

/* The parent's group pays for its children. */
static void test_fork(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    begin(1000);
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    parent = enter_child();
    assert_ptr_equal(mmk_mm_group(mm), group);
    assert_int_equal(figures().private_mem, 8 * PAGE);
    fill(AT(0), 3, 7);
    assert_int_equal(figures().private_mem, 11 * PAGE);
    assert_int_equal(figures().table_mem, 2 * tables());
    leave_child(parent);
    mmk_drain();
    assert_int_equal(figures().private_mem, 8 * PAGE);
    assert_int_equal(figures().table_mem, tables());
    end();
}

/* Whoever brings a page in is charged for it, until it is free: longer than there is anyone. */
static void test_shared(void **state)
{
    struct mmk_object *shmem = new_shmem(8);
    struct mmk_group *first;
    struct mmk_page *page;

    (void)state;
    begin(1000);
    map_object_at(0, 8, RW, MMK_MAP_SHARED, shmem, 0);
    fill(AT(0), 4, 1);
    assert_int_equal(figures().object_mem, 4 * PAGE);
    leave();
    assert_int_equal(charged(), 4);
    mmk_group_put(group);
    first = group;

    begin(1000);
    map_object_at(0, 8, RW, MMK_MAP_SHARED, shmem, 0);
    expect_filled(AT(0), 4, 1);
    assert_int_equal(figures().object_mem, 0);
    fill(AT(4), 2, 1);
    assert_int_equal(figures().object_mem, 2 * PAGE);
    assert_int_equal(mmk_object_get_page(shmem, 7, &page), 0); /* the embedder's own */
    mmk_page_unlock(page);
    mmk_page_put(page);
    assert_int_equal(figures().object_mem, 2 * PAGE);
    assert_int_equal(stats_now().groups, 2);
    assert_ptr_not_equal(group, first);
    assert_int_equal(mmk_object_punch_hole(shmem, 0, 4 * PAGE), 0);
    assert_int_equal(stats_now().groups, 1);
    assert_int_equal(mmk_object_punch_hole(shmem, 4 * PAGE, 2 * PAGE), 0);
    end();
    mmk_object_put(shmem);
}

static void on_cpu(unsigned cpu, void (*function)(unsigned cpu, void *argument), void *argument)
{
    struct cpu_thread other;

    machine_idle_begin();
    cpu_start(&other, cpu, function, argument);
    cpu_join(&other);
    machine_idle_end();
}

/* Freed on another CPU than they were charged on. */
static void unmap_there(unsigned cpu, void *argument)
{
    (void)cpu;
    (void)argument;
    check(mmk_munmap(mm, AT(0), 200 * PAGE) == 0);
}

/* The only pages of the group, on a CPU that is not the first to have been charged. */
static void read_there(unsigned cpu, void *argument)
{
    uint8_t byte;

    (void)cpu;
    (void)argument;
    machine_switch_mm(mm);
    check(machine_load(AT(1000), &byte, 1) == MMK_FAULT_DONE && byte == 1);
    machine_switch_mm(NULL);
}

static void test_only_there(void **state)
{
    struct mmk_object *file = new_file(1);

    (void)state;
    begin(300);
    map_object_at(1000, 1, RO, MMK_MAP_SHARED, file, 0);
    on_cpu(2, read_there, NULL);
    assert_int_equal(figures().object_mem, PAGE);
    assert_int_equal(mmk_group_reclaim(group, 1), 1);
    assert_int_equal(figures().object_mem, 0);
    end();
    mmk_object_put(file);
}

/* A page that goes to another frame costs what it did, and whom it did. */
static void test_migrated(void **state)
{
    struct mmk_object *memory = new_shmem(2);

    (void)state;
    begin(1000);
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    map_object_at(100, 2, RW, MMK_MAP_SHARED, memory, 0);
    fill(AT(100), 2, 1);
    expect_moves(mm, AT(1), 1);
    expect_moves(mm, AT(100), 1);
    mmk_drain();
    assert_int_equal(figures().private_mem, 4 * PAGE);
    assert_int_equal(figures().object_mem, 2 * PAGE);
    mmk_check_group(group);
    mmk_object_put(memory);
    end();
}

static void test_other_cpu(void **state)
{
    (void)state;
    begin(300);
    map_at(0, 200, RW, ANON);
    fill(AT(0), 200, 1);
    on_cpu(2, unmap_there, NULL);
    mmk_drain();
    assert_int_equal(charged(), 1);
    mmk_check_group(group);
    map_at(0, 280, RW, ANON);
    fill(AT(0), 280, 1);
    end();
}

/* ---- at the limit ---------------------------------------------------------------------------- */

/* As many pages as it says, whatever stocks there are. */
static void test_limit(void **state)
{
    uint64_t limit, fits, i;

    (void)state;
    begin(UINT64_MAX);
    map_at(0, 200, RW, ANON);
    store_byte(AT(0), 1);
    for (limit = charged() + 10; limit < 160; limit += 29) {
        set_limit(limit);
        fits = limit - charged();
        for (i = 0; i < fits; i++)
            store_byte(AT(1 + i), 1);
        expect_store(AT(1 + fits), MMK_FAULT_OOM);
        mmk_check(mm);
        mmk_check_group(group);
        assert_int_equal(charged(), limit);
        expect_filled(AT(0), 1, 1);
        assert_int_equal(mmk_madvise(mm, AT(7), PAGE, MMK_MADV_DONTNEED), 0);
        store_byte(AT(7), 1);
        expect_byte(AT(1 + fits), 0); /* costs nothing */
        assert_int_equal(mmk_madvise(mm, AT(1), 199 * PAGE, MMK_MADV_DONTNEED), 0);
    }
    assert_true(figures().hits >= 5 && figures().failed == figures().ooms && figures().ooms >= 5);
    assert_int_equal(figures().kills, 0);
    end();
}

/* Its own pages go for it, nobody else's. */
static void test_reclaims(void **state)
{
    struct mmk_object *file = new_file(200), *other = new_file(8);
    uint64_t i;

    (void)state;
    map_object_at(0, 8, RO, MMK_MAP_SHARED, other, 0);
    expect_filled(AT(0), 8, 1);
    begin(UINT64_MAX);
    map_object_at(0, 200, RO, MMK_MAP_SHARED, file, 0);
    expect_byte(AT(0), 1);
    set_limit(charged() + 49);
    for (i = 0; i < 400; i++) {
        expect_byte(AT(i % 200), (uint8_t)(i % 200 + 1));
        assert_in_range(figures().object_mem, PAGE, 50 * PAGE);
    }
    assert_int_equal(figures().ooms, 0);
    assert_true(figures().reclaimed >= 350);
    mmk_check_object(file);
    assert_int_equal(mmk_munmap(mm, AT(0), 200 * PAGE), 0);
    assert_in_range(mmk_group_reclaim(group, 5), 5, 13);
    assert_int_equal(mmk_object_resize(file, 170 * PAGE), 0); /* most of what is still to look at */
    assert_in_range(mmk_group_reclaim(group, 1), 1, 8);
    mmk_drain();
    assert_int_equal(mmk_group_set_limit(group, 3 * PAGE), 0);
    assert_in_range(charged(), 1, 3);
    (void)mmk_group_reclaim(group, UINT64_MAX);
    assert_int_equal(charged(), 1);
    assert_int_equal(mm_stats(outside).rss_file, 8);
    end();
    mmk_object_put(file);
    mmk_object_put(other);
}

/* What is used again and again stays, what is read once goes; on whichever CPU it came in. */
static unsigned touch_used(void)
{
    unsigned i, missing = 0;

    for (i = 0; i < 20; i++) {
        missing += peek_page(mm, AT(i)) == NULL;
        expect_byte(AT(i), (uint8_t)(i + 1));
    }
    mmk_tlb_flush(mm, AT(0), AT(20)); /* or hardware would not mark them again */
    return missing;
}

static void scan_there(unsigned cpu, void *argument)
{
    unsigned *from = argument, i;
    uint8_t byte;

    machine_switch_mm(mm);
    for (i = 0; i < 10; i++, *from += 1)
        check(machine_load(AT(1000 + *from), &byte, 1) == MMK_FAULT_DONE);
    machine_switch_mm(NULL);
    (void)cpu;
}

static void test_scan(void **state)
{
    struct mmk_object *used = new_file(20), *once = new_file(1000);
    unsigned from = 0, missing = 0;

    (void)state;
    begin(UINT64_MAX);
    map_object_at(0, 20, RO, MMK_MAP_SHARED, used, 0);
    map_object_at(1000, 1000, RO, MMK_MAP_SHARED, once, 0);
    assert_int_equal(touch_used(), 20);
    expect_byte(AT(1000), 1);
    set_limit(charged() + 60);
    while (from < 1000) {
        on_cpu(2, scan_there, &from);
        missing += touch_used();
    }
    assert_in_range(missing, 0, 40);
    assert_in_range(figures().object_mem, 40 * PAGE, 81 * PAGE);
    leave();
    mmk_object_put(used);
    mmk_object_put(once);
    assert_int_equal(charged(), 0);
    mmk_group_put(group);
}

static void test_lowered(void **state)
{
    (void)state;
    begin(1000);
    map_at(0, 100, RW, ANON);
    fill(AT(0), 100, 1);
    assert_int_equal(mmk_group_set_limit(group, 50 * PAGE), MMK_EBUSY);
    assert_int_equal(figures().limit, 50 * PAGE);
    expect_filled(AT(0), 100, 1);
    assert_int_equal(mmk_munmap(mm, AT(50), 50 * PAGE), 0);
    expect_store(AT(50), MMK_FAULT_SEGV_MAPERR);
    map_at(200, 1, RW, ANON);
    expect_store(AT(200), MMK_FAULT_OOM);
    assert_int_equal(mmk_munmap(mm, AT(40), 10 * PAGE), 0);
    store_byte(AT(200), 1);
    end();
}

/* What waits for a grace period is waited for. */
static void test_tables_wait(void **state)
{
    uint64_t i;

    (void)state;
    begin(UINT64_MAX);
    map_at(0, 1, RW, ANON);
    store_byte(AT(0), 1);
    set_limit(charged() + 4);
    for (i = 1; i < 40; i++) {
        map_at(i * 8192, 1, RW, ANON);
        store_byte(AT(i * 8192), 1);
        assert_int_equal(mmk_munmap(mm, AT(i * 8192), PAGE), 0);
    }
    end();
}

/* ---- swap ------------------------------------------------------------------------------------ */

/* What is in swap is not charged; what comes back is, when it is mapped. */
static void test_swap(void **state)
{
    (void)state;
    swap_on(64);
    begin(1000);
    map_at(0, 16, RW, ANON);
    fill(AT(0), 16, 1);
    assert_int_equal(mmk_madvise(mm, AT(0), 16 * PAGE, MMK_MADV_PAGEOUT), 0);
    expect_swapped(mm, 0, 16);
    assert_int_equal(figures().private_mem, 0);
    expect_byte(AT(0), 1); /* and reads others ahead */
    assert_int_equal(figures().private_mem, PAGE);
    set_limit(charged() + 3);
    fill(AT(0), 16, 20); /* others go for it */
    expect_filled(AT(0), 16, 20);
    assert_in_range(figures().private_mem, PAGE, 4 * PAGE);
    assert_int_equal(figures().ooms, 0);
    mmk_check(mm);
    mmk_check_group(group);
    assert_int_equal(mmk_munmap(mm, AT(0), 16 * PAGE), 0);
    swap_off();
    end();
}

/* What comes back is charged to the stock, while there is one. */
static void test_swapoff_in_stock(void **state)
{
    (void)state;
    swap_on(64);
    begin(1000);
    map_at(0, 40, RW, ANON);
    fill(AT(0), 5, 1);
    assert_int_equal(mmk_madvise(mm, AT(0), 5 * PAGE, MMK_MADV_PAGEOUT), 0);
    assert_int_equal(mmk_swapoff(swap_device.area), 0);
    free(swap_device.bytes);
    assert_int_equal(figures().private_mem, 5 * PAGE);
    expect_filled(AT(0), 5, 1);
    end();
}

/* It has no choice. */
static void test_swapoff(void **state)
{
    (void)state;
    swap_on(64);
    begin(1000);
    map_at(0, 40, RW, ANON);
    fill(AT(0), 20, 1);
    assert_int_equal(mmk_madvise(mm, AT(0), 20 * PAGE, MMK_MADV_PAGEOUT), 0);
    set_limit(charged() + 2);
    assert_int_equal(mmk_swapoff(swap_device.area), 0);
    free(swap_device.bytes);
    assert_int_equal(figures().private_mem, 20 * PAGE);
    assert_true(figures().charged > figures().limit);
    mmk_check(mm);
    mmk_check_group(group);
    assert_int_equal(mmk_munmap(mm, AT(0), 17 * PAGE), 0);
    expect_store(AT(20), MMK_FAULT_OOM); /* nothing of it stays in stock */
    expect_filled(AT(17), 3, 18);
    assert_int_equal(mmk_munmap(mm, AT(17), 2 * PAGE), 0);
    store_byte(AT(20), 1);
    end();
}

/* ---- victims --------------------------------------------------------------------------------- */

static unsigned asked;

static struct mmk_mm *choose(struct mmk_group *of, void *private_data)
{
    struct mmk_mm **victim = private_data, *chosen = *victim;

    check(of == group);
    asked++;
    if (chosen)
        mmk_mm_hold(chosen);
    *victim = NULL;
    return chosen;
}

static const struct mmk_group_ops choosing = {.victim = choose};

static void test_victim(void **state)
{
    struct mmk_mm *victim = NULL, *child;

    (void)state;
    asked = 0;
    begin_with(UINT64_MAX, &choosing, &victim);
    map_at(0, 100, RW, ANON);
    assert_int_equal(mmk_fork(mm, &child), 0);
    machine_switch_mm(child);
    fill(AT(0), 50, 1);
    machine_switch_mm(mm);
    victim = child;
    set_limit(charged() + 10);
    fill(AT(0), 30, 1);
    assert_int_equal(asked, 1);
    assert_true(figures().kills == 1 && figures().ooms == 1 && figures().failed == 0);
    assert_int_equal(mm_stats(child).rss_anon, 0);
    mmk_mm_put(child);
    fill(AT(30), 20, 1);
    mmk_check_group(group);
    mmk_drain();
    set_limit(charged());
    expect_store(AT(99), MMK_FAULT_OOM); /* for nobody is named now */
    assert_int_equal(asked, 2);
    end();
}

/* Whoever asks may be the one. */
static void test_self(void **state)
{
    struct mmk_mm *victim = NULL;

    (void)state;
    begin_with(UINT64_MAX, &choosing, &victim);
    map_at(0, 100, RW, ANON);
    fill(AT(0), 50, 1);
    victim = mm;
    set_limit(charged());
    expect_store(AT(50), MMK_FAULT_KILLED);
    assert_int_equal(figures().kills, 1);
    end();
}

/* ---- failures -------------------------------------------------------------------------------- */

static int call_store(void)
{
    uint8_t byte = 1;

    return machine_store(AT(600), &byte, 1) == MMK_FAULT_DONE ? 0 : MMK_ENOMEM;
}

static int call_copy(void)
{
    uint8_t byte = 1;

    return machine_store(AT(700), &byte, 1) == MMK_FAULT_DONE ? 0 : MMK_ENOMEM;
}

static int call_populate(void)
{
    return mmk_madvise(mm, AT(3000), 5 * PAGE, MMK_MADV_POPULATE_WRITE) ? MMK_ENOMEM : 0;
}

static int call_move(void)
{
    int64_t got = mmk_mremap(mm, AT(0), 4 * PAGE, 4 * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                             AT(1000000));

    return got < 0 ? (int)got : 0;
}

static int call_fork(void)
{
    struct mmk_mm *child;
    int error = mmk_fork(mm, &child);

    if (!error)
        put_mm(child);
    return error;
}

static int call_create(void)
{
    struct mmk_mm *other;
    int error = mmk_group_mm_create(group, &other);

    if (!error)
        put_mm(other);
    return error;
}

static int (*const calls[])(void) = {call_store, call_copy, call_populate,
                                     call_move,  call_fork, call_create};

static void prepare(struct mmk_object *shmem, struct mmk_object *file)
{
    begin(UINT64_MAX);
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    map_object_at(600, 8, RW, MMK_MAP_SHARED, shmem, 0);
    map_object_at(700, 8, RW, MMK_MAP_PRIVATE, file, 0);
    map_at(3000, 8, RW, ANON);
}

/* One try with room for n pages. => whether there was too little */
static bool try(int (*call)(void), uint64_t n)
{
    struct mmk_object *shmem = new_shmem(8), *file = new_file(8);
    uint64_t before;
    int error;

    prepare(shmem, file);
    before = charged();
    set_limit(before + n);
    error = call();
    mmk_check(mm);
    mmk_check_group(group);
    assert_true(error == 0 || error == MMK_ENOMEM);
    assert_in_range(charged(), 1, before + n);
    assert_true(error == 0 || figures().failed > 0);
    if (error) {
        assert_int_equal(mmk_group_set_limit(group, MMK_GROUP_UNLIMITED), 0);
        assert_int_equal(call(), 0);
    }
    expect_filled(call == call_move ? AT(1000000) : AT(0), 4, 1);
    leave();
    mmk_object_put(shmem);
    mmk_object_put(file);
    assert_int_equal(charged(), 0);
    mmk_group_put(group);
    return error != 0;
}

/* Each call with room for no page, one, two... */
static void test_room(void **state)
{
    uint64_t n;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (n = 0; try(calls[i], n); n++)
            assert_true(n < 40);
        assert_true(n > 0);
    }
}

/* No room for a root. */
static void test_no_room(void **state)
{
    struct mmk_mm *other;

    (void)state;
    assert_int_equal(mmk_group_create(0, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &other), MMK_ENOMEM);
    mmk_check_group(group);
    assert_int_equal(charged(), 0);
    mmk_group_put(group);
    assert_int_equal(stats_now().groups, 0);
}

/* ---- races ----------------------------------------------------------------------------------- */

#define ROUNDS 3000

/* Each CPU has its own pages, near the limit, which another sets now and then. */
static void race_one(unsigned cpu, void *argument)
{
    uint64_t seed = cpu + 1, i, page;
    uint8_t byte = 1;

    (void)argument;
    machine_switch_mm(mm);
    for (i = 0; i < ROUNDS; i++) {
        page = cpu * 100 + random_below(&seed, 60);
        if (random_below(&seed, 3) == 0)
            check(mmk_madvise(mm, AT(page), 20 * PAGE, MMK_MADV_DONTNEED) == 0);
        else
            (void)!machine_store(AT(page), &byte, 1);
        if (random_below(&seed, 50) == 0)
            (void)!mmk_group_set_limit(group, (60 + random_below(&seed, 60)) * PAGE);
    }
    machine_switch_mm(NULL);
}

static void test_race(void **state)
{
    (void)state;
    begin(100);
    map_at(0, 400, RW, ANON);
    race_cpus(race_one, NULL);
    mmk_drain();
    mmk_check(mm);
    mmk_check_group(group);
    assert_int_equal(figures().private_mem, mm_stats(mm).rss_anon * PAGE);
    end();
}

/* The last user leaves while what it has charged is freed elsewhere. */
struct last {
    struct mmk_object *shmem;
    struct mmk_group *group;
};

static void race_last(unsigned cpu, void *argument)
{
    struct last *last = argument;

    if (cpu == 0)
        mmk_group_put(last->group);
    else
        check(mmk_object_punch_hole(last->shmem, (cpu - 1) * 40 * PAGE, 40 * PAGE) == 0);
}

static void test_race_last(void **state)
{
    struct last last = {.shmem = new_shmem(80)};
    unsigned i;

    (void)state;
    for (i = 0; i < 50; i++) {
        begin(200);
        map_object_at(0, 80, RW, MMK_MAP_SHARED, last.shmem, 0);
        fill(AT(0), 80, 1);
        leave();
        last.group = group;
        race_cpus(race_last, &last);
        assert_int_equal(stats_now().groups, 0);
    }
    mmk_object_put(last.shmem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nobody),
        TEST(test_kinds),
        TEST(test_fork),
        TEST(test_shared),
        TEST(test_limit),
        TEST(test_reclaims),
        TEST(test_migrated),
        TEST(test_lowered),
        TEST(test_tables_wait),
        TEST(test_victim),
        TEST(test_self),
        TEST(test_room),
        TEST(test_no_room),
        TEST_LIMITED(test_race),
        TEST_LIMITED(test_race_last),
        TEST_LIMITED(test_other_cpu),
        TEST_LIMITED(test_only_there),
        TEST_LIMITED(test_scan),
        TEST(test_swap),
        TEST(test_swapoff),
        TEST(test_swapoff_in_stock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
