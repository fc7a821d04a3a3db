/* SPDX-License-Identifier: MIT */
/*
 * table_pin.c - visitors of tables that sleep.
 *
 * A visitor comes as anyone does: it finds the table under RCU, locks it, looks whether it is still
 * linked where it was found. If so, and if the table is in use, it counts itself in and may go. A
 * table that nobody uses is about to be freed by whoever found that, who may just be waiting for
 * the parent's lock: the visitor is too late, and has found nothing.
 *
 * Rejected: reviving such a table. It would be right, as who frees it looks again; but a visitor of
 * nothing has nothing to visit, and the table would be freed a little later.
 */
#include "table_pin.h"

#include "planted.h"
#include "table.h"

/* The table that pmd links, locked. => not PINNED: none is; else it is linked there */
static enum mmk_table_got lock_linked(struct mmk_a64 *pmd, struct mmk_page **table) MMK_NO_TSA
{
    mmk_pte_t pte;
    bool dead;

    for (;;) {
        pte = mmk_pte_read(pmd);
        if (mmk_pte_none(pte))
            return MMK_TABLE_NONE;
        if (!mmk_pte_links(pte))
            return MMK_TABLE_HUGE;
        *table = mmk_pte_table(pte);
        mmk_table_lock(*table);
        if (mmk_likely(mmk_table_linked_at(*table, pmd)) || MMK_MISTAKE(PIN_NOT_AGAIN))
            return MMK_TABLE_PINNED;
        dead = mmk_table_is_dead(*table);
        mmk_table_unlock(*table);
        if (dead)
            return MMK_TABLE_FREEING;
    }
}

/* Under the policies that keep tables which nobody uses, these can be visited, too. */
static bool count_in(struct mmk_page *table) MMK_REQUIRES(table->table.lock)
{
    if (mmk_likely(mmk_pte_get_unless_zero(table)))
        return true;
    if (!mmk_table_keeps_unused() && !MMK_MISTAKE(PIN_NOT_AGAIN))
        return false;
    table->table.pins++;
    return true;
}

/* => PINNED, locked; or neither */
static enum mmk_table_got get_locked(struct mmk_a64 *pmd, struct mmk_page **table) MMK_NO_TSA
{
    enum mmk_table_got got = lock_linked(pmd, table);

    if (got != MMK_TABLE_PINNED || count_in(*table))
        return got;
    mmk_table_unlock(*table);
    return MMK_TABLE_FREEING;
}

enum mmk_table_got mmk_pte_try_get(struct mmk_a64 *pmd, struct mmk_page **table) MMK_NO_TSA
{
    enum mmk_table_got got = get_locked(pmd, table);
    uint32_t pins;

    if (got != MMK_TABLE_PINNED)
        return got;
    pins = (*table)->table.pins;
    mmk_table_unlock(*table);
    if (MMK_MISTAKE(PIN_UNLOCKED)) {
        (void)mmk_table_pmd(*table); /* another CPU may come in between */
        (*table)->table.pins = pins;
    }
    return got;
}

struct mmk_a64 *mmk_pte_tryget_map_lock(struct mmk_a64 *pmd, mmk_vaddr_t addr,
                                        struct mmk_page **table) MMK_NO_TSA
{
    if (get_locked(pmd, table) != MMK_TABLE_PINNED)
        return NULL;
    return &mmk_table_entries(*table)[mmk_pt_index(addr, (*table)->table.level)];
}

struct mmk_a64 *mmk_pte_tryget_map(struct mmk_a64 *pmd, mmk_vaddr_t addr,
                                   struct mmk_page **table) MMK_NO_TSA
{
    struct mmk_a64 *entry = mmk_pte_tryget_map_lock(pmd, addr, table);

    if (entry)
        mmk_table_unlock(*table);
    return entry;
}

void mmk_pte_put(struct mmk_page *table)
{
    mmk_rcu_read_lock();
    mmk_table_lock(table);
    mmk_pte_unpin(table);
    mmk_table_unlock_unpinned(table);
    mmk_rcu_read_unlock();
}
