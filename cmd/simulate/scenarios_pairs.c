/* SPDX-License-Identifier: MIT */
/*
 * scenarios_pairs.c - every two operations beside each other, on memory of each kind.
 *
 * pair.A.B.GROUND.PLACE: CPU 0 does A and CPU 1 does B, on a mapping of four pages that lie in two
 * leaf tables. PLACE says where:
 *
 *   same   both on the last page of a table
 *   near   on two pages of one table
 *   cross  on two pages in two tables; what works on a page alone takes the second. Not on memory
 * of each kind, nor two operations of many steps: all schedules are to be tried
 *
 * Only the pages that will be used are there at first: so tables empty, and are built again.
 *
 * What comes out must come out of the flat model in one of the orders of the steps of A and B:
 * what the two answered, which tables there are, and what a program then finds everywhere, in
 * address spaces that were forked, too. The orders are tried once a scenario.
 */
#include "pairs.h"

#include "grown.h"

#include <mmkit/check.h>
#include <mmkit/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SEEN 320

/* What can be seen of a state, in a fixed order. */
struct seen {
    unsigned count;
    uint64_t value[MOST_SEEN];
    uint32_t about[MOST_SEEN]; /* what it says: for messages */
};

enum { ABOUT_CODE, ABOUT_WORD, ABOUT_TABLES, ABOUT_BYTES, ABOUT_ACCESS, ABOUT_FILE };

struct place {
    const char *name;
    unsigned page[2], count;
};

struct pair {
    char name[64];
    const struct op *op[2];
    const struct ground *ground;
    const struct place *place;
};

struct pair_run pair_run;

static struct {
    const struct pair *pair; /* whose outcomes are known */
    struct seen *outcomes;
    size_t count, size;
} model;

static const struct place places[] = {
    {"same", {3, 3}, 1},
    {"near", {2, 3}, 1},
    {"cross", {3, 3}, 2},
};

static const struct ground grounds[] = {
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
};

static struct {
    struct pair *pairs;
    struct scenario *scenarios; /* likewise, and one without a name */
    size_t count, size;
} all;

static unsigned cpus(void)
{
    return world.scenario->cpus;
}

static const struct pair *this_pair(void)
{
    return &all.pairs[world.scenario - all.scenarios];
}

/* ---- what operations ask ----------------------------------------------------------------------
 */

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

const struct flat_page *act_looked_at(struct flat *flat, struct act *act)
{
    const struct flat_page *p;

    if (act->step < act->upto)
        return NULL;
    p = act_page(flat, act, act->step);
    act->upto = act->step;
    while (act->upto < act->count && act_page(flat, act, act->upto)->mapped)
        act->upto++;
    if (act->upto > act->step)
        return p;
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

/* ---- the start --------------------------------------------------------------------------------
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

static const struct mmk_object_ops file_ops = {.read_page = read_kept, .write_page = write_kept};

static void init_act(struct act *act, const struct pair *pair, unsigned cpu)
{
    const struct op *op = pair->op[cpu];
    const struct place *place = pair->place;

    *act = (struct act){.op = op, .cpu = cpu, .page = place->page[cpu], .count = place->count};
    if (op->traits & OP_CHILD)
        act->space = SPACE_CHILD;
    if (op->traits & OP_HEAP) {
        act->page = PAIR_HEAP - 1;
        act->count = 1;
    } else if ((op->traits & OP_ONE_PAGE) && place->count > 1) {
        act->page += place->count - 1;
        act->count = 1;
    }
}

/* The pages that are used at first, as bits. */
static unsigned used_pages(const struct act *act, unsigned cpus, const struct ground *ground)
{
    unsigned pages = 0, cpu;

    for (cpu = 0; cpu < cpus; cpu++) {
        pages |= ((1u << act[cpu].count) - 1) << act[cpu].page;
        if ((act[cpu].op->traits & OP_WHOLE) && ground->object)
            pages |= (1u << PAIR_END) - (1u << PAIR_FIRST);
    }
    return pages;
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

    for (page = PAIR_FIRST; page < PAIR_END; page++)
        if (pages & 1u << page && (ground->loaded || ground->stored))
            touch(page, ground->stored);
}

/* The first page of the mapping. */
static unsigned first_page(const struct ground *ground)
{
    return ground->grows ? PAIR_FIRST + 2 : PAIR_FIRST;
}

static void map_ground(const struct ground *ground)
{
    unsigned flags = ground->shared ? MMK_MAP_SHARED : MMK_MAP_PRIVATE, i, first;
    int64_t addr;

    first = first_page(ground);
    flags |= MMK_MAP_FIXED | (ground->object ? 0 : MMK_MAP_ANONYMOUS);
    flags |= ground->grows ? MMK_MAP_GROWSDOWN : 0;
    for (i = 0; i < FLAT_OBJECT; i++)
        pair_run.kept[i] = WORD_KEPT(i);
    if (ground->object)
        expect(mmk_object_create(&file_ops, PAIR_END * PAGE, NULL, &pair_run.object) == 0);
    addr = mmk_mmap(world.mm, page_at(first), (PAIR_END - first) * PAGE, RW, flags, pair_run.object,
                    ground->object ? first * PAGE : 0);
    expect(addr == (int64_t)page_at(first));
    expect(mmk_set_brk(world.mm, page_at(PAIR_HEAP)) == 0);
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

/* What comes after the pages are there. */
static void finish_ground(const struct ground *ground, unsigned pages)
{
    if (ground->forked)
        expect(mmk_fork(world.mm, &pair_run.mm[SPACE_CHILD]) == 0);
    if (ground->kin)
        touch_as_child(pages);
    if (ground->closed)
        expect(mmk_mprotect(world.mm, page_at(PAIR_FIRST), (PAIR_END - PAIR_FIRST) * PAGE,
                            MMK_PROT_NONE) == 0);
}

/* Does one of the operations end with all CPUs leaving? */
static bool all_leave(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < cpus(); cpu++)
        if (this_pair()->op[cpu]->traits & OP_LEAVES)
            return true;
    return false;
}

static void setup(void)
{
    const struct pair *pair = this_pair();
    unsigned cpu, pages;

    memset(&pair_run, 0, sizeof(pair_run));
    pair_run.ground = pair->ground;
    pair_run.mm[SPACE_MAIN] = world.mm;
    for (cpu = 0; cpu < cpus(); cpu++)
        init_act(&pair_run.act[cpu], pair, cpu);
    pages = used_pages(pair_run.act, cpus(), pair->ground);
    map_ground(pair->ground);
    if (pair->ground->synced)
        store_and_sync(pages);
    for (cpu = pair->ground->warm ? cpus() : 1; cpu-- > 0;) {
        fibers_be_cpu(cpu);
        touch_pages(pages, pair->ground);
    }
    finish_ground(pair->ground, pages);
    for (cpu = 0; cpu < cpus(); cpu++) {
        fibers_be_cpu(cpu);
        if (pair->op[cpu]->traits & OP_CHILD)
            machine_switch_mm(pair_run.mm[SPACE_CHILD]);
        if (all_leave() && cpu > 0)
            mmk_mm_get(world.mm);
    }
    fibers_be_cpu(0);
}

/* One user less. What refers to the address space goes first. */
static void leave(unsigned cpu)
{
    struct mirror *mirror = &pair_run.mirror[cpu];

    if (mirror->registered)
        mmk_notifier_unregister(pair_run.mm[SPACE_MAIN], &mirror->notifier);
    mirror->registered = false;
    machine_switch_mm(NULL);
    mmk_mm_put(pair_run.mm[SPACE_MAIN]);
    if (cpu == 0)
        world.mm = NULL;
}

static void body(unsigned cpu)
{
    pair_run.act[cpu].op->run(&pair_run.act[cpu]);
    if (all_leave())
        leave(cpu);
}

static void flat_map_ground(struct flat *flat, const struct ground *ground)
{
    unsigned page;

    for (page = first_page(ground); page < PAIR_END; page++) {
        struct flat_page *p = &flat->space[SPACE_MAIN].page[page];

        flat_map(flat, SPACE_MAIN, page, RW);
        p->object = ground->object;
        p->shared = ground->shared;
        p->grows = ground->grows;
        p->index = ground->object ? (uint8_t)page : 0;
    }
}

/* The same start in the model. */
static void flat_start(struct flat *flat, const struct ground *ground, unsigned used)
{
    unsigned page;
    uint32_t word;

    memset(flat, 0, sizeof(*flat));
    flat->space[SPACE_MAIN].exists = true;
    flat->space[SPACE_MAIN].heap_end = PAIR_HEAP;
    flat->object.size = ground->object ? PAIR_END : 0;
    for (page = 0; page < FLAT_OBJECT; page++)
        flat->object.page[page].kept = WORD_KEPT(page);
    flat_map_ground(flat, ground);
    for (page = PAIR_FIRST; page < PAIR_END; page++) {
        word = WORD_TOUCHED(page);
        if (used & 1u << page && (ground->loaded || ground->stored))
            (void)flat_access(flat, SPACE_MAIN, page, ground->stored, &word);
        if (used & 1u << page && ground->synced)
            flat->object.page[page].kept = WORD_SYNCED(page);
    }
    if (ground->forked)
        flat_fork(flat, SPACE_MAIN, SPACE_CHILD);
    for (page = PAIR_FIRST; page < PAIR_END && ground->kin; page++)
        if (used & 1u << page)
            (void)flat_access(flat, SPACE_CHILD, page, false, &word);
    for (page = PAIR_FIRST; page < PAIR_END && ground->closed; page++)
        flat->space[SPACE_MAIN].page[page].prot = MMK_PROT_NONE;
}

/* ---- what can be seen ---------------------------------------------------------------------------
 */

static void note(struct seen *seen, unsigned about, unsigned space, unsigned page, uint64_t value)
{
    if (seen->count == MOST_SEEN)
        fibers_fail("pairs: too much to see");
    seen->about[seen->count] = about << 16 | space << 8 | page;
    seen->value[seen->count++] = value;
}

/* Pages at which something may have changed. */
static bool is_of_interest(const struct act *act, unsigned page)
{
    unsigned cpu, from;

    for (cpu = 0; cpu < cpus(); cpu++) {
        from = act[cpu].page;
        if (page + 1 >= from && page <= from + act[cpu].count)
            return true;
        from += PAIR_ASIDE;
        if ((act[cpu].op->traits & OP_ASIDE) && page + 1 >= from && page <= from + act[cpu].count)
            return true;
        if ((act[cpu].op->traits & OP_HIGH) && page <= PAIR_HIGH &&
            page + act[cpu].count > PAIR_HIGH)
            return true;
    }
    return false;
}

/* An access in the model, or for flat NULL by CPU 0, which has that space loaded. */
static uint64_t see_access(struct flat *flat, unsigned space, unsigned page, bool write)
{
    uint64_t word = space << 8 | page;
    uint32_t flat_word = (uint32_t)word;
    enum mmk_fault_result result;

    if (flat) {
        result = flat_access(flat, space, page, write, &flat_word);
        word = flat_word;
    } else {
        result = write ? put_word(page, word) : get_word(page, &word);
    }
    return result == MMK_FAULT_DONE && !write ? word << 8 : result;
}

static void see_accesses(struct seen *seen, struct flat *flat, const struct act *act, bool write)
{
    unsigned space, page;

    for (space = 0; space < FLAT_SPACES; space++) {
        if (flat ? !flat->space[space].exists : !pair_run.mm[space])
            continue;
        if (!flat)
            machine_switch_mm(pair_run.mm[space]);
        for (page = 0; page < FLAT_PAGES; page++)
            if (is_of_interest(act, page))
                note(seen, ABOUT_ACCESS, space, page, see_access(flat, space, page, write));
    }
}

static void see_results(struct seen *seen, const struct act *act)
{
    unsigned cpu;

    for (cpu = 0; cpu < cpus(); cpu++) {
        note(seen, ABOUT_CODE, cpu, 0, (uint64_t)act[cpu].code);
        note(seen, ABOUT_WORD, cpu, 0, act[cpu].word);
    }
}

static void see_space(struct seen *seen, unsigned space)
{
    struct mmk_mm_stats stats;

    mmk_check(pair_run.mm[space]);
    mmk_mm_stats(pair_run.mm[space], &stats);
    note(seen, ABOUT_TABLES, space, 0, stats.tables[0]);
    note(seen, ABOUT_TABLES, space, 1, stats.tables[1]);
    note(seen, ABOUT_BYTES, space, 0, stats.virt_bytes / PAGE);
    note(seen, ABOUT_BYTES, space, 1, stats.locked_bytes / PAGE);
}

static void see_flat_space(struct seen *seen, const struct flat *flat, unsigned space)
{
    note(seen, ABOUT_TABLES, space, 0, flat_tables(flat, space, 4));
    note(seen, ABOUT_TABLES, space, 1, flat_tables(flat, space, 16));
    note(seen, ABOUT_BYTES, space, 0, flat_mapped(flat, space));
    note(seen, ABOUT_BYTES, space, 1, flat_locked(flat, space));
}

/* What has been written back so far. */
static void see_kept(struct seen *seen, const struct flat *flat)
{
    unsigned i;

    for (i = 0; i < FLAT_OBJECT && this_pair()->ground->object; i++)
        note(seen, ABOUT_FILE, 0, i, flat ? flat->object.page[i].kept : pair_run.kept[i]);
}

/* Is every store that the object has seen written back, when that is asked for? */
static void see_file(struct seen *seen, struct flat *flat)
{
    unsigned i;

    if (!this_pair()->ground->object)
        return;
    if (!flat)
        expect(mmk_object_sync(pair_run.object, 0, UINT64_MAX) == 0);
    for (i = 0; flat && i < FLAT_OBJECT; i++)
        flat_write_back(flat, i);
    see_kept(seen, flat);
}

/* Who still holds pages writes to them; mirrors are compared. */
static void see_holders(struct flat *flat, const struct act *act)
{
    unsigned cpu;

    for (cpu = 0; cpu < cpus(); cpu++) {
        if (flat) {
            act_write_pinned(flat, &act[cpu]);
            continue;
        }
        act_run_write_pinned(&act[cpu]);
        if (pair_run.mirror[cpu].registered && !mirror_is_true(&act[cpu]))
            fibers_fail("a mirror shows another page than the page tables");
    }
}

/* Everything, of the machine or of the model, which is changed by that. */
static void see(struct seen *seen, struct flat *flat, const struct act *act)
{
    unsigned space;

    seen->count = 0;
    if (flat && all_leave())
        flat->space[SPACE_MAIN].exists = false;
    see_results(seen, act);
    see_kept(seen, flat);
    for (space = 0; space < FLAT_SPACES; space++) {
        if (flat && flat->space[space].exists)
            see_flat_space(seen, flat, space);
        else if (!flat && pair_run.mm[space])
            see_space(seen, space);
    }
    see_holders(flat, act);
    see_accesses(seen, flat, act, false);
    see_file(seen, flat);
    see_accesses(seen, flat, act, true);
    see_accesses(seen, flat, act, false);
}

/* ---- what may come out --------------------------------------------------------------------------
 */

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->count == b->count && memcmp(a->value, b->value, a->count * sizeof(a->value[0])) == 0;
}

static bool is_known(const struct seen *seen)
{
    size_t i;

    for (i = 0; i < model.count; i++)
        if (is_same(&model.outcomes[i], seen))
            return true;
    return false;
}

static void add_outcome(const struct flat *flat, const struct act *act)
{
    struct flat end = *flat;
    static struct seen seen;

    see(&seen, &end, act);
    if (is_known(&seen))
        return;
    if (model.count == model.size) {
        model.size = model.size ? model.size * 2 : 16;
        model.outcomes = grown(model.outcomes, model.size * sizeof(*model.outcomes));
    }
    model.outcomes[model.count++] = seen;
}

/* Waits for the mmap lock while the others read. */
static bool waits(const struct act *act, unsigned number)
{
    unsigned cpu;

    if (!(act[number].op->traits & OP_WRITER) || act[number].step > 0)
        return false;
    for (cpu = 0; cpu < cpus(); cpu++)
        if (cpu != number && act[cpu].reads && act[cpu].space == act[number].space)
            return true;
    return false;
}

static void explore(const struct flat *flat, const struct act *act);

/* One has waited for the lock in vain: from then on nothing of it happens. */
static void explore_interrupted(const struct flat *flat, const struct act *act, unsigned cpu)
{
    struct act next[PAIR_CPUS];

    if (!flat->space[act[cpu].space].killed || act[cpu].step > 0 ||
        (act[cpu].op->traits & OP_ACCESS))
        return;
    memcpy(next, act, sizeof(next));
    next[cpu].code = MMK_EINTR;
    next[cpu].over = true;
    explore(flat, next);
}

static void explore_step(const struct flat *flat, const struct act *act, unsigned cpu)
{
    struct act next[PAIR_CPUS];
    unsigned choice = 0;
    struct flat then;

    explore_interrupted(flat, act, cpu);
    do {
        memcpy(next, act, sizeof(next));
        then = *flat;
        then.choice = choice;
        then.choices = 1;
        next[cpu].over = next[cpu].op->model(&then, &next[cpu]);
        explore(&then, next);
    } while (++choice < then.choices);
}

/* From here on, in every order. */
static void explore(const struct flat *flat, const struct act *act)
{
    bool all_over = true;
    unsigned cpu;

    for (cpu = 0; cpu < cpus(); cpu++) {
        if (act[cpu].over)
            continue;
        all_over = false;
        if (!waits(act, cpu))
            explore_step(flat, act, cpu);
    }
    if (all_over)
        add_outcome(flat, act);
}

static void know_outcomes(const struct pair *pair)
{
    struct act act[PAIR_CPUS];
    struct flat flat;
    unsigned cpu;

    if (model.pair == pair)
        return;
    model.pair = pair;
    model.count = 0;
    memset(act, 0, sizeof(act));
    for (cpu = 0; cpu < cpus(); cpu++)
        init_act(&act[cpu], pair, cpu);
    flat_start(&flat, pair->ground, used_pages(act, cpus(), pair->ground));
    explore(&flat, act);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void describe(const struct seen *seen, const struct seen *other, char *text, size_t size)
{
    static const char *const what[] = {"code", "word", "tables", "pages", "access", "file"};
    size_t used = 0;
    unsigned i;

    for (i = 0; i < seen->count && i < other->count && used + 1 < size; i++)
        if (seen->value[i] != other->value[i])
            used += (size_t)snprintf(text + used, size - used, " %s of %u:%u #%u %llx not %llx;",
                                     what[seen->about[i] >> 16], seen->about[i] >> 8 & 255,
                                     seen->about[i] & 255, i, (unsigned long long)seen->value[i],
                                     (unsigned long long)other->value[i]);
    if (seen->count != other->count && used + 1 < size)
        snprintf(text + used, size - used, " %u things not %u", seen->count, other->count);
}

static void complain(const struct seen *seen)
{
    char text[4096] = "what came out does not of any order of its steps; of each it differs in:",
         line[1024];
    size_t i;

    for (i = 0; i < model.count && strlen(text) + sizeof(line) < sizeof(text); i++) {
        line[0] = 0;
        describe(seen, &model.outcomes[i], line, sizeof(line));
        strcat(strcat(text, i ? " | or" : ""), line);
    }
    fibers_fail(text);
}

/* What the run has left beside world.mm goes. */
static void clean_up(void)
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
}

static void check(void)
{
    static struct seen seen;

    know_outcomes(this_pair());
    pair_run.mm[SPACE_MAIN] = world.mm; /* unless all have left it */
    see(&seen, NULL, pair_run.act);
    if (!is_known(&seen))
        complain(&seen);
    clean_up();
}

/* ---- the list -----------------------------------------------------------------------------------
 */

static const struct op *const lists[] = {pair_ops_access, pair_ops_map,  pair_ops_move,
                                         pair_ops_page,   pair_ops_lock, pair_ops_object,
                                         pair_ops_life};

static bool fits_ground(unsigned traits, const struct ground *ground)
{
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

static bool fits(const struct op *a, const struct op *b, const struct ground *ground,
                 const struct place *place)
{
    if (place->count > 1 && (!ground->wide || (a->traits & b->traits & (OP_ONE_PAGE | OP_LARGE))))
        return false;
    if ((a->traits & OP_PARENT) && (b->traits & (OP_PARENT | OP_CHILD)))
        return false;
    if ((b->traits & OP_PARENT) && (a->traits & OP_CHILD))
        return false;
    return fits_ground(a->traits | b->traits, ground);
}

/* A place more, and one for the end of the list. */
static void make_room(void)
{
    if (all.count + 1 < all.size)
        return;
    all.size = all.size ? all.size * 2 : 1024;
    all.pairs = grown(all.pairs, all.size * sizeof(*all.pairs));
    all.scenarios = grown(all.scenarios, all.size * sizeof(*all.scenarios));
}

/*
 * A mapping goes before its pages. An access that faults meanwhile, with its page still there, says
 * that there is nothing; the next one finds the page: no order of the two calls has that, nor has
 * Linux one.
 */
static bool needs_exact_faults(const struct op *a, const struct op *b)
{
    return ((a->traits | b->traits) & OP_ACCESS) && ((a->traits | b->traits) & OP_WRITER);
}

static void add_pair(const struct op *a, const struct op *b, const struct ground *ground,
                     const struct place *place)
{
    struct pair *pair;

    make_room();
    pair = &all.pairs[all.count];
    *pair = (struct pair){.op = {a, b}, .ground = ground, .place = place};
    snprintf(pair->name, sizeof(pair->name), "pair.%s.%s.%s.%s", a->name, b->name, ground->name,
             place->name);
    all.scenarios[all.count++] =
        (struct scenario){.what = "what comes out comes out of one of their orders",
                          .exact_faults = needs_exact_faults(a, b),
                          .cpus = 2,
                          .independent = true,
                          .setup = setup,
                          .body = body,
                          .check = check};
}

static const struct op *op_number(size_t number)
{
    size_t list, i;

    for (list = 0; list < sizeof(lists) / sizeof(lists[0]); list++)
        for (i = 0; lists[list][i].name; i++)
            if (number-- == 0)
                return &lists[list][i];
    return NULL;
}

static void add_pairs(const struct op *a, const struct op *b)
{
    size_t g, p;

    for (g = 0; g < sizeof(grounds) / sizeof(grounds[0]); g++)
        for (p = 0; p < sizeof(places) / sizeof(places[0]); p++)
            if (fits(a, b, &grounds[g], &places[p]))
                add_pair(a, b, &grounds[g], &places[p]);
}

const struct scenario *scenarios_pairs(void)
{
    size_t i, j;

    if (all.count)
        return all.scenarios;
    for (i = 0; op_number(i); i++)
        for (j = i; op_number(j); j++)
            add_pairs(op_number(i), op_number(j));
    for (i = 0; i < all.count; i++)
        all.scenarios[i].name = all.pairs[i].name;
    all.scenarios[i].name = NULL;
    return all.scenarios;
}
