/* SPDX-License-Identifier: MIT */
/*
 * scenarios_swap_large.c - as scenarios_large.c, processes of one family whose memory goes to swap
 * and comes back. Each CPU has one, which it alone changes: so what each page has is known. What
 * nobody may notice, all do to all of them.
 */
#include "rules.h"

#include "charge.h"
#include "family.h"
#include "object_swap.h"
#include "swap_cache.h"
#include "swap_out.h"
#include "walk.h"
#include <machine_swap.h>
#include <string.h>

enum { CPUS = 3, ANON_PAGES = 6, FILE_AT = 8, FILE_PAGES = 4, SHARED_AT = 12, SHARED_PAGES = 2 };
enum { PAGES = SHARED_AT + SHARED_PAGES, AREAS = 2, CALLS = 8, SLOTS_MOST = 24 };

/* A process of a CPU's. */
struct process {
    struct mmk_mm *mm;
    struct mmk_aptr shown;   /* to others: the same */
    struct mmk_object *file; /* mapped privately at FILE_AT, by it and its children */
    struct mmk_page *pinned; /* or NULL */
    uint64_t random, last;   /* state; word stored last */
    uint64_t word[PAGES];    /* what each page has: of shared memory, at the CPU's own place */
    bool mapped[PAGES], readonly[PAGES], guarded[PAGES], locked[PAGES];
    bool maybe_zero[PAGES];     /* after MADV_FREE */
    unsigned holes_then[PAGES]; /* holes_made when it was stored to */
    unsigned file_pages;
    bool unsure; /* what is said to be locked may not be */
};

struct place {
    struct machine_swap *device;
    struct mmk_swap_area *area; /* NULL: none */
    struct mmk_a32 taken;       /* somebody is at swapon or swapoff */
};

static struct process processes[CPUS];
static struct place places[AREAS];
static unsigned holes[PAGES]; /* that are being made; anybody's, so atomically */
static unsigned holes_made[PAGES];
static struct mmk_group *group; /* of all, or NULL */
static struct mmk_page *held;   /* frames, one leads to the next */
static bool fails;              /* devices do, now and then */
static bool is_short;           /* memory may be */
static bool leaves;             /* who made the pages has given them back */

static unsigned below(struct process *own, unsigned n)
{
    own->random = own->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(own->random >> 33) % n;
}

/* One of a few, mostly: they are to meet. */
static unsigned any_page(struct process *own)
{
    static const unsigned often[] = {0, 0, 1, FILE_AT, SHARED_AT};
    unsigned page = below(own, 3) ? often[below(own, 5)] : below(own, PAGES);

    return page < ANON_PAGES || page >= FILE_AT ? page : 0;
}

/* ---- areas ----------------------------------------------------------------------------------- */

static void area_on(struct place *place, uint64_t slots, int priority, unsigned seed)
{
    const struct machine_swap_errors errors = {.read_one_in = 8,
                                               .write_one_in = 8,
                                               .seed = seed,
                                               .read_error = MMK_EIO,
                                               .write_error = seed % 2 ? MMK_EIO : MMK_EAGAIN};
    struct mmk_swap_area *area = NULL; /* not where others have written */
    int error;

    place->device = machine_swap_memory(slots);
    expect(place->device);
    if (fails)
        machine_swap_set_errors(place->device, &errors);
    error = mmk_swapon(seed % 3 ? &machine_swap_ops : &machine_swap_ops_discard, place->device,
                       slots, priority, &area);
    expect(error == 0 || error == MMK_ENOMEM);
    place->area = error ? NULL : area;
    if (error)
        machine_swap_close(place->device);
}

static bool area_off(struct place *place)
{
    int error = mmk_swapoff(place->area);

    expect(error == 0 || error == MMK_ENOMEM || (fails && error == MMK_EIO));
    if (error)
        return false;
    machine_swap_close(place->device);
    place->area = NULL;
    return true;
}

static void change_areas(struct process *own)
{
    struct place *place = &places[below(own, AREAS)];
    unsigned slots = 1 + below(own, SLOTS_MOST), seed = below(own, 6);
    int priority = (int)below(own, 3) - 1;

    if (mmk_a32_xchg(&place->taken, 1, MMK_ACQUIRE))
        return;
    if (!place->area || area_off(place))
        area_on(place, slots, priority, seed);
    mmk_a32_store(&place->taken, 0, MMK_RELEASE);
}

/* ---- looking --------------------------------------------------------------------------------- */

static mmk_vaddr_t at(const struct process *own, unsigned page)
{
    unsigned cpu = (unsigned)(own - processes);

    return page_at(page) + (page < SHARED_AT ? 0 : cpu * sizeof(uint64_t));
}

static enum mmk_fault_result reached(const struct process *own, unsigned page, bool write)
{
    if (!own->mapped[page] || own->guarded[page])
        return write && own->mapped[page] && own->readonly[page] ? MMK_FAULT_SEGV_ACCERR
                                                                 : MMK_FAULT_SEGV_MAPERR;
    if (page >= FILE_AT && page < SHARED_AT && page - FILE_AT >= own->file_pages)
        return write && own->readonly[page] ? MMK_FAULT_SEGV_ACCERR : MMK_FAULT_BUS;
    return write && own->readonly[page] ? MMK_FAULT_SEGV_ACCERR : MMK_FAULT_DONE;
}

/* => false: the device failed, or memory */
static bool is_as(const struct process *own, unsigned page, bool write,
                  enum mmk_fault_result result)
{
    enum mmk_fault_result expected = reached(own, page, write);

    if (result == MMK_FAULT_OOM && is_short)
        return false;
    if (result == MMK_FAULT_BUS && fails && expected == MMK_FAULT_DONE)
        return false;
    expect(result == expected);
    return result == MMK_FAULT_DONE;
}

static void has_stored(struct process *own, unsigned page, uint64_t word)
{
    own->word[page] = word;
    own->maybe_zero[page] = false;
    own->holes_then[page] = __atomic_load_n(&holes_made[page], __ATOMIC_RELAXED);
}

static bool may_be_zero(const struct process *own, unsigned page)
{
    return own->maybe_zero[page] || __atomic_load_n(&holes[page], __ATOMIC_RELAXED) > 0 ||
           __atomic_load_n(&holes_made[page], __ATOMIC_RELAXED) != own->holes_then[page];
}

static void load(struct process *own, unsigned page)
{
    uint64_t word = 0;

    if (!is_as(own, page, false, machine_load(at(own, page), &word, sizeof(word))))
        return;
    if (word == 0 && may_be_zero(own, page))
        own->word[page] = 0;
    own->maybe_zero[page] &= word != 0;
    expect(word == own->word[page]);
}

static void save(struct process *own, unsigned page)
{
    uint64_t word = ++own->last;

    if (!is_as(own, page, true, machine_store(at(own, page), &word, sizeof(word))))
        return;
    has_stored(own, page, word);
}

/* As a debugger: where the program may not. */
static void force(struct process *own, unsigned page)
{
    uint64_t word = ++own->last;
    bool may = own->mapped[page] && !own->guarded[page] && reached(own, page, false) == 0;
    size_t done = mmk_mm_write(own->mm, at(own, page), &word, sizeof(word), MMK_MM_FORCE);

    if (page >= SHARED_AT && own->readonly[page])
        may = false;
    expect(done == 0 || may);
    expect(done == sizeof(word) || !may || fails || is_short);
    if (done == 0)
        return;
    has_stored(own, page, word);
}

/* ---- what its process asks for --------------------------------------------------------------- */

static uint64_t fresh(const struct process *own, unsigned page)
{
    (void)own;
    return page < FILE_AT ? 0 : 0xf00 + page;
}

static bool is_done(int64_t result)
{
    if (result == MMK_ENOMEM && is_short)
        return false;
    expect(result >= 0);
    return true;
}

static void give_back(struct process *own, unsigned page)
{
    int error = mmk_madvise(own->mm, page_at(page), PAGE, MMK_MADV_DONTNEED);

    if (!own->mapped[page]) {
        expect(error == MMK_ENOMEM);
    } else if (own->locked[page] && (error == MMK_EINVAL || !own->unsure)) {
        expect(error == MMK_EINVAL);
    } else if (is_done(error)) {
        own->word[page] = fresh(own, page);
        own->maybe_zero[page] = false;
    }
}

/* A hole in what all share: who stores meanwhile does so before, or after. */
static void make_hole(struct process *own, unsigned page)
{
    int error;

    __atomic_fetch_add(&holes[page], 1, __ATOMIC_RELAXED);
    error = mmk_madvise(own->mm, page_at(page), PAGE, MMK_MADV_REMOVE);
    expect(error == 0 || own->locked[page] || is_short);
    __atomic_fetch_add(&holes_made[page], 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&holes[page], 1, __ATOMIC_RELAXED);
}

static void free_lazily(struct process *own, unsigned page)
{
    if (page < ANON_PAGES && own->mapped[page] && !own->locked[page] &&
        is_done(mmk_madvise(own->mm, page_at(page), PAGE, MMK_MADV_FREE)))
        own->maybe_zero[page] = true;
}

static void take_mapping(struct process *own, unsigned from, unsigned to)
{
    own->word[to] = own->word[from];
    own->mapped[to] = own->mapped[from];
    own->readonly[to] = own->readonly[from];
    own->guarded[to] = own->guarded[from];
    own->locked[to] = own->locked[from];
    own->maybe_zero[to] = own->maybe_zero[from];
}

/* To another place, or, with DONTUNMAP, only its pages. */
static void move(struct process *own, unsigned from)
{
    unsigned to = below(own, ANON_PAGES), keep = below(own, 3) ? 0 : MMK_MREMAP_DONTUNMAP;
    int64_t result;

    if (from >= ANON_PAGES || from == to || !own->mapped[from])
        return;
    result = mmk_mremap(own->mm, page_at(from), PAGE, PAGE,
                        MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | keep, page_at(to));
    if (result == MMK_ENOMEM && is_short)
        return;
    expect(result == (int64_t)page_at(to));
    take_mapping(own, from, to);
    own->mapped[from] = keep;
    own->word[from] = 0;
    own->locked[from] = own->guarded[from] = own->maybe_zero[from] = false;
}

static void protect(struct process *own, unsigned page)
{
    bool readonly = below(own, 2);

    if (own->mapped[page] &&
        is_done(mmk_mprotect(own->mm, page_at(page), PAGE, readonly ? RO : RW)))
        own->readonly[page] = readonly;
}

static void map(struct process *own, unsigned page)
{
    if (page >= ANON_PAGES ||
        !is_done(mmk_mmap(own->mm, page_at(page), PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0)))
        return;
    own->mapped[page] = true;
    own->word[page] = 0;
    own->readonly[page] = own->guarded[page] = own->locked[page] = own->maybe_zero[page] = false;
}

static void unmap_one(struct process *own, unsigned page)
{
    if (page >= ANON_PAGES || !is_done(mmk_munmap(own->mm, page_at(page), PAGE)))
        return;
    own->mapped[page] = own->locked[page] = own->guarded[page] = false;
    own->maybe_zero[page] = own->readonly[page] = false;
}

static void guard(struct process *own, unsigned page)
{
    bool install = !own->guarded[page];

    if (page >= ANON_PAGES || !own->mapped[page] || own->locked[page] ||
        !is_done(mmk_madvise(own->mm, page_at(page), PAGE,
                             install ? MMK_MADV_GUARD_INSTALL : MMK_MADV_GUARD_REMOVE)))
        return;
    own->guarded[page] = install;
    if (install)
        own->word[page] = 0;
    own->maybe_zero[page] = false;
}

/* Without memory it may stay locked in part: then nobody knows. */
static void unlock_one(struct process *own, unsigned page)
{
    bool done = is_done(mmk_munlock(own->mm, page_at(page), PAGE));

    own->locked[page] = !done;
    own->unsure |= !done;
}

/* Locked, as far as its page can be had; or unlocked. */
static void lock_one(struct process *own, unsigned page)
{
    bool there = reached(own, page, false) == MMK_FAULT_DONE;
    int error;

    if (!own->mapped[page] || own->locked[page]) {
        if (own->mapped[page])
            unlock_one(own, page);
        return;
    }
    error = mmk_mlock(own->mm, page_at(page), PAGE);
    expect(error == 0 || !there || fails || is_short);
    if (error)
        unlock_one(own, page);
    else
        own->locked[page] = true;
}

/* A device stores to a page. */
static void pin(struct process *own, unsigned page)
{
    int64_t pinned = mmk_pin_pages(own->mm, page_at(page), 1, MMK_PIN_WRITE, &own->pinned);
    uint64_t word = ++own->last, *there;

    if (pinned != 1) {
        own->pinned = NULL;
        expect(fails || is_short || reached(own, page, true) != MMK_FAULT_DONE);
        return;
    }
    there = (uint64_t *)mmk_page_address(own->pinned) + (page < SHARED_AT ? 0 : own - processes);
    __atomic_store_n(there, word, __ATOMIC_RELAXED);
    has_stored(own, page, word);
}

static void unpin(struct process *own)
{
    if (own->pinned)
        mmk_unpin_pages(&own->pinned, 1, true);
    own->pinned = NULL;
}

/* Its file loses pages, and private copies with them. */
static void truncate_file(struct process *own)
{
    unsigned pages = below(own, FILE_PAGES + 1), page;
    int error = mmk_object_resize(own->file, pages * PAGE);

    if (error) {
        expect(is_short);
        return;
    }
    for (page = pages; page < FILE_PAGES; page++)
        own->word[FILE_AT + page] = fresh(own, FILE_AT + page);
    own->file_pages = pages;
}

/* The child goes on in its parent's place. */
static void fork_and_end(struct process *own)
{
    struct mmk_mm *child, *mm = own->mm;
    unsigned page;

    if (!is_done(mmk_fork(mm, &child)))
        return;
    if (below(own, 3) == 0) { /* or the parent does */
        mmk_mm_put(child);
        return;
    }
    own->mm = child;
    mmk_aptr_store(&own->shown, child, MMK_RELEASE);
    machine_switch_mm(child);
    if (below(own, 2)) {
        uint64_t freed = 0;

        mmk_kill(mm);
        (void)!mmk_reap(mm, 3, &freed);
    }
    mmk_mm_put(mm);
    for (page = 0; page < PAGES; page++)
        own->locked[page] = false;
}

/* ---- what nobody may notice ------------------------------------------------------------------ */

/* As reclaim does it. */
static void page_out(struct mmk_mm *mm, unsigned number)
{
    struct mmk_page *page = NULL;
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, page_at(number), &walk);
    if (walk.level == 0)
        page = mmk_pte_page(mmk_pte_read(walk.entry));
    if (page)
        mmk_page_get(page);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    if (!page)
        return;
    if (mmk_page_trylock(page)) {
        if (mmk_page_type(page) == MMK_PAGE_ANON)
            (void)!mmk_swap_out(page);
        else if (mmk_page_type(page) == MMK_PAGE_OBJECT && mmk_page_is_shared_memory(page))
            (void)!mmk_object_swap_out(page);
        mmk_page_unlock(page);
    }
    mmk_swap_put_page(page);
}

static void disturb(struct process *own)
{
    static const int advice[] = {MMK_MADV_PAGEOUT, MMK_MADV_WILLNEED, MMK_MADV_COLD,
                                 MMK_MADV_POPULATE_READ};
    struct process *other = &processes[below(own, CPUS)];
    unsigned page = any_page(own), count = 1 + below(own, PAGES - page);
    unsigned which = below(own, 17);
    struct mmk_mm *mm;
    bool there;

    mmk_rcu_read_lock();
    mm = (struct mmk_mm *)mmk_aptr_load(&other->shown, MMK_ACQUIRE);
    there = mmk_mm_get_unless_gone(mm);
    mmk_rcu_read_unlock();
    if (!there)
        return;
    if (which < 4)
        (void)!mmk_madvise(mm, page_at(page), count * PAGE, advice[which]);
    else if (which < 16)
        page_out(mm, page);
    else
        (void)!mmk_reclaim(1);
    if (mm == own->mm)
        machine_switch_mm(own->mm);
    mmk_mm_put(mm);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void call(struct process *own)
{
    unsigned page = any_page(own), which = below(own, 40);

    if (which < 8)
        load(own, page);
    else if (which < 16)
        save(own, page);
    else if (which < 24)
        disturb(own);
    else if (which < 27)
        fork_and_end(own);
    else if (which == 27)
        page < SHARED_AT ? give_back(own, page) : make_hole(own, page);
    else if (which == 28)
        free_lazily(own, page);
    else if (which < 31)
        move(own, page);
    else if (which == 31)
        protect(own, page);
    else if (which == 32)
        below(own, 2) ? map(own, page) : unmap_one(own, page);
    else if (which == 33)
        guard(own, page);
    else if (which == 34)
        lock_one(own, page);
    else if (which == 35 && !own->pinned)
        pin(own, page);
    else if (which == 36)
        unpin(own);
    else if (which == 37)
        truncate_file(own);
    else if (which == 38)
        change_areas(own);
    else
        force(own, page);
}

static void swap_all(unsigned cpu)
{
    struct process *own = &processes[cpu];
    unsigned i;

    machine_switch_mm(own->mm);
    for (i = 0; i < CALLS; i++)
        call(own);
    unpin(own);
    machine_switch_mm(world.mm);
}

static int read_page(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memset(page, 0, PAGE);
    *(uint64_t *)page = 0xf00 + FILE_AT + index;
    return 0;
}

static const struct mmk_object_ops file_ops = {.read_page = read_page};

static void start_process(struct process *own, unsigned cpu)
{
    unsigned page;

    own->random = ((uint64_t)world_random(1u << 30) << 30) + cpu;
    own->last = (cpu + 1) * 0x1000;
    own->file_pages = FILE_PAGES;
    expect(mmk_fork(cpu && world_random(2) ? processes[cpu - 1].mm : world.mm, &own->mm) == 0);
    mmk_aptr_store(&own->shown, own->mm, MMK_RELAXED);
    expect(mmk_object_create(&file_ops, FILE_PAGES * PAGE, NULL, &own->file) == 0);
    expect(mmk_mmap(own->mm, page_at(FILE_AT), FILE_PAGES * PAGE, RW,
                    MMK_MAP_PRIVATE | MMK_MAP_FIXED, own->file, 0) == (int64_t)page_at(FILE_AT));
    for (page = 0; page < PAGES; page++) {
        own->mapped[page] = page < ANON_PAGES || page >= FILE_AT;
        own->word[page] = page < ANON_PAGES ? page + 1 : page < SHARED_AT ? 0xf00 + page : 0;
    }
}

static void start(void)
{
    unsigned page, cpu, slots;

    is_short = false;
    held = NULL;

    memset(processes, 0, sizeof(processes));
    memset(places, 0, sizeof(places));
    memset(holes, 0, sizeof(holes));
    memset(holes_made, 0, sizeof(holes_made));
    memset(&it, 0, sizeof(it));
    fails = world_random(3) == 0;
    slots = 4 + world_random(SLOTS_MOST);
    area_on(&places[0], slots, 0, world_random(6));
    slots = 1 + world_random(SLOTS_MOST);
    if (world_random(2))
        area_on(&places[1], slots, -1, world_random(6));
    map_pages(0, ANON_PAGES, RW, ANON);
    map_pages(SHARED_AT, SHARED_PAGES, RW, SHARED_ANON);
    for (page = 0; page < ANON_PAGES; page++) {
        store(page, page + 1);
        if (world_random(2))
            page_out(world.mm, page);
    }
    for (cpu = 0; cpu < CPUS; cpu++) {
        start_process(&processes[cpu], cpu);
        for (page = 0; page < ANON_PAGES; page++)
            if (world_random(4) == 0)
                page_out(world.mm, page);
    }
    leaves = world_random(2);
    if (leaves)
        dontneed(0, ANON_PAGES);
    is_short = world.scenario->inject;
}

/* Few frames are left: whoever wants one takes a page from somebody. */
static void start_tight(void)
{
    unsigned left = 4 + world_random(24);
    struct mmk_stats stats;
    struct mmk_page *page;

    start();
    is_short = true;
    mmk_drain();
    mmk_stats_read(&stats);
    for (; stats.frames_free > left; stats.frames_free--) {
        page = mmk_page_alloc(0, MMK_ALLOC_NOWAIT);
        if (!page)
            break;
        *(struct mmk_page **)mmk_page_address(page) = held;
        held = page;
    }
}

/* All are in a group, which has its pages reclaimed for each that it wants. */
static void start_limited(void)
{
    unsigned cpu;

    expect(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group) == 0);
    for (cpu = 0; cpu < CPUS; cpu++) {
        fibers_be_cpu(cpu);
        machine_switch_mm(NULL);
    }
    mmk_mm_put(world.mm);
    expect(mmk_group_mm_create(group, &world.mm) == 0);
    for (cpu = CPUS; cpu-- > 0;) {
        fibers_be_cpu(cpu);
        machine_switch_mm(world.mm);
    }
    start();
    is_short = true;
    (void)!mmk_group_set_limit(group, (16 + world_random(32)) * PAGE);
}

/* What is short is to be had again. */
static void let_go(void)
{
    struct mmk_page *next;

    for (; held; held = next) {
        next = *(struct mmk_page **)mmk_page_address(held);
        mmk_page_put(held);
    }
    if (group) {
        mmk_charge_check(group);
        expect(mmk_group_set_limit(group, MMK_GROUP_UNLIMITED) == 0);
        mmk_group_put(group);
    }
    group = NULL;
}

static void end_process(struct process *own)
{
    unsigned page;

    machine_switch_mm(own->mm);
    for (page = 0; page < PAGES; page++)
        if (own->mapped[page])
            load(own, page);
    mmk_check(own->mm);
    mmk_check_object(own->file);
    machine_switch_mm(world.mm);
    mmk_mm_put(own->mm);
    mmk_object_put(own->file);
}

static void end(void)
{
    unsigned i;

    for (i = 0; i < AREAS; i++)
        if (places[i].area)
            machine_swap_set_errors(places[i].device, NULL);
    let_go();
    fails = is_short = false;
    mmk_swap_check();
    for (i = 0; i < CPUS; i++)
        end_process(&processes[i]);
    for (i = 0; i < ANON_PAGES; i++)
        expect(look(i) == (leaves ? 0 : i + 1));
    mmk_swap_check();
    for (i = 0; i < AREAS; i++)
        if (places[i].area)
            expect(area_off(&places[i]));
    expect(mmk_munmap(world.mm, page_at(0), PAGES * PAGE) == 0);
    mmk_kin_reap();
    expect(mmk_kin_count() == 1);
}

const struct scenario scenarios_swap_large[] = {
    {.name = "large.swapped",
     .what = "processes of one family do all they can while their memory goes to swap",
     .cpus = CPUS,
     .setup = start,
     .body = swap_all,
     .check = end,
     .formats = ON_BOTH,
     .most_steps = 1000000},
    {.name = "large.swapped-short",
     .what = "likewise, and allocations fail",
     .cpus = CPUS,
     .setup = start,
     .body = swap_all,
     .check = end,
     .inject = FIBERS_FAIL_ALL,
     .formats = ON_BOTH,
     .most_steps = 1000000},
    {.name = "large.swapped-tight",
     .what = "likewise, and there is hardly any memory left",
     .cpus = CPUS,
     .setup = start_tight,
     .body = swap_all,
     .check = end,
     .formats = ON_BOTH,
     .most_steps = 10000000},
    {.name = "large.swapped-limited",
     .what = "likewise, and all are in a group at its limit",
     .cpus = CPUS,
     .setup = start_limited,
     .body = swap_all,
     .check = end,
     .formats = ON_BOTH,
     .most_steps = 10000000},
    {.name = NULL},
};
