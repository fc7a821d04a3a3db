/* SPDX-License-Identifier: MIT */
/*
 * replay_huge.c - larger pages in a replay (--huge): what the embedder's thread would do about
 * them, and what is still to be expected of tables.
 *
 * The shadow knows small pages. Larger ones bring more than was touched, and need fewer tables; of
 * what is left when one was split, tables may have pages that no program has ever seen. So the
 * shadow's counts are bounds, and a table is one too many if it has no entry, nor a visitor.
 */
#include "replay_state.h"

#include <mmkit/huge.h>
#include <mmkit/table.h>

enum { TABLES_EACH = 16 }; /* that are looked at, of each address space */

bool replay_has_huge(const struct replay *replay)
{
    return replay->options != NULL && replay->options->huge != MMK_HUGE_NEVER;
}

static int count_empty(const struct mmk_table_view *view, void *arg)
{
    uint64_t *empty = arg;

    *empty += view->live == 0 && view->pins == 0 && view->start != 0;
    return 0;
}

void replay_huge_work(struct replay *replay)
{
    struct mmk_mm_stats stats;
    uint64_t empty = 0, saved = 0;
    struct space *space;

    for (space = replay->spaces; space != NULL; space = space->next) {
        (void)mmk_collapse(space->mm, TABLES_EACH);
        (void)mmk_for_each_table(space->mm, count_empty, &empty);
        replay_space_observe(space);
        replay_space_account(replay, space);
        mmk_mm_stats(space->mm, &stats);
        saved += stats.table_bytes_saved;
    }
    if (saved > replay->result->huge.saved_peak_bytes)
        replay->result->huge.saved_peak_bytes = saved;
    if ((int64_t)(empty * MMK_PAGE_SIZE) > replay->result->tables.excess_max_bytes)
        replay->result->tables.excess_max_bytes = (int64_t)(empty * MMK_PAGE_SIZE);
}
