/* SPDX-License-Identifier: MIT */
/*
 * test_oom.c - each call with each of its allocations failing: oom.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oom.h"

#include "migrate.h"

#define FAR ((uint64_t)1 << 36)

/* ---- the calls: 0 or more when done, MMK_ENOMEM when not ------------------------------------- */

static int done(int64_t result)
{
    return result < 0 ? (int)result : 0;
}

static int call_fault(mmk_vaddr_t addr, enum mmk_access access)
{
    enum mmk_fault_result result = mmk_fault(mm, addr, access);

    assert_true(result == MMK_FAULT_DONE || result == MMK_FAULT_OOM);
    return result == MMK_FAULT_OOM ? MMK_ENOMEM : 0;
}

static int call_mmap(uint64_t at, uint64_t pages, unsigned prot, unsigned flags,
                     struct mmk_object *of, uint64_t from)
{
    return done(
        mmk_mmap(mm, BASE + at * PAGE, pages * PAGE, prot, flags | MMK_MAP_FIXED, of, from * PAGE));
}

static int call_create(void)
{
    return mmk_mm_create(&made_mm);
}

static int call_create_group(void)
{
    struct mmk_group *made;
    int error = mmk_group_create(PAGE, NULL, NULL, &made);

    if (!error)
        mmk_group_put(made);
    return error;
}

static int call_create_in_group(void)
{
    return mmk_group_mm_create(group, &made_mm);
}

static int call_map(void)
{
    return call_mmap(0, 8, RW, ANON, NULL, 0);
}

static int call_map_anywhere(void)
{
    return done(mmk_mmap(mm, 0, 8 * PAGE, RO, ANON, NULL, 0));
}

static int call_map_shared_anon(void)
{
    return call_mmap(0, 8, RW, SHARED_ANON, NULL, 0);
}

static int call_map_stack(void)
{
    return call_mmap(0, 8, RW, STACK, NULL, 0);
}

static int call_map_object(void)
{
    return call_mmap(0, 8, RW, MMK_MAP_SHARED, object, 0);
}

static int call_map_opened(void)
{
    return done(mmk_mmap_file(mm, BASE, 3 * PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, object, PAGE,
                              MMK_OPEN_READ));
}

static int call_map_object_over(void)
{
    return call_mmap(0, 3, RO, MMK_MAP_PRIVATE, object, 1);
}

static int call_map_in_middle(void)
{
    return call_mmap(3, 2, RO, ANON, NULL, 0);
}

static int call_map_over_all(void)
{
    return call_mmap(1, 13, RX, ANON, NULL, 0);
}

static int call_unmap_head(void)
{
    return mmk_munmap(mm, BASE, 2 * PAGE);
}

static int call_unmap_tail(void)
{
    return mmk_munmap(mm, BASE + 6 * PAGE, 2 * PAGE);
}

static int call_unmap_middle(void)
{
    return mmk_munmap(mm, BASE + 3 * PAGE, 2 * PAGE);
}

static int call_unmap_several(void)
{
    return mmk_munmap(mm, BASE + 2 * PAGE, 11 * PAGE);
}

static int call_unmap_everything(void)
{
    return mmk_munmap(mm, 0, MMK_USER_END);
}

static int call_protect_all(void)
{
    return mmk_mprotect(mm, BASE, 8 * PAGE, RO);
}

static int call_protect_writable(void)
{
    return mmk_mprotect(mm, BASE, 8 * PAGE, RW);
}

static int call_protect_head(void)
{
    return mmk_mprotect(mm, BASE, 3 * PAGE, RO);
}

static int call_protect_tail(void)
{
    return mmk_mprotect(mm, BASE + 5 * PAGE, 3 * PAGE, MMK_PROT_NONE);
}

static int call_protect_middle(void)
{
    return mmk_mprotect(mm, BASE + 3 * PAGE, 2 * PAGE, RX);
}

static int call_protect_across(void)
{
    return mmk_mprotect(mm, BASE + 6 * PAGE, 6 * PAGE, RX);
}

static int call_remap(uint64_t at, uint64_t old, uint64_t new, unsigned flags, uint64_t to)
{
    return done(mmk_mremap(mm, BASE + at * PAGE, old * PAGE, new *PAGE, flags | MMK_MREMAP_MAYMOVE,
                           BASE + to * PAGE));
}

static int call_remap_grow(void)
{
    return call_remap(0, 8, 10, 0, 0);
}

static int call_remap_elsewhere(void)
{
    return call_remap(3, 2, 10, 0, 0);
}

static int call_remap_shrink(void)
{
    return call_remap(1, 6, 2, 0, 0);
}

static int call_remap_fixed(void)
{
    return call_remap(2, 4, 4, MMK_MREMAP_FIXED, 1021);
}

static int call_remap_cut(void)
{
    return call_remap(2, 4, 2, MMK_MREMAP_FIXED, 1021);
}

static int call_remap_within(void)
{
    return call_remap(1, 2, 2, MMK_MREMAP_FIXED, 4);
}

static int call_remap_over(void)
{
    return call_remap(1, 4, 4, MMK_MREMAP_FIXED, 9);
}

static int call_remap_dontunmap(void)
{
    return call_remap(0, 8, 8, MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP, 1021);
}

static int call_remap_second(void)
{
    return call_remap(0, 0, 8, 0, 0);
}

static int call_remap_several(void)
{
    return call_remap(2, 12, 12, MMK_MREMAP_FIXED, 1021);
}

static int call_remap_tables(void)
{
    return call_remap(300, 3000, 3000, MMK_MREMAP_FIXED, 700001);
}

static int call_remap_whole_tables(void)
{
    return call_remap(0, 4096, 4096, MMK_MREMAP_FIXED, 512 * 2000);
}

static int call_grow_brk(void)
{
    return mmk_brk(mm, BASE + 20 * PAGE) == BASE + 20 * PAGE ? 0 : MMK_ENOMEM;
}

static int call_shrink_brk(void)
{
    return mmk_brk(mm, BASE + PAGE) == BASE + PAGE ? 0 : MMK_ENOMEM;
}

static int call_dontneed(void)
{
    return mmk_madvise(mm, BASE, 8 * PAGE, MMK_MADV_DONTNEED);
}

static int call_dontneed_many(void)
{
    return mmk_madvise(mm, BASE, 600 * PAGE, MMK_MADV_DONTNEED);
}

/* The second time, also what was used before the first. => 0: all have gone but the root */
static int call_give_back(void)
{
    uint64_t given = mmk_shrink_tables(mm, UINT64_MAX);

    given += mmk_shrink_tables(mm, UINT64_MAX);
    return given > 0 && mmk_mm_table_bytes(mm) == PAGE ? 0 : MMK_EAGAIN;
}

static int call_free(void)
{
    return mmk_madvise(mm, BASE, 8 * PAGE, MMK_MADV_FREE);
}

static int call_populate(void)
{
    return mmk_madvise(mm, BASE, 8 * PAGE, MMK_MADV_POPULATE_WRITE);
}

static int call_willneed(void)
{
    return mmk_madvise(mm, BASE, 8 * PAGE, MMK_MADV_WILLNEED);
}

static int call_lock_middle(void)
{
    return mmk_mlock2(mm, BASE + 3 * PAGE, 2 * PAGE, MMK_MLOCK_ONFAULT);
}

static int call_lock_across(void)
{
    return mmk_mlock2(mm, BASE + 6 * PAGE, 6 * PAGE, MMK_MLOCK_ONFAULT);
}

/* Says EAGAIN where a page cannot be had, as Linux does. */
static int call_lock(void)
{
    int error = mmk_mlock(mm, BASE + PAGE, LOCK_PAGES * PAGE);

    return error == MMK_EAGAIN ? MMK_ENOMEM : error;
}

static int call_unlock_head(void)
{
    return mmk_munlock(mm, BASE, 3 * PAGE);
}

static int call_lock_all(void)
{
    return mmk_mlockall(mm, MMK_MCL_CURRENT | MMK_MCL_FUTURE | MMK_MCL_ONFAULT);
}

static int call_unlock_all(void)
{
    return mmk_munlockall(mm);
}

static int call_map_populated(void)
{
    return call_mmap(0, 8, RW, ANON | MMK_MAP_LOCKED, NULL, 0);
}

static int call_seal_middle(void)
{
    return mmk_mseal(mm, BASE + 3 * PAGE, 2 * PAGE, 0);
}

static int call_seal_across(void)
{
    return mmk_mseal(mm, BASE + 6 * PAGE, 6 * PAGE, 0);
}

static int call_guard(void)
{
    return mmk_madvise(mm, BASE + PAGE, 7 * PAGE, MMK_MADV_GUARD_INSTALL);
}

static int call_unguard(void)
{
    return mmk_madvise(mm, BASE + PAGE, 7 * PAGE, MMK_MADV_GUARD_REMOVE);
}

/* Says EAGAIN, as Linux does. */
static int fork_advice(mmk_vaddr_t addr, uint64_t pages, int advice)
{
    int error = mmk_madvise(mm, addr, pages * PAGE, advice);

    return error == MMK_EAGAIN ? MMK_ENOMEM : error;
}

static int call_dontfork(void)
{
    return fork_advice(BASE + 2 * PAGE, 3, MMK_MADV_DONTFORK);
}

static int call_dontfork_across(void)
{
    return fork_advice(BASE + 2 * PAGE, 8, MMK_MADV_DONTFORK);
}

static int call_wipe(void)
{
    return fork_advice(BASE + 3 * PAGE, 5, MMK_MADV_WIPEONFORK);
}

static int call_remove(void)
{
    return mmk_madvise(mm, BASE + PAGE, 3 * PAGE, MMK_MADV_REMOVE);
}

static int call_fork(void)
{
    return mmk_fork(mm, &made_mm);
}

static int call_read(void)
{
    return call_fault(BASE, MMK_ACCESS_READ);
}

static int call_write(void)
{
    return call_fault(BASE + 7 * PAGE + 5, MMK_ACCESS_WRITE);
}

static int call_write_between(void)
{
    return call_fault(BASE + 2500 * PAGE, MMK_ACCESS_WRITE);
}

static int call_read_far(void)
{
    return call_fault(BASE + FAR + 7 * PAGE, MMK_ACCESS_READ);
}

static int call_copy_to_user(void)
{
    return mmk_copy_to_user(mm, BASE + 7 * PAGE + 5, &mm, sizeof(mm)) ? MMK_ENOMEM : 0;
}

static int call_write_remote(void)
{
    return mmk_mm_write(mm, BASE + 7 * PAGE + 5, &mm, sizeof(mm), 0) == sizeof(mm) ? 0 : MMK_ENOMEM;
}

static int call_msync(void)
{
    return mmk_msync(mm, BASE, 8 * PAGE, MMK_MS_SYNC);
}

static int call_pin(unsigned flags)
{
    struct mmk_page *page;
    int64_t got = mmk_pin_pages(mm, BASE + 7 * PAGE, 1, flags, &page);

    if (got == 1)
        mmk_unpin_pages(&page, 1, false);
    return got == 1 ? 0 : (int)got;
}

static int call_pin_read(void)
{
    return call_pin(MMK_PIN_READ | MMK_PIN_LONGTERM);
}

static int call_pin_write(void)
{
    return call_pin(MMK_PIN_WRITE);
}

/* With two pages pinned, in one table. */
static int call_fork_pinned(void)
{
    struct mmk_page *pages[2];
    int error;

    assert_int_equal(mmk_pin_pages(mm, BASE + PAGE, 2, MMK_PIN_WRITE, pages), 2);
    error = mmk_fork(mm, &made_mm);
    mmk_unpin_pages(pages, 2, false);
    return error;
}

static int call_grow_stack(void)
{
    return call_fault(BASE - 3 * PAGE, MMK_ACCESS_WRITE);
}

static int call_create_object(void)
{
    return mmk_object_create(&file_ops, PAGE, NULL, &made_object);
}

static int call_shrink_object(void)
{
    return mmk_object_resize(object, 12 * PAGE + 100);
}

static int call_grow_object(void)
{
    return mmk_object_resize(object, 100 * PAGE);
}

static int call_punch(void)
{
    return mmk_object_punch_hole(object, PAGE + 100, 4 * PAGE);
}

static int call_migrate(void)
{
    struct mmk_page *page = peek_page(mm, BASE), *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    int error;

    if (!to)
        return MMK_ENOMEM;
    mmk_page_get(page);
    mmk_page_lock(page);
    error = mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_page_put(to);
    return error;
}

/* ---- what they find -------------------------------------------------------------------------- */

static void nothing(void)
{
}

static void with_anon(void)
{
    map_at(0, 8, RW, ANON);
    fill(BASE, 7, 1);
}

static void with_untouched(void)
{
    map_at(0, 8, RW, ANON);
}

static void with_zero_page(void)
{
    map_at(0, 8, RW, ANON);
    expect_byte(BASE + 7 * PAGE, 0);
}

static void with_two(void)
{
    with_anon();
    map_at(8, 6, RO, ANON);
    expect_byte(BASE + 8 * PAGE, 0);
}

static void with_locked(void)
{
    with_two();
    assert_int_equal(mmk_mlock(mm, BASE, 14 * PAGE), 0);
}

static void with_many_pages(void)
{
    map_at(0, 600, RW, ANON);
    fill(BASE, 600, 1);
}

static void with_freed_pages(void)
{
    with_many_pages();
    assert_int_equal(mmk_madvise(mm, BASE, 600 * PAGE, MMK_MADV_FREE), 0);
}

/* Leaf tables with pages in the middle and at both ends, and one without. */
static void with_wide(void)
{
    map_at(0, 4096, RW, ANON);
    fill(BASE + 300 * PAGE, 3, 1);
    fill(BASE + 510 * PAGE, 4, 4);
    fill(BASE + 1800 * PAGE, 2, 8);
    fill(BASE + 3298 * PAGE, 2, 10);
}

static void with_heap(void)
{
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 10 * PAGE), BASE + 10 * PAGE);
    fill(BASE, 10, 1);
}

static void with_empty_heap(void)
{
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
}

static void with_stack(void)
{
    map_at(0, 2, RW, STACK);
    store_byte(BASE, 1);
}

static void with_object(void)
{
    object = new_file(16);
}

/* A device that has the machine's last frames. */
static int name_frame(struct mmk_object *of, uint64_t index, mmk_pfn_t *pfn)
{
    (void)of;
    *pfn = (MMK_PHYS_END >> MMK_PAGE_SHIFT) - 16 + index;
    return 0;
}

static void with_device(void)
{
    static const struct mmk_object_ops ops = {.frame = name_frame};

    assert_int_equal(mmk_object_create(&ops, 16 * PAGE, NULL, &object), 0);
    map_object_at(0, 8, RO, MMK_MAP_SHARED, object, 0);
}

/* Both ends of a long file: the index between them is deep. */
static void with_far_file(void)
{
    object = new_file(FAR / PAGE + 16);
    map_object_at(0, 8, RO, MMK_MAP_SHARED, object, 0);
    map_object_at(FAR / PAGE, 8, RO, MMK_MAP_SHARED, object, FAR / PAGE);
    expect_byte(BASE, 1);
}

static void with_shared_file(void)
{
    with_object();
    map_object_at(0, 8, RW, MMK_MAP_SHARED, object, 0);
    expect_byte(BASE + 6 * PAGE, 7);
}

static void with_private_file(void)
{
    with_object();
    map_object_at(0, 8, RW, MMK_MAP_PRIVATE, object, 0);
    fill(BASE, 3, 40);
    expect_byte(BASE + 6 * PAGE, 7);
}

/* The last page is mapped, and shared with the file: the write copies. */
static void with_private_file_read(void)
{
    with_object();
    map_object_at(0, 8, RW, MMK_MAP_PRIVATE, object, 0);
    expect_byte(BASE + 7 * PAGE, 8);
}

static int keep_nothing(struct mmk_object *of, uint64_t index, const void *page)
{
    (void)of;
    (void)index;
    (void)page;
    return 0;
}

/* To be written back. */
static void with_dirty_file(void)
{
    static const struct mmk_object_ops ops = {.read_page = fixture_read_page,
                                              .write_page = keep_nothing};

    assert_int_equal(mmk_object_create(&ops, 16 * PAGE, NULL, &object), 0);
    map_object_at(0, 8, RW, MMK_MAP_SHARED, object, 0);
    fill(BASE, 8, 1);
}

static void with_untouched_file(void)
{
    with_object();
    map_object_at(0, 8, RW, MMK_MAP_SHARED, object, 0);
}

static void with_untouched_private_file(void)
{
    with_object();
    map_object_at(0, 8, RW, MMK_MAP_PRIVATE, object, 0);
}

static void with_shmem(void)
{
    object = new_shmem(16);
    map_object_at(0, 8, RW, MMK_MAP_SHARED, object, 0);
    fill(BASE, 8, 1);
}

static void with_second(void)
{
    with_shmem();
    map_object_at(16, 8, RW, MMK_MAP_SHARED, object, 0);
    fill(BASE + 16 * PAGE, 8, 1);
}

static void with_guards(void)
{
    with_shmem();
    map_at(8, 8, RW, ANON);
    fill(BASE + 8 * PAGE, 8, 1);
    map_at(1024, 512, RW, SHARED_ANON);
    assert_int_equal(mmk_madvise(mm, BASE + 2 * PAGE, 10 * PAGE, MMK_MADV_GUARD_INSTALL), 0);
    assert_int_equal(mmk_madvise(mm, BASE + 4 * MIB, PAGE, MMK_MADV_GUARD_INSTALL), 0);
}

static void with_wiped(void)
{
    with_two();
    assert_int_equal(call_wipe(), 0);
    assert_int_equal(call_dontfork(), 0);
}

static void with_forked(void)
{
    map_at(0, 8, RW, ANON);
    fill(BASE, 8, 1);
    assert_int_equal(mmk_fork(mm, &made_mm), 0);
}

static void with_several_tables(void)
{
    with_private_file();
    map_at(512, 2048, RW, ANON);
    fill(BASE + 2 * MIB, 2, 1);
    fill(BASE + 6 * MIB, 2, 1);
    map_at(GIB / PAGE, 4, RW, SHARED_ANON);
    store_byte(BASE + GIB, 1);
    map_at(2 * GIB / PAGE, 4, RW, ANON);
    store_byte(BASE + 2 * GIB, 1);
}

static void with_locked_to_read(void)
{
    with_object();
    map_object_at(0, 8, RO, MMK_MAP_PRIVATE, object, 0);
    assert_int_equal(mmk_mlock(mm, BASE, 8 * PAGE), 0);
}

static void with_locked_heap(void)
{
    with_empty_heap();
    assert_int_equal(mmk_mlockall(mm, MMK_MCL_FUTURE), 0);
}

static const struct oom_case cases[] = {
    {"create", nothing, call_create, 0},
    {"create a group", nothing, call_create_group, 0},
    {"create in a group", nothing, call_create_in_group, 0},
    {"map", nothing, call_map, 0},
    {"map anywhere", nothing, call_map_anywhere, 0},
    {"map shared anonymous", nothing, call_map_shared_anon, 0},
    {"map stack", nothing, call_map_stack, 0},
    {"map object", with_object, call_map_object, 0},
    {"map object opened for reading", with_shared_file, call_map_opened, 0},
    {"map object over another's head", with_shared_file, call_map_object_over, 0},
    {"map in the middle", with_anon, call_map_in_middle, 0},
    {"map in the middle of an object", with_shared_file, call_map_in_middle, 0},
    {"map over two", with_two, call_map_over_all, 0},
    {"unmap head", with_anon, call_unmap_head, 0},
    {"unmap tail", with_anon, call_unmap_tail, 0},
    {"unmap middle", with_anon, call_unmap_middle, 0},
    {"unmap middle of an object", with_private_file, call_unmap_middle, 0},
    {"unmap several", with_two, call_unmap_several, 0},
    {"unmap everything", with_two, call_unmap_everything, 0},
    {"protect all", with_anon, call_protect_all, 0},
    {"protect head", with_anon, call_protect_head, 0},
    {"protect tail", with_anon, call_protect_tail, 0},
    {"protect middle", with_anon, call_protect_middle, 0},
    {"protect middle of an object", with_shared_file, call_protect_middle, 0},
    {"protect locked memory", with_locked_to_read, call_protect_writable, AROUND}, /* copies */
    {"protect across", with_two, call_protect_across, 0},
    {"remap grow", with_anon, call_remap_grow, 0},
    {"remap grow an object", with_shared_file, call_remap_grow, 0},
    {"remap elsewhere", with_anon, call_remap_elsewhere, 0},
    {"remap elsewhere an object", with_private_file, call_remap_elsewhere, 0},
    {"remap shrink", with_two, call_remap_shrink, 0},
    {"remap fixed", with_anon, call_remap_fixed, 0},
    {"remap fixed, untouched", with_untouched, call_remap_fixed, 0},
    {"remap fixed, an object", with_shared_file, call_remap_fixed, 0},
    {"remap fixed, shorter", with_private_file, call_remap_cut, 0},
    {"remap fixed, within", with_anon, call_remap_within, 0},
    {"remap fixed, over another", with_two, call_remap_over, 0},
    {"remap dontunmap", with_anon, call_remap_dontunmap, 0},
    {"remap dontunmap an object", with_shared_file, call_remap_dontunmap, 0},
    {"remap a second time", with_shmem, call_remap_second, 0},
    {"remap several", with_two, call_remap_several, STEPS},
    {"remap tables", with_wide, call_remap_tables, 0},
    {"remap whole tables", with_wide, call_remap_whole_tables, 0},
    {"grow heap from nothing", with_empty_heap, call_grow_brk, 0},
    {"grow locked heap", with_locked_heap, call_grow_brk, AROUND}, /* pages */
    {"grow heap", with_heap, call_grow_brk, 0},
    {"shrink heap", with_heap, call_shrink_brk, 0},
    {"dontneed", with_anon, call_dontneed, 0},
    {"dontneed many", with_many_pages, call_dontneed_many, AROUND}, /* gather */
    {"free", with_anon, call_free, 0},
    {"give back tables of zero pages", with_zero_page, call_give_back, NONE},
    {"give back tables of a file", with_shared_file, call_give_back, NONE},
    {"give back tables of freed pages", with_freed_pages, call_give_back, AROUND}, /* gather */
    {"populate", with_untouched, call_populate, AROUND | PARTLY},                  /* as above */
    {"populate a private file", with_untouched_private_file, call_populate, PARTLY},
    {"willneed", with_untouched_file, call_willneed, AROUND},     /* as errors of reading */
    {"lock", with_untouched, call_lock, AROUND | PARTLY | LOCKS}, /* a page's second, slower try */
    {"lock a file", with_untouched_file, call_lock, PARTLY | LOCKS},
    {"lock middle", with_anon, call_lock_middle, 0},
    {"lock middle of an object", with_shared_file, call_lock_middle, 0},
    {"lock across", with_two, call_lock_across, 0},
    {"unlock head", with_locked, call_unlock_head, 0},
    {"lock all", with_two, call_lock_all, 0},
    {"unlock all", with_locked, call_unlock_all, 0},
    {"map locked", nothing, call_map_populated, AROUND}, /* pages that are not there */
    {"seal middle", with_anon, call_seal_middle, 0},
    {"seal middle of an object", with_shared_file, call_seal_middle, 0},
    {"seal across", with_two, call_seal_across, 0},
    {"guard untouched memory", with_untouched, call_guard, 0},
    {"guard pages", with_anon, call_guard, 0},
    {"guard shared memory", with_shmem, call_guard, 0},
    {"guard a private file", with_untouched_private_file, call_guard, 0},
    {"remove guards", with_guards, call_unguard, 0},
    {"advise not to fork", with_anon, call_dontfork, 0},
    {"advise not to fork an object", with_shared_file, call_dontfork, 0},
    {"advise not to fork across", with_two, call_dontfork_across, 0},
    {"advise to wipe", with_anon, call_wipe, 0},
    {"remove", with_shmem, call_remove, 0},
    {"fork with guards", with_guards, call_fork, 0},
    {"fork with less", with_wiped, call_fork, 0},
    {"fork", with_anon, call_fork, 0},
    {"fork nothing", nothing, call_fork, 0},
    {"fork several tables", with_several_tables, call_fork, 0},
    {"read fault", with_untouched, call_read, AROUND}, /* a second, slower try */
    {"write fault", with_untouched, call_write, 0},
    {"write beside others", with_anon, call_write, AROUND}, /* likewise */
    {"write where there is no table", with_wide, call_write_between, AROUND},
    {"write over the zero page", with_zero_page, call_write, 0},
    {"write to a forked page", with_forked, call_write, AROUND}, /* likewise */
    {"read of a file", with_shared_file, call_read, 0},
    {"write to a file", with_shared_file, call_write, 0},
    {"first read of a file", with_untouched_file, call_read, 0},
    {"first read far on in a file", with_far_file, call_read_far, 0},
    {"read of a device", with_device, call_read, 0},
    {"first write to a file", with_untouched_file, call_write, 0},
    {"first write to a private file", with_untouched_private_file, call_write, 0},
    {"write to shared memory", with_shmem, call_write, 0},
    {"write to a private file", with_private_file, call_write, 0},
    {"write over a private file's page", with_private_file_read, call_write, 0},
    {"grow stack", with_stack, call_grow_stack, GROWS},
    {"copy to a program", with_untouched, call_copy_to_user, 0},
    {"copy to a forked page", with_forked, call_copy_to_user, AROUND},
    {"write to an address space", with_private_file_read, call_write_remote, 0},
    {"pin to read", with_untouched, call_pin_read, 0},
    {"pin to write", with_untouched, call_pin_write, 0},
    {"pin a forked page to read", with_forked, call_pin_read, 0},
    {"pin a private file's page to read", with_private_file_read, call_pin_read, 0},
    {"fork with pinned pages", with_anon, call_fork_pinned, 0},
    {"msync", with_dirty_file, call_msync, 0},
    {"create object", nothing, call_create_object, 0},
    {"shrink object", with_private_file, call_shrink_object, 0},
    {"shrink shared memory", with_shmem, call_shrink_object, 0},
    {"grow object", with_shared_file, call_grow_object, 0},
    {"punch hole", with_shared_file, call_punch, 0},
    {"punch hole in shared memory", with_shmem, call_punch, 0},
    {"migrate", with_anon, call_migrate, 0},
    {"migrate a forked page", with_forked, call_migrate, 0},
    {"migrate an object's page", with_shmem, call_migrate, 0},
    {"migrate an object's page that two map", with_second, call_migrate, 0},
};

int main(void)
{
    const struct mmk_config config = fixture_config();

    return sweep_cases("oom", &config, cases, sizeof(cases) / sizeof(cases[0]));
}
