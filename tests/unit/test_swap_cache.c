/* SPDX-License-Identifier: MIT */
/*
 * test_swap_cache.c - the swap cache: pages that come, leave, are taken out, found, and freed when
 * nobody has a use for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "expect_panic.h"
#include "race.h"
#include "random.h"
#include "slot_setup.h"

static uint64_t orphans(void)
{
    return mmk_a64_load(&mm->kin->orphans, MMK_RELAXED);
}

static uint64_t used(void)
{
    return stats_now().swap_used;
}

/* A page that has just been unmapped, in the cache, with one reference to its slot. */
static struct mmk_page *cached_page(uint8_t byte, uint64_t *slot)
{
    struct mmk_page *page = private_page(byte);

    assert_true(mmk_swap_add(page, slot));
    unmap_page(page);
    return page;
}

/* A frame that becomes a private page, mapped nowhere. */
static void become_private(struct mmk_page *page)
{
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
    mmk_a32_store(&page->user.pins, 0, MMK_RELAXED);
    mmk_page_set_type(page, MMK_PAGE_ANON);
}

/* A new page, locked, as one who reads in has it. */
static struct mmk_page *new_page(void)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);

    assert_non_null(page);
    become_private(page);
    assert_true(mmk_page_trylock(page));
    return page;
}

static void unlock_put(struct mmk_page *page)
{
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
}

/* Out, its frame freed, in again: what it knew it knows again. */
static void test_out_and_in(void **state)
{
    struct test_area a = swap_on(10, -1);
    struct mmk_page *page, *found;
    uint64_t slot, free;

    (void)state;
    mmk_drain();
    free = frames_free();
    page = cached_page(9, &slot);
    assert_true(mmk_swap_cached(page, slot));
    assert_true(mmk_page_test(page, MMK_PF_DIRTY));
    assert_int_equal(orphans(), 1);
    found = mmk_swap_find(slot);
    assert_ptr_equal(found, page);
    mmk_page_put(found);
    assert_int_equal(mmk_slot_write(slot, &page, 1), 0);
    (void)mmk_page_take_dirty(page);
    mmk_swap_drop(page);
    assert_false(mmk_page_test(page, MMK_PF_SWAPCACHE));
    unlock_put(page);
    mmk_drain();
    assert_int_equal(frames_free(), free);
    mmk_swap_check();
    assert_null(mmk_swap_find(slot));
    assert_int_equal(orphans(), 1);

    page = new_page();
    assert_true(mmk_swap_insert(page, slot));
    assert_ptr_equal(mmk_page_kin(page), mm->kin);
    assert_int_equal(page->user.index, 9 << 20);
    assert_int_equal(mmk_slot_read(slot, &page, 1), 0);
    assert_int_equal(*(uint8_t *)mmk_page_virt(page), 9);
    assert_false(mmk_swap_take_out(page)); /* we have a reference */
    mmk_swap_put(slot);
    mmk_a32_store(&page->user.mapcount, 1, MMK_RELAXED);
    assert_true(mmk_swap_take_out(page));
    assert_true(mmk_page_test(page, MMK_PF_DIRTY));
    assert_false(mmk_swap_take_out(page));
    assert_int_equal(used(), 0);
    assert_int_equal(orphans(), 0);
    unmap_page(page);
    unlock_put(page);
    swap_off(&a);
}

static void test_full(void **state)
{
    struct test_area a = swap_on(1, -1);
    struct mmk_page *page = private_page(1), *other = private_page(2);
    uint64_t slot, none;

    (void)state;
    assert_true(mmk_swap_add(page, &slot));
    assert_false(mmk_swap_add(other, &none));
    assert_false(mmk_page_test(other, MMK_PF_SWAPCACHE | MMK_PF_DIRTY));
    unmap_page(page);
    unmap_page(other);
    mmk_swap_put(slot);
    unlock_put(page);
    unlock_put(other);
    assert_int_equal(used(), 0);
    swap_off(&a);
}

/* Of two who read a slot in, one gets its page into the cache. */
static void test_insert_once(void **state)
{
    struct test_area a = swap_on(10, -1);
    struct mmk_page *page, *late;
    uint64_t slot, nobodys;

    (void)state;
    page = cached_page(3, &slot);
    late = new_page();
    assert_false(mmk_swap_insert(late, slot));
    (void)mmk_page_take_dirty(page);
    mmk_swap_drop(page);
    assert_true(mmk_swap_insert(late, slot));
    assert_true(mmk_slot_alloc(NULL, 0, &nobodys)); /* one that nobody wants any more */
    assert_false(mmk_swap_insert(page, nobodys));
    assert_false(mmk_slot_put(nobodys));
    unlock_put(page);
    mmk_swap_put(slot);
    unlock_put(late);
    assert_int_equal(used(), 0);
    swap_off(&a);
}

/* Nobody wants it: whichever goes last, the slot's reference or the page's, both are freed. */
static void test_unused(void **state)
{
    struct test_area a = swap_on(10, -1);
    struct mmk_page *page;
    uint64_t slot;

    (void)state;
    page = cached_page(1, &slot); /* 1: the slot's, unlocked */
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_swap_check();
    assert_int_equal(used(), 1);
    mmk_swap_put(slot);
    assert_int_equal(used(), 0);

    page = private_page(2); /* 2: the page's */
    assert_true(mmk_swap_add(page, &slot));
    mmk_swap_put(slot);
    mmk_page_unlock(page);
    assert_int_equal(used(), 1);
    mmk_swap_check();
    unmap_page(page);
    mmk_swap_put_page(page);
    assert_int_equal(used(), 0);

    page = cached_page(3, &slot); /* 3: the slot's, while we have the page locked */
    mmk_swap_put(slot);
    assert_int_equal(used(), 1);
    assert_true(mmk_page_test(page, MMK_PF_UNUSED));
    mmk_page_unlock(page);
    assert_false(mmk_page_test(page, MMK_PF_UNUSED));
    assert_int_equal(used(), 0);
    mmk_page_put(page);

    page = private_page(4); /* 4: both, while we have it locked */
    assert_true(mmk_swap_add(page, &slot));
    unmap_page(page);
    mmk_page_get(page);
    mmk_swap_put_page(page);
    mmk_swap_put(slot);
    assert_int_equal(used(), 1);
    mmk_page_unlock(page);
    assert_int_equal(used(), 0);
    mmk_page_put(page);
    assert_int_equal(orphans(), 0);
    swap_off(&a);
}

/* It was of use again when the lock's holder looked. */
static void test_used_again(void **state)
{
    struct test_area a = swap_on(10, -1);
    struct mmk_page *page;
    uint64_t slot;

    (void)state;
    page = cached_page(1, &slot);
    mmk_swap_put(slot);
    mmk_a32_store(&page->user.mapcount, 1, MMK_RELAXED);
    mmk_page_unlock(page);
    assert_int_equal(used(), 1);
    mmk_swap_check();
    unmap_page(page);
    mmk_swap_put_page(page);
    assert_int_equal(used(), 0);
    swap_off(&a);
}

static void test_neighbours(void **state)
{
    struct test_area a = swap_on(10, -1);
    struct mmk_page *page, *unused;
    uint64_t slot, second;

    (void)state;
    page = cached_page(1, &slot);
    unused = private_page(2);
    assert_true(mmk_swap_add(unused, &second));
    mmk_swap_put(second); /* the cache alone has it */
    assert_false(mmk_slot_get_neighbour(second));
    assert_true(mmk_slot_get_neighbour(slot));
    mmk_swap_put(slot);
    mmk_page_unlock(unused);
    unmap_page(unused);
    mmk_swap_put_page(unused);
    mmk_swap_put(slot);
    unlock_put(page);
    swap_off(&a);
}

/* A page that comes in as one address space's alone changes its kin, and so do its slot's orphans.
 */
static void test_own(void **state)
{
    struct test_area a = swap_on(10, -1);
    mmk_vaddr_t at = map_anon(1);
    struct mmk_mm *parent, *child;
    const struct mmk_vma *vma;
    struct mmk_page *page;
    uint64_t slot;

    (void)state;
    parent = enter_child();
    child = mm;
    mm = parent;
    page = cached_page(1, &slot);
    mm = child;
    vma = mmk_vma_tree_find_rcu(&mm->vmas, at);
    mmk_swap_own(page, vma, at);
    assert_ptr_equal(mmk_page_kin(page), mm->kin);
    assert_int_equal(mmk_page_mapcount(page), 1);
    assert_true(mmk_page_test(page, MMK_PF_EXCLUSIVE));
    assert_int_equal(orphans(), 1);
    assert_int_equal(mmk_a64_load(&parent->kin->orphans, MMK_RELAXED), 0);
    unmap_page(page);
    (void)mmk_page_take_dirty(page);
    mmk_swap_drop(page);
    unlock_put(page);
    assert_int_equal(orphans(), 1);
    page = new_page();
    assert_true(mmk_swap_insert(page, slot));
    assert_ptr_equal(mmk_page_kin(page), mm->kin);
    mmk_swap_put(slot);
    unlock_put(page);
    assert_int_equal(orphans(), 0);
    leave_child(parent);
    swap_off(&a);
}

/* ---- kins that slots alone keep -------------------------------------------------------------- */

/* The last slot goes after the address space, and all that descend from it. */
static void test_kin_kept(void **state)
{
    struct test_area a = swap_on(10, -1);
    uint64_t kins = mmk_kin_count(), slot[2];
    struct mmk_mm *parent = mm;
    struct mmk_page *page;
    unsigned i;

    (void)state;
    mm = new_mm();
    for (i = 0; i < 2; i++) {
        page = cached_page((uint8_t)(i + 1), &slot[i]);
        (void)mmk_page_take_dirty(page);
        mmk_swap_drop(page);
        unlock_put(page);
    }
    assert_int_equal(mmk_kin_count(), kins + 1);
    mmk_mm_put(mm);
    mm = parent;
    assert_int_equal(mmk_kin_count(), kins + 1);
    mmk_swap_put(slot[0]);
    mmk_kin_reap();
    assert_int_equal(mmk_kin_count(), kins + 1);
    page = new_page(); /* it can still be read in */
    assert_true(mmk_swap_insert(page, slot[1]));
    mmk_swap_put(slot[1]);
    unlock_put(page);
    assert_int_equal(used(), 0);
    mmk_kin_reap();
    assert_int_equal(mmk_kin_count(), kins);
    swap_off(&a);
}

/* In the middle of a line of them, with two children, which go later. */
static void test_kin_in_line(void **state)
{
    struct test_area a = swap_on(10, -1);
    uint64_t kins = mmk_kin_count(), slot;
    struct mmk_mm *parent = mm, *middle, *children[2];
    struct mmk_page *page;
    unsigned i;

    (void)state;
    assert_int_equal(mmk_fork(mm, &middle), 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(mmk_fork(middle, &children[i]), 0);
    mm = middle;
    page = cached_page(1, &slot);
    mmk_page_unlock(page);
    mm = parent;
    put_mm(middle);
    mmk_swap_put(slot);
    mmk_swap_put_page(page); /* idle, and reaped by the next fork: but it has two children */
    assert_int_equal(mmk_kin_count(), kins + 3);
    mmk_kin_reap();
    assert_int_equal(mmk_kin_count(), kins + 3);
    put_mm(children[0]);
    assert_int_equal(mmk_kin_count(), kins + 1);
    put_mm(children[1]);
    assert_int_equal(mmk_kin_count(), kins);
    swap_off(&a);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void add_twice(void *arg)
{
    struct mmk_page *page = arg;
    uint64_t slot;

    if (mmk_swap_add(page, &slot))
        abort();
}

static void drop_mapped(void *arg)
{
    struct mmk_page *page = arg;

    mmk_a32_store(&page->user.mapcount, 1, MMK_RELAXED);
    mmk_swap_drop(page);
}

static void check_all(void *arg)
{
    (void)arg;
    mmk_swap_check();
}

static void check_unused(void *arg)
{
    mmk_slot_put(*(uint64_t *)arg);
    mmk_swap_check();
}

static void test_misuse(void **state)
{
    struct test_area a = swap_on(10, -1);
    struct mmk_page *page;
    uint64_t slot;

    (void)state;
    page = cached_page(1, &slot);
    assert_true(expect_panic(add_twice, page, "SC1"));
    assert_true(expect_panic(drop_mapped, page, "SC1"));
    assert_true(expect_panic(check_all, NULL, "nobody holds the page lock"));
    mmk_page_unlock(page);
    assert_true(expect_panic(check_unused, &slot, "SC3"));
    mmk_page_put(page);
    mmk_swap_put(slot);
    swap_off(&a);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { RACE_SLOTS = 6, ROUNDS = 8000 };

static uint64_t shared[RACE_SLOTS]; /* slots: each CPU has a reference to each, in turn */

/* Reads the slot in, as a fault does, or finds it; looks at it, and lets go of it. */
static void look_at(uint64_t slot, uint64_t *random)
{
    struct mmk_page *page = mmk_swap_find(slot), *own;

    if (!page) {
        own = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
        check(own);
        become_private(own);
        mmk_page_lock(own);
        if (mmk_swap_insert(own, slot)) {
            check(mmk_slot_read(slot, &own, 1) == 0);
            mmk_page_set(own, MMK_PF_UPTODATE);
        }
        unlock_put(own);
        return;
    }
    mmk_page_lock(page);
    if (mmk_swap_cached(page, slot)) {
        check(mmk_page_test(page, MMK_PF_UPTODATE));
        check(*(uint8_t *)mmk_page_virt(page) == slot % RACE_SLOTS + 1);
        if (random_below(random, 3) == 0)
            mmk_swap_drop(page);
        else
            check(!mmk_swap_take_out(page)); /* our reference */
    }
    unlock_put(page);
}

static void look_at_all(unsigned cpu, void *argument)
{
    uint64_t random = cpu + 1;
    unsigned i, at;

    (void)argument;
    for (i = 0; i < ROUNDS; i++) {
        at = (unsigned)random_below(&random, RACE_SLOTS);
        mmk_slot_get(shared[at]);
        look_at(shared[at], &random);
        mmk_swap_put(shared[at]);
    }
}

static void test_race_in_and_out(void **state)
{
    struct test_area a = swap_on(RACE_SLOTS, -1);
    struct mmk_page *page;
    unsigned i;

    (void)state;
    for (i = 0; i < RACE_SLOTS; i++) {
        page = cached_page((uint8_t)(i + 1), &shared[i]);
        assert_int_equal(mmk_slot_write(shared[i], &page, 1), 0);
        (void)mmk_page_take_dirty(page);
        mmk_swap_drop(page);
        unlock_put(page);
    }
    race_cpus(look_at_all, NULL);
    mmk_swap_check();
    for (i = 0; i < RACE_SLOTS; i++)
        mmk_swap_put(shared[i]);
    assert_int_equal(used(), 0);
    assert_int_equal(orphans(), 0);
    swap_off(&a);
}

/* What each CPU does with one cached page is the last of its kind: nothing may be left (SC3). */
static struct last {
    struct mmk_page *page;
    uint64_t slot;
    struct mmk_a32 round, done;
} last;

static void await(struct mmk_a32 *word, uint32_t value)
{
    while (mmk_a32_load(word, MMK_ACQUIRE) != value)
        mmk_cpu_relax();
}

static void make_last(void)
{
    last.page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    check(last.page);
    mmk_page_set_type(last.page, MMK_PAGE_ANON);
    mmk_aptr_store(&last.page->user.kin, mm->kin, MMK_RELAXED);
    mmk_a32_store(&last.page->user.mapcount, 1, MMK_RELAXED);
    mmk_a32_store(&last.page->user.pins, 0, MMK_RELAXED);
    mmk_page_lock(last.page);
    check(mmk_swap_add(last.page, &last.slot));
    mmk_page_unlock(last.page);
    mmk_page_get(last.page); /* each has one */
    mmk_page_get(last.page);
}

static void use_last(unsigned cpu, void *argument)
{
    uint32_t round;

    (void)argument;
    for (round = 1; round <= ROUNDS; round++) {
        if (cpu == 0) {
            make_last();
            mmk_a32_store(&last.round, round, MMK_RELEASE);
            unmap_page(last.page);
            mmk_swap_put_page(last.page);
        } else {
            await(&last.round, round);
            if (cpu == 1)
                mmk_swap_put(last.slot);
            else
                mmk_page_lock(last.page);
            if (cpu == 2)
                mmk_page_unlock(last.page);
            mmk_page_put(last.page);
        }
        mmk_a32_fetch_add(&last.done, 1, MMK_ACQ_REL);
        if (cpu == 0) {
            await(&last.done, 3 * round);
            check(stats_now().swap_used == 0);
        }
    }
}

static void test_race_unused(void **state)
{
    struct test_area a = swap_on(3, -1);

    (void)state;
    race_cpus(use_last, NULL);
    assert_int_equal(orphans(), 0);
    swap_off(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_out_and_in),
        TEST(test_full),
        TEST(test_insert_once),
        TEST(test_unused),
        TEST(test_used_again),
        TEST(test_neighbours),
        TEST(test_own),
        TEST(test_kin_kept),
        TEST(test_kin_in_line),
        TEST(test_misuse),
        TEST_LIMITED(test_race_in_and_out),
        TEST_LIMITED(test_race_unused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
