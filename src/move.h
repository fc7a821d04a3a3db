/* SPDX-License-Identifier: MIT */
/*
 * move.h - moving the entries of a range to another one, by whole tables where that is possible.
 */
#ifndef MMK_SRC_MOVE_H
#define MMK_SRC_MOVE_H

#include "table.h"

struct mmk_move {
    struct mmk_mm *mm;
    mmk_vaddr_t from, to;
    uint64_t length;
    struct mmk_table_pool pool;             /* all tables that the new range may lack */
    mmk_vaddr_t planned[MMK_PT_LEVELS - 1]; /* by level: the last one that pool has been given */
};

/*
 * Gets ready to move the entries of [from, from + length) to `to`: takes all memory that this can
 * need. Either perform or discard must follow.
 * => 0, or MMK_ENOMEM with nothing taken
 * => mmap lock held for writing, from here to the end of perform; may sleep
 * => page multiples, inside the user half; the ranges do not overlap
 */
MMK_MUST_CHECK int mmk_move_prepare(struct mmk_move *move, struct mmk_mm *mm, mmk_vaddr_t from,
                                    mmk_vaddr_t to, uint64_t length) MMK_REQUIRES(mm->mmap_lock);
void mmk_move_discard(struct mmk_move *move);

/*
 * Moves them. What is left empty at the old place is freed as the policy says.
 * => in the new range nothing is mapped, and was not when prepare's tables were planned, or is
 *    unmapped since
 * => an object's interval lock held for writing, if the range maps one (P10); does not sleep
 */
void mmk_move_perform(struct mmk_move *move, struct mmk_gather *gather)
    MMK_REQUIRES(move->mm->mmap_lock);

#endif
