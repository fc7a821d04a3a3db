/* SPDX-License-Identifier: MIT */
/* test_rmap.c - from a page to its entries: private pages in fork trees, objects' pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../stress/page_at.h" /* first */
#include "family.h"
#include "race.h"
#include "random.h"
#include "rmap_use.h"
#include "rmap_walk.h"

#define AT(page) (BASE + (uint64_t)(page)*PAGE)

/* The page at `at` of `in`: so many entries are found, that one among them, and it counts so many.
 */
static void expect_entries(struct mmk_mm *in, mmk_vaddr_t at, uint32_t entries)
{
    struct mmk_page *page = peek_page(in, at);
    bool found = false;

    assert_non_null(page);
    assert_int_equal(mmk_rmap_count(page, in, at, &found), entries);
    assert_true(found);
    assert_int_equal(mmk_page_mapcount(page), entries);
}

static struct mmk_mm *fork_of(struct mmk_mm *parent)
{
    struct mmk_mm *child;

    assert_int_equal(mmk_fork(parent, &child), 0);
    mmk_check(parent);
    mmk_check(child);
    return child;
}

/* A store by whoever runs in `in`. */
static void store_in(struct mmk_mm *in, mmk_vaddr_t at, uint8_t byte)
{
    machine_switch_mm(in);
    store_byte(at, byte);
    machine_switch_mm(mm);
}

static void expect_in(struct mmk_mm *in, mmk_vaddr_t at, uint8_t byte)
{
    machine_switch_mm(in);
    expect_byte(at, byte);
    machine_switch_mm(mm);
}

static void move_in(struct mmk_mm *in, uint64_t from, uint64_t to, uint64_t pages, unsigned flags)
{
    int64_t at = mmk_mremap(in, AT(from), pages * PAGE, pages * PAGE,
                            MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | flags, AT(to));

    assert_int_equal(at, AT(to));
    mmk_check(in);
}

/* ---- family trees ---------------------------------------------------------------------------- */

static void test_counts(void **state)
{
    struct mmk_mm *child, *grandchild;

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    expect_entries(mm, AT(0), 1);
    assert_ptr_equal(mmk_page_kin(peek_page(mm, AT(0))), mm->kin);
    child = fork_of(mm);
    expect_entries(mm, AT(0), 2);
    expect_entries(child, AT(0), 2);
    grandchild = fork_of(child);
    expect_entries(grandchild, AT(1), 3);
    store_in(child, AT(0), 20); /* a page of its own */
    expect_entries(child, AT(0), 1);
    assert_ptr_equal(mmk_page_kin(peek_page(child, AT(0))), child->kin);
    expect_entries(mm, AT(0), 2);
    expect_entries(grandchild, AT(0), 2);
    assert_int_equal(mmk_munmap(mm, AT(0), 2 * PAGE), 0);
    expect_entries(grandchild, AT(0), 1);
    expect_entries(grandchild, AT(1), 2);
    mmk_check(mm);
    put_mm(child);
    expect_entries(grandchild, AT(1), 1);
    put_mm(grandchild);
}

/* The only user of a page that another made has it for its own when it stores. */
static void test_owned(void **state)
{
    struct mmk_mm *child;
    struct mmk_page *page;

    (void)state;
    map_at(0, 2, RW, ANON);
    fill(AT(0), 2, 1);
    child = fork_of(mm);
    page = peek_page(mm, AT(0));
    store_byte(AT(0), 9);
    assert_int_equal(mmk_a64_load(&mm->kin->orphans, MMK_RELAXED), 1);
    assert_ptr_equal(peek_page(child, AT(0)), page);
    assert_ptr_equal(mmk_page_kin(page), mm->kin);
    expect_entries(child, AT(0), 1);
    mmk_check(child);
    store_in(child, AT(0), 7);
    assert_ptr_equal(peek_page(child, AT(0)), page);
    assert_ptr_equal(mmk_page_kin(page), child->kin);
    assert_int_equal(mmk_a64_load(&mm->kin->orphans, MMK_RELAXED), 0);
    expect_entries(child, AT(0), 1);
    expect_byte(AT(0), 9);
    put_mm(child);
}

/*
 * Five in a tree, each with pages that it made and pages that it inherited; they end in every
 * order that the fixture's own, the root, is not part of, and in which it gives up its pages first,
 * in the middle, or last.
 */
enum { KIN = 5, KIN_PAGES = 10 };

static struct mmk_mm *tree[KIN];
static const unsigned parent_of[KIN] = {0, 0, 0, 1, 3};

static void make_tree(void)
{
    unsigned i;

    map_at(0, KIN_PAGES, RW, ANON);
    fill(AT(0), KIN_PAGES, 1);
    tree[0] = mm;
    for (i = 1; i < KIN; i++) {
        tree[i] = fork_of(tree[parent_of[i]]);
        store_in(tree[i], AT(i), (uint8_t)(i + 50));
        store_in(tree[parent_of[i]], AT(i + 5), (uint8_t)(i + 80));
    }
}

/* What is mapped by each is found from it, whoever is gone. */
static void check_tree(void)
{
    unsigned i;

    mmk_check_frames();
    for (i = 0; i < KIN; i++)
        if (tree[i])
            mmk_check(tree[i]);
}

static void end_in_order(const unsigned *order)
{
    unsigned i;

    make_tree();
    for (i = 0; i < KIN; i++) {
        if (order[i] == 0) {
            assert_int_equal(mmk_munmap(mm, AT(0), KIN_PAGES * PAGE), 0);
        } else {
            mmk_mm_put(tree[order[i]]);
            tree[order[i]] = NULL;
        }
        check_tree();
    }
    assert_int_equal(mmk_kin_count(), 1);
}

static void permute(unsigned *order, unsigned from)
{
    unsigned i, was;

    if (from == KIN) {
        end_in_order(order);
        return;
    }
    for (i = from; i < KIN; i++) {
        was = order[from];
        order[from] = order[i];
        order[i] = was;
        permute(order, from + 1);
        order[i] = order[from];
        order[from] = was;
    }
}

static void test_every_order(void **state)
{
    unsigned order[KIN] = {0, 1, 2, 3, 4};

    (void)state;
    permute(order, 0);
}

/* The root ends before its descendants: that takes a family that is not the fixture's. */
static void test_root_ends(void **state)
{
    struct mmk_mm *fixture = mm, *child, *grandchild;

    (void)state;
    mm = new_mm();
    machine_switch_mm(mm);
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    child = fork_of(mm);
    store_byte(AT(3), 40);
    machine_switch_mm(NULL);
    put_mm(mm);
    assert_int_equal(mmk_kin_count(), 3);
    expect_entries(child, AT(0), 1);
    mmk_check(child);
    mm = child;
    machine_switch_mm(mm);
    grandchild = fork_of(mm);
    expect_filled(AT(0), 4, 1);
    fill(AT(0), 4, 9);
    expect_entries(grandchild, AT(0), 1);
    machine_switch_mm(NULL);
    put_mm(child);
    mmk_check(grandchild);
    expect_entries(grandchild, AT(3), 1);
    mm = fixture;
    expect_in(grandchild, AT(2), 3);
    put_mm(grandchild);
    assert_int_equal(mmk_kin_count(), 1);
    machine_switch_mm(mm);
}

/* A line of processes that fork and end does not leave a line of kins behind (KN2). */
static void test_line(void **state)
{
    struct mmk_mm *fixture = mm, *child;
    unsigned i;

    (void)state;
    mm = new_mm();
    machine_switch_mm(mm);
    map_at(0, 3, RW, ANON);
    fill(AT(0), 3, 1);
    for (i = 0; i < 100; i++) {
        child = fork_of(mm);
        machine_switch_mm(child);
        mmk_mm_put(mm);
        mm = child;
        store_byte(AT(0), (uint8_t)i);
        store_byte(AT(1 + i % 2), 1);
        mmk_check(mm);
        assert_true(mmk_kin_count() <= 1 + 3 + 1);
    }
    machine_switch_mm(NULL);
    put_mm(mm);
    mm = fixture;
    machine_switch_mm(mm);
    assert_int_equal(mmk_kin_count(), 1);
}

/* How many places a search looks at. */
static bool count_place(struct mmk_page *page, struct mmk_mm *in, mmk_vaddr_t at, void *arg)
{
    (void)page;
    (void)in;
    (void)at;
    ++*(unsigned *)arg;
    return false;
}

static unsigned places_of(struct mmk_page *page)
{
    unsigned places = 0;

    mmk_rmap_walk(page, count_place, &places);
    return places;
}

/* Children that have copied their pages are no trouble to each other, nor to the parent's search.
 */
static void test_copied_by_many(void **state)
{
    enum { CHILDREN = 40, PAGES = 20 };
    struct mmk_mm *child[CHILDREN];
    unsigned i, page;

    (void)state;
    map_at(0, PAGES, RW, ANON);
    fill(AT(0), PAGES, 1);
    for (i = 0; i < CHILDREN; i++)
        assert_int_equal(mmk_fork(mm, &child[i]), 0);
    expect_entries(mm, AT(0), CHILDREN + 1);
    for (i = 0; i < CHILDREN; i++)
        for (page = 0; page < PAGES; page++)
            store_in(child[i], AT(page), (uint8_t)i);
    for (i = 0; i < CHILDREN; i++)
        for (page = 0; page < PAGES; page++)
            assert_int_equal(places_of(peek_page(child[i], AT(page))), 1);
    assert_int_equal(mmk_page_referenced(peek_page(mm, AT(0))), 1);
    for (i = 0; i < CHILDREN; i++)
        put_mm(child[i]);
}

/* ---- what has moved -------------------------------------------------------------------------- */

static void test_moved(void **state)
{
    struct mmk_mm *child, *grandchild;

    (void)state;
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    child = fork_of(mm);
    move_in(child, 0, 100, 8, 0);
    expect_entries(mm, AT(2), 2);
    expect_entries(child, AT(102), 2);
    grandchild = fork_of(child);
    move_in(grandchild, 102, 300, 3, 0); /* from the middle: its neighbours stay */
    expect_entries(grandchild, AT(301), 3);
    expect_entries(grandchild, AT(105), 3);
    move_in(mm, 0, 200, 8, 0);
    expect_entries(mm, AT(203), 3);
    store_in(child, AT(100), 70);
    expect_entries(child, AT(100), 1);
    move_in(child, 100, 0, 8, 0); /* back to where it was made */
    assert_null(child->kin->moved.root);
    expect_entries(child, AT(3), 3);
    expect_entries(child, AT(0), 1);
    put_mm(child);
    expect_entries(grandchild, AT(301), 2);
    put_mm(grandchild);
    expect_filled(AT(200), 8, 1);
}

/* New pages where others were made have their indices, too. */
static void test_made_twice(void **state)
{
    struct mmk_mm *child;

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    move_in(mm, 0, 10, 4, MMK_MREMAP_DONTUNMAP);
    fill(AT(0), 4, 11);
    assert_int_equal(peek_page(mm, AT(0))->user.index, peek_page(mm, AT(10))->user.index);
    child = fork_of(mm);
    expect_entries(mm, AT(1), 2);
    expect_entries(mm, AT(11), 2);
    move_in(child, 0, 20, 4, MMK_MREMAP_DONTUNMAP);
    expect_entries(child, AT(21), 2);
    expect_entries(child, AT(11), 2);
    put_mm(child);
}

/* Moved memory grows, is cut by other protection, and is one again. */
static void test_cut_and_merged(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    fill(AT(0), 8, 1);
    move_in(mm, 0, 20, 8, 0);
    assert_int_equal(mmk_mprotect(mm, AT(22), 2 * PAGE, RO), 0);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).vmas, 3);
    expect_entries(mm, AT(21), 1);
    expect_entries(mm, AT(23), 1);
    expect_entries(mm, AT(24), 1);
    assert_int_equal(mmk_mprotect(mm, AT(22), 2 * PAGE, RW), 0);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).vmas, 1);
    assert_int_equal(mmk_mremap(mm, AT(20), 8 * PAGE, 12 * PAGE, 0, 0), AT(20));
    fill(AT(28), 4, 9);
    mmk_check(mm);
    expect_entries(mm, AT(31), 1);
    assert_int_equal(mmk_munmap(mm, AT(24), 2 * PAGE), 0);
    mmk_check(mm);
    expect_entries(mm, AT(23), 1);
    expect_entries(mm, AT(27), 1);
    assert_int_equal(mmk_munmap(mm, AT(20), 12 * PAGE), 0);
    assert_null(mm->kin->moved.root);
}

/* A stack that has moved up grows, but not to below where it could have been made. */
static void test_moved_stack(void **state)
{
    mmk_vaddr_t low = mmk_config.mmap_min_addr + 2 * PAGE;
    struct mmk_mm *child;

    (void)state;
    assert_int_equal(map(low, 2, RW, STACK | MMK_MAP_FIXED, NULL, 0), low);
    store_byte(low, 1);
    assert_int_equal(
        mmk_mremap(mm, low, 2 * PAGE, 2 * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(1000)),
        AT(1000));
    expect_store(AT(1000) - low - PAGE, MMK_FAULT_SEGV_MAPERR);
    store_byte(AT(1000) - low, 2);
    mmk_check(mm);
    expect_entries(mm, AT(1000), 1);
    expect_entries(mm, AT(1000) - low, 1);
    assert_int_equal(peek_page(mm, AT(1000) - low)->user.index, 0);
    child = fork_of(mm);
    expect_entries(child, AT(1000) - low, 2);
    expect_entries(child, AT(1000), 2);
    put_mm(child);
}

/*
 * Indices of a file's private pages that begin anew in the middle of the mapping: to get there
 * takes a hundred thousand calls.
 */
static void test_indices_wrap(void **state)
{
    struct mmk_object *file = new_file(16);
    struct mmk_mm *child;

    (void)state;
    map_object_at(0, 8, RW, MMK_MAP_PRIVATE, file, 0);
    mmk_vma_reshift(peek_vma(mm, AT(0)), AT(4));
    fill(AT(0), 8, 60);
    mmk_check(mm);
    child = fork_of(mm);
    expect_entries(child, AT(3), 2);
    expect_entries(child, AT(4), 2);
    move_in(child, 2, 40, 4, 0);
    expect_entries(child, AT(41), 2);
    expect_entries(child, AT(42), 2);
    put_mm(child);
    mmk_object_put(file);
}

/* Private pages of a file, and what moves with them. */
static void test_private_file(void **state)
{
    struct mmk_object *file = new_file(16);
    struct mmk_mm *child;

    (void)state;
    map_object_at(0, 8, RW, MMK_MAP_PRIVATE, file, 2);
    store_byte(AT(1), 77);
    expect_byte(AT(2), 5);
    expect_entries(mm, AT(1), 1);
    expect_entries(mm, AT(2), 1); /* the file's own */
    move_in(mm, 0, 40, 8, 0);
    expect_entries(mm, AT(41), 1);
    expect_entries(mm, AT(42), 1);
    child = fork_of(mm);
    expect_entries(child, AT(41), 2);
    move_in(child, 40, 60, 4, 0);
    expect_entries(child, AT(61), 2);
    store_in(child, AT(44), 3);
    expect_entries(child, AT(44), 1);
    put_mm(child);
    mmk_check(mm);
    mmk_object_put(file);
}

/* The neighbour that a moved mapping merges with, in the file's order, moves with it from then on.
 */
static void test_file_neighbours(void **state)
{
    struct mmk_object *file = new_file(16);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(AT(1), 77);
    map_object_at(24, 4, RW, MMK_MAP_PRIVATE, file, 4);
    move_in(mm, 0, 20, 4, 0);
    assert_int_equal(mm_stats(mm).vmas, 1);
    store_byte(AT(25), 78);
    mmk_check(mm);
    expect_entries(mm, AT(21), 1);
    expect_entries(mm, AT(25), 1);
    map_object_at(28, 4, RO, MMK_MAP_PRIVATE, file, 8);
    assert_int_equal(mmk_mprotect(mm, AT(28), 4 * PAGE, RW), 0);
    store_byte(AT(29), 79);
    mmk_check(mm);
    expect_entries(mm, AT(29), 1);
    mmk_object_put(file);
}

/*
 * One that comes to have pages beside a moved mapping has them where it would have, had it moved,
 * too: so the two become one when their protection is the same.
 */
static void test_file_adopted(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(AT(1), 77);
    move_in(mm, 0, 20, 4, 0);
    map_object_at(24, 4, RW | MMK_PROT_EXEC, MMK_MAP_PRIVATE, file, 4);
    store_byte(AT(25), 78);
    store_byte(AT(26), 79);
    mmk_check(mm);
    assert_int_equal(mm_stats(mm).vmas, 2);
    expect_entries(mm, AT(25), 1);
    assert_int_equal(mmk_mprotect(mm, AT(24), 4 * PAGE, RW), 0);
    assert_int_equal(mm_stats(mm).vmas, 1);
    expect_entries(mm, AT(21), 1);
    expect_entries(mm, AT(26), 1);
    mmk_check(mm);
    mmk_object_put(file);
}

/* Objects' pages, wherever they are mapped. */
static void test_object(void **state)
{
    struct mmk_object *memory = new_shmem(8);
    struct mmk_mm *child;

    (void)state;
    map_object_at(0, 8, RW, MMK_MAP_SHARED, memory, 0);
    map_object_at(20, 4, RO, MMK_MAP_SHARED, memory, 2);
    map_object_at(30, 4, RW, MMK_MAP_PRIVATE, memory, 2);
    store_byte(AT(3), 1);
    expect_byte(AT(21), 1);
    expect_byte(AT(31), 1);
    expect_entries(mm, AT(3), 3);
    child = fork_of(mm);
    expect_in(child, AT(3), 1);
    expect_entries(child, AT(3), 4);
    move_in(mm, 20, 50, 4, 0);
    expect_entries(mm, AT(51), 4);
    store_byte(AT(31), 2);
    expect_entries(mm, AT(31), 1);
    expect_entries(mm, AT(51), 3);
    put_mm(child);
    mmk_check(mm);
    mmk_check_frames();
    mmk_object_put(memory);
}

/* ---- page_referenced ------------------------------------------------------------------------- */

static uint32_t referenced(mmk_vaddr_t at)
{
    struct mmk_page *page = peek_page(mm, at);
    uint32_t young;

    mmk_page_get(page);
    mmk_page_lock(page);
    young = mmk_page_referenced(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_check(mm);
    return young;
}

static void test_referenced(void **state)
{
    struct mmk_object *file = new_file(4);
    struct mmk_mm *child;

    (void)state;
    map_at(0, 2, RW, ANON);
    map_object_at(10, 4, RO, MMK_MAP_SHARED, file, 0);
    map_object_at(20, 4, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(AT(0), 1);
    assert_int_equal(referenced(AT(0)), 1);
    assert_int_equal(referenced(AT(0)), 0);
    assert_true(mmk_pte_dirty(peek_entry(mm, AT(0))));
    child = fork_of(mm);
    assert_int_equal(referenced(AT(0)), 0);
    expect_in(child, AT(0), 1);
    assert_int_equal(referenced(AT(0)), 1);
    expect_byte(AT(11), 2);
    expect_byte(AT(21), 2);
    expect_in(child, AT(11), 2);
    assert_int_equal(referenced(AT(11)), 3);
    assert_int_equal(referenced(AT(11)), 0);
    put_mm(child);
    mmk_object_put(file);
}

/* ---- try_to_unmap ---------------------------------------------------------------------------- */

static bool try_to_unmap(struct mmk_page *page)
{
    bool gone;

    mmk_page_get(page);
    mmk_page_lock(page);
    gone = mmk_page_try_to_unmap(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_check(mm);
    return gone;
}

static void test_unmap_object(void **state)
{
    struct mmk_object *file = new_file(4);
    struct mmk_page *page;
    struct mmk_mm *child;

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(20, 4, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(AT(1), 50);
    expect_byte(AT(21), 50);
    child = fork_of(mm);
    expect_in(child, AT(1), 50);
    page = peek_page(mm, AT(1));
    mmk_page_clear(page, MMK_PF_DIRTY);
    assert_true(try_to_unmap(page));
    mmk_check(child);
    assert_true(mmk_page_test(page, MMK_PF_DIRTY));
    assert_int_equal(mmk_page_mapcount(page), 0);
    assert_int_equal(mm_stats(mm).rss_file + mm_stats(child).rss_file, 0);
    assert_int_equal(mm_stats(mm).tables[0] + mm_stats(child).tables[0], 0); /* T3 */
    expect_byte(AT(1), 50);
    expect_byte(AT(21), 50);
    put_mm(child);
    mmk_object_put(file);
}

/* What MADV_FREE has marked goes while nobody has written to it. */
static void test_unmap_free(void **state)
{
    struct mmk_mm *child;

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    assert_false(try_to_unmap(peek_page(mm, AT(3)))); /* not marked */
    expect_byte(AT(3), 4);
    assert_int_equal(advise(AT(0), 3, MMK_MADV_FREE), 0);
    store_byte(AT(1) + 1, 5);
    assert_true(try_to_unmap(peek_page(mm, AT(0))));
    assert_false(try_to_unmap(peek_page(mm, AT(1))));
    expect_byte(AT(0), 0);
    expect_byte(AT(1), 2);
    child = fork_of(mm);
    assert_true(try_to_unmap(peek_page(mm, AT(2))));
    expect_byte(AT(2), 0);
    expect_in(child, AT(2), 0);
    put_mm(child);
}

/* Somebody else has a reference, or a pin: it stays. */
static void test_unmap_held(void **state)
{
    struct mmk_page *page, *pinned;

    (void)state;
    map_at(0, 2, RW, ANON);
    fill(AT(0), 2, 1);
    assert_int_equal(mmk_pin_pages(mm, AT(1), 1, MMK_PIN_WRITE, &pinned), 1);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_FREE), 0);
    page = peek_page(mm, AT(0));
    mmk_page_get(page);
    assert_false(try_to_unmap(page));
    mmk_page_put(page);
    assert_false(try_to_unmap(pinned));
    assert_true(try_to_unmap(page));
    mmk_unpin_pages(&pinned, 1, false);
    expect_byte(AT(1), 2);
}

/* Nothing maps it: there is nothing to find, and nothing to take. */
static void test_unmapped(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_at(0, 1, RW, ANON);
    store_byte(AT(0), 1);
    page = peek_page(mm, AT(0));
    mmk_page_get(page);
    assert_int_equal(mmk_munmap(mm, AT(0), PAGE), 0);
    assert_int_equal(places_of(page), 0);
    assert_int_equal(mmk_page_referenced(page), 0);
    mmk_page_put(page);
}

/* ---- at random ------------------------------------------------------------------------------- */

/* Whatever a family does: each entry is found, nothing else, and no kin is left. */
enum { MEMBERS = 6, SPACE = 24, ROUNDS = 1500 };

static struct mmk_mm *member[MEMBERS];

static void random_step(uint64_t *seed)
{
    unsigned which = (unsigned)random_below(seed, MEMBERS), to;
    uint64_t at = random_below(seed, SPACE), other = random_below(seed, SPACE);
    uint64_t pages = 1 + random_below(seed, 5);
    struct mmk_mm *in = member[which];
    int64_t result;

    if (!in) {
        to = (unsigned)random_below(seed, MEMBERS);
        if (member[to])
            assert_int_equal(mmk_fork(member[to], &member[which]), 0);
        return;
    }
    switch (random_below(seed, 8)) {
    case 0:
        if (which > 0) {
            mmk_mm_put(in);
            member[which] = NULL;
        }
        return;
    case 1:
        result = mmk_mmap(in, AT(at), pages * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
        break;
    case 2:
        result = mmk_munmap(in, AT(at), pages * PAGE);
        break;
    case 3:
    case 4:
        result = mmk_mremap(in, AT(at), pages * PAGE, pages * PAGE,
                            MMK_MREMAP_MAYMOVE |
                                (random_below(seed, 3) ? MMK_MREMAP_FIXED : MMK_MREMAP_DONTUNMAP),
                            AT(other));
        break;
    case 5:
        result = mmk_mprotect(in, AT(at), pages * PAGE, random_below(seed, 2) ? RW : RO);
        break;
    default:
        result = mmk_fault(in, AT(at), MMK_ACCESS_WRITE);
        break;
    }
    (void)result; /* many have nothing to work on */
}

static void test_random(void **state)
{
    uint64_t seed = 6;
    unsigned i, k;

    (void)state;
    member[0] = mm;
    for (i = 0; i < ROUNDS; i++) {
        random_step(&seed);
        for (k = 0; k < MEMBERS; k++)
            if (member[k] && i % 4 == 0)
                mmk_check(member[k]);
        if (i % 16 == 0)
            mmk_check_frames();
    }
    for (k = 1; k < MEMBERS; k++)
        if (member[k])
            put_mm(member[k]);
    memset(member, 0, sizeof(member));
    assert_int_equal(mmk_kin_count(), 1);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { RACE_PAGES = 4, RACE_ROUNDS = 300 };

static struct mmk_a32 ended;

static void fork_and_end(void)
{
    struct mmk_mm *child, *grandchild;
    int error;

    error = mmk_fork(mm, &child);
    check(!error);
    error = mmk_munmap(child, AT(0), PAGE);
    check(!error);
    error = mmk_fork(child, &grandchild);
    check(!error);
    mmk_mm_put(child);
    check(mmk_fault(grandchild, AT(1), MMK_ACCESS_WRITE) == MMK_FAULT_DONE ||
          mmk_fault(grandchild, AT(41), MMK_ACCESS_WRITE) == MMK_FAULT_DONE);
    mmk_mm_put(grandchild);
}

/*
 * The pages are held, never unmapped in mm, and taken to and fro there: a search finds at least
 * the entry of mm.
 */
static void search(struct mmk_page *const *page)
{
    unsigned i;
    bool found;

    while (!mmk_a32_load(&ended, MMK_ACQUIRE))
        for (i = 0; i < RACE_PAGES; i++) {
            check(mmk_rmap_count(page[i], NULL, 0, &found) >= 1);
            (void)mmk_page_referenced(page[i]);
        }
}

static void race(unsigned cpu, void *argument)
{
    unsigned i;

    if (cpu == 0) {
        for (i = 0; i < RACE_ROUNDS; i++)
            fork_and_end();
        mmk_a32_fetch_add(&ended, 1, MMK_RELEASE);
    } else if (cpu == 1) {
        for (i = 0; !mmk_a32_load(&ended, MMK_ACQUIRE); i++)
            check(mmk_mremap(mm, AT(i % 2 ? 40 : 0), RACE_PAGES * PAGE, RACE_PAGES * PAGE,
                             MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(i % 2 ? 0 : 40)) > 0);
        if (i % 2)
            check(mmk_mremap(mm, AT(40), RACE_PAGES * PAGE, RACE_PAGES * PAGE,
                             MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(0)) > 0);
    } else {
        search((struct mmk_page *const *)argument);
    }
}

static void test_race(void **state)
{
    struct mmk_page *page[RACE_PAGES];
    unsigned i;

    (void)state;
    map_at(0, RACE_PAGES, RW, ANON);
    fill(AT(0), RACE_PAGES, 1);
    for (i = 0; i < RACE_PAGES; i++) {
        page[i] = peek_page(mm, AT(i));
        mmk_page_get(page[i]);
    }
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    race_cpus(race, page);
    expect_filled(AT(0), RACE_PAGES, 1);
    for (i = 0; i < RACE_PAGES; i++) {
        expect_entries(mm, AT(i), 1);
        mmk_page_put(page[i]);
    }
    assert_int_equal(mmk_kin_count(), 1);
}

/*
 * CPU 2 takes pages out of all tables that CPU 0 stores to, and that CPU 1's children have: what
 * was stored last is there. Shared memory at AT(0); at AT(20) private memory that is given away
 * (MADV_FREE) before each store.
 */
static void store_and_look(void)
{
    uint64_t i, at, found, given;

    machine_switch_mm(mm);
    for (i = 1; i < 20 * RACE_ROUNDS; i++) {
        at = AT(i % RACE_PAGES);
        check(machine_store(at, &i, sizeof(i)) == MMK_FAULT_DONE);
        given = AT(20) + i % RACE_PAGES * PAGE;
        check(mmk_madvise(mm, given, PAGE, MMK_MADV_FREE) == 0);
        check(machine_load(given, &found, sizeof(found)) == MMK_FAULT_DONE);
        check(found == 0 || found + RACE_PAGES == i);
        check(machine_store(given, &i, sizeof(i)) == MMK_FAULT_DONE);
        check(machine_load(at, &found, sizeof(found)) == MMK_FAULT_DONE && found == i);
        check(machine_load(given, &found, sizeof(found)) == MMK_FAULT_DONE && found == i);
    }
    machine_switch_mm(NULL);
    mmk_a32_fetch_add(&ended, 1, MMK_RELEASE);
}

static void unmap_at(mmk_vaddr_t at)
{
    struct mmk_page *page = page_at(mm, at);

    if (!page)
        return;
    mmk_page_lock(page);
    (void)mmk_page_referenced(page);
    (void)mmk_page_try_to_unmap(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

static void race_unmap(unsigned cpu, void *argument)
{
    struct mmk_mm *child;
    unsigned i;
    int error;

    (void)argument;
    if (cpu == 0) {
        store_and_look();
        return;
    }
    for (i = 0; !mmk_a32_load(&ended, MMK_ACQUIRE); i++) {
        if (cpu == 2) {
            unmap_at(AT(i % 2 ? i / 2 % RACE_PAGES : 20 + i / 2 % RACE_PAGES));
            continue;
        }
        error = mmk_fork(mm, &child);
        check(!error);
        check(mmk_fault(child, AT(i % RACE_PAGES), MMK_ACCESS_READ) == MMK_FAULT_DONE);
        check(mmk_fault(child, AT(20 + i % RACE_PAGES), MMK_ACCESS_WRITE) == MMK_FAULT_DONE);
        mmk_mm_put(child);
    }
}

static void test_race_unmap(void **state)
{
    struct mmk_object *memory = new_shmem(RACE_PAGES);

    (void)state;
    map_object_at(0, RACE_PAGES, RW, MMK_MAP_SHARED, memory, 0);
    map_at(20, RACE_PAGES, RW, ANON);
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    race_cpus(race_unmap, NULL);
    mmk_check(mm);
    mmk_check_frames();
    mmk_object_put(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts),
        TEST(test_owned),
        TEST(test_every_order),
        TEST(test_root_ends),
        TEST(test_line),
        TEST(test_copied_by_many),
        TEST(test_moved),
        TEST(test_made_twice),
        TEST(test_cut_and_merged),
        TEST(test_moved_stack),
        TEST(test_private_file),
        TEST(test_indices_wrap),
        TEST(test_file_neighbours),
        TEST(test_file_adopted),
        TEST(test_object),
        TEST(test_referenced),
        TEST(test_unmap_object),
        TEST(test_unmap_free),
        TEST(test_unmap_held),
        TEST(test_unmapped),
        TEST(test_random),
        TEST_LIMITED(test_race),
        TEST_LIMITED(test_race_unmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
