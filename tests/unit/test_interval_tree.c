/* SPDX-License-Identifier: MIT */
/*
 * test_interval_tree.c - the interval tree against a list that is searched from end to end.
 *
 * TEST_SEED=n repeats a run; the seed is printed when something differs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "interval_tree.h"
#include "random.h"

#define NODES 400

static uint64_t seed, state;

static uint64_t below(uint64_t limit)
{
    return random_below(&state, limit);
}

/* The model: what is stored, in order; equal ones in the order of insertion. */
static struct mmk_interval nodes[NODES];
static struct mmk_interval *model[NODES];
static size_t stored;

static bool overlaps(const struct mmk_interval *node, uint64_t first, uint64_t last)
{
    return node->first <= last && node->last >= first;
}

static void model_insert(struct mmk_interval *node)
{
    size_t at = stored++;

    for (; at > 0 && model[at - 1]->first > node->first; at--)
        model[at] = model[at - 1];
    model[at] = node;
}

static void model_remove(const struct mmk_interval *node)
{
    size_t at = 0;

    while (model[at] != node)
        at++;
    for (stored--; at < stored; at++)
        model[at] = model[at + 1];
}

/* Every overlap of [first, last], in the same order, from both. */
static void compare(const struct mmk_interval_tree *tree, uint64_t first, uint64_t last)
{
    const struct mmk_interval *node = mmk_interval_first(tree, first, last);
    size_t i;

    for (i = 0; i < stored; i++) {
        if (!overlaps(model[i], first, last))
            continue;
        if (node != model[i])
            fail_msg("TEST_SEED=%llu: wrong interval for a query", (unsigned long long)seed);
        node = mmk_interval_next(node, first, last);
    }
    if (node)
        fail_msg("TEST_SEED=%llu: one interval too many", (unsigned long long)seed);
}

/* An interval of up to `length` that begins below `space`; one in eight reaches the last index. */
static void choose(struct mmk_interval *node, uint64_t space, uint64_t length)
{
    node->first = below(space);
    node->last = below(8) == 0 ? UINT64_MAX : node->first + below(length);
}

static void run(uint64_t space, uint64_t length, unsigned steps)
{
    struct mmk_interval_tree tree = {NULL};
    bool in[NODES] = {false};
    uint64_t first;
    unsigned step;
    size_t i;

    stored = 0;
    for (step = 0; step < steps; step++) {
        /* Long phases of growing and of shrinking, so that both small and large trees occur. */
        i = below(NODES);
        if (in[i] == (step / 1000 % 2 == 0) && below(3) != 0)
            continue;
        if (in[i]) {
            mmk_interval_remove(&tree, &nodes[i]);
            model_remove(&nodes[i]);
        } else {
            choose(&nodes[i], space, length);
            mmk_interval_insert(&tree, &nodes[i]);
            model_insert(&nodes[i]);
        }
        in[i] = !in[i];
        mmk_interval_tree_check(&tree);
        first = below(space);
        compare(&tree, first, first + below(length));
        if (step % 64 == 0)
            compare(&tree, 0, UINT64_MAX);
    }
    while (stored > 0) {
        mmk_interval_remove(&tree, model[stored - 1]);
        stored--;
        mmk_interval_tree_check(&tree);
    }
    assert_null(tree.root);
}

static void test_random(void **context)
{
    (void)context;
    run(10, 4, 5000);                     /* mostly equal intervals */
    run(1000, 50, 10000);                 /* some overlap */
    run((uint64_t)1 << 52, 10, 5000);     /* hardly any */
    run(100000, (uint64_t)1 << 40, 5000); /* nearly all */
}

static void test_edges(void **context)
{
    struct mmk_interval_tree tree = {NULL};
    struct mmk_interval all = {.first = 0, .last = UINT64_MAX}, zero = {.first = 0, .last = 0};
    struct mmk_interval end = {.first = UINT64_MAX, .last = UINT64_MAX};

    (void)context;
    assert_null(mmk_interval_first(&tree, 0, UINT64_MAX));
    mmk_interval_insert(&tree, &end);
    mmk_interval_insert(&tree, &zero);
    assert_null(mmk_interval_first(&tree, 1, UINT64_MAX - 1));
    assert_ptr_equal(mmk_interval_first(&tree, 0, 0), &zero);
    assert_ptr_equal(mmk_interval_first(&tree, UINT64_MAX, UINT64_MAX), &end);
    mmk_interval_insert(&tree, &all);
    assert_ptr_equal(mmk_interval_first(&tree, 5, 5), &all);
    assert_null(mmk_interval_next(&all, 5, 5));
    assert_ptr_equal(mmk_interval_next(&all, 5, UINT64_MAX), &end);
    mmk_interval_remove(&tree, &all);
    mmk_interval_remove(&tree, &zero);
    assert_ptr_equal(tree.root, &end);
    mmk_interval_tree_check(&tree);
}

/* In ascending order a tree without balance would be a list: height at most 1.45 log2(n). */
static void test_height(void **context)
{
    struct mmk_interval_tree tree = {NULL};
    size_t i;

    (void)context;
    for (i = 0; i < NODES; i++) {
        nodes[i].first = i;
        nodes[i].last = i;
        mmk_interval_insert(&tree, &nodes[i]);
    }
    mmk_interval_tree_check(&tree);
    assert_in_range(tree.root->height, 9, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_height),
        cmocka_unit_test(test_random),
    };

    seed = seed_of_run();
    state = seed;
    return cmocka_run_group_tests_name("interval_tree", tests, NULL, NULL);
}
