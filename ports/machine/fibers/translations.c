/* SPDX-License-Identifier: MIT */
/*
 * translations.c - what the CPUs have cached of the page tables, and whether they still may.
 *
 * Each entry of a TLB or paging-structure cache knows when the walk that filled it began, and the
 * generation of the frame that it leads to (frames.c). So the rules are checked where they could be
 * broken, not where somebody happens to notice:
 *
 * - A flush is acknowledged: no CPU that runs the address space has an entry of the range that is
 *   older than the flush (L1), nor, when tables went, has a lazy one.
 * - A CPU enters an address space: it has none that is older than a flush that has ended (P17).
 * - A frame is given back, or a table was flushed: no entry of a loaded address space leads there.
 * - An access goes by an entry, a walk to a table: it is what it was when the entry was filled.
 * - The run is over: no CPU can do more than the tables say (fibers_check_translations()).
 *
 * Caches have no places of their own for addresses: they keep what they have until it is flushed,
 * or dropped by the chooser (speculate.c).
 */
#include "frames.h"
#include "sched.h"
#include "speculate.h"
#include "tsan.h"

#include "../mmu.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FLUSHES 64 /* remembered */

struct flush {
    uint64_t begun; /* 0: there was none */
    uint64_t context;
    mmk_vaddr_t start, end;
};

static struct flush flushes[FLUSHES];
static unsigned flush_count;

void translations_begin(void)
{
    memset(flushes, 0, sizeof(flushes));
    flush_count = 0;
    speculate_begin();
}

/* ---- caches ---------------------------------------------------------------------------------- */

static bool is_alive(const struct machine_mmu *mmu, uint64_t tag)
{
    uint64_t gen = tag & MMU_GEN_LAST;
    unsigned i;

    for (i = 0; i < MMK_ASIDS; i++)
        if (gen == mmu->asids[i].tlb_gen || gen == mmu->asids[i].walk_gen)
            return gen != 0;
    return false;
}

/* No entry of a cache has been used from here on: they are, in turn. */
static bool is_end(const struct machine_tlb_entry *entry)
{
    return entry->tag == 0 && entry->since == 0;
}

struct machine_tlb_entry *hardware_place(const struct machine_mmu *mmu,
                                         struct machine_tlb_entry *cache, uint64_t places,
                                         uint64_t at, uint64_t tag)
{
    struct machine_tlb_entry *free = NULL;
    uint64_t i;

    for (i = 0; i < places && !is_end(&cache[i]); i++) {
        if (cache[i].tag == tag)
            return &cache[i];
        if (!free && !is_alive(mmu, cache[i].tag))
            free = &cache[i];
    }
    if (free)
        return free;
    return i < places ? &cache[i] : &cache[at];
}

void hardware_filled(struct machine_tlb_entry *entry, mmk_paddr_t phys)
{
    struct frame *frame;

    entry->since = sim_current()->walk_since;
    if (phys >= machine_ram_end)
        return;
    sim_touch_use(phys);
    frame = frame_at(phys);
    frame->cached = true;
    entry->generation = frame->generation;
}

/* Where an address space is loaded, whose handler knows that such a fault means nothing. */
bool hardware_faults(struct machine_cpu *cpu)
{
    return cpu->mmu.mm && sim.running && !sim.program->exact_faults && sim_rarely();
}

bool hardware_begin(struct machine_cpu *cpu)
{
    bool state = cpu->vcpu.interrupts_off;

    cpu->vcpu.interrupts_off = true;
    sim_current()->hardware = true;
    sim_touch(TOUCH_TRANSLATIONS, false);
    sim_current()->walk_since = frames_tick();
    return state;
}

void hardware_end(struct machine_cpu *cpu, bool state)
{
    cpu->vcpu.interrupts_off = state;
    sim_current()->hardware = false;
}

/* ---- uses ------------------------------------------------------------------------------------ */

void hardware_reads_table(struct machine_cpu *cpu, mmk_paddr_t table,
                          const struct machine_tlb_entry *cached)
{
    const struct frame *frame = frame_at(table);

    if (!cpu->mmu.mm)
        return; /* tables that the library does not know */
    if (cached && cached->generation != frame->generation)
        frames_fail("L1 a walk reads, by a paging-structure cache, a table that was freed", table);
    if (frame->use == MMK_FRAME_WAITING)
        frames_fail("L1 a walk reads a table after the flush that followed its unlinking", table);
    if (frame->use > MMK_FRAME_UNLINKED || frame->use == MMK_FRAME_USED)
        frames_fail("T1 a walk reads as a table what is none", table);
}

/* Others may run before the access, but the CPU takes no interrupt: it has its translation. */
void hardware_uses(struct machine_cpu *cpu, const struct machine_tlb_entry *entry, mmk_vaddr_t addr,
                   bool write)
{
    mmk_paddr_t phys = entry->frame & MACHINE_TLB_ADDRESS;
    uint32_t generation = entry->generation;
    bool state = cpu->vcpu.interrupts_off;
    uintptr_t word = (uintptr_t)mmk_phys_to_virt(phys | (addr & (MMK_PAGE_SIZE - 8)));

    cpu->vcpu.interrupts_off = true;
    __tsan_acquire(cpu); /* by the walk that has filled the entry: speculate.c */
    speculate_near(addr);
    sim_point(word, write ? FIBERS_WRITE : FIBERS_READ);
    sim_touch_use(phys);
    cpu->vcpu.interrupts_off = state;
    if (frame_at(phys)->generation != generation)
        frames_fail("L1 an access by a cached translation to a frame that was freed", phys);
    if (write)
        frame_at(phys)->stored = true;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static MMK_NORETURN void fail_cached(const char *rule, unsigned cpu, const char *cache,
                                     mmk_vaddr_t addr)
{
    char text[256];

    snprintf(text, sizeof(text), "%s: CPU %u, %s, address 0x%" PRIx64, rule, cpu, cache, addr);
    fibers_fail(text);
}

/* What a visitor is told of an entry: what it covers begins at addr and is 1 << shift bytes. */
struct visit {
    unsigned cpu;
    const struct machine_tlb_entry *entry;
    mmk_vaddr_t addr;
    unsigned shift;
    bool table; /* it leads to one */
    const void *argument;
};

typedef void (*visitor)(const struct visit *visit);

static void visit_cache(struct visit *visit, const struct machine_tlb_entry *cache, uint64_t places,
                        uint64_t gen, visitor function)
{
    uint64_t i;

    for (i = 0; i < places && !is_end(&cache[i]); i++) {
        if ((cache[i].tag & MMU_GEN_LAST) != gen)
            continue;
        visit->entry = &cache[i];
        visit->addr = cache[i].tag >> MMU_GEN_BITS << visit->shift;
        function(visit);
    }
}

/* All that CPU `cpu` has cached of the address space that it has loaded; lazily: of its tables. */
static void visit_loaded(unsigned cpu, const void *argument, visitor function)
{
    const struct machine_mmu *mmu = &machine_cpus[cpu].mmu;
    struct visit visit = {.cpu = cpu, .argument = argument};
    const struct machine_asid *asid;
    unsigned number, level;

    number = mmu->mm ? mmk_asid_find(&mmu->numbers, mmu->context) : MMK_ASID_NONE;
    if (number == MMK_ASID_NONE)
        return;
    asid = &mmu->asids[number];
    visit.shift = MMK_PAGE_SHIFT;
    if (!mmu->lazy)
        visit_cache(&visit, mmu->tlb, mmu->tlb_mask + 1, asid->tlb_gen, function);
    visit.table = true;
    for (level = 1; level < MMK_PT_LEVELS; level++) {
        visit.shift = MMK_PAGE_SHIFT + FORMAT_INDEX_BITS * level;
        visit_cache(&visit, mmu->walk_cache[level - 1], MACHINE_WALK_ENTRIES, asid->walk_gen,
                    function);
    }
}

static bool is_older(const struct visit *visit, const struct flush *flush)
{
    return visit->entry->since < flush->begun && visit->addr < flush->end &&
           flush->start < visit->addr + ((mmk_vaddr_t)1 << visit->shift);
}

static const char *cache_name(const struct visit *visit)
{
    return visit->table ? "paging-structure cache" : "TLB";
}

static void check_flushed(const struct visit *visit)
{
    if (is_older(visit, visit->argument))
        fail_cached("L1 a flush has ended, and what is older is still cached", visit->cpu,
                    cache_name(visit), visit->addr);
}

static void check_entered(const struct visit *visit)
{
    const struct machine_mmu *mmu = &machine_cpus[visit->cpu].mmu;
    unsigned i;

    for (i = 0; i < FLUSHES; i++)
        if (flushes[i].begun && flushes[i].context == mmu->context && is_older(visit, &flushes[i]))
            fail_cached("P17 a CPU has entered with what is older than a flush", visit->cpu,
                        cache_name(visit), visit->addr);
}

struct becoming {
    mmk_paddr_t phys;
    bool waits;
};

static void check_frame(const struct visit *visit)
{
    const struct becoming *becoming = visit->argument;

    if ((visit->entry->frame & MACHINE_TLB_ADDRESS) != becoming->phys)
        return;
    fail_cached(becoming->waits ? "L1 a table was unlinked, all is flushed, and it is still cached"
                                : "L1 a frame is freed that is still cached",
                visit->cpu, cache_name(visit), visit->addr);
}

static void check_agrees(const struct visit *visit)
{
    struct machine_cpu *cpu = &machine_cpus[visit->cpu];

    if (!visit->table && visit->entry->frame != 0 &&
        !machine_tables_agree(cpu, visit->addr, visit->entry->frame))
        fail_cached("L1 all is done, and a translation allows what the tables do not", visit->cpu,
                    cache_name(visit), visit->addr);
}

static void visit_all(const void *argument, visitor function)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        visit_loaded(cpu, argument, function);
}

void translations_check_frame(mmk_paddr_t phys, enum mmk_frame_use becomes)
{
    const struct becoming becoming = {phys, becomes == MMK_FRAME_WAITING};

    visit_all(&becoming, check_frame);
}

void hardware_forgets(void)
{
    sim_touch(TOUCH_TRANSLATIONS, true);
}

void hardware_leaves(struct machine_mmu *mmu)
{
    mmk_rcu_read_lock();
    mmu->leaves = true;
}

/* Others may come before the CPU has loaded something else. */
void hardware_left(struct machine_mmu *mmu)
{
    sim_yield();
    sim_touch(TOUCH_TRANSLATIONS, true);
    mmu->leaves = false;
    mmk_rcu_read_unlock();
}

/* Which a CPU has loaded, for use or lazily, or is about to leave. */
void translations_check_root(mmk_paddr_t phys)
{
    const struct machine_mmu *mmu;
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        mmu = &machine_cpus[cpu].mmu;
        if ((mmu->mm || mmu->leaves) && mmu->root == phys)
            frames_fail("P17 a root is given back that a CPU has still loaded", phys);
    }
}

void hardware_entered(struct machine_cpu *cpu)
{
    sim_touch(TOUCH_TRANSLATIONS, true);
    visit_loaded(cpu->vcpu.number, NULL, check_entered);
}

void fibers_check_translations(void)
{
    visit_all(NULL, check_agrees);
}

/* ---- flushes --------------------------------------------------------------------------------- */

uint64_t mmk_note_flush_begins(void)
{
    sim_touch(TOUCH_TRANSLATIONS, true);
    return frames_tick();
}

void mmk_note_flush_ends(uint64_t begun, uint64_t context, mmk_vaddr_t start, mmk_vaddr_t end,
                         bool tables)
{
    struct flush *flush = &flushes[flush_count++ % FLUSHES];
    unsigned cpu;

    sim_touch(TOUCH_TRANSLATIONS, true);
    *flush = (struct flush){begun, context, start, end};
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        const struct machine_mmu *mmu = &machine_cpus[cpu].mmu;

        if (mmu->mm && mmu->context == context && (!mmu->lazy || tables))
            visit_loaded(cpu, flush, check_flushed);
    }
}
