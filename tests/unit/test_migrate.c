/* SPDX-License-Identifier: MIT */
/* test_migrate.c - pages go to other frames: private ones, in fork trees too, and objects'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../stress/page_at.h" /* first */
#include "family.h"
#include "migrate_setup.h"
#include "race.h"
#include "random.h"

#include <mmkit/notifier.h>

#define AT(page) (BASE + (uint64_t)(page)*PAGE)

/* ---- private pages --------------------------------------------------------------------------- */

static void test_private(void **state)
{
    uint64_t faults;

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    faults = needed_faults();
    expect_moves(mm, AT(1), 1);
    assert_true(mmk_page_test(peek_page(mm, AT(1)), MMK_PF_EXCLUSIVE));
    expect_filled(AT(0), 4, 1);
    store_byte(AT(1), 30); /* by no translation of the old one */
    expect_byte(AT(1), 30);
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mm_stats(mm).rss_anon, 4);
    expect_moves(mm, AT(1), 1); /* and on */
    expect_byte(AT(1), 30);
}

/* Entries keep what they say. */
static void test_protections(void **state)
{
    static const unsigned prots[] = {MMK_PROT_NONE, RO, RX, RW | MMK_PROT_EXEC};
    unsigned i;

    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    for (i = 0; i < 4; i++)
        assert_int_equal(mmk_mprotect(mm, AT(i), PAGE, prots[i]), 0);
    for (i = 0; i < 4; i++)
        expect_moves(mm, AT(i), 1);
    expect_load(AT(0), MMK_FAULT_SEGV_ACCERR);
    expect_store(AT(1), MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, AT(0), 4 * PAGE, RW), 0);
    expect_filled(AT(0), 4, 1);
}

/* What is young, or dirty, stays so; what MADV_FREE marked stays marked. */
static void test_marks(void **state)
{
    struct mmk_page *page;

    (void)state;
    map_at(0, 2, RW, ANON);
    fill(AT(0), 2, 1);
    (void)mmk_page_referenced(peek_page(mm, AT(0)));
    expect_moves(mm, AT(0), 1);
    assert_int_equal(mmk_page_referenced(peek_page(mm, AT(0))), 0);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_FREE), 0);
    store_byte(AT(1), 7);
    expect_moves(mm, AT(0), 1);
    expect_moves(mm, AT(1), 1);
    page = peek_page(mm, AT(1));
    mmk_page_get(page);
    mmk_page_lock(page);
    assert_false(mmk_page_try_to_unmap(page));
    mmk_page_unlock(page);
    mmk_page_put(page);
    page = peek_page(mm, AT(0));
    mmk_page_get(page);
    mmk_page_lock(page);
    assert_true(mmk_page_try_to_unmap(page));
    mmk_page_unlock(page);
    mmk_page_put(page);
    expect_byte(AT(0), 0);
    expect_byte(AT(1), 7);
}

static void test_moved(void **state)
{
    (void)state;
    map_at(0, 4, RW, ANON);
    fill(AT(0), 4, 1);
    assert_int_equal(
        mmk_mremap(mm, AT(1), 2 * PAGE, 2 * PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, AT(20)),
        AT(20));
    expect_moves(mm, AT(20), 1);
    expect_moves(mm, AT(21), 1);
    expect_moves(mm, AT(0), 1);
    expect_filled(AT(20), 2, 2);
}

static void test_forked(void **state)
{
    struct mmk_mm *child, *grandchild;

    (void)state;
    map_at(0, 3, RW, ANON);
    fill(AT(0), 3, 1);
    child = fork_of(mm);
    grandchild = fork_of(child);
    expect_moves(mm, AT(0), 3);
    assert_ptr_equal(peek_page(mm, AT(0)), peek_page(grandchild, AT(0)));
    expect_moves(child, AT(1), 3);
    expect_in(child, AT(0), 1);
    expect_in(grandchild, AT(1), 2);
    store_in(grandchild, AT(0), 20);
    store_byte(AT(0), 10);
    expect_in(child, AT(0), 1);
    expect_moves(child, AT(0), 1); /* the only one left who has it, and did not make it */
    store_in(child, AT(0), 15);
    expect_moves(child, AT(0), 1);
    expect_byte(AT(0), 10);
    expect_in(child, AT(0), 15);
    expect_in(grandchild, AT(0), 20);
    put_mm(grandchild);
    put_mm(child);
    expect_moves(mm, AT(1), 1); /* the others have gone */
    store_byte(AT(1), 9);
    assert_true(mmk_page_test(peek_page(mm, AT(1)), MMK_PF_EXCLUSIVE));
    mmk_check(mm);
    assert_int_equal(mmk_kin_count(), 1);
}

/* Whoever made a page has gone: it leads to its kin as long as others have it, where it moves. */
static void test_owner_ended(void **state)
{
    struct mmk_mm *child, *first, *second;

    (void)state;
    map_at(0, 2, RW, ANON);
    child = fork_of(mm);
    store_in(child, AT(0), 5);
    store_in(child, AT(1), 6);
    first = fork_of(child);
    second = fork_of(child);
    expect_moves(child, AT(0), 3);
    put_mm(child);
    assert_int_equal(mmk_kin_count(), 4);
    expect_moves(first, AT(1), 2);
    expect_moves(second, AT(0), 2);
    expect_in(first, AT(0), 5);
    expect_in(second, AT(1), 6);
    put_mm(first);
    assert_int_equal(mmk_kin_count(), 3);
    store_in(second, AT(0), 7); /* its own from now on */
    store_in(second, AT(1), 8);
    expect_moves(second, AT(0), 1);
    put_mm(second);
    assert_int_equal(mmk_kin_count(), 1);
}

static void test_held(void **state)
{
    struct mmk_page *page, *pinned;
    struct mmk_mm *child;

    (void)state;
    map_at(0, 2, RW, ANON);
    fill(AT(0), 2, 1);
    assert_int_equal(mmk_pin_pages(mm, AT(0), 1, MMK_PIN_WRITE, &pinned), 1);
    expect_stays(mm, AT(0));
    child = fork_of(mm); /* has a copy of that one */
    expect_stays(mm, AT(0));
    expect_moves(child, AT(0), 1);
    mmk_unpin_pages(&pinned, 1, false);
    expect_moves(mm, AT(0), 1);
    page = peek_page(mm, AT(0));
    mmk_page_get(page); /* by whoever may look at its frame */
    expect_stays(mm, AT(0));
    mmk_page_put(page);
    page = peek_page(mm, AT(1));
    mmk_page_get(page); /* nobody writes to this one */
    assert_int_equal(migrate(page), 0);
    assert_ptr_not_equal(peek_page(mm, AT(1)), page);
    assert_ptr_equal(peek_page(mm, AT(1)), peek_page(child, AT(1)));
    assert_int_equal(mmk_page_refs(page), 1);
    mmk_page_put(page);
    expect_byte(AT(1), 2);
    put_mm(child);
}

/* Locked memory is mapped all the time. */
static void test_locked(void **state)
{
    uint64_t faults;

    (void)state;
    map_at(0, 2, RW, ANON);
    assert_int_equal(mmk_mlock(mm, AT(0), 2 * PAGE), 0);
    fill(AT(0), 2, 1);
    faults = needed_faults();
    expect_moves(mm, AT(0), 1);
    expect_filled(AT(0), 2, 1);
    assert_int_equal(needed_faults(), faults);
}

/* Of a private page that nobody maps any more, and of frames that are nobody's, nothing moves. */
static void test_no_user(void **state)
{
    struct mmk_page *page;

    (void)state;
    page = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    assert_int_equal(migrate(page), MMK_EBUSY);
    mmk_page_put(page);
    map_at(0, 1, RW, ANON);
    store_byte(AT(0), 1);
    page = peek_page(mm, AT(0));
    mmk_page_get(page);
    assert_int_equal(mmk_munmap(mm, AT(0), PAGE), 0);
    assert_int_equal(migrate(page), MMK_EBUSY);
    mmk_page_put(page);
}

/* ---- objects' pages -------------------------------------------------------------------------- */

static uint8_t written[8]; /* the first byte of each page of the file, as it is on disk */

static int write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    written[index] = *(const uint8_t *)page;
    return 0;
}

static struct mmk_object *new_disk_file(uint64_t pages)
{
    static const struct mmk_object_ops ops = {
        .read_page = fixture_read_page, .write_page = write_page, .punch_hole = fixture_punch_hole};
    struct mmk_object *object;

    assert_int_equal(mmk_object_create(&ops, pages * PAGE, NULL, &object), 0);
    return object;
}

static void test_object(void **state)
{
    struct mmk_object *file = new_disk_file(4);
    struct mmk_page *page, *to;
    struct mmk_mm *child;
    uint8_t vec[4];

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(10, 4, RO, MMK_MAP_SHARED, file, 0);
    child = fork_of(mm);
    store_byte(AT(1), 50);
    expect_byte(AT(11), 50);
    expect_in(child, AT(1), 50);
    page = peek_page(mm, AT(1));
    assert_int_equal(migrate(page), 0);
    assert_null(peek_page(mm, AT(1)));
    assert_int_equal(mmk_page_refs(page), 0);
    mmk_check_object(file);
    assert_int_equal(mmk_mincore(mm, AT(0), 4 * PAGE, vec), 0);
    assert_int_equal(vec[1], 1);
    expect_byte(AT(11), 50);
    to = peek_page(mm, AT(11));
    assert_ptr_not_equal(to, page);
    expect_in(child, AT(1), 50);
    assert_ptr_equal(peek_page(child, AT(1)), to);
    assert_int_equal(mmk_object_sync(file, 0, 4 * PAGE), 0);
    assert_int_equal(written[1], 50); /* that it was dirty went with it */
    put_mm(child);
    mmk_check(mm);
    mmk_object_put(file);
}

/* Where one entry alone maps it, that stays, and no fault is needed: of locked memory, too. */
static void test_object_alone(void **state)
{
    struct mmk_object *file = new_disk_file(4);
    uint64_t faults;

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_SHARED, file, 0);
    assert_int_equal(mmk_mlock(mm, AT(0), 4 * PAGE), 0);
    store_byte(AT(1), 50);
    faults = needed_faults();
    expect_moves(mm, AT(1), 1);
    expect_moves(mm, AT(2), 1);
    expect_byte(AT(1), 50);
    store_byte(AT(1), 51);
    assert_int_equal(needed_faults(), faults);
    assert_int_equal(mmk_object_sync(file, 0, 4 * PAGE), 0);
    assert_int_equal(written[1], 51);
    assert_int_equal(mm_stats(mm).rss_file, 4);
    mmk_check_object(file);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    expect_load(AT(1), MMK_FAULT_BUS);
    mmk_object_put(file);
}

/* Locked memory that two map stays in memory. */
static void test_object_locked(void **state)
{
    struct mmk_object *file = new_disk_file(2);
    struct mmk_page *page;

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, file, 0);
    map_object_at(10, 2, RW, MMK_MAP_SHARED, file, 0);
    assert_int_equal(mmk_mlock(mm, AT(0), 2 * PAGE), 0);
    store_byte(AT(0), 7);
    expect_byte(AT(10), 7);
    page = peek_page(mm, AT(0));
    assert_int_equal(migrate(page), 0);
    expect_byte(AT(0), 7);
    assert_ptr_not_equal(peek_page(mm, AT(0)), page);
    expect_byte(AT(10), 7);
    mmk_object_put(file);
}

static void test_object_held(void **state)
{
    struct mmk_object *memory = new_shmem(2);
    struct mmk_page *page, *pinned;

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, memory, 0);
    fill(AT(0), 2, 1);
    page = peek_page(mm, AT(0));
    assert_int_equal(mmk_pin_pages(mm, AT(0), 1, MMK_PIN_WRITE, &pinned), 1);
    assert_int_equal(migrate(page), MMK_EBUSY);
    mmk_unpin_pages(&pinned, 1, false);
    mmk_page_get(page);
    assert_int_equal(migrate(page), MMK_EBUSY);
    expect_filled(AT(0), 2, 1);
    assert_ptr_equal(peek_page(mm, AT(0)), page);
    mmk_page_put(page);
    mmk_page_set(page, MMK_PF_WRITEBACK);
    assert_int_equal(migrate(page), MMK_EBUSY);
    mmk_page_clear(page, MMK_PF_WRITEBACK);
    assert_int_equal(migrate(page), 0);
    expect_filled(AT(0), 2, 1);
    page = peek_page(mm, AT(0));
    mmk_page_get(page);
    assert_int_equal(mmk_object_resize(memory, 0), 0);
    assert_int_equal(migrate(page), MMK_EBUSY); /* no object's any more */
    mmk_page_put(page);
    mmk_object_put(memory);
}

/* Far on in an object, whose index has more than a leaf. */
static void test_object_far(void **state)
{
    struct mmk_object *memory = new_shmem(10000);
    uint64_t i;

    (void)state;
    for (i = 0; i < 4; i++)
        map_object_at(4 * i, 1, RW, MMK_MAP_SHARED, memory, 3000 * i);
    for (i = 0; i < 4; i++)
        store_byte(AT(4 * i), (uint8_t)(i + 1));
    for (i = 0; i < 4; i++) {
        struct mmk_page *page = peek_page(mm, AT(4 * i));

        assert_int_equal(migrate(page), 0);
        mmk_check_object(memory);
    }
    for (i = 0; i < 4; i++)
        expect_byte(AT(4 * i), (uint8_t)(i + 1));
    mmk_object_put(memory);
}

/* A private mapping's copies move as private pages do, what it shows of the file as the file's. */
static void test_private_file(void **state)
{
    struct mmk_object *file = new_file(4);
    uint8_t byte;

    (void)state;
    map_object_at(0, 4, RW, MMK_MAP_PRIVATE, file, 0);
    store_byte(AT(0), 99);
    assert_int_equal(machine_load(AT(1), &byte, 1), MMK_FAULT_DONE);
    expect_moves(mm, AT(0), 1);
    assert_int_equal(migrate(peek_page(mm, AT(1))), 0);
    expect_byte(AT(0), 99);
    expect_byte(AT(1), byte);
    assert_int_equal(mmk_object_resize(file, 0), 0);
    expect_load(AT(0), MMK_FAULT_BUS);
    mmk_check(mm);
    mmk_object_put(file);
}

/* ---- secondary MMUs -------------------------------------------------------------------------- */

static struct mmk_notifier_range told;
static unsigned times;

static int note_range(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    told = *range;
    times++;
    return 0;
}

static void test_notified(void **state)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = note_range};
    struct mmk_notifier notifier = {.ops = &ops};

    (void)state;
    map_at(0, 2, RW, ANON);
    fill(AT(0), 2, 1);
    assert_int_equal(mmk_notifier_register(mm, &notifier), 0);
    times = 0;
    expect_moves(mm, AT(1), 1);
    assert_int_equal(times, 1);
    assert_int_equal(told.reason, MMK_NOTIFY_MIGRATE);
    assert_int_equal(told.start, AT(1));
    assert_int_equal(told.end, AT(2));
    mmk_notifier_unregister(mm, &notifier);
}

/* ---- races ----------------------------------------------------------------------------------- */

enum { RACE_PAGES = 4, RACE_ROUNDS = 2000 };

static struct mmk_a32 ended;

static void store_all(void)
{
    uint64_t i, at, found;

    machine_switch_mm(mm);
    for (i = 1; i < 10 * RACE_ROUNDS; i++) {
        at = AT(i % RACE_PAGES + (i / RACE_PAGES % 2 ? 20 : 0));
        check(machine_store(at, &i, sizeof(i)) == MMK_FAULT_DONE);
        check(machine_load(at, &found, sizeof(found)) == MMK_FAULT_DONE && found == i);
        if (i % 64 == 0)
            check(mmk_madvise(mm, AT(20), RACE_PAGES * PAGE, MMK_MADV_DONTNEED) == 0);
    }
    machine_switch_mm(NULL);
    mmk_a32_fetch_add(&ended, 1, MMK_RELEASE);
}

static void migrate_at(mmk_vaddr_t at)
{
    struct mmk_page *page = page_at(mm, at), *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    int error;

    check(to != NULL);
    if (page) {
        mmk_page_lock(page);
        error = mmk_page_migrate(page, to);
        mmk_page_unlock(page);
        check(error == 0 || error == MMK_EBUSY);
        mmk_page_put(page);
    }
    mmk_page_put(to);
}

static void fork_and_look(void)
{
    uint64_t before[RACE_PAGES], after;
    struct mmk_mm *child;
    unsigned i;

    check(mmk_fork(mm, &child) == 0);
    for (i = 0; i < RACE_PAGES; i++)
        check(mmk_mm_read(child, AT(i), &before[i], 8, 0) == 8);
    check(mmk_fault(child, AT(0), MMK_ACCESS_WRITE) == MMK_FAULT_DONE);
    for (i = 0; i < RACE_PAGES; i++)
        check(mmk_mm_read(child, AT(i), &after, 8, 0) == 8 && after == before[i]);
    mmk_mm_put(child);
}

/* CPU 0 stores and looks, CPU 1 forks: a child's pages stay what they are; CPU 2 migrates. */
static void race(unsigned cpu, void *argument)
{
    unsigned i;

    (void)argument;
    if (cpu == 0) {
        store_all();
        return;
    }
    for (i = 0; !mmk_a32_load(&ended, MMK_ACQUIRE); i++)
        if (cpu == 1)
            fork_and_look();
        else
            migrate_at(AT(i % RACE_PAGES + (i / RACE_PAGES % 2 ? 20 : 0)));
}

static void test_race(void **state)
{
    struct mmk_object *memory = new_shmem(RACE_PAGES);

    (void)state;
    map_at(0, RACE_PAGES, RW, ANON);
    fill(AT(0), RACE_PAGES, 1);
    map_object_at(20, RACE_PAGES, RW, MMK_MAP_SHARED, memory, 0);
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    race_cpus(race, NULL);
    mmk_check(mm);
    mmk_check_frames();
    mmk_check_object(memory);
    mmk_object_put(memory);
    assert_int_equal(mmk_kin_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_private),     TEST(test_protections),  TEST(test_marks),
        TEST(test_moved),       TEST(test_forked),       TEST(test_owner_ended),
        TEST(test_held),        TEST(test_locked),       TEST(test_no_user),
        TEST(test_object),      TEST(test_object_alone), TEST(test_object_locked),
        TEST(test_object_held), TEST(test_object_far),   TEST(test_private_file),
        TEST(test_notified),    TEST_LIMITED(test_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
