/* SPDX-License-Identifier: MIT */
/*
 * machine.c - building the machine and taking it down; its counters.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define TLB_ENTRIES_DEFAULT 1024
#define TLB_ENTRIES_MOST    (1u << 20)

unsigned machine_nodes[MMK_MAX_CPUS];

void machine_set_node(unsigned cpu, unsigned node)
{
    mmk_assert(cpu < MMK_MAX_CPUS, "machine: no such CPU");
    machine_nodes[cpu] = node;
}

static void free_cpus(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        machine_mmu_free(&machine_cpus[cpu].mmu);
    machine_cpus = NULL;
}

static int make_cpus(unsigned tlb_entries)
{
    /* Not malloc()ed: fibers/shared.c knows words by their addresses, from one machine to the next.
     */
    static _Alignas(MMK_CACHE_LINE) struct machine_cpu cpus[MMK_MAX_CPUS];
    unsigned cpu;

    machine_cpus = cpus;
    memset(cpus, 0, sizeof(cpus));
    memset(machine_nodes, 0, sizeof(machine_nodes));
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        machine_cpus[cpu].vcpu.number = cpu;
        if (!machine_mmu_init(&machine_cpus[cpu].mmu, tlb_entries)) {
            free_cpus();
            return MMK_ENOMEM;
        }
    }
    return 0;
}

/* Starts mmkit as CPU 0 would at boot. */
static int start_mmkit(const struct machine_config *config)
{
    int error;

    machine_cpu_claim(0);
    error = mmk_init(&config->mmkit);
    if (!error) {
        machine_rcu_online();
        error = mmk_add_memory(MACHINE_RAM_START, machine_ram_end - config->withheld);
        if (error)
            mmk_shutdown();
    }
    machine_cpu_unclaim();
    return error;
}

/* Words of MACHINE_MMU. => false: one is unknown */
static bool read_environment(unsigned *flags)
{
    static const struct {
        const char *word;
        unsigned flag;
    } known[] = {{"software-bits", MACHINE_SOFTWARE_BITS},
                 {"keeps-absence", MACHINE_KEEPS_ABSENCE},
                 {"keeps-faulted", MACHINE_KEEPS_FAULTED}};
    const char *at = getenv("MACHINE_MMU");
    size_t length, i;

    for (; at && *at; at += length + (at[length] == ',')) {
        length = strcspn(at, ",");
        for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            if (strlen(known[i].word) == length && memcmp(known[i].word, at, length) == 0)
                break;
        if (i == sizeof(known) / sizeof(known[0]))
            return false;
        *flags |= known[i].flag;
    }
    return true;
}

static bool valid(const struct machine_config *config, unsigned tlb_entries)
{
    return config->memory > 0 && config->memory % MMK_PAGE_SIZE == 0 &&
           config->withheld < config->memory && config->memory <= SIZE_MAX - MACHINE_RAM_START &&
           config->cpus > 0 && config->cpus < MMK_MAX_CPUS &&
           (tlb_entries & (tlb_entries - 1)) == 0 && tlb_entries <= TLB_ENTRIES_MOST;
}

int machine_create(const struct machine_config *config)
{
    unsigned tlb_entries = config->tlb_entries ? config->tlb_entries : TLB_ENTRIES_DEFAULT;
    int error;

    mmk_assert(!machine_cpus, "machine: there is one already");
    machine_mmu_flags = config->mmu;
    if (!valid(config, tlb_entries) || !read_environment(&machine_mmu_flags))
        return MMK_EINVAL;
    error = make_cpus(tlb_entries);
    if (error)
        return error;
    error = machine_ram_map(config->memory, config->populate);
    if (error) {
        free_cpus();
        return error;
    }
    error = machine_rcu_start(config->cpus);
    if (!error) {
        error = start_mmkit(config);
        if (error)
            machine_rcu_stop();
    }
    if (error) {
        machine_ram_unmap();
        free_cpus();
    }
    return error;
}

void machine_destroy(void)
{
    unsigned cpu;

    machine_cpu_claim(0);
    for (cpu = 1; cpu < MMK_MAX_CPUS; cpu++)
        mmk_assert(!mmk_a32_load(&machine_cpus[cpu].attached, MMK_ACQUIRE) || machine_is_rcu(cpu),
                   "machine: destroyed with a CPU attached");
    mmk_shutdown();
    machine_cpu_unclaim();
    machine_rcu_stop();
    machine_ram_unmap();
    free_cpus();
}

uint64_t machine_faults_here(void)
{
    return mmk_a64_load(&machine_this_cpu()->counters.faults, MMK_RELAXED);
}

void machine_stats_read(struct machine_stats *stats)
{
    uint64_t hits, misses;
    unsigned cpu;

    memset(stats, 0, sizeof(*stats));
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        const struct machine_counters *counters = &machine_cpus[cpu].counters;

        hits = mmk_a64_load(&counters->hits, MMK_RELAXED);
        misses = mmk_a64_load(&counters->misses, MMK_RELAXED);
        stats->accesses += hits + misses;
        stats->tlb_hits += hits;
        stats->walks += mmk_a64_load(&counters->walks, MMK_RELAXED);
        stats->walk_reads += mmk_a64_load(&counters->walk_reads, MMK_RELAXED);
        stats->faults += mmk_a64_load(&counters->faults, MMK_RELAXED);
        stats->ipis += mmk_a64_load(&counters->ipis, MMK_RELAXED);
    }
}
