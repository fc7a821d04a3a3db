/* SPDX-License-Identifier: MIT */
/*
 * advise.c - madvise.
 *
 * Advice about pages visits each VMA in the range with the mmap lock held for reading: other advice
 * and faults go on beside it. One gather, and so one flush, for the whole call, however many
 * ranges it has. Advice about mappings changes their flags, with the lock held for writing.
 *
 * What is most frequent, giving back private anonymous memory of one VMA, first goes without the
 * lock, as a fault does: a table at a time, under whose lock it looks at the VMA's count again
 * (vma.h). So it has been there before who changes the VMA comes to that table, or it sees that he
 * has begun (P8). What is left then, and what it cannot do so, it does with the lock. So a call
 * beside one that changes the very mapping may have given back a part before it is refused, or
 * finds a hole. Who takes a right away that it goes by, and does not look at the tables himself,
 * waits for it (mmk_range_settle()).
 *
 * As on Linux a hole is skipped and answered with MMK_ENOMEM at the end, and a mapping that the
 * advice is not for ends the call there. MADV_POPULATE_* are populate.c's: a hole ends them.
 */
#include "anon.h"
#include "collapse.h"
#include "guard.h"
#include "huge.h"
#include "object.h"
#include "planted.h"
#include "populate.h"
#include "pte_group.h"
#include "range.h"
#include "reshape.h"
#include "seal.h"
#include "swap_cache.h"
#include "swap_range.h"
#include "zap.h"

struct advice {
    const struct rule *rule;
    struct mmk_mm *mm;
    struct mmk_gather gather; /* begun if rule->gathers */
};

/* What an advice does: one of visit, populate and flags. */
struct rule {
    int kind;              /* MMK_MADV_* */
    bool gathers;          /* changes entries */
    bool discards;         /* takes away what memory holds: a seal may forbid it */
    bool writes;           /* with the mmap lock held for writing */
    bool remote;           /* also for another's address space */
    mmk_leaf_visitor open; /* without the mmap lock, a table at a time, for the gather; or NULL */
    uint64_t refused;      /* MMK_VM_* that keep it from that */
    enum mmk_gather_reason reason; /* then */
    int (*visit)(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end);
    unsigned populate;   /* MMK_POPULATE_* */
    uint64_t clear, set; /* MMK_VM_* */
};

/* --- pages: each VMA in turn ------------------------------------------------------------------ */

/* Entries of frames that are not mmkit's stay: where those are mapped faults may be nobody's. */
static int dontneed_locked(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start,
                           mmk_vaddr_t end) MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    if (mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if (mmk_huge_split_ends(advice->mm, start, end))
        return MMK_ENOMEM;
    advice->gather.reason = MMK_GATHER_DONTNEED;
    advice->gather.low = start;
    advice->gather.high = end;
    mmk_zap_range(&advice->gather, start, end, MMK_ZAP_PAGES);
    return 0;
}

static mmk_vaddr_t zap_pages(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
    MMK_REQUIRES(walk->table->table.lock)
{
    return mmk_zap_visit((struct mmk_gather *)arg, walk, end, MMK_ZAP_PAGES);
}

static bool is_locked(const struct mmk_vma *vma)
{
    return (mmk_vma_flags(vma) & MMK_VM_LOCKED) != 0;
}

/* MADV_DONTNEED: pages and tables go, guards stay; the next touch sees zeros, or the object. */
static int dontneed(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    return is_locked(vma) ? MMK_EINVAL : dontneed_locked(advice, vma, start, end);
}

/* Clean and lazily free, unless others use the page too. => table locked */
static void free_entry(struct mmk_gather *gather, const struct mmk_walk *walk,
                       struct mmk_a64 *entry, mmk_vaddr_t addr)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(entry);
    struct mmk_page *page = mmk_pte_page(pte);

    if (!page || mmk_page_refs(page) != 1)
        return;
    if (mmk_pte_grouped(pte)) {
        mmk_pte_ungroup(walk, entry);
        pte = mmk_pte_read(entry);
    }
    mmk_page_clear(page, MMK_PF_DIRTY);
    mmk_page_set(page, MMK_PF_LAZYFREE);
    while (!mmk_pte_change(entry, &pte, mmk_pte_mkold_clean(pte)))
        continue;
    if (mmk_pte_accessible(pte))
        mmk_gather_range(gather, addr, addr + MMK_PAGE_SIZE); /* the next write must set dirty */
}

/* What is in swap is not worth being read again: it goes at once, as on Linux. => table locked */
static void free_swapped(struct mmk_walk *walk, struct mmk_a64 *entry)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_take(entry);

    mmk_pte_put_many(walk->table, 1);
    mmk_mm_count(walk->mm, MMK_COUNT_SWAP, -1);
    mmk_swap_put(mmk_pte_slot(pte));
}

/*
 * All pages of a larger one. Those that others use too stay as they are: what the entry says of
 * them is theirs to keep.
 */
static void free_huge(struct mmk_gather *gather, struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry);
    struct mmk_page *page = mmk_pte_page(pte);
    unsigned i;

    if (!page)
        return; /* zeros */
    for (i = 0; i < MMK_HUGE_PAGES; i++, page++) {
        if (mmk_page_refs(page) != 1) {
            mmk_page_mkdirty(page);
            continue;
        }
        mmk_page_clear(page, MMK_PF_DIRTY);
        mmk_page_set(page, MMK_PF_LAZYFREE);
    }
    while (!mmk_pte_change(walk->entry, &pte, mmk_pte_mkold_clean(pte)))
        continue;
    if (mmk_pte_accessible(pte))
        mmk_gather_range(gather, walk->addr, walk->addr + MMK_HUGE_SIZE);
}

static mmk_vaddr_t free_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    if (mmk_unlikely(walk->level > 0)) {
        free_huge((struct mmk_gather *)arg, walk);
        return end;
    }
    for (addr = walk->addr; addr < end; addr += MMK_PAGE_SIZE, entry++) {
        if (mmk_unlikely(mmk_pte_swap(mmk_pte_read(entry))))
            free_swapped(walk, entry);
        else
            free_entry((struct mmk_gather *)arg, walk, entry, addr);
    }
    return end;
}

/* MADV_FREE: private anonymous memory only. The pages stay until memory is short. */
static int lazyfree(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    if (vma->object || is_locked(vma))
        return MMK_EINVAL;
    if (mmk_huge_split_ends(advice->mm, start, end))
        return MMK_ENOMEM;
    mmk_range_for_each_leaf(&advice->gather, start, end, free_leaf, &advice->gather);
    return 0;
}

/*
 * The flag first: whoever copies the mapping from now on looks for guards. On Linux anonymous
 * memory is then ready for private pages, too.
 */
static int guard_install(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start,
                         mmk_vaddr_t end) MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    if (is_locked(vma) || mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if (!vma->object)
        mmk_anon_prepare(advice->mm, vma);
    mmk_a32_fetch_or(&vma->flags, MMK_VM_GUARDED, MMK_RELAXED);
    if (mmk_huge_split_all(advice->mm, start, end, true))
        return MMK_ENOMEM;
    mmk_mm_is_read_locked(advice->gather.mm);
    return mmk_guard_install(&advice->gather, start, end);
}

static int guard_remove(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start,
                        mmk_vaddr_t end) MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    if (mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if (mmk_huge_split_ends(advice->mm, start, end))
        return MMK_ENOMEM;
    mmk_mm_is_read_locked(advice->gather.mm);
    mmk_guard_remove(&advice->gather, start, end);
    return 0;
}

/*
 * MADV_REMOVE: a hole in the object. The mmap lock is let go meanwhile, as a hole waits for whoever
 * fills the object's pages: afterwards the VMA may be gone.
 */
static int remove_pages(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start,
                        mmk_vaddr_t end) MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    const uint64_t may = MMK_VM_SHARED | MMK_VM_MAYWRITE;
    struct mmk_object *object = vma->object;
    uint64_t offset = start - mmk_vma_origin(vma);
    int error;

    if (!object || is_locked(vma) || mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if ((mmk_vma_flags(vma) & may) != may)
        return MMK_EACCES;
    mmk_object_get(object);
    mmk_rw_read_unlock(&advice->mm->mmap_lock, MMK_LOCK_MMAP);
    error = mmk_object_punch_hole(object, offset, end - start);
    mmk_object_put(object);
    mmk_rw_read_lock(&advice->mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

/*
 * MADV_WILLNEED: what an object would read when it is touched is read now, and so is what is in
 * swap; errors do not count.
 */
static int willneed(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    mmk_swap_read_range(advice->mm, start, end);
    mmk_populate_object(advice->mm, vma, start, end);
    return 0;
}

/* Of no age, unless others map it too. Who has it locked is at work on it anyway. => false: as it
 * was
 */
static bool cool_page(struct mmk_page *page)
{
    if (mmk_page_mapcount(page) != 1 || !mmk_page_trylock(page))
        return false;
    mmk_page_clear(page, MMK_PF_AGE);
    mmk_page_unlock(page);
    return true;
}

/* Nothing is flushed, as by reclaim itself. => table locked */
static void make_old(struct mmk_a64 *entry)
{
    mmk_pte_t pte = mmk_pte_read(entry), old;

    do
        old = mmk_pte_mkold(pte);
    while (old.v != pte.v && !mmk_pte_change(entry, &pte, old));
}

static void cool_entry(struct mmk_a64 *entry)
{
    struct mmk_page *page = mmk_pte_page(mmk_pte_read(entry));

    if (page && cool_page(page))
        make_old(entry);
}

/* A larger page's, if all of its pages are. */
static void cool_huge(struct mmk_a64 *entry)
{
    struct mmk_page *page = mmk_pte_page(mmk_pte_read(entry));
    bool all = page != NULL;
    unsigned i;

    for (i = 0; page && i < MMK_HUGE_PAGES; i++)
        all = cool_page(page + i) && all;
    if (all)
        make_old(entry);
}

static mmk_vaddr_t cool_leaf(struct mmk_walk *walk, mmk_vaddr_t end, void *arg)
    MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *entry = walk->entry;
    mmk_vaddr_t addr;

    (void)arg;
    if (mmk_unlikely(walk->level > 0))
        cool_huge(entry);
    else
        mmk_pte_ungroup_ends(walk, end);
    for (addr = walk->addr; walk->level == 0 && addr < end; addr += MMK_PAGE_SIZE)
        cool_entry(entry++);
    return end;
}

/* MADV_COLD: the range's pages are among the first to go. */
static int cool(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    if (is_locked(vma) || mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if (mmk_huge_split_ends(advice->mm, start, end))
        return 0; /* no table is to be had: no more than advice */
    mmk_range_for_each_leaf(&advice->gather, start, end, cool_leaf, NULL);
    return 0;
}

/*
 * MADV_PAGEOUT: pages that nobody else maps go; what cannot stays. A file's are for those alone who
 * have it open for writing: when they come and go tells who else uses them.
 */
static int pageout(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    if (is_locked(vma) || mmk_vma_has_frames(vma))
        return MMK_EINVAL;
    if (mmk_huge_split_all(advice->mm, start, end, false))
        return 0; /* likewise */
    mmk_swap_out_range(advice->mm, start, end, !(mmk_vma_flags(vma) & MMK_VM_READER));
    return 0;
}

/* MADV_COLLAPSE. The rule writes(). */
static int collapse(struct advice *advice, struct mmk_vma *vma, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock) MMK_NO_TSA
{
    return mmk_collapse_range(advice->mm, vma, start, end);
}

/* Every VMA in the range in turn. => mmap lock held for reading; a visit may let go of it */
MMK_ALWAYS_INLINE int visit_range(struct advice *advice, mmk_vaddr_t addr, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    int hole = 0;

    while (addr < end) {
        struct mmk_vma *vma = mmk_mm_find_vma(advice->mm, addr);
        mmk_vaddr_t start, stop;
        int error;

        if (!vma || mmk_vma_start(vma) >= end)
            return MMK_ENOMEM;
        start = mmk_max(addr, mmk_vma_start(vma));
        stop = mmk_min(end, mmk_vma_end(vma));
        if (start > addr)
            hole = MMK_ENOMEM;
        if (advice->rule->discards && mmk_vma_sealed_contents(vma))
            return MMK_EPERM;
        error = advice->rule->visit(advice, vma, start, stop);
        if (error)
            return error;
        addr = stop;
    }
    return hole;
}

/* --- pages: one VMA, without the mmap lock -----------------------------------------------------
 */

/* The VMA that a call goes by, inside the present RCU read section. */
struct open {
    const struct mmk_vma *vma;
    uint64_t seq;
    enum mmk_counter why; /* it has to be done with the lock */
};

/* One that holds [addr, end), and is not being changed. */
MMK_ALWAYS_INLINE bool find_open(const struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end,
                                 struct open *open) MMK_REQUIRES_SHARED(mmk_rcu)
{
    open->vma = mmk_vma_tree_find_rcu(&mm->vmas, addr);
    if (!open->vma)
        return false;
    open->seq = mmk_vma_seq(open->vma);
    if (mmk_vma_start(open->vma) > addr || mmk_vma_end(open->vma) < end)
        return false;
    return !(open->seq & 1) || MMK_MISTAKE(ADVISES_CLOSED);
}

/* The same as it was found (VS2), in another section. */
static bool find_again(const struct mmk_mm *mm, mmk_vaddr_t addr, struct open *open)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    open->vma = mmk_vma_tree_find_rcu(&mm->vmas, addr);
    return open->vma && mmk_vma_seq(open->vma) == open->seq;
}

static bool admits(const struct rule *rule, const struct mmk_vma *vma)
{
    return !vma->object && !(mmk_vma_flags(vma) & rule->refused) &&
           !(rule->discards && mmk_vma_sealed_contents(vma));
}

/* Has a larger page a part in the range alone? It is split before anything changes. */
static bool is_part(struct mmk_mm *mm, mmk_vaddr_t addr) MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_walk walk;

    if (addr == mmk_huge_base(addr))
        return false;
    mmk_walk_rcu(mm, addr, &walk);
    return walk.level > 0 && !mmk_pte_none(mmk_pte_read(walk.entry));
}

/* => the gather has begun; false: with the lock */
MMK_ALWAYS_INLINE bool begin_open(struct advice *advice, mmk_vaddr_t addr, mmk_vaddr_t end,
                                  struct open *open) MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_mm *mm = advice->mm;

    open->why = MMK_COUNT_ADVICE_LOCKED_VMA;
    if (!find_open(mm, addr, end, open))
        return false;
    open->why = MMK_COUNT_ADVICE_LOCKED_KIND;
    if (!admits(advice->rule, open->vma) ||
        (mmk_huge_possible() && (is_part(mm, addr) || is_part(mm, end))) ||
        !mmk_gather_begin_rcu(&advice->gather, mm, addr, end, MMK_NOTIFY_DISCARD))
        return false;
    open->why = MMK_COUNT_ADVICE_LOCKED_CHANGED;
    return true;
}

/* A table. => false: the rest is to be done with the lock */
MMK_ALWAYS_INLINE bool step_open(struct advice *advice, const struct open *open, mmk_vaddr_t *addr,
                                 mmk_vaddr_t end) MMK_REQUIRES_SHARED(mmk_rcu)
{
    return mmk_range_step_open(&advice->gather, open->vma, open->seq, addr, end, advice->rule->open,
                               &advice->gather);
}

/* => from where on it is to be done with the lock; `end`: it is done */
static mmk_vaddr_t advise_open(struct advice *advice, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct mmk_gather *gather = &advice->gather;
    mmk_vaddr_t addr = start;
    struct open open;
    bool begun, goes_on;

    mmk_waiting_throttle();
    mmk_rcu_read_lock();
    begun = goes_on = begin_open(advice, addr, end, &open);
    if (begun) {
        mmk_gather_policy(gather, advice->rule->reason, addr, end);
        goes_on = step_open(advice, &open, &addr, end);
    }
    mmk_rcu_read_unlock();
    while (mmk_unlikely(goes_on && addr < end)) {
        if (!mmk_gather_room(gather))
            mmk_gather_flush_early(gather);
        mmk_rcu_read_lock();
        goes_on = find_again(advice->mm, addr, &open) && step_open(advice, &open, &addr, end);
        mmk_rcu_read_unlock();
    }
    if (begun && MMK_MISTAKE(ADVISES_UNCOUNTED))
        mmk_a32_fetch_add(&advice->mm->flush_pending, 1, MMK_RELAXED);
    if (begun)
        mmk_gather_finish(gather);
    if (mmk_likely(goes_on))
        return end;
    mmk_mm_count(advice->mm, open.why, 1);
    return mmk_max(start, mmk_pt_base(addr, 0)); /* another page may be there, a larger one */
}

/* --- mappings: flags -------------------------------------------------------------------------- */

/* Whether vma may get the rule's flags. => 0, or why not */
static int accepts(const struct rule *rule, const struct mmk_vma *vma)
{
    if (rule->discards && mmk_vma_sealed_contents(vma))
        return MMK_EPERM;
    if ((rule->set & MMK_VM_WIPEONFORK) && vma->object)
        return MMK_EINVAL;
    return (rule->clear & (MMK_VM_DONTFORK | MMK_VM_DONTDUMP)) && mmk_vma_has_frames(vma)
               ? MMK_EINVAL
               : 0;
}

/* Where the first VMA starts that does not accept, with *error why; `end`: all do. => mmap lock */
static mmk_vaddr_t first_refusing(struct mmk_mm *mm, const struct rule *rule, mmk_vaddr_t start,
                                  mmk_vaddr_t end, int *error) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *vma = mmk_mm_find_vma(mm, start);

    while (vma && mmk_vma_start(vma) < end) {
        *error = accepts(rule, vma);
        if (*error)
            return mmk_max(start, mmk_vma_start(vma));
        vma = mmk_mm_find_vma(mm, mmk_vma_end(vma));
    }
    return end;
}

/* => mmap lock held for writing; MMK_EAGAIN: no memory, nothing changed */
static int set_flags(struct mmk_mm *mm, const struct rule *rule, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES(mm->mmap_lock)
{
    int error = 0;
    mmk_vaddr_t stop = first_refusing(mm, rule, start, end, &error);

    if (stop > start && mmk_reshape(mm, start, stop, rule->clear, rule->set))
        return MMK_EAGAIN;
    if (error)
        return error;
    return mmk_vma_first_hole(mm, start, end) < end ? MMK_ENOMEM : 0;
}

/* begin() has taken the lock for writing: the rule writes(). */
static int change_mappings(struct advice *advice, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock) MMK_NO_TSA
{
    return set_flags(advice->mm, advice->rule, start, end);
}

/* --- the calls -------------------------------------------------------------------------------- */

/* The most frequent come first. */
static const struct rule rules[] = {
    {.kind = MMK_MADV_DONTNEED,
     .visit = dontneed,
     .gathers = true,
     .discards = true,
     .open = zap_pages,
     .refused = MMK_VM_LOCKED,
     .reason = MMK_GATHER_DONTNEED},
    {.kind = MMK_MADV_FREE,
     .visit = lazyfree,
     .gathers = true,
     .discards = true,
     .open = free_leaf,
     .refused = MMK_VM_LOCKED},
    {.kind = MMK_MADV_DONTNEED_LOCKED,
     .visit = dontneed_locked,
     .gathers = true,
     .discards = true,
     .open = zap_pages,
     .reason = MMK_GATHER_DONTNEED},
    {.kind = MMK_MADV_GUARD_INSTALL, .visit = guard_install, .gathers = true, .discards = true},
    {.kind = MMK_MADV_GUARD_REMOVE, .visit = guard_remove, .gathers = true},
    {.kind = MMK_MADV_REMOVE, .visit = remove_pages, .discards = true},
    {.kind = MMK_MADV_WILLNEED, .visit = willneed, .remote = true},
    {.kind = MMK_MADV_COLD,
     .visit = cool,
     .gathers = true,
     .remote = true,
     .open = cool_leaf,
     .refused = MMK_VM_LOCKED},
    {.kind = MMK_MADV_PAGEOUT, .visit = pageout, .remote = true},
    {.kind = MMK_MADV_NORMAL, .clear = MMK_VM_RAND | MMK_VM_SEQ},
    {.kind = MMK_MADV_RANDOM, .clear = MMK_VM_SEQ, .set = MMK_VM_RAND},
    {.kind = MMK_MADV_SEQUENTIAL, .clear = MMK_VM_RAND, .set = MMK_VM_SEQ},
    {.kind = MMK_MADV_DONTDUMP, .set = MMK_VM_DONTDUMP},
    {.kind = MMK_MADV_DODUMP, .clear = MMK_VM_DONTDUMP},
    {.kind = MMK_MADV_COLLAPSE, .visit = collapse, .writes = true, .remote = true},
    {.kind = MMK_MADV_POPULATE_READ, .populate = MMK_POPULATE_READ},
    {.kind = MMK_MADV_POPULATE_WRITE, .populate = MMK_POPULATE_WRITE},
    {.kind = MMK_MADV_DONTFORK, .set = MMK_VM_DONTFORK, .discards = true},
    {.kind = MMK_MADV_DOFORK, .clear = MMK_VM_DONTFORK},
    {.kind = MMK_MADV_WIPEONFORK, .set = MMK_VM_WIPEONFORK, .discards = true},
    {.kind = MMK_MADV_KEEPONFORK, .clear = MMK_VM_WIPEONFORK},
    {.kind = MMK_MADV_HUGEPAGE, .clear = MMK_VM_NOHUGEPAGE, .set = MMK_VM_HUGEPAGE},
    {.kind = MMK_MADV_NOHUGEPAGE, .clear = MMK_VM_HUGEPAGE, .set = MMK_VM_NOHUGEPAGE},
};

static const struct rule *find_rule(int kind)
{
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].kind == kind)
            return &rules[i];
    return NULL;
}

static bool writes(const struct rule *rule)
{
    return rule->writes || (rule->clear | rule->set) != 0;
}

/*
 * Nothing outside [start, end) is advised. For advice about mappings the lock is taken for writing,
 * which the analysis is not told: change_mappings() is where it matters.
 * => 0 or MMK_EINTR
 */
MMK_ALWAYS_INLINE int begin(struct advice *advice, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_TRY_ACQUIRES_SHARED(0, advice->mm->mmap_lock) MMK_NO_TSA
{
    struct mmk_mm *mm = advice->mm;
    int error;

    if (writes(advice->rule)) {
        error = mmk_mm_write_lock(mm);
    } else {
        mmk_waiting_throttle();
        error = mmk_mm_read_lock(mm);
    }
    if (!error && advice->rule->gathers)
        mmk_gather_begin_range(&advice->gather, mm, start, end, MMK_NOTIFY_DISCARD);
    return error;
}

MMK_ALWAYS_INLINE void finish(struct advice *advice)
    MMK_RELEASES_SHARED(advice->mm->mmap_lock) MMK_NO_TSA /* as begin() */
{
    struct mmk_mm *mm = advice->mm;

    if (advice->rule->gathers)
        mmk_gather_finish(&advice->gather);
    if (writes(advice->rule))
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    else
        mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

MMK_ALWAYS_INLINE int advise_range(struct advice *advice, const struct mmk_iovec *range)
    MMK_REQUIRES_SHARED(advice->mm->mmap_lock)
{
    mmk_vaddr_t start = range->addr, end = start + mmk_page_up(range->length);
    const struct rule *rule = advice->rule;

    if ((start & ~MMK_PAGE_MASK) || (range->length != 0 && mmk_page_up(range->length) == 0) ||
        end < start)
        return MMK_EINVAL;
    if (start == end)
        return 0;
    if (rule->visit)
        return visit_range(advice, start, end);
    if (rule->populate)
        return mmk_populate_locked(advice->mm, start, end, rule->populate);
    return change_mappings(advice, start, end);
}

int mmk_madvise(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, int kind)
{
    struct mmk_iovec range = {addr, length};
    mmk_vaddr_t end = addr + mmk_page_up(length);
    bool sane = addr < end && end <= MMK_USER_END;
    struct advice advice;
    int error;

    advice.rule = find_rule(kind);
    advice.mm = mm;
    if (!advice.rule)
        return MMK_EINVAL;
    if (mmk_likely(advice.rule->open && mmk_config.speculate && sane && !(addr & ~MMK_PAGE_MASK))) {
        addr = advise_open(&advice, addr, end);
        if (mmk_likely(addr == end))
            return 0;
        range.addr = addr;
        range.length = end - addr;
    }
    error = begin(&advice, sane ? addr : 0, sane ? end : MMK_USER_END);
    if (error)
        return error;
    error = advise_range(&advice, &range);
    finish(&advice);
    return error;
}

static bool all_empty(const struct mmk_iovec *ranges, size_t count)
{
    while (count-- > 0)
        if ((ranges++)->length != 0)
            return false;
    return true;
}

int64_t mmk_madvise_vector(struct mmk_mm *mm, const struct mmk_iovec *ranges, size_t count,
                           int kind, bool remote)
{
    struct advice advice;
    int64_t advised = 0;
    size_t i;
    int error;

    advice.rule = find_rule(kind);
    advice.mm = mm;
    if (remote && !(advice.rule && advice.rule->remote))
        return MMK_EINVAL;
    if (all_empty(ranges, count))
        return 0;
    if (!advice.rule)
        return MMK_EINVAL;
    error = begin(&advice, 0, MMK_USER_END);
    if (error)
        return error;
    for (i = 0; i < count && !error; i++) {
        if (i > 0 && ranges[i].length == 0)
            continue; /* not even its address is looked at */
        if (ranges[i].length > (uint64_t)(INT64_MAX - advised))
            error = MMK_EINVAL;
        else
            error = advise_range(&advice, &ranges[i]);
        if (!error)
            advised += (int64_t)ranges[i].length;
    }
    finish(&advice);
    return advised ? advised : error;
}
