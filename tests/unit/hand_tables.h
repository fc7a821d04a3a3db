/* SPDX-License-Identifier: MIT */
/*
 * hand_tables.h - tables that tests of the machine's MMU write by hand, entry by entry. Neither
 * mmkit's tables nor its notion of an entry have a part in them: a format's bits are in
 * hand_<format>.h, from the manual. So each format is tested in every build.
 *
 * One root is loaded on CPU 0; what faults answers FAULTED. Frames are mmkit's, all of them noted,
 * and given back in the end.
 */
#ifndef HAND_TABLES_H
#define HAND_TABLES_H

#include "expect_panic.h"
#include "machine.h"

#include <mmkit/port/directmap.h>
#include <mmkit/port/tlb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* What a leaf allows, and what has happened to it. */
enum {
    HAND_READ = 1,
    HAND_WRITE = 2,
    HAND_EXEC = 4,
    HAND_ACCESSED = 8,
    HAND_DIRTY = 16,
    HAND_RW = HAND_READ | HAND_WRITE,
    HAND_USED = HAND_ACCESSED | HAND_DIRTY,
};

#if defined(MACHINE_FORMAT_RISCV64)
#include "hand_riscv64.h"
#elif defined(MACHINE_FORMAT_AARCH64)
#include "hand_aarch64.h"
#elif defined(MACHINE_FORMAT_TINY)
#include "hand_tiny.h"
#else
#include "hand_x86_64.h"
#endif

#define FAULTED MMK_FAULT_RETRY

enum {
    LEVELS = MMK_PT_LEVELS,
    ENTRIES = 1 << HAND_INDEX_BITS,
    ADDRESS_BITS = 12 + LEVELS * HAND_INDEX_BITS
};

/* Pages in two tables of the last level, at most ENTRIES in each. */
#define P(n) ((n)*MMK_PAGE_SIZE)
#define Q(n) (P(n) + (MMK_PAGE_SIZE << HAND_INDEX_BITS))

enum { HAND_FRAMES = 128 };

static struct mmk_page *hand_frames[HAND_FRAMES];
static unsigned hand_count;
static struct mmk_tlb_context hand;

/* 2^order frames of zeros. */
static inline mmk_paddr_t hand_frame(unsigned order)
{
    struct mmk_page *page = mmk_page_alloc(order, MMK_ALLOC_ZERO);

    assert_non_null(page);
    assert_true(hand_count < HAND_FRAMES);
    hand_frames[hand_count++] = page;
    return mmk_page_phys(page);
}

static inline unsigned hand_shift(unsigned level)
{
    return MMK_PAGE_SHIFT + HAND_INDEX_BITS * level;
}

static inline uint64_t hand_value(struct mmk_a64 *entry)
{
    return mmk_a64_load(entry, MMK_RELAXED);
}

static inline void hand_set(struct mmk_a64 *entry, uint64_t value)
{
    mmk_a64_store(entry, value, MMK_RELAXED);
}

/* The entry for addr in its table at `level` below `root`; missing tables above are made. */
static inline struct mmk_a64 *hand_entry_of(mmk_paddr_t root, uint64_t addr, unsigned level)
{
    mmk_paddr_t table = root;
    struct mmk_a64 *entry;
    unsigned at;

    for (at = LEVELS - 1;; at--) {
        entry =
            (struct mmk_a64 *)mmk_phys_to_virt(table) + (addr >> hand_shift(at) & (ENTRIES - 1));
        if (at == level)
            return entry;
        if (hand_value(entry) == 0)
            hand_set(entry, hand_link(hand_frame(0)));
        table = hand_address(hand_value(entry));
    }
}

static inline struct mmk_a64 *hand_entry(uint64_t addr, unsigned level)
{
    return hand_entry_of(hand.root, addr, level);
}

/* Maps a page of zeros at addr. => its memory */
static inline uint64_t *hand_map(uint64_t addr, unsigned what)
{
    mmk_paddr_t phys = hand_frame(0);

    hand_set(hand_entry(addr, 0), hand_leaf(phys, 0, what));
    return mmk_phys_to_virt(phys);
}

/* Maps pages P(0), P(1), Q(0), Q(1), each holding its own address. */
static inline void hand_map_four(unsigned what)
{
    const uint64_t addrs[] = {P(0), P(1), Q(0), Q(1)};
    unsigned i;

    for (i = 0; i < 4; i++)
        *hand_map(addrs[i], what) = addrs[i];
}

static inline enum mmk_fault_result hand_load(uint64_t addr)
{
    uint64_t word;

    return machine_load(addr, &word, sizeof(word));
}

static inline enum mmk_fault_result hand_store(uint64_t addr, uint64_t word)
{
    return machine_store(addr, &word, sizeof(word));
}

/* => it does not fault */
static inline uint64_t hand_read(uint64_t addr)
{
    uint64_t word = 0;

    assert_int_equal(machine_load(addr, &word, sizeof(word)), MMK_FAULT_DONE);
    return word;
}

static inline struct machine_stats hand_stats(void)
{
    struct machine_stats stats;

    machine_stats_read(&stats);
    return stats;
}

static inline void hand_start(unsigned mmu)
{
    const struct machine_config config = {
        .memory = (uint64_t)32 << 20, .cpus = 2, .mmu = mmu, .mmkit = MMK_CONFIG_DEFAULT};

    assert_int_equal(machine_create(&config), 0);
    machine_cpu_attach(0);
    hand.id = (uint64_t)1 << 32;
    hand.root = hand_frame(0);
    machine_switch_tables(&hand);
}

static inline int hand_setup(void **state)
{
    (void)state;
    hand_start(0);
    return 0;
}

/* Whoever sets MACHINE_MMU means the library's tests: here each test says what hardware it wants.
 */
static inline int hand_group_setup(void **state)
{
    (void)state;
    return unsetenv("MACHINE_MMU");
}

static inline int hand_teardown(void **state)
{
    (void)state;
    machine_switch_mm(NULL);
    while (hand_count > 0)
        mmk_page_put(hand_frames[--hand_count]);
    machine_cpu_detach();
    machine_destroy();
    return 0;
}

#define hand_test(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

/* One that calls hand_start() by itself, for other hardware. */
#define hand_test_unstarted(name) cmocka_unit_test_setup_teardown(name, NULL, hand_teardown)

/* For a program with tests of one format alone: loads addr in a child, which must stop the machine.
 */
static inline void hand_load_addr(void *addr)
{
    (void)hand_load(*(uint64_t *)addr);
}

#define assert_stops(addr, rule)                                                                   \
    do {                                                                                           \
        uint64_t at_ = (addr);                                                                     \
        assert_true(expect_panic(hand_load_addr, &at_, rule));                                     \
    } while (0)

/* The same with such a value in the entry, of which nothing is cached. => it has what it had */
static inline void hand_stops_with(uint64_t addr, struct mmk_a64 *entry, uint64_t value,
                                   const char *rule)
{
    uint64_t was = hand_value(entry);

    mmk_tlb_local_all(&hand);
    hand_set(entry, value);
    assert_stops(addr, rule);
    hand_set(entry, was);
}

#endif
