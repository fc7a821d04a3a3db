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
 * Where there are larger pages, and pages around, all four pages of the first table are mapped,
 * and:
 *
 *   parts        on two pages of it
 *   first-whole  A on all four, B on the last one
 *   last-whole   A on the last one, B on all four
 *   wholes       both on all four
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
    unsigned page[2], count[2];
};

struct pair {
    char name[64];
    const struct op *op[2];
    const struct ground *ground;
    const struct place *place;
};

static const struct place places[] = {
    {"same", {3, 3}, {1, 1}},
    {"near", {2, 3}, {1, 1}},
    {"cross", {3, 3}, {2, 2}},
};

static const struct place places_whole[] = {
    {"parts", {2, 3}, {1, 1}},
    {"first-whole", {0, 3}, {PAIR_WHOLE, 1}},
    {"last-whole", {3, 0}, {1, PAIR_WHOLE}},
    {"wholes", {0, 0}, {PAIR_WHOLE, PAIR_WHOLE}},
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

    *act = (struct act){.op = op, .cpu = cpu, .page = place->page[cpu], .count = place->count[cpu]};
    if (op->traits & OP_CHILD)
        act->space = SPACE_CHILD;
    if (op->traits & OP_HEAP) {
        act->page = PAIR_HEAP - 1;
        act->count = 1;
    } else if ((op->traits & OP_ONE_PAGE) && act->count > 1) {
        act->page += act->count - 1;
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

static bool fits(const struct op *a, const struct op *b, const struct ground *ground)
{
    if (ground->keeps && !(a->traits & b->traits & OP_ACCESS))
        return false;
    if ((a->traits & OP_PARENT) && (b->traits & (OP_PARENT | OP_CHILD)))
        return false;
    if ((b->traits & OP_PARENT) && (a->traits & OP_CHILD))
        return false;
    return ground_fits(a->traits | b->traits, ground);
}

static bool fits_place(const struct op *a, const struct op *b, const struct ground *ground,
                       const struct place *place)
{
    return place->count[0] == 1 ||
           (ground->wide && !(a->traits & b->traits & (OP_ONE_PAGE | OP_LARGE)));
}

/* On a page, or on all of a table: what makes no difference is there once. */
static bool fits_count(const struct op *op, unsigned count)
{
    return !(op->traits & (count > 1 ? OP_ONE_PAGE | OP_HEAP : OP_NOWHERE));
}

/*
 * Who brings in pages that a fork shares, or that are zeros so far, copies one after the other;
 * beside a call that waits for the lock meanwhile, mlock has too many schedules even with one.
 */
static bool copies_too_much(const struct op *op, const struct op *other, unsigned count)
{
    if ((op->traits & OP_BRINGS) && !(other->traits & OP_ACCESS))
        return true;
    return count > 1 && (op->traits & (OP_BRINGS | OP_FILLS)) && !(op->traits & OP_ONE_PAGE);
}

/* What splits a larger page, and what makes one, beside all others; of these not each beside each.
 */
static bool is_left_out(const struct op *op, const struct op *other)
{
    const unsigned many = OP_RARE | OP_LARGE;

    return (op->traits & other->traits & OP_RARE) ||
           ((op->traits & many) == many && !(other->traits & OP_ACCESS));
}

static bool fits_whole(const struct op *a, const struct op *b, const struct ground *ground,
                       const struct place *place)
{
    if (a == b && place->count[0] < place->count[1])
        return false;
    if (ground->larger && !ground->wants && (is_left_out(a, b) || is_left_out(b, a)))
        return false;
    if ((ground->forked || ground->loaded) &&
        (copies_too_much(a, b, place->count[0]) || copies_too_much(b, a, place->count[1])))
        return false;
    return fits_count(a, place->count[0]) && fits_count(b, place->count[1]);
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
                          .fault_around = ground->around ? PAIR_WHOLE * PAGE : 0,
                          .huge = ground->larger ? MMK_HUGE_ALWAYS : MMK_HUGE_NEVER,
                          .cpus = 2,
                          .independent = true,
                          .setup = setup,
                          .body = body,
                          .check = check};
}

static void add_places(const struct op *a, const struct op *b, const struct ground *ground)
{
    size_t p;

    for (p = 0; p < sizeof(places) / sizeof(places[0]); p++)
        if (!ground_has_whole(ground) && fits_place(a, b, ground, &places[p]))
            add_pair(a, b, ground, &places[p]);
    for (p = 0; p < sizeof(places_whole) / sizeof(places_whole[0]); p++)
        if (ground_has_whole(ground) && fits_whole(a, b, ground, &places_whole[p]))
            add_pair(a, b, ground, &places_whole[p]);
}

static void add_pairs(const struct op *a, const struct op *b)
{
    const struct ground *ground;

    for (ground = pair_grounds; ground->name; ground++)
        if (fits(a, b, ground))
            add_places(a, b, ground);
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
