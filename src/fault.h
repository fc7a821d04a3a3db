/* SPDX-License-Identifier: MIT */
/*
 * fault.h - the page fault inside the library. Public half: <mmkit/fault.h>.
 *
 *   fault.c         which VMA, may it, what does the entry say, and the setting of an entry
 *   fault_anon.c    nothing there, private anonymous memory
 *   fault_file.c    nothing there, an object's memory
 *   fault_around.c  and what is in memory around it
 *   fault_block.c   nothing there, private anonymous memory: pages beside it, too
 *   fault_frame.c   nothing there, memory that is not mmkit's
 *   fault_huge.c    larger pages: nothing there, and entries that are
 *   fault_swap.c    private memory that is out
 *   fault_cow.c     a write to an entry that is read-only
 */
#ifndef MMK_SRC_FAULT_H
#define MMK_SRC_FAULT_H

#include "anon.h"
#include "mm.h"
#include "page_rmap.h"
#include "planted.h"
#include "table.h"
#include <mmkit/fault.h>

/* One fault's state, from look-up to commit. */
struct mmk_vmf {
    struct mmk_mm *mm;
    struct mmk_vma *vma;
    uint64_t seq;    /* its count, even: when this has changed, start over (vma.h) */
    bool speculates; /* without the mmap lock: never sleeps, and what is not DONE is done again */
    enum mmk_counter why; /* set where it is not: MMK_COUNT_LOCKED_* */
    uint64_t flags;       /* of the VMA */
    mmk_vaddr_t addr;     /* start of the page */
    enum mmk_access access;
    mmk_pte_t pte;          /* what the entry said when last looked at */
    bool huge;              /* it is a larger page's, or was being split */
    struct mmk_walk kept;   /* the way to it: in the read section of that look, and while its table
                               is kept (mmk_fault_keep()) */
    unsigned lacks;         /* levels that had no table then, and none in limbo */
    struct mmk_chain chain; /* tables for them */
};

/*
 * mmk_fault() from the VMA on: for those who have it in hand.
 * => vma holds addr; mmap lock held for reading, and not dropped; may sleep
 * => DONE, OOM, SEGV_ACCERR, BUS or KILLED; a failure is not counted
 */
MMK_MUST_CHECK enum mmk_fault_result mmk_fault_locked(struct mmk_mm *mm, struct mmk_vma *vma,
                                                      mmk_vaddr_t addr, enum mmk_access access)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/* The same as mmk_fault_force() is to mmk_fault(). */
MMK_MUST_CHECK enum mmk_fault_result mmk_fault_force_locked(struct mmk_mm *mm, struct mmk_vma *vma,
                                                            mmk_vaddr_t addr,
                                                            enum mmk_access access)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/*
 * mmk_fault() for the kernel's own sake: debuggers, pins. It is allowed what the mapping is not,
 * and the entry gets the mapping's rights all the same: a write of this kind makes the page of a
 * private mapping the program's own (`exclusive`), for nobody but the kernel to write, perhaps. It
 * is refused, as SEGV_ACCERR, where the mapping is shared and not writable.
 */
MMK_MUST_CHECK enum mmk_fault_result mmk_fault_force(struct mmk_mm *mm, mmk_vaddr_t addr,
                                                     enum mmk_access access);

/*
 * Each handles one kind of fault.
 * => the mmap lock is held for reading; may sleep
 * => MMK_FAULT_RETRY: the entry changed meanwhile, look again
 */
enum mmk_fault_result mmk_fault_anon(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
enum mmk_fault_result mmk_fault_file(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
enum mmk_fault_result mmk_fault_frame(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
enum mmk_fault_result mmk_fault_swap(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
enum mmk_fault_result mmk_fault_write_protected(struct mmk_vmf *vmf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);

/*
 * A block of 2^order pages, for `base` of vma, each of them like one of mmk_fault_new_anon_at();
 * flags: enum mmk_alloc. drop: no entry came to map it.
 * => NULL: no block of that size is free, or the group may not have it; may sleep unless NOWAIT
 * => get_block(): 0 with *block set; MMK_ENOMEM, MMK_EBUSY: the two reasons
 */
MMK_MUST_CHECK int mmk_fault_get_block(struct mmk_mm *mm, const struct mmk_vma *vma,
                                       mmk_vaddr_t base, unsigned order, unsigned flags,
                                       struct mmk_page **block);
struct mmk_page *mmk_fault_new_block(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t base,
                                     unsigned order, unsigned flags);
void mmk_fault_drop_block(struct mmk_page *block, unsigned order);

/* By the policy, and the mapping's advice: may vmf have more than the page that it is about? */
bool mmk_fault_large_wanted(const struct mmk_vmf *vmf);

/*
 * Larger pages (huge.h). wanted: where vmf's address has no table, it may have one of those, by an
 * entry of `level`. anon: maps one there, all zeros; object: the object's; frames: those that are
 * not mmkit's, from the aligned `pfn` on, where one of `level` is wanted. entry: the entry is one.
 * => the first three: *result as of the others. false: it is not to be; nothing has changed
 */
bool mmk_fault_huge_wanted(const struct mmk_vmf *vmf, unsigned level);
bool mmk_fault_huge_anon(struct mmk_vmf *vmf, enum mmk_fault_result *result)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
bool mmk_fault_huge_object(struct mmk_vmf *vmf, enum mmk_fault_result *result)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
bool mmk_fault_huge_frames(struct mmk_vmf *vmf, mmk_pfn_t pfn, unsigned level,
                           enum mmk_fault_result *result) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
enum mmk_fault_result mmk_fault_huge_entry(struct mmk_vmf *vmf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);

/*
 * mmk_fault_anon() for an entry that a walk has just found none in a table that is there: with no
 * second walk and no sleep. again_rcu(): that lacks tables which mmk_limbo_take() has found, from
 * that leaf table up; unless they are linked, they go back there. below_rcu(): that lacks tables,
 * which it takes if they are at hand.
 * => true: done; false: nothing has changed, memory is short or another CPU was first
 * => inside the RCU read section of the walk
 */
bool mmk_fault_anon_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(mmk_rcu);
bool mmk_fault_anon_again_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk, struct mmk_page *leaf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(mmk_rcu);
bool mmk_fault_anon_below_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * mmk_fault_file() for one that speculates, and has come to an entry that is none by vmf->kept: of
 * a page that is in memory, and whose lock nobody has.
 * => true: done; false: nothing has changed, vmf->why; inside the RCU read section of the walk
 */
bool mmk_fault_file_rcu(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * mmk_fault_swap() likewise: of a page that is in swap's cache. => false: also if the page is there
 * now, but it takes a copy of it
 */
bool mmk_fault_swap_rcu(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * A first write that maps a block of pages (fault_block.c). rcu: as the two above, leaf NULL or as
 * the second's. The other: where there was no table.
 * => false: nothing has changed, one page it is. The other: *result as mmk_fault_anon()
 */
bool mmk_fault_block_rcu(struct mmk_vmf *vmf, struct mmk_walk *walk, struct mmk_page *leaf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(mmk_rcu);
bool mmk_fault_block(struct mmk_vmf *vmf, enum mmk_fault_result *result)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);

MMK_ALWAYS_INLINE bool mmk_fault_block_possible(void)
{
    return mmk_unlikely(mmk_config.huge != MMK_HUGE_NEVER) && mmk_config.anon_block > MMK_PAGE_SIZE;
}

/*
 * Is the VMA still what it was when the fault began (VS3)? With the mmap lock it always is.
 * => the table locked whose entry is to change
 */
MMK_ALWAYS_INLINE bool mmk_fault_current(const struct mmk_vmf *vmf)
{
    return mmk_vma_seq_is(vmf->vma, vmf->seq) || MMK_MISTAKE(SPECULATES_UNCHECKED);
}

/* mmk_anon_prepare(). => false: that takes the mmap lock */
MMK_ALWAYS_INLINE bool mmk_fault_prepare_anon(struct mmk_vmf *vmf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    if (mmk_anon_is_ready(vmf->vma))
        return true;
    if (vmf->speculates) {
        vmf->why = MMK_COUNT_LOCKED_FIRST;
        return false;
    }
    mmk_anon_prepare_slow(vmf->mm, vmf->vma);
    return true;
}

/*
 * Makes a page that nobody else uses the address space's for good, so that it may be written to.
 * => false: it is not, or somebody is at work on it
 * => the table locked that maps it at addr
 */
bool mmk_fault_take_over(const struct mmk_vmf *vmf, struct mmk_page *page, mmk_vaddr_t addr);

/*
 * Sets the entry, none until now, to `pte`, with the tables that it lacks (alloc_set_pte of Linux).
 * => DONE; RETRY: somebody was first; OOM; KILLED. Unless DONE nothing has changed, and the page is
 *    the caller's. Counters are the caller's business
 * => mmk_fault_set_with(): `around`, unless NULL, tells what is set with it
 */
struct mmk_around;
enum mmk_fault_result mmk_fault_set_with(struct mmk_vmf *vmf, mmk_pte_t pte,
                                         struct mmk_around *around)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);

MMK_ALWAYS_INLINE enum mmk_fault_result mmk_fault_set(struct mmk_vmf *vmf, mmk_pte_t pte)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    return mmk_fault_set_with(vmf, pte, NULL);
}

/*
 * Sets the entry where walk has come to, with tables that wait to come back or those of vmf->chain.
 * => walk locked, and then perhaps that of a lower table in its place; its entry is none; false:
 *    tables are missing, nothing has changed
 */
bool mmk_fault_set_none(struct mmk_vmf *vmf, struct mmk_walk *walk, mmk_pte_t pte,
                        struct mmk_around *around) MMK_REQUIRES(walk->table->table.lock);

/*
 * mmk_fault_set() for a fault that reads an object's page, which it has locked: maps those around
 * it, too. => *more: how many; they have their rmap, and are the caller's to count
 */
enum mmk_fault_result mmk_fault_set_around(struct mmk_vmf *vmf, mmk_pte_t pte, uint32_t *more)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);

/*
 * What mmk_fault_set_with() does with the pages around: finds them, once nothing more is to be
 * allocated; sets their entries in walk's table, or in a leaf table that is about to be linked
 * below; or lets go of them, where it has to sleep after all.
 * => find: vmf's page is locked; set: walk locked, the leaf table nobody else's to change
 */
void mmk_around_find(struct mmk_vmf *vmf, struct mmk_around *around)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);
void mmk_around_set(const struct mmk_vmf *vmf, struct mmk_around *around,
                    const struct mmk_walk *walk) MMK_REQUIRES(walk->table->table.lock);
void mmk_around_set_below(const struct mmk_vmf *vmf, struct mmk_around *around,
                          const struct mmk_walk *walk, struct mmk_page *leaf)
    MMK_REQUIRES(walk->table->table.lock);
void mmk_around_drop(struct mmk_around *around);

/*
 * Locks the table of vmf's leaf entry, if it still says vmf->pte.
 * => true: inside an RCU read section and locked; mmk_fault_unlock(). false: look again
 */
bool mmk_fault_lock(struct mmk_vmf *vmf, struct mmk_walk *walk)
    MMK_TRY_ACQUIRES(true, walk->table->table.lock) MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu);
void mmk_fault_unlock(struct mmk_walk *walk) MMK_RELEASES(walk->table->table.lock)
    MMK_RELEASES_SHARED(mmk_rcu);

/*
 * A fault that may sleep before it comes back to an entry that it has looked at keeps the table
 * meanwhile: as a visitor (pte_ref.h), it finds the table where it was, if not the entry.
 * => vmf->kept is a walk of mmk_fault_lock(), locked, which this unlocks; mmk_pte_put_vmf()
 */
void mmk_fault_keep(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_RELEASES(vmf->kept.table->table.lock) MMK_RELEASES_SHARED(mmk_rcu);

/*
 * The way back, with no second walk.
 * => inside an RCU read section, and locked: mmk_pte_put_vmf_locked(). Whether the entry still says
 *    vmf->pte
 */
bool mmk_fault_relock(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_ACQUIRES(vmf->kept.table->table.lock) MMK_ACQUIRES_SHARED(mmk_rcu);

/*
 * Lets go of the table that the fault has kept. If others have taken its last entry meanwhile it is
 * freed here, and parents with it; one flush, of the fault's address.
 * => the mmap lock has been held since mmk_fault_keep(): else mremap may have moved the table, or
 *    put another in its place, and the address would be wrong
 * => does not sleep; spins for other CPUs if it frees
 */
void mmk_pte_put_vmf_locked(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_RELEASES(vmf->kept.table->table.lock) MMK_RELEASES_SHARED(mmk_rcu);
void mmk_pte_put_vmf(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock);

/* Of the next, what has nothing to do with mm. */
struct mmk_page *mmk_fault_new_uncharged(unsigned flags);

/* Charges a new page to mm's group. => the page; NULL: beyond the limit, and the page is gone */
struct mmk_page *mmk_fault_charge_new(struct mmk_mm *mm, struct mmk_page *page, unsigned flags);

/*
 * A new page of private anonymous memory of mm, mapped by nobody yet, with the reference that its
 * entry will have. flags: enum mmk_alloc.
 * => NULL: no memory; may sleep unless MMK_ALLOC_NOWAIT
 */
MMK_ALWAYS_INLINE struct mmk_page *mmk_fault_new_anon(struct mmk_mm *mm, unsigned flags)
{
    struct mmk_page *page = mmk_fault_new_uncharged(flags);

    return mmk_likely(!mm->group) || !page ? page : mmk_fault_charge_new(mm, page, flags);
}

/* The same, to be mapped where vmf says. */
MMK_ALWAYS_INLINE struct mmk_page *mmk_fault_new_anon_at(const struct mmk_vmf *vmf, unsigned flags)
{
    struct mmk_page *page = mmk_fault_new_anon(vmf->mm, flags);

    if (mmk_likely(page))
        mmk_page_add_rmap(page, vmf->vma, vmf->addr, true);
    return page;
}

/* Frees a page of one of these two that no entry came to map. */
void mmk_fault_drop_anon(struct mmk_page *page);

/* More than the VMA allows: only mmk_fault_force() comes that far. */
MMK_ALWAYS_INLINE bool mmk_fault_forced(const struct mmk_vmf *vmf, bool write)
{
    return write ? !(vmf->flags & MMK_VM_WRITE) : !mmk_vma_accessible(vmf->flags);
}

/* The entry that maps a frame for vmf's access; a forced one gets the VMA's rights. */
MMK_ALWAYS_INLINE mmk_pte_t mmk_fault_leaf_frame(const struct mmk_vmf *vmf, mmk_pfn_t pfn,
                                                 bool write)
{
    bool exec = (vmf->flags & MMK_VM_EXEC) != 0;
    mmk_pte_t pte = mmk_pte_leaf(pfn, write, exec);

    if (mmk_unlikely(mmk_fault_forced(vmf, write)))
        pte = mmk_pte_protect(pte, mmk_vma_accessible(vmf->flags), false, exec);
    return pte;
}

MMK_ALWAYS_INLINE mmk_pte_t mmk_fault_leaf(const struct mmk_vmf *vmf, const struct mmk_page *page,
                                           bool write)
{
    return mmk_fault_leaf_frame(vmf, mmk_page_to_pfn(page), write);
}

#endif
