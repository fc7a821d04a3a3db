/* SPDX-License-Identifier: MIT */
/*
 * migrate.c - a page's content goes to another frame.
 *
 * Where one entry alone leads to it, the entry is exchanged as copy-on-write does it (P7): none,
 * flushed, set, under one hold of its table's lock. So whoever comes finds one frame or the other.
 * Likewise, one after another, all entries of a private page that is shared.
 *
 * An object's page that several entries map is taken out of all tables, then exchanged in the
 * object's index; whoever touches it meanwhile waits for its lock, and then looks anew (P4).
 *
 * MG1 The content is copied after the first entry was flushed, before any maps the copy. A page
 *     that is shared nobody writes to: its entries are read-only, and none of its users can find
 *     itself the only one, since the caller has a reference. What still is cached as writable is
 *     the translation of him who had it for his own before a fork that is not over yet, its
 *     owner's: flushed with his entry, which is the first. If an entry gets the page back, the copy
 *     is worth nothing any more: the page may be stored to.
 * MG2 The copy's entries come one by one, each under the lock of its own table, and may go at once:
 *     meanwhile the copy is counted as mapped once more, by us, and as an orphan, so that nobody
 *     has its count to himself (RM2). It stays one: its owner may find it his own later.
 * MG3 Who holds a page may look at its frame: one that can be written to, and that others hold,
 *     stays. Nobody comes to hold it while its only entry's table is locked, but those who find it
 *     by its object or slot, who wait for its lock. One that is shared may be held by those who
 *     copy it, which they may go on doing.
 * MG4 Both are locked until all is done. So nothing gets an entry that had none, but by fork, which
 *     copies entries of either; and its slot is the copy's before anybody can ask again whose it
 * is.
 *
 * Rejected: entries on the move (Linux), markers for which faults wait until all entries have the
 * new frame. All that goes through tables would have to know them, and a fault to wait; here it
 * waits for the copying of one page, under the lock of a table. The price: where several map an
 * object's page, each has a fault.
 */
#include "migrate.h"

#include "charge.h"
#include "notifier.h"
#include "object.h"
#include "planted.h"
#include "pte_group.h"
#include "rmap_use.h"
#include "rmap_walk.h"
#include "swap_cache.h"
#include "tlb.h"

struct migration {
    struct mmk_page *to;
    bool wait; /* for locks, and for secondary MMUs */
    bool copied, moved;
    bool missed; /* an entry, perhaps, for a lock that was not to be had */
    bool shared; /* MG2: the copy is mapped once more */
};

static struct mmk_object *object_of(const struct mmk_page *page)
{
    return (struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);
}

/* ---- the copy -------------------------------------------------------------------------------- */

/*
 * `to` becomes a page like `page`, as whose it is known, mapped by nobody. Locked, as reclaim might
 * find it by its frame.
 */
static void make_like(struct mmk_page *to, const struct mmk_page *page) MMK_REQUIRES(page)
    MMK_ACQUIRES(to)
{
    mmk_a32_store(&to->user.mapcount, 0, MMK_RELAXED);
    mmk_a32_store(&to->user.pins, 0, MMK_RELAXED);
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        mmk_aptr_store(&to->user.kin, mmk_page_kin(page), MMK_RELAXED);
    else
        mmk_aptr_store(&to->user.object, object_of(page), MMK_RELAXED);
    to->user.index = page->user.index;
    mmk_page_become_locked(to, mmk_page_type(page));
}

/* MG1 */
static void copy(struct migration *migration, const struct mmk_page *page)
{
    uint32_t flags = mmk_a32_load(&page->flags, MMK_RELAXED);
    struct mmk_page *to = migration->to;

    if (migration->copied)
        return;
    mmk_page_set(to, flags & (MMK_PF_DIRTY | MMK_PF_LAZYFREE | MMK_PF_UPTODATE | MMK_PF_AGE));
    mmk_copy_page(mmk_page_virt(to), mmk_page_virt(page));
    migration->copied = true;
}

/* ---- one entry ------------------------------------------------------------------------------- */

/*
 * Nobody holds it but so many users, the caller among them: no device writes to it, and no flush is
 * to come until which programs may (P5). Acquire: what was written by those who held it is seen.
 */
static bool is_held_by(const struct mmk_page *page, uint32_t users)
{
    return mmk_a32_load(&page->refs, MMK_ACQUIRE) == users;
}

/* P9, MG3. => the lock of a table that maps the page is held */
static bool may_move(const struct mmk_page *page)
{
    uint32_t kept = mmk_page_test(page, MMK_PF_SWAPCACHE) ? 1 : 0;

    if (MMK_MISTAKE(PINNED_MIGRATES))
        return true;
    if (mmk_page_pinned(page))
        return false;
    if (mmk_page_type(page) == MMK_PAGE_OBJECT)
        return mmk_page_mapcount(page) == 1 && is_held_by(page, 3);
    return !mmk_page_test(page, MMK_PF_EXCLUSIVE) || is_held_by(page, 2 + kept);
}

/*
 * Others may have moved the page here, or have made it read-only, and have yet to flush: what is
 * cached then leads to the page from elsewhere, or is writable (P2).
 * => walk locked
 */
static void flush(const struct mmk_walk *walk)
{
    if (mmk_mm_flush_pending(walk->mm) > 0 && !MMK_MISTAKE(MIGRATE_OTHERS_UNFLUSHED))
        mmk_tlb_flush(walk->mm, 0, MMK_USER_END);
    else
        mmk_tlb_flush(walk->mm, walk->addr, walk->addr + MMK_PAGE_SIZE);
}

/* => its table is locked; the page is its family's, which is locked */
static void move_private(struct mmk_page *page, struct mmk_mm *mm, struct migration *migration)
{
    struct mmk_page *to = migration->to;

    mmk_page_get(to);
    if (mmk_page_test(page, MMK_PF_EXCLUSIVE)) {
        mmk_page_clear(page, MMK_PF_EXCLUSIVE);
        mmk_page_set(to, MMK_PF_EXCLUSIVE);
        mmk_a32_store(&to->user.mapcount, 1, MMK_RELAXED);
    } else {
        if (!migration->shared)
            mmk_page_begin_orphan(to);
        migration->shared = true;
        mmk_page_dup_rmap(to);
    }
    mmk_page_remove_private(page, mm);
    mmk_page_put(page); /* not the last: the caller has one */
}

/* The page's only entry. => its table is locked; false: somebody has found the page by its object
 */
static bool move_object(struct mmk_page *page, struct mmk_mm *mm, struct mmk_page *to)
    MMK_REQUIRES(page) MMK_REQUIRES(to)
{
    bool replaced;

    mmk_page_remove_rmap(page, mm);
    mmk_page_put(page);
    replaced = mmk_object_replace(object_of(page), page, to);
    mmk_page_get(replaced ? to : page);
    mmk_page_add_rmap(replaced ? to : page, NULL, 0, false);
    return replaced;
}

/*
 * The entry's mapping goes from one page to the other: its reference, too.
 * => walk's entry maps the page, or the other one afterwards. false: it stays
 */
static bool exchange(struct mmk_page *page, struct mmk_walk *walk, struct migration *migration)
    MMK_REQUIRES(walk->table->table.lock) MMK_NO_TSA /* both are locked */
{
    bool moved = true;
    mmk_pte_t pte;

    if (!may_move(page))
        return false;
    if (MMK_MISTAKE(MIGRATE_COPIES_FIRST))
        copy(migration, page);
    mmk_pte_ungroup(walk, walk->entry);
    pte = mmk_pte_take(walk->entry);
    flush(walk);
    copy(migration, page);
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        move_private(page, walk->mm, migration);
    else
        moved = move_object(page, walk->mm, migration->to);
    if (moved)
        pte = mmk_pte_to_frame(pte, mmk_page_to_pfn(migration->to));
    else if (!MMK_MISTAKE(MIGRATES_STALE_COPY))
        migration->copied = false;
    mmk_pte_set(walk->entry, pte);
    return moved;
}

/*
 * As mmk_rmap_lock(); of those that it does not lock, one that is there is missed: there is no
 * table to split a larger page into. An entry that somebody has taken is not, mapped or not (P7).
 */
static bool lock_entry(const struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr,
                       struct mmk_walk *walk, struct migration *migration)
    MMK_TRY_ACQUIRES(true, walk->table->table.lock)
        MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu) MMK_NO_TSA
{
    if (mmk_likely(mmk_rmap_lock(page, mm, addr, walk)))
        return true;
    if (mmk_rmap_lock_any(page, mm, addr, walk)) {
        migration->missed |= !MMK_MISTAKE(MIGRATES_HALF);
        mmk_walk_unlock(walk);
        mmk_rcu_read_unlock();
    }
    return false;
}

static bool move_entry(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    struct migration *migration = (struct migration *)arg;
    struct mmk_notify notify;
    struct mmk_walk walk;

    if (!mmk_rmap_lock_any(page, mm, addr, &walk))
        return false;
    mmk_walk_unlock(&walk); /* secondary MMUs are told before, and may sleep */
    mmk_rcu_read_unlock();
    if (mmk_notify_try_begin(&notify, mm, addr, addr + MMK_PAGE_SIZE, MMK_NOTIFY_MIGRATE,
                             migration->wait)) {
        migration->missed = true;
        return true;
    }
    if (lock_entry(page, mm, addr, &walk, migration)) {
        migration->moved |= exchange(page, &walk, migration);
        mmk_walk_unlock(&walk);
        mmk_rcu_read_unlock();
    }
    mmk_notify_flushed(&notify, mm);
    mmk_notify_end(&notify);
    return mmk_page_mapcount(page) == 0;
}

/* ---- a page ---------------------------------------------------------------------------------- */

static void move_entries(struct mmk_page *page, struct migration *migration) MMK_REQUIRES(page)
{
    if (migration->wait)
        mmk_rmap_walk(page, move_entry, migration);
    else if (!mmk_rmap_try_walk(page, move_entry, migration))
        migration->missed = true;
}

/*
 * Some entries of a shared page have the copy, and some do not. So be it: each of the two is one
 * that they share. What else the page has it keeps.
 */
static bool is_half_moved(const struct mmk_page *page, const struct migration *migration)
{
    return migration->moved && migration->missed && mmk_page_mapcount(page) != 0;
}

/* A cached page that nothing maps, but swap entries may name. */
static void move_unmapped(const struct mmk_page *page, struct migration *migration)
    MMK_REQUIRES(page)
{
    if (mmk_page_mapcount(page) != 0 || !is_held_by(page, 2))
        return;
    copy(migration, page);
    migration->moved = true;
}

/*
 * The slot is held meanwhile: who lets go of it last looks whether its page, now another, has a use
 * left, which is us or comes after us.
 */
static void migrate_cached(struct mmk_page *page, struct migration *migration) MMK_REQUIRES(page)
    MMK_REQUIRES(migration->to)
{
    uint64_t slot = page->user.slot;

    if (!MMK_MISTAKE(MIGRATED_SLOT_FREE))
        mmk_slot_get(slot);
    move_entries(page, migration);
    if (!migration->moved)
        move_unmapped(page, migration);
    if (migration->moved && !is_half_moved(page, migration))
        mmk_swap_replace(page, migration->to);
    if (!MMK_MISTAKE(MIGRATED_SLOT_FREE))
        mmk_swap_put(slot);
}

static void migrate_private(struct mmk_page *page, struct migration *migration) MMK_REQUIRES(page)
    MMK_REQUIRES(migration->to)
{
    if (mmk_page_test(page, MMK_PF_SWAPCACHE))
        migrate_cached(page, migration);
    else
        move_entries(page, migration);
    if (migration->shared)
        mmk_page_end_orphan(migration->to);
}

/* => mapped by several, or by nobody */
static void migrate_unmapped(struct mmk_page *page, struct migration *migration) MMK_REQUIRES(page)
    MMK_REQUIRES(migration->to)
{
    if (MMK_MISTAKE(HELD_MIGRATES))
        copy(migration, page);
    if (!mmk_page_unmap_to_move(page, migration->wait) || !is_held_by(page, 2))
        return;
    copy(migration, page);
    migration->moved = mmk_object_replace(object_of(page), page, migration->to);
}

static void migrate_object(struct mmk_page *page, struct migration *migration) MMK_REQUIRES(page)
    MMK_REQUIRES(migration->to)
{
    if (mmk_page_mapcount(page) == 1)
        move_entries(page, migration);
    if (!migration->moved && mmk_page_mapcount(page) != 1)
        migrate_unmapped(page, migration);
    if (!migration->moved)
        mmk_aptr_store(&migration->to->user.object, NULL, MMK_RELAXED);
}

static bool may_try(const struct mmk_page *page)
{
    if (mmk_page_type(page) == MMK_PAGE_OBJECT)
        return object_of(page) && !mmk_page_pinned(page) && !mmk_page_test(page, MMK_PF_WRITEBACK);
    return mmk_page_type(page) == MMK_PAGE_ANON && mmk_page_has_kin(page);
}

static int migrate(struct mmk_page *page, struct mmk_page *to, bool wait)
    MMK_REQUIRES(page) MMK_NO_TSA /* `to` is migration.to */
{
    struct migration migration = {.to = to, .wait = wait};

    if (!may_try(page))
        return MMK_EBUSY;
    make_like(to, page);
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        migrate_private(page, &migration);
    else
        migrate_object(page, &migration);
    if (is_half_moved(page, &migration))
        migration.moved = false;
    if (migration.moved)
        mmk_charge_move(page, to);
    mmk_page_unlock(to);
    return migration.moved ? 0 : MMK_EBUSY;
}

int mmk_page_migrate(struct mmk_page *page, struct mmk_page *to)
{
    return migrate(page, to, true);
}

int mmk_page_migrate_nowait(struct mmk_page *page, struct mmk_page *to)
{
    return migrate(page, to, false);
}
