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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const struct place places[] = {
    {"same", {3, 3}, 1},
    {"near", {2, 3}, 1},
    {"cross", {3, 3}, 2},
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

static void init_acts(const struct pair *pair, struct act *act)
{
    unsigned cpu;

    for (cpu = 0; cpu < cpus(); cpu++)
        init_act(&act[cpu], pair, cpu);
}

static void setup(void)
{
    const struct pair *pair = this_pair();
    struct act act[PAIR_ACTS];
    unsigned cpu;

    init_acts(pair, act);
    ground_start(pair->ground, act, cpus());
    for (cpu = 1; cpu < cpus() && pair_all_leave(); cpu++)
        mmk_mm_get(world.mm);
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
    if (pair_all_leave())
        leave(cpu);
}

static void check(void)
{
    struct act act[PAIR_ACTS];

    init_acts(this_pair(), act);
    pair_check((uintptr_t)this_pair(), act);
    ground_stop();
}

/* ---- the list -----------------------------------------------------------------------------------
 */

static bool fits(const struct op *a, const struct op *b, const struct ground *ground,
                 const struct place *place)
{
    if (ground->keeps && !(a->traits & b->traits & OP_ACCESS))
        return false;
    if (place->count > 1 && (!ground->wide || (a->traits & b->traits & (OP_ONE_PAGE | OP_LARGE))))
        return false;
    if ((a->traits & OP_PARENT) && (b->traits & (OP_PARENT | OP_CHILD)))
        return false;
    if ((b->traits & OP_PARENT) && (a->traits & OP_CHILD))
        return false;
    return ground_fits(a->traits | b->traits, ground);
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
                          .mmu = ground->keeps ? MACHINE_KEEPS_FAULTED | MACHINE_KEEPS_ABSENCE : 0,
                          .cpus = 2,
                          .independent = true,
                          .setup = setup,
                          .body = body,
                          .check = check};
}

static void add_pairs(const struct op *a, const struct op *b)
{
    size_t g, p;

    for (g = 0; pair_grounds[g].name; g++)
        for (p = 0; p < sizeof(places) / sizeof(places[0]); p++)
            if (fits(a, b, &pair_grounds[g], &places[p]))
                add_pair(a, b, &pair_grounds[g], &places[p]);
}

const struct scenario *scenarios_pairs(void)
{
    size_t i, j;

    if (all.count)
        return all.scenarios;
    for (i = 0; pair_op(i); i++)
        for (j = i; pair_op(j); j++)
            add_pairs(pair_op(i), pair_op(j));
    for (i = 0; i < all.count; i++)
        all.scenarios[i].name = all.pairs[i].name;
    all.scenarios[i].name = NULL;
    return all.scenarios;
}
