/* SPDX-License-Identifier: MIT */
/*
 * physical.c - all of physical memory as one object, page index = frame number: what
 * mmk_map_frames() maps, as /dev/mem is on Linux.
 *
 * It is there from mmk_init() on, belongs to nobody, and takes no memory; its interval tree holds
 * every such mapping of every address space.
 *
 * Its mappings must work in a kernel without a page-fault handler, so all entries are made before
 * the VMA is there. Nobody else meets them until then: faults and advice find a hole, and whoever
 * maps or unmaps wants the mmap lock. So where larger pages are possible, and address and frame lie
 * alike in one, it is one entry (huge.h), as a child's fault makes it again.
 */
#include "physical.h"

#include "huge.h"
#include "object.h"
#include "table.h"
#include "zap.h"

static struct mmk_object physical;

static int same_frame(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = index;
    return 0;
}

/* All of physical memory lies side by side. */
static int64_t same_frames(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn)
{
    (void)object;
    *pfn = index;
    return (int64_t)((MMK_PHYS_END >> MMK_PAGE_SHIFT) - index);
}

void mmk_physical_module_init(void)
{
    static const struct mmk_object_ops ops = {.frame = same_frame, .frame_run = same_frames};

    mmk_object_init(&physical, &ops, MMK_PHYS_END, NULL);
}

struct mmk_object *mmk_physical_object(void)
{
    return &physical;
}

/* What is left to do. */
struct fill {
    struct mmk_mm *mm;
    mmk_vaddr_t addr, end;
    uint64_t flags;
    mmk_pfn_t pfn; /* for addr */
    struct mmk_chain chain;
};

/* What the next page's entry is to be. */
static mmk_pte_t leaf(const struct fill *fill)
{
    bool write = (fill->flags & MMK_VM_WRITE) != 0, exec = (fill->flags & MMK_VM_EXEC) != 0;

    return mmk_pte_mkspecial(mmk_pte_leaf(fill->pfn, write, exec));
}

/* Entries from `entry` on, none until now, up to `end`. => how many; table locked, or private */
static uint32_t fill_entries(struct fill *fill, struct mmk_a64 *entry, mmk_vaddr_t end)
{
    uint32_t count = (uint32_t)((end - fill->addr) >> MMK_PAGE_SHIFT);

    for (; fill->addr < end; fill->addr += MMK_PAGE_SIZE, fill->pfn++, entry++)
        mmk_pte_set(entry, leaf(fill));
    return count;
}

/* The level of the larger page that may be next, where `lacks` levels have no table; 0: none */
static unsigned larger_level(const struct fill *fill, unsigned lacks)
{
    unsigned level = lacks < MMK_HUGE_TOP ? lacks : MMK_HUGE_TOP;

    if (!mmk_huge_possible())
        return 0;
    while (level > 0 && (fill->addr != mmk_pt_entry_base(fill->addr, level) ||
                         fill->end - fill->addr < mmk_pt_entry_span(level) ||
                         (fill->pfn & (mmk_pt_entry_pages(level) - 1)) != 0))
        level--;
    return level;
}

/* HG2: the mmap lock is held for writing. => walk locked, chain ready */
static void fill_larger(struct fill *fill, struct mmk_walk *walk, unsigned level)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_mkhuge(mmk_pte_mkdirty(leaf(fill)));

    mmk_walk_set_huge(walk, &fill->chain, pte, level);
    mmk_huge_count(fill->mm, pte, level, 1);
    fill->addr += mmk_pt_entry_span(level);
    fill->pfn += mmk_pt_entry_pages(level);
}

/*
 * One leaf table: the one that is there, or one that is linked when it is full. Or a larger page.
 * => chain ready
 */
static void fill_table(struct fill *fill)
{
    mmk_vaddr_t end = mmk_min(fill->end, mmk_pt_base(fill->addr, 0) + mmk_pt_table_span(0));
    struct mmk_page *table = fill->chain.table[0];
    struct mmk_walk walk;
    unsigned level;

    mmk_rcu_read_lock();
    mmk_walk_lock(fill->mm, fill->addr, &walk);
    level = larger_level(fill, walk.level);
    if (level > 0) {
        fill_larger(fill, &walk, level);
    } else if (walk.level == 0) {
        mmk_pte_get_many(walk.table, fill_entries(fill, walk.entry, end));
    } else {
        mmk_pte_get_private(
            table, fill_entries(fill, &mmk_table_entries(table)[mmk_pt_index(walk.addr, 0)], end));
        mmk_walk_link(&walk, &fill->chain);
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* Takes them out again, before a VMA has come. */
static void clear(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct mmk_gather gather;

    mmk_gather_begin_range(&gather, mm, start, end, MMK_NOTIFY_UNMAP);
    mmk_gather_policy(&gather, MMK_GATHER_UNMAP, start, end);
    mmk_zap_range(&gather, start, end, MMK_ZAP_ALL);
    mmk_gather_finish(&gather);
}

int mmk_physical_fill(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint64_t flags,
                      mmk_paddr_t phys)
{
    struct fill fill = {
        .mm = mm, .addr = start, .end = end, .flags = flags, .pfn = phys >> MMK_PAGE_SHIFT};
    int error = 0;

    mmk_chain_init(&fill.chain);
    while (fill.addr < end && !error) {
        error = MMK_EINTR;
        if (!mmk_mm_killed(mm))
            error = mmk_chain_prepare(&fill.chain, mm, MMK_PT_LEVELS - 1);
        if (!error)
            fill_table(&fill);
    }
    mmk_chain_discard(&fill.chain);
    if (error)
        clear(mm, start, fill.addr);
    return error;
}
