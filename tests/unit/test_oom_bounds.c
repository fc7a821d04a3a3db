/* SPDX-License-Identifier: MIT */
/*
 * test_oom_bounds.c - calls that merge mappings, cut them, or are refused after a cut, with each of
 * their allocations failing: oom.h. test_bounds.c says what comes out with memory.
 *
 * Nothing is written to here but where a case says so: mappings that are alike may become one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oom.h"

#define AT(page) (BASE + (page)*PAGE)
#define FIXED    (MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED)
#define MAX_MAPS 450u /* more than crowd() makes */

static int map_plain(uint64_t page, uint64_t pages, unsigned prot)
{
    int64_t result = mmk_mmap(mm, AT(page), pages * PAGE, prot, ANON | MMK_MAP_FIXED, NULL, 0);

    return result < 0 ? (int)result : 0;
}

static int remap(uint64_t page, uint64_t pages, uint64_t new_pages, unsigned flags, uint64_t to)
{
    int64_t result = mmk_mremap(mm, AT(page), pages * PAGE, new_pages * PAGE, flags, AT(to));

    return result < 0 ? (int)result : 0;
}

/* What the call answers with memory. */
static int refused(int result, int expected)
{
    return result == expected ? 0 : result;
}

/* ---- the calls ------------------------------------------------------------------------------- */

static int call_map_between(void)
{
    return map_plain(2, 2, RW);
}

static int call_map_object_between(void)
{
    int64_t result =
        mmk_mmap(mm, AT(2), 2 * PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_FIXED, object, 2 * PAGE);

    return result < 0 ? (int)result : 0;
}

static int call_map_over(void)
{
    return refused(map_plain(3, 8, RO), MMK_ENOMEM);
}

static int call_map_over_sealed(void)
{
    return refused(map_plain(2, 8, RO), MMK_EPERM);
}

static int call_unmap_sealed(void)
{
    return refused(mmk_munmap(mm, AT(2), 8 * PAGE), MMK_EPERM);
}

static int call_protect_between(void)
{
    return mmk_mprotect(mm, AT(2), 2 * PAGE, RW);
}

static int call_protect_all(void)
{
    return mmk_mprotect(mm, AT(0), 6 * PAGE, RW);
}

static int call_protect_upper_half(void)
{
    return mmk_mprotect(mm, AT(1), PAGE, RO);
}

static int call_protect_lower_half(void)
{
    return mmk_mprotect(mm, AT(2), PAGE, RW);
}

/* Nothing is mapped more, whatever memory there is. */
static int counted(int (*call)(void))
{
    uint64_t vmas = mm_stats(mm).vmas;
    int error = call();

    assert_int_equal(mm_stats(mm).vmas, vmas);
    return error;
}

static int call_protect_upwards(void)
{
    return counted(call_protect_lower_half);
}

static int call_protect_downwards(void)
{
    return counted(call_protect_upper_half);
}

static int call_lock_downwards(void)
{
    return mmk_mlock2(mm, AT(1), PAGE, MMK_MLOCK_ONFAULT);
}

static int call_unlock_upwards(void)
{
    return mmk_munlock(mm, AT(2), PAGE);
}

static int call_protect_last(void)
{
    return mmk_mprotect(mm, AT(0), 5 * PAGE, RO);
}

static int call_protect_across(void)
{
    return mmk_mprotect(mm, AT(1), 4 * PAGE, RX);
}

static int call_protect_middle(void)
{
    return mmk_mprotect(mm, AT(2), 2 * PAGE, RO);
}

static int call_lock_between(void)
{
    return mmk_mlock2(mm, AT(2), 2 * PAGE, MMK_MLOCK_ONFAULT);
}

static int call_lock_all(void)
{
    return mmk_mlockall(mm, MMK_MCL_CURRENT | MMK_MCL_ONFAULT);
}

static int call_unlock_between(void)
{
    return mmk_munlock(mm, AT(2), 2 * PAGE);
}

static int call_unlock_all(void)
{
    return mmk_munlockall(mm);
}

static int call_seal_between(void)
{
    return mmk_mseal(mm, AT(2), 2 * PAGE, 0);
}

static int call_advise_between(void)
{
    int error = mmk_madvise(mm, AT(2), 2 * PAGE, MMK_MADV_DOFORK);

    return error == MMK_EAGAIN ? MMK_ENOMEM : error;
}

static int call_grow(void)
{
    return remap(0, 2, 4, 0, 0);
}

static int call_move_between(void)
{
    return remap(10, 2, 2, FIXED, 2);
}

static int call_write_between(void)
{
    enum mmk_fault_result result = mmk_fault(mm, AT(2), MMK_ACCESS_WRITE);

    assert_true(result == MMK_FAULT_DONE || result == MMK_FAULT_OOM);
    return result == MMK_FAULT_OOM ? MMK_ENOMEM : 0;
}

/* There is one mapping less to be had than these make. */

static int call_protect_too_many(void)
{
    return refused(call_protect_middle(), MMK_ENOMEM);
}

static int call_lock_too_many(void)
{
    return refused(call_lock_between(), MMK_ENOMEM);
}

static int call_seal_too_many(void)
{
    return refused(call_seal_between(), MMK_ENOMEM);
}

static int call_advise_too_many(void)
{
    return refused(mmk_madvise(mm, AT(2), 2 * PAGE, MMK_MADV_DONTFORK), MMK_EAGAIN);
}

/* ---- what they find -------------------------------------------------------------------------- */

static void map_three(unsigned prot)
{
    assert_int_equal(map_plain(0, 2, RW), 0);
    assert_int_equal(map_plain(2, 2, prot), 0);
    assert_int_equal(map_plain(4, 2, RW), 0);
}

static void with_one(void)
{
    assert_int_equal(map_plain(0, 6, RW), 0);
}

static void with_lower(void)
{
    assert_int_equal(map_plain(0, 2, RW), 0);
}

static void with_upper(void)
{
    assert_int_equal(map_plain(4, 2, RW), 0);
}

static void with_gap(void)
{
    with_lower();
    with_upper();
}

static void with_gap_and_more(void)
{
    with_gap();
    assert_int_equal(map_plain(10, 2, RW), 0);
}

static void with_gap_in_file(void)
{
    object = new_file(6);
    map_object_at(0, 2, RW, MMK_MAP_PRIVATE, object, 0);
    map_object_at(4, 2, RW, MMK_MAP_PRIVATE, object, 4);
}

static void with_three(void)
{
    map_three(RO);
}

static void with_three_of_file(void)
{
    with_gap_in_file();
    map_object_at(2, 2, RO, MMK_MAP_PRIVATE, object, 2);
}

/* Written one after the other: the pages may belong together. */
static void with_three_written(void)
{
    map_three(RW | MMK_PROT_EXEC);
    store_byte(AT(2), 1);
    store_byte(AT(4), 2);
    store_byte(AT(0), 3);
}

static void with_neighbours_written(void)
{
    map_three(RW | MMK_PROT_EXEC);
    store_byte(AT(0), 1);
    store_byte(AT(4), 1);
}

static void with_middle_unlocked(void)
{
    with_one();
    assert_int_equal(mmk_mlock2(mm, AT(0), 2 * PAGE, MMK_MLOCK_ONFAULT), 0);
    assert_int_equal(mmk_mlock2(mm, AT(4), 2 * PAGE, MMK_MLOCK_ONFAULT), 0);
}

static void with_middle_locked(void)
{
    with_one();
    assert_int_equal(call_lock_between(), 0);
}

static void with_ends_sealed(void)
{
    with_one();
    assert_int_equal(mmk_mseal(mm, AT(0), 2 * PAGE, 0), 0);
    assert_int_equal(mmk_mseal(mm, AT(4), 2 * PAGE, 0), 0);
}

static void with_middle_advised(void)
{
    with_one();
    assert_int_equal(mmk_madvise(mm, AT(2), 2 * PAGE, MMK_MADV_DONTFORK), 0);
}

static void with_upper_sealed(void)
{
    with_one();
    fill(AT(0), 6, 1);
    assert_int_equal(mmk_mseal(mm, AT(4), 2 * PAGE, 0), 0);
}

/* No byte more may be mapped. */
static void with_limit(void)
{
    assert_int_equal(map_plain(0, 6, RW), 0);
    assert_int_equal(map_plain(8, 6, RW), 0);
    fill(AT(0), 6, 1);
    fill(AT(8), 6, 7);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMIT_AS, mm_stats(mm).virt_bytes), 0);
}

/* So many may come, no more. */
static void leave(unsigned maps)
{
    uint64_t page;

    for (page = 1000; mm_stats(mm).vmas + maps < MAX_MAPS; page += 2)
        assert_int_equal(map_plain(page, 1, RO), 0);
}

static void with_most(void)
{
    with_one();
    fill(AT(0), 6, 1);
    leave(1);
}

static void with_three_at_most(void)
{
    with_three();
    leave(0);
}

/* Only those that change have pages. */
static void with_three_half_written(void)
{
    map_three(RW | MMK_PROT_EXEC);
    store_byte(AT(3), 1);
    leave(0);
}

static void with_three_of_file_at_most(void)
{
    object = new_file(6);
    map_object_at(0, 6, RW, MMK_MAP_PRIVATE, object, 0);
    assert_int_equal(mmk_mprotect(mm, AT(2), 2 * PAGE, RO), 0);
    fill(AT(0), 2, 1);
    leave(0);
}

/* A file's private pages that have moved are in a tree of their own. */
static void with_moved(void)
{
    object = new_file(6);
    map_object_at(10, 6, RW, MMK_MAP_PRIVATE, object, 0);
    fill(AT(10), 6, 1);
    assert_int_equal(remap(10, 6, 6, FIXED, 0), 0);
    assert_int_equal(mmk_mprotect(mm, AT(2), 2 * PAGE, RO), 0);
    leave(0);
}

static const struct oom_case cases[] = {
    {"map between two", with_gap, call_map_between, AROUND},
    {"map between two of a file", with_gap_in_file, call_map_object_between, AROUND},
    {"map above one", with_lower, call_map_between, 0},
    {"map below one", with_upper, call_map_between, 0},
    {"map over the middle", with_one, call_map_between, 0},
    {"map over another between two", with_three, call_map_between, 0},
    {"grow into another", with_gap, call_grow, AROUND},
    {"move between two", with_gap_and_more, call_move_between, 0},
    {"protect between two", with_three, call_protect_between, AROUND},
    {"protect between two of a file", with_three_of_file, call_protect_between, AROUND},
    {"protect between two written", with_three_written, call_protect_between, AROUND},
    {"protect all", with_three, call_protect_all, AROUND},
    {"protect beside another above", with_three, call_protect_downwards, NONE},
    {"protect beside another below", with_three, call_protect_upwards, NONE},
    {"protect beside another above, at most", with_three_at_most, call_protect_downwards, NONE},
    {"protect beside another below, at most", with_three_at_most, call_protect_upwards, NONE},
    {"protect what is written, beside", with_three_half_written, call_protect_upwards, NONE},
    {"protect of a file above", with_three_of_file_at_most, call_protect_downwards, NONE},
    {"protect of a file below", with_three_of_file_at_most, call_protect_upwards, NONE},
    {"protect what has moved above", with_moved, call_protect_downwards, NONE},
    {"protect what has moved below", with_moved, call_protect_upwards, NONE},
    {"protect part of the last", with_three, call_protect_last, AROUND},
    {"lock beside another above", with_middle_locked, call_lock_downwards, NONE},
    {"unlock beside another below", with_middle_locked, call_unlock_upwards, NONE},
    {"protect across three", with_three, call_protect_across, AROUND},
    {"protect the middle", with_one, call_protect_middle, 0},
    {"lock between two", with_middle_unlocked, call_lock_between, AROUND},
    {"lock all", with_middle_unlocked, call_lock_all, AROUND},
    {"unlock between two", with_middle_locked, call_unlock_between, AROUND},
    {"unlock all", with_middle_locked, call_unlock_all, AROUND},
    {"seal between two", with_ends_sealed, call_seal_between, AROUND},
    {"advise between two", with_middle_advised, call_advise_between, AROUND},
    {"write between two written", with_neighbours_written, call_write_between, AROUND},
    {"map over two, beyond a limit", with_limit, call_map_over, CUTS(2)},
    {"map over what is sealed", with_upper_sealed, call_map_over_sealed, CUTS(1)},
    {"unmap what is sealed", with_upper_sealed, call_unmap_sealed, CUTS(1)},
    {"protect, too many", with_most, call_protect_too_many, CUTS(1)},
    {"lock, too many", with_most, call_lock_too_many, CUTS(1)},
    {"seal, too many", with_most, call_seal_too_many, CUTS(1)},
    {"advise, too many", with_most, call_advise_too_many, CUTS(1)},
};

int main(void)
{
    struct mmk_config config = fixture_config();

    config.max_map_count = MAX_MAPS;
    return sweep_cases("oom_bounds", &config, cases, sizeof(cases) / sizeof(cases[0]));
}
