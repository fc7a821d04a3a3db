/* SPDX-License-Identifier: MIT */
/*
 * table_pin.h - visitors of tables that sleep. Public half: <mmkit/table.h>. The count itself, and
 * the names: pte_ref.h.
 */
#ifndef MMK_SRC_TABLE_PIN_H
#define MMK_SRC_TABLE_PIN_H

#include "walk.h"
#include <mmkit/table.h>

/*
 * One more visitor of the table that `pmd` links, an entry above the leaves.
 * => PINNED with *table set, mmk_pte_put() lets go of it; or why not
 * => inside the RCU read section in which pmd was found
 */
MMK_MUST_CHECK enum mmk_table_got mmk_pte_try_get(struct mmk_a64 *pmd, struct mmk_page **table)
    MMK_REQUIRES_SHARED(mmk_rcu);

/* The same, and the table's entry for addr. => NULL: no table was to be had */
MMK_MUST_CHECK struct mmk_a64 *mmk_pte_tryget_map(struct mmk_a64 *pmd, mmk_vaddr_t addr,
                                                  struct mmk_page **table)
    MMK_REQUIRES_SHARED(mmk_rcu);

/* The same, with the table locked, which is linked at pmd until the lock is dropped. */
MMK_MUST_CHECK struct mmk_a64 *mmk_pte_tryget_map_lock(struct mmk_a64 *pmd, mmk_vaddr_t addr,
                                                       struct mmk_page **table)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_TRY_ACQUIRES(true, (*table)->table.lock);

/*
 * One visitor less. The last one out frees the table, and the parents that this leaves without use;
 * one flush, of the whole address space.
 * => who has the pin keeps the address space until it returns (P16)
 * => does not sleep; spins for other CPUs: interrupts on, no table locked
 */
void mmk_pte_put(struct mmk_page *table);

#endif
