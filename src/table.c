/* SPDX-License-Identifier: MIT */
/*
 * table.c - life of a page table.
 *
 *              alloc                 walk_link, walk_set            unlock_free
 *   (stock) ----------> PRIVATE --------------------------> LINKED -------------> DEAD
 *      ^                   |  chain_discard                 |  ^ ^                 |  flushed by
 *      +-------------------+                                +--+ |  walk_set       v  its gather
 *      |                                            walk_relink  +------------- in limbo
 *      |                                                          same entry       |
 *      +------------------------------- grace period ------------------------------+
 *
 * T1 A table is linked from its parent exactly while it is not dead.
 * T2 `live` equals the table's entries that are not none.
 * T3 When an operation returns, no linked table below the root has live + pins == 0 (policy mmkit).
 *
 * Locks: each table has its own. `live`, `pins` and the entries change under it; the parent's
 * entry, and the `parent` pointer, which says whether it is dead, change under both the parent's
 * and the own lock (P6); of one that comes back see below.
 * Order: upper before lower. Tables are found under RCU alone; who changes an entry locks the table
 * and then re-checks that it is linked where it was found. Visitors are not counted but for those
 * that sleep (pte_ref.h): RCU and the re-check are the others' reference.
 *
 * The policy is read here alone, below: which empty tables go, whether fork copies empty ones, and
 * whether those go whose entries do not matter.
 * (check.c reads it as well, since T3 holds for one policy only.)
 *
 * Freeing goes bottom up, against the order, so the parent's lock is tried. While parents hold
 * nothing but what is being freed, it goes on upwards with all the locks: those tables go as one
 * path, by one change of the entry above, and stay linked to each other. All of them are dead:
 * somebody may be in any. If a lock cannot be had at once, what lies below goes by itself; then
 * both are dropped and taken in order, with everything checked again.
 *
 * A dead path may be linked again, by the same entry (limbo.c). Then it is as if it had never been
 * unlinked, for whoever may still be in it. Under the lock of the entry above all of its tables are
 * locked, upper before lower; nobody waits for a lock above with that of a dead table held. The
 * locks are held until the path is linked: whoever finds one of the tables alive, having locked it,
 * finds its entries, and all that he does there can be found from the root when he has done it.
 * Alive before that, a table would take entries that a look from the root, without locks, does not
 * see, though their fault is over, and visitors that do not find the table again.
 *
 * A table does not know its address: a mover relinks an upper table without touching those below.
 * Who takes its last entry comes from a walk, which knows; this holds as nobody moves a table while
 * another may take entries out of it (move.c). A visitor that slept does not know, and flushes all
 * of the address space. That costs the same: a CPU that is told of a whole table's span drops all
 * that it has (tlb.c).
 *
 * Rejected: counting references of walkers (one atomic operation a walk, on a line that every
 * fault in 2 MiB shares); locking top down (every zap would take the upper lock).
 */
#include "table.h"

#include "core.h"
#include "limbo.h"
#include "planted.h"
#include "tlb.h"

/* --- adding ---------------------------------------------------------------------------------- */

int mmk_chain_prepare(struct mmk_chain *chain, struct mmk_mm *mm, unsigned level)
{
    unsigned i;

    for (i = 0; i < level; i++) {
        if (!chain->table[i])
            chain->table[i] = mmk_table_alloc(mm, i);
        if (!chain->table[i])
            return MMK_ENOMEM;
    }
    return 0;
}

bool mmk_chain_prepare_nowait(struct mmk_chain *chain, struct mmk_mm *mm, unsigned level)
{
    unsigned i;

    for (i = 0; i < level; i++) {
        if (!chain->table[i])
            chain->table[i] = mmk_table_alloc_at_hand(mm, i);
        if (!chain->table[i])
            return false;
    }
    return true;
}

void mmk_chain_discard(struct mmk_chain *chain)
{
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS - 1; level++)
        if (chain->table[level])
            mmk_table_free(chain->table[level]);
}

int mmk_pool_add(struct mmk_table_pool *pool, struct mmk_mm *mm, unsigned level)
{
    struct mmk_page *table = mmk_table_alloc(mm, level);

    if (!table)
        return MMK_ENOMEM;
    table->table.next = pool->first[level];
    pool->first[level] = table;
    return 0;
}

static struct mmk_page *pool_take(struct mmk_table_pool *pool, unsigned level)
{
    struct mmk_page *table = pool->first[level];

    if (table)
        pool->first[level] = table->table.next;
    return table;
}

void mmk_chain_refill(struct mmk_chain *chain, struct mmk_table_pool *pool)
{
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS - 1; level++)
        if (!chain->table[level])
            chain->table[level] = pool_take(pool, level);
}

void mmk_pool_discard(struct mmk_table_pool *pool)
{
    struct mmk_page *table;
    unsigned level;

    for (level = 0; level < MMK_PT_LEVELS - 1; level++)
        while ((table = pool_take(pool, level)) != NULL)
            mmk_table_free(table);
}

/*
 * `entry` links `table`, and `old` does not any more; NULL: none did.
 * => entry is none, counts from now on, and its table is locked or private
 */
MMK_ALWAYS_INLINE void link_table(struct mmk_a64 *entry, struct mmk_page *table,
                                  const struct mmk_a64 *old)
{
    mmk_frame_note_link(table, entry);
    mmk_pte_update_pmd(table, old, entry);
    mmk_pte_set(entry, mmk_pte_link(mmk_page_to_pfn(table)));
}

/* The chain's table for `level` is going to be linked. */
static struct mmk_page *chain_take(struct mmk_mm *mm, struct mmk_chain *chain, unsigned level)
{
    struct mmk_page *table = chain->table[level];

    chain->table[level] = NULL;
    mmk_mm_count_tables(mm, level, 1, 1);
    mmk_mm_count_made(1);
    return table;
}

/*
 * Links `table` below walk's entry. Lowest first, so that the last store publishes a path that is
 * complete.
 */
MMK_ALWAYS_INLINE void link_path(struct mmk_walk *walk, struct mmk_chain *chain,
                                 struct mmk_page *table, const struct mmk_a64 *old)
    MMK_REQUIRES(walk->table->table.lock)
{
    unsigned level;

    for (level = table->table.level + 1; level < walk->level; level++) {
        struct mmk_page *upper = chain_take(walk->mm, chain, level);

        mmk_pte_get_private(upper, 1);
        link_table(&mmk_table_entries(upper)[mmk_pt_index(walk->addr, level)], table, old);
        table = upper;
        old = NULL;
    }
    mmk_walk_break_above(walk, chain->shares);
    mmk_pte_get(walk->table);
    link_table(walk->entry, table, old);
}

void mmk_walk_link(struct mmk_walk *walk, struct mmk_chain *chain)
{
    link_path(walk, chain, chain_take(walk->mm, chain, 0), NULL);
}

/* P6: with both parents and the table itself locked. */
void mmk_walk_relink(struct mmk_walk *from, struct mmk_walk *to, struct mmk_chain *chain)
{
    struct mmk_page *table = mmk_pte_table(mmk_pte_read(from->entry));

    mmk_table_lock(table);
    mmk_pte_drop(from->entry);
    mmk_pte_put_many(from->table, 1);
    link_path(to, chain, table, from->entry);
    mmk_table_unlock(table);
}

/* What was linked there may be cached: where the format wants a break, this is it. */
static void break_exchange(const struct mmk_walk *from, const struct mmk_walk *to)
{
    uint64_t span = mmk_pt_entry_span(from->level);

    if (!MMK_PT_BREAK_FIRST)
        return;
    mmk_tlb_flush(from->mm, from->addr, from->addr + span);
    mmk_tlb_flush(to->mm, to->addr, to->addr + span);
}

/* P6: with both parents and both tables locked, two of one level by address. */
void mmk_walk_exchange(struct mmk_walk *from, struct mmk_walk *to) MMK_NO_TSA
{
    struct mmk_page *coming = mmk_pte_table(mmk_pte_read(from->entry));
    struct mmk_page *going = mmk_pte_table(mmk_pte_read(to->entry));
    bool in_order = coming < going;

    mmk_table_lock(in_order ? coming : going);
    mmk_table_lock(in_order ? going : coming);
    mmk_assert(going->table.level > 0 || mmk_table_live(going) == 0,
               "MV2 a table of the new range has no entries");
    mmk_pte_drop(from->entry);
    mmk_pte_drop(to->entry);
    break_exchange(from, to);
    link_table(to->entry, coming, from->entry);
    link_table(from->entry, going, to->entry);
    mmk_table_unlock(going);
    mmk_table_unlock(coming);
}

void mmk_walk_exchange_huge(struct mmk_walk *from, struct mmk_walk *to) MMK_NO_TSA
{
    struct mmk_page *going = mmk_pte_table(mmk_pte_read(to->entry));
    mmk_pte_t pte;

    mmk_table_lock(going);
    mmk_assert(going->table.level > 0 || mmk_table_live(going) == 0,
               "MV2 a table of the new range has no entries");
    pte = mmk_pte_take(from->entry);
    mmk_pte_drop(to->entry);
    break_exchange(from, to);
    mmk_pte_set(to->entry, pte);
    link_table(from->entry, going, to->entry);
    mmk_table_unlock(going);
}

void mmk_walk_set(struct mmk_walk *walk, struct mmk_chain *chain, mmk_pte_t pte)
{
    struct mmk_page *leaf = chain->table[0];

    mmk_pte_get_private(leaf, 1);
    mmk_pte_set(&mmk_table_entries(leaf)[mmk_pt_index(walk->addr, 0)], pte);
    mmk_walk_link(walk, chain);
}

void mmk_walk_set_huge(struct mmk_walk *walk, struct mmk_chain *chain, mmk_pte_t pte,
                       unsigned level)
{
    struct mmk_page *table;

    if (walk->level == level) {
        mmk_walk_break_above(walk, chain->shares);
        mmk_pte_get(walk->table);
        mmk_pte_set(walk->entry, pte);
        return;
    }
    table = chain_take(walk->mm, chain, level);
    mmk_pte_get_private(table, 1);
    mmk_pte_set(&mmk_table_entries(table)[mmk_pt_index(walk->addr, level)], pte);
    link_path(walk, chain, table, NULL);
}

/* n tables, from this one up, are locked, all but so many of the lowest (a mistake). => the highest
 */
MMK_ALWAYS_INLINE struct mmk_page *bring_back_path(struct mmk_page *lowest, unsigned n,
                                                   unsigned but)
{
    struct mmk_page *path[MMK_PT_LEVELS];
    unsigned i;

    path[0] = lowest;
    for (i = 1; i < n; i++)
        path[i] = path[i - 1]->table.upper;
    while (i-- > 0) { /* upper before lower */
        if (i >= but)
            mmk_table_lock_back(path[i]);
        mmk_table_bring_back(path[i]);
    }
    return path[n - 1];
}

MMK_ALWAYS_INLINE void unlock_path_back(struct mmk_page *table, unsigned n)
{
    struct mmk_page *upper;

    for (; n > 0; n--, table = upper) {
        upper = table->table.upper;
        mmk_table_unlock_back(table);
    }
}

void mmk_walk_set_path_again(struct mmk_walk *walk, struct mmk_page *leaf, mmk_pte_t pte)
{
    const unsigned n = walk->level;

    mmk_mm_count_tables(walk->mm, 0, n, 1);
    mmk_walk_break_above(walk, 0);
    mmk_walk_link_again(walk, leaf, bring_back_path(leaf, n, 0), pte);
    unlock_path_back(leaf, n);
}

/* Cuts a path from limbo: what is below `level` goes back. Answers the table there, without it. */
static struct mmk_page *cut_below(struct mmk_mm *mm, struct mmk_page *leaf, unsigned level)
{
    struct mmk_page *table, *lower = leaf;

    while (lower->table.level + 1 < level)
        lower = lower->table.upper;
    table = lower->table.upper;
    mmk_frame_note(table, 0, MMK_FRAME_TABLE);
    mmk_pte_drop(mmk_table_last_pmd(lower));
    mmk_pte_put_private(table, 1);
    leaf->table.above = (uint16_t)(level - 1);
    mmk_table_keep(mm, leaf);
    return table;
}

/* The lowest that comes back stays locked: it has no entry until the caller sets one. */
bool mmk_walk_extend(struct mmk_walk *walk) MMK_NO_TSA
{
    unsigned lowest, n;
    struct mmk_page *leaf = mmk_limbo_take_part(walk, &lowest), *table;
    mmk_pte_t link;

    if (!leaf)
        return false;
    n = walk->level - lowest;
    mmk_mm_count_tables(walk->mm, lowest, n, 1);
    table = cut_below(walk->mm, leaf, lowest);
    mmk_walk_break_above(walk, 0);
    link = mmk_pte_link(
        mmk_page_to_pfn(bring_back_path(table, n, MMK_MISTAKE(EXTENDED_UNLOCKED) ? 1 : 0)));
    mmk_pte_get(walk->table);
    mmk_pte_set(walk->entry, link);
    mmk_table_unlock(walk->table);
    if (MMK_MISTAKE(EXTENDED_UNLOCKED) || MMK_MISTAKE(REVIVED_UNLOCKED))
        mmk_table_lock(table);
    unlock_path_back(table->table.upper, n - 1);
    walk->table = table;
    walk->parent = mmk_table_pmd(table);
    walk->entry = &mmk_table_entries(table)[mmk_pt_index(walk->addr, lowest)];
    walk->level = lowest;
    return true;
}

/* --- freeing --------------------------------------------------------------------------------- */

/* By the policy, may this table, on addr's path and now without entries, be freed? */
static bool policy_frees(const struct mmk_page *table, mmk_vaddr_t addr,
                         const struct mmk_gather *gather)
{
    mmk_vaddr_t base = mmk_pt_base(addr, table->table.level);
    bool inside;

    if (mmk_likely(mmk_config.table_policy == MMK_TABLES_MMKIT))
        return true;
    if (gather->reason == MMK_GATHER_OTHER)
        return false;
    inside =
        gather->low <= base && base + mmk_pt_table_span(table->table.level) - 1 <= gather->high - 1;
    if (gather->reason == MMK_GATHER_UNMAP)
        return inside;
    return inside && mmk_config.table_policy == MMK_TABLES_LINUX_618 && table->table.level == 0;
}

bool mmk_table_keeps_unused(void)
{
    return mmk_config.table_policy != MMK_TABLES_MMKIT;
}

bool mmk_table_may_shrink(void)
{
    return mmk_config.table_policy == MMK_TABLES_MMKIT;
}

/*
 * The parent's lock could not be had at once: both, in order. false: no longer to be freed.
 *
 * A visitor that lets go may meet a mover (MV1 keeps only those away who take entries), and so may
 * advice that holds no mmap lock: so `parent` is read under the table's lock, whoever set it has
 * held that, too. RCU keeps what it was. Where the table is now, the way to it may be cached: the
 * flush is of all there is.
 */
static bool lock_parent_first(struct mmk_page *table, struct mmk_gather *gather,
                              struct mmk_page **parent_out) MMK_NO_TSA
{
    for (;;) {
        struct mmk_a64 *entry = mmk_table_pmd(table);
        struct mmk_page *parent = mmk_virt_to_page(entry);

        mmk_table_unlock(table);
        mmk_table_lock(parent);
        mmk_table_lock(table);
        if (mmk_table_linked_at(table, entry) || MMK_MISTAKE(PARENT_NOT_AGAIN)) {
            *parent_out = parent;
            if (!mmk_table_used(table) || MMK_MISTAKE(REFILLED_TABLE_FREED))
                return true;
            mmk_table_unlock(table);
            mmk_table_unlock(parent);
            return false;
        }
        mmk_table_unlock(parent);
        if (mmk_table_is_dead(table)) {
            mmk_table_unlock(table);
            return false;
        } /* else moved: its new parent */
        mmk_gather_range(gather, 0, MMK_USER_END);
    }
}

/* Tables to be freed, of which each links nothing but the next lower one (table.upper). */
struct path {
    struct mmk_page *lowest, *highest;
    unsigned n;
};

/* T1: unlinks the path, which stays one (limbo.c). => parent locked, too; the path's are dropped */
MMK_ALWAYS_INLINE void unlink_path(struct mmk_page *parent, struct path path, mmk_vaddr_t addr,
                                   struct mmk_gather *gather)
    MMK_REQUIRES(parent->table.lock) MMK_NO_TSA
{
    struct mmk_page *table = path.lowest, *upper;
    unsigned left;

    mmk_pte_drop(mmk_table_pmd(path.highest));
    mmk_pte_put_many(parent, 1);
    mmk_mm_count_tables(gather->mm, table->table.level, path.n, -1);
    table->table.above = (uint16_t)(path.n - 1);
    for (left = path.n; left > 0; left--, table = upper) {
        upper = table->table.upper;
        if (left == path.n || !MMK_MISTAKE(PATH_HALF_DEAD))
            mmk_table_kill(table);
        mmk_frame_note(table, 0, MMK_FRAME_UNLINKED);
        mmk_table_unlock(table);
    }
    mmk_gather_path(gather, path.lowest, path.n, addr);
}

/* Is there nothing in it but what goes, and may it be freed? => locked */
static bool goes_too(const struct mmk_page *table, mmk_vaddr_t addr,
                     const struct mmk_gather *gather) MMK_REQUIRES(table->table.lock)
{
    return mmk_table_live(table) == 1 && !mmk_table_pinned(table) && mmk_table_pmd(table) &&
           policy_frees(table, addr, gather);
}

/*
 * The parent's lock cannot be had at once: what lies below goes first, by itself. So no lock is
 * waited for with more than one of a lower table held, and that dropped.
 * => as lock_parent_first()
 */
static MMK_NOINLINE bool unlink_below(struct mmk_page *table, struct path path, mmk_vaddr_t addr,
                                      struct mmk_gather *gather,
                                      struct mmk_page **parent) MMK_NO_TSA
{
    if (path.n > 0)
        unlink_path(table, path, addr, gather);
    return lock_parent_first(table, gather, parent);
}

/* => true: locked. *parent is set in any case */
MMK_ALWAYS_INLINE bool try_parent(const struct mmk_page *table, struct mmk_page **parent) MMK_NO_TSA
{
    *parent = mmk_virt_to_page(mmk_table_pmd(table));
    return !mmk_inject(MMK_INJECT_LOCK_BUSY) && mmk_table_trylock(*parent);
}

/*
 * Goes up with the lock of ever another table.
 * => locked; nobody uses it, and it may be freed; the lock is dropped. Its parent, whether that is
 *    locked, too
 */
static MMK_NOINLINE void free_path(struct mmk_page *table, struct mmk_page *parent, bool locked,
                                   mmk_vaddr_t addr, struct mmk_gather *gather) MMK_NO_TSA
{
    struct path path = {.lowest = table, .n = 0};

    for (;; table = parent, locked = try_parent(table, &parent)) {
        if (!locked) {
            if (!unlink_below(table, path, addr, gather, &parent))
                return;
            path.lowest = table;
            path.n = 0;
        }
        table->table.upper = parent; /* which goes, too, or else nobody asks */
        path.highest = table;
        path.n++;
        if (!goes_too(parent, addr, gather))
            break;
    }
    unlink_path(parent, path, addr, gather);
    mmk_table_unlock(parent);
}

/* The first step of free_path(), which mostly is all of it. => locked; the lock is dropped */
static MMK_NOINLINE void free_unused(struct mmk_page *table, mmk_vaddr_t addr,
                                     struct mmk_gather *gather) MMK_NO_TSA
{
    struct mmk_page *parent;
    bool locked = try_parent(table, &parent);

    if (mmk_likely(locked && !goes_too(parent, addr, gather))) {
        unlink_path(parent, (struct path){table, table, 1}, addr, gather);
        mmk_table_unlock(parent);
    } else {
        free_path(table, parent, locked, addr, gather);
    }
}

void mmk_table_unlock_free(const struct mmk_walk *walk, struct mmk_gather *gather) MMK_NO_TSA
{
    struct mmk_page *table = walk->table;

    if (mmk_likely(mmk_table_used(table)) || !mmk_table_pmd(table) ||
        !policy_frees(table, walk->addr, gather))
        mmk_table_unlock(table);
    else
        free_unused(table, walk->addr, gather);
}

/* What a visitor leaves behind. `known`: where that is; else all of the address space is flushed.
 */
static void unlock_left(const struct mmk_walk *walk, bool known) MMK_NO_TSA
{
    bool ended = mmk_a32_load(&walk->mm->users, MMK_RELAXED) == 0; /* its exit may be through */
    struct mmk_gather gather;

    if (mmk_table_used(walk->table) || (mmk_table_keeps_unused() && !ended)) {
        mmk_table_unlock(walk->table);
        return;
    }
    mmk_gather_begin_tables(&gather, walk->mm);
    if (ended) /* nothing stays, whatever the policy */
        mmk_gather_policy(&gather, MMK_GATHER_UNMAP, 0, MMK_USER_END);
    if (!known)
        mmk_gather_range(&gather, 0, MMK_USER_END);
    mmk_table_unlock_free(walk, &gather);
    mmk_gather_finish_tables(&gather);
}

void mmk_table_unlock_left(const struct mmk_walk *walk) MMK_NO_TSA
{
    unlock_left(walk, true);
}

/* => its lock held, linked: those above stay linked, too, if not each where it was (P6) */
static struct mmk_mm *mm_of(const struct mmk_page *table)
{
    const struct mmk_a64 *pmd;

    while ((pmd = mmk_table_pmd(table)) != NULL)
        table = mmk_virt_to_page(pmd);
    return table->table.mm;
}

/* The table is on no walk: any address will do. */
void mmk_table_unlock_unpinned(struct mmk_page *table) MMK_NO_TSA
{
    const struct mmk_walk walk = {.mm = mm_of(table), .table = table};

    if (MMK_MISTAKE(UNPIN_LEAVES))
        mmk_table_unlock(table);
    else
        unlock_left(&walk, false);
}
