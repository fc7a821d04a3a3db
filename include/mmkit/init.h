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

/* Which empty page tables are freed. The others exist to compare with. */
enum mmk_table_policy {
    MMK_TABLES_MMKIT,     /* every table, at every level, the moment it is empty */
    MMK_TABLES_LINUX_618, /* as Linux 6.18 with CONFIG_PT_RECLAIM: at unmap, and pte tables that one
                             MADV_DONTNEED covers whole */
    MMK_TABLES_NEVER,     /* at unmap only, when wholly between the neighbouring mappings */
};

/* Whether memory is promised that may not be there when it is used; Linux: vm.overcommit_memory. */
enum mmk_overcommit {
    MMK_OVERCOMMIT_HEURISTIC, /* refuses one mapping that is larger than all memory */
    MMK_OVERCOMMIT_ALWAYS,    /* refuses nothing */
    MMK_OVERCOMMIT_NEVER,     /* refuses what would go beyond the commit limit */
};

#define MMK_OVERCOMMIT_RATIO_MAX 10000

struct mmk_config {
    enum mmk_table_policy table_policy;
    uint64_t mmap_min_addr;   /* lowest address that mmk_mmap() chooses or accepts; page multiple */
    uint64_t stack_limit;     /* largest size of a mapping that grows down, in bytes */
    uint64_t stack_guard_gap; /* bytes kept free below one; Linux: 1 MiB */
    unsigned table_stock;     /* zeroed tables kept per CPU; 0 to 64 */
    unsigned max_map_count;   /* mappings of one address space; Linux: vm.max_map_count */
    enum mmk_overcommit overcommit;
    unsigned overcommit_ratio;  /* NEVER: the limit, in percent of all frames; 0 to 10000 */
    uint64_t overcommit_kbytes; /* NEVER: the limit in KiB, instead, unless 0 */
    unsigned refuse_write_exec; /* 1: every new address space starts with mmk_set_mdwe() */
};

/*
 * Linux's values: policy mmkit, 64 KiB, 8 MiB, 1 MiB, 16. A format with few addresses (tiny) needs
 * other sizes: those that depend on it may be defined for the whole target.
 */
#ifndef MMK_CONFIG_MMAP_MIN_ADDR
#define MMK_CONFIG_MMAP_MIN_ADDR ((uint64_t)64 << 10)
#define MMK_CONFIG_STACK_LIMIT   ((uint64_t)8 << 20)
#define MMK_CONFIG_GUARD_GAP     ((uint64_t)1 << 20)
#endif
#define MMK_CONFIG_DEFAULT                                                                         \
    {                                                                                              \
        MMK_TABLES_MMKIT, MMK_CONFIG_MMAP_MIN_ADDR, MMK_CONFIG_STACK_LIMIT, MMK_CONFIG_GUARD_GAP,  \
            16, 65530, MMK_OVERCOMMIT_HEURISTIC, 50, 0, 0                                          \
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
 * Gives back what caches hold: per-CPU frames of all CPUs, zeroed tables, empty slabs. Waits for a
 * grace period, so that afterwards every frame that nobody uses is counted free.
 * => may sleep; no locks held; only while no other CPU is inside mmkit
 */
void mmk_drain(void);

/*
 * Forgets everything, memory ranges included. Panics if an address space or object still exists.
 * => may sleep; not concurrent with anything
 */
void mmk_shutdown(void);

#ifdef __cplusplus
}
#endif

#endif
