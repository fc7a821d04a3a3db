/* SPDX-License-Identifier: MIT */
/*
 * core.c - starting and stopping, CPUs, and what is counted for the whole library.
 */
#include "core.h"

#include "account.h"
#include "charge.h"
#include "compact.h"
#include "family.h"
#include "frame.h"
#include "gather.h"
#include "group.h"
#include "huge_zero.h"
#include "mm.h"
#include "object.h"
#include "physical.h"
#include "pin.h"
#include "reclaim.h"
#include "shrink.h"
#include "slab.h"
#include "swap_area.h"
#include "table_memory.h"
#include "tlb.h"
#include "waiting.h"
#include "zap.h"

#include <mmkit/cpu.h>
#include <mmkit/stats.h>

struct mmk_config mmk_config;
struct mmk_a64 mmk_cpus_online;

static bool started; /* between mmk_init() and mmk_shutdown() */

/* 0, or a power of two; so many pages have their entries in one table, wherever they begin. */
static bool valid_window(uint64_t bytes)
{
    return (bytes & (bytes - 1)) == 0 && bytes <= mmk_pt_table_span(0) &&
           (bytes == 0 || bytes >= MMK_PAGE_SIZE);
}

/* The ranges are <mmkit/init.h>'s. An enum that C takes for signed may be below its first value. */
static bool valid(const struct mmk_config *config)
{
    return (unsigned)config->table_policy <= MMK_TABLES_NEVER &&
           (config->mmap_min_addr & ~MMK_PAGE_MASK) == 0 &&
           config->mmap_min_addr < MMK_MAP_WINDOW / 2 &&
           (config->stack_guard_gap & ~MMK_PAGE_MASK) == 0 &&
           config->stack_guard_gap < MMK_MAP_WINDOW / 16 &&
           config->table_stock <= MMK_TABLE_STOCK_MAX &&
           config->frame_cache <= MMK_FRAME_CACHE_MAX &&
           config->max_map_count <= MMK_MAP_COUNT_MAX &&
           (unsigned)config->overcommit <= MMK_OVERCOMMIT_NEVER &&
           config->overcommit_ratio <= MMK_OVERCOMMIT_RATIO_MAX &&
           config->overcommit_kbytes <= UINT64_MAX >> 10 && config->refuse_write_exec <= 1 &&
           config->watermark_low <= config->watermark_high && valid_window(config->fault_around) &&
           (unsigned)config->huge <= MMK_HUGE_ALWAYS && config->huge_shared <= 1 &&
           valid_window(config->anon_block) && config->speculate <= 1;
}

int mmk_init(const struct mmk_config *config)
{
    mmk_assert(!started, "mmk_init() comes first, and again only after mmk_shutdown()");
    if (!valid(config))
        return MMK_EINVAL;
    started = true;
    mmk_config = *config;
    mmk_a64_store(&mmk_cpus_online, 0, MMK_RELAXED);
    mmk_waiting_init();
    mmk_frame_init();
    mmk_slab_init();
    mmk_tlb_init();
    mmk_gather_init();
    mmk_table_init();
    mmk_family_module_init();
    mmk_swap_module_init();
    mmk_vma_module_init();
    mmk_vma_tree_module_init();
    mmk_page_index_module_init();
    mmk_object_module_init();
    mmk_account_module_init();
    mmk_physical_module_init();
    mmk_pin_init();
    mmk_reclaim_init();
    mmk_group_module_init();
    mmk_compact_init();
    mmk_mm_module_init();
    mmk_huge_zero_init();
    return 0;
}

static void drain_cpu(unsigned cpu)
{
    mmk_table_drain_cpu(cpu);
    mmk_slab_drain_cpu(cpu);
    mmk_frame_drain_cpu(cpu);
    mmk_waiting_drain_cpu(cpu);
}

void mmk_drain(void)
{
    unsigned cpu;

    mmk_kin_reap();
    mmk_table_drain_limbo();
    mmk_host_rcu_barrier();
    mmk_zero_page_release();
    (void)mmk_huge_zero_shrink();
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        drain_cpu(cpu);
    /* Slabs of a later CPU may have filled the frame cache of this one. */
    mmk_frame_drain_cpu(mmk_cpu_id());
}

void mmk_shutdown(void)
{
    mmk_assert(started, "mmk_shutdown() comes after mmk_init()");
    mmk_assert(mmk_mm_count_all() == 0, "no address space is left at shutdown");
    mmk_assert(mmk_object_count() == 0, "no object is left at shutdown");
    mmk_assert(mmk_swap_area_count() == 0, "no swap area is left at shutdown");
    mmk_drain();
    mmk_waiting_check_none();
    mmk_assert(mmk_group_count() == 0, "no group is left at shutdown");
    mmk_frame_init();
    started = false;
}

void mmk_cpu_online(void)
{
    unsigned cpu = mmk_cpu_id();

    mmk_assert(cpu < MMK_MAX_CPUS, "the port numbers CPUs below MMK_MAX_CPUS");
    mmk_assert(!mmk_cpu_is_online(cpu), "a CPU comes online once");
    mmk_a64_fetch_or(&mmk_cpus_online, (uint64_t)1 << cpu, MMK_RELAXED);
}

/*
 * What is counted by CPU stays where it is: readers sum over all numbers. Gathers and requests for
 * a flush live in the frames of those who have them.
 */
void mmk_cpu_offline(void)
{
    unsigned cpu = mmk_cpu_id();

    mmk_assert(mmk_cpu_is_online(cpu), "a CPU goes offline that was online");
    mmk_assert(!mmk_mm_is_loaded(cpu), "P17 a CPU goes offline after it has left every mm");
    drain_cpu(cpu);
    mmk_a64_fetch_and(&mmk_cpus_online, ~((uint64_t)1 << cpu), MMK_RELAXED);
}

/* Of tables that are linked, or in limbo, so many. Both change meanwhile. */
static uint64_t linked_of(uint64_t made, uint64_t limbo)
{
    return made - mmk_min(made, limbo);
}

void mmk_stats_read(struct mmk_stats *stats)
{
    const struct mmk_stats none = {0};

    *stats = none;
    stats->frames_total = mmk_frames_total();
    stats->frames_free = mmk_frames_free();
    mmk_frame_stats(stats);
    mmk_table_stats(stats);
    stats->tables_linked = linked_of(mmk_mm_tables_made(), stats->tables_limbo);
    mmk_waiting_stats(stats);
    mmk_tlb_stats(stats);
    mmk_reclaim_stats(stats);
    mmk_shrink_stats(stats);
    mmk_compact_stats(stats);
    stats->pins = mmk_pin_count();
    stats->gather_early = mmk_gather_early_count();
    stats->address_spaces = mmk_mm_count_all();
    stats->objects = mmk_object_count();
    stats->groups = mmk_group_count();
    stats->slab_frames = mmk_slab_frames();
    stats->committed = mmk_committed();
    stats->commit_limit = mmk_commit_limit();
    mmk_swap_area_stats(stats);
}
