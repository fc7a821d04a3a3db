/* SPDX-License-Identifier: MIT */
/*
 * rmap_walk.c - from a page to each entry that maps it.
 *
 *   an object's page   object, index -> the VMAs in the object's interval tree -> address -> entry
 *   a private page     kin, index    -> the kin and its descendants; in each
 *                                         the address where it was made           -> entry
 *                                         the VMAs that have moved, by their tree -> address
 *                                                                                 -> entry
 *
 * RW1 An entry of the page that is there from the beginning of a walk to its end is visited. What
 *     would bring one from a place that is still to come to one that is past is kept out: mremap
 *     holds the lock of the kin, or the interval lock, for writing while it moves entries (P10);
 *     fork holds the parent's while it copies those of a table, and a parent comes before its
 *     children. So a fork is over, for this page, when its parent is visited, or has yet to begin.
 *
 * What a walk finds of VMAs is where to look, no more: a place counts when its entry maps the page,
 * seen under the lock of its table. So intervals may be too wide, indices need not be unique, and
 * an address space whose program never had the page costs a look at its tables, without a lock.
 *
 * How a walk comes to a kin, without a lock that would keep it: the page is mapped, or in the swap
 * cache, at a moment inside the RCU read section, so its kin was in the tree then (KN3), and its
 * memory stays. The family's count is raised, its lock taken, and asked again whether that is so,
 * and whose the page is: then the kin is in the tree, and stays there.
 *
 * Rejected: the mmap lock of each address space (it comes before the page lock, and a program's own
 * calls hold it for long); asking the VMA tree for the address (the entry answers that).
 */
#include "rmap_walk.h"

#include "huge.h"
#include "object.h"
#include "planted.h"
#include "pte_group.h"

/* Does walk's entry, which says pte, map the page, by itself or as a piece of a larger one? */
static bool maps(const struct mmk_walk *walk, mmk_pte_t pte, const struct mmk_page *page)
{
    if (mmk_likely(walk->level == 0))
        return mmk_pte_page(pte) == page;
    return mmk_walk_huge(walk, pte) && mmk_pte_page(mmk_huge_piece(walk, pte)) == page;
}

static bool is_there(const struct mmk_page *page, const struct mmk_walk *walk)
{
    return maps(walk, mmk_pte_read(walk->entry), page);
}

/*
 * Without the lock: what is being split, or just was, may be any page's (HG3), and so may an entry
 * that is none, as one of a group is while that is split (PG2).
 */
static bool may_be_there(const struct mmk_page *page, const struct mmk_walk *walk)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry);

    if (mmk_pte_group_possible() && walk->level == 0 && mmk_pte_none(pte) &&
        !MMK_MISTAKE(UNGROUPED_OVERLOOKED))
        return mmk_page_type(page) == MMK_PAGE_ANON;
    if (walk->level == 0 || mmk_pte_none(pte) || mmk_pte_huge(pte) || MMK_MISTAKE(SPLIT_OVERLOOKED))
        return maps(walk, pte, page);
    return true;
}

bool mmk_rmap_lock_any(const struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                       struct mmk_walk *walk) MMK_NO_TSA
{
    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, walk);
    if (may_be_there(page, walk)) {
        mmk_walk_lock(mm, addr, walk);
        if (mmk_likely(is_there(page, walk)))
            return true;
        mmk_walk_unlock(walk);
    }
    mmk_rcu_read_unlock();
    return false;
}

bool mmk_rmap_lock(const struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                   struct mmk_walk *walk) MMK_NO_TSA
{
    int error = 0;

    while (!error && mmk_rmap_lock_any(page, mm, addr, walk)) {
        if (mmk_likely(walk->level == 0))
            return true;
        mmk_walk_unlock(walk);
        error = mmk_huge_split_nowait(mm, addr);
        mmk_rcu_read_unlock();
    }
    return false;
}

/* --- private pages --------------------------------------------------------------------------- */

/* => false: others have it for writing, or wait for that, and we do not wait */
static bool read_lock(struct mmk_rwlock *lock, enum mmk_lock_class cls, bool wait)
    MMK_TRY_ACQUIRES_SHARED(true, lock) MMK_NO_TSA
{
    if (!wait)
        return mmk_rw_try_read_lock(lock, cls);
    mmk_rw_read_lock(lock, cls);
    return true;
}

/*
 * => the page's kin, with its family locked and a reference to that; NULL: nobody has it, or,
 * with *busy, the lock is not to be had
 */
static struct mmk_kin *enter(const struct mmk_page *page, bool wait, bool *busy) MMK_NO_TSA
{
    struct mmk_family *family;
    struct mmk_kin *kin;
    bool got;

    for (;;) {
        mmk_rcu_read_lock();
        kin = mmk_page_has_kin(page) ? mmk_page_kin(page) : NULL;
        family = kin ? kin->family : NULL;
        got = family && mmk_family_get(family);
        mmk_rcu_read_unlock();
        if (!family)
            return NULL;
        if (!got)
            continue; /* its last mapping went just then */
        *busy = !read_lock(&family->lock, MMK_LOCK_FAMILY, wait);
        if (!*busy && mmk_page_has_kin(page) && mmk_page_kin(page) == kin)
            return kin;
        if (!*busy)
            mmk_rw_read_unlock(&family->lock, MMK_LOCK_FAMILY);
        mmk_family_put(family);
        if (*busy)
            return NULL;
    }
}

static void leave(struct mmk_family *family) MMK_NO_TSA
{
    mmk_rw_read_unlock(&family->lock, MMK_LOCK_FAMILY);
    mmk_family_put(family);
}

static const struct mmk_vma *of_moved(const struct mmk_interval *node)
{
    return (const struct mmk_vma *)((const char *)node - offsetof(struct mmk_vma, moved));
}

/* The places in one address space. => true: enough */
static bool visit_kin(struct mmk_kin *kin, struct mmk_page *page, mmk_rmap_visitor visit, void *arg)
    MMK_REQUIRES_SHARED(kin->lock)
{
    uint64_t index = page->user.index;
    mmk_vaddr_t addr = index << MMK_PAGE_SHIFT;
    const struct mmk_interval *node;

    if (addr < MMK_USER_END && visit(page, kin->mm, addr, arg))
        return true;
    for (node = mmk_interval_first(mmk_kin_moved_read(kin), index, index); node;
         node = mmk_interval_next(node, index, index)) {
        addr = mmk_vma_shift(of_moved(node)) + (index << MMK_PAGE_SHIFT);
        if (addr < MMK_USER_END && visit(page, kin->mm, addr, arg))
            return true;
    }
    return false;
}

/* => false: it did not come through, for a lock */
static bool walk_private(struct mmk_page *page, mmk_rmap_visitor visit, void *arg,
                         bool wait) MMK_NO_TSA
{
    bool enough = false, busy = false;
    struct mmk_kin *owner = enter(page, wait, &busy), *kin;

    if (!owner)
        return !busy;
    for (kin = owner; kin && !enough && !busy; kin = mmk_kin_next(kin, owner)) {
        if (!kin->mm)
            continue;
        busy = !read_lock(&kin->lock, MMK_LOCK_KIN, wait);
        if (busy)
            break;
        enough = visit_kin(kin, page, visit, arg);
        mmk_rw_read_unlock(&kin->lock, MMK_LOCK_KIN);
    }
    leave(owner->family);
    return !busy;
}

/* --- objects' pages -------------------------------------------------------------------------- */

static const struct mmk_vma *of_interval(const struct mmk_interval *node)
{
    return (const struct mmk_vma *)((const char *)node - offsetof(struct mmk_vma, interval));
}

static void visit_object(struct mmk_object *object, struct mmk_page *page, mmk_rmap_visitor visit,
                         void *arg) MMK_REQUIRES_SHARED(object->interval_lock)
{
    uint64_t index = page->user.index;
    const struct mmk_interval *node;
    const struct mmk_vma *vma;

    for (node = mmk_interval_first(mmk_object_vmas_read(object), index, index); node;
         node = mmk_interval_next(node, index, index)) {
        vma = of_interval(node);
        if (visit(page, vma->mm, mmk_vma_origin(vma) + (index << MMK_PAGE_SHIFT), arg))
            return;
    }
}

/* => as walk_private() */
static bool walk_object(struct mmk_page *page, mmk_rmap_visitor visit, void *arg, bool wait)
{
    struct mmk_object *object = (struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);

    if (!object)
        return true;
    if (!read_lock(&object->interval_lock, MMK_LOCK_INTERVAL, wait))
        return false;
    visit_object(object, page, visit, arg);
    mmk_rw_read_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
    return true;
}

static bool walk(struct mmk_page *page, mmk_rmap_visitor visit, void *arg, bool wait)
{
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        return walk_private(page, visit, arg, wait);
    return walk_object(page, visit, arg, wait);
}

void mmk_rmap_walk(struct mmk_page *page, mmk_rmap_visitor visit, void *arg)
{
    (void)walk(page, visit, arg, true);
}

bool mmk_rmap_try_walk(struct mmk_page *page, mmk_rmap_visitor visit, void *arg)
{
    return walk(page, visit, arg, false);
}

/* --- counting -------------------------------------------------------------------------------- */

struct count {
    const struct mmk_mm *mm;
    mmk_vaddr_t addr;
    uint32_t entries;
    bool found;
};

static bool count_entry(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct count *count = (struct count *)arg;
    struct mmk_walk walk;
    bool maps;

    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    maps = is_there(page, &walk);
    mmk_rcu_read_unlock();
    count->entries += maps ? 1u : 0u;
    if (maps && mm == count->mm && addr == count->addr)
        count->found = true;
    return false;
}

uint32_t mmk_rmap_count(struct mmk_page *page, const struct mmk_mm *mm, mmk_vaddr_t addr,
                        bool *found)
{
    struct count count = {.mm = mm, .addr = addr};

    mmk_rmap_walk(page, count_entry, &count);
    *found = count.found;
    return count.entries;
}
