/* SPDX-License-Identifier: MIT */
/* test_lab.c - replacement policies on paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lab.h"
#include "random.h"

/* The string that textbooks have, with the misses that they give. */
static const uint32_t book[] = {7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1};

static void refs_of(struct refs *refs, const uint32_t *page, size_t count)
{
    size_t i;

    *refs = (struct refs){0};
    for (i = 0; i < count; i++)
        refs_add(refs, page[i]);
}

static void test_book(void **state)
{
    struct refs refs;

    (void)state;
    refs_of(&refs, book, sizeof(book) / sizeof(book[0]));
    assert_int_equal(refs.pages, 8);
    assert_int_equal(lab_misses(&policy_optimum, &refs, 3), 9);
    assert_int_equal(lab_misses(&policy_lru, &refs, 3), 12);
    assert_int_equal(lab_misses(&policy_fifo, &refs, 3), 15);
    refs_free(&refs);
}

/* More frames, more misses: Belady's anomaly, of what does not look at accesses. */
static void test_anomaly(void **state)
{
    static const uint32_t page[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};
    struct refs refs;

    (void)state;
    refs_of(&refs, page, sizeof(page) / sizeof(page[0]));
    assert_int_equal(lab_misses(&policy_fifo, &refs, 3), 9);
    assert_int_equal(lab_misses(&policy_fifo, &refs, 4), 10);
    assert_true(lab_misses(&policy_optimum, &refs, 4) < lab_misses(&policy_optimum, &refs, 3));
    refs_free(&refs);
}

/*
 * No policy is better than the optimum, nor brings a page in less than once; with a frame for each
 * page all are perfect.
 */
static void test_bounds(void **state)
{
    uint64_t random = 1, misses, least;
    unsigned round, i, frames;
    struct refs refs;

    (void)state;
    for (round = 0; round < 50; round++) {
        refs = (struct refs){0};
        for (i = 0; i < 40; i++)
            refs_add(&refs, i);
        for (i = 0; i < 1000; i++)
            refs_add(&refs, (uint32_t)random_below(&random, 1 + random_below(&random, 40)));
        for (frames = 1; frames < 40; frames += 6) {
            least = lab_misses(&policy_optimum, &refs, frames);
            for (i = 0; policies[i] != NULL; i++) {
                misses = lab_misses(policies[i], &refs, frames);
                assert_in_range(misses, least, refs.count);
            }
        }
        for (i = 0; policies[i] != NULL; i++)
            assert_int_equal(lab_misses(policies[i], &refs, refs.pages), refs.pages);
        refs_free(&refs);
    }
}

/* Pages that come once do not cost those that come again their frames. */
static void test_scan(void **state)
{
    uint64_t ours, clock;
    struct refs refs = {0};
    uint32_t i;

    (void)state;
    for (i = 0; i < 20000; i++)
        refs_add(&refs, i % 2 ? i / 2 % 24 : 24 + i / 2);
    ours = lab_misses(&policy_hands, &refs, 48);
    clock = lab_misses(&policy_clock, &refs, 48);
    assert_true(ours < 10100); /* the 10,000 that come once */
    assert_true(clock > 14000);
    refs_free(&refs);
}

static void test_patterns(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; patterns[i].name != NULL; i++) {
        struct refs refs = {0};

        patterns[i].make(&refs);
        assert_in_range(refs.pages, 3000, 5000);
        assert_true(refs.count >= 100000);
        assert_true(lab_misses(&policy_hands, &refs, refs.pages) == refs.pages);
        refs_free(&refs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_book), cmocka_unit_test(test_anomaly),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_scan), cmocka_unit_test(test_patterns),
    };

    return cmocka_run_group_tests_name("lab", tests, NULL, NULL);
}
