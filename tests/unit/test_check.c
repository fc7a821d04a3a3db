/* SPDX-License-Identifier: MIT */
/*
 * test_check.c - mmk_check() finds what it is there to find: one thing is broken on purpose, and
 * the panic must name the invariant. Each breaking happens in a child process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "expect_panic.h"
#include "pte_entry.h"
#include "run_cpus.h"
#include "table.h"
#include "zap.h"

/* What a broken address space has: see prepare(). */
static mmk_vaddr_t anon, zero, file_at, shared_at, frames_at;
static struct mmk_object *file;

static struct mmk_walk walk_to(mmk_vaddr_t addr)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    mmk_rcu_read_unlock();
    return walk;
}

static void set_entry(mmk_vaddr_t addr, mmk_pte_t pte)
{
    mmk_a64_store(walk_to(addr).entry, pte.v, MMK_RELAXED);
}

/* What of an entry, in whatever format, says that its frame is pfn. */
static uint64_t frame_bits(mmk_pfn_t pfn)
{
    return mmk_pte_leaf(pfn, false, false).v ^ mmk_pte_leaf(0, false, false).v;
}

static void set_frame(mmk_vaddr_t addr, mmk_pfn_t pfn)
{
    mmk_pte_t pte = peek_entry(mm, addr);

    pte.v ^= frame_bits(mmk_pte_pfn(pte)) ^ frame_bits(pfn);
    set_entry(addr, pte);
}

static struct mmk_page *leaf_table(mmk_vaddr_t addr)
{
    return walk_to(addr).table;
}

static void set_flags(mmk_vaddr_t addr, uint64_t flags)
{
    mmk_a32_store(&peek_vma(mm, addr)->flags, (uint32_t)flags, MMK_RELAXED);
}

/* And counts it, so that the entries are what is wrong. */
static void set_prot(mmk_vaddr_t addr, unsigned prot)
{
    struct mmk_vma *vma = peek_vma(mm, addr);
    uint64_t old_flags = mmk_vma_flags(vma), flags = (old_flags & ~(uint64_t)MMK_VM_PROT) | prot;

    mmk_account_turn(mm, old_flags, flags, mmk_vma_end(vma) - mmk_vma_start(vma));
    set_flags(addr, flags);
}

/* ---- the breakings ------------------------------------------------------------------------------
 */

static void live_too_high(void)
{
    leaf_table(anon)->table.live++;
}

static void entry_lost(void)
{
    set_entry(anon, (mmk_pte_t){0});
}

static void dead_but_linked(void)
{
    mmk_table_kill(leaf_table(anon));
}

static void wrong_parent(void)
{
    mmk_aptr_store(&leaf_table(anon)->table.parent, &file, MMK_RELAXED);
}

static void wrong_level(void)
{
    leaf_table(anon)->table.level = 1;
}

static void wrong_hint(void)
{
    static struct mmk_vma elsewhere;

    mmk_aptr_store(&leaf_table(anon)->table.vma, &elsewhere, MMK_RELAXED);
}

static void table_referenced(void)
{
    mmk_page_get(leaf_table(anon));
}

static void table_locked(void)
{
    mmk_table_lock(leaf_table(anon));
}

static void no_table(void)
{
    struct mmk_walk walk = walk_to(anon);

    mmk_a64_store(walk.parent, mmk_pte_link(mmk_page_to_pfn(peek_page(mm, anon))).v, MMK_RELAXED);
}

static void empty_table(void)
{
    struct mmk_page *table = leaf_table(shared_at);
    unsigned i;

    for (i = 0; i < MMK_PT_ENTRIES; i++)
        mmk_a64_store(&mmk_table_entries(table)[i], 0, MMK_RELAXED);
    table->table.live = 0;
}

static void rss_wrong(void)
{
    mmk_mm_count(mm, MMK_COUNT_RSS_ANON, 1);
}

static void rss_file_wrong(void)
{
    mmk_mm_count(mm, MMK_COUNT_RSS_FILE, -1);
}

static void tables_wrong(void)
{
    mmk_mm_count_tables(mm, 1, 1, 1);
}

static void flush_left_pending(void)
{
    mmk_a32_fetch_add(&mm->flush_pending, 1, MMK_RELAXED);
}

static void virt_wrong(void)
{
    mm->usage.virt += PAGE;
}

static void vmas_wrong(void)
{
    mm->vmas.count++;
}

static void mapcount_zero(void)
{
    mmk_a32_store(&peek_page(mm, anon)->user.mapcount, 0, MMK_RELAXED);
}

static void refs_too_low(void)
{
    mmk_a32_store(&peek_page(mm, anon)->user.mapcount, 2, MMK_RELAXED);
}

static void exclusive_but_shared(void)
{
    mmk_page_get(peek_page(mm, anon));
    mmk_a32_store(&peek_page(mm, anon)->user.mapcount, 2, MMK_RELAXED);
}

static void pin_without_reference(void)
{
    mmk_a32_store(&peek_page(mm, anon)->user.pins, 1, MMK_RELAXED);
}

static void pinned_but_shared(void)
{
    mmk_page_get(peek_page(mm, anon));
    mmk_a32_store(&peek_page(mm, anon)->user.pins, 1, MMK_RELAXED);
    mmk_page_clear(peek_page(mm, anon), MMK_PF_EXCLUSIVE);
}

static void writable_but_shared(void)
{
    mmk_page_clear(peek_page(mm, anon), MMK_PF_EXCLUSIVE);
}

static void entry_outside(void)
{
    struct mmk_walk walk = walk_to(anon - PAGE);

    mmk_a64_store(walk.entry, peek_entry(mm, zero).v, MMK_RELAXED);
    walk.table->table.live++;
}

static void vma_shorter(void)
{
    struct mmk_vma *vma = peek_vma(mm, anon);

    mmk_a64_store(&vma->end, mmk_vma_start(vma) + PAGE, MMK_RELAXED);
}

static void vma_misaligned(void)
{
    mmk_a64_store(&peek_vma(mm, anon)->start, anon + 1, MMK_RELAXED);
}

static void vma_overlaps(void)
{
    mmk_a64_store(&peek_vma(mm, file_at)->start, anon, MMK_RELAXED);
}

static void vma_of_another(void)
{
    peek_vma(mm, anon)->mm = NULL;
}

static void vma_shared_without_object(void)
{
    set_flags(anon, mmk_vma_flags(peek_vma(mm, anon)) | MMK_VM_SHARED);
}

static void interval_wrong(void)
{
    peek_vma(mm, file_at)->interval.last--;
}

static void not_present(void)
{
    set_entry(anon, (mmk_pte_t){frame_bits(mmk_pte_pfn(peek_entry(mm, anon)))});
}

static void no_frame(void)
{
    set_frame(anon, 0x7ffffff);
}

static void accessible_though_none(void)
{
    set_prot(anon, MMK_PROT_NONE);
}

static void writable_though_not(void)
{
    set_prot(anon, MMK_PROT_READ);
}

static void executable_though_not(void)
{
    set_entry(anon, mmk_pte_protect(peek_entry(mm, anon), true, true, true));
}

static void zero_page_writable(void)
{
    set_entry(zero, mmk_pte_mkwrite(peek_entry(mm, zero)));
}

static void zero_page_counted(void)
{
    mmk_pte_t pte = peek_entry(mm, zero);

    pte.v &= ~mmk_pte_mkspecial((mmk_pte_t){0}).v;
    set_entry(zero, pte);
}

static void special_in_object(void)
{
    set_entry(file_at, mmk_pte_mkspecial(peek_entry(mm, file_at)));
}

static void special_other_frame(void)
{
    set_entry(anon, mmk_pte_mkspecial(mmk_pte_wrprotect(peek_entry(mm, anon))));
}

static void unknown_marker(void)
{
    set_entry(zero, (mmk_pte_t){mmk_pte_mkguard().v * 3});
}

static void set_guard(mmk_vaddr_t addr, uint32_t live)
{
    struct mmk_walk walk = walk_to(addr);

    mmk_a64_store(walk.entry, mmk_pte_mkguard().v, MMK_RELAXED);
    mmk_pte_get_many(walk.table, live);
}

static void guard_outside(void)
{
    set_guard(anon - PAGE, 1);
}

static void guard_unexpected(void)
{
    set_guard(zero + PAGE, 1);
}

static void guard_not_counted(void)
{
    set_flags(zero, mmk_vma_flags(peek_vma(mm, zero)) | MMK_VM_GUARDED);
    set_guard(zero + PAGE, 0);
}

static void maps_a_table(void)
{
    set_frame(anon, mmk_page_to_pfn(leaf_table(anon)));
}

static void another_objects_page(void)
{
    mmk_aptr_store(&peek_page(mm, file_at)->user.object, NULL, MMK_RELAXED);
}

static void object_page_in_anon(void)
{
    set_entry(anon, mmk_pte_wrprotect(peek_entry(mm, anon)));
    set_frame(anon, mmk_page_to_pfn(peek_page(mm, file_at)));
}

static void anon_page_in_shared(void)
{
    set_frame(shared_at, mmk_page_to_pfn(peek_page(mm, anon)));
}

static void wrong_index(void)
{
    peek_page(mm, file_at)->user.index++;
}

static void beyond_size(void)
{
    mmk_a64_store(&file->size, 0, MMK_RELAXED);
}

static void object_refs_low(void)
{
    mmk_a32_store(&peek_page(mm, file_at)->user.mapcount, 5, MMK_RELAXED);
}

static void private_but_writable(void)
{
    set_entry(file_at, mmk_pte_mkwrite(peek_entry(mm, file_at)));
}

static void locked_on_fault_only(void)
{
    mmk_a32_fetch_or(&peek_vma(mm, anon)->flags, MMK_VM_LOCKONFAULT, MMK_RELAXED);
}

static void frames_locked(void)
{
    mmk_a32_fetch_or(&peek_vma(mm, frames_at)->flags, MMK_VM_LOCK, MMK_RELAXED);
}

static const struct {
    void (*breaking)(void);
    const char *says;
} breakings[] = {
    {live_too_high, "T2 live equals"},
    {entry_lost, "T2 live equals"},
    {dead_but_linked, "T1 a linked table is not dead"},
    {wrong_parent, "T1 a table knows the entry"},
    {wrong_level, "T1 a table knows its level"},
    {wrong_hint, "VH1 a table's hint is of its address space"},
    {table_referenced, "F1 a table has one reference"},
    {table_locked, "a quiet table is not locked"},
    {no_table, "T1 an upper entry links a table"},
    {empty_table, "T3 no linked table below the root is empty"},
    {rss_wrong, "C1 RSS"},
    {rss_file_wrong, "C1 RSS"},
    {tables_wrong, "C1 tables"},
    {flush_left_pending, "P2 no flush is pending"},
    {virt_wrong, "C1 mapped bytes"},
    {vmas_wrong, "VT6 the tree's count"},
    {mapcount_zero, "F1 every mapping and pin of an anonymous"},
    {refs_too_low, "F1 every mapping and pin of an anonymous"},
    {exclusive_but_shared, "P9 an exclusive page has one mapping"},
    {pin_without_reference, "F1 every mapping and pin of an anonymous"},
    {pinned_but_shared, "P9 a pinned anonymous page is exclusive"},
    {writable_but_shared, "P9 a writable anonymous page is exclusive"},
    {entry_outside, "R1 an entry lies in a VMA"},
    {vma_shorter, "VT1 a leaf's key"},
    {vma_misaligned, "VT3 a leaf's gap"},
    {vma_overlaps, "VT1 VMAs are in order"},
    {locked_on_fault_only, "ML1 LOCKONFAULT comes with LOCKED"},
    {frames_locked, "ML2 frames that are not mmkit's"},
    {vma_of_another, "a VMA knows its address space"},
    {vma_shared_without_object, "a shared mapping has an object"},
    {interval_wrong, "R1 a VMA's interval"},
    {not_present, "an entry that is not none maps a frame"},
    {no_frame, "an entry that is not none maps a frame"},
    {accessible_though_none, "an entry is accessible when its VMA is"},
    {writable_though_not, "a writable entry's VMA allows it"},
    {executable_though_not, "an entry may be executed as its VMA"},
    {zero_page_writable, "P18 a special entry"},
    {zero_page_counted, "P18 the zero page's entries"},
    {special_in_object, "P18 a special entry"},
    {special_other_frame, "P18 a special entry"},
    {unknown_marker, "an entry that is not none maps a frame, or"},
    {guard_outside, "R1 an entry lies in a VMA"},
    {guard_unexpected, "a VMA with guards says so"},
    {guard_not_counted, "T2 live equals"},
    {maps_a_table, "R1 an entry maps a user page"},
    {another_objects_page, "R1 an object's page is mapped by a VMA of that object"},
    {object_page_in_anon, "R1 an object's page is mapped by a VMA of that object"},
    {anon_page_in_shared, "R1 a shared mapping has no private page"},
    {wrong_index, "R1 at the place of its index"},
    {beyond_size, "P4 below the object's size"},
    {object_refs_low, "F1 every mapping, every pin and the index"},
    {private_but_writable, "an object's page is writable through shared"},
};

static void break_and_check(void *breaking)
{
    (*(void (**)(void))breaking)();
    mmk_check(mm);
}

static void prepare(void)
{
    file = new_file(4);
    anon = map_at(1, 4, RW, ANON);
    fill(anon, 2, 1);
    zero = anon + 2 * PAGE;
    expect_byte(zero, 0);
    file_at = map_object_at(8, 4, RW, MMK_MAP_PRIVATE, file, 0);
    expect_byte(file_at, 1);
    shared_at = map_at(2 * GIB / PAGE, 4, RW, SHARED_ANON);
    store_byte(shared_at, 1);
    frames_at = shared_at + 8 * PAGE;
    assert_int_equal(mmk_map_frames(mm, frames_at, PAGE, RW, MMK_MAP_FIXED, PAGE), frames_at);
    mmk_check(mm);
}

static void test_breakings(void **state)
{
    unsigned failed = 0;
    size_t i;

    (void)state;
    prepare();
    for (i = 0; i < sizeof(breakings) / sizeof(breakings[0]); i++) {
        void (*breaking)(void) = breakings[i].breaking;

        if (!expect_panic(break_and_check, &breaking, breakings[i].says)) {
            print_message("breaking %zu\n", i);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
    mmk_check(mm);
    mmk_object_put(file);
}

/* ---- around one address
 * -------------------------------------------------------------------------- */

static void check_anon_address(void *breaking)
{
    (*(void (**)(void))breaking)();
    mmk_check_address(mm, anon);
}

static void empty_path(void)
{
    struct mmk_page *upper = mmk_virt_to_page(walk_to(shared_at).parent);

    mmk_a64_store(walk_to(shared_at).parent, 0, MMK_RELAXED);
    upper->table.live = 0;
}

static void check_shared_address(void *unused)
{
    (void)unused;
    empty_path();
    mmk_check_address(mm, shared_at);
}

static void test_one_address(void **state)
{
    static const struct {
        void (*breaking)(void);
        const char *says;
    } found[] = {
        {live_too_high, "T2"},
        {dead_but_linked, "T1"},
        {vma_of_another, "knows its address space"},
        {mapcount_zero, "F1"},
    };
    size_t i;

    (void)state;
    prepare();
    mmk_check_address(mm, anon);
    mmk_check_address(mm, anon - PAGE);
    mmk_check_address(mm, zero);
    mmk_check_address(mm, 0);
    mmk_check_address(mm, UINT64_MAX);
    mmk_check_address(mm, shared_at + GIB);
    for (i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        void (*breaking)(void) = found[i].breaking;

        assert_true(expect_panic(check_anon_address, &breaking, found[i].says));
    }
    assert_true(expect_panic(check_shared_address, NULL, "T3"));
    mmk_object_put(file);
}

/* ---- objects
 * --------------------------------------------------------------------------------------- */

static void object_count_wrong(void *unused)
{
    (void)unused;
    file->pages.count++;
    mmk_check_object(file);
}

static void object_index_wrong(void *unused)
{
    (void)unused;
    peek_page(mm, file_at)->user.index++;
    mmk_check_object(file);
}

static void object_page_refs_wrong(void *unused)
{
    (void)unused;
    mmk_a32_store(&peek_page(mm, file_at)->user.mapcount, 5, MMK_RELAXED);
    mmk_check_object(file);
}

static void test_object(void **state)
{
    (void)state;
    prepare();
    mmk_check_object(file);
    assert_true(expect_panic(object_count_wrong, NULL, "count"));
    assert_true(expect_panic(object_index_wrong, NULL, "O1 user.index"));
    assert_true(expect_panic(object_page_refs_wrong, NULL, "F1"));
    mmk_object_put(file);
}

/* ---- calls that only a broken embedder makes
 * ------------------------------------------------------- */

static void put_while_running(void *unused)
{
    (void)unused;
    mmk_mm_put(mm);
}

static void enter_twice(void *unused)
{
    (void)unused;
    (void)mmk_mm_enter(mm);
}

static void leave_twice(void *unused)
{
    (void)unused;
    machine_switch_mm(NULL);
    mmk_mm_leave(mm);
}

static void shut_down(void *unused)
{
    (void)unused;
    mmk_shutdown();
}

static void test_misuse(void **state)
{
    (void)state;
    assert_true(expect_panic(put_while_running, NULL, "P17"));
    assert_true(expect_panic(enter_twice, NULL, "a CPU enters an mm once"));
    assert_true(expect_panic(leave_twice, NULL, "a CPU leaves the mm that it entered"));
    assert_true(expect_panic(shut_down, NULL, "no address space is left"));
}

/* ---- others at work -------------------------------------------------------------------------- */

enum { LOOKS = 100000, ROUNDS = 2000, PINS = 50 };

static struct {
    struct mmk_mm *child;
    struct mmk_a32 rounds, stop;
} others;

/* A child of `mm` has a child; pins the object's page; drops it, and finds it again. */
static void share_all_the_time(unsigned cpu, void *unused)
{
    struct mmk_mm *grandchild;
    struct mmk_page *page;
    unsigned i;

    (void)cpu;
    (void)unused;
    while (!mmk_a32_load(&others.stop, MMK_ACQUIRE)) {
        check(mmk_fork(others.child, &grandchild) == 0);
        mmk_mm_put(grandchild);
        for (i = 0; i < PINS; i++) {
            check(mmk_pin_pages(others.child, BASE + 8 * PAGE, 1, 0, &page) == 1);
            mmk_unpin_pages(&page, 1, false);
        }
        check(mmk_madvise(others.child, BASE + 8 * PAGE, PAGE, MMK_MADV_DONTNEED) == 0);
        mmk_a32_fetch_add(&others.rounds, 1, MMK_RELAXED);
    }
}

/* An address space is checked while others map, pin and let go of pages that it maps. */
static void test_shared_pages(void **state)
{
    struct mmk_object *object = new_shmem(1);
    struct cpu_thread thread;
    unsigned i;

    (void)state;
    store_byte(map_at(0, 1, RW, ANON), 1);
    store_byte(map_object_at(8, 1, RW, MMK_MAP_SHARED, object, 0), 1);
    assert_int_equal(mmk_fork(mm, &others.child), 0);
    mmk_a32_store(&others.rounds, 0, MMK_RELAXED);
    mmk_a32_store(&others.stop, 0, MMK_RELAXED);
    cpu_start(&thread, 1, share_all_the_time, NULL);
    for (i = 0; i < LOOKS || mmk_a32_load(&others.rounds, MMK_RELAXED) < ROUNDS; i++) {
        mmk_check(mm);
        mmk_cpu_relax();
    }
    mmk_a32_store(&others.stop, 1, MMK_RELEASE);
    machine_idle_begin();
    cpu_join(&thread);
    machine_idle_end();
    put_mm(others.child);
    mmk_object_put(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_breakings), TEST(test_one_address),  TEST(test_object),
        TEST(test_misuse),    TEST(test_shared_pages),
    };

    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
