/* SPDX-License-Identifier: MIT */
/*
 * pairs_ground.c - the operations, and the memory that they work on, as they find it: on the
 * machine, and in the flat model.
 */
#include "pairs.h"

#include <machine_swap.h>
#include <mmkit/stats.h>
#include <string.h>

struct pair_run pair_run;

static const struct op *const lists[] = {pair_ops_access, pair_ops_map,   pair_ops_move,
                                         pair_ops_page,   pair_ops_lock,  pair_ops_object,
                                         pair_ops_life,   pair_ops_larger};

const struct op *pair_op(size_t number)
{
    size_t list, i;

    for (list = 0; list < sizeof(lists) / sizeof(lists[0]); list++)
        for (i = 0; lists[list][i].name; i++)
            if (number-- == 0)
                return &lists[list][i];
    return NULL;
}

const struct ground pair_grounds[] = {
    {.name = "new", .wide = true},
    {.name = "anon", .wide = true, .stored = true, .warm = true, .all = true},
    {.name = "fork", .wide = true, .stored = true, .forked = true, .warm = true},
    {.name = "closed", .stored = true, .closed = true, .warm = true},
    {.name = "stack", .grows = true},
    {.name = "file", .object = true, .loaded = true},
    {.name = "copy", .object = true, .stored = true, .warm = true},
    {.name = "shared",
     .wide = true,
     .object = true,
     .shared = true,
     .stored = true,
     .synced = true,
     .warm = true,
     .all = true},
    {.name = "cold", .object = true, .shared = true},
    {.name = "kin", .object = true, .shared = true, .stored = true, .forked = true, .kin = true},
    {.name = "kin-copy", .object = true, .stored = true, .forked = true, .kin = true},
    {.name = "keeps-none", .all = true, .keeps = true},
    {.name = "keeps-fork",
     .stored = true,
     .forked = true,
     .warm = true,
     .all = true,
     .keeps = true},
    {.name = "larger-new", .larger = true, .all = true, .wants = OP_FILLS | OP_READS},
    {.name = "larger-zeros", .larger = true, .loaded = true, .warm = true},
    {.name = "larger", .larger = true, .stored = true, .warm = true, .all = true},
    {.name = "larger-fork", .larger = true, .stored = true, .forked = true, .warm = true},
    {.name = "filled",
     .larger = true,
     .filled = true,
     .stored = true,
     .warm = true,
     .all = true,
     .wants = OP_LARGER},
    {.name = "filled-fork",
     .larger = true,
     .filled = true,
     .stored = true,
     .forked = true,
     .warm = true,
     .wants = OP_LARGER},
    {.name = "around",
     .object = true,
     .shared = true,
     .around = true,
     .all = true,
     .wants = OP_READS},
    {.name = "around-copy", .object = true, .around = true, .wants = OP_READS},
    {.name = NULL},
};

bool ground_has_whole(const struct ground *ground)
{
    return ground->larger || ground->around;
}

bool ground_fits(unsigned traits, const struct ground *ground)
{
    if ((traits & OP_LARGER) && !ground->larger)
        return false;
    if (ground->wants && !(traits & ground->wants))
        return false;
    if ((traits & OP_OBJECT) && !ground->object)
        return false;
    if ((traits & OP_SHARED) && !ground->shared)
        return false;
    if ((traits & OP_PRIVATE) && ground->shared)
        return false;
    if ((traits & (OP_CHILD | OP_PARENT)) && !ground->forked)
        return false;
    if ((traits & OP_CLOSED) && !ground->closed)
        return false;
    if ((traits & OP_BRINGS) && (traits & OP_CUTS) &&
        (ground->forked || !(ground->loaded || ground->stored)))
        return false;
    return !(traits & OP_RARE) || ground->all;
}

mmk_vaddr_t act_addr(const struct act *act)
{
    return page_at(act->page);
}

uint64_t act_length(const struct act *act)
{
    return act->count * PAGE;
}

struct mmk_mm *act_mm(const struct act *act)
{
    return pair_run.mm[act->space];
}

struct flat_page *act_page(struct flat *flat, const struct act *act, unsigned i)
{
    return &flat->space[act->space].page[act->page + i];
}

void act_split_ends(struct flat *flat, const struct act *act)
{
    flat_split_ends(flat, act->space, act->page, act->count);
}

const struct flat_page *act_looked_at(struct flat *flat, struct act *act)
{
    const struct flat_page *p;

    if (act->step < act->upto)
        return NULL;
    p = act_page(flat, act, act->step);
    act->upto = act->step;
    if (p->mapped) {
        do
            act->upto++;
        while (act->upto < act->count && flat_same_mapping(act_page(flat, act, act->upto - 1),
                                                           act_page(flat, act, act->upto)));
        return p;
    }
    act->code = MMK_ENOMEM;
    act->upto = ++act->step;
    return NULL;
}

bool act_next_page(struct act *act, unsigned *page)
{
    *page = act->page + act->step++;
    act->reads = act->step < act->count;
    return !act->reads;
}

/* ---- on the machine ----------------------------------------------------------------------------
 */

static int read_kept(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    fibers_touch(&pair_run.kept[index], FIBERS_READ);
    memset(page, 0, PAGE);
    memcpy(page, &pair_run.kept[index], sizeof(pair_run.kept[index]));
    return 0;
}

static int write_kept(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    fibers_touch(&pair_run.kept[index], FIBERS_WRITE);
    fibers_touch(page, FIBERS_READ);
    pair_run.kept[index] = __atomic_load_n((const uint32_t *)page, __ATOMIC_RELAXED);
    return 0;
}

static const struct mmk_object_ops file_ops = {
    .read_page = read_kept, .write_page = write_kept, .punch_hole = punch_nothing};

/* The pages that are used at first, as bits. */
static unsigned used_pages(const struct ground *ground, const struct act *act, unsigned acts)
{
    unsigned pages = 0, i;

    for (i = 0; i < acts; i++) {
        pages |= ((1u << act[i].count) - 1) << act[i].page;
        if ((act[i].op->traits & OP_WHOLE) && ground->object)
            pages |= (1u << PAIR_END) - (1u << PAIR_FIRST);
    }
    if (ground->larger)
        pages |= (1u << PAIR_WHOLE) - 1;
    if (ground->beside)
        pages = 1u << 1 | 1u << (PAIR_END - 1) | 1u << (PAIR_AGAIN + 1);
    if (ground->swapped)
        pages = ((1u << PAIR_END) - (1u << PAIR_FIRST)) * (1u | 1u << PAIR_AGAIN);
    return ground->filled ? pages & ~1u : pages;
}

/* Where it ends: of both mappings. */
static unsigned end_page(const struct ground *ground)
{
    return ground->again ? PAIR_AGAIN + PAIR_END : PAIR_END;
}

/* Pages that are used were, when the operations begin. */
static bool is_touched(const struct ground *ground)
{
    return ground->loaded || ground->stored || ground->beside;
}

static void touch(unsigned page, bool write)
{
    uint64_t word = WORD_TOUCHED(page);

    expect((write ? put_word(page, word) : get_word(page, &word)) == MMK_FAULT_DONE);
}

/* What is stored next makes entries dirty, but not their pages. */
static void store_and_sync(unsigned pages)
{
    unsigned page;

    for (page = PAIR_FIRST; page < PAIR_END; page++)
        if (pages & 1u << page)
            expect(put_word(page, WORD_SYNCED(page)) == MMK_FAULT_DONE);
    expect(mmk_object_sync(pair_run.object, 0, UINT64_MAX) == 0);
}

static void touch_pages(unsigned pages, const struct ground *ground)
{
    unsigned page;

    if (ground->filled) {
        touch(1, true);
        expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
    }
    for (page = 0; page < end_page(ground); page++)
        if (pages & 1u << page && is_touched(ground))
            touch(page, ground->stored || ground->beside);
}

/* The first page of the mapping. */
static unsigned first_page(const struct ground *ground)
{
    if (ground_has_whole(ground) || ground->beside)
        return 0;
    return ground->grows ? PAIR_FIRST + 2 : PAIR_FIRST;
}

static void map_part(struct mmk_mm *mm, const struct ground *ground, unsigned up)
{
    unsigned flags = ground->shared ? MMK_MAP_SHARED : MMK_MAP_PRIVATE, first = first_page(ground);
    int64_t addr;

    flags |= MMK_MAP_FIXED | (ground->object ? 0 : MMK_MAP_ANONYMOUS);
    flags |= ground->grows ? MMK_MAP_GROWSDOWN : 0;
    addr = mmk_mmap(mm, page_at(up + first), (PAIR_END - first) * PAGE, RW, flags, pair_run.object,
                    ground->object ? first * PAGE : 0);
    expect(addr == (int64_t)page_at(up + first));
}

static void map_space(struct mmk_mm *mm, const struct ground *ground)
{
    map_part(mm, ground, 0);
    if (ground->again)
        map_part(mm, ground, PAIR_AGAIN);
    expect(mmk_set_brk(mm, page_at(PAIR_HEAP)) == 0);
}

static void map_ground(const struct ground *ground)
{
    unsigned i;

    for (i = 0; i < FLAT_OBJECT; i++)
        pair_run.kept[i] = WORD_KEPT(i);
    if (ground->object)
        expect(mmk_object_create(&file_ops, PAIR_END * PAGE, NULL, &pair_run.object) == 0);
    map_space(world.mm, ground);
    if (ground->around || ground->cached)
        expect(mmk_madvise(world.mm, page_at(0), PAIR_END * PAGE, MMK_MADV_WILLNEED) == 0);
}

/* The child has a look at the pages. */
static void touch_as_child(unsigned pages)
{
    uint64_t word;
    unsigned page;

    machine_switch_mm(pair_run.mm[SPACE_CHILD]);
    for (page = PAIR_FIRST; page < PAIR_END; page++)
        if (pages & 1u << page)
            expect(get_word(page, &word) == MMK_FAULT_DONE);
    machine_switch_mm(world.mm);
}

/* Pages are written, and stay in the cache: the row is read when one of them is wanted. */
static void swap_out(struct mmk_mm *mm, const struct ground *ground)
{
    const unsigned count = PAIR_END - PAIR_FIRST;
    struct mmk_mm_stats stats;
    unsigned up;

    for (up = 0; up <= (ground->again ? PAIR_AGAIN : 0); up += PAIR_AGAIN) {
        expect(mmk_madvise(mm, page_at(up + PAIR_FIRST), count * PAGE, MMK_MADV_PAGEOUT) == 0);
        touch(up + PAIR_END - 1, true);
    }
    mmk_mm_stats(mm, &stats);
    expect(stats.swapped == (ground->again ? 2 : 1) * (count - 1));
}

/* What comes after the pages are there. */
static void finish_ground(const struct ground *ground, unsigned pages)
{
    if (ground->swapped)
        swap_out(world.mm, ground);
    if (ground->forked)
        expect(mmk_fork(world.mm, &pair_run.mm[SPACE_CHILD]) == 0);
    if (ground->kin)
        touch_as_child(pages);
    if (ground->closed)
        expect(mmk_mprotect(world.mm, page_at(PAIR_FIRST), (PAIR_END - PAIR_FIRST) * PAGE,
                            MMK_PROT_NONE) == 0);
}

static unsigned cpus(void)
{
    return world.scenario->cpus;
}

bool pair_all_leave(void)
{
    unsigned i;

    for (i = 0; i < pair_run.acts; i++)
        if (pair_run.act[i].op->traits & OP_LEAVES)
            return true;
    return false;
}

/* The address space that a CPU works in. */
static unsigned space_of(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < pair_run.acts; i++)
        if (pair_run.act[i].cpu == cpu && pair_run.act[i].space != SPACE_MAIN)
            return pair_run.act[i].space;
    return SPACE_MAIN;
}

/* The last CPU has one of its own, which is as the first is. */
static void start_other(const struct ground *ground, unsigned pages)
{
    fibers_be_cpu(cpus() - 1);
    expect(mmk_mm_create(&pair_run.mm[SPACE_OTHER]) == 0);
    map_space(pair_run.mm[SPACE_OTHER], ground);
    machine_switch_mm(pair_run.mm[SPACE_OTHER]);
    touch_pages(pages, ground);
    if (ground->swapped)
        swap_out(pair_run.mm[SPACE_OTHER], ground);
    fibers_be_cpu(0);
}

enum { SLOTS = 64 };

static void start_swap(void)
{
    pair_run.device = machine_swap_memory(SLOTS);
    expect(pair_run.device);
    expect(mmk_swapon(&machine_swap_ops, pair_run.device, SLOTS, 0, &pair_run.area) == 0);
}

static void stop_swap(void)
{
    expect(mmk_swapoff(pair_run.area) == 0);
    machine_swap_close(pair_run.device);
}

void ground_start(const struct ground *ground, const struct act *act, unsigned acts)
{
    unsigned cpu, pages = used_pages(ground, act, acts);

    memset(&pair_run, 0, sizeof(pair_run));
    pair_run.ground = ground;
    pair_run.mm[SPACE_MAIN] = world.mm;
    pair_run.acts = acts;
    memcpy(pair_run.act, act, acts * sizeof(*act));
    if (ground->swapped)
        start_swap();
    map_ground(ground);
    if (ground->synced)
        store_and_sync(pages);
    for (cpu = ground->warm && !ground->other ? cpus() : 1; cpu-- > 0;) {
        fibers_be_cpu(cpu);
        touch_pages(pages, ground);
    }
    finish_ground(ground, pages);
    if (ground->other)
        start_other(ground, pages);
    for (cpu = 0; cpu < cpus(); cpu++) {
        fibers_be_cpu(cpu);
        if (space_of(cpu) != SPACE_MAIN)
            machine_switch_mm(pair_run.mm[space_of(cpu)]);
    }
    fibers_be_cpu(0);
}

void ground_stop(void)
{
    unsigned cpu, space;

    for (cpu = 0; cpu < cpus(); cpu++) {
        fibers_be_cpu(cpu);
        machine_switch_mm(NULL);
        if (pair_run.mirror[cpu].registered)
            mmk_notifier_unregister(world.mm, &pair_run.mirror[cpu].notifier);
    }
    fibers_be_cpu(0);
    for (space = SPACE_MAIN + 1; space < FLAT_SPACES; space++)
        if (pair_run.mm[space])
            mmk_mm_put(pair_run.mm[space]);
    if (pair_run.object)
        mmk_object_put(pair_run.object);
    if (pair_run.device)
        stop_swap();
}

/* ---- in the model ------------------------------------------------------------------------------
 */

static void flat_map_part(struct flat *flat, unsigned space, const struct ground *ground,
                          unsigned up)
{
    unsigned page;

    for (page = first_page(ground); page < PAIR_END; page++) {
        struct flat_page *p = &flat->space[space].page[up + page];

        flat_map(flat, space, up + page, RW);
        p->object = ground->object;
        p->shared = ground->shared;
        p->grows = ground->grows;
        p->index = ground->object ? (uint8_t)page : 0;
    }
}

static void flat_touch_ground(struct flat *flat, unsigned space, const struct ground *ground,
                              unsigned used)
{
    unsigned page;
    uint32_t word;

    for (page = 0; page < end_page(ground); page++) {
        word = WORD_TOUCHED(page);
        if (used & 1u << page && is_touched(ground))
            (void)flat_access(flat, space, page, ground->stored || ground->beside, &word);
        if (used & 1u << page && ground->synced)
            flat->object.page[page].kept = WORD_SYNCED(page);
    }
}

static void flat_start_space(struct flat *flat, unsigned space, const struct ground *ground,
                             unsigned used)
{
    flat->space[space].exists = true;
    flat->space[space].heap_end = PAIR_HEAP;
    flat_map_part(flat, space, ground, 0);
    if (ground->again)
        flat_map_part(flat, space, ground, PAIR_AGAIN);
    flat_touch_ground(flat, space, ground, used);
}

void ground_start_flat(struct flat *flat, const struct ground *ground, const struct act *act,
                       unsigned acts)
{
    unsigned used = used_pages(ground, act, acts), page;
    uint32_t word;

    memset(flat, 0, sizeof(*flat));
    flat->object.size = ground->object ? PAIR_END : 0;
    flat->larger = ground->larger && !ground->filled;
    flat->around = ground->around;
    for (page = 0; page < FLAT_OBJECT; page++)
        flat->object.page[page].kept = WORD_KEPT(page);
    for (page = 0; page < PAIR_END && (ground->around || ground->cached); page++)
        flat_bring_in(flat, page);
    flat_start_space(flat, SPACE_MAIN, ground, used);
    flat->larger = ground->larger;
    if (ground->forked)
        flat_fork(flat, SPACE_MAIN, SPACE_CHILD);
    for (page = PAIR_FIRST; page < PAIR_END && ground->kin; page++)
        if (used & 1u << page)
            (void)flat_access(flat, SPACE_CHILD, page, false, &word);
    for (page = PAIR_FIRST; page < PAIR_END && ground->closed; page++)
        flat->space[SPACE_MAIN].page[page].prot = MMK_PROT_NONE;
    if (ground->other)
        flat_start_space(flat, SPACE_OTHER, ground, used);
    flat->choices = 0;
}
