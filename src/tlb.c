/* SPDX-License-Identifier: MIT */
/*
 * tlb.c - TLB shootdown.
 *
 * mm.tlb_gen counts flushes. Each CPU notes, per mm, the generation that its translations have
 * reached (mmk_mm_cpu.tlb_gen). A flush:
 *
 *   flusher                                   CPU entering the mm
 *   1 entries changed
 *   2 tlb_gen raised                          1 its bit set in mm.cpus
 *   3 full barrier                            2 full barrier
 *   4 mm.cpus read; those get an interrupt    3 own generation older than tlb_gen: flush all
 *
 * Either the flusher sees the bit, or the CPU sees the generation (P17).
 *
 * L1 When mmk_tlb_flush() returns, no CPU that runs the mm holds a translation older than the
 *    entries; any other drops its own before it uses one.
 *
 * A lazy CPU has the mm's root loaded and makes no access: it is not interrupted for pages, and
 * catches up when it comes back, by the same order as one that enters (its `lazy` cleared in place
 * of its bit set). What it may do meanwhile is speculate. By a stale translation it reads a frame
 * that is another's by now, and forgets what it read. By a stale paging-structure entry it would
 * walk a table that is another's by now: would take whatever lies there for entries, fill its TLB
 * with them, read wherever they point, which device memory does not forgive, and set accessed bits
 * in them. So a flush that comes before tables are freed does interrupt lazy CPUs (Linux does the
 * same for freed_tables). Whoever only moves a table need not: it is still a table, of the same
 * entries.
 *
 * A CPU that is exactly one generation behind flushes the range it is told. Further behind, it
 * flushes all: requests may arrive out of order, and a full flush covers those it has overtaken.
 *
 * The ways to a table that has gone are dropped with any page that it covered; where the hardware
 * drops only leaf entries by address (MMK_PT_FLUSH_LEAF) all is flushed instead.
 *
 * Requests wait in a stack per CPU, pushed by compare-exchange and taken whole, so the handler
 * takes no lock: flushers hold table locks (P7) and the interrupted code may wait for those.
 */
#include "tlb.h"

#include "planted.h"
#include <mmkit/stats.h>
#include <mmkit/tlb.h>

/* Above this many pages one full flush costs less than naming each (Linux: 33). */
#define FULL_FLUSH_PAGES 33

struct request {
    struct mmk_mm *mm;
    mmk_vaddr_t start, end;
    uint64_t gen;
    bool tables;            /* have gone: the ways to them, too */
    struct mmk_a32 waiting; /* CPUs that have not acknowledged */
};

/* A request's place in one CPU's stack; lives in the flusher's frame until acknowledged. */
struct post {
    struct post *next;
    struct request *request;
};

struct MMK_CACHE_ALIGNED inbox {
    struct mmk_aptr posts;
};

struct MMK_CACHE_ALIGNED counters {
    struct mmk_a64 flushes, pages, full, ipis;
};

static struct inbox inboxes[MMK_MAX_CPUS];
static struct counters counters[MMK_MAX_CPUS];

void mmk_tlb_init(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        mmk_aptr_store(&inboxes[cpu].posts, NULL, MMK_RELAXED);
        mmk_a64_store(&counters[cpu].flushes, 0, MMK_RELAXED);
        mmk_a64_store(&counters[cpu].pages, 0, MMK_RELAXED);
        mmk_a64_store(&counters[cpu].full, 0, MMK_RELAXED);
        mmk_a64_store(&counters[cpu].ipis, 0, MMK_RELAXED);
    }
}

/* => on the CPU whose counter it is */
static void count(struct mmk_a64 *counter, uint64_t n)
{
    mmk_a64_store(counter, mmk_a64_load(counter, MMK_RELAXED) + n, MMK_RELAXED);
}

static uint64_t range_pages(mmk_vaddr_t start, mmk_vaddr_t end)
{
    return (end - start) >> MMK_PAGE_SHIFT;
}

/* This CPU drops all it holds of mm. The generation is read first: later flushes come again. */
static void flush_all_here(struct mmk_mm *mm, struct mmk_mm_cpu *own)
{
    uint64_t gen = mmk_a64_load(&mm->tlb_gen, MMK_ACQUIRE);

    mmk_tlb_local_all(&mm->context);
    if (MMK_MISTAKE(GEN_AFTER_FLUSH))
        gen = mmk_a64_load(&mm->tlb_gen, MMK_RELAXED);
    mmk_a64_store(&own->tlb_gen, gen, MMK_RELAXED);
}

/* It is less work to drop everything, or by pages not all that has to go can be reached. */
static bool wants_all(const struct request *request)
{
    return range_pages(request->start, request->end) > FULL_FLUSH_PAGES ||
           (MMK_PT_FLUSH_LEAF && request->tables);
}

/* => on the CPU, in its interrupt handler or between mmk_percpu_enter() and leave */
static void flush_here(const struct request *request)
{
    struct mmk_mm *mm = request->mm;
    struct mmk_mm_cpu *own = &mm->cpu[mmk_cpu_id()];
    uint64_t reached = mmk_a64_load(&own->tlb_gen, MMK_RELAXED);
    mmk_vaddr_t addr;

    if (reached >= request->gen)
        return;
    if (reached + 1 < request->gen || wants_all(request)) {
        flush_all_here(mm, own);
        return;
    }
    addr = request->start + (MMK_MISTAKE(FLUSH_ONE_SHORT) ? MMK_PAGE_SIZE : 0);
    for (; addr < request->end; addr += MMK_PAGE_SIZE)
        mmk_tlb_local_page(&mm->context, addr);
    mmk_a64_store(&own->tlb_gen, request->gen, MMK_RELAXED);
}

void mmk_tlb_interrupt(void)
{
    struct post *post = mmk_aptr_xchg(&inboxes[mmk_cpu_id()].posts, NULL, MMK_ACQUIRE);

    while (post) {
        struct request *request = post->request;

        post = post->next; /* gone once acknowledged */
        flush_here(request);
        mmk_a32_fetch_sub(&request->waiting, 1, MMK_RELEASE);
    }
}

static void push(struct inbox *inbox, struct post *post)
{
    void *head = mmk_aptr_load(&inbox->posts, MMK_RELAXED);

    do
        post->next = head;
    while (!mmk_aptr_cmpxchg(&inbox->posts, &head, post, MMK_RELEASE));
}

/* Asks every CPU in `mask`; answers how many. => the caller stays on its CPU */
static unsigned send(struct request *request, struct post posts[], uint64_t mask)
{
    unsigned cpu, sent = 0;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        sent += (unsigned)(mask >> cpu & 1);
    mmk_a32_store(&request->waiting, sent, MMK_RELAXED);
    for (cpu = 0; mask != 0; cpu++, mask >>= 1) {
        if (!(mask & 1))
            continue;
        posts[cpu].request = request;
        push(&inboxes[cpu], &posts[cpu]);
        mmk_host_send_ipi(cpu);
    }
    return sent;
}

static void account(unsigned cpu, const struct request *request, unsigned ipis)
{
    bool all = wants_all(request);

    count(&counters[cpu].flushes, 1);
    count(all ? &counters[cpu].full : &counters[cpu].pages,
          all ? 1 : range_pages(request->start, request->end));
    count(&counters[cpu].ipis, ipis);
}

/* The CPU uses what it has loaded. Acquire: else it is done with it before. */
static bool is_busy(const struct mmk_mm *mm, unsigned cpu)
{
    return !mmk_a32_load(&mm->cpu[cpu].lazy, MMK_ACQUIRE);
}

/* Those of `cpus` that do. */
static uint64_t busy(const struct mmk_mm *mm, uint64_t cpus)
{
    uint64_t found = 0, left = cpus;
    unsigned cpu;

    for (cpu = 0; left != 0; cpu++, left >>= 1)
        if ((left & 1) && is_busy(mm, cpu))
            found |= (uint64_t)1 << cpu;
    return found;
}

/* Asks the others, if there are any. => the caller stays on its CPU */
static MMK_NOINLINE unsigned ask_others(struct request *request, struct post posts[],
                                        uint64_t others, bool tables)
{
    uint64_t mask = tables ? others : busy(request->mm, others);

    return mask ? send(request, posts, mask) : 0;
}

static void flush(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, bool tables)
{
    struct request request = {.mm = mm, .start = start, .end = end, .tables = tables};
    struct post posts[MMK_MAX_CPUS];
    unsigned cpu, asked = 0;
    unsigned long state;
    uint64_t cpus, self, begun;
    uint64_t early = MMK_MISTAKE(MASK_BEFORE_GEN) ? mmk_a64_load(&mm->cpus, MMK_RELAXED) : 0;

    mmk_assert(mmk_interrupts_on(), "P7 no flush starts with interrupts off");
    begun = mmk_note_flush_begins();
    request.gen = mmk_a64_fetch_add(&mm->tlb_gen, 1, MMK_RELEASE) + 1;
    mmk_full_barrier();
    state = mmk_percpu_enter();
    cpu = mmk_cpu_id();
    self = (uint64_t)1 << cpu;
    cpus = MMK_MISTAKE(MASK_BEFORE_GEN) ? early : mmk_a64_load(&mm->cpus, MMK_ACQUIRE);
    if (cpus & ~self)
        asked = ask_others(&request, posts, cpus & ~self, tables);
    account(cpu, &request, asked);
    if (cpus & self)
        flush_here(&request); /* lazy or not: it is here */
    mmk_percpu_leave(state);
    while (asked != 0 && mmk_a32_load(&request.waiting, MMK_ACQUIRE) != 0)
        mmk_cpu_relax();
    mmk_note_flush_ends(begun, mm->context.id, start, end, tables);
}

void mmk_tlb_flush(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    flush(mm, start, end, false);
}

void mmk_tlb_flush_tables(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    flush(mm, start, end, !MMK_MISTAKE(LAZY_KEEPS_TABLES));
}

void mmk_tlb_catch_up(struct mmk_mm *mm)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_mm_cpu *own = &mm->cpu[mmk_cpu_id()];
    uint64_t gen = mmk_a64_load(&mm->tlb_gen, MMK_RELAXED);

    if (mmk_a64_load(&own->tlb_gen, MMK_RELAXED) != gen)
        flush_all_here(mm, own);
    mmk_percpu_leave(state);
}

void mmk_tlb_stats(struct mmk_stats *stats)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        stats->tlb_flushes += mmk_a64_load(&counters[cpu].flushes, MMK_RELAXED);
        stats->tlb_pages += mmk_a64_load(&counters[cpu].pages, MMK_RELAXED);
        stats->tlb_full += mmk_a64_load(&counters[cpu].full, MMK_RELAXED);
        stats->tlb_ipis += mmk_a64_load(&counters[cpu].ipis, MMK_RELAXED);
    }
}
