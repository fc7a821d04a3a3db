/* SPDX-License-Identifier: MIT */
/*
 * test_mmu_riscv64.c - what RISC-V has alone: encodings that are reserved, and invalid entries that
 * it remembers.
 */
#include "hand_tables.h"

#define BIT_V ((uint64_t)1 << 0)
#define BIT_R ((uint64_t)1 << 1)
#define BIT_W ((uint64_t)1 << 2)
#define BIT_X ((uint64_t)1 << 3)
#define BIT_U ((uint64_t)1 << 4)
#define BIT_G ((uint64_t)1 << 5)
#define BIT_A ((uint64_t)1 << 6)
#define BIT_D ((uint64_t)1 << 7)

static void test_reserved(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0);
    uint64_t value, link;
    unsigned level, bit;

    (void)state;
    hand_map_four(HAND_RW);
    value = hand_value(leaf);
    hand_stops_with(P(0), leaf, value & ~BIT_R, "W without R is reserved");
    hand_stops_with(P(0), leaf, (value & ~BIT_R) | BIT_X, "W without R is reserved");
    hand_stops_with(P(0), leaf, value & ~(BIT_R | BIT_W), "a pointer to a table at the last level");
    for (bit = 54; bit < 64; bit++)
        hand_stops_with(P(0), leaf, value | (uint64_t)1 << bit, "bits 54 to 63 are reserved");
    for (level = 1; level < LEVELS; level++) {
        link = hand_value(hand_entry(P(0), level));
        hand_stops_with(P(0), hand_entry(P(0), level), link | BIT_A, "A, D and U are reserved");
        hand_stops_with(P(0), hand_entry(P(0), level), link | BIT_D, "A, D and U are reserved");
        hand_stops_with(P(0), hand_entry(P(0), level), link | BIT_U, "A, D and U are reserved");
        hand_stops_with(P(0), hand_entry(P(0), level), link | BIT_R | BIT_U,
                        "misaligned superpage");
    }
    assert_int_equal(hand_read(P(0)), P(0));
    /* An invalid entry may hold anything; V alone decides. */
    hand_set(leaf, ~BIT_V);
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(P(0)), FAULTED);
}

/* RSW and G mean nothing here. */
static void test_ignored(void **state)
{
    (void)state;
    hand_map_four(HAND_RW);
    mmk_a64_fetch_or(hand_entry(P(0), 0), BIT_G | (uint64_t)3 << 8, MMK_RELAXED);
    mmk_a64_fetch_or(hand_entry(P(0), 1), BIT_G | (uint64_t)3 << 8, MMK_RELAXED);
    assert_int_equal(hand_read(P(0)), P(0));
}

static void test_supervisor_page(void **state)
{
    (void)state;
    hand_map_four(HAND_RW | HAND_EXEC);
    mmk_a64_fetch_and(hand_entry(P(0), 0), ~BIT_U, MMK_RELAXED);
    assert_int_equal(hand_load(P(0)), FAULTED);
    assert_int_equal(hand_store(P(0), 1), FAULTED);
    assert_int_equal(machine_fetch(P(0)), FAULTED);
}

/* Without Svvptc: "not there" sticks to the page, and to no other, until it is dropped. */
static void test_keeps_absence(void **state)
{
    uint64_t leaf;
    unsigned i;

    (void)state;
    hand_start(MACHINE_KEEPS_ABSENCE);
    hand_map_four(HAND_RW);
    leaf = hand_value(hand_entry(P(0), 0));
    for (i = 0; i < 3; i++) {
        hand_set(hand_entry(P(0), 0), 0);
        mmk_tlb_local_all(&hand);
        assert_int_equal(machine_fetch(P(0)), FAULTED);
        hand_set(hand_entry(P(0), 0), leaf);
        assert_int_equal(hand_load(P(0)), FAULTED);
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        assert_int_equal(hand_load(P(1)), MMK_FAULT_DONE);
        if (i == 0)
            mmk_tlb_local_spurious(&hand, P(0));
        else if (i == 1)
            mmk_tlb_local_page(&hand, P(0));
        else
            mmk_tlb_local_all(&hand);
        assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    }
}

/* With it: the next access finds the entry. */
static void test_forgets_absence(void **state)
{
    (void)state;
    assert_int_equal(hand_load(P(0)), FAULTED);
    hand_map(P(0), HAND_RW);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hand_test(test_reserved),        hand_test(test_ignored),
        hand_test(test_supervisor_page), hand_test_unstarted(test_keeps_absence),
        hand_test(test_forgets_absence),
    };

    return cmocka_run_group_tests(tests, hand_group_setup, NULL);
}
