/* SPDX-License-Identifier: MIT */
/*
 * test_mmu_aarch64.c - what Arm has alone: what tables take away, pages without DBM,
 * break-before-make, groups.
 */
#include "hand_tables.h"

#define BIT_ATTR       ((uint64_t)1 << 2)
#define BIT_EL0        ((uint64_t)1 << 6)
#define BIT_READ_ONLY  ((uint64_t)1 << 7)
#define BIT_SHARE      ((uint64_t)1 << 8)
#define BIT_AF         ((uint64_t)1 << 10)
#define BIT_NG         ((uint64_t)1 << 11)
#define BIT_DBM        ((uint64_t)1 << 51)
#define BIT_CONTIGUOUS ((uint64_t)1 << 52)

#define TABLE_NO_EXEC  ((uint64_t)1 << 60)
#define TABLE_NO_USER  ((uint64_t)1 << 61)
#define TABLE_NO_WRITE ((uint64_t)1 << 62)

static void test_reserved(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0);
    uint64_t value;
    unsigned bit;

    (void)state;
    hand_map_four(HAND_RW);
    value = hand_value(leaf);
    hand_stops_with(P(0), leaf, value & ~(uint64_t)2, "a block at the last level");
    hand_stops_with(P(0), leaf, value & ~BIT_NG, "a global user page");
    for (bit = 48; bit < 51; bit++)
        hand_stops_with(P(0), leaf, value | (uint64_t)1 << bit, "bits 48 to 50 are reserved");
    hand_stops_with(P(0), hand_entry(P(0), 1), hand_leaf(hand_frame(0), 1, HAND_READ),
                    "misaligned");
    value = hand_leaf(0, 1, HAND_READ) & ~BIT_NG;
    hand_stops_with(P(0), hand_entry(P(0), 1), value, "a global user page");
    if (LEVELS == 4)
        hand_stops_with(P(0), hand_entry(P(0), 3), hand_leaf(0, 1, HAND_READ), "above 1 GiB");
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_read(P(0)), P(0));
    hand_set(leaf, ~(uint64_t)1); /* an invalid entry may hold anything */
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(P(0)), FAULTED);
}

/* Each table can take rights away, itself and as cached; entries below cannot give them back. */
static void test_table_rights(void **state)
{
    unsigned level;

    (void)state;
    hand_map_four(HAND_RW | HAND_EXEC);
    for (level = 1; level < LEVELS; level++) {
        struct mmk_a64 *entry = hand_entry(P(0), level);
        uint64_t was = hand_value(entry);

        hand_set(entry, was | TABLE_NO_WRITE);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_load(P(1)), MMK_FAULT_DONE);
        assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        assert_int_equal(machine_fetch(P(0)), MMK_FAULT_DONE);
        hand_set(entry, was | TABLE_NO_USER);
        mmk_tlb_local_all(&hand);
        assert_int_equal(machine_fetch(P(1)), MMK_FAULT_DONE);
        assert_int_equal(hand_load(P(0)), FAULTED);
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        hand_set(entry, was | TABLE_NO_EXEC);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_store(P(1), 1), MMK_FAULT_DONE);
        assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
        assert_int_equal(machine_fetch(P(0)), FAULTED);
        hand_set(entry, was);
        mmk_tlb_local_all(&hand);
    }
}

/* Writable without DBM: dirty at once. Read-only without: a store faults though hardware helps. */
static void test_without_dbm(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0);

    (void)state;
    hand_map(P(0), HAND_RW | HAND_USED);
    mmk_a64_fetch_and(leaf, ~BIT_DBM, MMK_RELAXED);
    assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
    mmk_a64_fetch_or(leaf, BIT_READ_ONLY, MMK_RELAXED);
    mmk_tlb_local_page(&hand, P(0));
    assert_int_equal(hand_store(P(0), 1), FAULTED);
    assert_int_equal(hand_value(leaf) & BIT_READ_ONLY, BIT_READ_ONLY);
}

/* An invalid entry is not remembered, whatever the machine is asked to keep. */
static void test_absence(void **state)
{
    (void)state;
    hand_start(MACHINE_KEEPS_ABSENCE);
    assert_int_equal(hand_load(P(0)), FAULTED);
    hand_map(P(0), HAND_RW);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
}

static const char changed[] = "an entry changed without break-before-make";

static void store_once(void *addr)
{
    (void)hand_store(*(uint64_t *)addr, 1);
}

/* The machine compares one cached page more at each miss: every one in as many as the TLB holds. */
static void miss_often(void *addr)
{
    unsigned i;

    for (i = 0; i < 1024; i++)
        (void)hand_load(*(uint64_t *)addr);
}

/* H6: other memory, another type, shareability or group; seen where a store needs a walk. */
static void test_break_before_make(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0);
    const mmk_paddr_t phys[] = {hand_frame(0), hand_frame(0)};
    const uint64_t value = hand_leaf(phys[0], 0, HAND_RW | HAND_ACCESSED);
    const uint64_t others[] = {hand_leaf(phys[1], 0, HAND_RW | HAND_ACCESSED), value | BIT_ATTR,
                               value & ~BIT_SHARE, value | BIT_CONTIGUOUS};
    uint64_t addr = P(0), absent = Q(2);
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        hand_set(leaf, value);
        mmk_tlb_local_page(&hand, P(0));
        assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
        hand_set(leaf, others[i]);
        assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE); /* a hit: hardware does not look */
        assert_true(expect_panic(store_once, &addr, changed));
        assert_true(expect_panic(miss_often, &absent, changed));
    }
    hand_set(leaf, 0);
    mmk_tlb_local_page(&hand, P(0));
    hand_set(leaf, others[0]);
    assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
}

/* Rights, AF, the dirty state and software's bits may change; so may anything that is invalid. */
static void test_no_break_needed(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0);
    const mmk_paddr_t phys = hand_frame(0);
    const unsigned whats[] = {HAND_READ, HAND_RW, HAND_RW | HAND_USED, HAND_RW | HAND_EXEC,
                              HAND_EXEC | HAND_ACCESSED};
    uint64_t absent = Q(2);
    unsigned i;

    (void)state;
    hand_set(leaf, hand_leaf(phys, 0, HAND_READ));
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    for (i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
        hand_set(leaf, hand_leaf(phys, 0, whats[i]) | HAND_IGNORED);
        assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
        (void)hand_store(P(0), 1);
        miss_often(&absent);
    }
    hand_set(leaf, ~(uint64_t)1);
    miss_often(&absent);
}

/* A table where another was, a block where a table was, and the other way round. */
static void test_tables_need_break(void **state)
{
    struct mmk_a64 *upper = hand_entry(P(0), 1);
    const mmk_paddr_t block = hand_frame(HAND_INDEX_BITS);
    const uint64_t table = hand_link(hand_frame(0));
    uint64_t addr = P(1), was;

    (void)state;
    hand_map_four(HAND_READ);
    was = hand_value(upper);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    hand_set(upper, table);
    assert_stops(addr, "another table linked without break-before-make");
    hand_set(upper, hand_leaf(block, 1, HAND_READ));
    assert_stops(addr, changed);
    mmk_tlb_local_spurious(&hand, P(0)); /* now the way down is all that is cached */
    assert_stops(addr, changed);
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    hand_set(upper, was);
    addr = P(0);
    assert_true(expect_panic(store_once, &addr, changed));
    hand_set(upper, 0);
    mmk_tlb_local_page(&hand, P(3)); /* any address in the block names it */
    hand_set(upper, was);
    assert_int_equal(hand_read(P(0)), P(0));
}

static void map_group(mmk_paddr_t phys, unsigned what)
{
    unsigned i;

    for (i = 0; i < 16; i++)
        hand_set(hand_entry(P(i), 0),
                 hand_leaf(phys + i * MMK_PAGE_SIZE, 0, what) | BIT_CONTIGUOUS);
}

/* One walk caches all sixteen; a flush of one drops all. */
static void test_group(void **state)
{
    const mmk_paddr_t phys = hand_frame(4);
    uint64_t *content = mmk_phys_to_virt(phys), walks;
    unsigned i;

    (void)state;
    map_group(phys, HAND_RW);
    for (i = 0; i < 16; i++)
        content[i * 512] = i;
    assert_int_equal(hand_read(P(5)), 5);
    walks = hand_stats().walks;
    for (i = 0; i < 16; i++)
        assert_int_equal(hand_read(P(i)), i);
    assert_int_equal(hand_stats().walks, walks);
    assert_int_equal(hand_used(hand_value(hand_entry(P(5), 0))), HAND_ACCESSED);
    assert_int_equal(hand_used(hand_value(hand_entry(P(6), 0))), 0);
    for (i = 0; i < 16; i++)
        hand_set(hand_entry(P(i), 0), 0);
    mmk_tlb_local_page(&hand, P(3));
    for (i = 0; i < 16; i++)
        assert_int_equal(hand_load(P(i)), FAULTED);
}

/* Once a page of the group is dirty, a store to another may leave its own entry clean. */
static void test_group_dirty(void **state)
{
    (void)state;
    map_group(hand_frame(4), HAND_RW);
    assert_int_equal(hand_store(P(5), 1), MMK_FAULT_DONE);
    assert_int_equal(hand_store(P(6), 1), MMK_FAULT_DONE);
    assert_int_equal(hand_used(hand_value(hand_entry(P(5), 0))), HAND_USED);
    assert_int_equal(hand_used(hand_value(hand_entry(P(6), 0))), 0);
}

/* While one comes or goes, what is none yet, or already, is known by what is not. */
static void test_group_in_part(void **state)
{
    const mmk_paddr_t phys = hand_frame(4);
    uint64_t *content = mmk_phys_to_virt(phys);

    (void)state;
    content[0] = 7;
    content[9 * 512] = 9;
    map_group(phys, HAND_RW);
    hand_set(hand_entry(P(0), 0), 0);
    hand_set(hand_entry(P(9), 0), 0);
    assert_int_equal(hand_load(P(9)), FAULTED);
    assert_int_equal(hand_load(P(5)), MMK_FAULT_DONE);
    assert_int_equal(hand_read(P(0)), 7);
    assert_int_equal(hand_read(P(9)), 9);
}

/* Groups of blocks: cached page by page here, but no less consistent. */
static void test_group_of_blocks(void **state)
{
    const uint64_t size = MMK_PAGE_SIZE << HAND_INDEX_BITS;
    unsigned i;

    (void)state;
    for (i = 0; i < 16; i++)
        hand_set(hand_entry(i * size, 1), hand_leaf(i * size, 1, HAND_READ) | BIT_CONTIGUOUS);
    assert_int_equal(hand_load(size), MMK_FAULT_DONE); /* physical 2 MiB is RAM */
    hand_set(hand_entry(7 * size, 1), 0);              /* it is coming, or going */
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(size), MMK_FAULT_DONE);
    hand_set(hand_entry(7 * size, 1), hand_leaf(8 * size, 1, HAND_READ) | BIT_CONTIGUOUS);
    mmk_tlb_local_all(&hand);
    assert_stops(size, "a contiguous group with entries that differ");
}

static void test_mixed_group(void **state)
{
    static const char differ[] = "a contiguous group with entries that differ";
    const mmk_paddr_t phys = hand_frame(5);
    struct mmk_a64 *entry = hand_entry(P(9), 0);
    const uint64_t good = hand_leaf(phys + 9 * MMK_PAGE_SIZE, 0, HAND_RW) | BIT_CONTIGUOUS;

    (void)state;
    map_group(phys, HAND_RW);
    hand_stops_with(P(5), entry, good & ~BIT_CONTIGUOUS, differ);
    hand_stops_with(P(5), entry, good ^ MMK_PAGE_SIZE, differ);
    hand_stops_with(P(5), entry, good ^ BIT_ATTR, differ);
    hand_stops_with(P(5), entry, good ^ BIT_DBM, differ);
    hand_stops_with(P(5), entry, good ^ BIT_EL0, differ);
    hand_stops_with(P(5), hand_entry(P(0), 0), hand_leaf(phys, 0, HAND_RW), differ);
    hand_set(entry, good | BIT_AF); /* may differ */
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(P(5)), MMK_FAULT_DONE);
    map_group(phys + MMK_PAGE_SIZE, HAND_RW);
    mmk_tlb_local_all(&hand);
    assert_stops(P(5), "a contiguous group whose memory is not aligned to it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hand_test(test_reserved),          hand_test(test_table_rights),
        hand_test(test_without_dbm),       hand_test_unstarted(test_absence),
        hand_test(test_break_before_make), hand_test(test_no_break_needed),
        hand_test(test_tables_need_break), hand_test(test_group),
        hand_test(test_group_dirty),       hand_test(test_group_of_blocks),
        hand_test(test_mixed_group),       hand_test(test_group_in_part),
    };

    return cmocka_run_group_tests(tests, hand_group_setup, NULL);
}
