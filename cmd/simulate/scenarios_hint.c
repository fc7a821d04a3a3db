/* SPDX-License-Identifier: MIT */
/*
 * scenarios_hint.c - tables know a mapping that they were used for, and mappings come and go
 * (src/vma_hint.h).
 */
#include "rules.h"

#define ROX (MMK_PROT_READ | MMK_PROT_EXEC)

/* Page 0 is a mapping of its own; pages 1 to 7 are the one that the table knows, which ends at 3.
 */
static void start_two(void)
{
    start_anon();
    store(0, 1); /* or the two would count for memory differently, and stay two */
    expect(mmk_mprotect(world.mm, page_at(0), PAGE, RO) == 0);
    store(2, 1);
}

/* Page 1 is one, too, and what the table knows. */
static void start_three(void)
{
    start_two();
    expect(mmk_mprotect(world.mm, page_at(1), PAGE, RW | MMK_PROT_EXEC) == 0);
    store(1, 1);
}

static bool stores(unsigned page, uint64_t word)
{
    enum mmk_fault_result result = put_word(page, word);

    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_ACCERR);
    return result == MMK_FAULT_DONE;
}

/* => 1: it was in time */
static uint64_t stores_or_gone(unsigned page, uint64_t word)
{
    enum mmk_fault_result result = put_word(page, word);

    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
    return result == MMK_FAULT_DONE;
}

static void expect_refused(unsigned page)
{
    expect(put_word(page, 9) == MMK_FAULT_SEGV_ACCERR);
}

/* --- it goes ------------------------------------------------------------------------------------
 */

/* What the table knows becomes part of the mapping below, while it is used. */
static void merge_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(1), 7 * PAGE, RO) == 0);
    else if (stores(3, 1))
        expect(look(3) == 1);
}

/* Its memory would be the next mapping's by now, which may be written to, and is elsewhere. */
static void merged_end(void)
{
    mmk_host_rcu_barrier();
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), 8 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(0));
    expect_refused(3);
    expect(look(2) == 1);
    put_other();
}

/* The table comes to know a mapping that goes, as another takes its range. */
static void learn_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(1), PAGE, RW) == 0);
    else
        store(3, 1);
}

static void learned_end(void)
{
    mmk_host_rcu_barrier();
    expect(look(1) == 1 && look(2) == 1 && look(3) == 1);
}

/* --- it is another's place ----------------------------------------------------------------------
 */

static void cut_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(1), PAGE, ROX) == 0);
    else if (stores(1, 1))
        expect(look(1) == 1);
}

static void cut_end(void)
{
    store(3, 1); /* which the table knows last */
    expect_refused(0);
    expect_refused(1);
}

/* The tables move, and know what they did. */
static void move_beside(unsigned cpu)
{
    if (cpu == 1)
        move_pages(0, 16, 8);
    else
        it.stored = stores_or_gone(3, 1);
}

static void moved_end(void)
{
    expect(put_word(16, 9) == MMK_FAULT_SEGV_ACCERR);
    expect(look(18) == 1);
    expect(look(19) == it.stored);
    store(20, 1);
}

/* A table and what it links: pages 0 to 15, which are read-only elsewhere then. */
static void start_linked(void)
{
    start_anon();
    map_pages(8, 8, RW, ANON);
    store(2, 1);
    expect(mmk_mm_create(&it.other) == 0);
    machine_switch_mm(it.other); /* so that nobody waits for this CPU to flush */
}

static void follow_beside(unsigned cpu)
{
    if (cpu == 1) {
        move_pages(0, 16, 16);
        expect(mmk_mprotect(world.mm, page_at(16), 16 * PAGE, RO) == 0);
        map_pages(0, 16, RW, ANON);
        store(1, 5);
    } else {
        enum mmk_fault_result result = mmk_fault(world.mm, page_at(3), MMK_ACCESS_WRITE);

        expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
    }
}

static void followed_end(void)
{
    machine_switch_mm(world.mm);
    put_other();
    mmk_check(world.mm);
    expect(look(1) == 5 && look(2) == 0 && look(18) == 1);
}

/* --- the table goes -----------------------------------------------------------------------------
 */

static void unmap_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(0, 8);
    else
        (void)stores_or_gone(3, 1);
}

const struct scenario scenarios_hint[] = {
    {.name = "hint.merged",
     .what = "a mapping that a table knows becomes part of another, while it is stored to",
     .cpus = 2,
     .setup = start_two,
     .body = merge_beside,
     .check = merged_end},
    {.name = "hint.learned",
     .what = "a table comes to know a mapping while that becomes part of another",
     .cpus = 2,
     .setup = start_three,
     .body = learn_beside,
     .check = learned_end},
    {.name = "hint.cut",
     .what = "a mapping that a table knows is cut, where it is stored to",
     .cpus = 2,
     .setup = start_two,
     .body = cut_beside,
     .check = cut_end},
    {.name = "hint.moved",
     .what = "two mappings in one table move, while one is stored to",
     .cpus = 2,
     .setup = start_two,
     .body = move_beside,
     .check = moved_end},
    {.name = "hint.followed",
     .what = "tables move, and another mapping comes to be there, while one is stored to",
     .cpus = 2,
     .setup = start_linked,
     .body = follow_beside,
     .check = followed_end},
    {.name = "hint.unmapped",
     .what = "a table goes with the mapping that it knows, while that is stored to",
     .cpus = 2,
     .setup = start_two,
     .body = unmap_beside},
    {.name = NULL},
};
