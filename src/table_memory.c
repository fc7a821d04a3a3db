/* SPDX-License-Identifier: MIT */
/*
 * table_memory.c - where the memory of page tables comes from, and where it goes.
 *
 *     stock ----------------> a table that nobody knows ----> linked (table.c)
 *       ^  ^    alloc             |                           ^ | unlinked, flushed
 *       |  +----------------------+ free           by the same| |
 *       |                                               entry | v
 *       +----- waiting for a grace period <------------------ limbo (limbo.c)
 *
 * What is freed is all zero, and so is what is taken; the stock of a CPU keeps a few.
 *
 * Locks: none. A stock is its CPU's, inside a per-CPU section; what waits is RCU's.
 */
#include "table_memory.h"

#include "charge.h"
#include "core.h"
#include "limbo.h"
#include "planted.h"
#include "pte_entry.h"
#include "pte_ref.h"
#include "vma_hint.h"
#include "waiting.h"
#include <mmkit/port/root.h>
#include <mmkit/stats.h>

/* This CPU's tables that are all zero, ready for use. */
struct MMK_CACHE_ALIGNED stock {
    struct mmk_a32 count, peak; /* written by this CPU only */
    struct mmk_page *table[MMK_TABLE_STOCK_MAX];
};

static struct stock stocks[MMK_MAX_CPUS];

void mmk_table_init(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        mmk_a32_store(&stocks[cpu].count, 0, MMK_RELAXED);
        mmk_a32_store(&stocks[cpu].peak, 0, MMK_RELAXED);
    }
    mmk_limbo_init();
}

void mmk_table_stats(struct mmk_stats *stats)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        stats->tables_stock += mmk_a32_load(&stocks[cpu].count, MMK_RELAXED);
        stats->tables_stock_peak += mmk_a32_load(&stocks[cpu].peak, MMK_RELAXED);
    }
    mmk_limbo_stats(stats);
}

static struct mmk_page *stock_take(void)
{
    unsigned long state = mmk_percpu_enter();
    struct stock *stock = &stocks[mmk_cpu_id()];
    uint32_t count = mmk_a32_load(&stock->count, MMK_RELAXED);
    struct mmk_page *table = NULL;

    if (count > 0 && !mmk_inject(MMK_INJECT_CACHE_EMPTY)) {
        table = stock->table[count - 1];
        mmk_a32_store(&stock->count, count - 1, MMK_RELAXED);
    }
    mmk_percpu_leave(state);
    return table;
}

static bool stock_give(struct mmk_page *table)
{
    unsigned long state = mmk_percpu_enter();
    struct stock *stock = &stocks[mmk_cpu_id()];
    uint32_t count = mmk_a32_load(&stock->count, MMK_RELAXED);
    bool room = count < mmk_config.table_stock && count < mmk_frame_cache_limit();

    if (room) {
        stock->table[count] = table;
        mmk_a32_store(&stock->count, count + 1, MMK_RELAXED);
        if (count + 1 > mmk_a32_load(&stock->peak, MMK_RELAXED))
            mmk_a32_store(&stock->peak, count + 1, MMK_RELAXED);
    }
    mmk_percpu_leave(state);
    return room;
}

uint32_t mmk_table_stocked(unsigned cpu)
{
    return mmk_a32_load(&stocks[cpu].count, MMK_RELAXED);
}

void mmk_table_free(struct mmk_page *table)
{
    mmk_uncharge(table);
    mmk_frame_note(table, 0, MMK_FRAME_SPARE);
    if (!stock_give(table))
        mmk_page_put(table);
}

static struct mmk_page *alloc(struct mmk_mm *mm, unsigned level, unsigned flags)
{
    struct mmk_page *table;

    if (mmk_inject(MMK_INJECT_TABLE))
        return NULL;
    table = stock_take();
    if (!table)
        table = mmk_page_alloc(0, flags | MMK_ALLOC_ZERO | MMK_ALLOC_STAYS);
    if (!table)
        return NULL;
    mmk_frame_note(table, 0, MMK_FRAME_TABLE);
    mmk_page_set_type(table, MMK_PAGE_TABLE);
    mmk_spin_init(&table->table.lock);
    table->table.level = level;
    mmk_pte_ref_init(table, NULL, 0);
    mmk_aptr_store(&table->table.vma, NULL, MMK_RELAXED);
    if (mmk_unlikely(flags & MMK_ALLOC_NORECLAIM) && mm->group) {
        mmk_charge_anyway(mm->group, table, MMK_CHARGE_TABLE);
        return table;
    }
    if (mmk_likely(mmk_charge(mm->group, table, MMK_CHARGE_TABLE, flags)))
        return table;
    mmk_table_free(table);
    return NULL;
}

struct mmk_page *mmk_table_alloc(struct mmk_mm *mm, unsigned level)
{
    return alloc(mm, level, MMK_ALLOC_NORMAL);
}

struct mmk_page *mmk_table_alloc_at_hand(struct mmk_mm *mm, unsigned level)
{
    return alloc(mm, level, MMK_ALLOC_NOWAIT);
}

struct mmk_page *mmk_table_alloc_nowait(struct mmk_mm *mm, unsigned level)
{
    return alloc(mm, level, MMK_ALLOC_NOWAIT | MMK_ALLOC_NORECLAIM);
}

struct mmk_page *mmk_table_alloc_root(struct mmk_mm *mm)
{
    struct mmk_page *root = mmk_table_alloc(mm, MMK_PT_LEVELS - 1);
    const unsigned first = mmk_pt_user_entries();

    if (!root)
        return NULL;
    root->table.mm = mm;
    if (MMK_ROOT_SHARED && first < MMK_PT_ENTRIES)
        mmk_root_fill((uint64_t *)mmk_page_virt(root), first, MMK_PT_ENTRIES, mmk_page_phys(root));
    return root;
}

/* The kernel's half goes, so that the table is all zero for whoever takes it next. */
static void clear_kernel_half(struct mmk_page *root)
{
    const unsigned first = mmk_pt_user_entries();
    uint64_t *entries = (uint64_t *)mmk_page_virt(root);

    if (!MMK_ROOT_SHARED || first == MMK_PT_ENTRIES)
        return;
    mmk_root_release(entries, first, MMK_PT_ENTRIES, mmk_page_phys(root));
    memset(entries + first, 0, (MMK_PT_ENTRIES - first) * sizeof(*entries));
}

void mmk_table_free_root(struct mmk_page *root)
{
    mmk_assert(mmk_table_live_private(root) == 0,
               "T2 an address space that ends has no entries left");
    clear_kernel_half(root);
    mmk_table_free(root);
}

/* The tables above go first: it is by the lower one's descriptor that the next is found. */
static void give_back_above(struct mmk_page *table)
{
    unsigned above = table->table.above;
    struct mmk_a64 *entry = mmk_table_last_pmd(table), *next;

    for (; above > 0; above--, entry = next) {
        table = mmk_virt_to_page(entry);
        next = mmk_table_last_pmd(table);
        mmk_frame_note(table, 0, MMK_FRAME_SPARE); /* nobody is in it */
        mmk_frame_note(table, 0, MMK_FRAME_TABLE); /* but us */
        mmk_pte_drop(entry);
        mmk_pte_put_private(table, 1);
        mmk_table_free(table);
    }
}

/* How many there are, by the lowest. */
static uint64_t path_tables(const struct mmk_page *table)
{
    return 1 + (uint64_t)table->table.above;
}

static uint64_t path_bytes(const struct mmk_page *table)
{
    return path_tables(table) << MMK_PAGE_SHIFT;
}

static void free_after_grace_period(struct mmk_rcu_head *head)
{
    struct mmk_page *table =
        (struct mmk_page *)((char *)head - offsetof(struct mmk_page, table.rcu));
    uint64_t bytes = path_bytes(table);

    if (!MMK_MISTAKE(PATH_WITHOUT_GRACE))
        give_back_above(table);
    mmk_table_free(table);
    mmk_waiting_done(MMK_WAITING_TABLES, bytes);
}

static void drop_hints(struct mmk_page *table)
{
    unsigned above = table->table.above;

    mmk_vma_hint_drop(table);
    for (; above > 0; above--) {
        table = table->table.upper;
        mmk_vma_hint_drop(table);
    }
}

/* A path, by its lowest table. => flushed; nobody but old readers can find it */
static void wait_for_grace_period(struct mmk_page *table)
{
    mmk_assert(mmk_table_is_dead(table), "T1 what waits for a grace period is dead");
    mmk_mm_count_made(-(int64_t)path_tables(table));
    drop_hints(table);
    if (MMK_MISTAKE(PATH_WITHOUT_GRACE))
        give_back_above(table);
    mmk_waiting_call(MMK_WAITING_TABLES, path_bytes(table), &table->table.rcu,
                     free_after_grace_period);
}

/* Comes into limbo; one may have to leave it for that. */
MMK_ALWAYS_INLINE void make_room(struct mmk_page *leaves)
{
    if (leaves)
        wait_for_grace_period(leaves);
}

void mmk_table_keep(struct mmk_mm *mm, struct mmk_page *table)
{
    make_room(mmk_limbo_put_back(mm, table));
}

/* For a port that wants to know. */
static void note_waiting(const struct mmk_page *table)
{
    unsigned above = table->table.above;

    if (!MMK_FRAME_NOTES)
        return;
    mmk_frame_note(table, 0, MMK_FRAME_WAITING);
    for (; above > 0; above--) {
        table = table->table.upper;
        mmk_frame_note(table, 0, MMK_FRAME_WAITING);
    }
}

/* What has no leaf table was cut off its path: nobody will look for it. */
void mmk_table_retire(struct mmk_mm *mm, struct mmk_page *table)
{
    note_waiting(table);
    if (MMK_MISTAKE(TABLE_WITHOUT_GRACE)) {
        mmk_mm_count_made(-(int64_t)path_tables(table));
        drop_hints(table);
        give_back_above(table);
        mmk_table_free(table);
    } else if (mmk_likely(mmk_a32_load(&mm->users, MMK_RELAXED) != 0 && table->table.level == 0)) {
        make_room(mmk_limbo_put(mm, table));
    } else {
        wait_for_grace_period(table);
    }
}

static void leave_limbo(unsigned cpu, const struct mmk_mm *mm)
{
    struct mmk_page *table;

    while ((table = mmk_limbo_take_any(cpu, mm)) != NULL)
        wait_for_grace_period(table);
}

void mmk_table_drain_limbo(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        if (mmk_cpu_is_online(cpu))
            leave_limbo(cpu, NULL);
}

void mmk_table_forget(const struct mmk_mm *mm)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        if (mmk_cpu_is_online(cpu))
            leave_limbo(cpu, mm);
}

void mmk_table_drain_cpu(unsigned cpu)
{
    struct stock *stock = &stocks[cpu];
    uint32_t count = mmk_a32_load(&stock->count, MMK_RELAXED);

    leave_limbo(cpu, NULL);
    while (count > 0)
        mmk_page_put(stock->table[--count]);
    mmk_a32_store(&stock->count, 0, MMK_RELAXED);
}
