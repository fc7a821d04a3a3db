/* SPDX-License-Identifier: MIT */
/*
 * test_bounds.c - where one mapping ends and the next begins: what is merged when, and what is not.
 *
 * Each situation is made on Linux, too: tests/oracle/bounds_*.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define AT(page) (BASE + (page)*PAGE)
#define RWX      (RW | MMK_PROT_EXEC)
#define FIXED    (MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED)

/* Mapped are just these: first page and number of pages. */
#define EXPECT_VMAS(...) expect_vmas(0, UINT64_MAX, (const uint64_t[][2]){__VA_ARGS__, {0, 0}})

static void map_plain(uint64_t page, uint64_t pages, unsigned prot)
{
    map_at(page, pages, prot, ANON);
}

static void write_page(uint64_t page)
{
    store_byte(AT(page), 1);
}

static void protect_pages(uint64_t page, uint64_t pages, unsigned prot)
{
    assert_int_equal(mmk_mprotect(mm, AT(page), pages * PAGE, prot), 0);
}

static void move_pages(uint64_t page, uint64_t pages, uint64_t to, unsigned flags)
{
    assert_int_equal(mmk_mremap(mm, AT(page), pages * PAGE, pages * PAGE, flags, AT(to)), AT(to));
}

/* ---- private pages ---------------------------------------------------------------------------
 */

/* Each has pages of its own: what comes between is the lower one's. */
static void test_gap_between_written(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RW);
    write_page(0);
    write_page(4);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 4}, {4, 2});
}

static void test_gap_beside_written(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RW);
    write_page(4);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 6});
}

/* The zero page is nobody's. */
static void test_gap_between_read(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RW);
    expect_byte(AT(0), 0);
    expect_byte(AT(4), 0);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 6});
}

static void test_split_and_one_again(void **state)
{
    (void)state;
    map_plain(0, 6, RW);
    write_page(0);
    protect_pages(2, 2, RO);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    protect_pages(2, 2, RW);
    EXPECT_VMAS({0, 6});
}

/* Written one after the other, with different rights: the pages may belong together. */
static void test_written_beside(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(2, 2, RWX);
    map_plain(4, 2, RW);
    write_page(2);
    write_page(4);
    write_page(0);
    protect_pages(2, 2, RW);
    EXPECT_VMAS({0, 6});
}

/* Written before they touched: not so. */
static void test_written_apart(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RWX);
    write_page(0);
    write_page(4);
    map_plain(2, 2, RO);
    protect_pages(2, 2, RWX);
    EXPECT_VMAS({0, 2}, {2, 4});
    protect_pages(0, 2, RWX);
    EXPECT_VMAS({0, 2}, {2, 4});
}

/* Part of a mapping goes to the one that it touches: the border between them moves. */
static void test_border(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(2, 4, RO);
    map_plain(6, 2, RW);
    protect_pages(2, 1, RW);
    EXPECT_VMAS({0, 3}, {3, 3}, {6, 2});
    protect_pages(5, 1, RW);
    EXPECT_VMAS({0, 3}, {3, 2}, {5, 3});
    protect_pages(2, 1, RO);
    protect_pages(5, 1, RO);
    EXPECT_VMAS({0, 2}, {2, 4}, {6, 2});
}

/* What has none takes over whose private pages it shares. */
static void test_border_written(void **state)
{
    unsigned up;

    (void)state;
    for (up = 0; up < 2; up++) {
        map_plain(0, 4, up ? RW : RWX);
        map_plain(4, 4, up ? RWX : RW);
        write_page(up ? 5 : 2);
        protect_pages(up ? 4 : 3, 1, RW);
        if (up)
            EXPECT_VMAS({0, 5}, {5, 3});
        else
            EXPECT_VMAS({0, 3}, {3, 5});
        write_page(up ? 0 : 7);
        protect_pages(up ? 5 : 0, 3, RW);
        EXPECT_VMAS({0, 8});
        assert_int_equal(mmk_munmap(mm, AT(0), 8 * PAGE), 0);
    }
}

/* Each was written before they touched: none moves, there is a mapping more. */
static void test_border_of_others(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(3, 5, RWX);
    write_page(0);
    write_page(3);
    map_plain(2, 1, RWX);
    protect_pages(2, 1, RW);
    EXPECT_VMAS({0, 2}, {2, 1}, {3, 5});
    assert_int_equal(mmk_munmap(mm, AT(0), 8 * PAGE), 0);
    map_plain(6, 2, RW);
    map_plain(0, 5, RWX);
    write_page(6);
    write_page(4);
    map_plain(5, 1, RWX);
    protect_pages(5, 1, RW);
    EXPECT_VMAS({0, 5}, {5, 1}, {6, 2});
}

/* The object finds what is mapped on either side of the border. */
static void test_border_of_file(void **state)
{
    struct mmk_object *file = new_file(8);
    unsigned kind;

    (void)state;
    for (kind = 0; kind < 2; kind++) {
        map_object_at(0, 8, RW, kind ? MMK_MAP_SHARED : MMK_MAP_PRIVATE, file, 0);
        fill(AT(0), 8, 1);
        protect_pages(4, 4, RO);
        EXPECT_VMAS({0, 4}, {4, 4});
        protect_pages(3, 1, RO);
        EXPECT_VMAS({0, 3}, {3, 5});
        protect_pages(3, 3, RW);
        EXPECT_VMAS({0, 6}, {6, 2});
        assert_int_equal(mmk_object_resize(file, 4 * PAGE), 0);
        expect_filled(AT(0), 4, 1);
        expect_load(AT(4), MMK_FAULT_BUS);
        expect_load(AT(5), MMK_FAULT_BUS);
        expect_load(AT(6), MMK_FAULT_BUS);
        assert_int_equal(mmk_munmap(mm, AT(0), 8 * PAGE), 0);
        assert_int_equal(mmk_object_resize(file, 8 * PAGE), 0);
    }
    mmk_object_put(file);
}

/* Of several mappings that change, the last loses its lower part to those below it. */
static void test_border_of_last(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(2, 2, RO);
    map_plain(4, 4, RWX);
    protect_pages(1, 5, RO);
    EXPECT_VMAS({0, 1}, {1, 5}, {6, 2});
}

/* Guards that go along are not forgotten by fork. */
static void test_border_guarded(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 2, RW);
    map_plain(2, 4, RO);
    assert_int_equal(mmk_madvise(mm, AT(2), PAGE, MMK_MADV_GUARD_INSTALL), 0);
    protect_pages(2, 1, RW);
    EXPECT_VMAS({0, 3}, {3, 3});
    parent = enter_child();
    expect_load(AT(2), MMK_FAULT_SEGV_MAPERR);
    leave_child(parent);
}

/* A mapping that changes merges with what it touches; two that do not change stay two. */
static void test_unchanged_stay_apart(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 6, RW);
    assert_int_equal(mmk_mlock2(mm, AT(2), 2 * PAGE, MMK_MLOCK_ONFAULT), 0);
    parent = enter_child(); /* where nothing is locked */
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    protect_pages(0, 6, RW);
    assert_int_equal(mmk_munlockall(mm), 0);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    protect_pages(0, 4, RO);
    EXPECT_VMAS({0, 4}, {4, 2});
    leave_child(parent);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static void test_file(void **state)
{
    struct mmk_object *file = new_file(8);
    unsigned i;

    (void)state;
    for (i = 0; i < 3; i++)
        map_object_at(2 * i, 2, i == 1 ? RO : RW, MMK_MAP_PRIVATE, file, 2 * i);
    expect_byte(AT(0), 1);
    expect_byte(AT(4), 5);
    protect_pages(2, 2, RW);
    EXPECT_VMAS({0, 6});
    protect_pages(2, 2, MMK_PROT_NONE);
    write_page(0);
    write_page(4);
    protect_pages(2, 2, RW);
    EXPECT_VMAS({0, 4}, {4, 2});
    mmk_object_put(file);
}

/* A copy that cannot be made counts as well. */
static void test_beyond_end(void **state)
{
    struct mmk_object *file = new_file(1);

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_PRIVATE, file, 0);
    map_object_at(4, 2, RW, MMK_MAP_PRIVATE, file, 4);
    write_page(0);
    expect_store(AT(5), MMK_FAULT_BUS);
    map_object_at(2, 2, RW, MMK_MAP_PRIVATE, file, 2);
    EXPECT_VMAS({0, 4}, {4, 2});
    mmk_object_put(file);
}

/* How the file was opened: two files on Linux. */
static void test_opened_otherwise(void **state)
{
    struct mmk_object *file = new_file(8);
    unsigned i;

    (void)state;
    for (i = 0; i < 3; i++)
        assert_int_equal(mmk_mmap_file(mm, AT(2 * i), 2 * PAGE, RO, MMK_MAP_PRIVATE | MMK_MAP_FIXED,
                                       file, 2 * i * PAGE,
                                       i == 0 ? MMK_OPEN_ALL : MMK_OPEN_READ | MMK_OPEN_EXEC),
                         AT(2 * i));
    EXPECT_VMAS({0, 2}, {2, 4});
    mmk_object_put(file);
}

/* ---- moving -----------------------------------------------------------------------------------
 */

static void test_move_away_and_back(void **state)
{
    (void)state;
    map_plain(0, 4, RW);
    write_page(0);
    move_pages(2, 2, 10, FIXED);
    map_plain(8, 2, RW);
    EXPECT_VMAS({0, 2}, {8, 2}, {10, 2});
    move_pages(10, 2, 2, FIXED);
    EXPECT_VMAS({0, 4}, {8, 2});
}

/* Never written: as if newly mapped. */
static void test_move_unwritten(void **state)
{
    (void)state;
    map_plain(0, 4, RW);
    expect_byte(AT(2), 0);
    map_plain(8, 2, RW);
    write_page(8);
    move_pages(2, 2, 10, FIXED);
    EXPECT_VMAS({0, 2}, {8, 4});
}

/* What has been moved away as a whole has no page left, what has in part may have. */
static void test_move_and_keep(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RW);
    write_page(0);
    write_page(4);
    move_pages(4, 2, 10, FIXED | MMK_MREMAP_DONTUNMAP);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 6}, {10, 2});
    move_pages(0, 2, 12, FIXED | MMK_MREMAP_DONTUNMAP);
    map_plain(20, 2, RW);
    write_page(20);
    map_plain(6, 14, RW);
    EXPECT_VMAS({0, 20}, {20, 2});
}

/* It becomes a whole by what its target takes away. */
static void test_move_over_rest(void **state)
{
    (void)state;
    map_plain(10, 4, RW);
    write_page(10);
    move_pages(10, 2, 12, FIXED | MMK_MREMAP_DONTUNMAP);
    map_plain(6, 2, RW);
    write_page(6);
    map_plain(8, 2, RW);
    EXPECT_VMAS({6, 6}, {12, 2});
}

/* ---- fork -------------------------------------------------------------------------------------
 */

/* What a child has got from its parent stays as it was; the parent notices nothing. */
static void test_fork(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 4, RW);
    write_page(0);
    protect_pages(2, 2, RO);
    parent = enter_child();
    protect_pages(2, 2, RW);
    EXPECT_VMAS({0, 2}, {2, 2});
    map_plain(4, 2, RW);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    write_page(4);
    protect_pages(3, 1, RO);
    protect_pages(3, 1, RW);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    leave_child(parent);
    protect_pages(2, 2, RW);
    map_plain(4, 2, RW);
    EXPECT_VMAS({0, 6});
}

static void test_fork_unwritten(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 4, RW);
    protect_pages(2, 2, RO);
    parent = enter_child();
    write_page(0);
    protect_pages(2, 2, RW);
    map_plain(4, 2, RW);
    EXPECT_VMAS({0, 6});
    leave_child(parent);
}

/* What grows at its place takes in what it meets, if that was never written. */
static void test_fork_and_grow(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RW);
    map_plain(10, 2, RW);
    write_page(0);
    write_page(10);
    parent = enter_child();
    assert_int_equal(mmk_mremap(mm, AT(0), 2 * PAGE, 4 * PAGE, 0, 0), AT(0));
    EXPECT_VMAS({0, 6}, {10, 2});
    assert_int_equal(mmk_mremap(mm, AT(0), 6 * PAGE, 10 * PAGE, 0, 0), AT(0));
    EXPECT_VMAS({0, 10}, {10, 2});
    leave_child(parent);
}

static void test_fork_and_move(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 2, RW);
    write_page(0);
    map_plain(8, 2, RW);
    parent = enter_child();
    move_pages(0, 2, 10, FIXED);
    move_pages(10, 2, 0, FIXED);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 2}, {2, 2}, {8, 2});
    leave_child(parent);
}

static void test_wiped(void **state)
{
    struct mmk_mm *parent;

    (void)state;
    map_plain(0, 2, RW);
    write_page(0);
    assert_int_equal(advise(AT(0), 2, MMK_MADV_WIPEONFORK), 0);
    parent = enter_child();
    assert_int_equal(advise(AT(0), 2, MMK_MADV_KEEPONFORK), 0);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 4});
    leave_child(parent);
}

/* ---- advice, and what else keeps apart --------------------------------------------------------
 */

static void test_advice(void **state)
{
    static const int apart[][2] = {{MMK_MADV_RANDOM, MMK_MADV_NORMAL},
                                   {MMK_MADV_SEQUENTIAL, MMK_MADV_NORMAL},
                                   {MMK_MADV_DONTDUMP, MMK_MADV_DODUMP},
                                   {MMK_MADV_DONTFORK, MMK_MADV_DOFORK}};
    unsigned i;

    (void)state;
    map_plain(0, 6, RW);
    for (i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
        assert_int_equal(advise(AT(2), 2, apart[i][0]), 0);
        EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
        assert_int_equal(advise(AT(0), 6, apart[i][1]), 0);
        EXPECT_VMAS({0, 6});
    }
    assert_int_equal(advise(AT(0), 6, MMK_MADV_RANDOM), 0);
    assert_int_equal(advise(AT(0), 6, MMK_MADV_SEQUENTIAL), 0);
    assert_int_equal(advise(AT(2), 2, MMK_MADV_RANDOM), 0);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
}

/* Guards make anonymous memory ready for private pages; a file's not. */
static void test_guards(void **state)
{
    struct mmk_object *file = new_file(8);

    (void)state;
    map_plain(0, 2, RW);
    map_plain(4, 2, RW);
    assert_int_equal(advise(AT(0), 1, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(advise(AT(4), 1, MMK_MADV_GUARD_INSTALL), 0);
    map_plain(2, 2, RW);
    EXPECT_VMAS({0, 4}, {4, 2});
    map_object_at(0, 2, RW, MMK_MAP_PRIVATE, file, 0);
    map_object_at(4, 2, RW, MMK_MAP_PRIVATE, file, 4);
    assert_int_equal(advise(AT(0), 1, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(advise(AT(4), 1, MMK_MADV_GUARD_INSTALL), 0);
    map_object_at(2, 2, RW, MMK_MAP_PRIVATE, file, 2);
    EXPECT_VMAS({0, 6});
    mmk_object_put(file);
}

static void test_flags(void **state)
{
    (void)state;
    map_plain(0, 2, RW);
    map_at(2, 2, RW, ANON | MMK_MAP_STACK);
    map_at(4, 2, RW, ANON | MMK_MAP_SYNC);
    map_at(6, 2, RW, ANON | MMK_MAP_NORESERVE);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2}, {6, 2});
}

/* ---- what never becomes one -------------------------------------------------------------------
 */

static struct mmk_object *one_file, *other_file;

static void kind_plain(uint64_t page)
{
    map_plain(page, 2, RW);
}

static void kind_noreserve(uint64_t page)
{
    map_at(page, 2, RW, ANON | MMK_MAP_NORESERVE);
}

static void kind_stack_flag(uint64_t page)
{
    map_at(page, 2, RW, ANON | MMK_MAP_STACK);
}

static void kind_sync(uint64_t page)
{
    map_at(page, 2, RW, ANON | MMK_MAP_SYNC);
}

static void kind_grows(uint64_t page)
{
    map_at(page, 2, RW, STACK);
}

static void kind_random(uint64_t page)
{
    map_plain(page, 2, RW);
    assert_int_equal(advise(AT(page), 2, MMK_MADV_RANDOM), 0);
}

static void kind_dontfork(uint64_t page)
{
    map_plain(page, 2, RW);
    assert_int_equal(advise(AT(page), 2, MMK_MADV_DONTFORK), 0);
}

static void kind_wiped(uint64_t page)
{
    map_plain(page, 2, RW);
    assert_int_equal(advise(AT(page), 2, MMK_MADV_WIPEONFORK), 0);
}

/* With the indices of the place where it was written. */
static void kind_moved(uint64_t page)
{
    map_plain(20, 2, RW);
    write_page(20);
    move_pages(20, 2, page, FIXED);
}

static void kind_private(uint64_t page)
{
    map_object_at(page, 2, RW, MMK_MAP_PRIVATE, one_file, page);
}

static void kind_shared(uint64_t page)
{
    map_object_at(page, 2, RW, MMK_MAP_SHARED, one_file, page);
}

static void kind_further_on(uint64_t page)
{
    map_object_at(page, 2, RW, MMK_MAP_PRIVATE, one_file, page + 1);
}

static void kind_other_file(uint64_t page)
{
    map_object_at(page, 2, RW, MMK_MAP_PRIVATE, other_file, page);
}

static void kind_reader(uint64_t page)
{
    assert_int_equal(mmk_mmap_file(mm, AT(page), 2 * PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_FIXED,
                                   one_file, page * PAGE, MMK_OPEN_READ),
                     AT(page));
}

static void kind_shared_anon(uint64_t page)
{
    map_at(page, 2, RW, SHARED_ANON);
}

static void kind_frames(uint64_t page)
{
    assert_int_equal(
        mmk_map_frames(mm, AT(page), 2 * PAGE, RW, MMK_MAP_FIXED, MMK_PHYS_END - (8 - page) * PAGE),
        AT(page));
}

static const struct {
    void (*map)(uint64_t page);
    bool joins; /* two of them become one */
} kinds[] = {
    {kind_plain, true},      {kind_noreserve, true}, {kind_stack_flag, true},
    {kind_sync, true},       {kind_grows, true},     {kind_random, true},
    {kind_dontfork, true},   {kind_wiped, true},     {kind_moved, false},
    {kind_private, true},    {kind_shared, true},    {kind_further_on, true},
    {kind_other_file, true}, {kind_reader, true},    {kind_shared_anon, false},
    {kind_frames, false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void expect_border(bool there)
{
    if (there)
        EXPECT_VMAS({0, 2}, {2, 2});
    else
        EXPECT_VMAS({0, 4});
}

/* Whatever is done to both at once, or to one after the other, as soon as they are alike in it. */
static void expect_border_to_stay(bool there)
{
    expect_border(there);
    protect_pages(0, 4, RO);
    expect_border(there);
    protect_pages(0, 2, RW);
    EXPECT_VMAS({0, 2}, {2, 2});
    protect_pages(2, 2, RW);
    expect_border(there);
    assert_int_equal(mmk_mlock2(mm, AT(0), 4 * PAGE, MMK_MLOCK_ONFAULT), 0);
    expect_border(there);
    assert_int_equal(mmk_munlock(mm, AT(0), 4 * PAGE), 0);
    expect_border(there);
}

static void test_never_one(void **state)
{
    unsigned lower, upper;
    bool downwards;

    (void)state;
    one_file = new_file(8);
    other_file = new_file(8);
    for (lower = 0; lower < KINDS; lower++) {
        for (upper = 0; upper < 2 * KINDS; upper++) {
            downwards = upper >= KINDS;
            if (downwards)
                kinds[upper - KINDS].map(2);
            kinds[lower].map(0);
            if (!downwards)
                kinds[upper].map(2);
            expect_border_to_stay(lower != upper % KINDS || !kinds[lower].joins);
            assert_int_equal(mmk_munmap(mm, AT(0), 4 * PAGE), 0);
        }
    }
    mmk_object_put(one_file);
    mmk_object_put(other_file);
}

/* Whether pages come at once keeps apart what is locked; not what is no longer. */
static void test_locked_otherwise(void **state)
{
    (void)state;
    map_plain(0, 6, RW);
    write_page(0);
    assert_int_equal(mmk_mlock2(mm, AT(0), 6 * PAGE, MMK_MLOCK_ONFAULT), 0);
    assert_int_equal(mmk_mlock(mm, AT(2), 2 * PAGE), 0);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    protect_pages(0, 6, RO);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    assert_int_equal(mmk_munlock(mm, AT(0), 6 * PAGE), 0);
    EXPECT_VMAS({0, 6});
}

static void test_sealed(void **state)
{
    (void)state;
    map_plain(0, 6, RW);
    assert_int_equal(mmk_mseal(mm, AT(2), 2 * PAGE, 0), 0);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    assert_int_equal(mmk_mprotect(mm, AT(0), 6 * PAGE, RO), MMK_EPERM);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    protect_pages(0, 2, RW);
    assert_int_equal(mmk_mseal(mm, AT(0), 2 * PAGE, 0), 0);
    EXPECT_VMAS({0, 4}, {4, 2});
    assert_int_equal(mmk_mseal(mm, AT(1), 5 * PAGE, 0), 0);
    EXPECT_VMAS({0, 6});
}

/* Where the ends of a range lie in what stays as it is, nothing is cut there. */
static void test_ends_unchanged(void **state)
{
    (void)state;
    map_plain(0, 2, RO);
    map_plain(2, 2, RWX);
    map_plain(4, 2, RO);
    machine_fail_nth(0, true);
    assert_int_equal(mmk_mprotect(mm, AT(1), 4 * PAGE, RO), 0);
    (void)machine_fail_stop();
    assert_int_equal(mm_stats(mm).vmas, 3); /* without memory to merge */
    protect_pages(1, 4, RO);
    EXPECT_VMAS({0, 2}, {2, 2}, {4, 2});
    protect_pages(2, 2, RW);
    protect_pages(2, 2, RO);
    EXPECT_VMAS({0, 6});
}

/* ---- heap and stacks --------------------------------------------------------------------------
 */

/* The heap begins by itself, though what lies below is alike. */
static void test_heap(void **state)
{
    (void)state;
    map_plain(0, 4, RW);
    assert_int_equal(mmk_set_brk(mm, AT(4)), 0);
    assert_int_equal(mmk_brk(mm, AT(6)), AT(6));
    EXPECT_VMAS({0, 4}, {4, 2});
    assert_int_equal(mmk_brk(mm, AT(8)), AT(8));
    EXPECT_VMAS({0, 4}, {4, 4});
    map_plain(8, 2, RW);
    EXPECT_VMAS({0, 4}, {4, 6});
}

/* A stack that was to grow is ready for private pages, whether or not it could. */
static void test_stack(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_STACK, 3 * PAGE), 0);
    map_at(1000, 2, RW, STACK);
    map_at(1004, 2, RW, STACK);
    store_byte(AT(1004), 1);
    expect_store(AT(990), MMK_FAULT_SEGV_MAPERR);
    map_at(1002, 2, RW, STACK);
    EXPECT_VMAS({1000, 4}, {1004, 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gap_between_written),
        TEST(test_gap_beside_written),
        TEST(test_gap_between_read),
        TEST(test_split_and_one_again),
        TEST(test_written_beside),
        TEST(test_written_apart),
        TEST(test_border),
        TEST(test_border_written),
        TEST(test_border_of_others),
        TEST(test_border_of_file),
        TEST(test_border_of_last),
        TEST(test_border_guarded),
        TEST(test_unchanged_stay_apart),
        TEST(test_file),
        TEST(test_beyond_end),
        TEST(test_opened_otherwise),
        TEST(test_move_away_and_back),
        TEST(test_move_unwritten),
        TEST(test_move_and_keep),
        TEST(test_move_over_rest),
        TEST(test_fork),
        TEST(test_fork_unwritten),
        TEST(test_fork_and_grow),
        TEST(test_fork_and_move),
        TEST(test_wiped),
        TEST(test_advice),
        TEST(test_guards),
        TEST(test_flags),
        TEST(test_never_one),
        TEST(test_locked_otherwise),
        TEST(test_sealed),
        TEST(test_ends_unchanged),
        TEST(test_heap),
        TEST(test_stack),
    };

    return cmocka_run_group_tests_name("bounds", tests, NULL, NULL);
}
