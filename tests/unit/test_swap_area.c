/* SPDX-License-Identifier: MIT */
/* test_swap_area.c - swap areas: which slot is next, which is free, what becomes of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "expect_panic.h"
#include "race.h"
#include "random.h"
#include "slot_setup.h"

static uint64_t alloc(void)
{
    uint64_t slot = UINT64_MAX;

    assert_true(mmk_slot_alloc(NULL, 0, &slot));
    return slot;
}

static void expect_full(void)
{
    uint64_t slot;

    assert_false(mmk_slot_alloc(NULL, 0, &slot));
    mmk_swap_area_check();
}

static void put(uint64_t slot)
{
    assert_false(mmk_slot_put(slot));
}

static void test_arguments(void **state)
{
    struct machine_swap *device = machine_swap_memory(1);
    struct mmk_swap_area *areas[MMK_SWAP_AREAS], *area = NULL;
    const struct mmk_swap_ops *ops = &machine_swap_ops;
    unsigned i;

    (void)state;
    assert_int_equal(mmk_swapon(ops, device, 0, -1, &area), MMK_EINVAL);
    assert_int_equal(mmk_swapon(ops, device, MMK_SWAP_SLOTS_MAX + 1, -1, &area), MMK_EINVAL);
    assert_int_equal(mmk_swapon(ops, device, 1, MMK_SWAP_PRIORITY_MAX + 1, &area), MMK_EINVAL);
    assert_null(area);
    expect_full();
    for (i = 0; i < MMK_SWAP_AREAS; i++)
        assert_int_equal(mmk_swapon(ops, device, 1, -1, &areas[i]), 0);
    assert_int_equal(mmk_swapon(ops, device, 1, -1, &area), MMK_EPERM);
    assert_int_equal(stats_now().swap_slots, MMK_SWAP_AREAS);
    mmk_swap_check();
    for (i = 0; i < MMK_SWAP_AREAS; i++)
        mmk_swap_area_remove(areas[i]);
    assert_int_equal(mmk_swap_area_count(), 0);
    machine_swap_close(device);
}

/* Every slot is given out once, those of a cluster in order; then there is none; then all again. */
static void test_all(void **state)
{
    enum { SLOTS = 3 * MMK_SWAP_CLUSTER + 5 };
    struct test_area a = swap_on(SLOTS, -1);
    bool seen[SLOTS] = {false};
    uint64_t slot[SLOTS];
    unsigned i, again;

    (void)state;
    for (again = 0; again < 2; again++) {
        memset(seen, 0, sizeof(seen));
        for (i = 0; i < SLOTS; i++) {
            slot[i] = alloc();
            assert_in_range(mmk_slot_offset(slot[i]), 0, SLOTS - 1);
            assert_false(seen[mmk_slot_offset(slot[i])]);
            seen[mmk_slot_offset(slot[i])] = true;
            if (i % MMK_SWAP_CLUSTER != 0 && again == 0)
                assert_int_equal(slot[i], slot[i - 1] + 1);
        }
        expect_full();
        assert_int_equal(area_stats(a.area).used, SLOTS);
        for (i = 0; i < SLOTS; i++)
            put(slot[(i * 7) % SLOTS]);
        mmk_swap_area_check();
        assert_int_equal(area_stats(a.area).used, 0);
    }
    swap_off(&a);
}

/* A slot that is free among others is found. */
static void test_partial(void **state)
{
    struct test_area a = swap_on(2 * MMK_SWAP_CLUSTER, -1);
    uint64_t slot[2 * MMK_SWAP_CLUSTER];
    unsigned i;

    (void)state;
    for (i = 0; i < 2 * MMK_SWAP_CLUSTER; i++)
        slot[i] = alloc();
    put(slot[3]);
    put(slot[100]);
    mmk_slot_get(slot[7]);
    assert_int_equal(mmk_slot_refs(slot[7]), 2);
    put(slot[7]);
    mmk_swap_area_check();
    assert_int_equal(alloc() + alloc(), slot[3] + slot[100]);
    expect_full();
    for (i = 0; i < 2 * MMK_SWAP_CLUSTER; i++)
        put(slot[i]);
    swap_off(&a);
}

static unsigned area_of_next(uint64_t slots[], unsigned *count)
{
    slots[*count] = alloc();
    return mmk_slot_area(slots[(*count)++]);
}

static void test_priorities(void **state)
{
    enum { EACH = 2 * MMK_SWAP_CLUSTER };
    struct test_area low = swap_on(EACH, -1), lower = swap_on(1, -1), one = swap_on(EACH, 5),
                     two = swap_on(EACH, 5), high = swap_on(3, 7);
    unsigned count = 0, i, first, area;
    uint64_t slots[4 * EACH];

    (void)state;
    assert_int_equal(area_stats(low.area).priority, -2);
    assert_int_equal(area_stats(lower.area).priority, -3);
    assert_int_equal(area_stats(two.area).priority, 5);
    for (i = 0; i < 3; i++)
        assert_int_equal(area_of_next(slots, &count), 4);
    for (i = 0; i < 2 * EACH; i++) {
        area = area_of_next(slots, &count);
        if (i % MMK_SWAP_CLUSTER == 0)
            first = area;
        assert_int_equal(area, first);
        assert_int_equal(area, 2 + i / MMK_SWAP_CLUSTER % 2); /* in turn */
    }
    for (i = 0; i < EACH; i++)
        assert_int_equal(area_of_next(slots, &count), 0);
    assert_int_equal(area_of_next(slots, &count), 1);
    expect_full();
    assert_int_equal(stats_now().swap_used, count);
    while (count > 0)
        put(slots[--count]);
    swap_off(&high);
    assert_int_equal(area_of_next(slots, &count), 2);
    put(slots[0]);
    swap_off(&low);
    swap_off(&one);
    swap_off(&two);
    swap_off(&lower);
}

static void test_discard(void **state)
{
    enum { SLOTS = MMK_SWAP_CLUSTER + 10 };
    struct machine_swap *device = machine_swap_memory(SLOTS);
    struct machine_swap_stats stats;
    struct mmk_page *page = private_page(1);
    struct mmk_swap_area *area;
    uint64_t slot[SLOTS];
    unsigned i, again;

    (void)state;
    assert_int_equal(mmk_swapon(&machine_swap_ops_discard, device, SLOTS, 0, &area), 0);
    machine_swap_stats(device, &stats);
    assert_int_equal(stats.discarded, SLOTS);
    for (again = 1; again < 4; again++) {
        for (i = 0; i < SLOTS; i++) {
            slot[i] = alloc();
            assert_int_equal(mmk_slot_write(slot[i], &page, 1), 0);
        }
        expect_full();
        machine_swap_stats(device, &stats);
        assert_int_equal(stats.discarded, again * SLOTS);
        for (i = 0; i < SLOTS; i++)
            put(slot[i]);
        mmk_swap_area_check();
    }
    for (again = 0; again < 3; again++) { /* what is not written meanwhile is not discarded again */
        for (i = 0; i < SLOTS; i++)
            slot[i] = alloc();
        for (i = 0; i < SLOTS; i++)
            put(slot[i]);
        mmk_swap_area_check();
        machine_swap_stats(device, &stats);
        assert_int_equal(stats.discarded, 4 * SLOTS);
    }
    free_page(page);
    mmk_swap_area_stop(area, true);
    mmk_swap_area_remove(area);
    machine_swap_close(device);
}

static void test_io(void **state)
{
    struct test_area a = swap_on(MMK_SWAP_CLUSTER, -1);
    struct mmk_page *out[MMK_SLOT_IO_MOST], *in[MMK_SLOT_IO_MOST];
    uint64_t slot[MMK_SLOT_IO_MOST];
    unsigned i;

    (void)state;
    for (i = 0; i < MMK_SLOT_IO_MOST; i++) {
        slot[i] = alloc();
        out[i] = private_page((uint8_t)(i + 1));
        in[i] = private_page(0);
    }
    assert_int_equal(mmk_slot_write(slot[0], out, MMK_SLOT_IO_MOST), 0);
    assert_int_equal(mmk_slot_read(slot[2], in, 3), 0);
    for (i = 0; i < 3; i++)
        assert_memory_equal(mmk_page_virt(in[i]), mmk_page_virt(out[i + 2]), PAGE);
    assert_int_equal(stats_now().swap_out, MMK_SLOT_IO_MOST);
    assert_int_equal(stats_now().swap_in, 3);
    for (i = 0; i < MMK_SLOT_IO_MOST; i++) {
        put(slot[i]);
        free_page(out[i]);
        free_page(in[i]);
    }
    swap_off(&a);
}

/* EIO retires a slot when it is freed; another error does not. */
static void test_bad(void **state)
{
    struct machine_swap_errors errors = {.write_nth = 1, .read_nth = 2};
    struct test_area a = swap_on(MMK_SWAP_CLUSTER, -1);
    struct mmk_page *page = private_page(1);
    uint64_t slot[MMK_SWAP_CLUSTER];
    unsigned i;

    (void)state;
    errors.read_error = MMK_EIO;
    errors.write_error = MMK_ENOMEM;
    for (i = 0; i < MMK_SWAP_CLUSTER; i++)
        slot[i] = alloc();
    machine_swap_set_errors(a.device, &errors);
    assert_int_equal(mmk_slot_write(slot[0], &page, 1), MMK_ENOMEM);
    errors.write_error = MMK_EIO;
    machine_swap_set_errors(a.device, &errors);
    assert_int_equal(mmk_slot_write(slot[1], &page, 1), MMK_EIO);
    assert_int_equal(mmk_slot_write(slot[2], &page, 1), MMK_EIO);
    errors.write_nth = 0;
    machine_swap_set_errors(a.device, &errors);
    assert_int_equal(mmk_slot_write(slot[2], &page, 1), 0); /* it stays retired */
    assert_int_equal(mmk_slot_read(slot[2], &page, 1), 0);
    assert_int_equal(mmk_slot_read(slot[2], &page, 1), MMK_EIO);
    assert_int_equal(mmk_slot_refs(slot[1]), 1);
    for (i = 0; i < MMK_SWAP_CLUSTER; i++)
        put(slot[i]);
    mmk_swap_area_check();
    assert_int_equal(area_stats(a.area).used, 0);
    assert_int_equal(area_stats(a.area).bad, 2);
    assert_int_equal(stats_now().swap_bad, 2);
    for (i = 0; i < MMK_SWAP_CLUSTER - 2; i++) {
        slot[i] = alloc();
        assert_true(mmk_slot_offset(slot[i]) != 1 && mmk_slot_offset(slot[i]) != 2);
    }
    expect_full();
    for (i = 0; i < MMK_SWAP_CLUSTER - 2; i++)
        put(slot[i]);
    free_page(page);
    swap_off(&a);
}

static int note_slot(uint64_t slot, void *arg)
{
    uint64_t *seen = arg;

    *seen = *seen * 1000 + mmk_slot_offset(slot) + 1;
    put(slot);
    return *seen > 1000000 ? -1 : 0;
}

static void test_neighbours(void **state)
{
    struct test_area a = swap_on(12, -1);
    uint64_t slot[12], seen = 0;
    unsigned i;

    (void)state;
    for (i = 0; i < 12; i++)
        slot[i] = alloc();
    put(slot[3]);
    assert_false(mmk_slot_get_neighbour(slot[3]));
    assert_false(mmk_slot_get_neighbour(slot[11] + 1));
    assert_true(mmk_slot_get_neighbour(slot[4]));
    assert_int_equal(mmk_slot_refs(slot[4]), 2);
    put(slot[4]);
    for (i = 0; i < 9; i++)
        if (i != 3 && i != 5)
            put(slot[i]);
    assert_int_equal(mmk_slot_for_each(a.area, note_slot, &seen), -1);
    assert_int_equal(seen, 6010011); /* 5, 9, 10, and no more */
    for (i = 9; i < 12; i++)
        put(slot[i]);
    put(slot[5]);
    swap_off(&a);
}

#define IN_FRAME (3u * MMK_SWAP_CLUSTER) /* slots whose memory is one frame */

/* Directories of two and three levels. */
static void test_large(void **state)
{
    const uint64_t slots[] = {IN_FRAME, IN_FRAME + 1, IN_FRAME * 512, IN_FRAME * 512 + 1};
    struct test_area a;
    unsigned i, n;

    (void)state;
    for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        a = swap_on(slots[i], -1);
        for (n = 0; n < slots[i]; n++)
            assert_int_equal(mmk_slot_refs(alloc()), 1);
        expect_full();
        for (n = 0; n < slots[i]; n++)
            put(n);
        swap_off(&a);
        mmk_drain();
    }
}

/* Takes all frames but so many; gives them back by putting each. => how many are taken */
static size_t take_all_but(struct mmk_page *taken[], uint64_t frames)
{
    size_t n = 0;

    mmk_drain();
    while (frames_free() > frames) {
        taken[n] = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
        assert_non_null(taken[n++]);
    }
    return n;
}

/*
 * Memory for slots is taken as they are used, a frame ahead: short of memory there are as many as
 * it is enough for, and more when there is some again.
 */
static void test_on_demand(void **state)
{
    static struct mmk_page *taken[64 * MIB / PAGE];
    uint64_t free, slots;
    struct test_area a;
    uint64_t slot;
    size_t n;

    (void)state;
    mmk_drain();
    free = frames_free();
    a = swap_on(1000 * IN_FRAME, -1);
    mmk_drain();
    assert_in_range(free - frames_free(), 4, 7); /* the area, a directory, two frames */
    n = take_all_but(taken, 1);
    for (slots = 0; mmk_slot_alloc(NULL, 0, &slot); slots++)
        assert_int_equal(slot, slots);
    assert_int_equal(slots, 3 * IN_FRAME);
    assert_int_equal(frames_free(), 0);
    assert_false(mmk_swap_area_refill());
    mmk_swap_area_check();
    mmk_page_put(taken[--n]);
    assert_true(mmk_swap_area_refill());
    assert_true(mmk_swap_area_refill()); /* that is enough */
    assert_int_equal(frames_free(), 0);
    mmk_page_put(taken[--n]);
    for (; mmk_slot_alloc(NULL, 0, &slot); slots++)
        assert_int_equal(slot, slots);
    assert_int_equal(slots, 5 * IN_FRAME);
    while (n > 0)
        mmk_page_put(taken[--n]);
    slot = alloc();
    assert_int_equal(slot, slots++);
    while (slots > 0)
        put(--slots);
    swap_off(&a);
    mmk_drain();
    assert_int_equal(frames_free(), free);
}

/* One that is free among others is used first, when there are many. */
static void test_worth_a_frame(void **state)
{
    struct test_area a = swap_on(10 * IN_FRAME, -1);
    uint64_t slot, i;

    (void)state;
    for (i = 0; i < 2 * IN_FRAME; i++)
        assert_int_equal(alloc(), i);
    for (i = 0; i < 2 * IN_FRAME; i += 2)
        if (i != MMK_SWAP_CLUSTER)
            put(i);
    put(1); /* more than half of them */
    put(3);
    slot = alloc();
    assert_in_range(slot, 0, 2 * IN_FRAME - 1);
    put(slot);
    for (i = 4; i < 2 * IN_FRAME; i++)
        if (i % 2 != 0 || i == MMK_SWAP_CLUSTER)
            put(i);
    swap_off(&a);
}

static void test_no_memory(void **state)
{
    const uint64_t slots = 3 * 512 * IN_FRAME;
    struct machine_swap *device = machine_swap_memory(slots);
    struct mmk_swap_area *area = NULL;
    uint64_t n, free;
    int error;

    (void)state;
    mmk_drain();
    free = frames_free();
    for (n = 0, error = -1; error; n++) {
        machine_fail_nth(n, n % 2 != 0);
        error = mmk_swapon(&machine_swap_ops, device, slots, -1, &area);
        assert_true(machine_fail_stop() == (error == MMK_ENOMEM));
        if (!error)
            mmk_swap_area_remove(area);
        mmk_drain();
        assert_int_equal(frames_free(), free);
        assert_int_equal(mmk_swap_area_count(), 0);
    }
    assert_in_range(n, 8, 12); /* the area, its directory, two frames of clusters */
    machine_swap_close(device);
}

/* Nothing is taken from others for what cannot be had anyway. */
static void test_too_large(void **state)
{
    struct test_area a = swap_on(100, -1);
    struct mmk_swap_area *area = NULL;
    mmk_vaddr_t at = map_anon(20);

    (void)state;
    fill(at, 20, 1);
    assert_int_equal(mmk_swapon(&machine_swap_ops, a.device, MMK_SWAP_SLOTS_MAX, -1, &area),
                     MMK_ENOMEM);
    assert_int_equal(mm_stats(mm).swapped, 0);
    assert_int_equal(stats_now().reclaim_scanned, 0);
    swap_off(&a);
}

static void test_stopped(void **state)
{
    struct test_area a = swap_on(10, 1), b = swap_on(10, 0);
    uint64_t slot;

    (void)state;
    mmk_swap_area_stop(a.area, true);
    slot = alloc();
    assert_int_equal(mmk_slot_area(slot), 1);
    put(slot);
    mmk_swap_area_stop(a.area, false);
    slot = alloc();
    assert_int_equal(mmk_slot_area(slot), 0);
    put(slot);
    swap_off(&a);
    swap_off(&b);
}

static void put_twice(void *arg)
{
    mmk_slot_get(*(uint64_t *)arg);
    put(*(uint64_t *)arg);
    put(*(uint64_t *)arg);
    put(*(uint64_t *)arg);
}

static void remove_used(void *area)
{
    mmk_swap_area_remove(area);
}

static void shut_down(void *arg)
{
    (void)arg;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    mmk_shutdown();
}

static void test_misuse(void **state)
{
    struct test_area a = swap_on(10, -1);
    uint64_t slot = alloc();

    (void)state;
    assert_true(expect_panic(put_twice, &slot, "SA1"));
    assert_true(expect_panic(remove_used, a.area, "SA1"));
    put(slot);
    assert_true(expect_panic(shut_down, NULL, "no swap area is left"));
    swap_off(&a);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { RACE_SLOTS = 2 * MMK_SWAP_CLUSTER, ROUNDS = 20000, HELD = 50 };

/* Each CPU writes to the slots that it has, and says so: nobody else has them. */
static struct mmk_a32 held_by[RACE_SLOTS];

static void take_and_put(unsigned cpu, void *argument)
{
    uint64_t held[HELD], random = cpu + 1;
    unsigned count = 0, i, at;

    for (i = 0; i < ROUNDS; i++) {
        if (count < HELD && random_below(&random, 2) && mmk_slot_alloc(NULL, 0, &held[count])) {
            check(mmk_a32_xchg(&held_by[held[count] % RACE_SLOTS], 1, MMK_RELAXED) == 0);
            check(mmk_slot_write(held[count], argument, 1) == 0);
            count++;
        } else if (count > 0) {
            at = (unsigned)random_below(&random, count);
            mmk_a32_store(&held_by[held[at] % RACE_SLOTS], 0, MMK_RELAXED);
            check(!mmk_slot_put(held[at]));
            held[at] = held[--count];
        }
    }
    while (count > 0) {
        mmk_a32_store(&held_by[held[--count] % RACE_SLOTS], 0, MMK_RELAXED);
        check(!mmk_slot_put(held[count]));
    }
}

static void test_race(void **state)
{
    struct machine_swap *device = machine_swap_memory(RACE_SLOTS);
    struct mmk_page *page = private_page(1);
    struct machine_swap_stats stats;
    struct mmk_swap_area *area;

    (void)state;
    assert_int_equal(mmk_swapon(&machine_swap_ops_discard, device, RACE_SLOTS, 0, &area), 0);
    race_cpus(take_and_put, &page);
    machine_swap_stats(device, &stats);
    assert_true(stats.discarded > RACE_SLOTS);
    free_page(page);
    mmk_swap_area_check();
    assert_int_equal(area_stats(area).used, 0);
    mmk_swap_area_stop(area, true);
    mmk_swap_area_remove(area);
    machine_swap_close(device);
}

enum { MADE_SLOTS = 6 * IN_FRAME, AREAS = 100 };

static struct mmk_a32 made_by[MADE_SLOTS];

/* Takes slots until there is none, each of which it then has alone. */
static void take_all_slots(unsigned cpu, void *taken)
{
    uint64_t slot;

    (void)cpu;
    while (mmk_slot_alloc(NULL, 0, &slot)) {
        check(mmk_a32_xchg(&made_by[slot % MADE_SLOTS], 1, MMK_RELAXED) == 0);
        mmk_a32_fetch_add(taken, 1, MMK_RELAXED);
    }
}

/* CPUs want the next frame, and make it, at once: all slots are had, and no frame is lost. */
static void test_race_made(void **state)
{
    struct mmk_a32 taken;
    struct test_area a;
    uint64_t slot, n;

    (void)state;
    for (n = 0; n < AREAS; n++) {
        a = swap_on(MADE_SLOTS, -1);
        mmk_a32_store(&taken, 0, MMK_RELAXED);
        race_cpus(take_all_slots, &taken);
        assert_int_equal(mmk_a32_load(&taken, MMK_RELAXED), MADE_SLOTS);
        mmk_swap_area_check();
        for (slot = 0; slot < MADE_SLOTS; slot++) {
            mmk_a32_store(&made_by[slot], 0, MMK_RELAXED);
            put(slot);
        }
        swap_off(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),
        TEST(test_all),
        TEST(test_partial),
        TEST(test_priorities),
        TEST(test_discard),
        TEST(test_io),
        TEST(test_bad),
        TEST(test_neighbours),
        TEST(test_large),
        TEST(test_too_large),
        TEST(test_no_memory),
        TEST(test_stopped),
        TEST(test_misuse),
        TEST(test_on_demand),
        TEST(test_worth_a_frame),
        TEST_LIMITED(test_race),
        TEST_LIMITED(test_race_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
