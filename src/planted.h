/* SPDX-License-Identifier: MIT */
/*
 * planted.h - mistakes on purpose: the simulator has to find each of them, or what it promises is
 * worth little (`mmkit simulate --corpus`; what each would do: cmd/simulate/corpus.c).
 *
 * They are real mistakes of this field, each at the place where a rule is kept. One is planted by
 * naming it at run time, in a build with MMK_PLANT; in any other build the conditions are
 * constants, and leave no instruction behind.
 */
#ifndef MMK_SRC_PLANTED_H
#define MMK_SRC_PLANTED_H

#include <mmkit/port/annotate.h>

enum mmk_mistake {
    MMK_MISTAKE_NONE,
    /* flushing */
    MMK_MISTAKE_FREE_BEFORE_FLUSH,
    MMK_MISTAKE_OTHERS_UNFLUSHED,
    MMK_MISTAKE_FLUSH_ONE_SHORT,
    MMK_MISTAKE_MASK_BEFORE_GEN,
    MMK_MISTAKE_GEN_AFTER_FLUSH,
    MMK_MISTAKE_CATCH_UP_FIRST,
    MMK_MISTAKE_LAZY_NOT_CAUGHT_UP,
    MMK_MISTAKE_LAZY_KEEPS_TABLES,
    MMK_MISTAKE_LAZY_STAYS,
    MMK_MISTAKE_UNMAP_UNLOCKED,
    MMK_MISTAKE_MOVE_UNFLUSHED,
    MMK_MISTAKE_FORK_UNFLUSHED,
    /* tables */
    MMK_MISTAKE_TABLE_WITHOUT_GRACE,
    MMK_MISTAKE_SET_IN_DEAD_TABLE,
    MMK_MISTAKE_SET_OVER_ENTRY,
    MMK_MISTAKE_REFILLED_TABLE_FREED,
    MMK_MISTAKE_PARENT_NOT_AGAIN,
    MMK_MISTAKE_OLD_INTERVAL_FIRST,
    MMK_MISTAKE_MOVE_UNLOCKED,
    /* pages */
    MMK_MISTAKE_COPY_SET_BEFORE_FLUSH,
    MMK_MISTAKE_OWN_BY_MAPCOUNT,
    MMK_MISTAKE_FAILS_BETWEEN,
    MMK_MISTAKE_GUARD_UNFLUSHED,
    MMK_MISTAKE_SPURIOUS_UNFLUSHED,
    MMK_MISTAKE_PIN_SHARED,
    MMK_MISTAKE_FORK_SHARES_PINNED,
    MMK_MISTAKE_CHANGE_BY_STORE,
    MMK_MISTAKE_CLEAN_UNFLUSHED,
    MMK_MISTAKE_DIRTY_LATE,
    MMK_MISTAKE_RSS_LATE,
    MMK_MISTAKE_CLEAN_AFTER_WRITE,
    MMK_MISTAKE_WRITE_NOT_AWAITED,
    MMK_MISTAKE_DIRTY_ONCE,
    MMK_MISTAKE_FILL_UNLOCKED,
    MMK_MISTAKE_PAGE_NOT_AGAIN,
    MMK_MISTAKE_COPY_PAGE_UNLOCKED,
    MMK_MISTAKE_ONE_SWEEP,
    MMK_MISTAKE_WAKE_LOST,
    /* the way back */
    MMK_MISTAKE_MOVE_PRIVATE_UNLOCKED,
    MMK_MISTAKE_FORK_BEHIND_SEARCH,
    MMK_MISTAKE_KIN_WITHOUT_ORPHANS,
    MMK_MISTAKE_LEAVES_UNLOCKED,
    MMK_MISTAKE_ORPHAN_LATE,
    MMK_MISTAKE_DIRTY_DISCARDED,
    /* lifetimes, and who is told */
    MMK_MISTAKE_MM_WITHOUT_GRACE,
    MMK_MISTAKE_VMA_WITHOUT_GRACE,
    MMK_MISTAKE_KILL_UNCHECKED,
    MMK_MISTAKE_NOTIFIED_EARLY,
    MMK_MISTAKE_UNREGISTER_AT_ONCE,
    MMK_MISTAKES
};

#ifdef MMK_PLANT
extern enum mmk_mistake mmk_planted;
#define MMK_MISTAKE(name) mmk_unlikely(mmk_planted == MMK_MISTAKE_##name)
#else
#define MMK_MISTAKE(name) false
#endif

#endif
