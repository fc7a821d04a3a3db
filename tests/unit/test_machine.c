/* SPDX-License-Identifier: MIT */
/*
 * test_machine.c - the software machine: creation, guest accesses, and its translation hardware.
 *
 * The hardware is tested behind mmkit's back: the tests change entries in RAM, look at what the
 * caches make of it, and restore what they changed before mmkit can notice. What takes several
 * CPUs is in test_machine_cpu.c.
 */
#include "expect_panic.h"
#include "mm.h"
#include "run_cpus.h"

#include <mmkit/port/directmap.h>
#include <mmkit/port/tlb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define PRESENT  ((uint64_t)1 << 0)
#define WRITE    ((uint64_t)1 << 1)
#define USER     ((uint64_t)1 << 2)
#define ACCESSED ((uint64_t)1 << 5)
#define DIRTY    ((uint64_t)1 << 6)
#define LARGE    ((uint64_t)1 << 7)
#define IGNORED  ((uint64_t)1 << 52) /* means nothing to the hardware */

/* Pages in two pte tables: P in the first, Q in the second. */
#define P(n) (((uint64_t)1 << 30) + (n)*MMK_PAGE_SIZE)
#define Q(n) (P(n) + ((uint64_t)2 << 20))

#define ANON_FIXED (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_FIXED)

static const struct machine_config config = {
    .memory = (uint64_t)64 << 20, .cpus = 4, .mmkit = MMK_CONFIG_DEFAULT};

static struct mmk_mm *mm;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(machine_create(&config), 0);
    machine_cpu_attach(0);
    assert_int_equal(mmk_mm_create(&mm), 0);
    machine_switch_mm(mm);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

static void map(uint64_t addr, uint64_t length, unsigned prot)
{
    assert_int_equal(mmk_mmap(mm, addr, length, prot, ANON_FIXED, NULL, 0), addr);
}

static uint64_t load(uint64_t addr)
{
    uint64_t value = 0;

    assert_int_equal(machine_load(addr, &value, sizeof(value)), MMK_FAULT_DONE);
    return value;
}

static void store(uint64_t addr, uint64_t value)
{
    assert_int_equal(machine_store(addr, &value, sizeof(value)), MMK_FAULT_DONE);
}

/* Eight pages at P and at Q, each holding its own address. */
static void map_two_tables(void)
{
    unsigned i;

    map(P(0), 8 * MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
    map(Q(0), 8 * MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
    for (i = 0; i < 8; i++) {
        store(P(i), P(i));
        store(Q(i), Q(i));
    }
}

/* The entry for addr in its table at `level`, which is there. */
static struct mmk_a64 *entry_of(uint64_t addr, unsigned level)
{
    const uint64_t address_bits = ((uint64_t)1 << 52) - MMK_PAGE_SIZE;
    uint64_t table = mm->context.root, index;
    unsigned at;

    for (at = MMK_PT_LEVELS - 1;; at--) {
        index = addr >> (12 + 9 * at) & 511;
        if (at == level)
            return (struct mmk_a64 *)mmk_phys_to_virt(table) + index;
        table = mmk_a64_load((struct mmk_a64 *)mmk_phys_to_virt(table) + index, MMK_ACQUIRE) &
                address_bits;
    }
}

static uint64_t entry_value(uint64_t addr, unsigned level)
{
    return mmk_a64_load(entry_of(addr, level), MMK_RELAXED);
}

static void exchange(struct mmk_a64 *one, struct mmk_a64 *other)
{
    uint64_t value = mmk_a64_load(one, MMK_RELAXED);

    mmk_a64_store(one, mmk_a64_xchg(other, value, MMK_RELAXED), MMK_RELAXED);
}

static struct machine_stats stats(void)
{
    struct machine_stats now;

    machine_stats_read(&now);
    return now;
}

static void test_bad_config(void **state)
{
    struct machine_config bad = config;

    (void)state;
    bad.cpus = 0;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
    bad.cpus = MMK_MAX_CPUS;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
    bad = config;
    bad.memory += 1;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
    bad.memory = 0;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
    bad.memory = MMK_PAGE_SIZE;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
    bad = config;
    bad.tlb_entries = 100;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
    bad = config;
    bad.mmkit.table_stock = 1000;
    assert_int_equal(machine_create(&bad), MMK_EINVAL);
}

static void test_create_again(void **state)
{
    struct machine_config other = config;

    (void)state;
    other.populate = true;
    other.tlb_entries = 1;
    other.cpus = MMK_MAX_CPUS - 1;
    assert_int_equal(machine_create(&config), 0);
    machine_destroy();
    assert_int_equal(machine_create(&other), 0);
    machine_cpu_attach(MMK_MAX_CPUS - 2);
    assert_int_equal(mmk_cpu_id(), MMK_MAX_CPUS - 2);
    machine_cpu_detach();
    machine_destroy();
}

/* Any alignment, any size, across pages. */
static void test_transfer(void **state)
{
    enum { SIZE = 3 * 4096 };
    unsigned char in[SIZE], out[SIZE];
    size_t i, from, size;

    (void)state;
    map(P(0), SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
    for (i = 0; i < SIZE; i++)
        in[i] = (unsigned char)(i * 7 + i / 256);
    for (from = 0; from < 17; from++) {
        for (size = 0; size < 40; size++) {
            assert_int_equal(machine_store(P(1) - 20 + from, in + from, size), MMK_FAULT_DONE);
            memset(out, 0, sizeof(out));
            assert_int_equal(machine_load(P(1) - 20 + from, out, size), MMK_FAULT_DONE);
            assert_memory_equal(in + from, out, size);
            assert_int_equal(out[size], 0);
        }
    }
    assert_int_equal(machine_store(P(0) + 1, in, SIZE - 1), MMK_FAULT_DONE);
    assert_int_equal(machine_load(P(0) + 1, out, SIZE - 1), MMK_FAULT_DONE);
    assert_memory_equal(in, out, SIZE - 1);
}

static void test_failures(void **state)
{
    const uint64_t holes[] = {0,          P(0) - 1,      P(3),           (uint64_t)1 << 47,
                              1ull << 56, (uint64_t)-16, 0x8000ull << 48};
    unsigned char bytes[2 * 4096] = {1, 2, 3};
    uint64_t word;
    size_t i;

    (void)state;
    map(P(0), MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
    map(P(1), MMK_PAGE_SIZE, MMK_PROT_READ);
    map(P(2), MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_EXEC);
    for (i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
        assert_int_equal(machine_load(holes[i], &word, 1), MMK_FAULT_SEGV_MAPERR);
        assert_int_equal(machine_store(holes[i], &word, 1), MMK_FAULT_SEGV_MAPERR);
        assert_int_equal(machine_fetch(holes[i]), MMK_FAULT_SEGV_MAPERR);
    }
    /* Twice: once when nothing is there yet, once with the translation for reading cached. */
    for (i = 0; i < 2; i++) {
        assert_int_equal(machine_store(P(1), &word, 1), MMK_FAULT_SEGV_ACCERR);
        assert_int_equal(machine_fetch(P(1)), MMK_FAULT_SEGV_ACCERR);
        assert_int_equal(machine_fetch(P(0)), MMK_FAULT_SEGV_ACCERR);
        assert_int_equal(load(P(1)), 0);
        assert_int_equal(load(P(0)), 0);
        assert_int_equal(machine_fetch(P(2)), MMK_FAULT_DONE);
    }
    /* What lies before the failing page is transferred. */
    assert_int_equal(machine_store(P(1) - 3, bytes, sizeof(bytes)), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(machine_load(P(1) - 3, bytes + 3, 3), MMK_FAULT_DONE);
    assert_memory_equal(bytes, bytes + 3, 3);
}

static void test_tlb_hits(void **state)
{
    struct machine_stats before, after;
    unsigned i;

    (void)state;
    map_two_tables();
    before = stats();
    for (i = 0; i < 100; i++)
        assert_int_equal(load(P(i % 8)), P(i % 8));
    after = stats();
    assert_int_equal(after.accesses - before.accesses, 100);
    assert_int_equal(after.tlb_hits - before.tlb_hits, 100);
    assert_int_equal(after.walks, before.walks);
    mmk_tlb_local_all(&mm->context);
    assert_int_equal(load(P(0)), P(0)); /* all levels */
    assert_int_equal(load(P(1)), P(1)); /* the lowest: the rest is cached */
    assert_int_equal(stats().walks - after.walks, 2);
    assert_int_equal(stats().walk_reads - after.walk_reads, MMK_PT_LEVELS + 1);
    assert_int_equal(stats().tlb_hits, after.tlb_hits);
    assert_int_equal(stats().faults, after.faults);
}

/* H1: what is cached stays until it is flushed, by page or all. */
static void test_stale_translation(void **state)
{
    (void)state;
    map_two_tables();
    exchange(entry_of(P(0), 0), entry_of(P(1), 0));
    assert_int_equal(load(P(0)), P(0));
    assert_int_equal(load(P(1)), P(1));
    mmk_tlb_local_page(&mm->context, P(0));
    assert_int_equal(load(P(0)), P(1));
    assert_int_equal(load(P(1)), P(1));
    mmk_tlb_local_all(&mm->context);
    assert_int_equal(load(P(1)), P(0));
    exchange(entry_of(P(0), 0), entry_of(P(1), 0));
    mmk_tlb_local_all(&(struct mmk_tlb_context){mm->context.id + 1, 0}); /* not ours: nothing */
    assert_int_equal(load(P(1)), P(0));
    mmk_tlb_local_all(&mm->context);
    assert_int_equal(load(P(1)), P(1));
}

/* The same for tables: at each level, two entries change places. */
static void test_stale_table(void **state)
{
    const uint64_t far[] = {0, Q(0), P(0) + (1ull << 30), P(0) + (1ull << 39), P(0) + (1ull << 48)};
    unsigned level;

    (void)state;
    map_two_tables();
    for (level = 1; level < MMK_PT_LEVELS; level++) {
        if (level > 1) {
            map(far[level], 2 * MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
            store(far[level], far[level]);
            store(far[level] + MMK_PAGE_SIZE, far[level] + MMK_PAGE_SIZE);
        }
        mmk_tlb_local_all(&mm->context);
        assert_int_equal(load(P(0)), P(0));
        exchange(entry_of(P(0), level), entry_of(far[level], level));
        assert_int_equal(load(P(1)), P(1));     /* through the cached way down */
        mmk_tlb_local_page(&mm->context, Q(7)); /* any page's flush drops it */
        assert_int_equal(load(P(1)), P(1));
        mmk_tlb_local_page(&mm->context, P(1));
        assert_int_equal(load(P(1)), far[level] + MMK_PAGE_SIZE);
        exchange(entry_of(P(0), level), entry_of(far[level], level));
        mmk_tlb_local_all(&mm->context);
        assert_int_equal(load(P(1)), P(1));
    }
}

/* H5: a stale way down may cause a fault, but only one: the next walk does not take it. */
static void test_fault_drops_caches(void **state)
{
    struct mmk_a64 *upper;
    uint64_t faults, word;

    (void)state;
    map_two_tables();
    map(Q(8), MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
    store(Q(8), Q(8));
    mmk_tlb_local_all(&mm->context);
    assert_int_equal(load(P(0)), P(0));
    upper = entry_of(P(0), 1);
    exchange(upper, entry_of(Q(0), 1));
    faults = stats().faults;
    /* P's own table has nothing there, and mmkit knows of no mapping. */
    assert_int_equal(machine_load(P(8), &word, sizeof(word)), MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(stats().faults, faults + 1);
    assert_int_equal(load(P(8)), Q(8));
    assert_int_equal(stats().faults, faults + 1);
    exchange(upper, entry_of(Q(0), 1));
    mmk_tlb_local_all(&mm->context);
}

/* H3: accessed by any use, at each level; dirty by a store alone, though the entry is cached. */
static void test_accessed_dirty(void **state)
{
    unsigned level;

    (void)state;
    map_two_tables();
    for (level = 0; level < MMK_PT_LEVELS; level++)
        mmk_a64_fetch_and(entry_of(P(0), level), ~(ACCESSED | DIRTY), MMK_RELAXED);
    mmk_tlb_local_all(&mm->context);
    assert_int_equal(load(P(0)), P(0));
    for (level = 0; level < MMK_PT_LEVELS; level++)
        assert_int_equal(entry_value(P(0), level) & (ACCESSED | DIRTY), ACCESSED);
    store(P(0), 1);
    assert_int_equal(entry_value(P(0), 0) & (ACCESSED | DIRTY), ACCESSED | DIRTY);
    mmk_a64_fetch_and(entry_of(P(0), 0), ~DIRTY, MMK_RELAXED);
    store(P(0), 2); /* the TLB knows it to be dirty */
    assert_int_equal(entry_value(P(0), 0) & DIRTY, 0);
    mmk_tlb_local_page(&mm->context, P(0));
    store(P(0), 3);
    assert_int_equal(entry_value(P(0), 0) & DIRTY, DIRTY);
}

static void store_without_right(void *entry)
{
    mmk_a64_fetch_and(entry, ~WRITE, MMK_RELAXED);
    mmk_tlb_local_all(&mm->context);
    store(P(0), 1); /* mmkit finds nothing wrong with the lowest entry, for ever */
}

/* H4: the right to write is needed at every level. */
static void test_rights_of_all_levels(void **state)
{
    (void)state;
    map_two_tables();
    assert_true(expect_panic(store_without_right, entry_of(P(0), 1), "livelock"));
}

static void map_large(uint64_t addr, mmk_paddr_t phys)
{
    mmk_a64_store(entry_of(addr, 1), phys | PRESENT | WRITE | USER | LARGE, MMK_RELAXED);
    mmk_tlb_local_all(&mm->context);
}

static void test_large_page(void **state)
{
    struct mmk_page *block = mmk_page_alloc(9, MMK_ALLOC_ZERO);
    struct mmk_a64 *upper;
    uint64_t *content, table;

    (void)state;
    assert_non_null(block);
    map_two_tables();
    content = mmk_page_address(block);
    content[3 * 512] = 33;
    upper = entry_of(Q(0), 1);
    table = mmk_a64_load(upper, MMK_RELAXED);
    map_large(Q(0), mmk_page_phys(block));
    assert_int_equal(load(Q(3)), 33);
    assert_int_equal(mmk_a64_load(upper, MMK_RELAXED) & (ACCESSED | DIRTY), ACCESSED);
    store(Q(511) + 8, 44);
    assert_int_equal(content[511 * 512 + 1], 44);
    assert_int_equal(mmk_a64_load(upper, MMK_RELAXED) & (ACCESSED | DIRTY), ACCESSED | DIRTY);
    mmk_a64_store(upper, table, MMK_RELAXED);
    assert_int_equal(load(Q(3)), 33);
    mmk_tlb_local_page(&mm->context, Q(100)); /* one address names the whole page */
    assert_int_equal(load(Q(3)), Q(3));
    mmk_page_put(block);
}

/* Visits `count` address spaces in turn, each of which holds its number. => walks made */
static uint64_t visit(struct mmk_mm *const spaces[], unsigned count)
{
    uint64_t walks = stats().walks;
    unsigned i;

    for (i = 0; i < count; i++) {
        machine_switch_mm(spaces[i]);
        assert_int_equal(load(P(0)), i);
    }
    return stats().walks - walks;
}

/* More address spaces than ASIDs: none sees another's pages; a few keep what they have cached. */
static void test_address_spaces(void **state)
{
    enum { SPACES = 20, FEW = 5 };
    struct mmk_mm *spaces[SPACES];
    unsigned i;

    (void)state;
    for (i = 0; i < SPACES; i++) {
        assert_int_equal(mmk_mm_create(&spaces[i]), 0);
        assert_int_equal(mmk_mmap(spaces[i], P(0), MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE,
                                  ANON_FIXED, NULL, 0),
                         P(0));
        machine_switch_mm(spaces[i]);
        store(P(0), i);
    }
    assert_int_equal(visit(spaces, SPACES), SPACES);
    assert_int_equal(visit(spaces, SPACES), SPACES);
    assert_int_equal(visit(spaces, FEW), FEW);
    assert_int_equal(visit(spaces, FEW), 0);
    machine_switch_mm(mm);
    for (i = 0; i < SPACES; i++)
        mmk_mm_put(spaces[i]);
}

/* So many flushes that the generation numbers in the tags are used up. */
static void test_generations_run_out(void **state)
{
    unsigned i;

    (void)state;
    map_two_tables();
    exchange(entry_of(P(0), 0), entry_of(P(1), 0));
    for (i = 0; i < (1u << 19); i++)
        mmk_tlb_local_page(&mm->context, Q(0));
    assert_int_equal(load(P(0)), P(1));
    exchange(entry_of(P(0), 0), entry_of(P(1), 0));
    for (i = 0; i < 100; i++) {
        mmk_tlb_local_all(&mm->context);
        assert_int_equal(load(P(i % 8)), P(i % 8));
    }
}

struct toggle {
    struct mmk_a64 *entry;
    struct mmk_a32 stop;
};

static void toggle_bit(unsigned cpu, void *argument)
{
    struct toggle *toggle = argument;

    (void)cpu;
    while (!mmk_a32_load(&toggle->stop, MMK_ACQUIRE)) {
        check(!(mmk_a64_fetch_or(toggle->entry, IGNORED, MMK_RELAXED) & IGNORED));
        check(mmk_a64_fetch_and(toggle->entry, ~IGNORED, MMK_RELAXED) & IGNORED);
        mmk_cpu_relax();
    }
}

/* The walk sets its bits without undoing what another CPU does to the same entry. */
static void test_bits_are_atomic(void **state)
{
    struct toggle toggle = {.entry = NULL};
    struct cpu_thread other;
    unsigned i;

    (void)state;
    map_two_tables();
    toggle.entry = entry_of(P(0), 0);
    cpu_start(&other, 1, toggle_bit, &toggle);
    while (!(mmk_a64_load(toggle.entry, MMK_RELAXED) & IGNORED))
        mmk_cpu_relax(); /* until it is there */
    for (i = 0; i < 100000; i++) {
        mmk_a64_fetch_and(toggle.entry, ~(ACCESSED | DIRTY), MMK_RELAXED);
        mmk_tlb_local_page(&mm->context, P(0));
        store(P(0), i);
        assert_int_equal(mmk_a64_load(toggle.entry, MMK_RELAXED) & DIRTY, DIRTY);
    }
    mmk_a32_store(&toggle.stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&other);
    machine_idle_end();
}

static void access_nowhere(void *unused)
{
    (void)unused;
    machine_switch_mm(NULL);
    store(P(0), 1);
}

static void test_no_address_space(void **state)
{
    (void)state;
    assert_true(expect_panic(access_nowhere, NULL, "without an address space"));
}

#define machine_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_create_again),
        machine_test(test_transfer),
        machine_test(test_failures),
        machine_test(test_tlb_hits),
        machine_test(test_stale_translation),
        machine_test(test_stale_table),
        machine_test(test_fault_drops_caches),
        machine_test(test_accessed_dirty),
        machine_test(test_rights_of_all_levels),
        machine_test(test_large_page),
        machine_test(test_address_spaces),
        machine_test(test_generations_run_out),
        machine_test(test_bits_are_atomic),
        machine_test(test_no_address_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
