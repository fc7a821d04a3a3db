/* SPDX-License-Identifier: MIT */
/*
 * init.h - starting and stopping mmkit; memory handed in.
 *
 * There is one mmkit in a kernel. Order at boot:
 *   1 mmk_init(), once
 *   2 mmk_add_memory(), for each range of RAM; more may follow at any time
 *   3 mmk_cpu_online(), on each CPU, before it calls anything below
 *   4 mmk_selftest(), once on each CPU
 * then everything else. A CPU that comes later does 3 and 4 when it comes.
 */
#ifndef MMKIT_INIT_H
#define MMKIT_INIT_H

#include <mmkit/errno.h>
#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mmk_table_policy {
    MMK_TABLES_MMKIT,     /* every table, at every level, the moment it is empty */
    MMK_TABLES_LINUX_618, /* as Linux 6.18 with CONFIG_PT_RECLAIM: at unmap, and pte tables that one
                             MADV_DONTNEED covers whole */
    MMK_TABLES_NEVER,     /* at unmap only, when wholly between the neighbouring mappings */
};

enum mmk_overcommit {
    MMK_OVERCOMMIT_HEURISTIC, /* refuses only a mapping larger than all memory and swap space */
    MMK_OVERCOMMIT_ALWAYS,    /* refuses nothing */
    MMK_OVERCOMMIT_NEVER,     /* refuses what would go beyond the commit limit */
};

/* Where memory is mapped by larger pages: `huge` below. Frames that are not mmkit's, wherever it is
 * not NEVER.
 */
enum mmk_huge_policy {
    MMK_HUGE_NEVER,
    MMK_HUGE_MADVISE, /* where MMK_MADV_HUGEPAGE asks for it */
    MMK_HUGE_ALWAYS,  /* wherever it fits, unless MMK_MADV_NOHUGEPAGE forbids it */
};

#define MMK_OVERCOMMIT_RATIO_MAX 10000
#define MMK_MAP_COUNT_MAX        0x7fffffffu
#define MMK_FRAME_CACHE_MAX      64

/* What may be chosen. Constant from mmk_init() on. Defaults are Linux's where it has the option. */
struct mmk_config {
    /*
     * Which empty page tables are freed. All but the first exist to compare with, and keep tables
     * that map nothing. Range: the enum. Default: MMK_TABLES_MMKIT. Linux: CONFIG_PT_RECLAIM.
     */
    enum mmk_table_policy table_policy;

    /*
     * The lowest address that mmk_mmap() chooses or accepts, and that a stack or the heap may
     * reach; so a null pointer with an offset below it faults. Bytes. Range: a multiple of the
     * page size, below half of what mmk_mmap() chooses from. Default: 64 KiB. Linux:
     * vm.mmap_min_addr.
     */
    uint64_t mmap_min_addr;

    /*
     * MMK_LIMIT_STACK of a new address space (limit.h): how far a mapping may grow down, and how
     * much room is left for the stack above the other mappings. Bytes. Range: any;
     * MMK_LIMIT_INFINITY as well. Default: 8 MiB. Linux: RLIMIT_STACK of the first process.
     */
    uint64_t stack_limit;

    /*
     * Bytes kept free below a mapping that grows down, so that an overrun faults before it meets
     * something else. Range: a multiple of the page size, below a 16th of what mmk_mmap() chooses
     * from. Default: 1 MiB. Linux: the boot option stack_guard_gap, in pages.
     */
    uint64_t stack_guard_gap;

    /*
     * Tables, all zero, that each CPU keeps for the next that is needed: building one up that was
     * just freed then clears nothing. No more than the next option allows. Range: 0 to 64; 0
     * returns each to the frame allocator. Default: 16. Linux has none.
     */
    unsigned table_stock;

    /*
     * Free frames, single ones, that each CPU keeps, of two kinds (what may move, and what stays),
     * for others out of reach: half as many are moved under one lock. Range: 0 to 64; 0: a 128th of
     * all frames, from 4 to 64. Default: 0. Linux: vm.percpu_pagelist_high_fraction.
     */
    unsigned frame_cache;

    /*
     * Mappings of one address space: beyond, what would add one fails with MMK_ENOMEM. mmk_mmap()
     * and mmk_brk() get one more, as on Linux. Range: 0 to MMK_MAP_COUNT_MAX. Default: 65530.
     * Linux: vm.max_map_count.
     */
    unsigned max_map_count;

    /*
     * Whether memory may be promised that will not be there when it is written: by private
     * writable mappings, and by shared anonymous ones. Where it may not, a program is refused when
     * it maps, forks, or makes writable; else a fault may answer OOM. MMK_MAP_NORESERVE is ignored
     * in mode NEVER. Range: the enum. Default: MMK_OVERCOMMIT_HEURISTIC. Linux:
     * vm.overcommit_memory.
     */
    enum mmk_overcommit overcommit;

    /*
     * Mode NEVER: the commit limit in percent of all frames, to which swap space is added; nothing
     * is kept back. Range: 0 to MMK_OVERCOMMIT_RATIO_MAX; more than 100 promises what may not be
     * there after all. Default: 50. Linux: vm.overcommit_ratio.
     */
    unsigned overcommit_ratio;

    /*
     * Mode NEVER: the commit limit without swap space, in KiB, in place of the ratio, unless 0.
     * Range: up to UINT64_MAX / 1024. Default: 0. Linux: vm.overcommit_kbytes.
     */
    uint64_t overcommit_kbytes;

    /*
     * 1: every new address space starts with mmk_set_mdwe(MMK_MDWE_REFUSE_EXEC_GAIN): nothing is
     * writable and executable, nor becomes executable later. Range: 0, 1. Default: 0. Linux has it
     * by process only, PR_SET_MDWE of prctl(2).
     */
    unsigned refuse_write_exec;

    /*
     * Frames kept for those who cannot do without: the last that are free are given to requests
     * with MMK_ALLOC_NORECLAIM only, and the first half of them to MMK_ALLOC_HIGH as well (page.h).
     * What CPUs have cached does not count. Range: any; all of it means that nobody else gets any.
     * Default: 0. Linux: vm.min_free_kbytes.
     */
    uint64_t reserve;

    /*
     * When fewer frames than watermark_low are left, mmk_reclaim_work() is woken, and frees until
     * watermark_high are (reclaim.h). So few allocations, if any, have to reclaim for themselves,
     * which they do when there is nothing left. What CPUs have cached does not count. Range:
     * watermark_low up to watermark_high, that below all of memory, which mmk_init() cannot tell.
     * Default: 0: nobody is woken. Linux: the watermarks of a zone, by vm.watermark_scale_factor.
     */
    uint64_t watermark_low, watermark_high;

    /*
     * What is freed, but has to wait for a grace period: page tables above all, and mmkit's own
     * structures. From half of it on grace periods are hurried (port/rcu.h); beyond it operations
     * that may free more wait for one before they begin. So at most this waits, and what those have
     * freed that had begun before (what a munmap of much frees goes at once). Bytes. Range: any;
     * UINT64_MAX: no limit; 0: a 64th of memory, from 256 KiB to 16 MiB. Default: 0. Linux:
     * rcutree.qhimark, in callbacks of a CPU, from which on they are hurried.
     */
    uint64_t waiting_limit;

    /*
     * A fault that reads or executes an object's page also maps those around it that are in memory,
     * as far as that takes no waiting and no further table: within so many bytes, aligned to that,
     * and one mapping. Their entries are old, so that reclaim knows those that nobody used. Range:
     * a power of two, from a page, which is the faulting one alone, to what one leaf table covers;
     * 0 as a page. Default: 64 KiB. Linux: fault_around_bytes in debugfs.
     */
    uint64_t fault_around;

    /*
     * When the first write to private anonymous memory, where nothing is mapped yet, maps as much
     * as one entry above the leaf tables covers (2 MiB), from a block of frames, if one is to be
     * had, and the mapping is as large; likewise the first touch of an object that offers larger
     * pages (mmk_object_offer_huge()). Frames that are not mmkit's, where many lie in a row (the
     * object's frame_run, mmk_map_frames()), are mapped so with MMK_HUGE_MADVISE as with ALWAYS.
     * A first read maps one of zeros, which all address spaces share: 2 MiB, once. Range: the enum.
     * Default: MMK_HUGE_NEVER, unlike most builds of Linux:
     * /sys/kernel/mm/transparent_hugepage/enabled.
     */
    enum mmk_huge_policy huge;

    /*
     * 1: the shared anonymous memory that mmk_mmap() makes offers larger pages, too, as by
     * mmk_object_offer_huge(); `huge` and advice say where. Range: 0, 1. Default: 0. Linux:
     * shmem_enabled beside it, never or within_size.
     */
    unsigned huge_shared;

    /*
     * Where `huge` would have more than a page and cannot (the mapping is too small, a table is
     * there already, or no block of that size is free): how much a first write maps at once, from a
     * block of frames, or as large a part of it as fits in the mapping, is not mapped yet, and is
     * to be had. Bytes. Range: a power of two, from a page, which is that one alone, to what one
     * leaf table covers; 0 as a page. Default: 0. Where the table format has a bit for neighbours
     * that share a translation (aarch64: 64 KiB), a block that is as large has it. Linux: the sizes
     * in /sys/kernel/mm/transparent_hugepage, of which it takes the largest, too.
     */
    uint64_t anon_block;

    /*
     * 1: a fault tries without the mmap lock first, and writes no memory then that a fault on
     * another page writes; so does advice that gives back private memory of one mapping. 0: they
     * take the lock at once. Range: 0, 1. Default: 1. Linux: faults, and such advice, under the
     * lock of one mapping (CONFIG_PER_VMA_LOCK).
     */
    unsigned speculate;
};

/*
 * A format with few addresses (tiny) needs other sizes: those that depend on it may be defined for
 * the whole target.
 */
#ifndef MMK_CONFIG_MMAP_MIN_ADDR
#define MMK_CONFIG_MMAP_MIN_ADDR ((uint64_t)64 << 10)
#define MMK_CONFIG_STACK_LIMIT   ((uint64_t)8 << 20)
#define MMK_CONFIG_GUARD_GAP     ((uint64_t)1 << 20)
#define MMK_CONFIG_FAULT_AROUND  ((uint64_t)64 << 10)
#endif
#define MMK_CONFIG_DEFAULT                                                                         \
    {                                                                                              \
        MMK_TABLES_MMKIT, MMK_CONFIG_MMAP_MIN_ADDR, MMK_CONFIG_STACK_LIMIT, MMK_CONFIG_GUARD_GAP,  \
            16, 0, 65530, MMK_OVERCOMMIT_HEURISTIC, 50, 0, 0, 0, 0, 0, 0, MMK_CONFIG_FAULT_AROUND, \
            MMK_HUGE_NEVER, 0, 0, 1                                                                \
    }

/*
 * Starts mmkit, with no memory yet. May be called again after mmk_shutdown().
 * => 0; MMK_EINVAL: a value out of its range
 * => not concurrent with anything
 */
MMK_MUST_CHECK int mmk_init(const struct mmk_config *config);

/*
 * Hands in the frames in [start, end), bytes; partial pages at the ends are ignored. The
 * descriptors (64 bytes a page) are laid out inside the range itself.
 * => 0; MMK_EINVAL: too small to be of use, or overlaps another range; MMK_ENOMEM: more than 16
 *    ranges
 * => not concurrent with other calls of itself; may run beside everything else
 */
MMK_MUST_CHECK int mmk_add_memory(mmk_paddr_t start, mmk_paddr_t end);

/*
 * The same for memory of a node (NUMA): frames come from the node of the CPU that asks (port/cpu.h,
 * mmk_node_id()) while it has any, then from others, the nearest number first. mmk_add_memory() is
 * for node 0. => also MMK_EINVAL: node not below MMK_MAX_NODES
 */
#define MMK_MAX_NODES 8
MMK_MUST_CHECK int mmk_add_memory_node(mmk_paddr_t start, mmk_paddr_t end, unsigned node);

/*
 * Gives back what caches hold: per-CPU frames of all CPUs, zeroed tables, empty slabs. Waits for a
 * grace period, so that afterwards every frame that nobody uses is counted free.
 * => may sleep; no locks held; only while no other CPU is inside mmkit
 */
void mmk_drain(void);

/*
 * Forgets everything, memory ranges included. Panics if an address space, object, group or swap
 * area still exists.
 * => may sleep; not concurrent with anything
 */
void mmk_shutdown(void);

#ifdef __cplusplus
}
#endif

#endif
