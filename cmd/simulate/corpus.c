/* SPDX-License-Identifier: MIT */
/* corpus.c - see corpus.h. */
#include "corpus.h"

#include <string.h>

enum mmk_mistake mmk_planted;

const struct mistake corpus[] = {
    {MMK_MISTAKE_FREE_BEFORE_FLUSH, "free-before-flush",
     "pages are let go before other CPUs have dropped their translations", "P2.reused"},
    {MMK_MISTAKE_OTHERS_UNFLUSHED, "others-unflushed",
     "who finds an entry none already does not flush what another has only cleared", "P2.two"},
    {MMK_MISTAKE_FLUSH_ONE_SHORT, "flush-one-short", "a flush of a range leaves out its first page",
     "P2.said"},
    {MMK_MISTAKE_MASK_BEFORE_GEN, "mask-before-generation",
     "a flush looks who is to be told, then raises the generation: who enters meanwhile misses it",
     "P17.entered"},
    {MMK_MISTAKE_GEN_AFTER_FLUSH, "gen-after-flush",
     "a CPU says it has flushed what was asked for after it had", "P2.both"},
    {MMK_MISTAKE_CATCH_UP_FIRST, "catch-up-first",
     "a CPU that enters catches up, then lets itself be told", "P17.entered"},
    {MMK_MISTAKE_LAZY_NOT_CAUGHT_UP, "lazy-not-caught-up",
     "a CPU back from laziness uses what it has cached", "P17.lazy"},
    {MMK_MISTAKE_LAZY_KEEPS_TABLES, "lazy-keeps-tables",
     "lazy CPUs are not told of tables that go: they walk them, speculating", "P17.speculates"},
    {MMK_MISTAKE_UNMAP_UNLOCKED, "unmap-unlocked",
     "munmap lets go of the mmap lock before it zaps: what others map there goes, too",
     "P8.mapped"},
    {MMK_MISTAKE_MOVE_UNFLUSHED, "move-unflushed",
     "mremap does not flush the old place (CVE-2018-18281)", "P7.moved"},
    {MMK_MISTAKE_FORK_UNFLUSHED, "fork-unflushed",
     "fork does not flush the parent's writable translations", "P9.forked"},
    {MMK_MISTAKE_TABLE_WITHOUT_GRACE, "table-without-grace",
     "a table is used again while lockless walks are in it", "P1.dead"},
    {MMK_MISTAKE_SET_IN_DEAD_TABLE, "set-in-dead-table",
     "a fault does not look again, under the lock, whether the table is still linked", "P1.dead"},
    {MMK_MISTAKE_SET_OVER_ENTRY, "set-over-entry",
     "a fault does not look again whether the entry is still none", "P1.both"},
    {MMK_MISTAKE_REFILLED_TABLE_FREED, "refilled-table-freed",
     "a table that was empty before its lock was let go of is freed, refilled or not",
     "P1.refilled"},
    {MMK_MISTAKE_PARENT_NOT_AGAIN, "parent-not-again",
     "a table is unlinked from a parent that it may have left meanwhile", "P6.twice"},
    {MMK_MISTAKE_OLD_INTERVAL_FIRST, "old-interval-first",
     "moved memory leaves its object before it comes back: truncation finds it nowhere",
     "P10.moved"},
    {MMK_MISTAKE_COPY_SET_BEFORE_FLUSH, "copy-set-before-flush",
     "copy-on-write maps the copy while others still read the page", "P7.copied"},
    {MMK_MISTAKE_OWN_BY_MAPCOUNT, "own-by-mapcount",
     "copy-on-write counts mappings, not references: one that is unmapped may still be cached",
     "P9.alone"},
    {MMK_MISTAKE_FAILS_BETWEEN, "fails-between",
     "a fault fails that has looked while the page's entry was exchanged", "P12.between"},
    {MMK_MISTAKE_GUARD_UNFLUSHED, "guard-unflushed",
     "a fault is refused for a guard whose page other CPUs still have cached", "P2.guarded"},
    {MMK_MISTAKE_PIN_SHARED, "pin-shared",
     "a page is pinned that others share: one of them goes on with it (CVE-2020-29374)",
     "P9.reused"},
    {MMK_MISTAKE_FORK_SHARES_PINNED, "fork-shares-pinned",
     "fork shares a page that a device writes to: the parent is copied away from it", "P9.pinned"},
    {MMK_MISTAKE_CHANGE_BY_STORE, "change-by-store",
     "an entry is loaded, then stored: what hardware sets in between is lost", "P13.cleaned"},
    {MMK_MISTAKE_CLEAN_UNFLUSHED, "clean-unflushed",
     "an entry is cleaned, but not flushed: who stores by what it has cached leaves no mark",
     "P13.cleaned"},
    {MMK_MISTAKE_DIRTY_LATE, "dirty-late",
     "an unmapped page is marked dirty after the lock only: a sync meanwhile passes it by",
     "P5.unmapped"},
    {MMK_MISTAKE_CLEAN_AFTER_WRITE, "clean-after-write",
     "a page is marked clean after it was written: what made it dirty meanwhile is lost",
     "P13.written"},
    {MMK_MISTAKE_DIRTY_ONCE, "dirty-once",
     "a cleaned entry's page is dirty before the flush only: another writes it before the last "
     "store",
     "P5.cleaned"},
    {MMK_MISTAKE_WRITE_NOT_AWAITED, "write-not-awaited",
     "a sync finds a page clean that another sync is still writing, and comes back before it",
     "P5.synced"},
    {MMK_MISTAKE_FILL_UNLOCKED, "fill-unlocked",
     "a fault brings a page in without the invalidate lock: truncation may be past it",
     "P4.shared"},
    {MMK_MISTAKE_PAGE_NOT_AGAIN, "page-not-again",
     "a fault does not look again, with the page locked, whether it is still the object's",
     "P4.shared"},
    {MMK_MISTAKE_COPY_PAGE_UNLOCKED, "copy-page-unlocked",
     "a private copy is mapped with its page no longer locked: truncation misses it", "P4.private"},
    {MMK_MISTAKE_ONE_SWEEP, "one-sweep",
     "truncation does not come again for copies that were being made", "P4.private"},
    {MMK_MISTAKE_WAKE_LOST, "wake-lost", "unlocking a page looks for waiters before it unlocks",
     "P4.read"},
    {MMK_MISTAKE_KILL_UNCHECKED, "kill-unchecked",
     "a fault takes a page after the reaper has passed", "P16.killed"},
    {MMK_MISTAKE_NOTIFIED_EARLY, "notified-early",
     "a mirror registered during an operation does not hear of it", "notifier.registered"},
    {MMK_MISTAKE_UNREGISTER_AT_ONCE, "unregister-at-once",
     "unregistering does not wait for who is telling the mirror", "notifier.unregistered"},
    {MMK_MISTAKE_NONE, NULL, NULL, NULL},
};

const struct mistake *corpus_find(const char *name)
{
    const struct mistake *mistake;

    for (mistake = corpus; mistake->name; mistake++)
        if (strcmp(mistake->name, name) == 0)
            return mistake;
    return NULL;
}
