/* SPDX-License-Identifier: MIT */
/*
 * pte_ref.h - who uses a page table: one count, in two words, both changed under its lock.
 *
 *   live   its entries that are not none, one reference each
 *   pins   visitors that care about the table while they sleep (table_pin.h)
 *
 * T2 `live` equals the table's entries that are not none.
 * T3 When an operation returns, no linked table below the root has live + pins == 0 (policy mmkit):
 *    the last one out frees it, and with it the parents that this leaves without use
 *    (mmk_table_unlock_free()).
 *
 * A visitor that does not sleep has no reference: RCU keeps what it looks at, and a look under the
 * lock tells whether that is still linked.
 *
 *   entries    get, get_many, put_many; of a table that nobody else knows get_private, put_private
 *   visitors   get_unless_zero; table_pin.h has what comes without the lock, and put
 *
 * Rejected: one word for both. A zap would have to know how much of it is entries, to tell an empty
 * table that somebody looks at (fork does not copy it, a move may put another in its place) from
 * one that has entries.
 */
#ifndef MMK_SRC_PTE_REF_H
#define MMK_SRC_PTE_REF_H

#include "frame.h"
#include "planted.h"

/*
 * Starts the count of a table that is mapped by the entry `pmd`, or by none yet.
 * => nobody knows the table
 */
MMK_ALWAYS_INLINE void mmk_pte_ref_init(struct mmk_page *table, struct mmk_a64 *pmd, uint32_t count)
{
    table->table.above = 0;
    table->table.live = (uint16_t)count;
    table->table.pins = 0;
    mmk_aptr_store(&table->table.parent, pmd, MMK_RELAXED);
}

/*
 * The entry that maps a table; NULL: it is a root. => own or parent's lock held, or as said there;
 * not dead
 */
MMK_ALWAYS_INLINE struct mmk_a64 *mmk_table_pmd(const struct mmk_page *table)
{
    return (struct mmk_a64 *)mmk_aptr_load(&table->table.parent, MMK_RELAXED);
}

/* The entry that maps the table that holds the entry `pte`. => as mmk_table_pmd() */
MMK_ALWAYS_INLINE struct mmk_a64 *mmk_pte_to_pmd(const struct mmk_a64 *pte)
{
    return mmk_table_pmd(mmk_virt_to_page(pte));
}

/* Which of its table's entries is it? */
MMK_ALWAYS_INLINE uint64_t mmk_pte_index(const struct mmk_a64 *pte)
{
    return ((uintptr_t)pte & (MMK_PAGE_SIZE - 1)) / sizeof(*pte);
}

/*
 * The table is mapped by the entry `pmd` now, not by `old` any more; NULL: it was not mapped.
 * => its lock and those of both parents held (P6), or nobody knows it
 */
MMK_ALWAYS_INLINE void mmk_pte_update_pmd(struct mmk_page *table, const struct mmk_a64 *old,
                                          struct mmk_a64 *pmd)
{
    mmk_assert(!old || mmk_table_pmd(table) == old, "T1 a table knows the entry that links it");
    mmk_aptr_store(&table->table.parent, pmd, MMK_RELAXED);
}

/*
 * A dead table is mapped by no entry, and knows the one that did: `parent` has that with the lowest
 * bit set. So whoever compares it with the entry by which he came asks both in one.
 */
#define MMK_TABLE_DEAD ((uintptr_t)1)

MMK_ALWAYS_INLINE bool mmk_table_is_dead(const struct mmk_page *table)
{
    return ((uintptr_t)mmk_aptr_load(&table->table.parent, MMK_RELAXED) & MMK_TABLE_DEAD) != 0;
}

/* => its lock and its parent's held */
MMK_ALWAYS_INLINE void mmk_table_kill(struct mmk_page *table)
{
    char *entry = (char *)mmk_table_pmd(table);

    mmk_aptr_store(&table->table.parent, entry + MMK_TABLE_DEAD, MMK_RELAXED);
}

/* The entry that mapped it last. => dead, and the caller's */
MMK_ALWAYS_INLINE struct mmk_a64 *mmk_table_last_pmd(const struct mmk_page *table)
{
    char *marked = (char *)mmk_aptr_load(&table->table.parent, MMK_RELAXED);

    return (struct mmk_a64 *)(void *)(marked - MMK_TABLE_DEAD);
}

/*
 * It is, or is about to be, mapped by that entry once more, which it answers. => as
 * mmk_table_last_pmd(); its lock held until it is
 */
MMK_ALWAYS_INLINE struct mmk_a64 *mmk_table_revive(struct mmk_page *table)
{
    struct mmk_a64 *pmd = mmk_table_last_pmd(table);

    mmk_aptr_store(&table->table.parent, pmd, MMK_RELAXED);
    return pmd;
}

/* --- entries --------------------------------------------------------------------------------- */

/* An entry was none, and is not any more; n of them. */
MMK_ALWAYS_INLINE void mmk_pte_get_many(struct mmk_page *table, uint32_t n)
    MMK_REQUIRES(table->table.lock)
{
    table->table.live = (uint16_t)(table->table.live + n);
}

MMK_ALWAYS_INLINE void mmk_pte_get(struct mmk_page *table) MMK_REQUIRES(table->table.lock)
{
    mmk_pte_get_many(table, 1);
}

/* n entries are none now. The last one frees the table: mmk_table_unlock_free(). */
MMK_ALWAYS_INLINE void mmk_pte_put_many(struct mmk_page *table, uint32_t n)
    MMK_REQUIRES(table->table.lock)
{
    table->table.live = (uint16_t)(table->table.live - n);
}

/* Entries of a table that nobody else knows. */
MMK_ALWAYS_INLINE void mmk_pte_get_private(struct mmk_page *table, uint32_t n)
{
    table->table.live = (uint16_t)(table->table.live + n);
}

MMK_ALWAYS_INLINE void mmk_pte_put_private(struct mmk_page *table, uint32_t n)
{
    table->table.live = (uint16_t)(table->table.live - n);
}

/* T2: how many entries are not none. */
MMK_ALWAYS_INLINE uint32_t mmk_table_live(const struct mmk_page *table)
    MMK_REQUIRES(table->table.lock)
{
    return table->table.live;
}

MMK_ALWAYS_INLINE uint32_t mmk_table_live_private(const struct mmk_page *table)
{
    return table->table.live;
}

/* --- both ------------------------------------------------------------------------------------ */

/* Somebody cares about the table while he sleeps. */
MMK_ALWAYS_INLINE bool mmk_table_pinned(const struct mmk_page *table)
    MMK_REQUIRES(table->table.lock)
{
    return table->table.pins != 0 && !MMK_MISTAKE(PINS_IGNORED);
}

/* Somebody uses the table: it is not to be freed. */
MMK_ALWAYS_INLINE bool mmk_table_used(const struct mmk_page *table) MMK_REQUIRES(table->table.lock)
{
    return table->table.live != 0 || mmk_table_pinned(table);
}

/* --- visitors -------------------------------------------------------------------------------- */

/*
 * One more visitor, unless nobody uses the table: then it is about to be freed, by whoever found
 * that.
 */
MMK_MUST_CHECK MMK_ALWAYS_INLINE bool mmk_pte_get_unless_zero(struct mmk_page *table)
    MMK_REQUIRES(table->table.lock)
{
    if (!mmk_table_used(table))
        return false;
    table->table.pins++;
    return true;
}

/* One visitor less. The last one frees the table: mmk_table_unlock_unpinned(). */
MMK_ALWAYS_INLINE void mmk_pte_unpin(struct mmk_page *table) MMK_REQUIRES(table->table.lock)
{
    mmk_assert(table->table.pins != 0, "T3 a visitor lets go of a table once");
    mmk_assert(!mmk_table_is_dead(table), "T1 a table that somebody uses is linked");
    table->table.pins--;
}

#endif
