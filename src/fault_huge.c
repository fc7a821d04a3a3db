/* SPDX-License-Identifier: MIT */
/*
 * fault_huge.c - larger pages: the first access to private anonymous memory, where there is no
 * table yet and the mapping covers all of one; the first touch of an object's that offers them; and
 * faults on what is mapped by one. A read of private memory maps that of zeros (huge_zero.h), in
 * whose place a write puts another, or small pages.
 *
 * An object's pages are all locked when their entry is set, each known to be the object's and to
 * lie below its size (P4). Those that are there already are tried, as those around
 * (fault_around.c), and are only good if they lie side by side: others have brought them in so. A
 * private mapping reads by such an entry; what it writes is small. Frames that are not mmkit's are
 * fault_frame.c's: here they get their entry.
 *
 * Never waits for memory: a program that gets small pages instead has lost nothing but time. So it
 * is where others are at work in the address space (HG2).
 *
 * A write to one that is read-only, after fork mostly: if all of its pages are the program's own,
 * or those of an object that it shares, it becomes writable as it is. Else it is split, and the
 * fault starts over, for one small page (do_huge_pmd_wp_page of Linux).
 */
#include "fault.h"

#include "anon.h"
#include "charge.h"
#include "huge.h"
#include "notifier.h"
#include "object.h"
#include "planted.h"
#include "tlb.h"
#include "zap.h"

/* --- nothing there --------------------------------------------------------------------------- */

/* Index and address have to be alike, and what is written has to be the object's. */
static bool is_offered(const struct mmk_vmf *vmf, mmk_vaddr_t base, unsigned level)
{
    const struct mmk_vma *vma = vmf->vma;

    if (vmf->access == MMK_ACCESS_WRITE && !(vmf->flags & MMK_VM_SHARED))
        return false;
    return mmk_object_offers_huge(vma->object) &&
           (mmk_vma_index(vma, base) & (mmk_pt_entry_pages(level) - 1)) == 0;
}

bool mmk_fault_large_wanted(const struct mmk_vmf *vmf)
{
    if (mmk_fault_forced(vmf, vmf->access == MMK_ACCESS_WRITE) || (vmf->flags & MMK_VM_NOHUGEPAGE))
        return false;
    return mmk_config.huge == MMK_HUGE_ALWAYS || (vmf->flags & MMK_VM_HUGEPAGE) != 0 ||
           mmk_vma_has_frames(vmf->vma); /* they cost nothing */
}

bool mmk_fault_huge_wanted(const struct mmk_vmf *vmf, unsigned level)
{
    mmk_vaddr_t base = mmk_pt_entry_base(vmf->addr, level);

    if (!mmk_fault_large_wanted(vmf) || mmk_vma_start(vmf->vma) > base ||
        mmk_vma_end(vmf->vma) < base + mmk_pt_entry_span(level))
        return false;
    return !vmf->vma->object || is_offered(vmf, base, level);
}

void mmk_fault_drop_block(struct mmk_page *block, unsigned order)
{
    unsigned i;

    for (i = 0; i < 1u << order; i++)
        mmk_fault_drop_anon(block + i);
}

/*
 * Each page of a block becomes what mmk_fault_new_anon() makes. => false: beyond the limit, for the
 * sake of which nothing is taken from others, nor is anybody ended
 */
static bool become_anon(struct mmk_mm *mm, struct mmk_page *block, unsigned order)
{
    bool charged = true;
    unsigned i;

    mmk_frame_split(block, order);
    for (i = 0; i < 1u << order; i++) {
        struct mmk_page *page = block + i;

        mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
        mmk_a32_store(&page->user.pins, 0, MMK_RELAXED);
        /* Release: as mmk_fault_new_uncharged(). */
        mmk_a32_store(&page->flags, MMK_PAGE_ANON | MMK_PF_EXCLUSIVE, MMK_RELEASE);
        charged = charged && mmk_charge(mm->group, page, MMK_CHARGE_PRIVATE, MMK_ALLOC_NOWAIT);
    }
    return charged;
}

int mmk_fault_get_block(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t base,
                        unsigned order, unsigned flags, struct mmk_page **block)
{
    struct mmk_page *made = mmk_page_alloc(order, flags);
    unsigned i;

    *block = NULL;
    if (!made)
        return MMK_ENOMEM;
    if (!become_anon(mm, made, order)) {
        mmk_fault_drop_block(made, order);
        return MMK_EBUSY;
    }
    for (i = 0; i < 1u << order; i++)
        mmk_page_add_rmap(made + i, vma, base + i * MMK_PAGE_SIZE, true);
    *block = made;
    return 0;
}

struct mmk_page *mmk_fault_new_block(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t base,
                                     unsigned order, unsigned flags)
{
    struct mmk_page *block;

    return mmk_fault_get_block(mm, vma, base, order, flags, &block) ? NULL : block;
}

enum set_outcome { SET, FIRST, KILLED, BUSY, LACKS };

/* => walk locked; BUSY: others are at work, or a table is missing, which is LACKS */
static enum set_outcome set_locked(const struct mmk_vmf *vmf, struct mmk_walk *walk, mmk_pte_t pte,
                                   unsigned level, struct mmk_chain *chain)
    MMK_REQUIRES(walk->table->table.lock)
{
    if ((walk->level < level || !mmk_pte_none(mmk_pte_read(walk->entry))) &&
        !(MMK_MISTAKE(HUGE_OVER_ENTRY) && walk->level == level))
        return FIRST;
    if (mmk_mm_killed(vmf->mm) && !MMK_MISTAKE(HUGE_KILL_UNCHECKED))
        return KILLED;
    if (mmk_mm_flush_pending(vmf->mm) > 0 && !MMK_MISTAKE(HUGE_BETWEEN))
        return BUSY;
    if (!mmk_chain_spans(chain, level, walk->level))
        return LACKS;
    mmk_walk_set_huge(walk, chain, pte, level);
    return SET;
}

static enum set_outcome set_at(struct mmk_vmf *vmf, mmk_pte_t pte, unsigned level)
{
    enum set_outcome outcome;
    struct mmk_walk walk;

    for (;;) {
        mmk_rcu_read_lock();
        mmk_walk_lock(vmf->mm, vmf->addr, &walk);
        outcome = mmk_inject(MMK_INJECT_FAULT_AGAIN)
                      ? FIRST
                      : set_locked(vmf, &walk, pte, level, &vmf->chain);
        mmk_fault_unlock(&walk);
        if (outcome != LACKS)
            return outcome;
        if (mmk_chain_prepare(&vmf->chain, vmf->mm, walk.level))
            return BUSY;
    }
}

static enum set_outcome set(struct mmk_vmf *vmf, mmk_pte_t pte)
{
    return set_at(vmf, pte, MMK_HUGE_LEVEL);
}

static void count_new(struct mmk_mm *mm, enum mmk_counter fault)
{
    mmk_mm_count(mm, fault, 1);
    mmk_mm_count(mm, MMK_COUNT_HUGE, 1);
    mmk_mm_count(mm, MMK_COUNT_HUGE_FAULT, 1);
}

/* With pages that are resident from now on. */
static void count_pages(struct mmk_mm *mm, enum mmk_counter rss, enum mmk_counter fault)
{
    mmk_mm_count(mm, rss, MMK_HUGE_PAGES);
    count_new(mm, fault);
}

static enum set_outcome write_new(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum set_outcome outcome;
    struct mmk_page *block;

    mmk_anon_prepare(vmf->mm, vmf->vma);
    block = mmk_fault_new_block(vmf->mm, vmf->vma, mmk_huge_base(vmf->addr), MMK_HUGE_ORDER,
                                MMK_ALLOC_ZERO | MMK_ALLOC_NOWAIT);
    if (!block)
        return BUSY;
    outcome = set(vmf, mmk_pte_mkhuge(mmk_fault_leaf(vmf, block, true)));
    if (outcome == SET)
        count_pages(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_ANON);
    else
        mmk_fault_drop_block(block, MMK_HUGE_ORDER);
    return outcome;
}

static enum set_outcome read_zero(struct mmk_vmf *vmf)
{
    const struct mmk_page *block = mmk_huge_zero_get(vmf->mm);
    enum set_outcome outcome = BUSY;

    if (block)
        outcome = set(vmf, mmk_pte_mkhuge(mmk_pte_mkspecial(mmk_fault_leaf(vmf, block, false))));
    if (outcome == SET) {
        mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_ZERO, 1);
        mmk_mm_count(vmf->mm, MMK_COUNT_HUGE_ZERO, 1);
    }
    return outcome;
}

/* => as mmk_fault_huge_anon() */
static bool settle(const struct mmk_vmf *vmf, enum set_outcome outcome,
                   enum mmk_fault_result *result)
{
    if (outcome == BUSY)
        mmk_mm_count(vmf->mm, MMK_COUNT_HUGE_FALLBACK, 1);
    *result = outcome == SET      ? MMK_FAULT_DONE
              : outcome == KILLED ? MMK_FAULT_KILLED
                                  : MMK_FAULT_RETRY;
    return outcome != BUSY;
}

bool mmk_fault_huge_anon(struct mmk_vmf *vmf, enum mmk_fault_result *result)
{
    bool write = vmf->access == MMK_ACCESS_WRITE;
    enum set_outcome outcome;

    if ((vmf->lacks < MMK_HUGE_LEVEL && !(write && MMK_MISTAKE(HUGE_ASKED_AGAIN))) ||
        !mmk_fault_huge_wanted(vmf, MMK_HUGE_LEVEL))
        return false;
    outcome = write ? write_new(vmf) : read_zero(vmf);
    return settle(vmf, outcome, result);
}

/* => the pages locked, each with the caller's reference: both are dropped, or the entry's */
static enum set_outcome map_block(struct mmk_vmf *vmf, struct mmk_page *block)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    bool write = vmf->access == MMK_ACCESS_WRITE;
    enum set_outcome outcome;
    unsigned i;

    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        mmk_page_add_rmap(block + i, vmf->vma, vmf->addr, false);
        if (write)
            mmk_page_mkdirty(block + i);
    }
    if (MMK_MISTAKE(HUGE_PAGES_UNLOCKED))
        mmk_object_unlock_block(block);
    outcome = set(vmf, mmk_pte_mkhuge(mmk_fault_leaf(vmf, block, write)));
    if (outcome == SET)
        count_pages(vmf->mm, mmk_page_rss_kind(block), MMK_COUNT_FAULT_FILE);
    for (i = 0; i < MMK_HUGE_PAGES && outcome != SET; i++)
        mmk_page_remove_rmap(block + i, vmf->mm);
    if (!MMK_MISTAKE(HUGE_PAGES_UNLOCKED))
        mmk_object_unlock_block(block);
    for (i = 0; i < MMK_HUGE_PAGES && outcome != SET; i++)
        mmk_page_put(block + i);
    return outcome;
}

bool mmk_fault_huge_object(struct mmk_vmf *vmf, enum mmk_fault_result *result)
{
    enum set_outcome outcome = BUSY;
    struct mmk_page *block;

    if (vmf->lacks < MMK_HUGE_LEVEL || !mmk_fault_huge_wanted(vmf, MMK_HUGE_LEVEL))
        return false;
    block = mmk_object_get_block(vmf->mm, vmf->vma->object,
                                 mmk_vma_index(vmf->vma, mmk_huge_base(vmf->addr)));
    if (block)
        outcome = map_block(vmf, block);
    return settle(vmf, outcome, result);
}

bool mmk_fault_huge_frames(struct mmk_vmf *vmf, mmk_pfn_t pfn, unsigned level,
                           enum mmk_fault_result *result)
{
    bool write = (vmf->flags & MMK_VM_WRITE) != 0;
    mmk_pte_t pte = mmk_pte_mkdirty(mmk_pte_mkspecial(mmk_fault_leaf_frame(vmf, pfn, write)));
    enum set_outcome outcome = set_at(vmf, mmk_pte_mkhuge(pte), level);

    if (outcome == SET)
        count_new(vmf->mm, MMK_COUNT_FAULT_FILE);
    if (outcome == SET && level > MMK_HUGE_LEVEL)
        mmk_mm_count(vmf->mm, MMK_COUNT_HUGE_UPPER, 1);
    return settle(vmf, outcome, result);
}

/* --- an entry -------------------------------------------------------------------------------- */

/* => walk locked; false: some page of it is not */
static bool own_all(const struct mmk_vmf *vmf, const struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_page *page = mmk_pte_page(vmf->pte);
    mmk_vaddr_t base = mmk_huge_base(vmf->addr);
    unsigned i, most = MMK_MISTAKE(HUGE_OWN_FIRST) ? 1 : MMK_HUGE_PAGES;

    (void)walk;
    for (i = 0; i < most; i++)
        if (!mmk_fault_take_over(vmf, page + i, base + i * MMK_PAGE_SIZE))
            return false;
    return true;
}

/* The access is one that the entry allows, or, for a write, is to. => walk locked */
static void use(struct mmk_vmf *vmf, struct mmk_walk *walk, bool writable)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t used;

    do {
        used = writable ? mmk_pte_mkwrite(vmf->pte) : vmf->pte;
        used = mmk_pte_mkused(used, vmf->access == MMK_ACCESS_WRITE && mmk_pte_write(used));
    } while (used.v != vmf->pte.v && !mmk_pte_change(walk->entry, &vmf->pte, used));
}

/* What the program shares is its to write: the object's pages are dirty. => walk locked */
static bool is_shared(const struct mmk_vmf *vmf, const struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_page *page = mmk_pte_page(vmf->pte);
    unsigned i;

    (void)walk;
    if (!(vmf->flags & MMK_VM_SHARED))
        return false;
    for (i = 0; page && i < MMK_HUGE_PAGES; i++)
        mmk_page_mkdirty(page + i);
    return true;
}

/* With the chain's table, if it has one. => walk locked */
static void split(struct mmk_vmf *vmf, struct mmk_walk *walk) MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_page *table = vmf->chain.table[0];

    if (!table)
        return;
    mmk_huge_split(walk, table);
    if (!MMK_MISTAKE(SPLIT_TABLE_TWICE))
        vmf->chain.table[0] = NULL;
}

/* A write to what is read-only. => RETRY: it is split, or there was no table to do it with */
static enum mmk_fault_result write_protected(struct mmk_vmf *vmf, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES(walk->table->table.lock)
{
    if (is_shared(vmf, walk) || own_all(vmf, walk)) {
        use(vmf, walk, (vmf->flags & MMK_VM_WRITE) != 0);
        mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_REUSE, 1);
        return MMK_FAULT_DONE;
    }
    split(vmf, walk);
    return MMK_FAULT_RETRY;
}

/* => as mmk_fault_lock(), of a larger page's entry */
static bool lock_huge(struct mmk_vmf *vmf, struct mmk_walk *walk)
    MMK_TRY_ACQUIRES(true, walk->table->table.lock)
        MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu) MMK_NO_TSA
{
    mmk_pte_t pte;

    mmk_rcu_read_lock();
    mmk_walk_lock(vmf->mm, vmf->addr, walk);
    pte = mmk_pte_read(walk->entry);
    if (mmk_walk_huge(walk, pte) && pte.v == vmf->pte.v)
        return true;
    mmk_fault_unlock(walk);
    return false;
}

/* --- a write to zeros ------------------------------------------------------------------------- */

/* P7: another frame, by way of a marker and a flush. => walk locked */
static void exchange(struct mmk_vmf *vmf, struct mmk_walk *walk, const struct mmk_page *block)
    MMK_REQUIRES(walk->table->table.lock)
{
    if (MMK_MISTAKE(HUGE_ZERO_UNFLUSHED))
        mmk_pte_drop(walk->entry);
    else
        mmk_huge_suspend(walk);
    mmk_pte_set(walk->entry, mmk_pte_mkhuge(mmk_fault_leaf(vmf, block, true)));
}

/* => DONE: the block, unless NULL, is mapped; RETRY: it is split, or is no longer there */
static enum mmk_fault_result replace_zero(struct mmk_vmf *vmf, const struct mmk_page *block)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    struct mmk_walk walk;

    if (!lock_huge(vmf, &walk))
        return MMK_FAULT_RETRY;
    if (block)
        exchange(vmf, &walk, block);
    else
        split(vmf, &walk);
    mmk_fault_unlock(&walk);
    if (!block) {
        mmk_mm_count(vmf->mm, MMK_COUNT_HUGE_FALLBACK, 1);
        return MMK_FAULT_RETRY;
    }
    mmk_mm_count(vmf->mm, MMK_COUNT_HUGE_ZERO, -1);
    count_pages(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_COW);
    return MMK_FAULT_DONE;
}

/* A larger page takes its place (do_huge_zero_wp_pmd of Linux), or a table of the zero page. */
static enum mmk_fault_result write_zero(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    mmk_vaddr_t base = mmk_huge_base(vmf->addr);
    enum mmk_fault_result result;
    struct mmk_page *block = NULL;
    struct mmk_notify notify;

    mmk_anon_prepare(vmf->mm, vmf->vma);
    if (mmk_fault_huge_wanted(vmf, MMK_HUGE_LEVEL))
        block = mmk_fault_new_block(vmf->mm, vmf->vma, base, MMK_HUGE_ORDER,
                                    MMK_ALLOC_ZERO | MMK_ALLOC_NOWAIT);
    if (!block && mmk_chain_prepare(&vmf->chain, vmf->mm, MMK_HUGE_LEVEL))
        return MMK_FAULT_OOM;
    mmk_notify_begin(&notify, vmf->mm, base, base + MMK_HUGE_SIZE, MMK_NOTIFY_COPY);
    result = replace_zero(vmf, block);
    mmk_notify_flushed(&notify, vmf->mm);
    mmk_notify_end(&notify);
    if (block && result != MMK_FAULT_DONE)
        mmk_fault_drop_block(block, MMK_HUGE_ORDER);
    return result;
}

/* --- any ------------------------------------------------------------------------------------- */

static enum mmk_fault_result at_entry(struct mmk_vmf *vmf, bool write)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    struct mmk_walk walk;

    if (write && !(vmf->flags & MMK_VM_SHARED) &&
        mmk_chain_prepare(&vmf->chain, vmf->mm, MMK_HUGE_LEVEL))
        return MMK_FAULT_OOM;
    if (!lock_huge(vmf, &walk))
        return MMK_FAULT_RETRY;
    if (write) {
        result = write_protected(vmf, &walk);
    } else {
        use(vmf, &walk, false);
        mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_SPURIOUS, 1);
    }
    mmk_fault_unlock(&walk);
    return result;
}

enum mmk_fault_result mmk_fault_huge_entry(struct mmk_vmf *vmf)
{
    bool write = vmf->access == MMK_ACCESS_WRITE && !mmk_pte_write(vmf->pte);
    enum mmk_fault_result result;

    if (write && mmk_pte_present(vmf->pte) && mmk_pte_huge_zero(vmf->pte))
        return write_zero(vmf);
    result = at_entry(vmf, write);
    if (result == MMK_FAULT_DONE)
        mmk_tlb_local_spurious(&vmf->mm->context, vmf->addr);
    return result;
}
