/* SPDX-License-Identifier: MIT */
/*
 * fault_around.c - a fault that reads an object's page maps its neighbours, too.
 *
 * Who reads a file in one place reads beside it soon, and an entry costs a small part of a fault.
 * So what the object has in memory around the address, within mmk_config.fault_around, is mapped in
 * the same go: under one lock of the table, and counted once. The window is aligned to its size, so
 * that it lies in one leaf table; it ends with the mapping, and with the object.
 *
 * FA1 A page around is mapped as a fault on it would have: locked, and under its lock known to
 *     belong to the object and to lie below its size (P4); in an entry that is none, and not of an
 *     address space that was killed.
 * FA2 It waits for nothing, and nothing is allocated for it: page locks are tried, and a leaf table
 *     comes with the page that was asked for, or is there already. They are tried with that page's
 *     lock held, and let go of before anything sleeps.
 * FA3 Its entry is old: nobody has used it. Reclaim finds a page that is never touched as unused as
 *     it is, and shrink.c a table.
 * FA4 Where an entry that is none may still be cached (P2, P7), only the page that was asked for is
 *     mapped, with its flush.
 *
 * Locks: as the fault. Of page locks it has up to BATCH, tried, so in no order; each is dropped
 * when the table's is.
 *
 * Entries that are there are passed by before their pages are looked for: else a program that reads
 * a file in order would, with each page that has to be read in, lock all those before it.
 *
 * A write maps one page: a shared one would get dirty, and a private one is a copy. Advice makes no
 * difference, as on Linux: MADV_RANDOM is about what is not in memory.
 *
 * Rejected: asking the object for the pages first, and for the one that is wanted only if it was
 * not among them (Linux): that would be a second lock of the table where it was not.
 */
#include "fault.h"

#include "object.h"
#include "planted.h"

/* Pages: a larger window takes several goes; so does all of a table, be it as small as in tests. */
#define BATCH (MMK_PT_ENTRIES < 32 ? 2 : 32)

struct mmk_around {
    uint64_t next, last; /* indices: of the window, what has not been looked at */
    uint64_t slots;      /* what has to be added to an index to have its place in the table */
    uint32_t n;          /* pages found: locked, each with a reference */
    uint32_t set;        /* bit i: page[i] is mapped, and the reference its entry's */
    uint32_t mapped;     /* in all goes */
    struct mmk_page *page[BATCH];
};

_Static_assert(BATCH <= 32, "mmk_around.set");

/* => false: just the page that is wanted */
static bool begin(struct mmk_around *around, const struct mmk_vmf *vmf)
{
    uint64_t size = mmk_config.fault_around;
    mmk_vaddr_t start, end, first = vmf->addr & ~(size - 1);

    if (size <= MMK_PAGE_SIZE || mmk_fault_forced(vmf, false))
        return false;
    start = mmk_vma_start(vmf->vma);
    start = mmk_max(start, first);
    end = mmk_vma_end(vmf->vma);
    end = mmk_min(end, first + size);
    around->next = mmk_vma_index(vmf->vma, start);
    around->last = mmk_vma_index(vmf->vma, end - 1);
    around->slots = mmk_pt_index(vmf->addr, 0) - mmk_vma_index(vmf->vma, vmf->addr);
    around->n = 0;
    around->set = 0;
    around->mapped = 0;
    return start + MMK_PAGE_SIZE < end;
}

/* The entry of the object's page at `index`, in that leaf table. */
static struct mmk_a64 *entry_of(const struct mmk_around *around, const struct mmk_page *leaf,
                                uint64_t index)
{
    return &mmk_table_entries(leaf)[index + around->slots];
}

/* Is there nothing at the index that is next? => inside the RCU read section of the walk */
static bool next_is_none(const struct mmk_around *around, const struct mmk_walk *walk)
{
    return walk->level > 0 ||
           mmk_pte_none(mmk_pte_read(entry_of(around, walk->table, around->next)));
}

/* The next page that could be mapped: not there yet, in memory, and its lock is to be had. */
static struct mmk_page *find_next(struct mmk_around *around, const struct mmk_walk *walk,
                                  struct mmk_object *object) MMK_REQUIRES_SHARED(mmk_rcu)
{
    uint64_t first = around->next;
    struct mmk_page *page;

    if (!next_is_none(around, walk))
        return NULL;
    page = mmk_object_next_page_rcu(object, &around->next, around->last);
    if (!page) {
        around->next = around->last;
        return NULL;
    }
    if (around->next != first && !next_is_none(around, walk))
        return NULL;
    return mmk_object_try_page_rcu(object, around->next, page);
}

/* A planted mistake: does somebody else have the page locked that would be next? */
static bool is_busy(const struct mmk_vmf *vmf, const struct mmk_around *around,
                    const struct mmk_walk *walk)
{
    return around->next != mmk_vma_index(vmf->vma, vmf->addr) && next_is_none(around, walk);
}

void mmk_around_find(struct mmk_vmf *vmf, struct mmk_around *around) MMK_NO_TSA
{
    struct mmk_page *page;
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    if (vmf->speculates)
        walk = vmf->kept;
    else
        mmk_walk_rcu(vmf->mm, vmf->addr, &walk);
    for (; around->next <= around->last && around->n < BATCH; around->next++) {
        page = find_next(around, &walk, vmf->vma->object);
        if (!page) {
            if (MMK_MISTAKE(AROUND_TRIES_AGAIN) && is_busy(vmf, around, &walk))
                around->next--;
            continue;
        }
        if (MMK_MISTAKE(AROUND_UNLOCKED))
            mmk_page_unlock(page);
        around->page[around->n++] = page;
    }
    mmk_rcu_read_unlock();
}

/* => how many entries were set */
static uint32_t fill(const struct mmk_vmf *vmf, struct mmk_around *around,
                     const struct mmk_walk *walk, const struct mmk_page *leaf)
    MMK_REQUIRES(walk->table->table.lock)
{
    uint32_t i, filled = 0;

    if (mmk_walk_must_break(walk, vmf->chain.shares) && !MMK_MISTAKE(AROUND_UNBROKEN))
        return 0;
    for (i = 0; i < around->n; i++) {
        struct mmk_page *page = around->page[i];
        struct mmk_a64 *entry = entry_of(around, leaf, page->user.index);

        if (!mmk_pte_none(mmk_pte_read(entry)) && !MMK_MISTAKE(AROUND_OVER_ENTRY))
            continue;
        mmk_page_add_rmap(page, vmf->vma, vmf->addr, false);
        mmk_pte_set(entry, mmk_pte_mkold(mmk_fault_leaf(vmf, page, false)));
        around->set |= (uint32_t)1 << i;
        filled++;
    }
    around->mapped += filled;
    return filled;
}

void mmk_around_set(const struct mmk_vmf *vmf, struct mmk_around *around,
                    const struct mmk_walk *walk)
{
    mmk_pte_get_many(walk->table, fill(vmf, around, walk, walk->table));
}

/* The leaf table may come from limbo, where its entries would be those of a dead one. */
void mmk_around_set_below(const struct mmk_vmf *vmf, struct mmk_around *around,
                          const struct mmk_walk *walk, struct mmk_page *leaf)
{
    if (around->n == 0)
        return;
    mmk_frame_note(leaf, 0, MMK_FRAME_TABLE);
    mmk_pte_get_private(leaf, fill(vmf, around, walk, leaf));
}

void mmk_around_drop(struct mmk_around *around) MMK_NO_TSA
{
    uint32_t i;

    for (i = 0; i < around->n; i++) {
        if (!MMK_MISTAKE(AROUND_UNLOCKED))
            mmk_page_unlock(around->page[i]);
        if (!(around->set >> i & 1))
            mmk_page_put(around->page[i]);
    }
    around->n = 0;
    around->set = 0;
}

/* The next go, if the table is still there. */
static void set_more(struct mmk_vmf *vmf, struct mmk_around *around)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    struct mmk_walk walk;

    mmk_around_find(vmf, around);
    if (around->n == 0)
        return;
    mmk_rcu_read_lock();
    mmk_walk_lock(vmf->mm, vmf->addr, &walk);
    if (walk.level == 0 && mmk_table_live(walk.table) > 0 &&
        (mmk_fault_current(vmf) || MMK_MISTAKE(AROUND_UNCHECKED)) &&
        (!mmk_mm_killed(vmf->mm) || MMK_MISTAKE(AROUND_KILL_UNCHECKED)))
        mmk_around_set(vmf, around, &walk);
    mmk_fault_unlock(&walk);
    mmk_around_drop(around);
}

enum mmk_fault_result mmk_fault_set_around(struct mmk_vmf *vmf, mmk_pte_t pte, uint32_t *more)
{
    enum mmk_fault_result result;
    struct mmk_around around;

    if (!begin(&around, vmf))
        return mmk_fault_set(vmf, pte);
    result = mmk_fault_set_with(vmf, pte, &around);
    mmk_around_drop(&around);
    while (result == MMK_FAULT_DONE && around.next <= around.last)
        set_more(vmf, &around);
    *more = around.mapped;
    return result;
}
