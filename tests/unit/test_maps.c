/* SPDX-License-Identifier: MIT */
/*
 * test_maps.c - the mappings of an address space, told one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define MOST 32
#define ALL  0, UINT64_MAX

/* What was told, up to `stop_at` mappings. */
struct list {
    unsigned count, stop_at;
    struct mmk_mapping mapping[MOST];
};

static int note(const struct mmk_mapping *mapping, void *arg)
{
    struct list *list = arg;

    assert_true(list->count < MOST);
    list->mapping[list->count++] = *mapping;
    return list->count == list->stop_at ? 77 : 0;
}

static const struct mmk_mapping *only(mmk_vaddr_t start, mmk_vaddr_t end)
{
    static struct list list;

    list = (struct list){0};
    assert_int_equal(mmk_for_each_mapping(mm, start, end, note, &list), 0);
    assert_int_equal(list.count, 1);
    return &list.mapping[0];
}

static void expect(const struct mmk_mapping *mapping, uint64_t index, uint64_t pages, unsigned prot,
                   unsigned flags)
{
    assert_int_equal(mapping->start, BASE + index * PAGE);
    assert_int_equal(mapping->end, BASE + (index + pages) * PAGE);
    assert_int_equal(mapping->prot, prot);
    assert_int_equal(mapping->flags, flags);
}

static void test_empty(void **state)
{
    struct list list = {0};

    (void)state;
    assert_int_equal(mmk_for_each_mapping(mm, ALL, note, &list), 0);
    assert_int_equal(list.count, 0);
}

/* In order, holes left out, each with its own object and place in it. */
static void test_list(void **state)
{
    struct mmk_object *file = new_file(16);
    struct list list = {0};
    unsigned i;

    (void)state;
    (void)map_object_at(10, 4, RO, MMK_MAP_SHARED, file, 3);
    (void)map_at(0, 4, RW, ANON);
    (void)map_at(14, 2, MMK_PROT_NONE, ANON);
    (void)map_object_at(20, 2, RX, MMK_MAP_PRIVATE, file, 9);
    (void)map_at(30, 2, RW, SHARED_ANON);
    assert_int_equal(mmk_munmap(mm, BASE + 11 * PAGE, PAGE), 0);
    assert_int_equal(mmk_for_each_mapping(mm, ALL, note, &list), 0);
    assert_int_equal(list.count, 6);
    expect(&list.mapping[0], 0, 4, RW, MMK_MAPPING_COMMITTED);
    expect(&list.mapping[1], 10, 1, RO, MMK_MAPPING_SHARED);
    expect(&list.mapping[2], 12, 2, RO, MMK_MAPPING_SHARED);
    expect(&list.mapping[3], 14, 2, MMK_PROT_NONE, 0);
    expect(&list.mapping[4], 20, 2, RX, 0);
    expect(&list.mapping[5], 30, 2, RW, MMK_MAPPING_SHARED);
    for (i = 0; i < 6; i++)
        assert_int_equal(list.mapping[i].max_prot, RW | MMK_PROT_EXEC);
    assert_null(list.mapping[0].object);
    assert_int_equal(list.mapping[0].offset, 0);
    assert_null(list.mapping[3].object);
    assert_ptr_equal(list.mapping[1].object, file);
    assert_int_equal(list.mapping[1].offset, 3 * PAGE);
    assert_ptr_equal(list.mapping[2].object, file);
    assert_int_equal(list.mapping[2].offset, 5 * PAGE);
    assert_ptr_equal(list.mapping[4].object, file);
    assert_int_equal(list.mapping[4].offset, 9 * PAGE);
    assert_non_null(list.mapping[5].object);
    assert_null(mmk_object_private(list.mapping[5].object));
    assert_int_equal(mmk_object_size(list.mapping[5].object), 2 * PAGE);
    mmk_object_put(file);
}

/* A part in the range is enough; its ends may lie anywhere. */
static void test_range(void **state)
{
    struct list list = {0};

    (void)state;
    (void)map_at(0, 4, RW, ANON);
    (void)map_at(4, 4, RO, ANON);
    (void)map_at(12, 1, RW, ANON);
    expect(only(0, BASE + 1), 0, 4, RW, MMK_MAPPING_COMMITTED);
    expect(only(BASE + 8 * PAGE - 1, BASE + 8 * PAGE), 4, 4, RO, 0);
    expect(only(BASE + 8 * PAGE, BASE + 13 * PAGE), 12, 1, RW, MMK_MAPPING_COMMITTED);
    expect(only(BASE + 13 * PAGE - 1, UINT64_MAX), 12, 1, RW, MMK_MAPPING_COMMITTED);
    assert_int_equal(mmk_for_each_mapping(mm, 0, BASE, note, &list), 0);
    assert_int_equal(mmk_for_each_mapping(mm, BASE + PAGE, BASE, note, &list), 0);
    assert_int_equal(mmk_for_each_mapping(mm, BASE + PAGE, 0, note, &list), 0);
    assert_int_equal(mmk_for_each_mapping(mm, BASE + 13 * PAGE, UINT64_MAX, note, &list), 0);
    assert_int_equal(mmk_for_each_mapping(mm, UINT64_MAX, UINT64_MAX, note, &list), 0);
    assert_int_equal(list.count, 0);
}

/* Stopped, and taken up again where it was. */
static void test_stop(void **state)
{
    struct list list = {.stop_at = 2};
    unsigned i;

    (void)state;
    for (i = 0; i < 5; i++)
        (void)map_at(2 * i, 1, RW, ANON);
    assert_int_equal(mmk_for_each_mapping(mm, ALL, note, &list), 77);
    assert_int_equal(list.count, 2);
    assert_int_equal(mmk_munmap(mm, BASE + 2 * PAGE, 3 * PAGE), 0);
    list.stop_at = 0;
    assert_int_equal(mmk_for_each_mapping(mm, list.mapping[1].end, UINT64_MAX, note, &list), 0);
    assert_int_equal(list.count, 4);
    expect(&list.mapping[2], 6, 1, RW, MMK_MAPPING_COMMITTED);
    expect(&list.mapping[3], 8, 1, RW, MMK_MAPPING_COMMITTED);
}

/* Every flag, and what takes it away again. */
static void test_flags(void **state)
{
    const unsigned plain = MMK_MAPPING_COMMITTED;
    struct mmk_object *file = new_file(4);
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    assert_int_equal(mmk_mlock2(mm, a, 4 * PAGE, MMK_MLOCK_ONFAULT), 0);
    expect(only(ALL), 0, 4, RW, plain | MMK_MAPPING_LOCKED | MMK_MAPPING_ONFAULT);
    assert_int_equal(mmk_mlock(mm, a, 4 * PAGE), 0);
    expect(only(ALL), 0, 4, RW, plain | MMK_MAPPING_LOCKED);
    assert_int_equal(mmk_munlock(mm, a, 4 * PAGE), 0);
    assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, MMK_MADV_DONTFORK), 0);
    expect(only(ALL), 0, 4, RW, plain | MMK_MAPPING_DONTFORK);
    assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, MMK_MADV_DOFORK), 0);
    assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, MMK_MADV_WIPEONFORK), 0);
    expect(only(ALL), 0, 4, RW, plain | MMK_MAPPING_WIPEONFORK);
    assert_int_equal(mmk_madvise(mm, a, 4 * PAGE, MMK_MADV_KEEPONFORK), 0);
    assert_int_equal(mmk_madvise(mm, a, PAGE, MMK_MADV_GUARD_INSTALL), 0);
    expect(only(ALL), 0, 4, RW, plain | MMK_MAPPING_GUARDED);
    (void)map_at(0, 4, RW, STACK | MMK_MAP_NORESERVE);
    expect(only(ALL), 0, 4, RW, MMK_MAPPING_GROWSDOWN | MMK_MAPPING_NORESERVE);
    assert_int_equal(mmk_munmap(mm, a, 4 * PAGE), 0);
    assert_int_equal(
        mmk_mmap_file(mm, a, 4 * PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, file, 0, MMK_OPEN_READ),
        a);
    expect(only(ALL), 0, 4, RO, MMK_MAPPING_SHARED);
    assert_int_equal(only(ALL)->max_prot, MMK_PROT_READ);
    assert_int_equal(mmk_munmap(mm, a, 4 * PAGE), 0);
    assert_int_equal(mmk_map_frames(mm, a, PAGE, RW, MMK_MAP_FIXED, 5 * PAGE), a);
    expect(only(ALL), 0, 1, RW, MMK_MAPPING_SHARED | MMK_MAPPING_FRAMES);
    assert_int_equal(only(ALL)->offset, 5 * PAGE);
    assert_null(only(ALL)->object);
    assert_int_equal(mmk_munmap(mm, a, PAGE), 0);
    (void)map_at(0, 1, RO, ANON);
    assert_int_equal(mmk_mseal(mm, a, PAGE, 0), 0);
    expect(only(ALL), 0, 1, RO, MMK_MAPPING_SEALED);
    mmk_object_put(file);
}

/* What was told can be kept: here the file outlives its mapping. */
static int keep(const struct mmk_mapping *mapping, void *arg)
{
    mmk_object_get(mapping->object);
    *(struct mmk_object **)arg = mapping->object;
    return 0;
}

static void test_keep(void **state)
{
    struct mmk_object *file = new_file(4), *kept = NULL;

    (void)state;
    (void)map_object_at(0, 4, RO, MMK_MAP_SHARED, file, 0);
    mmk_object_put(file);
    assert_int_equal(mmk_for_each_mapping(mm, ALL, keep, &kept), 0);
    assert_int_equal(mmk_munmap(mm, BASE, 4 * PAGE), 0);
    assert_int_equal(mmk_object_size(kept), 4 * PAGE);
    mmk_object_put(kept);
}

/* Who only holds an address space may ask; when it has ended nothing is there. */
static void test_ended(void **state)
{
    struct mmk_mm *other = new_mm();
    struct list list = {0};

    (void)state;
    assert_true(mmk_mmap(other, 0, PAGE, RW, ANON, NULL, 0) > 0);
    mmk_mm_hold(other);
    assert_int_equal(mmk_for_each_mapping(other, ALL, note, &list), 0);
    assert_int_equal(list.count, 1);
    mmk_kill(other);
    assert_int_equal(mmk_for_each_mapping(other, ALL, note, &list), 0);
    assert_int_equal(list.count, 2);
    mmk_mm_put(other);
    assert_int_equal(mmk_for_each_mapping(other, ALL, note, &list), 0);
    assert_int_equal(list.count, 2);
    mmk_mm_drop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty), TEST(test_list), TEST(test_range), TEST(test_stop),
        TEST(test_flags), TEST(test_keep), TEST(test_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
