/* SPDX-License-Identifier: MIT */
/*
 * fixture.h - what the tests of calls and faults share: a machine of 64 MiB with three CPUs, an
 * address space `mm` loaded on CPU 0, and an end at which every frame must be back.
 *
 * Include it after <cmocka.h>. Its checks are cmocka's assertions: main thread only.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <string.h>

#include <machine.h>
#include "account.h"
#include "frame.h"
#include "huge.h"
#include "mm.h"
#include "notifier.h"
#include "object.h"
#include "vma.h"
#include "walk.h"

#define PAGE ((uint64_t)MMK_PAGE_SIZE)
#define KIB  ((uint64_t)1 << 10)
#define MIB  ((uint64_t)1 << 20)
#define GIB  ((uint64_t)1 << 30)

#define RO          MMK_PROT_READ
#define RW          (MMK_PROT_READ | MMK_PROT_WRITE)
#define RX          (MMK_PROT_READ | MMK_PROT_EXEC)
#define ANON        (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)
#define SHARED_ANON (MMK_MAP_SHARED | MMK_MAP_ANONYMOUS)
#define STACK       (ANON | MMK_MAP_GROWSDOWN)

/*
 * Somewhere that mmk_mmap() does not choose by itself: above the window where there is an above.
 * Starts a table at every level but the root's.
 */
#define ROOT_SPAN ((uint64_t)1 << (MMK_PAGE_SHIFT + (MMK_PT_LEVELS - 1) * MMK_PT_INDEX_BITS))
#define BASE      ((MMK_PT_ENTRIES >= 512 ? 32 : 1) * ROOT_SPAN)

static struct mmk_mm *mm;       /* loaded on CPU 0 */
static uint64_t fixture_frames; /* free before the test */

static inline uint64_t frames_free(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.frames_free;
}

static inline struct mmk_stats stats_now(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats;
}

static inline struct mmk_mm_stats mm_stats(struct mmk_mm *of)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(of, &stats);
    return stats;
}

static inline struct mmk_mm *new_mm(void)
{
    struct mmk_mm *new;

    assert_int_equal(mmk_mm_create(&new), 0);
    return new;
}

/*
 * Linux's defaults, but that mappings may be larger than the machine's little memory, and that a
 * fault maps one page: what is mapped around others test_around.c knows.
 */
static inline struct mmk_config fixture_config(void)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;

    config.overcommit = MMK_OVERCOMMIT_ALWAYS;
    config.fault_around = 0;
    return config;
}

static inline int fixture_setup_with(const struct mmk_config *config)
{
    const struct machine_config machine = {.memory = 64 * MIB, .cpus = 3, .mmkit = *config};

    if (machine_create(&machine))
        return -1;
    machine_cpu_attach(0);
    mmk_drain();
    fixture_frames = frames_free();
    if (mmk_mm_create(&mm))
        return -1;
    machine_switch_mm(mm);
    return 0;
}

static inline int fixture_setup(void **state)
{
    const struct mmk_config config = fixture_config();

    (void)state;
    return fixture_setup_with(&config);
}

static inline int fixture_teardown(void **state)
{
    struct mmk_stats stats;
    bool back;

    (void)state;
    machine_switch_mm(NULL);
    mmk_check(mm);
    mmk_mm_put(mm);
    mmk_drain();
    mmk_check_frames();
    stats = stats_now();
    back = stats.frames_free == fixture_frames && stats.address_spaces == 0 && stats.objects == 0 &&
           stats.tables_linked == 0 && stats.tables_waiting == 0 && stats.tables_stock == 0 &&
           stats.committed == 0;
    if (!back)
        print_message("left: %ld frames, %lu address spaces, %lu objects, %lu tables\n",
                      (long)(fixture_frames - stats.frames_free),
                      (unsigned long)stats.address_spaces, (unsigned long)stats.objects,
                      (unsigned long)stats.tables_linked);
    machine_cpu_detach();
    machine_destroy();
    return back ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* Ends an address space that the test made itself. */
static inline void put_mm(struct mmk_mm *other)
{
    mmk_check(other);
    mmk_mm_put(other);
}

/* ---- mapping --------------------------------------------------------------------------------- */

static inline mmk_vaddr_t map(mmk_vaddr_t addr, uint64_t pages, unsigned prot, unsigned flags,
                              struct mmk_object *object, uint64_t index)
{
    int64_t got = mmk_mmap(mm, addr, pages * PAGE, prot, flags, object, index * PAGE);

    assert_true(got > 0);
    return (mmk_vaddr_t)got;
}

static inline mmk_vaddr_t map_anon(uint64_t pages)
{
    return map(0, pages, RW, ANON, NULL, 0);
}

/* At BASE + index pages, in place of what is there. */
static inline mmk_vaddr_t map_at(uint64_t index, uint64_t pages, unsigned prot, unsigned flags)
{
    mmk_vaddr_t addr = BASE + index * PAGE;

    assert_int_equal(map(addr, pages, prot, flags | MMK_MAP_FIXED, NULL, 0), addr);
    return addr;
}

static inline mmk_vaddr_t map_object_at(uint64_t index, uint64_t pages, unsigned prot,
                                        unsigned flags, struct mmk_object *object, uint64_t from)
{
    mmk_vaddr_t addr = BASE + index * PAGE;

    assert_int_equal(map(addr, pages, prot, flags | MMK_MAP_FIXED, object, from), addr);
    return addr;
}

static inline int advise(mmk_vaddr_t addr, uint64_t pages, int advice)
{
    int error = mmk_madvise(mm, addr, pages * PAGE, advice);

    mmk_check(mm);
    return error;
}

/* From here on `mm` is a child. => the parent */
static inline struct mmk_mm *enter_child(void)
{
    struct mmk_mm *parent = mm, *child;

    assert_int_equal(mmk_fork(mm, &child), 0);
    mmk_check(mm);
    mmk_check(child);
    machine_switch_mm(child);
    mm = child;
    return parent;
}

static inline void leave_child(struct mmk_mm *parent)
{
    struct mmk_mm *child = mm;

    machine_switch_mm(parent);
    mm = parent;
    put_mm(child);
}

/* ---- a file: every byte of page i is i + 1 ----------------------------------------------------
 */

static inline int fixture_read_page(struct mmk_object *object, uint64_t index, void *page)
{
    int *error = mmk_object_private(object);

    if (error && *error)
        return *error;
    memset(page, (int)(index + 1) & 0xff, PAGE);
    return 0;
}

/* What was there comes back. */
static inline int fixture_punch_hole(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    (void)offset;
    (void)length;
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = fixture_read_page,
                                               .punch_hole = fixture_punch_hole};

static inline struct mmk_object *new_file(uint64_t pages)
{
    struct mmk_object *object;

    assert_int_equal(mmk_object_create(&file_ops, pages * PAGE, NULL, &object), 0);
    return object;
}

static inline struct mmk_object *new_shmem(uint64_t pages)
{
    struct mmk_object *object;

    assert_int_equal(mmk_object_create(NULL, pages * PAGE, NULL, &object), 0);
    return object;
}

/* Pages [first, first + pages) of the object are in memory from now on. */
static inline void cache_pages(struct mmk_object *object, uint64_t first, uint64_t pages)
{
    struct mmk_page *page;
    uint64_t i;

    for (i = first; i < first + pages; i++) {
        assert_int_equal(mmk_object_get_page(object, i, &page), 0);
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
}

/* ---- accesses of the program ------------------------------------------------------------------
 */

static inline void store_byte(mmk_vaddr_t addr, uint8_t byte)
{
    assert_int_equal(machine_store(addr, &byte, 1), MMK_FAULT_DONE);
}

static inline void expect_byte(mmk_vaddr_t addr, uint8_t expected)
{
    uint8_t byte = (uint8_t)~expected;

    assert_int_equal(machine_load(addr, &byte, 1), MMK_FAULT_DONE);
    assert_int_equal(byte, expected);
}

static inline void expect_load(mmk_vaddr_t addr, enum mmk_fault_result result)
{
    uint8_t byte;

    assert_int_equal(machine_load(addr, &byte, 1), result);
}

static inline void expect_store(mmk_vaddr_t addr, enum mmk_fault_result result)
{
    uint8_t byte = 0xee;

    assert_int_equal(machine_store(addr, &byte, 1), result);
}

static inline void expect_fetch(mmk_vaddr_t addr, enum mmk_fault_result result)
{
    assert_int_equal(machine_fetch(addr), result);
}

/* Page i of the range gets the byte first + i. */
static inline void fill(mmk_vaddr_t addr, uint64_t pages, uint8_t first)
{
    uint64_t i;

    for (i = 0; i < pages; i++)
        store_byte(addr + i * PAGE, (uint8_t)(first + i));
}

static inline void expect_filled(mmk_vaddr_t addr, uint64_t pages, uint8_t first)
{
    uint64_t i;

    for (i = 0; i < pages; i++)
        expect_byte(addr + i * PAGE, (uint8_t)(first + i));
}

/*
 * Faults of this CPU on `mm` that had something to do; hardware that sets no bits, or remembers
 * what was not there, takes others (MACHINE_MMU).
 */
static inline uint64_t needed_faults(void)
{
    return machine_faults_here() - mm_stats(mm).fault_spurious;
}

/* ---- what is there, seen without touching it ---------------------------------------------------
 */

/* The leaf entry for addr, or what a larger page's stands for; 0: none. */
static inline mmk_pte_t peek_entry(struct mmk_mm *in, mmk_vaddr_t addr)
{
    struct mmk_walk walk;
    mmk_pte_t pte = {0};

    mmk_rcu_read_lock();
    mmk_walk_rcu(in, addr, &walk);
    if (walk.level == 0)
        pte = mmk_pte_read(walk.entry);
    else if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry)))
        pte = mmk_huge_piece(&walk, mmk_pte_read(walk.entry));
    mmk_rcu_read_unlock();
    return pte;
}

/* The frame mapped at addr; NULL: none, or a guard. */
static inline struct mmk_page *peek_page(struct mmk_mm *in, mmk_vaddr_t addr)
{
    mmk_pte_t pte = peek_entry(in, addr);

    return !mmk_pte_present(pte) ? NULL : mmk_pfn_to_page(mmk_pte_pfn(pte));
}

static inline struct mmk_vma *peek_vma(struct mmk_mm *in, mmk_vaddr_t addr)
{
    struct mmk_vma *vma = mmk_vma_tree_find_rcu(&in->vmas, addr);

    return vma && mmk_vma_start(vma) <= addr ? vma : NULL;
}

static inline void expect_shape(uint64_t vmas, uint64_t pages)
{
    struct mmk_mm_stats stats = mm_stats(mm);

    mmk_check(mm);
    assert_int_equal(stats.vmas, vmas);
    assert_int_equal(stats.virt_bytes, pages * PAGE);
}

/* The VMA at addr is exactly [start, start + pages). */
static inline void expect_vma(mmk_vaddr_t addr, mmk_vaddr_t start, uint64_t pages)
{
    const struct mmk_vma *vma = peek_vma(mm, addr);

    assert_non_null(vma);
    assert_int_equal(mmk_vma_start(vma), start);
    assert_int_equal(mmk_vma_end(vma), start + pages * PAGE);
}

/* From `from` to `to` just these are mapped, of BASE: first page and number of pages; then 0, 0. */
static inline void expect_vmas(mmk_vaddr_t from, mmk_vaddr_t to, const uint64_t vmas[][2])
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&mm->vmas, from);
    unsigned i;

    mmk_check(mm);
    for (i = 0; vmas[i][1] != 0; i++) {
        assert_non_null(vma);
        assert_int_equal(mmk_vma_start(vma), BASE + vmas[i][0] * PAGE);
        assert_int_equal(mmk_vma_end(vma), BASE + (vmas[i][0] + vmas[i][1]) * PAGE);
        vma = mmk_vma_tree_find_rcu(&mm->vmas, mmk_vma_end(vma));
    }
    assert_true(!vma || mmk_vma_start(vma) >= to);
}

/*
 * Linked tables below the root, by level from the leaves; a p4d table, if any, has one pud table.
 * With three levels the root is the pud table.
 */
static inline void expect_tables(struct mmk_mm *of, uint64_t leaf, uint64_t pmd, uint64_t pud)
{
    struct mmk_mm_stats stats = mm_stats(of);
    unsigned level;

    mmk_check(of);
    assert_int_equal(stats.tables[0], leaf);
    assert_int_equal(stats.tables[1], pmd);
    for (level = 2; level < MMK_PT_LEVELS - 1; level++)
        assert_int_equal(stats.tables[level], pud);
    assert_int_equal(stats.tables[MMK_PT_LEVELS - 1], 1);
}

#endif
