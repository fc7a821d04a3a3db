/* SPDX-License-Identifier: MIT */
/*
 * test_translations.c - the deterministic machine finds what CPUs should no longer have cached, as
 * soon as they should not, and what hardware should not have been let find. The bodies are
 * libraries that flush too late, too little, or not at all.
 */
#include "planted.h"

/* A frame goes back with its translation cached. */
static void free_mapped_frame(unsigned page)
{
    struct mmk_page *frame;
    struct mmk_walk walk;

    find(page, &walk);
    frame = mmk_pte_page(mmk_pte_take(walk.entry));
    mmk_a32_store(&frame->user.mapcount, 0, MMK_RELAXED);
    mmk_page_put(frame);
}

static void free_frame_early(unsigned cpu)
{
    (void)cpu;
    free_mapped_frame(0);
}

static void free_frame_in_time(unsigned cpu)
{
    struct mmk_walk walk;
    mmk_pte_t pte;

    (void)cpu;
    find(0, &walk);
    pte = mmk_pte_take(walk.entry);
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
    mmk_a32_store(&mmk_pte_page(pte)->user.mapcount, 0, MMK_RELAXED);
    mmk_page_put(mmk_pte_page(pte));
    fibers_fail("so far so good");
}

static void test_freed_frame(void **state)
{
    EXPECT(map_four, free_frame_early, 2,
           "L1 a frame is freed that is still cached: CPU 0, TLB, address 0x10000");
    EXPECT(map_four, free_frame_in_time, 2, "so far so good");
}

/* The CPU looks away meanwhile, and back: nothing is flushed. */
static void free_while_away(bool again)
{
    struct mmk_page *frame;
    struct mmk_walk walk;
    uint64_t word;

    find(0, &walk);
    frame = mmk_pte_page(mmk_pte_read(walk.entry));
    machine_switch_mm(NULL);
    free_mapped_frame(0);
    expect(!again || mmk_page_alloc(0, MMK_ALLOC_ZERO) == frame);
    machine_switch_mm(world.mm);
    (void)get_word(0, &word);
}

static void access_freed_frame(unsigned cpu)
{
    (void)cpu;
    free_while_away(false);
}

static void access_frame_of_another(unsigned cpu)
{
    (void)cpu;
    free_while_away(true);
}

static void test_used_frame(void **state)
{
    const char *text = "L1 an access by a cached translation to a frame that was freed";

    EXPECT(map_four, access_freed_frame, 1, text);
    EXPECT(map_four, access_frame_of_another, 1, text);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void free_cached_table(unsigned cpu)
{
    struct mmk_walk walk;

    (void)cpu;
    find(0, &walk);
    mmk_pte_drop(walk.parent);
    mmk_frame_note(walk.table, 0, MMK_FRAME_UNLINKED);
    mmk_frame_note(walk.table, 0, MMK_FRAME_SPARE);
}

static void unflushed_table_waits(unsigned cpu)
{
    struct mmk_walk walk;

    (void)cpu;
    find(0, &walk);
    mmk_pte_drop(walk.parent);
    mmk_frame_note(walk.table, 0, MMK_FRAME_UNLINKED);
    mmk_table_retire(world.mm, walk.table);
}

static void test_cached_table(void **state)
{
    EXPECT(map_four, free_cached_table, 1,
           "L1 a frame is freed that is still cached: CPU 0, paging-structure cache");
    EXPECT(map_four, unflushed_table_waits, 1,
           "L1 a table was unlinked, all is flushed, and it is still cached");
}

/* Page 1 is in no TLB: the CPU has to walk. */
static void walk_by_cache(unsigned cpu)
{
    struct mmk_walk walk;
    uint64_t word;

    (void)cpu;
    find(0, &walk);
    machine_switch_mm(NULL);
    mmk_frame_note(walk.table, 0, MMK_FRAME_FREE);
    mmk_frame_note(walk.table, 0, MMK_FRAME_TABLE);
    machine_switch_mm(world.mm);
    (void)get_word(1, &word);
}

static void walk_from_root(unsigned cpu)
{
    struct mmk_walk walk;
    uint64_t word;

    (void)cpu;
    find(0, &walk);
    mmk_tlb_flush(world.mm, 0, MMK_USER_END);
    mmk_frame_note(walk.table, 0, MMK_FRAME_USED);
    (void)get_word(1, &word);
}

static void walk_after_flush(unsigned cpu)
{
    struct mmk_walk walk;
    uint64_t word;

    (void)cpu;
    find(0, &walk);
    mmk_tlb_flush(world.mm, 0, MMK_USER_END);
    mmk_frame_note(walk.table, 0, MMK_FRAME_WAITING);
    (void)get_word(1, &word);
}

static void test_walked_table(void **state)
{
    EXPECT(map_four, walk_by_cache, 1,
           "L1 a walk reads, by a paging-structure cache, a table that was freed");
    EXPECT(map_four, walk_from_root, 1, "T1 a walk reads as a table what is none");
    EXPECT(map_four, walk_after_flush, 1,
           "L1 a walk reads a table after the flush that followed its unlinking");
}

/* ---- flushes --------------------------------------------------------------------------------- */

static void say_flushed(unsigned first, unsigned pages)
{
    uint64_t begun = mmk_note_flush_begins();

    mmk_note_flush_ends(begun, world.mm->context.id, page_at(first), page_at(first + pages), false);
}

static void flush_nothing(unsigned cpu)
{
    if (cpu == 0)
        say_flushed(0, 1);
}

static void flush_too_little(unsigned cpu)
{
    uint64_t begun;

    if (cpu != 0)
        return;
    expect(put_word(2, 1) == MMK_FAULT_DONE);
    begun = mmk_note_flush_begins();
    mmk_tlb_flush(world.mm, page_at(0), page_at(2));
    mmk_note_flush_ends(begun, world.mm->context.id, page_at(0), page_at(3), false);
}

static void flush_other_pages(unsigned cpu)
{
    if (cpu == 0)
        say_flushed(1, 3);
}

/* What is filled during a flush is as new as the tables. */
static void fill_meanwhile(unsigned cpu)
{
    uint64_t begun;

    if (cpu != 0)
        return;
    begun = mmk_note_flush_begins();
    mmk_tlb_flush(world.mm, page_at(0), page_at(4));
    expect(put_word(0, 1) == MMK_FAULT_DONE);
    mmk_note_flush_ends(begun, world.mm->context.id, page_at(0), page_at(4), false);
}

static void test_flush(void **state)
{
    EXPECT(map_four, flush_nothing, 1,
           "L1 a flush has ended, and what is older is still cached: CPU 0, TLB, address 0x10000");
    EXPECT(map_four, flush_too_little, 1,
           "L1 a flush has ended, and what is older is still cached: CPU 0, TLB, address 0x12000");
    EXPECT(map_four, fill_meanwhile, 1, NULL);
}

static void test_flush_of_others(void **state)
{
    /* The table that leads to page 0 leads to page 1 as well. */
    EXPECT(map_four, flush_other_pages, 1,
           "L1 a flush has ended, and what is older is still cached: CPU 0, paging-structure");
}

static void enter_unflushed(unsigned cpu)
{
    (void)cpu;
    machine_switch_mm(NULL);
    say_flushed(0, 4);
    machine_switch_mm(world.mm);
}

static void enter_flushed(unsigned cpu)
{
    (void)cpu;
    machine_switch_mm(NULL);
    mmk_tlb_flush(world.mm, page_at(0), page_at(4));
    machine_switch_mm(world.mm);
}

static void lazy_unflushed(unsigned cpu)
{
    (void)cpu;
    machine_switch_lazy();
    say_flushed(0, 4);
    machine_switch_mm(world.mm);
}

static void test_enter(void **state)
{
    EXPECT(map_four, enter_unflushed, 1, "P17 a CPU has entered with what is older than a flush");
    EXPECT(map_four, lazy_unflushed, 1, "P17 a CPU has entered with what is older than a flush");
    EXPECT(map_four, enter_flushed, 1, NULL);
}

/* ---- at the end ------------------------------------------------------------------------------ */

/* => what it was; nobody is told */
static mmk_pte_t change_entry(mmk_pte_t (*change)(mmk_pte_t pte))
{
    struct mmk_walk walk;
    mmk_pte_t pte;

    find(0, &walk);
    pte = mmk_pte_read(walk.entry);
    while (!mmk_pte_change(walk.entry, &pte, change(pte)))
        continue;
    return pte;
}

static mmk_pte_t protect(mmk_pte_t pte)
{
    return mmk_pte_wrprotect(pte);
}

static mmk_pte_t clean(mmk_pte_t pte)
{
    return mmk_pte_mkclean(pte);
}

static void leave_writable(unsigned cpu)
{
    (void)cpu;
    change_entry(protect);
}

static void leave_dirty(unsigned cpu)
{
    (void)cpu;
    change_entry(clean);
}

static void flush_at_last(unsigned cpu)
{
    (void)cpu;
    change_entry(clean);
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
}

static void test_end(void **state)
{
    const char *text = "L1 all is done, and a translation allows what the tables do not";

    EXPECT(map_four, leave_writable, 1, text);
    EXPECT(map_four, leave_dirty, 1, text);
    EXPECT(map_four, flush_at_last, 1, NULL);
}

/* ---- speculation ----------------------------------------------------------------------------- */

/* Flushed before it is taken: wrong, but it shows only if somebody looks in between. */
static void flush_first(unsigned cpu)
{
    if (cpu != 0)
        return;
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
    free_mapped_frame(0);
    fibers_fail("nobody has looked");
}

/* Likewise its table, which is in paging-structure caches alone. */
static void flush_table_first(unsigned cpu)
{
    struct mmk_walk walk;

    if (cpu != 0)
        return;
    find(0, &walk);
    mmk_tlb_flush_tables(world.mm, 0, MMK_USER_END);
    mmk_pte_drop(walk.parent);
    mmk_frame_note(walk.table, 0, MMK_FRAME_UNLINKED);
    mmk_table_retire(world.mm, walk.table);
    fibers_fail("nobody has looked");
}

static void flush_table_of_lazy(unsigned cpu)
{
    if (cpu == 1) {
        machine_switch_lazy();
        reach(1);
        return;
    }
    wait_for(1);
    flush_table_first(cpu);
}

static void test_speculation(void **state)
{
    EXPECT(map_four, flush_first, 2, "nobody has looked");
    hardware = 1;
    EXPECT(map_four, flush_first, 2,
           "L1 a frame is freed that is still cached: CPU 0, TLB, address 0x10000");
    hardware = 3; /* 1, 2: page 0, and forgetting; then CPU 1 */
    EXPECT(map_four, flush_first, 2,
           "L1 a frame is freed that is still cached: CPU 1, TLB, address 0x10000");
    hardware = 0;
    EXPECT(map_four, flush_table_first, 2, "nobody has looked");
    hardware = 3;
    EXPECT(map_four, flush_table_first, 2,
           "L1 a table was unlinked, all is flushed, and it is still cached: CPU 1");
    EXPECT(map_four, flush_table_of_lazy, 2,
           "L1 a table was unlinked, all is flushed, and it is still cached: CPU 1");
}

static uint64_t walks(void)
{
    struct machine_stats stats;

    machine_stats_read(&stats);
    return stats.walks;
}

/* When page 1 appears, hardware may forget page 0. */
static void store_beside(unsigned cpu)
{
    uint64_t word, before;

    (void)cpu;
    expect(put_word(1, 1) == MMK_FAULT_DONE);
    before = walks();
    expect(get_word(0, &word) == MMK_FAULT_DONE);
    fibers_fail(walks() == before ? "kept" : "forgotten");
}

static void test_forgetting(void **state)
{
    hardware = 0;
    EXPECT(map_four, store_beside, 1, "kept");
    hardware = 2;
    EXPECT(map_four, store_beside, 1, "forgotten");
}

/* The page is taken, and walked to by speculation before, while CPU 0 walks to it itself. */
static void take_while_walking(unsigned cpu)
{
    enum mmk_fault_result first, second;
    struct mmk_walk walk;

    if (cpu == 1) {
        wait_for(1);
        find(0, &walk);
        hardware = 1;
        mmk_pte_drop(walk.entry);
        return;
    }
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
    machine_fail_nth(0, true); /* no fault brings another page */
    reach(1);
    first = put_word(0, 2);
    second = put_word(0, 3);
    if (first == MMK_FAULT_DONE)
        fibers_fail("found");
    fibers_fail(second == MMK_FAULT_DONE ? "left" : "dropped");
}

/* Wherever the CPUs change: a fault leaves no translation of its page behind. */
static void test_fault_drops(void **state)
{
    struct scenario scenario = {.cpus = 2, .setup = map_four, .body = take_while_walking};
    unsigned at, found = 0, dropped = 0;

    (void)state;
    hardware = 0;
    for (at = 1; at <= 60; at++) {
        switch_at = at;
        found += expect_panic(run_scenario, &scenario, "CPU 0: found");
        dropped += expect_panic(run_scenario, &scenario, "CPU 0: dropped");
    }
    switch_at = 0;
    assert_true(found > 0 && dropped > 0);
    assert_int_equal(found + dropped, 60);
}

/* ---- what a fault was about ------------------------------------------------------------------ */

static mmk_pte_t open_up(mmk_pte_t pte)
{
    return mmk_pte_mkwrite(pte);
}

/* Read-only as far as the TLB knows, and no longer so. */
static void store_by_old_rights(unsigned cpu)
{
    uint64_t word, before;

    (void)cpu;
    change_entry(protect);
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
    expect(get_word(0, &word) == MMK_FAULT_DONE && word == 1);
    change_entry(open_up);
    before = machine_faults_here();
    expect(put_word(0, 2) == MMK_FAULT_DONE);
    fibers_fail(machine_faults_here() == before ? "no fault" : "faulted");
}

/* Not there as far as the TLB knows. */
static void load_by_old_absence(unsigned cpu)
{
    uint64_t word, before;

    (void)cpu;
    machine_speculate(page_at(1));
    expect(mmk_fault(world.mm, page_at(1), MMK_ACCESS_READ) == MMK_FAULT_DONE);
    before = machine_faults_here();
    expect(get_word(1, &word) == MMK_FAULT_DONE && word == 0);
    fibers_fail(machine_faults_here() == before ? "no fault" : "faulted");
}

/* The library drops what the fault has left behind, or the access would fault for ever (P18). */
static void test_fault_keeps(void **state)
{
    EXPECT(map_four, store_by_old_rights, 1, "no fault");
    EXPECT(map_four, load_by_old_absence, 1, "no fault");
    mmu = MACHINE_KEEPS_FAULTED;
    EXPECT(map_four, store_by_old_rights, 1, "faulted");
    EXPECT(map_four, load_by_old_absence, 1, "no fault");
    mmu |= MACHINE_KEEPS_ABSENCE;
    EXPECT(map_four, load_by_old_absence, 1, "faulted");
    mmk_planted = MMK_MISTAKE_SPURIOUS_UNFLUSHED;
    EXPECT(map_four, store_by_old_rights, 1, "deadlock");
    EXPECT(map_four, load_by_old_absence, 1, "deadlock");
    mmk_planted = MMK_MISTAKE_NONE;
    mmu = 0;
}

/* ---- dirty pages ----------------------------------------------------------------------------- */

static struct mmk_object *file;
static uint64_t kept;

static int read_file(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    (void)index;
    memset(page, 0, PAGE);
    return 0;
}

static int write_file(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    (void)index;
    memcpy(&kept, page, sizeof(kept));
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = read_file, .write_page = write_file};

static void map_file(void)
{
    int64_t addr;

    expect(mmk_object_create(&file_ops, PAGE, NULL, &file) == 0);
    addr = mmk_mmap(world.mm, page_at(0), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, file, 0);
    expect(addr == (int64_t)page_at(0));
}

static void write_back(unsigned cpu)
{
    (void)cpu;
    expect(put_word(0, 1) == MMK_FAULT_DONE);
    expect(mmk_object_sync(file, 0, PAGE) == 0 && kept == 1);
    expect(put_word(0, 2) == MMK_FAULT_DONE);
    expect(mmk_munmap(world.mm, page_at(0), PAGE) == 0);
    mmk_object_put(file);
    expect(kept == 2);
}

/* Between the store and the end somebody takes the entry's dirty bit and tells nobody. */
static void lose_dirty_bit(unsigned cpu)
{
    (void)cpu;
    expect(put_word(0, 1) == MMK_FAULT_DONE);
    expect(mmk_object_sync(file, 0, PAGE) == 0 && kept == 1);
    expect(put_word(0, 2) == MMK_FAULT_DONE);
    mmk_page_clear(mmk_pte_page(change_entry(clean)), MMK_PF_DIRTY);
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
    expect(mmk_munmap(world.mm, page_at(0), PAGE) == 0);
    mmk_object_put(file);
}

static void test_dirty(void **state)
{
    EXPECT(map_file, write_back, 1, NULL);
    EXPECT(map_file, lose_dirty_bit, 1, "P5 a page is taken for clean that was stored to");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freed_frame),  cmocka_unit_test(test_used_frame),
        cmocka_unit_test(test_cached_table), cmocka_unit_test(test_walked_table),
        cmocka_unit_test(test_flush),        cmocka_unit_test(test_flush_of_others),
        cmocka_unit_test(test_enter),        cmocka_unit_test(test_end),
        cmocka_unit_test(test_speculation),  cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_fault_drops),  cmocka_unit_test(test_fault_keeps),
        cmocka_unit_test(test_dirty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
