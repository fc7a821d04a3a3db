/* SPDX-License-Identifier: MIT */
/*
 * test_vma_tree.c - the VMA tree against a model: which VMA has each page. Then readers beside a
 * writer, allocations that fail, and the panics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <machine.h>
#include "slab.h"
#include "vma_tree_node.h"
#include "expect_panic.h"
#include "random.h"

#define READERS 2
#define PAGES   16384u
#define BASE    0x10000u /* page 0 of the model, in pages */

static struct mmk_vma_tree tree;
static uint64_t seed;

/* Says how to repeat a failure; for threads, too, where cmocka's assertions cannot be used. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (MMK_TEST_SEED=%llu)\n", __FILE__, __LINE__, #condition,    \
                    (unsigned long long)seed);                                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static unsigned below(uint64_t *state, unsigned n)
{
    return (unsigned)random_below(state, n);
}

static mmk_vaddr_t address(unsigned page)
{
    return ((uint64_t)BASE + page) << MMK_PAGE_SHIFT;
}

static unsigned page_of(mmk_vaddr_t addr)
{
    return (unsigned)((addr >> MMK_PAGE_SHIFT) - BASE);
}

static void set_range(struct mmk_vma *vma, unsigned start, unsigned end)
{
    mmk_a64_store(&vma->start, address(start), MMK_RELAXED);
    mmk_a64_store(&vma->end, address(end), MMK_RELAXED);
}

static void tree_insert(struct mmk_vma *vma, unsigned start, unsigned end)
{
    struct mmk_vma_tree_reserve reserve;

    set_range(vma, start, end);
    must(mmk_vma_tree_reserve(&tree, 1, &reserve) == 0);
    mmk_vma_tree_insert(&tree, vma, &reserve);
    mmk_vma_tree_unreserve(&reserve);
}

static void tree_erase(unsigned start, unsigned end)
{
    struct mmk_vma_tree_reserve reserve;

    must(mmk_vma_tree_reserve(&tree, 1, &reserve) == 0);
    mmk_vma_tree_erase_range(&tree, address(start), address(end), &reserve);
    mmk_vma_tree_unreserve(&reserve);
}

/* ---- the model ------------------------------------------------------------------------------- */

/* Any VMA of the pool may be anywhere. */
static struct mmk_vma pool[PAGES];
static struct mmk_vma *owner[PAGES];
static struct mmk_vma *free_vmas[PAGES];
static unsigned free_count, model_count;

static void model_reset(void)
{
    unsigned i;

    for (i = 0; i < PAGES; i++) {
        owner[i] = NULL;
        free_vmas[i] = &pool[PAGES - 1 - i];
    }
    free_count = PAGES;
    model_count = 0;
}

static bool model_is_free(unsigned start, unsigned end)
{
    while (start < end)
        if (owner[start++])
            return false;
    return true;
}

static void model_set(struct mmk_vma *vma, unsigned start, unsigned end)
{
    while (start < end)
        owner[start++] = vma;
}

static struct mmk_vma *model_find(unsigned page)
{
    while (page < PAGES && !owner[page])
        page++;
    return page < PAGES ? owner[page] : NULL;
}

static struct mmk_vma *model_prev(unsigned page)
{
    while (page > 0 && !owner[page - 1])
        page--;
    return page > 0 ? owner[page - 1] : NULL;
}

/* By trying every place, from the top. */
static bool model_gap(unsigned low, unsigned high, unsigned length, unsigned *start)
{
    unsigned page = high, run = 0;

    while (page > low) {
        page--;
        run = owner[page] ? 0 : run + 1;
        if (run == length) {
            *start = page;
            return true;
        }
    }
    return false;
}

/* ---- random operations ----------------------------------------------------------------------- */

static void insert_at(unsigned start, unsigned end)
{
    struct mmk_vma *vma = free_vmas[--free_count];

    tree_insert(vma, start, end);
    model_set(vma, start, end);
    model_count++;
}

static void random_insert(uint64_t *state, unsigned longest)
{
    unsigned start = below(state, PAGES), end = start + 1 + below(state, longest);

    if (end <= PAGES && model_is_free(start, end))
        insert_at(start, end);
}

/* Erases a range of about that length, widened so that no VMA straddles its ends. */
static void random_erase(uint64_t *state, unsigned longest)
{
    unsigned start = below(state, PAGES), end = start + 1 + below(state, longest), page;

    end = end > PAGES ? PAGES : end;
    while (start > 0 && owner[start] && owner[start - 1] == owner[start])
        start--;
    while (end < PAGES && owner[end] && owner[end - 1] == owner[end])
        end++;
    tree_erase(start, end);
    for (page = start; page < end; page++) {
        if (owner[page] && (page == start || owner[page - 1] != owner[page])) {
            free_vmas[free_count++] = owner[page];
            model_count--;
        }
    }
    model_set(NULL, start, end); /* only now: the loop compares neighbors */
}

/* Both ends of a VMA move, anywhere from its neighbors to one page left of it. */
static void random_resize(uint64_t *state)
{
    struct mmk_vma *vma = model_find(below(state, PAGES));
    unsigned old_start, old_end, start, end, i;

    if (!vma)
        return;
    start = old_start = page_of(mmk_vma_start(vma));
    end = old_end = page_of(mmk_vma_end(vma));
    for (i = below(state, 6); i > 0 && start > 0 && !owner[start - 1]; i--)
        start--;
    for (i = below(state, 6); i > 0 && end < PAGES && !owner[end]; i--)
        end++;
    if (below(state, 2))
        start += below(state, old_end - start);
    if (below(state, 2) && end - 1 > start && end - 1 > old_start)
        end -= below(state, end - (start > old_start ? start : old_start));
    mmk_vma_tree_resize(&tree, vma, address(start), address(end), NULL);
    model_set(NULL, old_start, old_end);
    model_set(vma, start, end);
    must(mmk_vma_start(vma) == address(start) && mmk_vma_end(vma) == address(end));
}

static void compare_search(uint64_t *state)
{
    unsigned page = below(state, PAGES);

    must(mmk_vma_tree_find_rcu(&tree, address(page)) == model_find(page));
    must(mmk_vma_tree_find_rcu(&tree, address(page) + 4095) == model_find(page));
    must(mmk_vma_tree_prev_rcu(&tree, address(page)) == model_prev(page));
    must(mmk_vma_tree_prev_rcu(&tree, address(page) + 1) == model_prev(page + 1));
}

static void compare_gap(uint64_t *state, unsigned longest)
{
    unsigned low = below(state, PAGES), high = below(state, PAGES + 1), want = 0;
    unsigned length = 1 + below(state, longest);
    mmk_vaddr_t start = 0;
    bool found;

    if (below(state, 4) == 0)
        low = 0;
    if (below(state, 4) == 0)
        high = PAGES;
    found = mmk_vma_tree_gap(&tree, address(low), address(high), (uint64_t)length << 12, &start);
    must(found == model_gap(low, high, length, &want));
    must(!found || start == address(want));
}

/* All VMAs, from below and from above. */
static void compare_all(void)
{
    mmk_vaddr_t up = 0, down = UINT64_MAX;
    struct mmk_vma *vma;
    uint64_t count = 0;

    mmk_vma_tree_check(&tree);
    must(tree.count == model_count);
    while ((vma = mmk_vma_tree_find_rcu(&tree, up)) != NULL) {
        must(vma == model_find(page_of(mmk_vma_start(vma))));
        up = mmk_vma_end(vma);
        count++;
    }
    must(count == model_count);
    while ((vma = mmk_vma_tree_prev_rcu(&tree, down)) != NULL) {
        down = mmk_vma_start(vma);
        count--;
    }
    must(count == 0);
}

static void random_step(uint64_t *state, unsigned step)
{
    /* Each phase tends to fill or to empty; sizes, and so heights, differ from phase to phase. */
    unsigned phase = step / 4000, longest = 1 + 7 * (phase % 2),
             inserts = 30 + 50 * (phase / 2 % 2);
    unsigned choice = below(state, 100);

    if (choice < inserts)
        random_insert(state, longest);
    else if (choice < 95)
        random_erase(state, below(state, 100) == 0 ? PAGES / 4 : longest * 2);
    else
        random_resize(state);
}

static void test_random(void **unused)
{
    uint64_t state = seed;
    unsigned step;

    (void)unused;
    model_reset();
    for (step = 0; step < 120000; step++) {
        random_step(&state, step);
        compare_search(&state);
        if (step % 8 == 0)
            compare_gap(&state, 1 + below(&state, 64));
        if (step % 64 == 0)
            mmk_vma_tree_check(&tree);
        if (step % 2000 == 0)
            compare_all();
    }
    compare_all();
    tree_erase(0, PAGES);
    assert_int_equal(tree.count, 0);
    assert_null(mmk_vma_tree_find_rcu(&tree, 0));
    mmk_vma_tree_check(&tree);
}

/* Few VMAs, every operation checked: the tree's first and last levels. */
static void test_small(void **unused)
{
    uint64_t state = seed + 1;
    unsigned round, step;

    (void)unused;
    model_reset();
    for (round = 0; round < 40; round++) {
        for (step = 0; step < 500; step++) {
            if (model_count < 10 + round)
                random_insert(&state, 64);
            else
                random_erase(&state, PAGES / 8);
            if (step % 3 == 0)
                random_resize(&state);
            mmk_vma_tree_check(&tree);
            compare_search(&state);
            compare_gap(&state, PAGES / 16);
        }
        compare_all();
    }
}

/* ---- edges ----------------------------------------------------------------------------------- */

static void test_empty(void **unused)
{
    mmk_vaddr_t start;

    (void)unused;
    mmk_vma_tree_check(&tree);
    assert_null(mmk_vma_tree_find_rcu(&tree, 0));
    assert_null(mmk_vma_tree_find_rcu(&tree, UINT64_MAX));
    assert_null(mmk_vma_tree_prev_rcu(&tree, 0));
    assert_null(mmk_vma_tree_prev_rcu(&tree, UINT64_MAX));
    tree_erase(0, PAGES);
    assert_true(mmk_vma_tree_gap(&tree, 4096, 16384, 12288, &start));
    assert_int_equal(start, 4096);
    assert_false(mmk_vma_tree_gap(&tree, 4096, 16384, 12289, &start));
    assert_false(mmk_vma_tree_gap(&tree, 16384, 4096, 1, &start));
}

/* The whole address space, first byte to last page, in a tree of more than one level. */
static void test_extremes(void **unused)
{
    const uint64_t top = UINT64_MAX & MMK_PAGE_MASK;
    struct mmk_vma_tree_reserve reserve;
    mmk_vaddr_t start;
    unsigned i;

    (void)unused;
    for (i = 0; i < 40; i++)
        tree_insert(&pool[i], 2 * i, 2 * i + 1);
    assert_int_equal(mmk_vma_tree_reserve(&tree, 2, &reserve), 0);
    mmk_a64_store(&pool[40].start, 0, MMK_RELAXED);
    mmk_a64_store(&pool[40].end, 4096, MMK_RELAXED);
    mmk_vma_tree_insert(&tree, &pool[40], &reserve);
    mmk_a64_store(&pool[41].start, top - 4096, MMK_RELAXED);
    mmk_a64_store(&pool[41].end, top, MMK_RELAXED);
    mmk_vma_tree_insert(&tree, &pool[41], &reserve);
    mmk_vma_tree_unreserve(&reserve);
    mmk_vma_tree_check(&tree);
    assert_ptr_equal(mmk_vma_tree_find_rcu(&tree, 0), &pool[40]);
    assert_ptr_equal(mmk_vma_tree_find_rcu(&tree, top - 1), &pool[41]);
    assert_null(mmk_vma_tree_find_rcu(&tree, top));
    assert_null(mmk_vma_tree_find_rcu(&tree, UINT64_MAX));
    assert_null(mmk_vma_tree_prev_rcu(&tree, 0));
    assert_ptr_equal(mmk_vma_tree_prev_rcu(&tree, 1), &pool[40]);
    assert_ptr_equal(mmk_vma_tree_prev_rcu(&tree, UINT64_MAX), &pool[41]);
    assert_true(mmk_vma_tree_gap(&tree, 0, top, 4096, &start));
    assert_int_equal(start, top - 8192);
    assert_true(mmk_vma_tree_gap(&tree, 0, address(79), address(0) - 4096, &start));
    assert_int_equal(start, 4096);
    assert_false(mmk_vma_tree_gap(&tree, 0, address(79), address(0) - 4095, &start));
    assert_int_equal(mmk_vma_tree_reserve(&tree, 1, &reserve), 0);
    mmk_vma_tree_erase_range(&tree, address(0), UINT64_MAX, &reserve);
    mmk_vma_tree_unreserve(&reserve);
    mmk_vma_tree_check(&tree);
    assert_ptr_equal(mmk_vma_tree_prev_rcu(&tree, UINT64_MAX), &pool[40]);
}

enum pattern { UPWARD, DOWNWARD, UNDER_A_HEAP, PATTERNS };

/* Where the nth of `count` VMAs goes. */
static unsigned pattern_page(enum pattern pattern, unsigned n, unsigned count)
{
    switch (pattern) {
    case UPWARD:
        return 2 * n;
    case DOWNWARD:
        return 2 * (count - n);
    default: /* what programs do: a few low ones, then from the top down to them */
        return n < 5 ? 2 * n : 2 * (count + 10 - n);
    }
}

static unsigned count_nodes(const struct mmk_vma_node *node)
{
    unsigned i, nodes = 1;

    for (i = 0; node->level > 0 && i < node->count; i++)
        nodes += count_nodes(mmk_vma_node_child(node, i));
    return nodes;
}

/* Nodes are well filled when VMAs come in an order, and given back when they go. */
static void test_fill(void **unused)
{
    const unsigned count = 5000;
    unsigned n;
    int pattern;

    (void)unused;
    for (pattern = 0; pattern < PATTERNS; pattern++) {
        model_reset();
        for (n = 0; n < count; n++) {
            unsigned page = pattern_page((enum pattern)pattern, n, count);

            insert_at(page, page + 1 + n % 2);
        }
        compare_all();
        assert_in_range(count_nodes(mmk_vma_tree_root(&tree)), count / 15, count / 10);

        for (n = 0; n < PAGES - 16; n += 16) /* one in eight is left */
            tree_erase(n + 2, n + 16);
        mmk_vma_tree_check(&tree);
        assert_in_range(tree.count, 1, count / 8 + 1);
        assert_in_range(count_nodes(mmk_vma_tree_root(&tree)), 1, (unsigned)tree.count / 4);
        tree_erase(0, PAGES);
        assert_int_equal(tree.count, 0);
    }
}

/* One of each pair goes, in steps of one, from below and from above: leaves run short in turn. */
static void test_thinning(void **unused)
{
    unsigned n, order;

    (void)unused;
    for (order = 0; order < 2; order++) {
        model_reset();
        for (n = 0; n < PAGES / 2; n++)
            insert_at(2 * n, 2 * n + 1);
        for (n = 0; n < PAGES / 2 - 1; n++) {
            unsigned page = order == 0 ? 2 * n : PAGES - 2 - 2 * n;

            tree_erase(page, page + 1);
            if (n % 16 == 0)
                mmk_vma_tree_check(&tree);
        }
        assert_int_equal(tree.count, 1);
        mmk_vma_tree_check(&tree);
        tree_erase(0, PAGES);
    }
}

/* ---- readers beside a writer ----------------------------------------------------------------- */

/*
 * Each region starts with a VMA that always has the region's second page, the fixed ones (even
 * regions) just its first three, and goes on with short VMAs that come and go. `life` of one of
 * those is odd from before it is inserted until after it is erased.
 */
#define REGION  64u
#define REGIONS (PAGES / REGION / 2)
#define SHORT   5u /* first page of a region that a short VMA may have; 3 and 4 are for growth */
#define CHANGES 60000u

static struct mmk_a64 life[PAGES];
static struct mmk_a32 stop;

static struct mmk_vma *anchor(unsigned region)
{
    return &pool[region * REGION];
}

static unsigned index_of(const struct mmk_vma *vma)
{
    return (unsigned)(vma - pool);
}

/* Searches around an anchor: its own page from both sides, then across free space from afar. */
static void read_anchor(uint64_t *state)
{
    unsigned region = below(state, REGIONS), page = region * REGION;
    struct mmk_vma *vma;

    mmk_rcu_read_lock();
    must(mmk_vma_tree_find_rcu(&tree, address(page + 1) + below(state, 4096)) == anchor(region));
    must(mmk_vma_tree_prev_rcu(&tree, address(page + 2)) == anchor(region));
    if (region % 2 == 0) {
        vma = mmk_vma_tree_find_rcu(&tree, address(page) - below(state, REGION * 4096));
        must(vma && index_of(vma) / REGION + 1 >= region && index_of(vma) <= page);
        vma = mmk_vma_tree_prev_rcu(&tree, address(page + 3) + below(state, (REGION - 3) * 4096));
        must(vma && index_of(vma) / REGION == region);
    }
    mmk_rcu_read_unlock();
}

/* A short VMA that was out of the tree all the time is not found. */
static void read_short(uint64_t *state)
{
    unsigned page = below(state, REGIONS * REGION);
    uint64_t before = mmk_a64_load(&life[page], MMK_ACQUIRE);
    struct mmk_vma *vma;

    mmk_rcu_read_lock();
    vma = mmk_vma_tree_find_rcu(&tree, address(page));
    if (vma == &pool[page] && page % REGION >= SHORT && before % 2 == 0)
        must(mmk_a64_load(&life[page], MMK_ACQUIRE) != before);
    vma = mmk_vma_tree_prev_rcu(&tree, address(page + 1));
    if (vma == &pool[page] && page % REGION >= SHORT && before % 2 == 0)
        must(mmk_a64_load(&life[page], MMK_ACQUIRE) != before);
    mmk_rcu_read_unlock();
}

static void *reader(void *argument)
{
    unsigned cpu = *(unsigned *)argument;
    uint64_t state = seed + cpu;

    machine_cpu_attach(cpu);
    while (!mmk_a32_load(&stop, MMK_ACQUIRE)) {
        read_anchor(&state);
        read_short(&state);
    }
    machine_cpu_detach();
    return NULL;
}

static void short_insert(unsigned page)
{
    mmk_a64_fetch_add(&life[page], 1, MMK_RELEASE);
    tree_insert(&pool[page], page, page + 1);
    owner[page] = &pool[page];
}

/* Erases short VMAs in a range inside one region. */
static void short_erase(unsigned start, unsigned end)
{
    unsigned page;

    tree_erase(start, end);
    for (page = start; page < end; page++) {
        if (owner[page])
            mmk_a64_fetch_add(&life[page], 1, MMK_RELEASE);
        owner[page] = NULL;
    }
}

/* An anchor of an odd region grows and shrinks around its second page. */
static void anchor_resize(uint64_t *state, unsigned region)
{
    unsigned page = region * REGION;

    mmk_vma_tree_resize(&tree, anchor(region), address(page + below(state, 2)),
                        address(page + 2 + below(state, SHORT - 1)), NULL);
}

static void writer_step(uint64_t *state)
{
    unsigned region = below(state, REGIONS), first = region * REGION;
    unsigned page = first + SHORT + below(state, REGION - SHORT), choice = below(state, 64);

    if (choice == 0)
        short_erase(first + SHORT, first + REGION);
    else if (choice == 1)
        for (page = first + SHORT; page < first + REGION; page++)
            owner[page] ? (void)0 : short_insert(page);
    else if (choice < 16)
        anchor_resize(state, region | 1);
    else if (owner[page])
        short_erase(page, page + 1 + below(state, first + REGION - page < 4 ? 1 : 4));
    else
        short_insert(page);
}

static void insert_anchors(void)
{
    unsigned region;

    for (region = 0; region < REGIONS; region++)
        tree_insert(anchor(region), region * REGION, region * REGION + 3);
}

static void test_readers(void **unused)
{
    unsigned cpus[READERS], i;
    pthread_t threads[READERS];
    uint64_t state = seed + 2;

    (void)unused;
    model_reset();
    for (i = 0; i < PAGES; i++)
        mmk_a64_store(&life[i], 0, MMK_RELAXED);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    insert_anchors();
    for (i = 0; i < READERS; i++) {
        cpus[i] = i + 1;
        must(pthread_create(&threads[i], NULL, reader, &cpus[i]) == 0);
    }
    for (i = 0; i < CHANGES; i++) {
        writer_step(&state);
        if (i % 512 == 0)
            mmk_vma_tree_check(&tree);
    }
    mmk_a32_store(&stop, 1, MMK_RELEASE);
    machine_idle_begin();
    for (i = 0; i < READERS; i++)
        must(pthread_join(threads[i], NULL) == 0);
    machine_idle_end();
    mmk_vma_tree_check(&tree);
}

/* A node that a reader is in stays as it was, whatever the writer does, until the reader leaves. */
static struct mmk_a32 turn;

static void *stay_in_root(void *unused)
{
    const size_t size = offsetof(struct mmk_vma_node, gap);
    const struct mmk_vma_node *root;
    unsigned char before[sizeof(*root)];

    (void)unused;
    machine_cpu_attach(1);
    mmk_rcu_read_lock();
    root = mmk_aptr_load(&tree.root, MMK_ACQUIRE);
    memcpy(before, root, size);
    mmk_a32_store(&turn, 1, MMK_RELEASE);
    while (mmk_a32_load(&turn, MMK_ACQUIRE) == 1)
        mmk_cpu_relax();
    must(root != mmk_aptr_load(&tree.root, MMK_ACQUIRE));
    must(memcmp(before, root, size) == 0);
    mmk_rcu_read_unlock();
    machine_cpu_detach();
    return NULL;
}

static void test_grace_period(void **unused)
{
    pthread_t thread;
    unsigned i;

    (void)unused;
    for (i = 0; i < 10; i++)
        tree_insert(&pool[i], 2 * i, 2 * i + 1);
    mmk_a32_store(&turn, 0, MMK_RELAXED);
    must(pthread_create(&thread, NULL, stay_in_root, NULL) == 0);
    while (mmk_a32_load(&turn, MMK_ACQUIRE) == 0)
        mmk_cpu_relax();
    for (i = 0; i < 1000; i++) {
        tree_insert(&pool[10], 31, 32);
        tree_erase(31, 32);
    }
    mmk_a32_store(&turn, 2, MMK_RELEASE);
    machine_idle_begin();
    must(pthread_join(thread, NULL) == 0);
    machine_idle_end();
}

/* ---- allocations that fail ------------------------------------------------------------------- */

static unsigned count_spare(void)
{
    const struct mmk_vma_node *first = mmk_aptr_load(&tree.spare, MMK_RELAXED);

    return first ? first->dead.count : 0;
}

/* The tree and its unused nodes are as before; all memory comes back at the end (teardown). */
static void fail_reserve(bool onward)
{
    struct mmk_vma_tree_reserve reserve;
    bool failed = true;
    unsigned n, spare;
    int error;

    for (n = 0; failed; n++) {
        spare = count_spare();
        machine_fail_nth(n, onward);
        error = mmk_vma_tree_reserve(&tree, MMK_VMA_TREE_CHANGES, &reserve);
        failed = machine_fail_stop();
        assert_int_equal(error, failed ? MMK_ENOMEM : 0);
        if (failed) {
            assert_null(reserve.first);
            assert_int_equal(reserve.count, 0);
            assert_int_equal(count_spare(), spare);
        }
        mmk_vma_tree_unreserve(&reserve);
        mmk_vma_tree_check(&tree);
    }
    assert_in_range(n, 2, MMK_VMA_TREE_CHANGES * 9 + 1); /* it did fail, and not for ever */
}

static void test_no_memory(void **unused)
{
    uint64_t state = seed + 3, count;

    (void)unused;
    model_reset();
    while (model_count < 1000)
        random_insert(&state, 2);
    count = tree.count;
    fail_reserve(false);
    fail_reserve(true);
    assert_int_equal(tree.count, count);
    compare_all();
}

/* A reserve taken inside another, and one given back for nothing. */
static void test_nested_reserve(void **unused)
{
    struct mmk_vma_tree_reserve outer, inner;
    unsigned i;

    (void)unused;
    for (i = 0; i < 300; i += 3) {
        assert_int_equal(mmk_vma_tree_reserve(&tree, 2, &outer), 0);
        assert_int_equal(mmk_vma_tree_reserve(&tree, 1, &inner), 0);
        set_range(&pool[i], 2 * i, 2 * i + 1);
        mmk_vma_tree_insert(&tree, &pool[i], &outer);
        set_range(&pool[i + 1], 2 * i + 2, 2 * i + 3);
        mmk_vma_tree_insert(&tree, &pool[i + 1], &inner);
        mmk_vma_tree_unreserve(&inner);
        set_range(&pool[i + 2], 2 * i + 4, 2 * i + 5);
        mmk_vma_tree_insert(&tree, &pool[i + 2], &outer);
        mmk_vma_tree_unreserve(&outer);
        mmk_vma_tree_unreserve(&outer);
    }
    mmk_vma_tree_check(&tree);
    assert_int_equal(tree.count, 300);
}

/* As many changes as a reserve is for, in trees of every size: it lasts, root splits included. */
static void test_reserve_lasts(void **unused)
{
    struct mmk_vma_tree_reserve reserve;
    uint64_t state = seed + 4;
    unsigned n, changes, page, order;

    (void)unused;
    for (order = 0; order < 3; order++) {
        model_reset();
        while (model_count < 4000) {
            assert_int_equal(mmk_vma_tree_reserve(&tree, MMK_VMA_TREE_CHANGES, &reserve), 0);
            for (changes = 0; changes < MMK_VMA_TREE_CHANGES; model_count++, changes++) {
                n = model_count;
                page = order == 0 ? n : order == 1 ? PAGES - 1 - n : below(&state, PAGES);
                while (owner[page])
                    page = (page + 1) % PAGES;
                owner[page] = free_vmas[--free_count];
                set_range(owner[page], page, page + 1);
                mmk_vma_tree_insert(&tree, owner[page], &reserve);
            }
            mmk_vma_tree_unreserve(&reserve);
        }
        compare_all();
        tree_erase(0, PAGES);
    }
}

/* ---- panics ---------------------------------------------------------------------------------- */

static void overlap_above(void *unused)
{
    (void)unused;
    tree_insert(&pool[500], 9, 11);
}

static void overlap_below(void *unused)
{
    (void)unused;
    tree_insert(&pool[500], 12, 14);
}

static void straddle_start(void *unused)
{
    (void)unused;
    tree_erase(11, 20);
}

static void straddle_end(void *unused)
{
    (void)unused;
    tree_erase(5, 41);
}

static void resize_away(void *unused)
{
    (void)unused;
    mmk_vma_tree_resize(&tree, &pool[1], address(15), address(16), NULL);
}

static void resize_stranger(void *unused)
{
    (void)unused;
    set_range(&pool[500], 15, 17);
    mmk_vma_tree_resize(&tree, &pool[500], address(15), address(16), NULL);
}

static void insert_unreserved(void *unused)
{
    struct mmk_vma_tree_reserve none = {&tree, NULL, 0};

    (void)unused;
    set_range(&pool[500], 15, 16);
    mmk_vma_tree_insert(&tree, &pool[500], &none);
}

static void changed_end(void *unused)
{
    (void)unused;
    set_range(&pool[20], 200, 202);
    mmk_vma_tree_check(&tree);
}

static void changed_start(void *unused)
{
    (void)unused;
    set_range(&pool[20], 199, 203);
    mmk_vma_tree_check(&tree);
}

static void changed_count(void *unused)
{
    (void)unused;
    tree.count++;
    mmk_vma_tree_check(&tree);
}

static void test_panics(void **unused)
{
    unsigned i;

    (void)unused;
    for (i = 0; i < 100; i++)
        tree_insert(&pool[i], 10 * i, 10 * i + 3);
    assert_true(expect_panic(overlap_above, NULL, "VT1"));
    assert_true(expect_panic(overlap_below, NULL, "VT1"));
    assert_true(expect_panic(straddle_start, NULL, "straddles the start"));
    assert_true(expect_panic(straddle_end, NULL, "straddles the end"));
    assert_true(expect_panic(resize_away, NULL, "overlaps the old"));
    assert_true(expect_panic(resize_stranger, NULL, "is in the tree"));
    assert_true(expect_panic(insert_unreserved, NULL, "reserve covers"));
    assert_true(expect_panic(changed_end, NULL, "VT1"));
    assert_true(expect_panic(changed_start, NULL, "VT3"));
    assert_true(expect_panic(changed_count, NULL, "VT6"));
}

/* ---- runner ---------------------------------------------------------------------------------- */

static int setup(void **unused)
{
    const struct machine_config config = {
        .memory = (uint64_t)64 << 20, .cpus = 1 + READERS, .mmkit = MMK_CONFIG_DEFAULT};

    (void)unused;
    if (machine_create(&config) != 0)
        return -1;
    machine_cpu_attach(0);
    mmk_vma_tree_init(&tree);
    return 0;
}

/* Every node has come back. */
static int teardown(void **unused)
{
    (void)unused;
    mmk_vma_tree_destroy(&tree);
    mmk_drain();
    assert_int_equal(mmk_slab_frames(), 0);
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extremes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thinning, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grace_period, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested_reserve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserve_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_panics, setup, teardown),
    };
    const char *given = getenv("MMK_TEST_SEED");

    seed = given ? strtoull(given, NULL, 0) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
