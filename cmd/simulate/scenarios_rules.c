/* SPDX-License-Identifier: MIT */
/*
 * scenarios_rules.c - the rules of concurrency (docs/DESIGN.md, P1 to P18), each with the smallest
 * program that shows when it is broken.
 *
 * A CPU that "says" does so after its call has returned, and another that has "heard" may rely on
 * all that the call promises from then on. One that has not heard looks for nothing: only what must
 * be true is expected.
 */
#include "world.h"

#include <mmkit/mmkit.h>
#include <mmkit/port/cpu.h>
#include <string.h>

#define RO          MMK_PROT_READ
#define RW          (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON        (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)
#define SHARED_ANON (MMK_MAP_SHARED | MMK_MAP_ANONYMOUS)

/* Reset by each set-up. */
static struct {
    struct mmk_a32 said, said_too;
    struct mmk_mm *other; /* a second address space, or a child */
    struct mmk_object *object;
    struct mmk_page *pinned;
    uint64_t file[16]; /* what write_page has written: the first word of each page */
    bool stored;       /* by whoever may have been too late */
    struct mmk_notifier notifier;
    bool notifier_dead;
    struct mmk_a32 mirror_lock;
    mmk_paddr_t mirrored; /* what the secondary MMU has */
} it;

static void say(struct mmk_a32 *word)
{
    mmk_a32_store(word, 1, MMK_RELEASE);
}

static bool heard(struct mmk_a32 *word)
{
    return mmk_a32_load(word, MMK_ACQUIRE) != 0;
}

static void dontneed(unsigned page, unsigned count)
{
    expect(mmk_madvise(world.mm, page_at(page), count * PAGE, MMK_MADV_DONTNEED) == 0);
}

static void unmap(unsigned page, unsigned count)
{
    expect(mmk_munmap(world.mm, page_at(page), count * PAGE) == 0);
}

/* The word, or, where nothing is mapped, ~0. */
static uint64_t look(unsigned page)
{
    uint64_t word = 0;
    enum mmk_fault_result result = get_word(page, &word);

    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR || result == MMK_FAULT_BUS);
    return result == MMK_FAULT_DONE ? word : ~(uint64_t)0;
}

static void store(unsigned page, uint64_t word)
{
    expect(put_word(page, word) == MMK_FAULT_DONE);
}

/* All CPUs but those from `except` on have stored, so their TLBs know the pages. */
static void touch_by(unsigned except, unsigned page, unsigned count)
{
    unsigned cpu, i;

    for (cpu = 0; cpu < world.cpus && cpu < except; cpu++) {
        fibers_be_cpu(cpu);
        for (i = page; i < page + count; i++)
            store(i, 1);
    }
    fibers_be_cpu(0);
}

static void start_anon(void)
{
    memset(&it, 0, sizeof(it));
    map_pages(0, 8, RW, ANON);
}

static void start_touched(void)
{
    start_anon();
    touch_by(3, 0, 2);
}

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

static void unmap_and_map(unsigned cpu)
{
    if (cpu == 0) {
        unmap(0, 2);
        return;
    }
    if (mmk_mmap(world.mm, page_at(0), PAGE, RW, ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0) ==
        MMK_EEXIST)
        return; /* not yet unmapped */
    store(0, 5);
    expect(look(0) == 5);
}

static void move_and_say(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_mremap(world.mm, page_at(0), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                          page_at(12)) == (int64_t)page_at(12));
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

static void put_other(void)
{
    if (it.other)
        mmk_mm_put(it.other);
}

/* ---- P9: fork and pins ---------------------------------------------------------------------- */

static uint64_t word_of(struct mmk_mm *mm, unsigned page)
{
    uint64_t word = ~(uint64_t)0;

    (void)!mmk_mm_read(mm, page_at(page), &word, sizeof(word), 0);
    return word;
}

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

/* ---- P4, P5, P10, P13: objects -------------------------------------------------------------- */

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memset(page, 0, PAGE);
    *(uint64_t *)page = it.file[index];
    return 0;
}

static int write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    it.file[index] = __atomic_load_n((const uint64_t *)page, __ATOMIC_RELAXED);
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = read_page, .write_page = write_page};

static void map_file(unsigned page, unsigned flags)
{
    expect(mmk_mmap(world.mm, page_at(page), 4 * PAGE, RW, flags | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)page_at(page));
}

static void start_file(void)
{
    memset(&it, 0, sizeof(it));
    expect(mmk_object_create(&file_ops, 4 * PAGE, NULL, &it.object) == 0);
}

static void setup_file(void)
{
    start_file();
    map_file(0, MMK_MAP_SHARED);
}

static void setup_file_stored(void)
{
    setup_file();
    touch_by(2, 0, 1);
}

static void setup_file_private(void)
{
    start_file();
    map_file(0, MMK_MAP_PRIVATE);
}

static void put_file(void)
{
    expect(mmk_munmap(world.mm, page_at(0), 16 * PAGE) == 0);
    mmk_check_object(it.object);
    mmk_object_put(it.object);
}

static void truncate_beside_store(unsigned cpu)
{
    enum mmk_fault_result result;

    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        say(&it.said);
        return;
    }
    result = put_word(0, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_BUS);
}

static void truncated_end(void)
{
    expect(look(0) == ~(uint64_t)0);
    put_file();
}

/* A part of the mapping: what stays is cut. */
static void move_file(unsigned from, unsigned to)
{
    expect(mmk_mremap(world.mm, page_at(from), 2 * PAGE, 2 * PAGE,
                      MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, page_at(to)) == (int64_t)page_at(to));
}

static void move_beside_truncate(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_resize(it.object, 0) == 0);
    else
        move_file(0, 8);
}

static void move_beside_sync(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        expect(it.file[0] != 0);
    } else {
        move_file(0, 8);
        store(8, 2);
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        expect(it.file[0] == 2);
    }
}

static void moved_end(void)
{
    expect(look(8) == ~(uint64_t)0);
    put_file();
}

static void two_read(unsigned cpu)
{
    (void)cpu;
    expect(look(0) == 0);
}

/* What was stored before a sync is in the file after it, or will be after the next. */
static void sync_beside_store(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    else
        store(0, 2);
}

static void synced_end(void)
{
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    expect(it.file[0] == 2);
    put_file();
}

/* Whoever of the two comes second has nothing to write, but must not come back before the first. */
static void both_sync(unsigned cpu)
{
    (void)cpu;
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    expect(it.file[0] == 1);
}

/* What the one has cleaned, and not flushed, the other writes: not all that is stored by then. */
static void store_beside_syncs(unsigned cpu)
{
    if (cpu == 2)
        store(0, 2);
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    if (cpu == 2)
        expect(it.file[0] == 2);
}

static void sync_beside_unmap(unsigned cpu)
{
    bool stored;

    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        stored = heard(&it.said);
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
        expect(!stored || it.file[0] == 3);
    } else {
        store(0, 2);
        store(0, 3); /* by now only the entry tells that the page is dirty, perhaps */
        say(&it.said);
        unmap(0, 4);
    }
}

/* Dirty by what a device has stored: no entry says so, and there is nothing to flush. */
static void setup_file_pinned(void)
{
    struct mmk_page *page;

    setup_file_stored();
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &page) == 1);
    expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    mmk_unpin_pages(&page, 1, true);
}

/* A device stores, which no entry tells. */
static void sync_beside_device(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_sync(it.object, 0, PAGE) == 0);
    } else {
        __atomic_store_n((uint64_t *)mmk_page_address(it.pinned), 2, __ATOMIC_RELAXED);
        mmk_unpin_pages(&it.pinned, 1, true);
    }
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

/* The reaper leaves shared memory alone, and with it the table. */
static void setup_reaped(void)
{
    setup_table();
    map_pages(3, 1, RW, SHARED_ANON);
    store(3, 1);
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
    result = put_word(1, 2);
    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_KILLED);
}

static void killed_end(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_anon == 0);
}

/* ---- secondary MMUs ------------------------------------------------------------------------- */

static void lock_mirror(void)
{
    while (mmk_a32_xchg(&it.mirror_lock, 1, MMK_ACQUIRE))
        mmk_cpu_relax();
}

static void unlock_mirror(void)
{
    mmk_a32_store(&it.mirror_lock, 0, MMK_RELEASE);
}

static int invalidate_begin(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    expect(!it.notifier_dead);
    lock_mirror();
    if (range->start <= page_at(0) && page_at(0) < range->end)
        it.mirrored = 0;
    unlock_mirror();
    return 0;
}

static void invalidate_end(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    (void)range;
    expect(!it.notifier_dead);
}

static const struct mmk_notifier_ops notifier_ops = {invalidate_begin, invalidate_end, NULL};

/* By way of the object, which takes no mmap lock. */
static void punch_beside_mirror(unsigned cpu)
{
    uint64_t seq;
    mmk_paddr_t phys;
    unsigned prot;

    if (cpu == 0) {
        expect(mmk_object_punch_hole(it.object, 0, 4 * PAGE) == 0);
        expect(it.mirrored == 0);
        return;
    }
    it.notifier.ops = &notifier_ops;
    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
    seq = mmk_notifier_read_begin(&it.notifier);
    if (mmk_translate(world.mm, page_at(0), MMK_ACCESS_READ, &phys, &prot) != 0)
        return;
    lock_mirror();
    if (!mmk_notifier_read_retry(&it.notifier, seq))
        it.mirrored = phys;
    unlock_mirror();
}

static void mirror_end(void)
{
    expect(it.mirrored == 0);
    mmk_notifier_unregister(world.mm, &it.notifier);
    put_file();
}

static void setup_mirror(void)
{
    setup_file_stored();
    it.notifier.ops = &notifier_ops;
    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
}

static void truncate_beside_unregister(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_resize(it.object, 0) == 0);
        return;
    }
    mmk_notifier_unregister(world.mm, &it.notifier);
    it.notifier_dead = true;
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
    {.name = "P9.forked",
     .what = "what the parent stores after fork the child does not see",
     .cpus = 2,
     .setup = setup_one,
     .body = fork_and_say,
     .check = fork_end},
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
    {.name = "P4.shared",
     .what = "a page is mapped while the file shrinks",
     .cpus = 2,
     .setup = setup_file,
     .body = truncate_beside_store,
     .check = truncated_end},
    {.name = "P4.private",
     .what = "a page is copied while the file shrinks",
     .cpus = 2,
     .setup = setup_file_private,
     .body = truncate_beside_store,
     .check = truncated_end},
    {.name = "P4.read",
     .what = "two read the same page in",
     .cpus = 3,
     .setup = setup_file,
     .body = two_read,
     .check = put_file},
    {.name = "P10.moved",
     .what = "entries move while rmap looks for them",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = move_beside_truncate,
     .check = moved_end},
    {.name = "P10.synced",
     .what = "entries move while a sync looks for them",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = move_beside_sync,
     .check = put_file},
    {.name = "P5.unmapped",
     .what = "a dirty page is unmapped while it is written back",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = sync_beside_unmap,
     .check = put_file},
    {.name = "P5.synced",
     .what = "two write the same page back",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = both_sync,
     .check = put_file},
    {.name = "P5.cleaned",
     .what = "a page is stored to while two write it back",
     .cpus = 3,
     .setup = setup_file_stored,
     .body = store_beside_syncs,
     .check = put_file},
    {.name = "P13.cleaned",
     .what = "a page is stored to while it is cleaned",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = sync_beside_store,
     .check = synced_end},
    {.name = "P13.written",
     .what = "a page gets dirty again while it is written",
     .cpus = 2,
     .setup = setup_file_pinned,
     .body = sync_beside_device,
     .check = synced_end},
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
    {.name = "notifier.registered",
     .what = "a mirror comes to be while pages go",
     .cpus = 2,
     .setup = setup_file_stored,
     .body = punch_beside_mirror,
     .check = mirror_end},
    {.name = "notifier.unregistered",
     .what = "a mirror goes while it is being told",
     .cpus = 2,
     .setup = setup_mirror,
     .body = truncate_beside_unregister,
     .check = put_file},
    {.name = NULL},
};
