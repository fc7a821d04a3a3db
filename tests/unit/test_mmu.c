/* SPDX-License-Identifier: MIT */
/*
 * test_mmu.c - the machine's translation hardware, on tables made by hand: what all formats have in
 * common. Compiled once for each; what a format has alone is in test_mmu_<format>.c.
 */
#include "hand_tables.h"
#include "run_cpus.h"

/* An address without a copy of its highest bit above, and its like with bits that no table reads.
 */
static void test_reach(void **state)
{
    const uint64_t top = (uint64_t)1 << (ADDRESS_BITS - 1), upper = (uint64_t)0 - 2 * top;
    unsigned bit;

    (void)state;
    hand_map(P(1), HAND_RW);
    hand_map(P(1) + top, HAND_RW);
    assert_int_equal(hand_load(P(1)), MMK_FAULT_DONE);
    for (bit = ADDRESS_BITS; bit < 64; bit++)
        assert_int_equal(hand_load(P(1) + ((uint64_t)1 << bit)), FAULTED);
    assert_int_equal(hand_load(P(1) + top), HAND_SIGNED ? FAULTED : MMK_FAULT_DONE);
    assert_int_equal(hand_load(P(1) + top + upper), HAND_SIGNED ? MMK_FAULT_DONE : FAULTED);
    assert_int_equal(hand_load(P(1) + upper), FAULTED);
}

static void test_absent(void **state)
{
    unsigned level;

    (void)state;
    hand_map_four(HAND_RW);
    for (level = LEVELS; level-- > 0;) {
        struct mmk_a64 *entry = hand_entry(P(0), level);
        uint64_t was = hand_value(entry);

        hand_set(entry, 0);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_load(P(0)), FAULTED);
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        assert_int_equal(machine_fetch(P(0)), FAULTED);
        hand_set(entry, was);
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_read(P(0)), P(0));
    }
}

/* Each combination of rights that the format has, by each access. */
static void test_rights(void **state)
{
    const unsigned combinations[] = {HAND_READ,           HAND_RW,   HAND_READ | HAND_EXEC,
                                     HAND_RW | HAND_EXEC, HAND_EXEC, 0};
    unsigned i, count = HAND_NO_ACCESS ? 6 : HAND_EXEC_ONLY ? 5 : 4, what;

    (void)state;
    for (i = 0; i < count * 2; i++) {
        what = combinations[i % count] | (i < count ? HAND_USED : 0);
        hand_set(hand_entry(P(0), 0), 0);
        mmk_tlb_local_all(&hand);
        hand_map(P(0), what);
        assert_int_equal(hand_load(P(0)), what & HAND_READ ? MMK_FAULT_DONE : FAULTED);
        assert_int_equal(hand_store(P(0), 1), what & HAND_WRITE ? MMK_FAULT_DONE : FAULTED);
        assert_int_equal(machine_fetch(P(0)), what & HAND_EXEC ? MMK_FAULT_DONE : FAULTED);
        assert_int_equal(hand_load(P(0)), what & HAND_READ ? MMK_FAULT_DONE : FAULTED);
    }
}

static void test_hits(void **state)
{
    struct machine_stats before, after;
    unsigned i;

    (void)state;
    hand_map_four(HAND_RW | HAND_USED);
    assert_int_equal(hand_read(P(0)) + hand_read(P(1)), P(1));
    before = hand_stats();
    for (i = 0; i < 100; i++)
        assert_int_equal(hand_read(P(i % 2)), P(i % 2));
    after = hand_stats();
    assert_int_equal(after.accesses - before.accesses, 100);
    assert_int_equal(after.tlb_hits - before.tlb_hits, 100);
    assert_int_equal(after.walks, before.walks);
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_read(P(0)), P(0)); /* all levels */
    assert_int_equal(hand_read(P(1)), P(1)); /* the lowest: the rest is cached */
    assert_int_equal(hand_stats().walks - after.walks, 2);
    assert_int_equal(hand_stats().walk_reads - after.walk_reads, LEVELS + 1);
    assert_int_equal(hand_stats().tlb_hits, after.tlb_hits);
    assert_int_equal(hand_stats().faults, after.faults);
}

/* H1: what is cached stays until it is flushed, by page or all. */
static void test_stale_translation(void **state)
{
    const struct mmk_tlb_context other = {hand.id + 1, hand.root};

    (void)state;
    hand_map_four(HAND_RW);
    assert_int_equal(hand_read(P(0)), P(0));
    assert_int_equal(hand_read(P(1)), P(1));
    hand_set(hand_entry(P(0), 0), 0);
    hand_set(hand_entry(P(1), 0), 0);
    assert_int_equal(hand_read(P(0)), P(0));
    mmk_tlb_local_page(&hand, P(0));
    assert_int_equal(hand_load(P(0)), FAULTED);
    assert_int_equal(hand_read(P(1)), P(1));
    mmk_tlb_local_all(&other);
    mmk_tlb_local_page(&other, P(1));
    assert_int_equal(hand_read(P(1)), P(1));
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(P(1)), FAULTED);
}

/* The same for tables: the way down from each level. Any page's flush drops it. */
static void test_stale_table(void **state)
{
    unsigned level;

    (void)state;
    hand_map_four(HAND_RW);
    for (level = 1; level < LEVELS; level++) {
        struct mmk_a64 *entry = hand_entry(P(0), level);
        uint64_t was;

        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_read(P(0)), P(0));
        was = mmk_a64_xchg(entry, 0, MMK_RELAXED);
        assert_int_equal(hand_read(P(1)), P(1)); /* through the cached way down */
        mmk_tlb_local_page(&hand, Q(1));
        mmk_tlb_local_page(&hand, P(0));
        assert_int_equal(hand_load(P(0)), FAULTED);
        hand_set(entry, was);
    }
}

#if HAND_DROPS
/* H5, where a fault drops what it has used: the next access does not fault for its sake. */
static void test_fault_drops(void **state)
{
    struct mmk_a64 *upper = hand_entry(P(0), 1);
    uint64_t was;

    (void)state;
    hand_map_four(HAND_READ);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    was = hand_value(upper);
    hand_set(upper, hand_value(hand_entry(Q(0), 1)));
    hand_map(Q(2), HAND_READ);
    assert_int_equal(hand_load(P(2)), FAULTED); /* the cached table has nothing there */
    assert_int_equal(hand_load(P(2)), MMK_FAULT_DONE);
    hand_set(upper, was);
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    assert_int_equal(hand_store(P(0), 1), FAULTED);
    was = mmk_a64_xchg(hand_entry(P(0), 0), 0, MMK_RELAXED);
    assert_int_equal(hand_load(P(0)), FAULTED); /* what was cached for reading is dropped, too */
    hand_set(hand_entry(P(0), 0), was | hand_leaf(0, 0, HAND_RW));
    assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
}

#else
/* H5, where it does not: for the translation, by each means of dropping it; and for the way down.
 */
static void test_fault_sticks(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0), *upper = hand_entry(P(0), 1);
    mmk_paddr_t phys;
    unsigned i;

    (void)state;
    hand_map_four(HAND_READ);
    phys = hand_address(hand_value(leaf));
    for (i = 0; i < 3; i++) {
        hand_set(leaf, hand_leaf(phys, 0, HAND_READ | HAND_ACCESSED));
        mmk_tlb_local_all(&hand);
        if (i == 0)
            assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE); /* else the store itself fills */
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        hand_set(leaf, hand_leaf(phys, 0, HAND_RW | HAND_USED));
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        mmk_tlb_local_spurious(&(struct mmk_tlb_context){hand.id + 1, 0}, P(0));
        mmk_tlb_local_spurious(&hand, P(1));
        assert_int_equal(hand_store(P(0), 1), FAULTED);
        if (i == 0)
            mmk_tlb_local_spurious(&hand, P(0));
        else if (i == 1)
            mmk_tlb_local_page(&hand, P(0));
        else
            mmk_tlb_local_all(&hand);
        assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
    }
    hand_set(upper, 0);
    mmk_tlb_local_spurious(&hand, P(0));
    assert_int_equal(hand_store(P(0), 2), MMK_FAULT_DONE); /* through the cached way down */
    assert_int_equal(hand_load(P(2)), FAULTED);
    mmk_tlb_local_spurious(&hand, P(1));
    assert_int_equal(hand_load(P(1)), MMK_FAULT_DONE);
}

#endif

/* H3: accessed by any use, in tables where the format has that; dirty by a store alone. */
static void test_used(void **state)
{
    struct mmk_a64 *leaf = hand_entry(P(0), 0);
    unsigned level;

    (void)state;
    hand_map(P(0), HAND_RW);
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    assert_int_equal(hand_used(hand_value(leaf)), HAND_ACCESSED);
    for (level = 1; level < LEVELS; level++)
        assert_int_equal(hand_value(hand_entry(P(0), level)),
                         hand_link(hand_address(hand_value(hand_entry(P(0), level)))) |
                             HAND_TABLE_BITS);
    assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
    assert_int_equal(hand_used(hand_value(leaf)), HAND_USED);
    hand_set(leaf, hand_leaf(hand_address(hand_value(leaf)), 0, HAND_RW | HAND_ACCESSED));
    assert_int_equal(hand_store(P(0), 2), MMK_FAULT_DONE); /* the TLB knows it to be dirty */
    assert_int_equal(hand_used(hand_value(leaf)), HAND_ACCESSED);
    mmk_tlb_local_page(&hand, P(0));
    assert_int_equal(hand_store(P(0), 3), MMK_FAULT_DONE);
    assert_int_equal(hand_used(hand_value(leaf)), HAND_USED);
    hand_set(leaf, hand_leaf(hand_address(hand_value(leaf)), 0, HAND_RW));
    mmk_tlb_local_page(&hand, P(0));
    assert_int_equal(hand_store(P(0), 4), MMK_FAULT_DONE); /* both at once */
    assert_int_equal(hand_used(hand_value(leaf)), HAND_USED);
    assert_int_equal(hand_read(P(0)), 4);
}

/* A page that one entry of an upper table maps, whose pieces are cached and flushed as one. */
static void test_large(void **state)
{
    const unsigned order = HAND_INDEX_BITS;
    const mmk_paddr_t phys = hand_frame(order);
    uint64_t *content = mmk_phys_to_virt(phys);
    const unsigned last = ENTRIES - 1;
    struct mmk_a64 *upper = hand_entry(Q(0), 1);

    (void)state;
    content[2 * 512] = 33;
    hand_set(upper, hand_leaf(phys, 1, HAND_RW));
    assert_int_equal(hand_read(Q(2)), 33);
    assert_int_equal(hand_used(hand_value(upper)), HAND_ACCESSED);
    assert_int_equal(hand_store(Q(last) + 8, 44), MMK_FAULT_DONE);
    assert_int_equal(content[last * 512 + 1], 44);
    assert_int_equal(hand_used(hand_value(upper)), HAND_USED);
    hand_set(upper, 0);
    assert_int_equal(hand_read(Q(2)), 33);
    mmk_tlb_local_page(&hand, Q(1)); /* one address names the whole page */
    assert_int_equal(hand_load(Q(2)), FAULTED);
    assert_int_equal(hand_load(Q(last)), FAULTED);
}

static void load_once(void *addr)
{
    (void)hand_load(*(uint64_t *)addr);
}

/* H7: an entry's large page becomes small ones, and the other way round, without a flush. */
static void test_two_sizes(void **state)
{
    const mmk_paddr_t phys = hand_frame(HAND_INDEX_BITS);
    const uint64_t large = hand_leaf(phys, 1, HAND_RW), table = hand_link(hand_frame(0));
    struct mmk_a64 *upper = hand_entry(Q(0), 1);
    uint64_t addr = Q(1);

    (void)state;
    hand_set(upper, table);
    hand_set(hand_entry(Q(0), 0), hand_leaf(phys, 0, HAND_RW));
    hand_set(hand_entry(Q(1), 0), hand_leaf(phys + MMK_PAGE_SIZE, 0, HAND_RW));
    hand_set(upper, large);
    assert_int_equal(hand_load(Q(2)), MMK_FAULT_DONE);
    hand_set(upper, table);
    assert_true(expect_panic(load_once, &addr, "two sizes"));
    hand_set(upper, 0);
    mmk_tlb_local_page(&hand, Q(2));
    hand_set(upper, table);
    assert_int_equal(hand_load(Q(0)), MMK_FAULT_DONE);
    hand_set(upper, large);
    mmk_tlb_local_page(&hand, Q(1)); /* what leads there, but not Q(0) */
    assert_true(expect_panic(load_once, &addr, "two sizes"));
    mmk_tlb_local_all(&hand);
    assert_int_equal(hand_load(Q(1)), MMK_FAULT_DONE);
}

/* As high as an entry may map memory: its first page that is RAM. */
static void test_larger(void **state)
{
    const uint64_t ram = (uint64_t)2 << 20, span = (uint64_t)1 << hand_shift(HAND_LARGEST);
    struct mmk_a64 *entry = hand_entry(0, HAND_LARGEST);

    (void)state;
    hand_set(entry, hand_leaf(ram & ~(span - 1), HAND_LARGEST, HAND_RW));
    assert_int_equal(hand_load(ram & (span - 1)), MMK_FAULT_DONE);
    assert_int_equal(hand_used(hand_value(entry)), HAND_ACCESSED);
    assert_int_equal(hand_store((ram & (span - 1)) + MMK_PAGE_SIZE, 5), MMK_FAULT_DONE);
    assert_int_equal(hand_used(hand_value(entry)), HAND_USED);
    assert_int_equal(*(uint64_t *)mmk_phys_to_virt(ram + MMK_PAGE_SIZE), 5);
    hand_set(entry, 0);
    assert_int_equal(hand_load(ram & (span - 1)), MMK_FAULT_DONE); /* cached */
    mmk_tlb_local_page(&hand, span - MMK_PAGE_SIZE);               /* any address names it */
    assert_int_equal(hand_load(ram & (span - 1)), FAULTED);
    assert_int_equal(hand_load((ram & (span - 1)) + MMK_PAGE_SIZE), FAULTED);
}

static void test_outside_ram(void **state)
{
    (void)state;
    hand_set(hand_entry(P(0), 0), hand_leaf((uint64_t)1 << 40, 0, HAND_READ));
    assert_stops(P(0), "outside RAM");
    hand_set(hand_entry(P(0), 1), hand_link((uint64_t)1 << 40));
    assert_stops(P(0), "outside RAM");
}

/* Roots without end: none sees another's pages; a few keep what they have cached. */
static void test_contexts(void **state)
{
    enum { SPACES = 20, FEW = 5 };
    struct mmk_tlb_context spaces[SPACES];
    uint64_t walks;
    unsigned i, round;

    (void)state;
    for (i = 0; i < SPACES; i++) {
        mmk_paddr_t phys = hand_frame(0);

        spaces[i] = (struct mmk_tlb_context){hand.id + 1 + i, hand_frame(0)};
        hand_set(hand_entry_of(spaces[i].root, P(0), 0), hand_leaf(phys, 0, HAND_READ));
        *(uint64_t *)mmk_phys_to_virt(phys) = i;
    }
    for (round = 0; round < 4; round++) {
        walks = hand_stats().walks;
        for (i = 0; i < (round < 2 ? SPACES : FEW); i++) {
            machine_switch_tables(&spaces[i]);
            assert_int_equal(hand_read(P(0)), i);
        }
        assert_int_equal(hand_stats().walks - walks, round < 2 ? SPACES : round == 2 ? FEW : 0);
    }
}

/* So many flushes that the generation numbers in the tags are used up. */
static void test_generations_run_out(void **state)
{
    unsigned i;

    (void)state;
    hand_map_four(HAND_READ);
    assert_int_equal(hand_read(P(0)), P(0));
    hand_set(hand_entry(P(0), 0), 0);
    for (i = 0; i < (1u << 19); i++)
        mmk_tlb_local_page(&hand, Q(0));
    assert_int_equal(hand_load(P(0)), FAULTED);
    for (i = 0; i < 100; i++) {
        mmk_tlb_local_all(&hand);
        assert_int_equal(hand_read(Q(i % 2)), Q(i % 2));
        assert_int_equal(hand_load(P(0)), FAULTED);
    }
}

struct toggle {
    struct mmk_a64 *entry;
    struct mmk_a32 begun, stop;
};

static void toggle_bit(unsigned cpu, void *argument)
{
    struct toggle *toggle = argument;

    (void)cpu;
    while (!mmk_a32_load(&toggle->stop, MMK_ACQUIRE)) {
        check(!(mmk_a64_fetch_or(toggle->entry, HAND_IGNORED, MMK_RELAXED) & HAND_IGNORED));
        check(mmk_a64_fetch_and(toggle->entry, ~HAND_IGNORED, MMK_RELAXED) & HAND_IGNORED);
        mmk_a32_store(&toggle->begun, 1, MMK_RELEASE);
        mmk_cpu_relax();
    }
}

/* The walk sets its bits without undoing what another CPU does to the same entry. */
static void test_bits_are_atomic(void **state)
{
    struct toggle toggle = {.entry = hand_entry(P(0), 0)};
    struct cpu_thread other;
    uint64_t clean, value;
    unsigned i;

    (void)state;
    hand_map(P(0), HAND_RW);
    clean = hand_value(toggle.entry);
    cpu_start(&other, 1, toggle_bit, &toggle);
    while (!mmk_a32_load(&toggle.begun, MMK_ACQUIRE))
        mmk_cpu_relax();
    for (i = 0; i < 100000; i++) {
        value = hand_value(toggle.entry);
        while (!mmk_a64_cmpxchg(toggle.entry, &value, clean | (value & HAND_IGNORED), MMK_RELAXED))
            ;
        mmk_tlb_local_page(&hand, P(0));
        assert_int_equal(hand_store(P(0), i), MMK_FAULT_DONE);
        assert_int_equal(hand_used(hand_value(toggle.entry)), HAND_USED);
    }
    mmk_a32_store(&toggle.stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other);
    machine_idle_end();
}

#if HAND_SOFTWARE_BITS
/*
 * Without accessed, or without dirty for a store, an access faults, changes nothing, and leaves
 * nothing cached. What is cached clean sticks.
 */
static void test_software_bits(void **state)
{
    const unsigned rights = HAND_RW | HAND_EXEC;
    struct mmk_a64 *leaf;
    mmk_paddr_t phys;

    (void)state;
    hand_start(MACHINE_SOFTWARE_BITS);
    leaf = hand_entry(P(0), 0);
    phys = hand_frame(0);
    hand_set(leaf, hand_leaf(phys, 0, rights));
    assert_int_equal(hand_load(P(0)), FAULTED);
    assert_int_equal(machine_fetch(P(0)), FAULTED);
    assert_int_equal(hand_store(P(0), 1), FAULTED);
    assert_int_equal(hand_value(leaf), hand_leaf(phys, 0, rights));
    hand_set(leaf, hand_leaf(phys, 0, rights | HAND_ACCESSED));
    assert_int_equal(hand_load(P(0)), MMK_FAULT_DONE);
    assert_int_equal(machine_fetch(P(0)), MMK_FAULT_DONE);
    assert_int_equal(hand_store(P(0), 1), FAULTED);
    assert_int_equal(hand_value(leaf), hand_leaf(phys, 0, rights | HAND_ACCESSED));
    hand_set(leaf, hand_leaf(phys, 0, rights | HAND_USED));
    assert_int_equal(hand_store(P(0), 1), FAULTED);
    mmk_tlb_local_spurious(&hand, P(0));
    assert_int_equal(hand_store(P(0), 1), MMK_FAULT_DONE);
    hand_set(leaf, hand_leaf(phys, 0, rights | HAND_DIRTY));
    mmk_tlb_local_page(&hand, P(0));
    assert_int_equal(hand_store(P(0), 1), FAULTED); /* dirty, and not accessed */
    assert_int_equal(hand_value(leaf), hand_leaf(phys, 0, rights | HAND_DIRTY));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        hand_test(test_reach),
        hand_test(test_absent),
        hand_test(test_rights),
        hand_test(test_hits),
        hand_test(test_stale_translation),
        hand_test(test_stale_table),
#if HAND_DROPS
        hand_test(test_fault_drops),
#else
        hand_test(test_fault_sticks),
#endif
        hand_test(test_used),
        hand_test(test_large),
        hand_test(test_two_sizes),
        hand_test(test_larger),
        hand_test(test_outside_ram),
        hand_test(test_contexts),
        hand_test(test_generations_run_out),
        hand_test(test_bits_are_atomic),
#if HAND_SOFTWARE_BITS
        hand_test_unstarted(test_software_bits),
#endif
    };

    return cmocka_run_group_tests(tests, hand_group_setup, NULL);
}
