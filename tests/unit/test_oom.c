/* SPDX-License-Identifier: MIT */
/*
 * test_oom.c - each call with failing allocations: the nth, and the nth and all later, for n = 0,
 * 1, 2... until the call passes without one having failed.
 *
 * A call that fails says so, and leaves what a program can see as it was: mappings, contents, what
 * is counted. Nothing leaks, and the same call passes afterwards. A call that passes although an
 * allocation failed had a way around it; which calls may is written beside each.
 *
 * Each case runs twice: in an empty address space, and between many small mappings, where the
 * VMA tree has several nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "zap.h"

#define MOST 2000 /* pages that a snapshot looks at */

/* ---- what a program can see --------------------------------------------------------------------
 */

struct snapshot {
    struct mmk_mm_stats stats;
    mmk_vaddr_t brk;
    uint64_t vmas;  /* hash of ranges, flags, objects */
    uint64_t pages; /* hash of what each page holds */
    uint64_t objects, object_size, committed;
};

static struct mmk_object *object; /* the case's, or NULL */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x9e3779b97f4a7c15 + (hash >> 29);
}

/*
 * A page's contents; untouched anonymous memory is as good as zeros, and an object's page that
 * nothing maps is the object's business.
 */
static uint64_t page_hash(mmk_vaddr_t addr, const struct mmk_vma *vma)
{
    const struct mmk_page *page = peek_page(mm, addr);
    mmk_pte_t pte = peek_entry(mm, addr);
    const uint64_t *words;
    uint64_t hash = 1;
    size_t i;

    if (!page)
        return mmk_pte_guard(pte) ? 3 : vma->object ? 2 : 0;
    words = mmk_page_virt(page);
    for (i = 0; i < PAGE / 8; i++)
        if (words[i])
            hash = mix(hash + i, words[i]);
    return hash == 1 && !vma->object ? 0 : hash;
}

static void look(struct snapshot *seen)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&mm->vmas, 0);
    mmk_vaddr_t addr;
    unsigned n = 0;

    memset(seen, 0, sizeof(*seen));
    seen->stats = mm_stats(mm);
    seen->brk = mm->brk;
    seen->vmas = mm->def_flags;
    seen->objects = stats_now().objects;
    seen->committed = stats_now().committed;
    seen->object_size = object ? mmk_object_size(object) : 0;
    for (; vma; vma = mmk_vma_tree_find_rcu(&mm->vmas, mmk_vma_end(vma))) {
        seen->vmas = mix(seen->vmas, mmk_vma_start(vma));
        seen->vmas = mix(seen->vmas, mmk_vma_end(vma));
        seen->vmas = mix(seen->vmas, mmk_vma_flags(vma) & ~(uint64_t)MMK_VM_GUARDED);
        seen->vmas = mix(seen->vmas, (uintptr_t)vma->object);
        seen->vmas = mix(seen->vmas, vma->object ? mmk_vma_origin(vma) : 0);
        for (addr = mmk_vma_start(vma); addr < mmk_vma_end(vma) && n < MOST; addr += PAGE, n++)
            seen->pages = mix(seen->pages, page_hash(addr, vma));
    }
}

static void expect_same(const struct snapshot *before, const struct snapshot *now)
{
    assert_int_equal(now->stats.virt_bytes, before->stats.virt_bytes);
    assert_int_equal(now->stats.vmas, before->stats.vmas);
    assert_int_equal(now->stats.rss_anon, before->stats.rss_anon);
    assert_int_equal(now->stats.rss_file, before->stats.rss_file);
    assert_int_equal(now->stats.rss_shmem, before->stats.rss_shmem);
    assert_int_equal(now->brk, before->brk);
    assert_int_equal(now->vmas, before->vmas);
    assert_int_equal(now->pages, before->pages);
    assert_int_equal(now->objects, before->objects);
    assert_int_equal(now->committed, before->committed);
    assert_int_equal(now->stats.data_bytes, before->stats.data_bytes);
    assert_int_equal(now->stats.stack_bytes, before->stats.stack_bytes);
    assert_int_equal(now->object_size, before->object_size);
}

/* What the growth of a stack changes, and it alone. */
static void keep_growth(struct snapshot *before, const struct snapshot *now)
{
    assert_true(now->stats.virt_bytes == before->stats.virt_bytes ||
                now->stats.virt_bytes == before->stats.virt_bytes + 3 * PAGE);
    assert_int_equal(now->committed - before->committed,
                     now->stats.virt_bytes - before->stats.virt_bytes);
    before->stats.virt_bytes = now->stats.virt_bytes;
    before->stats.stack_bytes = now->stats.stack_bytes;
    before->committed = now->committed;
    before->vmas = now->vmas;
    before->pages = now->pages;
}

/* What populating changes: pages that were not there, and hold what a read would have found. */
static void keep_pages(struct snapshot *before, const struct snapshot *now)
{
    assert_true(now->stats.rss_anon >= before->stats.rss_anon);
    before->stats.rss_anon = now->stats.rss_anon;
    before->pages = now->pages;
}

/* ---- the calls: 0 or more when done, MMK_ENOMEM when not
 * ------------------------------------------ */

static struct mmk_mm *made_mm; /* by create and fork */
static struct mmk_object *made_object;

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

static int call_map_between(void)
{
    return call_mmap(8, 2, RW, ANON, NULL, 0);
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

/* ---- what they find ----------------------------------------------------------------------------
 */

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

static void with_hole(void)
{
    with_anon();
    map_at(10, 4, RW, ANON);
    fill(BASE + 10 * PAGE, 4, 10);
}

static void with_many_pages(void)
{
    map_at(0, 600, RW, ANON);
    fill(BASE, 600, 1);
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

#define AROUND 1u /* the call may pass although an allocation failed */
#define GROWS  2u /* the mapping may have grown before there was no page */
#define PARTLY 4u /* pages that came before the one without memory stay */

struct oom_case {
    const char *name;
    void (*prepare)(void);
    int (*call)(void);
    unsigned may;
};

static const struct oom_case cases[] = {
    {"create", nothing, call_create, 0},
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
    {"map between two of its kind", with_hole, call_map_between, AROUND}, /* merging */
    {"unmap head", with_anon, call_unmap_head, 0},
    {"unmap tail", with_anon, call_unmap_tail, 0},
    {"unmap middle", with_anon, call_unmap_middle, 0},
    {"unmap middle of an object", with_private_file, call_unmap_middle, 0},
    {"unmap several", with_two, call_unmap_several, 0},
    {"unmap everything", with_two, call_unmap_everything, AROUND}, /* gather */
    {"protect all", with_anon, call_protect_all, AROUND},          /* merging */
    {"protect head", with_anon, call_protect_head, AROUND},        /* merging */
    {"protect tail", with_anon, call_protect_tail, AROUND},        /* merging */
    {"protect middle", with_anon, call_protect_middle, 0},
    {"protect middle of an object", with_shared_file, call_protect_middle, 0},
    {"protect across", with_two, call_protect_across, AROUND}, /* merging */
    {"remap grow", with_anon, call_remap_grow, 0},
    {"remap grow an object", with_shared_file, call_remap_grow, 0},
    {"remap grow to another", with_hole, call_remap_grow, AROUND}, /* merging */
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
    {"remap tables", with_wide, call_remap_tables, AROUND}, /* gather */
    {"remap whole tables", with_wide, call_remap_whole_tables, 0},
    {"grow heap from nothing", with_empty_heap, call_grow_brk, 0},
    {"grow heap", with_heap, call_grow_brk, 0},
    {"shrink heap", with_heap, call_shrink_brk, 0},
    {"dontneed", with_anon, call_dontneed, 0},
    {"dontneed many", with_many_pages, call_dontneed_many, AROUND}, /* gather */
    {"free", with_anon, call_free, 0},
    {"populate", with_untouched, call_populate, AROUND | PARTLY}, /* as above */
    {"populate a private file", with_untouched_private_file, call_populate, PARTLY},
    {"willneed", with_untouched_file, call_willneed, AROUND}, /* as errors of reading */
    {"lock middle", with_anon, call_lock_middle, 0},
    {"lock middle of an object", with_shared_file, call_lock_middle, 0},
    {"lock across", with_two, call_lock_across, AROUND}, /* merging */
    {"unlock head", with_locked, call_unlock_head, 0},
    {"lock all", with_two, call_lock_all, AROUND},        /* merging */
    {"unlock all", with_locked, call_unlock_all, AROUND}, /* merging */
    {"map locked", nothing, call_map_populated, AROUND},  /* pages that are not there */
    {"seal middle", with_anon, call_seal_middle, 0},
    {"seal middle of an object", with_shared_file, call_seal_middle, 0},
    {"seal across", with_two, call_seal_across, AROUND}, /* merging */
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
    {"read fault", with_untouched, call_read, 0},
    {"write fault", with_untouched, call_write, 0},
    {"write beside others", with_anon, call_write, AROUND}, /* a second, slower try */
    {"write over the zero page", with_zero_page, call_write, 0},
    {"write to a forked page", with_forked, call_write, 0},
    {"read of a file", with_shared_file, call_read, 0},
    {"write to a file", with_shared_file, call_write, 0},
    {"first read of a file", with_untouched_file, call_read, 0},
    {"first write to a file", with_untouched_file, call_write, 0},
    {"first write to a private file", with_untouched_private_file, call_write, 0},
    {"write to shared memory", with_shmem, call_write, 0},
    {"write to a private file", with_private_file, call_write, 0},
    {"write over a private file's page", with_private_file_read, call_write, 0},
    {"grow stack", with_stack, call_grow_stack, AROUND | GROWS}, /* as above */
    {"copy to a program", with_untouched, call_copy_to_user, 0},
    {"copy to a forked page", with_forked, call_copy_to_user, 0},
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
};

/* ---- the sweep
 * ----------------------------------------------------------------------------------- */

/* Many mappings near by, that nothing merges with. */
static void crowd(void)
{
    int64_t i;

    for (i = 1; i <= 200; i++) {
        mmk_vaddr_t above = BASE + 3 * GIB + (uint64_t)i * 2 * PAGE;
        mmk_vaddr_t below = BASE - 16 * MIB - (uint64_t)i * 2 * PAGE;

        (void)map(above, 1, RO, ANON | MMK_MAP_FIXED, NULL, 0);
        (void)map(below, 1, RO, ANON | MMK_MAP_FIXED, NULL, 0);
    }
}

static void drop_made(void)
{
    if (made_mm)
        put_mm(made_mm);
    if (made_object)
        mmk_object_put(made_object);
    made_mm = NULL;
    made_object = NULL;
}

/* A new address space for each try; `mm` is what the case works on. */
static struct mmk_mm *begin(const struct oom_case *c, bool crowded)
{
    struct mmk_mm *old = mm;

    mm = new_mm();
    machine_switch_mm(mm);
    object = NULL;
    if (crowded)
        crowd();
    c->prepare();
    return old;
}

static uint64_t end(struct mmk_mm *old)
{
    machine_switch_mm(old);
    drop_made();
    put_mm(mm);
    if (object) {
        mmk_check_object(object);
        mmk_object_put(object);
    }
    object = NULL;
    mm = old;
    mmk_drain();
    mmk_check_frames();
    return frames_free();
}

/* One try. => whether an allocation failed */
static bool try(const struct oom_case *c, bool crowded, uint64_t n, bool onward, bool *refused)
{
    struct mmk_mm *old = begin(c, crowded);
    struct snapshot before, after;
    bool failed;
    int result;

    look(&before);
    machine_fail_nth(n, onward);
    result = c->call();
    failed = machine_fail_stop();
    mmk_check(mm);
    if (result == MMK_ENOMEM) {
        assert_true(failed);
        look(&after);
        if (c->may & GROWS)
            keep_growth(&before, &after);
        if (c->may & PARTLY)
            keep_pages(&before, &after);
        expect_same(&before, &after);
        assert_int_equal(c->call(), 0);
        mmk_check(mm);
        *refused = true;
    } else {
        assert_int_equal(result, 0);
        if (failed && !(c->may & AROUND)) {
            print_message("%s: passed although allocation %lu failed\n", c->name, (unsigned long)n);
            assert_false(failed);
        }
    }
    (void)end(old);
    return failed;
}

/* => how many allocations the call makes */
static uint64_t sweep(const struct oom_case *c, bool crowded, bool onward, bool *refused)
{
    uint64_t n, free;
    struct mmk_mm *old = begin(c, crowded);

    free = end(old);
    for (n = 0; try(c, crowded, n, onward, refused); n++)
        if (frames_free() != free) {
            print_message("%s: allocation %lu failed, %ld frames lost\n", c->name, (unsigned long)n,
                          (long)(free - frames_free()));
            assert_int_equal(frames_free(), free);
        }
    assert_int_equal(frames_free(), free);
    return n;
}

static void test_case(void **state)
{
    const struct oom_case *c = *state;
    bool refused = false;
    uint64_t n = 0;

    n += sweep(c, false, false, &refused);
    n += sweep(c, false, true, &refused);
    n += sweep(c, true, false, &refused);
    n += sweep(c, true, true, &refused);
    print_message("%s: %lu allocations, %s\n", c->name, (unsigned long)n,
                  refused ? "refused without"
                  : n     ? "passed without"
                          : "needs none");
}

#define CASES (sizeof(cases) / sizeof(cases[0]))

int main(void)
{
    static struct CMUnitTest tests[CASES];
    void *state;
    size_t i;
    int failed;

    for (i = 0; i < CASES; i++) {
        tests[i].name = cases[i].name;
        tests[i].test_func = test_case;
        tests[i].initial_state = (void *)(uintptr_t)&cases[i];
    }
    if (fixture_setup(&state))
        return 1;
    failed = cmocka_run_group_tests_name("oom", tests, NULL, NULL);
    return fixture_teardown(&state) ? 1 : failed;
}
