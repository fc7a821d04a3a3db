/* SPDX-License-Identifier: MIT */
/* test_claim.c - the frames of one block, taken together: from lists, from caches, from users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "claim.h"
#include "expect_panic.h"
#include "race.h"
#include "random.h"

#define ORDER 5
#define SIZE  (1u << ORDER)

static struct mmk_claim claim;

/* A block of ORDER frames, each with a reference: they are taken one by one, all that there are. */
static struct mmk_page *frame[32768];
static size_t frames;

static void take_all(void)
{
    frames = 0;
    while ((frame[frames] = mmk_page_alloc(0, MMK_ALLOC_NOWAIT)) != NULL)
        frames++;
}

/* The frames of the block at `start` come to lie at frame[0] ... */
static void gather_block(mmk_pfn_t start)
{
    struct mmk_page *page;
    mmk_pfn_t pfn;
    size_t i;

    for (i = 0; i < frames; i++) {
        pfn = mmk_page_to_pfn(frame[i]) - start;
        if (pfn < SIZE && pfn != i) {
            page = frame[pfn];
            frame[pfn] = frame[i];
            frame[i--] = page;
        }
    }
    for (i = 0; i < SIZE; i++)
        assert_int_equal(mmk_page_to_pfn(frame[i]), start + i);
}

static struct mmk_range *range(void)
{
    return &mmk_ranges[0];
}

/* In the middle of memory. */
static mmk_pfn_t middle(void)
{
    return ((range()->start + range()->end) / 2 & ~(mmk_pfn_t)1023) + 3 * SIZE;
}

/* All memory is taken, and a claim on a block begun that has nothing yet. */
static void start(void)
{
    take_all();
    gather_block(middle());
    mmk_claim_begin(&claim, range(), middle(), ORDER);
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 0);
}

/* From `first` on. */
static void put_all(size_t first)
{
    while (frames > first)
        mmk_page_put(frame[--frames]);
}

static void finish(size_t first)
{
    put_all(first);
    mmk_frame_drain_here();
    mmk_frame_check();
}

static void check_frames(void *arg)
{
    (void)arg;
    mmk_frame_check();
}

/* What is free in the block is taken, and nothing beside; in several steps. */
static void test_take_free(void **state)
{
    (void)state;
    start();
    mmk_page_put(frame[3]);
    mmk_page_put(frame[4]);
    mmk_page_put(frame[5]);
    mmk_page_put(frame[SIZE]); /* elsewhere */
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 3);
    assert_int_equal(frames_free(), 1);
    assert_int_equal(mmk_page_type(frame[4]), MMK_PAGE_CLAIMED);
    mmk_page_put(frame[7]);
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 4);
    assert_false(mmk_claim_is_whole(&claim));
    assert_true(expect_panic(check_frames, NULL, "CL3"));
    mmk_claim_give_back(&claim);
    assert_int_equal(frames_free(), 5);
    mmk_frame_check();
    frame[3] = frame[--frames];
    frame[4] = frame[--frames];
    frame[5] = frame[--frames];
    frame[7] = frame[--frames];
    frame[SIZE] = frame[--frames];
    finish(0);
}

/* A user's last reference leaves the frame to the claim; another's does not. */
static void test_put(void **state)
{
    (void)state;
    start();
    assert_true(mmk_claim_put(&claim, frame[0]));
    assert_int_equal(claim.frames, 1);
    mmk_page_get(frame[1]);
    assert_false(mmk_claim_put(&claim, frame[1]));
    assert_int_equal(mmk_page_refs(frame[1]), 1);
    assert_int_equal(claim.frames, 1);
    mmk_page_put(frame[1]);
    assert_int_equal(claim.frames, 1);
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 2);
    mmk_claim_give_back(&claim);
    frame[0] = frame[--frames];
    frame[1] = frame[--frames];
    finish(0);
}

/* The buddy of what is claimed is freed: they do not merge. */
static void test_buddy_freed(void **state)
{
    size_t i;

    (void)state;
    start();
    for (i = 0; i < SIZE; i += 2)
        assert_true(mmk_claim_put(&claim, frame[i]));
    for (i = 1; i < SIZE; i += 2)
        mmk_page_put(frame[i]);
    mmk_frame_drain_here();
    assert_int_equal(frames_free(), SIZE / 2);
    mmk_claim_take_free(&claim);
    assert_true(mmk_claim_is_whole(&claim));
    mmk_claim_give_back(&claim);
    assert_true(mmk_frame_has_block(ORDER));
    for (i = 0; i < SIZE; i++)
        frame[i] = frame[--frames];
    finish(0);
}

/* Whole, it is a block as any other; what it had inside is not looked at again. */
static void test_hand_out(void **state)
{
    struct mmk_page *block;
    size_t i;

    (void)state;
    start();
    for (i = 0; i < SIZE; i++)
        assert_true(mmk_claim_put(&claim, frame[i]));
    block = mmk_claim_hand_out(&claim);
    assert_ptr_equal(block, frame[0]);
    assert_int_equal(mmk_page_type(block), MMK_PAGE_PLAIN);
    mmk_a32_store(&block->refs, 1, MMK_RELAXED);
    mmk_frame_check();
    mmk_claim_begin(&claim, range(), middle(), ORDER); /* it is in use */
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 0);
    mmk_claim_begin(&claim, range(), middle() + SIZE / 2, ORDER - 1); /* so is half of it */
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 0);
    mmk_page_put(block);
    assert_true(mmk_frame_has_block(ORDER));
    assert_false(mmk_frame_has_block(ORDER + 1));
    for (i = 0; i < SIZE; i++)
        frame[i] = frame[--frames];
    finish(0);
}

/* Of a free block that is larger nothing is taken, wherever in it the claim's begins. */
static void test_within_free(void **state)
{
    const mmk_pfn_t at = middle() & ~(mmk_pfn_t)1023;
    unsigned i;

    (void)state;
    for (i = 0; i < 4; i++) {
        mmk_claim_begin(&claim, range(), at + i * 256, 8);
        mmk_claim_take_free(&claim);
        assert_int_equal(claim.frames, 0);
    }
    mmk_claim_begin(&claim, range(), at, 10);
    mmk_claim_take_free(&claim);
    assert_true(mmk_claim_is_whole(&claim)); /* in one piece */
    mmk_claim_give_back(&claim);
    mmk_frame_check();
}

/* Pages go elsewhere: what was freed in the block since is the claim's instead. */
static void test_elsewhere(void **state)
{
    struct mmk_page *page;

    (void)state;
    start();
    assert_null(mmk_claim_elsewhere(&claim));
    mmk_page_put(frame[9]);
    mmk_page_put(frame[10]);
    mmk_frame_drain_here();
    assert_null(mmk_claim_elsewhere(&claim));
    assert_int_equal(claim.frames, 2);
    mmk_page_put(frame[SIZE]);
    mmk_frame_drain_here();
    mmk_config.reserve = 1;
    assert_null(mmk_claim_elsewhere(&claim));
    mmk_config.reserve = 0;
    page = mmk_claim_elsewhere(&claim);
    assert_ptr_equal(page, frame[SIZE]);
    assert_int_equal(mmk_page_refs(page), 1);
    mmk_claim_give_back(&claim);
    frame[9] = frame[--frames];
    frame[10] = frame[--frames];
    finish(0);
}

/* Two who want the same frames: neither gets all, and nothing is lost. */
static void test_overlap(void **state)
{
    struct mmk_claim other;

    (void)state;
    start();
    mmk_claim_begin(&other, range(), middle() & ~(mmk_pfn_t)(2 * SIZE - 1), ORDER + 1);
    mmk_page_put(frame[1]);
    mmk_claim_take_free(&claim);
    mmk_page_put(frame[2]);
    mmk_claim_take_free(&other);
    assert_int_equal(claim.frames, 1);
    assert_int_equal(other.frames, 1);
    mmk_claim_give_back(&other);
    mmk_claim_take_free(&claim);
    assert_int_equal(claim.frames, 2);
    mmk_claim_give_back(&claim);
    frame[1] = frame[--frames];
    frame[2] = frame[--frames];
    finish(0);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { ROUNDS = 3000, HELD = 40 };

static void claim_some(uint64_t *seed)
{
    unsigned order = 1 + (unsigned)random_below(seed, MMK_MAX_ORDER);
    mmk_pfn_t size = (mmk_pfn_t)1 << order;
    mmk_pfn_t at = (middle() & ~(mmk_pfn_t)1023) + (random_below(seed, 1024) & ~(size - 1));
    struct mmk_page *block;
    struct mmk_claim mine;

    mmk_claim_begin(&mine, range(), at, order);
    mmk_claim_take_free(&mine);
    if (!mmk_claim_is_whole(&mine)) {
        mmk_claim_give_back(&mine);
        return;
    }
    block = mmk_claim_hand_out(&mine);
    memset(mmk_page_address(block), 0x55, size * PAGE);
    mmk_a32_store(&block->refs, 1, MMK_RELEASE);
    mmk_page_put(block);
}

/* Blocks come and go; one CPU claims what is free, where it is most likely to be. */
static void race(unsigned cpu, void *argument)
{
    static struct mmk_page *had[3][HELD];
    uint64_t seed = cpu, i, at;

    (void)argument;
    for (i = 0; i < ROUNDS; i++) {
        if (cpu == 0 || random_below(&seed, 8) == 0) {
            claim_some(&seed);
            continue;
        }
        at = random_below(&seed, HELD);
        if (had[cpu][at]) {
            check(*(unsigned char *)mmk_page_address(had[cpu][at]) == cpu);
            mmk_page_put(had[cpu][at]);
            had[cpu][at] = NULL;
        } else {
            had[cpu][at] = mmk_page_alloc((unsigned)random_below(&seed, 4), MMK_ALLOC_NOWAIT);
            if (had[cpu][at])
                *(unsigned char *)mmk_page_address(had[cpu][at]) = (unsigned char)cpu;
        }
    }
    for (at = 0; at < HELD; at++)
        if (had[cpu][at])
            mmk_page_put(had[cpu][at]);
}

/* Little is free but what is claimed. */
static void test_race(void **state)
{
    size_t i;

    (void)state;
    take_all();
    for (i = 0; i < frames; i++)
        if (mmk_page_to_pfn(frame[i]) - (middle() & ~(mmk_pfn_t)1023) < 1024) {
            mmk_page_put(frame[i]);
            frame[i--] = frame[--frames];
        }
    mmk_frame_drain_here();
    race_cpus(race, NULL);
    mmk_drain();
    mmk_check_frames();
    assert_int_equal(frames_free(), 1024);
    finish(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_take_free), TEST(test_put),          TEST(test_buddy_freed),
        TEST(test_hand_out),  TEST(test_within_free),  TEST(test_elsewhere),
        TEST(test_overlap),   TEST_LIMITED(test_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
