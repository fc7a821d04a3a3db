/* SPDX-License-Identifier: MIT */
/*
 * test_compact.c - large free blocks, made after churn: what moves, what stays, and that nobody
 * notices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "claim.h"
#include "family.h"
#include "race.h"
#include "random.h"

#include <mmkit/compact.h>
#include <mmkit/notifier.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)
#define HUGE     9     /* order: 2 MiB */
#define PAGES    15872 /* nearly all of memory */

static void store_word(mmk_vaddr_t addr, uint64_t word)
{
    assert_int_equal(machine_store(addr, &word, sizeof(word)), MMK_FAULT_DONE);
}

static void expect_word(mmk_vaddr_t addr, uint64_t expected)
{
    uint64_t word = ~expected;

    assert_int_equal(machine_load(addr, &word, sizeof(word)), MMK_FAULT_DONE);
    assert_int_equal(word, expected);
}

/* What the page at `at` holds: NONE, nothing was stored. */
#define NONE 0
static uint64_t held[PAGES];

static void expect_held(void)
{
    uint64_t i;

    for (i = 0; i < PAGES; i++)
        if (held[i] != NONE)
            expect_word(AT(i), held[i]);
}

static uint64_t seed;

static void shuffle(uint32_t *order)
{
    uint64_t i, other;
    uint32_t swap;

    for (i = 0; i < PAGES; i++)
        order[i] = (uint32_t)i;
    for (i = 0; i < PAGES; i++) {
        other = random_below(&seed, PAGES);
        swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
}

/*
 * Most of memory is filled, in no order, and of this every other page given back, in no order: half
 * of memory is free, but nowhere much of it.
 * => PAGES are mapped at AT(0)
 */
static void churn(int how_to_drop)
{
    static uint32_t order[PAGES];
    uint64_t i;

    shuffle(order);
    for (i = 0; i < PAGES; i++) {
        held[order[i]] = 0x1000000 + order[i];
        store_word(AT(order[i]), held[order[i]]);
    }
    for (i = 0; i < PAGES; i++)
        if (random_below(&seed, 2)) {
            assert_int_equal(mmk_madvise(mm, AT(i), PAGE, how_to_drop), 0);
            held[i] = NONE;
        }
    mmk_frame_drain_here();
}

static bool has(unsigned order)
{
    struct mmk_page *page = mmk_page_alloc(order, MMK_ALLOC_NOWAIT);

    if (page)
        mmk_page_put(page);
    return page != NULL;
}

/* So many frames are free, and lie nowhere together. */
static void expect_churned(void)
{
    assert_in_range(frames_free(), fixture_frames * 2 / 5, fixture_frames);
    assert_false(has(HUGE));
}

static void expect_made(unsigned order)
{
    assert_int_equal(mmk_compact(order), 0);
    mmk_check(mm);
    mmk_check_frames();
    assert_true(has(order));
}

static void setup_churned(void)
{
    map_at(0, PAGES, RW, ANON);
    churn(MMK_MADV_DONTNEED);
    expect_churned();
}

/* ---- what moves ------------------------------------------------------------------------------ */

static void test_private(void **state)
{
    struct mmk_mm_stats before;
    uint64_t free;

    (void)state;
    setup_churned();
    before = mm_stats(mm);
    free = frames_free();
    expect_made(HUGE);
    assert_int_equal(frames_free(), free);
    assert_int_equal(mm_stats(mm).rss_anon, before.rss_anon);
    assert_in_range(stats_now().compact_moved, 1, 512);
    assert_int_equal(stats_now().compact_made, 1);
    expect_made(HUGE); /* it is there already */
    assert_int_equal(stats_now().compact_tried, 1);
    expect_held();
}

/* An allocation that may sleep has it done, and gets the block itself: all that there can be. */
static void test_direct(void **state)
{
    struct mmk_page *block[32];
    unsigned n, i;

    (void)state;
    setup_churned();
    assert_null(mmk_page_alloc(HUGE, MMK_ALLOC_NORECLAIM));
    assert_int_equal(stats_now().compact_tried, 0);
    for (n = 0; n < 32; n++) {
        block[n] = mmk_page_alloc(HUGE, MMK_ALLOC_ZERO);
        if (!block[n])
            break;
        mmk_check(mm);
        mmk_check_frames();
        assert_int_equal(mmk_page_refs(block[n]), 1);
        assert_int_equal(mmk_page_phys(block[n]) % (PAGE << HUGE), 0);
    }
    print_message("%u blocks made of %lu free frames, %lu pages moved\n", n,
                  (unsigned long)(frames_free() + n * 512),
                  (unsigned long)stats_now().compact_moved);
    assert_in_range(n, 15, 31);
    assert_in_range(frames_free(), 0, 511 + 32); /* and what lies about tables */
    assert_in_range(stats_now().compact_moved, n * 128, n * 384);
    assert_int_equal(stats_now().compact_made, n);
    for (i = 0; i < n; i++)
        memset(mmk_page_address(block[i]), 0xaa, PAGE << HUGE);
    expect_held();
    for (i = 0; i < n; i++)
        mmk_page_put(block[i]);
}

/* In every order that there is. */
static void test_orders(void **state)
{
    unsigned order;

    (void)state;
    setup_churned();
    assert_int_equal(mmk_compact(0), MMK_EINVAL);
    assert_int_equal(mmk_compact(MMK_MAX_ORDER + 1), MMK_EINVAL);
    for (order = 1; order <= MMK_MAX_ORDER; order++)
        expect_made(order);
    expect_held();
}

static void test_locked(void **state)
{
    uint64_t faults;

    (void)state;
    map_at(0, PAGES, RW, ANON);
    churn(MMK_MADV_DONTNEED);
    assert_int_equal(mmk_mlock2(mm, AT(0), PAGES * PAGE, MMK_MLOCK_ONFAULT), 0);
    faults = needed_faults();
    expect_made(HUGE);
    expect_held();
    assert_int_equal(needed_faults(), faults);
}

/* Of a family, whose members share pages, or have their own. */
static void test_forked(void **state)
{
    struct mmk_mm *parent;
    uint64_t i;

    (void)state;
    setup_churned();
    parent = enter_child();
    for (i = 0; i < PAGES; i += 16)
        if (held[i] != NONE)
            store_word(AT(i), 2 * held[i]);
    expect_made(HUGE);
    mmk_check(parent);
    for (i = 0; i < PAGES; i++)
        if (held[i] != NONE)
            expect_word(AT(i), i % 16 ? held[i] : 2 * held[i]);
    leave_child(parent);
    expect_held();
}

static void test_shared_memory(void **state)
{
    struct mmk_object *memory = new_shmem(PAGES);

    (void)state;
    map_object_at(0, PAGES, RW, MMK_MAP_SHARED, memory, 0);
    churn(MMK_MADV_REMOVE);
    expect_churned();
    expect_made(HUGE);
    mmk_check_object(memory);
    expect_held();
    mmk_object_put(memory);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

#define NODE       (20 * MIB)
#define NODE_PAGES 9900

static mmk_paddr_t ram;

/* Two nodes, in ranges that neither begin nor end with a block; and one that is less than one. */
static int nodes_setup(void **state)
{
    const struct mmk_config config = fixture_config();

    if (fixture_setup(state))
        return -1;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    ram = (mmk_ranges[0].start << MMK_PAGE_SHIFT) + 5 * PAGE;
    mmk_shutdown();
    if (mmk_init(&config))
        return -1;
    mmk_cpu_online();
    if (mmk_add_memory_node(ram, ram + NODE, 0) ||
        mmk_add_memory_node(ram + NODE, ram + 2 * NODE, 1) ||
        mmk_add_memory_node(ram + 2 * NODE, ram + 2 * NODE + 64 * PAGE, 0))
        return -1;
    fixture_frames = frames_free();
    if (mmk_mm_create(&mm))
        return -1;
    machine_switch_mm(mm);
    return 0;
}

static bool is_far(const struct mmk_page *page)
{
    return mmk_page_phys(page) - ram - NODE < NODE;
}

/* Pages stay on their node. */
static void test_nodes(void **state)
{
    static bool far[NODE_PAGES];
    struct mmk_page *block[32];
    uint64_t i, fars = 0;
    unsigned n;

    (void)state;
    map_at(0, NODE_PAGES, RW, ANON);
    for (i = 0; i < NODE_PAGES; i += 512)
        store_word(AT(i), i + 1); /* tables, which stay, first */
    for (i = 0; i < NODE_PAGES; i++) {
        store_word(AT(i), i + 1);
        far[i] = is_far(peek_page(mm, AT(i)));
    }
    for (i = 0; i < NODE_PAGES; i++)
        if (random_below(&seed, 2))
            assert_int_equal(mmk_madvise(mm, AT(i), PAGE, MMK_MADV_DONTNEED), 0);
    mmk_frame_drain_here();
    assert_false(has(HUGE));
    for (n = 0; n < 32 && (block[n] = mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL)) != NULL; n++)
        fars += is_far(block[n]);
    assert_in_range(n, 6, 10);
    assert_in_range(fars, 3, n - 3);
    for (i = 0; i < NODE_PAGES; i++)
        if (peek_page(mm, AT(i))) {
            assert_int_equal(is_far(peek_page(mm, AT(i))), far[i]);
            expect_word(AT(i), i + 1);
        }
    while (n > 0)
        mmk_page_put(block[--n]);
}

/*
 * Touched in order, each 2 MiB of addresses want a table when their first page has come: tables
 * that lay between the pages would be in every block.
 */
static void test_in_order(void **state)
{
    struct mmk_page *block[32];
    unsigned n;
    uint64_t i;

    (void)state;
    map_at(0, PAGES, RW, ANON);
    for (i = 0; i < PAGES; i++) {
        held[i] = i + 1;
        store_word(AT(i), held[i]);
    }
    for (i = 0; i < PAGES; i += 2) {
        assert_int_equal(mmk_madvise(mm, AT(i), PAGE, MMK_MADV_DONTNEED), 0);
        held[i] = NONE;
    }
    mmk_frame_drain_here();
    expect_churned();
    for (n = 0; n < 32 && (block[n] = mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL)) != NULL; n++)
        continue;
    print_message("in order: %u blocks made of %lu free frames, %lu pages moved\n", n,
                  (unsigned long)(frames_free() + n * 512),
                  (unsigned long)stats_now().compact_moved);
    assert_in_range(n, 14, 31);
    expect_held();
    while (n > 0)
        mmk_page_put(block[--n]);
}

/* ---- what stays ------------------------------------------------------------------------------ */

/* Every page that there is, pinned; then let go. */
static void test_pinned(void **state)
{
    static struct mmk_page *pinned[PAGES];
    struct mmk_page *block;
    uint64_t i, n = 0;

    (void)state;
    setup_churned();
    for (i = 0; i < PAGES; i++)
        if (held[i] != NONE)
            assert_int_equal(mmk_pin_pages(mm, AT(i), 1, MMK_PIN_WRITE, &pinned[n++]), 1);
    assert_int_equal(mmk_compact(HUGE), MMK_ENOMEM);
    block = mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL);
    assert_null(block);
    assert_int_equal(stats_now().compact_moved, 0);
    expect_held();
    mmk_unpin_pages(pinned, n, false);
    expect_made(HUGE);
    expect_held();
}

/* One frame of the embedder's in each block, but for one block. */
static void test_unmovable(void **state)
{
    static struct mmk_page *frame[16384];
    uint64_t n = 0, i, kept = 0;
    struct mmk_page *page;

    (void)state;
    while ((page = mmk_page_alloc(0, MMK_ALLOC_NOWAIT)) != NULL)
        frame[n++] = page;
    for (i = 0; i < n; i++)
        if ((mmk_page_phys(frame[i]) >> MMK_PAGE_SHIFT) % 512 == 100)
            frame[kept++] = frame[i];
        else
            mmk_page_put(frame[i]);
    assert_int_equal(mmk_compact(HUGE), MMK_ENOMEM);
    assert_int_equal(stats_now().compact_tried, 0);
    assert_int_equal(mmk_compact(7), 0);
    kept--;
    mmk_page_put(frame[kept / 2]); /* not where tables are */
    frame[kept / 2] = frame[kept];
    assert_int_equal(mmk_compact(HUGE), 0);
    while (kept > 0)
        mmk_page_put(frame[--kept]);
}

/* There are too few free frames, or they are kept for others. */
static void test_too_few(void **state)
{
    (void)state;
    setup_churned();
    mmk_config.reserve = frames_free() - 511;
    assert_int_equal(mmk_compact(HUGE), MMK_ENOMEM);
    mmk_config.reserve = 0;
    expect_made(HUGE);
}

/* A page in each block: the first that a program has. => how many */
static unsigned one_in_each(struct mmk_page *page[])
{
    uint64_t i, block = 0;
    unsigned n = 0;

    for (i = 0; i < mmk_frame_places(); i++)
        if (i / 512 >= block && mmk_page_type(mmk_frame_at(i)) == MMK_PAGE_ANON) {
            page[n] = mmk_frame_at(i);
            mmk_page_get(page[n++]);
            block = i / 512 + 1;
        }
    return n;
}

/* Others look at pages, or have them locked: an allocation waits for none of them. */
static void test_in_use(void **state)
{
    struct mmk_page *page[64];
    unsigned n, i;

    (void)state;
    setup_churned();
    n = one_in_each(page);
    assert_null(mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL));
    assert_int_equal(mmk_compact(HUGE), MMK_EBUSY);
    assert_in_range(stats_now().compact_tried, 2, 100);
    mmk_check(mm);
    for (i = 0; i < n; i++)
        mmk_page_lock(page[i]); /* by address */
    assert_null(mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL));
    for (i = 0; i < n; i++) {
        mmk_page_unlock(page[i]);
        mmk_page_put(page[i]);
    }
    mmk_check_frames();
    expect_made(HUGE);
    expect_held();
}

/* A secondary MMU, and what else has to wait: not on behalf of an allocation. */
static int sleeps(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    return range->may_sleep ? 0 : MMK_EAGAIN;
}

static void test_notified(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = sleeps};
    struct mmk_notifier notifier = {.ops = &ops};

    (void)state;
    setup_churned();
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    assert_null(mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL));
    assert_int_equal(stats_now().compact_moved, 0);
    expect_made(HUGE);
    expect_held();
    mmk_notifier_unregister(mm, &notifier);
}

/* Whoever allocates may hold what leads back from the pages. */
static void test_locks_held(void **state)
{
    (void)state;
    setup_churned();
    mmk_rw_write_lock(&mm->kin->lock, MMK_LOCK_KIN);
    assert_null(mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL));
    mmk_rw_write_unlock(&mm->kin->lock, MMK_LOCK_KIN);
    assert_int_equal(stats_now().compact_moved, 0);
    mmk_check(mm);
    expect_made(HUGE);
    expect_held();
}

/* ---- failing allocations --------------------------------------------------------------------- */

/* Where there is no frame to move to, all is as it was. */
static void test_fails(void **state)
{
    uint64_t n, free;
    bool failed;
    int error;

    (void)state;
    setup_churned();
    free = frames_free();
    for (n = 0; n < 40; n++) {
        machine_fail_nth(n, true);
        error = mmk_compact(HUGE);
        failed = machine_fail_stop();
        mmk_check(mm);
        mmk_check_frames();
        assert_int_equal(frames_free(), free);
        if (!failed)
            break; /* few pages were in the way */
        assert_int_equal(error, MMK_EBUSY);
        assert_false(has(HUGE));
    }
    assert_true(n > 0);
    machine_fail_nth(0, false); /* the page is tried again */
    assert_int_equal(mmk_compact(HUGE), 0);
    assert_int_equal(machine_fail_stop(), n == 40);
    expect_held();
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { BLOCKS = 12, ACCESSES = 20000 };

static struct mmk_a32 ended;

static void fill_block(struct mmk_page *page, uint64_t word)
{
    uint64_t *words = mmk_page_address(page);
    size_t i;

    for (i = 0; i < (PAGE << HUGE) / sizeof(*words); i += 64)
        words[i] = word;
}

static void expect_block(struct mmk_page *page, uint64_t word)
{
    const uint64_t *words = mmk_page_address(page);
    size_t i;

    for (i = 0; i < (PAGE << HUGE) / sizeof(*words); i += 64)
        check(words[i] == word);
}

/* As many blocks as there can be, several times. */
static void make_blocks(void)
{
    struct mmk_page *block[BLOCKS];
    unsigned n = 0;
    uint64_t state = 1;

    while (mmk_a32_load(&ended, MMK_ACQUIRE) < 2) {
        block[n] = mmk_page_alloc(HUGE, MMK_ALLOC_NORMAL);
        if (block[n]) {
            fill_block(block[n], n);
            n++;
        }
        (void)!mmk_compact(1 + (unsigned)random_below(&state, MMK_MAX_ORDER));
        if (n == BLOCKS || random_below(&state, 16) == 0)
            while (n > 0) {
                n--;
                expect_block(block[n], n);
                mmk_page_put(block[n]);
            }
    }
    while (n > 0)
        mmk_page_put(block[--n]);
}

static void use_page(uint64_t at, uint64_t word)
{
    uint64_t found;

    if (held[at] != NONE) {
        check(machine_load(AT(at), &found, sizeof(found)) == MMK_FAULT_DONE && found == held[at]);
        if (word % 2) {
            check(mmk_madvise(mm, AT(at), PAGE, MMK_MADV_DONTNEED) == 0);
            held[at] = NONE;
            return;
        }
    } else if (word % 2) {
        return; /* about half of the pages have something */
    }
    check(machine_store(AT(at), &word, sizeof(word)) == MMK_FAULT_DONE);
    held[at] = word;
}

/* Each program CPU has every other page. */
static void use_pages(unsigned cpu)
{
    struct mmk_mm *child = NULL;
    uint64_t state = cpu, i;

    machine_switch_mm(mm);
    for (i = 0; i < ACCESSES; i++) {
        use_page(random_below(&state, PAGES / 2) * 2 + cpu - 1, next_random(&state) | 4);
        if (i % 4000 == 1000 && mmk_fork(mm, &child) != 0)
            child = NULL;
        if (i % 4000 == 1400 && child) { /* while few pages have been copied */
            mmk_mm_put(child);
            child = NULL;
        }
    }
    if (child)
        mmk_mm_put(child);
    machine_switch_mm(NULL);
    mmk_a32_fetch_add(&ended, 1, MMK_RELEASE);
}

static void race(unsigned cpu, void *argument)
{
    (void)argument;
    if (cpu == 0)
        make_blocks();
    else
        use_pages(cpu);
}

static void test_race(void **state)
{
    (void)state;
    setup_churned();
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    race_cpus(race, NULL);
    expect_held();
    mmk_check(mm);
    mmk_drain();
    mmk_check_frames();
    assert_in_range(stats_now().compact_made, 1, UINT64_MAX);
    print_message("%lu blocks of %lu made, %lu pages moved\n",
                  (unsigned long)stats_now().compact_made, (unsigned long)stats_now().compact_tried,
                  (unsigned long)stats_now().compact_moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_LIMITED(test_private),
        TEST_LIMITED(test_direct),
        TEST_LIMITED(test_orders),
        TEST_LIMITED(test_locked),
        TEST_LIMITED(test_forked),
        TEST_LIMITED(test_shared_memory),
        TEST_LIMITED(test_in_order),
        TEST_LIMITED(test_pinned),
        cmocka_unit_test_setup_teardown(test_nodes, nodes_setup, fixture_teardown),
        TEST_LIMITED(test_unmovable),
        TEST_LIMITED(test_too_few),
        TEST_LIMITED(test_in_use),
        TEST_LIMITED(test_notified),
        TEST_LIMITED(test_locks_held),
        TEST_LIMITED(test_fails),
        TEST_LIMITED(test_race),
    };

    seed = 7;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
