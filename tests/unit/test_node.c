/* SPDX-License-Identifier: MIT */
/* test_node.c - which frames a request gets: those of the nearest node, and how far it may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <machine.h>
#include <mmkit/cpu.h>
#include "frame.h"

#define MIB      ((uint64_t)1 << 20)
#define PER_NODE (4 * MIB)

enum { MOST = 8192 };

static mmk_paddr_t ram;
static struct mmk_page *held[MOST];
static unsigned count;

/* mmkit anew, with no memory yet, and this many frames in reserve. */
static void restart(uint64_t reserve)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;

    config.reserve = reserve;
    mmk_shutdown();
    assert_int_equal(mmk_init(&config), 0);
    mmk_cpu_online();
    count = 0;
}

static int setup(void **state)
{
    const struct machine_config config = {
        .memory = 64 * MIB, .cpus = 2, .mmkit = MMK_CONFIG_DEFAULT};

    (void)state;
    if (machine_create(&config))
        return -1;
    machine_cpu_attach(0);
    ram = ((mmk_ranges[0].start << MMK_PAGE_SHIFT) + PER_NODE - 1) & ~(PER_NODE - 1);
    return 0;
}

static void put_all(void)
{
    while (count > 0)
        mmk_page_put(held[--count]);
}

static int teardown(void **state)
{
    (void)state;
    put_all();
    mmk_drain();
    mmk_frame_check();
    machine_set_node(0, 0);
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

static mmk_paddr_t start_of(unsigned node)
{
    return ram + node * PER_NODE;
}

static void add(unsigned node)
{
    assert_int_equal(mmk_add_memory_node(start_of(node), start_of(node) + PER_NODE, node), 0);
}

static unsigned node_of(const struct mmk_page *page)
{
    return (unsigned)((mmk_page_phys(page) - ram) / PER_NODE);
}

static struct mmk_stats stats(void)
{
    struct mmk_stats now;

    mmk_stats_read(&now);
    return now;
}

/* => NULL: none */
static struct mmk_page *take(unsigned order, unsigned flags)
{
    struct mmk_page *page = mmk_page_alloc(order, flags);

    if (page) {
        assert_true(count < MOST);
        held[count++] = page;
    }
    return page;
}

/* As many as there are. */
static uint64_t take_all(unsigned order, unsigned flags)
{
    uint64_t taken = 0;

    while (take(order, flags))
        taken++;
    mmk_frame_check();
    return taken;
}

static void test_bad_node(void **state)
{
    (void)state;
    restart(0);
    assert_int_equal(mmk_add_memory_node(ram, ram + MIB, MMK_MAX_NODES), MMK_EINVAL);
    assert_int_equal(mmk_add_memory_node(ram, ram + MIB, MMK_MAX_NODES - 1), 0);
    assert_int_equal(stats().node_frames[MMK_MAX_NODES - 1], stats().frames_total);
}

/* Frames of one's own node while there are any; then those of the nearest number. */
static void test_nearest(void **state)
{
    static const unsigned order[] = {2, 1, 3, 0, 5}; /* of two as near the lower number */
    uint64_t frames;
    unsigned i;

    (void)state;
    restart(0);
    for (i = 0; i < 5; i++)
        add(order[4 - i]);
    machine_set_node(0, 2);
    for (i = 0; i < 5; i++)
        for (frames = stats().node_frames[order[i]]; frames > 0; frames--)
            assert_int_equal(node_of(take(0, MMK_ALLOC_NORMAL)), order[i]);
    assert_null(take(0, MMK_ALLOC_NORMAL));
    put_all();
    mmk_drain();
    for (i = 0; i < 5; i++)
        assert_int_equal(stats().node_free[order[i]], stats().node_frames[order[i]]);
}

static void test_nearest_blocks(void **state)
{
    unsigned i;

    (void)state;
    restart(0);
    add(0);
    add(1);
    machine_set_node(0, 1);
    for (i = 0; i < 100; i++)
        assert_int_equal(node_of(take(3, MMK_ALLOC_NORMAL)), 1);
    while (stats().node_free[1] >= 64)
        (void)take(3, MMK_ALLOC_NORMAL);
    (void)take_all(3, MMK_ALLOC_NORMAL);
    assert_int_equal(node_of(held[count - 1]), 0);
}

/* What comes from afar goes back there, not to whoever asks next. */
static void test_freed_far(void **state)
{
    struct mmk_page *far;
    uint64_t free;

    (void)state;
    restart(0);
    add(0);
    add(1);
    machine_set_node(0, 1);
    far = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_int_equal(node_of(far), 1);
    mmk_drain();
    machine_set_node(0, 0);
    free = stats().node_free[1];
    mmk_page_put(far);
    assert_int_equal(stats().node_free[1], free + 1);
    assert_int_equal(node_of(take(0, MMK_ALLOC_NORMAL)), 0);
    mmk_frame_check();
}

/* A cache that holds frames of both gives each back to its own. */
static void test_mixed_cache(void **state)
{
    (void)state;
    restart(0);
    add(0);
    add(1);
    (void)take_all(0, MMK_ALLOC_NORMAL);
    machine_set_node(0, 1);
    put_all();
    machine_set_node(0, 0);
    (void)take(0, MMK_ALLOC_NORMAL);
    put_all();
    machine_set_node(0, 7); /* no memory there */
    assert_int_equal(node_of(take(0, MMK_ALLOC_NORMAL)), 1);
    put_all();
    machine_set_node(0, 99); /* nonsense: as 0 */
    (void)take(0, MMK_ALLOC_NORMAL);
    put_all();
    mmk_drain();
    assert_int_equal(stats().node_free[0], stats().node_frames[0]);
    assert_int_equal(stats().node_free[1], stats().node_frames[1]);
}

/* ---- the reserve ----------------------------------------------------------------------------- */

enum { RESERVE = 100 };

static void test_reserve(void **state)
{
    uint64_t total;

    (void)state;
    restart(RESERVE);
    add(0);
    total = stats().frames_total;
    assert_int_equal(take_all(0, MMK_ALLOC_NORMAL), total - RESERVE);
    assert_null(take(0, MMK_ALLOC_NOWAIT));
    assert_null(take(0, MMK_ALLOC_NOIO));
    assert_int_equal(take_all(0, MMK_ALLOC_HIGH), RESERVE / 2);
    assert_null(take(0, MMK_ALLOC_ATOMIC));
    assert_int_equal(take_all(0, MMK_ALLOC_NORECLAIM | MMK_ALLOC_NOWAIT), RESERVE / 2);
    assert_int_equal(stats().frames_free, 0);
    put_all();
    mmk_drain();
    assert_int_equal(stats().frames_free, total);
}

/* A request that dips takes what it needs, and leaves nothing of it to the next who may not. */
static void test_dips_one(void **state)
{
    (void)state;
    restart(RESERVE);
    add(0);
    (void)take_all(0, MMK_ALLOC_NORMAL);
    assert_non_null(take(0, MMK_ALLOC_ATOMIC));
    assert_null(take(0, MMK_ALLOC_NORMAL));
    assert_int_equal(stats().frames_free, RESERVE - 1);
}

static void test_reserve_blocks(void **state)
{
    uint64_t before;

    (void)state;
    restart(RESERVE);
    add(0);
    add(1); /* of both together */
    (void)take_all(3, MMK_ALLOC_NORMAL);
    before = stats().frames_free;
    assert_true(before >= RESERVE && before < RESERVE + 8);
    assert_true(take_all(3, MMK_ALLOC_HIGH) > 0);
    assert_true(stats().frames_free >= RESERVE / 2);
    assert_true(take_all(0, MMK_ALLOC_NORECLAIM) >= RESERVE / 2);
    assert_int_equal(stats().frames_free, 0);
}

/* More than there is: only reclaim gets any. */
static void test_all_reserved(void **state)
{
    (void)state;
    restart(UINT64_MAX);
    add(0);
    assert_null(take(0, MMK_ALLOC_NORMAL));
    assert_null(take(3, MMK_ALLOC_ATOMIC));
    assert_non_null(take(0, MMK_ALLOC_NORECLAIM));
    assert_non_null(take(3, MMK_ALLOC_NORECLAIM));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_node),  TEST(test_nearest),        TEST(test_nearest_blocks),
        TEST(test_freed_far), TEST(test_mixed_cache),    TEST(test_reserve),
        TEST(test_dips_one),  TEST(test_reserve_blocks), TEST(test_all_reserved),
    };

    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
