/* SPDX-License-Identifier: MIT */
/*
 * test_frames.c - the deterministic machine finds each use of memory that is not what its user
 * takes it for. The bodies are libraries that make the mistake.
 */
#include "planted.h"

#include "slab.h"
#include "table_memory.h"
#include "tlb.h"

/* ---- the library's own accesses -------------------------------------------------------------- */

static void use_frame(unsigned cpu)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_ZERO);
    struct mmk_a64 *word = (struct mmk_a64 *)mmk_page_virt(page);

    (void)cpu;
    expect(mmk_a64_load(word + 7, MMK_RELAXED) == 0);
    mmk_page_put(page);
}

static void test_frame_in_time(void **state)
{
    EXPECT(map_four, use_frame, 2, NULL);
}

static void use_freed_frame(unsigned cpu)
{
    struct mmk_page *page = mmk_page_alloc(0, 0);
    struct mmk_a64 *word = (struct mmk_a64 *)mmk_page_virt(page);

    (void)cpu;
    mmk_page_put(page);
    (void)mmk_a64_load(word + 7, MMK_RELAXED);
}

static void test_freed_frame(void **state)
{
    EXPECT(map_four, use_freed_frame, 1, "F1 a freed frame is used");
}

static void use_freed_block(unsigned cpu)
{
    struct mmk_page *page = mmk_page_alloc(2, 0);
    char *block = mmk_page_virt(page);

    (void)cpu;
    mmk_page_put(page);
    mmk_a32_store((struct mmk_a32 *)(void *)(block + 3 * PAGE), 1, MMK_RELAXED);
}

static void test_freed_block(void **state)
{
    EXPECT(map_four, use_freed_block, 1, "F1 a freed frame is used");
}

/* Not by an atomic access: what is found there is no use to anybody. */
__attribute__((no_sanitize("address"))) static void read_freed_frame(unsigned cpu)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_ZERO);
    const volatile unsigned char *bytes = mmk_page_virt(page);

    (void)cpu;
    expect(bytes[100] == 0);
    mmk_page_put(page);
    expect(bytes[100] != 0 && bytes[4095] != 0);
}

static void test_freed_bytes(void **state)
{
    EXPECT(map_four, read_freed_frame, 1, NULL);
}

static struct mmk_slab_cache cache;

static void with_cache(void)
{
    mmk_slab_cache_init(&cache, "test", 48);
}

static void use_freed_object(unsigned cpu)
{
    char *first = mmk_slab_alloc(&cache, 0), *second = mmk_slab_alloc(&cache, 0);

    (void)cpu;
    mmk_slab_free(&cache, first);
    mmk_a64_store((struct mmk_a64 *)(void *)(second + 40), 1, MMK_RELAXED);
    mmk_a64_store((struct mmk_a64 *)(void *)(first + 40), 1, MMK_RELAXED);
}

static void test_freed_object(void **state)
{
    EXPECT(with_cache, use_freed_object, 1, "a freed object is used");
}

static void use_object_again(unsigned cpu)
{
    struct mmk_a64 *object = mmk_slab_alloc(&cache, 0);

    (void)cpu;
    mmk_slab_free(&cache, object);
    object = mmk_slab_alloc(&cache, 0);
    mmk_a64_store(object + 5, 1, MMK_RELAXED);
    mmk_slab_free(&cache, object);
}

static void test_object_again(void **state)
{
    EXPECT(with_cache, use_object_again, 1, NULL);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* CPU 1 has found a table without a lock when CPU 0 unmaps all that is in it. */
static void look_while_unmapped(unsigned cpu, bool write)
{
    struct mmk_walk walk;

    if (cpu == 0) {
        wait_for(1);
        expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
        reach(2);
        return;
    }
    mmk_rcu_read_lock();
    mmk_walk_rcu(world.mm, page_at(0), &walk);
    reach(1);
    wait_for(2);
    expect(mmk_pte_none(mmk_pte_read(walk.entry)));
    if (write)
        mmk_pte_set(walk.entry, mmk_pte_link(1));
    mmk_rcu_read_unlock();
}

static void read_dead_table(unsigned cpu)
{
    look_while_unmapped(cpu, false);
}

static void set_in_dead_table(unsigned cpu)
{
    look_while_unmapped(cpu, true);
}

static void test_dead_table(void **state)
{
    EXPECT(map_four, read_dead_table, 2, NULL);
    EXPECT(map_four, set_in_dead_table, 2, "P6 an entry of a dead table is changed");
}

/* What no hardware looks at may be stored over. */
static void store_over_absent(unsigned cpu)
{
    struct mmk_walk walk;

    (void)cpu;
    find(0, &walk);
    expect(mmk_pte_none(mmk_pte_read(walk.entry + 1)));
    mmk_pte_set(walk.entry + 1, mmk_pte_mkguard());
    mmk_pte_set(walk.entry + 1, mmk_pte_mkspecial(mmk_pte_leaf(1, false, false)));
    mmk_pte_drop(walk.entry + 1);
}

static void store_over_entry(unsigned cpu)
{
    struct mmk_walk walk;

    (void)cpu;
    find(0, &walk);
    mmk_pte_set(walk.entry, mmk_pte_wrprotect(mmk_pte_read(walk.entry)));
}

/* Unmapped by a store. */
static void clear_entry(unsigned cpu)
{
    struct mmk_walk walk;

    (void)cpu;
    find(0, &walk);
    mmk_a64_store(walk.entry, 0, MMK_RELAXED);
}

static void exchange_entry(unsigned cpu)
{
    struct mmk_walk walk;
    mmk_pte_t pte;

    (void)cpu;
    find(0, &walk);
    pte = mmk_pte_read(walk.entry);
    expect(mmk_pte_change(walk.entry, &pte, mmk_pte_wrprotect(pte)));
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
}

static void map_dirty(void)
{
    map_pages(0, 4, RW, MMK_MAP_SHARED | MMK_MAP_ANONYMOUS);
    expect(put_word(0, 1) == MMK_FAULT_DONE);
}

/* What the exchange has found is thrown away. */
static void drop_entry(unsigned cpu)
{
    struct mmk_walk walk;
    mmk_pte_t pte;

    (void)cpu;
    find(0, &walk);
    pte = mmk_pte_read(walk.entry);
    mmk_pte_drop(walk.entry);
    mmk_tlb_flush(world.mm, page_at(0), page_at(1));
    mmk_pte_set(walk.entry, pte);
}

static void test_dropped_entry(void **state)
{
    EXPECT(map_four, drop_entry, 1, NULL);
    EXPECT(map_dirty, drop_entry, 1, "P13 what hardware has set for an object's page is looked at");
}

static void test_stored_entry(void **state)
{
    EXPECT(map_four, store_over_entry, 1, "P13 a present entry is changed by a plain store");
    EXPECT(map_unseen, store_over_entry, 1, "P13 a present entry is changed by a plain store");
    EXPECT(map_four, clear_entry, 1, "P13 a present entry is changed by a plain store");
    EXPECT(map_four, exchange_entry, 1, NULL);
    EXPECT(map_four, store_over_absent, 1, NULL);
}

/* The same without a read section: the grace period does not wait. */
static void read_without_section(unsigned cpu)
{
    struct mmk_walk walk;

    if (cpu == 0) {
        wait_for(1);
        expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
        mmk_table_drain_limbo();
        mmk_host_rcu_barrier();
        reach(2);
        return;
    }
    find(0, &walk);
    reach(1);
    wait_for(2);
    (void)mmk_pte_read(walk.entry);
}

static void test_read_without_section(void **state)
{
    EXPECT(map_four, read_without_section, 2, "P11 a freed table is used");
}

/* Inside a section, but whoever frees the table does not wait for it. */
static void free_without_grace_period(unsigned cpu)
{
    struct mmk_walk walk;

    if (cpu == 0) {
        wait_for(1);
        find(0, &walk);
        mmk_page_put(walk.table);
        reach(2);
        return;
    }
    mmk_rcu_read_lock();
    mmk_walk_rcu(world.mm, page_at(0), &walk);
    reach(1);
    wait_for(2);
    (void)mmk_pte_read(walk.entry);
    mmk_rcu_read_unlock();
}

static void test_no_grace_period(void **state)
{
    EXPECT(map_unseen, free_without_grace_period, 2, "F1 a freed frame is used");
}

/* The reader does not look again: that it might have is enough. */
static void hurry(unsigned cpu)
{
    struct mmk_walk walk;

    if (cpu == 0) {
        wait_for(1);
        find(0, &walk);
        mmk_frame_note(walk.table, 0, MMK_FRAME_UNLINKED);
        mmk_frame_note(walk.table, 0, MMK_FRAME_SPARE);
        return;
    }
    mmk_rcu_read_lock();
    reach(1);
    wait_for(2);
    mmk_rcu_read_unlock();
}

static void hurry_without_readers(unsigned cpu)
{
    struct mmk_walk walk;

    (void)cpu;
    mmk_rcu_read_lock();
    find(0, &walk);
    mmk_rcu_read_unlock();
    mmk_rcu_read_lock();
    mmk_frame_note(walk.table, 0, MMK_FRAME_UNLINKED);
    mmk_rcu_read_unlock();
    mmk_frame_note(walk.table, 0, MMK_FRAME_SPARE);
    mmk_frame_note(walk.table, 0, MMK_FRAME_TABLE);
    expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
}

static void test_hurried_table(void **state)
{
    EXPECT(map_unseen, hurry, 2, "P11 a table is given back that a reader may still be in");
    EXPECT(map_unseen, hurry_without_readers, 1, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_in_time),   cmocka_unit_test(test_freed_frame),
        cmocka_unit_test(test_freed_block),     cmocka_unit_test(test_freed_bytes),
        cmocka_unit_test(test_freed_object),    cmocka_unit_test(test_object_again),
        cmocka_unit_test(test_dead_table),      cmocka_unit_test(test_read_without_section),
        cmocka_unit_test(test_no_grace_period), cmocka_unit_test(test_hurried_table),
        cmocka_unit_test(test_stored_entry),    cmocka_unit_test(test_dropped_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
