/* SPDX-License-Identifier: MIT */
/*
 * collapse.c - the pages of a leaf table become a larger page (huge.h), and the table goes.
 *
 *   look       what has the table? Under its lock, to be asked again
 *   block      where the pages are not side by side already: frames that are
 *   suspend    the table is unlinked, with a marker in its place, and flushed: nobody uses the
 *              pages by these entries any more, nor changes the entries
 *   gather     each page is copied to its place in the block, and let go of
 *   set        the entry of the larger page takes the marker's place
 *
 * CO1 From suspend to set the mmap lock is held for writing: no fault, no call on the memory, no
 *     reaper comes; and the lock of the kin, so that whoever searches for the entries of one of the
 *     pages does not find that there are none. Who comes without either (a copy to the program that
 *     may not fault, a debugger) finds the marker, which maps nothing, and has it faulted in.
 * CO2 A page that is pinned stays where it is: it is not copied (P9). So are guards: a table with
 *     one stays. A table that has visitors stays, too (pte_ref.h).
 *
 * The locks of tables are let go of for the copying: a hundred microseconds are long for those who
 * have to do with the table above.
 *
 * Rejected: doing it beside faults, with the mmap lock held for reading: each of them would have to
 * know of the marker. They wait for it as they would for the copy.
 */
#include "collapse.h"

#include "anon.h"
#include "fault.h"
#include "huge.h"
#include "notifier.h"
#include "planted.h"
#include "swap_cache.h"
#include "table.h"
#include "vma_seq.h"

/* What a table has. */
struct look {
    uint32_t pages, swapped;
    bool stays;    /* something in it keeps it from becoming one */
    bool pinned;   /* likewise, but that is for a time */
    bool in_place; /* its pages are a larger page's already */
    bool is_huge, is_missing;
    mmk_vaddr_t swap_at; /* of the first that is out */
};

struct collapse {
    struct mmk_mm *mm;
    struct mmk_vma *vma;
    mmk_vaddr_t base;
    unsigned flags;         /* of allocations: enum mmk_alloc */
    struct mmk_page *block; /* to be copied to; NULL: in place */
    struct mmk_page *table; /* unlinked */
};

/* --- look ------------------------------------------------------------------------------------- */

static void look_at_page(struct look *look, struct mmk_page *page, const struct mmk_page *first,
                         unsigned i)
{
    look->pages++;
    if (!first || page != first + i)
        look->in_place = false;
    if (mmk_page_type(page) != MMK_PAGE_ANON)
        look->stays = true;
}

static void look_at_entry(struct look *look, mmk_pte_t pte, const struct mmk_page *first,
                          mmk_vaddr_t addr)
{
    struct mmk_page *page = mmk_pte_page(pte);

    if (page) {
        look_at_page(look, page, first, mmk_pt_index(addr, 0));
        return;
    }
    look->in_place = false;
    if (mmk_pte_guard(pte))
        look->stays = true;
    if (mmk_pte_swap(pte) && look->swapped++ == 0)
        look->swap_at = addr;
}

/* => table locked */
static void look_at_table(struct look *look, const struct mmk_page *table, mmk_vaddr_t base)
    MMK_REQUIRES(table->table.lock)
{
    struct mmk_a64 *entries = mmk_table_entries(table);
    const struct mmk_page *first = mmk_pte_page(mmk_pte_read(&entries[0]));
    unsigned i;

    *look = (struct look){.pinned = table->table.pins != 0 && !MMK_MISTAKE(COLLAPSE_PINNED_TABLE)};
    look->in_place = first && (mmk_page_to_pfn(first) & (MMK_HUGE_PAGES - 1)) == 0;
    for (i = 0; i < MMK_HUGE_PAGES; i++)
        look_at_entry(look, mmk_pte_read(&entries[i]), first, base + i * MMK_PAGE_SIZE);
    for (i = 0; i < MMK_HUGE_PAGES && !look->in_place && !look->pinned; i++) {
        const struct mmk_page *page = mmk_pte_page(mmk_pte_read(&entries[i]));

        look->pinned = page && mmk_page_pinned(page) && !MMK_MISTAKE(COLLAPSE_PINNED);
    }
}

static void look(const struct collapse *collapse, struct look *look)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(collapse->mm, collapse->base, &walk);
    if (walk.level == 0) {
        look_at_table(look, walk.table, collapse->base);
    } else {
        *look = (struct look){.is_missing = true};
        look->is_huge = mmk_walk_huge(&walk, mmk_pte_read(walk.entry));
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

/* What is out comes back first, whether or not the program may read it. => 0, or why it cannot */
static int bring_back(const struct collapse *collapse, struct look *seen)
    MMK_REQUIRES(collapse->mm->mmap_lock)
{
    while (seen->swapped > 0 && !seen->stays && !seen->pinned) {
        enum mmk_fault_result result =
            mmk_fault_force_locked(collapse->mm, collapse->vma, seen->swap_at, MMK_ACCESS_READ);

        if (result != MMK_FAULT_DONE)
            return result == MMK_FAULT_OOM ? MMK_ENOMEM : MMK_EAGAIN;
        look(collapse, seen);
    }
    return 0;
}

/* --- suspend ---------------------------------------------------------------------------------- */

/* => both locked; T1: unlinked, a marker in its place */
static void unlink_table(struct collapse *collapse, struct mmk_walk *walk, struct mmk_page *table)
    MMK_REQUIRES(walk->table->table.lock) MMK_NO_TSA
{
    mmk_pte_t old = mmk_pte_exchange(walk->entry, mmk_pte_mkcollapse());

    mmk_assert(mmk_pte_table(old) == table, "T1 a locked table is linked where it was found");
    mmk_mm_count_tables(collapse->mm, 0, 1, -1);
    if (!MMK_MISTAKE(COLLAPSE_LEAVES_ALIVE))
        mmk_table_kill(table);
    table->table.above = 0;
    mmk_frame_note(table, 0, MMK_FRAME_UNLINKED);
    collapse->table = table;
}

/* => false: it is no longer what was seen, or may not be collapsed, into what there is for it */
static bool suspend(struct collapse *collapse) MMK_NO_TSA
{
    struct mmk_page *table;
    struct mmk_walk walk;
    struct look seen = {.stays = true};

    mmk_rcu_read_lock();
    mmk_walk_to_lock(collapse->mm, collapse->base, MMK_HUGE_LEVEL, &walk);
    if (walk.level == MMK_HUGE_LEVEL && mmk_pte_links(mmk_pte_read(walk.entry))) {
        table = mmk_pte_table(mmk_pte_read(walk.entry));
        mmk_table_lock(table);
        look_at_table(&seen, table, collapse->base);
        seen.stays |= seen.pinned || seen.swapped > 0 || seen.pages == 0 ||
                      (!collapse->block && !seen.in_place);
        if (!seen.stays)
            unlink_table(collapse, &walk, table);
        mmk_table_unlock(table);
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    if (!seen.stays && !MMK_MISTAKE(COLLAPSE_UNFLUSHED))
        mmk_tlb_flush_tables(collapse->mm, collapse->base, collapse->base + MMK_HUGE_SIZE);
    return !seen.stays;
}

/* --- gather ----------------------------------------------------------------------------------- */

/* What the entries were, all together. */
struct sum {
    uint32_t pages;
    bool young, write;
    struct mmk_page *first;
};

static void take_page(const struct collapse *collapse, struct mmk_page *page, unsigned i)
{
    if (!collapse->block)
        return;
    mmk_copy_page(mmk_page_virt(collapse->block + i), mmk_page_virt(page));
    mmk_page_remove_private(page, collapse->mm);
    mmk_swap_put_page(page);
}

/* => pte is not none; the page that it maps, or NULL */
static struct mmk_page *take_entry(struct mmk_a64 *entry, mmk_pte_t *pte)
{
    *pte = mmk_pte_take_grouped(entry); /* flushed, and all go */
    return mmk_pte_page(*pte);
}

/* The table becomes all zeros, as it has to go. */
static void take_entries(const struct collapse *collapse, struct sum *sum)
{
    struct mmk_a64 *entries = mmk_table_entries(collapse->table);
    unsigned i, taken = 0;

    *sum = (struct sum){.write = true};
    mmk_frame_note(collapse->table, 0, MMK_FRAME_WAITING); /* flushed */
    mmk_frame_note(collapse->table, 0, MMK_FRAME_TABLE);   /* ours alone, until it is empty */
    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        mmk_pte_t pte = mmk_pte_read(&entries[i]);
        struct mmk_page *page = NULL;

        if (!mmk_pte_none(pte)) {
            page = take_entry(&entries[i], &pte);
            taken++;
        }
        if (!page) {
            mmk_clear_page(mmk_page_virt(collapse->block + i));
            continue;
        }
        if (i == 0)
            sum->first = page;
        sum->pages++;
        sum->young |= mmk_pte_mkold(pte).v != pte.v;
        sum->write &= mmk_page_test(page, MMK_PF_EXCLUSIVE);
        take_page(collapse, page, i);
    }
    mmk_pte_put_private(collapse->table, taken);
    mmk_frame_note(collapse->table, 0, MMK_FRAME_UNLINKED);
}

/* --- set -------------------------------------------------------------------------------------- */

static mmk_pte_t huge_entry(const struct collapse *collapse, const struct sum *sum)
{
    const struct mmk_page *page = collapse->block ? collapse->block : sum->first;
    uint64_t flags = mmk_vma_flags(collapse->vma);
    bool write = (flags & MMK_VM_WRITE) && (collapse->block || sum->write);
    bool exec = (flags & MMK_VM_EXEC) != 0;
    mmk_pte_t pte = mmk_pte_leaf(mmk_page_to_pfn(page), true, exec); /* dirty */

    if (!sum->young)
        pte = mmk_pte_mkold(pte);
    return mmk_pte_mkhuge(mmk_pte_protect(pte, mmk_vma_accessible(flags), write, exec));
}

static void set(const struct collapse *collapse, const struct sum *sum)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_to_lock(collapse->mm, collapse->base, MMK_HUGE_LEVEL, &walk);
    mmk_assert(walk.level == MMK_HUGE_LEVEL && mmk_pte_collapse(mmk_pte_read(walk.entry)),
               "CO1 nobody changes what is being collapsed");
    mmk_pte_set(walk.entry, huge_entry(collapse, sum));
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    mmk_mm_count(collapse->mm, MMK_COUNT_HUGE, 1);
    mmk_mm_count(collapse->mm, MMK_COUNT_HUGE_COLLAPSE, 1);
    mmk_mm_count(collapse->mm, MMK_COUNT_RSS_ANON, (int64_t)MMK_HUGE_PAGES - sum->pages);
}

/* --- one of them ------------------------------------------------------------------------------ */

/* => MMK_EAGAIN: it has changed. A block has been used, or is the caller's still: `block` */
static int replace(struct collapse *collapse) MMK_REQUIRES(collapse->mm->mmap_lock)
{
    struct mmk_mm *mm = collapse->mm;
    struct mmk_notify notify;
    struct sum sum;
    bool done;

    mmk_notify_begin(&notify, mm, collapse->base, collapse->base + MMK_HUGE_SIZE,
                     MMK_NOTIFY_MIGRATE);
    if (!MMK_MISTAKE(COLLAPSE_BEHIND_SEARCH))
        mmk_rw_write_lock(&mm->kin->lock, MMK_LOCK_KIN);
    done = suspend(collapse);
    if (done) {
        mmk_notify_flushed(&notify, mm);
        take_entries(collapse, &sum);
        set(collapse, &sum);
    }
    if (!MMK_MISTAKE(COLLAPSE_BEHIND_SEARCH))
        mmk_rw_write_unlock(&mm->kin->lock, MMK_LOCK_KIN);
    mmk_notify_end(&notify);
    if (done || MMK_MISTAKE(COLLAPSE_RETIRES_AGAIN))
        mmk_table_retire(mm, collapse->table);
    return done ? 0 : MMK_EAGAIN;
}

/* => as collapse_one(); the VMA is closed */
static int collapse_closed(struct collapse *collapse, uint32_t least, bool *made)
    MMK_REQUIRES(collapse->mm->mmap_lock)
{
    struct look seen;
    int error;

    *made = false;
    look(collapse, &seen);
    error = collapse->flags & MMK_ALLOC_NOWAIT ? 0 : bring_back(collapse, &seen);
    if (error || seen.is_huge)
        return error;
    if (seen.is_missing || seen.stays || seen.pages + seen.swapped < least)
        return MMK_EINVAL;
    if (seen.pinned || seen.swapped > 0)
        return MMK_EAGAIN;
    mmk_anon_prepare(collapse->mm, collapse->vma);
    collapse->block = NULL;
    if (!seen.in_place) {
        error = mmk_fault_get_block(collapse->mm, collapse->vma, collapse->base, MMK_HUGE_ORDER,
                                    collapse->flags, &collapse->block);
        if (error)
            return error;
    }
    error = replace(collapse);
    *made = !error;
    if (error && collapse->block)
        mmk_fault_drop_block(collapse->block, MMK_HUGE_ORDER);
    return error;
}

/*
 * Closed, so that nobody takes entries from what has been looked at, and makes the answer untrue.
 * least: pages that there have to be. => as mmk_collapse_range(), of one; *made: it was not one
 */
static int collapse_one(struct collapse *collapse, uint32_t least, bool *made)
    MMK_REQUIRES(collapse->mm->mmap_lock)
{
    int error;

    if (!MMK_MISTAKE(COLLAPSE_LEAVES_OPEN))
        mmk_vma_close(collapse->vma);
    error = collapse_closed(collapse, least, made);
    if (!MMK_MISTAKE(COLLAPSE_LEAVES_OPEN))
        mmk_vma_open(collapse->vma);
    return error;
}

static bool takes_huge(const struct mmk_vma *vma)
{
    return !vma->object && !(mmk_vma_flags(vma) & MMK_VM_NOHUGEPAGE);
}

/* The first and the last larger page's addresses that fit in [start, end). */
static mmk_vaddr_t first_base(mmk_vaddr_t start)
{
    return mmk_huge_base(start + MMK_HUGE_SIZE - 1);
}

int mmk_collapse_range(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct collapse collapse = {.mm = mm, .vma = vma};
    mmk_vaddr_t fits = mmk_huge_base(mmk_vma_end(vma));
    int error = 0, last;
    bool made;

    if (!mmk_huge_possible() || !takes_huge(vma) || first_base(mmk_vma_start(vma)) >= fits)
        return MMK_EINVAL;
    if (first_base(start) > mmk_huge_base(end))
        return MMK_EINVAL; /* inside one, with neither end: less than none of them, on Linux */
    mmk_mm_is_write_locked(collapse.mm);
    for (collapse.base = first_base(start); collapse.base < mmk_huge_base(end);
         collapse.base += MMK_HUGE_SIZE) {
        if (mmk_mm_killed(mm))
            return MMK_EINTR;
        last = collapse_one(&collapse, 1, &made);
        if (last)
            error = last;
        if (last == MMK_ENOMEM || last == MMK_EBUSY)
            break; /* nor will there be for the next (madvise_collapse of Linux) */
    }
    return error;
}

/* --- in the background ------------------------------------------------------------------------ */

/* By the policy: as mmk_fault_huge_wanted(). */
static bool policy_wants(const struct mmk_vma *vma)
{
    return takes_huge(vma) &&
           (mmk_config.huge == MMK_HUGE_ALWAYS || (mmk_vma_flags(vma) & MMK_VM_HUGEPAGE) != 0);
}

/* The next place from addr on that a larger page may have; USER_END: none. *vma: whose */
static mmk_vaddr_t next_place(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_vma **vma)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    while ((*vma = mmk_mm_find_vma(mm, addr)) != NULL) {
        mmk_vaddr_t base = first_base(mmk_max(addr, mmk_vma_start(*vma)));

        if (policy_wants(*vma) && base + MMK_HUGE_SIZE <= mmk_vma_end(*vma))
            return base;
        addr = mmk_vma_end(*vma);
    }
    return MMK_USER_END;
}

/*
 * One place. No memory is taken from others for it, and nothing is brought back from swap: where
 * memory is short larger pages are the first to go.
 * => *made; false: all have had their turn
 */
static bool collapse_next(struct mmk_mm *mm, bool *made) MMK_REQUIRES(mm->mmap_lock)
{
    mmk_vaddr_t from = mmk_a64_load(&mm->collapse_next, MMK_RELAXED);
    struct collapse collapse = {.mm = mm, .flags = MMK_ALLOC_NOWAIT};
    int error;

    *made = false;
    collapse.base = next_place(mm, from, &collapse.vma);
    if (collapse.base == MMK_USER_END) {
        mmk_a64_store(&mm->collapse_next, 0, MMK_RELAXED);
        return false;
    }
    mmk_mm_is_write_locked(collapse.mm);
    error = collapse_one(&collapse, MMK_HUGE_PAGES / 2, made);
    (void)error; /* what does not go now may go another time */
    if (!error || !MMK_MISTAKE(COLLAPSE_COMES_BACK))
        mmk_a64_store(&mm->collapse_next, collapse.base + MMK_HUGE_SIZE, MMK_RELAXED);
    return true;
}

uint64_t mmk_collapse(struct mmk_mm *mm, uint64_t tables)
{
    bool more = mmk_huge_possible(), made;
    uint64_t count = 0;

    for (; tables > 0 && more; tables--) {
        if (mmk_mm_write_lock(mm))
            break;
        more = collapse_next(mm, &made);
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        count += made ? 1 : 0;
    }
    return count;
}
