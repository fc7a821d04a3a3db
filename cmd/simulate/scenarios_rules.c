/* SPDX-License-Identifier: MIT */
/*
 * scenarios_rules.c - the rules of concurrency (docs/DESIGN.md, P1 to P18), each with the smallest
 * program that shows when it is broken: tables, flushes, fork and pins, lifetimes. Those about
 * files are in scenarios_files.c.
 */
#include "rules.h"

/* ---- P1, P6: tables ------------------------------------------------------------------------- */

/* One page of a table is given back while another is touched the first time. */
static void setup_table(void)
{
    start_anon();
    store(0, 1);
}

static void table_refilled(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
    } else if (cpu == 1) {
        store(1, 2);
        expect(look(1) == 2);
    } else {
        store(4, 3); /* another table of the same parent, whose lock is held meanwhile */
    }
}

static void both_touch(unsigned cpu)
{
    store(1, cpu + 1);
    expect(look(1) != 0);
}

static void table_refilled_end(void)
{
    expect(look(1) == 2 && look(0) == 0);
}

static void table_emptied_twice(unsigned cpu)
{
    if (cpu == 2)
        store(4, 3);
    else
        dontneed(cpu, 1);
}

/* The first page of a table goes as soon as it is there, and with it the table. */
static void table_linked(unsigned cpu)
{
    if (cpu == 0)
        store(0, 1);
    else
        dontneed(0, 1);
}

/* CPU 1 runs something else. */
static void setup_remote(void)
{
    setup_table();
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
}

/* A whole table moves, under one who stores into it by its old address, holding its lock alone. */
static void table_moved(unsigned cpu)
{
    const uint64_t word = 2;
    uint64_t moved;

    if (cpu == 1) {
        (void)!mmk_mm_write(world.mm, page_at(0), &word, sizeof(word), 0);
        return;
    }
    move_pages(0, 12, 4);
    moved = look(12);
    expect(look(12) == moved);
}

/* A lockless walk meets a table that is given back, and used for something else at once. */
static void table_reused(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(6, 6);
    } else {
        store(1, 2);
        expect(look(1) == 2);
    }
}

/* ---- P2, P7, P8: flushes -------------------------------------------------------------------- */

/* The fault is the kernel's own: the CPU that takes it may have the page in its TLB. */
static void guard_and_look(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_GUARD_INSTALL) == 0);
    else if (mmk_fault(world.mm, page_at(0), MMK_ACCESS_READ) == MMK_FAULT_SEGV_MAPERR)
        expect(look(0) == ~(uint64_t)0);
}

static void two_give_back(unsigned cpu)
{
    dontneed(0, 1);
    if (cpu == 1)
        expect(look(0) == 0);
}

static void give_back_and_say(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 2);
        say(&it.said);
    } else if (heard(&it.said)) {
        expect(look(0) == 0);
        expect(look(1) == 0);
    }
}

static void two_say(unsigned cpu)
{
    if (cpu < 2) {
        dontneed(cpu, 1);
        say(cpu == 0 ? &it.said : &it.said_too);
        return;
    }
    if (heard(&it.said))
        expect(look(0) == 0);
    if (heard(&it.said_too))
        expect(look(1) == 0);
}

/* Given back and given out: another's new page is not this CPU's to see. */
static void give_back_and_reuse(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        store(5, 77);
    } else {
        expect(look(0) != 77);
    }
}

/* Where something is on its way out. */
static void map_anew(void)
{
    if (mmk_mmap(world.mm, page_at(0), PAGE, RW, ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0) ==
        MMK_EEXIST)
        return; /* not yet unmapped */
    store(0, 5);
    expect(look(0) == 5);
}

static void unmap_and_map(unsigned cpu)
{
    if (cpu == 0)
        unmap(0, 2);
    else
        map_anew();
}

static void move_and_map(unsigned cpu)
{
    if (cpu == 0)
        move_pages(0, 12, 1);
    else
        map_anew();
}

static void moved_alone(void)
{
    expect(look(12) == 1);
}

static void move_and_say(unsigned cpu)
{
    if (cpu == 0) {
        move_pages(0, 12, 1);
        say(&it.said);
    } else if (heard(&it.said)) {
        expect(look(0) == ~(uint64_t)0);
        expect(look(12) == 1);
    }
}

static void setup_shared_with_child(void)
{
    start_anon();
    touch_by(2, 0, 1); /* CPU 2 has never seen it */
    expect(mmk_fork(world.mm, &it.other) == 0);
    fibers_be_cpu(1);
    expect(look(0) == 1);
    fibers_be_cpu(0);
}

/* Two store; who has heard of one no longer sees what was there before both. */
static void copied_on_write(unsigned cpu)
{
    if (cpu == 0) {
        store(0, 5);
    } else if (cpu == 2) {
        store(0, 7);
        say(&it.said);
    } else if (heard(&it.said)) {
        expect(look(0) != 1);
    }
}

/* ---- P9: fork and pins ---------------------------------------------------------------------- */

static void setup_one(void)
{
    start_anon();
    touch_by(2, 0, 1);
}

static void fork_and_say(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        say(&it.said);
    } else if (heard(&it.said)) {
        store(0, 2);
        it.stored = true;
    }
}

static void fork_end(void)
{
    if (it.stored)
        expect(word_of(it.other, 0) == 1);
    put_other();
}

/* What is stored after a mapping is made that the child does not have, it has not either. */
static void fork_beside_map(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_fork(world.mm, &it.other) == 0);
    } else {
        map_pages(8, 1, RW, ANON);
        store(0, 2);
    }
}

static void fork_ordered(void)
{
    if (word_of(it.other, 8) == ~(uint64_t)0)
        expect(word_of(it.other, 0) == 1);
    put_other();
}

/* CPUs 1 and 2 run the child, and have seen what it shares with its parent. */
static void setup_child_runs(void)
{
    unsigned cpu;

    start_anon();
    store(0, 1);
    expect(mmk_fork(world.mm, &it.other) == 0);
    for (cpu = 1; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        machine_switch_mm(it.other);
        expect(look(0) == 1);
    }
    fibers_be_cpu(0);
}

/* Given back by the child, but not flushed, the page is not the parent's alone. */
static void store_beside_child(unsigned cpu)
{
    if (cpu == 0)
        store(0, 2);
    else if (cpu == 1)
        expect(look(0) != 2);
    else
        expect(mmk_madvise(it.other, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
}

static void child_ends(void)
{
    unsigned cpu;

    for (cpu = 1; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        machine_switch_mm(world.mm);
    }
    fibers_be_cpu(0);
    put_other();
}

static uint64_t pinned_word(void)
{
    return *(const uint64_t *)mmk_page_address(it.pinned);
}

static void setup_pinned(void)
{
    start_anon();
    store(0, 1);
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
}

static void fork_beside_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else
        store(0, 2);
}

/* The parent keeps the page that a device writes to. */
static void pinned_end(void)
{
    store(0, 3);
    expect(pinned_word() == 3);
    mmk_unpin_pages(&it.pinned, 1, true);
    put_other();
}

static void pin_beside_fork(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_fork(world.mm, &it.other) == 0);
    else
        expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
}

/* A device reads what its process has stored, whoever had a share in the page before. */
static void setup_read_by_child(void)
{
    start_anon();
    store(0, 1);
    expect(mmk_fork(world.mm, &it.other) == 0);
    expect(mmk_pin_pages(it.other, page_at(0), 1, 0, &it.pinned) == 1);
}

static void both_store(unsigned cpu)
{
    const uint64_t word = 9;

    if (cpu == 0)
        store(0, 2);
    else
        expect(mmk_mm_write(it.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
}

static void both_stored(void)
{
    store(0, 3);
    expect(pinned_word() == 9);
    mmk_unpin_pages(&it.pinned, 1, false);
    put_other();
}

/* ---- P16, P17: lifetimes -------------------------------------------------------------------- */

/* CPU 1 has been here, and its ASID still knows what it saw. */
static void setup_away(void)
{
    start_anon();
    touch_by(2, 0, 2);
    expect(mmk_mm_create(&it.other) == 0);
    fibers_be_cpu(1);
    machine_switch_mm(it.other);
    fibers_be_cpu(0);
}

/* CPU 1 was lazy when it went. */
static void setup_away_lazily(void)
{
    start_anon();
    touch_by(2, 0, 2);
    expect(mmk_mm_create(&it.other) == 0);
    fibers_be_cpu(1);
    machine_switch_lazy();
    machine_switch_mm(it.other);
    fibers_be_cpu(0);
}

static void come_back(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 1);
        say(&it.said);
        return;
    }
    machine_switch_mm(world.mm);
    if (heard(&it.said))
        expect(look(0) == 0);
}

static void setup_lazy(void)
{
    start_anon();
    touch_by(2, 0, 2);
    fibers_be_cpu(1);
    machine_switch_lazy();
    fibers_be_cpu(0);
}

/* The processor speculates as it likes: what it walks has to be there. */
static void speculate_lazily(unsigned cpu)
{
    if (cpu == 0) {
        dontneed(0, 2);
        store(6, 6);
    } else {
        machine_speculate(page_at(0));
        machine_speculate(page_at(1));
    }
}

/* CPU 0 is the last user of an address space that the others have loaded, lazily. */
static void setup_last(void)
{
    unsigned cpu;

    start_anon();
    expect(mmk_mm_create(&it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), 2 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(0));
    for (cpu = 1; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        machine_switch_mm(it.other);
        store(cpu - 1, 7);
        machine_switch_lazy();
    }
    fibers_be_cpu(0);
}

/* What was its memory is given out again at once; whoever is lazy may still walk its tables. */
static void last_put_beside_leave(unsigned cpu)
{
    if (cpu == 0) {
        mmk_mm_put(it.other);
        store(6, 6);
    } else {
        machine_speculate(page_at(cpu - 1));
        machine_switch_mm(world.mm);
        expect(look(cpu - 1) == 0);
    }
}

/* The reaper leaves shared memory alone, and with it that table; the other is not there yet. */
static void setup_reaped(void)
{
    setup_table();
    map_pages(3, 1, RW, SHARED_ANON);
    store(3, 1);
    it.touched = world_random(2) ? 1 : 5;
}

static void killed_beside_store(unsigned cpu)
{
    uint64_t freed;
    enum mmk_fault_result result;

    if (cpu == 0) {
        mmk_kill(world.mm);
        while (mmk_reap(world.mm, 64, &freed) == MMK_EAGAIN)
            continue;
        say(&it.said);
        return;
    }
    result = put_word(it.touched, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
}

static void killed_end(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_anon == 0);
}

/* ---- P18: spurious faults ------------------------------------------------------------------- */

/* A fault leaves in the TLB what it was about. */
enum { FAULTS_KEEP = MACHINE_KEEPS_FAULTED | MACHINE_KEEPS_ABSENCE };

/* Read-only, as it was shared with a child, and all CPUs know it as that. */
static void setup_read_only(void)
{
    unsigned cpu;

    start_anon();
    store(0, 1);
    expect(mmk_fork(world.mm, &it.other) == 0);
    put_other();
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        expect(look(0) == 1);
    }
    fibers_be_cpu(0);
}

/* Whoever comes second finds that nothing is in the way but the CPU's own TLB. */
static void both_write(unsigned cpu)
{
    store(0, cpu + 2);
    expect(look(0) > 1);
}

static void protect_beside_write(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_mprotect(world.mm, page_at(0), PAGE, RO) == 0);
        expect(mmk_mprotect(world.mm, page_at(0), PAGE, RW) == 0);
        say(&it.said);
        return;
    }
    result = put_word(0, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_ACCERR);
    if (heard(&it.said))
        store(0, 3);
}

const struct scenario scenarios_rules[] = {
    {.name = "P1.refilled",
     .what = "a table loses its last page and gets another",
     .cpus = 3,
     .setup = setup_table,
     .body = table_refilled,
     .check = table_refilled_end},
    {.name = "P1.both",
     .what = "two faults on one page whose table is there",
     .cpus = 2,
     .setup = setup_table,
     .body = both_touch},
    {.name = "P1.dead",
     .what = "an entry comes into a table that is being freed",
     .cpus = 2,
     .setup = setup_table,
     .body = table_reused},
    {.name = "P6.linked",
     .what = "a table loses its only page as soon as it is linked",
     .cpus = 2,
     .setup = start_anon,
     .body = table_linked},
    {.name = "P6.moved",
     .what = "a table moves while somebody works in it",
     .cpus = 2,
     .setup = setup_remote,
     .body = table_moved},
    {.name = "P6.twice",
     .what = "two find the same table empty",
     .cpus = 3,
     .setup = setup_table,
     .body = table_emptied_twice},
    {.name = "P2.two",
     .what = "who finds a page gone already, but not flushed, does not see it any more",
     .cpus = 2,
     .setup = start_touched,
     .body = two_give_back},
    {.name = "P2.guarded",
     .what = "who is told of a guard does not see the page any more",
     .cpus = 2,
     .setup = start_touched,
     .body = guard_and_look},
    {.name = "P2.said",
     .what = "when pages are given back no CPU sees them",
     .cpus = 2,
     .setup = start_touched,
     .body = give_back_and_say},
    {.name = "P2.both",
     .what = "two flushes at once, and a CPU that answers both",
     .cpus = 3,
     .setup = start_touched,
     .body = two_say},
    {.name = "P2.reused",
     .what = "a frame is used again while another CPU may have it cached",
     .cpus = 2,
     .setup = start_touched,
     .body = give_back_and_reuse},
    {.name = "P7.copied",
     .what = "a page is copied on write: nobody sees old after new",
     .cpus = 3,
     .setup = setup_shared_with_child,
     .body = copied_on_write,
     .check = put_other},
    {.name = "P8.mapped",
     .what = "what is mapped where something is being unmapped stays",
     .cpus = 2,
     .setup = start_touched,
     .body = unmap_and_map},
    {.name = "P7.moved",
     .what = "moved memory is not to be seen at its old place",
     .cpus = 2,
     .setup = start_touched,
     .body = move_and_say},
    {.name = "P7.mapped",
     .what = "what is mapped where something has been moved from is not what moved",
     .cpus = 2,
     .setup = start_touched,
     .body = move_and_map,
     .check = moved_alone},
    {.name = "P9.forked",
     .what = "what the parent stores after fork the child does not see",
     .cpus = 2,
     .setup = setup_one,
     .body = fork_and_say,
     .check = fork_end},
    {.name = "P9.ordered",
     .what = "what the parent stores after a call that comes after fork the child does not see",
     .cpus = 2,
     .setup = setup_one,
     .body = fork_beside_map,
     .check = fork_ordered},
    {.name = "P9.alone",
     .what = "the last of two owners stores into the page that the other has given back",
     .cpus = 3,
     .setup = setup_child_runs,
     .body = store_beside_child,
     .check = child_ends},
    {.name = "P9.pinned",
     .what = "a pinned page stays the parent's",
     .cpus = 2,
     .setup = setup_pinned,
     .body = fork_beside_store,
     .check = pinned_end},
    {.name = "P9.pinning",
     .what = "a page is pinned while fork shares it",
     .cpus = 2,
     .setup = setup_one,
     .body = pin_beside_fork,
     .check = pinned_end},
    {.name = "P9.reused",
     .what = "a page that a device reads stays its process's",
     .cpus = 2,
     .setup = setup_read_by_child,
     .body = both_store,
     .check = both_stored},
    {.name = "P16.killed",
     .what = "a killed process takes no page after the reaper has passed",
     .cpus = 2,
     .setup = setup_reaped,
     .body = killed_beside_store,
     .check = killed_end},
    {.name = "P17.entered",
     .what = "a CPU comes back to an address space that its ASID remembers",
     .cpus = 2,
     .setup = setup_away,
     .body = come_back,
     .check = put_other},
    {.name = "P17.again",
     .what = "a CPU comes back to an address space that it has left lazily",
     .cpus = 2,
     .setup = setup_away_lazily,
     .body = come_back,
     .check = put_other},
    {.name = "P17.lazy",
     .what = "a CPU comes back from laziness",
     .cpus = 2,
     .setup = setup_lazy,
     .body = come_back},
    {.name = "P17.speculates",
     .what = "a lazy CPU speculates while tables go",
     .cpus = 2,
     .setup = setup_lazy,
     .body = speculate_lazily},
    {.name = "P17.last",
     .what = "lazy CPUs leave an address space while its last user puts it",
     .cpus = 3,
     .setup = setup_last,
     .body = last_put_beside_leave},
    {.name = "P18.absent",
     .what = "two touch a page first, and remember that it was not there",
     .cpus = 2,
     .setup = setup_table,
     .body = both_touch,
     .mmu = FAULTS_KEEP},
    {.name = "P18.read-only",
     .what = "two store where their TLBs say that they may not, and may soon",
     .cpus = 2,
     .setup = setup_read_only,
     .body = both_write,
     .mmu = FAULTS_KEEP},
    {.name = "P18.protected",
     .what = "a page is closed, and opened again, under one who stores",
     .cpus = 2,
     .setup = start_touched,
     .body = protect_beside_write,
     .mmu = FAULTS_KEEP},
    {.name = NULL},
};
