/* SPDX-License-Identifier: MIT */
/*
 * test_mmu_x86_64.c - what x86-64 has alone: rights at every level, and accessed bits there.
 */
#include "hand_tables.h"

#define BIT_WRITE    ((uint64_t)1 << 1)
#define BIT_USER     ((uint64_t)1 << 2)
#define BIT_ACCESSED ((uint64_t)1 << 5)
#define BIT_PS       ((uint64_t)1 << 7)
#define BIT_NX       ((uint64_t)1 << 63)

/* Each level can take each right away, from the tables themselves and from what is cached. */
static void test_rights_of_all_levels(void **state)
{
    unsigned level;

    (void)state;
    hand_map(P(0), HAND_RW | HAND_EXEC);
    for (level = 0; level < LEVELS; level++) {
        struct mmk_a64 *entry = hand_entry(P(0), level);
        uint64_t was = hand_value(entry);

        hand_set(entry, was & ~BIT_WRITE);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        assert_int_equal(machine_fetch(P(0)), MMK_FAULT_DONE);
        hand_set(entry, was | BIT_NX);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
        assert_int_equal(machine_fetch(P(0)), FAULTED);
        hand_set(entry, was & ~BIT_USER);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_load(P(0)), FAULTED);
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        assert_int_equal(machine_fetch(P(0)), FAULTED);
        hand_set(entry, was);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
        assert_int_equal(machine_fetch(P(0)), MMK_FAULT_DONE);
    }
}

/* What the upper levels have taken away is cached with the way down. */
static void test_cached_rights(void **state)
{
    (void)state;
    hand_map_four(HAND_RW | HAND_EXEC);
    mmk_a64_fetch_and(hand_entry(P(0), 2), ~BIT_WRITE, MMK_RELAXED);
    mmk_a64_fetch_or(hand_entry(P(0), 2), BIT_NX, MMK_RELAXED);
    assert_int_equal(hand_read(P(0)), P(0));
    assert_int_equal(hand_read(P(1)), P(1));
    assert_int_equal(hand_store(P(1), 1), FAULTED);
    assert_int_equal(hand_read(P(0)), P(0));
    assert_int_equal(machine_fetch(P(1)), FAULTED);
}

static void test_accessed_at_all_levels(void **state)
{
    unsigned level;

    (void)state;
    hand_map(P(0), HAND_RW);
    for (level = 0; level < LEVELS; level++)
        assert_int_equal(hand_value(hand_entry(P(0), level)) & BIT_ACCESSED, 0);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    for (level = 0; level < LEVELS; level++)
        assert_int_equal(hand_value(hand_entry(P(0), level)) & BIT_ACCESSED, BIT_ACCESSED);
    mmk_a64_fetch_and(hand_entry(P(0), 1), ~BIT_ACCESSED, MMK_RELAXED);
    assert_int_equal(hand_load(P(1)), FAULTED); /* by the cached way down: it does not look */
    assert_int_equal(hand_value(hand_entry(P(0), 1)) & BIT_ACCESSED, 0);
}

#if MMK_PT_LEVELS > 3
static void test_reserved(void **state)
{
    (void)state;
    hand_map(P(0), HAND_RW);
    mmk_a64_fetch_or(hand_entry(P(0), 3), BIT_PS, MMK_RELAXED);
    assert_stops(P(0), "PS is reserved above the pud level");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        hand_test(test_rights_of_all_levels),
        hand_test(test_cached_rights),
        hand_test(test_accessed_at_all_levels),
#if MMK_PT_LEVELS > 3
        hand_test(test_reserved),
#endif
    };

    return cmocka_run_group_tests(tests, hand_group_setup, NULL);
}
