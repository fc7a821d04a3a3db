/* SPDX-License-Identifier: MIT */
/*
 * move.c - entries change their place.
 *
 * A step handles what one entry of an upper table covers, at the highest level at which that lies
 * wholly inside the range and the old and the new address are alike: the table below the entry
 * is linked elsewhere, whatever it holds, and none of its entries is read (mmk_walk_relink). What
 * is left, at the ends or everywhere if the addresses are not alike, moves entry by entry, from
 * one leaf table to one leaf table a step.
 *
 * MV1 Nobody else adds entries to the old or the new range, or takes any out of what moves: the
 *     mmap lock is held for writing, and for an object's range the interval lock (P10). Others may
 *     work in the tables at the ends, which other mappings share, and those above: truncation
 *     does. They may free such a table, if theirs was its last entry, at any time. And advice that
 *     has emptied a table before the mapping was closed may free it later, where it is then.
 * MV2 In the new range nothing is mapped. So an upper entry that covers a part of it alone is none,
 *     or links tables without entries that visitors keep (pte_ref.h).
 * MV3 An entry moves, and a table is linked elsewhere, with both tables that it concerns locked:
 *     the upper one first, two of one level by address.
 *
 * Tables that visitors keep are moved along with the others. Where one is in the way, the two
 * exchange their places: who keeps it finds it empty at the old address, from which it goes when he
 * lets go of it. That takes no memory, and it does not matter when he does. The new addresses are
 * flushed as well, then: they were not mapped, but the way to the table may be cached.
 *
 * Memory. prepare() walks the old range as perform() will, and puts a table into the pool for
 * every one that the new range needs: by MV2 none of those inside is there; those at the ends may
 * be there but may go (MV1), so they are taken as missing, too. Too much by that is a table a level
 * and end, most often one from the stock. All else is needed in the end: when tables move, only
 * those above, otherwise as many as there are leaf tables in the new range with an entry. So
 * running out half-way cannot happen. Rejected: allocating in between and moving back when there
 * is no memory (the emptied tables would have to stay until the end, and even so truncation may
 * free those at the ends; the peak would be the same: both sets of tables).
 *
 * One flush, at the end, by the caller, before it lets go of the mmap lock. Until then the old
 * addresses may be cached:
 *   - A translation of an old address reads and writes the very frame that the new entry maps, and
 *     no frame is freed here. A store that has to set the dirty bit looks at the entry, which is
 *     none by now, and faults; one whose bit is known to be set finds that bit in the entry that
 *     was taken out, and so in the new one.
 *   - A paging-structure entry that leads to a table which has moved finds the same entries there
 *     as a walk from the new place, and sets the same bits.
 *   - No fault, advice or mapping call comes in between, as the mmap lock is held. Whoever takes
 *     pages away through an object, once the interval lock is let go of, sees the share of
 *     flush_pending that the gather has, and flushes everything before it frees a frame (P2).
 *   - The new addresses were not mapped, so they are not cached. If they were just before, whoever
 *     unmapped has flushed before the first entry comes here: else one CPU could read the new page
 *     and another still the old one (P7).
 */
#include "move.h"

#include "huge.h"
#include "planted.h"
#include "pte_group.h"

/* --- what both passes do --------------------------------------------------------------------- */

/* The highest level at which one entry covers just the next part of what is left; 0: pages. */
static unsigned step_level(const struct mmk_move *move, uint64_t done)
{
    mmk_vaddr_t both = (move->from + done) | (move->to + done);
    unsigned level = MMK_PT_LEVELS - 1;

    while (level > 0 && ((both & (mmk_pt_entry_span(level) - 1)) ||
                         move->length - done < mmk_pt_entry_span(level)))
        level--;
    return level;
}

/* How much is left from `done` on before the range or the table at `level` on addr's path ends. */
static uint64_t left_in(const struct mmk_move *move, uint64_t done, mmk_vaddr_t addr,
                        unsigned level)
{
    uint64_t in_table = mmk_pt_table_span(level) - (addr - mmk_pt_base(addr, level));

    return mmk_min(in_table, move->length - done);
}

/* Pages that move in one step at level 0: until a leaf table ends, the old or the new one. */
static uint64_t step_pages(const struct mmk_move *move, uint64_t done)
{
    return mmk_min(left_in(move, done, move->from + done, 0),
                   left_in(move, done, move->to + done, 0)) >>
           MMK_PAGE_SHIFT;
}

/* Nothing is at walk's entry: how far on there may be something. => walk locked */
static uint64_t skip(const struct mmk_move *move, uint64_t done, const struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_vaddr_t end = walk->addr + left_in(move, done, walk->addr, walk->level);

    return mmk_min(mmk_walk_next_path(walk, end), end) - walk->addr;
}

/* Is there no entry at `level` to move? => walk locked */
static bool nothing_at(const struct mmk_walk *walk, unsigned level)
    MMK_REQUIRES(walk->table->table.lock)
{
    return walk->level > level || (level > 0 && mmk_pte_none(mmk_pte_read(walk->entry)));
}

/* --- getting ready --------------------------------------------------------------------------- */

/* An entry is to come to addr at `level`: tables for what is missing above. */
static int plan(struct mmk_move *move, mmk_vaddr_t addr, unsigned level)
{
    for (; level < MMK_PT_LEVELS - 1; level++) {
        mmk_vaddr_t base = mmk_pt_base(addr, level);

        if (move->planned[level] == base)
            continue;
        if (mmk_pool_add(&move->pool, move->mm, level))
            return MMK_ENOMEM;
        move->planned[level] = base;
    }
    return 0;
}

static bool any_entry(const struct mmk_a64 *entry, uint64_t count)
{
    while (count-- > 0)
        if (!mmk_pte_none(mmk_pte_read(entry++)))
            return true;
    return false;
}

/*
 * Looks at one step. => how far it goes, 0: a larger page is to be split first; *found: it moves
 * something
 */
static uint64_t look(struct mmk_move *move, uint64_t done, unsigned level, bool *found)
{
    struct mmk_walk walk;
    uint64_t length;

    mmk_rcu_read_lock();
    mmk_walk_to_lock(move->mm, move->from + done, level, &walk);
    *found = !nothing_at(&walk, level);
    if (walk.level > level && mmk_walk_huge(&walk, mmk_pte_read(walk.entry))) {
        length = 0;
    } else if (!*found) {
        length = skip(move, done, &walk);
    } else if (level > 0) {
        length = mmk_pt_entry_span(level);
    } else {
        length = step_pages(move, done) << MMK_PAGE_SHIFT;
        *found = any_entry(walk.entry, length >> MMK_PAGE_SHIFT);
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return length;
}

int mmk_move_prepare(struct mmk_move *move, struct mmk_mm *mm, mmk_vaddr_t from, mmk_vaddr_t to,
                     uint64_t length)
{
    uint64_t done, step;
    unsigned level;
    bool found;

    move->mm = mm;
    move->from = from;
    move->to = to;
    move->length = length;
    mmk_pool_init(&move->pool);
    for (level = 0; level < MMK_PT_LEVELS - 1; level++)
        move->planned[level] = UINT64_MAX;
    for (done = 0; done < length; done += step) {
        level = step_level(move, done);
        step = look(move, done, level, &found);
        if ((step == 0 && mmk_huge_split_at(mm, from + done, level)) ||
            (found && plan(move, to + done, level))) {
            mmk_move_discard(move);
            return MMK_ENOMEM;
        }
    }
    return 0;
}

void mmk_move_discard(struct mmk_move *move)
{
    mmk_pool_discard(&move->pool);
}

/* --- moving ---------------------------------------------------------------------------------- */

/* MV3: upper before lower, two of one level by address, the same one once. lock_step() says which.
 */
static void lock_two(struct mmk_page *one, struct mmk_page *other) MMK_NO_TSA
{
    bool swap = one->table.level == other->table.level ? one > other
                                                       : one->table.level < other->table.level;

    mmk_table_lock(swap ? other : one);
    if (one != other)
        mmk_table_lock(swap ? one : other);
}

/* One of two tables that may be the same, and then stays locked for the other's sake. */
static void unlock_other(const struct mmk_walk *walk, const struct mmk_walk *other)
    MMK_RELEASES(walk->table->table.lock) MMK_NO_TSA
{
    if (walk->table != other->table)
        mmk_table_unlock(walk->table);
}

/* Both walks of a step, locked. => inside an RCU read section */
static void lock_step(const struct mmk_move *move, uint64_t done, unsigned level,
                      struct mmk_walk *from, struct mmk_walk *to) MMK_REQUIRES_SHARED(mmk_rcu)
    MMK_ACQUIRES(from->table->table.lock, to->table->table.lock) MMK_NO_TSA
{
    for (;;) {
        mmk_walk_to_rcu(move->mm, move->from + done, level, from);
        mmk_walk_to_rcu(move->mm, move->to + done, level, to);
        lock_two(from->table, to->table);
        if (mmk_likely(mmk_walk_holds(from, level) && mmk_walk_holds(to, level)))
            return;
        unlock_other(to, from);
        mmk_table_unlock(from->table);
    }
}

/*
 * The entry, accessed and dirty as hardware has last set it, goes to a place that is none. => from
 * walk's on
 */
static uint32_t move_entries(const struct mmk_walk *walk, struct mmk_a64 *to, uint64_t pages,
                             struct mmk_gather *gather) MMK_REQUIRES(walk->table->table.lock)
{
    struct mmk_a64 *from = walk->entry;
    mmk_vaddr_t addr = walk->addr;
    uint32_t moved = 0;

    for (; pages > 0; pages--, from++, to++, addr += MMK_PAGE_SIZE) {
        mmk_pte_t pte = mmk_pte_read(from);

        if (mmk_pte_none(pte))
            continue;
        mmk_pte_ungroup(walk, from);
        pte = mmk_pte_take(from);
        mmk_pte_set(to, pte);
        if (mmk_pte_accessible(pte) && !MMK_MISTAKE(MOVE_UNFLUSHED))
            mmk_gather_range(gather, addr, addr + MMK_PAGE_SIZE);
        moved++;
    }
    return moved;
}

/* At the new place there may be no leaf table: then it is filled first, and linked with that. */
static void move_pages(const struct mmk_move *move, uint64_t done, struct mmk_walk *from,
                       struct mmk_walk *to, struct mmk_chain *chain, struct mmk_gather *gather)
    MMK_REQUIRES(from->table->table.lock, to->table->table.lock)
{
    struct mmk_page *leaf = to->level == 0 ? to->table : chain->table[0];
    struct mmk_a64 *entries;
    uint32_t moved;

    if (!leaf) {
        mmk_assert(!any_entry(from->entry, step_pages(move, done)),
                   "MV1 a move has a table for each entry");
        return;
    }
    entries = mmk_table_entries(leaf);
    moved = move_entries(from, &entries[mmk_pt_index(to->addr, 0)], step_pages(move, done), gather);
    mmk_pte_put_many(from->table, moved);
    if (to->level == 0) {
        mmk_pte_get_many(to->table, moved);
    } else if (moved > 0) {
        mmk_pte_get_private(leaf, moved);
        mmk_walk_link(to, chain);
    }
}

/* A larger page's entry, as move_entries(). */
static void move_huge(struct mmk_walk *from, struct mmk_walk *to, struct mmk_chain *chain)
    MMK_REQUIRES(from->table->table.lock, to->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_take(from->entry);

    mmk_pte_put_many(from->table, 1);
    mmk_walk_set_huge(to, chain, pte, from->level);
}

/* => both entries are of this level, and from's is not none */
static void move_table(struct mmk_walk *from, struct mmk_walk *to, unsigned level,
                       struct mmk_chain *chain, struct mmk_gather *gather)
    MMK_REQUIRES(from->table->table.lock, to->table->table.lock)
{
    uint64_t span = mmk_pt_entry_span(level);

    bool huge = mmk_walk_huge(from, mmk_pte_read(from->entry));

    mmk_gather_range(gather, from->addr, from->addr + span);
    if (mmk_likely(mmk_pte_none(mmk_pte_read(to->entry)))) {
        if (huge)
            move_huge(from, to, chain);
        else
            mmk_walk_relink(from, to, chain);
        return;
    }
    if (huge)
        mmk_walk_exchange_huge(from, to);
    else
        mmk_walk_exchange(from, to);
    mmk_gather_range(gather, to->addr, to->addr + span);
}

/*
 * Our own share of flush_pending is no reason to break before linking at to's entry, as long as we
 * cannot have freed a table there: what it covers is all of the new range.
 */
static uint32_t own_shares(const struct mmk_move *move, const struct mmk_walk *to)
{
    uint64_t span = mmk_pt_entry_span(to->level);
    mmk_vaddr_t base = to->addr & ~(span - 1);

    return base >= move->to && base + span <= move->to + move->length ? 1 : 0;
}

/* => how far it went */
static uint64_t perform_step(const struct mmk_move *move, uint64_t done, struct mmk_chain *chain,
                             struct mmk_gather *gather) MMK_REQUIRES_SHARED(mmk_rcu)
{
    unsigned level = step_level(move, done);
    struct mmk_walk from, to;
    uint64_t length;

    lock_step(move, done, level, &from, &to);
    chain->shares = own_shares(move, &to);
    if (nothing_at(&from, level)) {
        length = skip(move, done, &from);
    } else if (level > 0) {
        length = mmk_pt_entry_span(level);
        move_table(&from, &to, level, chain, gather);
    } else {
        length = step_pages(move, done) << MMK_PAGE_SHIFT;
        move_pages(move, done, &from, &to, chain, gather);
    }
    unlock_other(&to, &from);
    mmk_table_unlock_free(&from, gather);
    return length;
}

void mmk_move_perform(struct mmk_move *move, struct mmk_gather *gather)
{
    struct mmk_chain chain;
    uint64_t done = 0;
    bool links = false; /* what moves links tables */

    mmk_chain_init(&chain);
    while (done < move->length) {
        links |= step_level(move, done) > 1;
        mmk_chain_refill(&chain, &move->pool);
        mmk_rcu_read_lock();
        done += perform_step(move, done, &chain, gather);
        mmk_rcu_read_unlock();
    }
    if (links)
        mmk_mm_tables_moved(move->mm);
    mmk_chain_discard(&chain);
    mmk_move_discard(move);
}
