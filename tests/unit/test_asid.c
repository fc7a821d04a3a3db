/* SPDX-License-Identifier: MIT */
/* test_asid.c - which of its few tags a CPU gives to which address space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/port/asid.h>

static struct mmk_asids asids;

static int setup(void **state)
{
    (void)state;
    mmk_asids_forget(&asids);
    return 0;
}

/* => the tag */
static unsigned load(uint64_t context, bool expect_stale)
{
    bool stale;
    unsigned asid = mmk_asid_load(&asids, context, &stale);

    assert_in_range(asid, 0, MMK_ASIDS - 1);
    assert_int_equal(stale, expect_stale);
    assert_int_equal(mmk_asid_find(&asids, context), asid);
    return asid;
}

/* Each its own, as long as there are enough; found again. */
static void test_enough(void **state)
{
    unsigned tag[MMK_ASIDS], i, k;

    (void)state;
    assert_int_equal(mmk_asid_find(&asids, 1), MMK_ASID_NONE);
    for (i = 0; i < MMK_ASIDS; i++) {
        tag[i] = load(i + 1, true);
        for (k = 0; k < i; k++)
            assert_int_not_equal(tag[k], tag[i]);
    }
    for (i = MMK_ASIDS; i-- > 0;)
        assert_int_equal(load(i + 1, false), tag[i]);
}

/* One too many: the one that was loaded least recently goes, and no other. */
static void test_replaced(void **state)
{
    unsigned i, tag;

    (void)state;
    for (i = 1; i <= MMK_ASIDS; i++)
        (void)load(i, true);
    (void)load(1, false); /* so 2 is the oldest */
    tag = mmk_asid_find(&asids, 2);
    assert_int_equal(load(100, true), tag);
    assert_int_equal(mmk_asid_find(&asids, 2), MMK_ASID_NONE);
    for (i = 3; i <= MMK_ASIDS; i++)
        (void)load(i, false);
    (void)load(1, false);
    (void)load(2, true);
    assert_int_equal(mmk_asid_find(&asids, 100), MMK_ASID_NONE);
}

/* One more than there are, round and round: each load is a miss, as it must be. */
static void test_thrash(void **state)
{
    unsigned round, i;

    (void)state;
    for (round = 0; round < 4; round++)
        for (i = 1; i <= MMK_ASIDS + 1; i++)
            (void)load(i, true);
}

static void test_forget(void **state)
{
    (void)state;
    (void)load(7, true);
    (void)load(7, false);
    mmk_asids_forget(&asids);
    (void)load(7, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enough, setup),
        cmocka_unit_test_setup(test_replaced, setup),
        cmocka_unit_test_setup(test_thrash, setup),
        cmocka_unit_test_setup(test_forget, setup),
    };

    return cmocka_run_group_tests_name("asid", tests, NULL, NULL);
}
