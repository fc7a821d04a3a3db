/* SPDX-License-Identifier: MIT */
/*
 * migrate_setup.h - for tests of pages that go to other frames.
 */
#ifndef MIGRATE_SETUP_H
#define MIGRATE_SETUP_H

#include "fixture.h" /* first */
#include "migrate.h"
#include "rmap_walk.h"
#include "swap_cache.h"

/* => as mmk_page_migrate(), to a new frame */
static inline int migrate(struct mmk_page *page)
{
    struct mmk_page *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    int error;

    assert_non_null(to);
    mmk_page_get(page);
    mmk_page_lock(page);
    error = mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    assert_true(!error || mmk_page_refs(to) == 1);
    mmk_page_put(to);
    mmk_swap_put_page(page);
    return error;
}

/* The page at `at` of `in` moves: there is another then, of which so many entries are found. */
static inline void expect_moves(struct mmk_mm *in, mmk_vaddr_t at, uint32_t entries)
{
    struct mmk_page *page = peek_page(in, at), *to;
    mmk_pte_t before = peek_entry(in, at), after;
    bool found;

    assert_int_equal(migrate(page), 0);
    to = peek_page(in, at);
    after = peek_entry(in, at);
    assert_ptr_not_equal(to, page);
    assert_int_equal(after.v & ~MMK_PTE_FRAME, before.v & ~MMK_PTE_FRAME);
    assert_int_equal(mmk_page_refs(page), 0);
    assert_int_equal(mmk_rmap_count(to, in, at, &found), entries);
    assert_true(found);
    assert_int_equal(mmk_page_mapcount(to), entries);
    mmk_check(in);
    mmk_check_frames();
}

static inline void expect_stays(struct mmk_mm *in, mmk_vaddr_t at)
{
    struct mmk_page *page = peek_page(in, at);

    assert_int_equal(migrate(page), MMK_EBUSY);
    assert_ptr_equal(peek_page(in, at), page);
    mmk_check(in);
}

static inline struct mmk_mm *fork_of(struct mmk_mm *parent)
{
    struct mmk_mm *child;

    assert_int_equal(mmk_fork(parent, &child), 0);
    return child;
}

static inline void store_in(struct mmk_mm *in, mmk_vaddr_t at, uint8_t byte)
{
    machine_switch_mm(in);
    store_byte(at, byte);
    machine_switch_mm(mm);
}

static inline void expect_in(struct mmk_mm *in, mmk_vaddr_t at, uint8_t byte)
{
    machine_switch_mm(in);
    expect_byte(at, byte);
    machine_switch_mm(mm);
}

#endif
