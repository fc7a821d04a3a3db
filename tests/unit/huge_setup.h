/* SPDX-License-Identifier: MIT */
/* huge_setup.h - for tests of larger pages: policies, groups, and counts. Include it after
 * fixture.h.
 */
#ifndef HUGE_SETUP_H
#define HUGE_SETUP_H

#include <mmkit/group.h>

#define H ((uint64_t)MMK_HUGE_PAGES)

static inline int setup_policy(enum mmk_huge_policy policy)
{
    struct mmk_config config = fixture_config();

    config.huge = policy;
    return fixture_setup_with(&config);
}

static inline int setup_always(void **state)
{
    (void)state;
    return setup_policy(MMK_HUGE_ALWAYS);
}

static inline int setup_madvise(void **state)
{
    (void)state;
    return setup_policy(MMK_HUGE_MADVISE);
}

#define WITH(name, policy) cmocka_unit_test_setup_teardown(name, setup_##policy, fixture_teardown)
#define ALWAYS(name)       WITH(name, always)
#define ASKED(name)        WITH(name, madvise)

static inline mmk_vaddr_t at(uint64_t page)
{
    return BASE + page * PAGE;
}

/* mm is another from now on, that a group pays for. => the group, without a limit */
static inline struct mmk_group *enter_group(void)
{
    struct mmk_group *group;

    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    return group;
}

/* So many larger pages, and leaf tables. */
static inline void expect_huge(uint64_t huge, uint64_t leaf)
{
    struct mmk_mm_stats stats = mm_stats(mm);

    mmk_check(mm);
    assert_int_equal(stats.huge, huge);
    assert_int_equal(stats.tables[0], leaf);
}

/* n larger pages from BASE on, filled: page i has the byte i + 1. */
static inline void map_huge(uint64_t n)
{
    map_at(0, n * H, RW, ANON);
    fill(at(0), n * H, 1);
    expect_huge(n, 0);
}

static inline void expect_all(uint64_t n)
{
    expect_filled(at(0), n * H, 1);
    mmk_check(mm);
}

#endif
