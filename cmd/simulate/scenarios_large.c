/* SPDX-License-Identifier: MIT */
/*
 * scenarios_large.c - programs of many calls, on up to four CPUs: too long to be searched through,
 * for random and PCT schedules.
 *
 * What a CPU does follows from the seed and its own number alone, so that a schedule can be reduced
 * without changing what is scheduled. Words tell which page they were stored to: whatever else may
 * happen, no load returns another page's.
 */
#include "file.h"

#include <mmkit/mmkit.h>
#include <string.h>

#define RO          MMK_PROT_READ
#define RW          (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON        (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)
#define SHARED_ANON (MMK_MAP_SHARED | MMK_MAP_ANONYMOUS)

enum { PAGES = 24, ROUNDS = 12, FILE_PAGES = 8 };

/* Reset by each set-up. */
static struct {
    uint64_t random[FIBERS_CPUS];
    struct mmk_object *object;
    struct mmk_mm *other; /* a second address space, or a child */
    struct mmk_page *pinned[FIBERS_CPUS];
} it;

static unsigned below(unsigned cpu, unsigned n)
{
    it.random[cpu] = it.random[cpu] * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(it.random[cpu] >> 33) % n;
}

static void start(void)
{
    unsigned cpu;

    memset(&it, 0, sizeof(it));
    for (cpu = 0; cpu < FIBERS_CPUS; cpu++)
        it.random[cpu] = ((uint64_t)world_random(1u << 30) << 30) + cpu;
}

static uint64_t word_for(unsigned page, unsigned cpu)
{
    return (uint64_t)(page + 1) << 32 | cpu;
}

static mmk_vaddr_t word_at(unsigned page, unsigned cpu)
{
    return page_at(page) + cpu * sizeof(uint64_t);
}

static enum mmk_fault_result store(unsigned page, unsigned cpu)
{
    uint64_t word = word_for(page, cpu);

    return machine_store(word_at(page, cpu), &word, sizeof(word));
}

/* What is loaded is what was stored there, or nothing. => as the access */
static enum mmk_fault_result load(unsigned page, unsigned cpu)
{
    uint64_t word = 0;
    enum mmk_fault_result result = machine_load(word_at(page, cpu), &word, sizeof(word));

    expect(result != MMK_FAULT_DONE || word == 0 || word == word_for(page, cpu));
    return result;
}

static bool is_error(int64_t result, int64_t error)
{
    return result == error;
}

/* What may fail may do so for want of memory. */
static bool done_or_no_memory(int64_t result)
{
    return result >= 0 || is_error(result, MMK_ENOMEM);
}

/* ---- allocations that fail ------------------------------------------------------------------- */

static void setup_churn(void)
{
    start();
}

/* Each CPU in pages of its own; all out of one allocator. */
static void churn(unsigned cpu)
{
    unsigned base = cpu * 6, i, page;
    enum mmk_fault_result result;
    int64_t mapped;

    for (i = 0; i < ROUNDS; i++) {
        mapped = mmk_mmap(world.mm, page_at(base), 6 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
        expect(done_or_no_memory(mapped));
        if (mapped < 0)
            continue;
        page = base + below(cpu, 6);
        result = store(page, cpu);
        expect(result == MMK_FAULT_DONE || result == MMK_FAULT_OOM);
        if (result == MMK_FAULT_DONE)
            expect(load(page, cpu) != MMK_FAULT_SEGV_MAPERR);
        expect(done_or_no_memory(mmk_munmap(world.mm, page_at(base + below(cpu, 6)), PAGE)));
    }
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void setup_anon(void)
{
    unsigned page;

    start();
    map_pages(0, PAGES, RW, ANON);
    for (page = 0; page < PAGES; page += 3)
        expect(store(page, 0) == MMK_FAULT_DONE);
}

/* Children hold what the parent held; what is stored on one side is not seen on the other. */
static void fork_storm(unsigned cpu)
{
    uint64_t word = 0, mine;
    struct mmk_mm *child;
    unsigned i, page;

    for (i = 0; i < 4; i++) {
        page = below(cpu, PAGES);
        expect(mmk_fork(world.mm, &child) == 0);
        mine = word_for(page, cpu) | 1u << 16;
        expect(mmk_mm_write(child, word_at(page, cpu), &mine, sizeof(mine), 0) == sizeof(mine));
        expect(store(page, cpu) == MMK_FAULT_DONE);
        expect(mmk_mm_read(child, word_at(page, cpu), &word, sizeof(word), 0) == sizeof(word));
        expect(word == mine);
        expect(load(page, cpu) == MMK_FAULT_DONE);
        mmk_check(child);
        mmk_mm_put(child);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static void map_object(unsigned flags)
{
    expect(mmk_mmap(world.mm, page_at(0), FILE_PAGES * PAGE, RW, flags | MMK_MAP_FIXED, it.object,
                    0) == (int64_t)page_at(0));
}

static void setup_shared(void)
{
    start();
    expect(mmk_object_create(NULL, FILE_PAGES * PAGE, NULL, &it.object) == 0);
    map_object(MMK_MAP_SHARED);
}

static void setup_file(void)
{
    start();
    it.object = file_create(FILE_PAGES);
    map_object(MMK_MAP_SHARED);
}

static void setup_private(void)
{
    start();
    it.object = file_create(FILE_PAGES);
    map_object(MMK_MAP_PRIVATE);
}

static void end_object(void)
{
    expect(mmk_munmap(world.mm, page_at(0), PAGES * PAGE) == 0);
    mmk_check_object(it.object);
    mmk_object_put(it.object);
}

/* A file that shrinks, grows and gets holes while it is stored to through mappings. */
static void resize_shared(unsigned cpu)
{
    unsigned i, page;

    for (i = 0; i < ROUNDS; i++) {
        page = below(cpu, FILE_PAGES);
        if (cpu == 0 && i % 3 == 0) {
            expect(mmk_object_resize(it.object, page * PAGE) == 0);
            expect(mmk_object_resize(it.object, FILE_PAGES * PAGE) == 0);
        } else if (cpu == 1 && i % 4 == 0) {
            expect(mmk_object_punch_hole(it.object, page * PAGE, 2 * PAGE) == 0);
        } else if (i % 2 == 0) {
            (void)store(page, cpu);
        } else {
            (void)load(page, cpu);
        }
    }
}

/* After a sync the file has what was stored before it. */
static void sync_file(unsigned cpu)
{
    unsigned i, page = cpu;
    uint64_t word;

    for (i = 1; i <= ROUNDS / 2; i++) {
        word = (uint64_t)(page + 1) << 32 | i;
        expect(put_word(page, word) == MMK_FAULT_DONE);
        expect(mmk_object_sync(it.object, 0, FILE_PAGES * PAGE) == 0);
        expect(file.word[page] == word);
        if (i % 3 == 0)
            expect(mmk_madvise(world.mm, page_at(below(cpu, FILE_PAGES)), PAGE,
                               MMK_MADV_DONTNEED) == 0);
    }
}

/* ---- mappings -------------------------------------------------------------------------------- */

/* Pages move between two places, alone or with their tables: they are at one of the two. */
static void setup_moves(void)
{
    unsigned page;

    start();
    map_pages(0, 8, RW, ANON);
    for (page = 0; page < 8; page++)
        expect(put_word(page, page + 1) == MMK_FAULT_DONE);
}

static void move_around(unsigned cpu)
{
    unsigned i, page, at = 0, to;
    enum mmk_fault_result here;
    uint64_t word = 0;

    for (i = 0; i < ROUNDS; i++) {
        if (cpu == 0) {
            to = at == 0 ? 16 : 0;
            expect(mmk_mremap(world.mm, page_at(at), 8 * PAGE, 8 * PAGE,
                              MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                              page_at(to)) == (int64_t)page_at(to));
            at = to;
            continue;
        }
        page = below(cpu, 8);
        here = get_word(page + (i % 2 ? 16 : 0), &word);
        expect(here == MMK_FAULT_DONE ? word == page + 1 : here == MMK_FAULT_SEGV_MAPERR);
    }
}

static void moved_end(void)
{
    uint64_t word;
    unsigned page;

    for (page = 0; page < 8; page++) {
        if (get_word(page, &word) != MMK_FAULT_DONE)
            expect(get_word(page + 16, &word) == MMK_FAULT_DONE);
        expect(word == page + 1);
    }
}

static void protect_around(unsigned cpu)
{
    unsigned i, page;
    enum mmk_fault_result result;

    for (i = 0; i < ROUNDS; i++) {
        page = below(cpu, PAGES - 4);
        if (cpu == 0) {
            expect(mmk_mprotect(world.mm, page_at(page), 4 * PAGE, i % 2 ? RW : RO) == 0);
        } else if (i % 2) {
            result = store(page, cpu);
            expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_ACCERR);
        } else {
            expect(load(page, cpu) == MMK_FAULT_DONE);
        }
    }
}

/* Everybody maps, unmaps, gives back and stores, all over each other. */
static void everything(unsigned cpu)
{
    unsigned i, page, count;

    for (i = 0; i < ROUNDS; i++) {
        page = below(cpu, PAGES - 6);
        count = 1 + below(cpu, 6);
        switch (below(cpu, 8)) {
        case 0:
            map_pages(page, count, RW, ANON);
            break;
        case 1:
            map_pages(page, count, RW, SHARED_ANON);
            break;
        case 2:
            expect(mmk_munmap(world.mm, page_at(page), count * PAGE) == 0);
            break;
        case 3:
            (void)!mmk_mprotect(world.mm, page_at(page), count * PAGE, below(cpu, 2) ? RW : RO);
            break;
        case 4:
            (void)!mmk_madvise(world.mm, page_at(page), count * PAGE, MMK_MADV_DONTNEED);
            break;
        case 5:
            (void)!mmk_mremap(world.mm, page_at(page), count * PAGE, count * PAGE,
                              MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                              page_at(PAGES + below(cpu, 8)));
            break;
        case 6:
            (void)load(page, cpu);
            break;
        default:
            (void)store(page, cpu);
        }
    }
}

/* A stack grows where it is touched, and no further than it may. */
static void setup_stack(void)
{
    start();
    map_pages(PAGES, 1, RW, ANON | MMK_MAP_GROWSDOWN);
}

static void grow_stack(unsigned cpu)
{
    unsigned i, page;
    enum mmk_fault_result result;

    for (i = 0; i < ROUNDS / 2; i++) {
        page = PAGES - 1 - i - below(cpu, 2);
        if (cpu == 0 && i == 2) {
            map_pages(4, 1, RW, ANON); /* something in the way */
            continue;
        }
        result = store(page, cpu);
        expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
        if (result == MMK_FAULT_DONE)
            expect(load(page, cpu) == MMK_FAULT_DONE);
    }
}

static void guard_around(unsigned cpu)
{
    unsigned i, page;
    enum mmk_fault_result result;

    for (i = 0; i < ROUNDS; i++) {
        page = below(cpu, PAGES - 4);
        if (cpu == 0) {
            expect(mmk_madvise(world.mm, page_at(page), 4 * PAGE,
                               i % 2 ? MMK_MADV_GUARD_REMOVE : MMK_MADV_GUARD_INSTALL) == 0);
            continue;
        }
        result = i % 2 ? store(page, cpu) : load(page, cpu);
        expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
    }
}

/* Locked memory is there until it is unlocked or unmapped. */
static void lock_around(unsigned cpu)
{
    unsigned i, page;

    for (i = 0; i < ROUNDS / 2; i++) {
        page = below(cpu, PAGES - 4);
        if (cpu == 0) {
            expect(mmk_mlock(world.mm, page_at(page), 4 * PAGE) == 0);
            expect(mmk_munlock(world.mm, page_at(page), 2 * PAGE) == 0);
        } else if (cpu == 1) {
            map_pages(page, 2, RW, ANON);
        } else {
            expect(mmk_madvise(world.mm, page_at(page), PAGE, MMK_MADV_POPULATE_WRITE) == 0);
            expect(load(page, cpu) == MMK_FAULT_DONE);
        }
    }
    if (cpu == 0)
        expect(mmk_munlockall(world.mm) == 0);
}

/* ---- pins, processes that end ---------------------------------------------------------------- */

/* The page that a CPU has pinned is the one that it stores to, forks or no forks. */
static void pin_around(unsigned cpu)
{
    struct mmk_mm *child;
    unsigned i, page = cpu * 3;
    const uint64_t *word;

    for (i = 0; i < 4; i++) {
        if (cpu == 0) {
            expect(mmk_fork(world.mm, &child) == 0);
            mmk_mm_put(child);
            continue;
        }
        expect(mmk_pin_pages(world.mm, page_at(page), 1, MMK_PIN_WRITE, &it.pinned[cpu]) == 1);
        word = (const uint64_t *)mmk_page_address(it.pinned[cpu]);
        expect(put_word(page, i + 7) == MMK_FAULT_DONE);
        expect(__atomic_load_n(word, __ATOMIC_RELAXED) == i + 7);
        mmk_unpin_pages(&it.pinned[cpu], 1, true);
    }
}

static void setup_victim(void)
{
    setup_anon();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

/* One kills and reaps; the others, debuggers, read and write what is left. */
static void kill_and_look(unsigned cpu)
{
    uint64_t word, freed;
    unsigned i, page;
    int error;

    for (i = 0; i < ROUNDS; i++) {
        page = below(cpu, PAGES);
        word = 0;
        if (cpu != 0) {
            (void)!mmk_mm_read(it.other, word_at(page, 0), &word, sizeof(word), 0);
            expect(word == 0 || word == word_for(page, 0));
            word = word_for(page, 0);
            (void)!mmk_mm_write(it.other, word_at(page, 0), &word, sizeof(word), 0);
        } else if (i >= ROUNDS / 2) {
            mmk_kill(it.other);
            error = mmk_reap(it.other, 4, &freed);
            expect(error >= 0 || error == MMK_EAGAIN);
        }
    }
}

static void victim_end(void)
{
    mmk_mm_put(it.other);
}

/* ---- CPUs that come and go ------------------------------------------------------------------- */

static void setup_two(void)
{
    setup_anon();
    expect(mmk_fork(world.mm, &it.other) == 0);
}

/* Between two address spaces, lazily or not: what is seen is that of the one that is loaded. */
static void switch_around(unsigned cpu)
{
    struct mmk_mm *loaded = world.mm;
    unsigned i, page;

    for (i = 0; i < ROUNDS; i++) {
        page = below(cpu, PAGES);
        switch (below(cpu, 4)) {
        case 0:
            loaded = loaded == world.mm ? it.other : world.mm;
            machine_switch_mm(loaded);
            break;
        case 1:
            machine_switch_lazy();
            machine_switch_mm(loaded);
            break;
        case 2:
            expect(mmk_madvise(loaded, page_at(page), PAGE, MMK_MADV_DONTNEED) == 0);
            expect(load(page, cpu) == MMK_FAULT_DONE);
            break;
        default:
            expect(store(page, cpu) == MMK_FAULT_DONE);
            expect(load(page, cpu) == MMK_FAULT_DONE);
        }
    }
    machine_switch_mm(world.mm);
}

const struct scenario scenarios_large[] = {
    {.name = "large.churn",
     .what = "four CPUs allocate from one allocator, which fails now and then",
     .cpus = 4,
     .setup = setup_churn,
     .body = churn,
     .inject = true,
     .formats = ON_BOTH},
    {.name = "large.forks",
     .what = "three CPUs fork one address space, and store on both sides",
     .cpus = 3,
     .setup = setup_anon,
     .body = fork_storm,
     .formats = ON_BOTH},
    {.name = "large.shared",
     .what = "shared memory shrinks, grows and gets holes while it is used",
     .cpus = 4,
     .setup = setup_shared,
     .body = resize_shared,
     .check = end_object,
     .formats = ON_BOTH},
    {.name = "large.private",
     .what = "likewise a file that is mapped privately",
     .cpus = 4,
     .setup = setup_private,
     .body = resize_shared,
     .check = end_object,
     .formats = ON_BOTH},
    {.name = "large.synced",
     .what = "three CPUs store and sync, each its page",
     .cpus = 3,
     .setup = setup_file,
     .body = sync_file,
     .check = end_object,
     .formats = ON_BOTH},
    {.name = "large.moves",
     .what = "memory moves back and forth under who reads it",
     .cpus = 3,
     .setup = setup_moves,
     .body = move_around,
     .check = moved_end,
     .formats = ON_BOTH},
    {.name = "large.protected",
     .what = "protection changes under who stores",
     .cpus = 3,
     .setup = setup_anon,
     .body = protect_around,
     .formats = ON_BOTH},
    {.name = "large.everything",
     .what = "four CPUs map, unmap, protect, move, give back, load and store at random",
     .cpus = 4,
     .setup = start,
     .body = everything,
     .formats = ON_BOTH},
    {.name = "large.stack",
     .what = "a stack grows by three CPUs' touches",
     .cpus = 3,
     .setup = setup_stack,
     .body = grow_stack,
     .formats = ON_BOTH},
    {.name = "large.guards",
     .what = "guards come and go under who touches",
     .cpus = 3,
     .setup = setup_anon,
     .body = guard_around,
     .formats = ON_BOTH},
    {.name = "large.locked",
     .what = "memory is locked and unlocked while it is mapped anew",
     .cpus = 3,
     .setup = setup_anon,
     .body = lock_around,
     .formats = ON_BOTH},
    {.name = "large.pins",
     .what = "pages are pinned while fork shares them",
     .cpus = 3,
     .setup = setup_anon,
     .body = pin_around,
     .formats = ON_BOTH},
    {.name = "large.killed",
     .what = "a process is killed and reaped under its debuggers",
     .cpus = 3,
     .setup = setup_victim,
     .body = kill_and_look,
     .check = victim_end,
     .formats = ON_BOTH},
    {.name = "large.switches",
     .what = "CPUs go between two address spaces, whose pages go",
     .cpus = 4,
     .setup = setup_two,
     .body = switch_around,
     .check = victim_end,
     .formats = ON_BOTH},
    {.name = NULL},
};
