/* SPDX-License-Identifier: MIT */
/*
 * fault.c - the page fault.
 *
 *   mmk_fault
 *     the VMA at addr, or the stack below which it grows   -> SEGV_MAPERR
 *     may it be accessed so?                                -> SEGV_ACCERR
 *     what does the entry say?
 *       none, no object         fault_anon.c: the zero page, or a new page; fault_huge.c
 *       none, object            fault_file.c: the object's page, or a private copy    -> BUS
 *       read-only, write        fault_cow.c: own page again, or a copy
 *       swap                    fault_swap.c: the page comes back               -> BUS
 *       a guard                                                                  -> SEGV_MAPERR
 *       a larger page           fault_huge.c: as of the last two kinds
 *       allows the access       spurious: this CPU's TLB was behind (P18), or hardware leaves it
 *                               to us to mark the entry as accessed or dirty
 *
 * Looking takes no lock but RCU; pages are prepared outside every lock; the commit locks the one
 * table and checks that the entry still says what was seen. Any mismatch starts over: each retry
 * means that another CPU made progress.
 *
 * At first that is all: a fault speculates that its VMA stays what it is, and its commit looks at
 * the VMA's count as well (vma.h); the tables that it lacks it takes from what is at hand. What it
 * cannot do so, as it might have to sleep, or has not come to an end, it does again with the mmap
 * lock held for reading, which keeps the VMA; and only then it fails (P12). So a speculating fault
 * never spins, and waits for nobody but for the one lock.
 *
 * A speculating fault writes its table, its page's descriptor, and counters of its own CPU; the
 * other besides that the mmap lock's word.
 *
 * No entry that was none is set in a killed address space: that is looked at under the table's
 * lock, as the reaper (kill.c), which comes after the kill, takes entries under it. So a thread
 * finds what it had, or KILLED, never zeros or a file's old contents in place of what was reaped.
 */
#include "fault.h"

#include "charge.h"
#include "huge.h"
#include "limbo.h"
#include "map.h"
#include "planted.h"
#include "pte_group.h"
#include "vma_hint.h"
#include "waiting.h"
#include "zap.h"

/* Whether `flags` allow the access; on x86-64 what can be accessed at all can be read. */
static bool allowed(uint64_t flags, enum mmk_access access)
{
    switch (access) {
    case MMK_ACCESS_WRITE:
        return (flags & MMK_VM_WRITE) != 0;
    case MMK_ACCESS_EXEC:
        return (flags & MMK_VM_EXEC) != 0;
    case MMK_ACCESS_READ:
    default:
        return mmk_vma_accessible(flags);
    }
}

/* What others map must not change for them. */
static bool forcible(uint64_t flags, enum mmk_access access)
{
    return access != MMK_ACCESS_WRITE || !(flags & MMK_VM_SHARED);
}

struct mmk_page *mmk_fault_new_uncharged(unsigned flags)
{
    struct mmk_page *page = mmk_page_alloc(0, flags);

    if (!page)
        return NULL;
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
    mmk_a32_store(&page->user.pins, 0, MMK_RELAXED);
    /* Release: whoever finds the frame by its type (reclaim.c), and locks it, finds the rest. */
    mmk_a32_store(&page->flags, MMK_PAGE_ANON | MMK_PF_EXCLUSIVE, MMK_RELEASE);
    return page;
}

MMK_NOINLINE struct mmk_page *mmk_fault_charge_new(struct mmk_mm *mm, struct mmk_page *page,
                                                   unsigned flags)
{
    if (mmk_charge(mm->group, page, MMK_CHARGE_PRIVATE, flags))
        return page;
    mmk_page_put(page);
    return NULL;
}

void mmk_fault_drop_anon(struct mmk_page *page)
{
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
    if (MMK_MISTAKE(ABORTED_AS_PLAIN))
        mmk_page_set_type(page, MMK_PAGE_PLAIN);
    mmk_page_put(page);
}

/*
 * Tables that were there before come first (P11); if just some of them are on the way, there have
 * to be others for all levels, as nothing may fail from then on.
 */
bool mmk_fault_set_none(struct mmk_vmf *vmf, struct mmk_walk *walk, mmk_pte_t pte,
                        struct mmk_around *around)
{
    struct mmk_page *leaf;

    if (mmk_likely(walk->level == 0)) {
        mmk_walk_set_leaf(walk, pte);
        if (around)
            mmk_around_set(vmf, around, walk);
        return true;
    }
    do {
        leaf = mmk_limbo_take(walk);
        if (leaf) {
            if (around)
                mmk_around_set_below(vmf, around, walk, leaf);
            mmk_walk_set_again(walk, leaf, pte);
            return true;
        }
        if (!mmk_chain_reaches(&vmf->chain, walk->level))
            return false;
    } while (mmk_walk_extend(walk));
    mmk_vma_hint_change(vmf->chain.table[0], vmf->vma);
    if (around)
        mmk_around_set_below(vmf, around, walk, vmf->chain.table[0]);
    mmk_walk_set(walk, &vmf->chain, pte);
    return true;
}

/*
 * mmk_fault_set_with() of a fault that speculates: by the walk with which it has looked, and with
 * tables that are at hand.
 * => DONE, RETRY; inside the RCU read section of the walk
 */
static enum mmk_fault_result set_looked(struct mmk_vmf *vmf, mmk_pte_t pte,
                                        struct mmk_around *around)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_NO_TSA
{
    struct mmk_walk *walk = &vmf->kept;
    bool set;

    if (!mmk_chain_prepare_nowait(&vmf->chain, vmf->mm, vmf->lacks)) {
        vmf->why = MMK_COUNT_LOCKED_MEMORY;
        return MMK_FAULT_RETRY;
    }
    if (around)
        mmk_around_find(vmf, around);
    mmk_table_lock(walk->table);
    set = mmk_table_linked_at(walk->table, walk->parent) &&
          mmk_pte_none(mmk_pte_read(walk->entry)) &&
          (mmk_fault_current(vmf) || MMK_MISTAKE(FILE_UNCHECKED)) && !mmk_mm_killed(vmf->mm) &&
          !mmk_inject(MMK_INJECT_FAULT_AGAIN);
    if (mmk_likely(set)) {
        mmk_vma_hint(walk->table, vmf->vma);
        set = mmk_fault_set_none(vmf, walk, pte, around);
    }
    mmk_table_unlock(walk->table);
    return set ? MMK_FAULT_DONE : MMK_FAULT_RETRY;
}

enum mmk_fault_result mmk_fault_set_with(struct mmk_vmf *vmf, mmk_pte_t pte,
                                         struct mmk_around *around)
{
    struct mmk_walk walk;
    bool killed, set;

    if (vmf->speculates)
        return set_looked(vmf, pte, around);
    if (mmk_chain_prepare(&vmf->chain, vmf->mm, vmf->lacks))
        return MMK_FAULT_OOM;
    if (around)
        mmk_around_find(vmf, around);
    for (;;) {
        mmk_rcu_read_lock();
        mmk_walk_lock(vmf->mm, vmf->addr, &walk);
        if (!mmk_pte_none(mmk_pte_read(walk.entry)) || mmk_inject(MMK_INJECT_FAULT_AGAIN)) {
            mmk_fault_unlock(&walk);
            return MMK_FAULT_RETRY;
        }
        killed = mmk_mm_killed(vmf->mm);
        mmk_vma_hint(walk.table, vmf->vma);
        set = killed || mmk_fault_set_none(vmf, &walk, pte, around);
        mmk_fault_unlock(&walk);
        if (mmk_likely(set))
            return killed ? MMK_FAULT_KILLED : MMK_FAULT_DONE;
        if (around)
            mmk_around_drop(around); /* this may sleep */
        if (mmk_chain_prepare(&vmf->chain, vmf->mm, walk.level))
            return MMK_FAULT_OOM;
    }
}

/* Who speculates is still in the section of the walk by which he has looked. => false: it is old */
MMK_ALWAYS_INLINE bool lock_looked(struct mmk_vmf *vmf, struct mmk_walk *walk) MMK_NO_TSA
{
    if (!vmf->speculates) {
        mmk_walk_lock(vmf->mm, vmf->addr, walk);
        return true;
    }
    if (walk != &vmf->kept)
        *walk = vmf->kept;
    mmk_table_lock(walk->table);
    return mmk_table_linked_at(walk->table, walk->parent);
}

bool mmk_fault_lock(struct mmk_vmf *vmf, struct mmk_walk *walk) MMK_NO_TSA
{
    mmk_rcu_read_lock();
    if (lock_looked(vmf, walk) && walk->level == 0 && mmk_pte_read(walk->entry).v == vmf->pte.v &&
        mmk_fault_current(vmf) && !mmk_inject(MMK_INJECT_FAULT_AGAIN)) {
        mmk_vma_hint(walk->table, vmf->vma);
        return true;
    }
    mmk_fault_unlock(walk);
    return false;
}

void mmk_fault_unlock(struct mmk_walk *walk)
{
    mmk_walk_unlock(walk);
    mmk_rcu_read_unlock();
}

void mmk_fault_keep(struct mmk_vmf *vmf)
{
    bool kept = MMK_MISTAKE(FAULT_KEEPS_NOTHING) || mmk_pte_get_unless_zero(vmf->kept.table);

    mmk_assert(kept, "T3 a table with an entry is used");
    mmk_fault_unlock(&vmf->kept);
}

bool mmk_fault_relock(struct mmk_vmf *vmf)
{
    mmk_rcu_read_lock();
    mmk_table_lock(vmf->kept.table);
    return mmk_pte_read(vmf->kept.entry).v == vmf->pte.v && !mmk_inject(MMK_INJECT_FAULT_AGAIN);
}

void mmk_pte_put_vmf_locked(struct mmk_vmf *vmf)
{
    if (!MMK_MISTAKE(FAULT_KEEPS_NOTHING))
        mmk_pte_unpin(vmf->kept.table);
    if (mmk_likely(mmk_table_used(vmf->kept.table)) || MMK_MISTAKE(FAULT_LEAVES_TABLE))
        mmk_table_unlock(vmf->kept.table);
    else
        mmk_table_unlock_left(&vmf->kept);
    mmk_rcu_read_unlock();
}

void mmk_pte_put_vmf(struct mmk_vmf *vmf)
{
    mmk_rcu_read_lock();
    mmk_table_lock(vmf->kept.table);
    mmk_pte_put_vmf_locked(vmf);
}

/*
 * Sets the bits that the access leaves behind, where hardware faults instead of setting them.
 * => false: the entry says something else by now
 */
static bool mark_used(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    bool write = vmf->access == MMK_ACCESS_WRITE;
    struct mmk_walk walk;

    if (mmk_pte_used(vmf->pte, write) && !mmk_pte_grouped(vmf->pte))
        return true;
    if (!mmk_fault_lock(vmf, &walk))
        return false;
    if (mmk_pte_grouped(vmf->pte)) /* hardware may have looked at another entry of it (PG1) */
        mmk_pte_group_use(walk.entry);
    else
        while (!mmk_pte_change(walk.entry, &vmf->pte, mmk_pte_mkused(vmf->pte, write)))
            continue;
    mmk_fault_unlock(&walk);
    return true;
}

static enum mmk_fault_result spurious(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    if (!mark_used(vmf))
        return MMK_FAULT_RETRY;
    if (!MMK_MISTAKE(SPURIOUS_UNFLUSHED))
        mmk_tlb_local_spurious(&vmf->mm->context, vmf->addr);
    mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_SPURIOUS, 1);
    return MMK_FAULT_DONE;
}

/* => true: there is a larger page, or is to be one; as look(), inside its section */
static MMK_NOINLINE bool look_huge(struct mmk_vmf *vmf, const struct mmk_walk *walk)
{
    vmf->pte = mmk_pte_read(walk->entry);
    vmf->huge = !mmk_pte_none(vmf->pte);
    vmf->lacks = walk->level;
    return vmf->huge || mmk_fault_huge_wanted(vmf, MMK_HUGE_LEVEL);
}

/*
 * There is no table for the entry, unless one waits to come back. Who speculates takes a new one at
 * once, if there is one; who does not has been here before, and may wait for it.
 * => as look(), inside its section
 */
static bool look_above(struct mmk_vmf *vmf, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_page *leaf;

    if (mmk_huge_possible() && look_huge(vmf, walk))
        return false;
    if (vmf->vma->object) {
        vmf->lacks = mmk_limbo_has(walk) ? 0 : walk->level;
        return false;
    }
    leaf = mmk_limbo_take(walk);
    if (leaf)
        return mmk_fault_anon_again_rcu(vmf, walk, leaf);
    vmf->lacks = walk->level;
    return vmf->speculates && mmk_fault_anon_below_rcu(vmf, walk);
}

/*
 * Looks what the entry says: none when there is no table for it. The usual fault, on private
 * anonymous memory whose table is there, or waits to come back (P11), is over with this one walk.
 * => vmf->kept: of mmk_walk_rcu(). true: done
 */
MMK_ALWAYS_INLINE bool look_rcu(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_walk *walk = &vmf->kept;

    vmf->pte.v = 0;
    vmf->lacks = 0;
    vmf->huge = false;
    if (mmk_unlikely(walk->level != 0))
        return look_above(vmf, walk);
    vmf->pte = mmk_pte_read(walk->entry);
    return mmk_pte_none(vmf->pte) && !vmf->vma->object && !MMK_MISTAKE(HUGE_ASKED_AGAIN) &&
           mmk_fault_anon_rcu(vmf, walk);
}

MMK_ALWAYS_INLINE bool look(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    bool done;

    mmk_rcu_read_lock();
    mmk_walk_rcu(vmf->mm, vmf->addr, &vmf->kept);
    done = look_rcu(vmf);
    mmk_rcu_read_unlock();
    return done;
}

/*
 * Guards come before the flush, beside faults (guard.c). Who is told of one must not find the page
 * afterwards, by whichever CPU (P2).
 */
static enum mmk_fault_result refuse_guarded(struct mmk_vmf *vmf)
{
    if (mmk_mm_flush_pending(vmf->mm) > 0 && !MMK_MISTAKE(GUARD_UNFLUSHED))
        mmk_tlb_flush(vmf->mm, vmf->addr, vmf->addr + MMK_PAGE_SIZE);
    return MMK_FAULT_SEGV_MAPERR;
}

/* Of an entry that look() has seen, not none. */
static enum mmk_fault_result handle_entry(struct mmk_vmf *vmf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    if (mmk_unlikely(!mmk_pte_present(vmf->pte)))
        return mmk_pte_guard(vmf->pte) ? refuse_guarded(vmf) : mmk_fault_swap(vmf);
    if (vmf->access == MMK_ACCESS_WRITE && !mmk_pte_write(vmf->pte))
        return mmk_fault_write_protected(vmf);
    return spurious(vmf);
}

/* By what look() has seen. */
static enum mmk_fault_result handle_looked(struct mmk_vmf *vmf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    if (mmk_unlikely(vmf->huge))
        return mmk_fault_huge_entry(vmf);
    if (mmk_pte_none(vmf->pte))
        return vmf->vma->object ? mmk_fault_file(vmf) : mmk_fault_anon(vmf);
    return handle_entry(vmf);
}

/*
 * A fault on an entry that was none has failed. It may have looked in the middle of a
 * copy-on-write, whose entry is none for a moment (P7), as are those of a group that is split
 * (PG2): then the page is there, and nothing has failed (P12).
 */
static bool was_between(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    struct mmk_walk walk;
    bool none;

    if (!mmk_pte_none(vmf->pte) || MMK_MISTAKE(FAILS_BETWEEN))
        return false;
    mmk_rcu_read_lock();
    mmk_walk_lock(vmf->mm, vmf->addr, &walk);
    none = mmk_pte_none(mmk_pte_read(walk.entry));
    mmk_fault_unlock(&walk);
    return !none;
}

/* Until it is settled, with the tables that it takes. */
static enum mmk_fault_result handle_all(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum mmk_fault_result result;
    bool again;

    mmk_chain_init(&vmf->chain);
    do {
        result = handle_looked(vmf);
        again = result == MMK_FAULT_RETRY || (result != MMK_FAULT_DONE && was_between(vmf));
    } while (again && !look(vmf));
    mmk_chain_discard(&vmf->chain);
    return again ? MMK_FAULT_DONE : result;
}

/*
 * An entry that is there takes no table, and nearly always one try. Killed is asked here for all
 * but the usual fault, which asks it once, under the table's lock.
 */
static MMK_NOINLINE enum mmk_fault_result handle_slow(struct mmk_vmf *vmf)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
{
    enum mmk_fault_result result;

    if (mmk_mm_killed(vmf->mm))
        return MMK_FAULT_KILLED;
    if (!mmk_pte_none(vmf->pte) && !vmf->huge) {
        result = handle_entry(vmf);
        if (mmk_likely(result != MMK_FAULT_RETRY))
            return result;
        if (look(vmf))
            return MMK_FAULT_DONE;
    }
    return handle_all(vmf);
}

MMK_ALWAYS_INLINE enum mmk_fault_result handle(struct mmk_mm *mm, struct mmk_vma *vma,
                                               mmk_vaddr_t addr, enum mmk_access access, bool force)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    struct mmk_vmf vmf;

    vmf.mm = mm;
    mmk_mm_is_read_locked(vmf.mm);
    vmf.vma = vma;
    vmf.seq = mmk_vma_seq(vma);
    vmf.speculates = false;
    vmf.flags = mmk_vma_flags(vma);
    vmf.addr = mmk_page_down(addr);
    vmf.access = access;
    if (!allowed(vmf.flags, access) && !(force && forcible(vmf.flags, access)))
        return MMK_FAULT_SEGV_ACCERR;
    return mmk_likely(look(&vmf)) ? MMK_FAULT_DONE : handle_slow(&vmf);
}

enum mmk_fault_result mmk_fault_locked(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr,
                                       enum mmk_access access)
{
    return handle(mm, vma, addr, access, false);
}

enum mmk_fault_result mmk_fault_force_locked(struct mmk_mm *mm, struct mmk_vma *vma,
                                             mmk_vaddr_t addr, enum mmk_access access)
{
    return handle(mm, vma, addr, access, true);
}

/* --- without the mmap lock ------------------------------------------------------------------- */

/* => vma, unless NULL, is vmf's, as it is now; false: it is not, or it is being changed */
MMK_ALWAYS_INLINE bool take_vma(struct mmk_vmf *vmf, struct mmk_vma *vma)
{
    if (mmk_unlikely(!vma))
        return false;
    vmf->vma = vma;
    vmf->seq = mmk_vma_seq(vma);
    vmf->flags = mmk_vma_flags(vma);
    if (mmk_vma_start(vma) > vmf->addr || mmk_vma_end(vma) <= vmf->addr)
        return MMK_MISTAKE(HINT_UNCHECKED) && !(vmf->seq & 1);
    return !(vmf->seq & 1) || MMK_MISTAKE(SPECULATES_CLOSED);
}

/* The VMA that holds vmf's address. => as take_vma(); vmf->kept: of mmk_walk_rcu() */
MMK_ALWAYS_INLINE bool find_open(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(mmk_rcu)
{
    const struct mmk_walk *walk = &vmf->kept;

    if (mmk_likely(take_vma(vmf, mmk_vma_hint_rcu(walk->table, walk->level))))
        return true;
    return take_vma(vmf, mmk_vma_tree_find_rcu(&vmf->mm->vmas, vmf->addr));
}

/* => done; false, vmf->why: it is to be done with the mmap lock */
MMK_ALWAYS_INLINE bool speculate_rcu(struct mmk_vmf *vmf) MMK_REQUIRES_SHARED(mmk_rcu)
{
    uint32_t moves = mmk_mm_table_moves(vmf->mm);

    mmk_mm_is_speculating(vmf->mm);
    mmk_walk_rcu(vmf->mm, vmf->addr, &vmf->kept);
    vmf->why = MMK_COUNT_LOCKED_VMA;
    if (!find_open(vmf) || !allowed(vmf->flags, vmf->access))
        return false;
    if (!mmk_mm_table_moves_are(vmf->mm, moves) && !MMK_MISTAKE(WALK_MOVED))
        return false;
    vmf->why = MMK_COUNT_LOCKED_KIND;
    if (mmk_likely(look_rcu(vmf)))
        return true;
    if (vmf->huge || mmk_mm_killed(vmf->mm))
        return false;
    if (mmk_pte_none(vmf->pte))
        return vmf->vma->object && mmk_fault_file_rcu(vmf);
    if (!mmk_pte_present(vmf->pte))
        return mmk_pte_swap(vmf->pte) && mmk_fault_swap_rcu(vmf);
    vmf->why = MMK_COUNT_LOCKED_CHANGED;
    return handle_entry(vmf) == MMK_FAULT_DONE;
}

MMK_ALWAYS_INLINE bool speculate(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_access access)
{
    struct mmk_vmf vmf;
    bool done;

    if (!mmk_config.speculate || mmk_huge_possible() || addr >= MMK_USER_END)
        return false;
    vmf.mm = mm;
    vmf.addr = mmk_page_down(addr);
    vmf.access = access;
    vmf.speculates = true;
    mmk_rcu_read_lock();
    done = speculate_rcu(&vmf);
    mmk_rcu_read_unlock();
    if (mmk_unlikely(!done))
        mmk_mm_count(mm, vmf.why, 1);
    return done;
}

/* --- with it --------------------------------------------------------------------------------- */

/*
 * No VMA holds addr; `above` is the next. => as find_and_lock(), but called with the lock held,
 * which it lets go of first
 */
static MMK_NOINLINE struct mmk_vma *find_stack(struct mmk_mm *mm, mmk_vaddr_t addr,
                                               const struct mmk_vma *above,
                                               enum mmk_fault_result *why) MMK_NO_TSA
{
    bool grows = above && (mmk_vma_flags(above) & MMK_VM_GROWSDOWN);

    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    *why = MMK_FAULT_SEGV_MAPERR;
    return grows ? mmk_stack_grow(mm, addr, why) : NULL;
}

/*
 * Finds the VMA that holds addr.
 * => with the mmap lock held for reading; NULL, *why: there is none, and it is not held
 */
MMK_ALWAYS_INLINE struct mmk_vma *find_and_lock(struct mmk_mm *mm, mmk_vaddr_t addr,
                                                enum mmk_fault_result *why)
    MMK_TRY_ACQUIRES_SHARED(true, mm->mmap_lock) MMK_NO_TSA /* held on one way out of three */
{
    struct mmk_vma *vma;

    *why = MMK_FAULT_SEGV_MAPERR;
    if (addr >= MMK_USER_END)
        return NULL;
    *why = MMK_FAULT_KILLED;
    if (mmk_mm_read_lock(mm))
        return NULL;
    vma = mmk_mm_find_vma(mm, addr);
    if (mmk_likely(vma && mmk_vma_start(vma) <= addr))
        return vma;
    return find_stack(mm, addr, vma, why);
}

MMK_ALWAYS_INLINE enum mmk_fault_result fault(struct mmk_mm *mm, mmk_vaddr_t addr,
                                              enum mmk_access access, bool force)
{
    enum mmk_fault_result result;
    struct mmk_vma *vma;

    if (mmk_likely(!force && speculate(mm, addr, access)))
        return MMK_FAULT_DONE;
    vma = find_and_lock(mm, addr, &result);
    if (mmk_likely(vma)) {
        result = handle(mm, vma, addr, access, force);
        mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    }
    if (mmk_likely(result == MMK_FAULT_DONE))
        return result;
    mmk_mm_count(mm, MMK_COUNT_FAULT_FAILED, 1);
    mmk_waiting_throttle(); /* for a page that could not be read there was a place, for a while */
    return mmk_mm_killed(mm) ? MMK_FAULT_KILLED : result;
}

enum mmk_fault_result mmk_fault(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_access access)
{
    return fault(mm, addr, access, false);
}

enum mmk_fault_result mmk_fault_force(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_access access)
{
    return fault(mm, addr, access, true);
}
