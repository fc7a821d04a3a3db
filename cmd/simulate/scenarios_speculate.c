/* SPDX-License-Identifier: MIT */
/*
 * scenarios_speculate.c - a fault that has not taken the mmap lock, beside whoever changes its
 * mapping meanwhile (src/vma.h).
 *
 * The mapping has private pages, and the table is there: so it has nothing to lock for.
 */
#include "rules.h"

#include <mmkit/port/cpu.h>

/* Pages 0 and 4, of which each has a table of its own where tables are small. */
static void start_used(void)
{
    start_anon();
    store(0, 1);
    store(4, 1);
}

/* Page 0 is another mapping, which keeps the table. */
static void start_beside(void)
{
    start_anon();
    expect(mmk_mprotect(world.mm, page_at(0), PAGE, RW | MMK_PROT_EXEC) == 0);
    store(0, 1);
    store(2, 1);
}

static void start_shared(void)
{
    start_used();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

static bool stores(unsigned page, uint64_t word, enum mmk_fault_result refused)
{
    enum mmk_fault_result result = put_word(page, word);

    expect(result == MMK_FAULT_DONE || result == refused);
    return result == MMK_FAULT_DONE;
}

static void expect_refused(unsigned page, enum mmk_fault_result refused)
{
    expect(put_word(page, 2) == refused);
}

/* --- two ----------------------------------------------------------------------------------------
 */

static void store_both(unsigned cpu)
{
    uint64_t word;

    store(1, cpu + 1);
    word = look(1);
    expect(word == 1 || word == 2);
}

/* --- it goes ------------------------------------------------------------------------------------
 */

static void unmap_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(1, 7);
    else
        (void)stores(1, 1, MMK_FAULT_SEGV_MAPERR);
}

static void copy_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(0, 8);
    else
        (void)stores(0, 2, MMK_FAULT_SEGV_MAPERR);
}

static void unmapped_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_MAPERR);
    expect(look(0) == 1);
}

static void uncopied_end(void)
{
    expect_refused(0, MMK_FAULT_SEGV_MAPERR);
    put_other();
}

static void trim_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(1, 7);
    else
        (void)stores(1, 1, MMK_FAULT_SEGV_MAPERR);
}

static void trimmed_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_MAPERR);
    expect(look(0) == 1);
}

/* What is there then is another mapping, of which nobody has written a word. */
static void replace_beside(unsigned cpu)
{
    if (cpu == 1)
        map_pages(0, 8, RO, ANON | MMK_MAP_FIXED);
    else if (stores(1, 1, MMK_FAULT_SEGV_ACCERR))
        expect(look(1) <= 1);
}

static void replaced_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_ACCERR);
    expect(look(1) == 0);
}

/* --- it changes ---------------------------------------------------------------------------------
 */

static void protect_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(0), 8 * PAGE, RO) == 0);
    else
        (void)stores(1, 1, MMK_FAULT_SEGV_ACCERR);
}

static void protected_end(void)
{
    expect_refused(1, MMK_FAULT_SEGV_ACCERR);
    expect(look(0) == 1 && look(1) <= 1);
}

static void split_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(1), PAGE, RO) == 0);
    else
        (void)stores(1, 1, MMK_FAULT_SEGV_ACCERR);
}

/* --- it moves -----------------------------------------------------------------------------------
 */

/* The second table waits to come back: a fault may link it that has not locked. */
static void start_waiting(void)
{
    start_used();
    dontneed(4, 1);
}

/* What was stored in time has moved, too; for which there has to be a table. */
static void move_beside(unsigned cpu)
{
    if (cpu == 1)
        move_pages(0, 17, 8);
    else
        it.stored = stores(5, 1, MMK_FAULT_SEGV_MAPERR);
}

static void moved_end(void)
{
    expect_refused(5, MMK_FAULT_SEGV_MAPERR);
    expect(look(17) == 1);
    expect(look(22) == it.stored);
}

/* The old mapping stays, and has no private pages any more. */
static void leave_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mremap(world.mm, page_at(1), 7 * PAGE, 7 * PAGE,
                          MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP,
                          page_at(18)) == (int64_t)page_at(18));
    else
        store(1, 2);
}

static void left_end(void)
{
    uint64_t here = look(1), there = look(18);

    expect((here == 2 && there == 0) || (here == 0 && there == 2));
    expect(look(2) == 0 && look(19) == 1);
}

/* Whoever comes to the new place finds what was at the old one, or nothing is there yet. */
static void arrive_beside(unsigned cpu)
{
    if (cpu == 1) {
        move_pages(0, 16, 8);
    } else {
        uint64_t word = look(16);

        expect(word == 1 || word == ~(uint64_t)0);
    }
}

static void arrived_end(void)
{
    expect(look(16) == 1 && look(20) == 1);
}

/* --- a copy of it -------------------------------------------------------------------------------
 */

/* One moment's: who has the later word has the earlier one. */
static void fork_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        return;
    }
    store(1, 1);
    store(5, 1);
}

static void forked_end(void)
{
    expect(word_of(it.other, 5) == 0 || word_of(it.other, 1) == 1);
    expect(look(1) == 1 && look(5) == 1);
    put_other();
}

/* --- a mirror ------------------------------------------------------------------------------------
 */

static void lock_mirror(void)
{
    while (mmk_a32_xchg(&it.mirror_lock, 1, MMK_ACQUIRE))
        mmk_cpu_relax();
}

static void unlock_mirror(void)
{
    mmk_a32_store(&it.mirror_lock, 0, MMK_RELEASE);
}

static int drop(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    lock_mirror();
    if (range->start <= page_at(0) && page_at(0) < range->end)
        it.mirrored = 0;
    unlock_mirror();
    return 0;
}

static void start_mirrored(void)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = drop};

    start_shared();
    it.notifier.ops = &ops;
}

static void copy_beside_mirror(unsigned cpu)
{
    mmk_paddr_t phys;
    unsigned prot;
    uint64_t seq;

    if (cpu == 0) {
        store(0, 2);
        return;
    }
    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
    seq = mmk_notifier_read_begin(&it.notifier);
    if (mmk_translate(world.mm, page_at(0), MMK_ACCESS_READ, &phys, &prot) != 0)
        return;
    lock_mirror();
    if (!mmk_notifier_read_retry(&it.notifier, seq))
        it.mirrored = phys;
    unlock_mirror();
}

static void mirrored_end(void)
{
    put_mirror(); /* it has what is there, or nothing */
    expect(look(0) == 2);
    put_other();
}

const struct scenario scenarios_speculate[] = {
    {.name = "speculate.two",
     .what = "two first writes to one page",
     .cpus = 2,
     .setup = start_used,
     .body = store_both},
    {.name = "speculate.unmapped",
     .what = "a page is stored to while its mapping goes",
     .cpus = 2,
     .setup = start_beside,
     .body = unmap_beside,
     .check = unmapped_end},
    {.name = "speculate.copied",
     .what = "a page is copied while its mapping goes",
     .cpus = 2,
     .setup = start_shared,
     .body = copy_beside,
     .check = uncopied_end},
    {.name = "speculate.trimmed",
     .what = "a page is stored to while its part of the mapping goes",
     .cpus = 2,
     .setup = start_used,
     .body = trim_beside,
     .check = trimmed_end},
    {.name = "speculate.replaced",
     .what = "a page is stored to while another mapping comes in the place of its own",
     .cpus = 2,
     .setup = start_used,
     .body = replace_beside,
     .check = replaced_end},
    {.name = "speculate.protected",
     .what = "a page is stored to while its mapping becomes read-only",
     .cpus = 2,
     .setup = start_used,
     .body = protect_beside,
     .check = protected_end},
    {.name = "speculate.split",
     .what = "a page is stored to while it alone becomes read-only",
     .cpus = 2,
     .setup = start_used,
     .body = split_beside,
     .check = protected_end},
    {.name = "speculate.moved",
     .what = "a page is stored to while its mapping moves away",
     .cpus = 2,
     .setup = start_waiting,
     .body = move_beside,
     .check = moved_end},
    {.name = "speculate.left",
     .what = "a page is stored to while what its mapping has moves away",
     .cpus = 2,
     .setup = start_beside,
     .body = leave_beside,
     .check = left_end},
    {.name = "speculate.arrived",
     .what = "a page is read where its mapping moves to",
     .cpus = 2,
     .setup = start_used,
     .body = arrive_beside,
     .check = arrived_end},
    {.name = "speculate.forked",
     .what = "two pages are stored to, one after the other, while the process forks",
     .cpus = 2,
     .setup = start_used,
     .body = fork_beside,
     .check = forked_end},
    {.name = "speculate.mirrored",
     .what = "a page is copied while a mirror comes to be",
     .cpus = 2,
     .setup = start_mirrored,
     .body = copy_beside_mirror,
     .check = mirrored_end},
    {.name = NULL},
};
