/* SPDX-License-Identifier: MIT */
/*
 * test_machine.c - the software machine: creation, guest accesses with mmkit behind them, address
 * spaces. Its translation hardware by itself is in test_mmu.c and its like; what takes several
 * CPUs is in test_machine_cpu.c.
 */
#include "expect_panic.h"
#include "machine.h"
#include "walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define P(n) ((32 + (uint64_t)(n)) * MMK_PAGE_SIZE)

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

/* MACHINE_MMU holds words that are known, or there is no machine. */
static void test_environment(void **state)
{
    static const char *const good[] = {"", "software-bits", "keeps-absence,software-bits"};
    static const char *const bad[] = {",", "software", "software-bitsy", "keeps-absence,,x"};
    const char *was = getenv("MACHINE_MMU");
    char *kept = was ? strdup(was) : NULL;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        setenv("MACHINE_MMU", good[i], 1);
        assert_int_equal(machine_create(&config), 0);
        machine_destroy();
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("MACHINE_MMU", bad[i], 1);
        assert_int_equal(machine_create(&config), MMK_EINVAL);
    }
    unsetenv("MACHINE_MMU");
    if (kept)
        setenv("MACHINE_MMU", kept, 1);
    free(kept);
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
    const uint64_t holes[] = {0,          P(0) - 1,      P(3),           MMK_USER_END,
                              1ull << 57, (uint64_t)-16, 0x8000ull << 48};
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

static void access_unreachable(void *entry)
{
    /* mmkit finds that the entry maps a page, and nothing wrong with the access, for ever. */
    mmk_pte_t pte = mmk_pte_read(entry);

    pte = mmk_pte_protect(pte, false, mmk_pte_write(pte), mmk_pte_exec(pte));
    mmk_a64_store(entry, pte.v, MMK_RELAXED);
    mmk_tlb_local_all(&mm->context);
    store(P(0), 1);
}

static void test_livelock(void **state)
{
    struct mmk_walk walk;

    (void)state;
    map(P(0), MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE);
    store(P(0), 1);
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, P(0), &walk);
    mmk_rcu_read_unlock(); /* nobody else is there to change tables */
    assert_int_equal(walk.level, 0);
    assert_true(expect_panic(access_unreachable, walk.entry, "livelock"));
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
        cmocka_unit_test(test_bad_config),   cmocka_unit_test(test_environment),
        cmocka_unit_test(test_create_again), machine_test(test_transfer),
        machine_test(test_failures),         machine_test(test_livelock),
        machine_test(test_address_spaces),   machine_test(test_no_address_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
