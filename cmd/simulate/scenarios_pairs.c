/* SPDX-License-Identifier: MIT */
/*
 * scenarios_pairs.c - every two operations beside each other, on memory of each kind.
 *
 * pair.A.B.GROUND.PLACE: CPU 0 does A and CPU 1 does B, on a mapping of four pages that lie in two
 * leaf tables. PLACE says where:
 *
 *   same   both on the last page of a table
 *   near   on two pages of one table
 *   cross  on two pages in two tables; what works on a page alone takes the second
 *
 * Only the pages that will be used are there at first: so tables empty, and are built again.
 *
 * What comes out must come out of the flat model in one of the orders of the steps of A and B:
 * what the two answered, which tables there are, and what a program then finds everywhere, in
 * address spaces that were forked, too. The orders are tried once a scenario.
 */
#include "pairs.h"

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

enum { ABOUT_CODE, ABOUT_WORD, ABOUT_TABLES, ABOUT_BYTES, ABOUT_CORE, ABOUT_ACCESS, ABOUT_FILE };

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
    {.name = "new"},
    {.name = "anon", .stored = true, .warm = true},
    {.name = "fork", .stored = true, .forked = true, .warm = true},
    {.name = "file", .object = true, .loaded = true},
    {.name = "copy", .object = true, .stored = true, .warm = true},
    {.name = "shared", .object = true, .shared = true, .stored = true, .warm = true},
    {.name = "cold", .object = true, .shared = true},
};

#define CPUS 2

static struct {
    struct pair *pairs;
    struct scenario *scenarios; /* likewise, and one without a name */
    size_t count, size;
} all;

static void *grown(void *list, size_t size)
{
    list = realloc(list, size);
    if (!list) {
        fputs("mmkit simulate: no memory\n", stderr);
        exit(3);
    }
    return list;
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

bool act_all_mapped(struct flat *flat, const struct act *act)
{
    unsigned i;

    for (i = 0; i < act->count; i++)
        if (!act_page(flat, act, i)->mapped)
            return false;
    return true;
}

/* ---- the start --------------------------------------------------------------------------------
 */

static int read_kept(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memset(page, 0, PAGE);
    memcpy(page, &pair_run.kept[index], sizeof(pair_run.kept[index]));
    return 0;
}

static int write_kept(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    memcpy(&pair_run.kept[index], page, sizeof(pair_run.kept[index]));
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
    if ((op->traits & OP_ONE_PAGE) && place->count > 1) {
        act->page += place->count - 1;
        act->count = 1;
    }
}

/* The pages that are used at first, as bits. */
static unsigned used_pages(const struct act *act, unsigned cpus)
{
    unsigned pages = 0, cpu;

    for (cpu = 0; cpu < cpus; cpu++)
        pages |= ((1u << act[cpu].count) - 1) << act[cpu].page;
    return pages;
}

static void touch(unsigned page, bool write)
{
    uint64_t word = WORD_TOUCHED(page);

    expect((write ? put_word(page, word) : get_word(page, &word)) == MMK_FAULT_DONE);
}

static void touch_pages(unsigned pages, const struct ground *ground)
{
    unsigned page;

    for (page = PAIR_FIRST; page < PAIR_END; page++)
        if (pages & 1u << page && (ground->loaded || ground->stored))
            touch(page, ground->stored);
}

static void map_ground(const struct ground *ground)
{
    unsigned flags = ground->shared ? MMK_MAP_SHARED : MMK_MAP_PRIVATE, i;
    int64_t addr;

    flags |= MMK_MAP_FIXED | (ground->object ? 0 : MMK_MAP_ANONYMOUS);
    for (i = 0; i < FLAT_OBJECT; i++)
        pair_run.kept[i] = WORD_KEPT(i);
    if (ground->object)
        expect(mmk_object_create(&file_ops, PAIR_END * PAGE, NULL, &pair_run.object) == 0);
    addr = mmk_mmap(world.mm, page_at(PAIR_FIRST), (PAIR_END - PAIR_FIRST) * PAGE, RW, flags,
                    pair_run.object, ground->object ? PAIR_FIRST * PAGE : 0);
    expect(addr == (int64_t)page_at(PAIR_FIRST));
}

static void setup(void)
{
    const struct pair *pair = this_pair();
    unsigned cpu, pages;

    memset(&pair_run, 0, sizeof(pair_run));
    pair_run.ground = pair->ground;
    pair_run.mm[SPACE_MAIN] = world.mm;
    for (cpu = 0; cpu < CPUS; cpu++)
        init_act(&pair_run.act[cpu], pair, cpu);
    pages = used_pages(pair_run.act, CPUS);
    map_ground(pair->ground);
    for (cpu = pair->ground->warm ? CPUS : 1; cpu-- > 0;) {
        fibers_be_cpu(cpu);
        touch_pages(pages, pair->ground);
    }
    if (pair->ground->forked)
        expect(mmk_fork(world.mm, &pair_run.mm[SPACE_CHILD]) == 0);
    for (cpu = 0; cpu < CPUS; cpu++) {
        if (!(pair->op[cpu]->traits & OP_CHILD))
            continue;
        fibers_be_cpu(cpu);
        machine_switch_mm(pair_run.mm[SPACE_CHILD]);
    }
    fibers_be_cpu(0);
}

static void body(unsigned cpu)
{
    pair_run.act[cpu].op->run(&pair_run.act[cpu]);
}

/* The same start in the model. */
static void flat_start(struct flat *flat, const struct pair *pair, const struct act *act)
{
    const struct ground *ground = pair->ground;
    unsigned page, i, used = used_pages(act, CPUS);
    uint32_t word;

    memset(flat, 0, sizeof(*flat));
    flat->space[SPACE_MAIN].exists = true;
    flat->object.size = ground->object ? PAIR_END : 0;
    for (i = 0; i < FLAT_OBJECT; i++)
        flat->object.page[i].kept = WORD_KEPT(i);
    for (page = PAIR_FIRST; page < PAIR_END; page++) {
        struct flat_page *p = &flat->space[SPACE_MAIN].page[page];

        flat_map(flat, SPACE_MAIN, page, RW);
        p->object = ground->object;
        p->shared = ground->shared;
        p->index = ground->object ? (uint8_t)page : 0;
        word = WORD_TOUCHED(page);
        if (used & 1u << page && (ground->loaded || ground->stored))
            (void)flat_access(flat, SPACE_MAIN, page, ground->stored, &word);
    }
    if (ground->forked)
        flat_fork(flat, SPACE_MAIN, SPACE_CHILD);
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
static bool is_of_interest(const struct act *act, unsigned cpus, unsigned page)
{
    unsigned cpu, from;

    for (cpu = 0; cpu < cpus; cpu++) {
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
    unsigned cpus = CPUS, space, page;

    for (space = 0; space < FLAT_SPACES; space++) {
        if (flat ? !flat->space[space].exists : !pair_run.mm[space])
            continue;
        if (!flat)
            machine_switch_mm(pair_run.mm[space]);
        for (page = 0; page < FLAT_PAGES; page++)
            if (is_of_interest(act, cpus, page))
                note(seen, ABOUT_ACCESS, space, page, see_access(flat, space, page, write));
    }
}

static void see_results(struct seen *seen, const struct act *act)
{
    unsigned cpu;

    for (cpu = 0; cpu < CPUS; cpu++) {
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

/* Was every store that the object has seen written back, when that is asked for? */
static void see_file(struct seen *seen, struct flat *flat)
{
    unsigned i;

    if (!this_pair()->ground->object)
        return;
    if (!flat)
        expect(mmk_object_sync(pair_run.object, 0, UINT64_MAX) == 0);
    for (i = 0; i < FLAT_OBJECT; i++) {
        if (flat && flat->object.page[i].cached)
            flat->object.page[i].kept = flat->object.page[i].word;
        note(seen, ABOUT_FILE, 0, i, flat ? flat->object.page[i].kept : pair_run.kept[i]);
    }
}

/* Everything, of the machine or of the model, which is changed by that. */
static void see(struct seen *seen, struct flat *flat, const struct act *act)
{
    unsigned space;

    seen->count = 0;
    see_results(seen, act);
    for (space = 0; space < FLAT_SPACES; space++) {
        if (flat && flat->space[space].exists)
            see_flat_space(seen, flat, space);
        else if (!flat && pair_run.mm[space])
            see_space(seen, space);
    }
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

/* From here on, in every order. */
static void explore(const struct flat *flat, const struct act *act)
{
    struct act next[PAIR_CPUS];
    unsigned cpus = CPUS, cpu, choice;
    struct flat then;
    bool all_over = true;

    for (cpu = 0; cpu < cpus; cpu++) {
        if (act[cpu].over)
            continue;
        all_over = false;
        choice = 0;
        do {
            memcpy(next, act, sizeof(next));
            then = *flat;
            then.choice = choice;
            then.choices = 1;
            next[cpu].over = next[cpu].op->model(&then, &next[cpu]);
            explore(&then, next);
        } while (++choice < then.choices);
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
    for (cpu = 0; cpu < CPUS; cpu++)
        init_act(&act[cpu], pair, cpu);
    flat_start(&flat, pair, act);
    explore(&flat, act);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void describe(const struct seen *seen, const struct seen *other, char *text, size_t size)
{
    static const char *const what[] = {"code",      "word",   "tables", "pages",
                                       "residency", "access", "file"};
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
    char text[4096] = "what came out does not of any order of its steps:\n", line[1024];
    size_t i;

    for (i = 0; i < model.count && strlen(text) + sizeof(line) < sizeof(text); i++) {
        line[0] = 0;
        describe(seen, &model.outcomes[i], line, sizeof(line));
        strcat(strcat(text, line), "\n");
    }
    fibers_fail(text);
}

static void check(void)
{
    static struct seen seen;
    unsigned space;

    know_outcomes(this_pair());
    see(&seen, NULL, pair_run.act);
    if (!is_known(&seen))
        complain(&seen);
    machine_switch_mm(NULL);
    for (space = SPACE_MAIN + 1; space < FLAT_SPACES; space++)
        if (pair_run.mm[space]) {
            unsigned cpu;

            for (cpu = 0; cpu < CPUS; cpu++) {
                fibers_be_cpu(cpu);
                machine_switch_mm(NULL);
            }
            fibers_be_cpu(0);
            mmk_mm_put(pair_run.mm[space]);
        }
    if (pair_run.object)
        mmk_object_put(pair_run.object);
}

/* ---- the list -----------------------------------------------------------------------------------
 */

static const struct op *const lists[] = {pair_ops_access, pair_ops_map};

static bool fits_ground(const struct op *op, const struct ground *ground)
{
    if ((op->traits & OP_OBJECT) && !ground->object)
        return false;
    if ((op->traits & OP_SHARED) && !ground->shared)
        return false;
    if ((op->traits & OP_ANON) && ground->object)
        return false;
    return !(op->traits & OP_CHILD) || ground->forked;
}

static bool fits(const struct op *a, const struct op *b, const struct ground *ground,
                 const struct place *place)
{
    if (place->count > 1 && (a->traits & OP_ONE_PAGE) && (b->traits & OP_ONE_PAGE))
        return false;
    return fits_ground(a, ground) && fits_ground(b, ground);
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
                          .cpus = CPUS,
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
