/* SPDX-License-Identifier: MIT */
/*
 * check.c - checks of the invariants, by a walk of everything.
 *
 * Reads without locks: its callers see to it that nothing changes what is looked at, but for the
 * counts of pages that other address spaces share. The counters are compared with what the walk
 * counts; nothing here trusts what it checks.
 */
#include <mmkit/check.h>

#include "account.h"
#include "anon.h"
#include "charge.h"
#include "frame.h"
#include "huge.h"
#include "mm.h"
#include "object.h"
#include "pte_group.h"
#include "rmap_walk.h"
#include "slab.h"
#include "swap_cache.h"
#include "table.h"
#include "zap.h"

/* At the counts of a page, before they are said to be wrong. */
#define LOOKS 1000

/* What a walk of an address space has counted. */
struct census {
    struct mmk_mm *mm;
    uint64_t rss[4]; /* by MMK_COUNT_RSS_*, and SWAP */
    uint64_t tables[MMK_PT_LEVELS];
    uint64_t huge, huge_zero, huge_upper;
};

/* Nothing runs that could take a mapping out: neither RCU nor the mmap lock is needed. */
static struct mmk_vma *find_vma(const struct mmk_mm *mm, mmk_vaddr_t addr) MMK_NO_TSA
{
    return mmk_vma_tree_find_rcu(&mm->vmas, addr);
}

static struct mmk_vma *vma_at(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_vma *vma = find_vma(mm, addr);

    return vma && mmk_vma_start(vma) <= addr ? vma : NULL;
}

/*
 * F1 of a page: its mappings, its pins and `more` hold a reference each. Other address spaces may
 * map, pin and let go of the page meanwhile, and its counts are read one after the other: those of
 * different moments need not agree. But there is no moment in which a reference is missing, unless
 * it is missing for good: then it still is after many looks.
 */
static bool is_referenced(const struct mmk_page *page, uint32_t more)
{
    uint32_t held;
    unsigned looks;

    for (looks = 0; looks < LOOKS; looks++) {
        held = more + mmk_page_mapcount(page);
        held += mmk_a32_load(&page->user.pins, MMK_RELAXED);
        if (mmk_page_refs(page) >= held)
            return true;
        mmk_cpu_relax();
    }
    return false;
}

/*
 * R1 of one entry and its page: the way back finds the entry, and no more than the page counts. As
 * above, others may be at work, and be between counting and setting an entry for long: that none is
 * counted too many mmk_check_frames() finds.
 */
static void check_way_back(struct mmk_page *page, const struct mmk_mm *mm, mmk_vaddr_t addr)
{
    bool found = false, enough = false;
    unsigned looks;

    for (looks = 0; looks < LOOKS && !enough; looks++) {
        uint32_t entries = mmk_rmap_count(page, mm, addr, &found);

        enough = entries <= mmk_page_mapcount(page);
        mmk_assert(found, "R1 the way back from a page finds an entry that maps it");
    }
    mmk_assert(enough, "R1 the way back from a page finds no more entries than it counts");
}

static void check_anon_leaf(const struct mmk_vma *vma, mmk_pte_t pte, const struct mmk_page *page)
{
    uint32_t mapcount = mmk_page_mapcount(page);
    uint32_t pins = mmk_a32_load(&page->user.pins, MMK_RELAXED);
    bool exclusive = mmk_page_test(page, MMK_PF_EXCLUSIVE);

    mmk_assert(!(mmk_vma_flags(vma) & MMK_VM_SHARED), "R1 a shared mapping has no private page");
    mmk_assert(mmk_vma_anon(vma) != 0, "AN1 a mapping with private pages has a number");
    mmk_assert(mapcount >= 1 && is_referenced(page, 0),
               "F1 every mapping and pin of an anonymous page holds a reference");
    mmk_assert(pins == 0 || exclusive,
               "P9 a pinned anonymous page is exclusive while it is mapped");
    mmk_assert(!exclusive || (mapcount == 1 && mmk_page_kin(page) == vma->mm->kin),
               "P9 an exclusive page has one mapping, its owner's");
    mmk_assert(!mmk_pte_write(pte) || exclusive, "P9 a writable anonymous page is exclusive");
    mmk_assert(mmk_page_group(page) == vma->mm->group, "GR1 a family pays for its private pages");
}

static void check_object_leaf(const struct mmk_vma *vma, mmk_pte_t pte, const struct mmk_page *page,
                              mmk_vaddr_t addr)
{
    uint64_t size;

    mmk_assert(vma->object && mmk_aptr_load(&page->user.object, MMK_RELAXED) == vma->object,
               "R1 an object's page is mapped by a VMA of that object");
    size = mmk_a64_load(&vma->object->size, MMK_RELAXED);
    mmk_assert(page->user.index == mmk_vma_index(vma, addr), "R1 at the place of its index");
    mmk_assert(page->user.index << MMK_PAGE_SHIFT < size, "P4 below the object's size");
    mmk_assert(mmk_page_mapcount(page) >= 1 && is_referenced(page, 1),
               "F1 every mapping, every pin and the index hold a reference");
    mmk_assert(!mmk_pte_write(pte) || (mmk_vma_flags(vma) & MMK_VM_SHARED),
               "an object's page is writable through shared mappings only");
}

/* Of an entry that is present: what it allows. */
static void check_permissions(const struct mmk_vma *vma, mmk_pte_t pte)
{
    uint64_t flags = mmk_vma_flags(vma);

    mmk_assert(mmk_pte_accessible(pte) == mmk_vma_accessible(flags),
               "an entry is accessible when its VMA is");
    mmk_assert(!mmk_pte_write(pte) || (flags & MMK_VM_WRITE), "a writable entry's VMA allows it");
    mmk_assert(mmk_pte_exec(pte) == !!(flags & MMK_VM_EXEC), "an entry may be executed as its VMA");
}

/* A frame that is not counted: no RSS. */
static void check_special_leaf(const struct mmk_vma *vma, mmk_pte_t pte)
{
    if (mmk_vma_has_frames(vma)) {
        mmk_assert(mmk_vma_flags(vma) & MMK_VM_SHARED, "frames of others are mapped shared only");
        return;
    }
    mmk_assert(mmk_pfn_to_page(mmk_pte_pfn(pte)) == mmk_zero_page() && !vma->object &&
                   !mmk_pte_write(pte),
               "P18 a special entry is the zero page, read-only, anonymous, or another's frame");
}

static void check_normal_leaf(struct census *census, const struct mmk_vma *vma, mmk_pte_t pte,
                              mmk_vaddr_t addr)
{
    struct mmk_page *page = mmk_pte_page(pte);

    mmk_assert(page, "an entry that is not none maps a frame");
    mmk_assert(page != mmk_zero_page(), "P18 the zero page's entries are special");
    if (mmk_page_type(page) == MMK_PAGE_ANON) {
        check_anon_leaf(vma, pte, page);
    } else {
        mmk_assert(mmk_page_type(page) == MMK_PAGE_OBJECT, "R1 an entry maps a user page");
        check_object_leaf(vma, pte, page, addr);
    }
    check_way_back(page, census->mm, addr);
    census->rss[mmk_page_rss_kind(page)]++;
}

/*
 * A swap entry holds its slot. That it is no more than one of those who do, as of a page's
 * mappings, is seen when all are gone.
 */
static void check_swap(struct census *census, const struct mmk_vma *vma, mmk_pte_t pte)
{
    mmk_assert(!(mmk_vma_flags(vma) & MMK_VM_SHARED), "R1 a shared mapping has no private page");
    mmk_assert(mmk_vma_anon(vma) != 0, "AN1 a mapping with private pages has a number");
    mmk_assert(mmk_slot_refs(mmk_pte_slot(pte)) > 0, "F1 a swap entry has a reference to its slot");
    census->rss[MMK_COUNT_SWAP]++;
}

static void check_leaf(struct census *census, mmk_pte_t pte, mmk_vaddr_t addr)
{
    const struct mmk_vma *vma = vma_at(census->mm, addr);

    mmk_assert(vma, "R1 an entry lies in a VMA");
    if (mmk_pte_guard(pte)) {
        mmk_assert(mmk_vma_flags(vma) & MMK_VM_GUARDED, "a VMA with guards says so");
        return;
    }
    if (mmk_pte_swap(pte)) {
        check_swap(census, vma, pte);
        return;
    }
    mmk_assert(mmk_pte_present(pte), "an entry that is not none maps a frame, or is a marker");
    check_permissions(vma, pte);
    if (mmk_pte_special(pte))
        check_special_leaf(vma, pte);
    else
        check_normal_leaf(census, vma, pte, addr);
}

/* HZ1, HZ2 */
static void check_huge_zero(struct census *census, const struct mmk_vma *vma, mmk_pte_t pte)
{
    mmk_assert(mmk_huge_zero_is(census->mm, mmk_pte_pfn(pte)),
               "HZ2 who maps the larger page of zeros has a share of it");
    mmk_assert(!mmk_pte_write(pte), "HZ1 the larger page of zeros is read-only");
    check_permissions(vma, pte);
    census->huge_zero++;
}

/* Nobody's memory, as small ones. */
static void check_huge_frames(struct census *census, const struct mmk_vma *vma, mmk_pte_t pte)
{
    mmk_assert(mmk_vma_has_frames(vma), "HG1 a special larger page is zeros, or others' frames");
    check_special_leaf(vma, pte);
    check_permissions(vma, pte);
    census->huge++;
}

/* HG1 */
static void check_huge(struct census *census, mmk_pte_t pte, unsigned level, mmk_vaddr_t base)
{
    const struct mmk_vma *vma = vma_at(census->mm, base);
    unsigned i;

    mmk_assert(vma && mmk_vma_end(vma) - base >= mmk_pt_entry_span(level),
               "HG1 a larger page lies in one VMA");
    mmk_assert((mmk_pte_pfn(pte) & (mmk_pt_entry_pages(level) - 1)) == 0,
               "HG1 a larger page is aligned");
    mmk_assert(level == MMK_HUGE_LEVEL || (level <= MMK_HUGE_TOP && mmk_vma_has_frames(vma)),
               "HG1 a larger page of a higher level is of others' frames");
    if (level > MMK_HUGE_LEVEL)
        census->huge_upper++;
    if (mmk_pte_huge_zero(pte)) {
        mmk_assert(!vma->object, "HZ1 zeros are anonymous memory's");
        check_huge_zero(census, vma, pte);
        return;
    }
    if (mmk_pte_special(pte)) {
        check_huge_frames(census, vma, pte);
        return;
    }
    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        mmk_assert(mmk_page_type(mmk_pte_page(pte) + i) ==
                       (vma->object ? MMK_PAGE_OBJECT : MMK_PAGE_ANON),
                   "HG1 a larger page's frames are private pages, or an object's");
        check_leaf(census, mmk_pte_piece(pte, i), base + i * MMK_PAGE_SIZE);
    }
    census->huge++;
}

/* => table: not the root */
static bool hint_is_ours(const struct census *census, const struct mmk_page *table)
{
    const struct mmk_vma *hint = mmk_aptr_load(&table->table.vma, MMK_RELAXED);

    return !hint || hint->mm == census->mm;
}

/* The table's own fields. `parent` is the entry that links it; NULL: it is the root. */
static void check_table_fields(const struct census *census, struct mmk_page *table,
                               const struct mmk_a64 *parent, unsigned level)
{
    mmk_assert(table && mmk_page_type(table) == MMK_PAGE_TABLE, "T1 an upper entry links a table");
    mmk_assert(!mmk_table_is_dead(table), "T1 a linked table is not dead");
    mmk_assert(mmk_pte_to_pmd(mmk_table_entries(table)) == parent,
               "T1 a table knows the entry that links it");
    mmk_assert(table->table.level == level, "T1 a table knows its level");
    mmk_assert(level == MMK_PT_LEVELS - 1 || hint_is_ours(census, table),
               "VH1 a table's hint is of its address space");
    mmk_assert(mmk_page_refs(table) == 1, "F1 a table has one reference");
    mmk_assert(mmk_page_group(table) == census->mm->group, "GR1 who has a table pays for it");
    mmk_assert(!mmk_spin_is_locked(&table->table.lock), "a quiet table is not locked");
}

/* T3, as far as the policy promises it. => nothing runs */
static bool is_used(const struct mmk_page *table)
{
    return table->table.live != 0 || table->table.pins != 0 ||
           mmk_config.table_policy != MMK_TABLES_MMKIT;
}

/* PG1. => entry: of a leaf table */
static void check_group(struct mmk_a64 *entry, mmk_pte_t pte)
{
    struct mmk_a64 *first = mmk_pte_group_first(entry);
    mmk_pte_t head = mmk_pte_mkold(mmk_pte_read(first));
    uint64_t i = (uint64_t)(entry - first);

    mmk_assert(mmk_pte_grouped(head), "PG1 a group is all there");
    mmk_assert(mmk_pte_pfn(head) % MMK_PT_GROUP == 0, "PG1 a group's frames are aligned");
    mmk_assert(mmk_pte_mkold(pte).v == mmk_pte_to_frame(head, mmk_pte_pfn(head) + i).v,
               "PG1 a group's entries are alike, its frames in a row");
    mmk_assert(mmk_pte_accessible(pte) && mmk_pte_write(pte) && mmk_pte_dirty(pte),
               "PG1 a group may be written to, and is dirty");
    mmk_assert(mmk_page_type(mmk_pte_page(pte)) == MMK_PAGE_ANON, "PG1 a group is private memory");
    for (i = 0; i < MMK_PT_GROUP; i++)
        mmk_assert(mmk_pte_grouped(mmk_pte_read(&first[i])), "PG1 a group is all there");
}

/* Recursion is as deep as the tables: five at most. */
static void check_table(struct census *census, struct mmk_page *table, const struct mmk_a64 *parent,
                        unsigned level, mmk_vaddr_t base)
{
    struct mmk_a64 *entries;
    uint32_t live = 0;
    unsigned i;

    check_table_fields(census, table, parent, level);
    census->tables[level]++;
    entries = mmk_table_entries(table);
    for (i = 0; i < (parent ? MMK_PT_ENTRIES : mmk_pt_user_entries()); i++) {
        mmk_pte_t pte = mmk_pte_read(&entries[i]);
        mmk_vaddr_t addr = base + i * mmk_pt_entry_span(level);

        if (mmk_pte_none(pte))
            continue;
        live++;
        if (mmk_pte_grouped(pte)) {
            mmk_assert(level == 0, "PG1 groups are of leaf entries");
            check_group(&entries[i], pte);
        }
        if (level == 0)
            check_leaf(census, pte, addr);
        else if (mmk_pte_huge(pte))
            check_huge(census, pte, level, addr);
        else
            check_table(census, mmk_pte_table(pte), &entries[i], level - 1, addr);
    }
    mmk_assert(live == table->table.live, "T2 live equals the entries that are not none");
    mmk_assert(is_used(table) || !parent, "T3 no linked table below the root is empty");
}

/* R1: a VMA that has moved is in the tree of its address space's kin, and no other is. */
static void check_moved(const struct mmk_mm *mm, const struct mmk_vma *vma)
{
    uint64_t shift = mmk_vma_shift(vma), first = vma->moved.first, last = vma->moved.last;
    const struct mmk_interval *node;

    mmk_assert(vma->object || shift == mmk_vma_origin(vma),
               "AN4 anonymous memory moves as a whole");
    if (shift == 0)
        return;
    node = mmk_interval_first(&mm->kin->moved, first, last);
    while (node && node != &vma->moved)
        node = mmk_interval_next(node, first, last);
    mmk_assert(node, "R1 a VMA that has moved is found by its pages' indices");
    mmk_assert((first == mmk_vma_anon_index(vma, mmk_vma_start(vma)) &&
                last == mmk_vma_anon_index(vma, mmk_vma_end(vma) - 1)) ||
                   (first == 0 && last == UINT64_MAX),
               "R1 a moved VMA's indices are its range");
}

static void check_vma(struct mmk_mm *mm, const struct mmk_vma *vma)
{
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    uint64_t lock = mmk_vma_flags(vma) & MMK_VM_LOCK;
    uint64_t numbers = mmk_a64_load(&mm->anon_source, MMK_RELAXED);

    mmk_assert(mmk_vma_anon(vma) >> 1 <= numbers, "AN2 a number is one that was given out");
    mmk_assert(lock != MMK_VM_LOCKONFAULT, "ML1 LOCKONFAULT comes with LOCKED");
    mmk_assert(!lock || !mmk_vma_has_frames(vma), "ML2 frames that are not mmkit's are not locked");
    mmk_assert(vma->mm == mm, "a VMA knows its address space");
    mmk_assert(start < end && end <= MMK_USER_END && !((start | end) & ~MMK_PAGE_MASK),
               "a VMA is whole pages of the user half");
    check_moved(mm, vma);
    if (vma->object)
        mmk_assert(vma->interval.first == mmk_vma_index(vma, start) &&
                       vma->interval.last == mmk_vma_index(vma, end - 1),
                   "R1 a VMA's interval is its range");
    else
        mmk_assert(!(mmk_vma_flags(vma) & MMK_VM_SHARED), "a shared mapping has an object");
}

static void check_kin(const struct mmk_mm *mm)
{
    mmk_assert(mm->kin->mm == mm, "KN1 an address space has a place in its family");
    mmk_interval_tree_check(&mm->kin->moved);
}

static void check_vmas(struct mmk_mm *mm) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *vma = find_vma(mm, 0);
    const struct mmk_usage *said = mmk_mm_usage(mm);
    struct mmk_usage usage = {0};
    uint64_t flags, count = 0;

    mmk_vma_tree_check(&mm->vmas);
    check_kin(mm);
    while (vma) {
        check_vma(mm, vma);
        flags = mmk_vma_flags(vma);
        mmk_usage_add(&usage, flags, (int64_t)mmk_vma_size(vma));
        count++;
        vma = find_vma(mm, mmk_vma_end(vma));
    }
    mmk_assert(usage.virt == said->virt, "C1 mapped bytes equal the VMAs' sizes");
    mmk_assert(usage.data == said->data && usage.stack == said->stack,
               "C1 data and stack equal the VMAs' sizes");
    mmk_assert(usage.locked == said->locked, "C1 locked bytes equal the VMAs' sizes");
    mmk_assert(usage.committed == said->committed && mm->charged == said->committed,
               "C1 committed bytes equal the VMAs' sizes and what was charged");
    mmk_assert(count == mm->vmas.count, "C1 vmas equals the VMAs in the tree");
}

void mmk_check(struct mmk_mm *mm)
{
    struct census census = {.mm = mm};
    unsigned level;
    int kind;

    mmk_mm_is_private(mm);
    check_vmas(mm);
    check_table(&census, mm->root, NULL, MMK_PT_LEVELS - 1, 0);
    for (kind = 0; kind < 4; kind++)
        mmk_assert(census.rss[kind] == mmk_mm_counter(mm, (enum mmk_counter)kind),
                   "C1 RSS, and what is in swap, equal the entries");
    mmk_assert(census.huge == mmk_mm_counter(mm, MMK_COUNT_HUGE) &&
                   census.huge_zero == mmk_mm_counter(mm, MMK_COUNT_HUGE_ZERO) &&
                   census.huge_upper == mmk_mm_counter(mm, MMK_COUNT_HUGE_UPPER),
               "C1 larger pages equal their entries");
    for (level = 0; level < MMK_PT_LEVELS; level++)
        mmk_assert(census.tables[level] == mmk_mm_tables(mm, level),
                   "C1 tables equal those linked");
    mmk_assert(mmk_mm_flush_pending(mm) == 0 && !mmk_mm_flush_unasked(mm),
               "P2 no flush is pending");
}

/* The leaf table that holds addr, without those above it. */
static void check_leaf_table(struct mmk_mm *mm, const struct mmk_walk *walk)
{
    struct census census = {.mm = mm};

    check_table(&census, walk->table, walk->parent, 0, mmk_pt_base(walk->addr, 0));
}

void mmk_check_address(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    const struct mmk_vma *vma;
    struct mmk_walk walk;

    if (addr >= MMK_USER_END)
        return;
    vma = vma_at(mm, addr);
    if (vma)
        check_vma(mm, vma);
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    mmk_rcu_read_unlock();
    if (walk.level == 0)
        check_leaf_table(mm, &walk);
    else
        mmk_assert(is_used(walk.table) || !walk.parent,
                   "T3 no linked table below the root is empty");
}

static void check_offline_cpus(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        mmk_assert(mmk_cpu_is_online(cpu) || (!mmk_frames_cached(cpu) && !mmk_table_stocked(cpu) &&
                                              !mmk_slab_cached(cpu)),
                   "a CPU that is offline caches nothing");
}

/* R1, with all of them: a page counts the entries that the way back finds. */
static void check_page(struct mmk_page *page)
{
    enum mmk_page_type type = mmk_page_type(page);
    uint32_t entries;
    bool found;

    if ((type != MMK_PAGE_ANON && type != MMK_PAGE_OBJECT) || mmk_page_refs(page) == 0)
        return;
    entries = mmk_rmap_count(page, NULL, 0, &found);
    mmk_assert(entries == mmk_page_mapcount(page),
               "R1 the way back from a page finds all the entries that it counts");
}

static void check_pages(void)
{
    uint32_t i, count = mmk_a32_load(&mmk_range_count, MMK_RELAXED);
    mmk_pfn_t pfn;

    for (i = 0; i < count; i++)
        for (pfn = mmk_ranges[i].start; pfn < mmk_ranges[i].end; pfn++)
            check_page(mmk_pfn_to_page(pfn));
}

void mmk_check_frames(void)
{
    mmk_host_rcu_barrier(); /* callbacks free frames on a CPU of their own */
    check_offline_cpus();
    mmk_frame_check();
    mmk_slab_check();
    check_pages();
}

void mmk_check_object(struct mmk_object *object)
{
    mmk_object_check(object);
}

void mmk_check_group(struct mmk_group *group)
{
    mmk_host_rcu_barrier(); /* tables are charged until then */
    mmk_charge_check(group);
}
