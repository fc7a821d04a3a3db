/* SPDX-License-Identifier: MIT */
/*
 * sharing.c - see sharing.h: both orders of each pair, one CPU after the other.
 *
 * SH1 What the two do together does not matter: nobody waits for the other. They run one after the
 *     other, so that a line is theirs for what they have to do, and not for how they came to meet.
 * SH2 What a CPU keeps for itself is warm: sharing_warm.c.
 */
#include "sharing.h"

#include "corpus.h"
#include "grown.h"
#include "lines.h"
#include "sharing_warm.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const struct sharing_pair *pair;
    struct ground ground;
    struct act begin[2];
} now; /* the pair under way */

/* ---- what it is -------------------------------------------------------------------------------
 */

static void missing(const struct sharing_pair *pair, const char *name)
{
    fprintf(stderr, "mmkit simulate: %s.%s.%s.%s: there is no %s\n", pair->op[0], pair->op[1],
            pair->ground, pair->place, name);
    exit(STATUS_BAD_USAGE);
}

static const struct op *find_op(const struct sharing_pair *pair, unsigned cpu)
{
    const struct op *op;
    size_t i;

    for (i = 0; (op = pair_op(i)) != NULL; i++)
        if (strcmp(op->name, pair->op[cpu]) == 0)
            return op;
    missing(pair, pair->op[cpu]);
    return NULL;
}

static const struct ground *find_ground(const struct sharing_pair *pair)
{
    const struct ground *ground = sharing_grounds;

    while (ground->name && strcmp(ground->name, pair->ground) != 0)
        ground++;
    if (!ground->name)
        missing(pair, pair->ground);
    return ground;
}

static const struct sharing_place *find_place(const struct sharing_pair *pair)
{
    const struct sharing_place *place = sharing_places;

    while (place->name && strcmp(place->name, pair->place) != 0)
        place++;
    if (!place->name)
        missing(pair, pair->place);
    return place;
}

static void choose(const struct sharing_pair *pair)
{
    const struct sharing_place *place = find_place(pair);
    unsigned cpu;

    now.pair = pair;
    now.ground = *find_ground(pair);
    now.ground.again = place->again;
    now.ground.other = place->other;
    for (cpu = 0; cpu < 2; cpu++) {
        struct act *act = &now.begin[cpu];

        *act = (struct act){
            .op = find_op(pair, cpu), .cpu = cpu, .page = place->page[cpu], .count = 1};
        if (cpu == 1 && place->other)
            act->space = SPACE_OTHER;
        if (cpu == 1 && place->child)
            act->space = SPACE_CHILD;
        if (act->op->traits & OP_HEAP)
            act->page = PAIR_HEAP - 1;
    }
}

/* ---- one run ----------------------------------------------------------------------------------
 */

static void setup(void)
{
    ground_start(&now.ground, now.begin, 2);
}

static unsigned first; /* whose turn it is first in this run */

static void check(void)
{
    pair_check_order(now.begin, first);
    ground_stop();
}

static const struct scenario scenario = {
    .name = "sharing",
    .cpus = 2,
    .exact_faults = true,
    .waiting_limit = (uint64_t)64 << 20, /* as on a machine with much more memory */
    .setup = setup,
    .check = check};

static void act(unsigned cpu)
{
    fibers_be_cpu(cpu);
    pair_run.act[cpu].op->run(&pair_run.act[cpu]);
}

static void lack_memory(void)
{
    fputs("mmkit simulate: no memory for a machine\n", stderr);
    exit(STATUS_BAD_USAGE);
}

static void run_order(struct sharing_found *found)
{
    unsigned cpu;

    if (!fibers_prepare(false) || !world_start(&scenario, 1))
        lack_memory();
    for (cpu = 0; cpu < 2; cpu++) {
        fibers_be_cpu(cpu);
        sharing_warm(pair_run.mm[now.begin[cpu].space]);
    }
    if (!lines_begin())
        lack_memory();
    act(first);
    act(1 - first);
    sharing_look(found);
    fibers_be_cpu(0);
    sharing_cool();
    world_stop(&scenario);
}

/* ---- what came of it --------------------------------------------------------------------------
 */

static bool in_one_table(const struct sharing_pair *pair)
{
    const struct sharing_place *place = find_place(pair);

    return !place->other && !place->child &&
           place->page[0] / FLAT_TABLE == place->page[1] / FLAT_TABLE;
}

static enum sharing_verdict judge(const struct sharing_result *result)
{
    enum sharing_verdict verdict = SHARING_NOTHING, worst = SHARING_NOTHING;
    size_t i;

    for (i = 0; i < result->found.count; i++) {
        const struct sharing_line *line = &result->found.line[i];

        verdict = SHARING_SOMETHING;
        if (line->table && in_one_table(result->pair))
            verdict = SHARING_TABLE;
        else if (line->interrupt)
            verdict = SHARING_FLUSH;
        worst = verdict > worst ? verdict : worst;
    }
    return worst;
}

static void run_pair(const struct sharing_pair *pair, struct sharing *sum)
{
    struct sharing_result *result;
    char name[SHARING_PAIR_NAME];

    sum->results = grown(sum->results, (sum->pairs + 1) * sizeof(*sum->results));
    result = &sum->results[sum->pairs++];
    *result = (struct sharing_result){.pair = pair};
    choose(pair);
    for (first = 0; first < 2; first++)
        run_order(&result->found);
    if (!pair_commutes(now.begin)) {
        fprintf(stderr, "mmkit simulate: %s does not commute\n", sharing_pair_name(pair, name));
        exit(STATUS_FAULT);
    }
    result->verdict = judge(result);
    if (pair->class == SHARING_SERIALISED)
        sum->serialised++;
    else
        sum->verdicts[result->verdict]++;
}

size_t sharing_free(const struct sharing *sharing)
{
    return sharing->verdicts[SHARING_NOTHING] + sharing->verdicts[SHARING_TABLE];
}

/* ---- all of them ------------------------------------------------------------------------------
 */

const char *sharing_pair_name(const struct sharing_pair *pair, char *name)
{
    snprintf(name, SHARING_PAIR_NAME, "%s.%s.%s.%s", pair->op[0], pair->op[1], pair->ground,
             pair->place);
    return name;
}

static bool is_asked_for(const struct sharing_pair *pair, const char *pattern)
{
    char name[SHARING_PAIR_NAME];

    return strcmp(pattern, "all") == 0 || fnmatch(pattern, sharing_pair_name(pair, name), 0) == 0;
}

struct sharing sharing_run(const struct arguments *arguments)
{
    static const struct sharing_pair *const lists[] = {sharing_pairs_anon, sharing_pairs_swap,
                                                       sharing_pairs_object};
    const struct sharing_pair *pair;
    struct sharing sum = {0};
    unsigned list;

    mmk_planted = arguments->plant ? arguments->plant->planted : MMK_MISTAKE_NONE;
    for (list = 0; list < sizeof(lists) / sizeof(lists[0]); list++)
        for (pair = lists[list]; pair->place; pair++)
            if (is_asked_for(pair, arguments->scenario))
                run_pair(pair, &sum);
    if (sum.pairs == 0)
        bad_usage("--scenario %s: no such pair", arguments->scenario);
    return sum;
}
